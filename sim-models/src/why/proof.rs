//! Tests a link by replay: takes the reason out of the run, keeps all else, and looks whether the other still happens.
//!
//! No answer of the dice depends on the order in which things are asked, so that the run without the reason is the same run, as
//! far as it does not follow from it.

use std::ops::ControlFlow;

use sim_core::{Fault, Happening, Instant, Limits, NodeId, Seed, Sim, Step, Stop, run};

use super::Place;
use crate::decided::{Decided, Reader};
use crate::judge::{ScenarioJudge, Violation};
use crate::message::{Msg, Note};
use crate::program::{Ask, Program};
use crate::record::soon_after;
use crate::scenario::Model;

/// What becomes of something without one of its reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkProof {
    /// It does not happen, or not until soon after it did.
    Vanishes,
    /// The same property breaks for the same key all the same, but by another event: something else comes in its place, such as
    /// one try more.
    Moves {
        /// Which event breaks it now, in the run without the reason.
        event: u64,
    },
    /// It happens all the same: the reason was one of several that were enough.
    Stays {
        /// In which event of the run without the reason.
        event: u64,
    },
}

/// Whether something still happens without one of its reasons. `violation` is what [`Place::Violation`] stands for; `forks`
/// gives the run as it is just after the event of a number, 0 before the first.
///
/// Without an event: it is taken out of a fork just before it ([`Sim::forgo`]); but of an event whose facts or cells a violation
/// read, the judge is told none of those, and it happens. Were it taken out, nobody would be answered, and one try more might
/// record in its place. Without a line of the schedule: the run of the
/// model without it. Without an answer of the dice: the run with the default in its place. Looked for is the same violation, for
/// the same key, or an event of the same lineage on the same node, until soon after the instant at which it was.
pub fn prove_link(
    model: &Model,
    seed: Seed,
    violation: Option<&Violation>,
    mut forks: impl FnMut(u64) -> (Sim<Msg>, ScenarioJudge),
    effect: Place,
    cause: Place,
) -> LinkProof {
    let effect = match (effect, violation) {
        (Place::Violation, Some(violation)) => {
            let lineage = next_of(&mut forks, violation.event).map(|step| step.cause.lineage);
            Effect::Broken(violation.clone(), lineage)
        }
        _ => match effect.event().and_then(|event| next_of(&mut forks, event)) {
            Some(step) => Effect::Happened(step),
            None => return LinkProof::Vanishes,
        },
    };
    if let (Effect::Broken(..), Place::Event(event)) = (&effect, cause)
        && let Some((sim, judge)) = unrecorded(&mut forks, event)
    {
        return effect.looked_for(model, sim, judge);
    }
    match without(model, seed, &mut forks, cause) {
        Some((changed, sim, judge)) => effect.looked_for(&changed, sim, judge),
        // What cannot be taken out cannot be shown to be needed.
        None => LinkProof::Stays { event: effect.event() },
    }
}

/// The run just after an event of which the judge has been told no facts and cells; `None` when it has none.
fn unrecorded(
    forks: &mut impl FnMut(u64) -> (Sim<Msg>, ScenarioJudge),
    event: u64,
) -> Option<(Sim<Msg>, ScenarioJudge)> {
    let (mut sim, mut judge) = forks(event.checked_sub(1)?);
    let step = sim.step()?;
    let is_read = |note: &Note| matches!(note, Note::Fact(..) | Note::Cell { .. });
    let other: Vec<Note> = sim.notes().iter().filter(|note| !is_read(note)).cloned().collect();
    if other.len() == sim.notes().len() {
        return None;
    }
    judge.take(step.number, step.at, step.node(), &other);
    Some((sim, judge))
}

fn next_of(forks: &mut impl FnMut(u64) -> (Sim<Msg>, ScenarioJudge), event: u64) -> Option<Step> {
    let (mut sim, _) = forks(event.checked_sub(1)?);
    sim.step()
}

/// The run without something, and the model it is a run of.
fn without(
    model: &Model,
    seed: Seed,
    forks: &mut impl FnMut(u64) -> (Sim<Msg>, ScenarioJudge),
    cause: Place,
) -> Option<(Model, Sim<Msg>, ScenarioJudge)> {
    let changed = match cause {
        Place::Violation => return None,
        Place::Event(event) | Place::Beginning { event } => {
            let (mut sim, mut judge) = forks(event.checked_sub(1)?);
            let next = sim.clone().step()?;
            if let (Happening::FaultBegan { .. }, Some(by)) = (next.what, next.by) {
                // It has cut the handling short in which a program came to its point.
                (sim, judge) = forks(by.checked_sub(1)?);
            }
            let gone = match next.what {
                Happening::FaultBegan { fault } => sim.lift(fault as usize),
                _ => sim.forgo() == Some(next.what),
            };
            return gone.then(|| (model.clone(), sim, judge));
        }
        Place::Fault(place) => {
            let mut faults = model.faults().to_vec();
            if place as usize >= faults.len() {
                return None;
            }
            faults.remove(place as usize);
            model.with(faults, model.rest())
        }
        Place::Decision { event, entry } => {
            let calm = decided(model, seed, event, entry)?.default_line(model.program())?;
            let faults: Vec<Fault> = model.faults().iter().cloned().chain([calm]).collect();
            model.with(faults, model.rest())
        }
    };
    let (sim, judge) = changed.start(seed);
    Some((changed, sim, judge))
}

/// The question that an entry of an event answers, with its ordinal in the whole run.
fn decided(model: &Model, seed: Seed, event: u64, entry: u32) -> Option<Decided> {
    let (mut sim, _) = model.start(seed);
    sim.record(true);
    Reader::new(model.program()).decided_at(event, entry, |_| {
        sim.step();
        sim.log().to_vec()
    })
}

/// What is looked for.
enum Effect {
    /// With the lineage of the event that broke it.
    Broken(Violation, Option<u64>),
    Happened(Step),
}

impl Effect {
    fn event(&self) -> u64 {
        match self {
            Effect::Broken(violation, _) => violation.event,
            Effect::Happened(step) => step.number,
        }
    }

    fn looked_for(&self, model: &Model, sim: Sim<Msg>, judge: ScenarioJudge) -> LinkProof {
        match self {
            Effect::Broken(violation, lineage) => broken(model, sim, judge, violation, *lineage),
            Effect::Happened(step) => {
                happens(model, sim, step).map_or(LinkProof::Vanishes, |event| LinkProof::Stays { event })
            }
        }
    }
}

/// Where the same event happens.
fn happens(model: &Model, mut sim: Sim<Msg>, wanted: &Step) -> Option<u64> {
    let end = soon_after(wanted.at).min(model.until().unwrap_or(Instant::NEVER));
    while let Some(step) = sim.step_before(end) {
        if is_same(&step, wanted) {
            return Some(step.number);
        }
    }
    None
}

/// Whether two events of two runs are one. The number that an actor gives a timer depends on what else is under way.
fn is_same(step: &Step, wanted: &Step) -> bool {
    let node = |step: &Step| -> Option<NodeId> { step.node() };
    let what = match (step.what, wanted.what) {
        (Happening::Fired { .. }, Happening::Fired { .. }) => true,
        (Happening::Synced { .. }, Happening::Synced { .. }) => true,
        (Happening::FaultBegan { .. }, Happening::FaultBegan { .. }) => return step.what == wanted.what,
        (one, other) => one == other,
    };
    what && node(step) == node(wanted) && step.cause.lineage == wanted.cause.lineage
}

/// Whether the same property breaks for the same key, by the event of this lineage or by another.
fn broken(
    model: &Model,
    mut sim: Sim<Msg>,
    mut judge: ScenarioJudge,
    violation: &Violation,
    lineage: Option<u64>,
) -> LinkProof {
    let is_it = |judge: &ScenarioJudge| {
        let found = judge.violations().find(|it| it.property == violation.property && it.key == violation.key);
        found.map(|found| found.event)
    };
    if let Some(event) = is_it(&judge) {
        return LinkProof::Stays { event };
    }
    let at_once = is_seen_at_once(model.program(), violation);
    let soon = if at_once { soon_after(violation.at) } else { Instant::NEVER };
    let course = model.course(Stop::AtViolationOf(&violation.property), Limits::default());
    let mut last = None;
    run(&mut sim, &mut judge, &course, |_, step| {
        last = Some(step.cause.lineage);
        if step.at > soon { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match is_it(&judge) {
        None => LinkProof::Vanishes,
        Some(event) if at_once && last != lineage => LinkProof::Moves { event },
        Some(event) => LinkProof::Stays { event },
    }
}

/// Whether a property breaks in an event, and not only at the end of the run.
fn is_seen_at_once(program: &Program, violation: &Violation) -> bool {
    let property = program.properties.iter().find(|property| property.name == violation.property);
    property.is_some_and(|property| match &property.ask {
        Ask::Always(_) | Ask::NeverNegative(_) => true,
        Ask::Conserved { at_commit, .. } => *at_commit,
        Ask::Eventually { .. }
        | Ask::AllOrNothing { .. }
        | Ask::Availability { .. }
        | Ask::Latency { .. }
        | Ask::AtEnd(_)
        | Ask::Sometimes(_)
        | Ask::SometimesRun(_) => false,
    })
}

/// A source of forks that runs anew for each; for runs that are short.
#[cfg(test)]
pub(super) fn by_running(model: &Model, seed: Seed) -> impl FnMut(u64) -> (Sim<Msg>, ScenarioJudge) + use<'_> {
    use sim_core::Judge;
    move |event| {
        let (mut sim, mut judge) = model.start(seed);
        while sim.events() < event {
            let step = sim.step().expect("the run has that event");
            judge.after(&step, &sim);
        }
        (sim, judge)
    }
}
