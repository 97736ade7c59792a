//! Timeouts, deadlines, and trying again: what is counted from where, and what is left.

use sim_core::{Limits, Seed, Stop, Verdict};

use super::{BANK, check, measured, model, order, orders, service, value_of, world};

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
