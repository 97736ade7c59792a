//! `run`: one run of a scenario, told in numbers.

use std::ops::ControlFlow;
use std::time::Instant as Clock;

use serde_json::{Value, json};
use sim_core::{Limits, Stop, run as to_its_end};
use sim_models::scenario::{Model, Run};

use crate::cli::{RunArgs, What};
use crate::commands;
use crate::interrupt::Interrupt;
use crate::load::{self, Loaded};
use crate::measures::{self, Expecting};
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report};
use crate::text;
use crate::trace;

/// Runs a scenario once.
pub(crate) fn run(args: &RunArgs, called: &str) -> Result<Report, Bad> {
    let loaded = load::scenario(&args.what.scenario, called)?;
    let model = load::model(&loaded, &args.what)?;
    loaded.warn(&model);
    let interrupt = Interrupt::listen();
    let begun = Clock::now();
    let (run, lines) = if args.trace {
        traced(&model, args, &interrupt)
    } else {
        let watched = || model.run_watched(args.seed, Stop::AtEnd, Limits::default(), |_, _| interrupt.flow());
        (quietly(watched), Vec::new())
    };
    let wall = begun.elapsed();
    let exit = Exit::of_run(run.outcome.verdict).unless(run.outcome.interrupted);
    if args.output.json {
        let mut members = measures::json(&loaded.name, &model, &run, wall);
        if args.trace {
            members.insert("trace".to_owned(), Value::Array(lines));
        }
        return Ok(Report::json(&Value::Object(members), exit));
    }
    Ok(Report { text: told(&loaded, &model, &run, args, wall, called), exit })
}

/// A run whose events are printed as they happen, or kept for the JSON document.
fn traced(model: &Model, args: &RunArgs, interrupt: &Interrupt) -> (Run, Vec<Value>) {
    let (mut sim, mut judge) = model.start(args.seed);
    sim.record(true);
    let course = model.course(Stop::AtEnd, Limits::default());
    let mut lines = Vec::new();
    let mut printer = (!args.output.json).then(trace::Printer::new);
    let outcome = quietly(|| {
        to_its_end(&mut sim, &mut judge, &course, |sim, step| {
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
    (model.measured(args.seed, &sim, &judge, outcome), lines)
}

/// The report for people.
fn told(loaded: &Loaded, model: &Model, run: &Run, args: &RunArgs, wall: std::time::Duration, called: &str) -> String {
    let outcome = &run.outcome;
    let mut out = title(loaded, model, &args.what);
    out += &format!("\n{}\n\n", measures::headline(model, outcome));
    let expecting = if args.what.set.is_empty() && args.what.fault.is_empty() && args.what.until.is_none() {
        Expecting::AsTheFileSays
    } else {
        Expecting::Nothing
    };
    let metrics = measures::metrics(model, run, expecting);
    let parts = [measures::properties(&outcome.properties), measures::traffic(run), metrics, inert(model, run)];
    for part in parts.iter().filter(|part| !part.is_empty()) {
        out += part;
        out.push('\n');
    }
    out += &format!(
        "digest {}, {} over {}, {} events/s\n",
        outcome.digest,
        text::counted(outcome.events, "event"),
        text::length(outcome.end.nanos()),
        text::rate(measures::per_second(outcome.events, wall)),
    );
    let seed = run.seed.to_string();
    let words = commands::words_of(&args.what);
    let words = ["run"].into_iter().chain(words.iter().map(String::as_str)).chain(["--seed", &seed]);
    out + &format!("the same again: {}\n", commands::line(called, words))
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

/// The faults that did nothing: green runs under them prove nothing.
fn inert(model: &Model, run: &Run) -> String {
    model.inert(run).map(|fault| format!("  had no effect: {fault}\n")).collect()
}
