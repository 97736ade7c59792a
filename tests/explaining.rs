//! An explanation is true: each of its clauses speaks of an event that is there, at that instant, with that value, and what it
//! calls needed is needed. All of it is checked against replays that know nothing of explanations.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use faultline_tests::committed::{failing, is_calm, outcome, property, verdict};
use sim_core::case::Case;
use sim_core::fault::{Decision, Ruling, Value as Given};
use sim_core::{Answer, Entry, Fate, Fault, Happening, Seed, Step, Stop, Verdict};
use sim_models::explain::{Clause, Explanation, explain};
use sim_models::interp::Service;
use sim_models::message::Note;
use sim_models::program::Program;
use sim_models::prove::Without;
use sim_models::scenario::Model;
use sim_models::shrink::Part;

static EXPLAINED: LazyLock<Vec<(String, Case, Explanation)>> = LazyLock::new(|| {
    let explained = |(name, case): (String, Case)| {
        let why = explain("case.json", &case, 10_000, &mut |_| true).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, case, why)
    };
    failing().into_iter().map(explained).collect()
});

/// One event of a replay.
struct Seen {
    step: Step,
    node: String,
    entries: Vec<Entry>,
    notes: Vec<Note>,
    /// How often each fact of this event stands for its key now.
    facts: Vec<(String, i64)>,
    /// What its node knows under a name.
    known: Vec<(String, String)>,
}

/// The small case again, event by event.
fn replayed(case: &Case) -> (Model, Vec<Seen>) {
    let model = Model::of_case("case.json", case).unwrap_or_else(|error| panic!("{error}"));
    let program = model.program().clone();
    let (mut sim, _) = model.start(case.seed);
    sim.record(true);
    let mut counts: BTreeMap<(u16, String), i64> = BTreeMap::new();
    let mut seen = Vec::new();
    let events = case.expect.as_ref().and_then(|expect| expect.events).expect("it knows how many");
    while seen.len() < events as usize {
        let step = sim.step().expect("as many events as expected");
        let place = step.node();
        let mut facts = Vec::new();
        for note in sim.notes() {
            if let Note::Fact(fact, key, times) = note {
                let count = counts.entry((fact.0, key.to_string())).or_default();
                *count += times;
                facts.push((program.facts[fact.0 as usize].name.clone(), *count));
            }
        }
        let service = place.and_then(|node| sim.actor::<Service>(node));
        let known = service.map(|service| service.values(step.cause.operation)).unwrap_or_default();
        let slot = |(slot, value): (sim_models::program::Slot, sim_models::value::Value)| {
            (program.slots[slot.0 as usize].name.clone(), value.to_string())
        };
        seen.push(Seen {
            step,
            node: place.map(|node| program.replica_name(node)).unwrap_or_default(),
            entries: sim.log().to_vec(),
            notes: sim.notes().to_vec(),
            facts,
            known: known.into_iter().map(slot).collect(),
        });
    }
    (model, seen)
}

/// Whether an event did what a line says.
fn did(seen: &Seen, line: &str) -> bool {
    let fault: Fault = line.parse().expect("a line of a case");
    let fates = seen.entries.iter().filter_map(|it| if let Entry::Sent { fate, .. } = it { Some(*fate) } else { None });
    let answers =
        seen.entries.iter().filter_map(|it| if let Entry::Drew { draw, .. } = it { Some(draw.answer) } else { None });
    match fault {
        Fault::Decision(Decision::Envelope { ruling, .. }) => fates.into_iter().any(|fate| match ruling {
            Ruling::Drop => fate == Fate::Lost,
            Ruling::Late(after) => fate == Fate::Arrives(after),
            Ruling::Twice(after) => matches!(fate, Fate::ArrivesTwice(_, second) if second == after),
            Ruling::Keep => matches!(fate, Fate::Arrives(_)),
            Ruling::Reject => fate == Fate::Refused,
            Ruling::Alter(_, after) => fate == Fate::Arrives(after),
        }),
        Fault::Decision(Decision::Draw { value, .. }) => answers.into_iter().any(|answer| match (&value, answer) {
            (Given::Length(length), Answer::Length(drawn)) => *length == drawn,
            (Given::Yes, Answer::Chance(yes)) => yes,
            (Given::No, Answer::Chance(yes)) => !yes,
            (Given::Choice(_), Answer::Node(_)) => true,
            (Given::Number(number), Answer::Number(drawn)) => *number == drawn,
            _ => false,
        }),
        Fault::Timed(_) => false,
    }
}

/// Whether a value that a clause names is that of the event it cites.
fn is_so(name: &str, value: &str, clause: &Clause, model: &Model, all: &[Seen]) -> bool {
    let seen = &all[clause.event as usize - 1];
    let program: &Program = model.program();
    match name {
        "line" => did(seen, value),
        "since" => value.parse::<usize>().is_ok_and(|event| (1..=all.len()).contains(&event)),
        "fault" => match seen.step.what {
            Happening::FaultBegan { fault } | Happening::FaultEnded { fault } => {
                model.faults()[fault as usize].to_string() == value
            }
            _ => false,
        },
        "outcome" => seen.notes.iter().any(|note| matches!(note, Note::Finished { tone, .. } if tone.word() == value)),
        "cell" | "value" => seen.notes.iter().any(|note| match note {
            Note::Cell { map, key, value: now } => {
                let def = program.map(*map);
                let cell = format!("{}.{}[{key}]", program.node(def.owner).name, def.name);
                if name == "cell" { cell == value } else { now.to_string() == value }
            }
            _ => false,
        }),
        fact if program.facts.iter().any(|def| def.name == fact) => {
            // The first clause cites what was read in all; the others, what stands after their event.
            let stands = seen.facts.iter().any(|(known, count)| known == fact && count.to_string() == value);
            let counted = |seen: &Seen| seen.facts.iter().any(|(known, _)| known == fact);
            let never = value == "0" && !all[..clause.event as usize].iter().any(counted);
            stands
                || never
                || all[..clause.event as usize]
                    .iter()
                    .any(|seen| seen.facts.iter().any(|(k, c)| k == fact && c.to_string() == value))
        }
        // Of the run as a whole, which is the same with every seed.
        metric if program.metrics.iter().any(|def| def.name == metric) => {
            let run = model.run(Seed(0), Stop::AtEnd);
            run.metrics.iter().any(|(name, got)| name == metric && got.is_some_and(|got| got.to_string() == value))
        }
        slot if program.slots.iter().any(|def| def.name == slot) => {
            seen.known.contains(&(slot.to_owned(), value.to_owned()))
        }
        // A cell that the property read, as it stands after that event.
        cell => {
            let changes = all[..clause.event as usize].iter().flat_map(|seen| &seen.notes);
            let last = changes.filter_map(|note| match note {
                Note::Cell { map, key, value } => {
                    let def = program.map(*map);
                    let key = if key.as_text().is_some() { format!("'{key}'") } else { key.to_string() };
                    let name = format!("{}.{}[{key}]", program.node(def.owner).name, def.name);
                    (name == cell).then(|| value.to_string())
                }
                _ => None,
            });
            last.into_iter().next_back().is_some_and(|last| last == value.trim_matches('\''))
        }
    }
}

#[test]
fn every_clause_speaks_of_an_event_that_is_there_with_its_time_and_value() {
    let mut values = 0;
    for (name, _, why) in &*EXPLAINED {
        let (model, all) = replayed(&why.small.case);
        assert!(why.clauses.len() > 3, "{name}: {:?}", why.clauses);
        for clause in &why.clauses {
            let seen = all.get(clause.event as usize - 1).unwrap_or_else(|| panic!("{name}: no event for {clause:?}"));
            assert_eq!((seen.step.number, seen.step.at.nanos()), (clause.event, clause.at), "{name}: {clause:?}");
            let here =
                [&seen.node, &clause.node].iter().any(|node| node.is_empty()) || seen.node.starts_with(&clause.node);
            assert!(here, "{name}: {clause:?} is at {}", seen.node);
            for (what, value) in &clause.values {
                assert!(is_so(what, value, clause, &model, &all), "{name}: {what} is not {value} in {clause:?}");
                values += 1;
            }
        }
    }
    assert!(values > 50, "{values} values prove little");
}

#[test]
fn every_link_of_the_chain_is_caused_by_the_one_before() {
    for (name, _, why) in &*EXPLAINED {
        let (_, all) = replayed(&why.small.case);
        assert_eq!(why.chain.last().map(|link| link.event), Some(why.decisive), "{name}");
        for links in why.chain.windows(2) {
            let later = &all[links[1].event as usize - 1].step;
            assert_eq!(later.by, Some(links[0].event), "{name}: {links:?}");
        }
    }
}

#[test]
fn what_is_needed_is_needed_and_what_is_enough_is_enough() {
    let (mut needed, mut measured) = (0, 0);
    for (name, _, why) in &*EXPLAINED {
        let case = &why.small.case;
        assert_eq!(why.proofs.len(), case.faults.len(), "{name}");
        for (place, proof) in why.proofs.iter().enumerate() {
            assert_eq!(proof.line, case.faults[place], "{name}");
            // From the beginning instead of from a fork, and with the line gone instead of overruled.
            let mut others = case.faults.clone();
            others.remove(place);
            let holds = verdict(case, &outcome(case, &others, case.seed)) == Verdict::Held;
            assert_eq!(proof.without == Without::Vanishes, holds, "{name}: {proof:?}");
            needed += u32::from(holds);
            let Some(least) = proof.least else { continue };
            for (strength, fails) in [(least.fails, true), (least.passes, false)] {
                let mut lines = case.faults.clone();
                lines[place] = least.part.with(&proof.line, strength).expect("it has that part");
                let fell = verdict(case, &outcome(case, &lines, case.seed)) != Verdict::Held;
                assert_eq!(fell, fails, "{name}: {} for {:?}", lines[place], least);
            }
            assert!(Some(least.fails) <= least.part.of(&proof.line) && least.passes < least.fails, "{name}: {least:?}");
            measured += 1;
        }
    }
    assert!(needed > 8 && measured > 4, "{needed} needed, {measured} measured");
}

#[test]
fn what_came_close_is_what_a_run_from_the_beginning_says() {
    let mut near = 0;
    for (name, case, why) in EXPLAINED.iter().filter(|(_, case, _)| !is_calm(case)) {
        assert!(!why.near.is_empty(), "{name}");
        for (proof, _) in &why.near {
            let instead = proof.instead.clone().unwrap_or_else(|| panic!("{name}: {proof:?}"));
            let lines: Vec<Fault> = case.faults.iter().cloned().chain([instead]).collect();
            let verdict = verdict(case, &outcome(case, &lines, case.seed));
            match proof.without {
                Without::Vanishes => assert_eq!(verdict, Verdict::Held, "{name}: {proof:?}"),
                Without::Moves { .. } | Without::Stays => assert_ne!(verdict, Verdict::Held, "{name}: {proof:?}"),
                Without::Differs(_) => {}
            }
            near += 1;
        }
    }
    assert!(near > 20, "{near} near misses prove little");
}

/// The lines that say what the seed says are no change of the run: only so a fork from it proves anything.
#[test]
fn a_run_that_is_told_what_it_does_anyway_does_the_same() {
    for (name, case, why) in EXPLAINED.iter().filter(|(_, case, _)| !is_calm(case)) {
        let told: Vec<Fault> =
            case.faults.iter().cloned().chain(why.near.iter().map(|(proof, _)| proof.line.clone())).collect();
        let expect = case.expect.as_ref().expect("it expects something");
        assert_eq!(outcome(case, &told, case.seed).digest, expect.digest, "{name}");
    }
}

#[test]
fn a_shop_that_gives_up_believes_what_is_not_so() {
    let (_, _, why) = EXPLAINED.iter().find(|(name, ..)| name == "checkout-charged-twice-small").expect("it is there");
    let belief = &why.beliefs[0];
    assert_eq!((belief.node.as_str(), belief.believed.as_str()), ("shop", "gateway gives no answer to charge"));
    assert_eq!(belief.truth, "gateway is at work on it and will do it (charged)");
    let (_, all) = replayed(&why.small.case);
    let done = &all[belief.since.expect("an event") as usize - 1];
    assert!(
        done.facts.contains(&("charged".to_owned(), 2)) && done.step.at > belief.instant(),
        "the truth comes later"
    );

    let (_, _, why) = EXPLAINED.iter().find(|(name, ..)| name == "oversell-below-zero-small").expect("it is there");
    assert_eq!(why.beliefs[0].believed, "inventory.stock[lamp] is 1, as read in #15");
    assert_eq!(why.beliefs[0].truth, "inventory.stock[lamp] is 0, set for purchase/5");
}

/// Whoever reads again and again believes what was read last, and here that was true.
#[test]
fn what_was_read_anew_is_no_longer_believed() {
    let scenario = r#"{"faultline": 1, "name": "cas", "until": "60s",
        "nodes": {"shop": {"kind": "service", "replicas": 2, "endpoints": {"buy": [
            {"try": [{"read": "inv.stock['lamp']", "as": "seen"}, {"work": {"exponential": "20ms"}},
                     {"set": "inv.stock['lamp']", "to": "= $seen - 1", "where": "version == $seen.version"}],
             "retry": {"tries": 50, "on": ["unmet"]}}]}},
          "inv": {"kind": "store", "maps": {"stock": {"lamp": 3}}, "read": "1ms", "set": "1ms"}},
        "workload": {"b": {"rate": "100/s", "limit": 30, "each": "p", "do": [{"call": "shop.buy"}]}},
        "properties": {"neg": {"never_negative": "inv.stock"}}}"#;
    let scenario = faultline_tests::scenarios::written(&serde_json::from_str(scenario).expect("JSON"));
    let model = faultline_tests::scenarios::remedied(&scenario, None);
    for seed in (0..20).map(sim_core::Seed) {
        let run = model.run(seed, Stop::AtViolation);
        assert_eq!(run.outcome.property(), Some("neg"));
        let why =
            explain("case.json", &model.case(&run), 10_000, &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
        assert!(why.beliefs.is_empty(), "{seed}: {:?}", why.beliefs);
    }
}

/// A violation that happens for another key is no proof that the line does not matter.
#[test]
fn without_the_slow_charge_the_run_of_the_seed_fails_for_another_order_or_not_at_all() {
    let (_, case, why) = EXPLAINED.iter().find(|(name, ..)| name == "checkout-charged-twice").expect("it is there");
    let (proof, left) = &why.near[0];
    assert!(*left && proof.is_needed(), "{proof:?}");
    assert!(Part::Length.of(&proof.line).is_some());
    let model = Model::of_case("case.json", case).unwrap_or_else(|error| panic!("{error}"));
    assert!(model.run(case.seed, Stop::AtViolation).outcome.verdict.is_failure());
    assert_eq!(property(case), "charged at most once");
}

/// What is told of a case, each clause without its event.
fn clauses(case: &str) -> Vec<&'static str> {
    let (_, _, why) = EXPLAINED.iter().find(|(name, ..)| name == case).expect("it is there");
    why.clauses.iter().map(|clause| clause.text.as_str()).collect()
}

#[track_caller]
fn check_told(case: &str, in_order: &[&str]) {
    let told = clauses(case);
    let mut rest = told.iter();
    for said in in_order {
        assert!(rest.any(|told| told == said), "{case}: no {said:?} in its place in {told:#?}");
    }
}

/// Who promised, who decided what, and who decided otherwise.
#[test]
fn how_stores_came_to_differ_is_told_by_what_they_promised_and_did() {
    let promised = ["stock promises it", "payments promises it"];
    let alone = "payments has waited long enough, and rolls it back alone";
    let differs = "shop learns that a store has decided otherwise";
    check_told("xa-heuristic-mix", &[promised[0], promised[1], "stock commits it", alone, differs]);
    check_told("promise-timed-out", &[promised[0], promised[1], "stock commits it", alone]);
    check_told("three-phases-split", &[promised[0], promised[1], "stock commits it", "payments aborts it", differs]);
    check_told("decision-not-forced", &[promised[0], promised[1], "stock commits it", "payments aborts it"]);
    check_told("promise-not-forced", &["payments commits it", "payments aborts it"]);
    check_told("shared-prefix", &["shop-1 asks stock: decide", "stock aborts it", "parcels commits it"]);
}

#[test]
fn a_circle_is_told_twice_and_counted() {
    let told = clauses("events-in-a-circle");
    assert!(told.len() < 40 && told.last().is_some_and(|last| last.starts_with("so it goes round, ")), "{told:#?}");
    assert!(told.contains(&"hotel takes back: hotel"), "{told:#?}");
}
