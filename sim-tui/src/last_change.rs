//! `replay --last-change`: which event made a field of a node's state what it is.

use std::ops::ControlFlow;

use serde_json::{Value, json};
use sim_core::case::Case;
use sim_core::timeline::{Budget, Goal, Timeline};
use sim_core::{Change, Grade, Instant, LastChange, Limits, NodeId, Sim};
use sim_models::message::Msg;
use sim_models::problem::did_you_mean;
use sim_models::scenario::Model;

use crate::commands;
use crate::moment;
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::text;
use crate::trace::Line;

/// A field of a node's state.
struct Place<'p> {
    name: &'p str,
    node: NodeId,
    /// A JSON pointer (RFC 6901); empty for the whole state.
    pointer: &'p str,
}

impl<'p> Place<'p> {
    /// Reads `gateway/keys/17`.
    fn find(text: &'p str, sim: &Sim<Msg>) -> Result<Self, Bad> {
        let (name, pointer) = text.split_at(text.find('/').unwrap_or(text.len()));
        let names = sim.names();
        let node = names.find_node(name).ok_or_else(|| {
            let guess = did_you_mean(name, names.nodes().iter().map(String::as_str));
            bad!("--last-change {text}: no node \"{name}\"{guess}")
        })?;
        Ok(Place { name, node, pointer })
    }

    fn read(&self, sim: &Sim<Msg>) -> Option<Value> {
        sim.state(self.node).ok()?.pointer(self.pointer).cloned()
    }
}

/// Replays a case up to an event, or to where it failed, and looks for the last change before.
pub(crate) fn show(
    case: &Case,
    model: &Model,
    (field, at): (&str, Option<u64>),
    as_json: bool,
    again: &[&str],
) -> Result<Report, Bad> {
    let (sim, judge) = model.start(case.seed);
    let place = Place::find(field, &sim)?;
    let until = model.until().unwrap_or(Instant::NEVER);
    let mut timeline = Timeline::new(sim, judge, until, Limits::default(), Budget::default());
    let (events, parted) = moment::extent(case, model);
    if let Some(at) = at.filter(|at| *at > events) {
        return Err(bad!("--at {at}: the replay has {}", text::counted(events, "event")));
    }
    let goal = Goal { events: at.unwrap_or(events), ..Goal::default() };
    quietly(|| timeline.advance(goal, |_| (Grade::Quiet, ControlFlow::Continue(()))));
    let end = timeline.past().len();
    let parted = parted.filter(|by| *by <= end);
    let found = timeline.last_change(end, place.node, |sim| place.read(sim), |_| true);
    let LastChange::At(change) = found else {
        return Ok(never(&place, place.read(&timeline.live().sim), end, as_json).unless(parted));
    };
    let mut before = timeline.fork(change.event - 1).sim;
    before.record(true);
    let step = before.step().expect("it happened");
    let line = Line::of(&before, &step, model.faults());
    Ok(changed(&place, change, &line, as_json, again).unless(parted))
}

/// What was found, on its way to a report.
struct Found {
    document: Option<Value>,
    text: String,
}

impl Found {
    /// Events of another run have other numbers, which is never passed over in silence.
    fn unless(self, parted: Option<u64>) -> Report {
        let exit = if parted.is_some() { Exit::Different } else { Exit::Held };
        match self.document {
            Some(mut document) => {
                document["parted_at"] = json!(parted);
                Report::json(&document, exit)
            }
            None => Report { text: parted.map(moment::another).unwrap_or_default() + &self.text, exit },
        }
    }
}

/// It is as it was at the start.
fn never(place: &Place<'_>, value: Option<Value>, end: u64, as_json: bool) -> Found {
    let value = value.map(moment::exact);
    let document = as_json.then(|| json!({"event": null, "was": value, "is": value}));
    let Place { name, pointer, .. } = place;
    let until = text::counted(end, "event");
    let text = match value {
        Some(value) => format!("{name}{pointer} is {value} as at the start, after {until}\n"),
        None => format!("{name} has nothing at \"{pointer}\", and never had in {until}; `--at` shows its state\n"),
    };
    Found { document, text }
}

fn changed(place: &Place<'_>, change: Change<Option<Value>>, line: &Line, as_json: bool, again: &[&str]) -> Found {
    let Change { event, was, is } = change;
    let [was, is] = [was, is].map(|value| value.map(moment::exact));
    let document = as_json.then(|| json!({"event": event, "was": was, "is": is, "line": line}));
    let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string);
    let at = event.to_string();
    let command = commands::line(again[0], again[1..].iter().copied().chain(["--at", &at]));
    let text = format!(
        "event {}: {}\n  {}{} was {} and is {} since then\n\nall of that moment: {command}\n",
        text::count(event),
        line.sentence(),
        place.name,
        place.pointer,
        shown(&was),
        shown(&is),
    );
    Found { document, text }
}
