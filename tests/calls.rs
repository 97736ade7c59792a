//! Calls that fail: what is denied, who is next in line, who is dropped, and the outages that come of it.

use faultline_tests::scenarios::{keeps_its_word, over_seeds, remedied, written};
use faultline_tests::sources::workspace;
use serde_json::{Value, json};
use sim_core::{Instant, Seed, Stop, Verdict};
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Model, Run};

/// A caller with a patience of a second, a service with `more` beside its one endpoint of 10 ms, and a store behind it.
fn file(more: &Value, steps: &Value, rate: &str) -> Value {
    let mut api = json!({"kind": "service", "endpoints": {
        "get": steps, "ping": [{"reply": "PONG"}]}});
    for (name, value) in more.as_object().expect("fields") {
        api[name] = value.clone();
    }
    json!({
        "faultline": 1, "name": "calls", "until": "30s", "network": {"latency": "1ms"},
        "nodes": {"api": api, "db": {"kind": "store", "maps": {"rows": {"x": 1}}, "read": "1ms"}},
        "workload": {
            "user": {"rate": rate, "spacing": "even", "for": "20s", "each": "order",
                "do": [{"call": "api.get", "timeout": "1s"}]},
            "probe": {"rate": "10/s", "spacing": "even", "for": "20s", "each": "check",
                "do": [{"call": "api.ping", "timeout": "1s"}]}
        },
        "metrics": {
            "ok": {"value": "user.ok"}, "error": {"value": "user.error"}, "unknown": {"value": "user.unknown"},
            "pinged": {"value": "probe.ok"}, "calls": {"value": "api.calls"}, "reads": {"value": "db.calls"}
        },
        "properties": {"answered": {"availability": "user", "at_least": "0%"}}
    })
}

fn model(file: &Value, faults: &[&str]) -> Model {
    let faults = faults.iter().map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    let changes = Changes { faults, ..Changes::default() };
    written(file).model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"))
}

fn ran(file: &Value, faults: &[&str]) -> Run {
    model(file, faults).run(Seed(3), Stop::AtEnd)
}

fn metric(run: &Run, name: &str) -> f64 {
    run.metrics.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value).expect("it has a value")
}

fn outcomes(run: &Run) -> (f64, f64, f64) {
    (metric(run, "ok"), metric(run, "error"), metric(run, "unknown"))
}

fn plain() -> Value {
    file(&json!({}), &json!([{"work": "10ms"}, {"reply": 1}]), "10/s")
}

#[test]
fn what_hangs_is_accepted_and_never_answered_and_others_are_served() {
    assert_eq!(outcomes(&ran(&plain(), &[])), (200.0, 0.0, 0.0));
    // 50 calls arrive from 5 s on, up to and without 10 s.
    let hung = ran(&plain(), &["5s..10s hang api.get"]);
    assert_eq!((outcomes(&hung), metric(&hung, "pinged")), ((150.0, 0.0, 50.0), 200.0));
    assert_eq!((hung.touched[0], metric(&hung, "calls")), (50, 400.0));
    let all = ran(&plain(), &["5s..10s hang api"]);
    assert_eq!((outcomes(&all), metric(&all, "pinged")), ((150.0, 0.0, 50.0), 150.0));
}

#[test]
fn a_crash_resets_what_hangs() {
    let mut file = plain();
    file["workload"]["user"]["do"] = json!([{"call": "api.get", "timeout": "10s",
        "on": {"reset": [{"record": "reset"}], "timeout": [{"record": "late"}]}}]);
    file["metrics"]["reset"] = json!({"value": "total(reset)"});
    file["metrics"]["late"] = json!({"value": "total(late)"});
    let run = ran(&file, &["5s..6s hang api.get", "8s..9s crash api"]);
    assert_eq!((metric(&run, "reset"), metric(&run, "late")), (10.0, 0.0), "all that hung, before their time was up");
}

#[test]
fn what_fails_is_answered_at_once_with_a_reason_and_without_work() {
    let mut file = plain();
    file["workload"]["user"]["do"] = json!([{"call": "api.get", "timeout": "1s", "on": {
        "unavailable": [{"record": "unavailable"}], "overloaded": [{"record": "overloaded"}]}}]);
    for name in ["unavailable", "overloaded"] {
        file["metrics"][name] = json!({"value": format!("total({name})")});
    }
    let told = |faults: &[&str]| {
        let run = ran(&file, faults);
        (metric(&run, "unavailable"), metric(&run, "overloaded"), run.touched[0])
    };
    assert_eq!(told(&["5s..10s fail api.get"]), (50.0, 0.0, 50));
    assert_eq!(told(&["5s..10s fail api.get overloaded"]), (0.0, 50.0, 50));
    assert_eq!(told(&["5s..10s fail api.ping"]), (0.0, 0.0, 50));
    let (some, _, struck) = told(&["0s..20s fail api.get 30%"]);
    // 200 at 30 %, within four standard errors.
    assert!((34.0..=86.0).contains(&some) && struck == some as u64, "{some} {struck}");
    // What failed at one share fails at a larger one.
    let failing = |share: &str| {
        let model = model(&plain(), &[&format!("fail api.get {share}")]);
        let (mut sim, _) = model.start(Seed(3));
        sim.record(true);
        let mut failed = Vec::new();
        while let Some(step) = sim.step_before(Instant::ZERO + sim_core::Duration::from_secs(25)) {
            for entry in sim.log() {
                if let sim_core::Entry::Drew { draw, .. } = entry
                    && draw.answer == sim_core::Answer::Chance(true)
                {
                    failed.push(step.cause.operation);
                }
            }
        }
        failed
    };
    let (few, many) = (failing("10%"), failing("40%"));
    assert!(!few.is_empty() && few.len() < many.len() && few.iter().all(|it| many.contains(it)));
}

/// A timeout further down that is passed on says nothing of what was done, as little as one of one's own.
#[test]
fn what_fails_with_a_reason_that_says_nothing_of_what_was_done_is_unknown() {
    for reason in ["timeout", "reset", "stuck", "mixed", "hazard"] {
        let line = format!("5s..10s fail api.get {reason}");
        let mut file = plain();
        let caught =
            json!({"unknown": [{"record": "unsure"}], "error": [{"record": "failed"}], "else": [{"record": "other"}]});
        file["workload"]["user"]["do"] = json!([{"call": "api.get", "timeout": "1s", "on": caught}]);
        for name in ["unsure", "failed", "other"] {
            file["metrics"][name] = json!({"value": format!("total({name})")});
        }
        let run = ran(&file, &[&line]);
        let told = ["unsure", "failed", "other"].map(|name| metric(&run, name));
        assert_eq!((told, run.touched[0]), ([50.0, 0.0, 0.0], 50), "{reason}");
        // The same of an endpoint that says so itself, and of a store.
        file["nodes"]["api"]["endpoints"]["get"] = json!([{"fail": reason}]);
        let told = ["unsure", "failed", "other"].map(|name| metric(&ran(&file, &[]), name));
        assert_eq!(told, [200.0, 0.0, 0.0], "{reason}");
        let reads = json!([{"read": "db.rows['x']", "as": "x", "timeout": "100ms"}, {"reply": "$x"}]);
        let of_store = self::file(&json!({}), &reads, "10/s");
        assert_eq!(outcomes(&ran(&of_store, &[&format!("5s..10s fail db {reason}")])), (150.0, 0.0, 50.0), "{reason}");
    }
}

#[test]
fn stores_hang_and_fail_by_operation() {
    let reads = json!([{"read": "db.rows['x']", "as": "x", "timeout": "100ms"}, {"reply": "$x"}]);
    let file = file(&json!({}), &reads, "10/s");
    assert_eq!(outcomes(&ran(&file, &["5s..10s fail db"])), (150.0, 50.0, 0.0));
    assert_eq!(outcomes(&ran(&file, &["5s..10s hang db.read"])), (150.0, 0.0, 50.0));
    assert_eq!(outcomes(&ran(&file, &["5s..10s hang db.set"])), (200.0, 0.0, 0.0));
}

#[test]
fn what_a_fault_denies_must_be_there() {
    let told = |line: &str| {
        let mut file = plain();
        file["faults"] = json!([line]);
        written_error(&file)
    };
    assert!(
        told("hang api.gett").contains("no kind of message \"gett\"; did you mean \"get\"?"),
        "{}",
        told("hang api.gett")
    );
    assert!(told("fail api.get overloded").contains("no reason \"overloded\"; did you mean \"overloaded\"?"));
    assert!(told("fail api.get 110%").contains("110%"));
    assert!(told("hang apy").contains("apy"));
}

fn written_error(file: &Value) -> String {
    let text = file.to_string();
    let scenario = sim_models::scenario::Scenario::parse("calls.json", &text).unwrap_or_else(|error| panic!("{error}"));
    scenario.model(&Choices::none()).err().map(|error| error.to_string()).expect("it is wrong")
}

/// Five that come while one works, and the order in which they are served.
fn served(more: &Value) -> Vec<f64> {
    let mut file = file(more, &json!([{"wait": "100ms"}, {"record": "served"}, {"reply": 1}]), "60/s");
    file["nodes"]["api"]["workers"] = json!(1);
    file["workload"]["user"]["limit"] = json!(6);
    file["workload"]["user"]["do"] = json!([{"call": "api.get", "timeout": "5s"}]);
    file["workload"].as_object_mut().expect("an object").remove("probe");
    file["metrics"] = json!({});
    for order in 1..=6 {
        file["metrics"][format!("o{order}")] = json!({"sum": "served.first", "where": format!("$order == {order}")});
    }
    let run = ran(&file, &[]);
    let mut orders: Vec<(f64, f64)> =
        (1..=6).map(|order| (metric(&run, &format!("o{order}")), f64::from(order))).collect();
    orders.sort_by(|a, b| a.0.total_cmp(&b.0));
    orders.into_iter().map(|(_, order)| order).collect()
}

#[test]
fn a_line_is_served_from_its_front_or_from_its_end() {
    assert_eq!(served(&json!({})), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    // All six have come when the first is done.
    assert_eq!(served(&json!({"order": "lifo"})), [1.0, 6.0, 5.0, 4.0, 3.0, 2.0]);
    // There has been a line since the second came, 17 ms after the first: 83 ms are not 100 yet.
    assert_eq!(served(&json!({"order": "adaptive-lifo"})), [1.0, 2.0, 6.0, 5.0, 4.0, 3.0]);
}

/// Work of 10 ms for one worker, asked for twice as often as that allows, for 20 s.
fn overloaded(more: &Value) -> Run {
    let mut file = file(more, &json!([{"work": "10ms"}, {"reply": 1}]), "200/s");
    file["nodes"]["api"]["workers"] = json!(1);
    file["metrics"]["p99"] = json!({"p99": "done.last - requested.first", "where": "done > 0"});
    file["workload"]["user"]["do"] = json!([{"call": "api.get", "timeout": "1s"}, {"record": "done"}]);
    ran(&file, &[])
}

#[test]
fn codel_keeps_the_line_short_where_a_plain_one_serves_only_those_who_have_gone() {
    let plain = overloaded(&json!({}));
    // The line outgrows a second in 2 s, and nobody who comes later is served in time.
    assert!(metric(&plain, "ok") < 300.0, "{:?}", outcomes(&plain));
    let codel = overloaded(&json!({"drop": "codel"}));
    assert!(metric(&codel, "ok") > 1_500.0, "{:?}", outcomes(&codel));
    let lax = overloaded(&json!({"drop": {"target": "200ms", "interval": "500ms"}}));
    assert!(metric(&lax, "p99") > metric(&codel, "p99"), "{:?} {:?}", lax.metrics, codel.metrics);
    for run in [plain, codel, lax] {
        let (ok, error, unknown) = outcomes(&run);
        assert_eq!(ok + error + unknown, 4_000.0, "every request has one outcome");
    }
}

// ── Scenarios ──

fn example(name: &str) -> Value {
    let path = workspace().join("examples").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("it is JSON")
}

/// A pool of 100 threads, a tenth of 200 requests a second that wait 30 s for a dependency that hangs: full after
/// 100 / 20 = 5 s at the earliest; the breaker sees its first outcomes 30 s after that begins.
#[test]
fn a_hung_dependency_drains_the_pool_and_a_bulkhead_or_a_breaker_with_a_short_timeout_saves_it() {
    keeps_its_word(&example("hung-dependency.json"), 12);
}

/// 3⁵ = 243 tries at the bottom, 4⁵ = 1,024; with a budget of a tenth (1 + 1/10)⁵ = 1.61, of a fifth 1.2⁵ = 2.49.
#[test]
fn retries_multiply_through_five_layers_and_budgets_add_a_share() {
    let mut file = example("retry-storm.json");
    file["settings"]["rate"]["default"] = json!("20/s");
    // The burst of each budget weighs more where there are fewer requests.
    for (remedy, expected) in [("budget-10", json!([1.5, 1.65])), ("budget-20", json!([2.3, 2.55]))] {
        let group = if remedy == "budget-10" { "remedies" } else { "variants" };
        file[group][remedy]["expect"]["amplification"] = expected;
    }
    keeps_its_word(&file, 2);
}

/// Half of the capacity is gone for 15 s. Four tries keep 3,200 attempts a second coming, and nothing is served in time for ever;
/// a budget, a line from its end, a short line, CoDel, or no retries let it recover.
#[test]
fn the_outage_does_not_end_with_four_tries_and_does_with_any_of_the_remedies() {
    let scenario = written(&example("metastable.json"));
    let remedies = [
        None,
        Some("budget-10"),
        Some("lifo"),
        Some("bound-200"),
        Some("codel"),
        Some("no-retry"),
        Some("bound-2000"),
        Some("drop-expired"),
    ];
    let after = over_seeds(remedies.len() as u64, |Seed(place)| {
        let model = remedied(&scenario, remedies[place as usize]);
        let run = model.run(Seed(1), Stop::AtEnd);
        let conserved =
            run.requests.total == run.requests.ok + run.requests.error + run.requests.unknown + run.requests.unanswered;
        assert!(conserved, "{:?}", run.requests);
        (metric(&run, "goodput_after"), run.outcome.verdict)
    });
    let recovers = |(goodput, verdict): &(f64, Verdict)| (780.0..=820.0).contains(goodput) && *verdict == Verdict::Held;
    assert_eq!((after[0].0, after[6].0), (0.0, 0.0), "four tries, and a line of two seconds for a patience of one");
    assert!(after[1..6].iter().all(recovers), "{after:?}");
    assert!((370.0..=430.0).contains(&after[7].0) && after[7].1 == Verdict::Broken, "half a cure: {:?}", after[7]);
}
