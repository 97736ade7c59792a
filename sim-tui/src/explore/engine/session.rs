//! What is being explored: a scenario or a case, changed by hand, in one or several branches.
//!
//! A change makes the run again from its beginning, up to where it stood. That the past before a change stays as it was follows
//! from the kernel's promise that dice belong to things; where it does not, that is said.

use std::ops::ControlFlow;

use sim_core::case::Case;
use sim_core::fault::{Timed, When};
use sim_core::past::Grade;
use sim_core::run::Limits;
use sim_core::timeline::{Budget, Goal, Over, Reached, Timeline};
use sim_core::{Digest, Fault, Instant, Judge, Judged, Operation, Seed, Verdict};
use sim_models::judge::ScenarioJudge;
use sim_models::language::Choices;
use sim_models::message::Msg;
use sim_models::red::Red;
use sim_models::scenario::{CaseError, Changes, Model, ModelError, Scenario};

use super::super::told::{Broken, Edit};
use crate::load::{self, Loaded};
use crate::quiet::quietly;

/// What a branch begins from.
#[derive(Clone)]
pub(super) enum Base {
    /// A scenario, as a word on the command line names it.
    Scenario { word: String, scenario: Box<Scenario> },
    /// A case, and the file that messages call it.
    Case { file: String, case: Box<Case> },
}

/// One future.
pub(super) struct Branch {
    pub(super) name: String,
    pub(super) base: Base,
    pub(super) choices: Choices,
    pub(super) hand: Vec<Fault>,
    undone: Vec<Fault>,
    pub(super) seed: Seed,
    /// The branch that it parted from, and after which event.
    pub(super) from: Option<(usize, u64)>,
    /// Whether it was made because somebody broke the past.
    pub(super) breaks_the_past: bool,
    pub(super) kept: Kept,
    /// Where it stood before somebody changed it, and where the change left it.
    changed: Option<(Stand, Stand)>,
}

/// A run that is kept, with what a screen shows of it.
pub(super) struct Kept {
    pub(super) generation: u64,
    pub(super) model: Model,
    pub(super) timeline: Timeline<Msg, ScenarioJudge>,
    pub(super) red: Red,
    pub(super) broken: Vec<Broken>,
    /// How many events a case has and the digest behind them, as it was recorded.
    recorded: Option<(u64, Digest)>,
    /// Whether it came out the same, once it has come so far.
    pub(super) exact: Option<bool>,
    /// What is said of the properties once it is over.
    pub(super) judged: Option<Vec<Judged>>,
}

/// How much memory copies of a run may take: with a million events beside them it is some 300 MB.
const COPIES: Budget = Budget { bytes: 192 << 20, spacing: 1024, events: 1 << 23 };

/// How far a run stands: the newest event, and the instant up to which time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) events: u64,
    pub(super) at: Instant,
}

/// Where a run stands, and what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stand {
    edge: Edge,
    digest: sim_core::Digest,
    over: bool,
}

impl Base {
    /// What the command line, or a list of what there is, calls so.
    pub(super) fn of(word: &str, called: &str) -> Result<(Base, Seed), String> {
        let text = load::text(word, called).map_err(|bad| bad.0)?;
        if load::is_case(&text.text) {
            let loaded = load::parsed_case(word, &text.text, called).map_err(|bad| bad.0)?;
            let seed = loaded.case.seed;
            return Ok((Base::Case { file: word.to_owned(), case: Box::new(loaded.case) }, seed));
        }
        let Loaded { scenario, .. } = load::scenario(word, called).map_err(|bad| bad.0)?;
        Ok((Base::Scenario { word: word.to_owned(), scenario: Box::new(scenario) }, Seed(0)))
    }

    /// The model that comes of it with these choices and these faults by hand.
    pub(super) fn model(&self, choices: &Choices, hand: &[Fault]) -> Result<Model, String> {
        match self {
            Base::Scenario { scenario, .. } => {
                let changes = Changes { faults: hand.to_vec(), ..Changes::default() };
                scenario.model_with(choices, &changes).map_err(|error| match error {
                    ModelError::Problems(problems) => problems.to_string(),
                    ModelError::Fault(_, error) => error.to_string(),
                    ModelError::Stranger(said) => said,
                })
            }
            Base::Case { file, case } => {
                let mut case = case.clone();
                for (name, text) in self.settings_of(choices)? {
                    case.settings.insert(name, serde_json::Value::String(text));
                }
                case.faults.extend(hand.iter().cloned());
                Model::of_case(file, &case).map_err(|error: CaseError| error.to_string())
            }
        }
    }

    /// What remedies and settings come to, in order.
    fn settings_of(&self, choices: &Choices) -> Result<Vec<(String, String)>, String> {
        let document = self.document()?;
        let mut all = Vec::new();
        for name in &choices.remedies {
            let remedy = document.document().settings().remedies().find(|remedy| remedy.name == *name);
            all.extend(remedy.ok_or_else(|| format!("no remedy \"{name}\""))?.set.iter().cloned());
        }
        all.extend(choices.settings.iter().cloned());
        Ok(all)
    }

    /// What a case was recorded to come to.
    fn recorded(&self) -> Option<(u64, Digest)> {
        let Base::Case { case, .. } = self else { return None };
        let expect = case.expect.as_ref()?;
        Some((expect.events?, expect.digest))
    }

    /// The remedies that turn a setting which this one turns too: only one of them can hold.
    fn sets_the_same(&self, name: &str) -> Result<Vec<String>, String> {
        let scenario = self.document()?;
        let settings = scenario.document().settings();
        let Some(remedy) = settings.remedies().find(|remedy| remedy.name == name) else { return Ok(Vec::new()) };
        let turns = |setting: &str| remedy.set.iter().any(|(known, _)| known == setting);
        let alike = settings.remedies().filter(|other| other.set.iter().any(|(setting, _)| turns(setting)));
        Ok(alike.map(|other| other.name.clone()).collect())
    }

    /// The scenario, for its texts, settings and remedies.
    pub(super) fn document(&self) -> Result<Scenario, String> {
        match self {
            Base::Scenario { scenario, .. } => Ok((**scenario).clone()),
            Base::Case { file, case } => {
                Scenario::parse(file, &format!("{:#}", case.scenario)).map_err(|problems| problems.to_string())
            }
        }
    }
}

impl Branch {
    /// A branch at the start of its run.
    pub(super) fn open(name: &str, base: Base, seed: Seed, generation: u64) -> Result<Branch, String> {
        let choices = Choices::none();
        let model = base.model(&choices, &[])?;
        let mut kept = Kept::new(model, seed, generation);
        kept.recorded = base.recorded();
        Ok(Branch {
            name: name.to_owned(),
            base,
            choices,
            hand: Vec::new(),
            undone: Vec::new(),
            seed,
            from: None,
            breaks_the_past: false,
            kept,
            changed: None,
        })
    }

    /// The same, run again up to there, under another name.
    pub(super) fn parted(&self, name: &str, from: (usize, u64), generation: u64) -> Branch {
        let mut branch = Branch {
            name: name.to_owned(),
            base: self.base.clone(),
            choices: self.choices.clone(),
            hand: self.hand.clone(),
            undone: Vec::new(),
            seed: self.seed,
            from: Some(from),
            breaks_the_past: false,
            kept: Kept::new(self.kept.model.clone(), self.seed, generation),
            changed: None,
        };
        branch.kept.advance(from.1, Instant::NEVER, false);
        branch
    }

    /// The instant after which its future is its own, if somebody broke the past for it.
    pub(super) fn parted_at(&self) -> Option<Instant> {
        let (_, event) = self.from.filter(|_| self.breaks_the_past)?;
        self.kept.timeline.past().at(event)
    }

    /// The fault that was taken back last.
    pub(super) fn last_undone(&self) -> Option<&Fault> {
        self.undone.last()
    }

    /// How many faults can be taken back, and put in again.
    pub(super) fn undo(&self) -> (usize, usize) {
        (self.hand.len(), self.undone.len())
    }

    /// Makes a change and runs again to the same edge. Nothing is changed when that cannot be done.
    pub(super) fn edit(&mut self, edit: &Edit, generation: u64) -> Result<(), String> {
        let (mut choices, mut hand, mut undone, mut seed) =
            (self.choices.clone(), self.hand.clone(), self.undone.clone(), self.seed);
        match edit {
            Edit::Fault { fault, .. } => {
                hand.push(fault.clone());
                undone.clear();
            }
            Edit::Heal { at } => heal(&mut hand, *at)?,
            Edit::Undo => undone.push(hand.pop().ok_or("no fault of yours is there to take back")?),
            Edit::Redo => hand.push(undone.pop().ok_or("no fault was taken back")?),
            Edit::Set { name, value } => {
                choices.settings.retain(|(known, _)| known != name);
                choices.settings.extend(value.iter().map(|value| (name.clone(), value.clone())));
            }
            Edit::Remedy(name) => {
                let on = choices.remedies.iter().any(|known| known == name);
                let alike = self.base.sets_the_same(name)?;
                choices.remedies.retain(|known| known != name && !alike.contains(known));
                if !on {
                    choices.remedies.push(name.clone());
                }
            }
            Edit::Seed(other) => seed = *other,
        }
        let model = self.base.model(&choices, &hand)?;
        let now = self.kept.stand();
        // Whoever takes a change back stands where he stood, however far the change let the run come.
        let stood = self.changed.filter(|(_, left)| *left == now).map_or(now, |(stood, _)| stood);
        let mut kept = Kept::new(model, seed, generation);
        kept.advance_to(&stood);
        self.changed = Some((stood, kept.stand()));
        (self.choices, self.hand, self.undone, self.seed, self.kept) = (choices, hand, undone, seed, kept);
        Ok(())
    }
}

/// Ends what was added by hand and never ends.
fn heal(hand: &mut [Fault], at: Instant) -> Result<(), String> {
    let mut healed = 0;
    for fault in hand {
        let Fault::Timed(Timed { when, .. }) = fault else { continue };
        let begin = when.begin();
        if when.end().is_none_or(|end| end > at) && begin < at {
            *when = When::Between(begin, at);
            healed += 1;
        }
    }
    if healed == 0 { Err("no fault of yours holds now".to_owned()) } else { Ok(()) }
}

impl Kept {
    pub(super) fn new(model: Model, seed: Seed, generation: u64) -> Kept {
        let (sim, judge) = model.start(seed);
        let limits = Limits::default();
        let until = model.course(sim_core::Stop::AtEnd, limits).until;
        let red = Red::new(model.program());
        let timeline = Timeline::new(sim, judge, until, limits, COPIES);
        Kept { generation, model, timeline, red, broken: Vec::new(), recorded: None, exact: None, judged: None }
    }

    /// How far it stands.
    pub(super) fn edge(&self) -> Edge {
        let sim = &self.timeline.live().sim;
        Edge { events: sim.events(), at: sim.now() }
    }

    /// The same, with what it came to.
    pub(super) fn stand(&self) -> Stand {
        Stand { edge: self.edge(), digest: self.timeline.live().sim.digest(), over: self.timeline.over().is_some() }
    }

    /// Runs on to where another run stood: to the same event if all came out the same until then, else to the same instant.
    pub(super) fn advance_to(&mut self, stood: &Stand) {
        if stood.edge.events == 0 {
            return;
        }
        let left = stood.edge.events.saturating_sub(self.edge().events);
        self.advance(left, stood.edge.at, false);
        let now = self.stand();
        if (now.edge, now.digest) != (stood.edge, stood.digest) {
            self.advance(u64::MAX, stood.edge.at, false);
        } else if stood.over {
            // Nothing more happens; it has only to be noticed.
            self.advance(u64::MAX, Instant::NEVER, false);
        }
    }

    /// Lets new events happen; the event at which a property broke for the first time, if it was to stop there.
    pub(super) fn advance(&mut self, events: u64, until: Instant, stop_at_broken: bool) -> Option<u64> {
        let Kept { timeline, red, broken, recorded, exact, .. } = self;
        let mut stopped = None;
        let reached = quietly(|| {
            timeline.advance(Goal { events, until }, |seen| {
                red.take(seen.step, seen.sim.notes());
                let grade = sim_models::tell::grade(seen.step, seen.sim.log(), seen.sim.notes(), seen.broken.is_some());
                if let Some((_, digest)) = recorded.filter(|(events, _)| *events == seen.step.number) {
                    *exact = Some(seen.sim.checkpoint().is_ok_and(|there| there == digest));
                }
                if seen.broken.is_none() {
                    return (grade, ControlFlow::Continue(()));
                }
                let event = seen.step.number;
                broken.extend(broken_at(seen.judge, event));
                stopped = stopped.or(Some(event));
                let flow = if stop_at_broken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
                (grade.max(Grade::Broken), flow)
            })
        });
        if reached == Reached::Over {
            self.judge_the_end();
        }
        stopped.filter(|_| stop_at_broken)
    }

    /// What is only known at the end breaks at the last event, or where its wait began.
    fn judge_the_end(&mut self) {
        if self.judged.is_some() {
            return;
        }
        let moment = self.timeline.live();
        let mut judge = moment.judge.clone();
        let judged = quietly(|| judge.finish(&moment.sim));
        for it in judged.iter().filter(|it| it.verdict.is_failure() && it.verdict != Verdict::Panicked) {
            if self.broken.iter().any(|known| known.property == it.name) {
                continue;
            }
            let violation = judge.violations().find(|violation| violation.property == it.name);
            let operation = violation.and_then(operation_of);
            let event = it.event.unwrap_or(moment.sim.events());
            self.broken.push(Broken { event, property: it.name.clone(), detail: it.detail.clone(), operation });
        }
        self.broken.sort_by_key(|broken| broken.event);
        self.judged = Some(judged);
    }

    /// Why nothing more happens, in words.
    pub(super) fn over(&self) -> Option<String> {
        self.timeline.over().map(|over| match over {
            Over::NothingLeft => "nothing is left to happen".to_owned(),
            Over::Until => "its end is reached".to_owned(),
            Over::Limit(limit) => limit.to_string(),
            Over::Panicked => match self.timeline.live().sim.panic() {
                Some(panic) => format!("an actor panicked in #{}: {}", panic.event, panic.message),
                None => "an actor panicked".to_owned(),
            },
        })
    }
}

/// The properties that broke at this event, for the first time.
fn broken_at(judge: &ScenarioJudge, event: u64) -> Vec<Broken> {
    let here = judge.violations().filter(|violation| violation.event == event);
    let broken = |violation: &sim_models::judge::Violation| Broken {
        event,
        property: violation.property.clone(),
        detail: violation.read.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        operation: operation_of(violation),
    };
    here.map(broken).collect()
}

/// The operation that a violation is about, if it is one.
fn operation_of(violation: &sim_models::judge::Violation) -> Option<Operation> {
    let number = match violation.key.as_ref()? {
        sim_models::value::Value::Int(number) => u64::try_from(*number).ok()?,
        _ => return None,
    };
    Some(Operation::new(violation.class?, number))
}
