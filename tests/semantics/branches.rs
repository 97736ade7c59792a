//! What runs at once, what runs in the background, and loops.

use sim_core::{Seed, Stop};

use super::{BANK, check, measured, order, orders, service};

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
