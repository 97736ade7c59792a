//! A run that was explored, as a case that replays to the same digest; and what is made of a failing one: the smallest, the words.

use std::fs;
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
    /// The run as a case: to the first property that broke, else to where it stands.
    pub(super) fn as_case(&self) -> Result<Case, String> {
        let seed = self.timeline.live().sim.seed();
        let edge = self.edge();
        let failure = self.failure();
        let model = &self.model;
        let Some(failure) = failure else {
            // What was not seen is not promised: the case ends where the run stands.
            let over = self.timeline.over().is_some();
            let run = quietly(|| {
                model.run_watched(seed, Stop::AtEnd, Limits::default(), |sim, _| {
                    let there = !over && sim.events() >= edge.events;
                    if there { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
                })
            });
            self.same(&run.outcome)?;
            if over {
                return Ok(model.case(&run));
            }
            let ended = model.ending(edge.at);
            let run = quietly(|| ended.run(seed, Stop::AtEnd));
            return Ok(ended.case(&run));
        };
        let run: Run = quietly(|| model.run(seed, failure.stop()));
        if !failure.is_of(&run.outcome) {
            return Err("the run does not fail again as it was seen to fail".to_owned());
        }
        Ok(model.case_failing(&run, &failure))
    }

    /// How it fails: the first property that broke, or a panic.
    pub(super) fn failure(&self) -> Option<Failure> {
        if self.timeline.live().sim.panic().is_some() {
            return Some(Failure { verdict: sim_core::Verdict::Panicked, property: None });
        }
        let first = self.broken.first()?;
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
    pub(super) fn save(&mut self, path: Option<&str>) -> Result<(String, u64), String> {
        let branch = self.here()?;
        let case = branch.kept.as_case()?;
        let file = serde_json::to_string_pretty(&case).map_err(|error| error.to_string())?;
        let path = match path {
            Some(path) => path.to_owned(),
            None => free_name(branch, &file),
        };
        write_whole(Path::new(&path), &file).map_err(|error| format!("{path}: {error}"))?;
        let events = case.expect.and_then(|expect| expect.events).unwrap_or_default();
        Ok((path, events))
    }

    /// Writes what was explored, if anything was, and says how it is seen again at that event.
    pub(crate) fn leave(&mut self, event: u64) -> Result<Option<String>, String> {
        if self.branches.is_empty() {
            return Ok(None);
        }
        let (path, events) = self.save(None)?;
        let event = event.min(events).to_string();
        let mut words = vec!["replay", &path];
        if event != "0" {
            words.extend(["--at", &event]);
        }
        Ok(Some(crate::commands::line(&self.called, words)))
    }

    /// Shrinks the failing run, as a new branch.
    pub(super) fn shrink(&mut self, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let (shared, generation, current) = (self.shared.clone(), self.next_generation(), self.current);
        let branch = self.here()?;
        let case = failing_case(branch)?;
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
    pub(super) fn explain(&mut self, tell: &mut dyn FnMut(Told)) -> Result<(), String> {
        let shared = self.shared.clone();
        let called = self.called.clone();
        let case = failing_case(self.here()?)?;
        // The commands that an explanation ends with name a file.
        let (path, _) = self.save(None)?;
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

fn failing_case(branch: &Branch) -> Result<Case, String> {
    if branch.kept.failure().is_none() {
        return Err("nothing broke in this run yet, so there is nothing to shrink or explain; a runs on to what does"
            .to_owned());
    }
    branch.kept.as_case()
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
