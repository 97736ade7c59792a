//! Availability as requests meet it: what is tried again fails less often than the clock says, unless all its tries
//! meet the same outage.

use super::up::Availability;

/// How long outages are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outages {
    /// All so many seconds.
    Fixed(f64),
    /// Exponential, so many seconds on average.
    Exponential(f64),
}

/// How a request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nested {
    /// Tries of each layer, the first included; at least one.
    pub tries: u32,
    /// Layers that each try the one below so often.
    pub layers: u32,
}

impl Outages {
    /// The chance that a request which comes at any moment of an outage still fails so many seconds later, when it is
    /// tried for the last time.
    ///
    /// ```
    /// use sim_models::avail::Outages;
    /// assert_eq!(Outages::Fixed(60.0).outlasts(31.0), 1.0 - 31.0 / 60.0);
    /// assert_eq!(Outages::Fixed(60.0).outlasts(61.0), 0.0);
    /// ```
    ///
    /// Lengths are often worked out, as a share of time over a number of outages. What differs from the wait by less
    /// than that rounds is as long as the wait, and nothing of it is left.
    pub fn outlasts(self, wait: f64) -> f64 {
        const SAME: f64 = 1e-12;
        match self {
            Outages::Fixed(length) | Outages::Exponential(length) if length <= 0.0 => 0.0,
            Outages::Fixed(length) if wait >= length * (1.0 - SAME) => 0.0,
            Outages::Fixed(length) => 1.0 - wait / length,
            // What is left of an exponential outage is as long as all of it.
            Outages::Exponential(mean) => libm::exp(-wait / mean),
        }
    }

    /// The share of requests that come through when the thing they need is up that share of the time, they come evenly,
    /// and each tries over so many seconds. All tries of one request meet the same outage; that another one begins
    /// meanwhile is left out.
    pub fn of_requests(self, of_time: Availability, wait: f64) -> Availability {
        let outlasts = self.outlasts(wait);
        if outlasts == 1.0 {
            return of_time;
        }
        let down = of_time.down * outlasts;
        Availability { up: 1.0 - down, down }
    }
}

impl Nested {
    /// The chance that a request fails when each call at the bottom fails with such a chance, independently of the
    /// others.
    pub fn fails(self, chance: f64) -> f64 {
        self.layers_of(chance).last().map_or(chance, |(_, fails)| fails)
    }

    /// How many calls at the bottom one request makes on average.
    ///
    /// ```
    /// use sim_models::avail::Nested;
    /// let nested = Nested { tries: 3, layers: 3 };
    /// assert!((nested.calls(0.9) - 9.4185026299696).abs() < 1e-12);
    /// assert!((nested.fails(0.9) - 0.05814973700304006).abs() < 1e-15);
    /// ```
    pub fn calls(self, chance: f64) -> f64 {
        self.layers_of(chance).map(|(calls, _)| calls).product()
    }

    /// Layer by layer from the bottom: how often it calls the one below, and how likely it fails.
    fn layers_of(self, chance: f64) -> impl Iterator<Item = (f64, f64)> {
        let tries = self.tries;
        (0..self.layers).scan(chance, move |chance, _| {
            // 1 + p + p² + …: the next try is made when all before it failed.
            let (mut calls, mut fails) = (0.0, 1.0);
            for _ in 0..tries {
                calls += fails;
                fails *= *chance;
            }
            *chance = fails;
            Some((calls, fails))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::{Assembly, Block, Names};

    #[test]
    fn an_outage_that_is_as_long_as_the_wait_is_over_however_its_length_was_worked_out() {
        for text in ["mtbf=100h/fixed=30s", "mtbf=7d/fixed=30s", "mtbf=3d/fixed=7s", "mtbf=13h/fixed=90ms"] {
            let all = Assembly::of(&Block::parse(text).unwrap(), &Names::new()).unwrap();
            let mean = all.availability().down / all.frequency().unwrap();
            let of = |wait: f64| Outages::Fixed(mean).of_requests(all.availability(), wait);
            let near = (mean * 1e9).round() / 1e9;
            assert_eq!(of(near), Availability::ALWAYS, "{text}: {mean}");
            assert_eq!(of(0.0), all.availability(), "{text}");
            assert!(of(near * (1.0 - 1e-9)).down > 0.0, "{text}");
        }
    }
}
