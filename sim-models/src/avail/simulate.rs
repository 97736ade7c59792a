//! The same system as machines that fail and come back, one event after the other, on the kernel's queue and with its
//! dice: what the algebra says of the long run is seen to happen, and what it cannot say is measured.
//!
//! Independent runs of equal length; the interval is Student's t over them, but for causes of which few outages were seen
//! ([`super::causes`]). Each begins at any moment of the long run and not with everything up, which would hide about one repair
//! in each: what is up and down by turns is as far as it is at any moment, by its laws, and groups of machines have run
//! for long enough, each by itself. Where something is never repaired there is no long run, and all begins up and new.
//!
//! Outages share an absence when a part is needed for both, and has been away from the one to the other; those are a cluster.

use std::collections::VecDeque;

use sim_core::queue::Queue;
use sim_core::seed::{mix, name_hash};
use sim_core::{Duration, Histogram, Instant, Ratio, Seed};

use super::assembly::{Component, Law, Structure};
use super::causes::{Cause, Causes, Watched, Why};
use super::group::Group;
use super::life::{Life, Shape, share};
use crate::stats::{Confidence, Estimate};

/// What is simulated, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Simulated seconds in all.
    pub seconds: f64,
    /// Independent runs that share them.
    pub runs: u32,
    /// What all dice follow from.
    pub seed: Seed,
    /// How often an interval is to cover the truth.
    pub confidence: Confidence,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// The share of time down.
    pub down: Estimate,
    /// The share of time down while enough machines were up and another was taking over.
    pub taking_over: Estimate,
    /// Outages per second.
    pub frequency: Estimate,
    /// Runs of the plan that were not made.
    pub left_out: u64,
    /// Outages that were seen to the end.
    pub episodes: u64,
    /// Outages that had not ended when their run did.
    pub unended: u64,
    /// How long they were, in nanoseconds.
    pub lengths: Histogram,
    /// The longest of them, the longest first; at most eight.
    pub longest: Vec<Outage>,
    /// Failures, repairs and takeovers.
    pub events: u64,
    /// How long each run was, in seconds.
    pub run_seconds: f64,
    /// Whether runs began at any moment of the long run; else, since something is never repaired, with everything up and new.
    pub is_settled: bool,
    /// What it would take to know it better.
    better: Better,
}

/// What the years needed are worked out from.
#[derive(Clone, Debug)]
struct Better {
    causes: Causes,
    downs: Vec<f64>,
    watched: Watched,
}

/// An outage that was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    /// When it began, in seconds since the first run began, the runs counted one after the other.
    pub at: f64,
    /// How long it was, in seconds.
    pub seconds: f64,
    /// The components that were down when it began, by their places in the assembly; the one whose failure it was last.
    pub down: Vec<usize>,
}

/// So many of the longest outages are kept.
const LONGEST: usize = 8;

impl Plan {
    /// The longest run whose nanoseconds can be counted, 500 years of 365 days.
    pub const RUN_MAX: f64 = 500.0 * 365.0 * 86_400.0;

    /// So many seconds in a hundred runs, or in as many more as it takes for none to be longer than [`Plan::RUN_MAX`].
    pub fn of(seconds: f64, seed: Seed, confidence: Confidence) -> Plan {
        let runs = (seconds / Plan::RUN_MAX).ceil().max(100.0) as u32;
        Plan { seconds, runs, seed, confidence }
    }
}

impl Simulated {
    /// How many seconds in all would make half the interval such a share of the value; `None` when nothing was seen.
    /// Of a cause of which few outages were seen, half an outage more is taken to have been; of one of which none was
    /// ([`Simulated::unseen`]) that is a guess, and it may take many times as long.
    pub fn seconds_for(&self, share: f64) -> Option<f64> {
        let Better { causes, downs, watched } = &self.better;
        let value = self.down.value.filter(|value| *value > 0.0)?;
        let times = causes.times_for(share * value, downs, *watched)?;
        Some(self.run_seconds * self.down.n as f64 * times).filter(|seconds| seconds.is_finite())
    }

    /// Of how many kinds of outages none was seen, though they may be enough to add such a share to the value.
    pub fn unseen(&self, share: f64) -> usize {
        let Better { causes, watched, .. } = &self.better;
        causes.unseen(share * self.down.value.unwrap_or(0.0), *watched)
    }

    /// The length that such a share of outages do not exceed, in seconds.
    pub fn length(&self, share: Ratio) -> Option<f64> {
        self.lengths.quantile(share).map(|bucket| bucket.middle() as f64 / 1e9)
    }
}

/// Simulates an assembly; `None` when it was not said of every component that can fail how it does.
///
/// ```
/// use sim_core::Seed;
/// use sim_models::avail::{Assembly, Block, Names, Plan, simulate};
/// use sim_models::stats::Confidence;
/// let block = Block::parse("2of3(mtbf=100h/mttr=4h, crews=1)").unwrap();
/// let assembly = Assembly::of(&block, &Names::new()).unwrap();
/// let seen = simulate(&assembly, &Plan::of(3.15e9, Seed(1), Confidence::USUAL)).unwrap();
/// assert!(seen.down.covers(assembly.availability().down), "{:?}", seen.down);
/// ```
pub fn simulate<S: Structure>(assembly: &S, plan: &Plan) -> Option<Simulated> {
    simulate_while(assembly, plan, &|| true)
}

/// The same until somebody wants no further run of it: what those have seen that there were.
pub fn simulate_while<S: Structure>(assembly: &S, plan: &Plan, goes_on: &dyn Fn() -> bool) -> Option<Simulated> {
    let mut simulation = Simulation::new(assembly, plan)?;
    simulation.run_while(assembly, goes_on);
    Some(simulation.seen())
}

/// Runs of one plan, one after the other, so that somebody can look and stop between them, and go on beyond the plan.
#[derive(Debug)]
pub struct Simulation {
    units: Vec<Unit>,
    keys: Vec<u64>,
    run_seconds: f64,
    /// Runs of the plan.
    planned: u32,
    confidence: Confidence,
    /// By component, for how long it has run before; none where runs begin with everything up and new.
    settling: Option<Vec<f64>>,
    down: Vec<f64>,
    taking_over: Vec<f64>,
    starts: Vec<f64>,
    tally: Tally,
}

impl Simulation {
    /// Nothing was run yet; `None` when it was not said of every component that can fail how it does.
    pub fn new<S: Structure>(assembly: &S, plan: &Plan) -> Option<Simulation> {
        Simulation::of(assembly, assembly.components(), assembly.components(), plan)
    }

    /// The same with these components in the places of the assembly's own. Those that stand in the places of `like` run before
    /// for as long as those would, so that what differs in little goes on alike.
    pub(super) fn of<S: Structure>(
        assembly: &S,
        components: &[Component],
        like: &[Component],
        plan: &Plan,
    ) -> Option<Simulation> {
        let units = units(components)?;
        let settling = if components.len() == like.len() { self::units(like)? } else { self::units(components)? };
        let settling = settling.iter().map(Unit::settling).collect();
        let causes = Causes::of(assembly, components, &units);
        let keys = (0..units.len()).map(|unit| plan.seed.key(mix(name_hash("component"), unit as u64))).collect();
        Some(Simulation {
            settling,
            units,
            keys,
            run_seconds: plan.seconds / f64::from(plan.runs.max(1)),
            planned: plan.runs,
            confidence: plan.confidence,
            down: Vec::new(),
            taking_over: Vec::new(),
            starts: Vec::new(),
            tally: Tally { lengths: Histogram::default(), unended: 0, events: 0, longest: Vec::new(), causes },
        })
    }

    /// Runs once more, of the assembly that it was made for.
    pub fn run<S: Structure>(&mut self, assembly: &S) {
        let end = Instant::ZERO + Duration::from_nanos_f64(self.run_seconds * 1e9);
        let mut world = World::new(assembly, &self.units, &self.keys, self.down.len() as u64);
        world.begun = self.down.len() as f64 * self.run_seconds;
        world.start_all(self.settling.as_deref());
        world.run(end, &mut self.tally);
        let all = end.nanos() as f64;
        self.down.push(world.down as f64 / all);
        self.taking_over.push(world.taking_over as f64 / all);
        self.starts.push(world.outages as f64 / self.run_seconds);
        self.tally.causes.run_is_over();
    }

    /// Runs until the plan is over, or somebody wants no further run; whether the plan is over.
    pub(super) fn run_while<S: Structure>(&mut self, assembly: &S, goes_on: &dyn Fn() -> bool) -> bool {
        while self.runs() < self.planned && goes_on() {
            self.run(assembly);
        }
        self.runs() == self.planned
    }

    /// How many runs there were.
    pub fn runs(&self) -> u32 {
        self.down.len() as u32
    }

    /// What was seen so far.
    pub fn seen(&self) -> Simulated {
        let (watched, causes) = (self.watched(), &self.tally.causes);
        Simulated {
            down: causes.down(&self.down, watched),
            taking_over: causes.taking_over(&self.taking_over, watched),
            frequency: causes.frequency(&self.starts, watched),
            left_out: u64::from(self.planned.saturating_sub(self.runs())),
            episodes: self.tally.lengths.count(),
            unended: self.tally.unended,
            lengths: self.tally.lengths.clone(),
            longest: self.tally.longest.clone(),
            events: self.tally.events,
            run_seconds: self.run_seconds,
            is_settled: self.settling.is_some(),
            better: Better { causes: causes.clone(), downs: self.down.clone(), watched },
        }
    }

    fn watched(&self) -> Watched {
        Watched { run_seconds: self.run_seconds, confidence: self.confidence }
    }

    /// By how much the share of time down has grown from another simulation of the same plan.
    pub(super) fn added(&self, before: &Simulation) -> Estimate {
        let added: Vec<f64> = self.down.iter().zip(&before.down).map(|(after, before)| after - before).collect();
        self.tally.causes.added(&before.tally.causes, &added, self.watched())
    }
}

/// A component as it is simulated.
#[derive(Debug)]
pub(super) enum Unit {
    /// It never changes.
    Still(bool),
    /// It is up and down by turns.
    Turns { up: Life, down: Option<Life> },
    /// It is taken down every so many seconds for so many.
    Planned { every: f64, out: f64 },
    /// It is a group of machines, which are up and down for so long. A spare that begins to work begins a new life, but
    /// for one that is hot and has worked all along; where lives are exponential nobody can tell.
    Machines { group: Group, up: Life, down: Option<Life> },
}

impl Unit {
    /// For how many seconds it runs until nothing is left of how it began: ten times what a change takes to be forgotten, at
    /// most, for each machine; where laws remember, ten turns of each. None where it is never repaired.
    fn settling(&self) -> Option<f64> {
        match self {
            Unit::Still(_) | Unit::Planned { .. } => Some(0.0),
            Unit::Turns { up, down } => {
                let down = down.as_ref()?;
                Some(10.0 * if up.is_memoryless() { down.longest() } else { up.mean + down.longest() })
            }
            Unit::Machines { group, up, down } => {
                let (down, turn) = (down.as_ref()?, up.mean + down.as_ref()?.mean);
                let is_memoryless = up.is_memoryless() && down.is_memoryless();
                let each = if is_memoryless { up.mean * (down.mean / turn) } else { turn };
                Some(10.0 * (each * f64::from(group.of) + group.takeover + group.manual))
            }
        }
    }

    /// Why it may be down, and for how many seconds on average.
    pub(super) fn causes(&self) -> Vec<(Why, f64)> {
        match self {
            Unit::Still(_) | Unit::Turns { down: None, .. } => Vec::new(),
            Unit::Turns { down: Some(Life { shape: Shape::Phases(phases), .. }), .. } => {
                let by_hand = (phases.missed > 0.0).then_some((Why::Missing, phases.manual));
                [(Why::Missing, phases.each.iter().sum())]
                    .into_iter()
                    .filter(|(_, mean)| *mean > 0.0)
                    .chain(by_hand)
                    .collect()
            }
            Unit::Turns { down: Some(down), .. } => vec![(Why::Missing, down.mean)],
            Unit::Planned { out, .. } => vec![(Why::Planned, *out)],
            Unit::Machines { group, down, .. } => {
                let takes_over = group.of > group.need && group.active > 0;
                let missing = down.as_ref().map(|down| (Why::Missing, down.mean));
                let taking_over = (takes_over && group.takeover > 0.0).then_some((Why::TakingOver, group.takeover));
                let is_missed = takes_over && group.coverage.down > 0.0 && group.manual > 0.0;
                missing.into_iter().chain(taking_over).chain(is_missed.then_some((Why::ByHand, group.manual))).collect()
            }
        }
    }

    /// How long an outage of it is that is met at a moment, where that hangs on its law; for the memoryless the mean is enough.
    pub(super) fn usual(&self, why: Why, mean: f64) -> f64 {
        match (self, why) {
            (Unit::Turns { down: Some(down), .. } | Unit::Machines { down: Some(down), .. }, Why::Missing) => {
                down.usual().max(mean)
            }
            _ => mean,
        }
    }

    /// Why it is down for want of a repair, and how long one takes on average; in phases, whether people have to come
    /// to this one.
    fn missing(&self, by_hand: bool) -> (Why, f64) {
        match self {
            Unit::Turns { down: Some(Life { shape: Shape::Phases(phases), .. }), .. } if by_hand => {
                (Why::Missing, phases.manual)
            }
            Unit::Turns { down: Some(Life { shape: Shape::Phases(phases), .. }), .. } => {
                (Why::Missing, phases.each.iter().sum())
            }
            Unit::Turns { down: Some(down), .. } | Unit::Machines { down: Some(down), .. } => (Why::Missing, down.mean),
            Unit::Planned { out, .. } => (Why::Planned, *out),
            Unit::Still(_) | Unit::Turns { down: None, .. } | Unit::Machines { down: None, .. } => {
                (Why::Missing, f64::INFINITY)
            }
        }
    }
}

fn units(components: &[Component]) -> Option<Vec<Unit>> {
    let unit = |component: &Component| match (&component.lives, component.law) {
        (Some((up, down)), Some(Law::Group(group))) => {
            Some(Unit::Machines { group, up: up.clone(), down: down.clone() })
        }
        // What takes no time to be repaired is never down.
        (Some((_, Some(down))), _) if down.mean <= 0.0 => Some(Unit::Still(true)),
        (Some((up, down)), _) => Some(Unit::Turns { up: up.clone(), down: down.clone() }),
        (None, Some(Law::Group(group))) => {
            Some(Unit::Machines { group, up: Life::exponential(group.mtbf), down: group.mttr.map(Life::exponential) })
        }
        (None, Some(Law::Planned { every, out })) => Some(Unit::Planned { every, out }),
        (None, _) if component.availability.down == 0.0 => Some(Unit::Still(true)),
        (None, _) if component.availability.up == 0.0 => Some(Unit::Still(false)),
        (None, _) => None,
    };
    components.iter().map(unit).collect()
}

#[derive(Debug)]
struct Tally {
    lengths: Histogram,
    unended: u64,
    events: u64,
    longest: Vec<Outage>,
    causes: Causes,
}

impl Tally {
    fn outage(&mut self, began: f64, length: Duration, down: &[usize]) {
        self.lengths.record(length.nanos());
        let seconds = length.as_secs_f64();
        if self.longest.len() == LONGEST && self.longest.last().is_some_and(|least| least.seconds >= seconds) {
            return;
        }
        let place = self.longest.partition_point(|known| known.seconds >= seconds);
        self.longest.insert(place, Outage { at: began, seconds, down: down.to_vec() });
        self.longest.truncate(LONGEST);
    }
}

#[derive(Clone, Copy, Debug)]
struct Happening {
    component: u32,
    machine: u32,
    /// The number of what was planned with it; an older plan was given up.
    plan: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Fails,
    Repaired,
    TakenOver,
    DoneByHand,
}

/// One run.
struct World<'a, S> {
    assembly: &'a S,
    units: &'a [Unit],
    keys: &'a [u64],
    run: u64,
    queue: Queue<Happening>,
    now: Instant,
    /// By component, whether it is up; and whether it would be if takeovers took no time.
    ups: Vec<bool>,
    enough: Vec<bool>,
    /// How many dice each component has cast for each of its machines.
    cast: Vec<Vec<u64>>,
    groups: Vec<Option<Crew>>,
    is_up: bool,
    since: Instant,
    /// Why it is down.
    cause: Option<Reason>,
    /// By component, while it is away, to which clusters that belongs: of outages by a cause, and of all.
    ties: Vec<Vec<(Option<Cause>, usize)>>,
    /// What each cluster of this run has come to, in seconds or in outages; nothing yet of one that was not over.
    clusters: Vec<Option<f64>>,
    /// Whether it was seen to go down.
    is_whole: bool,
    /// By component, whether people have to end an outage of it that goes through phases.
    by_hand: Vec<bool>,
    /// What was down when it went down, the last one being what happened then.
    because: Vec<usize>,
    /// Seconds of all runs before this one.
    begun: f64,
    /// Nanoseconds.
    down: u64,
    taking_over: u64,
    outages: u64,
}

/// Why it has been down.
#[derive(Clone, Copy, Debug)]
struct Reason {
    why: Why,
    /// How long the first of what can end it takes on average.
    mean: f64,
    since: Instant,
    cluster: usize,
}

/// A group while it runs.
struct Crew {
    machines: Vec<Machine>,
    waiting: VecDeque<u32>,
    repairing: u32,
    working: bool,
    /// Whether a takeover did not succeed, while it is not working.
    missed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Machine {
    is_up: bool,
    is_active: bool,
    plan: u32,
}

impl<'a, S: Structure> World<'a, S> {
    fn new(assembly: &'a S, units: &'a [Unit], keys: &'a [u64], run: u64) -> World<'a, S> {
        let crew = |unit: &Unit| match unit {
            Unit::Machines { group, .. } => Some(Crew {
                machines: vec![Machine { is_up: true, is_active: false, plan: 0 }; group.of as usize],
                waiting: VecDeque::new(),
                repairing: 0,
                working: true,
                missed: false,
            }),
            Unit::Still(_) | Unit::Turns { .. } | Unit::Planned { .. } => None,
        };
        let machines = |unit: &Unit| match unit {
            Unit::Machines { group, .. } => group.of as usize + 1,
            Unit::Still(_) | Unit::Turns { .. } | Unit::Planned { .. } => 1,
        };
        let ups: Vec<bool> = units.iter().map(|unit| !matches!(unit, Unit::Still(false))).collect();
        World {
            assembly,
            units,
            keys,
            run,
            queue: Queue::new(),
            now: Instant::ZERO,
            enough: ups.clone(),
            cast: units.iter().map(|unit| vec![0; machines(unit)]).collect(),
            groups: units.iter().map(crew).collect(),
            is_up: assembly.is_up(&ups),
            ups,
            since: Instant::ZERO,
            cause: None,
            ties: vec![Vec::new(); units.len()],
            clusters: Vec::new(),
            is_whole: false,
            by_hand: vec![false; units.len()],
            because: Vec::new(),
            begun: 0.0,
            down: 0,
            taking_over: 0,
            outages: 0,
        }
    }

    /// Everything is as it is at any moment of the long run, of which so much was before; or up and new.
    fn start_all(&mut self, settling: Option<&[f64]>) {
        let units = self.units;
        for component in 0..units.len() {
            match (&units[component], settling.map(|all| all[component])) {
                (Unit::Still(_), _) => {}
                (Unit::Turns { up, down: Some(down) }, Some(before)) => self.start_turn(component, up, down, before),
                (Unit::Turns { up, .. }, _) => self.plan(component, 0, 0, What::Fails, up),
                (Unit::Planned { every, out }, _) => self.start_windows(component, *every, *out),
                (Unit::Machines { group, up, down: Some(down) }, Some(before)) => {
                    // Where laws remember, up to a turn more, so that it is met at any moment of one.
                    let later = share(self.die(component, group.of as usize)) * (up.mean + down.mean);
                    let later = if up.is_memoryless() { 0.0 } else { later };
                    self.start_machines(component, *group, before + later);
                }
                (Unit::Machines { group, .. }, _) => self.start(component, *group),
            }
        }
        self.is_up = self.assembly.is_up(&self.ups);
    }

    /// At any moment of a period.
    fn start_windows(&mut self, component: usize, every: f64, out: f64) {
        let next = every * share(self.die(component, 0));
        // The window before may be under way.
        let left = next - (every - out);
        if left > 0.0 {
            (self.ups[component], self.enough[component]) = (false, false);
            self.plan_in(component, What::Repaired, left);
        } else {
            self.plan_in(component, What::Fails, next);
        }
    }

    /// At any moment of its turns. An outage in phases takes its turns before the run, so that it is the same one whatever
    /// phases it has.
    fn start_turn(&mut self, component: usize, up: &Life, down: &Life, before: f64) {
        if matches!(down.shape, Shape::Phases(_)) {
            return self.start_phases(component, up, down, before);
        }
        let die = self.die(component, 0);
        let is_up = share(die) * (up.mean + down.mean) < up.mean;
        let rest = if is_up { up } else { down }.rest(die);
        (self.ups[component], self.enough[component]) = (is_up, is_up);
        self.plan_length(component, 0, 0, if is_up { What::Fails } else { What::Repaired }, rest);
    }

    fn start_phases(&mut self, component: usize, up: &Life, down: &Life, before: f64) {
        let begin = Duration::from_nanos_f64(before.min(Plan::RUN_MAX) * 1e9);
        let (mut gone, mut is_up) = (Duration::ZERO, true);
        loop {
            let die = self.die(component, 0);
            let life = if is_up { up } else { down };
            gone = gone.saturating_add(life.sample(die));
            if gone > begin {
                (self.ups[component], self.enough[component]) = (is_up, is_up);
                self.by_hand[component] = life.is_by_hand(die);
                let what = if is_up { What::Fails } else { What::Repaired };
                return self.plan_length(component, 0, 0, what, Duration::from_nanos(gone.nanos() - begin.nanos()));
            }
            is_up = !is_up;
        }
    }

    /// A group has run alone for so many seconds, from everything up.
    fn start_machines(&mut self, component: usize, group: Group, before: f64) {
        let others = std::mem::take(&mut self.queue);
        let end = Instant::ZERO + Duration::from_nanos_f64(1e9 * before.min(Plan::RUN_MAX));
        self.start(component, group);
        while let Some((at, happening)) = self.queue.pop_before(end) {
            if self.is_planned(&happening) {
                self.now = at;
                self.change(component, group, happening);
            }
        }
        self.now = Instant::ZERO;
        let mut left = std::mem::replace(&mut self.queue, others);
        while let Some((at, happening)) = left.pop_before(Instant::NEVER) {
            self.queue.push(Instant::ZERO + at.since(end), happening);
        }
    }

    fn run(&mut self, end: Instant, tally: &mut Tally) {
        if !self.is_up {
            self.look_why(tally);
        }
        while let Some((at, happening)) = self.queue.pop_before(end) {
            let component = happening.component as usize;
            let happened = match &self.units[component] {
                Unit::Still(_) => false,
                Unit::Turns { up, down } => {
                    self.advance(at);
                    self.turn(component, happening.what, up, down.as_ref())
                }
                Unit::Planned { every, out } => {
                    self.advance(at);
                    self.window(component, happening.what, *every, *out)
                }
                Unit::Machines { group, .. } => {
                    self.is_planned(&happening) && {
                        self.advance(at);
                        self.change(component, *group, happening)
                    }
                }
            };
            if happened {
                tally.events += 1;
                self.look(component, tally);
            }
        }
        self.advance(end);
        self.cause_ends(tally);
        tally.unended += u64::from(!self.is_up);
    }

    fn cause_ends(&mut self, tally: &mut Tally) {
        if let Some(Reason { why, mean, since, cluster }) = self.cause.take() {
            let seconds = self.now.since(since).as_secs_f64();
            tally.causes.add(why, mean, self.grows(cluster, seconds), seconds);
        }
    }

    /// A cluster comes to more; what it came to before.
    fn grows(&mut self, cluster: usize, by: f64) -> Option<f64> {
        let before = self.clusters[cluster];
        self.clusters[cluster] = Some(before.unwrap_or(0.0) + by);
        before
    }

    /// The cluster of an outage that begins now: that of others, by the same cause, which needed something that has been away
    /// since; else one of its own.
    fn cluster(&mut self, cause: Option<Cause>) -> usize {
        let needed = self.needed();
        let tied = |at: &usize| self.ties[*at].iter().find(|(of, _)| *of == cause).map(|(_, cluster)| *cluster);
        let known = needed.iter().find_map(tied);
        let cluster = known.unwrap_or(self.clusters.len());
        if known.is_none() {
            self.clusters.push(None);
        }
        for at in needed {
            if !self.ties[at].contains(&(cause, cluster)) {
                self.ties[at].push((cause, cluster));
            }
        }
        cluster
    }

    /// Of what is away as much as keeps the whole down, given back one by one, the fastest first: the slowest that do.
    fn needed(&self) -> Vec<usize> {
        let away = (0..self.ups.len()).filter(|at| !self.ups[*at]);
        let mut away: Vec<(usize, f64)> = away.map(|at| (at, self.units[at].missing(self.by_hand[at]).1)).collect();
        if away.len() > 1 {
            away.sort_by(|one, two| one.1.total_cmp(&two.1));
            let mut ups = self.ups.clone();
            away.retain(|(at, _)| {
                ups[*at] = true;
                ups[*at] = !self.assembly.is_up(&ups);
                !ups[*at]
            });
        }
        away.into_iter().map(|(at, _)| at).collect()
    }

    /// Sees why it is down now, and whether that is new.
    fn look_why(&mut self, tally: &mut Tally) {
        let taking_over = self.assembly.is_up(&self.enough).then(|| self.taking_over_now()).flatten();
        let is_same = self.cause.is_some_and(|Reason { why, .. }| match taking_over {
            Some((now, _)) => now == why,
            None => matches!(why, Why::Missing | Why::Planned),
        });
        if !is_same {
            self.cause_ends(tally);
            let (why, mean) = taking_over.unwrap_or_else(|| self.missing_now());
            let cluster = self.cluster(Some(Cause::of(why, mean)));
            self.cause = Some(Reason { why, mean, since: self.now, cluster });
        }
    }

    /// What of that takes longest: a takeover, or people who have to come.
    fn taking_over_now(&self) -> Option<(Why, f64)> {
        let all = self.units.iter().zip(&self.groups).enumerate();
        let under_way = all.filter(|(at, _)| self.enough[*at] && !self.ups[*at]).filter_map(|(_, of)| match of {
            (Unit::Machines { group, .. }, Some(Crew { missed: true, .. })) => Some((Why::ByHand, group.manual)),
            (Unit::Machines { group, .. }, Some(_)) => Some((Why::TakingOver, group.takeover)),
            (Unit::Still(_) | Unit::Turns { .. } | Unit::Planned { .. } | Unit::Machines { .. }, _) => None,
        });
        under_way.max_by(|one, two| (one.0, one.1).partial_cmp(&(two.0, two.1)).unwrap_or(std::cmp::Ordering::Equal))
    }

    /// The fastest to be repaired of what would bring it back by itself; where nothing would, the slowest of all.
    fn missing_now(&mut self) -> (Why, f64) {
        let (mut fastest, mut slowest) = (None::<(Why, f64)>, (Why::Missing, 0.0));
        for at in 0..self.ups.len() {
            if self.enough[at] {
                continue;
            }
            let missing = self.units[at].missing(self.by_hand[at]);
            self.enough[at] = true;
            let ends_it = self.assembly.is_up(&self.enough);
            self.enough[at] = false;
            if ends_it && fastest.is_none_or(|(_, mean)| missing.1 < mean) {
                fastest = Some(missing);
            }
            if missing.1 > slowest.1 {
                slowest = missing;
            }
        }
        fastest.unwrap_or(slowest)
    }

    /// Counts the time since the last change.
    fn advance(&mut self, to: Instant) {
        let gone = to.since(self.now).nanos();
        self.now = to;
        if !self.is_up {
            self.down += gone;
            if self.assembly.is_up(&self.enough) {
                self.taking_over += gone;
            }
        }
    }

    /// Sees whether the whole went down or came back.
    fn look(&mut self, component: usize, tally: &mut Tally) {
        if self.ups[component] {
            self.ties[component].clear();
        }
        let is_up = self.assembly.is_up(&self.ups);
        match (self.is_up, is_up) {
            (true, false) => {
                (self.since, self.outages, self.is_whole) = (self.now, self.outages + 1, true);
                let cluster = self.cluster(None);
                tally.causes.goes_down(self.grows(cluster, 1.0));
                self.because.clear();
                self.because.extend((0..self.ups.len()).filter(|at| !self.ups[*at] && *at != component));
                self.because.push(component);
            }
            // Of one that was there before the run nobody knows how long it was.
            (false, true) if self.is_whole => {
                let began = self.begun + self.since.since(Instant::ZERO).as_secs_f64();
                tally.outage(began, self.now.since(self.since), &self.because);
            }
            (true, true) | (false, _) => {}
        }
        if is_up {
            self.cause_ends(tally);
        } else {
            self.look_why(tally);
        }
        self.is_up = is_up;
    }

    /// A die that belongs to the machine, its run, and how many it has cast there.
    fn die(&mut self, component: usize, machine: usize) -> u64 {
        let cast = &mut self.cast[component][machine];
        *cast += 1;
        mix(self.keys[component], mix(mix(self.run, machine as u64), *cast))
    }

    fn plan(&mut self, component: usize, machine: usize, plan: u32, what: What, life: &Life) {
        let length = life.sample(self.die(component, machine));
        self.plan_length(component, machine, plan, what, length);
    }

    fn plan_length(&mut self, component: usize, machine: usize, plan: u32, what: What, length: Duration) {
        let happening = Happening { component: component as u32, machine: machine as u32, plan, what };
        self.queue.push(self.now + length, happening);
    }

    fn plan_in(&mut self, component: usize, what: What, seconds: f64) {
        let happening = Happening { component: component as u32, machine: 0, plan: 0, what };
        self.queue.push(self.now + Duration::from_nanos_f64(seconds * 1e9), happening);
    }

    fn window(&mut self, component: usize, what: What, every: f64, out: f64) -> bool {
        let begins = what == What::Fails;
        (self.ups[component], self.enough[component]) = (!begins, !begins);
        if begins {
            self.plan_in(component, What::Repaired, out);
        } else {
            self.plan_in(component, What::Fails, every - out);
        }
        true
    }

    fn turn(&mut self, component: usize, what: What, up: &Life, down: Option<&Life>) -> bool {
        let fails = what == What::Fails;
        (self.ups[component], self.enough[component]) = (!fails, !fails);
        match (fails, down) {
            (true, Some(down)) => {
                let die = self.die(component, 0);
                self.by_hand[component] = down.is_by_hand(die);
                self.plan_length(component, 0, 0, What::Repaired, down.sample(die));
            }
            (true, None) => {}
            (false, _) => self.plan(component, 0, 0, What::Fails, up),
        }
        true
    }

    fn is_planned(&self, happening: &Happening) -> bool {
        let Some(crew) = &self.groups[happening.component as usize] else { return false };
        crew.machines.get(happening.machine as usize).is_none_or(|machine| machine.plan == happening.plan)
    }

    fn change(&mut self, component: usize, group: Group, happening: Happening) -> bool {
        let machine = happening.machine as usize;
        match happening.what {
            What::Fails => self.machine_fails(component, group, machine),
            What::Repaired => self.machine_is_repaired(component, group, machine),
            What::TakenOver => self.take_over(component, group),
            What::DoneByHand => self.set_working(component, true),
        }
        self.assign(component, group);
        let Some(crew) = &self.groups[component] else { return false };
        let enough = crew.machines.iter().filter(|machine| machine.is_up).count() >= group.need as usize;
        (self.enough[component], self.ups[component]) = (enough, enough && crew.working);
        true
    }

    fn set_working(&mut self, component: usize, working: bool) {
        if let Some(crew) = &mut self.groups[component] {
            crew.working = working;
        }
    }

    fn machine_fails(&mut self, component: usize, group: Group, machine: usize) {
        let Some(crew) = &mut self.groups[component] else { return };
        let up = crew.machines.iter().filter(|machine| machine.is_up).count();
        let was_active = crew.machines[machine].is_active;
        let plan = crew.machines[machine].plan + 1;
        crew.machines[machine] = Machine { is_up: false, is_active: false, plan };
        let takes_over = was_active && crew.working && up > group.need as usize;
        crew.waiting.push_back(machine as u32);
        self.repair_next(component, group);
        if takes_over && group.takeover > 0.0 {
            self.set_working(component, false);
            if let Some(crew) = &mut self.groups[component] {
                crew.missed = false;
            }
            self.plan(component, group.of as usize, 0, What::TakenOver, &Life::exponential(group.takeover));
        } else if takes_over {
            self.take_over(component, group);
        }
    }

    /// A takeover ends: well, or in the hands of people.
    fn take_over(&mut self, component: usize, group: Group) {
        let keeper = group.of as usize;
        let bits = if group.coverage.down > 0.0 { self.die(component, keeper) } else { 0 };
        let missed = ((bits >> 11) as f64) < group.coverage.down * (1u64 << 53) as f64 && group.coverage.down > 0.0;
        self.set_working(component, !missed);
        if let Some(crew) = &mut self.groups[component] {
            crew.missed = missed;
        }
        if missed {
            self.plan(component, keeper, 0, What::DoneByHand, &Life::exponential(group.manual));
        }
    }

    fn machine_is_repaired(&mut self, component: usize, group: Group, machine: usize) {
        let Some(crew) = &mut self.groups[component] else { return };
        crew.repairing -= 1;
        crew.machines[machine] = Machine { is_up: true, is_active: false, plan: crew.machines[machine].plan + 1 };
        self.age(component, machine, group.spare);
        self.repair_next(component, group);
    }

    fn repair_next(&mut self, component: usize, group: Group) {
        let units = self.units;
        let Unit::Machines { down: Some(down), .. } = &units[component] else { return };
        let Some(crew) = &mut self.groups[component] else { return };
        if crew.repairing >= group.crews {
            return;
        }
        let Some(machine) = crew.waiting.pop_front() else { return };
        crew.repairing += 1;
        let plan = crew.machines[machine as usize].plan;
        self.plan(component, machine as usize, plan, What::Repaired, down);
    }

    /// All machines are up; the first ones work, the others are spares from the beginning.
    fn start(&mut self, component: usize, group: Group) {
        if self.lives_on(component) {
            (0..group.of).for_each(|machine| self.age(component, machine as usize, 1.0));
            return self.assign(component, group);
        }
        self.assign(component, group);
        (group.active.min(group.of)..group.of).for_each(|spare| self.age(component, spare as usize, group.spare));
    }

    /// Whether a spare of it that begins to work goes on with the life that it had.
    fn lives_on(&self, component: usize) -> bool {
        let units = self.units;
        let Unit::Machines { group, up, .. } = &units[component] else { return false };
        group.spare == 1.0 && up.shape != Shape::Exponential
    }

    /// As many as are to work do, the first ones that are up.
    fn assign(&mut self, component: usize, group: Group) {
        let lives_on = self.lives_on(component);
        loop {
            let Some(crew) = &mut self.groups[component] else { return };
            let active = crew.machines.iter().filter(|machine| machine.is_active).count();
            let spare = crew.machines.iter().position(|machine| machine.is_up && !machine.is_active);
            let Some(machine) = spare.filter(|_| active < group.active as usize) else { break };
            crew.machines[machine].is_active = true;
            if !lives_on {
                crew.machines[machine].plan += 1;
                self.age(component, machine, 1.0);
            }
        }
    }

    /// A machine is up from now, and fails at such a share of the rate of those that work.
    fn age(&mut self, component: usize, machine: usize, share: f64) {
        let (Some(crew), Unit::Machines { up, .. }) = (&self.groups[component], &self.units[component]) else { return };
        let plan = crew.machines[machine].plan;
        if share > 0.0 {
            let life = Life { mean: up.mean / share, shape: up.shape.clone() };
            self.plan(component, machine, plan, What::Fails, &life);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::{Block, Drawn, Names};

    fn seen(text: &str, years: f64) -> Simulated {
        let drawn = Drawn::of(&Block::parse(text).unwrap(), &Names::new()).unwrap();
        let plan = Plan::of(years * 365.0 * 86_400.0, Seed(1), Confidence::new(0.999).unwrap());
        simulate(&drawn, &plan).unwrap()
    }

    /// What the algebra has no form for is simulated; where it has one, it is the same.
    #[test]
    fn machines_of_any_law_share_crews_and_wait_as_spares() {
        let exponential = seen("1of2(mtbf=30h/mttr=9h, crews=1, standby=cold)", 100.0);
        let weibull = seen("1of2(mtbf=30h/mttr=9h/fails=weibull:1/repairs=weibull:1, crews=1, standby=cold)", 100.0);
        assert_eq!(exponential.down.value, weibull.down.value, "Weibull's law with shape 1 is exponential");
        // A crew for each, hot: parts of their own, of which the algebra asks for means only.
        let hot = seen("2of3(mtbf=30h/mttr=1h/fails=weibull:0.7, crews=3)", 300.0);
        let (up, down): (f64, f64) = (30.0 / 31.0, 1.0 / 31.0);
        let exact = 3.0 * down * down * up + down * down * down;
        assert!(hot.down.covers(exact) && hot.down.half_width().unwrap() < 0.1 * exact, "{:?} {exact}", hot.down);
        // A cold spare is down when its life is over before the other one's repair, which lives of one length seldom
        // are.
        let one = seen("1of2(mtbf=30h/fixed=30h/fails=weibull:10, standby=cold)", 50.0);
        let plain = seen("1of2(mtbf=30h/mttr=30h, standby=cold)", 50.0);
        assert!(one.down.hi.unwrap() < plain.down.lo.unwrap(), "{one:?} {plain:?}");
    }

    const YEAR: f64 = 365.0 * 86_400.0;

    /// Of so many seeds, how many 95 % intervals of so many years lie above the algebra, hold it, and lie below it; and
    /// how wide half of them are on average, as a share of it. Also how many of Student's over runs alone hold it.
    fn coverage(text: &str, years: f64, seeds: u64) -> ([u64; 3], f64, u64) {
        let block = Block::parse(text).unwrap();
        let (drawn, exact) =
            (Drawn::of(&block, &Names::new()).unwrap(), crate::avail::Assembly::of(&block, &Names::new()));
        let down = exact.unwrap().availability().down;
        let (mut sides, mut halves, mut students) = ([0; 3], 0.0, 0);
        for seed in 0..seeds {
            let seen = simulate(&drawn, &Plan::of(years * YEAR, Seed(1_000 + seed), Confidence::USUAL)).unwrap();
            let (lo, hi) = (seen.down.lo.unwrap(), seen.down.hi.unwrap());
            let side = if lo > down { 0 } else { 1 + usize::from(hi < down) };
            sides[side] += 1;
            halves += seen.down.half_width().unwrap() / down / seeds as f64;
            students += u64::from(crate::stats::replications(&seen.better.downs, Confidence::USUAL).covers(down));
        }
        // The figures of docs/validation.md, for whoever runs this with --nocapture.
        println!("{text}, {years} years: {sides:?} of {seeds}, ±{:.1} %; Student's {students}", halves * 100.0);
        (sides, halves, students)
    }

    /// Takeovers every month that take seconds, and too few left once in 1,775 years, for an hour.
    const HIDDEN: &str = "2of4(mtbf=30d/mttr=1h, crews=1, active=1, failover=1800ms)";
    const BETWEEN: f64 = 1_775.0;

    /// At least as many as all but one in ten thousand would have of 95 %.
    fn at_least(seeds: u64) -> u64 {
        crate::stats::laws::binomial_quantile(1e-4, seeds, 0.95)
    }

    #[test]
    fn intervals_say_what_few_outages_of_a_rare_cause_allow() {
        for (seen, seeds) in [(0.05, 100), (1.0, 60), (3.0, 20)] {
            let (sides, ..) = coverage(HIDDEN, seen * BETWEEN, seeds);
            assert!(sides[1] >= at_least(seeds), "{seen} on average: {sides:?}");
        }
    }

    /// One that comes and goes every day beside one that is away for ten days: all outages of an absence come together.
    const CLUSTERED: [(&str, f64); 2] =
        [("mtbf=1d/mttr=1m | mtbf=10y/mttr=10d", 50.0), ("mtbf=1h/mttr=1m | mtbf=2y/mttr=4d", 10.0)];

    #[test]
    fn outages_that_share_an_absence_are_one_cluster() {
        for (text, years) in CLUSTERED {
            let (sides, ..) = coverage(text, years, 40);
            assert!(sides[1] >= at_least(40), "{text}: {sides:?}");
        }
        // Each of its windows has a dozen outages, and there are hundreds of windows; outages of parts that stand alone do
        // not come together, and count one by one.
        let seen = seen("mtbf=100h/mttr=1h * mtbf=90h/mttr=1h", 0.5);
        assert_eq!(seen.frequency.method, crate::stats::Method::Poisson);
    }

    /// A hundred runs of a day each, of what is down every other hundred days.
    #[test]
    fn a_run_begins_at_any_moment_of_the_long_run() {
        for text in [
            "mtbf=100d/mttr=100d",
            "mtbf=100d/fixed=100d/fails=weibull:3",
            "mtbf=100d/mttr=100d/repairs=lognormal:1",
            "window=50d/every=100d",
            "1of2(mtbf=100d/mttr=200d, crews=1)",
            "1of2(mtbf=100d/mttr=50d, crews=1, standby=cold, failover=10d, coverage=50%, manual=100d)",
        ] {
            let block = Block::parse(text).unwrap();
            let down = crate::avail::Assembly::of(&block, &Names::new()).unwrap().availability().down;
            let seen = seen(text, 100.0 / 365.0);
            assert!(seen.down.covers(down) && seen.down.half_width().unwrap() < 0.3, "{text}: {:?}, {down}", seen.down);
        }
        // Of what is never repaired there is none, and all begin up.
        let seen = seen("mtbf=100d", 100.0 / 365.0);
        assert!(!seen.is_settled && seen.down.value.unwrap() < 0.02, "{:?}", seen.down);
        assert_eq!(seen.seconds_for(0.05).filter(|seconds| !seconds.is_finite()), None);
    }

    /// Machines of any law, or parts in turns: the same share whatever the length of a run.
    #[test]
    fn short_runs_and_long_ones_are_down_for_the_same_share() {
        for text in [
            "1of2(mtbf=30h/fixed=9h, crews=1)",
            "2of3(mtbf=30h/mttr=9h/fails=weibull:0.7, crews=1, active=2, failover=1h)",
            "2of3(mtbf=30h/mttr=3h, beta=10%)",
        ] {
            let drawn = Drawn::of(&Block::parse(text).unwrap(), &Names::new()).unwrap();
            let of = |runs| {
                let plan =
                    Plan { seconds: 20.0 * YEAR, runs, seed: Seed(4), confidence: Confidence::new(0.999).unwrap() };
                simulate(&drawn, &plan).unwrap().down
            };
            let (short, long) = (of(8_000), of(100));
            assert!(
                short.covers(long.value.unwrap()) || long.covers(short.value.unwrap()),
                "{text}: {short:?} {long:?}"
            );
            assert!(short.half_width().unwrap() < 0.1 * short.value.unwrap(), "{text}: {short:?}");
        }
    }

    /// A hundred runs of hours, in which two windows begin in three of the shortest, and ten in all of the longest: often
    /// none does, though one may be under way.
    #[test]
    fn few_windows_are_known_as_well_as_they_are_seen() {
        const MONTH: f64 = 30.0 * 86_400.0;
        let drawn = Drawn::of(&Block::parse("window=2h/every=30d").unwrap(), &Names::new()).unwrap();
        for days in [20.0, 100.0, 150.0, 300.0] {
            let mut held = [0; 2];
            for seed in 0..300 {
                let seen = simulate(&drawn, &Plan::of(days * 86_400.0, Seed(seed), Confidence::USUAL)).unwrap();
                held[0] += u64::from(seen.frequency.covers(1.0 / MONTH));
                held[1] += u64::from(seen.down.covers(7_200.0 / MONTH));
                assert!([seen.down.lo, seen.frequency.lo].iter().flatten().all(|lo| *lo >= 0.0), "{seen:?}");
            }
            assert!(held.iter().all(|held| *held >= at_least(300)), "{days} days: {held:?} of 300");
        }
    }

    #[test]
    fn what_had_not_ended_is_told() {
        let seen = seen("mtbf=100y", 1_000.0);
        assert!(seen.episodes == 0 && seen.unended > 0 && seen.unended <= 100, "{seen:?}");
    }

    /// Whoever stops it has what there was until then.
    #[test]
    fn a_simulation_goes_on_while_it_is_wanted() {
        let drawn = Drawn::of(&Block::parse("mtbf=30d/mttr=1h").unwrap(), &Names::new()).unwrap();
        let plan = Plan::of(100.0 * YEAR, Seed(1), Confidence::USUAL);
        let left = std::cell::Cell::new(37);
        let goes_on = || left.replace(left.get() - 1) > 0;
        let seen = simulate_while(&drawn, &plan, &goes_on).unwrap();
        assert_eq!((seen.down.n, seen.left_out), (37, 63));
        let all = simulate(&drawn, &plan).unwrap();
        assert_eq!((all.down.n, all.left_out), (100, 0));
    }

    #[test]
    #[ignore = "a quarter of an hour of processor time"]
    fn long_intervals_cover_as_often_as_they_say() {
        let hidden = [0.05, 1.0, 3.0, 10.0, 30.0].map(|seen| (HIDDEN, seen * BETWEEN));
        let ordinary = [
            ("2of3(mtbf=100h/mttr=4h, crews=1)", 1.0),
            ("2of3(mtbf=100h/mttr=4h, crews=1)", 10.0),
            ("2of3(mtbf=100h/mttr=4h, crews=1)", 100.0),
            ("2of3(mtbf=100h/mttr=4h, crews=3)", 30.0),
            ("mtbf=1000h/mttr=1h * mtbf=500h/mttr=2h * mtbf=2000h/mttr=10h", 3.0),
            ("mtbf=1000h/mttr=1h * mtbf=500h/mttr=2h * mtbf=2000h/mttr=10h", 100.0),
            ("mtbf=30d/mttr=1m * mtbf=100y/mttr=10d", 10.0),
            ("mtbf=30d/mttr=1m * mtbf=100y/mttr=10d", 300.0),
            ("mtbf=1d/mttr=1m | mtbf=100d/mttr=10d", 50.0),
            ("mtbf=1d/mttr=1m | mtbf=100d/mttr=10d", 100.0),
            ("mtbf=1d/mttr=1m | mtbf=10y/mttr=10d", 20.0),
            ("mtbf=1d/mttr=1m | mtbf=10y/mttr=10d", 200.0),
            ("mtbf=1h/mttr=1m | mtbf=10y/mttr=10d", 10.0),
            ("mtbf=1d/mttr=1h | mtbf=2y/mttr=2y", 5.0),
            ("window=2h/every=100h | mtbf=1h/mttr=1m", 2.0),
            ("1of2(mtbf=100h/mttr=4h, standby=cold)", 3.0),
            ("1of2(mtbf=100h/mttr=4h, standby=cold)", 100.0),
            ("1of2(mtbf=30d/mttr=1h, detect=30s, failover=60s, coverage=98%, manual=2h)", 30.0),
            ("1of2(mtbf=30d/mttr=1h, detect=30s, failover=60s, coverage=98%, manual=2h)", 1_000.0),
            ("mtbf=30d/detect=30s/failover=60s/coverage=98%/manual=2h", 30.0),
            ("2of3(mtbf=99h/mttr=1h, beta=10%)", 10.0),
            ("2of3(mtbf=99h/mttr=1h, beta=10%)", 300.0),
            ("window=2h/every=100h * 2of3(mtbf=99h/mttr=1h)", 30.0),
            ("2of3(mtbf=100h/fixed=8h)", 100.0),
            ("mtbf=100h/mttr=8h/fails=weibull:0.7/repairs=lognormal:1", 10.0),
        ];
        for (text, years) in hidden.into_iter().chain(ordinary) {
            let (sides, ..) = coverage(text, years, 400);
            assert!(sides[1] >= at_least(400), "{text}, {years} years: {sides:?}");
        }
    }
}
