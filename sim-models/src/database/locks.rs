//! Who has what, who waits for it in which order, and who waits for each other in a circle.
//!
//! A lock has one holder. It has never heard of rows or of time: what is locked, who holds and who waits are its owner's words.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeFrom;

use serde::{Serialize, Serializer};

use crate::shelf::as_pairs;

/// Locks of places `P` by holders `H`, for which `W` wait.
#[derive(Clone, Debug)]
pub struct Locks<P, H, W>(BTreeMap<P, Lock<H, W>>);

/// Who has a place, and who comes next.
#[derive(Clone, Debug, Serialize)]
pub struct Lock<H, W> {
    /// Who has it.
    pub holder: H,
    /// Who waits for it, in order of coming.
    pub waiters: VecDeque<W>,
}

/// What follows when a place is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed<H, W> {
    /// Who has it now.
    pub to: Option<H>,
    /// Who waits no longer, in order: those of the new holder, and those before it who only wanted it to be free.
    pub woken: Vec<W>,
}

impl<P: Serialize, H: Serialize, W: Serialize> Serialize for Locks<P, H, W> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        as_pairs(&self.0, out)
    }
}

impl<P, H, W> Default for Locks<P, H, W> {
    fn default() -> Self {
        Locks(BTreeMap::new())
    }
}

impl<P: Ord, H: Copy + Ord, W: PartialEq> Locks<P, H, W> {
    /// Whether nobody has anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who has this.
    pub fn holder(&self, place: &P) -> Option<H> {
        self.0.get(place).map(|lock| lock.holder)
    }

    /// Gives a place that nobody has.
    pub fn take(&mut self, place: P, holder: H) {
        self.0.insert(place, Lock { holder, waiters: VecDeque::new() });
    }

    /// Has somebody wait for a place, behind all who do.
    pub fn wait(&mut self, place: &P, who: W) {
        if let Some(lock) = self.0.get_mut(place) {
            lock.waiters.push_back(who);
        }
    }

    /// Somebody waits for a place no longer. Whether it did.
    pub fn leave(&mut self, place: &P, who: &W) -> bool {
        let Some(lock) = self.0.get_mut(place) else { return false };
        let before = lock.waiters.len();
        lock.waiters.retain(|other| other != who);
        lock.waiters.len() < before
    }

    /// Hands a place on: to the first waiter that is somebody's (`whose`), with all of the same one's. Who is nobody's wants it to be
    /// free for an instant, and those before that first one have their turn at once.
    pub fn hand_on(&mut self, place: P, whose: impl Fn(&W) -> Option<H>) -> Handed<H, W> {
        let Some(Lock { waiters, .. }) = self.0.remove(&place) else { return Handed { to: None, woken: Vec::new() } };
        let (mut to, mut woken, mut rest) = (None, Vec::new(), VecDeque::new());
        for waiter in waiters {
            let holder = whose(&waiter);
            if to.is_some() && to != holder {
                rest.push_back(waiter);
            } else {
                to = to.or(holder);
                woken.push(waiter);
            }
        }
        if let Some(holder) = to {
            self.0.insert(place, Lock { holder, waiters: rest });
        }
        Handed { to, woken }
    }

    /// Holders of which each waits for the next, from one to another, both included; none when the first does not wait for the last.
    /// `waits` says for which places somebody waits.
    pub fn path(&self, from: H, to: H, waits: impl Fn(H) -> Vec<P>) -> Option<Vec<H>> {
        let mut seen = BTreeSet::new();
        let mut paths = vec![vec![from]];
        while let Some(path) = paths.pop() {
            let last = *path.last()?;
            if last == to {
                return Some(path);
            }
            if seen.insert(last) {
                let holders = waits(last).into_iter().filter_map(|place| self.holder(&place));
                paths.extend(holders.map(|holder| [path.as_slice(), &[holder]].concat()));
            }
        }
        None
    }

    /// All that somebody has, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&P, &Lock<H, W>)> {
        self.0.iter()
    }

    /// How much somebody has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The places from this one on that somebody has, in order.
    pub fn held_from(&self, places: RangeFrom<P>) -> impl Iterator<Item = &P> {
        self.0.range(places).map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_goes_to_the_first_who_wants_to_keep_it_with_all_it_asked() {
        let mut locks = Locks::default();
        locks.take("row", 1);
        // Who is 0 is nobody's.
        for waiter in [(0, 'a'), (2, 'b'), (3, 'c'), (2, 'd'), (0, 'e')] {
            locks.wait(&"row", waiter);
        }
        let whose = |(holder, _): &(u8, char)| (*holder > 0).then_some(*holder);
        let handed = locks.hand_on("row", whose);
        assert_eq!(handed, Handed { to: Some(2), woken: vec![(0, 'a'), (2, 'b'), (2, 'd')] });
        assert_eq!(locks.hand_on("row", whose), Handed { to: Some(3), woken: vec![(3, 'c')] });
        assert_eq!(locks.hand_on("row", whose), Handed { to: None, woken: vec![(0, 'e')] });
        assert!(locks.is_empty());
    }

    #[test]
    fn a_circle_is_found_by_who_would_close_it() {
        let mut locks: Locks<char, u8, u8> = Locks::default();
        for (place, holder) in [('a', 1), ('b', 2), ('c', 3)] {
            locks.take(place, holder);
        }
        let waits = |holder: u8| if holder < 3 { vec![[' ', 'b', 'c'][usize::from(holder)]] } else { Vec::new() };
        // 3 is about to wait for 1, which waits for 2, which waits for 3.
        assert_eq!(locks.path(1, 3, waits), Some(vec![1, 2, 3]));
        assert_eq!(locks.path(3, 1, waits), None);
    }
}
