//! Shrinks a failing case to the few lines that matter, by replaying it.
//!
//! First the answers of the seed become lines of the case and all the rest becomes calm; then faults and decisions go, then
//! operations, then nodes, and what times are left become shorter and round, all as long as the same property breaks in the same
//! way. It ends when nothing of that can go on, so that shrinking the result changes nothing. The result fails by its lines alone,
//! whatever the seed.

mod nodes;
mod times;

use std::collections::BTreeSet;

use sim_core::case::Case;
use sim_core::shrink::{Budget, minimise};
use sim_core::{Fault, Instant, Operation, Rest, Seed, Stop};

use crate::materialise::materialise;
use crate::program::{Ask, PaceDef, Program, PropertyDef, Role};
use crate::record::{Failure, Record, fails, fails_by, soon_after};
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

/// Shrinks a case with at most `most` replays, and no more events than as many replays of 2,000 each have, or 20
/// million, twice where much is left in median gaps and mean ones are tried too. `watch` is told before each how far it is; false ends it with the smallest case so far.
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
    let (lines, rest) = match case.rest {
        Rest::Calm | Rest::Steady => (case.faults.clone(), case.rest),
        Rest::Seed => written(&model, seed, &failure)
            .ok_or_else(|| CaseError::Other("this case does not fail by its lines alone".to_owned()))?,
    };
    let from = size(&lines, first.outcome.events);
    // Most of what does not fail any more would run to its end, many times as far as to the violation. At first it may not; what
    // is left then is tried without that limit until nothing more can go.
    let soon = first.outcome.stopped_at.is_some().then(|| soon_after(first.outcome.end));
    let events = most.saturating_mul(EVENTS_A_REPLAY).max(EVENTS);
    let mut trial = Trial { seed, failure, budget: Budget::new(most), events, stopped: false, end: soon, watch };
    let about = about(&model, &lines, rest, seed, &trial.failure);
    let whole = Candidate { only: model.only().map(<[_]>::to_vec), model, lines, rest, about };
    let mut small = whole.smallest(&mut trial);
    let (mut replays, mut unfinished) = (trial.budget.used, trial.is_over());
    let is_long = small.lines.len() > MANY_TO_READ && !trial.stopped && replays < most;
    if let Some(steady) = is_long.then(|| whole.steadier(&trial)).flatten() {
        trial = Trial { budget: Budget::new(most - replays), events, end: soon, ..trial };
        let other = steady.smallest(&mut trial);
        replays += trial.budget.used;
        if other.lines.len() < small.lines.len() {
            (small, unfinished) = (other, trial.is_over());
        }
    }
    let model = small.now();
    let run = model.run(seed, trial.failure.stop());
    let to = size(&small.lines, run.outcome.events);
    let case = Case { note: case.note.clone(), ..model.case_failing(&run, &trial.failure) };
    Ok(Shrunk { case, model, failure: trial.failure, from, to, replays, unfinished })
}

/// What a failure says of what may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct About {
    /// Without any line it holds, so its lines break it: whatever is left must hold without them too. Else it would be broken by the
    /// loss of a node or an operation that keeps the promise, such as the relay of an outbox.
    lines: bool,
    /// Whether operations may go. All stay where it is a share or percentile of all requests, and where no line and no operation
    /// breaks it.
    operations: bool,
}

/// The lines that a run fails by, and what answers all that they do not.
fn written(model: &Model, seed: Seed, failure: &Failure) -> Option<(Vec<Fault>, Rest)> {
    let usual = usual(model, failure);
    let other = (usual == Rest::Steady).then_some(Rest::Calm);
    let tried = [Some(usual), other].into_iter().flatten();
    tried.into_iter().find_map(|rest| Some((materialise(model, seed, failure, rest)?.faults, rest)))
}

/// What stands for all that is left to chance. What is said of a run as a whole hangs on how much is asked of whom:
/// that stays as it is on average.
fn usual(model: &Model, failure: &Failure) -> Rest {
    let program = model.program();
    let asks = program.properties.iter().find(|it| Some(&it.name) == failure.property.as_ref()).map(|it| &it.ask);
    match asks {
        Some(Ask::Availability { .. } | Ask::Latency { .. } | Ask::AtEnd(_)) if is_poisson(program) => Rest::Steady,
        _ => Rest::Calm,
    }
}

/// Whether requests of a workload come in gaps that are drawn.
fn is_poisson(program: &Program) -> bool {
    program.nodes.iter().any(|node| match &node.role {
        Role::Workload(def) => matches!(def.pace, PaceDef::Open { even: false, .. }),
        Role::Service(_) | Role::Store(_) | Role::Queue(_) => false,
    })
}

fn about(model: &Model, lines: &[Fault], rest: Rest, seed: Seed, failure: &Failure) -> About {
    let calmly_fails = |only| fails(&model.limited_to(only).with(Vec::new(), rest), seed, failure);
    let breaks_by_lines = !calmly_fails(model.only().map(<[_]>::to_vec));
    let named = |property: &&PropertyDef| Some(&property.name) == failure.property.as_ref();
    let ask = model.program().properties.iter().find(named).map(|property| &property.ask);
    let is_of_all = matches!(ask, Some(Ask::Availability { .. } | Ask::Latency { .. }));
    let is_of_a_key = || {
        let record = Record::of(&model.with(lines.to_vec(), rest), seed, failure);
        record.violation.is_some_and(|violation| violation.key.is_some())
    };
    let some_do = || breaks_by_lines || is_of_a_key() || !calmly_fails(Some(Vec::new()));
    About { lines: breaks_by_lines, operations: !is_of_all && some_do() }
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
    /// Events that are left.
    events: u64,
    stopped: bool,
    /// When a run is given up.
    end: Option<Instant>,
    watch: &'w mut dyn FnMut(Progress) -> bool,
}

impl Trial<'_> {
    fn is_over(&self) -> bool {
        self.stopped || self.events == 0 || self.budget.used >= self.budget.most
    }

    /// Whether it fails in the same way; no answer when it is over.
    fn fails(&mut self, candidate: &Model) -> Option<bool> {
        let lines = candidate.faults().len();
        self.stopped |= !(self.watch)(Progress { replays: self.budget.used, lines });
        if self.stopped || self.events == 0 || !self.budget.take() {
            return None;
        }
        let (fails, events) = fails_by(candidate, self.seed, &self.failure, self.end);
        self.events = self.events.saturating_sub(events);
        Some(fails)
    }
}

/// A case on its way to be smaller; it fails.
#[derive(Clone)]
struct Candidate {
    model: Model,
    lines: Vec<Fault>,
    rest: Rest,
    only: Option<Vec<Operation>>,
    about: About,
}

/// So many lines are read at a glance.
const FEW: usize = 2;

/// More than so many lines nobody reads.
const MANY_TO_READ: usize = 16;

/// From so many lines on, all of a kind are tried to do without before each alone.
const MANY: usize = 256;

/// What a long run costs: events in all, or for each replay that is allowed, whichever is more.
const EVENTS: u64 = 20_000_000;
const EVENTS_A_REPLAY: u64 = 2_000;

impl Candidate {
    /// As small as the trial allows.
    fn smallest(&self, trial: &mut Trial<'_>) -> Candidate {
        let mut small = self.clone().shrunk(trial);
        if small.lines.len() > FEW && !trial.is_over() {
            // Which of several reasons is left depends on what is tried to do without first.
            let other = self.clone().reversed().shrunk(trial).reversed();
            small = if other.lines.len() < small.lines.len() { other } else { small };
        }
        if trial.end.take().is_some() {
            small = small.shrunk(trial);
        }
        small
    }

    /// The same with requests at the load that there is, where there are more of them in median gaps: what hangs on the moment at
    /// which one comes, as where a fault strikes at its time, would keep a line for each before it. None where that does not fail,
    /// or is what it is already.
    fn steadier(&self, trial: &Trial<'_>) -> Option<Candidate> {
        if self.rest != Rest::Calm || !is_poisson(self.model.program()) {
            return None;
        }
        let lines = materialise(&self.model, trial.seed, &trial.failure, Rest::Steady)?.faults;
        let about = about(&self.model, &lines, Rest::Steady, trial.seed, &trial.failure);
        Some(Candidate { lines, rest: Rest::Steady, about, ..self.clone() })
    }

    /// The same with its lines the other way round.
    fn reversed(mut self) -> Candidate {
        self.lines.reverse();
        self
    }

    fn with(&self, lines: &[Fault], only: Option<Vec<Operation>>) -> Model {
        self.model.limited_to(only).with(lines.to_vec(), self.rest)
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
        if self.lines.len() > MANY {
            let kinds = minimise(kinds(&self.lines), |kinds| {
                trial.fails(&self.with(&of_kinds(&self.lines, kinds), self.only.clone()))
            });
            self.lines = of_kinds(&self.lines, &kinds);
        }
        // What nobody does any more needs no line: many go at once then, where each alone would cost a replay of the whole run.
        if self.lines.len() > MANY {
            self.drop_operations(trial);
        }
        self.lines = minimise(self.lines.clone(), |lines| trial.fails(&self.with(lines, self.only.clone())));
    }

    fn drop_operations(&mut self, trial: &mut Trial<'_>) {
        if !self.about.operations {
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
        if fails && self.about.lines {
            return trial.fails(&smaller.with(Vec::new(), self.rest)).map(|fails| !fails);
        }
        Some(fails)
    }
}

/// What lines are about, each kind once: decisions by what they decide and where, each fault that holds for a time by
/// itself.
fn kinds(lines: &[Fault]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    lines.iter().map(kind).filter(|kind| seen.insert(kind.clone())).collect()
}

fn kind(line: &Fault) -> String {
    let text = line.to_string();
    match line {
        // `draw gateway work order/5 #1 1.4s`, `late shop->bank charge order/5 #1 1.4s`: up to the operation.
        Fault::Decision(_) => text.split(' ').take(3).collect::<Vec<_>>().join(" "),
        Fault::Timed(_) => text,
    }
}

fn of_kinds(lines: &[Fault], kinds: &[String]) -> Vec<Fault> {
    let kinds: BTreeSet<&str> = kinds.iter().map(String::as_str).collect();
    lines.iter().filter(|line| kinds.contains(kind(line).as_str())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::language::Choices;
    use crate::scenario::Scenario;

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

    /// The visitors come first in the file and go first; what is left of the others is named as it was.
    #[test]
    fn what_is_begun_is_named_by_what_is_left_where_another_workload_has_gone() {
        let file = r#"{
            "faultline": 1, "name": "two", "until": "10s", "network": {"latency": "1ms"},
            "nodes": {"shop": {"kind": "service", "maps": {"seen": {}}, "endpoints": {
                "pay": [{"record": "charged"}, {"reply": "ok"}], "look": [{"read": "seen[$visit]", "as": "seen"}]}}},
            "workload": {
                "visitor": {"rate": "1/s", "limit": 3, "each": "visit", "do": [{"call": "shop.look"}]},
                "buyer": {"rate": "1/s", "limit": 3, "each": "order", "do": [
                    {"call": "shop.pay", "timeout": "200ms", "retry": {"tries": 3, "wait": "100ms"}}]}},
            "faults": ["loss shop->buyer 60%"],
            "properties": {"once": {"at_most_once": "charged"}}}"#;
        let model = Scenario::parse("two.json", file).unwrap().model(&Choices::none()).unwrap();
        let runs = (0..20).map(|seed| model.run(Seed(seed), Stop::AtViolation));
        let failing: Vec<_> = runs.filter(|run| run.outcome.verdict.is_failure()).collect();
        assert!(failing.len() > 5, "{}", failing.len());
        for run in failing {
            let small = shrink("two.json", &model.case(&run), 10_000, &mut |_| true).unwrap();
            let only = small.case.only.clone().unwrap_or_default();
            assert!(only.len() == 1 && only[0].starts_with("order/"), "{only:?}");
            assert!(small.case.scenario["workload"].get("visitor").is_none());
            let again = Model::of_case("small.json", &small.case).unwrap();
            assert!(again.run(small.case.seed, Stop::AtViolation).outcome.verdict.is_failure());
        }
    }

    /// Eighty in a hundred of what one worker can do; for fifteen seconds it works half as fast, and retries keep it
    /// busy after that.
    const STORM: &str = r#"{
        "faultline": 1, "name": "storm", "until": "60s",
        "nodes": {"api": {"kind": "service", "workers": 1, "endpoints": {"get": [{"work": {"exponential": "8ms"}}]}}},
        "workload": {"user": {"rate": "100/s", "for": "60s", "each": "request", "do": [{"call": "api.get", "timeout": "1s",
            "retry": {"tries": 4, "wait": "100ms", "factor": 2, "max_wait": "10s", "jitter": "full"}}]}},
        "faults": ["10s..25s slow api x2"],
        "metrics": {"requests": {"value": "user.requests"}},
        "properties": {"nine in ten": {"availability": "user", "at_least": "90%"}}}"#;

    fn storm() -> Model {
        Scenario::parse("storm.json", STORM).unwrap().model(&Choices::none()).unwrap()
    }

    #[test]
    fn where_nothing_is_left_to_chance_as_much_is_asked_as_on_average_or_in_median_gaps() {
        let requests = |rest| storm().with(Vec::new(), rest).run(Seed(1), Stop::AtEnd).metrics[0].1.unwrap();
        assert_eq!(requests(Rest::Steady), 5_999.0);
        let median_gap = 0.010 * std::f64::consts::LN_2;
        assert!((requests(Rest::Calm) - 60.0 / median_gap).abs() < 2.0);
    }

    #[test]
    fn what_fails_as_a_whole_is_shrunk_at_the_load_that_there_is_to_the_fault_in_a_few_replays() {
        let model = storm();
        let case = model.case(&model.run(Seed(0), Stop::AtViolation));
        let small = shrink("storm.json", &case, 10_000, &mut |_| true).unwrap();
        assert_eq!(small.case.rest, Rest::Steady);
        let lines: Vec<String> = small.case.faults.iter().map(ToString::to_string).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("slow api x2"), "{lines:?}");
        assert!(
            small.from.decisions > 10_000 && !small.unfinished && small.replays < 60,
            "{} {}",
            small.from.decisions,
            small.replays
        );
        let again = shrink("storm.json", &small.case, 10_000, &mut |_| true).unwrap();
        assert_eq!(again.case, small.case);
    }

    #[test]
    fn what_is_said_of_one_key_is_shrunk_to_medians_as_ever() {
        let small = shrunk("checkout", &Choices::none().set("orders", "10"), 0);
        assert_eq!(small.case.rest, Rest::Calm);
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
