//! What is down in runs of scenarios is what the algebra says of their diagrams: services that crash and come back by
//! faults, asked by requests over links. The 99.9 % interval of the share of time down holds the exact figure and is
//! narrow; requests that come at any time fail as often.

use faultline_tests::scenarios::{over_seeds, written};
use faultline_tests::sources::workspace;
use serde_json::{Value, json};
use sim_core::Seed;
use sim_models::avail::{Account, Assembly, Met, derived};
use sim_models::language::Choices;
use sim_models::scenario::Scenario;
use sim_models::stats::Confidence;

const SURE: Confidence = Confidence::new(0.999).unwrap();
const RUNS: u64 = 30;

/// A service that is asked for something that takes no time.
fn part() -> Value {
    json!({"kind": "service", "endpoints": {"get": [{"reply": "OK"}]}})
}

/// A front that never crashes and does such steps; parts; crashes of about 10 s, and 90 s between them.
fn system(steps: &Value, parts: &[(&str, Value)], faults: &Value, seconds: u64) -> Value {
    let mut nodes = json!({"front": {"kind": "service", "endpoints": {"ask": steps}}});
    let all = nodes.as_object_mut().expect("an object");
    all.extend(parts.iter().map(|(name, part)| ((*name).to_owned(), part.clone())));
    json!({
        "faultline": 1, "name": "parts", "nodes": nodes, "faults": faults,
        "workload": {"door": {"rate": "0.02/s", "spacing": "poisson", "for": format!("{seconds}s"), "each": "visit",
                              "do": [{"call": "front.ask"}]}},
    })
}

/// Runs it, and holds the share of time down against the diagram that it draws, and the share of requests that fail.
#[track_caller]
fn check(title: &str, scenario: &Value, width: f64) {
    let model = written(scenario).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let drawn = derived(model.program(), model.faults(), None, &[]).expect("a diagram");
    let all = Assembly::of(&drawn.block, &drawn.names).expect("it is small");
    let truth = all.availability().down;
    let met = over_seeds(RUNS, |seed| Met::of(&model, &drawn.block, seed, u64::MAX));
    let told = Account::of(&met, SURE);
    let outages: u64 = met.iter().map(|met| met.outages).sum();
    let years = met.iter().map(|met| met.seconds).sum::<f64>() / (365.0 * 86_400.0);
    let half = told.down.half_width().expect("an interval");
    println!(
        "| {title} | {} | {:.5} ± {:.1} % | {truth:.5} | {:.5} | {outages} | {years:.2} | {:.3} |",
        drawn.block,
        told.down.value.unwrap(),
        100.0 * half / truth,
        told.failed.value.unwrap(),
        years * (half / (0.05 * truth)) * (half / (0.05 * truth)),
    );
    assert!(told.down.covers(truth), "{title}: {:?}, not {truth}", told.down);
    assert!(half <= width * truth, "{title}: {:?} is wide for {truth}", told.down);
    assert!(told.timing.covers(0.0), "{title}: {:?}", told.timing);
    assert_eq!((told.saved.value, told.otherwise.value), (Some(0.0), Some(0.0)), "{title}: nothing else can go wrong");
}

fn calls(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"call": format!("{name}.get"), "timeout": "1s"})).collect()
}

#[test]
fn a_chain_of_services_is_down_as_often_as_its_product_says() {
    let parts = [("a", part()), ("b", part()), ("c", part())];
    let faults = json!(["crash a every ~90s for ~10s", "crash b every ~90s for ~10s", "crash c every ~90s for 10s"]);
    check("three in a chain", &system(&calls(&["a", "b", "c"]), &parts, &faults, 60_000), 0.03);
}

#[test]
fn a_quorum_of_services_is_lost_as_often_as_the_binomial_says() {
    let branches = |names: &[&str], need: u32| {
        let all: Vec<Value> = names.iter().map(|name| calls(&[name])).collect();
        json!([{"parallel": all, "need": need}])
    };
    let parts = ["a", "b", "c", "d", "e"].map(|name| (name, part()));
    let crash = |names: &[&str]| names.iter().map(|name| json!(format!("crash {name} every ~90s for ~10s"))).collect();
    let three = ["a", "b", "c"];
    let five = ["a", "b", "c", "d", "e"];
    check("two of three", &system(&branches(&three, 2), &parts[..3], &crash(&three), 400_000), 0.03);
    check("three of five", &system(&branches(&five, 3), &parts, &crash(&five), 500_000), 0.04);
}

/// Replicas crash each by themselves, and callers find whoever is there.
#[test]
fn a_pair_that_is_repaired_is_down_as_often_as_both_are() {
    let pair = json!({"kind": "service", "replicas": 2, "endpoints": {"get": [{"reply": "OK"}]}});
    let faults = json!(["crash each of pair every ~90s for ~10s"]);
    let steps = json!([{"call": "pair.get", "timeout": "1s"}]);
    check("one of two", &system(&steps, &[("pair", pair)], &faults, 600_000), 0.04);
}

/// Two fronts over one part in the middle: counted twice it would be down a tenth as often.
#[test]
fn what_two_ways_share_is_down_for_both() {
    let way = json!({"kind": "service", "endpoints": {"get": [{"call": "auth.get", "timeout": "1s"}]}});
    let steps =
        json!([{"call": "left.get", "timeout": "2s", "on": {"else": [{"call": "right.get", "timeout": "2s"}]}}]);
    let faults =
        json!(["crash left every ~90s for ~10s", "crash right every ~90s for ~10s", "crash auth every ~190s for ~10s"]);
    let parts = [("left", way.clone()), ("right", way), ("auth", part())];
    check("two ways over one part", &system(&steps, &parts, &faults, 200_000), 0.04);
}

/// Two processes on one node go on side by side: it is up while neither holds it.
#[test]
fn two_lines_of_crashes_on_one_node_both_count() {
    let faults = json!(["crash a every ~90s for ~10s", "crash a every ~190s for 10s"]);
    let scenario = system(&calls(&["a"]), &[("a", part())], &faults, 200_000);
    assert_up("two lines", &scenario, 0.9 * 0.95);
    check("two lines on one", &scenario, 0.03);
}

/// One process that takes two down at once is down once for both.
#[test]
fn what_strikes_several_at_once_is_one_component() {
    let parts = [("s1", part()), ("s2", part())];
    let series = system(&calls(&["s1", "s2"]), &parts, &json!(["crash s* every ~90s for ~10s"]), 100_000);
    assert_up("in a chain", &series, 0.9);
    check("two in a chain, struck at once", &series, 0.03);
    let steps = json!([{"parallel": [calls(&["s1"]), calls(&["s2"])], "need": 1}]);
    let faults = json!(["crash s* every ~90s for ~10s", "crash s1 every ~90s for ~10s"]);
    let either = system(&steps, &parts, &faults, 100_000);
    assert_up("side by side", &either, 0.9);
    check("two side by side, struck at once", &either, 0.03);
}

/// A line of one replica is of that one alone.
#[test]
fn a_replica_that_is_named_crashes_by_itself() {
    let pair = json!({"kind": "service", "replicas": 2, "endpoints": {"get": [{"reply": "OK"}]}});
    let faults = json!(["crash pair-1 every ~90s for ~10s", "crash pair-2 every ~40s for ~10s"]);
    let steps = json!([{"call": "pair.get", "timeout": "1s"}]);
    let scenario = system(&steps, &[("pair", pair)], &faults, 300_000);
    assert_up("each its own", &scenario, 1.0 - 0.1 * 0.2);
    check("two replicas with lines of their own", &scenario, 0.04);
}

/// What is said of a node stands in the place of its own crashes, and not of those that others have in common with it,
/// whether those others are needed or not.
#[test]
fn what_is_said_of_a_node_leaves_what_it_shares_with_others() {
    let in_zone = json!({"kind": "service", "zone": "x", "endpoints": {"get": [{"reply": "OK"}]}});
    let parts = [("a", in_zone.clone()), ("ab", in_zone), ("c", part())];
    let up = |fault: &str, said: &str| {
        let system = system(&calls(&["a"]), &parts, &json!([fault]), 60_000);
        let model = written(&system).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let drawn = derived(model.program(), model.faults(), None, &[said.to_owned()]).expect("a diagram");
        Assembly::of(&drawn.block, &drawn.names).expect("it is small").availability().up
    };
    let said = "a=99%";
    // Of those who stand in the zone, and of those whom the pattern names, only one is needed.
    for shared in
        ["crash zone x every ~90s for ~10s", "crash each zone every ~90s for ~10s", "crash a* every ~90s for ~10s"]
    {
        assert!((up(shared, said) - 0.9 * 0.99).abs() < 1e-9, "{shared}: {}", up(shared, said));
    }
    let own = up("crash a every ~90s for ~10s", said);
    assert!((own - 0.99).abs() < 1e-9, "{own}");
}

/// A zone takes all that stand in it, each zone by dice of its own.
#[test]
fn a_zone_is_a_common_cause() {
    let in_zones = |zones: &[&str]| json!({"kind": "service", "replicas": zones.len(), "zones": zones, "endpoints": {"get": [{"reply": "OK"}]}});
    let parts = [("a", in_zones(&["x", "y"])), ("b", in_zones(&["x", "y"]))];
    let each = system(&calls(&["a", "b"]), &parts, &json!(["crash each zone every ~90s for ~10s"]), 300_000);
    // Both zones at once, which is the same for both services.
    assert_up("each zone", &each, 1.0 - 0.1 * 0.1);
    check("two services over two zones", &each, 0.05);
    let parts =
        [("a", part()), ("b", json!({"kind": "service", "zone": "x", "endpoints": {"get": [{"reply": "OK"}]}}))];
    let one = system(&calls(&["a", "b"]), &parts, &json!(["crash zone x every ~90s for ~10s"]), 100_000);
    assert_up("a zone", &one, 0.9);
}

/// A node is down until its start is over, and for longer where a crash holds it then.
#[test]
fn what_a_node_takes_to_start_is_part_of_its_outages() {
    let slow = |startup: &str, replicas: u32| json!({"kind": "service", "replicas": replicas, "startup": startup, "endpoints": {"get": [{"reply": "OK"}]}});
    let steps = json!([{"call": "a.get", "timeout": "1s"}]);
    // Of crashes of 10 s with 90 s between them: free when the start is over, and for how long meanwhile.
    let up = |startup: f64| {
        let (rate, share) = (1.0 / 90.0 + 1.0 / 10.0, 0.9);
        let fades = libm::exp(-rate * startup);
        let (free, time) = (share + (1.0 - share) * fades, share * startup + (1.0 - share) * (1.0 - fades) / rate);
        share * free / (free + time / 90.0)
    };
    let one = system(&steps, &[("a", slow("20s", 1))], &json!(["crash a every ~90s for ~10s"]), 100_000);
    assert_near("one", &one, up(20.0), 1e-10);
    check("a service that takes 20 s to start", &one, 0.03);
    let same = system(&steps, &[("a", slow("25s", 1))], &json!(["crash a every ~90s for 10s"]), 100_000);
    check("a service that takes 25 s to start, after crashes of 10 s", &same, 0.03);
    let regular = system(&steps, &[("a", slow("20s", 1))], &json!(["crash a every 90s for 10s"]), 100_000);
    assert_up("at regular times", &regular, 0.7);
    // No chance is in it; the first of a thousand periods begins without a start, of 20 s in 100,000.
    let model = written(&regular).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let drawn = derived(model.program(), model.faults(), None, &[]).expect("a diagram");
    let down = Met::of(&model, &drawn.block, Seed(0), u64::MAX).down;
    assert!((down - (0.3 - 20.0 / 100_000.0)).abs() < 2e-4, "{down}");
    let pair = system(&steps, &[("a", slow("5s", 2))], &json!(["crash each of a every ~90s for ~10s"]), 300_000);
    let down = 1.0 - up(5.0);
    assert_near("a pair", &pair, 1.0 - down * down, 1e-10);
    check("a pair that takes 5 s to start", &pair, 0.04);
    // Two processes, and one start after what overlaps of them.
    let two = json!(["crash a every ~60s for ~10s", "crash a every ~40s for 5s"]);
    let two = system(&steps, &[("a", slow("8s", 1))], &two, 100_000);
    check("a service that takes 8 s to start after either of two crashes", &two, 0.02);
    let alike = json!(["crash a every ~60s for ~10s", "crash a every ~60s for ~10s"]);
    let alike = system(&steps, &[("a", slow("8s", 1))], &alike, 1_000);
    let (rate, share) = (1.0 / 60.0 + 1.0 / 10.0, 6.0 / 7.0);
    let of = |seconds: f64| (1.0 - share) * libm::exp(-rate * seconds);
    let free = (share + of(8.0)) * (share + of(8.0));
    // The square of what one holds, from the beginning of the start to its end.
    let fades = |rate: f64| (1.0 - libm::exp(-rate * 8.0)) / rate;
    let time = share * share * 8.0
        + 2.0 * share * (1.0 - share) * fades(rate)
        + (1.0 - share) * (1.0 - share) * fades(2.0 * rate);
    assert_near("two that are alike", &alike, share * share * free / (free + time / 30.0), 1e-10);
    // Struck at once they come up with the last of them.
    let chain = system(
        &calls(&["s1", "s2"]),
        &[("s1", slow("5s", 1)), ("s2", slow("20s", 1))],
        &json!(["crash s* every ~90s for ~10s"]),
        100_000,
    );
    assert_near("a chain", &chain, up(20.0), 1e-10);
    check("a chain struck at once, of which one takes 20 s to start", &chain, 0.03);
    // Who starts may not be back when it is the turn of the other one.
    let turns = system(&steps, &[("a", slow("5s", 2))], &json!(["crash one of a every ~90s for ~10s"]), 1_000);
    let model = written(&turns).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let drawn = derived(model.program(), model.faults(), None, &[]).expect("a diagram");
    let left_out = |line: &String| line.starts_with("these faults are left out: crash one of a");
    assert!(drawn.assumes.iter().any(left_out), "{:?}", drawn.assumes);
}

/// What is said of a node is said of what each of its replicas does alone; what strikes several at once stays.
#[test]
fn what_is_said_of_a_node_replaces_its_own_crashes_and_no_shared_ones() {
    let in_zones = |zones: &[&str]| json!({"kind": "service", "replicas": zones.len(), "zones": zones, "endpoints": {"get": [{"reply": "OK"}]}});
    let parts = [("s1", in_zones(&["x", "y"])), ("s2", in_zones(&["x"]))];
    let faults = json!([
        "crash each of s1 every ~90s for ~10s",
        "crash s1-1 every ~40s for ~10s",
        "crash zone x every ~190s for ~10s",
        "crash s* every ~990s for ~10s"
    ]);
    let scenario = system(&calls(&["s1", "s2"]), &parts, &faults, 1_000);
    let model = written(&scenario).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let up = |said: &[&str]| {
        let said: Vec<String> = said.iter().map(|one| (*one).to_owned()).collect();
        let drawn = derived(model.program(), model.faults(), None, &said).expect("a diagram");
        let all = Assembly::of(&drawn.block, &drawn.names).expect("it is small").availability();
        (all.up, drawn.assumes.join("; "))
    };
    let near =
        |(got, told): &(f64, String), wanted: f64| assert!((got - wanted).abs() < 1e-12, "{got} {wanted}: {told}");
    // The second service stands in the zone, so that its crash is down in any case.
    let pair = |first: f64, second: f64| 0.95 * (1.0 - (1.0 - first) * (1.0 - second));
    near(&up(&[]), 0.99 * pair(0.9 * 0.8, 0.9));
    let replaced = up(&["s1=99.5%"]);
    near(&replaced, 0.99 * pair(0.995, 0.995));
    let told =
        "what --let says stands in the place of: crash each of s1 every ~90s for ~10s; crash s1-1 every ~40s for ~10s";
    assert!(replaced.1.contains(told), "{}", replaced.1);
    near(&up(&["s2=99%"]), 0.99 * 0.99 * pair(0.9 * 0.8, 0.9));
}

/// What takes turns is in the diagram where nobody notices, and else left out, told, and measured.
#[test]
fn what_takes_one_at_a_time_is_exact_or_has_a_line() {
    let pair = json!({"kind": "service", "replicas": 2, "endpoints": {"get": [{"reply": "OK"}]}});
    let steps = json!([{"call": "pair.get", "timeout": "1s"}]);
    let turns = json!(["crash one of pair every ~90s for ~10s"]);
    let spared = system(&steps, &[("pair", pair)], &turns, 20_000);
    assert_up("a pair", &spared, 1.0);
    let model = written(&spared).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let drawn = derived(model.program(), model.faults(), None, &[]).expect("a diagram");
    let met = over_seeds(4, |seed| Met::of(&model, &drawn.block, seed, u64::MAX));
    assert_eq!(Account::of(&met, SURE).down.value, Some(0.0), "it never is down");
    assert!(drawn.assumes.iter().any(|line| line.starts_with("another one is there")), "{:?}", drawn.assumes);

    let parts = [("s1", part()), ("s2", part())];
    let faults = json!(["crash one of s* every ~90s for ~10s"]);
    let chain = system(&calls(&["s1", "s2"]), &parts, &faults, 100_000);
    assert_up("a chain", &chain, 1.0);
    let model = written(&chain).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let drawn = derived(model.program(), model.faults(), None, &[]).expect("a diagram");
    let left_out = "these faults are left out: crash one of s* every ~90s for ~10s";
    assert!(drawn.assumes.iter().any(|line| line == left_out), "{:?}", drawn.assumes);
    let told = Account::of(&over_seeds(RUNS, |seed| Met::of(&model, &drawn.block, seed, u64::MAX)), SURE);
    assert_eq!(told.drawn.value, Some(0.0), "none of it is chance");
    assert!(told.left_out.covers(0.1), "{:?}", told.left_out);
}

/// What a setting decides goes one way in all runs, and what is on the other way is not needed.
#[test]
fn a_way_that_settings_close_is_not_needed() {
    let steps = json!([
        {"switch": "${form}", "cases": {"one": calls(&["a"]), "two": calls(&["b", "c"])}},
        {"if": "'${form}' == 'two'", "then": calls(&["b"]), "else": calls(&["d"])},
        {"chance": "${rarely}", "then": calls(&["e"])},
    ]);
    let part = || json!({"kind": "service", "endpoints": {"get": [{"work": "1ms"}]}});
    let parts: Vec<(&str, Value)> = ["a", "b", "c", "d", "e"].into_iter().map(|name| (name, part())).collect();
    let mut scenario = system(&steps, &parts, &json!([]), 100);
    scenario["settings"] = json!({
        "form": {"default": "one", "choices": ["one", "two"]},
        "rarely": {"default": "0%", "min": "0%", "max": "100%"},
    });
    for (choices, wanted) in [
        (vec![], "front#1 * a#1 * d#1"),
        (vec![("form", "two")], "front#1 * b#1 * c#1"),
        (vec![("rarely", "1%")], "front#1 * a#1 * d#1 * e#1"),
    ] {
        let mut chosen = Choices::none();
        chosen.settings.extend(choices.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let model = written(&scenario).model(&chosen).unwrap_or_else(|wrong| panic!("{wrong}"));
        let drawn = derived(model.program(), model.faults(), None, &[]).expect("a diagram");
        assert_eq!(drawn.block.to_string(), wanted);
    }
}

/// The example in which ten services are written, and settings say how many of them there are and how they hand over.
#[test]
fn a_chain_is_as_long_as_its_setting_says() {
    let text = std::fs::read_to_string(workspace().join("examples/sync-chain.json")).expect("an example");
    let scenario = Scenario::parse("sync-chain.json", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
    for (length, hand_over, wanted) in [
        ("1", "call", "s1#1"),
        ("3", "call", "s1#1 * s2#1 * s3#1"),
        ("4", "call", "s1#1 * s2#1 * s3#1 * s4#1"),
        ("4", "queue", "s1#1 * s2#1 * accepted#1"),
    ] {
        let mut chosen = Choices::none();
        let said = [("length", length), ("hand_over", hand_over)];
        chosen.settings.extend(said.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let model = scenario.model(&chosen).unwrap_or_else(|wrong| panic!("{wrong}"));
        let drawn = derived(model.program(), model.faults(), None, &[]).expect("a diagram");
        assert_eq!(drawn.block.to_string(), wanted);
    }
}

/// The diagram that a scenario draws comes to a closed form.
#[track_caller]
fn assert_up(title: &str, scenario: &Value, up: f64) {
    assert_near(title, scenario, up, 1e-12);
}

/// The same, as far as lengths in whole nanoseconds say it.
#[track_caller]
fn assert_near(title: &str, scenario: &Value, up: f64, off: f64) {
    let model = written(scenario).model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let drawn = derived(model.program(), model.faults(), None, &[]).expect("a diagram");
    let got = Assembly::of(&drawn.block, &drawn.names).expect("it is small").availability();
    assert!((got.up - up).abs() < off, "{title}: {got:?}, not {up}: {:?}", drawn.names);
}
