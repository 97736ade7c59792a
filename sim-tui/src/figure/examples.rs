//! A figure of each kind, and of each kind of trouble, for the tests of those who draw.

use crate::figure::scale::Unit;
use crate::figure::{Axis, Column, Data, Figure, Interval, Mark};

const SECOND: f64 = 1e9;

/// All of them.
pub(crate) fn all() -> Vec<Figure> {
    let mut all = vec![histogram(), quantiles(), survival(), requests(), latencies(), sweep(), comparison()];
    all.extend(troubles());
    all
}

pub(crate) fn histogram() -> Figure {
    let heights = [3, 40, 300, 900, 700, 250, 90, 30, 8, 0, 1];
    let columns = heights.iter().enumerate().map(|(index, height)| Column {
        from: 1e6 * 2f64.powi(index as i32),
        to: 1e6 * 2f64.powi(index as i32 + 1),
        height: f64::from(*height),
    });
    Figure::new("histogram", "Latency of 2,322 requests", Axis::log("latency", Unit::Nanos), requests_axis())
        .with("", Data::Columns(columns.collect()))
        .caption("Each column is twice as wide as the one before it.")
}

fn requests_axis() -> Axis {
    Axis::linear("requests", Unit::Count)
}

pub(crate) fn quantiles() -> Figure {
    let steps = (0..1000).map(|rank| {
        let share = f64::from(rank) / 1000.0;
        (share, 0.05 * SECOND * (1.0 - share).powf(-0.6))
    });
    Figure::new("quantiles", "Latency by quantile", Axis::nines("share of requests"), Axis::log("latency", Unit::Nanos))
        .with("", Data::Steps(steps.collect()))
}

pub(crate) fn survival() -> Figure {
    let steps = (1..=400).map(|rank| (1e6 * f64::from(rank), 1.0 - f64::from(rank - 1) / 400.0));
    let axes = (Axis::log("latency", Unit::Nanos), Axis::log("share that takes longer", Unit::Share));
    Figure::new("survival", "How many take longer", axes.0, axes.1).with("", Data::Steps(steps.collect()))
}

fn stretches(height: impl Fn(u32) -> f64) -> Data {
    let column = |index: u32| Column {
        from: f64::from(index) * 20.0 * SECOND,
        to: f64::from(index + 1) * 20.0 * SECOND,
        height: height(index),
    };
    Data::Columns((0..50).map(column).collect())
}

fn marks() -> Vec<Mark> {
    vec![
        Mark::span(100.0 * SECOND, 200.0 * SECOND, "loss left->right put 20%"),
        Mark::instant(700.0 * SECOND, "clock north step -160ms"),
        Mark::span(650.0 * SECOND, f64::INFINITY, "slow south x10"),
    ]
}

pub(crate) fn requests() -> Figure {
    let ok = |index: u32| if (5..10).contains(&index) { 7.5 } else { 10.0 + f64::from(index % 3) };
    let error = |index: u32| if (5..10).contains(&index) { 2.5 } else { 0.0 };
    let unknown = |index: u32| if index == 35 { 0.05 } else { 0.0 };
    let axes = (Axis::linear("time", Unit::Nanos), Axis::linear("requests a second", Unit::Number));
    Figure::new("requests", "Requests by outcome", axes.0, axes.1)
        .with("ok", stretches(ok))
        .with("error", stretches(error))
        .with("unknown", stretches(unknown))
        .marked(marks())
}

pub(crate) fn latencies() -> Figure {
    let line = |factor: f64| {
        let at = |index: u32| (f64::from(index) * 20.0 + 10.0) * SECOND;
        let value =
            |index: u32| (index != 20).then(|| factor * SECOND * if (5..10).contains(&index) { 4.0 } else { 1.0 });
        Data::Line((0..50).map(|index| (at(index), value(index))).collect())
    };
    let axes = (Axis::linear("time", Unit::Nanos), Axis::log("latency", Unit::Nanos));
    Figure::new("latencies", "Latency over time", axes.0, axes.1)
        .with("p50", line(0.3))
        .with("p99", line(1.7))
        .marked(marks())
}

pub(crate) fn sweep() -> Figure {
    let with = |factor: f64| {
        let interval = |index: u32| {
            let value = factor * 0.4f64.powi(index as i32);
            let hi = (index != 4).then_some(value * 1.5);
            Interval::new(f64::from(index + 1) * 0.5 * SECOND, Some(value), Some(value * 0.6), hi)
        };
        let none = Interval::new(3.0 * SECOND, None, None, None);
        Data::Intervals((0..5).map(interval).chain([none]).collect())
    };
    let axes = (Axis::linear("wait", Unit::Nanos), Axis::linear("mishaps", Unit::Share).including(&[0.0]));
    Figure::new("sweep", "Mishaps by wait", axes.0, axes.1)
        .with("one try", with(0.2))
        .with("three tries", with(0.35))
        .marked(vec![Mark::span(1.2 * SECOND, 1.35 * SECOND, "knee")])
}

pub(crate) fn comparison() -> Figure {
    let rows = ["first remedy", "longer wait", "second remedy, which has a name that is too long", "half", "none"];
    let intervals = vec![
        Interval::new(0.0, Some(-0.065), Some(-0.071), Some(-0.059)),
        Interval::new(1.0, Some(-0.02), None, Some(0.01)),
        Interval::new(2.0, Some(0.03), Some(0.01), Some(0.05)),
        Interval::new(3.0, Some(0.0), Some(0.0), Some(f64::INFINITY)),
        Interval::new(4.0, None, None, None),
    ];
    let rows = Axis::rows("", rows.map(str::to_owned).to_vec());
    Figure::new("comparison", "Change of mishaps", Axis::linear("difference", Unit::Share).including(&[0.0]), rows)
        .with("", Data::Intervals(intervals))
}

/// No sample, one sample, zeros on a logarithmic axis, infinite values, words that are marks elsewhere.
pub(crate) fn troubles() -> Vec<Figure> {
    let axes = || (Axis::log("latency", Unit::Nanos), requests_axis());
    let columns = |columns: Vec<Column>| {
        let (x, y) = axes();
        Figure::new("trouble", "Trouble", x, y).with("", Data::Columns(columns))
    };
    let steps = |steps: Vec<(f64, f64)>| {
        let axes = (Axis::nines("share of requests"), Axis::log("latency", Unit::Nanos));
        Figure::new("trouble", "Trouble", axes.0, axes.1).with("", Data::Steps(steps))
    };
    let evil = "<script>alert('&\"')</script>";
    let line = vec![(0.0, Some(f64::INFINITY)), (SECOND, Some(2.0)), (2.0 * SECOND, Some(f64::NAN))];
    vec![
        columns(Vec::new()),
        columns(vec![Column { from: 0.0, to: 0.0, height: 7.0 }]),
        columns(vec![Column { from: 1e6, to: 1e6, height: 1.0 }]),
        steps(vec![(0.0, 0.0), (0.5, 0.0)]),
        steps(vec![(0.0, 5e6), (0.5, 5e6)]),
        steps(vec![(0.0, 0.0), (0.3, 5e6), (0.99999, 2e9)]),
        Figure::new("evil", evil, Axis::linear(evil, Unit::Nanos), Axis::linear(evil, Unit::Number))
            .with(evil, Data::Line(line))
            .marked(vec![Mark::span(f64::NEG_INFINITY, f64::INFINITY, evil), Mark::instant(5.0 * SECOND, "not seen")])
            .caption(evil),
        Figure::new("rows", "Nothing", Axis::linear("part", Unit::Share), Axis::rows("", Vec::new()))
            .with("", Data::Intervals(Vec::new())),
    ]
}
