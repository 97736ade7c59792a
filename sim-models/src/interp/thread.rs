//! What a request in progress consists of: its values, its threads of steps, and what each of them waits for.

use std::sync::Arc;

use serde::Serialize;
use sim_core::{Cause, Duration, Instant, Kind, NodeId};

use super::consumer::Delivery;
use super::flights::Flight;
use super::guards::{Passed, Queued};
use super::hedged::Hedging;
use super::probe::{ProbeAlarm, Probing};
use super::raced::Race;
use super::saga::Saga;
use super::service::Turned;
use crate::message::{CallId, Carried, Extra, FactChange, Outcome, TxnId};
use crate::policy::retry::Pushback;
use crate::program::{BlockRef, EdgeRef, EndpointRef, Program, Slot, StepRef, Verb};
use crate::shelf::Unfinished;
use crate::slab::Key;
use crate::value::Value;

/// The values that steps know by a dollar sign.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Env {
    /// By slot; shared with the message that brought them until one changes.
    pub(super) values: Arc<[Value]>,
    /// Lists that were read, by slot.
    pub(super) lists: Vec<(Slot, Arc<[Value]>)>,
    /// One bit for each slot that travels on with calls.
    pub(super) mask: u64,
    /// `$reason`.
    pub(super) reason: Value,
}

/// A request that this node has received, a run of an endpoint by the clock, or an operation of a workload.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Request {
    /// Who asked, and by what the answer is known; none for what nobody asked for.
    pub(super) from: Option<(NodeId, CallId)>,
    pub(super) endpoint: EndpointRef,
    pub(super) kind: Kind,
    pub(super) cause: Cause,
    pub(super) env: Env,
    /// When the caller gives up.
    pub(super) expires: Instant,
    /// When no time is left.
    pub(super) deadline: Instant,
    /// When it was to begin.
    pub(super) since: Instant,
    /// For an operation of a workload: its number and, in a closed one, its user.
    pub(super) operation: Option<(u64, Option<u32>)>,
    /// For messages of a queue: what was delivered, and how far that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delivery: Option<Box<Delivery>>,
    /// Which probe it is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) probe: Option<Probing>,
    pub(super) cancelled: bool,
    /// Whether it holds a worker.
    pub(super) holds_worker: bool,
    /// Whether it has been answered; what goes on is background.
    pub(super) done: bool,
    pub(super) threads: u32,
    /// How often each step that may be repeated was come to.
    pub(super) visits: Vec<(StepRef, u32)>,
    /// The saga of a former life that it has to go on with, and the key of that in its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resumes: Option<Box<(Value, Unfinished)>>,
    /// Whether it goes on with what a former life has begun.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_resumed: bool,
    /// What its caller is told about trying again when it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<Pushback>,
    /// Whether the failure that is on its way out was tried again until nothing was left; nothing is decided by it.
    #[serde(skip)]
    pub(super) is_exhausted: bool,
    /// How many were under way when the gate let it in, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gated: Option<u32>,
    /// The timer of its deadline, where it stops then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expiry: Option<Key>,
}

/// Steps that go on one after the other.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Thread {
    pub(super) request: Key,
    pub(super) origin: Origin,
    pub(super) frames: Vec<Frame>,
    /// A `reply` or `fail` on its way out, while a `once` or a transaction it goes through is being finished.
    pub(super) ending: Option<Outcome>,
    /// Values of its own (background, concurrent `for_each`); else those of the request.
    pub(super) env: Option<Box<Env>>,
    /// The timer of the work or wait it is in.
    pub(super) sleeping: Option<Key>,
    /// What the attempt around it, in the thread that started it, says.
    pub(super) around: Around,
}

/// What holds for a step because of the attempts it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Around {
    /// `$try`.
    pub(super) number: u32,
    /// When no time is left.
    pub(super) deadline: Instant,
    /// When somebody gives up who waits for it here.
    pub(super) expires: Instant,
}

/// What a thread is to the one that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Origin {
    /// The endpoint itself.
    Main,
    /// A branch of the attempt or loop in this frame of that thread.
    Branch { parent: Key, depth: usize },
    /// Nobody waits for it.
    Background,
}

/// A list of steps, and how far it has come.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Frame {
    pub(super) block: BlockRef,
    pub(super) next: u32,
    pub(super) role: Role,
}

/// What a list of steps stands in.
#[derive(Clone, Debug, Serialize)]
pub(super) enum Role {
    /// The endpoint itself, a branch, a case, a handler: what happens in it happens to what it stands in.
    Plain,
    /// `for_each`, one after the other.
    Each { item: Slot, list: Arc<[Value]>, at: u32 },
    /// `for_each`, several at once.
    Fan(Box<Fan>),
    /// A step with an outcome.
    Attempt(Box<Attempt>),
}

/// A concurrent `for_each`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Fan {
    pub(super) item: Slot,
    pub(super) list: Arc<[Value]>,
    pub(super) at: u32,
    /// How many may run at once.
    pub(super) room: u32,
    pub(super) running: Vec<Key>,
    pub(super) failure: Option<Outcome>,
    pub(super) starting: bool,
}

/// A step with an outcome, being tried.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Attempt {
    pub(super) step: StepRef,
    /// Of the step; each try mixes its number in.
    pub(super) cause: Cause,
    /// The number of this try, from 1.
    pub(super) number: u32,
    /// What holds inside of it: its deadline is its own or that of what it stands in, if that is sooner.
    pub(super) around: Around,
    /// When this try began.
    pub(super) since: Instant,
    /// The timer of this try.
    pub(super) timer: Option<Key>,
    /// The last wait, for decorrelated jitter, or what else the wait of a library remembers.
    pub(super) waited: Duration,
    /// What the guards of the step made of this try.
    #[serde(skip_serializing_if = "Passed::is_nothing")]
    pub(super) passed: Passed,
    /// The flight that this try leads or follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) flight: Option<Box<Flight>>,
    /// Of the tries before this one, those that do not count.
    #[serde(skip_serializing_if = "Spared::is_nothing")]
    pub(super) spared: Spared,
    pub(super) phase: Phase,
}

/// Tries that do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Spared {
    /// For how many there may be.
    pub(super) tries: u32,
    /// For how long the next wait is.
    pub(super) waits: u32,
}

impl Spared {
    fn is_nothing(&self) -> bool {
        *self == Spared::default()
    }
}

/// What an attempt does now.
#[derive(Clone, Debug, Serialize)]
pub(super) enum Phase {
    /// Between tries, or not begun.
    Idle,
    /// Its own steps run.
    Body,
    /// A request is out.
    Calling(Key),
    /// Held by the running `once` with this key; the timer that wakes it.
    Holding(Key, Value),
    /// Waits for a condition about the node's own maps; the timer that wakes it.
    Watching(Key),
    /// Waits before the next try.
    Backoff(Key),
    /// A transaction's steps run.
    Transaction(Box<Txn>),
    /// A transaction's commit is out; whether operations before it were given up.
    Committing(Key, TxnId, bool),
    /// The beginning of a `once` in a store is out.
    OnceBegin(Key),
    /// A `once` runs, with its key; null: without any.
    Once(Value),
    /// The end of a `once` in a store is out, with what came of it.
    OnceEnd(Key, Outcome),
    /// Branches run.
    Parallel(Box<Branches>),
    /// A part of a saga runs, or its undo, or it waits before it tries that again.
    Saga(Box<Saga>),
    /// The stores of a transaction agree on what becomes of it.
    Agreeing(TxnId),
    /// Several requests are out for one answer.
    Hedging(Box<Hedging>),
    /// Tries that overlap are out.
    Racing(Box<Race>),
    /// Waits for the answer to somebody else's request.
    Following,
    /// Has got it, and goes on when this event has been handled.
    Landed(Box<(Outcome, Extra)>),
    /// Waits for a guard to let it go.
    Queued(Box<Queued>),
    /// A guard lets it go, and it goes on when this event has been handled.
    Admitted,
}

/// A transaction under way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Txn {
    pub(super) id: TxnId,
    /// Facts that happen with the commit.
    pub(super) facts: Vec<FactChange>,
    /// Whether something was sent to its store.
    pub(super) begun: bool,
    /// Whether the store has answered, so that it knows of the transaction or has forgotten it.
    pub(super) heard: bool,
    /// Whether an operation on the store was given up, and may still come there.
    pub(super) strays: bool,
    /// Whether a request to a service is in doubt that was sent inside, which no rollback takes back.
    pub(super) in_doubt: bool,
    /// With a protocol: the stores that something was sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) members: Option<Vec<Touched>>,
}

/// A store that a transaction with a protocol has touched.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Touched {
    pub(super) edge: EdgeRef,
    pub(super) to: NodeId,
    /// Whether it has answered.
    pub(super) heard: bool,
    /// Whether an operation on it was given up, and may still come there.
    pub(super) strays: bool,
}

/// The branches of a `parallel`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Branches {
    pub(super) running: Vec<Key>,
    pub(super) left: u32,
    pub(super) oks: u32,
    pub(super) need: u32,
    pub(super) failure: Option<Outcome>,
    pub(super) starting: bool,
}

/// What a timer of this node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Alarm {
    /// A try of the attempt in this frame has taken too long.
    Try { thread: Key, depth: usize },
    /// Work, a wait or a backoff is over.
    Over { thread: Key },
    /// What the attempt in the top frame waits for may have come: a running `once` has finished or may be taken over, a
    /// condition may hold.
    Look { thread: Key },
    /// An endpoint that runs by itself is due.
    Clock { endpoint: EndpointRef },
    /// The next operation of an open workload.
    Arrival,
    /// A user of a closed workload has thought.
    Thought { user: u32 },
    /// Callers know by now that this replica is about to stop.
    PreStop,
    /// The process can do what it is for.
    Booted,
    /// A worker has had the time that turning this one away takes.
    Refused { request: Key, why: Turned },
    /// Whoever has not answered about a transaction is asked again.
    Resend { txn: TxnId },
    /// The note of a decision that was told before is durable.
    Noted { txn: TxnId },
    /// The log is written anew after a sync that failed.
    Rewrite,
    /// A delivery that is still worked on extends its claim.
    Beat { request: Key },
    /// A message is tried once more.
    Again { request: Key },
    /// A probe is due, or has taken too long.
    Probe { place: u8, what: ProbeAlarm },
    /// The next request of the hedged try in this frame is due.
    Hedge { thread: Key, depth: usize },
    /// The wait at a guard of the attempt in the top frame is over.
    Guard { thread: Key },
    /// The client below gives up what a place in a bulkhead is kept for.
    ReadTimeout,
    /// No time is left for a request of a service that stops then.
    Expired { request: Key },
}

/// A request that is out.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Pending {
    pub(super) thread: Key,
    pub(super) edge: EdgeRef,
    pub(super) to: NodeId,
    pub(super) kind: Kind,
    /// When it was sent.
    #[serde(skip)]
    pub(super) since: Instant,
    /// The transaction whose coordinator waits, and no thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) txn: Option<TxnId>,
}

impl Txn {
    /// The store of this node, of a transaction with a protocol.
    pub(super) fn touched(&mut self, to: NodeId) -> Option<&mut Touched> {
        self.members.as_mut()?.iter_mut().find(|member| member.to == to)
    }
}

impl Request {
    /// One that nobody asked for and nobody waits for.
    pub(super) fn new(endpoint: EndpointRef, kind: Kind, cause: Cause, env: Env, since: Instant) -> Self {
        Request {
            from: None,
            endpoint,
            kind,
            cause,
            env,
            expires: Instant::NEVER,
            deadline: Instant::NEVER,
            since,
            operation: None,
            delivery: None,
            probe: None,
            cancelled: false,
            holds_worker: false,
            done: false,
            threads: 0,
            visits: Vec::new(),
            resumes: None,
            is_resumed: false,
            retry_after: None,
            is_exhausted: false,
            gated: None,
            expiry: None,
        }
    }
}

impl Env {
    /// The values that came with a request.
    pub(super) fn of(carried: &Carried) -> Self {
        Env { values: carried.values.clone(), lists: Vec::new(), mask: carried.mask, reason: Value::Null }
    }

    /// No values, for what nobody asked for.
    pub(super) fn empty(program: &Program) -> Self {
        Env { values: vec![Value::Null; program.slots.len()].into(), lists: Vec::new(), mask: 0, reason: Value::Null }
    }

    /// Sets a value that stays here.
    pub(super) fn set(&mut self, slot: Slot, value: Value) {
        Arc::make_mut(&mut self.values)[slot.0 as usize] = value;
    }

    /// Sets a value that travels on.
    pub(super) fn carry(&mut self, slot: Slot, value: Value) {
        self.set(slot, value);
        self.mask |= 1 << slot.0;
    }

    /// What travels with a call that adds these.
    pub(super) fn carried(&self, with: Vec<(Slot, Value)>) -> Carried {
        let mut mask = self.mask;
        let stays = |(index, value): (usize, &Value)| mask >> index & 1 == 0 && !value.is_null();
        if with.is_empty() && !self.values.iter().enumerate().any(stays) {
            return Carried { values: self.values.clone(), mask };
        }
        let kept = |(index, value): (usize, &Value)| if mask >> index & 1 == 1 { value.clone() } else { Value::Null };
        let mut values: Arc<[Value]> = self.values.iter().enumerate().map(kept).collect();
        let places = Arc::make_mut(&mut values);
        for (slot, value) in with {
            places[slot.0 as usize] = value;
            mask |= 1 << slot.0;
        }
        Carried { values, mask }
    }

    /// A list that was read; empty when none was.
    pub(super) fn list(&self, slot: Slot) -> Arc<[Value]> {
        self.lists.iter().find(|(known, _)| *known == slot).map_or_else(|| Arc::from([]), |(_, list)| list.clone())
    }

    /// Keeps a list that was read.
    pub(super) fn keep_list(&mut self, slot: Slot, list: Arc<[Value]>) {
        match self.lists.iter_mut().find(|(known, _)| *known == slot) {
            Some(known) => known.1 = list,
            None => self.lists.push((slot, list)),
        }
    }
}

impl Attempt {
    /// One that begins now and is not bound by any time.
    pub(super) fn new(step: StepRef, cause: Cause, around: Around, phase: Phase) -> Self {
        let (since, waited, passed) = (Instant::ZERO, Duration::ZERO, Passed::default());
        let spared = Spared::default();
        Attempt { step, cause, number: 1, around, since, timer: None, waited, passed, flight: None, spared, phase }
    }
}

impl Frame {
    pub(super) fn plain(block: BlockRef) -> Self {
        Frame { block, next: 0, role: Role::Plain }
    }

    /// Whether the last step that it came to was work.
    pub(super) fn is_behind_work(&self, program: &Program) -> bool {
        let step = program.block(self.block).get((self.next as usize).wrapping_sub(1));
        step.is_some_and(|step| matches!(program.step(*step).verb, Verb::Work(_)))
    }
}

impl Thread {
    /// Whose branch it is.
    pub(super) fn parent(&self) -> Option<Key> {
        match self.origin {
            Origin::Branch { parent, .. } => Some(parent),
            Origin::Main | Origin::Background => None,
        }
    }

    /// The attempt in the top frame.
    pub(super) fn attempt(&mut self) -> Option<&mut Attempt> {
        match self.frames.last_mut() {
            Some(Frame { role: Role::Attempt(attempt), .. }) => Some(attempt),
            _ => None,
        }
    }

    /// The same, to look at.
    pub(super) fn top(&self) -> Option<&Attempt> {
        match self.frames.last() {
            Some(Frame { role: Role::Attempt(attempt), .. }) => Some(attempt),
            _ => None,
        }
    }

    /// The innermost transaction it is in.
    pub(super) fn txn(&mut self) -> Option<&mut Txn> {
        self.frames.iter_mut().rev().find_map(|frame| match &mut frame.role {
            Role::Attempt(attempt) => match &mut attempt.phase {
                Phase::Transaction(txn) => Some(&mut **txn),
                _ => None,
            },
            _ => None,
        })
    }

    /// Whether it is in the middle of some work, and not of a wait.
    pub(super) fn is_at_work(&self, program: &Program) -> bool {
        self.sleeping.is_some() && self.frames.last().is_some_and(|frame| frame.is_behind_work(program))
    }

    /// What holds for its next step.
    pub(super) fn around(&self) -> Around {
        let around = |frame: &Frame| match &frame.role {
            Role::Attempt(attempt) => Some(attempt.around),
            _ => None,
        };
        self.frames.iter().rev().find_map(around).unwrap_or(self.around)
    }
}

impl Around {
    /// Nothing: nobody waits.
    pub(super) const fn nothing(number: u32) -> Self {
        Around { number, deadline: Instant::NEVER, expires: Instant::NEVER }
    }
}
