//! Amounts of trouble: a factor, a signed length, a rate in parts per million, a bandwidth.

use std::fmt::{Display, Formatter, Result as Written};
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::time::{Duration, DurationError};

/// How many times as long something takes, `x10`, in parts per 10⁶; above zero, at most 10⁶ times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Factor(u64);

/// A text that is no factor.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FactorError {
    /// Not an `x` with a number behind it.
    #[error("\"{0}\" is not a factor; write \"x10\" or \"x1.5\"")]
    NotAFactor(String),
    /// Nothing takes no time because it is slow.
    #[error("\"{0}\" would take no time; write a factor above zero")]
    Zero(String),
    /// More than a million.
    #[error("\"{0}\" is more than x1000000")]
    TooMuch(String),
}

impl Factor {
    /// As long as ever.
    pub const ONE: Factor = Factor(1_000_000);
    const MOST: u64 = 1_000_000 * 1_000_000;

    /// That many times as long; `None` for zero and above a million.
    pub const fn new(times: u64) -> Option<Factor> {
        match times {
            1..=1_000_000 => Some(Factor(times * 1_000_000)),
            _ => None,
        }
    }

    /// In parts per 10⁶.
    pub const fn parts(self) -> u64 {
        self.0
    }

    /// Both factors together, at most a million times and at least a millionth.
    #[must_use]
    pub fn times(self, other: Factor) -> Factor {
        let both = u128::from(self.0) * u128::from(other.0) / u128::from(Factor::ONE.0);
        Factor((both as u64).clamp(1, Factor::MOST))
    }

    /// A length that many times as long, to the nanosecond below; at most the longest there is.
    pub fn stretch(self, length: Duration) -> Duration {
        if self == Factor::ONE {
            return length;
        }
        let stretched = u128::from(length.nanos()) * u128::from(self.0) / u128::from(Factor::ONE.0);
        Duration::from_nanos(u64::try_from(stretched).unwrap_or(u64::MAX))
    }
}

impl Factor {
    /// A length that many times as short, to the nanosecond below.
    pub fn shrink(self, length: Duration) -> Duration {
        let shrunk = u128::from(length.nanos()) * u128::from(Factor::ONE.0) / u128::from(self.0);
        Duration::from_nanos(u64::try_from(shrunk).unwrap_or(u64::MAX))
    }
}

impl FromStr for Factor {
    type Err = FactorError;

    fn from_str(text: &str) -> Result<Self, FactorError> {
        let parts = text.strip_prefix('x').and_then(|number| parts(number, 6));
        match parts {
            None => Err(FactorError::NotAFactor(text.to_owned())),
            Some(0) => Err(FactorError::Zero(text.to_owned())),
            Some(parts) if parts > u128::from(Factor::MOST) => Err(FactorError::TooMuch(text.to_owned())),
            Some(parts) => Ok(Factor(parts as u64)),
        }
    }
}

impl Display for Factor {
    fn fmt(&self, out: &mut Formatter<'_>) -> Written {
        write!(out, "x{}", Decimal(self.0, 6))
    }
}

/// A length forwards or back, `+200ms` or `-160ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shift {
    nanos: i64,
}

impl Shift {
    /// That many nanoseconds; the least number counts as the next to it, which has an opposite.
    pub const fn from_nanos(nanos: i64) -> Shift {
        Shift { nanos: if nanos == i64::MIN { -i64::MAX } else { nanos } }
    }

    /// Its nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.nanos
    }

    /// Whether it is no length at all.
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }
}

impl FromStr for Shift {
    type Err = DurationError;

    /// A duration behind its sign; without a sign it is forwards.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        let (length, back) = match text.strip_prefix('-') {
            Some(length) => (length, true),
            None => (text.strip_prefix('+').unwrap_or(text), false),
        };
        let nanos = i64::try_from(length.parse::<Duration>()?.nanos());
        let nanos = nanos.map_err(|_| DurationError::TooLong(text.to_owned()))?;
        Ok(Shift::from_nanos(if back { -nanos } else { nanos }))
    }
}

impl Display for Shift {
    fn fmt(&self, out: &mut Formatter<'_>) -> Written {
        let sign = if self.nanos < 0 { '-' } else { '+' };
        write!(out, "{sign}{}", Duration::from_nanos(self.nanos.unsigned_abs()))
    }
}

/// How much faster than true time something runs, `+80ppm`, in parts per 10⁹.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    ppb: i32,
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RateError {
    /// Neither `+80ppm` nor `-0.5ppm`.
    #[error("\"{0}\" is not a rate; write \"+80ppm\" or \"-0.5ppm\"")]
    NotARate(String),
    /// As fast as twice true time, or as slow as to stand still.
    #[error("\"{0}\" is too much; a clock gains or loses less than 1000000ppm")]
    TooMuch(String),
}

impl Rate {
    /// The rate at which a clock would stand still, or go at twice its speed.
    const LIMIT_PPB: i32 = 1_000_000_000;

    /// That many parts per 10⁹; `None` unless it is less than the whole.
    pub const fn from_ppb(ppb: i32) -> Option<Rate> {
        if ppb > -Rate::LIMIT_PPB && ppb < Rate::LIMIT_PPB { Some(Rate { ppb }) } else { None }
    }

    /// Its parts per 10⁹.
    pub const fn ppb(self) -> i32 {
        self.ppb
    }

    /// Whether nothing is gained or lost.
    pub const fn is_zero(self) -> bool {
        self.ppb == 0
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let not_one = || RateError::NotARate(text.to_owned());
        let signed = text.strip_suffix("ppm").ok_or_else(not_one)?;
        let (number, back) = match signed.strip_prefix('-') {
            Some(number) => (number, true),
            None => (signed.strip_prefix('+').unwrap_or(signed), false),
        };
        let ppb = parts(number, 3).ok_or_else(not_one)?;
        let ppb = i32::try_from(ppb).ok().and_then(|ppb| Rate::from_ppb(if back { -ppb } else { ppb }));
        ppb.ok_or_else(|| RateError::TooMuch(text.to_owned()))
    }
}

impl Display for Rate {
    fn fmt(&self, out: &mut Formatter<'_>) -> Written {
        let sign = if self.ppb < 0 { '-' } else { '+' };
        write!(out, "{sign}{}ppm", Decimal(self.ppb.unsigned_abs().into(), 3))
    }
}

/// How much a link carries in bytes per second, `10MB/s`; units are decimal, and a bit is an eighth of a byte.
///
/// ```
/// use sim_core::Bandwidth;
/// let bandwidth: Bandwidth = "10MB/s".parse().unwrap();
/// assert_eq!(bandwidth.takes(1_000).to_string(), "100us");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bandwidth(NonZeroU64);

/// A text that is no bandwidth.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BandwidthError {
    /// Not a number of bytes per second.
    #[error("\"{0}\" is not a bandwidth; write \"100KB/s\" or \"10MB/s\" (B, KB, MB or GB)")]
    NotABandwidth(String),
    /// Less than one byte per second, or more than fits.
    #[error("\"{0}\" carries too little or too much; write 1B/s to 1000000GB/s (what carries nothing is a cut)")]
    OutOfBounds(String),
}

/// Units of bytes, the widest first, with the digits that each has behind a point.
const BYTES: [(&str, usize); 4] = [("GB", 9), ("MB", 6), ("KB", 3), ("B", 0)];

/// A whole number of bytes, `1KB` or `1.5MB`; `None` of anything else.
pub fn bytes(text: &str) -> Option<u64> {
    let (number, digits) = BYTES.iter().find_map(|(unit, digits)| Some((text.strip_suffix(unit)?, *digits)))?;
    u64::try_from(parts(number, digits)?).ok()
}

impl Bandwidth {
    const MOST: u64 = 1_000_000_000_000_000;

    /// That many bytes per second; `None` for none and above a million gigabytes.
    pub const fn new(bytes_per_second: u64) -> Option<Bandwidth> {
        match NonZeroU64::new(bytes_per_second) {
            Some(bytes) if bytes_per_second <= Bandwidth::MOST => Some(Bandwidth(bytes)),
            _ => None,
        }
    }

    /// Its bytes per second.
    pub const fn bytes_per_second(self) -> u64 {
        self.0.get()
    }

    /// How long so many bytes take, to the nanosecond below.
    pub const fn takes(self, bytes: u32) -> Duration {
        let nanos = bytes as u128 * 1_000_000_000 / self.0.get() as u128;
        // At most 2^32 seconds.
        Duration::from_nanos(nanos as u64)
    }
}

impl FromStr for Bandwidth {
    type Err = BandwidthError;

    fn from_str(text: &str) -> Result<Self, BandwidthError> {
        let not_one = || BandwidthError::NotABandwidth(text.to_owned());
        let bytes = text.strip_suffix("/s").and_then(bytes).ok_or_else(not_one)?;
        Bandwidth::new(bytes).ok_or_else(|| BandwidthError::OutOfBounds(text.to_owned()))
    }
}

impl Display for Bandwidth {
    fn fmt(&self, out: &mut Formatter<'_>) -> Written {
        let bytes = self.bytes_per_second();
        let (unit, digits) =
            BYTES.into_iter().find(|(_, digits)| bytes >= 10u64.pow(*digits as u32)).unwrap_or(("B", 0));
        write!(out, "{}{unit}/s", Decimal(bytes, digits))
    }
}

impl Serialize for Bandwidth {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bandwidth {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A decimal number in its smallest parts, of which there are ten to the power of `digits` in one; `None` when it is no such
/// number, has more digits behind the point, or more than eighteen before it.
fn parts(number: &str, digits: usize) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = if plain(fraction) { fraction.trim_end_matches('0') } else { return None };
    if !plain(whole) || whole.trim_start_matches('0').len() > 18 || fraction.len() > digits {
        return None;
    }
    format!("{whole}{fraction:0<digits$}").parse().ok()
}

/// A whole number of parts, written with a point.
struct Decimal(u64, usize);

impl Display for Decimal {
    fn fmt(&self, out: &mut Formatter<'_>) -> Written {
        let Decimal(parts, digits) = *self;
        let one = 10u64.pow(digits as u32);
        if parts.is_multiple_of(one) {
            return write!(out, "{}", parts / one);
        }
        let fraction = format!("{:0digits$}", parts % one);
        write!(out, "{}.{}", parts / one, fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_written_as_people_write_them() {
        for text in ["x10", "x1.5", "x0.000001", "x1000000"] {
            assert_eq!(text.parse::<Factor>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        for text in ["+200ms", "-160ms", "+0s", "-1.5s"] {
            assert_eq!(text.parse::<Shift>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        for text in ["+80ppm", "-0.5ppm", "+0ppm", "-999999.999ppm"] {
            assert_eq!(text.parse::<Rate>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        for text in ["100KB/s", "10MB/s", "1.5GB/s", "1B/s", "1000000GB/s", "1.001KB/s"] {
            assert_eq!(text.parse::<Bandwidth>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("80.0ppm".parse::<Rate>().map(|it| it.ppb()), Ok(80_000));
    }

    #[test]
    fn what_is_no_amount_says_what_would_be() {
        let factor = |text: &str| text.parse::<Factor>().unwrap_err().to_string();
        assert_eq!(factor("10"), "\"10\" is not a factor; write \"x10\" or \"x1.5\"");
        assert_eq!(factor("x0.0"), "\"x0.0\" would take no time; write a factor above zero");
        assert_eq!(factor("x1000000.1"), "\"x1000000.1\" is more than x1000000");
        assert_eq!(factor("x0.0000001"), "\"x0.0000001\" is not a factor; write \"x10\" or \"x1.5\"");
        assert!(factor("x99999999999999999999999999999999999999999").contains("is not a factor"));
        let rate = |text: &str| text.parse::<Rate>().unwrap_err().to_string();
        assert_eq!(rate("80"), "\"80\" is not a rate; write \"+80ppm\" or \"-0.5ppm\"");
        assert!(rate("1000000ppm").contains("is too much") && rate("0.0001ppm").contains("is not a rate"));
        let bandwidth = |text: &str| text.parse::<Bandwidth>().unwrap_err().to_string();
        assert!(bandwidth("10").contains("is not a bandwidth") && bandwidth("10MB").contains("is not a bandwidth"));
        assert!(bandwidth("0B/s").contains("too little") && bandwidth("1.5B/s").contains("is not a bandwidth"));
        assert!(bandwidth("9000000GB/s").contains("too much"));
        assert!("-ms".parse::<Shift>().is_err() && "+-1s".parse::<Shift>().is_err());
        assert_eq!("300000d".parse::<Shift>(), Err(DurationError::TooLong("300000d".to_owned())));
    }

    #[test]
    fn factors_multiply_inside_their_bounds() {
        let (ten, most) = (Factor::new(10).unwrap(), Factor::new(1_000_000).unwrap());
        assert_eq!(ten.times(ten), Factor::new(100).unwrap());
        assert_eq!(most.times(ten), most);
        assert_eq!(ten.stretch(Duration::from_millis(5)), Duration::from_millis(50));
        assert_eq!(ten.stretch(Duration::FOREVER), Duration::FOREVER);
        assert_eq!(Factor::new(0), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(parts in 1..=Factor::MOST, nanos in any::<i64>(), ppb in -999_999_999..1_000_000_000) {
            let (factor, shift, rate) = (Factor(parts), Shift::from_nanos(nanos), Rate::from_ppb(ppb).unwrap());
            prop_assert_eq!(factor.to_string().parse(), Ok(factor));
            prop_assert_eq!(shift.to_string().parse(), Ok(shift));
            prop_assert_eq!(rate.to_string().parse(), Ok(rate));
        }
    }
}
