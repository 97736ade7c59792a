//! Names stand at the edges: inside a run everything is a small number.

use serde::{Deserialize, Serialize};

use crate::id::{Kind, NodeId};
use crate::seed::{Cause, Class, Operation};

/// The names behind the numbers of a system: nodes, kinds of messages, classes of operations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Names {
    nodes: Vec<String>,
    kinds: Vec<String>,
    classes: Vec<String>,
}

fn position(names: &[String], name: &str) -> Option<usize> {
    names.iter().position(|known| known == name)
}

/// The number of `name` in the list, at whose end it is put when it is new.
fn intern(names: &mut Vec<String>, name: &str) -> usize {
    position(names, name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

impl Names {
    /// The class of that name, made when it is new. At most 65,535 classes.
    pub fn class(&mut self, name: &str) -> Class {
        Class(u16::try_from(intern(&mut self.classes, name)).unwrap_or(u16::MAX))
    }

    /// The class of that name, if there is one.
    pub fn find_class(&self, name: &str) -> Option<Class> {
        position(&self.classes, name).map(|at| Class(at as u16))
    }

    /// The kind of that name, made when it is new. At most 65,535 kinds.
    pub fn kind(&mut self, name: &str) -> Kind {
        Kind(u16::try_from(intern(&mut self.kinds, name)).unwrap_or(u16::MAX))
    }

    /// The kind of that name, if there is one.
    pub fn find_kind(&self, name: &str) -> Option<Kind> {
        position(&self.kinds, name).map(|at| Kind(at as u16))
    }

    pub(crate) fn add_node(&mut self, name: &str) -> NodeId {
        self.nodes.push(name.to_owned());
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// The node of that name, if there is one.
    pub fn find_node(&self, name: &str) -> Option<NodeId> {
        position(&self.nodes, name).map(|at| NodeId(at as u32))
    }

    /// The names of the nodes, in order.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// The names of the kinds, in order.
    pub fn kinds(&self) -> &[String] {
        &self.kinds
    }

    /// The names of the classes of operations, in order.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The name of a node of this system.
    pub fn node(&self, node: NodeId) -> &str {
        &self.nodes[node.0 as usize]
    }

    /// The name of a kind; `?` for a number without a name.
    pub fn kind_name(&self, kind: Kind) -> &str {
        self.kinds.get(kind.0 as usize).map_or("?", |name| name)
    }

    /// An operation as people write it, `order/17`; `None` for what is done for nobody.
    pub fn operation(&self, operation: Operation) -> Option<String> {
        let (class, number) = operation.parts()?;
        Some(format!("{}/{number}", self.classes.get(class.0 as usize).map_or("?", |name| name)))
    }

    /// The operation that people write as `order/17`.
    pub fn find_operation(&self, text: &str) -> Option<Operation> {
        let (class, number) = text.rsplit_once('/')?;
        Some(Operation::new(self.find_class(class)?, number.parse().ok()?))
    }

    /// Where an operation begins: the root of its lineage, which nothing else in the run can reach.
    pub fn begin(&self, class: Class, number: u64) -> Cause {
        let root = Cause::root("operation", &self.classes[class.0 as usize], number);
        Cause { operation: Operation::new(class, number), ..root }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_written_and_read_by_its_name() {
        let mut names = Names::default();
        let order = names.class("order");
        let begun = names.begin(order, 17);
        assert_eq!(names.operation(begun.operation).as_deref(), Some("order/17"));
        assert_eq!(names.find_operation("order/17"), Some(begun.operation));
        assert_eq!(names.find_operation("visit/17"), None);
        assert_eq!(names.operation(Operation::NONE), None);
    }
}
