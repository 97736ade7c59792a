//! What happens once in a million runs, or once in a trillion: its probability, without making so many.
//!
//! *Splitting*: what is rare is climbed to. A [`Climber`] is a run that says how high it stands; whenever it has come
//! up to a new level it is forked, and each fork casts fresh dice, so that the few runs that come near are made many
//! before they go on. Levels are found by pilot runs ([`ladder`]); then come independent replications, either with so
//! many runs from every level ([`fixed_effort`]), or with so many copies of each run that passes one ([`restart`]),
//! which also measures shares of time. *Importance sampling* ([`Biased`]): systems of parts that seldom fail and are
//! soon repaired ([`Jumps`]) fail more often than they should, and every run is weighted by how much more likely it
//! was.
//!
//! All of them are unbiased: what is estimated has the true probability as its expectation, however levels and biases
//! are chosen; a bad choice makes intervals wide. Those come from independent replications ([`Answer`]). Every die is
//! keyed by replication, level and branch, so an answer is the same on any number of threads.
//!
//! A fork shares with the others what was drawn before they parted: timers and envelopes under way stay as they are.
//! That costs precision and no truth.

mod answer;
mod biased;
mod effort;
mod ladder;
mod restart;
mod scenario;
mod sim;

pub use self::answer::{Answer, Plain, Rung, share};
pub use self::biased::{Biased, Cycles, Jump, Jumps, Missions, Move};
pub use self::effort::fixed_effort;
pub use self::ladder::{Ladder, NoLadder, Pilot, ladder};
pub use self::restart::{copies, restart};
pub use self::scenario::{Climb, NoRarity, Rarity, Watcher, Way};
pub use self::sim::{Forked, See};

use sim_core::Seed;
use sim_core::seed::mix;

/// A run that can be forked, and climbs towards what is rare.
pub trait Climber: Clone {
    /// Lets the next event happen.
    fn step(&mut self) -> Going;

    /// How near it is to what is rare: the higher, the more likely that is. Any function of what has happened will do;
    /// a good one takes the way that leads there most often.
    fn height(&self) -> f64;

    /// What the last event added to a share that is asked for; nothing where a chance is asked for.
    fn gain(&self) -> Gain {
        Gain::default()
    }

    /// Casts fresh dice from here on.
    fn reseed(&mut self, seed: Seed);
}

/// How a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// It goes on.
    On,
    /// It is over, and what is rare has not happened.
    Over,
    /// What is rare has happened; the run is over.
    Happened,
}

/// What is measured of a share: so much of so much, such as seconds down of seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gain {
    /// What is rare.
    pub rare: f64,
    /// What it is a share of.
    pub of: f64,
}

/// What one replication found.
#[derive(Clone, Debug, PartialEq)]
pub struct Replication {
    /// The chance that a run gets there, by this replication alone.
    pub chance: f64,
    /// What its runs gained on average, each weighted by how likely it is.
    pub gain: Gain,
    /// From each level to the next one: how many set out, and how many got there. The last stage leads to what is rare.
    pub stages: Vec<Stage>,
    /// Events that happened.
    pub events: u64,
}

/// The way from one level to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// Runs that set out from the level.
    pub set_out: u64,
    /// Those that came to the next one.
    pub arrived: u64,
}

impl Stage {
    /// The share that got there.
    pub fn chance(self) -> f64 {
        self.arrived as f64 / self.set_out.max(1) as f64
    }
}

/// The seed of a branch: it belongs to the replication, the level and the number of the branch there.
pub(crate) fn branch(seed: Seed, replication: u64, level: u64, number: u64) -> Seed {
    Seed(mix(mix(mix(seed.0, replication), level), number))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A walk that goes up or down by one, from 1 until it comes to 0 or to the top.
    #[derive(Clone, Debug)]
    pub(crate) struct Walk {
        pub(crate) at: i64,
        pub(crate) top: i64,
        /// The chance of a step up, in 2⁻³².
        pub(crate) up: u64,
        pub(crate) seed: u64,
        pub(crate) steps: u64,
    }

    impl Walk {
        /// Up with chance 1/3: from 1, the top is reached before 0 with chance 1/(2^top − 1).
        pub(crate) fn ruin(top: i64) -> impl Fn(Seed) -> Walk {
            move |seed| Walk { at: 1, top, up: (1 << 32) / 3, seed: seed.0, steps: 0 }
        }
    }

    impl Climber for Walk {
        fn step(&mut self) -> Going {
            self.steps += 1;
            let up = mix(self.seed, self.steps) >> 32 < self.up;
            self.at += if up { 1 } else { -1 };
            match self.at {
                0 => Going::Over,
                at if at == self.top => Going::Happened,
                _ => Going::On,
            }
        }

        fn height(&self) -> f64 {
            self.at as f64
        }

        fn gain(&self) -> Gain {
            Gain { rare: f64::from(u8::from(self.at + 2 >= self.top)), of: 1.0 }
        }

        fn reseed(&mut self, seed: Seed) {
            self.seed = seed.0;
        }
    }
}
