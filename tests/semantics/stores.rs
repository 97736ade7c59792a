//! Operations on cells: one after the other, each at one instant.

use super::{NULL, check, order, orders, world};

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
