//! The steps of endpoints: what is done, transactions and sagas.

use sim_core::{Dist, Duration, Odds, Point, Ratio};

use super::{
    BlockRef, Clauses, EdgeRef, EndpointRef, FactRef, Failure, MapRef, NodeRef, RetryDef, Slot, Template, Var,
};
use crate::database::Isolation;
use crate::expr::Expr;
use crate::value::Value;

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

impl Verb {
    /// The lists of steps of which a choice takes one: where the settings have made it, only that one. None of what is no choice.
    pub(crate) fn ways(&self) -> Vec<BlockRef> {
        let either = |holds: Option<bool>, then: BlockRef, otherwise: BlockRef| match holds {
            Some(true) => vec![then],
            Some(false) => vec![otherwise],
            None => vec![then, otherwise],
        };
        match self {
            Verb::If { condition, then, otherwise } => either(condition.is_decided(), *then, *otherwise),
            Verb::Chance { ratio, then, otherwise } => {
                let is_sure = *ratio == Ratio::ONE;
                either((is_sure || *ratio == Ratio::ZERO).then_some(is_sure), *then, *otherwise)
            }
            Verb::Buggify { then, otherwise, .. } => vec![*then, *otherwise],
            Verb::Switch { on, cases, otherwise } => match on.constant() {
                Some(value) => {
                    let chosen = cases.iter().find(|(case, _)| *case == value).map(|(_, block)| *block);
                    vec![chosen.unwrap_or(*otherwise)]
                }
                None => cases.iter().map(|(_, block)| *block).chain([*otherwise]).collect(),
            },
            _ => Vec::new(),
        }
    }

    /// The lists of steps inside whose end is waited for.
    pub(super) fn awaited_blocks(&self) -> Vec<BlockRef> {
        match self {
            Verb::Try(body) | Verb::Transaction { body, .. } | Verb::ForEach { body, .. } => vec![*body],
            Verb::Once(once) => vec![once.body],
            Verb::Saga(saga) => saga.parts.iter().flat_map(|part| [Some(part.body), part.undo]).flatten().collect(),
            Verb::Parallel { branches, .. } => branches.clone(),
            Verb::If { then, otherwise, .. }
            | Verb::Chance { then, otherwise, .. }
            | Verb::Buggify { then, otherwise, .. } => vec![*then, *otherwise],
            Verb::Switch { cases, otherwise, .. } => {
                cases.iter().map(|(_, block)| *block).chain([*otherwise]).collect()
            }
            Verb::Work(_)
            | Verb::Wait(_)
            | Verb::Record { .. }
            | Verb::Reply(_)
            | Verb::Fail(_)
            | Verb::Pick { .. }
            | Verb::Background(_)
            | Verb::Call { .. }
            | Verb::Publish { .. }
            | Verb::Read { .. }
            | Verb::List { .. }
            | Verb::Set { .. } => Vec::new(),
        }
    }
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
    /// What it decides then.
    pub heuristic: Heuristic,
    /// How long whoever waits for a vote, a decision or an acknowledgement waits before it asks again.
    pub resend: Duration,
    /// How long after a decision was told the coordinator's note of it is durable; none: before anybody is told.
    pub noted_after: Option<Duration>,
    /// Whether all replicas of the coordinator go by one name, so that each takes the others' promises for its own.
    pub shares_prefix: bool,
    /// Where faults can strike.
    pub points: Milestones,
}

/// What a participant decides that has kept its promise for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Heuristic {
    /// To forget its part.
    #[default]
    Rollback,
    /// To do it.
    Commit,
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
