//! What stands around a call that asks more than once, or not at all: hedges, answers that are shared, and caches; and the
//! published figures of hedging and of backing off, by the product's own calls, links and dice.

use faultline_tests::replications::{Figure, check as hold};
use faultline_tests::scenarios::{over_seeds, written};
use proptest::prelude::*;
use serde_json::{Value, json};
use sim_core::{Limits, NodeId, Seed, Stop, run};
use sim_models::inside::{field, inside};
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Model, Run, Scenario};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

fn model(file: &Value, faults: &[&str]) -> Model {
    let faults = faults.iter().map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    let changes = Changes { faults, ..Changes::default() };
    written(file).model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"))
}

fn value(run: &Run, name: &str) -> f64 {
    let found = run.metrics.iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no metric {name}")).1.unwrap_or(f64::NAN)
}

/// Gives a file a metric for each formula, under a name of its own, and holds it against what it must be, on one seed.
#[track_caller]
fn check(file: &Value, faults: &[&str], expected: &[(&str, f64)]) {
    let mut file = file.clone();
    for (number, (formula, _)) in expected.iter().enumerate() {
        file["metrics"][format!("m{number}")] = match *formula {
            _ if formula.ends_with(".first") || formula.ends_with(".last") => json!({"max": formula}),
            _ => json!({"value": formula}),
        };
    }
    let run = model(&file, faults).run(Seed(1), Stop::AtEnd);
    assert!(run.outcome.panic.is_none(), "{:?}", run.outcome.panic);
    let seen: Vec<f64> = (0..expected.len()).map(|number| value(&run, &format!("m{number}"))).collect();
    for ((formula, wanted), is) in expected.iter().zip(&seen) {
        assert!((is - wanted).abs() < 1e-9, "{formula} is {is}, and must be {wanted}; all: {seen:?}\n{file:#}");
    }
}

fn wrong(file: &Value) -> String {
    let scenario = Scenario::parse("callers.json", &file.to_string());
    let said = scenario.and_then(|scenario| scenario.model(&Choices::none()).map(|_| ()));
    said.expect_err("it is wrong").to_string()
}

fn warned(file: &Value) -> String {
    model(file, &[]).warnings().to_string()
}

// ── Hedges ──

/// Ten requests, a second apart, to two replicas that take 10 ms; the first of each request goes to the first replica when the
/// second is asked too.
fn hedged(clauses: &Value) -> Value {
    let mut call =
        json!({"call": "svc.get", "on": {"unavailable": [{"record": "one"}], "overloaded": [{"record": "two"}]}});
    for (name, clause) in clauses.as_object().expect("clauses") {
        call[name] = clause.clone();
    }
    json!({
        "faultline": 1, "name": "hedged", "until": "100s",
        "nodes": {"svc": {"kind": "service", "replicas": 2, "honours_cancel": true, "endpoints": {"get": [
            {"work": "10ms"}, {"record": "done", "key": "$order"}]}}},
        "workload": {"user": {"rate": "1/s", "spacing": "even", "limit": 10, "each": "order", "do": [call, {"record": "came"}]}},
        "metrics": {"longest": {"max": "came.first - requested.first"}},
        "properties": {"thought of": {"sometimes": "done > 1"}}
    })
}

const SLOW: &[&str] = &["0s.. slow svc-1 x100"];

#[test]
fn when_the_first_is_slow_another_replica_is_asked_and_the_first_answer_counts() {
    let alone = hedged(&json!({}));
    check(&alone, SLOW, &[("longest", 1.0), ("svc.calls", 10.0)]);
    let hedged = hedged(&json!({"hedge": "50ms"}));
    let expected = [
        ("longest", 0.06),
        ("user->svc.calls", 20.0),
        ("user->svc.hedges", 10.0),
        ("user->svc.retries", 0.0),
        ("user->svc.ok", 10.0),
        ("user->svc.unknown", 10.0),
        // The losers are left: they work on, and what they answer comes to nobody.
        ("user->svc.late", 10.0),
        ("total(done)", 20.0),
        ("user.ok", 10.0),
    ];
    check(&hedged, SLOW, &expected);
    check(&hedged, &[], &[("longest", 0.01), ("user->svc.hedges", 0.0), ("user->svc.calls", 10.0)]);
}

#[test]
fn losers_that_are_told_stop_at_their_next_step() {
    let told = hedged(&json!({"hedge": "50ms", "cancel": true}));
    check(&told, SLOW, &[("total(done)", 10.0), ("user->svc.late", 0.0), ("user->svc.unknown", 10.0)]);
    let polly = hedged(&json!({"hedge": {"profile": "polly", "Delay": "50ms"}}));
    check(&polly, SLOW, &[("longest", 0.06), ("total(done)", 10.0), ("user->svc.hedges", 10.0)]);
}

#[test]
fn without_a_delay_all_are_asked_at_once_and_the_load_is_twice_as_high() {
    let both = hedged(&json!({"hedge": "0s"}));
    check(&both, SLOW, &[("longest", 0.01), ("svc.calls", 20.0), ("user->svc.hedges", 10.0)]);
    let grpc = hedged(&json!({"hedge": {"profile": "grpc", "maxAttempts": 9}}));
    check(&grpc, SLOW, &[("longest", 0.01), ("svc.calls", 50.0), ("user->svc.hedges", 40.0)]);
}

#[test]
fn a_failure_that_is_not_fatal_starts_the_next_one_at_once_and_a_fatal_one_ends_it() {
    let fails = &["0s.. fail svc-1.get"];
    let usual = hedged(&json!({"hedge": "500ms"}));
    check(&usual, fails, &[("longest", 0.01), ("user->svc.hedges", 10.0), ("total(one)", 0.0)]);
    let fatal = hedged(&json!({"hedge": {"delay": "500ms", "on": ["overloaded"]}}));
    // No second one moves the turn on: every other request goes to the replica that is well.
    check(&fatal, fails, &[("user->svc.hedges", 0.0), ("total(one)", 5.0)]);
    let grpc = |codes: Value| {
        hedged(
            &json!({"hedge": {"profile": "grpc", "maxAttempts": 2, "hedgingDelay": "500ms", "nonFatalStatusCodes": codes}}),
        )
    };
    check(&grpc(json!([])), fails, &[("user->svc.hedges", 0.0), ("total(one)", 5.0)]);
    check(&grpc(json!(["unavailable"])), fails, &[("longest", 0.01), ("user->svc.hedges", 10.0)]);
}

#[test]
fn finagle_takes_no_failure_for_a_reason_to_ask_again() {
    // No latency is known but of what is well: from the first look on the delay is a millisecond, and they fail at once.
    let finagle = hedged(&json!({"hedge": {"profile": "finagle", "maxExtraLoad": 0.1}}));
    check(&finagle, &["0s.. fail svc.get"], &[("user->svc.hedges", 0.0), ("total(one)", 10.0)]);
    // All take 10 ms, which is the delay then: the timer was there first.
    check(&finagle, &[], &[("user->svc.hedges", 7.0), ("user.ok", 10.0)]);
}

/// Half of all may be asked twice by the filter, and a fifth by the client's own budget of retries, beside ten a second.
#[test]
fn finagle_asks_no_more_often_than_the_budget_of_its_client_allows() {
    let mut file = hedged(&json!({"hedge": {"profile": "finagle", "maxExtraLoad": 0.5}}));
    file["nodes"]["svc"]["endpoints"]["get"] = json!([{"work": {"uniform": ["1ms", "200ms"]}}, {"record": "done"}]);
    file["workload"]["user"]["rate"] = json!("200/s");
    file["workload"]["user"]["limit"] = json!(4_000);
    let run = model(&file, &[]).run(Seed(1), Stop::AtEnd);
    let hedges = run.counters.iter().find(|(name, _)| name == "user->svc.hedges").expect("it is counted").1;
    // Twenty seconds, and a window of ten that is free.
    assert!((500..=800 + 200 + 100).contains(&hedges), "{hedges}");
}

#[test]
fn when_all_have_failed_polly_blames_the_first_and_grpc_the_last() {
    let fails = &["0s.. fail svc-1.get", "0s.. fail svc-2.get overloaded"];
    let polly = hedged(&json!({"hedge": {"profile": "polly", "Delay": "50ms"}}));
    check(&polly, fails, &[("total(one)", 10.0), ("total(two)", 0.0), ("user->svc.error", 20.0)]);
    let grpc = hedged(&json!({"hedge": {"profile": "grpc", "maxAttempts": 2, "hedgingDelay": "50ms",
        "nonFatalStatusCodes": ["unavailable", "overloaded"]}}));
    check(&grpc, fails, &[("total(one)", 0.0), ("total(two)", 10.0), ("user->svc.error", 20.0)]);
}

#[test]
fn when_nobody_is_there_all_are_refused_one_after_the_other_at_once() {
    let gone = hedged(&json!({"hedge": {"delay": "50ms", "tries": 3}}));
    let down = &["0s.. crash svc"];
    check(
        &gone,
        down,
        &[("user->svc.calls", 30.0), ("user->svc.error", 30.0), ("svc.refused", 30.0), ("user.error", 10.0)],
    );
}

#[test]
fn a_hedge_stands_inside_its_tries_timeout_and_each_try_hedges_anew() {
    let all_slow = &["0s.. slow svc x100"];
    let late = hedged(&json!({"hedge": {"delay": "40ms", "tries": 3}, "timeout": "100ms", "retry": 2}));
    // 40 ms, 80 ms, and at 100 ms the try is over.
    let expected = [
        ("user->svc.calls", 60.0),
        ("user->svc.hedges", 40.0),
        ("user->svc.retries", 10.0),
        ("user->svc.unknown", 60.0),
        ("user.unknown", 10.0),
    ];
    check(&late, all_slow, &expected);
}

#[test]
fn a_budget_keeps_hedges_few_when_all_are_slow() {
    let mut file = hedged(&json!({"hedge": {"delay": "50ms", "budget": {"ratio": "10%", "burst": 1}}}));
    file["workload"]["user"]["limit"] = json!(100);
    file["workload"]["user"]["rate"] = json!("10/s");
    let all_slow = &["0s.. slow svc x100"];
    // One to begin with, then one for each ten.
    check(&file, all_slow, &[("user->svc.hedges", 10.0), ("user.ok", 100.0)]);
    file["workload"]["user"]["do"][0]["hedge"] = json!({"delay": "50ms"});
    check(&file, all_slow, &[("user->svc.hedges", 100.0), ("user.ok", 100.0)]);
    // Ten tokens, of which each failure takes one: at five no more are sent.
    file["workload"]["user"]["do"][0]["hedge"] = json!({"profile": "grpc", "maxAttempts": 2, "hedgingDelay": "50ms",
        "nonFatalStatusCodes": ["unavailable"], "maxTokens": 10});
    check(&file, &["0s.. fail svc.get"], &[("user->svc.hedges", 2.0), ("user.ok", 100.0), ("total(one)", 100.0)]);
}

#[test]
fn reads_are_hedged_too() {
    let file = json!({
        "faultline": 1, "name": "reads", "until": "10s",
        "nodes": {"db": {"kind": "store", "maps": {"rows": {"x": 7}}, "read": {"mix": {"60%": "1ms", "40%": "1s"}}}},
        "workload": {"user": {"rate": "50/s", "spacing": "even", "limit": 200, "each": "order", "do": [
            {"read": "db.rows['x']", "as": "x", "hedge": {"delay": "5ms", "tries": 5}},
            {"if": "$x == 7", "then": [{"record": "right"}]}]}}
    });
    let run = {
        let mut file = file;
        file["metrics"] = json!({"right": {"value": "total(right)"}, "slow": {"max": "right.first - requested.first"},
            "hedges": {"value": "user->db.hedges"}, "calls": {"value": "user->db.calls"}});
        model(&file, &[]).run(Seed(1), Stop::AtEnd)
    };
    assert_eq!((value(&run, "right"), value(&run, "calls")), (200.0, 200.0 + value(&run, "hedges")));
    // 40 % are slow, and 40 % of the further ones: 200 · (0.4 + 0.16 + 0.064 + 0.0256) = 130, within four standard errors.
    assert!((90.0..=170.0).contains(&value(&run, "hedges")), "{}", value(&run, "hedges"));
}

#[test]
fn a_hedge_changes_no_other_draw() {
    // Who asks both services; the work of each is drawn.
    let file = |hedge: Value| {
        let orders: Vec<Value> =
            (1..=60).map(|order| json!({"sum": "came.first", "where": format!("$order == {order}")})).collect();
        let probes: Vec<Value> =
            (1..=60).map(|check| json!({"sum": "back.first", "where": format!("$check == {check}")})).collect();
        let mut metrics = json!({});
        for (number, (order, probe)) in orders.into_iter().zip(probes).enumerate() {
            metrics[format!("order{number}")] = order;
            metrics[format!("probe{number}")] = probe;
        }
        let work = json!({"work": {"lognormal": {"median": "10ms", "sigma": 1.0}}});
        json!({
            "faultline": 1, "name": "dice", "until": "100s", "network": {"latency": {"exponential": "2ms"}},
            "nodes": {"svc": {"kind": "service", "replicas": 3, "balance": "random", "endpoints": {
                "get": [work, {"chance": "50%", "then": [work]}], "other": [work]}}},
            "workload": {
                "user": {"rate": "5/s", "limit": 60, "each": "order", "do": [{"call": "svc.get", "hedge": hedge}, {"record": "came"}]},
                "probe": {"rate": "5/s", "limit": 60, "each": "check", "do": [{"call": "svc.other"}, {"record": "back"}]}},
            "metrics": metrics
        })
    };
    let (plain, hedged) = (file(Value::Null), file(json!("8ms")));
    let [plain, hedged] = [plain, hedged].map(|file| model(&file, &[]).run(Seed(4), Stop::AtEnd));
    let mut sooner = 0;
    for number in 0..60 {
        let probe = format!("probe{number}");
        assert_eq!(value(&plain, &probe), value(&hedged, &probe));
        let (before, after) = (value(&plain, &format!("order{number}")), value(&hedged, &format!("order{number}")));
        assert!(after <= before, "the first request of order {number} has the dice that it has without a hedge");
        sooner += u32::from(after < before);
    }
    assert!(sooner > 5, "{sooner}");
}

#[test]
fn what_cannot_be_hedged_is_told_and_what_should_not_be_is_warned_of() {
    let told = |step: Value| {
        let mut file = hedged(&json!({}));
        file["nodes"]["svc"]["maps"] = json!({"own": {"x": 1}});
        file["nodes"]["db"] = json!({"kind": "store", "maps": {"rows": {}}});
        file["nodes"]["svc"]["endpoints"]["get"] = json!([step]);
        file["properties"] = json!({});
        wrong(&file)
    };
    let transaction = told(json!({"transaction": [{"read": "db.rows['x']", "hedge": "1ms"}]}));
    assert!(transaction.contains("a hedge inside a transaction is not supported"), "{transaction}");
    assert!(told(json!({"read": "own['x']", "hedge": "1ms"})).contains("there is nothing to hedge"));
    assert!(told(json!({"set": "db.rows['x']", "to": 1, "hedge": "1ms"})).contains("\"set\" has no \"hedge\""));
    assert!(told(json!({"read": "db.rows['x']", "hedge": {"delay": "-1ms"}})).contains("-1ms"));
    assert!(
        told(json!({"read": "db.rows['x']", "hedge": {"delay": "1ms", "tries": 1}})).contains("a whole number from 2")
    );
    assert!(told(json!({"read": "db.rows['x']", "hedge": {"profile": "poly"}})).contains("did you mean \"polly\"?"));
    let mut unsafe_one = hedged(&json!({"hedge": "1ms"}));
    unsafe_one["properties"] = json!({});
    let said = warned(&unsafe_one);
    assert!(said.contains("svc.get records \"done\" and is hedged without \"once\""), "{said}");
    assert_eq!(
        warned(&hedged(&json!({"hedge": "1ms"}))),
        "",
        "whoever asks whether it is done twice has thought of it"
    );
}

// ── Answers that are shared ──

/// Fifty who want the same at once, of so many replicas; a load takes 50 ms.
fn herd(clauses: &Value, replicas: u32) -> Value {
    let mut call = json!({"call": "db.load"});
    for (name, clause) in clauses.as_object().expect("clauses") {
        call[name] = clause.clone();
    }
    json!({
        "faultline": 1, "name": "herd", "until": "60s",
        "nodes": {
            "api": {"kind": "service", "replicas": replicas, "endpoints": {
                "get": [call, {"reply": 1}],
                "hasty": [{"call": "db.load", "coalesce": "book", "timeout": "10ms"}],
                "patient": [{"call": "db.load", "coalesce": "book", "timeout": "1s"}],
                "gone": [{"try": [{"call": "db.load", "coalesce": "book"}], "timeout": "10ms"}]}},
            "db": {"kind": "service", "endpoints": {"load": [{"work": "50ms"}, {"reply": 42}]}}},
        "workload": {"user": {"users": 50, "limit": 50, "each": "visit", "do": [{"call": "api.get"}, {"record": "came"}]}},
        "metrics": {}
    })
}

#[test]
fn of_those_who_want_the_same_one_asks_in_each_process() {
    let expected = |calls: f64, shared: f64| {
        [("db.calls", calls), ("api->db.coalesced", shared), ("user.ok", 50.0), ("came.last", 0.05)]
    };
    check(&herd(&json!({}), 1), &[], &expected(50.0, 0.0));
    check(&herd(&json!({"coalesce": "book"}), 1), &[], &expected(1.0, 49.0));
    check(&herd(&json!({"coalesce": "book"}), 10), &[], &expected(10.0, 40.0));
    check(&herd(&json!({"coalesce": "$visit"}), 1), &[], &expected(50.0, 0.0));
    check(&herd(&json!({"coalesce": "= $visit % 5"}), 1), &[], &expected(5.0, 45.0));
    check(&herd(&json!({"coalesce": "= null"}), 1), &[], &expected(50.0, 0.0));
    check(&herd(&json!({"coalesce": false}), 1), &[], &expected(50.0, 0.0));
}

#[test]
fn a_failure_is_shared_too_and_who_tries_again_does_so_together() {
    let fails = &["0s..60ms fail db.load", "60ms..10s fail db.load 0%"];
    let once = herd(&json!({"coalesce": "book"}), 1);
    check(&once, &fails[..1], &[("db.calls", 1.0), ("user.error", 50.0)]);
    let again = herd(&json!({"coalesce": "book", "retry": {"tries": 2, "wait": "100ms"}}), 1);
    check(
        &again,
        &fails[..1],
        &[("db.calls", 2.0), ("user.ok", 50.0), ("api->db.coalesced", 98.0), ("api->db.retries", 1.0)],
    );
}

/// Who comes first calls one endpoint, who comes 5 ms later another.
fn pair(first: &str, second: &str) -> Value {
    let mut file = herd(&json!({}), 1);
    file["workload"] = json!({
        "one": {"users": 1, "limit": 1, "each": "a", "do": [{"call": format!("api.{first}"), "on": {"unknown": [{"record": "one_gone"}]}}]},
        "two": {"users": 1, "limit": 1, "start": "5ms", "each": "b", "do": [{"call": format!("api.{second}"),
            "on": {"unknown": [{"record": "two_gone"}]}}]}});
    file
}

#[test]
fn a_followers_timeout_ends_only_its_waiting() {
    let file = pair("patient", "hasty");
    let expected = [("two_gone.first", 0.015), ("total(one_gone)", 0.0), ("db.calls", 1.0), ("api->db.unknown", 0.0)];
    check(&file, &[], &expected);
}

#[test]
fn a_leaders_timeout_ends_the_flight_for_all() {
    let file = pair("hasty", "patient");
    check(&file, &[], &[("one_gone.first", 0.01), ("two_gone.first", 0.01), ("db.calls", 1.0), ("api->db.late", 1.0)]);
}

#[test]
fn when_the_leader_is_given_up_from_outside_those_who_follow_learn_nothing() {
    let file = pair("gone", "patient");
    check(&file, &[], &[("one_gone.first", 0.01), ("two_gone.first", 0.01), ("db.calls", 1.0)]);
}

#[test]
fn who_follows_passes_no_guard() {
    let bulkhead = herd(&json!({"coalesce": "book", "bulkhead": {"max": 1}}), 1);
    check(&bulkhead, &[], &[("db.calls", 1.0), ("user.ok", 50.0), ("api->db.limited", 0.0)]);
}

#[test]
fn reads_of_one_cell_are_shared_with_their_version() {
    let mut file = herd(&json!({}), 1);
    file["nodes"]["store"] = json!({"kind": "store", "maps": {"rows": {"x": 7}}, "read": "5ms"});
    file["nodes"]["api"]["endpoints"]["get"] = json!([
        {"read": "store.rows['x']", "as": "x", "coalesce": true},
        {"if": "$x == 7 && $x.version == 1", "then": [{"record": "right", "key": "$visit"}]}]);
    check(&file, &[], &[("store.calls", 1.0), ("total(right)", 50.0), ("api->store.coalesced", 49.0)]);
    file["nodes"]["api"]["endpoints"]["get"][0]["read"] = json!("store.rows[$visit]");
    check(&file, &[], &[("store.calls", 50.0), ("api->store.coalesced", 0.0)]);
}

#[test]
fn what_cannot_be_shared_is_told() {
    let told = |clauses: Value| wrong(&herd(&clauses, 1));
    assert!(told(json!({"coalesce": true})).contains("a call has no key of its own; say who shares its answer"));
    let read = |step: Value| {
        let mut file = herd(&json!({}), 1);
        file["nodes"]["api"]["maps"] = json!({"own": {"x": 1}});
        file["nodes"]["store"] = json!({"kind": "store", "maps": {"rows": {"x": 7}}});
        file["nodes"]["api"]["endpoints"]["get"] = json!([step]);
        wrong(&file)
    };
    assert!(read(json!({"read": "store.rows[*]", "as": "x", "coalesce": "k"})).contains("this reads a whole map"));
    assert!(read(json!({"read": "own['x']", "coalesce": true})).contains("there is nothing to share"));
    let inside = read(json!({"transaction": [{"read": "store.rows['x']", "coalesce": true}]}));
    assert!(inside.contains("inside a transaction each read is its own"), "{inside}");
    assert!(read(json!({"set": "store.rows['x']", "to": 1, "coalesce": "k"})).contains("\"set\" has no \"coalesce\""));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// Whatever asks more than once or not at all, and wherever it is given up: every request and every try has one outcome, no
    /// permit is lost, and no flight stays.
    #[test]
    fn nothing_is_lost_between_those_who_ask_together(
        picks in (0usize..5, 0usize..3, 0usize..3, 0usize..3, 0usize..8, 0usize..3),
        outer in prop_oneof![Just("1h"), Just("60ms"), Just("250ms")],
        seed in 0u64..1000,
    ) {
        let hedges = [json!("0s"), json!("30ms"), json!({"delay": "20ms", "tries": 4, "on": ["broken"], "budget": "30%"}),
            json!({"profile": "finagle", "maxExtraLoad": 0.3})];
        let pick = |of: &[Value], at: usize| of.get(at).cloned().unwrap_or_default();
        let mut call = json!({"call": "slow.get", "hedge": pick(&hedges, picks.0)});
        call["coalesce"] = pick(&[json!("k"), json!("= $visit % 3")], picks.1);
        call["timeout"] = pick(&[json!("50ms"), json!("100ms")], picks.2);
        call["retry"] = pick(&[json!(3), json!({"profile": "envoy", "retry_on": ["unknown", "error"], "max_retries": 2})], picks.3);
        let bulkheads = [json!({"max": 1}), json!({"max": 2, "wait": "30ms"}), json!({"profile": "polly", "PermitLimit": 2, "QueueLimit": 9}),
            json!({"profile": "aimd", "minLimit": 1, "initialLimit": 4}), json!({"profile": "vegas", "initialLimit": 2}),
            json!({"profile": "resilience4j", "maxConcurrentCalls": 2, "maxWaitDuration": "50ms"}),
            json!({"profile": "resilience4j-thread-pool", "coreThreadPoolSize": 1, "maxThreadPoolSize": 3, "queueCapacity": 2})];
        call["bulkhead"] = pick(&bulkheads, picks.4);
        if picks.4 == 5 || picks.4 == 6 {
            call["hedge"] = Value::Null;
        }
        let limiters = [json!({"profile": "resilience4j", "limitForPeriod": 3, "limitRefreshPeriod": "100ms", "timeoutDuration": "80ms"}),
            json!({"rate": "20/s", "window": "sliding"})];
        call["limiter"] = pick(&limiters, picks.5);
        let file = json!({
            "faultline": 1, "name": "kept", "until": "1h",
            "nodes": {
                "api": {"kind": "service", "workers": 20, "queue": 5, "endpoints": {"get": [{"try": [call], "timeout": outer}]}},
                "slow": {"kind": "service", "replicas": 2, "endpoints": {"get": [
                    {"work": {"lognormal": {"median": "60ms", "sigma": 0.8}}}, {"chance": "30%", "then": [{"fail": "broken"}]}]}}},
            "workload": {"user": {"rate": "50/s", "limit": 300, "each": "visit", "do": [{"call": "api.get"}]}},
            "metrics": {
                "requests": {"value": "user.ok + user.error + user.unknown"},
                "tries": {"value": "api->slow.calls - api->slow.ok - api->slow.error - api->slow.unknown"}}
        });
        let model = model(&file, &["3s..3100ms crash slow-2"]);
        let (mut sim, mut judge) = model.start(Seed(seed));
        let course = model.course(Stop::AtEnd, Limits::default());
        let outcome = run(&mut sim, &mut judge, &course, |_, _| std::ops::ControlFlow::Continue(()));
        let run = model.measured(Seed(seed), &sim, &judge, outcome);
        prop_assert_eq!((value(&run, "requests"), value(&run, "tries")), (300.0, 0.0), "{:#}", file);
        let state = inside(&sim, model.program(), NodeId(0));
        if let Some(taken) = field(&state, "policies[bulkhead slow].taken") {
            prop_assert_eq!(taken, &Value::from(0), "{:#}", file);
        }
        if let Some(flights) = field(&state, "policies[coalesce slow].flights") {
            prop_assert_eq!(flights, &Value::from(0), "{:#}", file);
        }
    }
}

// ── Caches ──

/// A store that forgets, and what is done to it, each at its own time in ms.
fn cache(more: &Value, script: &[(u64, Value)]) -> Value {
    let mut store = json!({"kind": "store", "maps": {"cells": {}}});
    for (name, value) in more.as_object().expect("fields") {
        store[name] = value.clone();
    }
    let mut workload = json!({});
    for (number, (at, step)) in script.iter().enumerate() {
        workload[format!("w{number}")] =
            json!({"users": 1, "limit": 1, "start": format!("{at}ms"), "each": format!("e{number}"), "do": [step]});
    }
    json!({"faultline": 1, "name": "cache", "until": "60s", "nodes": {"c": store}, "workload": workload, "metrics": {}})
}

fn set(key: &str) -> Value {
    json!({"set": format!("c.cells['{key}']"), "to": 1})
}

fn read(key: &str) -> Value {
    json!({"read": format!("c.cells['{key}']")})
}

#[test]
fn a_value_stays_for_its_ttl_after_its_set_whoever_reads_it_and_is_gone_at_its_end() {
    let ttl = json!({"ttl": "100ms"});
    let script = [(10, set("a")), (50, read("a")), (109, read("a")), (110, read("a")), (111, read("a"))];
    check(&cache(&ttl, &script), &[], &[("c.hits", 2.0), ("c.misses", 2.0), ("c.expired", 1.0)]);
    let again = [(10, set("a")), (60, set("a")), (110, read("a")), (159, read("a")), (160, read("a"))];
    check(&cache(&ttl, &again), &[], &[("c.hits", 2.0), ("c.misses", 1.0), ("c.expired", 1.0)]);
    let gone = [(10, set("a")), (60, json!({"set": "c.cells['a']", "to": null})), (70, read("a"))];
    check(&cache(&ttl, &gone), &[], &[("c.hits", 0.0), ("c.misses", 1.0), ("c.expired", 0.0)]);
    // What is there at the start was set at the start.
    let first = json!({"ttl": "100ms", "maps": {"cells": {"a": 1}}});
    check(&cache(&first, &[(99, read("a")), (100, read("a"))]), &[], &[("c.hits", 1.0), ("c.misses", 1.0)]);
    check(&cache(&json!({}), &script), &[], &[("c.hits", 0.0), ("c.misses", 0.0), ("c.calls", 5.0)]);
}

#[test]
fn whoever_waits_for_a_cell_to_be_empty_learns_when_it_expires() {
    let wait = json!({"read": "c.cells['a']", "when": "value == null"});
    let mut file = cache(&json!({"ttl": "100ms"}), &[(10, set("a")), (20, wait)]);
    file["workload"]["w1"]["do"] = json!([file["workload"]["w1"]["do"][0], {"record": "free"}]);
    check(&file, &[], &[("free.first", 0.11), ("c.expired", 1.0)]);
}

#[test]
fn a_new_version_begins_at_one_after_a_value_has_expired() {
    let asks = json!({"set": "c.cells['a']", "to": 2, "where": "version == 0"});
    check(
        &cache(&json!({"ttl": "100ms"}), &[(10, set("a")), (100, asks.clone()), (110, asks)]),
        &[],
        &[("c.unmet", 1.0)],
    );
}

#[test]
fn with_too_many_cells_the_one_goes_that_was_used_longest_ago() {
    let two = json!({"capacity": 2});
    let script = [
        (10, set("a")),
        (20, set("b")),
        (30, read("a")),
        (40, set("c")),
        (50, read("b")),
        (60, read("a")),
        (70, read("c")),
    ];
    check(&cache(&two, &script), &[], &[("c.evicted", 1.0), ("c.hits", 3.0), ("c.misses", 1.0)]);
    // A look at all of them uses none.
    let listed = json!({"read": "c.cells[*]", "as": "all"});
    let script = [(10, set("a")), (20, set("b")), (30, listed), (40, set("c")), (50, read("a")), (60, read("b"))];
    check(&cache(&two, &script), &[], &[("c.evicted", 1.0), ("c.hits", 1.0), ("c.misses", 1.0)]);
}

#[test]
fn a_restart_remembers_when_cells_were_set_and_a_volatile_cache_forgets_them() {
    let crash = &["30ms..40ms crash c"];
    let script = [(10, set("a")), (50, read("a")), (109, read("a")), (110, read("a"))];
    let kept = cache(&json!({"ttl": "100ms", "capacity": 5}), &script);
    check(&kept, crash, &[("c.hits", 2.0), ("c.misses", 1.0), ("c.expired", 1.0)]);
    let volatile = cache(&json!({"ttl": "100ms", "volatile": true}), &script);
    check(&volatile, crash, &[("c.hits", 0.0), ("c.misses", 3.0), ("c.expired", 0.0)]);
}

// ── Bulkheads and limiters that wait ──

/// So many calls, each begun by a user of its own at its own time in ms, of a service that takes 100 ms.
fn asked(clauses: &Value, at: &[u64]) -> Value {
    let mut workload = json!({});
    for (number, at) in at.iter().enumerate() {
        let mut call = json!({"call": "svc.get", "policy": "one", "on": {"limited": [{"record": format!("no{number}")}],
            "unknown": [{"record": format!("gone{number}")}], "ok": [{"record": format!("yes{number}")}]}});
        for (name, clause) in clauses.as_object().expect("clauses") {
            call[name] = clause.clone();
        }
        workload[format!("w{number}")] = json!({"users": 1, "limit": 1, "start": format!("{at}ms"), "each": format!("e{number}"), "do": [{"call": format!("api.go{number}")}]});
        workload[format!("w{number}")]["do"][0]["with"] = json!({});
        workload[format!("w{number}")]["step"] = call;
    }
    let mut endpoints = json!({});
    for number in 0..at.len() {
        let step = workload[format!("w{number}")].as_object_mut().expect("an object").remove("step").expect("a step");
        endpoints[format!("go{number}")] = json!([step]);
    }
    json!({
        "faultline": 1, "name": "asked", "until": "60s", "policies": {"one": {}},
        "nodes": {
            "api": {"kind": "service", "endpoints": endpoints},
            "svc": {"kind": "service", "endpoints": {"get": [{"work": "100ms"}]}}},
        "workload": workload,
        "metrics": {"most": {"peak": "svc.busy"}}
    })
}

#[test]
fn one_more_than_a_bulkhead_holds_waits_for_its_turn_and_then_is_refused() {
    let three = asked(&json!({"bulkhead": {"max": 1, "wait": "150ms"}}), &[0, 1, 2]);
    let expected =
        [("yes0.first", 0.1), ("yes1.first", 0.2), ("no2.first", 0.152), ("svc.calls", 2.0), ("api->svc.limited", 1.0)];
    check(&three, &[], &expected);
    let r4j = json!({"bulkhead": {"profile": "resilience4j", "maxConcurrentCalls": 1, "maxWaitDuration": "1s"}});
    check(
        &asked(&r4j, &[0, 1, 2]),
        &[],
        &[("yes0.first", 0.1), ("yes1.first", 0.2), ("yes2.first", 0.3), ("most", 1.0)],
    );
}

#[test]
fn a_wait_inside_the_timeout_counts_and_one_outside_does_not() {
    let clauses = json!({"bulkhead": {"max": 1, "wait": "1s"}, "timeout": "150ms"});
    check(&asked(&clauses, &[0, 1]), &[], &[("yes0.first", 0.1), ("gone1.first", 0.151), ("svc.calls", 2.0)]);
    let mut outside = clauses;
    outside["order"] = json!(["bulkhead", "timeout"]);
    check(&asked(&outside, &[0, 1]), &[], &[("yes0.first", 0.1), ("yes1.first", 0.2)]);
    // Who waits outside of its timeout has its deadline all the same.
    outside["deadline"] = json!("50ms");
    let mut file = asked(&outside, &[0, 1]);
    file["nodes"]["api"]["endpoints"]["go0"][0]["deadline"] = json!("1s");
    file["nodes"]["api"]["endpoints"]["go1"][0]["on"] = json!({"expired": [{"record": "no_time"}]});
    check(&file, &[], &[("yes0.first", 0.1), ("no_time.first", 0.051), ("svc.calls", 1.0)]);
}

#[test]
fn a_place_that_comes_back_at_the_timeout_lets_more_work_than_the_bulkhead_allows() {
    let times = [0, 30, 60, 90, 120, 150];
    let naive = json!({"bulkhead": {"max": 1}, "timeout": "10ms"});
    check(&asked(&naive, &times), &[], &[("most", 4.0), ("svc.calls", 6.0), ("api->svc.limited", 0.0)]);
    // Held until the answer, at 100 ms and 220 ms.
    for held in [json!({"max": 1, "release": "answer"}), json!({"profile": "resilience4j", "maxConcurrentCalls": 1})] {
        let exact = json!({"bulkhead": held, "timeout": "10ms"});
        check(&asked(&exact, &times), &[], &[("most", 1.0), ("svc.calls", 2.0), ("api->svc.limited", 4.0)]);
        // An answer that is lost never gives it back where the client below has no timeout, and a crash that is heard of does.
        let lost = &["0s.. loss svc->api 100%"];
        check(&asked(&exact, &times), lost, &[("svc.calls", 1.0), ("api->svc.limited", 5.0)]);
        check(&asked(&exact, &times), &["50ms..55ms crash svc"], &[("svc.calls", 2.0), ("gone2.first", 0.07)]);
    }
}

/// What the api knows of its policies at an instant.
fn at(file: &Value, faults: &[&str], until: &str) -> impl Fn(&str) -> Value + use<> {
    let model = model(file, faults);
    let (mut sim, _) = model.start(Seed(1));
    let until = until.parse().expect("an instant");
    while sim.step_before(until).is_some() {}
    let state = inside(&sim, model.program(), NodeId(0));
    move |path: &str| field(&state, path).cloned().unwrap_or_default()
}

#[test]
fn places_that_are_held_for_nobody_are_seen_with_when_they_come_back() {
    let held = json!({"bulkhead": {"max": 2, "release": "answer"}, "timeout": "10ms"});
    let lost = &["0s.. loss svc->api 100%"];
    let later = at(&asked(&held, &[0, 30]), lost, "50s");
    let (taken, given_up) = (later("policies[bulkhead one].taken"), later("policies[bulkhead one].given_up"));
    assert_eq!((taken, given_up), (json!(2), json!(2)));
    assert_eq!(later("policies[bulkhead one].given_up_since"), json!("10ms"));
    assert_eq!(later("policies[bulkhead one].back_at"), Value::Null, "never");
    let mut until = held;
    until["bulkhead"]["read_timeout"] = json!("5s");
    let soon = at(&asked(&until, &[0, 30]), lost, "1s");
    assert_eq!(
        (soon("policies[bulkhead one].given_up"), soon("policies[bulkhead one].back_at")),
        (json!(2), json!("5s"))
    );
    let over = at(&asked(&until, &[0, 30]), lost, "50s");
    assert_eq!(
        (over("policies[bulkhead one].taken"), over("policies[bulkhead one].given_up")),
        (json!(0), Value::Null)
    );
    let pool = json!({"timeout": "50ms",
        "bulkhead": {"profile": "resilience4j-thread-pool", "coreThreadPoolSize": 1, "maxThreadPoolSize": 1}});
    let waits = at(&asked(&pool, &[0, 1, 2]), &[], "99ms");
    assert_eq!(waits("policies[bulkhead one].waiting"), json!(2));
    assert_eq!(waits("policies[bulkhead one].waiting_for_nobody"), json!(2));
}

#[test]
fn what_limiters_and_hedges_go_by_is_seen() {
    let bucket = at(&asked(&json!({"limiter": {"rate": "10/s", "burst": 3}}), &[0, 0]), &[], "50ms");
    let seen = ["tokens", "most", "more_at"].map(|name| bucket(&format!("policies[limiter one].{name}")));
    assert_eq!(seen[1..], [json!(3.0), json!("100ms")]);
    let cycles = json!({"limiter": {"profile": "resilience4j", "limitForPeriod": 1, "limitRefreshPeriod": "1s", "timeoutDuration": "5s"}});
    let cycles = at(&asked(&cycles, &[0, 0, 0]), &[], "50ms");
    assert_eq!(
        [cycles("policies[limiter one].tokens"), cycles("policies[limiter one].more_at")],
        [json!(-2.0), json!("1s")]
    );
    let mut file = hedged(&json!({"hedge": {"delay": "50ms", "tries": 3}}));
    file["workload"]["user"] = json!({"users": 1, "limit": 1, "each": "order", "do": file["workload"]["user"]["do"]});
    let model = model(&file, &["0s.. slow svc x100"]);
    let (mut sim, _) = model.start(Seed(1));
    while sim.step_before("60ms".parse().expect("an instant")).is_some() {}
    let user = (0..8).map(NodeId).find(|node| model.program().replica_name(*node) == "user").expect("there is one");
    let state = inside(&sim, model.program(), user);
    let requests = state["requests"].as_object().expect("requests");
    let hedge = requests.values().next().expect("one is open")["hedge"].clone();
    assert_eq!(hedge, json!({"sent": 2, "out": 2, "next": "100ms"}));
}

#[test]
fn a_callee_that_is_told_and_stops_holds_no_place() {
    let mut file =
        asked(&json!({"bulkhead": {"max": 1, "release": "answer"}, "timeout": "10ms", "cancel": true}), &[0, 30]);
    file["nodes"]["svc"]["honours_cancel"] = json!(true);
    check(&file, &[], &[("svc.calls", 2.0), ("api->svc.limited", 0.0)]);
}

#[test]
fn a_pool_of_java_lets_the_newest_overtake_who_waits_in_its_queue() {
    let pool = json!({"bulkhead": {"profile": "resilience4j-thread-pool", "coreThreadPoolSize": 1, "maxThreadPoolSize": 2, "queueCapacity": 1}});
    let expected = [("yes0.first", 0.1), ("yes1.first", 0.2), ("yes2.first", 0.102), ("no3.first", 0.003)];
    check(&asked(&pool, &[0, 1, 2, 3]), &[], &expected);
}

#[test]
fn who_waits_and_is_given_up_from_outside_leaves_the_line_to_the_next() {
    let mut file = asked(&json!({"bulkhead": {"max": 1, "wait": "1s"}}), &[0, 1, 2]);
    let inner = file["nodes"]["api"]["endpoints"]["go1"][0].clone();
    file["nodes"]["api"]["endpoints"]["go1"] =
        json!([{"try": [inner], "timeout": "20ms", "on": {"unknown": [{"record": "left"}]}}]);
    check(&file, &[], &[("yes0.first", 0.1), ("left.first", 0.021), ("yes2.first", 0.2), ("svc.calls", 2.0)]);
}

#[test]
fn permits_of_resilience4js_cycles_are_waited_for_and_who_comes_too_late_waits_in_vain() {
    let cycles = json!({"limiter": {"profile": "resilience4j", "limitForPeriod": 2, "limitRefreshPeriod": "1s", "timeoutDuration": "1500ms"}});
    let file = asked(&cycles, &[500, 500, 500, 500, 500, 500, 500]);
    let expected = [
        ("yes0.first", 0.6),
        ("yes1.first", 0.6),
        ("yes2.first", 1.1),
        ("yes3.first", 1.1),
        ("yes4.first", 2.1),
        ("yes5.first", 2.1),
        ("no6.first", 2.0),
    ];
    check(&file, &[], &expected);
}

#[test]
fn a_window_with_edges_lets_twice_as_many_through_as_one_that_slides() {
    let burst = |limiter: Value| {
        let file = json!({
            "faultline": 1, "name": "burst", "until": "10s",
            "nodes": {"svc": {"kind": "service", "endpoints": {"get": [{"reply": 1}]}}},
            "workload": {
                "before": {"users": 500, "limit": 500, "start": "990ms", "each": "a", "do": [{"call": "api.get"}]},
                "after": {"users": 500, "limit": 500, "start": "1010ms", "each": "b", "do": [{"call": "api.get"}]}},
            "metrics": {}
        });
        let mut file = file;
        file["nodes"]["api"] =
            json!({"kind": "service", "endpoints": {"get": [{"call": "svc.get", "limiter": limiter}]}});
        file
    };
    check(&burst(json!({"rate": "100/s", "window": "fixed"})), &[], &[("svc.calls", 200.0)]);
    check(&burst(json!({"rate": "100/s", "window": "sliding"})), &[], &[("svc.calls", 100.0)]);
    check(&burst(json!({"rate": "100/s", "burst": 100})), &[], &[("svc.calls", 102.0)]);
    assert!(
        wrong(&burst(json!({"rate": "100/s", "burst": 9, "window": "fixed"}))).contains("a window holds no tokens")
    );
}

/// So many calls a second for 20 s of ten workers without a queue, who can do a hundred a second.
fn overload(clauses: &Value, rate: &str) -> Run {
    let mut call = json!({"call": "svc.get", "timeout": "1s"});
    for (name, clause) in clauses.as_object().expect("clauses") {
        call[name] = clause.clone();
    }
    let file = json!({
        "faultline": 1, "name": "overload", "until": "60s", "network": {"latency": "1ms"},
        "nodes": {
            "api": {"kind": "service", "endpoints": {"get": [call]}},
            "svc": {"kind": "service", "workers": 10, "queue": 0, "endpoints": {"get": [{"work": {"exponential": "100ms"}}]}}},
        "workload": {"user": {"rate": rate, "for": "20s", "each": "visit", "do": [{"call": "api.get"}]}},
        "metrics": {"overloaded": {"value": "svc.overloaded"}, "limited": {"value": "api->svc.limited"}, "ok": {"value": "user.ok"},
            "left": {"value": "user.requests - user.ok - user.error - user.unknown"}}
    });
    model(&file, &[]).run(Seed(1), Stop::AtEnd)
}

#[test]
fn a_limit_that_finds_itself_spares_a_callee_that_is_full_and_gradient2_does_not_hear_of_refusals() {
    let plain = overload(&json!({}), "500/s");
    let aimd = overload(&json!({"bulkhead": {"profile": "aimd", "minLimit": 1}}), "500/s");
    let gradient2 = overload(&json!({"bulkhead": {"profile": "gradient2", "minLimit": 1}}), "500/s");
    let refused = [&plain, &aimd, &gradient2].map(|run| value(run, "overloaded"));
    // 500 a second, of which a hundred are served.
    assert!((7_000.0..9_000.0).contains(&refused[0]), "{refused:?}");
    assert!(refused[1] < refused[0] / 4.0 && refused[2] > refused[1] * 3.0, "{refused:?}");
    for run in [plain, aimd, gradient2] {
        assert_eq!(value(&run, "left"), 0.0);
        assert!(value(&run, "ok") > 1_500.0, "{:?}", run.metrics);
    }
}

#[test]
fn in_adaptive_mode_a_client_that_is_throttled_slows_down() {
    let retry =
        |mode: &str| json!({"retry": {"profile": "aws-sdk", "retryMode": mode, "maxAttempts": 1}, "timeout": null});
    let [standard, adaptive] =
        ["standard", "adaptive"].map(|mode| value(&overload(&retry(mode), "150/s"), "overloaded"));
    assert!(adaptive < standard / 2.0, "{adaptive} {standard}");
}

/// A hundred requests a second, evenly, from a client that throttles itself, to a callee whose answer is this, for so
/// long.
fn throttled(throttle: &Value, answer: &Value, seconds: u64, during: &str) -> Model {
    let mut limiter = throttle.clone();
    limiter["profile"] = json!("adaptive-throttling");
    let file = json!({
        "faultline": 1, "name": "throttled", "until": format!("{seconds}s"),
        "nodes": {
            "api": {"kind": "service", "endpoints": {"get": [{"call": "svc.get", "limiter": limiter}]}},
            "svc": {"kind": "service", "endpoints": {"get": [answer]}},
            "depot": {"kind": "service", "endpoints": {"take": []}}},
        "workload": {"user": {"rate": "100/s", "spacing": "even", "each": "visit", "do": [{"call": "api.get"}]}},
        "metrics": {"sent": {"value": "api->svc.calls", "during": during}, "refused": {"value": "api->svc.limited", "during": during}}
    });
    model(&file, &[])
}

/// What so many seeds add up to, and how many standard deviations that is from so many draws of this chance.
fn off(model: &Model, seeds: u64, name: &str, mean: f64, variance: f64) -> f64 {
    let values = over_seeds(seeds, |seed| value(&model.run(seed, Stop::AtEnd), name));
    (values.iter().sum::<f64>() / seeds as f64 - mean) / (variance / seeds as f64).sqrt()
}

#[test]
fn an_adaptive_throttle_refuses_with_the_chance_that_the_book_gives() {
    // Nothing is accepted: the n-th request is sent with the chance 1/n.
    let never = throttled(&json!({}), &json!({"fail": "overloaded"}), 4, "0s..4s");
    let chances = (1..=400).map(|n| 1.0 / f64::from(n));
    let (mean, squares) = (chances.clone().sum::<f64>(), chances.map(|chance| chance * chance).sum::<f64>());
    let z = off(&never, 200, "sent", mean, mean - squares);
    assert!(z.abs() < 4.0, "{z}");
    // Ten a second are accepted: of requests R and accepts A of two minutes (R - K A) / (R + 1) is refused, so that K A
    // are sent.
    let ten = json!({"call": "depot.take", "limiter": {"rate": "10/s", "window": "fixed"}});
    for k in [2.0, 4.0] {
        let some = throttled(&json!({"K": k}), &ten, 330, "130s..330s");
        let chance = (12_000.0 - k * 1_200.0) / 12_001.0;
        let z = off(&some, 4, "refused", 20_000.0 * chance, 20_000.0 * chance * (1.0 - chance));
        assert!(z.abs() < 4.0, "{k}: {z}");
    }
}

#[test]
fn an_adaptive_throttle_refuses_nothing_of_what_comes_back_with_an_answer_of_the_callees_own() {
    for (answer, refuses) in [
        (json!({"reply": 1}), false),
        (json!({"fail": "sold_out"}), false),
        (json!({"fail": "overloaded"}), true),
        (json!({"fail": "limited"}), true),
        (json!({"wait": "1h"}), true),
        (json!({"chance": "60%", "then": [{"reply": 1}], "else": [{"fail": "overloaded"}]}), false),
    ] {
        let run = throttled(&json!({}), &answer, 300, "60s..300s").run(Seed(1), Stop::AtEnd);
        assert_eq!(value(&run, "refused") > 0.0, refuses, "{answer}: {:?}", run.metrics);
    }
}

#[test]
fn when_the_callee_recovers_an_adaptive_throttle_opens_step_by_step_over_several_windows() {
    let heals = json!({"if": "now < 100s", "then": [{"fail": "overloaded"}]});
    let sent = |during: &str| {
        let run = throttled(&json!({"window": "10s"}), &heals, 400, during).run(Seed(1), Stop::AtEnd);
        (value(&run, "sent"), value(&run, "refused"))
    };
    let (trickle, _) = sent("50s..100s");
    assert!(trickle < 25.0, "a thousandth of five thousand, and what the window forgets: {trickle}");
    assert_eq!(sent("300s..400s"), (10_000.0, 0.0));
    // What is accepted lets two more go, evenly over the window behind it: growth at the rate x with x = 2 (1 - e^-x)
    // per window, so that each window sends e^1.594 = 4.9 times as many as the one before.
    let windows: Vec<f64> = (10..20).map(|n| sent(&format!("{n}0s..{}0s", n + 1)).0).collect();
    let few = |before: f64| 4.92 * before + 5.0 * (4.92 * before).sqrt() + 10.0;
    assert!(windows.windows(2).all(|pair| pair[1] < few(pair[0])), "{windows:?}");
    assert!(windows.windows(2).any(|pair| pair[0] > 50.0 && pair[0] < 900.0 && pair[1] > pair[0]), "{windows:?}");
}

#[test]
fn what_an_adaptive_throttle_goes_by_is_seen() {
    let seen = |times: &[u64], until: &str| {
        let state = at(&asked(&json!({"limiter": {"profile": "adaptive-throttling"}}), times), &[], until);
        ["requests", "accepts", "refuses"].map(|name| state(&format!("policies[limiter one].{name}")))
    };
    assert_eq!(seen(&[0, 1, 2], "50ms"), [json!(3), json!(0), json!(0.75)]);
    assert_eq!(seen(&[0], "500ms"), [json!(1), json!(1), json!(0.0)]);
}

#[test]
fn a_client_that_throttles_itself_spares_its_callee_as_much_as_it_is_told_to() {
    let plain = overload(&json!({}), "500/s");
    let throttled = overload(&json!({"limiter": {"profile": "adaptive-throttling"}}), "500/s");
    assert_eq!(value(&throttled, "left"), 0.0);
    // With K = 2 about as many are refused by the callee as are served.
    let (refused, ok) = (value(&throttled, "overloaded"), value(&throttled, "ok"));
    assert!(refused < 1.3 * ok && refused < value(&plain, "overloaded") / 3.0, "{refused} {ok}");
    assert!(ok > 0.8 * value(&plain, "ok"), "{ok}");
}

// ── Waits ──

#[test]
fn a_linear_wait_grows_by_what_it_was_first_up_to_the_longest() {
    let asked_at = |retry: Value| {
        let file = json!({
            "faultline": 1, "name": "linear", "until": "60s",
            "nodes": {
                "api": {"kind": "service", "endpoints": {"get": [{"call": "svc.get", "retry": retry}]}},
                "svc": {"kind": "service", "endpoints": {"get": [{"record": "asked"}, {"fail": "overloaded"}]}}},
            "workload": {"user": {"users": 1, "limit": 1, "each": "visit", "do": [{"call": "api.get"}]}},
            "metrics": {"last": {"max": "asked.last"}}
        });
        value(&model(&file, &[]).run(Seed(1), Stop::AtEnd), "last")
    };
    for (tries, last) in [(2, 0.1), (3, 0.3), (4, 0.55), (5, 0.8)] {
        let plain = json!({"tries": tries, "wait": "100ms", "backoff": "linear", "max_wait": "250ms"});
        assert!((asked_at(plain.clone()) - last).abs() < 1e-9, "{tries}: {}", asked_at(plain));
        let mut spread = plain;
        spread["jitter"] = json!("equal");
        assert!(((last / 2.0)..=last).contains(&asked_at(spread)), "{tries}");
    }
    let named = json!({"tries": 4, "wait": "100ms", "backoff": "exponential", "factor": 3});
    assert!((asked_at(named) - 1.3).abs() < 1e-9, "100, 300 and 900 ms");
}

// ── What is done instead ──

#[test]
fn a_fallback_is_what_on_does_instead_and_its_value_goes_on_as_the_calls() {
    let file = |faults: bool| {
        let mut file = json!({
            "faultline": 1, "name": "fallback", "until": "60s",
            "nodes": {
                "shop": {"kind": "service", "memory": {"last": {}}, "endpoints": {"page": [
                    {"call": "picks.get", "as": "shown", "timeout": "100ms",
                        "breaker": {"profile": "failsafe", "failureThreshold": 3},
                        "on": {"ok": [{"set": "last['picks']", "to": "$shown"}],
                               "else": [{"record": "stale"}, {"read": "last['picks']", "as": "shown"}]}},
                    {"reply": "$shown"}]}},
                "picks": {"kind": "service", "endpoints": {"get": [{"work": "10ms"}, {"reply": 7}]}}},
            "workload": {"reader": {"rate": "10/s", "spacing": "even", "for": "30s", "each": "view", "do": [
                {"call": "shop.page", "as": "page"}, {"if": "$page == 7", "then": [{"record": "seven"}]}]}},
            "metrics": {"seven": {"count": "seven"}, "stale": {"count": "stale"}}
        });
        if faults {
            file["faults"] = json!(["10s..20s hang picks"]);
        }
        file
    };
    check(&file(false), &[], &[("reader.ok", 300.0), ("seven", 300.0), ("stale", 0.0)]);
    let run = model(&file(true), &[]).run(Seed(1), Stop::AtEnd);
    assert!(value(&run, "stale") > 90.0, "{:?}", run.metrics);
    check(&file(true), &[], &[("reader.ok", 300.0), ("seven", 300.0), ("shop->picks.unknown", 3.0)]);
}

// ── What is counted ──

#[test]
fn each_outcome_is_of_one_sort_and_the_sorts_add_up() {
    // The n-th of nine orders meets what its number says.
    let api = json!([{"switch": "$order", "cases": {
        "1": [{"reply": 1}],
        "2": [{"fail": "sold_out"}],
        "3": [{"set": "left['x']", "to": "= value - 1", "where": "value > 0"}],
        "4": [{"fail": "unavailable"}],
        "5": [{"work": "10s"}],
        "6": [{"fail": "overloaded"}],
        "7": [{"call": "svc.get", "limiter": {"rate": "1/s", "burst": 1}}, {"call": "svc.get", "limiter": {"rate": "1/s", "burst": 1}}],
        "8": [{"call": "svc.bad", "breaker": {"profile": "failsafe"}, "on": {"else": [{"record": "tried"}]}}, {"call": "svc.bad", "breaker": {"profile": "failsafe"}}],
        "9": [{"fail": "refused"}]}}]);
    let file = |again: Value| {
        json!({
            "faultline": 1, "name": "sorts", "until": "100s",
            "nodes": {
                "api": {"kind": "service", "maps": {"left": {"x": 0}}, "endpoints": {"get": api}},
                "svc": {"kind": "service", "endpoints": {"get": [{"reply": 1}], "bad": [{"fail": "unavailable"}]}}},
            "workload": {"user": {"rate": "1/s", "spacing": "even", "limit": 9, "each": "order", "do": [
                {"call": "api.get", "timeout": "1s", "retry": again}]}},
            "metrics": {}
        })
    };
    let sorts = ["rejected", "failed", "unsure", "shed", "open", "exhausted"].map(|sort| format!("user.{sort}"));
    let expect = |counts: [f64; 6]| -> Vec<(&str, f64)> { sorts.iter().map(String::as_str).zip(counts).collect() };
    let once = expect([2.0, 2.0, 1.0, 2.0, 1.0, 0.0]);
    check(&file(json!(1)), &[], &once);
    // What a retry tries again and cannot help is used up, be it an error or not: 4, 5, 6 and 9; what it leaves alone is what it was.
    let twice = expect([2.0, 0.0, 0.0, 1.0, 1.0, 4.0]);
    check(&file(json!(2)), &[], &twice);
    let edge =
        [("user->api.rejected", 2.0), ("user->api.failed", 3.0), ("user->api.shed", 2.0), ("user->api.unknown", 1.0)];
    check(&file(json!(1)), &[], &edge);
    // Whoever catches it and goes on was not ended by it.
    let mut caught = file(json!(2));
    caught["workload"]["user"]["do"][0]["on"] = json!({"else": [{"fail": "gave_up"}]});
    check(&caught, &[], &[("user.rejected", 8.0), ("user.exhausted", 0.0)]);
    let run = model(&file(json!(1)), &[]).run(Seed(1), Stop::AtEnd);
    let user = run.outcomes.iter().find(|(name, _)| name == "user").expect("the workload").1.clone();
    assert_eq!(
        user,
        [("ok", 1), ("rejected", 2), ("failed", 2), ("unsure", 1), ("shed", 2), ("open", 1), ("exhausted", 0)]
    );
}

#[test]
fn retries_that_are_used_up_are_counted_and_how_many_calls_each_request_comes_to() {
    let fails = &["0s.. fail svc.get"];
    let tried = hedged(&json!({"retry": 3}));
    let expected = [("user->svc.exhausted", 10.0), ("user->svc.calls", 30.0), ("user->svc.amplification", 3.0)];
    check(&tried, fails, &expected);
    check(&tried, &[], &[("user->svc.exhausted", 0.0), ("user->svc.amplification", 1.0)]);
    // What is not tried again is not exhausted.
    check(&hedged(&json!({"retry": {"tries": 3, "on": ["overloaded"]}})), fails, &[("user->svc.exhausted", 0.0)]);
    check(&hedged(&json!({"hedge": "0s"})), &[], &[("user->svc.amplification", 2.0)]);
    // Shared answers are no calls: of fifty who ask one is sent.
    check(&herd(&json!({"coalesce": "book"}), 1), &[], &[("api->db.amplification", 0.02)]);
}

#[test]
fn time_spent_for_callers_who_have_gone_is_counted_and_goodput_beside_what_was_offered() {
    let file = json!({
        "faultline": 1, "name": "wasted", "until": "20s",
        "nodes": {"svc": {"kind": "service", "endpoints": {"get": [{"work": "3s"}], "quick": [{"work": "10ms"}]}}},
        "workload": {
            "user": {"rate": "1/s", "spacing": "even", "limit": 10, "each": "order", "do": [{"call": "svc.get", "timeout": "1s"}]},
            "probe": {"rate": "2/s", "spacing": "even", "limit": 10, "each": "check", "do": [{"call": "svc.quick", "timeout": "1s"}]}},
        "metrics": {
            "offered": {"value": "user.offered", "during": "0s..5s"}, "good": {"value": "user.goodput", "during": "0s..5s"},
            "probes": {"value": "probe.goodput", "during": "1s..5s"}}
    });
    // Of 3 s each, two are for nobody.
    let expected = [("svc.wasted_time", 20.0), ("svc.wasted", 10.0), ("offered", 1.0), ("good", 0.0), ("probes", 2.0)];
    check(&file, &[], &expected);
}

// ── Hedging two exponential replicas: closed form ──

/// A request to replicas whose answers take Exp(10 ms), hedged after so many ms: latency and further requests of one run.
fn tail(delay: u64, requests: u64) -> Model {
    let delay_of = format!("{delay}ms");
    model(
        &json!({
            "faultline": 1, "name": "tail",
            "nodes": {"svc": {"kind": "service", "replicas": 2, "endpoints": {"get": [{"work": {"exponential": "10ms"}}]}}},
            "workload": {"user": {"rate": "100/s", "limit": requests, "each": "order", "do": [{"call": "svc.get", "hedge": delay_of}]}},
            "metrics": {"hedges": {"value": "user->svc.hedges / user.requests"}}
        }),
        &[],
    )
}

/// P(T > t) = e^(−t/10) up to the delay d, e^(−(2t−d)/10) after it, in ms; further requests: e^(−d/10).
fn hedges_by_the_closed_form(delays: &[u64], replications: u64, requests: u64, quantiles: &[f64]) {
    for delay in delays {
        let model = tail(*delay, requests);
        let d = *delay as f64;
        let kept = libm::exp(-d / 10.0);
        let quantile = |beyond: f64| {
            if beyond > kept { -10.0 * libm::log(beyond) } else { (d - 10.0 * libm::log(beyond)) / 2.0 }
        };
        const WIDTH: f64 = 0.01;
        let runs = over_seeds(replications, |seed| {
            let (mut sim, mut judge) = model.start(seed);
            let limits = Limits { events: u64::MAX, ..Limits::default() };
            let course = model.course(Stop::AtEnd, limits);
            let outcome = run(&mut sim, &mut judge, &course, |_, _| std::ops::ControlFlow::Continue(()));
            let took: Vec<f64> = judge.answered().map(|answered| answered.took.as_millis_f64()).collect();
            let measured = model.measured(seed, &sim, &judge, outcome);
            let mean = took.iter().sum::<f64>() / took.len() as f64;
            let beyond = |time: f64| took.iter().filter(|took| **took > time).count() as f64 / took.len() as f64;
            let around = |share: f64| {
                let time = quantile(share);
                [time * (1.0 - WIDTH), time, time * (1.0 + WIDTH)].map(beyond)
            };
            (mean, value(&measured, "hedges"), quantiles.iter().map(|share| around(*share)).collect::<Vec<_>>())
        });
        let means = runs.iter().map(|run| run.0).collect();
        let extra = runs.iter().map(|run| run.1).collect();
        let mut figures = vec![
            Figure::new("mean", means, 10.0 - 10.0 * kept / 2.0, WIDTH),
            Figure::new("further requests", extra, kept, WIDTH),
        ];
        for (nth, share) in quantiles.iter().enumerate() {
            let shares: Vec<[f64; 3]> = runs.iter().map(|run| run.2[nth]).collect();
            figures.push(Figure::quantile(format!("beyond {share}"), &shares, (quantile(*share), *share), WIDTH));
        }
        hold(&format!("hedged after {delay} ms"), &figures);
    }
}

#[test]
fn a_hedge_between_exponential_replicas_comes_to_the_closed_form() {
    hedges_by_the_closed_form(&[0, 10], 30, 12_000, &[0.5]);
}

/// A quantile that one in a thousand exceeds takes nearly four million requests to be known to one percent.
#[test]
#[ignore = "four million requests for each of four delays; run in a release build"]
fn the_tail_of_a_hedge_between_exponential_replicas_comes_to_the_closed_form() {
    hedges_by_the_closed_form(&[0, 10, 20, 30], 40, 90_000, &[0.5, 0.01, 0.001]);
}

// ── Backing off: the simulator of the AWS Architecture Blog ──

/// One hop: |N(10 ms, 2 ms)|, which is below zero once in 3.5 million times, by its quantiles, which must rise as texts do.
fn hop() -> Value {
    let normal = Normal::new(10.0, 2.0).expect("a distribution");
    const PARTS: u32 = 2_000;
    let mut table = json!({"0%": "0.5ms"});
    for part in 1..PARTS {
        let share = f64::from(part) / f64::from(PARTS);
        table[format!("{:08.4}%", 100.0 * share)] = json!(format!("{:.6}ms", normal.inverse_cdf(share)));
    }
    table["100%"] = json!("19.5ms");
    json!({"table": table})
}

/// Clients that read a row and write it back if nobody has in between, else wait and read again.
fn contention(clients: u32, retry: &Value) -> Model {
    let mut retry = retry.clone();
    retry["tries"] = json!("forever");
    retry["on"] = json!(["unmet"]);
    model(
        &json!({
            "faultline": 1, "name": "contention", "until": "1h", "network": {"latency": hop()},
            "nodes": {"db": {"kind": "store", "maps": {"rows": {"x": 0}}}},
            "workload": {"client": {"users": clients, "limit": clients, "each": "client", "do": [
                {"try": [{"read": "db.rows['x']", "as": "x"}, {"set": "db.rows['x']", "to": "= value + 1", "where": "value == $x"}],
                 "retry": retry}, {"record": "done"}]}},
            "metrics": {"writes": {"value": "client->db.calls / 2"}, "met": {"value": "client->db.calls / 2 - db.unmet"},
                        "over": {"max": "done.last"}}
        }),
        &[],
    )
}

/// Writes and completion in ms, with standard errors: means of the blog's own code over 1,000 trials.
type Row = (&'static str, Value, [(f64, f64); 2]);

fn strategies(clients: u32) -> [Row; 5] {
    let growing = |jitter: &str| json!({"wait": "10ms", "factor": 2, "max_wait": "2s", "jitter": jitter});
    let figures: [[(f64, f64); 2]; 5] = match clients {
        10 => [
            [(50.599, 0.1298), (377.610, 1.0989)],
            [(50.975, 0.1250), (3497.164, 40.8672)],
            [(42.396, 0.0804), (723.634, 5.6667)],
            [(38.935, 0.0756), (465.728, 3.3433)],
            [(37.611, 0.0717), (434.297, 2.7625)],
        ],
        50 => [
            [(689.809, 0.5278), (1141.536, 1.3498)],
            [(625.202, 0.9057), (36576.604, 104.7245)],
            [(346.883, 0.1925), (4243.982, 17.1982)],
            [(332.708, 0.1514), (2885.715, 16.5134)],
            [(374.863, 0.3775), (2225.419, 16.5690)],
        ],
        _ => [
            [(2423.972, 1.0465), (2026.949, 1.4570)],
            [(1856.063, 1.8409), (63664.644, 117.0512)],
            [(812.457, 0.2585), (6655.092, 20.7385)],
            [(796.0, 0.2127), (4890.989, 16.6644)],
            [(1003.127, 0.9261), (4627.051, 23.0586)],
        ],
    };
    let [none, exponential, equal, full, decorrelated] = figures;
    [
        ("no backoff", json!({}), none),
        ("exponential", growing("none"), exponential),
        ("equal jitter", growing("equal"), equal),
        ("full jitter", growing("full"), full),
        ("decorrelated jitter", json!({"wait": "5ms", "max_wait": "2s", "jitter": "decorrelated"}), decorrelated),
    ]
}

fn contends(clients: u32, trials: u64) {
    let mut wrong = Vec::new();
    // Of few trials the spread is guessed too: as rarely off as by four standard errors, by Student's law.
    let rarely = Normal::standard().cdf(4.0);
    let few = StudentsT::new(0.0, 1.0, trials as f64 - 1.0).expect("several trials").inverse_cdf(rarely);
    let most = if trials >= 200 { 4.0 } else { few };
    for (name, retry, expected) in strategies(clients) {
        let model = contention(clients, &retry);
        let runs = over_seeds(trials, |seed| {
            let run = model.run(seed, Stop::AtEnd);
            assert_eq!(value(&run, "met"), f64::from(clients), "each writes once in the end");
            [value(&run, "writes"), value(&run, "over") * 1e3]
        });
        for (nth, (what, (mean, error))) in ["writes", "completion"].into_iter().zip(expected).enumerate() {
            let count = trials as f64;
            let ours = runs.iter().map(|run| run[nth]).sum::<f64>() / count;
            let variance = runs.iter().map(|run| (run[nth] - ours) * (run[nth] - ours)).sum::<f64>() / (count - 1.0);
            let z = (ours - mean) / libm::sqrt(error * error + variance / count);
            println!(
                "{clients} clients, {name}, {what}: {ours:.3} ± {:.3}, theirs {mean}, z = {z:.2}",
                libm::sqrt(variance / count)
            );
            if z.abs() >= most {
                wrong.push(format!("{name}, {what}: z = {z:.2}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{clients} clients: {wrong:?}");
}

#[test]
fn ten_clients_back_off_as_in_the_simulator_of_the_aws_architecture_blog() {
    contends(10, 200);
}

#[test]
fn fifty_clients_back_off_as_in_the_simulator_of_the_aws_architecture_blog_in_a_few_trials() {
    contends(50, 24);
}

#[test]
#[ignore = "two thousand runs of up to 20,000 events; run in a release build"]
fn fifty_and_a_hundred_clients_back_off_as_in_the_simulator_of_the_aws_architecture_blog() {
    contends(50, 400);
    contends(100, 200);
}
