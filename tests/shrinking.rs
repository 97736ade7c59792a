//! What is left of a failing case after shrinking: it fails in the same way, with any seed, every line of it matters, and
//! shrinking it again changes nothing.

use std::sync::LazyLock;

use faultline_tests::committed::{failing, is_calm, outcome, property, verdict};
use sim_core::case::Case;
use sim_core::{Limits, Seed, Verdict};
use sim_models::explain::explain;
use sim_models::scenario::replay;
use sim_models::shrink::{Shrunk, shrink};

const REPLAYS: u64 = 10_000;

fn shrunk(case: &Case) -> Shrunk {
    shrink("case.json", case, REPLAYS, &mut |_| true).unwrap_or_else(|error| panic!("{error}"))
}

/// Every committed case that fails, with what is left of it.
static SMALL: LazyLock<Vec<(String, Case, Shrunk)>> = LazyLock::new(|| {
    let small = |(name, case): (String, Case)| {
        let small = shrunk(&case);
        (name, case, small)
    };
    failing().into_iter().map(small).collect()
});

#[test]
fn what_is_left_replays_to_the_same_verdict() {
    for (name, case, small) in &*SMALL {
        assert!(is_calm(&small.case) && !small.unfinished, "{name}");
        assert_eq!(property(&small.case), property(case), "{name}");
        let again = replay("case.json", &small.case, Limits::default(), |_, _| std::ops::ControlFlow::Continue(()));
        let again = again.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(again.reproduced, "{name}");
        assert!(again.decisions.iter().all(|(_, applied)| *applied), "{name}: {:?}", again.decisions);
    }
}

#[test]
fn shrinking_is_deterministic() {
    for (name, case, small) in &*SMALL {
        let again = shrunk(case);
        assert_eq!((&again.case, again.replays), (&small.case, small.replays), "{name}");
    }
}

#[test]
fn shrinking_what_is_left_changes_nothing() {
    for (name, _, small) in &*SMALL {
        assert_eq!(shrunk(&small.case).case, small.case, "{name}");
    }
}

#[test]
fn without_any_one_line_the_property_holds() {
    let mut lines = 0;
    for (name, _, small) in &*SMALL {
        for place in 0..small.case.faults.len() {
            let mut others = small.case.faults.clone();
            let line = others.remove(place);
            let outcome = outcome(&small.case, &others, small.case.seed);
            assert_eq!(verdict(&small.case, &outcome), Verdict::Held, "{name} without {line}");
            lines += 1;
        }
    }
    assert!(lines > SMALL.len() / 2, "{lines} lines prove little");
}

#[test]
fn what_is_left_fails_in_the_same_way_with_any_other_seed() {
    for (name, _, small) in &*SMALL {
        for seed in [1, 7, 987_654_321, u64::MAX].map(Seed) {
            let outcome = outcome(&small.case, &small.case.faults, seed);
            let expect = small.case.expect.as_ref().expect("it expects something");
            assert_eq!((outcome.verdict, outcome.property()), (expect.verdict, expect.property.as_deref()), "{name}");
            assert_eq!(outcome.digest, expect.digest, "{name}: nothing of it is left to the seed");
        }
    }
}

#[test]
fn the_2_am_checkout_is_a_line_or_two() {
    let checkouts = SMALL.iter().filter(|(name, ..)| name.starts_with("checkout-"));
    for (name, _, small) in checkouts {
        assert!((1..=2).contains(&small.case.faults.len()), "{name}: {:?}", small.case.faults);
        assert_eq!(small.case.only.as_ref().map(Vec::len), Some(1), "{name}: one order tells it");
    }
}

#[test]
fn a_budget_of_replays_is_kept_and_what_is_there_still_fails() {
    for (name, case, whole) in &*SMALL {
        for most in [1, 5, 20] {
            let some = shrink("case.json", case, most, &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
            assert!(some.replays <= most, "{name}: {} of {most}", some.replays);
            assert_eq!(some.unfinished, whole.replays > most || some.replays == most, "{name}: {most}");
            assert_eq!(property(&some.case), property(case), "{name}");
        }
    }
}

/// The case of the smallest seed with which a scenario breaks a property.
fn hunted(scenario: &str, property: &str) -> Case {
    let scenario: serde_json::Value = serde_json::from_str(scenario).expect("JSON");
    let model = faultline_tests::scenarios::remedied(&faultline_tests::scenarios::written(&scenario), None);
    let run = (0..200).map(|seed| model.run(Seed(seed), sim_core::Stop::AtViolation));
    let run = run.into_iter().find(|run| run.outcome.property() == Some(property));
    model.case(&run.unwrap_or_else(|| panic!("no seed breaks {property:?}")))
}

/// Same property, every line needed, the same again: what must hold of whatever is left.
fn keeps_its_word(case: &Case) -> Shrunk {
    let small = shrunk(case);
    assert_eq!(property(&small.case), property(case));
    for seed in [small.case.seed, Seed(987_654_321)] {
        let outcome = outcome(&small.case, &small.case.faults, seed);
        assert_eq!(Some(verdict(&small.case, &outcome)), small.case.expect.as_ref().map(|expect| expect.verdict));
    }
    for place in 0..small.case.faults.len() {
        let mut others = small.case.faults.clone();
        others.remove(place);
        assert_eq!(verdict(&small.case, &outcome(&small.case, &others, small.case.seed)), Verdict::Held);
    }
    assert_eq!(shrunk(&small.case).case, small.case);
    small
}

/// A shop that keeps what it was asked to keep, unless the way there refuses it or damages it unseen.
#[test]
fn what_is_refused_or_altered_on_its_way_is_a_line_of_its_own() {
    let shop = |link: &str, fault: &str| {
        format!(
            r#"{{"faultline": 1, "name": "kept", "until": "20s", "network": {{"latency": "1ms", {link}}},
              "nodes": {{"shop": {{"kind": "service", "endpoints": {{"keep": [
                {{"if": "$amount == 64", "then": [{{"record": "kept"}}]}}, {{"reply": "OK"}}]}}}}}},
              "workload": {{"shopper": {{"rate": "5/s", "limit": 20, "each": "order", "do": [
                {{"call": "shop.keep", "with": {{"amount": 64}}, "timeout": "1s"}}]}}}},
              "faults": ["{fault}"],
              "properties": {{"whole": {{"eventually": "kept == 1", "within": "5s"}}}}}}"#
        )
    };
    let refused =
        keeps_its_word(&hunted(&shop(r#""checksum": true"#, "0s..2s refuse shopper->shop keep 30%"), "whole"));
    let lines = |small: &Shrunk| small.case.faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        matches!(&lines(&refused)[..], [one] if one.starts_with("reject shopper->shop keep order/")),
        "{:?}",
        lines(&refused)
    );
    let why = explain("kept", &refused.case, 10_000, &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
    let told = |words: &str| why.clauses.iter().filter(|clause| clause.text.contains(words)).count();
    assert_eq!(
        (told("what shopper says to shop is refused"), told("refused"), told("lost")),
        (1, 1, 0),
        "{:#?}",
        why.clauses
    );
    let altered =
        keeps_its_word(&hunted(&shop(r#""checksum": false"#, "0s..2s corrupt shopper->shop keep 30%"), "whole"));
    assert!(
        matches!(&lines(&altered)[..], [one] if one.starts_with("alter shopper->shop keep order/")),
        "{:?}",
        lines(&altered)
    );
}

/// That a sum is too small when nothing is done says nothing: the one message that was lost is the reason.
#[test]
fn what_breaks_for_the_run_as_a_whole_is_not_shrunk_to_nothing() {
    let case = hunted(
        r#"{"faultline": 1, "name": "sum",
            "nodes": {"s": {"kind": "service", "endpoints": {"up": [{"work": {"exponential": "100ms"}}, {"record": "done"}]}}},
            "workload": {"w": {"rate": "10/s", "spacing": "even", "limit": 20, "each": "k",
                               "do": [{"call": "s.up", "timeout": "10s"}]}},
            "faults": ["loss w->s 5%"],
            "properties": {"all twenty done": {"at_end": "total(done) == 20"}}}"#,
        "all twenty done",
    );
    let small = keeps_its_word(&case);
    let line = small.case.faults[0].to_string();
    assert!(small.case.faults.len() == 1 && line.starts_with("drop w->s up k/"), "{:?}", small.case.faults);
    assert!(small.case.only.is_none_or(|only| only.len() == 20));
}

/// Another property breaks all the time; what is asked is whether this one does.
#[test]
fn a_property_is_shrunk_although_others_are_broken_too() {
    let case = hunted(
        r#"{"faultline": 1, "name": "masked",
            "nodes": {"shop": {"kind": "service", "endpoints": {"buy": [
                {"record": "asked"}, {"call": "bank.pay", "timeout": "1s", "retry": {"tries": 2}}, {"record": "served"}]}},
              "bank": {"kind": "service", "endpoints": {"pay": [{"work": {"exponential": "300ms"}}, {"record": "paid"}]}}},
            "workload": {"w": {"rate": "5/s", "limit": 10, "each": "k", "do": [{"call": "shop.buy"}]}},
            "properties": {"never ten": {"at_end": "total(served) < 10"}, "paid once": {"at_most_once": "paid"}}}"#,
        "paid once",
    );
    let small = keeps_its_word(&case);
    assert_eq!(small.case.faults.len(), 1, "{:?}", small.case.faults);
    let expect = small.case.expect.as_ref().expect("it expects something");
    assert_eq!((expect.verdict, expect.property.as_deref()), (Verdict::Broken, Some("paid once")));
}

/// The first violation of the small run may be another one; the case says which it is about.
#[test]
fn a_small_case_stays_with_the_property_that_it_expects_to_break() {
    let case = hunted(
        r#"{"faultline": 1, "name": "two", "until": "30s",
            "nodes": {"c": {"kind": "store", "maps": {"n": {"x": 0}}, "set": "1ms"},
              "s": {"kind": "service", "endpoints": {"up": [{"set": "c.n['x']", "to": "= value + 1"}]}}},
            "workload": {"w": {"rate": "5/s", "limit": 40, "each": "k", "do": [{"call": "s.up", "timeout": "1s"}]}},
            "properties": {"below thirty": {"always": "c.n['x'] < 30"}, "below three": {"always": "c.n['x'] < 3"}}}"#,
        "below three",
    );
    let mut case = case;
    case.expect = None;
    let thirty = {
        let model = sim_models::scenario::Model::of_case("case.json", &case).unwrap_or_else(|error| panic!("{error}"));
        let failure =
            sim_models::record::Failure { verdict: Verdict::Broken, property: Some("below thirty".to_owned()) };
        model.case_failing(&model.run(case.seed, failure.stop()), &failure)
    };
    let small = keeps_its_word(&thirty);
    assert_eq!(property(&small.case), "below thirty");
    assert_eq!(small.case.only.map(|only| only.len()), Some(30));
}

/// Thousands of operations before the violation: the past is walked once, and one replay is one replay.
#[test]
fn a_long_run_is_written_down_in_time() {
    let case = hunted(
        r#"{"faultline": 1, "name": "long", "until": "600s",
            "nodes": {"c": {"kind": "store", "maps": {"n": {"x": 0}}, "set": {"exponential": "1ms"}},
              "s": {"kind": "service", "replicas": 3, "endpoints": {"up": [
                {"set": "c.n['x']", "to": "= value + 1"}, {"work": {"exponential": "10ms"}}]}}},
            "workload": {"w": {"rate": "50/s", "limit": 4000, "each": "k",
                               "do": [{"call": "s.up", "timeout": "30ms", "retry": {"tries": 2}}]}},
            "properties": {"many": {"always": "c.n['x'] < 3980"}}}"#,
        "many",
    );
    let small = shrink("case.json", &case, 3, &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
    assert!(small.unfinished && small.replays == 3);
}

/// A schedule drawn from a number: up to three faults of any kind on the nodes of the checkouts.
fn schedule(bits: u64) -> Vec<sim_core::Fault> {
    let count = 1 + sim_core::seed::mix(bits, 7) % 3;
    let mut bits = bits;
    let mut below = |bound: u64| {
        bits = sim_core::seed::mix(bits, 1);
        bits % bound
    };
    let links = ["shop->gateway", "gateway->shop", "shop<->gateway", "shopper->shop", "*->gateway"];
    let nodes = ["shop", "gateway", "one of *"];
    let mut line = || {
        let (from, length) = (below(1_500), 1 + below(700));
        let (link, node) = (links[below(5) as usize], nodes[below(3) as usize]);
        let percent = 10 + below(80);
        let what = match below(8) {
            0 => format!("loss {link} {percent}%"),
            1 => format!("duplicate {link} {percent}%"),
            2 => format!("delay {link} +{}ms ~{}ms", below(1_500), below(400)),
            3 => format!("cut {link}"),
            4 => "partition shop | gateway".to_owned(),
            5 => format!("crash {node}"),
            6 => return format!("crash {node} every ~{}ms for ~{}ms", 100 + below(900), 1 + below(400)),
            _ => return format!("cut {link} every ~{}ms for ~{}ms", 100 + below(900), 1 + below(400)),
        };
        format!("{from}ms..{}ms {what}", from + length)
    };
    (0..count).map(|_| line().parse().expect("a fault")).collect()
}

/// The same of faults that take nothing down, and of partitions that are drawn.
fn ailing_schedule(bits: u64) -> Vec<sim_core::Fault> {
    let mut bits = sim_core::seed::mix(bits, 11);
    let mut below = |bound: u64| {
        bits = sim_core::seed::mix(bits, 1);
        bits % bound
    };
    let links = ["shop->gateway", "gateway->shop", "shop<->gateway", "*->gateway"];
    let nodes = ["shop", "gateway", "one of *"];
    let count = 1 + below(3);
    let mut line = || {
        let (from, length) = (below(1_500), 1 + below(1_500));
        let (link, node) = (links[below(4) as usize], nodes[below(3) as usize]);
        let what = match below(11) {
            10 => {
                format!("burst-loss {link} {}% bad ~{}ms good ~{}ms", 50 + below(51), 50 + below(500), 50 + below(500))
            }
            8 => {
                return format!("partition isolate one of * every ~{}ms for ~{}ms", 100 + below(900), 1 + below(900));
            }
            9 => format!("partition {} of *", ["halves", "bridge", "ring"][below(3) as usize]),
            0 => format!("clog {link}"),
            1 => format!("clog {link} holding flight"),
            2 => format!("pause {node}"),
            3 => format!("slow {node} x{}", 1 + below(20)),
            4 => format!("clock {node} drift {}ppm", below(1_800_000) as i64 - 900_000),
            5 => format!("clock {node} step -{}ms", below(900)),
            6 => return format!("pause {node} every ~{}ms for ~{}ms", 100 + below(900), 1 + below(900)),
            _ => return format!("clog {link} every ~{}ms for ~{}ms", 100 + below(900), 1 + below(900)),
        };
        format!("{from}ms..{}ms {what}", from + length)
    };
    (0..count).map(|_| line().parse().expect("a fault")).collect()
}

#[test]
fn failing_runs_under_trouble_that_takes_nothing_down_are_left_with_lines_that_fail_by_themselves() {
    for (scenario, settings, _) in BROKEN {
        let fared = fared(scenario, settings, 0..30, ailing_schedule);
        assert!(fared.failing >= 3, "{scenario} {settings:?}: {fared:?}");
        assert_eq!(fared.by_lines_alone, fared.failing, "{scenario} {settings:?}: {fared:?}");
    }
}

/// What becomes of failing runs under schedules that nobody thought of.
#[derive(Debug, Default)]
struct Fared {
    failing: u64,
    by_lines_alone: u64,
    lines: Vec<usize>,
    replays: u64,
}

fn fared(
    scenario: &str,
    settings: &[(&str, &str)],
    schedules: std::ops::Range<u64>,
    schedule: fn(u64) -> Vec<sim_core::Fault>,
) -> Fared {
    use sim_models::language::Choices;
    use sim_models::scenario::Changes;
    let chosen = settings.iter().fold(Choices::none(), |choices, (name, value)| choices.set(name, value));
    let mut fared = Fared::default();
    for number in schedules {
        let changes = Changes { faults: schedule(number), ..Changes::default() };
        let model = faultline_tests::scenarios::built_in(scenario).model_with(&chosen, &changes);
        let model = model.unwrap_or_else(|error| panic!("{error}"));
        let run = model.run(Seed(number), sim_core::Stop::AtViolation);
        if !run.outcome.verdict.is_failure() {
            continue;
        }
        fared.failing += 1;
        let case = model.case(&run);
        let Ok(small) = shrink("case.json", &case, REPLAYS, &mut |_| true) else {
            let faults: Vec<String> = changes.faults.iter().map(ToString::to_string).collect();
            println!("{scenario} {number}: not by its lines alone: {faults:?}");
            continue;
        };
        fared.by_lines_alone += 1;
        fared.lines.push(small.case.faults.len());
        fared.replays += small.replays;
        let again = shrunk(&small.case);
        assert_eq!(again.case.faults, small.case.faults, "{scenario} {number}");
        assert_eq!(again.case, small.case, "{scenario} {number}");
        for place in 0..small.case.faults.len() {
            let mut others = small.case.faults.clone();
            let line = others.remove(place);
            let outcome = outcome(&small.case, &others, small.case.seed);
            assert_eq!(verdict(&small.case, &outcome), Verdict::Held, "{scenario} {number} without {line}");
        }
    }
    fared
}

type Settings = &'static [(&'static str, &'static str)];

/// The systems that are broken, and how many of their runs fail at least, in a hundred.
const BROKEN: [(&str, Settings, u64); 4] = [
    ("checkout", &[("orders", "10")], 40),
    ("checkout", &[("orders", "10"), ("timeout", "5s")], 25),
    ("gateway-timeout", &[("orders", "10"), ("timeout", "3s")], 35),
    ("gateway-timeout", &[("orders", "10"), ("on_timeout", "pending"), ("reconcile_every", "1h")], 60),
];

/// Runs so many schedules on each system; every run that fails must be left with lines that fail by themselves.
fn check(schedules: u64) {
    for (scenario, settings, least) in BROKEN {
        let fared = fared(scenario, settings, 0..schedules, schedule);
        let few = fared.lines.iter().filter(|lines| **lines <= 2).count() as f64 / fared.lines.len() as f64;
        println!(
            "{scenario} {settings:?}: {schedules} schedules, {} fail, {} by lines alone, {:.1} % by two lines or fewer, at most {} lines, {:.1} replays each",
            fared.failing,
            fared.by_lines_alone,
            few * 100.0,
            fared.lines.iter().max().unwrap_or(&0),
            fared.replays as f64 / fared.by_lines_alone as f64,
        );
        assert_eq!(fared.by_lines_alone, fared.failing, "{scenario} {settings:?}");
        assert!(fared.failing * 100 >= schedules * least, "{scenario} {settings:?}: {} fail", fared.failing);
    }
}

#[test]
fn every_failing_run_under_any_schedule_is_left_with_lines_that_fail_by_themselves() {
    check(40);
}

#[test]
#[ignore = "long: about three minutes"]
fn every_failing_run_under_two_thousand_schedules_is_left_with_lines_that_fail_by_themselves() {
    check(2_000);
}
