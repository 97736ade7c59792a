//! Why an answer did not come in time: what became of the request, of the work it made, and of the answer to it.
//!
//! The time from a request to its answer is cut into parts, each with a reason of its own; the part that took longest beyond its
//! default tells most. What was lost took for ever.

use sim_core::{Duration, Entry, Happening, NodeId, Operation, Step};

use super::clues::{Clues, Letter};
use super::{Link, Place, Reason, Tape, gave_up, words};

/// A part of a time that was too long.
struct Part {
    /// How much longer than by default it took, and how long in all.
    weight: (Duration, Duration),
    reason: Reason,
}

impl Part {
    fn endless(reason: Reason) -> Part {
        Part { weight: (Duration::FOREVER, Duration::FOREVER), reason }
    }
}

/// How deep a chain of callees is followed.
const DEEPEST: u32 = 16;

/// How many events back somebody is looked for who may not be there.
pub(super) const FARTHEST: u64 = 10_000;

impl<T: Tape> Clues<'_, T> {
    /// Why a timer went off that waited for answers; nothing, when it waited for none.
    pub(super) fn no_answer(&mut self, step: &Step, node: NodeId) -> Vec<Reason> {
        let mut parts = Vec::new();
        for edge in gave_up(&self.tape.notes(step.number)) {
            if let Some(request) = self.waited_for(step, node, edge) {
                parts.extend(self.parts(&request, step.number, DEEPEST));
            }
        }
        parts.sort_by_key(|part| std::cmp::Reverse(part.weight));
        let reasons = parts.into_iter().map(|part| part.reason);
        reasons.filter(|reason| reason.place.is_before(step.number)).collect()
    }

    /// The request that had no answer when a timer went off: the last that was sent along the edge and not answered.
    fn waited_for(&mut self, step: &Step, node: NodeId, edge: crate::program::EdgeRef) -> Option<Letter> {
        let (mut heard, mut event) = (Vec::new(), step.before);
        while let Some(earlier) = event.and_then(|event| self.tape.step(event)) {
            let asked = self.requests_on(earlier.number, edge).into_iter().rev();
            let open = |letter: &Letter| letter.from == node && letter.cause.operation == step.cause.operation;
            let asked: Vec<Letter> = asked.filter(open).collect();
            if let Some(request) = asked.into_iter().find(|letter| !heard.contains(&self.answer_cause(letter))) {
                return Some(request);
            }
            heard.push(earlier.cause);
            event = earlier.before;
        }
        None
    }

    /// The parts of the time from a request to its answer, or to an event by which none had come.
    fn parts(&mut self, request: &Letter, until: u64, depth: u32) -> Vec<Part> {
        if let Some(lost) = self.lost(request, until) {
            return vec![Part::endless(lost)];
        }
        let mut parts: Vec<Part> = self.way_of(request).into_iter().collect();
        let arrived = self.arrival(request, until).filter(|_| depth > 0);
        let Some(arrived) = arrived else { return self.or_asked(parts, request) };
        if let Happening::Undelivered { to, .. } = arrived.what {
            return self.down_by(to, arrived.number).map(Part::endless).into_iter().collect();
        }
        let Some(answer) = self.answer(request, arrived.number, until) else {
            if let Some(crash) = self.crash(request.to, arrived.number, until) {
                return vec![Part::endless(crash)];
            }
            parts.extend(self.unfinished(&arrived, until, depth));
            return self.or_asked(parts, request);
        };
        if let Some(lost) = self.lost(&answer, until) {
            return vec![Part::endless(lost)];
        }
        parts.extend(self.way_of(&answer));
        parts.extend(self.served(arrived.number, answer.event, depth));
        self.or_asked(parts, request)
    }

    /// Never nothing: at least the request was sent.
    fn or_asked(&mut self, mut parts: Vec<Part>, request: &Letter) -> Vec<Part> {
        if parts.is_empty() {
            let words = format!("nothing was slow since {}", self.told(request.event));
            let reason = Reason::new(Place::Event(request.event), Link::Timer, words);
            parts.push(Part { weight: (Duration::ZERO, Duration::ZERO), reason });
        }
        parts
    }

    fn way_of(&mut self, letter: &Letter) -> Option<Part> {
        let weight = (letter.excess(), letter.length()?);
        let reason = self.slow_link(letter)?;
        Some(Part { weight, reason })
    }

    /// The fault that took a node down between two events.
    fn crash(&mut self, node: NodeId, from: u64, to: u64) -> Option<Reason> {
        let struck = (from..=to).find(|event| {
            let is_fault = self.tape.step(*event).is_some_and(|step| matches!(step.what, Happening::FaultBegan { .. }));
            is_fault && self.strikes(*event, node)
        })?;
        let Happening::FaultBegan { fault } = self.tape.step(struck)?.what else { return None };
        let says = format!("{} crashed before it answered", self.name(node));
        Some(self.fault(fault, Link::Down, &says))
    }

    /// The parts of what a node did from one event to a later one for the same request.
    fn served(&mut self, from: u64, to: u64, depth: u32) -> Vec<Part> {
        let (mut parts, mut at) = (Vec::new(), to);
        while at > from
            && let Some(step) = self.tape.step(at)
            && let Some(previous) = self.previous_or(&step, from)
        {
            parts.extend(self.segment(&step, previous, depth));
            at = previous;
        }
        parts
    }

    /// The event before in the same handling; of an answer that a node sent in its turn, where the request came to stand in line.
    fn previous_or(&mut self, step: &Step, from: u64) -> Option<u64> {
        let of = self.tape.step(from)?.cause.operation;
        if step.cause.operation != of && step.number > from {
            return Some(from);
        }
        self.previous(step).filter(|previous| *previous >= from)
    }

    /// The parts of the time between two events of one handling, of which the second followed from the first.
    fn segment(&mut self, step: &Step, previous: u64, depth: u32) -> Vec<Part> {
        let of = self.tape.step(previous).map_or(Operation::NONE, |step| step.cause.operation);
        let mut parts = Vec::new();
        match step.what {
            Happening::Fired { node, .. } if step.cause.operation == of => {
                let waited = gave_up(&self.tape.notes(step.number)).into_iter();
                let waited: Vec<Letter> = waited.filter_map(|edge| self.waited_for(step, node, edge)).collect();
                for request in waited {
                    parts.extend(self.parts(&request, step.number, depth.saturating_sub(1)));
                }
                let by = step.by.unwrap_or(previous);
                parts.extend(self.drawn(by, of));
                if by != previous {
                    parts.extend(self.line(node, of, previous, by, depth));
                }
            }
            Happening::Fired { node, .. } | Happening::Delivered { to: node, .. } if step.cause.operation != of => {
                parts.extend(self.line(node, of, previous, step.number, depth));
            }
            Happening::Delivered { from, .. } => {
                let asked = self.requests(previous, of).into_iter();
                let asked: Vec<Letter> = asked.filter(|letter| letter.to == from).collect();
                for request in
                    asked.into_iter().filter(|letter| self.answer_cause(letter) == step.cause).collect::<Vec<_>>()
                {
                    parts.extend(self.parts(&request, step.number, depth.saturating_sub(1)));
                }
            }
            Happening::Refused { by: callee, .. } | Happening::Reset { by: callee, .. } => {
                let reason = self.down_by(callee, step.number);
                parts.extend(reason.map(|reason| Part { weight: (Duration::ZERO, Duration::ZERO), reason }));
            }
            _ => {}
        }
        parts
    }

    /// What was drawn in an event for an operation: work, waits.
    fn drawn(&mut self, event: u64, of: Operation) -> Vec<Part> {
        let node = self.node_name(event);
        let drawn = self.lengths(event, of).into_iter().map(|(entry, draw, said, calm)| {
            let excess = Duration::from_nanos(said.nanos().saturating_sub(calm.nanos()));
            let usual = if excess.is_zero() { "as it always may".to_owned() } else { words::half(calm) };
            let says = format!("{node}'s {} took {} ({usual})", draw.purpose.name(), words::length(said));
            let reason = self.decision(event, entry, Link::SlowWork, &says);
            Part { weight: (excess, said), reason }
        });
        drawn.collect()
    }

    /// A wait in line from one event to another: for whoever had the worker until then.
    fn line(&mut self, node: NodeId, of: Operation, from: u64, to: u64, depth: u32) -> Option<Part> {
        let length = self.at(to).since(self.at(from));
        if length.is_zero() {
            return None;
        }
        let theirs = self.tape.step(to).map_or(Operation::NONE, |step| step.cause.operation);
        let begun = self.request_of(to);
        let who = self.operation(theirs).filter(|_| theirs != of).unwrap_or_else(|| "another".to_owned());
        let says = format!("it stood in line at {} for {} behind {who}", self.name(node), words::length(length));
        let mut parts = if begun < to && depth > 0 { self.served(begun, to, depth - 1) } else { Vec::new() };
        parts.retain(|part| !part.weight.0.is_zero());
        let slow = parts.into_iter().max_by_key(|part| part.weight).map(|part| part.reason);
        let reason = match slow {
            // Whoever had stood in line as well says who was slow in the end.
            Some(slow) if slow.link == Link::InLine => slow,
            Some(slow) => Reason::new(slow.place, Link::InLine, format!("{says}: {}", slow.words)),
            None => Reason::new(Place::Event(to), Link::InLine, format!("{says}, until {}", self.told(to))),
        };
        Some(Part { weight: (length, length), reason })
    }

    /// The parts of what a node had done for a request, and was still doing, when somebody gave up.
    fn unfinished(&mut self, arrived: &Step, until: u64, depth: u32) -> Vec<Part> {
        let (of, Some(node)) = (arrived.cause.operation, arrived.node()) else { return Vec::new() };
        let own = self.own_events(arrived.number, node, of, until);
        let last = own.last().copied().unwrap_or(arrived.number);
        let main = self.main(last, of, arrived.number);
        let mut parts = self.served(arrived.number, main, depth);
        for event in own.iter().rev() {
            let open = self.still_open(*event, node, of, until, depth);
            if !open.is_empty() {
                parts.extend(open);
                if self.tape.step(*event).is_some_and(|step| step.cause.operation != of) {
                    parts.extend(self.line(node, of, arrived.number, *event, depth));
                }
                return parts;
            }
        }
        let since = self.at(until).since(self.at(last));
        let waits = self.occupant(node, of, until).unwrap_or_else(|| {
            let words = format!("{} waited since {}", self.name(node), self.told(last));
            Reason::new(Place::Event(last), Link::InLine, words)
        });
        parts.push(Part { weight: (since, since), reason: waits });
        parts
    }

    /// An event of the handling itself: of one that took it up in its turn, the event in which it came.
    fn main(&mut self, event: u64, of: Operation, arrived: u64) -> u64 {
        if self.tape.step(event).is_some_and(|step| step.cause.operation == of) { event } else { arrived }
    }

    /// The events on a node that belong to the request which arrived in the first of them, those included that took it up in
    /// its turn.
    fn own_events(&mut self, arrived: u64, node: NodeId, of: Operation, until: u64) -> Vec<u64> {
        let mut own = vec![arrived];
        for event in arrived + 1..=until {
            let Some(step) = self.tape.step(event).filter(|step| step.node() == Some(node)) else { continue };
            let is_own = if step.cause.operation == of {
                self.request_of(event) == arrived
            } else {
                let begun = self.lengths(event, of);
                !begun.is_empty() && self.own(event, of, &step) == Some(arrived)
            };
            if is_own {
                own.push(event);
            }
        }
        own
    }

    /// What an event began that was not over at a later one: a call without an answer, work, a wait.
    fn still_open(&mut self, event: u64, node: NodeId, of: Operation, until: u64, depth: u32) -> Vec<Part> {
        let asked = self.requests(event, of);
        let mut parts = Vec::new();
        for request in asked.into_iter().filter(|letter| letter.from == node) {
            let cause = self.answer_cause(&request);
            if !self.is_heard(node, event, until, |step| step.cause == cause) {
                parts.extend(self.parts(&request, until, depth.saturating_sub(1)));
            }
        }
        let now = self.at(until);
        let rings = |entry: &Entry| matches!(entry, Entry::Set { due, .. } if *due > now);
        if self.tape.entries(event).iter().any(rings) {
            let at = self.at(event);
            let drawn = self.lengths(event, of).into_iter().any(|(_, _, said, _)| at + said > now);
            if drawn {
                parts.extend(self.drawn(event, of));
            }
        }
        parts
    }

    fn is_heard(&mut self, node: NodeId, from: u64, to: u64, is_it: impl Fn(&Step) -> bool) -> bool {
        let mut steps = (from..=to).filter_map(|event| self.tape.step(event));
        steps.any(|step| step.node() == Some(node) && is_it(&step))
    }

    /// Who else had the workers of a node: the last work begun there for another operation that was not over by an event.
    pub(super) fn occupant(&mut self, node: NodeId, of: Operation, by: u64) -> Option<Reason> {
        let now = self.at(by);
        for event in (by.saturating_sub(FARTHEST).max(1)..by).rev() {
            let Some(step) = self.tape.step(event).filter(|step| step.node() == Some(node)) else { continue };
            let draws = self.draws(event).into_iter();
            let mut others = draws.filter(|(_, draw)| draw.cause.operation != of);
            let busy = others.find_map(|(entry, draw)| match (draw.answer, draw.calm) {
                (sim_core::Answer::Length(said), sim_core::Answer::Length(calm)) if step.at + said >= now => {
                    Some((entry, draw, said, calm))
                }
                _ => None,
            });
            if let Some((entry, draw, said, calm)) = busy {
                let who = self.operation_words(draw.cause.operation);
                let here = self.name(node);
                let says =
                    format!("{here} was busy with {who}, whose {} took {}", draw.purpose.name(), words::length(said));
                return Some(if said > calm {
                    let says = format!("{says} ({})", words::half(calm));
                    self.decision(event, entry, Link::InLine, &says)
                } else {
                    Reason::new(Place::Event(event), Link::InLine, says)
                });
            }
        }
        None
    }
}
