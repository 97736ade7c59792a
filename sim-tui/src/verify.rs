//! `verify`: holds what a scenario's file says of itself and of its remedies against many runs, and says whether it came out.

use serde_json::{Map, Value, json};
use sim_core::{Instant, Limits, Verdict};
use sim_models::language::Choices;
use sim_models::program::Expected;
use sim_models::scenario::Model;
use sim_models::stats::{Confidence, rule_of_three};
use sim_models::study::{Claim, LEVEL, Metric, Questions, Sheet, compare};

use crate::cli::VerifyArgs;
use crate::configuration::Configuration;
use crate::estimates::{NOTHING, between, difference, interval_at, interval_of_difference, roughly, with_interval};
use crate::figure::{Axis, Data, Figure};
use crate::load::{self, Loaded};
use crate::observing::{self, Observer};
use crate::page::Page;
use crate::report::{Bad, Exit, Report, bad};
use crate::study::estimate_json;
use crate::text;

/// Verifies, and tells.
pub(crate) fn command(args: &VerifyArgs, called: &str) -> Result<Report, Bad> {
    let loaded = load::scenario(&args.scenario, called)?;
    args.pictures.check(&args.scenario, None)?;
    let configurations = configurations(&loaded)?;
    let metrics = metrics(&configurations)?;
    let seeds = observing::range(args.seeds, configurations.len())?;
    let models: Vec<&Model> = configurations.iter().map(|of| &of.model).collect();
    let questions = Questions { metrics, warmup: Instant::ZERO, limits: Limits::default() };
    let observer = Observer::new(args.workers.count())?;
    let sheet = observer.observe(&models, &questions, seeds, Sheet::default());
    let interrupted = observer.is_interrupted();
    drop(observer);
    let verified = Verified::new(loaded, configurations, &questions.metrics, sheet, args, interrupted);
    let failed = if verified.came_out() == Some(true) { Exit::Held } else { Exit::Failed };
    let exit = failed.unless(interrupted);
    let document = verified.json();
    let mut text = if args.output.json { format!("{document:#}\n") } else { verified.page(false).text() };
    if args.pictures.are_wanted() {
        let page = verified.page(true);
        text += &args.pictures.plots(&page);
        args.pictures.write(&page, &document)?;
    }
    Ok(Report { text, exit })
}

/// The scenario as its file has it, then with each remedy and variant that says what to expect.
fn configurations(loaded: &Loaded) -> Result<Vec<Configuration>, Bad> {
    let named = loaded.scenario.document().settings().remedies().map(|remedy| Some(remedy.name.clone()));
    let model = |name: Option<String>| {
        let choices = name.iter().fold(Choices::none(), |choices, name| choices.remedy(name));
        let model = loaded.scenario.model(&choices).map_err(load::told)?;
        Ok(Configuration { name: name.unwrap_or_else(|| "as it is".to_owned()), model })
    };
    let all: Vec<Configuration> = std::iter::once(None).chain(named).map(model).collect::<Result<_, Bad>>()?;
    let own = all.first().map(|of| of.model.program().expect.clone()).unwrap_or_default();
    // A remedy without expectations of its own has those of the file, which are not about it.
    let says = |(at, of): &(usize, Configuration)| *at == 0 || of.model.program().expect != own;
    let kept: Vec<Configuration> = all.into_iter().enumerate().filter(says).map(|(_, of)| of).collect();
    if kept.iter().all(|of| of.model.program().expect.is_empty()) {
        return Err(bad!(
            "{} expects nothing: there is nothing to verify\nsay what to expect, such as \"expect\": {{\"double_charged\": [580, 744]}}, of the scenario or of a remedy",
            loaded.name
        ));
    }
    Ok(kept)
}

/// Every metric of which something is expected, once.
fn metrics(configurations: &[Configuration]) -> Result<Vec<Metric>, Bad> {
    let mut metrics: Vec<Metric> = vec![];
    for of in configurations {
        let program = of.model.program();
        for (name, _) in &program.expect {
            if metrics.iter().all(|known| known.name != *name) {
                metrics.push(Metric::named(name, program).map_err(Bad)?);
            }
        }
    }
    let program = configurations.first().map(|of| of.model.program());
    let failing = program.map(|program| Metric::named("failing", program)).transpose().map_err(Bad)?;
    metrics.extend(failing);
    Ok(metrics)
}

/// All that was verified.
struct Verified {
    loaded: Loaded,
    configurations: Vec<Configuration>,
    sheet: Sheet,
    /// By configuration: its claims, each with the difference that it makes.
    claims: Vec<Vec<Checked>>,
    confidence: Confidence,
    seeds: String,
    interrupted: bool,
}

/// A claim, and how the metric differs from that of the scenario as it is, in words and in JSON.
struct Checked {
    claim: Claim,
    differs: String,
    effect: Value,
}

impl Verified {
    fn new(
        loaded: Loaded,
        configurations: Vec<Configuration>,
        metrics: &[Metric],
        sheet: Sheet,
        args: &VerifyArgs,
        interrupted: bool,
    ) -> Verified {
        let comparison = compare(&sheet, configurations.len(), metrics, args.confidence);
        let mut all = Vec::new();
        let mut whose = Vec::new();
        for (at, of) in configurations.iter().enumerate() {
            for (name, expected) in &of.model.program().expect {
                let Some(index) = metrics.iter().position(|metric| metric.name == *name) else { continue };
                all.push(Claim::of(&sheet, at, index, &metrics[index], *expected, args.confidence));
                whose.push((at, index));
            }
        }
        let mut claims: Vec<Vec<Checked>> = configurations.iter().map(|_| Vec::new()).collect();
        for (claim, (at, index)) in all.into_iter().zip(whose) {
            let found = comparison.differences[at].get(index);
            let estimate = found.map(|found| found.estimate);
            let unit = &metrics[index].unit;
            let differs = estimate.map_or(String::new(), |estimate| {
                format!("{} {}", difference(unit, &estimate), interval_of_difference(unit, &estimate))
                    .trim_end()
                    .to_owned()
            });
            let effect =
                estimate.map_or(Value::Null, |estimate| Value::Object(estimate_json(&estimate, &between(unit))));
            claims[at].push(Checked { claim, differs, effect });
        }
        let seeds = format!("{}..{}", args.seeds.from, args.seeds.from + sheet.seeds());
        Verified { loaded, configurations, sheet, claims, confidence: args.confidence, seeds, interrupted }
    }

    /// Whether all came out; nobody knows without a run.
    fn came_out(&self) -> Option<bool> {
        self.claims.iter().flatten().try_fold(true, |all, checked| Some(all && checked.claim.came_out?))
    }

    fn json(&self) -> Value {
        let claims = self.configurations.iter().zip(&self.claims).flat_map(|(of, claims)| {
            claims.iter().map(|Checked { claim, effect, .. }| {
                json!({
                    "configuration": of.name,
                    "metric": claim.metric.name,
                    "expected": expected_json(claim.expected),
                    "came_out": claim.came_out,
                    "runs": claim.of,
                    "outside": claim.outside,
                    "first_outside": claim.first.map(|(seed, value)| json!({"seed": seed.to_string(), "value": value})),
                    "chance": claim.chance,
                    "least": claim.range.map(|(least, _)| least),
                    "greatest": claim.range.map(|(_, greatest)| greatest),
                    "mean": estimate_json(&claim.estimate, claim.unit()),
                    "effect": effect,
                })
            })
        });
        let claims: Vec<Value> = claims.collect();
        let verdicts = self.configurations.iter().enumerate().map(|(at, of)| {
            let failing = self.sheet.verdicts(at).filter(|verdict| verdict.is_failure()).count();
            (of.name.clone(), json!({"runs": self.sheet.seeds(), "failing": failing}))
        });
        json!({
            "scenario": self.loaded.name,
            "seeds": self.sheet.seeds(),
            "seed_range": self.seeds,
            "confidence": self.confidence.share(),
            "came_out": self.came_out(),
            "claims": claims,
            "configurations": verdicts.collect::<Map<_, _>>(),
            "interrupted": self.interrupted,
        })
    }

    fn page(&self, with_figures: bool) -> Page {
        let title = self.loaded.scenario.text_of("title");
        let mut page = Page::new(if title.is_empty() { self.loaded.name.clone() } else { title });
        page.paragraph(self.headline());
        page.paragraph(self.rules());
        for (at, (of, claims)) in self.configurations.iter().zip(&self.claims).enumerate() {
            if claims.is_empty() {
                continue;
            }
            page.heading(&of.name);
            page.table(&["so", "metric", "expected", "mean", "outside"], &claims.iter().map(row).collect::<Vec<_>>());
            let effects = claims.iter().filter(|checked| !checked.differs.is_empty());
            let effects =
                effects.map(|Checked { claim, differs, .. }| vec![claim.metric.name.clone(), differs.clone()]);
            page.table(&["", "difference from as it is"], &effects.collect::<Vec<_>>());
            page.paragraph(self.fails(at));
            for Checked { claim, .. } in claims.iter().filter(|checked| checked.claim.came_out == Some(false)) {
                page.paragraph(refuted(claim));
            }
        }
        if with_figures {
            self.figures().into_iter().for_each(|figure| page.figure(figure));
        }
        page
    }

    fn headline(&self) -> String {
        let all = self.claims.iter().flatten();
        let (count, not) =
            (all.clone().count() as u64, all.filter(|of| of.claim.came_out == Some(false)).count() as u64);
        let verdict = match (self.came_out(), not) {
            (None, _) => "Nobody knows".to_owned(),
            (Some(true), _) => "All came out".to_owned(),
            (Some(false), 1) => "One did not come out".to_owned(),
            (Some(false), not) => format!("{} did not come out", text::count(not)),
        };
        let mut words = format!(
            "{verdict}: {} over {} ({}).",
            text::counted(count, "expectation"),
            text::counted(self.sheet.seeds(), "seed"),
            self.seeds,
        );
        if self.interrupted {
            words += " Interrupted: these are the seeds that were done.";
        }
        words
    }

    /// What is asked of the runs, and what they leave open.
    fn rules(&self) -> String {
        let open = rule_of_three(self.sheet.seeds(), self.confidence).hi.map(roughly).unwrap_or_default();
        format!(
            "A bare number is to be so in every run; that it is in these leaves up to {open} of runs in which it may not be. An interval is to hold 99.9 % of \
             runs; a true one is refuted with a chance of {} at most. Means by replications, in intervals of {}.",
            roughly(LEVEL),
            text::percent(self.confidence.share()),
        )
    }

    /// How many runs break a property.
    fn fails(&self, at: usize) -> String {
        let failing = self.sheet.verdicts(at).filter(|verdict| verdict.is_failure()).count() as u64;
        let cut = self.sheet.verdicts(at).filter(|verdict| *verdict == Verdict::OutOfLimits).count() as u64;
        let limits = if cut > 0 { format!("; {} ended by a limit", text::counted(cut, "run")) } else { String::new() };
        format!("A property fails in {} of {} runs{limits}.", text::count(failing), text::count(self.sheet.seeds()))
    }

    /// For each metric, its mean in every configuration that says something of it.
    fn figures(&self) -> Vec<Figure> {
        let mut names: Vec<&str> = Vec::new();
        let all = || {
            self.configurations
                .iter()
                .zip(&self.claims)
                .flat_map(|(of, claims)| claims.iter().map(move |c| (of, &c.claim)))
        };
        for (_, claim) in all() {
            if !names.contains(&claim.metric.name.as_str()) {
                names.push(&claim.metric.name);
            }
        }
        let figure = |name: &&str| {
            let of_it: Vec<(&Configuration, &Claim)> = all().filter(|(_, claim)| claim.metric.name == **name).collect();
            let rows = of_it.iter().map(|(of, _)| of.name.clone()).collect();
            let unit = of_it[0].1.unit();
            let x = Axis::linear(&of_it[0].1.metric.title(), crate::estimates::drawn_in(unit).0);
            let intervals =
                of_it.iter().enumerate().map(|(at, (_, claim))| interval_at(at as f64, unit, &claim.estimate));
            Figure::new(&text::slug(name), name, x, Axis::rows("", rows)).with("", Data::Intervals(intervals.collect()))
        };
        names.iter().map(figure).collect()
    }
}

fn row(checked: &Checked) -> Vec<String> {
    let Checked { claim, .. } = checked;
    let so = claim.came_out.map_or(NOTHING, |came_out| if came_out { "yes" } else { "NO" });
    vec![
        so.to_owned(),
        claim.metric.name.clone(),
        expected(claim.expected),
        with_interval(claim.unit(), &claim.estimate),
        format!("{} of {}", text::count(claim.outside), text::count(claim.of)),
    ]
}

fn expected(expected: Expected) -> String {
    match expected {
        Expected::Exactly(number) => text::number(number),
        Expected::Between(from, to) => format!("{} to {}", text::number(from), text::number(to)),
        Expected::Never => "never".to_owned(),
    }
}

fn expected_json(expected: Expected) -> Value {
    match expected {
        Expected::Exactly(number) => json!(number),
        Expected::Between(from, to) => json!([from, to]),
        Expected::Never => Value::Null,
    }
}

/// Why a claim did not come out.
fn refuted(claim: &Claim) -> String {
    let Claim { metric, of, outside, first, range, .. } = claim;
    let range = range.map_or(String::new(), |(least, greatest)| {
        format!("; its values go from {} to {}", text::number(least), text::number(greatest))
    });
    let first = first.map_or(String::new(), |(seed, value)| {
        format!("; first with seed {seed}, where it is {}", value.map_or("never".to_owned(), text::number))
    });
    let luck = match claim.expected {
        Expected::Between(..) => {
            format!(", which happens by luck with a chance of {}", roughly(claim.chance))
        }
        Expected::Exactly(_) | Expected::Never => String::new(),
    };
    format!("{}: outside in {} of {} runs{luck}{first}{range}.", metric.name, text::count(*outside), text::count(*of))
}
