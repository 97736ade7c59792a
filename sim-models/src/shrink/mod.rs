//! Shrinks a failing case to the few lines that matter, by replaying it.
//!
//! First the answers of the seed become lines of the case and all the rest becomes calm; then faults and decisions go, then
//! operations, then nodes, and what times are left become shorter and round, all as long as the same property breaks in the same
//! way. It ends when nothing of that can go on, so that shrinking the result changes nothing. The result fails by its lines alone,
//! whatever the seed.

mod nodes;
mod times;

use sim_core::case::Case;
use sim_core::shrink::{Budget, minimise};
use sim_core::{Fault, Instant, Operation, Rest, Seed, Stop};

use crate::materialise::materialise;
use crate::program::{Ask, PropertyDef};
use crate::record::{Failure, Record, fails, fails_before, soon_after};
use crate::scenario::{CaseError, Model, Run};

pub(crate) use self::times::MOMENT;
pub use self::times::{Part, rounded};

/// How large a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Size {
    /// Faults that hold for some time.
    pub faults: usize,
    /// Decisions.
    pub decisions: usize,
    /// Events of its run.
    pub events: u64,
}

/// A case that was shrunk.
#[derive(Clone)]
pub struct Shrunk {
    /// The small case, with what it comes to.
    pub case: Case,
    /// Its model.
    pub model: Model,
    /// How it fails.
    pub failure: Failure,
    /// How large it was, once its answers were written down.
    pub from: Size,
    /// How large it is.
    pub to: Size,
    /// Replays that were used.
    pub replays: u64,
    /// Whether the budget or the caller ended it before nothing more could go.
    pub unfinished: bool,
}

/// Where a shrink stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Replays used.
    pub replays: u64,
    /// Lines left.
    pub lines: usize,
}

/// Shrinks a case with at most `most` replays. `watch` is told before each how far it is; false ends it with the smallest case so
/// far.
///
/// # Errors
/// What is wrong with the case, or that it does not fail.
pub fn shrink(
    file: &str,
    case: &Case,
    most: u64,
    watch: &mut dyn FnMut(Progress) -> bool,
) -> Result<Shrunk, CaseError> {
    let model = Model::of_case(file, case)?;
    let seed = case.seed;
    let (failure, first) = failing(&model, case)?;
    let lines = match case.rest {
        Rest::Calm => case.faults.clone(),
        Rest::Seed => match materialise(&model, seed, &failure) {
            Some(written) => written.faults,
            None => return Err(CaseError::Other("this case does not fail by its lines alone".to_owned())),
        },
    };
    let from = size(&lines, first.outcome.events);
    // Most of what does not fail any more would run to its end, many times as far as to the violation. At first it may not; what
    // is left then is tried without that limit until nothing more can go.
    let soon = first.outcome.stopped_at.is_some().then(|| soon_after(first.outcome.end));
    let mut trial = Trial { seed, failure, budget: Budget::new(most), stopped: false, end: soon, watch };
    let about = about(&model, &lines, seed, &trial.failure);
    let whole = Candidate { only: model.only().map(<[_]>::to_vec), model, lines, about };
    let mut small = whole.clone().shrunk(&mut trial);
    if small.lines.len() > FEW {
        // Which of several reasons is left depends on what is tried to do without first.
        let other = whole.reversed().shrunk(&mut trial).reversed();
        small = if other.lines.len() < small.lines.len() { other } else { small };
    }
    if trial.end.take().is_some() {
        small = small.shrunk(&mut trial);
    }
    let model = small.now();
    let run = model.run(seed, trial.failure.stop());
    let to = size(&small.lines, run.outcome.events);
    let case = Case { note: case.note.clone(), ..model.case_failing(&run, &trial.failure) };
    let (replays, unfinished) = (trial.budget.used, trial.is_over());
    Ok(Shrunk { case, model, failure: trial.failure, from, to, replays, unfinished })
}

/// What a failure says of operations that are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// It breaks for a key, or for a run that holds when nothing is done at all: those that are left break it.
    Some,
    /// A sum or a share that breaks when nothing is done: whatever is left must hold without its lines.
    All,
    /// The same, of a run that does not even hold without any line; or a share or percentile of all requests. All stay.
    Every,
}

fn about(model: &Model, lines: &[Fault], seed: Seed, failure: &Failure) -> About {
    let record = Record::of(&model.with(lines.to_vec(), Rest::Calm), seed, failure);
    if record.violation.is_some_and(|violation| violation.key.is_some()) {
        return About::Some;
    }
    let named = |property: &&PropertyDef| Some(&property.name) == failure.property.as_ref();
    let ask = model.program().properties.iter().find(named).map(|property| &property.ask);
    if matches!(ask, Some(Ask::Availability { .. } | Ask::Latency { .. })) {
        return About::Every;
    }
    let fails = |only| fails(&model.limited_to(only).with(Vec::new(), Rest::Calm), seed, failure);
    match (fails(Some(Vec::new())), fails(model.only().map(<[_]>::to_vec))) {
        (false, _) => About::Some,
        (true, false) => About::All,
        (true, true) => About::Every,
    }
}

/// How a case fails: as it expects to, or else at its first violation; and the run that shows it.
fn failing(model: &Model, case: &Case) -> Result<(Failure, Run), CaseError> {
    let expect = case.expect.as_ref().filter(|expect| expect.verdict.is_failure());
    let expected = expect.map(|expect| Failure { verdict: expect.verdict, property: expect.property.clone() });
    if let Some(failure) = expected {
        let run = model.run(case.seed, failure.stop());
        if failure.is_of(&run.outcome) {
            return Ok((failure, run));
        }
    }
    let run = model.run(case.seed, Stop::AtViolation);
    let failure = Failure::of(&run.outcome);
    let failure =
        failure.ok_or_else(|| CaseError::Other("this case does not fail, so there is nothing to shrink".into()))?;
    Ok((failure, run))
}

fn size(lines: &[Fault], events: u64) -> Size {
    let decisions = lines.iter().filter(|line| matches!(line, Fault::Decision(_))).count();
    Size { faults: lines.len() - decisions, decisions, events }
}

/// Who answers whether a candidate still fails, as long as there are replays left.
struct Trial<'w> {
    seed: Seed,
    failure: Failure,
    budget: Budget,
    stopped: bool,
    /// When a run is given up.
    end: Option<Instant>,
    watch: &'w mut dyn FnMut(Progress) -> bool,
}

impl Trial<'_> {
    fn is_over(&self) -> bool {
        self.stopped || self.budget.used >= self.budget.most
    }

    /// Whether it fails in the same way; no answer when it is over.
    fn fails(&mut self, candidate: &Model) -> Option<bool> {
        let lines = candidate.faults().len();
        self.stopped |= !(self.watch)(Progress { replays: self.budget.used, lines });
        if self.stopped || !self.budget.take() {
            return None;
        }
        Some(match self.end {
            Some(end) => fails_before(candidate, self.seed, &self.failure, end),
            None => fails(candidate, self.seed, &self.failure),
        })
    }
}

/// A case on its way to be smaller; it fails.
#[derive(Clone)]
struct Candidate {
    model: Model,
    lines: Vec<Fault>,
    only: Option<Vec<Operation>>,
    about: About,
}

/// So many lines are read at a glance.
const FEW: usize = 2;

impl Candidate {
    /// The same with its lines the other way round.
    fn reversed(mut self) -> Candidate {
        self.lines.reverse();
        self
    }

    fn with(&self, lines: &[Fault], only: Option<Vec<Operation>>) -> Model {
        self.model.limited_to(only).with(lines.to_vec(), Rest::Calm)
    }

    fn now(&self) -> Model {
        self.with(&self.lines, self.only.clone())
    }

    /// Smaller and smaller, until a whole round changes nothing.
    fn shrunk(mut self, trial: &mut Trial<'_>) -> Candidate {
        loop {
            let before = (self.lines.clone(), self.only.clone());
            self.drop_lines(trial);
            self.drop_operations(trial);
            // Each node that might go costs reading the scenario again: only when little else is left.
            let fewer_nodes = trial.end.is_none() && self.drop_nodes(trial);
            self.ease_times(trial);
            if trial.is_over() || !fewer_nodes && before == (self.lines.clone(), self.only.clone()) {
                return self;
            }
        }
    }

    fn drop_lines(&mut self, trial: &mut Trial<'_>) {
        self.lines = minimise(self.lines.clone(), |lines| trial.fails(&self.with(lines, self.only.clone())));
    }

    fn drop_operations(&mut self, trial: &mut Trial<'_>) {
        if self.about == About::Every {
            return;
        }
        let begun = match &self.only {
            Some(only) => only.clone(),
            None => self.now().begun(trial.seed, trial.failure.stop()),
        };
        // Naming all that was begun until the violation is as good as naming none, if it fails.
        if self.only.is_none() && self.fails_by_lines(trial, &self.with(&self.lines, Some(begun.clone()))) != Some(true)
        {
            return;
        }
        let fails = |only: &[Operation]| self.fails_by_lines(trial, &self.with(&self.lines, Some(only.to_vec())));
        self.only = Some(minimise(begun, fails));
    }

    /// Whether something smaller fails, and does not because of what was left out of it.
    fn fails_by_lines(&self, trial: &mut Trial<'_>, smaller: &Model) -> Option<bool> {
        let fails = trial.fails(smaller)?;
        match self.about {
            About::All if fails => trial.fails(&smaller.with(Vec::new(), Rest::Calm)).map(|fails| !fails),
            About::All | About::Some | About::Every => Some(fails),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::language::Choices;

    fn shrunk(scenario: &str, choices: &Choices, seed: u64) -> Shrunk {
        let scenario = builtin::scenario(scenario).unwrap().unwrap();
        let model = scenario.model(choices).unwrap();
        let case = model.case(&model.run(Seed(seed), Stop::AtViolation));
        shrink("case.json", &case, 10_000, &mut |_| true).unwrap()
    }

    #[test]
    fn the_2_am_checkout_ends_at_one_line() {
        let small = shrunk("checkout", &Choices::none().set("orders", "10"), 0);
        assert_eq!(small.case.faults.len(), 1);
        assert_eq!(small.case.faults[0].to_string(), "draw gateway work order/5 #1 1.4s");
        assert_eq!(small.case.only.as_deref(), Some(&["order/5".to_owned()][..]));
    }

    #[test]
    fn what_is_shrunk_shrinks_no_further_and_fails_with_any_seed() {
        let choices = Choices::none().set("orders", "10");
        let model = builtin::scenario("checkout").unwrap().unwrap().model(&choices).unwrap();
        let fails = |seed: &u64| model.run(Seed(*seed), Stop::AtViolation).outcome.verdict.is_failure();
        let failing: Vec<u64> = (0..100).filter(fails).collect();
        assert!(failing.len() > 30, "{failing:?}");
        for seed in failing {
            let small = shrunk("checkout", &choices, seed);
            assert_eq!(small.case.faults.len(), 1, "seed {seed}");
            let again = shrink("case.json", &small.case, 10_000, &mut |_| true).unwrap();
            assert_eq!(again.case, small.case);
            let other = Case { seed: Seed(987_654_321), ..small.case.clone() };
            let model = Model::of_case("case.json", &other).unwrap();
            let outcome = model.run(other.seed, Stop::AtViolation).outcome;
            assert_eq!(outcome.property(), small.case.expect.as_ref().unwrap().property.as_deref());
        }
    }
}
