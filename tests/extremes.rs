//! Input at the edge of what can be written is refused with its place, or survives, or ends at a limit that has a name; it never
//! aborts, hangs or panics.

use std::ops::ControlFlow;

use faultline_tests::cast::{Probe, Say};
use faultline_tests::scenarios::built_in;
use serde_json::{Value, json};
use sim_core::run::LimitHit;
use sim_core::{
    Course, Duration, Event, Fault, Instant, Limits, Link, Outcome, Seed, Stop, System, Timer, Verdict, run,
};
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Scenario};

/// Small, so that each is met in a moment.
const FEW: Limits = Limits { events: 50_000, events_at_one_instant: 10_000, pending: 20_000, memory: 1 << 30 };

/// One service `a` whose endpoint `go` does this, asked so.
fn asked(steps: &Value, workload: &Value) -> Value {
    let mut workload = workload.clone();
    workload["each"] = json!("order");
    workload["do"] = json!([{"call": "a.go"}]);
    json!({
        "faultline": 1, "name": "extreme", "until": "10s", "network": {"latency": "0s"},
        "nodes": {"a": {"kind": "service", "maps": {"m": {}}, "endpoints": {"go": steps}}},
        "workload": {"w": workload}
    })
}

/// How it is refused.
fn refused(text: &str) -> String {
    let scenario = Scenario::parse("x.json", text);
    let refused = scenario.and_then(|scenario| scenario.model(&Choices::none()).map(|_| ()));
    refused.expect_err("it is refused").to_string()
}

/// What comes of it.
fn outcome(scenario: &Value, limits: Limits) -> Outcome {
    let scenario = Scenario::parse("x.json", &scenario.to_string()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let model = scenario.model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let watch = |_: &_, _: &_| ControlFlow::Continue(());
    let outcome = model.run_watched(Seed(1), Stop::AtEnd, limits, watch).outcome;
    let again = model.run_watched(Seed(1), Stop::AtEnd, limits, watch).outcome;
    assert_eq!(outcome, again, "a limit strikes at the same event again");
    assert_eq!(outcome.panic, None);
    outcome
}

/// It ends at this limit, and the verdict says so.
fn ends_at(scenario: &Value, limits: Limits, hit: LimitHit) {
    let outcome = outcome(scenario, limits);
    assert_eq!((outcome.verdict, outcome.limit), (Verdict::OutOfLimits, Some(hit)), "{scenario}");
}

#[test]
fn a_billion_requests_a_second_end_at_a_limit() {
    let flood = asked(&json!([]), &json!({"rate": "1000000000/s"}));
    ends_at(&flood, FEW, LimitHit::Events(50_000));
    let pile = asked(&json!([{"work": "1000d"}]), &json!({"rate": "1000000000/s"}));
    ends_at(&pile, FEW, LimitHit::Pending(20_000));
}

#[test]
fn a_loop_without_delay_ends_at_a_limit() {
    let once = json!({"rate": "1/s", "limit": 1, "spacing": "even"});
    let at_once = LimitHit::EventsAtOneInstant(10_000);
    let circle = asked(&json!([{"call": "a.go"}]), &once);
    ends_at(&circle, FEW, at_once);
    let mut tries = asked(&json!([{"fail": "no"}]), &once);
    tries["workload"]["w"]["do"] = json!([{"call": "a.go", "retry": {"tries": "forever", "wait": "0s", "on": ["no"]}}]);
    ends_at(&tries, FEW, at_once);
    let users = asked(&json!([]), &json!({"users": 1}));
    ends_at(&users, FEW, at_once);
}

#[test]
fn what_happens_every_nanosecond_ends_at_a_limit() {
    let mut clock = asked(&json!([]), &json!({"rate": "1/s"}));
    clock["nodes"]["a"]["endpoints"]["tick"] = json!({"every": "1ns", "do": []});
    ends_at(&clock, FEW, LimitHit::Events(50_000));
    let shaken = |fault: String| {
        let mut shaken = asked(&json!([]), &json!({"rate": "1/s"}));
        shaken["faults"] = json!([fault]);
        shaken
    };
    for (verb, tilde) in [("crash", ""), ("crash", "~"), ("pause", ""), ("hang", "")] {
        // Fifty million times in the ten seconds are begun; five thousand million are not.
        let often = shaken(format!("{verb} a every {tilde}100ns for {tilde}100ns"));
        ends_at(&often, FEW, LimitHit::Events(50_000));
        let said = refused(&shaken(format!("{verb} a every {tilde}1ns for {tilde}1ns")).to_string());
        assert!(said.contains("every 2ns it begins again, 5000000000 times, and such a run comes to no end"), "{said}");
    }
}

#[test]
fn a_state_that_grows_without_end_ends_at_the_limit_of_memory() {
    let limits = Limits { events: 1_000_000, memory: 1 << 20, ..FEW };
    let grows = asked(&json!([{"set": "m[$order]", "to": "$order"}]), &json!({"rate": "100000/s"}));
    ends_at(&grows, limits, LimitHit::Memory(1 << 20));
    let roomy = Limits { events: 60_000, ..Limits::default() };
    assert_eq!(outcome(&grows, roomy).limit, Some(LimitHit::Events(60_000)));
    assert_eq!(LimitHit::Memory(1 << 20).to_string(), "the limit of 1048576 bytes of memory");
}

/// Each step of it would make ten texts of one; twelve of them are more than there is memory.
#[test]
fn a_text_that_is_filled_in_again_and_again_is_trouble_and_not_the_end_of_the_program() {
    let mut steps = vec![json!({"set": "m['x']", "to": "$order/$order"}), json!({"read": "m['x']", "as": "y"})];
    for _ in 0..12 {
        steps.push(json!({"set": "m['x']", "to": "$y/$y/$y/$y/$y/$y/$y/$y/$y/$y"}));
        steps.push(json!({"read": "m['x']", "as": "y"}));
    }
    let outcome = outcome(&asked(&json!(steps), &json!({"rate": "1/s", "limit": 1})), FEW);
    let told: Vec<&str> = outcome.properties.iter().map(|judged| judged.detail.as_str()).collect();
    assert!(told.iter().any(|detail| detail.contains("the text is longer than 65536 bytes")), "{outcome:?}");
}

#[test]
fn more_than_there_is_room_for_is_refused_with_its_place() {
    let users = asked(&json!([]), &json!({"users": 4_000_000_000_u64}));
    assert!(refused(&format!("{users:#}")).contains("workload.w.users: a workload has at most 1000000 users"));
    let mut replicas = asked(&json!([]), &json!({"rate": "1/s"}));
    replicas["nodes"]["a"]["replicas"] = json!(1_000_000_000);
    assert!(refused(&format!("{replicas:#}")).contains("nodes.a.replicas: a node has at most 10000 replicas"));
    let mut many = asked(&json!([]), &json!({"rate": "1/s"}));
    let node = json!({"kind": "store", "maps": {"m": {}}});
    many["nodes"] =
        (0..10_001).map(|number| (format!("n{number}"), node.clone())).collect::<serde_json::Map<_, _>>().into();
    let said = refused(&many.to_string());
    assert!(said.starts_with("x.json:1:") && said.contains("nodes: a scenario has at most 10000 nodes"), "{said:.300}");
}

#[test]
fn a_file_that_is_too_long_is_refused_and_one_that_is_wrong_throughout_is_told_in_part() {
    let blanks = " ".repeat(50_000_000);
    assert_eq!(
        refused(&blanks).lines().next(),
        Some("x.json:1:1: a scenario has at most 8388608 bytes; this file has 50000000")
    );
    let mut wrong = asked(&json!([]), &json!({"rate": "1/s"}));
    wrong["faults"] = json!(vec!["1s..2s crsh a"; 20_000]);
    let said = refused(&wrong.to_string());
    assert_eq!(said.lines().last(), Some("and 19000 more errors"));
    let doubled: String = (0..200_000).map(|number| format!("\"k{number}\": 1, ")).collect();
    assert!(refused(&format!("{{{doubled}\"k0\": 2}}")).contains("\"k0\" is given twice"));
}

#[test]
fn what_is_nested_without_end_is_refused_with_its_place() {
    assert!(refused(&"[".repeat(10_000)).starts_with("x.json:1:129: at most 128 lists and objects inside each other"));
    let condition = "(".repeat(10_000) + "1" + &")".repeat(10_000);
    let deep = asked(&json!([{"if": condition, "then": []}]), &json!({"rate": "1/s"}));
    assert!(refused(&deep.to_string()).contains("at most 48 parentheses and signs inside each other"));
    let steps = "[{\"try\": ".repeat(5_000) + "[]" + &"}]".repeat(5_000);
    assert!(refused(&steps).contains("at most 128 lists and objects"));
}

#[test]
fn nothing_at_all_and_hardly_anything_run() {
    for scenario in [
        json!({"faultline": 1, "name": "nobody", "nodes": {}}),
        json!({"faultline": 1, "name": "idle", "nodes": {"a": {"kind": "store", "maps": {"m": {}}}}}),
        asked(&json!([]), &json!({"rate": "0/s"})),
        asked(&json!([]), &json!({"rate": "1/s", "limit": 0})),
    ] {
        assert_eq!(outcome(&scenario, FEW).limit, None, "{scenario}");
    }
    let nobody = asked(&json!([]), &json!({"users": 0})).to_string();
    assert!(refused(&nobody).contains("\"users\" should be a whole number of at least 1, not 0"));
    assert!(refused("").contains("the file ends where a value should be"));
    assert!(refused("{}").contains("a scenario begins with \"faultline\": 1"));
}

#[test]
fn ten_thousand_replicas_and_a_very_long_name_run() {
    let mut many = asked(&json!([]), &json!({"rate": "10/s"}));
    many["nodes"]["a"]["replicas"] = json!(10_000);
    // All of them start at one instant.
    let limits = Limits { events_at_one_instant: 20_000, ..FEW };
    assert_eq!(outcome(&many, limits).verdict, Verdict::Held);
    let name = "a".repeat(100_000);
    let text = asked(&json!([]), &json!({"rate": "10/s"})).to_string();
    let long = text.replace("\"a\":", &format!("\"{name}\":")).replace("a.go", &format!("{name}.go"));
    assert_eq!(outcome(&serde_json::from_str(&long).unwrap(), FEW).verdict, Verdict::Held);
}

/// 584 years are 2⁶⁴ nanoseconds: sums stop there and do not begin again at zero.
#[test]
fn time_ends_and_does_not_begin_again() {
    let mut far = asked(&json!([{"work": "213503d"}]), &json!({"rate": "1/d"}));
    far["until"] = json!("213503d");
    far["network"]["latency"] = json!("213503d");
    assert_eq!(outcome(&far, Limits::default()).panic, None);
    for line in [
        "213503d.. crash shop",
        "213502d..213503d partition shop | *",
        "crash shop every 213503d for 213503d",
        "pause * every ~213503d for ~213503d",
        "delay *->* +213503d",
        "delay *->* +213503d ~213503d",
        "slow * x1000000",
        "clock * step +106751d",
        "clock * step -106751d",
        "clock * drift +999999ppm",
        "clock * drift -999999ppm",
        "late shop->gateway charge order/1 #1 213503d",
        "draw gateway work order/1 #1 213503d",
    ] {
        let fault: Fault = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        let changes = Changes { faults: vec![fault.clone(), fault], ..Changes::default() };
        let model = built_in("checkout").model_with(&Choices::none().set("orders", "3"), &changes).unwrap();
        let run = model.run_watched(Seed(1), Stop::AtEnd, FEW, |_, _| ControlFlow::Continue(()));
        assert_eq!(run.outcome.panic, None, "{line}");
    }
}

#[test]
fn numbers_beyond_all_bounds_are_refused_and_do_not_wrap() {
    for length in
        ["1e400s", "99999999999999999999s", "18446744073709551615d", "18446744073709551615h", "-1s", "213504d", "580y"]
    {
        assert!(length.parse::<Duration>().is_err(), "{length}");
        assert!(format!("{length} crash db").parse::<Fault>().is_err(), "{length}");
        let slow = asked(&json!([{"work": length}]), &json!({"rate": "1/s"}));
        assert!(refused(&slow.to_string()).contains("nodes.a.endpoints.go[0].work"), "{length}");
    }
    for line in [
        "clock db drift +999999999ppm",
        "slow db x18446744073709551616",
        "loss a->b 18446744073709551615%",
        "drop a->b #0",
    ] {
        assert!(line.parse::<Fault>().is_err(), "{line}");
    }
}

fn say(link: &Link, act: fn(&Event<Say>, &mut sim_core::Context<'_, Say>)) -> Outcome {
    let mut system = System::<Say>::new();
    system.node("a", Probe::new(act));
    system.network(link.clone());
    let mut sim = system.start(Seed(1)).unwrap();
    run(&mut sim, &mut (), &Course { limits: FEW, ..Course::default() }, |_, _| ControlFlow::Continue(()))
}

#[test]
fn an_actor_that_sends_without_end_at_one_instant_is_stopped() {
    let echo = say(&Link::default(), |_, cx| cx.send(cx.id(), Say::Ping(1)));
    assert!(echo.limit.is_some(), "{echo:?}");
    let storm = say(&Link::default(), |_, cx| (0..5).for_each(|number| cx.send(cx.id(), Say::Ping(number))));
    assert_eq!(storm.limit, Some(LimitHit::Pending(20_000)));
}

#[test]
fn a_timer_that_is_set_for_ever_never_goes_off_and_the_last_before_that_does() {
    let outcome = say(&Link::default(), |event, cx| {
        if let Event::Start(_) = event {
            for (number, length) in [u64::MAX, u64::MAX - 1, u64::MAX - 2].into_iter().enumerate() {
                cx.set(Timer(number as u32), Duration::from_nanos(length));
            }
        }
    });
    assert_eq!((outcome.limit, outcome.events, outcome.end), (None, 2, Instant::from_nanos(u64::MAX - 2)));
}
