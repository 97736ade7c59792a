//! Shrinks a failing case to the few lines that matter, by replaying it.
//!
//! First the answers of the seed become lines of the case and all the rest becomes calm; then faults and decisions go, then
//! operations, as long as the same property breaks in the same way; then times become round. The result fails by its lines alone, whatever
//! the seed, and shrinking it again changes nothing.

use sim_core::case::Case;
use sim_core::fault::{Decision, Ruling, Value};
use sim_core::shrink::{Budget, minimise};
use sim_core::{Duration, Fault, Operation, Rest, Stop};

use crate::materialise::{Failure, fails, materialise};
use crate::scenario::{CaseError, Model};

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
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small case, with what it comes to.
    pub case: Case,
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

/// A candidate on its way to be smaller.
struct Candidate {
    model: Model,
    lines: Vec<Fault>,
    only: Option<Vec<Operation>>,
}

/// Shrinks a case with at most `most` replays. `watch` is told now and then how far it is; false ends it with the smallest case so far.
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
    let first = model.run(seed, Stop::AtViolation);
    let failure = Failure::of(&first.outcome);
    let failure =
        failure.ok_or_else(|| CaseError::Other("this case does not fail, so there is nothing to shrink".into()))?;
    let (lines, failure) = match case.rest {
        Rest::Calm => (case.faults.clone(), failure),
        Rest::Seed => match materialise(&model, seed) {
            Some((written, failure)) => (written.faults, failure),
            None => return Err(CaseError::Other("this case does not fail by its lines alone".to_owned())),
        },
    };
    let from = size(&lines, first.outcome.events);
    let mut budget = Budget::new(most);
    let mut stopped = false;
    let mut small = Candidate { only: model.only().map(<[_]>::to_vec), model, lines };
    loop {
        let before = (small.lines.len(), small.only.as_ref().map(Vec::len));
        let mut check = |candidate: &Model, lines: usize, replays: u64| {
            stopped |= !watch(Progress { replays, lines });
            !stopped && fails(candidate, seed, &failure)
        };
        small.drop_lines(&mut budget, &mut check);
        small.drop_operations(&mut budget, &mut check, seed, &failure);
        if stopped || budget.used >= budget.most || before == (small.lines.len(), small.only.as_ref().map(Vec::len)) {
            break;
        }
    }
    small.round(&mut budget, |candidate| fails(candidate, seed, &failure));
    let unfinished = stopped || budget.used >= budget.most;
    let model = small.now();
    let run = model.run(seed, failure.stop());
    let to = size(&small.lines, run.outcome.events);
    let case = Case { note: case.note.clone(), ..model.case(&run) };
    Ok(Shrunk { case, from, to, replays: budget.used, unfinished })
}

fn size(lines: &[Fault], events: u64) -> Size {
    let decisions = lines.iter().filter(|line| matches!(line, Fault::Decision(_))).count();
    Size { faults: lines.len() - decisions, decisions, events }
}

impl Candidate {
    fn with(&self, lines: Vec<Fault>, only: Option<Vec<Operation>>) -> Model {
        self.model.limited_to(only).with(lines, Rest::Calm)
    }

    fn now(&self) -> Model {
        self.with(self.lines.clone(), self.only.clone())
    }

    fn drop_lines(&mut self, budget: &mut Budget, check: &mut dyn FnMut(&Model, usize, u64) -> bool) {
        let replays = budget.used;
        let mut asked = 0;
        let left = minimise(self.lines.clone(), budget, |lines| {
            asked += 1;
            check(&self.with(lines.to_vec(), self.only.clone()), lines.len(), replays + asked)
        });
        self.lines = left;
    }

    fn drop_operations(
        &mut self,
        budget: &mut Budget,
        check: &mut dyn FnMut(&Model, usize, u64) -> bool,
        seed: sim_core::Seed,
        failure: &Failure,
    ) {
        let begun = match &self.only {
            Some(only) => only.clone(),
            None => self.now().begun(seed, failure.stop()),
        };
        let (replays, lines) = (budget.used, self.lines.clone());
        let mut asked = 0;
        let left = minimise(begun, budget, |only| {
            asked += 1;
            check(&self.with(lines.clone(), Some(only.to_vec())), lines.len(), replays + asked)
        });
        // A list of all that was begun until the violation is as good as none only if it fails.
        if check(&self.with(lines.clone(), Some(left.clone())), lines.len(), budget.used) {
            self.only = Some(left);
        }
    }

    /// Writes each length with two digits, or three, if it still fails so.
    fn round(&mut self, budget: &mut Budget, mut still_fails: impl FnMut(&Model) -> bool) {
        for index in 0..self.lines.len() {
            let Some(length) = length_of(&self.lines[index]) else { continue };
            for digits in [2, 3] {
                let round = rounded(length, digits);
                if round == length {
                    break;
                }
                if !budget.take() {
                    return;
                }
                let mut lines = self.lines.clone();
                lines[index] = with_length(&lines[index], round);
                if still_fails(&self.with(lines.clone(), self.only.clone())) {
                    self.lines = lines;
                    break;
                }
            }
        }
    }
}

fn length_of(line: &Fault) -> Option<Duration> {
    match line {
        Fault::Decision(Decision::Draw { value: Value::Length(length), .. })
        | Fault::Decision(Decision::Envelope { ruling: Ruling::Late(length) | Ruling::Twice(length), .. }) => {
            Some(*length)
        }
        _ => None,
    }
}

fn with_length(line: &Fault, length: Duration) -> Fault {
    let mut line = line.clone();
    match &mut line {
        Fault::Decision(Decision::Draw { value: Value::Length(known), .. })
        | Fault::Decision(Decision::Envelope { ruling: Ruling::Late(known) | Ruling::Twice(known), .. }) => {
            *known = length;
        }
        _ => {}
    }
    line
}

/// The nearest length with so many digits that are not nought.
fn rounded(length: Duration, digits: u32) -> Duration {
    let nanos = length.nanos();
    let Some(size) = nanos.checked_ilog10() else { return length };
    let unit = 10u64.pow((size + 1).saturating_sub(digits));
    Duration::from_nanos((nanos.saturating_add(unit / 2) / unit).saturating_mul(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::language::Choices;
    use sim_core::Seed;

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

    #[test]
    fn lengths_are_rounded_to_the_nearest() {
        let nanos = Duration::from_nanos;
        assert_eq!(rounded(nanos(1_403_261_588), 2), nanos(1_400_000_000));
        assert_eq!(rounded(nanos(996), 2), nanos(1_000));
        assert_eq!((rounded(nanos(7), 2), rounded(nanos(0), 2)), (nanos(7), nanos(0)));
    }
}
