//! Who gets a worker and for how long, what a cancel stops, and what a crash takes.

use super::{BANK, check, order, orders, service, world};

// ---- Workers ----

#[test]
fn a_worker_is_held_to_the_end_of_the_steps_and_the_line_is_first_come_first_served() {
    let nodes = service("bank", r#""workers": 1,"#, r#""pay": [{"work": "1s"}, {"record": "paid"}]"#);
    let text = orders(&nodes, 3, "10/s", r#"[{"call": "bank.pay"}]"#, "");
    let expected = [("max paid.last", 3.0), ("min paid.last", 1.0), ("sum paid.last * $order", 14.0)];
    check(&text, &expected);
    let two = text.replace(r#""workers": 1"#, r#""workers": 2"#);
    check(&two, &[("sum paid.last", 1.0 + 1.1 + 2.0)]);
}

#[test]
fn waiting_for_others_holds_the_worker_unless_the_service_is_async() {
    let bank = service("bank", "", r#""pay": [{"work": "1s"}]"#);
    let steps =
        r#""pay": [{"work": "100ms"}, {"call": "bank.pay"}, {"wait": "50ms"}, {"work": "100ms"}, {"record": "paid"}]"#;
    let nodes = |fields: &str| format!("{bank}, {}", service("shop", fields, steps));
    let text = |fields: &str| orders(&nodes(fields), 3, "10/s", r#"[{"call": "shop.pay"}]"#, "");
    check(&text(r#""workers": 1,"#), &[("min paid.last", 1.25), ("max paid.last", 3.75)]);
    // The three work one after the other from 0, 0.1 and 0.2 s on, and again from 1.15, 1.25 and 1.35 s on.
    check(&text(r#""workers": 1, "async": true,"#), &[("min paid.last", 1.25), ("max paid.last", 1.45)]);
}

#[test]
fn an_async_service_lets_work_wait_in_line() {
    let nodes = service(
        "shop",
        r#""workers": 1, "async": true,"#,
        r#""pay": [{"work": "1s"}, {"work": "1s"}, {"record": "paid"}]"#,
    );
    let text = orders(&nodes, 2, "10/s", r#"[{"call": "shop.pay"}]"#, "");
    // They take turns: 0-1 the first, 1-2 the second, 2-3 the first, 3-4 the second.
    check(&text, &[("min paid.last", 3.0), ("max paid.last", 4.0)]);
    let steps = r#"[{"call": "shop.pay", "on": {"overloaded": [{"record": "away"}]}}]"#;
    let bound = orders(&nodes.replace(r#""async""#, r#""queue": 0, "async""#), 2, "10/s", steps, "");
    check(&bound, &[("total(paid)", 1.0), ("away.last", 0.1)]);
}

#[test]
fn work_that_stops_where_it_waits_for_a_worker_leaves_the_line() {
    let nodes = service(
        "shop",
        r#""workers": 1, "async": true,"#,
        r#""pay": [{"try": [{"work": "1s"}, {"record": "worked"}], "timeout": "500ms", "on": {"timeout": [{"record": "gone"}]}}, {"record": "after"}],
           "hog": [{"work": "2s"}, {"record": "hogged"}]"#,
    );
    let text = world(
        &nodes,
        &[
            ("hogger", "visit", "0s", r#"[{"call": "shop.hog"}]"#),
            ("shopper", "order", "100ms", r#"[{"call": "shop.pay"}]"#),
        ],
        "",
    );
    check(&text, &[("gone.first", 0.6), ("total(worked)", 0.0), ("after.first", 0.6), ("hogged.first", 2.0)]);
    let alone = world(&nodes, &[("shopper", "order", "0s", r#"[{"call": "shop.pay"}, {"call": "shop.hog"}]"#)], "");
    // Work that is stopped gives its worker back.
    check(&alone, &[("gone.first", 0.5), ("hogged.first", 2.5), ("total(worked)", 0.0)]);
}

#[test]
fn a_full_line_turns_away_and_a_line_of_none_at_once() {
    let nodes = |queue: u32| {
        service(
            "bank",
            &format!(r#""workers": 1, "queue": {queue},"#),
            r#""pay": [{"work": "1s"}, {"record": "paid"}]"#,
        )
    };
    let steps = r#"[{"call": "bank.pay", "on": {"overloaded": [{"record": "away"}]}}]"#;
    let text = |queue| orders(&nodes(queue), 5, "10/s", steps, "");
    check(&text(0), &[("total(paid)", 1.0), ("total(away)", 4.0), ("bank.overloaded", 4.0), ("max away.last", 0.4)]);
    check(&text(2), &[("total(paid)", 3.0), ("total(away)", 2.0), ("max paid.last", 3.0), ("min away.last", 0.3)]);
}

#[test]
fn a_long_line_of_short_requests_is_served_without_end() {
    let nodes =
        service("bank", r#""workers": 1,"#, r#""hog": [{"work": "100s"}], "pay": [{"record": "paid"}, {"reply": 1}]"#);
    let text = orders(
        &nodes,
        20_000,
        "1000/s",
        r#"[{"if": "$order == 1", "then": [{"call": "bank.hog"}], "else": [{"call": "bank.pay"}]}]"#,
        "",
    );
    check(&text, &[("total(paid)", 19_999.0), ("min paid.first", 100.0), ("max paid.last", 100.0)]);
}

#[test]
fn a_request_whose_caller_gave_up_is_served_unless_drop_is_expired() {
    let nodes = |drop: &str| {
        service(
            "bank",
            &format!(r#""workers": 1, "drop": "{drop}","#),
            r#""pay": [{"work": "1s"}, {"record": "paid"}]"#,
        )
    };
    for call in [
        r#"[{"call": "bank.pay", "timeout": "1500ms", "on": {"timeout": []}}]"#,
        // Whoever gives up a group gives up what it waits for.
        r#"[{"try": [{"call": "bank.pay"}], "timeout": "1500ms", "on": {"timeout": []}}]"#,
        r#"[{"parallel": [[{"call": "bank.pay", "deadline": "3s"}]], "timeout": "1500ms", "on": {"timeout": []}}]"#,
    ] {
        let text = |drop| orders(&nodes(drop), 4, "10/s", call, "");
        check(&text("none"), &[("total(paid)", 4.0), ("bank.dropped", 0.0), ("bank.wasted", 3.0)]);
        // The second begins at 1 s, in time, and ends at 2 s, late; the others are dropped then.
        let expected = [("total(paid)", 2.0), ("bank.dropped", 2.0), ("bank.wasted", 3.0), ("shopper->bank.late", 3.0)];
        check(&text("expired"), &expected);
    }
}

// ---- Cancelling ----

#[test]
fn a_callee_that_honours_cancel_stops_at_its_next_step_and_what_it_recorded_stands() {
    let body = r#""pay": [{"record": "began"}, {"work": "1s"}, {"record": "middle"}, {"work": "1s"}, {"record": "end"}], "look": [{"record": "looked"}]"#;
    let nodes = |fields: &str| service("bank", &format!(r#"{fields} "workers": 1,"#), body);
    let text = |fields: &str, cancel: &str| {
        let steps = format!(
            r#"[{{"call": "bank.pay", "timeout": "500ms", {cancel} "on": {{"timeout": []}}}}, {{"call": "bank.look"}}]"#
        );
        order(&nodes(fields), &steps)
    };
    let (honours, tells) = (r#""honours_cancel": true,"#, r#""cancel": true,"#);
    let stopped = [("total(began)", 1.0), ("total(middle)", 0.0), ("looked.first", 1.0), ("shopper->bank.late", 0.0)];
    check(&text(honours, tells), &stopped);
    let served = [("total(began)", 1.0), ("end.first", 2.0), ("looked.first", 2.0), ("shopper->bank.late", 1.0)];
    check(&text("", tells), &served);
    check(&text(honours, ""), &served);
}

#[test]
fn cancelling_a_group_tells_all_it_waits_for() {
    let nodes = service("bank", r#""honours_cancel": true,"#, r#""pay": [{"work": "1s"}, {"record": "paid"}]"#);
    for group in
        [r#"{"try": [{"call": "bank.pay"}]"#, r#"{"parallel": [[{"call": "bank.pay"}], [{"call": "bank.pay"}]]"#]
    {
        let steps = format!(r#"[{group}, "timeout": "500ms", "cancel": true, "on": {{"timeout": []}}}}]"#);
        check(&order(&nodes, &steps), &[("total(paid)", 0.0), ("shopper->bank.late", 0.0)]);
    }
}

#[test]
fn what_is_background_is_not_cancelled() {
    let nodes = service(
        "bank",
        r#""honours_cancel": true,"#,
        r#""pay": [{"background": [{"work": "2s"}, {"record": "behind"}]}, {"work": "1s"}, {"record": "paid"}]"#,
    );
    let steps = r#"[{"call": "bank.pay", "timeout": "500ms", "cancel": true, "on": {"timeout": []}}]"#;
    check(&order(&nodes, steps), &[("total(paid)", 0.0), ("behind.first", 2.0)]);
}

#[test]
fn a_request_that_is_cancelled_in_line_stops_at_its_first_step() {
    let nodes =
        service("bank", r#""honours_cancel": true, "workers": 1,"#, r#""pay": [{"record": "began"}, {"work": "1s"}]"#);
    let steps = r#"[{"call": "bank.pay", "timeout": "500ms", "cancel": true, "on": {"timeout": []}}]"#;
    check(&orders(&nodes, 3, "10/s", steps, ""), &[("total(began)", 1.0)]);
}

// ---- Crashes ----

#[test]
fn a_crash_takes_steps_lines_and_memory_and_leaves_maps_and_facts() {
    let nodes = service(
        "bank",
        r#""workers": 1, "maps": {"kept": {}}, "memory": {"seen": {}},"#,
        r#""pay": [{"set": "kept['n']", "to": "= value + 1"}, {"set": "seen['n']", "to": "= value + 1"}, {"record": "began"}, {"work": "1s"}, {"record": "paid"}],
           "look": [{"read": "seen['n']", "as": "n"}, {"if": "$n == null", "then": [{"record": "forgotten"}]}]"#,
    );
    let steps =
        r#"[{"call": "bank.pay", "on": {"reset": [{"record": "reset"}]}}, {"wait": "5s"}, {"call": "bank.look"}]"#;
    let text = orders(&nodes, 2, "10/s", steps, r#""faults": ["500ms..2s crash bank"]"#);
    let expected = [
        ("total(began)", 1.0),
        ("total(paid)", 0.0),
        ("total(reset)", 2.0),
        ("max reset.last", 0.5),
        ("bank.kept['n']", 1.0),
        ("total(forgotten)", 2.0),
        ("shopper->bank.unknown", 2.0),
        ("bank.crashes", 1.0),
    ];
    check(&text, &expected);
    // The news travels over the link, and a cut link brings none.
    let far = text.replace(r#""faults""#, r#""network": {"latency": "100ms"}, "faults""#);
    check(&far, &[("total(reset)", 2.0), ("max reset.last", 0.6)]);
    let cut = text
        .replace(r#""faults": ["#, r#""faults": ["400ms..1s cut bank->shopper", "#)
        .replace(r#""call": "bank.pay","#, r#""call": "bank.pay", "timeout": "3s","#);
    let cut = cut.replace(r#""reset": [{"record": "reset"}]"#, r#""timeout": [{"record": "gone"}]"#);
    check(&cut, &[("total(gone)", 2.0), ("min gone.last", 3.0)]);
}

#[test]
fn nobody_listed_is_refused_at_once_and_a_stopped_process_over_the_link() {
    let steps = r#"[{"call": "bank.good", "on": {"refused": [{"record": "nobody"}]}}]"#;
    let network = r#""network": {"latency": "100ms"}, "faults""#;
    let text = world(BANK, &[("shopper", "order", "1s", steps)], &format!(r#"{network}: ["500ms..2s crash bank"]"#));
    check(
        &text,
        &[
            ("nobody.first", 1.0),
            ("shopper->bank.calls", 1.0),
            ("shopper->bank.error", 1.0),
            ("bank.refused", 1.0),
            ("bank.calls", 0.0),
        ],
    );
    // It stops while the request is on its way.
    let text = world(BANK, &[("shopper", "order", "1s", steps)], &format!(r#"{network}: ["1050ms..2s crash bank"]"#));
    check(&text, &[("nobody.first", 1.2), ("bank.refused", 1.0)]);
}

#[test]
fn an_answer_to_an_earlier_life_of_the_caller_is_nobodys() {
    let nodes = format!("{BANK}, {}", service("shop", "", r#""pay": [{"call": "bank.slow"}, {"record": "paid"}]"#));
    let text = world(
        &nodes,
        &[("shopper", "order", "0s", r#"[{"call": "shop.pay", "on": {"reset": []}}]"#)],
        r#""faults": ["1s..1500ms crash shop"]"#,
    );
    check(&text, &[("total(paid)", 0.0), ("total(charged)", 1.0), ("shop->bank.late", 1.0)]);
}

#[test]
fn at_start_runs_after_each_start_and_every_never_twice_at_once_and_on_replica_1() {
    let clocked = |fields: &str, clock: &str| {
        let body = format!(
            r#""tick": {{{clock}, "do": [{{"record": "began", "key": 1}}, {{"work": "2500ms"}}, {{"record": "ended", "key": 1}}]}}"#
        );
        service("shop", fields, &body)
    };
    let text =
        |nodes: &str, rest: &str| world(nodes, &[("shopper", "order", "0s", "[]")], &format!(r#""until": "8s"{rest}"#));
    let every = clocked(r#""replicas": 3,"#, r#""every": "1s""#);
    // At 1, 4 and 7 s: those between find the last one still running.
    check(&text(&every, ""), &[("total(began)", 3.0), ("began.last", 7.0), ("total(ended)", 2.0)]);
    let start = clocked("", r#""at_start": true"#);
    check(
        &text(&start, r#", "faults": ["4s..5s crash shop"]"#),
        &[("total(began)", 2.0), ("began.last", 5.0), ("total(ended)", 2.0)],
    );
    let both = clocked("", r#""at_start": true, "every": "3s""#);
    check(&text(&both, ""), &[("total(began)", 3.0), ("began.last", 6.0)]);
}
