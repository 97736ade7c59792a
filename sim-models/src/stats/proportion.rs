//! Shares of independent trials: how far the truth may lie from `hits` of `of`.

use libm::sqrt;

use super::laws::{beta_above, beta_below, binomial_at_least, binomial_at_most, normal};
use super::{Confidence, Estimate, Method};

/// The interval of Clopper and Pearson: exact.
///
/// It covers the truth at least as often as it says, whatever the truth is, also for a share of nothing or of all,
/// where Wald's interval is empty and Wilson's too short. It is the wider for it. Trials are independent and alike.
/// Nothing is known after no trial: 0 to 1. More hits than trials count as all.
///
/// Clopper and Pearson, Biometrika 26, 1934; as quantiles of the beta law: NIST/SEMATECH e-Handbook, 7.2.4.1.
///
/// ```
/// use sim_models::stats::{Confidence, clopper_pearson};
/// let share = clopper_pearson(10, 100, Confidence::USUAL);
/// assert_eq!(share.value, Some(0.1));
/// assert!(share.covers(0.0491) && share.covers(0.1762) && !share.covers(0.0489) && !share.covers(0.1763));
/// ```
pub fn clopper_pearson(hits: u64, of: u64, confidence: Confidence) -> Estimate {
    let (hits, misses) = parts(hits, of);
    let tail = confidence.tail();
    let lo = if hits == 0.0 { 0.0 } else { beta_below(hits, misses + 1.0, tail) };
    let hi = if misses == 0.0 { 1.0 } else { beta_above(hits + 1.0, misses, tail) };
    Estimate { value: share(hits, of), lo: Some(lo), hi: Some(hi), method: Method::ClopperPearson, n: of }
}

/// The score interval of Wilson: approximate, and shorter.
///
/// It covers about as often as it says on average over truths; where few hits or few misses are to be expected it may
/// cover much less (at 10 trials and a truth of 1 %: 90 %). Trials are independent and alike. No continuity correction.
///
/// Wilson, Journal of the American Statistical Association 22, 1927; Brown, Cai and DasGupta, Statistical Science 16,
/// 2001, 3.1.1.
pub fn wilson(hits: u64, of: u64, confidence: Confidence) -> Estimate {
    let (hits, misses) = parts(hits, of);
    let n = hits + misses;
    let Some(value) = share(hits, of) else {
        return Estimate { lo: Some(0.0), hi: Some(1.0), ..Estimate::none(Method::Wilson) };
    };
    let square = normal(confidence.tail()) * normal(confidence.tail());
    let middle = (hits + square / 2.0) / (n + square);
    let half = sqrt(square * (hits * misses / n + square / 4.0)) / (n + square);
    // Nothing and all are reached exactly, which the rounding of a difference would miss.
    let lo = if hits == 0.0 { 0.0 } else { middle - half };
    let hi = if misses == 0.0 { 1.0 } else { middle + half };
    Estimate { value: Some(value), lo: Some(lo), hi: Some(hi), method: Method::Wilson, n: of }
}

/// What none of so many says: from nothing to the exact one-sided limit 1 − (1 − confidence)^(1/of).
///
/// At 95 % this is just below 3/of, whence the name: −ln 0.05 = 2.996, and 1 − e^(−x) < x. Being one-sided, it is lower
/// than the upper end of Clopper and Pearson's interval of the same confidence, 1 − ((1 − confidence) / 2)^(1/of), just
/// below 3.69/of.
///
/// Hanley and Lippman-Hand, Journal of the American Medical Association 249, 1983; Jovanovic and Levy, The American
/// Statistician 51, 1997.
pub fn rule_of_three(of: u64, confidence: Confidence) -> Estimate {
    let hi = if of == 0 { 1.0 } else { -libm::expm1(libm::log(1.0 - confidence.share()) / of as f64) };
    Estimate { value: share(0.0, of), lo: Some(0.0), hi: Some(hi), method: Method::RuleOfThree, n: of }
}

/// How many hits of none must be seen to be sure that the share is below a limit: the fewest trials for which
/// [`rule_of_three`] ends at or below it. None for a limit that is not between 0 and 1.
pub fn trials_without_a_hit(limit: f64, confidence: Confidence) -> Option<u64> {
    let inside = limit > 0.0 && limit < 1.0;
    inside.then(|| libm::ceil(libm::log(1.0 - confidence.share()) / libm::log1p(-limit)) as u64)
}

/// How likely at least so many hits of so many are, were the chance of each what is claimed: the exact one-sided
/// binomial test.
///
/// "At most 0.1 % lie outside" is refuted at 1 % when `chance_of_at_least(outside, of, 0.001)` is below 0.01.
pub fn chance_of_at_least(hits: u64, of: u64, claimed: f64) -> f64 {
    binomial_at_least(hits, of, claimed)
}

/// How likely at most so many hits of so many are, were the chance of each what is claimed.
pub fn chance_of_at_most(hits: u64, of: u64, claimed: f64) -> f64 {
    binomial_at_most(hits, of, claimed)
}

/// The most hits of `of` that do not refute a claimed chance at a level: one more is seen with at most that level.
pub fn most_hits(of: u64, claimed: f64, level: f64) -> u64 {
    super::laws::binomial_quantile(1.0 - level, of, claimed)
}

fn parts(hits: u64, of: u64) -> (f64, f64) {
    (hits.min(of) as f64, of.saturating_sub(hits) as f64)
}

fn share(hits: f64, of: u64) -> Option<f64> {
    (of > 0).then(|| hits / of as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NINETY: Confidence = Confidence::new(0.9).unwrap();

    #[track_caller]
    fn check(found: Estimate, lo: f64, hi: f64) {
        let (low, high) = (found.lo.unwrap(), found.hi.unwrap());
        assert!((low - lo).abs() < 1e-9 && (high - hi).abs() < 1e-9, "{low} to {high}, not {lo} to {hi}");
    }

    // Expected figures: 40 digits of mpmath for Clopper and Pearson's, scipy 1.17 (binomtest, proportion_ci) for
    // Wilson's.

    #[test]
    fn exact_intervals_are_those_of_the_tables() {
        check(clopper_pearson(10, 100, Confidence::USUAL), 0.049_004_689_221, 0.176_222_597_740);
        check(clopper_pearson(4, 20, NINETY), 0.071_353_884_309, 0.401_028_117_332);
        // Nothing of n: up to 1 − (α/2)^(1/n).
        check(clopper_pearson(0, 200, Confidence::USUAL), 0.0, 1.0 - libm::pow(0.025, 1.0 / 200.0));
        check(clopper_pearson(200, 200, Confidence::USUAL), libm::pow(0.025, 1.0 / 200.0), 1.0);
        check(clopper_pearson(0, 0, Confidence::USUAL), 0.0, 1.0);
    }

    #[test]
    fn score_intervals_are_those_of_the_tables() {
        check(wilson(10, 100, Confidence::USUAL), 0.055_229_137_061, 0.174_365_661_505);
        check(wilson(0, 10, Confidence::USUAL), 0.0, 0.277_532_799_863);
        check(wilson(10, 10, Confidence::USUAL), 1.0 - 0.277_532_799_863, 1.0);
        check(wilson(2, 20, NINETY), 0.033_663_223_562, 0.261_663_046_327);
        assert_eq!(wilson(0, 0, Confidence::USUAL).value, None);
        check(wilson(0, 0, Confidence::USUAL), 0.0, 1.0);
    }

    #[test]
    fn the_rule_of_three_is_just_below_three_over_n() {
        for of in [1u64, 10, 100, 1_000_000_000] {
            let three = rule_of_three(of, Confidence::USUAL).hi.unwrap();
            assert!((three - (1.0 - libm::pow(0.05, 1.0 / of as f64))).abs() < 1e-7 * three + 1e-16, "{of}: {three}");
            assert!(three < 3.0 / of as f64 && three < clopper_pearson(0, of, Confidence::USUAL).hi.unwrap(), "{of}");
        }
        assert!((rule_of_three(1_000_000, Confidence::USUAL).hi.unwrap() * 1e6 - 2.995_728).abs() < 1e-5);
        check(rule_of_three(0, Confidence::USUAL), 0.0, 1.0);
    }

    #[test]
    fn so_many_trials_without_a_hit_show_a_limit() {
        assert_eq!(trials_without_a_hit(0.001, Confidence::USUAL), Some(2_995));
        let upper = |of| rule_of_three(of, Confidence::USUAL).hi.unwrap();
        assert!(upper(2_995) <= 0.001 && upper(2_994) > 0.001);
        assert_eq!((trials_without_a_hit(0.0, NINETY), trials_without_a_hit(1.0, NINETY)), (None, None));
    }

    #[test]
    fn a_claimed_chance_is_refuted_by_one_hit_more_than_it_allows() {
        for (of, claimed, level) in [(50, 0.001, 0.001), (1_000, 0.001, 0.01), (20, 0.5, 0.05)] {
            let most = most_hits(of, claimed, level);
            assert!(chance_of_at_least(most + 1, of, claimed) <= level, "{of} {claimed} {level}");
            assert!(chance_of_at_least(most, of, claimed) > level, "{of} {claimed} {level}");
        }
        // Of 50 seeds, two may lie outside what 99.9 % lie in: three would be seen once in 50,000 times.
        assert_eq!(most_hits(50, 0.001, 1e-4), 2);
        assert_eq!(chance_of_at_most(20, 20, 0.3), 1.0);
    }
}
