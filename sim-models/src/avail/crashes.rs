//! Whom the crashes of a scenario take down: each by himself, several at once, or one of several at a time.
//!
//! A node is down while any fault holds it, and no fault waits for another one. So two processes of crashes that strike
//! the same node go on side by side, and what overlaps of their outages is down once: each process is a component of its
//! own, independent of the others, and all whom it strikes at once hang on that one.
//!
//! A node that takes *s* to start does so when nothing holds it any more, and what strikes it meanwhile and is over
//! before counts for nothing. So each process counts as down for longer, by what makes that exact where no other one
//! strikes the node; where several do, each alone and at random times, the first of them is longer by what makes all of
//! them exact. Whom one process takes down at once comes up with the last of them.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::fault::{Nodes, Pace, Target, Timed, Verb, When};
use sim_core::{Duration, Fault};

use super::assembly::{Law, gauss};
use crate::program::{NodeRef, Program};

/// A replica: its declared node, and its number there from 1.
pub(super) type Replica = (NodeRef, u32);

/// A process of crashes that takes these down at once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cause {
    /// The place of its fault in the schedule.
    pub(super) fault: usize,
    /// How often and for how long, as an expression says it.
    pub(super) figure: String,
    /// Whom of those that are needed; never nobody.
    pub(super) whom: BTreeSet<Replica>,
}

/// What becomes of a fault in a diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in the diagram, with all that it does to it.
    Drawn,
    /// It takes one at a time, and never the last one of a node: it is in the diagram by doing nothing to it.
    Spared,
    /// What was said of the nodes stands in its place.
    Replaced,
    /// The diagram knows nothing of it.
    LeftOut,
}

/// What the faults of a scenario do to the nodes that are needed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Crashes {
    pub(super) causes: Vec<Cause>,
    /// By place in the schedule.
    pub(super) fates: Vec<Fate>,
}

/// Whom a fault strikes at once.
struct Struck {
    /// Those of them that are needed; never nobody.
    whom: BTreeSet<Replica>,
    /// It is a failure of that one replica, and not one of a zone or of several of which one is needed.
    is_own: bool,
}

/// A fault that goes on for ever: whom it strikes.
enum Strikes {
    /// Each of these lists at once, each by dice of its own.
    Each(Vec<Struck>),
    /// One of these lists at a time.
    OneOf(Vec<Struck>),
}

impl Strikes {
    fn lists(&self) -> &[Struck] {
        match self {
            Strikes::Each(lists) | Strikes::OneOf(lists) => lists,
        }
    }
}

impl Crashes {
    /// Of the nodes that are needed; of those that `said` names it was said otherwise how each replica fails.
    pub(super) fn of(program: &Program, faults: &[Fault], used: &[NodeRef], said: &dyn Fn(NodeRef) -> bool) -> Crashes {
        let needed = |(node, number): &Replica| used.contains(node) && *number <= program.node(*node).count;
        let all: Vec<Option<Strikes>> = faults.iter().map(|fault| strikes(program, fault, &needed)).collect();
        let (mut causes, mut fates) = (Vec::new(), Vec::new());
        for (place, (fault, strikes)) in faults.iter().zip(&all).enumerate() {
            fates.push(match strikes {
                None if fault.is_off() => Fate::Drawn,
                None => Fate::LeftOut,
                Some(Strikes::OneOf(lists)) => taking_turns(program, &all, (place, fault), lists, said),
                Some(Strikes::Each(lists)) => {
                    let is_said = |list: &Struck| list.is_own && list.whom.iter().any(|(node, _)| said(*node));
                    let kept = lists.iter().filter(|list| !is_said(list));
                    let before = causes.len();
                    causes.extend(kept.map(|Struck { whom, .. }| {
                        let startup = whom.iter().map(|(node, _)| startup(program, *node)).max().unwrap_or_default();
                        Cause { fault: place, figure: figure(fault, startup).unwrap_or_default(), whom: whom.clone() }
                    }));
                    if causes.len() == before && !lists.is_empty() { Fate::Replaced } else { Fate::Drawn }
                }
            });
        }
        start_once(program, faults, &mut causes);
        Crashes { causes, fates }
    }

    /// Whether the diagram has all that a fault does to it.
    pub(super) fn has(&self, place: usize) -> bool {
        match self.fates[place] {
            Fate::Drawn | Fate::Spared => true,
            Fate::Replaced | Fate::LeftOut => false,
        }
    }
}

/// The fate of a fault that takes one list of several at a time. Its outages exclude each other, which independent
/// components cannot say. A node whose other replicas nothing else strikes does not notice: it never lacks all of them.
fn taking_turns(
    program: &Program,
    all: &[Option<Strikes>],
    (place, fault): (usize, &Fault),
    lists: &[Struck],
    said: &dyn Fn(NodeRef) -> bool,
) -> Fate {
    let nodes: BTreeSet<NodeRef> = lists.iter().flat_map(|list| &list.whom).map(|(node, _)| *node).collect();
    let of = |list: &Struck, wanted: NodeRef| list.whom.iter().filter(|(node, _)| *node == wanted).count();
    let others = || all.iter().enumerate().filter(|(other, _)| *other != place).filter_map(|(_, other)| other.as_ref());
    let alone = |node: NodeRef| !others().flat_map(Strikes::lists).any(|list| of(list, node) > 0);
    // Whoever takes time to start may still do so when it is the turn of the next one.
    let is_back = |node: NodeRef| match paces(fault) {
        Some((Pace::Exactly(every), _)) => startup(program, node) <= every,
        Some((Pace::About(_), _)) | None => startup(program, node).is_zero(),
    };
    let survives =
        |node: NodeRef| is_back(node) && lists.iter().all(|list| of(list, node) < program.node(node).count as usize);
    let is_replaced = |node: NodeRef| said(node) && lists.iter().all(|list| list.is_own);
    if !nodes.is_empty() && nodes.iter().all(|node| is_replaced(*node)) {
        return Fate::Replaced;
    }
    let is_spared = |node: &NodeRef| is_replaced(*node) || !said(*node) && alone(*node) && survives(*node);
    if nodes.iter().all(is_spared) { Fate::Spared } else { Fate::LeftOut }
}

/// Whom a fault strikes of those that are needed, if it is a process of crashes that goes on for ever.
fn strikes(program: &Program, fault: &Fault, needed: &dyn Fn(&Replica) -> bool) -> Option<Strikes> {
    let target = target(fault).filter(|_| !fault.is_off())?;
    let zone = |(node, number): Replica| program.node(node).zone(number);
    let members = |nodes: &Nodes| -> Vec<Replica> {
        let names = program.nodes.iter().flat_map(|node| &node.replicas).map(|id| program.replica_name(*id));
        let each = program.nodes.iter().flat_map(|node| &node.replicas).map(|id| program.replicas[id.0 as usize]);
        let covered = each.zip(names).filter(|(replica, name)| nodes.covers(name, zone(*replica)));
        covered.map(|(replica, _)| replica).collect()
    };
    let by_zone = || -> Vec<BTreeSet<Replica>> {
        let all = members(&Nodes::Zoned);
        let zones: BTreeSet<&str> = all.iter().filter_map(|replica| zone(*replica)).collect();
        let in_zone = |name: &str| all.iter().copied().filter(|replica| zone(*replica) == Some(name)).collect();
        zones.into_iter().map(in_zone).collect()
    };
    let single = |nodes: &Nodes| -> Vec<BTreeSet<Replica>> {
        members(nodes).into_iter().map(|replica| BTreeSet::from([replica])).collect()
    };
    let (is_in_turn, lists) = match target {
        Target::All(nodes) => (false, vec![members(nodes).into_iter().collect()]),
        Target::Each(nodes) => (false, single(nodes)),
        Target::EachZone => (false, by_zone()),
        Target::One(nodes) => (true, single(nodes)),
        Target::OneZone => (true, by_zone()),
        Target::Minority(_) | Target::The(_) => return None,
    };
    // Of one it is always that one.
    let is_in_turn = is_in_turn && lists.len() > 1;
    let lists = lists.into_iter().map(|list: BTreeSet<Replica>| {
        let is_own = list.len() == 1 && !is_of_zone(target);
        Struck { whom: list.into_iter().filter(needed).collect(), is_own }
    });
    let lists = lists.filter(|list| !list.whom.is_empty()).collect();
    Some(if is_in_turn { Strikes::OneOf(lists) } else { Strikes::Each(lists) })
}

/// Whether it is a zone that fails, whoever stands in it.
fn is_of_zone(target: &Target) -> bool {
    match target {
        Target::EachZone | Target::OneZone => true,
        Target::All(nodes) => matches!(nodes, Nodes::Zone(_) | Nodes::Zoned),
        Target::Each(_) | Target::One(_) | Target::Minority(_) | Target::The(_) => false,
    }
}

/// Whom crashes that go on for ever take.
fn target(fault: &Fault) -> Option<&Target> {
    match fault {
        Fault::Timed(Timed {
            when: When::Always | When::From(_),
            verb: Verb::Crash { target, .. } | Verb::PowerLoss { target },
            trigger: None,
            every: Some(_),
            length: Some(_),
        }) => Some(target),
        Fault::Timed(_) | Fault::Decision(_) => None,
    }
}

/// How long a replica takes from its start to its first request.
pub(super) fn startup(program: &Program, node: NodeRef) -> Duration {
    program.service(node).map_or(Duration::ZERO, |service| service.startup)
}

fn paces(fault: &Fault) -> Option<(Pace, Pace)> {
    let Fault::Timed(Timed { every: Some(every), length: Some(length), .. }) = fault else { return None };
    Some((*every, *length))
}

/// How often a fault strikes, and for how long whom it strikes is down then: between the end of one outage and the
/// beginning of the next lies what `every` says, and whoever starts takes so long for it.
fn figure(fault: &Fault, startup: Duration) -> Option<String> {
    let (every, length) = paces(fault)?;
    let (between, out) = (mean(every), mean(length));
    if startup.is_zero() {
        let repair = if matches!(length, Pace::About(_)) { "mttr" } else { "fixed" };
        let exactly = if matches!(every, Pace::Exactly(_)) { "/fails=fixed" } else { "" };
        return Some(format!("mtbf={between}/{repair}={out}{exactly}"));
    }
    let Pace::About(_) = every else {
        // It is up for what is left of the time between two crashes when its start is over, if anything.
        let cycle = between.saturating_add(out).nanos().max(1);
        let late = startup.nanos() % cycle;
        let Some(up) = between.nanos().checked_sub(late).filter(|up| *up > 0) else { return Some("0%".to_owned()) };
        let (up, more) = (Duration::from_nanos(up), Duration::from_nanos(startup.nanos() - late));
        let repair = out.saturating_add(more);
        return Some(match length {
            Pace::About(_) => format!("mtbf={up}/mttr={repair}/failover={}/fails=fixed", Duration::from_nanos(late)),
            Pace::Exactly(_) => {
                format!("mtbf={up}/fixed={}/fails=fixed", repair.saturating_add(Duration::from_nanos(late)))
            }
        });
    };
    let process = Process::of(fault)?;
    Some(process.figure(longer(&[process], startup)))
}

/// Crashes at random times.
#[derive(Clone, Copy, Debug)]
struct Process {
    /// Between the end of an outage and the beginning of the next one, on average.
    between: Duration,
    out: Duration,
    /// Whether outages are all as long.
    is_exact: bool,
}

impl Process {
    /// None when they do not come at random times.
    fn of(fault: &Fault) -> Option<Process> {
        let (Pace::About(between), length) = paces(fault)? else { return None };
        Some(Process { between, out: mean(length), is_exact: matches!(length, Pace::Exactly(_)) })
    }

    /// As an expression says it, with outages that are longer by so much.
    fn figure(&self, more: Duration) -> String {
        let Process { between, out, is_exact } = self;
        if *is_exact {
            format!("mtbf={between}/fixed={}", out.saturating_add(more))
        } else {
            format!("mtbf={between}/mttr={out}/failover={more}")
        }
    }

    /// The share of time that it holds nobody.
    fn share(&self) -> f64 {
        let [between, out] = [self.between, self.out].map(Duration::as_secs_f64);
        between / (between + out)
    }

    /// How likely it holds nobody so many seconds after a moment at which it held nobody.
    fn free(&self, seconds: f64) -> f64 {
        let (rate, outage) = (1.0 / self.between.as_secs_f64(), self.out.as_secs_f64());
        let law = if self.is_exact { Law::Fixed { rate, outage } } else { Law::Single { rate, outage: Some(outage) } };
        law.at(seconds).map_or(self.share(), |at| at.up)
    }
}

/// By how much an outage of the first of these is longer for a start of such a length, so that all of them as independent
/// components come to what one start after all of them comes to: with *p* the chance that nothing holds it when the start is
/// over, and *i* how long nothing holds it meanwhile, it is up for the share *a* · *p* / (*p* + *i*/*m*), where 1/*m* is how often
/// crashes come while nothing holds it, and *a* the share without the start.
///
/// From a start to the next one pass *i*/*a* on average, and, where it is up at the end of it, (*m* + the outage) more: crashes
/// come as often as nothing holds it, and each takes its length.
fn longer(all: &[Process], startup: Duration) -> Duration {
    const PIECES_MAX: f64 = 1_000.0;
    let Some(first) = all.first() else { return Duration::ZERO };
    let (between, startup) = (first.between.as_secs_f64(), startup.as_secs_f64());
    let free = |seconds: f64| all.iter().map(|process| process.free(seconds)).product::<f64>();
    // Outages that are all as long make corners where one may be over.
    let mut corners = vec![startup];
    for process in all {
        let piece = process.out.as_secs_f64().max(startup / PIECES_MAX);
        corners.extend((0..).map(|nth| f64::from(nth) * piece).take_while(|corner| *corner < startup));
    }
    corners.sort_by(f64::total_cmp);
    let integral = corners.windows(2).map(|ends| {
        let half = (ends[1] - ends[0]) / 2.0;
        half * gauss(|place| Some(free(ends[0] + half * (1.0 + place)))).unwrap_or(0.0)
    });
    let as_often: f64 = all.iter().map(|process| between / process.between.as_secs_f64()).sum();
    Duration::from_nanos_f64(as_often * integral.sum::<f64>() / (first.share() * free(startup)) * 1e9)
}

/// Where several processes strike one replica alone, at random times, there is one start after all that overlaps of them, and
/// not one after each: the first of them has it.
fn start_once(program: &Program, faults: &[Fault], causes: &mut [Cause]) {
    let mut struck: BTreeMap<Replica, Vec<usize>> = BTreeMap::new();
    for (at, cause) in causes.iter().enumerate() {
        cause.whom.iter().for_each(|replica| struck.entry(*replica).or_default().push(at));
    }
    for ((node, _), by) in struck {
        let startup = startup(program, node);
        let process = |at: &usize| Process::of(&faults[causes[*at].fault]).filter(|_| causes[*at].whom.len() == 1);
        let all: Option<Vec<Process>> = by.iter().map(process).collect();
        let Some(all) = all.filter(|all| all.len() > 1 && !startup.is_zero()) else { continue };
        let mut more = longer(&all, startup);
        for (at, process) in by.iter().zip(&all) {
            // Without more it is as if it started at once.
            let figure =
                if more.is_zero() { figure(&faults[causes[*at].fault], more) } else { Some(process.figure(more)) };
            causes[*at].figure = figure.unwrap_or_default();
            more = Duration::ZERO;
        }
    }
}

fn mean(pace: Pace) -> Duration {
    match pace {
        Pace::Exactly(length) | Pace::About(length) => length,
    }
}

/// Whether a fault goes on from the very start.
pub(super) fn is_from_start(fault: &Fault) -> bool {
    matches!(fault, Fault::Timed(Timed { when: When::Always, .. }))
}
