//! The block diagram that a scenario draws without saying so: what has to be up for an endpoint to answer.
//!
//! Every call and every step on a store needs its node, whose replicas stand in for each other; a step that has
//! something else to do when it fails needs one of the two. How often a node fails is what the scenario's own crashes
//! say, or what is said of it beside. Time is not in such a diagram: what is slow, lost on a link, tried again or
//! stands in a line is left out, and said to be.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::{Fault, Ratio};

use super::assembly::Names;
use super::block::{Block, Kind, Part, Quorum, Share};
use super::crashes::{Crashes, Fate, Replica, startup};
use super::error::AvailError;
use super::reasons::{Reasons, handler, handler_of};
use super::up::Availability;
use crate::problem::{Span, did_you_mean};
use crate::program::{BlockRef, Catch, EndpointRef, NodeDef, NodeRef, Program, Role, Step, Template, Var, Verb};
use crate::value::Value;

/// What has to be up, and what was left out.
#[derive(Clone, Debug)]
pub struct Derived {
    /// The expression.
    pub block: Block,
    /// What the names of nodes mean in it.
    pub names: Names,
    /// What this assumes, in words.
    pub assumes: Vec<String>,
}

/// Why nothing could be derived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DerivedError {
    /// There is no such endpoint; in words, with what there is.
    NoEndpoint(String),
    /// What was said of a node is no figure; `node=figure` as it was said, and what is wrong.
    Figure(String, AvailError),
}

/// What has to be up for an endpoint (`shop.checkout`), or, without one, for what the first workload asks. `said` are
/// figures of nodes as in `shop=99.9%`, each for a single replica.
///
/// # Errors
/// When there is no such endpoint or node, or a figure cannot be read.
pub fn derived(
    program: &Program,
    faults: &[Fault],
    endpoint: Option<&str>,
    said: &[String],
) -> Result<Derived, DerivedError> {
    let start = match endpoint {
        Some(name) => named(program, name)?,
        None => {
            first(program).ok_or_else(|| DerivedError::NoEndpoint("no workload asks for anything here".to_owned()))?
        }
    };
    let mut walk = Walk {
        program,
        reasons: Reasons::new(program),
        open: Vec::new(),
        known: BTreeMap::new(),
        used: Vec::new(),
        choices: 0,
        fallbacks: 0,
        retries: 0,
        circles: 0,
    };
    let node = program.endpoint(start).node;
    let own = walk.node(node);
    let body = walk.endpoint(start);
    let block = joined([own, body].into_iter().flatten().collect(), Kind::Series).unwrap_or_else(always);
    let given = given(program, &walk.used, said)?;
    let crashes =
        Crashes::of(program, faults, &walk.used, &|node| given.contains_key(program.node(node).name.as_str()));
    let figures = Figures::of(program, &walk.used, &given, &crashes)?;
    let assumes = walk.assumes(faults, &crashes, &figures);
    Ok(Derived { block, names: figures.names, assumes })
}

/// All endpoints that can be asked for, as `shop.checkout`.
fn endpoints(program: &Program) -> Vec<(EndpointRef, String)> {
    let all = program.endpoints.iter().enumerate();
    all.filter(|(_, endpoint)| matches!(program.node(endpoint.node).role, Role::Service(_)))
        .map(|(at, endpoint)| {
            (EndpointRef(at as u16), format!("{}.{}", program.node(endpoint.node).name, endpoint.name))
        })
        .collect()
}

fn named(program: &Program, name: &str) -> Result<EndpointRef, DerivedError> {
    let all = endpoints(program);
    let found = all.iter().find(|(_, known)| known == name).map(|(endpoint, _)| *endpoint);
    found.ok_or_else(|| {
        let guess = did_you_mean(name, all.iter().map(|(_, known)| known.as_str()));
        let names: Vec<&str> = all.iter().map(|(_, known)| known.as_str()).collect();
        DerivedError::NoEndpoint(format!("no endpoint \"{name}\"{guess}; there is {}", names.join(", ")))
    })
}

fn first(program: &Program) -> Option<EndpointRef> {
    program.nodes.iter().find_map(|node| match &node.role {
        Role::Workload(workload) => Some(workload.endpoint),
        Role::Service(_) | Role::Store(_) | Role::Queue(_) => None,
    })
}

/// What nobody is needed for.
fn always() -> Block {
    let share = Share { text: "100%".to_owned(), value: Availability::ALWAYS };
    unplaced(Kind::Part(Part::Share(share)))
}

/// A block that nobody wrote.
fn unplaced(kind: Kind) -> Block {
    Block { span: Span::default(), kind }
}

struct Walk<'p> {
    program: &'p Program,
    /// Why steps fail while something is down.
    reasons: Reasons<'p>,
    /// The endpoints that are being walked through, the outermost first.
    open: Vec<EndpointRef>,
    /// What endpoints need that were walked through before.
    known: BTreeMap<u16, Need>,
    /// The nodes that were met, in that order.
    used: Vec<NodeRef>,
    choices: usize,
    fallbacks: usize,
    retries: usize,
    circles: usize,
}

/// What is needed; nothing at all when `None`.
type Need = Option<Block>;

impl Walk<'_> {
    fn endpoint(&mut self, endpoint: EndpointRef) -> Need {
        if self.open.contains(&endpoint) {
            self.circles += 1;
            return None;
        }
        if let Some(known) = self.known.get(&endpoint.0) {
            return known.clone();
        }
        let circles = self.circles;
        self.open.push(endpoint);
        let need = self.steps(self.program.endpoint(endpoint).body);
        self.open.pop();
        // What was met in a circle is whole only where the circle began.
        if self.circles == circles {
            self.known.insert(endpoint.0, need.clone());
        }
        need
    }

    fn node(&mut self, node: NodeRef) -> Need {
        let def = self.program.node(node);
        if matches!(def.role, Role::Workload(_)) {
            return None;
        }
        if !self.used.contains(&node) {
            self.used.push(node);
        }
        // One and the same wherever it is asked.
        Some(unplaced(Kind::Name { name: def.name.clone(), shared: Some(1) }))
    }

    fn steps(&mut self, block: BlockRef) -> Need {
        let steps: Vec<Block> =
            self.program.block(block).to_vec().into_iter().filter_map(|step| self.step(step)).collect();
        joined(steps, Kind::Series)
    }

    fn step(&mut self, step: crate::program::StepRef) -> Need {
        let program = self.program;
        let step = program.step(step);
        self.retries += usize::from(step.clauses.retry.is_some());
        let need = self.verb(&step.verb);
        let then = handler(step, Catch::Ok).and_then(|block| self.steps(block));
        let need = joined([need, then].into_iter().flatten().collect(), Kind::Series);
        let (Some(need), Some(others)) = (need.clone(), self.fallbacks(step)) else { return need };
        self.fallbacks += 1;
        // Whatever else is done must be possible, and what catches one reason is not what catches another.
        let others: Vec<Block> = others.into_iter().filter_map(|other| self.steps(other)).collect();
        let other = joined(others, Kind::Series)?;
        joined(vec![need, other], Kind::Parallel)
    }

    /// What a step does, reason by reason, when what it needs is down; `None` unless there is something for each, and
    /// none of it fails by itself.
    fn fallbacks(&mut self, step: &Step) -> Option<Vec<BlockRef>> {
        let mut others: Vec<BlockRef> = Vec::new();
        for reason in self.reasons.of(step) {
            let other = handler_of(step, reason).filter(|other| !fails(self.program, *other))?;
            if !others.contains(&other) {
                others.push(other);
            }
        }
        (!others.is_empty()).then_some(others)
    }

    fn verb(&mut self, verb: &Verb) -> Need {
        match verb {
            Verb::Call { endpoint, .. } => {
                let node = self.node(self.program.endpoint(*endpoint).node);
                let inside = self.endpoint(*endpoint);
                joined([node, inside].into_iter().flatten().collect(), Kind::Series)
            }
            Verb::Read { map, edge, .. } | Verb::List { map, edge, .. } | Verb::Set { map, edge, .. } => {
                edge.and_then(|_| self.node(self.program.map(*map).owner))
            }
            Verb::Transaction { body, store, protocol, .. } => {
                let edges = protocol.iter().flat_map(|protocol| &protocol.edges);
                let agree: Vec<NodeRef> = edges.map(|edge| self.program.edges[edge.0 as usize].1).collect();
                let mut needs: Vec<Block> =
                    store.iter().copied().chain(agree).filter_map(|store| self.node(store)).collect();
                needs.extend(self.steps(*body));
                joined(needs, Kind::Series)
            }
            // Whoever publishes needs the queue; those who consume it may come later.
            Verb::Publish { queue, .. } => self.node(*queue),
            Verb::Once(once) => {
                let store = once.edge.and_then(|_| self.node(self.program.map(once.map).owner));
                let inside = self.steps(once.body);
                joined([store, inside].into_iter().flatten().collect(), Kind::Series)
            }
            Verb::Try(body) | Verb::ForEach { body, .. } => self.steps(*body),
            // All parts; undos are for when that is not so.
            Verb::Saga(saga) => {
                let parts: Vec<Block> = saga.parts.iter().filter_map(|part| self.steps(part.body)).collect();
                joined(parts, Kind::Series)
            }
            Verb::Parallel { branches, need } => self.branches(branches, *need),
            Verb::If { .. } | Verb::Chance { .. } | Verb::Buggify { .. } | Verb::Switch { .. } => {
                self.either(&inside(verb))
            }
            // Nobody waits for what is done in the background, and the rest needs nobody else.
            Verb::Background(_)
            | Verb::Work(_)
            | Verb::Wait(_)
            | Verb::Pick { .. }
            | Verb::Record { .. }
            | Verb::Reply(_)
            | Verb::Fail(_) => None,
        }
    }

    /// So many of the branches; one that needs nobody is always there.
    fn branches(&mut self, branches: &[BlockRef], need: u32) -> Need {
        let needs: Vec<Need> = branches.iter().map(|branch| self.steps(*branch)).collect();
        let free = needs.iter().filter(|need| need.is_none()).count() as u32;
        let blocks: Vec<Block> = needs.into_iter().flatten().collect();
        let (need, of) = (need.saturating_sub(free), blocks.len() as u32);
        match need {
            0 => None,
            _ if need >= of => joined(blocks, Kind::Series),
            1 => joined(blocks, Kind::Parallel),
            _ => Some(unplaced(Kind::Quorum(Quorum { need, of, blocks, options: Vec::new() }))),
        }
    }

    /// Where several are left, which of them a request goes is not known, so all are needed.
    fn either(&mut self, ways: &[BlockRef]) -> Need {
        let needs: Vec<Block> = ways.iter().filter_map(|way| self.steps(*way)).collect();
        self.choices += usize::from(ways.len() > 1 && !needs.is_empty());
        joined(needs, Kind::Series)
    }

    fn assumes(&self, faults: &[Fault], crashes: &Crashes, figures: &Figures) -> Vec<String> {
        let mut all = Vec::new();
        if !figures.unknown.is_empty() {
            let unknown = &figures.unknown;
            let example = unknown.first().map(String::as_str).unwrap_or_default();
            let count = if unknown.len() == 1 { "counts" } else { "count" };
            all.push(format!(
                "no crash that counts here strikes {}, which {count} as always up (--let {example}=99.9% says otherwise)",
                unknown.join(", ")
            ));
        }
        all.extend(figures.common.iter().map(|(name, place, whom)| {
            format!("{name} is \"{}\", which takes {} down at once", faults[*place], whom.join(", "))
        }));
        let of_fate = |wanted: Fate| -> Vec<String> {
            let fates = faults.iter().zip(&crashes.fates).filter(|(_, fate)| **fate == wanted);
            fates.map(|(fault, _)| fault.to_string()).collect()
        };
        let spared = of_fate(Fate::Spared);
        if !spared.is_empty() {
            all.push(format!("another one is there for whom it takes down: {}", spared.join("; ")));
        }
        let replaced = of_fate(Fate::Replaced);
        if !replaced.is_empty() {
            all.push(format!("what --let says stands in the place of: {}", replaced.join("; ")));
        }
        all.push("links lose nothing, answers come in time and nobody stands in line".to_owned());
        let struck = |node: &NodeRef| crashes.causes.iter().any(|cause| cause.whom.iter().any(|(of, _)| of == node));
        let slow = self.used.iter().filter(|node| struck(node) && !startup(self.program, **node).is_zero());
        let slow: Vec<String> = slow
            .map(|node| {
                format!("{} that {} takes to start", startup(self.program, *node), self.program.node(*node).name)
            })
            .collect();
        if !slow.is_empty() {
            all.push(format!(
                "an outage goes on for the {} (for longer where another crash comes before that, which is exact where one process \
                 of crashes strikes), taken for exponential",
                slow.join(", the ")
            ));
        }
        if self.retries > 0 {
            all.push("trying again does not help against an outage".to_owned());
        }
        if self.choices > 0 {
            all.push("whichever way an if goes that settings do not decide, all of its ways are needed".to_owned());
        }
        if self.fallbacks > 0 {
            all.push("what is done when a step fails is as good as the step".to_owned());
        }
        if self.circles > 0 {
            all.push("an endpoint that calls itself needs no more than once through it".to_owned());
        }
        let skipped = of_fate(Fate::LeftOut);
        if !skipped.is_empty() {
            all.push(format!("these faults are left out: {}", skipped.join("; ")));
        }
        all
    }
}

/// Whether steps may end in a failure of their own making.
fn fails(program: &Program, block: BlockRef) -> bool {
    program.block(block).iter().any(|step| {
        let step = program.step(*step);
        matches!(step.verb, Verb::Fail(_)) || inside(&step.verb).into_iter().any(|block| fails(program, block))
    })
}

/// What comes of an expression in which no name had to be asked for.
fn known<T>(of: impl FnOnce(&mut dyn FnMut(&Var, Option<&Value>) -> Value) -> Option<T>) -> Option<T> {
    let mut asked = false;
    let value = of(&mut |_, _| {
        asked = true;
        Value::Null
    });
    value.filter(|_| !asked)
}

fn one_of(holds: Option<bool>, then: BlockRef, otherwise: BlockRef) -> Vec<BlockRef> {
    match holds {
        Some(true) => vec![then],
        Some(false) => vec![otherwise],
        None => vec![then, otherwise],
    }
}

/// The lists of steps inside a step, on which the answer may hang.
pub(super) fn inside(verb: &Verb) -> Vec<BlockRef> {
    match verb {
        Verb::Try(body) | Verb::Transaction { body, .. } | Verb::ForEach { body, .. } => vec![*body],
        Verb::Once(once) => vec![once.body],
        Verb::Saga(saga) => saga.parts.iter().map(|part| part.body).collect(),
        Verb::Parallel { branches, .. } => branches.clone(),
        // What settings decide goes one way in all of this scenario's runs.
        Verb::If { condition, then, otherwise } => {
            one_of(known(|mut ask| condition.is_true(&mut ask).ok()), *then, *otherwise)
        }
        Verb::Chance { ratio, then, otherwise } => one_of(
            [(Ratio::ZERO, false), (Ratio::ONE, true)].into_iter().find(|(of, _)| of == ratio).map(|(_, way)| way),
            *then,
            *otherwise,
        ),
        Verb::Buggify { then, otherwise, .. } => vec![*then, *otherwise],
        Verb::Switch { on, cases, otherwise } => {
            let value = match on {
                Template::Constant(value) => Some(value.clone()),
                Template::Expr(expr) => known(|mut ask| expr.eval(&mut ask).ok()),
                Template::Var(_) | Template::Text(_) => None,
            };
            match value {
                Some(value) => {
                    vec![cases.iter().find(|(case, _)| *case == value).map_or(*otherwise, |(_, block)| *block)]
                }
                None => cases.iter().map(|(_, block)| *block).chain([*otherwise]).collect(),
            }
        }
        Verb::Call { .. }
        | Verb::Read { .. }
        | Verb::List { .. }
        | Verb::Set { .. }
        | Verb::Publish { .. }
        | Verb::Work(_)
        | Verb::Wait(_)
        | Verb::Pick { .. }
        | Verb::Background(_)
        | Verb::Record { .. }
        | Verb::Reply(_)
        | Verb::Fail(_) => Vec::new(),
    }
}

/// Blocks side by side, those inside of the same kind spread out and each numbered one once; nothing of nothing.
fn joined(blocks: Vec<Block>, kind: fn(Vec<Block>) -> Kind) -> Need {
    let mut all: Vec<Block> = Vec::new();
    for block in blocks {
        let inside = match (&block.kind, &kind(Vec::new())) {
            (Kind::Series(inside), Kind::Series(_)) | (Kind::Parallel(inside), Kind::Parallel(_)) => inside.clone(),
            _ => vec![block],
        };
        for one in inside {
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(unplaced(kind(all))),
    }
}

/// What was said of nodes, by their names.
fn given<'t>(
    program: &Program,
    used: &[NodeRef],
    said: &'t [String],
) -> Result<BTreeMap<&'t str, &'t str>, DerivedError> {
    let wrong = |text: &str, message: String| {
        DerivedError::Figure(text.to_owned(), AvailError::new(Span::new(0, text.len()), message))
    };
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    for text in said {
        let (name, figure) = text
            .split_once('=')
            .ok_or_else(|| wrong(text, format!("\"{text}\" says nothing of a node; write shop=99.9%")))?;
        let known: Vec<&str> = used.iter().map(|node| program.node(*node).name.as_str()).collect();
        if !known.contains(&name) {
            let guess = did_you_mean(name, known.iter().copied());
            return Err(wrong(text, format!("{name} is not needed here{guess}; what is needed: {}", known.join(", "))));
        }
        Names::new().bind(text).map_err(|error| DerivedError::Figure(text.clone(), error))?;
        given.insert(name, figure);
    }
    Ok(given)
}

/// What nodes mean.
struct Figures {
    names: Names,
    /// Nodes of which nothing is known.
    unknown: Vec<String>,
    /// What takes several down that do not stand in for each other: its name, the place of its fault, and whom.
    common: Vec<(String, usize, Vec<String>)>,
}

impl Figures {
    fn of(
        program: &Program,
        used: &[NodeRef],
        given: &BTreeMap<&str, &str>,
        crashes: &Crashes,
    ) -> Result<Figures, DerivedError> {
        let mut all = Figures { names: Names::new(), unknown: Vec::new(), common: Vec::new() };
        // By replica, and by node: what it needs to be up.
        let mut own: BTreeMap<Replica, Vec<String>> = BTreeMap::new();
        let mut whole: BTreeMap<NodeRef, Vec<String>> = BTreeMap::new();
        for cause in &crashes.causes {
            let nodes: BTreeSet<NodeRef> = cause.whom.iter().map(|(node, _)| *node).collect();
            let is_whole = |node: NodeRef| {
                let struck = cause.whom.iter().filter(|(of, _)| *of == node).count();
                program.node(node).count > 1 && struck == program.node(node).count as usize
            };
            let is_of_one = cause.whom.len() == 1 || nodes.len() == 1 && nodes.iter().all(|node| is_whole(*node));
            let needs = if is_of_one { cause.figure.clone() } else { all.common(program, cause)? };
            for node in nodes.iter().filter(|node| is_whole(**node)) {
                whole.entry(*node).or_default().push(needs.clone());
            }
            for replica in cause.whom.iter().filter(|(node, _)| !is_whole(*node)) {
                own.entry(*replica).or_default().push(needs.clone());
            }
        }
        for node in used {
            let def = program.node(*node);
            let said = given.get(def.name.as_str()).copied();
            let each = |number: u32| -> Vec<String> {
                let struck = own.get(&(*node, number)).cloned().unwrap_or_default();
                said.map(str::to_owned).into_iter().chain(struck).collect()
            };
            let replicas: Vec<Vec<String>> = (1..=def.count).map(each).collect();
            let together = whole.remove(node).unwrap_or_default();
            if replicas.iter().all(Vec::is_empty) && together.is_empty() {
                all.unknown.push(def.name.clone());
            }
            all.node(def, &replicas, together)?;
        }
        Ok(all)
    }

    /// Says what a node needs: one of its replicas, and what takes all of them.
    fn node(&mut self, def: &NodeDef, replicas: &[Vec<String>], together: Vec<String>) -> Result<(), DerivedError> {
        let of_replicas = match replicas {
            [one] => one.clone(),
            [first, ..] if replicas.iter().all(|other| other == first) => {
                self.set(&format!("{}.each", def.name), &needing(first))?;
                vec![format!("1of{}({}.each)", def.count, def.name)]
            }
            _ => {
                let names: Vec<String> = (1..=def.count).map(|number| format!("{}-{number}", def.name)).collect();
                for (name, needs) in names.iter().zip(replicas) {
                    self.set(name, &needing(needs))?;
                }
                vec![names.join(" | ")]
            }
        };
        let needs: Vec<String> = of_replicas.into_iter().chain(together).collect();
        self.set(&def.name, &needing(&needs))
    }

    /// Gives a cause that several have in common a name of its own; how it is mentioned.
    fn common(&mut self, program: &Program, cause: &super::crashes::Cause) -> Result<String, DerivedError> {
        let is_taken = |name: &str| {
            self.names.text(name).is_some()
                || program.nodes.iter().any(|node| node.name == *name || name.starts_with(&format!("{}-", node.name)))
        };
        let first = (1..).map(|number| format!("crash{number}")).find(|name| !is_taken(name));
        let name = first.unwrap_or_default();
        self.set(&name, &cause.figure)?;
        let called = |(node, number): &Replica| {
            let def = program.node(*node);
            def.replicas.get(*number as usize - 1).map_or(def.name.clone(), |id| program.replica_name(*id))
        };
        let whom = cause.whom.iter().map(called).collect();
        self.common.push((name.clone(), cause.fault, whom));
        Ok(format!("{name}#1"))
    }

    fn set(&mut self, name: &str, meaning: &str) -> Result<(), DerivedError> {
        self.names.set(name, meaning).map_err(|error| DerivedError::Figure(format!("{name}={meaning}"), error))
    }
}

/// All of these, as an expression.
fn needing(all: &[String]) -> String {
    match all {
        [] => "100%".to_owned(),
        [one] => one.clone(),
        // Whatever was said may be anything.
        all => {
            let each = all.iter().map(|one| if one.contains('|') { format!("({one})") } else { one.clone() });
            each.collect::<Vec<_>>().join(" * ")
        }
    }
}
