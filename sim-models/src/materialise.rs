//! From a failing seed to lines that fail by themselves: every answer that mattered, written down, and calm for all the rest.
//!
//! The run is repeated with everything kept and cut at the violation. Of each event that set a fact or cell which the property
//! read, and of each message that a timer in that past waited for in vain, the past is taken; every random answer in it that
//! differs from its default becomes a line of the case. A fault whose times or victims are drawn becomes a line for each time it
//! struck. A line stands alone: it names an operation and an ordinal, or an instant, and never a seed.

use std::collections::{BTreeMap, BTreeSet};

use std::num::NonZeroU64;

use sim_core::fault::{Nodes, Pace, Passages, Target, Timed, Trigger, Verb, When};
use sim_core::pattern::Name;
use sim_core::{Entry, Fault, Happening, Instant, NodeId, Pattern, Rest, Seed, Trace};

use crate::decided::{Decided, decided};
use crate::message::Msg;
use crate::program::Program;
use crate::record::{Failure, Record, fails};
use crate::scenario::Model;

/// A run written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The model with its lines in place of the dice.
    pub faults: Vec<Fault>,
    /// Whether the lines are those of the whole run, because those of the violation's past did not fail in the same way.
    pub whole: bool,
}

/// Writes a run down that fails so, with `rest` for all that its lines do not say; `None` when it does not fail, or
/// does not by its lines alone.
pub fn materialise(model: &Model, seed: Seed, failure: &Failure, rest: Rest) -> Option<Written> {
    let record = Record::of(model, seed, failure);
    record.failure.as_ref()?;
    let program = model.program();
    let said: Vec<Fault> = model.faults().iter().filter(|fault| matches!(fault, Fault::Decision(_))).cloned().collect();
    let (all, past) = (decided(&record.trace, program), past(&record.trace, &record.roots()));
    // Trouble that only came after it was too late has no part in what did not happen in time, and would put the time off.
    let late = record.violation.as_ref().map_or(Instant::NEVER, |violation| violation.at);
    let line = |decided: &Decided| decided.line(program);
    let as_it_is: Vec<Fault> = model.faults().iter().filter(|it| matches!(it, Fault::Timed(_))).cloned().collect();
    // Trouble that comes again for ever is never waited for; written out it has an end. It may have to stay as it is, or never
    // to end once it has come for the last time.
    let times = |before, last| fixed(&record.trace, model.faults(), program, before, last);
    let attempts = [
        (false, times(late, Last::Ends)),
        (true, times(late, Last::Ends)),
        (true, times(Instant::NEVER, Last::Ends)),
        (true, as_it_is),
        (true, times(late, Last::Stays)),
    ];
    for (whole, timed) in attempts {
        let odd = all.iter().filter(|it| it.is_odd() && (whole || past.contains(&it.event)));
        // What the case said before stays where the run says nothing else: the lines of the run stand behind and win.
        let faults = once_each(timed.into_iter().chain(said.iter().cloned()).chain(odd.filter_map(line)));
        if fails(&model.with(faults.clone(), rest), seed, failure) {
            return Some(Written { faults, whole });
        }
    }
    None
}

/// The same lines, each only once.
fn once_each(lines: impl Iterator<Item = Fault>) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    lines.filter(|line| !matches!(line, Fault::Decision(_)) || seen.insert(line.to_string())).collect()
}

/// All events that led to these, and to what their timers waited for in vain.
pub fn past(trace: &Trace<Msg>, roots: &BTreeSet<u64>) -> BTreeSet<u64> {
    let mut past = BTreeSet::new();
    roots.iter().for_each(|root| _ = trace.add_past(&mut past, *root));
    let mut caused: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for step in trace.steps() {
        caused.entry(step.by.unwrap_or_default()).or_default().push(step.number);
    }
    // What was sent in an event that also set a timer which went off: where it went belongs to the reason.
    let mut known = BTreeSet::new();
    loop {
        let fired = past.iter().filter_map(|event| trace.step(*event)).filter(|step| is_fired(&step.what));
        let setters: Vec<u64> = fired.filter_map(|step| step.by).filter(|setter| known.insert(*setter)).collect();
        if setters.is_empty() {
            return past;
        }
        let late = setters.iter().filter_map(|setter| caused.get(setter)).flatten();
        late.for_each(|event| _ = trace.add_past(&mut past, *event));
    }
}

fn is_fired(what: &Happening) -> bool {
    matches!(what, Happening::Fired { .. })
}

/// Whether what a fault does is left to its own dice, or to how often it has happened.
fn is_drawn(timed: &Timed) -> bool {
    let about = |pace: &Option<Pace>| matches!(pace, Some(Pace::About(_)));
    let tripped = timed.trigger.as_ref();
    let by_chance = tripped.is_some_and(|trigger| matches!(trigger.passages, Passages::Share(_)));
    // Whose passages count is said, and by role too: only who passes is struck.
    let lot = tripped.is_none_or(|_| timed.verb.target().is_none()) && is_lot(&timed.verb);
    !timed.verb.is_paced() && (timed.every.is_some() || about(&timed.length) || by_chance || lot)
}

/// Whether dice say which nodes it is about.
fn is_lot(verb: &Verb) -> bool {
    let parts = matches!(verb, Verb::Partition { sides, .. } if sides.is_drawn());
    parts || matches!(verb, Verb::Swizzle { .. }) || verb.target().is_some_and(Target::is_drawn)
}

/// The timed faults of a run with everything about their times and victims written out, in the order in which they began; of
/// those that come again, what began before an instant.
fn fixed(trace: &Trace<Msg>, faults: &[Fault], program: &Program, before: Instant, last: Last) -> Vec<Fault> {
    let mut lines: Vec<Fault> = Vec::new();
    let mut times = Times::default();
    for step in trace.steps() {
        match step.what {
            Happening::FaultBegan { fault } => {
                let entries = trace.entries(step.number);
                times.begin(fault, step.at, struck(entries), passage(entries));
            }
            Happening::FaultEnded { fault } => times.end(fault, step.at, &released(trace.entries(step.number))),
            _ => {}
        }
    }
    for (place, fault) in faults.iter().enumerate() {
        match fault {
            Fault::Timed(timed) if is_drawn(timed) => {
                let of_it = times.all.iter().filter(|time| time.fault as usize == place && time.begin < before);
                let mut of_it: Vec<Time> = of_it.cloned().collect();
                if let (Last::Stays, Some(time)) = (last, of_it.last_mut()) {
                    time.end = None;
                }
                lines.extend(of_it.iter().flat_map(|time| time.lines(timed, program)));
            }
            Fault::Timed(_) => lines.push(fault.clone()),
            Fault::Decision(_) => {}
        }
    }
    lines
}

fn struck(entries: &[Entry]) -> Vec<NodeId> {
    entries.iter().filter_map(|entry| if let Entry::Struck { node } = entry { Some(*node) } else { None }).collect()
}

/// At which passage of its point a fault struck that waited for one.
fn passage(entries: &[Entry]) -> Option<u64> {
    entries.iter().find_map(|entry| if let Entry::Tripped { nth } = entry { Some(*nth) } else { None })
}

fn released(entries: &[Entry]) -> Vec<NodeId> {
    entries.iter().filter_map(|entry| if let Entry::Released { node } = entry { Some(*node) } else { None }).collect()
}

/// Whether the last time of a fault that comes again ends as it did, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Ends,
    Stays,
}

/// One time that a fault held.
#[derive(Clone, Debug)]
struct Time {
    fault: u32,
    begin: Instant,
    end: Option<Instant>,
    struck: Vec<NodeId>,
    passage: Option<u64>,
}

#[derive(Default)]
struct Times {
    all: Vec<Time>,
}

impl Times {
    fn begin(&mut self, fault: u32, begin: Instant, struck: Vec<NodeId>, passage: Option<u64>) {
        self.all.push(Time { fault, begin, end: None, struck, passage });
    }

    fn end(&mut self, fault: u32, end: Instant, released: &[NodeId]) {
        let holds = |time: &&mut Time| time.fault == fault && time.end.is_none() && time.struck == released;
        if let Some(time) = self.all.iter_mut().find(holds) {
            time.end = Some(end);
        }
    }
}

impl Time {
    /// The same trouble at its own instants: of each node that was struck, or of the links.
    fn lines(&self, timed: &Timed, program: &Program) -> Vec<Fault> {
        let trigger = timed
            .trigger
            .as_ref()
            .zip(self.passage.and_then(NonZeroU64::new))
            .map(|(trigger, nth)| Trigger { passages: Passages::Nth(vec![nth]), ..trigger.clone() });
        let length = self.end.filter(|_| trigger.is_some()).map(|end| Pace::Exactly(end.since(self.begin)));
        let when = match (&trigger, self.end) {
            (Some(_), _) => When::Always,
            (None, None) => When::From(self.begin),
            (None, Some(end)) => When::Between(self.begin, end),
        };
        let line = |verb: Verb| Fault::Timed(Timed { when, verb, trigger: trigger.clone(), every: None, length });
        if let Verb::Partition { sides, flight } = &timed.verb {
            let drawn: Option<Vec<Name>> =
                self.struck.iter().map(|node| program.replica_name(*node).parse().ok()).collect();
            let sides = drawn.and_then(|drawn| sides.settled(&drawn));
            return sides.map(|sides| line(Verb::Partition { sides, flight: *flight })).into_iter().collect();
        }
        if let Verb::Swizzle { .. } = &timed.verb {
            let clog = |node: &NodeId| format!("clog {}<->*", program.replica_name(*node)).parse::<Verb>().ok();
            return self.struck.iter().filter_map(clog).map(line).collect();
        }
        if timed.verb.target().is_none() {
            return vec![line(timed.verb.clone())];
        }
        if trigger.is_some() && !matches!(timed.verb.target(), Some(Target::Each(_))) {
            // The passages are counted over all that it is about.
            return vec![line(timed.verb.clone())];
        }
        let names = self.struck.iter().filter_map(|node| program.replica_name(*node).parse::<Pattern>().ok());
        names.map(|name| line(timed.verb.clone().aimed(Target::All(Nodes::Like(name))))).collect()
    }
}
