//! The words of an expression, each with its place.

use sim_core::{Duration, Ratio};

use super::parser::ExprError;
use crate::problem::Span;

/// One word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Unsigned, because the sign is an operator and the smallest number has no positive twin.
    Int(u64),
    Decimal(f64),
    Duration(Duration),
    Ratio(Ratio),
    Text(String),
    /// A name or a word of the language, such as `null` or `count`.
    Word(String),
    /// `$name`
    Local(String),
    Symbol(&'static str),
    End,
}

/// The longer ones first, since the first that fits is taken.
const SYMBOLS: [&str; 21] =
    ["->", "<=", ">=", "==", "!=", "&&", "||", "<", ">", "!", "-", "*", "/", "%", "+", "(", ")", "[", "]", ",", "."];

/// What people write in its place, and what would be right.
const HINTS: [(&str, &str); 8] = [
    ("\"", "text is written 'text', in single quotes"),
    ("=", "is it equal? write \"==\""),
    ("&", "for and, write \"&&\""),
    ("|", "for or, write \"||\""),
    ("≥", "write \">=\""),
    ("≤", "write \"<=\""),
    ("≠", "write \"!=\""),
    ("?", "a choice between steps is an \"if\" step"),
];

/// Whether it is a name of the language: `[a-z][a-z0-9_]*`.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// All words of the text, the last one being [`Token::End`]; their places are moved by `base`.
pub(super) fn tokens(text: &str, base: usize) -> Result<Vec<(Token, Span)>, ExprError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let rest = &text[at..];
        let span = |length: usize| Span::new(base + at, base + at + length);
        if rest.is_empty() {
            tokens.push((Token::End, span(0)));
            return Ok(tokens);
        }
        let (token, length) = token(rest).map_err(|(length, message)| ExprError { span: span(length), message })?;
        tokens.push((token, span(length)));
        at += length;
    }
}

/// The word that a text begins with and its length; or how much of it is wrong, and why.
fn token(rest: &str) -> Result<(Token, usize), (usize, String)> {
    let first = rest.chars().next().unwrap_or_default();
    match first {
        '0'..='9' => number(rest),
        '\'' => quoted(rest),
        '$' => local(rest),
        _ if is_word(first) => word(rest).map(|name| (Token::Word(name.to_owned()), name.len())),
        _ => symbol(rest, first),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(rest: &str) -> Result<&str, (usize, String)> {
    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let name = &rest[..length];
    if is_name(name) {
        return Ok(name);
    }
    Err((length, format!("\"{name}\" is no name (lower case letters, digits and _); text is written '{name}'")))
}

fn local(rest: &str) -> Result<(Token, usize), (usize, String)> {
    if rest.starts_with("${") {
        return Err((2, "a setting is filled in before this is read; is its name complete, \"${name}\"?".to_owned()));
    }
    match word(&rest[1..]) {
        Ok(name) => Ok((Token::Local(name.to_owned()), 1 + name.len())),
        Err((length, _)) => Err((1 + length, "after \"$\" comes a name, such as \"$order\"".to_owned())),
    }
}

fn symbol(rest: &str, first: char) -> Result<(Token, usize), (usize, String)> {
    if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        return Ok((Token::Symbol(symbol), symbol.len()));
    }
    let hint = HINTS.iter().find(|(wrong, _)| rest.starts_with(wrong));
    let hint = hint.map_or("it has no meaning in an expression", |(_, hint)| hint);
    Err((first.len_utf8(), format!("unexpected {first}: {hint}")))
}

/// `'text'`, in which `\'` is a quote and `\\` a backslash.
fn quoted(rest: &str) -> Result<(Token, usize), (usize, String)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok((Token::Text(text), at + 1)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('\'' | '\\'))) => text.push(escaped),
                _ => return Err((at + 1, "after \\ comes ' or \\".to_owned())),
            },
            _ => text.push(c),
        }
    }
    Err((rest.len(), "the text has no end; close it with '".to_owned()))
}

/// `17`, `0.95`, `1.5s`, `5%`.
fn number(rest: &str) -> Result<(Token, usize), (usize, String)> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut length = digits(rest);
    if let Some(fraction) = rest[length..].strip_prefix('.') {
        length += 1 + digits(fraction);
    }
    let unit = rest[length..].find(|c| !is_word(c)).unwrap_or(rest.len() - length);
    if unit > 0 {
        let text = &rest[..length + unit];
        return text.parse().map(|d| (Token::Duration(d), text.len())).map_err(|e| (text.len(), format!("{e}")));
    }
    if is_percent(&rest[length..]) {
        let text = &rest[..=length];
        return text.parse().map(|r| (Token::Ratio(r), text.len())).map_err(|e| (text.len(), format!("{e}")));
    }
    let text = &rest[..length];
    let decimal = || text.parse().ok().filter(|number: &f64| number.is_finite()).map(Token::Decimal);
    let token = if text.contains('.') { decimal() } else { text.parse().ok().map(Token::Int) };
    let token = token.filter(|_| !text.ends_with('.'));
    token.map(|token| (token, length)).ok_or_else(|| (length, format!("{text} is no number of 64 bits")))
}

/// Whether the `%` right behind a number is a percent sign; in `10%3` it is a remainder, because an operand follows.
fn is_percent(rest: &str) -> bool {
    rest.strip_prefix('%').is_some_and(|next| !next.starts_with(|c| is_word(c) || matches!(c, '$' | '(' | '\'')))
}
