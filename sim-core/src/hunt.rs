//! A hunt is a pure fold: judge one seed, merge what was seen in the order of seeds.
//!
//! Threads live with the caller. Merging is associative and takes the smallest seed of each failure, so that any split of the
//! seeds over any number of workers gives the same result.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::judge::{PropertyKind, Verdict};
use crate::run::Outcome;
use crate::seed::Seed;

/// One way to fail, as a hunt groups them: what is said of the run, of which property, and what led there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// What is said of the run.
    pub verdict: Verdict,
    /// The property that decided it; empty for a panic or a limit.
    pub property: String,
    /// The event that decided it and what caused it, in words by kind and role, the last one last; empty when nobody kept them.
    pub causes: Vec<String>,
}

/// What a hunt wants to know of a run beside its outcome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The last causes of a failure, as [`Signature::causes`] has them.
    pub causes: &'a [String],
    /// The verb of each fault of the schedule, by its place.
    pub verbs: &'a [&'static str],
    /// How often each fault of the schedule did something, by its place.
    pub touched: &'a [u64],
    /// How many of the faults, from the first on, stand in the schedule of every seed; those behind were drawn for this one.
    pub common: usize,
}

/// A way to fail, the smallest seed that does, and how many do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The smallest failing seed.
    pub seed: u64,
    /// How many seeds fail in this way.
    pub count: u64,
}

/// What a hunt has seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Seeds judged.
    pub seeds: u64,
    /// Seeds that failed: panicked, broken or stuck.
    pub failing: u64,
    /// Seeds whose run a limit ended.
    pub out_of_limits: u64,
    /// Events of all runs together.
    pub events: u64,
    /// The ways to fail.
    pub failures: BTreeMap<Signature, Failure>,
    /// For each `sometimes`, in how many seeds it was reached.
    pub sometimes: BTreeMap<String, u64>,
    /// For each fault of the schedule, by its place: in how many seeds it did something.
    pub effective: BTreeMap<u32, u64>,
    /// For each verb of the schedule: in how many seeds at least one fault of it did something.
    pub kinds: BTreeMap<String, u64>,
}

impl Tally {
    /// What one run shows.
    pub fn of(seed: Seed, outcome: &Outcome, beside: Beside<'_>) -> Tally {
        let mut tally = Tally { seeds: 1, events: outcome.events, ..Tally::default() };
        tally.failing = u64::from(outcome.verdict.is_failure());
        tally.out_of_limits = u64::from(outcome.verdict == Verdict::OutOfLimits);
        if outcome.verdict.is_failure() || outcome.verdict == Verdict::OutOfLimits {
            let property = outcome.property().unwrap_or_default().to_owned();
            let signature = Signature { verdict: outcome.verdict, property, causes: beside.causes.to_vec() };
            tally.failures.insert(signature, Failure { seed: seed.0, count: 1 });
        }
        for judged in outcome.properties.iter().filter(|judged| judged.kind == PropertyKind::Sometimes) {
            tally.sometimes.insert(judged.name.clone(), u64::from(judged.verdict == Verdict::Held));
        }
        let touched = beside.touched.iter().take(beside.common).enumerate();
        tally.effective = touched.map(|(index, count)| (index as u32, u64::from(*count > 0))).collect();
        for (verb, touched) in beside.verbs.iter().zip(beside.touched) {
            let reached = tally.kinds.entry((*verb).to_owned()).or_default();
            *reached = (*reached).max(u64::from(*touched > 0));
        }
        tally
    }

    /// Both together; the order does not matter. No sum wraps: what was read from a file may be any number.
    pub fn merge(mut self, other: &Tally) -> Tally {
        fn add(sum: &mut u64, more: u64) {
            *sum = sum.saturating_add(more);
        }
        add(&mut self.seeds, other.seeds);
        add(&mut self.failing, other.failing);
        add(&mut self.out_of_limits, other.out_of_limits);
        add(&mut self.events, other.events);
        for (signature, failure) in &other.failures {
            let known = self.failures.entry(signature.clone()).or_insert(Failure { seed: failure.seed, count: 0 });
            known.seed = known.seed.min(failure.seed);
            add(&mut known.count, failure.count);
        }
        for (name, count) in &other.sometimes {
            add(self.sometimes.entry(name.clone()).or_default(), *count);
        }
        for (fault, count) in &other.effective {
            add(self.effective.entry(*fault).or_default(), *count);
        }
        for (verb, count) in &other.kinds {
            add(self.kinds.entry(verb.clone()).or_default(), *count);
        }
        self
    }

    /// The verdict of the whole hunt: the worst of its runs, and what was never seen in any.
    pub fn verdict(&self) -> Verdict {
        let worst = self.failures.keys().map(|signature| signature.verdict).min();
        let unseen = self.sometimes.values().any(|count| *count == 0).then_some(Verdict::NeverSeen);
        worst.into_iter().chain(unseen).min().unwrap_or(Verdict::Held)
    }
}

impl Signature {
    /// The last causes in a line, the first of them first; empty when nobody kept them.
    pub fn way(&self) -> String {
        self.causes.join(" → ")
    }
}

impl std::fmt::Display for Signature {
    /// Writes it without its causes: `broken: charged at most once`.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.verdict, self.property.as_str()) {
            (verdict, "") => write!(out, "{verdict}"),
            (verdict, property) => write!(out, "{verdict}: {property}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(seed: u64) -> Tally {
        let verdict = [Verdict::Broken, Verdict::Held, Verdict::Stuck][(seed % 3) as usize];
        let mut tally = Tally { seeds: 1, events: seed, ..Tally::default() };
        if verdict != Verdict::Held {
            tally.failing = 1;
            let causes = vec![format!("timer of n{}", seed % 5 / 3)];
            let signature = Signature { verdict, property: format!("p{}", seed % 2), causes };
            tally.failures.insert(signature, Failure { seed, count: 1 });
        }
        tally.sometimes.insert("seen".to_owned(), u64::from(seed.is_multiple_of(7)));
        tally.kinds.insert("loss".to_owned(), u64::from(seed.is_multiple_of(5)));
        tally
    }

    fn merged(seeds: impl Iterator<Item = u64>) -> Tally {
        seeds.fold(Tally::default(), |sum, seed| sum.merge(&tally(seed)))
    }

    proptest! {
        #[test]
        fn any_split_in_any_order_merges_to_the_same(seeds in 1u64..60, parts in 1u64..6, swap in any::<bool>()) {
            let mut shards: Vec<Tally> = (0..parts).map(|n| merged((0..seeds).filter(|s| s % parts == n))).collect();
            if swap {
                shards.reverse();
            }
            let together = shards.iter().fold(Tally::default(), |sum, shard| sum.merge(shard));
            prop_assert_eq!(together, merged(0..seeds));
        }
    }

    #[test]
    fn a_hunt_fails_for_what_it_never_saw() {
        assert_eq!(merged(1..2).verdict(), Verdict::NeverSeen);
        assert_eq!(merged(0..1).verdict(), Verdict::Broken);
    }
}
