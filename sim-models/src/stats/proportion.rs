//! Shares of independent trials: how far the truth may lie from `hits` of `of`.

use libm::sqrt;

use super::laws::{beta_above, beta_below, binomial_at_least, binomial_at_most, normal};
use super::{Confidence, Estimate, Method};

/// The interval of Clopper and Pearson: exact.
///
/// It covers the truth at least as often as it says, whatever the truth is, also for a share of nothing or of all, where Wald's
/// interval is empty and Wilson's too short. It is the wider for it. Trials are independent and alike. Nothing is known after no
/// trial: 0 to 1. More hits than trials count as all.
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
/// It covers about as often as it says on average over truths; where few hits or few misses are to be expected it may cover
/// much less (at 10 trials and a truth of 1 %: 90 %). Trials are independent and alike. No continuity correction.
///
/// Wilson, Journal of the American Statistical Association 22, 1927; Brown, Cai and DasGupta, Statistical Science 16, 2001, 3.1.1.
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
/// At 95 % this is just below 3/of, whence the name: −ln 0.05 = 2.996, and 1 − e^(−x) < x. Being one-sided, it is lower than the
/// upper end of Clopper and Pearson's interval of the same confidence, 1 − ((1 − confidence) / 2)^(1/of), just below 3.69/of.
///
/// Hanley and Lippman-Hand, Journal of the American Medical Association 249, 1983; Jovanovic and Levy, The American Statistician
/// 51, 1997.
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

/// How likely at least so many hits of so many are, were the chance of each what is claimed: the exact one-sided binomial test.
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
