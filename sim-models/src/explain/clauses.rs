//! The story of a failing run as clauses, each of which names the event it speaks of.

use std::collections::BTreeMap;

use serde::Serialize;
use sim_core::{Duration, Fate, Happening, NodeId, Operation, Step};

use super::rounds::round_by_round;
use super::{Belief, Story};
use crate::decided::{Decided, Question, Said};
use crate::message::Tone;
use crate::narrate::{Moment, Settled, What};
use crate::shrink::rounded;

/// One thing that is said of a run, and the event it is said of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// The words, a sentence without its full stop.
    pub text: String,
    /// The number of the event.
    pub event: u64,
    /// When that happened.
    #[serde(rename = "at_ns")]
    pub at: u64,
    /// Where; empty for a fault.
    pub node: String,
    /// The values that the words name, by name: what a replay of the event must show.
    pub values: BTreeMap<String, String>,
}

/// Tells the story in order; first what is broken.
pub(super) fn tell(story: &Story<'_>, moments: &[Moment], beliefs: &[Belief], detail: &str) -> Vec<Clause> {
    let mut teller = Teller { story, asked: Vec::new(), told: Vec::new() };
    for moment in moments {
        teller.moment(moment);
    }
    // What is lost of somebody who has a part in it is told already.
    let lost = |event: u64| {
        moments.iter().any(|it| {
            it.event == event && matches!(it.what, What::Sent { fate, .. } if fate != Fate::Cut && fate.is_lost())
        })
    };
    let is_told = |it: &Decided| matches!(it.said, Said::Lost | Said::Refused) && lost(it.event);
    let odd = story.decided.iter().filter(|it| it.is_odd() && !is_told(it));
    let odd = odd.map(|it| teller.odd(it));
    let believed = beliefs.iter().map(|belief| teller.belief(belief));
    let faults = story.trace().steps().iter().filter_map(|step| teller.fault(step));
    let rest: Vec<(u8, Clause)> = odd.chain(believed).chain(faults).collect();
    let mut told = teller.told;
    told.extend(rest);
    told.sort_by_key(|(rank, clause)| (clause.event, *rank));
    let told: Vec<Clause> = told.into_iter().map(|(_, clause)| clause).collect();
    let mut clauses = vec![opening(story, detail)];
    let counted = |last: &Clause, text| Clause { text, values: BTreeMap::new(), ..last.clone() };
    clauses.extend(round_by_round(&told, |it| (it.node.clone(), whichever_time(&it.text)), counted));
    clauses
}

/// The words of a clause without the how-manieth time it is.
fn whichever_time(text: &str) -> String {
    match text.rsplit_once(", for the ") {
        Some((said, time)) if time.ends_with(" time") => said.replace(" again: ", ": "),
        _ => text.to_owned(),
    }
}

/// What is broken, and by which event.
fn opening(story: &Story<'_>, detail: &str) -> Clause {
    let failure = story.record.failure.as_ref();
    let property = failure.and_then(|failure| failure.property.as_deref()).unwrap_or("the run");
    let verdict = failure.map_or(story.record.outcome.verdict, |failure| failure.verdict);
    let step = story.trace().step(story.event);
    let node = step.and_then(Step::node).map(|node| story.name(node)).unwrap_or_default();
    let read = story.record.violation.iter().flat_map(|violation| &violation.read);
    let values = read.map(|reading| reading.to_string()).filter_map(|text| {
        let (name, value) = text.rsplit_once(' ')?;
        Some((name.to_owned(), value.to_owned()))
    });
    let says = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    Clause {
        text: format!("\"{property}\" is {verdict}{says}"),
        event: story.event,
        at: story.at(story.event).nanos(),
        node,
        values: values.collect(),
    }
}

struct Teller<'a, 's> {
    story: &'a Story<'s>,
    /// Who has asked whom for what, for whom.
    asked: Vec<(NodeId, NodeId, String, Operation)>,
    /// Clauses, with their rank among those of one event.
    told: Vec<(u8, Clause)>,
}

/// In one event: what arrives, what is drawn, what happens, what is believed.
const ARRIVES: u8 = 0;
const HAPPENS: u8 = 1;
const DRAWN: u8 = 2;
const BELIEVED: u8 = 3;

impl Teller<'_, '_> {
    fn clause(&self, event: u64, node: String, text: String, values: &[(&str, String)]) -> Clause {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Clause { text, event, at: self.story.at(event).nanos(), node, values }
    }

    fn moment(&mut self, moment: &Moment) {
        let nth = self.nth(moment);
        let Some(text) = moment.sentence(nth, &|node| self.story.name(node)) else { return };
        let values = match &moment.what {
            What::Fact { name, count, .. } => vec![(name.as_str(), count.to_string())],
            What::Cell { map, key, value } => vec![("cell", format!("{map}[{key}]")), ("value", value.clone())],
            What::Learnt { name, value, .. } => vec![(name.as_str(), value.clone())],
            What::Outcome(tone) => vec![("outcome", tone.word().to_owned())],
            _ => Vec::new(),
        };
        let rank = if matches!(moment.what, What::Arrived { .. }) { ARRIVES } else { HAPPENS };
        let clause = self.clause(moment.event, self.story.name(moment.node), text, &values);
        self.told.push((rank, clause));
    }

    /// The how-manieth time that a request of its kind comes this way for its operation.
    fn nth(&mut self, moment: &Moment) -> usize {
        let What::Arrived { from, word, answer: false, .. } = &moment.what else { return 0 };
        let of = self.story.trace().step(moment.event).map_or(Operation::NONE, |step| step.cause.operation);
        self.asked.push((*from, moment.node, word.clone(), of));
        let last = self.asked.last();
        self.asked.iter().filter(|one| Some(*one) == last).count()
    }

    /// An answer that is not the default.
    fn odd(&self, it: &Decided) -> (u8, Clause) {
        let program = self.story.program;
        let declared = |node: u16| program.nodes[node as usize].name.clone();
        let (node, text) = match it.question {
            Question::Draw { node, purpose, .. } => (declared(node), drawn(&declared(node), purpose, it, self.story)),
            Question::Envelope { from, to, kind, nth, .. } => {
                let kind = &program.kinds[kind.0 as usize];
                let which = if nth > 1 { format!("{kind} #{nth}") } else { kind.clone() };
                let way = format!("{which} from {} to {}", declared(from), declared(to));
                let text = match it.said {
                    Said::Lost => format!("{way} is lost"),
                    Said::Refused => format!("{way} is refused"),
                    Said::Altered(..) => format!("{way} is altered on its way, and nobody sees it"),
                    Said::Twice(second) => format!("{way} arrives twice, the second time after {second}"),
                    Said::Late(after) => format!("{way} takes {after} on its way{}", usual(it.calm)),
                    _ => format!("{way} is as the case says"),
                };
                (declared(from), text)
            }
        };
        // Where there is only one operation, everything is for it.
        let whose = story_of(self.story, it.question.operation());
        let text = format!("{text}{whose}");
        let line = it.line(program).map(|line| line.to_string()).unwrap_or_default();
        (DRAWN, self.clause(it.event, node, text, &[("line", line)]))
    }

    fn belief(&self, belief: &Belief) -> (u8, Clause) {
        let since = belief.since.map(|since| format!(" (#{since})")).unwrap_or_default();
        let text = format!("{} believes that {}; in truth {}{since}", belief.node, belief.believed, belief.truth);
        let values = belief.since.map(|since| ("since", since.to_string()));
        (BELIEVED, self.clause(belief.event, belief.node.clone(), text, values.as_slice()))
    }

    fn fault(&self, step: &Step) -> Option<(u8, Clause)> {
        let (place, verb) = match step.what {
            Happening::FaultBegan { fault } => (fault, "begins"),
            Happening::FaultEnded { fault } => (fault, "ends"),
            _ => return None,
        };
        let line = self.story.model.faults().get(place as usize)?.to_string();
        let text = format!("the fault {verb}: {line}");
        Some((ARRIVES, self.clause(step.number, String::new(), text, &[("fault", line)])))
    }
}

/// For whom something was drawn or sent, where that is not clear.
fn story_of(story: &Story<'_>, operation: Operation) -> String {
    if story.operations.len() == 1 && story.operations.contains(&operation) {
        return String::new();
    }
    story.operation(operation).map(|of| format!(", for {of}")).unwrap_or_default()
}

/// What a node drew, in words.
fn drawn(node: &str, purpose: &str, it: &Decided, story: &Story<'_>) -> String {
    match (it.said, purpose) {
        (Said::Length(length), "work") => format!("{node} takes {length} for its work{}", usual(it.calm)),
        (Said::Length(length), "wait") => format!("{node} waits {length}{}", usual(it.calm)),
        (Said::Length(length), "think") => format!("a user of {node} thinks {length}{}", usual(it.calm)),
        (Said::Length(length), "arrival") => {
            let gaps = |length: Duration| format!("{:.3}", length.as_secs_f64());
            let calm = match it.calm {
                Said::Length(calm) => format!(" instead of {}", gaps(calm)),
                _ => String::new(),
            };
            format!("{node} begins it {} of the mean gap after the one before{calm}", gaps(length))
        }
        (Said::Length(length), "jitter") => format!("{node} waits {length} before it tries again{}", usual(it.calm)),
        (Said::Length(length), purpose) => format!("{node} draws {length} for {purpose}{}", usual(it.calm)),
        (Said::Chance(true), "throttle") => format!("{node} refuses its own request"),
        (Said::Chance(false), "throttle") => format!("{node} does not refuse its own request"),
        (Said::Chance(true), _) => format!("at {node} a chance comes true"),
        (Said::Chance(false), _) => format!("at {node} a chance does not come true"),
        (Said::Node(chosen), _) => format!("{node} chooses {}", story.name(chosen)),
        (Said::Number(number), "number") => format!("{node} picks {number}"),
        _ => format!("{node} draws for {purpose}"),
    }
}

/// What the default would have been.
fn usual(calm: Said) -> String {
    match calm {
        Said::Length(length) | Said::Late(length) => format!(" instead of {}", rounded(length, 3)),
        _ => String::new(),
    }
}

impl Tone {
    /// What is said of an outcome.
    pub const fn word(self) -> &'static str {
        match self {
            Tone::Ok => "ok",
            Tone::Error => "failed",
            Tone::Unknown => "nobody knows",
        }
    }
}

impl Settled {
    /// What a store does with its promise, behind its name.
    const fn sentence(self) -> &'static str {
        match self {
            Settled::Committed => "commits it",
            Settled::Aborted => "aborts it",
            Settled::Alone => "has waited long enough, and rolls it back alone",
            Settled::AloneCommit => "has waited long enough, and commits it alone",
        }
    }
}

impl Moment {
    /// The moment as a sentence without its full stop; `nth` is the how-manieth time that a request of its kind comes this way.
    /// None for what the moments around it say anyway.
    pub fn sentence(&self, nth: usize, name: &dyn Fn(NodeId) -> String) -> Option<String> {
        let here = name(self.node);
        Some(match &self.what {
            What::Arrived { from, word, answer: false, .. } if nth > 1 => {
                format!("{} asks {here} again: {word}, for the {} time", name(*from), ordinal(nth))
            }
            What::Arrived { from, word, answer: false, .. } => format!("{} asks {here}: {word}", name(*from)),
            What::Arrived { from, word, late: true, .. } => {
                format!("the answer of {} to {word} comes to {here}, where nobody waits for it any more", name(*from))
            }
            What::Sent { to, word, fate: Fate::Refused, .. } => {
                format!("what {here} says to {} is refused: {word}", name(*to))
            }
            What::Sent { to, word, fate, .. } if fate.is_lost() => {
                format!("what {here} says to {} is lost: {word}", name(*to))
            }
            What::Fact { name, undone: true, count: 0 } => format!("{here} takes back: {name}"),
            What::Fact { name, undone: true, count } => format!("{here} takes back: {name}, which makes {count}"),
            What::Fact { name, undone: false, count: 1 } => format!("{here} records: {name}"),
            What::Fact { name, undone: false, count } => {
                format!("{here} records once more: {name}, which makes {count}")
            }
            What::Cell { map, key, value } => format!("{map}[{key}] becomes {value}"),
            What::Learnt { name, value, whose } => {
                let whose = whose.as_ref().map(|whose| format!(" for {whose}")).unwrap_or_default();
                format!("{here} has read {name} = {value}{whose}")
            }
            What::TimedOut { callee, again: true } => {
                format!("{here} has no answer from {} in time and tries again", name(*callee))
            }
            What::TimedOut { callee, again: false } => {
                format!("{here} has no answer from {} in time and gives up", name(*callee))
            }
            What::Outcome(tone) => format!("{here} has its outcome: {}", tone.word()),
            What::Failed { callee } => format!("{here} learns that nobody answers at {}", name(*callee)),
            What::TurnedAway => format!("{here} turns it away"),
            What::Promised => format!("{here} promises it"),
            What::Settled(settled) => format!("{here} {}", settled.sentence()),
            What::Mixed => format!("{here} learns that a store has decided otherwise"),
            What::Sent { .. } | What::Arrived { .. } => return None,
        })
    }
}

fn ordinal(n: usize) -> String {
    match n {
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        n => format!("{n}th"),
    }
}
