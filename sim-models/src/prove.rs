//! Forks a failing run just before each of its lines, takes only that line back, and looks whether it still fails.
//!
//! All else stays: the fork has the same past, and every other question has the same answer, because no answer depends on the
//! order in which things are asked. So the violation vanishes only if it needed the line.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sim_core::fault::Decision;
use sim_core::{Class, Duration, Fault, Happening, Instant, Limits, Outcome, Rest, Seed, Sim, Stop, run};

use crate::decided::{Decided, Said, decided};
use crate::judge::{ScenarioJudge, Violation};
use crate::materialise::past;
use crate::message::Msg;
use crate::record::{Failure, Record, fails_by, violation_of};
use crate::scenario::Model;
use crate::shrink::{MOMENT, Part};
use crate::value::Value;

/// What one line of a failing run does for its failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The line.
    pub line: Fault,
    /// The event in which its question came up, or in which it began to hold; none: it never did.
    pub event: Option<u64>,
    /// The instant of that event.
    pub at: Option<Instant>,
    /// What the fork was told instead; none: it was told nothing, the fault never began.
    pub instead: Option<Fault>,
    /// What becomes of the violation without it.
    pub without: Without,
    /// How strong it must be at least, where strength is a time.
    pub least: Option<Least>,
}

impl Proof {
    /// Whether the failure needs the line: without it, this violation does not happen.
    pub fn is_needed(&self) -> bool {
        !matches!(self.without, Without::Stays)
    }
}

/// What becomes of a violation when one thing is otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Without {
    /// The property holds.
    Vanishes,
    /// The property breaks all the same, somewhere else: for another key, or by another cause.
    Moves {
        /// The event that breaks it now.
        event: u64,
        /// When.
        at: Instant,
        /// For which key.
        key: Option<Value>,
        /// What the key is a number of.
        class: Option<Class>,
    },
    /// The same event breaks it, by the same cause.
    Stays,
    /// The property holds, and the run fails in another way.
    Differs(Failure),
}

/// The least strength that still fails, to three digits behind the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Least {
    /// What of the line is measured.
    pub part: Part,
    /// So long is enough.
    pub fails: Duration,
    /// So long is not.
    pub passes: Duration,
}

/// How a run came out, as far as one property is concerned.
#[derive(Clone, Debug, PartialEq)]
enum End {
    /// The property is broken in the same way.
    FailsSo,
    /// It is not, but another one is.
    FailsOtherwise(Failure),
    /// Nothing is.
    Holds,
}

impl End {
    fn of(outcome: &Outcome, failure: &Failure) -> End {
        match Failure::of(outcome) {
            _ if failure.is_of(outcome) => End::FailsSo,
            Some(other) => End::FailsOtherwise(other),
            None => End::Holds,
        }
    }
}

/// A violation, and the lineage of the event that made it: the same event in another run has the same.
struct Broken {
    end: End,
    violation: Option<Violation>,
    lineage: Option<u64>,
}

impl Broken {
    /// How a run that started at a fork came out, compared with how it would have come out.
    fn without(self, of: &Broken) -> Without {
        match (self.end, self.violation) {
            (End::Holds, _) => Without::Vanishes,
            (End::FailsOtherwise(failure), _) => Without::Differs(failure),
            (End::FailsSo, Some(now)) => {
                let key = of.violation.as_ref().map(|violation| &violation.key);
                if key == Some(&now.key) && self.lineage == of.lineage {
                    return Without::Stays;
                }
                Without::Moves { event: now.event, at: now.at, key: now.key, class: now.class }
            }
            (End::FailsSo, None) => Without::Stays,
        }
    }
}

/// Proves each line of a model whose run fails so, in the order of its schedule. Where that would cost more than ten
/// million events, only the first ones: what holds for some time goes before decisions.
pub fn prove(model: &Model, seed: Seed, failure: &Failure) -> Vec<Proof> {
    let record = Record::of(model, seed, failure);
    let most = usize::try_from(EVENTS / record.outcome.events.max(1)).unwrap_or(usize::MAX).max(LEAST);
    let mut places: Vec<usize> = (0..model.faults().len()).collect();
    places.sort_by_key(|place| matches!(model.faults()[*place], Fault::Decision(_)));
    places.truncate(most);
    places.sort_unstable();
    let trial = Trial::new(model, seed, failure, &record, &places);
    let mut proofs = Vec::new();
    for place in places {
        if trial.events.get() > EVENTS && proofs.len() >= LEAST {
            break;
        }
        proofs.push(trial.proof(place, true));
    }
    proofs
}

/// What forks may cost, and how many lines are looked at whatever they cost.
const EVENTS: u64 = 10_000_000;
const LEAST: usize = 3;

/// Proves, in the run of a seed, what was left of it after shrinking and what came close to mattering: answers other
/// than the default in the past of the violation, at most so many, those of its own operation first and the latest
/// first.
///
/// Whether each is one of those that were left stands beside it.
pub fn prove_near(model: &Model, seed: Seed, failure: &Failure, left: &[Fault], most: usize) -> Vec<(Proof, bool)> {
    let record = Record::of(model, seed, failure);
    let program = model.program();
    let all = decided(&record.trace, program);
    // Of many that are left only some are shown.
    let left = &left[..left.len().min(3 * most)];
    let is_left = |decided: &Decided| {
        let asked =
            |fault: &Fault| matches!(fault, Fault::Decision(decision) if decided.is_asked_by(decision, program));
        left.iter().any(asked)
    };
    let past = past(&record.trace, &record.roots());
    let own = record.trace.step(record.outcome.events).map(|step| step.cause.operation);
    let mut near: Vec<&Decided> =
        all.iter().filter(|it| it.is_odd() && past.contains(&it.event) && !is_left(it)).collect();
    near.sort_by_key(|it| (Some(it.question.operation()) != own, std::cmp::Reverse(it.event)));
    near.truncate(most);
    let said = all.iter().filter(|it| it.is_odd() && is_left(it)).map(|it| (it, true));
    let rows: Vec<(Fault, bool)> = said
        .chain(near.into_iter().map(|it| (it, false)))
        .filter_map(|(it, left)| Some((it.line(program)?, left)))
        .collect();
    // The lines say what the seed says, so that the run is the same, and can be overruled one by one.
    let first = model.faults().len();
    let places: Vec<usize> = (first..first + rows.len()).collect();
    let lines = model.faults().iter().cloned().chain(rows.iter().map(|(line, _)| line.clone())).collect();
    let spoken = model.with(lines, Rest::Seed);
    let record = Record::of(&spoken, seed, failure);
    let trial = Trial::new(&spoken, seed, failure, &record, &places);
    rows.into_iter().enumerate().map(|(index, (_, left))| (trial.proof(first + index, false), left)).collect()
}

/// A failing run from which forks are taken.
struct Trial<'a> {
    model: &'a Model,
    seed: Seed,
    failure: &'a Failure,
    broken: Broken,
    /// For each line of the schedule: the event at which it first matters, and the question it answers.
    begins: BTreeMap<usize, (u64, Instant, Option<Decided>)>,
    /// The run as it was just before those events.
    forks: BTreeMap<u64, (Sim<Msg>, ScenarioJudge)>,
    /// Events of forks so far.
    events: Cell<u64>,
}

impl<'a> Trial<'a> {
    /// `places`: those of the lines that are to be proven.
    fn new(model: &'a Model, seed: Seed, failure: &'a Failure, record: &Record, places: &[usize]) -> Self {
        let begins = begins(model, record, places);
        let wanted: Vec<u64> = begins.values().map(|(event, ..)| *event).collect();
        let lineage = record.violation.as_ref().and_then(|violation| record.trace.step(violation.event));
        let lineage = lineage.map(|step| step.cause.lineage);
        let end = End::of(&record.outcome, failure);
        let broken = Broken { end, violation: record.violation.clone(), lineage };
        Trial {
            model,
            seed,
            failure,
            broken,
            begins,
            forks: forks(model, seed, failure.stop(), &wanted),
            events: Cell::new(0),
        }
    }

    fn proof(&self, place: usize, measured: bool) -> Proof {
        let line = self.model.faults()[place].clone();
        let Some((event, at, decided)) = self.begins.get(&place) else {
            return Proof { line, event: None, at: None, instead: None, without: Without::Stays, least: None };
        };
        let instead = decided.as_ref().and_then(|decided| decided.default_line(self.model.program()));
        let without = self.fork(place, *event, instead.as_ref());
        let least =
            (measured && without != Without::Stays).then(|| self.least(place, *event, decided.as_ref())).flatten();
        Proof { line, event: Some(*event), at: Some(*at), instead, without, least }
    }

    /// What becomes of the violation when the line says something else, or nothing.
    fn fork(&self, place: usize, event: u64, instead: Option<&Fault>) -> Without {
        let Some((mut sim, judge)) = self.forks.get(&event).cloned() else { return Without::Stays };
        let changed = match instead {
            Some(Fault::Decision(said)) => sim.overrule(place, said),
            Some(Fault::Timed(_)) | None => sim.lift(place),
        };
        if !changed {
            return Without::Stays;
        }
        self.continued(sim, judge).without(&self.broken)
    }

    fn continued(&self, mut sim: Sim<Msg>, mut judge: ScenarioJudge) -> Broken {
        let before = sim.events();
        let mut lineages = Vec::new();
        let course = self.model.course(self.failure.stop(), Limits::default());
        let outcome = run(&mut sim, &mut judge, &course, |_, step| {
            lineages.push(step.cause.lineage);
            ControlFlow::Continue(())
        });
        self.count(outcome.events - before);
        let end = End::of(&outcome, self.failure);
        let violation = (end == End::FailsSo).then(|| violation_of(&judge, self.failure)).flatten();
        let lineage = violation.as_ref().and_then(|violation| match violation.event.checked_sub(before + 1) {
            Some(index) => lineages.get(index as usize).copied(),
            // It happened before the fork, where the two runs are one.
            None => self.broken.lineage.filter(|_| same_event(&self.broken, violation)),
        });
        Broken { end, violation, lineage }
    }

    fn count(&self, events: u64) {
        self.events.set(self.events.get() + events);
    }

    /// Halves the distance between what is enough and what is not, until three digits behind the first are known.
    fn least(&self, place: usize, event: u64, decided: Option<&Decided>) -> Option<Least> {
        let line = &self.model.faults()[place];
        let part = [Part::Length, Part::More, Part::End].into_iter().find(|part| part.of(line).is_some())?;
        let (mut fails, mut passes) = (part.of(line)?, passing(line, part, decided)?);
        let unit = fails.nanos().checked_ilog10().map_or(1, |size| 10u64.pow(size.saturating_sub(3)));
        let unit = if part == Part::End { unit.max(MOMENT.nanos()) } else { unit };
        while fails.nanos().saturating_sub(passes.nanos()) > unit {
            let units = (fails.nanos() - passes.nanos()).div_ceil(unit);
            let middle = Duration::from_nanos(passes.nanos() + units / 2 * unit);
            let still = match part.with(line, middle)? {
                Fault::Decision(said) => self.still_fails(place, event, &said),
                Fault::Timed(timed) => self.fails_with(place, Fault::Timed(timed)),
            };
            *(if still { &mut fails } else { &mut passes }) = middle;
        }
        Some(Least { part, fails, passes })
    }

    fn still_fails(&self, place: usize, event: u64, said: &Decision) -> bool {
        let Some((mut sim, judge)) = self.forks.get(&event).cloned() else { return true };
        !sim.overrule(place, said) || self.continued(sim, judge).end == End::FailsSo
    }

    fn fails_with(&self, place: usize, line: Fault) -> bool {
        let mut lines = self.model.faults().to_vec();
        lines[place] = line;
        let (fails, events) = fails_by(&self.model.with(lines, self.model.rest()), self.seed, self.failure, None);
        self.count(events);
        fails
    }
}

fn same_event(broken: &Broken, violation: &Violation) -> bool {
    broken.violation.as_ref().is_some_and(|known| known.event == violation.event)
}

/// The strength at which a line does as good as nothing.
fn passing(line: &Fault, part: Part, decided: Option<&Decided>) -> Option<Duration> {
    let default = decided.map(|decided| decided.calm);
    match (line, part) {
        (Fault::Timed(timed), Part::End) => Some(timed.when.begin().since(Instant::ZERO)),
        (Fault::Timed(_), _) => Some(Duration::ZERO),
        (Fault::Decision(_), _) => match default? {
            Said::Length(calm) | Said::Late(calm) => Some(calm).filter(|calm| Some(*calm) < part.of(line)),
            _ => None,
        },
    }
}

/// For each of these lines of a model's schedule, the event at which it first matters in a recorded run.
fn begins(model: &Model, record: &Record, places: &[usize]) -> BTreeMap<usize, (u64, Instant, Option<Decided>)> {
    let program = model.program();
    let all = decided(&record.trace, program);
    let at = |event: u64| record.trace.step(event).map_or(Instant::ZERO, |step| step.at);
    let began = |place: usize| {
        record.trace.steps().iter().find(|step| step.what == Happening::FaultBegan { fault: place as u32 })
    };
    let of = |place: usize| match &model.faults()[place] {
        // What strikes at a point of a program has cut the handling short in which that came there.
        Fault::Timed(timed) => began(place).map(|step| {
            let event = step.by.filter(|_| timed.trigger.is_some()).unwrap_or(step.number);
            (place, (event, step.at, None))
        }),
        Fault::Decision(decision) => {
            let asked = all.iter().find(|decided| decided.is_asked_by(decision, program))?;
            Some((place, (asked.event, at(asked.event), Some(*asked))))
        }
    };
    places.iter().copied().filter_map(of).collect()
}

/// The run as it is just before each of these events.
pub(crate) fn forks(
    model: &Model,
    seed: Seed,
    stop: Stop<'_>,
    events: &[u64],
) -> BTreeMap<u64, (Sim<Msg>, ScenarioJudge)> {
    let (mut sim, mut judge) = model.start(seed);
    let mut forks = BTreeMap::new();
    let Some(last) = events.iter().max() else { return forks };
    loop {
        let next = sim.events() + 1;
        if events.contains(&next) {
            forks.insert(next, (sim.clone(), judge.clone()));
        }
        if next >= *last {
            return forks;
        }
        let Some(step) = sim.step_before(end_of(model, stop)) else { return forks };
        // The judge's word does not matter here: the run is known to come as far as its violation.
        let _ = sim_core::Judge::after(&mut judge, &step, &sim);
    }
}

fn end_of(model: &Model, stop: Stop<'_>) -> Instant {
    model.course(stop, Limits::default()).until + Duration::from_nanos(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::language::Choices;
    use crate::shrink::shrink;

    fn checkout() -> Model {
        builtin::scenario("checkout").unwrap().unwrap().model(&Choices::none().set("orders", "10")).unwrap()
    }

    #[test]
    fn the_slow_charge_is_needed_and_a_second_of_it_is_enough() {
        let model = checkout();
        let case = model.case(&model.run(Seed(0), Stop::AtViolation));
        let small = shrink("case.json", &case, 10_000, &mut |_| true).unwrap();
        let proofs = prove(&small.model, Seed(0), &small.failure);
        assert_eq!(proofs.len(), 1);
        let proof = &proofs[0];
        assert_eq!(proof.without, Without::Vanishes);
        assert_eq!(proof.instead.as_ref().unwrap().to_string(), "draw gateway work order/5 #1 300ms");
        let least = proof.least.unwrap();
        assert!(least.fails.nanos() - least.passes.nanos() == 1_000_000, "{least:?}");
        // The shop waits a second for the answer.
        assert!((900..1_100).contains(&(least.fails.nanos() / 1_000_000)), "{least:?}");
    }

    #[test]
    fn lines_that_say_what_the_seed_says_change_nothing_and_near_misses_stay() {
        let model = checkout();
        let failure = Failure::of(&model.run(Seed(0), Stop::AtViolation).outcome).unwrap();
        let case = model.case(&model.run(Seed(0), Stop::AtViolation));
        let small = shrink("case.json", &case, 10_000, &mut |_| true).unwrap();
        let proofs = prove_near(&model, Seed(0), &failure, &small.case.faults, 8);
        let left: Vec<_> = proofs.iter().filter(|(_, left)| *left).collect();
        assert_eq!(left.len(), 1);
        assert!(left[0].0.is_needed(), "{:?}", left[0]);
        assert!(proofs.len() > 4);
        for (proof, _) in proofs.iter().filter(|(_, left)| !left) {
            assert!(proof.event.is_some() && proof.instead.is_some(), "{proof:?}");
        }
    }
}
