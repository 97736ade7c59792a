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
use sim_core::{Digest, Limits, Rest, Seed, Stop};
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Model, Replay, Scenario, replay};
use sim_models::shrink::shrink;

/// A case as it is hunted: its file, the scenario (built in, or a file of examples/), the settings, what is added to its faults,
/// the property that fails, whether the case is shrunk then, and what to say of it.
struct Kept {
    file: &'static str,
    scenario: &'static str,
    settings: &'static [(&'static str, &'static str)],
    faults: &'static [&'static str],
    property: Option<&'static str>,
    shrunk: bool,
    note: &'static str,
    /// A setting that makes another run of it.
    other: (&'static str, &'static str),
}

const TEN: &[(&str, &str)] = &[("orders", "10")];

const KEPT: &[Kept] = &[
    Kept {
        file: "checkout-charged-twice",
        scenario: "checkout",
        settings: TEN,
        faults: &[],
        property: Some("charged at most once"),
        shrunk: false,
        note: "The gateway answers after the shop's patience is over; the shop tries again, and the customer pays twice.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "checkout-charged-twice-small",
        scenario: "checkout",
        settings: TEN,
        faults: &[],
        property: Some("charged at most once"),
        shrunk: true,
        note: "One charge takes 1.4 s and the shop waits for 1 s: that is all there is to it.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "checkout-charge-arrives-twice",
        scenario: "checkout",
        settings: TEN,
        faults: &["duplicate shop->gateway charge 30%"],
        property: Some("charged at most once"),
        shrunk: true,
        note: "The request arrives twice; without a key the gateway takes both for orders.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "checkout-reply-cut",
        scenario: "checkout",
        settings: &[("orders", "10"), ("timeout", "5s")],
        faults: &["200ms..700ms cut gateway->shop"],
        property: Some("charged at most once"),
        shrunk: true,
        note: "The way back is cut while the gateway answers; the shop tries again.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "checkout-reply-cut-again-and-again",
        scenario: "checkout",
        settings: &[("orders", "10"), ("timeout", "5s")],
        faults: &["cut gateway->shop every ~300ms for ~100ms"],
        property: Some("charged at most once"),
        shrunk: true,
        note: "The way back is cut now and then; the time at which it mattered is all that is left of that.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "checkout-reply-late",
        scenario: "checkout",
        settings: TEN,
        faults: &["delay gateway->shop charge +600ms ~500ms"],
        property: Some("charged at most once"),
        shrunk: true,
        note: "Replies are late, one of them by too much.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "checkout-key-per-order",
        scenario: "checkout",
        settings: &[("orders", "10"), ("key", "per-order"), ("lost_replies", "30%")],
        faults: &[],
        property: None,
        shrunk: false,
        note: "Nothing goes wrong: replies are lost and tried again, and the key keeps every order at one charge.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "gateway-timeout-charged-but-cancelled",
        scenario: "gateway-timeout",
        settings: TEN,
        faults: &[],
        property: Some("charged is not cancelled"),
        shrunk: false,
        note: "The shop cancels the order it gave up on; the gateway, which never heard of that, charges it.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "gateway-timeout-charged-but-cancelled-small",
        scenario: "gateway-timeout",
        settings: TEN,
        faults: &[],
        property: Some("charged is not cancelled"),
        shrunk: true,
        note: "One slow charge, and the shop takes no answer for a no.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "gateway-timeout-never-asked",
        scenario: "gateway-timeout",
        settings: &[("orders", "10"), ("on_timeout", "pending"), ("reconcile_every", "1h")],
        faults: &[],
        property: Some("every order settles"),
        shrunk: false,
        note: "The shop says PENDING and means to ask later, but later is after the end: the order stays open.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "gateway-timeout-never-asked-small",
        scenario: "gateway-timeout",
        settings: &[("orders", "10"), ("on_timeout", "pending"), ("reconcile_every", "1h")],
        faults: &[],
        property: Some("every order settles"),
        shrunk: true,
        note: "One slow charge is enough to leave an order open for ever.",
        other: ("timeout", "90ms"),
    },
    Kept {
        file: "oversell-below-zero",
        scenario: "oversell",
        settings: &[("stock", "1"), ("buyers", "10")],
        faults: &[],
        property: Some("stock is never negative"),
        shrunk: false,
        note: "Two buyers see the last lamp before either has taken it; both take it.",
        other: ("gap", "35ms"),
    },
    Kept {
        file: "oversell-below-zero-small",
        scenario: "oversell",
        settings: &[("stock", "1"), ("buyers", "10")],
        faults: &[],
        property: Some("stock is never negative"),
        shrunk: true,
        note: "Two buyers who come within 20 ms of each other: no bad luck is needed.",
        other: ("gap", "35ms"),
    },
    Kept {
        file: "forgetful-gateway-restarted",
        scenario: "forgetful-gateway.json",
        settings: &[],
        faults: &[],
        property: Some("charged at most once"),
        shrunk: false,
        note: "A reply is lost, and the gateway is restarted before the shop asks again: the keys it kept in memory are gone.",
        other: ("wait", "400ms"),
    },
    Kept {
        file: "forgetful-gateway-restarted-small",
        scenario: "forgetful-gateway.json",
        settings: &[],
        faults: &[],
        property: Some("charged at most once"),
        shrunk: true,
        note: "One lost reply and one restart after it; neither alone does it.",
        other: ("wait", "400ms"),
    },
    Kept {
        file: "saga-undo-noted-after",
        scenario: "order-saga.json",
        settings: &[("rejects", "0%"), ("undo_fails", "0%"), ("lost", "5%")],
        faults: &[],
        property: Some("all done or all undone"),
        shrunk: true,
        note: "The answer to one charge is lost; the saga never noted how to take that back, and takes back only the reservation.",
        other: ("register", "before"),
    },
    Kept {
        file: "saga-undo-not-retried",
        scenario: "order-saga.json",
        settings: &[("register", "before"), ("lost", "0%"), ("undo_fails", "30%")],
        faults: &[],
        property: Some("all done or all undone"),
        shrunk: true,
        note: "A shipment is refused, and the refund fails for a moment: tried once, it leaves a customer who has paid for nothing.",
        other: ("undo_tries", "forever"),
    },
    Kept {
        file: "saga-deployed-under-way",
        scenario: "saga-deployed.json",
        settings: &[("rate", "2/s")],
        faults: &[],
        property: Some("all done or all undone"),
        shrunk: true,
        note: "A process of another version goes on with part 2, which is not the part 2 that was under way; a declined card goes unnoticed.",
        other: ("on_stop", "drain"),
    },
    Kept {
        file: "three-phases-split",
        scenario: "split-decision.json",
        settings: &[("rate", "10/s")],
        faults: &[],
        property: Some("one decision"),
        shrunk: true,
        note: "A cut between the votes and what is told next: with three phases one side commits and the other aborts.",
        other: ("protocol", "2pc"),
    },
    Kept {
        file: "decision-not-forced",
        scenario: "unforced.json",
        settings: &[("rate", "2/s")],
        faults: &[],
        property: Some("one decision"),
        shrunk: true,
        note: "The coordinator tells its decision, one store does not hear it, and the coordinator dies before it is noted.",
        other: ("decision", "synced"),
    },
    Kept {
        file: "promise-not-forced",
        scenario: "unforced.json",
        settings: &[("decision", "synced"), ("promise", "written"), ("rate", "2/s")],
        faults: &[],
        property: Some("one decision"),
        shrunk: true,
        note: "A store says yes before its promise is on the disk, and its power goes: it has never heard of what the other has committed.",
        other: ("promise", "synced"),
    },
    Kept {
        file: "promise-on-a-lying-disk",
        scenario: "unforced.json",
        settings: &[("decision", "synced"), ("rate", "2/s")],
        faults: &["0s..62s disk payments fsync-lies"],
        property: Some("one decision"),
        shrunk: true,
        note: "A store forces its promise before it says yes, but its disk lies, and its power goes: it has never heard of what the other has committed.",
        other: ("presume", "nothing"),
    },
    Kept {
        file: "stopped-while-frozen",
        scenario: "unforced.json",
        settings: &[("decision", "synced"), ("rate", "2/s")],
        faults: &["10s..12s pause payments", "10500ms restart payments"],
        property: None,
        shrunk: false,
        note: "A store is frozen as it is asked to stop: what came behind that is reset, and its next life looks at what it has promised before anything comes to it.",
        other: ("presume", "nothing"),
    },
    Kept {
        file: "xa-heuristic-mix",
        scenario: "xa-damage.json",
        settings: &[("rate", "5/s")],
        faults: &[],
        property: Some("one decision"),
        shrunk: true,
        note: "Cut off from the coordinator, a store forgets what it has promised, and the other commits.",
        other: ("patience", "for-ever"),
    },
    Kept {
        file: "shared-prefix",
        scenario: "shared-prefix.json",
        settings: &[("rate", "2/s")],
        faults: &[],
        property: Some("one decision"),
        shrunk: true,
        note: "A transaction manager comes back and rolls back what was promised to another of the same name.",
        other: ("prefix", "own"),
    },
    Kept {
        file: "saga-undo-first",
        scenario: "order-saga.json",
        settings: &[
            ("register", "before"),
            ("undo_tries", "forever"),
            ("rejects", "0%"),
            ("undo_fails", "0%"),
            ("lost", "0%"),
        ],
        faults: &["late orders->payments charge order/5 #1 5s"],
        property: Some("all done or all undone"),
        shrunk: true,
        note: "A charge is under way for longer than anybody waits; its refund overtakes it, finds nothing, and leaves no tombstone.",
        other: ("register", "after"),
    },
    Kept {
        file: "saga-without-log",
        scenario: "order-saga.json",
        settings: &[
            ("log", "off"),
            ("register", "before"),
            ("undo_tries", "forever"),
            ("rejects", "0%"),
            ("undo_fails", "0%"),
            ("lost", "0%"),
        ],
        faults: &[],
        property: Some("all done or all undone"),
        shrunk: true,
        note: "Who leads the saga dies between two steps, and nobody ever goes on with it: paid, and not shipped.",
        other: ("log", "on"),
    },
    Kept {
        file: "promise-timed-out",
        scenario: "xa-damage.json",
        settings: &[("protocol", "2pc"), ("rate", "5/s")],
        faults: &[],
        property: Some("one decision"),
        shrunk: true,
        note: "A store that has promised hears nothing for 5 s and aborts by itself what the other has committed; with two phases nobody is told.",
        other: ("patience", "for-ever"),
    },
    Kept {
        file: "order-comes-twice",
        scenario: "order-in-five-forms.json",
        settings: &[("key", "off"), ("length", "5s"), ("rate", "4/s"), ("down", "0s"), ("lost", "0%")],
        faults: &["0s..30s duplicate shopper->orders 20%"],
        property: Some("charged at most once"),
        shrunk: true,
        note: "The request arrives twice, and a transaction that is all or nothing is done twice.",
        other: ("key", "on"),
    },
    Kept {
        file: "event-without-inbox",
        scenario: "order-in-five-forms.json",
        settings: &[
            ("form", "events"),
            ("inbox", "off"),
            ("length", "5s"),
            ("rate", "4/s"),
            ("down", "0s"),
            ("lost", "0%"),
        ],
        faults: &["0s..30s loss billing->reserved_events ack 20%"],
        property: Some("charged at most once"),
        shrunk: true,
        note: "An acknowledgement is lost, the event comes again, and the customer pays again.",
        other: ("inbox", "on"),
    },
    Kept {
        file: "saga-puts-back-what-was",
        scenario: "put-back.json",
        settings: &[("rate", "6/m")],
        faults: &[],
        property: Some("no lamp is lost or made"),
        shrunk: true,
        note: "One order takes a lamp while another is about to put its own back: the number that was there before forgets the first.",
        other: ("undo", "one-more"),
    },
    Kept {
        file: "saga-late-reply",
        scenario: "trip.json",
        settings: &[("rate", "2/s"), ("sold_out", "0%")],
        faults: &[],
        property: Some("both or neither"),
        shrunk: true,
        note: "The hotel answers after it was given up and cancelled; whoever leads takes that for the answer it waits for, and books the flight.",
        other: ("reply", "awaited"),
    },
    Kept {
        file: "saga-side-by-side",
        scenario: "trip.json",
        settings: &[("form", "side-by-side"), ("rate", "2/s"), ("length", "20s")],
        faults: &[],
        property: Some("both or neither"),
        shrunk: true,
        note: "There is no seat, and the hotel has not answered yet: nobody takes back a room of which nobody knows.",
        other: ("back", "all"),
    },
    Kept {
        file: "saga-chosen-again",
        scenario: "trip.json",
        settings: &[("form", "led"), ("down", "1s"), ("rate", "2/s"), ("sold_out", "0%")],
        faults: &[],
        property: Some("one seat a trip"),
        shrunk: true,
        note: "Who leads dies between the choice of an airline and its answer; what goes on by the log chooses again, and books at the other one too.",
        other: ("airline", "before"),
    },
    Kept {
        file: "events-in-a-circle",
        scenario: "trip.json",
        settings: &[("form", "events"), ("rate", "2/s"), ("length", "10s"), ("confirm", "5s")],
        faults: &[],
        property: Some("both or neither"),
        shrunk: true,
        note: "No seat frees a room, and a free room is offered to the same trip: each service does its part, and the circle has no end.",
        other: ("rounds", "3"),
    },
];

/// Writes cases anew, once, when that is asked for: all by `FAULTLINE_RECORD=1`, else those whose names hold the word.
static RECORDED: LazyLock<()> = LazyLock::new(|| {
    let Ok(asked) = std::env::var("FAULTLINE_RECORD") else { return };
    let chosen = KEPT.iter().filter(|kept| asked == "1" || kept.file.contains(&asked));
    chosen.for_each(|kept| fs::write(path(kept), written(kept)).expect("it can be written"));
});

fn path(kept: &Kept) -> PathBuf {
    workspace().join("tests/cases").join(format!("{}.json", kept.file))
}

fn hunt(kept: &Kept) -> Case {
    let chosen = kept.settings.iter().fold(Choices::none(), |choices, (name, value)| choices.set(name, value));
    let faults = kept.faults.iter().map(|line| line.parse().expect("a fault")).collect();
    let changes = Changes { faults, ..Changes::default() };
    let model = scenario(kept.scenario).model_with(&chosen, &changes).unwrap_or_else(|wrong| panic!("{wrong}"));
    let run = (0..1_000).map(|seed| model.run(Seed(seed), Stop::AtViolation));
    let failing = run.into_iter().find(|run| run.outcome.property() == kept.property);
    let case = model.case(&failing.unwrap_or_else(|| panic!("{}: no seed does", kept.file)));
    if !kept.shrunk {
        return case;
    }
    shrink("case.json", &case, 10_000, &mut |_| true).unwrap_or_else(|error| panic!("{}: {error}", kept.file)).case
}

fn scenario(name: &str) -> Scenario {
    if !name.ends_with(".json") {
        return built_in(name);
    }
    let text = fs::read_to_string(workspace().join("examples").join(name)).expect("an example");
    Scenario::parse(name, &text).unwrap_or_else(|wrong| panic!("{wrong}"))
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
    for kept in KEPT.iter().filter(|kept| !kept.shrunk) {
        check_parts_where_it_does(kept, |case| case.seed = Seed(case.seed.0 ^ 0xFFFF));
    }
}

#[test]
fn another_seed_changes_nothing_of_a_shrunk_case() {
    for kept in KEPT.iter().filter(|kept| kept.shrunk) {
        let mut case = read(kept);
        assert_ne!(case.rest, Rest::Seed, "{}", kept.file);
        case.seed = Seed(case.seed.0 ^ 0xFFFF);
        assert!(replayed(&case).reproduced, "{}", kept.file);
    }
}

#[test]
fn another_setting_parts_at_the_first_event_that_differs() {
    for kept in KEPT {
        let (setting, value) = kept.other;
        check_parts_where_it_does(kept, |case| _ = case.settings.insert(setting.to_owned(), Value::from(value)));
    }
}

#[test]
fn a_fault_more_parts_where_it_begins_to_matter() {
    check_parts_where_it_does(&KEPT[0], |case| {
        case.faults.push("drop shop->gateway charge order/1 #1".parse().expect("a decision"));
    });
}
