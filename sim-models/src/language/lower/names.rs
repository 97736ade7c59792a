//! Resolves what steps name: nodes, endpoints, maps, and the names in their expressions, by the place where they stand.

use std::collections::BTreeMap;

use super::{Lower, joined, known, place};
use crate::expr::{Expr, Kind, Literal, Name};
use crate::json::Span;
use crate::language::{Formula, MapName, Piece as Part, View};
use crate::problem::Problem;
use crate::program::{EdgeRef, EndpointRef, MapRef, NodeRef, Piece, Role, Slot, Template, Var};
use crate::value::Value;

/// What is known while the steps of one endpoint are written.
pub(super) struct Scope {
    pub node: NodeRef,
    pub endpoint: EndpointRef,
    /// Names bound by earlier steps of the endpoint.
    pub locals: BTreeMap<String, Local>,
    /// The stores that steps of the transaction around touch.
    pub touched: Vec<NodeRef>,
}

/// How a name was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// To a value without a version.
    Value,
    /// To what a read found.
    Read,
    /// To a list of keys.
    List,
}

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In a step.
    Step,
    /// At a cell of this map.
    Cell(MapRef),
}

impl Scope {
    pub(super) fn of(node: NodeRef, endpoint: EndpointRef) -> Self {
        Scope { node, endpoint, locals: BTreeMap::new(), touched: Vec::new() }
    }
}

impl<'a> Lower<'a> {
    pub(super) fn node_named(&self, name: &str) -> Option<NodeRef> {
        self.program.nodes.iter().position(|node| node.name == name).map(|index| NodeRef(place(index)))
    }

    pub(super) fn endpoint_named(&self, node: NodeRef, name: &str) -> Option<EndpointRef> {
        let endpoints = self.program.service(node).map(|service| service.endpoints.as_slice()).unwrap_or_default();
        endpoints.iter().copied().find(|endpoint| self.program.endpoint(*endpoint).name == name)
    }

    pub(super) fn no_node(&self, name: &str) -> String {
        format!("no node \"{name}\"{}", known("nodes", name, self.program.nodes.iter().map(|node| node.name.as_str())))
    }

    /// The endpoint that a call names.
    pub(super) fn target(&self, view: View<'a>) -> Result<EndpointRef, Problem> {
        let (node_name, name) = view.target()?;
        let no_node = || view.error_at(Span::new(0, node_name.len()), self.no_node(node_name));
        let node = self.node_named(node_name).ok_or_else(no_node)?;
        match &self.program.node(node).role {
            Role::Service(_) => {}
            Role::Store(_) => {
                return Err(view.error(format!("{node_name} is a store; \"read\" and \"set\" its cells")));
            }
            Role::Queue(_) => {
                return Err(view.error(format!("{node_name} is a queue; \"publish\" gives it a message")));
            }
            Role::Workload(_) => {
                return Err(view.error(format!("{node_name} is a workload; it calls and is not called")));
            }
        }
        self.asked_endpoint(node, name).map_err(|message| view.error(message))
    }

    /// An endpoint that somebody asks.
    pub(super) fn asked_endpoint(&self, node: NodeRef, name: &str) -> Result<EndpointRef, String> {
        let node_name = self.node_name(node);
        let Some(endpoint) = self.endpoint_named(node, name) else {
            let endpoints = self.program.service(node).map(|service| service.endpoints.as_slice()).unwrap_or_default();
            let names = endpoints.iter().map(|endpoint| self.program.endpoint(*endpoint).name.as_str());
            return Err(format!("no endpoint \"{node_name}.{name}\"; {node_name} has {}", joined(names)));
        };
        match self.program.endpoint(endpoint).clock {
            None if self.program.endpoint(endpoint).consumes.is_some() => {
                Err(format!("{node_name}.{name} consumes a queue; an endpoint that is called has no \"from\""))
            }
            Some(_) => Err(format!(
                "{node_name}.{name} runs by itself; an endpoint that is called has neither \"every\" nor \"at_start\""
            )),
            None => Ok(endpoint),
        }
    }

    /// A map as a step of the node at hand names it.
    pub(super) fn map_at(&self, view: View<'a>, name: &MapName) -> Result<MapRef, Problem> {
        let here = self.scope.node;
        let owner = match &name.node {
            Some(node) => self.node_named(node).ok_or_else(|| view.error(self.no_node(node)))?,
            None => here,
        };
        let owner_name = self.node_name(owner);
        let Some(map) = self.own_map(owner, &name.map) else {
            return Err(view.error(self.no_map(owner, &name.map)));
        };
        match self.program.node(owner).role {
            Role::Service(_) if owner != here => Err(view.error(format!(
                "\"{}\" is {owner_name}'s own map; only steps of {owner_name} reach it, so call one of its endpoints",
                name.map
            ))),
            _ => Ok(map),
        }
    }

    fn no_map(&self, owner: NodeRef, map: &str) -> String {
        let node = self.program.node(owner);
        let names = node.maps.iter().map(|map| self.program.map(*map).name.as_str());
        match &node.role {
            Role::Workload(_) => {
                format!("{} is a workload and has no maps; name a store, such as \"db.{map}\"", node.name)
            }
            Role::Queue(_) => {
                format!("{} is a queue and has no maps; name a store, such as \"db.{map}\"", node.name)
            }
            Role::Service(_) if node.maps.is_empty() => {
                format!("{} has no maps of its own; name the store, such as \"db.{map}\"", node.name)
            }
            _ => format!("no map \"{map}\" in {}; it has {}", node.name, joined(names)),
        }
    }

    /// The edge on which an operation on a map is counted; none for a node's own.
    pub(super) fn edge_to_map(&mut self, map: MapRef) -> Option<EdgeRef> {
        let owner = self.program.map(map).owner;
        (owner != self.scope.node).then(|| self.edge_to(owner))
    }

    /// The edge from the node at hand to another.
    pub(super) fn edge_to(&mut self, to: NodeRef) -> EdgeRef {
        self.edge_between(self.scope.node, to)
    }

    /// The edge from one node to another.
    pub(super) fn edge_between(&mut self, from: NodeRef, to: NodeRef) -> EdgeRef {
        let edge = (from, to);
        let known = self.program.edges.iter().position(|known| *known == edge);
        let index = known.unwrap_or_else(|| {
            self.program.edges.push(edge);
            self.program.edges.len() - 1
        });
        EdgeRef(place(index))
    }

    /// A stored value, or how to come by one.
    pub(super) fn template(&mut self, view: View<'a>, at: At) -> Result<Template, Problem> {
        match view.formula()? {
            Formula::Literal(value) => Ok(Template::Constant(value)),
            Formula::Filled(parts) => {
                let piece = |part| self.piece(at, part).map_err(|(span, message)| view.error_at(span, message));
                Ok(Template::Text(parts.into_iter().map(piece).collect::<Result<_, _>>()?))
            }
            Formula::Expr(expr) => self.expr_template(view, &expr, at),
        }
    }

    fn piece(&mut self, at: At, part: Part) -> Result<Piece, (Span, String)> {
        let (name, span) = match part {
            Part::Text(text) => return Ok(Piece::Literal(text)),
            Part::Local(name, span) => (Name::Local(name), span),
            Part::LocalVersion(name, span) => (Name::LocalVersion(name), span),
        };
        self.var(at, &name).map(Piece::Var).map_err(|message| (span, message))
    }

    /// An expression as a template: a value or a name when it is no more than that.
    pub(super) fn expr_template(&mut self, view: View<'a>, expr: &Expr, at: At) -> Result<Template, Problem> {
        Ok(match self.expr(view, expr, at)? {
            Expr { kind: Kind::Literal(Literal::Null), .. } => Template::Constant(Value::Null),
            Expr { kind: Kind::Literal(Literal::Int(number)), .. } => Template::Constant(Value::Int(number)),
            Expr { kind: Kind::Literal(Literal::Text(text)), .. } => Template::Constant(Value::Text(text)),
            Expr { kind: Kind::Name(var), .. } => Template::Var(var),
            expr => Template::Expr(expr),
        })
    }

    pub(super) fn expr(&mut self, view: View<'a>, expr: &Expr, at: At) -> Result<Expr<Var>, Problem> {
        expr.resolve(&mut |name, span| self.var(at, name).map_err(|message| (span, message)))
            .map_err(|(span, message)| view.error_at(span, message))
    }

    /// The condition of a clause, if it is written.
    pub(super) fn condition(&mut self, step: View<'a>, clause: &str, at: At) -> Result<Option<Expr<Var>>, Problem> {
        let Some(view) = step.field(clause) else { return Ok(None) };
        let expr = view.expr(crate::expr::Arithmetic::Integers)?;
        self.expr(view, &expr, at).map(Some)
    }

    fn var(&mut self, at: At, name: &Name) -> Result<Var, String> {
        match (name, at) {
            (Name::Local(name), _) => self.local(name),
            (Name::LocalVersion(name), _) => self.local_version(name),
            (Name::Plain(word), _) if word == "now" => Ok(Var::Now),
            (Name::Plain(word), At::Cell(_)) => cell_word(word),
            (Name::Map { node, map }, At::Cell(here)) => self.neighbour(here, node.as_deref(), map),
            (Name::Plain(word), At::Step) if cell_word(word).is_ok() => Err(format!(
                "\"{word}\" is known only at a cell, in \"to\", \"where\" and \"when\"; give what was read a name by \"as\""
            )),
            (Name::Plain(word), At::Step) => {
                Err(format!("\"{word}\" is not known here; a name has a dollar sign, \"${word}\""))
            }
            (Name::Map { .. }, At::Step) => {
                Err("a cell is not known here; \"read\" it first and give it a name by \"as\"".to_owned())
            }
            (Name::Dotted(..) | Name::Edge { .. } | Name::Count(_) | Name::Total(_), _) => {
                Err(format!("\"{name}\" is known only to metrics and properties, not to steps"))
            }
        }
    }

    fn local(&mut self, name: &str) -> Result<Var, String> {
        match name {
            "try" => Ok(Var::Try),
            "reason" => Ok(Var::Reason),
            "version" => Ok(Var::ReplicaVersion),
            "message" if self.program.endpoint(self.scope.endpoint).consumes.is_some() => {
                Ok(Var::Slot(self.slot("message")))
            }
            "message" => Err("$message is known only where messages of a queue or log are handled".to_owned()),
            _ if !self.is_known(name) => Err(self.not_known(name)),
            _ if self.scope.locals.get(name) == Some(&Local::List) => {
                Err(format!("${name} is a list; \"for_each\" goes through it"))
            }
            _ => Ok(Var::Slot(self.slot(name))),
        }
    }

    fn local_version(&mut self, name: &str) -> Result<Var, String> {
        if self.is_version_known(name) {
            return Ok(Var::Slot(self.slot(&format!("{name}.version"))));
        }
        Err(format!("${name}.version is not known here; a \"read\" of a cell gives it with \"as\": \"{name}\""))
    }

    /// Another map of the same owner.
    fn neighbour(&self, here: MapRef, node: Option<&str>, map: &str) -> Result<Var, String> {
        let owner = self.program.map(here).owner;
        let owner_name = self.node_name(owner);
        if node.is_some_and(|node| node != owner_name) {
            return Err(format!("at a cell only the maps of its own node are known, those of {owner_name}"));
        }
        self.own_map(owner, map).map(Var::Map).ok_or_else(|| self.no_map(owner, map))
    }

    /// The slot of a name that is bound here; words of the language are not.
    pub(super) fn bind(&mut self, view: View<'a>, name: &str, local: Local) -> Result<Slot, Problem> {
        if let Some(message) = super::declare::reserved(name) {
            return Err(view.error(message));
        }
        self.scope.locals.insert(name.to_owned(), local);
        Ok(self.slot(name))
    }
}

fn cell_word(word: &str) -> Result<Var, String> {
    match word {
        "value" => Ok(Var::Value),
        "version" => Ok(Var::CellVersion),
        "age" => Ok(Var::Age),
        "key" => Ok(Var::Key),
        _ => Err(format!(
            "\"{word}\" is not known at a cell; known are value, version, age, key, now, and names with a dollar sign"
        )),
    }
}
