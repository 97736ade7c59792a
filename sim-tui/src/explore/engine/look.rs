//! Everything about one event, in words: what it carried, did and decided, and how things stood after it.

use std::sync::Arc;

use sim_core::timeline::{LastChange, Retold};
use sim_core::{Entry, Form, Judged, NodeId, PropertyKind, Verdict};
use sim_models::inside;
use sim_models::program::Program;

use super::super::look::Ink;
use super::super::told::{Label, Look, Standing, State, Told};
use super::super::words;
use super::Engine;
use super::session::Kept;
use crate::quiet::quietly;
use crate::text;

/// Entries of a map or list of a node's state that are shown, beside those of the operation that is looked at.
const MOST: usize = 40;

/// Everything about an event, and the state of a node after it: that of the event's own node unless another is named.
pub(super) fn look(kept: &mut Kept, event: u64, whose: Option<NodeId>, light: bool) -> Look {
    let at_edge = event == kept.timeline.live().sim.events();
    let over = at_edge && kept.timeline.over().is_some();
    let step = kept.timeline.past().step(event);
    let node = step.and_then(|step| step.node());
    let operation = step.map(|step| step.cause.operation).filter(|of| of.parts().is_some());
    let retold = if light { None } else { kept.retold(event) };
    let whose = whose.or(node);
    let program = kept.model.program().clone();
    let (title, lines) = retold
        .as_ref()
        .map_or_else(|| (String::new(), Vec::new()), |retold| (title(kept, retold), lines(kept, &program, retold)));
    let moment = if at_edge { kept.timeline.live() } else { quietly(|| kept.timeline.seek(event)) };
    let judged = kept.judged.as_ref().filter(|_| over).cloned().unwrap_or_else(|| moment.judge.so_far());
    let fields = match whose {
        Some(node) if !light => inside::fields(&inside::inside_around(&moment.sim, &program, node, operation, MOST)),
        _ => Vec::new(),
    };
    Look {
        generation: kept.generation,
        event,
        light,
        title,
        lines,
        whose,
        fields,
        properties: judged.iter().map(|it| standing(it, over)).collect(),
        requests: moment.judge.requests(),
        latency: moment.judge.latency(),
        digest: moment.sim.digest().to_string(),
    }
}

fn standing(it: &Judged, over: bool) -> Standing {
    let state = match (it.kind, it.verdict) {
        (PropertyKind::Always, Verdict::Held) => State::Holds,
        (PropertyKind::Sometimes, Verdict::Held) => State::Holds,
        (PropertyKind::Sometimes, _) => State::Open,
        (PropertyKind::Eventually | PropertyKind::AtEnd, _) if !over => State::Open,
        (_, Verdict::Held) => State::Holds,
        _ => State::Broken,
    };
    Standing { name: it.name.clone(), state, detail: it.detail.clone(), event: it.event }
}

/// An event in one line, with what it carried.
fn title(kept: &mut Kept, retold: &Retold<sim_models::message::Msg>) -> String {
    let program = kept.model.program().clone();
    let drawn = drawn_for(kept, retold);
    let told = sim_models::tell::event(&program, kept.model.faults(), &retold.step, &retold.notes, drawn);
    match retold.step.node() {
        Some(node) => format!("{} {told}", program.replica_name(node)),
        None => told,
    }
}

/// What was drawn for the event when its timer was set, if that says what the timer was for.
fn drawn_for(kept: &mut Kept, retold: &Retold<sim_models::message::Msg>) -> Option<&'static str> {
    let sim_core::Happening::Fired { .. } = retold.step.what else { return None };
    let setter = kept.retold(retold.step.by?)?;
    sim_models::tell::drawn_for(&setter.entries, retold.step.cause.operation)
}

fn lines(kept: &Kept, program: &Program, retold: &Retold<sim_models::message::Msg>) -> Vec<(Ink, String)> {
    let names = kept.timeline.live().sim.names();
    let mut lines = Vec::new();
    if let Some(message) = &retold.message {
        lines.push((Ink::Plain, format!("carried  {}", sim_models::said::said(program, message).text)));
    }
    let mut sent = retold.sent.iter();
    for entry in &retold.entries {
        let message = if matches!(entry, Entry::Sent { .. }) { sent.next() } else { None };
        let words = message.map(|message| sim_models::said::said(program, message).text);
        lines.extend(line(kept, names, entry, words));
    }
    for broken in kept.broken.iter().filter(|broken| broken.event == retold.step.number) {
        lines.insert(0, (Ink::Broken, format!("broke {}: {}", broken.property, broken.detail)));
    }
    lines
}

fn line(kept: &Kept, names: &sim_core::Names, entry: &Entry, message: Option<String>) -> Option<(Ink, String)> {
    let faults = kept.model.faults();
    Some(match entry {
        Entry::Sent { to, kind, fate, fault, form, .. } => {
            let what = message.unwrap_or_else(|| names.kind_name(*kind).to_owned());
            let what = if *form == Form::Message { what } else { format!("{what} (by its machine)") };
            let by = fault.and_then(|place| faults.get(place as usize)).map(|fault| format!(" by {fault}"));
            let lost = fate.is_lost();
            let ink = if lost { Ink::Trouble } else { Ink::Plain };
            (ink, format!("sent     → {} {}{}: {what}", names.node(*to), words::fate(*fate), by.unwrap_or_default()))
        }
        Entry::Set { due, .. } => (Ink::Dim, format!("set      a timer for {}", words::instant(*due))),
        Entry::Cancelled { .. } => (Ink::Dim, "stopped  a timer".to_owned()),
        Entry::Drew { draw, .. } => {
            let odd = draw.answer != draw.calm;
            let said = |it: &sim_core::Answer| gap(draw.purpose.name(), it).unwrap_or_else(|| answer(it));
            let median = if odd { format!(" (median {})", said(&draw.calm)) } else { String::new() };
            (Ink::Plain, format!("drew     {} {}{median}", draw.purpose.name(), said(&draw.answer)))
        }
        Entry::Marked { name, .. } => (Ink::Plain, format!("passed   {name}")),
        Entry::Role { role, has: true, .. } => (Ink::Plain, format!("became   {role}")),
        Entry::Role { role, has: false, .. } => (Ink::Plain, format!("left     the role of {role}")),
        Entry::Tripped { nth } => (Ink::Trouble, format!("struck   at passage #{nth}")),
        Entry::Down { node } => (Ink::Down, format!("down     {}", names.node(*node))),
        Entry::Struck { node } => (Ink::Trouble, format!("struck   {}", names.node(*node))),
        Entry::Released { node } => (Ink::Plain, format!("released {}", names.node(*node))),
    })
}

/// The gap before an arrival is drawn as a factor of the mean one: a second of it is once the mean.
fn gap(purpose: &str, answer: &sim_core::Answer) -> Option<String> {
    match answer {
        sim_core::Answer::Length(length) if purpose == "arrival" => {
            Some(format!("{:.3} of the mean gap", length.as_secs_f64()))
        }
        _ => None,
    }
}

fn answer(answer: &sim_core::Answer) -> String {
    match answer {
        sim_core::Answer::Length(length) => text::length(length.nanos()),
        sim_core::Answer::Chance(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn label(kept: &mut Kept, retold: &Retold<sim_models::message::Msg>) -> Label {
    let text = title(kept, retold);
    let program = kept.model.program().clone();
    let short = match (&retold.message, retold.step.what) {
        (Some(message), sim_core::Happening::Delivered { .. }) => sim_models::said::said(&program, message).text,
        _ => match retold.step.node() {
            // The column says where it happens.
            Some(node) => text.strip_prefix(&format!("{} ", program.replica_name(node))).unwrap_or(&text).to_owned(),
            None => text.clone(),
        },
    };
    Label { copy: is_copy(kept, retold), short, text }
}

/// Whether an envelope arrives for the second time.
fn is_copy(kept: &mut Kept, retold: &Retold<sim_models::message::Msg>) -> bool {
    let sim_core::Happening::Delivered { from, to, kind } = retold.step.what else { return false };
    let past = kept.timeline.past();
    let Some((by, sent)) = retold.step.by.and_then(|by| Some((by, past.at(by)?))) else { return false };
    let length = retold.step.at.since(sent);
    // Of two that arrive at one instant, the later one.
    let is_later = length_is_shared(past, &retold.step);
    let Some(sender) = quietly(|| kept.timeline.retell(by)) else { return false };
    sender.entries.iter().any(|entry| match entry {
        Entry::Sent { from: a, to: b, kind: of, fate: sim_core::Fate::ArrivesTwice(first, second), .. } => {
            (*a, *b, *of) == (from, to, kind) && length == *second && (first != second || is_later)
        }
        _ => false,
    })
}

/// Whether the same was handled before at the same instant, sent in the same event.
fn length_is_shared(past: &sim_core::past::Past, step: &sim_core::Step) -> bool {
    let Some(node) = step.node() else { return false };
    let events = past.of_node(node);
    let before = events.iter_to(events.partition_point(|event| u64::from(*event) < step.number)).rev();
    let steps = before.filter_map(|event| past.step(u64::from(*event)));
    steps.take_while(|other| other.at == step.at).any(|other| other.what == step.what && other.by == step.by)
}

impl Kept {
    fn retold(&mut self, event: u64) -> Option<Retold<sim_models::message::Msg>> {
        quietly(|| self.timeline.retell(event))
    }

    /// Goes past all of these once, and past what set or sent them, which their words are about too.
    fn prepare(&mut self, events: &[u32]) {
        let past = self.timeline.past();
        let with_cause = |event: &u32| {
            let event = u64::from(*event);
            [Some(event), past.step(event).and_then(|step| step.by)].into_iter().flatten()
        };
        let all: Vec<u64> = events.iter().flat_map(with_cause).collect();
        quietly(|| self.timeline.prepare(all));
    }
}

impl Engine {
    /// Words for events.
    pub(super) fn labels(&mut self, events: &[u32]) -> Result<Told, String> {
        let generation = self.here()?.kept.generation;
        let unknown: Vec<u32> = events.iter().copied().filter(|event| !self.labels.contains_key(event)).collect();
        self.here()?.kept.prepare(&unknown);
        let mut labels = Vec::new();
        for event in events {
            if let Some(label) = self.labels.get(event) {
                labels.push((*event, label.clone()));
                continue;
            }
            let kept = &mut self.here()?.kept;
            let Some(retold) = kept.retold(u64::from(*event)) else { continue };
            let label = Arc::new(label(kept, &retold));
            self.labels.insert(*event, label.clone());
            labels.push((*event, label));
        }
        Ok(Told::Labels { generation, labels })
    }

    /// Which event last changed a field of a node's state.
    pub(super) fn changed(
        &mut self,
        event: u64,
        node: NodeId,
        field: &str,
        tell: &mut dyn FnMut(Told),
    ) -> Result<(), String> {
        let shared = self.shared.clone();
        let kept = &mut self.here()?.kept;
        let program = kept.model.program().clone();
        let name = program.replica_name(node);
        let what = |sim: &sim_core::Sim<sim_models::message::Msg>| {
            inside::field(&inside::inside(sim, &program, node), field).map(ToString::to_string)
        };
        let timeline = &mut kept.timeline;
        let found = quietly(|| {
            timeline.last_change(event, node, what, |at| {
                tell(Told::Progress(format!("looking for the last change of {field}, before #{at}; Esc gives up")));
                !shared.is_given_up()
            })
        });
        let shown = |value: Option<String>| value.unwrap_or_else(|| "not there".to_owned());
        tell(match found {
            LastChange::At(change) => Told::Go {
                event: Some(change.event),
                words: format!(
                    "#{} set {field} of {name} to {} (it was {})",
                    change.event,
                    shown(change.is),
                    shown(change.was)
                ),
            },
            LastChange::Never => Told::Said(format!("{field} of {name} has been so since the start")),
            LastChange::Cancelled => Told::Said("given up".to_owned()),
        });
        Ok(())
    }
}
