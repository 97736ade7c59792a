//! Looks at a program for what can run and is probably not meant: endpoints nobody calls, retries that repeat what happened in
//! the world, calls that wait for a worker of the pool that they keep busy, and transactions and sagas that do not keep together what they seem to.

mod atomic;
mod failing;
mod repeats;

use std::collections::BTreeSet;

use self::failing::Failing;
use self::repeats::{Effect, Effects, Lack, Repeats};
use super::lower::label;
use crate::json::Span;
use crate::problem::Problems;
use crate::program::{
    Ack, Ask, BlockRef, Catch, Clauses, EndpointRef, FactRef, MapRef, Program, RetryDef, Role, StepRef, Verb,
};

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
    look.unsafe_consumers(problems);
    look.unsafe_hedges(problems);
    look.self_waits(problems);
    look.atomic(problems);
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
        for endpoint in self.endpoints() {
            for step in self.live_steps(self.program.endpoint(endpoint).body) {
                let Some(retry) = &self.program.step(step).clauses.retry else { continue };
                if retry.tries == Some(1) {
                    continue;
                }
                let place = self.places.steps[step.0 as usize];
                if retries_unknown(retry) {
                    self.tell(Repeats::of(self, endpoint, step), place, "is retried on unknown", "", problems);
                } else {
                    let effects = Failing::of(self, endpoint, step, &retry.on);
                    let what = format!("is retried on {}", self.listed(&retry.on));
                    self.tell(effects, place, &what, ", which may come behind that,", problems);
                }
            }
        }
    }

    /// A consumer that tries a message again does again what it did before it failed.
    fn unsafe_consumers(&self, problems: &mut Problems) {
        for endpoint in self.endpoints() {
            let consumes = self.program.endpoint(endpoint).consumes.as_ref();
            let retry = consumes.and_then(|consumes| consumes.retry.as_ref());
            let Some(retry) = retry.filter(|retry| retry.tries != Some(1)) else { continue };
            let mut effects = Failing::of_consumer(self, endpoint, &retry.on);
            if retries_unknown(retry) {
                effects.extend(Repeats::of_consumer(self, endpoint));
            }
            let what = match &*retry.on {
                [Catch::Else] => "tries a message again".to_owned(),
                on => format!("tries a message again on {}", self.listed(on)),
            };
            let place = self.places.endpoints[endpoint.0 as usize];
            self.tell(effects, place, &what, ", which may fail behind that,", problems);
        }
    }

    /// Of a hedged call that changes something, both may have done it.
    fn unsafe_hedges(&self, problems: &mut Problems) {
        for endpoint in self.endpoints() {
            for step in self.live_steps(self.program.endpoint(endpoint).body) {
                let clauses = &self.program.step(step).clauses;
                // One that is tried again on unknown anyway is told of that.
                let overlaps = |retry: &RetryDef| {
                    retry.hedges_after.is_some() && retry.tries != Some(1) && !retries_unknown(retry)
                };
                if clauses.hedge.is_some() || clauses.retry.as_ref().is_some_and(overlaps) {
                    let effects = Repeats::of(self, endpoint, step);
                    self.tell(effects, self.places.steps[step.0 as usize], "is hedged", "", problems);
                }
            }
        }
    }

    /// One warning for each effect of what is asked for again.
    fn tell(&self, effects: Effects, place: Span, asked: &str, when: &str, problems: &mut Problems) {
        let (counted, watched) = self.counted_on_purpose();
        for ((by, effect), lack) in effects {
            let does = match effect {
                Effect::Fact(fact) if counted.contains(&fact) => continue,
                Effect::Fact(fact) => format!("records \"{}\"", self.program.facts[fact.0 as usize].name),
                Effect::Change(step) => match &self.program.step(step).verb {
                    Verb::Set { map, .. } if !watched.contains(map) => {
                        format!("sets {} to what it makes of its value", self.map_name(*map))
                    }
                    _ => continue,
                },
                Effect::Message(queue) => {
                    let name = &self.program.node(queue).name;
                    format!("publishes to {name}, whose consumer does not know a message again,")
                }
            };
            let without = match lack {
                Lack::Once => "without \"once\"",
                Lack::SameKey => "and its \"once\" has another key at each try",
            };
            let loses = if asked == "is hedged" { ": the one that loses may do it too" } else { "" };
            let message = format!("{} {does} and {asked}{when} {without}{loses}", label(self.program, by));
            problems.warn(place, message);
        }
    }

    fn map_name(&self, map: MapRef) -> String {
        let def = &self.program.maps[map.0 as usize];
        format!("{}.{}", self.program.node(def.owner).name, def.name)
    }

    /// The outcomes that are tried again, as they are written.
    fn listed(&self, catches: &[Catch]) -> String {
        let word = |catch: &Catch| match catch {
            Catch::Ok => "ok".to_owned(),
            Catch::Error => "error".to_owned(),
            Catch::Unknown => "unknown".to_owned(),
            Catch::Else => "else".to_owned(),
            Catch::Reason(reason) => self.program.reason(*reason).to_owned(),
        };
        let words: Vec<_> = catches.iter().map(word).collect();
        words.join(" and ")
    }

    /// Whoever asks whether a fact is ever stated twice, or what a cell ever is, has thought of it.
    fn counted_on_purpose(&self) -> (BTreeSet<FactRef>, BTreeSet<MapRef>) {
        let asked = |property: &'_ crate::program::PropertyDef| match &property.ask {
            Ask::Sometimes(condition) => (condition.facts.clone(), condition.maps.clone()),
            _ => Default::default(),
        };
        let (facts, maps): (Vec<_>, Vec<_>) = self.program.properties.iter().map(asked).unzip();
        (facts.into_iter().flatten().collect(), maps.into_iter().flatten().collect())
    }

    fn first_record(&self, body: BlockRef, fact: FactRef) -> Option<StepRef> {
        let records =
            |step: &StepRef| matches!(self.program.step(*step).verb, Verb::Record { fact: of, .. } if of == fact);
        self.live_steps(body).into_iter().find(records)
    }

    /// Behind the last step whose outcome may be unknown; a transaction's is that of its commit.
    fn last_remote(&self, body: BlockRef) -> Option<StepRef> {
        let end = |step: &StepRef| match &self.program.step(*step).verb {
            Verb::Call { .. } | Verb::Publish { .. } => Some(*step),
            Verb::Read { edge, .. } | Verb::List { edge, .. } | Verb::Set { edge, .. } => edge.map(|_| *step),
            Verb::Transaction { body, edge, protocol, .. } => {
                let commits = edge.is_some() || protocol.is_some();
                commits.then(|| self.live_steps(*body).into_iter().max().unwrap_or(*step))
            }
            _ => None,
        };
        self.live_steps(body).iter().filter_map(end).max().map(|last| StepRef(last.0 + 1))
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
            Verb::If { .. } | Verb::Switch { .. } | Verb::Chance { .. } | Verb::Buggify { .. } => step.verb.ways(),
            _ => Vec::new(),
        };
        blocks.extend(step.clauses.on.iter().map(|(_, block)| *block));
        blocks
    }
}

fn retries_unknown(retry: &RetryDef) -> bool {
    let unknown = |catch: &Catch| match catch {
        Catch::Unknown | Catch::Else => true,
        Catch::Reason(reason) => reason.is_unknown(),
        Catch::Ok | Catch::Error => false,
    };
    retry.on.is_empty() || retry.on.iter().any(unknown)
}
