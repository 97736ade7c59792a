//! The best of several: which may be it, which one to take, and how much that can cost.

use libm::ceil;

use super::laws::student;
use super::several::less;
use super::{Confidence, Spread};

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// A greater mean, as of availability.
    More,
    /// A smaller mean, as of latency.
    Less,
}

/// What several samples on the same seeds say of which has the best mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The one with the best mean so far; of several the first.
    pub best: usize,
    /// Which may be the truly best one, by index; the truly best one is among them with the confidence asked for.
    pub candidates: Vec<usize>,
    /// By how much at most the true mean of `best` is worse than that of the truly best one, with the confidence asked
    /// for; nothing when it is the only candidate.
    pub loss_max: f64,
    /// The greatest standard deviation of a difference between any two: what [`Selection::seeds_for`] plans with.
    deviation_max: f64,
    t: f64,
    seeds: u64,
}

impl Selection {
    /// Of at least two samples, one value per seed, all on the same seeds; those beyond the shortest sample are left
    /// out. None of fewer than two samples or seeds, or with a value that is no number.
    ///
    /// Differences are near normal or their seeds many; samples may depend on one another in any way. The truly best
    /// one loses no comparison with any of the others by more than t standard errors of that difference, where t leaves
    /// α / (k − 1) on one side; only those k − 1 comparisons matter, so Bonferroni's share is theirs. Whoever loses by
    /// more is no candidate, and what the one taken is behind the best is bounded by the same comparisons. A look at
    /// many sizes of sample in turn, stopping when one pleases, is not covered; for that, see [`Selection::seeds_for`].
    ///
    /// Nelson and Matejcik, Using Common Random Numbers for Indifference-Zone Selection and Multiple Comparisons in
    /// Simulation, Management Science 41, 1995 (without its assumption that all differences vary alike); Hsu, Multiple
    /// Comparisons, 1996, chapter 4; screening: Nelson, Swann, Goldsman and Song, Operations Research 49, 2001.
    pub fn of(samples: &[&[f64]], better: Better, confidence: Confidence) -> Option<Selection> {
        let seeds = samples.iter().map(|sample| sample.len()).min()?;
        if samples.len() < 2 || seeds < 2 {
            return None;
        }
        let t = student((1.0 - confidence.share()) / (samples.len() - 1) as f64, seeds as f64 - 1.0);
        let means: Vec<f64> = samples.iter().map(|s| Some(Spread::of(&s[..seeds])?.mean)).collect::<Option<_>>()?;
        let best = (1..means.len()).fold(0, |best, at| if better.than(means[at], means[best]) { at } else { best });
        let (mut candidates, mut loss_max, mut deviation_max) = (Vec::new(), 0.0f64, 0.0f64);
        for one in 0..samples.len() {
            let mut may_be = true;
            for other in (0..samples.len()).filter(|other| *other != one) {
                let spread = Spread::of(&less(&samples[other][..seeds], &samples[one][..seeds]))?;
                let (gain, doubt) = (better.gain(spread.mean), t * spread.error());
                may_be &= gain <= doubt;
                loss_max = if one == best { loss_max.max(gain + doubt) } else { loss_max };
                deviation_max = deviation_max.max(spread.deviation());
            }
            if may_be {
                candidates.push(one);
            }
        }
        Some(Selection { best, candidates, loss_max, deviation_max, t, seeds: seeds as u64 })
    }

    /// The one with the best mean, if no other can be better by more than `indifference`: then it is the best one, or
    /// as good as that, with the confidence asked for.
    pub fn decided(&self, indifference: f64) -> Option<usize> {
        (self.loss_max <= indifference).then_some(self.best)
    }

    /// How many seeds in all, were these the first ones, make the best mean of all seeds belong to the best one, or to
    /// one within `indifference` of it, with the confidence asked for. `indifference` is above nothing.
    ///
    /// The first seeds are a fixed number, at least some ten. Run on to this number, then take the one with the best
    /// mean, without testing again. Max(n₀, ⌈(t s / δ)²⌉) with the greatest s among all differences: Clark and Yang, A
    /// Bonferroni Selection Procedure When Using Common Random Numbers with Unknown Variances, Winter Simulation
    /// Conference 1986.
    pub fn seeds_for(&self, indifference: f64) -> u64 {
        let needed = self.t * self.deviation_max / indifference;
        self.seeds.max(ceil(needed * needed) as u64)
    }
}

impl Better {
    fn than(self, one: f64, other: f64) -> bool {
        self.gain(one - other) > 0.0
    }

    /// How much better a mean becomes that rises by so much.
    fn gain(self, rise: f64) -> f64 {
        match self {
            Better::More => rise,
            Better::Less => -rise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 4] = [10.0, 12.0, 11.0, 13.0];
    /// One less than A, give or take a tenth.
    const B: [f64; 4] = [9.1, 10.9, 10.1, 11.9];
    /// As A, give or take one.
    const C: [f64; 4] = [11.0, 11.0, 12.0, 12.0];

    fn selection(better: Better) -> Selection {
        Selection::of(&[&A, &B, &C], better, Confidence::USUAL).unwrap()
    }

    #[test]
    fn the_least_is_chosen_and_what_cannot_be_it_is_left_out() {
        // B less A is −1 ± 0.1155: no doubt. B less C is −1.9, −0.1, −1.9, −0.1: mean −1, standard error 0.5196, and t
        // of 3 degrees of freedom with 2.5 % above is 3.182; so C may be better by 0.654.
        let found = selection(Better::Less);
        assert_eq!((found.best, found.candidates.as_slice()), (1, [1, 2].as_slice()));
        assert!((found.loss_max - (3.182_446 * 0.519_615 - 1.0)).abs() < 1e-5, "{found:?}");
        assert_eq!((found.decided(0.5), found.decided(0.7)), (None, Some(1)));
        // Differences of A and C deviate most, by 1.1547: (3.182 · 1.1547 / 0.5)² = 54.02.
        assert_eq!((found.seeds_for(0.5), found.seeds_for(100.0)), (55, 4));
    }

    #[test]
    fn the_most_is_chosen_the_other_way_round() {
        let found = selection(Better::More);
        assert_eq!((found.best, found.candidates.as_slice()), (0, [0, 2].as_slice()));
        let turned: Vec<Vec<f64>> = [A, B, C].iter().map(|one| one.iter().map(|value| -value).collect()).collect();
        let turned: Vec<&[f64]> = turned.iter().map(Vec::as_slice).collect();
        let mirrored = Selection::of(&turned, Better::Less, Confidence::USUAL).unwrap();
        assert_eq!((mirrored.best, &mirrored.candidates), (found.best, &found.candidates));
        assert_eq!(mirrored.loss_max, found.loss_max);
    }

    #[test]
    fn a_constant_lead_leaves_no_doubt() {
        let behind = A.map(|value| value + 0.25);
        let found = Selection::of(&[&behind, &A], Better::Less, Confidence::USUAL).unwrap();
        assert_eq!((found.best, found.candidates.as_slice(), found.loss_max), (1, [1].as_slice(), 0.0));
        assert_eq!(found.decided(0.0), Some(1));
    }

    #[test]
    fn what_is_the_same_may_both_be_best() {
        let found = Selection::of(&[&A, &A], Better::More, Confidence::USUAL).unwrap();
        assert_eq!((found.best, found.candidates.as_slice(), found.loss_max), (0, [0, 1].as_slice(), 0.0));
    }

    #[test]
    fn one_sample_or_one_seed_selects_nothing() {
        assert_eq!(Selection::of(&[&A], Better::More, Confidence::USUAL), None);
        assert_eq!(Selection::of(&[&A, &[1.0]], Better::More, Confidence::USUAL), None);
        assert_eq!(Selection::of(&[&A, &[1.0, f64::NAN]], Better::More, Confidence::USUAL), None);
    }
}
