//! What naive versions of calls get wrong, one test for each, named after it: on the caller's side timeouts, retries,
//! budgets, hedges, breakers, bulkheads, limiters; on the callee's shedding, lines, and how a process ends.
//!
//! What a policy decides by itself (comparisons, caps, state machines) has its tests beside its code in `sim-models/src/policy`; here is
//! what shows only in a system. `docs/wrong-turns.md` is the list of all, with the test of each.

use std::fs;

use faultline_tests::scenarios::written;
use faultline_tests::sources::workspace;
use serde_json::{Value, json};
use sim_core::{Seed, Stop};
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Model, Run, Scenario};

fn model(file: &Value, faults: &[&str]) -> Model {
    let faults = faults.iter().map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    let changes = Changes { faults, ..Changes::default() };
    written(file).model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"))
}

fn seen(file: &Value, faults: &[&str], formulas: &[&str]) -> Vec<f64> {
    let mut file = file.clone();
    for (number, formula) in formulas.iter().enumerate() {
        file["metrics"][format!("m{number}")] = match *formula {
            _ if formula.ends_with(".first") || formula.ends_with(".last") => json!({"max": formula}),
            _ if formula.starts_with("peak ") => json!({"peak": &formula[5..]}),
            _ => json!({"value": formula}),
        };
    }
    let run: Run = model(&file, faults).run(Seed(1), Stop::AtEnd);
    assert!(run.outcome.panic.is_none(), "{:?}", run.outcome.panic);
    let value = |name: String| run.metrics.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
    (0..formulas.len()).map(|number| value(format!("m{number}")).unwrap_or(f64::NAN)).collect()
}

#[track_caller]
fn check(file: &Value, faults: &[&str], expected: &[(&str, f64)]) {
    let formulas: Vec<&str> = expected.iter().map(|(formula, _)| *formula).collect();
    let seen = seen(file, faults, &formulas);
    for ((formula, wanted), is) in expected.iter().zip(&seen) {
        assert!((is - wanted).abs() < 1e-9, "{formula} is {is}, and must be {wanted}; all: {seen:?}\n{file:#}");
    }
}

fn warned(file: &Value) -> String {
    model(file, &[]).warnings().to_string()
}

/// Users, an api that calls with these clauses, and so many replicas of a service that takes this long and states a fact.
fn system(clauses: &Value, work: &str, more: &Value) -> Value {
    let mut call = json!({"call": "svc.get"});
    for (name, clause) in clauses.as_object().expect("clauses") {
        call[name] = clause.clone();
    }
    let mut svc = json!({"kind": "service", "endpoints": {"get": [{"work": work}, {"record": "done"}]}});
    for (name, value) in more.as_object().expect("fields") {
        svc[name] = value.clone();
    }
    json!({
        "faultline": 1, "name": "wrong-turns", "until": "100s",
        "nodes": {"api": {"kind": "service", "endpoints": {"get": [call]}}, "svc": svc},
        "workload": {"user": {"rate": "1/s", "spacing": "even", "limit": 20, "each": "order", "do": [{"call": "api.get"}, {"record": "came"}]}},
        "metrics": {}, "properties": {"thought of": {"sometimes": "done > 1"}}
    })
}

// ── What holds for all of it ──

#[test]
fn a_timeout_does_not_read_the_wall_clock() {
    let file = system(&json!({"timeout": "1s"}), "900ms", &json!({}));
    let steps = &["5500ms clock api step +1h", "9500ms clock api step -2h", "3200ms clock svc step +1h"];
    check(&file, steps, &[("user.ok", 20.0), ("user.unknown", 0.0)]);
}

#[test]
fn users_who_wait_for_their_answer_throttle_themselves_and_arrivals_do_not() {
    // A tenth of the speed for ten seconds: of fifty a second ten are served, or five users have at most four in line.
    let file = |workload: Value| {
        let mut file = system(&json!({}), "10ms", &json!({"workers": 1}));
        file["workload"]["user"] = workload;
        file["workload"]["user"]["each"] = json!("order");
        file["workload"]["user"]["do"] = json!([{"call": "api.get"}]);
        seen(&file, &["10s..20s slow svc x10"], &["peak svc.waiting", "user.unanswered"])
    };
    let open = file(json!({"rate": "50/s", "spacing": "even", "for": "30s"}));
    let closed = file(json!({"users": 5, "think": "90ms", "for": "30s"}));
    assert!((390.0..=401.0).contains(&open[0]) && closed[0] <= 4.0, "{open:?} {closed:?}");
}

#[test]
fn a_latency_runs_from_when_the_request_was_to_be_sent() {
    // The shop stands still from 10 s to 15 s: who was to come at 10 s has waited for five seconds, whenever it is that
    // he is seen.
    let mut file = system(&json!({}), "10ms", &json!({}));
    file["workload"]["user"] =
        json!({"rate": "10/s", "spacing": "even", "for": "20s", "each": "order", "do": [{"call": "api.get"}]});
    let longest = |faults: &[&str]| seen(&file, faults, &["user.p999"])[0];
    let (calm, callee, user) = (longest(&[]), longest(&["10s..15s pause svc"]), longest(&["10s..15s pause user"]));
    assert!(calm < 0.02 && callee > 4.8 && user > 4.8, "{calm} {callee} {user}");
}

// ── 1.1 Timeouts and deadlines ──

#[test]
fn a_timeout_is_no_failure_and_what_was_asked_is_done() {
    let file = system(&json!({"timeout": "1s"}), "3s", &json!({}));
    check(&file, &[], &[("user.unknown", 20.0), ("user.error", 0.0), ("total(done)", 20.0)]);
}

#[test]
fn a_deadline_is_one_for_all_hops_and_tries_and_does_not_begin_anew() {
    // A waits 1 s, B would wait 5 s for each of three tries of C, which takes 3 s.
    let chain = |outer: Value| {
        let mut outer = outer;
        outer["call"] = json!("b.get");
        json!({
            "faultline": 1, "name": "chain", "until": "100s",
            "nodes": {
                "b": {"kind": "service", "endpoints": {"get": [{"call": "c.get", "timeout": "5s", "retry": 3}]}},
                "c": {"kind": "service", "endpoints": {"get": [{"work": "3s"}]}}},
            "workload": {"a": {"rate": "1/s", "spacing": "even", "limit": 10, "each": "order", "do": [outer]}},
            "metrics": {}
        })
    };
    // Without, B and C work 2 s of 3 s for nobody; with it, B no longer than A waits. C goes on with what it has begun.
    let wasted = |b: f64, c: f64| [("b.wasted_time", b), ("c.wasted_time", c), ("c.calls", 10.0), ("a.unknown", 10.0)];
    check(&chain(json!({"timeout": "1s"})), &[], &wasted(20.0, 20.0));
    check(&chain(json!({"deadline": "1s"})), &[], &wasted(0.0, 20.0));
}

#[test]
fn time_in_a_callees_line_is_part_of_the_timeout() {
    // One worker, 600 ms each: the second of two who come at once waits 600 ms and is served in 1.2 s.
    let mut file = system(&json!({"timeout": "1s"}), "600ms", &json!({"workers": 1}));
    file["workload"]["user"] =
        json!({"users": 2, "limit": 2, "each": "order", "do": [{"call": "api.get"}, {"record": "came"}]});
    check(&file, &[], &[("user.ok", 1.0), ("user.unknown", 1.0), ("total(done)", 2.0)]);
}

#[test]
fn a_timeout_is_not_over_at_the_first_byte() {
    // A megabyte at a megabyte a second: the first byte is there at once, and the last a second later.
    let mut file = system(&json!({"timeout": "500ms"}), "1ms", &json!({}));
    file["links"] = json!({"svc->api": {"bandwidth": "1MB/s", "size": "1MB"}});
    check(&file, &[], &[("user.unknown", 20.0), ("svc.ok", 20.0)]);
    file["links"]["svc->api"]["size"] = json!("100KB");
    check(&file, &[], &[("user.ok", 20.0)]);
}

#[test]
fn a_callee_that_answers_well_and_a_caller_who_timed_out_disagree() {
    let file = system(&json!({"timeout": "1s"}), "3s", &json!({}));
    check(&file, &[], &[("svc.ok", 20.0), ("api->svc.unknown", 20.0), ("api->svc.late", 20.0)]);
}

// ── 1.2 Retries ──

#[test]
fn no_try_begins_after_the_deadline() {
    let file = system(&json!({"deadline": "1s", "retry": {"tries": 9, "wait": "400ms"}}), "10ms", &json!({}));
    // At 0, 400 and 800 ms; the next would begin at 1.2 s.
    check(&file, &["0s.. fail svc.get"], &[("api->svc.calls", 60.0), ("api->svc.exhausted", 20.0)]);
}

#[test]
fn a_retry_on_unknown_of_what_is_not_idempotent_does_it_twice_and_is_warned_of() {
    let twice = system(&json!({"timeout": "1s", "retry": 2}), "3s", &json!({}));
    check(&twice, &[], &[("total(done)", 40.0)]);
    let mut file = twice;
    file["properties"] = json!({});
    let said = warned(&file);
    assert!(said.contains("svc.get records \"done\" and is retried on unknown without \"once\""), "{said}");
}

#[test]
fn a_new_key_for_each_try_is_none() {
    let keyed = |key: &str| {
        json!({"maps": {"keys": {}}, "endpoints": {"get": [
            {"once": key, "in": "keys", "in_flight": "wait", "do": [{"work": "3s"}, {"record": "done"}]}]}})
    };
    let clauses = json!({"timeout": "1s", "retry": {"tries": 2, "wait": "3s"}, "with": {"key": "$order/$try"}});
    check(&system(&clauses, "0s", &keyed("$key")), &[], &[("total(done)", 40.0)]);
    check(&system(&clauses, "0s", &keyed("$order")), &[], &[("total(done)", 20.0)]);
}

#[test]
fn the_next_try_goes_to_another_replica_in_turn() {
    // Every other first try goes to the one that is bad; the turn is the caller's, and moves on with each try.
    let file = system(&json!({"retry": 2}), "10ms", &json!({"replicas": 2}));
    check(&file, &["0s.. fail svc-1.get"], &[("user.ok", 20.0), ("user.error", 0.0)]);
}

#[test]
fn retries_at_several_layers_multiply() {
    let mut file = system(&json!({"retry": 3}), "10ms", &json!({}));
    file["workload"]["user"]["do"] = json!([{"call": "api.get", "retry": 3}]);
    check(
        &file,
        &["0s.. fail svc.get"],
        &[("svc.calls", 180.0), ("user->api.amplification", 3.0), ("api->svc.amplification", 3.0)],
    );
}

/// One order of a callee that fails with these steps: the calls, and when it was given up.
fn told(retry: &Value, steps: &Value) -> [f64; 2] {
    let mut file = system(&json!({"retry": retry, "with": {"n": "$try"}}), "0s", &json!({"endpoints": {"get": steps}}));
    file["workload"]["user"] = json!({"users": 1, "limit": 1, "each": "order", "do": [
        {"call": "api.get", "on": {"else": [{"record": "gone"}]}}]});
    file["properties"] = json!({});
    let seen = seen(&file, &[], &["svc.calls", "gone.last"]);
    [seen[0], seen[1]]
}

#[test]
fn whoever_says_when_to_try_again_is_heard_by_those_who_listen() {
    let own = |heeds: bool| json!({"tries": 3, "wait": "100ms", "retry_after": heeds});
    let after = |told: &str| json!([{"fail": "overloaded", "retry_after": told}]);
    assert_eq!(told(&own(false), &after("5s")), [3.0, 0.2], "unless a file says so, nobody listens");
    assert_eq!(told(&own(true), &after("5s")), [3.0, 10.0]);
    assert_eq!(told(&own(true), &after("never")), [1.0, 0.0]);
    let grpc = json!({"profile": "grpc", "maxAttempts": 3, "initialBackoff": "1s", "maxBackoff": "100s", "backoffMultiplier": 2,
        "retryableStatusCodes": ["overloaded"]});
    assert_eq!(told(&grpc, &after("5s")), [3.0, 10.0]);
    assert_eq!(told(&grpc, &after("never")), [1.0, 0.0]);
    assert_eq!(told(&json!({"profile": "resilience4j"}), &after("never")), [3.0, 1.0]);
    // stripe-node waits no less than it would have, and not for more than a minute.
    let stripe = |told: &str| self::told(&json!({"profile": "stripe-node", "maxNetworkRetries": 1}), &after(told));
    assert_eq!(
        [stripe("3s"), stripe("61s"), stripe("0s"), stripe("never")],
        [[2.0, 3.0], [2.0, 0.5], [2.0, 0.5], [1.0, 0.0]]
    );
}

#[test]
fn stripe_tries_a_closed_connection_once_more_even_when_it_is_to_retry_nothing() {
    let file = |retry: Value| {
        let mut file = system(&json!({"retry": retry}), "1s", &json!({}));
        file["workload"]["user"] = json!({"users": 1, "limit": 1, "each": "order", "do": [{"call": "api.get"}]});
        file["properties"] = json!({});
        file
    };
    let stripe = file(json!({"profile": "stripe-node", "maxNetworkRetries": 0}));
    let once = "500ms..600ms crash svc";
    check(&stripe, &[once], &[("svc.calls", 2.0), ("user.ok", 1.0)]);
    // The second one is half a second later, and is not forgiven.
    check(&stripe, &[once, "1500ms..1600ms crash svc"], &[("svc.calls", 2.0), ("user.unknown", 1.0)]);
    // Nothing else is: not a failure, not that nobody was there.
    check(&stripe, &["0s.. fail svc.get"], &[("api->svc.calls", 1.0), ("user.error", 1.0)]);
    check(&stripe, &["0s..200ms crash svc"], &[("api->svc.calls", 1.0), ("user.error", 1.0)]);
    // It is one of the retries that there are.
    let one = file(json!({"profile": "stripe-node", "maxNetworkRetries": 1}));
    check(&one, &[once, "1500ms..1600ms crash svc"], &[("svc.calls", 2.0), ("user.unknown", 1.0)]);
    let polly = file(json!({"profile": "resilience4j", "maxAttempts": 1}));
    check(&polly, &[once], &[("svc.calls", 1.0), ("user.unknown", 1.0)]);
}

#[test]
fn after_a_pushback_the_waits_begin_with_the_first_again_in_grpc_and_go_on_elsewhere() {
    // Only the second failure says something: 1 s, 2 s as told, and then the first wait again, or the third.
    let steps = json!([{"if": "$n == 2", "then": [{"fail": "overloaded", "retry_after": "2s"}], "else": [{"fail": "overloaded"}]}]);
    let temporal = told(&json!({"profile": "temporal", "maximumAttempts": 4}), &steps);
    assert_eq!(temporal, [4.0, 7.0]);
    let grpc = told(
        &json!({"profile": "grpc", "maxAttempts": 4, "initialBackoff": "1s", "maxBackoff": "100s", "backoffMultiplier": 2,
            "retryableStatusCodes": ["overloaded"]}),
        &steps,
    );
    assert!(grpc[0] == 4.0 && (3.6..=4.4).contains(&grpc[1]), "{grpc:?}");
}

#[test]
fn a_callee_that_turns_away_may_say_for_how_long() {
    let mut file = system(
        &json!({"retry": {"tries": 2, "wait": "100ms", "retry_after": true}}),
        "1s",
        &json!({"workers": 1, "queue": 0, "retry_after": "3s"}),
    );
    file["workload"]["user"] =
        json!({"users": 2, "limit": 2, "each": "order", "do": [{"call": "api.get"}, {"record": "came"}]});
    check(&file, &[], &[("user.ok", 2.0), ("came.last", 4.0), ("svc.overloaded", 1.0)]);
}

#[test]
fn a_hedge_is_sent_when_whoever_failed_says_so() {
    let hedged = |told: &str| {
        let hedge =
            json!({"profile": "grpc", "maxAttempts": 2, "hedgingDelay": "1s", "nonFatalStatusCodes": ["overloaded"]});
        let mut file = system(
            &json!({"hedge": hedge}),
            "0s",
            &json!({"endpoints": {"get": [{"fail": "overloaded", "retry_after": told}]}}),
        );
        file["workload"]["user"] = json!({"users": 1, "limit": 1, "each": "order", "do": [
            {"call": "api.get", "on": {"else": [{"record": "gone"}]}}]});
        file["properties"] = json!({});
        seen(&file, &[], &["svc.calls", "gone.last"])
    };
    assert_eq!([hedged("3s"), hedged("never")], [[2.0, 3.0], [1.0, 0.0]]);
}

#[test]
fn what_a_stopping_process_turned_away_unseen_grpc_tries_once_more_beside_all_it_counts() {
    let file = |replicas: u32, codes: Value| {
        let retry = json!({"profile": "grpc", "maxAttempts": 2, "initialBackoff": "10ms", "maxBackoff": "10ms",
            "backoffMultiplier": 1, "retryableStatusCodes": codes, "maxTokens": 4});
        let mut file = system(
            &json!({"retry": retry}),
            "1ms",
            &json!({"replicas": replicas, "discovery": "50s", "startup": "50s", "stop": {"then": "drain"}}),
        );
        file["properties"] = json!({});
        file
    };
    // One of two drains: what it refuses goes to the other, whatever is listed, and no token is spent.
    let one = seen(&file(2, json!(["unavailable"])), &["500ms restart svc-1"], &["user.ok", "api->svc.retries"]);
    assert!(one[0] == 20.0 && one[1] >= 10.0, "{one:?}");
    // With nobody else it is refused twice, and is a failure only then; listed, it is one try more.
    let alone =
        |codes: Value| seen(&file(1, codes), &["1s restart svc"], &["user.error", "api->svc.calls", "svc.refused"]);
    let (unlisted, listed) = (alone(json!(["unavailable"])), alone(json!(["refused"])));
    assert_eq!(unlisted[1] - unlisted[2], 20.0 - unlisted[0]);
    assert_eq!(unlisted[2], 2.0 * unlisted[0], "{unlisted:?}");
    // Two of four tokens are half of them: then there is no third try.
    assert!(listed[2] > unlisted[2] && listed[2] <= unlisted[2] + 2.0, "{listed:?} {unlisted:?}");
}

// ── 1.3 Retry budgets ──

#[test]
fn a_budget_is_one_for_all_requests_and_begins_full() {
    let file = system(&json!({"retry": {"tries": 5, "budget": {"ratio": "0%", "burst": 7}}}), "10ms", &json!({}));
    // Seven in all, not for each.
    check(&file, &["0s.. fail svc.get"], &[("api->svc.retries", 7.0), ("api->svc.calls", 27.0)]);
}

#[test]
fn retries_that_a_budget_did_not_allow_bring_it_nothing() {
    let file = system(&json!({"retry": {"tries": 5, "budget": {"ratio": "50%", "burst": 1}}}), "10ms", &json!({}));
    // A request brings a half: one to begin with, then one for each two requests.
    check(&file, &["0s.. fail svc.get"], &[("api->svc.retries", 10.0)]);
}

// ── 1.4 Hedges: `tests/callers.rs` has the rest ──

#[test]
fn hedging_what_is_not_idempotent_does_it_twice() {
    let file = system(&json!({"hedge": "1s"}), "3s", &json!({"replicas": 2}));
    check(&file, &[], &[("total(done)", 40.0), ("user.ok", 20.0)]);
}

#[test]
fn without_a_throttle_hedges_double_the_load_just_when_all_are_slow() {
    let file =
        |budget: Value| system(&json!({"hedge": {"delay": "50ms", "budget": budget}}), "10ms", &json!({"replicas": 2}));
    check(&file(Value::Null), &[], &[("api->svc.amplification", 1.0)]);
    check(&file(Value::Null), &["0s.. slow svc x10"], &[("api->svc.amplification", 2.0)]);
    check(&file(json!({"ratio": "0%", "burst": 2})), &["0s.. slow svc x10"], &[("api->svc.amplification", 1.1)]);
}

#[test]
fn the_winner_of_a_hedge_that_fails_does_not_hide_the_other_that_is_well() {
    // The second one fails at once, and the first is well after a second.
    let file = system(&json!({"hedge": "50ms"}), "1s", &json!({"replicas": 2}));
    check(&file, &["0s.. fail svc-2.get"], &[("user.ok", 20.0), ("user.error", 0.0)]);
}

#[test]
fn a_delay_from_latencies_that_hedging_has_shortened_becomes_shorter_and_hedges_more() {
    // Half of all take longer than the median; of those that are hedged the quick second ones are heard, and the slow
    // first ones only until they are superseded.
    let mut file = system(
        &json!({"hedge": {"profile": "finagle", "maxExtraLoad": 0.5}}),
        "10ms",
        &json!({"replicas": 2, "endpoints": {"get": [{"work": {"uniform": ["0ms", "100ms"]}}]}}),
    );
    file["until"] = Value::Null;
    file["properties"] = json!({});
    file["workload"]["user"] =
        json!({"rate": "5/s", "spacing": "even", "limit": 3000, "each": "order", "do": [{"call": "api.get"}]});
    let hedges = seen(&file, &[], &["api->svc.hedges"])[0] / 3000.0;
    assert!(hedges > 0.55, "{hedges}");
}

// ── 1.5 Breakers: the machines have their tests beside the code ──

#[test]
fn a_hung_callee_is_invisible_to_a_breaker_until_its_timeout() {
    let file = |timeout: &str| {
        let mut file = system(
            &json!({"timeout": timeout, "breaker": {"profile": "failsafe", "failureThreshold": 3}}),
            "10ms",
            &json!({}),
        );
        file["metrics"] = json!({"opens": {"first": "api->svc.breaker == 'open'"}});
        file["metrics"]["at"] = json!({"value": "opens"});
        file
    };
    // Requests at 1, 2, 3 s … (the first a second after the start): the third is given up that much later.
    let [soon, late] = ["500ms", "7s"].map(|timeout| seen(&file(timeout), &["0s.. hang svc.get"], &["opens"])[0]);
    assert!((late - soon - 6.5).abs() < 1e-9, "{soon} {late}");
}

#[test]
fn a_breaker_is_for_a_dependency_and_one_bad_replica_of_ten_opens_polly_and_never_resilience4j() {
    let file = |profile: Value| {
        let mut file = system(&json!({"breaker": profile}), "1ms", &json!({"replicas": 10}));
        file["workload"]["user"] =
            json!({"rate": "100/s", "spacing": "even", "limit": 3000, "each": "order", "do": [{"call": "api.get"}]});
        file
    };
    let refused = |profile: Value| seen(&file(profile), &["0s.. fail svc-1.get"], &["api->svc.open"])[0];
    assert!(refused(json!({"profile": "polly"})) > 1_000.0);
    assert_eq!(refused(json!({"profile": "resilience4j"})), 0.0);
}

#[test]
fn each_process_of_a_caller_has_a_breaker_of_its_own() {
    let file = |replicas: u32| {
        let mut file = system(&json!({"breaker": {"profile": "failsafe", "failureThreshold": 3}}), "10ms", &json!({}));
        file["nodes"]["api"]["replicas"] = json!(replicas);
        file
    };
    let fails = &["0s.. fail svc.get"];
    check(&file(1), fails, &[("api->svc.calls", 3.0), ("api->svc.open", 17.0)]);
    check(&file(4), fails, &[("api->svc.calls", 12.0), ("api->svc.open", 8.0)]);
}

#[test]
fn unless_it_is_said_policies_stand_as_resilience4j_decorates() {
    let file = |order: Value| {
        let mut file = system(
            &json!({"timeout": "300ms", "retry": {"tries": 3, "wait": "50ms"}, "breaker": {"profile": "resilience4j",
                "slidingWindowSize": 10}, "limiter": {"rate": "20/s", "burst": 5}, "bulkhead": {"max": 2, "wait": "200ms"},
                "order": order}),
            "10ms",
            &json!({}),
        );
        file["workload"]["user"]["rate"] = json!("50/s");
        file["workload"]["user"]["limit"] = json!(400);
        file["nodes"]["svc"]["endpoints"]["get"] = json!([{"work": {"exponential": "200ms"}}, {"record": "done"}]);
        seen(
            &file,
            &["3s..6s fail svc.get"],
            &["api->svc.calls", "api->svc.open", "api->svc.limited", "api->svc.unknown", "user.ok", "total(done)"],
        )
    };
    let usual = file(Value::Null);
    assert!(usual.iter().all(|count| *count > 0.0), "each of them is needed: {usual:?}");
    assert_eq!(usual, file(json!(["retry", "breaker", "limiter", "timeout", "bulkhead"])));
    assert_ne!(usual, file(json!(["retry", "timeout", "bulkhead", "limiter", "breaker"])));
}

#[test]
fn around_a_breaker_a_retry_shows_it_each_try_and_tries_again_what_it_refuses() {
    let file = |retry: Value| {
        system(&json!({"breaker": {"profile": "failsafe", "failureThreshold": 2}, "retry": retry}), "10ms", &json!({}))
    };
    // Two tries of one request are enough; a minute later the next request opens it again.
    let [calls, open] = seen(&file(json!(2)), &["0s.. fail svc.get"], &["api->svc.calls", "api->svc.open"])[..] else {
        panic!("two")
    };
    assert_eq!((calls, open), (2.0, 19.0), "what a breaker refuses is not tried again by default");
    let pointless = file(json!({"profile": "resilience4j", "waitDuration": "10ms"}));
    check(&pointless, &["0s.. fail svc.get"], &[("api->svc.calls", 2.0), ("api->svc.open", 1.0 + 19.0 * 3.0)]);
}

// ── 1.6 Bulkheads ──

#[test]
fn a_place_that_is_free_at_the_timeout_while_the_work_goes_on_lets_more_through_than_there_are() {
    let file = |release: &str| {
        system(&json!({"timeout": "500ms", "bulkhead": {"max": 2, "release": release}}), "10s", &json!({}))
    };
    let [naive, exact] =
        ["timeout", "answer"].map(|release| seen(&file(release), &[], &["peak svc.busy", "api->svc.limited"]));
    // One a second, each for ten seconds.
    assert!(naive[0] >= 10.0 && naive[1] == 0.0, "{naive:?}");
    assert!(exact[0] == 2.0 && exact[1] > 10.0, "{exact:?}");
}

#[test]
fn a_place_whose_answer_was_lost_comes_back_when_the_client_below_gives_up_and_never_when_it_does_not() {
    // The answers of the first two are lost, which nobody is told.
    let lost = &["0s..3500ms loss svc->api 100%"];
    let file = |bulkhead: Value| system(&json!({"timeout": "500ms", "bulkhead": bulkhead}), "10ms", &json!({}));
    let seen = |bulkhead: Value| {
        let mut file = file(bulkhead);
        file["properties"] = json!({});
        self::seen(&file, lost, &["user.ok", "user.unknown", "api->svc.limited"])
    };
    assert_eq!(seen(json!({"max": 2, "release": "answer"})), [0.0, 2.0, 18.0]);
    assert_eq!(seen(json!({"profile": "resilience4j", "maxConcurrentCalls": 2})), [0.0, 2.0, 18.0]);
    // Five seconds after they were sent the client gives up, and both are back.
    assert_eq!(seen(json!({"max": 2, "release": "answer", "read_timeout": "5s"})), [15.0, 2.0, 3.0]);
    let profile = |name: &str, more: Value| {
        let mut profile = more;
        profile["profile"] = json!(name);
        profile["read_timeout"] = json!("5s");
        profile
    };
    assert_eq!(seen(profile("resilience4j", json!({"maxConcurrentCalls": 2}))), [15.0, 2.0, 3.0]);
    let semaphore =
        json!({"execution.isolation.strategy": "SEMAPHORE", "execution.isolation.semaphore.maxConcurrentRequests": 2});
    assert_eq!(seen(profile("hystrix", semaphore)), [15.0, 2.0, 3.0]);
    // What the client has given up before its caller does is nobody's any more.
    let mut longer = file(json!({"max": 1, "release": "answer", "read_timeout": "300ms"}));
    longer["nodes"]["api"]["endpoints"]["get"][0]["timeout"] = Value::Null;
    longer["properties"] = json!({});
    let all_lost = &["0s.. loss svc->api 100%"];
    check(&longer, all_lost, &[("user.unknown", 20.0), ("api->svc.limited", 0.0)]);
}

#[test]
fn a_place_is_kept_for_whatever_is_out_inside_of_it_and_not_for_what_stands_around_it() {
    // Two calls one after the other, ten seconds each, inside a group that gives up after half a second.
    let file = |order: Value| {
        let group = json!({"try": [{"call": "svc.get"}, {"call": "svc.get"}], "timeout": "500ms", "order": order,
            "bulkhead": {"max": 1, "release": "answer"}});
        let mut file = system(&json!({}), "2500ms", &json!({}));
        file["nodes"]["api"]["endpoints"]["get"] = json!([group]);
        file["properties"] = json!({});
        file
    };
    // One a second: after each that goes two are refused, until its answer is there.
    check(
        &file(json!(["timeout", "bulkhead"])),
        &[],
        &[("user.unknown", 7.0), ("user.error", 13.0), ("svc.calls", 7.0)],
    );
    // Outside of the timeout the bulkhead hears that it is over.
    check(&file(json!(["bulkhead", "timeout"])), &[], &[("user.unknown", 20.0), ("svc.calls", 20.0)]);
}

#[test]
fn a_task_of_a_pool_that_was_given_up_keeps_its_place_in_the_queue_and_is_done_for_nobody() {
    let file = |bulkhead: Value| {
        let mut file = system(&json!({"timeout": "1500ms", "bulkhead": bulkhead}), "4s", &json!({}));
        file["workload"]["user"]["limit"] = json!(6);
        file["properties"] = json!({});
        file
    };
    // One a second. The first works for four seconds; the second waits, gives up, and still has the one place in the queue: the third
    // and fourth are refused. When its turn comes it is sent.
    let pool = json!({"profile": "resilience4j-thread-pool", "coreThreadPoolSize": 1, "maxThreadPoolSize": 1, "queueCapacity": 1});
    let expected = [
        ("api->svc.limited", 3.0),
        ("user.unknown", 3.0),
        ("svc.calls", 3.0),
        ("total(done)", 3.0),
        ("peak svc.busy", 1.0),
        // Nobody waits for the second and the third at all, nor for what they are answered.
        ("svc.wasted_time", 2.5 + 4.0 + 4.0),
        ("api->svc.ok", 0.0),
        ("api->svc.unknown", 3.0),
        ("api->svc.late", 3.0),
        ("svc.wasted", 3.0),
    ];
    check(&file(pool), &[], &expected);
    // Hystrix takes it out of the queue.
    let hystrix = json!({"profile": "hystrix", "coreSize": 1, "maxQueueSize": 1, "execution.isolation.thread.interruptOnTimeout": false});
    let left = seen(&file(hystrix), &[], &["svc.calls", "total(done)", "svc.wasted_time"]);
    assert_eq!(left, [2.0, 2.0, 2.5 + 3.5], "the first, and the fourth, which a thread takes before it gives up");
}

#[test]
fn a_wait_for_a_place_is_inside_the_timeout_that_stands_around_it() {
    let mut file = system(
        &json!({"timeout": "500ms", "bulkhead": {"max": 1, "wait": "10s", "release": "answer"}}),
        "10s",
        &json!({}),
    );
    file["workload"]["user"] = json!({"users": 2, "limit": 2, "each": "order", "do": [
        {"call": "api.get", "on": {"unknown": [{"record": "gone"}]}}]});
    check(&file, &[], &[("gone.last", 0.5), ("total(gone)", 2.0), ("svc.calls", 1.0)]);
}

#[test]
fn a_failure_gives_its_place_back() {
    let file = system(&json!({"bulkhead": {"max": 1}}), "10ms", &json!({}));
    check(&file, &["0s.. fail svc.get"], &[("api->svc.calls", 20.0), ("api->svc.limited", 0.0)]);
}

#[test]
fn one_bulkhead_for_two_dependencies_lets_the_one_that_hangs_take_the_other_along() {
    let file = |policies: [Value; 2]| {
        let call =
            |to: &str, policy: &Value| json!([{"call": to, "policy": policy, "bulkhead": {"max": 5}, "timeout": "1h"}]);
        json!({
            "faultline": 1, "name": "two", "until": "100s", "policies": {"both": {}},
            "nodes": {
                "api": {"kind": "service", "endpoints": {"bad": call("bad.get", &policies[0]), "good": call("good.get", &policies[1])}},
                "bad": {"kind": "service", "endpoints": {"get": [{"work": "10ms"}]}},
                "good": {"kind": "service", "endpoints": {"get": [{"work": "10ms"}]}}},
            "workload": {
                "one": {"rate": "10/s", "spacing": "even", "limit": 100, "each": "a", "do": [{"call": "api.bad"}]},
                "other": {"rate": "10/s", "spacing": "even", "limit": 100, "start": "20ms", "each": "b", "do": [{"call": "api.good"}]}},
            "metrics": {}
        })
    };
    let hangs = &["0s.. hang bad.get"];
    // Five are gone in half a second.
    check(&file([json!("both"), json!("both")]), hangs, &[("other.ok", 4.0), ("other.error", 96.0)]);
    check(&file([Value::Null, Value::Null]), hangs, &[("other.ok", 100.0)]);
}

#[test]
fn a_call_to_the_pool_that_one_keeps_busy_is_warned_of() {
    let mut file = system(&json!({}), "10ms", &json!({"workers": 2}));
    file["nodes"]["svc"]["endpoints"] = json!({"get": [{"call": "svc.inner"}], "inner": [{"work": "10ms"}]});
    file["properties"] = json!({});
    let said = warned(&file);
    assert!(said.contains("svc.get calls svc.inner, which needs a worker of the same pool"), "{said}");
}

// ── 1.7 Limiters ──

#[test]
fn a_limit_of_each_replica_is_so_many_times_the_limit() {
    let file = |replicas: u32| {
        let mut file = system(&json!({"limiter": {"rate": "10/s", "burst": 10}}), "1ms", &json!({}));
        file["nodes"]["api"]["replicas"] = json!(replicas);
        file["workload"]["user"] =
            json!({"rate": "1000/s", "spacing": "even", "limit": 5000, "each": "order", "do": [{"call": "api.get"}]});
        file["properties"] = json!({});
        seen(&file, &[], &["svc.calls"])[0]
    };
    // Ten, and ten a second for five seconds.
    assert!((59.0..=60.0).contains(&file(1)) && (236.0..=240.0).contains(&file(4)), "{} {}", file(1), file(4));
}

#[test]
fn a_limiter_does_not_read_the_wall_clock() {
    let mut file = system(&json!({"limiter": {"rate": "10/s", "burst": 1}}), "1ms", &json!({}));
    file["workload"]["user"] =
        json!({"rate": "100/s", "spacing": "even", "limit": 1000, "each": "order", "do": [{"call": "api.get"}]});
    file["properties"] = json!({});
    let calls = |faults: &[&str]| seen(&file, faults, &["svc.calls"])[0];
    assert_eq!(calls(&[]), calls(&["5s clock api step +1h", "6s clock api step -2h"]));
}

#[test]
fn a_permit_is_used_up_when_its_caller_goes_away_while_it_waits() {
    // One a second. Of five at once the first goes; four have reserved the next four seconds when they give up after
    // 100 ms.
    let mut file = system(
        &json!({"timeout": "100ms", "order": ["timeout", "limiter"], "limiter": {"profile": "resilience4j", "limitForPeriod": 1,
            "limitRefreshPeriod": "1s", "timeoutDuration": "5s"}}),
        "1ms",
        &json!({}),
    );
    file["nodes"]["api"]["endpoints"]["late"] = json!([{"call": "svc.get", "limiter": {"profile": "resilience4j",
        "limitForPeriod": 1, "limitRefreshPeriod": "1s", "timeoutDuration": "5s"}}]);
    file["workload"]["user"] = json!({"users": 5, "limit": 5, "each": "order", "do": [{"call": "api.get"}]});
    file["workload"]["patient"] = json!({"users": 1, "limit": 1, "start": "1500ms", "each": "late", "do": [
        {"call": "api.late"}, {"record": "through"}]});
    file["nodes"]["svc"]["endpoints"]["get"] = json!([{"work": "1ms"}]);
    file["properties"] = json!({});
    check(&file, &[], &[("user.ok", 1.0), ("user.unknown", 4.0), ("svc.calls", 2.0), ("through.first", 5.001)]);
}

#[test]
fn a_counter_that_is_read_and_then_written_lets_more_through_than_the_limit() {
    // A limit of ten kept in a store that two replicas share: read, compare, write back.
    let file = |atomic: bool| {
        let count = if atomic {
            json!([{"set": "db.count['now']", "to": "= value + 1", "where": "value < 10", "on": {"unmet": [{"fail": "limited_too"}]}}])
        } else {
            json!([{"read": "db.count['now']", "as": "n"}, {"if": "$n >= 10", "then": [{"fail": "limited_too"}]},
                {"set": "db.count['now']", "to": "= $n + 1"}])
        };
        let mut steps = count.as_array().expect("steps").clone();
        steps.push(json!({"record": "passed"}));
        json!({
            "faultline": 1, "name": "counter", "until": "100s", "network": {"latency": "1ms"},
            "nodes": {"api": {"kind": "service", "replicas": 2, "endpoints": {"get": steps}},
                "db": {"kind": "store", "maps": {"count": {"now": 0}}, "read": "1ms", "set": "1ms"}},
            "workload": {"user": {"rate": "1000/s", "limit": 200, "each": "order", "do": [{"call": "api.get"}]}},
            "metrics": {}
        })
    };
    assert!(seen(&file(false), &[], &["total(passed)"])[0] > 20.0);
    check(&file(true), &[], &[("total(passed)", 10.0)]);
}

// ── 2.1 Limits that find themselves ──

/// A callee of ten workers without a queue; so many calls a second of 100 ms each for 20 s.
fn limited(bulkhead: &Value, rate: &str) -> Vec<f64> {
    let mut file = system(&json!({"bulkhead": bulkhead}), "100ms", &json!({"workers": 10, "queue": 0}));
    file["network"] = json!({"latency": "1ms"});
    file["properties"] = json!({});
    file["workload"]["user"] = json!({"rate": rate, "for": "20s", "each": "order", "do": [{"call": "api.get"}]});
    seen(&file, &[], &["svc.overloaded", "api->svc.limited", "user.ok"])
}

#[test]
fn a_limit_does_not_grow_while_less_than_half_of_it_is_used() {
    // 20 a second are two at once: the limit stays at 20, so that 25 who come at once find it there.
    let mut file = system(&json!({"bulkhead": {"profile": "aimd", "initialLimit": 20}}), "100ms", &json!({}));
    file["properties"] = json!({});
    file["nodes"]["svc"]["endpoints"]["get"] = json!([{"work": "100ms"}]);
    file["workload"]["user"] =
        json!({"rate": "20/s", "spacing": "even", "for": "20s", "each": "order", "do": [{"call": "api.get"}]});
    file["workload"]["burst"] =
        json!({"users": 25, "limit": 25, "start": "30s", "each": "late", "do": [{"call": "api.get"}]});
    check(&file, &[], &[("api->svc.limited", 5.0), ("burst.ok", 20.0)]);
}

#[test]
fn a_least_limit_of_twenty_never_spares_a_callee_that_bears_ten() {
    let aimd = |least: u64| limited(&json!({"profile": "aimd", "minLimit": least}), "500/s");
    let (floor, free) = (aimd(20), aimd(1));
    assert!(floor[0] > 3.0 * free[0], "{floor:?} {free:?}");
}

#[test]
fn failures_that_come_fast_do_not_make_a_limit_explode() {
    // Half of them fail at once, with an error that is no refusal: what is heard is the other half.
    let steps = json!({"get": [{"chance": "50%", "then": [{"fail": "broken"}]}, {"work": "100ms"}]});
    let refused = |bulkhead: Value| {
        let mut file =
            system(&json!({"bulkhead": bulkhead}), "0s", &json!({"workers": 10, "queue": 0, "endpoints": steps}));
        file["network"] = json!({"latency": "1ms"});
        file["properties"] = json!({});
        file["workload"]["user"] = json!({"rate": "500/s", "for": "20s", "each": "order", "do": [{"call": "api.get"}]});
        seen(&file, &[], &["svc.overloaded"])[0]
    };
    let (plain, aimd) = (refused(Value::Null), refused(json!({"profile": "aimd", "minLimit": 1})));
    assert!(aimd < plain / 2.0, "{aimd} {plain}");
}

#[test]
fn a_health_check_that_is_shed_like_any_other_request_kills_who_is_only_busy() {
    // Twice what one worker can do, and no more than ten in line.
    let file = |order: Value| {
        let mut file = system(
            &json!({}),
            "10ms",
            &json!({"workers": 1, "queue": 10, "order": order, "startup": "1s",
            "liveness": {"call": "health", "every": "1s"}, "endpoints": {"get": [{"work": "10ms"}], "health": [{"work": "1ms"}]}}),
        );
        file["properties"] = json!({});
        file["workload"]["user"] = json!({"rate": "200/s", "for": "60s", "each": "order", "do": [{"call": "api.get"}]});
        seen(&file, &[], &["svc.killed"])[0]
    };
    assert!(file(json!("fifo")) >= 1.0);
    assert_eq!(file(json!({"priority": ["health", "get"]})), 0.0);
}

// ── 2.2 Lines ──

#[test]
fn a_line_that_is_bounded_by_its_length_alone_serves_only_those_who_have_gone() {
    // A hundred a second are served, and half as many again come, with a timeout of a second: two hundred in line are
    // two seconds.
    let file = |more: Value| {
        let mut service = json!({"workers": 1, "endpoints": {"get": [{"work": "10ms"}]}});
        for (name, value) in more.as_object().expect("fields") {
            service[name] = value.clone();
        }
        let mut file = system(&json!({"timeout": "1s"}), "10ms", &service);
        file["properties"] = json!({});
        file["workload"]["user"] =
            json!({"rate": "150/s", "spacing": "even", "for": "60s", "each": "order", "do": [{"call": "api.get"}]});
        seen(&file, &[], &["user.ok"])[0]
    };
    let long = file(json!({"queue": 200}));
    assert!(long < 400.0, "{long}");
    // Short enough for the timeout, from its newest end, or by the time that was waited.
    for more in [json!({"queue": 50}), json!({"queue": 200, "order": "lifo"}), json!({"queue": 200, "drop": "codel"})] {
        let served = file(more.clone());
        assert!(served > 4_000.0, "{more}: {served}");
    }
}

#[test]
fn who_is_turned_away_at_the_end_of_a_long_line_is_the_one_who_could_be_served_in_time() {
    // Of those who stand in a line of two seconds all have gone when their turn comes; those who are turned away had
    // just come.
    let file = |drop: Value| {
        let mut file = system(
            &json!({"timeout": "1s"}),
            "10ms",
            &json!({"workers": 1, "queue": 200, "drop": drop,
            "endpoints": {"get": [{"work": "10ms"}]}}),
        );
        file["properties"] = json!({});
        file["workload"]["user"] =
            json!({"rate": "150/s", "spacing": "even", "for": "60s", "each": "order", "do": [{"call": "api.get"}]});
        seen(&file, &[], &["svc.overloaded", "svc.wasted", "user.ok"])
    };
    let (tail, front) = (file(Value::Null), file(json!("codel")));
    assert!(tail[0] > 1_000.0 && tail[1] > 5_000.0, "{tail:?}");
    // Those who have waited longest are dropped: hardly any work is for nobody.
    assert!(front[1] < 1_000.0 && front[2] > 10.0 * tail[2], "{front:?} {tail:?}");
}

// ── 2.6 How a process ends ──

/// Two pods, of which the first is restarted at 10 s, and callers who learn of that two seconds later.
fn restarted(stop: &Value, work: &str) -> Value {
    let mut file = system(&json!({}), work, &json!({"replicas": 2, "discovery": "2s", "startup": "5s", "stop": stop}));
    file["workload"]["user"] =
        json!({"rate": "100/s", "spacing": "even", "for": "30s", "each": "order", "do": [{"call": "api.get"}]});
    file["properties"] = json!({});
    file
}

const RESTART: &[&str] = &["10s restart svc-1"];

#[test]
fn whoever_is_gone_at_the_signal_is_still_called_until_callers_know() {
    let lost = |stop: Value| seen(&restarted(&stop, "100ms"), RESTART, &["user.error", "user.unknown"]);
    // A hundred of two seconds, and five at work.
    assert_eq!(lost(json!({"then": "exit"})), [100.0, 5.0]);
    assert_eq!(lost(json!({"pre_stop": "3s", "then": "drain"})), [0.0, 0.0]);
}

#[test]
fn a_listener_that_is_closed_before_callers_know_refuses_them_although_it_drains() {
    let lost = |stop: Value| seen(&restarted(&stop, "100ms"), RESTART, &["user.error", "user.unknown"]);
    assert_eq!(lost(json!({"then": "drain"})), [100.0, 0.0]);
}

#[test]
fn who_does_not_hear_the_signal_is_killed_in_the_middle_of_its_work_when_its_grace_is_over() {
    // A shell that passes no signal on: it goes on serving, and what is under way after five seconds is lost.
    let deaf = restarted(&json!({"pre_stop": "1h", "then": "drain", "grace": "5s"}), "100ms");
    check(&deaf, RESTART, &[("user.error", 0.0), ("user.unknown", 0.0)]);
    let long = restarted(&json!({"pre_stop": "1h", "then": "drain", "grace": "5s"}), "10s");
    let unknown = seen(&long, RESTART, &["user.unknown"])[0];
    assert!(unknown > 100.0, "{unknown}");
}

#[test]
fn a_worker_that_is_killed_in_the_middle_leaves_its_message_hidden_until_its_time_is_up() {
    let file = |stop: Value| {
        json!({
            "faultline": 1, "name": "killed", "until": "100s",
            "nodes": {
                "jobs": {"kind": "queue", "visibility": "30s"},
                "worker": {"kind": "service", "workers": 1, "startup": "1s", "stop": stop, "endpoints": {"handle": {"from": "jobs",
                    "do": [{"work": "10s"}, {"record": "done"}]}}}},
            "workload": {"app": {"rate": "1/s", "limit": 1, "spacing": "even", "each": "job", "do": [{"publish": "jobs"}]}},
            "metrics": {}
        })
    };
    let restart = &["5s restart worker"];
    let drains = seen(&file(json!({"then": "drain"})), restart, &["done.first", "jobs.redelivered"]);
    // It came at 0 s or 1 s, is visible again 30 s later, and takes ten.
    let killed = seen(&file(json!({"then": "drain", "grace": "2s"})), restart, &["done.first", "jobs.redelivered"]);
    let exits = seen(&file(json!({"then": "exit"})), restart, &["done.first", "jobs.redelivered"]);
    assert_eq!((drains[1], killed[1], exits[1]), (0.0, 1.0, 1.0));
    assert_eq!((killed[0] - drains[0], exits[0] - drains[0]), (30.0, 30.0), "{drains:?} {killed:?} {exits:?}");
}

// ── What is wrong is told ──

#[test]
fn an_order_that_cannot_mean_anything_is_refused_and_one_around_all_tries_is_a_step_around() {
    let told = |clauses: Value| {
        let said = Scenario::parse("order.json", &system(&clauses, "10ms", &json!({})).to_string())
            .and_then(|scenario| scenario.model(&Choices::none()).map(|_| ()));
        said.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let all = |order: Value| json!({"timeout": "1s", "retry": 2, "bulkhead": {"max": 2}, "breaker": {"profile": "polly"}, "order": order});
    for (order, message) in [
        (json!(["breaker", "retry", "timeout", "bulkhead"]), "belongs to a \"try\" around this step"),
        (json!(["retry", "breaker", "breaker", "bulkhead"]), "\"breaker\" stands here twice"),
        (json!(["retry", "breaker"]), "\"order\" does not say where \"bulkhead\" stands"),
        (json!(["retry", "breaker", "limiter", "bulkhead"]), "\"order\" names \"limiter\", and this step has none"),
        (json!(["retry", "fallback"]), "fallback"),
        (json!(["hedge", "breaker", "bulkhead"]), "\"hedge\" comes last"),
        (json!(["retry", "breaker", "coalesce", "bulkhead"]), "\"coalesce\" stands around all but \"retry\""),
        (json!(["coalesce", "retry", "breaker", "bulkhead"]), "\"retry\" comes first"),
        (
            json!(["retry", "breaker", "timeout", "bulkhead", "hedge"]),
            "\"order\" names \"hedge\", and this step has none",
        ),
    ] {
        let said = told(all(order.clone()));
        assert!(said.contains(message), "{order}: {said}");
    }
    assert_eq!(told(all(json!(["retry", "bulkhead", "timeout", "breaker"]))), "");
    let mut shared = all(json!(["retry", "coalesce", "breaker", "timeout", "bulkhead", "hedge"]));
    (shared["coalesce"], shared["hedge"]) = (json!("$order"), json!("100ms"));
    assert_eq!(told(shared), "");
    // A breaker around all tries hears of the last alone: three orders of three tries open it, where one of three would
    // inside.
    let calls = |outside: bool| {
        let (mut call, breaker) =
            (json!({"call": "svc.get", "retry": 3}), json!({"profile": "failsafe", "failureThreshold": 3}));
        let step = if outside {
            json!({"try": [call], "breaker": breaker})
        } else {
            call["breaker"] = breaker;
            call
        };
        let mut file = system(&json!({}), "10ms", &json!({}));
        file["nodes"]["api"]["endpoints"]["get"] = json!([step]);
        seen(&file, &["0s.. fail svc.get"], &["svc.calls"])[0]
    };
    assert_eq!((calls(false), calls(true)), (3.0, 9.0));
}

#[test]
fn a_breaker_inside_the_timeout_that_cancels_its_calls_is_warned_of_where_its_library_does_not_count_them() {
    let file = |name: &str, order: &[&str]| {
        let few = match name {
            "resilience4j" => json!({"minimumNumberOfCalls": 2, "slidingWindowSize": 2}),
            "hystrix" => json!({"circuitBreaker.requestVolumeThreshold": 2}),
            "polly" => json!({"MinimumThroughput": 2}),
            _ => json!({}),
        };
        let mut breaker = few;
        breaker["profile"] = json!(name);
        let mut file = system(&json!({"timeout": "500ms", "breaker": breaker, "order": order}), "10s", &json!({}));
        file["properties"] = json!({});
        file
    };
    let hears = [
        ("resilience4j", "one that never was"),
        ("hystrix", "one that never was"),
        ("polly", "a success"),
        ("opossum", ""),
        ("failsafe", ""),
    ];
    for (name, told) in hears {
        let said =
            format!("the breaker of {name} takes a call that timed out for {told}: calls that hang never open it");
        let (blind, sees) = (file(name, &["timeout", "breaker"]), file(name, &["breaker", "timeout"]));
        assert_eq!(warned(&blind).contains(&said), !told.is_empty(), "{name}: {}", warned(&blind));
        assert!(!warned(&sees).contains("never open it"), "{}", warned(&sees));
        let open = |file: &Value| seen(file, &[], &["api->svc.open"])[0] > 0.0;
        assert_eq!([open(&blind), open(&sees)], [told.is_empty(), true], "{name}: what is warned of is what comes");
    }
}

#[test]
fn a_setting_that_is_wrong_and_a_risk_are_told_with_all_their_messages() {
    let told = |clauses: Value| {
        let file = system(&clauses, "10ms", &json!({}));
        let said = Scenario::parse("wrong.json", &file.to_string())
            .and_then(|scenario| scenario.model(&Choices::none()).map(|_| ()));
        said.err().map(|error| error.to_string()).unwrap_or_default()
    };
    let cases: &[(Value, &str)] = &[
        // A setting that a profile does not have.
        (json!({"breaker": {"profile": "polly", "failureRateThreshold": 50}}), "polly has no \"failureRateThreshold\""),
        (json!({"breaker": {"profile": "resilience4j", "FailureRatio": 0.1}}), "resilience4j has no \"FailureRatio\""),
        (json!({"retry": {"profile": "polly", "maxAttempts": 3}}), "polly has no \"maxAttempts\""),
        (json!({"retry": {"tries": 2, "budget": {"profile": "finagle", "ratio": 0.1}}}), "finagle has no \"ratio\""),
        (json!({"hedge": {"profile": "polly", "hedgingDelay": "1s"}}), "polly has no \"hedgingDelay\""),
        (json!({"bulkhead": {"profile": "resilience4j", "max": 3}}), "resilience4j has no \"max\""),
        (json!({"bulkhead": {"profile": "hystrix", "coresize": 3}}), "did you mean \"coreSize\"?"),
        (json!({"limiter": {"profile": "resilience4j", "rate": "3/s"}}), "resilience4j has no \"rate\""),
        // A negative duration.
        (json!({"timeout": "-1s"}), "-1s"),
        (json!({"breaker": {"profile": "polly", "BreakDuration": "-1s"}}), "-1s is negative; a length of time is not"),
        (json!({"retry": {"tries": 2, "wait": "-1s"}}), "-1s"),
        (json!({"hedge": {"delay": "-5ms"}}), "-5ms"),
        (json!({"bulkhead": {"max": 3, "wait": "-5ms"}}), "-5ms"),
        (
            json!({"limiter": {"profile": "resilience4j", "timeoutDuration": "-5s"}}),
            "-5s is negative; a length of time is not",
        ),
        // A ratio above one.
        (json!({"breaker": {"profile": "polly", "FailureRatio": 1.5}}), "1.5 is not between 0 and 1"),
        (json!({"breaker": {"profile": "resilience4j", "failureRateThreshold": 150}}), "150 is not between 0 and 100"),
        (json!({"retry": {"tries": 2, "budget": "150%"}}), "150%"),
        (json!({"hedge": {"delay": "1ms", "budget": "150%"}}), "150%"),
        (json!({"hedge": {"profile": "finagle", "maxExtraLoad": 1.5}}), "1.5 is not between 0 and 1"),
        (json!({"hedge": {"profile": "finagle", "maxExtraLoad": 1}}), "maxExtraLoad must be below 1"),
        (json!({"hedge": {"profile": "finagle"}}), "finagle has no default for maxExtraLoad; write it"),
        // Values that contradict each other.
        (json!({"bulkhead": {"profile": "aimd", "minLimit": 300}}), "minLimit 300 is more than the most, 200"),
        (json!({"bulkhead": {"profile": "aimd", "backoffRatio": 0.4}}), "backoffRatio is at least 0.5 and below 1"),
        (
            json!({"bulkhead": {"profile": "resilience4j-thread-pool", "coreThreadPoolSize": 3, "maxThreadPoolSize": 2}}),
            "coreThreadPoolSize 3 is more than maxThreadPoolSize 2",
        ),
        (json!({"hedge": "1ms", "bulkhead": {"profile": "resilience4j"}}), "a hedge has several answers"),
    ];
    for (clauses, message) in cases {
        let said = told(clauses.clone());
        assert!(
            said.contains(message) && said.starts_with("wrong.json:"),
            "{clauses}: {said:?} does not say {message:?}"
        );
    }
    // A retry, and a hedge, of what changes the world without a key: a warning that says the risk.
    let risky = |clauses: Value| {
        let mut file = system(&clauses, "10ms", &json!({}));
        file["properties"] = json!({});
        warned(&file)
    };
    assert!(risky(json!({"retry": 3})).contains("svc.get records \"done\" and is retried on unknown without \"once\""));
    assert!(risky(json!({"hedge": "1ms"})).contains("svc.get records \"done\" and is hedged without \"once\""));
    assert_eq!(risky(json!({"retry": {"tries": 3, "on": ["refused"]}})), "", "what was not done may be tried again");
}

// ── The list ──

/// Of a code span that names a file and the one behind it, a test: all in the rows of the list.
fn listed() -> Vec<(String, String)> {
    let path = workspace().join("docs/wrong-turns.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| wrong turn "));
    let mut found = Vec::new();
    for row in rows {
        let tests = row.trim_end_matches('|').rsplit(" | ").next().unwrap_or_default();
        let spans: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!spans.is_empty() && spans.len().is_multiple_of(2), "a row names its tests, each with its file: {row}");
        found.extend(spans.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())));
    }
    found
}

/// Whether a source has a test of this name.
fn has_test(source: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let Some(at) = source.find(&head) else { return false };
    let before = source[..at].trim_end_matches([' ', '\n']);
    before
        .lines()
        .rev()
        .take_while(|line| !line.trim().is_empty() && line.trim() != "}")
        .any(|line| line.trim() == "#[test]")
}

#[test]
fn every_test_that_the_list_names_is_there() {
    let listed = listed();
    assert!(listed.len() > 120, "{}", listed.len());
    for (file, name) in &listed {
        let source = fs::read_to_string(workspace().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(has_test(&source, name), "{file} has no test {name}");
    }
    assert!(!has_test("#[test]\nfn one() {}\n", "two") && !has_test("fn one() {}\n", "one"));
    assert!(has_test("#[test]\n#[ignore = \"long\"]\nfn one() {}\n", "one"));
}

#[test]
fn every_wrong_turn_that_is_tested_here_is_in_the_list() {
    let source = fs::read_to_string(workspace().join("tests/wrong_turns.rs")).expect("this file");
    let names = listed();
    let here = source.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
    let about_the_list =
        ["every_test_that_the_list_names_is_there", "every_wrong_turn_that_is_tested_here_is_in_the_list"];
    for name in here.filter(|name| !about_the_list.contains(name)) {
        assert!(names.iter().any(|(_, listed)| listed == name), "docs/wrong-turns.md does not name {name}");
    }
}
