//! Writes what is all or nothing over several nodes: sagas, and how the stores of a transaction agree.

use sim_core::Duration;

use super::Lower;
use super::steps::{Inside, Written};
use crate::language::View;
use crate::problem::Problem;
use crate::program::{
    BlockRef, Heuristic, MapRef, Milestones, NodeRef, Presume, Protocol, ProtocolDef, SagaDef, SagaPart, Template, Var,
    Verb,
};

impl<'a> Lower<'a> {
    pub(super) fn saga(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let mut parts: Vec<SagaPart> = Vec::new();
        for part in value.items() {
            let behind = parts.iter().any(|part| part.pivot);
            let part = self.saga_part(part, behind, inside);
            parts.extend(self.told(part));
        }
        if inside.transaction {
            return Err(step.error("a saga inside a transaction is not supported: what it calls would not roll back"));
        }
        if inside.saga {
            return Err(step.error("a saga inside a part of another is not supported; make it one saga"));
        }
        if parts.is_empty() {
            return Err(value.error("a saga has at least one part, {\"do\": […], \"undo\": […]}"));
        }
        let registers_before = step.or("register", "before", View::text)? == "before";
        let undo_retry = self.undo_retry(value, step)?;
        let log = step.field("log").map(|log| self.saga_log(log)).transpose()?;
        let points = Milestones::default();
        Ok(Verb::Saga(Box::new(SagaDef { parts, registers_before, log, undo_retry, points })))
    }

    /// How the stores that a transaction touches agree.
    pub(super) fn protocol(
        &mut self,
        view: View<'a>,
        step: View<'a>,
        stores: &[NodeRef],
    ) -> Result<ProtocolDef, Problem> {
        let word = view.text()?;
        let protocol = match word {
            "2pc" => Protocol::TwoPhase,
            "2pc-cooperative" => Protocol::Cooperative,
            "3pc" => Protocol::ThreePhase,
            _ => Protocol::Xa,
        };
        let usual = if protocol == Protocol::Xa { "abort" } else { "nothing" };
        let presume = match step.or("presume", usual, View::text)? {
            "abort" => Presume::Abort,
            "commit" => Presume::Commit,
            _ => Presume::Nothing,
        };
        let fixed = matches!(protocol, Protocol::ThreePhase | Protocol::Xa);
        if let Some(presumed) = step.field("presume").filter(|presumed| fixed && presumed.text() != Ok(usual)) {
            return Err(presumed.error(format!("{word} presumes {usual}; leave \"presume\" out")));
        }
        let in_doubt = step.optional("in_doubt", View::duration)?;
        if let Some(clause) = step.field("in_doubt").filter(|_| protocol == Protocol::ThreePhase) {
            return Err(clause
                .error("with 3pc nobody stays in doubt: after \"resend\" the others are asked, and it is decided"));
        }
        if in_doubt.is_some_and(Duration::is_zero) {
            return Err(step.need("in_doubt")?.error(
                "in_doubt 0s keeps no promise; write for how long one is kept, such as \"1m\", or leave it out",
            ));
        }
        let heuristic = match step.or("heuristic", "rollback", View::text)? {
            "commit" => Heuristic::Commit,
            _ => Heuristic::Rollback,
        };
        if let Some(clause) = step.field("heuristic").filter(|_| in_doubt.is_none()) {
            return Err(clause.error(
                "\"heuristic\" is what a store decides that has waited for as long as \"in_doubt\" says; write that too, such as \"1m\"",
            ));
        }
        let resend = step.or("resend", Duration::from_secs(1), View::duration)?;
        if resend.is_zero() {
            return Err(step.need("resend")?.error("resend 0s lets no time pass; write how often, such as \"1s\""));
        }
        let noted_after = self.noted_after(step)?;
        let shares_prefix = step.or("prefix", "own", View::text)? == "shared";
        if let Some(prefix) = step.field("prefix").filter(|_| protocol != Protocol::Xa) {
            return Err(prefix.error(format!("with {word} nobody scans for promises; \"prefix\" belongs to xa")));
        }
        if let Some(store) = stores.iter().find(|store| self.program.store(**store).is_some_and(|def| def.volatile)) {
            let name = self.node_name(*store);
            return Err(view.error(format!("{name} is volatile: it would forget what it has promised")));
        }
        for kind in ["prepare", "precommit", "decide", "inquire", "recover", "forget"] {
            self.kind(kind);
        }
        let edges = stores.iter().map(|store| self.edge_to(*store)).collect();
        let points = Milestones::default();
        Ok(ProtocolDef { protocol, presume, edges, in_doubt, heuristic, resend, noted_after, shares_prefix, points })
    }

    /// When the coordinator's note of a decision is durable, if not before it is told.
    fn noted_after(&self, step: View<'a>) -> Result<Option<Duration>, Problem> {
        let is_late = step.or("durable", "synced", View::text)? == "written";
        let on_disk = self.program.service(self.scope.node).is_some_and(|def| def.log.is_some());
        if let Some(durable) = step.field("durable").filter(|_| on_disk && is_late) {
            let name = self.node_name(self.scope.node);
            return Err(durable.error(format!(
                "{name} has its \"log\" on a disk: what it tells before that is durable is said there, \"log\": \
                 {{\"durable\": \"written\"}}"
            )));
        }
        if let Some(sync) = step.field("sync").filter(|_| !is_late) {
            return Err(sync.error("what is synced is durable before it is told; \"sync\" belongs to \"written\""));
        }
        Ok(is_late.then_some(step.or("sync", Duration::from_secs(1), View::duration)?))
    }

    fn saga_part(&mut self, part: View<'a>, behind: bool, inside: Inside) -> Result<SagaPart, Problem> {
        let pivot = part.or("pivot", false, View::bool)?;
        if let Some(second) = part.field("pivot").filter(|_| pivot && behind) {
            return Err(
                second.error("a saga has one pivot: behind it there is no way back already; leave this one out")
            );
        }
        // What must come to be ok is tried again.
        let inside = Inside { saga: true, ..inside };
        let body = self.block(part.field("do"), Inside { repeats: inside.repeats || behind || pivot, ..inside });
        let again = Inside { repeats: true, ..inside };
        let undo: Option<BlockRef> = part.field("undo").map(|undo| self.block(Some(undo), again));
        if let Some(undo) = part.field("undo").filter(|_| pivot || behind) {
            let message = if pivot {
                "there is no way back from a pivot; leave its \"undo\" out"
            } else {
                "behind the pivot there is no way back; leave this \"undo\" out"
            };
            return Err(undo.error(message));
        }
        Ok(SagaPart { body, undo, pivot })
    }

    /// The map that keeps the state, which a crash of the node must not take, and what it is kept under.
    fn saga_log(&mut self, log: View<'a>) -> Result<(MapRef, Template), Problem> {
        let map = self.map_at(log, &log.map()?)?;
        let def = self.program.map(map);
        if def.owner != self.scope.node {
            let message = format!(
                "the log of a saga is one of the node's own \"maps\"; {} is another node's",
                crate::judge::words::map(&self.program, map)
            );
            return Err(log.error(message));
        }
        if def.memory {
            let message =
                format!("\"{}\" is memory, which a crash takes with the saga; make it one of the \"maps\"", def.name);
            return Err(log.error(message));
        }
        let key = self.one_key_here();
        if let Some(class) = self.class_of_template(&key) {
            self.key_classes[map.0 as usize].insert(class.0);
        }
        Ok((map, key))
    }

    /// The one value known here under a name that some `each` declares; null, when there is none or more than one.
    fn one_key_here(&mut self) -> Template {
        let mut names: Vec<String> = self.known_names().map(str::to_owned).collect();
        names.retain(|name| self.class_named(name).is_some());
        names.sort_unstable();
        names.dedup();
        match names.as_slice() {
            [name] => Template::Var(Var::Slot(self.slot(name))),
            _ => Template::Constant(Default::default()),
        }
    }
}
