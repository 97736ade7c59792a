//! The pending events, earliest first; at one instant in the order in which they were put in.
//!
//! A hierarchical timing wheel with 64 slots a level on integer nanoseconds, after Varghese and Lauck (SOSP 1987): two things
//! at one instant always meet in one slot, and slots are first-in-first-out lists, so ties need no sequence number.
//! The tests hold it against a sorted list and a packed heap.

use crate::time::Instant;

const LEVELS: usize = 11;
const SLOTS: usize = 64;
/// No entry: there are never so many.
const NIL: u32 = u32::MAX;

/// The level by the highest bit in which an instant differs from now: a sixth of it, looked up.
const LEVEL: [u8; 64] = {
    let mut levels = [0; 64];
    let mut bit = 0;
    while bit < 64 {
        levels[bit] = (bit / 6) as u8;
        bit += 1;
    }
    levels
};

/// A queue of `T`s by instant. Nothing may be put in before the instant last taken out.
#[derive(Clone, Debug)]
pub struct Queue<T> {
    entries: Vec<Entry<T>>,
    free: u32,
    slots: Box<[[Slot; SLOTS]; LEVELS]>,
    occupied: [u64; LEVELS],
    levels: u32,
    now: u64,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    at: u64,
    next: u32,
    item: T,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    head: u32,
    tail: u32,
}

impl<T: Copy> Queue<T> {
    /// A queue with nothing in it, at the start of time.
    pub fn new() -> Self {
        Queue {
            entries: Vec::new(),
            free: NIL,
            slots: Box::new([[Slot { head: NIL, tail: NIL }; SLOTS]; LEVELS]),
            occupied: [0; LEVELS],
            levels: 0,
            now: 0,
            len: 0,
        }
    }

    /// How many are pending.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes a copy of it takes.
    pub(crate) fn weight(&self) -> usize {
        self.entries.len() * size_of::<Entry<T>>() + size_of_val(&*self.slots)
    }

    /// Puts one in; an instant that is already over counts as now.
    #[inline(always)]
    pub fn push(&mut self, at: Instant, item: T) {
        let at = at.nanos().max(self.now);
        let index = match self.entries.get_mut(self.free as usize) {
            Some(place) => {
                let index = std::mem::replace(&mut self.free, place.next);
                // Made where it lies: what is first put together elsewhere, word by word, is waited for when it is copied.
                *place = Entry { at, next: NIL, item };
                index
            }
            None => {
                self.entries.push(Entry { at, next: NIL, item });
                (self.entries.len() - 1) as u32
            }
        };
        self.link(index, at);
        self.len += 1;
    }

    /// Takes out the first one that is due before `limit`, if there is one.
    #[inline]
    pub fn pop_before(&mut self, limit: Instant) -> Option<(Instant, T)> {
        self.take_before(limit).map(|(at, item)| (at, *item))
    }

    /// The same where it lies: what reads only some of it need not copy the rest.
    #[inline]
    pub(crate) fn take_before(&mut self, limit: Instant) -> Option<(Instant, &T)> {
        let limit = limit.nanos();
        while self.levels != 0 {
            let level = self.levels.trailing_zeros() as usize;
            let slot = self.occupied[level].trailing_zeros() as usize % SLOTS;
            let head = self.slots[level][slot].head;
            let Entry { at, next, .. } = self.entries[head as usize];
            if level == 0 || next == NIL {
                if at >= limit {
                    return None;
                }
                self.slots[level][slot].head = next;
                if next == NIL {
                    self.vacate(level, slot);
                }
                return Some(self.release(head, at));
            }
            let start = at >> (6 * level) << (6 * level);
            if start >= limit {
                return None;
            }
            self.vacate(level, slot);
            self.now = start;
            self.spread(head);
        }
        None
    }

    /// Time comes to an entry that is in no list any more, and its place is free.
    #[inline(always)]
    fn release(&mut self, index: u32, at: u64) -> (Instant, &T) {
        self.now = at;
        self.len -= 1;
        let entry = &mut self.entries[index as usize];
        entry.next = std::mem::replace(&mut self.free, index);
        (Instant::from_nanos(at), &entry.item)
    }

    /// Everything pending, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries().map(|(_, item)| item)
    }

    /// Everything pending with the instant at which it is due; of two at one instant the one that comes out first stands first.
    pub fn entries(&self) -> impl Iterator<Item = (Instant, &T)> {
        let slots = self.slots.iter().zip(self.occupied).flat_map(|(slots, occupied)| {
            slots.iter().enumerate().filter(move |(at, _)| occupied >> at & 1 == 1).map(|(_, slot)| slot.head)
        });
        let entry = |index: u32| self.entries.get(index as usize);
        slots
            .flat_map(move |head| std::iter::successors(entry(head), move |e| entry(e.next)))
            .map(|entry| (Instant::from_nanos(entry.at), &entry.item))
    }

    /// Moves a list of one slot to the finer slots that it now belongs to, in its order.
    fn spread(&mut self, mut index: u32) {
        while index != NIL {
            let entry = &mut self.entries[index as usize];
            let (at, next) = (entry.at, std::mem::replace(&mut entry.next, NIL));
            self.link(index, at);
            index = next;
        }
    }

    /// Puts an entry that leads nowhere at the end of its slot's list.
    #[inline(always)]
    fn link(&mut self, index: u32, at: u64) {
        let level = LEVEL[((at ^ self.now) | 1).ilog2() as usize] as usize;
        let slot = ((at >> (6 * level)) & 63) as usize;
        let place = &mut self.slots[level][slot];
        if self.occupied[level] >> slot & 1 == 0 {
            place.head = index;
            self.occupied[level] |= 1 << slot;
            self.levels |= 1 << level;
        } else {
            self.entries[place.tail as usize].next = index;
        }
        place.tail = index;
    }

    #[inline]
    fn vacate(&mut self, level: usize, slot: usize) {
        self.occupied[level] &= !(1 << slot);
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
    }
}

impl<T: Copy> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Reverse;
    use std::collections::{BTreeMap, BinaryHeap};

    /// The same queue, plainly: what stands first by instant and by number of arrival.
    #[derive(Default)]
    struct Plain {
        pending: BTreeMap<(u64, u64), u32>,
        arrivals: u64,
    }

    impl Plain {
        fn push(&mut self, at: u64, item: u32) {
            self.pending.insert((at, self.arrivals), item);
            self.arrivals += 1;
        }
        fn pop_before(&mut self, limit: u64) -> Option<(u64, u32)> {
            let (&(at, arrival), &item) = self.pending.first_key_value()?;
            (at < limit).then(|| {
                self.pending.remove(&(at, arrival));
                (at, item)
            })
        }
    }

    fn distance() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 0..4u64, 0..200u64, 0..100_000u64, 0..u64::MAX / 4, Just(64), Just(4096)]
    }

    proptest! {
        #[test]
        fn the_wheel_is_a_sorted_list(ops in prop::collection::vec((any::<bool>(), distance(), distance()), 0..400)) {
            let (mut wheel, mut plain, mut now) = (Queue::new(), Plain::default(), 0u64);
            for (n, (push, ahead, limit)) in ops.into_iter().enumerate() {
                if push {
                    let at = now.saturating_add(ahead);
                    wheel.push(Instant::from_nanos(at), n as u32);
                    plain.push(at, n as u32);
                } else {
                    let limit = now.saturating_add(limit);
                    let got = wheel.pop_before(Instant::from_nanos(limit)).map(|(at, item)| (at.nanos(), item));
                    prop_assert_eq!(got, plain.pop_before(limit));
                    // Whoever asked "before the limit" goes on from there when nothing was due.
                    now = got.map_or(now.max(limit), |(at, _)| at);
                }
                prop_assert_eq!(wheel.len(), plain.pending.len());
            }
            while let Some((at, item)) = wheel.pop_before(Instant::NEVER) {
                prop_assert_eq!(Some((at.nanos(), item)), plain.pop_before(u64::MAX));
            }
            prop_assert!(plain.pending.keys().all(|(at, _)| *at == u64::MAX));
        }
    }

    /// A binary heap of instant, arrival and timer in one number: what one writes by hand, and orders ties by a count.
    #[derive(Default)]
    struct Packed {
        heap: BinaryHeap<Reverse<u128>>,
        arrivals: u128,
    }

    impl Packed {
        fn push(&mut self, at: u64, item: u16) {
            self.heap.push(Reverse(u128::from(at) << 64 | self.arrivals << 16 | u128::from(item)));
            self.arrivals += 1;
        }
        fn pop(&mut self) -> Option<(u64, u16)> {
            self.heap.pop().map(|Reverse(packed)| ((packed >> 64) as u64, packed as u16))
        }
    }

    #[derive(Clone, Debug)]
    enum Ask {
        Set(usize, u64),
        Cancel(usize),
        Pop,
    }

    fn ask() -> impl Strategy<Value = Ask> {
        let few = prop_oneof![Just(0), Just(7), 0..3u64, distance()];
        prop_oneof![
            3 => (0..6usize, few).prop_map(|(timer, after)| Ask::Set(timer, after)),
            1 => (0..6usize).prop_map(Ask::Cancel),
            2 => Just(Ask::Pop),
        ]
    }

    proptest! {
        /// Timers are cancelled by generation: what is stale is skipped as it comes out, on both sides alike.
        #[test]
        fn the_wheel_is_a_packed_heap_with_ties_and_cancelled_timers(asks in prop::collection::vec(ask(), 0..600)) {
            let (mut wheel, mut heap, mut now) = (Queue::new(), Packed::default(), 0u64);
            let mut set: Vec<(usize, bool)> = Vec::new();
            let mut last = [None::<usize>; 6];
            let mut fired = 0;
            for ask in asks.into_iter().chain(std::iter::repeat_n(Ask::Pop, 600)) {
                match ask {
                    Ask::Set(timer, after) => {
                        let at = now.saturating_add(after).min(u64::MAX - 1);
                        if let Some(before) = last[timer].replace(set.len()) {
                            set[before].1 = false;
                        }
                        wheel.push(Instant::from_nanos(at), set.len() as u16);
                        heap.push(at, set.len() as u16);
                        set.push((timer, true));
                    }
                    Ask::Cancel(timer) => {
                        if let Some(before) = last[timer].take() {
                            set[before].1 = false;
                        }
                    }
                    Ask::Pop => loop {
                        let of_wheel = wheel.pop_before(Instant::NEVER).map(|(at, item)| (at.nanos(), item));
                        prop_assert_eq!(of_wheel, heap.pop());
                        let Some((at, item)) = of_wheel else { break };
                        now = at;
                        let (timer, is_live) = std::mem::replace(&mut set[item as usize], (6, false));
                        if is_live {
                            (last[timer], fired) = (None, fired + 1);
                            break;
                        }
                    },
                }
            }
            prop_assert!(wheel.is_empty() && fired <= set.len());
        }
    }

    #[test]
    fn everything_pending_can_be_looked_at() {
        let mut queue = Queue::new();
        for n in 0..100u64 {
            queue.push(Instant::from_nanos(n * n * n), n);
        }
        (0..40).for_each(|_| _ = queue.pop_before(Instant::NEVER));
        let mut pending: Vec<u64> = queue.iter().copied().collect();
        pending.sort_unstable();
        assert_eq!(pending, (40..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_copy_goes_its_own_way() {
        let mut queue = Queue::new();
        for n in 0..100 {
            queue.push(Instant::from_nanos(n * 37 % 50), n);
        }
        let mut copy = queue.clone();
        copy.push(Instant::from_nanos(0), 1000);
        let rest = |mut q: Queue<u64>| std::iter::from_fn(move || q.pop_before(Instant::NEVER)).count();
        assert_eq!((rest(queue), rest(copy)), (100, 101));
    }
}
