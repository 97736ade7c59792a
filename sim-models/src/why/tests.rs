//! Walks from violations to their roots: over the seeds of a built-in story, and over small stories in which each kind of trouble
//! is the only one.

use std::collections::BTreeMap;

use sim_core::{Fault, Rest, Seed, Stop};

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

fn story(name: &str, orders: &str) -> Model {
    let scenario = builtin::scenario(name).unwrap().unwrap();
    scenario.model(&Choices::none().set("orders", orders)).unwrap()
}

#[test]
fn every_walk_over_many_seeds_ends_at_a_root_and_its_messages_and_timers_are_needed() {
    let model = story("checkout", "20");
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
            if matches!(reason.link, Link::Sent | Link::Repeated | Link::Timer) {
                assert_eq!(*proof, LinkProof::Vanishes, "seed {:?}:\n{}", one.seed, shown(&proven));
            }
        }
        *roots.entry(proven.last().unwrap().0.link).or_default() += 1;
    }
    for one in failed.iter().take(3) {
        println!("seed {:?}\n{}", one.seed, shown(&one.proven()));
    }
    println!("{} runs; vanishes of all: {share:?}; roots: {roots:?}", failed.len());
}
