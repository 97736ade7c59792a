//! A run with everything kept: each event, how it came out, and what decided that.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sim_core::{Duration, Instant, Limits, Outcome, Seed, Sim, Step, Stop, Trace, Verdict, run};

use crate::judge::{ScenarioJudge, Violation};
use crate::message::Msg;
use crate::scenario::Model;

/// How a run failed: the verdict of a property and its name, or that of the whole run. Another run fails in the same way when the
/// same is said of the same property, whatever else is broken in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The verdict.
    pub verdict: Verdict,
    /// The property; none of a panic or a limit.
    pub property: Option<String>,
}

impl Failure {
    /// How a run failed; none when it did not.
    pub fn of(outcome: &Outcome) -> Option<Failure> {
        let property = outcome.property().map(str::to_owned);
        outcome.verdict.is_failure().then_some(Failure { verdict: outcome.verdict, property })
    }

    /// Whether a run failed so.
    pub fn is_of(&self, outcome: &Outcome) -> bool {
        match &self.property {
            Some(property) => outcome.properties.iter().any(|it| it.name == *property && it.verdict == self.verdict),
            None => outcome.verdict == self.verdict,
        }
    }

    /// Where a run that is to fail like this stops.
    pub fn stop(&self) -> Stop<'_> {
        self.property.as_deref().map_or(Stop::AtEnd, Stop::AtViolationOf)
    }
}

/// Whether a model fails in this way, whatever the seed says.
pub fn fails(model: &Model, seed: Seed, failure: &Failure) -> bool {
    fails_by(model, seed, failure, None).0
}

/// The same, of a run that is given up at an instant: what only fails later is said not to. And how many events that
/// took.
pub(crate) fn fails_by(model: &Model, seed: Seed, failure: &Failure, end: Option<Instant>) -> (bool, u64) {
    let Some(end) = end else {
        let outcome = model.run(seed, failure.stop()).outcome;
        return (failure.is_of(&outcome), outcome.events);
    };
    let in_time =
        |_: &Sim<Msg>, step: &Step| if step.at > end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let outcome = model.run_watched(seed, failure.stop(), Limits::default(), in_time).outcome;
    (failure.is_of(&outcome), outcome.events)
}

/// An instant soon after a violation, up to which one that is like it is looked for: a quarter as far again, and a second.
pub(crate) fn soon_after(violation: Instant) -> Instant {
    violation + Duration::from_nanos(violation.nanos() / 4) + Duration::from_secs(1)
}

/// A run, kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// Every event with what it did.
    pub trace: Trace<Msg>,
    /// How it came out.
    pub outcome: Outcome,
    /// How often each fault of the schedule did something, in its order.
    pub touched: Vec<u64>,
    /// How it failed, if it did in the way that was asked for.
    pub failure: Option<Failure>,
    /// What broke the property that decided it.
    pub violation: Option<Violation>,
}

impl Record {
    /// Runs a model to where it fails so, and keeps everything.
    pub fn of(model: &Model, seed: Seed, failure: &Failure) -> Record {
        Record::watched(model, seed, failure, |_, _| {})
    }

    /// The same, shown to somebody event by event.
    pub fn watched(model: &Model, seed: Seed, failure: &Failure, mut watch: impl FnMut(&Sim<Msg>, &Step)) -> Record {
        let (mut sim, mut judge) = model.start(seed);
        sim.record(true);
        let mut trace = Trace::new();
        let course = model.course(failure.stop(), Limits::default());
        let outcome = run(&mut sim, &mut judge, &course, |sim, step| {
            trace.push(sim, step);
            watch(sim, step);
            ControlFlow::Continue(())
        });
        let failure = failure.is_of(&outcome).then(|| failure.clone());
        let violation = failure.as_ref().and_then(|failure| violation_of(&judge, failure));
        Record { trace, touched: sim.touched(), failure, violation, outcome }
    }

    /// The events that set what the violated property read, and the one that broke it; of a failure without any, the last event.
    pub fn roots(&self) -> BTreeSet<u64> {
        match &self.violation {
            Some(it) => it.read.iter().flat_map(|read| &read.events).copied().chain([it.event]).collect(),
            None => BTreeSet::from([self.outcome.events]),
        }
    }
}

/// What broke the property of a failure.
pub fn violation_of(judge: &ScenarioJudge, failure: &Failure) -> Option<Violation> {
    judge.violations().find(|violation| Some(&violation.property) == failure.property.as_ref()).cloned()
}
