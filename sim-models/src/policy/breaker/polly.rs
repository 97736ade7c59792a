//! The breaker of Polly v8: a share of failures within a sliding time, judged when a call fails and at no other moment.

use std::collections::VecDeque;

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::window::{Counts, Mark};
use super::{Admission, Ended, State, reaches};
use crate::policy::profile::{Kind, Parameter, Profile};
use crate::policy::settings::{Setting, Settings};

/// Every parameter, as `CircuitBreakerStrategyOptions` has it.
pub static PROFILE: Profile = Profile {
    name: "polly",
    kind: Kind::Breaker,
    source: "Polly 8 (173d6d1): CircuitBreakerStrategyOptions, CircuitStateController, AdvancedCircuitBehavior, \
        RollingHealthMetrics",
    about: "Opens when, at a failure, the share of failures within SamplingDuration reaches FailureRatio; one call \
        decides afterwards.",
    parameters: &[
        Parameter::new("FailureRatio", Setting::share(1, 10), "Opens at this share of failures, itself included."),
        Parameter::new(
            "MinimumThroughput",
            Setting::Count(100),
            "Calls within SamplingDuration without which it never opens.",
        )
        .from(Setting::Count(2)),
        Parameter::new("SamplingDuration", Setting::secs(30), "The time that counts, in ten windows.")
            .from(Setting::millis(500))
            .to(Setting::secs(86_400)),
        Parameter::new("BreakDuration", Setting::secs(5), "No call goes through for this long.")
            .from(Setting::millis(500))
            .to(Setting::secs(86_400)),
        Parameter::new(
            "ShouldHandle",
            Setting::Outcomes,
            "The only outcomes that fail; all others are well. Default: all but a cancelled call.",
        ),
    ],
    surprises: &[
        "It opens only at a failure: a success that leaves the share too high does not.",
        "The wait is over at BreakDuration, not after it.",
        "Any success while half-open closes it, that of a call from before it opened too.",
        "A cancelled probe is not handled, so it closes the circuit.",
        "A probe that never ends keeps it half-open for ever.",
        "Windows begin with the first call after the last one is over, not at fixed instants.",
        "One bad host of ten is 10 % of failures, which is enough.",
    ],
    sound: |_| Ok(()),
};

/// Windows of a sampling duration. (Below 200 ms Polly keeps a single one; its own validation asks for at least 500
/// ms.)
const WINDOWS: u64 = 10;

/// How it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    ratio: Ratio,
    minimum: u32,
    sampling: Duration,
    wait: Duration,
}

/// The breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Breaker {
    #[serde(skip)]
    rule: Rule,
    phase: Phase,
    /// The oldest first; none before the first call.
    windows: VecDeque<(Instant, Counts)>,
    sum: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen,
}

impl Rule {
    pub(super) fn of(settings: &Settings) -> Rule {
        Rule {
            ratio: settings.ratio("FailureRatio"),
            minimum: settings.count("MinimumThroughput"),
            sampling: settings.length("SamplingDuration"),
            wait: settings.length("BreakDuration"),
        }
    }
}

impl Breaker {
    pub(super) fn new(rule: Rule) -> Breaker {
        Breaker { rule, phase: Phase::Closed, windows: VecDeque::new(), sum: Counts::default() }
    }

    #[inline]
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        match self.phase {
            Phase::Closed => Admission::Go,
            Phase::Open { until } if now >= until => {
                self.phase = Phase::HalfOpen;
                Admission::Go
            }
            Phase::Open { .. } | Phase::HalfOpen => Admission::Open,
        }
    }

    pub(super) fn report(&mut self, now: Instant, ended: Ended) {
        match ended {
            Ended::Failed => self.failed(now),
            // What is not handled goes the way of a success, an OperationCanceledException too.
            Ended::Ok | Ended::Overlooked | Ended::Cancelled => self.succeeded(now),
        }
    }

    fn succeeded(&mut self, now: Instant) {
        self.record(now, Mark::Ok);
        if self.phase == Phase::HalfOpen {
            self.phase = Phase::Closed;
            self.windows.clear();
            self.sum = Counts::default();
        }
    }

    fn failed(&mut self, now: Instant) {
        match self.phase {
            Phase::HalfOpen => self.open(now),
            Phase::Open { .. } => self.record(now, Mark::Failed),
            Phase::Closed => {
                self.record(now, Mark::Failed);
                if self.sum.total >= self.rule.minimum && reaches(self.sum.failed, self.sum.total, self.rule.ratio) {
                    self.open(now);
                }
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.phase = Phase::Open { until: now + self.rule.wait };
    }

    fn record(&mut self, now: Instant, mark: Mark) {
        let length = Duration::from_nanos(self.rule.sampling.nanos() / WINDOWS);
        if self.windows.back().is_none_or(|(since, _)| now.since(*since) >= length) {
            self.windows.push_back((now, Counts::default()));
        }
        if let Some((_, counts)) = self.windows.back_mut() {
            counts.add(mark);
        }
        self.sum.add(mark);
        while let Some((since, counts)) = self.windows.front().copied()
            && now.since(since) >= self.rule.sampling
        {
            self.windows.pop_front();
            self.sum.less(counts);
        }
    }

    pub(super) fn sight(&self) -> (Counts, Option<Instant>) {
        match self.phase {
            Phase::Open { until } => (self.sum, Some(until)),
            Phase::Closed | Phase::HalfOpen => (self.sum, None),
        }
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::breaker::script;

    fn check(parameters: &str, story: &str) {
        script::check("polly", parameters, story);
    }

    #[test]
    fn as_it_comes_ten_failures_of_a_hundred_calls_open_it() {
        check("{}", "0s OK*90 BAD*9 =closed BAD =open no");
    }

    #[test]
    fn a_ratio_of_just_the_threshold_opens() {
        check(r#"{"FailureRatio": 0.5, "MinimumThroughput": 4}"#, "0s OK OK BAD BAD =open");
        check(r#"{"FailureRatio": 0.51, "MinimumThroughput": 4}"#, "0s OK OK BAD BAD =closed");
    }

    #[test]
    fn it_is_judged_at_failures_only() {
        // The success makes it a hundred, and half of them failed; only the next failure looks.
        check(r#"{"MinimumThroughput": 4}"#, "0s BAD BAD BAD OK =closed BAD =open");
    }

    #[test]
    fn one_bad_host_of_ten_opens_it() {
        check(
            "{}",
            "0s OK*9 BAD OK*9 BAD OK*9 BAD OK*9 BAD OK*9 BAD OK*9 BAD OK*9 BAD OK*9 BAD OK*9 BAD =closed OK*9 BAD \
                =open",
        );
    }

    #[test]
    fn the_break_is_over_at_its_end() {
        check("{}", "0s BAD*100 4999999999ns no 5s go =half-open");
    }

    #[test]
    fn one_probe_goes_and_the_others_wait_for_it() {
        check("{}", "0s BAD*100 5s go no no ok =closed go");
        check("{}", "0s BAD*100 5s go no no bad =open no 9999999999ns no 10s go");
    }

    #[test]
    fn a_probe_that_never_ends_keeps_it_half_open() {
        check("{}", "0s BAD*100 5s go 365d no =half-open");
    }

    #[test]
    fn any_success_while_half_open_closes_it() {
        check("{}", "0s go BAD*100 5s go =half-open ok =closed");
    }

    #[test]
    fn a_cancelled_probe_closes_it() {
        check("{}", "0s BAD*100 5s go gone =closed");
    }

    #[test]
    fn what_is_not_handled_closes_it_too() {
        check("{}", "0s BAD*100 5s go skip =closed");
    }

    #[test]
    fn a_failure_that_comes_while_open_does_not_extend_the_break() {
        check("{}", "0s go BAD*100 3s bad 5s go");
    }

    #[test]
    fn closing_forgets() {
        check("{}", "0s BAD*100 5s OK =closed BAD*99 =closed BAD =open");
    }

    #[test]
    fn windows_begin_with_a_call_and_leave_after_the_sampling_duration() {
        let four = r#"{"MinimumThroughput": 4, "SamplingDuration": "10s"}"#;
        // The first window begins at 0.9 s; its calls are gone at 10.9 s and not before.
        check(four, "900ms BAD BAD BAD 10899999999ns BAD =open");
        check(four, "900ms BAD BAD BAD 10900ms BAD =closed");
        // The second failure stands in the window that began at 0.9 s, and goes with it.
        check(four, "900ms BAD 1899ms BAD BAD 11s BAD =closed");
        check(four, "900ms BAD 1900ms BAD BAD 11s BAD =closed BAD =open");
    }
}
