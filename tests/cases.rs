//! Runs that went wrong, kept whole: each committed case replays to the same verdict, property and digest, for ever.
//!
//! A case begins with a note that says what goes wrong. They are written by
//!
//! ```sh
//! FAULTLINE_RECORD=1 cargo test -p faultline-tests --test cases
//! ```
//!
//! which hunts the smallest seed that fails as the table says. A bug fixed is one more line of the table.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::LazyLock;

use faultline_tests::scenarios::built_in;
use faultline_tests::sources::workspace;
use serde_json::{Value, json};
use sim_core::case::Case;
use sim_core::trail::Divergence;
use sim_core::{Digest, Limits, Seed, Stop};
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::scenario::{Model, Replay, replay};

/// A case as it is hunted: its file, the scenario, the settings, the property that fails, and what to say of it.
struct Kept {
    file: &'static str,
    scenario: &'static str,
    settings: &'static [(&'static str, &'static str)],
    property: Option<&'static str>,
    note: &'static str,
}

const KEPT: &[Kept] = &[
    Kept {
        file: "checkout-charged-twice",
        scenario: "checkout",
        settings: &[("orders", "10")],
        property: Some("charged at most once"),
        note: "The gateway answers after the shop's patience is over; the shop tries again, and the customer pays twice.",
    },
    Kept {
        file: "checkout-key-per-order",
        scenario: "checkout",
        settings: &[("orders", "10"), ("key", "per-order"), ("lost_replies", "30%")],
        property: None,
        note: "Nothing goes wrong: replies are lost and tried again, and the key keeps every order at one charge.",
    },
    Kept {
        file: "gateway-timeout-charged-but-cancelled",
        scenario: "gateway-timeout",
        settings: &[("orders", "10")],
        property: Some("charged is not cancelled"),
        note: "The shop cancels the order it gave up on; the gateway, which never heard of that, charges it.",
    },
    Kept {
        file: "gateway-timeout-never-asked",
        scenario: "gateway-timeout",
        settings: &[("orders", "10"), ("on_timeout", "pending"), ("reconcile_every", "1h")],
        property: Some("every order settles"),
        note: "The shop says PENDING and means to ask later, but later is after the end: the order stays open.",
    },
    Kept {
        file: "oversell-below-zero",
        scenario: "oversell",
        settings: &[("stock", "1"), ("buyers", "10")],
        property: Some("stock is never negative"),
        note: "Two buyers see the last lamp before either has taken it; both take it.",
    },
];

/// Writes all cases anew, once, when that is asked for.
static RECORDED: LazyLock<()> = LazyLock::new(|| {
    if std::env::var_os("FAULTLINE_RECORD").is_some() {
        KEPT.iter().for_each(|kept| fs::write(path(kept), written(kept)).expect("it can be written"));
    }
});

fn path(kept: &Kept) -> PathBuf {
    workspace().join("tests/cases").join(format!("{}.json", kept.file))
}

fn hunt(kept: &Kept) -> Case {
    let chosen = kept.settings.iter().fold(Choices::none(), |choices, (name, value)| choices.set(name, value));
    let model = built_in(kept.scenario).model(&chosen).unwrap_or_else(|wrong| panic!("{wrong}"));
    let run = (0..1_000).map(|seed| model.run(Seed(seed), Stop::AtViolation));
    let failing = run.into_iter().find(|run| run.outcome.property() == kept.property);
    model.case(&failing.unwrap_or_else(|| panic!("{}: no seed does", kept.file)))
}

/// The case as text, the note first.
fn written(kept: &Kept) -> String {
    let mut text = json!({"note": kept.note});
    let case = serde_json::to_value(hunt(kept)).expect("a case can be written");
    let fields = case.as_object().expect("a case is an object").clone();
    text.as_object_mut().expect("it is one").extend(fields);
    format!("{text:#}\n")
}

fn text(kept: &Kept) -> String {
    LazyLock::force(&RECORDED);
    fs::read_to_string(path(kept)).unwrap_or_else(|error| panic!("{}: {error}", kept.file))
}

fn read(kept: &Kept) -> Case {
    let text = text(kept);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", kept.file))
}

fn replayed(case: &Case) -> Replay {
    replay("case.json", case, Limits::default(), |_, _| ControlFlow::Continue(()))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The rolling digest after every event of a replay.
fn digests(case: &Case) -> Vec<Digest> {
    let mut digests = Vec::new();
    replay("case.json", case, Limits::default(), |sim, _| {
        digests.push(sim.digest());
        ControlFlow::Continue(())
    })
    .unwrap_or_else(|error| panic!("{error}"));
    digests
}

/// The number of the first event after which two runs differ.
fn parting(one: &[Digest], other: &[Digest]) -> u64 {
    let same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    same as u64 + 1
}

#[test]
fn every_case_replays_to_the_same_verdict_property_and_digest() {
    for kept in KEPT {
        let case = read(kept);
        let replay = replayed(&case);
        let expect = case.expect.as_ref().expect("it expects something");
        assert!(replay.reproduced && replay.same_failure, "{}: {:?}, not {expect:?}", kept.file, replay.run.outcome);
        assert_eq!(replay.divergence, None, "{}", kept.file);
        assert_eq!(replay.run.outcome.property(), kept.property, "{}", kept.file);
        assert_eq!((Some(replay.run.outcome.events), case.seed), (expect.events, replay.run.seed), "{}", kept.file);
    }
}

#[test]
fn every_file_is_a_case_of_the_table_and_begins_with_its_note() {
    LazyLock::force(&RECORDED);
    let folder = fs::read_dir(workspace().join("tests/cases")).expect("it is there");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    let mut known: Vec<_> = KEPT.iter().map(path).collect();
    known.sort();
    assert_eq!(files, known);
    for kept in KEPT {
        let text = text(kept);
        let first = text.lines().nth(1).expect("a line after the brace").trim();
        assert!(first.starts_with("\"note\": ") && first.contains(kept.note), "{}: {first}", kept.file);
    }
}

#[test]
fn every_built_in_scenario_has_a_case() {
    let without: Vec<_> = builtin::names().filter(|name| !KEPT.iter().any(|kept| kept.scenario == *name)).collect();
    assert!(without.is_empty(), "{without:?}: give each a line in the table of tests/cases.rs and record it");
}

#[test]
fn a_case_written_again_is_the_same_text() {
    for kept in KEPT {
        let text = text(kept);
        let case: Case = serde_json::from_str(&text).expect("it is a case");
        assert_eq!(serde_json::from_str::<Case>(&serde_json::to_string(&case).expect("text")).expect("a case"), case);
        let model = Model::of_case(kept.file, &case).unwrap_or_else(|error| panic!("{error}"));
        let again = model.case(&replayed(&case).run);
        assert_eq!(Case { note: case.note.clone(), ..again }, case, "{}", kept.file);
    }
}

#[test]
fn another_digest_is_not_reproduced_and_the_trail_agrees_everywhere() {
    for kept in KEPT {
        let mut case = read(kept);
        let expect = case.expect.as_mut().expect("it expects something");
        expect.digest = Digest(expect.digest.0 ^ 1);
        let replay = replayed(&case);
        assert!(!replay.reproduced && replay.same_failure, "{}", kept.file);
        assert_eq!(replay.divergence, None, "{}", kept.file);
    }
}

/// Not reproduced, and the first event that differs is named. A byte of the trail agrees by chance once in 256 times, so that
/// the named event may be the one after it; it is never one before it.
fn check_parts_where_it_does(kept: &Kept, edit: impl FnOnce(&mut Case)) {
    let case = read(kept);
    let mut edited = case.clone();
    edit(&mut edited);
    let replay = replayed(&edited);
    assert!(!replay.reproduced, "{}", kept.file);
    let first = parting(&digests(&case), &digests(&edited));
    let Divergence { after, by } = replay.divergence.unwrap_or_else(|| panic!("{}: parts at {first}", kept.file));
    assert!((first..first + 2).contains(&by) && after + 1 == by, "{}: {after}..{by}, not {first}", kept.file);
}

#[test]
fn another_seed_parts_at_the_first_event_that_differs() {
    for kept in KEPT {
        check_parts_where_it_does(kept, |case| case.seed = Seed(case.seed.0 ^ 0xFFFF));
    }
}

#[test]
fn another_setting_parts_at_the_first_event_that_differs() {
    for kept in KEPT {
        let (setting, value) = if kept.scenario == "oversell" { ("gap", "35ms") } else { ("timeout", "90ms") };
        check_parts_where_it_does(kept, |case| _ = case.settings.insert(setting.to_owned(), Value::from(value)));
    }
}

#[test]
fn a_fault_more_parts_where_it_begins_to_matter() {
    check_parts_where_it_does(&KEPT[0], |case| {
        case.faults.push("drop shop->gateway charge order/1 #1".parse().expect("a decision"));
    });
}
