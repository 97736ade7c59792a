//! A mistake in a fault is answered with the word, its place and what would be right.

use std::fmt;

/// What is wrong with the text of a fault, where, and what to write instead.
///
/// ```
/// use sim_core::Fault;
/// let error = "1s..4s partiton a | b".parse::<Fault>().unwrap_err();
/// assert_eq!(error.to_string(), r#""partiton" is not a fault; did you mean "partition"?"#);
/// assert_eq!(error.column, 8);
/// assert_eq!(error.caret(), "1s..4s partiton a | b\n       ^^^^^^^^");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultError {
    /// What sort of mistake it is, for a program to tell them apart.
    pub kind: FaultErrorKind,
    /// What is wrong, without the suggestion and the advice.
    pub message: String,
    /// The word that was probably meant, when one is near.
    pub suggestion: Option<String>,
    /// What to do, when a word to put there does not say it.
    pub advice: Option<String>,
    /// The word at fault; empty when something is missing at the end.
    pub word: Box<str>,
    /// Where the word begins in [`text`](Self::text), in characters, from 1.
    pub column: usize,
    /// The line that was read; of a fault that was checked without its text, the line as the fault prints.
    pub text: Box<str>,
}

/// The sorts of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultErrorKind {
    /// The text does not follow the grammar.
    Grammar,
    /// The text is well formed and names a node that is not there.
    UnknownNode,
}

impl FaultError {
    /// A mistake at the word that begins at that byte of the text.
    pub(super) fn new(kind: FaultErrorKind, text: &str, at: usize, word: &str, message: String) -> FaultError {
        let column = text[..at].chars().count() + 1;
        FaultError { kind, message, suggestion: None, advice: None, word: word.into(), column, text: text.into() }
    }

    pub(super) fn suggest(self, suggestion: Option<String>) -> FaultError {
        FaultError { suggestion, ..self }
    }

    pub(super) fn advise(self, advice: impl Into<String>) -> FaultError {
        FaultError { advice: Some(advice.into()), ..self }
    }

    /// The line, and below it a line that points at the word.
    pub fn caret(&self) -> String {
        let line: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let pointer = "^".repeat(self.word.chars().count().max(1));
        format!("{line}\n{:blank$}{pointer}", "", blank = self.column - 1)
    }
}

impl fmt::Display for FaultError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(out, "; did you mean \"{suggestion}\"?")?;
        }
        let Some(advice) = &self.advice else { return Ok(()) };
        out.write_str(if self.suggestion.is_some() { " " } else { "; " })?;
        out.write_str(advice)
    }
}

impl std::error::Error for FaultError {}
