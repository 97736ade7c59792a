//! Settings are the knobs of a scenario: declared with a default, turned from outside, and filled in before anything is checked.

use std::fmt;

use sim_core::{Duration, Ratio};

use super::rate::Rate;
use super::shape::{Shape, listed};
use crate::expr::{Literal, is_name};
use crate::json::{Json, JsonValue, Key, Span};
use crate::problem::{Problem, Problems, did_you_mean};

/// The knobs of a scenario and the named turns of several at once.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    list: Vec<Setting>,
    remedies: Vec<Remedy>,
}

/// One knob.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What its values are; that of its default.
    pub kind: SettingKind,
    /// Its value when nothing else is said.
    pub default: String,
    /// The smallest value.
    pub min: Option<String>,
    /// The largest value.
    pub max: Option<String>,
    /// Its values by name, when they are listed.
    pub choices: Vec<String>,
    /// What it does.
    pub about: Option<String>,
    /// What it is counted in.
    pub unit: Option<String>,
    /// What each choice stands for.
    values: Vec<Json>,
}

/// What the values of a setting are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// `"1s"`
    Duration,
    /// `"5%"`
    Ratio,
    /// `"10/s"`
    Rate,
    /// `3`
    Int,
    /// `0.8`
    Float,
    /// `true`
    Bool,
    /// Any other text.
    Text,
    /// The name of one of its choices.
    Choice,
}

/// A remedy or a variant: several settings under one name.
#[derive(Clone, Debug)]
pub struct Remedy {
    /// Its name.
    pub name: String,
    /// Whether it claims a cure.
    pub cures: bool,
    /// What it sets.
    pub set: Vec<(String, String)>,
}

/// What was asked for from outside: remedies in order, then settings in order, the later ones winning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Names of remedies or variants.
    pub remedies: Vec<String>,
    /// Settings and their values, as text.
    pub settings: Vec<(String, String)>,
}

impl Choices {
    /// Everything at its default.
    pub fn none() -> Self {
        Choices::default()
    }

    /// The same and this remedy or variant.
    pub fn remedy(mut self, name: &str) -> Self {
        self.remedies.push(name.to_owned());
        self
    }

    /// The same and this setting.
    pub fn set(mut self, name: &str, text: &str) -> Self {
        self.settings.push((name.to_owned(), text.to_owned()));
        self
    }

    /// The same and the setting of a command line, `timeout=2s`.
    pub fn set_line(self, line: &str) -> Result<Self, Problem> {
        match line.split_once('=') {
            Some((name, text)) => Ok(self.set(name.trim(), text.trim())),
            None => Err(Problem::outside(format!("\"{line}\" sets nothing; write name=value, such as timeout=2s"))),
        }
    }
}

/// A value that is not an object, by which settings are compared.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Scalar {
    Duration(Duration),
    Ratio(Ratio),
    Rate(Rate),
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

impl SettingKind {
    fn of(value: &JsonValue) -> Option<SettingKind> {
        match value {
            JsonValue::Bool(_) => Some(SettingKind::Bool),
            JsonValue::Int(_) => Some(SettingKind::Int),
            JsonValue::Float { .. } => Some(SettingKind::Float),
            JsonValue::Text(text) if text.parse::<Duration>().is_ok() => Some(SettingKind::Duration),
            JsonValue::Text(text) if text.parse::<Ratio>().is_ok() => Some(SettingKind::Ratio),
            JsonValue::Text(text) if text.parse::<Rate>().is_ok() => Some(SettingKind::Rate),
            JsonValue::Text(_) => Some(SettingKind::Text),
            JsonValue::Null | JsonValue::List(_) | JsonValue::Object(_) => None,
        }
    }

    fn read(self, text: &str) -> Result<Scalar, String> {
        let no = |wanted: &str| format!("\"{text}\" is not {wanted}");
        match self {
            SettingKind::Duration => text.parse().map(Scalar::Duration).map_err(|error| error.to_string()),
            SettingKind::Ratio => text.parse().map(Scalar::Ratio).map_err(|error| error.to_string()),
            SettingKind::Rate => text.parse().map(Scalar::Rate).map_err(|error| error.to_string()),
            SettingKind::Int => text.parse().map(Scalar::Int).map_err(|_| no("a whole number")),
            SettingKind::Float => {
                text.parse().ok().filter(|f: &f64| f.is_finite()).map(Scalar::Float).ok_or_else(|| no("a number"))
            }
            SettingKind::Bool => text.parse().map(Scalar::Bool).map_err(|_| no("true or false")),
            SettingKind::Text | SettingKind::Choice => Ok(Scalar::Text(text.to_owned())),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Duration(length) => write!(out, "{length}"),
            Scalar::Ratio(ratio) => write!(out, "{ratio}"),
            Scalar::Rate(rate) => write!(out, "{rate}"),
            Scalar::Int(number) => write!(out, "{number}"),
            Scalar::Float(number) => write!(out, "{number}"),
            Scalar::Bool(truth) => write!(out, "{truth}"),
            Scalar::Text(text) => out.write_str(text),
        }
    }
}

impl Scalar {
    fn into_json(self) -> JsonValue {
        match self {
            Scalar::Int(number) => JsonValue::Int(number),
            Scalar::Float(value) => JsonValue::Float { value, text: value.to_string() },
            Scalar::Bool(truth) => JsonValue::Bool(truth),
            Scalar::Text(text) => JsonValue::Text(text),
            written @ (Scalar::Duration(_) | Scalar::Ratio(_) | Scalar::Rate(_)) => {
                JsonValue::Text(written.to_string())
            }
        }
    }
}

/// A scalar as `--set` writes it; `None` for what cannot be written on a command line.
fn written(json: &Json) -> Option<String> {
    match &json.value {
        JsonValue::Text(text) => Some(text.clone()),
        JsonValue::Null | JsonValue::List(_) | JsonValue::Object(_) => None,
        _ => Some(json.to_string()),
    }
}

impl Setting {
    /// The value in its canonical form, if it may have it.
    pub fn check(&self, text: &str) -> Result<String, String> {
        let Setting { name, .. } = self;
        if self.kind == SettingKind::Choice {
            return match self.choices.iter().any(|choice| choice == text) {
                true => Ok(text.to_owned()),
                false => Err(format!("{name} has no choice \"{text}\"; choices are {}", self.choices.join(", "))),
            };
        }
        let value = self.kind.read(text).map_err(|error| format!("{name}: {error}"))?;
        let bound = |bound: &Option<String>| bound.as_ref().and_then(|bound| self.kind.read(bound).ok());
        if let Some(min) = bound(&self.min).filter(|min| value < *min) {
            return Err(format!("{name}={text} is below its minimum, {min}"));
        }
        if let Some(max) = bound(&self.max).filter(|max| value > *max) {
            return Err(format!("{name}={text} is above its maximum, {max}"));
        }
        Ok(value.to_string())
    }

    /// What stands for `${name}` when it has this value.
    fn value(&self, text: &str) -> JsonValue {
        match self.choices.iter().position(|choice| choice == text) {
            Some(index) => self.values[index].value.clone(),
            None => self.kind.read(text).map_or(JsonValue::Null, Scalar::into_json),
        }
    }

    /// Reads `"timeout": {"default": "1s", "min": …}`.
    fn declared(key: &Key, json: &Json, problems: &mut Problems) -> Option<Setting> {
        if !is_name(&key.name) {
            problems.error(key.span, super::read::no_name(&key.name));
        }
        let Some(default) = json.get("default") else {
            problems.error(key.span, format!("setting \"{}\" needs a \"default\"", key.name));
            return None;
        };
        let (choices, values) = json.get("choices").map(|json| choices(json, problems)).unwrap_or_default();
        let kind = if choices.is_empty() { SettingKind::of(&default.value) } else { Some(SettingKind::Choice) };
        let (Some(kind), Some(text)) = (kind, written(default)) else {
            let message = "a default is text or a number; for null, a list or an object use \"choices\" with names";
            problems.error(default.span, message);
            return None;
        };
        let about = |field| json.get(field).and_then(Json::as_text).map(str::to_owned);
        let mut setting = Setting {
            name: key.name.clone(),
            kind,
            default: text,
            min: None,
            max: None,
            choices,
            about: about("about"),
            unit: about("unit"),
            values,
        };
        setting.min = setting.bound("min", json, problems);
        setting.max = setting.bound("max", json, problems);
        match setting.check(&setting.default) {
            Ok(default) => setting.default = default,
            Err(message) => problems.error(default.span, message),
        }
        Some(setting)
    }

    fn bound(&self, which: &str, json: &Json, problems: &mut Problems) -> Option<String> {
        let bound = json.get(which).filter(|json| !json.is_null())?;
        let read = written(bound).ok_or_else(|| "it is no single value".to_owned());
        match read.and_then(|text| self.kind.read(&text)) {
            Ok(_) if matches!(self.kind, SettingKind::Choice | SettingKind::Text | SettingKind::Bool) => {
                problems.error(bound.span, format!("a setting whose values have no order has no \"{which}\""));
                None
            }
            Ok(value) => Some(value.to_string()),
            Err(message) => {
                problems.error(bound.span, format!("\"{which}\" must be what the default is: {message}"));
                None
            }
        }
    }
}

/// The choices' names and values: of a list, its items twice.
fn choices(json: &Json, problems: &mut Problems) -> (Vec<String>, Vec<Json>) {
    let named = match &json.value {
        JsonValue::List(items) => items.iter().filter_map(|item| Some((written(item)?, item.clone()))).collect(),
        JsonValue::Object(members) => members.iter().map(|(key, value)| (key.name.clone(), value.clone())).collect(),
        _ => Vec::new(),
    };
    if named.is_empty() {
        problems.error(
            json.span,
            "choices are a list, [\"on\", \"off\"], or names with values, {\"on\": true, \"off\": null}",
        );
    }
    named.into_iter().unzip()
}

impl Settings {
    /// Reads what a file declares; the mistakes go to `problems`.
    pub(super) fn declared(root: &Json, problems: &mut Problems) -> Settings {
        let mut settings = Settings::default();
        let section = |name: &str| root.get(name).map(Json::members).unwrap_or_default();
        for (key, json) in section("settings").iter().filter(|(_, json)| json.as_text().is_none()) {
            refuse_references(json, problems);
            settings.list.extend(Setting::declared(key, json, problems));
        }
        for (place, cures) in [("remedies", true), ("variants", false)] {
            for (key, json) in section(place).iter().filter(|(_, json)| json.as_text().is_none()) {
                settings.add_remedy(key, json, cures, problems);
            }
        }
        settings
    }

    fn add_remedy(&mut self, key: &Key, json: &Json, cures: bool, problems: &mut Problems) {
        let name = key.name.clone();
        if self.remedies.iter().any(|known| known.name == name) {
            problems.error(key.span, format!("\"{name}\" is both a remedy and a variant; rename one"));
        }
        let mut set = Vec::new();
        for (setting, value) in json.get("set").map(Json::members).unwrap_or_default() {
            let Some(text) = written(value) else { continue };
            match self.check(&setting.name, &text) {
                Ok(text) => set.push((setting.name.clone(), text)),
                Err(message) => problems.error(value.span, message),
            }
        }
        self.remedies.push(Remedy { name, cures, set });
    }

    /// The settings, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.list.iter()
    }

    /// The remedies, then the variants, in the order of the file.
    pub fn remedies(&self) -> impl Iterator<Item = &Remedy> {
        self.remedies.iter()
    }

    /// The setting of that name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        self.list.iter().find(|setting| setting.name == name)
    }

    /// The value in its canonical form, if there is such a setting and it may have it.
    pub fn check(&self, name: &str, text: &str) -> Result<String, String> {
        self.get(name).ok_or_else(|| self.unknown(name))?.check(text)
    }

    fn unknown(&self, name: &str) -> String {
        let names = || self.list.iter().map(|setting| setting.name.as_str());
        let known = listed(names().map(str::to_owned), "and");
        let guess = did_you_mean(name, names());
        let rest = if guess.is_empty() { format!("; settings are {known}") } else { guess };
        format!("no setting \"{name}\"{rest}")
    }

    /// The value of every setting after these choices; all that is wrong with them otherwise.
    pub(super) fn chosen(&self, choices: &Choices) -> Result<Chosen<'_>, Vec<Problem>> {
        let mut texts: Vec<String> = self.list.iter().map(|setting| setting.default.clone()).collect();
        let mut wrong = Vec::new();
        let mut set = |name: &str, text: &str| match self.check(name, text) {
            Ok(text) => texts[self.list.iter().position(|setting| setting.name == name).unwrap_or_default()] = text,
            Err(message) => wrong.push(Problem::outside(message)),
        };
        let mut unknown = Vec::new();
        for name in &choices.remedies {
            match self.remedies.iter().find(|remedy| remedy.name == *name) {
                Some(remedy) => remedy.set.iter().for_each(|(name, text)| set(name, text)),
                None => unknown.push(Problem::outside(self.no_remedy(name))),
            }
        }
        choices.settings.iter().for_each(|(name, text)| set(name, text));
        unknown.append(&mut wrong);
        if unknown.is_empty() { Ok(Chosen { settings: self, texts }) } else { Err(unknown) }
    }

    fn no_remedy(&self, name: &str) -> String {
        let names = || self.remedies.iter().map(|remedy| remedy.name.as_str());
        let guess = did_you_mean(name, names());
        let known = listed(names().map(str::to_owned), "and");
        let rest = if guess.is_empty() { format!("; remedies and variants are {known}") } else { guess };
        format!("no remedy \"{name}\"{rest}")
    }
}

/// A setting is turned from outside; one that depends on another could not be.
fn refuse_references(json: &Json, problems: &mut Problems) {
    match &json.value {
        JsonValue::Text(text) if text.contains("${") => {
            problems.error(json.span, "a setting cannot refer to a setting; use both where they are needed");
        }
        JsonValue::List(items) => items.iter().for_each(|item| refuse_references(item, problems)),
        JsonValue::Object(members) => {
            // What a setting says about itself is for people, who may want to name another.
            let values = members.iter().filter(|(key, _)| !matches!(key.name.as_str(), "about" | "note"));
            values.for_each(|(_, value)| refuse_references(value, problems));
        }
        _ => {}
    }
}

/// Every setting with the value it has.
pub(super) struct Chosen<'a> {
    settings: &'a Settings,
    texts: Vec<String>,
}

impl Chosen<'_> {
    /// Names and values, in the order of the file.
    pub(super) fn texts(&self) -> Vec<(String, String)> {
        let names = self.settings.list.iter().map(|setting| setting.name.clone());
        names.zip(self.texts.iter().cloned()).collect()
    }

    fn value(&self, name: &str) -> Result<JsonValue, String> {
        let found = self.settings.list.iter().zip(&self.texts).find(|(setting, _)| setting.name == name);
        found.map(|(setting, text)| setting.value(text)).ok_or_else(|| self.settings.unknown(name))
    }

    /// The value with every `${name}` in its own text replaced, as its shape wants it.
    pub(super) fn filled(&self, shape: &Shape, json: &Json) -> Result<Json, String> {
        let Some(text) = json.as_text().filter(|text| text.contains("${")) else { return Ok(json.clone()) };
        if let Some(name) = alone(text) {
            return Ok(Json { span: json.span, value: self.value(name)? }.at(json.span));
        }
        let mut filled = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            filled.push_str(&rest[..start]);
            let end = rest[start..].find('}').ok_or("\"${\" has no \"}\"")?;
            let name = &rest[start + 2..start + end];
            let value = self.value(name)?;
            let text = match around(shape, &filled) {
                Around::Text => plain(&value),
                Around::Quotes => plain(&value).map(|text| text.replace('\\', "\\\\").replace('\'', "\\'")),
                Around::Expression => literal(&value),
            };
            filled.push_str(&text.map_err(|reason| format!("${{{name}}} {reason}"))?);
            rest = &rest[start + end + 1..];
        }
        filled.push_str(rest);
        Ok(Json { span: json.span, value: JsonValue::Text(filled) })
    }
}

/// The name, when the whole text is one `${name}`.
fn alone(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}').filter(|name| !name.contains('}'))
}

/// What stands around a `${name}`.
enum Around {
    Text,
    /// Text in quotes inside an expression.
    Quotes,
    Expression,
}

/// Decides by the shape of the place and by the text in front.
fn around(shape: &Shape, before: &str) -> Around {
    let expression = match shape {
        Shape::Expr(_) | Shape::Counter => Some(before),
        Shape::Value => before.strip_prefix('='),
        Shape::Cell | Shape::Cells => before.split_once('[').map(|(_, key)| key),
        Shape::OneOf(shapes) => {
            return match shapes.iter().find(|shape| matches!(shape, Shape::Value | Shape::Expr(_))) {
                Some(shape) => around(shape, before),
                None => Around::Text,
            };
        }
        _ => None,
    };
    match expression.map(is_in_quotes) {
        None => Around::Text,
        Some(true) => Around::Quotes,
        Some(false) => Around::Expression,
    }
}

fn is_in_quotes(expression: &str) -> bool {
    let mut inside = false;
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => inside = !inside,
            '\\' if inside => {
                chars.next();
            }
            _ => {}
        }
    }
    inside
}

/// The value inside text.
fn plain(value: &JsonValue) -> Result<String, String> {
    let json = Json { span: Span::default(), value: value.clone() };
    written(&json).ok_or_else(|| format!("is {json} here, which cannot stand inside text"))
}

/// The value inside an expression: text that reads as a duration, a ratio or a rate (then so many a second) is one, other
/// text is quoted.
fn literal(value: &JsonValue) -> Result<String, String> {
    match (SettingKind::of(value), value) {
        (_, JsonValue::Null) => Ok("null".to_owned()),
        (Some(SettingKind::Rate), JsonValue::Text(text)) => {
            Ok(text.parse::<Rate>().map(|rate| rate.per_second().to_string()).unwrap_or_default())
        }
        (Some(kind @ (SettingKind::Duration | SettingKind::Ratio)), JsonValue::Text(text)) => {
            kind.read(text).map(|value| value.to_string())
        }
        (Some(SettingKind::Text), JsonValue::Text(text)) => Ok(Literal::Text(text.as_str().into()).to_string()),
        (Some(_), scalar) => plain(scalar),
        (None, object) => {
            let json = Json { span: Span::default(), value: object.clone() };
            Err(format!("is {json} here, which cannot stand inside an expression"))
        }
    }
}
