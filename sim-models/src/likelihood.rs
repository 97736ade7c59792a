//! When a failure became probable: forks along a failing run, each with fresh dice from there on, and how many of them fail too.
//!
//! What was drawn stays drawn, so the share of failing forks after an event is the probability of the failure given all that
//! had happened up to it. Fork k has the same fresh seed at every moment: what is still to come has the same luck in both of two
//! neighbouring moments, and they differ only by what was decided between them. That makes a jump stand out of far fewer forks than
//! independent dice would need. Moments go where the share rises most, until they stand side by side and name one event.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sim_core::seed::{mix, name_hash};
use sim_core::words::happened;
use sim_core::{Answer, Duration, Entry, Fault, Instant, Judge, Limits, Names, Seed, Sim, Step, run};

use crate::judge::ScenarioJudge;
use crate::message::Msg;
use crate::record::Failure;
use crate::scenario::Model;
use crate::stats::{Confidence, clopper_pearson, sign_test};

/// How much work is put into it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Moments at most, the first and the last event included; 32 by default.
    pub moments: usize,
    /// Forks at each; 200 by default.
    pub forks: u64,
    /// How often the intervals cover the truth; 0.95 by default.
    pub confidence: Confidence,
    /// The last instant of a fork; the end of the model when none. A failure that is bound to come some day is as probable at
    /// every moment: the interesting question is whether it comes by then.
    pub until: Option<Instant>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { moments: 32, forks: 200, confidence: Confidence::USUAL, until: None }
    }
}

/// How probable the failure was after an event.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Moment {
    /// The number of the event; 0 is before the first.
    pub event: u64,
    /// Its instant.
    pub at: Instant,
    /// Forks.
    pub forks: u64,
    /// Those that failed in the same way.
    pub failing: u64,
    /// The lower end of the Clopper-Pearson interval of the probability.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Moment {
    /// The share of forks that failed.
    pub fn share(&self) -> f64 {
        self.failing as f64 / self.forks.max(1) as f64
    }
}

/// A significant rise between two neighbouring moments.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Jump {
    /// The moment before it, by its place in the list.
    pub before: usize,
    /// The event behind which it is more probable. The event of the moment before it is the one before this, unless the moments
    /// did not suffice to tell which of those between it was.
    pub event: u64,
    /// Its instant.
    pub at: Instant,
    /// What happened in it: `gateway, charge from shop, for order/5; draws work 1.403s`.
    pub what: String,
    /// Forks that fail behind it and did not before.
    pub rose: u64,
    /// Forks that failed before and do not behind it.
    pub fell: u64,
}

/// The probability of a failure along a run.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Likelihood {
    /// In the order of events.
    pub moments: Vec<Moment>,
    /// Where it rose, in the order of events.
    pub jumps: Vec<Jump>,
}

/// A rise counts from one in a thousand, shared among all pairs of neighbours that are looked at (Bonferroni).
const SIGNIFICANT: f64 = 1e-3;

/// Forks a failing run with fresh dice and tells how probable its failure was, moment by moment; nothing when it does not fail so.
pub fn likelihood(model: &Model, seed: Seed, failure: &Failure, plan: &Plan) -> Likelihood {
    let Some(end) = length(model, seed, failure) else { return Likelihood::default() };
    let mut curve = Curve { model, failure, plan, end, places: BTreeMap::new() };
    let most = plan.moments.max(2) as u64;
    let begin = Place::start(model, seed);
    curve.add(begin);
    // Half of the moments lie evenly; the other half go where it rises.
    let even = (most / 2).clamp(1, end.max(1));
    for nth in 1..=even {
        curve.look_at(end * nth / even);
    }
    while (curve.places.len() as u64) < most
        && let Some(between) = curve.steepest()
    {
        curve.look_at(between);
    }
    curve.told()
}

/// How many events there are up to the failure; none when the run does not fail in this way.
fn length(model: &Model, seed: Seed, failure: &Failure) -> Option<u64> {
    let outcome = model.run(seed, failure.stop()).outcome;
    failure.is_of(&outcome).then_some(outcome.events)
}

/// A run held at an event, and which of its forks fail.
struct Place {
    sim: Sim<Msg>,
    judge: ScenarioJudge,
    what: String,
    fails: Vec<bool>,
}

impl Place {
    fn start(model: &Model, seed: Seed) -> Place {
        let (mut sim, judge) = model.start(seed);
        sim.record(true);
        Place { sim, judge, what: String::new(), fails: Vec::new() }
    }

    /// The run some events further on.
    fn advanced(&self, event: u64, faults: &[Fault]) -> Place {
        let (mut sim, mut judge, mut what) = (self.sim.clone(), self.judge.clone(), String::new());
        while sim.events() < event
            && let Some(step) = sim.step()
        {
            judge.after(&step, &sim);
            if step.number == event {
                what = said(&sim, &step, faults);
            }
        }
        Place { sim, judge, what, fails: Vec::new() }
    }

    fn failing(&self) -> u64 {
        self.fails.iter().filter(|fails| **fails).count() as u64
    }
}

/// The moments so far, by their events.
struct Curve<'a> {
    model: &'a Model,
    failure: &'a Failure,
    plan: &'a Plan,
    /// The event at which the run has failed.
    end: u64,
    places: BTreeMap<u64, Place>,
}

impl Curve<'_> {
    fn look_at(&mut self, event: u64) {
        if let Some((_, from)) = self.places.range(..=event).next_back().filter(|(known, _)| **known < event) {
            let place = from.advanced(event, self.model.faults());
            self.add(place);
        }
    }

    fn add(&mut self, mut place: Place) {
        let event = place.sim.events();
        // Behind the last event it has failed, whatever comes.
        place.fails = (0..self.plan.forks).map(|fork| event >= self.end || self.fork_fails(&place, fork)).collect();
        self.places.insert(event, place);
    }

    fn fork_fails(&self, place: &Place, fork: u64) -> bool {
        let (mut sim, mut judge) = (place.sim.clone(), place.judge.clone());
        sim.record(false);
        sim.reseed(Seed(mix(name_hash("likelihood"), fork)));
        let course = self.model.course(self.failure.stop(), Limits::default());
        let course =
            sim_core::Course { until: self.plan.until.map_or(course.until, |until| until.min(course.until)), ..course };
        let outcome = run(&mut sim, &mut judge, &course, |_, _| ControlFlow::Continue(()));
        self.failure.is_of(&outcome)
    }

    /// Neighbours, the earlier one first.
    fn pairs(&self) -> impl Iterator<Item = (&Place, &Place)> {
        self.places.values().zip(self.places.values().skip(1))
    }

    /// The event in the middle of the two neighbours between which it rises most; when it rises nowhere, falls most.
    fn steepest(&self) -> Option<u64> {
        let apart = self.pairs().filter(|(a, b)| b.sim.events() > a.sim.events() + 1);
        let (a, b) = apart.max_by_key(|(a, b)| {
            let (before, after) = (a.failing(), b.failing());
            (after.saturating_sub(before), before.abs_diff(after), b.sim.events() - a.sim.events())
        })?;
        Some(a.sim.events().midpoint(b.sim.events()))
    }

    fn told(&self) -> Likelihood {
        let moment = |place: &Place| {
            let (forks, failing) = (self.plan.forks, place.failing());
            let share = clopper_pearson(failing, forks, self.plan.confidence);
            let (low, high) = (share.lo.unwrap_or(0.0), share.hi.unwrap_or(1.0));
            Moment { event: place.sim.events(), at: place.sim.now(), forks, failing, low, high }
        };
        let level = SIGNIFICANT / self.places.len() as f64;
        let jump = |(before, (a, b)): (usize, (&Place, &Place))| {
            let count =
                |from: &Place, to: &Place| from.fails.iter().zip(&to.fails).filter(|(x, y)| !**x && **y).count() as u64;
            let (rose, fell) = (count(a, b), count(b, a));
            let jump = || Jump { before, event: b.sim.events(), at: b.sim.now(), what: b.what.clone(), rose, fell };
            (sign_test(rose, fell) <= level).then(jump)
        };
        Likelihood {
            moments: self.places.values().map(moment).collect(),
            jumps: self.pairs().enumerate().filter_map(jump).collect(),
        }
    }
}

/// The event that the run has just made: where, what, for whom, and what it drew.
fn said(sim: &Sim<Msg>, step: &Step, faults: &[Fault]) -> String {
    let names = sim.names();
    let (node, what) = happened(names, step.what, faults);
    let mut words = if node.is_empty() { what } else { format!("{node}, {what}") };
    if let Some(operation) = names.operation(step.cause.operation) {
        words += &format!(", for {operation}");
    }
    for entry in sim.log() {
        if let Entry::Drew { draw, .. } = entry {
            words += &format!("; draws {} {}", draw.purpose.name(), answer(names, draw.answer));
        }
    }
    words
}

fn answer(names: &Names, answer: Answer) -> String {
    match answer {
        // Microseconds are enough for people.
        Answer::Length(length) if length.nanos() >= 1_000_000 => {
            Duration::from_nanos(length.nanos() / 1_000 * 1_000).to_string()
        }
        Answer::Length(length) => length.to_string(),
        Answer::Chance(true) => "yes".to_owned(),
        Answer::Chance(false) => "no".to_owned(),
        Answer::Node(node) => names.node(node).to_owned(),
        Answer::Number(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::language::Choices;
    use sim_core::{Stop, Verdict};

    fn checkout(orders: &str) -> Model {
        let scenario = builtin::scenario("checkout").unwrap().unwrap();
        scenario.model(&Choices::none().set("orders", orders)).unwrap()
    }

    fn first_failure(model: &Model) -> (Seed, Failure) {
        let runs = (0..).map(|seed| (Seed(seed), Failure::of(&model.run(Seed(seed), Stop::AtViolation).outcome)));
        runs.into_iter().find_map(|(seed, failure)| Some((seed, failure?))).unwrap()
    }

    #[test]
    fn one_order_becomes_doomed_when_the_gateway_draws_its_slow_answer() {
        let model = checkout("1");
        let (seed, failure) = first_failure(&model);
        let plan = Plan { forks: 100, moments: 60, ..Plan::default() };
        let found = likelihood(&model, seed, &failure, &plan);
        let [jump] = found.jumps.as_slice() else { panic!("{:?}", found.jumps) };
        let expected = "gateway, charge from shop, for order/1; draws work 1.";
        assert!(jump.what.starts_with(expected), "{jump:?}");
        let (before, after) = found.moments.split_at(jump.before + 1);
        assert!(before.iter().all(|moment| moment.failing < 20), "{before:?}");
        assert!(after.iter().all(|moment| moment.failing == 100), "{after:?}");
        assert_eq!((before[0].event, before.last().unwrap().event), (0, jump.event - 1));
        assert_eq!(likelihood(&model, seed, &failure, &plan), found);
    }

    #[test]
    fn a_few_moments_still_name_the_event() {
        let model = checkout("10");
        let (seed, failure) = first_failure(&model);
        let found = likelihood(&model, seed, &failure, &Plan { forks: 60, moments: 16, ..Plan::default() });
        assert!(found.moments.len() <= 16);
        let jump = found.jumps.last().unwrap();
        assert!(jump.what.starts_with("gateway, charge from shop, for order/5; draws work 1."), "{found:?}");
        assert_eq!(found.moments[jump.before].event + 1, jump.event);
    }

    #[test]
    fn a_run_that_does_not_fail_so_has_no_likelihood() {
        let model = checkout("1");
        let (seed, _) = first_failure(&model);
        let other = Failure { verdict: Verdict::Stuck, property: None };
        assert_eq!(likelihood(&model, seed, &other, &Plan::default()), Likelihood::default());
    }
}
