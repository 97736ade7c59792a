//! The block diagram that a scenario draws without saying so: what has to be up for an endpoint to answer.
//!
//! Every call and every step on a store needs its node, whose replicas stand in for each other; a step that has
//! something else to do when it fails needs one of the two. How often a node fails is what the scenario's own crashes
//! say, or what is said of it beside. Time is not in such a diagram: what is slow, lost on a link, tried again or
//! stands in a line is left out, and said to be.

use std::collections::BTreeMap;

use sim_core::fault::{Nodes, Pace, Target, Timed, Verb as FaultVerb, When};
use sim_core::{Duration, Fault, Pattern};

use super::assembly::Names;
use super::block::{Block, Kind, Part, Quorum, Share};
use super::error::AvailError;
use super::up::Availability;
use crate::problem::{Span, did_you_mean};
use crate::program::{BlockRef, Catch, EndpointRef, NodeDef, NodeRef, Program, Reason, Role, Step, Verb};

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
    let (names, unknown) = figures(program, faults, &walk.used, said)?;
    Ok(Derived { block, names, assumes: walk.assumes(faults, &unknown) })
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
        let fallback = fallback(program, step);
        match (need, fallback) {
            (Some(need), Some(other)) => {
                self.fallbacks += 1;
                // Whatever else is done must be possible.
                let other = self.steps(other)?;
                joined(vec![need, other], Kind::Parallel)
            }
            (need, _) => need,
        }
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
            Verb::If { then, otherwise, .. }
            | Verb::Chance { then, otherwise, .. }
            | Verb::Buggify { then, otherwise, .. } => self.either(&[*then, *otherwise]),
            Verb::Switch { cases, otherwise, .. } => {
                let ways: Vec<BlockRef> = cases.iter().map(|(_, block)| *block).chain([*otherwise]).collect();
                self.either(&ways)
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

    /// Which way a request goes is not known, so all are needed.
    fn either(&mut self, ways: &[BlockRef]) -> Need {
        let needs: Vec<Block> = ways.iter().filter_map(|way| self.steps(*way)).collect();
        self.choices += usize::from(!needs.is_empty());
        joined(needs, Kind::Series)
    }

    fn assumes(&self, faults: &[Fault], unknown: &[String]) -> Vec<String> {
        let mut all = Vec::new();
        if !unknown.is_empty() {
            let example = unknown.first().map(String::as_str).unwrap_or_default();
            let count = if unknown.len() == 1 { "counts" } else { "count" };
            all.push(format!(
                "nothing here crashes {}, which {count} as always up (--let {example}=99.9% says otherwise)",
                unknown.join(", ")
            ));
        }
        all.push("links lose nothing, answers come in time and nobody stands in line".to_owned());
        if self.retries > 0 {
            all.push("trying again does not help against an outage".to_owned());
        }
        if self.choices > 0 {
            all.push("whichever way an if goes, all of its ways are needed".to_owned());
        }
        if self.fallbacks > 0 {
            all.push("what is done when a step fails is as good as the step".to_owned());
        }
        if self.circles > 0 {
            all.push("an endpoint that calls itself needs no more than once through it".to_owned());
        }
        let skipped: Vec<String> = faults.iter().filter(|fault| crash(fault).is_none()).map(Fault::to_string).collect();
        if !skipped.is_empty() {
            all.push(format!("these faults are left out: {}", skipped.join("; ")));
        }
        all
    }
}

/// What a step does after such an outcome.
fn handler(step: &Step, wanted: Catch) -> Option<BlockRef> {
    step.clauses.on.iter().find(|(catch, _)| *catch == wanted).map(|(_, block)| *block)
}

/// What a step does when what it needs is down, unless that fails by itself. Whoever asks a node that is down, by a
/// crash or without power, is refused at once, so that this is what has to be caught: by its name, as an error, or as
/// anything but ok.
fn fallback(program: &Program, step: &Step) -> Option<BlockRef> {
    let caught = [Catch::Reason(Reason::REFUSED), Catch::Error, Catch::Else];
    let other = caught.into_iter().find_map(|catch| handler(step, catch))?;
    (!fails(program, other)).then_some(other)
}

/// Whether steps may end in a failure of their own making.
fn fails(program: &Program, block: BlockRef) -> bool {
    program.block(block).iter().any(|step| {
        let step = program.step(*step);
        matches!(step.verb, Verb::Fail(_)) || inside(&step.verb).into_iter().any(|block| fails(program, block))
    })
}

/// The lists of steps inside a step, on which the answer may hang.
fn inside(verb: &Verb) -> Vec<BlockRef> {
    match verb {
        Verb::Try(body) | Verb::Transaction { body, .. } | Verb::ForEach { body, .. } => vec![*body],
        Verb::Once(once) => vec![once.body],
        Verb::Saga(saga) => saga.parts.iter().map(|part| part.body).collect(),
        Verb::Parallel { branches, .. } => branches.clone(),
        Verb::If { then, otherwise, .. }
        | Verb::Chance { then, otherwise, .. }
        | Verb::Buggify { then, otherwise, .. } => vec![*then, *otherwise],
        Verb::Switch { cases, otherwise, .. } => cases.iter().map(|(_, block)| *block).chain([*otherwise]).collect(),
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

/// What nodes mean, and those of which nothing is known.
fn figures(
    program: &Program,
    faults: &[Fault],
    used: &[NodeRef],
    said: &[String],
) -> Result<(Names, Vec<String>), DerivedError> {
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
    let (mut names, mut unknown) = (Names::new(), Vec::new());
    for node in used.iter().map(|node| program.node(*node)) {
        let crashes = crashes(program, faults, node);
        let each = given.get(node.name.as_str()).map(|figure| (*figure).to_owned()).or(crashes.each);
        if each.is_none() && crashes.all.is_none() {
            unknown.push(node.name.clone());
        }
        let each = each.unwrap_or_else(|| "100%".to_owned());
        let mut set = |name: &str, figure: &str| {
            names.set(name, figure).map_err(|error| DerivedError::Figure(format!("{name}={figure}"), error))
        };
        let replicas = if node.count == 1 {
            each
        } else {
            set(&format!("{}.each", node.name), &each)?;
            format!("1of{}({}.each)", node.count, node.name)
        };
        match crashes.all {
            Some(all) if replicas == "100%" => set(&node.name, &all)?,
            Some(all) => set(&node.name, &format!("{replicas} * {all}"))?,
            None => set(&node.name, &replicas)?,
        }
    }
    Ok((names, unknown))
}

/// How a node crashes by the file's own faults.
#[derive(Default)]
struct Crashes {
    /// Each of its replicas by itself.
    each: Option<String>,
    /// All of them together.
    all: Option<String>,
}

fn crashes(program: &Program, faults: &[Fault], node: &NodeDef) -> Crashes {
    let mut found = Crashes::default();
    for Crash { pattern, whom, every, length } in faults.iter().filter_map(crash) {
        if !pattern.covers(&node.name) {
            continue;
        }
        // Of those it may strike, it strikes one at a time.
        let among = program.nodes.iter().filter(|node| pattern.covers(&node.name)).map(|node| u64::from(node.count));
        let among: u64 = among.sum();
        let between = if whom == Whom::One { mean(every).saturating_mul(among) } else { mean(every) };
        let repair = match length {
            Pace::About(length) => format!("mttr={length}"),
            Pace::Exactly(length) => format!("fixed={length}"),
        };
        // Where one of several is struck each time, how long one of them is spared is by chance in any case.
        let exactly = matches!(every, Pace::Exactly(_)) && (whom != Whom::One || among == 1);
        let figure = format!("mtbf={between}/{repair}{}", if exactly { "/fails=fixed" } else { "" });
        match whom {
            Whom::All if node.count > 1 => found.all = Some(figure),
            Whom::All | Whom::Each | Whom::One => found.each = Some(figure),
        }
    }
    found
}

/// Crashes that go on for ever.
struct Crash<'f> {
    pattern: &'f Pattern,
    whom: Whom,
    /// How long apart, from the end of one to the next.
    every: Pace,
    /// How long each.
    length: Pace,
}

fn mean(pace: Pace) -> Duration {
    match pace {
        Pace::Exactly(length) | Pace::About(length) => length,
    }
}

/// Which of those that a pattern names crash at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    All,
    Each,
    One,
}

fn crash(fault: &Fault) -> Option<Crash<'_>> {
    let Fault::Timed(Timed {
        when: When::Always | When::From(_),
        verb: FaultVerb::Crash { target, .. } | FaultVerb::PowerLoss { target },
        trigger: None,
        every: Some(every),
        length: Some(length),
    }) = fault
    else {
        return None;
    };
    let (pattern, whom) = match target {
        Target::All(Nodes::Like(pattern)) => (pattern, Whom::All),
        Target::Each(Nodes::Like(pattern)) => (pattern, Whom::Each),
        Target::One(Nodes::Like(pattern)) => (pattern, Whom::One),
        Target::All(_) | Target::Each(_) | Target::One(_) => return None,
        Target::Minority(_) | Target::The(_) | Target::OneZone | Target::EachZone => return None,
    };
    Some(Crash { pattern, whom, every: *every, length: *length })
}

/// Whether a fault is a crash that the diagram knows, and whether it goes on from the start.
pub(super) fn is_drawn(fault: &Fault) -> Option<bool> {
    crash(fault)?;
    Some(matches!(fault, Fault::Timed(Timed { when: When::Always, .. })))
}
