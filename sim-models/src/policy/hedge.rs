//! Hedged requests: a second one when the first is slow, and whichever answers first.
//!
//! gRPC's `hedgingPolicy` (proposal A6, 1fd061a): the next one starts after each delay without an answer; a non-fatal failure starts
//! it at once, and those behind it resume the cadence; a fatal failure or an answer ends it all. What a server says about trying
//! again moves the next one, or forbids it.

use serde::Serialize;
use sim_core::{Duration, Instant};

use super::retry::Pushback;

/// One hedged call.
///
/// ```
/// use sim_core::{Duration, Instant};
/// use sim_models::policy::hedge::{Hedge, Rule};
/// let rule = Rule { tries: 3, delay: Duration::from_millis(10) };
/// let mut hedge = Hedge::new(rule, Instant::ZERO);
/// assert_eq!(hedge.starts(Instant::ZERO), 1);
/// assert_eq!(hedge.next(), Some(Instant::from_nanos(10_000_000)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Hedge {
    #[serde(skip)]
    rule: Rule,
    started: u32,
    under_way: u32,
    /// When the next one starts, if one may.
    next: Option<Instant>,
}

/// How a call is hedged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Requests in all, the first included; gRPC takes more than 5 for 5.
    pub tries: u32,
    /// Between one and the next; zero: all at once.
    pub delay: Duration,
}

/// What a failure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Others are under way, or one starts.
    GoesOn,
    /// It was the last: the call fails with it.
    Ends,
}

impl Hedge {
    /// A call that begins now; its first request starts at once.
    pub const fn new(rule: Rule, now: Instant) -> Self {
        Hedge { rule, started: 0, under_way: 0, next: Some(now) }
    }

    /// How many requests start now. Ask again at [`Hedge::next`].
    pub fn starts(&mut self, now: Instant) -> u32 {
        let mut starts = 0;
        while self.next.is_some_and(|next| next <= now) {
            starts += 1;
            self.start(now);
        }
        starts
    }

    fn start(&mut self, now: Instant) {
        self.started += 1;
        self.under_way += 1;
        self.next = (self.started < self.rule.tries).then(|| now + self.rule.delay);
    }

    /// When the next one starts if nothing is heard before.
    pub fn next(&self) -> Option<Instant> {
        self.next
    }

    /// One has failed in a way that others may not: the next one starts at once, or when the server says.
    pub fn failed(&mut self, now: Instant, pushback: Option<Pushback>) -> Failed {
        self.under_way = self.under_way.saturating_sub(1);
        self.next = match (self.next, pushback) {
            (None, _) | (_, Some(Pushback::No)) => None,
            (Some(_), Some(Pushback::After(wait))) => Some(now + wait),
            (Some(_), None) => Some(now),
        };
        if self.under_way == 0 && self.next.is_none() { Failed::Ends } else { Failed::GoesOn }
    }

    /// One has answered, or failed for good: how many others are to be cancelled. No more start.
    pub fn over(&mut self) -> u32 {
        self.next = None;
        std::mem::take(&mut self.under_way).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { tries: 4, delay: Duration::from_millis(10) };

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn begun() -> Hedge {
        let mut hedge = Hedge::new(RULE, ms(0));
        assert_eq!(hedge.starts(ms(0)), 1);
        hedge
    }

    #[test]
    fn one_starts_after_each_delay_without_an_answer_and_no_more_than_there_may_be() {
        let mut hedge = begun();
        assert_eq!([9, 10, 19, 20, 30, 40].map(|at| hedge.starts(ms(at))), [0, 1, 0, 1, 1, 0]);
        assert_eq!(hedge.over(), 3, "an answer cancels the others");
    }

    #[test]
    fn without_a_delay_all_start_at_once() {
        assert_eq!(Hedge::new(Rule { delay: Duration::ZERO, ..RULE }, ms(0)).starts(ms(0)), 4);
    }

    #[test]
    fn a_non_fatal_failure_starts_the_next_at_once_and_the_cadence_goes_on_from_there() {
        let mut hedge = begun();
        assert_eq!(hedge.failed(ms(3), None), Failed::GoesOn);
        assert_eq!(hedge.starts(ms(3)), 1);
        assert_eq!([10, 12, 13].map(|at| hedge.starts(ms(at))), [0, 0, 1]);
    }

    #[test]
    fn the_last_failure_ends_it() {
        let mut hedge = begun();
        for at in 1..4 {
            assert_eq!(hedge.failed(ms(at), None), Failed::GoesOn);
            assert_eq!(hedge.starts(ms(at)), 1);
        }
        assert_eq!(hedge.failed(ms(5), None), Failed::Ends);
    }

    #[test]
    fn a_pushback_moves_the_next_one_and_those_behind_it_follow_after_the_delay() {
        let mut hedge = begun();
        assert_eq!(hedge.failed(ms(3), Some(Pushback::After(Duration::from_millis(50)))), Failed::GoesOn);
        assert_eq!([10, 52, 53, 62, 63].map(|at| hedge.starts(ms(at))), [0, 0, 1, 0, 1]);
    }

    #[test]
    fn a_pushback_that_says_no_starts_no_more_and_waits_for_those_under_way() {
        let mut hedge = begun();
        assert_eq!(hedge.starts(ms(10)), 1);
        assert_eq!(hedge.failed(ms(12), Some(Pushback::No)), Failed::GoesOn);
        assert_eq!(hedge.starts(ms(1000)), 0);
        assert_eq!(hedge.failed(ms(1001), None), Failed::Ends);
    }

    #[test]
    fn after_a_fatal_failure_nothing_starts() {
        let mut hedge = begun();
        assert_eq!(hedge.starts(ms(10)), 1);
        assert_eq!(hedge.over(), 1);
        assert_eq!((hedge.starts(ms(1000)), hedge.next()), (0, None));
    }
}
