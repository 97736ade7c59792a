//! `run --rare` and `avail --rare`: how probable it is that something happens that hardly ever does.
//!
//! Replications are worked out on all cores and put together in their order; how many there are depends on what the
//! earlier ones found, not on who worked them out.

use std::ops::Range;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde_json::{Value, json};
use sim_core::Seed;
use sim_models::avail::{Assembly, Machines};
use sim_models::rare::{
    Answer, Biased, Cycles, Jumps, Ladder, Missions, NoRarity, Pilot, Plain, Rarity, Replication, Rung, Way,
    fixed_effort,
};
use sim_models::scenario::ModelError;
use sim_models::stats::{Confidence, Decision, Estimate, Goal, Precision, ratio};

use crate::avail::{write_csv, written};
use crate::cli::{AvailArgs, Precisely, RareArgs, RunArgs};
use crate::commands;
use crate::estimates;
use crate::figure::scale::Unit;
use crate::figure::{Axis, Data, Figure, Interval};
use crate::interrupt::Interrupt;
use crate::load;
use crate::page::Page;
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::text::{self, Side};

/// Works out replications until they tell enough.
struct Office {
    pool: ThreadPool,
    interrupt: Interrupt,
    goal: Goal,
    events_max: u64,
}

/// What came of it.
struct Done<T> {
    all: Vec<T>,
    /// Whether it is known as well as was asked for.
    is_reached: bool,
    is_interrupted: bool,
}

impl Office {
    fn new(jobs: usize, asked: Precisely) -> Result<Office, Bad> {
        let pool = ThreadPoolBuilder::new().num_threads(jobs).build();
        let pool = pool.map_err(|error| bad!("--jobs {jobs}: no threads can be made: {error}"))?;
        let goal = Goal::new(Precision::Relative(asked.precision));
        Ok(Office { pool, interrupt: Interrupt::listen(), goal, events_max: asked.events })
    }

    fn exit(&self) -> Exit {
        if self.interrupt.is_pressed() { Exit::Interrupted } else { Exit::Held }
    }

    /// Replications by their numbers, as many as it takes.
    fn work<T: Send>(
        &self,
        one: impl Fn(u64) -> T + Sync,
        events: impl Fn(&T) -> u64,
        estimate: impl Fn(&[T]) -> Estimate,
    ) -> Done<T> {
        // What one costs is known from the first two, without which there is no interval.
        let (mut all, mut total, mut spent) = (Vec::new(), 2, 0);
        loop {
            let done = all.len() as u64;
            let more = self.some(done..total, &one);
            spent += more.iter().map(&events).sum::<u64>();
            let is_interrupted = (more.len() as u64) < total - done;
            all.extend(more);
            let decision = self.goal.decide(&estimate(&all), all.len() as u64);
            let is_reached = decision == Decision::Enough;
            match decision {
                Decision::More { total: next } if !is_interrupted && spent < self.events_max => {
                    // No more than the events left pay for.
                    let done = all.len() as u64;
                    let paid = (self.events_max - spent) / (spent / done).max(1);
                    let wanted = if done < self.goal.least { self.goal.least } else { next };
                    total = wanted.min(done + paid);
                    if total == done {
                        return Done { all, is_reached, is_interrupted };
                    }
                }
                _ => return Done { all, is_reached, is_interrupted },
            }
        }
    }

    /// Those that were worked out in one piece from the first on, when somebody ends it.
    fn some<T: Send>(&self, numbers: Range<u64>, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
        let work = |number| (!self.interrupt.is_pressed()).then(|| quietly(|| one(number)));
        let all: Vec<Option<T>> = self.pool.install(|| numbers.into_par_iter().map(work).collect());
        all.into_iter().map_while(|one| one).collect()
    }
}

/// How probable it is that a property of a scenario breaks in a run.
pub(crate) fn of_scenario(args: &RunArgs, property: &str, called: &str) -> Result<Report, Bad> {
    let loaded = load::scenario(&args.what.scenario, called)?;
    let (choices, changes) = load::choices_and_changes(&args.what)?;
    let RareArgs { level, runs, precisely, .. } = &args.rare;
    let rarity = Rarity::of(&loaded.scenario, &choices, &changes, property, level.as_deref()).map_err(wrong)?;
    let mut office = Office::new(args.workers.count(), *precisely)?;
    let pilot = Pilot { events_max: precisely.events, ..Pilot::default() };
    let way = quietly(|| rarity.way(&pilot, args.seed)).map_err(wrong)?;
    let start = |dice: Seed| rarity.start(dice, way.level.as_deref());
    let ladder = &way.ladder;
    // Finding the way is part of it.
    office.events_max = precisely.events.saturating_sub(way.events);
    let runs = runs.unwrap_or_else(|| runs_for(ladder, precisely.events, office.goal.least));
    let done = office.work(
        |nth| fixed_effort(&start, &ladder.levels, runs, args.seed, nth),
        |found| found.events,
        |all| Answer::of(all, ladder, Confidence::USUAL).estimate,
    );
    let events = Ladder { events: way.events, ..ladder.clone() };
    let answer = Answer::of(&done.all, &events, Confidence::USUAL);
    let told = Climbed { rarity: &rarity, way: &way, answer: &answer, args, runs, done: &done, name: &loaded.name };
    let report = if args.output.json {
        Report::json(&told.document(), office.exit())
    } else {
        Report { text: told.text(called), exit: office.exit() }
    };
    Ok(report)
}

/// Runs from each level: 200, and of long runs as few as half of the events pay for in the replications that are made at
/// least.
fn runs_for(ladder: &Ladder, events: u64, least: u64) -> u32 {
    const RUNS: f64 = 200.0;
    const RUNS_MIN: f64 = 10.0;
    // From each level a run goes on to its end, unless it comes to the next one.
    let stages = (ladder.levels.len() + 1) as f64;
    let paid = events as f64 / 2.0 / (least as f64 * stages * ladder.run_events.max(1.0));
    paid.clamp(RUNS_MIN, RUNS) as u32
}

fn wrong(error: NoRarity) -> Bad {
    match error {
        NoRarity::Property(message) => bad!("--rare: {message}"),
        NoRarity::Level(message) | NoRarity::NoWay(message) => Bad(message),
        NoRarity::Model(error) => match *error {
            ModelError::Problems(problems) => load::told(problems),
            ModelError::Fault(_, error) => load::wrong_fault(&error),
            ModelError::Stranger(said) => bad!("fault: {said}"),
        },
    }
}

/// A probability of a scenario, on its way to a report.
struct Climbed<'a> {
    rarity: &'a Rarity,
    way: &'a Way,
    answer: &'a Answer,
    args: &'a RunArgs,
    /// From each level in each replication.
    runs: u32,
    done: &'a Done<Replication>,
    name: &'a str,
}

impl Climbed<'_> {
    fn method(&self) -> &'static str {
        if self.way.ladder.levels.is_empty() { "plain runs" } else { "splitting with a fixed effort" }
    }

    fn text(&self, called: &str) -> String {
        let Climbed { rarity, way, answer, args, runs, done, name } = self;
        let property = rarity.property();
        let mut out = format!("{name}\nhow probable it is that \"{property}\" breaks in a run\n\n");
        out += &format!("{}\n", estimated(&answer.estimate));
        out += &again_in(&answer.estimate, "run");
        if let Some(level) = &way.level {
            out += &format!("\nlevels of {level}, and the share of runs from each that came to the next\n");
            let rows = answer.rungs.iter().map(|rung| {
                let level = rung.level.map_or_else(|| "it breaks".to_owned(), text::number);
                vec![level, text::percent(rung.chance), text::count(rung.arrived)]
            });
            let head = ["level", "chance", "arrived"].map(str::to_owned).to_vec();
            let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
            out += &text::table(&[Side::Left, Side::Right, Side::Right], &rows);
        }
        let each = if way.ladder.levels.is_empty() { "" } else { " from each level" };
        let runs = format!("{} of {}{each}", self.method(), text::counted(u64::from(*runs), "run"));
        let replications = text::counted(done.all.len() as u64, "replication");
        out += &effort(&format!("{replications}, {runs}"), answer.events, Some(way.events));
        out += &compared(answer.effective, answer.plain, answer.events, "run");
        out += &short(done.is_reached, done.is_interrupted, &args.rare.precisely);
        out + &format!("the same again: {}\n", self.again(called))
    }

    fn again(&self, called: &str) -> String {
        let mut words = vec!["run".to_owned()];
        words.extend(commands::words_of(&self.args.what));
        words.extend(["--rare".to_owned(), self.rarity.property().to_owned()]);
        words.extend(self.way.level.iter().flat_map(|level| ["--level".to_owned(), level.clone()]));
        words.extend(self.effort());
        words.extend(["--seed".to_owned(), self.args.seed.to_string()]);
        commands::line(called, words.iter().map(String::as_str))
    }

    /// What was said of how well it is to be known, and with how many runs.
    fn effort(&self) -> Vec<String> {
        let RareArgs { runs, precisely, .. } = &self.args.rare;
        let mut words = Vec::new();
        if precisely.precision != Precisely::USUAL.precision {
            let percent = (precisely.precision * 1e6).round() / 1e4;
            words.extend(["--precision".to_owned(), format!("{percent}%")]);
        }
        if precisely.events != Precisely::USUAL.events {
            words.extend(["--events".to_owned(), precisely.events.to_string()]);
        }
        words.extend(runs.iter().flat_map(|runs| ["--runs".to_owned(), runs.to_string()]));
        words
    }

    fn document(&self) -> Value {
        let Climbed { rarity, way, answer, args, runs, done, name } = self;
        let rung = |rung: &Rung| json!({"level": rung.level, "chance": rung.chance, "arrived": rung.arrived});
        json!({
            "scenario": name,
            "property": rarity.property(),
            "seed": args.seed.to_string(),
            "probability": answer.estimate,
            "method": self.method(),
            "level": way.level,
            "levels": answer.rungs.iter().map(rung).collect::<Vec<_>>(),
            "replications": done.all.len(),
            "runs_per_level": runs,
            "events": answer.events,
            "pilot_events": way.events,
            "effective_sample_size": answer.effective,
            "plain": answer.plain.map(|plain| plain_document(plain, answer.events)),
            "precision": args.rare.precisely.precision,
            "reached": done.is_reached,
            "interrupted": done.is_interrupted,
        })
    }
}

/// The share of time that an assembly is down, and the chance that it is down at some time of a mission of so many
/// seconds, by biased failures.
pub(crate) fn of_assembly(title: &str, assembly: &Assembly, mission: f64, args: &AvailArgs) -> Result<Report, Bad> {
    if assembly.availability().down == 0.0 {
        return Err(bad!("--rare: {title} is never down, so there is nothing to estimate"));
    }
    let machines = Machines::of(assembly).map_err(|error| bad!("--rare: {error}"))?;
    if machines.is_down(&machines.fresh()) {
        return Err(bad!("--rare: {title} is down from the beginning, so there is nothing to estimate"));
    }
    let office = Office::new(args.rare.workers.count(), args.rare.precisely)?;
    let biased = Biased::new(&machines, args.seed);
    let lasting = machines
        .is_repaired()
        .then(|| office.work(|nth| biased.cycles(RUNS, nth), |found: &Cycles| found.events, share_down));
    let missions = office.work(
        |nth| biased.missions(mission, RUNS, nth),
        |found: &Missions| found.events,
        |all| mission_answer(all).estimate,
    );
    let told = Biasedly { title, assembly, mission, args, lasting, missions };
    if let Some(path) = &args.csv {
        write_csv(path, &told.csv()?)?;
    }
    if args.pictures.are_wanted() {
        let (page, document) = (told.page(), told.document());
        let shown = if args.output.json { format!("{document:#}\n") } else { told.text() };
        let text = shown + &args.pictures.plots(&page);
        args.pictures.write(&page, &document)?;
        return Ok(Report { text, exit: office.exit() });
    }
    Ok(if args.output.json {
        Report::json(&told.document(), office.exit())
    } else {
        Report { text: told.text(), exit: office.exit() }
    })
}

/// Cycles or missions of one replication.
const RUNS: u32 = 500;

fn share_down(all: &[Cycles]) -> Estimate {
    let pairs: Vec<(f64, f64)> = all.iter().map(|found| (found.down, found.length)).collect();
    ratio(&pairs, Confidence::USUAL).within(0.0, 1.0)
}

fn mission_answer(all: &[Missions]) -> Answer {
    let chances: Vec<f64> = all.iter().map(|found| found.chance).collect();
    let plain = all.iter().map(|found| found.mission_events).sum::<f64>() / all.len().max(1) as f64;
    Answer::from_values(&chances, all.iter().map(|found| found.events).sum(), plain, Confidence::USUAL)
}

/// What plain cycles need for the same width, and the effective number of times that they would have seen it down.
fn plain_cycles(all: &[Cycles], estimate: &Estimate) -> (f64, Option<Plain>) {
    let mean = |of: fn(&Cycles) -> f64| all.iter().map(of).sum::<f64>() / all.len().max(1) as f64;
    let (down, squared) = (mean(|found| found.down), mean(|found| found.down_squared));
    let relative = estimate.half_width().zip(estimate.value).map(|(half, value)| half / value);
    let Some(relative) = relative.filter(|relative| *relative > 0.0 && relative.is_finite()) else {
        return (0.0, None);
    };
    let events = mean(|found| found.cycle_events);
    let plain = Plain::of(down * down / squared, relative, events, Confidence::USUAL);
    (plain.runs * down * down / squared, Some(plain))
}

/// Figures of an assembly, on their way to a report.
struct Biasedly<'a> {
    title: &'a str,
    assembly: &'a Assembly,
    mission: f64,
    args: &'a AvailArgs,
    lasting: Option<Done<Cycles>>,
    missions: Done<Missions>,
}

/// One of them.
struct Found {
    name: String,
    /// What scripts call it.
    key: &'static str,
    estimate: Estimate,
    /// What the algebra says.
    algebra: Option<f64>,
    replications: usize,
    events: u64,
}

impl Biasedly<'_> {
    fn figures(&self) -> Vec<Found> {
        let lasting = self.lasting.iter().map(|done| Found {
            name: "the share of time down, in the long run".to_owned(),
            key: "unavailability",
            estimate: share_down(&done.all),
            algebra: Some(self.assembly.availability().down),
            replications: done.all.len(),
            events: done.all.iter().map(|found| found.events).sum(),
        });
        let answer = mission_answer(&self.missions.all);
        let length = self.args.simulate.as_deref().unwrap_or_default();
        let mission = Found {
            name: format!("the chance that it is down at some time of {length}"),
            key: "mission",
            estimate: answer.estimate,
            algebra: None,
            replications: self.missions.all.len(),
            events: answer.events,
        };
        lasting.chain([mission]).collect()
    }

    fn csv(&self) -> Result<String, Bad> {
        let head = ["figure", "value", "lo", "hi", "algebra", "replications", "events"].map(str::to_owned).to_vec();
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let rows = self.figures().into_iter().map(|found| {
            let of = found.estimate;
            let ends = [of.value, of.lo, of.hi, found.algebra].map(number);
            let counts = [found.replications.to_string(), found.events.to_string()];
            std::iter::once(found.key.to_owned()).chain(ends).chain(counts).collect()
        });
        written(head, rows.collect())
    }

    fn page(&self) -> Page {
        let mut page = Page::new(format!("How rarely {} is down", self.title));
        let all = self.figures();
        let row = |found: &Found| {
            vec![found.name.clone(), estimated(&found.estimate), found.algebra.map(scientific).unwrap_or_default()]
        };
        page.table(&["", "estimated", "algebra"], &all.iter().map(row).collect::<Vec<_>>());
        // On a logarithmic axis nothing stands at nothing.
        let end = |value: Option<f64>| value.filter(|value| *value > 0.0);
        let (mut rows, mut points) = (Vec::new(), Vec::new());
        for Found { name, estimate: of, algebra, .. } in &all {
            if let Some(value) = end(of.value) {
                let lo = end(of.lo).or(Some(value));
                points.push(Interval::new(rows.len() as f64, Some(value), lo, end(of.hi)));
                rows.push(name.clone());
            }
            if let Some(exact) = end(*algebra) {
                points.push(Interval::new(rows.len() as f64, Some(exact), Some(exact), Some(exact)));
                rows.push("the same by the algebra".to_owned());
            }
        }
        if !rows.is_empty() {
            let axis = Axis::log("chance", Unit::Share);
            let figure = Figure::new("rare", "What hardly ever happens, 95 %", axis, Axis::rows("", rows));
            page.figure(figure.with("", Data::Intervals(points)));
        }
        page
    }

    fn text(&self) -> String {
        let mut out = format!("{}\n\nthe share of time down, in the long run\n", text::wrapped(self.title));
        let asked = &self.args.rare.precisely;
        match &self.lasting {
            None => out += "  none: not everything that fails is repaired\n",
            Some(done) => {
                let (estimate, exact) = (share_down(&done.all), self.assembly.availability().down);
                let inside = if estimates::holds(&estimate, exact) { "inside" } else { "outside" };
                out += &format!("{}; by the algebra {}, {inside}\n", estimated(&estimate), scientific(exact));
                let events = done.all.iter().map(|found| found.events).sum();
                out += &self.effort(done.all.len(), "cycles", events);
                let (effective, plain) = plain_cycles(&done.all, &estimate);
                out += &compared(effective, plain, events, "cycle");
                out += &short(done.is_reached, done.is_interrupted, asked);
            }
        }
        let length = self.args.simulate.as_deref().unwrap_or_default();
        out += &format!("\nthe chance that it is down at some time of {length}, from everything up\n");
        let answer = mission_answer(&self.missions.all);
        out += &format!("{}\n", estimated(&answer.estimate));
        out += &again_in(&answer.estimate, "mission");
        out += &self.effort(self.missions.all.len(), "missions", answer.events);
        out += &compared(answer.effective, answer.plain, answer.events, "mission");
        out + &short(self.missions.is_reached, self.missions.is_interrupted, asked)
    }

    fn effort(&self, replications: usize, what: &str, events: u64) -> String {
        let replications = text::counted(replications as u64, "replication");
        effort(&format!("{replications}, failure biasing of {} {what}", text::count(u64::from(RUNS))), events, None)
    }

    fn document(&self) -> Value {
        let lasting = self.lasting.as_ref().map(|done| {
            let estimate = share_down(&done.all);
            let (effective, plain) = plain_cycles(&done.all, &estimate);
            let events = done.all.iter().map(|found| found.events).sum();
            let exact = self.assembly.availability().down;
            let mut all = counted(done, estimate, effective, plain, events, "cycles_per_replication");
            all["algebra"] = exact.into();
            all
        });
        let answer = mission_answer(&self.missions.all);
        let mut mission = counted(
            &self.missions,
            answer.estimate,
            answer.effective,
            answer.plain,
            answer.events,
            "missions_per_replication",
        );
        mission["seconds"] = self.mission.into();
        json!({
            "expression": self.title,
            "seed": self.args.seed.to_string(),
            "method": "failure biasing",
            "precision": self.args.rare.precisely.precision,
            "unavailability": lasting,
            "mission": mission,
        })
    }
}

fn counted<T>(
    done: &Done<T>,
    estimate: Estimate,
    effective: f64,
    plain: Option<Plain>,
    events: u64,
    runs: &str,
) -> Value {
    json!({
        "estimate": estimate,
        "replications": done.all.len(),
        runs: RUNS,
        "events": events,
        "effective_sample_size": effective,
        "plain": plain.map(|plain| plain_document(plain, events)),
        "reached": done.is_reached,
        "interrupted": done.is_interrupted,
    })
}

fn plain_document(plain: Plain, events: u64) -> Value {
    json!({"runs": plain.runs, "events": plain.events, "times": plain.events / events.max(1) as f64})
}

/// The value and its interval.
fn estimated(estimate: &Estimate) -> String {
    let Some(value) = estimate.value else { return "not known".to_owned() };
    if value == 0.0 {
        return "it was never seen".to_owned();
    }
    let interval =
        estimate.lo.zip(estimate.hi).map(|(lo, hi)| format!(" ({} to {}, 95 %)", scientific(lo), scientific(hi)));
    format!("{}{}", scientific(value), interval.unwrap_or_default())
}

fn scientific(value: f64) -> String {
    if (0.01..=1.0).contains(&value) { format!("{value:.4}") } else { format!("{value:.3e}") }
}

fn again_in(estimate: &Estimate, what: &str) -> String {
    match estimate.value {
        // What happens in most of them is no matter of once in so many.
        Some(value) if value > 0.0 && value <= 0.5 => format!("about once in {} {what}s\n", magnitude(1.0 / value)),
        _ => String::new(),
    }
}

/// A number of things, with words for what is too long to be read.
fn magnitude(number: f64) -> String {
    if number < 1e9 { text::count(number.round() as u64) } else { format!("{number:.2e}") }
}

fn effort(how: &str, events: u64, pilot: Option<u64>) -> String {
    let pilot = pilot.map(|pilot| format!(", {} of them to find the way", text::count(pilot))).unwrap_or_default();
    format!("\n{how}: {}{pilot}\n", text::counted(events, "event"))
}

fn compared(effective: f64, plain: Option<Plain>, events: u64, what: &str) -> String {
    let Some(plain) = plain else { return String::new() };
    let times = plain.events / events.max(1) as f64;
    let times = if times < 1e6 { text::number((times * 10.0).round() / 10.0) } else { format!("{times:.1e}") };
    format!(
        "as sure as if it had happened in {} plain {what}s; that would take {} of them\nand {} events: \
         {times} times as many\n",
        magnitude(effective),
        magnitude(plain.runs),
        magnitude(plain.events),
    )
}

fn short(is_reached: bool, is_interrupted: bool, asked: &Precisely) -> String {
    match (is_interrupted, is_reached) {
        (true, _) => "interrupted before it was known as well as was asked for\n".to_owned(),
        (false, true) => String::new(),
        (false, false) => format!(
            "not known to {} either way: {} events did not suffice (--events)\n",
            text::percent(asked.precision),
            text::count(asked.events),
        ),
    }
}
