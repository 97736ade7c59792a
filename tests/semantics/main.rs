//! What steps do, rule by rule: section 4 and section 5 of the language page, each clause with a file small enough to work out by hand.
//!
//! Every length of time is constant, so that every instant is exact. A run that comes to its end must leave nothing behind: no
//! request, no timer, no worker, no lock.

mod any;
mod branches;
mod dice;
mod load;
mod once;
mod outcomes;
mod stores;
mod time;
mod transactions;
mod workers;

use std::fmt::Write;

use serde_json::{Value, json};
use sim_core::{Limits, Seed, Sim, Stop, Verdict, run};
use sim_models::language::Choices;
use sim_models::message::Msg;
use sim_models::scenario::{Model, Scenario};

/// What a metric without a value is.
const NULL: f64 = f64::NAN;

/// One order, at the very beginning.
fn order(nodes: &str, steps: &str) -> String {
    world(nodes, &[("shopper", "order", "0s", steps)], "")
}

/// Workloads of one operation each: name, what the operation is called, when it begins, its steps.
fn world(nodes: &str, workloads: &[(&str, &str, &str, &str)], rest: &str) -> String {
    let mut text = String::new();
    for (name, each, start, steps) in workloads {
        let comma = if text.is_empty() { "" } else { ", " };
        let begins = format!(r#""rate": "1/s", "spacing": "even", "limit": 1, "start": "{start}""#);
        write!(text, r#"{comma}"{name}": {{{begins}, "each": "{each}", "do": {steps}}}"#).expect("text grows");
    }
    file(nodes, &text, rest)
}

/// So many orders, exactly so far apart.
fn orders(nodes: &str, count: u32, rate: &str, steps: &str, rest: &str) -> String {
    let workload = format!(
        r#""shopper": {{"rate": "{rate}", "spacing": "even", "limit": {count}, "each": "order", "do": {steps}}}"#
    );
    file(nodes, &workload, rest)
}

fn file(nodes: &str, workload: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { ", " };
    format!(r#"{{"faultline": 1, "name": "small", "nodes": {{{nodes}}}, "workload": {{{workload}}}{comma}{rest}}}"#)
}

/// A service with these endpoints, and beside them these fields.
fn service(name: &str, fields: &str, endpoints: &str) -> String {
    format!(r#""{name}": {{"kind": "service", {fields} "endpoints": {{{endpoints}}}}}"#)
}

fn model(text: &str) -> Model {
    let scenario = Scenario::parse("small.json", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    scenario.model(&Choices::none()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The file with a metric for each of these: `paid.first` of the one key that has it, `max(paid.last)`, else a formula about the run.
fn measured(text: &str, names: &[&str]) -> Model {
    let mut file: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let metric = |name: &str| match name {
        _ if name.starts_with("min ") => json!({ "max": format!("-({})", &name[4..]), "where": has_it(&name[4..]) }),
        _ if name.starts_with("max ") => json!({ "max": &name[4..] }),
        _ if name.starts_with("count ") => json!({ "count": &name[6..] }),
        _ if name.starts_with("sum ") => json!({ "sum": &name[4..] }),
        _ if name.ends_with(".first") || name.ends_with(".last") => json!({ "max": name }),
        _ => json!({ "value": name }),
    };
    let metrics = names.iter().enumerate().map(|(index, name)| (format!("m{index}"), metric(name)));
    file["metrics"] = Value::Object(metrics.collect());
    model(&file.to_string())
}

/// Runs a file and holds what it measures against what it must be.
#[track_caller]
fn check(text: &str, expected: &[(&str, f64)]) {
    check_seed(text, Seed(0), expected);
}

#[track_caller]
fn check_seed(text: &str, seed: Seed, expected: &[(&str, f64)]) {
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let model = measured(text, &names);
    let (mut sim, mut judge) = model.start(seed);
    let outcome =
        run(&mut sim, &mut judge, &model.course(Stop::AtEnd, few()), |_, _| std::ops::ControlFlow::Continue(()));
    let run = model.measured(seed, &sim, &judge, outcome);
    assert!(run.outcome.panic.is_none(), "{:?}\n{text}", run.outcome.panic);
    assert_eq!(run.outcome.verdict, Verdict::Held, "{:?} {:?}", run.outcome.limit, run.outcome.properties);
    let found: Vec<_> = names.iter().zip(&run.metrics).map(|(name, (_, value))| value_of(name, *value)).collect();
    let same = |(one, other): (&f64, &f64)| one == other || (one.is_nan() && other.is_nan());
    let wanted: Vec<f64> = expected.iter().map(|(_, value)| *value).collect();
    let all: Vec<_> = names.iter().zip(&found).collect();
    assert!(found.iter().zip(&wanted).all(same), "it is {all:?}\nand must be {expected:?}\n{:?}\n{text}", run.counters);
    if sim.step().is_none() {
        assert_nothing_is_left(&model, &sim);
    }
}

/// That a key has the fact which a formula begins with.
fn has_it(formula: &str) -> String {
    format!("{} != null", formula.split(' ').next().unwrap_or_default())
}

/// The least is the negative of the largest negative.
fn value_of(name: &str, value: Option<f64>) -> f64 {
    let value = value.unwrap_or(NULL);
    if name.starts_with("min ") { -value } else { value }
}

fn few() -> Limits {
    Limits { events: 1_000_000, events_at_one_instant: 100_000, ..Limits::default() }
}

/// No node that is up holds anything, once nothing happens any more.
#[track_caller]
fn assert_nothing_is_left(model: &Model, sim: &Sim<Msg>) {
    for index in 0..model.program().replicas.len() {
        let node = sim_core::NodeId(index as u32);
        if sim.is_up(node) {
            let state = sim.state(node).expect("it serialises");
            assert_empty(&model.program().replica_name(node), &state);
        }
    }
    assert_empty("the shelves", &serde_json::to_value(sim.shared()).expect("it serialises"));
}

#[track_caller]
fn assert_empty(path: &str, state: &Value) {
    let Value::Object(fields) = state else { return };
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match name.as_str() {
            "busy" => assert_eq!(value, 0, "{path}"),
            "line" | "ready" | "watching" | "holding" | "locks" => assert_eq!(value, &json!([]), "{path}"),
            "txns" if value.is_array() => assert_eq!(value, &json!([]), "{path}"),
            "open" => assert!(value.as_array().expect("a list").iter().all(|open| open == 0), "{path}: {value}"),
            "requests" | "threads" | "alarms" | "pending" | "operations" => {
                let entries = value["entries"].as_array().expect("a slab");
                let left: Vec<_> = entries.iter().filter(|entry| !entry[1].is_null()).collect();
                assert!(left.is_empty(), "{path} has {left:?}");
            }
            _ => {}
        }
    }
}

const BANK: &str = r#""bank": {"kind": "service", "endpoints": {
    "good": [{"reply": "fine"}],
    "bad": [{"fail": "no"}],
    "slow": [{"work": "2s"}, {"record": "charged"}]}}"#;

const STOCK: &str = r#""db": {"kind": "store", "maps": {"stock": {"book": 10, "lamp": 10}, "keys": {}}}"#;
