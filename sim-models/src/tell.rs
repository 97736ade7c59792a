//! One event in words and how much it matters, from what that event did alone: reports and the explorer say the same.

use sim_core::{Entry, Fate, Fault, Grade, Happening, Kind, NodeId, Operation, Step, Watch};

use crate::message::{Counted, EdgeCounted, Note, Tone};
use crate::program::Program;

/// An event in words, its node left out: `is asked by shop: pay`, `has no answer from gateway in time`.
///
/// `faults` is the schedule of the run, `notes` what the event told the judge, and `drawn` what was drawn when a timer was set,
/// which [`drawn_for`] finds in the event that set it; without it such a timer just goes on. The node is
/// [`Step::node`]; a fault has none.
///
/// ```
/// use sim_core::Seed;
/// use sim_models::{language::Choices, tell};
/// let scenario = sim_models::builtin::scenario("checkout").unwrap().unwrap();
/// let model = scenario.model(&Choices::none()).unwrap();
/// let (mut sim, _) = model.start(Seed(1));
/// let step = sim.step().unwrap();
/// assert_eq!(tell::event(model.program(), model.faults(), &step, sim.notes(), None), "starts");
/// ```
pub fn event(program: &Program, faults: &[Fault], step: &Step, notes: &[Note], drawn: Option<&str>) -> String {
    let name = |node| program.replica_name(node);
    let kind = |kind: Kind| program.kinds[kind.0 as usize].as_str();
    let fault = |place: u32| faults.get(place as usize).map(ToString::to_string).unwrap_or_default();
    match step.what {
        Happening::Started { life: 1, .. } => "starts".to_owned(),
        Happening::Started { life, .. } => format!("starts, life {life}"),
        Happening::Delivered { from, to, kind: of } if is_answer(program, from, to) => {
            format!("hears from {}: {} answered", name(from), kind(of))
        }
        Happening::Delivered { from, kind: of, .. } => format!("is asked by {}: {}", name(from), kind(of)),
        Happening::Undelivered { from, kind: of, .. } => format!("is down: {} of {} is lost", kind(of), name(from)),
        Happening::Refused { by, kind: of, .. } => format!("learns that {} is down: {}", name(by), kind(of)),
        Happening::Reset { by, kind: of, .. } => format!("learns that {} crashed: {}", name(by), kind(of)),
        Happening::Fired { .. } => rung(program, notes, drawn),
        Happening::Synced { .. } => "has its records on disk".to_owned(),
        Happening::Stopping { .. } => "is asked to stop".to_owned(),
        Happening::Killed { .. } => "is killed: it has not stopped in time".to_owned(),
        Happening::Lapsed { watch: Watch::Liveness, .. } => "is not alive: it is restarted".to_owned(),
        Happening::Lapsed { watch: Watch::Readiness, .. } => "is not ready: it is taken off the list".to_owned(),
        Happening::FaultBegan { fault: place } => format!("begins: {}", fault(place)),
        Happening::FaultEnded { fault: place } => format!("ends: {}", fault(place)),
    }
}

/// What a timer was for: told by what is noted when it goes off, else by what was drawn when it was set.
fn rung(program: &Program, notes: &[Note], drawn: Option<&str>) -> String {
    let timed_out = |note: &&Note| matches!(note, Note::Edge(_, EdgeCounted::Outcome(Tone::Unknown, _)));
    if let Some(Note::Edge(edge, _)) = notes.iter().find(timed_out) {
        let callee = &program.node(program.edges[edge.0 as usize].1).name;
        return format!("has no answer from {callee} in time");
    }
    if let Some(Note::Requested { .. }) = notes.first() {
        return "begins it".to_owned();
    }
    match drawn {
        Some("work") => "has done its work".to_owned(),
        Some("wait") => "has waited".to_owned(),
        _ => "goes on".to_owned(),
    }
}

/// What was drawn last for an operation in the event with these entries: of the event that set a timer
/// ([`Step::by`]), what the timer waits for.
pub fn drawn_for(entries: &[Entry], operation: Operation) -> Option<&'static str> {
    entries.iter().rev().find_map(|entry| match entry {
        Entry::Drew { draw, .. } if draw.cause.operation == operation => Some(draw.purpose.name()),
        _ => None,
    })
}

/// Whether an envelope between two nodes is an answer: nobody there calls that way.
pub fn is_answer(program: &Program, from: NodeId, to: NodeId) -> bool {
    let declared = |node: NodeId| program.replicas[node.0 as usize].0;
    !program.edges.contains(&(declared(from), declared(to)))
}

/// An operation as lines of a case write it, `order/17`; none of what is done for nobody.
pub fn operation(program: &Program, of: Operation) -> Option<String> {
    of.parts().map(|(class, number)| format!("{}/{number}", program.classes[class.0 as usize]))
}

/// How much an event matters, from what it did and noted and whether a property broke in it.
///
/// Trouble is what is lost or cut, what comes to a node that is down, what is refused or reset, a node that goes down, a call
/// that is given up, a request that ends in error or unknown, one that is turned away, a late answer, a deadlock, and an
/// expression without a value. Notable are facts, cells that somebody judges by, faults that begin or end, and restarts.
pub fn grade(step: &Step, entries: &[Entry], notes: &[Note], broken: bool) -> Grade {
    if broken {
        return Grade::Broken;
    }
    let of_entries = entries.iter().map(grade_of_entry);
    let of_notes = notes.iter().map(grade_of_note);
    of_entries.chain(of_notes).fold(grade_of_happening(step.what), Grade::max)
}

const fn grade_of_happening(what: Happening) -> Grade {
    match what {
        Happening::Undelivered { .. } | Happening::Refused { .. } | Happening::Reset { .. } => Grade::Trouble,
        Happening::FaultBegan { .. }
        | Happening::FaultEnded { .. }
        | Happening::Stopping { .. }
        | Happening::Killed { .. }
        | Happening::Lapsed { .. } => Grade::Notable,
        Happening::Started { life, .. } if life > 1 => Grade::Notable,
        Happening::Started { .. }
        | Happening::Delivered { .. }
        | Happening::Fired { .. }
        | Happening::Synced { .. } => Grade::Quiet,
    }
}

const fn grade_of_entry(entry: &Entry) -> Grade {
    match entry {
        Entry::Sent {
            fate: Fate::Lost | Fate::Corrupt | Fate::Full | Fate::Refused | Fate::Reset(_) | Fate::Cut,
            ..
        }
        | Entry::Sent { altered: Some(_), .. }
        | Entry::Down { .. } => Grade::Trouble,
        Entry::Sent {
            fate: Fate::Arrives(_) | Fate::ArrivesTwice(..) | Fate::Held(_) | Fate::HeldTwice(..), ..
        }
        | Entry::Set { .. }
        | Entry::Cancelled { .. }
        | Entry::Drew { .. }
        | Entry::Marked { .. }
        | Entry::Role { .. }
        | Entry::Tripped { .. }
        | Entry::Struck { .. }
        | Entry::Released { .. } => Grade::Quiet,
    }
}

const fn grade_of_note(note: &Note) -> Grade {
    match note {
        Note::Fact(..) | Note::Cell { .. } => Grade::Notable,
        Note::Finished { tone: Tone::Error | Tone::Unknown, .. }
        | Note::Edge(_, EdgeCounted::Outcome(Tone::Unknown, _) | EdgeCounted::Late)
        | Note::Trouble { .. } => Grade::Trouble,
        Note::Count(_, counted) => grade_of_count(*counted),
        Note::Finished { tone: Tone::Ok, .. }
        | Note::Edge(..)
        | Note::Awaits(..)
        | Note::Leaves(..)
        | Note::Works { .. }
        | Note::Shares { .. }
        | Note::Apart
        | Note::Together
        | Note::Requested { .. }
        | Note::Gauge { .. }
        | Note::InDoubt { .. }
        | Note::Oldest { .. } => Grade::Quiet,
    }
}

/// An unmet condition and a rollback are how a store says no, and no trouble by themselves.
const fn grade_of_count(counted: Counted) -> Grade {
    match counted {
        Counted::Error
        | Counted::Unknown
        | Counted::Overloaded
        | Counted::Refused
        | Counted::Dropped
        | Counted::Deadlock
        | Counted::Conflict
        | Counted::SagaStuck
        | Counted::Heuristic
        | Counted::Mixed
        | Counted::Hazard
        | Counted::Redelivered
        | Counted::Dead
        | Counted::Expired => Grade::Trouble,
        Counted::Call
        | Counted::Ok
        | Counted::Unmet
        | Counted::Rollback
        | Counted::Logged
        | Counted::Forced
        | Counted::Published
        | Counted::Delivered
        | Counted::Acked
        | Counted::Hit
        | Counted::Miss
        | Counted::Aged
        | Counted::Evicted
        | Counted::Open
        | Counted::Limited => Grade::Quiet,
    }
}

#[cfg(test)]
mod tests {
    use sim_core::{Cause, Form, Instant, Seed, Timer};

    use super::*;
    use crate::language::Choices;
    use crate::message::{Aside, Sort};
    use crate::program::{EdgeRef, FactRef, NodeRef};
    use crate::scenario::Model;
    use crate::value::Value;

    fn model() -> Model {
        let scenario = crate::builtin::scenario("checkout").unwrap().unwrap();
        scenario.model(&Choices::none().set("orders", "20").set("lost_replies", "50%")).unwrap()
    }

    fn step(what: Happening) -> Step {
        Step { number: 1, at: Instant::ZERO, what, cause: Cause::root("", "", 0), before: None, by: None }
    }

    const FIRED: Happening = Happening::Fired { node: NodeId(0), timer: Timer(0) };

    fn sent(fate: Fate) -> Entry {
        let (from, to, cause) = (NodeId(0), NodeId(1), Cause::root("", "", 0));
        Entry::Sent {
            from,
            to,
            kind: Kind(0),
            cause,
            fate,
            fault: None,
            calm: fate,
            altered: None,
            form: Form::Message,
        }
    }

    #[track_caller]
    fn check(what: Happening, entries: &[Entry], notes: &[Note], expected: Grade) {
        assert_eq!(grade(&step(what), entries, notes, false), expected);
        assert_eq!(grade(&step(what), entries, notes, true), Grade::Broken);
    }

    #[test]
    fn the_worst_of_what_an_event_did_grades_it() {
        let workload = NodeRef(0);
        let finished =
            |tone| Note::Finished { workload, key: 1, tone, since: Instant::ZERO, sort: Aside(Sort::of(tone)) };
        let fact = Note::Fact(FactRef(0), Value::Int(1), 1);
        let gave_up = Note::Edge(EdgeRef(0), EdgeCounted::Outcome(Tone::Unknown, Aside(Sort::Unsure)));
        let arrives = sent(Fate::Arrives(sim_core::Duration::ZERO));
        check(FIRED, &[arrives], &[finished(Tone::Ok)], Grade::Quiet);
        check(FIRED, &[], &[finished(Tone::Ok), fact.clone()], Grade::Notable);
        check(FIRED, &[], &[fact, finished(Tone::Error)], Grade::Trouble);
        check(FIRED, &[], &[gave_up], Grade::Trouble);
        check(FIRED, &[], &[Note::Edge(EdgeRef(0), EdgeCounted::Late)], Grade::Trouble);
        check(FIRED, &[], &[Note::Count(workload, Counted::Overloaded)], Grade::Trouble);
        check(FIRED, &[], &[Note::Count(workload, Counted::Unmet)], Grade::Quiet);
        check(FIRED, &[sent(Fate::Lost)], &[], Grade::Trouble);
        check(FIRED, &[sent(Fate::Cut)], &[], Grade::Trouble);
        check(Happening::FaultEnded { fault: 0 }, &[], &[], Grade::Notable);
        check(Happening::FaultBegan { fault: 0 }, &[Entry::Down { node: NodeId(0) }], &[], Grade::Trouble);
        check(Happening::Started { node: NodeId(0), life: 1 }, &[], &[], Grade::Quiet);
        check(Happening::Started { node: NodeId(0), life: 2 }, &[], &[], Grade::Notable);
    }

    #[test]
    fn an_event_is_told_from_what_it_did_alone() {
        let model = model();
        let (mut sim, _) = model.start(Seed(2));
        sim.record(true);
        let mut trace = sim_core::Trace::new();
        let mut told = std::collections::BTreeMap::<String, u32>::new();
        while let Some(step) = sim.step() {
            trace.push(&sim, &step);
            let drawn = step.by.and_then(|by| drawn_for(trace.entries(by), step.cause.operation));
            let text = event(model.program(), model.faults(), &step, sim.notes(), drawn);
            let node = step.node().map(|node| model.program().replica_name(node)).unwrap_or_default();
            *told.entry(format!("{node} {text}")).or_default() += 1;
        }
        for expected in [
            "gateway is asked by shop: charge",
            "shop hears from gateway: charge answered",
            "shop has no answer from gateway in time",
            "gateway has done its work",
            "shopper begins it",
            " begins: 0s.. loss gateway->shop charge 50%",
        ] {
            assert!(told.contains_key(expected), "{expected} is not in {told:#?}");
        }
    }

    #[test]
    fn an_operation_is_named_as_a_case_names_it() {
        let model = model();
        let of = Operation::new(sim_core::Class(0), 17);
        assert_eq!(operation(model.program(), of).as_deref(), Some("order/17"));
        assert_eq!(operation(model.program(), Operation::NONE), None);
    }
}
