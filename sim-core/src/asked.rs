//! What an actor has asked for in one handling, in the order of asking, until it is performed.
//!
//! The places are used again, and an effect is made where it lies. A list that grows by pushing has each put together elsewhere,
//! word by word, and copied from there in greater pieces, for which a processor waits until all the words have been written.

use crate::actor::Effect;

/// Effects in order. Behind the last there is always a free place, once it is [ready](Asked::ready).
#[derive(Debug)]
pub(crate) struct Asked<M> {
    places: Vec<Option<Effect<M>>>,
    count: usize,
}

impl<M> Asked<M> {
    /// Nothing asked for, and no room yet: a copy of a run needs none.
    pub(crate) const fn new() -> Self {
        Asked { places: Vec::new(), count: 0 }
    }

    /// Makes room for the first.
    #[inline]
    pub(crate) fn ready(&mut self) {
        if self.places.is_empty() {
            self.extend();
        }
    }

    /// One more.
    #[inline(always)]
    pub(crate) fn ask(&mut self, effect: impl FnOnce() -> Effect<M>) {
        let place = &mut self.places[self.count];
        // It was free: there is nothing to drop, and nothing is asked about that.
        std::mem::forget(place.replace(effect()));
        self.count += 1;
        if self.count == self.places.len() {
            self.extend();
        }
    }

    #[cold]
    #[inline(never)]
    fn extend(&mut self) {
        let room = (self.places.len() * 2).max(4);
        self.places.resize_with(room, || None);
    }

    /// How many were asked for.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Effect<M>> {
        self.places[..self.count].iter().flatten()
    }

    /// Those behind the first `before`.
    pub(crate) fn since(&mut self, before: usize) -> impl Iterator<Item = &mut Effect<M>> {
        self.places[before..self.count].iter_mut().flatten()
    }

    /// Takes the one at a place; none behind the last.
    #[inline(always)]
    pub(crate) fn take(&mut self, at: usize) -> Option<Effect<M>> {
        if at == self.count { None } else { self.places[at].take() }
    }

    /// All were taken.
    #[inline]
    pub(crate) fn done(&mut self) {
        self.count = 0;
    }

    /// Nothing of it will be performed.
    pub(crate) fn clear(&mut self) {
        self.places[..self.count].fill_with(|| None);
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Timer;

    fn timers<'a>(effects: impl Iterator<Item = &'a Effect<()>>) -> Vec<u32> {
        let timer = |effect: &Effect<()>| match effect {
            Effect::Cancel { timer } => timer.0,
            other => panic!("{other:?}"),
        };
        effects.map(timer).collect()
    }

    #[test]
    fn what_is_asked_for_comes_out_in_its_order_and_places_are_used_again() {
        let mut asked = Asked::new();
        for round in 0..3u32 {
            asked.ready();
            for timer in 0..9 {
                asked.ask(|| Effect::Cancel { timer: Timer(round * 10 + timer) });
            }
            assert_eq!(timers(asked.iter()), (round * 10..round * 10 + 9).collect::<Vec<_>>());
            assert_eq!(timers(asked.since(7).map(|effect| &*effect)), [round * 10 + 7, round * 10 + 8]);
            let taken: Vec<_> = (0..).map_while(|at| asked.take(at)).collect();
            assert_eq!((timers(taken.iter()).len(), asked.count()), (9, 9));
            asked.done();
            assert_eq!((asked.count(), asked.iter().count()), (0, 0));
        }
        asked.ask(|| Effect::Exit);
        asked.clear();
        assert!(asked.take(0).is_none() && asked.count() == 0);
    }
}
