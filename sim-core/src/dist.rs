//! Distributions of lengths of time, drawn by inversion: one number in, one length out, and more in means more out.
//!
//! Inversion is what makes runs comparable: the same number under a slower distribution is a slower draw of the same luck.
//! All functions are the pure-Rust ones of `libm`, so that a draw is the same on every platform.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ratio::Ratio;
use crate::time::Duration;

/// How long something takes.
///
/// ```
/// use sim_core::{Dist, Duration};
/// let slow_tail = Dist::log_normal(Duration::from_millis(300), 0.8).unwrap();
/// assert_eq!(slow_tail.median(), Duration::from_millis(300));
/// assert!(slow_tail.sample(u64::MAX - 1) > Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Dist {
    /// Always the same.
    Constant(Duration),
    /// Anything between two lengths, both included, alike.
    Uniform(Duration, Duration),
    /// Memoryless, by its mean.
    Exponential(Duration),
    /// The logarithm is normal, by its median and the standard deviation of the logarithm.
    LogNormal {
        /// Half are shorter.
        median: Duration,
        /// Standard deviation of the natural logarithm; at least 0.
        sigma: f64,
    },
    /// A tail like a power, by the shortest length and the exponent: longer than `x` with probability (min/x)^alpha. The mean is
    /// finite above alpha 1, the variance above 2 (V. Pareto 1896; Johnson, Kotz and Balakrishnan, Continuous Univariate
    /// Distributions 1, chapter 20).
    Pareto {
        /// None is shorter; above zero.
        min: Duration,
        /// How fast the tail falls; above 0.
        alpha: f64,
    },
    /// A table of quantiles with straight lines between them; before the first, from zero.
    Table(Arc<[(Ratio, Duration)]>),
    /// One of several, each with its share; the shares add up to one.
    Mix(Arc<[(Ratio, Dist)]>),
}

/// What is wrong with the parameters of a distribution.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DistError {
    /// The upper end lies below the lower.
    #[error("a uniform distribution goes from the shorter to the longer; {0} is longer than {1}")]
    Reversed(Duration, Duration),
    /// Sigma is negative or no number.
    #[error("sigma is a number of at least 0")]
    Sigma,
    /// No shortest length, or an exponent that is no number above zero.
    #[error("a Pareto has a shortest time above zero, and its alpha is a number above 0")]
    Pareto,
    /// Two percentiles that no log-normal has.
    #[error("the higher percentile has the longer time, and both times are above zero")]
    Percentiles,
    /// Quantiles that do not rise, or do not end at 100 %.
    #[error("a table rises from quantile to quantile, and its last one is \"100%\"")]
    Table,
    /// Shares that do not add up to one.
    #[error("the shares of a mix add up to 100%")]
    Mix,
}

/// The number in the middle of one of 2⁵² equal cells between 0 and 1; never 0 or 1 (with 53 bits the last would round to 1).
fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

impl Dist {
    /// No time at all.
    pub const ZERO: Dist = Dist::Constant(Duration::ZERO);

    /// Anything from `low` to `high`, both included.
    pub fn uniform(low: Duration, high: Duration) -> Result<Self, DistError> {
        if low > high { Err(DistError::Reversed(low, high)) } else { Ok(Dist::Uniform(low, high)) }
    }

    /// Log-normal by median and sigma.
    pub fn log_normal(median: Duration, sigma: f64) -> Result<Self, DistError> {
        if sigma.is_finite() && sigma >= 0.0 { Ok(Dist::LogNormal { median, sigma }) } else { Err(DistError::Sigma) }
    }

    /// The log-normal that has these two percentiles, such as p50 = 80 ms and p99 = 1 s.
    pub fn log_normal_through(low: (Ratio, Duration), high: (Ratio, Duration)) -> Result<Self, DistError> {
        let inside = |(p, t): (Ratio, Duration)| !p.is_zero() && p < Ratio::ONE && !t.is_zero();
        if !inside(low) || !inside(high) || low.0 >= high.0 || low.1 > high.1 {
            return Err(DistError::Percentiles);
        }
        let (z_low, z_high) = (normal_quantile(low.0.as_f64()), normal_quantile(high.0.as_f64()));
        let (ln_low, ln_high) = (libm::log(low.1.nanos() as f64), libm::log(high.1.nanos() as f64));
        let sigma = (ln_high - ln_low) / (z_high - z_low);
        Self::log_normal(Duration::from_nanos_f64(libm::exp(ln_low - sigma * z_low)), sigma)
    }

    /// Pareto by its shortest length and its exponent.
    pub fn pareto(min: Duration, alpha: f64) -> Result<Self, DistError> {
        if !min.is_zero() && alpha.is_finite() && alpha > 0.0 {
            Ok(Dist::Pareto { min, alpha })
        } else {
            Err(DistError::Pareto)
        }
    }

    /// A table of quantiles; they rise, and the last is 100 %.
    pub fn table(quantiles: Vec<(Ratio, Duration)>) -> Result<Self, DistError> {
        let rising = quantiles.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1);
        if rising && quantiles.last().is_some_and(|last| last.0 == Ratio::ONE) {
            Ok(Dist::Table(quantiles.into()))
        } else {
            Err(DistError::Table)
        }
    }

    /// One of several distributions by share; the shares add up to 100 %.
    pub fn mix(parts: Vec<(Ratio, Dist)>) -> Result<Self, DistError> {
        let total: u128 = parts.iter().map(|(share, _)| u128::from(share.parts())).sum();
        if total == u128::from(Ratio::ONE.parts()) { Ok(Dist::Mix(parts.into())) } else { Err(DistError::Mix) }
    }

    /// The length at 64 uniformly random bits: the inverse of the distribution function.
    #[inline]
    pub fn sample(&self, bits: u64) -> Duration {
        match self {
            Dist::Constant(length) => *length,
            Dist::Uniform(low, high) => between(*low, *high, bits),
            curved => curved.sample_curved(bits),
        }
    }

    fn sample_curved(&self, bits: u64) -> Duration {
        match self {
            Dist::Constant(length) => *length,
            Dist::Uniform(low, high) => between(*low, *high, bits),
            Dist::Exponential(mean) => Duration::from_nanos_f64(-libm::log(1.0 - unit(bits)) * mean.nanos() as f64),
            Dist::LogNormal { median, sigma } => {
                Duration::from_nanos_f64(median.nanos() as f64 * libm::exp(sigma * normal_quantile(unit(bits))))
            }
            Dist::Pareto { min, alpha } => {
                Duration::from_nanos_f64(min.nanos() as f64 * libm::pow(1.0 - unit(bits), -1.0 / alpha))
            }
            Dist::Table(quantiles) => from_table(quantiles, bits),
            Dist::Mix(parts) => from_mix(parts, bits),
        }
    }

    /// Half of all draws are at most this long; what a calm run uses.
    pub fn median(&self) -> Duration {
        self.sample(1 << 63)
    }

    /// The mean, for checks against closed forms; exact but for rounding. Infinite of a Pareto whose alpha is at most 1.
    pub fn mean_nanos(&self) -> f64 {
        match self {
            Dist::Constant(length) | Dist::Exponential(length) => length.nanos() as f64,
            Dist::Uniform(low, high) => (low.nanos() as f64 + high.nanos() as f64) / 2.0,
            Dist::LogNormal { median, sigma } => median.nanos() as f64 * libm::exp(sigma * sigma / 2.0),
            Dist::Pareto { alpha, .. } if *alpha <= 1.0 => f64::INFINITY,
            Dist::Pareto { min, alpha } => min.nanos() as f64 * alpha / (alpha - 1.0),
            Dist::Table(quantiles) => {
                let from = std::iter::once((0.0, 0.0)).chain(quantiles.iter().map(as_point));
                from.zip(quantiles.iter().map(as_point)).map(|(a, b)| (b.0 - a.0) * (a.1 + b.1) / 2.0).sum()
            }
            Dist::Mix(parts) => parts.iter().map(|(share, dist)| share.as_f64() * dist.mean_nanos()).sum(),
        }
    }

    /// Whether every draw is the same.
    pub fn is_constant(&self) -> bool {
        matches!(self, Dist::Constant(_))
    }
}

impl Default for Dist {
    fn default() -> Self {
        Dist::ZERO
    }
}

fn as_point(&(share, length): &(Ratio, Duration)) -> (f64, f64) {
    (share.as_f64(), length.nanos() as f64)
}

/// The whole number of nanoseconds between two lengths that the bits stand for.
#[inline]
fn between(low: Duration, high: Duration, bits: u64) -> Duration {
    let width = u128::from(high.nanos().saturating_sub(low.nanos())) + 1;
    Duration::from_nanos(low.nanos() + ((u128::from(bits) * width) >> 64) as u64)
}

fn from_table(quantiles: &[(Ratio, Duration)], bits: u64) -> Duration {
    let parts = ((u128::from(bits) * u128::from(Ratio::ONE.parts())) >> 64) as u64;
    let at = quantiles.partition_point(|(share, _)| share.parts() <= parts).min(quantiles.len() - 1);
    let (low_share, low) = if at == 0 { (0, 0) } else { (quantiles[at - 1].0.parts(), quantiles[at - 1].1.nanos()) };
    let (high_share, high) = (quantiles[at].0.parts(), quantiles[at].1.nanos());
    if high_share == low_share {
        return Duration::from_nanos(high);
    }
    let rise = u128::from(high - low) * u128::from(parts - low_share) / u128::from(high_share - low_share);
    Duration::from_nanos(low + rise as u64)
}

/// The part whose share the bits fall into, drawn at where in that share they fall: one number answers both questions.
fn from_mix(parts: &[(Ratio, Dist)], bits: u64) -> Duration {
    let one = u128::from(Ratio::ONE.parts());
    let at = u128::from(bits) * one;
    let mut below = 0u128;
    for (share, dist) in parts {
        let width = u128::from(share.parts());
        if width > 0 && at < (below + width) << 64 {
            return dist.sample(((at - (below << 64)) / width).min(u128::from(u64::MAX)) as u64);
        }
        below += width;
    }
    Duration::ZERO
}

/// The number of standard deviations below which a share `p` of a normal distribution lies, for 0 < p < 1.
///
/// M. J. Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 37 (1988), PPND16:
/// relative error about 10⁻¹⁶.
pub fn normal_quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * rational(0.180_625 - q * q, &CENTRE);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = libm::sqrt(-libm::log(tail));
    let z = if r <= 5.0 { rational(r - 1.6, &NEAR) } else { rational(r - 5.0, &FAR) };
    if q < 0.0 { -z } else { z }
}

fn rational(x: f64, [above, below]: &[[f64; 8]; 2]) -> f64 {
    let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * x + c);
    horner(above) / horner(below)
}

const CENTRE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ],
];

const NEAR: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];

const FAR: [[f64; 8]; 2] = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::mix;
    use proptest::prelude::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn percent(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    fn examples() -> Vec<Dist> {
        vec![
            Dist::Constant(ms(5)),
            Dist::uniform(ms(1), ms(5)).unwrap(),
            Dist::Exponential(ms(50)),
            Dist::log_normal(ms(300), 0.8).unwrap(),
            Dist::pareto(ms(40), 3.0).unwrap(),
            Dist::table(vec![(percent("50%"), ms(10)), (percent("100%"), ms(2000))]).unwrap(),
            Dist::mix(vec![(percent("99%"), Dist::Exponential(ms(10))), (percent("1%"), Dist::Constant(ms(1000)))])
                .unwrap(),
        ]
    }

    #[test]
    fn the_mean_of_many_draws_is_the_closed_form() {
        for dist in examples() {
            let n = 200_000u64;
            let draws = || (0..n).map(|i| dist.sample(mix(1, i)).nanos() as f64);
            let mean = draws().sum::<f64>() / n as f64;
            let variance = draws().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n as f64;
            let standard_error = libm::sqrt(variance / n as f64).max(1e-6);
            let z = (mean - dist.mean_nanos()) / standard_error;
            assert!(z.abs() < 4.0, "{dist:?}: mean {mean}, expected {}", dist.mean_nanos());
        }
    }

    #[test]
    fn the_normal_quantile_inverts_the_distribution_function() {
        for p in [1e-300, 1e-20, 1e-9, 0.001, 0.0749, 0.0751, 0.3, 0.5, 0.7, 0.9249, 0.9251, 0.999, 1.0 - 1e-12] {
            let back = libm::erfc(-normal_quantile(p) / std::f64::consts::SQRT_2) / 2.0;
            assert!((back / p - 1.0).abs() < 1e-12, "{p}: {back}");
        }
    }

    #[test]
    fn a_log_normal_through_two_percentiles_has_them() {
        let dist = Dist::log_normal_through((percent("50%"), ms(80)), (percent("99%"), ms(1000))).unwrap();
        assert_eq!(dist.median(), ms(80));
        let p99 = dist.sample((0.99 * (1u64 << 53) as f64) as u64 * 2048);
        assert!((p99.as_millis_f64() - 1000.0).abs() < 0.001, "{p99}");
    }

    #[test]
    fn a_pareto_has_the_quantiles_of_its_closed_form() {
        let dist = Dist::pareto(ms(100), 3.0).unwrap();
        // Longer than x with probability (min/x)³: twice the shortest is 1/8 from the top.
        let close = |found: Duration, expected: f64| (found.as_millis_f64() / expected - 1.0).abs() < 1e-8;
        assert!(close(dist.sample(u64::MAX - (1 << 61)), 200.0), "{}", dist.sample(u64::MAX - (1 << 61)));
        assert!(close(dist.median(), 100.0 * libm::cbrt(2.0)), "{}", dist.median());
        assert!(close(dist.sample(0), 100.0), "{}", dist.sample(0));
        assert_eq!(dist.mean_nanos(), 150e6);
        assert_eq!(Dist::pareto(ms(1), 1.0).unwrap().mean_nanos(), f64::INFINITY);
        // Where no length of ours can follow it, the draw is the longest there is.
        assert_eq!(Dist::pareto(ms(1), 0.01).unwrap().sample(u64::MAX), Duration::FOREVER);
    }

    #[test]
    fn the_charge_of_the_2_am_checkout_is_late_in_6_62_percent() {
        let dist = Dist::log_normal(ms(300), 0.8).unwrap();
        let late = libm::erfc(libm::log(1000.0 / 300.0) / 0.8 / std::f64::consts::SQRT_2) / 2.0;
        assert!((late - 0.0662).abs() < 0.00005, "{late}");
        let n = 100_000u32;
        let seen = (0..n).filter(|i| dist.sample(mix(2, u64::from(*i))) > ms(1000)).count() as f64 / f64::from(n);
        assert!((seen - late).abs() < 4.0 * libm::sqrt(late * (1.0 - late) / f64::from(n)));
    }

    #[test]
    fn impossible_parameters_are_refused() {
        assert!(Dist::uniform(ms(2), ms(1)).is_err());
        assert!(Dist::log_normal(ms(1), -0.1).is_err() && Dist::log_normal(ms(1), f64::NAN).is_err());
        for (min, alpha) in [(0, 3.0), (1, 0.0), (1, -1.0), (1, f64::INFINITY), (1, f64::NAN)] {
            assert_eq!(Dist::pareto(ms(min), alpha), Err(DistError::Pareto), "{min} {alpha}");
        }
        assert!(Dist::table(vec![]).is_err() && Dist::table(vec![(percent("50%"), ms(1))]).is_err());
        assert!(Dist::mix(vec![(percent("50%"), Dist::ZERO)]).is_err());
        assert!(Dist::log_normal_through((percent("99%"), ms(1)), (percent("50%"), ms(2))).is_err());
    }

    proptest! {
        #[test]
        fn more_luck_is_a_longer_time(a in any::<u64>(), b in any::<u64>()) {
            for dist in examples() {
                prop_assert!(dist.sample(a.min(b)) <= dist.sample(a.max(b)), "{:?}", dist);
            }
        }
    }
}
