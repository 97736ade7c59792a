//! A system before it runs: which nodes there are, what links them, what goes wrong.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::actor::{Actor, Context, Event, Message, Unanswered};
use crate::clock::{Clock, Discipline};
use crate::coat::{Coat, Dressed};
use crate::context::kind_key;
use crate::dice::{Addressee, Group, Rest, Ruling};
use crate::digest::{json_len, state_fingerprint};
use crate::dist::Dist;
use crate::fault::{Fault, FaultError};
use crate::files::Files;
use crate::id::{Kind, NodeId};
use crate::names::Names;
use crate::network::{Link, Links};
use crate::pattern::Called;
use crate::schedule::{Known, Plan, compile};
use crate::seed::{Class, Seed};
use crate::sim::Sim;
use crate::time::Duration;

/// Nodes, links and faults, from which any number of runs can be started.
///
/// ```
/// use sim_core::*;
/// # #[derive(Clone, Hash, serde::Serialize)] struct Hello;
/// # impl Message for Hello {
/// #     type Note = (); type Shared = ();
/// #     const KINDS: &'static [&'static str] = &["hello"];
/// #     fn kind(&self) -> Kind { Kind(0) }
/// # }
/// #[derive(Clone, serde::Serialize)]
/// struct Greeter { peer: NodeId, greeted: u32 }
/// impl Actor<Hello> for Greeter {
///     fn handle(&mut self, event: Event<Hello>, cx: &mut Context<'_, Hello>) {
///         match event {
///             Event::Start(_) => cx.send(self.peer, Hello),
///             Event::Message { .. } => self.greeted += 1,
///             _ => {}
///         }
///     }
/// }
/// let mut system = System::new();
/// let (a, b) = (NodeId(0), NodeId(1));
/// system.node("a", Greeter { peer: b, greeted: 0 });
/// system.node("b", Greeter { peer: a, greeted: 0 });
/// system.network(Link::with_latency(Dist::Constant(Duration::from_millis(1))));
/// system.fault("0s..2ms cut a->b".parse().unwrap());
/// let mut sim = system.start(Seed(1)).unwrap();
/// while sim.step().is_some() {}
/// assert_eq!(sim.actor::<Greeter>(a).unwrap().greeted, 1);
/// assert_eq!(sim.actor::<Greeter>(b).unwrap().greeted, 0);
/// ```
#[derive(Clone)]
pub struct System<M: Message> {
    pub(crate) names: Names,
    pub(crate) nodes: Vec<Machine<M>>,
    pub(crate) groups: Vec<Group>,
    pub(crate) group_names: Vec<String>,
    pub(crate) links: Links,
    pub(crate) shared: M::Shared,
    faults: Vec<Fault>,
    rest: Rest,
}

/// A node before it runs.
#[derive(Clone)]
pub(crate) struct Machine<M: Message> {
    pub(crate) pristine: Arc<dyn Program<M>>,
    pub(crate) clock: Clock,
    pub(crate) discipline: Option<Discipline>,
    pub(crate) files: Files,
    pub(crate) zone: Option<Arc<str>>,
    pub(crate) sync: Dist,
    /// How long it has when it is asked to stop.
    pub(crate) grace: Duration,
    /// From when it is let up to when it starts, at every start but the first.
    pub(crate) startup: Duration,
    /// How late others learn that it left or came back.
    pub(crate) discovery: Duration,
    /// Whether it is there only when a `scale` has it come.
    pub(crate) spare: bool,
    /// Whether it is listed only once it has said that it is ready, at every start but the first.
    pub(crate) reports: bool,
    /// How long a crash at a point of its program lasts that does not say.
    pub(crate) restart: Option<Duration>,
    /// How its platform puts off starting it again and again.
    pub(crate) backoff: Option<Backoff>,
    /// The programs that it can be deployed with, beside its first.
    pub(crate) versions: Vec<(String, Arc<dyn Program<M>>)>,
}

/// How long a platform waits before it starts again what it has ended itself: not at all the first time, then `first`, then twice as
/// long each time, at most `most`. It begins anew after a life of more than twice `most`. As the kubelet of Kubernetes does
/// (`kuberuntime_manager.go`, `doBackOff`; client-go `util/flowcontrol/backoff.go`), whose CrashLoopBackOff it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second start of a row.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

/// How long a node has to stop unless something else is said: as Kubernetes' terminationGracePeriodSeconds.
const GRACE: Duration = Duration::from_secs(30);

/// What a run needs of its system and never changes.
pub(crate) struct Ground<M: Message> {
    pub(crate) system: System<M>,
    pub(crate) plan: Plan,
    pub(crate) kind_keys: Vec<u64>,
    pub(crate) rulings: Vec<(Addressee, Ruling)>,
    pub(crate) rest: Rest,
}

/// An actor whose type is forgotten: nodes of different types live in one list.
pub(crate) trait Program<M: Message>: Send + Sync {
    fn handle(&mut self, event: Event<M>, cx: &mut Context<'_, M>);
    fn unanswered(&self) -> Vec<Unanswered<M>>;
    fn boxed(&self) -> Box<dyn Program<M>>;
    fn state(&self) -> Result<serde_json::Value, serde_json::Error>;
    fn fingerprint(&self) -> Result<u64, serde_json::Error>;
    fn weight(&self) -> usize;
    fn as_any(&self) -> &dyn Any;
}

impl<M: Message, A: Actor<M> + Clone + Serialize + Send + Sync + 'static> Program<M> for A {
    fn handle(&mut self, event: Event<M>, cx: &mut Context<'_, M>) {
        Actor::handle(self, event, cx);
    }
    fn unanswered(&self) -> Vec<Unanswered<M>> {
        Actor::unanswered(self)
    }
    fn boxed(&self) -> Box<dyn Program<M>> {
        Box::new(self.clone())
    }
    fn state(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(self)
    }
    fn fingerprint(&self) -> Result<u64, serde_json::Error> {
        state_fingerprint(self)
    }
    fn weight(&self) -> usize {
        size_of::<A>() + json_len(self)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<M: Message> System<M> {
    /// A system without nodes, whose links are perfect.
    pub fn new() -> Self {
        let mut names = Names::default();
        for kind in M::KINDS {
            names.kind(kind);
        }
        System {
            names,
            nodes: Vec::new(),
            groups: Vec::new(),
            group_names: Vec::new(),
            links: Links::default(),
            shared: M::Shared::default(),
            faults: Vec::new(),
            rest: Rest::Seed,
        }
    }

    /// Adds a node; its name keys its dice, so that another node more changes none of them. Nodes are numbered from 0.
    pub fn node(&mut self, name: &str, actor: impl Actor<M> + Clone + Serialize + Send + Sync + 'static) -> NodeId {
        self.replica(name, name, actor)
    }

    /// Adds a node that casts the dice of its group: whichever replica does a piece of work, the work takes as long.
    pub fn replica(
        &mut self,
        name: &str,
        group: &str,
        actor: impl Actor<M> + Clone + Serialize + Send + Sync + 'static,
    ) -> NodeId {
        let at = self.group_names.iter().position(|known| known == group).unwrap_or_else(|| {
            self.group_names.push(group.to_owned());
            self.group_names.len() - 1
        });
        self.groups.push(Group(at as u32));
        self.nodes.push(Machine {
            pristine: Arc::new(actor),
            clock: Clock::default(),
            discipline: None,
            files: Files::default(),
            zone: None,
            sync: Dist::ZERO,
            grace: GRACE,
            startup: Duration::ZERO,
            discovery: Duration::ZERO,
            spare: false,
            reports: false,
            restart: None,
            backoff: None,
            versions: Vec::new(),
        });
        self.names.add_node(name)
    }

    /// Sets the clocks of a node.
    pub fn clock(&mut self, node: NodeId, clock: Clock) {
        self.nodes[node.0 as usize].clock = clock;
    }

    /// Has the wall clock of a node set by true time from the start on, every so often and with an error.
    pub fn discipline(&mut self, node: NodeId, discipline: Discipline) {
        self.nodes[node.0 as usize].discipline = Some(discipline);
    }

    /// Sets how long a sync of a node's disk takes; no time by default.
    pub fn disk(&mut self, node: NodeId, sync: Dist) {
        self.nodes[node.0 as usize].sync = sync;
    }

    /// Puts a record behind the others of a file on the disk of a node, where it is durable before the run begins.
    pub fn file(&mut self, node: NodeId, file: impl Into<Arc<str>>, record: impl Into<Arc<[u8]>>) {
        self.nodes[node.0 as usize].files.append(file.into(), record.into());
    }

    /// Sets how long a node has when it is asked to stop, before it is killed; 30 s by default.
    pub fn grace(&mut self, node: NodeId, grace: Duration) {
        self.nodes[node.0 as usize].grace = grace;
    }

    /// Sets how long a node takes to start, at every start but the first; no time by default.
    pub fn startup(&mut self, node: NodeId, startup: Duration) {
        self.nodes[node.0 as usize].startup = startup;
    }

    /// Sets how late others learn that a node left or came back ([`Context::is_up`]); at once by default.
    pub fn discovery(&mut self, node: NodeId, lag: Duration) {
        self.nodes[node.0 as usize].discovery = lag;
    }

    /// Has a node be spare: it is not there, as if it had never been started, until a `scale` has it come.
    pub fn spare(&mut self, node: NodeId) {
        self.nodes[node.0 as usize].spare = true;
    }

    /// Has a node be listed only once it says that it is ready ([`Context::ready`]), at every start but the first; as soon as it
    /// has started by default.
    pub fn reports_ready(&mut self, node: NodeId) {
        self.nodes[node.0 as usize].reports = true;
    }

    /// Sets how long a node is down after a crash or power loss at a point of its program that does not say how long; for ever
    /// by default.
    pub fn restart(&mut self, node: NodeId, after: Duration) {
        self.nodes[node.0 as usize].restart = Some(after);
    }

    /// Has the platform of a node put off its start when its [liveness](crate::Watch::Liveness) has ended it again and again; by default
    /// it starts at once.
    pub fn backoff(&mut self, node: NodeId, backoff: Backoff) {
        self.nodes[node.0 as usize].backoff = Some(backoff);
    }

    /// Gives a node another program, with which a `deploy` of that version starts it; the last of one name counts.
    pub fn version(
        &mut self,
        node: NodeId,
        version: &str,
        actor: impl Actor<M> + Clone + Serialize + Send + Sync + 'static,
    ) {
        let versions = &mut self.nodes[node.0 as usize].versions;
        versions.retain(|(known, _)| known != version);
        versions.push((version.to_owned(), Arc::new(actor)));
    }

    /// Says in which zone a node stands: a rack, a building, a region, whose nodes share their fate under `crash zone eu-1`.
    pub fn zone(&mut self, node: NodeId, zone: &str) {
        self.nodes[node.0 as usize].zone = Some(zone.into());
    }

    /// The zone of each node.
    fn zones(&self) -> Vec<Option<&str>> {
        self.nodes.iter().map(|machine| machine.zone.as_deref()).collect()
    }

    /// Sets how every link behaves that is not set by itself.
    pub fn network(&mut self, link: Link) {
        self.links.every = link;
    }

    /// Sets one directed link.
    pub fn link(&mut self, from: NodeId, to: NodeId, link: Link) {
        self.links.set(from, to, link);
    }

    /// How a directed link behaves when no fault touches it.
    pub fn link_between(&self, from: NodeId, to: NodeId) -> &Link {
        self.links.get(from, to)
    }

    /// Gives the kinds of messages other names than [`Message::KINDS`].
    pub fn kinds<'n>(&mut self, kinds: impl IntoIterator<Item = &'n str>) {
        let mut names = Names::default();
        for node in self.names.nodes() {
            names.add_node(node);
        }
        for class in self.names.classes() {
            names.class(class);
        }
        for kind in kinds {
            names.kind(kind);
        }
        self.names = names;
    }

    /// Declares a kind of message more, for a coat or a new version that has one; the kind of that name, if there is one.
    pub fn kind(&mut self, name: &str) -> Kind {
        self.names.kind(name)
    }

    /// Puts a coat around the actor of every node so far: the same system with its programs changed.
    pub fn dress<C: Coat<M>>(&mut self, mut coat: impl FnMut(NodeId, &str) -> C) {
        for (index, machine) in self.nodes.iter_mut().enumerate() {
            let node = NodeId(index as u32);
            let coat = coat(node, self.names.node(node));
            for (_, program) in &mut machine.versions {
                *program = Arc::new(Dressed { coat: coat.clone(), actor: program.boxed() });
            }
            machine.pristine = Arc::new(Dressed { coat, actor: machine.pristine.boxed() });
        }
    }

    /// Declares a class of operations, such as `order`.
    pub fn class(&mut self, name: &str) -> Class {
        self.names.class(name)
    }

    /// Sets the shared state that a run begins with.
    pub fn share(&mut self, shared: M::Shared) {
        self.shared = shared;
    }

    /// Adds a fault or a decision. Its names are checked at the start of a run.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// The schedule so far.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Says what answers the questions that no decision answers; the seed by default.
    pub fn rest(&mut self, rest: Rest) {
        self.rest = rest;
    }

    /// The names of nodes, kinds and classes.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Checks each fault by itself: a name that no node has is said of the first fault that uses it.
    ///
    /// # Errors
    /// The place of the fault in the schedule, and what is wrong with it.
    #[expect(clippy::result_large_err, reason = "made once, when a schedule is wrong")]
    pub fn check(&self) -> Result<(), (usize, FaultError)> {
        let nodes: Vec<&str> = self.names.nodes().iter().map(String::as_str).collect();
        let timed = self.faults.iter().enumerate().filter(|(_, fault)| matches!(fault, Fault::Timed(_)));
        let zones: BTreeSet<&str> = self.zones().into_iter().flatten().collect();
        let zones: Vec<&str> = zones.into_iter().collect();
        for (index, fault) in timed {
            fault.check_names(&nodes).and_then(|()| fault.check_zones(&zones)).map_err(|error| (index, error))?;
        }
        Ok(())
    }

    /// Starts one run.
    ///
    /// # Errors
    /// A fault that names a node which is not there.
    pub fn start(&self, seed: Seed) -> Result<Sim<M>, FaultError> {
        Ok(self.ground()?.start(seed))
    }

    /// Works out once what all runs of this system share.
    ///
    /// # Errors
    /// A fault that names a node which is not there.
    pub fn prepare(&self) -> Result<Prepared<M>, FaultError> {
        self.ground()
    }

    fn ground(&self) -> Result<Prepared<M>, FaultError> {
        let known = Known {
            names: &self.names,
            groups: &self.groups,
            group_names: &self.group_names,
            zones: self.zones(),
            restarts: self.nodes.iter().map(|machine| machine.restart).collect(),
            called: Called::of(self.names.nodes().iter().map(String::as_str)),
        };
        let (plan, rulings) = compile(&self.faults, &known)?;
        let kind_keys = self.names.kinds().iter().map(|name| kind_key(name)).collect();
        let system = self.clone();
        Ok(Prepared(Arc::new(Ground { system, plan, kind_keys, rulings, rest: self.rest })))
    }
}

impl<M: Message> Default for System<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// A checked system, cheap to start any number of runs from.
pub struct Prepared<M: Message>(pub(crate) Arc<Ground<M>>);

impl<M: Message> Clone for Prepared<M> {
    fn clone(&self) -> Self {
        Prepared(self.0.clone())
    }
}

impl<M: Message> Prepared<M> {
    /// Starts one run.
    pub fn start(&self, seed: Seed) -> Sim<M> {
        Sim::new(self.0.clone(), seed)
    }

    /// The names of nodes, kinds and classes.
    pub fn names(&self) -> &Names {
        &self.0.system.names
    }

    /// The schedule.
    pub fn faults(&self) -> &[Fault] {
        &self.0.system.faults
    }
}
