//! `run`: one run of a scenario, told in numbers.

use std::ops::ControlFlow;
use std::time::Instant as Clock;

use serde_json::{Value, json};
use sim_core::{Fault, Instant, Limits, Sim, Step, Stop, run as to_its_end};
use sim_models::judge::ScenarioJudge;
use sim_models::message::Msg;
use sim_models::scenario::{Model, Run};
use sim_models::stats::Confidence;
use sim_models::study::Single;
use sim_models::traffic::{Watch, Watched};

use crate::cli::{RunArgs, What};
use crate::commands;
use crate::determinism::Checked;
use crate::interrupt::Interrupt;
use crate::load::{self, Loaded};
use crate::measures::{self, Expecting};
use crate::nemesis;
use crate::page::Page;
use crate::portrait::Portrait;
use crate::quiet::quietly;
use crate::rare;
use crate::report::{Bad, Exit, Report};
use crate::text;
use crate::trace;

/// Runs a scenario once.
pub(crate) fn run(args: &RunArgs, called: &str) -> Result<Report, Bad> {
    if let Some(property) = &args.rare.property {
        return rare::of_scenario(args, property, called);
    }
    let loaded = load::scenario(&args.what.scenario, called)?;
    let model = load::model(&loaded, &args.what)?;
    loaded.warn(&model);
    let model = &*model.of_seed(args.seed);
    args.pictures.check(&args.what.scenario, None)?;
    let interrupt = Interrupt::listen();
    let begun = Clock::now();
    let mut watch = args.pictures.are_wanted().then(Watch::default);
    let ((run, judge), lines) = match &mut watch {
        _ if args.trace => traced(model, args, &interrupt, &mut watch),
        None => {
            let watched = || model.observed(args.seed, Stop::AtEnd, Limits::default(), |_, _| interrupt.flow());
            (quietly(watched), Vec::new())
        }
        Some(watch) => {
            let watched = |sim: &Sim<Msg>, step: &Step| {
                watch.after(sim, step);
                interrupt.flow()
            };
            (quietly(|| model.observed(args.seed, Stop::AtEnd, Limits::default(), watched)), Vec::new())
        }
    };
    let wall = begun.elapsed();
    let exit = Exit::of_run(run.outcome.verdict).unless(run.outcome.interrupted);
    let anew = || {
        let model = load::model(&loaded, &args.what).expect("it was read just now");
        model.of_seed(args.seed).into_owned()
    };
    let checked = args.check_determinism.then(|| Checked::of(anew, args.seed, run.outcome.events));
    let exit = checked.as_ref().map_or(exit, |checked| checked.exit(exit));
    let single = Single::of(&judge, Instant::ZERO + args.warmup.unwrap_or_default(), Confidence::USUAL);
    let told = Told { loaded: &loaded, model, run: &run, single: &single, args, wall, called };
    let mut document = measures::json(&loaded.name, model, &run, wall);
    document.insert("estimates".to_owned(), measures::estimates_json(&single, args.warmup));
    document.extend(checked.iter().map(|checked| ("determinism".to_owned(), checked.json())));
    let mut text = if args.output.json { String::new() } else { told.text() };
    text += &checked.as_ref().map(Checked::text).unwrap_or_default();
    if let Some(watch) = watch {
        let page = told.page(&watch.over());
        text += &args.pictures.plots(&page);
        args.pictures.write(&page, &Value::Object(document.clone()))?;
    }
    if args.output.json {
        if args.trace {
            document.insert("trace".to_owned(), Value::Array(lines));
        }
        return Ok(Report::json(&Value::Object(document), exit));
    }
    Ok(Report { text, exit })
}

/// A run whose events are printed as they happen, or kept for the JSON document.
fn traced(
    model: &Model,
    args: &RunArgs,
    interrupt: &Interrupt,
    watch: &mut Option<Watch>,
) -> ((Run, ScenarioJudge), Vec<Value>) {
    let (mut sim, mut judge) = model.start(args.seed);
    sim.record(true);
    let course = model.course(Stop::AtEnd, Limits::default());
    let mut lines = Vec::new();
    let mut printer = (!args.output.json).then(trace::Printer::new);
    let outcome = quietly(|| {
        to_its_end(&mut sim, &mut judge, &course, |sim, step| {
            if let Some(watch) = watch {
                watch.after(sim, step);
            }
            let line = trace::Line::of(sim, step, model.faults());
            let Some(printer) = &mut printer else {
                lines.push(json!(line));
                return interrupt.flow();
            };
            // When nobody reads on, the rest of the run would be for nothing.
            if printer.print(&line).is_break() { ControlFlow::Break(()) } else { interrupt.flow() }
        })
    });
    if let Some(printer) = printer {
        printer.end();
    }
    ((model.measured(args.seed, &sim, &judge, outcome), judge), lines)
}

/// A run that is over, on its way to a report for people.
struct Told<'a> {
    loaded: &'a Loaded,
    model: &'a Model,
    run: &'a Run,
    single: &'a Single,
    args: &'a RunArgs,
    wall: std::time::Duration,
    called: &'a str,
}

impl Told<'_> {
    fn text(&self) -> String {
        let Told { loaded, model, run, args, .. } = self;
        let outcome = &run.outcome;
        let mut out = title(loaded, model, &args.what);
        out += &nemesis::drawn(model);
        out += &format!("\n{}\n\n", measures::headline(model, outcome));
        let metrics = measures::metrics(model, run, self.expecting());
        let estimates = measures::estimates(self.single, args.warmup);
        let excuse = nemesis::excuse(model, outcome);
        let parts = [
            measures::properties(&outcome.properties),
            excuse,
            measures::traffic(run),
            estimates,
            metrics,
            inert(model, run),
        ];
        for part in parts.iter().filter(|part| !part.is_empty()) {
            out += part;
            out.push('\n');
        }
        out + &format!("{}\nthe same again: {}\n", self.effort(), self.again())
    }

    /// The same as a page, with pictures of what was seen.
    fn page(&self, watched: &Watched) -> Page {
        let Told { loaded, model, run, args, .. } = self;
        let title = title(loaded, model, &args.what);
        let mut lines = title.lines();
        let mut page = Page::new(lines.next().unwrap_or_default().to_owned());
        lines.for_each(|line| page.paragraph(line.to_owned()));
        page.lines(nemesis::drawn(model).lines().map(str::to_owned).collect());
        page.paragraph(measures::headline(model, &run.outcome));
        page.heading("Properties");
        page.table(&["verdict", "property", "what was seen"], &measures::property_rows(&run.outcome.properties));
        let pictures = Portrait::of(model, run, watched);
        page.heading("Requests");
        cells(&mut page, measures::request_cells(run));
        page.figure(pictures.requests());
        page.heading("Latency");
        cells(&mut page, measures::latency_cells(run));
        page.table(&measures::ESTIMATES, &measures::estimate_rows(self.single));
        measures::estimate_words(self.single, args.warmup).into_iter().for_each(|words| page.paragraph(words));
        for figure in [pictures.latency(), pictures.histogram(), pictures.quantiles(), pictures.survival()] {
            page.figure(figure);
        }
        let metrics = measures::metric_rows(model, run, self.expecting());
        if !metrics.is_empty() {
            page.heading("Metrics");
            page.table(&["metric", "value", "unit", "expected", "what it is"], &metrics);
        }
        if !model.faults().is_empty() {
            page.heading("Faults");
            page.table(&["fault", "did something"], &faults(model, run));
        }
        page.heading("The same again");
        page.commands(vec![self.again()]);
        page.paragraph(self.effort());
        page
    }

    fn expecting(&self) -> Expecting {
        let What { set, fault, until, .. } = &self.args.what;
        let is_as_written = set.is_empty() && fault.is_empty() && until.is_none();
        if is_as_written { Expecting::AsTheFileSays } else { Expecting::Nothing }
    }

    /// What the run was, and how fast.
    fn effort(&self) -> String {
        let outcome = &self.run.outcome;
        format!(
            "digest {}, {} over {}, {} events/s",
            outcome.digest,
            text::counted(outcome.events, "event"),
            text::length(outcome.end.nanos()),
            text::rate(measures::per_second(outcome.events, self.wall)),
        )
    }

    /// The command that gives the same run.
    fn again(&self) -> String {
        let seed = self.run.seed.to_string();
        let mut words = commands::words_of(&self.args.what);
        words.extend(self.args.warmup.iter().flat_map(|warmup| ["--warmup".to_owned(), warmup.to_string()]));
        let words = ["run"].into_iter().chain(words.iter().map(String::as_str)).chain(["--seed", &seed]);
        commands::line(self.called, words)
    }
}

/// One row of named values.
fn cells(page: &mut Page, cells: Vec<(&'static str, String)>) {
    let (head, row): (Vec<&str>, Vec<String>) = cells.into_iter().unzip();
    page.table(&head, &[row]);
}

/// Every fault of the schedule, and how often it did something.
fn faults(model: &Model, run: &Run) -> Vec<Vec<String>> {
    let often = |touched: u64| match touched {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        many => format!("{} times", text::count(many)),
    };
    let rows = model.faults().iter().zip(&run.touched);
    rows.map(|(fault, touched)| vec![fault.to_string(), often(*touched)]).collect()
}

/// The scenario's title, its name, and what is not as its file says.
pub(crate) fn title(loaded: &Loaded, model: &Model, what: &What) -> String {
    let title = loaded.scenario.text_of("title");
    let mut out = if title.is_empty() { String::new() } else { format!("{title}\n") };
    let changed = model.changed().iter().map(|(name, text)| format!("{name}={text}"));
    let until = what.until.map(|until| format!("until {until}"));
    let words: Vec<String> = std::iter::once(loaded.name.clone()).chain(changed).chain(until).collect();
    out += &format!("{}\n", words.join(", "));
    out
}

/// How often each timed fault did something, and which did nothing: green runs under those prove nothing.
fn inert(model: &Model, run: &Run) -> String {
    let timed = model
        .faults()
        .iter()
        .zip(&run.touched)
        .filter(|(fault, count)| matches!(fault, Fault::Timed(_)) && **count > 0);
    let struck = timed.map(|(fault, count)| format!("  {}: {fault}\n", text::counted(*count, "effect")));
    let inert = model.inert(run).map(|fault| format!("  had no effect: {fault}\n"));
    struck.chain(inert).collect()
}
