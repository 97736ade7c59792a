//! What whoever asks why must be able to read of a run, and the ways in which runs are kept that can be read so.

use std::collections::BTreeMap;

use sim_core::timeline::Timeline;
use sim_core::{Entry, Judge, Step, Trace};

use crate::message::{Msg, Note};

/// A kept run, event by event, for whoever asks why. Events are numbered from 1.
pub trait Tape {
    /// What happened in the event of that number; `None` when there is none.
    fn step(&mut self, number: u64) -> Option<Step>;
    /// What that event did.
    fn entries(&mut self, number: u64) -> Vec<Entry>;
    /// What that event told the judge.
    fn notes(&mut self, number: u64) -> Vec<Note>;
    /// The events up to and with `up_to` whose `by` it is, in order.
    fn caused_by(&mut self, number: u64, up_to: u64) -> Vec<u64>;
}

impl Tape for Trace<Msg> {
    fn step(&mut self, number: u64) -> Option<Step> {
        Trace::step(self, number).copied()
    }

    fn entries(&mut self, number: u64) -> Vec<Entry> {
        Trace::entries(self, number).to_vec()
    }

    fn notes(&mut self, number: u64) -> Vec<Note> {
        Trace::notes(self, number).to_vec()
    }

    fn caused_by(&mut self, number: u64, up_to: u64) -> Vec<u64> {
        let mut caused = Trace::caused_by(self, number);
        caused.retain(|event| *event <= up_to);
        caused
    }
}

/// How many events of a timeline are told again at once: whoever asks about one asks about its neighbours too.
const PIECE: u64 = 256;

/// How many pieces are kept.
const PIECES: usize = 128;

/// What one event did and what it told the judge.
type Told = (Vec<Entry>, Vec<Note>);

/// A timeline as a tape. It keeps no entries and notes: those are made again, piece by piece, and kept as long as this lives.
pub struct Retelling<'a, J> {
    timeline: &'a mut Timeline<Msg, J>,
    told: BTreeMap<u64, Vec<Told>>,
}

impl<'a, J: Judge<Msg> + Clone> Retelling<'a, J> {
    /// Of what has happened in it so far. Its cursor stays.
    pub fn new(timeline: &'a mut Timeline<Msg, J>) -> Self {
        Retelling { timeline, told: BTreeMap::new() }
    }

    fn told(&mut self, number: u64) -> Option<&Told> {
        let before = number.checked_sub(1).filter(|_| number <= self.timeline.past().len())?;
        let piece = before / PIECE;
        if !self.told.contains_key(&piece) {
            if self.told.len() == PIECES {
                self.told.pop_first();
            }
            let told = self.tell(piece);
            self.told.insert(piece, told);
        }
        self.told.get(&piece)?.get((before % PIECE) as usize)
    }

    fn tell(&mut self, piece: u64) -> Vec<Told> {
        let first = piece * PIECE;
        let events = PIECE.min(self.timeline.past().len().saturating_sub(first));
        let mut sim = self.timeline.fork(first).sim;
        sim.record(true);
        let tell = |_| {
            sim.step();
            (sim.log().to_vec(), sim.notes().to_vec())
        };
        (0..events).map(tell).collect()
    }
}

impl<J: Judge<Msg> + Clone> Tape for Retelling<'_, J> {
    fn step(&mut self, number: u64) -> Option<Step> {
        self.timeline.past().step(number)
    }

    fn entries(&mut self, number: u64) -> Vec<Entry> {
        self.told(number).map(|(entries, _)| entries.clone()).unwrap_or_default()
    }

    fn notes(&mut self, number: u64) -> Vec<Note> {
        self.told(number).map(|(_, notes)| notes.clone()).unwrap_or_default()
    }

    fn caused_by(&mut self, number: u64, up_to: u64) -> Vec<u64> {
        self.timeline.past().caused_by(number, up_to)
    }
}
