//! Small numbers for what a run is made of; names stand at the edges.

use serde::{Deserialize, Serialize};

/// A machine, by its place in the list of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

/// A kind of message, by its place in the list of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Kind(pub u16);

/// A timer of a node, by a small number of the actor's own: the table of timers is as long as the largest one used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timer(pub u32);

impl Timer {
    /// The largest number a timer may have.
    pub const LAST: Timer = Timer((1 << 24) - 1);
}

/// A wait for the disk, by a number of the actor's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sync(pub u32);
