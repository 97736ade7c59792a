//! A scenario, ready to run: every name has become a number, every text an expression or a value.
//!
//! The lowering pass makes a [`Program`] from a configured file; the interpreter runs it, the judge judges by it. Nothing here
//! knows JSON, and nothing in here changes while it runs.

mod clauses;
mod judged;
mod nodes;
mod refs;
mod steps;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sim_core::fault::{Timed, Verb as FaultVerb};
use sim_core::nemesis::Nemesis;
use sim_core::pattern::{Label, Pattern};
use sim_core::tolerance::{Cast, Member};
use sim_core::{Fault, Instant, Kind, Link, NodeId, Operation};

use crate::policy::balance::Ring;

pub use clauses::*;
pub use judged::*;
pub use nodes::*;
pub use refs::*;
pub use steps::*;
pub use template::*;

/// A whole scenario with its settings filled in.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The scenario's name.
    pub name: String,
    /// The last instant that happens; none: until nothing is left to happen.
    pub until: Option<Instant>,
    /// Declared nodes, in the order of the file, workloads behind the others.
    pub nodes: Vec<NodeDef>,
    /// What each kernel node is: its declared node and its number there from 1. Made by [`Program::place`].
    pub replicas: Vec<(NodeRef, u32)>,
    /// Endpoints of all services; the steps of a workload are one too.
    pub endpoints: Vec<Endpoint>,
    /// Lists of steps.
    pub blocks: Vec<Vec<StepRef>>,
    /// Steps of all lists.
    pub steps: Vec<Step>,
    /// Names used with a dollar sign; at most 64. `left.version` is a name of its own, where it is used.
    pub slots: Vec<SlotDef>,
    /// Facts, in the order of first mention.
    pub facts: Vec<FactDef>,
    /// Maps of all owners.
    pub maps: Vec<MapDef>,
    /// Who calls whom.
    pub edges: Vec<(NodeRef, NodeRef)>,
    /// The system's reasons, then those that the file gives to `fail`.
    pub reasons: Vec<String>,
    /// Kinds of messages: endpoint names, then `read set delete commit rollback`, and where there is a queue `publish deliver ack`,
    /// each once.
    pub kinds: Vec<String>,
    /// What the operations of each workload are called (`each`), each once.
    pub classes: Vec<String>,
    /// How links behave without a word of their own.
    pub network: Link,
    /// Links with their own, by declared nodes.
    pub links: Vec<(NodeRef, NodeRef, Link)>,
    /// The operations that are still begun; all when none.
    pub only: Option<Vec<Operation>>,
    /// The faults of the file, those that are off left out.
    pub faults: Vec<Fault>,
    /// What may go wrong when it is asked for, and what the system is meant to bear.
    pub nemesis: Nemesis,
    /// Metrics, in the order of the file.
    pub metrics: Vec<MetricDef>,
    /// Properties, in the order of the file.
    pub properties: Vec<PropertyDef>,
    /// What each metric is expected to be, by the file, after remedies.
    pub expect: Vec<(String, Expected)>,
    /// What is noted only where some formula asks for it.
    pub asked: Asked,
}

/// What is noted only where some formula asks for it, so that other scenarios are what they were without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Steps whose tries are used up.
    pub exhausted: bool,
    /// How many requests asked for what went over an edge.
    pub amplification: bool,
    /// Time that was worked for callers who have gone.
    pub wasted_time: bool,
}

/// Which lines of a schedule give a service replicas beside those that are there at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Those that have them come.
    Scales,
    /// Those that name them too: of a schedule that was right, and of which lines may have been left out.
    Mentions,
}

/// Replicas of one node; more would make every run slow, and are probably a slip.
pub const REPLICAS_MAX: u32 = 10_000;

/// How many replicas a schedule has come beside those that are there at the start; only services can be scaled.
fn spare(node: &NodeDef, faults: &[Fault], room: Room) -> u32 {
    let Role::Service(_) = node.role else { return 0 };
    let scaled = |fault: &Fault| match fault {
        Fault::Timed(Timed { verb: FaultVerb::Scale { target, count }, .. }) if !fault.is_off() => {
            target.nodes().is_some_and(|nodes| nodes.covers(&node.name, None)).then_some(*count)
        }
        _ => None,
    };
    let numbers = |fault: &Fault| -> Vec<u32> {
        let names = fault.names();
        let number = |name: &Pattern| name.as_str().strip_prefix(&node.name)?.strip_prefix('-')?.parse().ok();
        // One that is alone has a number where there may be another.
        names.iter().filter_map(number).map(|number: u32| number.max(2)).collect()
    };
    let named = faults.iter().filter(|_| room == Room::Mentions).flat_map(numbers);
    let most = faults.iter().filter_map(scaled).chain(named).filter(|number| *number <= REPLICAS_MAX).max();
    most.unwrap_or_default().saturating_sub(node.count)
}

impl Program {
    /// The edges of each breaker, by its node and its place in the list of that: all that go through it, under whatever policy name.
    pub fn breaker_edges(&self) -> BTreeMap<(NodeRef, u32), BTreeSet<EdgeRef>> {
        let mut found = BTreeMap::<_, BTreeSet<_>>::new();
        for step in &self.steps {
            let guards = step.clauses.guards.iter().flat_map(|guards| &guards.order);
            for guard in guards {
                if let Guard::Breaker(def) = guard {
                    let node = self.endpoint(step.endpoint).node;
                    found.entry((node, def.index)).or_default().extend(self.guarded_edges(step));
                }
            }
        }
        found
    }

    /// The edges that the guards of a step stand before: its own, and those of the steps inside of it that it waits for.
    pub fn guarded_edges(&self, step: &Step) -> BTreeSet<EdgeRef> {
        let mut found: BTreeSet<EdgeRef> = step.edge().into_iter().collect();
        for block in step.verb.awaited_blocks() {
            for inner in self.block(block) {
                let inner = self.step(*inner);
                found.extend(self.guarded_edges(inner));
                let handled = inner.clauses.on.iter().flat_map(|(_, block)| self.block(*block));
                handled.for_each(|step| found.extend(self.guarded_edges(self.step(*step))));
            }
        }
        found
    }

    /// Gives each replica its kernel node, in order: services and stores, then workloads.
    pub fn place(&mut self) {
        self.replicas.clear();
        for (index, node) in self.nodes.iter_mut().enumerate() {
            node.replicas.clear();
            for number in 1..=node.most() {
                node.replicas.push(NodeId(self.replicas.len() as u32));
                self.replicas.push((NodeRef(index as u16), number));
            }
        }
        let rings: Vec<Option<Arc<Ring>>> = self.nodes.iter().map(|node| self.ring(node)).collect();
        for (node, ring) in self.nodes.iter_mut().zip(rings) {
            if let Role::Service(def) = &mut node.role {
                def.ring = ring;
            }
        }
    }

    fn ring(&self, node: &NodeDef) -> Option<Arc<Ring>> {
        let Role::Service(def) = &node.role else { return None };
        let ServiceDef { balance: Balance::ConsistentHash(_), points, .. } = &**def else { return None };
        let names: Vec<String> = node.replicas.iter().map(|id| self.replica_name(*id)).collect();
        Some(Arc::new(Ring::new(names.iter().map(String::as_str), *points)))
    }

    /// The same program with the replicas that a schedule may have come, and no others.
    pub fn with_room(program: Arc<Program>, faults: &[Fault], room: Room) -> Arc<Program> {
        let spare: Vec<u32> = program.nodes.iter().map(|node| spare(node, faults, room)).collect();
        if program.nodes.iter().zip(&spare).all(|(node, spare)| node.spare == *spare) {
            return program;
        }
        let mut program = Program::clone(&program);
        program.make_room(faults, room);
        Arc::new(program)
    }

    /// Gives each service the replicas that a schedule may have come.
    pub fn make_room(&mut self, faults: &[Fault], room: Room) {
        for node in &mut self.nodes {
            node.spare = spare(node, faults, room);
        }
        self.place();
    }

    /// The declared node.
    pub fn node(&self, node: NodeRef) -> &NodeDef {
        &self.nodes[node.0 as usize]
    }

    /// The step.
    pub fn step(&self, step: StepRef) -> &Step {
        &self.steps[step.0 as usize]
    }

    /// The steps of a list.
    pub fn block(&self, block: BlockRef) -> &[StepRef] {
        &self.blocks[block.0 as usize]
    }

    /// The endpoint.
    pub fn endpoint(&self, endpoint: EndpointRef) -> &Endpoint {
        &self.endpoints[endpoint.0 as usize]
    }

    /// The map.
    pub fn map(&self, map: MapRef) -> &MapDef {
        &self.maps[map.0 as usize]
    }

    /// What faults call the steps of the nodes that are asked for, each once.
    pub fn step_names(&self, of: impl Fn(&NodeDef) -> bool) -> Vec<String> {
        let steps = self.steps.iter().filter(|step| of(self.node(self.endpoint(step.endpoint).node)));
        let mut names: Vec<String> = steps
            .flat_map(|step| {
                let points = step.milestones().map(|_| Milestones::NAMES).into_iter().flatten();
                let points = points.map(|point| format!("{}.{point}", step.names[0]));
                [step.names[0].clone()].into_iter().chain(points)
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Whether a probe asks this endpoint.
    pub fn is_probed(&self, endpoint: EndpointRef) -> bool {
        let probes =
            self.service(self.endpoint(endpoint).node).map(|def| [def.liveness, def.readiness, def.startup_probe]);
        probes.into_iter().flatten().flatten().any(|probe| probe.endpoint == endpoint)
    }

    /// The kind of that name. Those of store operations stand last.
    pub fn kind(&self, name: &str) -> Kind {
        Kind(self.kinds.iter().rposition(|kind| kind == name).map_or(u16::MAX, |at| at as u16))
    }

    /// The words for a reason.
    pub fn reason(&self, reason: Reason) -> &str {
        let apart = Reason::APART.iter().find(|(_, apart)| *apart == reason);
        apart.map_or_else(|| self.reasons[reason.0 as usize].as_str(), |(name, _)| *name)
    }

    /// The reason of that name, when something may fail with it.
    pub fn reason_named(&self, name: &str) -> Option<Reason> {
        if let Some((_, reason)) = Reason::APART.iter().find(|(known, _)| *known == name) {
            return Some(*reason);
        }
        let known = self.reasons.iter().position(|reason| reason == name)?;
        u16::try_from(known).ok().map(Reason)
    }

    /// The reason that a request fails with under a `fail` fault: the one of that name, else `unavailable`.
    pub fn reason_of_failure(&self, named: Option<&Label>) -> Reason {
        named.and_then(|reason| self.reason_named(reason.as_str())).unwrap_or(Reason::UNAVAILABLE)
    }

    /// The service of a declared node, if it is one.
    pub fn service(&self, node: NodeRef) -> Option<&ServiceDef> {
        match &self.node(node).role {
            Role::Service(service) => Some(service),
            Role::Store(_) | Role::Queue(_) | Role::Workload(_) => None,
        }
    }

    /// The store of a declared node, if it is one.
    pub fn store(&self, node: NodeRef) -> Option<&StoreDef> {
        match &self.node(node).role {
            Role::Store(store) => Some(store),
            Role::Service(_) | Role::Queue(_) | Role::Workload(_) => None,
        }
    }

    /// The queue of a declared node, if it is one.
    pub fn queue(&self, node: NodeRef) -> Option<&QueueDef> {
        match &self.node(node).role {
            Role::Queue(queue) => Some(queue),
            Role::Service(_) | Role::Store(_) | Role::Workload(_) => None,
        }
    }

    /// Whether any node is a queue: only then there are the kinds `publish`, `deliver` and `ack`.
    pub fn has_queues(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.role, Role::Queue(_)))
    }

    /// Who is there and who asks whom, both ways, as a nemesis sees it, without what a system says of them. Of two services with many replicas each it knows a link
    /// of each replica, and not all of them.
    pub fn cast(&self) -> Cast {
        const ALL: usize = 1024;
        let member = |place: usize| {
            let (node, number) = self.replicas[place];
            let def = self.node(node);
            let zone = def.zone(number).map(str::to_owned);
            let (name, copy_of) = (self.replica_name(NodeId(place as u32)), def.name.clone());
            Member { name, copy_of, zone, ..Member::default() }
        };
        let servers =
            self.replicas.iter().filter(|(node, _)| !matches!(self.node(*node).role, Role::Workload(_))).count();
        let mut links = Vec::new();
        for (from, to) in &self.edges {
            let (from, to) = (&self.node(*from).replicas, &self.node(*to).replicas);
            let pairs = if from.len() * to.len() <= ALL { from.len() * to.len() } else { from.len().max(to.len()) };
            let pair = |at: usize| match pairs == from.len() * to.len() {
                true => (from[at / to.len()], to[at % to.len()]),
                false => (from[at % from.len()], to[at % to.len()]),
            };
            links.extend(
                (0..pairs).map(pair).flat_map(|(a, b)| [(a.0 as usize, b.0 as usize), (b.0 as usize, a.0 as usize)]),
            );
        }
        links.sort_unstable();
        links.dedup();
        Cast { nodes: (0..self.replicas.len()).map(member).collect(), links, servers, ..Cast::default() }
    }

    /// The name of a kernel node: that of its declared node, numbered when there are several.
    pub fn replica_name(&self, node: NodeId) -> String {
        let (node, number) = self.replicas[node.0 as usize];
        let def = self.node(node);
        if def.most() == 1 { def.name.clone() } else { format!("{}-{number}", def.name) }
    }
}
