//! What comparisons, sweeps and verifications share: which metrics they look at, how many seeds they take, what they say of both.

use serde_json::{Map, Value, json};
use sim_core::{Duration, Instant, Limits, Verdict};
use sim_models::scenario::Model;
use sim_models::stats::{Confidence, Decision, Estimate, Goal, Precision};
use sim_models::study::{Metric, Questions, Sheet, Standing, Unit, standings};

use crate::cli::Evidence;
use crate::configuration::Configuration;
use crate::observing::{self, Observer};
use crate::report::{Bad, bad};
use crate::seeds::Seeds;
use crate::text;

/// What is asked of the runs, and how many there are.
pub(crate) struct Study {
    pub(crate) questions: Questions,
    pub(crate) confidence: Confidence,
    warmup: Option<Duration>,
    seeds: Seeds,
    known: Option<Known>,
}

/// How well a metric is to be known before it is enough.
struct Known {
    /// As it was written.
    text: String,
    /// The metric, by its place.
    metric: usize,
    goal: Goal,
}

/// What the runs came to.
pub(crate) struct Observed {
    pub(crate) sheet: Sheet,
    /// Whether somebody ended it.
    pub(crate) interrupted: bool,
    /// Of a precision that was asked for: what it was, and whether it was reached.
    pub(crate) known: Option<(String, bool)>,
    /// The seeds that were run.
    pub(crate) seeds: Seeds,
}

/// So many lines of what is counted apart are read by somebody.
const LINES: usize = 20;

/// Where a precision is asked for and nobody says how many seeds it may take.
const SEEDS_KNOWN: u64 = 10_000;

impl Study {
    /// What a command line asks of these configurations; `more` are metrics that it names elsewhere.
    ///
    /// # Errors
    /// A metric that one of them does not have, or a precision that is none.
    pub(crate) fn new(evidence: &Evidence, configurations: &[Configuration], more: &[&str]) -> Result<Study, Bad> {
        let known = evidence.until_known.as_deref().map(precision).transpose()?;
        let named = evidence.metric.iter().map(String::as_str).chain(more.iter().copied());
        let named: Vec<&str> = named.chain(known.as_ref().map(|(name, ..)| *name)).collect();
        let metrics = metrics(configurations, &named, evidence.metric.is_empty())?;
        let known = known.map(|(name, value, written)| -> Result<Known, Bad> {
            let metric = metrics.iter().position(|metric| metric.name == name).unwrap_or_default();
            let precision = value.precision(&metrics[metric].unit, written)?;
            let most = evidence.seeds.map_or(SEEDS_KNOWN, |seeds| seeds.end() - seeds.from);
            let goal = Goal { most, least: Goal::new(precision).least.min(most), ..Goal::new(precision) };
            Ok(Known { text: written.to_owned(), metric, goal })
        });
        let known = known.transpose()?;
        let default = if known.is_some() { SEEDS_KNOWN } else { 100 };
        let warmup = evidence.warmup.unwrap_or(Duration::ZERO);
        Ok(Study {
            questions: Questions { metrics, warmup: Instant::ZERO + warmup, limits: Limits::default() },
            confidence: evidence.confidence,
            warmup: evidence.warmup,
            seeds: evidence.seeds.unwrap_or(Seeds { from: 0, to: Some(default) }),
            known,
        })
    }

    /// Runs all configurations with as many seeds as it takes.
    pub(crate) fn observe(&self, observer: &Observer, models: &[&Model]) -> Result<Observed, Bad> {
        let range = observing::range(self.seeds, models.len())?;
        let mut sheet = Sheet::default();
        let mut end = self.known.as_ref().map_or(range.end, |known| range.start + known.goal.least);
        let mut reached = false;
        loop {
            sheet = observer.observe(models, &self.questions, range.start + sheet.seeds()..end, sheet);
            if observer.is_interrupted() {
                break;
            }
            match self.known.as_ref().map(|known| self.decision(known, &sheet, models.len())) {
                Some(Decision::More { total }) => end = range.start + total,
                Some(Decision::Enough) => {
                    reached = true;
                    break;
                }
                Some(Decision::OutOfReach) | None => break,
            }
        }
        let known = self.known.as_ref().map(|known| (known.text.clone(), reached));
        let seeds = Seeds { from: range.start, to: Some(range.start + sheet.seeds()) };
        Ok(Observed { sheet, interrupted: observer.is_interrupted(), known, seeds })
    }

    /// Enough when every configuration is known so well.
    fn decision(&self, known: &Known, sheet: &Sheet, configurations: usize) -> Decision {
        let all = standings(sheet, configurations, &self.questions.metrics, self.confidence);
        let decisions = all.iter().map(|of| known.goal.decide(&of[known.metric].estimate, sheet.seeds()));
        decisions.fold(Decision::Enough, |so_far, next| match (so_far, next) {
            (Decision::OutOfReach, _) | (_, Decision::OutOfReach) => Decision::OutOfReach,
            (Decision::More { total }, Decision::More { total: other }) => Decision::More { total: total.max(other) },
            (Decision::Enough, next) => next,
            (so_far, Decision::Enough) => so_far,
        })
    }

    /// The metrics that are looked at.
    pub(crate) fn metrics(&self) -> &[Metric] {
        &self.questions.metrics
    }

    /// How the runs were made, for the head of a report.
    pub(crate) fn foreword(&self, observed: &Observed, configurations: usize) -> String {
        let same = if configurations > 1 { ", the same for each configuration" } else { "" };
        let mut words = format!(
            "{} ({}){same}; intervals of {}.",
            text::counted(observed.sheet.seeds(), "seed"),
            observed.seeds,
            text::percent(self.confidence.share()),
        );
        if let Some((precision, reached)) = &observed.known {
            let most = if *reached { "reached" } else { "not reached with all seeds there were" };
            words += &format!(" The precision asked for, {precision}, is {most}.");
        }
        if observed.interrupted {
            words += " Interrupted: these are the seeds that were done.";
        }
        words
    }

    /// What is in no mean: runs without a number, requests without an outcome, the warm-up; and faults that did nothing.
    pub(crate) fn left_out(
        &self,
        observed: &Observed,
        configurations: &[Configuration],
        of: &[Vec<Standing>],
    ) -> Vec<String> {
        let sheet = &observed.sheet;
        let mut said = Vec::new();
        for (at, Configuration { name, model }) in configurations.iter().enumerate() {
            for (metric, standing) in self.metrics().iter().zip(&of[at]).filter(|(_, standing)| standing.without > 0) {
                let runs = text::counted(standing.without, "run");
                said.push(format!("{}, {name}: no value in {runs} of {}.", metric.name, text::count(sheet.seeds())));
            }
            let counted = |count: u64, what: &str| {
                (count > 0).then(|| format!("{name}: {} {what}.", text::counted(count, "request")))
            };
            said.extend(counted(sheet.unanswered(at), "without an outcome at the end of its run; in no rate"));
            if let Some(warmup) = self.warmup {
                let what = format!("sent in the first {warmup}, left out of latency and availability");
                said.extend(counted(sheet.warming(at), &what));
            }
            let cut = sheet.verdicts(at).filter(|verdict| is_cut(*verdict)).count() as u64;
            if cut > 0 {
                let runs = text::counted(cut, "run");
                said.push(format!("{name}: {runs} ended by a limit or a panic; what they measured counts nowhere."));
            }
            said.extend(
                sheet.inert(at).map(|fault| format!("{name}: had no effect in any run: {}", model.faults()[fault])),
            );
        }
        if said.len() > LINES {
            let more = said.len() - LINES;
            said.truncate(LINES);
            said.push(format!("and {} lines more of this kind; --json has all of it.", text::count(more as u64)));
        }
        said
    }

    /// The head of a JSON document.
    pub(crate) fn json(&self, scenario: &str, observed: &Observed) -> Map<String, Value> {
        let document = json!({
            "scenario": scenario,
            "seeds": observed.sheet.seeds(),
            "seed_range": observed.seeds.to_string(),
            "confidence": self.confidence.share(),
            "warmup": self.warmup.map(|warmup| warmup.to_string()),
            "until_known": observed.known.as_ref().map(|(text, reached)| json!({"precision": text, "reached": reached})),
            "interrupted": observed.interrupted,
        });
        match document {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    /// A configuration and how it does, in JSON.
    pub(crate) fn configuration_json(
        &self,
        observed: &Observed,
        at: usize,
        of: &Configuration,
        standings: &[Standing],
    ) -> Map<String, Value> {
        let sheet = &observed.sheet;
        let settings: Map<String, Value> =
            of.model.changed().iter().map(|(name, text)| (name.clone(), json!(text))).collect();
        let faults: Vec<String> = of.model.faults().iter().map(ToString::to_string).collect();
        let inert: Vec<String> = sheet.inert(at).map(|fault| of.model.faults()[fault].to_string()).collect();
        let mut verdicts = Map::new();
        for verdict in sheet.verdicts(at) {
            let count = verdicts.entry(verdict.to_string()).or_insert(json!(0));
            *count = json!(count.as_u64().unwrap_or_default() + 1);
        }
        let metrics = self.metrics().iter().zip(standings).map(|(metric, standing)| {
            let mut members = estimate_json(&standing.estimate, &metric.unit);
            members.insert("without".to_owned(), json!(standing.without));
            (metric.name.clone(), Value::Object(members))
        });
        let mut members = Map::new();
        members.insert("name".to_owned(), json!(of.name));
        members.insert("settings".to_owned(), Value::Object(settings));
        members.insert("faults".to_owned(), json!(faults));
        members.insert("verdicts".to_owned(), Value::Object(verdicts));
        members.insert("unanswered".to_owned(), json!(sheet.unanswered(at)));
        members.insert("warmup_requests".to_owned(), json!(sheet.warming(at)));
        members.insert("inert".to_owned(), json!(inert));
        members.insert("metrics".to_owned(), Value::Object(metrics.collect()));
        members
    }
}

fn is_cut(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Panicked | Verdict::OutOfLimits)
}

/// `{value lo hi method n unit}`
pub(crate) fn estimate_json(estimate: &Estimate, unit: &Unit) -> Map<String, Value> {
    let mut members = match json!(estimate) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert("unit".to_owned(), json!(unit_name(unit)));
    members
}

fn unit_name(unit: &Unit) -> &str {
    match unit {
        Unit::Share => "ratio",
        Unit::Points => "points",
        Unit::Millis => "ms",
        Unit::Plain(text) => text,
    }
}

/// The metrics with these names; the usual ones before them when none was chosen. Every configuration must have those that are named; of
/// the usual ones those are taken that all have.
fn metrics(configurations: &[Configuration], named: &[&str], with_usual: bool) -> Result<Vec<Metric>, Bad> {
    let Some((first, others)) = configurations.split_first() else { return Ok(Vec::new()) };
    let has = |of: &Configuration, name: &str| Metric::named(name, of.model.program());
    let mut metrics = Vec::new();
    if with_usual {
        metrics = Metric::usual(first.model.program());
        metrics.retain(|metric| others.iter().all(|of| has(of, &metric.name).is_ok()));
    }
    for name in named {
        let metric = has(first, name).map_err(Bad)?;
        for of in others {
            has(of, name).map_err(|why| bad!("{}: {why}", of.name))?;
        }
        if metrics.iter().all(|known| known.name != *name) {
            metrics.push(metric);
        }
    }
    Ok(metrics)
}

/// What stands behind the `=` of a precision.
enum Width<'a> {
    Percent(f64),
    Length(Duration),
    Number(f64),
    Nothing(&'a str),
}

/// Reads `p99=2%`.
fn precision(written: &str) -> Result<(&str, Width<'_>, &str), Bad> {
    let (name, width) = written
        .split_once('=')
        .ok_or_else(|| bad!("--until-known {written}: how well? write {written}=2%, or {written}=5 in its own unit"))?;
    let width = width.trim();
    let positive = |number: f64| number.is_finite() && number > 0.0;
    let width = match (width.strip_suffix('%'), width.parse::<f64>(), width.parse::<Duration>()) {
        (Some(percent), ..) => match percent.trim().parse::<f64>() {
            Ok(percent) if positive(percent) && percent < 100.0 => Width::Percent(percent),
            _ => Width::Nothing(width),
        },
        (None, Ok(number), _) if positive(number) => Width::Number(number),
        (None, _, Ok(length)) if !length.is_zero() => Width::Length(length),
        _ => Width::Nothing(width),
    };
    Ok((name.trim(), width, written))
}

impl Width<'_> {
    fn precision(&self, unit: &Unit, written: &str) -> Result<Precision, Bad> {
        match (self, unit) {
            (Width::Percent(percent), _) => Ok(Precision::Relative(percent / 100.0)),
            (Width::Length(length), Unit::Millis) => Ok(Precision::Absolute(length.nanos() as f64 / 1e6)),
            (Width::Number(number), Unit::Plain(_) | Unit::Share | Unit::Points) => Ok(Precision::Absolute(*number)),
            (Width::Number(number), Unit::Millis) => {
                Err(bad!("--until-known {written}: {number} has no unit; write {number}ms"))
            }
            (Width::Length(length), _) => Err(bad!(
                "--until-known {written}: {length} is a length of time, and the metric is none; write 2% or a number"
            )),
            (Width::Nothing(text), _) => Err(bad!(
                "--until-known {written}: \"{text}\" is no precision; write 2%, or a number above 0 in the metric's own unit"
            )),
        }
    }
}
