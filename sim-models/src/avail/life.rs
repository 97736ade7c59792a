//! How long something stays as it is: a mean, and how lengths are spread around it.

use sim_core::Duration;
use sim_core::dist::normal_quantile;
use sim_core::seed::mix;

use super::up::Availability;
use crate::stats::laws::gamma_below;

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
    /// One thing after the other, whose lengths are absolute and come to the mean.
    Phases(Phases),
}

/// An outage in which one thing comes after the other, each memoryless with its own mean in seconds: it is seen,
/// another takes over, it is repaired. In a share of outages that is not the end of it, and somebody has to come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phases {
    /// The means of what every outage has; nothing takes no time.
    pub each: [f64; 3],
    /// The share of outages that people have to end.
    pub missed: f64,
    /// The mean of what that adds.
    pub manual: f64,
}

impl Phases {
    /// The mean length of all of it.
    pub fn mean(&self) -> f64 {
        self.each.iter().sum::<f64>() + self.missed * self.manual
    }

    /// The variance of the length.
    pub fn variance(&self) -> f64 {
        let by_hand = self.missed * (2.0 - self.missed) * self.manual * self.manual;
        self.each.iter().map(|mean| mean * mean).sum::<f64>() + by_hand
    }

    /// Whether it is more than one memoryless thing.
    pub fn are_several(&self) -> bool {
        let always = self.each.iter().filter(|mean| **mean > 0.0).count();
        always > 1 || self.missed > 0.0 && self.manual > 0.0
    }

    fn is_missed(&self, bits: u64) -> bool {
        share(mix(bits, 4)) < self.missed
    }

    fn sample(&self, bits: u64) -> f64 {
        // One number of each phase out of the one that was drawn for the outage.
        let number = |nth: u64| share(mix(bits, nth));
        let length = |mean: f64, nth: u64| -mean * libm::log1p(-number(nth));
        let always: f64 = self.each.iter().zip(1..).map(|(mean, nth)| length(*mean, nth)).sum();
        if self.is_missed(bits) { always + length(self.manual, 5) } else { always }
    }
}

/// A number below 1, and above nothing.
pub(super) fn share(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

impl Life {
    /// Of that mean and memoryless.
    pub fn exponential(mean: f64) -> Life {
        Life { mean, shape: Shape::Exponential }
    }

    /// Whether how long it has lasted says nothing of how long it still will.
    pub(super) fn is_memoryless(&self) -> bool {
        matches!(self.shape, Shape::Exponential | Shape::Weibull(1.0))
    }

    /// How likely it is longer than so many seconds, and how likely it is not.
    ///
    /// ```
    /// use sim_models::avail::{Life, Shape};
    /// let life = Life { mean: 100.0, shape: Shape::LogNormal(1.0) };
    /// // Half of them are over after the median, 100 · e^(−σ²/2).
    /// assert!((life.lasts(60.653_065_971_263_34).up - 0.5).abs() < 1e-12);
    /// ```
    pub fn lasts(&self, seconds: f64) -> Availability {
        let of_hazard = |hazard: f64| Availability { up: libm::exp(-hazard), down: -libm::expm1(-hazard) };
        let of_share = |up: f64| Availability { up, down: 1.0 - up };
        if seconds <= 0.0 {
            return Availability::ALWAYS;
        }
        match &self.shape {
            Shape::Exponential => of_hazard(seconds / self.mean),
            Shape::Fixed => of_share(if seconds < self.mean { 1.0 } else { 0.0 }),
            Shape::Weibull(shape) => {
                let scale = self.mean / libm::tgamma(1.0 + 1.0 / shape);
                of_hazard(libm::pow(seconds / scale, *shape))
            }
            Shape::LogNormal(sigma) => {
                let standard = (libm::log(seconds / self.mean) + sigma * sigma / 2.0) / sigma;
                let of = |standard: f64| libm::erfc(standard / std::f64::consts::SQRT_2) / 2.0;
                Availability { up: of(standard), down: of(-standard) }
            }
            Shape::Observed(lengths) => {
                let longer = lengths.iter().filter(|length| **length > seconds).count();
                of_share(longer as f64 / lengths.len().max(1) as f64)
            }
            Shape::Phases(phases) => {
                let after = super::assembly::phased(0.0, phases).after(1, seconds);
                after.map_or(Availability::NEVER, |after| Availability {
                    up: after.at[1..].iter().sum(),
                    down: after.at[0],
                })
            }
        }
    }

    /// The length at 64 uniformly random bits; more bits are no shorter, but for phases, which take their own numbers
    /// from them. Lengths beyond what a run can have end there, at 584 years.
    ///
    /// ```
    /// use sim_models::avail::{Life, Shape};
    /// let wears_out = Life { mean: 100.0, shape: Shape::Weibull(1.0) };
    /// assert_eq!(wears_out.sample(1 << 62).as_secs_f64().round(), 29.0);
    /// ```
    pub fn sample(&self, bits: u64) -> Duration {
        let share = share(bits);
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
            Shape::Phases(phases) => phases.sample(bits),
        };
        Duration::from_nanos_f64(seconds * 1e9)
    }

    /// Its mean by size, each length counting as often as it is long, of a law whose lengths are not memoryless.
    pub(super) fn usual(&self) -> f64 {
        match &self.shape {
            Shape::Exponential | Shape::Fixed | Shape::Phases(_) => self.mean,
            Shape::Weibull(shape) => {
                let mean = libm::tgamma(1.0 + 1.0 / shape);
                self.mean * libm::tgamma(1.0 + 2.0 / shape) / (mean * mean)
            }
            Shape::LogNormal(sigma) => self.mean * libm::exp(sigma * sigma),
            Shape::Observed(lengths) => {
                let (sum, squares) =
                    (lengths.iter().sum::<f64>(), lengths.iter().map(|length| length * length).sum::<f64>());
                if sum > 0.0 { squares / sum } else { self.mean }
            }
        }
    }

    /// The longest mean of what it is made of.
    pub(super) fn longest(&self) -> f64 {
        match &self.shape {
            Shape::Phases(phases) => phases.each.iter().copied().fold(phases.manual, f64::max),
            _ => self.mean,
        }
    }

    /// How long it still lasts for whoever comes to it at any moment. A length is met as often as it is long, and at any
    /// moment of it (Cox, Renewal Theory, 1962). Of phases only the whole is known: take them one after the other.
    pub(super) fn rest(&self, bits: u64) -> Duration {
        let (moment, length) = (share(mix(bits, 6)), share(mix(bits, 7)));
        let met = match &self.shape {
            Shape::Exponential => return Duration::from_nanos_f64(-self.mean * libm::log1p(-moment) * 1e9),
            Shape::Fixed | Shape::Phases(_) => self.mean,
            Shape::Weibull(shape) => {
                let scale = self.mean / libm::tgamma(1.0 + 1.0 / shape);
                scale * libm::pow(gamma_below(1.0 + 1.0 / shape, length), 1.0 / shape)
            }
            Shape::LogNormal(sigma) => self.mean * libm::exp(sigma * normal_quantile(length) + sigma * sigma / 2.0),
            Shape::Observed(lengths) => {
                let mut at = length * lengths.iter().sum::<f64>();
                let met = lengths.iter().find(|length| {
                    at -= **length;
                    at < 0.0
                });
                met.copied().unwrap_or(self.mean)
            }
        };
        Duration::from_nanos_f64(moment * met * 1e9)
    }

    /// Whether people have to end what these bits say, of an outage in phases.
    pub(super) fn is_by_hand(&self, bits: u64) -> bool {
        matches!(&self.shape, Shape::Phases(phases) if phases.is_missed(bits))
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

    /// What is left of a length for whoever comes at any moment is half its mean square over its mean.
    #[test]
    fn what_is_left_at_any_moment_has_the_mean_of_every_law() {
        let square = |shape: f64| libm::tgamma(1.0 + 2.0 / shape) / libm::pow(libm::tgamma(1.0 + 1.0 / shape), 2.0);
        let laws = [
            (200.0, Shape::Exponential, 200.0),
            (200.0, Shape::Fixed, 100.0),
            (200.0, Shape::Weibull(0.7), 100.0 * square(0.7)),
            (200.0, Shape::Weibull(3.0), 100.0 * square(3.0)),
            (200.0, Shape::LogNormal(1.0), 100.0 * libm::exp(1.0)),
            (200.0, Shape::Observed(vec![60.0, 120.0, 420.0]), (60.0 * 60.0 + 120.0 * 120.0 + 420.0 * 420.0) / 1_200.0),
        ];
        for (mean, shape, wanted) in laws {
            let life = Life { mean, shape };
            let all: f64 = (0..40_000).map(|nth| life.rest(mix(11, nth)).as_secs_f64()).sum();
            assert!((all / 40_000.0 / wanted - 1.0).abs() < 0.05, "{life:?}: {}, not {wanted}", all / 40_000.0);
        }
    }

    /// Detection and failover, and two hours by hand in one outage of fifty: the mean is not what most outages are
    /// like.
    #[test]
    fn phases_have_their_mean_their_variance_and_their_median() {
        let phases = Phases { each: [30.0, 60.0, 0.0], missed: 0.02, manual: 7_200.0 };
        let life = Life { mean: phases.mean(), shape: Shape::Phases(phases) };
        let mut all: Vec<f64> = (0..400_000).map(|nth| life.sample(mix(7, nth)).as_secs_f64()).collect();
        all.sort_by(f64::total_cmp);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|length| (length - mean) * (length - mean)).sum::<f64>() / all.len() as f64;
        assert_eq!(phases.mean(), 234.0);
        // Three and a half standard errors of the mean.
        assert!((mean - 234.0).abs() < 3.5 * libm::sqrt(phases.variance() / all.len() as f64), "{mean}");
        assert!((variance / phases.variance() - 1.0).abs() < 0.05, "{variance}, not {}", phases.variance());
        // Of 98 of 100 the sum of two exponentials of 30 s and 60 s, whose tail is 2e^(−t/60) − e^(−t/30).
        let beyond = |t: f64| 2.0 * libm::exp(-t / 60.0) - libm::exp(-t / 30.0);
        let median = all[all.len() / 2];
        assert!((0.98 * (1.0 - beyond(median)) - 0.5).abs() < 0.015, "{median}");
    }
}
