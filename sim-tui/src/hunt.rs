//! `hunt`: many seeds on all cores, folded in the order of seeds, so that the result never depends on how many cores there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant as Clock};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use sim_core::hunt::{Failure, Signature, Tally};
use sim_core::{Limits, Seed, Stop, Verdict};
use sim_models::scenario::{Model, Run};

use crate::cli::{HuntArgs, Seeds, Shard};
use crate::commands;
use crate::files::write_whole;
use crate::interrupt::Interrupt;
use crate::load;
use crate::measures;
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::run::title;
use crate::text::{self, Side, table};

/// The seeds of a hunt, or of a shard of it, in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeedList {
    first: u64,
    step: u64,
    count: u64,
    range: Seeds,
}

/// What a hunt found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The sum over all seeds that were judged, which are the first of the list.
    pub(crate) tally: Tally,
    /// The run of the smallest seed of each way to fail.
    pub(crate) smallest: BTreeMap<Signature, Run>,
    /// Whether there were more seeds.
    pub(crate) interrupted: bool,
    /// How long it took.
    pub(crate) wall: Duration,
}

/// Some seeds in a row, judged.
struct Part {
    index: u64,
    tally: Tally,
    smallest: BTreeMap<Signature, Run>,
    cut: bool,
}

impl SeedList {
    /// All seeds of a range.
    pub(crate) fn all(range: Seeds) -> SeedList {
        SeedList { first: range.from, step: 1, count: range.to - range.from, range }
    }

    /// Those of a shard.
    pub(crate) fn of(range: Seeds, shard: Shard) -> SeedList {
        let wanted = shard.index - 1;
        let ahead = (wanted + shard.of - range.from % shard.of) % shard.of;
        let first = range.from.checked_add(ahead).filter(|first| *first < range.to);
        let count = first.map_or(0, |first| (range.to - 1 - first) / shard.of + 1);
        SeedList { first: first.unwrap_or(range.from), step: shard.of, count, range }
    }

    fn seed(&self, index: u64) -> Seed {
        Seed(self.first + index * self.step)
    }

    /// The range of which, as far as it is in this list, the first `done` seeds are all.
    fn covered(&self, done: u64) -> Seeds {
        let to = match done {
            0 if self.count > 0 => self.range.from,
            done if done == self.count => self.range.to,
            done => self.seed(done - 1).0 + 1,
        };
        Seeds { from: self.range.from, to }
    }
}

/// Judges all seeds on so many threads; `progress` is told how many are done and how many of them failed.
pub(crate) fn hunt(
    model: &Model,
    seeds: &SeedList,
    jobs: usize,
    interrupt: &Interrupt,
    mut progress: impl FnMut(u64, u64),
) -> Found {
    let begun = Clock::now();
    let length = (seeds.count / (jobs as u64 * 16)).clamp(1, 64);
    let parts = seeds.count.div_ceil(length);
    let next = AtomicU64::new(0);
    let mut found =
        Found { tally: Tally::default(), smallest: BTreeMap::new(), interrupted: false, wall: Duration::ZERO };
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for _ in 0..jobs.min(usize::try_from(parts).unwrap_or(usize::MAX)) {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                while let Some(index) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < parts) {
                    let part = judged(model, seeds, index, length, interrupt);
                    if send.send(part).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        // Parts come in any order and are added in theirs; one that was cut is the last.
        let (mut early, mut wanted) = (BTreeMap::new(), 0);
        for part in receive {
            early.insert(part.index, part);
            while let Some(part) = early.remove(&wanted).filter(|_| !found.interrupted) {
                found.add(part);
                progress(found.tally.seeds, found.tally.failing);
                wanted += 1;
            }
        }
    });
    found.wall = begun.elapsed();
    found
}

impl Found {
    fn add(&mut self, part: Part) {
        self.tally = std::mem::take(&mut self.tally).merge(&part.tally);
        for (signature, run) in part.smallest {
            // Parts are added in the order of seeds: whoever is there is smaller.
            self.smallest.entry(signature).or_insert(run);
        }
        self.interrupted = part.cut;
    }
}

fn judged(model: &Model, seeds: &SeedList, index: u64, length: u64, interrupt: &Interrupt) -> Part {
    let mut part = Part { index, tally: Tally::default(), smallest: BTreeMap::new(), cut: false };
    for place in index * length..((index + 1) * length).min(seeds.count) {
        let seed = seeds.seed(place);
        part.cut = interrupt.is_pressed();
        if part.cut {
            break;
        }
        let run = quietly(|| model.run_watched(seed, Stop::AtViolation, Limits::default(), |_, _| interrupt.flow()));
        part.cut = run.outcome.interrupted;
        if part.cut {
            break;
        }
        let tally = Tally::of(seed, &run.outcome, &run.touched);
        if let Some(signature) = tally.failures.keys().next() {
            part.smallest.entry(signature.clone()).or_insert(run);
        }
        part.tally = part.tally.merge(&tally);
    }
    part
}

/// Hunts, writes the cases, and tells.
pub(crate) fn command(args: &HuntArgs, called: &str) -> Result<Report, Bad> {
    let loaded = load::scenario(&args.what.scenario, called)?;
    let model = load::model(&loaded, &args.what)?;
    loaded.warn(&model);
    let range = match args.seed {
        Some(Seed(u64::MAX)) => return Err(bad!("a hunt leaves out the largest seed; run it")),
        Some(Seed(seed)) => Seeds { from: seed, to: seed + 1 },
        None => args.seeds,
    };
    let seeds = args.shard.map_or(SeedList::all(range), |shard| SeedList::of(range, shard));
    folder(&args.out)?;
    let interrupt = Interrupt::listen();
    let bar = progress_bar(seeds.count);
    let found = hunt(&model, &seeds, args.workers.count(), &interrupt, |done, failing| {
        bar.set_position(done);
        bar.set_message(text::count(failing));
    });
    bar.finish_and_clear();
    let cases = written(&loaded.name, &model, &found, &args.out)?;
    let told =
        Told { name: &loaded.name, model: &model, seeds: &seeds, shard: args.shard, found: &found, cases: &cases };
    let exit = told.exit();
    if args.output.json {
        return Ok(Report::json(&told.json(), exit));
    }
    Ok(Report { text: title(&loaded, &model, &args.what) + &told.text(called), exit })
}

/// Sees to it that cases can be kept, before an hour is spent on finding them.
fn folder(out: &Path) -> Result<(), Bad> {
    let bad = |why: std::io::Error| bad!("--out {}: no folder that cases can be written to: {why}", out.display());
    std::fs::create_dir_all(out).map_err(bad)?;
    tempfile::tempfile_in(out).map(drop).map_err(bad)
}

/// How far it is, on standard error, and only when that is a terminal.
fn progress_bar(seeds: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(seeds), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} seeds, {msg} failing, {eta} to go");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message("0")
}

/// Writes a case for each way to fail; where they are.
fn written(name: &str, model: &Model, found: &Found, out: &Path) -> Result<BTreeMap<Signature, PathBuf>, Bad> {
    let mut cases = BTreeMap::new();
    for (signature, run) in &found.smallest {
        let what =
            if signature.property.is_empty() { signature.verdict.to_string() } else { signature.property.clone() };
        let path = out.join(format!("{}-{}-{}.json", slug(name), slug(&what), run.seed));
        let detail = run.outcome.properties.iter().find(|judged| judged.name == signature.property);
        let mut case = model.case(run);
        case.note = Some(match detail {
            Some(judged) => format!("{signature}: {}", judged.detail),
            None => measures::headline(model, &run.outcome),
        });
        let text = serde_json::to_string_pretty(&case).map_err(|error| bad!("the case cannot be written: {error}"))?;
        write_whole(&path, &text).map_err(|error| bad!("{} cannot be written: {error}", path.display()))?;
        cases.insert(signature.clone(), path);
    }
    Ok(cases)
}

/// Letters, digits and hyphens, for the name of a file.
fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-");
    if slug.is_empty() { "unnamed".to_owned() } else { slug.chars().take(80).collect() }
}

/// A hunt that is over, to be told.
struct Told<'a> {
    name: &'a str,
    model: &'a Model,
    seeds: &'a SeedList,
    shard: Option<Shard>,
    found: &'a Found,
    cases: &'a BTreeMap<Signature, PathBuf>,
}

impl Told<'_> {
    fn exit(&self) -> Exit {
        let tally = &self.found.tally;
        let exit = match tally.verdict() {
            _ if tally.failing > 0 => Exit::Failed,
            Verdict::Held => Exit::Held,
            Verdict::OutOfLimits => Exit::OutOfLimits,
            Verdict::Panicked | Verdict::Broken | Verdict::Stuck | Verdict::NeverSeen => Exit::Failed,
        };
        exit.unless(self.found.interrupted)
    }

    /// The ways to fail, smallest seed first.
    fn failures(&self) -> Vec<(&Signature, Failure)> {
        let mut failures: Vec<_> = self.found.tally.failures.iter().map(|(signature, it)| (signature, *it)).collect();
        failures.sort_by_key(|(_, failure)| failure.seed);
        failures
    }

    fn case(&self, signature: &Signature) -> String {
        self.cases.get(signature).map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// The faults of the schedule that did something in no run.
    fn inert(&self) -> Vec<String> {
        let tally = &self.found.tally;
        let faults = self.model.faults().iter().zip(0u32..);
        let inert = faults.filter(|(_, place)| tally.seeds > 0 && tally.effective.get(place).is_none_or(|n| *n == 0));
        inert.map(|(fault, _)| fault.to_string()).collect()
    }

    fn json(&self) -> Value {
        let tally = &self.found.tally;
        let failures = self.failures().into_iter().map(|(signature, failure)| {
            json!({
                "seed": failure.seed.to_string(),
                "verdict": signature.verdict,
                "property": signature.property,
                "signature": signature.to_string(),
                "case": self.case(signature),
                "count": failure.count,
            })
        });
        let seconds = self.found.wall.as_secs_f64();
        json!({
            "scenario": self.name,
            "settings": self.model.changed().iter().map(|(name, text)| (name.clone(), json!(text))).collect::<Map<_, _>>(),
            "faults": self.model.faults().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "seeds": tally.seeds,
            "seed_range": self.seeds.covered(tally.seeds).to_string(),
            "shard": self.shard.map(|shard| shard.to_string()),
            "verdict": tally.verdict(),
            "failing": tally.failing,
            "out_of_limits": tally.out_of_limits,
            "failures": failures.collect::<Vec<_>>(),
            "sometimes": tally.sometimes,
            "inert": self.inert(),
            "events": tally.events,
            "wall_seconds": seconds,
            "seeds_per_second": tally.seeds as f64 / seconds.max(1e-9),
            "events_per_second": measures::per_second(tally.events, self.found.wall),
            "interrupted": self.found.interrupted,
        })
    }

    fn text(&self, called: &str) -> String {
        let tally = &self.found.tally;
        let covered = self.seeds.covered(tally.seeds);
        let shard = self.shard.map_or(String::new(), |shard| format!(", shard {shard}"));
        let cut = if self.found.interrupted { "interrupted: " } else { "" };
        let mut out = format!("\n{cut}{} ({covered}{shard}), ", text::counted(tally.seeds, "seed"));
        out += &match tally.failing {
            0 => "none fails\n".to_owned(),
            1 => "1 fails\n".to_owned(),
            failing => format!("{} fail\n", text::count(failing)),
        };
        for (signature, failure) in self.failures() {
            let replay = commands::line(called, ["replay", &self.case(signature)]);
            let smallest = format!("{}, the smallest {}", text::counted(failure.count, "seed"), failure.seed);
            out += &format!("\n  {signature}\n    {smallest}\n");
            let run = self.found.smallest.get(signature);
            let judged = run.and_then(|run| run.outcome.properties.iter().find(|it| it.name == signature.property));
            if let Some(detail) = judged.map(|judged| &judged.detail).filter(|detail| !detail.is_empty()) {
                out += &format!("    {detail}\n");
            }
            if let (Some(run), None) = (run, judged) {
                out += &format!("    {}\n", measures::headline(self.model, &run.outcome));
            }
            out += &format!("    {replay}\n");
        }
        out += &self.seen();
        out.extend(self.inert().iter().map(|fault| format!("\n  had no effect in any run: {fault}\n")));
        let seconds = self.found.wall.as_secs_f64().max(1e-9);
        let (seeds, events) = (tally.seeds as f64 / seconds, tally.events as f64 / seconds);
        out + &format!("\n{} seeds/s, {} events/s\n", text::rate(seeds), text::rate(events))
    }

    fn seen(&self) -> String {
        let tally = &self.found.tally;
        if tally.sometimes.is_empty() {
            return String::new();
        }
        let row = |(name, count): (&String, &u64)| match count {
            0 => vec!["never seen".to_owned(), name.clone()],
            count => vec![format!("seen in {}", text::counted(*count, "run")), name.clone()],
        };
        format!("\n{}", table(&[Side::Left, Side::Left], &tally.sometimes.iter().map(row).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_have_every_seed_once() {
        for (from, to) in [(0, 1), (0, 10), (3, 17), (u64::MAX - 5, u64::MAX)] {
            for of in 1..6 {
                let range = Seeds { from, to };
                let shards = (1..=of).map(|index| SeedList::of(range, Shard { index, of }));
                let seed = |list: SeedList| (0..list.count).map(move |index| list.seed(index).0);
                let mut all: Vec<u64> = shards.flat_map(seed).collect();
                all.sort_unstable();
                assert_eq!(all, (from..to).collect::<Vec<u64>>(), "{range} by {of}");
            }
        }
        assert_eq!(SeedList::of(Seeds { from: 0, to: 10 }, Shard { index: 2, of: 4 }).seed(1), Seed(5));
    }

    #[test]
    fn what_was_done_is_a_range_from_the_beginning() {
        let list = SeedList::of(Seeds { from: 0, to: 10 }, Shard { index: 2, of: 4 });
        assert_eq!([0, 1, 2, 3].map(|done| list.covered(done).to_string()), ["0..0", "0..2", "0..6", "0..10"]);
    }

    #[test]
    fn names_of_cases_are_plain() {
        assert_eq!(slug("Charged at most once!"), "charged-at-most-once");
        assert_eq!(slug("…"), "unnamed");
    }
}
