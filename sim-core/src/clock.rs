//! Two clocks a node: one that never goes back, for timeouts, and one on the wall, which may be wrong.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::amount::Shift;
use crate::fault::{ClockError, Stands};
use crate::seed::mix;
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
        self.wall_at(self.monotonic(now))
    }

    /// What the wall clock shows when the monotonic one shows this.
    #[inline]
    pub(crate) fn wall_at(self, monotonic: Instant) -> Instant {
        if self.offset_nanos == 0 { monotonic } else { monotonic.shifted(self.offset_nanos) }
    }

    /// The true length of what this clock measures as `length`; never shorter than that.
    #[inline]
    pub fn true_length(self, length: Duration) -> Duration {
        if self.drift_ppb == 0 { length } else { self.stretched(length) }
    }

    /// How far the wall clock may be from true time, at most: for ever longer when nothing sets one that drifts.
    pub(crate) fn wrong_by(self, discipline: Option<Discipline>) -> Duration {
        let gained = |length: Duration| {
            let gained = u128::from(length.nanos()) * u128::from(self.drift_ppb.unsigned_abs()) / 1_000_000_000;
            Duration::from_nanos(u64::try_from(gained).unwrap_or(u64::MAX))
        };
        match discipline {
            Some(Discipline { error, every }) => error.saturating_add(gained(every)),
            None if self.drift_ppb != 0 => Duration::FOREVER,
            None => Duration::from_nanos(self.offset_nanos.unsigned_abs()),
        }
    }

    #[cold]
    fn stretched(self, length: Duration) -> Duration {
        let speed = (1_000_000_000 + i64::from(self.drift_ppb)).max(1) as u128;
        let scaled = (u128::from(length.nanos()) * 1_000_000_000).div_ceil(speed);
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    #[cold]
    fn gained(self, nanos: u64) -> i64 {
        let gained = i128::from(nanos) * i128::from(self.drift_ppb) / 1_000_000_000;
        gained.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

/// A program that asks for true time every so often and sets the wall clock by the answer, as NTP does; without its filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Discipline {
    /// How far each answer misses true time at most, either way; uniform.
    pub error: Duration,
    /// How long it is from one poll to the next, in true time.
    pub every: Duration,
}

/// An instant at which a wall clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Poll {
    at: Instant,
    number: u64,
    error: Duration,
}

impl Discipline {
    /// The last poll up to an instant, of those that began at another.
    fn last_poll(self, since: Instant, at: Instant) -> Option<Poll> {
        let number = at.nanos().checked_sub(since.nanos())? / self.every.nanos().max(1);
        let at = since + Duration::from_nanos(number * self.every.nanos());
        Some(Poll { at, number, error: self.error })
    }
}

/// What says how far each poll misses: a key, and others for what is polled after fresh dice were cast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Luck {
    first: Option<u64>,
    recast: Arc<Vec<(Instant, Option<u64>)>>,
}

impl Luck {
    /// From this key; without one no poll misses.
    pub(crate) fn of(key: Option<u64>) -> Self {
        Luck { first: key, recast: Arc::default() }
    }

    /// How far the wall clock is ahead of true time just after a poll.
    fn error(&self, poll: Poll) -> i128 {
        let later = self.recast.iter().rev().find(|(since, _)| *since < poll.at);
        let Some(key) = later.map_or(self.first, |(_, key)| *key) else { return 0 };
        // More would be further than any clock can stand.
        let most = i128::from(poll.error.nanos().min(i64::MAX as u64));
        let width = (2 * most + 1) as u128;
        ((u128::from(mix(key, poll.number)) * width) >> 64) as i128 - most
    }
}

/// The clocks of a node in a run so far: as they were set, and what faults made of them.
///
/// The monotonic clock never goes back and never jumps: a drift changes its speed, and what it has gained stays; it stands still in a
/// pause that says so. The wall clock is the monotonic one, moved by its offset and by what steps, leaps, smears and strobes add, and
/// by what it went on while that one stood; a [`Discipline`] sets it at each poll, unless clocks stand just then, from which on it goes
/// as it would by itself; while it is frozen it shows one instant. All of that is a function of time. True time is that of [`Sim::now`](crate::Sim::now), which properties see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    set: Clock,
    /// What sets the wall clock from the start on.
    discipline: Option<Discipline>,
    luck: Luck,
    /// How they went from some instants on, ascending; shared by forks.
    turns: Arc<Vec<Turn>>,
}

/// A fault that makes the clocks of a node wrong, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) fault: u32,
    pub(crate) since: Instant,
    /// When it will be over.
    pub(crate) until: Instant,
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
    /// How far polls that are over have moved it; what disciplines that hold set is not among it.
    corrected: i128,
    disciplines: Vec<(Instant, Discipline)>,
    smears: Vec<Smear>,
    /// What the wall clock shows all the time.
    frozen: Option<Instant>,
    strobes: Vec<(Instant, Shift, Duration)>,
    stands: Stands,
    /// Since when the monotonic clock stands still, in true time, if it does.
    still_since: Option<Instant>,
    /// How far the wall clock had gone on alone, while that one stood.
    alone_nanos: i64,
}

/// A leap that is spread over some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Smear {
    since: Instant,
    until: Instant,
    /// How far the wall clock is ahead after it.
    ahead_nanos: i64,
}

impl Smear {
    fn ahead(self, at: Instant) -> i64 {
        let whole = self.until.since(self.since).nanos().max(1);
        let passed = at.since(self.since).nanos().min(whole);
        (i128::from(self.ahead_nanos) * i128::from(passed) / i128::from(whole)) as i64
    }
}

/// An instant that a clock shows, which cannot show less than nothing.
fn shown(nanos: i128) -> Instant {
    Instant::from_nanos(nanos.clamp(0, u64::MAX.into()) as u64)
}

impl Clocks {
    /// Clocks that no fault has touched yet.
    pub(crate) fn new(set: Clock, discipline: Option<Discipline>, luck: Luck) -> Self {
        Clocks { set, discipline, luck, turns: Arc::default() }
    }

    /// What is polled after this instant misses as this key says.
    pub(crate) fn recast(&mut self, now: Instant, key: Option<u64>) {
        Arc::make_mut(&mut self.luck.recast).push((now, key));
    }

    /// What the monotonic clock shows at an instant up to now.
    pub fn monotonic(&self, at: Instant) -> Instant {
        self.turn_at(at).map_or_else(|| self.set.monotonic(at), |turn| turn.monotonic(at))
    }

    /// What the wall clock shows at an instant up to now, as a distance from the start of the run.
    pub fn wall(&self, at: Instant) -> Instant {
        let frozen = self.turn_at(at).and_then(|turn| turn.frozen);
        frozen.unwrap_or_else(|| shown(self.undisciplined(at) + self.corrected(at)))
    }

    /// What the wall clock would show if nothing had ever set or frozen it.
    fn undisciplined(&self, at: Instant) -> i128 {
        let ahead = self.turn_at(at).map_or(self.set.offset_nanos, |turn| turn.ahead(at));
        i128::from(self.monotonic(at).nanos()) + i128::from(ahead)
    }

    /// How far what has set the wall clock has moved it from that.
    fn corrected(&self, at: Instant) -> i128 {
        let turn = self.turn_at(at);
        let own = self.discipline.map(|discipline| (Instant::ZERO, discipline));
        let begun = turn.map_or(&[][..], |turn| &turn.disciplines);
        let polls = own.iter().chain(begun).filter_map(|(since, discipline)| self.last_poll(*since, *discipline, at));
        match polls.max() {
            Some(poll) => i128::from(poll.at.nanos()) + self.luck.error(poll) - self.undisciplined(poll.at),
            None => turn.map_or(0, |turn| turn.corrected),
        }
    }

    /// The last poll up to an instant that found the clocks going; nobody polls while they stand.
    fn last_poll(&self, since: Instant, discipline: Discipline, at: Instant) -> Option<Poll> {
        let poll = discipline.last_poll(since, at)?;
        match self.turn_at(poll.at).and_then(|turn| turn.still_since) {
            None => Some(poll),
            Some(still) => self.last_poll(since, discipline, Instant::from_nanos(still.nanos().checked_sub(1)?)),
        }
    }

    /// Since when the monotonic clock stands still, if it does.
    pub(crate) fn still_since(&self) -> Option<Instant> {
        self.turns.last()?.still_since
    }

    /// Whether they have shown true time all along.
    pub fn is_exact(&self) -> bool {
        self.set == Clock::default() && self.discipline.is_none() && self.turns.is_empty()
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

    /// From now on the clocks go as these faults, which hold together, have them go, or stand still in a pause.
    pub(crate) fn turn(&mut self, now: Instant, wrongs: &[Wrong], stands: Stands) {
        let frozen = wrongs.iter().any(|wrong| wrong.error == ClockError::Freeze);
        let showed = self.turns.last().and_then(|turn| turn.frozen);
        let mut turn = Turn {
            since: now,
            shown: self.monotonic(now),
            drift_ppb: self.set.drift_ppb,
            ahead_nanos: self.set.offset_nanos,
            corrected: self.corrected(now),
            disciplines: Vec::new(),
            smears: Vec::new(),
            frozen: frozen.then(|| showed.unwrap_or_else(|| self.wall(now))),
            strobes: Vec::new(),
            stands,
            still_since: (stands != Stands::Nothing).then(|| self.still_since().unwrap_or(now)),
            alone_nanos: self.turn_at(now).map_or(0, |turn| turn.alone(now)),
        };
        for wrong in wrongs {
            match wrong.error {
                ClockError::Step(ahead) => turn.ahead_nanos = turn.ahead_nanos.saturating_add(ahead.nanos()),
                // What is inserted, the clock shows twice.
                ClockError::Leap(length) => turn.ahead_nanos = turn.ahead_nanos.saturating_sub(length.nanos()),
                ClockError::Smear(length) => {
                    let Wrong { since, until, .. } = *wrong;
                    turn.smears.push(Smear { since, until, ahead_nanos: -length.nanos() });
                }
                ClockError::Discipline { error, per } => {
                    turn.disciplines.push((wrong.since, Discipline { error, every: per }));
                }
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
        match self.stands {
            Stands::Nothing => self.shown + self.went(at),
            Stands::Monotonic | Stands::Both => self.shown,
        }
    }

    /// What a clock goes from the turn to an instant at its speed.
    fn went(&self, at: Instant) -> Duration {
        let passed = Instant::from_nanos(at.since(self.since).nanos());
        Clock { offset_nanos: 0, drift_ppb: self.drift_ppb }.monotonic(passed).since(Instant::ZERO)
    }

    /// How far the wall clock has gone on alone, while the monotonic one stood.
    fn alone(&self, at: Instant) -> i64 {
        match self.stands {
            Stands::Nothing | Stands::Both => self.alone_nanos,
            Stands::Monotonic => self.alone_nanos.saturating_add_unsigned(self.went(at).nanos()),
        }
    }

    /// How far the wall clock is ahead of the monotonic one by itself.
    fn ahead(&self, at: Instant) -> i64 {
        let moved = |(since, ahead, per): &(Instant, Shift, Duration)| {
            let is_wrong = (at.since(*since).nanos() / per.nanos().max(1)).is_multiple_of(2);
            if is_wrong { ahead.nanos() } else { 0 }
        };
        let strobes = self.strobes.iter().map(moved);
        let smears = self.smears.iter().map(|smear| smear.ahead(at));
        strobes.chain(smears).fold(self.ahead_nanos, i64::saturating_add).saturating_add(self.alone(at))
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
        Wrong { fault: 0, since: at(since), until: Instant::NEVER, error }
    }

    #[test]
    fn a_drift_leaves_what_it_has_gained_and_a_step_does_not() {
        let mut clocks = Clocks::default();
        clocks.turn(at("10s"), &[wrong("10s", "drift +500000ppm"), wrong("10s", "step -1s")], Stands::Nothing);
        assert_eq!((clocks.monotonic(at("9s")), clocks.monotonic(at("12s"))), (at("9s"), at("13s")));
        assert_eq!(clocks.wall(at("12s")), at("12s"));
        clocks.turn(at("20s"), &[], Stands::Nothing);
        assert_eq!((clocks.monotonic(at("21s")), clocks.wall(at("21s"))), (at("26s"), at("26s")));
        assert_eq!(clocks.wall(at("12s")), at("12s"), "the past stays as it was");
    }

    #[test]
    fn a_frozen_clock_stands_while_any_freeze_holds_and_then_shows_what_it_would_have_shown() {
        let mut clocks = Clocks::new(Clock { offset_nanos: 500_000_000, drift_ppb: 0 }, None, Luck::default());
        clocks.turn(at("1s"), &[wrong("1s", "freeze")], Stands::Nothing);
        clocks.turn(
            at("2s"),
            &[wrong("1s", "freeze"), wrong("2s", "freeze"), wrong("2s", "step +1s")],
            Stands::Nothing,
        );
        clocks.turn(at("3s"), &[wrong("2s", "freeze")], Stands::Nothing);
        assert_eq!((clocks.wall(at("3500ms")), clocks.monotonic(at("3500ms"))), (at("1500ms"), at("3500ms")));
        clocks.turn(at("4s"), &[], Stands::Nothing);
        assert_eq!(clocks.wall(at("4s")), at("4500ms"));
    }

    #[test]
    fn a_clock_that_is_set_is_wrong_by_an_error_and_what_it_drifts_between_two_polls() {
        let clock = |offset_nanos, drift_ppb| Clock { offset_nanos, drift_ppb };
        let discipline = Discipline { error: Duration::from_millis(5), every: Duration::from_secs(10) };
        assert_eq!(clock(-7, 0).wrong_by(None), Duration::from_nanos(7));
        assert_eq!(clock(-7, 1).wrong_by(None), Duration::FOREVER);
        assert_eq!(clock(-7_000_000_000, -100_000).wrong_by(Some(discipline)), Duration::from_millis(6));
    }

    #[test]
    fn nobody_polls_while_clocks_stand() {
        let discipline = Discipline { error: Duration::ZERO, every: Duration::from_secs(1) };
        let set = Clock { offset_nanos: 0, drift_ppb: 100_000_000 };
        let mut clocks = Clocks::new(set, Some(discipline), Luck::default());
        clocks.turn(at("1500ms"), &[], Stands::Both);
        clocks.turn(at("3500ms"), &[], Stands::Monotonic);
        clocks.turn(at("4500ms"), &[], Stands::Nothing);
        let shown = ["1500ms", "3s", "3500ms", "4500ms", "4900ms", "5s"].map(|instant| clocks.wall(at(instant)));
        assert_eq!(shown, ["1.55s", "1.55s", "1.55s", "2.65s", "3.09s", "5s"].map(at));
        assert_eq!((clocks.monotonic(at("4500ms")), clocks.still_since()), (at("1.65s"), None));
    }

    #[test]
    fn a_strobe_is_wrong_by_turns() {
        let mut clocks = Clocks::default();
        clocks.turn(at("1s"), &[wrong("1s", "strobe -200ms per 10ms")], Stands::Nothing);
        let shown = ["1s", "1009ms", "1010ms", "1019ms", "1020ms"].map(|instant| clocks.wall(at(instant)));
        assert_eq!(shown, [at("800ms"), at("809ms"), at("1010ms"), at("1019ms"), at("820ms")]);
        assert!(!clocks.is_exact() && Clocks::default().is_exact());
    }

    #[test]
    fn a_smear_ends_where_the_leap_would_have_led_and_stays_there() {
        let mut clocks = Clocks::default();
        clocks.turn(at("1s"), &[Wrong { until: at("9s"), ..wrong("1s", "leap +1s") }], Stands::Nothing);
        assert_eq!((clocks.wall(at("1s")), clocks.monotonic(at("1s"))), (at("0s"), at("1s")));
        let Ok(crate::fault::Fault::Timed(smear)) = "1s..9s clock a smear -1s".parse() else { panic!() };
        let crate::fault::Verb::Clock { error, .. } = smear.verb else { panic!() };
        let mut clocks = Clocks::default();
        clocks.turn(at("1s"), &[Wrong { fault: 0, since: at("1s"), until: at("9s"), error }], Stands::Nothing);
        let shown = ["1s", "3s", "9s", "20s"].map(|instant| clocks.wall(at(instant)));
        assert_eq!(shown, [at("1s"), at("3250ms"), at("10s"), at("21s")]);
    }

    #[test]
    fn a_poll_takes_away_what_a_step_had_come_to_and_fresh_dice_leave_the_past() {
        let discipline = Discipline { error: Duration::from_millis(5), every: Duration::from_secs(10) };
        let drifting = Clock { offset_nanos: -20_000_000, drift_ppb: 1_000_000 };
        let mut clocks = Clocks::new(drifting, Some(discipline), Luck::of(Some(7)));
        let miss =
            |clocks: &Clocks, instant: &str| clocks.wall(at(instant)).nanos() as i64 - at(instant).nanos() as i64;
        let polled = ["10s", "20s", "30s"].map(|instant| miss(&clocks, instant));
        assert!(polled.iter().all(|miss| miss.unsigned_abs() <= 5_000_000) && polled[0] != polled[1]);
        assert_eq!(miss(&clocks, "19s"), polled[0] + 9_000_000, "it runs at its own speed");
        clocks.turn(at("15s"), &[wrong("15s", "step +1s")], Stands::Nothing);
        assert_eq!(miss(&clocks, "16s"), polled[0] + 6_000_000 + 1_000_000_000);
        assert_eq!(miss(&clocks, "20s"), polled[1]);
        clocks.recast(at("20s"), Some(8));
        assert_eq!((miss(&clocks, "16s"), miss(&clocks, "20s")), (polled[0] + 1_006_000_000, polled[1]));
        assert_ne!(miss(&clocks, "30s"), polled[2]);
        let calm = Clocks::new(drifting, Some(discipline), Luck::default());
        assert_eq!(calm.wall(at("30s")), at("30s"));
    }

    #[test]
    fn a_clock_that_is_set_no_more_goes_on_from_what_it_shows() {
        let mut clocks = Clocks::new(Clock { offset_nanos: 1_000_000_000, drift_ppb: 0 }, None, Luck::default());
        clocks.turn(at("2s"), &[wrong("2s", "discipline ±0s per 4s")], Stands::Nothing);
        clocks.turn(at("7s"), &[], Stands::Nothing);
        let shown = ["1s", "2s", "3s", "7s", "9s"].map(|instant| clocks.wall(at(instant)));
        assert_eq!(shown, [at("2s"), at("2s"), at("3s"), at("7s"), at("9s")]);
    }

    #[test]
    fn what_is_left_of_a_timer_is_measured_anew_and_never_early() {
        let mut clocks = Clocks::default();
        let before = clocks.speed();
        clocks.turn(at("1s"), &[wrong("1s", "drift -200000ppm")], Stands::Nothing);
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
