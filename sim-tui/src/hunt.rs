//! `hunt`: many seeds on all cores, folded in the order of seeds, so that the result never depends on how many cores there are.
//!
//! What was judged is always the first so many seeds, however a hunt ends: by itself, by Ctrl-C, because its time is up, because
//! the disk is full. Whatever goes on from there finds what one hunt without a break would have found.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant as Clock};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use sim_core::digest::state_fingerprint;
use sim_core::hunt::{Beside, Signature, Tally};
use sim_core::{Fault, Limits, Seed};
use sim_models::causes::Recent;
use sim_models::scenario::{Model, Run};

use crate::cli::{HuntArgs, Pictures};
use crate::commands;
use crate::findings::{Evidence, Evidences, Findings, Hunted};
use crate::hunt_page::{self, Along};
use crate::interrupt::Interrupt;
use crate::load::{self, Loaded};
use crate::measures;
use crate::merge::shown;
use crate::nemesis;
use crate::progress::{Begin, Earlier, Progress, Spent};
use crate::quiet::quietly;
use crate::report::{Bad, Report, bad, note, print};
use crate::run::title;
use crate::seeds::{SeedList, Seeds};
use crate::summary;
use crate::text;

/// What is to be judged, and what may end it.
#[derive(Clone, Copy)]
pub(crate) struct Orders<'a> {
    pub(crate) model: &'a Model,
    pub(crate) seeds: &'a SeedList,
    /// How many of the seeds were judged before.
    pub(crate) done: u64,
    pub(crate) jobs: usize,
    pub(crate) interrupt: &'a Interrupt,
    /// When the time is up; one seed is judged in any case.
    pub(crate) deadline: Option<Clock>,
}

/// Some seeds in a row, judged; they come in the order of seeds.
#[derive(Debug, Default)]
pub(crate) struct News {
    begins: u64,
    tally: Tally,
    /// The first run of each way to fail that its worker had not met before.
    smallest: BTreeMap<Signature, Run>,
    /// The places of those that fail.
    failing: Vec<u64>,
}

/// How a hunt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All seeds are judged.
    Done,
    /// Its time was up.
    TimeUp,
    /// By Ctrl-C.
    Interrupted,
    /// Whoever took the news wants no more.
    Refused,
}

/// How often somebody looks at the clock and for Ctrl-C.
const BEAT: Duration = Duration::from_millis(20);

impl<'a> Orders<'a> {
    /// All seeds, from the first to the last.
    pub(crate) fn new(model: &'a Model, seeds: &'a SeedList, jobs: usize, interrupt: &'a Interrupt) -> Orders<'a> {
        Orders { model, seeds, done: 0, jobs, interrupt, deadline: None }
    }

    /// Why it should end now, if it should.
    fn ends(&self, done: u64) -> Option<Ended> {
        if self.interrupt.is_pressed() {
            return Some(Ended::Interrupted);
        }
        let up = self.deadline.is_some_and(|deadline| Clock::now() >= deadline);
        (up && done > 0).then_some(Ended::TimeUp)
    }
}

impl News {
    /// What these seeds show.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Judges all seeds on so many threads and hands on the news in the order of seeds; now and then there are none.
pub(crate) fn hunt(orders: &Orders<'_>, mut take: impl FnMut(News) -> ControlFlow<()>) -> Ended {
    let (next, stop) = (AtomicU64::new(orders.done), AtomicBool::new(false));
    let (mut done, mut ended) = (orders.done, None);
    let left = orders.seeds.count().saturating_sub(orders.done);
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for threads in 0..orders.jobs.min(usize::try_from(left).unwrap_or(usize::MAX)) {
            let (send, next, stop) = (send.clone(), &next, &stop);
            let work = move || Worker::new(orders, stop).work(next, |news| send.send(news).is_ok());
            // Where there can be no more threads, those that there are do the work.
            if threads == 0 {
                scope.spawn(work);
            } else if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        drop(send);
        // They come in any order and are handed on in theirs; behind one that was cut short there is a gap.
        let mut early = BTreeMap::new();
        loop {
            match receive.recv_timeout(BEAT) {
                Ok(news) => _ = early.insert(news.begins, news),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let mut flow = ControlFlow::Continue(());
            while let (true, Some(news)) = (ended != Some(Ended::Refused) && flow.is_continue(), early.remove(&done)) {
                done += news.tally.seeds;
                flow = take(news);
            }
            if flow.is_continue() && ended.is_none() {
                flow = take(News::default());
            }
            ended = if flow.is_break() { Some(Ended::Refused) } else { ended.or_else(|| orders.ends(done)) };
            if ended.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    if done == orders.seeds.count() { Ended::Done } else { ended.unwrap_or(Ended::Interrupted) }
}

/// One thread of a hunt, with what it uses for one run after the other.
struct Worker<'a> {
    orders: &'a Orders<'a>,
    stop: &'a AtomicBool,
    /// Of the faults that every seed has.
    verbs: Vec<&'static str>,
    recent: Recent,
    known: BTreeSet<Signature>,
}

impl<'a> Worker<'a> {
    fn new(orders: &'a Orders<'a>, stop: &'a AtomicBool) -> Self {
        Worker { orders, stop, verbs: verbs(orders.model.faults()), recent: Recent::default(), known: BTreeSet::new() }
    }

    /// Takes a few seeds in a row, judges them and hands them on, until there are no more: so few that nobody waits for them long.
    fn work(&mut self, next: &AtomicU64, mut send: impl FnMut(News) -> bool) {
        let seeds = self.orders.seeds;
        let most = (seeds.count() / (self.orders.jobs as u64 * 16)).clamp(1, 64);
        let mut length = 1;
        loop {
            let begins = next.fetch_add(length, Ordering::Relaxed);
            if begins >= seeds.count() || self.stop.load(Ordering::Relaxed) {
                return;
            }
            let begun = Clock::now();
            let news = self.judged(begins, length.min(seeds.count() - begins));
            if !send(news) {
                return;
            }
            length = match begun.elapsed().as_millis() {
                0..5 => (length * 2).min(most),
                5..40 => length,
                _ => (length / 2).max(1),
            };
        }
    }

    fn judged(&mut self, begins: u64, length: u64) -> News {
        let mut news = News { begins, ..News::default() };
        for place in begins..begins + length {
            let seed = self.orders.seeds.seed(place);
            let model = self.orders.model.of_seed(seed);
            let Some((run, causes)) = self.run(&model, seed) else { break };
            let common = self.verbs.len();
            self.verbs.extend(verbs(model.drawn()));
            let beside = Beside { causes: &causes, verbs: &self.verbs, touched: &run.touched, common };
            let tally = Tally::of(seed, &run.outcome, beside);
            self.verbs.truncate(common);
            if tally.failing > 0 {
                news.failing.push(place);
            }
            if let Some(signature) = tally.failures.keys().next().filter(|signature| !self.known.contains(*signature)) {
                self.known.insert(signature.clone());
                news.smallest.insert(signature.clone(), run);
            }
            news.tally = std::mem::take(&mut news.tally).merge(&tally);
        }
        news
    }

    /// One run to its end; none when it was cut.
    fn run(&mut self, model: &Model, seed: Seed) -> Option<(Run, Vec<String>)> {
        let stop = self.stop;
        let flow = || if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let (run, causes) = quietly(|| self.recent.hunted(model, seed, Limits::default(), flow));
        (!run.outcome.interrupted).then_some((run, causes))
    }
}

fn verbs(faults: &[Fault]) -> Vec<&'static str> {
    faults.iter().map(Fault::verb).collect()
}

/// Hunts, writes the cases, and tells.
pub(crate) fn command(args: &HuntArgs, called: &str) -> Result<Report, Bad> {
    let loaded = load::scenario(&args.what.scenario, called)?;
    let model = load::model(&loaded, &args.what)?;
    loaded.warn(&model);
    let what = hunted(args, &loaded, &model)?;
    folder(&args.out)?;
    summary::check(&args.summaries)?;
    args.pictures.check(&args.what.scenario, None)?;
    let begin = if args.fresh { Begin::Fresh } else { Begin::Where };
    let (progress, earlier) = Progress::open(&args.out, &what, &state_name(&what)?, begin)?;
    let interrupt = Interrupt::listen();
    let mut quest = Quest::new(args, &model, what, progress);
    quest.go_on(earlier)?;
    quest.ask(&interrupt);
    quest.tell(called)
}

/// What is hunted, as shards of it and those who go on with it know each other again.
fn hunted(args: &HuntArgs, loaded: &Loaded, model: &Model) -> Result<Hunted, Bad> {
    let settings = model.changed().iter().map(|(name, text)| (name.clone(), json!(text))).collect::<Map<_, Value>>();
    let faults: Vec<String> = model.faults().iter().map(ToString::to_string).collect();
    let version = env!("CARGO_PKG_VERSION");
    let mut all = json!({
        "document": loaded.scenario.document().to_json(), "settings": model.settings(), "faults": faults, "rest": "seed",
        "until": model.until().map(|until| until.nanos()), "version": version,
    });
    if args.what.nemesis {
        all["nemesis"] = json!(true);
    }
    let fingerprint = state_fingerprint(&all).map_err(|error| bad!("{}: {error}", loaded.name))?;
    Ok(Hunted {
        scenario: loaded.name.clone(),
        title: title(loaded, model, &args.what).trim_end().to_owned(),
        version: version.to_owned(),
        fingerprint: format!("{fingerprint:016x}"),
        settings,
        faults,
        until: args.what.until.map(|until| until.to_string()),
        properties: model.program().properties.iter().map(|property| property.name.clone()).collect(),
        requested: requested(args)?,
        shard: args.shard,
    })
}

/// The seeds that are asked for.
fn requested(args: &HuntArgs) -> Result<Seeds, Bad> {
    match (args.seed, args.seeds, args.budget) {
        (Some(Seed(u64::MAX)), ..) => Err(bad!("a hunt leaves out the largest seed; run it")),
        (Some(Seed(seed)), ..) => Ok(Seeds { from: seed, to: Some(seed + 1) }),
        (None, Some(Seeds { from, to: None }), None) => {
            Err(bad!("--seeds {from}.. has no end; say for how long, such as --for 10m, or write {from}..N"))
        }
        (None, Some(seeds), _) => Ok(seeds),
        (None, None, None) => Ok(Seeds { from: 0, to: Some(100) }),
        (None, None, Some(_)) => Ok(Seeds { from: 0, to: None }),
    }
}

/// What the files of a hunt are called from which it goes on: other hunts have other names.
fn state_name(what: &Hunted) -> Result<String, Bad> {
    let Hunted { scenario, fingerprint, requested, shard, .. } = what;
    let key = state_fingerprint(&(fingerprint, requested, shard)).map_err(|error| bad!("{scenario}: {error}"))?;
    Ok(format!("hunt-{}-{key:016x}", text::slug(scenario)))
}

/// Sees to it that cases can be kept, before an hour is spent on finding them.
fn folder(out: &Path) -> Result<(), Bad> {
    let bad = |why: std::io::Error| bad!("--out {}: no folder that cases can be written to: {why}", out.display());
    std::fs::create_dir_all(out).map_err(bad)?;
    tempfile::tempfile_in(out).map(drop).map_err(bad)
}

/// A hunt under way: what was found so far, and where it is kept.
struct Quest<'a> {
    args: &'a HuntArgs,
    model: &'a Model,
    what: Hunted,
    seeds: SeedList,
    progress: Progress,
    tally: Tally,
    evidence: Evidences,
    along: Along,
    /// How long an earlier hunt took to come where this one began.
    before: Duration,
    /// How much of that it had of the budget that this one has.
    spent: Duration,
    begun: Clock,
    ended: Ended,
    /// Why no more can be kept.
    trouble: Option<Bad>,
}

impl<'a> Quest<'a> {
    fn new(args: &'a HuntArgs, model: &'a Model, what: Hunted, progress: Progress) -> Self {
        // A kind of fault of which no run has heard is told too.
        let kinds = verbs(model.faults()).into_iter().map(|verb| (verb.to_owned(), 0)).collect();
        Quest {
            args,
            model,
            seeds: what.list(),
            what,
            progress,
            tally: Tally { kinds, ..Tally::default() },
            evidence: Evidences::new(),
            along: Along::from(0, 0),
            before: Duration::ZERO,
            spent: Duration::ZERO,
            begun: Clock::now(),
            ended: Ended::Done,
            trouble: None,
        }
    }

    /// Takes over what an earlier hunt of the same seeds has found; a case of it that is gone or changed is written again.
    fn go_on(&mut self, earlier: Option<Earlier>) -> Result<(), Bad> {
        let Some(Earlier { findings: earlier, spent }) = earlier else { return Ok(()) };
        note(&format!(
            "goes on where an earlier hunt stood: {} ({}) are judged; --fresh begins anew",
            text::counted(earlier.seeds, "seed"),
            earlier.seed_range
        ));
        self.tally = earlier.tally();
        self.along = Along::from(earlier.seeds, earlier.failing);
        self.before = Duration::try_from_secs_f64(earlier.wall_seconds).unwrap_or_default();
        // What was spent without a budget, or of another one, is none of this.
        let same = spent.filter(|spent| Some(spent.budget_nanos) == self.args.budget.map(|budget| budget.nanos()));
        self.spent = same.map_or(Duration::ZERO, |spent| Duration::from_nanos(spent.nanos));
        for (seed, (signature, evidence)) in earlier.by_signature() {
            let flow = || ControlFlow::Continue(());
            let model = self.model.of_seed(Seed(seed));
            let (run, _) = quietly(|| Recent::default().hunted(&model, Seed(seed), Limits::default(), flow));
            let case = Some(self.write_case(&signature, &run)?.display().to_string());
            self.evidence.insert(signature, Evidence { case, ..evidence });
        }
        Ok(())
    }

    /// Judges the seeds that are left.
    fn ask(&mut self, interrupt: &Interrupt) {
        let seeds = self.seeds;
        let bar = progress_bar(&seeds, self.args.budget.is_some());
        let budget = self.args.budget.map(|budget| Duration::from_nanos(budget.nanos()));
        // A budget that no clock can hold is none.
        let deadline = budget.and_then(|budget| self.begun.checked_add(budget.saturating_sub(self.spent)));
        let orders = Orders {
            done: self.tally.seeds,
            deadline,
            ..Orders::new(self.model, &seeds, self.args.workers.count(), interrupt)
        };
        let ended = hunt(&orders, |news| {
            self.take(news);
            bar.set_position(self.tally.seeds);
            bar.set_message(text::count(self.tally.failing));
            if self.trouble.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.ended = ended;
        bar.finish_and_clear();
    }

    /// Adds what some seeds show: first their cases, then themselves, then the file that counts them.
    fn take(&mut self, news: News) {
        for (signature, run) in news.smallest {
            if self.evidence.contains_key(&signature) {
                continue;
            }
            let case = self.write_case(&signature, &run);
            let case = case.map_err(|bad| self.trouble = Some(bad)).ok().map(|path| path.display().to_string());
            self.evidence.insert(signature.clone(), Evidence { detail: detail(self.model, &signature, &run), case });
        }
        self.tally = std::mem::take(&mut self.tally).merge(&news.tally);
        news.failing.iter().for_each(|place| self.along.failed(*place));
        if self.trouble.is_none() && self.progress.is_due() {
            self.save(self.budget_spent());
        }
    }

    /// Writes how far it is.
    fn save(&mut self, spent: Option<Spent>) {
        self.trouble = self.progress.save(&self.findings(), spent).err();
    }

    fn budget_spent(&self) -> Option<Spent> {
        let spent = (self.spent + self.begun.elapsed()).as_nanos();
        let nanos = u64::try_from(spent).unwrap_or(u64::MAX);
        self.args.budget.map(|budget| Spent { budget_nanos: budget.nanos(), nanos })
    }

    fn findings(&self) -> Findings {
        let wall = (self.before + self.begun.elapsed()).as_secs_f64();
        Findings::new(self.what.clone(), &self.tally, &self.evidence, wall)
    }

    /// Prints what was found, and puts away what is needed no more.
    fn tell(mut self, called: &str) -> Result<Report, Bad> {
        let mut findings = self.findings();
        findings.interrupted = matches!(self.ended, Ended::Interrupted | Ended::Refused);
        let has_end = self.what.requested.to.is_some();
        if self.trouble.is_none() {
            match self.ended {
                Ended::Interrupted => self.save(self.budget_spent()),
                // Whoever goes on has a budget of his own.
                Ended::TimeUp if has_end => self.save(None),
                Ended::TimeUp | Ended::Done | Ended::Refused => {}
            }
        }
        // What has an end goes on from its own file; what had no end but its time is over, and its rest is another hunt.
        let rest = match self.ended {
            Ended::Done => None,
            Ended::TimeUp if !has_end => self.seeds.rest(self.tally.seeds),
            Ended::TimeUp | Ended::Interrupted | Ended::Refused => Some(self.what.requested),
        };
        findings.go_on = rest.map(|rest| going_on(self.args, rest, called));
        print(&shown(&findings, self.args.output.json, called))?;
        let judged = (0..self.tally.seeds).map(|place| self.seeds.seed(place));
        if let Some(idle) = nemesis::idle(self.model, judged).filter(|_| !self.args.output.json) {
            print(&format!("{idle}\n"))?;
        }
        let summaries =
            summary::write(&self.args.summaries, &findings, called).and_then(|()| self.show(&findings, called));
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        if self.ended == Ended::Done || (self.ended == Ended::TimeUp && !has_end) {
            self.progress.finished();
        }
        summaries?;
        Ok(Report { text: String::new(), exit: findings.exit() })
    }

    /// Draws and writes the pictures that were asked for.
    fn show(&self, findings: &Findings, called: &str) -> Result<(), Bad> {
        let pictures = &self.args.pictures;
        if !pictures.are_wanted() {
            return Ok(());
        }
        let page = hunt_page::page(findings, &self.along, called);
        print(&pictures.plots(&page))?;
        let document = findings.document();
        pictures.write(&page, &document)
    }

    /// The names that a case may have: the plain one, and those that it gets where others have taken it.
    fn case_paths(&self, signature: &Signature, seed: Seed) -> impl Iterator<Item = PathBuf> {
        let Signature { verdict, property, .. } = signature;
        let what = if property.is_empty() { verdict.to_string() } else { property.clone() };
        let plain = format!("{}-{}-{seed}", text::slug(&self.what.scenario), text::slug(&what));
        let own = format!("{plain}-{:.6}", self.what.fingerprint);
        let names = [plain, own.clone()].into_iter().chain((2..).map(move |count: u64| format!("{own}-{count}")));
        names.map(|name| self.args.out.join(format!("{name}.json")))
    }

    /// Writes a case where no other stands: those of other hunts stay as they are, and the very same is there already.
    fn write_case(&self, signature: &Signature, run: &Run) -> Result<PathBuf, Bad> {
        let model = self.model.of_seed(run.seed);
        let mut case = model.case(run);
        let judged = run.outcome.properties.iter().find(|judged| judged.name == signature.property);
        case.note = Some(match judged {
            Some(judged) => format!("{signature}: {}", judged.detail),
            None => measures::headline(&model, &run.outcome),
        });
        if let (Some(note), Some(excess)) = (&mut case.note, nemesis::excess(&model)) {
            *note += &format!(" ({excess})");
        }
        let text = serde_json::to_string_pretty(&case).map_err(|error| bad!("the case cannot be written: {error}"))?;
        for path in self.case_paths(signature, run.seed) {
            let is_there = self.progress.add(&path, &text);
            if is_there.map_err(|error| bad!("{} cannot be written: {error}", path.display()))? {
                return Ok(path);
            }
        }
        Err(bad!("--out {}: every name for a case is taken", self.args.out.display()))
    }
}

/// What was seen in the run of a failure.
fn detail(model: &Model, signature: &Signature, run: &Run) -> String {
    let judged = run.outcome.properties.iter().find(|judged| judged.name == signature.property);
    judged.map_or_else(|| measures::headline(model, &run.outcome), |judged| judged.detail.clone())
}

/// The command that goes on with a hunt, or with the seeds for which there was no time.
fn going_on(args: &HuntArgs, rest: Seeds, called: &str) -> String {
    let flag = |name: &str, value: Option<String>| value.map(|value| [name.to_owned(), value]);
    let path = |path: &PathBuf| path.display().to_string();
    let flags = [
        flag("--seeds", Some(rest.to_string())),
        flag("--shard", args.shard.map(|shard| shard.to_string())),
        flag("--for", args.budget.map(|budget| budget.to_string())),
        flag("--out", Some(path(&args.out)).filter(|out| out != "./faultline-cases")),
        flag("--jobs", args.workers.jobs.map(|jobs| jobs.to_string())),
        flag("--markdown", args.summaries.markdown.as_ref().map(path)),
        flag("--junit", args.summaries.junit.as_ref().map(path)),
        flag("--html", args.pictures.html.as_ref().map(path)),
        flag("--svg", args.pictures.svg.as_ref().map(path)),
    ];
    let words = ["hunt".to_owned()].into_iter().chain(commands::words_of(&args.what));
    let words: Vec<String> = words.chain(flags.into_iter().flatten().flatten()).collect();
    let Pictures { plot, ascii, .. } = args.pictures;
    let switches = [(plot, "--plot"), (ascii, "--ascii"), (args.output.json, "--json")];
    let switches = switches.into_iter().filter(|(is_on, _)| *is_on).map(|(_, word)| word);
    commands::line(called, words.iter().map(String::as_str).chain(switches))
}

/// How far it is, on standard error, and only when that is a terminal.
fn progress_bar(seeds: &SeedList, has_budget: bool) -> ProgressBar {
    let length = (!has_budget).then(|| seeds.count());
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(match length {
        Some(_) => "{bar:40} {human_pos} of {human_len} seeds, {msg} failing, {eta} to go",
        None => "{spinner} {human_pos} seeds in {elapsed}, {msg} failing",
    });
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message("0")
}
