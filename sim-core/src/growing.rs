//! A list that grows at its end, of which a copy is cheap: a run that goes on can be looked at as it was a moment ago. What lies
//! far back can be forgotten.

use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

/// Items of a full block. A copy of a list copies fewer items than this, however long the list is.
const BLOCK: usize = 1024;

/// An append-only list; copies share its full blocks, and a copy never sees what is put in later, or forgotten.
///
/// Every item keeps its place for good. One that is [forgotten](Self::forget) is as one that was never there: reading passes
/// over it.
///
/// ```
/// use sim_core::Growing;
/// let mut list: Growing<u32> = (1..=3_000).collect();
/// let snapshot = list.clone();
/// list.push(3_001);
/// assert_eq!((list.len(), snapshot.len()), (3_001, 3_000));
/// assert_eq!(list.partition_point(|item| *item < 2_500), 2_499);
/// assert_eq!(list.count_between(2_990, 3_005), 12);
/// ```
#[derive(Clone, Debug)]
pub struct Growing<T> {
    /// Those that are forgotten are empty.
    full: Arc<Vec<Arc<[T]>>>,
    /// How many of them are.
    forgotten: usize,
    /// Fewer than [`BLOCK`].
    open: Vec<T>,
}

impl<T: Clone> Growing<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Growing { full: Arc::default(), forgotten: 0, open: Vec::new() }
    }

    /// Puts one item at the end.
    #[inline]
    pub fn push(&mut self, item: T) {
        self.open.push(item);
        if self.open.len() == BLOCK {
            self.close();
        }
    }

    fn close(&mut self) {
        Arc::make_mut(&mut self.full).push(self.open.as_slice().into());
        self.open.clear();
    }

    /// Forgets the items before that place, in whole blocks: up to 1,023 of them stay.
    pub fn forget(&mut self, end: usize) {
        let end = (end / BLOCK).min(self.full.len());
        if end > self.forgotten {
            let nothing: Arc<[T]> = Arc::default();
            Arc::make_mut(&mut self.full)[self.forgotten..end].fill(nothing);
            self.forgotten = end;
        }
    }

    /// The first place that is not forgotten.
    pub fn first(&self) -> usize {
        self.forgotten * BLOCK
    }

    /// How many items are remembered.
    pub fn remembered(&self) -> usize {
        self.len() - self.first()
    }

    /// How many items, those that are forgotten included.
    #[inline]
    pub fn len(&self) -> usize {
        self.full.len() * BLOCK + self.open.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at that place, from 0.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.block(at / BLOCK).get(at % BLOCK)
    }

    /// The last item.
    pub fn last(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// All items in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.iter_from(0)
    }

    /// The items from that place on; it costs nothing to begin late.
    pub fn iter_from(&self, at: usize) -> impl DoubleEndedIterator<Item = &T> {
        let first = at / BLOCK;
        let begun = self.block(first).get(at % BLOCK..).unwrap_or(&[]);
        let rest = (first.saturating_add(1)..=self.full.len()).map(|block| self.block(block));
        once(begun).chain(rest).flatten()
    }

    /// The items before that place; read backwards, it costs nothing to begin early.
    pub fn iter_to(&self, end: usize) -> impl DoubleEndedIterator<Item = &T> {
        let last = (end / BLOCK).min(self.full.len());
        let open = self.block(last);
        let cut = &open[..(end - last * BLOCK).min(open.len())];
        self.full[..last].iter().map(|block| &block[..]).chain(once(cut)).flatten()
    }

    /// The items at these places as the slices they lie in, for a pass that is to be fast; lists that grow together are cut at the
    /// same places. What lies beyond the end is left out.
    pub fn slices(&self, places: Range<usize>) -> impl Iterator<Item = &[T]> {
        let (start, end) = (places.start.max(self.first()), places.end.min(self.len()));
        let blocks = if start < end { start / BLOCK..end.div_ceil(BLOCK) } else { 0..0 };
        blocks.map(move |block| {
            let (begin, block) = (block * BLOCK, self.block(block));
            &block[start.saturating_sub(begin)..(end - begin).min(block.len())]
        })
    }

    /// The place of the first item for which this is false, when it is true up to some place and false from there on; the
    /// length, when it is never false. Of what is forgotten it is taken to be true.
    pub fn partition_point(&self, mut before: impl FnMut(&T) -> bool) -> usize {
        let block = self.full.partition_point(|block| block.last().is_none_or(&mut before));
        block * BLOCK + self.block(block).partition_point(before)
    }

    /// A full block, the open one after the last of them, or nothing.
    #[inline]
    fn block(&self, block: usize) -> &[T] {
        match self.full.get(block) {
            Some(full) => full,
            None if block == self.full.len() => &self.open,
            None => &[],
        }
    }
}

impl Growing<u32> {
    /// How many numbers of an ascending list lie between these two, both included.
    pub fn count_between(&self, low: u64, high: u64) -> u64 {
        let below = |bound: u64| self.partition_point(|number| u64::from(*number) < bound) as u64;
        below(high.saturating_add(1)).saturating_sub(below(low))
    }
}

impl<T: Clone> Default for Growing<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Clone> FromIterator<T> for Growing<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut growing = Growing::new();
        items.into_iter().for_each(|item| growing.push(item));
        growing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around the borders of blocks.
    const LENGTHS: [usize; 9] = [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 3 * BLOCK + 7];

    fn numbers(len: usize) -> Growing<u32> {
        (0..len as u32).collect()
    }

    #[test]
    fn what_is_forgotten_is_as_if_it_had_never_been_and_the_rest_keeps_its_place() {
        for len in LENGTHS {
            for end in [0, 1, BLOCK - 1, BLOCK, BLOCK + 5, 2 * BLOCK, 10 * BLOCK] {
                let whole = numbers(len);
                let mut list = whole.clone();
                list.forget(end);
                let first = list.first();
                assert_eq!((first % BLOCK, list.len(), list.remembered()), (0, len, len - first));
                assert!(first <= end && (end - first < BLOCK || len - first < BLOCK), "{len} {end} {first}");
                assert!((0..len + 3).all(|at| list.get(at) == whole.get(at).filter(|_| at >= first)));
                let after = |list: &Growing<u32>, at| list.iter_from(at).copied().collect::<Vec<_>>();
                assert_eq!(after(&list, 0), after(&whole, first));
                let before = list.iter_to(len).copied().collect::<Vec<_>>();
                assert_eq!(before, after(&whole, first));
                let sliced = list.slices(0..len + 9).flatten().copied().collect::<Vec<_>>();
                assert_eq!(sliced, after(&whole, first));
                for bound in [0, 7, BLOCK as u32, len as u32] {
                    let place = whole.partition_point(|number| *number < bound);
                    assert_eq!(list.partition_point(|number| *number < bound), place.max(first));
                }
                list.push(7);
                assert_eq!((list.get(len), whole.len()), (Some(&7), len));
            }
        }
    }

    #[test]
    fn a_list_gives_back_what_was_put_in() {
        for len in LENGTHS {
            let (list, plain) = (numbers(len), (0..len as u32).collect::<Vec<_>>());
            assert_eq!((list.len(), list.is_empty(), list.last()), (len, len == 0, plain.last()));
            assert!(list.iter().eq(&plain), "{len}");
            assert!(list.iter().rev().eq(plain.iter().rev()), "{len}");
            for at in LENGTHS.iter().flat_map(|at| [at.saturating_sub(1), *at, at + 1]).chain([usize::MAX]) {
                assert_eq!(list.get(at), plain.get(at), "{at} of {len}");
                assert!(list.iter_from(at).eq(plain.get(at..).unwrap_or(&[])), "{at} of {len}");
                assert!(list.iter_to(at).rev().eq(plain[..at.min(len)].iter().rev()), "{at} of {len}");
                let between = at.saturating_sub(BLOCK + 1)..at;
                let cut = plain.get(between.start..at.min(len)).unwrap_or(&[]);
                assert_eq!(list.slices(between).collect::<Vec<_>>().concat(), cut, "{at} of {len}");
            }
        }
    }

    #[test]
    fn a_copy_never_sees_what_is_put_in_later() {
        for len in LENGTHS {
            let mut list = numbers(len);
            let snapshot = list.clone();
            for number in 0..2 * BLOCK {
                list.push((len + number) as u32);
            }
            assert_eq!((snapshot.len(), list.len()), (len, len + 2 * BLOCK));
            assert!(snapshot.iter().copied().eq(0..len as u32));
            assert!(list.iter().copied().eq(0..(len + 2 * BLOCK) as u32));
        }
    }

    #[test]
    fn two_copies_grow_apart() {
        let mut one = numbers(BLOCK - 1);
        let mut other = one.clone();
        for _ in 0..BLOCK {
            one.push(1);
            other.push(2);
        }
        assert_eq!((one.get(BLOCK - 1), other.get(BLOCK - 1)), (Some(&1), Some(&2)));
        assert_eq!((one.last(), other.last()), (Some(&1), Some(&2)));
    }

    #[test]
    fn a_border_is_found_wherever_it_lies() {
        for len in LENGTHS {
            let list = numbers(len);
            for border in LENGTHS.iter().flat_map(|at| [at.saturating_sub(1), *at, at + 1]) {
                assert_eq!(list.partition_point(|number| (*number as usize) < border), border.min(len), "{len}");
            }
        }
    }

    #[test]
    fn numbers_between_two_bounds_are_counted() {
        let even: Growing<u32> = (0..3_000).map(|number| number * 2).collect();
        for (low, high, count) in [(0, 0, 1), (1, 1, 0), (2, 7, 3), (2_046, 2_050, 3), (5_998, u64::MAX, 1), (9, 3, 0)]
        {
            assert_eq!(even.count_between(low, high), count, "{low} to {high}");
        }
    }
}
