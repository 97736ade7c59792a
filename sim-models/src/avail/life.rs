//! How long something stays as it is: a mean, and how lengths are spread around it.

use sim_core::Duration;
use sim_core::dist::normal_quantile;

/// Lengths of time in seconds, by their mean and their law.
#[derive(Clone, Debug, PartialEq)]
pub struct Life {
    /// The mean in seconds.
    pub mean: f64,
    /// How lengths are spread around it.
    pub shape: Shape,
}

/// A law of lengths, its mean aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shape {
    /// Memoryless.
    #[default]
    Exponential,
    /// Always the same.
    Fixed,
    /// Weibull's: below 1 things fail early, above 1 they wear out (W. Weibull, A statistical distribution function of
    /// wide applicability, 1951).
    Weibull(f64),
    /// The logarithm is normal with such a standard deviation.
    LogNormal(f64),
    /// Lengths that were observed, in seconds, each as likely as the others.
    Observed(Vec<f64>),
}

impl Life {
    /// Of that mean and memoryless.
    pub fn exponential(mean: f64) -> Life {
        Life { mean, shape: Shape::Exponential }
    }

    /// The length at 64 uniformly random bits; more bits are no shorter. Lengths beyond what a run can have end there,
    /// at 584 years.
    ///
    /// ```
    /// use sim_models::avail::{Life, Shape};
    /// let wears_out = Life { mean: 100.0, shape: Shape::Weibull(1.0) };
    /// assert_eq!(wears_out.sample(1 << 62).as_secs_f64().round(), 29.0);
    /// ```
    pub fn sample(&self, bits: u64) -> Duration {
        let share = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        let waited = || -libm::log1p(-share);
        let seconds = match &self.shape {
            Shape::Exponential => self.mean * waited(),
            Shape::Fixed => self.mean,
            Shape::Weibull(shape) => self.mean / libm::tgamma(1.0 + 1.0 / shape) * libm::pow(waited(), 1.0 / shape),
            Shape::LogNormal(sigma) => self.mean * libm::exp(sigma * normal_quantile(share) - sigma * sigma / 2.0),
            Shape::Observed(lengths) => {
                let at = (share * lengths.len() as f64) as usize;
                lengths.get(at.min(lengths.len().saturating_sub(1))).copied().unwrap_or(self.mean)
            }
        };
        Duration::from_nanos_f64(seconds * 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over evenly spaced bits is that of the law.
    #[test]
    fn every_law_has_its_mean() {
        let observed = vec![60.0, 120.0, 420.0];
        let laws = [
            Shape::Exponential,
            Shape::Fixed,
            Shape::Weibull(0.7),
            Shape::Weibull(3.0),
            Shape::LogNormal(1.0),
            Shape::Observed(observed),
        ];
        for shape in laws {
            let life = Life { mean: 200.0, shape };
            let steps = 1u64 << 16;
            let all: f64 = (0..steps).map(|step| life.sample(step << 48 | 1 << 47).as_secs_f64()).sum();
            assert!((all / steps as f64 / 200.0 - 1.0).abs() < 3e-3, "{life:?}: {}", all / steps as f64);
        }
    }
}
