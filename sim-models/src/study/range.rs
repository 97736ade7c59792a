//! The values over which a setting is swept: a list, or a range with its steps, read from one line.
//!
//! Values are kept as whole numbers of the smallest unit, so that steps add up exactly and every point is a value that the
//! setting itself would write so.

use sim_core::{Duration, Ratio};

use crate::language::{Rate, Setting, SettingKind, Settings};

/// A setting and the values it is to have, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Vary {
    /// The setting.
    pub setting: String,
    /// Its values, in order.
    pub points: Vec<Point>,
    /// How its values are measured; none when they are only names.
    pub scale: Option<Scale>,
    /// Whether each point is a multiple of the one before it, so that a picture has a logarithmic axis.
    pub is_geometric: bool,
}

/// One value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// As `--set` takes it.
    pub text: String,
    /// Where it stands on an axis: seconds, shares, times a second, numbers; of names, their place in the list.
    pub position: f64,
}

/// How the values of a setting are whole numbers: of nanoseconds, of parts, of millionths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Nanoseconds.
    Duration,
    /// Parts in 10¹².
    Ratio,
    /// Millionths in so long, such as `s`.
    Rate(String),
    /// Numbers as they are.
    Int,
    /// Billionths.
    Float,
}

/// How many points a range has when nobody says how many.
const POINTS: u64 = 11;

/// How many points one setting may have; more is a mistake.
pub const POINTS_MAX: u64 = 10_000;

impl Vary {
    /// Reads `timeout=1s,2s,5s`, `timeout=500ms..5s`, `timeout=500ms..5s by 500ms`, `rate=1/s..1000/s times 10`, `tries=1..5 in 5`.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn read(line: &str, settings: &Settings) -> Result<Vary, String> {
        let (name, values) = line.split_once('=').ok_or_else(|| {
            format!("\"{line}\" varies nothing; write name=from..to, such as timeout=500ms..5s, or name=value,value")
        })?;
        let (name, values) = (name.trim(), values.trim());
        let Some(setting) = settings.get(name) else {
            // The same words as for `--set`.
            return Err(settings.check(name, values).err().unwrap_or_default());
        };
        match values.split_once("..") {
            Some((from, rest)) => ranged(setting, from.trim(), rest.trim()),
            None => listed(setting, values),
        }
    }
}

fn listed(setting: &Setting, values: &str) -> Result<Vary, String> {
    let name = &setting.name;
    let texts = values.split(',').map(str::trim).filter(|text| !text.is_empty());
    let texts: Vec<String> = texts.map(|text| setting.check(text)).collect::<Result<_, _>>()?;
    let Some(first) = texts.first() else {
        return Err(format!("{name}= has no values; write {name}=value,value or {name}=from..to"));
    };
    if let Some(twice) = texts.iter().enumerate().find_map(|(at, text)| texts[..at].contains(text).then_some(text)) {
        return Err(format!("{name}: {twice} stands twice in the list"));
    }
    let scale = Scale::of(setting.kind, first);
    let position = |(at, text): (usize, &String)| match &scale {
        Some(scale) => scale.ticks(text).map(|ticks| scale.position(ticks)),
        None => Ok(at as f64),
    };
    let positions: Vec<f64> = texts.iter().enumerate().map(position).collect::<Result<_, _>>()?;
    let points = texts.into_iter().zip(positions).map(|(text, position)| Point { text, position }).collect();
    Ok(Vary { setting: name.clone(), points, scale, is_geometric: false })
}

/// What follows the end of a range.
enum Steps {
    Of(i128),
    Times(f64),
    Number(u64),
}

fn ranged(setting: &Setting, from: &str, rest: &str) -> Result<Vary, String> {
    let name = &setting.name;
    let (to, steps) = rest.split_once(char::is_whitespace).map_or((rest, ""), |(to, steps)| (to, steps.trim()));
    let Some(scale) = Scale::of(setting.kind, from) else {
        let example = if setting.choices.is_empty() { "a,b".to_owned() } else { setting.choices.join(",") };
        return Err(format!("{name} has no range, its values have no order; list them: {name}={example}"));
    };
    let (from, to) = (scale.ticks(&setting.check(from)?)?, scale.ticks(&setting.check(to)?)?);
    if from > to {
        let (from, to) = (scale.text(from), scale.text(to));
        return Err(format!("{name}={from}..{to} is reversed; write {name}={to}..{from}"));
    }
    let steps = Steps::read(name, steps, &scale)?;
    let ticks = steps.ticks(name, from, to)?;
    let point = |ticks: &i128| Point { text: scale.text(*ticks), position: scale.position(*ticks) };
    let points = ticks.iter().map(point).collect();
    Ok(Vary { setting: name.clone(), points, is_geometric: matches!(steps, Steps::Times(_)), scale: Some(scale) })
}

impl Steps {
    fn read(name: &str, text: &str, scale: &Scale) -> Result<Steps, String> {
        let (word, value) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let value = value.trim();
        match word {
            "" => Ok(Steps::Number(POINTS)),
            "by" => match scale.ticks(value)? {
                0 => Err(format!("{name}: a step of zero never arrives; write by {}", scale.example())),
                step if step < 0 => Err(format!("{name}: a range goes upwards; write by {}", scale.example())),
                step => Ok(Steps::Of(step)),
            },
            "times" => match value.parse::<f64>() {
                Ok(factor) if factor.is_finite() && factor > 1.0 => Ok(Steps::Times(factor)),
                _ => Err(format!("{name}: \"times {value}\" never arrives; write times 2, or another number above 1")),
            },
            "in" => match value.parse::<u64>() {
                Ok(number @ 2..=POINTS_MAX) => Ok(Steps::Number(number)),
                Ok(number @ 0..2) => Err(format!("{name}: a range has two ends; \"in {number}\" is too few points")),
                Ok(number) => Err(too_many(name, i128::from(number))),
                Err(_) => Err(format!("{name}: \"in {value}\" is no number of points; write in 20")),
            },
            _ => Err(format!("{name}: \"{text}\" are no steps; write by {}, times 2 or in 20", scale.example())),
        }
    }

    fn ticks(&self, name: &str, from: i128, to: i128) -> Result<Vec<i128>, String> {
        match *self {
            Steps::Of(step) => match (to - from) / step + 1 {
                points if points > i128::from(POINTS_MAX) => Err(too_many(name, points)),
                points => Ok((0..points).map(|nth| from + nth * step).collect()),
            },
            Steps::Number(number) => {
                let last = i128::from(number) - 1;
                let mut ticks: Vec<i128> = (0..=last).map(|nth| from + (to - from) * nth / last).collect();
                ticks.dedup();
                Ok(ticks)
            }
            Steps::Times(_) if from <= 0 => {
                Err(format!("{name}: a range that begins at zero is never multiplied; begin above it, or write by"))
            }
            Steps::Times(factor) => multiplied(name, factor, from, to),
        }
    }
}

fn multiplied(name: &str, factor: f64, from: i128, to: i128) -> Result<Vec<i128>, String> {
    let mut ticks: Vec<i128> = Vec::new();
    let mut next = from as f64;
    // What is at the end but for the rounding of the multiplications is at the end.
    while next <= to as f64 * (1.0 + 1e-12) {
        if ticks.len() as u64 == POINTS_MAX {
            return Err(too_many(name, i128::from(POINTS_MAX) + 1));
        }
        ticks.push((libm::round(next) as i128).min(to));
        next *= factor;
    }
    ticks.dedup();
    Ok(ticks)
}

fn too_many(name: &str, points: i128) -> String {
    format!("{name}: {points} points are more than the {POINTS_MAX} that a sweep may have; take larger steps")
}

impl Scale {
    /// That of a setting of this kind, one of whose values is given.
    fn of(kind: SettingKind, value: &str) -> Option<Scale> {
        match kind {
            SettingKind::Duration => Some(Scale::Duration),
            SettingKind::Ratio => Some(Scale::Ratio),
            SettingKind::Rate => Some(Scale::Rate(value.split_once('/').map_or("s", |(_, unit)| unit).to_owned())),
            SettingKind::Int => Some(Scale::Int),
            SettingKind::Float => Some(Scale::Float),
            SettingKind::Bool | SettingKind::Text | SettingKind::Choice => None,
        }
    }

    /// A value as a whole number.
    ///
    /// # Errors
    /// When it is not of this kind, in words.
    pub fn ticks(&self, text: &str) -> Result<i128, String> {
        let no = |wanted: &str| format!("\"{text}\" is not {wanted}");
        match self {
            Scale::Duration => {
                text.parse::<Duration>().map(|length| i128::from(length.nanos())).map_err(|error| error.to_string())
            }
            Scale::Ratio => {
                text.parse::<Ratio>().map(|ratio| i128::from(ratio.parts())).map_err(|error| error.to_string())
            }
            Scale::Rate(unit) => rate_ticks(text, unit),
            Scale::Int => text.parse::<i64>().map(i128::from).map_err(|_| no("a whole number")),
            Scale::Float => match text.parse::<f64>() {
                Ok(number) if number.abs() < 1e18 => Ok(libm::round(number * 1e9) as i128),
                _ => Err(no("a number below 10^18")),
            },
        }
    }

    /// A whole number as the value that it stands for.
    pub fn text(&self, ticks: i128) -> String {
        match self {
            Scale::Duration => Duration::from_nanos(u64::try_from(ticks).unwrap_or(u64::MAX)).to_string(),
            Scale::Ratio => {
                let parts = u64::try_from(ticks).unwrap_or(u64::MAX);
                Ratio::new(parts, Ratio::ONE.parts()).unwrap_or(Ratio::ONE).to_string()
            }
            Scale::Rate(unit) => format!("{}/{unit}", decimal(ticks, 1_000_000)),
            Scale::Int => ticks.to_string(),
            Scale::Float => decimal(ticks, 1_000_000_000),
        }
    }

    /// Where a value stands on an axis.
    pub fn position(&self, ticks: i128) -> f64 {
        match self {
            Scale::Duration => ticks as f64 / 1e9,
            Scale::Ratio => ticks as f64 / Ratio::ONE.parts() as f64,
            Scale::Rate(unit) => {
                format!("{}/{unit}", decimal(ticks, 1_000_000)).parse::<Rate>().map_or(0.0, Rate::per_second)
            }
            Scale::Int => ticks as f64,
            Scale::Float => ticks as f64 / 1e9,
        }
    }

    /// A step or a precision, for messages.
    pub fn example(&self) -> String {
        match self {
            Scale::Duration => "100ms".to_owned(),
            Scale::Ratio => "1%".to_owned(),
            Scale::Rate(unit) => format!("1/{unit}"),
            Scale::Int => "1".to_owned(),
            Scale::Float => "0.1".to_owned(),
        }
    }
}

fn rate_ticks(text: &str, unit: &str) -> Result<i128, String> {
    text.parse::<Rate>().map_err(|error| error.to_string())?;
    let Some((count, same)) = text.split_once('/').filter(|(_, other)| *other == unit) else {
        return Err(format!("\"{text}\" is in another unit than the rest; write all of them per {unit}"));
    };
    let count: f64 = count.parse().map_err(|_| format!("\"{text}\" is not so many per {same}"))?;
    Ok(libm::round(count * 1e6) as i128)
}

/// A fixed-point number without zeros at its end.
fn decimal(ticks: i128, one: i128) -> String {
    let digits = one.ilog10() as usize;
    let (sign, ticks) = if ticks < 0 { ("-", -ticks) } else { ("", ticks) };
    let text = format!("{sign}{}.{:0digits$}", ticks / one, ticks % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Document;

    fn settings() -> Document {
        let text = r#"{"faultline": 1, "name": "x", "settings": {
            "timeout": {"default": "1s", "max": "1h"}, "loss": {"default": "5%"}, "rate": {"default": "10/s"},
            "tries": {"default": 3, "min": 1}, "sigma": {"default": 0.8}, "mode": {"default": "a", "choices": ["a", "b"]}},
            "nodes": {}}"#;
        Document::parse("x.json", text).unwrap()
    }

    fn check(line: &str, expected: &[&str]) {
        let vary = Vary::read(line, settings().settings()).unwrap_or_else(|wrong| panic!("{line}: {wrong}"));
        let texts: Vec<&str> = vary.points.iter().map(|point| point.text.as_str()).collect();
        assert_eq!(texts, expected, "{line}");
        assert!(vary.points.windows(2).all(|pair| pair[0].position < pair[1].position), "{line}");
    }

    #[test]
    fn a_list_or_a_range_gives_the_points() {
        check("timeout=1s,2s,5s", &["1s", "2s", "5s"]);
        check("timeout=500ms..2s by 500ms", &["500ms", "1s", "1.5s", "2s"]);
        check("timeout=500ms..1.9s by 500ms", &["500ms", "1s", "1.5s"]);
        check("rate=1/s..1000/s times 10", &["1/s", "10/s", "100/s", "1000/s"]);
        check("rate=0.5/s..1/s in 2", &["0.5/s", "1/s"]);
        check("loss=0%..10% by 5%", &["0%", "5%", "10%"]);
        check("tries=1..5", &["1", "2", "3", "4", "5"]);
        check("sigma=0.1..0.3 by 0.1", &["0.1", "0.2", "0.3"]);
        check("mode=b,a", &["b", "a"]);
        check("timeout=1s..1s", &["1s"]);
    }

    #[test]
    fn nonsense_is_refused_with_what_would_be_right() {
        let said = |line: &str| Vary::read(line, settings().settings()).unwrap_err();
        let table = [
            (
                "timeout",
                "\"timeout\" varies nothing; write name=from..to, such as timeout=500ms..5s, or name=value,value",
            ),
            ("timeuot=1s..2s", "no setting \"timeuot\"; did you mean \"timeout\"?"),
            ("timeout=", "timeout= has no values; write timeout=value,value or timeout=from..to"),
            ("timeout=5s..1s", "timeout=5s..1s is reversed; write timeout=1s..5s"),
            ("timeout=1s..5s by 0s", "timeout: a step of zero never arrives; write by 100ms"),
            (
                "timeout=1s..2s by 1ns",
                "timeout: 1000000001 points are more than the 10000 that a sweep may have; take larger steps",
            ),
            (
                "tries=1..5 in 10000000000",
                "tries: 10000000000 points are more than the 10000 that a sweep may have; take larger steps",
            ),
            ("tries=1..5 in 1", "tries: a range has two ends; \"in 1\" is too few points"),
            ("tries=1..5 in some", "tries: \"in some\" is no number of points; write in 20"),
            ("rate=1/s..9/s times 1", "rate: \"times 1\" never arrives; write times 2, or another number above 1"),
            (
                "rate=0/s..9/s times 2",
                "rate: a range that begins at zero is never multiplied; begin above it, or write by",
            ),
            ("rate=1/s..9/m", "\"9/m\" is in another unit than the rest; write all of them per s"),
            ("timeout=1s..2s fast", "timeout: \"fast\" are no steps; write by 100ms, times 2 or in 20"),
            ("timeout=1s..2h", "timeout=2h is above its maximum, 1h"),
            ("mode=a..b", "mode has no range, its values have no order; list them: mode=a,b"),
            ("mode=a,c", "mode has no choice \"c\"; choices are a, b"),
            ("timeout=1s,1000ms", "timeout: 1s stands twice in the list"),
            ("timeout=1..2", "timeout: 1 has no unit; write \"1ms\" or another of ns, us, ms, s, m, h, d"),
        ];
        for (line, expected) in table {
            assert_eq!(said(line), expected, "{line}");
        }
    }
}
