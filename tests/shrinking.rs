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
        assert_eq!(again.decisions.0, again.decisions.1, "{name}: every line of it applies");
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
