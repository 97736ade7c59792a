//! `avail`: what a system of components with known figures comes to, worked out exactly.

mod forms;

use std::path::Path;

use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde_json::Value;
use sim_core::{Ratio, Seed};
use sim_models::avail::{
    Account, Alert, Assembly, AvailError, AvailFile, Availability, Block, Budget, Change, Derived, DerivedError, Drawn,
    Importance, Met, Names, Nested, NoAlgebra, NoFirst, OneMore, Outages, Period, Piece, Plan, Reconciliation, Role,
    Simulated, System, Urgency, derived, percentage, reconcile_while, simulate_while, span_of_time,
};
use sim_models::builtin;
use sim_models::json;
use sim_models::problem::Span;
use sim_models::scenario::Model;
use sim_models::stats::{Confidence, Estimate};
use sim_models::study::Unit;

pub(crate) use self::forms::{export, written};
use crate::cli::{AvailArgs, What};
use crate::estimates;
use crate::files::write_whole;
use crate::interrupt::Interrupt;
use crate::load;
use crate::quiet::quietly;
use crate::rare;
use crate::reconciled;
use crate::report::{Bad, Exit, Report, bad};
use crate::text::{self, Side};

/// What was asked about, worked out.
pub(crate) struct Question {
    /// What it is called.
    title: String,
    system: System,
    assembly: Assembly,
    /// What is assumed beside what the algebra always does.
    assumes: Vec<String>,
    /// The scenario that it was drawn from.
    model: Option<Model>,
}

/// What was asked beside the availability itself.
struct Asked {
    /// Instants in seconds, as they were written.
    at: Vec<(String, f64)>,
    budget: Option<Budget>,
    chain: Vec<u32>,
    /// Tries, and seconds from the first to the last.
    tries: Option<(u32, f64)>,
    simulation: Option<Plan>,
}

/// Everything that is printed.
struct Answer {
    question: Question,
    asked: Asked,
    importance: Vec<Importance>,
    more: Vec<OneMore>,
    changes: Vec<Change>,
    seen: Option<Simulated>,
    /// What the downtime that was seen is made of.
    told: Option<Reconciliation>,
    /// What the requests of the scenario met.
    met: Option<Account>,
    /// Whether somebody wanted no further runs.
    is_interrupted: bool,
}

impl Question {
    /// A system under a title, with what is assumed beside what the algebra always does.
    pub(crate) fn new(title: String, system: System, assembly: Assembly, assumes: Vec<String>) -> Question {
        Question { title, system, assembly, assumes, model: None }
    }
}

impl Answer {
    fn of(question: Question, asked: Asked, seen: Option<Simulated>) -> Answer {
        let importance = question.assembly.importance();
        let more = question.system.one_more(&question.assembly);
        let changes = question.system.changes(&question.assembly);
        Answer { question, asked, importance, more, changes, seen, told: None, met: None, is_interrupted: false }
    }
}

/// Works it out, and tells.
pub(crate) fn command(args: &AvailArgs, called: &str) -> Result<Report, Bad> {
    let asked = asked(args)?;
    args.pictures.check(&args.what, args.csv.as_deref())?;
    let question = match question(args, called)? {
        Found::WorkedOut(question) => *question,
        Found::Hard(hard) => return hard.told(args, &asked),
    };
    if let Some(plan) = asked.simulation.filter(|_| args.rare.is_asked) {
        return rare::of_assembly(&question.title, &question.assembly, plan.seconds, args);
    }
    let runs = asked.simulation.is_some() || args.requests.is_some();
    // Where nothing runs, Ctrl-C ends the program as it always did.
    let interrupt = if runs { Interrupt::listen() } else { Interrupt::default() };
    let goes_on = || !interrupt.is_pressed();
    let seen = match &asked.simulation {
        None => None,
        Some(plan) => {
            let seen = simulate_while(&question.assembly, plan, &goes_on);
            Some(seen.ok_or_else(|| bad!("{UNSIMULATED}"))?)
        }
    };
    let told = match asked.simulation.filter(|_| args.reconcile) {
        None => None,
        Some(plan) => Some(
            reconcile_while(&question.system, &plan, &goes_on)
                .ok_or_else(|| bad!("--reconcile: what is never repaired has no long run to be told"))?,
        ),
    };
    let met = match args.requests {
        None => None,
        Some(runs) => requests_met(&question, runs, args, &interrupt)?,
    };
    let is_interrupted = interrupt.is_pressed();
    let answer = Answer { told, met, is_interrupted, ..Answer::of(question, asked, seen) };
    let mut document = document(&answer);
    if runs {
        document["interrupted"] = is_interrupted.into();
    }
    if let Some(path) = &args.csv {
        write_csv(path, &forms::csv(&answer)?)?;
    }
    let mut text = if args.output.json { format!("{document:#}\n") } else { plain(&answer) };
    if args.pictures.are_wanted() {
        let page = forms::page(&answer);
        text += &args.pictures.plots(&page);
        args.pictures.write(&page, &document)?;
    }
    Ok(Report { text, exit: Exit::Held.unless(is_interrupted) })
}

/// What is said of runs that were not all made.
const INTERRUPTED: &str = "interrupted: what runs say here is of those until then";

/// Writes a table for a spreadsheet.
pub(crate) fn write_csv(path: &Path, text: &str) -> Result<(), Bad> {
    write_whole(path, text.trim_end()).map_err(|error| bad!("--csv {} cannot be written: {error}", path.display()))
}

/// What requests meet in so many runs, worked out on all cores and put together in the order of seeds; none where Ctrl-C came
/// before any.
fn requests_met(
    question: &Question,
    runs: u32,
    args: &AvailArgs,
    interrupt: &Interrupt,
) -> Result<Option<Account>, Bad> {
    let (Some(model), Some(block)) = (&question.model, question.system.block()) else {
        return Err(bad!("--requests is of a scenario, whose workload sends them, and {} is none", args.what));
    };
    if let Some(said) = args.bound.first() {
        let node = said.split('=').next().unwrap_or_default();
        return Err(bad!(
            "--let {said}: the runs of --requests know only the faults of the scenario; write among these how it fails, such as \
             \"crash {node} every ~30d for ~1h\", or leave out one of the two"
        ));
    }
    let pool = ThreadPoolBuilder::new().num_threads(args.rare.workers.count()).build();
    let pool = pool.map_err(|error| bad!("no threads can be made: {error}"))?;
    let one = |nth: u32| {
        let run = || Met::of(model, block, Seed(args.seed.0.wrapping_add(u64::from(nth))), u64::MAX);
        (!interrupt.is_pressed()).then(|| quietly(run))
    };
    let met: Vec<Met> = pool.install(|| (0..runs).into_par_iter().filter_map(one).collect());
    let account = Account::of(&met, Confidence::USUAL);
    match account.requests {
        0 if interrupt.is_pressed() => Ok(None),
        0 => Err(bad!("--requests: no request of {} has an outcome", args.what)),
        _ => Ok(Some(account)),
    }
}

/// The share of time down of runs as long as these, which begin with everything up, where that can be worked out.
fn expected(met: &Account, assembly: &Assembly) -> Option<f64> {
    let during = met.from_start.then(|| assembly.during(met.seconds)).flatten()?;
    Some(during.down)
}

/// What the lab of the explorer is asked for with the same words.
pub(crate) fn line(args: &AvailArgs) -> String {
    let lets = args.bound.iter().map(|text| format!(" --let {text}"));
    let endpoint = args.endpoint.iter().map(|name| format!(" --endpoint {name}"));
    let seed = (args.seed != Seed(0)).then(|| format!(" --seed {}", args.seed));
    std::iter::once(args.what.clone()).chain(lets).chain(endpoint).chain(seed).collect()
}

/// Whether a word on the command line is the path of a file; no expression ends so, unless a name does.
fn is_file(what: &str) -> bool {
    what.ends_with(".json") || Path::new(what).is_file()
}

/// Whether a word names a scenario: a built-in one, or a file that is one.
///
/// # Errors
/// When it is a file that cannot be read.
pub(crate) fn is_scenario(what: &str) -> Result<bool, Bad> {
    if !is_file(what) {
        return Ok(builtin::text(what).is_some());
    }
    let text = load::file(what, "a diagram")?;
    Ok(json::parse(&text).is_ok_and(|root| root.get("nodes").is_some()))
}

/// What was asked about.
enum Found {
    WorkedOut(Box<Question>),
    /// So much hangs together in it, or its times are such, that only a simulation can tell.
    Hard(Box<Hard>),
}

/// What can only be simulated.
struct Hard {
    title: String,
    system: System,
    drawn: Drawn,
    none: NoAlgebra,
}

fn question(args: &AvailArgs, called: &str) -> Result<Found, Bad> {
    if is_scenario(&args.what)? {
        return of_scenario(args, called).map(|question| Found::WorkedOut(Box::new(question)));
    }
    if args.endpoint.is_some() {
        return Err(bad!("--endpoint is of a scenario, and {} is none", args.what));
    }
    let (system, drawn) = draw(&args.what, &args.bound)?;
    let title = title(&args.what, &system);
    Ok(match drawn.clone().worked_out() {
        Ok(assembly) => Found::WorkedOut(Box::new(Question::new(title, system, assembly, Vec::new()))),
        Err(none) => Found::Hard(Box::new(Hard { title, system, drawn, none })),
    })
}

impl Hard {
    /// What a simulation shows, when one was asked for and nothing that the algebra alone can say.
    fn told(&self, args: &AvailArgs, asked: &Asked) -> Result<Report, Bad> {
        let Some(plan) = &asked.simulation else { return Err(Bad(self.system.hard(&self.none))) };
        let needs = [
            ("--at", !asked.at.is_empty()),
            ("--chain", !asked.chain.is_empty()),
            ("--tries", asked.tries.is_some()),
            ("--reconcile", args.reconcile),
            ("--requests", args.requests.is_some()),
            ("--rare", args.rare.is_asked),
        ];
        if let Some((flag, _)) = needs.iter().find(|(_, asked)| *asked) {
            return Err(bad!("{flag}: the algebra is needed for that, and {}", self.none.why));
        }
        let interrupt = Interrupt::listen();
        let seen = simulate_while(&self.drawn, plan, &|| !interrupt.is_pressed());
        let seen = seen.ok_or_else(|| bad!("{UNSIMULATED}"))?;
        // As far as it was seen: the objective is held against that.
        let budget = asked.budget.zip(seen.down.value.and_then(Availability::of_down));
        let lets = self.system.names().iter().map(|(name, meaning)| (name.to_owned(), Value::from(meaning)));
        let mut document = serde_json::json!({
            "expression": self.system.block().map(Block::to_string),
            "let": lets.collect::<serde_json::Map<_, _>>(),
            "availability": Value::Null,
            "not_worked_out": self.none.why,
            "simulated": simulated_document(&seen, plan),
            "interrupted": interrupt.is_pressed(),
        });
        if let Some((budget, whole)) = budget {
            document["budget"] = budget_document(budget, whole);
        }
        if let Some(path) = &args.csv {
            write_csv(path, &forms::seen_csv(&self.title, &seen)?)?;
        }
        let mut out = if args.output.json { format!("{document:#}\n") } else { self.plain(&seen, budget) };
        if args.pictures.are_wanted() {
            let page = forms::hard_page(&self.title, self.system.names(), &self.none.why, &seen, budget);
            out += &args.pictures.plots(&page);
            args.pictures.write(&page, &document)?;
        }
        Ok(Report { text: out, exit: Exit::Held.unless(interrupt.is_pressed()) })
    }

    fn plain(&self, seen: &Simulated, budget: Option<(Budget, Availability)>) -> String {
        let names = self.system.names().iter().map(|(name, meaning)| format!("  {name} = {meaning}\n"));
        let told = text::wrapped(&self.none.why);
        format!(
            "{}\n{}\n{told}\n{}{}",
            text::wrapped(&self.title),
            names.collect::<String>(),
            simulated(seen, None),
            budget.map(|(budget, whole)| spent(budget, whole)).unwrap_or_default()
        )
    }
}

/// Why something cannot be simulated.
const UNSIMULATED: &str =
    "--simulate: not every component says how often it fails; write mtbf=720h/mttr=1h in place of a share";

/// What a system is called that was asked for by this word.
pub(crate) fn title(what: &str, system: &System) -> String {
    system.block().map_or_else(|| what.to_owned(), Block::to_string)
}

fn of_scenario(args: &AvailArgs, called: &str) -> Result<Question, Bad> {
    let loaded = load::scenario(&args.what, called)?;
    let model = load::model(&loaded, &What { scenario: args.what.clone(), ..What::default() })?;
    let Derived { block, names, assumes } = derive(&model, args.endpoint.as_deref(), &args.bound)?;
    let assembly = Assembly::of(&block, &names).map_err(|error| bad!("{}: {error}", args.what))?;
    let asked = asked_of(args.endpoint.as_deref());
    let title = format!("{}, {asked}: {block}", loaded.name);
    Ok(Question { model: Some(model), ..Question::new(title, System::of(block, names), assembly, assumes) })
}

/// What is to be answered, in words.
pub(crate) fn asked_of(endpoint: Option<&str>) -> &str {
    endpoint.unwrap_or("what its workload asks")
}

/// The block diagram that a scenario draws.
///
/// # Errors
/// When it has no such endpoint, or what is said of a node is no figure.
pub(crate) fn derive(model: &Model, endpoint: Option<&str>, bound: &[String]) -> Result<Derived, Bad> {
    derived(model.program(), model.faults(), endpoint, bound).map_err(|error| match error {
        DerivedError::NoEndpoint(message) => bad!("--endpoint: {message}"),
        DerivedError::Figure(text, error) => pointed(&error, "--let", &text),
    })
}

/// An expression with what its names mean, or a file with an expression or a diagram, with nothing worked out.
///
/// # Errors
/// Every mistake in it, with its place.
pub(crate) fn draw(what: &str, bound: &[String]) -> Result<(System, Drawn), Bad> {
    if is_file(what) {
        if !bound.is_empty() {
            return Err(bad!("--let is for expressions; in a file, names are bound under \"let\""));
        }
        let file = AvailFile::parse(what, &load::file(what, "a diagram")?).map_err(load::told)?;
        let drawn = file.drawn().map_err(load::told)?;
        return Ok((System::of_file(file), drawn));
    }
    let mut names = Names::new();
    for text in bound {
        names.bind(text).map_err(|error| pointed(&error, "--let", text))?;
    }
    let block = Block::parse(what).map_err(|error| pointed(&error, "expression", what))?;
    let drawn = Drawn::of(&block, &names).map_err(|error| match &error.name {
        Some(name) => pointed(&error, &format!("--let {name}"), names.text(name).unwrap_or_default()),
        None => pointed(&error, "expression", what),
    })?;
    Ok((System::of(block, names), drawn))
}

/// A mistake with the line it stands in.
fn pointed(error: &AvailError, what: &str, text: &str) -> Bad {
    load::told(error.pointed_at(what, text))
}

fn asked(args: &AvailArgs) -> Result<Asked, Bad> {
    let length = |flag: &str, text: &str| {
        let read = span_of_time(text);
        read.map_err(|error| pointed(&error, flag, text))
    };
    let at = args.at.iter().map(|text| Ok((text.clone(), length("--at", text)?))).collect::<Result<Vec<_>, Bad>>()?;
    let budget = match &args.slo {
        None => None,
        Some(text) => {
            let slo = percentage(text).map_err(|error| pointed(&error, "--slo", text))?;
            let wrong = match (slo.up == 0.0, slo.down == 0.0) {
                (true, _) => Some("an objective of 0% asks for nothing, so there is nothing to keep; write 99.9%"),
                (_, true) => Some("an objective of 100% leaves nothing to fail, so there is no budget; write 99.9%"),
                (false, false) => None,
            };
            if let Some(message) = wrong {
                let error = AvailError { name: None, span: Span::new(0, text.len()), message: message.to_owned() };
                return Err(pointed(&error, "--slo", text));
            }
            Some(Budget::new(slo, length("--window", &args.window)?))
        }
    };
    let tries = match args.tries {
        None => None,
        Some(tries) => Some((tries, length("--over", &args.over)?)),
    };
    if let Some((text, _)) = at.iter().find(|(_, seconds)| *seconds <= 0.0) {
        return Err(bad!(
            "--at {text}: no time at all has no availability; write a length from the start, such as 24h"
        ));
    }
    if budget.is_some_and(|budget| budget.window <= 0.0) {
        return Err(bad!("--window {}: an objective is for a length of time, such as 30d", args.window));
    }
    let simulation = match &args.simulate {
        None => None,
        Some(text) => Some(plan(length("--simulate", text)?, text, args.seed)?),
    };
    Ok(Asked { at, budget, chain: args.chain.clone(), tries, simulation })
}

fn plan(seconds: f64, text: &str, seed: Seed) -> Result<Plan, Bad> {
    if seconds <= 0.0 {
        return Err(bad!("--simulate {text}: a simulation is longer than nothing, such as 10000y"));
    }
    Ok(Plan::of(seconds, seed, Confidence::USUAL))
}

fn plain(answer: &Answer) -> String {
    let Answer { question, asked, .. } = answer;
    let assembly = &question.assembly;
    let whole = assembly.availability();
    let mut text = format!("{}\n", text::wrapped(&question.title));
    for (name, meaning) in question.system.names().iter() {
        let lines = text::hanging(&format!("  {name} = "), meaning);
        text.push_str(&(lines.join("\n") + "\n"));
    }
    text.push('\n');
    text.push_str(&blocks(assembly.root()));
    text.push('\n');
    text.push_str(&downtime(whole));
    text.push_str(&outages(assembly));
    text.push_str(&first(assembly).map(|told| text::wrapped(&told) + "\n").unwrap_or_default());
    text.push_str(&answer.seen.as_ref().map(|seen| simulated(seen, Some(assembly))).unwrap_or_default());
    text.push_str(&answer.told.as_ref().map(reconciled::table).unwrap_or_default());
    let met = answer.met.as_ref();
    text.push_str(&met.map(|met| reconciled::met_table(met, whole, expected(met, assembly))).unwrap_or_default());
    if answer.is_interrupted {
        text.push_str(&format!("\n{INTERRUPTED}\n"));
    }
    for (at, seconds) in &asked.at {
        text.push_str(&after(assembly, at, *seconds));
    }
    text.push_str(&matters(&answer.importance));
    text.push_str(&larger(&answer.more, whole));
    text.push_str(&asked.budget.map(|budget| spent(budget, whole)).unwrap_or_default());
    text.push_str(&chained(&asked.chain, whole));
    text.push_str(&asked.tries.map(|(tries, wait)| retried(assembly, tries, wait)).unwrap_or_default());
    text.push('\n');
    text.push_str(&text::wrapped(&format!("This assumes that {}.", assumptions(question).join("; "))));
    text.push('\n');
    text
}

/// The figures of one availability, as cells.
fn cells(of: Availability) -> Vec<String> {
    vec![share(of), nines(of), seconds(of.downtime_seconds(Period::Year))]
}

const FIGURES: [Side; 3] = [Side::Right, Side::Right, Side::Right];

fn headed(sides: &[Side], head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    text::table(sides, &std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// More lines than this are not read; the JSON document has all.
const ROWS_MAX: usize = 40;

fn blocks(root: &Piece) -> String {
    let mut rows = Vec::new();
    row(root, 0, &mut rows);
    let left = rows.len().saturating_sub(ROWS_MAX);
    rows.truncate(ROWS_MAX);
    let table = named("block", rows);
    if left == 0 {
        table
    } else {
        format!("{table}  and {}; --json has all\n", text::counted(left as u64, "more block"))
    }
}

/// Figures, and what they are of. Names stand last, where a long one is broken.
fn named(what: &str, rows: Vec<(String, Availability)>) -> String {
    let sides: Vec<Side> = FIGURES.into_iter().chain([Side::Left]).collect();
    let rows = rows.into_iter().map(|(name, of)| cells(of).into_iter().chain([name]).collect());
    headed(&sides, &["availability", "nines", "down a year", what], rows.collect())
}

fn row(piece: &Piece, depth: usize, rows: &mut Vec<(String, Availability)>) {
    let name = format!("{:indent$}{}", "", called(piece), indent = depth * 2);
    rows.push((name, piece.availability));
    piece.pieces.iter().for_each(|inside| row(inside, depth + 1, rows));
}

pub(crate) fn called(piece: &Piece) -> String {
    let what = match piece.role {
        Role::Component | Role::Same => piece.label.clone(),
        Role::All => "all of".to_owned(),
        Role::Any => "one of".to_owned(),
        Role::Ways => piece.label.clone(),
        Role::AtLeast(need) => format!("{need} of {}", piece.pieces.iter().map(|piece| piece.alike).sum::<u32>()),
    };
    if piece.alike > 1 { format!("{what} (each of {})", piece.alike) } else { what }
}

fn downtime(whole: Availability) -> String {
    let of = |period: Period| {
        let days = if period == Period::Month { " of 30 days" } else { "" };
        format!("{} a {}{days}", seconds(whole.downtime_seconds(period)), period.name())
    };
    format!("down {}\n", Period::ALL.map(of).join(", "))
}

/// How often it goes down and for how long, when that follows.
fn outages(assembly: &Assembly) -> String {
    let Some((per_year, mean)) = rhythm(assembly) else { return String::new() };
    format!("goes down {} a year, for {} on average\n", times(per_year), seconds(mean))
}

/// Outages per year and their mean length in seconds; `None` when nothing was said of how often a component fails, or
/// nothing does.
pub(crate) fn rhythm(assembly: &Assembly) -> Option<(f64, f64)> {
    let frequency = assembly.frequency().filter(|frequency| *frequency > 0.0)?;
    Some((frequency * Period::Year.seconds(), assembly.availability().down / frequency))
}

/// When it is down for the first time, or why that is not known; none where it never fails, or it was not said of each
/// part how often that does.
pub(crate) fn first(assembly: &Assembly) -> Option<String> {
    match assembly.first_outage() {
        Ok(first) => Some(format!("first down after {} on average, from everything up", ages(first.mean))),
        Err(NoFirst::Never | NoFirst::Unsaid(_)) => None,
        Err(why @ (NoFirst::Uneven(_) | NoFirst::TooMuch)) => {
            Some(format!("when it is down for the first time is not worked out, since {}", why.why()))
        }
    }
}

/// A length of time that may be longer than anything lasts.
fn ages(length: f64) -> String {
    let years = length / Period::Year.seconds();
    match years {
        ..100.0 => seconds(length),
        ..1e9 => text::counted(years.round() as u64, "year"),
        _ => format!("{years:.2e} years"),
    }
}

/// How much was simulated.
fn simulated_in_words(seen: &Simulated) -> String {
    let all = seen.run_seconds * seen.down.n as f64;
    let years = all / Period::Year.seconds();
    let length = if years < 0.95 { seconds(all) } else { text::counted(years.round() as u64, "year") };
    let unended = match seen.unended {
        0 => String::new(),
        unended => format!(" that ended, {} that had not", text::count(unended)),
    };
    let interrupted = match seen.left_out {
        0 => String::new(),
        left => format!(", interrupted before the other {}", text::count(left)),
    };
    format!(
        "simulated {length} in {}{interrupted}: {}{unended}, {}",
        text::counted(seen.down.n, "run"),
        text::counted(seen.episodes, "outage"),
        text::counted(seen.events, "event"),
    )
}

/// What was seen, beside what the algebra says, and whether that is inside the interval.
fn simulated_rows(seen: &Simulated, assembly: Option<&Assembly>) -> Vec<Vec<String>> {
    let year = Period::Year.seconds();
    let scaled = |of: &Estimate, by: f64| Estimate {
        value: of.value.map(|value| value * by),
        lo: of.lo.map(|lo| lo * by),
        hi: of.hi.map(|hi| hi * by),
        ..*of
    };
    let row = |name: &str, unit: Unit, by: f64, of: &Estimate, exact: Option<f64>| {
        let estimate = scaled(of, by);
        let exact = exact.map(|exact| exact * by);
        let inside = exact.map_or("", |exact| match estimate.value {
            // Of what was never seen replications have no interval.
            Some(0.0) if exact > 0.0 => "too rare",
            _ if estimates::holds(&estimate, exact) => "inside",
            Some(_) | None => "outside",
        });
        let told = exact.map_or(String::new(), |exact| estimates::measured_as(&unit, exact));
        vec![name.to_owned(), estimates::with_interval(&unit, &estimate), told, inside.to_owned()]
    };
    // As long from everything up where it is never up in the long run.
    let (down, frequency) = match assembly {
        Some(all) if seen.is_settled => (Some(all.availability().down), all.frequency()),
        Some(all) => (all.during(seen.run_seconds).map(|of| of.down), None),
        None => (None, None),
    };
    let mut rows = vec![
        row("down a year", Unit::Millis, year * 1e3, &seen.down, down),
        row("outages a year", Unit::Plain(String::new()), year, &seen.frequency, frequency),
    ];
    if seen.taking_over.value.is_some_and(|share| share > 0.0) {
        rows.push(row("of that taking over", Unit::Millis, year * 1e3, &seen.taking_over, None));
    }
    rows
}

/// What was seen, beside what the algebra says.
fn simulated(seen: &Simulated, assembly: Option<&Assembly>) -> String {
    let mut text = format!("\n{}\n", text::wrapped(&simulated_in_words(seen)));
    let rows = simulated_rows(seen, assembly);
    text.push_str(&match assembly {
        Some(_) => headed(&[Side::Left; 4], &["", "seen (95 %)", "algebra", "interval"], rows),
        None => {
            let rows = rows.into_iter().map(|row| row.into_iter().take(2).collect()).collect();
            headed(&[Side::Left; 2], &["", "seen (95 %)"], rows)
        }
    });
    let p99 = Ratio::new(99, 100).unwrap_or(Ratio::ONE);
    let lengths = [seen.length(Ratio::HALF), seen.length(p99), seen.lengths.max().map(|nanos| nanos as f64 / 1e9)];
    let told = match lengths.map(|length| length.map(seconds)) {
        [Some(half), Some(most), Some(longest)] => {
            format!("half of all outages are over after {half}, 99 % after {most}; the longest took {longest}")
        }
        _ if seen.down.value == Some(0.0) && assembly.is_some_and(|all| all.availability().down > 0.0) => {
            "it was never down for so long; --rare estimates what is too rare to be waited for".to_owned()
        }
        _ if seen.down.value == Some(0.0) && assembly.is_none() => "it was never down for so long".to_owned(),
        [_, _, _] => String::new(),
    };
    if !told.is_empty() {
        text.push_str(&format!("{}\n", text::wrapped(&told)));
    }
    if !seen.is_settled {
        let run = self::seconds(seen.run_seconds);
        text.push_str(&text::wrapped(&format!(
            "what is never repaired has no long run: each run is of {run} from everything up and new, and so is the algebra"
        )));
        text.push('\n');
    }
    text.push_str(&years_needed(seen).map(|told| text::wrapped(&told) + "\n").unwrap_or_default());
    text
}

/// How long it takes to know the downtime to a twentieth.
fn years_needed(seen: &Simulated) -> Option<String> {
    let needed = text::count((seen.seconds_for(0.05)? / Period::Year.seconds()).ceil() as u64);
    let guessed = match seen.unseen(0.05) {
        0 => String::new(),
        1 => ", by a guess: of one kind of outage none was seen yet".to_owned(),
        kinds => format!(", by a guess: of {kinds} kinds of outages none was seen yet"),
    };
    Some(format!("downtime to 5 % either way takes {needed} years{guessed}"))
}

fn times(number: f64) -> String {
    if number == 1.0 { "once".to_owned() } else { format!("{} times", figure(number)) }
}

fn after(assembly: &Assembly, at: &str, time: f64) -> String {
    let known = assembly.at(time).zip(assembly.during(time));
    let told = match known {
        Some((then, mean)) => {
            let never = match assembly.first_outage().map(|first| first.survives(time)) {
                Ok(Some(of)) => format!("; not down even once until then with {}", share(of)),
                Ok(None) => "; whether it is down even once until then is more than can be followed".to_owned(),
                Err(_) => String::new(),
            };
            format!("{at} after the start it is up with {}; until then {} of the time{never}", share(then), share(mean))
        }
        None => {
            let why = assembly.why_not_at(time).unwrap_or_else(|| "too much happens until then".to_owned());
            format!("{at} after the start: not known, since {why}")
        }
    };
    text::wrapped(&told) + "\n"
}

/// How many lines a list of advice has.
const ADVICE_MAX: usize = 5;

fn matters(importance: &[Importance]) -> String {
    if importance.len() < 2 {
        return String::new();
    }
    let rows = importance.iter().take(ADVICE_MAX).map(|of| {
        let down = of.without.downtime_seconds(Period::Year);
        vec![figure(of.birnbaum), text::percent(of.criticality.min(1.0)), seconds(down), of.title()]
    });
    let sides = [Side::Right, Side::Right, Side::Right, Side::Left];
    let head = ["Birnbaum", "criticality", "down if it never fails", "what matters most"];
    format!("\n{}", headed(&sides, &head, rows.collect()))
}

fn larger(more: &[OneMore], whole: Availability) -> String {
    let better: Vec<&OneMore> = more.iter().filter(|more| more.availability.down < whole.down).collect();
    if better.is_empty() {
        return String::new();
    }
    let row = |more: &&OneMore| (format!("{} → {}", more.title(), more.after), more.availability);
    format!("\n{}", named("one more of something", better.iter().take(ADVICE_MAX).map(row).collect()))
}

fn spent(budget: Budget, whole: Availability) -> String {
    let mut text = format!("\n{}\n", text::wrapped(&budget_in_words(budget, whole)));
    let sides = [Side::Left, Side::Left, Side::Right, Side::Right, Side::Right, Side::Right];
    let rows = alert_rows(budget);
    text.push_str(&if rows.is_empty() { NO_ALERT.to_owned() + "\n" } else { headed(&sides, &ALERT_HEAD, rows) });
    text
}

/// What stands in the place of alerts where the window is too short for each of them.
const NO_ALERT: &str = "no alert of the workbook looks back that little; they are made for windows of days";

fn budget_in_words(budget: Budget, whole: Availability) -> String {
    let rate = budget.burn_rate(whole);
    format!(
        "budget: {} allows {} down in {}; as it is, {} of that are used up",
        share(budget.slo),
        seconds(budget.seconds()),
        seconds(budget.window),
        if rate < 10.0 { format!("{} %", figure(rate * 100.0)) } else { format!("{} times as much", figure(rate)) },
    )
}

const ALERT_HEAD: [&str; 6] = ["alert", "windows", "burn rate", "failing", "spent", "after all fails"];

fn alert_rows(budget: Budget) -> Vec<Vec<String>> {
    let row = |alert: &Alert| {
        let fires = alert.fires_after(1.0).map_or("never".to_owned(), seconds);
        vec![
            urgency(alert.urgency).to_owned(),
            format!("{} and {}", seconds(alert.long), seconds(alert.short)),
            figure(alert.burn_rate),
            if alert.threshold > 1.0 { "more than all".to_owned() } else { text::percent(alert.threshold) },
            text::percent(alert.spent),
            fires,
        ]
    };
    budget.alerts().iter().map(row).collect()
}

fn urgency(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Page => "page",
        Urgency::Ticket => "ticket",
    }
}

/// So many of it in series, beside the rule of thumb that adds up their downtimes.
fn chained(counts: &[u32], one: Availability) -> String {
    if counts.is_empty() {
        return String::new();
    }
    format!("\n{}", headed(&[Side::Right; 4], &CHAIN_HEAD, chain_rows(counts, one)))
}

const CHAIN_HEAD: [&str; 4] = ["in series", "availability", "hours down a year", "their downtimes added up"];

fn chain_rows(counts: &[u32], one: Availability) -> Vec<Vec<String>> {
    let row = |count: &u32| {
        let exact = in_series(one, *count);
        let sum = f64::from(*count) * one.downtime_seconds(Period::Year);
        vec![count.to_string(), share(exact), hours(exact.downtime_seconds(Period::Year)), hours(sum)]
    };
    counts.iter().map(row).collect()
}

fn in_series(one: Availability, count: u32) -> Availability {
    (0..count).fold(Availability::ALWAYS, |all, _| all.and(one))
}

fn hours(seconds: f64) -> String {
    format!("{:.3}", seconds / 3_600.0)
}

/// What requests meet that are tried again.
fn retried(assembly: &Assembly, tries: u32, wait: f64) -> String {
    let (head, rows) = tried(assembly, tries, wait);
    format!("\n{}", headed(&[Side::Left, Side::Right, Side::Right], &[&head, "requests", "nines"], rows))
}

/// What stands above the column of how it is tried, and the rows below.
fn tried(assembly: &Assembly, tries: u32, wait: f64) -> (String, Vec<Vec<String>>) {
    let whole = assembly.availability();
    let row = |name: String, of: Availability| std::iter::once(name).chain(cells(of)).take(3).collect::<Vec<String>>();
    let mut rows = vec![
        row("tried once".to_owned(), whole),
        row("if each try had luck of its own".to_owned(), independently(whole, tries)),
    ];
    if let Some((_, mean)) = rhythm(assembly) {
        for (name, outages) in outage_laws(mean) {
            let got = outages.of_requests(whole, wait);
            rows.push(row(format!("in outages of {}, {name}", seconds(mean)), got));
        }
    }
    let times = if tries == 1 { "1 try".to_owned() } else { format!("{} tries", text::count(u64::from(tries))) };
    (format!("{times} within {}", seconds(wait)), rows)
}

fn outage_laws(mean: f64) -> [(&'static str, Outages); 2] {
    [("all as long", Outages::Fixed(mean)), ("exponential", Outages::Exponential(mean))]
}

fn independently(whole: Availability, tries: u32) -> Availability {
    if tries == 1 {
        return whole;
    }
    let down = Nested { tries, layers: 1 }.fails(whole.down);
    Availability { up: 1.0 - down, down }
}

/// What has to hold for the figures to be right, in words.
fn assumptions(question: &Question) -> Vec<String> {
    let grouped =
        question.assembly.components().iter().any(|component| component.law.is_some_and(|law| law.is_group()));
    let mut all = vec!["components fail independently of each other, except for what is numbered, grouped or common"];
    if !grouped {
        all.push("every component has a repair crew of its own");
        all.push("a spare takes over at once");
    } else {
        all.push("in groups with crews, standby or failover all times are exponential");
        all.push("machines of such a group go on failing while it is down");
    }
    all.push("figures are those of the long run");
    all.into_iter().map(str::to_owned).chain(question.assumes.iter().cloned()).collect()
}

/// A share in percent, with three digits of what is missing to all: `99.9994 %`.
pub(crate) fn share(of: Availability) -> String {
    if of.down == 0.0 {
        return "100 %".to_owned();
    }
    // Percent have two digits less; below that a float of what is up has no digits left, so integers write it.
    let decimals = (4.0 - (of.down * 100.0).log10().floor() - 2.0).clamp(2.0, 30.0) as u32;
    let scale = 10u128.pow(decimals);
    let missing = (of.down * 100.0 * scale as f64).round() as u128;
    if missing == 0 {
        return format!("100 % but for {:.2e}", of.down);
    }
    let left = (100 * scale).saturating_sub(missing);
    let fraction = format!("{:0width$}", left % scale, width = decimals as usize);
    let text = format!("{}.{fraction}", left / scale);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Never rounded up: 2.999 nines are not three.
pub(crate) fn nines(of: Availability) -> String {
    let nines = of.nines();
    if nines.is_infinite() { "∞".to_owned() } else { format!("{:.2}", ((nines + 1e-9) * 100.0).floor() / 100.0) }
}

/// A length of time in the unit that fits.
pub(crate) fn seconds(seconds: f64) -> String {
    let nanos = seconds * 1e9;
    if nanos > 0.0 && nanos < 1.0 { format!("{seconds:.2e} s") } else { text::length(nanos.round() as u64) }
}

/// A number with three digits, however small.
pub(crate) fn figure(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:.2e}") } else { text::number((value * 1e4).round() / 1e4) }
}

fn document(answer: &Answer) -> Value {
    let Answer { question, asked, importance, more, changes, seen, told, met, .. } = answer;
    let assembly = &question.assembly;
    let whole = assembly.availability();
    let mut all = figures(whole);
    let mut put = |key: &str, value: Value| all[key] = value;
    put("expression", question.system.block().map(Block::to_string).into());
    put(
        "let",
        question
            .system
            .names()
            .iter()
            .map(|(name, meaning)| (name.to_owned(), Value::from(meaning)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    );
    put(
        "downtime_seconds",
        Period::ALL
            .map(|period| (period.name().to_owned(), Value::from(whole.downtime_seconds(period))))
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into(),
    );
    let rhythm = rhythm(assembly);
    put("outages_per_year", rhythm.map(|(per_year, _)| per_year).into());
    put("outage_seconds_mean", rhythm.map(|(_, mean)| mean).into());
    let first = assembly.first_outage();
    put("mttf_seconds", first.as_ref().ok().map(|first| first.mean).into());
    put("mttf_unknown", first.as_ref().err().map(NoFirst::why).into());
    put("blocks", block(assembly.root(), assembly));
    put(
        "importance",
        importance
            .iter()
            .map(|of| {
                serde_json::json!({"component": of.label, "count": of.components.len(), "places": of.places, "of": of.of,
               "birnbaum": of.birnbaum, "criticality": of.criticality, "without": figures(of.without)})
            })
            .collect(),
    );
    put(
        "one_more",
        more.iter()
            .map(|more| {
                let mut of = figures(more.availability);
                of["before"] = more.before.clone().into();
                of["after"] = more.after.clone().into();
                of["places"] = more.places.clone().into();
                of["of"] = more.of.into();
                of
            })
            .collect(),
    );
    put(
        "changes",
        changes
            .iter()
            .map(|change| {
                let mut of = figures(change.availability);
                of["change"] = change.what.clone().into();
                of["before"] = change.before.clone().into();
                of["after"] = change.after.clone().into();
                of["place"] = change.place.clone().into();
                of
            })
            .collect(),
    );
    put("formula", formula_document(&question.system));
    if let (Some(seen), Some(plan)) = (seen, &asked.simulation) {
        put("simulated", simulated_document(seen, plan));
    }
    if let Some(told) = told {
        put("reconciliation", reconciled::document(told));
    }
    if let Some(met) = met {
        put("requests", reconciled::met_document(met, expected(met, assembly)));
    }
    put("assumes", assumptions(question).into());
    if !asked.at.is_empty() {
        put(
            "at",
            asked
                .at
                .iter()
                .map(|(text, seconds)| {
                    serde_json::json!({"after": text, "seconds": seconds, "then": assembly.at(*seconds).map(figures),
                   "until_then": assembly.during(*seconds).map(figures),
                   "never_down": first.as_ref().ok().and_then(|first| first.survives(*seconds)).map(figures)})
                })
                .collect(),
        );
    }
    if let Some(budget) = asked.budget {
        put("budget", budget_document(budget, whole));
    }
    if !asked.chain.is_empty() {
        put(
            "chain",
            asked
                .chain
                .iter()
                .map(|count| {
                    let mut of = figures(in_series(whole, *count));
                    of["count"] = (*count).into();
                    of["added_up_seconds_per_year"] = (f64::from(*count) * whole.downtime_seconds(Period::Year)).into();
                    of
                })
                .collect(),
        );
    }
    if let Some((tries, wait)) = asked.tries {
        put("tries", tries_document(assembly, tries, wait));
    }
    all
}

/// What a formula of independent parts says, and what it becomes as each effect is put back; null when that is not
/// known.
fn formula_document(system: &System) -> Value {
    let Some(told) = system.reconciled() else { return Value::Null };
    let mut of = figures(told.formula);
    of["put_back"] = told
        .steps
        .into_iter()
        .map(|step| {
            let mut of = figures(step.after);
            of["effect"] = step.effect.key().into();
            of
        })
        .collect();
    of
}

fn figures(of: Availability) -> Value {
    serde_json::json!({"availability": of.up, "unavailability": of.down, "nines": Some(of.nines()).filter(|nines| nines.is_finite()),
           "downtime_seconds_per_year": of.downtime_seconds(Period::Year)})
}

fn block(piece: &Piece, assembly: &Assembly) -> Value {
    let mut of = figures(piece.availability);
    of["block"] = piece.label.clone().into();
    of["kind"] = kind(piece.role).into();
    if let Role::AtLeast(need) = piece.role {
        of["need"] = need.into();
    }
    of["alike"] = piece.alike.into();
    of["mttf_seconds"] = assembly.first_outage_of(piece).ok().map(|first| first.mean).into();
    of["blocks"] = piece.pieces.iter().map(|inside| block(inside, assembly)).collect();
    of
}

fn kind(role: Role) -> &'static str {
    match role {
        Role::Component => "component",
        Role::Same => "name",
        Role::All => "series",
        Role::Any => "parallel",
        Role::AtLeast(_) => "quorum",
        Role::Ways => "diagram",
    }
}

fn budget_document(budget: Budget, whole: Availability) -> Value {
    let alert = |alert: &Alert| {
        serde_json::json!({"urgency": urgency(alert.urgency), "long_seconds": alert.long, "short_seconds": alert.short, "spent": alert.spent,
               "burn_rate": alert.burn_rate, "threshold": alert.threshold, "fires_after_seconds": alert.fires_after(1.0)})
    };
    serde_json::json!({"slo": budget.slo.up, "window_seconds": budget.window, "budget_seconds": budget.seconds(),
           "burn_rate": budget.burn_rate(whole), "alerts": budget.alerts().iter().map(alert).collect::<Vec<_>>()})
}

fn simulated_document(seen: &Simulated, plan: &Plan) -> Value {
    let year = Period::Year.seconds();
    let seconds = |share: u64| Ratio::new(share, 100).and_then(|share| seen.length(share));
    serde_json::json!({
        "seed": plan.seed.to_string(),
        "years": plan.seconds / year * (seen.down.n as f64 / f64::from(plan.runs)),
        "runs": seen.down.n,
        "outages": seen.episodes,
        "outages_not_ended": seen.unended,
        "events": seen.events,
        "unavailability": seen.down,
        "unavailability_taking_over": seen.taking_over,
        "outages_per_second": seen.frequency,
        "outage_seconds": {"p50": seconds(50), "p99": seconds(99), "max": seen.lengths.max().map(|nanos| nanos as f64 / 1e9)},
        "years_for_5_percent": seen.seconds_for(0.05).map(|seconds| seconds / year),
        "kinds_of_outages_not_seen": seen.unseen(0.05),
    })
}

fn tries_document(assembly: &Assembly, tries: u32, wait: f64) -> Value {
    let whole = assembly.availability();
    let [fixed, exponential] = rhythm(assembly).map_or([None, None], |(_, mean)| {
        outage_laws(mean).map(|(_, outages)| Some(figures(outages.of_requests(whole, wait))))
    });
    serde_json::json!({"tries": tries, "over_seconds": wait, "independent": figures(independently(whole, tries)), "fixed_outages": fixed,
           "exponential_outages": exponential})
}
