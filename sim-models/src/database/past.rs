//! What rows held before, for as long as somebody looks at a moment that is over.
//!
//! Nothing is kept while no snapshot is open, so that whoever never takes one pays nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::shelf::as_pairs;

/// What rows held before they changed, as far back as open snapshots look.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(bound = "P: Serialize, V: Serialize")]
pub struct Past<P, V> {
    /// Changes since the first of the open snapshots was taken.
    changes: u64,
    /// How many snapshots are open, by the changes that were when they were taken.
    #[serde(serialize_with = "as_pairs")]
    open: BTreeMap<u64, u32>,
    /// What each row held before the change of that number, in order.
    #[serde(serialize_with = "as_pairs")]
    rows: BTreeMap<P, Vec<(u64, V)>>,
}

/// A moment whose rows can be read as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Snapshot(u64);

impl<P, V> Default for Past<P, V> {
    fn default() -> Self {
        Past { changes: 0, open: BTreeMap::new(), rows: BTreeMap::new() }
    }
}

impl<P: Ord, V> Past<P, V> {
    /// Takes a snapshot of this moment; it stays until it is [closed](Self::close).
    pub fn open(&mut self) -> Snapshot {
        *self.open.entry(self.changes).or_default() += 1;
        Snapshot(self.changes)
    }

    /// Nobody looks at this snapshot any more: what only it could see is forgotten.
    pub fn close(&mut self, Snapshot(at): Snapshot) {
        if let Some(count) = self.open.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&at);
            }
        }
        let Some((&oldest, _)) = self.open.first_key_value() else { return *self = Past::default() };
        if oldest > at {
            self.rows.retain(|_, before| {
                before.retain(|(change, _)| *change > oldest);
                !before.is_empty()
            });
        }
    }

    /// Whether a snapshot is open, so that what changes must be kept.
    pub fn is_watched(&self) -> bool {
        !self.open.is_empty()
    }

    /// A row is about to change, and holds this.
    pub fn keep(&mut self, row: P, before: V) {
        if self.is_watched() {
            self.changes += 1;
            self.rows.entry(row).or_default().push((self.changes, before));
        }
    }

    /// What a row held at a snapshot; none when it has not changed since, and is as it is now.
    pub fn at(&self, row: &P, Snapshot(at): Snapshot) -> Option<&V> {
        let before = self.rows.get(row)?;
        before.iter().find(|(change, _)| *change > at).map(|(_, held)| held)
    }

    /// Whether a row has changed since a snapshot: whoever looks at that may not set it any more.
    pub fn has_changed(&self, row: &P, since: Snapshot) -> bool {
        self.at(row, since).is_some()
    }

    /// The rows that have changed since the oldest open snapshot: some of them may be gone.
    pub fn changed(&self) -> impl Iterator<Item = &P> {
        self.rows.keys()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_kept_while_nobody_looks_back() {
        let mut past = Past::default();
        past.keep('a', 1);
        assert_eq!(past, Past::default());
        let moment = past.open();
        past.keep('a', 1);
        assert_eq!(past.at(&'a', moment), Some(&1));
        past.close(moment);
        assert_eq!(past, Past::default());
    }

    proptest! {
        /// Against whole copies of the table: each snapshot reads what its copy holds, whatever else is opened and closed.
        #[test]
        fn a_snapshot_reads_what_a_copy_of_the_table_holds(steps in prop::collection::vec((0_u8..4, 0_usize..4, 0_u32..100), 0..80)) {
            let mut table = [0; 4];
            let mut past = Past::default();
            let mut copies: Vec<(Snapshot, [u32; 4])> = Vec::new();
            for (what, row, value) in steps {
                match what {
                    0 => copies.push((past.open(), table)),
                    1 if !copies.is_empty() => past.close(copies.swap_remove(row % copies.len()).0),
                    _ => {
                        past.keep(row, table[row]);
                        table[row] = value;
                    }
                }
                for (snapshot, copy) in &copies {
                    for row in 0..4 {
                        prop_assert_eq!(*past.at(&row, *snapshot).unwrap_or(&table[row]), copy[row]);
                    }
                }
                prop_assert!(!copies.is_empty() || past == Past::default());
            }
        }
    }
}
