//! Transactions and sagas that do not keep together what they seem to: what no rollback takes back, what no undo takes back, and
//! transactions over several stores that wait for each other where no store can see it.

use std::collections::BTreeSet;

use super::super::lower::label;
use super::Look;
use crate::problem::Problems;
use crate::program::{BlockRef, EndpointRef, NodeRef, Program, SagaDef, StepRef, Verb};

impl Look<'_> {
    pub(super) fn atomic(&self, problems: &mut Problems) {
        for endpoint in self.endpoints() {
            for step in self.live_steps(self.program.endpoint(endpoint).body) {
                match &self.program.step(step).verb {
                    Verb::Transaction { body, .. } => self.not_rolled_back(*body, problems),
                    Verb::Saga(saga) => self.not_undone(endpoint, step, saga, problems),
                    _ => {}
                }
            }
        }
        self.circles(problems);
    }

    /// What is called inside a transaction is no part of it.
    fn not_rolled_back(&self, body: BlockRef, problems: &mut Problems) {
        for step in self.live_steps(body) {
            let Verb::Call { endpoint, .. } = self.program.step(step).verb else { continue };
            let Some(does) = self.first_effect(endpoint) else { continue };
            let called = label(self.program, endpoint);
            let message = format!("{called} {does}, which stays when the transaction around the call is rolled back");
            problems.warn(self.places.steps[step.0 as usize], message);
        }
    }

    /// What an endpoint does to the world or to cells, by itself or by those whom it asks.
    fn first_effect(&self, endpoint: EndpointRef) -> Option<String> {
        self.effect_of(endpoint, &mut BTreeSet::new())
    }

    fn effect_of(&self, endpoint: EndpointRef, seen: &mut BTreeSet<EndpointRef>) -> Option<String> {
        if !seen.insert(endpoint) {
            return None;
        }
        self.effect_in(self.program.endpoint(endpoint).body, seen)
    }

    fn effect_in(&self, body: BlockRef, seen: &mut BTreeSet<EndpointRef>) -> Option<String> {
        self.live_steps(body).into_iter().find_map(|step| match &self.program.step(step).verb {
            Verb::Record { fact, times, .. } => {
                let verb = if *times < 0 { "takes back" } else { "records" };
                Some(format!("{verb} \"{}\"", self.program.facts[fact.0 as usize].name))
            }
            Verb::Set { map, .. } => Some(format!("sets {}", self.map_name(*map))),
            Verb::Publish { queue, .. } => Some(format!("publishes to {}", self.program.node(*queue).name)),
            Verb::Call { endpoint, .. } => self.effect_of(*endpoint, seen),
            _ => None,
        })
    }

    /// A part that does something which nothing takes back when a later part is not ok.
    fn not_undone(&self, endpoint: EndpointRef, step: StepRef, saga: &SagaDef, problems: &mut Problems) {
        let before_the_end = saga.parts.len() - 1;
        let can_go_back = saga.parts.iter().take_while(|part| !part.pivot).take(before_the_end);
        for (nth, part) in can_go_back.enumerate().filter(|(_, part)| part.undo.is_none()) {
            let Some(does) = self.effect_in(part.body, &mut BTreeSet::from([endpoint])) else { continue };
            let message = format!(
                "part {} of the saga {does} and has no \"undo\": that stays when a later part is not ok; a part from which there is no way back is a \"pivot\"",
                nth + 1
            );
            problems.warn(self.places.steps[step.0 as usize], message);
        }
    }

    /// Two transactions over several stores that take them in opposite orders, with nothing that ends the wait.
    fn circles(&self, problems: &mut Problems) {
        let unbounded: Vec<(StepRef, Vec<NodeRef>)> =
            self.endpoints().flat_map(|endpoint| self.unbounded(self.program.endpoint(endpoint).body)).collect();
        for (step, order) in &unbounded {
            let crossed = unbounded.iter().find_map(|(_, other)| crossing(order, other));
            let Some((one, other)) = crossed else { continue };
            let [one, other] = [one, other].map(|node| &self.program.node(node).name);
            let message = format!(
                "this locks {one} and then {other}, which another transaction takes the other way round: neither store sees that they wait for each other, and both wait for ever; give the transaction a \"timeout\", or the stores a \"lock_timeout\""
            );
            problems.warn(self.places.steps[step.0 as usize], message);
        }
    }

    /// Transactions with a protocol that no time bounds, and the stores in the order in which they lock them for as long as it takes.
    fn unbounded(&self, body: BlockRef) -> Vec<(StepRef, Vec<NodeRef>)> {
        let order = |step: StepRef| match &self.program.step(step).verb {
            Verb::Transaction { body, protocol: Some(_), .. } => Some((step, self.locked_for_ever(*body))),
            _ => None,
        };
        self.waiting_steps(body).into_iter().filter_map(order).collect()
    }

    fn locked_for_ever(&self, body: BlockRef) -> Vec<NodeRef> {
        let mut order = Vec::new();
        for step in self.waiting_steps(body) {
            let Verb::Set { map, .. } = self.program.step(step).verb else { continue };
            let store = self.program.map(map).owner;
            if is_patient(self.program, store) && !order.contains(&store) {
                order.push(store);
            }
        }
        order
    }
}

fn is_patient(program: &Program, store: NodeRef) -> bool {
    program.store(store).is_some_and(|def| def.lock_timeout.is_none())
}

/// Two nodes that stand in one order in the first list and in the other one in the second.
fn crossing(order: &[NodeRef], other: &[NodeRef]) -> Option<(NodeRef, NodeRef)> {
    let place = |node: &NodeRef| other.iter().position(|there| there == node);
    let pairs = order.iter().enumerate().flat_map(|(nth, one)| order[nth + 1..].iter().map(move |two| (one, two)));
    let mut crossed = pairs.filter(|(one, two)| matches!((place(one), place(two)), (Some(a), Some(b)) if b < a));
    crossed.next().map(|(one, two)| (*one, *two))
}
