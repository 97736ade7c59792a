//! Values and texts that are filled in as a step runs.

use super::{MapRef, Slot};
use crate::expr::Expr;
use crate::value::Value;

/// A value made from others.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// A value.
    Constant(Value),
    /// A name with a dollar sign, alone: its value with its type.
    Var(Var),
    /// Text with names in it.
    Text(Vec<Piece>),
    /// An expression, after `=`.
    Expr(Expr<Var>),
}

impl Template {
    /// Its value where the settings have decided it.
    pub(crate) fn constant(&self) -> Option<Value> {
        match self {
            Template::Constant(value) => Some(value.clone()),
            Template::Expr(expr) => expr.constant(),
            Template::Var(_) | Template::Text(_) => None,
        }
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it is.
    Literal(String),
    /// Filled in.
    Var(Var),
}

/// A name in an expression of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Var {
    /// `$order`, `$left.version`: carried or local.
    Slot(Slot),
    /// `$try`: the number of this try, from 1.
    Try,
    /// `$reason`: of the outcome just caught.
    Reason,
    /// `$version`: of this replica.
    ReplicaVersion,
    /// `now`, in nanoseconds, on the wall clock of the node.
    Now,
    /// `value`: of the cell.
    Value,
    /// `version`: of the cell.
    CellVersion,
    /// `age`: nanoseconds since the cell was last set; null for a cell that never was.
    Age,
    /// `key`: of the cell.
    Key,
    /// Another map of the same owner; the name of a [`Kind::Cell`](crate::expr::Kind::Cell).
    Map(MapRef),
}
