//! Finding levels: pilot runs from one level on say where the next one lies, of which about one in five comes there.

use sim_core::Seed;

use super::{Climber, Going, branch};

/// How levels are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pilot {
    /// Runs from each level; 500 by default.
    pub runs: u32,
    /// How often those are made four times as many where fewer than ten come further; 4 by default.
    pub rounds: u32,
    /// The share that is to come to the next level; 0.2 by default. About that is best: from half as many to twice as
    /// many the variance for the same work differs by a tenth (Garvels 2000, section 3.2).
    pub share: f64,
    /// So many events are enough for the runs from one level, when those are at least forty; 2 × 10⁷ by default. Of long
    /// runs fewer say where the next level lies.
    pub level_events: u64,
    /// The most events; 2 × 10⁸ by default.
    pub events_max: u64,
}

impl Default for Pilot {
    fn default() -> Self {
        Pilot { runs: 500, rounds: 4, share: 0.2, level_events: 20_000_000, events_max: 200_000_000 }
    }
}

/// Levels, and what pilot runs saw on the way.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    /// From the lowest to the highest; none when what is rare is not.
    pub levels: Vec<f64>,
    /// The share that came from each level to the next; the last one to what is rare.
    pub chances: Vec<f64>,
    /// Events of the pilot runs.
    pub events: u64,
    /// Events of a run from the start to its end, on average.
    pub run_events: f64,
}

/// Why there are no levels.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoLadder {
    /// No run came higher than this, and to none of them it happened.
    #[error("of {runs} runs that came to {height} none came higher, and to none of them it happened")]
    Stuck {
        /// How high they came.
        height: f64,
        /// How many runs.
        runs: u64,
    },
    /// More events than the pilot may take.
    #[error("the way there is too long: {events} events did not suffice to find levels")]
    TooLong {
        /// How many it took.
        events: u64,
    },
}

impl Ladder {
    /// The probability as the pilot runs saw it: biased, since they have also chosen the levels.
    pub fn guess(&self) -> f64 {
        self.chances.iter().product()
    }

    /// By how much the variance of one run from each level exceeds the square of the probability, in the best case,
    /// times the number of levels: what is to be small in a good ladder.
    pub fn cost(&self) -> f64 {
        self.chances.iter().map(|chance| (1.0 - chance) / chance).sum::<f64>() * self.chances.len() as f64
    }
}

/// Fewer than these say little about a level.
const ARRIVALS_MIN: usize = 10;
/// Of fewer runs the best fifth is not so many.
const RUNS_MIN: u64 = 40;

/// Finds levels, from the start to what is rare.
///
/// Each next level is the height that the best fifth of all runs from the last one reached on their whole way (Cérou
/// and Guyader, Adaptive multilevel splitting for rare event analysis, Stochastic Analysis and Applications 25, 2007;
/// there the runs are also the estimate, which is then biased by a little; here they are thrown away).
///
/// # Errors When no run comes higher than some level, so that the height does not lead to what is rare, or when it
/// takes too long.
pub fn ladder<C: Climber>(start: &impl Fn(Seed) -> C, pilot: &Pilot, seed: Seed) -> Result<Ladder, NoLadder> {
    let mut found = Ladder { levels: Vec::new(), chances: Vec::new(), events: 0, run_events: 0.0 };
    let mut begun = Vec::new();
    loop {
        let stage = Scout { start, begun: &begun, seed, level: found.levels.len() as u64 };
        let mut base = found.levels.last().copied();
        let mut heights = Vec::new();
        let (mut round, before) = (0, found.events);
        let next = loop {
            let wanted = u64::from(pilot.runs.max(2)) << (2 * round).min(30);
            for run in heights.len() as u64..wanted {
                if run >= RUNS_MIN && found.events - before > pilot.level_events {
                    round = pilot.rounds;
                    break;
                }
                if found.events > pilot.events_max {
                    return Err(NoLadder::TooLong { events: found.events });
                }
                let (first, highest) = stage.whole(run, &mut found.events);
                // At the beginning, the base is what every run has without having climbed.
                if found.levels.is_empty() {
                    base = Some(base.map_or(first, |base| base.max(first)));
                }
                heights.push(highest);
            }
            if found.levels.is_empty() {
                found.run_events = found.events as f64 / heights.len() as f64;
            }
            let next = chosen(&heights, base.unwrap_or(f64::NEG_INFINITY), pilot.share);
            let arrived = next.map_or(0, |next| heights.iter().filter(|height| **height >= next).count());
            if arrived >= ARRIVALS_MIN || round >= pilot.rounds {
                break next.map(|next| (next, arrived));
            }
            round += 1;
        };
        let Some((next, arrived)) = next else {
            return Err(NoLadder::Stuck { height: base.unwrap_or(0.0), runs: heights.len() as u64 });
        };
        found.chances.push(arrived as f64 / heights.len() as f64);
        if next == f64::INFINITY {
            return Ok(found);
        }
        let arrived = heights.iter().enumerate().filter(|(_, height)| **height >= next);
        let arrived = arrived.map(|(run, _)| stage.until(run as u64, next, &mut found.events)).collect();
        begun = arrived;
        found.levels.push(next);
    }
}

/// The next level: what the best share of all runs reached, above the last level; infinite is what is rare itself. None
/// when no run came higher.
fn chosen(heights: &[f64], base: f64, share: f64) -> Option<f64> {
    let mut sorted = heights.to_vec();
    sorted.sort_by(f64::total_cmp);
    let best = (libm::ceil(share * sorted.len() as f64) as usize).clamp(1, sorted.len());
    let level = sorted[sorted.len() - best];
    if level > base { Some(level) } else { sorted.into_iter().find(|height| *height > base) }
}

/// Runs from one level.
struct Scout<'a, C, F> {
    start: &'a F,
    /// Those that came to it; what is rare has happened to those that are none.
    begun: &'a [Option<C>],
    seed: Seed,
    level: u64,
}

impl<C: Climber, F: Fn(Seed) -> C> Scout<'_, C, F> {
    fn climber(&self, run: u64) -> Option<C> {
        // Apart from all replications.
        let dice = branch(self.seed, u64::MAX, self.level, run);
        if self.level == 0 {
            return Some((self.start)(dice));
        }
        let mut climber = self.begun[(run % self.begun.len() as u64) as usize].clone()?;
        climber.reseed(dice);
        Some(climber)
    }

    /// How high it stood at first, and at the highest until it was over; infinitely high when it happened.
    fn whole(&self, run: u64, events: &mut u64) -> (f64, f64) {
        let Some(mut climber) = self.climber(run) else { return (f64::INFINITY, f64::INFINITY) };
        let first = climber.height();
        let mut highest = first;
        loop {
            *events += 1;
            match climber.step() {
                Going::On => highest = highest.max(climber.height()),
                Going::Over => return (first, highest.max(climber.height())),
                Going::Happened => return (first, f64::INFINITY),
            }
        }
    }

    /// The same run again, up to a level that it reaches.
    fn until(&self, run: u64, level: f64, events: &mut u64) -> Option<C> {
        let mut climber = self.climber(run)?;
        while climber.height() < level {
            *events += 1;
            if climber.step() != Going::On {
                return None;
            }
        }
        Some(climber)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Walk;
    use super::*;

    #[test]
    fn a_fifth_comes_from_each_level_to_the_next() {
        let found = ladder(&Walk::ruin(30), &Pilot::default(), Seed(1)).unwrap();
        // Up with 1/3, halving with each step: about two steps to a level.
        assert!((10..=15).contains(&found.levels.len()), "{found:?}");
        assert!(found.levels.is_sorted() && found.levels.last().is_some_and(|last| *last < 30.0));
        assert!(found.chances.iter().all(|chance| (0.1..0.5).contains(chance)), "{found:?}");
        let truth = 1.0 / ((1u64 << 30) - 1) as f64;
        assert!((0.2..5.0).contains(&(found.guess() / truth)), "{}", found.guess() / truth);
        // From 1, a walk that falls by a third each step is over after three.
        assert!((found.run_events - 3.0).abs() < 0.5, "{}", found.run_events);
    }

    /// What is enough for a level is enough, however few runs that are.
    #[test]
    fn of_long_runs_fewer_look_for_the_way() {
        let all = ladder(&Walk::ruin(30), &Pilot::default(), Seed(1)).unwrap();
        let few = ladder(&Walk::ruin(30), &Pilot { level_events: 500, ..Pilot::default() }, Seed(1)).unwrap();
        assert!(few.events * 3 < all.events, "{} and {}", few.events, all.events);
        assert!((6..=25).contains(&few.levels.len()) && few.levels.is_sorted(), "{few:?}");
    }

    #[test]
    fn what_happens_often_needs_no_levels() {
        let found = ladder(&Walk::ruin(2), &Pilot::default(), Seed(1)).unwrap();
        assert!(found.levels.is_empty(), "{found:?}");
    }

    /// A walk that shows nothing of its height.
    #[derive(Clone)]
    struct Blind(Walk);

    impl Climber for Blind {
        fn step(&mut self) -> Going {
            self.0.step()
        }
        fn height(&self) -> f64 {
            7.0
        }
        fn reseed(&mut self, seed: Seed) {
            self.0.reseed(seed);
        }
    }

    #[test]
    fn a_height_that_leads_nowhere_is_said() {
        let start = |seed| Blind(Walk::ruin(60)(seed));
        let error = ladder(&start, &Pilot { runs: 50, ..Pilot::default() }, Seed(1)).unwrap_err();
        assert_eq!(error, NoLadder::Stuck { height: 7.0, runs: 12_800 });
    }
}
