//! Who is served when not all can be: the urgent ones first, and what it costs to say no.

use faultline_tests::scenarios::written;
use serde_json::{Value, json};
use sim_core::{Seed, Stop};
use sim_models::language::Choices;

/// One worker at 10 ms a request, asked by two workloads, so often each.
fn file(more: &Value, pay: &str, browse: &str) -> Value {
    let mut shop = json!({"kind": "service", "workers": 1, "endpoints": {
        "pay": [{"work": "10ms"}], "browse": [{"work": "10ms"}]}});
    for (name, value) in more.as_object().expect("fields") {
        shop[name] = value.clone();
    }
    let asks = |endpoint: &str, rate: &str, each: &str| json!({"rate": rate, "spacing": "even", "for": "100s", "each": each, "do": [{"call": format!("shop.{endpoint}")}]});
    json!({
        "faultline": 1, "name": "shedding", "until": "100s", "nodes": {"shop": shop},
        "workload": {"payer": asks("pay", pay, "order"), "reader": asks("browse", browse, "view")},
        "metrics": {
            "paid": {"value": "payer.ok"}, "read": {"value": "reader.ok"}, "refused": {"value": "shop.overloaded"},
            "pay_p99": {"value": "payer.p99"}
        }
    })
}

fn metrics(file: &Value) -> impl Fn(&str) -> f64 + use<> {
    let model = written(file).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let run = model.run(Seed(1), Stop::AtEnd);
    move |name| {
        run.metrics.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value).expect("it has a value")
    }
}

#[test]
fn the_urgent_are_served_first_and_those_not_named_last() {
    // 80 of the 100 a second are for those who pay; the readers have what is left of it.
    let urgent = metrics(&file(&json!({"order": {"priority": ["pay"]}}), "80/s", "100/s"));
    assert!(urgent("paid") >= 7_990.0, "{}", urgent("paid"));
    assert!((1_980.0..=2_010.0).contains(&urgent("read")), "{}", urgent("read"));
    // Nobody waits behind more than the one who is served already, and one who was there first.
    assert!(urgent("pay_p99") <= 0.03, "{}", urgent("pay_p99"));
    let first_come = metrics(&file(&json!({}), "80/s", "100/s"));
    assert!((4_300.0..=4_600.0).contains(&first_come("paid")), "{}", first_come("paid"));
}

#[test]
fn where_there_is_no_place_the_last_goes_who_is_less_urgent() {
    let urgent = metrics(&file(&json!({"order": {"priority": ["pay"]}, "queue": 5}), "80/s", "200/s"));
    assert!(urgent("paid") >= 7_990.0, "{}", urgent("paid"));
    let first_come = metrics(&file(&json!({"queue": 5}), "80/s", "200/s"));
    assert!(first_come("paid") < 5_000.0, "{}", first_come("paid"));
}

/// Three times what it can serve. Without a limit whoever comes last waits for over a minute; with one, about as many are served, and each
/// in at most twice the time from which on the limit shrinks: it hears of a line when that has been served, and has grown by one for
/// each served until then.
#[test]
fn a_limit_that_finds_itself_keeps_the_line_short_and_serves_as_many() {
    let seen = |limit: Value| metrics(&file(&json!({"limit": limit}), "300/s", "0.01/s"));
    let endless = seen(Value::Null);
    assert!(endless("pay_p99") > 60.0, "{}", endless("pay_p99"));
    let limited = seen(json!({"profile": "aimd", "minLimit": 1, "timeout": "100ms"}));
    assert!(limited("pay_p99") <= 0.22, "{}", limited("pay_p99"));
    assert!(limited("paid") >= 9_500.0, "{}", limited("paid"));
    assert!((19_900.0..=20_500.0).contains(&limited("refused")), "{}", limited("refused"));
}

/// Both ask at the same instants, fifty times a second; a limit of one lets the first of them in.
#[test]
fn one_more_than_the_limit_is_overloaded_at_once() {
    let one = json!({"profile": "aimd", "initialLimit": 1, "minLimit": 1, "maxLimit": 1});
    let seen = metrics(&file(&json!({"limit": one}), "50/s", "50/s"));
    assert_eq!((seen("paid"), seen("read"), seen("refused")), (5_000.0, 0.0, 5_000.0));
}

#[test]
fn a_limit_that_does_not_find_itself_is_refused() {
    let fixed = file(&json!({"limit": {"profile": "hystrix"}}), "50/s", "50/s");
    let told = written(&fixed).model(&Choices::none()).err().map(|wrong| wrong.to_string()).unwrap_or_default();
    assert!(told.contains("aimd, gradient2 or vegas"), "{told}");
}

/// Of each second g requests take 10 ms and the other 500 - g are refused at 1 ms each: 10 g + 500 - g = 1000, so g = 55.6. At
/// a thousand a second nothing is left but refusing.
#[test]
fn what_refusing_costs_is_not_there_to_serve_with() {
    let served = |rate: &str, refusal: &str| {
        let seen = metrics(&file(&json!({"queue": 0, "refusal": refusal}), rate, "0.01/s"));
        seen("paid") / 100.0
    };
    let free = served("500/s", "0s");
    assert!((99.0..=100.1).contains(&free), "{free}");
    let costly = served("500/s", "1ms");
    assert!((54.5..=56.7).contains(&costly), "{costly}");
    let drowned = served("1100/s", "1ms");
    assert!(drowned < 1.0, "{drowned}");
}

#[test]
fn a_priority_of_an_endpoint_that_is_not_there_is_an_error_that_says_which_there_are() {
    let wrong = written(&file(&json!({"order": {"priority": ["pay", "brows"]}}), "1/s", "1/s"));
    let wrong = wrong.model(&Choices::none()).err().expect("there is no such endpoint").to_string();
    assert!(wrong.contains("nodes.shop.order.priority[1]") && wrong.contains("shop has pay, browse"), "{wrong}");
}
