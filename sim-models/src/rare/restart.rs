//! Splitting into a fixed number of copies, which end where they began: RESTART.

use sim_core::Seed;
use sim_core::seed::mix;

use super::{Climber, Gain, Going, Replication, Stage, branch};

/// One replication of so many runs. A run that passes a level upwards is copied, so many copies in all with itself; a
/// copy ends when it falls below the level at which it was made, and the run itself goes on. Whatever happens or is
/// gained between two levels counts for one over the number of copies that there are of everything there.
///
/// Unbiased, for chances and for what is gained in the long run (M. and J. Villén-Altamirano, RESTART: a method for
/// accelerating rare event simulations, 1991, and Analysis of RESTART simulation: theoretical basis and sensitivity
/// study, European Transactions on Telecommunications 13, 2002; Garvels 2000, section 2.4): between two levels there
/// are always, in expectation, as many times more copies as the weight says there are fewer of each. An event counts
/// with the weight of where it began.
///
/// Where a height that is lost is seldom regained from below, this takes far fewer events than
/// [`fixed_effort`](super::fixed_effort()), whose runs go all the way down.
pub fn restart<C: Climber>(
    start: &impl Fn(Seed) -> C,
    levels: &[(f64, u32)],
    runs: u32,
    seed: Seed,
    replication: u64,
) -> Replication {
    let steps = Steps::of(levels);
    let mut found = Found {
        chance: 0.0,
        gain: Gain::default(),
        stages: vec![Stage::default(); levels.len() + 1],
        events: 0,
        waiting: Vec::new(),
    };
    for run in 0..runs.max(1) {
        let dice = branch(seed, replication, 0, u64::from(run));
        let climber = start(dice);
        found.stages[0].set_out += 1;
        let mut trial = Trial { climber, dice, born: 0, place: 0, forks: 0 };
        found.rises(&mut trial, &steps);
        found.goes_on(trial, &steps);
        while let Some(trial) = found.waiting.pop() {
            found.goes_on(trial, &steps);
        }
    }
    let each = 1.0 / f64::from(runs.max(1));
    Replication {
        chance: found.chance * each,
        gain: Gain { rare: found.gain.rare * each, of: found.gain.of * each },
        stages: found.stages,
        events: found.events,
    }
}

/// How many copies keep a run alive from each level to the next, from the chance to get there from the one below; as
/// many as make up for all levels so far, in whole numbers.
///
/// Villén-Altamirano (2002): as many as are lost on the way; more are a waste on what is alike, fewer die out.
///
/// ```
/// use sim_models::rare::copies;
/// assert_eq!(copies(&[3.0, 6.0, 9.0], &[0.2, 0.35, 0.35, 0.1]), [(3.0, 5), (6.0, 3), (9.0, 3)]);
/// ```
pub fn copies(levels: &[f64], chances: &[f64]) -> Vec<(f64, u32)> {
    let (mut wanted, mut had) = (1.0, 1.0);
    let each = levels.iter().zip(chances).map(|(level, chance)| {
        wanted /= chance.max(1e-9);
        let copies = libm::round(wanted / had).clamp(1.0, 1e6);
        had *= copies;
        (*level, copies as u32)
    });
    each.collect()
}

/// The levels, and how much counts between them.
struct Steps<'a> {
    levels: &'a [(f64, u32)],
    weights: Vec<f64>,
}

impl Steps<'_> {
    fn of(levels: &[(f64, u32)]) -> Steps<'_> {
        let mut weights = vec![1.0];
        let mut all = 1.0;
        for (_, copies) in levels {
            all *= f64::from(*copies);
            weights.push(1.0 / all);
        }
        Steps { levels, weights }
    }

    /// How many levels are at or below a height.
    fn place(&self, height: f64) -> usize {
        self.levels.partition_point(|(level, _)| *level <= height)
    }
}

struct Trial<C> {
    climber: C,
    dice: Seed,
    /// The place below which it ends; none of the runs that began at the start does.
    born: usize,
    place: usize,
    forks: u64,
}

struct Found<C> {
    chance: f64,
    gain: Gain,
    stages: Vec<Stage>,
    events: u64,
    waiting: Vec<Trial<C>>,
}

impl<C: Climber> Found<C> {
    fn goes_on(&mut self, mut trial: Trial<C>, steps: &Steps<'_>) {
        loop {
            let weight = steps.weights[trial.place];
            self.events += 1;
            let going = trial.climber.step();
            let gain = trial.climber.gain();
            self.gain.rare += weight * gain.rare;
            self.gain.of += weight * gain.of;
            match going {
                Going::On => {}
                Going::Over => return,
                Going::Happened => {
                    self.chance += weight;
                    self.stages[trial.place..].iter_mut().for_each(|stage| stage.arrived += 1);
                    return;
                }
            }
            let place = steps.place(trial.climber.height());
            if place < trial.born {
                return;
            }
            if place > trial.place {
                self.rises(&mut trial, steps);
            } else {
                trial.place = place;
            }
        }
    }

    /// The copies of a trial that has passed levels upwards; each is copied again at the next one, if it has passed
    /// more.
    fn rises(&mut self, trial: &mut Trial<C>, steps: &Steps<'_>) {
        let place = steps.place(trial.climber.height());
        let mut alike = 1u64;
        for passed in trial.place + 1..=place {
            let copies = u64::from(steps.levels[passed - 1].1.max(1));
            self.stages[passed - 1].arrived += alike;
            for _ in 0..alike * (copies - 1) {
                trial.forks += 1;
                let dice = Seed(mix(mix(trial.dice.0, passed as u64), trial.forks));
                let mut climber = trial.climber.clone();
                climber.reseed(dice);
                self.waiting.push(Trial { climber, dice, born: passed, place, forks: 0 });
            }
            alike *= copies;
            self.stages[passed].set_out += alike;
        }
        trial.place = place;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Walk;
    use super::*;
    use crate::stats::{Confidence, Estimate, replications};

    fn sure(values: &[f64]) -> Estimate {
        replications(values, Confidence::new(0.999).unwrap())
    }

    #[test]
    fn ruin_is_found_as_rarely_as_it_is() {
        let ladders = [vec![], vec![(3.0, 4), (5.0, 4), (8.0, 8)], vec![(1.0, 2), (2.0, 2), (2.5, 3), (7.0, 9)]];
        for levels in ladders {
            let of = |replication| restart(&Walk::ruin(10), &levels, 200, Seed(3), replication).chance;
            let found = sure(&(0..3_000).map(of).collect::<Vec<_>>());
            assert!(found.covers(1.0 / 1_023.0), "{levels:?}: {found:?}");
            assert!(found.half_width().unwrap() < 0.2 / 1_023.0, "{levels:?}: {found:?}");
        }
    }

    /// From 1, the walk spends (2^at − 1)/2^at … steps at each height; plain runs are the judge.
    #[test]
    fn what_is_gained_is_what_plain_runs_gain() {
        let levels = [(3.0, 4), (4.0, 2), (6.0, 4)];
        let of =
            |levels: &[(f64, u32)], runs, replication| restart(&Walk::ruin(8), levels, runs, Seed(5), replication).gain;
        let plain: Vec<Gain> = (0..400).map(|replication| of(&[], 4_000, replication)).collect();
        let split: Vec<Gain> = (0..400).map(|replication| of(&levels, 200, replication)).collect();
        for gained in [|gain: &Gain| gain.rare, |gain: &Gain| gain.of] {
            let [plain, split] = [&plain, &split].map(|all| sure(&all.iter().map(gained).collect::<Vec<_>>()));
            let apart = plain.value.unwrap() - split.value.unwrap();
            let wide = libm::hypot(plain.half_width().unwrap(), split.half_width().unwrap());
            assert!(libm::fabs(apart) < wide && wide < 0.1 * plain.value.unwrap(), "{plain:?}, {split:?}");
        }
    }

    #[test]
    fn copies_make_up_for_what_is_lost() {
        let levels = copies(&[1.0, 2.0, 3.0, 4.0], &[0.4, 0.4, 1.0, 0.4, 0.2]);
        assert_eq!(levels, [(1.0, 3), (2.0, 2), (3.0, 1), (4.0, 3)]);
    }
}
