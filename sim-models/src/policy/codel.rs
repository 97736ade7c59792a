//! Controlled delay: drops whoever has waited too long, once everybody has for a while.

use serde::Serialize;
use sim_core::{Duration, Instant};

/// CoDel, as the pseudocode of RFC 8289, section 5, has it, asked for each that leaves the line.
///
/// A line is congested when nobody has waited less than `target` for a whole `interval`. From then on one is dropped, the next
/// after `interval`, and each further one sooner, by the square root of how many there were, until somebody has waited less.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Codel {
    #[serde(skip)]
    target: Duration,
    #[serde(skip)]
    interval: Duration,
    /// When waiting will have been too long for an interval, if it goes on.
    first_above: Option<Instant>,
    dropping: bool,
    /// Whether the time of the next drop waits for the next one to leave, as the pseudocode has it.
    owes: bool,
    drop_next: Instant,
    count: u64,
    last_count: u64,
}

impl Codel {
    /// How long waiting is no congestion, 5 ms in the RFC.
    pub const TARGET: Duration = Duration::from_millis(5);
    /// How long it must last, 100 ms in the RFC.
    pub const INTERVAL: Duration = Duration::from_millis(100);

    /// A line where nobody has waited yet.
    pub const fn new(target: Duration, interval: Duration) -> Self {
        Codel {
            target,
            interval,
            first_above: None,
            dropping: false,
            owes: false,
            drop_next: Instant::ZERO,
            count: 0,
            last_count: 0,
        }
    }

    /// Whether to drop the one that leaves the line now after having waited so long; `was_last` when nobody is left behind.
    pub fn drops(&mut self, now: Instant, waited: Duration, was_last: bool) -> bool {
        let may = self.may_drop(now, waited, was_last);
        if self.dropping {
            if !may {
                self.dropping = false;
                return false;
            }
            if std::mem::take(&mut self.owes) {
                self.drop_next = self.after(self.drop_next);
            }
            if now < self.drop_next {
                return false;
            }
            self.count += 1;
            self.owes = true;
            return true;
        }
        if may {
            self.begin(now);
        }
        may
    }

    fn may_drop(&mut self, now: Instant, waited: Duration, was_last: bool) -> bool {
        if waited < self.target || was_last {
            self.first_above = None;
            return false;
        }
        match self.first_above {
            None => {
                self.first_above = Some(now + self.interval);
                false
            }
            Some(first_above) => now >= first_above,
        }
    }

    /// Begins to drop: where it left off, if it has dropped a short while ago.
    fn begin(&mut self, now: Instant) {
        self.dropping = true;
        self.owes = false;
        let more = self.count.saturating_sub(self.last_count);
        let is_recent = now.since(self.drop_next) < self.interval.saturating_mul(16);
        self.count = if more > 1 && is_recent { more } else { 1 };
        self.drop_next = self.after(now);
        self.last_count = self.count;
    }

    /// The control law: an interval later, divided by the square root of the count.
    fn after(&self, at: Instant) -> Instant {
        at + Duration::from_nanos_f64(self.interval.nanos() as f64 / libm::sqrt(self.count as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + ms(millis)
    }

    /// When it drops of those that leave each millisecond, all having waited 10 ms.
    fn drops(codel: &mut Codel, millis: std::ops::Range<u64>) -> Vec<u64> {
        millis.filter(|it| codel.drops(at(*it), ms(10), false)).collect()
    }

    #[test]
    fn it_drops_after_an_interval_above_the_target_and_then_by_the_square_root() {
        let mut codel = Codel::new(ms(5), ms(100));
        // 100, then 100/√1, 100/√2, 100/√3, … later, as soon as somebody leaves.
        assert_eq!(drops(&mut codel, 0..420), [100, 200, 271, 329, 379]);
    }

    #[test]
    fn waiting_the_target_is_above_it_and_less_is_not() {
        let mut codel = Codel::new(ms(5), ms(100));
        assert!(!codel.drops(at(0), ms(5), false));
        assert!(codel.drops(at(100), ms(5), false));
        let mut codel = Codel::new(ms(5), ms(100));
        let just_below = Duration::from_nanos(ms(5).nanos() - 1);
        assert!((0..1000).all(|millis| !codel.drops(at(millis), just_below, false)));
    }

    #[test]
    fn one_who_has_waited_less_ends_it_and_so_does_the_last_in_line() {
        for (waited, was_last) in [(ms(4), false), (ms(10), true)] {
            let mut codel = Codel::new(ms(5), ms(100));
            assert_eq!(drops(&mut codel, 0..150), [100]);
            assert!(!codel.drops(at(150), waited, was_last));
            // A whole interval above the target again.
            assert_eq!(drops(&mut codel, 151..260), [251]);
        }
    }

    #[test]
    fn a_relapse_within_sixteen_intervals_goes_on_where_it_left_off() {
        let mut codel = Codel::new(ms(5), ms(100));
        let first = drops(&mut codel, 0..1000);
        // 100 + 100/√1 + … + 100/√26 is below 1,000, and one more is not.
        assert_eq!(first.len(), 27);
        codel.drops(at(1000), ms(1), false);
        let again = drops(&mut codel, 1001..1300);
        assert!(again.len() > 5, "{again:?}: it drops as often as before, not each 100 ms");
        codel.drops(at(1300), ms(1), false);
        let much_later = drops(&mut codel, 4000..4300);
        assert_eq!(much_later, [4100, 4200, 4271]);
    }
}
