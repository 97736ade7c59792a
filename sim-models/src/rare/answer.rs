//! What replications say together: a probability with an interval, what it cost, and what plain runs would have cost.

use super::{Ladder, Replication, Stage};
use crate::stats::laws::normal;
use crate::stats::{Confidence, Estimate, Method, Spread, ratio};

/// A rare probability.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The mean over replications, in Student's interval; no lower than nothing.
    pub estimate: Estimate,
    /// The way there, from level to level.
    pub rungs: Vec<Rung>,
    /// Events of all replications and of the pilot runs before them.
    pub events: u64,
    /// The effective sample size: of how many plain runs it would have to have happened for as narrow an interval.
    pub effective: f64,
    /// What plain runs would need for as narrow an interval; none when nothing was seen, or its width is not known.
    pub plain: Option<Plain>,
}

/// A level on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// The level; none is what is rare itself.
    pub level: Option<f64>,
    /// The share of the runs from the level before that came to it.
    pub chance: f64,
    /// How many came to it in all replications.
    pub arrived: u64,
}

/// Plain Monte Carlo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plain {
    /// Runs.
    pub runs: f64,
    /// Events in them.
    pub events: f64,
}

impl Answer {
    /// From independent replications over the levels of a ladder. Of [`restart`](super::restart()) the shares of rungs
    /// are passages for each run that set out, and may be above one.
    pub fn of(replications: &[Replication], ladder: &Ladder, confidence: Confidence) -> Answer {
        let chances: Vec<f64> = replications.iter().map(|found| found.chance).collect();
        let events = ladder.events + replications.iter().map(|found| found.events).sum::<u64>();
        let stage = |nth: usize| {
            replications.iter().filter_map(|found| found.stages.get(nth)).fold(Stage::default(), |sum, stage| Stage {
                set_out: sum.set_out + stage.set_out,
                arrived: sum.arrived + stage.arrived,
            })
        };
        let rung = |nth: usize| {
            let stage = stage(nth);
            Rung { level: ladder.levels.get(nth).copied(), chance: stage.chance(), arrived: stage.arrived }
        };
        Answer {
            rungs: (0..=ladder.levels.len()).map(rung).collect(),
            ..Answer::from_values(&chances, events, ladder.run_events, confidence)
        }
    }

    /// From one unbiased value for each replication, however it was found, and how many events a plain run takes.
    pub fn from_values(chances: &[f64], events: u64, run_events: f64, confidence: Confidence) -> Answer {
        let spread = Spread::of(chances);
        let estimate = spread.map_or(Estimate::none(Method::Replications), |spread| {
            spread.estimate(confidence, Method::Replications).within(0.0, f64::INFINITY)
        });
        let known = spread.filter(|spread| spread.mean > 0.0 && spread.error() > 0.0);
        let effective = known.map_or(0.0, |spread| {
            let relative = spread.mean / spread.error();
            relative * relative * (1.0 - spread.mean)
        });
        let plain = known.and_then(|spread| {
            let half = spread.half_width(confidence)? / spread.mean;
            Some(Plain::of(spread.mean, half, run_events, confidence))
        });
        Answer { estimate, rungs: Vec::new(), events, effective, plain }
    }

    /// Half the interval as a share of the value; none when nothing was seen.
    pub fn relative(&self) -> Option<f64> {
        let (value, spread) = (self.estimate.value?, self.estimate.hi?);
        (value > 0.0).then(|| spread / value - 1.0)
    }

    /// How many times more events plain runs would need.
    pub fn gain(&self) -> Option<f64> {
        self.plain.map(|plain| plain.events / self.events.max(1) as f64)
    }
}

impl Plain {
    /// What plain runs need until half the interval of a share is such a part of it, by the normal law: z² (1 − p) /
    /// (p h²).
    ///
    /// ```
    /// use sim_models::rare::Plain;
    /// use sim_models::stats::Confidence;
    /// // One in a billion to a tenth either way.
    /// let plain = Plain::of(1e-9, 0.1, 1.0, Confidence::USUAL);
    /// assert!((plain.runs / 3.841_46e11 - 1.0).abs() < 1e-5);
    /// ```
    pub fn of(chance: f64, relative: f64, run_events: f64, confidence: Confidence) -> Plain {
        let z = normal(confidence.tail());
        let runs = z * z * (1.0 - chance) / (chance * relative * relative);
        Plain { runs, events: runs * run_events }
    }
}

/// A share in the long run, from what replications gained: what is rare over what it is a share of, by the jackknife.
pub fn share(replications: &[Replication], confidence: Confidence) -> Estimate {
    let pairs: Vec<(f64, f64)> = replications.iter().map(|found| (found.gain.rare, found.gain.of)).collect();
    ratio(&pairs, confidence)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Walk;
    use super::super::{Pilot, copies, fixed_effort, ladder, restart};
    use super::*;
    use sim_core::Seed;

    #[test]
    fn a_trillionth_is_found_with_a_millionth_of_the_events() {
        let (start, seed) = (Walk::ruin(40), Seed(4));
        let ladder = ladder(&start, &Pilot::default(), seed).unwrap();
        let all: Vec<_> = (0..60).map(|nth| fixed_effort(&start, &ladder.levels, 500, seed, nth)).collect();
        let found = Answer::of(&all, &ladder, Confidence::new(0.999).unwrap());
        let truth = 1.0 / ((1u64 << 40) - 1) as f64;
        assert!(found.estimate.covers(truth), "{found:?}");
        assert!(found.relative().unwrap() < 0.2 && found.gain().unwrap() > 1e6, "{found:?}");
        assert!((found.rungs.iter().map(|rung| rung.chance).product::<f64>() / truth - 1.0).abs() < 0.3);
        let levels = copies(&ladder.levels, &ladder.chances);
        let all: Vec<_> = (0..60).map(|nth| restart(&start, &levels, 500, seed, nth)).collect();
        let found = Answer::of(&all, &ladder, Confidence::new(0.999).unwrap());
        assert!(found.estimate.covers(truth) && found.relative().unwrap() < 0.3, "{found:?}");
    }

    /// What is said of plain runs is true of them.
    #[test]
    fn plain_runs_need_what_is_said() {
        let (start, seed) = (Walk::ruin(6), Seed(2));
        let ladder = ladder(&start, &Pilot::default(), seed).unwrap();
        let all: Vec<_> = (0..200).map(|nth| fixed_effort(&start, &ladder.levels, 200, seed, nth)).collect();
        let found = Answer::of(&all, &ladder, Confidence::USUAL);
        let plain = found.plain.unwrap();
        let each = (plain.runs / 400.0) as u32;
        let plainly: Vec<_> = (0..400).map(|nth| fixed_effort(&start, &[], each, Seed(9), nth)).collect();
        let events: u64 = plainly.iter().map(|found| found.events).sum();
        let told = Answer::of(&plainly, &Ladder { levels: vec![], ..ladder }, Confidence::USUAL);
        let as_wide = told.relative().unwrap() / found.relative().unwrap();
        assert!((as_wide - 1.0).abs() < 0.15, "{as_wide}");
        assert!((events as f64 / plain.events - 1.0).abs() < 0.1, "{events} {plain:?}");
    }

    #[test]
    fn nothing_seen_is_nothing_known() {
        let found = Answer::from_values(&[0.0; 10], 100, 3.0, Confidence::USUAL);
        assert_eq!((found.estimate.value, found.effective, found.plain), (Some(0.0), 0.0, None));
        assert_eq!(found.relative(), None);
    }
}
