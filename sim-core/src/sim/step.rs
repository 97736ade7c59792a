//! What one step of a run did, as callers read it.

use crate::actor::Watch;
use crate::dice::Draw;
use crate::id::{Kind, NodeId, Sync, Timer};
use crate::network::Fate;
use crate::seed::Cause;
use crate::time::Instant;

/// What one step did: the event, where and when it happened, and what led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of the event, from 1.
    pub number: u64,
    /// When, in true time.
    pub at: Instant,
    /// What.
    pub what: Happening,
    /// Why: the cause that its handler started with.
    pub cause: Cause,
    /// The event that was handled before on the same node.
    pub before: Option<u64>,
    /// The event in which the message was sent, the timer set, the restart caused, the point passed at which a fault strikes.
    pub by: Option<u64>,
}

impl Step {
    /// Where it happened; none of a fault, which happens to the world.
    pub fn node(&self) -> Option<NodeId> {
        match self.what {
            Happening::Delivered { to, .. }
            | Happening::Undelivered { to, .. }
            | Happening::Refused { to, .. }
            | Happening::Reset { to, .. } => Some(to),
            Happening::Started { node, .. }
            | Happening::Fired { node, .. }
            | Happening::Synced { node, .. }
            | Happening::Stopping { node }
            | Happening::Killed { node }
            | Happening::Lapsed { node, .. } => Some(node),
            Happening::FaultBegan { .. } | Happening::FaultEnded { .. } => None,
        }
    }
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A node came up.
    Started {
        /// Which.
        node: NodeId,
        /// For the how-manieth time, from 1.
        life: u32,
    },
    /// An envelope was handled.
    Delivered {
        /// Its sender.
        from: NodeId,
        /// The node that handled it.
        to: NodeId,
        /// Its kind.
        kind: Kind,
    },
    /// An envelope came to a node that is down.
    Undelivered {
        /// Its sender.
        from: NodeId,
        /// The node that is down.
        to: NodeId,
        /// Its kind.
        kind: Kind,
    },
    /// A node learnt that nothing listens on a machine it sent to.
    Refused {
        /// The machine.
        by: NodeId,
        /// The node that learns it.
        to: NodeId,
        /// The kind of its envelope.
        kind: Kind,
    },
    /// A node learnt that a machine crashed which had its request.
    Reset {
        /// The machine.
        by: NodeId,
        /// The node that learns it.
        to: NodeId,
        /// The kind of its request.
        kind: Kind,
    },
    /// A timer was handled.
    Fired {
        /// On which node.
        node: NodeId,
        /// Which.
        timer: Timer,
    },
    /// The disk answered.
    Synced {
        /// On which node.
        node: NodeId,
        /// The number of the wait.
        sync: Sync,
    },
    /// A node heard that it is to stop.
    Stopping {
        /// Which.
        node: NodeId,
    },
    /// A node that had not stopped in time was killed.
    Killed {
        /// Which.
        node: NodeId,
    },
    /// Nothing was heard from a node for too long, and its platform does what that watch is for.
    Lapsed {
        /// Which node.
        node: NodeId,
        /// Which watch.
        watch: Watch,
    },
    /// A fault began to hold.
    FaultBegan {
        /// Its place in the schedule.
        fault: u32,
    },
    /// A fault holds no more.
    FaultEnded {
        /// Its place in the schedule.
        fault: u32,
    },
}

/// What a step did beside the event itself; kept only while [`Sim::record`](crate::Sim::record) is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An envelope was sent.
    Sent {
        /// By whom.
        from: NodeId,
        /// To whom.
        to: NodeId,
        /// Its kind.
        kind: Kind,
        /// Its own cause.
        cause: Cause,
        /// What becomes of it.
        fate: Fate,
        /// The fault of the schedule that did that to it, if one did.
        fault: Option<u32>,
        /// What calm would have done with it: the default.
        calm: Fate,
        /// The random bits by which it is altered on the way so that nobody sees it, if it is.
        altered: Option<u64>,
        /// Whether it is a message of an actor; what a machine sends back by itself counts in no ordinal.
        form: Form,
    },
    /// A timer was set.
    Set {
        /// On which node.
        node: NodeId,
        /// Which.
        timer: Timer,
        /// When it is due, in true time.
        due: Instant,
    },
    /// A timer was stopped.
    Cancelled {
        /// On which node.
        node: NodeId,
        /// Which.
        timer: Timer,
    },
    /// A random question was answered.
    Drew {
        /// For which node.
        node: NodeId,
        /// The question and its answer.
        draw: Draw,
    },
    /// A point of the program was passed.
    Marked {
        /// On which node.
        node: NodeId,
        /// Its name.
        name: &'static str,
    },
    /// A node took a role or gave it up.
    Role {
        /// Which node.
        node: NodeId,
        /// Which role.
        role: &'static str,
        /// Whether it has it from now on.
        has: bool,
    },
    /// The fault of this step waited for a node to come to some point, which it has.
    Tripped {
        /// Which passage it was, from 1.
        nth: u64,
    },
    /// A node went down.
    Down {
        /// Which.
        node: NodeId,
    },
    /// A fault of this step struck a node, up or down.
    Struck {
        /// Which.
        node: NodeId,
    },
    /// The fault of this step holds a node no longer; another may.
    Released {
        /// Which.
        node: NodeId,
    },
}

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// As wide as the other words of an event that waits in the queue.
#[repr(u32)]
pub enum Form {
    /// An actor sent it.
    Message,
    /// A machine on which nothing listens sends it back.
    Refused,
    /// A machine whose node crashed sends it.
    Reset,
}

/// An actor panicked: a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// In which event.
    pub event: u64,
    /// On which node.
    pub node: NodeId,
    /// What it said.
    pub message: String,
}
