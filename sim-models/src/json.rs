//! JSON in which every value and every key knows its place, because an error that cannot be pointed at is half an error.
//!
//! Strict JSON and nothing else: no comments, no trailing commas. Texts and numbers are decoded by `serde_json`, so that the
//! two agree on what a file says; objects keep their order, and a key given twice is an error.

use std::collections::BTreeSet;
use std::fmt;

pub use crate::problem::Span;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Json {
    /// From its first byte to the one after its last.
    pub span: Span,
    /// What it is.
    pub value: JsonValue,
}

/// What JSON knows.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonValue {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without point and exponent, of 64 bits.
    Int(i64),
    /// Any other number.
    Float {
        /// The nearest float.
        value: f64,
        /// As it is written.
        text: String,
    },
    /// A text.
    Text(String),
    /// `[…]`
    List(Vec<Json>),
    /// `{…}`, in the order of the file.
    Object(Vec<(Key, Json)>),
}

/// The name of a member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub name: String,
    /// Where it stands, quotes included.
    pub span: Span,
}

impl Json {
    /// The member of that name; `None` in anything but an object.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.members().iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
    }

    /// The members of an object; none in anything else.
    pub fn members(&self) -> &[(Key, Json)] {
        match &self.value {
            JsonValue::Object(members) => members,
            _ => &[],
        }
    }

    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            JsonValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.value == JsonValue::Null
    }

    /// The same value as if all of it stood at `span`; what fills a place points at that place.
    pub fn at(&self, span: Span) -> Json {
        let value = match &self.value {
            JsonValue::List(items) => JsonValue::List(items.iter().map(|item| item.at(span)).collect()),
            JsonValue::Object(members) => JsonValue::Object(
                members.iter().map(|(key, value)| (Key { name: key.name.clone(), span }, value.at(span))).collect(),
            ),
            scalar => scalar.clone(),
        };
        Json { span, value }
    }
}

impl fmt::Display for Json {
    /// Writes it as JSON on one line.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match &self.value {
            JsonValue::Null => out.write_str("null"),
            JsonValue::Bool(truth) => write!(out, "{truth}"),
            JsonValue::Int(number) => write!(out, "{number}"),
            JsonValue::Float { text, .. } => out.write_str(text),
            JsonValue::Text(text) => out.write_str(&quoted(text)),
            JsonValue::List(items) => {
                let items: Vec<String> = items.iter().map(Json::to_string).collect();
                write!(out, "[{}]", items.join(", "))
            }
            JsonValue::Object(members) => {
                let member = |(key, value): &(Key, Json)| format!("{}: {value}", quoted(&key.name));
                write!(out, "{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A line and a column, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The place of a byte of the text; that of its end when there are fewer.
    pub fn of(text: &str, offset: usize) -> Place {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place { line, column: before[start..].chars().count() + 1 }
    }
}

/// The way from the root to a value, written `nodes.shop.endpoints.pay[2]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

impl Path {
    /// The way to the innermost value or key that covers the byte.
    pub fn to(root: &Json, offset: usize) -> Path {
        let covers = |span: Span| (span.start..span.end).contains(&offset);
        let (mut path, mut here) = (Vec::new(), Some(root));
        while let Some(json) = here {
            here = match &json.value {
                JsonValue::List(items) => items.iter().position(|item| covers(item.span)).map(|index| {
                    path.push(Segment::Index(index));
                    &items[index]
                }),
                _ => json.members().iter().find(|(key, value)| covers(key.span.to(value.span))).map(|(key, value)| {
                    path.push(Segment::Key(key.name.clone()));
                    value
                }),
            };
            here = here.filter(|inner| covers(inner.span));
        }
        Path(path)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(out, "[{index}]")?,
                Segment::Key(key) if !plain(key) => write!(out, "[{key:?}]")?,
                Segment::Key(key) if index == 0 => out.write_str(key)?,
                Segment::Key(key) => write!(out, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// What keeps a text from being JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Where.
    pub span: Span,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Lists and objects inside each other; a scenario needs about 20.
const DEPTH_MAX: usize = 128;

/// Reads a text that is one JSON value. The errors are several only for keys given twice.
pub fn parse(text: &str) -> Result<Json, Vec<JsonError>> {
    let mut parser = Parser { text, at: 0, depth: 0, doubled: Vec::new() };
    match parser.file() {
        Ok(json) if parser.doubled.is_empty() => Ok(json),
        Ok(_) => Err(parser.doubled),
        Err(error) => Err(parser.doubled.into_iter().chain([error]).collect()),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    doubled: Vec<JsonError>,
}

type Parsed<T> = Result<T, JsonError>;

impl Parser<'_> {
    fn file(&mut self) -> Parsed<Json> {
        let json = self.value()?;
        match self.peek() {
            None => Ok(json),
            Some(_) => Err(self.error_here("the file goes on after its value; one file is one object")),
        }
    }

    /// The next byte that is not blank.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(rest.len());
        self.text.as_bytes().get(self.at).copied()
    }

    fn error(&self, span: Span, message: impl Into<String>) -> JsonError {
        JsonError { span, message: message.into() }
    }

    fn error_here(&self, message: &str) -> JsonError {
        let length = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        self.error(Span::new(self.at, self.at + length), message)
    }

    fn value(&mut self) -> Parsed<Json> {
        let next = self.peek();
        let start = self.at;
        let value = match next {
            Some(b'{') => self.inside(Self::object)?,
            Some(b'[') => self.inside(Self::list)?,
            Some(b'"') => JsonValue::Text(self.quoted()?.name),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.word()?,
            None => return Err(self.error_here("the file ends where a value should be")),
        };
        Ok(Json { span: Span::new(start, self.at), value })
    }

    fn inside(&mut self, read: fn(&mut Self) -> Parsed<JsonValue>) -> Parsed<JsonValue> {
        if self.depth == DEPTH_MAX {
            return Err(self.error_here(&format!("at most {DEPTH_MAX} lists and objects inside each other")));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Parsed<JsonValue> {
        let mut items = Vec::new();
        if self.closes(b']') {
            return Ok(JsonValue::List(items));
        }
        loop {
            items.push(self.value()?);
            if !self.goes_on(b']', "a list goes on with \",\" or ends with \"]\"")? {
                return Ok(JsonValue::List(items));
            }
        }
    }

    fn object(&mut self) -> Parsed<JsonValue> {
        let (mut members, mut names): (Vec<(Key, Json)>, _) = (Vec::new(), BTreeSet::new());
        if self.closes(b'}') {
            return Ok(JsonValue::Object(members));
        }
        loop {
            let key = self.key()?;
            if !names.insert(key.name.clone()) {
                self.doubled.push(self.error(key.span, format!("\"{}\" is given twice; keep one", key.name)));
            }
            if self.peek() != Some(b':') {
                return Err(self.error_here(&format!("after \"{}\" comes \":\" and its value", key.name)));
            }
            self.at += 1;
            members.push((key, self.value()?));
            if !self.goes_on(b'}', "an object goes on with \",\" or ends with \"}\"")? {
                return Ok(JsonValue::Object(members));
            }
        }
    }

    fn closes(&mut self, close: u8) -> bool {
        let closes = self.peek() == Some(close);
        self.at += usize::from(closes);
        closes
    }

    /// Takes a comma, or the closing bracket and says that it is over.
    fn goes_on(&mut self, close: u8, message: &str) -> Parsed<bool> {
        if self.closes(close) {
            return Ok(false);
        }
        if self.peek() != Some(b',') {
            return Err(self.error_here(message));
        }
        let comma = self.at;
        self.at += 1;
        match self.peek() {
            Some(b']' | b'}') => {
                Err(self.error(Span::new(comma, comma + 1), "a comma with nothing behind it; remove it"))
            }
            _ => Ok(true),
        }
    }

    fn key(&mut self) -> Parsed<Key> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            _ => Err(self.error_here("here should be a name in double quotes")),
        }
    }

    fn quoted(&mut self) -> Parsed<Key> {
        let (start, bytes) = (self.at, self.text.as_bytes());
        let mut end = start + 1;
        while !matches!(bytes.get(end), None | Some(b'"' | b'\n')) {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        if bytes.get(end) != Some(&b'"') {
            return Err(self.error(Span::new(start, start + 1), "this text has no end on its line; close it with \""));
        }
        let span = Span::new(start, end + 1);
        self.at = span.end;
        let name = serde_json::from_str(&self.text[start..=end]);
        name.map(|name| Key { name, span })
            .map_err(|_| self.error(span, "this text has a \\ or an invisible character that JSON does not know"))
    }

    fn number(&mut self) -> Parsed<JsonValue> {
        let text = self.taken(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.'));
        let span = Span::new(self.at - text.len(), self.at);
        if serde_json::from_str::<f64>(&text).is_err() {
            return Err(self.error(span, format!("{text} is no number; a length of time is text, such as \"250ms\"")));
        }
        if text.contains(['.', 'e', 'E']) {
            // serde_json may be off by one in the last digit; the standard library is not.
            return Ok(JsonValue::Float { value: text.parse().unwrap_or_default(), text });
        }
        text.parse()
            .map(JsonValue::Int)
            .map_err(|_| self.error(span, format!("{text} does not fit a signed number of 64 bits")))
    }

    fn word(&mut self) -> Parsed<JsonValue> {
        let start = self.at;
        match self.taken(|b| b.is_ascii_alphanumeric() || b == b'_').as_str() {
            "null" => Ok(JsonValue::Null),
            "true" => Ok(JsonValue::Bool(true)),
            "false" => Ok(JsonValue::Bool(false)),
            "" => {
                Err(self.error_here("here should be a value: text, a number, a list, an object, true, false or null"))
            }
            word => {
                Err(self.error(Span::new(start, self.at), format!("{word} is no value; text stands in double quotes")))
            }
        }
    }

    fn taken(&mut self, belongs: fn(u8) -> bool) -> String {
        let rest = &self.text[self.at..];
        let length = rest.bytes().position(|b| !belongs(b)).unwrap_or(rest.len());
        self.at += length;
        rest[..length].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, place: (usize, usize), message: &str) {
        let error = &parse(text).unwrap_err()[0];
        let Place { line, column } = Place::of(text, error.span.start);
        assert_eq!(((line, column), error.message.as_str()), (place, message), "{text}");
    }

    #[test]
    fn what_is_no_json_says_where_and_what_would_be() {
        check("{\"a\": 1,\n \"a\": 2}", (2, 2), "\"a\" is given twice; keep one");
        check("[1, 2,]", (1, 6), "a comma with nothing behind it; remove it");
        check("{\"a\" 1}", (1, 6), "after \"a\" comes \":\" and its value");
        check("{\"a\": 1 \"b\": 2}", (1, 9), "an object goes on with \",\" or ends with \"}\"");
        check("{a: 1}", (1, 2), "here should be a name in double quotes");
        check("[1 // one\n]", (1, 4), "a list goes on with \",\" or ends with \"]\"");
        check("[off]", (1, 2), "off is no value; text stands in double quotes");
        check("[10ms]", (1, 2), "10ms is no number; a length of time is text, such as \"250ms\"");
        check("[\"a\n\"]", (1, 2), "this text has no end on its line; close it with \"");
        check("[\"\\x\"]", (1, 2), "this text has a \\ or an invisible character that JSON does not know");
        check("[9223372036854775808]", (1, 2), "9223372036854775808 does not fit a signed number of 64 bits");
        check("[01]", (1, 2), "01 is no number; a length of time is text, such as \"250ms\"");
        check("{} {}", (1, 4), "the file goes on after its value; one file is one object");
        check("", (1, 1), "the file ends where a value should be");
        check(&"[".repeat(5000), (1, 129), "at most 128 lists and objects inside each other");
    }

    #[test]
    fn whole_numbers_are_kept_exactly_and_others_with_their_text() {
        let json = parse("[9007199254740993, -9223372036854775808, 0.95, 1e3]").unwrap();
        assert_eq!(json.to_string(), "[9007199254740993, -9223372036854775808, 0.95, 1e3]");
        assert!(
            matches!(&json.value, JsonValue::List(items) if items[0].value == JsonValue::Int(9_007_199_254_740_993))
        );
    }

    #[test]
    fn a_path_is_written_as_it_is_said() {
        let text = r#"{"nodes": {"shop": {"pay": [1, {"at most once": "x"}]}}}"#;
        let root = parse(text).unwrap();
        let path = |what: &str| Path::to(&root, text.find(what).unwrap()).to_string();
        assert_eq!(path("{\"at most"), "nodes.shop.pay[1]");
        assert_eq!(path("\"at most"), "nodes.shop.pay[1][\"at most once\"]");
        assert_eq!(path("\"x\""), "nodes.shop.pay[1][\"at most once\"]");
        assert_eq!(path("{\"nodes"), "");
    }

    fn tree() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Into::into),
            ".{0,6}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_as_the_same(tree in tree()) {
            for text in [tree.to_string(), serde_json::to_string_pretty(&tree).unwrap()] {
                let json = parse(&text).unwrap();
                let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
                prop_assert_eq!(read(&json.to_string()), read(&text));
            }
        }

        #[test]
        fn no_text_panics_and_what_is_read_is_json(text in ".*", likely in "[\\[\\]{}\",:0-9a-z. \\\\\n-]{0,40}") {
            for text in [text, likely] {
                if let Ok(json) = parse(&text) {
                    let known = serde_json::from_str::<serde_json::Value>(&text);
                    prop_assert!(known.is_ok());
                    Path::to(&json, text.len() / 2);
                }
            }
        }
    }
}
