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
/// A pair is one seed run twice. The more alike its two runs are, the shorter the interval; where nothing differs it
/// has no width at all. Pairs are independent of one another, and the differences near normal or many. Few differences
/// that are mostly nothing and seldom large are neither: ten runs that all agree do not show that a hundredth would.
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
/// Both samples are independent of each other and within; their variances and sizes may differ. `n` counts both. No
/// interval when either has a single value.
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

/// Trials of the same seeds that ended differently in two settings, of so many: what rose was a miss before and a hit
/// after, what fell was the other way round.
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
    /// Trials are independent pairs. Approximate, but it holds for few flips too and is never outside −1 to 1; where
    /// nothing flips it still has a width, as it should: none of n is not never. The whole from −1 to 1 after no trial.
    ///
    /// Tango, Equivalence Test and Confidence Interval for the Difference in Proportions for the Paired-Sample Design,
    /// Statistics in Medicine 17, 1998; compared with others by Newcombe in the same volume and by Fagerland, Lydersen
    /// and Laake, ibid. 33, 2014.
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

    /// By how many of its standard errors a difference lies above what was seen, with the chances of a flip that make
    /// what was seen most likely among those with that difference (Tango 1998, equations 13 to 16).
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

    /// How likely flips at least this uneven are, either way, were both ways as likely: McNemar's test, exact and
    /// two-sided.
    ///
    /// McNemar, Psychometrika 12, 1947; conditional on the number of flips, which is binomial with 1/2.
    pub fn chance_of_nothing(&self) -> f64 {
        let (more, flips) = (self.rose.max(self.fell), self.rose + self.fell);
        (2.0 * binomial_at_least(more, flips, 0.5)).min(1.0)
    }
}

/// How likely at most is it that of so many who changed sides at least `rose` changed to this one, if both were as
/// likely? The exact test of McNemar, one-sided.
pub fn sign_test(rose: u64, fell: u64) -> f64 {
    binomial_at_least(rose, rose.saturating_add(fell), 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: Estimate, expected: [f64; 3], within: f64) {
        for (found, expected) in [found.lo, found.value, found.hi].into_iter().zip(expected) {
            assert!((found.unwrap() - expected).abs() <= within, "{found:?}, not {expected}");
        }
    }

    // Two columns of fifteen, long used to show Welch's test; expected figures: scipy 1.17, ttest_rel and ttest_ind.
    const BEFORE: [f64; 15] =
        [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
    const AFTER: [f64; 15] = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.0, 24.9];

    #[test]
    fn pairs_are_compared_by_their_differences() {
        let pairs: Vec<(f64, f64)> = BEFORE.into_iter().zip(AFTER).collect();
        let expected = [0.976_640_633_122, 2.833_333_333_333, 4.690_026_033_544];
        check(paired(&pairs, Confidence::USUAL), expected, 1e-10);
        let chance = Spread::of(&differences(&pairs)).unwrap().chance_of_nothing().unwrap();
        assert!((chance - 0.005_553_066_953).abs() < 1e-11, "{chance}");
    }

    #[test]
    fn samples_of_different_spread_are_compared_by_welch() {
        let expected = [0.082_226_209_668, 3.278_333_333_333, 6.474_440_456_999];
        let found = unpaired(&BEFORE[..8], &AFTER, Confidence::USUAL);
        check(found, expected, 1e-10);
        assert_eq!((found.n, found.method), (23, Method::Unpaired));
    }

    #[test]
    fn where_nothing_differs_nothing_is_wide() {
        let same: Vec<(f64, f64)> = AFTER.into_iter().zip(AFTER).collect();
        check(paired(&same, Confidence::USUAL), [0.0; 3], 0.0);
        check(unpaired(&[1.5; 3], &[1.5; 4], Confidence::USUAL), [0.0; 3], 0.0);
        assert_eq!(paired(&[], Confidence::USUAL).value, None);
        assert_eq!(unpaired(&[], &AFTER, Confidence::USUAL).value, None);
        let single = unpaired(&[1.0], &[2.0, 3.0], Confidence::USUAL);
        assert_eq!((single.value, single.lo), (Some(1.5), None));
    }

    #[test]
    fn differences_of_shares_lie_in_tangos_interval() {
        // Worked out apart from this by maximising the likelihood of the flips numerically (scipy 1.17) and solving for
        // both ends.
        for (rose, fell, of, lo, hi) in [
            (12, 2, 50, 0.061_112_407, 0.344_708_748),
            (0, 1, 44, -0.118_077_101, 0.059_393_231),
            (5, 0, 100, 0.011_156_826, 0.111_750_469),
            (0, 0, 50, -0.071_347_60, 0.071_347_60),
            (30, 10, 200, 0.039_896_366, 0.163_641_809),
        ] {
            let value = (rose as f64 - fell as f64) / of as f64;
            check(Flips { rose, fell, of }.difference(Confidence::USUAL), [lo, value, hi], 1e-8);
        }
    }

    #[test]
    fn a_difference_of_shares_never_leaves_its_range() {
        for flips in
            [Flips { rose: 9, fell: 0, of: 9 }, Flips { rose: 0, fell: 9, of: 9 }, Flips { rose: 0, fell: 0, of: 0 }]
        {
            let found = flips.difference(Confidence::USUAL);
            assert!(found.lo.unwrap() >= -1.0 && found.hi.unwrap() <= 1.0 && found.lo < found.hi, "{found:?}");
        }
        assert_eq!(Flips { rose: 9, fell: 0, of: 9 }.difference(Confidence::USUAL).hi, Some(1.0));
    }

    #[test]
    fn flips_are_counted_by_which_way_they_went() {
        let trials = [(false, true), (true, true), (true, false), (false, true), (false, false)];
        assert_eq!(Flips::among(trials), Flips { rose: 2, fell: 1, of: 5 });
    }

    #[test]
    fn changing_sides_is_tested_exactly() {
        let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-12, "{one}, not {other}");
        close(sign_test(0, 0), 1.0);
        close(sign_test(10, 0), 1.0 / 1024.0);
        close(sign_test(3, 1), 5.0 / 16.0);
        close(sign_test(5, 5), 638.0 / 1024.0);
        let both = |rose, fell| Flips { rose, fell, of: 50 }.chance_of_nothing();
        close(both(12, 2), 0.012_939_453_125);
        close(both(2, 12), 0.012_939_453_125);
        close(both(4, 4), 1.0);
        close(both(0, 0), 1.0);
    }
}
