//! Splitting with a fixed effort: the same number of runs from every level, however many came there.

use sim_core::Seed;
use sim_core::seed::mix;

use super::{Climber, Gain, Going, Replication, Stage, branch};

/// One replication: so many runs from the start, and as many from every level on, each of which begins as a fork of one
/// that came there, until it comes to the next level or is over.
///
/// The product of the shares that got there is unbiased: every run that came to a level is the beginning of equally
/// many, or of one more by lot, so that given those the expected share of the next stage is the mean of their own
/// chances, and the rest follows level by level from the last (Garvels, The splitting method in rare event simulation,
/// Twente 2000, section 2.3; L'Ecuyer, Demers and Tuffin, Rare events, splitting, and quasi-Monte Carlo, ACM TOMACS
/// 17, 2007). That holds for levels that were chosen from other runs, such as those of [`ladder`](super::ladder()).
pub fn fixed_effort<C: Climber>(
    start: &impl Fn(Seed) -> C,
    levels: &[f64],
    runs: u32,
    seed: Seed,
    replication: u64,
) -> Replication {
    let runs = u64::from(runs.max(1));
    let mut found = Replication { chance: 1.0, gain: Gain::default(), stages: Vec::new(), events: 0 };
    // None: what is rare has happened to it already.
    let mut begun: Vec<Option<C>> = Vec::new();
    for stage in 0..=levels.len() {
        let next = levels.get(stage).copied();
        let lot = Lot::of(begun.len() as u64, runs, branch(seed, replication, stage as u64, u64::MAX));
        let mut arrived = Vec::new();
        for run in 0..runs {
            let dice = branch(seed, replication, stage as u64, run);
            let climber = match stage {
                0 => Some(start(dice)),
                _ => begun[lot.place(run)].clone().map(|mut climber| {
                    climber.reseed(dice);
                    climber
                }),
            };
            if let Some(arrival) = climb(climber, next, &mut found.events) {
                arrived.push(arrival);
            }
        }
        let stage = Stage { set_out: runs, arrived: arrived.len() as u64 };
        found.stages.push(stage);
        found.chance *= stage.chance();
        if arrived.is_empty() {
            break;
        }
        begun = arrived;
    }
    found.stages.resize(levels.len() + 1, Stage::default());
    found
}

/// Goes on to the next level, or without one to what is rare; none when the run is over before.
fn climb<C: Climber>(climber: Option<C>, next: Option<f64>, events: &mut u64) -> Option<Option<C>> {
    let Some(mut climber) = climber else { return Some(None) };
    loop {
        if next.is_some_and(|next| climber.height() >= next) {
            return Some(Some(climber));
        }
        *events += 1;
        match climber.step() {
            Going::On => {}
            Going::Over => return None,
            Going::Happened => return Some(None),
        }
    }
}

/// Which run begins from which of those that came to a level: from each equally often, and where they do not come out
/// even from one more each of some that are drawn.
struct Lot {
    /// The drawn ones in front.
    order: Vec<u32>,
}

impl Lot {
    fn of(begun: u64, runs: u64, dice: Seed) -> Lot {
        let mut order: Vec<u32> = (0..begun as u32).collect();
        let extra = if begun == 0 { 0 } else { runs % begun };
        for place in 0..extra as usize {
            let left = order.len() as u64 - place as u64;
            let drawn = (u128::from(mix(dice.0, place as u64)) * u128::from(left)) >> 64;
            order.swap(place, place + drawn as usize);
        }
        Lot { order }
    }

    /// The whole rounds come in the order of the lot too, so the last and partial one has the drawn ones.
    fn place(&self, run: u64) -> usize {
        self.order[(run % self.order.len() as u64) as usize] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Walk;
    use super::*;
    use crate::stats::{Confidence, replications};

    #[test]
    fn ruin_is_found_as_rarely_as_it_is() {
        for (levels, runs) in [(vec![], 200), (vec![3.0, 5.0, 8.0], 50), (vec![2.0, 4.0, 4.0, 6.0, 20.0], 40)] {
            let of = |replication| fixed_effort(&Walk::ruin(10), &levels, runs, Seed(3), replication).chance;
            let chances: Vec<f64> = (0..4_000).map(of).collect();
            let sure = Confidence::new(0.999).unwrap();
            let found = replications(&chances, sure);
            assert!(found.covers(1.0 / 1_023.0), "{levels:?}: {found:?}");
            assert!(found.half_width().unwrap() < 0.15 / 1_023.0, "{levels:?}: {found:?}");
        }
    }

    #[test]
    fn every_run_is_the_beginning_of_equally_many_or_of_one_more() {
        for (begun, runs) in [(3, 10), (7, 7), (1, 5), (10, 4)] {
            let lot = Lot::of(begun, runs, Seed(9));
            let mut times = vec![0; begun as usize];
            (0..runs).for_each(|run| times[lot.place(run)] += 1);
            assert!(times.iter().all(|times| (runs / begun..=runs / begun + 1).contains(times)), "{times:?}");
        }
    }
}
