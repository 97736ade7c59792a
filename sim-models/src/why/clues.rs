//! What can be read from a kept run about one request: what was sent where, what came of it, whose turn it was.

use sim_core::fault::{Flight, Verb};
use sim_core::{
    Answer, Cause, Draw, Duration, Entry, Fate, Fault, Form, Happening, Instant, Kind, NodeId, Operation, Step,
};

use super::{Link, Place, Reason, Tape, words};
use crate::decided::{Reader, Said};
use crate::message::{EdgeCounted, Note};
use crate::program::{EdgeRef, NodeRef, Program};

/// A run under investigation.
pub(super) struct Clues<'a, T: Tape> {
    pub(super) tape: &'a mut T,
    pub(super) program: &'a Program,
    pub(super) faults: &'a [Fault],
}

/// An envelope that an actor sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    /// The event that sent it, and its place among the entries there.
    pub(super) event: u64,
    pub(super) entry: u32,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) kind: Kind,
    pub(super) cause: Cause,
    pub(super) fate: Fate,
    pub(super) fault: Option<u32>,
    pub(super) calm: Fate,
}

impl Letter {
    pub(super) fn is_twice(&self) -> bool {
        matches!(self.fate, Fate::ArrivesTwice(..) | Fate::HeldTwice(..))
    }

    /// How long it was on its way; `None` when it never arrived.
    pub(super) fn length(&self) -> Option<Duration> {
        length_of(self.fate)
    }

    /// How much longer than it would be by default: all of it, of one that a fault held up.
    pub(super) fn excess(&self) -> Duration {
        match (self.length(), length_of(self.calm), self.fault) {
            (Some(length), _, Some(_)) => length,
            (Some(length), Some(calm), None) => Duration::from_nanos(length.nanos().saturating_sub(calm.nanos())),
            _ => Duration::ZERO,
        }
    }
}

/// What is said of an envelope that does not arrive; of one that is taken on its way, too.
fn gone(fate: Fate) -> &'static str {
    match fate {
        Fate::Corrupt => "damaged and discarded",
        Fate::Full => "dropped from a full line",
        Fate::Refused => "refused",
        Fate::Reset(_) => "reset with its connection",
        Fate::Lost | Fate::Cut | Fate::Arrives(_) | Fate::ArrivesTwice(..) | Fate::Held(_) | Fate::HeldTwice(..) => {
            "lost"
        }
    }
}

pub(super) fn length_of(fate: Fate) -> Option<Duration> {
    match fate {
        Fate::Arrives(after) | Fate::ArrivesTwice(after, _) => Some(after),
        // How long it was held up before that only the run can tell.
        Fate::Held(after) | Fate::HeldTwice(after, _) => Some(after),
        Fate::Lost | Fate::Corrupt | Fate::Full | Fate::Refused | Fate::Reset(_) | Fate::Cut => None,
    }
}

/// Who and what.
impl<'a, T: Tape> Clues<'a, T> {
    pub(super) fn new(tape: &'a mut T, program: &'a Program, faults: &'a [Fault]) -> Self {
        Clues { tape, program, faults }
    }

    pub(super) fn name(&self, node: NodeId) -> String {
        self.program.replica_name(node)
    }

    pub(super) fn declared(&self, node: NodeId) -> NodeRef {
        self.program.replicas[node.0 as usize].0
    }

    pub(super) fn node_name(&mut self, event: u64) -> String {
        let node = self.tape.step(event).and_then(|step| step.node());
        node.map(|node| self.name(node)).unwrap_or_default()
    }

    pub(super) fn word(&self, kind: Kind) -> String {
        self.program.kinds.get(kind.0 as usize).cloned().unwrap_or_default()
    }

    /// An operation as lines of a case write it.
    pub(super) fn operation(&self, of: Operation) -> Option<String> {
        of.parts().map(|(class, number)| format!("{}/{number}", self.program.classes[class.0 as usize]))
    }

    pub(super) fn operation_words(&self, of: Operation) -> String {
        self.operation(of).unwrap_or_else(|| "what nobody asked for".to_owned())
    }

    pub(super) fn edge(&self, from: NodeId, to: NodeId) -> Option<EdgeRef> {
        let edge = (self.declared(from), self.declared(to));
        self.program.edges.iter().position(|it| *it == edge).map(|at| EdgeRef(at as u16))
    }

    /// Whether a timer is that of an endpoint that runs by itself.
    pub(super) fn is_clock(&mut self, step: &Step, node: NodeId) -> bool {
        let Some(by) = step.by.and_then(|by| self.tape.step(by)) else { return false };
        let here = self.declared(node);
        let mut clocks = self.program.endpoints.iter().filter(|it| it.node == here).filter_map(|it| it.clock?.every);
        step.cause.operation.parts().is_none() && clocks.any(|every| step.at.since(by.at) == every)
    }
}

/// What was sent, drawn, noted.
impl<T: Tape> Clues<'_, T> {
    /// The envelopes that an event sent, those left out that machines send by themselves.
    pub(super) fn letters(&mut self, event: u64) -> Vec<Letter> {
        let entries = self.tape.entries(event).into_iter().enumerate();
        let letters = entries.filter_map(|(at, entry)| match entry {
            Entry::Sent { from, to, kind, cause, fate, fault, calm, form: Form::Message, .. } => {
                Some(Letter { event, entry: at as u32, from, to, kind, cause, fate, fault, calm })
            }
            _ => None,
        });
        letters.collect()
    }

    pub(super) fn draws(&mut self, event: u64) -> Vec<(u32, Draw)> {
        let entries = self.tape.entries(event).into_iter().enumerate();
        let draws = entries.filter_map(|(at, entry)| match entry {
            Entry::Drew { draw, .. } => Some((at as u32, draw)),
            _ => None,
        });
        draws.collect()
    }

    /// The lengths of time that were drawn in an event for an operation: what it took, and the default.
    pub(super) fn lengths(&mut self, event: u64, of: Operation) -> Vec<(u32, Draw, Duration, Duration)> {
        let draws = self.draws(event).into_iter().filter(|(_, draw)| draw.cause.operation == of);
        let lengths = draws.filter_map(|(entry, draw)| match (draw.answer, draw.calm) {
            (Answer::Length(said), Answer::Length(calm)) => Some((entry, draw, said, calm)),
            _ => None,
        });
        lengths.collect()
    }

    /// The requests that an event sent along an edge: as many as it counted there. A word that the caller gives up goes before.
    pub(super) fn requests_on(&mut self, event: u64, edge: EdgeRef) -> Vec<Letter> {
        let calls = |note: &&Note| matches!(note, Note::Edge(of, EdgeCounted::Call) if *of == edge);
        let count = self.tape.notes(event).iter().filter(calls).count();
        if count == 0 {
            return Vec::new();
        }
        let mut sent = self.letters(event);
        sent.retain(|letter| self.edge(letter.from, letter.to) == Some(edge));
        sent.split_off(sent.len().saturating_sub(count))
    }

    /// All requests that an event sent for an operation.
    pub(super) fn requests(&mut self, event: u64, of: Operation) -> Vec<Letter> {
        let mut edges: Vec<EdgeRef> = Vec::new();
        for note in self.tape.notes(event) {
            if let Note::Edge(edge, EdgeCounted::Call) = note
                && !edges.contains(&edge)
            {
                edges.push(edge);
            }
        }
        let requests = edges.into_iter().flat_map(|edge| self.requests_on(event, edge));
        requests.filter(|letter| letter.cause.operation == of).collect()
    }

    pub(super) fn is_retry(&mut self, event: u64, edge: EdgeRef) -> bool {
        self.tape.notes(event).contains(&Note::Edge(edge, EdgeCounted::Retry))
    }

    /// The cause that the answer to a request carries.
    pub(super) fn answer_cause(&self, request: &Letter) -> Cause {
        let group = |node: NodeId| self.program.node(self.declared(node)).name.as_str();
        request.cause.envelope(group(request.to), group(request.from), &self.word(request.kind))
    }

    /// The event in which an envelope came to its node, up or down.
    pub(super) fn arrival(&mut self, letter: &Letter, up_to: u64) -> Option<Step> {
        let caused = self.tape.caused_by(letter.event, up_to);
        let mut steps = caused.into_iter().filter_map(|event| self.tape.step(event));
        steps.find(|step| {
            let comes = matches!(step.what, Happening::Delivered { .. } | Happening::Undelivered { .. });
            comes && step.cause == letter.cause
        })
    }

    /// The answer to a request that arrived in an event, if it was sent.
    pub(super) fn answer(&mut self, request: &Letter, arrived: u64, up_to: u64) -> Option<Letter> {
        let cause = self.answer_cause(request);
        for event in arrived..=up_to {
            let here = self.tape.step(event)?.node() == Some(request.to);
            let sent = if here { self.letters(event) } else { Vec::new() };
            if let Some(answer) = sent.into_iter().find(|letter| letter.cause == cause) {
                return Some(answer);
            }
        }
        None
    }
}

/// What belongs together on one node.
impl<T: Tape> Clues<'_, T> {
    /// The event on the same node that this one goes on from: where its timer was set, where was asked what is answered now. A
    /// request goes on from nothing.
    pub(super) fn previous(&mut self, step: &Step) -> Option<u64> {
        match step.what {
            Happening::Fired { .. } | Happening::Synced { .. } => self.own(step.by?, step.cause.operation, step),
            Happening::Delivered { from, .. } => self.back(step, |this, event| {
                let asked = this.requests(event, step.cause.operation);
                asked.into_iter().any(|letter| letter.to == from && this.answer_cause(&letter) == step.cause)
            }),
            Happening::Refused { by, kind, .. } | Happening::Reset { by, kind, .. } => {
                self.back(step, |this, event| {
                    let asked = this.requests(event, step.cause.operation);
                    asked.into_iter().any(|letter| letter.to == by && letter.kind == kind)
                })
            }
            _ => None,
        }
    }

    /// The latest event before this one on its node for which something holds.
    fn back(&mut self, step: &Step, mut holds: impl FnMut(&mut Self, u64) -> bool) -> Option<u64> {
        let mut event = step.before;
        while let Some(step) = event.and_then(|event| self.tape.step(event)) {
            if holds(self, step.number) {
                return Some(step.number);
            }
            event = step.before;
        }
        None
    }

    /// Where what an event did for an operation belongs: the event itself, or, where a node took up what had stood in line, the
    /// one in which it came to stand there.
    pub(super) fn own(&mut self, event: u64, of: Operation, what: &Step) -> Option<u64> {
        let step = self.tape.step(event)?;
        let begins = self.tape.notes(event).iter().any(|note| matches!(note, Note::Requested { .. }));
        if step.cause.operation == of || begins || step.node().is_none() {
            return Some(event);
        }
        let drawn: Vec<u64> = self.lengths(event, of).into_iter().map(|(_, draw, ..)| draw.cause.lineage).collect();
        let exact = self.back(&step, |this, before| {
            let before = this.tape.step(before);
            before.is_some_and(|before| before.cause.operation == of && this.leads_to(before.cause, &drawn, what))
        });
        exact.or_else(|| {
            self.back(&step, |this, before| this.tape.step(before).is_some_and(|it| it.cause.operation == of))
        })
    }

    /// Whether what was drawn or sent in its turn belongs to a request of this cause.
    fn leads_to(&self, request: Cause, drawn: &[u64], what: &Step) -> bool {
        if drawn.is_empty() {
            return match what.what {
                Happening::Delivered { from, to, kind } => {
                    let group = |node: NodeId| self.program.node(self.declared(node)).name.as_str();
                    request.envelope(group(from), group(to), &self.word(kind)) == what.cause
                }
                _ => false,
            };
        }
        let by_step = |step: &crate::program::Step| drawn.contains(&request.then(step.place).lineage);
        drawn.contains(&request.lineage) || self.program.steps.iter().any(by_step)
    }

    /// The event in which the request came that this event was handled for.
    pub(super) fn request_of(&mut self, event: u64) -> u64 {
        let mut event = event;
        while let Some(step) = self.tape.step(event)
            && let Some(previous) = self.previous(&step)
        {
            event = previous;
        }
        event
    }

    /// The how-manieth try a request is that was sent in an event, from 1.
    pub(super) fn tries(&mut self, event: u64, edge: EdgeRef) -> u64 {
        let (mut tries, mut event) = (1, event);
        while self.is_retry(event, edge) {
            tries += 1;
            loop {
                let Some(previous) = self.tape.step(event).and_then(|step| self.previous(&step)) else { return tries };
                event = previous;
                if !self.requests_on(event, edge).is_empty() {
                    break;
                }
            }
        }
        tries
    }
}

/// Faults and answers of the dice, as reasons.
impl<T: Tape> Clues<'_, T> {
    pub(super) fn fault(&self, place: u32, link: Link, says: &str) -> Reason {
        let line = self.faults.get(place as usize).map(ToString::to_string).unwrap_or_default();
        Reason::new(Place::Fault(place), link, format!("{says}: {line}"))
    }

    /// An answer of the dice: the line of the schedule that gave it, where one did.
    pub(super) fn decision(&mut self, event: u64, entry: u32, link: Link, says: &str) -> Reason {
        match self.ruled(event, entry) {
            Some(place) => self.fault(place, link, says),
            None => Reason::new(Place::Decision { event, entry }, link, says.to_owned()),
        }
    }

    /// The line of the schedule that answers the question of an entry; the last of several wins.
    fn ruled(&mut self, event: u64, entry: u32) -> Option<u32> {
        if !self.faults.iter().any(|fault| matches!(fault, Fault::Decision(_))) {
            return None;
        }
        let decided = Reader::new(self.program).decided_at(event, entry, |event| self.tape.entries(event))?;
        let asks = |fault: &Fault| matches!(fault, Fault::Decision(it) if decided.is_asked_by(it, self.program));
        let place = self.faults.iter().rposition(asks)?;
        // A line that says something which this question cannot be answered with does not apply.
        let said = decided.line(self.program);
        (said.is_none() || said.as_ref() == self.faults.get(place) || decided.said == Said::Lost)
            .then_some(place as u32)
    }

    pub(super) fn chance(&mut self, event: u64, entry: u32, draw: &Draw) -> Reason {
        let node = self.node_name(event);
        let says = match draw.answer {
            Answer::Chance(true) if draw.purpose.name() == "throttle" => format!("{node} refused its own request"),
            Answer::Chance(true) => format!("at {node} a chance came true"),
            Answer::Chance(false) => format!("at {node} a chance did not come true"),
            Answer::Node(chosen) => format!("{node} chose {}", self.name(chosen)),
            Answer::Number(number) => format!("{node} picked {number}"),
            Answer::Length(_) => format!("{node} drew for {}", draw.purpose.name()),
        };
        self.decision(event, entry, Link::Chance, &says)
    }

    /// What an envelope is called that was on its way.
    fn way(&self, letter: &Letter) -> String {
        let (from, to, word) = (self.name(letter.from), self.name(letter.to), self.word(letter.kind));
        match self.edge(letter.from, letter.to) {
            Some(_) => format!("{word} from {from} to {to}"),
            None => format!("the answer of {from} to {word} of {to}"),
        }
    }

    /// Why an envelope did not arrive by some event, if it was lost: a fault, or the network by itself.
    pub(super) fn lost(&mut self, letter: &Letter, by: u64) -> Option<Reason> {
        let says = format!("{} was {}", self.way(letter), gone(letter.fate));
        match (letter.fate, letter.fault) {
            (Fate::Lost | Fate::Corrupt | Fate::Full | Fate::Refused | Fate::Reset(_) | Fate::Cut, Some(fault)) => {
                Some(self.fault(fault, Link::Lost, &says))
            }
            (Fate::Lost | Fate::Corrupt | Fate::Full | Fate::Refused | Fate::Reset(_) | Fate::Cut, None) => {
                Some(self.decision(letter.event, letter.entry, Link::Lost, &says))
            }
            (Fate::Arrives(after) | Fate::ArrivesTwice(after, _), _) => {
                let sent = self.at(letter.event);
                let due = sent + after;
                let now = if by == u64::MAX { Instant::NEVER } else { self.at(by) };
                (due < now && self.arrival(letter, by).is_none()).then(|| self.taken(letter, due, &says)).flatten()
            }
            (Fate::Held(_) | Fate::HeldTwice(..), _) => {
                let arrived = by != u64::MAX && self.arrival(letter, by).is_some();
                if arrived { None } else { self.held_up(letter) }
            }
        }
    }

    /// The fault that took an envelope which was on its way.
    fn taken(&mut self, letter: &Letter, due: Instant, says: &str) -> Option<Reason> {
        let takes = |fault: &Fault| {
            let Fault::Timed(timed) = fault else { return false };
            matches!(timed.verb, Verb::Partition { flight: Flight::Cut, .. } | Verb::Cut { flight: Flight::Cut, .. })
        };
        let mut event = letter.event;
        while let Some(step) = self.tape.step(event).filter(|step| step.at <= due) {
            if let Happening::FaultBegan { fault } = step.what
                && self.faults.get(fault as usize).is_some_and(takes)
            {
                return Some(self.fault(fault, Link::Lost, &format!("{says} on its way")));
            }
            event += 1;
        }
        None
    }

    /// The clog that held an envelope, if one did.
    fn held_up(&mut self, letter: &Letter) -> Option<Reason> {
        let fault = letter.fault.filter(|_| matches!(letter.fate, Fate::Held(_) | Fate::HeldTwice(..)))?;
        let says = format!("{} was held up on its way", self.way(letter));
        Some(self.fault(fault, Link::SlowLink, &says))
    }

    /// Why an envelope was long on its way, if it was.
    pub(super) fn slow_link(&mut self, letter: &Letter) -> Option<Reason> {
        let (length, excess) = (letter.length()?, letter.excess());
        if excess.is_zero() {
            return None;
        }
        if let Some(held) = self.held_up(letter) {
            return Some(held);
        }
        let took = format!("{} took {} on its way", self.way(letter), words::length(length));
        Some(match (letter.fault, length_of(letter.calm)) {
            (Some(fault), _) => self.fault(fault, Link::SlowLink, &took),
            (None, Some(calm)) => {
                let says = format!("{took} ({})", words::half(calm));
                self.decision(letter.event, letter.entry, Link::SlowLink, &says)
            }
            (None, None) => self.decision(letter.event, letter.entry, Link::SlowLink, &took),
        })
    }

    /// Why an envelope arrived twice.
    pub(super) fn doubled(&mut self, letter: &Letter) -> Reason {
        let says = format!("{} was delivered twice", self.way(letter));
        let (from, to) = (self.name(letter.from), self.name(letter.to));
        let doubles = |fault: &Fault| {
            let Fault::Timed(timed) = fault else { return false };
            matches!(&timed.verb, Verb::Duplicate { link, .. } if link.covers(&from, &to))
        };
        // Of a delay that came on top, the entry names the delay.
        let blamed = letter.fault.filter(|fault| self.faults.get(*fault as usize).is_some_and(doubles));
        let other = || self.faults.iter().position(doubles).map(|place| place as u32);
        match letter.fault.and_then(|_| blamed.or_else(other)) {
            Some(fault) => self.fault(fault, Link::Repeated, &says),
            None => self.decision(letter.event, letter.entry, Link::Repeated, &says),
        }
    }

    /// The fault that took a node down, looked for from an event backwards.
    pub(super) fn down_by(&mut self, node: NodeId, event: u64) -> Option<Reason> {
        for number in (1..=event).rev() {
            let Some(step) = self.tape.step(number) else { continue };
            match step.what {
                Happening::FaultBegan { fault } if self.strikes(number, node) => {
                    return Some(self.fault(fault, Link::Down, &format!("{} was down", self.name(node))));
                }
                Happening::Started { node: up, .. } if up == node => return None,
                Happening::Stopping { .. } | Happening::Killed { .. } if self.strikes(number, node) => {
                    let words = format!("{} was down: {}", self.name(node), self.told(number));
                    return Some(Reason::new(Place::Event(number), Link::Down, words));
                }
                _ => {}
            }
        }
        None
    }

    /// Whether a node went down in an event.
    pub(super) fn strikes(&mut self, event: u64, node: NodeId) -> bool {
        self.tape.entries(event).iter().any(|entry| matches!(entry, Entry::Down { node: struck } if *struck == node))
    }
}
