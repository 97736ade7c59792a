//! Reads Rust files as text, for the tests that hold the sources themselves to a promise.
//!
//! It knows just enough of Rust to tell code from comments and literals; it has never heard of types.

use std::fs;
use std::path::{Path, PathBuf};

/// A piece of code; comments are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name or keyword.
    Word(String),
    /// A text, its escapes as they are written.
    Text(String),
    /// Any other character that is no blank.
    Mark(char),
}

/// The top of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is a member").to_owned()
}

/// The Rust files under a folder of the workspace, by their paths in it, in order.
pub fn rust_files(folder: &str) -> Vec<PathBuf> {
    let (mut open, mut found) = (vec![workspace().join(folder)], Vec::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(workspace()).expect("it is inside").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The code of a file of the workspace without its `#[cfg(test)]` modules.
pub fn product_code(path: &Path) -> Vec<Token> {
    let text = fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    without_tests(&tokens(&text))
}

/// Text as code.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut found) = (0, Vec::new());
    while let Some(&c) = chars.get(at) {
        let next = chars.get(at + 1).copied();
        at = match (c, next) {
            ('/', Some('/')) => until(&chars, at, |c| c == '\n'),
            ('/', Some('*')) => after_block_comment(&chars, at),
            ('"', _) => plain_text(&chars, at, &mut found),
            ('r', Some('"' | '#')) if raw_text_starts(&chars, at) => raw_text(&chars, at, &mut found),
            ('\'', _) => after_quote(&chars, at),
            _ if c.is_alphanumeric() || c == '_' => {
                let end = until(&chars, at, |c| !(c.is_alphanumeric() || c == '_'));
                found.push(Token::Word(chars[at..end].iter().collect()));
                end
            }
            _ => {
                if !c.is_whitespace() {
                    found.push(Token::Mark(c));
                }
                at + 1
            }
        };
    }
    found
}

fn until(chars: &[char], from: usize, ends: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|c| ends(*c)).map_or(chars.len(), |length| from + length)
}

fn after_block_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn plain_text(chars: &[char], from: usize, found: &mut Vec<Token>) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    found.push(Token::Text(chars[from + 1..at.min(chars.len())].iter().collect()));
    at + 1
}

fn raw_text_starts(chars: &[char], from: usize) -> bool {
    chars.get(until(chars, from + 1, |c| c != '#')) == Some(&'"')
}

fn raw_text(chars: &[char], from: usize, found: &mut Vec<Token>) -> usize {
    let quote = until(chars, from + 1, |c| c != '#');
    let hashes = quote - from - 1;
    let closes = |at: usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let end = (quote + 1..chars.len()).find(|at| closes(*at)).unwrap_or(chars.len());
    found.push(Token::Text(chars[quote + 1..end].iter().collect()));
    end + 1 + hashes
}

/// Behind a character literal, or behind the quote of a lifetime.
fn after_quote(chars: &[char], from: usize) -> usize {
    match (chars.get(from + 1), chars.get(from + 2)) {
        (Some('\\'), _) => until(chars, from + 3, |c| c == '\'') + 1,
        (_, Some('\'')) => from + 3,
        _ => from + 1,
    }
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let (mut at, mut kept) = (0, Vec::new());
    while at < tokens.len() {
        match after_test_module(&tokens[at..]) {
            Some(length) => at += length,
            None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

/// How many pieces a `#[cfg(test)] mod … { … }` takes that begins here.
fn after_test_module(tokens: &[Token]) -> Option<usize> {
    let head = "# [ cfg ( test ) ] mod".split(' ');
    let begins = head.clone().zip(tokens).all(|(word, token)| token.is(word));
    if !begins {
        return None;
    }
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(head.count()) {
        match token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') => depth -= 1,
            Token::Mark(';') if depth == 0 => return Some(at + 1),
            _ => continue,
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    Some(tokens.len())
}

impl Token {
    /// Whether this is that name, keyword or mark.
    pub fn is(&self, word: &str) -> bool {
        match self {
            Token::Word(name) => name == word,
            Token::Mark(mark) => word.chars().eq([*mark]),
            Token::Text(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_literals_are_told_apart() {
        let text =
            r###"/// "no" fn 'a: let x<'a> = "yes\"s" + r#"raw "one""# /* "no" /* */ "no" */ + '"' + '\'' + "z";"###;
        assert_eq!(tokens(text), []);
        let text = text.replace("/// ", "").replace("\"no\" fn", "fn");
        let texts: Vec<_> = tokens(&text).into_iter().filter(|token| matches!(token, Token::Text(_))).collect();
        assert_eq!(texts, ["yes\\\"s", "raw \"one\"", "z"].map(|text| Token::Text(text.to_owned())));
    }

    #[test]
    fn test_modules_are_left_out() {
        let text = "a; #[cfg(test)] mod tests { fn f() { b } } c; #[cfg(test)] mod more; d";
        let words: Vec<_> =
            without_tests(&tokens(text)).iter().filter(|t| matches!(t, Token::Word(_))).cloned().collect();
        assert_eq!(words, ["a", "c", "d"].map(|word| Token::Word(word.to_owned())));
    }
}
