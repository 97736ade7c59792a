//! What becomes of a step that can go wrong, who catches it, and what `reply` and `fail` end.

use super::{BANK, check, order, service};

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
