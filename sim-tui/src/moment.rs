//! `replay --at`: one event of a replay, why it happened, what its node did, and how every node stood behind it.

use std::ops::ControlFlow;

use serde_json::{Map, Value, json};
use sim_core::case::Case;
use sim_core::trail::Trail;
use sim_core::{Limits, NodeId, Outcome, Sim, Step};
use sim_models::message::Msg;
use sim_models::record::Failure;
use sim_models::scenario::Model;

use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::text;
use crate::trace::Line;

/// What is seen at an event.
struct Seen {
    /// The event at or before which this run parts from the one that was recorded; none: it is the same up to here.
    parted: Option<u64>,
    line: Line,
    before: Option<u64>,
    states: Vec<(String, Result<Value, String>)>,
}

/// Replays a case up to an event and shows it.
pub(crate) fn show(case: &Case, model: &Model, event: u64, as_json: bool) -> Result<Report, Bad> {
    let seen = seen(case, model, event)?;
    if as_json {
        let mut members = json!(seen.line).as_object().cloned().unwrap_or_default();
        members.insert("before".to_owned(), json!(seen.before));
        members.insert("parted_at".to_owned(), json!(seen.parted));
        let state = |(name, state): &(String, Result<Value, String>)| {
            (name.clone(), state.clone().map_or_else(|error| json!({"error": error}), exact))
        };
        members.insert("states".to_owned(), Value::Object(seen.states.iter().map(state).collect::<Map<_, _>>()));
        return Ok(Report::json(&Value::Object(members), seen.exit()));
    }
    Ok(Report { text: seen.text(event), exit: seen.exit() })
}

/// A state whose large numbers are text, because JSON of other programs holds 53 bits.
pub(crate) fn exact(state: Value) -> Value {
    match state {
        Value::Number(number) if number.as_u64().is_some_and(|it| it >= 1 << 53) => Value::String(number.to_string()),
        Value::Array(items) => items.into_iter().map(exact).collect(),
        Value::Object(members) => Value::Object(members.into_iter().map(|(name, it)| (name, exact(it))).collect()),
        other => other,
    }
}

/// Replays a case to where it failed or to its end, or until whoever watches breaks off.
fn replayed(
    case: &Case,
    model: &Model,
    record: bool,
    watch: impl FnMut(&Sim<Msg>, &Step) -> ControlFlow<()>,
) -> Outcome {
    let (mut sim, mut judge) = model.start(case.seed);
    sim.record(record);
    let failure =
        case.expect.as_ref().map(|expect| Failure { verdict: expect.verdict, property: expect.property.clone() });
    let course = model.course(failure.as_ref().map(Failure::stop).unwrap_or_default(), Limits::default());
    quietly(|| sim_core::run(&mut sim, &mut judge, &course, watch))
}

/// At or before which event a run parts from the one that was recorded, if it does.
fn parted(case: &Case, outcome: &Outcome) -> Option<u64> {
    let recorded = case.expect.as_ref().and_then(|expect| Trail::read(expect.trail.as_ref()?, expect.events).ok());
    recorded.and_then(|recorded| recorded.divergence(&outcome.trail)).map(|parted| parted.by)
}

/// How many events a replay has, and at or before which it parts from the run that was recorded, if it does.
pub(crate) fn extent(case: &Case, model: &Model) -> (u64, Option<u64>) {
    let outcome = replayed(case, model, false, |_, _| ControlFlow::Continue(()));
    (outcome.events, parted(case, &outcome))
}

fn seen(case: &Case, model: &Model, event: u64) -> Result<Seen, Bad> {
    let mut seen = None;
    let outcome = replayed(case, model, true, |sim, step| {
        if step.number < event {
            return ControlFlow::Continue(());
        }
        seen = Some(Seen::of(sim, step, model));
        ControlFlow::Break(())
    });
    let mut seen: Seen =
        seen.ok_or_else(|| bad!("--at {event}: the replay has {}", text::counted(outcome.events, "event")))?;
    seen.parted = parted(case, &outcome).filter(|by| *by <= event);
    Ok(seen)
}

/// That the run is not the one that was recorded.
pub(crate) fn another(by: u64) -> String {
    let by = text::count(by);
    format!("this is not the run that was recorded: the two part by event {by}, and numbers mean other events\n\n")
}

impl Seen {
    fn of(sim: &Sim<Msg>, step: &Step, model: &Model) -> Seen {
        let nodes = (0..model.program().replicas.len() as u32).map(NodeId);
        let state = |node| (model.program().replica_name(node), sim.state(node).map_err(|error| error.to_string()));
        Seen {
            parted: None,
            line: Line::of(sim, step, model.faults()),
            before: step.before,
            states: nodes.map(state).collect(),
        }
    }

    /// Never a silent pass: events of another run have other numbers.
    fn exit(&self) -> Exit {
        if self.parted.is_some() { Exit::Different } else { Exit::Held }
    }

    fn text(&self, event: u64) -> String {
        let mut out = self.parted.map(another).unwrap_or_default();
        out += &format!("event {}: {}\n", text::count(event), self.line.sentence());
        out += &self.line.did().iter().map(|did| format!("  it did: {did}\n")).collect::<String>();
        if let Some(by) = self.line.by() {
            out += &format!("  caused by event {}\n", text::count(by));
        }
        if let Some(before) = self.before {
            out += &format!("  the event before on its node: {}\n", text::count(before));
        }
        let own = self.states.iter().find(|(name, _)| name == self.line.node());
        match own {
            Some((name, Ok(state))) => out += &format!("\nhow {name} stood behind it\n{state:#}\n"),
            Some((name, Err(error))) => out += &format!("\nhow {name} stood behind it cannot be shown: {error}\n"),
            None => {}
        }
        out
    }
}
