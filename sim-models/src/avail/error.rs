//! What is wrong with an expression, and the place to look at.

use std::fmt;
use std::sync::Arc;

use crate::json::{Json, JsonValue};
use crate::problem::{Problems, Source, Span};

/// That something has no answer by the algebra, which simulation may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAlgebra {
    /// Why.
    pub why: String,
    /// What can be done, where nobody simulates yet.
    pub instead: &'static str,
}

impl fmt::Display for NoAlgebra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.why, self.instead)
    }
}

impl std::error::Error for NoAlgebra {}

/// A mistake in an expression, in a name bound beside it, or in a diagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailError {
    /// The name in whose meaning it stands; the expression itself when there is none.
    pub name: Option<String>,
    /// Where in that text.
    pub span: Span,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl AvailError {
    pub(super) fn new(span: Span, message: impl Into<String>) -> AvailError {
        AvailError { name: None, span, message: message.into() }
    }

    /// The same mistake, in the meaning of a name.
    pub(super) fn of_name(self, name: &str) -> AvailError {
        AvailError { name: Some(self.name.unwrap_or_else(|| name.to_owned())), ..self }
    }

    /// The message with the text it is about and a caret below the place.
    ///
    /// ```
    /// use sim_models::avail::Block;
    /// let text = "edge * 5of3(db)";
    /// let error = Block::parse(text).unwrap_err();
    /// assert_eq!(
    ///     error.pointed_at("expression", text).to_string(),
    ///     "expression:1:8: 5 of 3 cannot be: at least 1 and at most all 3 are needed\n  edge * 5of3(db)\n         ^"
    /// );
    /// ```
    pub fn pointed_at(&self, what: &str, text: &str) -> Problems {
        let root = Json { span: Span::default(), value: JsonValue::Null };
        let source = Source::new(what, text, root);
        let mut problems = Problems::new(Arc::clone(&source));
        problems.error(self.span, self.message.clone());
        problems
    }
}

impl fmt::Display for AvailError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(out, "{name}: {}", self.message),
            None => out.write_str(&self.message),
        }
    }
}

impl std::error::Error for AvailError {}
