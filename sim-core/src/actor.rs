//! The promise to actors: a node is a function from an event to effects.
//!
//! An actor never reads a clock, a file, a socket or a die of its own. It is told what happened, asks for what it wants through
//! its [`Context`], and the asking is kept as data ([`Effect`]) until the handling is over.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use crate::context::Context;
use crate::files::Files;
pub use crate::id::{Kind, NodeId, Sync, Timer};
use crate::seed::Cause;
use crate::time::Duration;

/// What the nodes of one simulation say to each other: one type for all, with a stable name for each kind.
///
/// ```
/// use sim_core::{Kind, Message};
/// #[derive(Clone, Hash, serde::Serialize)]
/// enum Msg { Ping(u32), Pong(u32) }
/// impl Message for Msg {
///     type Note = ();
///     type Shared = ();
///     const KINDS: &'static [&'static str] = &["ping", "pong"];
///     fn kind(&self) -> Kind {
///         match self { Msg::Ping(_) => Kind(0), Msg::Pong(_) => Kind(1) }
///     }
/// }
/// ```
pub trait Message: Clone + Hash + Serialize + Send + std::marker::Sync + 'static {
    /// What actors tell the judge, beside what they tell each other; `()` when nothing.
    type Note: Clone + Hash + fmt::Debug + Send + std::marker::Sync + 'static;
    /// State that several nodes reach at once and no crash takes, such as the disk array under a replicated service; `()` for none.
    type Shared: Clone + Default + Serialize + Send + std::marker::Sync + 'static;
    /// The names of the kinds, in the order of their numbers. A system may give its own list instead
    /// ([`System::kinds`](crate::System::kinds)).
    const KINDS: &'static [&'static str];
    /// Which kind this one is.
    fn kind(&self) -> Kind;
    /// Its size on the wire in bytes; 0 when that does not matter.
    fn size(&self) -> u32 {
        0
    }
    /// Alters it as damage on the way would that no checksum sees, as these random bits say; false when nothing in it can be
    /// altered: then the damage is seen.
    fn corrupt(&mut self, _bits: u64) -> bool {
        false
    }
}

/// A program that runs on a node.
///
/// The state of an actor is what `Serialize` shows of it: that is what the inspector prints and what the digest covers.
pub trait Actor<M: Message> {
    /// Takes one event and asks for effects. A panic in here is a finding, with a seed and an event number.
    fn handle(&mut self, event: Event<M>, cx: &mut Context<'_, M>);

    /// Requests that this node has received and not answered. When it crashes, its operating system resets them: their senders
    /// get [`Event::Reset`] if the link between them brings answers.
    fn unanswered(&self) -> Vec<Unanswered<M>> {
        Vec::new()
    }
}

/// A request that a node still owes an answer: who asked, what, and why.
#[derive(Clone, Debug)]
pub struct Unanswered<M> {
    /// Who asked.
    pub from: NodeId,
    /// What was asked, or as much of it as the asker needs to know it again.
    pub msg: M,
    /// Why it was asked.
    pub cause: Cause,
}

/// What the platform of a node does when nothing is heard from it for too long: whoever runs processes and asks them how they
/// are, such as the kubelet of Kubernetes. Nothing that stops the process stops a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[repr(u32)]
pub enum Watch {
    /// It asks the node to stop, kills it when its grace is over, and starts it again.
    Liveness,
    /// It takes the node off the list, until the node says that it is ready.
    Readiness,
}

/// What can happen to a node.
#[derive(Clone, Debug)]
pub enum Event<M> {
    /// The node comes up, for the first time or after a crash, with the files that survived.
    Start(Files),
    /// An envelope arrives.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        msg: M,
    },
    /// A timer that this life of the node has set is due.
    Timer(Timer),
    /// The disk has made durable what was written before [`Context::sync`], or has not.
    Synced(Sync, Result<(), DiskError>),
    /// An envelope of this node came to a machine on which nothing listens.
    Refused {
        /// The machine.
        by: NodeId,
        /// The envelope's message, back again.
        msg: M,
    },
    /// The node is asked to stop, and is killed when it has not by then ([`Context::exit`]).
    Stop {
        /// How long it has, by a true clock.
        grace: Duration,
    },
    /// A node that had received this request crashed before it answered.
    Reset {
        /// The node.
        by: NodeId,
        /// What [`Actor::unanswered`] said of the request.
        msg: M,
    },
}

/// Why the disk did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
// As wide as the other words of an event that waits in the queue.
#[repr(u32)]
pub enum DiskError {
    /// The data may or may not be durable.
    #[error("the disk failed to make the data durable")]
    SyncFailed,
    /// Some of the records that were written before the sync found no room, and are not stored; the others are durable.
    #[error("the disk is full, and some records are not stored")]
    Full,
}

/// What an actor asks for; performed in order once the handling is over.
// Its words are of one size, so that one is read back as it was written.
#[derive(Clone, Debug)]
#[repr(u32)]
pub enum Effect<M> {
    /// Put an envelope on the link.
    Send {
        /// To whom.
        to: NodeId,
        /// What it says.
        msg: M,
        /// Why, with the lineage of the envelope itself.
        cause: Cause,
    },
    /// Set a timer, or set it anew.
    Set {
        /// Which.
        timer: Timer,
        /// A length on the node's monotonic clock.
        after: Duration,
        /// Why, with the lineage of the timer itself.
        cause: Cause,
    },
    /// Stop a timer.
    Cancel {
        /// Which.
        timer: Timer,
    },
    /// Let a timer of a node go off now, as a change of shared memory wakes who waits for it; no link is involved.
    Ring {
        /// Whose.
        node: NodeId,
        /// In which life: one that is over does not wake.
        life: u32,
        /// Which.
        timer: Timer,
        /// Why.
        cause: Cause,
    },
    /// Write one record behind the others of a file.
    Append {
        /// The file's name.
        file: Arc<str>,
        /// The record.
        record: Arc<[u8]>,
    },
    /// Write a file anew, with one record.
    Replace {
        /// The file's name.
        file: Arc<str>,
        /// The record.
        record: Arc<[u8]>,
    },
    /// Make durable what was written so far.
    Sync {
        /// The number the answer will carry.
        sync: Sync,
        /// Why, with the lineage of the wait.
        cause: Cause,
    },
    /// A named point of the program, where faults can strike and traces can be read.
    Mark(&'static str),
    /// End this life of the node.
    Exit,
    /// Set a watch of the node's platform, or set it anew.
    Watch {
        /// Which.
        watch: Watch,
        /// How long from now on it is content, on the node's monotonic clock.
        after: Duration,
    },
    /// Have the node be listed.
    Ready,
    /// Take a role, or give it up.
    Role {
        /// Which, such as leader.
        role: &'static str,
        /// Whether the node has it from now on.
        has: bool,
    },
}
