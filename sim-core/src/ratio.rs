//! A ratio between nothing and everything, kept as an integer so that a chance is decided exactly.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A share between 0 and 1, in parts per 10¹².
///
/// ```
/// use sim_core::Ratio;
/// let loss: Ratio = "0.1%".parse().unwrap();
/// assert_eq!(loss, "1/1000".parse().unwrap());
/// assert_eq!(loss.to_string(), "0.1%");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ratio(u64);

/// Parts in a whole.
const WHOLE: u64 = 1_000_000_000_000;

/// A text that is no ratio between 0 % and 100 %.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RatioError {
    /// Neither `0.1%` nor `1/1000`.
    #[error("\"{0}\" is not a ratio; write \"0.1%\" or \"1/1000\"")]
    NotARatio(String),
    /// More than everything.
    #[error("\"{0}\" is more than 100%")]
    AboveOne(String),
}

impl Ratio {
    /// Nothing, never.
    pub const ZERO: Ratio = Ratio(0);
    /// One of two.
    pub const HALF: Ratio = Ratio(WHOLE / 2);
    /// Everything, always.
    pub const ONE: Ratio = Ratio(WHOLE);

    /// The ratio `part / whole`, rounded down to a part in 10¹²; `None` when above one or over nothing.
    pub const fn new(part: u64, whole: u64) -> Option<Ratio> {
        if whole == 0 || part > whole {
            return None;
        }
        Some(Ratio((part as u128 * WHOLE as u128 / whole as u128) as u64))
    }

    /// Its parts per 10¹².
    pub const fn parts(self) -> u64 {
        self.0
    }

    /// For showing and for metrics.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / WHOLE as f64
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether 64 random bits fall inside. More ratio contains less: the same bits that hit 1 % hit 2 %.
    ///
    /// The middle of all bits, 2⁶³, which stands for "calm", is inside a ratio above one half and outside one half itself.
    pub const fn hit(self, bits: u64) -> bool {
        ((bits as u128 * WHOLE as u128) >> 64) < self.0 as u128
    }

    /// The chance of at least one of two independent things.
    pub const fn or(self, other: Ratio) -> Ratio {
        if self.is_zero() {
            return other;
        }
        let neither = (WHOLE - self.0) as u128 * (WHOLE - other.0) as u128 / WHOLE as u128;
        Ratio(WHOLE - neither as u64)
    }
}

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let not_one = || RatioError::NotARatio(text.to_owned());
        if let Some(percent) = text.strip_suffix('%') {
            let parts = percent_parts(percent).ok_or_else(not_one)?;
            return if parts > WHOLE { Err(RatioError::AboveOne(text.to_owned())) } else { Ok(Ratio(parts)) };
        }
        let (part, whole) = text.split_once('/').ok_or_else(not_one)?;
        let digits = |t: &str| t.parse::<u64>().ok().filter(|_| t.bytes().all(|b| b.is_ascii_digit()));
        let (part, whole) = (digits(part).ok_or_else(not_one)?, digits(whole).ok_or_else(not_one)?);
        if whole == 0 {
            return Err(not_one());
        }
        Ratio::new(part, whole).ok_or_else(|| RatioError::AboveOne(text.to_owned()))
    }
}

/// A decimal percentage in parts per 10¹²; at most ten digits behind the point.
fn percent_parts(percent: &str) -> Option<u64> {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
    let plain = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || fraction.len() > 10 {
        return None;
    }
    let unit = WHOLE / 100;
    let fraction = fraction.parse::<u64>().ok()? * 10u64.pow(10 - fraction.len() as u32);
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(fraction)
}

impl fmt::Display for Ratio {
    /// Writes a percentage that reads back as the same ratio.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = WHOLE / 100;
        if self.0.is_multiple_of(unit) {
            return write!(out, "{}%", self.0 / unit);
        }
        let digits = format!("{:010}", self.0 % unit);
        write!(out, "{}.{}%", self.0 / unit, digits.trim_end_matches('0'))
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_chance_of_one_half_does_not_happen_under_calm() {
        let middle = 1 << 63;
        let hit = |text: &str| text.parse::<Ratio>().unwrap().hit(middle);
        assert!(!hit("50%"));
        assert!(hit("50.0000000001%"));
        assert!(!hit("0%"));
        assert!(hit("100%"));
        assert!(Ratio::ONE.hit(u64::MAX) && !Ratio::ZERO.hit(0));
    }

    #[test]
    fn what_is_no_ratio_says_what_would_be() {
        let message = |text: &str| text.parse::<Ratio>().unwrap_err().to_string();
        assert_eq!(message("0.1"), "\"0.1\" is not a ratio; write \"0.1%\" or \"1/1000\"");
        assert_eq!(message("101%"), "\"101%\" is more than 100%");
        for text in ["", "%", "1/0", "-1%", "1/", "+1/2", ".5%", "1.%"] {
            assert!(message(text).contains("is not a ratio"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(part in 0..=WHOLE) {
            let ratio = Ratio::new(part, WHOLE).unwrap();
            prop_assert_eq!(ratio.to_string().parse::<Ratio>(), Ok(ratio));
        }

        #[test]
        fn more_chance_hits_a_superset(a in 0..=WHOLE, b in 0..=WHOLE, bits in any::<u64>()) {
            let (less, more) = (Ratio(a.min(b)), Ratio(a.max(b)));
            prop_assert!(!less.hit(bits) || more.hit(bits));
        }
    }
}
