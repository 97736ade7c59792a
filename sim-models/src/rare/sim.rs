//! Runs of the kernel as climbers: a simulation, and somebody who watches it and says how high it stands.

use sim_core::{Instant, Message, Seed, Sim, Step};

use super::{Climber, Gain, Going};

/// Who watches a run.
pub trait See<M: Message>: Clone {
    /// Sees an event, and says how the run goes on.
    fn see(&mut self, step: &Step, sim: &Sim<M>) -> Going;

    /// Nothing more happens, or not before the end.
    fn ends(&mut self, sim: &Sim<M>) -> Going {
        let _ = sim;
        Going::Over
    }

    /// How near it is to what is rare.
    fn height(&self) -> f64;

    /// What the last event added to a share.
    fn gain(&self) -> Gain {
        Gain::default()
    }
}

/// A run, who watches it, and the first instant that does not happen any more.
#[derive(Clone)]
pub struct Forked<M: Message, S> {
    sim: Sim<M>,
    seen: S,
    end: Instant,
}

impl<M: Message, S: See<M>> Forked<M, S> {
    /// A run that is watched from here on until an instant.
    pub fn new(sim: Sim<M>, seen: S, end: Instant) -> Self {
        Forked { sim, seen, end }
    }

    /// The run.
    pub fn sim(&self) -> &Sim<M> {
        &self.sim
    }
}

impl<M: Message, S: See<M>> Climber for Forked<M, S> {
    #[inline]
    fn step(&mut self) -> Going {
        match self.sim.step_before(self.end) {
            Some(step) => self.seen.see(&step, &self.sim),
            None => self.seen.ends(&self.sim),
        }
    }

    #[inline]
    fn height(&self) -> f64 {
        self.seen.height()
    }

    #[inline]
    fn gain(&self) -> Gain {
        self.seen.gain()
    }

    fn reseed(&mut self, seed: Seed) {
        self.sim.reseed(seed);
    }
}
