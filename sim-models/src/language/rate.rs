//! How often something happens, kept exactly, so that even spacing never drifts.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use sim_core::Duration;
use thiserror::Error;

/// So many in so long: `10/s`, `6/m`, `0.5/s`.
///
/// ```
/// use sim_models::language::Rate;
/// let rate: Rate = "3/s".parse().unwrap();
/// assert_eq!(rate.offset(3).to_string(), "1s");
/// assert_eq!(rate.interval().to_string(), "333.333333ms");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// In millionths.
    count: u64,
    per: Duration,
    unit: &'static str,
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a rate; write \"10/s\" or \"6/m\"")]
pub struct RateError(String);

const UNITS: [(&str, u64); 5] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
const ONE: u64 = 1_000_000;

impl Rate {
    /// How many in a second, for showing.
    pub fn per_second(self) -> f64 {
        self.count as f64 / ONE as f64 / self.per.as_secs_f64()
    }

    /// The time from one to the next, rounded down; the longest there is when the rate is zero.
    pub fn interval(self) -> Duration {
        self.offset(1)
    }

    /// When the `nth` happens after the start, evenly spaced: rounded down once, so that a thousand of `3/s` lose nothing.
    pub fn offset(self, nth: u64) -> Duration {
        if self.count == 0 {
            return Duration::FOREVER;
        }
        let nanos = u128::from(nth) * u128::from(ONE) * u128::from(self.per.nanos()) / u128::from(self.count);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many in 10⁹ seconds, to the nearest; `None` when those are more than 64 bits hold.
    pub fn per_giga(self) -> Option<u64> {
        const GIGA_NANOS: u128 = 1_000_000_000 * 1_000_000_000;
        let per = u128::from(self.per.nanos()) * u128::from(ONE);
        u64::try_from((u128::from(self.count) * GIGA_NANOS + per / 2) / per).ok()
    }

    /// So many in so long, in whole numbers; so long is the longest there is when it does not fit.
    pub fn whole(self) -> (u64, Duration) {
        let common = gcd(self.count, ONE);
        (self.count / common, self.per.saturating_mul(ONE / common))
    }

    /// Whether it never happens.
    pub const fn is_zero(self) -> bool {
        self.count == 0
    }
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl PartialEq for Rate {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let cross = |a: &Rate, b: &Rate| u128::from(a.count) * u128::from(b.per.nanos());
        cross(self, other).partial_cmp(&cross(other, self))
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let read = || {
            let (count, unit) = text.split_once('/')?;
            let (unit, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
            Some(Rate { count: millionths(count)?, per: Duration::from_nanos(*nanos), unit })
        };
        read().ok_or_else(|| RateError(text.to_owned()))
    }
}

/// A decimal number with at most six digits behind the point, in millionths.
fn millionths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    whole.parse::<u64>().ok()?.checked_mul(ONE)?.checked_add(format!("{fraction:0<6}").parse().ok()?)
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:06}", self.count % ONE);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(out, "{}{point}{fraction}/{}", self.count / ONE, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_exactly_and_written_as_it_was() {
        for text in ["10/s", "6/m", "0.5/s", "0/s", "1.000001/ms"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        let rate = |text: &str| text.parse::<Rate>().unwrap();
        assert_eq!(rate("60/m"), rate("1/s"));
        assert!(rate("61/m") > rate("1/s"));
        assert_eq!(rate("3/s").offset(3_000_000), Duration::from_secs(1_000_000));
        assert_eq!(rate("0/s").interval(), Duration::FOREVER);
        assert_eq!((rate("6/m").per_giga(), rate("0.5/s").per_giga()), (Some(100_000_000), Some(500_000_000)));
        assert_eq!((rate("1/m").per_giga(), rate("99999999999/ms").per_giga()), (Some(16_666_667), None));
    }

    #[test]
    fn what_is_no_rate_says_what_would_be() {
        for text in ["10", "10/", "/s", "-1/s", "1./s", "10/week", "99999999999999999/s", ""] {
            let message = text.parse::<Rate>().unwrap_err().to_string();
            assert_eq!(message, format!("\"{text}\" is not a rate; write \"10/s\" or \"6/m\""));
        }
    }
}
