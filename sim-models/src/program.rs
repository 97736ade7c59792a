//! A scenario, ready to run: every name has become a number, every text an expression or a value.
//!
//! The lowering pass makes a [`Program`] from a configured file; the interpreter runs it, the judge judges by it. Nothing here
//! knows JSON, and nothing in here changes while it runs.

use std::sync::Arc;

use sim_core::fault::{Timed, Verb as FaultVerb};
use sim_core::nemesis::Nemesis;
use sim_core::pattern::{Label, Pattern};
use sim_core::tolerance::{Cast, Member};
use sim_core::{Backoff, Class, Dist, Duration, Fault, Instant, Kind, Link, NodeId, Odds, Operation, Point, Ratio};

use crate::database::Isolation;
use crate::expr::Expr;
use crate::policy::balance::Ring;
use crate::policy::{breaker, budget, bulkhead, hedge, limiter, outlier, retry, slow_start};
use crate::value::Value;

/// A declared node (a service, a store, a queue, a workload), by its place in [`Program::nodes`]. Its replicas are kernel nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct NodeRef(pub u16);

/// A step, by its place in [`Program::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct StepRef(pub u32);

/// A list of steps, by its place in [`Program::blocks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct BlockRef(pub u32);

/// An endpoint, by its place in [`Program::endpoints`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct EndpointRef(pub u16);

/// A name that steps use with a dollar sign, by its place in [`Program::slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Slot(pub u16);

/// A fact, by its place in [`Program::facts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct FactRef(pub u16);

/// A map, by its place in [`Program::maps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct MapRef(pub u16);

/// A caller and a callee, by their place in [`Program::edges`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct EdgeRef(pub u16);

/// Why something was not ok, by its place in [`Program::reasons`]; the first are the system's own, below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Reason(pub u16);

impl Reason {
    /// The disk of a store did not keep a change, or does not give its files. Its number is apart from those of the others, which
    /// stay as they are.
    pub const DISK: Reason = Reason(u16::MAX);
    /// Those that only some scenarios know are numbered from here on.
    const RARE: u16 = u16::MAX - 5;
    const DISK_NAME: &str = "disk";
    /// A participant of a transaction has decided alone, and otherwise than the others (XA's `HEURMIX`). Apart as well.
    pub const MIXED: Reason = Reason(u16::MAX - 1);
    const MIXED_NAME: &str = "mixed";
    /// A transaction sets a cell that another has changed since its snapshot. Apart as well.
    pub const CONFLICT: Reason = Reason(u16::MAX - 2);
    const CONFLICT_NAME: &str = "conflict";
    /// It has waited for a lock as long as its store has anybody wait. Apart as well.
    pub const LOCK_TIMEOUT: Reason = Reason(u16::MAX - 3);
    const LOCK_TIMEOUT_NAME: &str = "lock_timeout";
    /// All participants of a transaction that was to be committed have rolled it back alone (XA's `HEURRB`). Apart as well.
    pub const ROLLED_BACK: Reason = Reason(u16::MAX - 4);
    const ROLLED_BACK_NAME: &str = "rolled_back";
    /// A participant knows nothing of a transaction that it was told to commit, and may have lost it or have done it before (XA's
    /// `HEURHAZ`). Apart as well.
    pub const HAZARD: Reason = Reason(u16::MAX - 5);
    const HAZARD_NAME: &str = "hazard";
    /// The reasons that stand apart, by name.
    const APART: [(&str, Reason); 6] = [
        (Reason::DISK_NAME, Reason::DISK),
        (Reason::MIXED_NAME, Reason::MIXED),
        (Reason::CONFLICT_NAME, Reason::CONFLICT),
        (Reason::LOCK_TIMEOUT_NAME, Reason::LOCK_TIMEOUT),
        (Reason::ROLLED_BACK_NAME, Reason::ROLLED_BACK),
        (Reason::HAZARD_NAME, Reason::HAZARD),
    ];
}

macro_rules! system_reasons {
    ($($name:ident = $number:literal $text:literal $about:literal;)*) => {
        impl Reason {
            $(#[doc = $about] pub const $name: Reason = Reason($number);)*
        }
        /// The reasons that the system gives, in the order of their numbers.
        pub const SYSTEM_REASONS: &[&str] = &[$($text),*];
    };
}

impl Reason {
    /// Whether the file has it of its own, and no machinery gives it.
    pub const fn is_of_the_file(self) -> bool {
        self.0 as usize >= SYSTEM_REASONS.len() && self.0 < Reason::RARE
    }

    /// Whether the system gives it to outcomes that say nothing of what was done.
    pub const fn is_unknown(self) -> bool {
        matches!(self, Reason::TIMEOUT | Reason::RESET | Reason::STUCK)
    }
}

system_reasons! {
    REFUSED = 0 "refused" "Nobody there.";
    OVERLOADED = 1 "overloaded" "The queue is full, or dropped the request.";
    UNAVAILABLE = 2 "unavailable" "A `fail` fault.";
    LIMITED = 3 "limited" "A limiter said no.";
    OPEN = 4 "open" "A breaker is open.";
    UNMET = 5 "unmet" "The condition of a set does not hold.";
    IN_FLIGHT = 6 "in_flight" "Another try with this key still runs.";
    DEADLOCK = 7 "deadlock" "The youngest in a cycle of waiting transactions.";
    UNDONE = 8 "undone" "Rolled back because an outcome inside was unknown.";
    EXPIRED = 9 "expired" "No time left of a deadline.";
    TIMEOUT = 10 "timeout" "No answer in time.";
    RESET = 11 "reset" "The machine crashed that had the request.";
    STUCK = 12 "stuck" "A saga that can neither be done nor undone.";
}

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

/// A declared node.
#[derive(Clone, Debug)]
pub struct NodeDef {
    /// Its name.
    pub name: String,
    /// The kernel nodes that are its replicas; filled in by [`Program::place`].
    pub replicas: Vec<NodeId>,
    /// How many replicas there are at the start, at least 1.
    pub count: u32,
    /// How many more there may ever be, because a `scale` of the schedule has them come.
    pub spare: u32,
    /// What it is.
    pub role: Role,
    /// Its maps, durable ones first.
    pub maps: Vec<MapRef>,
    /// Whether properties or metrics ask for its gauges (`busy`, `waiting`, `in_flight`).
    pub gauged: bool,
    /// Whom its breakers, bulkheads and budgets of libraries are for, by their places.
    pub policies: Vec<String>,
    /// How the clocks of its replicas stand to true time; none: they show it.
    pub clock: Option<ClockSet>,
    /// The zones its replicas are dealt to, in turn; none when it stands in no zone.
    pub zones: Vec<String>,
}

impl NodeDef {
    /// How many replicas there may ever be.
    pub fn most(&self) -> u32 {
        self.count.saturating_add(self.spare)
    }

    /// The zone of a replica, counted from 1.
    pub fn zone(&self, number: u32) -> Option<&str> {
        let turn = (number.max(1) as usize - 1).checked_rem(self.zones.len())?;
        self.zones.get(turn).map(String::as_str)
    }
}

/// The clocks of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSet {
    /// Offset and drift.
    pub clock: sim_core::Clock,
    /// What sets the wall clock; each replica has errors of its own.
    pub discipline: Option<sim_core::Discipline>,
}

/// What a declared node is.
#[derive(Clone, Debug)]
pub enum Role {
    /// Runs endpoints.
    Service(Box<ServiceDef>),
    /// Keeps maps.
    Store(StoreDef),
    /// Keeps messages until consumers have handled them.
    Queue(QueueDef),
    /// Sends operations.
    Workload(WorkloadDef),
}

/// A service.
#[derive(Clone, Debug, Default)]
pub struct ServiceDef {
    /// Its endpoints.
    pub endpoints: Vec<EndpointRef>,
    /// Workers of each replica; none: unlimited.
    pub workers: Option<u32>,
    /// Places in line of each replica; none: unlimited.
    pub queue: Option<u32>,
    /// Who is next in line.
    pub order: Order,
    /// Endpoints by urgency, the most urgent first; only where [`Order::Priority`] asks.
    pub urgent: Vec<EndpointRef>,
    /// Who is dropped when the turn comes.
    pub drops: Drops,
    /// How many requests a replica has at once; none: as many as come. It always finds itself.
    pub limit: Option<bulkhead::Rule>,
    /// How long a worker is busy with turning one away.
    pub refusal: Dist,
    /// What whoever is answered `overloaded` is told about trying again.
    pub retry_after: Option<retry::Pushback>,
    /// Whether a worker is held during work only.
    pub asynchronous: bool,
    /// Whether a request that was cancelled stops at its next step.
    pub honours_cancel: bool,
    /// How callers choose a replica.
    pub balance: Balance,
    /// Weights that are dealt to the replicas in turn; only where turns are by weight.
    pub weights: Vec<u32>,
    /// Points that each replica has on the ring.
    pub points: u32,
    /// The ring, where there is one; filled in by [`Program::place`].
    pub ring: Option<Arc<Ring>>,
    /// How a replica that has just come gets its share of turns; none: all at once.
    pub slow_start: Option<slow_start::Rule>,
    /// How callers find out whom they had better not ask.
    pub outlier: Option<Box<OutlierDef>>,
    /// What `$version` is before the first deploy; `v1` when the file does not say.
    pub version: Value,
    /// How late callers learn that a replica left or came back.
    pub discovery: Duration,
    /// Time from the start to the first request, at every start but the first.
    pub startup: Duration,
    /// How long a process is there before it can do anything, at every start but the first.
    pub boot: Duration,
    /// What a replica does that is asked to stop.
    pub stop: StopDef,
    /// How long a replica is down after a crash at a step that does not say how long; none: for ever.
    pub restart: Option<Duration>,
    /// A probe that restarts the replica.
    pub liveness: Option<ProbeDef>,
    /// A probe that takes the replica off the list.
    pub readiness: Option<ProbeDef>,
    /// A probe that has the others wait until it is ok, and restarts a replica that does not come to that.
    pub startup_probe: Option<ProbeDef>,
    /// How starts are put off after liveness has ended a replica again and again; none: they are not.
    pub backoff: Option<Backoff>,
    /// The disk of each replica on which what it notes of transactions and sagas lies; none: where no fault takes it, in no time.
    pub log: Option<LogDef>,
}

/// `log` of a service.
#[derive(Clone, Debug)]
pub struct LogDef {
    /// Whether a forced record is on the disk before anything follows from it.
    pub durable: Durable,
    /// Whether each record has a checksum.
    pub checksum: bool,
    /// How long a sync takes.
    pub sync: Dist,
}

impl ServiceDef {
    /// What the replica at this place weighs.
    pub fn weight(&self, place: usize) -> u32 {
        place.checked_rem(self.weights.len()).map_or(1, |turn| self.weights[turn])
    }
}

/// `outlier`.
#[derive(Clone, Debug)]
pub struct OutlierDef {
    /// How it is set.
    pub rule: outlier::Rule,
    /// Reasons of the file that count as a 500.
    pub counts: Vec<Reason>,
}

/// How the platform of a replica asks it how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeDef {
    /// The endpoint that is asked.
    pub endpoint: EndpointRef,
    /// How often.
    pub every: Duration,
    /// How long it waits for an answer.
    pub timeout: Duration,
    /// How many failures in a row count, at least 1.
    pub failures: u32,
    /// How many successes in a row count, at least 1.
    pub successes: u32,
    /// How long after the start of the process the first may be sent.
    pub delay: Duration,
}

/// Who is next in line for a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Who has waited longest.
    #[default]
    Fifo,
    /// Who has come last.
    Lifo,
    /// Who has come last, once there has been a line for 100 ms; who has waited longest until then. As in "Fail at Scale"
    /// (Maurer, ACM Queue 2015).
    AdaptiveLifo,
    /// Who has the most urgent endpoint; of those who has waited longest.
    Priority,
}

/// Who is dropped when the turn comes: answered `overloaded`, without work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Drops {
    /// Nobody.
    #[default]
    Nobody,
    /// Whoever's caller has given up.
    Expired,
    /// By controlled delay (RFC 8289).
    Codel {
        /// How long waiting is no congestion.
        target: Duration,
        /// How long it must last.
        interval: Duration,
    },
}

/// What a replica does that is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopDef {
    /// How long it goes on as before, for callers to learn of it.
    pub pre_stop: Duration,
    /// Whether it finishes what it has, and takes nothing new; else it is gone at once.
    pub drains: bool,
    /// How long it may take in all.
    pub grace: Duration,
}

impl Default for StopDef {
    fn default() -> Self {
        // Kubernetes' terminationGracePeriodSeconds.
        StopDef { pre_stop: Duration::ZERO, drains: false, grace: Duration::from_secs(30) }
    }
}

/// How a caller chooses one of several replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// One after the other, counted by each replica of the caller.
    #[default]
    RoundRobin,
    /// Any, drawn.
    Random,
    /// One with the fewest requests of this caller open; of several any, drawn, as Envoy's full scan has it.
    LeastRequest,
    /// Of some drawn ones the one with the fewest requests of this caller open; of several the first that was drawn.
    Choices {
        /// How many are drawn.
        count: u32,
        /// Whether one may be drawn again, as Envoy does: of two hosts the worse one is asked a quarter of the time.
        again: bool,
    },
    /// Turns by weight, spread evenly (smooth weighted round robin, as in nginx), counted by each replica of the caller.
    Weighted,
    /// One that has the fewest requests itself, from whomever they are; of several any, drawn. No real caller knows that.
    JoinShortest,
    /// Whoever has the next point on a ring, by the hash of this name's value, or of the operation.
    ConsistentHash(Option<Slot>),
}

/// A store.
#[derive(Clone, Debug, Default)]
pub struct StoreDef {
    /// Operations at once; none: unlimited.
    pub workers: Option<u32>,
    /// Time of a read.
    pub read: Dist,
    /// Time of a set.
    pub set: Dist,
    /// Time of a set to null.
    pub delete: Dist,
    /// Time of a commit.
    pub commit: Dist,
    /// Whether a crash takes the data.
    pub volatile: bool,
    /// What it answers after; none: as synced, and without a disk where nothing can happen to one.
    pub durable: Option<Durable>,
    /// Whether each record on the disk has a checksum.
    pub checksum: bool,
    /// How long a sync of its disk takes.
    pub sync: Dist,
    /// How long a value stays after its set; none: for ever.
    pub ttl: Option<Duration>,
    /// How many cells it keeps, all maps together, the last used ones; none: all.
    pub capacity: Option<u64>,
    /// How long an operation waits for a lock; none: for ever.
    pub lock_timeout: Option<Duration>,
    /// How long a transaction may wait here for its next operation; none: for ever.
    pub idle_timeout: Option<Duration>,
}

impl StoreDef {
    /// Whether it loses what was set without anybody's doing: it is a cache.
    pub const fn forgets(&self) -> bool {
        self.ttl.is_some() || self.capacity.is_some()
    }
}

/// How far a change is on its way to the disk when a store answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durable {
    /// A sync has made it durable.
    #[default]
    Synced,
    /// It is written; a sync follows by itself.
    Written,
}

/// A queue.
#[derive(Clone, Debug, Default)]
pub struct QueueDef {
    /// How long a message stays hidden that was delivered; for ever when the file does not say.
    pub visibility: Duration,
    /// How often it is delivered; without end when none.
    pub max_receives: Option<u32>,
    /// Where it goes after that; nowhere when none.
    pub dead_letter: Option<NodeRef>,
    /// How long it is hidden at first.
    pub delay: Duration,
    /// How long it is kept from when it was published; for ever when the file does not say.
    pub retention: Duration,
    /// How a consumer is chosen.
    pub dispatch: Balance,
    /// The endpoints that consume it.
    pub consumers: Vec<EndpointRef>,
}

/// How an endpoint consumes a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumeDef {
    /// The queue.
    pub queue: NodeRef,
    /// The edge from the queue to the endpoint's node: a delivery is a call on it.
    pub edge: EdgeRef,
    /// When a message is done.
    pub ack: Ack,
    /// How often a busy consumer extends its claim; never when none.
    pub heartbeat: Option<Duration>,
    /// Messages of one delivery at most, at least 1.
    pub batch: u32,
    /// Tries of one message in one delivery.
    pub retry: Option<RetryDef>,
    /// What becomes of a message that failed.
    pub on_failure: OnFailure,
    /// The slot of `$message`, if a step names it.
    pub message: Option<Slot>,
}

/// When a message is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    /// When its steps were ok.
    #[default]
    After,
    /// When it is delivered.
    Before,
}

/// What becomes of a message whose steps were not ok.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is visible again when its time is up.
    #[default]
    Redeliver,
    /// It goes to the dead letters at once.
    DeadLetter,
    /// It is done all the same.
    Skip,
}

/// A workload.
#[derive(Clone, Debug)]
pub struct WorkloadDef {
    /// Its steps.
    pub endpoint: EndpointRef,
    /// What an operation is called: the class, and the slot that holds its number.
    pub class: Class,
    /// The slot that holds the number.
    pub slot: Slot,
    /// When it begins.
    pub start: Instant,
    /// How many operations at most.
    pub limit: Option<u64>,
    /// How long operations are begun.
    pub length: Option<Duration>,
    /// When operations begin.
    pub pace: PaceDef,
}

/// When the operations of a workload begin.
#[derive(Clone, Debug)]
pub enum PaceDef {
    /// At a rate, whatever becomes of earlier ones; the rate of each stage and how long it lasts (the last may be for ever).
    Open {
        /// Operations per 10⁹ seconds, and the length of the stage.
        stages: Vec<(u64, Option<Duration>)>,
        /// Exactly spaced, or with exponential gaps.
        even: bool,
    },
    /// So many users, each of whom thinks, asks, and thinks again.
    Closed {
        /// How many.
        users: u32,
        /// How long each thinks before each operation.
        think: Dist,
    },
}

/// An endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Its node.
    pub node: NodeRef,
    /// The kind of its requests.
    pub kind: Kind,
    /// Its steps.
    pub body: BlockRef,
    /// When it runs by itself.
    pub clock: Option<ClockDef>,
    /// The queue that it consumes, and how.
    pub consumes: Option<Box<ConsumeDef>>,
}

/// An endpoint that runs by itself, on replica 1, never twice at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDef {
    /// How often; none: only at the start.
    pub every: Option<Duration>,
    /// Whether it runs after each start of the replica.
    pub at_start: bool,
}

/// A name used with a dollar sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotDef {
    /// Without the dollar sign.
    pub name: String,
    /// The class of operations whose number it holds, if some `each` declares it.
    pub class: Option<Class>,
}

/// A fact that steps record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactDef {
    /// Its name.
    pub name: String,
    /// What its keys are numbers of; none when its keys are given and belong to no `each`.
    pub class: Option<Class>,
}

/// A map.
#[derive(Clone, Debug, PartialEq)]
pub struct MapDef {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: NodeRef,
    /// What it begins with.
    pub initial: Vec<(Value, Value)>,
    /// Whether each replica has one of its own, lost in a crash.
    pub memory: bool,
    /// Whether properties or metrics look at it, so that each change is told to the judge.
    pub watched: bool,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it does.
    pub verb: Verb,
    /// Its clauses; only steps with an outcome have any.
    pub clauses: Clauses,
    /// Its place as a number that enters the dice: its `id`, else its verb and its ordinal among the same verbs of its endpoint.
    pub place: u64,
    /// Whether one request may come here more than once (inside `for_each`, or inside something that is retried).
    pub repeats: bool,
    /// How much it sees of other transactions: the level of the one it is in.
    pub isolation: Isolation,
    /// Its `id`, if it has one, for people.
    pub id: Option<String>,
    /// What faults call it: `ENDPOINT.ID`, or `ENDPOINT.VERB` when it has no `id`; and the same without the endpoint.
    pub names: [String; 2],
    /// The same as points of the program.
    pub points: [Point; 2],
    /// The endpoint it stands in.
    pub endpoint: EndpointRef,
    /// Where it stands in the file: `nodes.shop.endpoints.pay[2]`.
    pub path: String,
}

impl Step {
    /// The edge on which it sends what is asked of another node by it alone; none of what sends nothing, or for steps inside.
    pub const fn edge(&self) -> Option<EdgeRef> {
        match &self.verb {
            Verb::Call { edge, .. } | Verb::Publish { edge, .. } => Some(*edge),
            Verb::Read { edge, .. } | Verb::List { edge, .. } | Verb::Set { edge, .. } => *edge,
            Verb::Work(_)
            | Verb::Wait(_)
            | Verb::Record { .. }
            | Verb::Reply(_)
            | Verb::Fail(_)
            | Verb::If { .. }
            | Verb::Switch { .. }
            | Verb::Chance { .. }
            | Verb::Buggify { .. }
            | Verb::Pick { .. }
            | Verb::ForEach { .. }
            | Verb::Background(_)
            | Verb::Try(_)
            | Verb::Transaction { .. }
            | Verb::Once(_)
            | Verb::Saga(_)
            | Verb::Parallel { .. } => None,
        }
    }

    /// Where faults can strike inside of it, if there is such a place.
    pub fn milestones(&self) -> Option<&Milestones> {
        match &self.verb {
            Verb::Saga(def) => Some(&def.points),
            Verb::Transaction { protocol: Some(def), .. } => Some(&def.points),
            _ => None,
        }
    }

    /// How the stores of this transaction agree.
    pub fn protocol(&self) -> Option<&ProtocolDef> {
        match &self.verb {
            Verb::Transaction { protocol, .. } => protocol.as_deref(),
            _ => None,
        }
    }

    /// Whether faults know it, or a point inside of it, by this name.
    pub fn is_called(&self, name: &str) -> bool {
        let inside = name.rsplit_once('.').filter(|(_, point)| Milestones::NAMES.contains(point));
        let inside = inside.filter(|_| self.milestones().is_some()).map(|(step, _)| step);
        self.names.iter().any(|known| known == name || Some(known.as_str()) == inside)
    }
}

impl Verb {
    /// Whether it is tried, and has an outcome of its own.
    pub fn has_outcome(&self) -> bool {
        match self {
            Verb::Call { .. }
            | Verb::Read { .. }
            | Verb::List { .. }
            | Verb::Set { .. }
            | Verb::Publish { .. }
            | Verb::Try(_)
            | Verb::Transaction { .. }
            | Verb::Once(_)
            | Verb::Saga(_)
            | Verb::Parallel { .. } => true,
            Verb::Work(_)
            | Verb::Wait(_)
            | Verb::Background(_)
            | Verb::Record { .. }
            | Verb::Reply(_)
            | Verb::Fail(_)
            | Verb::If { .. }
            | Verb::Switch { .. }
            | Verb::Chance { .. }
            | Verb::Buggify { .. }
            | Verb::Pick { .. }
            | Verb::ForEach { .. } => false,
        }
    }
}

/// The verbs.
#[derive(Clone, Debug)]
pub enum Verb {
    /// Takes time on a worker.
    Work(Dist),
    /// Takes time.
    Wait(Dist),
    /// Calls an endpoint of a service.
    Call {
        /// Which.
        endpoint: EndpointRef,
        /// The edge it is counted on.
        edge: EdgeRef,
        /// What the request carries beside what it carries anyway.
        with: Vec<(Slot, Template)>,
    },
    /// Reads one cell.
    Read {
        /// Of which map.
        map: MapRef,
        /// Which cell.
        key: Template,
        /// Waits at the store until this holds.
        when: Option<Expr<Var>>,
        /// None when the map is the node's own.
        edge: Option<EdgeRef>,
        /// Where the version goes that came with the value (`$x.version`), if it is used.
        version: Option<Slot>,
    },
    /// Reads the keys of all cells for which a condition holds.
    List {
        /// Of which map.
        map: MapRef,
        /// The condition; all when absent.
        filter: Option<Expr<Var>>,
        /// At most so many.
        limit: Option<u64>,
        /// None when the map is the node's own.
        edge: Option<EdgeRef>,
    },
    /// Sets one cell.
    Set {
        /// Of which map.
        map: MapRef,
        /// Which cell.
        key: Template,
        /// The new value; null deletes. Evaluated at the cell: may use `value`, `version`, `age`, `key`.
        to: Template,
        /// Must hold at the cell, else error `unmet`.
        condition: Option<Expr<Var>>,
        /// None when the map is the node's own.
        edge: Option<EdgeRef>,
    },
    /// Gives a message to a queue.
    Publish {
        /// Which.
        queue: NodeRef,
        /// The edge to it.
        edge: EdgeRef,
        /// What the message carries beside what the request carries anyway.
        with: Vec<(Slot, Template)>,
        /// What it belongs to, where order is kept by that.
        key: Option<Template>,
    },
    /// Groups steps.
    Try(BlockRef),
    /// All or nothing on one store, or on several that agree.
    Transaction {
        /// The steps.
        body: BlockRef,
        /// The store; none when no step touches one, and with a protocol.
        store: Option<NodeRef>,
        /// The edge to it.
        edge: Option<EdgeRef>,
        /// How much it sees of others.
        isolation: Isolation,
        /// How the stores agree; none on one store alone.
        protocol: Option<Box<ProtocolDef>>,
    },
    /// At most once per key.
    Once(OnceDef),
    /// Parts with undos, which are run backwards when a part is not ok.
    Saga(Box<SagaDef>),
    /// All branches at once.
    Parallel {
        /// The branches.
        branches: Vec<BlockRef>,
        /// How many must be ok.
        need: u32,
    },
    /// Starts steps that nobody waits for.
    Background(BlockRef),
    /// States a fact, or takes one back.
    Record {
        /// Which.
        fact: FactRef,
        /// About which key.
        key: Template,
        /// +1 or −1.
        times: i64,
    },
    /// Ends the endpoint: ok.
    Reply(Template),
    /// Ends the endpoint: error.
    Fail(Failure),
    /// One of two.
    If {
        /// The condition.
        condition: Expr<Var>,
        /// When it holds.
        then: BlockRef,
        /// When not.
        otherwise: BlockRef,
    },
    /// One of several.
    Switch {
        /// What is compared.
        on: Template,
        /// With what, and what then.
        cases: Vec<(Value, BlockRef)>,
        /// When none is equal.
        otherwise: BlockRef,
    },
    /// A die.
    Chance {
        /// How likely.
        ratio: Ratio,
        /// When it happens.
        then: BlockRef,
        /// When not.
        otherwise: BlockRef,
    },
    /// What is allowed and rare, under a `buggify` fault.
    Buggify {
        /// The name of the place.
        site: String,
        /// When it happens.
        then: BlockRef,
        /// When not.
        otherwise: BlockRef,
    },
    /// One of so many, under its number.
    Pick {
        /// Holds the number.
        slot: Slot,
        /// How often each is picked.
        odds: Odds,
    },
    /// For each key of a list.
    ForEach {
        /// Holds the key.
        item: Slot,
        /// Holds the list.
        list: Slot,
        /// What is done.
        body: BlockRef,
        /// How many at once, at least 1.
        at_once: u32,
    },
}

/// `once`.
#[derive(Clone, Debug)]
pub struct OnceDef {
    /// The key; null: just do it.
    pub key: Template,
    /// Where it is remembered.
    pub map: MapRef,
    /// None when the map is the node's own.
    pub edge: Option<EdgeRef>,
    /// What is done at most once.
    pub body: BlockRef,
    /// What becomes of a second comer while the first still runs.
    pub in_flight: InFlight,
    /// After this long a running key is taken over.
    pub lock: Duration,
    /// After this long a finished key is forgotten.
    pub ttl: Option<Duration>,
    /// Whether outcomes other than ok are remembered.
    pub keeps_failures: bool,
}

/// `protocol` of a transaction.
#[derive(Clone, Debug)]
pub struct ProtocolDef {
    /// Which.
    pub protocol: Protocol,
    /// What follows from knowing nothing.
    pub presume: Presume,
    /// The edges to the stores, each once.
    pub edges: Vec<EdgeRef>,
    /// How long a participant keeps its promise before it decides alone; none: for ever.
    pub in_doubt: Option<Duration>,
    /// How long whoever waits for a vote, a decision or an acknowledgement waits before it asks again.
    pub resend: Duration,
    /// How long after a decision was told the coordinator's note of it is durable; none: before anybody is told.
    pub noted_after: Option<Duration>,
    /// Whether all replicas of the coordinator go by one name, so that each takes the others' promises for its own.
    pub shares_prefix: bool,
    /// Where faults can strike.
    pub points: Milestones,
}

/// How stores agree on what becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Two-phase commit; whoever is in doubt asks the coordinator.
    TwoPhase,
    /// The same; it asks the other participants too.
    Cooperative,
    /// Three-phase commit: with nobody else there, those who know that all have promised commit, and others abort.
    ThreePhase,
    /// Two-phase commit as X/Open XA has it: participants ask nobody, the coordinator asks for what was promised when it starts.
    Xa,
}

/// What follows from knowing nothing of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presume {
    /// Nothing is relied on: every decision is forced and acknowledged.
    Nothing,
    /// It has aborted: aborts are neither forced nor acknowledged.
    Abort,
    /// It has committed: commits are not acknowledged, and a coordinator first notes whom it asks.
    Commit,
}

impl Presume {
    /// Whether participants force a record of this decision and acknowledge it.
    pub const fn is_forced(self, commits: bool) -> bool {
        match self {
            Presume::Nothing => true,
            Presume::Abort => commits,
            Presume::Commit => !commits,
        }
    }
}

/// `saga`.
#[derive(Clone, Debug)]
pub struct SagaDef {
    /// Its parts, at least one.
    pub parts: Vec<SagaPart>,
    /// Whether an undo is noted before its `do` runs, and not only once that was ok.
    pub registers_before: bool,
    /// Where its state is kept, and what the key of its cell begins with; null: a name made of who runs it.
    pub log: Option<(MapRef, Template)>,
    /// How an undo is tried again, and a `do` behind the pivot.
    pub undo_retry: RetryDef,
    /// Where faults can strike.
    pub points: Milestones,
}

/// A part of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SagaPart {
    /// What is done.
    pub body: BlockRef,
    /// What takes it back; none: there is nothing to take back.
    pub undo: Option<BlockRef>,
    /// Whether there is no way back once it is ok.
    pub pivot: bool,
}

/// Points of a saga, or of a transaction with a protocol, each by the two names of its step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    /// Everybody has said yes; of a saga: its last `do` is about to run.
    pub prepared: [Point; 2],
    /// The decision stands; of a saga: its last `do` was ok.
    pub decided: [Point; 2],
    /// It is over.
    pub done: [Point; 2],
}

impl Milestones {
    /// What they are called behind the name of the step.
    pub const NAMES: [&str; 3] = ["prepared", "decided", "done"];

    /// Those of the step of these names.
    pub fn of(names: &[String; 2]) -> Self {
        let [prepared, decided, done] =
            Self::NAMES.map(|word| [0, 1].map(|name: usize| Point::new(&format!("{}.{word}", names[name]))));
        Milestones { prepared, decided, done }
    }
}

/// What becomes of a second comer while the first still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub enum InFlight {
    /// Error `in_flight`.
    #[default]
    Conflict,
    /// Held until the first finishes.
    Wait,
    /// Runs too.
    Ignore,
}

/// Clauses of a step with an outcome.
#[derive(Clone, Debug, Default)]
pub struct Clauses {
    /// Time for each try.
    pub timeout: Option<Duration>,
    /// Time over all tries, passed on.
    pub deadline: Option<Duration>,
    /// Trying again.
    pub retry: Option<RetryDef>,
    /// What may refuse a try before anything is sent, and hears how it ended; none when nothing does.
    pub guards: Option<Box<Guards>>,
    /// Asking another one when the first is slow.
    pub hedge: Option<Box<HedgeDef>>,
    /// Whose answer it shares; none: nobody's.
    pub coalesce: Option<Box<CoalesceDef>>,
    /// Whether the callee is told when the caller gives up.
    pub cancel: bool,
    /// Where the value goes (of a list: where the list goes).
    pub bind: Option<Slot>,
    /// What is caught, in order of the file.
    pub on: Vec<(Catch, BlockRef)>,
}

/// `hedge`.
#[derive(Clone, Debug)]
pub struct HedgeDef {
    /// How many, and when the next.
    pub rule: hedge::Rule,
    /// Where the delay follows from latencies: the share of further requests and the least delay, and the place of what was seen in
    /// the caller's list.
    pub follows: Option<(Ratio, Duration, u32)>,
    /// Outcomes after which others go on; none: unknown, refused, overloaded, unavailable.
    pub on: Option<Vec<Catch>>,
    /// Share of first requests that may be hedged, and how many at once at most.
    pub budget: Option<BudgetDef>,
    /// The budget of a library, and its place in the caller's list.
    pub profile_budget: Option<(budget::Rule, u32)>,
    /// Whether the losers are told even when the step does not say `cancel`.
    pub cancels: bool,
    /// Whether the next one comes when a callee that failed says so.
    pub heeds: bool,
}

/// `coalesce`: of those who want the same at one time, one asks.
#[derive(Clone, Debug)]
pub struct CoalesceDef {
    /// What they want; none: the cell that is read.
    pub key: Option<Template>,
    /// Whose flights, by its place in the caller's list: one per endpoint or map that is asked.
    pub index: u32,
}

/// What stands before each try of a step, the outermost first, and a retry budget of a library, which hears of each try too.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    /// The guards, the outermost first.
    pub order: Vec<Guard>,
    /// How many of them stand around the timeout of a try; the others take its end for a caller who went away.
    pub around_timeout: u8,
    /// The budget, and its place in the caller's list.
    pub budget: Option<(budget::Rule, u32)>,
}

/// Something that may refuse a try.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Refuses with `open`.
    Breaker(BreakerDef),
    /// Refuses with `limited`.
    Bulkhead(BulkheadDef),
    /// Refuses with `limited`.
    Limiter(LimiterDef),
}

/// `limiter`.
#[derive(Clone, Copy, Debug)]
pub struct LimiterDef {
    /// How it is set.
    pub rule: limiter::Rule,
    /// Which limiter, by its place in the caller's list: one per policy name, or per node called.
    pub index: u32,
}

impl Guard {
    /// The clause that it is written as.
    pub const fn word(&self) -> &'static str {
        match self {
            Guard::Breaker(_) => "breaker",
            Guard::Bulkhead(_) => "bulkhead",
            Guard::Limiter(_) => "limiter",
        }
    }
}

/// `breaker`.
#[derive(Clone, Debug)]
pub struct BreakerDef {
    /// How it is set.
    pub rule: breaker::Rule,
    /// Which breaker, by its place in the caller's list: one per policy name, or per node called.
    pub index: u32,
    /// The only outcomes that fail; empty: all but ok.
    pub fails: Vec<Catch>,
    /// Outcomes that are overlooked.
    pub overlooks: Vec<Catch>,
}

/// `bulkhead`.
#[derive(Clone, Copy, Debug)]
pub struct BulkheadDef {
    /// How it is set.
    pub rule: bulkhead::Rule,
    /// Which bulkhead, by its place in the caller's list: one per policy name, or per node called.
    pub index: u32,
}

/// What an `on` catches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Catch {
    /// This reason.
    Reason(Reason),
    /// Ok.
    Ok,
    /// Any error.
    Error,
    /// Any unknown.
    Unknown,
    /// Anything but ok.
    Else,
}

/// `fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// What the caller is told about trying again.
    pub retry_after: Option<retry::Pushback>,
}

/// `retry`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryDef {
    /// Tries in all; none: for ever.
    pub tries: Option<u32>,
    /// Wait before the first retry.
    pub wait: Duration,
    /// How each wait is longer than the one before.
    pub grows: retry::Grows,
    /// The longest wait before jitter.
    pub max_wait: Duration,
    /// Jitter.
    pub jitter: Jitter,
    /// What is retried; empty: unknown, refused, overloaded, unavailable.
    pub on: Vec<Catch>,
    /// What is not, even so.
    pub except: Vec<Catch>,
    /// The waits of a library's profile, in place of those above.
    pub profile: Option<retry::Wait>,
    /// What is made of a callee that says when to try again.
    pub heeds: retry::Heeds,
    /// Whether what a stopping process turned away unseen is tried once more at once, beside all that is counted.
    pub is_transparent: bool,
    /// Whether a first try that ended `reset` is tried again, however few tries there are to be and whatever `on` lists.
    pub forgives_close: bool,
    /// Share of first tries that may be retried, and how many at once at most.
    pub budget: Option<BudgetDef>,
}

/// A retry budget: starts full, gains `ratio` per first try, costs 1 per retry, never exceeds `burst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetDef {
    /// Gain per first try.
    pub ratio: Ratio,
    /// The most it holds.
    pub burst: u32,
    /// Which budget, by its place in the caller's list: one per policy name, or per node called.
    pub index: u32,
}

/// How the wait before a retry is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// U(0, w).
    Full,
    /// w/2 + U(0, w/2).
    Equal,
    /// min(max_wait, U(wait, 3 · previous)).
    Decorrelated,
}

/// A value made from others.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// A value.
    Constant(Value),
    /// A name with a dollar sign, alone: its value with its type.
    Var(Var),
    /// Text with names in it.
    Text(Vec<Piece>),
    /// An expression, after `=`.
    Expr(Expr<Var>),
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it is.
    Literal(String),
    /// Filled in.
    Var(Var),
}

/// A name in an expression of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Var {
    /// `$order`, `$left.version`: carried or local.
    Slot(Slot),
    /// `$try`: the number of this try, from 1.
    Try,
    /// `$reason`: of the outcome just caught.
    Reason,
    /// `$version`: of this replica.
    ReplicaVersion,
    /// `now`, in nanoseconds, on the wall clock of the node.
    Now,
    /// `value`: of the cell.
    Value,
    /// `version`: of the cell.
    CellVersion,
    /// `age`: nanoseconds since the cell was last set; null for a cell that never was.
    Age,
    /// `key`: of the cell.
    Key,
    /// Another map of the same owner; the name of a [`Kind::Cell`](crate::expr::Kind::Cell).
    Map(MapRef),
}

/// A metric.
#[derive(Clone, Debug)]
pub struct MetricDef {
    /// Its name.
    pub name: String,
    /// What it measures, for people.
    pub about: String,
    /// Its unit, for people; empty when the file does not say.
    pub unit: String,
    /// What it is.
    pub measure: Measure,
    /// When; none: the whole run. Half open.
    pub during: Option<(Instant, Instant)>,
}

/// The kinds of metrics.
#[derive(Clone, Debug)]
pub enum Measure {
    /// The number of keys for which it holds at the end.
    Count(KeyExpr),
    /// The sum over keys.
    Sum(KeyExpr, Option<KeyExpr>),
    /// The largest over keys.
    Max(KeyExpr, Option<KeyExpr>),
    /// The smallest over keys.
    Min(KeyExpr, Option<KeyExpr>),
    /// The mean over keys.
    Mean(KeyExpr, Option<KeyExpr>),
    /// A percentile over keys: the share, and of what.
    Percentile(Ratio, KeyExpr, Option<KeyExpr>),
    /// A formula about the run.
    Value(Expr<RunVar>),
    /// A counter or formula, per second of `during` or of the run.
    Rate(Expr<RunVar>),
    /// The instant, in seconds, at which it first held; null if never.
    First(Expr<RunVar>),
    /// The highest value of a gauge.
    Peak(Counter),
    /// The longest time without this fact, edges included, in seconds.
    Gap(FactRef),
}

/// An expression about one key.
#[derive(Clone, Debug)]
pub struct KeyExpr {
    /// The expression.
    pub expr: Expr<KeyVar>,
    /// Whose keys: all operations of this class, and all keys recorded. None: only keys that were recorded.
    pub class: Option<Class>,
    /// The facts it names, whose change asks it anew.
    pub facts: Vec<FactRef>,
    /// The maps it names, whose change asks it anew.
    pub maps: Vec<MapRef>,
}

/// A name in an expression about one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyVar {
    /// How often it stands.
    Fact(FactRef),
    /// When it was first recorded, in nanoseconds; null if never.
    First(FactRef),
    /// When it was last recorded; null if never.
    Last(FactRef),
    /// Requests of this key so far.
    Requested,
    /// When it was requested (`requested.first`), in nanoseconds; null if never.
    RequestedAt,
    /// Its requests that ended ok.
    Ok,
    /// In error.
    Error,
    /// Unknown.
    Unknown,
    /// The key itself.
    Key,
    /// A cell of this map; the name of a [`Kind::Cell`](crate::expr::Kind::Cell).
    Map(MapRef),
}

/// A name in a formula about the run.
#[derive(Clone, Debug)]
pub enum RunVar {
    /// A counter or gauge.
    Counter(Counter),
    /// Another metric, by its place; always an earlier one in the order in which they are worked out.
    Metric(usize),
    /// `count(…)`: keys for which it holds.
    Count(KeyExpr),
    /// `total(fact)`: its count over all keys.
    Total(FactRef),
    /// A cell of this map; the name of a [`Kind::Cell`](crate::expr::Kind::Cell).
    Map(MapRef),
    /// `now`, in seconds.
    Now,
}

/// Something that is counted, and of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Of a workload, a service, a store or a queue.
    Node(NodeRef, NodeCounter),
    /// Of calls from one node to another.
    Edge(EdgeRef, EdgeCounter),
}

/// What is counted of a node. Those of a workload are about requests, those of a service about calls it received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the language, explained in its reference")]
pub enum NodeCounter {
    Requests,
    Ok,
    Error,
    Unknown,
    Unanswered,
    Availability,
    P50,
    P90,
    P99,
    P999,
    Calls,
    Overloaded,
    Refused,
    Dropped,
    Wasted,
    Crashes,
    Killed,
    Unmet,
    Rollbacks,
    Deadlocks,
    SagasStuck,
    Logged,
    Forced,
    Heuristics,
    Mixed,
    Conflicts,
    Rejected,
    Failed,
    Unsure,
    Shed,
    Open,
    Exhausted,
    InDoubt,
    Busy,
    Waiting,
    InFlight,
    LockWaiters,
    Published,
    Delivered,
    Redelivered,
    Acked,
    Dead,
    Expired,
    Oldest,
    Hits,
    Misses,
    Evicted,
    WastedTime,
    Hazards,
    InDoubtTime,
    Goodput,
    Offered,
    Limited,
}

/// What is counted of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the language, explained in its reference")]
pub enum EdgeCounter {
    Calls,
    Retries,
    Ok,
    Error,
    Unknown,
    Late,
    Open,
    Limited,
    Breaker,
    Ejected,
    Hedges,
    Coalesced,
    Exhausted,
    Rejected,
    Failed,
    Shed,
    Amplification,
}

/// A property.
#[derive(Clone, Debug)]
pub struct PropertyDef {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub ask: Ask,
}

/// The kinds of properties.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Holds for each key whenever what it names changes for that key; also `never` (negated) and `at_most_once`.
    Always(KeyExpr),
    /// No cell of this map is ever below zero.
    NeverNegative(MapRef),
    /// Once `after` holds for a key (none: once it is requested), `holds` does at some instant within this long.
    Eventually {
        /// What must hold once.
        holds: KeyExpr,
        /// What opens it.
        after: Option<KeyExpr>,
        /// How long it may take; none: to the end of the run.
        within: Option<Duration>,
    },
    /// Once one of the facts stands for a key, all or none of them stand this long after.
    AllOrNothing {
        /// The facts.
        facts: Vec<FactRef>,
        /// How long it may take.
        within: Option<Duration>,
    },
    /// The same at the end as at the start; or, at every change outside transactions.
    Conserved {
        /// What is conserved.
        sum: Expr<RunVar>,
        /// The facts and maps it names.
        facts: Vec<FactRef>,
        /// The maps it names.
        maps: Vec<MapRef>,
        /// Whether it is asked at every change.
        at_commit: bool,
    },
    /// The share of a workload's requests that are ok.
    Availability {
        /// The workload.
        workload: NodeRef,
        /// The least share.
        at_least: Ratio,
        /// Of requests sent then; none: all.
        during: Option<(Instant, Instant)>,
    },
    /// A percentile of a workload's latency.
    Latency {
        /// The workload.
        workload: NodeRef,
        /// Which percentile.
        share: Ratio,
        /// The most it may be.
        at_most: Duration,
        /// Of requests sent then; none: all.
        during: Option<(Instant, Instant)>,
    },
    /// Holds at the end; about metrics.
    AtEnd(Expr<RunVar>),
    /// Is true for some key at some time.
    Sometimes(KeyExpr),
    /// A formula about the run is true at some time.
    SometimesRun(Expr<RunVar>),
}

/// What a metric is expected to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expected {
    /// Exactly this.
    Exactly(f64),
    /// Between these, both included.
    Between(f64, f64),
    /// It never happens: null.
    Never,
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
        match reason {
            Reason::DISK => Reason::DISK_NAME,
            Reason::MIXED => Reason::MIXED_NAME,
            Reason::CONFLICT => Reason::CONFLICT_NAME,
            Reason::LOCK_TIMEOUT => Reason::LOCK_TIMEOUT_NAME,
            Reason::ROLLED_BACK => Reason::ROLLED_BACK_NAME,
            Reason::HAZARD => Reason::HAZARD_NAME,
            Reason(place) => &self.reasons[place as usize],
        }
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
