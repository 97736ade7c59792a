//! What a change changes: differences between runs, on the same seeds or on others.

use libm::{fabs, sqrt};

use super::laws::{binomial_at_least, normal, student};
use super::{Confidence, Estimate, Method, Spread};

/// The differences, second less first, of each pair.
pub fn differences(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().map(|(before, after)| after - before).collect()
}

/// By how much the second of each pair is more than the first, on average: Student's interval over the differences.
///
/// A pair is one seed run twice. The more alike its two runs are, the shorter the interval; where nothing differs it has no width at
/// all. Pairs are independent of one another, and the differences near normal or many. Few differences that are mostly nothing and
/// seldom large are neither: ten runs that all agree do not show that a hundredth would.
///
/// Law and Kelton, 3rd edition, 10.2.1 and 11.2 (common random numbers).
///
/// ```
/// use sim_models::stats::{Confidence, paired};
/// let same = paired(&[(3.0, 3.0), (5.0, 5.0)], Confidence::USUAL);
/// assert_eq!((same.lo, same.value, same.hi), (Some(0.0), Some(0.0), Some(0.0)));
/// ```
pub fn paired(pairs: &[(f64, f64)], confidence: Confidence) -> Estimate {
    let spread = Spread::of(&differences(pairs));
    spread.map_or(Estimate::none(Method::Paired), |spread| spread.estimate(confidence, Method::Paired))
}

/// By how much the second mean is more than the first, of samples that have no seeds in common: Welch's interval.
///
/// Both samples are independent of each other and within; their variances and sizes may differ. `n` counts both. No interval when either has
/// a single value.
///
/// Welch, The Generalization of Student's Problem, Biometrika 34, 1947; degrees of freedom by Satterthwaite, Biometrics
/// Bulletin 2, 1946.
pub fn unpaired(before: &[f64], after: &[f64], confidence: Confidence) -> Estimate {
    let (Some(one), Some(other)) = (Spread::of(before), Spread::of(after)) else {
        return Estimate::none(Method::Unpaired);
    };
    let (n, difference) = (one.n + other.n, other.mean - one.mean);
    if one.n < 2 || other.n < 2 {
        return Estimate { value: Some(difference), n, ..Estimate::none(Method::Unpaired) };
    }
    let of = |spread: Spread| spread.variance / spread.n as f64;
    let variance = of(one) + of(other);
    let part = |spread: Spread| of(spread) * of(spread) / (spread.n as f64 - 1.0);
    let freedom = variance * variance / (part(one) + part(other));
    let half = if variance == 0.0 { 0.0 } else { student(confidence.tail(), freedom) * sqrt(variance) };
    Estimate::around(difference, half, Method::Unpaired, n)
}

/// Trials of the same seeds that ended differently in two settings, of so many: what rose was a miss before and a hit after, what
/// fell was the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flips {
    /// Misses that became hits.
    pub rose: u64,
    /// Hits that became misses.
    pub fell: u64,
    /// Trials in all.
    pub of: u64,
}

impl Flips {
    /// Of trials by what they were before and after.
    pub fn among(trials: impl IntoIterator<Item = (bool, bool)>) -> Flips {
        let nothing = Flips { rose: 0, fell: 0, of: 0 };
        trials.into_iter().fold(nothing, |flips, (before, after)| Flips {
            rose: flips.rose + u64::from(!before && after),
            fell: flips.fell + u64::from(before && !after),
            of: flips.of + 1,
        })
    }

    /// By how much the share of hits rose, between −1 and 1: Tango's score interval.
    ///
    /// Trials are independent pairs. Approximate, but it holds for few flips too and is never outside −1 to 1; where nothing flips it
    /// still has a width, as it should: none of n is not never. The whole from −1 to 1 after no trial.
    ///
    /// Tango, Equivalence Test and Confidence Interval for the Difference in Proportions for the Paired-Sample Design, Statistics in
    /// Medicine 17, 1998; compared with others by Newcombe in the same volume and by Fagerland, Lydersen and Laake, ibid. 33, 2014.
    pub fn difference(&self, confidence: Confidence) -> Estimate {
        if self.of == 0 {
            return Estimate { lo: Some(-1.0), hi: Some(1.0), ..Estimate::none(Method::Tango) };
        }
        let value = (self.rose as f64 - self.fell as f64) / self.of as f64;
        let z = normal(confidence.tail());
        let turned = Flips { rose: self.fell, fell: self.rose, of: self.of };
        let (lo, hi) = (-turned.highest(z), self.highest(z));
        Estimate { value: Some(value), lo: Some(lo), hi: Some(hi), method: Method::Tango, n: self.of }
    }

    /// The greatest difference that is no more than z standard errors above what was seen, found by halving.
    fn highest(&self, z: f64) -> f64 {
        let seen = (self.rose as f64 - self.fell as f64) / self.of as f64;
        let (mut low, mut high) = (seen, 1.0);
        while low < high {
            let middle = low.midpoint(high);
            if middle <= low || middle >= high {
                break;
            }
            if self.score(middle) > z { high = middle } else { low = middle }
        }
        high
    }

    /// By how many of its standard errors a difference lies above what was seen, with the chances of a flip that make what was
    /// seen most likely among those with that difference (Tango 1998, equations 13 to 16).
    fn score(&self, difference: f64) -> f64 {
        let (n, rose, fell) = (self.of as f64, self.rose as f64, self.fell as f64);
        let b = (2.0 * n - rose + fell) * difference - rose - fell;
        let c = -fell * difference * (1.0 - difference);
        let falls = (sqrt((b * b - 8.0 * n * c).max(0.0)) - b) / (4.0 * n);
        let variance = n * (2.0 * falls + difference * (1.0 - difference));
        let above = n * difference - (rose - fell);
        if variance > 0.0 {
            above / sqrt(variance)
        } else if fabs(above) == 0.0 {
            0.0
        } else {
            f64::INFINITY
        }
    }

    /// How likely flips at least this uneven are, either way, were both ways as likely: McNemar's test, exact and two-sided.
    ///
    /// McNemar, Psychometrika 12, 1947; conditional on the number of flips, which is binomial with 1/2.
    pub fn chance_of_nothing(&self) -> f64 {
        let (more, flips) = (self.rose.max(self.fell), self.rose + self.fell);
        (2.0 * binomial_at_least(more, flips, 0.5)).min(1.0)
    }
}

/// How likely at most is it that of so many who changed sides at least `rose` changed to this one, if both were as likely?
/// The exact test of McNemar, one-sided.
pub fn sign_test(rose: u64, fell: u64) -> f64 {
    binomial_at_least(rose, rose.saturating_add(fell), 0.5)
}
