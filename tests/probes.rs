//! Replicas that are asked how they are, that come up again after a crash, that come and go by number: what their platform does.
//!
//! What a stop, a restart and a deploy do is told in lives.rs.

use faultline_tests::scenarios::{check, expectations, keeps_its_word, remedied, written};
use faultline_tests::sources::workspace;
use serde_json::{Value, json};
use sim_core::{Seed, Stop, Verdict};
use sim_models::language::Choices;
use sim_models::scenario::{Model, Run, Scenario};

/// Pods that work for 50 ms on each of a thousand requests a second, with `more` beside, and a database whose reads take 10 ms.
fn file(more: &Value, faults: &[&str]) -> Value {
    let mut pod = json!({"kind": "service", "replicas": 10, "endpoints": {
        "get": [{"work": "50ms"}, {"reply": "OK"}],
        "deep": [{"read": "db.rows['x']"}],
        "local": [{"work": "1ms"}]}});
    for (name, value) in more.as_object().expect("fields") {
        pod[name] = value.clone();
    }
    json!({
        "faultline": 1, "name": "probes", "until": "4m",
        "nodes": {"pod": pod, "db": {"kind": "store", "read": "10ms", "maps": {"rows": {"x": 1}}}},
        "workload": {"user": {"rate": "1000/s", "spacing": "even", "for": "3m", "each": "request",
            "do": [{"call": "pod.get", "timeout": "1s"}]}},
        "faults": faults,
        "metrics": {
            "killed": {"value": "pod.killed"}, "crashes": {"value": "pod.crashes"}, "calls": {"value": "pod.calls"},
            "served": {"value": "user.ok"}, "failed": {"value": "user.error + user.unknown"}, "refused": {"value": "pod.refused"},
            "killed_at": {"first": "pod.killed >= 1"}, "late": {"value": "user.ok", "during": "2m..3m"}
        }
    })
}

fn model(file: &Value) -> Model {
    written(file).model(&Choices::none()).unwrap_or_else(|error| panic!("{error}"))
}

fn ran(file: &Value) -> Run {
    model(file).run(Seed(1), Stop::AtEnd)
}

fn metric(run: &Run, name: &str) -> Option<f64> {
    run.metrics.iter().find(|(known, _)| known == name).expect("a metric of the file").1
}

fn number(run: &Run, name: &str) -> f64 {
    metric(run, name).unwrap_or(f64::NAN)
}

fn probe(call: &str) -> Value {
    json!({"call": call, "every": "10s", "timeout": "1s", "failures": 3})
}

// ── Liveness ──

/// Probes go at 0, 10, 20, … s. The database is slow from 20 s on: those of 20, 30 and 40 s fail, and all pods are killed at 41 s.
#[test]
fn a_liveness_probe_that_asks_the_database_restarts_every_pod_when_it_is_slow() {
    let slow = ["20s..60s slow db x500"];
    let deep = ran(&file(&json!({"liveness": probe("deep"), "startup": "10s"}), &slow));
    assert_eq!((number(&deep, "killed"), metric(&deep, "killed_at")), (10.0, Some(41.0)));
    // Ten seconds of a thousand requests, and the 50 that were under way.
    assert_eq!(number(&deep, "failed"), 10_050.0);
    let local = ran(&file(&json!({"liveness": probe("local"), "startup": "10s"}), &slow));
    assert_eq!((number(&local, "killed"), number(&local, "failed")), (0.0, 0.0));
}

/// From when it hangs to when it is killed: up to a period to the next probe, two more periods, and a timeout.
#[test]
fn what_hangs_is_found_out_after_three_periods_and_a_timeout_at_most() {
    for (from, found) in [("20001ms", 51.0), ("29999ms", 51.0), ("30s", 51.0), ("30001ms", 61.0)] {
        let hung = ran(&file(&json!({"liveness": probe("local")}), &[&format!("{from}..70s hang pod")]));
        assert_eq!(metric(&hung, "killed_at"), Some(found), "{from}");
    }
}

/// It counts no failures and hears no signal: its platform does both for it, and kills it when its grace is over.
#[test]
fn a_process_that_is_frozen_is_found_out_as_one_that_hangs_and_killed_after_its_grace() {
    let frozen = |stop: Value, fault: &str| ran(&file(&json!({"liveness": probe("local"), "stop": stop}), &[fault]));
    let run = frozen(json!({}), "20500ms..82s pause pod-1");
    assert_eq!((number(&run, "killed"), metric(&run, "killed_at")), (1.0, Some(51.0)));
    // Callers lose what they send to it until it is off the list, a tenth of all. The next life begins at 81 s, and is frozen for a
    // second more: what comes then waits, and is late where that is almost a second.
    let lost = number(&run, "failed");
    assert!((3_045.0..=3_070.0).contains(&lost), "{lost}");
    assert_eq!(number(&run, "crashes"), 1.0);
    // Woken up within its grace, it goes as it was asked to, and is there again.
    let woken = frozen(json!({"grace": "20s"}), "20500ms..60s pause pod-1");
    assert_eq!((number(&woken, "killed"), number(&woken, "crashes")), (1.0, 1.0));
    assert_eq!(number(&woken, "late"), 60_000.0);
}

/// A process that gets a thirtieth of its processor answers its own probe too late: 1.5 s after the 50 ms of work it takes.
#[test]
fn a_timeout_of_a_second_kills_a_process_that_is_only_slow() {
    let slow = |timeout: &str| {
        let mut probe = probe("get");
        probe["timeout"] = json!(timeout);
        number(&ran(&file(&json!({"liveness": probe}), &["20s..60s slow pod x30"])), "killed")
    };
    assert_eq!((slow("1s"), slow("2s")), (10.0, 0.0));
}

/// One worker, busy for 5 s in every 5 with what came before the probe.
#[test]
fn a_probe_waits_for_a_worker_like_any_other_request() {
    let busy = |workers: u32| {
        let mut file = file(&json!({"replicas": 1, "workers": workers, "liveness": probe("local")}), &[]);
        file["nodes"]["pod"]["endpoints"]["get"] = json!([{"work": "4990ms"}]);
        file["workload"]["user"]["rate"] = json!("1/s");
        file["workload"]["user"]["do"] = json!([{"call": "pod.get"}]);
        number(&ran(&file), "killed")
    };
    assert_eq!(busy(1_000), 0.0);
    assert!(busy(1) >= 2.0, "{}", busy(1));
    // Where the line is full it is turned away, which is a failure, and not one of the service's.
    let mut full = file(&json!({"replicas": 1, "workers": 1, "queue": 0, "liveness": probe("local")}), &[]);
    full["metrics"]["overloaded"] = json!({"value": "pod.overloaded"});
    full["metrics"]["sum"] = json!({"value": "pod.ok + pod.error + pod.overloaded"});
    let run = ran(&full);
    // 50 ms of work each: 20 of 1,000 a second are served.
    assert!(number(&run, "killed") > 0.0);
    assert_eq!(
        number(&run, "calls") - number(&run, "crashes"),
        number(&run, "sum"),
        "each crash resets the one at work"
    );
}

#[test]
fn probes_are_none_of_the_calls_that_are_counted() {
    let both = json!({"liveness": probe("local"), "readiness": probe("deep")});
    let (with, without) = (ran(&file(&both, &[])), ran(&file(&json!({}), &[])));
    for name in ["calls", "served", "failed"] {
        assert_eq!(metric(&with, name), metric(&without, name), "{name}");
    }
    assert_eq!(number(&with, "calls"), 180_000.0);
}

/// Every probe fails from 20 s on, and each life has its own three: 0, 10 and 20 s after its start, and a startup in between.
#[test]
fn each_life_is_probed_from_its_start() {
    let pod = json!({"replicas": 1, "liveness": probe("local"), "startup": "5s", "backoff": "none"});
    let run = ran(&file(&pod, &["20s.. fail pod.local"]));
    // An error is a failure at once: 40 s, then every 25 s until 4 min.
    assert_eq!((metric(&run, "killed_at"), number(&run, "killed")), (Some(40.0), 9.0));
}

#[test]
fn a_probe_that_takes_longer_than_its_period_is_followed_at_once() {
    let slow = json!({"call": "local", "every": "1s", "timeout": "3s", "failures": 2});
    let run = ran(&file(&json!({"liveness": slow}), &["20500ms..60s hang pod"]));
    // Sent at 21 s, late at 24 s; the next one waits no longer, and is late at 27 s.
    assert_eq!(metric(&run, "killed_at"), Some(27.0));
    let frozen = ran(&file(&json!({"liveness": slow}), &["20500ms..60s pause pod"]));
    assert_eq!(metric(&frozen, "killed_at"), Some(27.0));
}

// ── Startup ──

/// A pod that is asked ten times a second and boots for 44.5 s. It is down from 10 to 20 s, unless other faults are given.
fn slow_starter(more: &Value, faults: &[&str]) -> Run {
    let crash = ["10s..20s crash pod"];
    let mut file = file(&json!({"replicas": 1, "boot": "44500ms"}), &[&crash[..], faults].concat());
    for (name, value) in more.as_object().expect("fields") {
        file["nodes"]["pod"][name] = value.clone();
    }
    file["nodes"]["pod"]["endpoints"] = json!({"health": [], "get": []});
    file["workload"]["user"]["rate"] = json!("10/s");
    ran(&file)
}

/// Three failures in 20 s, every life. With a probe that asks first whether it has started, liveness waits for that.
#[test]
fn a_slow_start_is_killed_by_liveness_for_ever_and_saved_by_a_startup_probe() {
    let ran = |startup: Value| {
        let run = slow_starter(&json!({"liveness": {"call": "health"}, "startup_probe": startup}), &[]);
        (number(&run, "killed"), metric(&run, "killed_at"), number(&run, "served"))
    };
    // 40, 60, 90, 130 and 190 s: each life has 20 s, and each start waits longer. Served is what came before the crash.
    assert_eq!(ran(Value::Null), (5.0, Some(40.0), 100.0));
    // And from 64.5 s to 180 s.
    let saved = (0.0, None, 1_255.0);
    assert_eq!(ran(json!({"call": "health", "failures": 30})), saved);
    // It fails at 20, 30, 40, 50 and 60 s: five in a row end it, and a sixth is never needed.
    assert_eq!(ran(json!({"call": "health", "failures": 6})), saved);
    assert_eq!(ran(json!({"call": "health", "failures": 5})).1, Some(60.0));
}

/// The delay is looked at when the clock of the probes ticks, which it does from the start on, every ten seconds.
#[test]
fn an_initial_delay_ends_with_the_next_tick_of_the_period() {
    let killed_at =
        |delay: &str| metric(&slow_starter(&json!({"liveness": {"call": "health", "delay": delay}}), &[]), "killed_at");
    // The life begins at 20 s, and three failures are 20 s.
    for (delay, at) in [("0s", 40.0), ("1s", 50.0), ("15s", 60.0), ("20s", 60.0)] {
        assert_eq!(killed_at(delay), Some(at), "{delay}");
    }
    // 50 and 60 s: two failures, and 70 s is well.
    assert_eq!((killed_at("21s"), killed_at("1m")), (None, None));
}

/// The startup probe is ok at 70 s; liveness goes on with its own ticks, 80, 90 and 100 s.
#[test]
fn liveness_begins_with_its_next_tick_after_the_start_and_the_startup_probe_is_over() {
    let startup = json!({"call": "health", "failures": 10});
    let hung = |pod: Value| metric(&slow_starter(&pod, &["71s.. hang pod.health"]), "killed_at");
    assert_eq!(hung(json!({"liveness": {"call": "health"}, "startup_probe": startup})), Some(101.0));
    assert_eq!(hung(json!({"startup_probe": startup})), None);
}

#[test]
fn a_process_that_is_frozen_while_it_starts_is_found_out_by_its_startup_probe() {
    let pod = json!({"startup_probe": {"call": "health", "failures": 6}, "stop": {"grace": "10s"}});
    let frozen = slow_starter(&pod, &["25s..110s pause pod"]);
    // 20, 30, … 70 s, and the timeout of the last.
    assert_eq!((metric(&frozen, "killed_at"), number(&frozen, "killed")), (Some(71.0), 1.0));
}

/// Up again at 64.5 s. Asked every second, it has started at 65 s; readiness is asked at once and not at its next tick, 70 s.
#[test]
fn readiness_is_asked_as_soon_as_the_startup_probe_is_ok() {
    let refused = |startup: Value| {
        number(&slow_starter(&json!({"readiness": {"call": "health"}, "startup_probe": startup}), &[]), "refused")
    };
    let started = json!({"call": "health", "every": "1s", "failures": 60});
    // Ten a second from 10 s on.
    assert_eq!((refused(started), refused(Value::Null)), (550.0, 600.0));
}

/// Nobody is listed who boots where readiness is asked; without, callers are refused by the process itself.
#[test]
fn a_process_that_boots_refuses_what_it_is_asked() {
    let run = slow_starter(&json!({}), &[]);
    assert_eq!((number(&run, "refused"), number(&run, "served")), (545.0, 1_255.0));
}

#[test]
fn readiness_may_need_several_successes_in_a_row() {
    let late = |successes: u32| {
        let readiness = json!({"call": "local", "successes": successes});
        number(&ran(&file(&json!({"replicas": 1, "readiness": readiness}), &["10s..12s crash pod"])), "refused")
    };
    // Up again at 12 s; its probes take a millisecond, and go at 12, 22 and 32 s.
    assert_eq!((late(1), late(3)), (2_001.0, 22_001.0));
    // One failure in between begins the row anew: 12 s is well, 22 s is not, then 32, 42 and 52 s.
    let readiness = json!({"call": "local", "successes": 3, "failures": 10});
    let file =
        file(&json!({"replicas": 1, "readiness": readiness}), &["10s..12s crash pod", "21s..23s fail pod.local"]);
    assert_eq!(number(&ran(&file), "refused"), 42_001.0);
}

// ── CrashLoopBackOff ──

/// A pod whose probe fails in these stretches of an hour, and when it was killed for the first, second … time.
fn killed(backoff: Value, faults: &[&str], times: usize) -> Vec<Option<f64>> {
    let mut pod = json!({"replicas": 1, "liveness": {"call": "local"}});
    if !backoff.is_null() {
        pod["backoff"] = backoff;
    }
    let mut file = file(&pod, faults);
    file["until"] = json!("1h");
    file["workload"]["user"]["limit"] = json!(1);
    for time in 1..=times {
        file["metrics"][format!("k{time}")] = json!({"first": format!("pod.killed >= {time}")});
    }
    let run = ran(&file);
    (1..=times).map(|time| metric(&run, &format!("k{time}"))).collect()
}

/// Each life lasts 20 s: three probes. The first restart comes at once, then after 10, 20, 40 … 300, 300 s.
#[test]
fn a_pod_that_is_killed_again_and_again_waits_ten_seconds_and_twice_as_long_each_time_up_to_five_minutes() {
    let ends = |waits: [u64; 8]| {
        let mut at = 0;
        waits.map(|wait| {
            at += wait + 20;
            Some(at as f64)
        })
    };
    let always = ["0s.. fail pod.local"];
    assert_eq!(killed(Value::Null, &always, 8), ends([0, 0, 10, 20, 40, 80, 160, 300]));
    assert_eq!(killed(json!("none"), &always, 8), ends([0; 8]));
    let own = json!({"wait": "15s", "max_wait": "40s"});
    assert_eq!(killed(own, &always, 8), ends([0, 0, 15, 30, 40, 40, 40, 40]));
}

/// Started anew at 20 s; killed at 620 s it has lived for just ten minutes, and at 630 s for longer than that.
#[test]
fn the_waits_begin_anew_after_a_life_of_more_than_ten_minutes() {
    let third = |from: &str| killed(Value::Null, &["0s..25s fail pod.local", &format!("{from}.. fail pod.local")], 3);
    assert_eq!(third("10m"), [Some(20.0), Some(620.0), Some(650.0)]);
    assert_eq!(third("601s"), [Some(20.0), Some(630.0), Some(650.0)]);
}

// ── Readiness ──

/// All pods ask the same database: none of them is ready, nobody is listed, and nothing is restarted.
#[test]
fn a_readiness_probe_that_asks_what_all_share_leaves_nobody_to_ask() {
    let run = ran(&file(&json!({"readiness": probe("deep")}), &["20s..60s slow db x500"]));
    assert_eq!((number(&run, "killed"), number(&run, "crashes")), (0.0, 0.0));
    // Off the list from 41 s on. The probe of 60 s is the first to be quick again: back at 60.01 s, behind the request of that instant.
    assert_eq!(number(&run, "refused"), 19_011.0);
    assert_eq!(number(&run, "failed"), 19_011.0);
}

#[test]
fn one_that_is_not_ready_is_asked_no_more_and_comes_back_when_callers_learn_of_it() {
    let run = |discovery: &str| {
        let faults = ["20s..60s fail pod-1", "20s..60s hang pod-2.local"];
        let mut file = file(&json!({"readiness": probe("local"), "discovery": discovery}), &faults);
        file["metrics"]["during"] = json!({"value": "user.error", "during": "20s..60s"});
        ran(&file)
    };
    // pod-1 fails at once, so that its third probe has failed at 40 s; a tenth of all for 20 s, both ends
    // included. pod-2 is served meanwhile.
    let at_once = run("0s");
    assert_eq!((number(&at_once, "failed"), number(&at_once, "during")), (2_001.0, 2_001.0));
    // News comes before what comes at the same instant.
    assert_eq!(number(&run("2s"), "failed"), 2_200.0);
    assert_eq!((number(&at_once, "crashes"), number(&at_once, "late")), (0.0, 60_000.0));
}

/// It is up at 12 s, and its first probe takes two seconds.
#[test]
fn one_that_starts_again_is_listed_when_it_is_ready_and_not_before() {
    let listed = |readiness: Value| {
        let mut file = file(&json!({"replicas": 1, "readiness": readiness}), &["10s..12s crash pod"]);
        file["nodes"]["pod"]["endpoints"]["local"] = json!([{"work": "2s"}]);
        number(&ran(&file), "refused")
    };
    let slow = json!({"call": "local", "every": "10s", "timeout": "3s", "failures": 3});
    assert_eq!((listed(Value::Null), listed(slow)), (2_000.0, 4_000.0));
}

#[test]
fn a_frozen_one_is_taken_off_the_list_too() {
    let run = ran(&file(&json!({"readiness": probe("local")}), &["20500ms..2m pause pod-1"]));
    // A tenth of all from 20 s to 51 s, but what it still answers in time when it wakes up.
    let lost = number(&run, "failed");
    assert!((3_045.0..=3_060.0).contains(&lost), "{lost}");
    assert_eq!((number(&run, "crashes"), number(&run, "late")), (0.0, 60_000.0));
}

// ── Restart ──

#[test]
fn a_crash_at_a_step_lasts_as_long_as_the_node_says_unless_the_fault_does() {
    let down = |restart: Value, fault: &str| {
        let mut file = file(&json!({"replicas": 1, "restart": restart}), &[fault]);
        file["workload"]["user"]["rate"] = json!("100/s");
        number(&ran(&file), "failed")
    };
    // The one at work, those that came in the 50 ms before, and 100 a second.
    let of = |seconds: f64| (100.0 * seconds, 100.0 * seconds + 10.0);
    let within = |lost: f64, (least, most): (f64, f64)| assert!((least..=most).contains(&lost), "{lost}");
    within(down(json!("5s"), "10s.. crash pod before get.reply #1000"), of(5.0));
    within(down(json!("5s"), "10s.. power-loss pod before get.reply #1000"), of(5.0));
    within(down(json!("5s"), "10s.. crash pod before get.reply #1000 for 2s"), of(2.0));
    // The thousandth comes there at 10 s, and the last is sent at 3 minutes.
    within(down(Value::Null, "10s.. crash pod before get.reply #1000"), of(170.0));
    // By the clock a crash says itself how long it lasts.
    within(down(json!("5s"), "10s..20s crash pod"), of(10.0));
}

// ── Scale ──

/// Pods that serve ten a second each and turn the rest away, and how many a second are served.
fn served(replicas: u32, more: &Value, faults: &[&str], windows: &[&str]) -> Vec<f64> {
    let mut file = file(more, faults);
    file["nodes"]["pod"]["replicas"] = json!(replicas);
    for (name, value) in [("workers", json!(1)), ("queue", json!(0))] {
        file["nodes"]["pod"][name] = value;
    }
    file["nodes"]["pod"]["endpoints"]["get"] = json!([{"work": "99ms"}, {"reply": "OK"}]);
    file["workload"]["user"]["rate"] = json!("120/s");
    for (number, window) in windows.iter().enumerate() {
        file["metrics"][format!("w{number}")] = json!({"rate": "user.ok", "during": window});
    }
    let run = ran(&file);
    (0..windows.len()).map(|at| number(&run, &format!("w{at}"))).collect()
}

#[test]
fn a_scale_has_replicas_come_with_their_startup_and_go_by_their_stop() {
    let windows = ["10s..20s", "31s..40s", "41s..60s", "75s..90s"];
    let up = served(3, &json!({"startup": "10s"}), &["30s..1m scale pod 6"], &windows);
    assert_eq!(up, [30.0, 30.0, 60.0, 30.0]);
    let down = served(3, &json!({"startup": "10s"}), &["30s scale pod 1", "1m scale pod 3"], &windows);
    assert_eq!(down, [30.0, 10.0, 10.0, 30.0]);
    assert_eq!(served(3, &json!({}), &["30s..1m scale pod 0"], &windows), [30.0, 0.0, 0.0, 30.0]);
    // One that was alone has a number from then on, and its bare name means all.
    let one =
        served(1, &json!({}), &["30s..1m scale pod 2", "45s..55s crash pod-2"], &["10s..20s", "31s..45s", "46s..55s"]);
    assert_eq!(one, [10.0, 20.0, 10.0]);
}

#[test]
fn of_two_scales_the_one_that_began_last_counts() {
    let windows = ["10s..20s", "21s..30s", "31s..40s", "41s..45s", "46s..50s", "51s..60s"];
    let faults = ["20s scale pod 2", "30s..50s scale pod 6", "40s..45s scale pod 1"];
    let served = served(3, &json!({}), &faults, &windows);
    assert_eq!(served.iter().map(|rate| rate.round()).collect::<Vec<_>>(), [30.0, 20.0, 60.0, 10.0, 60.0, 20.0]);
}

#[test]
fn who_is_scaled_away_drains_as_it_was_told_to() {
    let lost = |stop: Value| {
        let run = ran(&file(&json!({"discovery": "2s", "stop": stop}), &["30s..1m scale pod 5"]));
        (number(&run, "failed"), number(&run, "crashes"))
    };
    // Five pods: two seconds of 100 a second each that find nobody, and the five that each was working on.
    assert_eq!(lost(json!({})), (1_025.0, 5.0));
    assert_eq!(lost(json!({"pre_stop": "5s", "then": "drain"})), (0.0, 5.0));
}

#[test]
fn a_scale_is_about_a_service_and_what_it_brings_can_be_named() {
    let told = |faults: &[&str]| {
        let text = file(&json!({}), faults).to_string();
        let scenario = Scenario::parse("probes.json", &text).unwrap_or_else(|error| panic!("{error}"));
        scenario.model(&Choices::none()).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(told(&["10s scale pod 12", "20s..30s crash pod-12"]), "");
    for (fault, message) in [
        ("10s scale db 3", "db is no service, and only the replicas of a service are scaled"),
        ("10s scale pod-2 3", "\"pod-2\" is one replica; write \"scale pod 3\""),
        ("10s scale pod 10001", "10001 replicas are too many; a node has at most 10000"),
        ("10s scale pot 3", "no node \"pot\"; did you mean \"pod\"?"),
    ] {
        assert!(told(&[fault]).contains(message), "{}", told(&[fault]));
    }
    assert!(told(&["10s scale pod 11", "20s..30s crash pod-12"]).contains("no node \"pod-12\""));
}

/// The case holds the whole schedule, and a shrunk one that has no scale any more has no replica that it would bring.
#[test]
fn a_run_with_a_scale_replays_from_its_case() {
    let mut file = file(&json!({"replicas": 1}), &["10s scale pod 3", "20s..30s crash pod-1"]);
    file["properties"] = json!({"nobody waits": {"availability": "user", "at_least": "100%"}});
    let model = model(&file);
    let run = model.run(Seed(3), Stop::AtEnd);
    assert_eq!(run.outcome.verdict, Verdict::Broken);
    let case = model.case(&run);
    let again = sim_models::scenario::replay("case.json", &case, sim_core::Limits::default(), |_, _| {
        std::ops::ControlFlow::Continue(())
    });
    assert!(again.unwrap_or_else(|error| panic!("{error}")).reproduced);
    let small = sim_models::shrink::shrink("case.json", &case, 2_000, &mut |_| true).unwrap();
    let again = sim_models::scenario::replay("case.json", &small.case, sim_core::Limits::default(), |_, _| {
        std::ops::ControlFlow::Continue(())
    });
    assert!(again.unwrap_or_else(|error| panic!("{error}")).reproduced, "{:?}", small.case.faults);
}

// ── What is wrong ──

#[test]
fn a_probe_says_what_is_wrong_with_it() {
    let told = |probe: &Value, more: &dyn Fn(&mut Value)| {
        let mut file = file(&json!({"liveness": probe}), &[]);
        more(&mut file);
        let text = file.to_string();
        let scenario = Scenario::parse("probes.json", &text).unwrap_or_else(|error| panic!("{error}"));
        match scenario.model(&Choices::none()) {
            Ok(model) => model.warnings().to_string(),
            Err(error) => error.to_string(),
        }
    };
    let as_it_is = |_: &mut Value| {};
    let every = |every: &str| json!({"call": "local", "every": every});
    assert!(!told(&every("10s"), &as_it_is).contains("nobody calls pod.local"));
    assert!(
        told(&json!({"call": "lokal", "every": "1s"}), &as_it_is)
            .contains("no endpoint \"pod.lokal\"; pod has get, deep, local")
    );
    assert!(told(&every("0s"), &as_it_is).contains("every 0s lets no time pass"));
    assert!(
        told(&json!({"call": "local", "every": "1s", "timeout": "0s"}), &as_it_is)
            .contains("no answer comes in no time")
    );
    assert!(told(&json!({"every": "1s"}), &as_it_is).contains("\"call\""));
    assert!(
        told(&json!({"call": "local", "successes": 2}), &as_it_is)
            .contains("only a readiness probe may need more than one success in a row")
    );
    let backoff = |value: Value| move |file: &mut Value| file["nodes"]["pod"]["backoff"] = value.clone();
    let longer = json!({"wait": "1m", "max_wait": "10s"});
    assert!(told(&every("1s"), &backoff(longer)).contains("the first wait, 60s, is longer than the longest, 10s"));
    let unprobed = |file: &mut Value| {
        file["nodes"]["pod"]["liveness"] = Value::Null;
        file["nodes"]["pod"]["backoff"] = json!("none");
    };
    assert!(told(&Value::Null, &unprobed).contains("nothing restarts this service by itself"));
    let endless = |file: &mut Value| file["until"] = Value::Null;
    assert!(told(&every("1s"), &endless).contains("pod is probed every 1s for ever; give the scenario an \"until\""));
    let carries = |file: &mut Value| file["nodes"]["pod"]["endpoints"]["local"] = json!([{"reply": "$request"}]);
    assert!(told(&every("1s"), &carries).contains("pod.local is asked by a probe, which carries nothing"));
}

// ── Scenario ──

fn example(name: &str) -> Value {
    let path = workspace().join("examples").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("it is JSON")
}

/// Ten pods at 100 a second each find nobody for 2 s after each of them stopped, 2,000 in all, and 5 are at work in each. Of the
/// slow minute three probes fail, 10 s apart: each pod restarts, once or twice.
#[test]
fn a_deploy_drops_what_callers_send_before_they_know_and_a_deep_probe_kills_the_fleet() {
    let mut file = example("deploy-drain.json");
    keeps_its_word(&file, 1);
    // What is random is only who is asked for what: a tenth of the load has a tenth of the losses.
    file["workload"]["user"]["rate"] = json!("100/s");
    check(
        &remedied(&written(&file), None),
        2,
        &expectations(&json!({"failed_in_deploy": [195, 215], "probe_restarts": [10, 20]})),
    );
    let verdicts = [None, Some("drain"), Some("local-liveness")]
        .map(|remedy| remedied(&written(&file), remedy).run(Seed(0), Stop::AtEnd).outcome.verdict);
    assert_eq!(verdicts, [Verdict::Broken; 3], "each remedy is for one of the two");
}
