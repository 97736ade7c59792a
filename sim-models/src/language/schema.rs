//! The tables as a JSON Schema, so that an editor completes a scenario and explains it while it is written.

use serde_json::{Map, Value, json};

use super::grammar::{DIST, METRIC, NODE, OUTCOME, PROPERTY, SCENARIO, STEP};
use super::shape::{ANNOTATIONS, Built, Field, Keys, Kinds, Need, Object, Shape, Verb, Verbs};
use crate::policy;

/// The schema of a scenario file, draft 2020-12. It is made from the same tables that the checker reads.
pub fn schema() -> Value {
    let mut schema = object(&SCENARIO, &[]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("A faultline scenario");
    schema["properties"]["faultline"] =
        json!({"const": super::grammar::VERSION, "description": "The version of the language."});
    schema["$defs"] = json!({
        "setting": {"type": "string", "pattern": "\\$\\{[a-z][a-z0-9_]*\\}", "description": "The value of a setting."},
        "step": verbs(&STEP),
        "metric": verbs(&METRIC),
        "property": verbs(&PROPERTY),
        "distribution": verbs(&DIST),
        "node": kinds(&NODE),
    });
    for clause in OUTCOME {
        schema["$defs"][clause_name(clause)] = field(clause);
    }
    schema
}

/// The clauses that most steps share stand in the schema once.
fn clause_name(clause: &Field) -> String {
    format!("clause_{}", clause.name)
}

fn clause(of: &Verbs, clause: &Field) -> Value {
    let shared = std::ptr::eq(of, &raw const STEP) && OUTCOME.iter().any(|known| known.name == clause.name);
    if shared { reference(&clause_name(clause)) } else { field(clause) }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn field(field: &Field) -> Value {
    let mut schema = or_setting(&field.shape);
    let later = if field.built == Built::NotYet { " (Not built yet.)" } else { "" };
    let default = if field.default.is_empty() { String::new() } else { format!(" Default: {}.", field.default) };
    schema["description"] = json!(format!("{}{default}{later}", field.doc));
    if let (Need::Optional, Some(any_of)) = (field.need, schema.get_mut("anyOf").and_then(Value::as_array_mut)) {
        any_of.push(json!({"type": "null"}));
    }
    schema
}

/// The shape, or a setting in its place.
fn or_setting(of: &Shape) -> Value {
    json!({"anyOf": [shape(of), reference("setting")]})
}

fn shape(of: &Shape) -> Value {
    let pattern = |pattern: &str| json!({"type": "string", "pattern": pattern, "description": of.words()});
    match of {
        Shape::Any => json!(true),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Int { min, max: i64::MAX } => json!({"type": "integer", "minimum": min}),
        Shape::Int { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Shape::Float { min: f64::MIN } => json!({"type": "number"}),
        Shape::Float { min } => json!({"type": "number", "minimum": min}),
        Shape::Text | Shape::Fault => json!({"type": "string"}),
        Shape::Name => pattern("^[a-z][a-z0-9_]*$"),
        Shape::Duration => pattern("^[0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d)$"),
        Shape::Ratio => pattern("^([0-9]+(\\.[0-9]+)?%|[0-9]+/[0-9]+)$"),
        Shape::Rate => pattern("^[0-9]+(\\.[0-9]+)?/(ms|s|m|h|d)$"),
        Shape::DurationRange | Shape::IntRange => pattern("\\.\\."),
        Shape::Choice { now, later } => json!({"enum": ([*now, *later].concat())}),
        Shape::Expr(_) => json!({"type": ["string", "number", "boolean"], "description": of.words()}),
        Shape::Value | Shape::Literal => json!({"type": ["string", "integer"], "description": of.words()}),
        Shape::Dist => json!({"anyOf": [shape(&Shape::Duration), reference("distribution")]}),
        Shape::Counter | Shape::Target => pattern("\\."),
        Shape::Cell | Shape::Cells => pattern("\\[.*\\]$"),
        Shape::Map => pattern("^[a-z]"),
        Shape::Null => json!({"type": "null"}),
        Shape::Steps => json!({"type": "array", "items": {"anyOf": [reference("step"), reference("setting")]}}),
        Shape::Object(inner) => object(inner, &[]),
        Shape::Profile(kind) => {
            let of_kind = policy::profiles().filter(|known| known.kind == *kind);
            json!({"oneOf": of_kind.map(profile).collect::<Vec<_>>()})
        }
        Shape::Kinds(kinds) => reference(bare(kinds.what)),
        Shape::Verbs(verbs) => reference(bare(verbs.what)),
        Shape::MapOf(keys, inner) => map(*keys, inner),
        Shape::ListOf(inner) => json!({"type": "array", "items": or_setting(inner)}),
        Shape::PairOf(inner) => json!({"type": "array", "items": or_setting(inner), "minItems": 2, "maxItems": 2}),
        Shape::OneOf(shapes) => json!({"anyOf": shapes.iter().map(shape).collect::<Vec<_>>()}),
    }
}

fn bare(what: &str) -> &str {
    what.split_once(' ').map_or(what, |(_, noun)| noun)
}

/// Names with values, and annotations beside them.
fn map(keys: Keys, inner: &Shape) -> Value {
    let pattern = match keys {
        Keys::Free => "",
        Keys::Names => "^[a-z][a-z0-9_]*$",
        Keys::Links => "^[^ ]+->[^ ]+$",
        Keys::Ratios => "^([0-9]+(\\.[0-9]+)?%|[0-9]+/[0-9]+)$",
    };
    let mut entry = or_setting(inner);
    if let Some(any_of) = entry["anyOf"].as_array_mut() {
        any_of.push(json!({"type": "null"}));
    }
    let mut properties = annotations();
    for value in properties.values_mut() {
        // Where a member of this name would be one of the author's, it is.
        *value = json!({"anyOf": [value.clone(), entry.clone()]});
    }
    json!({"type": "object", "properties": properties, "propertyNames": {"pattern": format!("{pattern}|^\\$schema$")}, "additionalProperties": entry})
}

fn annotations() -> Map<String, Value> {
    let text = |field: &Field| json!({"type": "string", "description": field.doc});
    ANNOTATIONS.iter().map(|field| (field.name.to_owned(), text(field))).collect()
}

fn object(of: &Object, more: &[(&str, Value)]) -> Value {
    let fields = of.fields.iter().map(|known| (known.name.to_owned(), field(known)));
    let more_required = more.iter().map(|(name, _)| *name);
    let required = of.fields.iter().filter(|field| field.need == Need::Required).map(|field| field.name);
    let required: Vec<_> = more_required.chain(required).collect();
    let mut properties: Map<_, _> = more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    properties.extend(fields);
    properties.extend(annotations());
    closed(&properties, &required, of.any_of)
}

/// An object with these properties and no others.
fn closed(properties: &Map<String, Value>, required: &[&str], any_of: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !any_of.is_empty() {
        schema["anyOf"] = any_of.iter().map(|name| json!({"required": [name]})).collect();
    }
    schema
}

/// The parameters of a library's policy; what each may be, the library's page says.
fn profile(of: &policy::Profile) -> Value {
    let mut properties = annotations();
    properties.insert("profile".to_owned(), json!({"const": of.name, "description": of.about}));
    for parameter in of.parameters {
        let default = parameter.shown_default();
        let default = if default.is_empty() { default } else { format!(" Default: {default}.") };
        properties.insert(parameter.name.to_owned(), json!({"description": format!("{}{default}", parameter.about)}));
    }
    let required = of.parameters.iter().filter(|parameter| parameter.required).map(|parameter| parameter.name);
    let required: Vec<_> = std::iter::once("profile").chain(required).collect();
    closed(&properties, &required, &[])
}

fn kinds(of: &Kinds) -> Value {
    let kind = |kind: &super::shape::Kind| {
        object(&kind.object, &[("kind", json!({"const": kind.name, "description": kind.doc}))])
    };
    json!({"oneOf": of.kinds.iter().map(kind).collect::<Vec<_>>()})
}

fn verbs(of: &Verbs) -> Value {
    json!({"oneOf": of.verbs.iter().map(|known| verb(of, known)).collect::<Vec<_>>()})
}

fn verb(all: &Verbs, of: &Verb) -> Value {
    let mut value = or_setting(&of.value);
    let later = if of.built == Built::NotYet { " (Not built yet.)" } else { "" };
    value["description"] = json!(format!("{}{later}", of.doc));
    let mut properties = Map::new();
    properties.insert(of.name.to_owned(), value);
    properties.extend(of.clauses().map(|known| (known.name.to_owned(), clause(all, known))));
    properties.extend(annotations());
    let required: Vec<_> =
        of.clauses().filter(|clause| clause.need == Need::Required).map(|clause| clause.name).collect();
    closed(&properties, &[&[of.name], required.as_slice()].concat(), of.any_of)
}
