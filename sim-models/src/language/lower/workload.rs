//! Declares workloads: nodes behind the others, whose steps are an endpoint that nobody calls but their own clock.

use sim_core::{Dist, Instant};

use super::Lower;
use super::declare::reserved;
use crate::json::Key;
use crate::language::View;
use crate::problem::Problem;
use crate::program::{NodeRef, PaceDef, Role, StoreDef, WorkloadDef};

/// Users of one workload; each is kept apart from the start.
const USERS_MAX: u64 = 1_000_000;

impl<'a> Lower<'a> {
    pub(super) fn workload(&mut self, key: &Key, view: View<'a>) {
        if self.node_named(&key.name).is_some() {
            self.error(key, format!("\"{}\" is a node and a workload; give one of them another name", key.name));
            return;
        }
        // What it is follows at once; nothing can look before.
        let node = self.add_node(&key.name, Role::Store(StoreDef::default()));
        let def = self.workload_def(node, key, view);
        if let Some(def) = self.told(def) {
            self.check_end(key, &def);
            self.program.nodes[node.0 as usize].role = Role::Workload(def);
        }
    }

    fn workload_def(&mut self, node: NodeRef, key: &Key, view: View<'a>) -> Result<WorkloadDef, Problem> {
        let steps = self.told(view.need("do"));
        let each = view.need("each")?;
        let name = each.text()?;
        let checked = self.check_each(each, name);
        self.told(checked);
        let (class, slot) = (self.class(name), self.slot(name));
        self.program.slots[slot.0 as usize].class = Some(class);
        let endpoint = self.add_endpoint(node, key, steps, None);
        let start = Instant::ZERO + view.or("start", sim_core::Duration::ZERO, View::duration)?;
        let limit = view.optional("limit", View::count)?;
        let length = view.optional("for", View::duration)?;
        self.idle_pace(view);
        let pace = self.told(pace(view)).unwrap_or(PaceDef::Open { stages: Vec::new(), even: false });
        Ok(WorkloadDef { endpoint, class, slot, start, limit, length, pace })
    }

    fn check_each(&self, each: View<'a>, name: &str) -> Result<(), Problem> {
        if let Some(message) = reserved(name) {
            return Err(each.error(message));
        }
        let class = self.class_named(name);
        let other = self.program.nodes.iter().find(|node| match &node.role {
            Role::Workload(def) => Some(def.class) == class,
            Role::Service(_) | Role::Store(_) | Role::Queue(_) => false,
        });
        match other {
            Some(other) => Err(each.error(format!(
                "\"{name}\" is the \"each\" of {} already; two workloads have two names for their keys",
                other.name
            ))),
            None => Ok(()),
        }
    }

    fn check_end(&mut self, key: &Key, def: &WorkloadDef) {
        let staged =
            matches!(&def.pace, PaceDef::Open { stages, .. } if stages.iter().all(|(_, length)| length.is_some()));
        if def.limit.is_none() && def.length.is_none() && !staged && self.program.until.is_none() {
            let message = format!(
                "{} goes on for ever; give it a \"limit\" or a \"for\", or the scenario an \"until\"",
                key.name
            );
            self.error(key, message);
        }
    }
}

fn pace(view: View<'_>) -> Result<PaceDef, Problem> {
    check_one_pace(view)?;
    if let Some(users) = view.field("users") {
        let users = match users.count()? {
            count if count <= USERS_MAX => count as u32,
            _ => return Err(users.error(format!("a workload has at most {USERS_MAX} users"))),
        };
        return Ok(PaceDef::Closed { users, think: view.or("think", Dist::default(), View::dist)? });
    }
    let even = view.or("spacing", "poisson", View::text)? == "even";
    let rate =
        |rate: View<'_>| rate.rate()?.per_giga().ok_or_else(|| rate.error("that is more often than can be counted"));
    if let Some(constant) = view.field("rate") {
        return Ok(PaceDef::Open { stages: vec![(rate(constant)?, None)], even });
    }
    let stage = |stage: View<'_>| Ok((rate(stage.need("rate")?)?, Some(stage.need("for")?.duration()?)));
    Ok(PaceDef::Open { stages: view.steps("stages").map(stage).collect::<Result<_, Problem>>()?, even })
}

fn check_one_pace(view: View<'_>) -> Result<(), Problem> {
    let given: Vec<&str> = ["rate", "users", "stages"].into_iter().filter(|name| view.field(name).is_some()).collect();
    if let [first, second, ..] = given.as_slice() {
        return Err(view.error(format!("a workload has one pace; this one has \"{first}\" and \"{second}\"")));
    }
    let (stray, of) = if given == ["users"] { ("spacing", "\"rate\" and \"stages\"") } else { ("think", "\"users\"") };
    match view.field(stray) {
        Some(field) => Err(field.error(format!("\"{stray}\" goes with {of}; remove it"))),
        None => Ok(()),
    }
}
