//! Which replica is asked, and when operations begin.

use sim_core::{Seed, Stop};

use super::{check, file, measured, orders, service};

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
