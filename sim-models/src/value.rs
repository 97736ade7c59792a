//! What a cell of a store, a key of a request or a reply can hold: nothing, a whole number, or text.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A stored value. In order: nothing first, then numbers, then texts.
///
/// ```
/// use sim_models::value::Value;
/// assert!(Value::Null < Value::Int(-3) && Value::Int(i64::MAX) < Value::from("a"));
/// assert_eq!(Value::from("PAID").to_string(), "PAID");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Absent: the cell has never been set, or was deleted.
    #[default]
    Null,
    /// A whole number; truth is 1 and falsehood 0.
    Int(i64),
    /// Text, shared, because a key travels with every request it causes.
    Text(Arc<str>),
}

impl Value {
    /// Whether it is absent.
    pub const fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// A word of a file: keys of objects are always text there, and those of cells may be numbers.
    ///
    /// ```
    /// use sim_models::value::Value;
    /// assert_eq!(Value::of_word("17"), Value::Int(17));
    /// assert_eq!(Value::of_word("017"), Value::from("017"));
    /// ```
    pub fn of_word(word: &str) -> Value {
        match word.parse::<i64>() {
            Ok(number) if number.to_string() == word => Value::Int(number),
            _ => Value::from(word),
        }
    }

    /// The number, when it is one.
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Null | Value::Text(_) => None,
        }
    }

    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Null | Value::Int(_) => None,
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Int(i64::from(truth))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl fmt::Display for Value {
    /// Writes the bare value, as it fills a place in text: `null`, `17`, `PAID`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => out.write_str("null"),
            Value::Int(number) => write!(out, "{number}"),
            Value::Text(text) => out.write_str(text),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => out.serialize_unit(),
            Value::Int(number) => out.serialize_i64(*number),
            Value::Text(text) => out.serialize_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_as_json_writes_it() {
        let values = [Value::Null, Value::Int(-7), Value::from("it's")];
        assert_eq!(serde_json::to_string(&values).unwrap(), r#"[null,-7,"it's"]"#);
    }
}
