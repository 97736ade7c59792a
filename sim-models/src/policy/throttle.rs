//! A client that refuses its own requests when its backend accepts few: the SRE book's adaptive throttling.

use std::collections::VecDeque;

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::growth::ONE;
use super::profile::{Kind, Parameter, Profile};
use super::settings::Setting;

/// Refuses with the chance max(0, (requests − K · accepts) / (requests + 1)), over a window of time.
///
/// From "Handling Overload" in Google's SRE book, where K is 2 and the window two minutes. Requests count whether or
/// not they were sent: those refused here too.
///
/// ```
/// use sim_core::{Instant, Ratio};
/// use sim_models::policy::throttle::Throttle;
/// let (mut throttle, now) = (Throttle::of_the_book(), Instant::ZERO);
/// (0..9).for_each(|_| _ = throttle.request(now));
/// (0..2).for_each(|_| throttle.accepted(now));
/// // (9 − 2 · 2) / (9 + 1)
/// assert_eq!(throttle.request(now), Ratio::HALF);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Throttle {
    /// In millionths.
    #[serde(skip)]
    k: u64,
    #[serde(skip)]
    window: Duration,
    /// By slice of time: requests and accepts, the newest last.
    slices: VecDeque<(u64, u64, u64)>,
    requests: u64,
    accepts: u64,
}

/// What a throttle goes by at the moment, for whoever looks inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Requests in the window, those refused here included.
    pub requests: u64,
    /// Those of them that the backend accepted.
    pub accepts: u64,
    /// With which the next request is refused.
    pub chance: Ratio,
}

/// Slices of the window.
const SLICES: u64 = 120;

impl Throttle {
    /// The multiplier in millionths, and the window.
    pub const fn new(k: u64, window: Duration) -> Self {
        Throttle { k, window, slices: VecDeque::new(), requests: 0, accepts: 0 }
    }

    /// The book's: K = 2 over two minutes.
    pub const fn of_the_book() -> Self {
        Throttle::new(2 * ONE, Duration::from_secs(120))
    }

    /// A request wants to be sent; the chance with which it is to be refused. Either way it counts as one.
    pub fn request(&mut self, now: Instant) -> Ratio {
        self.turn(now);
        let chance = self.chance();
        self.requests += 1;
        if let Some(newest) = self.slices.back_mut() {
            newest.1 += 1;
        }
        chance
    }

    /// The backend has accepted a request.
    pub fn accepted(&mut self, now: Instant) {
        self.turn(now);
        self.accepts += 1;
        if let Some(newest) = self.slices.back_mut() {
            newest.2 += 1;
        }
    }

    /// What it goes by.
    pub fn counted(&self, now: Instant) -> Counted {
        let mut then = self.clone();
        then.turn(now);
        Counted { requests: then.requests, accepts: then.accepts, chance: then.chance() }
    }

    fn chance(&self) -> Ratio {
        let accepted = u128::from(self.accepts) * u128::from(self.k);
        let over = (u128::from(self.requests) * u128::from(ONE)).saturating_sub(accepted);
        let of = (u128::from(self.requests) + 1) * u128::from(ONE);
        // As many requests as would not fit are never made.
        let small = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        Ratio::new(small(over), small(of)).unwrap_or(Ratio::ONE)
    }

    fn turn(&mut self, now: Instant) {
        let slice = now.nanos() / (self.window.nanos() / SLICES).max(1);
        while let Some((oldest, requests, accepts)) = self.slices.front().copied()
            && oldest + SLICES <= slice
        {
            self.requests -= requests;
            self.accepts -= accepts;
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|(newest, ..)| *newest < slice) {
            self.slices.push_back((slice, 0, 0));
        }
    }

    /// Whether its sums are those of its window.
    ///
    /// # Errors
    /// Which is not, in words.
    pub(super) fn audit(&self) -> Result<(), String> {
        let sums =
            self.slices.iter().fold((0, 0), |sums, (_, requests, accepts)| (sums.0 + requests, sums.1 + accepts));
        if sums == (self.requests, self.accepts) {
            return Ok(());
        }
        Err(format!(
            "a throttle counts {} requests and {} accepts, and its window holds {sums:?}",
            self.requests, self.accepts
        ))
    }
}

/// The book's.
pub static ADAPTIVE_THROTTLING: Profile = Profile {
    name: "adaptive-throttling",
    kind: Kind::Limiter,
    source: "Site Reliability Engineering (Beyer, Jones, Petoff, Murphy; O'Reilly 2016), chapter 21, \"Handling Overload\": client-side \
        throttling",
    about: "A client refuses its own requests with the chance max(0, (requests - K * accepts) / (requests + 1)).",
    parameters: &[
        Parameter::new("K", Setting::Factor(2 * ONE), "How many requests are let go for each that is accepted.")
            .from(Setting::Factor(ONE)),
        Parameter::new("window", Setting::secs(120), "Over which requests and accepts are counted, in 120 slices.")
            .from(Setting::millis(1)),
    ],
    surprises: &[
        "Requests that were refused here count as requests: when nothing is accepted, the n-th request is sent with the chance 1/n.",
        "Accepted is what comes back ok or with an error of the callee's own; refused, overloaded, unavailable, limited and any unknown are not.",
        "With K = 2 the callee still gets twice as many requests as it accepts, and turns half of them away: that is how a client \
        learns that it has recovered.",
        "What is slow counts as a request when it is sent and as accepted when it is answered: a callee that answers later than the \
        timeout accepts nothing.",
        "When the callee is back, what is sent grows about fivefold in each window (K = 2): from one in ten thousand that is six windows, \
        twelve minutes as it comes.",
        "It has each try for a request: a retry of what was refused here is one more, and is refused the more likely.",
    ],
    sound: |_| Ok(()),
};

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_nanos(secs * 1_000_000_000)
    }

    /// Of `requests` as many as were `accepted` before the next one comes.
    fn chance(k: u64, requests: u64, accepted: u64) -> Ratio {
        let mut throttle = Throttle::new(k, Duration::from_secs(120));
        (0..requests).for_each(|_| _ = throttle.request(at(0)));
        (0..accepted).for_each(|_| throttle.accepted(at(0)));
        throttle.audit().unwrap();
        assert_eq!(throttle.counted(at(0)).chance, throttle.clone().request(at(0)));
        throttle.request(at(0))
    }

    #[test]
    fn the_chance_is_that_of_the_book() {
        let ratio = |part, whole| Ratio::new(part, whole).unwrap();
        assert_eq!(chance(2 * ONE, 100, 20), ratio(60, 101));
        assert_eq!(chance(ONE + ONE / 10, 100, 20), ratio(78, 101), "less patient");
        assert_eq!(chance(2 * ONE, 100, 50), Ratio::ZERO, "just half is enough");
        assert_eq!(chance(2 * ONE, 100, 49), ratio(2, 101));
        assert_eq!(chance(ONE, 100, 100), Ratio::ZERO);
        assert_eq!(chance(2 * ONE, 0, 0), Ratio::ZERO, "the first");
        assert_eq!(chance(2 * ONE, 1, 0), Ratio::HALF);
        assert_eq!(chance(u64::MAX, 3, 1), Ratio::ZERO, "no overflow");
    }

    #[test]
    fn while_more_than_half_is_accepted_nothing_is_refused() {
        let mut throttle = Throttle::of_the_book();
        for second in 0..1000 {
            assert!(throttle.request(at(second)).is_zero(), "even the worst luck");
            if second % 3 != 2 {
                throttle.accepted(at(second));
            }
        }
    }

    #[test]
    fn when_nothing_is_accepted_nearly_all_is_refused_and_what_is_refused_counts() {
        let mut throttle = Throttle::of_the_book();
        for sent in 0..1000 {
            assert_eq!(throttle.request(at(0)), Ratio::new(sent, sent + 1).unwrap());
        }
    }

    #[test]
    fn what_was_refused_is_forgotten_after_the_window() {
        let mut throttle = Throttle::of_the_book();
        (0..1000).for_each(|_| _ = throttle.request(at(0)));
        assert!(throttle.request(at(119)).as_f64() > 0.999);
        assert_eq!(throttle.counted(at(120)).requests, 1, "the one of the last slice");
        assert!(throttle.request(at(240)).is_zero());
        throttle.audit().unwrap();
    }

    #[test]
    fn a_throttle_that_has_lost_count_is_found_out() {
        let lost = Throttle { requests: 1, ..Throttle::of_the_book() };
        assert!(lost.audit().unwrap_err().contains("1 requests"));
    }
}
