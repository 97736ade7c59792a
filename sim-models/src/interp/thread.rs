//! What a request in progress consists of: its values, its threads of steps, and what each of them waits for.

use std::sync::Arc;

use serde::Serialize;
use sim_core::{Cause, Duration, Instant, Kind, NodeId};

use crate::message::{CallId, Carried, FactChange, Outcome, TxnId};
use crate::program::{BlockRef, EdgeRef, EndpointRef, Program, Slot, StepRef};
use crate::slab::Key;
use crate::value::Value;

/// The values that steps know by a dollar sign.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Env {
    /// By slot.
    pub(super) values: Vec<Value>,
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
    pub(super) cancelled: bool,
    /// Whether it holds a worker.
    pub(super) holds_worker: bool,
    /// Whether it has been answered; what goes on is background.
    pub(super) done: bool,
    pub(super) threads: u32,
    /// How often each step that may be repeated was come to.
    pub(super) visits: Vec<(StepRef, u32)>,
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
    /// When no time is left for it.
    pub(super) deadline: Instant,
    /// The timer of this try.
    pub(super) timer: Option<Key>,
    /// The last wait, for decorrelated jitter.
    pub(super) waited: Duration,
    pub(super) phase: Phase,
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
    /// Held by a running `once`; the timer that wakes it.
    Holding(Key),
    /// Waits before the next try.
    Backoff(Key),
    /// A transaction's steps run.
    Transaction(Box<Txn>),
    /// A transaction's commit is out.
    Committing(Key),
    /// The beginning of a `once` in a store is out.
    OnceBegin(Key),
    /// A `once` runs, with its key; null: without any.
    Once(Value),
    /// The end of a `once` in a store is out, with what came of it.
    OnceEnd(Key, Outcome),
    /// Branches run.
    Parallel(Box<Branches>),
}

/// A transaction under way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Txn {
    pub(super) id: TxnId,
    /// Facts that happen with the commit.
    pub(super) facts: Vec<FactChange>,
    /// Whether its store has heard of it.
    pub(super) begun: bool,
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
    /// A running `once` may have finished, or may be taken over.
    Once { thread: Key },
    /// An endpoint that runs by itself is due.
    Clock { endpoint: EndpointRef },
    /// The next operation of an open workload.
    Arrival,
    /// A user of a closed workload has thought.
    Thought { user: u32 },
}

/// A request that is out.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Pending {
    pub(super) thread: Key,
    pub(super) edge: EdgeRef,
    pub(super) to: NodeId,
    pub(super) kind: Kind,
}

impl Env {
    /// The values that came with a request.
    pub(super) fn of(carried: &Carried) -> Self {
        Env { values: carried.values.to_vec(), lists: Vec::new(), mask: carried.mask, reason: Value::Null }
    }

    /// No values, for what nobody asked for.
    pub(super) fn empty(program: &Program) -> Self {
        Env { values: vec![Value::Null; program.slots.len()], lists: Vec::new(), mask: 0, reason: Value::Null }
    }

    /// Sets a value that travels on.
    pub(super) fn carry(&mut self, slot: Slot, value: Value) {
        self.values[slot.0 as usize] = value;
        self.mask |= 1 << slot.0;
    }

    /// What travels with a call that adds these.
    pub(super) fn carried(&self, with: Vec<(Slot, Value)>) -> Carried {
        let mut mask = self.mask;
        let kept = |(index, value): (usize, &Value)| if mask >> index & 1 == 1 { value.clone() } else { Value::Null };
        if with.is_empty() {
            return Carried { values: self.values.iter().enumerate().map(kept).collect(), mask };
        }
        let mut values: Vec<Value> = self.values.iter().enumerate().map(kept).collect();
        for (slot, value) in with {
            values[slot.0 as usize] = value;
            mask |= 1 << slot.0;
        }
        Carried { values: values.into(), mask }
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

impl Frame {
    pub(super) fn plain(block: BlockRef) -> Self {
        Frame { block, next: 0, role: Role::Plain }
    }
}

impl Thread {
    /// The attempt in the top frame.
    pub(super) fn attempt(&mut self) -> Option<&mut Attempt> {
        match self.frames.last_mut() {
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

    /// The number of the try that a step of it stands in.
    pub(super) fn try_number(&self) -> u32 {
        let number = |frame: &Frame| match &frame.role {
            Role::Attempt(attempt) => Some(attempt.number),
            _ => None,
        };
        self.frames.iter().rev().find_map(number).unwrap_or(1)
    }
}
