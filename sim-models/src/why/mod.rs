//! Why: from a violation one causal step back at a time, until a fault, an answer of the dice, or a beginning.
//!
//! A reason is always something that is there: an event, a line of the schedule, a draw. What did not happen has reasons too: an
//! answer that never came was lost, was late, or was waited for by somebody else. Nothing here knows a scenario; it reads a kept
//! run, its notes and the names of the program, and [`prove_link`] tests by replay what it says.

mod answer;
mod clues;
mod proof;
mod tape;
#[cfg(test)]
mod tests;
mod words;

use sim_core::{Fault, Happening, Instant, NodeId, Operation, Step};

use self::clues::Clues;
pub use self::proof::{LinkProof, prove_link};
pub use self::tape::{Retelling, Tape};
use crate::judge::{Reading, Source, Violation};
use crate::message::{Counted, EdgeCounted, Note, Tone};
use crate::program::{Ask, FactRef, MapRef, Measure, Program};
use crate::value::Value;

/// Something that can be asked about, or be the reason of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The violation at hand: where a walk begins.
    Violation,
    /// An event.
    Event(u64),
    /// A line of the schedule, by its place there. Nothing is behind it.
    Fault(u32),
    /// An answer of the dice, or of the network: what it is stands among the entries of that event. Nothing is behind it.
    Decision {
        /// In which event it came up.
        event: u64,
        /// Its place among the entries of the event, from 0.
        entry: u32,
    },
    /// An initial condition: with this event an operation begins, a clock goes, or the run starts. Nothing is behind it.
    Beginning {
        /// The event.
        event: u64,
    },
}

impl Place {
    /// Whether nothing is behind it.
    pub fn is_root(self) -> bool {
        matches!(self, Place::Fault(_) | Place::Decision { .. } | Place::Beginning { .. })
    }

    /// The event it stands in, if it is or stands in one.
    pub fn event(self) -> Option<u64> {
        match self {
            Place::Event(event) | Place::Decision { event, .. } | Place::Beginning { event } => Some(event),
            Place::Violation | Place::Fault(_) => None,
        }
    }

    /// Whether it is earlier than an event, or a root: what a reason has to be.
    fn is_before(self, event: u64) -> bool {
        self.is_root() || self.event().is_some_and(|it| it < event)
    }
}

/// How something follows from its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// What was read had its value from there.
    Value,
    /// A message came because it was sent there.
    Sent,
    /// A message came because somebody asked once more, or because it was delivered twice.
    Repeated,
    /// A timer went off, or the disk answered, because of what was asked for there.
    Timer,
    /// The node had handled that before: its state was made there.
    ProgramOrder,
    /// A message never arrived.
    Lost,
    /// A message was long on its way.
    SlowLink,
    /// Work, or a wait, took long.
    SlowWork,
    /// It stood in line, or waited for somebody else.
    InLine,
    /// A node was down, or came up again.
    Down,
    /// A chance came out so.
    Chance,
    /// It is a line of the schedule.
    Schedule,
    /// It began there.
    Began,
}

/// A direct reason of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What the reason is.
    pub place: Place,
    /// How the other follows from it.
    pub link: Link,
    /// What happened there, in the names of the scenario; a sentence without its full stop.
    pub words: String,
}

impl Reason {
    fn new(place: Place, link: Link, words: String) -> Reason {
        Reason { place, link, words }
    }
}

/// The direct reasons of something, the most telling first. Only a root has none; each is a root or an earlier event.
///
/// `faults` is the schedule of the run, `violation` what [`Place::Violation`] stands for.
pub fn why(
    tape: &mut impl Tape,
    program: &Program,
    faults: &[Fault],
    violation: Option<&Violation>,
    from: Place,
) -> Vec<Reason> {
    let mut clues = Clues::new(tape, program, faults);
    let mut reasons = match (from, violation) {
        (Place::Violation, Some(violation)) => clues.violated(violation),
        (Place::Event(event), _) => clues.event(event),
        (Place::Violation, None) | (Place::Fault(_) | Place::Decision { .. } | Place::Beginning { .. }, _) => {
            Vec::new()
        }
    };
    let before = if let Place::Event(event) = from { event } else { u64::MAX };
    reasons.retain(|reason| reason.place.is_before(before));
    each_place_once(reasons)
}

/// The first reason of the violation, the first reason of that, and so on: the last is a root.
pub fn walk(tape: &mut impl Tape, program: &Program, faults: &[Fault], violation: &Violation) -> Vec<Reason> {
    let mut walked: Vec<Reason> = Vec::new();
    let mut from = Place::Violation;
    while !from.is_root() {
        let Some(reason) = why(tape, program, faults, Some(violation), from).into_iter().next() else { break };
        // Each step is strictly earlier than the one before, so that no walk is longer than the run.
        debug_assert!(from.event().is_none_or(|event| reason.place.is_before(event)), "{from:?}: {reason:?}");
        from = reason.place;
        walked.push(reason);
    }
    walked
}

fn each_place_once(reasons: Vec<Reason>) -> Vec<Reason> {
    let mut kept: Vec<Reason> = Vec::new();
    for reason in reasons {
        if kept.iter().all(|known| known.place != reason.place) {
            kept.push(reason);
        }
    }
    kept
}

/// Reasons of violations and of events.
impl<T: Tape> Clues<'_, T> {
    /// The events that made what was read, the last first; of what did not happen, what kept it from happening.
    fn violated(&mut self, violation: &Violation) -> Vec<Reason> {
        let mut made: Vec<(u64, &Reading)> = Vec::new();
        for reading in &violation.read {
            made.extend(reading.events.iter().map(|event| (*event, reading)));
        }
        // What came of trouble tells more than what was bound to come, and then the last that made it so. Of one event that made
        // several values, the one that is read first tells most.
        let mut troubled: Vec<u64> = made.iter().map(|(event, _)| *event).collect();
        troubled.retain(|event| self.comes_of_trouble(*event));
        made.sort_by_key(|(event, _)| (!troubled.contains(event), std::cmp::Reverse(*event)));
        let made: Vec<Reason> =
            made.into_iter().map(|(event, reading)| self.reading(violation, event, reading)).collect();
        let mut reasons = Vec::new();
        let broke_at = self.at(violation.event);
        if violation.at > broke_at {
            reasons.extend(self.nothing_more(violation));
        }
        reasons.extend(made);
        let counted = self.last_counted(violation);
        let is_counted = counted.is_some();
        reasons.extend(counted);
        if reasons.is_empty() || self.is_about_the_run(violation) && !is_counted {
            reasons.extend(self.last_trouble(violation.event));
        }
        let words = format!("it was so when {}", self.told(violation.event));
        reasons.push(Reason::new(Place::Event(violation.event), Link::Value, words));
        reasons
    }

    /// Of a sum or count over all keys, the last event that changed it.
    fn last_counted(&mut self, violation: &Violation) -> Option<Reason> {
        let counted = violation.read.iter().map(|reading| (reading, self.facts_of(reading)));
        let (reading, facts) = counted.into_iter().find(|(_, facts)| !facts.is_empty())?;
        for number in (1..=violation.event).rev() {
            let notes = self.tape.notes(number);
            if notes.iter().any(|note| matches!(note, Note::Fact(fact, ..) if facts.contains(fact))) {
                let words = format!("the last that counted: {}, which makes {reading}", self.told(number));
                return Some(Reason::new(Place::Event(number), Link::Value, words));
            }
        }
        None
    }

    /// The facts that a value over all keys is made of: a total, or a metric that looks at each key.
    fn facts_of(&self, reading: &Reading) -> Vec<FactRef> {
        match reading.source {
            Source::Total(fact) => vec![fact],
            Source::Run => {
                let metric = self.program.metrics.iter().find(|metric| metric.name == reading.name);
                metric.map_or_else(Vec::new, |metric| match &metric.measure {
                    Measure::Count(of)
                    | Measure::Sum(of, _)
                    | Measure::Max(of, _)
                    | Measure::Min(of, _)
                    | Measure::Mean(of, _)
                    | Measure::Percentile(_, of, _) => of.facts.clone(),
                    Measure::Gap(fact) => vec![*fact],
                    Measure::Value(_) | Measure::Rate(_) | Measure::First(_) | Measure::Peak(_) => Vec::new(),
                })
            }
            Source::Fact(_) | Source::Instant(_) | Source::Cell(..) | Source::Requests => Vec::new(),
        }
    }

    /// Whether the first reasons of an event lead to a fault or to an answer of the dice.
    fn comes_of_trouble(&mut self, event: u64) -> bool {
        let mut from = Place::Event(event);
        while let Place::Event(event) = from {
            let reason = self.event(event).into_iter().find(|reason| reason.place.is_before(event));
            let Some(reason) = reason else { return false };
            from = reason.place;
        }
        matches!(from, Place::Fault(_) | Place::Decision { .. })
    }

    fn reading(&mut self, violation: &Violation, event: u64, reading: &Reading) -> Reason {
        let node = self.node_name(event);
        let whose = self.key(violation).map(|key| format!(" for {key}")).unwrap_or_default();
        let words = match &reading.source {
            Source::Fact(fact) | Source::Instant(Some(fact)) | Source::Total(fact) => {
                let name = &self.program.facts[fact.0 as usize].name;
                let count = reading.value.as_f64().unwrap_or_default();
                let is_first = reading.events.first() == Some(&event);
                let time = match (&reading.source, is_first) {
                    (Source::Fact(_), false) => format!(" the {} time", words::ordinal(count as u64)),
                    (Source::Fact(_), true) if count > 1.0 => " the first time".to_owned(),
                    _ => String::new(),
                };
                let since = if gave_up(&self.tape.notes(event)).is_empty() { String::new() } else { self.told(event) };
                let since = if since.is_empty() { since } else { format!(": {since}") };
                format!("{node} recorded {name}{whose}{time}{since}")
            }
            Source::Cell(..) => format!("{node} made it so: {reading}"),
            Source::Run => {
                let whose = self.tape.step(event).and_then(|step| self.operation(step.cause.operation));
                let counts = whose.map(|whose| format!(" {whose} counts")).unwrap_or_default();
                format!("from here on{counts}: {reading}")
            }
            Source::Instant(None) | Source::Requests => format!("from here on: {reading}"),
        };
        Reason::new(Place::Event(event), Link::Value, words)
    }

    /// The key that was violated, as people write it.
    fn key(&self, violation: &Violation) -> Option<String> {
        let key = violation.key.as_ref()?;
        Some(match violation.class {
            Some(class) => format!("{}/{key}", self.program.classes[class.0 as usize]),
            None => key.to_string(),
        })
    }

    fn is_about_the_run(&self, violation: &Violation) -> bool {
        let property = self.program.properties.iter().find(|property| property.name == violation.property);
        property.is_some_and(|it| matches!(it.ask, Ask::Availability { .. } | Ask::Latency { .. } | Ask::AtEnd(_)))
    }

    /// What did not happen in time has not because something was lost, or because of what happened last for its operation.
    fn nothing_more(&mut self, violation: &Violation) -> Vec<Reason> {
        let Some(operation) = operation_of(violation) else { return Vec::new() };
        let (mut last, mut lost) = (violation.event, None);
        let mut number = violation.event;
        while let Some(step) = self.tape.step(number).filter(|step| step.at <= violation.at) {
            if step.cause.operation == operation {
                last = number;
            }
            let letters = self.letters(number).into_iter().filter(|letter| letter.cause.operation == operation);
            for letter in letters.collect::<Vec<_>>() {
                lost = self.lost(&letter, u64::MAX).or(lost);
            }
            number += 1;
        }
        let of = self.operation(operation).unwrap_or_default();
        let words = format!("the last that happened for {of}: {}", self.told(last));
        lost.into_iter().chain([Reason::new(Place::Event(last), Link::ProgramOrder, words)]).collect()
    }

    /// What is true of the run as a whole is told by what went wrong in it last.
    fn last_trouble(&mut self, from: u64) -> Option<Reason> {
        for number in (1..=from).rev() {
            let Some(step) = self.tape.step(number) else { continue };
            if let Happening::FaultBegan { fault } = step.what {
                return Some(self.fault(fault, Link::Schedule, "the run had trouble"));
            }
            let failed = |note: &Note| matches!(note, Note::Finished { tone, .. } if *tone != Tone::Ok);
            if self.tape.notes(number).iter().any(failed) {
                let words = format!("the last that failed: {}", self.told(number));
                return Some(Reason::new(Place::Event(number), Link::Value, words));
            }
        }
        None
    }

    fn event(&mut self, number: u64) -> Vec<Reason> {
        let Some(step) = self.tape.step(number) else { return Vec::new() };
        let mut reasons = self.turned_away(&step);
        reasons.extend(match step.what {
            Happening::FaultBegan { fault } => vec![self.fault(fault, Link::Schedule, "the schedule says so")],
            Happening::FaultEnded { fault } => vec![self.fault(fault, Link::Schedule, "its time is over")],
            Happening::Started { node, life } => self.started(&step, node, life),
            Happening::Delivered { .. } => self.delivered(&step),
            Happening::Undelivered { to, .. } => self.of_down(&step, to),
            Happening::Refused { by, .. } | Happening::Reset { by, .. } => self.of_down(&step, by),
            Happening::Fired { node, .. } => self.fired(&step, node),
            Happening::Synced { .. } => self.asked_for(&step),
            Happening::Stopping { .. } | Happening::Killed { .. } => self.told_to_stop(&step),
            Happening::Lapsed { .. } => self.lapsed(&step),
        });
        reasons.extend(self.chances(&step));
        reasons.extend(self.cells(&step));
        reasons.extend(self.program_order(&step));
        reasons
    }

    fn started(&mut self, step: &Step, node: NodeId, life: u32) -> Vec<Reason> {
        let ended = step.by.and_then(|by| self.tape.step(by));
        if let Some(Happening::FaultEnded { fault }) = ended.map(|step| step.what) {
            let said = format!("{} came up again when this was over", self.name(node));
            return vec![self.fault(fault, Link::Down, &said)];
        }
        let words = format!("{} starts with the run, in life {life}", self.name(node));
        vec![Reason::new(Place::Beginning { event: step.number }, Link::Began, words)]
    }

    /// The fault that asked a node to stop.
    fn told_to_stop(&mut self, step: &Step) -> Vec<Reason> {
        let asked = step.by.and_then(|by| self.tape.step(by));
        match asked.map(|step| step.what) {
            Some(Happening::FaultBegan { fault }) => vec![self.fault(fault, Link::Down, "it was asked to stop")],
            Some(Happening::Lapsed { .. }) => {
                let by = step.by.unwrap_or_default();
                vec![Reason::new(Place::Event(by), Link::Down, self.told(by))]
            }
            _ => Vec::new(),
        }
    }

    /// What the platform of a node heard last before it found it unfit.
    fn lapsed(&mut self, step: &Step) -> Vec<Reason> {
        let Some(by) = step.by else { return Vec::new() };
        vec![Reason::new(Place::Event(by), Link::Down, self.told(by))]
    }

    /// Whoever finds nobody: the fault that took the node down, and who sent there.
    fn of_down(&mut self, step: &Step, node: NodeId) -> Vec<Reason> {
        let fault = self.down_by(node, step.number);
        let mut reasons: Vec<Reason> = fault.into_iter().collect();
        reasons.extend(self.asked_for(step));
        reasons
    }

    fn delivered(&mut self, step: &Step) -> Vec<Reason> {
        let Some(by) = step.by else { return Vec::new() };
        let sent = self.sent_by(step, by);
        let letters = self.letters(by);
        let Happening::Delivered { from, to, kind } = step.what else { return vec![sent] };
        if let Some(letter) = letters.iter().find(|letter| letter.cause == step.cause) {
            return std::iter::once(sent).chain(self.slow_link(letter)).collect();
        }
        // It is the second copy of one that was sent once.
        let is_it =
            |letter: &&clues::Letter| (letter.from, letter.to, letter.kind) == (from, to, kind) && letter.is_twice();
        let twice = letters.iter().find(is_it).map(|letter| self.doubled(letter));
        twice.into_iter().chain([sent]).collect()
    }

    fn fired(&mut self, step: &Step, node: NodeId) -> Vec<Reason> {
        let notes = self.tape.notes(step.number);
        if notes.iter().any(|note| matches!(note, Note::Requested { .. })) {
            let words = format!("{} begins {}", self.name(node), self.operation_words(step.cause.operation));
            return vec![Reason::new(Place::Beginning { event: step.number }, Link::Began, words)];
        }
        if self.is_clock(step, node) {
            let words = format!("the clock of {} goes, as it always does", self.name(node));
            return vec![Reason::new(Place::Beginning { event: step.number }, Link::Began, words)];
        }
        let mut reasons = self.no_answer(step, node);
        reasons.extend(self.asked_for(step));
        reasons
    }

    /// Who set a timer or asked the disk; where the node did that in its turn, after somebody else, when it got the request.
    fn asked_for(&mut self, step: &Step) -> Vec<Reason> {
        let Some(by) = step.by else { return Vec::new() };
        if matches!(step.what, Happening::Undelivered { .. } | Happening::Refused { .. } | Happening::Reset { .. }) {
            let words = self.told(by);
            return vec![Reason::new(Place::Event(by), Link::Sent, words)];
        }
        let own = self.own(by, step.cause.operation, step);
        let worked = self.worked(by, step.cause.operation).map(|it| format!(", and {it}")).unwrap_or_default();
        let words = format!("{}{worked}", self.told(own.unwrap_or(by)));
        match own {
            Some(own) if own != by => {
                let turn = format!("it had its turn when {}", self.told(by));
                vec![
                    Reason::new(Place::Event(own), Link::Timer, words),
                    Reason::new(Place::Event(by), Link::InLine, turn),
                ]
            }
            _ => vec![Reason::new(Place::Event(by), Link::Timer, words)],
        }
    }

    fn sent_by(&mut self, step: &Step, by: u64) -> Reason {
        let (words, again) = self.sending(step, by);
        let own = self.own(by, step.cause.operation, step).unwrap_or(by);
        if self.tape.notes(own).iter().any(|note| matches!(note, Note::Requested { .. })) {
            return Reason::new(Place::Beginning { event: own }, Link::Began, words);
        }
        Reason::new(Place::Event(own), if again { Link::Repeated } else { Link::Sent }, words)
    }

    /// A node that found nobody listed to ask, or no place in line, did what it did because of that.
    fn turned_away(&mut self, step: &Step) -> Vec<Reason> {
        let (number, notes) = (step.number, self.tape.notes(step.number));
        let refused = notes.iter().find_map(|note| match note {
            Note::Count(node, Counted::Refused) => Some(*node),
            _ => None,
        });
        if let Some(callee) = refused.filter(|_| !matches!(step.what, Happening::Refused { .. })) {
            let replicas = self.program.node(callee).replicas.clone();
            return replicas.into_iter().filter_map(|node| self.down_by(node, number)).collect();
        }
        let full = notes.iter().any(|note| matches!(note, Note::Count(_, Counted::Overloaded)));
        match step.node() {
            Some(node) if full => self.occupant(node, step.cause.operation, number).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn chances(&mut self, step: &Step) -> Vec<Reason> {
        let odd = self.draws(step.number).into_iter().filter(|(_, draw)| {
            let is_chance = matches!(draw.answer, sim_core::Answer::Chance(_) | sim_core::Answer::Node(_));
            is_chance && draw.answer != draw.calm
        });
        let odd: Vec<_> = odd.collect();
        odd.into_iter().map(|(entry, draw)| self.chance(step.number, entry, &draw)).collect()
    }

    /// Where a cell was changed: who had changed it before. Where a store answered: what had changed there last.
    fn cells(&mut self, step: &Step) -> Option<Reason> {
        let changed = self.tape.notes(step.number).into_iter().find_map(|note| match note {
            Note::Cell { map, key, .. } => Some((map, key)),
            _ => None,
        });
        let is_store = self.program.store(self.declared(step.node()?)).is_some();
        let answers = is_store && !self.letters(step.number).is_empty();
        if changed.is_none() && !answers {
            return None;
        }
        let farthest = step.number.saturating_sub(answer::FARTHEST);
        let mut event = step.before;
        while let Some(earlier) = event.filter(|event| *event > farthest).and_then(|event| self.tape.step(event)) {
            let found = self.tape.notes(earlier.number).into_iter().find_map(|note| match note {
                Note::Cell { map, key, value } => {
                    let is_it = changed.as_ref().is_none_or(|(of, at)| (*of, at) == (map, &key));
                    is_it.then_some((map, key, value))
                }
                _ => None,
            });
            if let Some((map, key, value)) = found {
                let words = format!("{}[{key}] was {value}, since {}", self.map(map), self.told(earlier.number));
                return Some(Reason::new(Place::Event(earlier.number), Link::Value, words));
            }
            event = earlier.before;
        }
        None
    }

    /// A map as properties name it.
    fn map(&self, map: MapRef) -> String {
        let def = self.program.map(map);
        format!("{}.{}", self.program.node(def.owner).name, def.name)
    }

    fn program_order(&mut self, step: &Step) -> Option<Reason> {
        let before = step.before?;
        let words = format!("before that, {}", self.told(before));
        Some(Reason::new(Place::Event(before), Link::ProgramOrder, words))
    }

    pub(super) fn at(&mut self, event: u64) -> Instant {
        self.tape.step(event).map_or(Instant::ZERO, |step| step.at)
    }
}

/// The operation that a violation is about, where its key is the number of one.
fn operation_of(violation: &Violation) -> Option<Operation> {
    match (violation.class, &violation.key) {
        (Some(class), Some(Value::Int(number))) => Some(Operation::new(class, u64::try_from(*number).ok()?)),
        _ => None,
    }
}

/// Whether a timer that went off was a wait for an answer: what it notes of the callee nobody knows.
fn gave_up(notes: &[Note]) -> Vec<crate::program::EdgeRef> {
    let edges = notes.iter().filter_map(|note| match note {
        Note::Edge(edge, EdgeCounted::Outcome(Tone::Unknown, _)) => Some(*edge),
        _ => None,
    });
    edges.collect()
}
