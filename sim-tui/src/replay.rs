//! `replay`: a case again, compared with what it expects, or judged afresh.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::time::{Duration, Instant as Clock};

use serde_json::{Map, Value, json};
use sim_core::case::{Case, Expectation};
use sim_core::trail::Divergence;
use sim_core::{Fault, Limits, Stop};
use sim_models::scenario::{Drift, Model, Replay};

use crate::cli::ReplayArgs;
use crate::commands;
use crate::determinism::Checked;
use crate::interrupt::Interrupt;
use crate::last_change;
use crate::load::{self, LoadedCase};
use crate::measures;
use crate::moment;
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::text;
use crate::trace::Line;

/// Runs a case again.
pub(crate) fn command(args: &ReplayArgs, called: &str) -> Result<Report, Bad> {
    let loaded = load::case(&args.case, called)?;
    let mut case = loaded.case.clone();
    if let Some(field) = &args.last_change {
        let model = model(args, &loaded, &case, called)?;
        let other = args.scenario.iter().flat_map(|other| ["--scenario", other]);
        let again: Vec<&str> = [called, "replay", &args.case].into_iter().chain(other).collect();
        return last_change::show(&case, &model, (field, args.at), args.output.json, &again);
    }
    if let Some(event) = args.at {
        let model = model(args, &loaded, &case, called)?;
        return moment::show(&case, &model, event, args.output.json);
    }
    if args.no_expect {
        case.expect = None;
    } else if case.expect.is_none() {
        let judge = commands::line(called, ["replay", &args.case, "--no-expect"]);
        return Err(bad!("{} has no \"expect\" to compare with; judge it: {judge}", args.case));
    }
    let model = model(args, &loaded, &case, called)?;
    let interrupt = Interrupt::listen();
    let begun = Clock::now();
    let again = quietly(|| {
        let again = model.replay(&case, Limits::default(), |_, _| interrupt.flow());
        again.map_err(|error| loaded.wrong(&error))
    })?;
    let anew = || self::model(args, &loaded, &case, called).expect("it was read just now");
    let checked = args.check_determinism.then(|| Checked::of(anew, case.seed, again.run.outcome.events));
    let told = Told { args, case: &case, model: &model, again: &again, wall: begun.elapsed(), called };
    let exit = checked.as_ref().map_or(told.exit(), |checked| checked.exit(told.exit()));
    if args.output.json {
        let mut document = told.json();
        document.extend(checked.iter().map(|checked| ("determinism".to_owned(), checked.json())));
        return Ok(Report::json(&Value::Object(document), exit));
    }
    Ok(Report { text: told.text() + &checked.as_ref().map(Checked::text).unwrap_or_default(), exit })
}

/// The scenario inside the case, or the one that is to take its place.
fn model(args: &ReplayArgs, loaded: &LoadedCase, case: &Case, called: &str) -> Result<Model, Bad> {
    let Some(other) = &args.scenario else {
        return Model::of_case(&args.case, case).map_err(|error| loaded.wrong(&error));
    };
    let scenario = load::scenario(other, called)?.scenario;
    scenario.model_of(case).map_err(|error| loaded.wrong_on(other, &error))
}

/// What became of the failure that a case was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The same, in a run that is not quite the same.
    SameFailure,
    FailsDifferently,
    NoLongerFails,
    /// It had not failed, and still does not.
    StillHolds,
    FailsNow,
}

impl Fate {
    fn of(expect: &Expectation, again: &Replay) -> Fate {
        let fails = again.run.outcome.verdict.is_failure();
        match (expect.verdict.is_failure(), again.same_failure) {
            (true, true) => Fate::SameFailure,
            (true, false) if fails => Fate::FailsDifferently,
            (true, false) => Fate::NoLongerFails,
            (false, _) if fails => Fate::FailsNow,
            (false, _) => Fate::StillHolds,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Fate::SameFailure => "it still fails in the same way",
            Fate::FailsDifferently => "it fails differently",
            Fate::NoLongerFails => "it no longer fails",
            Fate::StillHolds => "it still does not fail",
            Fate::FailsNow => "it fails, and did not when it was recorded",
        }
    }
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
        let Replay { run, reproduced, same_failure, divergence, decisions, drift } = self.again;
        let expect = self.case.expect.as_ref();
        let name = self.model.name();
        let mut members = measures::json(&name, self.model, run, self.wall);
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        add("reproduced", json!(expect.map(|_| reproduced)));
        add("same_failure", json!(expect.map(|_| same_failure)));
        add("expected_digest", json!(expect.map(|expect| expect.digest)));
        add("expected_verdict", json!(expect.map(|expect| expect.verdict)));
        add("expected_property", json!(expect.and_then(|expect| expect.property.as_deref())));
        add("decisions_applied", json!(self.again.applied()));
        add("decisions_total", json!(decisions.len()));
        let line = |(line, applied): &(Fault, bool)| json!({"line": line, "applied": applied});
        add("decisions", decisions.iter().map(line).collect());
        add("first_divergence", json!(divergence));
        add("drift", drift.map_or(Value::Null, drift_json));
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
        out += &self.decisions();
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
        let mut out = match outcome.interrupted {
            true => "interrupted before it could be compared\n\n".to_owned(),
            false => format!("not reproduced: {}\n\n", Fate::of(expect, self.again).words()),
        };
        out += &row("expected", measures::said(expect.verdict, expect.property.as_deref()), expect.digest.to_string());
        out += &row("came", measures::said(outcome.verdict, outcome.property()), outcome.digest.to_string());
        if !outcome.interrupted {
            out += &self.without_property(expect);
            out += &self.again.drift.map(drift_text).unwrap_or_default();
            out += &format!("\n{}\n", self.parting(expect));
        }
        out + &format!("to judge it afresh: {}\n\n", self.judge())
    }

    fn judge(&self) -> String {
        let on = self.args.scenario.iter().flat_map(|scenario| ["--scenario", scenario]);
        commands::line(self.called, ["replay", &self.args.case].into_iter().chain(on).chain(["--no-expect"]))
    }

    /// Whoever renames a property must not take its silence for a cure.
    fn without_property(&self, expect: &Expectation) -> String {
        let judged = &self.again.run.outcome.properties;
        let missing = expect.property.iter().find(|wanted| judged.iter().all(|judged| judged.name != **wanted));
        missing.map_or(String::new(), |missing| {
            format!("\nthe scenario has no property \"{missing}\", so nobody judged that\n")
        })
    }

    /// How many decisions applied; which ones, when the run is another one than was recorded.
    fn decisions(&self) -> String {
        let decisions = &self.again.decisions;
        if decisions.is_empty() {
            return String::new();
        }
        let (applied, total) = (self.again.applied(), decisions.len());
        let mut out = format!("{applied} of {} applied\n", text::counted(total as u64, "decision"));
        if self.again.reproduced {
            return out;
        }
        for (line, applied) in decisions {
            out += &format!("  {:<15}{line}\n", if *applied { "applied" } else { "did not apply" });
        }
        out.push('\n');
        out
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

fn drift_json(Drift { events, at }: Drift) -> Value {
    json!({
        "events": {"recorded": events.0, "now": events.1},
        "at_ns": {"recorded": at.0.map(|at| at.nanos()), "now": at.1.nanos()},
    })
}

/// `it fails at event 128, 1.722 s: 8 events and 222 ms later than when it was recorded`
fn drift_text(Drift { events, at }: Drift) -> String {
    let shifts: Vec<String> = [
        events.0.map(|recorded| shift(recorded, events.1, |events| text::counted(events, "event"))),
        at.0.map(|recorded| shift(recorded.nanos(), at.1.nanos(), text::length)),
    ]
    .into_iter()
    .flatten()
    .flatten()
    .collect();
    let than = match (shifts.is_empty(), events.0.is_some()) {
        (false, _) => format!(": {} than when it was recorded", shifts.join(" and ")),
        (true, true) => ", as when it was recorded".to_owned(),
        (true, false) => String::new(),
    };
    format!("\nit fails at event {}, {}{than}\n", text::count(events.1), text::length(at.1.nanos()))
}

/// How much later or earlier; nothing when it is the same.
fn shift(recorded: u64, now: u64, said: impl Fn(u64) -> String) -> Option<String> {
    match now.cmp(&recorded) {
        Ordering::Equal => None,
        Ordering::Greater => Some(format!("{} later", said(now - recorded))),
        Ordering::Less => Some(format!("{} earlier", said(recorded - now))),
    }
}
