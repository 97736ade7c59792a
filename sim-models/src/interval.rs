//! Intervals for what was counted: how far the truth may lie from a share that was seen.

use statrs::distribution::{Beta, ContinuousCDF};

/// The Clopper-Pearson interval of a probability after `hits` of `of`, such as 0.95 for `confidence`.
///
/// It is exact: it covers the truth at least as often as it says, also for a share of nothing or of all, where the score
/// interval of Wilson is too short for small numbers and that of Wald is empty. It is the wider for it. (Clopper and Pearson,
/// Biometrika 26, 1934; the quantiles of the beta distribution are those of NIST's handbook, 7.2.4.1.)
///
/// Nothing is known after no try: 0 to 1.
pub fn clopper_pearson(hits: u64, of: u64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence.clamp(0.0, 1.0)) / 2.0;
    let (hits, misses) = (hits.min(of) as f64, of.saturating_sub(hits) as f64);
    let quantile = |a: f64, b: f64, share: f64, without: f64| {
        if a == 0.0 || b == 0.0 { without } else { Beta::new(a, b).map_or(without, |beta| beta.inverse_cdf(share)) }
    };
    (quantile(hits, misses + 1.0, tail, 0.0), quantile(hits + 1.0, misses, 1.0 - tail, 1.0))
}

/// How likely at most is it that of so many who changed sides at least `rose` changed to this one, if both were as likely?
/// The exact test of McNemar, one-sided.
pub fn sign_test(rose: u64, fell: u64) -> f64 {
    if rose == 0 {
        return 1.0;
    }
    // P(Binomial(n, 1/2) ≥ k) is the distribution function at 1/2 of Beta(k, n − k + 1).
    Beta::new(rose as f64, fell as f64 + 1.0).map_or(1.0, |beta| beta.cdf(0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check((low, high): (f64, f64), expected: (f64, f64)) {
        assert!(
            (low - expected.0).abs() < 5e-5 && (high - expected.1).abs() < 5e-5,
            "{low} to {high}, not {expected:?}"
        );
    }

    #[test]
    fn intervals_are_those_of_the_tables() {
        check(clopper_pearson(10, 100, 0.95), (0.0490, 0.1762));
        check(clopper_pearson(4, 20, 0.90), (0.0714, 0.4010));
        // Nothing of n: up to 1 − (α/2)^(1/n).
        check(clopper_pearson(0, 200, 0.95), (0.0, 0.0183));
        check(clopper_pearson(200, 200, 0.95), (1.0 - 0.0183, 1.0));
        check(clopper_pearson(0, 0, 0.95), (0.0, 1.0));
    }

    #[test]
    fn an_interval_covers_the_truth_at_least_as_often_as_it_says() {
        for (of, truth) in [(10u64, 0.03), (50, 0.0662), (200, 0.5)] {
            let mut share = libm::pow(1.0 - truth, of as f64);
            let mut covered = 0.0;
            for hits in 0..=of {
                let (low, high) = clopper_pearson(hits, of, 0.95);
                covered += if (low..=high).contains(&truth) { share } else { 0.0 };
                share *= (of - hits) as f64 / (hits + 1) as f64 * truth / (1.0 - truth);
            }
            assert!((0.95..=1.0 + 1e-9).contains(&covered), "{of}, {truth}: {covered}");
        }
    }

    #[test]
    fn changing_sides_is_tested_exactly() {
        let close = |one: f64, other: f64| assert!((one - other).abs() < 1e-12, "{one}, not {other}");
        close(sign_test(0, 0), 1.0);
        close(sign_test(10, 0), 1.0 / 1024.0);
        close(sign_test(3, 1), 5.0 / 16.0);
        close(sign_test(5, 5), 638.0 / 1024.0);
    }
}
