//! Who has what, who waits for it in which order, and who waits for each other in a circle.
//!
//! A lock has one holder. It has never heard of rows or of time: what is locked, who holds and who waits are its owner's words.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::RangeFrom;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::shelf::as_pairs;

/// Locks of places `P` by holders `H`, for which `W` wait.
#[derive(Clone, Debug)]
pub struct Locks<P, H, W>(BTreeMap<P, Lock<H, W>>);

/// Who has a place, and who comes next.
#[derive(Clone, Debug)]
pub struct Lock<H, W> {
    /// Who has it.
    pub holder: H,
    /// Who waits for it, in order of coming, and for whom: none wants it to be free for an instant.
    waiters: VecDeque<(W, Option<H>)>,
    /// How many wait for each, so that nobody looks for others where there are none.
    each: BTreeMap<H, usize>,
}

impl<H: Serialize, W: Serialize> Serialize for Lock<H, W> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let waiters: Vec<&W> = self.waiters.iter().map(|(who, _)| who).collect();
        let mut lock = out.serialize_struct("Lock", 2)?;
        lock.serialize_field("holder", &self.holder)?;
        lock.serialize_field("waiters", &waiters)?;
        lock.end()
    }
}

impl<H: Copy + Ord, W> Lock<H, W> {
    fn of(holder: H) -> Self {
        Lock { holder, waiters: VecDeque::new(), each: BTreeMap::new() }
    }

    /// Who waits for it, in order of coming.
    pub fn waiters(&self) -> impl ExactSizeIterator<Item = &W> {
        self.waiters.iter().map(|(who, _)| who)
    }

    fn comes(&mut self, who: W, of: Option<H>) {
        self.waiters.push_back((who, of));
        if let Some(holder) = of {
            *self.each.entry(holder).or_default() += 1;
        }
    }

    fn goes(&mut self, at: usize) {
        let Some((_, Some(holder))) = self.waiters.remove(at) else { return };
        if let Entry::Occupied(mut count) = self.each.entry(holder) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Who comes next; the one that has it then is the last of them, or nobody.
    fn next(&mut self) -> Handed<H, W> {
        let mut woken = Vec::new();
        while let Some((who, of)) = self.waiters.pop_front() {
            woken.push(who);
            let Some(holder) = of else { continue };
            self.holder = holder;
            if self.each.remove(&holder).is_some_and(|alike| alike > 1) {
                let (alike, rest) = self.waiters.drain(..).partition(|(_, of)| *of == Some(holder));
                self.waiters = rest;
                woken.extend(VecDeque::into_iter(alike).map(|(who, _)| who));
            }
            return Handed { to: Some(holder), woken };
        }
        Handed { to: None, woken }
    }
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
        self.0.insert(place, Lock::of(holder));
    }

    /// Has somebody wait for a place, behind all who do, to have it for this one; who is nobody's wants it to be free for an
    /// instant.
    pub fn wait(&mut self, place: &P, who: W, of: Option<H>) {
        if let Some(lock) = self.0.get_mut(place) {
            lock.comes(who, of);
        }
    }

    /// Somebody waits for a place no longer. Whether it did.
    pub fn leave(&mut self, place: &P, who: &W) -> bool {
        let Some(lock) = self.0.get_mut(place) else { return false };
        let Some(at) = lock.waiters.iter().position(|(other, _)| other == who) else { return false };
        lock.goes(at);
        true
    }

    /// Hands a place on: to the first waiter that is somebody's, with all of the same one's. Those before it, who are nobody's, have
    /// their turn at once.
    pub fn hand_on(&mut self, place: &P) -> Handed<H, W> {
        let Some(lock) = self.0.get_mut(place) else { return Handed { to: None, woken: Vec::new() } };
        let handed = lock.next();
        if handed.to.is_none() {
            self.0.remove(place);
        }
        handed
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_goes_to_the_first_who_wants_to_keep_it_with_all_it_asked() {
        let mut locks = Locks::default();
        locks.take("row", 1);
        // Who is 0 is nobody's.
        for (who, of) in [('a', 0), ('b', 2), ('c', 3), ('d', 2), ('e', 0), ('f', 3), ('g', 4)] {
            locks.wait(&"row", who, (of > 0).then_some(of));
        }
        assert!(locks.leave(&"row", &'f') && !locks.leave(&"row", &'x'));
        assert_eq!(locks.hand_on(&"row"), Handed { to: Some(2), woken: vec!['a', 'b', 'd'] });
        assert_eq!(locks.hand_on(&"row"), Handed { to: Some(3), woken: vec!['c'] });
        assert_eq!(locks.hand_on(&"row"), Handed { to: Some(4), woken: vec!['e', 'g'] });
        assert_eq!(locks.hand_on(&"row"), Handed { to: None, woken: Vec::new() });
        assert!(locks.is_empty());
    }

    proptest! {
        /// Whoever comes, goes and hands on, it is as if all who wait were looked through.
        #[test]
        fn a_place_is_handed_on_as_a_list_would(told in prop::collection::vec((0u8..4, 0u8..5), 1..60)) {
            let mut locks = Locks::default();
            locks.take("row", 9);
            let mut list: Vec<(usize, Option<u8>)> = Vec::new();
            for (nth, (what, of)) in told.into_iter().enumerate() {
                match what {
                    0 | 1 => {
                        let of = (of > 0).then_some(of);
                        locks.wait(&"row", nth, of);
                        list.push((nth, of));
                    }
                    2 => {
                        let gone = list.get(usize::from(of)).map(|(who, _)| *who);
                        prop_assert_eq!(locks.leave(&"row", &gone.unwrap_or(usize::MAX)), gone.is_some());
                        list.retain(|(who, _)| Some(*who) != gone);
                    }
                    _ => {
                        let first = list.iter().position(|(_, of)| of.is_some());
                        let to = first.and_then(|first| list[first].1);
                        let before = first.unwrap_or(list.len());
                        let (woken, rest): (Vec<_>, Vec<_>) = list.iter().enumerate()
                            .partition(|(at, (_, of))| *at < before || of.is_some() && *of == to);
                        let woken = woken.into_iter().map(|(_, (who, _))| *who).collect();
                        prop_assert_eq!(locks.hand_on(&"row"), Handed { to, woken });
                        list = rest.into_iter().map(|(_, waiter)| *waiter).collect();
                        if to.is_none() {
                            locks.take("row", 9);
                        }
                    }
                }
            }
        }
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
