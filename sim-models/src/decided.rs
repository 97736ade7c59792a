//! The questions that were answered in a recorded run, each as the line of a case that would answer it so.
//!
//! A line names who, what, for which operation and the how-manieth; it never names a seed. Ordinals are counted over the whole
//! run, as a replay counts them.

use std::collections::BTreeMap;

use sim_core::fault::Decision;
use sim_core::{Answer, Draw, Duration, Entry, Fate, Fault, Form, Kind, NodeId, Operation, Trace};

use crate::message::Msg;
use crate::program::Program;

/// One question, its answer, and the answer that calm would give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The event in which it came up.
    pub event: u64,
    /// What was asked.
    pub question: Question,
    /// What was answered.
    pub said: Said,
    /// What calm answers: the default.
    pub calm: Said,
}

/// What can be asked; nodes by the place of their declaration, whose dice they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// What a draw gives.
    Draw {
        /// Who draws.
        node: u16,
        /// What for.
        purpose: &'static str,
        /// For which operation.
        operation: Operation,
        /// The how-manieth of those, from 1.
        nth: u32,
    },
    /// What becomes of an envelope.
    Envelope {
        /// Who sends.
        from: u16,
        /// To whom.
        to: u16,
        /// What.
        kind: Kind,
        /// For which operation.
        operation: Operation,
        /// The how-manieth of those, from 1.
        nth: u32,
    },
}

/// An answer that a line can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// A length of time.
    Length(Duration),
    /// Whether it happens.
    Chance(bool),
    /// One of several nodes.
    Node(NodeId),
    /// It arrives after so long.
    Late(Duration),
    /// It arrives, and a copy after so long.
    Twice(Duration),
    /// It is lost.
    Lost,
    /// It comes back unread.
    Refused,
    /// It is altered by these random bits, unseen, and arrives after so long.
    Altered(u64, Duration),
    /// A fault of the schedule cuts it.
    Cut,
    /// A number.
    Number(u64),
}

/// All questions of a recorded run, in order.
pub fn decided(trace: &Trace<Msg>, program: &Program) -> Vec<Decided> {
    let mut reader = Reader::new(program);
    let steps = trace.steps().iter();
    let of_step = |step: &sim_core::Step| {
        let asked = trace.entries(step.number).iter().filter_map(|entry| reader.read(step.number, entry));
        asked.collect::<Vec<_>>()
    };
    steps.flat_map(of_step).collect()
}

/// Counts the questions of a run, in order from its first event.
pub(crate) struct Reader<'p> {
    program: &'p Program,
    drawn: BTreeMap<(u16, &'static str, Operation), u32>,
    sent: BTreeMap<(u16, u16, Kind, Operation), u32>,
}

impl<'p> Reader<'p> {
    pub(crate) fn new(program: &'p Program) -> Self {
        Reader { program, drawn: BTreeMap::new(), sent: BTreeMap::new() }
    }

    /// The question that an entry answers, by its event and its place there; `entries` is asked for each event, from the first.
    pub(crate) fn decided_at(
        mut self,
        event: u64,
        entry: u32,
        mut entries: impl FnMut(u64) -> Vec<Entry>,
    ) -> Option<Decided> {
        for earlier in 1..event {
            entries(earlier).iter().for_each(|entry| _ = self.read(earlier, entry));
        }
        let of_event = entries(event);
        let mut decided = of_event.iter().take(entry as usize + 1).map(|entry| self.read(event, entry));
        decided.nth(entry as usize).flatten()
    }

    fn read(&mut self, event: u64, entry: &Entry) -> Option<Decided> {
        match entry {
            Entry::Drew { node, draw } => Some(self.draw(event, *node, draw)),
            Entry::Sent { from, to, kind, cause, fate, calm, altered, form: Form::Message, .. } => {
                let (from, to, kind, operation) = (self.group(*from), self.group(*to), *kind, cause.operation);
                let nth = next(self.sent.entry((from, to, kind, operation)).or_default());
                let question = Question::Envelope { from, to, kind, operation, nth };
                let said = match (fated(*fate), altered) {
                    (Said::Late(after), Some(bits)) => Said::Altered(*bits, after),
                    (said, _) => said,
                };
                Some(Decided { event, question, said, calm: fated(*calm) })
            }
            _ => None,
        }
    }

    fn draw(&mut self, event: u64, node: NodeId, draw: &Draw) -> Decided {
        let (node, purpose, operation) = (self.group(node), draw.purpose.name(), draw.cause.operation);
        let nth = next(self.drawn.entry((node, purpose, operation)).or_default());
        let question = Question::Draw { node, purpose, operation, nth };
        Decided { event, question, said: answered(draw.answer), calm: answered(draw.calm) }
    }

    fn group(&self, node: NodeId) -> u16 {
        self.program.replicas[node.0 as usize].0.0
    }
}

fn next(count: &mut u32) -> u32 {
    *count += 1;
    *count
}

fn fated(fate: Fate) -> Said {
    match fate {
        // A line says how long it takes once no clog holds it.
        Fate::Arrives(after) | Fate::Held(after) => Said::Late(after),
        Fate::ArrivesTwice(_, second) | Fate::HeldTwice(_, second) => Said::Twice(second),
        // A line that says that it is lost has the same come of it; on a stream its connection is reset.
        Fate::Lost | Fate::Corrupt | Fate::Full | Fate::Reset(_) => Said::Lost,
        Fate::Refused => Said::Refused,
        // Only a fault of the schedule does, which stands there.
        Fate::Cut => Said::Cut,
    }
}

fn answered(answer: Answer) -> Said {
    match answer {
        Answer::Length(length) => Said::Length(length),
        Answer::Chance(yes) => Said::Chance(yes),
        Answer::Node(node) => Said::Node(node),
        Answer::Number(number) => Said::Number(number),
    }
}

impl Decided {
    /// Whether the answer is not the default, and a line can say it. What a fault of the schedule cut stands there.
    pub fn is_odd(&self) -> bool {
        self.said != self.calm && self.said != Said::Cut
    }

    /// What a draw was for.
    pub fn purpose(&self) -> Option<&'static str> {
        match self.question {
            Question::Draw { purpose, .. } => Some(purpose),
            Question::Envelope { .. } => None,
        }
    }

    /// The line that gives the same answer; none where the grammar has no words for it.
    pub fn line(&self, program: &Program) -> Option<Fault> {
        self.question.line(program, self.said)
    }

    /// The line that gives the default instead. What was lost then arrives after the time that its own dice give.
    pub fn default_line(&self, program: &Program) -> Option<Fault> {
        let said = match (self.said, self.calm) {
            (Said::Late(_), Said::Late(calm)) => Said::Late(calm),
            (Said::Lost | Said::Cut | Said::Refused | Said::Altered(..) | Said::Twice(_) | Said::Late(_), _) => {
                return self.question.text(program, "keep", "").parse().ok();
            }
            (_, calm) => calm,
        };
        self.question.line(program, said)
    }

    /// Whether a decision answers this question.
    pub fn is_asked_by(&self, decision: &Decision, program: &Program) -> bool {
        let operation_is = |name: &Option<sim_core::fault::OperationName>, operation: Operation| match name {
            None => operation.parts().is_none(),
            Some(name) => operation.parts().is_some_and(|(class, number)| {
                program.classes[class.0 as usize] == name.class.as_str() && number == name.number
            }),
        };
        let declared = |name: &str| declared(program, name);
        match (self.question, decision) {
            (
                Question::Draw { node, purpose, operation, nth },
                Decision::Draw { node: of, purpose: what, nth: which, .. },
            ) => {
                declared(of.as_str()) == Some(node)
                    && what.as_str() == purpose
                    && which.ordinal.get() == u64::from(nth)
                    && operation_is(&which.operation, operation)
            }
            (
                Question::Envelope { from, to, kind, operation, nth },
                Decision::Envelope { link, kind: what, nth: which, .. },
            ) => {
                declared(link.from.as_str()) == Some(from)
                    && declared(link.to.as_str()) == Some(to)
                    && program.kinds[kind.0 as usize] == what.as_str()
                    && which.ordinal.get() == u64::from(nth)
                    && operation_is(&which.operation, operation)
            }
            (Question::Draw { .. }, Decision::Envelope { .. }) | (Question::Envelope { .. }, Decision::Draw { .. }) => {
                false
            }
        }
    }
}

/// The declared node that a name in a line means: its own, or that of the replica.
fn declared(program: &Program, name: &str) -> Option<u16> {
    let by_name = program.nodes.iter().position(|node| node.name == name).map(|at| at as u16);
    let is_replica = |node: &u32| program.replica_name(NodeId(*node)) == name;
    let by_replica = || {
        let node = (0..program.replicas.len() as u32).find(is_replica)?;
        Some(program.replicas[node as usize].0.0)
    };
    by_name.or_else(by_replica)
}

impl Question {
    /// The operation it is about.
    pub fn operation(&self) -> Operation {
        match self {
            Question::Draw { operation, .. } | Question::Envelope { operation, .. } => *operation,
        }
    }

    /// The line that answers it so.
    pub fn line(&self, program: &Program, said: Said) -> Option<Fault> {
        let text = match said {
            Said::Length(length) => self.text(program, "draw", &length.to_string()),
            Said::Chance(yes) => self.text(program, "draw", if yes { "yes" } else { "no" }),
            Said::Node(node) => self.text(program, "draw", &program.replica_name(node)),
            Said::Late(after) => self.text(program, "late", &after.to_string()),
            Said::Twice(second) => self.text(program, "twice", &second.to_string()),
            Said::Lost => self.text(program, "drop", ""),
            Said::Refused => self.text(program, "reject", ""),
            Said::Altered(bits, after) => self.text(program, "alter", &format!("{bits} {after}")),
            Said::Number(number) => self.text(program, "draw", &number.to_string()),
            Said::Cut => return None,
        };
        // What the grammar cannot say (a name that is a word of its own) stays with calm.
        text.parse().ok()
    }

    fn text(&self, program: &Program, verb: &str, value: &str) -> String {
        let name = |node: u16| &program.nodes[node as usize].name;
        let of = |operation: Operation| {
            let words = operation.parts();
            let words = words.map(|(class, number)| format!("{}/{number} ", program.classes[class.0 as usize]));
            words.unwrap_or_default()
        };
        let text = match *self {
            Question::Draw { node, purpose, operation, nth } => {
                format!("{verb} {} {purpose} {}#{nth} {value}", name(node), of(operation))
            }
            Question::Envelope { from, to, kind, operation, nth } => {
                let kind = &program.kinds[kind.0 as usize];
                format!("{verb} {}->{} {kind} {}#{nth} {value}", name(from), name(to), of(operation))
            }
        };
        text.trim_end().to_owned()
    }
}
