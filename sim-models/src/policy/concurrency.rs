//! Limits of calls at once that find themselves: they grow while all is well and shrink when calls are lost or slow.
//!
//! As Netflix's concurrency-limits has them (78a74b9): a limit hears of each call its time, how many were under way
//! when it began, and whether it was lost. Numbers are floats as there, but for the limit itself; the platform's
//! functions are not used.

use serde::Serialize;
use sim_core::Duration;

/// What a limit hears of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How long it took.
    pub took: Duration,
    /// Calls under way when it began, itself included.
    pub in_flight: u32,
    /// Whether it was lost: refused or timed out.
    pub lost: bool,
}

/// `AIMDLimit`: one more when at least half of it is used, a tenth less when a call is lost or too slow.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Aimd {
    limit: u32,
}

impl Aimd {
    const LEAST: u32 = 20;
    const MOST: u32 = 200;
    const TIMEOUT: Duration = Duration::from_secs(5);

    /// As it begins: 20, which is also the least.
    pub const fn new() -> Self {
        Aimd { limit: Self::LEAST }
    }

    /// Calls that may be under way at once.
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    /// Hears of a call.
    pub fn hear(&mut self, sample: Sample) {
        if sample.lost || sample.took > Self::TIMEOUT {
            self.limit = self.limit * 9 / 10;
        } else if sample.in_flight.saturating_mul(2) >= self.limit {
            self.limit += 1;
        }
        self.limit = self.limit.clamp(Self::LEAST, Self::MOST);
    }
}

impl Default for Aimd {
    fn default() -> Self {
        Aimd::new()
    }
}

/// `Gradient2Limit`: the times of late against those of long ago; losses are not heard of at all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gradient2 {
    limit: f64,
    /// The mean of times over 600 calls or so, in nanoseconds, and how many it is of.
    long: f64,
    count: u32,
    sum: f64,
}

impl Gradient2 {
    const LEAST: f64 = 20.0;
    const MOST: f64 = 200.0;
    const QUEUE: f64 = 4.0;
    const SMOOTHING: f64 = 0.2;
    const TOLERANCE: f64 = 1.5;
    const LONG: u32 = 600;
    /// Calls whose plain mean the long mean begins with.
    const WARMUP: u32 = 10;

    /// As it begins: 20, which is also the least.
    pub const fn new() -> Self {
        Gradient2 { limit: Self::LEAST, long: 0.0, count: 0, sum: 0.0 }
    }

    /// Calls that may be under way at once.
    pub fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Hears of a call. That it was lost changes nothing.
    pub fn hear(&mut self, sample: Sample) {
        let short = sample.took.nanos() as f64;
        self.add(short);
        // What was slow for long would else take as long to be forgotten.
        if short > 0.0 && self.long / short > 2.0 {
            self.long *= 0.95;
        }
        if f64::from(sample.in_flight) < self.limit / 2.0 {
            return;
        }
        let gradient = if short > 0.0 { (Self::TOLERANCE * self.long / short).clamp(0.5, 1.0) } else { 1.0 };
        let new = self.limit * gradient + Self::QUEUE;
        let smooth = self.limit * (1.0 - Self::SMOOTHING) + new * Self::SMOOTHING;
        self.limit = smooth.clamp(Self::LEAST, Self::MOST);
    }

    fn add(&mut self, time: f64) {
        if self.count < Self::WARMUP {
            self.count += 1;
            self.sum += time;
            self.long = self.sum / f64::from(self.count);
        } else {
            let factor = 2.0 / f64::from(Self::LONG + 1);
            self.long = self.long * (1.0 - factor) + time * factor;
        }
    }
}

impl Default for Gradient2 {
    fn default() -> Self {
        Gradient2::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(millis: u64, in_flight: u32, lost: bool) -> Sample {
        Sample { took: Duration::from_millis(millis), in_flight, lost }
    }

    #[test]
    fn aimd_grows_when_at_least_half_is_used_and_not_when_less() {
        let mut limit = Aimd::new();
        limit.hear(call(10, 9, false));
        assert_eq!(limit.limit(), 20, "18 of 20");
        limit.hear(call(10, 10, false));
        assert_eq!(limit.limit(), 21, "20 of 20");
    }

    #[test]
    fn aimd_shrinks_by_a_tenth_rounded_down_and_never_below_twenty() {
        let mut limit = Aimd { limit: 101 };
        limit.hear(call(10, 101, true));
        assert_eq!(limit.limit(), 90);
        (0..100).for_each(|_| limit.hear(call(10, 1, true)));
        assert_eq!(limit.limit(), 20);
    }

    #[test]
    fn aimd_takes_a_call_for_lost_that_takes_longer_than_five_seconds_and_not_as_long() {
        let mut limit = Aimd { limit: 100 };
        limit.hear(call(5_000, 1, false));
        assert_eq!(limit.limit(), 100);
        limit.hear(call(5_001, 1, false));
        assert_eq!(limit.limit(), 90);
    }

    #[test]
    fn gradient2_grows_by_its_queue_while_times_are_as_ever() {
        let mut limit = Gradient2::new();
        limit.hear(call(10, 20, false));
        assert!((limit.limit - 20.8).abs() < 1e-9, "20 · 0.8 + 24 · 0.2");
        (0..2_000).for_each(|_| limit.hear(call(10, 200, false)));
        assert_eq!(limit.limit(), 200);
    }

    #[test]
    fn gradient2_ignores_that_a_call_was_lost() {
        let (mut lost, mut fine) = (Gradient2::new(), Gradient2::new());
        (0..50).for_each(|_| {
            lost.hear(call(10, 30, true));
            fine.hear(call(10, 30, false));
        });
        assert_eq!(lost, fine);
    }

    #[test]
    fn gradient2_does_not_grow_when_less_than_half_is_used() {
        let mut limit = Gradient2::new();
        (0..100).for_each(|_| limit.hear(call(10, 9, false)));
        assert_eq!(limit.limit(), 20);
    }

    #[test]
    fn gradient2_shrinks_when_times_are_more_than_half_longer_and_in_time_takes_them_for_normal() {
        let mut limit = Gradient2::new();
        (0..500).for_each(|_| limit.hear(call(10, 200, false)));
        assert_eq!(limit.limit(), 200);
        (0..20).for_each(|_| limit.hear(call(40, 200, false)));
        assert!(limit.limit() < 100, "{}", limit.limit());
        // Chronic slowness becomes the measure.
        (0..5_000).for_each(|_| limit.hear(call(40, 200, false)));
        assert_eq!(limit.limit(), 200);
    }
}
