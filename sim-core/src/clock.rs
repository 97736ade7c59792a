//! Two clocks a node: one that never goes back, for timeouts, and one on the wall, which may be wrong.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::amount::Shift;
use crate::fault::ClockError;
use crate::time::{Duration, Instant};

/// How a node's clocks stand to true time: both exact by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// How far the wall clock is ahead of true time at the start, in nanoseconds.
    pub offset_nanos: i64,
    /// How much faster than true time both clocks run, in parts per 10⁹.
    pub drift_ppb: i32,
}

impl Clock {
    /// What the monotonic clock shows: zero at the start, at this clock's speed.
    #[inline]
    pub fn monotonic(self, now: Instant) -> Instant {
        if self.drift_ppb == 0 { now } else { now.shifted(self.gained(now.nanos())) }
    }

    /// What the wall clock shows, as a distance from the start of the run.
    #[inline]
    pub fn wall(self, now: Instant) -> Instant {
        self.monotonic(now).shifted(self.offset_nanos)
    }

    /// The true length of what this clock measures as `length`; never shorter than that.
    #[inline]
    pub fn true_length(self, length: Duration) -> Duration {
        if self.drift_ppb == 0 {
            return length;
        }
        let speed = (1_000_000_000 + i64::from(self.drift_ppb)).max(1) as u128;
        let scaled = (u128::from(length.nanos()) * 1_000_000_000).div_ceil(speed);
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    fn gained(self, nanos: u64) -> i64 {
        let gained = i128::from(nanos) * i128::from(self.drift_ppb) / 1_000_000_000;
        gained.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

/// The clocks of a node in a run so far: as they were set, and what faults made of them.
///
/// The monotonic clock never goes back and never jumps: a drift changes its speed, and what it has gained stays. The wall clock
/// is the monotonic one, moved by its offset and by what steps and strobes add; while it is frozen it shows one instant. True
/// time is that of [`Sim::now`](crate::Sim::now), which properties see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    set: Clock,
    /// How they went from some instants on, ascending; shared by forks.
    turns: Arc<Vec<Turn>>,
}

/// A fault that makes the clocks of a node wrong, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) fault: u32,
    pub(crate) since: Instant,
    pub(crate) error: ClockError,
}

/// How clocks went from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Turn {
    since: Instant,
    /// What the monotonic clock showed then.
    shown: Instant,
    drift_ppb: i32,
    /// How far the wall clock is ahead of the monotonic one, strobes apart.
    ahead_nanos: i64,
    /// What the wall clock shows all the time.
    frozen: Option<Instant>,
    strobes: Vec<(Instant, Shift, Duration)>,
}

impl Clocks {
    /// Clocks that no fault has touched yet.
    pub(crate) fn new(set: Clock) -> Self {
        Clocks { set, turns: Arc::default() }
    }

    /// What the monotonic clock shows at an instant up to now.
    pub fn monotonic(&self, at: Instant) -> Instant {
        self.turn_at(at).map_or_else(|| self.set.monotonic(at), |turn| turn.monotonic(at))
    }

    /// What the wall clock shows at an instant up to now, as a distance from the start of the run.
    pub fn wall(&self, at: Instant) -> Instant {
        self.turn_at(at).map_or_else(|| self.set.wall(at), |turn| turn.wall(at))
    }

    /// Whether they have shown true time all along.
    pub fn is_exact(&self) -> bool {
        self.set == Clock::default() && self.turns.is_empty()
    }

    fn turn_at(&self, at: Instant) -> Option<&Turn> {
        let turn = self.turns.partition_point(|turn| turn.since <= at).checked_sub(1)?;
        self.turns.get(turn)
    }

    /// The true length of what the monotonic clock measures as `length` from now on; never shorter than that.
    pub(crate) fn true_length(&self, length: Duration) -> Duration {
        self.speed().true_length(length)
    }

    /// The true length of what would have taken `left` at the speed before `now`; never early by that clock.
    pub(crate) fn retimed(&self, left: Duration, before: Clock) -> Duration {
        let speed = (1_000_000_000 + i64::from(before.drift_ppb)).max(1) as u128;
        let shown = (u128::from(left.nanos()) * speed).div_ceil(1_000_000_000);
        self.true_length(Duration::from_nanos(u64::try_from(shown).unwrap_or(u64::MAX)))
    }

    /// How fast they run now, as clocks that are right but for that.
    pub(crate) fn speed(&self) -> Clock {
        let drift_ppb = self.turns.last().map_or(self.set.drift_ppb, |turn| turn.drift_ppb);
        Clock { offset_nanos: 0, drift_ppb }
    }

    /// From now on the clocks go as these faults, which hold together, have them go.
    pub(crate) fn turn(&mut self, now: Instant, wrongs: &[Wrong]) {
        let frozen = wrongs.iter().any(|wrong| wrong.error == ClockError::Freeze);
        let stands = self.turns.last().and_then(|turn| turn.frozen);
        let mut turn = Turn {
            since: now,
            shown: self.monotonic(now),
            drift_ppb: self.set.drift_ppb,
            ahead_nanos: self.set.offset_nanos,
            frozen: frozen.then(|| stands.unwrap_or_else(|| self.wall(now))),
            strobes: Vec::new(),
        };
        for wrong in wrongs {
            match wrong.error {
                ClockError::Step(ahead) => turn.ahead_nanos = turn.ahead_nanos.saturating_add(ahead.nanos()),
                // Faster than it stands still: time goes on for every node.
                ClockError::Drift(rate) => {
                    turn.drift_ppb = turn.drift_ppb.saturating_add(rate.ppb()).max(-999_999_999);
                }
                ClockError::Freeze => {}
                ClockError::Strobe { ahead, per } => turn.strobes.push((wrong.since, ahead, per)),
            }
        }
        let turns = Arc::make_mut(&mut self.turns);
        turns.retain(|earlier| earlier.since < now);
        turns.push(turn);
    }
}

impl Turn {
    fn monotonic(&self, at: Instant) -> Instant {
        let passed = Instant::from_nanos(at.since(self.since).nanos());
        let shown = Clock { offset_nanos: 0, drift_ppb: self.drift_ppb }.monotonic(passed);
        self.shown + shown.since(Instant::ZERO)
    }

    fn wall(&self, at: Instant) -> Instant {
        let moved = |(since, ahead, per): &(Instant, Shift, Duration)| {
            let is_wrong = (at.since(*since).nanos() / per.nanos().max(1)).is_multiple_of(2);
            if is_wrong { ahead.nanos() } else { 0 }
        };
        let strobes = self.strobes.iter().map(moved).fold(0i64, i64::saturating_add);
        let shown = || self.monotonic(at).shifted(self.ahead_nanos.saturating_add(strobes));
        self.frozen.unwrap_or_else(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn wrong(since: &str, error: &str) -> Wrong {
        let verb = format!("clock a {error}").parse().unwrap();
        let crate::fault::Verb::Clock { error, .. } = verb else { panic!("{error}") };
        Wrong { fault: 0, since: at(since), error }
    }

    #[test]
    fn a_drift_leaves_what_it_has_gained_and_a_step_does_not() {
        let mut clocks = Clocks::new(Clock::default());
        clocks.turn(at("10s"), &[wrong("10s", "drift +500000ppm"), wrong("10s", "step -1s")]);
        assert_eq!((clocks.monotonic(at("9s")), clocks.monotonic(at("12s"))), (at("9s"), at("13s")));
        assert_eq!(clocks.wall(at("12s")), at("12s"));
        clocks.turn(at("20s"), &[]);
        assert_eq!((clocks.monotonic(at("21s")), clocks.wall(at("21s"))), (at("26s"), at("26s")));
        assert_eq!(clocks.wall(at("12s")), at("12s"), "the past stays as it was");
    }

    #[test]
    fn a_frozen_clock_stands_while_any_freeze_holds_and_then_shows_what_it_would_have_shown() {
        let mut clocks = Clocks::new(Clock { offset_nanos: 500_000_000, drift_ppb: 0 });
        clocks.turn(at("1s"), &[wrong("1s", "freeze")]);
        clocks.turn(at("2s"), &[wrong("1s", "freeze"), wrong("2s", "freeze"), wrong("2s", "step +1s")]);
        clocks.turn(at("3s"), &[wrong("2s", "freeze")]);
        assert_eq!((clocks.wall(at("3500ms")), clocks.monotonic(at("3500ms"))), (at("1500ms"), at("3500ms")));
        clocks.turn(at("4s"), &[]);
        assert_eq!(clocks.wall(at("4s")), at("4500ms"));
    }

    #[test]
    fn a_strobe_is_wrong_by_turns() {
        let mut clocks = Clocks::new(Clock::default());
        clocks.turn(at("1s"), &[wrong("1s", "strobe -200ms per 10ms")]);
        let shown = ["1s", "1009ms", "1010ms", "1019ms", "1020ms"].map(|instant| clocks.wall(at(instant)));
        assert_eq!(shown, [at("800ms"), at("809ms"), at("1010ms"), at("1019ms"), at("820ms")]);
        assert!(!clocks.is_exact() && Clocks::new(Clock::default()).is_exact());
    }

    #[test]
    fn what_is_left_of_a_timer_is_measured_anew_and_never_early() {
        let mut clocks = Clocks::new(Clock::default());
        let before = clocks.speed();
        clocks.turn(at("1s"), &[wrong("1s", "drift -200000ppm")]);
        let left = Duration::from_nanos(1_000_000_007);
        let due = at("1s") + clocks.retimed(left, before);
        assert!(clocks.monotonic(due) >= at("1s") + left);
        assert!(due.since(at("1s")).nanos() <= 1_250_000_010);
    }

    #[test]
    fn a_fast_clock_is_ahead_and_its_timers_are_early() {
        let clock = Clock { offset_nanos: -5, drift_ppb: 1_000_000 };
        let second = Instant::ZERO + Duration::from_secs(1);
        assert_eq!(clock.monotonic(second).nanos(), 1_001_000_000);
        assert_eq!(clock.wall(second).nanos(), 1_000_999_995);
        let true_length = clock.true_length(Duration::from_secs(1));
        assert_eq!(true_length.nanos(), 999_000_999_u64 + 1);
        assert!(clock.monotonic(Instant::ZERO + true_length) >= second);
    }

    #[test]
    fn an_exact_clock_shows_true_time() {
        let now = Instant::from_nanos(u64::MAX);
        assert_eq!((Clock::default().monotonic(now), Clock::default().wall(now)), (now, now));
        assert_eq!(Clock::default().true_length(Duration::FOREVER), Duration::FOREVER);
    }
}
