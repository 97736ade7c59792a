//! Time is an integer of nanoseconds, and people read and write it with units.
//!
//! An [`Instant`] is a point on the true time line of a run, which starts at zero; a [`Duration`] is a length of it.
//! There is no conversion from floating point that does not say how it rounds.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A point in simulated time, in nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

/// A length of simulated time, in nanoseconds.
///
/// ```
/// use sim_core::Duration;
/// assert_eq!("1.5s".parse(), Ok(Duration::from_millis(1500)));
/// assert_eq!(Duration::from_millis(1500).to_string(), "1.5s");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

/// What is wrong with a text that should be a duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// A number without a unit.
    #[error("{0} has no unit; write \"{0}ms\" or another of ns, us, ms, s, m, h, d")]
    NoUnit(String),
    /// Not a number followed by a unit.
    #[error("\"{0}\" is not a duration; write a number and a unit, such as \"250ms\" or \"1.5s\"")]
    NotADuration(String),
    /// A length with a minus before it.
    #[error("\"{0}\" is less than no time; a length is not negative")]
    Negative(String),
    /// More than about 584 years.
    #[error("\"{0}\" is longer than a run can be, 584 years")]
    TooLong(String),
}

const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl Instant {
    /// The start of the run.
    pub const ZERO: Instant = Instant(0);
    /// Later than anything that can happen.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// The instant that many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start, for showing: nothing is decided by a float.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The length from `earlier` to here; zero when `earlier` is later.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// This instant moved by a signed number of nanoseconds, kept inside the time line.
    pub const fn shifted(self, nanos: i64) -> Self {
        Instant(self.0.saturating_add_signed(nanos))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration(0);
    /// Longer than any run.
    pub const FOREVER: Duration = Duration(u64::MAX);

    /// That many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Duration(nanos)
    }

    /// That many microseconds, at most the longest length there is.
    pub const fn from_micros(micros: u64) -> Self {
        Duration(micros.saturating_mul(1_000))
    }

    /// That many milliseconds, at most the longest length there is.
    pub const fn from_millis(millis: u64) -> Self {
        Duration(millis.saturating_mul(1_000_000))
    }

    /// That many seconds, at most the longest length there is.
    pub const fn from_secs(secs: u64) -> Self {
        Duration(secs.saturating_mul(1_000_000_000))
    }

    /// The nearest whole number of nanoseconds; negative and not-a-number become zero, the too large the longest.
    pub fn from_nanos_f64(nanos: f64) -> Self {
        // `as` saturates and maps NaN to zero, the same on every platform.
        Duration((nanos + 0.5) as u64)
    }

    /// Its nanoseconds.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Its seconds, for showing.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Its milliseconds, for showing.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Whether it is no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or the longest length there is.
    pub const fn saturating_add(self, other: Duration) -> Self {
        Duration(self.0.saturating_add(other.0))
    }

    /// The product, or the longest length there is.
    pub const fn saturating_mul(self, factor: u64) -> Self {
        Duration(self.0.saturating_mul(factor))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, length: Duration) -> Instant {
        Instant(self.0.saturating_add(length.0))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, length: Duration) {
        *self = *self + length;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, length: Duration) -> Instant {
        Instant(self.0.saturating_sub(length.0))
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        // One minus, so that this does not go as deep as there are any.
        let length = text.strip_prefix('-').filter(|length| !length.starts_with('-'));
        if length.is_some_and(|length| length.parse::<Duration>().is_ok()) {
            return Err(DurationError::Negative(text.to_owned()));
        }
        let unit_at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let not_one = || DurationError::NotADuration(text.to_owned());
        if number.is_empty() {
            return Err(not_one());
        }
        if unit.is_empty() {
            return Err(DurationError::NoUnit(text.to_owned()));
        }
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(not_one)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') {
            return Err(not_one());
        }
        let (nanos, exact) = scaled(whole, fraction, *scale).ok_or_else(|| DurationError::TooLong(text.to_owned()))?;
        if exact { Ok(Duration(nanos)) } else { Err(not_one()) }
    }
}

/// The decimal number `whole.fraction` times `scale`, and whether that is a whole number; `None` when it is too large.
fn scaled(whole: &str, fraction: &str, scale: u64) -> Option<(u64, bool)> {
    const DIGITS: u32 = 12;
    let one = 10u128.pow(DIGITS);
    let exact = fraction.trim_end_matches('0').len() <= DIGITS as usize;
    let fraction = fraction.bytes().chain(std::iter::repeat(b'0')).take(DIGITS as usize);
    let fraction = fraction.fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let total = (u128::from(whole.parse::<u64>().ok()?) * one + fraction).checked_mul(u128::from(scale))?;
    Some((u64::try_from(total / one).ok()?, exact && total.is_multiple_of(one)))
}

/// The text of a length, made in place from its end: states are full of instants, and written whenever a run is compared.
struct Text {
    bytes: [u8; Text::MOST],
    begin: usize,
}

impl Text {
    /// The longest: 20 digits, a point, nine more, and a unit.
    const MOST: usize = 40;

    /// The shortest form that reads back as the same length: `250ms`, `1.5s`, `10m`.
    fn of(length: Duration) -> Text {
        let mut text = Text { bytes: [0; Text::MOST], begin: Text::MOST };
        let nanos = length.0;
        let (name, scale) = unit_for(nanos);
        name.bytes().rev().for_each(|byte| text.before(byte));
        text.fraction(nanos % scale, scale);
        text.number(nanos / scale);
        text
    }

    fn before(&mut self, byte: u8) {
        self.begin -= 1;
        self.bytes[self.begin] = byte;
    }

    fn number(&mut self, mut number: u64) {
        loop {
            self.before(b'0' + (number % 10) as u8);
            number /= 10;
            if number == 0 {
                break;
            }
        }
    }

    /// A point and so many parts of one, without the zeros at its end; nothing for nothing.
    fn fraction(&mut self, parts: u64, one: u64) {
        if parts == 0 {
            return;
        }
        let (mut parts, mut digits) = (parts, one.ilog10());
        while parts.is_multiple_of(10) {
            (parts, digits) = (parts / 10, digits - 1);
        }
        for _ in 0..digits {
            self.before(b'0' + (parts % 10) as u8);
            parts /= 10;
        }
        self.before(b'.');
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.begin..]).unwrap_or_default()
    }
}

/// The unit in which a length is written.
fn unit_for(nanos: u64) -> (&'static str, u64) {
    let whole = |scale: u64| nanos.is_multiple_of(scale);
    let [nano, _, _, second, minute, hour, day] = UNITS;
    if nanos < 600 * second.1 {
        let fits = |unit: &&(&str, u64)| nanos >= unit.1;
        return if nanos == 0 { second } else { *UNITS[..4].iter().rev().find(fits).unwrap_or(&nano) };
    }
    if nanos >= day.1 && whole(day.1) {
        day
    } else if nanos >= hour.1 && whole(hour.1) {
        hour
    } else if whole(minute.1) {
        minute
    } else {
        second
    }
}

impl fmt::Display for Duration {
    /// Writes the shortest form that reads back as the same length: `250ms`, `1.5s`, `10m`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(Text::of(*self).as_str())
    }
}

impl fmt::Display for Instant {
    /// Writes the distance from the start, as a [`Duration`] does.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Duration(self.0), out)
    }
}

impl FromStr for Instant {
    type Err = DurationError;
    fn from_str(text: &str) -> Result<Self, DurationError> {
        text.parse::<Duration>().map(|length| Instant(length.0))
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(Text::of(Duration(self.0)).as_str())
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = String::deserialize(input)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
serde_as_text!(Instant);
serde_as_text!(Duration);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_written_as_people_write_them() {
        for text in ["0s", "1ns", "250ms", "1.5s", "90s", "10m", "2h", "365d", "1.000000001s", "100.5us", "300s"] {
            let length: Duration = text.parse().unwrap();
            let expected = if text == "300s" { "300s" } else { text };
            assert_eq!(length.to_string(), expected);
        }
        assert_eq!("1h".parse::<Duration>().unwrap(), "60m".parse().unwrap());
    }

    #[test]
    fn what_is_no_duration_says_what_would_be() {
        let message = |text: &str| text.parse::<Duration>().unwrap_err().to_string();
        assert_eq!(message("1000"), "1000 has no unit; write \"1000ms\" or another of ns, us, ms, s, m, h, d");
        assert!(message("fast").contains("is not a duration"));
        assert!(message("1.s").contains("is not a duration"));
        assert!(message(".5s").contains("is not a duration"));
        assert!(message("1.5ns").contains("is not a duration"));
        assert!(message("99999999d").contains("584 years"));
        // So long that its nanoseconds do not fit 128 bits.
        assert!(message("18446744073709551615d").contains("584 years"));
        assert!(message("").contains("is not a duration"));
        assert!(message("-1s").contains("a length is not negative"));
        assert!(message(&("-".repeat(1_000_000) + "1s")).contains("is not a duration"));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(nanos in any::<u64>()) {
            let length = Duration::from_nanos(nanos);
            prop_assert_eq!(length.to_string().parse::<Duration>(), Ok(length));
        }
    }
}
