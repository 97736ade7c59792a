//! Envoy's `hedge_on_per_try_timeout`: a try that takes too long is tried again beside itself.
//!
//! As router.cc (`onSoftPerTryTimeout`, `onUpstreamHeaders`, `onUpstreamReset`) and retry_state_impl.cc (`shouldRetry`) of Envoy 1.38
//! have it. Each try is tried again at most once, so that of those under way at most one, the newest, may still be; all before it have
//! been.

use serde::Serialize;
use sim_core::{Duration, Instant};

/// The tries of one call.
///
/// ```
/// use sim_core::{Duration, Instant};
/// use sim_models::policy::retry::hedged::{Due, Tries};
/// let ms = |millis: u64| Instant::from_nanos(millis * 1_000_000);
/// let mut tries = Tries::new(1, Duration::from_millis(100), ms(0));
/// assert_eq!(tries.next(), Some(ms(100)));
/// assert_eq!(tries.due(ms(100), || Some(ms(107))), Some(Due::TimedOut { hedged: true }));
/// assert_eq!((tries.out(), tries.next()), (1, Some(ms(107))));
/// assert_eq!(tries.due(ms(107), || None), Some(Due::Begins));
/// assert_eq!(tries.out(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Tries {
    #[serde(skip)]
    timeout: Duration,
    /// Retries that are left.
    left: u32,
    newest: Newest,
    /// Of those before it, how many are under way.
    older: u32,
}

/// What the newest try does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
enum Newest {
    /// It is under way, and takes too long from then on.
    Out(Instant),
    /// It takes too long, and was not tried again: it goes on.
    Late,
    /// It begins then.
    Waits(Instant),
    /// It has ended.
    Over,
}

/// Which try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest: it has not been tried again.
    Newest,
    /// One that has been.
    Older,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With an answer that is well.
    Well,
    /// With another answer; whether the policy tries that again.
    Answered {
        /// Whether `retry_on` lists it.
        listed: bool,
    },
    /// Without an answer: its connection was closed, or nobody was there.
    Reset {
        /// Whether `retry_on` lists it.
        listed: bool,
    },
}

/// What comes of a try that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call ends so; all others are given up.
    Stands,
    /// It is dropped: another one is under way, or begins soon.
    Dropped,
    /// It is tried again.
    TriedAgain,
}

/// What it is time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The newest try takes too long. It is not ended.
    TimedOut {
        /// Whether it is tried again beside itself.
        hedged: bool,
    },
    /// The next try begins.
    Begins,
}

impl Tries {
    /// A call whose first try begins now: so many retries, and how long a try may take until it is tried again.
    pub fn new(retries: u32, timeout: Duration, now: Instant) -> Self {
        Tries { timeout, left: retries, newest: Newest::Out(now + timeout), older: 0 }
    }

    /// When something is due if nothing is heard before.
    pub const fn next(&self) -> Option<Instant> {
        match self.newest {
            Newest::Out(until) | Newest::Waits(until) => Some(until),
            Newest::Late | Newest::Over => None,
        }
    }

    /// How many are under way.
    pub const fn out(&self) -> u32 {
        self.older + matches!(self.newest, Newest::Out(_) | Newest::Late) as u32
    }

    /// What is due now. `begins`: when a retry would begin, if the budget has one; it is asked where there is one to take.
    pub fn due(&mut self, now: Instant, begins: impl FnOnce() -> Option<Instant>) -> Option<Due> {
        match self.newest {
            Newest::Out(until) if until <= now => {
                let begins = self.takes_retry(begins);
                self.newest = begins.map_or(Newest::Late, Newest::Waits);
                self.older += u32::from(begins.is_some());
                Some(Due::TimedOut { hedged: begins.is_some() })
            }
            Newest::Waits(until) if until <= now => {
                self.newest = Newest::Out(now + self.timeout);
                Some(Due::Begins)
            }
            Newest::Out(_) | Newest::Waits(_) | Newest::Late | Newest::Over => None,
        }
    }

    /// A try has ended. `begins`: as of [`Tries::due`].
    pub fn ended(&mut self, which: Which, ended: Ended, begins: impl FnOnce() -> Option<Instant>) -> Verdict {
        match which {
            Which::Older => self.older = self.older.saturating_sub(1),
            Which::Newest => self.newest = Newest::Over,
        }
        let (listed, is_dropped) = match ended {
            Ended::Well => (false, false),
            Ended::Answered { listed } => (listed, listed),
            Ended::Reset { listed } => (listed, true),
        };
        if which == Which::Newest
            && listed
            && let Some(until) = self.takes_retry(begins)
        {
            self.newest = Newest::Waits(until);
            return Verdict::TriedAgain;
        }
        if is_dropped && (self.out() > 0 || matches!(self.newest, Newest::Waits(_))) {
            return Verdict::Dropped;
        }
        (self.newest, self.older) = (Newest::Over, 0);
        Verdict::Stands
    }

    /// Takes one of the retries that are left; one that the budget refuses is used up all the same.
    fn takes_retry(&mut self, begins: impl FnOnce() -> Option<Instant>) -> Option<Instant> {
        self.left = self.left.checked_sub(1)?;
        begins()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: Ended = Ended::Answered { listed: true };
    const UNLISTED: Ended = Ended::Answered { listed: false };

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn begun(retries: u32) -> Tries {
        Tries::new(retries, Duration::from_millis(100), ms(0))
    }

    /// The first is late and tried again, the second is under way from 110 ms on.
    fn hedged(retries: u32) -> Tries {
        let mut tries = begun(retries);
        assert_eq!(tries.due(ms(100), || Some(ms(110))), Some(Due::TimedOut { hedged: true }));
        assert_eq!(tries.due(ms(110), || None), Some(Due::Begins));
        tries
    }

    fn never() -> Option<Instant> {
        unreachable!("no retry is asked for")
    }

    #[test]
    fn a_try_that_takes_too_long_is_not_ended_and_another_one_begins_after_the_usual_backoff() {
        let mut tries = begun(2);
        assert_eq!(tries.due(ms(99), never), None);
        assert_eq!(tries.due(ms(100), || Some(ms(117))), Some(Due::TimedOut { hedged: true }));
        assert_eq!((tries.out(), tries.next()), (1, Some(ms(117))));
        assert_eq!((tries.due(ms(116), never), tries.due(ms(117), never)), (None, Some(Due::Begins)));
        // The time of the second is its own.
        assert_eq!((tries.out(), tries.next()), (2, Some(ms(217))));
        assert_eq!(tries.due(ms(217), || Some(ms(220))), Some(Due::TimedOut { hedged: true }));
    }

    #[test]
    fn each_hedged_retry_takes_one_of_num_retries_and_with_none_left_the_try_runs_on() {
        let mut tries = hedged(1);
        assert_eq!(tries.due(ms(210), never), Some(Due::TimedOut { hedged: false }));
        assert_eq!(
            (tries.out(), tries.next()),
            (2, None),
            "nothing ends them but their answers and the route's timeout"
        );
        assert_eq!(begun(0).due(ms(100), never), Some(Due::TimedOut { hedged: false }));
    }

    #[test]
    fn a_retry_that_the_budget_refuses_is_used_up_and_a_bad_answer_may_take_the_next() {
        let mut tries = begun(2);
        assert_eq!(tries.due(ms(100), || None), Some(Due::TimedOut { hedged: false }));
        assert_eq!(tries.ended(Which::Newest, LISTED, || Some(ms(150))), Verdict::TriedAgain);
        assert_eq!(tries.due(ms(150), never), Some(Due::Begins));
        assert_eq!(tries.ended(Which::Newest, LISTED, never), Verdict::Stands, "both are used up");
    }

    #[test]
    fn the_first_good_answer_of_any_try_wins() {
        for which in [Which::Older, Which::Newest] {
            let mut tries = hedged(3);
            assert_eq!(tries.ended(which, Ended::Well, never), Verdict::Stands);
            assert_eq!((tries.out(), tries.next()), (0, None));
        }
        // Also of the first while the second waits to begin.
        let mut tries = begun(1);
        tries.due(ms(100), || Some(ms(120)));
        assert_eq!(tries.ended(Which::Older, Ended::Well, never), Verdict::Stands);
        assert_eq!(tries.next(), None, "the second is never sent");
    }

    #[test]
    fn a_try_that_was_hedged_is_never_tried_again_by_its_own_late_bad_answer() {
        let mut tries = hedged(3);
        assert_eq!(tries.ended(Which::Older, LISTED, never), Verdict::Dropped);
        assert_eq!(tries.ended(Which::Newest, LISTED, || Some(ms(130))), Verdict::TriedAgain, "the newest may be");
    }

    #[test]
    fn a_bad_answer_that_is_listed_is_dropped_while_another_is_out_or_waits_and_the_last_stands() {
        let mut tries = hedged(1);
        assert_eq!(tries.ended(Which::Newest, LISTED, never), Verdict::Dropped);
        assert_eq!(tries.ended(Which::Older, LISTED, never), Verdict::Stands);
        let mut waits = begun(1);
        waits.due(ms(100), || Some(ms(120)));
        assert_eq!(waits.ended(Which::Older, LISTED, never), Verdict::Dropped);
        assert_eq!(waits.due(ms(120), never), Some(Due::Begins), "the second is sent all the same");
        assert_eq!(waits.ended(Which::Newest, LISTED, never), Verdict::Stands);
    }

    #[test]
    fn a_bad_answer_that_is_not_listed_wins_whoever_else_is_out() {
        for which in [Which::Older, Which::Newest] {
            assert_eq!(hedged(3).ended(which, UNLISTED, never), Verdict::Stands);
        }
    }

    #[test]
    fn a_bad_answer_of_a_try_that_was_not_hedged_is_tried_again_as_usual() {
        let mut tries = begun(1);
        assert_eq!(tries.ended(Which::Newest, LISTED, || Some(ms(20))), Verdict::TriedAgain);
        assert_eq!((tries.out(), tries.next()), (0, Some(ms(20))));
        assert_eq!(begun(1).ended(Which::Newest, LISTED, || None), Verdict::Stands);
        assert_eq!(begun(0).ended(Which::Newest, LISTED, never), Verdict::Stands);
    }

    #[test]
    fn a_reset_is_dropped_while_another_is_out_even_where_it_is_not_listed() {
        for (which, listed) in [(Which::Older, false), (Which::Older, true), (Which::Newest, false)] {
            assert_eq!(hedged(1).ended(which, Ended::Reset { listed }, never), Verdict::Dropped, "{which:?} {listed}");
        }
        assert_eq!(
            hedged(2).ended(Which::Newest, Ended::Reset { listed: true }, || Some(ms(130))),
            Verdict::TriedAgain
        );
        assert_eq!(begun(1).ended(Which::Newest, Ended::Reset { listed: false }, never), Verdict::Stands);
    }

    #[test]
    fn a_late_try_that_could_not_be_hedged_ends_as_if_it_had_not_been_late() {
        let mut tries = begun(1);
        tries.due(ms(100), || None);
        assert_eq!((tries.due(ms(500), never), tries.out()), (None, 1), "it is late once");
        assert_eq!(tries.ended(Which::Newest, Ended::Well, never), Verdict::Stands);
    }
}
