//! The breaker of Hystrix: a timer looks at the counts twice a second, and nothing else opens it.

use serde::Serialize;
use sim_core::{Duration, Instant};

use super::window::{Buckets, Counts, Mark};
use super::{Admission, Ended, State};
use crate::policy::profile::{Kind, Parameter, Profile};
use crate::policy::settings::{Setting, Settings};

/// Every parameter of `HystrixCommandProperties` that the breaker reads, and its timeout.
pub static PROFILE: Profile = Profile {
    name: "hystrix",
    kind: Kind::Breaker,
    source: "Hystrix 1.5.18 (7c03baf): HystrixCircuitBreaker, HystrixCommandMetrics, HealthCountsStream, \
        AbstractCommand",
    about: "Opens when a look at the counts, taken each half second, finds too many errors; one call decides \
        afterwards.",
    parameters: &[
        Parameter::new("circuitBreaker.enabled", Setting::Switch(true), "Whether there is a breaker at all."),
        Parameter::new(
            "circuitBreaker.requestVolumeThreshold",
            Setting::Count(20),
            "Calls within the window without which it never opens.",
        ),
        Parameter::new(
            "circuitBreaker.errorThresholdPercentage",
            Setting::Count(50),
            "Opens at this whole percentage of errors, itself included.",
        )
        .to(Setting::Count(100)),
        Parameter::new(
            "circuitBreaker.sleepWindowInMilliseconds",
            Setting::secs(5),
            "No call goes through for this long.",
        ),
        Parameter::new("circuitBreaker.forceOpen", Setting::Switch(false), "Whether no call goes through ever."),
        Parameter::new("circuitBreaker.forceClosed", Setting::Switch(false), "Whether every call goes through."),
        Parameter::new("metrics.rollingStats.timeInMilliseconds", Setting::secs(10), "The time that counts.")
            .from(Setting::millis(1)),
        Parameter::new(
            "metrics.healthSnapshot.intervalInMilliseconds",
            Setting::millis(500),
            "How often the counts are looked at; the window is cut into pieces of this length.",
        )
        .from(Setting::millis(1)),
        Parameter::new(
            "execution.timeout.enabled",
            Setting::Switch(true),
            "Whether a call that takes long fails at all.",
        ),
        Parameter::new(
            "execution.isolation.thread.timeoutInMilliseconds",
            Setting::secs(1),
            "A call that takes longer has failed. Used when the step has no timeout.",
        )
        .from(Setting::millis(1)),
        Parameter::new("ignoreExceptions", Setting::Outcomes, "Outcomes that are bad requests, and not counted."),
    ],
    surprises: &[
        "It opens only when the counts are looked at, each half second: until then the calls go on.",
        "The piece of the window that is being filled is not looked at.",
        "The percentage is cut to a whole number: 49.9 % is 49.",
        "The sleep window is over when the clock is after it, not at it.",
        "A bad request is not counted, but as the probe it opens the circuit again; so does a cancelled one.",
        "Any success while half-open closes it, that of a call from before it opened too.",
        "Rejections by the open circuit are not counted.",
    ],
    sound: |settings| {
        let window = settings.length("metrics.rollingStats.timeInMilliseconds");
        let piece = settings.length("metrics.healthSnapshot.intervalInMilliseconds");
        if piece > window {
            let name = "metrics.healthSnapshot.intervalInMilliseconds";
            return Err((name, format!("{name} {piece} is longer than the window, {window}")));
        }
        Ok(())
    },
};

/// How it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    force: Force,
    volume: u32,
    percentage: u32,
    sleep: Duration,
    pieces: u32,
    piece: Duration,
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Force {
    Not,
    Open,
    Closed,
}

/// The breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Breaker {
    #[serde(skip)]
    rule: Rule,
    phase: Phase,
    /// When the counts are looked at next.
    looks_at: Instant,
    /// The pieces that are looked at.
    pieces: Buckets,
    /// The piece that is being filled.
    filling: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
enum Phase {
    Closed,
    Open { since: Instant },
    HalfOpen,
}

impl Rule {
    pub(super) fn of(settings: &Settings) -> Rule {
        let window = settings.length("metrics.rollingStats.timeInMilliseconds");
        let piece = settings.length("metrics.healthSnapshot.intervalInMilliseconds");
        Rule {
            force: match () {
                () if settings.is("circuitBreaker.forceOpen") => Force::Open,
                () if settings.is("circuitBreaker.forceClosed") || !settings.is("circuitBreaker.enabled") => {
                    Force::Closed
                }
                () => Force::Not,
            },
            volume: settings.count("circuitBreaker.requestVolumeThreshold"),
            percentage: settings.count("circuitBreaker.errorThresholdPercentage"),
            sleep: settings.length("circuitBreaker.sleepWindowInMilliseconds"),
            pieces: u32::try_from(window.nanos() / piece.nanos().max(1)).unwrap_or(u32::MAX),
            piece,
            timeout: settings
                .is("execution.timeout.enabled")
                .then(|| settings.length("execution.isolation.thread.timeoutInMilliseconds")),
        }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    fn too_bad(&self, counts: Counts) -> bool {
        let percentage = u64::from(counts.failed) * 100 / u64::from(counts.total.max(1));
        counts.total >= self.volume && percentage >= u64::from(self.percentage)
    }
}

impl Breaker {
    pub(super) fn new(rule: Rule, now: Instant) -> Breaker {
        Breaker {
            rule,
            phase: Phase::Closed,
            looks_at: now + rule.piece,
            pieces: Buckets::new(rule.pieces),
            filling: Counts::default(),
        }
    }

    /// Looks at the counts as often as its timer has done by now. When nothing is left in them it need not.
    fn settle(&mut self, now: Instant) {
        while self.looks_at <= now && (self.filling.total > 0 || self.pieces.counts().total > 0) {
            self.pieces.turn(1);
            let filled = std::mem::take(&mut self.filling);
            self.pieces.change(|counts| counts.put(filled));
            if self.phase == Phase::Closed && self.rule.too_bad(self.pieces.counts()) {
                self.phase = Phase::Open { since: self.looks_at };
            }
            self.looks_at += self.rule.piece;
        }
        if self.looks_at <= now {
            if self.phase == Phase::Closed && self.rule.too_bad(Counts::default()) {
                self.phase = Phase::Open { since: self.looks_at };
            }
            let missed = now.since(self.looks_at).nanos() / self.rule.piece.nanos() + 1;
            self.looks_at += self.rule.piece.saturating_mul(missed);
        }
    }

    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        self.settle(now);
        match (self.rule.force, self.phase) {
            (Force::Closed, _) | (Force::Not, Phase::Closed) => Admission::Go,
            (Force::Not, Phase::Open { since }) if now > since + self.rule.sleep => {
                self.phase = Phase::HalfOpen;
                Admission::Go
            }
            (Force::Open, _) | (Force::Not, Phase::Open { .. } | Phase::HalfOpen) => Admission::Open,
        }
    }

    pub(super) fn report(&mut self, now: Instant, ended: Ended) {
        self.settle(now);
        let probed = self.phase == Phase::HalfOpen;
        match ended {
            Ended::Ok => {
                if probed {
                    *self = Breaker::new(self.rule, now);
                }
                self.filling.add(Mark::Ok);
            }
            Ended::Failed | Ended::Overlooked | Ended::Cancelled => {
                if probed {
                    self.phase = Phase::Open { since: now };
                }
                if ended == Ended::Failed {
                    self.filling.add(Mark::Failed);
                }
            }
        }
    }

    pub(super) fn sight(&self) -> (Counts, Option<Instant>) {
        let mut counts = self.pieces.counts();
        counts.put(self.filling);
        match self.phase {
            Phase::Open { since } => (counts, Some(since + self.rule.sleep)),
            Phase::Closed | Phase::HalfOpen => (counts, None),
        }
    }

    pub(super) fn state(&mut self, now: Instant) -> State {
        self.settle(now);
        match (self.rule.force, self.phase) {
            (Force::Open, _) => State::Open,
            (Force::Closed, _) | (Force::Not, Phase::Closed) => State::Closed,
            (Force::Not, Phase::Open { .. }) => State::Open,
            (Force::Not, Phase::HalfOpen) => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::breaker::script;

    fn check(parameters: &str, story: &str) {
        script::check("hystrix", parameters, story);
    }

    #[test]
    fn it_opens_at_the_next_look_and_not_before() {
        check("{}", "0s BAD*20 499999999ns go =closed 500ms =open no");
    }

    #[test]
    fn half_of_twenty_opens_and_nineteen_are_too_few() {
        check("{}", "0s OK*10 BAD*10 500ms =open");
        check("{}", "0s BAD*19 500ms =closed");
    }

    #[test]
    fn the_percentage_is_cut_to_a_whole_number() {
        check("{}", "0s OK*101 BAD*100 500ms =closed");
        check("{}", "0s OK*100 BAD*100 500ms =open");
    }

    #[test]
    fn the_sleep_window_is_over_after_it_and_not_at_it() {
        // It was opened by the look at 0.5 s, not when somebody asked.
        check("{}", "0s BAD*20 2s no 5500ms no 5500000001ns go =half-open no");
    }

    #[test]
    fn a_success_closes_it_and_forgets() {
        check("{}", "0s BAD*20 1s no 6s go ok =closed BAD*18 6500ms =closed BAD 7s =open");
    }

    #[test]
    fn the_success_of_the_probe_is_the_first_that_is_counted_afterwards() {
        check("{}", "0s BAD*20 1s no 6s go ok BAD*19 6500ms =open");
    }

    #[test]
    fn a_failed_probe_opens_it_for_another_sleep() {
        check("{}", "0s BAD*20 1s no 6s go bad =open 11s no 11001ms go");
    }

    #[test]
    fn a_bad_request_is_not_counted_but_opens_it_as_the_probe() {
        check("{}", "0s SKIP*100 500ms =closed");
        check("{}", "0s BAD*20 1s no 6s go skip =open");
        check("{}", "0s BAD*20 1s no 6s go gone =open");
    }

    #[test]
    fn any_success_while_half_open_closes_it() {
        check("{}", "0s go BAD*20 1s no 6s go =half-open ok =closed");
    }

    #[test]
    fn calls_leave_the_window_after_ten_seconds() {
        check("{}", "0s BAD*10 9999ms BAD*10 10s =open");
        check("{}", "0s BAD*10 10s BAD*10 10500ms =closed");
    }

    #[test]
    fn it_brings_a_timeout_of_a_second_unless_that_is_switched_off() {
        let timeout = |parameters: &str| script::rule("hystrix", parameters).timeout();
        let second = sim_core::Duration::from_secs(1);
        assert_eq!(timeout("{}"), Some(second));
        let longer = r#"{"execution.isolation.thread.timeoutInMilliseconds": "3s"}"#;
        assert_eq!(timeout(longer), Some(second.saturating_mul(3)));
        assert_eq!(timeout(r#"{"execution.timeout.enabled": false}"#), None);
    }

    #[test]
    fn forced_it_does_not_look() {
        check(r#"{"circuitBreaker.forceOpen": true}"#, "0s no =open");
        check(r#"{"circuitBreaker.forceClosed": true}"#, "0s BAD*100 1s go =closed");
        check(r#"{"circuitBreaker.enabled": false}"#, "0s BAD*100 1s go =closed");
        check(r#"{"circuitBreaker.forceOpen": true, "circuitBreaker.forceClosed": true}"#, "0s no");
    }
}
