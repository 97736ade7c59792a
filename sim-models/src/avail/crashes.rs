//! Whom the crashes of a scenario take down: each by himself, several at once, or one of several at a time.
//!
//! A node is down while any fault holds it, and no fault waits for another one. So two processes of crashes that strike
//! the same node go on side by side, and what overlaps of their outages is down once: each process is a component of its
//! own, independent of the others, and all whom it strikes at once hang on that one.

use std::collections::BTreeSet;

use sim_core::fault::{Nodes, Pace, Target, Timed, Verb, When};
use sim_core::{Duration, Fault};

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

/// A fault that goes on for ever: whom it strikes.
enum Strikes {
    /// Each of these lists at once, each by dice of its own.
    Each(Vec<BTreeSet<Replica>>),
    /// One of these lists at a time.
    OneOf(Vec<BTreeSet<Replica>>),
}

impl Strikes {
    fn lists(&self) -> &[BTreeSet<Replica>] {
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
                Some(Strikes::OneOf(lists)) => taking_turns(program, &all, place, lists, said),
                Some(Strikes::Each(lists)) => {
                    let is_said =
                        |whom: &BTreeSet<Replica>| whom.len() == 1 && whom.iter().any(|(node, _)| said(*node));
                    let kept = lists.iter().filter(|whom| !is_said(whom));
                    let figure = figure(fault).unwrap_or_default();
                    let before = causes.len();
                    causes.extend(kept.map(|whom| Cause { fault: place, figure: figure.clone(), whom: whom.clone() }));
                    if causes.len() == before && !lists.is_empty() { Fate::Replaced } else { Fate::Drawn }
                }
            });
        }
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
    place: usize,
    lists: &[BTreeSet<Replica>],
    said: &dyn Fn(NodeRef) -> bool,
) -> Fate {
    let nodes: BTreeSet<NodeRef> = lists.iter().flatten().map(|(node, _)| *node).collect();
    let of = |list: &BTreeSet<Replica>, wanted: NodeRef| list.iter().filter(|(node, _)| *node == wanted).count();
    let others = || all.iter().enumerate().filter(|(other, _)| *other != place).filter_map(|(_, other)| other.as_ref());
    let alone = |node: NodeRef| !others().flat_map(Strikes::lists).any(|list| of(list, node) > 0);
    let survives = |node: NodeRef| lists.iter().all(|list| of(list, node) < program.node(node).count as usize);
    let is_replaced = |node: NodeRef| said(node) && lists.iter().all(|list| list.len() == 1);
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
    let lists = lists.into_iter().map(|list: BTreeSet<Replica>| list.into_iter().filter(needed).collect());
    let lists = lists.filter(|list: &BTreeSet<Replica>| !list.is_empty()).collect();
    Some(if is_in_turn { Strikes::OneOf(lists) } else { Strikes::Each(lists) })
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

/// How often a fault strikes, and for how long each time: between the end of one outage and the beginning of the next
/// lies what `every` says.
fn figure(fault: &Fault) -> Option<String> {
    let Fault::Timed(Timed { every: Some(every), length: Some(length), .. }) = fault else { return None };
    let repair = match length {
        Pace::About(length) => format!("mttr={length}"),
        Pace::Exactly(length) => format!("fixed={length}"),
    };
    let exactly = if matches!(every, Pace::Exactly(_)) { "/fails=fixed" } else { "" };
    Some(format!("mtbf={}/{repair}{exactly}", mean(*every)))
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
