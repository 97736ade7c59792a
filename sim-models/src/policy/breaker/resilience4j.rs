//! The breaker of resilience4j: six states, a window of calls or of seconds, and no memory of when a call began.

use serde::Serialize;
use sim_core::seed::mix;
use sim_core::{Duration, Instant, Ratio};

use super::window::{Buckets, Counts, LastCalls, Mark};
use super::{Admission, Ended, State, differ, reaches};
use crate::policy::growth::{ONE, grown_in_millis, whole_millis};
use crate::policy::profile::{Kind, Parameter, Profile};
use crate::policy::settings::{Setting, Settings};

/// Every parameter, as `CircuitBreakerConfig` has it.
pub static PROFILE: Profile = Profile {
    name: "resilience4j",
    kind: Kind::Breaker,
    source: "resilience4j 2.3 (af9e7c9): CircuitBreakerConfig, CircuitBreakerStateMachine, CircuitBreakerMetrics",
    about: "Opens when the share of failed or of slow calls among the last ones reaches a threshold; lets a few calls \
        decide \
            afterwards.",
    parameters: &[
        Parameter::new(
            "failureRateThreshold",
            Setting::percent(50),
            "Opens when this percentage of the calls in the window failed, itself included.",
        )
        .from(Setting::Percent(SMALLEST)),
        Parameter::new(
            "slowCallRateThreshold",
            Setting::percent(100),
            "Opens when this percentage of the calls in the window was slow, itself included.",
        )
        .from(Setting::Percent(SMALLEST)),
        Parameter::new("slowCallDurationThreshold", Setting::secs(60), "A call that takes longer than this is slow.")
            .from(Setting::Length(Duration::from_nanos(1))),
        Parameter::word(
            "slidingWindowType",
            &["COUNT_BASED", "TIME_BASED"],
            "COUNT_BASED",
            "Whether the window is the last slidingWindowSize calls, or seconds.",
        ),
        Parameter::new("slidingWindowSize", Setting::Count(100), "Calls in the window, or seconds of it.")
            .from(Setting::Count(1))
            .to(Setting::Count(1_000_000)),
        Parameter::new(
            "minimumNumberOfCalls",
            Setting::Count(100),
            "No rate is computed from fewer calls; in a window of calls never more than its size.",
        )
        .from(Setting::Count(1)),
        Parameter::new("waitDurationInOpenState", Setting::secs(60), "No call goes through for this long.")
            .from(Setting::millis(1)),
        Parameter::new(
            "enableExponentialBackoff",
            Setting::Switch(false),
            "Whether the wait grows each time a half-open circuit opens again.",
        ),
        Parameter::new("exponentialBackoffMultiplier", Setting::Factor(1_500_000), "By how much it then grows.")
            .from(Setting::Factor(1_000_000)),
        Parameter::new(
            "exponentialMaxWaitDurationInOpenState",
            Setting::Length(Duration::FOREVER),
            "The longest wait it then grows to.",
        )
        .from(Setting::millis(1)),
        Parameter::new("enableRandomizedWait", Setting::Switch(false), "Whether the wait is spread, each one anew."),
        Parameter::new("randomizedWaitFactor", Setting::share(1, 2), "How far it is then spread to both sides."),
        Parameter::new(
            "permittedNumberOfCallsInHalfOpenState",
            Setting::Count(10),
            "Calls that go through while half-open; also the size of the window that decides.",
        )
        .from(Setting::Count(1))
        .to(Setting::Count(1_000_000)),
        Parameter::new(
            "maxWaitDurationInHalfOpenState",
            Setting::secs(0),
            "How long it stays half-open at most; 0 waits for the permitted calls for ever.",
        ),
        Parameter::word(
            "transitionToStateAfterWaitDuration",
            &["OPEN", "CLOSED"],
            "OPEN",
            "What it becomes after maxWaitDurationInHalfOpenState.",
        ),
        Parameter::new(
            "automaticTransitionFromOpenToHalfOpenEnabled",
            Setting::Switch(false),
            "Whether a timer makes it half-open, and not the next call.",
        ),
        Parameter::new(
            "recordExceptions",
            Setting::Outcomes,
            "The only outcomes that fail; all others are well. Default: all.",
        ),
        Parameter::new(
            "ignoreExceptions",
            Setting::Outcomes,
            "Outcomes that are not counted, and give their permit back.",
        ),
        Parameter::word(
            "initialState",
            &["CLOSED", "DISABLED", "METRICS_ONLY", "FORCED_OPEN"],
            "CLOSED",
            "What it is at first; the last three it never leaves.",
        ),
    ],
    surprises: &[
        "In a window of calls minimumNumberOfCalls is never more than slidingWindowSize: size 10 and minimum 100 open \
            after 10.",
        "Half-open it decides after min(minimumNumberOfCalls, permittedNumberOfCallsInHalfOpenState) calls, not after \
            all permitted.",
        "A call that was let go while closed and ends while half-open is counted there: there is no generation number.",
        "Half-open lasts for ever when a permitted call never ends, unless maxWaitDurationInHalfOpenState is set.",
        "The wait is over when the clock is after it, not at it.",
        "A window of N seconds holds between N-1 and N seconds, since it is cut at whole seconds of the clock.",
        "Hung calls are not in the window: with a timeout of 30 s it opens half a minute late.",
        "Waits are whole milliseconds, cut at each step: from 5 ms by half as much again they are 5, 7, 10, 15.",
        "A wait either grows or is spread: enableExponentialBackoff and enableRandomizedWait together are refused at the start.",
    ],
    sound: |settings| {
        if settings.is("enableExponentialBackoff") && settings.is("enableRandomizedWait") {
            let message = "a breaker's wait either grows or is spread, and the library does not start with both; leave one of \
                enableExponentialBackoff and enableRandomizedWait out";
            return Err(("enableRandomizedWait", message.to_owned()));
        }
        Ok(())
    },
};

/// The library wants more than 0.
const SMALLEST: Ratio = match Ratio::new(1, 10_000_000_000) {
    Some(ratio) => ratio,
    None => Ratio::ZERO,
};

/// How it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    failure_rate: Ratio,
    slow_rate: Ratio,
    slow_call: Duration,
    window: Span,
    minimum: u32,
    wait: Duration,
    wait_factor: u64,
    wait_max: Duration,
    /// How far a wait is spread to both sides, when it is.
    spread: Option<Ratio>,
    permitted: u32,
    half_open_max: Duration,
    after_half_open: State,
    automatic: bool,
    initial: Initial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Span {
    Calls(u32),
    Seconds(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Initial {
    Closed,
    Disabled,
    MetricsOnly,
    ForcedOpen,
}

/// The breaker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Breaker {
    #[serde(skip)]
    rule: Rule,
    phase: Phase,
    /// Calls that were let go and have not ended; nothing is decided by it.
    #[serde(skip)]
    under_way: u32,
    /// What its waits follow from, when they are spread.
    #[serde(skip_serializing_if = "Option::is_none")]
    luck: Option<Luck>,
}

/// A number that was drawn once, and how many waits have followed from it: each is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
struct Luck {
    drawn: Duration,
    waits: u64,
}

impl Luck {
    fn bits(self) -> u64 {
        mix(self.drawn.nanos(), self.waits)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Phase {
    Closed(Window),
    /// How often it has opened since it was closed, and until when it stays so.
    Open {
        attempts: u32,
        until: Instant,
    },
    HalfOpen {
        attempts: u32,
        since: Instant,
        permits: u32,
        calls: LastCalls,
        /// Calls that were under way when it became half-open; nothing is decided by it.
        #[serde(skip)]
        before: u32,
    },
    Disabled,
    MetricsOnly(Window),
    ForcedOpen,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Window {
    Calls(LastCalls),
    Seconds { newest: u64, buckets: Buckets },
}

impl Window {
    fn new(span: Span, now: Instant) -> Self {
        match span {
            Span::Calls(size) => Window::Calls(LastCalls::new(size)),
            Span::Seconds(seconds) => Window::Seconds { newest: second(now), buckets: Buckets::new(seconds) },
        }
    }

    fn record(&mut self, now: Instant, mark: Mark) -> Counts {
        match self {
            Window::Calls(calls) => {
                calls.record(mark);
                calls.counts()
            }
            Window::Seconds { newest, buckets } => {
                buckets.turn(second(now).saturating_sub(*newest));
                *newest = second(now).max(*newest);
                buckets.record(mark);
                buckets.counts()
            }
        }
    }

    fn counts(&self) -> Counts {
        match self {
            Window::Calls(calls) => calls.counts(),
            Window::Seconds { buckets, .. } => buckets.counts(),
        }
    }

    /// Calls without which no rate is computed.
    fn minimum(&self, wanted: u32) -> u32 {
        match self {
            Window::Calls(calls) => wanted.min(calls.size()),
            Window::Seconds { .. } => wanted,
        }
    }
}

/// The whole second that a bucket belongs to.
fn second(now: Instant) -> u64 {
    now.nanos() / 1_000_000_000
}

impl Rule {
    pub(super) fn of(settings: &Settings) -> Rule {
        let size = settings.count("slidingWindowSize");
        let grows = settings.is("enableExponentialBackoff");
        Rule {
            failure_rate: settings.ratio("failureRateThreshold"),
            slow_rate: settings.ratio("slowCallRateThreshold"),
            slow_call: settings.length("slowCallDurationThreshold"),
            window: if settings.word("slidingWindowType") == "TIME_BASED" {
                Span::Seconds(size)
            } else {
                Span::Calls(size)
            },
            minimum: settings.count("minimumNumberOfCalls"),
            wait: settings.length("waitDurationInOpenState"),
            wait_factor: if grows { settings.factor("exponentialBackoffMultiplier") } else { ONE },
            wait_max: if grows { settings.length("exponentialMaxWaitDurationInOpenState") } else { Duration::FOREVER },
            spread: settings.is("enableRandomizedWait").then(|| settings.ratio("randomizedWaitFactor")),
            permitted: settings.count("permittedNumberOfCallsInHalfOpenState"),
            half_open_max: settings.length("maxWaitDurationInHalfOpenState"),
            after_half_open: match settings.word("transitionToStateAfterWaitDuration") {
                "CLOSED" => State::Closed,
                _ => State::Open,
            },
            automatic: settings.is("automaticTransitionFromOpenToHalfOpenEnabled"),
            initial: match settings.word("initialState") {
                "DISABLED" => Initial::Disabled,
                "METRICS_ONLY" => Initial::MetricsOnly,
                "FORCED_OPEN" => Initial::ForcedOpen,
                _ => Initial::Closed,
            },
        }
    }

    /// How long it stays open the `attempts`-th time in a row, in whole milliseconds as the library counts.
    fn wait(&self, attempts: u32, luck: Option<Luck>) -> Duration {
        let wait = grown_in_millis(self.wait, self.wait_factor, attempts.saturating_sub(1), self.wait_max);
        match (self.spread, luck) {
            (Some(spread), Some(luck)) => spread_around(wait, spread, luck.bits()),
            (Some(_), None) | (None, _) => wait,
        }
    }

    fn closed(&self, now: Instant) -> Phase {
        Phase::Closed(Window::new(self.window, now))
    }

    fn open(&self, attempts: u32, now: Instant, luck: &mut Option<Luck>) -> Phase {
        let until = now + self.wait(attempts, *luck);
        luck.iter_mut().for_each(|luck| luck.waits += 1);
        Phase::Open { attempts, until }
    }

    /// Opens at `at` because nothing decided in time. Whole turns of open and half-open that nobody saw up to `now` are
    /// counted and not gone through one by one: a year of them would take for ever.
    fn open_again(&self, attempts: u32, at: Instant, now: Instant, luck: &mut Option<Luck>) -> Phase {
        let (attempts, wait) = (attempts.saturating_add(1), self.wait(attempts.saturating_add(1), None));
        if !self.automatic || wait != self.wait(attempts.saturating_add(1), None) {
            return self.open(attempts, at, luck);
        }
        let longest = if self.spread.is_some() { wait.saturating_mul(2) } else { wait };
        let turn = longest.saturating_add(self.half_open_max);
        let turns = now.since(at).nanos() / turn.nanos().max(1);
        if self.spread.is_some() && turns < MANY {
            return self.open(attempts, at, luck);
        }
        let skipped = u32::try_from(turns).unwrap_or(u32::MAX);
        luck.iter_mut().for_each(|luck| luck.waits += turns);
        self.open(attempts.saturating_add(skipped), at + turn.saturating_mul(turns), luck)
    }

    fn half_open(&self, attempts: u32, now: Instant, before: u32) -> Phase {
        Phase::HalfOpen { attempts, since: now, permits: self.permitted, calls: LastCalls::new(self.permitted), before }
    }

    fn mark(&self, failed: bool, took: Duration) -> Mark {
        match (failed, took > self.slow_call) {
            (false, false) => Mark::Ok,
            (true, false) => Mark::Failed,
            (false, true) => Mark::SlowOk,
            (true, true) => Mark::SlowFailed,
        }
    }

    /// Whether these are too many failed or slow calls; none when there are too few calls to say.
    fn too_bad(&self, counts: Counts, minimum: u32) -> Option<bool> {
        if counts.total == 0 || counts.total < minimum {
            return None;
        }
        let failed = reaches(counts.failed, counts.total, self.failure_rate);
        Some(failed || reaches(counts.slow, counts.total, self.slow_rate))
    }
}

/// So many turns of waits that are spread are gone through one by one; of more that nobody saw, where in its turn it is by now is as
/// good as drawn.
const MANY: u64 = 10_000;

/// Evenly around a wait, up to this share of it to both sides, cut to whole milliseconds (`IntervalFunction.ofRandomized`).
fn spread_around(wait: Duration, share: Ratio, bits: u64) -> Duration {
    let share_of = |length: Duration| {
        let nanos = u128::from(length.nanos()) * u128::from(share.parts()) / u128::from(Ratio::ONE.parts());
        u64::try_from(nanos).unwrap_or(u64::MAX)
    };
    let far = share_of(wait);
    let within = (u128::from(far) * 2 * u128::from(bits)) >> 64;
    let drawn = u128::from(wait.nanos() - far) + within;
    whole_millis(Duration::from_nanos(u64::try_from(drawn).unwrap_or(u64::MAX)))
}

impl Breaker {
    /// Whether its waits are spread and follow from nothing yet.
    pub(super) fn needs_luck(&self) -> bool {
        self.rule.spread.is_some() && self.luck.is_none()
    }

    /// What its waits follow from.
    pub(super) fn has_luck(&mut self, drawn: Duration) {
        self.luck = Some(Luck { drawn, waits: 0 });
    }

    pub(super) fn new(rule: Rule, now: Instant) -> Breaker {
        let phase = match rule.initial {
            Initial::Closed => rule.closed(now),
            Initial::Disabled => Phase::Disabled,
            Initial::MetricsOnly => Phase::MetricsOnly(Window::new(rule.window, now)),
            Initial::ForcedOpen => Phase::ForcedOpen,
        };
        Breaker { rule, phase, under_way: 0, luck: None }
    }

    /// When a timer of its own changes it next.
    fn changes_at(&self) -> Instant {
        match self.phase {
            Phase::Open { until, .. } if self.rule.automatic => until,
            Phase::HalfOpen { since, .. } if !self.rule.half_open_max.is_zero() => since + self.rule.half_open_max,
            _ => Instant::NEVER,
        }
    }

    /// Catches up with its timers, of which it has none while it is closed.
    #[inline]
    fn settle(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Closed(_)) {
            self.catch_up(now);
        }
    }

    #[cold]
    #[inline(never)]
    fn catch_up(&mut self, now: Instant) {
        while self.changes_at() <= now && self.changes_at() != Instant::NEVER {
            let (rule, at) = (self.rule, self.changes_at());
            self.phase = match self.phase {
                Phase::Open { attempts, .. } => rule.half_open(attempts, at, self.under_way),
                Phase::HalfOpen { .. } if rule.after_half_open == State::Closed => rule.closed(at),
                Phase::HalfOpen { attempts, .. } => rule.open_again(attempts, at, now, &mut self.luck),
                Phase::Closed(_) | Phase::Disabled | Phase::MetricsOnly(_) | Phase::ForcedOpen => return,
            };
        }
    }

    #[inline]
    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        if let Phase::Closed(_) = self.phase {
            self.under_way += 1;
            return Admission::Go;
        }
        self.admit_unless_open(now)
    }

    #[inline(never)]
    fn admit_unless_open(&mut self, now: Instant) -> Admission {
        self.settle(now);
        if let Phase::Open { attempts, until } = self.phase
            && now > until
        {
            self.phase = self.rule.half_open(attempts, now, self.under_way);
        }
        match &mut self.phase {
            Phase::Closed(_) | Phase::Disabled | Phase::MetricsOnly(_) => {}
            Phase::HalfOpen { permits, .. } if *permits > 0 => *permits -= 1,
            Phase::HalfOpen { .. } | Phase::Open { .. } | Phase::ForcedOpen => return Admission::Open,
        }
        self.under_way += 1;
        Admission::Go
    }

    /// A permit is there, or taken by a call that was let go while half-open, or spent on one that has ended. Those of calls from
    /// before are added when they end without an outcome, as the library has it.
    pub(super) fn audit(&self, under_way: u32) -> Result<(), String> {
        differ("calls under way", self.under_way, under_way)?;
        match &self.phase {
            Phase::HalfOpen { permits, calls, before, .. } => {
                let accounted = permits.saturating_add(calls.counts().total).saturating_add(under_way);
                differ("half-open permits", accounted, self.rule.permitted.saturating_add(*before))
            }
            Phase::Closed(_) | Phase::Open { .. } | Phase::Disabled | Phase::MetricsOnly(_) | Phase::ForcedOpen => {
                Ok(())
            }
        }
    }

    pub(super) fn report(&mut self, now: Instant, ended: Ended, took: Duration) {
        self.settle(now);
        self.under_way = self.under_way.saturating_sub(1);
        let rule = &self.rule;
        let failed = match ended {
            Ended::Ok => false,
            Ended::Failed => true,
            // The permit goes back to whoever is half-open now, whether or not it was taken there.
            Ended::Overlooked | Ended::Cancelled => {
                if let Phase::HalfOpen { permits, .. } = &mut self.phase {
                    *permits = permits.saturating_add(1);
                }
                return;
            }
        };
        let mark = rule.mark(failed, took);
        match &mut self.phase {
            Phase::Closed(window) => {
                let minimum = window.minimum(rule.minimum);
                if rule.too_bad(window.record(now, mark), minimum) == Some(true) {
                    self.phase = rule.open(1, now, &mut self.luck);
                }
            }
            Phase::HalfOpen { attempts, calls, .. } => {
                calls.record(mark);
                match rule.too_bad(calls.counts(), rule.minimum.min(rule.permitted)) {
                    Some(true) => self.phase = rule.open(attempts.saturating_add(1), now, &mut self.luck),
                    Some(false) => self.phase = rule.closed(now),
                    None => {}
                }
            }
            Phase::MetricsOnly(window) => _ = window.record(now, mark),
            Phase::Open { .. } | Phase::Disabled | Phase::ForcedOpen => {}
        }
    }

    pub(super) fn sight(&self) -> (Counts, Option<Instant>) {
        match &self.phase {
            Phase::Closed(window) | Phase::MetricsOnly(window) => (window.counts(), None),
            Phase::HalfOpen { calls, .. } => (calls.counts(), None),
            Phase::Open { until, .. } => (Counts::default(), Some(*until)),
            Phase::Disabled => (Counts::default(), None),
            Phase::ForcedOpen => (Counts::default(), Some(Instant::NEVER)),
        }
    }

    #[inline]
    pub(super) fn state(&mut self, now: Instant) -> State {
        self.settle(now);
        match self.phase {
            Phase::Closed(_) | Phase::Disabled | Phase::MetricsOnly(_) => State::Closed,
            Phase::Open { .. } | Phase::ForcedOpen => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use sim_core::{Duration, Instant};

    use crate::policy::breaker::{Admission, Breaker, Ended, State, script};

    fn check(parameters: &str, story: &str) {
        script::check("resilience4j", parameters, story);
    }

    #[test]
    fn as_it_comes_it_opens_at_the_hundredth_call_when_half_have_failed() {
        check("{}", "0s OK*50 BAD*49 =closed BAD =open no");
    }

    #[test]
    fn a_failure_rate_of_just_the_threshold_opens() {
        let four = r#"{"slidingWindowSize": 4}"#;
        check(four, "0s OK OK BAD =closed BAD =open");
        check(four, "0s OK*3 BAD =closed");
    }

    #[test]
    fn the_minimum_is_capped_by_a_window_of_calls() {
        check(r#"{"slidingWindowSize": 10, "minimumNumberOfCalls": 100}"#, "0s BAD*9 =closed BAD =open");
    }

    #[test]
    fn the_minimum_is_not_capped_by_a_window_of_seconds() {
        let ten_seconds =
            r#"{"slidingWindowType": "TIME_BASED", "slidingWindowSize": 10, "minimumNumberOfCalls": 100}"#;
        check(ten_seconds, "0s BAD*99 =closed BAD =open");
    }

    #[test]
    fn half_open_decides_after_the_minimum_when_that_is_less_than_the_permitted() {
        let five = r#"{"slidingWindowSize": 5, "minimumNumberOfCalls": 5, "waitDurationInOpenState": "1s"}"#;
        check(five, "0s BAD*5 =open 2s go*10 no ok*4 =half-open ok =closed");
        check(five, "0s BAD*5 =open 2s go*10 ok ok bad bad =half-open bad =open");
    }

    #[test]
    fn half_open_waits_for_all_permitted_when_the_minimum_is_more() {
        check("{}", "0s BAD*100 =open 61s go*10 no ok*9 =half-open ok =closed");
    }

    #[test]
    fn half_open_a_rate_of_just_the_threshold_opens_again() {
        check("{}", "0s BAD*100 61s go*10 ok*5 bad*4 =half-open bad =open");
        check("{}", "0s BAD*100 61s go*10 ok*6 bad*3 =half-open bad =closed");
    }

    #[test]
    fn the_wait_is_over_after_it_and_not_at_it() {
        check("{}", "0s BAD*100 60s no =open 60000000001ns go =half-open");
    }

    #[test]
    fn a_call_from_before_it_opened_is_counted_while_half_open() {
        let two =
            r#"{"slidingWindowSize": 2, "permittedNumberOfCallsInHalfOpenState": 2, "waitDurationInOpenState": "1s"}"#;
        check(two, "0s go go go go bad bad =open 2s go =half-open ok ok =closed");
        check(two, "0s go go go go bad bad =open 2s go =half-open bad bad =open");
    }

    #[test]
    fn a_result_that_comes_while_open_changes_nothing() {
        check(r#"{"slidingWindowSize": 2}"#, "0s go*9 bad bad =open ok*5 bad*2 60s =open no 61s go");
    }

    #[test]
    fn half_open_lasts_for_ever_when_a_permitted_call_never_ends() {
        check("{}", "0s BAD*100 61s go*10 no ok*9 365d no =half-open");
    }

    #[test]
    fn half_open_ends_at_the_longest_wait() {
        let ten = r#"{"maxWaitDurationInHalfOpenState": "10s"}"#;
        check(ten, "0s BAD*100 61s go*10 70999999999ns =half-open 71s =open 131s no 132s go =half-open");
        let close = r#"{"maxWaitDurationInHalfOpenState": "10s", "transitionToStateAfterWaitDuration": "CLOSED"}"#;
        check(close, "0s BAD*100 61s go*10 71s =closed go");
    }

    #[test]
    fn a_timer_makes_it_half_open_only_when_asked_to() {
        check("{}", "0s BAD*100 2h =open");
        let timer = r#"{"automaticTransitionFromOpenToHalfOpenEnabled": true}"#;
        check(timer, "0s BAD*100 59999999999ns =open 60s =half-open go");
    }

    #[test]
    fn timers_of_a_year_that_nobody_saw_are_caught_up_with_at_once() {
        let both = r#"{"automaticTransitionFromOpenToHalfOpenEnabled": true, "maxWaitDurationInHalfOpenState": "1ms",
                       "waitDurationInOpenState": "1ms"}"#;
        check(
            both,
            "0s BAD*100 =open 500us =open 1ms =half-open 1999us =half-open 2ms =open 365d =open 31536000001ms \
                =half-open",
        );
    }

    #[test]
    fn the_wait_grows_with_each_opening_in_a_row_and_a_closing_resets_it() {
        let grows = r#"{"slidingWindowSize": 1, "permittedNumberOfCallsInHalfOpenState": 1,
                        "waitDurationInOpenState": "1s",
                        "enableExponentialBackoff": true, "exponentialBackoffMultiplier": 2,
                        "exponentialMaxWaitDurationInOpenState": "3s"}"#;
        check(
            grows,
            "0s BAD 1s no 1001ms BAD 3001ms no 3002ms BAD 6002ms no 6003ms BAD 9003ms no 9004ms OK =closed BAD 11s go",
        );
    }

    #[test]
    fn a_wait_that_grows_is_cut_to_whole_milliseconds_at_each_step() {
        // 5 ms, 7 of 7.5, 10 of 10.5, 15.
        let grows = r#"{"slidingWindowSize": 1, "permittedNumberOfCallsInHalfOpenState": 1, "waitDurationInOpenState": "5ms",
                        "enableExponentialBackoff": true}"#;
        check(
            grows,
            "0s BAD 5ms no 5000001ns BAD 12000001ns no 12000002ns BAD 22000002ns no 22000003ns BAD 37000003ns no 37000004ns go",
        );
        let fixed = r#"{"slidingWindowSize": 1, "waitDurationInOpenState": "1999us"}"#;
        check(fixed, "0s BAD 1ms no 1000001ns go");
    }

    #[test]
    fn waits_that_are_spread_lie_around_the_wait_each_anew_in_whole_milliseconds() {
        let spread = r#"{"slidingWindowSize": 1, "permittedNumberOfCallsInHalfOpenState": 1, "waitDurationInOpenState": "1s",
                         "enableRandomizedWait": true, "randomizedWaitFactor": 0.2}"#;
        let rule = script::rule("resilience4j", spread);
        let waits = |luck: u64| -> Vec<u64> {
            let mut breaker = Breaker::new(rule, Instant::ZERO);
            assert!(breaker.needs_luck());
            breaker.has_luck(Duration::from_nanos(luck));
            assert!(!breaker.needs_luck());
            let mut now = Instant::ZERO;
            let mut waits = Vec::new();
            for _ in 0..2_000 {
                assert_eq!(breaker.admit(now), Admission::Go);
                breaker.report(now, Ended::Failed, Duration::ZERO);
                let until = breaker.sight().until.expect("it is open");
                waits.push(until.since(now).nanos());
                now = until + Duration::from_nanos(1);
            }
            waits
        };
        let one = waits(1);
        assert!(one.iter().all(|wait| (800_000_000..1_200_000_000).contains(wait) && wait % 1_000_000 == 0));
        // Evenly: the mean of 2,000 within four standard errors of 999.5 ms, 115.5 ms / √2000 each; and both ends are reached.
        let mean = one.iter().sum::<u64>() as f64 / 2e9;
        assert!((mean - 999.5).abs() < 4.0 * 2.58, "{mean}");
        assert!(one.iter().min() < Some(&803_000_000) && one.iter().max() > Some(&1_196_000_000));
        assert_eq!(one, waits(1));
        assert_ne!(one, waits(2));
    }

    #[test]
    fn turns_of_a_year_that_are_spread_and_nobody_saw_are_caught_up_with_at_once() {
        let spread = r#"{"automaticTransitionFromOpenToHalfOpenEnabled": true, "maxWaitDurationInHalfOpenState": "1ms",
                         "waitDurationInOpenState": "2ms", "enableRandomizedWait": true}"#;
        let mut breaker = Breaker::new(script::rule("resilience4j", spread), Instant::ZERO);
        breaker.has_luck(Duration::from_nanos(7));
        for _ in 0..100 {
            assert_eq!(breaker.admit(Instant::ZERO), Admission::Go);
            breaker.report(Instant::ZERO, Ended::Failed, Duration::ZERO);
        }
        let year = Instant::ZERO + Duration::from_secs(365 * 86_400);
        assert_ne!(breaker.state(year), State::Closed);
        // It still goes round: within its longest turn, 4 ms, it has been both.
        let mut seen: Vec<State> =
            (0..50u64).map(|step| breaker.state(year + Duration::from_nanos(step * 100_000))).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [State::Open, State::HalfOpen]);
    }

    #[test]
    fn a_call_is_slow_when_it_takes_longer_than_the_threshold_and_not_as_long() {
        let two = r#"{"slidingWindowSize": 2}"#;
        check(two, "0s go go ok/60s ok/60s =closed");
        check(two, "0s go go ok/61s ok/60000000001ns =open");
    }

    #[test]
    fn slow_failures_count_as_both() {
        check(
            r#"{"slidingWindowSize": 4, "failureRateThreshold": 100}"#,
            "0s go*4 bad/61s ok/61s ok/61s bad/61s =open",
        );
    }

    #[test]
    fn an_overlooked_call_gives_its_permit_back_and_is_not_counted() {
        check(r#"{"slidingWindowSize": 1}"#, "0s SKIP*50 =closed");
        check("{}", "0s BAD*100 61s go*10 no skip go no =half-open");
    }

    #[test]
    fn an_overlooked_call_from_before_it_opened_adds_a_permit() {
        check("{}", "0s go BAD*100 61s go*10 no skip go");
    }

    #[test]
    fn a_window_of_seconds_is_cut_at_whole_seconds() {
        let two = r#"{"slidingWindowType": "TIME_BASED", "slidingWindowSize": 2, "minimumNumberOfCalls": 2}"#;
        // 1.1 seconds apart and yet out of the window; 1.9 seconds apart and in it.
        check(two, "900ms BAD 2s BAD =closed");
        check(two, "0s BAD 1900ms BAD =open");
    }

    #[test]
    fn a_closed_circuit_begins_with_an_empty_window() {
        check(
            r#"{"slidingWindowSize": 10, "minimumNumberOfCalls": 2}"#,
            "0s BAD BAD =open 61s go go ok ok =closed BAD =closed BAD =open",
        );
    }

    #[test]
    fn forced_states_stay() {
        check(r#"{"initialState": "DISABLED"}"#, "0s BAD*500 =closed go");
        check(r#"{"initialState": "METRICS_ONLY"}"#, "0s BAD*500 =closed go");
        check(r#"{"initialState": "FORCED_OPEN"}"#, "0s no =open 365d no");
    }
}
