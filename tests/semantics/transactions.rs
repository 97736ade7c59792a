//! What happens together or not at all.

use super::{BANK, NULL, STOCK, check, file, order, orders, service, world};

#[test]
fn a_transaction_is_seen_at_its_commit_or_not_at_all() {
    let look = r#"[{"read": "db.stock['book']", "as": "a"}, {"read": "db.stock['lamp']", "as": "b"},
        {"if": "$a == 10 && $b == 10", "then": [{"record": "old"}]}, {"if": "$a == 9 && $b == 12", "then": [{"record": "new"}]}]"#;
    let buy = |end: &str| {
        format!(
            r#"[{{"transaction": [
            {{"set": "db.stock['book']", "to": "= value - 1"}}, {{"record": "sold"}}, {{"wait": "1s"}},
            {{"set": "db.stock['lamp']", "to": "= value + 1"}},
            {{"set": "db.stock['lamp']", "to": "= value + 1", "where": "version == 2 && value == 11"}},
            {{"read": "db.stock['lamp']", "as": "own"}}, {{"if": "$own == 12", "then": [{{"record": "own_writes"}}]}}, {end}],
            "on": {{"unmet": [], "ok": [{{"record": "committed"}}]}}}}]"#
        )
    };
    let text = |end: &str| {
        let look = look
            .replace("record\": \"old\"", "record\": \"old\", \"key\": 1")
            .replace("record\": \"new\"", "record\": \"new\", \"key\": 1");
        let workloads = [
            ("shopper", "order", "0s", buy(end)),
            ("looker", "visit", "500ms", look.clone()),
            ("after", "glance", "2s", look),
        ];
        let workloads: Vec<_> = workloads.iter().map(|(a, b, c, d)| (*a, *b, *c, d.as_str())).collect();
        world(STOCK, &workloads, "")
    };
    let done = [
        ("total(old)", 1.0),
        ("total(new)", 1.0),
        ("sold.first", 1.0),
        ("total(committed)", 1.0),
        ("total(own_writes)", 1.0),
        ("db.rollbacks", 0.0),
    ];
    check(&text(r#"{"wait": "0s"}"#), &done);
    let undone = [
        ("total(old)", 2.0),
        ("total(new)", 0.0),
        ("total(sold)", 0.0),
        ("total(committed)", 0.0),
        ("total(own_writes)", 0.0),
        ("db.rollbacks", 1.0),
    ];
    check(&text(r#"{"set": "db.stock['lamp']", "to": 1, "where": "value == 0"}"#), &undone);
}

#[test]
fn a_list_inside_a_transaction_sees_what_it_has_set() {
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": null}, {"set": "db.stock['pen']", "to": 3},
        {"read": "db.stock[*]", "as": "all"},
        {"for_each": "item", "in": "$all", "do": [{"if": "$item == 'pen' || $item == 'lamp'", "then": [{"record": "right"}], "else": [{"record": "wrong"}]}]}]}]"#;
    check(
        &order(STOCK, steps),
        &[("total(right)", 2.0), ("total(wrong)", 0.0), ("db.stock['book']", NULL), ("db.stock['pen']", 3.0)],
    );
}

#[test]
fn who_waits_for_a_lock_is_served_in_order_of_coming() {
    let hold = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value * 2"}, {"wait": "1s"}]}]"#;
    let set =
        |to: &str| format!(r#"[{{"set": "db.stock['book']", "to": "= {to}"}}, {{"record": "set_at", "key": 1}}]"#);
    let inside =
        |to: &str| format!(r#"[{{"transaction": [{{"set": "db.stock['book']", "to": "= {to}"}}, {{"wait": "1s"}}]}}]"#);
    let (two, three, four) = (set("value + 1"), inside("value * 10"), set("value + 3"));
    let text = world(
        STOCK,
        &[
            ("one", "o1", "0s", hold),
            ("two", "o2", "100ms", &two),
            ("three", "o3", "200ms", &three),
            ("four", "o4", "300ms", &four),
        ],
        "",
    );
    // 10 · 2 at 1 s, + 1 then, · 10 at 2 s, + 3 then.
    check(&text, &[("db.stock['book']", 213.0), ("set_at.first", 1.0), ("set_at.last", 2.0)]);
}

#[test]
fn nobody_overtakes_who_waits_for_a_lock() {
    // At 1 s the commit comes before the operation that has just taken its time, and after which others have waited long.
    let db = r#""db": {"kind": "store", "maps": {"stock": {"book": 10}}, "set": "100ms"}"#;
    let hold = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value * 2"}, {"wait": "900ms"}]}]"#;
    let next = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value + 1"}]}]"#;
    let last = r#"[{"set": "db.stock['book']", "to": "= value * 10"}]"#;
    let text =
        world(db, &[("one", "o1", "0s", hold), ("two", "o2", "300ms", next), ("three", "o3", "900ms", last)], "");
    check(&text, &[("db.stock['book']", 210.0)]);
}

#[test]
fn reads_lock_only_when_the_transaction_is_serializable() {
    let steps = |isolation: &str, read: &str| {
        format!(
            r#"[{{"transaction": [{read}, {{"wait": "100ms"}}, {{"set": "db.stock['book']", "to": "= $seen - 1"}}], "isolation": "{isolation}",
            "on": {{"deadlock": [{{"record": "died"}}]}}}}]"#
        )
    };
    let one = r#"{"read": "db.stock['book']", "as": "seen"}"#;
    let both = |isolation: &str, read: &str| orders(STOCK, 2, "1000/s", &steps(isolation, read), "");
    check(&both("read-committed", one), &[("db.stock['book']", 9.0), ("total(died)", 0.0)]);
    check(&both("serializable", one), &[("db.stock['book']", 8.0), ("total(died)", 0.0)]);
    let all =
        r#"{"read": "db.stock[*]", "where": "value > 0", "as": "all"}, {"read": "db.stock['book']", "as": "seen"}"#;
    check(&both("serializable", all), &[("db.stock['book']", 8.0), ("total(died)", 0.0)]);
    // What is not in a transaction reads what is committed, lock or no lock.
    let hold = steps("serializable", one);
    let look = r#"[{"read": "db.stock['book']", "as": "n"}, {"if": "$n == 10", "then": [{"record": "looked"}]}]"#;
    check(&world(STOCK, &[("a", "order", "0s", &hold), ("b", "visit", "50ms", look)], ""), &[("looked.first", 0.05)]);
}

#[test]
fn in_a_circle_of_those_who_wait_the_youngest_dies() {
    let steps = |first: &str, second: &str| {
        format!(
            r#"[{{"transaction": [{{"set": "db.stock['{first}']", "to": "= value - 1"}}, {{"wait": "100ms"}}, {{"set": "db.stock['{second}']", "to": "= value - 1"}}, {{"record": "done"}}],
            "on": {{"deadlock": [{{"record": "died"}}]}}}}]"#
        )
    };
    let (older, younger) = (steps("book", "lamp"), steps("lamp", "book"));
    let expected = [
        ("done.last", 0.1),
        ("died.last", 0.11),
        ("db.deadlocks", 1.0),
        ("db.stock['book']", 9.0),
        ("db.stock['lamp']", 9.0),
    ];
    let text = world(STOCK, &[("a", "order", "0s", &older), ("b", "visit", "10ms", &younger)], "");
    let text = text
        .replace(r#""record": "died""#, r#""record": "died", "key": 1"#)
        .replace(r#""record": "done""#, r#""record": "done", "key": 1"#);
    // The younger closes the circle at 110 ms, and the older, who waits since 100 ms, goes on.
    let expected_here: Vec<_> =
        expected.iter().map(|(name, value)| (*name, if *name == "done.last" { 0.11 } else { *value })).collect();
    check(&text, &expected_here);
    // Here the older closes the circle: the younger dies where it waits.
    let slow = older.replace(r#""wait": "100ms""#, r#""wait": "200ms""#);
    let text = world(STOCK, &[("a", "order", "0s", &slow), ("b", "visit", "10ms", &younger)], "");
    let text = text
        .replace(r#""record": "died""#, r#""record": "died", "key": 1"#)
        .replace(r#""record": "done""#, r#""record": "done", "key": 1"#);
    check(
        &text,
        &[
            ("died.last", 0.2),
            ("done.last", 0.2),
            ("db.deadlocks", 1.0),
            ("db.stock['book']", 9.0),
            ("db.stock['lamp']", 9.0),
        ],
    );
}

#[test]
fn a_deadlock_of_many_ends_and_leaves_no_lock() {
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value - 1"}, {"wait": "7ms"}, {"set": "db.stock['lamp']", "to": "= value - 1"}],
        "retry": {"tries": 50, "wait": "13ms", "factor": 1.3, "jitter": "full", "on": ["deadlock"]}}]"#;
    let back = steps.replace("'book'", "'x'").replace("'lamp'", "'book'").replace("'x'", "'lamp'");
    let workload = format!(
        r#""a": {{"rate": "100/s", "limit": 100, "each": "order", "do": {steps}}}, "b": {{"rate": "100/s", "limit": 100, "each": "visit", "do": {back}}}"#
    );
    let text =
        file(&STOCK.replace(r#""maps""#, r#""workers": 2, "set": "1ms", "commit": "1ms", "maps""#), &workload, "");
    check(&text, &[("db.stock['book']", -190.0), ("db.stock['lamp']", -190.0), ("a.ok", 100.0), ("b.ok", 100.0)]);
}

#[test]
fn lost_before_the_commit_was_sent_is_an_error_and_after_unknown() {
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": 1}, {"record": "sold"}, {"wait": "1s"}, {"set": "db.stock['lamp']", "to": 1}],
        "on": {"error": [{"record": "undone"}], "unknown": [{"record": "perhaps"}]}}]"#;
    let db = STOCK.replace(r#""maps""#, r#""set": "100ms", "commit": "100ms", "maps""#);
    let text = |faults: &str| world(&db, &[("shopper", "order", "0s", steps)], &format!(r#""faults": ["{faults}"]"#));
    let untouched = [("db.stock['book']", 10.0), ("db.stock['lamp']", 10.0), ("total(sold)", 0.0)];
    let with = |more: &[(&'static str, f64)]| [&untouched[..], more].concat();
    // In the middle of the first and of the second operation, in between, and of the commit.
    check(&text("50ms..60ms crash db"), &with(&[("undone.first", 0.05), ("total(perhaps)", 0.0)]));
    check(&text("1150ms..1160ms crash db"), &with(&[("undone.first", 1.15), ("total(perhaps)", 0.0)]));
    check(&text("500ms..600ms crash db"), &with(&[("undone.first", 1.2), ("total(perhaps)", 0.0)]));
    check(&text("1250ms..1260ms crash db"), &with(&[("perhaps.first", 1.25), ("total(undone)", 0.0)]));
    // A group inside that gives up waiting loses nothing but time.
    let tried = steps.replace(
        r#"{"set": "db.stock['lamp']", "to": 1}"#,
        r#"{"try": [{"set": "db.stock['lamp']", "to": 1}], "timeout": "50ms"}"#,
    );
    check(
        &world(&db, &[("shopper", "order", "0s", &tried)], ""),
        &with(&[("undone.first", 1.15), ("db.rollbacks", 1.0)]),
    );
    // What a service was asked is not undone with the rest.
    let asked = steps.replace(r#"{"wait": "1s"}"#, r#"{"call": "bank.slow", "timeout": "1s"}"#);
    check(
        &world(&format!("{db}, {BANK}"), &[("shopper", "order", "0s", &asked)], ""),
        &with(&[("perhaps.first", 1.1), ("total(charged)", 1.0)]),
    );
}

#[test]
fn a_commit_that_is_given_up_may_have_happened() {
    let db = STOCK.replace(r#""maps""#, r#""commit": "1s", "maps""#);
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": 1}, {"record": "sold"}], "timeout": "500ms", "on": {"timeout": [{"record": "gone"}]}}]"#;
    // The store has the commit and goes on with it.
    let expected = [
        ("gone.first", 0.5),
        ("sold.first", 1.0),
        ("db.stock['book']", 1.0),
        ("db.rollbacks", 0.0),
        ("shopper->db.late", 1.0),
    ];
    check(&order(&db, steps), &expected);
    // A commit that never came is given up too.
    let lost = world(&db, &[("shopper", "order", "0s", steps)], r#""faults": ["0s.. loss shopper->db commit 100%"]"#);
    check(&lost, &[("gone.first", 0.5), ("total(sold)", 0.0), ("db.stock['book']", 10.0), ("db.rollbacks", 1.0)]);
}

#[test]
fn a_crash_of_whoever_runs_a_transaction_rolls_it_back() {
    let shop = service(
        "shop",
        "",
        r#""buy": [{"transaction": [{"set": "db.stock['book']", "to": 1}, {"record": "sold"}, {"wait": "1s"}]}]"#,
    );
    let steps = r#"[{"call": "shop.buy", "on": {"reset": []}}]"#;
    let other = r#"[{"set": "db.stock['book']", "to": "= value - 1"}, {"record": "set_at", "key": 1}]"#;
    let text = world(
        &format!("{STOCK}, {shop}"),
        &[("shopper", "order", "0s", steps), ("other", "visit", "100ms", other)],
        r#""network": {"latency": "10ms"}, "faults": ["500ms..600ms crash shop"]"#,
    );
    check(&text, &[("total(sold)", 0.0), ("db.stock['book']", 9.0), ("set_at.first", 0.52), ("db.rollbacks", 1.0)]);
}

#[test]
fn an_operation_that_comes_too_late_opens_no_transaction_again() {
    // The first operation of the transaction is slow on its way; the rollback is not.
    let slow = r#""faults": ["0s.. delay shopper->db set +1s"]"#;
    let steps =
        r#"[{"transaction": [{"set": "db.stock['book']", "to": 1}], "timeout": "500ms", "on": {"timeout": []}}]"#;
    let text = world(STOCK, &[("shopper", "order", "0s", steps)], slow);
    check(&text, &[("db.stock['book']", 10.0), ("shopper->db.late", 1.0)]);
    let caught = r#"[{"transaction": [{"set": "db.stock['book']", "to": 1, "timeout": "500ms", "on": {"timeout": []}}, {"read": "db.stock['lamp']"}, {"record": "sold"}]}]"#;
    let text = world(STOCK, &[("shopper", "order", "0s", caught)], slow);
    check(&text, &[("db.stock['book']", 10.0), ("total(sold)", 1.0), ("shopper->db.late", 1.0)]);
    // Everything is said twice; what comes after the end is nothing.
    let steps = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value - 1"}, {"record": "sold"}]}]"#;
    let text = orders(
        STOCK,
        50,
        "100/s",
        steps,
        r#""network": {"latency": {"uniform": ["1ms", "50ms"]}}, "faults": ["0s.. duplicate shopper->db 100%"]"#,
    );
    check(&text, &[("shopper.unanswered", 0.0)]);
}

#[test]
fn a_transaction_that_wants_a_cell_twice_does_not_wait_for_itself() {
    let hold = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value * 2"}, {"wait": "1s"}]}]"#;
    let twice = r#"[{"transaction": [{"set": "db.stock['book']", "to": "= value + 1", "timeout": "100ms", "on": {"timeout": []}},
        {"set": "db.stock['book']", "to": "= value + 10"}]}, {"record": "done"}]"#;
    let text = world(STOCK, &[("a", "visit", "0s", hold), ("b", "order", "100ms", twice)], "");
    check(&text, &[("db.stock['book']", 31.0), ("done.first", 1.0), ("b->db.late", 1.0)]);
}

#[test]
fn a_transaction_that_never_asked_a_store_needs_no_commit() {
    let steps = r#"[{"transaction": [{"record": "a"}, {"if": "$order == 2", "then": [{"set": "db.stock['book']", "to": 1}]}]}]"#;
    check(
        &orders(STOCK, 2, "1/s", steps, ""),
        &[("total(a)", 2.0), ("db.calls", 2.0), ("shopper->db.calls", 2.0), ("shopper->db.ok", 2.0)],
    );
}
