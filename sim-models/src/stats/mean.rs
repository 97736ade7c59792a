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
    /// The deviations are taken from the mean in a second pass (Chan, Golub and LeVeque, The American Statistician 37, 1983), so
    /// a large mean does not drown a small spread; values that are all alike spread by exactly nothing.
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
/// The values are independent (one per seed) and either near normal or many: of skewed values few runs cover less than is said
/// (ten exponential ones: 90 % for 95 %). It does not see a bias that every run has, such as an empty start; delete that first. No
/// interval from a single value; no value from none or from one that is no number.
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
