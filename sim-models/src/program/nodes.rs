//! The nodes of a program: services, stores, queues, workloads, and what stands at them.

use std::sync::Arc;

use sim_core::{Backoff, Class, Dist, Duration, Instant, Kind, NodeId};

use super::{BlockRef, EdgeRef, EndpointRef, MapRef, NodeRef, Reason, RetryDef, Slot};
use crate::policy::balance::Ring;
use crate::policy::{bulkhead, outlier, retry, slow_start};
use crate::value::Value;

/// A declared node.
#[derive(Clone, Debug)]
pub struct NodeDef {
    /// Its name.
    pub name: String,
    /// The kernel nodes that are its replicas; filled in by [`Program::place`](super::Program::place).
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
    /// The ring, where there is one; filled in by [`Program::place`](super::Program::place).
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
