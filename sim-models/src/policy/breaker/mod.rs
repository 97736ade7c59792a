//! Circuit breakers: who fails is not asked for a while, then asked a little, then as before.
//!
//! Each library has its own machine, with its own comparisons. All of them see calls that have ended and nothing else:
//! a call that hangs is invisible until somebody gives it up.

pub mod failsafe;
pub mod hystrix;
pub mod opossum;
pub mod polly;
pub mod resilience4j;
mod window;

#[cfg(test)]
mod models;
#[cfg(test)]
mod script;

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::settings::Settings;

/// How a breaker is set, by library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// resilience4j
    Resilience4j(resilience4j::Rule),
    /// Polly v8
    Polly(polly::Rule),
    /// opossum
    Opossum(opossum::Rule),
    /// Hystrix
    Hystrix(hystrix::Rule),
    /// Failsafe
    Failsafe(failsafe::Rule),
}

/// A breaker and all it remembers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Breaker {
    /// resilience4j
    Resilience4j(resilience4j::Breaker),
    /// Polly v8
    Polly(polly::Breaker),
    /// opossum
    Opossum(opossum::Breaker),
    /// Hystrix
    Hystrix(hystrix::Breaker),
    /// Failsafe
    Failsafe(failsafe::Breaker),
}

/// What a breaker is seen to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum State {
    /// Calls go through.
    Closed,
    /// No call goes through.
    Open,
    /// A few calls go through, and decide.
    HalfOpen,
}

/// What a breaker says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It goes; how it ends must be reported once.
    Go,
    /// The circuit is open.
    Open,
    /// The breaker has a limit of calls at once of its own, and it is reached.
    Full,
}

/// What a breaker goes by at the moment, for whoever looks inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Calls it counts.
    pub calls: u32,
    /// Those of them that failed.
    pub failed: u32,
    /// Until when no call goes through; none when some do.
    pub until: Option<Instant>,
}

/// How a call ended, as a breaker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Well.
    Ok,
    /// As a failure.
    Failed,
    /// With an error that the user told the library to overlook.
    Overlooked,
    /// Its caller went away before it ended.
    Cancelled,
}

impl State {
    /// Its name in counters, conditions and pages.
    pub const fn name(self) -> &'static str {
        match self {
            State::Closed => "closed",
            State::Open => "open",
            State::HalfOpen => "half-open",
        }
    }
}

impl Rule {
    /// The rule that settings of a breaker's profile come to; none when they are of another kind of policy.
    pub fn of(settings: &Settings) -> Option<Rule> {
        match settings.profile().name {
            _ if settings.profile().kind != super::Kind::Breaker => None,
            "resilience4j" => Some(Rule::Resilience4j(resilience4j::Rule::of(settings))),
            "polly" => Some(Rule::Polly(polly::Rule::of(settings))),
            "opossum" => Some(Rule::Opossum(opossum::Rule::of(settings))),
            "hystrix" => Some(Rule::Hystrix(hystrix::Rule::of(settings))),
            "failsafe" => Some(Rule::Failsafe(failsafe::Rule::of(settings))),
            _ => None,
        }
    }

    /// The library, and what it takes a call for that was cancelled from outside, when that is no failure.
    pub fn blind(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Rule::Resilience4j(_) => Some(("resilience4j", "one that never was")),
            Rule::Hystrix(_) => Some(("hystrix", "one that never was")),
            // An OperationCanceledException is not handled, which is a success.
            Rule::Polly(_) => Some(("polly", "a success")),
            Rule::Opossum(_) | Rule::Failsafe(_) => None,
        }
    }

    /// How long a call may take when nobody says: some of these libraries bring a timeout along.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Rule::Opossum(rule) => rule.timeout(),
            Rule::Hystrix(rule) => rule.timeout(),
            Rule::Resilience4j(_) | Rule::Polly(_) | Rule::Failsafe(_) => None,
        }
    }
}

impl Breaker {
    /// One that has seen nothing, made at `now`.
    pub fn new(rule: Rule, now: Instant) -> Breaker {
        match rule {
            Rule::Resilience4j(rule) => Breaker::Resilience4j(resilience4j::Breaker::new(rule, now)),
            Rule::Polly(rule) => Breaker::Polly(polly::Breaker::new(rule)),
            Rule::Opossum(rule) => Breaker::Opossum(opossum::Breaker::new(rule, now)),
            Rule::Hystrix(rule) => Breaker::Hystrix(hystrix::Breaker::new(rule, now)),
            Rule::Failsafe(rule) => Breaker::Failsafe(failsafe::Breaker::new(rule, now)),
        }
    }

    /// Whether what it does follows from luck that it has not been given yet. It needs to be drawn once.
    pub fn needs_luck(&self) -> bool {
        matches!(self, Breaker::Resilience4j(breaker) if breaker.needs_luck())
    }

    /// Any length that was drawn: what it does from now on follows from that.
    pub fn has_luck(&mut self, drawn: Duration) {
        if let Breaker::Resilience4j(breaker) = self {
            breaker.has_luck(drawn);
        }
    }

    /// Whether a call may go.
    pub fn admit(&mut self, now: Instant) -> Admission {
        self.ask(now).0
    }

    /// A call that was let go has ended, after this long.
    pub fn report(&mut self, now: Instant, ended: Ended, took: Duration) {
        self.tell(now, ended, took);
    }

    /// Whether a call may go, and what it is after that.
    #[inline]
    pub fn ask(&mut self, now: Instant) -> (Admission, State) {
        match self {
            Breaker::Resilience4j(breaker) => (breaker.admit(now), breaker.state(now)),
            Breaker::Polly(breaker) => (breaker.admit(now), breaker.state()),
            Breaker::Opossum(breaker) => (breaker.admit(now), breaker.state(now)),
            Breaker::Hystrix(breaker) => (breaker.admit(now), breaker.state(now)),
            Breaker::Failsafe(breaker) => (breaker.admit(now), breaker.state()),
        }
    }

    /// A call that was let go has ended, after this long; what it is after that.
    #[inline]
    pub fn tell(&mut self, now: Instant, ended: Ended, took: Duration) -> State {
        match self {
            Breaker::Resilience4j(breaker) => {
                breaker.report(now, ended, took);
                breaker.state(now)
            }
            Breaker::Polly(breaker) => {
                breaker.report(now, ended);
                breaker.state()
            }
            Breaker::Opossum(breaker) => {
                breaker.report(now, ended);
                breaker.state(now)
            }
            Breaker::Hystrix(breaker) => {
                breaker.report(now, ended);
                breaker.state(now)
            }
            Breaker::Failsafe(breaker) => {
                breaker.report(now, ended);
                breaker.state()
            }
        }
    }

    /// Whether its half-open permits and its calls under way are those that `under_way` calls have which were let go and have not
    /// been reported. Only of libraries that count them: Hystrix and Polly let one call decide and count nothing.
    ///
    /// # Errors
    /// What does not balance, in words.
    pub fn audit(&self, under_way: u32) -> Result<(), String> {
        match self {
            Breaker::Resilience4j(breaker) => breaker.audit(under_way),
            Breaker::Opossum(breaker) => breaker.audit(under_way),
            Breaker::Failsafe(breaker) => breaker.audit(under_way),
            Breaker::Polly(_) | Breaker::Hystrix(_) => Ok(()),
        }
    }

    /// What it goes by.
    pub fn sight(&self) -> Sight {
        let (counts, until) = match self {
            Breaker::Resilience4j(breaker) => breaker.sight(),
            Breaker::Polly(breaker) => breaker.sight(),
            Breaker::Opossum(breaker) => breaker.sight(),
            Breaker::Hystrix(breaker) => breaker.sight(),
            Breaker::Failsafe(breaker) => breaker.sight(),
        };
        Sight { calls: counts.total, failed: counts.failed, until }
    }

    /// What it is at `now`, what its timers do by then included.
    pub fn state(&mut self, now: Instant) -> State {
        match self {
            Breaker::Resilience4j(breaker) => breaker.state(now),
            Breaker::Polly(breaker) => breaker.state(),
            Breaker::Opossum(breaker) => breaker.state(now),
            Breaker::Hystrix(breaker) => breaker.state(now),
            Breaker::Failsafe(breaker) => breaker.state(),
        }
    }
}

/// Books of a breaker that do not balance.
fn differ(what: &str, counted: u32, there: u32) -> Result<(), String> {
    if counted == there { Ok(()) } else { Err(format!("{what} of a breaker: {counted} counted, {there} there")) }
}

/// Whether `part` of `total` is at least this share; exact, where a library divides two floats.
#[inline]
pub(crate) fn reaches(part: u32, total: u32, share: Ratio) -> bool {
    if part == 0 {
        return total == 0 || share.is_zero();
    }
    u128::from(part) * u128::from(Ratio::ONE.parts()) >= u128::from(share.parts()) * u128::from(total)
}

/// Whether `part` of `total` is more than this share.
pub(crate) fn exceeds(part: u32, total: u32, share: Ratio) -> bool {
    u128::from(part) * u128::from(Ratio::ONE.parts()) > u128::from(share.parts()) * u128::from(total)
}
