//! `sweep`: a scenario with one or two settings over ranges, on the same seeds at every point; a table, pictures, and where a metric comes to a
//! number or turns.

use serde_json::{Map, Value, json};
use sim_models::scenario::Model;
use sim_models::study::{
    Bend, Crossing, Knee, Met, Metric, POINTS_MAX, Point, Profile, Scale, Sheet, Standing, Unit, Vary, crossing, knee,
    standing, standings,
};

use crate::cli::SweepArgs;
use crate::configuration::{Base, Configuration};
use crate::estimates::{drawn_in, interval_at, measured_as, roughly, with_interval};
use crate::figure::scale::Unit as AxisUnit;
use crate::figure::{Axis, Data, Figure, Mark};
use crate::files::write_whole;
use crate::observing::Observer;
use crate::page::Page;
use crate::report::{Bad, Exit, Report, bad};
use crate::study::{Observed, Study, constant, methods};
use crate::text;

/// Sweeps, and tells.
pub(crate) fn command(args: &SweepArgs, called: &str) -> Result<Report, Bad> {
    let base = Base::load(&args.what, called)?;
    let grid = Grid::read(args, &base)?;
    args.pictures.check(&args.what.scenario, args.csv.as_deref())?;
    let configurations = grid.configurations(&base)?;
    let wanted = Wanted::read(args, &configurations, &grid)?;
    let more: Vec<&str> = wanted.iter().map(|wanted| wanted.metric.as_str()).collect();
    let study = Study::new(&args.evidence, &configurations, &more)?;
    let models: Vec<&Model> = configurations.iter().map(|of| &of.model).collect();
    let observer = Observer::new(args.workers.count())?;
    let observed = study.observe(&observer, &models)?;
    let standings = standings(&observed.sheet, configurations.len(), study.metrics(), study.confidence);
    let mut swept = Swept { base, grid, study, observed, configurations, standings, located: None };
    if let Some(wanted) = wanted {
        swept.located = Some(swept.locate(&observer, wanted)?);
        swept.observed.interrupted |= observer.is_interrupted();
    }
    drop(observer);
    let document = swept.json();
    let exit = Exit::Held.unless(swept.observed.interrupted);
    if let Some(path) = &args.csv {
        let text = swept.csv().map_err(|error| bad!("--csv {}: {error}", path.display()))?;
        write_whole(path, text.trim_end())
            .map_err(|error| bad!("--csv {} cannot be written: {error}", path.display()))?;
    }
    let mut text = if args.output.json { format!("{document:#}\n") } else { swept.page(false).text() };
    if args.pictures.are_wanted() {
        let page = swept.page(true);
        text += &args.pictures.plots(&page);
        args.pictures.write(&page, &document)?;
    }
    Ok(Report { text, exit })
}

/// The settings that are varied.
struct Grid {
    first: Vary,
    second: Option<Vary>,
}

impl Grid {
    fn read(args: &SweepArgs, base: &Base) -> Result<Grid, Bad> {
        let settings = base.settings()?;
        let varied: Vec<Vary> =
            args.vary.iter().map(|line| Vary::read(line, &settings)).collect::<Result<_, _>>().map_err(Bad)?;
        let points = varied.iter().map(|vary| vary.points.len() as u64).product::<u64>();
        if points > POINTS_MAX {
            let points = text::count(points);
            return Err(bad!(
                "--vary: {points} points are more than the {POINTS_MAX} that a sweep may have; take larger steps"
            ));
        }
        let mut varied = varied.into_iter();
        match (varied.next(), varied.next(), varied.next()) {
            (Some(first), Some(second), None) if first.setting == second.setting => {
                Err(bad!("--vary {} stands twice; vary two settings, or write all of its values in one", first.setting))
            }
            (Some(first), second, None) => Ok(Grid { first, second }),
            _ => Err(bad!("--vary: a sweep has one or two settings; compare has configurations of any number")),
        }
    }

    /// Every point: the value of the first setting, and of the second if there is one. The second one changes faster.
    fn points(&self) -> Vec<Vec<(&str, &Point)>> {
        let first = self.first.points.iter().map(|point| (self.first.setting.as_str(), point));
        let Some(second) = &self.second else { return first.map(|one| vec![one]).collect() };
        first
            .flat_map(|one| second.points.iter().map(move |point| vec![one, (second.setting.as_str(), point)]))
            .collect()
    }

    fn configurations(&self, base: &Base) -> Result<Vec<Configuration>, Bad> {
        let turned = |point: &Vec<(&str, &Point)>| {
            let settings: Vec<(&str, &str)> = point.iter().map(|(name, point)| (*name, point.text.as_str())).collect();
            base.turned(&settings)
        };
        self.points().iter().map(turned).collect()
    }

    fn settings(&self) -> impl Iterator<Item = &Vary> {
        std::iter::once(&self.first).chain(&self.second)
    }
}

/// A place that is to be found.
struct Wanted {
    metric: String,
    /// The number that the metric comes to; none: where it turns.
    number: Option<f64>,
    /// In ticks of the setting's scale.
    precision: i128,
    scale: Scale,
    unit: Unit,
}

impl Wanted {
    fn read(args: &SweepArgs, configurations: &[Configuration], grid: &Grid) -> Result<Option<Wanted>, Bad> {
        let (flag, metric, number) = match (&args.threshold, &args.knee) {
            (Some(line), _) => {
                let (metric, number) = threshold(line)?;
                ("--threshold", metric, Some(number))
            }
            (None, Some(metric)) => ("--knee", metric.trim(), None),
            (None, None) if args.precision.is_some() => {
                return Err(bad!("--precision is that of a place; say which with --threshold or --knee"));
            }
            (None, None) => return Ok(None),
        };
        let vary = &grid.first;
        let Some(scale) = vary.scale.clone().filter(|_| grid.second.is_none()) else {
            return Err(bad!(
                "{flag} looks along one setting whose values have an order; vary one such, such as timeout=1s..5s"
            ));
        };
        let ticks = |point: &Point| scale.ticks(&point.text).map_err(Bad);
        let rises = vary.points.windows(2).all(|pair| pair[0].position < pair[1].position);
        let ends = vary.points.first().zip(vary.points.last()).filter(|_| rises && vary.points.len() > 1);
        let Some((first, last)) = ends else {
            return Err(bad!(
                "{flag} looks between points that rise; {} has to have two or more of them",
                vary.setting
            ));
        };
        let precision = match &args.precision {
            None => ((ticks(last)? - ticks(first)?) / 100).max(1),
            Some(text) => match scale.ticks(text) {
                Ok(ticks) if ticks > 0 => ticks,
                Ok(_) => return Err(bad!("--precision {text} is never reached; write {}", scale.example())),
                Err(why) => return Err(bad!("--precision: {why}")),
            },
        };
        let Some(of) = configurations.first() else { return Ok(None) };
        let known = Metric::named(metric, of.model.program()).map_err(|why| bad!("{flag}: {why}"))?;
        let number = number.map(|number| in_unit(number, &known)).transpose()?;
        Ok(Some(Wanted { metric: metric.to_owned(), number, precision, scale, unit: known.unit }))
    }
}

/// Reads `double_charged = 100`; what may stand for the sign is not looked at more closely, a passage is a passage.
fn threshold(line: &str) -> Result<(&str, &str), Bad> {
    let parts =
        line.split_once(['=', '<', '>']).map(|(metric, number)| (metric.trim(), number.trim_start_matches('=').trim()));
    parts.filter(|(metric, number)| !metric.is_empty() && !number.is_empty()).ok_or_else(|| {
        bad!("--threshold {line}: write a metric and a number, such as \"double_charged = 100\" or \"p99 = 500ms\"")
    })
}

fn in_unit(text: &str, metric: &Metric) -> Result<f64, Bad> {
    let wrong =
        |wanted: &str| bad!("--threshold: \"{text}\" is not what {} is measured in; write {wanted}", metric.name);
    match &metric.unit {
        Unit::Millis => {
            let length = text.parse::<sim_core::Duration>().map_err(|_| wrong("a length of time, such as 500ms"))?;
            Ok(length.nanos() as f64 / 1e6)
        }
        Unit::Share | Unit::Points => {
            text.parse::<sim_core::Ratio>().map(sim_core::Ratio::as_f64).map_err(|_| wrong("a share, such as 99.9%"))
        }
        Unit::Plain(_) => {
            text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| wrong("a number, such as 100"))
        }
    }
}

/// What an axis of a setting's values is written in, and by how much its positions are multiplied for that.
fn setting_axis(scale: Option<&Scale>) -> (AxisUnit, f64) {
    match scale {
        Some(Scale::Duration) => (AxisUnit::Nanos, 1e9),
        Some(Scale::Ratio) => (AxisUnit::Share, 1.0),
        Some(Scale::Rate(_) | Scale::Int | Scale::Float) | None => (AxisUnit::Number, 1.0),
    }
}

/// A place that was looked for.
struct Located {
    wanted: Wanted,
    place: Place,
}

enum Place {
    Crossing(Option<Crossing>),
    Knee(Option<Knee>),
}

/// All that there is to tell.
struct Swept {
    base: Base,
    grid: Grid,
    study: Study,
    observed: Observed,
    configurations: Vec<Configuration>,
    standings: Vec<Vec<Standing>>,
    located: Option<Located>,
}

impl Swept {
    fn locate(&self, observer: &Observer, wanted: Wanted) -> Result<Located, Bad> {
        let index = self.study.metrics().iter().position(|metric| metric.name == wanted.metric).unwrap_or_default();
        let metric = &self.study.metrics()[index];
        let points = &self.grid.first.points;
        let ticks: Vec<i128> =
            points.iter().map(|point| wanted.scale.ticks(&point.text)).collect::<Result<_, _>>().map_err(Bad)?;
        let mut trouble = None;
        let mut between = |ticks: i128| match self.between(observer, &wanted.scale.text(ticks)) {
            Ok(sheet) => sheet,
            Err(why) => {
                trouble = Some(why);
                None
            }
        };
        let place = match wanted.number {
            Some(number) => {
                let met =
                    |(at, ticks): (usize, &i128)| Met { ticks: *ticks, estimate: self.standings[at][index].estimate };
                let known: Vec<Met> = ticks.iter().enumerate().map(met).collect();
                let measure =
                    |ticks| Some(standing(&between(ticks)?, 0, index, metric, self.study.confidence).estimate);
                Place::Crossing(crossing(&known, number, wanted.precision, measure))
            }
            None => {
                let bend = |sheet: &Sheet, configuration, ticks| Bend {
                    ticks,
                    position: self.position(wanted.scale.position(ticks)),
                    profile: Profile::of(sheet, configuration, index, metric),
                };
                let known =
                    ticks.iter().enumerate().map(|(at, ticks)| bend(&self.observed.sheet, at, *ticks)).collect();
                let measure = |ticks| Some(bend(&between(ticks)?, 0, ticks));
                Place::Knee(knee(known, wanted.precision, self.study.confidence, measure))
            }
        };
        trouble.map_or(Ok(Located { wanted, place }), Err)
    }

    /// Where a value stands on the axis of a picture, logarithmic or not.
    fn position(&self, position: f64) -> f64 {
        if self.grid.first.is_geometric { position.ln() } else { position }
    }

    /// The runs at a value that is no point of the sweep, with the same seeds; none when somebody ended them.
    fn between(&self, observer: &Observer, text: &str) -> Result<Option<Sheet>, Bad> {
        let Configuration { model, .. } = self.base.turned(&[(&self.grid.first.setting, text)])?;
        let seeds = self.observed.seeds.from..self.observed.seeds.end();
        let sheet = observer.observe(&[&model], &self.study.questions, seeds, Sheet::default());
        Ok((!observer.is_interrupted()).then_some(sheet))
    }

    fn json(&self) -> Value {
        let mut document = self.study.json(&self.base.scenario(), &self.observed);
        document.insert("settings".to_owned(), self.grid.settings().map(|vary| json!(vary.setting)).collect());
        let points = self.grid.points();
        let configurations = points.iter().zip(&self.configurations).enumerate().map(|(at, (point, of))| {
            let mut members = Map::new();
            let values: Map<String, Value> =
                point.iter().map(|(name, point)| ((*name).to_owned(), json!(point.text))).collect();
            let positions: Map<String, Value> =
                point.iter().map(|(name, point)| ((*name).to_owned(), json!(point.position))).collect();
            members.insert("point".to_owned(), Value::Object(values));
            members.insert("position".to_owned(), Value::Object(positions));
            members.extend(self.study.configuration_json(&self.observed, at, of, &self.standings[at]));
            Value::Object(members)
        });
        document.insert("points".to_owned(), configurations.collect());
        let located = self.located.as_ref().map(|located| located.json(&self.grid.first));
        document.insert("located".to_owned(), located.unwrap_or_default());
        Value::Object(document)
    }

    fn csv(&self) -> Result<String, Box<dyn std::error::Error>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        let columns = self.study.metrics().iter().flat_map(|metric| {
            let name = if metric.unit == Unit::Millis { format!("{}_ms", metric.name) } else { metric.name.clone() };
            ["", "_lo", "_hi", "_n", "_method"].map(|part| format!("{name}{part}"))
        });
        out.write_record(self.grid.settings().map(|vary| vary.setting.clone()).chain(columns))?;
        for (point, standings) in self.grid.points().iter().zip(&self.standings) {
            let number = |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
            let values = standings.iter().flat_map(|Standing { estimate, .. }| {
                let ends = [number(estimate.value), number(estimate.lo), number(estimate.hi)];
                ends.into_iter().chain([estimate.n.to_string(), estimate.method.name().to_owned()])
            });
            out.write_record(point.iter().map(|(_, point)| point.text.clone()).chain(values))?;
        }
        Ok(String::from_utf8(out.into_inner()?)?)
    }

    fn page(&self, with_figures: bool) -> Page {
        let mut page = Page::new(self.base.title());
        let varied: Vec<String> = self.grid.settings().map(|vary| vary.setting.clone()).collect();
        page.paragraph(format!(
            "{} over {}. {}",
            varied.join(" and "),
            text::counted(self.configurations.len() as u64, "point"),
            self.study.foreword(&self.observed, self.configurations.len())
        ));
        if let Some(located) = &self.located {
            page.paragraph(located.words(&self.grid.first, self.study.confidence.share()));
        }
        // As many metrics beside each other as 80 columns hold.
        let metrics: Vec<usize> = (0..self.study.metrics().len()).collect();
        for beside in metrics.chunks(2) {
            let titles: Vec<String> = beside.iter().map(|at| self.study.metrics()[*at].title()).collect();
            let head: Vec<&str> = varied.iter().map(String::as_str).chain(titles.iter().map(String::as_str)).collect();
            page.table(&head, &self.rows(beside));
        }
        constant(&self.standings).into_iter().for_each(|words| page.paragraph(words));
        page.paragraph(methods(
            self.study
                .metrics()
                .iter()
                .enumerate()
                .map(|(at, metric)| (metric.name.as_str(), self.standings.iter().map(|of| &of[at].estimate).collect())),
        ));
        if with_figures {
            (0..self.study.metrics().len()).for_each(|at| page.figure(self.figure(at)));
        }
        let left_out = self.study.left_out(&self.observed, &self.configurations, &self.standings);
        if !left_out.is_empty() {
            page.heading("Counted apart");
            page.lines(left_out.iter().flat_map(|line| text::hanging("  ", line)).collect());
        }
        page
    }

    fn rows(&self, metrics: &[usize]) -> Vec<Vec<String>> {
        let row = |(point, standings): (&Vec<(&str, &Point)>, &Vec<Standing>)| {
            let shown = |at: &usize| with_interval(&self.study.metrics()[*at].unit, &standings[*at].estimate);
            point.iter().map(|(_, point)| point.text.clone()).chain(metrics.iter().map(shown)).collect()
        };
        self.grid.points().iter().zip(&self.standings).map(row).collect()
    }

    /// A metric against the first setting, a series for each value of the second. Values that have no order stand below each other.
    fn figure(&self, index: usize) -> Figure {
        let metric = &self.study.metrics()[index];
        let vary = &self.grid.first;
        let ((x_unit, _), (unit, _)) = (setting_axis(vary.scale.as_ref()), drawn_in(&metric.unit));
        let (x, y) = match (&vary.scale, vary.is_geometric) {
            (None, _) => {
                let names = vary.points.iter().map(|point| point.text.clone()).collect();
                (Axis::linear(&metric.title(), unit), Axis::rows(&vary.setting, names))
            }
            (Some(_), true) => (Axis::log(&vary.setting, x_unit), Axis::linear(&metric.title(), unit)),
            (Some(_), false) => (Axis::linear(&vary.setting, x_unit), Axis::linear(&metric.title(), unit)),
        };
        let title = format!("{} by {}", metric.name, vary.setting);
        let mut figure = Figure::new(&text::slug(&title), &title, x, y);
        let others = self.grid.second.as_ref().map_or(1, |second| second.points.len());
        for other in 0..others {
            let name = self
                .grid
                .second
                .as_ref()
                .map_or(String::new(), |second| format!("{} {}", second.setting, second.points[other].text));
            let interval = |(at, point): (usize, &Point)| {
                let estimate = &self.standings[at * others + other][index].estimate;
                interval_at(setting_axis(vary.scale.as_ref()).1 * point.position, &metric.unit, estimate)
            };
            figure = figure.with(name, Data::Intervals(vary.points.iter().enumerate().map(interval).collect()));
        }
        let located = self.located.as_ref().filter(|located| located.wanted.metric == metric.name);
        figure.marked(located.and_then(Located::mark).into_iter().collect())
    }
}

impl Located {
    /// The place in words.
    fn words(&self, vary: &Vary, confidence: f64) -> String {
        let Wanted { metric, scale, precision, .. } = &self.wanted;
        let (setting, value) = (&vary.setting, |ticks: i128| scale.text(ticks));
        let ends = vary.points.first().zip(vary.points.last());
        let range = ends.map_or(String::new(), |(first, last)| format!("from {} to {}", first.text, last.text));
        let sure = text::percent(confidence);
        match &self.place {
            Place::Crossing(None) => {
                format!("{metric} does not come to {} {range}: at every point it is on the same side.", self.number())
            }
            Place::Crossing(Some(found)) => {
                let way = if found.rises { "rises" } else { "falls" };
                let mut words = format!(
                    "{metric} {way} through {} between {setting}={} and {setting}={}.",
                    self.number(),
                    value(found.between.0),
                    value(found.between.1)
                );
                words += &match (found.surely_before, found.surely_behind) {
                    (Some(before), Some(behind)) => format!(
                        " The nearest values at which intervals of {sure} leave no doubt are {} and {}.",
                        value(before),
                        value(behind)
                    ),
                    (Some(before), None) => {
                        format!(
                            " The nearest value before it at which an interval of {sure} leaves no doubt is {}; behind it there is none.",
                            value(before)
                        )
                    }
                    (None, Some(behind)) => format!(
                        " The nearest value behind it at which an interval of {sure} leaves no doubt is {}; before it there is none.",
                        value(behind)
                    ),
                    (None, None) => format!(" No interval of {sure} leaves it out: more seeds would tell."),
                };
                if found.times > 1 {
                    words += &format!(
                        " It passes {} times in this range; this is the first.",
                        text::count(found.times as u64)
                    );
                }
                if found.between.1 - found.between.0 > *precision {
                    words += " The precision asked for is not reached.";
                }
                words
            }
            Place::Knee(None) => format!(
                "{metric} has no knee {range}: it is a straight line, or the same everywhere, or there are fewer than three points."
            ),
            Place::Knee(Some(found)) => {
                let range = found.range.map_or_else(
                    || "too few seeds for an interval".to_owned(),
                    |(from, to)| format!("{sure}: {} to {}", value(from), value(to)),
                );
                format!(
                    "{metric} turns at {setting}={} ({range}; points {} apart at most); there it is {} of its height away from the straight line \
                     between its ends.",
                    value(found.at),
                    value(*precision),
                    roughly(found.distance)
                )
            }
        }
    }

    fn number(&self) -> String {
        self.wanted.number.map_or(String::new(), |number| measured_as(&self.wanted.unit, number))
    }

    fn mark(&self) -> Option<Mark> {
        let factor = setting_axis(Some(&self.wanted.scale)).1;
        let position = |ticks: i128| factor * self.wanted.scale.position(ticks);
        match &self.place {
            Place::Crossing(Some(found)) => {
                Some(Mark::instant(position(found.between.1), format!("{} = {}", self.wanted.metric, self.number())))
            }
            Place::Knee(Some(found)) => Some(match found.range.filter(|(from, to)| from < to) {
                Some((from, to)) => Mark::span(position(from), position(to), "knee"),
                None => Mark::instant(position(found.at), "knee"),
            }),
            Place::Crossing(None) | Place::Knee(None) => None,
        }
    }

    fn json(&self, vary: &Vary) -> Value {
        let Wanted { metric, scale, precision, number, .. } = &self.wanted;
        let value = |ticks: i128| json!(scale.text(ticks));
        let mut members = Map::new();
        let mut put = |key: &str, value: Value| _ = members.insert(key.to_owned(), value);
        put("setting", json!(vary.setting));
        put("metric", json!(metric));
        put("precision", value(*precision));
        match &self.place {
            Place::Crossing(found) => {
                put("kind", json!("threshold"));
                put("number", json!(number));
                let found = found.as_ref();
                put("between", json!(found.map(|found| [scale.text(found.between.0), scale.text(found.between.1)])));
                put("surely_before", json!(found.and_then(|found| found.surely_before).map(value)));
                put("surely_behind", json!(found.and_then(|found| found.surely_behind).map(value)));
                put("times", json!(found.map_or(0, |found| found.times)));
                put("rises", json!(found.map(|found| found.rises)));
            }
            Place::Knee(found) => {
                put("kind", json!("knee"));
                put("at", json!(found.map(|found| value(found.at))));
                let range = found.as_ref().and_then(|found| found.range);
                put("from", json!(range.map(|(from, _)| value(from))));
                put("to", json!(range.map(|(_, to)| value(to))));
                put("distance", json!(found.map(|found| found.distance)));
            }
        }
        Value::Object(members)
    }
}
