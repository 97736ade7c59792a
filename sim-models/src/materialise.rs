//! From a failing seed to lines that fail by themselves: every answer that mattered, written down, and calm for all the rest.
//!
//! The run is repeated with everything kept and cut at the violation. Of each event that set a fact or cell which the property
//! read, and of each message that a timer in that past waited for in vain, the past is taken; every random answer in it that
//! differs from its default becomes a line of the case. A line stands alone: it names an operation and an ordinal, not a seed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sim_core::{Answer, Draw, Entry, Fate, Fault, Form, Kind, Limits, NodeId, Operation, Rest, Seed, Stop, Trace, run};

use crate::message::Msg;
use crate::program::Program;
use crate::scenario::Model;

/// A run written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The model with its lines in place of the dice: calm for all the rest.
    pub faults: Vec<Fault>,
    /// How many of them are decisions.
    pub decisions: usize,
    /// Whether the lines are those of the whole run, because those of the violation's past did not fail in the same way.
    pub whole: bool,
}

/// What must come out again: the verdict and the property that decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The verdict.
    pub verdict: sim_core::Verdict,
    /// The property.
    pub property: Option<String>,
}

impl Failure {
    /// How a run failed; none when it did not.
    pub fn of(outcome: &sim_core::Outcome) -> Option<Failure> {
        let property = outcome.property().map(str::to_owned);
        outcome.verdict.is_failure().then_some(Failure { verdict: outcome.verdict, property })
    }

    /// Where a run that is to fail like this stops.
    pub fn stop(&self) -> Stop<'_> {
        self.property.as_deref().map_or(Stop::AtEnd, Stop::AtViolationOf)
    }
}

/// Whether a model fails in this way, whatever the seed says.
pub fn fails(model: &Model, seed: Seed, failure: &Failure) -> bool {
    Failure::of(&model.run(seed, failure.stop()).outcome).as_ref() == Some(failure)
}

/// Writes a failing run down; `None` when it does not fail, or does not fail by its lines alone.
pub fn materialise(model: &Model, seed: Seed) -> Option<(Written, Failure)> {
    let (mut sim, mut judge) = model.start(seed);
    sim.record(true);
    let mut trace = Trace::new();
    let course = model.course(Stop::AtViolation, Limits::default());
    let outcome = run(&mut sim, &mut judge, &course, |sim, step| {
        trace.push(sim, step);
        ControlFlow::Continue(())
    });
    let failure = Failure::of(&outcome)?;
    let violation =
        judge.violations().into_iter().find(|violation| Some(&violation.property) == failure.property.as_ref());
    let roots: BTreeSet<u64> = match &violation {
        Some(violation) => {
            violation.read.iter().flat_map(|read| &read.events).copied().chain([violation.event]).collect()
        }
        None => BTreeSet::from([outcome.events]),
    };
    let past = past(&trace, &roots);
    let steps = trace.steps().len() as u64;
    for (whole, events) in [(false, past), (true, (1..=steps).collect())] {
        let lines = lines(&trace, model.program(), &events);
        let decisions = lines.len();
        let faults: Vec<Fault> = model.faults().iter().filter(is_timed).cloned().chain(lines).collect();
        if fails(&model.with(faults.clone(), Rest::Calm), seed, &failure) {
            return Some((Written { faults, decisions, whole }, failure));
        }
    }
    None
}

fn is_timed(fault: &&Fault) -> bool {
    matches!(fault, Fault::Timed(_))
}

/// All events that led to these, and to what their timers waited for in vain.
fn past(trace: &Trace<Msg>, roots: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut past: BTreeSet<u64> = roots.iter().flat_map(|root| trace.past(*root)).collect();
    // What was sent in an event that also set a timer which went off: where it went belongs to the reason.
    loop {
        let fired = past.iter().filter_map(|event| trace.step(*event)).filter(|step| is_fired(&step.what));
        let setters: BTreeSet<u64> = fired.filter_map(|step| step.by).collect();
        let late = trace.steps().iter().filter(|step| step.by.is_some_and(|by| setters.contains(&by)));
        let more: BTreeSet<u64> = late.flat_map(|step| trace.past(step.number)).filter(|e| !past.contains(e)).collect();
        if more.is_empty() {
            return past;
        }
        past.extend(more);
    }
}

fn is_fired(what: &sim_core::Happening) -> bool {
    matches!(what, sim_core::Happening::Fired { .. })
}

/// The lines for the answers of these events that differ from their defaults. Ordinals are counted over the whole run.
fn lines(trace: &Trace<Msg>, program: &Program, events: &BTreeSet<u64>) -> Vec<Fault> {
    let mut writer = Writer { program, drawn: BTreeMap::new(), sent: BTreeMap::new(), lines: Vec::new() };
    for step in trace.steps() {
        let wanted = events.contains(&step.number);
        for entry in trace.entries(step.number) {
            match entry {
                Entry::Drew { node, draw } => writer.draw(*node, draw, wanted),
                Entry::Sent { from, to, kind, cause, fate, calm, form: Form::Message, .. } => {
                    writer.envelope((*from, *to), *kind, cause.operation, *fate, *calm, wanted);
                }
                _ => {}
            }
        }
    }
    writer.lines
}

struct Writer<'p> {
    program: &'p Program,
    drawn: BTreeMap<(u16, &'static str, Operation), u32>,
    sent: BTreeMap<(u16, u16, Kind, Operation), u32>,
    lines: Vec<Fault>,
}

impl Writer<'_> {
    fn group(&self, node: NodeId) -> u16 {
        self.program.replicas[node.0 as usize].0.0
    }

    fn name(&self, group: u16) -> &str {
        &self.program.nodes[group as usize].name
    }

    /// An operation with a blank behind it, as lines have it; nothing for what is done for nobody.
    fn operation(&self, operation: Operation) -> String {
        let words =
            operation.parts().map(|(class, number)| format!("{}/{number} ", self.program.classes[class.0 as usize]));
        words.unwrap_or_default()
    }

    fn draw(&mut self, node: NodeId, draw: &Draw, wanted: bool) {
        let (group, of) = (self.group(node), draw.cause.operation);
        let nth = self.drawn.entry((group, draw.purpose.name(), of)).or_default();
        *nth += 1;
        let nth = *nth;
        if !wanted || draw.answer == draw.calm {
            return;
        }
        let value = match draw.answer {
            Answer::Length(length) => length.to_string(),
            Answer::Chance(true) => "yes".to_owned(),
            Answer::Chance(false) => "no".to_owned(),
            Answer::Node(node) => self.program.replica_name(node),
            Answer::Number(_) => return,
        };
        let (name, purpose, of) = (self.name(group), draw.purpose.name(), self.operation(of));
        self.line(&format!("draw {name} {purpose} {of}#{nth} {value}"));
    }

    fn envelope(
        &mut self,
        (from, to): (NodeId, NodeId),
        kind: Kind,
        of: Operation,
        fate: Fate,
        calm: Fate,
        wanted: bool,
    ) {
        let (from, to) = (self.group(from), self.group(to));
        let nth = self.sent.entry((from, to, kind, of)).or_default();
        *nth += 1;
        let nth = *nth;
        if !wanted || fate == calm {
            return;
        }
        let link = format!("{}->{}", self.name(from), self.name(to));
        let which = format!("{link} {} {}#{nth}", self.program.kinds[kind.0 as usize], self.operation(of));
        match fate {
            Fate::Arrives(after) => self.line(&format!("late {which} {after}")),
            Fate::ArrivesTwice(_, second) => self.line(&format!("twice {which} {second}")),
            Fate::Lost => self.line(&format!("drop {which}")),
            // The cut that did it stands in the schedule.
            Fate::Cut => {}
        }
    }

    fn line(&mut self, text: &str) {
        // What the grammar cannot say (a name that is a word of its own) stays with calm.
        self.lines.extend(text.parse::<Fault>());
    }
}
