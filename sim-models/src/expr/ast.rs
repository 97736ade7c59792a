//! The tree of an expression, generic over what its names have become, and how it is written.

use std::fmt;
use std::sync::Arc;

use sim_core::{Duration, Ratio};

use crate::problem::Span;

/// An expression whose names are of type `N`: as parsed [`Name`], after [`Expr::resolve`] whatever the caller made of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr<N = Name> {
    /// Where it stands in the text it was parsed from.
    pub span: Span,
    /// What it is.
    pub kind: Kind<N>,
}

/// What an expression can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind<N> {
    /// `5`, `30s`, `'PAID'`, `null`.
    Literal(Literal),
    /// `$order`, `charged.first`, `shop->gateway.retries`.
    Name(N),
    /// `orders.status[$order]`: one cell of a map.
    Cell(N, Box<Expr<N>>),
    /// `!a`
    Not(Box<Expr<N>>),
    /// `-a`
    Negate(Box<Expr<N>>),
    /// `a + b`, `min(a, b)`
    Binary(Op, Box<[Expr<N>; 2]>),
}

/// A value that is written out.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `17`
    Int(i64),
    /// `30s`: its nanoseconds where integers decide, its seconds in a metric.
    Duration(Duration),
    /// `5%`: its parts per 10¹² where integers decide, its fraction in a metric.
    Ratio(Ratio),
    /// `0.95`: only in metrics.
    Decimal(f64),
    /// `'PAID'`
    Text(Arc<str>),
}

/// What joins two expressions, from the loosest to the tightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Op {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Min,
    Max,
}

/// A name as it is written; what it means depends on the place.
#[derive(Clone, Debug, PartialEq)]
pub enum Name {
    /// `$order`: carried by the request or bound by `as`; also `$try`, `$reason`, `$version`, `$message`.
    Local(String),
    /// `$left.version`: the version that came with a value that was read.
    LocalVersion(String),
    /// `charged`, `value`, `now`.
    Plain(String),
    /// `charged.first`, `db.calls`.
    Dotted(String, String),
    /// `shop->gateway.retries`
    Edge {
        /// Who calls.
        from: String,
        /// Who is called.
        to: String,
        /// What is counted there.
        counter: String,
    },
    /// The map of a [`Kind::Cell`]: `orders.status` before `[$order]`; without a node it is one of the store or node at hand.
    Map {
        /// The store, when it is named.
        node: Option<String>,
        /// The map.
        map: String,
    },
    /// `count(charged > 1)`: the number of keys for which it holds.
    Count(Box<Expr<Name>>),
    /// `total(sold)`: the fact's count over all keys.
    Total(String),
}

impl<N> Expr<N> {
    /// The same expression with every name replaced by what `slot` finds for it; the first one not found is the error.
    ///
    /// The names inside a [`Name::Count`] are the caller's to resolve, since they are asked about keys.
    pub fn resolve<M, E>(&self, slot: &mut impl FnMut(&N, Span) -> Result<M, E>) -> Result<Expr<M>, E> {
        let kind = match &self.kind {
            Kind::Literal(literal) => Kind::Literal(literal.clone()),
            Kind::Name(name) => Kind::Name(slot(name, self.span)?),
            Kind::Cell(map, key) => Kind::Cell(slot(map, self.span)?, Box::new(key.resolve(slot)?)),
            Kind::Not(inner) => Kind::Not(Box::new(inner.resolve(slot)?)),
            Kind::Negate(inner) => Kind::Negate(Box::new(inner.resolve(slot)?)),
            Kind::Binary(op, sides) => Kind::Binary(*op, Box::new([sides[0].resolve(slot)?, sides[1].resolve(slot)?])),
        };
        Ok(Expr { span: self.span, kind })
    }
}

impl Op {
    /// How it is written.
    pub const fn text(self) -> &'static str {
        match self {
            Op::Or => "||",
            Op::And => "&&",
            Op::Equal => "==",
            Op::NotEqual => "!=",
            Op::Less => "<",
            Op::LessOrEqual => "<=",
            Op::Greater => ">",
            Op::GreaterOrEqual => ">=",
            Op::Add => "+",
            Op::Subtract => "-",
            Op::Multiply => "*",
            Op::Divide => "/",
            Op::Remainder => "%",
            Op::Min => "min",
            Op::Max => "max",
        }
    }

    /// How tightly it binds; the functions bind like names.
    pub(super) const fn strength(self) -> u8 {
        match self {
            Op::Or => 1,
            Op::And => 2,
            Op::Equal | Op::NotEqual | Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => COMPARISON,
            Op::Add | Op::Subtract => 4,
            Op::Multiply | Op::Divide | Op::Remainder => 5,
            Op::Min | Op::Max => ATOM,
        }
    }
}

pub(super) const COMPARISON: u8 = 3;
pub(super) const UNARY: u8 = 6;
const ATOM: u8 = 7;

impl<N> Expr<N> {
    fn strength(&self) -> u8 {
        match &self.kind {
            Kind::Binary(op, _) => op.strength(),
            Kind::Not(_) | Kind::Negate(_) => UNARY,
            Kind::Literal(_) | Kind::Name(_) | Kind::Cell(..) => ATOM,
        }
    }
}

impl<N: fmt::Display> Expr<N> {
    /// Writes it, in parentheses when it binds less than `strength`.
    fn write(&self, out: &mut fmt::Formatter<'_>, strength: u8) -> fmt::Result {
        if self.strength() < strength { write!(out, "({self})") } else { write!(out, "{self}") }
    }
}

impl<N: fmt::Display> fmt::Display for Expr<N> {
    /// Writes it with as few parentheses as it can be read back by.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Literal(literal) => write!(out, "{literal}"),
            Kind::Name(name) => write!(out, "{name}"),
            Kind::Cell(map, key) => write!(out, "{map}[{key}]"),
            Kind::Not(inner) => {
                out.write_str("!")?;
                inner.write(out, UNARY)
            }
            Kind::Negate(inner) => {
                out.write_str("-")?;
                inner.write(out, UNARY)
            }
            Kind::Binary(op @ (Op::Min | Op::Max), sides) => write!(out, "{}({}, {})", op.text(), sides[0], sides[1]),
            Kind::Binary(op, sides) => {
                // Comparisons do not chain, so that one inside another is in parentheses on either side.
                let left = if op.strength() == COMPARISON { COMPARISON + 1 } else { op.strength() };
                sides[0].write(out, left)?;
                write!(out, " {} ", op.text())?;
                sides[1].write(out, op.strength() + 1)
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Null => out.write_str("null"),
            Literal::Bool(truth) => write!(out, "{truth}"),
            Literal::Int(number) => write!(out, "{number}"),
            Literal::Duration(length) => write!(out, "{length}"),
            Literal::Ratio(ratio) => write!(out, "{ratio}"),
            // Never with an exponent, which the language does not have, and always with a point.
            Literal::Decimal(number) if number.fract() == 0.0 => write!(out, "{number}.0"),
            Literal::Decimal(number) => write!(out, "{number}"),
            Literal::Text(text) => write!(out, "'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Local(name) => write!(out, "${name}"),
            Name::LocalVersion(name) => write!(out, "${name}.version"),
            Name::Plain(name) | Name::Map { node: None, map: name } => out.write_str(name),
            Name::Dotted(name, part) | Name::Map { node: Some(name), map: part } => write!(out, "{name}.{part}"),
            Name::Edge { from, to, counter } => write!(out, "{from}->{to}.{counter}"),
            Name::Count(condition) => write!(out, "count({condition})"),
            Name::Total(fact) => write!(out, "total({fact})"),
        }
    }
}
