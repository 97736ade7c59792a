//! Sagas: all parts, or those that were done and their undos in reverse, whoever fails, is lost or crashes; and how each wrong
//! way of doing it leaks.

use faultline_tests::scenarios::{keeps_its_word, over_seeds, remedied, written};
use faultline_tests::sources::workspace;
use serde_json::{Value, json};
use sim_core::{Seed, Stop, Verdict};
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Run, Scenario};

/// A shop whose one endpoint is a saga over three services, each of which does its thing once per order and takes it back once.
fn file(saga: &Value) -> Value {
    let service = |fact: &str, doing: Value| {
        json!({"kind": "service", "maps": {"keys": {}, "tries": {}}, "endpoints": {
            "do": [{"set": "tries[$order]", "to": "= value + 1", "as": "number"},
                {"once": "$order", "in": "keys", "do": [doing, {"record": fact}]}],
            "undo": [{"set": "keys[$order]", "to": "BACK", "where": "value != null && value != 'BACK'", "on": {"unmet": [{"reply": "NOTHING"}]}},
                {"undo": fact}, {"record": format!("un{fact}")}]}})
    };
    let works = |length: &str| json!({"work": length});
    json!({
        "faultline": 1, "name": "sagas", "until": "60s", "network": {"latency": "1ms"},
        "nodes": {
            "shop": {"kind": "service", "maps": {"log": {}}, "endpoints": {"buy": [saga, {"record": "placed"}, {"reply": "PLACED"}]}},
            "a": service("a", works("10ms")), "b": service("b", works("10ms")), "c": service("c", works("10ms"))
        },
        "workload": {"buyer": {"rate": "1/s", "spacing": "even", "limit": 1, "each": "order", "do": [{"call": "shop.buy",
            "on": {"ok": [{"record": "fine"}], "error": [{"record": "failed"}], "unknown": [{"record": "lost"}]}}]}},
        "metrics": {"stuck": {"value": "shop.sagas_stuck"}},
        "properties": {"all or nothing": {"all_or_nothing": ["a", "b", "c"], "within": "30s"}}
    })
}

/// Three parts, of which the last may have more.
fn parts(last: &Value) -> Value {
    let part = |node: &str| json!({"do": [{"call": format!("{node}.do"), "timeout": "1s"}], "undo": [{"call": format!("{node}.undo"), "timeout": "1s"}]});
    json!([part("a"), part("b"), last])
}

fn saga(more: &Value) -> Value {
    let mut saga = json!({"saga": parts(&json!({"do": [{"call": "c.do", "timeout": "1s"}]})), "id": "s"});
    for (name, value) in more.as_object().expect("clauses") {
        saga[name] = value.clone();
    }
    saga
}

fn ran(file: &Value, faults: &[&str]) -> Run {
    let faults = faults.iter().map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    let changes = Changes { faults, ..Changes::default() };
    let model = written(file).model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"));
    model.run(Seed(3), Stop::AtEnd)
}

/// The facts that stand at the end, in the order of their names, and how many sagas are stuck.
fn stands(file: &Value, faults: &[&str]) -> String {
    let mut file = file.clone();
    let text = file["nodes"].to_string() + &file["workload"].to_string();
    let mut facts: Vec<String> =
        text.split("\"record\":\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect();
    facts.sort();
    facts.dedup();
    for fact in &facts {
        file["metrics"][format!("of_{fact}")] = json!({"value": format!("total({fact})")});
    }
    let run = ran(&file, faults);
    let metric = |name: &str| run.metrics.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value);
    let mut words = Vec::new();
    for fact in &facts {
        match metric(&format!("of_{fact}")).unwrap_or_default() as i64 {
            0 => {}
            1 => words.push(fact.clone()),
            times => words.push(format!("{fact}x{times}")),
        }
    }
    if metric("stuck").is_some_and(|stuck| stuck > 0.0) {
        words.push("STUCK".to_owned());
    }
    words.join(" ")
}

#[track_caller]
fn check(saga_clauses: &Value, faults: &[&str], expected: &str) {
    assert_eq!(stands(&file(&saga(saga_clauses)), faults), expected);
}

#[test]
fn all_parts_are_done_one_after_the_other() {
    check(&json!({}), &[], "a b c fine placed");
    let mut file = file(&saga(&json!({})));
    file["metrics"]["first"] = json!({"count": "a.first < b.first && b.first < c.first && c.first < placed.first"});
    assert_eq!(
        ran(&file, &[]).metrics.iter().find(|(name, _)| name == "first").and_then(|(_, value)| *value),
        Some(1.0)
    );
}

#[test]
fn what_was_done_is_undone_backwards_when_a_part_fails() {
    // Each undo is noted before its part runs, and the last part has none.
    check(&json!({}), &["fail c.do"], "failed una unb");
    check(&json!({}), &["fail b.do"], "failed una");
    check(&json!({}), &["fail a.do"], "failed");
    let mut file = file(&saga(&json!({})));
    file["metrics"]["backwards"] = json!({"count": "unb.first < una.first"});
    let run = ran(&file, &["fail c.do"]);
    assert_eq!(run.metrics.iter().find(|(name, _)| name == "backwards").and_then(|(_, value)| *value), Some(1.0));
}

#[test]
fn the_outcome_is_the_first_reason_and_undone_when_that_was_unknown() {
    let caught = |reason: &str| json!({"on": {reason: [{"record": "caught"}, {"fail": "no"}]}});
    check(&caught("overloaded"), &["fail c.do overloaded"], "caught failed una unb");
    // c is done and nobody hears of it: without an undo for it that stays.
    check(&caught("undone"), &["loss c->shop do 100%"], "c caught failed una unb");
    check(
        &json!({"on": {"stuck": [{"record": "caught"}]}}),
        &["fail c.do", "fail b.undo"],
        "a b caught fine placed STUCK",
    );
}

/// Item 1 of the mistakes with sagas: what timed out is unknown, and may have been done.
#[test]
fn a_part_that_timed_out_is_leaked_when_its_undo_is_noted_only_after_it_was_ok() {
    let lost = &["loss b->shop do 100%"];
    check(&json!({"register": "after"}), lost, "b failed una");
    check(&json!({"register": "before"}), lost, "failed una unb");
    // An undo may come where there is nothing to undo.
    check(&json!({"register": "before"}), &["loss shop->b do 100%"], "failed una");
}

/// Item 1 again: an undo that arrives before what it undoes. The `do` is delayed by 5 s, its undo is not, and a key that is set to
/// `BACK` by nobody keeps nothing off.
#[test]
fn an_undo_that_comes_before_its_part_needs_a_tombstone() {
    let delayed = &["delay shop->b do +5s"];
    check(&json!({}), delayed, "b failed una");
    let mut file = file(&saga(&json!({})));
    file["nodes"]["b"]["endpoints"]["undo"] = json!([
        {"set": "keys[$order]", "to": "BACK", "where": "value == null", "on": {"unmet": [
            {"set": "keys[$order]", "to": "BACK"}, {"undo": "b"}, {"record": "unb"}]}}]);
    assert_eq!(stands(&file, delayed), "failed una");
}

#[test]
fn an_undo_that_fails_for_good_leaves_the_saga_stuck() {
    check(&json!({}), &["fail c.do", "fail b.undo"], "a b lost STUCK");
    check(
        &json!({"undo_retry": {"tries": 3, "wait": "1s"}}),
        &["fail c.do", "0s..1500ms fail b.undo"],
        "failed una unb",
    );
    check(
        &json!({"undo_retry": {"tries": 2, "wait": "1s"}}),
        &["fail c.do", "0s..1500ms fail b.undo"],
        "a b lost STUCK",
    );
    check(
        &json!({"undo_retry": {"tries": "forever", "wait": "1s"}}),
        &["fail c.do", "0s..20s fail b.undo"],
        "failed una unb",
    );
    // Only what may come to be ok is tried again, unless "on" names it.
    let never = &["fail c.do", "0s..1500ms fail b.undo unmet"];
    check(&json!({"undo_retry": {"tries": "forever", "wait": "1s"}}), never, "a b lost STUCK");
    check(&json!({"undo_retry": {"tries": "forever", "wait": "1s", "on": ["unmet"]}}), never, "failed una unb");
}

/// Whatever is asked inside a pivot, and however often: what nobody knows of is not forgotten over the error of what was asked beside or
/// behind it.
#[test]
fn what_is_left_open_inside_a_pivot_leaves_the_pivot_in_doubt() {
    let go = |node: &str| json!({"call": format!("{node}.do"), "timeout": "2s"});
    let bodies = [
        json!([{"call": "b.do", "timeout": "2s", "hedge": "45ms"}]),
        json!([{"call": "b.do", "deadline": "2s", "retry": {"profile": "envoy", "retry_on": ["reset", "refused"], "num_retries": 1,
            "per_try_timeout": "45ms", "hedge_on_per_try_timeout": true}}]),
        json!([{"call": "b.do", "timeout": "2s", "retry": {"tries": 2, "wait": "1ms"}}]),
        json!([{"parallel": [[go("b")], [go("c")]], "need": 1}]),
        json!([{"try": [go("b")], "on": {"unknown": [go("c")]}}]),
    ];
    for body in bodies {
        let mut file = file(&json!({"id": "s", "undo_retry": {"tries": "forever", "wait": "500ms"}, "saga": [
            {"do": [{"call": "a.do", "timeout": "1s"}], "undo": [{"call": "a.undo", "timeout": "1s"}]},
            {"do": body, "pivot": true}]}));
        file["workload"]["buyer"]["start"] = json!("1s");
        file["nodes"]["b"]["replicas"] = json!(2);
        // It has done its part, and dies before it says so.
        file["nodes"]["b"]["endpoints"]["do"] = json!([{"record": "b"}, {"work": "200ms"}]);
        let mut passed = 0;
        for at in 1_052..1_068 {
            let told = stands(&file, &[&format!("{at}ms..{}ms crash b", at + 8), "1s..1100ms refuse shop->c"]);
            assert!(!told.contains("una") && told.contains("fine"), "{body} {at}: {told}");
            passed += u32::from(told.contains('b'));
        }
        assert_eq!(passed, 16, "{body}");
    }
}

#[test]
fn behind_a_pivot_there_is_only_on() {
    let pivot = |more: &Value| {
        let mut saga = json!({"id": "s", "saga": [
            {"do": [{"call": "a.do", "timeout": "1s"}], "undo": [{"call": "a.undo", "timeout": "1s"}]},
            {"do": [{"call": "b.do", "timeout": "1s"}], "pivot": true},
            {"do": [{"call": "c.do", "timeout": "1s"}]}]});
        for (name, value) in more.as_object().expect("clauses") {
            saga[name] = value.clone();
        }
        file(&saga)
    };
    let retried = &json!({"undo_retry": {"tries": "forever", "wait": "1s"}});
    assert_eq!(stands(&pivot(retried), &["0s..5s fail c.do"]), "a b c fine placed");
    assert_eq!(stands(&pivot(&json!({})), &["0s..5s fail c.do"]), "a b lost STUCK");
    // A pivot that has certainly not been passed.
    assert_eq!(stands(&pivot(retried), &["fail b.do"]), "failed una");
    // One that may have been is tried until that is known.
    assert_eq!(stands(&pivot(retried), &["0s..5s loss b->shop do 100%"]), "a b c fine placed");
    assert_eq!(stands(&pivot(&json!({})), &["0s..5s loss b->shop do 100%"]), "a b lost STUCK");
    // It was passed, and nobody heard of that; then nobody is there, which says nothing of the try before.
    let passed = &["0s..1s loss b->shop do 100%", "1s..4s crash b"];
    assert_eq!(stands(&pivot(retried), passed), "a b c fine placed");
    // The same of the tries that its own step makes: what comes of the last is the step's outcome.
    let mut tries = pivot(retried);
    let call = &mut tries["nodes"]["shop"]["endpoints"]["buy"][0]["saga"][1]["do"][0];
    (call["timeout"], call["retry"]) = (json!("500ms"), json!({"tries": 2, "wait": "100ms"}));
    assert_eq!(stands(&tries, &["0s..500ms loss b->shop do 100%", "550ms..4s crash b"]), "a b c fine placed");
    assert_eq!(stands(&tries, &["0s..4s crash b"]), "failed una", "nobody was there at any try");
    // Once it may have been passed no time turns the saga back, nor is anything asked twice at once.
    let mut hasty = pivot(&json!({"undo_retry": {"tries": "forever", "wait": "500ms"}, "timeout": "2s"}));
    hasty["nodes"]["shop"]["endpoints"]["buy"][0]["saga"][2]["do"] =
        json!([{"wait": "2s"}, {"call": "c.do", "timeout": "1s"}]);
    hasty["metrics"]["asked"] = json!({"value": "b.calls"});
    let run = ran(&hasty, &["0s..2200ms hang b.do"]);
    let metric = |name: &str| run.metrics.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value);
    assert_eq!(metric("asked"), Some(3.0), "{:?}", run.metrics);
    assert_eq!(stands(&hasty, &["0s..2200ms hang b.do"]), "a b c fine placed");
    // The same after a crash of who leads it, which forgets that it has asked.
    let logged = &json!({"log": "log", "undo_retry": {"tries": "forever", "wait": "1s"}});
    let crashed = &["crash shop after call #2 for 1s", "drop b->shop do order/1 #1", "1s..4s crash b"];
    assert_eq!(stands(&pivot(logged), crashed), "a b c lost");
    // It comes twice, and the copy hears that the first still runs: which is no answer about it, here or behind the pivot.
    for twice in ["twice shop->b do order/1 #1 1ms", "twice shop->c do order/1 #1 1ms"] {
        assert_eq!(stands(&pivot(retried), &[twice]), "a b c fine placed", "{twice}");
    }
    // No time that somebody has for it binds what has to come about.
    let timed = json!({"undo_retry": {"tries": "forever", "wait": "1s"}, "timeout": "2s"});
    assert_eq!(stands(&pivot(&timed), &["0s..5s fail c.do"]), "a b c fine placed");
}

#[test]
fn a_saga_whose_time_is_up_is_undone() {
    let slow = &["delay shop->b do +3s"];
    let longer = |clauses: Value| {
        let mut file = file(&saga(&clauses));
        file["nodes"]["shop"]["endpoints"]["buy"][0]["saga"][1]["do"][0]["timeout"] = json!("10s");
        file["nodes"]["b"]["endpoints"]["undo"] = json!([{"set": "keys[$order]", "to": "BACK"}, {"record": "unb"}]);
        file
    };
    assert_eq!(stands(&longer(json!({"timeout": "500ms"})), slow), "failed una unb");
    assert_eq!(stands(&longer(json!({"deadline": "500ms"})), slow), "failed una unb");
    // Whoever is around it has gone: in the background.
    let mut around = longer(json!({}));
    let saga = around["nodes"]["shop"]["endpoints"]["buy"][0].clone();
    around["nodes"]["shop"]["endpoints"]["buy"][0] = json!({"try": [saga], "timeout": "500ms"});
    assert_eq!(stands(&around, slow), "lost una unb");
    let mut cancelled = longer(json!({}));
    cancelled["nodes"]["shop"]["honours_cancel"] = json!(true);
    cancelled["workload"]["buyer"]["do"][0]["timeout"] = json!("500ms");
    cancelled["workload"]["buyer"]["do"][0]["cancel"] = json!(true);
    // It stops at its next step, behind b, whose undo leaves the fact here.
    assert_eq!(stands(&cancelled, &["delay b->shop do +800ms"]), "b lost una unb");
}

#[test]
fn a_reply_ends_the_saga_and_a_fail_undoes_it_and_both_end_the_endpoint() {
    let last = |step: Value| file(&json!({"id": "s", "saga": parts(&json!({"do": [step, {"call": "c.do"}]}))}));
    assert_eq!(stands(&last(json!({"reply": "ENOUGH"})), &[]), "a b fine");
    assert_eq!(stands(&last(json!({"fail": "enough"})), &[]), "failed una unb");
    // In an undo they end the undo.
    let undo = |step: Value| {
        let mut file = file(&saga(&json!({})));
        file["nodes"]["shop"]["endpoints"]["buy"][0]["saga"][1]["undo"] = json!([step, {"call": "b.undo"}]);
        file
    };
    assert_eq!(stands(&undo(json!({"reply": "ENOUGH"})), &["fail c.do"]), "b failed una");
    assert_eq!(stands(&undo(json!({"fail": "never"})), &["fail c.do"]), "a b lost STUCK");
}

// ── Crashes ──

#[test]
fn a_saga_with_a_log_is_finished_after_a_crash_at_each_of_its_points() {
    for point in ["s.prepared", "s.decided", "buy.s.prepared", "buy.s.decided"] {
        let crash = format!("crash shop at {point} #1 for 5s");
        check(&json!({"log": "log"}), &[&crash], "a b c lost");
    }
    check(&json!({"log": "log"}), &["crash shop at s.done #1 for 5s"], "a b c lost");
    // Without one it is forgotten.
    check(&json!({}), &["crash shop at s.prepared #1 for 5s"], "a b lost");
    check(&json!({}), &["crash shop at s.decided #1 for 5s"], "a b c lost");
    // On its way back too.
    for step in
        ["before call #3", "after call #3", "before call #4", "after call #4", "before call #5", "after call #5"]
    {
        let crash = format!("crash shop {step} for 5s");
        check(&json!({"log": "log"}), &["fail c.do", &crash], "lost una unb");
    }
    check(&json!({"log": "log"}), &["fail c.do", "crash shop at s.done #1 for 5s"], "lost una unb");
}

/// Item 4 of the mistakes: the orchestrator crashes between what it sends and what it notes. Every step of the fault-free run and of
/// one that fails is crashed at once, on both sides.
#[test]
fn whichever_step_the_orchestrator_dies_at_all_is_done_or_all_undone() {
    for faults in [vec![], vec!["fail c.do"], vec!["loss b->shop do 100%"]] {
        for (nth, side) in (1..=6).flat_map(|nth| [(nth, "before"), (nth, "after")]) {
            let crash = format!("crash shop {side} call #{nth} for 3s");
            let mut file = file(&saga(&json!({"log": "log", "undo_retry": {"tries": "forever", "wait": "500ms"}})));
            file["metrics"] = json!({});
            let run = ran(&file, &[faults.clone(), vec![crash.as_str()]].concat());
            assert_eq!(run.outcome.verdict, Verdict::Held, "{faults:?}, {crash}: {:?}", run.outcome);
        }
    }
}

#[test]
fn the_log_says_where_a_saga_is_and_how_it_ended() {
    let mut file = file(&saga(&json!({"log": "log"})));
    let states =
        [("doing", "DOING 2"), ("undoing", "UNDOING 1"), ("done", "DONE"), ("undone", "UNDONE"), ("stuck_", "STUCK")];
    let told = |faults: &[&str]| {
        let mut file = file.clone();
        for (name, word) in states {
            file["properties"][name] = json!({"sometimes": format!("shop.log[$order] == '{word}'")});
            file["metrics"][name] = json!({"count": format!("shop.log[$order] == '{word}'")});
        }
        let run = ran(&file, faults);
        let ends: Vec<&str> = states
            .iter()
            .filter(|(name, _)| run.metrics.iter().any(|(known, value)| known == name && *value == Some(1.0)))
            .map(|(_, word)| *word)
            .collect();
        ends.join(" ")
    };
    assert_eq!(told(&[]), "DONE");
    assert_eq!(told(&["fail c.do"]), "UNDONE");
    assert_eq!(told(&["fail c.do", "fail a.undo"]), "STUCK");
    assert_eq!(told(&["crash shop at s.prepared #1"]), "");
    assert_eq!(told(&["pause b"]), "STUCK", "neither b nor its undo is answered");
    // A second saga about one order has a cell of its own.
    file["workload"]["buyer"]["do"] = json!([{"call": "shop.buy"}, {"call": "shop.buy"}]);
    file["metrics"]["second"] = json!({"count": "shop.log['1/2'] == 'DONE'"});
    let run = ran(&file, &[]);
    assert_eq!(run.metrics.iter().find(|(name, _)| name == "second").and_then(|(_, value)| *value), Some(1.0));
}

#[test]
fn a_resumed_saga_knows_what_its_steps_had_found_and_draws_anew() {
    let mut file = file(&saga(&json!({"log": "log"})));
    let steps = &mut file["nodes"]["shop"]["endpoints"]["buy"][0]["saga"];
    steps[0]["do"] = json!([{"call": "a.do", "timeout": "1s"}, {"read": "log[$order]", "as": "seen"}]);
    steps[2]["do"] = json!([{"work": {"exponential": "1s"}}, {"if": "$seen == 'DOING 1'", "then": [{"call": "c.do"}]}]);
    assert_eq!(stands(&file, &["crash shop at s.prepared #1 for 5s"]), "a b c lost");
    // The lengths of work of both lives.
    let lengths = |faults: &[&str]| {
        let changes = Changes {
            faults: faults.iter().map(|line| line.parse().expect("a fault")).collect(),
            ..Changes::default()
        };
        let model = written(&file).model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"));
        let (mut sim, _) = model.start(Seed(3));
        sim.record(true);
        let mut found = Vec::new();
        while let Some(step) = sim.step() {
            let at_shop = step.node().is_some_and(|node| model.program().replica_name(node) == "shop");
            found.extend(sim.log().iter().filter(|_| at_shop).filter_map(|entry| match entry {
                sim_core::Entry::Drew { draw, .. } if draw.purpose.name() == "work" => {
                    Some(format!("{:?}", draw.answer))
                }
                _ => None,
            }));
        }
        found
    };
    let (once, twice) = (lengths(&[]), lengths(&["500ms..1s crash shop"]));
    assert_eq!((once.len(), twice.len()), (1, 2), "{once:?} {twice:?}");
    assert_eq!(once[0], twice[0]);
    assert_ne!(twice[0], twice[1], "the life of the node is mixed in");
}

#[test]
fn what_a_saga_must_not_be_is_said() {
    let told = |saga: Value| {
        let file = file(&saga);
        let scenario = match Scenario::parse("sagas.json", &file.to_string()) {
            Ok(scenario) => scenario,
            Err(error) => return error.to_string(),
        };
        scenario.model(&Choices::none()).err().map(|error| error.to_string()).expect("it is wrong")
    };
    let part = json!({"do": [{"record": "x"}]});
    for (saga, message) in [
        (json!({"saga": []}), "a saga has at least one part"),
        (json!({"saga": [part], "log": "a.keys"}), "a's own map"),
        (json!({"saga": [{"do": [], "undo": [], "pivot": true}]}), "no way back from a pivot"),
        (json!({"saga": [{"do": [], "pivot": true}, {"do": [], "undo": []}]}), "behind the pivot"),
        (json!({"saga": [{"do": [], "pivot": true}, {"do": [], "pivot": true}]}), "a saga has one pivot"),
        (json!({"transaction": [{"saga": [part]}]}), "a saga inside a transaction"),
        (json!({"saga": [{"do": [{"saga": [part]}]}]}), "a saga inside a part of another"),
        (json!({"saga": [part], "undo_retry": {"tries": 2, "budget": "10%"}}), "budget"),
        (json!({"saga": [{"undo": []}]}), "do"),
    ] {
        let said = told(saga.clone());
        assert!(said.contains(message), "{saga}: {said}");
    }
    let mut file = file(&saga(&json!({})));
    file["faults"] = json!(["crash shop at s.prepard"]);
    let scenario = written(&file);
    let error = scenario.model(&Choices::none()).err().map(|error| error.to_string()).expect("it is wrong");
    assert!(error.contains("did you mean \"buy.s.prepared\"?") || error.contains("s.prepared"), "{error}");
}

#[test]
fn a_part_that_nothing_takes_back_is_warned_about() {
    let told = |edit: &dyn Fn(&mut Value)| {
        let mut file = file(&saga(&json!({})));
        edit(&mut file["nodes"]["shop"]["endpoints"]["buy"][0]["saga"]);
        let model = written(&file).model(&Choices::none()).unwrap_or_else(|error| panic!("{error}"));
        let said = model.warnings().to_string();
        let said = said.lines().filter_map(|line| line.split_once(": warning: ")).map(|(_, said)| said.to_owned());
        said.filter(|said| said.contains("of the saga")).collect::<Vec<_>>()
    };
    let stays = "part 2 of the saga sets b.tries and has no \"undo\": that stays when a later part is not ok; a part from which there is no way back is a \"pivot\"";
    let forgotten = |parts: &mut Value| _ = parts[1].as_object_mut().expect("a part").remove("undo");
    let nothing: [&str; 0] = [];
    assert_eq!(told(&|_| {}), nothing);
    assert_eq!(told(&forgotten), [stays]);
    let pivot = |parts: &mut Value| {
        forgotten(parts);
        parts[1]["pivot"] = json!(true);
    };
    assert_eq!(told(&pivot), nothing);
    let looks = |parts: &mut Value| {
        forgotten(parts);
        parts[1]["do"] = json!([{"read": "log[$order]"}]);
    };
    assert_eq!(told(&looks), nothing);
}

// ── The order saga ──

fn example() -> Value {
    let path = workspace().join("examples/order-saga.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("it is JSON")
}

/// 1,000 orders, of which 2 % are charged without anybody hearing of it; 5 % are refused at the last step, whose refund fails with
/// 5 %: 50 · 5 % = 2.5 stuck ones, charged too. 20 + 2.5, Poisson. With the undo noted first the stuck ones stay, and those of the lost
/// replies: 70 · 5 % = 3.5. With retries as well nothing does, though the orchestrator crashes once.
#[test]
fn what_nobody_knows_to_be_done_nobody_undoes() {
    let file = example();
    keeps_its_word(&file, 12);
    let scenario = written(&file);
    let verdicts = |remedy: Option<&str>| {
        let model = remedied(&scenario, remedy);
        assert!(model.warnings().is_empty(), "{}", model.warnings());
        over_seeds(4, |seed| model.run(seed, Stop::AtEnd).outcome.verdict)
    };
    assert_eq!(verdicts(None), [Verdict::Stuck; 4]);
    assert_eq!(verdicts(Some("both")), [Verdict::Held; 4]);
}
