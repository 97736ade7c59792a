//! `replay`: a case again, compared with what it expects, or judged afresh.

use std::ops::ControlFlow;
use std::time::{Duration, Instant as Clock};

use serde_json::{Map, Value, json};
use sim_core::case::{Case, Expectation};
use sim_core::trail::Divergence;
use sim_core::{Limits, Stop};
use sim_models::scenario::{Model, Replay, replay};

use crate::cli::ReplayArgs;
use crate::commands;
use crate::interrupt::Interrupt;
use crate::load;
use crate::measures;
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::text;
use crate::trace::Line;

/// Runs a case again.
pub(crate) fn command(args: &ReplayArgs, called: &str) -> Result<Report, Bad> {
    let loaded = load::case(&args.case, called)?;
    let mut case = loaded.case.clone();
    if args.no_expect {
        case.expect = None;
    } else if case.expect.is_none() {
        let judge = commands::line(called, ["replay", &args.case, "--no-expect"]);
        return Err(bad!("{} has no \"expect\" to compare with; judge it: {judge}", args.case));
    }
    let model = Model::of_case(&args.case, &case).map_err(|error| loaded.wrong(&error))?;
    let interrupt = Interrupt::listen();
    let begun = Clock::now();
    let again = quietly(|| {
        let again = replay(&args.case, &case, Limits::default(), |_, _| interrupt.flow());
        again.map_err(|error| loaded.wrong(&error))
    })?;
    let told = Told { args, case: &case, model: &model, again: &again, wall: begun.elapsed(), called };
    let exit = told.exit();
    if args.output.json {
        return Ok(Report::json(&Value::Object(told.json()), exit));
    }
    Ok(Report { text: told.text(), exit })
}

struct Told<'a> {
    args: &'a ReplayArgs,
    case: &'a Case,
    model: &'a Model,
    again: &'a Replay,
    wall: Duration,
    called: &'a str,
}

impl Told<'_> {
    fn exit(&self) -> Exit {
        let outcome = &self.again.run.outcome;
        let exit = match (&self.case.expect, self.again.reproduced) {
            (None, _) => Exit::of_run(outcome.verdict),
            (Some(_), true) => Exit::Held,
            (Some(_), false) => Exit::Different,
        };
        exit.unless(outcome.interrupted)
    }

    fn json(&self) -> Map<String, Value> {
        let Replay { run, reproduced, same_failure, divergence, decisions } = self.again;
        let expect = self.case.expect.as_ref();
        let name = self.case.scenario["name"].as_str().unwrap_or_default();
        let mut members = measures::json(name, self.model, run, self.wall);
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        add("reproduced", json!(expect.map(|_| reproduced)));
        add("same_failure", json!(expect.map(|_| same_failure)));
        add("expected_digest", json!(expect.map(|expect| expect.digest)));
        add("expected_verdict", json!(expect.map(|expect| expect.verdict)));
        add("expected_property", json!(expect.and_then(|expect| expect.property.as_deref())));
        add("decisions_applied", json!(decisions.0));
        add("decisions_total", json!(decisions.1));
        add("first_divergence", json!(divergence));
        members
    }

    fn text(&self) -> String {
        let outcome = &self.again.run.outcome;
        let mut out = String::new();
        match &self.case.expect {
            None => {
                out += &format!("judged afresh, {}\n\n", measures::headline(self.model, outcome));
                out += &measures::properties(&outcome.properties);
                out.push('\n');
            }
            Some(_) if self.again.reproduced => {
                out += &format!("reproduced, {}\n\n", measures::headline(self.model, outcome));
                out += &measures::properties(&outcome.properties);
                out.push('\n');
            }
            Some(expect) => out += &self.different(expect),
        }
        let (applied, total) = self.again.decisions;
        if total > 0 {
            out += &format!("{applied} of {} applied\n", text::counted(total as u64, "decision"));
        }
        out += &format!(
            "digest {}, {} over {}\n",
            outcome.digest,
            text::counted(outcome.events, "event"),
            text::length(outcome.end.nanos())
        );
        out
    }

    /// What was expected, what came, and where the two part.
    fn different(&self, expect: &Expectation) -> String {
        let outcome = &self.again.run.outcome;
        let row = |what: &str, said: String, digest: String| format!("  {what:<10} {said}, digest {digest}\n");
        let same = if self.again.same_failure { ", though it fails in the same way" } else { "" };
        let mut out = match outcome.interrupted {
            true => "interrupted before it could be compared\n\n".to_owned(),
            false => format!("not reproduced{same}\n\n"),
        };
        out += &row("expected", measures::said(expect.verdict, expect.property.as_deref()), expect.digest.to_string());
        out += &row("came", measures::said(outcome.verdict, outcome.property()), outcome.digest.to_string());
        if !outcome.interrupted {
            out += &format!("\n{}\n", self.parting(expect));
        }
        let judge = commands::line(self.called, ["replay", &self.args.case, "--no-expect"]);
        out + &format!("to judge it afresh: {judge}\n\n")
    }

    fn parting(&self, expect: &Expectation) -> String {
        let events = self.again.run.outcome.events;
        let recorded = expect.events.unwrap_or(events);
        if let (true, Some(Divergence { by, .. })) =
            (expect.digest == self.again.run.outcome.digest, self.again.divergence)
        {
            return format!(
                "the digest is the same: only the trail in the file is another one, at event {}",
                text::count(by)
            );
        }
        match (self.again.divergence, &expect.trail) {
            (None, None) => "the case keeps no trail, so nobody can say where the two part".to_owned(),
            (None, Some(_)) if self.again.same_failure => {
                "the run follows its trail to the end: only the digest in the file is another one".to_owned()
            }
            (None, Some(_)) => {
                "the run follows its trail to the end: it is the same run, and something else is expected of it"
                    .to_owned()
            }
            (Some(Divergence { by, .. }), _) if by > events => format!(
                "the run ends after event {}; the one that was recorded goes on to event {}",
                text::count(events),
                text::count(recorded)
            ),
            (Some(Divergence { by, .. }), _) if by > recorded => format!(
                "the run goes on after event {}, with which the one that was recorded ends: event {}",
                text::count(recorded),
                self.event(by)
            ),
            (Some(Divergence { after, by }), _) if after + 1 == by => {
                format!("the two part at event {}", self.event(by))
            }
            (Some(Divergence { after, by }), _) => {
                format!("the two part between event {} and event {}", text::count(after + 1), self.event(by))
            }
        }
    }

    /// An event of this run by number and in words.
    fn event(&self, number: u64) -> String {
        let mut words = None;
        let watch = |sim: &_, step: &sim_core::Step| {
            if step.number < number {
                return ControlFlow::Continue(());
            }
            words = Some(Line::of(sim, step, self.model.faults()).sentence());
            ControlFlow::Break(())
        };
        quietly(|| self.model.run_watched(self.case.seed, Stop::AtEnd, Limits::default(), watch));
        words.map_or(text::count(number), |words| format!("{}: {words}", text::count(number)))
    }
}
