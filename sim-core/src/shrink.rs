//! Makes a failing list smaller until every item of it matters.
//!
//! Delta debugging after A. Zeller and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (IEEE TSE 28, 2002),
//! section 3: halves, quarters, and so on down to single items. Every subset of a schedule is a valid schedule, so shrinking
//! is deletion, and it has never heard of what it deletes.

/// How many more replays may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Replays used so far.
    pub used: u64,
    /// Replays that may be used in all.
    pub most: u64,
}

impl Budget {
    /// None used yet.
    pub const fn new(most: u64) -> Self {
        Budget { used: 0, most }
    }

    /// Takes one replay; false when there is none left.
    pub const fn take(&mut self) -> bool {
        if self.used >= self.most {
            return false;
        }
        self.used += 1;
        true
    }
}

/// The items that are left when no single one can be taken away and `fails` still says yes; the whole list must fail.
///
/// Once `fails` has no answer any more (its budget is used up, somebody has seen enough), the smallest failing list so far. The
/// order of items stays.
///
/// ```
/// use sim_core::shrink::minimise;
/// let needed = |items: &[u32]| Some(items.contains(&3) && items.contains(&17));
/// assert_eq!(minimise((0..100).collect(), needed), [3, 17]);
/// ```
pub fn minimise<T: Clone>(mut items: Vec<T>, mut fails: impl FnMut(&[T]) -> Option<bool>) -> Vec<T> {
    let mut size = items.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        let mut smaller = false;
        while from < items.len() {
            let to = (from + size).min(items.len());
            let rest: Vec<T> = items[..from].iter().chain(&items[to..]).cloned().collect();
            match fails(&rest) {
                Some(true) => {
                    items = rest;
                    smaller = true;
                }
                Some(false) => from = to,
                None => return items,
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if !smaller {
            return items;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_single_item_of_the_result_can_go(needed in prop::collection::btree_set(0u32..60, 0..6)) {
            let fails = |items: &[u32]| Some(needed.iter().all(|item| items.contains(item)));
            let left = minimise((0..60).collect(), fails);
            prop_assert_eq!(left, needed.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn a_budget_is_kept_and_the_result_still_fails(most in 0u64..40) {
            let mut budget = Budget::new(most);
            let fails = |items: &[u32]| items.iter().sum::<u32>() >= 100;
            let left = minimise((0..40).collect(), |items| budget.take().then(|| fails(items)));
            prop_assert!(budget.used <= most && fails(&left));
        }
    }
}
