//! A mistake in a scenario is told with its place, the line it stands in, and what would be right; all of them at once.

use std::fmt;
use std::sync::Arc;

use crate::json::{Json, Path, Place};

/// A stretch of a text, in bytes; `start` included, `end` not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From `start` up to `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }

    /// From the start of this one to the end of the other.
    pub const fn to(self, other: Span) -> Self {
        Span { start: self.start, end: other.end }
    }
}

/// Whether a scenario can run in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, and probably does something else than its author wants.
    Warning,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether the scenario can run in spite of it.
    pub severity: Severity,
    /// Where in the tree, such as `nodes.shop.endpoints.pay[2]`; empty for the file as a whole and for the command line.
    pub path: String,
    /// Counted from 1; 0 when it does not stand in the file.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// A mistake that was not made in the file but on the command line.
    pub fn outside(message: impl Into<String>) -> Self {
        Problem { severity: Severity::Error, path: String::new(), line: 0, column: 0, message: message.into() }
    }
}

/// A file that was read: what problems point into.
#[derive(Debug)]
pub struct Source {
    file: String,
    text: String,
    root: Json,
}

impl Source {
    /// The file's name, its text, and the tree in it.
    pub fn new(file: &str, text: &str, root: Json) -> Arc<Self> {
        Arc::new(Source { file: file.to_owned(), text: text.to_owned(), root })
    }

    /// The name the file was opened by.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The text as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tree as it was read, settings not yet filled in.
    pub fn root(&self) -> &Json {
        &self.root
    }

    /// The place of a stretch of the text of the value at `span`; of all the value when it was not written as it is now.
    pub fn inside(&self, span: Span, text: &str, inside: Span) -> Span {
        let written =
            self.text.get(span.start..span.end).and_then(|quoted| quoted.strip_prefix('"')?.strip_suffix('"'));
        if written != Some(text) {
            return span;
        }
        Span::new(span.start + 1 + inside.start, span.start + 1 + inside.end)
    }

    /// The problem that stands at `span`; its path is that of the innermost value or key there.
    pub fn problem(&self, severity: Severity, span: Span, message: impl Into<String>) -> Problem {
        let Place { line, column } = Place::of(&self.text, span.start);
        let path = Path::to(&self.root, span.start).to_string();
        Problem { severity, path, line, column, message: message.into() }
    }
}

/// The problems of one file, in its order.
#[derive(Clone, Debug)]
pub struct Problems {
    source: Arc<Source>,
    list: Vec<Problem>,
    /// How many errors and warnings there were beyond those that are kept.
    more: [usize; 2],
}

/// Errors, and warnings, that are kept; nobody reads on, and a long file that is wrong throughout would be told for hours.
const KEPT: usize = 1_000;

impl Problems {
    /// None yet.
    pub fn new(source: Arc<Source>) -> Self {
        Problems { source, list: Vec::new(), more: [0, 0] }
    }

    /// One more, put where it belongs in the order of the file; a repetition is dropped.
    pub fn push(&mut self, problem: Problem) {
        if !self.has_room(problem.severity) {
            return;
        }
        let at = self.list.partition_point(|known| (known.line, known.column) <= (problem.line, problem.column));
        if !self.list.contains(&problem) {
            self.list.insert(at, problem);
        }
    }

    /// An error at a place of the file.
    pub fn error(&mut self, span: Span, message: impl Into<String>) {
        self.add(Severity::Error, span, message);
    }

    /// A warning at a place of the file.
    pub fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.add(Severity::Warning, span, message);
    }

    fn add(&mut self, severity: Severity, span: Span, message: impl Into<String>) {
        if self.has_room(severity) {
            self.push(self.source.problem(severity, span, message));
        }
    }

    /// Whether another is kept; one that is not is counted.
    fn has_room(&mut self, severity: Severity) -> bool {
        let full =
            self.list.len() >= KEPT && self.list.iter().filter(|known| known.severity == severity).count() >= KEPT;
        self.more[severity as usize] += usize::from(full);
        !full
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// How many there are, warnings included.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether one of them keeps the scenario from running.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// `Ok` with these as warnings, or `Err` with all when one is an error.
    pub fn into_result(self) -> Result<Problems, Problems> {
        if self.has_errors() { Err(self) } else { Ok(self) }
    }
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    /// Writes `FILE:LINE:COLUMN: PATH: message` for each, then its line and a caret below the place.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            self.write_one(out, problem)?;
        }
        for (more, what) in self.more.iter().zip(["errors", "warnings"]).filter(|(more, _)| **more > 0) {
            write!(out, "\nand {more} more {what}")?;
        }
        Ok(())
    }
}

impl Problems {
    fn write_one(&self, out: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let Problem { severity, path, line, column, message } = problem;
        let colon = |text: &str| if text.is_empty() { String::new() } else { format!("{text}: ") };
        let grade = match severity {
            Severity::Error => "",
            Severity::Warning => "warning",
        };
        if *line == 0 {
            return write!(out, "{}{message}", colon(grade));
        }
        write!(out, "{}:{line}:{column}: {}{}{message}", self.source.file, colon(path), colon(grade))?;
        let text = self.source.text.lines().nth(line - 1).unwrap_or_default();
        let (shown, caret) = window(text, *column);
        write!(out, "\n  {shown}\n  {:caret$}^", "")
    }
}

/// `; did you mean "retry"?`, or nothing when no known word is near.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    let near = near.filter(|(distance, known)| *distance <= 2 && *distance < known.len().min(word.len()));
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| format!("; did you mean \"{known}\"?"))
        .unwrap_or_default()
}

/// The part of a line around a column that fits a terminal, and how far in it the column is.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 100;
    const BEFORE: usize = 60;
    let plain = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    let (length, at) = (line.chars().count(), column - 1);
    let from = if length <= WIDTH { 0 } else { at.saturating_sub(BEFORE) };
    let mut shown: String = plain.skip(from).take(WIDTH).collect();
    if from > 0 {
        shown = shown.chars().enumerate().map(|(index, c)| if index == 0 { '…' } else { c }).collect();
    }
    if from + WIDTH < length {
        shown.push('…');
    }
    (shown.trim_end().to_owned(), at - from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn problems_come_in_file_order_with_line_and_caret() {
        let text = "{\"a\": [1,\n  {\"é\": 2}]}";
        let root = json::parse(text).unwrap();
        let mut problems = Problems::new(Source::new("x.json", text, root));
        problems.warn(Span::new(19, 20), "late");
        problems.error(Span::new(0, 1), "first");
        problems.error(Span::new(7, 8), "early");
        problems.error(Span::new(7, 8), "early");
        assert_eq!(
            problems.to_string(),
            "x.json:1:1: first\n  {\"a\": [1,\n  ^\n\
             x.json:1:8: a[0]: early\n  {\"a\": [1,\n         ^\n\
             x.json:2:9: a[1][\"é\"]: warning: late\n    {\"é\": 2}]}\n          ^"
        );
    }

    #[test]
    fn of_a_long_line_only_the_neighbourhood_is_shown() {
        let line = format!("{}X{}", "a".repeat(200), "b".repeat(200));
        let (shown, caret) = window(&line, 201);
        assert_eq!(shown.chars().nth(caret), Some('X'));
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.chars().count() <= 101);
        assert_eq!(window("\tshort", 2), (" short".to_owned(), 1));
    }
}
