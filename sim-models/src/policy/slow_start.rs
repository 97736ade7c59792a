//! Slow start: whoever has just come gets a small share at first, and its full one when a window is over.
//!
//! As Envoy has it (1.38, `load_balancer_impl.cc`, `EdfLoadBalancerBase::applySlowStartFactor`, and `edf_scheduler.h`): as long as somebody
//! was new when the hosts last changed, turns go by the earliest deadline, one share of time after the last turn. A share is only
//! looked at when a turn is taken: that of a new one is the first time as late as when it came.

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::growth::ONE;

/// How somebody new comes to its full share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How long that takes, in whole milliseconds.
    pub window: Duration,
    /// In millionths: 1 grows evenly, more is quicker at first.
    pub aggression: u64,
    /// The least share.
    pub least: Ratio,
}

impl Rule {
    /// Envoy's `aggression`, 1.0, and `min_weight_percent`, 10 %.
    pub const fn over(window: Duration) -> Rule {
        let least = match Ratio::new(1, 10) {
            Some(tenth) => tenth,
            None => Ratio::ONE,
        };
        Rule { window, aggression: ONE, least }
    }

    fn is_new(&self, age: Duration) -> bool {
        millis(age) < millis(self.window)
    }

    /// The share of its weight that somebody has who came so long ago.
    pub fn share(&self, age: Duration) -> f64 {
        if !self.is_new(age) {
            return 1.0;
        }
        let part = millis(age).max(1) as f64 / millis(self.window) as f64;
        let grown = if self.aggression == ONE { part } else { libm::pow(part, ONE as f64 / self.aggression as f64) };
        grown.max(self.least.parts() as f64 / Ratio::ONE.parts() as f64)
    }
}

fn millis(length: Duration) -> u64 {
    length.nanos() / 1_000_000
}

/// Whose turn it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Turns {
    /// By place: when it came, of those that are there.
    since: Vec<Option<Instant>>,
    /// Of whom somebody was new when they last changed: when each has its next turn, which of equal ones goes first, and its place.
    due: Vec<(f64, u64, usize)>,
    /// The deadline of the last turn.
    now: f64,
    /// How many turns were given out.
    given: u64,
}

impl Turns {
    /// The place of the one whose turn it is of those that are there, with these weights; `None` when nobody was new as they last
    /// changed, and turns are as ever.
    pub fn turn(&mut self, rule: Rule, now: Instant, there: &[usize], weight: impl Fn(usize) -> f64) -> Option<usize> {
        let share = |since: &[Option<Instant>], place: usize| {
            let age = since.get(place).copied().flatten().map_or(Duration::FOREVER, |since| now.since(since));
            // A weight of nothing has no deadline.
            (weight(place) * rule.share(age)).max(f64::MIN_POSITIVE)
        };
        if self.changed(there, now) {
            (self.due, self.now) = (Vec::new(), 0.0);
            let age = |place: usize| self.since[place].map_or(Duration::FOREVER, |since| now.since(since));
            if there.iter().any(|place| rule.is_new(age(*place))) {
                for place in there {
                    self.due.push((1.0 / share(&self.since, *place), self.given, *place));
                    self.given += 1;
                }
            }
        }
        let earlier = |one: &&mut (f64, u64, usize), other: &&mut (f64, u64, usize)| {
            one.0.total_cmp(&other.0).then(one.1.cmp(&other.1))
        };
        let next = self.due.iter_mut().min_by(|one, other| earlier(one, other))?;
        self.now = next.0;
        (next.0, next.1) = (self.now + 1.0 / share(&self.since, next.2), self.given);
        self.given += 1;
        Some(next.2)
    }

    /// Notes who is there; whether those were others before.
    fn changed(&mut self, there: &[usize], now: Instant) -> bool {
        let most = there.iter().max().map_or(0, |place| place + 1);
        self.since.resize(self.since.len().max(most), None);
        let mut changed = false;
        for (place, since) in self.since.iter_mut().enumerate() {
            match (there.contains(&place), *since) {
                (true, None) => (*since, changed) = (Some(now), true),
                (false, Some(_)) => (*since, changed) = (None, true),
                _ => {}
            }
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule::over(Duration::from_secs(10));

    fn at(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_share_grows_from_a_tenth_to_all_of_it() {
        let share = |millis: u64| RULE.share(Duration::from_millis(millis));
        assert_eq!([0, 500, 1_000, 2_500, 5_000, 9_999, 10_000].map(share), [0.1, 0.1, 0.1, 0.25, 0.5, 0.9999, 1.0]);
        let quick = Rule { aggression: 2 * ONE, ..RULE };
        assert_eq!(quick.share(Duration::from_millis(2_500)), 0.5);
        let slow = Rule { aggression: ONE / 2, least: Ratio::ZERO, ..RULE };
        assert_eq!(slow.share(Duration::from_secs(5)), 0.25);
    }

    /// All are new at the start, and as new as each other.
    #[test]
    fn who_came_together_has_equal_turns() {
        let mut turns = Turns::default();
        let order: Vec<_> = (0..6).map(|turn| turns.turn(RULE, at(turn * 100), &[0, 1, 2], |_| 1.0)).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2].map(Some));
    }

    /// At a share of a half the new one has every third turn of two; its first share holds until its first turn.
    #[test]
    fn who_is_new_has_turns_by_its_share() {
        let mut turns = Turns::default();
        turns.turn(RULE, at(0), &[0], |_| 1.0);
        assert_eq!(turns.turn(RULE, at(10_000), &[0], |_| 1.0), Some(0));
        let mut order = String::new();
        for turn in 0..26 {
            // It comes at 10 s; from its first turn on, its share is a half.
            let now = if turn < 9 { at(10_000) } else { at(15_000) };
            let place = turns.turn(RULE, now, &[0, 1], |_| 1.0).unwrap();
            order.push(if place == 0 { 'a' } else { 'b' });
        }
        assert_eq!(order, "aaaaaaaaabaabaabaabaabaaba");
        // Once nobody was new as they last changed, turns are as ever.
        assert_eq!(turns.turn(RULE, at(60_000), &[0], |_| 1.0), None);
    }

    #[test]
    fn who_goes_and_comes_back_is_new_again() {
        let mut turns = Turns::default();
        turns.turn(RULE, at(0), &[0, 1], |_| 1.0);
        turns.turn(RULE, at(20_000), &[0], |_| 1.0);
        let back: Vec<_> = (0..9).map(|_| turns.turn(RULE, at(30_000), &[0, 1], |_| 1.0)).collect();
        assert_eq!(back, [Some(0); 9]);
    }
}
