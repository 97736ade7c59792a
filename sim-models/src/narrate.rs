//! One operation of a run, told moment by moment: what was sent, what was done, what was believed.
//!
//! The narrator has never heard of any scenario; it reads a trace, the notes in it and the names of the program.

use sim_core::{Cause, Entry, Fate, Happening, Instant, NodeId, Operation, Step, Trace};

use crate::message::{Counted, EdgeCounted, Msg, Note, Tone};
use crate::program::{EdgeRef, Program};
use crate::tell;

/// Something that happened for an operation: in which event, when and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The number of the event.
    pub event: u64,
    /// When, in true time.
    pub at: Instant,
    /// Where.
    pub node: NodeId,
    /// What.
    pub what: What,
}

/// What can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// An envelope was sent.
    Sent {
        /// To whom.
        to: NodeId,
        /// What it is called: the endpoint or operation.
        word: String,
        /// Whether it answers such a request.
        answer: bool,
        /// For a request: the how-manieth of its kind on its link for this operation, from 1.
        nth: u32,
        /// What became of it.
        fate: Fate,
    },
    /// An envelope was handled.
    Arrived {
        /// From whom.
        from: NodeId,
        /// What it is called.
        word: String,
        /// Whether it answers such a request.
        answer: bool,
        /// Whether nobody waited for it any more.
        late: bool,
    },
    /// A fact was recorded, or taken back; how often it stands now.
    Fact {
        /// Its name.
        name: String,
        /// Whether it was taken back.
        undone: bool,
        /// How often it stands for this key.
        count: i64,
    },
    /// A cell that somebody judges by was set.
    Cell {
        /// `orders.status`.
        map: String,
        /// Its key.
        key: String,
        /// What it holds now.
        value: String,
    },
    /// A value was read, and is known under this name from now on.
    Learnt {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// For which operation, where that is not clear.
        whose: Option<String>,
    },
    /// A call got no answer in time.
    TimedOut {
        /// Who was called.
        callee: NodeId,
        /// Whether it is tried again.
        again: bool,
    },
    /// A call was turned down or failed.
    Failed {
        /// Who was called.
        callee: NodeId,
    },
    /// The operation has its outcome.
    Outcome(Tone),
    /// A request was turned away.
    TurnedAway,
    /// A store has promised a transaction over several.
    Promised,
    /// What a store has made of its promise.
    Settled(Settled),
    /// Whoever asked for a transaction learns that a store has decided otherwise.
    Mixed,
}

/// What becomes of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// What was set is done.
    Committed,
    /// It is rolled back, because that was decided or because the disk has not kept the promise.
    Aborted,
    /// The store has waited long enough, and rolls it back by itself.
    Alone,
    /// It has done it alone.
    AloneCommit,
}

/// Tells what happened for one operation up to an event.
pub fn narrate(trace: &Trace<Msg>, program: &Program, operation: Operation, up_to: u64) -> Vec<Moment> {
    let (moments, facts, requests, rolled_back) = Default::default();
    let mut teller = Teller { program, moments, facts, requests, rolled_back };
    let of_it = |step: &&Step| step.number <= up_to && step.cause.operation == operation;
    for step in trace.steps().iter().filter(of_it) {
        teller.step(step, trace.entries(step.number), trace.notes(step.number), operation);
    }
    // Operations begin in events of the event before them: what those sent for this one belongs to it.
    teller.moments.sort_by_key(|moment| moment.event);
    teller.moments
}

struct Teller<'p> {
    program: &'p Program,
    moments: Vec<Moment>,
    facts: Vec<(u16, i64)>,
    requests: Vec<(NodeId, NodeId, u16, u32)>,
    /// The stores that have begun to roll back what they had promised.
    rolled_back: Vec<NodeId>,
}

impl Teller<'_> {
    fn tell(&mut self, step: &Step, node: NodeId, what: What) {
        self.moments.push(Moment { event: step.number, at: step.at, node, what });
    }

    /// Whether an envelope between two nodes is an answer: nobody there calls that way.
    fn is_answer(&self, from: NodeId, to: NodeId, kind: u16) -> bool {
        let asked = self.requests.iter().any(|(a, b, k, _)| (*a, *b, *k) == (to, from, kind));
        asked || tell::is_answer(self.program, from, to)
    }

    fn word(&self, kind: u16) -> String {
        self.program.kinds.get(kind as usize).cloned().unwrap_or_default()
    }

    fn step(&mut self, step: &Step, entries: &[Entry], notes: &[Note], operation: Operation) {
        let here = match step.what {
            Happening::Delivered { from, to, kind } => {
                let late = notes.iter().any(|note| matches!(note, Note::Edge(_, EdgeCounted::Late)));
                let (word, answer) = (self.word(kind.0), self.is_answer(from, to, kind.0));
                self.tell(step, to, What::Arrived { from, word, answer, late });
                Some(to)
            }
            Happening::Fired { node, .. }
            | Happening::Started { node, .. }
            | Happening::Synced { node, .. }
            | Happening::Stopping { node }
            | Happening::Killed { node }
            | Happening::Lapsed { node, .. } => Some(node),
            Happening::Refused { by, to, .. } | Happening::Reset { by, to, .. } => {
                self.tell(step, to, What::Failed { callee: by });
                Some(to)
            }
            Happening::Undelivered { .. } | Happening::FaultBegan { .. } | Happening::FaultEnded { .. } => None,
        };
        let Some(here) = here else { return };
        for note in notes {
            self.note(step, here, note, notes);
        }
        for entry in entries {
            if let Entry::Sent { from, to, kind, cause, fate, .. } = entry {
                self.sent(step, *from, *to, kind.0, *cause, *fate, operation);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one entry")]
    fn sent(&mut self, step: &Step, from: NodeId, to: NodeId, kind: u16, cause: Cause, fate: Fate, of: Operation) {
        if cause.operation != of {
            return;
        }
        let (word, answer) = (self.word(kind), self.is_answer(from, to, kind));
        let nth = if answer { 0 } else { self.nth(from, to, kind) };
        self.tell(step, from, What::Sent { to, word, answer, nth, fate });
    }

    fn nth(&mut self, from: NodeId, to: NodeId, kind: u16) -> u32 {
        if let Some(known) = self.requests.iter_mut().find(|(a, b, k, _)| (*a, *b, *k) == (from, to, kind)) {
            known.3 += 1;
            return known.3;
        }
        self.requests.push((from, to, kind, 1));
        1
    }

    fn note(&mut self, step: &Step, here: NodeId, note: &Note, all: &[Note]) {
        let what = match note {
            Note::Fact(fact, _, times) => {
                let count = self.count(fact.0, *times);
                What::Fact { name: self.program.facts[fact.0 as usize].name.clone(), undone: *times < 0, count }
            }
            Note::Cell { map, key, value } => {
                let def = self.program.map(*map);
                let map = format!("{}.{}", self.program.node(def.owner).name, def.name);
                What::Cell { map, key: key.to_string(), value: value.to_string() }
            }
            Note::Edge(edge, EdgeCounted::Outcome(Tone::Unknown, _))
                if matches!(step.what, Happening::Fired { .. }) =>
            {
                let callee = self.program.node(self.program.edges[edge.0 as usize].1).replicas[0];
                let again =
                    all.iter().any(|note| matches!(note, Note::Edge(other, EdgeCounted::Retry) if other == edge));
                What::TimedOut { callee, again }
            }
            Note::Edge(edge, EdgeCounted::Retry) => return self.tried_again(*edge),
            Note::Finished { tone, .. } => What::Outcome(*tone),
            Note::Count(_, Counted::Overloaded | Counted::Dropped) => What::TurnedAway,
            Note::Count(_, Counted::Rollback) => return self.rolled_back.push(here),
            Note::Count(_, Counted::Mixed) => What::Mixed,
            Note::InDoubt { by: 1, .. } => What::Promised,
            Note::InDoubt { by: -1, .. } => What::Settled(self.settled(here, all)),
            _ => return,
        };
        self.tell(step, here, what);
    }

    /// What a store makes of its promise: it counts what it rolls back before, and what it decides alone beside it.
    fn settled(&self, here: NodeId, all: &[Note]) -> Settled {
        let is_alone = all.iter().any(|note| matches!(note, Note::Count(_, Counted::Heuristic)));
        match (is_alone, self.rolled_back.contains(&here)) {
            (true, true) => Settled::Alone,
            (true, false) => Settled::AloneCommit,
            (false, true) => Settled::Aborted,
            (false, false) => Settled::Committed,
        }
    }

    /// Whoever waited before this try had not given up for good.
    fn tried_again(&mut self, edge: EdgeRef) {
        let of = &self.program.node(self.program.edges[edge.0 as usize].1).replicas;
        let last = self.moments.iter_mut().rev().find_map(|moment| match &mut moment.what {
            What::TimedOut { callee, again } if of.contains(callee) => Some(again),
            _ => None,
        });
        if let Some(again) = last {
            *again = true;
        }
    }

    fn count(&mut self, fact: u16, times: i64) -> i64 {
        if let Some(known) = self.facts.iter_mut().find(|(known, _)| *known == fact) {
            known.1 += times;
            return known.1;
        }
        self.facts.push((fact, times));
        times
    }
}
