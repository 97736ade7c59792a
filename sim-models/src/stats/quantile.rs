//! Quantiles such as a p99: which value it is, and between which two values the truth lies.

use libm::sqrt;
use sim_core::{Histogram, Ratio};

use super::batches::{Batched, Cut};
use super::laws::{binomial_at_most, binomial_quantile, student};
use super::{Confidence, Estimate, Method};

/// The ranks, from 1 for the least value, between which the truth of a quantile lies; whatever the values are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// The rank of the lower end; 0 when there is none.
    pub lower: u64,
    /// The rank of the quantile itself: the nearest one, so that no less than that share of the values is at or below
    /// it.
    pub nearest: u64,
    /// The rank of the upper end; one more than there are values when there is none.
    pub upper: u64,
    /// How many values there are.
    pub of: u64,
    /// How often exactly the interval covers the truth, where values have no ties; with ties at least so often.
    pub coverage: f64,
}

impl Ranks {
    /// Of a quantile of so many independent values.
    ///
    /// How many values lie below the truth is binomial, so the lower rank is its quantile at α/2 and the upper its
    /// quantile at 1 − α/2 plus one; each end is missed by no more than α/2. With few values an end may not exist: the
    /// 95 % interval of a p99.9 has no upper end below 3,688 values.
    ///
    /// David and Nagaraja, Order Statistics, 3rd edition, 7.1; Hahn and Meeker, Statistical Intervals, 5.2.
    pub fn of(share: Ratio, of: u64, confidence: Confidence) -> Ranks {
        let p = share.as_f64();
        let lower = binomial_quantile(confidence.tail(), of, p);
        let upper = binomial_quantile(1.0 - confidence.tail(), of, p) + 1;
        let missed = lower.checked_sub(1).map_or(0.0, |below| binomial_at_most(below, of, p));
        let coverage = binomial_at_most(upper - 1, of, p) - missed;
        Ranks { lower, nearest: nearest_rank(share, of), upper, of, coverage }
    }

    fn estimate(&self, at: impl Fn(u64) -> Place) -> Estimate {
        if self.of == 0 {
            return Estimate::none(Method::OrderStatistics);
        }
        Estimate {
            value: Some(at(self.nearest).middle),
            lo: (self.lower >= 1).then(|| at(self.lower).low),
            hi: (self.upper <= self.of).then(|| at(self.upper).high),
            method: Method::OrderStatistics,
            n: self.of,
        }
    }
}

/// Where a value of some rank lies.
struct Place {
    low: f64,
    middle: f64,
    high: f64,
}

/// The place of a share among so many sorted values, from 1: no less than that share is at or below it.
pub fn nearest_rank(share: Ratio, of: u64) -> u64 {
    let rank = (u128::from(share.parts()) * u128::from(of)).div_ceil(u128::from(Ratio::ONE.parts()));
    (rank as u64).max(1)
}

/// A quantile of independent values, which are sorted from the least: two of them are its interval; exact.
///
/// The values are independent. Requests that wait in one line are not: for those take [`batch_quantiles`] of one long
/// run, or the quantiles of many runs as [`replications`](super::replications).
///
/// ```
/// use sim_models::stats::{Confidence, quantile};
/// let values: Vec<f64> = (1..=1000).map(f64::from).collect();
/// let p99 = quantile(&values, "99%".parse().unwrap(), Confidence::USUAL);
/// assert_eq!((p99.lo, p99.value, p99.hi), (Some(983.0), Some(990.0), Some(997.0)));
/// ```
pub fn quantile(sorted: &[f64], share: Ratio, confidence: Confidence) -> Estimate {
    debug_assert!(sorted.is_sorted(), "a quantile is taken of sorted values");
    Ranks::of(share, sorted.len() as u64, confidence).estimate(|rank| {
        let value = sorted[rank as usize - 1];
        Place { low: value, middle: value, high: value }
    })
}

/// A quantile of independent values that a histogram has counted, in nanoseconds.
///
/// The interval goes from the lower end of one bucket to the upper end of another, so it covers at least as often as
/// the exact one; the value is the middle of its bucket.
pub fn quantile_of_histogram(counted: &Histogram, share: Ratio, confidence: Confidence) -> Estimate {
    Ranks::of(share, counted.count(), confidence).estimate(|rank| {
        let (low, high) = counted.ranked(rank).map_or((0, 0), |bucket| (bucket.low, bucket.high));
        Place { low: low as f64, middle: low as f64 + (high - low) as f64 / 2.0, high: high as f64 }
    })
}

/// Values beyond the quantile come in clusters; so many clusters of a batch are to lie there. At p99 of M/M/1,
/// intervals of batches with 0.6 of them covered 86 %, with 1.3 from 92 to 95 %, with 4.7 and 6.1 95 %.
const CLUSTERS: f64 = 4.0;

/// A quantile of one dependent series: that of the whole, in Student's interval over the quantiles of 40, 20 or 10
/// batches.
///
/// It takes the most batches of which two things hold. Lying beyond the quantile is remembered no longer than a batch
/// should be, by the rule of [`batch_means`](super::batch_means). And how many lie there varies from batch to batch no
/// more than four independent events would: the mean squared is at least four times the variance. So a p99 of
/// independent values takes some 4,000 of them, of waits at 80 % load some 300,000. When not even ten batches are so long,
/// it takes ten and says that it is not settled: then the interval is too narrow. The deviations of the batches are
/// taken from the quantile of the whole, so that a bias of short batches widens the interval instead of moving it. None
/// of fewer than 100 observations, or with one that is no number.
///
/// The series is in the order of time with its warm-up deleted; what does not fill a batch is left out at the front.
///
/// Alexopoulos, Goldsman, Mokashi, Tien and Wilson, Sequest, ACM Transactions on Modeling and Computer Simulation 29,
/// 2019, section 2.
pub fn batch_quantiles(series: &[f64], share: Ratio, confidence: Confidence) -> Option<Batched> {
    if series.is_empty() || series.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let threshold = of_unsorted(series, share);
    let rarer_above = share.parts() * 2 >= Ratio::ONE.parts();
    let beyond = |value: &f64| if rarer_above { *value > threshold } else { *value <= threshold };
    let beyond: Vec<f64> = series.iter().map(|value| f64::from(u8::from(beyond(value)))).collect();
    let cut = Cut::of(&beyond, |batches| {
        let spread = batches.spread();
        spread.mean > 0.0 && spread.mean * spread.mean >= CLUSTERS * spread.variance
    })?;
    let kept = &series[series.len() - cut.size * cut.batches..];
    let value = of_unsorted(kept, share);
    let strayed = kept.chunks_exact(cut.size).map(|batch| of_unsorted(batch, share) - value);
    let count = cut.batches as f64;
    let variance = strayed.map(|off| off * off).sum::<f64>() / (count - 1.0);
    let half = student(confidence.tail(), count - 1.0) * sqrt(variance / count);
    Some(Batched { estimate: Estimate::around(value, half, Method::BatchQuantiles, kept.len() as u64), cut })
}

fn of_unsorted(values: &[f64], share: Ratio) -> f64 {
    let mut values = values.to_vec();
    let rank = nearest_rank(share, values.len() as u64);
    *values.select_nth_unstable_by(rank as usize - 1, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    #[test]
    fn an_end_beyond_the_values_is_none() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        let p999 = quantile(&values, share("99.9%"), Confidence::USUAL);
        assert_eq!((p999.lo, p999.value, p999.hi, p999.n), (Some(997.0), Some(999.0), None, 1000));
        let p1 = quantile(&values[..100], share("1%"), Confidence::USUAL);
        assert_eq!((p1.lo, p1.value), (None, Some(1.0)));
        assert_eq!(quantile(&[], share("50%"), Confidence::USUAL), Estimate::none(Method::OrderStatistics));
    }

    #[test]
    fn the_upper_end_of_a_p999_exists_from_3688_values_on() {
        let exists = |of| Ranks::of(share("99.9%"), of, Confidence::USUAL).upper <= of;
        assert!(exists(3_688) && !exists(3_687));
    }

    #[test]
    fn least_and_greatest_have_no_quantile_beyond_them() {
        let values = [1.0, 2.0, 3.0];
        let most = quantile(&values, Ratio::ONE, Confidence::USUAL);
        assert_eq!((most.value, most.hi), (Some(3.0), None));
        let least = quantile(&values, Ratio::ZERO, Confidence::USUAL);
        assert_eq!((least.lo, least.value), (None, Some(1.0)));
    }

    #[test]
    fn quantiles_of_batches_lie_around_that_of_the_whole() {
        let series: Vec<f64> = (0..10_000).map(|i| f64::from(i * 7919 % 1000)).collect();
        let p90 = batch_quantiles(&series, share("90%"), Confidence::USUAL).unwrap();
        assert_eq!((p90.estimate.value, p90.estimate.n), (Some(899.0), 10_000));
        assert_eq!((p90.cut.batches, p90.cut.size, p90.cut.settled), (40, 250, true));
        assert!((1e-9..5.0).contains(&p90.estimate.half_width().unwrap()), "{p90:?}");
        assert_eq!(batch_quantiles(&series[..99], share("90%"), Confidence::USUAL), None);
        assert_eq!(batch_quantiles(&[f64::NAN; 200], share("90%"), Confidence::USUAL), None);
        assert_eq!(batch_quantiles(&[], share("90%"), Confidence::USUAL), None);
    }

    #[test]
    fn a_batch_that_differs_widens_the_interval() {
        // Nine batches with median 1 and one with 4: √(9 / 9 / 10) = 0.3162; t of 9 degrees of freedom is 2.2622.
        let mut series = [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 1.0].repeat(10);
        series[20..30].fill(4.0);
        let median = batch_quantiles(&series, share("50%"), Confidence::USUAL).unwrap();
        assert_eq!((median.estimate.value, median.cut.batches, median.cut.settled), (Some(1.0), 10, false));
        assert!((median.estimate.half_width().unwrap() - 2.262_157 * 0.316_228).abs() < 1e-5, "{median:?}");
    }

    #[test]
    fn a_rare_quantile_or_a_long_memory_takes_fewer_batches_or_is_not_settled() {
        let mut state = 12_345u64;
        let mut next = || {
            state = (1_103_515_245 * state + 12_345) % (1 << 31);
            (state >> 8) as f64
        };
        let fresh: Vec<f64> = (0..40_000).map(|_| next()).collect();
        // The same value 200 times: as good as 200 values.
        let slow: Vec<f64> = fresh[..200].iter().flat_map(|value| [*value; 200]).collect();
        let check = |series: &[f64], p, batches, settled| {
            let cut = batch_quantiles(series, share(p), Confidence::USUAL).unwrap().cut;
            assert_eq!((cut.batches, cut.settled), (batches, settled), "{p}: {cut:?}");
        };
        check(&fresh, "99%", 40, true);
        check(&fresh, "1%", 40, true);
        check(&fresh, "99.99%", 10, false);
        check(&slow, "50%", 20, true);
        check(&slow, "99%", 10, false);
        check(&[1.0; 1_000], "50%", 10, false);
    }

    proptest! {
        #[test]
        fn a_histogram_says_no_less_than_the_values_themselves(
            mut values in prop::collection::vec(0u64..10_000_000, 1..200),
            percent in 1u64..100,
        ) {
            let share = Ratio::new(percent, 100).unwrap();
            let mut counted = Histogram::default();
            values.iter().for_each(|value| counted.record(*value));
            values.sort_unstable();
            let sorted: Vec<f64> = values.iter().map(|value| *value as f64).collect();
            let exact = quantile(&sorted, share, Confidence::USUAL);
            let rough = quantile_of_histogram(&counted, share, Confidence::USUAL);
            let just_below = |(low, high): (f64, f64)| low <= high && high <= low * (1.0 + 1.0 / 1024.0);
            prop_assert_eq!((exact.lo.is_some(), exact.hi.is_some()), (rough.lo.is_some(), rough.hi.is_some()));
            prop_assert!(rough.lo.zip(exact.lo).is_none_or(just_below), "{exact:?} beside {rough:?}");
            prop_assert!(exact.hi.zip(rough.hi).is_none_or(just_below), "{exact:?} beside {rough:?}");
            let (exact, rough) = (exact.value.unwrap(), rough.value.unwrap());
            prop_assert!((exact - rough).abs() <= exact / 2048.0 + 0.5);
        }
    }
}
