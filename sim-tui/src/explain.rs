//! `explain`: why a case fails, in words, as a diagram, in tables, as JSON or as Markdown for a bug report.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::{Value, json};
use sim_core::case::Case;
use sim_core::hunt::Tally;
use sim_core::{Fault, Instant, Seed};
use sim_models::explain::{Clause, Cure, Explanation, cures, explain};
use sim_models::prove::{Least, Proof, Without};
use sim_models::record::{Failure, fails};
use sim_models::shrink::{Part, Progress, rounded};
use sim_models::stats::{Confidence, clopper_pearson};

use crate::cli::{ExplainArgs, Output, Workers};
use crate::commands;
use crate::diagram::{diagram, round_by_round_of};
use crate::files::write_whole;
use crate::hunt::{Orders, hunt};
use crate::interrupt::Interrupt;
use crate::load;
use crate::page::{Page, cited};
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::seeds::{SeedList, Seeds};
use crate::shrink::progress_bar;
use crate::text;

/// Explains a case.
pub(crate) fn command(args: &ExplainArgs, called: &str) -> Result<Report, Bad> {
    let loaded = load::case(&args.case, called)?;
    let interrupt = Interrupt::listen();
    let bar = progress_bar(args.replays);
    let why = quietly(|| {
        let mut watch = |progress: Progress| {
            bar.set_position(progress.replays);
            bar.set_message(progress.lines.to_string());
            !interrupt.is_pressed()
        };
        explain(&args.case, &loaded.case, args.replays, &mut watch).map_err(|error| loaded.wrong(&error))
    })?;
    bar.finish_and_clear();
    if let Some(path) = &args.output_file {
        let file = serde_json::to_string_pretty(&why.small.case).map_err(|error| bad!("{error}"))?;
        write_whole(Path::new(path), &file).map_err(|error| bad!("{path}: {error}"))?;
    }
    let cures = cures(&args.case, &loaded.case, &why.small.case).map_err(|error| loaded.wrong(&error))?;
    let tried = tried(&cures, &why, loaded.case.seed, args, &interrupt);
    let interrupted = interrupt.is_pressed();
    let told = Told { args, case: &loaded.case, why: &why, tried: &tried, interrupted, called };
    let exit = Exit::Held.unless(interrupted);
    if args.output.json {
        return Ok(Report::json(&told.json(), exit));
    }
    let page = told.page();
    Ok(Report { text: if args.markdown { page.markdown() } else { page.text() }, exit })
}

/// The same page for whoever has a case at hand: lines of at most 80 columns or so.
///
/// # Errors
/// What is wrong with the case, or that it does not fail.
pub(crate) fn lines(
    path: &str,
    case: &Case,
    replays: u64,
    watch: &mut dyn FnMut(Progress) -> bool,
    called: &str,
) -> Result<Vec<String>, String> {
    let why = quietly(|| explain(path, case, replays, watch)).map_err(|error| error.to_string())?;
    let cures = cures(path, case, &why.small.case).map_err(|error| error.to_string())?;
    let args = ExplainArgs {
        case: path.to_owned(),
        output_file: None,
        markdown: false,
        replays,
        seeds: None,
        output: Output { json: false },
        workers: Workers { jobs: None },
    };
    let tried = tried(&cures, &why, case.seed, &args, &Interrupt::default());
    let told = Told { args: &args, case, why: &why, tried: &tried, interrupted: false, called };
    Ok(told.page().text().lines().map(str::to_owned).collect())
}

/// A remedy that was tried, or nothing of the kind, to compare with.
struct Tried<'c> {
    cure: &'c Cure,
    /// Whether the small case still fails under it.
    fails: bool,
    /// What came of the seeds.
    tally: Tally,
    /// How many of them fail in the way that is explained.
    failing: u64,
}

/// The least and the most seeds that are tried when nobody says how many, and the events they may cost.
const SEEDS: (u64, u64) = (10, 200);
const EVENTS: u64 = 3_000_000;

fn tried<'c>(
    cures: &'c [Cure],
    why: &Explanation,
    seed: Seed,
    args: &ExplainArgs,
    interrupt: &Interrupt,
) -> Vec<Tried<'c>> {
    let Some(last) = cures.last() else { return Vec::new() };
    // A run that holds is as long as a run can be.
    let length = || quietly(|| last.seeds.run(seed, sim_core::Stop::AtViolation)).outcome.events.max(1);
    let seeds = args.seeds.unwrap_or_else(|| (EVENTS / length()).clamp(SEEDS.0, SEEDS.1));
    let list = SeedList::all(Seeds { from: 0, to: Some(seeds) });
    let failure = &why.small.failure;
    let jobs = args.workers.count();
    let one = |cure: &'c Cure| {
        let mut tally = Tally::default();
        hunt(&Orders::new(&cure.seeds, &list, jobs, interrupt), |news| {
            tally = std::mem::take(&mut tally).merge(news.tally());
            ControlFlow::Continue(())
        });
        let alike = tally.failures.iter().filter(|(signature, _)| is_of(failure, signature));
        let failing = alike.map(|(_, found)| found.count).sum();
        Tried { cure, fails: quietly(|| fails(&cure.case, seed, failure)), failing, tally }
    };
    cures.iter().map(one).collect()
}

fn is_of(failure: &Failure, signature: &sim_core::hunt::Signature) -> bool {
    signature.verdict == failure.verdict && failure.property.as_deref().unwrap_or_default() == signature.property
}

/// An explanation, to be told.
struct Told<'a> {
    args: &'a ExplainArgs,
    case: &'a Case,
    why: &'a Explanation,
    tried: &'a [Tried<'a>],
    interrupted: bool,
    called: &'a str,
}

impl Told<'_> {
    fn replay(&self) -> String {
        commands::line(self.called, ["replay", self.args.output_file.as_deref().unwrap_or(&self.args.case)])
    }

    fn json(&self) -> Value {
        let why = self.why;
        let cures = self.tried.iter().map(|tried| {
            json!({
                "name": tried.cure.name, "about": tried.cure.about, "case_holds": !tried.fails,
                "seeds": tried.tally.seeds, "failing": tried.failing,
                "failing_at_most": bound(tried.failing, tried.tally.seeds),
            })
        });
        let (baseline, remedies): (Vec<Value>, Vec<Value>) = {
            let all: Vec<Value> = cures.collect();
            all.into_iter().partition(|cure| cure["name"].is_null())
        };
        json!({
            "scenario": self.case.scenario["name"],
            "case": self.args.case,
            "seed": self.case.seed.to_string(),
            "verdict": why.verdict,
            "property": why.property,
            "detail": why.detail,
            "event": why.event,
            "at_ns": why.at.nanos(),
            "decisive": why.decisive,
            "from": why.small.from,
            "to": why.small.to,
            "replays": why.small.replays,
            "unfinished": why.small.unfinished,
            "lines": why.small.case.faults,
            "only": why.small.case.only,
            "clauses": why.clauses,
            "chain": why.chain,
            "diagram": diagram(&why.moments, &why.nodes, 80),
            "needed": why.proofs.iter().map(|proof| self.proof(proof)).collect::<Vec<_>>(),
            "near": why.near.iter().map(|(proof, remains)| {
                let mut row = self.proof(proof);
                row["remains"] = json!(remains);
                row
            }).collect::<Vec<_>>(),
            "beliefs": why.beliefs,
            "likelihood": why.likelihood.moments.iter().map(|moment| json!({
                "event": moment.event, "at_ns": moment.at.nanos(), "forks": moment.forks, "failing": moment.failing,
                "probability": moment.share(), "low": moment.low, "high": moment.high,
            })).collect::<Vec<_>>(),
            "jumps": why.likelihood.jumps.iter().map(|jump| json!({
                "event": jump.event, "at_ns": jump.at.nanos(), "what": jump.what, "rose": jump.rose, "fell": jump.fell,
            })).collect::<Vec<_>>(),
            "as_it_is": baseline.into_iter().next(),
            "remedies": remedies,
            "small": why.small.case,
            "replay": self.replay(),
            "interrupted": self.interrupted,
        })
    }

    fn proof(&self, proof: &Proof) -> Value {
        let (without, moved) = match &proof.without {
            Without::Vanishes => ("vanishes", Value::Null),
            Without::Stays => ("stays", Value::Null),
            Without::Moves { event, at, key, .. } => {
                ("moves", json!({"event": event, "at_ns": at.nanos(), "key": key.as_ref().map(ToString::to_string)}))
            }
            Without::Differs(failure) => ("differs", json!({"verdict": failure.verdict, "property": failure.property})),
        };
        json!({
            "line": proof.line, "event": proof.event, "at_ns": proof.at.map(Instant::nanos),
            "instead": proof.instead, "without": without, "to": moved,
            "least": proof.least.map(|least| json!({"fails": least.fails, "passes": least.passes, "of": part(least.part)})),
        })
    }

    fn page(&self) -> Page {
        let why = self.why;
        let property = why.property.as_deref().unwrap_or("the run");
        let name = self.case.scenario["name"].as_str().unwrap_or_default();
        let mut page = Page::new(format!("Why \"{property}\" is {} in {name}", why.verdict));
        page.paragraph(self.story());
        if self.interrupted {
            page.paragraph(
                "Interrupted: what follows was not tried to its end, and remedies on few seeds or none.".to_owned(),
            );
        }
        page.paragraph(self.needed());
        page.heading("What happened in the smallest run that fails so");
        page.lines(diagram(&why.moments, &why.nodes, 80));
        page.paragraph(self.size());
        page.heading("What made the deciding event happen");
        let chain: Vec<(String, String)> = why.chain.iter().map(link).collect();
        page.lines(round_by_round_of(&chain).iter().map(|(when, what)| format!("{when} {what}")).collect());
        if !why.beliefs.is_empty() {
            page.heading("What was believed, and what was true");
            page.lines(self.beliefs());
        }
        page.heading("What mattered");
        page.table(
            &["line", "without it", "enough", "not enough"],
            &why.proofs.iter().map(|proof| self.row(proof)).collect::<Vec<_>>(),
        );
        if self.untried() > 0 {
            let lines = text::counted(self.untried(), "more line");
            page.paragraph(format!(
                "{lines} of this run were not taken back one by one: each fork of so long a run costs its time."
            ));
        }
        self.near(&mut page);
        if !why.likelihood.moments.is_empty() {
            page.heading("When it became likely");
            page.lines(self.likely());
            page.paragraph(self.jumps());
        }
        page.heading("What cures it");
        self.cures(&mut page);
        page.heading("See it again");
        page.commands(self.commands());
        page
    }

    fn story(&self) -> String {
        let told: Vec<String> = self.why.clauses.iter().map(sentence).collect();
        told.join(" ")
    }

    /// Lines of the small case that were not taken back one by one.
    fn untried(&self) -> u64 {
        (self.why.small.case.faults.len() - self.why.proofs.len()) as u64
    }

    /// What the forks prove, in a sentence.
    fn needed(&self) -> String {
        let proofs = &self.why.proofs;
        let needed: Vec<&Proof> = proofs.iter().filter(|proof| proof.is_needed()).collect();
        match &needed[..] {
            [] if proofs.is_empty() => {
                "Nothing had to go wrong for it: it fails without any fault, and without any luck.".to_owned()
            }
            [] if self.untried() > 0 => "No line of those that were taken back by themselves was needed.".to_owned(),
            [] => "No line of it alone was needed, as forks of the run without each of them say.".to_owned(),
            [one] => {
                let least = one.least.map(|least| strength(one, &least));
                let least = least.map(|(fails, passes)| format!(" {fails} would be enough, {passes} would not."));
                format!(
                    "This was needed, as a fork of the run proves: {}. Without it, {}.{}",
                    one.line,
                    self.without(&one.without),
                    least.unwrap_or_default()
                )
            }
            several => format!(
                "{} of {} were needed: forks of the run prove it, each without one of them.",
                several.len(),
                text::counted(proofs.len() as u64, "line")
            ),
        }
    }

    fn without(&self, without: &Without) -> String {
        match without {
            Without::Vanishes => "it holds".to_owned(),
            Without::Stays => "it fails all the same".to_owned(),
            Without::Moves { event, key, class, .. } => match key {
                Some(key) => {
                    let class =
                        class.map(|class| self.why.small.model.program().classes[class.0 as usize].clone() + " ");
                    format!("it fails for {}{key} (#{event})", class.unwrap_or_default())
                }
                None => format!("it fails elsewhere (#{event})"),
            },
            Without::Differs(failure) => {
                format!("it is {}: {}", failure.verdict, failure.property.as_deref().unwrap_or_default())
            }
        }
    }

    fn row(&self, proof: &Proof) -> Vec<String> {
        let (fails, passes) = proof.least.map(|least| strength(proof, &least)).unwrap_or_default();
        vec![proof.line.to_string(), self.without(&proof.without), fails, passes]
    }

    fn size(&self) -> String {
        let small = &self.why.small;
        let only = small.case.only.as_ref().map(|only| match only.len() {
            1..=3 => format!(", only {}", only.join(", ")),
            more => format!(", only {more} operations"),
        });
        let ended = if small.unfinished { "; more replays could make it smaller" } else { "" };
        // A run that is cut little may even be longer than that of the seed, in which less was waited for.
        let of = match small.to.events < small.from.events {
            true => format!("{} of {} events are left", text::count(small.to.events), text::count(small.from.events)),
            false => text::counted(small.to.events, "event"),
        };
        format!(
            "{of}{}, after {}{ended}. # is the number of an event in that run.",
            only.unwrap_or_default(),
            text::counted(small.replays, "replay"),
        )
    }

    /// Two lines for each: what was believed, and below it what was true.
    fn beliefs(&self) -> Vec<String> {
        let lines = |belief: &sim_models::explain::Belief| {
            let since = belief.since.map(|since| format!(" (#{since})")).unwrap_or_default();
            let event = cited(belief.event, belief.at);
            [
                format!("{event}  {} believed: {}", belief.node, belief.believed),
                format!("{:width$}  in truth: {}{since}", "", belief.truth, width = event.len()),
            ]
        };
        self.why.beliefs.iter().flat_map(lines).collect()
    }

    /// The probability before anything had happened, around each jump, and at the end.
    fn likely(&self) -> Vec<String> {
        let found = &self.why.likelihood;
        let last = found.moments.len() - 1;
        let mut places: Vec<usize> = found.jumps.iter().flat_map(|jump| [jump.before, jump.before + 1]).collect();
        places.extend([0, last]);
        places.sort_unstable();
        places.dedup();
        let line = |place: usize| {
            let moment = &found.moments[place];
            let percent = |share: f64| (share * 100.0).round();
            let bar = "█".repeat((moment.share() * 30.0).round() as usize);
            format!(
                "{:>6} {:>9}  {:>3} % ({} to {} %)  {bar}",
                format!("#{}", moment.event),
                crate::page::seconds(moment.at.nanos()),
                percent(moment.share()),
                percent(moment.low),
                percent(moment.high),
            )
        };
        places.into_iter().map(line).collect()
    }

    fn jumps(&self) -> String {
        let found = &self.why.likelihood;
        let forks = found.moments.first().map_or(0, |moment| moment.forks);
        let tried = format!("{forks} forks at each moment, each with fresh dice from there on; 95 % intervals.");
        let said = |jump: &sim_models::likelihood::Jump| {
            let mut of_it = self.why.clauses.iter().skip(1).filter(|clause| clause.event == jump.event);
            let clause = of_it.clone().find(|clause| clause.values.contains_key("line")).or(of_it.next_back());
            let words = clause.map_or(&jump.what, |clause| &clause.text);
            format!("#{} ({words})", jump.event)
        };
        match &found.jumps[..] {
            [] => format!("It rises nowhere by a jump. {tried}"),
            jumps => {
                let jumps: Vec<String> = jumps.iter().map(said).collect();
                format!("It jumps in {}. {tried}", jumps.join(", then in "))
            }
        }
    }

    fn near(&self, page: &mut Page) {
        if self.why.near.is_empty() {
            return;
        }
        page.paragraph(format!(
            "In the run of seed {}, with everything else as it was, and what came close to mattering:",
            self.case.seed
        ));
        let rows = self.why.near.iter().take(6).map(|(proof, remains)| {
            let mark = if *remains { "remains" } else { "near" };
            vec![readable(&proof.line), mark.to_owned(), self.without(&proof.without)]
        });
        page.table(&["line", "", "without it"], &rows.collect::<Vec<_>>());
    }

    fn cures(&self, page: &mut Page) {
        if self.tried.len() < 2 {
            page.paragraph("The scenario offers no remedy to try.".to_owned());
        }
        let row = |tried: &Tried<'_>| {
            let name = tried.cure.name.clone().unwrap_or_else(|| "(as it is)".to_owned());
            let case = if tried.fails { "fails" } else { "holds" };
            let seeds = format!("{} of {}", text::count(tried.failing), text::count(tried.tally.seeds));
            let most = format!("{:.1} %", bound(tried.failing, tried.tally.seeds) * 100.0);
            vec![name, case.to_owned(), seeds, most]
        };
        page.table(
            &["remedy", "smallest run", "seeds failing", "at most (95 %)"],
            &self.tried.iter().map(row).collect::<Vec<_>>(),
        );
        let cured = |tried: &&Tried<'_>| !tried.fails && tried.failing == 0 && !self.interrupted;
        for tried in self.tried.iter().filter(cured) {
            let Some(name) = &tried.cure.name else { continue };
            let about = if tried.cure.about.is_empty() { String::new() } else { format!(" ({})", tried.cure.about) };
            let seeds = text::counted(tried.tally.seeds, "seed");
            page.paragraph(format!("\"{name}\"{about} makes it hold: this case, and each of {seeds}."));
        }
    }

    fn commands(&self) -> Vec<String> {
        let mut commands = vec![self.replay()];
        if self.args.output_file.is_none() && self.case.rest == sim_core::Rest::Seed {
            commands.push(commands::line(self.called, ["shrink", &self.args.case, "-o", "small.json"]));
        }
        commands
    }
}

/// A clause as a sentence with its event.
fn sentence(clause: &Clause) -> String {
    let mut letters = clause.text.chars();
    // Names of nodes keep their case; only an article at the beginning is written large.
    let text = match clause.text.split(' ').next() {
        Some("the" | "what" | "at" | "so") => {
            letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str())
        }
        _ => None,
    };
    format!("{} [{}].", text.unwrap_or_else(|| clause.text.clone()), cited(clause.event, clause.at))
}

fn link(link: &sim_models::explain::Link) -> (String, String) {
    let operation = link.operation.as_ref().map(|operation| format!(", for {operation}")).unwrap_or_default();
    let node = if link.node.is_empty() { String::new() } else { format!("{} ", link.node) };
    let when = format!("{:>6} {:>9}", format!("#{}", link.event), crate::page::seconds(link.at));
    (when, format!(" {node}{}{operation}", link.what))
}

/// How much of a line is enough, and how much is not.
fn strength(proof: &Proof, least: &Least) -> (String, String) {
    let of = |length: sim_core::Duration| match (least.part, &proof.line) {
        (Part::End, Fault::Timed(timed)) => {
            let begin = timed.when.begin();
            format!("{} long", (Instant::ZERO + length).since(begin))
        }
        _ => length.to_string(),
    };
    (of(least.fails), of(least.passes))
}

fn part(part: Part) -> &'static str {
    match part {
        Part::Length => "length",
        Part::Spread => "spread",
        Part::More => "delay",
        Part::End => "end",
        Part::Begin => "begin",
    }
}

/// A line for reading: its time with four digits.
fn readable(line: &Fault) -> String {
    let short = Part::Length.of(line).and_then(|length| Part::Length.with(line, rounded(length, 4)));
    short.as_ref().unwrap_or(line).to_string()
}

/// The upper end of the one-sided 95 % interval, which is that of the two-sided one of 90 %.
fn bound(failing: u64, seeds: u64) -> f64 {
    const BOTH_SIDES: Confidence = Confidence::new(0.9).unwrap();
    clopper_pearson(failing, seeds, BOTH_SIDES).hi.unwrap_or(1.0)
}
