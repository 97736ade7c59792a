//! Looks at a program for what can run and is probably not meant: endpoints nobody calls, retries that repeat what happened in
//! the world, and calls that wait for a worker of the pool that they keep busy.

use std::collections::BTreeSet;

use super::lower::label;
use crate::expr::{Expr, Kind};
use crate::json::Span;
use crate::problem::Problems;
use crate::program::{
    Ack, Ask, BlockRef, Catch, Clauses, EndpointRef, FactRef, NodeRef, Program, Reason, Role, StepRef, Template, Verb,
};
use crate::value::Value;

/// Where steps and endpoints stand in the file.
#[derive(Default)]
pub(super) struct Places {
    pub steps: Vec<Span>,
    pub endpoints: Vec<Span>,
}

pub(super) fn warn(program: &Program, places: &Places, problems: &mut Problems) {
    let look = Look { program, places };
    look.uncalled(problems);
    look.queues(problems);
    look.unsafe_retries(problems);
    look.unsafe_hedges(problems);
    look.self_waits(problems);
}

/// What stands around a list of steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Plain,
    Transaction,
}

/// What another try would state once more.
#[derive(Default)]
struct Repeats {
    seen: BTreeSet<EndpointRef>,
    found: BTreeSet<(EndpointRef, FactRef)>,
}

struct Look<'a> {
    program: &'a Program,
    places: &'a Places,
}

impl Look<'_> {
    fn endpoints(&self) -> impl Iterator<Item = EndpointRef> + use<> {
        (0..self.program.endpoints.len()).map(|index| EndpointRef(index as u16))
    }

    fn is_root(&self, endpoint: EndpointRef) -> bool {
        let def = self.program.endpoint(endpoint);
        def.clock.is_some()
            || self.program.is_probed(endpoint)
            || matches!(self.program.node(def.node).role, Role::Workload(_))
    }

    fn uncalled(&self, problems: &mut Problems) {
        let called = |step: &crate::program::Step| match step.verb {
            Verb::Call { endpoint, .. } => Some(endpoint),
            _ => None,
        };
        let called: BTreeSet<EndpointRef> = self.program.steps.iter().filter_map(called).collect();
        let is_fed = |endpoint: &EndpointRef| self.program.endpoint(*endpoint).consumes.is_some();
        let uncalled = |endpoint: &EndpointRef| !self.is_root(*endpoint) && !called.contains(endpoint);
        for endpoint in self.endpoints().filter(|endpoint| uncalled(endpoint) && !is_fed(endpoint)) {
            let message = format!("nobody calls {}", label(self.program, endpoint));
            problems.warn(self.places.endpoints[endpoint.0 as usize], message);
        }
    }

    /// What a consumer does not finish stays hidden for ever, and what is given up is gone, where the file says nothing of either.
    fn queues(&self, problems: &mut Problems) {
        for endpoint in self.endpoints() {
            let Some(consumes) = &self.program.endpoint(endpoint).consumes else { continue };
            let Some(queue) = self.program.queue(consumes.queue) else { continue };
            let name = &self.program.node(consumes.queue).name;
            let place = self.places.endpoints[endpoint.0 as usize];
            if consumes.ack == Ack::After && queue.visibility == sim_core::Duration::FOREVER {
                let message = format!(
                    "{name} has no \"visibility\": a message that {} does not finish stays hidden for ever",
                    label(self.program, endpoint)
                );
                problems.warn(place, message);
            }
            if let (Some(most), None) = (queue.max_receives, queue.dead_letter) {
                let message = format!(
                    "{name} gives a message up after {most} deliveries and has no \"dead_letter\": it is gone then"
                );
                problems.warn(place, message);
            }
        }
    }

    fn unsafe_retries(&self, problems: &mut Problems) {
        let counted = self.counted_on_purpose();
        for endpoint in self.endpoints() {
            for step in self.live_steps(self.program.endpoint(endpoint).body) {
                if !retries_unknown(&self.program.step(step).clauses) {
                    continue;
                }
                for (by, fact) in self.repeated(endpoint, step) {
                    let name = &self.program.facts[fact.0 as usize].name;
                    if counted.contains(&fact) {
                        continue;
                    }
                    let by = label(self.program, by);
                    let message = format!("{by} records \"{name}\" and is retried on unknown without \"once\"");
                    problems.warn(self.places.steps[step.0 as usize], message);
                }
            }
        }
    }

    /// Of a hedged call that changes something, both may have done it.
    fn unsafe_hedges(&self, problems: &mut Problems) {
        let counted = self.counted_on_purpose();
        for endpoint in self.endpoints() {
            for step in self.live_steps(self.program.endpoint(endpoint).body) {
                if self.program.step(step).clauses.hedge.is_none() {
                    continue;
                }
                for (by, fact) in self.repeated(endpoint, step) {
                    if counted.contains(&fact) {
                        continue;
                    }
                    let name = &self.program.facts[fact.0 as usize].name;
                    let by = label(self.program, by);
                    let message = format!(
                        "{by} records \"{name}\" and is hedged without \"once\": the one that loses may do it too"
                    );
                    problems.warn(self.places.steps[step.0 as usize], message);
                }
            }
        }
    }

    /// Whoever asks whether a fact is ever stated twice has thought of it.
    fn counted_on_purpose(&self) -> BTreeSet<FactRef> {
        let facts = self.program.properties.iter().map(|property| match &property.ask {
            Ask::Sometimes(condition) => condition.facts.as_slice(),
            _ => &[],
        });
        facts.flatten().copied().collect()
    }

    /// The facts that another try of this step may state once more.
    fn repeated(&self, here: EndpointRef, step: StepRef) -> BTreeSet<(EndpointRef, FactRef)> {
        let mut repeats = Repeats::default();
        match &self.program.step(step).verb {
            Verb::Call { endpoint, .. } => {
                self.recorded(*endpoint, self.program.endpoint(*endpoint).body, Inside::Plain, &mut repeats);
            }
            Verb::Publish { queue, .. } => self.recorded_by_consumers(*queue, &mut repeats),
            Verb::Try(body) => {
                self.recorded(here, *body, Inside::Plain, &mut repeats);
                // What is stated behind the last step that may be unknown is stated by a try that is ok.
                let last = self.last_remote(*body);
                let early = |fact: FactRef| self.first_record(*body, fact).is_some_and(|first| Some(first) < last);
                repeats.found.retain(|(by, fact)| *by != here || early(*fact));
            }
            Verb::Transaction { body, .. } => self.recorded(here, *body, Inside::Transaction, &mut repeats),
            _ => {}
        }
        repeats.found
    }

    /// The facts that steps of a list state without a guard, and those of the endpoints that they call.
    fn recorded(&self, here: EndpointRef, body: BlockRef, inside: Inside, repeats: &mut Repeats) {
        let mut guarded = false;
        for step in self.program.block(body) {
            match &self.program.step(*step).verb {
                // In a transaction, a set with a condition decides whether the rest happens.
                Verb::Set { condition: Some(_), .. } => guarded |= inside == Inside::Transaction,
                _ if guarded => continue,
                Verb::Record { fact, times: 1, .. } => {
                    repeats.found.insert((here, *fact));
                }
                Verb::Call { endpoint, .. } if repeats.seen.insert(*endpoint) => {
                    self.recorded(*endpoint, self.program.endpoint(*endpoint).body, Inside::Plain, repeats);
                }
                Verb::Publish { queue, .. } => self.recorded_by_consumers(*queue, repeats),
                _ => {}
            }
            self.recorded_inside(here, *step, inside, repeats);
        }
    }

    /// The facts that whoever consumes a queue states without a guard: a message that is published twice is handled twice.
    fn recorded_by_consumers(&self, queue: NodeRef, repeats: &mut Repeats) {
        for endpoint in self.program.queue(queue).into_iter().flat_map(|queue| &queue.consumers) {
            if repeats.seen.insert(*endpoint) {
                self.recorded(*endpoint, self.program.endpoint(*endpoint).body, Inside::Plain, repeats);
            }
        }
    }

    fn recorded_inside(&self, here: EndpointRef, step: StepRef, inside: Inside, repeats: &mut Repeats) {
        let once = match &self.program.step(step).verb {
            Verb::Once(once) if once.key != Template::Constant(Value::Null) => Some(once.body),
            _ => None,
        };
        let inside = match &self.program.step(step).verb {
            Verb::Transaction { .. } => Inside::Transaction,
            _ => inside,
        };
        for inner in self.live_blocks(step).into_iter().filter(|inner| Some(*inner) != once) {
            self.recorded(here, inner, inside, repeats);
        }
    }

    fn first_record(&self, body: BlockRef, fact: FactRef) -> Option<StepRef> {
        let records =
            |step: &StepRef| matches!(self.program.step(*step).verb, Verb::Record { fact: of, .. } if of == fact);
        self.live_steps(body).into_iter().find(records)
    }

    fn last_remote(&self, body: BlockRef) -> Option<StepRef> {
        let remote = |step: &StepRef| match &self.program.step(*step).verb {
            Verb::Call { .. } | Verb::Publish { .. } => true,
            Verb::Read { edge, .. } | Verb::List { edge, .. } | Verb::Set { edge, .. } => edge.is_some(),
            _ => false,
        };
        self.live_steps(body).into_iter().filter(remote).max()
    }

    fn self_waits(&self, problems: &mut Problems) {
        for endpoint in self.endpoints().filter(|endpoint| self.holds_a_worker(*endpoint)) {
            let mut seen = BTreeSet::new();
            self.waits(endpoint, endpoint, None, &mut seen, problems);
        }
    }

    fn holds_a_worker(&self, endpoint: EndpointRef) -> bool {
        let service = self.program.service(self.program.endpoint(endpoint).node);
        service.is_some_and(|service| service.workers.is_some() && !service.asynchronous)
    }

    /// Follows calls that nothing ends but their answer, from an endpoint that holds a worker to another of its node.
    fn waits(
        &self,
        first: EndpointRef,
        here: EndpointRef,
        by: Option<StepRef>,
        seen: &mut BTreeSet<EndpointRef>,
        problems: &mut Problems,
    ) {
        for step in self.waiting_steps(self.program.endpoint(here).body) {
            let Verb::Call { endpoint, .. } = self.program.step(step).verb else { continue };
            let at = by.unwrap_or(step);
            if self.program.endpoint(endpoint).node == self.program.endpoint(first).node {
                let called = label(self.program, endpoint);
                let message = format!(
                    "{} calls {called}{}, which needs a worker of the same pool: when {} has taken all, they wait for ever",
                    label(self.program, first),
                    if here == first { String::new() } else { format!(" by way of {}", label(self.program, here)) },
                    self.program.endpoint(first).name,
                );
                problems.warn(self.places.steps[at.0 as usize], message);
            } else if seen.insert(endpoint) {
                self.waits(first, endpoint, Some(at), seen, problems);
            }
        }
    }

    /// Steps of a list and of those inside that run in the foreground without any limit of time.
    fn waiting_steps(&self, body: BlockRef) -> Vec<StepRef> {
        let mut found = Vec::new();
        for step in self.program.block(body) {
            let Clauses { timeout, deadline, on, .. } = &self.program.step(*step).clauses;
            let bounded = timeout.is_some() || deadline.is_some();
            if !bounded {
                found.push(*step);
            }
            for inner in self.live_blocks(*step) {
                let caught = on.iter().any(|(_, block)| *block == inner);
                let background = matches!(self.program.step(*step).verb, Verb::Background(_));
                if caught || !bounded && !background {
                    found.extend(self.waiting_steps(inner));
                }
            }
        }
        found
    }

    /// Steps of a list and of all lists inside that the settings leave in.
    fn live_steps(&self, body: BlockRef) -> Vec<StepRef> {
        let mut found = Vec::new();
        for step in self.program.block(body) {
            found.push(*step);
            self.live_blocks(*step).into_iter().for_each(|inner| found.extend(self.live_steps(inner)));
        }
        found
    }

    /// The lists inside a step that may run: of a choice that the settings have made, only the one they chose.
    fn live_blocks(&self, step: StepRef) -> Vec<BlockRef> {
        let step = self.program.step(step);
        let mut blocks = match &step.verb {
            Verb::Try(body) | Verb::Background(body) => vec![*body],
            Verb::Transaction { body, .. } | Verb::ForEach { body, .. } => vec![*body],
            Verb::Once(once) => vec![once.body],
            Verb::Saga(saga) => saga.parts.iter().flat_map(|part| [Some(part.body), part.undo]).flatten().collect(),
            Verb::Parallel { branches, .. } => branches.clone(),
            Verb::If { condition, then, otherwise } => match constant(condition) {
                Some(true) => vec![*then],
                Some(false) => vec![*otherwise],
                None => vec![*then, *otherwise],
            },
            Verb::Chance { then, otherwise, .. } | Verb::Buggify { then, otherwise, .. } => vec![*then, *otherwise],
            Verb::Switch { on, cases, otherwise } => live_cases(on, cases, *otherwise),
            _ => Vec::new(),
        };
        blocks.extend(step.clauses.on.iter().map(|(_, block)| *block));
        blocks
    }
}

fn live_cases(on: &Template, cases: &[(Value, BlockRef)], otherwise: BlockRef) -> Vec<BlockRef> {
    match on {
        Template::Constant(value) => {
            let chosen = cases.iter().find(|(case, _)| case == value).map(|(_, block)| *block);
            vec![chosen.unwrap_or(otherwise)]
        }
        _ => cases.iter().map(|(_, block)| *block).chain([otherwise]).collect(),
    }
}

/// What a condition without names comes to.
fn constant<N>(condition: &Expr<N>) -> Option<bool> {
    if has_names(condition) { None } else { condition.is_true(&mut |_, _| Value::Null).ok() }
}

fn has_names<N>(expr: &Expr<N>) -> bool {
    match &expr.kind {
        Kind::Literal(_) => false,
        Kind::Name(_) | Kind::Cell(..) => true,
        Kind::Not(inner) | Kind::Negate(inner) => has_names(inner),
        Kind::Binary(_, sides) => sides.iter().any(has_names),
    }
}

fn retries_unknown(clauses: &Clauses) -> bool {
    let unknown = |catch: &Catch| match catch {
        Catch::Unknown | Catch::Else => true,
        Catch::Reason(reason) => [Reason::TIMEOUT, Reason::RESET, Reason::STUCK].contains(reason),
        Catch::Ok | Catch::Error => false,
    };
    clauses
        .retry
        .as_ref()
        .is_some_and(|retry| retry.tries != Some(1) && (retry.on.is_empty() || retry.on.iter().any(unknown)))
}
