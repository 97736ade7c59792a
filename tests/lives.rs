//! How lives of nodes end by order: asked to stop, restarted one after the other, deployed, rolled back; and what is allowed and
//! rare, and what comes all at once.

use faultline_tests::cast::{A, Act, B, EVERY_SECOND, NOTHING, Probe, Say, at, cast, check, ms, run, with};
use serde_json::json;
use sim_core::{Event, Fault, Happening, Link, Odds, Purpose, Rest, Seed, Stop, System, Timer};
use sim_models::language::Choices;
use sim_models::scenario::{Model, Scenario};

// ── Stop ──

/// Exits two seconds after it is asked.
const TIDY: Act = |event, cx| match event {
    Event::Stop { .. } => cx.set(Timer(7), ms(2_000)),
    Event::Timer(Timer(7)) => {
        cx.note("tidied up".to_owned());
        cx.exit();
    }
    _ => {}
};

#[test]
fn a_node_that_is_asked_to_stop_may_finish_and_starts_again_at_the_end() {
    let told = |fault: &str| -> Vec<String> {
        let ran = run(&with(cast(&[TIDY]), &[fault]), 1);
        ran.lines.iter().filter(|line| !line.contains("/1: start")).cloned().collect()
    };
    let within = ["1s a/1: asked to stop within 10s", "3s a/1: timer 7", "3s tidied up", "20s a/2: start"];
    assert_eq!(told("1s..20s stop a grace 10s"), within);
    assert_eq!(told("1s..20s stop a")[0], "1s a/1: asked to stop within 30s");
    // Killed before it is done.
    assert_eq!(told("1s..20s stop a grace 1s"), ["1s a/1: asked to stop within 1s", "20s a/2: start"]);
    // The fault is over before the node is: it starts as soon as it has stopped.
    let early = ["1s a/1: asked to stop within 30s", "3s a/1: timer 7", "3s tidied up", "3s a/2: start"];
    assert_eq!(told("1s..2s stop a"), early);
}

#[test]
fn who_ignores_it_is_killed_when_its_grace_is_over() {
    let ran = run(&with(cast(&[NOTHING]), &["1s..60s stop a grace 5s"]), 1);
    let killed = ran.steps.iter().find(|step| matches!(step.what, Happening::Killed { .. })).unwrap();
    let began = ran.steps.iter().find(|step| matches!(step.what, Happening::FaultBegan { .. })).unwrap();
    assert_eq!((killed.at, killed.by), (at("6s"), Some(began.number)));
    assert_eq!(ran.mentioning("/2"), ["60s a/2: start"]);
    assert_eq!(ran.sim.touched(), [1]);
    // A process that is frozen cannot hear, and is killed all the same.
    check(&[TIDY], &["1s..60s stop a grace 5s", "500ms..20s pause a"], "/2", &["60s a/2: start"]);
}

/// What comes to a frozen process behind the order to stop is not its next life's: it was received and never looked at.
#[test]
fn the_next_life_begins_before_anything_comes_to_it() {
    const EXITS: Act = |event, cx| {
        if let Event::Stop { .. } = event {
            cx.exit();
        }
    };
    for fault in ["4500ms restart b", "4500ms..5900ms stop b"] {
        let mut system = with(cast(&[EVERY_SECOND, EXITS]), &["1500ms..5700ms pause b", fault]);
        system.network(Link { answers: true, ..Link::with_latency(sim_core::Dist::Constant(ms(10))) });
        let ran = run(&system, 1);
        let of_b: Vec<&String> = ran.lines.iter().filter(|line| line.contains("b/")).collect();
        // Three pings came before the order, and one behind it; it has answered none, so that all are reset, that of before too.
        let order = of_b.iter().position(|line| line.contains("asked to stop")).unwrap();
        assert!(of_b[order + 1].contains("b/2: start"), "{fault}: {of_b:#?}");
        let waited = of_b[..order].iter().filter(|line| line.starts_with("5.7s b/1")).count();
        assert_eq!((waited, ran.mentioning("reset by b").len()), (3, 5), "{fault}: {:#?}", ran.lines);
    }
}

#[test]
fn what_it_owes_is_reset_as_it_goes_and_nobody_is_sent_to_it() {
    let mut system = with(cast(&[EVERY_SECOND, TIDY]), &["1500ms..60s stop b"]);
    system.network(Link { answers: true, ..Link::with_latency(sim_core::Dist::Constant(ms(10))) });
    let ran = run(&system, 1);
    // Pings 1 to 3 had come there; the others find nobody.
    assert_eq!(ran.mentioning("reset by b").len(), 3, "{:?}", ran.lines);
    assert_eq!(ran.mentioning("refused by b").len(), 6);
    let listed = |lag: &str| {
        let mut system = with(cast(&[WATCHES, TIDY]), &["1500ms..10s stop b"]);
        system.discovery(B, lag.parse().unwrap());
        run(&system, 1).mentioning("b is").iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("0s"), ["0s b is there", "2s b is gone", "10s b is there"]);
    assert_eq!(listed("2s"), ["0s b is there", "4s b is gone", "12s b is there"]);
}

/// Says each second whether `b` is listed, when that has changed.
const WATCHES: Act = |event, cx| {
    let before = match event {
        Event::Start(_) => None,
        Event::Timer(Timer(before)) => Some(*before == 1),
        _ => return,
    };
    let there = cx.is_up(B);
    if before != Some(there) {
        cx.note(format!("b is {}", if there { "there" } else { "gone" }));
    }
    if cx.now() < at("15s") {
        cx.set(Timer(u32::from(there)), ms(1_000));
    }
};

#[test]
fn stops_and_crashes_overlap_without_order() {
    let restarts = |faults: &[&str]| run(&with(cast(&[TIDY]), faults), 1).mentioning("/2: start").join(" ");
    for faults in [["1s..20s stop a", "5s..30s crash a"], ["1s..30s stop a", "2s..20s crash a"]] {
        assert_eq!(restarts(&faults), "30s a/2: start", "{faults:?}");
    }
    assert_eq!(restarts(&["1s..10s crash a", "5s..20s stop a"]), "20s a/2: start");
    assert_eq!(restarts(&["1s..20s stop a grace 1s", "1s..30s stop a"]), "30s a/2: start");
}

#[test]
fn a_node_that_takes_long_to_start_is_down_until_it_has() {
    let mut system = with(cast(&[NOTHING]), &["1s..2s crash a", "20s..21s crash a"]);
    system.startup(A, ms(5_000));
    let ran = run(&system, 1);
    assert_eq!(ran.mentioning(": start"), ["0s a/1: start", "7s a/2: start", "26s a/3: start"]);
}

// ── Restart, deploy, rollback ──

fn fleet(of: usize, faults: &[&str]) -> System<Say> {
    let mut system = System::new();
    for number in 1..=of {
        let node = system.replica(&format!("api-{number}"), "api", Probe::new(TIDY));
        system.version(node, "v2", Probe::new(V2));
    }
    with(system, faults)
}

/// The same, and says which it is.
const V2: Act = |event, cx| match event {
    Event::Start(_) => cx.note("v2".to_owned()),
    _ => TIDY(event, cx),
};

fn restarts(of: usize, faults: &[&str]) -> Vec<String> {
    let ran = run(&fleet(of, faults), 1);
    let again = |line: &&String| line.contains(": start") && !line.contains("/1: start");
    ran.lines.iter().filter(again).map(|line| line.replace(": start", "")).collect()
}

#[test]
fn replicas_restart_one_after_the_other_at_a_pace() {
    assert_eq!(restarts(3, &["60s restart api every 15s"]), ["62s api-1/2", "77s api-2/2", "92s api-3/2"]);
    assert_eq!(restarts(3, &["60s restart api"]).len(), 3);
    assert_eq!(restarts(3, &["60s..80s restart api every 15s"]).len(), 2, "not after the window");
    assert_eq!(run(&fleet(3, &["60s restart api every 15s"]), 1).sim.touched(), [3]);
}

#[test]
fn a_deploy_takes_a_share_at_a_time_and_a_rollback_takes_those_back() {
    let count = |faults: &[&str], until: &str| {
        let ran = run(&fleet(10, faults), 1);
        let before = |line: &&&str| at(line.split(' ').next().unwrap()) < at(until);
        ran.mentioning("v2").iter().filter(before).count()
    };
    let deploy = "60s deploy api v2 by 25% every 60s";
    assert_eq!(["100s", "150s", "200s", "300s"].map(|until| count(&[deploy], until)), [3, 5, 8, 10]);
    let both = ["60s..150s deploy api v2 by 25% every 60s", "200s rollback api"];
    let ran = run(&fleet(10, &both), 1);
    assert_eq!(ran.sim.touched(), [5, 5]);
    assert_eq!(ran.mentioning("202s api-").iter().filter(|line| line.contains("/3: start")).count(), 5);
    assert_eq!(ran.mentioning("v2").len(), 5);
    // What crashes later starts with what was deployed, and one that is down as it is deployed does too.
    assert_eq!(count(&["60s deploy api v2", "100s..110s crash api-1"], "200s"), 11);
    assert_eq!(count(&["50s..70s crash api-1", "60s deploy api v2"], "200s"), 10);
    assert_eq!(run(&fleet(2, &["60s deploy api v3"]), 1).sim.touched(), [0], "nobody knows that version");
}

// ── Buggify ──

/// Passes two places a hundred times.
const BUGGY: Act = |event, cx| {
    let n = match event {
        Event::Start(_) => 0,
        Event::Timer(Timer(n)) => *n,
        _ => return,
    };
    for site in ["slow-path", "fast-path"] {
        if cx.buggify(site) {
            cx.note(format!("{site} {n}"));
        }
    }
    if n < 100 {
        cx.set(Timer(n + 1), ms(10));
    }
};

#[test]
fn a_place_is_live_for_a_whole_run_and_fires_now_and_then() {
    let fired = |faults: &[&str], seed, site: &str| run(&with(cast(&[BUGGY]), faults), seed).mentioning(site).len();
    let all: Vec<usize> = (0..200).map(|seed| fired(&["buggify"], seed, "slow-path")).collect();
    let live = all.iter().filter(|fired| **fired > 0).count();
    // A quarter of 200 runs, ± 4 · 6.1; in those a quarter of 101 passages.
    assert!((26..75).contains(&live), "{live}");
    let mean = all.iter().sum::<usize>() as f64 / live as f64;
    assert!((22.0..29.0).contains(&mean), "{mean}");
    assert_eq!(fired(&[], 1, "path"), 0);
    assert_eq!(fired(&["buggify slow-* 100% 100%"], 1, "slow-path"), 101);
    assert_eq!(fired(&["buggify slow-* 100% 100%"], 1, "fast-path"), 0);
    assert_eq!(fired(&["0s..505ms buggify 100% 100%"], 1, "slow-path"), 51, "it ends");
    assert_eq!(run(&with(cast(&[BUGGY]), &["buggify * 100% 100%"]), 1).sim.touched(), [202]);
    assert_eq!(run(&with(cast(&[NOTHING]), &["buggify"]), 1).sim.touched(), [0]);
}

#[test]
fn what_a_place_did_can_be_written_down_as_a_line_of_a_case() {
    let mut calm = with(cast(&[BUGGY]), &["buggify * 100% 20%", "draw a buggify #3 yes"]);
    calm.rest(Rest::Calm);
    assert_eq!(run(&calm, 1).mentioning("path"), ["10ms slow-path 1"]);
}

// ── Picks ──

/// Picks one of ten a thousand times, ten milliseconds apart.
const PICKY: Act = |event, cx| {
    let n = match event {
        Event::Start(_) => 0,
        Event::Timer(Timer(n)) => *n,
        _ => return,
    };
    let number = cx.number(Purpose::new("number"), &Odds::new(10, 1.0).expect("sound"));
    cx.note(format!("picked {number}."));
    if n < 999 {
        cx.set(Timer(n + 1), ms(10));
    }
};

/// How often each of ten was picked.
fn picks(faults: &[&str], seed: u64) -> Vec<usize> {
    let ran = run(&with(cast(&[PICKY]), faults), seed);
    (1..=10).map(|number| ran.mentioning(&format!("picked {number}.")).len()).collect()
}

#[test]
fn a_skew_has_picks_be_extreme_while_it_holds_and_leaves_the_others_as_they_were() {
    let plain = picks(&[], 1);
    assert_eq!(plain.iter().sum::<usize>(), 1_000);
    // A share of 1 / (1 + 1/2 + … + 1/10) = 34.1 %, and a tenth of that: within four standard errors.
    assert!((282..=401).contains(&plain[0]) && (12..=57).contains(&plain[9]), "{plain:?}");
    assert_eq!(picks(&["skew a first 100%"], 1)[0], 1_000);
    assert_eq!(picks(&["skew a last 100%"], 1)[9], 1_000);
    let ends = picks(&["skew a ends 100%"], 1);
    assert!(ends[0] + ends[9] == 1_000 && (437..=563).contains(&ends[0]), "{ends:?}");
    // Half of the 500 picks of the first five seconds, beside those that are 10 anyway.
    let half = run(&with(cast(&[PICKY]), &["0s..4995ms skew a last 50%"]), 1);
    let struck = half.sim.touched()[0];
    assert!((205..=295).contains(&struck), "{struck}");
    let plain = run(&cast(&[PICKY]), 1);
    let (skewed, alone) = (half.mentioning("picked"), plain.mentioning("picked"));
    let others = skewed.iter().zip(&alone).filter(|(skewed, _)| !skewed.contains("picked 10."));
    assert!(others.clone().all(|(skewed, alone)| skewed == alone), "a pick keeps its dice");
    assert!(others.count() > 600);
    assert_eq!(skewed[500..], alone[500..], "it ends");
    assert_eq!(run(&with(cast(&[NOTHING]), &["skew a first 100%"]), 1).sim.touched(), [0]);
}

#[test]
fn of_two_skews_the_first_that_strikes_has_its_way() {
    let both = picks(&["skew a first 30%", "skew a last 100%"], 1);
    assert!((242..=358).contains(&both[0]) && both[0] + both[9] == 1_000, "{both:?}");
}

#[test]
fn what_was_picked_can_be_written_down_as_a_line_of_a_case() {
    let mut calm = with(cast(&[PICKY]), &["skew a last 100%", "draw a number #3 7"]);
    calm.rest(Rest::Calm);
    let ran = run(&calm, 1);
    let told = ran.mentioning("picked");
    assert_eq!((told[1], told[2], told[3]), ("10ms picked 10.", "20ms picked 7.", "30ms picked 10."));
    let mut beyond = with(cast(&[PICKY]), &["draw a number #1 11"]);
    beyond.rest(Rest::Calm);
    assert_eq!(run(&beyond, 1).mentioning("picked")[0], "0s picked 2.", "there is no eleventh, so the middle stays");
}

#[test]
fn a_scenario_picks_by_its_odds_and_a_skew_has_them_all_want_one() {
    let text = |fault: &str| {
        json!({
            "faultline": 1, "name": "picks", "until": "60s",
            "nodes": {"shop": {"kind": "service", "maps": {"sold": {}}, "endpoints": {"buy": [
                {"set": "sold[$product]", "to": "= value + 1"}, {"reply": "OK"}]}}},
            "workload": {"user": {"rate": "100/s", "limit": 1000, "each": "order", "do": [
                {"pick": "product", "among": 4, "skew": 1},
                {"call": "shop.buy", "with": {"product": "$product"}}]}},
            "faults": if fault.is_empty() { json!([]) } else { json!([fault]) },
            "metrics": {"first": {"value": "shop.sold[1]"}, "all": {"value": "shop.sold[1] + shop.sold[2] + shop.sold[3] + shop.sold[4]"}},
            "properties": {"nobody else": {"never": "shop.sold[1] > 900"}}
        })
        .to_string()
    };
    assert_eq!(metric(&text(""), "all"), 1_000.0);
    // 1 / (1 + 1/2 + 1/3 + 1/4) = 48 %, within four standard errors.
    let first = metric(&text(""), "first");
    assert!((417.0..=543.0).contains(&first), "{first}");
    let skewed = metric(&text("skew user first 90%"), "first");
    // 90 % and 48 % of the rest.
    assert!((920.0..=976.0).contains(&skewed), "{skewed}");
    let model = model(&text("skew user first 90%"));
    let case = model.case(&model.run(Seed(0), Stop::AtViolation));
    let small = sim_models::shrink::shrink("case.json", &case, 20_000, &mut |_| true).unwrap();
    let lines: Vec<String> = small.case.faults.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["skew user first 90%"]);
}

// ── Text ──

#[test]
fn they_print_as_they_are_written() {
    for text in [
        "60s..90s stop worker-1 grace 10s",
        "stop each of s1..s3 every ~1m for 10s",
        "stop the leader at elected #2 for 5s",
        "60s.. deploy api v2 by 25% every 1m",
        "90s rollback api",
        "1m restart worker every 15s",
        "60s..90s rush shopper x3",
        "60s..90s skew shopper first 90%",
        "skew each of s1..s3 ends 50%",
        "2s.. skew the leader last 1/3",
        "draw shopper number order/17 #1 5",
        "buggify",
        "buggify slow-* 50% 10%",
        "2s..3s buggify 50%",
    ] {
        let text = text.replace("60s", "1m").replace("90s", "1.5m");
        let fault: Fault = text.parse().unwrap();
        assert_eq!(fault.to_string().parse::<Fault>().as_ref(), Ok(&fault), "{text}");
    }
    let error = |text: &str| text.parse::<Fault>().unwrap_err().to_string();
    assert_eq!(
        error("60s restart api every ~15s"),
        "the pace of a restart is not drawn, and \"every ~15s\" is; write \"every 15s\""
    );
    assert_eq!(
        error("60s restart api for 15s"),
        "a restart lasts as long as it takes, and has no \"for\"; leave it out"
    );
    assert!(error("restart api at m").contains("begins by the clock"));
    assert!(error("deploy api").starts_with("a version such as v2 is missing at the end"));
}

// ── Forks ──

#[test]
fn a_fork_at_any_event_goes_on_as_the_original_does() {
    let faults = [
        "10s deploy api v2 by 25% every 5s",
        "12s..20s stop api-2 grace 1s",
        "stop one of api every ~20s for ~5s",
        "40s rollback api every 1s",
        "13s..14s crash api-1",
    ];
    let mut system = fleet(4, &faults);
    system.startup(A, ms(700));
    system.discovery(B, ms(300));
    let digest = |mut sim: sim_core::Sim<Say>| {
        while sim.step_before(at("2m")).is_some() {}
        sim.digest()
    };
    let whole = digest(system.start(Seed(1)).unwrap());
    let mut sim = system.start(Seed(1)).unwrap();
    loop {
        assert_eq!(digest(sim.clone()), whole);
        if sim.step_before(at("2m")).is_none() {
            return;
        }
    }
}

// ── In scenarios ──

/// A store that has promised is frozen and asked to stop: what has waited at it comes to nobody, and not to a life that has yet to
/// find what it has promised.
#[test]
fn what_waited_at_a_store_does_not_come_before_what_it_promised() {
    const TEXT: &str = r#"{"faultline": 1, "name": "promised", "until": "30s", "network": {"latency": "100ms"},
        "nodes": {
            "shop": {"kind": "service", "endpoints": {"pay": [
                {"transaction": [{"set": "stock.taken['k']", "to": 1}, {"set": "payments.paid['k']", "to": 1}],
                 "protocol": "2pc", "id": "tx", "timeout": "20s"}]}},
            "other": {"kind": "service", "endpoints": {"put": [
                {"set": "stock.taken['k']", "to": 7, "timeout": "60s"}, {"record": "put"}]}},
            "stock": {"kind": "store", "durable": "synced", "sync": "1ms", "maps": {"taken": {"k": 0}}},
            "payments": {"kind": "store", "durable": "synced", "sync": "1ms", "maps": {"paid": {"k": 0}}}},
        "workload": {
            "buyer": {"rate": "1/s", "spacing": "even", "limit": 1, "each": "order", "do": [{"call": "shop.pay"}]},
            "clerk": {"rate": "20/s", "spacing": "even", "start": "5s", "for": "20s", "each": "change", "do": [{"call": "other.put"}]}},
        "faults": ["crash shop at tx.prepared for 100s", "10s..12s pause stock", "11900ms restart stock"],
        "metrics": {"puts": {"value": "total(put)"}, "doubt": {"value": "stock.in_doubt"}}}"#;
    assert_eq!((metric(TEXT, "puts"), metric(TEXT, "doubt")), (0.0, 1.0));
}

fn model(text: &str) -> Model {
    let scenario = Scenario::parse("small.json", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    scenario.model(&Choices::none()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn metric(text: &str, name: &str) -> f64 {
    let run = model(text).run(Seed(0), Stop::AtEnd);
    run.metrics.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value).unwrap_or(f64::NAN)
}

/// Ten pods that are restarted one after the other, under a thousand requests a second.
fn rolling(stop: &str) -> String {
    format!(
        r#"{{"faultline": 1, "name": "rolling", "until": "5m",
  "nodes": {{"pod": {{"kind": "service", "replicas": 10, "workers": 400, "discovery": "2s", "startup": "10s", "stop": {stop},
             "endpoints": {{"get": [{{"work": "50ms"}}, {{"reply": "OK"}}]}}}}}},
  "workload": {{"user": {{"rate": "1000/s", "spacing": "even", "for": "4m", "each": "request", "do": [{{"call": "pod.get"}}]}}}},
  "faults": ["30s restart pod every 15s"],
  "metrics": {{"failed": {{"value": "user.error + user.unknown"}}, "served": {{"value": "user.ok"}}}}}}"#
    )
}

#[test]
fn a_rolling_restart_loses_what_comes_before_callers_learn_of_it_and_a_drain_loses_nothing() {
    // Each pod: 2 s of 100 requests a second that find nobody, and the five that it was working on.
    let failed = metric(&rolling("{}"), "failed");
    assert!((1_950.0..=2_150.0).contains(&failed), "{failed}");
    let drain = rolling(r#"{"pre_stop": "5s", "then": "drain"}"#);
    assert_eq!((metric(&drain, "failed"), metric(&drain, "served")), (0.0, 240_000.0));
    // Without the wait it refuses for as long as callers do not know.
    let hasty = metric(&rolling(r#"{"then": "drain"}"#), "failed");
    assert!((1_950.0..=2_050.0).contains(&hasty), "{hasty}");
    // Killed in the middle of the wait.
    let killed = metric(&rolling(r#"{"pre_stop": "5s", "then": "drain", "grace": "1s"}"#), "failed");
    assert!((900.0..=1_200.0).contains(&killed), "{killed}");
}

/// Pods that say which version they are.
fn versions(faults: &str) -> String {
    format!(
        r#"{{"faultline": 1, "name": "versions", "until": "5m",
  "nodes": {{"pod": {{"kind": "service", "replicas": 4, "endpoints": {{"get": [
     {{"switch": "$version", "cases": {{"v2": [{{"record": "new"}}], "else": [{{"record": "old"}}]}}}}]}}}}}},
  "workload": {{"user": {{"rate": "100/s", "spacing": "even", "for": "4m", "each": "request", "do": [{{"call": "pod.get"}}]}}}},
  "faults": [{faults}],
  "metrics": {{"new": {{"value": "total(new)", "during": "100s..110s"}}, "later": {{"value": "total(new)", "during": "200s..210s"}}}}}}"#
    )
}

#[test]
fn a_deploy_changes_the_version_of_some_and_a_rollback_of_all() {
    let deploy = r#""60s deploy pod v2 by 25% every 60s""#;
    assert_eq!((metric(&versions(deploy), "new"), metric(&versions(deploy), "later")), (250.0, 750.0));
    let back = r#""60s..130s deploy pod v2 by 25% every 60s", "150s rollback pod""#;
    assert_eq!((metric(&versions(back), "new"), metric(&versions(back), "later")), (250.0, 0.0));
    assert_eq!(metric(&versions(""), "new"), 0.0);
}

/// A shop that publishes in two steps.
fn shop(faults: &str) -> String {
    format!(
        r#"{{"faultline": 1, "name": "steps", "until": "5m",
  "nodes": {{
    "db": {{"kind": "store", "maps": {{"orders": {{}}}}, "set": "1ms"}},
    "shop": {{"kind": "service", "endpoints": {{"place": [
       {{"set": "db.orders[$order]", "to": "PAID"}}, {{"record": "written"}}, {{"work": "5ms"}}, {{"record": "told", "id": "second"}}, {{"reply": "OK"}}]}}}}}},
  "workload": {{"user": {{"rate": "10/s", "spacing": "even", "limit": 100, "each": "order", "do": [{{"call": "shop.place", "timeout": "1s", "on": {{"else": []}}}}]}}}},
  "faults": [{faults}],
  "metrics": {{"half": {{"count": "written > told"}}, "written": {{"value": "total(written)"}}, "told": {{"value": "total(told)"}}}}}}"#
    )
}

#[test]
fn a_crash_between_two_steps_leaves_the_first_done_and_the_second_not() {
    for line in [
        "before place.second #3 for 10ms",
        "after place.work #3 for 10ms",
        "before second #3 for 10ms",
        "at second #3 for 10ms",
    ] {
        let text = shop(&format!("\"crash shop {line}\""));
        assert_eq!((metric(&text, "half"), metric(&text, "told")), (1.0, 99.0), "{line}");
    }
    let text = shop(r#""crash shop after second #3 for 10ms""#);
    assert_eq!((metric(&text, "half"), metric(&text, "told")), (0.0, 100.0));
    // The store has it, and the shop does not know: the fact that it was written is not stated.
    let text = shop(r#""crash shop after place.set #3 #5 for 10ms""#);
    assert_eq!((metric(&text, "written"), metric(&text, "half")), (98.0, 0.0));
    let text = shop(r#""crash shop before place.set 10% for 10ms""#);
    let written = metric(&text, "written");
    assert!((75.0..99.0).contains(&written), "{written}");
}

#[test]
fn a_step_that_is_not_there_is_told_those_that_are() {
    let said = |fault: &str| {
        let scenario = Scenario::parse("small.json", &shop(fault)).unwrap();
        scenario.model(&Choices::none()).map(|_| ()).unwrap_err().to_string()
    };
    let error = said(r#""crash shop before place.secnd for 1s""#);
    assert!(error.contains("no step \"place.secnd\"; did you mean \"place.second\"?"), "{error}");
    let error = said(r#""crash shop at pay.prepared for 1s""#);
    assert!(error.contains("no step \"pay.prepared\"; steps are place.record, place.reply"), "{error}");
    let error = said(r#""crash db before place.set for 1s""#);
    assert!(error.contains("\"place.set\" is a step of shop; a fault that waits there strikes shop"), "{error}");
}

#[test]
fn a_step_by_chance_is_found_written_down_and_named() {
    let text = shop(r#""crash shop before place.second 2% for 10ms""#).replace(
        r#""metrics""#,
        r#""properties": {"all or nothing": {"never": "written > told && ok + error + unknown > 0"}}, "metrics""#,
    );
    let model = model(&text);
    let failing = (0..50).map(Seed).find(|seed| {
        let run = model.run(*seed, Stop::AtViolation);
        run.outcome.verdict != sim_core::Verdict::Held
    });
    let seed = failing.expect("one of 50 fails");
    let case = model.case(&model.run(seed, Stop::AtViolation));
    let small = sim_models::shrink::shrink("case.json", &case, 10_000, &mut |_| true).unwrap();
    let lines: Vec<String> = small.case.faults.iter().map(ToString::to_string).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("crash shop before place.second #"), "{lines:?}");
    let proofs = sim_models::prove::prove(&small.model, small.case.seed, &small.failure);
    assert_eq!(proofs[0].without, sim_models::prove::Without::Vanishes, "{:?}", proofs[0]);
    let why = sim_models::explain::explain("case.json", &small.case, 10_000, &mut |_| true).unwrap();
    let named = |clause: &sim_models::explain::Clause| clause.text.contains("crash shop before place.second #");
    assert!(why.clauses.iter().any(named), "it is named");
}

#[test]
fn a_scenario_names_places_for_what_is_rare() {
    let text = |fault: &str| {
        shop(fault).replace(
            r#"{"record": "told", "id": "second"}"#,
            r#"{"buggify": "forgets", "then": [], "else": [{"record": "told"}]}"#,
        )
    };
    assert_eq!(metric(&text(""), "told"), 100.0);
    let told = metric(&text(r#""buggify forgets 100% 25%""#), "told");
    assert!((58.0..92.0).contains(&told), "{told}");
    assert_eq!(metric(&text(r#""buggify remembers 100% 100%""#), "told"), 100.0);
}

#[test]
fn a_rush_has_the_same_operations_come_sooner() {
    let text = |fault: &str| {
        shop(fault).replace(r#""limit": 100"#, r#""for": "60s""#).replace(
            r#""metrics": {"#,
            r#""metrics": {"before": {"value": "user.requests", "during": "0s..20s"}, "in": {"value": "user.requests", "during": "20s..40s"},
                           "behind": {"value": "user.requests", "during": "41s..51s"}, "#,
        )
    };
    let rush = text(r#""20s..40s rush user x3""#);
    let (before, within, behind) = (metric(&rush, "before"), metric(&rush, "in"), metric(&rush, "behind"));
    assert_eq!((before, behind), (200.0, 100.0));
    assert!((597.0..=601.0).contains(&within), "{within}");
    let model = model(&rush);
    assert!(model.run(Seed(0), Stop::AtEnd).touched[0] > 590);
}
