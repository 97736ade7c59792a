//! Several comparisons at once: with twenty of them, one in twenty errs, and that one looks like a discovery.

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
