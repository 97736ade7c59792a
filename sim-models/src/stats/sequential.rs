//! When to stop: how precise an answer is wanted, and how many more runs that takes.

use libm::{ceil, fabs};

use super::laws::{normal, student};
use super::{Confidence, Estimate, Spread};

/// How precise an answer is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Precision {
    /// Off by no more than this share of the truth, such as 0.02.
    Relative(f64),
    /// Off by no more than this, in the unit of what is estimated.
    Absolute(f64),
}

/// A precision, and between how many runs it may be declared reached or out of reach.
///
/// ```
/// use sim_models::stats::{Confidence, Decision, Goal, Precision, replications};
/// let goal = Goal::new(Precision::Relative(0.02));
/// let latencies: Vec<f64> = (0..40).map(|i| 100.0 + f64::from(i % 3)).collect();
/// assert_eq!(goal.decide(&replications(&latencies, Confidence::USUAL), 40), Decision::Enough);
/// assert_eq!(goal.decide(&replications(&latencies[..5], Confidence::USUAL), 5), Decision::More { total: 30 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// What is wanted.
    pub precision: Precision,
    /// No fewer runs than this; 30.
    pub least: u64,
    /// No more runs than this; without a limit at first.
    pub most: u64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The precision is reached.
    Enough,
    /// Run on until there are so many in all, then ask again.
    More {
        /// Runs in all, the present ones included.
        total: u64,
    },
    /// The most runs allowed are done, and the precision is not reached.
    OutOfReach,
}

/// A stop after fewer runs goes by a spread that is not yet known.
const LEAST: u64 = 30;
/// A present interval is too vague a guess to run more than so many times as long on it before asking again.
const GROWTH: u64 = 4;

impl Precision {
    /// How wide half an interval around a value may be.
    ///
    /// For a relative error of γ it is γ / (1 + γ) of the value seen, as what is promised is a share of the truth,
    /// which may be that much smaller (Law and Kelton, 3rd edition, 9.4.1).
    pub fn half_width(self, value: f64) -> f64 {
        match self {
            Precision::Relative(gamma) => gamma / (1.0 + gamma) * fabs(value),
            Precision::Absolute(half) => half,
        }
    }
}

impl Goal {
    /// A precision from 30 runs on, without a limit.
    pub fn new(precision: Precision) -> Goal {
        Goal { precision, least: LEAST, most: u64::MAX }
    }

    /// Whether an estimate from so many runs is precise enough, and if not, how many to run.
    ///
    /// The half-width is half the distance of the ends, also where the value is not in the middle; an estimate without
    /// an end is not precise enough. Intervals shrink with the root of the number of runs, from which the next total is
    /// guessed, at most fourfold.
    ///
    /// An interval at which one stops because it is narrow covers less often than it says, as narrow ones are met more
    /// often where the spread is underestimated; thirty runs first keep that below a few per cent. (Law and Kelton, 3rd
    /// edition, 9.4.1.)
    pub fn decide(&self, estimate: &Estimate, runs: u64) -> Decision {
        if runs >= self.least && self.is_met(estimate) {
            return Decision::Enough;
        }
        if runs >= self.most {
            return Decision::OutOfReach;
        }
        Decision::More { total: self.total(estimate, runs).clamp(runs + 1, self.most.max(runs + 1)) }
    }

    /// Whether the interval is narrow enough, whatever it was worked out from.
    ///
    /// No width is narrow enough for a share of nothing: what was not seen yet is not known to two percent.
    pub fn is_met(&self, estimate: &Estimate) -> bool {
        let wanted = estimate.value.map(|value| self.precision.half_width(value)).filter(|wanted| *wanted > 0.0);
        estimate.half_width().zip(wanted).is_some_and(|(half, wanted)| half <= wanted)
    }

    fn total(&self, estimate: &Estimate, runs: u64) -> u64 {
        let most = runs.saturating_mul(GROWTH);
        let wanted = estimate.value.map_or(0.0, |value| self.precision.half_width(value));
        let guess = match estimate.half_width() {
            Some(half) if wanted > 0.0 => runs_for(runs, half, wanted).min(most),
            _ => most,
        };
        guess.max(self.least)
    }
}

/// How many runs make a half-width of `wanted`, when so many make one of `half`: it shrinks with their root.
pub fn runs_for(runs: u64, half: f64, wanted: f64) -> u64 {
    // A float that is too large for an integer becomes the greatest one.
    ceil(runs as f64 * (half / wanted) * (half / wanted)) as u64
}

/// The fewest seeds that would make the half-width of a mean `half` or less, at the deviation seen so far; at least
/// two.
///
/// By Student's t, searched upwards from the normal law's answer (Law and Kelton, 3rd edition, 9.4.1). Only as good as
/// the deviation: from ten seeds it is known to a quarter or so. None for a half-width of nothing while there is a
/// deviation.
pub fn seeds_for(spread: &Spread, half: f64, confidence: Confidence) -> Option<u64> {
    if spread.variance == 0.0 {
        return Some(2);
    }
    let mut seeds = seeds_for_normal(spread.deviation(), half, confidence)?.max(2);
    let wide = |seeds: u64| {
        let n = seeds as f64;
        student(confidence.tail(), n - 1.0) * libm::sqrt(spread.variance / n) > half
    };
    while seeds < u64::MAX && wide(seeds) {
        seeds += 1;
    }
    Some(seeds)
}

/// The fewest values of a known deviation whose mean has a half-width of `half` or less by the normal law: ⌈(z s /
/// half)²⌉. None for a half-width that is not above nothing.
pub fn seeds_for_normal(deviation: f64, half: f64, confidence: Confidence) -> Option<u64> {
    let root = normal(confidence.tail()) * deviation / half;
    (half > 0.0).then(|| (ceil(root * root) as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Method;

    fn within(half: f64) -> Estimate {
        Estimate::around(100.0, half, Method::Replications, 40)
    }

    #[test]
    fn a_relative_error_is_one_of_the_truth() {
        let goal = Goal::new(Precision::Relative(0.1));
        // Seen 100, in truth 91 at worst: an error of 9.09 is a tenth of that.
        assert_eq!(goal.decide(&within(9.09), 40), Decision::Enough);
        assert_eq!(goal.decide(&within(9.1), 40), Decision::More { total: 41 });
    }

    #[test]
    fn an_absolute_error_is_taken_as_it_is() {
        let goal = Goal::new(Precision::Absolute(5.0));
        assert_eq!(goal.decide(&within(5.0), 40), Decision::Enough);
        assert_eq!(goal.decide(&within(7.0), 40), Decision::More { total: 79 });
        assert_eq!(goal.decide(&within(50.0), 40), Decision::More { total: 160 });
    }

    #[test]
    fn thirty_runs_come_first() {
        let goal = Goal::new(Precision::Absolute(5.0));
        assert_eq!(goal.decide(&within(0.0), 29), Decision::More { total: 30 });
        assert_eq!(goal.decide(&Estimate::none(Method::Paired), 0), Decision::More { total: 30 });
    }

    #[test]
    fn an_end_that_is_missing_is_not_precise() {
        let open = Estimate { hi: None, ..within(1.0) };
        assert_eq!(Goal::new(Precision::Relative(0.5)).decide(&open, 40), Decision::More { total: 160 });
        // Nothing is never known to a share of itself, and least of all where nothing was seen yet.
        let nothing = Estimate::around(0.0, 1e-9, Method::Paired, 40);
        assert_eq!(Goal::new(Precision::Relative(0.5)).decide(&nothing, 40), Decision::More { total: 160 });
        let unseen = Estimate::around(0.0, 0.0, Method::Replications, 40);
        assert_eq!(Goal::new(Precision::Relative(0.5)).decide(&unseen, 40), Decision::More { total: 160 });
        let constant = Estimate::around(243.0, 0.0, Method::Replications, 40);
        assert_eq!(Goal::new(Precision::Relative(0.5)).decide(&constant, 40), Decision::Enough);
    }

    #[test]
    fn what_is_out_of_reach_says_so() {
        let goal = Goal { most: 100, ..Goal::new(Precision::Absolute(1.0)) };
        assert_eq!(goal.decide(&within(50.0), 40), Decision::More { total: 100 });
        assert_eq!(goal.decide(&within(50.0), 100), Decision::OutOfReach);
        assert_eq!(goal.decide(&within(0.5), 100), Decision::Enough);
    }

    #[test]
    fn seeds_are_planned_from_the_spread() {
        let spread = Spread { n: 50, mean: 10.0, variance: 16.0 };
        let needed = seeds_for(&spread, 0.5, Confidence::USUAL).unwrap();
        let half = |n| Spread { n, ..spread }.half_width(Confidence::USUAL).unwrap();
        assert!(half(needed) <= 0.5 && half(needed - 1) > 0.5, "{needed}");
        assert_eq!(seeds_for_normal(4.0, 0.5, Confidence::USUAL), Some(246));
        assert_eq!(needed, 249);
        assert_eq!(seeds_for(&Spread { variance: 0.0, ..spread }, 0.0, Confidence::USUAL), Some(2));
        assert_eq!(seeds_for(&spread, 0.0, Confidence::USUAL), None);
        assert_eq!(seeds_for(&spread, 100.0, Confidence::USUAL), Some(2));
        assert_eq!(runs_for(100, 4.0, 1.0), 1_600);
    }
}
