//! Who has which role, by their own word: what a fault that strikes "the leader" goes by.

use crate::id::NodeId;
use crate::tripwire::Point;

/// The roles that nodes say they have. A crash takes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roles(Vec<(Point, NodeId)>);

impl Roles {
    pub(crate) fn set(&mut self, node: NodeId, role: Point, has: bool) {
        match (self.0.binary_search(&(role, node)), has) {
            (Err(at), true) => self.0.insert(at, (role, node)),
            (Ok(at), false) => _ = self.0.remove(at),
            (Ok(_), true) | (Err(_), false) => {}
        }
    }

    pub(crate) fn has(&self, node: NodeId, role: Point) -> bool {
        self.0.binary_search(&(role, node)).is_ok()
    }

    /// All that have a role, in the order of their numbers.
    pub(crate) fn holders(&self, role: Point) -> Vec<NodeId> {
        self.0.iter().filter(|(known, _)| *known == role).map(|(_, node)| *node).collect()
    }

    pub(crate) fn forget(&mut self, node: NodeId) {
        self.0.retain(|(_, holder)| *holder != node);
    }
}
