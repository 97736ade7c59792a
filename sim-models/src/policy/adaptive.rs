//! The AWS SDKs' adaptive retry mode: a client that is throttled sends no faster than it was just served.
//!
//! As botocore has it (retries/adaptive.py, bucket.py, throttling.py): the first throttling error switches a token bucket on. Its rate
//! is seven tenths of the measured one after each such error, and grows along the cubic curve of CUBIC after each success, but to no
//! more than twice the measured rate. Whoever finds no token waits for one, and never fails for lack of one.

use serde::Serialize;
use sim_core::{Duration, Instant};

use super::limiter::Sight;

/// The rate limiter of one client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Adaptive {
    /// Whether there was a throttling error yet; before, everybody goes.
    enabled: bool,
    /// Tokens, tokens a second, tokens at most, and when they were counted.
    tokens: f64,
    rate: f64,
    most: f64,
    since: Instant,
    /// The rate at the last throttling error, how long the curve takes back to it, and when that error was.
    top: f64,
    back: f64,
    failed: Instant,
    /// Answers since the beginning of the half second that is measured, and the rate as measured.
    answers: u32,
    slice: u64,
    measured: f64,
}

/// The half seconds in which the rate is measured.
const SLICE: u64 = 500_000_000;
/// How much of the measured rate a new half second makes out.
const SMOOTHING: f64 = 0.8;
const SCALE: f64 = 0.4;
const BETA: f64 = 0.7;
/// Tokens a second at least.
const LEAST: f64 = 0.5;

impl Adaptive {
    /// A client that was never throttled.
    pub const fn new(now: Instant) -> Self {
        Adaptive {
            enabled: false,
            tokens: 0.0,
            rate: 1.0,
            most: 1.0,
            since: now,
            top: 0.0,
            back: 0.0,
            failed: now,
            answers: 0,
            // Whole seconds, as the library begins.
            slice: now.nanos() / (2 * SLICE) * 2,
            measured: 0.0,
        }
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.since(self.since).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(self.most);
        self.since = now;
    }

    /// Takes a token, or says how long to wait before asking again.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if !self.enabled {
            return Ok(());
        }
        self.fill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // Rounded up, so that the token is there.
        let nanos = libm::ceil((1.0 - self.tokens) / self.rate * 1e9) + 1.0;
        Err(Duration::from_nanos(nanos as u64))
    }

    /// An answer has come, a throttling error or another.
    pub fn answered(&mut self, now: Instant, throttled: bool) {
        let measured = self.measure(now);
        let rate = if throttled {
            let rate = if self.enabled { measured.min(self.rate) } else { measured };
            self.top = rate;
            self.back = libm::cbrt(self.top * (1.0 - BETA) / SCALE);
            self.failed = now;
            self.enabled = true;
            rate * BETA
        } else {
            let past = now.since(self.failed).as_secs_f64() - self.back;
            SCALE * past * past * past + self.top
        };
        self.set_rate(now, rate.min(2.0 * measured));
    }

    fn set_rate(&mut self, now: Instant, rate: f64) {
        self.fill(now);
        self.rate = rate.max(LEAST);
        self.most = rate.max(1.0);
        self.tokens = self.tokens.min(self.most);
    }

    fn measure(&mut self, now: Instant) -> f64 {
        let slice = now.nanos() / SLICE;
        self.answers += 1;
        if slice > self.slice {
            let current = f64::from(self.answers) / ((slice - self.slice) as f64 / 2.0);
            self.measured = current * SMOOTHING + self.measured * (1.0 - SMOOTHING);
            self.answers = 0;
            self.slice = slice;
        }
        self.measured
    }

    /// What it goes by; none while everybody goes.
    pub(super) fn sight(&self, now: Instant) -> Option<Sight> {
        let mut then = self.clone();
        then.fill(now);
        let missing = libm::floor(then.tokens) + 1.0 - then.tokens;
        let wait = Duration::from_nanos_f64(libm::ceil(missing / then.rate * 1e9));
        let more = (then.tokens < then.most).then(|| now + wait);
        self.enabled.then_some(Sight { left: then.tokens, most: then.most, more })
    }

    /// Whether it holds no less than nothing and no more than it may.
    pub(super) fn audit(&self) -> Result<(), String> {
        if (0.0..=self.most).contains(&self.tokens) {
            return Ok(());
        }
        Err(format!("tokens of a rate: {}, and 0 to {} may be", self.tokens, self.most))
    }

    /// Tokens a second; none while everybody goes.
    pub const fn rate(&self) -> Option<f64> {
        if self.enabled { Some(self.rate) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    /// A client that got ten answers a second for so long, all well.
    fn busy(until: u64) -> Adaptive {
        let mut client = Adaptive::new(ms(0));
        (100..=until).step_by(100).for_each(|at| client.answered(ms(at), false));
        client
    }

    #[test]
    fn until_the_first_throttling_error_nobody_waits() {
        let mut client = busy(5_000);
        assert!((0..1000).all(|_| client.take(ms(5_000)).is_ok()));
        assert_eq!(client.rate(), None);
    }

    #[test]
    fn a_throttling_error_leaves_seven_tenths_of_the_measured_rate() {
        let mut client = busy(10_000);
        client.answered(ms(10_050), true);
        assert!((client.rate().unwrap() - 7.0).abs() < 0.01, "{client:?}");
        // The bucket was full of twice the measured rate, and holds what comes in a second now.
        let at_once = (0..100).filter(|_| client.take(ms(10_050)).is_ok()).count();
        assert!((6..=7).contains(&at_once), "{at_once}");
        let wait = client.take(ms(10_050)).unwrap_err();
        assert!(wait.as_millis_f64() <= 1000.0 / 6.9, "{wait}");
        let then = ms(10_050) + wait;
        assert!(client.take(then).is_ok());
        let next = client.take(then).unwrap_err();
        assert!((next.as_millis_f64() - 1000.0 / 7.0).abs() < 1.0, "{next}");
    }

    #[test]
    fn the_rate_comes_back_along_the_cube_and_is_never_more_than_twice_the_measured_one() {
        let mut client = busy(10_000);
        client.answered(ms(10_050), true);
        // K = cbrt(10 · 0.3 / 0.4) = 1.957 s after the error it is what it was; 1 s after that 0.4 more.
        let mut rates = Vec::new();
        (10_150..=13_050).step_by(100).for_each(|at| {
            client.answered(ms(at), false);
            rates.push(client.rate().unwrap());
        });
        assert!(rates.is_sorted(), "{rates:?}");
        assert!((rates[19] - 10.0).abs() < 0.01, "{rates:?}");
        assert!((rates[29] - 10.45).abs() < 0.05, "{rates:?}");
        (13_150..=60_050).step_by(100).for_each(|at| client.answered(ms(at), false));
        assert!((client.rate().unwrap() - 20.0).abs() < 0.5, "{client:?}");
    }

    #[test]
    fn it_is_never_less_than_one_in_two_seconds() {
        let mut client = Adaptive::new(ms(0));
        (0..20).for_each(|second| client.answered(ms(10_000 * second), true));
        assert_eq!(client.rate(), Some(0.5));
    }
}
