//! Queues: how they are set, who consumes them and how, and what a step publishes.

use sim_core::Duration;

use super::declare::{balance, count_of};
use super::names::{At, Scope};
use super::steps::Inside;
use super::{Lower, known};
use crate::language::View;
use crate::problem::Problem;
use crate::program::{Ack, Balance, Catch, ConsumeDef, EndpointRef, NodeRef, OnFailure, QueueDef, Role, Slot, Verb};

/// The fields of an endpoint that say how it consumes.
const CONSUMING: [&str; 5] = ["ack", "heartbeat", "batch", "retry", "on_failure"];

impl<'a> Lower<'a> {
    pub(super) fn queue(&mut self, view: View<'a>) -> Result<QueueDef, Problem> {
        if let Some(visibility) = view.field("visibility")
            && visibility.duration()? == Duration::ZERO
        {
            return Err(visibility.error("a message that is hidden for 0s is delivered without end; write how long"));
        }
        Ok(QueueDef {
            visibility: view.or("visibility", Duration::FOREVER, View::duration)?,
            max_receives: count_of(view, "max_receives")?,
            dead_letter: None,
            delay: view.or("delay", Duration::ZERO, View::duration)?,
            retention: view.or("retention", Duration::FOREVER, View::duration)?,
            dispatch: view.or("dispatch", Balance::default(), balance)?,
            consumers: Vec::new(),
        })
    }

    /// Finds out, once all nodes are declared, which queues dead letters go to and who consumes which queue.
    pub(super) fn connect_queues(&mut self) {
        for (key, view) in self.root.members_of("nodes") {
            let Some(node) = self.node_named(&key.name) else { continue };
            if let Some(dead) = view.field("dead_letter").filter(|_| self.program.queue(node).is_some()) {
                let found = self.dead_letter(node, dead);
                let found = self.told(found);
                if let Role::Queue(def) = &mut self.program.nodes[node.0 as usize].role {
                    def.dead_letter = found;
                }
            }
            let endpoints = self.program.service(node).map(|def| def.endpoints.clone()).unwrap_or_default();
            for ((_, view), endpoint) in view.members_of("endpoints").zip(endpoints) {
                let consumes = self.consumer(endpoint, view);
                self.told(consumes);
            }
        }
    }

    fn dead_letter(&self, node: NodeRef, view: View<'a>) -> Result<NodeRef, Problem> {
        let dead = self.queue_named(view)?;
        let mut seen = vec![node];
        let mut next = Some(dead);
        // A circle would carry a message that nobody can handle around for ever.
        while let Some(here) = next {
            if seen.contains(&here) {
                let name = self.node_name(node);
                return Err(
                    view.error(format!("the dead letters of {name} come back to it; give them a queue that ends"))
                );
            }
            seen.push(here);
            next = self.program.queue(here).and_then(|def| def.dead_letter);
        }
        Ok(dead)
    }

    /// The queue that a field names.
    fn queue_named(&self, view: View<'a>) -> Result<NodeRef, Problem> {
        let name = view.text()?;
        let queues = || {
            let is_queue = |node: &&crate::program::NodeDef| matches!(node.role, Role::Queue(_));
            self.program.nodes.iter().filter(is_queue).map(|node| node.name.as_str())
        };
        let Some(node) = self.node_named(name) else {
            return Err(view.error(format!("no queue \"{name}\"{}", known("queues", name, queues()))));
        };
        let what = match self.program.node(node).role {
            Role::Queue(_) => return Ok(node),
            Role::Service(_) => "a service",
            Role::Store(_) => "a store",
            Role::Workload(_) => "a workload",
        };
        Err(view.error(format!("{name} is {what} and no queue{}", known("queues", name, queues()))))
    }

    /// How an endpoint consumes, if it does; how its messages are tried again follows with its steps.
    fn consumer(&mut self, endpoint: EndpointRef, view: View<'a>) -> Result<(), Problem> {
        let Some(from) = view.field("from").filter(|_| !view.is_list()) else {
            let stray = CONSUMING.iter().filter(|_| !view.is_list()).find_map(|name| Some((name, view.field(name)?)));
            return match stray {
                Some((name, stray)) => Err(stray.error(format!("\"{name}\" goes with \"from\"; name the queue"))),
                None => Ok(()),
            };
        };
        if let Some(clock) = view.field("every").or_else(|| view.field("at_start")) {
            return Err(
                clock.error("an endpoint that consumes a queue runs when there is a message, and not by the clock")
            );
        }
        let queue = self.queue_named(from)?;
        let ack = match view.or("ack", "after", View::text)? {
            "before" => Ack::Before,
            _ => Ack::After,
        };
        let on_failure = view.optional("on_failure", |view| on_failure(view, ack))?;
        if on_failure == Some(OnFailure::DeadLetter) {
            self.check_dead_letter(queue, view.need("on_failure")?)?;
        }
        let heartbeat = view.optional("heartbeat", |view| match (view.duration()?, ack) {
            (Duration::ZERO, _) => Err(view.error("every 0s lets no time pass; write how often, such as \"10s\"")),
            (_, Ack::Before) => Err(view.error("with \"ack\": \"before\" there is no claim to extend; remove it")),
            (every, Ack::After) => Ok(every),
        })?;
        let batch = view.or("batch", 1, View::count)?.min(u64::from(u32::MAX)) as u32;
        let node = self.program.endpoint(endpoint).node;
        let edge = self.edge_between(queue, node);
        let on_failure = on_failure.unwrap_or_default();
        let consumes = ConsumeDef { queue, edge, ack, heartbeat, batch, retry: None, on_failure, message: None };
        self.program.endpoints[endpoint.0 as usize].consumes = Some(Box::new(consumes));
        if let Role::Queue(def) = &mut self.program.nodes[queue.0 as usize].role {
            def.consumers.push(endpoint);
        }
        self.check_visibility(queue, heartbeat, view)
    }

    /// A failure can only go to the dead letters of a queue that has some. The field may not be read yet, so that the text is asked.
    fn check_dead_letter(&self, queue: NodeRef, view: View<'a>) -> Result<(), Problem> {
        let name = self.node_name(queue);
        let node = self.root.members_of("nodes").find(|(key, _)| key.name == name);
        match node.and_then(|(_, node)| node.field("dead_letter")) {
            Some(_) => Ok(()),
            None => Err(view.error(format!("{name} has no \"dead_letter\"; give it one, or choose redeliver or skip"))),
        }
    }

    /// A claim that is over before it is extended is no claim.
    fn check_visibility(&self, queue: NodeRef, heartbeat: Option<Duration>, view: View<'a>) -> Result<(), Problem> {
        let visibility = self.program.queue(queue).map_or(Duration::FOREVER, |def| def.visibility);
        match heartbeat {
            Some(every) if every >= visibility => Err(view.need("heartbeat")?.error(format!(
                "a message of {} is visible again after {visibility}, before a heartbeat every {every}",
                self.node_name(queue)
            ))),
            _ => Ok(()),
        }
    }

    /// How often a consumer tries one message, before its steps are written.
    pub(super) fn consumer_retry(&mut self, endpoint: EndpointRef) {
        let Some(view) = self.endpoint_view(endpoint) else { return };
        let Some(retry) = view.field("retry").filter(|_| self.program.endpoint(endpoint).consumes.is_some()) else {
            return;
        };
        self.scope = Scope::of(self.program.endpoint(endpoint).node, endpoint);
        let read = self.retry(retry, "from", view, view);
        let Some(mut rule) = self.told(read) else { return };
        // A message that fails for any reason is tried again: whoever is behind it waits, and not a caller.
        if rule.on.is_empty() {
            rule.on = vec![Catch::Else];
        }
        if self.has_profile_budget(retry) {
            self.problems.push(retry.error("the budget of a library is for calls; write \"tries\" and \"wait\""));
        }
        if let Some(consumes) = &mut self.program.endpoints[endpoint.0 as usize].consumes {
            consumes.retry = Some(rule);
        }
    }

    /// Notes, once its steps are written, whether they name `$message`.
    pub(super) fn consumer_message(&mut self, endpoint: EndpointRef) {
        let slot = self.program.slots.iter().position(|slot| slot.name == "message");
        if let Some(consumes) = &mut self.program.endpoints[endpoint.0 as usize].consumes {
            consumes.message = slot.map(|slot| Slot(super::place(slot)));
        }
    }

    /// An endpoint as the file has it.
    fn endpoint_view(&self, endpoint: EndpointRef) -> Option<View<'a>> {
        let def = self.program.endpoint(endpoint);
        let node = self.node_name(def.node);
        let (_, node) = self.root.members_of("nodes").find(|(key, _)| key.name == node)?;
        let (_, view) = node.members_of("endpoints").find(|(key, _)| key.name == def.name)?;
        Some(view)
    }

    pub(super) fn publish(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Result<Verb, Problem> {
        let with = self.with(step);
        let key = step.field("key").map(|key| self.template(key, At::Step)).transpose();
        if let Some(key) = step.field("key") {
            let message = "a queue keeps no order by \"key\"; that is for the partitions of a log";
            self.problems.push(key.warning(message));
        }
        let queue = self.queue_named(value)?;
        if inside.transaction {
            let name = self.node_name(queue);
            return Err(value.error(format!(
                "a transaction is on one store, and {name} is a queue: set a row in the transaction (an outbox) and \
                 publish it after the commit"
            )));
        }
        let edge = self.edge_to(queue);
        Ok(Verb::Publish { queue, edge, with, key: key? })
    }
}

fn on_failure(view: View<'_>, ack: Ack) -> Result<OnFailure, Problem> {
    let chosen = match view.text()? {
        "dead_letter" => OnFailure::DeadLetter,
        "skip" => OnFailure::Skip,
        _ => OnFailure::Redeliver,
    };
    match (chosen, ack) {
        (OnFailure::Redeliver | OnFailure::DeadLetter, Ack::Before) => {
            Err(view.error("with \"ack\": \"before\" a message is gone when it is delivered, and cannot come again"))
        }
        _ => Ok(chosen),
    }
}
