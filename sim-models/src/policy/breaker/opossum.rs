//! The breaker of opossum: failures over everything that was fired, in buckets that a timer turns.

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::window::{Buckets, Counts};
use super::{Admission, Ended, State, differ, exceeds};
use crate::policy::profile::{Kind, Parameter, Profile};
use crate::policy::settings::{Setting, Settings};

/// Every parameter that changes what is called and when; the cache is no breaker, and left out.
pub static PROFILE: Profile = Profile {
    name: "opossum",
    kind: Kind::Breaker,
    source: "opossum 9 (59421c5): lib/circuit.js, lib/status.js",
    about: "Opens when failures divided by calls fired exceed a percentage; a timer makes it half-open, and one call \
        decides.",
    parameters: &[
        Parameter::new(
            "timeout",
            Setting::secs(10),
            "A call that takes longer has failed; it goes on, and its place is free. Used when the step has no \
                timeout.",
        )
        .from(Setting::millis(1)),
        Parameter::new(
            "enabled",
            Setting::Switch(true),
            "Whether it does anything: without it, no timeout, no capacity, and it never opens.",
        ),
        Parameter::new("errorThresholdPercentage", Setting::percent(50), "Opens above this percentage of failures."),
        Parameter::new(
            "volumeThreshold",
            Setting::Count(0),
            "Calls fired within the window without which it never \
            opens.",
        ),
        Parameter::new("resetTimeout", Setting::secs(30), "A timer makes it half-open after this long."),
        Parameter::new("rollingCountTimeout", Setting::secs(10), "The time that counts.").from(Setting::millis(1)),
        Parameter::new("rollingCountBuckets", Setting::Count(10), "The buckets it is cut into.")
            .from(Setting::Count(1))
            .to(Setting::Count(1_000)),
        Parameter::new(
            "capacity",
            Setting::Count(u64::MAX),
            "Calls at once; one more is refused, and counts as a failure.",
        )
        .from(Setting::Count(1)),
        Parameter::new(
            "allowWarmUp",
            Setting::Switch(false),
            "Whether it stays closed for the first \
            rollingCountTimeout.",
        ),
        Parameter::new("errorFilter", Setting::Outcomes, "Outcomes that count as well."),
    ],
    surprises: &[
        "With volumeThreshold 0 the first failure of a lonely call is 100 % and opens it.",
        "The percentage must be exceeded: exactly 50 % does not open it.",
        "Calls fired count at once, refused ones and those still under way too, so that they thin out the failures.",
        "A filtered error is a success, and closes it when half-open.",
        "A call refused for capacity is a failure.",
        "Closing does not forget: the failures before it still stand in the window.",
        "Any success while half-open closes it, that of a call from before it opened too.",
    ],
    sound: |settings| {
        let (window, buckets) = (settings.length("rollingCountTimeout"), settings.count("rollingCountBuckets"));
        if window < Duration::from_millis(u64::from(buckets)) {
            return Err((
                "rollingCountTimeout",
                format!(
                    "rollingCountTimeout {window} is less than 1ms for each of \
                {buckets} buckets"
                ),
            ));
        }
        Ok(())
    },
};

/// How it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    enabled: bool,
    timeout: Duration,
    percentage: Ratio,
    volume: u32,
    reset: Duration,
    window: Duration,
    buckets: u32,
    capacity: u32,
    warm_up: bool,
}

/// The breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Breaker {
    #[serde(skip)]
    rule: Rule,
    phase: Phase,
    /// Until when failures do not open it.
    warm_at: Instant,
    /// When the buckets turn next.
    turns_at: Instant,
    /// `total` is what was fired.
    buckets: Buckets,
    in_flight: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
enum Phase {
    Closed,
    Open {
        until: Instant,
    },
    /// Whether the one call has not been fired yet.
    HalfOpen {
        waits: bool,
    },
}

impl Rule {
    pub(super) fn of(settings: &Settings) -> Rule {
        Rule {
            enabled: settings.is("enabled"),
            timeout: settings.length("timeout"),
            percentage: settings.ratio("errorThresholdPercentage"),
            volume: settings.count("volumeThreshold"),
            reset: settings.length("resetTimeout"),
            window: settings.length("rollingCountTimeout"),
            buckets: settings.count("rollingCountBuckets"),
            capacity: settings.count("capacity"),
            warm_up: settings.is("allowWarmUp"),
        }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.enabled.then_some(self.timeout)
    }

    /// Whole milliseconds, as its timer takes them.
    fn turn(&self) -> Duration {
        Duration::from_millis((self.window.nanos() / 1_000_000 / u64::from(self.buckets)).max(1))
    }
}

impl Breaker {
    pub(super) fn new(rule: Rule, now: Instant) -> Breaker {
        Breaker {
            rule,
            phase: Phase::Closed,
            warm_at: if rule.warm_up { now + rule.window } else { now },
            turns_at: now + rule.turn(),
            buckets: Buckets::new(rule.buckets),
            in_flight: 0,
        }
    }

    /// Catches up with its timers, which go before what happens at the same instant.
    fn settle(&mut self, now: Instant) {
        if self.turns_at <= now {
            let turn = self.rule.turn();
            let turns = now.since(self.turns_at).nanos() / turn.nanos() + 1;
            self.buckets.turn(turns);
            self.turns_at += turn.saturating_mul(turns);
        }
        if let Phase::Open { until } = self.phase
            && until <= now
        {
            self.phase = Phase::HalfOpen { waits: true };
        }
    }

    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        self.settle(now);
        self.buckets.change(|counts| counts.total += 1);
        if !self.rule.enabled {
            self.in_flight += 1;
            return Admission::Go;
        }
        match &mut self.phase {
            Phase::Open { .. } | Phase::HalfOpen { waits: false } => return Admission::Open,
            Phase::HalfOpen { waits } => *waits = false,
            Phase::Closed => {}
        }
        if self.in_flight >= self.rule.capacity {
            self.failed(now);
            return Admission::Full;
        }
        self.in_flight += 1;
        Admission::Go
    }

    pub(super) fn report(&mut self, now: Instant, ended: Ended) {
        self.settle(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        if !self.rule.enabled {
            return;
        }
        match ended {
            Ended::Ok | Ended::Overlooked => {
                if matches!(self.phase, Phase::HalfOpen { .. }) {
                    self.phase = Phase::Closed;
                }
            }
            // What is aborted rejects, like any other failure.
            Ended::Failed | Ended::Cancelled => self.failed(now),
        }
    }

    fn failed(&mut self, now: Instant) {
        self.buckets.change(|counts| counts.failed += 1);
        if now < self.warm_at {
            return;
        }
        let counts = self.buckets.counts();
        let opens = match self.phase {
            Phase::Open { .. } => false,
            Phase::HalfOpen { .. } => true,
            Phase::Closed => {
                // Failures of calls that were fired before the window are more than all of nothing.
                let bad = exceeds(counts.failed, counts.total, self.rule.percentage);
                counts.total >= self.rule.volume && bad
            }
        };
        if opens {
            self.phase = Phase::Open { until: now + self.rule.reset };
        }
    }

    pub(super) fn audit(&self, under_way: u32) -> Result<(), String> {
        differ("calls under way", self.in_flight, under_way)
    }

    pub(super) fn sight(&self) -> (Counts, Option<Instant>) {
        match self.phase {
            Phase::Open { until } => (self.buckets.counts(), Some(until)),
            Phase::Closed | Phase::HalfOpen { .. } => (self.buckets.counts(), None),
        }
    }

    pub(super) fn state(&mut self, now: Instant) -> State {
        self.settle(now);
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::breaker::script;

    fn check(parameters: &str, story: &str) {
        script::check("opossum", parameters, story);
    }

    #[test]
    fn as_it_comes_the_first_failure_opens_it() {
        check("{}", "0s BAD =open no");
    }

    #[test]
    fn just_the_percentage_does_not_open() {
        check("{}", "0s OK BAD =closed BAD =open");
    }

    #[test]
    fn calls_under_way_count_as_fired() {
        check("{}", "0s go*4 bad bad =closed bad =open");
    }

    #[test]
    fn refused_calls_count_as_fired() {
        // Two failures of three calls; with nine refusals in the window, three of thirteen.
        check("{}", "0s BAD no*9 30s =half-open go ok =closed BAD BAD =open");
        let long = r#"{"rollingCountTimeout": "60s"}"#;
        check(long, "0s BAD no*9 30s =half-open go ok =closed BAD BAD =closed");
    }

    #[test]
    fn below_the_volume_it_stays_closed_but_half_open_it_opens() {
        let five = r#"{"volumeThreshold": 5}"#;
        check(five, "0s BAD*4 =closed BAD =open 30s =half-open BAD =open");
    }

    #[test]
    fn a_timer_makes_it_half_open() {
        check("{}", "0s BAD 29999999999ns =open no 30s =half-open go no");
    }

    #[test]
    fn a_filtered_error_closes_it() {
        check("{}", "0s BAD 30s go skip =closed");
    }

    #[test]
    fn any_success_while_half_open_closes_it() {
        check("{}", "0s go go go bad bad =open 30s =half-open ok =closed");
    }

    #[test]
    fn any_failure_while_half_open_opens_it() {
        check("{}", "0s go go go go bad bad bad =open 30s =half-open bad =open 59s no 60s go");
    }

    #[test]
    fn a_call_beyond_the_capacity_is_refused_and_is_a_failure() {
        check(r#"{"capacity": 2}"#, "0s go go full =closed full =closed full =open");
        check(r#"{"capacity": 1, "volumeThreshold": 9}"#, "0s go full ok go");
    }

    #[test]
    fn one_that_is_not_enabled_lets_all_go_and_brings_no_timeout() {
        check(r#"{"enabled": false, "capacity": 1}"#, "0s go*50 bad*50 =closed BAD*50 =closed go");
        let timeout = |parameters: &str| script::rule("opossum", parameters).timeout();
        assert_eq!(timeout("{}"), Some(sim_core::Duration::from_secs(10)));
        assert_eq!(timeout(r#"{"enabled": false, "timeout": "3s"}"#), None);
    }

    #[test]
    fn while_warming_up_it_stays_closed() {
        check(r#"{"allowWarmUp": true}"#, "0s BAD*50 9999ms BAD =closed 10s BAD =open");
    }

    #[test]
    fn closing_does_not_forget() {
        let long = r#"{"rollingCountTimeout": "60s", "volumeThreshold": 1}"#;
        check(long, "0s BAD*1 =open 30s go ok =closed BAD =open");
        check(r#"{"volumeThreshold": 1}"#, "0s BAD 30s go ok OK =closed BAD =closed");
    }

    #[test]
    fn buckets_turn_by_a_timer() {
        let three = r#"{"volumeThreshold": 3}"#;
        // The calls of the first second are in the window up to the tenth.
        check(three, "999ms BAD BAD 9999ms BAD =open");
        check(three, "999ms BAD BAD 10s BAD =closed");
    }

    #[test]
    fn a_failure_of_a_call_fired_before_the_window_is_all_of_nothing() {
        check("{}", "0s go 20s bad =open");
    }
}
