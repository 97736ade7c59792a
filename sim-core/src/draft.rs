//! A fault some of whose numbers are left open: `crash db for 1s..30s` is one of many faults, and dice say which.
//!
//! An open number is `a..b`, both included; what stands before the first (a sign, `x`, `~`) is before the second too. From ten
//! times as much on, each order of magnitude is as likely as any other: what matters about a timeout is seldom found between
//! 27 and 28 seconds. What is drawn has three digits that count, so that people can read it.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::fault::{Fault, Timed};
use crate::time::Duration;

/// A fault with open numbers.
///
/// ```
/// use sim_core::draft::Draft;
/// let draft: Draft = "loss a->b 1%..20%".parse().unwrap();
/// assert_eq!(draft.drawn(|_| 0).to_string(), "loss a->b 1%");
/// assert_eq!(draft.drawn(|_| u64::MAX).to_string(), "loss a->b 20%");
/// assert!("loss a->b 20%..1%".parse::<Draft>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    text: String,
    /// In the order of the text.
    blanks: Vec<Blank>,
}

/// What is wrong with the text of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftError {
    /// What is wrong, and what would be right.
    pub message: String,
    /// The bytes of the text that it is about.
    pub place: Range<usize>,
}

/// An open number: where it stands, and between which it is.
#[derive(Clone, Debug, PartialEq)]
struct Blank {
    place: Range<usize>,
    sign: String,
    low: u64,
    high: u64,
    unit: Unit,
}

/// What an open number counts.
#[derive(Clone, Debug, PartialEq)]
enum Unit {
    /// Nanoseconds.
    Time,
    /// So many decimal places, and what stands behind the number.
    Decimal(u32, String),
}

impl Draft {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The fault with each open number answered by such random bits, by its place from 0.
    ///
    /// # Panics
    /// Never: a text that holds with both ends of each number holds with what lies between.
    pub fn drawn(&self, bits: impl FnMut(u64) -> u64) -> Timed {
        self.with(bits).expect("a draft was tried at both ends")
    }

    fn with(&self, mut bits: impl FnMut(u64) -> u64) -> Result<Timed, String> {
        let (mut line, mut from) = (String::new(), 0);
        for (place, blank) in self.blanks.iter().enumerate() {
            line += &self.text[from..blank.place.start];
            line += &blank.written(between(blank.low, blank.high, bits(place as u64)));
            from = blank.place.end;
        }
        line += &self.text[from..];
        match line.parse::<Fault>().map_err(|error| error.to_string())? {
            Fault::Timed(timed) => Ok(timed),
            Fault::Decision(_) => {
                Err("a nemesis draws faults that hold; this is the answer to one question".to_owned())
            }
        }
    }
}

/// A number from the first to the second, both included.
fn between(low: u64, high: u64, bits: u64) -> u64 {
    let share = (bits >> 11) as f64 / ((1_u64 << 53) - 1) as f64;
    let (from, to) = (low as f64, high as f64);
    let drawn = if low > 0 && high / low >= 10 {
        from * libm::exp(share * libm::log(to / from))
    } else {
        from + share * (to - from)
    };
    rounded(libm::round(drawn) as u64).clamp(low, high)
}

/// The same to three digits.
fn rounded(number: u64) -> u64 {
    let mut step = 1;
    while number / step >= 1_000 {
        step *= 10;
    }
    number / step * step
}

impl Blank {
    fn written(&self, number: u64) -> String {
        let sign = &self.sign;
        match &self.unit {
            Unit::Time => format!("{sign}{}", Duration::from_nanos(number)),
            Unit::Decimal(0, unit) => format!("{sign}{number}{unit}"),
            Unit::Decimal(places, unit) => {
                let scale = 10_u64.pow(*places);
                let text = format!("{}.{:0width$}", number / scale, number % scale, width = *places as usize);
                format!("{sign}{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }

    /// The open number that a word is; none when it is none: `s1..s10` are names.
    fn read(word: &str, at: usize) -> Option<Result<Blank, DraftError>> {
        let (first, second) = word.split_once("..")?;
        let (sign, first) = first.split_at(first.find(|c: char| c.is_ascii_digit())?);
        if !matches!(sign, "" | "+" | "-" | "~" | "x" | "#" | "±") || first.is_empty() {
            return None;
        }
        let place = at..at + word.len();
        let wrong = |message: String| DraftError { message, place: place.clone() };
        let second = second.strip_prefix(sign).unwrap_or(second);
        let Some((low, high, unit)) = both(first, second) else {
            return Some(Err(wrong(format!("\"{word}\" is no open number; write both ends alike, such as 1s..30s"))));
        };
        if low > high {
            return Some(Err(wrong(format!("\"{word}\" goes backwards; the smaller comes first"))));
        }
        Some(Ok(Blank { place, sign: sign.to_owned(), low, high, unit }))
    }
}

/// Two numbers of one sort.
fn both(first: &str, second: &str) -> Option<(u64, u64, Unit)> {
    if let (Ok(low), Ok(high)) = (first.parse::<Duration>(), second.parse::<Duration>()) {
        return Some((low.nanos(), high.nanos(), Unit::Time));
    }
    let ((low, unit), (high, other)) = (split(first)?, split(second)?);
    if unit != other {
        return None;
    }
    // A digit more than was written, where there is a unit: between 1% and 2% there is something. What is counted stays whole.
    let written = places(low).max(places(high));
    let places = if unit.is_empty() && written == 0 { 0 } else { (written + 1).min(6) };
    Some((scaled(low, places)?, scaled(high, places)?, Unit::Decimal(places, unit.to_owned())))
}

/// A number and what stands behind it.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (!number.is_empty() && !unit.starts_with('/')).then_some((number, unit))
}

fn places(number: &str) -> u32 {
    number.split_once('.').map_or(0, |(_, fraction)| fraction.len() as u32)
}

fn scaled(number: &str, places: u32) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = format!("{fraction:0<width$}", width = places as usize);
    let fraction: u64 = if places == 0 { 0 } else { fraction.get(..places as usize)?.parse().ok()? };
    whole.parse::<u64>().ok()?.checked_mul(10_u64.pow(places))?.checked_add(fraction)
}

impl FromStr for Draft {
    type Err = DraftError;

    fn from_str(text: &str) -> Result<Self, DraftError> {
        let mut blanks = Vec::new();
        if text.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            let message = "a nemesis says itself when a fault begins; leave the time out".to_owned();
            return Err(DraftError { message, place: 0..text.len() });
        }
        for word in text.split_whitespace() {
            // A word is a part of the text, so that it has a place in it.
            let at = word.as_ptr().addr() - text.as_ptr().addr();
            if let Some(blank) = Blank::read(word, at) {
                blanks.push(blank?);
            }
        }
        let draft = Draft { text: text.to_owned(), blanks };
        for end in [0, u64::MAX] {
            draft.with(|_| end).map_err(|message| DraftError { message, place: 0..text.len() })?;
        }
        Ok(draft)
    }
}

impl fmt::Display for Draft {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl fmt::Display for DraftError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for DraftError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str) -> [String; 2] {
        let draft: Draft = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        [0, u64::MAX].map(|bits| Fault::Timed(draft.drawn(|_| bits)).to_string())
    }

    #[test]
    fn an_open_number_has_both_its_ends() {
        for (text, low, high) in [
            ("crash db for 1s..30s", "crash db for 1s", "crash db for 30s"),
            ("loss a->b 0.5%..20%", "loss a->b 0.5%", "loss a->b 20%"),
            ("delay a->b +100ms..2s ~1ms..5ms", "delay a->b +100ms ~1ms", "delay a->b +2s ~5ms"),
            ("slow db x2..x50", "slow db x2", "slow db x50"),
            ("clock db drift +10ppm..+80ppm", "clock db drift +10ppm", "clock db drift +80ppm"),
            ("crash each of s1..s10 for 2s..2s", "crash each of s1..s10 for 2s", "crash each of s1..s10 for 2s"),
        ] {
            assert_eq!(ends(text), [low, high]);
        }
    }

    #[test]
    fn what_is_drawn_can_be_read_and_lies_between() {
        let draft: Draft = "crash db for 1ms..1h".parse().unwrap();
        let lengths: Vec<u64> = (0..2_000u64)
            .map(|number| match draft.drawn(|_| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).length {
                Some(crate::fault::Pace::Exactly(length)) => length.nanos(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(lengths.iter().all(|length| (1_000_000..=3_600_000_000_000).contains(length)));
        // Half of them lie below the geometric mean of the ends, 1.9 s.
        let below = lengths.iter().filter(|length| **length < 1_897_366_596).count();
        assert!((900..1_100).contains(&below), "{below}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, at, message) in [
            ("crash db for 30s..1s", 13, "\"30s..1s\" goes backwards; the smaller comes first"),
            ("loss a->b 1..20%", 10, "\"1..20%\" is no open number; write both ends alike, such as 1s..30s"),
            ("1s..4s crash db", 0, "a nemesis says itself when a fault begins; leave the time out"),
            ("crsh db for 1s", 0, "\"crsh\" is not a fault; did you mean \"crash\"?"),
            ("drop a->b ask #1", 0, "a nemesis draws faults that hold; this is the answer to one question"),
        ] {
            let error = text.parse::<Draft>().unwrap_err();
            assert_eq!((error.place.start, error.message.as_str()), (at, message), "{text}");
        }
    }
}
