//! Lists of which nearly all have one entry, that need no memory of their own for it.

use serde::{Serialize, Serializer};

/// Entries in order, the first of which stands in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Few<T> {
    first: Option<T>,
    /// None without a first.
    rest: Vec<T>,
}

impl<T> Few<T> {
    pub(crate) const fn new() -> Self {
        Few { first: None, rest: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(crate) fn push(&mut self, entry: T) {
        match self.first {
            None => self.first = Some(entry),
            Some(_) => self.rest.push(entry),
        }
    }

    /// Takes out the first that is wanted; those behind it move up.
    pub(crate) fn take(&mut self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let first = self.first.as_ref()?;
        if wanted(first) {
            let next = if self.rest.is_empty() { None } else { Some(self.rest.remove(0)) };
            return std::mem::replace(&mut self.first, next);
        }
        let at = self.rest.iter().position(wanted)?;
        Some(self.rest.remove(at))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Few::new()
    }
}

/// As any list.
impl<T: Serialize> Serialize for Few<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_list(steps in prop::collection::vec((any::<bool>(), 0u8..4), 0..40)) {
            let (mut few, mut list) = (Few::new(), Vec::new());
            for (adds, entry) in steps {
                if adds {
                    few.push(entry);
                    list.push(entry);
                } else {
                    let at = list.iter().position(|known| *known == entry);
                    prop_assert_eq!(few.take(|known| *known == entry), at.map(|at| list.remove(at)));
                }
                prop_assert_eq!((few.len(), few.is_empty()), (list.len(), list.is_empty()));
                prop_assert_eq!(serde_json::to_string(&few).unwrap(), serde_json::to_string(&list).unwrap());
            }
            prop_assert_eq!(few.iter().copied().collect::<Vec<_>>(), list);
        }
    }
}
