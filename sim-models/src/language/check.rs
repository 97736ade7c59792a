//! Fills the settings in and compares the file with the tables: whatever is not of the right form is told, all of it at once.
//!
//! The result is the file as it is meant: settings replaced, clauses that are null gone, remarks gone. What names refer to is
//! not asked here; whoever lowers the tree knows.

use super::grammar::{DIST, SCENARIO, STEPS};
use super::read::{self, Wrong, shown};
use super::settings::Chosen;
use super::shape::{ANNOTATIONS, Built, Field, Keys, Kinds, Need, Object, Shape, Verb, Verbs, listed};
use crate::expr::{Arithmetic, Expr, Kind, is_name};
use crate::json::{Json, JsonValue, Key, Span};
use crate::policy;
use crate::problem::{Problems, Source, did_you_mean};

/// The file with `chosen` settings, and what is wrong with its form. When there are errors, the tree is not to be used.
pub(super) fn check(source: &Source, chosen: &Chosen<'_>, problems: &mut Problems) -> Json {
    let mut walk = Walk { source, chosen, problems };
    let root = source.root();
    let checked = walk.object(&SCENARIO, root).unwrap_or_else(|| root.clone());
    walk.unused_policies();
    checked
}

/// The policies that steps name, under whatever settings; none when a setting says which.
fn named_policies(json: &Json) -> Option<Vec<&str>> {
    let mut named = Vec::new();
    match &json.value {
        JsonValue::List(items) => {
            for item in items {
                named.extend(named_policies(item)?);
            }
        }
        JsonValue::Object(members) => {
            for (key, json) in members {
                match json.as_text().filter(|_| key.name == "policy") {
                    Some(text) if text.contains("${") => return None,
                    Some(text) => named.push(text),
                    None => named.extend(named_policies(json)?),
                }
            }
        }
        _ => {}
    }
    Some(named)
}

struct Walk<'a> {
    source: &'a Source,
    chosen: &'a Chosen<'a>,
    problems: &'a mut Problems,
}

type Members = [(Key, Json)];

impl Walk<'_> {
    /// What stands at this place of this shape; `None` when that is as if not written, or wrong.
    fn walk(&mut self, label: &str, shape: &Shape, json: &Json) -> Option<Json> {
        let filled = self.chosen.filled(shape, json);
        let json = match filled {
            Ok(json) => json,
            Err(message) => {
                self.problems.error(json.span, message);
                return None;
            }
        };
        if json.is_null() {
            return shape.takes_null().then_some(json);
        }
        self.value(label, shape, &json)
    }

    /// The same for what is filled in and not null.
    fn value(&mut self, label: &str, shape: &Shape, json: &Json) -> Option<Json> {
        match (shape, &json.value) {
            (Shape::OneOf(shapes), _) => match shapes.iter().find(|shape| fits(shape, json)) {
                Some(shape) => self.value(label, shape, json),
                None => self.misfit(label, shape, json),
            },
            (Shape::Steps, JsonValue::List(_)) => self.value(label, &STEPS, json),
            (Shape::Object(object), JsonValue::Object(_)) => self.object(object, json),
            (Shape::Profile(kind), JsonValue::Object(members)) => self.profile(*kind, json.span, members),
            (Shape::Kinds(kinds), JsonValue::Object(members)) => self.kinds(kinds, json, members),
            (Shape::Verbs(verbs), JsonValue::Object(members)) => self.verbs(verbs, json, members),
            (Shape::Dist, JsonValue::Object(_)) => self.dist(label, json),
            (Shape::MapOf(keys, inner), JsonValue::Object(members)) => self.map(*keys, inner, json.span, members),
            (Shape::ListOf(inner), JsonValue::List(items)) => self.list(label, inner, json.span, items),
            (Shape::PairOf(inner), JsonValue::List(items)) if items.len() == 2 => {
                self.list(label, inner, json.span, items)
            }
            (
                Shape::Steps
                | Shape::Object(_)
                | Shape::Profile(_)
                | Shape::Kinds(_)
                | Shape::Verbs(_)
                | Shape::MapOf(..)
                | Shape::ListOf(_)
                | Shape::PairOf(_)
                | Shape::Null,
                _,
            ) => self.misfit(label, shape, json),
            _ => self.leaf(label, shape, json),
        }
    }

    fn misfit(&mut self, label: &str, shape: &Shape, json: &Json) -> Option<Json> {
        self.problems.error(json.span, format!("\"{label}\" should be {}, not {}", shape.words(), shown(json)));
        None
    }

    fn leaf(&mut self, label: &str, shape: &Shape, json: &Json) -> Option<Json> {
        match leaf(shape, json) {
            Ok(()) => {
                self.warn_of_formula_as_text(label, shape, json);
                Some(json.clone())
            }
            Err(wrong) => {
                self.wrong(label, json, wrong);
                None
            }
        }
    }

    fn wrong(&mut self, label: &str, json: &Json, Wrong { span, inside, message }: Wrong) {
        let text = json.as_text().unwrap_or_default();
        let place = inside.map_or(span, |inside| self.source.inside(span, text, inside));
        let said = match inside {
            Some(inside) if place == span => format!("\"{label}\": {message} (column {} of {json})", inside.start + 1),
            Some(_) => format!("\"{label}\": {message}"),
            // "timeout": 1000 has no unit; but "timeout" should be a length of time.
            None => format!("\"{label}\": {message}").replacen(": here should be", " should be", 1),
        };
        self.problems.error(place, said);
    }

    fn dist(&mut self, label: &str, json: &Json) -> Option<Json> {
        let before = self.problems.len();
        let checked = self.verbs(&DIST, json, json.members())?;
        if self.problems.len() > before {
            return None;
        }
        match read::dist(&checked) {
            Ok(_) => Some(checked),
            Err(wrong) => {
                self.wrong(label, &checked, wrong);
                None
            }
        }
    }

    fn list(&mut self, label: &str, inner: &Shape, span: Span, items: &[Json]) -> Option<Json> {
        let checked = items.iter().filter_map(|item| match item.is_null() && !inner.takes_null() {
            true => self.misfit(label, inner, item),
            false => self.walk(label, inner, item),
        });
        Some(Json { span, value: JsonValue::List(checked.collect()) })
    }

    fn map(&mut self, keys: Keys, inner: &Shape, span: Span, members: &Members) -> Option<Json> {
        let mut checked = Vec::new();
        for (key, json) in members {
            if is_annotation(key) && json.as_text().is_some() && !fits(inner, json) {
                continue;
            }
            self.map_key(keys, key);
            checked.extend(self.walk(&key.name, inner, json).map(|json| (key.clone(), json)));
        }
        Some(Json { span, value: JsonValue::Object(checked) })
    }

    fn map_key(&mut self, keys: Keys, key: &Key) {
        let name = &key.name;
        let (fits, message) = match keys {
            Keys::Free => (true, String::new()),
            Keys::Names => (is_name(name), read::no_name(name)),
            Keys::Links => {
                (is_link(name), format!("\"{name}\" is no link; write \"a->b\", or \"a<->b\" for both ways"))
            }
            Keys::Ratios => {
                let ratio = name.parse::<sim_core::Ratio>();
                (ratio.is_ok(), ratio.err().map(|error| error.to_string()).unwrap_or_default())
            }
        };
        if !fits {
            self.problems.error(key.span, message);
        }
    }

    fn object(&mut self, object: &'static Object, json: &Json) -> Option<Json> {
        let part = Part { what: object.what, verb: None, groups: &[object.fields], any_of: object.any_of };
        Some(self.part(&part, json.span, json.members()))
    }

    /// The policy of a library: which one, and its parameters, filled in.
    fn profile(&mut self, kind: policy::Kind, span: Span, members: &Members) -> Option<Json> {
        let mut filled = Vec::new();
        for (key, json) in members {
            match self.chosen.filled(&Shape::Any, json) {
                Ok(json) => filled.push((key.clone(), json)),
                Err(message) => self.problems.error(json.span, message),
            }
        }
        let names = || policy::profiles().filter(|profile| profile.kind == kind).map(|profile| profile.name);
        let known = || listed(names().map(|name| format!("\"{name}\"")), "or");
        let Some((_, named)) = filled.iter().find(|(key, _)| key.name == "profile") else {
            let (clause, article) = (kind.clause(), if kind == policy::Kind::Outlier { "an" } else { "a" });
            self.problems.error(span, format!("{article} {clause} needs a \"profile\": {}", known()));
            return None;
        };
        let name = named.as_text().unwrap_or_default();
        let Some(profile) = policy::profile(kind, name) else {
            let guess = did_you_mean(name, names());
            let rest = if guess.is_empty() { format!("; there is {}", known()) } else { guess };
            self.problems.error(named.span, format!("no {} has the profile {}{rest}", kind.clause(), shown(named)));
            return None;
        };
        match policy::read(profile, &filled) {
            Ok(settings) => {
                let idle = policy::idle(&settings, &filled).into_iter();
                idle.for_each(|mistake| self.problems.warn(mistake.span, mistake.message));
            }
            Err(mistakes) => {
                mistakes.into_iter().for_each(|mistake| self.problems.error(mistake.span, mistake.message));
                return None;
            }
        }
        Some(Json { span, value: JsonValue::Object(filled) })
    }

    fn kinds(&mut self, kinds: &'static Kinds, json: &Json, members: &Members) -> Option<Json> {
        let names = || kinds.kinds.iter().map(|kind| kind.name);
        let Some((_, kind)) = members.iter().find(|(key, _)| key.name == "kind") else {
            let known = listed(names().map(|name| format!("\"{name}\"")), "or");
            self.problems.error(json.span, format!("{} needs a \"kind\": {known}", kinds.what));
            return None;
        };
        let kind = self.walk("kind", &Shape::Text, kind)?;
        let name = kind.as_text().unwrap_or_default();
        let Some(found) = kinds.kinds.iter().find(|kind| kind.name == name) else {
            let guess = did_you_mean(name, names());
            let known = listed(names().map(str::to_owned), "and");
            let rest = if guess.is_empty() { format!("; kinds are {known}") } else { guess };
            self.problems.error(kind.span, format!("\"{name}\" is no kind of {}{rest}", bare(kinds.what)));
            return None;
        };
        if found.built == Built::NotYet {
            self.problems.error(kind.span, format!("{} is not built yet", found.object.what));
            return None;
        }
        const KIND: &[Field] = &[Field::new("kind", Shape::Text, "What it is.")];
        let object = &found.object;
        let part = Part { what: object.what, verb: None, groups: &[KIND, object.fields], any_of: object.any_of };
        Some(self.part(&part, json.span, members))
    }

    fn verbs(&mut self, verbs: &'static Verbs, json: &Json, members: &Members) -> Option<Json> {
        let mut found = members.iter().filter_map(|(key, json)| Some((verbs.verb(&key.name)?, key, json)));
        let Some((verb, key, value)) = found.next() else {
            self.no_verb(verbs, json, members);
            return None;
        };
        if let Some((other, other_key, _)) = found.next() {
            let (place, message) = two_verbs(verbs, (verb, key), (other, other_key), json.span);
            self.problems.error(place, message);
            return None;
        }
        if verb.built == Built::NotYet {
            self.problems.error(key.span, format!("\"{}\" is not built yet", verb.name));
            return None;
        }
        let value = self.verb_value(verb, value).map(|value| (key.clone(), value));
        let mut rest: Vec<_> = members.iter().filter(|(other, _)| other.name != key.name).cloned().collect();
        self.add_policy(&mut rest);
        let part = Part { what: verb.name, verb: Some((verbs, verb)), groups: verb.clauses, any_of: verb.any_of };
        let clauses = self.part(&part, json.span, &rest);
        let members = value.into_iter().chain(clauses.members().iter().cloned()).collect();
        Some(Json { span: json.span, value: JsonValue::Object(members) })
    }

    /// Adds the clauses of the policy that a step names, where it does not say otherwise.
    fn add_policy(&mut self, clauses: &mut Vec<(Key, Json)>) {
        let Some((_, named)) = clauses.iter().find(|(key, _)| key.name == "policy") else { return };
        let Ok(named) = self.chosen.filled(&Shape::Name, named) else { return };
        let Some(name) = named.as_text() else { return };
        let policies = self.source.root().get("policies").map(Json::members).unwrap_or_default();
        let Some((_, policy)) = policies.iter().find(|(key, _)| key.name == name) else {
            let names = || policies.iter().map(|(key, _)| key.name.as_str());
            let guess = did_you_mean(name, names());
            let known = || format!("; policies are {}", listed(names().map(str::to_owned), "and"));
            let rest = if guess.is_empty() { known() } else { guess };
            self.problems.error(named.span, format!("there is no policy \"{name}\"{rest}"));
            return;
        };
        for (key, json) in policy.members().iter().filter(|(key, _)| !is_annotation(key)) {
            let written = clauses.iter().position(|(known, _)| known.name == key.name);
            let says = |json: &Json| !self.chosen.filled(&Shape::Any, json).is_ok_and(|json| json.is_null());
            match written {
                Some(at) if says(&clauses[at].1) => {}
                Some(at) => clauses[at] = (key.clone(), json.clone()),
                None => clauses.push((key.clone(), json.clone())),
            }
        }
    }

    /// A policy does nothing by itself.
    fn unused_policies(&mut self) {
        let root = self.source.root();
        let (Some(policies), Some(named)) = (root.get("policies"), named_policies(root)) else { return };
        for (key, _) in policies.members().iter().filter(|(key, _)| !is_annotation(key)) {
            if !named.contains(&key.name.as_str()) {
                let name = &key.name;
                let message =
                    format!("nobody uses the policy \"{name}\": a step that is to says \"policy\": \"{name}\"");
                self.problems.warn(key.span, message);
            }
        }
    }

    fn verb_value(&mut self, verb: &Verb, json: &Json) -> Option<Json> {
        let before = self.problems.len();
        let value = self.walk(verb.name, &verb.value, json);
        if value.is_none() && self.problems.len() == before {
            self.problems.error(json.span, format!("\"{}\" should be {}, not null", verb.name, verb.value.words()));
        }
        value
    }

    fn no_verb(&mut self, verbs: &Verbs, json: &Json, members: &Members) {
        let names = || verbs.verbs.iter().map(|verb| verb.name);
        let clause = |name: &str| verbs.verbs.iter().flat_map(Verb::clauses).any(|clause| clause.name == name);
        let strange = members.iter().map(|(key, _)| key).find(|key| !is_annotation(key) && !clause(&key.name));
        match strange {
            Some(key) => {
                let guess = did_you_mean(&key.name, names());
                let rest = if guess.is_empty() {
                    format!("; {}s are {}", verbs.word, listed(names().map(str::to_owned), "and"))
                } else {
                    guess
                };
                let word =
                    if verbs.word == "verb" { "a verb".to_owned() } else { format!("a kind of {}", bare(verbs.what)) };
                self.problems.error(key.span, format!("\"{}\" is not {word}{rest}", key.name));
            }
            None => {
                let known = listed(names().map(|name| format!("\"{name}\"")), "or");
                self.problems
                    .error(json.span, format!("{} has one {}; this one has none of {known}", verbs.what, verbs.word));
            }
        }
    }

    /// The fields of an object or the clauses of a verb.
    fn part(&mut self, part: &Part<'_>, span: Span, members: &Members) -> Json {
        let (mut checked, mut told) = (Vec::new(), Vec::new());
        for (key, json) in members {
            let before = self.problems.len();
            match self.member(part, key, json) {
                Some(value) => checked.push((key.clone(), value)),
                None if self.problems.len() > before => told.push(key.name.as_str()),
                None => {}
            }
        }
        self.missing(part, span, |name| told.contains(&name) || checked.iter().any(|(key, _)| key.name == name));
        Json { span, value: JsonValue::Object(checked) }
    }

    fn member(&mut self, part: &Part<'_>, key: &Key, json: &Json) -> Option<Json> {
        match part.fields().find(|field| field.name == key.name) {
            Some(field) if field.built == Built::NotYet => self.not_yet(field, key, json),
            Some(field) => self.walk(field.name, &field.shape, json),
            None if is_annotation(key) => self.annotation(key, json),
            None => {
                self.problems.error(key.span, part.unknown(&key.name));
                None
            }
        }
    }

    /// What is not built yet may still be written as null, or as a setting that is null.
    fn not_yet(&mut self, field: &Field, key: &Key, json: &Json) -> Option<Json> {
        match self.chosen.filled(&Shape::Any, json) {
            Ok(json) if json.is_null() => {}
            Ok(_) => self.problems.error(key.span, format!("\"{}\" is not built yet", field.name)),
            Err(message) => self.problems.error(json.span, message),
        }
        None
    }

    /// `about` is kept, since it is shown.
    fn annotation(&mut self, key: &Key, json: &Json) -> Option<Json> {
        self.leaf(&key.name, &Shape::Text, json).filter(|_| key.name == "about")
    }

    /// `has` says what is there, or is wrong and has been told.
    fn missing(&mut self, part: &Part<'_>, span: Span, has: impl Fn(&str) -> bool) {
        for field in part.fields().filter(|field| field.need == Need::Required && !has(field.name)) {
            self.problems.error(span, format!("{} needs \"{}\"", part.said(), field.name));
        }
        if !part.any_of.is_empty() && !part.any_of.iter().any(|name| has(name)) {
            let known = listed(part.any_of.iter().map(|name| format!("\"{name}\"")), "or");
            self.problems.error(span, format!("{} needs {known}", part.said()));
        }
    }

    /// `"to": "value - 1"` is text. Someone who wrote an operator between names wanted a formula.
    fn warn_of_formula_as_text(&mut self, label: &str, shape: &Shape, json: &Json) {
        let (Shape::Value, Some(text)) = (shape, json.as_text()) else { return };
        if text.starts_with('=') || !text.contains(' ') && !text.contains("value") {
            return;
        }
        if let Ok(Expr { kind: Kind::Binary(..), .. }) = Expr::parse(text, Arithmetic::Integers) {
            let quoted = JsonValue::Text(format!("= {text}"));
            let right = Json { span: json.span, value: quoted };
            let message = format!("\"{label}\": {json} is text and will be stored as such; for a value write {right}");
            self.problems.warn(json.span, message);
        }
    }
}

/// Something with fields, as the walk sees it.
struct Part<'a> {
    what: &'static str,
    verb: Option<(&'static Verbs, &'static Verb)>,
    groups: &'a [&'static [Field]],
    any_of: &'static [&'static str],
}

impl<'a> Part<'a> {
    fn fields(&self) -> impl Iterator<Item = &'static Field> + use<'a> {
        self.groups.iter().copied().flatten()
    }

    /// As a message names it.
    fn said(&self) -> String {
        if self.verb.is_some() { format!("\"{}\"", self.what) } else { self.what.to_owned() }
    }

    fn unknown(&self, name: &str) -> String {
        if name == "fallback" {
            return policy::NO_FALLBACK.to_owned();
        }
        let names = || self.fields().map(|field| field.name);
        let Some((verbs, verb)) = self.verb else {
            let guess = did_you_mean(name, names());
            let rest = if guess.is_empty() {
                format!("; fields are {}", listed(names().map(str::to_owned), "and"))
            } else {
                guess
            };
            return format!("\"{name}\" is not a field of {}{rest}", self.what);
        };
        if let Some(message) = misplaced(verb, name) {
            return message;
        }
        let guess = did_you_mean(name, names());
        if verbs.verbs.iter().flat_map(Verb::clauses).any(|clause| clause.name == name) {
            return format!("\"{}\" has no \"{name}\"{guess}", verb.name);
        }
        let known =
            if names().next().is_none() { "none".to_owned() } else { listed(names().map(str::to_owned), "and") };
        let rest = if guess.is_empty() { format!("; those of \"{}\" are {known}", verb.name) } else { guess };
        format!("\"{name}\" is not a clause{rest}")
    }
}

/// Words that people know from elsewhere, and the clauses of ours that they mean.
const MEANT: [(&str, &[&str]); 15] = [
    ("if", &["where", "when"]),
    ("when", &["where"]),
    ("condition", &["where"]),
    ("value", &["to"]),
    ("catch", &["on"]),
    ("retries", &["retry"]),
    ("params", &["with"]),
    ("body", &["with"]),
    ("name", &["as", "id"]),
    ("circuit_breaker", &["breaker"]),
    ("circuitBreaker", &["breaker"]),
    ("rate_limiter", &["limiter"]),
    ("rateLimiter", &["limiter"]),
    ("throttle", &["limiter"]),
    ("backoff", &["retry"]),
];

/// Two verbs are two steps, unless one of them is a word for a clause of the other.
fn two_verbs(verbs: &Verbs, one: (&Verb, &Key), two: (&Verb, &Key), step: Span) -> (Span, String) {
    let ((one, one_key), (two, two_key)) = (one, two);
    let said = || format!("{} has one {}; this one has \"{}\" and \"{}\"", verbs.what, verbs.word, one.name, two.name);
    match (misplaced(one, two.name), misplaced(two, one.name)) {
        (Some(message), _) => (two_key.span, message),
        (None, Some(message)) => (one_key.span, message),
        (None, None) => (step, said()),
    }
}

/// `"set" has no "if"; did you mean "where"?`, when the verb has what the word means.
fn misplaced(verb: &Verb, word: &str) -> Option<String> {
    let (_, meant) = MEANT.iter().find(|(wrong, _)| *wrong == word)?;
    let right = meant.iter().find(|right| verb.clauses().any(|clause| clause.name == **right))?;
    Some(format!("\"{}\" has no \"{word}\"; did you mean \"{right}\"?", verb.name))
}

/// `a node` without its article.
fn bare(what: &str) -> &str {
    what.split_once(' ').map_or(what, |(_, noun)| noun)
}

fn is_annotation(key: &Key) -> bool {
    ANNOTATIONS.iter().any(|field| field.name == key.name)
}

/// `a->b`, `a<->b`; a side may be `*`, and may name a replica.
fn is_link(text: &str) -> bool {
    let side = |side: &str| {
        let (name, replica) = side.split_once('-').unwrap_or((side, "1"));
        side == "*" || is_name(name) && replica.parse::<u32>().is_ok()
    };
    let sides = text.split_once("<->").or_else(|| text.split_once("->"));
    sides.is_some_and(|(from, to)| side(from) && side(to))
}

/// Whether the value is of the kind of JSON that the shape is written in; by this one of several shapes is picked.
fn fits(shape: &Shape, json: &Json) -> bool {
    match (shape, &json.value) {
        (Shape::Any, _) | (Shape::Null, JsonValue::Null) | (Shape::Bool, JsonValue::Bool(_)) => true,
        (Shape::Choice { now, later }, JsonValue::Text(text)) => now.iter().chain(*later).any(|word| word == text),
        (Shape::Int { .. } | Shape::Float { .. } | Shape::Value | Shape::Literal, JsonValue::Int(_)) => true,
        (Shape::Float { .. }, JsonValue::Float { .. }) => true,
        (Shape::Steps | Shape::ListOf(_) | Shape::PairOf(_), JsonValue::List(_)) => true,
        (
            Shape::Object(_) | Shape::Kinds(_) | Shape::Verbs(_) | Shape::MapOf(..) | Shape::Dist,
            JsonValue::Object(_),
        ) => true,
        (Shape::Profile(_), JsonValue::Object(_)) => json.get("profile").is_some(),
        (Shape::OneOf(shapes), _) => shapes.iter().any(|shape| fits(shape, json)),
        (
            Shape::Text
            | Shape::Name
            | Shape::Duration
            | Shape::Ratio
            | Shape::Rate
            | Shape::DurationRange
            | Shape::IntRange
            | Shape::Expr(_)
            | Shape::Counter
            | Shape::Value
            | Shape::Literal
            | Shape::Dist
            | Shape::Target
            | Shape::Cell
            | Shape::Cells
            | Shape::Map
            | Shape::Fault,
            JsonValue::Text(_),
        ) => true,
        _ => false,
    }
}

/// Whether a value that is neither list nor object is of that shape.
fn leaf(shape: &Shape, json: &Json) -> Result<(), Wrong> {
    match shape {
        Shape::Any => Ok(()),
        Shape::Bool => read::bool(json).map(drop),
        Shape::Int { min, max } => within(shape, json, read::int(json).is_ok_and(|n| (*min..=*max).contains(&n))),
        Shape::Float { min } => within(shape, json, read::float(json).is_ok_and(|n| n >= *min)),
        Shape::Text | Shape::Fault => read::text(json).map(drop),
        Shape::Name => read::name(json).map(drop),
        Shape::Duration => read::duration(json).map(drop),
        Shape::Ratio => read::ratio(json).map(drop),
        Shape::Rate => read::rate(json).map(drop),
        Shape::DurationRange => read::duration_range(json).map(drop),
        Shape::IntRange => read::int_range(json).map(drop),
        Shape::Choice { now, later } => choice(json, now, later),
        Shape::Expr(arithmetic) => read::expr(json, *arithmetic).map(drop),
        Shape::Counter => read::counter(json).map(drop),
        Shape::Value => read::formula(json).map(drop),
        Shape::Literal => read::literal(json).map(drop),
        Shape::Dist => read::dist(json).map(drop),
        Shape::Target => read::target(json).map(drop),
        Shape::Cell => read::cell(json).map(drop),
        Shape::Cells => read::cells(json).map(drop),
        Shape::Map => read::map(json).map(drop),
        Shape::Steps
        | Shape::Null
        | Shape::Object(_)
        | Shape::Profile(_)
        | Shape::Kinds(_)
        | Shape::Verbs(_)
        | Shape::MapOf(..)
        | Shape::ListOf(_)
        | Shape::PairOf(_)
        | Shape::OneOf(_) => within(shape, json, false),
    }
}

fn within(shape: &Shape, json: &Json, fits: bool) -> Result<(), Wrong> {
    let message = || format!("here should be {}, not {}", shape.words(), shown(json));
    if fits { Ok(()) } else { Err(Wrong { span: json.span, inside: None, message: message() }) }
}

fn choice(json: &Json, now: &[&str], later: &[&str]) -> Result<(), Wrong> {
    let word = json.as_text().unwrap_or_default();
    if now.contains(&word) {
        return Ok(());
    }
    let known = || listed(now.iter().map(|word| format!("\"{word}\"")), "or");
    let message = if later.contains(&word) {
        format!("\"{word}\" is not built yet; there is {}", known())
    } else {
        let guess = did_you_mean(word, now.iter().chain(later).copied());
        let rest = if guess.is_empty() { format!("; there is {}", known()) } else { guess };
        format!("{} is not known{rest}", shown(json))
    };
    Err(Wrong { span: json.span, inside: None, message })
}
