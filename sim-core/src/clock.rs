//! Two clocks a node: one that never goes back, for timeouts, and one on the wall, which may be wrong.

use serde::{Deserialize, Serialize};

use crate::time::{Duration, Instant};

/// How a node's clocks stand to true time: both exact by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// How far the wall clock is ahead of true time at the start, in nanoseconds.
    pub offset_nanos: i64,
    /// How much faster than true time both clocks run, in parts per 10⁹.
    pub drift_ppb: i32,
}

impl Clock {
    /// What the monotonic clock shows: zero at the start, at this clock's speed.
    #[inline]
    pub fn monotonic(self, now: Instant) -> Instant {
        if self.drift_ppb == 0 { now } else { now.shifted(self.gained(now.nanos())) }
    }

    /// What the wall clock shows, as a distance from the start of the run.
    #[inline]
    pub fn wall(self, now: Instant) -> Instant {
        self.monotonic(now).shifted(self.offset_nanos)
    }

    /// The true length of what this clock measures as `length`; never shorter than that.
    #[inline]
    pub fn true_length(self, length: Duration) -> Duration {
        if self.drift_ppb == 0 {
            return length;
        }
        let speed = (1_000_000_000 + i64::from(self.drift_ppb)).max(1) as u128;
        let scaled = (u128::from(length.nanos()) * 1_000_000_000).div_ceil(speed);
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    fn gained(self, nanos: u64) -> i64 {
        let gained = i128::from(nanos) * i128::from(self.drift_ppb) / 1_000_000_000;
        gained.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_is_ahead_and_its_timers_are_early() {
        let clock = Clock { offset_nanos: -5, drift_ppb: 1_000_000 };
        let second = Instant::ZERO + Duration::from_secs(1);
        assert_eq!(clock.monotonic(second).nanos(), 1_001_000_000);
        assert_eq!(clock.wall(second).nanos(), 1_000_999_995);
        let true_length = clock.true_length(Duration::from_secs(1));
        assert_eq!(true_length.nanos(), 999_000_999_u64 + 1);
        assert!(clock.monotonic(Instant::ZERO + true_length) >= second);
    }

    #[test]
    fn an_exact_clock_shows_true_time() {
        let now = Instant::from_nanos(u64::MAX);
        assert_eq!((Clock::default().monotonic(now), Clock::default().wall(now)), (now, now));
        assert_eq!(Clock::default().true_length(Duration::FOREVER), Duration::FOREVER);
    }
}
