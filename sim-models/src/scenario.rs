//! From a file to runs of it: choose settings, start runs, measure, keep a run as a case, and replay a case.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value as JsonValue;
use sim_core::case::{Case, CaseWord, Expectation, VERSION};
use sim_core::tolerance::{Cast, Excess};
use sim_core::{
    Course, Fault, FaultError, Instant, Limits, Operation, Outcome, Prepared, Rest, Seed, Sim, Step, Stop, System, run,
};

use crate::interp;
use crate::judge::ScenarioJudge;
use crate::language::{Choices, Configured, Document, diskless, idle_share, lower, stranger};
use crate::message::{Msg, Note};
use crate::problem::Problems;
use crate::program::{Program, Role, Room};
use crate::record::Failure;

/// A scenario file that was read: its settings are known, nothing is chosen yet.
///
/// ```
/// use sim_models::scenario::Scenario;
/// use sim_models::language::Choices;
/// use sim_core::{Seed, Stop};
/// let scenario = sim_models::builtin::scenario("checkout").unwrap().unwrap();
/// let model = scenario.model(&Choices::none().set("orders", "100")).unwrap();
/// let run = model.run(Seed(1), Stop::AtEnd);
/// assert_eq!(run.requests.total, 100);
/// ```
#[derive(Clone, Debug)]
pub struct Scenario {
    document: Document,
}

/// A scenario with everything chosen, ready to start runs from.
#[derive(Clone)]
pub struct Model {
    program: Arc<Program>,
    prepared: Prepared<Msg>,
    faults: Vec<Fault>,
    own_faults: Arc<[Fault]>,
    chance: Chance,
    rest: Rest,
    until: Option<Instant>,
    document: JsonValue,
    settings: Vec<(String, String)>,
    changed: Vec<(String, String)>,
    warnings: Problems,
    rebuild: Option<Rebuild>,
}

/// Whether a nemesis adds faults to a schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chance {
    /// It does not.
    #[default]
    Never,
    /// It does, for each seed its own.
    BySeed,
    /// It has, from this place of the schedule on.
    Drawn(usize),
}

/// What is changed of a system whenever it is built.
type Rebuild = Arc<dyn Fn(&mut System<Msg>) + Send + Sync>;

/// A run of a scenario that is over: its outcome and what was measured.
#[derive(Clone, Debug)]
pub struct Run {
    /// The seed.
    pub seed: Seed,
    /// How it came out.
    pub outcome: Outcome,
    /// Requests of all workloads.
    pub requests: crate::judge::Requests,
    /// Latency of all workloads.
    pub latency: crate::judge::Latency,
    /// The scenario's metrics, in the order of its file; `None` for what has no value.
    pub metrics: Vec<(String, Option<f64>)>,
    /// How often each fault of the schedule did something, in its order.
    pub touched: Vec<u64>,
    /// Counters of nodes and edges by name.
    pub counters: Vec<(String, u64)>,
    /// What became of the requests of each workload and of what was sent on each edge, by sort.
    pub outcomes: Vec<(String, Vec<(&'static str, u64)>)>,
}

/// What a model is asked to do otherwise than its file says.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Faults beside those of the file.
    pub faults: Vec<Fault>,
    /// Another end.
    pub until: Option<Instant>,
    /// Whether the nemesis draws faults beside those.
    pub chance: Chance,
}

/// Why a case cannot be run.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CaseError {
    /// The scenario in it is wrong.
    #[error("{0}")]
    Scenario(Problems),
    /// A fault in it names what the scenario does not have.
    #[error("faults[{0}]: {1}")]
    Fault(usize, FaultError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with its JSON, or with its settings.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        Ok(Scenario { document: Document::parse(file, text)? })
    }

    /// The document behind it: settings, remedies, texts.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The scenario's name; empty when the file gives none.
    pub fn name(&self) -> String {
        self.text_of("name")
    }

    /// A text at the top of the file: `name`, `title`, `about`; empty when it is not there.
    pub fn text_of(&self, field: &str) -> String {
        let text = self.document.root().optional(field, |view| view.text().map(str::to_owned));
        text.ok().flatten().unwrap_or_default()
    }

    /// Chooses settings and remedies, and makes it ready to run.
    ///
    /// # Errors
    /// All that is wrong with the choices or with the file.
    pub fn model(&self, choices: &Choices) -> Result<Model, Problems> {
        self.model_with(choices, &Changes::default()).map_err(|error| match error {
            ModelError::Problems(problems) => problems,
            ModelError::Fault(..) | ModelError::Stranger(_) => unreachable!("no fault was added"),
        })
    }

    /// The same, with more faults or another end than the file says.
    ///
    /// # Errors
    /// All that is wrong with the choices or with the file, or the first added fault that does not fit it.
    pub fn model_with(&self, choices: &Choices, changes: &Changes) -> Result<Model, ModelError> {
        let configured = self.document.configure(choices)?;
        let mut lowered = lower(&configured)?;
        if let Some(said) = changes.faults.iter().find_map(|fault| stranger(fault, &lowered.program)) {
            return Err(ModelError::Stranger(said));
        }
        for (node, message) in changes.faults.iter().filter_map(|fault| diskless(fault, &lowered.program)) {
            let name = &lowered.program.node(node).name;
            if let Some((key, _)) = configured.root().members_of("nodes").find(|(key, _)| key.name == *name) {
                lowered.warnings.warn(key.span, message);
            }
        }
        for message in changes.faults.iter().filter_map(idle_share) {
            let root = configured.root();
            let at = root.field("faults").unwrap_or(root);
            lowered.warnings.push(at.warning(message));
        }
        let faults = lowered.program.faults.iter().chain(&changes.faults).filter(|fault| !fault.is_off());
        let faults = faults.cloned().collect();
        let changed = self.changed(&configured);
        let until = changes.until.or(lowered.program.until);
        let (document, room, rest) = (self.document.to_json(), Room::Scales, Rest::Seed);
        let pieces = Pieces { document, changed, faults, room, rest, until };
        let model = Model::new(lowered.program, &configured, lowered.warnings, pieces)
            .map_err(|(index, error)| ModelError::Fault(index, error))?;
        model.knows_all_of(&changes.faults).map_err(|(index, error)| ModelError::Fault(index, error))?;
        Ok(Model { chance: changes.chance, ..model })
    }

    /// This scenario as a case has it run: with the settings, schedule and end of the case, whichever version of the scenario
    /// the case was written from. Its timed faults take the place of this file's.
    ///
    /// # Errors
    /// A setting, a timed fault or an operation of the case that this scenario does not have; a decision about what it does not
    /// have simply does not apply.
    pub fn model_of(&self, case: &Case) -> Result<Model, CaseError> {
        let mut choices = Choices::none();
        for (name, value) in &case.settings {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            choices = choices.set(name, &text);
        }
        let configured = self.document.configure(&choices).map_err(CaseError::Scenario)?;
        let lowered = lower(&configured).map_err(CaseError::Scenario)?;
        let pieces = Pieces {
            document: self.document.to_json(),
            changed: self.changed(&configured),
            faults: case.faults.clone(),
            room: Room::Mentions,
            rest: case.rest,
            until: case.end.or(lowered.program.until),
        };
        let model = Model::new(lowered.program, &configured, lowered.warnings, pieces)
            .map_err(|(index, error)| CaseError::Fault(index, error))?;
        match &case.only {
            None => Ok(model),
            Some(only) => Ok(model.limited_to(Some(operations(&model, only)?))),
        }
    }

    /// The settings that are not at their defaults.
    fn changed(&self, configured: &Configured) -> Vec<(String, String)> {
        let default = |name: &str| self.document.settings().get(name).map(|setting| setting.default.as_str());
        let changed = configured.settings().iter().filter(|(name, text)| default(name) != Some(text));
        changed.cloned().collect()
    }
}

/// Why a scenario cannot be run as asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ModelError {
    /// The choices or the file are wrong.
    #[error("{0}")]
    Problems(#[from] Problems),
    /// A fault names a kind of message or an operation that the file does not have.
    #[error("{0}")]
    Stranger(String),
    /// A fault does not fit the file: its place among those that are on, and why.
    #[error("{1}")]
    Fault(usize, FaultError),
}

/// What a model is made of beside its program.
struct Pieces {
    document: JsonValue,
    changed: Vec<(String, String)>,
    faults: Vec<Fault>,
    room: Room,
    rest: Rest,
    until: Option<Instant>,
}

impl Model {
    fn new(
        program: Program,
        configured: &Configured,
        warnings: Problems,
        pieces: Pieces,
    ) -> Result<Model, (usize, FaultError)> {
        let Pieces { document, changed, faults, room, rest, until } = pieces;
        let own_faults = program.faults.iter().filter(|fault| !fault.is_off()).cloned().collect();
        let program = Arc::new(Program { faults: Vec::new(), until, ..program });
        let program = Program::with_room(program, &faults, room);
        let mut system: System<Msg> = interp::laid_out(&program, &faults);
        interp::schedule(&mut system, &program, &faults);
        system.rest(rest);
        system.check()?;
        let prepared = system.prepare().map_err(|error| (0, error))?;
        let settings = configured.settings().to_vec();
        Ok(Model {
            program,
            prepared,
            faults,
            own_faults,
            chance: Chance::Never,
            rest,
            until,
            document,
            settings,
            changed,
            warnings,
            rebuild: None,
        })
    }

    /// The same model under another schedule, with other answers to what no line of it decides.
    ///
    /// # Panics
    /// When a fault names a node that is not there; take only faults that fitted this model.
    pub fn with(&self, faults: Vec<Fault>, rest: Rest) -> Model {
        let program = Program::with_room(self.program.clone(), &faults, Room::Mentions);
        let mut system = interp::laid_out(&program, &faults);
        if let Some(rebuild) = &self.rebuild {
            rebuild(&mut system);
        }
        interp::schedule(&mut system, &program, &faults);
        system.rest(rest);
        let prepared = system.prepare().expect("a schedule that fits this model");
        Model { program, prepared, faults, rest, ..self.clone() }
    }

    /// Whether it has all nodes that faults name which can do nothing, and are left out of its schedule.
    fn knows_all_of(&self, faults: &[Fault]) -> Result<(), (usize, FaultError)> {
        let off = || faults.iter().enumerate().filter(|(_, fault)| fault.is_off());
        if off().next().is_none() {
            return Ok(());
        }
        let cast = self.program.cast();
        let names: Vec<&str> = cast.nodes.iter().map(|node| node.name.as_str()).collect();
        off().try_for_each(|(index, fault)| fault.check_names(&names).map_err(|error| (index, error)))
    }

    /// What the nemesis would draw for a seed; nothing where none was asked for.
    pub fn draws(&self, seed: Seed) -> Vec<Fault> {
        match self.chance {
            Chance::BySeed => self.program.nemesis.draw(seed, &self.faults, &self.cast()),
            Chance::Never | Chance::Drawn(_) => Vec::new(),
        }
    }

    /// The model of the runs of one seed: itself, or, where a nemesis draws, with what it draws from this seed.
    pub fn of_seed(&self, seed: Seed) -> Cow<'_, Model> {
        if self.chance != Chance::BySeed {
            return Cow::Borrowed(self);
        }
        let mut faults = self.faults.clone();
        let own = faults.len();
        faults.extend(self.draws(seed));
        Cow::Owned(Model { chance: Chance::Drawn(own), ..self.with(faults, self.rest) })
    }

    /// What the nemesis has added to the schedule.
    pub fn drawn(&self) -> &[Fault] {
        match self.chance {
            Chance::Never | Chance::BySeed => &[],
            Chance::Drawn(own) => self.faults.get(own..).unwrap_or_default(),
        }
    }

    /// Whether a nemesis adds to the schedule.
    pub fn chance(&self) -> Chance {
        self.chance
    }

    /// Who is there and who asks whom, as a nemesis sees it.
    pub fn cast(&self) -> Cast {
        self.program.cast().as_built(&self.prepared)
    }

    /// What in the schedule is more than the file says the system tolerates.
    pub fn excess(&self) -> Option<Excess> {
        self.program.nemesis.tolerance.excess(&self.faults, &self.cast())
    }

    /// The same model over a changed system: its actors in [coats](sim_core::Coat), other links, as another version of the code
    /// would have them. What is made of it later, under another schedule or with fewer operations, is changed too.
    ///
    /// A change may not add faults; those are the schedule's ([`with`](Self::with)).
    pub fn rebuilt(&self, change: impl Fn(&mut System<Msg>) + Send + Sync + 'static) -> Model {
        let before = self.rebuild.clone();
        let rebuild: Rebuild = Arc::new(move |system| {
            if let Some(before) = &before {
                before(system);
            }
            change(system);
        });
        let rebuilt = Model { rebuild: Some(rebuild), ..self.clone() }.with(self.faults.clone(), self.rest);
        // Kinds of messages that came with the change have names in the program too.
        let kinds = rebuilt.prepared.names().kinds().to_vec();
        Model { program: Arc::new(Program { kinds, ..(*rebuilt.program).clone() }), ..rebuilt }
    }

    /// The same model with only these operations begun; all when none.
    pub fn limited_to(&self, only: Option<Vec<Operation>>) -> Model {
        let program = Arc::new(Program { only, ..(*self.program).clone() });
        Model { program, ..self.clone() }.with(self.faults.clone(), self.rest)
    }

    /// The operations that are still begun; all when none.
    pub fn only(&self) -> Option<&[Operation]> {
        self.program.only.as_deref()
    }

    /// The operations that a run begins before it stops, in order.
    pub fn begun(&self, seed: Seed, stop: Stop<'_>) -> Vec<Operation> {
        let mut begun = Vec::new();
        self.run_watched(seed, stop, Limits::default(), |sim, _| {
            begun.extend(sim.notes().iter().filter_map(|note| match note {
                Note::Requested { workload, key } => match &self.program.node(*workload).role {
                    Role::Workload(def) => Some(Operation::new(def.class, *key)),
                    Role::Service(_) | Role::Store(_) | Role::Queue(_) => None,
                },
                _ => None,
            }));
            ControlFlow::Continue(())
        });
        begun
    }

    /// The scenario's name; empty when the file gives none.
    pub fn name(&self) -> String {
        self.document["name"].as_str().unwrap_or_default().to_owned()
    }

    /// The compiled scenario.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Every setting and its value.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// The settings that are not at their defaults.
    pub fn changed(&self) -> &[(String, String)] {
        &self.changed
    }

    /// What was found in the file and does not keep it from running.
    pub fn warnings(&self) -> &Problems {
        &self.warnings
    }

    /// The schedule of its runs, without the faults that are off.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The faults that its file says, whatever its schedule is now; without those that are off.
    pub fn own_faults(&self) -> &[Fault] {
        &self.own_faults
    }

    /// What answers the questions that no line of the schedule answers.
    pub fn rest(&self) -> Rest {
        self.rest
    }

    /// The last instant that happens; none: until nothing is left to happen.
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The same model with another last instant.
    pub fn ending(&self, until: Instant) -> Model {
        let program = Arc::new(Program { until: Some(until), ..(*self.program).clone() });
        Model { program, until: Some(until), ..self.clone() }
    }

    /// Starts a run and its judge.
    pub fn start(&self, seed: Seed) -> (Sim<Msg>, ScenarioJudge) {
        (self.prepared.start(seed), ScenarioJudge::new(self.program.clone()))
    }

    /// How far a run of it goes.
    pub fn course<'a>(&self, stop: Stop<'a>, limits: Limits) -> Course<'a> {
        let course = Course { stop, limits, ..Course::default() };
        Course { until: self.until.unwrap_or(course.until), ..course }
    }

    /// One run, from its beginning to its end or to where it is to stop.
    pub fn run(&self, seed: Seed, stop: Stop<'_>) -> Run {
        self.run_watched(seed, stop, Limits::default(), |_, _| ControlFlow::Continue(()))
    }

    /// One run, each step of which somebody sees, who may end it.
    pub fn run_watched(
        &self,
        seed: Seed,
        stop: Stop<'_>,
        limits: Limits,
        watch: impl FnMut(&Sim<Msg>, &Step) -> ControlFlow<()>,
    ) -> Run {
        self.observed(seed, stop, limits, watch).0
    }

    /// The same, with the judge, who knows of every request.
    pub fn observed(
        &self,
        seed: Seed,
        stop: Stop<'_>,
        limits: Limits,
        watch: impl FnMut(&Sim<Msg>, &Step) -> ControlFlow<()>,
    ) -> (Run, ScenarioJudge) {
        let (mut sim, mut judge) = self.start(seed);
        let outcome = run(&mut sim, &mut judge, &self.course(stop, limits), watch);
        (self.measured(seed, &sim, &judge, outcome), judge)
    }

    /// What a run that is over measured.
    pub fn measured(&self, seed: Seed, sim: &Sim<Msg>, judge: &ScenarioJudge, outcome: Outcome) -> Run {
        Run {
            seed,
            requests: judge.requests(),
            latency: judge.latency(),
            metrics: judge.metrics(sim),
            counters: judge.counters(),
            outcomes: judge.outcomes(),
            touched: sim.touched(),
            outcome,
        }
    }

    /// The faults of the schedule that did nothing in a run: inert faults make green tests that prove nothing.
    pub fn inert<'m>(&'m self, run: &'m Run) -> impl Iterator<Item = &'m Fault> {
        self.faults.iter().zip(&run.touched).filter(|(_, touched)| **touched == 0).map(|(fault, _)| fault)
    }

    /// A run as a case that replays to it.
    pub fn case(&self, run: &Run) -> Case {
        let outcome = &run.outcome;
        let expect = Expectation {
            verdict: outcome.verdict,
            property: outcome.property().map(str::to_owned),
            digest: outcome.digest,
            events: Some(outcome.events),
            at: Some(outcome.end),
            trail: Some(outcome.trail.written()),
        };
        Case { expect: Some(expect), ..self.case_of(run.seed, self.rest) }
    }

    /// The same, of a run that failed so: that property is expected to break again, whatever else does.
    pub fn case_failing(&self, run: &Run, failure: &Failure) -> Case {
        let mut case = self.case(run);
        if let Some(expect) = &mut case.expect {
            expect.verdict = failure.verdict;
            expect.property.clone_from(&failure.property);
        }
        case
    }

    /// What a run of it follows from, as a case that expects nothing yet.
    pub(crate) fn case_of(&self, seed: Seed, rest: Rest) -> Case {
        let text = |(name, text): &(String, String)| (name.clone(), JsonValue::String(text.clone()));
        Case {
            faultline: VERSION,
            kind: CaseWord::Case,
            note: None,
            scenario: self.document.clone(),
            settings: self.changed.iter().map(text).collect(),
            seed,
            rest,
            faults: self.faults.clone(),
            only: self.only().map(|only| only.iter().filter_map(|of| self.prepared.names().operation(*of)).collect()),
            end: self.until,
            expect: None,
        }
    }

    /// The model of a case: the scenario in it, with its settings, its faults, its end.
    ///
    /// # Errors
    /// What is wrong with the case.
    pub fn of_case(file: &str, case: &Case) -> Result<Model, CaseError> {
        if case.faultline > VERSION {
            let newer = case.faultline;
            return Err(CaseError::Other(format!(
                "this case is written in format {newer}; this faultline reads {VERSION}"
            )));
        }
        let document = Document::from_json(file, &case.scenario).map_err(CaseError::Scenario)?;
        Scenario { document }.model_of(case)
    }
}

/// The operations that a case names.
fn operations(model: &Model, only: &[String]) -> Result<Vec<Operation>, CaseError> {
    let names = model.prepared.names();
    let find = |text: &String| {
        let known = names.classes().join(", ");
        let unknown = || {
            CaseError::Other(format!(
                "only: \"{text}\" is no operation of this scenario; it has {known}, such as {known}/1"
            ))
        };
        names.find_operation(text).ok_or_else(unknown)
    };
    only.iter().map(find).collect()
}

/// What a replay found.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The run.
    pub run: Run,
    /// Whether verdict, property and digest are as expected.
    pub reproduced: bool,
    /// Whether verdict and property are as expected, digest aside.
    pub same_failure: bool,
    /// Where it parts from the run that the case was written from.
    pub divergence: Option<sim_core::trail::Divergence>,
    /// The decisions of the case, in its order, and whether the question of each came up.
    pub decisions: Vec<(Fault, bool)>,
    /// How much sooner or later the same failure comes; none when it does not come.
    pub drift: Option<Drift>,
}

/// Where a run failed when its case was written, as far as the case says so, and where it fails now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The number of the event.
    pub events: (Option<u64>, u64),
    /// Its instant.
    pub at: (Option<Instant>, Instant),
}

impl Replay {
    /// How many decisions of the case apply.
    pub fn applied(&self) -> usize {
        self.decisions.iter().filter(|(_, applied)| *applied).count()
    }
}

/// Runs a case again and compares; without an expectation it is only judged.
///
/// # Errors
/// What is wrong with the case.
pub fn replay(
    file: &str,
    case: &Case,
    limits: Limits,
    watch: impl FnMut(&Sim<Msg>, &Step) -> ControlFlow<()>,
) -> Result<Replay, CaseError> {
    Model::of_case(file, case)?.replay(case, limits, watch)
}

impl Model {
    /// Runs this model as a case is run, and compares what comes with what the case expects: for a model that is no longer
    /// quite that of the case, because its scenario or the code has changed.
    ///
    /// # Errors
    /// A trail in the case that cannot be read.
    pub fn replay(
        &self,
        case: &Case,
        limits: Limits,
        watch: impl FnMut(&Sim<Msg>, &Step) -> ControlFlow<()>,
    ) -> Result<Replay, CaseError> {
        let expect = case.expect.as_ref();
        let recorded = expect.and_then(|expect| expect.trail.as_ref().map(|trail| (trail, expect.events)));
        let recorded = recorded.map(|(trail, events)| sim_core::trail::Trail::read(trail, events)).transpose();
        let recorded = recorded.map_err(|error| CaseError::Other(format!("expect.trail: {error}")))?;
        let stop = match expect.and_then(|expect| expect.property.as_deref()) {
            Some(property) => Stop::AtViolationOf(property),
            None => Stop::AtEnd,
        };
        let run = self.run_watched(case.seed, stop, limits, watch);
        let outcome = &run.outcome;
        let same_failure = expect.is_some_and(|expect| {
            let failure = Failure { verdict: expect.verdict, property: expect.property.clone() };
            failure.is_of(&run.outcome)
        });
        let divergence = recorded.and_then(|trail| trail.divergence(&outcome.trail));
        let same_digest = expect.is_some_and(|expect| expect.digest == outcome.digest);
        let drift = expect
            .filter(|expect| same_failure && expect.verdict.is_failure())
            .map(|expect| Drift { events: (expect.events, outcome.events), at: (expect.at, outcome.end) });
        let reproduced = same_failure && same_digest && divergence.is_none();
        let decisions = case.faults.iter().zip(&run.touched);
        let decisions = decisions.filter(|(fault, _)| matches!(fault, Fault::Decision(_)));
        let decisions = decisions.map(|(fault, count)| (fault.clone(), *count > 0)).collect();
        Ok(Replay { run, reproduced, same_failure, divergence, decisions, drift })
    }
}
