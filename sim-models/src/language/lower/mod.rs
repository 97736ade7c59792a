//! From a configured file to a program: every name becomes a number here, and what names nothing is told, all of it at once.
//!
//! First everything is declared, then it is found out which names travel with which request, then the steps are written, and
//! last what is asked about the run. Nothing here runs, and nothing is drawn.

mod atomic;
mod balance;
mod carry;
mod clauses;
mod declare;
mod expect;
pub(crate) mod faults;
mod idle;
mod judged;
mod key;
mod links;
mod names;
mod nemesis;
mod queues;
mod run;
mod steps;
#[cfg(test)]
mod tests;
mod workload;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use carry::{Carried, Site};
use names::Scope;

use super::document::Configured;
use super::view::View;
use super::warn::{Places, warn};
use crate::json::Key;
use crate::problem::{Problem, Problems};
use crate::program::{EndpointRef, NodeRef, Program, SlotDef, Verb};

/// A program, and what its author should know about it.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// Ready to run.
    pub program: Program,
    /// Warnings of all passes, in the order of the file.
    pub warnings: Problems,
}

/// Lowers a configured file. The errors are all there are, with the warnings, in the order of the file.
///
/// ```
/// use sim_models::language::{Choices, Document, lower};
/// let text = r#"{"faultline": 1, "name": "one",
///   "nodes": {"shop": {"kind": "service", "endpoints": {"buy": [{"record": "sold"}]}}},
///   "workload": {"buyer": {"rate": "1/s", "limit": 5, "each": "order", "do": [{"call": "shop.buy"}]}}}"#;
/// let scenario = Document::parse("one.json", text)?.configure(&Choices::none())?;
/// let program = lower(&scenario)?.program;
/// assert_eq!((program.nodes.len(), program.facts[0].name.as_str(), program.classes[0].as_str()), (2, "sold", "order"));
/// # Ok::<(), sim_models::problem::Problems>(())
/// ```
pub fn lower(configured: &Configured) -> Result<Lowered, Problems> {
    let mut lower = Lower::new(configured);
    if lower.has_too_many_nodes() {
        return lower.finish();
    }
    lower.declare();
    lower.carry();
    lower.write_steps();
    lower.balance();
    lower.connect();
    lower.judge();
    lower.expect();
    lower.schedule();
    lower.idle_choices();
    lower.nemesis();
    lower.finish()
}

/// The most names with a dollar sign: one bit each says what a request carries.
const SLOTS_MAX: usize = 64;

/// Nodes of one scenario, each with its replicas; more are refused before anything is made of them.
const NODES_MAX: usize = 10_000;

/// A program in the making.
struct Lower<'a> {
    configured: &'a Configured,
    root: View<'a>,
    problems: Problems,
    program: Program,
    /// By endpoint: its steps in the file; none when they are missing.
    bodies: Vec<Option<View<'a>>>,
    /// By endpoint: the names that every request of it carries.
    carried: Vec<Carried>,
    /// Who calls whom, from where in the text.
    sites: Vec<Site>,
    /// Where steps and endpoints stand.
    places: Places,
    /// By step: its verb.
    verbs: Vec<&'static str>,
    /// By node: whom or what each of its retry budgets is for.
    budgets: Vec<Vec<String>>,
    /// By node: its breakers, bulkheads and budgets of libraries, each by owner and settings.
    policies: Vec<Vec<String>>,
    /// By map: the classes of the names by which steps find its cells.
    key_classes: Vec<BTreeSet<u16>>,
    /// The names that faults may call nodes by, once one does.
    named: OnceCell<Vec<String>>,
    /// The names of the metrics, in the order of the file.
    metrics: Vec<&'a str>,
    /// Of the endpoint whose steps are being written.
    scope: Scope,
}

impl<'a> Lower<'a> {
    fn new(configured: &'a Configured) -> Self {
        Lower {
            configured,
            root: configured.root(),
            problems: configured.problems(),
            program: Program::default(),
            bodies: Vec::new(),
            carried: Vec::new(),
            sites: Vec::new(),
            places: Places::default(),
            verbs: Vec::new(),
            budgets: Vec::new(),
            policies: Vec::new(),
            key_classes: Vec::new(),
            named: OnceCell::new(),
            metrics: Vec::new(),
            scope: Scope::of(NodeRef(0), EndpointRef(0)),
        }
    }

    /// The value, or nothing and the problem noted.
    fn told<T>(&mut self, read: Result<T, Problem>) -> Option<T> {
        read.map_err(|problem| self.problems.push(problem)).ok()
    }

    fn error(&mut self, key: &Key, message: impl Into<String>) {
        self.problems.push(self.configured.error(key.span, message));
    }

    /// `shop.checkout`, or the bare name of a workload.
    fn label(&self, endpoint: EndpointRef) -> String {
        label(&self.program, endpoint)
    }

    fn node_name(&self, node: NodeRef) -> &str {
        &self.program.node(node).name
    }

    fn finish(mut self) -> Result<Lowered, Problems> {
        self.bind_versions();
        self.check_size();
        if !self.problems.has_errors() {
            warn(&self.program, &self.places, &mut self.problems);
        }
        let warnings = self.problems.into_result()?;
        Ok(Lowered { program: self.program, warnings })
    }

    /// A read keeps the version of its value where a `$x.version` is used anywhere.
    fn bind_versions(&mut self) {
        let slots = &self.program.slots;
        let version_of = |slot: &SlotDef| {
            let name = format!("{}.version", slot.name);
            slots.iter().position(|slot| slot.name == name).map(|at| crate::program::Slot(at as u16))
        };
        for step in &mut self.program.steps {
            if let (Verb::Read { version, .. }, Some(bind)) = (&mut step.verb, step.clauses.bind) {
                *version = version_of(&slots[bind.0 as usize]);
            }
        }
    }

    fn has_too_many_nodes(&mut self) -> bool {
        let too_many = self.root.members_of("nodes").count() > NODES_MAX;
        if too_many {
            let nodes = self.root.field("nodes").unwrap_or(self.root);
            self.problems.push(nodes.error(format!("a scenario has at most {NODES_MAX} nodes")));
        }
        too_many
    }

    fn check_size(&mut self) {
        let slots = self.program.slots.len();
        if slots > SLOTS_MAX {
            let message =
                format!("{slots} names with a dollar sign; there is room for {SLOTS_MAX}, so give some the same name");
            self.problems.push(self.root.error(message));
        }
        let program = &self.program;
        let sizes = [program.nodes.len(), program.endpoints.len(), program.maps.len(), program.facts.len()];
        let more = [program.edges.len(), program.reasons.len(), program.kinds.len(), program.classes.len()];
        if sizes.iter().chain(&more).any(|size| *size > usize::from(u16::MAX)) {
            self.problems.push(self.root.error("more than 65,535 things of one sort; make the scenario smaller"));
        }
    }
}

/// `shop.checkout`, or the bare name of a workload.
pub(super) fn label(program: &Program, endpoint: EndpointRef) -> String {
    let endpoint = program.endpoint(endpoint);
    let node = program.node(endpoint.node);
    match node.role {
        crate::program::Role::Workload(_) => node.name.clone(),
        _ => format!("{}.{}", node.name, endpoint.name),
    }
}

/// Names in one line.
fn joined<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The nearest known name as a guess; all of them, when none is near.
fn known<'n>(what: &str, word: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match crate::problem::did_you_mean(word, names.iter().copied()) {
        guess if guess.is_empty() => format!("; {what} are {}", joined(names)),
        guess => guess,
    }
}

/// A place in a table; [`Lower::check_size`] refuses tables that it does not fit.
fn place(index: usize) -> u16 {
    index as u16
}
