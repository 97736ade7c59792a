//! What the nodes of a scenario say to each other, and what they tell the judge.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::Serialize;
use sim_core::{Cause, Instant, Kind, Message, NodeId};

use crate::policy::breaker;
use crate::policy::retry::Pushback;
use crate::program::{EdgeRef, EndpointRef, FactRef, MapRef, NodeRef, Reason, StepRef};
use crate::shelf::Shelves;
use crate::value::Value;

/// A request of one life of one node, by which its answer is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CallId {
    /// The life of the caller: answers to an earlier one are nobody's.
    pub life: u32,
    /// The place where the caller waits.
    pub place: u32,
    /// The how-manieth use of that place.
    pub turn: u32,
}

/// A transaction, by who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TxnId {
    /// The kernel node that runs it.
    pub node: u32,
    /// The life of that node.
    pub life: u32,
    /// Its number in that life.
    pub number: u32,
}

impl TxnId {
    /// All of it as one number, in the order of the parts.
    const fn number_of_all(self) -> u128 {
        (self.node as u128) << 64 | (self.life as u128) << 32 | self.number as u128
    }
}

/// By node, life, number: in one comparison, as they are looked up in trees and all are of one life mostly.
impl Ord for TxnId {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.number_of_all().cmp(&other.number_of_all())
    }
}

impl PartialOrd for TxnId {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How an operation belongs to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Part {
    /// Which.
    pub id: TxnId,
    /// Whether the store may never have heard of it: only such an operation opens it. A later one that finds it closed comes after
    /// a crash of the store, and must not commit half of what was set.
    pub opens: bool,
}

/// The values that a step at a cell can name, as they are where the step runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Names {
    /// By slot.
    pub values: Arc<[Value]>,
    /// `$try`.
    pub number: u32,
    /// `$reason`.
    pub reason: Value,
    /// `$version`.
    pub version: Value,
}

/// What becomes of anything that can go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Outcome {
    /// Done, with a value.
    Ok(Value),
    /// Not done.
    Error(Reason),
    /// Nobody knows.
    Unknown(Reason),
}

/// Of which sort an outcome is, as a service's reports split errors: each outcome is of just one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Done.
    Ok,
    /// Not done because of what was asked: a reason of the file's own, or a condition that did not hold.
    Rejected,
    /// Not done for any other reason: nobody there, a fault, no time left, a rollback.
    Failed,
    /// Nobody knows.
    Unsure,
    /// Not done because there was too much to do: a full line, a limiter or a bulkhead.
    Shed,
    /// Not done because a breaker was open.
    Open,
    /// Not done, or nobody knows, and it was tried again until nothing was left to try with.
    Exhausted,
}

/// A sort that stands beside what is noted. The digest of a run does not know of it: runs that were recorded before there were sorts
/// are the same runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aside(pub Sort);

impl std::hash::Hash for Aside {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Sort {
    /// All of them, in the order in which they are told.
    pub const ALL: [Sort; 7] =
        [Sort::Ok, Sort::Rejected, Sort::Failed, Sort::Unsure, Sort::Shed, Sort::Open, Sort::Exhausted];

    /// Its name in formulas and reports.
    pub const fn word(self) -> &'static str {
        match self {
            Sort::Ok => "ok",
            Sort::Rejected => "rejected",
            Sort::Failed => "failed",
            Sort::Unsure => "unsure",
            Sort::Shed => "shed",
            Sort::Open => "open",
            Sort::Exhausted => "exhausted",
        }
    }

    /// The sort of an outcome of which no more is known than this.
    pub const fn of(tone: Tone) -> Sort {
        match tone {
            Tone::Ok => Sort::Ok,
            Tone::Error => Sort::Failed,
            Tone::Unknown => Sort::Unsure,
        }
    }
}

impl Outcome {
    /// What comes of a failure with this reason: an error, which says that it was not done, unless the reason is one of those that
    /// say nothing of what was done. Whoever is told of a timeout further down does not know more than whoever had it.
    pub const fn failed(reason: Reason) -> Outcome {
        if reason.is_unknown() { Outcome::Unknown(reason) } else { Outcome::Error(reason) }
    }

    /// Of which sort it is by its reason, however often it was tried.
    pub const fn sort(&self) -> Sort {
        match self {
            Outcome::Ok(_) => Sort::Ok,
            Outcome::Unknown(_) => Sort::Unsure,
            Outcome::Error(Reason::OVERLOADED | Reason::LIMITED) => Sort::Shed,
            Outcome::Error(Reason::OPEN) => Sort::Open,
            Outcome::Error(Reason::UNMET) => Sort::Rejected,
            Outcome::Error(reason) if reason.is_of_the_file() => Sort::Rejected,
            Outcome::Error(_) => Sort::Failed,
        }
    }

    /// Which of the three it is.
    pub const fn tone(&self) -> Tone {
        match self {
            Outcome::Ok(_) => Tone::Ok,
            Outcome::Error(_) => Tone::Error,
            Outcome::Unknown(_) => Tone::Unknown,
        }
    }

    /// The reason, unless it is ok.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Outcome::Ok(_) => None,
            Outcome::Error(reason) | Outcome::Unknown(reason) => Some(*reason),
        }
    }
}

/// An outcome without its value or reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Tone {
    /// Done.
    Ok,
    /// Not done.
    Error,
    /// Nobody knows.
    Unknown,
}

/// The named values that travel with a request: one place per slot of the program, and which of them are carried on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Carried {
    /// By slot.
    pub values: Arc<[Value]>,
    /// One bit per slot.
    pub mask: u64,
}

/// A change of a fact: which, about whom, by how much.
pub type FactChange = (FactRef, Value, i64);

/// What is asked of a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Operation {
    /// Read, list or set, as the step says, at this key, with the caller's values where the step uses them.
    Step {
        /// The step.
        step: StepRef,
        /// The key; null for a list.
        key: Value,
        /// The caller's values; none when the step uses none.
        names: Option<Arc<Names>>,
        /// The transaction it belongs to.
        part: Option<Part>,
    },
    /// The beginning of a `once`, as the step says, at this key.
    OnceBegin {
        /// The step.
        step: StepRef,
        /// The key.
        key: Value,
        /// The transaction it belongs to.
        part: Option<Part>,
    },
    /// The end of a `once`.
    OnceEnd {
        /// The step.
        step: StepRef,
        /// The key.
        key: Value,
        /// What came of it, and whether that ended the whole endpoint.
        outcome: Outcome,
        /// Whether it ended the endpoint (`reply`, `fail`).
        ended: bool,
        /// The transaction it belongs to.
        part: Option<Part>,
    },
    /// Make a transaction's changes, and its facts.
    Commit {
        /// Which.
        txn: TxnId,
        /// The facts recorded inside.
        facts: Arc<[FactChange]>,
    },
    /// Promise to commit or to forget a transaction, whichever is decided, and say whether that is possible.
    Prepare {
        /// Which.
        txn: TxnId,
        /// What it is done for.
        of: sim_core::Operation,
        /// The step, which has the protocol.
        step: StepRef,
        /// The stores that take part.
        members: Arc<[NodeId]>,
    },
    /// Everybody has promised (of three phases the second).
    Precommit {
        /// Which.
        txn: TxnId,
        /// What it is done for.
        of: sim_core::Operation,
    },
    /// What was decided about a transaction.
    Decide {
        /// Which.
        txn: TxnId,
        /// What it is done for.
        of: sim_core::Operation,
        /// The step, which has the protocol.
        step: StepRef,
        /// The decision.
        decision: Decision,
        /// Whether it is to be acknowledged.
        acked: bool,
    },
    /// Name the transactions that were promised to this node and are not decided (XA's `recover`).
    Recover,
    /// Forget that a transaction was decided alone (XA's `forget`).
    Forget {
        /// Which.
        txn: TxnId,
        /// What it is done for.
        of: sim_core::Operation,
    },
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Decision {
    /// All of it happens.
    Commit,
    /// Nothing of it happens.
    Abort,
    /// A participant waits no longer and forgets its part, whatever is decided: a heuristic decision.
    Alone,
    /// The same, and it does its part.
    AloneCommit,
}

impl Decision {
    /// Whether a participant does its part.
    pub const fn commits(self) -> bool {
        match self {
            Decision::Commit | Decision::AloneCommit => true,
            Decision::Abort | Decision::Alone => false,
        }
    }

    /// Whether a participant has decided it alone.
    pub const fn is_heuristic(self) -> bool {
        match self {
            Decision::Alone | Decision::AloneCommit => true,
            Decision::Commit | Decision::Abort => false,
        }
    }
}

/// How a transaction stands at a participant, as it tells another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Standing {
    /// It has promised.
    Prepared,
    /// It has promised and knows that all have.
    Precommitted,
    /// It has committed.
    Committed,
    /// It has forgotten it, and will never promise it.
    Aborted,
}

impl Operation {
    /// How it belongs to a transaction, if it does; a commit ends one and is no part of it.
    pub const fn part(&self) -> Option<Part> {
        match self {
            Operation::Step { part, .. } | Operation::OnceBegin { part, .. } | Operation::OnceEnd { part, .. } => *part,
            Operation::Commit { .. }
            | Operation::Prepare { .. }
            | Operation::Precommit { .. }
            | Operation::Decide { .. }
            | Operation::Recover
            | Operation::Forget { .. } => None,
        }
    }

    /// The transaction that this belongs to, or ends.
    pub const fn of(&self) -> Option<TxnId> {
        match self {
            Operation::Step { part, .. } | Operation::OnceBegin { part, .. } | Operation::OnceEnd { part, .. } => {
                match part {
                    Some(part) => Some(part.id),
                    None => None,
                }
            }
            Operation::Commit { txn, .. }
            | Operation::Prepare { txn, .. }
            | Operation::Precommit { txn, .. }
            | Operation::Decide { txn, .. }
            | Operation::Forget { txn, .. } => Some(*txn),
            Operation::Recover => None,
        }
    }

    /// Whether somebody waits for an answer.
    pub const fn is_answered(&self) -> bool {
        !matches!(self, Operation::Decide { acked: false, .. } | Operation::Forget { .. })
    }

    /// The transaction that a store commits when it does this.
    pub(crate) const fn commits(&self) -> Option<TxnId> {
        match self {
            Operation::Commit { txn, .. } => Some(*txn),
            Operation::Decide { txn, decision, .. } if decision.commits() => Some(*txn),
            _ => None,
        }
    }
}

/// What a store answers beside the outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Extra {
    /// Nothing.
    #[default]
    None,
    /// The version of the cell.
    Version(u64),
    /// The keys that were listed.
    Keys(Arc<[Value]>),
    /// A `once` may run now.
    Run,
    /// A `once` has run: this outcome is that of the first time, and ended the endpoint then or not.
    Replayed {
        /// Whether it ended the endpoint.
        ended: bool,
    },
    /// Nothing was set here, so that it makes no difference what is decided: a read-only vote.
    ReadOnly,
    /// The participant has decided alone, and otherwise.
    Mixed,
    /// Transactions that were promised and are not decided, with the step that has the protocol and why it was asked.
    Promises(Arc<[(TxnId, StepRef, Cause)]>),
    /// Of a service that fails: whether to try again, and when.
    Pushback(Pushback),
    /// It was refused by a process that has seen nothing of it. Nobody sends this: whoever is refused knows.
    Unseen,
    /// The process was up and failed it: it has done nothing of this, whatever it has done before.
    Failed,
    /// The participant was told to commit what it knows nothing of, and has started again since the run began: it has done that
    /// before, or has lost its promise (XA's `XAER_NOTA`).
    NotKnown,
}

impl Extra {
    /// Whether whoever was asked has done nothing of it, and does not know that it was asked.
    pub(crate) const fn is_unheard(&self) -> bool {
        matches!(self, Extra::Unseen | Extra::Failed)
    }
}

/// One message of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Parcel {
    /// Which delivery of which message.
    pub receipt: Receipt,
    /// What it carries.
    pub carried: Carried,
    /// What handling it follows from: its publishing, and the how-manieth delivery this is.
    pub cause: Cause,
    /// Why it was given up elsewhere, if it is a dead letter.
    pub reason: Option<Reason>,
}

/// A delivery of a message, by which its consumer speaks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Receipt {
    /// The number of the message, which is its `$message`.
    pub message: u64,
    /// The how-manieth delivery, from 1.
    pub delivery: u32,
}

/// How much a consumer takes: what it says when a worker of its is free, or when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Room {
    /// The life of the consumer.
    pub life: u32,
    /// The how-manieth word of this life, so that an older one that comes later is known for what it is.
    pub number: u64,
    /// The life of the queue that the next figure is about.
    pub of_queue: u32,
    /// Deliveries that have come from that life of the queue to this life of the consumer.
    pub had: u64,
    /// Deliveries it takes beside those; none: any number.
    pub more: Option<u32>,
    /// When it was asked: how many the queue had sent by then. What is missing of those is lost.
    pub asked: Option<u64>,
}

/// What a consumer has done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Settled {
    /// It is done.
    Done,
    /// It is given up, for this reason.
    Dead(Reason),
    /// It was not touched: somebody else may have it.
    Back,
}

/// The messages.
#[derive(Clone, Debug, Hash, Serialize)]
pub enum Msg {
    /// A request to a service.
    Call {
        /// By which the answer is known.
        id: CallId,
        /// What is asked.
        endpoint: EndpointRef,
        /// Its kind.
        kind: Kind,
        /// What travels along.
        carried: Carried,
        /// When the caller will have given up on this try; never, if it does not.
        expires: Instant,
        /// When no more time is left for it and all it causes; never, without a deadline.
        deadline: Instant,
    },
    /// An operation on a store.
    Ask {
        /// By which the answer is known.
        id: CallId,
        /// What is asked.
        operation: Operation,
        /// Its kind.
        kind: Kind,
    },
    /// The answer to either.
    Answer {
        /// Of which request.
        id: CallId,
        /// The kind of the request.
        kind: Kind,
        /// What came of it.
        outcome: Outcome,
        /// What a store says beside.
        extra: Extra,
        /// The transaction that is open at the store because of it: whoever knows nothing of that says so.
        open: Option<TxnId>,
    },
    /// The caller has given up and says so.
    Cancel {
        /// Which request.
        id: CallId,
        /// The kind of the request.
        kind: Kind,
    },
    /// Forget a transaction.
    Rollback {
        /// Which.
        txn: TxnId,
        /// The kind `rollback`.
        kind: Kind,
    },
    /// A participant has promised and has not heard: what was decided, or how does it stand there?
    Inquire {
        /// Which transaction.
        txn: TxnId,
        /// What it is done for.
        of: sim_core::Operation,
        /// The step, which has the protocol.
        step: StepRef,
        /// The kind `inquire`.
        kind: Kind,
    },
    /// How a transaction stands at another participant.
    Stands {
        /// Which transaction.
        txn: TxnId,
        /// What it is done for.
        of: sim_core::Operation,
        /// How.
        standing: Standing,
        /// The kind `inquire`.
        kind: Kind,
    },
    /// A message for a queue.
    Publish {
        /// By which the answer is known.
        id: CallId,
        /// What it carries.
        carried: Carried,
        /// What it belongs to; null when nothing was said.
        key: Value,
        /// The kind `publish`.
        kind: Kind,
    },
    /// A consumer tells its queue how much it takes.
    Ready {
        /// The endpoint that consumes.
        endpoint: EndpointRef,
        /// How much.
        room: Room,
        /// The kind `deliver`.
        kind: Kind,
    },
    /// A queue asks a consumer how much it takes.
    Rouse {
        /// The endpoint that consumes.
        endpoint: EndpointRef,
        /// The life of the queue.
        life: u32,
        /// Deliveries that it has sent there in this life.
        sent: u64,
        /// The kind `deliver`.
        kind: Kind,
    },
    /// A queue delivers messages.
    Deliver {
        /// The endpoint that consumes.
        endpoint: EndpointRef,
        /// The life of the queue.
        life: u32,
        /// The messages, at least one.
        parcels: Arc<[Parcel]>,
        /// The kind `deliver`.
        kind: Kind,
    },
    /// A consumer still works on a delivery.
    Extend {
        /// What of.
        receipts: Arc<[Receipt]>,
        /// The kind `deliver`.
        kind: Kind,
    },
    /// A consumer has done something with messages.
    Settle {
        /// What with which.
        settled: Arc<[(Receipt, Settled)]>,
        /// The kind `ack`.
        kind: Kind,
    },
}

/// What nodes tell the judge. New ones stand last: the digest of a run counts them by their place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// A fact was recorded or undone.
    Fact(FactRef, Value, i64),
    /// A cell of a watched map has a new value.
    Cell {
        /// The map.
        map: MapRef,
        /// The key.
        key: Value,
        /// The new value; null: deleted.
        value: Value,
    },
    /// What follows up to [`Note::Together`] is one change.
    Apart,
    /// The end of one change.
    Together,
    /// A workload begins an operation.
    Requested {
        /// The workload.
        workload: NodeRef,
        /// The number of the operation.
        key: u64,
    },
    /// An operation has its outcome.
    Finished {
        /// The workload.
        workload: NodeRef,
        /// The number of the operation.
        key: u64,
        /// The outcome.
        tone: Tone,
        /// When it was to begin.
        since: Instant,
        /// Of which sort the outcome is.
        sort: Aside,
    },
    /// Something is counted of a node.
    Count(NodeRef, Counted),
    /// Something is counted of an edge.
    Edge(EdgeRef, EdgeCounted),
    /// Workers busy and requests waiting at a node changed by so many (only of nodes whose gauges are asked for).
    Gauge {
        /// The node.
        node: NodeRef,
        /// Workers busy (of a queue: messages in flight), more or fewer.
        busy: i32,
        /// Requests in line (of a store: operations waiting for a lock; of a queue: messages waiting), more or fewer.
        waiting: i32,
    },
    /// An expression of a step had no value: a finding.
    Trouble {
        /// Which step.
        step: StepRef,
        /// Why not.
        error: crate::expr::EvalError,
    },
    /// Transactions that a store has promised and that are not decided changed by so many.
    InDoubt {
        /// The store.
        node: NodeRef,
        /// More or fewer.
        by: i32,
    },
    /// The oldest message of a queue was published then; none: it has no message (only of queues whose gauges are asked for).
    Oldest {
        /// The queue.
        queue: NodeRef,
        /// When.
        since: Option<Instant>,
    },
    /// A service or a store was asked, and whoever asked waits for the answer from now on (this and what follows only where wasted time is
    /// asked for).
    Awaits(Asking, Sake),
    /// Whoever asked waits no longer: it has an answer, or has given up.
    Leaves(Asking),
    /// A worker begins, or ends, to be held by a request.
    Works {
        /// The service or store.
        node: NodeRef,
        /// The request.
        of: Asking,
        /// Whether it begins.
        begins: bool,
    },
    /// What is done for the one begins, or ends, to be done for the other as well, which shares its answer.
    Shares {
        /// For whom it is done anyway.
        lead: Asking,
        /// Who shares it.
        follows: Sake,
        /// Whether it begins.
        begins: bool,
    },
}

/// A request to a service or a store: who sent it, and by what its answer is known.
pub type Asking = (NodeId, CallId);

/// For whom something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sake {
    /// For whoever is always there: a user, a clock, a queue, and what was begun in the background.
    Itself,
    /// For whoever sent this request, as long as it waits.
    Of(Asking),
    /// For nobody from the beginning.
    Nobody,
}

/// What is counted of services, stores and queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words of the language, explained in its reference")]
pub enum Counted {
    Call,
    Ok,
    Error,
    Unknown,
    Overloaded,
    Refused,
    Dropped,
    Unmet,
    Rollback,
    Deadlock,
    Conflict,
    SagaStuck,
    Logged,
    Forced,
    Heuristic,
    Mixed,
    Published,
    Delivered,
    Redelivered,
    Acked,
    Dead,
    Expired,
    Hit,
    Miss,
    Aged,
    Evicted,
    Open,
    Limited,
    Hazard,
}

/// What is counted of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdgeCounted {
    /// A try was sent.
    Call,
    /// It was not the first.
    Retry,
    /// A try had this outcome, of this sort.
    Outcome(Tone, Aside),
    /// An answer came after its caller had given up: the callee's work was wasted.
    Late,
    /// A try was not sent because a breaker is open.
    Open,
    /// A try was not sent because a limit is reached.
    Limited,
    /// A breaker, by its place in the caller's list, is this now.
    Breaker(u32, breaker::State),
    /// A caller has taken a replica out of its list.
    Ejected,
    /// What was sent was a further request of a hedged try.
    Hedge,
    /// A try failed in a way that is tried again, and was the last: its tries are used up, or its budget or time does not allow more (only
    /// where that is asked for).
    Exhausted,
    /// A try was not sent, since it shares the answer of one that is under way.
    Coalesced,
    /// A request comes to a step that sends here, for the first time or again for another reason than that something is tried again
    /// (only where that is asked for).
    Asked,
}

impl Message for Msg {
    type Note = Note;
    type Shared = Shelves;
    const KINDS: &'static [&'static str] = &[];

    fn kind(&self) -> Kind {
        match self {
            Msg::Call { kind, .. }
            | Msg::Ask { kind, .. }
            | Msg::Answer { kind, .. }
            | Msg::Cancel { kind, .. }
            | Msg::Rollback { kind, .. }
            | Msg::Inquire { kind, .. }
            | Msg::Stands { kind, .. }
            | Msg::Publish { kind, .. }
            | Msg::Ready { kind, .. }
            | Msg::Rouse { kind, .. }
            | Msg::Deliver { kind, .. }
            | Msg::Extend { kind, .. }
            | Msg::Settle { kind, .. } => *kind,
        }
    }

    /// One of the sixteen low bits of one number that it carries or brings back turns over; what the protocol needs stays.
    fn corrupt(&mut self, bits: u64) -> bool {
        let flip = |number: i64| number ^ 1 << (bits & 15);
        let pick = bits >> 4;
        match self {
            Msg::Call { carried, .. } | Msg::Publish { carried, .. } => alter_carried(carried, pick, flip),
            Msg::Deliver { parcels, .. } => {
                // Of several messages the first that has a number.
                let mut altered = parcels.to_vec();
                let is_altered = altered.iter_mut().any(|parcel| alter_carried(&mut parcel.carried, pick, flip));
                *parcels = altered.into();
                is_altered
            }
            Msg::Ask { operation: Operation::Step { names: Some(names), .. }, .. } => {
                alter(&mut Arc::make_mut(names).values, |_| true, pick, flip)
            }
            Msg::Answer { outcome: Outcome::Ok(Value::Int(number)), .. } => {
                *number = flip(*number);
                true
            }
            Msg::Ask { .. }
            | Msg::Answer { .. }
            | Msg::Cancel { .. }
            | Msg::Rollback { .. }
            | Msg::Inquire { .. }
            | Msg::Stands { .. }
            | Msg::Ready { .. }
            | Msg::Rouse { .. }
            | Msg::Extend { .. }
            | Msg::Settle { .. } => false,
        }
    }
}

fn alter_carried(carried: &mut Carried, pick: u64, change: impl Fn(i64) -> i64) -> bool {
    let mask = carried.mask;
    let is_carried = |at: usize| at < 64 && mask >> at & 1 == 1;
    alter(&mut carried.values, is_carried, pick, change)
}

/// Changes one of the numbers among some values; false when there is none.
fn alter(values: &mut Arc<[Value]>, counts: impl Fn(usize) -> bool, pick: u64, change: impl Fn(i64) -> i64) -> bool {
    let numbers: Vec<usize> = (0..values.len()).filter(|at| counts(*at) && values[*at].as_int().is_some()).collect();
    let Some(at) = numbers.get((pick % numbers.len().max(1) as u64) as usize) else { return false };
    let mut altered: Vec<Value> = values.to_vec();
    if let Value::Int(number) = &mut altered[*at] {
        *number = change(*number);
    }
    *values = altered.into();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: Value) -> Msg {
        let id = CallId { life: 1, place: 2, turn: 3 };
        Msg::Answer { id, kind: Kind(0), outcome: Outcome::Ok(value), extra: Extra::None, open: None }
    }

    #[test]
    fn transactions_stand_in_the_order_of_node_life_and_number() {
        const SOME: [u32; 4] = [0, 1, 2, u32::MAX];
        let parts = |txn: TxnId| (txn.node, txn.life, txn.number);
        let all: Vec<TxnId> = SOME
            .iter()
            .flat_map(|node| SOME.iter().map(move |life| (*node, *life)))
            .flat_map(|(node, life)| SOME.iter().map(move |number| TxnId { node, life, number: *number }))
            .collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other))) {
            assert_eq!(one.cmp(&other), parts(one).cmp(&parts(other)), "{one:?} {other:?}");
        }
    }

    #[test]
    fn one_low_bit_of_one_number_turns_over_and_text_cannot_be_altered() {
        for bits in [0, 1, 15, 16, u64::MAX] {
            let mut msg = answer(Value::Int(1_000));
            assert!(msg.corrupt(bits));
            let Msg::Answer { outcome: Outcome::Ok(Value::Int(number)), .. } = msg else { panic!("{msg:?}") };
            assert_eq!(number ^ 1_000, 1 << (bits & 15));
        }
        assert!(!answer(Value::from("PAID")).corrupt(7) && !answer(Value::Null).corrupt(7));
        let mut values: Arc<[Value]> = Arc::from([Value::Int(5), Value::from("x"), Value::Int(9)]);
        let before = values.clone();
        // Only what is carried counts: here all but the first.
        assert!(alter(&mut values, |at| at > 0, 12, |number| number + 1));
        assert_eq!((&values[..2], &values[2]), (&before[..2], &Value::Int(10)));
        assert!(!alter(&mut values, |at| at == 1, 12, |number| number + 1));
    }
}
