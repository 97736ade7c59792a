//! One long dependent series, cut into batches whose means hardly depend on one another.

use libm::sqrt;

use super::laws::normal_above;
use super::{Confidence, Estimate, Method, Spread};

/// The means of equally long, adjoining batches of one series.
///
/// The series is in the order of time, from one run, and its warm-up is deleted (a fixed share declared beforehand, or
/// [`mser5`](super::mser5)). What does not fill a batch is left out at the front, where the warm-up was.
///
/// Schmeiser, Batch Size Effects in the Analysis of Simulation Output, Operations Research 30, 1982: 10 to 30 batches
/// are enough, as more hardly shorten the interval and make the batches too short to be independent. Law and Kelton,
/// 3rd edition, 9.5.3.
///
/// ```
/// use sim_models::stats::{Batches, Confidence};
/// let series: Vec<f64> = (0..1000).map(|i| f64::from(i % 7)).collect();
/// let batches = Batches::of(&series, 20).unwrap();
/// assert_eq!((batches.size(), batches.means().len()), (50, 20));
/// assert!(batches.estimate(Confidence::USUAL).covers(3.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Batches {
    means: Vec<f64>,
    size: usize,
    spread: Spread,
}

/// An estimate over one dependent series, with the batches it was worked out from and whether they will do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batched {
    /// The value in its interval.
    pub estimate: Estimate,
    /// How it was cut.
    pub cut: Cut,
}

/// How a dependent series is cut into batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// How many batches.
    pub batches: usize,
    /// How many observations each batch has.
    pub size: usize,
    /// The correlation of neighbours at a tenth of that size, where there are enough of them to tell.
    pub correlation: f64,
    /// Whether the batches are long enough. If not, the series is too short, and the interval too narrow: run longer.
    pub settled: bool,
}

/// How many batches are tried, the most first.
const COUNTS: [usize; 3] = [40, 20, 10];
/// Each batch is looked at in so many parts.
const PARTS: usize = 10;
/// Parts whose neighbours correlate so much make batches whose neighbours correlate by about a twentieth.
const CORRELATION: f64 = 0.4;

/// The mean of one dependent series, in Student's interval over the means of 40, 20 or 10 batches.
///
/// It takes the most batches whose tenths have neighbours that correlate by no more than 0.4; that is what the
/// sequential procedure of Law and Carson asks of 400 tenths, and where it does, the neighbours of whole batches
/// correlate by about 0.05. Tenths are looked at because the correlation of 10 to 40 means is too uncertain to be seen.
/// When even ten batches fail, it takes them and says that it is not settled. None of fewer than 100 observations, or
/// with one that is no number.
///
/// The series is in the order of time, its warm-up deleted, and what it is of does not change on the way. `n` counts
/// observations.
///
/// Law and Carson, A Sequential Procedure for Determining the Length of a Steady-State Simulation, Operations Research
/// 27, 1979.
pub fn batch_means(series: &[f64], confidence: Confidence) -> Option<Batched> {
    let cut = Cut::of(series, |_| true)?;
    Some(Batched { estimate: Batches::of(series, cut.batches)?.estimate(confidence), cut })
}

impl Cut {
    /// The most batches, of 40, 20 and 10, that are long enough by their correlation and by what is asked of them; the
    /// fewest that there are observations for when none is.
    pub(super) fn of(series: &[f64], long_enough: impl Fn(&Batches) -> bool) -> Option<Cut> {
        let tried = |batches: usize| {
            let correlation = Batches::of(series, batches * PARTS)?.correlation();
            let whole = Batches::of(series, batches)?;
            let settled = correlation <= CORRELATION && long_enough(&whole);
            Some(Cut { batches, size: whole.size, correlation, settled })
        };
        let tries = || COUNTS.iter().filter_map(|batches| tried(*batches));
        tries().find(|cut| cut.settled).or_else(|| tries().next_back())
    }
}

impl Batches {
    /// Cuts a series into so many batches; none for fewer than two batches, a series shorter than that, or one with a
    /// value that is no number.
    pub fn of(series: &[f64], count: usize) -> Option<Batches> {
        let size = series.len().checked_div(count)?;
        if count < 2 || size == 0 {
            return None;
        }
        let kept = &series[series.len() - size * count..];
        let means: Option<Vec<f64>> = kept.chunks_exact(size).map(|batch| Some(Spread::of(batch)?.mean)).collect();
        let means = means?;
        let spread = Spread::of(&means)?;
        Some(Batches { means, size, spread })
    }

    /// The mean of each batch, in the order of time.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// How many observations each has.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Their number, mean and variance.
    pub fn spread(&self) -> Spread {
        self.spread
    }

    /// How much a batch's mean tells of the next one's: the correlation of neighbours, about −1/count where they are
    /// independent. Nothing where all means are alike.
    pub fn correlation(&self) -> f64 {
        let strayed = |mean: f64| mean - self.spread.mean;
        let neighbours: f64 = self.means.windows(2).map(|pair| strayed(pair[0]) * strayed(pair[1])).sum();
        let own = self.spread.variance * (self.spread.n as f64 - 1.0);
        if own == 0.0 { 0.0 } else { neighbours / own }
    }

    /// How likely neighbours at least so alike are, were the batches independent: von Neumann's test, one-sided.
    ///
    /// The ratio of squared differences of neighbours to the variance is about normal with mean 2 and variance 4 (b −
    /// 2) / (b² − 1). (von Neumann, Annals of Mathematical Statistics 12, 1941; for batch means: Fishman, Management
    /// Science 24, 1978.)
    pub fn chance_of_independence(&self) -> f64 {
        let b = self.spread.n as f64;
        if b < 3.0 || self.spread.variance == 0.0 {
            return 1.0;
        }
        let steps: f64 = self.means.windows(2).map(|pair| (pair[1] - pair[0]) * (pair[1] - pair[0])).sum();
        let ratio = steps / (self.spread.variance * (b - 1.0));
        normal_above((2.0 - ratio) / sqrt(4.0 * (b - 2.0) / (b * b - 1.0)))
    }

    /// Their mean in Student's interval. `n` counts observations, not batches.
    pub fn estimate(&self, confidence: Confidence) -> Estimate {
        let observed = (self.size * self.means.len()) as u64;
        Estimate { n: observed, ..self.spread.estimate(confidence, Method::BatchMeans) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sawtooth of some period: neighbours of short batches are alike, whole periods are all the same.
    fn sawtooth(length: usize, period: usize) -> Vec<f64> {
        (0..length).map(|i| (i % period) as f64).collect()
    }

    #[test]
    fn what_does_not_fill_a_batch_is_left_out_at_the_front() {
        let batches = Batches::of(&[100.0, 1.0, 3.0, 5.0, 7.0], 2).unwrap();
        assert_eq!((batches.means(), batches.size()), ([2.0, 6.0].as_slice(), 2));
        assert_eq!(batches.estimate(Confidence::USUAL).n, 4);
    }

    #[test]
    fn too_little_is_not_cut() {
        assert_eq!(Batches::of(&[1.0], 2), None);
        assert_eq!(Batches::of(&[1.0, 2.0], 1), None);
        assert_eq!(Batches::of(&[1.0, 2.0], 0), None);
        assert_eq!(Batches::of(&[1.0, f64::NAN], 2), None);
        assert_eq!(batch_means(&[1.0; 99], Confidence::USUAL), None);
    }

    #[test]
    fn alternating_means_speak_for_independence_and_slow_ones_against() {
        let alternating = Batches::of(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0], 8).unwrap();
        assert!(alternating.correlation() < -0.8 && alternating.chance_of_independence() > 0.99);
        let rising = Batches::of(&sawtooth(8, 8), 8).unwrap();
        // Squared differences of neighbours 7, sum of squares 42: (2 − 7/42) / √(24/63) = 2.970.
        assert!((rising.chance_of_independence() - 0.001_488).abs() < 1e-5, "{}", rising.chance_of_independence());
        assert_eq!(Batches::of(&[1.0; 8], 4).unwrap().chance_of_independence(), 1.0);
    }

    #[test]
    fn a_series_too_short_for_its_dependence_is_not_settled() {
        let slow = batch_means(&sawtooth(4_000, 2_000), Confidence::USUAL).unwrap();
        assert_eq!((slow.cut.settled, slow.cut.batches), (false, 10));
        assert!(slow.cut.correlation > 0.9, "{slow:?}");
        let quick = batch_means(&sawtooth(4_003, 7), Confidence::USUAL).unwrap();
        assert_eq!((quick.cut.settled, quick.cut.batches, quick.cut.size), (true, 40, 100));
        assert!(quick.estimate.covers(3.0));
    }

    #[test]
    fn fewer_batches_are_taken_where_more_are_too_short() {
        // A tenth of a fortieth is a sixth of a wave, and its neighbour correlates by cos 60°; a tenth of a twentieth
        // by cos 120°.
        let wave: Vec<f64> = (0..8_000).map(|i| libm::sin(std::f64::consts::TAU * f64::from(i) / 120.0)).collect();
        let found = batch_means(&wave, Confidence::USUAL).unwrap();
        assert_eq!((found.cut.batches, found.cut.settled), (20, true), "{found:?}");
    }
}
