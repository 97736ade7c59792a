//! A checked file as the lowering pass reads it: typed, each value with its place, and without a panic when the two disagree.

use sim_core::{Dist, Duration, Instant, Ratio};

use super::grammar::{DIST, METRIC, PROPERTY, STEP};
use super::rate::Rate;
use super::read::{self, Cell, Formula, MapName, Wrong};
use super::shape::Verbs;
use crate::expr::{Arithmetic, Expr, Name};
use crate::json::{Json, JsonValue, Key, Span};
use crate::policy::retry::Pushback;
use crate::problem::{Problem, Severity, Source};
use crate::value::Value;

/// A value of the file and the file.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    source: &'a Source,
    json: &'a Json,
}

type Read<T> = Result<T, Problem>;

impl<'a> View<'a> {
    /// That value of that file.
    pub fn new(source: &'a Source, json: &'a Json) -> Self {
        View { source, json }
    }

    /// The value itself.
    pub fn json(self) -> &'a Json {
        self.json
    }

    /// Where it stands.
    pub fn span(self) -> Span {
        self.json.span
    }

    /// Whether the file leaves it to a setting: `"${wait}"`.
    pub fn is_chosen(self) -> bool {
        let span = self.json.span;
        self.source.text().get(span.start..span.end).is_some_and(|written| written.contains("${"))
    }

    /// An error at this value.
    pub fn error(self, message: impl Into<String>) -> Problem {
        self.source.problem(Severity::Error, self.json.span, message)
    }

    /// A warning at this value.
    pub fn warning(self, message: impl Into<String>) -> Problem {
        self.source.problem(Severity::Warning, self.json.span, message)
    }

    /// An error at a stretch of this value's text: at a name of the expression that it is.
    pub fn error_at(self, inside: Span, message: impl Into<String>) -> Problem {
        let text = self.json.as_text().unwrap_or_default();
        self.source.problem(Severity::Error, self.source.inside(self.json.span, text, inside), message)
    }

    fn read<T>(self, read: impl FnOnce(&'a Json) -> Result<T, Wrong>) -> Read<T> {
        read(self.json).map_err(|Wrong { span, inside, message }| {
            let text = self.json.as_text().unwrap_or_default();
            let place = inside.map_or(span, |inside| self.source.inside(span, text, inside));
            self.source.problem(Severity::Error, place, message)
        })
    }

    fn at(self, json: &'a Json) -> Self {
        View { source: self.source, json }
    }

    /// The field or clause, if it is written.
    pub fn field(self, name: &str) -> Option<View<'a>> {
        self.json.get(name).map(|json| self.at(json))
    }

    /// The field or clause, which must be written.
    pub fn need(self, name: &str) -> Read<View<'a>> {
        self.field(name).ok_or_else(|| self.error(format!("\"{name}\" is missing")))
    }

    /// The field or clause, read, if it is written: `step.optional("timeout", View::duration)?`.
    pub fn optional<T>(self, name: &str, read: impl FnOnce(View<'a>) -> Read<T>) -> Read<Option<T>> {
        self.field(name).map(read).transpose()
    }

    /// The field or clause, read, or what holds without it.
    pub fn or<T>(self, name: &str, default: T, read: impl FnOnce(View<'a>) -> Read<T>) -> Read<T> {
        Ok(self.optional(name, read)?.unwrap_or(default))
    }

    /// The members of an object, in the order of the file; none of anything else.
    pub fn members(self) -> impl Iterator<Item = (&'a Key, View<'a>)> {
        self.json.members().iter().map(move |(key, json)| (key, self.at(json)))
    }

    /// The members of a field that is an object; none when it is not written.
    pub fn members_of(self, name: &str) -> impl Iterator<Item = (&'a Key, View<'a>)> {
        self.field(name).into_iter().flat_map(View::members)
    }

    /// The items of a list, such as steps; none of anything else.
    pub fn items(self) -> impl Iterator<Item = View<'a>> {
        let items: &[Json] = match &self.json.value {
            JsonValue::List(items) => items,
            _ => &[],
        };
        items.iter().map(move |json| self.at(json))
    }

    /// The steps of a field: those of its list, or none when it is not written.
    pub fn steps(self, name: &str) -> impl Iterator<Item = View<'a>> {
        self.field(name).into_iter().flat_map(View::items)
    }

    /// The verb of a step and its value; the clauses are fields of the step.
    pub fn step(self) -> Read<(&'static str, View<'a>)> {
        self.verb(&STEP)
    }

    /// The kind of a metric and its value.
    pub fn metric(self) -> Read<(&'static str, View<'a>)> {
        self.verb(&METRIC)
    }

    /// The kind of a property and its value.
    pub fn property(self) -> Read<(&'static str, View<'a>)> {
        self.verb(&PROPERTY)
    }

    /// The checker puts the verb first.
    fn verb(self, verbs: &'static Verbs) -> Read<(&'static str, View<'a>)> {
        let mut members = self.json.members().iter();
        let found = members.find_map(|(key, json)| Some((verbs.verb(&key.name)?.name, self.at(json))));
        found.ok_or_else(|| self.error(format!("{} has one {}", verbs.what, verbs.word)))
    }

    /// Whether it is null, where null is a value.
    pub fn is_null(self) -> bool {
        self.json.is_null()
    }

    /// Whether it is an object: a retry that is more than a number.
    pub fn is_object(self) -> bool {
        matches!(self.json.value, JsonValue::Object(_))
    }

    /// Whether it is a list: an endpoint that is steps only.
    pub fn is_list(self) -> bool {
        matches!(self.json.value, JsonValue::List(_))
    }

    /// Whether it is a distribution and not a fixed length.
    pub fn is_drawn(self) -> bool {
        self.json.members().iter().any(|(key, _)| DIST.verb(&key.name).is_some())
    }

    /// Text, a name, a choice.
    pub fn text(self) -> Read<&'a str> {
        self.read(read::text)
    }

    /// `true` or `false`.
    pub fn bool(self) -> Read<bool> {
        self.read(read::bool)
    }

    /// A whole number.
    pub fn int(self) -> Read<i64> {
        self.read(read::int)
    }

    /// How many: a whole number of at least 0.
    pub fn count(self) -> Read<u64> {
        u64::try_from(self.int()?).map_err(|_| self.error("here should be a whole number of at least 0"))
    }

    /// How many, or `None` for a word such as `"unlimited"`, `"forever"`, `"all"`.
    pub fn count_or_word(self) -> Read<Option<u64>> {
        if self.json.as_text().is_some() { Ok(None) } else { self.count().map(Some) }
    }

    /// `"5s"` or `"never"`
    pub fn pushback(self) -> Read<Pushback> {
        if self.json.as_text() == Some("never") { Ok(Pushback::No) } else { self.duration().map(Pushback::After) }
    }

    /// Any number.
    pub fn float(self) -> Read<f64> {
        self.read(read::float)
    }

    /// `"250ms"`
    pub fn duration(self) -> Read<Duration> {
        self.read(read::duration)
    }

    /// `"0.1%"`
    pub fn ratio(self) -> Read<Ratio> {
        self.read(read::ratio)
    }

    /// `"10/s"`
    pub fn rate(self) -> Read<Rate> {
        self.read(read::rate)
    }

    /// A length of time, fixed or drawn.
    pub fn dist(self) -> Read<Dist> {
        self.read(read::dist)
    }

    /// `"60s..75s"`, half open.
    pub fn duration_range(self) -> Read<(Instant, Instant)> {
        self.read(read::duration_range)
    }

    /// `"1..3"` or `2`, both included.
    pub fn int_range(self) -> Read<(u64, u64)> {
        self.read(read::int_range)
    }

    /// A condition or a formula; [`View::error_at`] points at its spans.
    pub fn expr(self, arithmetic: Arithmetic) -> Read<Expr> {
        self.read(|json| read::expr(json, arithmetic))
    }

    /// One counter or gauge.
    pub fn counter(self) -> Read<Name> {
        self.read(read::counter)
    }

    /// A stored value, or how to come by one.
    pub fn formula(self) -> Read<Formula> {
        self.read(read::formula)
    }

    /// A stored value as it is.
    pub fn literal(self) -> Read<Value> {
        self.read(read::literal)
    }

    /// A node and its endpoint.
    pub fn target(self) -> Read<(&'a str, &'a str)> {
        self.read(read::target)
    }

    /// A map.
    pub fn map(self) -> Read<MapName> {
        self.read(read::map)
    }

    /// A cell, or all of a map.
    pub fn cells(self) -> Read<Cell> {
        self.read(read::cells)
    }

    /// A cell.
    pub fn cell(self) -> Read<(MapName, Expr)> {
        self.read(read::cell)
    }
}
