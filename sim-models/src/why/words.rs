//! Events as reasons in words: who did what, in the names of the scenario.

use sim_core::{Duration, Happening, Operation, Step, Watch};

use super::clues::Clues;
use super::{Tape, gave_up};
use crate::message::Note;
use crate::shrink::rounded;

/// A length of time, short enough to be read.
pub(super) fn length(length: Duration) -> String {
    rounded(length, 3).to_string()
}

/// What the default says of a distribution.
pub(super) fn half(calm: Duration) -> String {
    format!("half of all take no more than {}", length(calm))
}

/// A place in a row, in words.
pub(super) fn ordinal(n: u64) -> String {
    match n {
        1 => "first".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        n => format!("{n}th"),
    }
}

impl<T: Tape> Clues<'_, T> {
    /// What happened in an event: `shop handled pay`.
    pub(super) fn told(&mut self, event: u64) -> String {
        let Some(step) = self.tape.step(event) else { return format!("the event {event} came") };
        let line = |place: u32| self.faults.get(place as usize).map(ToString::to_string).unwrap_or_default();
        match step.what {
            Happening::Started { node, .. } => format!("{} started", self.name(node)),
            Happening::Delivered { .. } => self.handled(&step),
            Happening::Undelivered { from, to, kind } => {
                format!("{} of {} came to {}, which was down", self.word(kind), self.name(from), self.name(to))
            }
            Happening::Refused { by, to, .. } => {
                format!("{} learnt that nobody listens at {}", self.name(to), self.name(by))
            }
            Happening::Reset { by, to, .. } => format!("{} learnt that {} had crashed", self.name(to), self.name(by)),
            Happening::Fired { node, .. } => self.rang(&step, &self.name(node)),
            Happening::Synced { node, .. } => format!("{} had its records on disk", self.name(node)),
            Happening::Stopping { node } => format!("{} was asked to stop", self.name(node)),
            Happening::Killed { node } => format!("{} had not stopped in time and was killed", self.name(node)),
            Happening::Lapsed { node, watch: Watch::Liveness } => {
                format!("{} was found to be not alive, and was restarted", self.name(node))
            }
            Happening::Lapsed { node, watch: Watch::Readiness } => {
                format!("{} was found to be not ready, and was taken off the list", self.name(node))
            }
            Happening::FaultBegan { fault } => format!("this began: {}", line(fault)),
            Happening::FaultEnded { fault } => format!("this ended: {}", line(fault)),
        }
    }

    fn handled(&mut self, step: &Step) -> String {
        let Happening::Delivered { from, to, kind } = step.what else { return String::new() };
        let (there, here, word) = (self.name(from), self.name(to), self.word(kind));
        match self.asking(step) {
            Some(1) => format!("{here} handled {word} of {there}"),
            Some(tries) => format!("{here} handled {word} of {there} the {} time", ordinal(tries)),
            None => format!("{here} had the answer of {there} to {word}"),
        }
    }

    /// The how-manieth try a request is; `None` of what is no request.
    fn asking(&mut self, step: &Step) -> Option<u64> {
        let Happening::Delivered { from, to, .. } = step.what else { return None };
        let (edge, by) = (self.edge(from, to)?, step.by?);
        (!self.requests_on(by, edge).is_empty()).then(|| self.tries(by, edge))
    }

    fn rang(&mut self, step: &Step, here: &str) -> String {
        let notes = self.tape.notes(step.number);
        if let Some(edge) = gave_up(&notes).first() {
            let callee = &self.program.node(self.program.edges[edge.0 as usize].1).name;
            return format!("{here} had no answer from {callee} in time");
        }
        let recorded = notes.iter().find_map(|note| match note {
            Note::Fact(fact, ..) => Some(&self.program.facts[fact.0 as usize].name),
            _ => None,
        });
        if notes.iter().any(|note| matches!(note, Note::Requested { .. })) {
            return format!("{here} began {}", self.operation_words(step.cause.operation));
        }
        if let Some(fact) = recorded {
            return format!("{here} recorded {fact}");
        }
        let since = step.by.and_then(|by| self.worked(by, step.cause.operation));
        since.map_or_else(|| format!("{here} went on after a wait"), |_| format!("{here} had done its work"))
    }

    /// How long what was begun in an event took: `its work took 1.4s (half of all take no more than 80ms)`.
    pub(super) fn worked(&mut self, event: u64, of: Operation) -> Option<String> {
        let (_, draw, said, calm) = self.lengths(event, of).into_iter().max_by_key(|(.., said, _)| *said)?;
        let usual = if said > calm { format!(" ({})", half(calm)) } else { String::new() };
        Some(format!("its {} took {}{usual}", draw.purpose.name(), length(said)))
    }

    /// What was sent in an event, and whether that was asked once more.
    pub(super) fn sending(&mut self, step: &Step, by: u64) -> (String, bool) {
        let Happening::Delivered { from, to, kind } = step.what else { return (self.told(by), false) };
        let (here, there, word) = (self.name(from), self.name(to), self.word(kind));
        let notes = self.tape.notes(by);
        if notes.iter().any(|note| matches!(note, Note::Requested { .. })) {
            return (format!("{here} began {}: it sent {word}", self.operation_words(step.cause.operation)), false);
        }
        let since = if gave_up(&notes).is_empty() { String::new() } else { format!(": {}", self.told(by)) };
        match self.asking(step) {
            None if self.edge(from, to).is_some() => {
                (format!("{here} told {there} that it waits no longer: {word}"), false)
            }
            None => (format!("{here} answered {word} of {there}{since}"), false),
            Some(1) => (format!("{here} sent {word} to {there}{since}"), false),
            Some(tries) => (format!("{here} sent {word} to {there} the {} time{since}", ordinal(tries)), true),
        }
    }
}
