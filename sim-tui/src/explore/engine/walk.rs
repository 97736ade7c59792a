//! From an event back to where it began, one cause at a time, and the proof of each step by replay.

use sim_models::judge::Violation;
use sim_models::why::{LinkProof, Place, Reason, Retelling, prove_link, why};

use super::super::told::{Step, Told};
use super::Engine;
use super::session::Kept;
use crate::quiet::quietly;

/// So many steps at most: a walk is no longer than the run, but nobody reads a thousand.
const LONGEST: usize = 200;
/// So many reasons beside the first are told of each step.
const ALSO: usize = 2;

/// A reason beside the one that is walked on.
fn also(reason: &Reason) -> String {
    let event = reason.place.event().map(|event| format!("#{event} ")).unwrap_or_default();
    format!("{event}{}", reason.words)
}

impl Engine {
    /// Tells the way from an event back to where it began.
    pub(super) fn walk(&mut self, event: u64, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let kept = &mut self.here()?.kept;
        let generation = kept.generation;
        let violation = violation_at(kept, event);
        let (program, faults) = (kept.model.program().clone(), kept.model.faults().to_vec());
        let reasons: Vec<(Reason, Vec<String>)> = quietly(|| {
            let mut tape = Retelling::new(&mut kept.timeline);
            let mut walked: Vec<(Reason, Vec<String>)> = Vec::new();
            let mut from = if violation.is_some() { Place::Violation } else { Place::Event(event) };
            while !from.is_root() && walked.len() < LONGEST {
                let mut reasons = why(&mut tape, &program, &faults, violation.as_ref(), from).into_iter();
                let Some(reason) = reasons.next() else { break };
                let also =
                    reasons.filter(|other| other.place != Place::Event(event)).take(ALSO).map(|other| also(&other));
                from = reason.place;
                walked.push((reason, also.collect()));
            }
            // That the event itself made it so is no step anybody can take.
            walked.retain(|(reason, _)| reason.place != Place::Event(event));
            walked
        });
        let kept = &mut self.here()?.kept;
        let mut reasons = reasons;
        if let (Some(violation), Some((_, also))) = (&violation, reasons.first_mut()) {
            also.extend(meanwhile(kept, violation));
        }
        let steps: Vec<Step> = reasons.into_iter().map(|(reason, also)| step(kept, reason, also)).collect();
        self.walked.clone_from(&steps);
        self.walked_from = event;
        tell(Told::Walk { generation, event, reasons: steps.into() });
        Ok(())
    }

    /// Tells whether a link of the walk holds: what came of the cause, without the cause.
    pub(super) fn prove(&mut self, index: usize, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let cause = self.walked.get(index).ok_or("there is no such link; w asks why")?.reason.clone();
        let event = self.walked_from;
        let before = index.checked_sub(1).and_then(|before| self.walked.get(before));
        let effect = before.map(|step| step.reason.place);
        let kept = &mut self.here()?.kept;
        let violation = violation_at(kept, event);
        let effect = effect.unwrap_or(if violation.is_some() { Place::Violation } else { Place::Event(event) });
        let (model, seed) = (kept.model.clone(), kept.timeline.live().sim.seed());
        let timeline = &mut kept.timeline;
        let proof = quietly(|| {
            let forks = |event| {
                let moment = timeline.fork(event);
                (moment.sim, moment.judge)
            };
            prove_link(&model, seed, violation.as_ref(), forks, effect, cause.place)
        });
        let what = match effect {
            Place::Violation => "the violation".to_owned(),
            place => place.event().map_or_else(|| "it".to_owned(), |event| format!("#{event}")),
        };
        let (needed, words) = match proof {
            LinkProof::Vanishes => (Some(true), format!("proven: without it {what} does not happen")),
            LinkProof::Moves { event } => (
                Some(true),
                format!("proven: without it {what} does not happen so; another event brings it, #{event} of that run"),
            ),
            LinkProof::Stays { event } => {
                (Some(false), format!("not needed alone: without it {what} still happens, in #{event} of that run"))
            }
        };
        tell(Told::Proof { index, needed, words });
        Ok(())
    }
}

/// The violation that stands at an event, if one does.
fn violation_at(kept: &Kept, event: u64) -> Option<Violation> {
    let broken = kept.broken.iter().find(|broken| broken.event == event)?;
    let moment = kept.timeline.live();
    let known = |judge: &sim_models::judge::ScenarioJudge| {
        judge.violations().find(|violation| violation.property == broken.property).cloned()
    };
    known(&moment.judge).or_else(|| {
        let mut judge = moment.judge.clone();
        // What is judged at the end is only known to a judge who has finished.
        quietly(|| sim_core::Judge::finish(&mut judge, &moment.sim));
        known(&judge)
    })
}

/// Faults that began while something was waited for that did not come in time: nobody has proven that they matter.
fn meanwhile(kept: &Kept, violation: &Violation) -> Vec<String> {
    let since = kept.timeline.past().at(violation.event).unwrap_or_default();
    let held = kept.model.faults().iter().filter(|fault| match fault {
        sim_core::Fault::Timed(timed) => (since..violation.at).contains(&timed.when.begin()),
        sim_core::Fault::Decision(_) => false,
    });
    held.take(ALSO).map(|fault| format!("meanwhile: {fault}")).collect()
}

/// A reason with the event to look at: of a fault, the event with which it began to hold.
fn step(kept: &Kept, reason: Reason, also: Vec<String>) -> Step {
    let past = kept.timeline.past();
    let event = reason.place.event().or_else(|| match reason.place {
        Place::Fault(place) => past.faults().iter().map(|event| u64::from(*event)).find(|event| {
            matches!(past.step(*event).map(|step| step.what), Some(sim_core::Happening::FaultBegan { fault }) if fault == place)
        }),
        _ => None,
    });
    Step { event, words: reason.words.clone(), root: reason.place.is_root(), also, reason }
}
