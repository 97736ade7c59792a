//! What is measured and judged: metrics and properties.

use sim_core::{Class, Duration, Instant, Ratio};

use super::{EdgeRef, FactRef, MapRef, NodeRef};
use crate::expr::Expr;

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
