//! The bench of the availability lab: what is looked at, how it is turned, and the simulation that goes on beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_core::{Duration, Fault, Ratio, Seed};
use sim_models::avail::Drawn as Diagram;
use sim_models::avail::{
    Account, Assembly, Component, Effect, Law, Met, Outage, Period, Piece, Plan, Simulation, Structure, System,
    next_fraction, next_length, span_of_time,
};
use sim_models::language::{Choices, Setting, SettingKind};
use sim_models::scenario::Model;
use sim_models::stats::{Confidence, Estimate, wilson};

use super::super::lab::{Answered, KnobKind, KnobLine, Lab, LabAsk, Seen, SeenState, Worked};
use super::super::told::Told;
use super::session::Base;
use super::{Engine, Shared};
use crate::avail::{self, Question};
use crate::commands;
use crate::quiet::quietly;

/// Failures, repairs and takeovers that are simulated at once: some tenths of a second, and hundreds of outages of most
/// systems.
const EVENTS: f64 = 400_000.0;
/// Independent runs, so that there is an interval; so many at first, and at most.
const RUNS: u32 = 100;
const RUNS_MAX: u32 = 102_400;
/// By how many the runs grow when more are wanted.
const MORE: u32 = 4;
/// How often it is told how far a simulation is.
const TOLD: u32 = 20;
/// How long outages are taken to be of what is only given as a share, unless somebody says otherwise.
const OUTAGE: &str = "1h";
/// What the knob of that is called.
const OUTAGE_KNOB: &str = "outages of shares";

/// What is looked at.
pub(super) struct Bench {
    source: Source,
    name: String,
    seed: Seed,
    /// Knobs that stand elsewhere than they did at first.
    turned: BTreeMap<String, String>,
    /// How they stood at first.
    first: BTreeMap<String, String>,
    system: System,
    /// What is assumed beside what the algebra always assumes.
    assumes: Vec<String>,
    assembly: Whole,
    plan: Option<Plan>,
    simulation: Option<Simulation>,
    history: Vec<(f64, Estimate)>,
    worked: Arc<Worked>,
}

/// All of it, as far as it can be told.
enum Whole {
    /// By algebra.
    WorkedOut(Box<Assembly>),
    /// By simulation alone, for this reason.
    Hard(Box<Diagram>, String),
}

impl Whole {
    fn of(system: &System) -> Result<Whole, String> {
        let drawn = system.drawn()?;
        Ok(match drawn.clone().worked_out() {
            Ok(assembly) => Whole::WorkedOut(Box::new(assembly)),
            Err(none) => Whole::Hard(Box::new(drawn), none.why),
        })
    }

    fn worked_out(&self) -> Option<&Assembly> {
        match self {
            Whole::WorkedOut(assembly) => Some(assembly),
            Whole::Hard(..) => None,
        }
    }

    fn root(&self) -> &Piece {
        match self {
            Whole::WorkedOut(assembly) => assembly.root(),
            Whole::Hard(drawn, _) => drawn.root(),
        }
    }

    fn assume_outages(&mut self, seconds: f64) -> Vec<String> {
        match self {
            Whole::WorkedOut(assembly) => assembly.assume_outages(seconds),
            Whole::Hard(drawn, _) => drawn.assume_outages(seconds),
        }
    }

    fn events_per_second(&self) -> f64 {
        match self {
            Whole::WorkedOut(assembly) => assembly.events_per_second(),
            Whole::Hard(drawn, _) => drawn.events_per_second(),
        }
    }
}

impl Structure for Whole {
    fn components(&self) -> &[Component] {
        match self {
            Whole::WorkedOut(assembly) => assembly.components(),
            Whole::Hard(drawn, _) => drawn.components(),
        }
    }

    fn is_up(&self, ups: &[bool]) -> bool {
        match self {
            Whole::WorkedOut(assembly) => assembly.is_up(ups),
            Whole::Hard(drawn, _) => drawn.is_up(ups),
        }
    }
}

/// Where a system comes from.
enum Source {
    /// Somebody wrote it.
    Written(System),
    /// A scenario draws it.
    Drawn(Box<Drawn>),
}

struct Drawn {
    base: Base,
    choices: Choices,
    hand: Vec<Fault>,
    endpoint: Option<String>,
    bound: Vec<String>,
    /// The run that it was derived from, and how its requests came out.
    run: Option<(u64, Option<Answered>)>,
}

/// What `faultline avail` would be called with.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    what: String,
    bound: Vec<String>,
    endpoint: Option<String>,
    seed: Option<Seed>,
}

impl Line {
    /// Reads `edge * app --let edge=99% --let app=99.9%`; quotes around the whole are not needed and may be there.
    fn read(text: &str) -> Result<Line, String> {
        let mut parts = text.split(" --");
        let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        let mut line = Line { what: unquoted(parts.next().unwrap_or_default()), ..Line::default() };
        for part in parts {
            match part.trim().split_once(char::is_whitespace) {
                Some(("let", meaning)) => line.bound.push(unquoted(meaning)),
                Some(("endpoint", name)) => line.endpoint = Some(unquoted(name)),
                Some(("seed", seed)) => {
                    line.seed = Some(seed.trim().parse().map_err(|error| format!("--seed: {error}"))?);
                }
                _ => {
                    let known = "--let NAME=MEANING, --endpoint NODE.NAME and --seed N";
                    return Err(format!("--{}: here stand {known}", part.trim()));
                }
            }
        }
        Ok(line)
    }
}

impl Engine {
    /// Whether the lab can look at that.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_lab(line: &str, called: &str) -> Result<(), String> {
        Bench::open(line, called).map(|_| ())
    }

    /// The command line that works out what is in the lab.
    pub(super) fn leave_lab(&self) -> Option<String> {
        self.bench.as_ref().map(|bench| bench.command(&self.called))
    }

    /// Does what the lab asks.
    pub(super) fn lab(&mut self, ask: LabAsk, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        match ask {
            LabAsk::Open(line) => {
                let bench = Bench::open(&line, &self.called)?;
                self.show(bench, tell)
            }
            LabAsk::OfRun => self.lab_of_run(tell),
            LabAsk::Turn { knob, value } => {
                self.bench()?.turn(&knob, value.as_deref())?;
                self.simulate(RUNS, false, tell)
            }
            LabAsk::Step { knob, up } => {
                if !self.bench()?.step(&knob, up)? {
                    tell(Told::Said(format!("{knob} goes no further; Enter takes any value")));
                    return Ok(());
                }
                self.simulate(RUNS, false, tell)
            }
            LabAsk::More => {
                let runs = self.bench()?.simulation.as_ref().map_or(0, Simulation::runs);
                if runs >= RUNS_MAX {
                    return Err(format!("{} runs are as many as there will be", crate::text::count(runs.into())));
                }
                self.simulate((runs * MORE).clamp(RUNS, RUNS_MAX), false, tell)
            }
            LabAsk::Copy => {
                let called = self.called.clone();
                tell(Told::Repro(self.bench()?.command(&called)));
                Ok(())
            }
            LabAsk::Export(path) => {
                let words = self.bench()?.export(path.as_deref())?;
                tell(Told::Said(words));
                Ok(())
            }
        }
    }

    fn bench(&mut self) -> Result<&mut Bench, String> {
        self.bench.as_mut().ok_or_else(|| "nothing is in the lab yet; A on the scenarios opens it".to_owned())
    }

    fn show(&mut self, bench: Bench, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        self.bench = Some(bench);
        self.simulate(RUNS, true, tell)
    }

    fn lab_of_run(&mut self, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let branch = self.here()?;
        let generation = branch.kept.generation;
        let requests = branch.kept.timeline.live().judge.requests();
        let of = requests.ok + requests.error + requests.unknown;
        let share = wilson(requests.ok, of, Confidence::USUAL);
        let met = (of > 0).then(|| met_so_far(&branch.kept.model, branch.seed, branch.kept.edge().events)).flatten();
        let answered = (of > 0).then_some(Answered { ok: requests.ok, of, share, met });
        let drawn = Drawn {
            base: branch.base.clone(),
            choices: branch.choices.clone(),
            hand: branch.hand.clone(),
            endpoint: None,
            bound: Vec::new(),
            run: Some((generation, answered)),
        };
        let (name, seed) = (branch.kept.model.name(), branch.seed);
        // Whoever comes back to the same run finds what was turned as it stood.
        let turned = match &self.bench {
            Some(Bench { source: Source::Drawn(old), turned, .. })
                if old.run.as_ref().is_some_and(|(of, _)| *of == generation) =>
            {
                turned.clone()
            }
            _ => BTreeMap::new(),
        };
        let bench = Bench::of(Source::Drawn(Box::new(drawn)), name, seed, turned)?;
        self.show(bench, tell)
    }

    /// Lets what is looked at fail and come back until there are so many runs, and tells from time to time.
    fn simulate(&mut self, runs: u32, opened: bool, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let shared: Shared = self.shared.clone();
        let bench = self.bench()?;
        let lab = |bench: &Bench, state| Arc::new(bench.lab(runs, state));
        let waits = bench.simulation.is_some();
        let state = if waits { SeenState::Running } else { SeenState::Done };
        tell(Told::Lab { lab: lab(bench, state), opened, taken: true });
        let mut state = SeenState::Done;
        while let Some(simulation) = bench.simulation.as_mut().filter(|simulation| simulation.runs() < runs) {
            if shared.is_given_up() {
                state = SeenState::Stopped;
                break;
            }
            simulation.run(&bench.assembly);
            let done = simulation.runs();
            if done.is_multiple_of((runs / TOLD).max(1)) {
                let years = bench.years(done);
                let down = bench.simulation.as_ref().map(|simulation| simulation.seen().down);
                bench.history.extend(down.map(|down| (years, down)));
                let goal = bench.years(runs);
                tell(Told::Lab { lab: lab(bench, SeenState::Running), opened: false, taken: false });
                tell(Told::Progress(format!("simulated {} of {}; Esc stops", length(years), length(goal))));
            }
        }
        if waits {
            tell(Told::Lab { lab: lab(bench, state), opened: false, taken: false });
        }
        Ok(())
    }
}

/// What the requests of a run have met in its first events; none when those are too many to be made again at once.
fn met_so_far(model: &Model, seed: Seed, events: u64) -> Option<Account> {
    const EVENTS_MAX: u64 = 500_000;
    let block = avail::derive(model, None, &[]).ok().filter(|_| events <= EVENTS_MAX)?.block;
    Some(Account::of(&[quietly(|| Met::of(model, &block, seed, events))], Confidence::USUAL))
}

/// So many years in words.
fn length(years: f64) -> String {
    if years >= 1.0 {
        crate::text::counted(years.round() as u64, "year")
    } else {
        avail::seconds(years * Period::Year.seconds())
    }
}

impl Bench {
    /// What a line asks for.
    fn open(line: &str, called: &str) -> Result<Bench, String> {
        let line = Line::read(line)?;
        if avail::is_scenario(&line.what).map_err(|bad| bad.0)? {
            let (base, seed) = Base::of(&line.what, called)?;
            let name = base.document()?.name();
            let Line { what, bound, endpoint, seed: said } = line;
            let seed = said.unwrap_or(seed);
            let name = if name.is_empty() { what } else { name };
            let drawn = Drawn { base, choices: Choices::none(), hand: Vec::new(), endpoint, bound, run: None };
            return Bench::of(Source::Drawn(Box::new(drawn)), name, seed, BTreeMap::new());
        }
        if line.endpoint.is_some() {
            return Err(format!("--endpoint is of a scenario, and {} is none", line.what));
        }
        let (system, _) = avail::draw(&line.what, &line.bound).map_err(|bad| bad.0)?;
        let name = avail::title(&line.what, &system);
        Bench::of(Source::Written(system), name, line.seed.unwrap_or(Seed(0)), BTreeMap::new())
    }

    fn of(source: Source, name: String, seed: Seed, turned: BTreeMap<String, String>) -> Result<Bench, String> {
        let at_first = Built::of(&source, &BTreeMap::new())?;
        let first = at_first.knobs.iter().map(|knob| (knob.id.clone(), knob.value.clone())).collect();
        // What was turned may not stand any more in what became of the run.
        let (built, turned) = match Built::of(&source, &turned) {
            Ok(built) => (built, turned),
            Err(_) => (at_first, BTreeMap::new()),
        };
        let requests = match &source {
            Source::Drawn(drawn) => drawn.run.as_ref().and_then(|(_, answered)| answered.clone()),
            Source::Written(_) => None,
        };
        let worked = Arc::new(built.worked(&name, seed, &first, requests));
        let Built { system, assumes, assembly, .. } = built;
        let mut bench = Bench {
            source,
            name,
            seed,
            turned,
            first,
            system,
            assumes,
            assembly,
            plan: None,
            simulation: None,
            history: Vec::new(),
            worked,
        };
        bench.begin();
        Ok(bench)
    }

    /// A new simulation of what stands there now.
    fn begin(&mut self) {
        let per_second = self.assembly.events_per_second();
        self.history.clear();
        self.plan = (per_second > 0.0 && self.worked.unsimulated.is_none())
            .then(|| Plan { runs: RUNS, ..Plan::of(round_length(EVENTS / per_second), self.seed, Confidence::USUAL) });
        self.simulation = self.plan.as_ref().and_then(|plan| Simulation::new(&self.assembly, plan));
    }

    /// Simulated years of so many runs.
    fn years(&self, runs: u32) -> f64 {
        let run = self.plan.map_or(0.0, |plan| plan.seconds / f64::from(plan.runs));
        run * f64::from(runs) / Period::Year.seconds()
    }

    /// Sets a knob, and works everything out again; nothing is changed when that cannot be.
    fn turn(&mut self, knob: &str, value: Option<&str>) -> Result<(), String> {
        let mut turned = self.turned.clone();
        match value.filter(|value| self.first.get(knob).is_none_or(|first| first != value)) {
            Some(value) => turned.insert(knob.to_owned(), value.to_owned()),
            None => turned.remove(knob),
        };
        let built = Built::of(&self.source, &turned)?;
        let worked = built.worked(&self.name, self.seed, &self.first, self.worked.requests.clone());
        let Built { system, assumes, assembly, .. } = built;
        (self.turned, self.worked) = (turned, Arc::new(worked));
        (self.system, self.assumes, self.assembly) = (system, assumes, assembly);
        self.begin();
        Ok(())
    }

    /// Turns a knob to its next round value; whether there is one.
    fn step(&mut self, knob: &str, up: bool) -> Result<bool, String> {
        let next = match self.worked.knobs.iter().find(|line| line.id == knob) {
            None => return Err(format!("there is no \"{knob}\" to turn")),
            Some(line) if line.kind == KnobKind::Assumed => next_length(&line.value, up),
            Some(line) if line.kind == KnobKind::Setting => self.next_setting(&line.label, &line.value, up)?,
            Some(_) => self.system.knobs().iter().find(|known| known.name() == knob).and_then(|known| known.next(up)),
        };
        let Some(next) = next else { return Ok(false) };
        self.turn(knob, Some(&next))?;
        Ok(true)
    }

    fn next_setting(&self, name: &str, value: &str, up: bool) -> Result<Option<String>, String> {
        let Source::Drawn(drawn) = &self.source else { return Ok(None) };
        let document = drawn.base.document()?;
        Ok(document.document().settings().get(name).and_then(|setting| next_of(setting, value, up)))
    }

    fn lab(&self, goal: u32, state: SeenState) -> Lab {
        let seen = self.simulation.as_ref().map(|simulation| Seen {
            longest: simulation.seen().longest.iter().map(|outage| self.outage(outage)).collect(),
            simulated: simulation.seen(),
            years: self.years(simulation.runs()),
            goal: self.years(goal),
            state,
            history: self.history.clone().into(),
        });
        Lab { worked: self.worked.clone(), seen }
    }

    /// An outage in words.
    fn outage(&self, outage: &Outage) -> String {
        let components = self.assembly.components();
        let names: Vec<&str> = outage.down.iter().map(|at| components[*at].label.as_str()).collect();
        let year = (outage.at / Period::Year.seconds()) as u64 + 1;
        let (last, before) = names.split_last().map_or(("", String::new()), |(last, rest)| (*last, rest.join(", ")));
        let with = if before.is_empty() { String::new() } else { format!(" while {before} was down") };
        format!("{} in year {}: {last}{with}", avail::seconds(outage.seconds), crate::text::count(year))
    }

    /// The command line that works out the same.
    fn command(&self, called: &str) -> String {
        let runs = self.simulation.as_ref().map_or(0, Simulation::runs);
        let simulated = Duration::from_nanos_f64(self.years(runs).min(500.0) * Period::Year.seconds() * 1e9);
        let mut words = vec!["avail".to_owned()];
        match self.system.block() {
            Some(block) => {
                words.push(block.to_string());
                let lets = self.system.names().iter();
                words.extend(lets.flat_map(|(name, meaning)| ["--let".to_owned(), format!("{name}={meaning}")]));
            }
            None => words.push(self.name.clone()),
        }
        if runs > 0 && self.worked.knobs.iter().all(|knob| knob.kind != KnobKind::Assumed) {
            let years = self.years(runs);
            let length = if years.fract() == 0.0 { format!("{years}y") } else { simulated.to_string() };
            words.extend(["--simulate".to_owned(), length, "--seed".to_owned(), self.seed.to_string()]);
        }
        commands::line(called, words.iter().map(String::as_str))
    }

    /// The command line that writes what was seen.
    fn command_to_write(&self) -> String {
        format!("{} --html seen.html", self.command("faultline"))
    }

    /// Writes what is shown.
    fn export(&self, path: Option<&str>) -> Result<String, String> {
        let assembly = self.system.assembly().map_err(|_| {
            format!(
                "the page has the algebra beside what was seen; of what only a simulation tells write {}",
                self.command_to_write()
            )
        })?;
        let title = if self.worked.expression.is_empty() || self.worked.expression == self.name {
            self.name.clone()
        } else {
            format!("{}: {}", self.name, self.worked.expression)
        };
        let question = Question::new(title, self.system.clone(), assembly, self.assumes.clone());
        let seen = self.simulation.as_ref().filter(|simulation| simulation.runs() > 0).map(Simulation::seen);
        let plan = self.plan.map(|plan| {
            let runs = self.simulation.as_ref().map_or(plan.runs, Simulation::runs);
            Plan { seconds: plan.seconds / f64::from(plan.runs) * f64::from(runs), runs, ..plan }
        });
        avail::export(question, seen.zip(plan), &self.name, path).map_err(|bad| bad.0)
    }
}

/// A round length of time that is not longer: 1, 2 or 5 times a power of ten of years, or of days where it is less than
/// one.
fn round_length(seconds: f64) -> f64 {
    let (year, day) = (Period::Year.seconds(), 86_400.0);
    let unit = if seconds >= year { year } else { day };
    let most = Plan::RUN_MAX * f64::from(RUNS);
    let count = (seconds.min(most) / unit).max(1.0);
    let mut power = 1.0;
    while power * 10.0 <= count * (1.0 + 1e-9) {
        power *= 10.0;
    }
    let round = [5.0, 2.0, 1.0].into_iter().find(|times| times * power <= count * (1.0 + 1e-9)).unwrap_or(1.0);
    if seconds < day { seconds } else { round * power * unit }
}

/// What comes of a source and what was turned.
struct Built {
    system: System,
    assumes: Vec<String>,
    assembly: Whole,
    /// Components of which only a share is known.
    assumed: Vec<String>,
    knobs: Vec<KnobLine>,
}

impl Built {
    fn of(source: &Source, turned: &BTreeMap<String, String>) -> Result<Built, String> {
        let (mut system, assumes, settings) = match source {
            Source::Written(system) => (system.clone(), Vec::new(), Vec::new()),
            Source::Drawn(drawn) => drawn.system(turned)?,
        };
        // A figure may be gone with the setting that it hung on.
        let known: Vec<String> = system.knobs().iter().map(sim_models::avail::Knob::name).collect();
        let figures = turned.iter().filter(|(knob, _)| known.contains(knob));
        system = system.turned_all(figures.map(|(knob, value)| (knob.as_str(), value.as_str())))?;
        let mut assembly = Whole::of(&system)?;
        let outage = turned.get(OUTAGE_KNOB).map_or(OUTAGE, String::as_str);
        let seconds = span_of_time(outage).map_err(|error| error.pointed_at(OUTAGE_KNOB, outage).to_string())?;
        if seconds <= 0.0 {
            return Err(format!("{OUTAGE_KNOB}: an outage of no time is none; write 1h"));
        }
        let assumed = assembly.assume_outages(seconds);
        let figure = |knob: &sim_models::avail::Knob| KnobLine {
            id: knob.name(),
            label: knob.name(),
            value: knob.value.clone(),
            first: knob.value.clone(),
            kind: KnobKind::Figure,
            about: String::new(),
        };
        let mut knobs: Vec<KnobLine> = system.knobs().iter().map(figure).collect();
        if !assumed.is_empty() {
            knobs.push(KnobLine {
                id: OUTAGE_KNOB.to_owned(),
                label: OUTAGE_KNOB.to_owned(),
                value: outage.to_owned(),
                first: OUTAGE.to_owned(),
                kind: KnobKind::Assumed,
                about: format!("how long outages of {} are taken to be", assumed.join(", ")),
            });
        }
        knobs.extend(settings);
        Ok(Built { system, assumes, assembly, assumed, knobs })
    }

    fn worked(&self, name: &str, seed: Seed, first: &BTreeMap<String, String>, requests: Option<Answered>) -> Worked {
        let known = self.assembly.worked_out();
        let knob = |line: &KnobLine| {
            let first = first.get(&line.id).unwrap_or(&line.first).clone();
            KnobLine { first, ..line.clone() }
        };
        let reconciled = self.system.reconciled();
        let has = |wanted: Effect| {
            reconciled.as_ref().is_some_and(|told| told.steps.iter().any(|step| step.effect == wanted))
        };
        let constant = self
            .assembly
            .components()
            .iter()
            .all(|of| !matches!(of.law, Some(Law::Uneven { .. } | Law::Fixed { .. } | Law::Planned { .. })));
        let said = |holds: bool, words: &str| (holds, words.to_owned());
        let formula_assumes = match known {
            // There is no formula.
            None => Vec::new(),
            Some(_) => vec![
                said(!has(Effect::Sharing) && !has(Effect::CommonCause), "parts fail independently"),
                said(!has(Effect::Failover) && !has(Effect::Coverage), "a spare takes over at once"),
                said(!has(Effect::Crews) && !has(Effect::Standby), "a repair starts at once"),
                said(constant, "rates are constant"),
            ],
        };
        let nothing_fails = self.assembly.components().iter().all(|of| of.availability.down == 0.0);
        let never = self.assembly.components().iter().any(|of| of.law.is_none() && of.availability.down > 0.0);
        let unsimulated = match (nothing_fails, never) {
            (true, _) => Some("nothing here ever fails, so there is nothing to see; turn an availability".to_owned()),
            (false, true) => Some("something here is never up, so there is nothing to see".to_owned()),
            (false, false) => None,
        };
        let mut assumes = self.assumes.clone();
        if !self.assumed.is_empty() {
            let whose = self.assumed.join(", ");
            assumes.insert(
                0,
                format!("of {whose} only a share is known: how long outages are says only how many there are"),
            );
        }
        Worked {
            name: name.to_owned(),
            expression: self.system.block().map(ToString::to_string).unwrap_or_default(),
            root: self.assembly.root().clone(),
            knobs: self.knobs.iter().map(knob).collect(),
            whole: match &self.assembly {
                Whole::WorkedOut(assembly) => Ok(assembly.availability()),
                Whole::Hard(_, why) => Err(why.clone()),
            },
            rhythm: known.and_then(avail::rhythm),
            first: known.and_then(avail::first),
            reconciled,
            changes: known.map(|known| self.system.changes(known)).unwrap_or_default(),
            importance: known.map(Assembly::importance).unwrap_or_default(),
            formula_assumes,
            assumes,
            unsimulated,
            requests,
            seed,
        }
    }
}

impl Drawn {
    /// The diagram with the scenario's settings as they are turned, what it assumes, and the settings.
    fn system(&self, turned: &BTreeMap<String, String>) -> Result<(System, Vec<String>, Vec<KnobLine>), String> {
        let document = self.base.document()?;
        let settings = document.document().settings();
        let mut choices = self.choices.clone();
        for setting in settings.iter() {
            if let Some(value) = turned.get(&setting_id(&setting.name)) {
                choices.settings.retain(|(known, _)| *known != setting.name);
                choices.settings.push((setting.name.clone(), value.clone()));
            }
        }
        let model = self.base.model(&choices, &self.hand)?;
        let derived = avail::derive(&model, self.endpoint.as_deref(), &self.bound).map_err(|bad| bad.0)?;
        let values = model.settings();
        let line = |setting: &Setting| {
            let value = values.iter().find(|(known, _)| *known == setting.name).map(|(_, text)| text.clone());
            let value = value.unwrap_or_else(|| setting.default.clone());
            KnobLine {
                id: setting_id(&setting.name),
                label: setting.name.clone(),
                first: value.clone(),
                value,
                kind: KnobKind::Setting,
                about: about(setting),
            }
        };
        let lines = settings.iter().map(line).collect();
        Ok((System::of(derived.block, derived.names), derived.assumes, lines))
    }
}

fn about(setting: &Setting) -> String {
    let range = crate::reference::range(setting);
    let range = if range.is_empty() { range } else { format!("[{range}] ") };
    format!("{range}{}", setting.about.as_deref().unwrap_or_default()).trim().to_owned()
}

fn setting_id(name: &str) -> String {
    format!("setting {name}")
}

/// The next round value of a setting; none where only somebody who types can tell.
fn next_of(setting: &Setting, value: &str, up: bool) -> Option<String> {
    let next = match setting.kind {
        SettingKind::Int => {
            let now: i64 = value.parse().ok()?;
            Some(if up { now.checked_add(1)? } else { now.checked_sub(1)? }.to_string())
        }
        SettingKind::Duration => next_length(value, up),
        SettingKind::Ratio => {
            let share = value.parse::<Ratio>().ok()?.as_f64() * 100.0;
            next_fraction(&format!("{share}%"), up)
        }
        SettingKind::Bool => Some((value != "true").to_string()),
        SettingKind::Choice => {
            let at = setting.choices.iter().position(|choice| choice == value)?;
            let next = if up { at.checked_add(1)? } else { at.checked_sub(1)? };
            setting.choices.get(next).cloned()
        }
        SettingKind::Rate | SettingKind::Float | SettingKind::Text => None,
    };
    next.filter(|next| setting.check(next).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_as_the_command_line_does() {
        let line =
            Line::read("edge * (app | app) --let edge=99% --let app=mtbf=30d/mttr=1h --endpoint shop.x --seed 7")
                .unwrap();
        assert_eq!(line.what, "edge * (app | app)");
        assert_eq!(line.bound, ["edge=99%", "app=mtbf=30d/mttr=1h"]);
        assert_eq!((line.endpoint.as_deref(), line.seed), (Some("shop.x"), Some(Seed(7))));
        assert_eq!(Line::read("\"a * b\" --let 'a=99%'").unwrap().what, "a * b");
        assert!(Line::read("a --simulate 10y").unwrap_err().contains("--let NAME=MEANING"));
    }

    #[test]
    fn a_simulation_is_of_a_round_length() {
        let year = Period::Year.seconds();
        assert_eq!(round_length(1234.0 * year), 1000.0 * year);
        assert_eq!(round_length(5.1 * year), 5.0 * year);
        assert_eq!(round_length(0.9 * year), 200.0 * 86_400.0);
        assert_eq!(round_length(1e300), 50_000.0 * year);
        assert_eq!(round_length(100.0), 100.0);
    }
}
