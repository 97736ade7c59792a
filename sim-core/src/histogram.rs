//! A histogram of lengths of time that merges exactly, whatever was split and in whatever order.
//!
//! It knows nothing of clocks and requests; it sees whole numbers of nanoseconds and counts them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::ratio::Ratio;

/// How many values fell where: exact below 2,048 ns, above that into buckets that are at most 1/1,024 as wide as their
/// lower end.
///
/// So a value is known to 2⁻¹⁰ of itself, at most 56,320 buckets cover all of 64 bits, and only those with a count take
/// room. Count, sum, least and greatest value are exact. Counts and sums stop at their greatest number instead of
/// wrapping.
///
/// The layout is log-linear as in Tene's HdrHistogram: a power of two is cut into 1,024 equal parts.
///
/// ```
/// use sim_core::{Histogram, Ratio};
/// let mut latencies = Histogram::default();
/// for milliseconds in 1..=100u64 {
///     latencies.record(milliseconds * 1_000_000);
/// }
/// let p99 = latencies.quantile("99%".parse::<Ratio>().unwrap()).unwrap();
/// assert!(p99.low <= 99_000_000 && 99_000_000 <= p99.high && p99.high - p99.low < 99_000_000 / 1024);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// By index of bucket; no count is nothing.
    counts: BTreeMap<u16, u64>,
    count: u64,
    sum: u128,
    /// Least and greatest.
    ends: Option<(u64, u64)>,
}

/// Values that are counted as one, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The least of them, in nanoseconds.
    pub low: u64,
    /// The greatest of them, in nanoseconds; included.
    pub high: u64,
    /// How many values fell between.
    pub count: u64,
}

impl Bucket {
    /// The length that stands for all in it.
    pub fn middle(&self) -> u64 {
        self.low + (self.high - self.low) / 2
    }
}

/// What is wrong with a written histogram.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HistogramError {
    /// A bucket that begins where none does.
    #[error("no bucket begins at {0}; the bucket that holds it begins at {1}")]
    NotABucket(u64, u64),
    /// Buckets out of order, or one twice.
    #[error("buckets rise from low to high, each once; {0} does not lie above the one before it")]
    NotRising(u64),
    /// A bucket that holds nothing.
    #[error("the bucket at {0} holds nothing; leave it out")]
    Empty(u64),
    /// Least, greatest or sum that the buckets cannot have.
    #[error("{0} does not fit the buckets")]
    Contradiction(&'static str),
}

/// A power of two is cut into so many bits' worth of parts.
const BITS: u32 = 10;

/// The bucket that holds a value.
const fn index(value: u64) -> u16 {
    let shift = shift(value);
    // Below 2 · 2¹⁰ there is no shift, and the value is its own index; each shift after that has 2¹⁰ indices.
    ((shift << BITS) as u64 + (value >> shift)) as u16
}

/// How many of a value's low bits are not looked at.
const fn shift(value: u64) -> u32 {
    (u64::BITS - value.leading_zeros()).saturating_sub(BITS + 1)
}

/// The least and the greatest value in a bucket.
const fn bounds(index: u16) -> (u64, u64) {
    let shift = (index as u32 >> BITS).saturating_sub(1);
    let low = (index as u64 - ((shift as u64) << BITS)) << shift;
    (low, low + ((1 << shift) - 1))
}

impl Histogram {
    /// Counts a value, in nanoseconds.
    pub fn record(&mut self, value: u64) {
        self.add(index(value), 1);
        self.sum = self.sum.saturating_add(value.into());
        self.stretch(value, value);
    }

    /// Takes in what another has counted. In any order and grouping the result is the same.
    pub fn merge(&mut self, other: &Histogram) {
        for (index, count) in &other.counts {
            self.add(*index, *count);
        }
        self.sum = self.sum.saturating_add(other.sum);
        if let Some((least, greatest)) = other.ends {
            self.stretch(least, greatest);
        }
    }

    fn add(&mut self, index: u16, count: u64) {
        let counted = self.counts.entry(index).or_default();
        *counted = counted.saturating_add(count);
        self.count = self.count.saturating_add(count);
    }

    fn stretch(&mut self, least: u64, greatest: u64) {
        self.ends = Some(self.ends.map_or((least, greatest), |(low, high)| (low.min(least), high.max(greatest))));
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All values together, in nanoseconds.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The least value; none of nothing.
    pub fn min(&self) -> Option<u64> {
        self.ends.map(|(least, _)| least)
    }

    /// The greatest value; none of nothing.
    pub fn max(&self) -> Option<u64> {
        self.ends.map(|(_, greatest)| greatest)
    }

    /// The buckets that hold something, from low to high. The first begins at the least value, the last ends at the
    /// greatest.
    pub fn buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        let (least, greatest) = self.ends.unwrap_or_default();
        self.counts.iter().map(move |(index, count)| {
            let (low, high) = bounds(*index);
            Bucket { low: low.max(least), high: high.min(greatest), count: *count }
        })
    }

    /// The bucket of the nearest-rank quantile: no less than that share of the values is at or below it. None of
    /// nothing.
    pub fn quantile(&self, share: Ratio) -> Option<Bucket> {
        let rank = (u128::from(share.parts()) * u128::from(self.count)).div_ceil(u128::from(Ratio::ONE.parts()));
        self.ranked((rank as u64).max(1))
    }

    /// The bucket of the value at a rank, from 1 for the least; none beyond the last.
    pub fn ranked(&self, rank: u64) -> Option<Bucket> {
        let mut below = 0u64;
        self.buckets().find(|bucket| {
            below = below.saturating_add(bucket.count);
            rank > 0 && below >= rank
        })
    }
}

/// As it is written: the buckets by their lower ends. A sum may have more digits than other readers keep, so it is a
/// text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    sum: String,
    buckets: Vec<(u64, u64)>,
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let buckets = self.counts.iter().map(|(index, count)| (bounds(*index).0, *count)).collect();
        Written { min: self.min(), max: self.max(), sum: self.sum.to_string(), buckets }.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Histogram::try_from(Written::deserialize(input)?).map_err(serde::de::Error::custom)
    }
}

impl TryFrom<Written> for Histogram {
    type Error = HistogramError;

    fn try_from(written: Written) -> Result<Self, HistogramError> {
        let mut histogram = Histogram::default();
        for (low, count) in written.buckets {
            histogram.append(low, count)?;
        }
        histogram.sum = written.sum.parse().map_err(|_| HistogramError::Contradiction("the sum"))?;
        histogram.ends = written.min.zip(written.max);
        histogram.agreed()
    }
}

impl Histogram {
    fn append(&mut self, low: u64, count: u64) -> Result<(), HistogramError> {
        let at = index(low);
        let begins = bounds(at).0;
        if begins != low {
            return Err(HistogramError::NotABucket(low, begins));
        }
        if count == 0 {
            return Err(HistogramError::Empty(low));
        }
        if self.counts.last_key_value().is_some_and(|(last, _)| *last >= at) {
            return Err(HistogramError::NotRising(low));
        }
        self.add(at, count);
        Ok(())
    }

    /// Itself, if its ends lie in its first and last bucket and its sum between the ends.
    fn agreed(self) -> Result<Self, HistogramError> {
        let wrong = |what| Err(HistogramError::Contradiction(what));
        let indices = self.counts.keys().next().zip(self.counts.keys().next_back());
        match (indices, self.ends) {
            (None, None) if self.sum == 0 => Ok(self),
            (None, None) => wrong("the sum"),
            (Some((first, _)), Some((least, _))) if index(least) != *first => wrong("the least value"),
            (Some((_, last)), Some((_, greatest))) if index(greatest) != *last => wrong("the greatest value"),
            (Some(_), Some((least, greatest))) => {
                let count = u128::from(self.count);
                let full = self.count == u64::MAX;
                let fits = (u128::from(least) * count..=u128::from(greatest).saturating_mul(count)).contains(&self.sum);
                if fits || full { Ok(self) } else { wrong("the sum") }
            }
            _ => wrong("the least or greatest value"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.record(*value));
        histogram
    }

    fn json(histogram: &Histogram) -> String {
        serde_json::to_string(histogram).unwrap()
    }

    /// Lengths of all magnitudes.
    fn lengths() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec((any::<u64>(), 0u32..64).prop_map(|(bits, shift)| bits >> shift), 0..60)
    }

    #[test]
    fn buckets_follow_one_another_without_a_gap() {
        let mut next = Some(0);
        for at in 0..=index(u64::MAX) {
            let (low, high) = bounds(at);
            assert_eq!(Some(low), next, "bucket {at}");
            assert!(high - low <= low >> BITS, "bucket {at} is too wide");
            assert_eq!((index(low), index(high)), (at, at));
            next = high.checked_add(1);
        }
        assert_eq!((next, index(u64::MAX)), (None, 56_319));
    }

    #[test]
    fn nothing_has_no_quantile() {
        let none = Histogram::default();
        assert_eq!((none.count(), none.min(), none.max(), none.quantile(Ratio::ONE)), (0, None, None, None));
        assert_eq!(json(&none), r#"{"sum":"0","buckets":[]}"#);
    }

    #[test]
    fn a_single_value_is_known_exactly() {
        let one = of(&[123_456_789]);
        let bucket = Bucket { low: 123_456_789, high: 123_456_789, count: 1 };
        assert_eq!(one.quantile(Ratio::ZERO), Some(bucket));
        assert_eq!(one.quantile(Ratio::ONE), Some(bucket));
        assert_eq!((one.ranked(0), one.ranked(2)), (None, None));
    }

    #[test]
    fn counts_stop_at_their_greatest_number() {
        let mut many = of(&[5]);
        (0..70).for_each(|_| many.merge(&many.clone()));
        assert_eq!((many.count(), many.sum()), (u64::MAX, 5 << 70));
        assert_eq!(serde_json::from_str::<Histogram>(&json(&many)).unwrap(), many);
    }

    #[test]
    fn what_is_no_histogram_says_why() {
        let message = |text: &str| serde_json::from_str::<Histogram>(text).unwrap_err().to_string();
        let check = |text: &str, expected: &str| assert!(message(text).contains(expected), "{}", message(text));
        check(
            r#"{"sum":"0","buckets":[[2049,1]]}"#,
            "no bucket begins at 2049; the bucket that holds it begins at 2048",
        );
        check(r#"{"sum":"0","buckets":[[8,1],[8,1]]}"#, "8 does not lie above the one before it");
        check(r#"{"sum":"0","buckets":[[8,0]]}"#, "the bucket at 8 holds nothing");
        check(r#"{"min":8,"max":9,"sum":"8","buckets":[[8,1]]}"#, "the greatest value does not fit");
        check(r#"{"min":7,"max":8,"sum":"8","buckets":[[8,1]]}"#, "the least value does not fit");
        check(r#"{"min":8,"max":8,"sum":"9","buckets":[[8,1]]}"#, "the sum does not fit");
        check(r#"{"sum":"8","buckets":[[8,1]]}"#, "the least or greatest value does not fit");
        check(r#"{"sum":"1","buckets":[]}"#, "the sum does not fit");
    }

    proptest! {
        #[test]
        fn any_split_in_any_order_merges_to_the_same_bytes(
            values in lengths(),
            parts in prop::collection::vec(0usize..5, 60),
            order in Just([0usize, 1, 2, 3, 4]).prop_shuffle(),
            pair in any::<bool>(),
        ) {
            let mut split = vec![Histogram::default(); 5];
            values.iter().zip(&parts).for_each(|(value, part)| split[*part].record(*value));
            let mut merged = Histogram::default();
            if pair {
                // Two groups are merged by themselves first.
                let mut second = split[order[2]].clone();
                order[3..].iter().for_each(|at| second.merge(&split[*at]));
                order[..2].iter().for_each(|at| merged.merge(&split[*at]));
                merged.merge(&second);
            } else {
                order.iter().for_each(|at| merged.merge(&split[*at]));
            }
            prop_assert_eq!(json(&merged), json(&of(&values)));
        }

        #[test]
        fn a_quantile_is_the_bucket_of_the_exact_one(values in lengths(), parts in 0..=1000u64) {
            let share = Ratio::new(parts, 1000).unwrap();
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = (parts as usize * sorted.len()).div_ceil(1000).max(1);
            let bucket = of(&values).quantile(share);
            prop_assert_eq!(bucket.is_some(), !sorted.is_empty());
            if let Some(bucket) = bucket {
                let exact = sorted[rank - 1];
                prop_assert!(bucket.low <= exact && exact <= bucket.high);
                prop_assert!(bucket.high - bucket.low <= exact >> BITS);
            }
        }

        #[test]
        fn what_is_written_reads_back(values in lengths()) {
            let histogram = of(&values);
            prop_assert_eq!(&serde_json::from_str::<Histogram>(&json(&histogram)).unwrap(), &histogram);
            prop_assert_eq!(histogram.sum(), values.iter().map(|value| u128::from(*value)).sum::<u128>());
            prop_assert_eq!(histogram.buckets().map(|bucket| bucket.count).sum::<u64>(), values.len() as u64);
        }
    }
}
