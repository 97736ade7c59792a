//! The breaker of Failsafe: so many failures of the last so many calls, or within a time; half-open is a limit of calls
//! at once.

use serde::Serialize;
use sim_core::{Duration, Instant};

use super::window::{Counts, LastCalls, Mark};
use super::{Admission, Ended, State, differ};
use crate::policy::profile::{Kind, Parameter, Profile};
use crate::policy::settings::{Setting, Settings};

/// Every parameter, as `CircuitBreakerConfig` has it.
pub static PROFILE: Profile = Profile {
    name: "failsafe",
    kind: Kind::Breaker,
    source: "Failsafe 3.3: CircuitBreakerConfig, ClosedState, HalfOpenState, OpenState, TimedCircuitStats",
    about: "Opens at so many failures of the last so many calls, or within a time; so many successes close it again.",
    parameters: &[
        Parameter::new("failureThreshold", Setting::Count(1), "Failures that open it.").from(Setting::Count(1)),
        Parameter::new(
            "failureThresholdingCapacity",
            Setting::Count(0),
            "Of how many calls, the last ones; 0: as many as failureThreshold.",
        )
        .to(Setting::Count(1_000_000)),
        Parameter::new(
            "failureThresholdingPeriod",
            Setting::secs(0),
            "Within how long, in ten pieces; 0: the last calls count, however long ago.",
        ),
        Parameter::new(
            "failureExecutionThreshold",
            Setting::Count(0),
            "Calls within that time without which it never opens.",
        )
        .to(Setting::Count(1_000_000)),
        Parameter::new(
            "failureRateThreshold",
            Setting::Count(0),
            "Opens at this whole percentage of failures within that time; 0: failureThreshold holds.",
        )
        .to(Setting::Count(100)),
        Parameter::new(
            "successThreshold",
            Setting::Count(0),
            "Successes that close it when half-open; 0: it closes when the failures that open it are out of reach.",
        ),
        Parameter::new(
            "successThresholdingCapacity",
            Setting::Count(0),
            "Of how many calls; 0: as many as successThreshold.",
        )
        .to(Setting::Count(1_000_000)),
        Parameter::new("delay", Setting::secs(60), "No call goes through for this long."),
        Parameter::new("handle", Setting::Outcomes, "The only outcomes that fail; all others are well. Default: all."),
    ],
    surprises: &[
        "As it comes, one failure opens it.",
        "The delay is over at its end, not after it.",
        "Half-open, each call that ends gives its permit back, so that the limit is one of calls at once.",
        "A call from before it opened that ends while half-open is counted there, and adds a permit.",
        "Within a time, rates are rounded to whole percent, half up: 49.5 % is 50.",
    ],
    sound: |settings| {
        let capacity = settings.count("failureThresholdingCapacity");
        let threshold = settings.count("failureThreshold");
        if capacity != 0 && threshold > capacity {
            return Err(("failureThreshold", format!("{threshold} failures of {capacity} calls cannot be")));
        }
        let (wanted, of) = (settings.count("successThreshold"), settings.count("successThresholdingCapacity"));
        if of != 0 && wanted > of {
            return Err(("successThreshold", format!("{wanted} successes of {of} calls cannot be")));
        }
        let timed = settings.length("failureThresholdingPeriod");
        let rate = settings.count("failureRateThreshold");
        let least = settings.count("failureExecutionThreshold");
        if timed.is_zero() && (rate != 0 || least != 0) {
            let name = if rate != 0 { "failureRateThreshold" } else { "failureExecutionThreshold" };
            return Err((name, format!("{name} needs a failureThresholdingPeriod")));
        }
        if !timed.is_zero() && timed < Duration::from_millis(10) {
            return Err(("failureThresholdingPeriod", format!("{timed} is less than 10ms")));
        }
        if rate != 0 && least == 0 {
            return Err(("failureRateThreshold", "a rate needs a failureExecutionThreshold".to_owned()));
        }
        Ok(())
    },
};

/// Pieces of a thresholding period.
const PIECES: u64 = 10;

/// How it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    failures: u32,
    /// Of how many calls.
    of: u32,
    period: Duration,
    executions: u32,
    rate: u32,
    successes: u32,
    /// Of how many calls; 0 when no number of successes is set.
    successes_of: u32,
    delay: Duration,
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
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Phase {
    Closed(Stats),
    Open {
        since: Instant,
    },
    HalfOpen {
        permits: u32,
        calls: LastCalls,
        /// Calls that were under way when it became half-open; nothing is decided by it.
        #[serde(skip)]
        before: u32,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Stats {
    Calls(LastCalls),
    Timed(Timed),
}

/// Pieces of time in a ring, each with the instant at which it began; none before it was first used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
struct Timed {
    pieces: Vec<(Option<Instant>, Counts)>,
    at: usize,
    sum: Counts,
}

impl Timed {
    fn new(now: Instant) -> Self {
        let mut pieces = vec![(None, Counts::default()); PIECES as usize];
        pieces[0].0 = Some(whole_millis(now));
        Timed { pieces, at: 0, sum: Counts::default() }
    }

    /// The library counts in whole milliseconds, and cuts what is less off the piece.
    fn piece(period: Duration) -> Duration {
        Duration::from_millis((period.nanos() / 1_000_000 / PIECES).max(1))
    }

    fn record(&mut self, now: Instant, period: Duration, mark: Mark) {
        let (piece, now) = (Timed::piece(period), whole_millis(now));
        let since = self.pieces[self.at].0.unwrap_or(now);
        let moves = now.since(since).nanos() / piece.nanos();
        if moves > PIECES {
            // The pieces to come are dated ahead, as `reset` does.
            *self = Timed::new(now);
            for (index, one) in self.pieces.iter_mut().enumerate() {
                one.0 = Some(now + piece.saturating_mul(index as u64));
            }
        } else {
            (0..moves).for_each(|_| self.turn(piece, period));
        }
        self.pieces[self.at].1.add(mark);
        self.sum.add(mark);
    }

    fn turn(&mut self, piece: Duration, period: Duration) {
        let before = self.pieces[self.at].0.unwrap_or_default();
        self.at = (self.at + 1) % self.pieces.len();
        let (since, counts) = &mut self.pieces[self.at];
        self.sum.less(*counts);
        *counts = Counts::default();
        *since = Some(since.map_or(before + piece, |since| since + whole(period)));
    }
}

/// An instant as the library's clock shows it.
const fn whole_millis(at: Instant) -> Instant {
    Instant::from_nanos(at.nanos() / 1_000_000 * 1_000_000)
}

/// A length as the library counts it.
const fn whole(length: Duration) -> Duration {
    Duration::from_nanos(length.nanos() / 1_000_000 * 1_000_000)
}

/// A part of all in whole percent, half up, in the floating-point numbers that the library rounds: 29 of 200 are 14.499999999999998.
fn percent(part: u32, total: u32) -> u64 {
    if total == 0 { 0 } else { (f64::from(part) / f64::from(total) * 100.0 + 0.5).floor() as u64 }
}

impl Rule {
    pub(super) fn of(settings: &Settings) -> Rule {
        let or = |written: u32, otherwise: u32| if written == 0 { otherwise } else { written };
        let failures = settings.count("failureThreshold");
        let successes = settings.count("successThreshold");
        Rule {
            failures,
            of: or(settings.count("failureThresholdingCapacity"), failures),
            period: settings.length("failureThresholdingPeriod"),
            executions: settings.count("failureExecutionThreshold"),
            rate: settings.count("failureRateThreshold"),
            successes,
            successes_of: or(settings.count("successThresholdingCapacity"), successes),
            delay: settings.length("delay"),
        }
    }

    fn closed(&self, now: Instant) -> Phase {
        Phase::Closed(if self.period.is_zero() {
            Stats::Calls(LastCalls::new(self.of))
        } else {
            Stats::Timed(Timed::new(now))
        })
    }

    /// Calls at once while half-open, and calls that are remembered then.
    fn capacity(&self) -> u32 {
        [self.successes_of, self.executions, self.of].into_iter().find(|of| *of != 0).unwrap_or(1)
    }

    fn half_open(&self, before: u32) -> Phase {
        Phase::HalfOpen { permits: self.capacity(), calls: LastCalls::new(self.capacity()), before }
    }

    fn opens(&self, counts: Counts) -> bool {
        let enough = counts.total >= self.executions;
        let bad = match self.rate {
            0 => counts.failed >= self.failures,
            rate => percent(counts.failed, counts.total) >= u64::from(rate),
        };
        enough && bad
    }

    /// What a half-open breaker becomes; none to stay so. Successes are asked first.
    fn decides(&self, counts: Counts) -> Option<State> {
        let ok = counts.total - counts.failed;
        let (closes, opens) = match (self.successes, self.rate) {
            (0, 0) => (ok > self.of.saturating_sub(self.failures), counts.failed >= self.failures),
            (0, rate) => {
                let enough = counts.total >= self.executions;
                let opens = percent(counts.failed, counts.total) >= u64::from(rate);
                let closes = percent(ok, counts.total) > 100 - u64::from(rate);
                (enough && closes, enough && opens)
            }
            (wanted, _) => (ok >= wanted, counts.failed > self.successes_of - wanted),
        };
        match (closes, opens) {
            (true, _) => Some(State::Closed),
            (false, true) => Some(State::Open),
            (false, false) => None,
        }
    }
}

impl Breaker {
    pub(super) fn new(rule: Rule, now: Instant) -> Breaker {
        Breaker { rule, phase: rule.closed(now), under_way: 0 }
    }

    pub(super) fn admit(&mut self, now: Instant) -> Admission {
        if let Phase::Open { since } = self.phase
            && now.since(since) >= self.rule.delay
        {
            self.phase = self.rule.half_open(self.under_way);
        }
        match &mut self.phase {
            Phase::Closed(_) => {}
            Phase::HalfOpen { permits, .. } if *permits > 0 => *permits -= 1,
            Phase::HalfOpen { .. } | Phase::Open { .. } => return Admission::Open,
        }
        self.under_way += 1;
        Admission::Go
    }

    /// A permit is there, or taken by a call that was let go while half-open; each call from before that ends adds one, as the library
    /// has it.
    pub(super) fn audit(&self, under_way: u32) -> Result<(), String> {
        differ("calls under way", self.under_way, under_way)?;
        match &self.phase {
            Phase::HalfOpen { permits, before, .. } => {
                let accounted = permits.saturating_add(under_way);
                differ("half-open permits", accounted, self.rule.capacity().saturating_add(*before))
            }
            Phase::Closed(_) | Phase::Open { .. } => Ok(()),
        }
    }

    pub(super) fn report(&mut self, now: Instant, ended: Ended) {
        self.under_way = self.under_way.saturating_sub(1);
        let mark = match ended {
            Ended::Ok | Ended::Overlooked => Mark::Ok,
            Ended::Failed | Ended::Cancelled => Mark::Failed,
        };
        let rule = self.rule;
        match &mut self.phase {
            Phase::Closed(stats) => {
                let counts = match stats {
                    Stats::Calls(calls) => {
                        calls.record(mark);
                        calls.counts()
                    }
                    Stats::Timed(timed) => {
                        timed.record(now, rule.period, mark);
                        timed.sum
                    }
                };
                if rule.opens(counts) {
                    self.phase = Phase::Open { since: now };
                }
            }
            Phase::HalfOpen { permits, calls, .. } => {
                calls.record(mark);
                match rule.decides(calls.counts()) {
                    Some(State::Closed) => self.phase = rule.closed(now),
                    Some(_) => self.phase = Phase::Open { since: now },
                    None => *permits = permits.saturating_add(1),
                }
            }
            Phase::Open { .. } => {}
        }
    }

    pub(super) fn sight(&self) -> (Counts, Option<Instant>) {
        match &self.phase {
            Phase::Closed(Stats::Calls(calls)) | Phase::HalfOpen { calls, .. } => (calls.counts(), None),
            Phase::Closed(Stats::Timed(timed)) => (timed.sum, None),
            Phase::Open { since } => (Counts::default(), Some(*since + self.rule.delay)),
        }
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::percent;
    use crate::policy::breaker::script;

    fn check(parameters: &str, story: &str) {
        script::check("failsafe", parameters, story);
    }

    #[test]
    fn as_it_comes_one_failure_opens_it_and_one_success_closes_it() {
        check("{}", "0s OK*50 BAD =open no 60s go =half-open no ok =closed");
        check("{}", "0s BAD 60s go bad =open 119s no 120s go");
    }

    #[test]
    fn the_delay_is_over_at_its_end() {
        check("{}", "0s BAD 59999999999ns no 60s go");
    }

    #[test]
    fn failures_need_not_come_in_a_row_when_a_capacity_is_set() {
        check(r#"{"failureThreshold": 3}"#, "0s BAD BAD OK BAD BAD =closed BAD =open");
        let of_five = r#"{"failureThreshold": 3, "failureThresholdingCapacity": 5}"#;
        check(of_five, "0s BAD OK BAD OK =closed BAD =open");
        check(of_five, "0s BAD BAD OK OK OK BAD =closed BAD =closed BAD =open");
    }

    #[test]
    fn half_open_it_closes_when_the_failures_that_open_it_are_out_of_reach() {
        let of_five = r#"{"failureThreshold": 3, "failureThresholdingCapacity": 5}"#;
        check(of_five, "0s BAD*3 60s OK OK =half-open OK =closed");
        check(of_five, "0s BAD*3 60s BAD OK BAD =half-open OK =half-open BAD =open");
    }

    #[test]
    fn half_open_is_a_limit_of_calls_at_once() {
        let of_five = r#"{"failureThreshold": 3, "failureThresholdingCapacity": 5}"#;
        check(of_five, "0s BAD*3 60s go*5 no ok go no");
    }

    #[test]
    fn a_call_from_before_it_opened_adds_a_permit() {
        let of_five = r#"{"failureThreshold": 3, "failureThresholdingCapacity": 5}"#;
        // It is the old call that has ended: six of at most five are under way.
        check(of_five, "0s go BAD*3 60s go*5 no ok go no");
    }

    #[test]
    fn a_number_of_successes_of_several_calls_decides() {
        let three_of_four = r#"{"successThreshold": 3, "successThresholdingCapacity": 4}"#;
        check(three_of_four, "0s BAD 60s BAD =half-open OK OK OK =closed");
        check(three_of_four, "0s BAD 60s BAD OK =half-open BAD =open");
    }

    #[test]
    fn within_a_time_enough_failures_open_it() {
        let timed = r#"{"failureThreshold": 3, "failureThresholdingPeriod": "10s"}"#;
        check(timed, "0s BAD OK BAD 9999ms BAD =open");
        check(timed, "0s BAD OK BAD 10s BAD =closed");
    }

    #[test]
    fn rates_are_rounded_half_up() {
        let rate =
            r#"{"failureRateThreshold": 50, "failureExecutionThreshold": 200, "failureThresholdingPeriod": "1m"}"#;
        check(rate, "0s OK*101 BAD*98 =closed BAD =open");
        check(rate, "0s OK*102 BAD*97 =closed BAD =closed");
    }

    #[test]
    fn a_rate_is_rounded_as_the_librarys_floating_point_numbers_are() {
        assert_eq!(
            [(29, 200), (59, 200), (99, 200), (1, 3), (2, 3), (0, 0)].map(|(part, all)| percent(part, all)),
            [14, 30, 50, 33, 67, 0]
        );
    }

    #[test]
    fn a_time_is_counted_in_whole_milliseconds() {
        // Pieces of 100 ms begin with the millisecond of the first call after it closed, not with the call.
        let timed = r#"{"failureThreshold": 2, "failureThresholdingPeriod": "1s"}"#;
        check(timed, "0s BAD 999999999ns BAD =open");
        check(timed, "0s BAD 1s BAD =closed");
        let again = r#"{"failureThreshold": 2, "failureThresholdingPeriod": "1s", "delay": "0s"}"#;
        check(again, "0s BAD BAD =open 900us go ok =closed 1ms BAD 999999999ns BAD =open");
        check(again, "0s BAD BAD =open 900us go ok =closed 1ms BAD 1s BAD =closed");
    }

    #[test]
    fn a_time_that_nobody_called_in_empties_the_window() {
        let timed = r#"{"failureThreshold": 3, "failureThresholdingPeriod": "10s"}"#;
        check(timed, "0s BAD BAD 1h BAD BAD =closed BAD =open");
    }
}
