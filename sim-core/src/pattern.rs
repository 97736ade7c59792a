//! People point at nodes, kinds and operations by name, and at several nodes at once by a pattern.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Which nodes: a name in which `*` stands for any run of characters, none included.
///
/// ```
/// use sim_core::Pattern;
/// let pattern: Pattern = "db*".parse().unwrap();
/// assert!(pattern.matches("db") && pattern.matches("db-2"));
/// let worker: Pattern = "worker".parse().unwrap();
/// assert!(worker.covers("worker-2") && !worker.covers("workers") && !worker.matches("worker-2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(Box<str>);

/// One node, client or choice: a letter, then letters, digits, `_`, and `-` `.` `/` when a letter or digit follows.
///
/// So `worker-2->db` needs no blank: the arrow cannot be part of the name before it. Letters are those of ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// A [`Name`] that no operation could have (`charge`, but not `order/17`): a kind of message, a purpose of a draw.
///
/// The difference lets a line that forgot its kind, `drop a->b order/17 #1`, be told so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Name);

/// Names that differ in the number at their end, first and last included: `s1..s10`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameRange {
    stem: Box<str>,
    first: u64,
    last: u64,
}

/// A text that cannot stand as a name, and what could.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Characters that names do not have, or have elsewhere.
    #[error("\"{0}\" is not a name; a name is a letter, then letters, digits, _ and, inside, - . /")]
    NotAName(String),
    /// A word by which the grammar of faults finds its way.
    #[error("\"{0}\" is a word of the fault grammar and cannot be a name; call it something else")]
    Reserved(String),
    /// An operation where a kind or purpose should stand.
    #[error("\"{0}\" is an operation; a kind or purpose comes before it")]
    AnOperation(String),
    /// A range whose ends are not one name with two numbers.
    #[error("\"{0}..{1}\" is not a range of names; write one name with two numbers, such as s1..s10")]
    NotARange(String, String),
    /// A range that ends before it begins.
    #[error("\"{0}..{1}\" is reversed; write \"{1}..{0}\"")]
    Reversed(String, String),
    /// A range of more names than any run has nodes.
    #[error("\"{0}..{1}\" is more than 10000 names; write a pattern, such as s*")]
    TooLong(String, String),
}

/// Names without which a fault could not be read back: the words that end a list of names, and the answers of a draw.
const RESERVED: [&str; 10] = ["after", "at", "before", "cutting", "every", "for", "no", "the", "wiping", "yes"];

const LONGEST_RANGE: u64 = 10_000;

impl Pattern {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `*`, which every name matches; in a partition it means all the rest.
    pub fn is_all(&self) -> bool {
        &*self.0 == "*"
    }

    /// Whether the name has this shape; without a `*`, whether it is this name.
    pub fn matches(&self, name: &str) -> bool {
        let Some((head, rest)) = self.0.split_once('*') else { return *self.0 == *name };
        let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
        let inner = name.strip_prefix(head).and_then(|name| name.strip_suffix(tail));
        inner.is_some_and(|inner| holds_in_order(inner, middle.split('*')))
    }

    /// Whether it names this node: by its own name, or by the name of the service of which it is a replica.
    ///
    /// `worker` covers `worker` and `worker-2`, and neither `workers` nor `worker-x`.
    pub fn covers(&self, name: &str) -> bool {
        self.matches(name) || service_of(name).is_some_and(|service| self.matches(service))
    }
}

/// Whether the pieces are found in the text one after the other.
fn holds_in_order<'a>(mut text: &str, mut pieces: impl Iterator<Item = &'a str>) -> bool {
    pieces.all(|piece| match text.find(piece) {
        Some(at) => {
            text = &text[at + piece.len()..];
            true
        }
        None => false,
    })
}

/// `worker` for the replica `worker-2`.
/// Nodes by the names that a pattern without a `*` covers them by: each by its own, and by that of the service of which it is a
/// replica. So that of many patterns each is looked up, not held against every node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Called<'a>(BTreeMap<&'a str, Vec<usize>>);

impl<'a> Called<'a> {
    /// Of these names, each at its place.
    pub(crate) fn of(names: impl Iterator<Item = &'a str>) -> Self {
        let mut called: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, name) in names.enumerate() {
            for known_by in std::iter::once(name).chain(service_of(name)) {
                called.entry(known_by).or_default().push(place);
            }
        }
        Called(called)
    }

    /// The places that a pattern covers, in order; none when it has a `*`, and must be held against every name.
    pub(crate) fn by(&self, pattern: &Pattern) -> Option<&[usize]> {
        (!pattern.as_str().contains('*')).then(|| self.0.get(pattern.as_str()).map_or(&[][..], Vec::as_slice))
    }
}

pub(crate) fn service_of(name: &str) -> Option<&str> {
    let (service, number) = name.rsplit_once('-')?;
    is_number(number).then_some(service)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Name {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Label {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl NameRange {
    /// The names from `first` to `last`, both included.
    ///
    /// # Errors
    /// When they are not one name with two numbers, written without leading zeros, the smaller first, or are more than
    /// 10,000 names.
    pub fn new(first: &Name, last: &Name) -> Result<NameRange, NameError> {
        let both = || (first.to_string(), last.to_string());
        let refuse = |why: fn(String, String) -> NameError| Err(why(both().0, both().1));
        let (Some((stem, low)), Some((other, high))) = (numbered(first.as_str()), numbered(last.as_str())) else {
            return refuse(NameError::NotARange);
        };
        if stem != other {
            return refuse(NameError::NotARange);
        }
        if high < low {
            return refuse(NameError::Reversed);
        }
        if high - low >= LONGEST_RANGE {
            return refuse(NameError::TooLong);
        }
        Ok(NameRange { stem: stem.into(), first: low, last: high })
    }

    /// Each name, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = Name> + '_ {
        (self.first..=self.last).map(|number| Name(format!("{}{number}", self.stem).into()))
    }

    /// Whether one of them names this node: by its own name, or by that of the service of which it is a replica.
    pub fn covers(&self, name: &str) -> bool {
        self.contains(name) || service_of(name).is_some_and(|service| self.contains(service))
    }

    /// Whether the name is one of them.
    pub fn contains(&self, name: &str) -> bool {
        numbered(name).is_some_and(|(stem, number)| *stem == *self.stem && (self.first..=self.last).contains(&number))
    }
}

/// `s` and 10 of `s10`; `None` without a number, or when printing it would not give the same text.
fn numbered(name: &str) -> Option<(&str, u64)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &name[stem.len()..];
    let number = digits.parse::<u64>().ok()?;
    (digits == "0" || !digits.starts_with('0')).then_some((stem, number))
}

/// The bytes at the start of the text that make a name, `*` counting as a letter; zero when none do.
pub(crate) fn name_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'*';
    if !bytes.first().is_some_and(|byte| plain(*byte) && !byte.is_ascii_digit()) {
        return 0;
    }
    let goes_on = |at: &usize| match bytes[*at] {
        b'_' => true,
        b'-' | b'.' | b'/' => bytes.get(at + 1).is_some_and(|next| plain(*next)),
        byte => plain(byte),
    };
    (1..bytes.len()).find(|at| !goes_on(at)).unwrap_or(bytes.len())
}

/// The candidate that was probably meant: the nearest by typing mistakes, of which longer words may have more.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let limit = match word.chars().count() {
        0..=4 => 1,
        5..=7 => 2,
        _ => 3,
    };
    let distance = |other: &str| strsim::damerau_levenshtein(&word, &other.to_lowercase());
    let near = candidates.into_iter().map(|other| (distance(other), other)).filter(|(distance, _)| *distance <= limit);
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

impl FromStr for Pattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || name_length(text) != text.len() {
            return Err(NameError::NotAName(text.to_owned()));
        }
        if RESERVED.contains(&text) {
            return Err(NameError::Reserved(text.to_owned()));
        }
        Ok(Pattern(text.into()))
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let pattern: Pattern = text.parse()?;
        if text.contains('*') { Err(NameError::NotAName(text.to_owned())) } else { Ok(Name(pattern.0)) }
    }
}

impl FromStr for Label {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let name: Name = text.parse()?;
        let numbered = text.rsplit_once('/').is_some_and(|(_, number)| is_number(number));
        if numbered { Err(NameError::AnOperation(text.to_owned())) } else { Ok(Label(name)) }
    }
}

impl FromStr for NameRange {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (first, last) = text.split_once("..").ok_or_else(|| NameError::NotAName(text.to_owned()))?;
        NameRange::new(&first.parse()?, &last.parse()?)
    }
}

impl From<Name> for Pattern {
    fn from(name: Name) -> Self {
        Pattern(name.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl fmt::Display for NameRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NameRange { stem, first, last } = self;
        write!(out, "{stem}{first}..{stem}{last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(text: &str, matches: &[&str], others: &[&str]) {
        for name in matches {
            assert!(pattern(text).matches(name), "{text} matches {name}");
        }
        for name in others {
            assert!(!pattern(text).matches(name), "{text} does not match {name}");
        }
    }

    #[test]
    fn a_star_matches_any_run_of_characters() {
        check("*", &["a", "worker-2"], &[]);
        check("db*", &["db", "db-2", "dbx"], &["adb", "d"]);
        check("*db", &["db", "mydb"], &["dbs"]);
        check("a*a", &["aa", "aba"], &["a", "ab"]);
        check("a*b*c", &["abc", "a-b-c", "abcbc"], &["acb", "ac"]);
        check("worker-*", &["worker-2"], &["worker", "workers"]);
        check("db", &["db"], &["db-2", "d"]);
    }

    #[test]
    fn a_bare_name_covers_its_replicas_and_no_longer_name() {
        assert!(pattern("worker").covers("worker") && pattern("worker").covers("worker-2"));
        assert!(pattern("*er").covers("worker-2"));
        for other in ["workers", "worker-", "worker-x", "worker-2x", "worker-2-3"] {
            assert!(!pattern("worker").covers(other), "{other}");
        }
        assert!(!pattern("worker-2").covers("worker"));
    }

    #[test]
    fn what_is_no_name_says_what_would_be() {
        for text in ["", "2db", "_a", "a-", "a--b", "a.-b", "-a", "a b", "a->b", "ä", "a/"] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert_eq!(error, NameError::NotAName(text.to_owned()));
        }
        for text in ["a", "a_", "a_-b", "worker-2", "api.v1", "order/17", "A9"] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
        }
        assert!("a*".parse::<Name>().is_err());
        assert!("for".parse::<Name>().unwrap_err().to_string().contains("cannot be a name"));
        assert!("order/17".parse::<Label>().unwrap_err().to_string().contains("is an operation"));
        assert!("raft/append".parse::<Label>().is_ok());
    }

    #[test]
    fn a_range_includes_both_ends_and_says_what_is_wrong() {
        let range: NameRange = "worker-9..worker-11".parse().unwrap();
        assert_eq!(
            range.names().map(|name| name.to_string()).collect::<Vec<_>>(),
            ["worker-9", "worker-10", "worker-11"]
        );
        assert!(range.contains("worker-10") && !range.contains("worker-12") && !range.contains("worker-010"));
        let message = |text: &str| text.parse::<NameRange>().unwrap_err().to_string();
        assert_eq!(message("s10..s1"), "\"s10..s1\" is reversed; write \"s1..s10\"");
        assert!(message("s1..t3").contains("one name with two numbers"));
        assert!(message("s01..s03").contains("one name with two numbers"));
        assert!(message("s..s3").contains("one name with two numbers"));
        assert!(message("s1..s18446744073709551615").contains("more than 10000"));
        assert!(message("s1..s99999999999999999999").contains("one name with two numbers"));
    }

    #[test]
    fn the_nearest_word_is_near() {
        let words = ["partition", "cut", "loss"];
        assert_eq!(nearest("partiton", words), Some("partition"));
        assert_eq!(nearest("Lsos", words), Some("loss"));
        assert_eq!(nearest("kill", words), None);
        assert_eq!(nearest("", words), None);
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_pieces_make(
            pieces in prop::collection::vec("[a-z]{0,3}", 2..5),
            fill in "[a-z-]{0,3}",
        ) {
            // The letter before keeps every text a name and none a reserved word.
            let [shape, name] = ["*", &fill].map(|glue| format!("q{}", pieces.join(glue)));
            prop_assert!(pattern(&shape).matches(&name), "{} matches {}", shape, name);
        }
    }
}
