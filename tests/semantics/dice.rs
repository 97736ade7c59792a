//! What draws what, and what changes nobody else's luck.

use serde_json::{Value, json};
use sim_core::{Seed, Stop};

use super::{measured, model, order, orders, service, world};

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
