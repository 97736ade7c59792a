//! Walks from violations to their roots: over the seeds of a built-in story, and over small stories in which each kind of trouble
//! is the only one.

use std::collections::BTreeMap;

use sim_core::{Entry, Seed, Stop};

use super::proof::by_running;
use super::*;
use crate::builtin;
use crate::language::Choices;
use crate::record::{Failure, Record};
use crate::scenario::{Changes, Model, Scenario};

/// A kept failing run.
struct Failed {
    model: Model,
    seed: Seed,
    record: Record,
}

impl Failed {
    fn of(model: &Model, seed: Seed) -> Option<Failed> {
        let failure = Failure::of(&model.run(seed, Stop::AtViolation).outcome)?;
        let record = Record::of(model, seed, &failure);
        record.violation.as_ref()?;
        Some(Failed { model: model.clone(), seed, record })
    }

    fn violation(&self) -> Violation {
        self.record.violation.clone().expect("it is broken")
    }

    fn walk(&self) -> Vec<Reason> {
        let mut tape = self.record.trace.clone();
        walk(&mut tape, self.model.program(), self.model.faults(), &self.violation())
    }

    fn why(&self, from: Place) -> Vec<Reason> {
        let mut tape = self.record.trace.clone();
        why(&mut tape, self.model.program(), self.model.faults(), Some(&self.violation()), from)
    }

    /// Each step of a walk with its proof.
    fn proven(&self) -> Vec<(Reason, LinkProof)> {
        let mut from = Place::Violation;
        let violation = self.violation();
        let prove = |reason: Reason| {
            let forks = by_running(&self.model, self.seed);
            let proof = prove_link(&self.model, self.seed, Some(&violation), forks, from, reason.place);
            from = reason.place;
            (reason, proof)
        };
        self.walk().into_iter().map(prove).collect()
    }
}

/// A walk as it is read, with what its proofs say.
fn shown(walk: &[(Reason, LinkProof)]) -> String {
    let line = |(reason, proof): &(Reason, LinkProof)| {
        format!("{:?} {:?}: {} [{proof:?}]\n", reason.place, reason.link, reason.words)
    };
    walk.iter().map(line).collect()
}

/// What holds of every walk: it ends at a root, and each step is strictly earlier.
fn check(failed: &Failed) -> Vec<Reason> {
    let walk = failed.walk();
    let last = walk.last().expect("a violation has a reason");
    assert!(last.place.is_root(), "seed {:?}: {walk:#?}", failed.seed);
    let events: Vec<u64> = walk[..walk.len() - 1].iter().filter_map(|reason| reason.place.event()).collect();
    assert!(events.windows(2).all(|two| two[1] < two[0]), "seed {:?}: {walk:#?}", failed.seed);
    for reason in &walk {
        assert!(!reason.words.is_empty() && !reason.words.contains("unknown"), "{reason:?}");
    }
    walk
}

/// A built-in story, small where it can be made so.
fn story(name: &str) -> Model {
    let scenario = builtin::scenario(name).unwrap().unwrap();
    let small = scenario.document().settings().get("orders").map(|_| Choices::none().set("orders", "20"));
    scenario.model(&small.unwrap_or_else(Choices::none)).unwrap()
}

#[test]
fn every_walk_over_many_seeds_ends_at_a_root_and_its_messages_and_timers_are_needed() {
    let model = story("checkout");
    let failed: Vec<Failed> = (0..200).filter_map(|seed| Failed::of(&model, Seed(seed))).collect();
    assert!(failed.len() > 20, "{}", failed.len());
    let mut share: BTreeMap<Link, (u32, u32)> = BTreeMap::new();
    let mut roots: BTreeMap<Link, u32> = BTreeMap::new();
    for one in &failed {
        check(one);
        let proven = one.proven();
        for (reason, proof) in &proven {
            let (vanishes, all) = share.entry(reason.link).or_default();
            *all += 1;
            *vanishes += u32::from(*proof == LinkProof::Vanishes);
            // In place of a recording there may be that of a third try; nothing else happens all the same.
            let replaced = reason.link == Link::Value;
            assert!(replaced || *proof == LinkProof::Vanishes, "seed {:?}:\n{}", one.seed, shown(&proven));
        }
        *roots.entry(proven.last().unwrap().0.link).or_default() += 1;
    }
    let (vanishes, all) = share[&Link::Value];
    assert!(vanishes * 10 > all * 9, "{vanishes} of {all} recordings are needed");
    assert_eq!(roots, BTreeMap::from([(Link::SlowWork, failed.len() as u32)]), "each came of a slow charge");
}

/// Two services in a row and a third behind; a fact for each operation that was given up.
fn world(front: &str, back: &str, deep: &str, more: &str) -> Scenario {
    let text = format!(
        r#"{{"faultline": 1, "name": "row", "until": "30s", "nodes": {{
          "front": {{"kind": "service", "endpoints": {{"go": [{front}]}}}},
          "back": {{"kind": "service", "workers": 1, "endpoints": {{
            "serve": [{back}],
            "grind": [{{"work": {{"lognormal": {{"median": "100ms", "sigma": 0.1}}}}}}]}}}},
          "deep": {{"kind": "service", "endpoints": {{"dig": [{deep}]}}}}
        }},
        "network": {{"latency": "10ms"}},
        "workload": {{
          "asker": {{"rate": "2/s", "limit": 12, "each": "job", "do": [{{"call": "front.go"}}]}}
          {more}"#
    );
    Scenario::parse("row.json", &text).unwrap_or_else(|problems| panic!("{problems}"))
}

const GIVES_UP: &str =
    r#"{"call": "back.serve", "timeout": "500ms", "on": {"else": [{"record": "missed"}]}}, {"record": "over"}"#;
const NONE_MISSED: &str = r#"}, "properties": {"none is missed": {"never": "missed > 0"}}}"#;
const SHORT_WORK: &str = r#"{"work": {"lognormal": {"median": "20ms", "sigma": 0.1}}}"#;

fn failed(scenario: &Scenario, faults: &[&str]) -> Failed {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let changes = Changes { faults, ..Changes::default() };
    let model = scenario.model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"));
    let failed = (0..20).find_map(|seed| Failed::of(&model, Seed(seed)));
    failed.unwrap_or_else(|| panic!("it does not fail: {:?}", model.faults()))
}

/// A walk under these faults ends at the first of them, by this link, and without it there is no violation.
fn ends_at_the_fault(scenario: &Scenario, faults: &[&str], link: Link) {
    let failed = failed(scenario, faults);
    let walk = check(&failed);
    let text = shown(&failed.proven());
    let last = walk.last().unwrap();
    assert_eq!((last.place, last.link), (Place::Fault(0), link), "{faults:?}\n{text}");
    assert!(last.words.contains(faults[0]), "{last:?}");
    let forks = by_running(&failed.model, failed.seed);
    let without =
        prove_link(&failed.model, failed.seed, Some(&failed.violation()), forks, Place::Violation, Place::Fault(0));
    assert_eq!(without, LinkProof::Vanishes, "{faults:?}\n{text}");
}

#[test]
fn an_answer_that_never_came_is_followed_to_the_fault_that_took_it() {
    let near = world(GIVES_UP, SHORT_WORK, "", NONE_MISSED);
    let cases = [
        ("1s..3s loss front->back 100%", Link::Lost),
        ("1s..3s loss back->front 100%", Link::Lost),
        ("1s..3s partition front | back", Link::Lost),
        ("1s..3s cut back->front", Link::Lost),
        ("1s..3s delay front->back +2s", Link::SlowLink),
        ("1s..3s delay back->front +2s ~1s", Link::SlowLink),
        ("1s..3s crash back", Link::Down),
        ("drop front->back serve job/3 #1", Link::Lost),
        ("drop back->front serve job/3 #1", Link::Lost),
        ("late back->front serve job/3 #1 3s", Link::SlowLink),
        ("draw back work job/3 #1 2s", Link::SlowWork),
    ];
    for (fault, link) in cases {
        ends_at_the_fault(&near, &[fault], link);
    }
}

#[test]
fn what_is_taken_on_its_way_is_followed_to_the_fault_that_took_it() {
    let far = world(GIVES_UP, SHORT_WORK, "", NONE_MISSED);
    let model = far.model(&Choices::none()).unwrap();
    // Just after a request was sent, while it is on its way.
    let (mut sim, _) = model.start(Seed(0));
    sim.record(true);
    let sent = std::iter::from_fn(|| sim.step().map(|step| (step.at, sim.log().to_vec())));
    let asks = |entry: &Entry| matches!(entry, Entry::Sent { to, .. } if model.program().replica_name(*to) == "back");
    let at = sent.filter(|(_, entries)| entries.iter().any(asks)).nth(2).unwrap().0;
    let from = at + sim_core::Duration::from_millis(1);
    let to = at + sim_core::Duration::from_millis(2);
    let fault = format!("{from}..{to} cut front->back cutting flight");
    ends_at_the_fault(&far, &[&fault], Link::Lost);
}

#[test]
fn a_callee_that_waits_for_its_own_callee_passes_the_question_on() {
    let calls_on = r#"{"work": "1ms"}, {"call": "deep.dig"}, {"work": "1ms"}"#;
    let row = world(GIVES_UP, calls_on, SHORT_WORK, NONE_MISSED);
    ends_at_the_fault(&row, &["draw deep work job/4 #1 2s"], Link::SlowWork);
    ends_at_the_fault(&row, &["1s..3s delay deep->back +1s"], Link::SlowLink);
    ends_at_the_fault(&row, &["1s..3s loss deep->back 100%"], Link::Lost);
    ends_at_the_fault(&row, &["1s..3s crash deep"], Link::Down);
    let tries = r#"{"call": "deep.dig", "timeout": "200ms", "retry": {"tries": 4, "wait": "10ms"}}"#;
    let row = world(GIVES_UP, tries, SHORT_WORK, NONE_MISSED);
    ends_at_the_fault(&row, &["1s..3s loss deep->back 100%"], Link::Lost);
}

#[test]
fn a_request_in_line_blames_whoever_had_the_worker() {
    let others = r#", "grinder": {"rate": "1/s", "limit": 6, "each": "heap", "do": [{"call": "back.grind"}]}"#;
    let both = world(GIVES_UP, SHORT_WORK, "", &format!("{others}{NONE_MISSED}"));
    ends_at_the_fault(&both, &["draw back work heap/2 #1 3s"], Link::InLine);
}

#[test]
fn a_request_that_had_its_turn_too_late_blames_whoever_had_the_worker_before() {
    let others = r#", "grinder": {"rate": "1/s", "limit": 6, "each": "heap", "do": [{"call": "back.grind"}]}"#;
    let work = r#"{"work": {"lognormal": {"median": "150ms", "sigma": 0.1}}}"#;
    let both = world(GIVES_UP, work, "", &format!("{others}{NONE_MISSED}"));
    let changes = Changes { faults: vec!["draw back work heap/2 #1 450ms".parse().unwrap()], ..Changes::default() };
    let model = both.model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"));
    let failed = (0..100).filter_map(|seed| Failed::of(&model, Seed(seed)));
    let walks: Vec<Vec<Reason>> = failed.map(|failed| check(&failed)).collect();
    let blamed = |walk: &&Vec<Reason>| {
        walk.last().is_some_and(|last| last.place == Place::Fault(0) && last.words.contains("stood in line at back"))
    };
    assert!(walks.iter().any(|walk| blamed(&walk)), "{walks:#?}");
}

#[test]
fn one_that_arrives_twice_and_one_that_starts_again_blame_the_fault() {
    let once = r#"}, "properties": {"served once": {"at_most_once": "served"}}}"#;
    let counts = r#"{"record": "served"}"#;
    let row = world(r#"{"call": "back.serve"}"#, counts, "", once);
    ends_at_the_fault(&row, &["1s..3s duplicate front->back 100%"], Link::Repeated);
    ends_at_the_fault(&row, &["twice front->back serve job/5 #1 300ms"], Link::Repeated);
    let text = r#"{"faultline": 1, "name": "again", "until": "30s", "nodes": {
      "sole": {"kind": "service", "endpoints": {
        "wake": {"at_start": true, "do": [{"record": "woken", "key": "sole"}]}}}},
      "properties": {"it wakes once": {"at_most_once": "woken"}}}"#;
    let again = Scenario::parse("again.json", text).unwrap_or_else(|problems| panic!("{problems}"));
    ends_at_the_fault(&again, &["1s..3s crash sole"], Link::Down);
}

#[test]
fn what_never_settles_ends_at_what_was_lost() {
    let settles = r#"}, "properties": {"each is over": {"eventually": "over > 0", "within": "5s"}}}"#;
    let row = world(r#"{"call": "back.serve"}, {"record": "over"}"#, SHORT_WORK, "", settles);
    let faults = ["1s..3s loss back->front 100%"];
    let changes = Changes { faults: vec![faults[0].parse().unwrap()], ..Changes::default() };
    let model = row.model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{error}"));
    assert!(Failed::of(&model, Seed(0)).is_some());
    ends_at_the_fault(&row, &faults, Link::Lost);
    ends_at_the_fault(&row, &["drop front->back serve job/7 #1"], Link::Lost);
}

#[test]
fn what_the_network_does_by_itself_is_a_root_and_its_default_cures_it() {
    let text = world(GIVES_UP, SHORT_WORK, "", NONE_MISSED).document().to_json().to_string();
    let lossy = text.replace(r#""latency":"10ms""#, r#""latency":"10ms","loss":"10%""#);
    assert_ne!(text, lossy);
    let failed = failed(&Scenario::parse("row.json", &lossy).unwrap(), &[]);
    let proven = failed.proven();
    let (last, proof) = proven.last().unwrap();
    assert!(matches!(last.place, Place::Decision { .. }), "{}", shown(&proven));
    assert_eq!((last.link, *proof), (Link::Lost, LinkProof::Vanishes), "{}", shown(&proven));
}

#[test]
fn the_other_reasons_are_offered_behind_and_each_is_earlier() {
    for name in builtin::names() {
        let model = story(name);
        for seed in 0..40 {
            let Some(failed) = Failed::of(&model, Seed(seed)) else { continue };
            check(&failed);
            let reasons = failed.why(Place::Violation);
            let others: Vec<Place> = reasons.iter().map(|reason| reason.place).collect();
            assert!(others.len() >= 2 || name != "checkout", "both recordings are told: {reasons:?}");
            let mut tape = failed.record.trace.clone();
            let (program, faults) = (failed.model.program(), failed.model.faults());
            for step in failed.record.trace.steps() {
                let reasons = why(&mut tape, program, faults, None, Place::Event(step.number));
                assert!(!reasons.is_empty(), "{name} {seed}: {step:?} has no reason");
                assert!(reasons.iter().all(|reason| reason.place.is_before(step.number)), "{reasons:?}");
            }
        }
    }
}

#[test]
fn a_timeline_is_asked_as_a_trace_is() {
    use std::ops::ControlFlow;

    use sim_core::timeline::{Budget, Goal, Timeline};
    use sim_core::{Grade, Limits};

    let failed = failed(&builtin::scenario("checkout").unwrap().unwrap(), &[]);
    let (sim, judge) = failed.model.start(failed.seed);
    let end = failed.model.course(Stop::AtEnd, Limits::default()).until;
    let mut timeline = Timeline::new(sim, judge, end, Limits::default(), Budget::default());
    let goal = Goal { events: failed.record.outcome.events, ..Goal::default() };
    timeline.advance(goal, |_| (Grade::Quiet, ControlFlow::Continue(())));
    let violation = failed.violation();
    let (program, faults) = (failed.model.program(), failed.model.faults());
    let walked = walk(&mut Retelling::new(&mut timeline), program, faults, &violation);
    assert_eq!(walked, failed.walk());
    let mut from = Place::Violation;
    for reason in walked {
        let forks = |event| {
            let moment = timeline.fork(event);
            (moment.sim, moment.judge)
        };
        let proof = prove_link(&failed.model, failed.seed, Some(&violation), forks, from, reason.place);
        assert!(!matches!(proof, LinkProof::Stays { .. }), "{reason:?}");
        from = reason.place;
    }
}
