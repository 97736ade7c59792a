//! At most one run for each key.

use sim_core::{Seed, Stop};

use super::{NULL, STOCK, check, measured, order, orders, service, world};

/// Two calls 100 ms apart of an endpoint whose `once` works for a second, and a third after ten.
fn thrice(clauses: &str, inside: &str, store: bool) -> String {
    let map = if store { "db.keys" } else { "keys" };
    let bank = service(
        "bank",
        r#""maps": {"keys": {}},"#,
        &format!(r#""pay": [{{"once": "$key", "in": "{map}", {clauses} "do": [{inside}]}}, {{"record": "after"}}]"#),
    );
    let call = r#"{"call": "bank.pay", "with": {"key": "k"}, "on": {"in_flight": [{"record": "busy"}], "declined": [{"record": "no"}], "ok": [{"record": "yes"}]}}"#;
    let steps = format!(r#"[{{"parallel": [[{call}], [{{"wait": "100ms"}}, {call}]]}}, {{"wait": "9s"}}, {call}]"#);
    order(&format!("{STOCK}, {bank}"), &steps)
}

const WORKS: &str = r#"{"work": "1s"}, {"record": "did"}"#;

#[test]
fn once_runs_its_steps_once_per_key_and_replays_what_came_of_it() {
    for store in [false, true] {
        let cell = if store { "db.keys['k'] == 'DONE'" } else { "bank.keys['k'] == 'DONE'" };
        let conflict = [
            ("total(did)", 1.0),
            ("busy.last", 0.1),
            ("total(yes)", 2.0),
            ("total(after)", 2.0),
            ("yes.last", 10.0),
            (cell, 1.0),
        ];
        check(&thrice("", WORKS, store), &conflict);
        let wait = [
            ("total(did)", 1.0),
            ("total(busy)", 0.0),
            ("total(yes)", 3.0),
            ("after.first", 1.0),
            ("yes.last", 10.0),
            (cell, 1.0),
        ];
        check(&thrice(r#""in_flight": "wait","#, WORKS, store), &wait);
        let ignore = [("total(did)", 2.0), ("did.last", 1.1), ("total(yes)", 3.0), (cell, 1.0)];
        check(&thrice(r#""in_flight": "ignore","#, WORKS, store), &ignore);
    }
}

#[test]
fn a_null_key_is_just_done() {
    for store in [false, true] {
        let text = thrice("", WORKS, store).replace(r#""key": "k""#, r#""key": null"#);
        check(&text, &[("total(did)", 3.0), ("db.calls", 0.0), ("total(yes)", 3.0)]);
    }
}

#[test]
fn once_keeps_reply_and_fail_and_replays_the_ending_too() {
    for store in [false, true] {
        let reply = thrice(r#""in_flight": "wait","#, r#"{"work": "1s"}, {"record": "did"}, {"reply": "x"}"#, store);
        check(&reply, &[("total(did)", 1.0), ("total(after)", 0.0), ("total(yes)", 3.0)]);
        let fail =
            thrice(r#""in_flight": "wait","#, r#"{"work": "1s"}, {"record": "did"}, {"fail": "declined"}"#, store);
        let cell = if store { "db.keys['k'] == 'FAILED'" } else { "bank.keys['k'] == 'FAILED'" };
        check(&fail, &[("total(did)", 1.0), ("total(after)", 0.0), ("total(no)", 3.0), (cell, 1.0)]);
        let forget = thrice(r#""keep": ["ok"],"#, r#"{"work": "1s"}, {"record": "did"}, {"fail": "declined"}"#, store);
        let cell = if store { "db.keys['k']" } else { "bank.keys['k']" };
        check(&forget, &[("total(did)", 2.0), ("total(busy)", 1.0), ("total(no)", 2.0), (cell, NULL)]);
    }
}

#[test]
fn a_finished_key_is_forgotten_after_its_ttl_and_a_running_one_taken_over_after_its_lock() {
    for store in [false, true] {
        check(&thrice(r#""ttl": "9100ms","#, WORKS, store), &[("total(did)", 1.0)]);
        check(&thrice(r#""ttl": "5s","#, WORKS, store), &[("total(did)", 2.0), ("did.last", 11.0)]);
        // The second takes over at 500 ms, or holds until then; each then works for a second.
        check(&thrice(r#""lock": "50ms","#, WORKS, store), &[("total(did)", 2.0), ("did.last", 1.1)]);
        check(
            &thrice(r#""lock": "500ms", "in_flight": "wait","#, WORKS, store),
            &[("total(did)", 2.0), ("did.last", 1.5)],
        );
    }
}

#[test]
fn an_unknown_outcome_leaves_the_key_running() {
    for store in [false, true] {
        let unknown = r#"{"record": "did"}, {"set": "db.stock['book']", "to": 1, "timeout": "100us"}"#;
        let text = thrice(r#""lock": "5s","#, unknown, store);
        let text = text.replace(r#""ok": [{"record": "yes"}]"#, r#""ok": [{"record": "yes"}], "unknown": []"#);
        let text = text.replace(r#""maps": {"stock""#, r#""set": "1ms", "maps": {"stock""#);
        let cell = if store { "db.keys['k'] == 'RUNNING'" } else { "bank.keys['k'] == 'RUNNING'" };
        check(&text, &[("total(did)", 2.0), ("total(busy)", 1.0), ("total(yes)", 0.0), (cell, 1.0)]);
    }
}

#[test]
fn a_key_that_is_held_is_held_to_the_end_of_the_timeout_and_no_longer() {
    for store in [false, true] {
        let text = thrice(
            r#""in_flight": "wait", "timeout": "300ms", "on": {"timeout": [{"fail": "declined"}]},"#,
            r#"{"work": "100ms"}, {"work": "5s"}"#,
            store,
        );
        check(&text, &[("total(no)", 3.0), ("no.last", 9.7)]);
    }
}

#[test]
fn a_crash_leaves_the_key_running_in_a_map_and_forgets_it_in_memory() {
    let bank = |map: &str| {
        service(
            "bank",
            &format!(r#""{map}": {{"keys": {{}}}},"#),
            r#""pay": [{"once": "$order", "in": "keys", "do": [{"work": "1s"}, {"record": "did"}]}]"#,
        )
    };
    let steps = r#"[{"call": "bank.pay", "on": {"reset": []}}, {"wait": "2s"}, {"call": "bank.pay", "on": {"in_flight": [{"record": "busy"}]}}]"#;
    let text = |map| world(&bank(map), &[("shopper", "order", "0s", steps)], r#""faults": ["500ms..1s crash bank"]"#);
    check(&text("maps"), &[("total(did)", 0.0), ("busy.last", 2.5)]);
    check(&text("memory"), &[("did.last", 3.5), ("total(busy)", 0.0)]);
}

#[test]
fn a_waiter_of_once_that_gave_up_wakes_nothing_else() {
    // The first holds the key for 2 s; the second waits for it, gives up, and works where its timer was.
    let bank = service(
        "bank",
        r#""maps": {"keys": {}},"#,
        r#""pay": [{"once": "k", "in": "keys", "in_flight": "wait", "timeout": "${t}", "do": [{"work": "2s"}], "on": {"timeout": [{"work": "10s"}]}}, {"record": "after"}]"#,
    );
    let text = orders(&bank, 2, "10/s", r#"[{"call": "bank.pay"}]"#, r#""settings": {"t": {"default": "3s"}}"#);
    check(&text, &[("min after.first", 2.0), ("max after.last", 2.0)]);
    let bank = service(
        "bank",
        r#""maps": {"keys": {}},"#,
        r#""hold": [{"once": "k", "in": "keys", "do": [{"work": "2s"}]}],
           "pay": [{"once": "k", "in": "keys", "in_flight": "wait", "timeout": "500ms", "do": [], "on": {"timeout": []}}, {"work": "10s"}, {"record": "after"}]"#,
    );
    let text = world(
        &bank,
        &[("a", "visit", "0s", r#"[{"call": "bank.hold"}]"#), ("b", "order", "100ms", r#"[{"call": "bank.pay"}]"#)],
        "",
    );
    check(&text, &[("after.first", 10.6)]);
}

#[test]
fn once_inside_a_transaction_commits_with_the_rest() {
    let buy = |end: &str| {
        format!(
            r#"[{{"transaction": [{{"once": "k", "in": "db.keys", "do": [{{"set": "db.stock['book']", "to": "= value - 1"}}, {{"record": "did"}}]}}, {end}],
            "on": {{"no": [], "unmet": []}}}}]"#
        )
    };
    let (good, bad) = (buy(r#"{"wait": "1s"}"#), buy(r#"{"set": "db.stock['lamp']", "to": 1, "where": "value == 0"}"#));
    check(
        &orders(STOCK, 3, "10/s", &good, ""),
        &[("total(did)", 1.0), ("db.stock['book']", 9.0), ("db.keys['k'] == 'DONE'", 1.0)],
    );
    check(
        &orders(STOCK, 3, "10/s", &bad, ""),
        &[("total(did)", 0.0), ("db.stock['book']", 10.0), ("db.keys['k']", NULL)],
    );
    // A key that runs outside of the transaction is not finished inside of it.
    let outside = r#"[{"once": "k", "in": "db.keys", "do": [{"wait": "1s"}, {"record": "outside"}]}]"#;
    for (in_flight, did) in [("conflict", 0.0), ("wait", 0.0), ("ignore", 1.0)] {
        let inside = good
            .replace(r#""in": "db.keys","#, &format!(r#""in": "db.keys", "in_flight": "{in_flight}","#))
            .replace(r#""no": []"#, r#""in_flight": [{"record": "busy"}]"#);
        let text = world(STOCK, &[("a", "visit", "0s", outside), ("b", "order", "100ms", &inside)], "");
        let busy = if in_flight == "conflict" { 1.0 } else { 0.0 };
        check(
            &text,
            &[("total(did)", did), ("total(busy)", busy), ("outside.last", 1.0), ("db.keys['k'] == 'DONE'", 1.0)],
        );
    }
}

#[test]
fn the_store_of_a_once_that_is_gone_at_its_end_leaves_what_was_done_unknown() {
    let bank =
        service("bank", "", r#""pay": [{"once": "k", "in": "db.keys", "do": [{"work": "1s"}, {"record": "did"}]}]"#);
    let steps = r#"[{"call": "bank.pay", "on": {"unknown": [{"record": "perhaps"}], "error": [{"record": "wrong"}]}}]"#;
    let text =
        world(&format!("{STOCK}, {bank}"), &[("shopper", "order", "0s", steps)], r#""faults": ["500ms..2s crash db"]"#);
    check(
        &text,
        &[("total(did)", 1.0), ("total(perhaps)", 1.0), ("total(wrong)", 0.0), ("db.keys['k'] == 'RUNNING'", 1.0)],
    );
}

#[test]
fn what_begins_a_once_in_a_store_and_what_ends_it_are_lost_apart() {
    let steps =
        r#"[{"once": "$order", "in": "db.keys", "do": [{"record": "did"}], "timeout": "1s", "on": {"timeout": []}}]"#;
    let text = orders(STOCK, 1000, "100/s", steps, r#""faults": ["0s.. loss shopper->db 30%"]"#);
    let run = measured(&text, &["total(did)", "shopper->db.unknown", "shopper->db.calls"]).run(Seed(0), Stop::AtEnd);
    let [did, unknown, calls] = [0, 1, 2].map(|index: usize| run.metrics[index].1.expect("a count"));
    assert_eq!(calls, 1000.0 + did);
    // Of those whose beginning arrived, the end of three in ten is lost.
    let lost_ends = unknown - (1000.0 - did);
    assert!((0.24..0.36).contains(&(lost_ends / did)), "{lost_ends} of {did}");
}
