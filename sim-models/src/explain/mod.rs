//! Says why a run failed, in words whose every clause names an event that is there: what happened, who believed what, what was
//! needed for it.
//!
//! A run that follows from a seed is shrunk first: what is explained is the smallest run that fails in the same way. Nothing here
//! knows a scenario; it reads the trace, the names of the program, and what the judge says.

mod beliefs;
mod clauses;
mod cures;
mod rounds;
mod subjects;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sim_core::case::Case;
use sim_core::{Fate, Instant, NodeId, Operation, Rest, Step, Trace, Verdict};

pub use self::beliefs::Belief;
pub use self::clauses::Clause;
pub use self::cures::{Cure, cures};
pub use self::rounds::round_by_round;
use self::subjects::Subjects;
use crate::decided::{Decided, decided};
use crate::interp::Service;
use crate::judge::Violation;
use crate::likelihood::{Likelihood, Plan, likelihood};
use crate::message::{Msg, Note};
use crate::narrate::{Moment, What, narrate};
use crate::program::{Program, Role, Slot};
use crate::prove::{Proof, prove, prove_near};
use crate::record::{Record, soon_after};
use crate::scenario::{CaseError, Model};
use crate::shrink::{Progress, Shrunk, shrink};
use crate::tell;
use crate::value::Value;

/// How many answers that came close to mattering are looked at.
const NEAR: usize = 8;

/// Why a case fails.
#[derive(Clone)]
pub struct Explanation {
    /// The verdict.
    pub verdict: Verdict,
    /// The property that is broken; none of a panic or a limit.
    pub property: Option<String>,
    /// What the judge says of it.
    pub detail: String,
    /// The smallest run that fails so, as a case, and how it was found.
    pub small: Shrunk,
    /// The event that broke it, in that run.
    pub event: u64,
    /// When that was.
    pub at: Instant,
    /// The event at which it was decided, which the chain leads to: the same, of what breaks for a key; of what breaks for the run
    /// as a whole, the last thing that went wrong.
    pub decisive: u64,
    /// What happened, clause by clause, in order; the first says what is broken.
    pub clauses: Vec<Clause>,
    /// The events that made the deciding one happen, it itself last.
    pub chain: Vec<Link>,
    /// What can be drawn of the run.
    pub moments: Vec<Moment>,
    /// The nodes worth a column, in the order in which they come up.
    pub nodes: Vec<(NodeId, String)>,
    /// What each line of the small case does for the failure; of many lines of a long run, the first ones.
    pub proofs: Vec<Proof>,
    /// Of a case that follows from a seed: the same in the run of the seed, with what came close to mattering. True beside what
    /// is left in the small case.
    pub near: Vec<(Proof, bool)>,
    /// What nodes believed that was not so.
    pub beliefs: Vec<Belief>,
    /// How probable the failure was along the small run, had the dice been cast anew from there.
    pub likelihood: Likelihood,
}

/// One event of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its number.
    pub event: u64,
    /// When it happened.
    #[serde(rename = "at_ns")]
    pub at: u64,
    /// Where; empty for a fault.
    pub node: String,
    /// What happened.
    pub what: String,
    /// For which operation, such as `order/17`.
    pub operation: Option<String>,
}

/// Explains a failing case, with at most `most` replays to shrink it.
///
/// # Errors
/// What is wrong with the case, or that it does not fail.
pub fn explain(
    file: &str,
    case: &Case,
    most: u64,
    watch: &mut dyn FnMut(Progress) -> bool,
) -> Result<Explanation, CaseError> {
    let small = shrink(file, case, most, watch)?;
    let seed = case.seed;
    let near = match case.rest {
        Rest::Calm | Rest::Steady => Vec::new(),
        Rest::Seed => prove_near(&Model::of_case(file, case)?, seed, &small.failure, &small.case.faults, NEAR),
    };
    let proofs = prove(&small.model, seed, &small.failure);
    let story = Story::of(&small, seed);
    let judged =
        story.record.outcome.properties.iter().find(|judged| Some(&judged.name) == small.failure.property.as_ref());
    let detail = judged.map(|judged| judged.detail.clone()).unwrap_or_default();
    let beliefs = story.beliefs();
    let moments = story.moments(&beliefs);
    let nodes = worth_a_column(&story, &moments);
    let moments: Vec<Moment> = moments.into_iter().filter(|moment| is_between(moment, &nodes)).collect();
    Ok(Explanation {
        verdict: small.failure.verdict,
        property: small.failure.property.clone(),
        clauses: clauses::tell(&story, &moments, &beliefs, &detail),
        chain: story.chain(),
        event: story.event,
        at: story.at(story.event),
        decisive: story.decisive,
        detail,
        moments,
        nodes,
        proofs,
        near,
        beliefs,
        likelihood: likelihood(&small.model, seed, &small.failure, &plan(&story.record)),
        small,
    })
}

/// The operations whose story is told: the first few that have a part in it, or else the first that are left.
fn told(operations: BTreeSet<Operation>, only: Option<&[Operation]>) -> BTreeSet<Operation> {
    const MOST: usize = 4;
    let mut told: BTreeSet<Operation> = operations.into_iter().filter(|of| of.parts().is_some()).take(MOST).collect();
    if told.is_empty() {
        told.extend(only.unwrap_or_default().iter().take(MOST));
    }
    told
}

/// As many forks as cost about two million events in all, at least 20 and at most 200 at each moment; and where that
/// many at each of 24 moments would cost more than twice as much, fewer moments. What breaks at an event is looked for
/// until soon after it: that it breaks some day is another question.
fn plan(record: &Record) -> Plan {
    const MOMENTS: u64 = 24;
    const EVENTS: u64 = 2_000_000;
    let length = record.outcome.events.max(1);
    let forks = (EVENTS / (MOMENTS * length)).clamp(20, 200);
    // A fork is half as long as the run, taken over all moments.
    let moments = (4 * EVENTS / (forks * length)).clamp(6, MOMENTS) as usize;
    let until = record.outcome.stopped_at.is_some().then(|| soon_after(record.outcome.end));
    Plan { moments, forks, until, ..Plan::default() }
}

/// The smallest failing run with all that is needed to tell it.
struct Story<'a> {
    model: &'a Model,
    program: &'a Program,
    record: Record,
    /// What the property that is broken is about.
    subjects: Subjects,
    decided: Vec<Decided>,
    /// What came to be known, in order.
    learnt: Vec<Learnt>,
    /// The operations that have a part in it.
    operations: BTreeSet<Operation>,
    /// The event that broke it.
    event: u64,
    /// The event that decided that it would: the same, of what breaks for a key.
    decisive: u64,
    seed: sim_core::Seed,
}

/// The last event in which a store has made something of a promise.
fn last_settled(record: &Record) -> Option<u64> {
    let settles = |note: &Note| matches!(note, Note::InDoubt { by, .. } if *by < 0);
    let mut steps = record.trace.steps().iter().rev().filter(|step| step.number <= record.outcome.events);
    steps.find(|step| record.trace.notes(step.number).iter().any(settles)).map(|step| step.number)
}

/// A value that a service has read.
#[derive(Clone, Debug, PartialEq)]
struct Learnt {
    event: u64,
    at: Instant,
    node: NodeId,
    operation: Operation,
    slot: Slot,
    value: Value,
    /// All that was known then, to work out which cell was read.
    known: Known,
}

/// What a service knows under a dollar sign for one operation.
type Known = Vec<(Slot, Value)>;

impl<'a> Story<'a> {
    fn of(small: &'a Shrunk, seed: sim_core::Seed) -> Self {
        let model = &small.model;
        let program: &Program = model.program();
        let mut learnt = Vec::new();
        // What each node knows for each operation.
        let mut known: BTreeMap<(NodeId, Operation), Known> = BTreeMap::new();
        let record = Record::watched(model, seed, &small.failure, |sim, step| {
            let Some(node) = step.node() else { return };
            let Some(service) = sim.actor::<Service>(node) else { return };
            let of = step.cause.operation;
            let now = service.values(of);
            let before = known.entry((node, of)).or_default();
            let new = now.iter().filter(|value| !before.contains(value));
            let lesson = |(slot, value): &(Slot, Value)| Learnt {
                event: step.number,
                at: step.at,
                node,
                operation: of,
                slot: *slot,
                value: value.clone(),
                known: now.clone(),
            };
            learnt.extend(new.map(lesson));
            *before = now;
        });
        let decided = decided(&record.trace, program);
        let violated = record.violation.as_ref().map_or(record.outcome.events, Violation::decisive);
        let has_key = record.violation.as_ref().is_none_or(|violation| violation.key.is_some());
        let of_roots = record.roots().into_iter().filter_map(|event| record.trace.step(event));
        let of_roots = of_roots.map(|step| step.cause.operation);
        let odd = || decided.iter().filter(|it| it.is_odd());
        // What breaks for a key is told by what became of it; what breaks for the run as a whole, by what went wrong in it.
        let (operations, decisive) = if has_key {
            (of_roots.collect(), violated)
        } else {
            let faults = record.trace.steps().iter().filter(|step| step.node().is_none()).map(|step| step.number);
            let wrong = odd().map(|it| it.event).chain(faults).max();
            let decisive = last_settled(&record).or(wrong).unwrap_or(violated);
            let unlucky: BTreeSet<Operation> = odd().map(|it| it.question.operation()).collect();
            let struck = || record.trace.step(decisive).map(|step| step.cause.operation);
            (if unlucky.is_empty() { struck().into_iter().collect() } else { unlucky }, decisive)
        };
        let operations = told(operations, small.model.only());
        let event = if has_key { violated } else { record.violation.as_ref().map_or(violated, |it| it.event) };
        let subjects = Subjects::of(record.violation.as_ref(), program);
        Story { model, program, subjects, decided, learnt, operations, event, decisive, seed, record }
    }

    fn trace(&self) -> &Trace<Msg> {
        &self.record.trace
    }

    fn at(&self, event: u64) -> Instant {
        self.trace().step(event).map_or(Instant::ZERO, |step| step.at)
    }

    fn name(&self, node: NodeId) -> String {
        self.program.replica_name(node)
    }

    /// An operation as lines of a case write it.
    fn operation(&self, of: Operation) -> Option<String> {
        tell::operation(self.program, of)
    }

    /// What happened for its operations and for those of whoever came in between, in order.
    fn moments(&self, beliefs: &[Belief]) -> Vec<Moment> {
        let rivals =
            beliefs.iter().filter_map(|belief| self.trace().step(belief.since?)).map(|step| step.cause.operation);
        let all: BTreeSet<Operation> =
            self.operations.iter().copied().chain(rivals.filter(|of| of.parts().is_some())).collect();
        let told = all.iter().flat_map(|of| narrate(self.trace(), self.program, *of, self.record.outcome.events));
        let learnt = self.learnt.iter().filter(|it| all.contains(&it.operation) && self.read_step(it).is_some());
        let learnt = learnt.map(|it| Moment {
            event: it.event,
            at: it.at,
            node: it.node,
            what: What::Learnt {
                name: self.program.slots[it.slot.0 as usize].name.clone(),
                value: it.value.to_string(),
                whose: None,
            },
        });
        let mut moments: Vec<Moment> = told.filter(|moment| self.matters(moment)).chain(learnt).collect();
        moments.sort_by_key(|moment| moment.event);
        if all.len() > 1 {
            moments.iter_mut().for_each(|moment| self.say_for_whom(moment));
        }
        moments
    }

    /// Adds the operation to what is asked and read: where several have a part in it, they are told apart.
    fn say_for_whom(&self, moment: &mut Moment) {
        let of = self.trace().step(moment.event).and_then(|step| self.operation(step.cause.operation));
        let Some(of) = of else { return };
        match &mut moment.what {
            What::Arrived { word, .. } | What::Sent { word, .. } => *word = format!("{word} {of}"),
            What::Learnt { whose, .. } => *whose = Some(of),
            _ => {}
        }
    }

    /// Whether a moment has to do with what the property reads. What goes to a store and back is told by what becomes of cells.
    fn matters(&self, moment: &Moment) -> bool {
        match &moment.what {
            What::Fact { name, .. } => self.subjects.has_fact(name, self.program),
            What::Cell { map, .. } => self.subjects.has_map(map, self.program),
            What::Arrived { from, word, .. } => agrees(word) || !self.is_store(moment.node) && !self.is_store(*from),
            What::Sent { to, fate, .. } => !matches!(fate, Fate::Arrives(_)) || !self.is_store(*to),
            _ => true,
        }
    }

    /// The events that made the deciding one happen, from the beginning of its operation.
    fn chain(&self) -> Vec<Link> {
        let chain = self.trace().chain(self.decisive);
        let steps = chain.into_iter().filter_map(|event| self.trace().step(event));
        let own = self.trace().step(self.decisive).map_or(Operation::NONE, |step| step.cause.operation);
        // A workload begins one operation in the event in which the one before it began; those are not why.
        let is_own = |step: &&Step| own.parts().is_none() || step.cause.operation == own;
        steps.filter(is_own).map(|step| self.link(step)).collect()
    }

    fn link(&self, step: &Step) -> Link {
        Link {
            event: step.number,
            at: step.at.nanos(),
            node: step.node().map(|node| self.name(node)).unwrap_or_default(),
            what: self.happened(step),
            operation: self.operation(step.cause.operation),
        }
    }

    /// An event in words, its node left out.
    fn happened(&self, step: &Step) -> String {
        let drawn = step.by.and_then(|by| tell::drawn_for(self.trace().entries(by), step.cause.operation));
        tell::event(self.program, self.model.faults(), step, self.trace().notes(step.number), drawn)
    }

    /// The node that a name stands for in a belief or clause, if it keeps cells.
    fn is_store(&self, node: NodeId) -> bool {
        matches!(self.program.node(self.program.replicas[node.0 as usize].0).role, Role::Store(_))
    }
}

/// Whether a kind of message is one by which stores agree.
fn agrees(word: &str) -> bool {
    ["prepare", "precommit", "decide"].contains(&word)
}

/// The nodes that are drawn: services and workloads, and stores only where a fact or a cell changed that is told, or where something was
/// promised.
fn worth_a_column(story: &Story<'_>, moments: &[Moment]) -> Vec<(NodeId, String)> {
    let mut nodes: Vec<NodeId> = Vec::new();
    for moment in moments {
        let at_store =
            || matches!(moment.what, What::Fact { .. } | What::Cell { .. } | What::Promised | What::Settled(_));
        let told = !story.is_store(moment.node) || at_store();
        if told && !nodes.contains(&moment.node) {
            nodes.push(moment.node);
        }
    }
    nodes.into_iter().map(|node| (node, story.name(node))).collect()
}

/// Whether all that a moment speaks of has a column.
fn is_between(moment: &Moment, nodes: &[(NodeId, String)]) -> bool {
    let drawn = |node: NodeId| nodes.iter().any(|(known, _)| *known == node);
    drawn(moment.node)
        && match moment.what {
            What::Arrived { from, .. } => drawn(from),
            What::Sent { to, .. } => drawn(to),
            _ => true,
        }
}
