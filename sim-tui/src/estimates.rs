//! Estimates for people: as many digits as the interval leaves, units that scale themselves, `–` for what is not known.

use sim_models::stats::{Estimate, Method};
use sim_models::study::Unit;

use crate::figure::Interval;
use crate::figure::scale::Unit as AxisUnit;
use crate::text;

/// What stands where there is no value.
pub(crate) const NOTHING: &str = "–";

/// The value alone: `663.4`, `2.31 s`, `47 %`.
pub(crate) fn value(unit: &Unit, estimate: &Estimate) -> String {
    estimate.value.map_or(NOTHING.to_owned(), |value| measured(unit, value, doubt(estimate), Sign::OfLess))
}

/// The value and its interval: `663.4 (660.1 to 666.8)`; `0 in every run` of what never varied.
pub(crate) fn with_interval(unit: &Unit, estimate: &Estimate) -> String {
    let never_varied = estimate.method == Method::Replications && estimate.half_width() == Some(0.0);
    let rest = if never_varied { "in every run".to_owned() } else { interval(unit, estimate) };
    format!("{} {rest}", value(unit, estimate)).trim_end().to_owned()
}

/// The value with its sign, for a difference: `−663.4`, `+12 ms`, `−47 pp`.
pub(crate) fn difference(unit: &Unit, estimate: &Estimate) -> String {
    estimate.value.map_or(NOTHING.to_owned(), |value| measured(&between(unit), value, doubt(estimate), Sign::Always))
}

/// The interval in parentheses, in the unit of the value and without it: `(660.1 to 666.8)`; of what is exact there is none.
pub(crate) fn interval(unit: &Unit, estimate: &Estimate) -> String {
    ends(unit, estimate, Sign::OfLess)
}

/// The interval of a difference.
pub(crate) fn interval_of_difference(unit: &Unit, estimate: &Estimate) -> String {
    ends(&between(unit), estimate, Sign::Always)
}

/// A number by itself.
pub(crate) fn measured_as(unit: &Unit, value: f64) -> String {
    measured(unit, value, None, Sign::OfLess)
}

/// Whether an interval holds a value, but for rounding: what does not vary has an interval without a width.
pub(crate) fn holds(estimate: &Estimate, value: f64) -> bool {
    const ROUNDED: f64 = 1e-9;
    estimate.covers(value) || estimate.value.is_some_and(|seen| (seen - value).abs() <= ROUNDED * value.abs())
}

/// A share to two digits: `4.9 %`.
pub(crate) fn roughly(share: f64) -> String {
    if share > 0.0 && share < 1e-6 {
        return "less than 0.0001 %".to_owned();
    }
    measured(&Unit::Share, share, (share > 0.0).then_some(share), Sign::OfLess)
}

/// What an axis of such values is written in, and by how much they are multiplied for that.
pub(crate) fn drawn_in(unit: &Unit) -> (AxisUnit, f64) {
    match unit {
        Unit::Share => (AxisUnit::Share, 1.0),
        Unit::Points => (AxisUnit::Number, 100.0),
        Unit::Millis => (AxisUnit::Nanos, 1e6),
        Unit::Plain(_) => (AxisUnit::Number, 1.0),
    }
}

/// An estimate as it is drawn in a row or at a place of the x axis.
pub(crate) fn interval_at(at: f64, unit: &Unit, estimate: &Estimate) -> Interval {
    let drawn = |end: Option<f64>| end.map(|end| end * drawn_in(unit).1);
    Interval::new(at, drawn(estimate.value), drawn(estimate.lo), drawn(estimate.hi))
}

/// What differences are measured in.
pub(crate) fn between(unit: &Unit) -> Unit {
    match unit {
        Unit::Share => Unit::Points,
        Unit::Points | Unit::Millis | Unit::Plain(_) => unit.clone(),
    }
}

fn ends(unit: &Unit, estimate: &Estimate, sign: Sign) -> String {
    let Some(value) = estimate.value.filter(|_| estimate.method != Method::Exact) else { return String::new() };
    let doubt = doubt(estimate);
    // In the scale of the value, so that the three can be compared at a glance.
    let (scale, name) = scale_for(unit, value, doubt);
    let number = |end: f64| signed(end * scale, doubt.map(|doubt| doubt * scale), sign);
    let with_name = |end: f64| if name.is_empty() { number(end) } else { format!("{} {name}", number(end)) };
    match (estimate.lo, estimate.hi) {
        (Some(lo), Some(hi)) => format!("({} to {})", number(lo), number(hi)),
        (Some(lo), None) => format!("(at least {})", with_name(lo)),
        (None, Some(hi)) => format!("(at most {})", with_name(hi)),
        (None, None) => "(no interval)".to_owned(),
    }
}

/// Half of what the interval leaves open; none without one.
fn doubt(estimate: &Estimate) -> Option<f64> {
    let (lo, hi, value) = (estimate.lo, estimate.hi, estimate.value?);
    let half = match (lo, hi) {
        (Some(lo), Some(hi)) => (hi - lo) / 2.0,
        (Some(end), None) | (None, Some(end)) => (end - value).abs(),
        (None, None) => return None,
    };
    (half > 0.0).then_some(half)
}

/// Whether a plus is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    OfLess,
    Always,
}

/// A number in a unit that suits it.
fn measured(unit: &Unit, value: f64, doubt: Option<f64>, sign: Sign) -> String {
    let (scale, name) = scale_for(unit, value, doubt);
    let number = signed(value * scale, doubt.map(|doubt| doubt * scale), sign);
    if name.is_empty() { number } else { format!("{number} {name}") }
}

/// By how much a number is multiplied to be told in a unit that suits it and its doubt, and the name of that.
fn scale_for(unit: &Unit, value: f64, doubt: Option<f64>) -> (f64, &'static str) {
    match unit {
        Unit::Share => (100.0, "%"),
        Unit::Points => (100.0, "pp"),
        Unit::Plain(_) => (1.0, ""),
        Unit::Millis => match value.abs().max(doubt.unwrap_or_default()) {
            0.0 => (1.0, "ms"),
            size if size < 1e-3 => (1e6, "ns"),
            size if size < 1.0 => (1e3, "µs"),
            size if size < 1e3 => (1.0, "ms"),
            size if size < 120e3 => (1e-3, "s"),
            size if size < 7_200e3 => (1.0 / 60e3, "min"),
            _ => (1.0 / 3_600e3, "h"),
        },
    }
}

/// A number to two digits of its doubt, or to four of its own; a minus is a minus sign.
fn signed(value: f64, doubt: Option<f64>, sign: Sign) -> String {
    let digits = match doubt {
        Some(doubt) => (1 - size(doubt)).clamp(0, 9),
        None if value.fract() == 0.0 => 0,
        None => (3 - size(value)).clamp(0, 9),
    };
    let text = format!("{:.*}", digits as usize, value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), text::count);
    // Zeros behind the point say how sure it is; without a doubt they say nothing.
    let fraction = if doubt.is_some() { fraction } else { fraction.trim_end_matches('0') };
    let number = if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") };
    let is_nothing = !number.contains(|c: char| c.is_ascii_digit() && c != '0');
    match sign {
        _ if is_nothing => number,
        _ if value < 0.0 => format!("−{number}"),
        Sign::Always => format!("+{number}"),
        Sign::OfLess => number,
    }
}

/// The place of the first digit before the point, from 0; negative behind it.
fn size(value: f64) -> i32 {
    if value == 0.0 || !value.is_finite() { 0 } else { value.abs().log10().floor() as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Unit {
        Unit::Plain("orders".to_owned())
    }

    fn around(value: f64, half: f64) -> Estimate {
        Estimate::around(value, half, Method::Replications, 30)
    }

    #[test]
    fn a_number_has_the_digits_that_its_interval_leaves() {
        let check = |unit: &Unit, estimate: Estimate, expected: &str| {
            assert_eq!(format!("{} {}", value(unit, &estimate), interval(unit, &estimate)).trim(), expected);
        };
        check(&plain(), around(663.4217, 3.21), "663.4 (660.2 to 666.6)");
        check(&plain(), around(12_345.6, 321.0), "12,346 (12,025 to 12,667)");
        check(&plain(), around(0.0, 0.0), "0 (0 to 0)");
        check(&plain(), Estimate::exact(2.5, 1), "2.5");
        check(&plain(), Estimate::none(Method::Replications), "–");
        check(&Unit::Share, around(0.4734, 0.061), "47.3 % (41.2 to 53.4)");
        check(&Unit::Millis, around(2310.0, 40.0), "2.310 s (2.270 to 2.350)");
        check(&Unit::Millis, around(0.25, 0.01), "250 µs (240 to 260)");
        check(&Unit::Millis, around(1_000.0, 100.0), "1.00 s (0.90 to 1.10)");
        let open = Estimate { hi: None, ..around(5.0, 1.0) };
        check(&plain(), open, "5.0 (at least 4.0)");
    }

    #[test]
    fn a_difference_says_which_way() {
        let shown = |unit: &Unit, estimate: Estimate| {
            format!("{} {}", difference(unit, &estimate), interval_of_difference(unit, &estimate))
        };
        assert_eq!(shown(&plain(), around(-663.42, 3.21)), "−663.4 (−666.6 to −660.2)");
        assert_eq!(shown(&Unit::Share, around(0.02, 0.03)), "+2.0 pp (−1.0 to +5.0)");
        assert_eq!(shown(&plain(), around(0.0, 0.0)), "0 (0 to 0)");
        assert_eq!(shown(&Unit::Millis, around(12.0, 5.0)), "+12.0 ms (+7.0 to +17.0)");
    }
}
