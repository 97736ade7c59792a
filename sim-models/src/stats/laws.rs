//! Tails and quantiles of the laws that intervals are made of: binomial, beta, Poisson, gamma, Student's t, normal.
//!
//! They stand on `libm` alone, so a figure is the same on every platform, and they keep twelve digits for counts up to
//! a million, tails of 1e-12 included. statrs, the independent witness of the tests, cuts its continued fraction after
//! 140 terms: the chance of at least half of a million tosses is off by 0.2 % there, of ten million by a quarter, and
//! Student's quantile of 100,000 degrees in the sixth digit.
//!
//! Sources: leading factors by Loader, Fast and Accurate Computation of Binomial Probabilities, 2000 (saddle-point
//! form); continued fractions of the incomplete beta function by DiDonato and Morris, ACM Transactions on Mathematical
//! Software 18, 1992, section 4 (BFRAC), of the gamma function by the NIST Digital Library of Mathematical Functions,
//! 8.9.2 (its series: 8.11.4), evaluated by Lentz's method; roots by Chandrupatla, Advances in Engineering Software 28,
//! 1997.

use libm::{erfc, exp, fabs, lgamma, log, sqrt};

/// What lies on either side of a point; the smaller one is accurate to its last digits, the two make one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tails {
    /// The chance of no more than this.
    pub below: f64,
    /// The chance of more than this.
    pub above: f64,
}

const NOTHING: Tails = Tails { below: 0.0, above: 1.0 };
const ALL: Tails = Tails { below: 1.0, above: 0.0 };

/// The chance of at least `hits` among `of` independent trials, each of which hits with `chance`.
pub fn binomial_at_least(hits: u64, of: u64, chance: f64) -> f64 {
    binomial_above(hits, of, chance).above
}

/// The chance of at most `hits` among `of` independent trials, each of which hits with `chance`.
pub fn binomial_at_most(hits: u64, of: u64, chance: f64) -> f64 {
    hits.checked_add(1).map_or(1.0, |next| binomial_above(next, of, chance).below)
}

/// Fewer than `hits` of `of`, and at least so many.
fn binomial_above(hits: u64, of: u64, chance: f64) -> Tails {
    match hits {
        0 => NOTHING,
        _ if hits > of => ALL,
        _ => beta(hits as f64, (of - hits) as f64 + 1.0, chance, 1.0 - chance).turned(),
    }
}

/// The smallest count that `of` trials stay at or below with at least `share`: the binomial quantile.
pub fn binomial_quantile(share: f64, of: u64, chance: f64) -> u64 {
    let (mut low, mut high) = (0, of);
    while low < high {
        let middle = low.midpoint(high);
        if binomial_at_most(middle, of, chance) >= share { high = middle } else { low = middle + 1 }
    }
    low
}

/// The chance of at most `events` where `mean` are expected and they come by Poisson's law.
pub fn poisson_at_most(events: u64, mean: f64) -> f64 {
    gamma(events as f64 + 1.0, mean).above
}

/// The point below which the beta law of `a` and `b` has `share`.
pub fn beta_below(a: f64, b: f64, share: f64) -> f64 {
    root(0.0, 1.0, |x| log(beta(a, b, x, 1.0 - x).below) - log(share))
}

/// The point above which the beta law of `a` and `b` has `share`.
pub fn beta_above(a: f64, b: f64, share: f64) -> f64 {
    root(0.0, 1.0, |x| log(beta(a, b, x, 1.0 - x).above) - log(share))
}

/// The point below which the gamma law of `shape` and scale 1 has `share`.
pub fn gamma_below(shape: f64, share: f64) -> f64 {
    root(0.0, far(|x| gamma(shape, x).below > share), |x| log(gamma(shape, x).below) - log(share))
}

/// The point above which the gamma law of `shape` and scale 1 has `share`.
pub fn gamma_above(shape: f64, share: f64) -> f64 {
    root(0.0, far(|x| gamma(shape, x).above < share), |x| log(gamma(shape, x).above) - log(share))
}

/// The chance that Student's t with so many degrees of freedom lies above `t`.
pub fn student_above(t: f64, freedom: f64) -> f64 {
    // Of t² / (freedom + t²), which has the beta law of 1/2 and freedom / 2; both shares are taken without a
    // difference.
    let square = t * t;
    let half = beta(freedom / 2.0, 0.5, freedom / (freedom + square), square / (freedom + square)).below / 2.0;
    if t < 0.0 { 1.0 - half } else { half }
}

/// The t above which Student's law with so many degrees of freedom has `share`, of at most one half.
pub fn student(share: f64, freedom: f64) -> f64 {
    root(0.0, far(|t| student_above(t, freedom) < share), |t| log(student_above(t, freedom)) - log(share))
}

/// The chance that a standard normal lies above `z`.
pub fn normal_above(z: f64) -> f64 {
    erfc(z / std::f64::consts::SQRT_2) / 2.0
}

/// The z above which the standard normal law has `share`, of at most one half.
pub fn normal(share: f64) -> f64 {
    root(0.0, far(|z| normal_above(z) < share), |z| log(normal_above(z)) - log(share))
}

/// The beta law of `a` and `b` at `x`, whose complement is `rest`: given beside it, so that nothing is lost near 1.
fn beta(a: f64, b: f64, x: f64, rest: f64) -> Tails {
    if x <= 0.0 {
        return NOTHING;
    }
    if rest <= 0.0 {
        return ALL;
    }
    let front = binomial_mass(a, b, x, rest) * (a / (a + b)) * b;
    if x < (a + 1.0) / (a + b + 2.0) {
        let below = front * beta_fraction(a, b, x, rest);
        Tails { below, above: 1.0 - below }
    } else {
        let above = front * beta_fraction(b, a, rest, x);
        Tails { below: 1.0 - above, above }
    }
}

/// The gamma law of `shape` and scale 1 at `x`.
fn gamma(shape: f64, x: f64) -> Tails {
    if x <= 0.0 {
        return NOTHING;
    }
    let mass = poisson_mass(shape, x);
    if x < shape + 1.0 {
        let below = mass * gamma_series(shape, x);
        Tails { below, above: 1.0 - below }
    } else {
        let above = mass * shape * gamma_fraction(shape, x);
        Tails { below: 1.0 - above, above }
    }
}

/// Γ(a + b + 1) / (Γ(a + 1) Γ(b + 1)) · xᵃ · restᵇ, in saddle-point form: no difference of large logarithms.
fn binomial_mass(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    let n = a + b;
    // b is as far above n · rest as a is below n · x; said this way, nothing is lost where either is close to 1.
    let off = a * rest - b * x;
    let exponent = stirling(n) - stirling(a) - stirling(b) - deviance(a, n * x, off) - deviance(b, n * rest, -off);
    exp(exponent) * sqrt(n / a / b / std::f64::consts::TAU)
}

/// xᵃ e⁻ˣ / Γ(a + 1), in saddle-point form.
fn poisson_mass(a: f64, x: f64) -> f64 {
    exp(-stirling(a) - deviance(a, x, a - x)) / sqrt(std::f64::consts::TAU * a)
}

/// What Stirling's formula leaves of the logarithm of Γ(n + 1).
fn stirling(n: f64) -> f64 {
    const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;
    if n < 16.0 {
        return lgamma(n + 1.0) - (n + 0.5) * log(n) + n - HALF_LOG_TAU;
    }
    let square = n * n;
    let series = 1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square;
    (1.0 / 12.0 - (1.0 / 360.0 - series / square) / square) / n
}

/// x · log(x / mean) + mean − x, where x is `off` more than the mean; by its series where the two are close.
fn deviance(x: f64, mean: f64, off: f64) -> f64 {
    if fabs(off) >= 0.1 * (x + mean) {
        return x * log(x / mean) - off;
    }
    let v = off / (x + mean);
    let mut sum = off * v;
    let mut term = 2.0 * x * v;
    for j in 1..1000 {
        term *= v * v;
        let next = sum + term / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// So many terms are enough for counts of some 1e12; a law is asked for no more.
const TERMS: u32 = 10_000_000;

/// The continued fraction of the incomplete beta function; it converges in about the root of the larger shape.
///
/// It sees x beside its complement only in a · rest − b · x, so it keeps its digits where x is close to 0 or to 1.
fn beta_fraction(a: f64, b: f64, x: f64, rest: f64) -> f64 {
    let off = a * rest - b * x;
    let denominator = |m: f64| {
        m + m * (b - m) * x / (a + 2.0 * m - 1.0) + (a + m) / (a + 2.0 * m + 1.0) * (off + 1.0 + m * (1.0 + rest))
    };
    let mut lentz = Lentz::new(a / (a + 1.0) * (off + 1.0));
    for m in 1..TERMS {
        let m = f64::from(m);
        let root = x / (a + 2.0 * m - 1.0);
        let numerator = (a + m - 1.0) * root * ((a + b + m - 1.0) * root) * (m * (b - m));
        if fabs(lentz.step(numerator, denominator(m)) - 1.0) <= f64::EPSILON {
            break;
        }
    }
    lentz.value
}

/// The continued fraction of the upper incomplete gamma function.
fn gamma_fraction(shape: f64, x: f64) -> f64 {
    let mut lentz = Lentz::new(x + 1.0 - shape);
    for m in 1..TERMS {
        let m = f64::from(m);
        let change = lentz.step(-m * (m - shape), x + 1.0 - shape + 2.0 * m);
        if fabs(change - 1.0) <= f64::EPSILON {
            break;
        }
    }
    lentz.value
}

/// Σ xⁿ / ((shape + 1) … (shape + n)).
fn gamma_series(shape: f64, x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..TERMS {
        term *= x / (shape + f64::from(n));
        sum += term;
        if term <= sum * f64::EPSILON / 4.0 {
            break;
        }
    }
    sum
}

/// A continued fraction that begins with 1 over something, worked out from its front (Lentz, with Thompson and
/// Barnett's change).
struct Lentz {
    value: f64,
    c: f64,
    d: f64,
}

impl Lentz {
    fn new(first: f64) -> Lentz {
        let d = 1.0 / away_from_zero(first);
        Lentz { value: d, c: f64::MAX, d }
    }

    /// Goes one level deeper; says by what factor the value changes.
    fn step(&mut self, numerator: f64, denominator: f64) -> f64 {
        self.d = 1.0 / away_from_zero(denominator + numerator * self.d);
        self.c = away_from_zero(denominator + numerator / self.c);
        self.value *= self.c * self.d;
        self.c * self.d
    }
}

fn away_from_zero(number: f64) -> f64 {
    const TINY: f64 = 1e-300;
    if fabs(number) < TINY { TINY } else { number }
}

impl Tails {
    fn turned(self) -> Tails {
        Tails { below: self.above, above: self.below }
    }
}

/// The first of 1, 2, 4, … that is far enough.
fn far(enough: impl Fn(f64) -> bool) -> f64 {
    let mut x = 1.0;
    while !enough(x) {
        x *= 2.0;
    }
    x
}

/// Where a monotonic function between two points of different sign is nothing.
///
/// Inverse quadratic steps where they are safe, halving elsewhere (Chandrupatla 1997). Both ends may be infinite in
/// value.
fn root(low: f64, high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut b, mut a) = (low, high);
    let (mut fb, mut fa) = (f(b), f(a));
    let mut step = 0.5;
    for _ in 0..2000 {
        let x = a + step * (b - a);
        let fx = f(x);
        let (c, fc) = if (fx > 0.0) == (fa > 0.0) {
            (a, fa)
        } else {
            let old = (b, fb);
            (b, fb) = (a, fa);
            old
        };
        (a, fa) = (x, fx);
        let best = if fabs(fa) < fabs(fb) { a } else { b };
        let least = 2.0 * f64::EPSILON * fabs(best) / fabs(b - a);
        if fa == 0.0 || least > 0.5 || a == b {
            return best;
        }
        let (xi, phi) = ((a - b) / (c - b), (fa - fb) / (fc - fb));
        let safe = phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi;
        let quadratic = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb);
        step = if safe && quadratic.is_finite() { quadratic.clamp(least, 1.0 - least) } else { 0.5 };
    }
    if fabs(fa) < fabs(fb) { a } else { b }
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{Beta, Binomial, ContinuousCDF, DiscreteCDF, Gamma, Normal, StudentsT};

    use super::*;

    #[track_caller]
    fn check(found: f64, expected: f64) {
        assert!(fabs(found - expected) <= 1e-12 * fabs(expected), "{found:e}, not {expected:e}");
    }

    // The expected figures are worked out with forty digits (mpmath 1.4.1: betainc, gammainc, erfinv, sums of masses,
    // and roots).

    #[test]
    fn tails_of_counts_are_exact_for_few_and_for_many() {
        check(binomial_at_least(10, 100, 0.1), 0.548_709_834_557_996_4);
        check(binomial_at_least(3, 50, 0.001), 1.892_165_514_006_133e-5);
        check(binomial_at_most(99_880, 100_000, 0.999), 0.028_167_005_850_853_21);
        check(binomial_at_most(500_000, 1_000_000, 0.5), 0.500_398_942_180_665_9);
        check(binomial_at_most(498_000, 1_000_000, 0.5), 3.180_466_875_041_244e-5);
        check(binomial_at_most(111_668, 111_808, 0.999), 0.005_588_024_453_686_892);
        check(binomial_at_least(93_160, 93_206, 0.999), 4.538_477_720_708_751e-8);
        check(binomial_at_least(784_133, 870_479, 0.9), 0.006_063_380_596_403_91);
        check(poisson_at_most(0, 3.0), exp(-3.0));
        check(poisson_at_most(2, 3.0), 8.5 * exp(-3.0));
    }

    #[test]
    fn counts_beyond_either_end_are_certain_or_impossible() {
        assert_eq!((binomial_at_least(0, 5, 0.3), binomial_at_least(6, 5, 0.3)), (1.0, 0.0));
        assert_eq!((binomial_at_most(5, 5, 0.3), binomial_at_least(1, 5, 0.0)), (1.0, 0.0));
        assert_eq!((binomial_at_least(5, 5, 1.0), binomial_at_most(u64::MAX, 5, 0.5)), (1.0, 1.0));
    }

    #[test]
    fn quantiles_of_students_law_are_those_of_the_table() {
        for (freedom, share, t) in [
            (1.0, 0.025, 12.706_204_736_174_705),
            (2.5, 0.01, 5.353_111_173_030_874),
            (9.0, 0.025, 2.262_157_162_798_205_5),
            (9.0, 1e-10, 30.737_330_949_971_98),
            (13.0, 0.025, 2.160_368_656_462_792_5),
            (29.0, 0.0005, 3.659_405_019_466_333),
            (34.0, 0.025, 2.032_244_509_317_719),
            (999.0, 0.0005, 3.300_292_440_398_735_5),
        ] {
            check(student(share, freedom), t);
            check(student_above(t, freedom), share);
        }
        check(student_above(-12.706_204_736_174_705, 1.0), 0.975);
        assert_eq!(student(0.5, 7.0), 0.0);
    }

    #[test]
    fn quantiles_of_the_other_laws_are_those_of_the_table() {
        check(normal(0.025), 1.959_963_984_540_054_2);
        check(normal(1e-10), 6.361_340_902_404_056);
        check(gamma_below(10.0, 0.025), 4.795_388_696_132_434);
        check(gamma_above(11.0, 0.025), 18.390_356_042_017_78);
        check(gamma_above(1.0, 0.025), -log(0.025));
        check(gamma_above(10_001.0, 0.025), 10_197.951_624_661_473);
        check(beta_below(10.0, 91.0, 0.025), 0.049_004_689_221_485_96);
        check(beta_above(11.0, 90.0, 0.025), 0.176_222_597_740_022_7);
        check(beta_above(1.0, 1e9, 0.025), 3.688_879_447_310_020_5e-9);
        check(beta_below(1.0, 1e9, 0.025), 2.531_780_798_396_938e-11);
    }

    #[test]
    fn a_binomial_quantile_is_the_first_count_that_holds_the_share() {
        for (share, of, chance) in [(0.025, 100, 0.5), (0.975, 1000, 0.99), (0.5, 7, 0.1), (1.0, 3, 0.5)] {
            let count = binomial_quantile(share, of, chance);
            assert!(binomial_at_most(count, of, chance) >= share, "{share} {of} {chance}");
            assert!(count == 0 || binomial_at_most(count - 1, of, chance) < share, "{share} {of} {chance}");
        }
    }

    #[test]
    fn the_statistics_library_says_the_same_of_small_counts() {
        let close = |ours: f64, theirs: f64| assert!(fabs(ours - theirs) <= 1e-9 * theirs, "{ours:e}, not {theirs:e}");
        for (a, b, x) in [(0.5, 0.5, 0.2), (3.0, 7.0, 0.4), (40.0, 2.5, 0.9)] {
            close(beta(a, b, x, 1.0 - x).below, Beta::new(a, b).unwrap().cdf(x));
            close(gamma(a, b).below, Gamma::new(a, 1.0).unwrap().cdf(b));
        }
        for hits in 0..=20 {
            close(binomial_at_most(hits, 20, 0.3), Binomial::new(0.3, 20).unwrap().cdf(hits));
        }
        for t in [-3.0, -0.5, 0.1, 2.0, 9.0] {
            close(1.0 - student_above(t, 6.0), StudentsT::new(0.0, 1.0, 6.0).unwrap().cdf(t));
            close(1.0 - normal_above(t), Normal::standard().cdf(t));
        }
    }
}
