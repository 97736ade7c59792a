//! The stories are data: no Rust file knows the names in them, and under other names they tell the same.

use std::collections::{BTreeMap, BTreeSet};

use faultline_tests::scenarios::{check, expectations, json, remedied, written};
use faultline_tests::sources::{Token, product_code, rust_files};
use serde_json::{Map, Value};
use sim_models::builtin;
use sim_models::language::schema;

/// What is promised to know nothing of the stories. The one file that lists them may; and a scenario's own name is no secret.
const PRODUCT: [&str; 4] = ["sim-core/src", "sim-models/src", "sim-tui/src", "benches"];
const LISTS_THEM: &str = "sim-models/src/builtin.rs";

/// The words of the product itself, beside those of the schema: events, effects, faults and verdicts have names too.
const WORDS: &[&str] = &[
    "event",
    "actor",
    "node",
    "effect",
    "envelope",
    "link",
    "fate",
    "operation",
    "try",
    "lineage",
    "timer",
    "deadline",
    "timeout",
    "partition",
    "heal",
    "clog",
    "crash",
    "restart",
    "pause",
    "resume",
    "clock",
    "fault",
    "decision",
    "schedule",
    "nemesis",
    "tolerance",
    "property",
    "checker",
    "history",
    "verdict",
    "trace",
    "step",
    "span",
    "seed",
    "key",
    "case",
    "replay",
    "digest",
    "shrink",
    "hunt",
    "fork",
    "seek",
    "timeline",
    "scenario",
    "setting",
    "remedy",
    "metric",
    "availability",
    "requests",
];

fn words() -> BTreeSet<String> {
    fn collect(value: &Value, words: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                words.extend(
                    fields.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned(),
                );
                let listed =
                    fields.get("enum").and_then(Value::as_array).into_iter().flatten().chain(fields.get("const"));
                words.extend(listed.filter_map(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| collect(field, words));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
            _ => {}
        }
    }
    let mut words: BTreeSet<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    collect(&schema(), &mut words);
    words
}

/// The names that a scenario file makes up, by what they name.
#[derive(Debug, Default)]
struct MadeUp {
    nodes: BTreeSet<String>,
    workloads: BTreeSet<String>,
    endpoints: BTreeSet<String>,
    maps: BTreeSet<String>,
    facts: BTreeSet<String>,
    keys: BTreeSet<String>,
    carried: BTreeSet<String>,
    settings: BTreeSet<String>,
    metrics: BTreeSet<String>,
    properties: BTreeSet<String>,
}

impl MadeUp {
    fn of(file: &Value) -> MadeUp {
        let keys = |value: &Value| -> BTreeSet<String> {
            value.as_object().into_iter().flat_map(Map::keys).cloned().collect()
        };
        let nodes = || file["nodes"].as_object().into_iter().flat_map(Map::values);
        let mut made_up = MadeUp {
            nodes: keys(&file["nodes"]),
            workloads: keys(&file["workload"]),
            endpoints: nodes().flat_map(|node| keys(&node["endpoints"])).collect(),
            maps: nodes().flat_map(|node| [keys(&node["maps"]), keys(&node["memory"])]).flatten().collect(),
            settings: keys(&file["settings"]),
            metrics: keys(&file["metrics"]),
            properties: keys(&file["properties"]),
            ..MadeUp::default()
        };
        made_up.walk(file);
        made_up
    }

    fn walk(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (field, inner) in fields {
                    let text = inner.as_str().map(str::to_owned);
                    match field.as_str() {
                        "record" | "undo" => self.facts.extend(text),
                        "each" | "for_each" => self.keys.extend(text),
                        "as" => self.carried.extend(text),
                        "with" => self.carried.extend(inner.as_object().into_iter().flat_map(Map::keys).cloned()),
                        _ => {}
                    }
                    self.walk(inner);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            _ => {}
        }
    }

    /// All that no Rust file may know; values that a file carries under a name of its own are told by the others.
    fn all(&self) -> impl Iterator<Item = &String> {
        let sets = [&self.nodes, &self.workloads, &self.endpoints, &self.maps, &self.facts, &self.keys];
        let more = [&self.carried, &self.settings, &self.metrics, &self.properties];
        sets.into_iter().chain(more).flatten()
    }
}

/// What keys are called, and what they are called together, is no name of a story where a terminal is read.
const OF_A_KEYBOARD: &[&str] = &["left", "keys"];

#[test]
fn no_rust_file_knows_the_names_of_a_story() {
    let words = words();
    let mut told = BTreeMap::new();
    for scenario in builtin::names() {
        let made_up = MadeUp::of(&json(scenario));
        let names = made_up.all().filter(|name| !words.contains(*name)).cloned();
        told.extend(names.map(|name| (name, scenario)));
    }
    builtin::names().for_each(|name| _ = told.remove(name));
    assert!(told.len() > 30, "{told:?}");
    let mut known = Vec::new();
    let files = PRODUCT.iter().flat_map(|folder| rust_files(folder));
    let files: Vec<_> = files.filter(|path| !path.ends_with("tests.rs") && path.to_str() != Some(LISTS_THEM)).collect();
    assert!(files.len() > 60, "{files:?}");
    for path in files {
        let of_a_keyboard = |text: &str| path.starts_with("sim-tui/src/explore") && OF_A_KEYBOARD.contains(&text);
        for token in product_code(&path) {
            if let Token::Text(text) = token
                && !of_a_keyboard(&text)
                && let Some(scenario) = told.get(&text)
            {
                known.push(format!("{} knows {text:?} of {scenario}", path.display()));
            }
        }
    }
    assert!(known.is_empty(), "{}", known.join("\n"));
}

/// A scenario with every name that its file makes up changed for another.
struct Renamed {
    made_up: MadeUp,
    /// The names of choices that a setting makes up, by setting.
    choices: BTreeMap<String, BTreeSet<String>>,
}

fn new(name: &str) -> String {
    let spelled: String = name.chars().rev().filter(char::is_ascii_alphanumeric).collect();
    format!("q{spelled}")
}

impl Renamed {
    fn of(file: &Value) -> Renamed {
        let settings = file["settings"].as_object().into_iter().flatten();
        let choices = settings.filter_map(|(name, setting)| {
            Some((name.clone(), setting["choices"].as_object()?.keys().cloned().collect()))
        });
        Renamed { made_up: MadeUp::of(file), choices: choices.collect() }
    }

    fn choice(&self, setting: &str, value: &Value) -> Value {
        let known = |text: &&str| self.choices.get(setting).is_some_and(|choices| choices.contains(*text));
        value.as_str().filter(known).map_or_else(|| value.clone(), |text| new(text).into())
    }

    fn value(&self, path: &[&str], value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let renamed = |(field, inner): (&String, &Value)| {
                    let here = [path, &[field.as_str()]].concat();
                    let inner = match path {
                        [.., "set"] => self.choice(field, inner),
                        ["settings", setting] if field == "default" => self.choice(setting, inner),
                        _ if matches!(field.as_str(), "about" | "title" | "unit" | "name") => inner.clone(),
                        _ => self.value(&here, inner),
                    };
                    (self.field(path, field), inner)
                };
                Value::Object(fields.iter().map(renamed).collect())
            }
            Value::Array(items) => items.iter().map(|item| self.value(path, item)).collect(),
            Value::String(text) => self.text(path, text).into(),
            other => other.clone(),
        }
    }

    /// The name of a field: those that the file makes up stand in known places.
    fn field(&self, path: &[&str], field: &str) -> String {
        let made_up = match path {
            ["settings" | "nodes" | "workload" | "metrics" | "properties" | "remedies" | "variants" | "expect"] => true,
            ["remedies" | "variants", _, "set" | "expect"] => true,
            ["settings", setting, "choices"] => self.choices.contains_key(*setting),
            [.., "endpoints" | "maps" | "memory" | "with"] => true,
            _ => false,
        };
        if made_up { new(field) } else { field.to_owned() }
    }

    /// A text: each word of it that is a name where it stands. Words in quotes are values, and stay.
    fn text(&self, path: &[&str], text: &str) -> String {
        let mut renamed = String::new();
        let mut rest = text;
        while let Some(begin) = rest.find(|c: char| c.is_ascii_alphabetic()) {
            let (before, word) = rest.split_at(begin);
            let end = word.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            renamed += before;
            let is_name = match before.chars().last() {
                Some('{') => self.made_up.settings.contains(word),
                Some('$') => self.made_up.keys.contains(word) || self.made_up.carried.contains(word),
                Some('\'') => false,
                _ if matches!(path.last(), Some(&"choices" | &"in_flight")) => false,
                _ => self.is_name(word),
            };
            renamed += &if is_name { new(word) } else { word.to_owned() };
            rest = after;
        }
        renamed + rest
    }

    fn is_name(&self, word: &str) -> bool {
        let MadeUp { nodes, workloads, endpoints, maps, facts, keys, metrics, .. } = &self.made_up;
        [nodes, workloads, endpoints, maps, facts, keys, metrics].iter().any(|names| names.contains(word))
    }
}

#[test]
fn a_checkout_under_other_names_is_the_same_story() {
    let file = json("checkout");
    let renames = Renamed::of(&file);
    let copy = renames.value(&[], &file);
    let (before, after) = (MadeUp::of(&file), MadeUp::of(&copy));
    let old: BTreeSet<_> = before.all().collect();
    let left: Vec<_> = after.all().filter(|name| old.contains(name)).collect();
    assert!(left.is_empty(), "{left:?} in {copy:#}");
    let scenario = written(&copy);
    let expected = expectations(&copy["expect"]);
    assert_eq!(expected.len(), 4);
    check(&remedied(&scenario, None), 5, &expected);
    let remedies = copy["remedies"].as_object().expect("it has remedies");
    for (remedy, claim) in remedies {
        check(&remedied(&scenario, Some(remedy)), 5, &expectations(&claim["expect"]));
    }
    let (_, cure) = remedies.iter().next().expect("it has one");
    assert_eq!(cure["expect"][&new("double_charged")], 0, "{cure}");
}
