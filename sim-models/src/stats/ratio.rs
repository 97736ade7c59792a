//! Ratios of two means, where the mean of ratios would be another number: seconds per request, errors per call.

use super::{Confidence, Estimate, Method, Spread};

/// The ratio of two means over independent replications, each with what is above and below the line: the jackknife with
/// Student's t.
///
/// Replications are independent of one another; the two numbers of one may depend on each other as they like. What is
/// below the line lies well away from nothing (its mean at least some five of its standard errors). No value when the
/// lower sum is nothing; no interval from a single replication, or when one replication alone keeps the lower sum from
/// being nothing.
///
/// The jackknife takes out most of the bias of a ratio and leans on nothing but many replications. Fieller's interval
/// is exact where both means are normal, but has no bounded answer when the lower mean is not well away from nothing,
/// the only place where the two differ much; such a ratio is better said to have no interval than one from minus to
/// plus infinity.
///
/// Iglehart, Simulating Stable Stochastic Systems V, Naval Research Logistics Quarterly 22, 1975 (comparison of ratio
/// estimators); Miller, The Jackknife, Biometrika 61, 1974; Law and Kelton, 3rd edition, 9.5.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_jackknifes() {
        // Worked out apart from this in Python, from the definition.
        let pairs = [(1.0, 10.0), (2.2, 20.0), (2.9, 30.0), (4.4, 41.0), (5.1, 55.0)];
        let found = ratio(&pairs, Confidence::USUAL);
        for (found, expected) in
            [(found.lo, 0.086_996_089_568), (found.value, 0.099_460_189_643), (found.hi, 0.111_924_289_719)]
        {
            assert!((found.unwrap() - expected).abs() < 1e-11, "{found:?}, not {expected}");
        }
    }

    #[test]
    fn the_ratio_of_sums_is_not_the_mean_of_ratios() {
        // One busy second with 99 errors of 100, and 9 quiet ones with none of 1: 91 %, not 10 %.
        let mut seconds = vec![(99.0, 100.0)];
        seconds.resize(10, (0.0, 1.0));
        let sums = 99.0 / 109.0;
        assert!(ratio(&seconds, Confidence::USUAL).covers(sums));
    }

    #[test]
    fn what_is_always_in_proportion_is_known_exactly() {
        let found = ratio(&[(1.0, 2.0), (2.0, 4.0), (4.0, 8.0)], Confidence::USUAL);
        assert_eq!((found.lo, found.value, found.hi), (Some(0.5), Some(0.5), Some(0.5)));
    }

    #[test]
    fn nothing_below_the_line_is_no_ratio() {
        assert_eq!(ratio(&[], Confidence::USUAL).value, None);
        assert_eq!(ratio(&[(1.0, 0.0), (2.0, 0.0)], Confidence::USUAL).value, None);
        let one_alone = ratio(&[(1.0, 0.0), (2.0, 4.0)], Confidence::USUAL);
        assert_eq!((one_alone.lo, one_alone.value, one_alone.hi), (None, Some(0.75), None));
        assert_eq!(ratio(&[(1.0, 2.0)], Confidence::USUAL).value, Some(0.5));
    }
}
