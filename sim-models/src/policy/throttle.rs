//! A client that refuses its own requests when its backend accepts few: the SRE book's adaptive throttling.

use std::collections::VecDeque;

use serde::Serialize;
use sim_core::{Duration, Instant};

/// Rejects with the chance max(0, (requests − K · accepts) / (requests + 1)), over a window of time.
///
/// From "Handling Overload" in Google's SRE book, where K is 2 and the window two minutes. Requests count whether or
/// not they were sent: those refused here too.
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

/// Slices of the window.
const SLICES: u64 = 120;
const ONE: u64 = 1_000_000;

impl Throttle {
    /// The multiplier in millionths, and the window.
    pub const fn new(k: u64, window: Duration) -> Self {
        Throttle { k, window, slices: VecDeque::new(), requests: 0, accepts: 0 }
    }

    /// The book's: K = 2 over two minutes.
    pub const fn of_the_book() -> Self {
        Throttle::new(2 * ONE, Duration::from_secs(120))
    }

    /// Whether a request may be sent; `bits` are 64 random ones. Either way it counts as one.
    pub fn admits(&mut self, now: Instant, bits: u64) -> bool {
        self.turn(now);
        let accepted = u128::from(self.accepts) * u128::from(self.k);
        let over = (u128::from(self.requests) * u128::from(ONE)).saturating_sub(accepted);
        let of = (u128::from(self.requests) + 1) * u128::from(ONE);
        // A number below `of`, evenly: rejected when below `over`.
        let drawn = (u128::from(bits) * of) >> 64;
        self.requests += 1;
        if let Some(newest) = self.slices.back_mut() {
            newest.1 += 1;
        }
        drawn >= over
    }

    /// The backend has accepted a request.
    pub fn accepted(&mut self, now: Instant) {
        self.turn(now);
        self.accepts += 1;
        if let Some(newest) = self.slices.back_mut() {
            newest.2 += 1;
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_nanos(secs * 1_000_000_000)
    }

    #[test]
    fn while_more_than_half_is_accepted_nothing_is_refused() {
        let mut throttle = Throttle::of_the_book();
        for second in 0..1000 {
            assert!(throttle.admits(at(second), 0), "even the worst luck");
            if second % 3 != 2 {
                throttle.accepted(at(second));
            }
        }
    }

    #[test]
    fn when_nothing_is_accepted_nearly_all_is_refused_and_what_is_refused_counts() {
        let mut throttle = Throttle::of_the_book();
        let sent = (0..1000u64).filter(|n| throttle.admits(at(0), n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).count();
        // The n-th is sent with the chance 1/n: about ln 1000 = 7 of them.
        assert!((2..20).contains(&sent), "{sent}");
    }

    #[test]
    fn what_was_refused_is_forgotten_after_the_window() {
        let mut throttle = Throttle::of_the_book();
        (0..1000).for_each(|_| _ = throttle.admits(at(0), 0));
        assert!(!throttle.admits(at(119), 0));
        assert!(throttle.admits(at(240), 0));
    }
}
