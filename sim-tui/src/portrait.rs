//! Pictures of one run: what became of its requests, how long they took, and when faults held.

use sim_core::{Histogram, Ratio};
use sim_models::scenario::{Model, Run};
use sim_models::traffic::{Held, Part, Stretch, Watched};

use crate::figure::scale::Unit;
use crate::figure::{Axis, Column, Data, Figure, Mark};
use crate::measures;
use crate::text;

/// What the pictures of a run are made from.
pub(crate) struct Portrait<'a> {
    model: &'a Model,
    run: &'a Run,
    watched: &'a Watched,
    parts: Vec<Part>,
    total: Stretch,
}

/// What is counted of a stretch.
type Count = fn(&Stretch) -> u64;

/// Stretches of a run at most: one or more letters of a line for each.
const STRETCHES: usize = 60;

impl<'a> Portrait<'a> {
    pub(crate) fn of(model: &'a Model, run: &'a Run, watched: &'a Watched) -> Portrait<'a> {
        let parts = watched.traffic.parts(run.outcome.end, STRETCHES);
        Portrait { model, run, watched, parts, total: watched.traffic.total() }
    }

    /// Requests a second over time, by what became of them.
    pub(crate) fn requests(&self) -> Figure {
        let counts: [(&str, Count); 4] = [
            ("ok", |stretch| stretch.ok),
            ("error", |stretch| stretch.error),
            ("unknown", |stretch| stretch.unknown),
            ("unanswered", |stretch| stretch.unanswered),
        ];
        let rate = |part: &Part, count: u64| count as f64 / part.length().as_secs_f64();
        let columns = |count: Count| {
            let column = |part: &Part| {
                let (from, to) = (part.from.nanos() as f64, part.to.nanos() as f64);
                Column { from, to, height: rate(part, count(&part.stretch)) }
            };
            Data::Columns(self.parts.iter().map(column).collect())
        };
        let axes = (Axis::linear("time", Unit::Nanos), Axis::linear("requests a second", Unit::Number));
        let figure = Figure::new("requests", "Requests over time, by outcome", axes.0, axes.1);
        // The first is there in any case, so that each outcome always looks the same.
        let has_any = |name: &str, count: Count| name == "ok" || count(&self.total) > 0;
        let named =
            counts.iter().map(|(name, count)| (if has_any(name, *count) { *name } else { "" }, columns(*count)));
        named
            .fold(figure, |figure, (name, data)| figure.with(name, data))
            .marked(self.marks())
            .caption(self.stretches())
    }

    /// The median and the 99th percentile of latency over time.
    pub(crate) fn latency(&self) -> Figure {
        let line = |percent: u64| {
            let share = Ratio::new(percent, 100).unwrap_or(Ratio::ONE);
            let point = |part: &Part| {
                let middle = (part.from.nanos() / 2 + part.to.nanos() / 2) as f64;
                (middle, part.stretch.latencies.quantile(share).map(|bucket| bucket.middle() as f64))
            };
            Data::Line(self.parts.iter().map(point).collect())
        };
        let time = Axis::linear("time", Unit::Nanos).including(&[0.0, self.run.outcome.end.nanos() as f64]);
        let few = self.parts.iter().map(|part| part.stretch.latencies.count()).any(|count| (1..100).contains(&count));
        let few = if few { " Of fewer than 100 requests the p99 is the longest." } else { "" };
        Figure::new("latency", "Latency over time", time, Axis::log("latency", Unit::Nanos))
            .with("p50", line(50))
            .with("p99", line(99))
            .marked(self.marks())
            .caption(self.stretches() + few)
    }

    /// How many requests took how long.
    pub(crate) fn histogram(&self) -> Figure {
        let axes = (Axis::log("latency", Unit::Nanos), Axis::linear("requests", Unit::Count));
        let title = format!("How long {} took", text::counted(self.total.latencies.count(), "request"));
        let columns = columns(&self.total.latencies);
        let figure = Figure::new("latency-histogram", &title, axes.0, axes.1).caption(self.measured_how());
        figure.with("", Data::Columns(columns))
    }

    /// Which latency so many requests do not exceed.
    pub(crate) fn quantiles(&self) -> Figure {
        let axes = (Axis::nines("share of requests that take no longer"), Axis::log("latency", Unit::Nanos));
        let mut figure = Figure::new("latency-quantiles", "Latency by quantile", axes.0, axes.1);
        let latencies = &self.total.latencies;
        let all = latencies.count() as f64;
        let mut below = 0;
        let mut steps = Vec::new();
        for bucket in latencies.buckets() {
            steps.push((below as f64 / all, bucket.middle() as f64));
            below += bucket.count;
        }
        // The longest is the quantile of all that is left; half of a request is left out of the picture.
        steps.extend(latencies.max().map(|max| (1.0 - 0.5 / all, max as f64)));
        if below > 0 {
            let said: Vec<String> =
                measures::latency_cells(self.run).iter().map(|(name, value)| format!("{name} {value}")).collect();
            figure = figure.caption(format!("{}.", said.join(", ")));
        }
        figure.with("", Data::Steps(steps))
    }

    /// Which share of requests takes longer.
    pub(crate) fn survival(&self) -> Figure {
        let axes = (Axis::log("latency", Unit::Nanos), Axis::log("share of requests that take longer", Unit::Share));
        let latencies = &self.total.latencies;
        let all = latencies.count() as f64;
        let mut left = latencies.count();
        let mut steps: Vec<(f64, f64)> = latencies.min().map(|min| (min as f64, 1.0)).into_iter().collect();
        for bucket in latencies.buckets() {
            let before = left as f64 / all;
            left -= bucket.count;
            // Longer than the longest takes none, which has no place on a logarithmic axis: the line ends there.
            steps.push((bucket.middle() as f64, if left > 0 { left as f64 / all } else { before }));
        }
        let caption = latencies.max().map(|max| format!("The line ends at the longest, {}.", text::length(max)));
        Figure::new("latency-survival", "How many requests take longer", axes.0, axes.1)
            .with("", Data::Steps(steps))
            .caption(caption.unwrap_or_default())
    }

    /// How the stretches are to be read.
    fn stretches(&self) -> String {
        match self.parts.first() {
            None => String::new(),
            Some(part) => {
                let length = text::length(part.length().nanos());
                format!("By the {length} in which a request was to begin.{}", self.more_marks())
            }
        }
    }

    fn measured_how(&self) -> String {
        match self.total.unanswered {
            0 => "From when a request was to begin to its outcome, whatever that is.".to_owned(),
            open => {
                let open = text::counted(open, "request");
                format!(
                    "From when a request was to begin to its outcome, whatever that is; {open} without one not counted."
                )
            }
        }
    }

    fn more_marks(&self) -> String {
        match self.watched.more_held {
            0 => String::new(),
            more => format!(" Faults held {} more often than is marked.", times(more)),
        }
    }

    /// When faults held; the first time of each with its name.
    fn marks(&self) -> Vec<Mark> {
        let mut named = vec![false; self.model.faults().len()];
        let mark = |held: &Held| {
            let place = held.fault as usize;
            let is_first = named.get_mut(place).is_some_and(|named| !std::mem::replace(named, true));
            let label = self.model.faults().get(place).filter(|_| is_first).map(without_time).unwrap_or_default();
            let to = held.to.map_or(f64::INFINITY, |to| to.nanos() as f64);
            Mark::span(held.from.nanos() as f64, to, label)
        };
        self.watched.held.iter().map(mark).collect()
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", text::count(count)) }
}

/// A fault as it is written, without the time that the axis shows.
fn without_time(fault: &sim_core::Fault) -> String {
    let line = fault.to_string();
    let mut words = line.split(' ').skip_while(|word| *word != fault.verb()).peekable();
    if words.peek().is_none() { line } else { words.collect::<Vec<_>>().join(" ") }
}

/// Latencies in columns that are equally wide on a logarithmic axis; those of zero have one of their own.
fn columns(latencies: &Histogram) -> Vec<Column> {
    const MOST: f64 = 60.0;
    let positive = latencies.buckets().filter(|bucket| bucket.middle() > 0).map(|bucket| bucket.middle() as f64);
    let (low, high) =
        positive.fold((f64::INFINITY, 1.0), |(low, high): (f64, f64), nanos| (low.min(nanos), high.max(nanos)));
    let decades = (high / low).log10().max(0.0);
    let per_decade = [40.0, 20.0, 10.0, 5.0, 2.0].into_iter().find(|per| decades * per <= MOST).unwrap_or(1.0);
    let place = |nanos: f64| (nanos.log10() * per_decade + 1e-9).floor();
    let edge = |place: f64| 10f64.powf(place / per_decade);
    let mut columns: Vec<Column> = Vec::new();
    for bucket in latencies.buckets() {
        let (nanos, count) = (bucket.middle() as f64, bucket.count as f64);
        let (from, to) = if nanos == 0.0 { (0.0, 0.0) } else { (edge(place(nanos)), edge(place(nanos) + 1.0)) };
        match columns.last_mut().filter(|last| last.from == from) {
            Some(last) => last.height += count,
            None => columns.push(Column { from, to, height: count }),
        }
    }
    columns
}
