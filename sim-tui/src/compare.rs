//! `compare`: several configurations on the same seeds; what differs, which of it is real, what it costs, and how many seeds a sharper answer
//! would need.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sim_models::scenario::Model;
use sim_models::stats::{Better, Selection};
use sim_models::study::{Comparison, Difference, Found, Metric, Standing, Unit, compare};

use crate::cli::CompareArgs;
use crate::configuration::{Base, Configuration, is_calm};
use crate::estimates::{between, difference, drawn_in, interval_at, interval_of_difference, with_interval};
use crate::figure::{Axis, Data, Figure, Mark};
use crate::observing::Observer;
use crate::page::Page;
use crate::report::{Bad, Exit, Report, bad, note};
use crate::study::{Observed, Study, constant, estimate_json, methods};
use crate::text;

/// Compares, and tells.
pub(crate) fn command(args: &CompareArgs, called: &str) -> Result<Report, Bad> {
    let base = Base::load(&args.what, called)?;
    let configurations = configurations(args, &base, called)?;
    args.pictures.check(&args.what.scenario, None)?;
    let wanted = wanted(args);
    let more: Vec<&str> = wanted.iter().map(|(name, _)| *name).collect();
    let study = Study::new(&args.evidence, &configurations, &more)?;
    let models: Vec<&Model> = configurations.iter().map(|of| &of.model).collect();
    let observed = study.observe(&Observer::new(args.workers.count())?, &models)?;
    let comparison = compare(&observed.sheet, configurations.len(), study.metrics(), study.confidence);
    let best = wanted.map(|(name, better)| Best::of(&study, &observed, configurations.len(), name, better));
    let told =
        Told { scenario: base.scenario(), title: base.title(), study, observed, configurations, comparison, best };
    let exit = Exit::Held.unless(told.observed.interrupted);
    let document = told.json();
    let mut text = if args.output.json { format!("{document:#}\n") } else { told.page(false).text() };
    if args.pictures.are_wanted() {
        let page = told.page(true);
        text += &args.pictures.plots(&page);
        args.pictures.write(&page, &document)?;
    }
    Ok(Report { text, exit })
}

/// The base first, then what it is compared with.
fn configurations(args: &CompareArgs, base: &Base, called: &str) -> Result<Vec<Configuration>, Bad> {
    let mut all = vec![base.as_it_is()?];
    for text in &args.with {
        all.push(base.with(text, called)?);
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = all.iter().find(|of| !names.insert(of.name.as_str())) {
        return Err(bad!(
            "--with {} stands twice; each configuration is run once",
            crate::commands::quoted(&twice.name)
        ));
    }
    for Configuration { name, .. } in all.iter().filter(|of| is_calm(&of.model)) {
        note(&format!("{name} leaves nothing to the dice: every seed gives the same run"));
    }
    Ok(all)
}

fn wanted(args: &CompareArgs) -> Option<(&str, Better)> {
    let lowest = args.lowest.as_deref().map(|name| (name, Better::Less));
    lowest.or(args.highest.as_deref().map(|name| (name, Better::More)))
}

/// Which configuration is the best by a metric.
struct Best {
    metric: String,
    better: Better,
    /// None when the metric cannot say: a quantile of latency, or a metric that some run has no number for.
    selection: Option<Selection>,
}

impl Best {
    fn of(study: &Study, observed: &Observed, configurations: usize, name: &str, better: Better) -> Best {
        let at = study.metrics().iter().position(|metric| metric.name == name);
        let samples = at.and_then(|at| {
            let sample = |configuration| observed.sheet.values(configuration, at).collect::<Option<Vec<f64>>>();
            (0..configurations).map(sample).collect::<Option<Vec<_>>>()
        });
        let selection = samples.and_then(|samples| {
            let samples: Vec<&[f64]> = samples.iter().map(Vec::as_slice).collect();
            Selection::of(&samples, better, study.confidence)
        });
        Best { metric: name.to_owned(), better, selection }
    }
}

/// All that there is to tell.
struct Told {
    scenario: String,
    title: String,
    study: Study,
    observed: Observed,
    configurations: Vec<Configuration>,
    comparison: Comparison,
    best: Option<Best>,
}

impl Told {
    fn json(&self) -> Value {
        let mut document = self.study.json(&self.scenario, &self.observed);
        let configurations = self.configurations.iter().enumerate().map(|(at, of)| {
            let standings = &self.comparison.standings[at];
            let mut members = self.study.configuration_json(&self.observed, at, of, standings);
            members.insert("differences".to_owned(), self.differences_json(at));
            Value::Object(members)
        });
        document.insert("configurations".to_owned(), configurations.collect());
        document.insert("best".to_owned(), self.best.as_ref().map_or(Value::Null, |best| self.best_json(best)));
        Value::Object(document)
    }

    fn differences_json(&self, at: usize) -> Value {
        let pairs = self.study.metrics().iter().zip(&self.comparison.differences[at]);
        let json = pairs.map(|(metric, difference)| {
            let mut members = estimate_json(&difference.estimate, &between(&metric.unit));
            let (found, seeds) = match difference.found {
                Found::Lower => ("lower", None),
                Found::Higher => ("higher", None),
                Found::Same => ("same", None),
                Found::Open { seeds } => ("open", seeds),
            };
            let more = [
                ("chance", json!(difference.chance)),
                ("adjusted", json!(difference.adjusted)),
                ("found", json!(found)),
                ("seeds_to_tell", json!(seeds)),
                ("may_vary", json!(difference.may_vary)),
                ("narrower", json!(difference.narrower)),
            ];
            members.extend(more.map(|(key, value)| (key.to_owned(), value)));
            (metric.name.clone(), Value::Object(members))
        });
        Value::Object(json.collect::<Map<_, _>>())
    }

    fn best_json(&self, best: &Best) -> Value {
        let name = |at: &usize| self.configurations[*at].name.as_str();
        let which = if best.better == Better::Less { "lowest" } else { "highest" };
        let selection = best.selection.as_ref();
        json!({
            "metric": best.metric,
            "wanted": which,
            "best": selection.map(|selection| name(&selection.best)),
            "candidates": selection.map(|selection| selection.candidates.iter().map(name).collect::<Vec<_>>()),
            "loss_at_most": selection.and_then(loss),
        })
    }

    fn page(&self, with_figures: bool) -> Page {
        let mut page = Page::new(self.title.clone());
        page.paragraph(self.study.foreword(&self.observed, self.configurations.len()));
        let names = Names::of(&self.configurations);
        page.lines(names.legend.clone());
        if self.observed.sheet.seeds() == 0 {
            return page;
        }
        for (heading, is_cost) in [("What comes of it", false), ("What it costs", true)] {
            let metrics = self.study.metrics().iter().enumerate().filter(|(_, metric)| metric.is_cost() == is_cost);
            for (nth, (at, metric)) in metrics.enumerate() {
                if nth == 0 {
                    page.heading(heading);
                }
                page.table(&["", &metric.title(), "difference, seed by seed", ""], &self.rows(at, metric, &names));
                if with_figures {
                    self.figures(at, metric).into_iter().for_each(|figure| page.figure(figure));
                }
            }
        }
        for words in self.afterwords() {
            page.paragraph(words);
        }
        let left_out = self.study.left_out(&self.observed, &self.configurations, &self.comparison.standings);
        if !left_out.is_empty() {
            page.heading("Counted apart");
            page.lines(left_out.iter().flat_map(|line| text::hanging("  ", line)).collect());
        }
        page
    }

    /// A metric of each configuration.
    fn rows(&self, at: usize, metric: &Metric, names: &Names) -> Vec<Vec<String>> {
        let row = |(configuration, name): (usize, &String)| {
            let Standing { estimate, .. } = &self.comparison.standings[configuration][at];
            let (differs, found) = match self.comparison.differences[configuration].get(at) {
                None => (String::new(), String::new()),
                Some(found) => self.differs(metric, found),
            };
            vec![name.clone(), with_interval(&metric.unit, estimate), differs, found]
        };
        names.short.iter().enumerate().map(row).collect()
    }

    /// A metric of every configuration, and how it differs from the first.
    fn figures(&self, at: usize, metric: &Metric) -> Vec<Figure> {
        let rows: Vec<String> = self.configurations.iter().map(|of| of.name.clone()).collect();
        let values = self.comparison.standings.iter().enumerate();
        let values = values.map(|(row, of)| interval_at(row as f64, &metric.unit, &of[at].estimate)).collect();
        let x = Axis::linear(&metric.title(), drawn_in(&metric.unit).0);
        let name = text::slug(&metric.name);
        let mut figures =
            vec![Figure::new(&name, &metric.name, x, Axis::rows("", rows.clone())).with("", Data::Intervals(values))];
        if rows.len() > 1 {
            let unit = between(&metric.unit);
            let differences = self.comparison.differences[1..].iter().enumerate();
            let differences = differences.map(|(row, of)| interval_at(row as f64, &unit, &of[at].estimate)).collect();
            let title = format!("{}: difference from {}", metric.name, rows[0]);
            let points = if unit == Unit::Points { " (percentage points)" } else { "" };
            let x = Axis::linear(&format!("{title}{points}"), drawn_in(&unit).0).including(&[0.0]);
            let figure = Figure::new(&format!("{name}-difference"), &title, x, Axis::rows("", rows[1..].to_vec()));
            figures.push(figure.with("", Data::Intervals(differences)).marked(vec![Mark::instant(0.0, "none")]));
        }
        figures
    }

    fn differs(&self, metric: &Metric, found: &Difference) -> (String, String) {
        let estimate = &found.estimate;
        let shown =
            format!("{} {}", difference(&metric.unit, estimate), interval_of_difference(&metric.unit, estimate));
        let word = match found.found {
            Found::Lower => "lower",
            Found::Higher => "higher",
            Found::Same => "the same",
            Found::Open { .. } => "open",
        };
        (shown.trim_end().to_owned(), word.to_owned())
    }

    /// What the words of the last column mean, and what would tell more.
    fn afterwords(&self) -> Vec<String> {
        let differences: Vec<(usize, usize, &Difference)> = (1..self.configurations.len())
            .flat_map(|of| self.comparison.differences[of].iter().enumerate().map(move |(at, found)| (of, at, found)))
            .collect();
        if differences.is_empty() {
            return constant(&self.comparison.standings).into_iter().chain([self.methods()]).collect();
        }
        let risk = text::percent(1.0 - self.study.confidence.share());
        let all = match differences.len() as u64 {
            1 => "the difference".to_owned(),
            count => format!("one of the {}", text::counted(count, "difference")),
        };
        let mut words = vec![format!(
            "Lower and higher are real: that even {all} is called so and is none has a chance of {risk} at most (Holm). The same is the \
             same in every run. Open is what may be luck."
        )];
        words.extend(constant(&self.comparison.standings));
        words.extend(self.sharper(&differences));
        words.extend(pairing(&differences));
        words.extend(self.best.as_ref().map(|best| self.best_words(best)));
        words.push(self.methods());
        words
    }

    /// How values and differences were worked out.
    fn methods(&self) -> String {
        methods(self.study.metrics().iter().enumerate().map(|(at, metric)| {
            let values = self.comparison.standings.iter().map(|of| &of[at].estimate);
            let differences = self.comparison.differences.iter().filter_map(|of| Some(&of.get(at)?.estimate));
            (metric.name.as_str(), values.chain(differences).collect())
        }))
    }

    /// How many seeds would tell what is open.
    fn sharper(&self, differences: &[(usize, usize, &Difference)]) -> Option<String> {
        let open = differences.iter().filter_map(|(of, at, found)| match found.found {
            Found::Open { seeds: Some(seeds) } => {
                let (name, metric) = (&self.configurations[*of].name, &self.study.metrics()[*at].name);
                Some(format!("{metric} of {name} about {}", text::count(about(seeds))))
            }
            _ => None,
        });
        let open: Vec<String> = open.collect();
        let first = open.first()?;
        let rest = open[1..].iter().map(|one| format!("; {one}")).collect::<String>();
        Some(format!("To tell differences of this size it takes more seeds: {first}{rest}."))
    }

    fn best_words(&self, best: &Best) -> String {
        let which = if best.better == Better::Less { "lowest" } else { "highest" };
        let Some(selection) = &best.selection else {
            return format!(
                "Which has the {which} {} cannot be said: it takes two configurations and two seeds, and a metric that has a number in every \
                 run; quantiles of latency have none of their own in a run.",
                best.metric
            );
        };
        let name = |at: &usize| self.configurations[*at].name.clone();
        let sure = text::percent(self.study.confidence.share());
        match selection.candidates.as_slice() {
            [one] => format!("{} has the {which} {}, with a probability of at least {sure}.", name(one), best.metric),
            several => {
                let names = several.iter().map(name).collect::<Vec<_>>().join(", ");
                let loss = loss(selection).map_or(String::new(), |loss| {
                    format!(" Taking {} loses {} at most.", name(&selection.best), text::number(loss))
                });
                format!(
                    "The {which} {} is one of these, with a probability of at least {sure}: {names}.{loss}",
                    best.metric
                )
            }
        }
    }
}

/// By how much the one that is taken may be worse; what never varied says nothing of that.
fn loss(selection: &Selection) -> Option<f64> {
    (selection.loss_max > 0.0 || selection.candidates.len() == 1).then_some(selection.loss_max)
}

/// What the same seeds are worth.
fn pairing(differences: &[(usize, usize, &Difference)]) -> Option<String> {
    let mut times: Vec<f64> = differences.iter().filter_map(|(.., found)| found.narrower).collect();
    times.sort_by(f64::total_cmp);
    times.retain(|times| *times >= 1.05);
    let (least, most) = (times.first()?, times.last()?);
    let said = if format!("{least:.1}") == format!("{most:.1}") {
        format!("{least:.1}")
    } else {
        format!("{least:.1} to {most:.1}")
    };
    Some(format!(
        "On the same seeds the intervals of differences are {said} times narrower than on seeds of their own."
    ))
}

/// A guess, without digits that it does not have.
fn about(seeds: u64) -> u64 {
    let grain = 10u64.pow(seeds.max(1).ilog10().saturating_sub(1));
    seeds.div_ceil(grain) * grain
}

/// What configurations are called in a table: letters, which are told above it.
struct Names {
    short: Vec<String>,
    legend: Vec<String>,
}

impl Names {
    fn of(configurations: &[Configuration]) -> Names {
        let short: Vec<String> = (0..configurations.len()).map(letter).collect();
        let line = |(letter, of): (&String, &Configuration)| text::hanging(&format!("  {letter}  "), &of.name);
        let legend = short.iter().zip(configurations).flat_map(line).collect();
        Names { short, legend }
    }
}

/// A, B, … Z, then A2, B2 and so on.
fn letter(at: usize) -> String {
    let letter = char::from(b'A' + (at % 26) as u8);
    if at < 26 { letter.to_string() } else { format!("{letter}{}", at / 26 + 1) }
}
