//! Many lengths of time in little room: counted in buckets so narrow that no picture shows the difference, and added up exactly.

use std::collections::BTreeMap;

use sim_core::Ratio;

use crate::judge::rank;

/// Lengths of time in nanoseconds, each counted in a bucket that is at most 1/256 of it wide; below 512 ns each has its own.
///
/// Two of them are added bucket by bucket, so that any split of the same lengths in any order gives the same counts. The buckets are
/// those of HdrHistogram (Tene), with eight bits.
///
/// ```
/// use sim_models::latencies::Latencies;
/// let mut latencies = Latencies::default();
/// (1..=100).for_each(|millis| latencies.add(millis * 1_000_000));
/// let median = latencies.quantile("50%".parse().unwrap()).unwrap();
/// assert!(median.abs_diff(50_000_000) < 50_000_000 / 256);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    counts: BTreeMap<u16, u64>,
    count: u64,
    /// The shortest and the longest, as they are.
    ends: Option<(u64, u64)>,
}

/// How many of so many lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The shortest length in it, in nanoseconds.
    pub from: u64,
    /// The longest length in it, in nanoseconds.
    pub last: u64,
    /// How many there are; never none.
    pub count: u64,
}

/// Bits of a length that decide its bucket, behind the first one that is set.
const BITS: u32 = 8;

impl Latencies {
    /// Counts one more.
    pub fn add(&mut self, nanos: u64) {
        *self.counts.entry(place(nanos)).or_default() += 1;
        self.count += 1;
        self.ends = Some(self.ends.map_or((nanos, nanos), |(min, max)| (min.min(nanos), max.max(nanos))));
    }

    /// Counts all of another's.
    pub fn merge(&mut self, other: &Latencies) {
        for (place, count) in &other.counts {
            *self.counts.entry(*place).or_default() += count;
        }
        self.count += other.count;
        self.ends = match (self.ends, other.ends) {
            (Some(mine), Some(theirs)) => Some((mine.0.min(theirs.0), mine.1.max(theirs.1))),
            (mine, theirs) => mine.or(theirs),
        };
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The shortest, exactly; none when there is none.
    pub fn min(&self) -> Option<u64> {
        self.ends.map(|(min, _)| min)
    }

    /// The longest, exactly; none when there is none.
    pub fn max(&self) -> Option<u64> {
        self.ends.map(|(_, max)| max)
    }

    /// The nearest-rank quantile, to 1/512 of it; none when there is none.
    pub fn quantile(&self, share: Ratio) -> Option<u64> {
        let rank = rank(share, usize::try_from(self.count).ok()?) as u64;
        let mut below = 0;
        self.buckets()
            .find(|bucket| {
                below += bucket.count;
                below >= rank
            })
            .map(|bucket| bucket.middle())
    }

    /// The buckets in which there are any, from the shortest lengths up, cut where the shortest and the longest are.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        let (min, max) = self.ends.unwrap_or_default();
        self.counts.iter().map(move |(place, count)| {
            let (from, last) = reach(*place);
            Bucket { from: from.max(min), last: last.min(max), count: *count }
        })
    }
}

impl Bucket {
    /// The length that stands for all in it.
    pub fn middle(&self) -> u64 {
        self.from + (self.last - self.from) / 2
    }
}

/// The place of the bucket of a length.
fn place(nanos: u64) -> u16 {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(BITS + 1);
    ((shift << BITS) + (nanos >> shift) as u32) as u16
}

/// The shortest and the longest length of a bucket.
fn reach(place: u16) -> (u64, u64) {
    let place = u64::from(place);
    // The first two times 256 places are lengths themselves; each further 256 are twice as wide as those before.
    let shift = (place >> BITS).saturating_sub(1);
    let from = (place - (shift << BITS)) << shift;
    (from, from + ((1 << shift) - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_a_length_there_is_no_quantile() {
        let none = Latencies::default();
        let half = "50%".parse().unwrap();
        assert_eq!((none.count(), none.min(), none.max(), none.quantile(half)), (0, None, None, None));
        assert_eq!(none.buckets().count(), 0);
    }

    #[test]
    fn one_length_is_kept_as_it_is() {
        for nanos in [0, 1, 511, 512, 513, 1_000_000_007, u64::MAX] {
            let mut one = Latencies::default();
            one.add(nanos);
            let found = ["0%", "50%", "100%"].map(|share| one.quantile(share.parse().unwrap()));
            assert_eq!(found, [Some(nanos); 3]);
        }
    }

    fn of(all: &[u64]) -> Latencies {
        let mut latencies = Latencies::default();
        all.iter().for_each(|nanos| latencies.add(*nanos));
        latencies
    }

    fn lengths() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((0u32..64, any::<u64>()).prop_map(|(shift, bits)| bits >> shift), 0..60)
    }

    proptest! {
        #[test]
        fn a_bucket_is_narrow_and_holds_what_is_counted_in_it(shift in 0u32..64, bits in any::<u64>()) {
            let nanos = bits >> shift;
            let (from, last) = reach(place(nanos));
            prop_assert!((from..=last).contains(&nanos));
            prop_assert!((last - from) as f64 <= nanos as f64 / 256.0);
        }

        #[test]
        fn any_split_in_any_order_gives_the_same(all in lengths(), cut in 0usize..60) {
            let (one, other) = all.split_at(cut.min(all.len()));
            let mut merged = of(other);
            merged.merge(&of(one));
            prop_assert_eq!(merged, of(&all));
        }

        #[test]
        fn a_quantile_is_the_one_of_the_lengths_themselves(mut all in lengths(), percent in 0u64..=100) {
            let share = Ratio::new(percent, 100).unwrap();
            let (found, truth) = (of(&all).quantile(share), crate::judge::percentile(share, &mut all));
            prop_assert_eq!(found.is_some(), truth.is_some());
            if let (Some(found), Some(truth)) = (found, truth) {
                prop_assert!(found.abs_diff(truth) as f64 <= truth as f64 / 256.0, "{} for {}", found, truth);
            }
        }
    }
}
