//! Pictures of numbers, as values: what is drawn stands here, how it looks stands in [`terminal`] and [`svg`].
//!
//! A figure has never heard of a simulation. It is honest by construction: columns stand on zero, an interval without an end is drawn
//! open, what cannot be drawn is counted and said, and a series without a sample is `–`.

mod grid;
pub(crate) mod palette;
pub(crate) mod scale;
pub(crate) mod svg;
pub(crate) mod terminal;

#[cfg(test)]
pub(crate) mod examples;

use crate::figure::scale::{Kind, Scale, Unit};
use crate::text;

/// A picture: what is drawn, over which axes, with which words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    /// What its file is called, without an ending: lower case letters and hyphens.
    pub(crate) name: String,
    pub(crate) title: String,
    /// What a reader has to know to read it right; may be empty.
    pub(crate) caption: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    pub(crate) marks: Vec<Mark>,
}

/// What a direction of the picture means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) unit: Unit,
    pub(crate) ruler: Ruler,
    /// Values that are on it, whether drawn or not, such as zero.
    includes: Vec<f64>,
}

/// How values are put on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ruler {
    /// Numbers on a scale.
    Numbers(Kind),
    /// Names below each other, the first on top; a value is the place of its row, from 0. Only the y axis has them.
    Rows(Vec<String>),
}

/// Things of one kind, with the name that the legend gives them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// Empty: it needs no legend.
    pub(crate) name: String,
    pub(crate) data: Data,
}

/// What a series draws.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    /// Columns from zero up. Those of a later series stand on those of the earlier ones that begin at the same place.
    Columns(Vec<Column>),
    /// Points joined by straight lines; where a value is missing the line has a gap.
    Line(Vec<(f64, Option<f64>)>),
    /// A value that holds from its x to the next one's, drawn as stairs.
    Steps(Vec<(f64, f64)>),
    /// Values with their intervals: up and down at an x, or to the left and right in a row.
    Intervals(Vec<Interval>),
}

/// One column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) height: f64,
}

/// A value with its interval, at a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    /// The x, or the row.
    pub(crate) at: f64,
    /// None: no sample; `–` is drawn.
    pub(crate) value: Option<f64>,
    /// None: nothing is known in that direction; an arrow is drawn.
    pub(crate) lo: Option<f64>,
    /// None: nothing is known in that direction; an arrow is drawn.
    pub(crate) hi: Option<f64>,
}

/// Something about a stretch of the x axis, or an instant of it: a fault, a knee.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) from: f64,
    /// An instant has the same as `from`; infinite: to the end of the picture.
    pub(crate) to: f64,
    /// Empty: one of the same kind has the name already.
    pub(crate) label: String,
}

impl Figure {
    /// A picture in which nothing is drawn yet.
    pub(crate) fn new(name: &str, title: &str, x: Axis, y: Axis) -> Figure {
        let (name, title) = (name.to_owned(), title.to_owned());
        Figure { name, title, caption: String::new(), x, y, series: Vec::new(), marks: Vec::new() }
    }

    /// The same with words below it.
    pub(crate) fn caption(self, caption: impl Into<String>) -> Figure {
        Figure { caption: caption.into(), ..self }
    }

    /// The same with one series more.
    pub(crate) fn with(mut self, name: impl Into<String>, data: Data) -> Figure {
        self.series.push(Series { name: name.into(), data });
        self
    }

    /// The same with these marks on its x axis.
    pub(crate) fn marked(self, marks: Vec<Mark>) -> Figure {
        Figure { marks, ..self }
    }

    /// The rows of the y axis, if it has any.
    pub(crate) fn rows(&self) -> Option<&[String]> {
        match &self.y.ruler {
            Ruler::Rows(rows) => Some(rows),
            Ruler::Numbers(_) => None,
        }
    }

    /// The scale of the x axis; none when there is nothing to put on it.
    pub(crate) fn x_scale(&self) -> Option<Scale> {
        let has_rows = self.rows().is_some();
        let values = self.series.iter().flat_map(|series| match &series.data {
            Data::Columns(columns) => columns.iter().flat_map(|column| [column.from, column.to]).collect(),
            Data::Line(points) => points.iter().map(|(x, _)| *x).collect(),
            Data::Steps(points) => points.iter().map(|(x, _)| *x).collect(),
            Data::Intervals(all) if has_rows => all.iter().flat_map(Interval::values).collect(),
            Data::Intervals(all) => all.iter().map(|interval| interval.at).collect::<Vec<f64>>(),
        });
        let scale = self.x.scale(values)?;
        let stands_alone = self.series.iter().any(|series| matches!(series.data, Data::Intervals(_)));
        Some(match (has_rows, stands_alone) {
            (true, _) => scale.rounded(),
            (false, true) => scale.padded(),
            (false, false) => scale,
        })
    }

    /// The scale of the y axis; none when there is nothing to put on it, or it has rows.
    pub(crate) fn y_scale(&self) -> Option<Scale> {
        let stacked = self.stacks().into_iter().flatten().flat_map(|(base, column)| [base, base + column.height]);
        let values = self.series.iter().flat_map(|series| match &series.data {
            Data::Columns(_) => Vec::new(),
            Data::Line(points) => points.iter().filter_map(|(_, y)| *y).collect(),
            Data::Steps(points) => points.iter().map(|(_, y)| *y).collect(),
            Data::Intervals(all) => all.iter().flat_map(Interval::values).collect::<Vec<f64>>(),
        });
        self.y.scale(values.chain(stacked)).map(Scale::rounded)
    }

    /// The columns of each series, each with the height on which it stands; empty for a series that has none.
    pub(crate) fn stacks(&self) -> Vec<Vec<(f64, Column)>> {
        let mut below: Vec<(f64, f64)> = Vec::new();
        let mut stacks = Vec::new();
        for series in &self.series {
            let Data::Columns(columns) = &series.data else {
                stacks.push(Vec::new());
                continue;
            };
            let mut stack = Vec::new();
            for column in columns.iter().filter(|column| column.height.is_finite()) {
                match below.iter_mut().find(|(from, _)| *from == column.from) {
                    Some((_, top)) => {
                        stack.push((*top, *column));
                        *top += column.height;
                    }
                    None => {
                        stack.push((0.0, *column));
                        below.push((column.from, column.height));
                    }
                }
            }
            stacks.push(stack);
        }
        stacks
    }

    /// The caption, and how much could not be drawn.
    pub(crate) fn words(&self) -> String {
        let missing = self.series.iter().map(|series| series.data.infinite()).sum::<usize>();
        let said = match missing {
            0 => String::new(),
            1 => "1 infinite value is not drawn.".to_owned(),
            many => format!("{} infinite values are not drawn.", text::count(many as u64)),
        };
        [self.caption.as_str(), &said].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Whether there is anything to see.
    pub(crate) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.data.is_empty())
    }
}

impl Data {
    fn is_empty(&self) -> bool {
        match self {
            Data::Columns(columns) => columns.iter().all(|column| column.height == 0.0),
            Data::Line(points) => points.iter().all(|(_, y)| y.is_none()),
            Data::Steps(points) => points.is_empty(),
            Data::Intervals(all) => all.iter().all(|interval| interval.value.is_none()),
        }
    }

    /// How many values are no numbers that have a place.
    fn infinite(&self) -> usize {
        let count = |values: &mut dyn Iterator<Item = f64>| values.filter(|value| !value.is_finite()).count();
        match self {
            Data::Columns(columns) => count(&mut columns.iter().map(|column| column.height)),
            Data::Line(points) => count(&mut points.iter().filter_map(|(_, y)| *y)),
            Data::Steps(points) => count(&mut points.iter().map(|(_, y)| *y)),
            Data::Intervals(all) => count(&mut all.iter().filter_map(|interval| interval.value)),
        }
    }
}

impl Interval {
    /// A value and its interval in row or at place `at`.
    pub(crate) fn new(at: f64, value: Option<f64>, lo: Option<f64>, hi: Option<f64>) -> Interval {
        Interval { at, value, lo, hi }
    }

    /// The lower end, if it has a place.
    pub(crate) fn low(&self) -> Option<f64> {
        self.lo.filter(|lo| lo.is_finite())
    }

    /// The upper end, if it has a place.
    pub(crate) fn high(&self) -> Option<f64> {
        self.hi.filter(|hi| hi.is_finite())
    }

    fn values(&self) -> Vec<f64> {
        self.value.into_iter().chain(self.low()).chain(self.high()).collect()
    }
}

impl Mark {
    /// Something that holds from one place to another.
    pub(crate) fn span(from: f64, to: f64, label: impl Into<String>) -> Mark {
        Mark { from, to, label: label.into() }
    }

    /// Something at one place.
    pub(crate) fn instant(at: f64, label: impl Into<String>) -> Mark {
        Mark { from: at, to: at, label: label.into() }
    }
}

impl Axis {
    fn new(label: &str, unit: Unit, ruler: Ruler) -> Axis {
        Axis { label: label.to_owned(), unit, ruler, includes: Vec::new() }
    }

    /// Equal steps are equal differences.
    pub(crate) fn linear(label: &str, unit: Unit) -> Axis {
        Axis::new(label, unit, Ruler::Numbers(Kind::Linear))
    }

    /// Equal steps are equal factors; zeros have a place of their own, before all others.
    pub(crate) fn log(label: &str, unit: Unit) -> Axis {
        Axis::new(label, unit, Ruler::Numbers(Kind::Log))
    }

    /// Shares below one; each step leaves out a tenth of what the last one left: 90 %, 99 %, 99.9 %.
    pub(crate) fn nines(label: &str) -> Axis {
        Axis::new(label, Unit::Share, Ruler::Numbers(Kind::Nines))
    }

    /// Rows with names, the first on top.
    pub(crate) fn rows(label: &str, names: Vec<String>) -> Axis {
        Axis::new(label, Unit::Number, Ruler::Rows(names))
    }

    /// The same axis, on which these values are in any case.
    pub(crate) fn including(mut self, values: &[f64]) -> Axis {
        self.includes.extend(values);
        self
    }

    fn scale(&self, values: impl Iterator<Item = f64>) -> Option<Scale> {
        let Ruler::Numbers(kind) = &self.ruler else { return None };
        let mut drawn = values.peekable();
        drawn.peek()?;
        Scale::over(*kind, self.unit, drawn.chain(self.includes.iter().copied()))
    }
}
