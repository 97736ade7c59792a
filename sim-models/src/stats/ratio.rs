//! Ratios of two means, where the mean of ratios would be another number: seconds per request, errors per call.

use super::{Confidence, Estimate, Method, Spread};

/// The ratio of two means over independent replications, each with what is above and below the line: the jackknife with
/// Student's t.
///
/// Replications are independent of one another; the two numbers of one may depend on each other as they like. What is below the line
/// lies well away from nothing (its mean at least some five of its standard errors). No value when the lower sum is nothing; no
/// interval from a single replication, or when one replication alone keeps the lower sum from being nothing.
///
/// The jackknife takes out most of the bias of a ratio and leans on nothing but many replications. Fieller's interval is exact
/// where both means are normal, but has no bounded answer when the lower mean is not well away from nothing, the only
/// place where the two differ much; such a ratio is better said to have no interval than one from minus to plus infinity.
///
/// Iglehart, Simulating Stable Stochastic Systems V, Naval Research Logistics Quarterly 22, 1975 (comparison of ratio estimators);
/// Miller, The Jackknife, Biometrika 61, 1974; Law and Kelton, 3rd edition, 9.5.
///
/// ```
/// use sim_models::stats::{Confidence, ratio};
/// let seconds_per_request = ratio(&[(1.0, 10.0), (2.2, 20.0), (2.9, 30.0)], Confidence::USUAL);
/// assert!((seconds_per_request.value.unwrap() - 0.1).abs() < 0.005);
/// ```
pub fn ratio(replications: &[(f64, f64)], confidence: Confidence) -> Estimate {
    let none = Estimate::none(Method::Ratio);
    let n = replications.len() as f64;
    let (above, below) = replications.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let whole = above / below;
    if !whole.is_finite() {
        return none;
    }
    if replications.len() < 2 {
        return Estimate { value: Some(whole), n: replications.len() as u64, ..none };
    }
    // What each one says for itself: n times the whole less n − 1 times the whole without it.
    let own = replications.iter().map(|one| n * whole - (n - 1.0) * (above - one.0) / (below - one.1));
    match Spread::of(&own.collect::<Vec<_>>()) {
        Some(spread) => spread.estimate(confidence, Method::Ratio),
        None => Estimate { value: Some(whole), n: replications.len() as u64, ..none },
    }
}
