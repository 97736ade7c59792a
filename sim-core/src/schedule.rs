//! The faults of a system as a plan for one run: a sorted list with a cursor.
//!
//! Faults are not events in the queue: they go first at their instant, and what repeats is unrolled only as far as time has come.

use std::collections::{BTreeMap, BTreeSet};

use crate::burst::Burst;
use crate::dice::{Addressee, Dice, Group, Ruling};
use crate::dist::Dist;
use crate::fault::{
    Decision, Disk, Fault, FaultError, Flight, Jam, Nodes, Pace, Ruling as Said, Sides, Target, Timed, Value, Verb,
    When,
};
use crate::id::NodeId;
use crate::names::Names;
use crate::network::{Disturbance, Members, Reach, Split};
use crate::pattern::{Label, Name, Pattern};
use crate::plight::{Ailment, Harm};
use crate::seed::{Cause, Operation, Purpose, mix, name_hash};
use crate::time::{Duration, Instant};

const GAP: Purpose = Purpose::new("gap");
const LENGTH: Purpose = Purpose::new("length");
const PICK: Purpose = Purpose::new("pick");
const HARM: Purpose = Purpose::new("harm");
const COUNT: Purpose = Purpose::new("count");

/// What a fault does to nodes while it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Crash,
    CrashWiping,
    CrashSwapping,
    PowerLoss,
    /// It stays up, and something ails it.
    Ails(Ailment),
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
    /// All of one zone; its name is by which dice know each.
    Zone,
    /// All, in an order that is drawn.
    Order,
}

impl Planned {
    /// Links go before nodes.
    fn is_of_links(&self) -> bool {
        self.lots.as_ref().is_none_or(|lots| lots.blow.is_none())
    }
}

/// The timed faults of a system, and what they mean for its network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    planned: Vec<Planned>,
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
    seed_key: u64,
}

/// How often a fault has held, and what came of the dice when it last began.
#[derive(Clone, Debug, Default)]
struct Turn {
    /// Which time it holds, from 0.
    number: u64,
    /// Whom it has struck.
    struck: Vec<NodeId>,
    /// When it is over; none before it first began.
    end: Option<Instant>,
    /// Whether it was taken out of what is to come: nobody waits for its end.
    lifted: bool,
}

/// What a fault does at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// With the nodes that were drawn for it, in their order.
    DisturbanceBegins {
        lineage: u64,
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
}

impl Known<'_> {
    fn zone(&self, node: NodeId) -> Option<&str> {
        self.zones.get(node.0 as usize).copied().flatten()
    }

    /// The zones there are, each once, in order.
    fn zone_names(&self) -> Vec<&str> {
        let zones: BTreeSet<&str> = self.zones.iter().copied().flatten().collect();
        zones.into_iter().collect()
    }
}

impl Plan {
    /// Adds one timed fault; `twins` is how many faults of the same verb and targets stand before it.
    fn add(&mut self, index: u32, timed: &Timed, twins: u64, known: &Known<'_>) {
        let (begin, end) = window(timed.when);
        let root = |name: &str| Cause::root("fault", name, twins).lineage;
        let name = identity(&timed.verb);
        let mut plan = |lineage, lots| {
            let (every, length) = (timed.every, timed.length);
            self.planned.push(Planned { fault: index, lineage, begin, end, every, length, lots });
        };
        match lots(&timed.verb, known) {
            Some(lots) if matches!(timed.verb.target(), Some(Target::Each(_))) => {
                for (node, hash) in lots.nodes {
                    let one = Lots { nodes: vec![(node, hash)], ..lots };
                    plan(root(&format!("{name} {}", known.names.node(node))), Some(one));
                }
            }
            Some(lots) if matches!(timed.verb.target(), Some(Target::EachZone)) => {
                for zone in known.zone_names() {
                    let nodes =
                        lots.nodes.iter().copied().filter(|(node, _)| known.zone(*node) == Some(zone)).collect();
                    plan(root(&format!("{name} {zone}")), Some(Lots { nodes, ..lots.clone() }));
                }
            }
            lots => plan(root(&name), lots),
        }
    }

    fn planned(&self, index: u32) -> &Planned {
        &self.planned[index as usize]
    }
}

impl Cursor {
    pub(crate) fn new(plan: &Plan, seed_key: u64, dice: &Dice) -> Self {
        let turns = vec![Turn::default(); plan.planned.len()];
        let mut cursor = Cursor { pending: BTreeSet::new(), turns, seed_key };
        for index in 0..plan.planned.len() as u32 {
            let planned = plan.planned(index);
            cursor.plan_begin(planned, index, planned.begin, dice);
        }
        cursor
    }

    /// From now on this seed says whom faults strike, for how long and after which gaps; what it said before stays.
    pub(crate) fn reseed(&mut self, seed_key: u64) {
        self.seed_key = seed_key;
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
            (None, None) => self.end_of(planned, planned.begin, 0, dice),
        });
        ends.filter(|end| *end != Instant::NEVER).max().unwrap_or(Instant::ZERO)
    }

    /// Takes a fault out of what is to come, by its place in the schedule; false when it holds now, or is not there.
    pub(crate) fn lift(&mut self, plan: &Plan, place: u32) -> bool {
        let of_it = |index: &u32| plan.planned(*index).fault == place;
        let holds = self.pending.iter().any(|(_, phase, index)| of_it(index) && !phase.begins());
        let holds_for_ever = |index: u32| {
            let planned = plan.planned(index);
            let begins = self.pending.iter().any(|(_, _, other)| *other == index);
            planned.fault == place && planned.end == Instant::NEVER && !begins
        };
        let known = plan.planned.iter().any(|planned| planned.fault == place);
        if !known || holds || (0..plan.planned.len() as u32).any(holds_for_ever) {
            return false;
        }
        self.pending.retain(|(_, _, index)| !of_it(index));
        for (turn, _) in self.turns.iter_mut().zip(&plan.planned).filter(|(_, planned)| planned.fault == place) {
            turn.lifted = true;
        }
        true
    }

    /// Takes the next change out of the list: its place in the schedule, and what it does.
    pub(crate) fn advance(&mut self, plan: &Plan, dice: &Dice) -> Option<(u32, Change)> {
        let (at, phase, index) = self.pending.pop_first()?;
        let planned = plan.planned(index);
        let change =
            if phase.begins() { self.begin(planned, index, at, dice) } else { self.end(planned, index, at, dice) };
        Some((planned.fault, change))
    }

    fn begin(&mut self, planned: &Planned, index: u32, at: Instant, dice: &Dice) -> Change {
        let turn = self.turns[index as usize].number;
        let end = self.end_of(planned, at, turn, dice);
        self.turns[index as usize].end = Some(end);
        if end != Instant::NEVER {
            let phase = if planned.is_of_links() { Phase::LinksEnd } else { Phase::NodesEnd };
            self.pending.insert((end, phase, index));
        }
        let struck = planned.lots.as_ref().map(|lots| self.drawn(lots, planned, turn, dice)).unwrap_or_default();
        self.turns[index as usize].struck.clone_from(&struck);
        match planned.lots.as_ref().and_then(|lots| lots.blow) {
            Some(blow) => {
                let bits = self.bits(planned, turn, HARM, dice);
                Change::Strike(struck, blow, Harm { bits, until: end })
            }
            None => Change::DisturbanceBegins { lineage: planned.lineage, drawn: struck },
        }
    }

    fn end(&mut self, planned: &Planned, index: u32, at: Instant, dice: &Dice) -> Change {
        self.turns[index as usize].number += 1;
        if planned.every.is_some() {
            self.plan_begin(planned, index, at, dice);
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
        if begin < planned.end {
            let phase = if planned.is_of_links() { Phase::LinksBegin } else { Phase::NodesBegin };
            self.pending.insert((begin, phase, index));
        }
    }

    fn end_of(&self, planned: &Planned, begin: Instant, turn: u64, dice: &Dice) -> Instant {
        match planned.length {
            None => planned.end,
            Some(pace) => (begin + self.paced(pace, planned, turn, LENGTH, dice)).min(planned.end),
        }
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
    fn drawn(&self, lots: &Lots, planned: &Planned, turn: u64, dice: &Dice) -> Vec<NodeId> {
        let bits = self.bits(planned, turn, PICK, dice);
        let below = |bits: u64, bound: usize| ((u128::from(bits) * bound as u128) >> 64) as usize;
        let in_order = || {
            let mut nodes = lots.nodes.clone();
            nodes.sort_by_key(|(_, hash)| mix(bits, *hash));
            nodes.into_iter().map(|(node, _)| node).collect::<Vec<_>>()
        };
        match lots.choice {
            Choice::All => lots.nodes.iter().map(|(node, _)| *node).collect(),
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

/// Sorts a schedule into what happens by the clock and what answers a die, checking each name against the system.
pub(crate) fn compile(faults: &[Fault], known: &Known<'_>) -> Result<(Plan, Vec<(Addressee, Ruling)>), FaultError> {
    let nodes: Vec<&str> = known.names.nodes().iter().map(String::as_str).collect();
    let mut plan = Plan::default();
    let mut rulings = Vec::new();
    let mut twins: BTreeMap<String, u64> = BTreeMap::new();
    for (index, fault) in faults.iter().enumerate() {
        match fault {
            Fault::Timed(timed) => {
                fault.check_names(&nodes)?;
                fault.check_zones(&known.zone_names())?;
                let count = twins.entry(identity(&timed.verb)).or_default();
                plan.disturbances.push(disturbance(&timed.verb, known));
                if !fault.is_off() {
                    plan.add(index as u32, timed, *count, known);
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
fn identity(verb: &Verb) -> String {
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
        Verb::Clog { link, kind, .. } => on("clog", link, kind),
        Verb::Crash { target, .. } => format!("crash {target}"),
        Verb::PowerLoss { target } => format!("power-loss {target}"),
        Verb::Pause { target } => format!("pause {target}"),
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
            names: known.names.nodes().iter().map(|name| name_hash(name)).collect(),
        },
        Verb::Delay { link, kind, more, spread } => {
            Disturbance::Delay { reach: reach(link, kind), by: *more, jitter: *spread }
        }
        Verb::Duplicate { link, kind, ratio } => Disturbance::Duplicate { reach: reach(link, kind), ratio: *ratio },
        Verb::Clog { link, kind, flight } => {
            Disturbance::Clog { reach: reach(link, kind), flight: *flight == Jam::Flight }
        }
        Verb::Crash { .. }
        | Verb::PowerLoss { .. }
        | Verb::Pause { .. }
        | Verb::Slow { .. }
        | Verb::Clock { .. }
        | Verb::Disk { .. } => return None,
    })
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

fn blow(verb: &Verb) -> Option<Blow> {
    Some(match verb {
        Verb::Crash { disk: Disk::Kept, .. } => Blow::Crash,
        Verb::Crash { disk: Disk::Wiped, .. } => Blow::CrashWiping,
        Verb::Crash { disk: Disk::Swapped, .. } => Blow::CrashSwapping,
        Verb::PowerLoss { .. } => Blow::PowerLoss,
        Verb::Pause { .. } => Blow::Ails(Ailment::Pause),
        Verb::Slow { factor, .. } => Blow::Ails(Ailment::Slow(*factor)),
        Verb::Clock { error, .. } => Blow::Ails(Ailment::Clock(*error)),
        Verb::Disk { ill, .. } => Blow::Ails(Ailment::Disk(*ill)),
        Verb::Partition { .. }
        | Verb::Cut { .. }
        | Verb::Loss { .. }
        | Verb::BurstLoss { .. }
        | Verb::Delay { .. }
        | Verb::Duplicate { .. }
        | Verb::Clog { .. } => return None,
    })
}

/// The nodes of which a fault takes some each time; none when it is about links.
fn lots(verb: &Verb, known: &Known<'_>) -> Option<Lots> {
    let among = |covers: &dyn Fn(&str) -> bool| -> Vec<(NodeId, u64)> {
        let all = known.names.nodes().iter().enumerate();
        let covered = all.filter(|(_, name)| covers(name));
        covered.map(|(index, name)| (NodeId(index as u32), name_hash(name))).collect()
    };
    let among_nodes = |nodes: &Nodes| -> Vec<(NodeId, u64)> {
        let all = among(&|_| true).into_iter();
        all.filter(|(node, _)| nodes.covers(known.names.node(*node), known.zone(*node))).collect()
    };
    let of_target = |target: &Target, blow| {
        let choice = match target {
            Target::All(_) | Target::Each(_) | Target::EachZone => Choice::All,
            Target::One(_) => Choice::One,
            Target::Minority(_) => Choice::Minority,
            Target::OneZone => Choice::Zone,
        };
        let mut nodes = among_nodes(target.nodes());
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
        },
        Decision::Draw { value, .. } => match value {
            Value::Length(length) => Ruling::Length(*length),
            Value::Yes => Ruling::Chance(true),
            Value::No => Ruling::Chance(false),
            Value::Choice(name) => Ruling::Name(name.as_str().to_owned()),
        },
    }
}
