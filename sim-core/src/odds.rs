//! Which of a number of things is meant: all alike, or the first ones more often, as hot keys are.

use std::sync::Arc;

use thiserror::Error;

use crate::ratio::Ratio;

/// The odds of the whole numbers from 1 to some count: number k is drawn in proportion to 1/k^skew.
///
/// Skew 0 has all alike, 0.99 is the Zipfian of YCSB (Cooper et al. 2010, "Benchmarking Cloud Serving Systems with YCSB"), and from
/// 1 on a few are drawn most of the time. Drawn by inversion: one number of 64 bits each.
///
/// ```
/// use sim_core::Odds;
/// let odds = Odds::new(1_000, 0.99).unwrap();
/// assert_eq!(odds.sample(0), 1);
/// assert_eq!(odds.sample(u64::MAX), 1_000);
/// assert!((odds.share(1) - 0.12938).abs() < 1e-5, "{}", odds.share(1));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Odds {
    count: u64,
    /// Of each number but the last, the bits below which it or one before it is drawn; empty when all are alike.
    below: Arc<[u64]>,
}

/// Where a `skew` has picks end up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `first`: at 1, as if one key were asked for by all.
    First,
    /// `last`: at the largest number.
    Last,
    /// `ends`: at either, with equal odds: the smallest batches and the largest.
    Ends,
}

/// Why there are no such odds.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum OddsError {
    /// None, or more than a table holds.
    #[error("it is 1 to {}", Odds::MOST)]
    Count,
    /// Negative, or so much that only the first would ever be drawn.
    #[error("a skew is 0 to {}", Odds::MOST_SKEWED)]
    Skew,
}

/// 2⁶⁴, exactly.
const WHOLE: f64 = 18_446_744_073_709_551_616.0;

impl Odds {
    /// The largest count.
    pub const MOST: u64 = 1_000_000;
    /// The largest skew.
    pub const MOST_SKEWED: f64 = 10.0;

    /// The odds of 1 to `count`.
    ///
    /// # Errors
    /// When the count is 0 or above [`MOST`](Self::MOST), or the skew not from 0 to [`MOST_SKEWED`](Self::MOST_SKEWED).
    pub fn new(count: u64, skew: f64) -> Result<Odds, OddsError> {
        if !(1..=Odds::MOST).contains(&count) {
            return Err(OddsError::Count);
        }
        if !(0.0..=Odds::MOST_SKEWED).contains(&skew) {
            return Err(OddsError::Skew);
        }
        if skew == 0.0 {
            return Ok(Odds { count, below: Arc::default() });
        }
        let weight = |number: u64| libm::pow(number as f64, -skew);
        // From the smallest on, so that little is lost to rounding.
        let all: f64 = (1..=count).rev().map(weight).sum();
        let mut sum = 0.0;
        let below = (1..count).map(|number| {
            sum += weight(number);
            (sum / all * WHOLE) as u64
        });
        Ok(Odds { count, below: below.collect() })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number at 64 uniformly random bits.
    pub fn sample(&self, bits: u64) -> u64 {
        if self.below.is_empty() {
            return 1 + ((u128::from(bits) * u128::from(self.count)) >> 64) as u64;
        }
        1 + self.below.partition_point(|below| *below <= bits) as u64
    }

    /// The number at an end; these bits say at which, when it may be either.
    pub(crate) fn at(&self, end: End, bits: u64) -> u64 {
        match end {
            End::First => 1,
            End::Last => self.count,
            End::Ends => {
                if Ratio::HALF.hit(bits) {
                    1
                } else {
                    self.count
                }
            }
        }
    }

    /// How often a number is drawn, from 0 to 1.
    pub fn share(&self, number: u64) -> f64 {
        if !(1..=self.count).contains(&number) {
            return 0.0;
        }
        if self.below.is_empty() {
            return 1.0 / self.count as f64;
        }
        let up_to = |number: u64| match number.checked_sub(1) {
            None => 0.0,
            Some(place) => self.below.get(place as usize).map_or(1.0, |below| *below as f64 / WHOLE),
        };
        up_to(number) - up_to(number - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::mix;

    #[test]
    fn each_number_is_drawn_as_often_as_its_weight_says() {
        const DRAWS: u64 = 1_000_000;
        for (count, skew) in [(1, 1.0), (7, 0.0), (10, 1.0), (50, 2.5)] {
            let odds = Odds::new(count, skew).expect("sound");
            let mut drawn = vec![0u64; count as usize];
            (0..DRAWS).for_each(|n| drawn[odds.sample(mix(n, 5)) as usize - 1] += 1);
            let all: f64 = (1..=count).map(|k| libm::pow(k as f64, -skew)).sum();
            for (at, drawn) in drawn.iter().enumerate() {
                let share = libm::pow(at as f64 + 1.0, -skew) / all;
                assert!((odds.share(at as u64 + 1) - share).abs() < 1e-12);
                let (mean, sd) = (share * DRAWS as f64, (share * (1.0 - share) * DRAWS as f64).sqrt());
                assert!((*drawn as f64 - mean).abs() <= 4.0 * sd, "{count} {skew} {at}: {drawn} for {mean} ± {sd}");
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(Odds::new(0, 1.0), Err(OddsError::Count));
        assert_eq!(Odds::new(Odds::MOST + 1, 1.0), Err(OddsError::Count));
        assert_eq!(Odds::new(5, -0.1), Err(OddsError::Skew));
        assert_eq!(Odds::new(5, f64::NAN), Err(OddsError::Skew));
        assert_eq!(Odds::new(5, 10.1), Err(OddsError::Skew));
        assert_eq!(
            (Odds::new(3, 1.0).expect("sound").share(4), Odds::new(3, 0.0).expect("sound").share(0)),
            (0.0, 0.0)
        );
    }
}
