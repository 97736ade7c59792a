//! Several comparisons at once: with twenty of them, one in twenty errs, and that one looks like a discovery.

use super::{Confidence, Estimate, Method, Spread};

/// Holm's adjusted chances: those at or below a level are real, and the chance that even one of them is not is at most
/// that level.
///
/// Of m chances the smallest counts m-fold, the next m − 1 fold and so on, never less than the one before, and never
/// more than 1. The tests may depend on each other in any way, as those on the same seeds do. The answer is in the order of what
/// was asked.
///
/// Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979.
///
/// ```
/// use sim_models::stats::holm;
/// assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
/// ```
pub fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|one, other| chances[*one].total_cmp(&chances[*other]));
    let (mut adjusted, mut so_far) = (vec![1.0; chances.len()], 0.0f64);
    for (smaller, at) in order.into_iter().enumerate() {
        so_far = so_far.max((chances.len() - smaller) as f64 * chances[at]).min(1.0);
        adjusted[at] = so_far;
    }
    adjusted
}

/// One of several differences, judged alone and among the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The mean difference, in an interval that says what it says of this one alone.
    pub alone: Estimate,
    /// The same in an interval so wide that all of them cover their truths at once (Bonferroni).
    pub together: Estimate,
    /// Holm's adjusted chance of such a difference from nothing; none from fewer than two pairs.
    pub chance: Option<f64>,
    /// Whether it is real at the confidence asked for, by that chance.
    pub real: bool,
}

/// Each change against the same base, seed by seed: `changed[i][seed] - base[seed]`.
///
/// Differences are over the seeds that both have, from the first on. Whether one is real is decided by Holm's
/// procedure, which finds at least as many as the intervals `together` that leave out nothing; so it may find one real
/// whose wide interval still touches nothing. Both keep the chance that anything at all is wrongly called real at or
/// below what the confidence leaves.
///
/// Student's t over paired differences, as for [`paired`](super::paired); Bonferroni: Law and Kelton, 3rd edition, 9.7
/// and 10.3.
pub fn against_base(base: &[f64], changed: &[&[f64]], confidence: Confidence) -> Vec<Difference> {
    let spreads: Vec<Option<Spread>> = changed.iter().map(|values| Spread::of(&less(values, base))).collect();
    let chances: Vec<Option<f64>> = spreads.iter().map(|spread| (*spread)?.chance_of_nothing()).collect();
    // What cannot be tested takes its share all the same, so that adding a seed does not change the rules.
    let adjusted = holm(&chances.iter().map(|chance| chance.unwrap_or(1.0)).collect::<Vec<_>>());
    let wide = confidence.shared_among(changed.len());
    let within = |spread: &Option<Spread>, confidence| {
        spread.map_or(Estimate::none(Method::Paired), |spread| spread.estimate(confidence, Method::Paired))
    };
    let judged = |((spread, chance), adjusted): ((&Option<Spread>, &Option<f64>), f64)| {
        let chance = chance.map(|_| adjusted);
        let real = chance.is_some_and(|chance| chance <= 1.0 - confidence.share());
        Difference { alone: within(spread, confidence), together: within(spread, wide), chance, real }
    };
    spreads.iter().zip(&chances).zip(adjusted).map(judged).collect()
}

/// One sample less another, seed by seed.
pub(super) fn less(values: &[f64], from: &[f64]) -> Vec<f64> {
    values.iter().zip(from).map(|(value, base)| value - base).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chances_are_adjusted_in_the_order_of_their_size() {
        // Four tests: 4 · 0.005, 3 · 0.01, 2 · 0.03, then 0.04 raised to what went before.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.7, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn what_is_real_alone_may_not_be_real_among_many() {
        let base = [0.0; 6];
        let slight = [0.2, 0.0, 0.3, 0.2, 0.1, 0.1];
        let noise = [0.1, -0.2, 0.1, -0.1, 0.2, -0.1];
        let clear = [5.0, 5.1, 4.9, 5.0, 5.2, 4.8];
        let alone = against_base(&base, &[&slight], Confidence::USUAL);
        assert!(alone[0].real && !alone[0].alone.covers(0.0) && alone[0].alone == alone[0].together, "{alone:?}");
        let many = against_base(&base, &[&slight, &noise, &clear, &noise], Confidence::USUAL);
        assert_eq!(many.iter().map(|one| one.real).collect::<Vec<_>>(), [false, false, true, false], "{many:?}");
        assert_eq!(many[0].alone, alone[0].alone);
        assert!(many[0].together.half_width() > many[0].alone.half_width());
    }

    #[test]
    fn what_cannot_be_tested_is_not_real() {
        let untested = against_base(&[1.0], &[&[2.0], &[]], Confidence::USUAL);
        assert_eq!(untested.iter().map(|one| (one.chance, one.real)).collect::<Vec<_>>(), [(None, false); 2]);
        assert_eq!(untested[0].alone.value, Some(1.0));
        let same = against_base(&[1.0, 2.0], &[&[1.0, 2.0]], Confidence::USUAL);
        assert_eq!((same[0].chance, same[0].alone.half_width(), same[0].real), (Some(1.0), Some(0.0), false));
    }

    proptest! {
        #[test]
        fn holm_finds_at_least_what_bonferroni_finds(chances in prop::collection::vec(0.0..=1.0f64, 1..12)) {
            let adjusted = holm(&chances);
            for (chance, adjusted) in chances.iter().zip(&adjusted) {
                prop_assert!(*chance <= *adjusted && *adjusted <= (chance * chances.len() as f64).min(1.0));
            }
            // Stepping down by the definition, at one level.
            let mut sorted = chances;
            sorted.sort_by(f64::total_cmp);
            let fits = |(at, chance): (usize, &f64)| *chance * (sorted.len() - at) as f64 <= 0.3;
            let real = sorted.iter().enumerate().take_while(|one| fits(*one)).count();
            prop_assert_eq!(adjusted.iter().filter(|adjusted| **adjusted <= 0.3).count(), real);
        }
    }
}
