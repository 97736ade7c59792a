//! Quantiles such as a p99: which value it is, and between which two values the truth lies.

use libm::sqrt;
use sim_core::{Histogram, Ratio};

use super::laws::{binomial_at_most, binomial_quantile, student};
use super::{Confidence, Estimate, Method};

/// The ranks, from 1 for the least value, between which the truth of a quantile lies; whatever the values are of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranks {
    /// The rank of the lower end; 0 when there is none.
    pub lower: u64,
    /// The rank of the quantile itself: the nearest one, so that no less than that share of the values is at or below it.
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
    /// How many values lie below the truth is binomial, so the lower rank is its quantile at α/2 and the upper its quantile at
    /// 1 − α/2 plus one; each end is missed by no more than α/2. With few values an end may not exist: the 95 % interval of
    /// a p99.9 has no upper end below 3,688 values.
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
/// The values are independent. Requests that wait in one line are not: for those take [`batch_quantiles`] of one long run, or
/// the quantiles of many runs as [`replications`](super::replications).
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
/// The interval goes from the lower end of one bucket to the upper end of another, so it covers at least as often as the exact one; the
/// value is the middle of its bucket.
pub fn quantile_of_histogram(counted: &Histogram, share: Ratio, confidence: Confidence) -> Estimate {
    Ranks::of(share, counted.count(), confidence).estimate(|rank| {
        let (low, high) = counted.ranked(rank).map_or((0, 0), |bucket| (bucket.low, bucket.high));
        Place { low: low as f64, middle: low as f64 + (high - low) as f64 / 2.0, high: high as f64 }
    })
}

/// A quantile of one dependent series: that of the whole, in Student's interval over the quantiles of so many batches.
///
/// The series is in the order of time with its warm-up deleted; what does not fill a batch is left out at the front. The
/// deviations of the batches are taken from the quantile of the whole, so that a bias of short batches widens the interval
/// instead of moving it. A batch needs many values beyond the quantile (a p99 of 1,000 has ten). None of fewer than two
/// batches, or of batches without a value.
///
/// Alexopoulos, Goldsman, Mokashi, Tien and Wilson, Sequest, ACM Transactions on Modeling and Computer Simulation 29, 2019, section 2.
pub fn batch_quantiles(series: &[f64], share: Ratio, batches: usize, confidence: Confidence) -> Option<Estimate> {
    let size = series.len().checked_div(batches)?;
    if batches < 2 || size == 0 || series.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let kept = &series[series.len() - size * batches..];
    let value = of_unsorted(kept, share);
    let strayed = kept.chunks_exact(size).map(|batch| of_unsorted(batch, share) - value);
    let count = batches as f64;
    let variance = strayed.map(|off| off * off).sum::<f64>() / (count - 1.0);
    let half = student(confidence.tail(), count - 1.0) * sqrt(variance / count);
    Some(Estimate::around(value, half, Method::BatchQuantiles, kept.len() as u64))
}

fn of_unsorted(values: &[f64], share: Ratio) -> f64 {
    let mut values = values.to_vec();
    let rank = nearest_rank(share, values.len() as u64);
    *values.select_nth_unstable_by(rank as usize - 1, f64::total_cmp).1
}
