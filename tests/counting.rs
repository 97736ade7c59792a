//! What is counted of calls: for whom a worker was held, and what went over an edge for each request that asked. Every length of time is
//! constant, so that every figure is worked out by hand.

use faultline_tests::scenarios::written;
use serde_json::{Value, json};
use sim_core::{Seed, Stop};
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Model};

fn model(file: &Value, faults: &[&str]) -> Model {
    let faults = faults.iter().map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    let changes = Changes { faults, ..Changes::default() };
    written(file).model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"))
}

/// Gives a file a metric for each formula and holds it against what it must be. `5s..10s FORMULA` is about that stretch.
#[track_caller]
fn check(file: &Value, faults: &[&str], expected: &[(&str, f64)]) {
    let mut file = file.clone();
    for (number, (formula, _)) in expected.iter().enumerate() {
        file["metrics"][format!("m{number}")] = match formula.split_once(' ') {
            Some((window, formula)) if window.contains("..") => json!({"value": formula, "during": window}),
            _ if formula.ends_with(".first") || formula.ends_with(".last") => json!({"max": formula}),
            _ => json!({"value": formula}),
        };
    }
    let run = model(&file, faults).run(Seed(1), Stop::AtEnd);
    assert!(run.outcome.panic.is_none(), "{:?}", run.outcome.panic);
    let value = |name: String| run.metrics.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
    let seen: Vec<f64> = (0..expected.len()).map(|at| value(format!("m{at}")).unwrap_or(f64::NAN)).collect();
    for ((formula, wanted), is) in expected.iter().zip(&seen) {
        assert!((is - wanted).abs() < 1e-9, "{formula} is {is}, and must be {wanted}; all: {seen:?}\n{file:#}");
    }
}

/// So many users, a second apart, who do these steps with these services.
fn users(count: u32, steps: &Value, nodes: &Value) -> Value {
    json!({
        "faultline": 1, "name": "counting", "until": "100s", "nodes": nodes, "metrics": {},
        "workload": {"user": {"rate": "1/s", "spacing": "even", "limit": count, "each": "order", "do": steps}}
    })
}

/// A service with one endpoint.
fn service(endpoint: &Value, more: &Value) -> Value {
    let mut service = json!({"kind": "service", "endpoints": {"get": endpoint}});
    for (name, value) in more.as_object().expect("fields") {
        service[name] = value.clone();
    }
    service
}

// ── Time for nobody ──

#[test]
fn whoever_loses_a_hedge_works_for_nobody_from_then_on() {
    let file = |clauses: Value| {
        let mut call = json!({"call": "svc.get", "hedge": "50ms"});
        for (name, clause) in clauses.as_object().expect("clauses") {
            call[name] = clause.clone();
        }
        let svc = service(&json!([{"work": "10ms"}, {"reply": 1}]), &json!({"replicas": 2, "honours_cancel": true}));
        users(10, &json!([call]), &json!({"svc": svc}))
    };
    // The first takes 1 s, the second is asked after 50 ms and answers after 60 ms. The work at hand is finished, told or not.
    let slow = &["0s.. slow svc-1 x100"];
    check(&file(json!({})), slow, &[("svc.wasted_time", 9.4), ("svc.wasted", 10.0)]);
    check(&file(json!({"cancel": true})), slow, &[("svc.wasted_time", 9.4), ("svc.wasted", 0.0)]);
    check(&file(json!({})), &[], &[("svc.wasted_time", 0.0)]);
}

#[test]
fn a_branch_that_nobody_waits_for_any_more_works_for_nobody() {
    let nodes = |fields: Value| {
        let body = json!([{"work": "1s"}, {"work": "1s"}, {"work": "1s"}]);
        json!({"quick": service(&json!([{"work": "1500ms"}]), &json!({})), "slow": service(&body, &fields)})
    };
    let file = |clauses: Value, fields: Value| {
        let mut group = json!({"parallel": [[{"call": "quick.get"}], [{"call": "slow.get"}]], "need": 1});
        for (name, clause) in clauses.as_object().expect("clauses") {
            group[name] = clause.clone();
        }
        users(10, &json!([group]), &nodes(fields))
    };
    let honours = json!({"honours_cancel": true});
    check(&file(json!({}), json!({})), &[], &[("slow.wasted_time", 15.0), ("quick.wasted_time", 0.0)]);
    // Told, and not heeded; told, and stopped at the next step.
    check(&file(json!({"cancel": true}), json!({})), &[], &[("slow.wasted_time", 15.0)]);
    check(&file(json!({"cancel": true}), honours), &[], &[("slow.wasted_time", 5.0), ("user->slow.late", 0.0)]);
    // Both are needed: nobody waits in vain.
    let mut both = file(json!({}), json!({}));
    both["workload"]["user"]["do"][0]["need"] = json!("all");
    check(&both, &[], &[("slow.wasted_time", 0.0)]);
}

#[test]
fn a_callee_works_for_nobody_once_its_caller_is_down() {
    let nodes = json!({
        "api": service(&json!([{"call": "svc.get"}]), &json!({})),
        "svc": service(&json!([{"work": "3s"}]), &json!({}))});
    let file = users(1, &json!([{"call": "api.get"}]), &nodes);
    let expected = [("svc.wasted_time", 2.0), ("api.wasted_time", 0.0), ("svc.ok", 1.0)];
    check(&file, &["1s..2s crash api"], &expected);
    check(&file, &["1s..1500ms power-loss api"], &expected);
    // The caller's caller is down: both work for nobody, as long as they work.
    let expected = [("svc.wasted_time", 2.0), ("api.wasted_time", 2.0)];
    check(&file, &["1s..2s crash user"], &expected);
    // A callee that is down works for nobody no longer; its caller learns that and answers.
    check(&file, &["1s..2s crash user", "1500ms..2s crash svc"], &[("svc.wasted_time", 0.5), ("api.wasted_time", 0.5)]);
    // Who stands still waits all the same.
    check(&file, &["1s..2s pause api"], &[("svc.wasted_time", 0.0), ("api.wasted_time", 0.0)]);
}

#[test]
fn time_in_line_is_nobodys_and_time_of_a_worker_is() {
    let file = |svc: Value, timeout: &str| {
        let mut file = users(3, &json!([{"call": "svc.get", "timeout": timeout}]), &json!({"svc": svc}));
        file["workload"]["user"] =
            json!({"users": 3, "limit": 3, "each": "order", "do": file["workload"]["user"]["do"]});
        file
    };
    // The first is half done when it is given up, the others have not begun.
    let one = service(&json!([{"work": "1s"}]), &json!({"workers": 1}));
    check(&file(one, "500ms"), &[], &[("svc.wasted_time", 0.5 + 1.0 + 1.0)]);
    // Who is given up in line and dropped has cost nothing, unless a refusal takes time.
    let drops = json!({"workers": 1, "drop": "expired"});
    check(&file(service(&json!([{"work": "1s"}]), &drops), "500ms"), &[], &[("svc.wasted_time", 0.5)]);
    let refuses = json!({"workers": 1, "drop": "expired", "refusal": "100ms"});
    check(&file(service(&json!([{"work": "1s"}]), &refuses), "500ms"), &[], &[("svc.wasted_time", 0.5 + 0.1 + 0.1)]);
    // An `async` service holds a worker for its work alone.
    let waits = service(&json!([{"wait": "2s"}, {"work": "1s"}]), &json!({"workers": 1, "async": true}));
    check(&file(waits, "1s"), &[], &[("svc.wasted_time", 3.0)]);
}

#[test]
fn who_is_asked_twice_by_one_message_works_for_nobody_once_the_first_has_answered() {
    let svc = service(&json!([{"work": "1s"}]), &json!({"workers": 1}));
    let mut file = users(10, &json!([{"call": "svc.get"}]), &json!({"svc": svc}));
    file["workload"]["user"]["rate"] = json!("20/m");
    check(&file, &["0s.. duplicate user->svc 100%"], &[("svc.calls", 20.0), ("svc.wasted_time", 10.0)]);
}

#[test]
fn what_is_still_at_work_counts_up_to_the_end_of_the_run_and_of_each_stretch() {
    let svc = service(&json!([{"work": "1h"}]), &json!({}));
    let mut file = users(2, &json!([{"call": "svc.get", "timeout": "1s"}]), &json!({"svc": svc}));
    file["until"] = json!("10s");
    let expected = [
        ("svc.wasted_time", 9.0 + 8.0),
        ("0s..1500ms svc.wasted_time", 0.5),
        ("1500ms..3s svc.wasted_time", 1.5 + 1.0),
        // Nothing happens in it.
        ("4s..6s svc.wasted_time", 2.0 + 2.0),
        ("5s..20s svc.wasted_time", 5.0 + 5.0),
        ("10s..20s svc.wasted_time", 0.0),
    ];
    check(&file, &[], &expected);
    file["metrics"] = json!({"when": {"first": "svc.wasted_time >= 1.5"}, "ticks": {"value": "svc.calls"}});
    file["workload"]["tick"] = json!({"rate": "4/s", "spacing": "even", "each": "tick", "do": []});
    // One wastes from 1 s on, two from 2 s on.
    check(&file, &[], &[("when", 2.25)]);
}

#[test]
fn whoever_shares_an_answer_wants_it_too() {
    let api = service(&json!([{"call": "svc.get", "coalesce": "book"}]), &json!({}));
    let nodes = json!({"api": api, "svc": service(&json!([{"work": "5s"}]), &json!({}))});
    let file = |hasty: &str, patient: &str| {
        let mut file = users(1, &json!([{"call": "api.get", "timeout": hasty}]), &nodes);
        let second = json!([{"call": "api.get", "timeout": patient}]);
        file["workload"]["second"] =
            json!({"rate": "1/s", "spacing": "even", "limit": 1, "start": "500ms", "each": "other", "do": second});
        file
    };
    // The first leads and goes after a second, the second came after half of one.
    check(&file("1s", "10s"), &[], &[("svc.calls", 1.0), ("svc.wasted_time", 0.0), ("api.wasted_time", 0.0)]);
    check(&file("1s", "1500ms"), &[], &[("svc.wasted_time", 3.0), ("api.wasted_time", 3.0 + 3.0)]);
    check(&file("10s", "1s"), &[], &[("svc.wasted_time", 0.0), ("api.wasted_time", 3.5)]);
}

#[test]
fn what_is_begun_in_the_background_or_by_the_clock_is_wanted_for_itself() {
    let slow = service(&json!([{"work": "3s"}]), &json!({}));
    let background = service(&json!([{"background": [{"call": "svc.get"}]}, {"work": "2s"}]), &json!({}));
    let file = users(10, &json!([{"call": "api.get", "timeout": "1s"}]), &json!({"api": background, "svc": slow}));
    check(&file, &[], &[("svc.wasted_time", 0.0), ("api.wasted_time", 10.0)]);
    let clock = json!({"kind": "service", "endpoints": {"get": [], "tick": {"every": "10s", "do": [
        {"call": "svc.get", "timeout": "1s", "on": {"else": []}}]}}});
    let file = users(1, &json!([{"call": "api.get"}]), &json!({"api": clock, "svc": slow}));
    // The last tick is the end of the run.
    check(&file, &[], &[("svc.calls", 10.0), ("svc.wasted_time", 9.0 * 2.0), ("api.wasted_time", 0.0)]);
}

/// A store with one map.
fn store(more: &Value) -> Value {
    let mut store = json!({"kind": "store", "maps": {"m": {}}});
    for (name, value) in more.as_object().expect("fields") {
        store[name] = value.clone();
    }
    store
}

#[test]
fn a_store_works_for_nobody_once_whoever_asked_has_gone() {
    let file = |clauses: Value, fields: Value| {
        let mut read = json!({"read": "db.m[$order]", "as": "row"});
        for (name, clause) in clauses.as_object().expect("clauses") {
            read[name] = clause.clone();
        }
        users(10, &json!([read]), &json!({"db": store(&fields)}))
    };
    let hasty = json!({"timeout": "1s"});
    check(&file(hasty.clone(), json!({"read": "3s"})), &[], &[("db.wasted_time", 10.0 * 2.0)]);
    check(&file(json!({}), json!({"read": "3s"})), &[], &[("db.wasted_time", 0.0)]);
    // One worker, and three who come at once: the second and the third have gone before their turn.
    let mut crowd = file(hasty, json!({"read": "3s", "workers": 1}));
    crowd["workload"]["user"] = json!({"users": 3, "limit": 3, "each": "order", "do": crowd["workload"]["user"]["do"]});
    check(&crowd, &[], &[("db.wasted_time", 2.0 + 3.0 + 3.0), ("1s..4s db.wasted_time", 2.0 + 1.0)]);
    // Who waits for a condition holds no worker.
    let waits = json!({"timeout": "1s", "when": "value == 2"});
    check(&file(waits.clone(), json!({})), &[], &[("db.wasted_time", 0.0)]);
    check(&file(waits, json!({"read": "2s"})), &[], &[("db.wasted_time", 10.0)]);
    // The second of two copies; and nobody is there any more, of the store or of those who asked.
    let mut twice = file(json!({}), json!({"read": "1s", "workers": 1}));
    twice["workload"]["user"]["rate"] = json!("20/m");
    check(&twice, &["0s.. duplicate user->db 100%"], &[("db.calls", 20.0), ("db.wasted_time", 10.0)]);
    let mut one = file(json!({}), json!({"read": "3s"}));
    one["workload"]["user"]["limit"] = json!(1);
    check(&one, &["1s..2s crash user"], &[("db.wasted_time", 2.0)]);
    check(&one, &["1s..2s crash user", "1500ms..2s crash db"], &[("db.wasted_time", 0.5)]);
    // It is asked by a service whose caller has gone.
    let api = service(&json!([{"read": "db.m['a']"}, {"work": "1s"}]), &json!({}));
    let nodes = json!({"api": api, "db": store(&json!({"read": "3s"}))});
    let behind = users(10, &json!([{"call": "api.get", "timeout": "1s"}]), &nodes);
    check(&behind, &[], &[("db.wasted_time", 20.0), ("api.wasted_time", 30.0)]);
}

#[test]
fn what_a_transaction_asks_for_is_for_nobody_once_nobody_waits_for_it() {
    let change = |clauses: Value| {
        let mut change = json!({"transaction": [{"set": "db.m[$order]", "to": 1}]});
        for (name, clause) in clauses.as_object().expect("clauses") {
            change[name] = clause.clone();
        }
        change
    };
    let file = |clauses: Value, fields: Value| users(10, &json!([change(clauses)]), &json!({"db": store(&fields)}));
    // Given up in the middle of an operation, and of the commit.
    check(&file(json!({"timeout": "1s"}), json!({"set": "3s"})), &[], &[("db.wasted_time", 20.0)]);
    check(&file(json!({"timeout": "1s"}), json!({"set": "500ms", "commit": "2s"})), &[], &[("db.wasted_time", 15.0)]);
    check(&file(json!({}), json!({"set": "500ms", "commit": "2s"})), &[], &[("db.wasted_time", 0.0)]);
}

#[test]
fn votes_are_for_whoever_waits_for_them_and_what_was_decided_is_told_for_its_own_sake() {
    let file = |user: Value, clauses: Value| {
        let sets = json!([{"set": "a.m[$order]", "to": 1}, {"set": "b.m[$order]", "to": 1}]);
        let mut buy = json!({"transaction": sets, "protocol": "2pc", "resend": "1m"});
        for (name, clause) in clauses.as_object().expect("clauses") {
            buy[name] = clause.clone();
        }
        let mut call = json!({"call": "shop.get"});
        for (name, clause) in user.as_object().expect("clauses") {
            call[name] = clause.clone();
        }
        let nodes = json!({
            "shop": service(&json!([buy]), &json!({})),
            "a": store(&json!({"commit": "1s"})), "b": store(&json!({"commit": "2s"}))});
        users(10, &json!([call]), &nodes)
    };
    let wasted = |user: &str, step: &str, presume: &str, [shop, a, b]: [f64; 3]| {
        let file = file(json!({"timeout": user}), json!({"timeout": step, "presume": presume}));
        let expected = [
            ("shop.wasted_time", 10.0 * shop),
            ("a.wasted_time", 10.0 * a),
            ("b.wasted_time", 10.0 * b),
            ("a.in_doubt", 0.0),
            ("b.in_doubt", 0.0),
        ];
        check(&file, &[], &expected);
    };
    for presume in ["nothing", "abort", "commit"] {
        // a votes after one second, b after two; then all is told.
        wasted("10s", "10s", presume, [0.0, 0.0, 0.0]);
        // The step gives up before anybody has voted, and when one has: what is told then is not in vain.
        wasted("10s", "500ms", presume, [0.0, 0.5, 1.5]);
        wasted("10s", "1500ms", presume, [0.0, 0.0, 0.5]);
        // Its caller gives up, and it goes on: the votes are for nobody, and what is told is not.
        wasted("500ms", "10s", presume, [1.5, 0.5, 1.5]);
        wasted("1500ms", "10s", presume, [0.5, 0.0, 0.5]);
    }
}

// ── Cancelling, down a chain ──

/// A user who waits a second asks b, which would wait five for c, which stalls for three: ten times.
fn chain(user: &Value, b: &Value, call: &Value, c: &Value, stalls: &Value) -> Value {
    let step = |to: &str, clauses: &Value| {
        let mut step = clauses.clone();
        step["call"] = json!(to);
        json!([step])
    };
    let mut call = call.clone();
    call["timeout"] = json!("5s");
    let nodes = json!({"b": service(&step("c.get", &call), b), "c": service(stalls, c)});
    users(10, &step("b.get", user), &nodes)
}

#[test]
fn a_cancel_goes_down_the_chain_as_far_as_it_is_delivered_and_honoured() {
    let (no, told, honours) = (json!({}), json!({"cancel": true}), json!({"honours_cancel": true}));
    let tells = json!({"timeout": "1s", "cancel": true});
    let stalls = json!([{"wait": "3s"}, {"record": "done"}]);
    let wasted = |user: &Value, b: &Value, call: &Value, c: &Value, seconds: [f64; 2]| {
        let file = chain(user, b, call, c, &stalls);
        let expected = [
            ("b.wasted_time", 10.0 * seconds[0]),
            ("c.wasted_time", 10.0 * seconds[1]),
            ("c.calls", 10.0),
            ("user.unknown", 10.0),
            ("b.busy", 0.0),
            ("c.busy", 0.0),
        ];
        check(&file, &[], &expected);
    };
    // Nobody says anything: two of three seconds are for nobody, at b and behind it.
    wasted(&json!({"timeout": "1s"}), &honours, &told, &honours, [2.0, 2.0]);
    // It is said, and b does not mind.
    wasted(&tells, &no, &told, &honours, [2.0, 2.0]);
    // b stops and tells nobody; tells c, which does not mind; tells c, which stops.
    wasted(&tells, &honours, &no, &honours, [0.0, 2.0]);
    wasted(&tells, &honours, &told, &no, [0.0, 2.0]);
    wasted(&tells, &honours, &told, &honours, [0.0, 0.0]);
    // A deadline needs no word: b gives up when it is over, and c stops if it minds.
    let deadline = json!({"deadline": "1s"});
    wasted(&deadline, &no, &no, &no, [0.0, 2.0]);
    wasted(&deadline, &no, &told, &honours, [0.0, 0.0]);
    wasted(&deadline, &no, &no, &honours, [0.0, 0.0]);
    wasted(&deadline, &honours, &no, &no, [0.0, 2.0]);
    wasted(&deadline, &honours, &no, &honours, [0.0, 0.0]);
}

#[test]
fn a_cancel_takes_its_way_and_work_at_hand_is_finished() {
    let (told, honours) = (json!({"cancel": true}), json!({"honours_cancel": true}));
    let tells = json!({"timeout": "1s", "cancel": true});
    let file = |stalls: &Value| chain(&tells, &honours, &told, &honours, stalls);
    // 10 ms to b, and 10 ms more to c.
    let mut far = file(&json!([{"wait": "3s"}]));
    far["network"] = json!({"latency": "10ms"});
    check(&far, &[], &[("b.wasted_time", 10.0 * 0.01), ("c.wasted_time", 10.0 * 0.02)]);
    // Lost on the way to b: nobody stops. Lost on the way to c: b does.
    check(
        &far,
        &["0.5s..100s loss user->b 100%"],
        &[("b.calls", 1.0), ("b.wasted_time", 2.03), ("c.wasted_time", 2.02)],
    );
    check(
        &far,
        &["0.5s..100s loss b->c 100%"],
        &[("b.calls", 10.0), ("b.wasted_time", 10.0 * 0.01), ("c.wasted_time", 2.02)],
    );
    // One piece of work is finished; of pieces of 700 ms the second.
    check(&file(&json!([{"work": "3s"}])), &[], &[("b.wasted_time", 0.0), ("c.wasted_time", 20.0)]);
    let pieces = json!([{"work": "700ms"}, {"work": "700ms"}, {"work": "700ms"}, {"work": "900ms"}]);
    check(&file(&pieces), &[], &[("b.wasted_time", 0.0), ("c.wasted_time", 10.0 * 0.4)]);
}

#[test]
fn a_request_that_is_cancelled_gives_back_all_that_it_holds() {
    // One worker and no line, one permit that comes back with the answer, one connection: the next comes to all of them.
    let tells = json!({"timeout": "900ms", "cancel": true});
    let call = json!({"cancel": true, "bulkhead": {"max": 1, "release": "answer"}});
    let one = json!({"honours_cancel": true, "workers": 1, "queue": 0});
    let stalls = json!([{"wait": "3s"}]);
    let expected =
        [("b.calls", 10.0), ("b.overloaded", 0.0), ("b->c.limited", 0.0), ("c.overloaded", 0.0), ("c.calls", 10.0)];
    check(&chain(&tells, &one, &call, &one, &stalls), &[], &expected);
    // Without, two of three find it busy.
    let dull = json!({"workers": 1, "queue": 0});
    let file = chain(&tells, &dull, &call, &one, &json!([{"wait": "2900ms"}]));
    check(&file, &[], &[("b.calls", 10.0), ("b.overloaded", 6.0)]);
    // What waits for a permit, in a backoff, for a lock of a `once`, or in branches stops too.
    let waiting = [
        json!([{"call": "c.get", "timeout": "5s", "cancel": true}]),
        json!([{"call": "c.get", "timeout": "100ms", "cancel": true, "retry": {"tries": 3, "wait": "10s"}}]),
        json!([{"parallel": [[{"call": "c.get", "cancel": true}], [{"wait": "50s"}]], "need": 1}]),
        json!([{"try": [{"once": "k", "in": "keys", "in_flight": "wait", "do": [{"wait": "50s"}]}]}]),
        json!([{"wait": "50s"}]),
    ];
    for body in waiting {
        let mut file = chain(&tells, &one, &call, &one, &stalls);
        file["nodes"]["b"]["endpoints"]["get"] = body.clone();
        file["nodes"]["b"]["maps"] = json!({"keys": {}});
        check(&file, &[], &[("b.calls", 10.0), ("b.overloaded", 0.0), ("b.wasted_time", 0.0), ("b.busy", 0.0)]);
    }
    // Where one of two branches works, both stop behind that, also if nothing follows there.
    for work in [json!([{"work": "2s"}]), json!([{"work": "2s"}, {"record": "after"}])] {
        let mut file = chain(&tells, &one, &call, &one, &stalls);
        file["workload"]["user"]["limit"] = json!(1);
        file["nodes"]["b"]["endpoints"]["get"] = json!([{"parallel": [work, [{"wait": "50s"}]]}, {"record": "after"}]);
        let expected = [("total(after)", 0.0), ("b.wasted_time", 1.1), ("b.busy", 0.0)];
        check(&file, &[], &expected);
    }
    // Whoever waits in line for a worker of an `async` service leaves the line.
    let mut file = chain(&tells, &json!({"honours_cancel": true, "workers": 1, "async": true}), &call, &one, &stalls);
    file["nodes"]["b"]["endpoints"]["get"] = json!([{"work": "2s"}, {"record": "came"}]);
    let expected = [("b.waiting", 0.0), ("b.busy", 0.0), ("total(came)", 0.0), ("b.wasted_time", 5.0 * 1.1)];
    check(&file, &[], &expected);
}

// ── What goes over an edge for each that asked ──

#[test]
fn who_asks_and_sends_nothing_has_asked_all_the_same() {
    let nodes = |call: Value| json!({"api": service(&json!([call]), &json!({})), "svc": service(&json!([{"work": "10ms"}]), &json!({}))});
    let at_once = |count: u32, call: Value| {
        let mut file = users(count, &json!([{"call": "api.get"}]), &nodes(call));
        file["workload"]["user"] =
            json!({"users": count, "limit": count, "each": "order", "do": file["workload"]["user"]["do"]});
        file
    };
    let of_edge = |calls: f64, other: (&'static str, f64), amplification: f64| {
        [("api->svc.calls", calls), other, ("api->svc.amplification", amplification)]
    };
    // Nine of ten share what one asks.
    let shares = json!({"call": "svc.get", "coalesce": "book"});
    check(&at_once(10, shares), &[], &of_edge(1.0, ("api->svc.coalesced", 9.0), 0.1));
    // One token a minute: one of ten goes.
    let limited = json!({"call": "svc.get", "limiter": {"rate": "1/m", "burst": 1}});
    check(&at_once(10, limited), &[], &of_edge(1.0, ("api->svc.limited", 9.0), 0.1));
    // The second is refused at first and goes as a retry: two went for two.
    let again = json!({"call": "svc.get", "limiter": {"rate": "1/s", "burst": 1},
        "retry": {"tries": 2, "wait": "1s", "on": ["limited"]}});
    check(&at_once(2, again), &[], &of_edge(2.0, ("api->svc.retries", 1.0), 1.0));
    // A bulkhead has one wait and turns away the others.
    let crowded = json!({"call": "svc.get", "bulkhead": {"max": 1}});
    check(&at_once(4, crowded), &[], &of_edge(1.0, ("api->svc.limited", 3.0), 0.25));
}

#[test]
fn who_is_refused_by_a_breaker_has_asked_and_goes_as_a_retry() {
    let breaker = json!({"profile": "failsafe", "delay": "1s"});
    let call = |retry: Value| json!({"call": "svc.get", "breaker": breaker, "retry": retry});
    let file = |retry: Value| {
        let nodes = json!({
            "api": service(&json!([call(retry)]), &json!({})), "svc": service(&json!([{"work": "10ms"}]), &json!({}))});
        let mut file = users(1, &json!([{"call": "api.get"}]), &nodes);
        file["workload"]["second"] = file["workload"]["user"].clone();
        file["workload"]["second"]["start"] = json!("100ms");
        file["workload"]["second"]["each"] = json!("other");
        file
    };
    let fails = &["0s..500ms fail svc.get"];
    // The first fails and opens it; the second sends nothing.
    check(
        &file(Value::Null),
        fails,
        &[("api->svc.calls", 1.0), ("api->svc.open", 1.0), ("api->svc.amplification", 0.5)],
    );
    // At 0.6 s and 0.7 s it is open; at 1.2 s and 1.3 s both go.
    let retry = json!({"tries": 3, "wait": "600ms", "on": ["error"]});
    let expected = [
        ("api->svc.calls", 3.0),
        ("api->svc.retries", 2.0),
        ("api->svc.open", 3.0),
        ("api->svc.amplification", 1.5),
        ("user->api.amplification", 1.0),
    ];
    check(&file(retry), fails, &expected);
}

#[test]
fn what_is_tried_again_by_something_around_is_asked_once() {
    let svc = service(&json!([{"work": "10ms"}]), &json!({}));
    let nodes = |body: Value| json!({"api": service(&body, &json!({})), "svc": svc, "other": svc});
    let file = |body: Value| users(5, &json!([{"call": "api.get"}]), &nodes(body));
    let again = |wait: &str| json!({"tries": 3, "wait": wait, "on": ["error"]});
    // Three tries of three tries.
    let nested = json!([{"try": [{"call": "svc.get", "retry": again("1ms")}], "retry": again("1ms")}]);
    check(&file(nested), &["0s.. fail svc.get"], &[("api->svc.calls", 45.0), ("api->svc.amplification", 9.0)]);
    // It is come to for the first time when the group is tried again: asked once, sent once.
    let behind = json!([{"try": [{"call": "other.get"}, {"call": "svc.get"}], "retry": again("600ms")}]);
    let expected = [
        ("api->other.amplification", 2.0),
        ("api->svc.retries", 1.0),
        ("api->svc.calls", 1.0),
        ("api->svc.amplification", 1.0),
    ];
    let mut one = file(behind);
    one["workload"]["user"]["limit"] = json!(1);
    check(&one, &["0s..500ms fail other.get"], &expected);
    // Branches are in what is tried again, too, and steps that are come to twice for another reason ask twice.
    let branches = json!([{"parallel": [[{"call": "svc.get"}], [{"call": "svc.get"}]], "retry": again("1ms")}]);
    check(&file(branches), &["0s.. fail svc.get"], &[("api->svc.calls", 30.0), ("api->svc.amplification", 3.0)]);
    let store = json!({"db": {"kind": "store", "maps": {"m": {"a": 1, "b": 2, "c": 3}}}, "svc": svc});
    let each =
        json!([{"read": "db.m[*]", "as": "all"}, {"for_each": "item", "in": "$all", "do": [{"call": "svc.get"}]}]);
    check(&users(5, &each, &store), &[], &[("user->svc.calls", 15.0), ("user->svc.amplification", 1.0)]);
    // No time is left: asked, and nothing sent.
    let late = json!([{"work": "1s"}, {"call": "svc.get", "on": {"expired": []}}]);
    let mut late = file(late);
    late["workload"]["user"]["do"][0]["deadline"] = json!("1s");
    check(&late, &[], &[("api->svc.calls", 0.0), ("api->svc.amplification", 0.0)]);
}

#[test]
fn what_a_transaction_and_a_queue_send_is_asked_once_however_often_it_goes() {
    let db = json!({"kind": "store", "maps": {"m": {"a": 1}}});
    let change = json!([{"transaction": [{"set": "db.m['a']", "to": "= value + 1"}]}]);
    check(&users(5, &change, &json!({"db": db})), &[], &[("user->db.calls", 10.0), ("user->db.amplification", 1.0)]);
    // Each message is worked on for longer than it is hidden: it comes again after 1 s, and is done after 1.5 s.
    let worker = json!({"kind": "service", "endpoints": {"do": {"from": "jobs", "do": [{"work": "1500ms"}]}}});
    let nodes = json!({"jobs": {"kind": "queue", "visibility": "1s"}, "worker": worker});
    let mut file = users(5, &json!([{"publish": "jobs"}]), &nodes);
    file["workload"]["user"]["rate"] = json!("6/m");
    let expected =
        [("jobs->worker.calls", 10.0), ("jobs->worker.amplification", 2.0), ("user->jobs.amplification", 1.0)];
    check(&file, &[], &expected);
}

// ── Who refuses, and over how long ──

#[test]
fn what_a_process_refuses_is_none_of_its_calls() {
    let svc = json!({"stop": {"then": "drain"}, "discovery": "1h"});
    let file = users(5, &json!([{"call": "svc.get"}]), &json!({"svc": service(&json!([{"work": "10s"}]), &svc)}));
    let expected = [("svc.calls", 3.0), ("svc.refused", 2.0), ("user->svc.calls", 5.0), ("user->svc.error", 2.0)];
    check(&file, &["2500ms.. stop svc"], &expected);
    let boots = service(&json!([{"work": "10ms"}]), &json!({"boot": "10s"}));
    let file = users(5, &json!([{"call": "svc.get"}]), &json!({"svc": boots}));
    check(&file, &["2500ms..2700ms crash svc"], &expected);
}

#[test]
fn what_is_offered_is_divided_by_the_length_of_the_run_and_not_by_its_last_event() {
    let svc = service(&json!([{"work": "1s"}]), &json!({}));
    let mut file = users(10, &json!([{"call": "svc.get"}]), &json!({"svc": svc}));
    file["until"] = json!("20s");
    file["metrics"] = json!({"asked": {"rate": "user.requests"}, "served": {"rate": "svc.ok", "during": "5s..15s"}});
    let expected = [
        ("user.offered", 0.5),
        ("user.goodput", 0.5),
        ("asked", 0.5),
        ("0s..10s user.offered", 1.0),
        ("5s..15s user.offered", 0.5),
        // From 5 s, with what was begun at 4 s, to 10 s.
        ("served", 0.6),
        ("0s..40s user.offered", 0.5),
    ];
    check(&file, &[], &expected);
    // Without an `until` it is over when nothing is left to happen.
    file.as_object_mut().expect("a file").remove("until");
    check(&file, &[], &[("user.offered", 1.0), ("asked", 1.0)]);
}

#[test]
fn what_a_guard_around_a_group_refuses_is_counted_of_its_node() {
    let file = |clause: &str, guard: Value, is_group: bool| {
        let mut step = if is_group { json!({"try": [{"call": "svc.get"}]}) } else { json!({"call": "svc.get"}) };
        step[clause] = guard;
        let svc = service(&json!([{"work": "2500ms"}]), &json!({}));
        users(10, &json!([{"call": "api.get"}]), &json!({"api": service(&json!([step]), &json!({})), "svc": svc}))
    };
    // One of three goes.
    let one = json!({"max": 1});
    let expected =
        |edge: f64| [("api.limited", 6.0), ("api.open", 0.0), ("api->svc.limited", edge), ("svc.calls", 4.0)];
    check(&file("bulkhead", one.clone(), true), &[], &expected(0.0));
    check(&file("bulkhead", one.clone(), false), &[], &expected(6.0));
    let fails = &["0s.. fail svc.get"];
    let breaker = json!({"profile": "failsafe", "delay": "1h"});
    let expected = |edge: f64| [("api.limited", 0.0), ("api.open", 9.0), ("api->svc.open", edge), ("svc.calls", 1.0)];
    check(&file("breaker", breaker.clone(), true), fails, &expected(0.0));
    check(&file("breaker", breaker, false), fails, &expected(9.0));
    // It is told where there is such a guard, and a workload's own counts too.
    let told = |file: &Value| -> Vec<String> {
        let counters = model(file, &[]).run(Seed(1), Stop::AtEnd).counters;
        counters
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| name == "api.limited" || name == "user.limited")
            .collect()
    };
    assert_eq!(told(&file("bulkhead", one.clone(), true)), ["api.limited", "user.limited"]);
    assert!(told(&file("bulkhead", one.clone(), false)).is_empty());
    let mut own = users(
        10,
        &json!([{"try": [{"call": "svc.get"}], "bulkhead": one}]),
        &json!({"svc": service(&json!([{"work": "2500ms"}]), &json!({}))}),
    );
    own["until"] = json!("50s");
    check(&own, &[], &[("user.limited", 6.0), ("user.shed", 6.0), ("user.open", 0.0)]);
}
