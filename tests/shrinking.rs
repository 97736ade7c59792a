//! What is left of a failing case after shrinking: it fails in the same way, with any seed, every line of it matters, and
//! shrinking it again changes nothing.

use std::sync::LazyLock;

use faultline_tests::committed::{failing, is_calm, outcome, property, verdict};
use sim_core::case::Case;
use sim_core::{Limits, Seed, Verdict};
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

/// What becomes of failing runs under schedules that nobody thought of.
#[derive(Debug, Default)]
struct Fared {
    failing: u64,
    by_lines_alone: u64,
    lines: Vec<usize>,
    replays: u64,
}

fn fared(scenario: &str, settings: &[(&str, &str)], schedules: std::ops::Range<u64>) -> Fared {
    use sim_models::language::Choices;
    use sim_models::scenario::Changes;
    let chosen = settings.iter().fold(Choices::none(), |choices, (name, value)| choices.set(name, value));
    let mut fared = Fared::default();
    for number in schedules {
        let changes = Changes { faults: schedule(number), until: None };
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
        let fared = fared(scenario, settings, 0..schedules);
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
