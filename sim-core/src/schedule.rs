//! The faults of a system as a plan for one run: a sorted list with a cursor.
//!
//! Faults are not events in the queue: they go first at their instant, and what repeats is unrolled only as far as time has come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::burst::Burst;
use crate::context::{Denial, Pest};
use crate::dice::{Addressee, Dice, Group, Ruling};
use crate::dist::Dist;
use crate::fault::{
    Decision, Disk, Fault, FaultError, Flight, Jam, Nodes, Pace, Ruling as Said, Sides, Target, Timed, Trigger, Value,
    Verb, When,
};
use crate::id::NodeId;
use crate::names::Names;
use crate::network::{Disturbance, Members, Reach, Split};
use crate::pattern::{Called, Label, Name, Pattern};
use crate::plight::{Ailment, Harm};
use crate::ratio::Ratio;
use crate::roles::Roles;
use crate::seed::{Cause, Operation, Purpose, mix, name_hash};
use crate::time::{Duration, Instant};
use crate::tripwire::{Point, Tripped, Tripwire, Tripwires};

const GAP: Purpose = Purpose::new("gap");
const LENGTH: Purpose = Purpose::new("length");
const PICK: Purpose = Purpose::new("pick");
const HARM: Purpose = Purpose::new("harm");
const COUNT: Purpose = Purpose::new("count");
const CLOGGED: Purpose = Purpose::new("clogged");
const LET_GO: Purpose = Purpose::new("let go");

/// What a fault does to nodes while it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Crash,
    CrashWiping,
    CrashSwapping,
    PowerLoss,
    /// It is asked to stop, within that long or what the node says.
    Stop(Option<Duration>),
    /// It is asked to stop, and starts again at once.
    Recycle(Recycle),
    /// So many of them are there while it holds, the first ones.
    Scale(u32),
    /// It stays up, and something ails it.
    Ails(Ailment),
}

/// With which program a node starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recycle {
    Same,
    /// The version with this hash of its name.
    To(u64),
    /// The one it had before.
    Back,
}

/// One fault, ready to run.
#[derive(Clone, Debug)]
struct Planned {
    /// Its place in the schedule as written.
    fault: u32,
    /// The root of its dice: verb and targets, and the how-manieth of those.
    lineage: u64,
    begin: Instant,
    end: Instant,
    every: Option<Pace>,
    length: Option<Pace>,
    /// The nodes of which it takes some each time; none when it is about links alone.
    lots: Option<Lots>,
    hold: Hold,
    /// It begins where a program comes to some point, not by the clock.
    waits: bool,
}

/// How long a fault holds each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// From the beginning of a time to its end.
    Whole,
    /// From an instant of its first half to one of its second, which depend on this hash.
    Between(u64),
}

/// Nodes, which of them a fault takes each time it begins, and what it does to them.
#[derive(Clone, Debug)]
struct Lots {
    /// Each with a hash of its name, by which dice know it: a node more leaves the order of the others as it is.
    nodes: Vec<(NodeId, u64)>,
    choice: Choice,
    /// None: they are parted from each other.
    blow: Option<Blow>,
}

/// Which of several nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// All, as they are.
    All,
    One,
    Minority,
    /// Whoever has this role as it begins, whatever the list.
    Role(Point),
    /// All of one zone; its name is by which dice know each.
    Zone,
    /// All, in an order that is drawn.
    Order,
}

impl Blow {
    /// Whether the node is gone at once.
    fn kills(self) -> bool {
        match self {
            Blow::Crash | Blow::CrashWiping | Blow::CrashSwapping | Blow::PowerLoss => true,
            Blow::Stop(_) | Blow::Recycle(_) | Blow::Scale(_) | Blow::Ails(_) => false,
        }
    }
}

impl Planned {
    fn begins(&self) -> Phase {
        if self.is_of_links() { Phase::LinksBegin } else { Phase::NodesBegin }
    }

    /// Links go before nodes.
    fn is_of_links(&self) -> bool {
        self.lots.as_ref().is_none_or(|lots| lots.blow.is_none())
    }
}

/// The timed faults of a system, and what they mean for its network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    planned: Vec<Planned>,
    /// Those of them that wait for a program to come to some point.
    wires: Arc<[Tripwire]>,
    /// Those that have programs do what is rare.
    pub(crate) pests: Vec<Pest>,
    pub(crate) denials: Vec<Denial>,
    /// By place in the schedule.
    pub(crate) disturbances: Vec<Option<Disturbance>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    // At one instant links go before nodes, and begins before ends: two faults that touch hold as one, and what a crash sends
    // back meets the links as they are from then on, whichever line comes first in the schedule.
    LinksBegin,
    LinksEnd,
    NodesBegin,
    NodesEnd,
}

impl Phase {
    fn begins(self) -> bool {
        matches!(self, Phase::LinksBegin | Phase::NodesBegin)
    }
}

/// How far a run has come in its plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    pending: BTreeSet<(Instant, Phase, u32)>,
    /// By place in the plan.
    turns: Vec<Turn>,
    pub(crate) seed_key: u64,
    /// None when no fault waits for a program to come to some point.
    pub(crate) wires: Option<Box<Tripwires>>,
}

/// How often a fault has held, and what came of the dice when it last began.
#[derive(Clone, Debug)]
struct Turn {
    /// Which time it holds, from 0.
    number: u64,
    /// Whom it has struck.
    struck: Vec<NodeId>,
    /// When it is over; none before it first began.
    end: Option<Instant>,
    /// The time of which what holds in between is a part.
    whole: (Instant, Instant),
    /// Whether it was taken out of what is to come: nobody waits for its end.
    lifted: bool,
    /// Whether it holds now.
    holds: bool,
    /// The passage at which it strikes next.
    tripped: Option<Tripped>,
}

/// The next change of a run's faults.
pub(crate) struct Advance {
    /// The fault's place in the schedule.
    pub(crate) fault: u32,
    pub(crate) change: Change,
    /// The passage at which it began, if it waited for one.
    pub(crate) tripped: Option<Tripped>,
}

impl Default for Turn {
    fn default() -> Self {
        let whole = (Instant::ZERO, Instant::NEVER);
        Turn { number: 0, struck: Vec::new(), end: None, whole, lifted: false, holds: false, tripped: None }
    }
}

/// What a fault does at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// With the nodes that were drawn for it, in their order.
    DisturbanceBegins {
        lineage: u64,
        until: Instant,
        drawn: Vec<NodeId>,
    },
    DisturbanceEnds {
        drawn: Vec<NodeId>,
    },
    /// With what dice say of the blow itself.
    Strike(Vec<NodeId>, Blow, Harm),
    Release(Vec<NodeId>, Blow),
}

/// A system's names, as the faults see them.
pub(crate) struct Known<'a> {
    pub(crate) names: &'a Names,
    pub(crate) groups: &'a [Group],
    pub(crate) group_names: &'a [String],
    /// By node.
    pub(crate) zones: Vec<Option<&'a str>>,
    /// By node: how long a crash at a point of its program lasts that does not say.
    pub(crate) restarts: Vec<Option<Duration>>,
    pub(crate) called: Called<'a>,
}

impl Known<'_> {
    fn zone(&self, node: NodeId) -> Option<&str> {
        self.zones.get(node.0 as usize).copied().flatten()
    }

    /// How long what takes a node down at a point lasts there, when the fault does not say.
    fn restart(&self, node: NodeId, blow: Option<Blow>) -> Option<Pace> {
        let restart = self.restarts.get(node.0 as usize).copied().flatten()?;
        blow.is_some_and(Blow::kills).then_some(Pace::Exactly(restart))
    }

    /// The zones there are, each once, in order.
    fn zone_names(&self) -> Vec<&str> {
        let zones: BTreeSet<&str> = self.zones.iter().copied().flatten().collect();
        zones.into_iter().collect()
    }
}

impl Plan {
    /// Whether anything of it may have a word in what an actor is told while it handles an event, wherever it holds.
    #[inline]
    pub(crate) fn is_about_handling(&self) -> bool {
        !self.pests.is_empty() || !self.wires.is_empty()
    }

    /// Adds one timed fault; `twins` is how many faults of the same verb and targets stand before it.
    fn add(&mut self, index: u32, timed: &Timed, twins: u64, known: &Known<'_>) {
        let (begin, end) = window(timed.when);
        let root = |name: &str| Cause::root("fault", name, twins).lineage;
        let name = identity(timed);
        let (every, length, waits) = (timed.every, timed.length, timed.trigger.is_some());
        let about = lots(&timed.verb, known);
        if let (true, Some(lots)) = (timed.verb.is_paced(), &about) {
            let pace = timed.every.map_or(Duration::ZERO, Pace::mean);
            let mut at = begin;
            for group in groups(&timed.verb, &lots.nodes) {
                if at < end {
                    let lots = Some(Lots { nodes: group.to_vec(), ..lots.clone() });
                    let (lineage, waits, hold) = (root(&name), false, Hold::Whole);
                    let (begin, end) = (at, Instant::NEVER);
                    let (every, length) = (None, None);
                    self.planned.push(Planned { fault: index, lineage, begin, end, every, length, lots, hold, waits });
                }
                at += pace;
            }
            return;
        }
        // The node that comes to the point is struck: each by itself.
        if let Some(lots) = about.as_ref().filter(|lots| waits && lots.blow.is_some()) {
            for (node, hash) in &lots.nodes {
                let lineage = root(&format!("{name} {}", known.names.node(*node)));
                let length = length.or_else(|| known.restart(*node, lots.blow));
                let lots = Some(Lots { nodes: vec![(*node, *hash)], choice: Choice::All, ..*lots });
                let hold = Hold::Whole;
                self.planned.push(Planned { fault: index, lineage, begin, end, every, length, lots, hold, waits });
            }
            return;
        }
        let mut plan = |lineage, lots, hold| {
            self.planned.push(Planned { fault: index, lineage, begin, end, every, length, lots, hold, waits });
        };
        match about {
            // All nodes share the times, and each has its own part of them.
            Some(lots) if matches!(timed.verb, Verb::Swizzle { .. }) => {
                for (node, hash) in lots.nodes {
                    let one = Lots { nodes: vec![(node, hash)], ..lots };
                    plan(root(&name), Some(one), Hold::Between(hash));
                }
            }
            Some(lots) if matches!(timed.verb.target(), Some(Target::Each(_))) => {
                for (node, hash) in lots.nodes {
                    let one = Lots { nodes: vec![(node, hash)], ..lots };
                    plan(root(&format!("{name} {}", known.names.node(node))), Some(one), Hold::Whole);
                }
            }
            Some(lots) if matches!(timed.verb.target(), Some(Target::EachZone)) => {
                for zone in known.zone_names() {
                    let nodes =
                        lots.nodes.iter().copied().filter(|(node, _)| known.zone(*node) == Some(zone)).collect();
                    plan(root(&format!("{name} {zone}")), Some(Lots { nodes, ..lots.clone() }), Hold::Whole);
                }
            }
            lots => plan(root(&name), lots, Hold::Whole),
        }
    }

    /// The tripwires of a fault that was added from this place of the plan on.
    fn wire(&self, from: usize, timed: &Timed, trigger: &Trigger, counters: &mut u32) -> Vec<Tripwire> {
        let (role, apart) = match timed.verb.target() {
            Some(Target::The(role)) => (Some(Point::new(role.as_str())), false),
            Some(Target::Each(_)) => (None, true),
            Some(Target::All(_) | Target::One(_) | Target::Minority(_) | Target::OneZone | Target::EachZone) | None => {
                (None, false)
            }
        };
        let wires = (from..self.planned.len()).map(|index| {
            let planned = &self.planned[index];
            *counters += u32::from(apart || index == from);
            let lots = planned.lots.as_ref().filter(|lots| lots.blow.is_some());
            Tripwire {
                index: index as u32,
                lineage: planned.lineage,
                node: lots.map(|lots| lots.nodes[0].0),
                role,
                point: Point::new(trigger.step.as_str()),
                side: trigger.side,
                passages: trigger.passages.clone(),
                begin: planned.begin,
                end: planned.end,
                kills: lots.and_then(|lots| lots.blow).is_some_and(Blow::kills),
                counter: *counters - 1,
            }
        });
        wires.collect()
    }

    fn planned(&self, index: u32) -> &Planned {
        &self.planned[index as usize]
    }
}

impl Cursor {
    pub(crate) fn new(plan: &Plan, seed_key: u64, dice: &Dice) -> Self {
        let turns = vec![Turn::default(); plan.planned.len()];
        let wires = (!plan.wires.is_empty()).then(|| Box::new(Tripwires::new(plan.wires.clone(), seed_key)));
        let mut cursor = Cursor { pending: BTreeSet::new(), turns, seed_key, wires };
        for index in 0..plan.planned.len() as u32 {
            let planned = plan.planned(index);
            cursor.plan_begin(planned, index, planned.begin, dice);
        }
        cursor
    }

    /// From now on this seed says whom faults strike, for how long and after which gaps; what it said before stays.
    pub(crate) fn reseed(&mut self, seed_key: u64) {
        self.seed_key = seed_key;
        if let Some(wires) = &mut self.wires {
            wires.seed_key = seed_key;
        }
    }

    /// What the handling that is over has tripped strikes next, before all else of this instant.
    #[inline]
    pub(crate) fn strike(&mut self, plan: &Plan, now: Instant) {
        if self.wires.is_some() {
            self.strike_tripped(plan, now);
        }
    }

    #[cold]
    fn strike_tripped(&mut self, plan: &Plan, now: Instant) {
        let Some(wires) = &mut self.wires else { return };
        for tripped in wires.take_tripped() {
            self.turns[tripped.index as usize].tripped = Some(tripped);
            self.pending.insert((now, plan.planned(tripped.index).begins(), tripped.index));
        }
    }

    /// When the next fault begins or ends; never, when none does.
    #[inline]
    pub(crate) fn next(&self) -> Instant {
        self.pending.first().map_or(Instant::NEVER, |(at, ..)| *at)
    }

    /// Whether all that is left is the return of faults that return for ever: nothing will come of that by itself.
    pub(crate) fn is_spent(&self, plan: &Plan) -> bool {
        self.pending.iter().all(|(_, phase, index)| {
            let planned = plan.planned(*index);
            phase.begins() && planned.every.is_some() && planned.end == Instant::NEVER
        })
    }

    /// The end of the last fault that ends, as far as it is known now; what never ends is not waited for.
    pub(crate) fn last_end(&self, plan: &Plan, dice: &Dice) -> Instant {
        let waited_for = plan.planned.iter().zip(&self.turns).filter(|(_, turn)| !turn.lifted);
        let ends = waited_for.map(|(planned, turn)| match (planned.every, turn.end) {
            (Some(_), _) => planned.end,
            (None, Some(known)) => known,
            // It may never come to the point.
            (None, None) if planned.waits => Instant::NEVER,
            (None, None) => self.end_of(planned, planned.begin, 0, dice),
        });
        ends.filter(|end| *end != Instant::NEVER).max().unwrap_or(Instant::ZERO)
    }

    /// Takes a fault out of what is to come, by its place in the schedule; false when it holds now, or is not there.
    pub(crate) fn lift(&mut self, plan: &Plan, place: u32) -> bool {
        let of_it = |index: &u32| plan.planned(*index).fault == place;
        let mut turns = self.turns.iter().zip(&plan.planned).filter(|(_, planned)| planned.fault == place).peekable();
        // What a passage has tripped is as good as begun: the handling is cut short already.
        if turns.peek().is_none() || turns.any(|(turn, _)| turn.holds || turn.tripped.is_some()) {
            return false;
        }
        if let Some(wires) = &mut self.wires {
            (0..plan.planned.len() as u32).filter(of_it).for_each(|index| wires.lift(index));
        }
        self.pending.retain(|(_, _, index)| !of_it(index));
        for (turn, _) in self.turns.iter_mut().zip(&plan.planned).filter(|(_, planned)| planned.fault == place) {
            turn.lifted = true;
        }
        true
    }

    /// Takes the next change out of the list: its place in the schedule, and what it does.
    pub(crate) fn advance(&mut self, plan: &Plan, dice: &Dice, roles: &Roles) -> Option<Advance> {
        let (at, phase, index) = self.pending.pop_first()?;
        let planned = plan.planned(index);
        let tripped = self.turns[index as usize].tripped.take_if(|_| phase.begins());
        let change = if phase.begins() {
            self.begin(planned, index, at, dice, roles)
        } else {
            self.end(planned, index, at, dice)
        };
        Some(Advance { fault: planned.fault, change, tripped })
    }

    fn begin(&mut self, planned: &Planned, index: u32, at: Instant, dice: &Dice, roles: &Roles) -> Change {
        let turn = self.turns[index as usize].number;
        self.turns[index as usize].holds = true;
        let end = match planned.hold {
            Hold::Whole => self.end_of(planned, at, turn, dice),
            Hold::Between(hash) => {
                let (begin, end) = self.turns[index as usize].whole;
                let half = halved(begin, end);
                begin + half + self.part(half, hash, planned, turn, LET_GO, dice)
            }
        };
        self.turns[index as usize].end = Some(end);
        if end != Instant::NEVER {
            let phase = if planned.is_of_links() { Phase::LinksEnd } else { Phase::NodesEnd };
            self.pending.insert((end, phase, index));
        }
        let struck = planned.lots.as_ref().map(|lots| self.drawn(lots, planned, turn, dice, roles)).unwrap_or_default();
        self.turns[index as usize].struck.clone_from(&struck);
        match planned.lots.as_ref().and_then(|lots| lots.blow) {
            Some(blow) => {
                let bits = self.bits(planned, turn, HARM, dice);
                Change::Strike(struck, blow, Harm { bits, until: end })
            }
            None => Change::DisturbanceBegins { lineage: planned.lineage, until: end, drawn: struck },
        }
    }

    fn end(&mut self, planned: &Planned, index: u32, at: Instant, dice: &Dice) -> Change {
        self.turns[index as usize].number += 1;
        self.turns[index as usize].holds = false;
        if planned.every.is_some() || planned.waits {
            let over = match planned.hold {
                Hold::Whole => at,
                Hold::Between(_) => self.turns[index as usize].whole.1,
            };
            self.plan_begin(planned, index, over, dice);
        }
        let struck = std::mem::take(&mut self.turns[index as usize].struck);
        match planned.lots.as_ref().and_then(|lots| lots.blow) {
            None => Change::DisturbanceEnds { drawn: struck },
            Some(blow) => Change::Release(struck, blow),
        }
    }

    /// Puts the next beginning into the list, after the peace that starts at `from`, if it still falls into the window.
    fn plan_begin(&mut self, planned: &Planned, index: u32, from: Instant, dice: &Dice) {
        let turn = self.turns[index as usize].number;
        let begin = match planned.every {
            None => from,
            Some(pace) => from + self.paced(pace, planned, turn, GAP, dice),
        };
        if let Some(wires) = self.wires.as_mut().filter(|_| planned.waits) {
            wires.ends(index, begin);
        } else if begin < planned.end {
            let begin = match planned.hold {
                Hold::Whole => begin,
                Hold::Between(hash) => {
                    let end = self.end_of(planned, begin, turn, dice);
                    self.turns[index as usize].whole = (begin, end);
                    begin + self.part(halved(begin, end), hash, planned, turn, CLOGGED, dice)
                }
            };
            self.pending.insert((begin, planned.begins(), index));
        }
    }

    fn end_of(&self, planned: &Planned, begin: Instant, turn: u64, dice: &Dice) -> Instant {
        match planned.length {
            None => planned.end,
            Some(pace) => (begin + self.paced(pace, planned, turn, LENGTH, dice)).min(planned.end),
        }
    }

    /// A part of a length that depends on a hash.
    fn part(
        &self,
        whole: Duration,
        hash: u64,
        planned: &Planned,
        turn: u64,
        purpose: Purpose,
        dice: &Dice,
    ) -> Duration {
        let lineage = mix(mix(planned.lineage, hash), turn);
        Dist::Uniform(Duration::ZERO, whole).sample(dice.about_fault(self.seed_key, lineage, purpose))
    }

    fn bits(&self, planned: &Planned, turn: u64, purpose: Purpose, dice: &Dice) -> u64 {
        dice.about_fault(self.seed_key, mix(planned.lineage, turn), purpose)
    }

    fn paced(&self, pace: Pace, planned: &Planned, turn: u64, purpose: Purpose, dice: &Dice) -> Duration {
        match pace {
            Pace::Exactly(length) => length,
            // Never nothing: what repeats must go on.
            Pace::About(mean) => {
                Dist::Exponential(mean).sample(self.bits(planned, turn, purpose, dice)).max(Duration::from_nanos(1))
            }
        }
    }

    /// The nodes that a fault takes this time.
    fn drawn(&self, lots: &Lots, planned: &Planned, turn: u64, dice: &Dice, roles: &Roles) -> Vec<NodeId> {
        let bits = self.bits(planned, turn, PICK, dice);
        let below = |bits: u64, bound: usize| ((u128::from(bits) * bound as u128) >> 64) as usize;
        let in_order = || {
            let mut nodes = lots.nodes.clone();
            nodes.sort_by_key(|(_, hash)| mix(bits, *hash));
            nodes.into_iter().map(|(node, _)| node).collect::<Vec<_>>()
        };
        match lots.choice {
            Choice::All => lots.nodes.iter().map(|(node, _)| *node).collect(),
            Choice::Role(role) => roles.holders(role),
            Choice::One => vec![lots.nodes[below(bits, lots.nodes.len())].0],
            Choice::Zone => {
                let drawn = lots.nodes.iter().map(|(_, zone)| *zone).min_by_key(|zone| mix(bits, *zone));
                lots.nodes.iter().filter(|(_, zone)| Some(*zone) == drawn).map(|(node, _)| *node).collect()
            }
            Choice::Order => in_order(),
            Choice::Minority => {
                // Fewer than half; of two or one there is no minority.
                let most = lots.nodes.len().saturating_sub(1) / 2;
                let count = if most == 0 { 0 } else { 1 + below(self.bits(planned, turn, COUNT, dice), most) };
                let mut nodes = in_order();
                nodes.truncate(count);
                nodes
            }
        }
    }
}

fn halved(begin: Instant, end: Instant) -> Duration {
    Duration::from_nanos(end.since(begin).nanos() / 2)
}

/// Sorts a schedule into what happens by the clock and what answers a die, checking each name against the system.
pub(crate) fn compile(faults: &[Fault], known: &Known<'_>) -> Result<(Plan, Vec<(Addressee, Ruling)>), FaultError> {
    let nodes: Vec<&str> = known.names.nodes().iter().map(String::as_str).collect();
    let mut plan = Plan::default();
    let mut rulings = Vec::new();
    let mut twins: BTreeMap<String, u64> = BTreeMap::new();
    let (mut wires, mut counters) = (Vec::new(), 0);
    for (index, fault) in faults.iter().enumerate() {
        match fault {
            Fault::Timed(timed) => {
                fault.check_names(&nodes)?;
                fault.check_zones(&known.zone_names())?;
                let count = twins.entry(identity(timed)).or_default();
                plan.disturbances.push(disturbance(&timed.verb, known));
                if let Verb::Buggify { sites, live, fires } = &timed.verb {
                    let (sites, live, fires) = (sites.clone(), *live, *fires);
                    plan.pests.push(Pest { fault: index as u32, sites, live, fires });
                }
                plan.denials.extend(denial(index as u32, &timed.verb));
                if !fault.is_off() {
                    let from = plan.planned.len();
                    plan.add(index as u32, timed, *count, known);
                    let trigger = timed.trigger.as_ref();
                    wires.extend(trigger.into_iter().flat_map(|it| plan.wire(from, timed, it, &mut counters)));
                }
                *count += 1;
            }
            Fault::Decision(decision) => {
                plan.disturbances.push(None);
                // A line about what this system does not have (after a change of it) simply does not apply.
                rulings.push(ruling(decision, known));
            }
        }
    }
    plan.wires = wires.into();
    Ok((plan, rulings))
}

fn window(when: When) -> (Instant, Instant) {
    match when {
        When::Always => (Instant::ZERO, Instant::NEVER),
        When::At(at) | When::From(at) => (at, Instant::NEVER),
        When::Between(begin, end) => (begin, end),
    }
}

/// What a fault is about, without its times and strengths: the root of its lineage.
pub(crate) fn identity(timed: &Timed) -> String {
    let about = about(&timed.verb);
    match &timed.trigger {
        Some(trigger) => format!("{about} at {}", trigger.step),
        None => about,
    }
}

fn about(verb: &Verb) -> String {
    let on = |word: &str, link: &dyn std::fmt::Display, kind: &Option<Label>| match kind {
        Some(kind) => format!("{word} {link} {}", kind.as_str()),
        None => format!("{word} {link}"),
    };
    match verb {
        Verb::Partition { sides, .. } => format!("partition {sides}"),
        Verb::Cut { link, .. } => on("cut", link, &None),
        Verb::Loss { link, kind, .. } => on("loss", link, kind),
        Verb::BurstLoss { link, kind, .. } => on("burst-loss", link, kind),
        Verb::Delay { link, kind, .. } => on("delay", link, kind),
        Verb::Duplicate { link, kind, .. } => on("duplicate", link, kind),
        Verb::Corrupt { link, kind, .. } => on("corrupt", link, kind),
        Verb::Bandwidth { link, .. } => on("bandwidth", link, &None),
        Verb::Refuse { link, kind, .. } => on("refuse", link, kind),
        Verb::Swizzle { nodes } => format!("swizzle {nodes}"),
        Verb::Clog { link, kind, .. } => on("clog", link, kind),
        Verb::Crash { target, .. } => format!("crash {target}"),
        Verb::PowerLoss { target } => format!("power-loss {target}"),
        Verb::Stop { target, .. } => format!("stop {target}"),
        Verb::Restart { target } => format!("restart {target}"),
        Verb::Deploy { target, version, .. } => format!("deploy {target} {version}"),
        Verb::Rollback { target } => format!("rollback {target}"),
        Verb::Scale { target, .. } => format!("scale {target}"),
        Verb::Rush { target, .. } => format!("rush {target}"),
        Verb::Skew { target, .. } => format!("skew {target}"),
        Verb::Hang { target, .. } => format!("hang {target}"),
        Verb::Fail { target, .. } => format!("fail {target}"),
        Verb::Buggify { sites, .. } => format!("buggify {}", sites.as_ref().map_or("*", Pattern::as_str)),
        Verb::Pause { target, .. } => format!("pause {target}"),
        Verb::Slow { target, .. } => format!("slow {target}"),
        Verb::Clock { target, .. } => format!("clock {target}"),
        Verb::Disk { target, .. } => format!("disk {target}"),
    }
}

fn disturbance(verb: &Verb, known: &Known<'_>) -> Option<Disturbance> {
    let reach = |link: &crate::fault::LinkPattern, kind: &Option<Label>| Reach {
        from: covered(&link.from, known),
        to: covered(&link.to, known),
        both: link.both,
        kinds: kind.as_ref().map(|kind| kinds(kind, known)),
    };
    Some(match verb {
        Verb::Partition { sides: Sides::Groups(groups), flight } => Disturbance::Partition {
            sides: known.names.nodes().iter().map(|name| groups.group_of(name).map(|side| side as u32)).collect(),
            flight: *flight == Flight::Cut,
        },
        Verb::Partition { sides, flight } => {
            Disturbance::Split { split: split(sides)?, flight: *flight == Flight::Cut }
        }
        Verb::Cut { link, flight } => Disturbance::Cut { reach: reach(link, &None), flight: *flight == Flight::Cut },
        Verb::Loss { link, kind, ratio } => Disturbance::Loss { reach: reach(link, kind), ratio: *ratio },
        Verb::BurstLoss { link, kind, ratio, bad, good, rest } => Disturbance::BurstLoss {
            reach: reach(link, kind),
            burst: Burst { bad: *bad, good: *good, loss_bad: *ratio, loss_good: *rest },
            names: hashes(known),
        },
        Verb::Delay { link, kind, ratio, more, spread, per } => Disturbance::Delay {
            reach: reach(link, kind),
            share: *ratio,
            by: *more,
            jitter: *spread,
            per: per.map(|per| (per.max(Duration::from_nanos(1)), hashes(known))),
        },
        Verb::Duplicate { link, kind, ratio, more, spread } => {
            Disturbance::Duplicate { reach: reach(link, kind), ratio: *ratio, by: *more, jitter: *spread }
        }
        Verb::Corrupt { link, kind, ratio } => Disturbance::Corrupt { reach: reach(link, kind), ratio: *ratio },
        Verb::Refuse { link, kind, ratio } => Disturbance::Refuse { reach: reach(link, kind), ratio: *ratio },
        Verb::Bandwidth { link, limit, queue, full } => {
            Disturbance::Bandwidth { reach: reach(link, &None), limit: *limit, queue: *queue, full: *full }
        }
        Verb::Swizzle { .. } => Disturbance::Swizzle,
        Verb::Clog { link, kind, flight } => {
            Disturbance::Clog { reach: reach(link, kind), flight: *flight == Jam::Flight }
        }
        Verb::Crash { .. }
        | Verb::PowerLoss { .. }
        | Verb::Stop { .. }
        | Verb::Restart { .. }
        | Verb::Deploy { .. }
        | Verb::Rollback { .. }
        | Verb::Scale { .. }
        | Verb::Rush { .. }
        | Verb::Skew { .. }
        | Verb::Hang { .. }
        | Verb::Fail { .. }
        | Verb::Buggify { .. }
        | Verb::Pause { .. }
        | Verb::Slow { .. }
        | Verb::Clock { .. }
        | Verb::Disk { .. } => return None,
    })
}

/// By node: a hash of its name.
fn hashes(known: &Known<'_>) -> std::sync::Arc<[u64]> {
    known.names.nodes().iter().map(|name| name_hash(name)).collect()
}

fn covered(pattern: &Pattern, known: &Known<'_>) -> Members {
    let mut members = Members::default();
    for (index, _) in known.names.nodes().iter().enumerate().filter(|(_, name)| pattern.covers(name)) {
        members.insert(index as u32);
    }
    members
}

fn kinds(label: &Label, known: &Known<'_>) -> Members {
    let mut members = Members::default();
    if let Some(kind) = known.names.find_kind(label.as_str()) {
        members.insert(u32::from(kind.0));
    }
    members
}

/// How nodes that are drawn are parted.
fn split(sides: &Sides) -> Option<Split> {
    match sides {
        Sides::Groups(_) => None,
        Sides::Isolate(_) => Some(Split::Isolate),
        Sides::Halves(_) => Some(Split::Halves),
        Sides::Bridge(_) => Some(Split::Bridge),
        Sides::Ring(_) | Sides::RingOf(_) => Some(Split::Ring),
    }
}

/// What is denied under a fault, if it is that kind.
fn denial(fault: u32, verb: &Verb) -> Option<Denial> {
    match verb {
        Verb::Hang { place, .. } => Some(Denial { fault, place: place.clone(), key: 0, fails: None }),
        Verb::Fail { target, place, reason, ratio } => {
            // Not how often, so that more failures are a superset.
            let every =
                Verb::Fail { target: target.clone(), place: place.clone(), reason: reason.clone(), ratio: Ratio::ONE };
            let key = name_hash(&every.to_string());
            Some(Denial { fault, place: place.clone(), key, fails: Some((reason.clone(), *ratio)) })
        }
        _ => None,
    }
}

fn blow(verb: &Verb) -> Option<Blow> {
    Some(match verb {
        Verb::Crash { disk: Disk::Kept, .. } => Blow::Crash,
        Verb::Crash { disk: Disk::Wiped, .. } => Blow::CrashWiping,
        Verb::Crash { disk: Disk::Swapped, .. } => Blow::CrashSwapping,
        Verb::PowerLoss { .. } => Blow::PowerLoss,
        Verb::Stop { grace, .. } => Blow::Stop(*grace),
        Verb::Restart { .. } => Blow::Recycle(Recycle::Same),
        Verb::Deploy { version, .. } => Blow::Recycle(Recycle::To(name_hash(version.as_str()))),
        Verb::Rollback { .. } => Blow::Recycle(Recycle::Back),
        Verb::Scale { count, .. } => Blow::Scale(*count),
        Verb::Rush { factor, .. } => Blow::Ails(Ailment::Rush(*factor)),
        Verb::Skew { towards, ratio, .. } => Blow::Ails(Ailment::Skew(*towards, *ratio)),
        Verb::Pause { stands, .. } => Blow::Ails(Ailment::Pause(*stands)),
        Verb::Hang { .. } | Verb::Fail { .. } => Blow::Ails(Ailment::Denial),
        Verb::Slow { factor, .. } => Blow::Ails(Ailment::Slow(*factor)),
        Verb::Clock { error, .. } => Blow::Ails(Ailment::Clock(*error)),
        Verb::Disk { ill, .. } => Blow::Ails(Ailment::Disk(*ill)),
        Verb::Partition { .. }
        | Verb::Cut { .. }
        | Verb::Loss { .. }
        | Verb::BurstLoss { .. }
        | Verb::Delay { .. }
        | Verb::Duplicate { .. }
        | Verb::Corrupt { .. }
        | Verb::Bandwidth { .. }
        | Verb::Refuse { .. }
        | Verb::Swizzle { .. }
        | Verb::Buggify { .. }
        | Verb::Clog { .. } => return None,
    })
}

/// The nodes that a verb with a pace takes at a time.
fn groups<'n>(verb: &Verb, nodes: &'n [(NodeId, u64)]) -> Vec<&'n [(NodeId, u64)]> {
    let share = match verb {
        Verb::Deploy { share, .. } => share.unwrap_or(Ratio::ONE).parts(),
        _ => Ratio::ONE.parts() / (nodes.len() as u64).max(1),
    };
    let (mut groups, mut done, mut round) = (Vec::new(), 0, 0u128);
    while done < nodes.len() {
        round += 1;
        let parts = (nodes.len() as u128 * u128::from(share) * round).div_ceil(u128::from(Ratio::ONE.parts()));
        let until = (parts as usize).clamp(done + 1, nodes.len());
        groups.push(&nodes[done..until]);
        done = until;
    }
    groups
}

/// The nodes of which a fault takes some each time; none when it is about links.
fn lots(verb: &Verb, known: &Known<'_>) -> Option<Lots> {
    let among = |covers: &dyn Fn(&str) -> bool| -> Vec<(NodeId, u64)> {
        let all = known.names.nodes().iter().enumerate();
        let covered = all.filter(|(_, name)| covers(name));
        covered.map(|(index, name)| (NodeId(index as u32), name_hash(name))).collect()
    };
    let among_nodes = |nodes: &Nodes| -> Vec<(NodeId, u64)> {
        if let Nodes::Like(pattern) = nodes
            && let Some(called) = known.called.by(pattern)
        {
            let called = called.iter().map(|place| NodeId(*place as u32));
            return called.map(|node| (node, name_hash(known.names.node(node)))).collect();
        }
        let all = among(&|_| true).into_iter();
        all.filter(|(node, _)| nodes.covers(known.names.node(*node), known.zone(*node))).collect()
    };
    let of_target = |target: &Target, blow| {
        let choice = match target {
            Target::All(_) | Target::Each(_) | Target::EachZone => Choice::All,
            Target::One(_) => Choice::One,
            Target::Minority(_) => Choice::Minority,
            Target::The(role) => Choice::Role(Point::new(role.as_str())),
            Target::OneZone => Choice::Zone,
        };
        let mut nodes = target.nodes().map_or_else(|| among(&|_| true), among_nodes);
        if choice == Choice::Zone {
            nodes.iter_mut().for_each(|(node, hash)| *hash = known.zone(*node).map_or(0, name_hash));
        }
        Lots { nodes, choice, blow }
    };
    match verb {
        Verb::Partition { sides: Sides::Groups(_), .. } => None,
        Verb::Partition { sides: Sides::Isolate(target), .. } => Some(of_target(target, None)),
        Verb::Partition { sides: Sides::Halves(nodes) | Sides::Bridge(nodes) | Sides::Ring(nodes), .. } => {
            Some(Lots { nodes: among_nodes(nodes), choice: Choice::Order, blow: None })
        }
        Verb::Partition { sides: Sides::RingOf(names), .. } => {
            let one = |name: &Name| among(&|node| Pattern::from(name.clone()).covers(node));
            Some(Lots { nodes: names.iter().flat_map(one).collect(), choice: Choice::All, blow: None })
        }
        Verb::Swizzle { nodes } => Some(Lots { nodes: among_nodes(nodes), choice: Choice::All, blow: None }),
        _ => Some(of_target(verb.target()?, blow(verb))),
    }
}

/// The number of the dice that a name in a decision stands for: a group's, or those of the group a node belongs to.
fn group_of(name: &str, known: &Known<'_>) -> Group {
    let by_name = known.group_names.iter().position(|group| group == name).map(|at| Group(at as u32));
    let by_node = || known.names.find_node(name).map(|node| known.groups[node.0 as usize]);
    by_name.or_else(by_node).unwrap_or(Group(u32::MAX))
}

fn ruling(decision: &Decision, known: &Known<'_>) -> (Addressee, Ruling) {
    let operation = |nth: &crate::fault::Nth| match &nth.operation {
        None => Operation::NONE,
        Some(operation) => match known.names.find_class(operation.class.as_str()) {
            Some(class) => Operation::new(class, operation.number),
            // Of a class that this system does not know: an operation that nothing is done for.
            None => Operation::new(crate::seed::Class(u16::MAX), u64::MAX - 1),
        },
    };
    let ordinal = |nth: &crate::fault::Nth| u32::try_from(nth.ordinal.get()).unwrap_or(u32::MAX);
    let addressee = match decision {
        Decision::Envelope { link, kind, nth, .. } => {
            let (from, to) = (group_of(link.from.as_str(), known), group_of(link.to.as_str(), known));
            let kind = known.names.find_kind(kind.as_str()).unwrap_or(crate::id::Kind(u16::MAX));
            Addressee::Send(from, to, kind, operation(nth), ordinal(nth))
        }
        Decision::Draw { node, purpose, nth, .. } => {
            let key = name_hash(purpose.as_str());
            Addressee::Draw(group_of(node.as_str(), known), key, operation(nth), ordinal(nth))
        }
    };
    (addressee, answer(decision))
}

/// What a decision says, whatever it says it to.
pub(crate) fn answer(decision: &Decision) -> Ruling {
    match decision {
        Decision::Envelope { ruling, .. } => match ruling {
            Said::Drop => Ruling::Drop,
            Said::Late(after) => Ruling::Late(*after),
            Said::Twice(after) => Ruling::Twice(*after),
            Said::Keep => Ruling::Keep,
            Said::Reject => Ruling::Reject,
            Said::Alter(bits, after) => Ruling::Alter(*bits, *after),
        },
        Decision::Draw { value, .. } => match value {
            Value::Length(length) => Ruling::Length(*length),
            Value::Yes => Ruling::Chance(true),
            Value::No => Ruling::Chance(false),
            Value::Number(number) => Ruling::Number(*number),
            Value::Choice(name) => Ruling::Name(name.as_str().to_owned()),
        },
    }
}
