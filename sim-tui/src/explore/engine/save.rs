//! A run that was explored, as a case that replays to the same digest; and what is made of a failing one: the smallest, the words.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use sim_core::case::Case;
use sim_core::run::Limits;
use sim_core::{Outcome, Stop};
use sim_models::record::Failure;
use sim_models::scenario::Run;

use super::super::told::Told;
use super::Engine;
use super::session::{Base, Branch, Kept};
use crate::files::write_whole;
use crate::quiet::quietly;

/// Replays that shrinking may use.
const REPLAYS: u64 = 2_000;

impl Kept {
    /// The run as a case that shows an event: to the first property that broke, if that comes later, else to where it stands.
    pub(super) fn as_case(&self, event: u64) -> Result<Case, String> {
        match self.failure() {
            Some(failure) if self.broken.first().is_none_or(|broken| event <= broken.event) => {
                self.failing_case(&failure)
            }
            _ => self.whole_case(),
        }
    }

    /// The run as a case that fails so.
    pub(super) fn failing_case(&self, failure: &Failure) -> Result<Case, String> {
        let run: Run = quietly(|| self.model.run(self.timeline.live().sim.seed(), failure.stop()));
        if !failure.is_of(&run.outcome) {
            return Err("the run does not fail again as it was seen to fail".to_owned());
        }
        Ok(self.model.case_failing(&run, failure))
    }

    /// The run as far as it stands, whatever broke in it.
    fn whole_case(&self) -> Result<Case, String> {
        let seed = self.timeline.live().sim.seed();
        let edge = self.edge();
        let over = self.timeline.over().is_some();
        let run = quietly(|| {
            self.model.run_watched(seed, Stop::AtEnd, Limits::default(), |sim, _| {
                let there = !over && sim.events() >= edge.events;
                if there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        });
        if edge.events == 0 {
            // Nothing has happened, so nothing is expected either.
            return Ok(Case { expect: None, ..self.model.case(&run) });
        }
        self.same(&run.outcome)?;
        // What was not seen is not promised: the case ends where the run stands.
        let model = if over { self.model.clone() } else { self.model.ending(edge.at) };
        let run = if over { run } else { quietly(|| model.run(seed, Stop::AtEnd)) };
        let mut case = model.case(&run);
        if let Some(expect) = &mut case.expect {
            // A replay would stop where this property first broke.
            expect.property = None;
        }
        Ok(case)
    }

    /// How it fails: the first property that broke, or a panic.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure_at(0)
    }

    /// How it fails at an event: the property that broke there, else the first.
    pub(super) fn failure_at(&self, event: u64) -> Option<Failure> {
        if self.timeline.live().sim.panic().is_some() {
            return Some(Failure { verdict: sim_core::Verdict::Panicked, property: None });
        }
        let first = self.broken.iter().find(|broken| broken.event == event).or(self.broken.first())?;
        let moment = self.timeline.live();
        let mut judge = moment.judge.clone();
        let judged = quietly(|| sim_core::Judge::finish(&mut judge, &moment.sim));
        let of_it = judged.into_iter().find(|judged| judged.name == first.property)?;
        Some(Failure { verdict: of_it.verdict, property: Some(of_it.name) })
    }

    /// A plain run to the same event came to the same.
    fn same(&self, outcome: &Outcome) -> Result<(), String> {
        let live = &self.timeline.live().sim;
        let digest = live.checkpoint().map_err(|error| error.to_string())?;
        if outcome.digest == digest && outcome.events == live.events() {
            return Ok(());
        }
        Err(format!(
            "the run does not come out the same again: {} events and {digest}, then {} and {}; please report it",
            live.events(),
            outcome.events,
            outcome.digest
        ))
    }
}

impl Engine {
    /// Writes the run as a case; where it was written, and the event to look at.
    pub(super) fn save(&mut self, path: Option<&str>, event: u64) -> Result<(String, u64), String> {
        let branch = self.here()?;
        if branch.kept.edge().events == 0 {
            return Err("nothing has happened yet, so there is nothing to save".to_owned());
        }
        let case = branch.kept.as_case(event)?;
        let file = serde_json::to_string_pretty(&case).map_err(|error| error.to_string())?;
        let path = match path {
            Some(path) => free_for_a_case(path)?,
            None => free_name(branch, &file),
        };
        write_whole(Path::new(&path), &file).map_err(|error| format!("{path}: {error}"))?;
        let events = case.expect.and_then(|expect| expect.events).unwrap_or_default();
        Ok((path, events))
    }

    /// Writes what was explored, if anything was, and says how it is seen again at that event.
    pub(crate) fn leave(&mut self, event: u64) -> Result<Option<String>, String> {
        let Ok(branch) = self.here() else { return Ok(self.leave_lab()) };
        if branch.kept.edge().events == 0 {
            // A case without an event has nothing to show.
            return self.command().map(Some);
        }
        let (path, events) = self.save(None, event)?;
        let event = event.min(events).to_string();
        let mut words = vec!["replay", &path];
        if event != "0" {
            words.extend(["--at", &event]);
        }
        Ok(Some(crate::commands::line(&self.called, words)))
    }

    /// Shrinks the failing run, as a new branch.
    pub(super) fn shrink(&mut self, event: u64, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let (shared, generation, current) = (self.shared.clone(), self.next_generation(), self.current);
        let branch = self.here()?;
        let case = failing_case(branch, event)?;
        let seed = case.seed;
        let mut watch = |progress: sim_models::shrink::Progress| {
            tell(Told::Progress(format!(
                "shrinking: {} replays, {} lines; Esc gives up",
                progress.replays, progress.lines
            )));
            !shared.is_given_up()
        };
        let small = quietly(|| sim_models::shrink::shrink("the run", &case, REPLAYS, &mut watch))
            .map_err(|error| error.to_string())?;
        let from = (current, branch.kept.edge().events);
        let name = format!("smallest {}", self.branches.len());
        let base =
            Base::Case { file: "the smallest run".to_owned(), case: Box::new(Case { expect: None, ..small.case }) };
        let mut parted = Branch::open(&name, base, seed, generation)?;
        parted.from = Some(from);
        parted.kept.advance(u64::MAX, sim_core::Instant::NEVER, true);
        self.branches.push(parted);
        self.current = self.branches.len() - 1;
        let broke = self.here()?.kept.broken.first().map(|broken| broken.event);
        self.tell_run(false, broke, tell)?;
        let sizes = format!(
            "from {} events to {}, and {} to {} decisions",
            crate::text::count(small.from.events),
            crate::text::count(small.to.events),
            small.from.decisions,
            small.to.decisions
        );
        tell(Told::Go {
            event: broke,
            words: format!("the smallest run that fails so: {sizes}. w asks why, B goes back"),
        });
        Ok(())
    }

    /// Explains the failing run in words.
    pub(super) fn explain(&mut self, event: u64, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let shared = self.shared.clone();
        let called = self.called.clone();
        let case = failing_case(self.here()?, event)?;
        // The commands that an explanation ends with name a file.
        let (path, _) = self.save(None, 0)?;
        let mut watch = |progress: sim_models::shrink::Progress| {
            tell(Told::Progress(format!("explaining: {} replays; Esc gives up", progress.replays)));
            !shared.is_given_up()
        };
        let lines = crate::explain::lines(&path, &case, REPLAYS, &mut watch, &called)?;
        tell(Told::Text {
            title: "why it fails; events are those of the smallest run, which s shows".to_owned(),
            lines,
        });
        Ok(())
    }
}

fn failing_case(branch: &Branch, event: u64) -> Result<Case, String> {
    let nothing = "nothing broke in this run yet, so there is nothing to shrink or explain; a runs on to what does";
    branch.kept.failing_case(&branch.kept.failure_at(event).ok_or(nothing)?)
}

/// The path, if nothing stands there that is no case: what somebody wrote is not written over.
fn free_for_a_case(path: &str) -> Result<String, String> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    match fs::read_to_string(path) {
        _ if folder.is_some_and(|folder| !folder.is_dir()) => Err(format!("{path}: there is no such folder")),
        Ok(text) if crate::load::is_case(&text) => Ok(path.to_owned()),
        Err(_) if !Path::new(path).exists() => Ok(path.to_owned()),
        _ => Err(format!("{path} is there already and is no case; choose another name")),
    }
}

/// A name of its own for a case, unless a file of that name is the same case.
fn free_name(branch: &Branch, file: &str) -> String {
    let name = branch.kept.model.name();
    let name = if name.is_empty() { "scenario".to_owned() } else { name };
    let stem = format!("faultline-cases/explored-{name}-{}", branch.seed);
    let free = |path: &String| match fs::read_to_string(path) {
        Ok(there) => there.trim_end() == file.trim_end(),
        Err(_) => !Path::new(path).exists(),
    };
    let numbered = (2..).map(|number| format!("{stem}-{number}.json"));
    std::iter::once(format!("{stem}.json")).chain(numbered).find(free).unwrap_or(stem)
}
