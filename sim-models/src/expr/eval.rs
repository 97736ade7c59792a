//! What an expression is worth, given what its names are worth; with integers where something is decided, with floats in metrics.

use std::cmp::Ordering;
use std::sync::Arc;

use thiserror::Error;

use super::ast::{Expr, Kind, Literal, Op};
use crate::value::Value;

/// The longest text that a value holds, in bytes.
pub(crate) const TEXT_MAX: usize = 65_536;

/// Why an expression has no value; a finding in a run, never a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum EvalError {
    /// The result does not fit 64 bits.
    #[error("the result does not fit 64 bits")]
    Overflow,
    /// Divided by zero; a metric without anything to divide by has no value.
    #[error("divided by zero")]
    DivisionByZero,
    /// More text than a value holds: filled in again and again, it would double each time.
    #[error("the text is longer than {TEXT_MAX} bytes")]
    TooLong,
    /// Text where a number or a condition must be.
    #[error("text is neither a number nor a condition")]
    Text,
    /// Text compared by size with a number.
    #[error("text and a number have no order; compare them with == or !=")]
    Order,
}

/// A value in a metric.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Number {
    /// Absent.
    #[default]
    Null,
    /// A number; truth is 1 and falsehood 0, a length of time its seconds.
    Float(f64),
    /// Text, to compare with.
    Text(Arc<str>),
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Number::Float(number)
    }
}

impl From<&Value> for Number {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Number::Null,
            Value::Int(number) => Number::Float(*number as f64),
            Value::Text(text) => Number::Text(text.clone()),
        }
    }
}

impl Number {
    /// The number, when it is one.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Number::Float(number) => Some(*number),
            Number::Null | Number::Text(_) => None,
        }
    }

    /// As the key of a cell; a fraction is cut off, since keys are whole.
    fn into_key(self) -> Value {
        match self {
            Number::Null => Value::Null,
            Number::Float(number) => Value::Int(number as i64),
            Number::Text(text) => Value::Text(text),
        }
    }

    fn truth(&self) -> Result<bool, EvalError> {
        match self {
            Number::Null => Ok(false),
            Number::Float(number) => Ok(*number != 0.0),
            Number::Text(_) => Err(EvalError::Text),
        }
    }

    fn number(&self) -> Result<f64, EvalError> {
        match self {
            Number::Null => Ok(0.0),
            Number::Float(number) => Ok(*number),
            Number::Text(_) => Err(EvalError::Text),
        }
    }
}

/// What comes of it if no name is asked for on the way.
fn unasked<N, T>(value: impl FnOnce(&mut dyn FnMut(&N, Option<&Value>) -> Value) -> Result<T, EvalError>) -> Option<T> {
    let mut asked = false;
    let value = value(&mut |_, _| {
        asked = true;
        Value::Null
    });
    value.ok().filter(|_| !asked)
}

impl<N> Expr<N> {
    /// Whether it has one of these names in it.
    pub(crate) fn mentions(&self, wanted: &mut dyn FnMut(&N) -> bool) -> bool {
        match &self.kind {
            Kind::Literal(_) => false,
            Kind::Name(name) => wanted(name),
            Kind::Cell(map, key) => wanted(map) || key.mentions(wanted),
            Kind::Not(inner) | Kind::Negate(inner) => inner.mentions(wanted),
            Kind::Binary(_, sides) => sides.iter().any(|side| side.mentions(wanted)),
        }
    }

    /// What it comes to where no name has to be asked for: the settings have decided it.
    pub(crate) fn constant(&self) -> Option<Value> {
        unasked(|mut env| self.eval(&mut env))
    }

    /// The same of a condition.
    pub(crate) fn is_decided(&self) -> Option<bool> {
        unasked(|mut env| self.is_true(&mut env))
    }

    /// Its value in integers. `env` gives a name's value; for a cell it gets the map's name and the key.
    pub fn eval(&self, env: &mut impl FnMut(&N, Option<&Value>) -> Value) -> Result<Value, EvalError> {
        match &self.kind {
            Kind::Literal(literal) => Ok(integer_literal(literal)),
            Kind::Name(name) => Ok(env(name, None)),
            Kind::Cell(map, key) => {
                let key = key.eval(env)?;
                Ok(env(map, Some(&key)))
            }
            Kind::Not(inner) => Ok(Value::from(!inner.is_true(env)?)),
            Kind::Negate(inner) => int(&inner.eval(env)?)?.checked_neg().map(Value::Int).ok_or(EvalError::Overflow),
            Kind::Binary(Op::And, sides) => Ok(Value::from(sides[0].is_true(env)? && sides[1].is_true(env)?)),
            Kind::Binary(Op::Or, sides) => Ok(Value::from(sides[0].is_true(env)? || sides[1].is_true(env)?)),
            Kind::Binary(op @ (Op::Equal | Op::NotEqual), sides) => {
                let are_equal = match (&sides[0].kind, &sides[1].kind) {
                    (Kind::Literal(literal), _) => is_literally(literal, &sides[1].eval(env)?),
                    (_, Kind::Literal(literal)) => is_literally(literal, &sides[0].eval(env)?),
                    _ => sides[0].eval(env)? == sides[1].eval(env)?,
                };
                Ok(Value::from(are_equal == (*op == Op::Equal)))
            }
            Kind::Binary(op, sides) => integers(*op, &sides[0].eval(env)?, &sides[1].eval(env)?),
        }
    }

    /// Whether it holds: neither null nor 0.
    pub fn is_true(&self, env: &mut impl FnMut(&N, Option<&Value>) -> Value) -> Result<bool, EvalError> {
        match self.eval(env)? {
            Value::Null => Ok(false),
            Value::Int(number) => Ok(number != 0),
            Value::Text(_) => Err(EvalError::Text),
        }
    }

    /// Its value in floats, for metrics. `env` gives a name's value, lengths and instants in seconds.
    pub fn eval_number(&self, env: &mut impl FnMut(&N, Option<&Value>) -> Number) -> Result<Number, EvalError> {
        let truth = |truth: bool| Ok(Number::Float(f64::from(u8::from(truth))));
        match &self.kind {
            Kind::Literal(literal) => Ok(float_literal(literal)),
            Kind::Name(name) => Ok(env(name, None)),
            Kind::Cell(map, key) => {
                let key = key.eval_number(env)?.into_key();
                Ok(env(map, Some(&key)))
            }
            Kind::Not(inner) => truth(!inner.is_true_number(env)?),
            Kind::Negate(inner) => Ok(Number::Float(-inner.eval_number(env)?.number()?)),
            Kind::Binary(Op::And, sides) => truth(sides[0].is_true_number(env)? && sides[1].is_true_number(env)?),
            Kind::Binary(Op::Or, sides) => truth(sides[0].is_true_number(env)? || sides[1].is_true_number(env)?),
            Kind::Binary(op, sides) => floats(*op, &sides[0].eval_number(env)?, &sides[1].eval_number(env)?),
        }
    }

    /// Whether it holds in floats: neither null nor 0.
    pub fn is_true_number(&self, env: &mut impl FnMut(&N, Option<&Value>) -> Number) -> Result<bool, EvalError> {
        self.eval_number(env)?.truth()
    }
}

fn integer_literal(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(truth) => Value::from(*truth),
        Literal::Int(number) => Value::Int(*number),
        // The parser lets neither a longer length nor a decimal in.
        Literal::Duration(length) => Value::Int(length.nanos() as i64),
        Literal::Ratio(ratio) => Value::Int(ratio.parts() as i64),
        Literal::Decimal(number) => Value::Int(*number as i64),
        Literal::Text(text) => Value::Text(text.clone()),
    }
}

/// Whether a value is this one, of which no copy is made.
fn is_literally(literal: &Literal, value: &Value) -> bool {
    match (literal, value) {
        (Literal::Text(text), Value::Text(value)) => text == value,
        (Literal::Text(_), Value::Null | Value::Int(_)) => false,
        (literal, value) => integer_literal(literal) == *value,
    }
}

fn float_literal(literal: &Literal) -> Number {
    match literal {
        Literal::Null => Number::Null,
        Literal::Bool(truth) => Number::Float(f64::from(u8::from(*truth))),
        Literal::Int(number) => Number::Float(*number as f64),
        Literal::Duration(length) => Number::Float(length.as_secs_f64()),
        Literal::Ratio(ratio) => Number::Float(ratio.as_f64()),
        Literal::Decimal(number) => Number::Float(*number),
        Literal::Text(text) => Number::Text(text.clone()),
    }
}

/// In arithmetic null is 0.
fn int(value: &Value) -> Result<i64, EvalError> {
    match value {
        Value::Null => Ok(0),
        Value::Int(number) => Ok(*number),
        Value::Text(_) => Err(EvalError::Text),
    }
}

fn integers(op: Op, left: &Value, right: &Value) -> Result<Value, EvalError> {
    match op {
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => match (left, right) {
            (Value::Null, _) | (_, Value::Null) => Ok(Value::from(false)),
            (Value::Int(left), Value::Int(right)) => Ok(Value::from(holds(op, left.cmp(right)))),
            (Value::Text(left), Value::Text(right)) => Ok(Value::from(holds(op, left.cmp(right)))),
            (Value::Int(_), Value::Text(_)) | (Value::Text(_), Value::Int(_)) => Err(EvalError::Order),
        },
        _ => integer_arithmetic(op, int(left)?, int(right)?),
    }
}

fn integer_arithmetic(op: Op, left: i64, right: i64) -> Result<Value, EvalError> {
    let result = match op {
        Op::Add => left.checked_add(right),
        Op::Subtract => left.checked_sub(right),
        Op::Multiply => left.checked_mul(right),
        Op::Divide | Op::Remainder if right == 0 => return Err(EvalError::DivisionByZero),
        Op::Divide => left.checked_div(right),
        Op::Remainder => left.checked_rem(right),
        Op::Min => Some(left.min(right)),
        Op::Max => Some(left.max(right)),
        _ => unreachable!("{} is no arithmetic", op.text()),
    };
    result.map(Value::Int).ok_or(EvalError::Overflow)
}

fn floats(op: Op, left: &Number, right: &Number) -> Result<Number, EvalError> {
    let truth = |truth: bool| Ok(Number::Float(f64::from(u8::from(truth))));
    match op {
        Op::Equal => truth(left == right),
        Op::NotEqual => truth(left != right),
        Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual => match (left, right) {
            (Number::Null, _) | (_, Number::Null) => truth(false),
            (Number::Float(left), Number::Float(right)) => {
                truth(left.partial_cmp(right).is_some_and(|order| holds(op, order)))
            }
            (Number::Text(left), Number::Text(right)) => truth(holds(op, left.cmp(right))),
            (Number::Float(_), Number::Text(_)) | (Number::Text(_), Number::Float(_)) => Err(EvalError::Order),
        },
        _ => float_arithmetic(op, left.number()?, right.number()?),
    }
}

fn float_arithmetic(op: Op, left: f64, right: f64) -> Result<Number, EvalError> {
    Ok(Number::Float(match op {
        Op::Add => left + right,
        Op::Subtract => left - right,
        Op::Multiply => left * right,
        Op::Divide | Op::Remainder if right == 0.0 => return Err(EvalError::DivisionByZero),
        Op::Divide => left / right,
        Op::Remainder => left % right,
        Op::Min => left.min(right),
        Op::Max => left.max(right),
        _ => unreachable!("{} is no arithmetic", op.text()),
    }))
}

/// Whether `<` or one of its kin holds of two values in this order.
fn holds(op: Op, order: Ordering) -> bool {
    match op {
        Op::Less => order.is_lt(),
        Op::LessOrEqual => order.is_le(),
        Op::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arithmetic, Name};
    use super::*;

    fn world(name: &Name, key: Option<&Value>) -> Value {
        match (name.to_string().as_str(), key) {
            ("n", None) => Value::Int(7),
            ("text", None) => Value::from("abc"),
            ("map", Some(key)) if *key == Value::Int(8) => Value::from("eight"),
            _ => Value::Null,
        }
    }

    fn check(text: &str, expected: &str) {
        let value = Expr::parse(text, Arithmetic::Integers).unwrap().eval(&mut world);
        assert_eq!(value.map_or_else(|error| format!("{error:?}"), |value| value.to_string()), expected, "{text}");
    }

    fn check_float(text: &str, expected: &str) {
        let mut env = |name: &Name, key: Option<&Value>| Number::from(&world(name, key));
        let value = Expr::parse(text, Arithmetic::Floats).unwrap().eval_number(&mut env);
        assert_eq!(value.map_or_else(|error| format!("{error:?}"), |value| format!("{value:?}")), expected, "{text}");
    }

    #[test]
    fn integers_decide() {
        for (text, expected) in [
            ("n * 2 - 4 % 3", "13"),
            ("-n < 0 && n >= 7", "1"),
            ("map[n + 1] == 'eight'", "1"),
            ("map[n]", "null"),
            ("90s - 1m", "30000000000"),
            ("5% < 6%", "1"),
            ("min(n, 3) + max(n, 3)", "10"),
            ("true + true", "2"),
            ("!nothing", "1"),
            ("'b' > text", "1"),
            ("-9223372036854775808 % -1", "Overflow"),
            ("--9223372036854775808", "Overflow"),
            ("9223372036854775807 * 2", "Overflow"),
            ("n % (n - 7)", "DivisionByZero"),
            ("text + 1", "Text"),
            ("text && 1", "Text"),
            ("text < 1", "Order"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn null_equals_only_null_is_in_no_order_and_counts_as_zero() {
        for (text, expected) in [
            ("nothing == null", "1"),
            ("nothing == 0", "0"),
            ("text == 3", "0"),
            ("nothing < 1", "0"),
            ("nothing >= nothing", "0"),
            ("nothing - 1", "-1"),
            ("max(nothing, -3)", "0"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn the_second_side_is_asked_only_when_it_matters() {
        check("nothing && text < 1", "0");
        check("n || text < 1", "1");
        check("n && text < 1", "Order");
    }

    #[test]
    fn metrics_are_floating_and_time_in_seconds() {
        for (text, expected) in [
            ("n / 2", "Float(3.5)"),
            ("n >= 0.95 * 7", "Float(1.0)"),
            ("1500ms", "Float(1.5)"),
            ("10% * n", "Float(0.7000000000000001)"),
            ("n / nothing", "DivisionByZero"),
            ("map[n + 1]", "Text(\"eight\")"),
            ("nothing", "Null"),
            ("9223372036854775807 * 2", "Float(1.8446744073709552e19)"),
        ] {
            check_float(text, expected);
        }
    }
}
