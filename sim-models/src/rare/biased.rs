//! Importance sampling of systems whose parts seldom fail and are soon repaired: they are made to fail more often, and
//! what is seen is weighted by how much more likely it was.
//!
//! Nine parts of ten of the bias go where zero variance would: each jump is as likely as it is times how likely the whole
//! goes down from where it leads, for which the likeliest single way down through failures stands in (L'Ecuyer and Tuffin,
//! Approximating zero-variance importance sampling in a reliability setting, Annals of Operations Research 189, 2011).
//! The tenth, and all of it in systems too large for that, is balanced failure biasing: while something is being repaired,
//! the next event is a failure four times of five, each of those that are possible as likely as the others; so the ways
//! that lead down through the least likely failures are found too, and the relative error stays bounded as failures
//! become rarer (Shahabuddin, Importance sampling for the simulation of highly reliable Markovian systems, Management
//! Science 40, 1994). Forcing: the first failure comes
//! within the time that is looked at (Lewis and Böhm, Monte Carlo simulation of Markov unreliability models, Nuclear
//! Engineering and Design 77, 1984).

use std::collections::BTreeMap;

use sim_core::Seed;
use sim_core::seed::mix;

use super::branch;

/// A system that jumps from state to state, each way at a rate of its own: a Markov process.
pub trait Jumps {
    /// A state.
    type State: Clone + Ord;

    /// The state in which nothing has failed.
    fn fresh(&self) -> Self::State;

    /// Adds all ways out of a state.
    fn ways(&self, state: &Self::State, ways: &mut Vec<Jump>);

    /// Goes one of the ways.
    fn jump(&self, state: &mut Self::State, way: u64);

    /// Whether the whole is down.
    fn is_down(&self, state: &Self::State) -> bool;
}

/// A way out of a state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump {
    /// Which one, as the system numbers them.
    pub way: u64,
    /// How often it is gone, per unit of time.
    pub rate: f64,
    /// What it is.
    pub what: Move,
}

/// What a jump is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Something fails.
    Fails,
    /// Something is repaired, or taken over.
    Mends,
}

/// A system whose failures are biased.
#[derive(Clone, Copy, Debug)]
pub struct Biased<'a, S> {
    system: &'a S,
    seed: Seed,
}

/// What one replication of cycles found: a cycle is the time from a first failure until nothing is failed any more,
/// and the time before it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cycles {
    /// The time down in a cycle, on average: unbiased.
    pub down: f64,
    /// Its square, on average, as a plain cycle has it, in which times come as they come.
    pub down_squared: f64,
    /// The length of a cycle, on average: unbiased.
    pub length: f64,
    /// Events.
    pub events: u64,
    /// Events of a plain cycle, on average.
    pub cycle_events: f64,
}

/// What one replication of missions found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Missions {
    /// The chance that the whole is down at some time of the mission, everything being up at its start: unbiased.
    pub chance: f64,
    /// Events.
    pub events: u64,
    /// Events of a plain mission, on average.
    pub mission_events: f64,
}

/// No cycle takes more events than this; one that does is cut, which a system that is repaired does not see.
const CYCLE_MAX: u64 = 10_000_000;

impl<'a, S: Jumps> Biased<'a, S> {
    /// A system, and what all dice follow from.
    pub fn new(system: &'a S, seed: Seed) -> Self {
        Biased { system, seed }
    }

    /// One replication of so many biased cycles for the time down, and a tenth as many plain ones for their length,
    /// which hardly varies. The share of time down is the ratio of the two.
    ///
    /// Failures are biased until the whole is down and from there on nothing is (dynamic importance sampling: Goyal,
    /// Shahabuddin, Heidelberger, Nicola and Glynn, A unified framework for simulating Markovian models of highly
    /// dependable systems, IEEE Transactions on Computers 41, 1992). Each state counts with the mean time spent in it
    /// (Hordijk, Iglehart and Schassberger, Discrete time methods for simulating continuous time Markov chains, 1976).
    pub fn cycles(&self, runs: u32, replication: u64) -> Cycles {
        let mut found = Cycles::default();
        let runs = u64::from(runs.max(1));
        let mut hopes = Hopes::new(self.system);
        for run in 0..runs {
            let mut walk = Walk::new(self.system, branch(self.seed, replication, 0, run));
            let mut how = Bias::Down;
            let (mut weight, mut down, mut spread) = (1.0, 0.0, 0.0);
            for _ in 0..CYCLE_MAX {
                let step = walk.step(how, &mut hopes);
                weight *= step.ratio;
                down += step.down;
                // The variance of an exponential time is its mean squared.
                spread += step.down * step.down;
                found.events += 1;
                if walk.is_fresh() {
                    break;
                }
                if self.system.is_down(&walk.state) {
                    how = Bias::None;
                }
            }
            found.down += weight * down;
            found.down_squared += weight * (down * down + spread);
        }
        let (biased, few) = (found.events, runs.div_ceil(10));
        for run in 0..few {
            let mut walk = Walk::new(self.system, branch(self.seed, replication, 1, run));
            for _ in 0..CYCLE_MAX {
                found.length += walk.step(Bias::None, &mut hopes).time;
                found.events += 1;
                if walk.is_fresh() {
                    break;
                }
            }
        }
        Cycles {
            down: found.down / runs as f64,
            down_squared: found.down_squared / runs as f64,
            length: found.length / few as f64,
            events: found.events,
            cycle_events: (found.events - biased) as f64 / few as f64,
        }
    }

    /// One replication of so many missions of a length: from everything up until the whole is down for the first time,
    /// or the time is over.
    ///
    /// The first failure is forced. A mission has many cycles, and if all were biased their weights would have no
    /// variance worth the name; so each one is by a chance that leaves about one biased cycle to a mission, and is
    /// weighted by the mixture of both laws (defensive importance sampling: Hesterberg, Weighted average importance
    /// sampling and defensive mixture distributions, Technometrics 37, 1995).
    pub fn missions(&self, length: f64, runs: u32, replication: u64) -> Missions {
        let (mut found, runs) = (Missions::default(), u64::from(runs.max(1)));
        let mut hopes = Hopes::new(self.system);
        let biased = Course::Biased(1.0 / (1.0 + length * self.first_failures()));
        for run in 0..runs {
            let dice = branch(self.seed, replication, 2, run);
            found.chance += self.mission(length, biased, dice, &mut hopes, &mut found.events);
        }
        // A tenth as many that fail at all say how long those are; the others have no events.
        let (few, mut events) = ((runs / 10).max(1), 0);
        for run in 0..few {
            self.mission(length, Course::Forced, branch(self.seed, replication, 3, run), &mut hopes, &mut events);
        }
        Missions {
            chance: found.chance / runs as f64,
            events: found.events + events,
            mission_events: comes_within(self.first_failures(), length) * events as f64 / few as f64,
        }
    }

    /// A plain mission: whether the whole went down, and events.
    pub fn plain_mission(&self, length: f64, run: u64) -> (bool, u64) {
        let (mut events, mut hopes) = (0, Hopes::new(self.system));
        let chance = self.mission(length, Course::Plain, branch(self.seed, 0, 4, run), &mut hopes, &mut events);
        (chance > 0.0, events)
    }

    /// How often anything fails while nothing has failed, per unit of time.
    fn first_failures(&self) -> f64 {
        let mut ways = Vec::new();
        self.system.ways(&self.system.fresh(), &mut ways);
        ways.iter().map(|way| way.rate).sum()
    }

    /// The weight with which the whole goes down in a mission; nothing when it does not.
    fn mission(&self, length: f64, course: Course, dice: Seed, hopes: &mut Hopes<S>, events: &mut u64) -> f64 {
        let bias = course.bias();
        let mut walk = Walk::new(self.system, dice);
        let (mut now, mut weight) = (0.0, 1.0);
        // Of the cycle under way: how it goes, and how likely it is plainly over how likely it is biased.
        let (mut how, mut ratio) = (Bias::None, 1.0);
        let mut within = course.forces().then_some(length);
        loop {
            let held = walk.held(within.take());
            now += held.time;
            weight *= held.ratio;
            // An overflow of nanoseconds is none here: times are floats that describe.
            if now >= length || held.time.is_nan() {
                return 0.0;
            }
            if walk.is_fresh() {
                (how, ratio) = (Bias::None, 1.0);
                if bias.is_some_and(|bias| walk.chance() < bias) {
                    how = Bias::Down;
                }
            }
            ratio *= walk.step(how, hopes).plain_over_biased;
            *events += 1;
            let is_down = self.system.is_down(&walk.state);
            if is_down || walk.is_fresh() {
                // Either law may have led here.
                weight *= bias.map_or(1.0, |bias| 1.0 / (bias / ratio + 1.0 - bias));
            }
            if is_down {
                return weight;
            }
        }
    }
}

/// How a mission goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Course {
    /// As it goes.
    Plain,
    /// Its first failure comes within its time, and then it goes as it goes.
    Forced,
    /// So too, and such a share of its cycles is biased.
    Biased(f64),
}

impl Course {
    fn forces(self) -> bool {
        self != Course::Plain
    }

    fn bias(self) -> Option<f64> {
        match self {
            Course::Plain | Course::Forced => None,
            Course::Biased(share) => Some(share),
        }
    }
}

/// The chance that what comes at a rate comes within a time.
fn comes_within(rate: f64, time: f64) -> f64 {
    -libm::expm1(-rate * time)
}

/// Whether jumps are as likely as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bias {
    None,
    /// The whole goes down more often.
    Down,
}

/// More states than this are not looked at for the likeliest way down.
const STATES_MAX: usize = 4_096;
/// The share of the bias that follows the likeliest way down; the rest is balanced.
const LEANS: f64 = 0.9;

/// How likely the whole goes down from a state, by the likeliest single way that leads there through failures.
struct Hopes<S: Jumps> {
    known: BTreeMap<S::State, f64>,
    fresh: S::State,
    /// Whether there are few enough states.
    are_of_use: bool,
}

impl<S: Jumps> Hopes<S> {
    fn new(system: &S) -> Self {
        let mut hopes = Hopes::<S> { known: BTreeMap::new(), fresh: system.fresh(), are_of_use: true };
        let fresh = hopes.fresh.clone();
        hopes.are_of_use = hopes.of(system, &fresh) > 0.0 && hopes.known.len() < STATES_MAX;
        hopes
    }

    fn of(&mut self, system: &S, state: &S::State) -> f64 {
        if let Some(known) = self.known.get(state) {
            return *known;
        }
        if system.is_down(state) {
            self.known.insert(state.clone(), 1.0);
            return 1.0;
        }
        if self.known.len() >= STATES_MAX {
            return 0.0;
        }
        // Failures that lead in a circle lead nowhere.
        self.known.insert(state.clone(), 0.0);
        let mut ways = Vec::new();
        system.ways(state, &mut ways);
        let rate: f64 = ways.iter().map(|way| way.rate).sum();
        let mut best = 0.0f64;
        for way in ways.iter().filter(|way| way.what == Move::Fails && way.rate > 0.0) {
            let mut next = state.clone();
            system.jump(&mut next, way.way);
            best = best.max(way.rate / rate * self.of(system, &next));
        }
        self.known.insert(state.clone(), best);
        best
    }

    /// The same of where a jump leads; a cycle that is over does not go down any more.
    fn after(&mut self, system: &S, state: &S::State, way: u64) -> f64 {
        let mut next = state.clone();
        system.jump(&mut next, way);
        if next == self.fresh { 0.0 } else { self.of(system, &next) }
    }
}

/// A system on its way.
struct Walk<'a, S: Jumps> {
    system: &'a S,
    state: S::State,
    fresh: S::State,
    ways: Vec<Jump>,
    chances: Vec<f64>,
    dice: Seed,
    cast: u64,
}

/// A jump that was made.
struct Jumped {
    /// How likely it was, over how likely it was made.
    ratio: f64,
    /// How likely it was, over how likely the biased law makes it, whichever law made it.
    plain_over_biased: f64,
    /// The mean time in the state before.
    time: f64,
    /// That time, if the whole was down.
    down: f64,
}

/// A time in a state.
struct Held {
    time: f64,
    ratio: f64,
}

/// The share of failures among what happens while something is repaired.
const FAILURES: f64 = 0.8;

impl<'a, S: Jumps> Walk<'a, S> {
    fn new(system: &'a S, dice: Seed) -> Self {
        let fresh = system.fresh();
        let mut walk =
            Walk { system, state: fresh.clone(), fresh, ways: Vec::new(), chances: Vec::new(), dice, cast: 0 };
        walk.look();
        walk
    }

    fn is_fresh(&self) -> bool {
        self.state == self.fresh
    }

    fn look(&mut self) {
        self.ways.clear();
        self.system.ways(&self.state, &mut self.ways);
    }

    /// A number below 1, and above nothing.
    fn chance(&mut self) -> f64 {
        self.cast += 1;
        ((mix(self.dice.0, self.cast) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn rate(&self) -> f64 {
        self.ways.iter().map(|way| way.rate).sum()
    }

    /// How long it stays in its state; within a time, when that is forced.
    fn held(&mut self, within: Option<f64>) -> Held {
        let (rate, chance) = (self.rate(), self.chance());
        if rate <= 0.0 {
            return Held { time: f64::INFINITY, ratio: 1.0 };
        }
        let share = within.map_or(1.0, |within| comes_within(rate, within));
        Held { time: -libm::log1p(-chance * share) / rate, ratio: share }
    }

    /// Makes a jump. From a state without ways none is made.
    fn step(&mut self, how: Bias, hopes: &mut Hopes<S>) -> Jumped {
        let rate = self.rate();
        let time = 1.0 / rate;
        let down = if self.system.is_down(&self.state) { time } else { 0.0 };
        let chance = self.chance();
        self.balance();
        if hopes.are_of_use {
            self.lean(hopes);
        }
        let made = |way: usize| match how {
            Bias::None => self.ways[way].rate / rate,
            Bias::Down => self.chances[way],
        };
        let (mut way, mut below) = (0, 0.0);
        for at in 0..self.ways.len() {
            if made(at) > 0.0 {
                way = at;
                below += made(at);
                if chance < below {
                    break;
                }
            }
        }
        let Some(jump) = self.ways.get(way).copied() else {
            return Jumped { ratio: 1.0, plain_over_biased: 1.0, time, down };
        };
        let plain = jump.rate / rate;
        let (ratio, plain_over_biased) = (plain / made(way), plain / self.chances[way]);
        self.system.jump(&mut self.state, jump.way);
        self.look();
        Jumped { ratio, plain_over_biased, time, down }
    }

    /// Most of it goes along the likeliest way down.
    fn lean(&mut self, hopes: &mut Hopes<S>) {
        // Where a way has no rate it leads nowhere.
        let hope = |way: &Jump| match way.rate {
            0.0 => 0.0,
            rate => rate * hopes.after(self.system, &self.state, way.way),
        };
        let hopes: Vec<f64> = self.ways.iter().map(hope).collect();
        let all: f64 = hopes.iter().sum();
        if all > 0.0 {
            for (chance, hope) in self.chances.iter_mut().zip(hopes) {
                *chance = (1.0 - LEANS) * *chance + LEANS * hope / all;
            }
        }
    }

    /// How likely each way is when failures are balanced.
    fn balance(&mut self) {
        let failures = self.ways.iter().filter(|way| way.what == Move::Fails && way.rate > 0.0).count() as f64;
        let mended: f64 = self.ways.iter().filter(|way| way.what == Move::Mends).map(|way| way.rate).sum();
        let share = if mended > 0.0 { FAILURES } else { 1.0 };
        let left = if failures > 0.0 { 1.0 - share } else { 1.0 };
        self.chances.clear();
        self.chances.extend(self.ways.iter().map(|way| match way.what {
            Move::Fails if way.rate > 0.0 => share / failures,
            Move::Fails => 0.0,
            Move::Mends => left * way.rate / mended,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::Chain;
    use crate::stats::{Confidence, ratio, replications};

    /// Parts of one kind, each with a crew; down when so many have failed.
    struct Alike {
        parts: u32,
        fails: f64,
        down: u32,
    }

    impl Jumps for Alike {
        type State = u32;

        fn fresh(&self) -> u32 {
            0
        }

        fn ways(&self, failed: &u32, ways: &mut Vec<Jump>) {
            let jump = |way, number: u32, rate: f64, what| Jump { way, rate: f64::from(number) * rate, what };
            ways.push(jump(0, self.parts - failed, self.fails, Move::Fails));
            if *failed > 0 {
                ways.push(jump(1, *failed, 1.0, Move::Mends));
            }
        }

        fn jump(&self, failed: &mut u32, way: u64) {
            *failed = if way == 0 { *failed + 1 } else { *failed - 1 };
        }

        fn is_down(&self, failed: &u32) -> bool {
            *failed >= self.down
        }
    }

    const SURE: Confidence = Confidence::new(0.999).unwrap();

    #[test]
    fn rare_downtime_is_found_in_its_share() {
        for (parts, fails, down) in [(3, 1e-4, 2), (5, 1e-3, 3), (7, 1e-2, 4), (2, 0.3, 2)] {
            let system = Alike { parts, fails, down };
            let one = fails / (1.0 + fails);
            let chance = |k: i32| {
                let ways = (0..k).fold(1.0, |ways, i| ways * f64::from(parts as i32 - i) / f64::from(i + 1));
                ways * libm::pow(one, f64::from(k)) * libm::pow(1.0 - one, f64::from(parts as i32 - k))
            };
            let truth: f64 = (down as i32..=parts as i32).map(chance).sum();
            let cycles = |nth| Biased::new(&system, Seed(1)).cycles(1_000, nth);
            let found: Vec<(f64, f64)> = (0..50).map(cycles).map(|found| (found.down, found.length)).collect();
            let found = ratio(&found, SURE);
            assert!(found.covers(truth), "{parts} {fails} {down}: {found:?}, not {truth}");
            assert!(found.half_width().unwrap() < 0.1 * truth, "{parts} {fails} {down}: {found:?}");
        }
    }

    /// Short and long missions, rare ones and others.
    #[test]
    fn missions_fail_as_the_chain_says() {
        for (parts, fails, down, length) in
            [(3, 1e-3, 2, 0.5), (3, 1e-3, 2, 30.0), (3, 1e-3, 2, 3_000.0), (5, 1e-2, 3, 200.0), (2, 0.3, 2, 1.0)]
        {
            let system = Alike { parts, fails, down };
            let mut chain = Chain::new(down as usize + 1);
            for failed in 0..down {
                chain.add(failed as usize, failed as usize + 1, f64::from(parts - failed) * fails);
                if failed > 0 {
                    chain.add(failed as usize, failed as usize - 1, f64::from(failed));
                }
            }
            let truth = chain.after(0, length).unwrap().at[down as usize];
            let missions = |nth| Biased::new(&system, Seed(7)).missions(length, 1_000, nth).chance;
            let found = replications(&(0..60).map(missions).collect::<Vec<_>>(), SURE);
            assert!(found.covers(truth), "{parts} {fails} {down} {length}: {found:?}, not {truth}");
            assert!(found.half_width().unwrap() < 0.15 * truth, "{parts} {fails} {down} {length}: {found:?} {truth}");
        }
    }

    /// As many as plain missions have where those can be made, and of those that hardly ever have any as many as renewal
    /// theory says.
    #[test]
    fn events_of_plain_missions_are_known_though_hardly_any_has_one() {
        let told = |system: &Alike, length| {
            let missions = |nth| Biased::new(system, Seed(7)).missions(length, 1_000, nth).mission_events;
            replications(&(0..60).map(missions).collect::<Vec<_>>(), SURE)
        };
        for (parts, fails, down, length) in [(3, 1e-2, 2, 5.0), (2, 0.3, 2, 1.0), (5, 1e-2, 3, 200.0)] {
            let system = Alike { parts, fails, down };
            let biased = Biased::new(&system, Seed(9));
            let plain: Vec<f64> = (0..20_000).map(|run| biased.plain_mission(length, run).1 as f64).collect();
            let (plain, told) = (replications(&plain, SURE), told(&system, length));
            let (less, more) = (told.lo.unwrap(), told.hi.unwrap());
            assert!(less <= plain.hi.unwrap() && plain.lo.unwrap() <= more, "{parts} {fails}: {told:?} {plain:?}");
            assert!(told.half_width().unwrap() < 0.05 * told.value.unwrap(), "{parts} {fails}: {told:?}");
        }
        // The first failure comes at any time of the mission, and its repair before the end so often.
        let system = Alike { parts: 2, fails: 1e-9, down: 2 };
        let (found, truth) = (told(&system, 1.0), 2e-9 * (1.0 + libm::exp(-1.0)));
        assert!(found.covers(truth) && found.half_width().unwrap() < 0.02 * truth, "{found:?}, not {truth}");
    }
}
