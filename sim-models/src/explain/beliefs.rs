//! What a node believed at a moment, beside what was true then.
//!
//! Two things can be known to be believed: that a call has failed or got no answer, and that a cell holds what was read from it.
//! The truth about a call is what the callee had done with that very try; the truth about a cell is what it held.

use sim_core::{Entry, Fate, Form, Happening, Instant, NodeId, Step};

use super::{Learnt, Story};
use crate::interp::Service;
use crate::message::{EdgeCounted, Note, Tone};
use crate::program::{MapRef, Template, Var, Verb};
use crate::prove::forks;
use crate::shelf::fill;
use crate::value::Value;

/// Something that was believed and was not so.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Belief {
    /// The event in which it was acted upon.
    pub event: u64,
    /// When that was.
    #[serde(rename = "at_ns")]
    pub at: u64,
    /// Who believed it.
    pub node: String,
    /// For which operation.
    pub operation: Option<String>,
    /// What was believed.
    pub believed: String,
    /// What was true.
    #[serde(rename = "true")]
    pub truth: String,
    /// The event that had made it so, or was going to.
    pub since: Option<u64>,
}

/// What became of one try of a call up to the end of the run.
enum Course {
    Lost,
    OnItsWay,
    Down { event: u64 },
    AtWork { since: u64 },
    Answered { since: u64, done: u64, answer: Fate },
}

impl Story<'_> {
    /// What was believed by mistake by those who have a part in it, in order.
    pub(super) fn beliefs(&self) -> Vec<Belief> {
        let steps = self.trace().steps().iter().filter(|step| self.operations.contains(&step.cause.operation));
        let calls = steps.filter_map(|step| self.about_call(step));
        let mut beliefs: Vec<Belief> = calls.chain(self.about_cells()).collect();
        beliefs.sort_by_key(|belief| belief.event);
        beliefs
    }

    /// What a node believes that gives up on a call in this event.
    fn about_call(&self, step: &Step) -> Option<Belief> {
        let Happening::Fired { node, .. } = step.what else { return None };
        let gave_up = self.trace().notes(step.number).iter().find_map(|note| match note {
            Note::Edge(edge, EdgeCounted::Outcome(Tone::Unknown, _)) => Some(*edge),
            _ => None,
        })?;
        let callee = self.program.edges[gave_up.0 as usize].1;
        let asked = step.by?;
        let (to, kind, lineage, fate) = self.trace().entries(asked).iter().find_map(|entry| match entry {
            Entry::Sent { from, to, kind, cause, fate, form: Form::Message, .. }
                if *from == node && self.program.replicas[to.0 as usize].0 == callee =>
            {
                Some((*to, *kind, cause.lineage, *fate))
            }
            _ => None,
        })?;
        let course = self.course((node, to), lineage, asked, fate);
        let word = &self.program.kinds[kind.0 as usize];
        let (truth, since) = self.truth_about(&course, to, step);
        Some(Belief {
            event: step.number,
            at: step.at.nanos(),
            node: self.name(node),
            operation: self.operation(step.cause.operation),
            believed: format!("{} gives no answer to {word}", self.name(to)),
            truth,
            since,
        })
    }

    /// What became of a request that was sent in an event, as far as the run goes.
    fn course(&self, (asker, callee): (NodeId, NodeId), lineage: u64, asked: u64, fate: Fate) -> Course {
        if fate.is_lost() {
            return Course::Lost;
        }
        let arrives = |step: &&Step| step.by == Some(asked) && step.cause.lineage == lineage;
        let Some(arrival) = self.trace().steps().iter().find(arrives) else { return Course::OnItsWay };
        let since = arrival.number;
        if matches!(arrival.what, Happening::Undelivered { .. }) {
            return Course::Down { event: since };
        }
        let answer = |step: &Step| {
            let sent = self.trace().entries(step.number).iter().find_map(|entry| match entry {
                Entry::Sent { from, to, fate, form: Form::Message, .. } if (*from, *to) == (callee, asker) => {
                    Some(*fate)
                }
                _ => None,
            })?;
            self.trace().chain(step.number).contains(&since).then_some((step.number, sent))
        };
        let after = self.trace().steps().iter().filter(|step| step.number >= since && step.node() == Some(callee));
        match after.filter_map(answer).next() {
            Some((done, answer)) => Course::Answered { since, done, answer },
            None => Course::AtWork { since },
        }
    }

    /// How things stood with a request when its caller gave up on it.
    fn truth_about(&self, course: &Course, callee: NodeId, gave_up: &Step) -> (String, Option<u64>) {
        let name = self.name(callee);
        let now = gave_up.number;
        match *course {
            Course::Lost => ("the request was lost on its way".to_owned(), gave_up.by),
            Course::OnItsWay => ("the request is still on its way".to_owned(), gave_up.by),
            Course::Down { event } if event < now => {
                (format!("the request came to {name} while it was down"), Some(event))
            }
            Course::Down { event } => (format!("the request will come to {name} while it is down"), Some(event)),
            Course::AtWork { since } | Course::Answered { since, .. } if since > now => {
                (format!("the request is still on its way to {name}"), Some(since))
            }
            Course::AtWork { since } => (format!("{name} is at work on it"), Some(since)),
            Course::Answered { done, answer, .. } if done < now => {
                let way = match answer {
                    Fate::Lost | Fate::Cut => "was lost",
                    Fate::Corrupt => "was damaged on its way and discarded",
                    Fate::Full => "was dropped where it was sent",
                    Fate::Refused => "was refused",
                    Fate::Reset(_) => "was reset with its connection",
                    Fate::Arrives(_) | Fate::ArrivesTwice(..) => "is on its way",
                    Fate::Held(_) | Fate::HeldTwice(..) => "is held up on its way",
                };
                (format!("{name} had done it{}, and its answer {way}", self.recorded(callee, course, 0)), Some(done))
            }
            Course::Answered { done, .. } => {
                (format!("{name} is at work on it and will do it{}", self.recorded(callee, course, now)), Some(done))
            }
        }
    }

    /// The facts that the property reads and that a callee recorded for a try after an event: ` (charged)`.
    fn recorded(&self, callee: NodeId, course: &Course, after: u64) -> String {
        let Course::Answered { since, done, .. } = *course else { return String::new() };
        let chain = self.trace().chain(done);
        let own = chain.into_iter().filter(|event| {
            *event >= since.max(after) && self.trace().step(*event).and_then(Step::node) == Some(callee)
        });
        let mut facts: Vec<&str> = own
            .flat_map(|event| self.trace().notes(event))
            .filter_map(|note| match note {
                Note::Fact(fact, _, times) if *times > 0 => Some(self.program.facts[fact.0 as usize].name.as_str()),
                _ => None,
            })
            .collect();
        facts.retain(|fact| self.subjects.has_fact(fact, self.program));
        facts.dedup();
        if facts.is_empty() { String::new() } else { format!(" ({})", facts.join(", ")) }
    }

    /// The values that whoever caused the deciding event still took for true when it last had a hand in it, and that were no
    /// longer so by then.
    fn about_cells(&self) -> Vec<Belief> {
        let own = self.trace().step(self.decisive).map(|step| step.cause.operation).filter(|of| of.parts().is_some());
        let read = self.learnt.iter().filter(|it| Some(it.operation) == own);
        let acted: Vec<(&Learnt, u64)> = read.filter_map(|it| Some((it, self.acted_upon(it)?))).collect();
        let events: Vec<u64> = acted.iter().map(|(_, event)| *event).collect();
        let before = forks(self.model, self.seed, sim_core::Stop::AtEnd, &events);
        let stale = acted.into_iter().filter_map(|(it, event)| {
            let (sim, _) = before.get(&event)?;
            let known = sim.actor::<Service>(it.node)?.values(it.operation);
            let (map, key) = self.read_step(it)?;
            let cell = sim.shared().map(map).value(&key);
            let believes = known.contains(&(it.slot, it.value.clone()));
            (believes && cell != it.value).then(|| self.stale(it, event, (map, &key), &cell))
        });
        let mut stale: Vec<Belief> = stale.collect();
        stale.dedup_by(|later, earlier| later.believed == earlier.believed);
        stale
    }

    /// The event in which the node that read a value last had a hand in the deciding one, if it read it before.
    fn acted_upon(&self, it: &Learnt) -> Option<u64> {
        let chain = self.trace().chain(self.decisive).into_iter().rev();
        let mut own = chain.filter(|event| self.trace().step(*event).and_then(Step::node) == Some(it.node));
        own.next().filter(|event| *event > it.event)
    }

    fn stale(&self, it: &Learnt, event: u64, (map, key): (MapRef, &Value), cell: &Value) -> Belief {
        let def = self.program.map(map);
        let place = format!("{}.{}[{key}]", self.program.node(def.owner).name, def.name);
        let changed = self.trace().steps().iter().rev().filter(|step| step.number < event).find(|step| {
            let sets = |note: &Note| matches!(note, Note::Cell { map: m, key: k, .. } if *m == map && k == key);
            self.trace().notes(step.number).iter().any(sets)
        });
        let whose = changed.and_then(|step| self.operation(step.cause.operation));
        let by = whose.map(|whose| format!(", set for {whose}")).unwrap_or_default();
        Belief {
            event,
            at: self.at(event).nanos(),
            node: self.name(it.node),
            operation: self.operation(it.operation),
            believed: format!("{place} is {}, as read in #{}", it.value, it.event),
            truth: format!("{place} is {cell}{by}"),
            since: changed.map(|step| step.number),
        }
    }

    /// The cell of a durable map that a value was read from.
    pub(super) fn read_step(&self, it: &Learnt) -> Option<(MapRef, Value)> {
        let node = self.program.replicas[it.node.0 as usize].0;
        let reads = self.program.steps.iter().filter(|step| step.clauses.bind == Some(it.slot));
        let (map, key) = reads.filter(|step| self.is_step_of(step, node)).find_map(|step| match &step.verb {
            Verb::Read { map, key, .. } => Some((*map, key)),
            _ => None,
        })?;
        (!self.program.map(map).memory).then_some(())?;
        Some((map, self.filled(key, it)?))
    }

    /// Whether a step stands in the file below that node.
    fn is_step_of(&self, step: &crate::program::Step, node: crate::program::NodeRef) -> bool {
        let name = &self.program.node(node).name;
        ["nodes.", "workload."].iter().any(|section| {
            step.path
                .strip_prefix(section)
                .and_then(|rest| rest.strip_prefix(name.as_str()))
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }

    fn filled(&self, key: &Template, it: &Learnt) -> Option<Value> {
        let value = |slot| it.known.iter().find(|(known, _)| *known == slot).map(|(_, value)| value.clone());
        let mut names = |var: &Var, _: Option<&Value>| match var {
            Var::Slot(slot) => value(*slot).unwrap_or_default(),
            _ => Value::Null,
        };
        fill(key, &mut names).ok()
    }
}

/// The instant of a belief.
impl Belief {
    /// When it was acted upon.
    pub fn instant(&self) -> Instant {
        Instant::from_nanos(self.at)
    }
}
