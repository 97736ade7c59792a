//! Means of independent values: one value per run, or per request where requests do not touch one another.

use libm::{fabs, sqrt};

use super::laws::{student, student_above};
use super::{Confidence, Estimate, Method};

/// What of a sample is needed for its mean: how many, their mean, and their variance.
///
/// Both are summed in the order of the sample, so the same seeds in the same order give the same bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// How many values.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Their variance, over n − 1; nothing for a single value.
    pub variance: f64,
}

impl Spread {
    /// Of a sample; none of an empty one, or of one with a value that is no number.
    ///
    /// The deviations are taken from the mean in a second pass (Chan, Golub and LeVeque, The American Statistician 37,
    /// 1983), so a large mean does not drown a small spread; values that are all alike spread by exactly nothing.
    pub fn of(values: &[f64]) -> Option<Spread> {
        let (first, n) = (*values.first()?, values.len() as f64);
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        // From the first value on: of equal values every difference is nothing, exactly.
        let mean = first + values.iter().map(|value| value - first).sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let variance = if values.len() == 1 { 0.0 } else { squares / (n - 1.0) };
        Some(Spread { n: values.len() as u64, mean, variance })
    }

    /// How far one value usually lies from the mean.
    pub fn deviation(&self) -> f64 {
        sqrt(self.variance)
    }

    /// How far the mean usually lies from the truth.
    pub fn error(&self) -> f64 {
        sqrt(self.variance / self.n as f64)
    }

    /// Half the width of Student's interval for the mean; none of a single value.
    pub fn half_width(&self, confidence: Confidence) -> Option<f64> {
        (self.n > 1).then(|| student(confidence.tail(), self.n as f64 - 1.0) * self.error())
    }

    /// The mean in Student's interval, whatever the values are of.
    pub fn estimate(&self, confidence: Confidence, method: Method) -> Estimate {
        let half = self.half_width(confidence);
        let end = |sign: f64| half.map(|half| self.mean + sign * half);
        Estimate { value: Some(self.mean), lo: end(-1.0), hi: end(1.0), method, n: self.n }
    }

    /// How likely a mean at least this far from nothing is, on either side, were the truth nothing: Student's test.
    ///
    /// Values that are all alike leave no doubt: 1 when they are nothing, else 0. None of a single value.
    pub fn chance_of_nothing(&self) -> Option<f64> {
        match (self.n, self.mean == 0.0, self.variance == 0.0) {
            (0 | 1, ..) => None,
            (_, true, _) => Some(1.0),
            (_, false, true) => Some(0.0),
            (n, false, false) => Some((2.0 * student_above(fabs(self.mean) / self.error(), n as f64 - 1.0)).min(1.0)),
        }
    }
}

/// The mean over independent replications, one value each, in Student's interval.
///
/// The values are independent (one per seed) and either near normal or many: of skewed values few runs cover less than
/// is said (ten exponential ones: 90 % for 95 %). It does not see a bias that every run has, such as an empty start;
/// delete that first. No interval from a single value; no value from none or from one that is no number.
///
/// Law and Kelton, Simulation Modeling and Analysis, 3rd edition, 9.4.1.
///
/// ```
/// use sim_models::stats::{Confidence, replications};
/// let mean = replications(&[1.0, 2.0, 3.0], Confidence::USUAL);
/// // t of 2 degrees of freedom is 4.303; the standard error is 1/√3.
/// assert_eq!(mean.value, Some(2.0));
/// assert!((mean.half_width().unwrap() - 4.303 / 3f64.sqrt()).abs() < 1e-3);
/// ```
pub fn replications(values: &[f64], confidence: Confidence) -> Estimate {
    Spread::of(values).map_or(Estimate::none(Method::Replications), |s| s.estimate(confidence, Method::Replications))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(estimate: Estimate) -> (Option<f64>, Option<f64>, Option<f64>) {
        (estimate.lo, estimate.value, estimate.hi)
    }

    #[test]
    fn a_single_value_has_no_interval_and_none_has_no_value() {
        assert_eq!(ends(replications(&[3.0], Confidence::USUAL)), (None, Some(3.0), None));
        assert_eq!(ends(replications(&[], Confidence::USUAL)), (None, None, None));
        assert_eq!(ends(replications(&[1.0, f64::NAN], Confidence::USUAL)), (None, None, None));
        assert_eq!(ends(replications(&[1.0, f64::INFINITY], Confidence::USUAL)), (None, None, None));
    }

    #[test]
    fn what_never_varies_is_known_exactly() {
        let alike = [0.1; 7];
        assert_eq!(ends(replications(&alike, Confidence::USUAL)), (Some(0.1), Some(0.1), Some(0.1)));
        assert_eq!(Spread::of(&alike).unwrap().chance_of_nothing(), Some(0.0));
        assert_eq!(Spread::of(&[0.0; 7]).unwrap().chance_of_nothing(), Some(1.0));
        assert_eq!(Spread::of(&[1.0]).unwrap().chance_of_nothing(), None);
    }

    #[test]
    fn a_small_spread_around_a_large_mean_is_not_drowned() {
        let spread = Spread::of(&[1e12 + 1.0, 1e12 + 2.0, 1e12 + 3.0]).unwrap();
        assert_eq!((spread.mean, spread.variance), (1e12 + 2.0, 1.0));
    }

    #[test]
    fn an_interval_is_students() {
        // Mean 2, standard error 1/√3, t of 2 degrees of freedom at 99.95 %: 31.599.
        let sure = Confidence::new(0.999).unwrap();
        let half = replications(&[1.0, 2.0, 3.0], sure).half_width().unwrap();
        assert!((half - 31.599 / sqrt(3.0)).abs() < 1e-3, "{half}");
    }

    #[test]
    fn a_test_and_an_interval_agree_on_nothing() {
        let values = [0.4, -0.1, 0.9, 0.3, 0.2];
        let spread = Spread::of(&values).unwrap();
        let chance = spread.chance_of_nothing().unwrap();
        let just = |share| Confidence::new(1.0 - share).unwrap();
        assert!(!spread.estimate(just(chance * 1.001), Method::Paired).covers(0.0), "{chance}");
        assert!(spread.estimate(just(chance * 0.999), Method::Paired).covers(0.0), "{chance}");
    }
}
