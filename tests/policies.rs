//! What the policies of well-known libraries come to in a system: the published figures, in the language and by the
//! values alone.
//!
//! Sources: resilience4j 2.3 for the breaker; Google's SRE book, "Addressing Cascading Failures", for 64 and the tenth
//! that a budget adds; "Timeouts, retries, and backoff with jitter" in the Amazon Builders' Library for 243;
//! "Exponential Backoff And Jitter" of the AWS Architecture Blog with its simulator
//! (aws-samples/aws-arch-backoff-simulator) for the table of calls and completion.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;
use sim_core::{Duration, Instant, Limits, NodeId, Seed, Stop, run};
use sim_models::inside::{field, inside};
use sim_models::language::Choices;
use sim_models::policy::breaker::{Admission, Breaker, Ended, Rule, State};
use sim_models::policy::retry::{Grows, Spread, Wait};
use sim_models::policy::{Kind, Settings, plain, profile, reference};
use sim_models::scenario::{Model, Run, Scenario};

/// A metric without a value: what never happens.
const NEVER: f64 = f64::NAN;

fn model(text: &str) -> Model {
    let scenario = Scenario::parse("policies.json", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    scenario.model(&Choices::none()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn ran(text: &str) -> Run {
    let model = model(text);
    let (mut sim, mut judge) = model.start(Seed(1));
    let limits = Limits { events: 10_000_000, ..Limits::default() };
    let outcome =
        run(&mut sim, &mut judge, &model.course(Stop::AtEnd, limits), |_, _| std::ops::ControlFlow::Continue(()));
    model.measured(Seed(1), &sim, &judge, outcome)
}

/// The metrics of a file, each of which stands under its own formula.
#[track_caller]
fn check(text: &str, expected: &[(&str, f64, f64)]) {
    let run = ran(text);
    assert!(run.outcome.panic.is_none(), "{:?}", run.outcome.panic);
    for (name, low, high) in expected {
        let (_, value) = run.metrics.iter().find(|(known, _)| known.as_str() == *name).expect("it is a metric");
        let value = value.unwrap_or(f64::NAN);
        let is_never = value.is_nan() && low.is_nan();
        assert!(
            is_never || (*low..=*high).contains(&value),
            "{name} is {value}, and must be within {low} and {high}\n{text}"
        );
    }
}

#[test]
fn the_page_about_policies_is_made_from_the_tables() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policies.md")).unwrap();
    assert!(page == reference(), "write it anew: cargo run --release -- policies --markdown > docs/policies.md");
}

#[test]
fn each_pattern_that_needs_no_library_is_written_as_its_example_says() {
    for pattern in plain() {
        let text = format!(
            r#"{{"faultline": 1, "name": "x", "until": "1m", "nodes": {{
                "shop": {{"kind": "service", "endpoints": {{"pay": [{{"call": "bank.rate", {}}}]}}}},
                "bank": {{"kind": "service", "replicas": 2, "endpoints": {{"rate": [{{"work": "1ms"}}]}}}}}},
               "workload": {{"buyer": {{"rate": "1/s", "each": "order", "do": [{{"call": "shop.pay"}}]}}}}}}"#,
            pattern.example
        );
        assert_eq!(model(&text).warnings().to_string(), "", "{}", pattern.name);
        assert!(pattern.example.contains(&format!("\"{}\"", pattern.clause)), "{}", pattern.name);
    }
}

// ── Breakers ──

/// Recommendations hang from 10 s on; a hundred calls a second, as many more for the catalogue, and two hundred
/// threads.
fn hung(clauses: &str) -> String {
    format!(
        r#"{{"faultline": 1, "name": "hung", "until": "60s", "nodes": {{
            "api": {{"kind": "service", "workers": 200, "queue": 0, "endpoints": {{
                "recommend": [{{"call": "recommendations.get", {clauses}}}],
                "catalogue": [{{"call": "catalogue.get", "timeout": "1s"}}]}}}},
            "recommendations": {{"kind": "service", "endpoints": {{"get": [
                {{"if": "now >= 10s", "then": [{{"wait": "1h"}}], "else": [{{"work": "50ms"}}]}}]}}}},
            "catalogue": {{"kind": "service", "endpoints": {{"get": [{{"work": "50ms"}}]}}}}}},
           "workload": {{
            "reader": {{"rate": "100/s", "spacing": "even", "for": "60s", "each": "view",
                "do": [{{"call": "api.catalogue"}}]}},
            "browser": {{"rate": "100/s", "spacing": "even", "for": "60s", "each": "visit",
                "do": [{{"call": "api.recommend"}}]}}}},
           "metrics": {{
            "full_at": {{"first": "api.busy >= 200"}},
            "open_at": {{"first": "api->recommendations.breaker == 'open'"}},
            "refused": {{"value": "api->recommendations.open"}},
            "limited": {{"value": "api->recommendations.limited"}},
            "turned_away": {{"value": "api.overloaded"}},
            "catalogue": {{"value": "reader.availability", "during": "10s..60s"}}}}}}"#
    )
}

#[test]
fn with_a_timeout_of_thirty_seconds_the_breaker_opens_thirty_seconds_too_late() {
    let clauses = r#""timeout": "30s", "breaker": {"profile": "resilience4j"}"#;
    check(&hung(clauses), &[("full_at", 11.6, 12.2), ("open_at", 40.3, 40.6)]);
}

/// Two callees behind one policy, of which one fails for a while; whoever asks the other goes on, and it is he who finds the breaker well.
#[test]
fn a_breaker_that_several_callees_share_is_the_same_on_each_of_their_edges() {
    let text = |clauses: &str, metrics: &str| {
        format!(
            r#"{{"faultline": 1, "name": "shared", "until": "60s", "policies": {{"one": {{"breaker": {{"profile": "failsafe", "delay": "5010ms"}}}}}},
            "nodes": {{
                "api": {{"kind": "service", "endpoints": {{"a": [{clauses}], "b": [{{"call": "well.get", "policy": "one"}}]}}}},
                "ill": {{"kind": "service", "endpoints": {{"get": [{{"work": "1ms"}}]}}}},
                "well": {{"kind": "service", "endpoints": {{"get": [{{"work": "1ms"}}]}}}}}},
            "workload": {{
                "early": {{"rate": "10/s", "spacing": "even", "for": "50s", "each": "x", "do": [{{"call": "api.a"}}]}},
                "late": {{"start": "50ms", "rate": "10/s", "spacing": "even", "for": "50s", "each": "y", "do": [{{"call": "api.b"}}]}}}},
            "faults": ["10020ms..11s fail ill"],
            "metrics": {{{metrics}}}}}"#
        )
    };
    let open = |edge: &str| format!("{edge}.breaker == 'open'");
    let metrics = format!(
        r#""ill_at": {{"first": "{ill}"}}, "well_at": {{"first": "{well}"}}, "ill_late": {{"first": "{ill} && now > 40s"}},
            "well_late": {{"first": "{well} && now > 40s"}}, "apart": {{"first": "api->ill.breaker != api->well.breaker"}},
            "refused_late": {{"value": "api->ill.open + api->well.open", "during": "20s..60s"}}"#,
        ill = open("api->ill"),
        well = open("api->well")
    );
    let alike = [
        ("ill_at", 10.0, 10.5),
        ("well_at", 10.0, 10.5),
        ("ill_late", NEVER, NEVER),
        ("well_late", NEVER, NEVER),
        ("apart", NEVER, NEVER),
        ("refused_late", 0.0, 0.0),
    ];
    check(&text(r#"{"call": "ill.get", "policy": "one"}"#, &metrics), &alike);
    // Around a group it is that of each edge of the group.
    check(&text(r#"{"try": [{"if": "$x > 0", "then": [{"call": "ill.get"}]}], "policy": "one"}"#, &metrics), &alike);
    let own = r#"{"try": [{"call": "ill.get"}], "breaker": {"profile": "failsafe", "delay": "1m"}}"#;
    check(&text(own, &metrics), &[("ill_at", 10.0, 10.5), ("well_at", NEVER, NEVER), ("ill_late", 40.0, 41.0)]);
}

#[test]
fn with_a_timeout_of_five_seconds_it_opens_at_fifteen_and_a_half() {
    let clauses = r#""timeout": "5s", "breaker": {"profile": "resilience4j"}"#;
    check(&hung(clauses), &[("full_at", 11.6, 12.2), ("open_at", 15.3, 15.6)]);
}

#[test]
fn with_a_timeout_of_one_second_the_pool_is_never_full_and_it_opens_at_eleven_and_a_half() {
    let clauses = r#""timeout": "1s", "breaker": {"profile": "resilience4j"}"#;
    check(&hung(clauses), &[("open_at", 11.4, 11.6), ("turned_away", 0.0, 0.0), ("catalogue", 1.0, 1.0)]);
}

#[test]
fn a_bulkhead_of_fifty_keeps_the_catalogue_up() {
    let clauses = r#""timeout": "30s", "bulkhead": {"max": 50}"#;
    check(&hung(clauses), &[("turned_away", 0.0, 0.0), ("catalogue", 1.0, 1.0), ("limited", 4000.0, 5000.0)]);
}

/// The same load and the same fault for each profile. By hand: a hundred calls a second are ok up to 10 s, and fail
/// from 10 s and the timeout on.
#[test]
fn each_breaker_opens_when_its_library_would() {
    let own = |name: &str| hung(&format!(r#""breaker": {{"profile": "{name}"}}"#));
    let with = |name: &str| hung(&format!(r#""timeout": "1s", "breaker": {{"profile": "{name}"}}"#));
    // A tenth of all that has ended: x failures of 1,000 + x.
    check(&with("polly"), &[("open_at", 12.1, 12.13)]);
    // More than half of what was fired: the 500th failure comes at 15.99 s, when 999 were fired since 6 s.
    check(&with("opossum"), &[("open_at", 15.98, 16.0)]);
    // Half of what ended in ten seconds is reached at 15.53 s; it is seen at the next look. The timeout is its own.
    check(&own("hystrix"), &[("open_at", 16.0, 16.1), ("turned_away", 0.0, 0.0)]);
    // One failure.
    check(&with("failsafe"), &[("open_at", 11.0, 11.02)]);
    // Its own timeout is ten seconds: the threads are gone at 12 s, and little is fired until the first failures come.
    check(&own("opossum"), &[("full_at", 11.6, 12.2), ("open_at", 20.4, 21.2)]);
}

#[test]
fn the_value_alone_opens_at_the_same_instants() {
    for (timeout, opens) in [(30, 40.49), (5, 15.49), (1, 11.49)] {
        let profile = profile(Kind::Breaker, "resilience4j").unwrap();
        let mut breaker = Breaker::new(Rule::of(&Settings::defaults(profile)).unwrap(), Instant::ZERO);
        let second = 1_000_000_000;
        // Every hundredth of a second one call; what begins at 10 s or later ends as a failure when its time is up.
        let ends: BinaryHeap<_> = (0u64..6000)
            .map(|call| call * second / 100)
            .map(|at| if at < 10 * second { (at + second / 20, true) } else { (at + timeout * second, false) })
            .map(Reverse)
            .collect();
        let opened = ends.into_sorted_vec().into_iter().rev().find_map(|Reverse((at, ok))| {
            assert_eq!(breaker.admit(Instant::from_nanos(at)), Admission::Go);
            breaker.report(Instant::from_nanos(at), if ok { Ended::Ok } else { Ended::Failed }, Duration::ZERO);
            (breaker.state(Instant::from_nanos(at)) == State::Open).then_some(at as f64 / 1e9)
        });
        assert_eq!(opened, Some(opens));
    }
}

#[test]
fn a_try_that_is_given_up_from_outside_gives_its_permit_back() {
    let text = r#"{"faultline": 1, "name": "given-up", "until": "60s", "nodes": {
        "api": {"kind": "service", "endpoints": {"get": [
            {"try": [{"call": "slow.get", "bulkhead": {"max": 1}, "breaker": {"profile": "resilience4j"}}],
             "timeout": "100ms", "on": {"unknown": []}}]}},
        "slow": {"kind": "service", "endpoints": {"get": [{"work": "10s"}]}}},
       "workload": {"user": {"rate": "1/s", "spacing": "even", "limit": 20, "each": "visit",
            "do": [{"call": "api.get"}]}},
       "metrics": {"calls": {"value": "api->slow.calls"}, "limited": {"value": "api->slow.limited"},
                   "unknown": {"value": "api->slow.unknown"}, "ok": {"value": "user.ok"}}}"#;
    check(text, &[("calls", 20.0, 20.0), ("limited", 0.0, 0.0), ("unknown", 20.0, 20.0), ("ok", 20.0, 20.0)]);
}

#[test]
fn a_reply_from_inside_gives_the_permit_back_too() {
    let text = r#"{"faultline": 1, "name": "reply", "until": "60s", "nodes": {
        "api": {"kind": "service", "endpoints": {"get": [
            {"try": [{"work": "10ms"}, {"reply": 1}], "bulkhead": {"max": 1}}, {"fail": "never"}]}}},
       "workload": {"user": {"rate": "1/s", "spacing": "even", "limit": 20, "each": "visit",
            "do": [{"call": "api.get"}]}},
       "metrics": {"ok": {"value": "user.ok"}}}"#;
    check(text, &[("ok", 20.0, 20.0)]);
}

#[test]
fn what_an_open_circuit_refuses_is_sent_to_nobody_and_every_request_has_one_outcome() {
    let text = hung(r#""timeout": "1s", "breaker": {"profile": "resilience4j", "waitDurationInOpenState": "5s"}"#);
    let text = text.replace(
        r#""full_at""#,
        r#""left": {"value": "browser.requests - browser.ok - browser.error - browser.unknown"},
           "edge": {"value": "api->recommendations.calls - settled"},
           "settled": {"value": "api->recommendations.ok + api->recommendations.error + api->recommendations.unknown"},
           "asked": {"value": "api->recommendations.calls + api->recommendations.open"},
           "full_at""#,
    );
    // The last second's calls are still under way at the end of the run, if a probe is.
    check(&text, &[("left", 0.0, 100.0), ("edge", 0.0, 10.0), ("asked", 5999.0, 6000.0)]);
}

#[test]
fn inside_the_timeout_a_breaker_never_sees_what_hangs() {
    let clauses = r#""timeout": "1s", "breaker": {"profile": "resilience4j"}, "order": ["timeout", "breaker"]"#;
    check(&hung(clauses), &[("open_at", NEVER, NEVER), ("refused", 0.0, 0.0)]);
    let usual = r#""timeout": "1s", "breaker": {"profile": "resilience4j"}, "order": ["breaker", "timeout"]"#;
    check(&hung(usual), &[("open_at", 11.4, 11.6)]);
}

#[test]
fn around_a_bulkhead_a_breaker_takes_its_refusals_for_failures_and_inside_it_does_not_hear_of_them() {
    let around = r#""timeout": "30s", "bulkhead": {"max": 50}, "breaker": {"profile": "resilience4j"}"#;
    // Full half a second after it hangs; the fiftieth refusal is half a second later.
    check(&hung(around), &[("open_at", 10.9, 11.1), ("limited", 50.0, 50.0)]);
    let inside = format!(r#"{around}, "order": ["bulkhead", "breaker", "timeout"]"#);
    check(&hung(&inside), &[("open_at", 40.3, 41.1)]);
}

#[test]
fn a_limiter_lets_its_burst_through_and_then_its_rate() {
    let text = hung(r#""limiter": {"rate": "10/s", "burst": 20}"#).replace("now >= 10s", "now >= 2h");
    let text = text.replace(r#""full_at""#, r#""calls": {"value": "api->recommendations.calls"}, "full_at""#);
    check(&text, &[("calls", 619.0, 620.0), ("limited", 5380.0, 5381.0)]);
}

#[test]
fn a_policy_is_a_set_of_clauses_with_a_name_and_a_step_goes_before_it() {
    let named = |policy: &str, clauses: &str| {
        let text = hung(&format!(r#""policy": "careful"{clauses}"#));
        text.replace(r#""nodes""#, &format!(r#""policies": {{"careful": {policy}}}, "nodes""#))
    };
    let careful = r#"{"about": "soon", "timeout": "1s", "breaker": {"profile": "resilience4j"}}"#;
    check(&named(careful, ""), &[("open_at", 11.4, 11.6)]);
    check(&named(careful, r#", "timeout": "5s""#), &[("open_at", 15.3, 15.6)]);
    check(&named(careful, r#", "timeout": null"#), &[("open_at", 11.4, 11.6)]);
}

// ── Retries ──

/// So many layers over a service that fails; one request a second.
fn layers(retries: &[&str]) -> String {
    let mut nodes = String::new();
    for (index, retry) in retries.iter().enumerate() {
        nodes += &format!(
            r#""l{index}": {{"kind": "service", "endpoints": {{"get": [{{"call": "l{}.get", "retry": {retry}}}]}}}}, "#,
            index + 1
        );
    }
    let last = retries.len();
    format!(
        r#"{{"faultline": 1, "name": "layers", "until": "1d", "nodes": {{{nodes}
            "l{last}": {{"kind": "service", "endpoints": {{"get": [{{"fail": "broken"}}]}}}}}},
           "workload": {{"user": {{"rate": "1/h", "spacing": "even", "limit": 1, "each": "visit",
                "do": [{{"call": "l0.get"}}]}}}},
           "metrics": {{"calls": {{"value": "l{last}.calls"}}}}}}"#
    )
}

#[test]
fn three_tries_in_five_layers_are_243_calls() {
    let resilience4j = r#"{"profile": "resilience4j"}"#;
    check(&layers(&[resilience4j; 5]), &[("calls", 243.0, 243.0)]);
}

#[test]
fn three_retries_in_five_layers_are_1024_calls() {
    let polly = r#"{"profile": "polly"}"#;
    check(&layers(&[polly; 5]), &[("calls", 1024.0, 1024.0)]);
}

#[test]
fn three_retries_in_three_layers_are_64_calls() {
    let polly = r#"{"profile": "polly", "MaxRetryAttempts": 3}"#;
    check(&layers(&[polly; 3]), &[("calls", 64.0, 64.0)]);
}

#[test]
fn grpc_and_envoy_try_nothing_again_that_is_not_listed() {
    check(&layers(&[r#"{"profile": "envoy", "num_retries": 9}"#]), &[("calls", 1.0, 1.0)]);
    check(&layers(&[r#"{"profile": "envoy", "num_retries": 2, "retry_on": ["broken"]}"#]), &[("calls", 3.0, 3.0)]);
    let grpc = |codes: &str| {
        format!(
            r#"{{"profile": "grpc", "maxAttempts": 4, "initialBackoff": "100ms", "maxBackoff": "1s",
                "backoffMultiplier": 2, "retryableStatusCodes": [{codes}]}}"#
        )
    };
    check(&layers(&[&grpc(r#""unavailable""#)]), &[("calls", 1.0, 1.0)]);
    check(&layers(&[&grpc(r#""broken""#)]), &[("calls", 4.0, 4.0)]);
}

#[test]
fn temporal_tries_what_it_may_for_ever_and_the_rest_once() {
    let hours = |more: &str| format!(r#"{{"profile": "temporal"{more}}}"#);
    // 1 + 2 + … + 64 s, then 100 s each time, for a day less a nanosecond.
    let after = (86_400.0_f64 - 127.0) / 100.0;
    check(&layers(&[&hours("")]), &[("calls", 8.0 + after.floor(), 8.0 + after.floor())]);
    check(&layers(&[&hours(r#", "nonRetryableErrorTypes": ["broken"]"#)]), &[("calls", 1.0, 1.0)]);
}

/// Five layers that fail from 10 s to 40 s, each with this retry; calls of the last for one of a user meanwhile.
fn storm(retry: &str) -> String {
    let layer = |from: &str, to: &str| {
        format!(
            r#""{from}": {{"kind": "service", "endpoints": {{"get": [{{"call": "{to}.get", "retry": {retry}}}]}}}}, "#
        )
    };
    let nodes: String = [("edge", "a"), ("a", "b"), ("b", "c"), ("c", "d"), ("d", "db")]
        .iter()
        .map(|(from, to)| layer(from, to))
        .collect();
    format!(
        r#"{{"faultline": 1, "name": "storm", "until": "60s", "nodes": {{{nodes}
            "db": {{"kind": "service", "endpoints": {{"get": [
                {{"if": "now >= 10s && now < 40s", "then": [{{"fail": "broken"}}]}}]}}}}}},
           "workload": {{"user": {{"rate": "100/s", "spacing": "even", "for": "50s", "each": "visit",
                "do": [{{"call": "edge.get"}}]}}}},
           "metrics": {{"amplification": {{"value": "db.calls / user.requests", "during": "10s..40s"}}}}}}"#
    )
}

#[test]
fn a_budget_of_a_tenth_keeps_five_layers_at_161_percent_and_a_fifth_at_249() {
    let budget = |share: &str| {
        storm(&format!(r#"{{"tries": 3, "on": ["broken"], "budget": {{"ratio": "{share}", "burst": 1}}}}"#))
    };
    check(&budget("10%"), &[("amplification", 1.60, 1.62)]);
    check(&budget("20%"), &[("amplification", 2.46, 2.50)]);
    check(&storm(r#"{"tries": 3, "on": ["broken"]}"#), &[("amplification", 243.0, 243.0)]);
}

#[test]
fn the_bucket_of_the_aws_sdk_runs_dry_and_the_storm_is_over() {
    // 500 tokens are 100 retries in each layer; then one for each five successes, of which there are none.
    check(&storm(r#"{"profile": "aws-sdk", "retryable": ["broken"]}"#), &[("amplification", 1.16, 1.17)]);
}

#[test]
fn grpc_throttling_ends_the_storm_when_half_of_the_tokens_are_gone() {
    let grpc = r#"{"profile": "grpc", "maxAttempts": 4, "initialBackoff": "10ms", "maxBackoff": "100ms",
        "backoffMultiplier": 2, "retryableStatusCodes": ["broken"], "maxTokens": 10, "tokenRatio": 0.1}"#;
    check(&storm(grpc), &[("amplification", 1.0, 1.02)]);
}

#[test]
fn a_finagle_budget_lets_a_fifth_and_ten_a_second_through() {
    let text = storm(r#"{"tries": 2, "on": ["broken"], "budget": {"profile": "finagle"}}"#);
    // One layer alone: 100 calls a second bring 20 retries, and 10 are free.
    let one = text.replace(r#""call": "edge.get""#, r#""call": "d.get""#);
    check(&one, &[("amplification", 1.29, 1.34)]);
}

// ── Conservation ──

/// One of these clauses or none, by a number.
fn clause(of: &[&str], at: usize) -> Option<String> {
    of.get(at).map(|clause| (*clause).to_owned())
}

const BREAKERS: &[&str] = &[
    r#""breaker": {"profile": "resilience4j", "slidingWindowSize": 5, "waitDurationInOpenState": "300ms",
        "permittedNumberOfCallsInHalfOpenState": 2}"#,
    r#""breaker": {"profile": "polly", "MinimumThroughput": 5, "BreakDuration": "500ms", "SamplingDuration": "2s"}"#,
    r#""breaker": {"profile": "opossum", "resetTimeout": "300ms", "capacity": 3}"#,
    r#""breaker": {"profile": "hystrix", "circuitBreaker.requestVolumeThreshold": 3}"#,
    r#""breaker": {"profile": "failsafe", "delay": "300ms"}"#,
];
const RETRIES: &[&str] = &[
    r#""retry": 3"#,
    r#""retry": {"profile": "resilience4j", "waitDuration": "20ms"}"#,
    r#""retry": {"profile": "aws-sdk", "baseDelay": "50ms", "retryQuota": 50}"#,
    r#""retry": {"profile": "envoy", "retry_on": ["unknown", "error"], "num_retries": 3, "max_retries": 2}"#,
];
const TIMEOUTS: &[&str] = &[r#""timeout": "50ms""#, r#""timeout": "100ms""#];
const BULKHEADS: &[&str] = &[r#""bulkhead": {"max": 1}"#, r#""bulkhead": {"max": 4}"#];
const LIMITERS: &[&str] = &[r#""limiter": {"rate": "30/s", "burst": 3}"#];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever stands around a call, and wherever it is given up: every request and every try has one outcome, and no
    /// permit is lost.
    #[test]
    fn nothing_is_lost_between_policies(
        picks in (0usize..6, 0usize..5, 0usize..3, 0usize..3, 0usize..2),
        outer in prop_oneof![Just("1h"), Just("60ms"), Just("250ms")],
        seed in 0u64..1000,
    ) {
        let (breaker, retry, timeout, bulkhead, limiter) = picks;
        let clauses: Vec<String> = [
            clause(BREAKERS, breaker), clause(RETRIES, retry), clause(TIMEOUTS, timeout), clause(BULKHEADS, bulkhead),
            clause(LIMITERS, limiter),
        ].into_iter().flatten().collect();
        let comma = if clauses.is_empty() { "" } else { ", " };
        let text = format!(
            r#"{{"faultline": 1, "name": "kept", "nodes": {{
                "api": {{"kind": "service", "workers": 20, "queue": 5, "endpoints": {{"get": [
                    {{"try": [{{"call": "slow.get"{comma}{}}}], "timeout": "{outer}"}}]}}}},
                "slow": {{"kind": "service", "endpoints": {{"get": [
                    {{"work": {{"lognormal": {{"median": "60ms", "sigma": 0.8}}}}}},
                    {{"chance": "30%", "then": [{{"fail": "broken"}}]}}]}}}}}},
               "workload": {{"user": {{"rate": "50/s", "limit": 300, "each": "visit", "do": [{{"call": "api.get"}}]}}}},
               "metrics": {{
                 "requests": {{"value": "user.ok + user.error + user.unknown"}},
                 "tries": {{"value": "api->slow.calls - api->slow.ok - api->slow.error - api->slow.unknown"}}}}}}"#,
            clauses.join(", ")
        );
        let model = model(&text);
        let (mut sim, mut judge) = model.start(Seed(seed));
        let course = model.course(Stop::AtEnd, Limits::default());
        let outcome = run(&mut sim, &mut judge, &course, |_, _| std::ops::ControlFlow::Continue(()));
        let run = model.measured(Seed(seed), &sim, &judge, outcome);
        let metric = |name: &str| run.metrics.iter().find(|(known, _)| known.as_str() == name).and_then(|it| it.1);
        prop_assert_eq!((metric("requests"), metric("tries")), (Some(300.0), Some(0.0)), "{}", text);
        let state = inside(&sim, model.program(), NodeId(0));
        if let Some(taken) = field(&state, "policies[bulkhead slow].taken") {
            prop_assert_eq!(taken, &serde_json::Value::from(0), "{}", text);
        }
        prop_assert_eq!(field(&state, "policies[bulkhead slow].taken").is_some(), bulkhead < 2);
    }
}

// ── Envoy's tries that overlap ──

/// A user who calls a service with Envoy's retry: its metrics by their formulas.
#[track_caller]
fn overlapping(users: &str, retry: &str, clauses: &str, [svc, faults]: [&str; 2], expected: &[(&str, f64, f64)]) {
    let names: Vec<String> = (0..expected.len()).map(|number| format!("m{number}")).collect();
    let formulas =
        names.iter().zip(expected).map(|(name, (formula, ..))| format!(r#""{name}": {{"value": "{formula}"}}"#));
    let text = format!(
        r#"{{"faultline": 1, "name": "overlapping", "until": "1h", "nodes": {{"svc": {{"kind": "service", {svc}}}}},
           "workload": {{"user": {{{users}, "each": "visit", "do": [{{"call": "svc.get"{clauses},
             "retry": {{"profile": "envoy", "hedge_on_per_try_timeout": true, "base_interval": "1ms", "max_interval": "1ms", {retry}}}}}]}}}},
           "faults": [{faults}], "metrics": {{{}}}}}"#,
        formulas.collect::<Vec<_>>().join(", ")
    );
    let named: Vec<_> = names.iter().zip(expected).map(|(name, (_, low, high))| (name.as_str(), *low, *high)).collect();
    check(&text, &named);
}

/// One user, and a service that does this at first and then that.
#[track_caller]
fn two_tries(retry: &str, clauses: &str, [first, then]: [&str; 2], expected: &[(&str, f64, f64)]) {
    let svc = format!(
        r#""maps": {{"tries": {{"all": 0}}}}, "endpoints": {{"get": [
            {{"read": "tries['all']", "as": "before"}}, {{"set": "tries['all']", "to": "= value + 1"}},
            {{"if": "$before == 0", "then": [{first}], "else": [{then}]}}]}}"#
    );
    overlapping(ONCE, retry, clauses, [&svc, ""], expected);
}

const ONCE: &str = r#""rate": "1/s", "spacing": "even", "limit": 1"#;
const LISTS: &str = r#""retry_on": ["unavailable"], "per_try_timeout": "100ms""#;
const SLOW: &str = r#"{"work": "1s"}"#;
const QUICK: &str = r#"{"work": "10ms"}"#;

#[test]
fn a_try_that_takes_too_long_goes_on_beside_the_next_and_the_first_good_answer_wins() {
    // The second begins within a millisecond of 100 ms, and answers after ten.
    let hedged = [
        ("svc.calls", 2.0, 2.0),
        ("user->svc.retries", 1.0, 1.0),
        ("user.ok", 1.0, 1.0),
        ("user->svc.unknown", 1.0, 1.0),
        ("user.p99", 0.109, 0.113),
    ];
    two_tries(LISTS, "", [SLOW, QUICK], &hedged);
    // The first answers before the second, which is given up.
    let first =
        [("svc.calls", 2.0, 2.0), ("user.ok", 1.0, 1.0), ("user->svc.unknown", 1.0, 1.0), ("user.p99", 0.149, 0.152)];
    two_tries(LISTS, "", [r#"{"work": "150ms"}"#, SLOW], &first);
    // It answers while the second waits to begin, which is never sent.
    let early = [("svc.calls", 1.0, 1.0), ("user.ok", 1.0, 1.0), ("user->svc.unknown", 0.0, 0.0)];
    two_tries(LISTS, "", [r#"{"work": "100000001ns"}"#, QUICK], &early);
}

#[test]
fn with_no_retry_left_or_no_list_a_try_runs_on_until_the_routes_timeout() {
    let alone = [("svc.calls", 1.0, 1.0), ("user.ok", 1.0, 1.0), ("user.p99", 0.99, 1.01)];
    two_tries(&format!(r#"{LISTS}, "num_retries": 0"#), "", [SLOW, QUICK], &alone);
    two_tries(r#""per_try_timeout": "100ms""#, "", [SLOW, QUICK], &alone);
    let over = [("svc.calls", 2.0, 2.0), ("user.unknown", 1.0, 1.0), ("user->svc.unknown", 2.0, 2.0)];
    two_tries(LISTS, r#", "deadline": "500ms""#, [SLOW, SLOW], &over);
    // The budget refuses the retry.
    two_tries(&format!(r#"{LISTS}, "max_retries": 0"#), "", [SLOW, QUICK], &alone);
}

#[test]
fn a_bad_answer_beside_a_hedged_try_is_dropped_if_it_is_listed_and_wins_if_not() {
    let late = r#"{"work": "105ms"}, {"fail": "unavailable"}"#;
    let dropped = [("svc.calls", 2.0, 2.0), ("user.ok", 1.0, 1.0), ("user->svc.error", 1.0, 1.0)];
    two_tries(LISTS, "", [late, r#"{"work": "50ms"}"#], &dropped);
    // The late one is never tried again, though a retry is left.
    two_tries(&format!(r#"{LISTS}, "num_retries": 5"#), "", [late, r#"{"work": "50ms"}"#], &dropped);
    // The last bad answer stands.
    let both = [("svc.calls", 2.0, 2.0), ("user.error", 1.0, 1.0), ("user->svc.error", 2.0, 2.0)];
    two_tries(LISTS, "", [late, r#"{"work": "50ms"}, {"fail": "unavailable"}"#], &both);
    // The newest is tried again as usual, here for the last time.
    let again = [("svc.calls", 3.0, 3.0), ("user->svc.retries", 2.0, 2.0), ("user.ok", 1.0, 1.0)];
    two_tries(&format!(r#"{LISTS}, "num_retries": 2"#), "", [SLOW, r#"{"fail": "unavailable"}"#], &again);
    // A reason that is not listed ends it all.
    let wins = [("svc.calls", 2.0, 2.0), ("user.error", 1.0, 1.0), ("user->svc.unknown", 1.0, 1.0)];
    two_tries(LISTS, "", [SLOW, r#"{"fail": "broken"}"#], &wins);
}

#[test]
fn a_connection_that_is_closed_is_dropped_while_another_try_is_out() {
    // The first goes to svc-1, the second to svc-2.
    let svc = r#""replicas": 2, "endpoints": {"get": [{"work": "300ms"}]}"#;
    let calls =
        |calls: f64, ok: f64| [("svc.calls", calls, calls), ("user.ok", ok, ok), ("user.unknown", 1.0 - ok, 1.0 - ok)];
    overlapping(ONCE, LISTS, "", [svc, r#""150ms..1s crash svc-1""#], &calls(2.0, 1.0));
    overlapping(ONCE, LISTS, "", [svc, r#""150ms..1s crash svc-2""#], &calls(2.0, 1.0));
    overlapping(ONCE, LISTS, "", [svc, r#""150ms..1s crash svc-1", "150ms..1s crash svc-2""#], &calls(2.0, 0.0));
    // The newest is tried again where that is listed, the one that was hedged is not.
    let listed = r#""retry_on": ["reset"], "per_try_timeout": "100ms", "num_retries": 2"#;
    overlapping(ONCE, listed, "", [svc, r#""150ms..1s crash svc-2""#], &calls(3.0, 1.0));
    overlapping(ONCE, listed, r#", "deadline": "190ms""#, [svc, r#""150ms..1s crash svc-1""#], &calls(2.0, 0.0));
}

#[test]
fn outlier_detection_hears_of_a_try_that_takes_too_long_once_and_of_its_late_answer() {
    let ejected = |most: u32, body: &str, retry: &str, ejected: f64| {
        let svc = format!(
            r#""replicas": 2, "endpoints": {{"get": [{body}]}}, "outlier": {{"profile": "envoy", "consecutive_5xx": {most},
                "max_ejection_percent": 100, "enforcing_success_rate": 0}}"#
        );
        let expected = [("user->svc.ejected", ejected, ejected), ("user.ok", 0.0, 0.0)];
        overlapping(ONCE, retry, r#", "deadline": "500ms""#, [&svc, ""], &expected);
    };
    // Both are late; the timeout of the route, which ends both, is not told again.
    ejected(1, SLOW, LISTS, 2.0);
    ejected(2, SLOW, LISTS, 0.0);
    // Who is not late by then is.
    ejected(1, SLOW, r#""retry_on": ["unavailable"], "per_try_timeout": "450ms""#, 2.0);
    ejected(1, SLOW, r#""retry_on": ["unavailable"], "per_try_timeout": "450ms", "num_retries": 0"#, 1.0);
    ejected(2, r#"{"work": "150ms"}, {"fail": "unavailable"}"#, LISTS, 2.0);
}

#[test]
fn hedged_retries_answer_as_two_draws_of_a_two_point_latency_do() {
    // A share p of tries takes a second, the others 10 ms. Up to 100 ms a request has its first try alone; after that the second as well,
    // which is quick for all but p of those: p² wait for the first. Each that is slow at first sends one more.
    const REQUESTS: f64 = 20_000.0;
    let p: f64 = 0.05;
    let within = |share: f64| {
        let (mean, sd) = (REQUESTS * share, (REQUESTS * share * (1.0 - share)).sqrt());
        (mean - 4.0 * sd, mean + 4.0 * sd)
    };
    let users = r#""rate": "100/s", "spacing": "even", "limit": 20000"#;
    let svc = r#""endpoints": {"get": [{"work": {"mix": {"95%": "10ms", "5%": "1s"}}}]}"#;
    let ((low, high), (both_low, both_high)) = (within(p), within(p * p));
    let many = r#""retry_on": ["unavailable"], "per_try_timeout": "100ms", "max_retries": 100"#;
    // Quantiles are told in steps of a hundredth or so.
    let expected = [
        ("user.ok", REQUESTS, REQUESTS),
        ("user->svc.retries", low, high),
        ("user->svc.unknown", low, high),
        ("user->svc.amplification", 1.0 + low / REQUESTS, 1.0 + high / REQUESTS),
        ("user.p50", 0.0098, 0.0102),
        ("user.p90", 0.0098, 0.0102),
        // p² = 0.25 % is less than 1 %, and more than 0.1 %.
        ("user.p99", 0.108, 0.113),
        ("user.p999", 0.98, 1.02),
        ("svc.calls", REQUESTS + low, REQUESTS + high),
    ];
    overlapping(users, many, "", [svc, ""], &expected);
    // With a route's timeout of half a second just those that are slow twice are not answered.
    let expected = [("user.unknown", both_low, both_high), ("user.ok", REQUESTS - both_high, REQUESTS - both_low)];
    overlapping(users, many, r#", "deadline": "500ms""#, [svc, ""], &expected);
}

// ── The table of the AWS Architecture Blog ──

/// Clients that read a version and write it back; who was overtaken waits, and reads again. Milliseconds.
fn contention(clients: u32, wait: Wait, luck: &mut Luck) -> (f64, f64) {
    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum What {
        ReadArrives,
        VersionArrives(u32),
        WriteArrives(u32),
        Refused,
        Done,
    }
    let (mut queue, mut order) = (BinaryHeap::new(), 0u64);
    let mut at = |queue: &mut BinaryHeap<_>, time: u64, client: usize, what: What| {
        order += 1;
        queue.push(Reverse((time, order, client, what)));
    };
    let mut tries = vec![(0u32, Duration::ZERO); clients as usize];
    for client in 0..clients as usize {
        at(&mut queue, luck.hop(), client, What::ReadArrives);
    }
    let (mut version, mut calls, mut last) = (0, 0u32, 0);
    while let Some(Reverse((now, _, client, what))) = queue.pop() {
        last = now;
        match what {
            What::ReadArrives => at(&mut queue, now + luck.hop(), client, What::VersionArrives(version)),
            What::VersionArrives(seen) => at(&mut queue, now + luck.hop(), client, What::WriteArrives(seen)),
            What::WriteArrives(seen) => {
                calls += 1;
                let fits = seen == version;
                version += u32::from(fits);
                at(&mut queue, now + luck.hop(), client, if fits { What::Done } else { What::Refused });
            }
            What::Refused => {
                let (number, memory) = &mut tries[client];
                *number += 1;
                let sleep = wait.before(*number, memory, luck.bits()).nanos();
                at(&mut queue, now + sleep + luck.hop(), client, What::ReadArrives);
            }
            What::Done => {}
        }
    }
    (f64::from(calls), last as f64 / 1e6)
}

/// SplitMix64: its own luck, since this is no run of the simulator.
struct Luck(u64);

impl Luck {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// |N(10 ms, 2 ms)| in nanoseconds, by Box and Muller.
    fn hop(&mut self) -> u64 {
        let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
        let radius = libm::sqrt(-2.0 * libm::log(unit(self.bits())));
        let angle = std::f64::consts::TAU * unit(self.bits());
        ((10.0 + 2.0 * radius * libm::cos(angle)).abs() * 1e6) as u64
    }
}

/// Calls and completion: mean and standard error of the reference, over 1,000 trials of the blog's own code.
type Row = (&'static str, Wait, [(f64, f64); 2]);

fn strategies(fifty: bool) -> [Row; 5] {
    let ms = Duration::from_millis;
    let exponential = Wait { first: ms(10), grows: Grows::By(2_000_000), most: ms(2000), ..Wait::NONE };
    let full = Wait { spread: Spread::FULL, ..exponential };
    let equal = Wait { spread: Spread::EQUAL, ..exponential };
    let decorrelated = Wait { first: ms(5), most: ms(2000), spread: Spread::Decorrelated, ..Wait::NONE };
    if fifty {
        [
            ("none", Wait::NONE, [(689.809, 0.5278), (1141.536, 1.3498)]),
            ("exponential", exponential, [(625.202, 0.9057), (36576.604, 104.7245)]),
            ("equal jitter", equal, [(346.883, 0.1925), (4243.982, 17.1982)]),
            ("full jitter", full, [(332.708, 0.1514), (2885.715, 16.5134)]),
            ("decorrelated jitter", decorrelated, [(374.863, 0.3775), (2225.419, 16.5690)]),
        ]
    } else {
        [
            ("none", Wait::NONE, [(2423.972, 1.0465), (2026.949, 1.4570)]),
            ("exponential", exponential, [(1856.063, 1.8409), (63664.644, 117.0512)]),
            ("equal jitter", equal, [(812.457, 0.2585), (6655.092, 20.7385)]),
            ("full jitter", full, [(796.0, 0.2127), (4890.989, 16.6644)]),
            ("decorrelated jitter", decorrelated, [(1003.127, 0.9261), (4627.051, 23.0586)]),
        ]
    }
}

fn contends(clients: u32, trials: u32) {
    for (name, wait, expected) in strategies(clients == 50) {
        let mut luck = Luck(u64::from(clients));
        let seen: Vec<(f64, f64)> = (0..trials).map(|_| contention(clients, wait, &mut luck)).collect();
        let columns = [seen.iter().map(|row| row.0).collect::<Vec<_>>(), seen.iter().map(|row| row.1).collect()];
        for (what, (values, (mean, error))) in ["calls", "completion"].iter().zip(columns.iter().zip(expected)) {
            let count = f64::from(trials);
            let ours = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - ours) * (value - ours)).sum::<f64>() / (count - 1.0);
            let z = (ours - mean).abs() / libm::sqrt(error * error + variance / count);
            assert!(z < 4.0, "{clients} clients, {name}, {what}: {ours} against {mean}, z = {z}");
        }
    }
}

#[test]
fn fifty_clients_back_off_as_the_blog_says() {
    contends(50, 400);
}

#[test]
fn a_hundred_clients_back_off_as_the_blog_says() {
    contends(100, 300);
}

// ── What is wrong is told ──

#[track_caller]
fn wrong(clauses: &str, message: &str) {
    let text = hung(clauses);
    let said = Scenario::parse("policies.json", &text)
        .and_then(|scenario| scenario.model(&Choices::none()).map(|_| ()))
        .expect_err("it is wrong")
        .to_string();
    assert!(said.contains(message), "{said}");
}

#[test]
fn a_mistake_in_a_policy_is_told_with_its_place() {
    let path = "policies.json:3:";
    wrong(r#""breaker": {"profile": "resilience4j", "minimumNumberOfCall": 5}"#, path);
    wrong(
        r#""breaker": {"profile": "resilience4j", "minimumNumberOfCall": 5}"#,
        "resilience4j has no \"minimumNumberOfCall\"; did you mean \"minimumNumberOfCalls\"?",
    );
    wrong(r#""breaker": {"profile": "resilience4"}"#, "did you mean \"resilience4j\"?");
    wrong(r#""breaker": {"failureRateThreshold": 50}"#, "a breaker needs a \"profile\"");
    wrong(r#""breaker": {"profile": "polly", "BreakDuration": "-1s"}"#, "-1s is negative; a length of time is not");
    wrong(r#""breaker": {"profile": "polly", "FailureRatio": 1.5}"#, "1.5 is not between 0 and 1");
    wrong(r#""retry": {"profile": "grpc", "maxAttempts": 3}"#, "grpc has no default for initialBackoff; write it");
    wrong(r#""order": ["retry", "breaker"]"#, "\"order\" names \"retry\", and this step has none");
    let both = r#""timeout": "1s", "retry": 2, "bulkhead": {"max": 5}"#;
    wrong(&format!(r#"{both}, "order": ["timeout", "retry", "bulkhead"]"#), "\"retry\" comes first");
    wrong(&format!(r#"{both}, "order": ["retry", "timeout"]"#), "\"order\" does not say where \"bulkhead\" stands");
    wrong(&format!(r#"{both}, "order": ["retry", "bulkhead", "bulkhead"]"#), "\"bulkhead\" stands here twice");
    wrong(r#""policy": "carefull""#, "there is no policy \"carefull\"; policies are none");
    wrong(r#""bulkhead": {"max": 0}"#, "a whole number of at least 1");
}
