//! What a step says beside its verb: what it catches, and which policies guard it.

use sim_core::{Duration, Ratio};

use super::{BlockRef, Reason, Slot, Template};
use crate::policy::{breaker, budget, bulkhead, hedge, limiter, retry};

/// Clauses of a step with an outcome.
#[derive(Clone, Debug, Default)]
pub struct Clauses {
    /// Time for each try.
    pub timeout: Option<Duration>,
    /// Time over all tries, passed on.
    pub deadline: Option<Duration>,
    /// Trying again.
    pub retry: Option<RetryDef>,
    /// What may refuse a try before anything is sent, and hears how it ended; none when nothing does.
    pub guards: Option<Box<Guards>>,
    /// Asking another one when the first is slow.
    pub hedge: Option<Box<HedgeDef>>,
    /// Whose answer it shares; none: nobody's.
    pub coalesce: Option<Box<CoalesceDef>>,
    /// Whether the callee is told when the caller gives up.
    pub cancel: bool,
    /// Where the value goes (of a list: where the list goes).
    pub bind: Option<Slot>,
    /// What is caught, in order of the file.
    pub on: Vec<(Catch, BlockRef)>,
}

/// `hedge`.
#[derive(Clone, Debug)]
pub struct HedgeDef {
    /// How many, and when the next.
    pub rule: hedge::Rule,
    /// Where the delay follows from latencies: the share of further requests and the least delay, and the place of what was seen in
    /// the caller's list.
    pub follows: Option<(Ratio, Duration, u32)>,
    /// Outcomes after which others go on; none: unknown, refused, overloaded, unavailable.
    pub on: Option<Vec<Catch>>,
    /// Share of first requests that may be hedged, and how many at once at most.
    pub budget: Option<BudgetDef>,
    /// The budget of a library, and its place in the caller's list.
    pub profile_budget: Option<(budget::Rule, u32)>,
    /// Whether the losers are told even when the step does not say `cancel`.
    pub cancels: bool,
    /// Whether the next one comes when a callee that failed says so.
    pub heeds: bool,
}

/// `coalesce`: of those who want the same at one time, one asks.
#[derive(Clone, Debug)]
pub struct CoalesceDef {
    /// What they want; none: the cell that is read.
    pub key: Option<Template>,
    /// Whose flights, by its place in the caller's list: one per endpoint or map that is asked.
    pub index: u32,
}

/// What stands before each try of a step, the outermost first, and a retry budget of a library, which hears of each try too.
#[derive(Clone, Debug, Default)]
pub struct Guards {
    /// The guards, the outermost first.
    pub order: Vec<Guard>,
    /// How many of them stand around the timeout of a try; the others take its end for a caller who went away.
    pub around_timeout: u8,
    /// The budget, and its place in the caller's list.
    pub budget: Option<(budget::Rule, u32)>,
}

/// Something that may refuse a try.
#[derive(Clone, Debug)]
pub enum Guard {
    /// Refuses with `open`.
    Breaker(BreakerDef),
    /// Refuses with `limited`.
    Bulkhead(BulkheadDef),
    /// Refuses with `limited`.
    Limiter(LimiterDef),
}

/// `limiter`.
#[derive(Clone, Copy, Debug)]
pub struct LimiterDef {
    /// How it is set.
    pub rule: limiter::Rule,
    /// Which limiter, by its place in the caller's list: one per policy name, or per node called.
    pub index: u32,
}

impl Guard {
    /// The clause that it is written as.
    pub const fn word(&self) -> &'static str {
        match self {
            Guard::Breaker(_) => "breaker",
            Guard::Bulkhead(_) => "bulkhead",
            Guard::Limiter(_) => "limiter",
        }
    }
}

/// `breaker`.
#[derive(Clone, Debug)]
pub struct BreakerDef {
    /// How it is set.
    pub rule: breaker::Rule,
    /// Which breaker, by its place in the caller's list: one per policy name, or per node called.
    pub index: u32,
    /// The only outcomes that fail; empty: all but ok.
    pub fails: Vec<Catch>,
    /// Outcomes that are overlooked.
    pub overlooks: Vec<Catch>,
}

/// `bulkhead`.
#[derive(Clone, Copy, Debug)]
pub struct BulkheadDef {
    /// How it is set.
    pub rule: bulkhead::Rule,
    /// Which bulkhead, by its place in the caller's list: one per policy name, or per node called.
    pub index: u32,
}

/// What an `on` catches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Catch {
    /// This reason.
    Reason(Reason),
    /// Ok.
    Ok,
    /// Any error.
    Error,
    /// Any unknown.
    Unknown,
    /// Anything but ok.
    Else,
}

/// `fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// What the caller is told about trying again.
    pub retry_after: Option<retry::Pushback>,
}

/// `retry`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryDef {
    /// Tries in all; none: for ever.
    pub tries: Option<u32>,
    /// Wait before the first retry.
    pub wait: Duration,
    /// How each wait is longer than the one before.
    pub grows: retry::Grows,
    /// The longest wait before jitter.
    pub max_wait: Duration,
    /// Jitter.
    pub jitter: Jitter,
    /// What is retried; empty: unknown, refused, overloaded, unavailable.
    pub on: Vec<Catch>,
    /// What is not, even so.
    pub except: Vec<Catch>,
    /// The waits of a library's profile, in place of those above.
    pub profile: Option<retry::Wait>,
    /// What is made of a callee that says when to try again.
    pub heeds: retry::Heeds,
    /// Whether what a stopping process turned away unseen is tried once more at once, beside all that is counted.
    pub is_transparent: bool,
    /// Whether a first try that ended `reset` is tried again, however few tries there are to be and whatever `on` lists.
    pub forgives_close: bool,
    /// After which time without an answer a try is tried again beside itself, in place of a timeout that ends it (Envoy).
    pub hedges_after: Option<Duration>,
    /// Share of first tries that may be retried, and how many at once at most.
    pub budget: Option<BudgetDef>,
}

/// A retry budget: starts full, gains `ratio` per first try, costs 1 per retry, never exceeds `burst`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetDef {
    /// Gain per first try.
    pub ratio: Ratio,
    /// The most it holds.
    pub burst: u32,
    /// Which budget, by its place in the caller's list: one per policy name, or per node called.
    pub index: u32,
}

/// How the wait before a retry is spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// U(0, w).
    Full,
    /// w/2 + U(0, w/2).
    Equal,
    /// min(max_wait, U(wait, 3 · previous)).
    Decorrelated,
}
