//! Where a value stands on an axis, and the round numbers that are written beside it.

use crate::text;

/// How numbers are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Equal steps are equal differences.
    Linear,
    /// Equal steps are equal factors; zero has a place of its own.
    Log,
    /// A share by what it leaves out: 0 %, 90 %, 99 %, 99.9 % are equally far apart.
    Nines,
}

/// What the numbers of an axis are, and so how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Plain numbers.
    Number,
    /// Whole numbers.
    Count,
    /// Nanoseconds, written in the unit that fits.
    Nanos,
    /// Shares of one, written in percent.
    Share,
}

/// An axis with its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    kind: Kind,
    unit: Unit,
    lo: f64,
    hi: f64,
    /// Of a logarithmic axis: whether zeros stand before its lower end.
    has_zero: bool,
}

/// A place on an axis with what is written there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// From 0 at the lower end to 1 at the upper one.
    pub(crate) place: f64,
    pub(crate) label: String,
}

/// How much of a logarithmic axis its zeros take.
const ZEROS: f64 = 0.1;
/// The part of an axis that is left free at each end for what is wider than a point.
const ROOM: f64 = 0.04;
/// The share of all that the last nine leaves out: beyond it floats know no more.
const LEAST: f64 = 1e-15;

impl Unit {
    /// A value as it is written beside an axis.
    pub(crate) fn written(self, value: f64) -> String {
        let sign = if value < 0.0 { "-" } else { "" };
        match self {
            Unit::Number | Unit::Count => grouped(value),
            Unit::Nanos if value.abs() < 0.5 => "0 s".to_owned(),
            Unit::Nanos => format!("{sign}{}", text::length(value.abs().round() as u64)),
            Unit::Share => format!("{} %", grouped(value * 100.0)),
        }
    }
}

/// A number without what floats add to it, its thousands grouped.
fn grouped(value: f64) -> String {
    // Steps of ticks are added up; what is far below any of them is the error of that.
    let clean = if value.abs() < 1e-14 { 0.0 } else { value };
    let whole = clean.round();
    if (clean - whole).abs() < 1e-9 * whole.abs() { text::number(whole) } else { text::number(clean) }
}

impl Scale {
    /// A scale on which all of these values are, but those that have no place on it; none when there are none.
    pub(crate) fn over(kind: Kind, unit: Unit, values: impl Iterator<Item = f64>) -> Option<Scale> {
        let has_place = |value: &f64| match kind {
            Kind::Linear => value.is_finite(),
            Kind::Log => value.is_finite() && *value >= 0.0,
            Kind::Nines => (0.0..1.0).contains(value),
        };
        let (mut lo, mut hi, mut has_zero, mut any) = (f64::INFINITY, f64::NEG_INFINITY, false, false);
        for value in values.filter(has_place) {
            any = true;
            if kind == Kind::Log && value == 0.0 {
                has_zero = true;
                continue;
            }
            (lo, hi) = (lo.min(value), hi.max(value));
        }
        let scale = |lo, hi| Scale { kind, unit, lo, hi, has_zero };
        if lo > hi {
            return any.then(|| scale(1.0, 1.0));
        }
        Some(scale(lo, hi).apart())
    }

    /// The same, with ends that lie apart.
    fn apart(self) -> Scale {
        if self.lo < self.hi {
            return self;
        }
        let (lo, hi) = match self.kind {
            Kind::Linear if self.lo == 0.0 => (0.0, 1.0),
            Kind::Linear => (self.lo.min(0.0), self.hi.max(0.0)),
            Kind::Log => (self.lo / 2.0, self.hi * 2.0),
            Kind::Nines => (0.0, self.hi.max(0.9)),
        };
        Scale { lo, hi, ..self }
    }

    /// The same, with round numbers at its ends.
    pub(crate) fn rounded(self) -> Scale {
        if self.is_only_zero() {
            return self;
        }
        let (lo, hi) = match self.kind {
            Kind::Linear => {
                let step = step(self.unit, (self.hi - self.lo) / 4.0);
                ((self.lo / step + 1e-9).floor() * step, (self.hi / step - 1e-9).ceil() * step)
            }
            Kind::Log => (one_two_five_below(self.lo), one_two_five_above(self.hi)),
            Kind::Nines => (self.lo, self.hi),
        };
        Scale { lo, hi, ..self }.apart()
    }

    /// The same, with some room at its ends, for what is wider than a point.
    pub(crate) fn padded(self) -> Scale {
        let (lo, hi) = match self.kind {
            Kind::Linear => (self.lo - (self.hi - self.lo) * ROOM, self.hi + (self.hi - self.lo) * ROOM),
            Kind::Log if self.is_only_zero() => (self.lo, self.hi),
            Kind::Log => {
                let factor = (self.hi / self.lo).powf(ROOM);
                (self.lo / factor, self.hi * factor)
            }
            Kind::Nines => (self.lo, self.hi),
        };
        Scale { lo, hi, ..self }
    }

    /// Whether something from one value to another is on it, at least in part.
    pub(crate) fn shows(&self, from: f64, to: f64) -> bool {
        from <= self.hi && to >= self.lo
    }

    fn is_only_zero(&self) -> bool {
        self.kind == Kind::Log && self.has_zero && self.lo >= self.hi
    }

    /// Where a value stands: 0 at the lower end, 1 at the upper one, none when it has no place. Values beyond the ends stand at them.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        if value.is_nan() {
            return None;
        }
        let part = |lo: f64, hi: f64, value: f64| ((value - lo) / (hi - lo)).clamp(0.0, 1.0);
        match self.kind {
            Kind::Linear => Some(part(self.lo, self.hi, value)),
            Kind::Log if value < 0.0 => None,
            Kind::Log if self.is_only_zero() => Some(if value == 0.0 { 0.5 } else { 1.0 }),
            Kind::Log if value == 0.0 => Some(0.0),
            Kind::Log => {
                let begins = if self.has_zero { ZEROS } else { 0.0 };
                Some(begins + (1.0 - begins) * part(self.lo.log10(), self.hi.log10(), value.log10()))
            }
            Kind::Nines => Some(part(nines(self.lo), nines(self.hi), nines(value))),
        }
    }

    /// Whether zero is inside it, and not at an end or in the room beside that.
    pub(crate) fn crosses_zero(&self) -> bool {
        let room = (self.hi - self.lo) * ROOM;
        self.kind == Kind::Linear && self.lo < -room && self.hi > room
    }

    /// Where columns begin.
    pub(crate) fn base(&self) -> f64 {
        if self.kind == Kind::Linear { self.place(0.0).unwrap_or(0.0) } else { 0.0 }
    }

    /// As many ticks at round numbers as have room: `wide` is what a label takes of the whole axis, its distance to the next included.
    pub(crate) fn ticks(&self, most: usize, wide: impl Fn(&str) -> f64) -> Vec<Tick> {
        let fits = |ticks: &Vec<Tick>| {
            ticks
                .windows(2)
                .all(|pair| (wide(&pair[0].label) + wide(&pair[1].label)) / 2.0 <= pair[1].place - pair[0].place)
        };
        (1..=most.max(1)).rev().map(|most| self.at_most(most)).find(fits).unwrap_or_default()
    }

    /// At most about so many ticks, from the lowest to the highest.
    fn at_most(&self, most: usize) -> Vec<Tick> {
        let mut values = match self.kind {
            Kind::Linear => self.linear(most),
            Kind::Log if self.is_only_zero() => Vec::new(),
            Kind::Log => self.decades(most),
            Kind::Nines => self.all_nines(most),
        };
        if self.has_zero {
            values.insert(0, 0.0);
        }
        let tick = |value: f64| {
            let label = if self.kind == Kind::Nines { nines_written(value) } else { self.unit.written(value) };
            self.place(value).map(|place| Tick { place, label })
        };
        values.into_iter().filter_map(tick).collect()
    }

    fn linear(&self, most: usize) -> Vec<f64> {
        let step = step(self.unit, (self.hi - self.lo) / most as f64);
        let first = (self.lo / step - 1e-9).ceil();
        let count = ((self.hi / step + 1e-9).floor() - first).max(0.0) as usize;
        (0..=count).map(|index| (first + index as f64) * step).collect()
    }

    /// Powers of ten, or, where there are few, their double and half too.
    fn decades(&self, most: usize) -> Vec<f64> {
        let (first, last) = ((self.lo.log10() - 1e-9).floor() as i32, (self.hi.log10() + 1e-9).ceil() as i32);
        let inside = |value: &f64| *value >= self.lo * (1.0 - 1e-9) && *value <= self.hi * (1.0 + 1e-9);
        let tens = |every: i32| (first..=last).filter(move |power| power.rem_euclid(every) == 0).map(power_of_ten);
        let fine: Vec<f64> = (first..=last)
            .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * power_of_ten(power)))
            .filter(inside)
            .collect();
        // Three of them to a factor of ten are read at a glance: there may be some more than of others.
        if fine.len() <= most + most / 2 {
            return fine;
        }
        (1..)
            .map(|every| tens(every).filter(inside).collect::<Vec<f64>>())
            .find(|ticks| ticks.len() <= most)
            .unwrap_or_default()
    }

    fn all_nines(&self, most: usize) -> Vec<f64> {
        let last = (nines(self.hi) + 1e-9).floor() as i32;
        let nines = (0..=last).map(|count| 1.0 - power_of_ten(-count));
        let all: Vec<f64> = nines.chain((self.hi >= 0.5).then_some(0.5)).collect();
        let mut all: Vec<f64> = all.into_iter().filter(|share| *share >= self.lo).collect();
        all.sort_by(f64::total_cmp);
        if all.len() > most {
            all.retain(|share| *share != 0.5);
        }
        let every = all.len().div_ceil(most).max(1);
        all.into_iter().step_by(every).collect()
    }
}

/// How many nines a share has: 0 for none, 1 for 90 %.
fn nines(share: f64) -> f64 {
    -(1.0 - share).max(LEAST).log10()
}

fn nines_written(share: f64) -> String {
    let count = nines(share).round();
    if share == 0.5 || count < 3.0 {
        return Unit::Share.written(share);
    }
    format!("99.{} %", "9".repeat(count as usize - 2))
}

fn power_of_ten(power: i32) -> f64 {
    10f64.powi(power)
}

/// The smallest round step of at least so much.
fn step(unit: Unit, least: f64) -> f64 {
    const LENGTHS: [f64; 19] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0,
        43200.0, 86400.0, 172800.0,
    ];
    if unit == Unit::Nanos && least > 1e9 {
        let fits = LENGTHS.iter().map(|seconds| seconds * 1e9).find(|length| *length >= least * (1.0 - 1e-9));
        return fits.unwrap_or_else(|| one_two_five_above(least / 86400e9) * 86400e9);
    }
    if unit == Unit::Count {
        return one_two_five_above(least.max(1.0));
    }
    one_two_five_above(least)
}

/// The smallest of …, 1, 2, 5, 10, 20, … that is no less.
fn one_two_five_above(least: f64) -> f64 {
    let ten = power_of_ten(least.max(f64::MIN_POSITIVE).log10().floor() as i32);
    [1.0, 2.0, 5.0].iter().map(|digit| digit * ten).find(|step| *step >= least * (1.0 - 1e-9)).unwrap_or(10.0 * ten)
}

fn one_two_five_below(most: f64) -> f64 {
    let ten = power_of_ten(most.max(f64::MIN_POSITIVE).log10().floor() as i32);
    [5.0, 2.0, 1.0].iter().map(|digit| digit * ten).find(|step| *step <= most * (1.0 + 1e-9)).unwrap_or(ten)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(kind: Kind, unit: Unit, values: &[f64], most: usize) -> Vec<String> {
        let scale = Scale::over(kind, unit, values.iter().copied()).unwrap().rounded();
        scale.ticks(most, |_| 0.0).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let check = |kind, unit, values: &[f64], most, expected: &[&str]| {
            assert_eq!(labels(kind, unit, values, most), expected, "{kind:?} {unit:?} {values:?}");
        };
        check(Kind::Linear, Unit::Number, &[0.0, 9_400.0], 5, &["0", "2,000", "4,000", "6,000", "8,000", "10,000"]);
        check(Kind::Linear, Unit::Number, &[0.0, 0.3], 4, &["0", "0.1", "0.2", "0.3"]);
        check(Kind::Linear, Unit::Number, &[-0.12, 0.07], 3, &["-0.1", "0", "0.1"]);
        check(Kind::Linear, Unit::Count, &[0.0, 1.0], 8, &["0", "1"]);
        check(Kind::Linear, Unit::Number, &[0.0, 0.0], 2, &["0", "0.5", "1"]);
        check(Kind::Linear, Unit::Nanos, &[0.0, 990e9], 4, &["0 s", "5m", "10m", "15m", "20m"]);
        check(Kind::Linear, Unit::Share, &[0.41, 0.47], 3, &["40 %", "45 %"]);
        check(Kind::Log, Unit::Nanos, &[3e6, 2.4e9], 5, &["10 ms", "100 ms", "1 s"]);
        check(Kind::Log, Unit::Nanos, &[12e6, 40e6], 5, &["10 ms", "20 ms", "50 ms"]);
        check(Kind::Log, Unit::Nanos, &[0.0, 0.0], 5, &["0 s"]);
        check(Kind::Log, Unit::Nanos, &[0.0, 1e6], 5, &["0 s", "500 µs", "1 ms", "2 ms"]);
        check(Kind::Log, Unit::Share, &[1e-7, 1.0], 4, &["0.0001 %", "0.01 %", "1 %", "100 %"]);
        check(Kind::Nines, Unit::Share, &[0.0, 0.99995], 9, &["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        check(Kind::Nines, Unit::Share, &[0.0, 0.99], 3, &["0 %", "90 %", "99 %"]);
    }

    #[test]
    fn equal_steps_mean_what_the_axis_says() {
        let place = |kind, ends: [f64; 2], value: f64| {
            Scale::over(kind, Unit::Number, ends.into_iter())
                .unwrap()
                .place(value)
                .map(|place| (place * 1000.0).round())
        };
        assert_eq!(place(Kind::Linear, [10.0, 20.0], 15.0), Some(500.0));
        assert_eq!(place(Kind::Log, [1.0, 100.0], 10.0), Some(500.0));
        assert_eq!(place(Kind::Nines, [0.0, 0.99], 0.9), Some(500.0));
        // What lies beyond the ends stands at them, and what is no number nowhere.
        assert_eq!(place(Kind::Linear, [10.0, 20.0], f64::INFINITY), Some(1000.0));
        assert_eq!(place(Kind::Linear, [10.0, 20.0], f64::NAN), None);
        assert_eq!(place(Kind::Log, [1.0, 100.0], -1.0), None);
        // Zeros have the first tenth of a logarithmic axis.
        assert_eq!(place(Kind::Log, [0.0, 100.0], 0.0), Some(0.0));
        assert_eq!(
            [0.0, 1.0, 100.0].map(|value| {
                let scale = Scale::over(Kind::Log, Unit::Number, [0.0, 1.0, 100.0].into_iter()).unwrap();
                (scale.place(value).unwrap() * 10.0).round()
            }),
            [0.0, 1.0, 10.0]
        );
    }

    #[test]
    fn there_are_only_as_many_ticks_as_have_room() {
        let scale = Scale::over(Kind::Linear, Unit::Nanos, [0.0, 990e9].into_iter()).unwrap();
        for letters in 1..40 {
            let ticks = scale.ticks(20, |label| label.chars().count() as f64 / f64::from(letters));
            let total: f64 =
                ticks.iter().skip(1).map(|tick| tick.label.chars().count() as f64 / f64::from(letters)).sum();
            assert!(!ticks.is_empty() && total <= 1.2, "{letters}: {ticks:?}");
        }
    }
}
