//! What steps do, rule by rule: section 4 and section 5 of the language page, each clause with a file small enough to work out by hand.
//!
//! Every length of time is constant, so that every instant is exact. A run that comes to its end must leave nothing behind: no
//! request, no timer, no worker, no lock.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Value, json};
use sim_core::{Instant, Limits, Seed, Sim, Stop, Verdict, run};
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

// ---- Outcomes ----

#[test]
fn what_is_sent_comes_out_ok_error_or_unknown() {
    let steps = r#"[
        {"call": "bank.good", "as": "said", "on": {"ok": [{"if": "$said == 'fine'", "then": [{"record": "ok1"}]}]}},
        {"call": "bank.bad", "on": {"error": [{"record": "error1"}]}},
        {"call": "bank.slow", "timeout": "1s", "on": {"unknown": [{"record": "unknown1"}]}},
        {"record": "after"}]"#;
    let expected = [
        ("total(ok1)", 1.0),
        ("total(error1)", 1.0),
        ("unknown1.first", 1.0),
        ("after.first", 1.0),
        ("charged.first", 2.0),
        ("shopper.ok", 1.0),
        ("shopper->bank.calls", 3.0),
        ("shopper->bank.ok", 1.0),
        ("shopper->bank.error", 1.0),
        ("shopper->bank.unknown", 1.0),
        ("shopper->bank.late", 1.0),
        ("bank.calls", 3.0),
        ("bank.ok", 2.0),
        ("bank.error", 1.0),
        ("bank.wasted", 1.0),
    ];
    check(&order(BANK, steps), &expected);
}

#[test]
fn on_picks_the_reason_before_the_tone_and_the_tone_before_else_however_they_are_written() {
    let picked = |on: &str| order(BANK, &format!(r#"[{{"call": "bank.bad", "on": {{{on}}}}}, {{"record": "after"}}]"#));
    let all = r#""else": [{"record": "other"}], "error": [{"record": "failed"}], "no": [{"record": "declined"}]"#;
    check(
        &picked(all),
        &[("total(declined)", 1.0), ("total(failed)", 0.0), ("total(other)", 0.0), ("total(after)", 1.0)],
    );
    let two = r#""else": [{"record": "other"}], "error": [{"record": "failed"}], "unknown": [{"record": "lost"}]"#;
    check(&picked(two), &[("total(failed)", 1.0), ("total(other)", 0.0), ("total(lost)", 0.0), ("total(after)", 1.0)]);
    check(&picked(r#""else": [{"record": "other"}], "ok": []"#), &[("total(other)", 1.0), ("total(after)", 1.0)]);
}

#[test]
fn an_empty_handler_means_never_mind_and_ok_needs_none() {
    let steps = r#"[{"call": "bank.bad", "on": {"no": []}}, {"call": "bank.good"}, {"record": "after"}]"#;
    check(&order(BANK, steps), &[("total(after)", 1.0), ("shopper.ok", 1.0)]);
}

#[test]
fn else_is_anything_but_ok() {
    let steps = r#"[{"call": "bank.good", "on": {"else": [{"record": "caught"}]}}, {"record": "after"}]"#;
    check(&order(BANK, steps), &[("total(caught)", 0.0), ("total(after)", 1.0)]);
}

#[test]
fn what_nobody_catches_ends_the_endpoint_and_unknown_stays_unknown_all_the_way_up() {
    let nodes = format!(
        "{BANK}, {}, {}",
        service("shop", "", r#""pay": [{"call": "bank.slow", "timeout": "1s"}, {"record": "paid"}]"#),
        service("front", "", r#""pay": [{"call": "shop.pay"}, {"record": "paid"}]"#),
    );
    let expected = [
        ("total(paid)", 0.0),
        ("shopper.unknown", 1.0),
        ("shopper->front.unknown", 1.0),
        ("front->shop.unknown", 1.0),
        ("shop.ok", 0.0),
        ("shop.error", 0.0),
    ];
    check(&order(&nodes, r#"[{"call": "front.pay"}]"#), &expected);
    let nodes = format!("{BANK}, {}", service("shop", "", r#""pay": [{"call": "bank.bad"}, {"record": "paid"}]"#));
    let steps = r#"[{"call": "shop.pay", "on": {"no": [{"record": "declined"}]}}]"#;
    check(&order(&nodes, steps), &[("total(paid)", 0.0), ("total(declined)", 1.0), ("shop.error", 1.0)]);
}

#[test]
fn what_nobody_catches_ends_what_the_step_stands_in_which_has_handlers_of_its_own() {
    let inside = r#"{"call": "bank.bad"}, {"record": "inside"}"#;
    let nodes = |steps: &str| {
        let fields = r#""maps": {"keys": {}},"#;
        let db = r#""db": {"kind": "store", "maps": {"stock": {"book": 5}}}"#;
        format!("{BANK}, {db}, {}", service("shop", fields, &format!(r#""pay": [{steps}, {{"record": "after"}}]"#)))
    };
    let on = r#""on": {"no": [{"record": "caught"}]}"#;
    for steps in [
        format!(r#"{{"try": [{inside}], {on}}}"#),
        format!(r#"{{"once": "$order", "in": "keys", "do": [{inside}], {on}}}"#),
        format!(r#"{{"transaction": [{{"set": "db.stock['book']", "to": 1}}, {inside}], {on}}}"#),
        format!(r#"{{"parallel": [[{inside}], [{{"call": "bank.good"}}]], {on}}}"#),
        format!(r#"{{"try": [{{"if": "true", "then": [{{"try": [{inside}]}}, {{"record": "inside"}}]}}], {on}}}"#),
    ] {
        let expected = [
            ("total(inside)", 0.0),
            ("total(caught)", 1.0),
            ("total(after)", 1.0),
            ("shopper.ok", 1.0),
            ("db.stock['book']", 5.0),
        ];
        check(&order(&nodes(&steps), r#"[{"call": "shop.pay"}]"#), &expected);
    }
}

#[test]
fn the_reason_just_caught_has_a_name() {
    let steps = r#"[{"call": "bank.bad", "on": {"else": [{"switch": "$reason", "cases": {"no": [{"record": "declined"}]}}]}},
        {"call": "bank.slow", "timeout": "1s", "on": {"else": [{"if": "$reason == 'timeout'", "then": [{"record": "lost"}]}]}}]"#;
    check(&order(BANK, steps), &[("total(declined)", 1.0), ("total(lost)", 1.0)]);
}

// ---- Reply and fail ----

#[test]
fn reply_ends_the_endpoint_through_all_it_stands_in() {
    let db = r#""db": {"kind": "store", "maps": {"stock": {"book": 5}, "keys": {}}}"#;
    let fields = r#""maps": {"keys": {}},"#;
    for around in [
        r#"{"try": [INSIDE]}"#,
        r#"{"try": [{"try": [INSIDE, {"record": "after"}], "retry": {"tries": 3, "on": ["else"]}, "on": {"else": [{"record": "after"}]}}], "timeout": "9s"}"#,
        r#"{"parallel": [[{"wait": "1s"}, {"record": "after"}], [INSIDE]]}"#,
        r#"{"parallel": [[INSIDE], [{"record": "after"}]]}"#,
        r#"{"once": "$order", "in": "keys", "do": [INSIDE]}"#,
        r#"{"once": "$order", "in": "db.keys", "do": [INSIDE]}"#,
        r#"{"transaction": [{"set": "db.stock['book']", "to": 4}, INSIDE]}"#,
        r#"{"transaction": [{"once": "$order", "in": "db.keys", "do": [{"set": "db.stock['book']", "to": 4}, INSIDE]}]}"#,
        r#"{"read": "db.stock[*]", "as": "all"}, {"for_each": "item", "in": "$all", "do": [INSIDE]}"#,
        r#"{"read": "db.stock[*]", "as": "all"}, {"for_each": "item", "in": "$all", "do": [INSIDE], "at_once": 2}"#,
    ] {
        for (inside, ok) in
            [(r#"{"reply": "early"}, {"record": "after"}"#, 1.0), (r#"{"fail": "no"}, {"record": "after"}"#, 0.0)]
        {
            let body =
                format!(r#""pay": [{}, {{"record": "after"}}, {{"reply": "late"}}]"#, around.replace("INSIDE", inside));
            let nodes = format!("{db}, {}", service("shop", fields, &body));
            let steps = r#"[{"call": "shop.pay", "as": "said", "on": {"ok": [{"if": "$said == 'early'", "then": [{"record": "early"}]}], "no": []}}]"#;
            let stock = if around.contains("'book'") && ok == 1.0 { 4.0 } else { 5.0 };
            let expected = [("total(early)", ok), ("total(after)", 0.0), ("shop.ok", ok), ("db.stock['book']", stock)];
            check(&order(&nodes, steps), &expected);
        }
    }
}

#[test]
fn an_endpoint_that_just_ends_replies_null() {
    let nodes = service("shop", "", r#""pay": [{"record": "paid"}]"#);
    let steps = r#"[{"call": "shop.pay", "as": "said"}, {"if": "$said == null", "then": [{"record": "nothing"}]}]"#;
    check(&order(&nodes, steps), &[("total(nothing)", 1.0)]);
}

// ---- Timeouts ----

#[test]
fn a_timeout_runs_from_sending_to_reply_and_a_reply_at_its_very_instant_is_late() {
    // Both are there at 100 ms; the second in the file waits until 500 ms, is served until 900 ms, and would hear of it at 1 s.
    let late = |timeout: &str| {
        let nodes = service("bank", r#""workers": 1,"#, r#""pay": [{"work": "400ms"}, {"record": "paid", "key": 1}]"#);
        let call =
            format!(r#"[{{"call": "bank.pay", "timeout": "{timeout}", "on": {{"timeout": [{{"record": "gone"}}]}}}}]"#);
        let first = ("before", "visit", "0s", r#"[{"call": "bank.pay"}]"#);
        world(&nodes, &[first, ("shopper", "order", "0s", &call)], r#""network": {"latency": "100ms"}"#)
    };
    check(&late("1s"), &[("gone.first", 1.0), ("shopper->bank.late", 1.0), ("paid.last", 0.9), ("bank.wasted", 1.0)]);
    check(&late("1001ms"), &[("total(gone)", 0.0), ("shopper->bank.late", 0.0), ("shopper->bank.ok", 1.0)]);
}

#[test]
fn a_try_that_times_out_stops_its_own_steps_and_what_it_sent_goes_on() {
    let steps = r#"[{"try": [{"call": "bank.slow"}, {"record": "inside"}], "timeout": "1s", "on": {"timeout": [{"record": "gone"}]}},
        {"wait": "5s"}, {"record": "after"}]"#;
    let expected = [
        ("gone.first", 1.0),
        ("total(inside)", 0.0),
        ("charged.first", 2.0),
        ("after.first", 6.0),
        ("shopper->bank.late", 1.0),
        ("shopper->bank.unknown", 1.0),
    ];
    check(&order(BANK, steps), &expected);
    for inside in [
        r#"{"wait": "3s"}"#,
        r#"{"try": [{"wait": "3s"}]}"#,
        r#"{"if": "true", "then": [{"wait": "3s"}]}"#,
        r#"{"parallel": [[{"wait": "3s"}, {"record": "inside"}], [{"call": "bank.slow"}], [{"wait": "1ms"}]]}"#,
        r#"{"call": "bank.bad", "retry": {"tries": 3, "wait": "3s", "on": ["no"]}}"#,
    ] {
        let steps = format!(
            r#"[{{"try": [{inside}, {{"record": "inside"}}], "timeout": "1s", "on": {{"timeout": []}}}}, {{"record": "after"}}]"#
        );
        check(&order(BANK, &steps), &[("total(inside)", 0.0), ("after.first", 1.0), ("shopper.ok", 1.0)]);
    }
}

#[test]
fn the_caller_times_out_and_the_worker_is_not_given_back() {
    let nodes = service("bank", r#""workers": 1,"#, r#""pay": [{"work": "1s"}, {"record": "paid"}]"#);
    let steps = r#"[{"call": "bank.pay", "timeout": "100ms", "on": {"timeout": []}}]"#;
    let expected = [("max paid.last", 3.0), ("total(paid)", 3.0), ("bank.wasted", 3.0), ("shopper->bank.late", 3.0)];
    check(&orders(&nodes, 3, "10/s", steps, ""), &expected);
}

// ---- Deadlines ----

#[test]
fn a_deadline_is_over_all_tries() {
    let steps = |clauses: &str| {
        format!(r#"[{{"call": "bank.slow", "timeout": "1s", {clauses}, "on": {{"timeout": [{{"record": "gone"}}]}}}}]"#)
    };
    let text = order(BANK, &steps(r#""retry": 5, "deadline": "2500ms""#));
    check(&text, &[("gone.first", 2.5), ("shopper->bank.calls", 3.0), ("shopper->bank.retries", 2.0)]);
    let text = order(BANK, &steps(r#""retry": {"tries": 5, "wait": "1s"}, "deadline": "2500ms""#));
    check(&text, &[("gone.first", 2.5), ("shopper->bank.calls", 2.0)]);
    // A try that would begin when no time is left is none, and what is known of the last one stands.
    let text = order(BANK, &steps(r#""retry": {"tries": 5, "wait": "1500ms"}, "deadline": "2500ms""#));
    check(&text, &[("gone.first", 1.0), ("shopper->bank.calls", 1.0), ("shopper->bank.unknown", 1.0)]);
}

#[test]
fn a_deadline_is_passed_on_and_what_begins_after_it_is_expired() {
    let shop = |steps: &str| {
        let nodes = format!("{BANK}, {}", service("shop", "", &format!(r#""pay": [{steps}]"#)));
        order(&nodes, r#"[{"call": "shop.pay", "deadline": "1s", "on": {"timeout": [{"record": "gone"}]}}]"#)
    };
    let late =
        r#"{"work": "1s"}, {"call": "bank.good", "on": {"expired": [{"record": "no_time"}]}}, {"record": "after"}"#;
    let expected = [
        ("gone.first", 1.0),
        ("no_time.first", 1.0),
        ("after.first", 1.0),
        ("bank.calls", 0.0),
        ("shop->bank.calls", 0.0),
        ("shop->bank.error", 0.0),
    ];
    check(&shop(late), &expected);
    let early =
        r#"{"work": "900ms"}, {"call": "bank.slow", "timeout": "5s", "on": {"timeout": [{"record": "no_time"}]}}"#;
    check(&shop(early), &[("no_time.first", 1.0), ("shop->bank.unknown", 1.0), ("charged.first", 2.9)]);
    let nested = r#"{"try": [{"work": "2s"}, {"record": "inside"}], "on": {"timeout": [{"record": "no_time"}]}}"#;
    check(&shop(nested), &[("no_time.first", 1.0), ("total(inside)", 0.0)]);
    let branches =
        r#"{"parallel": [[{"work": "2s"}, {"call": "bank.good"}]], "on": {"else": [{"record": "no_time"}]}}"#;
    check(&shop(branches), &[("no_time.first", 1.0), ("bank.calls", 0.0)]);
}

#[test]
fn the_deadline_of_a_group_is_passed_on_from_its_branches_too() {
    let nodes = format!(
        "{BANK}, {}",
        service(
            "shop",
            "",
            r#""pay": [{"work": "2s"}, {"call": "bank.good", "on": {"expired": [{"record": "no_time"}]}}]"#
        )
    );
    let steps =
        r#"[{"parallel": [[{"call": "shop.pay"}], [{"call": "shop.pay"}]], "deadline": "1s", "on": {"timeout": []}}]"#;
    check(&order(&nodes, steps), &[("total(no_time)", 2.0), ("bank.calls", 0.0)]);
}

#[test]
fn what_is_in_the_background_has_no_deadline_of_a_caller() {
    let shop =
        service("shop", "", r#""pay": [{"background": [{"work": "2s"}, {"call": "bank.good"}, {"record": "done"}]}]"#);
    let steps = r#"[{"call": "shop.pay", "deadline": "1s"}]"#;
    check(&order(&format!("{BANK}, {shop}"), steps), &[("done.first", 2.0), ("shopper.ok", 1.0)]);
}

// ---- Trying again ----

#[test]
fn the_wait_before_retry_n_is_wait_times_factor_to_the_n_minus_1_but_at_most_max_wait() {
    let nodes = service("bank", "", r#""pay": [{"record": "asked"}, {"fail": "busy"}]"#);
    let steps = |retry: &str| {
        format!(r#"[{{"call": "bank.pay", "retry": {{{retry}}}, "on": {{"busy": [{{"record": "gone"}}]}}}}]"#)
    };
    let text = |retry: &str| order(&nodes, &steps(retry));
    let check = |retry: &str, asked: f64, gone: f64| {
        let expected = [
            ("total(asked)", asked),
            ("gone.first", gone),
            ("asked.last", gone),
            ("shopper->bank.calls", asked),
            ("shopper->bank.retries", asked - 1.0),
            ("shopper->bank.error", asked),
        ];
        check(&text(retry), &expected);
    };
    check(r#""tries": 4, "on": ["busy"]"#, 4.0, 0.0);
    check(r#""tries": 4, "wait": "100ms", "on": ["busy"]"#, 4.0, 0.3);
    check(r#""tries": 5, "wait": "100ms", "factor": 2, "on": ["busy"]"#, 5.0, 1.5);
    check(r#""tries": 5, "wait": "100ms", "factor": 2, "max_wait": "350ms", "on": ["busy"]"#, 5.0, 1.0);
    check(r#""tries": 3, "wait": "100ms", "factor": 1.5, "on": ["error"]"#, 3.0, 0.25);
    check(r#""tries": 3, "wait": "1s", "max_wait": "100ms", "on": ["else"]"#, 3.0, 0.2);
    check(r#""tries": 1, "on": ["busy"]"#, 1.0, 0.0);
    // Neither is retried.
    check(r#""tries": 3"#, 1.0, 0.0);
    check(r#""tries": 3, "on": ["unknown", "overloaded"]"#, 1.0, 0.0);
}

#[test]
fn unknown_refused_and_overloaded_are_retried_by_default() {
    let slow = r#"[{"call": "bank.slow", "timeout": "100ms", "retry": 3, "on": {"unknown": [{"record": "gone"}]}}]"#;
    check(&order(BANK, slow), &[("gone.first", 0.3), ("shopper->bank.calls", 3.0), ("total(charged)", 3.0)]);
    let refused = r#"[{"call": "bank.good", "retry": {"tries": "forever", "wait": "1s"}}, {"record": "done"}]"#;
    let crash = r#""faults": ["0s..10s crash bank"]"#;
    let text = world(BANK, &[("shopper", "order", "0s", refused)], crash);
    check(
        &text,
        &[("done.first", 10.0), ("shopper->bank.calls", 11.0), ("shopper->bank.error", 10.0), ("bank.refused", 10.0)],
    );
    let nodes = service("bank", r#""workers": 1, "queue": 0,"#, r#""pay": [{"work": "1s"}, {"record": "paid"}]"#);
    let steps = r#"[{"call": "bank.pay", "retry": {"tries": 4, "wait": "400ms"}}]"#;
    let text = orders(&nodes, 2, "10/s", steps, "");
    // The second comes at 100, 500, 900 and 1300 ms.
    check(
        &text,
        &[("max paid.last", 2.3), ("bank.overloaded", 3.0), ("bank.calls", 5.0), ("shopper->bank.retries", 3.0)],
    );
}

#[test]
fn a_loop_that_takes_no_time_ends_at_a_limit_and_not_never() {
    let refused = r#"[{"call": "bank.good", "retry": {"tries": "forever"}}]"#;
    let text = world(BANK, &[("shopper", "order", "0s", refused)], r#""faults": ["0s..10s crash bank"]"#);
    let model = model(&text);
    let limits = Limits { events_at_one_instant: 1000, ..Limits::default() };
    let run = model.run_watched(Seed(0), Stop::AtEnd, limits, |_, _| std::ops::ControlFlow::Continue(()));
    assert_eq!(run.outcome.verdict, Verdict::OutOfLimits);
}

#[test]
fn jitter_spreads_the_wait_as_it_says() {
    let nodes = service(
        "bank",
        "",
        r#""pay": [{"if": "$n == 1", "then": [{"record": "first"}], "else": [{"record": "second"}]}, {"fail": "busy"}]"#,
    );
    let spread = |jitter: &str, low: f64, high: f64| {
        let steps = format!(
            r#"[{{"call": "bank.pay", "with": {{"n": "$try"}}, "retry": {{"tries": 2, "wait": "1s", "max_wait": "2500ms", "jitter": "{jitter}", "on": ["busy"]}}, "on": {{"busy": []}}}}]"#
        );
        let text = orders(&nodes, 400, "10/s", &steps, "");
        let names = ["min second.first - first.first", "max second.first - first.first"];
        let run = measured(&text, &names).run(Seed(3), Stop::AtEnd);
        let [least, most] = [0, 1].map(|index: usize| value_of(names[index], run.metrics[index].1));
        let slack = (high - low) * 0.02 + 1e-9;
        assert!(least >= low - 1e-9 && least <= low + slack, "{jitter}: {least}");
        assert!(most <= high + 1e-9 && most >= high - slack, "{jitter}: {most}");
    };
    spread("none", 1.0, 1.0);
    spread("full", 0.0, 1.0);
    spread("equal", 0.5, 1.0);
    // U(1 s, 3 · 1 s), at most 2.5 s.
    spread("decorrelated", 1.0, 2.5);
}

#[test]
fn a_budget_starts_full_gains_its_ratio_per_first_try_and_costs_one_per_retry() {
    let nodes = service("bank", "", r#""pay": [{"fail": "busy"}]"#);
    let steps = r#"[{"call": "bank.pay", "retry": {"tries": 2, "on": ["busy"], "budget": {"ratio": "10%", "burst": 2}}, "on": {"busy": []}}]"#;
    // Orders 1 and 2 use up the burst (2, then 1.1); order 11 and 21 have gathered one again.
    check(&orders(&nodes, 30, "10/s", steps, ""), &[("shopper->bank.retries", 4.0), ("shopper->bank.calls", 34.0)]);
}

#[test]
fn try_is_the_number_of_the_try_of_whatever_is_tried_again() {
    let nodes = service(
        "bank",
        "",
        r#""pay": [{"switch": "$n", "cases": {"1": [{"record": "one"}], "2": [{"record": "two"}], "3": [{"record": "three"}]}}, {"fail": "busy"}]"#,
    );
    let again = r#""retry": {"tries": 3, "on": ["busy"]}, "on": {"busy": []}"#;
    for steps in [
        format!(r#"[{{"call": "bank.pay", "with": {{"n": "$try"}}, {again}}}]"#),
        format!(r#"[{{"try": [{{"call": "bank.pay", "with": {{"n": "$try"}}}}], {again}}}]"#),
        format!(r#"[{{"try": [{{"parallel": [[{{"call": "bank.pay", "with": {{"n": "$try"}}}}]]}}], {again}}}]"#),
    ] {
        let expected =
            [("total(one)", 1.0), ("total(two)", 1.0), ("total(three)", 1.0), ("shopper->bank.retries", 2.0)];
        check(&order(&nodes, &steps), &expected);
    }
    let db = r#""db": {"kind": "store", "maps": {"tries": {}}}"#;
    let steps = r#"[{"try": [{"set": "db.tries['n']", "to": "$try"}, {"call": "bank.pay", "with": {"n": 0}}], "retry": {"tries": 3, "on": ["busy"]}, "on": {"busy": []}}]"#;
    check(&order(&format!("{nodes}, {db}"), steps), &[("db.tries['n']", 3.0)]);
}

#[test]
fn names_travel_and_with_adds_to_them() {
    let nodes = format!(
        "{}, {}",
        service("shop", "", r#""pay": [{"read": "keep['x']", "as": "local"}, {"call": "bank.pay", "with": {"text": "$order/$try", "next": "= $order + 1"}}]"#)
            .replace(r#""service","#, r#""service", "maps": {"keep": {"x": 1}},"#),
        service("bank", r#""maps": {"got": {}},"#, r#""pay": [{"set": "got['text']", "to": "$text"}, {"set": "got['next']", "to": "$next"}, {"set": "got['order']", "to": "$order"}]"#),
    );
    let expected = [("bank.got['text'] == '1/1'", 1.0), ("bank.got['next']", 2.0), ("bank.got['order']", 1.0)];
    check(&order(&nodes, r#"[{"call": "shop.pay"}]"#), &expected);
}

// ---- Workers ----

#[test]
fn a_worker_is_held_to_the_end_of_the_steps_and_the_line_is_first_come_first_served() {
    let nodes = service("bank", r#""workers": 1,"#, r#""pay": [{"work": "1s"}, {"record": "paid"}]"#);
    let text = orders(&nodes, 3, "10/s", r#"[{"call": "bank.pay"}]"#, "");
    let expected = [("max paid.last", 3.0), ("min paid.last", 1.0), ("sum paid.last * $order", 14.0)];
    check(&text, &expected);
    let two = text.replace(r#""workers": 1"#, r#""workers": 2"#);
    check(&two, &[("sum paid.last", 1.0 + 1.1 + 2.0)]);
}

#[test]
fn waiting_for_others_holds_the_worker_unless_the_service_is_async() {
    let bank = service("bank", "", r#""pay": [{"work": "1s"}]"#);
    let steps =
        r#""pay": [{"work": "100ms"}, {"call": "bank.pay"}, {"wait": "50ms"}, {"work": "100ms"}, {"record": "paid"}]"#;
    let nodes = |fields: &str| format!("{bank}, {}", service("shop", fields, steps));
    let text = |fields: &str| orders(&nodes(fields), 3, "10/s", r#"[{"call": "shop.pay"}]"#, "");
    check(&text(r#""workers": 1,"#), &[("min paid.last", 1.25), ("max paid.last", 3.75)]);
    // The three work one after the other from 0, 0.1 and 0.2 s on, and again from 1.15, 1.25 and 1.35 s on.
    check(&text(r#""workers": 1, "async": true,"#), &[("min paid.last", 1.25), ("max paid.last", 1.45)]);
}

#[test]
fn an_async_service_lets_work_wait_in_line() {
    let nodes = service(
        "shop",
        r#""workers": 1, "async": true,"#,
        r#""pay": [{"work": "1s"}, {"work": "1s"}, {"record": "paid"}]"#,
    );
    let text = orders(&nodes, 2, "10/s", r#"[{"call": "shop.pay"}]"#, "");
    // They take turns: 0-1 the first, 1-2 the second, 2-3 the first, 3-4 the second.
    check(&text, &[("min paid.last", 3.0), ("max paid.last", 4.0)]);
    let steps = r#"[{"call": "shop.pay", "on": {"overloaded": [{"record": "away"}]}}]"#;
    let bound = orders(&nodes.replace(r#""async""#, r#""queue": 0, "async""#), 2, "10/s", steps, "");
    check(&bound, &[("total(paid)", 1.0), ("away.last", 0.1)]);
}

#[test]
fn work_that_stops_where_it_waits_for_a_worker_leaves_the_line() {
    let nodes = service(
        "shop",
        r#""workers": 1, "async": true,"#,
        r#""pay": [{"try": [{"work": "1s"}, {"record": "worked"}], "timeout": "500ms", "on": {"timeout": [{"record": "gone"}]}}, {"record": "after"}],
           "hog": [{"work": "2s"}, {"record": "hogged"}]"#,
    );
    let text = world(
        &nodes,
        &[
            ("hogger", "visit", "0s", r#"[{"call": "shop.hog"}]"#),
            ("shopper", "order", "100ms", r#"[{"call": "shop.pay"}]"#),
        ],
        "",
    );
    check(&text, &[("gone.first", 0.6), ("total(worked)", 0.0), ("after.first", 0.6), ("hogged.first", 2.0)]);
    let alone = world(&nodes, &[("shopper", "order", "0s", r#"[{"call": "shop.pay"}, {"call": "shop.hog"}]"#)], "");
    // Work that is stopped gives its worker back.
    check(&alone, &[("gone.first", 0.5), ("hogged.first", 2.5), ("total(worked)", 0.0)]);
}

#[test]
fn a_full_line_turns_away_and_a_line_of_none_at_once() {
    let nodes = |queue: u32| {
        service(
            "bank",
            &format!(r#""workers": 1, "queue": {queue},"#),
            r#""pay": [{"work": "1s"}, {"record": "paid"}]"#,
        )
    };
    let steps = r#"[{"call": "bank.pay", "on": {"overloaded": [{"record": "away"}]}}]"#;
    let text = |queue| orders(&nodes(queue), 5, "10/s", steps, "");
    check(&text(0), &[("total(paid)", 1.0), ("total(away)", 4.0), ("bank.overloaded", 4.0), ("max away.last", 0.4)]);
    check(&text(2), &[("total(paid)", 3.0), ("total(away)", 2.0), ("max paid.last", 3.0), ("min away.last", 0.3)]);
}

#[test]
fn a_long_line_of_short_requests_is_served_without_end() {
    let nodes =
        service("bank", r#""workers": 1,"#, r#""hog": [{"work": "100s"}], "pay": [{"record": "paid"}, {"reply": 1}]"#);
    let text = orders(
        &nodes,
        20_000,
        "1000/s",
        r#"[{"if": "$order == 1", "then": [{"call": "bank.hog"}], "else": [{"call": "bank.pay"}]}]"#,
        "",
    );
    check(&text, &[("total(paid)", 19_999.0), ("min paid.first", 100.0), ("max paid.last", 100.0)]);
}

#[test]
fn a_request_whose_caller_gave_up_is_served_unless_drop_is_expired() {
    let nodes = |drop: &str| {
        service(
            "bank",
            &format!(r#""workers": 1, "drop": "{drop}","#),
            r#""pay": [{"work": "1s"}, {"record": "paid"}]"#,
        )
    };
    for call in [
        r#"[{"call": "bank.pay", "timeout": "1500ms", "on": {"timeout": []}}]"#,
        // Whoever gives up a group gives up what it waits for.
        r#"[{"try": [{"call": "bank.pay"}], "timeout": "1500ms", "on": {"timeout": []}}]"#,
        r#"[{"parallel": [[{"call": "bank.pay", "deadline": "3s"}]], "timeout": "1500ms", "on": {"timeout": []}}]"#,
    ] {
        let text = |drop| orders(&nodes(drop), 4, "10/s", call, "");
        check(&text("none"), &[("total(paid)", 4.0), ("bank.dropped", 0.0), ("bank.wasted", 3.0)]);
        // The second begins at 1 s, in time, and ends at 2 s, late; the others are dropped then.
        let expected = [("total(paid)", 2.0), ("bank.dropped", 2.0), ("bank.wasted", 3.0), ("shopper->bank.late", 3.0)];
        check(&text("expired"), &expected);
    }
}

// ---- Cancelling ----

#[test]
fn a_callee_that_honours_cancel_stops_at_its_next_step_and_what_it_recorded_stands() {
    let body = r#""pay": [{"record": "began"}, {"work": "1s"}, {"record": "middle"}, {"work": "1s"}, {"record": "end"}], "look": [{"record": "looked"}]"#;
    let nodes = |fields: &str| service("bank", &format!(r#"{fields} "workers": 1,"#), body);
    let text = |fields: &str, cancel: &str| {
        let steps = format!(
            r#"[{{"call": "bank.pay", "timeout": "500ms", {cancel} "on": {{"timeout": []}}}}, {{"call": "bank.look"}}]"#
        );
        order(&nodes(fields), &steps)
    };
    let (honours, tells) = (r#""honours_cancel": true,"#, r#""cancel": true,"#);
    let stopped = [("total(began)", 1.0), ("total(middle)", 0.0), ("looked.first", 1.0), ("shopper->bank.late", 0.0)];
    check(&text(honours, tells), &stopped);
    let served = [("total(began)", 1.0), ("end.first", 2.0), ("looked.first", 2.0), ("shopper->bank.late", 1.0)];
    check(&text("", tells), &served);
    check(&text(honours, ""), &served);
}

#[test]
fn cancelling_a_group_tells_all_it_waits_for() {
    let nodes = service("bank", r#""honours_cancel": true,"#, r#""pay": [{"work": "1s"}, {"record": "paid"}]"#);
    for group in
        [r#"{"try": [{"call": "bank.pay"}]"#, r#"{"parallel": [[{"call": "bank.pay"}], [{"call": "bank.pay"}]]"#]
    {
        let steps = format!(r#"[{group}, "timeout": "500ms", "cancel": true, "on": {{"timeout": []}}}}]"#);
        check(&order(&nodes, &steps), &[("total(paid)", 0.0), ("shopper->bank.late", 0.0)]);
    }
}

#[test]
fn what_is_background_is_not_cancelled() {
    let nodes = service(
        "bank",
        r#""honours_cancel": true,"#,
        r#""pay": [{"background": [{"work": "2s"}, {"record": "behind"}]}, {"work": "1s"}, {"record": "paid"}]"#,
    );
    let steps = r#"[{"call": "bank.pay", "timeout": "500ms", "cancel": true, "on": {"timeout": []}}]"#;
    check(&order(&nodes, steps), &[("total(paid)", 0.0), ("behind.first", 2.0)]);
}

#[test]
fn a_request_that_is_cancelled_in_line_stops_at_its_first_step() {
    let nodes =
        service("bank", r#""honours_cancel": true, "workers": 1,"#, r#""pay": [{"record": "began"}, {"work": "1s"}]"#);
    let steps = r#"[{"call": "bank.pay", "timeout": "500ms", "cancel": true, "on": {"timeout": []}}]"#;
    check(&orders(&nodes, 3, "10/s", steps, ""), &[("total(began)", 1.0)]);
}

// ---- Crashes ----

#[test]
fn a_crash_takes_steps_lines_and_memory_and_leaves_maps_and_facts() {
    let nodes = service(
        "bank",
        r#""workers": 1, "maps": {"kept": {}}, "memory": {"seen": {}},"#,
        r#""pay": [{"set": "kept['n']", "to": "= value + 1"}, {"set": "seen['n']", "to": "= value + 1"}, {"record": "began"}, {"work": "1s"}, {"record": "paid"}],
           "look": [{"read": "seen['n']", "as": "n"}, {"if": "$n == null", "then": [{"record": "forgotten"}]}]"#,
    );
    let steps =
        r#"[{"call": "bank.pay", "on": {"reset": [{"record": "reset"}]}}, {"wait": "5s"}, {"call": "bank.look"}]"#;
    let text = orders(&nodes, 2, "10/s", steps, r#""faults": ["500ms..2s crash bank"]"#);
    let expected = [
        ("total(began)", 1.0),
        ("total(paid)", 0.0),
        ("total(reset)", 2.0),
        ("max reset.last", 0.5),
        ("bank.kept['n']", 1.0),
        ("total(forgotten)", 2.0),
        ("shopper->bank.unknown", 2.0),
        ("bank.crashes", 1.0),
    ];
    check(&text, &expected);
    // The news travels over the link, and a cut link brings none.
    let far = text.replace(r#""faults""#, r#""network": {"latency": "100ms"}, "faults""#);
    check(&far, &[("total(reset)", 2.0), ("max reset.last", 0.6)]);
    let cut = text
        .replace(r#""faults": ["#, r#""faults": ["400ms..1s cut bank->shopper", "#)
        .replace(r#""call": "bank.pay","#, r#""call": "bank.pay", "timeout": "3s","#);
    let cut = cut.replace(r#""reset": [{"record": "reset"}]"#, r#""timeout": [{"record": "gone"}]"#);
    check(&cut, &[("total(gone)", 2.0), ("min gone.last", 3.0)]);
}

#[test]
fn nobody_listed_is_refused_at_once_and_a_stopped_process_over_the_link() {
    let steps = r#"[{"call": "bank.good", "on": {"refused": [{"record": "nobody"}]}}]"#;
    let network = r#""network": {"latency": "100ms"}, "faults""#;
    let text = world(BANK, &[("shopper", "order", "1s", steps)], &format!(r#"{network}: ["500ms..2s crash bank"]"#));
    check(
        &text,
        &[
            ("nobody.first", 1.0),
            ("shopper->bank.calls", 1.0),
            ("shopper->bank.error", 1.0),
            ("bank.refused", 1.0),
            ("bank.calls", 0.0),
        ],
    );
    // It stops while the request is on its way.
    let text = world(BANK, &[("shopper", "order", "1s", steps)], &format!(r#"{network}: ["1050ms..2s crash bank"]"#));
    check(&text, &[("nobody.first", 1.2), ("bank.refused", 1.0)]);
}

#[test]
fn an_answer_to_an_earlier_life_of_the_caller_is_nobodys() {
    let nodes = format!("{BANK}, {}", service("shop", "", r#""pay": [{"call": "bank.slow"}, {"record": "paid"}]"#));
    let text = world(
        &nodes,
        &[("shopper", "order", "0s", r#"[{"call": "shop.pay", "on": {"reset": []}}]"#)],
        r#""faults": ["1s..1500ms crash shop"]"#,
    );
    check(&text, &[("total(paid)", 0.0), ("total(charged)", 1.0), ("shop->bank.late", 1.0)]);
}

#[test]
fn at_start_runs_after_each_start_and_every_never_twice_at_once_and_on_replica_1() {
    let clocked = |fields: &str, clock: &str| {
        let body = format!(
            r#""tick": {{{clock}, "do": [{{"record": "began", "key": 1}}, {{"work": "2500ms"}}, {{"record": "ended", "key": 1}}]}}"#
        );
        service("shop", fields, &body)
    };
    let text =
        |nodes: &str, rest: &str| world(nodes, &[("shopper", "order", "0s", "[]")], &format!(r#""until": "8s"{rest}"#));
    let every = clocked(r#""replicas": 3,"#, r#""every": "1s""#);
    // At 1, 4 and 7 s: those between find the last one still running.
    check(&text(&every, ""), &[("total(began)", 3.0), ("began.last", 7.0), ("total(ended)", 2.0)]);
    let start = clocked("", r#""at_start": true"#);
    check(
        &text(&start, r#", "faults": ["4s..5s crash shop"]"#),
        &[("total(began)", 2.0), ("began.last", 5.0), ("total(ended)", 2.0)],
    );
    let both = clocked("", r#""at_start": true, "every": "3s""#);
    check(&text(&both, ""), &[("total(began)", 3.0), ("began.last", 6.0)]);
}

// ---- Stores ----

const TIMES: &str = r#""read": "1ms", "set": "2ms", "delete": "3ms", "commit": "5ms""#;

#[test]
fn an_operation_takes_the_time_of_its_kind() {
    let db = format!(r#""db": {{"kind": "store", "maps": {{"stock": {{"book": 10}}}}, {TIMES}}}"#);
    let after = |steps: &str| {
        order(&db, &format!(r#"[{steps}, {{"record": "after"}}]"#))
            .replace(r#""workload""#, r#""network": {"latency": "10ms"}, "workload""#)
    };
    let near = |left: f64| [("after.first", left)];
    check(&after(r#"{"read": "db.stock['book']"}"#), &near(0.021));
    check(&after(r#"{"read": "db.stock[*]", "as": "all"}"#), &near(0.021));
    check(&after(r#"{"set": "db.stock['book']", "to": 1}"#), &near(0.022));
    check(&after(r#"{"set": "db.stock['book']", "to": null}"#), &near(0.023));
    check(&after(r#"{"transaction": [{"set": "db.stock['book']", "to": 1}]}"#), &near(0.022 + 0.025));
    check(&after(r#"{"transaction": [{"record": "inside"}]}"#), &near(0.0));
    check(&after(r#"{"once": "$order", "in": "db.stock", "do": []}"#), &near(0.044));
}

#[test]
fn a_set_with_a_condition_is_atomic_and_read_then_set_is_not() {
    let db = r#""db": {"kind": "store", "maps": {"stock": {"book": 10}}, "read": "10ms", "set": "10ms"}"#;
    let text = |steps: &str| orders(db, 5, "1000/s", steps, "");
    let apart = r#"[{"read": "db.stock['book']", "as": "left"}, {"set": "db.stock['book']", "to": "= $left - 1"}]"#;
    check(&text(apart), &[("db.stock['book']", 9.0)]);
    let atomic = r#"[{"set": "db.stock['book']", "to": "= value - 1", "where": "value >= 8", "on": {"unmet": [{"record": "late"}]}}]"#;
    let expected = [
        ("db.stock['book']", 7.0),
        ("total(late)", 2.0),
        ("db.unmet", 2.0),
        ("db.calls", 5.0),
        ("shopper->db.error", 2.0),
    ];
    check(&text(atomic), &expected);
    let version = r#"[{"read": "db.stock['book']", "as": "left"},
        {"set": "db.stock['book']", "to": "= $left - 1", "where": "version == $left.version", "on": {"unmet": [{"record": "late"}]}}]"#;
    check(&text(version), &[("db.stock['book']", 9.0), ("total(late)", 4.0)]);
}

#[test]
fn conditions_at_a_cell_see_its_version_age_key_and_other_maps() {
    let db = r#""db": {"kind": "store", "maps": {"stock": {"book": 10}, "lease": {"lamp": 7}, "out": {}}}"#;
    let own = r#""db": {"kind": "service", "maps": {"stock": {"book": 10}, "lease": {"lamp": 7}, "out": {}}, "endpoints": {"run": STEPS}}"#;
    let steps = |prefix: &str| {
        let steps = r#"[{"wait": "3s"},
            {"set": "P.stock['book']", "to": "= age", "where": "version == 1 && key == 'book' && lease['lamp'] == 7 && value == 10"},
            {"set": "P.stock['book']", "to": null, "where": "version == 2"},
            {"set": "P.stock['book']", "to": "= version", "where": "version == 0 && value == null && age == null"},
            {"set": "P.stock['book']", "to": "$text", "where": "version == 1", "as": "new"},
            {"set": "P.out['new']", "to": "$new"},
            {"set": "P.out['sum']", "to": "= stock['nothing'] + lease['lamp'] + $order"},
            {"set": "P.out['try']", "to": "$try"},
            {"record": "done"}]"#;
        steps.replace("P.", prefix).replace("$text", "$order/$try")
    };
    let expected =
        [("total(done)", 1.0), ("db.out['new'] == '1/1'", 1.0), ("db.out['sum']", 8.0), ("db.out['try']", 1.0)];
    check(&order(db, &steps("db.")), &expected);
    check(&order(&own.replace("STEPS", &steps("")), r#"[{"call": "db.run"}]"#), &expected);
}

#[test]
fn reading_a_map_gives_the_keys_for_which_it_holds_in_their_order() {
    let db =
        r#""db": {"kind": "store", "maps": {"stock": {"lamp": 1, "book": 2, "9": 3, "10": 4, "pen": 0}, "got": {}}}"#;
    let list = |clauses: &str, expected: f64| {
        let steps = format!(
            r#"[{{"read": "db.stock[*]", {clauses} "as": "some"}},
            {{"for_each": "item", "in": "$some", "do": [
                {{"read": "db.stock[$item]", "as": "n"}}, {{"set": "db.got['all']", "to": "= value * 10 + $n"}}]}}]"#
        );
        check(&order(db, &steps), &[("db.got['all']", expected)]);
    };
    list("", 34_210.0);
    list(r#""where": "value >= 2","#, 342.0);
    list(r#""where": "value >= 2", "limit": 2,"#, 34.0);
    list(r#""where": "key == 'pen' || stock[key] == 1","#, 10.0);
    list(r#""where": "value > 100","#, NULL);
}

#[test]
fn a_read_waits_at_the_store_until_its_condition_holds() {
    for (condition, set) in [
        ("value == 'GO'", r#"{"set": "db.gate['a']", "to": "GO"}"#),
        ("other['b'] == 1", r#"{"set": "db.other['b']", "to": 1}"#),
    ] {
        let db = r#""db": {"kind": "store", "workers": 1, "maps": {"gate": {}, "other": {}}, "read": "1s"}"#;
        let wait =
            format!(r#"[{{"read": "db.gate['a']", "when": "{condition}", "as": "seen"}}, {{"record": "seen"}}]"#);
        let signal = format!(r#"[{{"set": "db.gate['c']", "to": 1}}, {{"wait": "5s"}}, {set}]"#);
        let text = world(db, &[("shopper", "order", "0s", &wait), ("boss", "visit", "2s", &signal)], "");
        check(&text, &[("seen.first", 7.0), ("db.calls", 3.0)]);
        let own = r#""db": {"kind": "service", "replicas": 2, "maps": {"gate": {}, "other": {}}, "endpoints": {"wait": WAIT, "go": GO}}"#;
        let own = own
            .replace("WAIT", &wait.replace("db.", ""))
            .replace("GO}}", &format!("{}}}}}", signal.replace("db.", "")));
        let text = world(
            &own,
            &[
                ("shopper", "order", "0s", r#"[{"call": "db.wait"}]"#),
                (
                    "boss",
                    "visit",
                    "2s",
                    r#"[{"call": "db.wait", "timeout": "1s", "on": {"timeout": []}}, {"call": "db.go"}]"#,
                ),
            ],
            "",
        );
        let text = text.replace(r#"{"record": "seen"}"#, r#"{"record": "seen", "key": 1}"#);
        check(&text, &[("seen.first", 8.0)]);
    }
}

#[test]
fn a_store_has_so_many_workers_and_those_who_wait_for_others_need_none() {
    let db = r#""db": {"kind": "store", "workers": 1, "maps": {"stock": {"book": 10}}, "set": "1s"}"#;
    let text = orders(db, 3, "10/s", r#"[{"set": "db.stock['book']", "to": "= value - 1"}, {"record": "done"}]"#, "");
    check(&text, &[("sum done.last", 6.0)]);
    // The second waits for the lock of the first, which needs the only worker for its commit.
    let steps =
        r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value - 1"}, {"wait": "5s"}]}, {"record": "done"}]"#;
    check(
        &orders(db, 2, "10/s", steps, ""),
        &[("db.stock['book']", 8.0), ("min done.last", 6.0), ("max done.last", 11.0)],
    );
}

#[test]
fn a_volatile_store_forgets_in_a_crash_and_another_does_not() {
    let db = |volatile: bool| {
        format!(r#""db": {{"kind": "store", "volatile": {volatile}, "maps": {{"stock": {{"book": 10, "pen": 3}}}}}}"#)
    };
    let steps = r#"[{"set": "db.stock['book']", "to": 1}, {"set": "db.stock['pen']", "to": null}, {"set": "db.stock['new']", "to": 1}]"#;
    let text = |volatile| {
        world(&db(volatile), &[("shopper", "order", "0s", steps)], r#""faults": ["1s..2s crash db"], "until": "5s""#)
    };
    check(&text(false), &[("db.stock['book']", 1.0), ("db.stock['pen']", NULL), ("db.stock['new']", 1.0)]);
    check(&text(true), &[("db.stock['book']", 10.0), ("db.stock['pen']", 3.0), ("db.stock['new']", NULL)]);
}

#[test]
fn a_store_that_crashes_resets_what_it_had_and_refuses_what_comes() {
    let db = r#""db": {"kind": "store", "maps": {"stock": {"book": 10}}, "set": "1s"}"#;
    let steps = r#"[{"set": "db.stock['book']", "to": 1, "on": {"reset": [{"record": "reset"}], "refused": [{"record": "refused"}]}}]"#;
    let text = orders(db, 2, "1/s", steps, r#""faults": ["500ms..3s crash db"]"#);
    check(
        &text,
        &[("reset.last", 0.5), ("refused.last", 1.0), ("db.stock['book']", 10.0), ("shopper->db.unknown", 1.0)],
    );
}

// ---- Transactions ----

const STOCK: &str = r#""db": {"kind": "store", "maps": {"stock": {"book": 10, "lamp": 10}, "keys": {}}}"#;

#[test]
fn a_transaction_is_seen_at_its_commit_or_not_at_all() {
    let look = r#"[{"read": "db.stock['book']", "as": "a"}, {"read": "db.stock['lamp']", "as": "b"},
        {"if": "$a == 10 && $b == 10", "then": [{"record": "old"}]}, {"if": "$a == 9 && $b == 12", "then": [{"record": "new"}]}]"#;
    let buy = |end: &str| {
        format!(
            r#"[{{"transaction": [
            {{"set": "db.stock['book']", "to": "= value - 1"}}, {{"record": "sold"}}, {{"wait": "1s"}},
            {{"set": "db.stock['lamp']", "to": "= value + 1"}},
            {{"set": "db.stock['lamp']", "to": "= value + 1", "where": "version == 2 && value == 11"}},
            {{"read": "db.stock['lamp']", "as": "own"}}, {{"if": "$own == 12", "then": [{{"record": "own_writes"}}]}}, {end}],
            "on": {{"unmet": [], "ok": [{{"record": "committed"}}]}}}}]"#
        )
    };
    let text = |end: &str| {
        let look = look
            .replace("record\": \"old\"", "record\": \"old\", \"key\": 1")
            .replace("record\": \"new\"", "record\": \"new\", \"key\": 1");
        let workloads = [
            ("shopper", "order", "0s", buy(end)),
            ("looker", "visit", "500ms", look.clone()),
            ("after", "glance", "2s", look),
        ];
        let workloads: Vec<_> = workloads.iter().map(|(a, b, c, d)| (*a, *b, *c, d.as_str())).collect();
        world(STOCK, &workloads, "")
    };
    let done = [
        ("total(old)", 1.0),
        ("total(new)", 1.0),
        ("sold.first", 1.0),
        ("total(committed)", 1.0),
        ("total(own_writes)", 1.0),
        ("db.rollbacks", 0.0),
    ];
    check(&text(r#"{"wait": "0s"}"#), &done);
    let undone = [
        ("total(old)", 2.0),
        ("total(new)", 0.0),
        ("total(sold)", 0.0),
        ("total(committed)", 0.0),
        ("total(own_writes)", 0.0),
        ("db.rollbacks", 1.0),
    ];
    check(&text(r#"{"set": "db.stock['lamp']", "to": 1, "where": "value == 0"}"#), &undone);
}

#[test]
fn a_list_inside_a_transaction_sees_what_it_has_set() {
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": null}, {"set": "db.stock['pen']", "to": 3},
        {"read": "db.stock[*]", "as": "all"},
        {"for_each": "item", "in": "$all", "do": [{"if": "$item == 'pen' || $item == 'lamp'", "then": [{"record": "right"}], "else": [{"record": "wrong"}]}]}]}]"#;
    check(
        &order(STOCK, steps),
        &[("total(right)", 2.0), ("total(wrong)", 0.0), ("db.stock['book']", NULL), ("db.stock['pen']", 3.0)],
    );
}

#[test]
fn who_waits_for_a_lock_is_served_in_order_of_coming() {
    let hold = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value * 2"}, {"wait": "1s"}]}]"#;
    let set =
        |to: &str| format!(r#"[{{"set": "db.stock['book']", "to": "= {to}"}}, {{"record": "set_at", "key": 1}}]"#);
    let inside =
        |to: &str| format!(r#"[{{"transaction": [{{"set": "db.stock['book']", "to": "= {to}"}}, {{"wait": "1s"}}]}}]"#);
    let (two, three, four) = (set("value + 1"), inside("value * 10"), set("value + 3"));
    let text = world(
        STOCK,
        &[
            ("one", "o1", "0s", hold),
            ("two", "o2", "100ms", &two),
            ("three", "o3", "200ms", &three),
            ("four", "o4", "300ms", &four),
        ],
        "",
    );
    // 10 · 2 at 1 s, + 1 then, · 10 at 2 s, + 3 then.
    check(&text, &[("db.stock['book']", 213.0), ("set_at.first", 1.0), ("set_at.last", 2.0)]);
}

#[test]
fn nobody_overtakes_who_waits_for_a_lock() {
    // At 1 s the commit comes before the operation that has just taken its time, and after which others have waited long.
    let db = r#""db": {"kind": "store", "maps": {"stock": {"book": 10}}, "set": "100ms"}"#;
    let hold = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value * 2"}, {"wait": "900ms"}]}]"#;
    let next = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value + 1"}]}]"#;
    let last = r#"[{"set": "db.stock['book']", "to": "= value * 10"}]"#;
    let text =
        world(db, &[("one", "o1", "0s", hold), ("two", "o2", "300ms", next), ("three", "o3", "900ms", last)], "");
    check(&text, &[("db.stock['book']", 210.0)]);
}

#[test]
fn reads_lock_only_when_the_transaction_is_serializable() {
    let steps = |isolation: &str, read: &str| {
        format!(
            r#"[{{"transaction": [{read}, {{"wait": "100ms"}}, {{"set": "db.stock['book']", "to": "= $seen - 1"}}], "isolation": "{isolation}",
            "on": {{"deadlock": [{{"record": "died"}}]}}}}]"#
        )
    };
    let one = r#"{"read": "db.stock['book']", "as": "seen"}"#;
    let both = |isolation: &str, read: &str| orders(STOCK, 2, "1000/s", &steps(isolation, read), "");
    check(&both("read-committed", one), &[("db.stock['book']", 9.0), ("total(died)", 0.0)]);
    check(&both("serializable", one), &[("db.stock['book']", 8.0), ("total(died)", 0.0)]);
    let all =
        r#"{"read": "db.stock[*]", "where": "value > 0", "as": "all"}, {"read": "db.stock['book']", "as": "seen"}"#;
    check(&both("serializable", all), &[("db.stock['book']", 8.0), ("total(died)", 0.0)]);
    // What is not in a transaction reads what is committed, lock or no lock.
    let hold = steps("serializable", one);
    let look = r#"[{"read": "db.stock['book']", "as": "n"}, {"if": "$n == 10", "then": [{"record": "looked"}]}]"#;
    check(&world(STOCK, &[("a", "order", "0s", &hold), ("b", "visit", "50ms", look)], ""), &[("looked.first", 0.05)]);
}

#[test]
fn in_a_circle_of_those_who_wait_the_youngest_dies() {
    let steps = |first: &str, second: &str| {
        format!(
            r#"[{{"transaction": [{{"set": "db.stock['{first}']", "to": "= value - 1"}}, {{"wait": "100ms"}}, {{"set": "db.stock['{second}']", "to": "= value - 1"}}, {{"record": "done"}}],
            "on": {{"deadlock": [{{"record": "died"}}]}}}}]"#
        )
    };
    let (older, younger) = (steps("book", "lamp"), steps("lamp", "book"));
    let expected = [
        ("done.last", 0.1),
        ("died.last", 0.11),
        ("db.deadlocks", 1.0),
        ("db.stock['book']", 9.0),
        ("db.stock['lamp']", 9.0),
    ];
    let text = world(STOCK, &[("a", "order", "0s", &older), ("b", "visit", "10ms", &younger)], "");
    let text = text
        .replace(r#""record": "died""#, r#""record": "died", "key": 1"#)
        .replace(r#""record": "done""#, r#""record": "done", "key": 1"#);
    // The younger closes the circle at 110 ms, and the older, who waits since 100 ms, goes on.
    let expected_here: Vec<_> =
        expected.iter().map(|(name, value)| (*name, if *name == "done.last" { 0.11 } else { *value })).collect();
    check(&text, &expected_here);
    // Here the older closes the circle: the younger dies where it waits.
    let slow = older.replace(r#""wait": "100ms""#, r#""wait": "200ms""#);
    let text = world(STOCK, &[("a", "order", "0s", &slow), ("b", "visit", "10ms", &younger)], "");
    let text = text
        .replace(r#""record": "died""#, r#""record": "died", "key": 1"#)
        .replace(r#""record": "done""#, r#""record": "done", "key": 1"#);
    check(
        &text,
        &[
            ("died.last", 0.2),
            ("done.last", 0.2),
            ("db.deadlocks", 1.0),
            ("db.stock['book']", 9.0),
            ("db.stock['lamp']", 9.0),
        ],
    );
}

#[test]
fn a_deadlock_of_many_ends_and_leaves_no_lock() {
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value - 1"}, {"wait": "7ms"}, {"set": "db.stock['lamp']", "to": "= value - 1"}],
        "retry": {"tries": 50, "wait": "13ms", "factor": 1.3, "jitter": "full", "on": ["deadlock"]}}]"#;
    let back = steps.replace("'book'", "'x'").replace("'lamp'", "'book'").replace("'x'", "'lamp'");
    let workload = format!(
        r#""a": {{"rate": "100/s", "limit": 100, "each": "order", "do": {steps}}}, "b": {{"rate": "100/s", "limit": 100, "each": "visit", "do": {back}}}"#
    );
    let text =
        file(&STOCK.replace(r#""maps""#, r#""workers": 2, "set": "1ms", "commit": "1ms", "maps""#), &workload, "");
    check(&text, &[("db.stock['book']", -190.0), ("db.stock['lamp']", -190.0), ("a.ok", 100.0), ("b.ok", 100.0)]);
}

#[test]
fn lost_before_the_commit_was_sent_is_an_error_and_after_unknown() {
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": 1}, {"record": "sold"}, {"wait": "1s"}, {"set": "db.stock['lamp']", "to": 1}],
        "on": {"error": [{"record": "undone"}], "unknown": [{"record": "perhaps"}]}}]"#;
    let db = STOCK.replace(r#""maps""#, r#""set": "100ms", "commit": "100ms", "maps""#);
    let text = |faults: &str| world(&db, &[("shopper", "order", "0s", steps)], &format!(r#""faults": ["{faults}"]"#));
    let untouched = [("db.stock['book']", 10.0), ("db.stock['lamp']", 10.0), ("total(sold)", 0.0)];
    let with = |more: &[(&'static str, f64)]| [&untouched[..], more].concat();
    // In the middle of the first and of the second operation, in between, and of the commit.
    check(&text("50ms..60ms crash db"), &with(&[("undone.first", 0.05), ("total(perhaps)", 0.0)]));
    check(&text("1150ms..1160ms crash db"), &with(&[("undone.first", 1.15), ("total(perhaps)", 0.0)]));
    check(&text("500ms..600ms crash db"), &with(&[("undone.first", 1.2), ("total(perhaps)", 0.0)]));
    check(&text("1250ms..1260ms crash db"), &with(&[("perhaps.first", 1.25), ("total(undone)", 0.0)]));
    // A group inside that gives up waiting loses nothing but time.
    let tried = steps.replace(
        r#"{"set": "db.stock['lamp']", "to": 1}"#,
        r#"{"try": [{"set": "db.stock['lamp']", "to": 1}], "timeout": "50ms"}"#,
    );
    check(
        &world(&db, &[("shopper", "order", "0s", &tried)], ""),
        &with(&[("undone.first", 1.15), ("db.rollbacks", 1.0)]),
    );
    // What a service was asked is not undone with the rest.
    let asked = steps.replace(r#"{"wait": "1s"}"#, r#"{"call": "bank.slow", "timeout": "1s"}"#);
    check(
        &world(&format!("{db}, {BANK}"), &[("shopper", "order", "0s", &asked)], ""),
        &with(&[("perhaps.first", 1.1), ("total(charged)", 1.0)]),
    );
}

#[test]
fn a_commit_that_is_given_up_may_have_happened() {
    let db = STOCK.replace(r#""maps""#, r#""commit": "1s", "maps""#);
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": 1}, {"record": "sold"}], "timeout": "500ms", "on": {"timeout": [{"record": "gone"}]}}]"#;
    // The store has the commit and goes on with it.
    let expected = [
        ("gone.first", 0.5),
        ("sold.first", 1.0),
        ("db.stock['book']", 1.0),
        ("db.rollbacks", 0.0),
        ("shopper->db.late", 1.0),
    ];
    check(&order(&db, steps), &expected);
    // A commit that never came is given up too.
    let lost = world(&db, &[("shopper", "order", "0s", steps)], r#""faults": ["0s.. loss shopper->db commit 100%"]"#);
    check(&lost, &[("gone.first", 0.5), ("total(sold)", 0.0), ("db.stock['book']", 10.0), ("db.rollbacks", 1.0)]);
}

#[test]
fn a_crash_of_whoever_runs_a_transaction_rolls_it_back() {
    let shop = service(
        "shop",
        "",
        r#""buy": [{"transaction": [{"set": "db.stock['book']", "to": 1}, {"record": "sold"}, {"wait": "1s"}]}]"#,
    );
    let steps = r#"[{"call": "shop.buy", "on": {"reset": []}}]"#;
    let other = r#"[{"set": "db.stock['book']", "to": "= value - 1"}, {"record": "set_at", "key": 1}]"#;
    let text = world(
        &format!("{STOCK}, {shop}"),
        &[("shopper", "order", "0s", steps), ("other", "visit", "100ms", other)],
        r#""network": {"latency": "10ms"}, "faults": ["500ms..600ms crash shop"]"#,
    );
    check(&text, &[("total(sold)", 0.0), ("db.stock['book']", 9.0), ("set_at.first", 0.52), ("db.rollbacks", 1.0)]);
}

#[test]
fn an_operation_that_comes_too_late_opens_no_transaction_again() {
    // The first operation of the transaction is slow on its way; the rollback is not.
    let slow = r#""faults": ["0s.. delay shopper->db set +1s"]"#;
    let steps =
        r#"[{"transaction": [{"set": "db.stock['book']", "to": 1}], "timeout": "500ms", "on": {"timeout": []}}]"#;
    let text = world(STOCK, &[("shopper", "order", "0s", steps)], slow);
    check(&text, &[("db.stock['book']", 10.0), ("shopper->db.late", 1.0)]);
    let caught = r#"[{"transaction": [{"set": "db.stock['book']", "to": 1, "timeout": "500ms", "on": {"timeout": []}}, {"read": "db.stock['lamp']"}, {"record": "sold"}]}]"#;
    let text = world(STOCK, &[("shopper", "order", "0s", caught)], slow);
    check(&text, &[("db.stock['book']", 10.0), ("total(sold)", 1.0), ("shopper->db.late", 1.0)]);
    // Everything is said twice; what comes after the end is nothing.
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value - 1"}, {"record": "sold"}]}]"#;
    let text = orders(
        STOCK,
        50,
        "100/s",
        steps,
        r#""network": {"latency": {"uniform": ["1ms", "50ms"]}}, "faults": ["0s.. duplicate shopper->db 100%"]"#,
    );
    check(&text, &[("shopper.unanswered", 0.0)]);
}

#[test]
fn a_transaction_that_wants_a_cell_twice_does_not_wait_for_itself() {
    let hold = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value * 2"}, {"wait": "1s"}]}]"#;
    let twice = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value + 1", "timeout": "100ms", "on": {"timeout": []}},
        {"set": "db.stock['book']", "to": "= value + 10"}]}, {"record": "done"}]"#;
    let text = world(STOCK, &[("a", "visit", "0s", hold), ("b", "order", "100ms", twice)], "");
    check(&text, &[("db.stock['book']", 31.0), ("done.first", 1.0), ("b->db.late", 1.0)]);
}

#[test]
fn a_transaction_that_never_asked_a_store_needs_no_commit() {
    let steps = r#"[{"transaction": [{"record": "a"}, {"if": "$order == 2", "then": [{"set": "db.stock['book']", "to": 1}]}]}]"#;
    check(
        &orders(STOCK, 2, "1/s", steps, ""),
        &[("total(a)", 2.0), ("db.calls", 2.0), ("shopper->db.calls", 2.0), ("shopper->db.ok", 2.0)],
    );
}

// ---- once ----

/// Two calls 100 ms apart of an endpoint whose `once` works for a second, and a third after ten.
fn thrice(clauses: &str, inside: &str, store: bool) -> String {
    let map = if store { "db.keys" } else { "keys" };
    let bank = service(
        "bank",
        r#""maps": {"keys": {}},"#,
        &format!(r#""pay": [{{"once": "$key", "in": "{map}", {clauses} "do": [{inside}]}}, {{"record": "after"}}]"#),
    );
    let call = r#"{"call": "bank.pay", "with": {"key": "k"}, "on": {"in_flight": [{"record": "busy"}], "declined": [{"record": "no"}], "ok": [{"record": "yes"}]}}"#;
    let steps = format!(r#"[{{"parallel": [[{call}], [{{"wait": "100ms"}}, {call}]]}}, {{"wait": "9s"}}, {call}]"#);
    order(&format!("{STOCK}, {bank}"), &steps)
}

const WORKS: &str = r#"{"work": "1s"}, {"record": "did"}"#;

#[test]
fn once_runs_its_steps_once_per_key_and_replays_what_came_of_it() {
    for store in [false, true] {
        let cell = if store { "db.keys['k'] == 'DONE'" } else { "bank.keys['k'] == 'DONE'" };
        let conflict = [
            ("total(did)", 1.0),
            ("busy.last", 0.1),
            ("total(yes)", 2.0),
            ("total(after)", 2.0),
            ("yes.last", 10.0),
            (cell, 1.0),
        ];
        check(&thrice("", WORKS, store), &conflict);
        let wait = [
            ("total(did)", 1.0),
            ("total(busy)", 0.0),
            ("total(yes)", 3.0),
            ("after.first", 1.0),
            ("yes.last", 10.0),
            (cell, 1.0),
        ];
        check(&thrice(r#""in_flight": "wait","#, WORKS, store), &wait);
        let ignore = [("total(did)", 2.0), ("did.last", 1.1), ("total(yes)", 3.0), (cell, 1.0)];
        check(&thrice(r#""in_flight": "ignore","#, WORKS, store), &ignore);
    }
}

#[test]
fn a_null_key_is_just_done() {
    for store in [false, true] {
        let text = thrice("", WORKS, store).replace(r#""key": "k""#, r#""key": null"#);
        check(&text, &[("total(did)", 3.0), ("db.calls", 0.0), ("total(yes)", 3.0)]);
    }
}

#[test]
fn once_keeps_reply_and_fail_and_replays_the_ending_too() {
    for store in [false, true] {
        let reply = thrice(r#""in_flight": "wait","#, r#"{"work": "1s"}, {"record": "did"}, {"reply": "x"}"#, store);
        check(&reply, &[("total(did)", 1.0), ("total(after)", 0.0), ("total(yes)", 3.0)]);
        let fail =
            thrice(r#""in_flight": "wait","#, r#"{"work": "1s"}, {"record": "did"}, {"fail": "declined"}"#, store);
        let cell = if store { "db.keys['k'] == 'FAILED'" } else { "bank.keys['k'] == 'FAILED'" };
        check(&fail, &[("total(did)", 1.0), ("total(after)", 0.0), ("total(no)", 3.0), (cell, 1.0)]);
        let forget = thrice(r#""keep": ["ok"],"#, r#"{"work": "1s"}, {"record": "did"}, {"fail": "declined"}"#, store);
        let cell = if store { "db.keys['k']" } else { "bank.keys['k']" };
        check(&forget, &[("total(did)", 2.0), ("total(busy)", 1.0), ("total(no)", 2.0), (cell, NULL)]);
    }
}

#[test]
fn a_finished_key_is_forgotten_after_its_ttl_and_a_running_one_taken_over_after_its_lock() {
    for store in [false, true] {
        check(&thrice(r#""ttl": "9100ms","#, WORKS, store), &[("total(did)", 1.0)]);
        check(&thrice(r#""ttl": "5s","#, WORKS, store), &[("total(did)", 2.0), ("did.last", 11.0)]);
        // The second takes over at 500 ms, or holds until then; each then works for a second.
        check(&thrice(r#""lock": "50ms","#, WORKS, store), &[("total(did)", 2.0), ("did.last", 1.1)]);
        check(
            &thrice(r#""lock": "500ms", "in_flight": "wait","#, WORKS, store),
            &[("total(did)", 2.0), ("did.last", 1.5)],
        );
    }
}

#[test]
fn an_unknown_outcome_leaves_the_key_running() {
    for store in [false, true] {
        let unknown = r#"{"record": "did"}, {"set": "db.stock['book']", "to": 1, "timeout": "100us"}"#;
        let text = thrice(r#""lock": "5s","#, unknown, store);
        let text = text.replace(r#""ok": [{"record": "yes"}]"#, r#""ok": [{"record": "yes"}], "unknown": []"#);
        let text = text.replace(r#""maps": {"stock""#, r#""set": "1ms", "maps": {"stock""#);
        let cell = if store { "db.keys['k'] == 'RUNNING'" } else { "bank.keys['k'] == 'RUNNING'" };
        check(&text, &[("total(did)", 2.0), ("total(busy)", 1.0), ("total(yes)", 0.0), (cell, 1.0)]);
    }
}

#[test]
fn a_key_that_is_held_is_held_to_the_end_of_the_timeout_and_no_longer() {
    for store in [false, true] {
        let text = thrice(
            r#""in_flight": "wait", "timeout": "300ms", "on": {"timeout": [{"fail": "declined"}]},"#,
            r#"{"work": "100ms"}, {"work": "5s"}"#,
            store,
        );
        check(&text, &[("total(no)", 3.0), ("no.last", 9.7)]);
    }
}

#[test]
fn a_crash_leaves_the_key_running_in_a_map_and_forgets_it_in_memory() {
    let bank = |map: &str| {
        service(
            "bank",
            &format!(r#""{map}": {{"keys": {{}}}},"#),
            r#""pay": [{"once": "$order", "in": "keys", "do": [{"work": "1s"}, {"record": "did"}]}]"#,
        )
    };
    let steps = r#"[{"call": "bank.pay", "on": {"reset": []}}, {"wait": "2s"}, {"call": "bank.pay", "on": {"in_flight": [{"record": "busy"}]}}]"#;
    let text = |map| world(&bank(map), &[("shopper", "order", "0s", steps)], r#""faults": ["500ms..1s crash bank"]"#);
    check(&text("maps"), &[("total(did)", 0.0), ("busy.last", 2.5)]);
    check(&text("memory"), &[("did.last", 3.5), ("total(busy)", 0.0)]);
}

#[test]
fn a_waiter_of_once_that_gave_up_wakes_nothing_else() {
    // The first holds the key for 2 s; the second waits for it, gives up, and works where its timer was.
    let bank = service(
        "bank",
        r#""maps": {"keys": {}},"#,
        r#""pay": [{"once": "k", "in": "keys", "in_flight": "wait", "timeout": "${t}", "do": [{"work": "2s"}], "on": {"timeout": [{"work": "10s"}]}}, {"record": "after"}]"#,
    );
    let text = orders(&bank, 2, "10/s", r#"[{"call": "bank.pay"}]"#, r#""settings": {"t": {"default": "3s"}}"#);
    check(&text, &[("min after.first", 2.0), ("max after.last", 2.0)]);
    let bank = service(
        "bank",
        r#""maps": {"keys": {}},"#,
        r#""hold": [{"once": "k", "in": "keys", "do": [{"work": "2s"}]}],
           "pay": [{"once": "k", "in": "keys", "in_flight": "wait", "timeout": "500ms", "do": [], "on": {"timeout": []}}, {"work": "10s"}, {"record": "after"}]"#,
    );
    let text = world(
        &bank,
        &[("a", "visit", "0s", r#"[{"call": "bank.hold"}]"#), ("b", "order", "100ms", r#"[{"call": "bank.pay"}]"#)],
        "",
    );
    check(&text, &[("after.first", 10.6)]);
}

#[test]
fn once_inside_a_transaction_commits_with_the_rest() {
    let buy = |end: &str| {
        format!(
            r#"[{{"transaction": [{{"once": "k", "in": "db.keys", "do": [{{"set": "db.stock['book']", "to": "= value - 1"}}, {{"record": "did"}}]}}, {end}],
            "on": {{"no": [], "unmet": []}}}}]"#
        )
    };
    let (good, bad) = (buy(r#"{"wait": "1s"}"#), buy(r#"{"set": "db.stock['lamp']", "to": 1, "where": "value == 0"}"#));
    check(
        &orders(STOCK, 3, "10/s", &good, ""),
        &[("total(did)", 1.0), ("db.stock['book']", 9.0), ("db.keys['k'] == 'DONE'", 1.0)],
    );
    check(
        &orders(STOCK, 3, "10/s", &bad, ""),
        &[("total(did)", 0.0), ("db.stock['book']", 10.0), ("db.keys['k']", NULL)],
    );
    // A key that runs outside of the transaction is not finished inside of it.
    let outside = r#"[{"once": "k", "in": "db.keys", "do": [{"wait": "1s"}, {"record": "outside"}]}]"#;
    for (in_flight, did) in [("conflict", 0.0), ("wait", 0.0), ("ignore", 1.0)] {
        let inside = good
            .replace(r#""in": "db.keys","#, &format!(r#""in": "db.keys", "in_flight": "{in_flight}","#))
            .replace(r#""no": []"#, r#""in_flight": [{"record": "busy"}]"#);
        let text = world(STOCK, &[("a", "visit", "0s", outside), ("b", "order", "100ms", &inside)], "");
        let busy = if in_flight == "conflict" { 1.0 } else { 0.0 };
        check(
            &text,
            &[("total(did)", did), ("total(busy)", busy), ("outside.last", 1.0), ("db.keys['k'] == 'DONE'", 1.0)],
        );
    }
}

#[test]
fn the_store_of_a_once_that_is_gone_at_its_end_leaves_what_was_done_unknown() {
    let bank =
        service("bank", "", r#""pay": [{"once": "k", "in": "db.keys", "do": [{"work": "1s"}, {"record": "did"}]}]"#);
    let steps = r#"[{"call": "bank.pay", "on": {"unknown": [{"record": "perhaps"}], "error": [{"record": "wrong"}]}}]"#;
    let text =
        world(&format!("{STOCK}, {bank}"), &[("shopper", "order", "0s", steps)], r#""faults": ["500ms..2s crash db"]"#);
    check(
        &text,
        &[("total(did)", 1.0), ("total(perhaps)", 1.0), ("total(wrong)", 0.0), ("db.keys['k'] == 'RUNNING'", 1.0)],
    );
}

#[test]
fn what_begins_a_once_in_a_store_and_what_ends_it_are_lost_apart() {
    let steps =
        r#"[{"once": "$order", "in": "db.keys", "do": [{"record": "did"}], "timeout": "1s", "on": {"timeout": []}}]"#;
    let text = orders(STOCK, 1000, "100/s", steps, r#""faults": ["0s.. loss shopper->db 30%"]"#);
    let run = measured(&text, &["total(did)", "shopper->db.unknown", "shopper->db.calls"]).run(Seed(0), Stop::AtEnd);
    let [did, unknown, calls] = [0, 1, 2].map(|index: usize| run.metrics[index].1.expect("a count"));
    assert_eq!(calls, 1000.0 + did);
    // Of those whose beginning arrived, the end of three in ten is lost.
    let lost_ends = unknown - (1000.0 - did);
    assert!((0.24..0.36).contains(&(lost_ends / did)), "{lost_ends} of {did}");
}

// ---- parallel, background, loops ----

#[test]
fn parallel_runs_all_at_once_and_needs_all_or_so_many() {
    let nodes = service(
        "bank",
        "",
        r#""pay": [{"work": "1s"}, {"record": "paid"}], "later": [{"work": "3s"}, {"record": "later"}], "bad": [{"work": "2s"}, {"fail": "no"}]"#,
    );
    let text = |branches: &str, need: &str| {
        order(
            &nodes,
            &format!(
                r#"[{{"parallel": [{branches}], "need": {need}, "on": {{"no": [{{"record": "failed"}}]}}}}, {{"record": "after"}}]"#
            ),
        )
    };
    let three = r#"[{"call": "bank.pay"}, {"record": "branch"}], [{"call": "bank.later"}, {"record": "branch"}], [{"call": "bank.bad"}, {"record": "branch"}]"#;
    // The first failure decides at 2 s; the rest is abandoned, but what it sent goes on.
    let all = [
        ("failed.first", 2.0),
        ("after.first", 2.0),
        ("total(branch)", 1.0),
        ("later.first", 3.0),
        ("shopper->bank.late", 1.0),
        ("shopper->bank.unknown", 1.0),
    ];
    check(&text(three, r#""all""#), &all);
    check(
        &text(three, "1"),
        &[("after.first", 1.0), ("total(branch)", 1.0), ("shopper->bank.late", 2.0), ("total(failed)", 0.0)],
    );
    check(&text(three, "2"), &[("after.first", 3.0), ("total(branch)", 2.0), ("shopper->bank.late", 0.0)]);
    check(&text(three, "3"), &[("after.first", 2.0), ("total(failed)", 1.0)]);
    check(
        &text(r#"[{"call": "bank.pay"}], [{"call": "bank.pay"}]"#, r#""all""#),
        &[("after.first", 1.0), ("total(paid)", 2.0)],
    );
    check(&text(r#"[], [{"record": "branch"}]"#, r#""all""#), &[("after.first", 0.0), ("total(branch)", 1.0)]);
}

#[test]
fn what_is_in_the_background_holds_no_worker_and_outlives_the_reply() {
    let nodes = service(
        "shop",
        r#""workers": 1, "queue": 0,"#,
        r#""pay": [{"background": [{"work": "5s"}, {"record": "behind"}, {"background": [{"wait": "1s"}, {"record": "further"}]}]}, {"work": "100ms"}, {"record": "paid"}]"#,
    );
    let text = orders(&nodes, 3, "5/s", r#"[{"call": "shop.pay"}]"#, "");
    check(
        &text,
        &[
            ("total(behind)", 3.0),
            ("max paid.last", 0.5),
            ("max behind.last", 5.4),
            ("max further.last", 6.4),
            ("shopper.ok", 3.0),
        ],
    );
    let failing = service(
        "shop",
        "",
        r#""pay": [{"background": [{"call": "bank.bad"}, {"record": "behind"}]}, {"record": "paid"}]"#,
    );
    let text = order(&format!("{BANK}, {failing}"), r#"[{"call": "shop.pay"}]"#);
    check(&text, &[("total(behind)", 0.0), ("total(paid)", 1.0), ("shopper.ok", 1.0), ("shop.error", 0.0)]);
}

#[test]
fn background_steps_have_values_of_their_own() {
    let nodes = service(
        "shop",
        r#""maps": {"m": {"a": 1, "b": 2}},"#,
        r#""pay": [{"read": "m['a']", "as": "x"}, {"background": [{"wait": "1s"}, {"if": "$x == 1", "then": [{"record": "own"}]}]}, {"read": "m['b']", "as": "x"}]"#,
    );
    check(&order(&nodes, r#"[{"call": "shop.pay"}]"#), &[("total(own)", 1.0)]);
}

#[test]
fn for_each_goes_through_a_list_in_order_one_or_several_at_once() {
    let db = r#""db": {"kind": "store", "maps": {"stock": {"a": 1, "b": 2, "c": 3, "d": 4}, "out": {}}}"#;
    let bank = service(
        "bank",
        "",
        r#""pay": [{"work": "1s"}, {"record": "paid"}], "some": [{"work": "1s"}, {"if": "$item == 'b'", "then": [{"fail": "no"}]}]"#,
    );
    let text = |inside: &str, at_once: u32| {
        order(
            &format!("{db}, {bank}"),
            &format!(
                r#"[{{"read": "db.stock[*]", "as": "all"}}, {{"try": [{{"for_each": "item", "in": "$all", "at_once": {at_once}, "do": [{inside}]}}], "on": {{"no": [{{"record": "failed"}}]}}}}, {{"record": "after"}}]"#
            ),
        )
    };
    let pay = r#"{"call": "bank.pay"}, {"set": "db.out['n']", "to": "= value + 1"}"#;
    check(&text(pay, 1), &[("after.first", 4.0), ("total(paid)", 4.0), ("db.out['n']", 4.0)]);
    check(&text(pay, 3), &[("after.first", 2.0), ("total(paid)", 4.0), ("db.out['n']", 4.0)]);
    check(&text(pay, 9), &[("after.first", 1.0), ("total(paid)", 4.0)]);
    let some = r#"{"call": "bank.some"}, {"record": "passed"}"#;
    check(&text(some, 1), &[("after.first", 2.0), ("failed.first", 2.0), ("total(passed)", 1.0)]);
    // `a` is over first and `c` begins; then `b` fails, `c` comes to its end, and `d` is not begun.
    check(&text(some, 2), &[("after.first", 2.0), ("total(passed)", 2.0), ("bank.calls", 3.0)]);
    check(&text(r#"{"record": "passed", "key": 1}"#, 2), &[("after.first", 0.0), ("total(passed)", 4.0)]);
    let empty = text(pay, 2).replace(r#""stock": {"a": 1, "b": 2, "c": 3, "d": 4}"#, r#""stock": {}"#);
    check(&empty, &[("after.first", 0.0), ("total(paid)", 0.0)]);
}

#[test]
fn for_each_binds_the_key_of_facts_and_calls() {
    let nodes = service(
        "shop",
        r#""maps": {"open": {}},"#,
        r#""add": [{"set": "open[$order]", "to": 1}],
           "sweep": {"every": "5s", "do": [{"read": "open[*]", "as": "all"}, {"for_each": "order", "in": "$all", "do": [{"record": "swept"}]}]}"#,
    );
    let text = orders(&nodes, 3, "1/s", r#"[{"call": "shop.add"}]"#, r#""until": "6s""#);
    check(&text, &[("count swept == 1", 3.0), ("max swept.first", 5.0)]);
}

#[test]
fn if_switch_and_chance_choose() {
    let steps = r#"[{"if": "$order % 2 == 0", "then": [{"record": "even"}], "else": [{"record": "odd"}]},
        {"switch": "= $order % 3", "cases": {"0": [{"record": "zero"}], "1": [{"record": "one"}], "else": [{"record": "two"}]}},
        {"chance": "25%", "then": [{"record": "lucky"}], "else": [{"record": "not"}]},
        {"chance": "0%", "then": [{"record": "never"}]}, {"chance": "100%", "then": [{"record": "always"}]}]"#;
    let text = orders("", 1000, "100/s", steps, "");
    check(
        &text,
        &[
            ("total(even)", 500.0),
            ("total(odd)", 500.0),
            ("total(zero)", 333.0),
            ("total(one)", 334.0),
            ("total(two)", 333.0),
            ("total(never)", 0.0),
            ("total(always)", 1000.0),
            ("total(lucky) + total(not)", 1000.0),
        ],
    );
    let lucky = measured(&text, &["total(lucky)"]).run(Seed(1), Stop::AtEnd).metrics[0].1.expect("a count");
    assert!((205.0..295.0).contains(&lucky), "{lucky}");
}

#[test]
fn record_states_a_fact_and_undo_takes_one_back() {
    let steps = r#"[{"record": "paid"}, {"record": "paid"}, {"wait": "1s"}, {"undo": "paid"}, {"record": "seen", "key": "= $order * 10"}]"#;
    let text = orders("", 2, "1/s", steps, "");
    check(&text, &[("total(paid)", 2.0), ("count paid == 1", 2.0), ("max paid.first", 1.0), ("total(seen)", 2.0)]);
}

// ---- Balancing ----

#[test]
fn requests_are_spread_over_the_replicas_as_balance_says() {
    let nodes = |balance: &str| {
        service(
            "bank",
            &format!(
                r#""replicas": 3, "balance": "{balance}", "workers": 1, "memory": {{"n": {{}}}}, "maps": {{"most": {{}}}},"#
            ),
            r#""pay": [{"set": "n['x']", "to": "= value + 1", "as": "n"}, {"set": "most['x']", "to": "$n", "where": "value == null || value < $n", "on": {"unmet": []}}, {"work": "WORK"}]"#,
        )
    };
    let text = |balance: &str, work: &str, count, rest| {
        orders(&nodes(balance).replace("WORK", work), count, "10/s", r#"[{"call": "bank.pay"}]"#, rest)
    };
    check(&text("round-robin", "1ms", 9, ""), &[("bank.most['x']", 3.0), ("bank.calls", 9.0)]);
    // One of three is not listed.
    let crash = r#""faults": ["0s..10s crash bank-2"]"#;
    check(&text("round-robin", "1ms", 9, crash), &[("bank.most['x']", 5.0), ("bank.ok", 9.0), ("bank.refused", 0.0)]);
    // All are free again each time, and any of them is asked.
    let idle = measured(&text("least-request", "1ms", 300, ""), &["bank.most['x']"]).run(Seed(0), Stop::AtEnd);
    let most = idle.metrics[0].1.expect("a count");
    assert!((101.0..133.0).contains(&most), "{most}");
    check(&text("least-request", "1s", 9, ""), &[("bank.most['x']", 3.0)]);
    for balance in ["random", "two-choices"] {
        let run = measured(&text(balance, "1s", 300, ""), &["bank.most['x']"]).run(Seed(0), Stop::AtEnd);
        let most = run.metrics[0].1.expect("a count");
        let bound = if balance == "random" { 130.0 } else { 104.0 };
        assert!((100.0..bound).contains(&most), "{balance}: {most}");
    }
}

// ---- Workloads ----

#[test]
fn an_open_workload_comes_at_its_rate_whatever_becomes_of_earlier_ones() {
    let text = |pace: &str| {
        file(
            "",
            &format!(r#""shopper": {{{pace}, "each": "order", "do": [{{"record": "came"}}, {{"wait": "100s"}}]}}"#),
            "",
        )
    };
    let even = r#""rate": "10/s", "spacing": "even""#;
    check(
        &text(&format!(r#"{even}, "limit": 5"#)),
        &[("total(came)", 5.0), ("min came.first", 0.0), ("max came.first", 0.4)],
    );
    check(&text(&format!(r#"{even}, "for": "1s""#)), &[("total(came)", 10.0), ("max came.first", 0.9)]);
    check(
        &text(&format!(r#"{even}, "for": "1s", "start": "5s""#)),
        &[("total(came)", 10.0), ("min came.first", 5.0), ("max came.first", 5.9)],
    );
    check(&text(&format!(r#"{even}, "for": "1s", "limit": 3"#)), &[("total(came)", 3.0)]);
    let stages = r#""stages": [{"for": "1s", "rate": "10/s"}, {"for": "2s", "rate": "0/s"}, {"for": "1s", "rate": "2/s"}], "spacing": "even""#;
    check(&text(stages), &[("total(came)", 12.0), ("max came.first", 3.5)]);
    let poisson = text(r#""rate": "10/s", "for": "100s""#);
    let came = measured(&poisson, &["total(came)"]).run(Seed(0), Stop::AtEnd).metrics[0].1.expect("a count");
    assert!((895.0..1105.0).contains(&came), "{came}");
}

#[test]
fn a_closed_workload_has_so_many_users_who_think_before_each() {
    let text = |fields: &str| {
        file(
            "",
            &format!(
                r#""clerk": {{"users": 3, {fields}, "each": "visit", "do": [{{"record": "came"}}, {{"wait": "1s"}}, {{"record": "left"}}]}}"#
            ),
            "",
        )
    };
    // Each begins at 2, 5 and 8 s; at 11 s it is over.
    check(
        &text(r#""think": "2s", "for": "10s""#),
        &[("total(came)", 9.0), ("min came.first", 2.0), ("max left.last", 9.0), ("clerk.requests", 9.0)],
    );
    check(&text(r#""think": "2s", "limit": 4"#), &[("total(came)", 4.0)]);
    check(&text(r#""for": "2500ms", "start": "1s""#), &[("total(came)", 9.0), ("min came.first", 1.0)]);
}

#[test]
fn the_end_is_until_or_when_nothing_is_left_and_who_has_no_outcome_is_unanswered() {
    let steps = r#"[{"wait": "1s"}, {"record": "done"}]"#;
    let text = orders("", 10, "1/s", steps, r#""until": "5s""#);
    // What happens at that very instant still does.
    check(
        &text,
        &[
            ("shopper.requests", 6.0),
            ("total(done)", 5.0),
            ("shopper.ok", 5.0),
            ("shopper.unanswered", 1.0),
            ("shopper.availability", 1.0),
            ("now", 5.0),
        ],
    );
    let text = orders("", 10, "1/s", steps, r#""until": "50s""#);
    check(&text, &[("shopper.requests", 10.0), ("shopper.unanswered", 0.0), ("total(done)", 10.0)]);
}

// ---- Dice ----

/// What each order's work, chance, links and waits came to, by the instants of the facts.
fn luck(text: &str, facts: &[&str]) -> Vec<Vec<Option<f64>>> {
    let orders = 40;
    let mut file: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut metrics = serde_json::Map::new();
    for order in 1..=orders {
        for fact in facts {
            let metric =
                json!({"max": format!("{fact}.first - requested.first"), "where": format!("$order == {order}")});
            metrics.insert(format!("{fact}{order}"), metric);
        }
    }
    file["metrics"] = Value::Object(metrics);
    let run = model(&file.to_string()).run(Seed(7), Stop::AtEnd);
    let by_order = |order: usize| run.metrics[order * facts.len()..(order + 1) * facts.len()].iter();
    (0..orders).map(|order| by_order(order).map(|(_, value)| value.map(|v| (v * 1e9).round())).collect()).collect()
}

#[test]
fn what_is_added_elsewhere_changes_no_other_draw() {
    let text = |more_nodes: &str,
                endpoints: &str,
                before: &str,
                inside: &str,
                call: &str,
                replicas: u32,
                limit: u32| {
        let nodes = format!(
            r#""bank": {{"kind": "service", "replicas": {replicas}, "maps": {{"m": {{}}}}, "endpoints": {{{endpoints}
            "pay": [{inside}{{"work": {{"exponential": "100ms"}}}}, {{"record": "worked"}}, {{"chance": "50%", "then": [{{"record": "lucky"}}]}},
            {{"wait": {{"exponential": "10ms"}}}}, {{"record": "waited"}}]}}}}{more_nodes}"#
        );
        orders(
            &nodes,
            limit,
            "1/s",
            &format!(r#"[{before}{{"call": "bank.pay"{call}}}]"#),
            r#""network": {"latency": {"uniform": ["1ms", "9ms"]}}"#,
        )
    };
    let facts = ["worked", "lucky", "waited"];
    let base = luck(&text("", "", "", "", "", 1, 40), &facts);
    let same = |what: &str, text: String| assert_eq!(luck(&text, &facts), base, "{what}");
    same(
        "a store and a service more",
        text(
            r#", "db": {"kind": "store", "maps": {}}, "aa": {"kind": "service", "endpoints": {"x": []}}"#,
            "",
            "",
            "",
            "",
            1,
            40,
        ),
    );
    same("an endpoint more", text("", r#""other": [{"work": {"exponential": "1s"}}],"#, "", "", "", 1, 40));
    same(
        "a step of another verb more",
        text("", "", "", r#"{"set": "m[$order]", "to": 1}, {"if": "true", "then": []}, "#, "", 1, 40),
    );
    same("more orders", text("", "", "", "", "", 1, 60));
    same("more replicas", text("", "", "", "", "", 4, 40));
    same("a retry that does not happen", text("", "", "", "", r#", "retry": 3"#, 1, 40));
    same("a group around it", text("", "", "", "", "", 1, 40));
}

#[test]
fn another_timeout_keeps_the_draws_of_every_first_try() {
    let nodes = service(
        "bank",
        "",
        r#""pay": [{"work": {"exponential": "1s"}}, {"if": "$n == 1", "then": [{"record": "first"}], "else": [{"record": "again"}]}]"#,
    );
    let text = |timeout: &str, tries: u32| {
        let steps = format!(
            r#"[{{"call": "bank.pay", "with": {{"n": "$try"}}, "timeout": "{timeout}", "retry": {tries}, "on": {{"timeout": []}}}}]"#
        );
        orders(&nodes, 40, "1/s", &steps, "")
    };
    let base = luck(&text("500ms", 1), &["first"]);
    assert_eq!(luck(&text("5s", 1), &["first"]), base);
    assert_eq!(luck(&text("500ms", 4), &["first"]), base);
    // A second try is another one.
    let again = luck(&text("500ms", 2), &["first", "again"]);
    assert!(again.iter().any(|both| both[1].is_some()));
    assert!(again.iter().all(|both| both[1].is_none_or(|again| Some(again - 5e8) != both[0])));
}

#[test]
fn a_clocked_endpoint_more_changes_no_draw_of_another() {
    let text = |more: &str| {
        let nodes = service(
            "shop",
            "",
            &format!(
                r#"{more} "tick": {{"every": "1s", "do": [{{"work": {{"exponential": "100ms"}}}}, {{"record": "ticked", "key": 1}}]}}"#
            ),
        );
        world(&nodes, &[("shopper", "order", "0s", "[]")], r#""until": "20s""#)
    };
    let last = |text: &str| measured(text, &["ticked.last", "total(ticked)"]).run(Seed(0), Stop::AtEnd).metrics;
    assert_eq!(last(&text("")), last(&text(r#""clean": {"every": "700ms", "do": [{"wait": "1ms"}]},"#)));
}

#[test]
fn each_turn_of_a_loop_and_each_try_of_a_group_draws_anew() {
    let db = r#""db": {"kind": "store", "maps": {"stock": {"a": 1, "b": 2}}}"#;
    let steps = r#"[{"read": "db.stock[*]", "as": "all"}, {"for_each": "item", "in": "$all", "do": [{"wait": {"exponential": "1s"}}, {"record": "turn"}]}]"#;
    let run = measured(&order(db, steps), &["turn.first", "turn.last"]).run(Seed(0), Stop::AtEnd);
    let [first, last] = [run.metrics[0].1.expect("a time"), run.metrics[1].1.expect("a time")];
    assert!((last - 2.0 * first).abs() > 1e-6, "{first} {last}");
}

// ---- Any small system ----

/// A list of steps, to be written.
#[derive(Clone, Debug)]
struct Plan(String);

fn steps(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => (1u32..20).prop_map(|ms| format!(r#"{{"work": "{ms}ms"}}"#)),
        1 => Just(r#"{"work": {"exponential": "5ms"}}"#.to_owned()),
        1 => (0u32..20).prop_map(|ms| format!(r#"{{"wait": "{ms}ms"}}"#)),
        2 => Just(r#"{"record": "fact"}"#.to_owned()),
        1 => Just(r#"{"undo": "fact"}"#.to_owned()),
        3 => (prop_oneof!["a", "b"], clauses()).prop_map(|(key, clauses)| format!(r#"{{"set": "db.m['{key}']", "to": "= value + 1"{clauses}}}"#)),
        2 => clauses().prop_map(|clauses| format!(r#"{{"set": "db.m['a']", "to": "= value + 1", "where": "value < 20"{clauses}}}"#)),
        1 => Just(r#"{"set": "db.m['b']", "to": null}"#.to_owned()),
        1 => clauses().prop_map(|clauses| format!(r#"{{"read": "db.m['b']"{clauses}}}"#)),
        1 => Just(r#"{"read": "db.m[*]", "where": "value > 1", "limit": 3, "as": "some"}"#.to_owned()),
    ];
    if depth == 0 {
        return prop::collection::vec(leaf, 0..4).prop_map(|steps| format!("[{}]", steps.join(", "))).boxed();
    }
    let inner = || steps(depth - 1);
    let group = prop_oneof![
        (inner(), clauses()).prop_map(|(steps, clauses)| format!(r#"{{"try": {steps}{clauses}}}"#)),
        (inner(), inner(), 1u32..=2, clauses())
            .prop_map(|(one, other, need, clauses)| format!(r#"{{"parallel": [{one}, {other}], "need": {need}{clauses}}}"#)),
        (steps(0), prop_oneof!["serializable", "snapshot", "read-committed"], clauses())
            .prop_map(|(steps, isolation, clauses)| format!(r#"{{"transaction": {steps}, "isolation": "{isolation}"{clauses}}}"#)),
        (inner(), prop_oneof![Just("keys"), Just("db.keys")], prop_oneof!["wait", "conflict", "ignore"], prop_oneof![Just("$order"), Just("k")], clauses())
            .prop_map(|(steps, map, in_flight, key, clauses)| format!(
                r#"{{"once": "{key}", "in": "{map}", "in_flight": "{in_flight}", "lock": "300ms", "do": {steps}{clauses}}}"#
            )),
        inner().prop_map(|steps| format!(r#"{{"chance": "30%", "then": {steps}}}"#)),
        inner().prop_map(|steps| format!(r#"{{"background": {steps}}}"#)),
        (inner(), 1u32..3).prop_map(|(steps, at_once)| format!(
            r#"{{"read": "db.m[*]", "as": "list"}}, {{"for_each": "item", "in": "$list", "at_once": {at_once}, "do": {steps}}}"#
        )),
    ];
    prop::collection::vec(prop_oneof![2 => leaf, 2 => group], 0..4)
        .prop_map(|steps| format!("[{}]", steps.join(", ")))
        .boxed()
}

fn clauses() -> impl Strategy<Value = String> {
    let timeout =
        prop_oneof![2 => Just(String::new()), 2 => (1u32..60).prop_map(|ms| format!(r#", "timeout": "{ms}ms""#))];
    let deadline =
        prop_oneof![4 => Just(String::new()), 1 => (20u32..200).prop_map(|ms| format!(r#", "deadline": "{ms}ms""#))];
    let retry = prop_oneof![
        3 => Just(String::new()),
        1 => Just(r#", "retry": 3"#.to_owned()),
        1 => Just(r#", "retry": {"tries": 4, "wait": "5ms", "factor": 2, "jitter": "full", "on": ["else"]}"#.to_owned()),
        1 => Just(r#", "retry": {"tries": 3, "budget": "10%"}"#.to_owned()),
    ];
    let on = prop_oneof![
        2 => Just(String::new()),
        2 => Just(r#", "on": {"else": []}"#.to_owned()),
        1 => Just(r#", "on": {"unknown": [{"record": "doubt"}], "deadlock": []}"#.to_owned()),
    ];
    let cancel = prop_oneof![3 => Just(""), 1 => Just(r#", "cancel": true"#)];
    (timeout, deadline, retry, on, cancel)
        .prop_map(|(timeout, deadline, retry, on, cancel)| format!("{timeout}{deadline}{retry}{on}{cancel}"))
}

fn endpoint() -> impl Strategy<Value = String> {
    let end = prop_oneof![4 => Just(""), 1 => Just(r#", {"reply": 1}"#), 1 => Just(r#", {"fail": "no"}"#)];
    (steps(2), end).prop_map(|(steps, end)| {
        let inside = &steps[1..steps.len() - 1];
        let first = if inside.is_empty() { r#"{"wait": "0s"}"# } else { inside };
        format!("[{first}{end}]")
    })
}

fn systems() -> impl Strategy<Value = (Plan, bool)> {
    let pool = prop_oneof![
        Just(String::new()),
        (1u32..4, 0u32..5).prop_map(|(workers, queue)| format!(r#""workers": {workers}, "queue": {queue},"#))
    ];
    let flags = (any::<bool>(), any::<bool>(), prop_oneof!["none", "expired"], 1u32..3);
    let fields = (pool, flags).prop_map(|(pool, (asynchronous, honours, drop, replicas))| {
        format!(
            r#"{pool} "replicas": {replicas}, "async": {asynchronous}, "honours_cancel": {honours}, "drop": "{drop}","#
        )
    });
    let faults = prop::collection::vec(
        prop_oneof![
            (0u32..800, 1u32..300).prop_map(|(at, length)| (format!("{at}ms..{}ms crash shop", at + length), false)),
            (0u32..800, 1u32..300).prop_map(|(at, length)| (format!("{at}ms..{}ms crash bank", at + length), false)),
            (0u32..800, 1u32..300).prop_map(|(at, length)| (format!("{at}ms..{}ms crash db", at + length), false)),
            Just(("0s.. loss bank<->shop 10%".to_owned(), false)),
            Just(("0s.. delay *->db +5ms ~5ms".to_owned(), false)),
            Just(("0s.. duplicate shop<->bank 10%".to_owned(), false)),
            // These may take a rollback with them, and with it the news that a lock is free.
            Just(("0s.. loss *->db 10%".to_owned(), true)),
            Just(("0s.. loss db->* 10%".to_owned(), true)),
            Just(("0s.. duplicate *->db 20%".to_owned(), true)),
        ],
        0..4,
    );
    let workers = prop_oneof![Just(String::new()), (1u32..4).prop_map(|workers| format!(r#""workers": {workers}, "#))];
    let call = (clauses(), prop_oneof![Just("pay"), Just("look")])
        .prop_map(|(clauses, to)| format!(r#"{{"call": "bank.{to}"{clauses}}}"#));
    let shop = (endpoint(), prop::collection::vec(call, 0..3)).prop_map(|(body, calls)| {
        let inside = &body[1..body.len() - 1];
        if calls.is_empty() { body.clone() } else { format!("[{}, {inside}]", calls.join(", ")) }
    });
    (fields.clone(), shop, endpoint(), endpoint(), faults, workers, clauses(), fields).prop_map(
        |(shop_fields, shop, pay, look, faults, workers, clauses, bank_fields)| {
            let leaky = faults.iter().any(|(_, leaky)| *leaky);
            let faults: Vec<Value> = faults.into_iter().map(|(fault, _)| Value::String(fault)).collect();
            let nodes = format!(
                r#""shop": {{"kind": "service", "maps": {{"keys": {{}}}}, {shop_fields} "endpoints": {{"buy": {shop}}}}},
                "bank": {{"kind": "service", "memory": {{"keys": {{}}}}, {bank_fields} "endpoints": {{"pay": {pay}, "look": {look}}}}},
                "db": {{"kind": "store", {workers}"maps": {{"m": {{"a": 1, "b": 5}}, "keys": {{}}}}, "read": "1ms", "set": {{"exponential": "2ms"}}, "commit": "1ms"}}"#
            );
            let workload = format!(
                r#""shopper": {{"rate": "100/s", "limit": 60, "each": "order", "do": [{{"call": "shop.buy"{clauses}}}]}},
                "clerk": {{"users": 3, "think": "20ms", "for": "500ms", "each": "visit", "do": [{{"call": "shop.buy", "with": {{"order": 1}}, "timeout": "400ms"}}]}}"#
            );
            let rest = format!(r#""network": {{"latency": {{"uniform": ["0ms", "4ms"]}}}}, "faults": {}"#, Value::Array(faults));
            (Plan(file(&nodes, &workload, &rest)), leaky)
        },
    )
}

fn counter(run: &sim_models::scenario::Run, name: &str) -> u64 {
    run.counters.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
}

/// More of them by `PROPTEST_CASES=5000`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_small_system_ends_the_same_way_twice_and_leaves_nothing_behind((Plan(text), leaky) in systems(), seed in 0u64..1000) {
        let text = text.replace(r#"{"record": "fact"}"#, r#"{"record": "fact", "key": "$order"}"#)
            .replace(r#"{"undo": "fact"}"#, r#"{"undo": "fact", "key": "$order"}"#)
            .replace(r#"{"record": "doubt"}"#, r#"{"record": "doubt", "key": "$order"}"#);
        let model = Scenario::parse("any.json", &text).and_then(|scenario| scenario.model(&Choices::none()));
        // Not every heap of steps is a scenario.
        let Ok(model) = model else { return Ok(()) };
        let limits = Limits { events: 3_000_000, ..few() };
        let go = || {
            let (mut sim, mut judge) = model.start(Seed(seed));
            let course = model.course(Stop::AtEnd, limits);
            let outcome = run(&mut sim, &mut judge, &course, |_, _| std::ops::ControlFlow::Continue(()));
            (model.measured(Seed(seed), &sim, &judge, outcome), sim)
        };
        let (first, mut sim) = go();
        let (second, _) = go();
        prop_assert!(first.outcome.panic.is_none(), "{:?}\n{text}", first.outcome.panic);
        prop_assert!(first.outcome.limit.is_none(), "{:?}\n{text}", first.outcome.limit);
        prop_assert_eq!(first.outcome.digest, second.outcome.digest);
        prop_assert!(sim.step().is_none());
        let crashes = ["shop.crashes", "bank.crashes", "db.crashes"].iter().any(|name| counter(&first, name) > 0);
        if !leaky && !crashes && !text.contains(" loss ") {
            let requests = &first.requests;
            prop_assert_eq!(requests.total, requests.ok + requests.error + requests.unknown, "{}", text);
            for edge in ["shopper->shop", "clerk->shop", "shop->bank", "shop->db", "bank->db"] {
                let of = |what: &str| counter(&first, &format!("{edge}.{what}"));
                prop_assert_eq!(of("calls"), of("ok") + of("error") + of("unknown"), "{} in {}", edge, text);
            }
            assert_nothing_is_left(&model, &sim);
        } else if !leaky {
            assert_no_lock_is_left(&model, &sim, &text);
        }
        prop_assert!(first.outcome.end < Instant::NEVER);
    }
}

/// No worker of a service is taken for ever, and no transaction is open that nobody runs.
fn assert_no_lock_is_left(model: &Model, sim: &Sim<Msg>, text: &str) {
    for index in 0..model.program().replicas.len() {
        let node = sim_core::NodeId(index as u32);
        let state = sim.state(node).expect("it serialises");
        let name = model.program().replica_name(node);
        if let Some(txns) = state.get("txns").filter(|txns| txns.is_array()) {
            assert_eq!(txns, &json!([]), "{name} {text}");
        }
    }
}
