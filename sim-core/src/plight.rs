//! The plight of a node that is up: frozen, slow, or with clocks that are wrong.
//!
//! It has never heard of actors and messages; what waits while the node is frozen is whatever its owner gives it to keep.

use crate::amount::Factor;
use crate::clock::{Clocks, Wrong};
use crate::fault::{ClockError, DiskIll, Stands};
use crate::odds::End;
use crate::ratio::Ratio;
use crate::time::Instant;

/// What a fault does to a node that stays up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ailment {
    Pause(Stands),
    Slow(Factor),
    /// It asks that many times as often.
    Rush(Factor),
    Skew(End, Ratio),
    /// It does not serve what is asked of it.
    Denial,
    Clock(ClockError),
    Disk(DiskIll),
}

/// What dice and the schedule say of one blow to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Harm {
    pub(crate) bits: u64,
    /// When it is over.
    pub(crate) until: Instant,
}

/// All that ails one node, by the places of the faults in the schedule; overlapping faults combine without order.
#[derive(Clone, Debug)]
pub(crate) struct Plight<T> {
    pauses: Vec<(u32, Stands)>,
    /// What came while it was frozen, in its order.
    pub(crate) waiting: Vec<T>,
    slow: Vec<(u32, Factor)>,
    rush: Vec<(u32, Factor)>,
    pub(crate) skews: Vec<(u32, End, Ratio)>,
    pub(crate) denials: Vec<u32>,
    wrongs: Vec<Wrong>,
    ills: Vec<(u32, DiskIll)>,
    /// Faults that will misdirect one record each, with what says whither.
    armed: Vec<(u32, u64)>,
    /// Syncs that a disk that stalls owes.
    pub(crate) stalled: Vec<T>,
    pub(crate) clocks: Clocks,
}

impl<T> Plight<T> {
    /// Nothing ails it.
    pub(crate) fn new(clocks: Clocks) -> Self {
        Plight {
            pauses: Vec::new(),
            waiting: Vec::new(),
            slow: Vec::new(),
            rush: Vec::new(),
            skews: Vec::new(),
            denials: Vec::new(),
            wrongs: Vec::new(),
            ills: Vec::new(),
            armed: Vec::new(),
            stalled: Vec::new(),
            clocks,
        }
    }

    pub(crate) fn begin(&mut self, fault: u32, ailment: Ailment, now: Instant, harm: Harm) {
        match ailment {
            Ailment::Pause(stands) => {
                insert(&mut self.pauses, (fault, stands), |(fault, _)| *fault);
                self.turn_clocks(now, stands);
            }
            Ailment::Denial => insert(&mut self.denials, fault, |fault| *fault),
            Ailment::Disk(DiskIll::Misdirected) => insert(&mut self.armed, (fault, harm.bits), |(fault, _)| *fault),
            Ailment::Disk(ill) => insert(&mut self.ills, (fault, ill), |(fault, _)| *fault),
            Ailment::Slow(factor) => insert(&mut self.slow, (fault, factor), |(fault, _)| *fault),
            Ailment::Rush(factor) => insert(&mut self.rush, (fault, factor), |(fault, _)| *fault),
            Ailment::Skew(end, ratio) => insert(&mut self.skews, (fault, end, ratio), |(fault, _, _)| *fault),
            Ailment::Clock(error) => {
                insert(&mut self.wrongs, Wrong { fault, since: now, until: harm.until, error }, |wrong| wrong.fault);
                self.clocks.turn(now, &self.wrongs, self.stands());
            }
        }
    }

    pub(crate) fn end(&mut self, fault: u32, ailment: Ailment, now: Instant) {
        match ailment {
            Ailment::Pause(stands) => {
                remove(&mut self.pauses, |(it, _)| *it == fault);
                self.turn_clocks(now, stands);
            }
            Ailment::Denial => remove(&mut self.denials, |it| *it == fault),
            Ailment::Disk(DiskIll::Misdirected) => self.disarm(fault),
            Ailment::Disk(_) => remove(&mut self.ills, |(it, _)| *it == fault),
            Ailment::Slow(_) => remove(&mut self.slow, |(it, _)| *it == fault),
            Ailment::Rush(_) => remove(&mut self.rush, |(it, _)| *it == fault),
            Ailment::Skew(..) => remove(&mut self.skews, |(it, _, _)| *it == fault),
            // What it has come to stays.
            Ailment::Clock(ClockError::Smear(_)) => {}
            Ailment::Clock(_) => {
                remove(&mut self.wrongs, |wrong| wrong.fault == fault);
                self.clocks.turn(now, &self.wrongs, self.stands());
            }
        }
    }

    /// Which clocks stand still.
    fn stands(&self) -> Stands {
        self.pauses.iter().map(|(_, stands)| *stands).max().unwrap_or_default()
    }

    /// A pause that is about these clocks begins or ends.
    fn turn_clocks(&mut self, now: Instant, about: Stands) {
        if about != Stands::Nothing {
            self.clocks.turn(now, &self.wrongs, self.stands());
        }
    }

    /// The first fault, in the order of the schedule, that freezes it.
    pub(crate) fn frozen_by(&self) -> Option<u32> {
        self.pauses.first().map(|(fault, _)| *fault)
    }

    /// How many times as long its work takes.
    pub(crate) fn factor(&self) -> Factor {
        self.slow.iter().fold(Factor::ONE, |all, (_, factor)| all.times(*factor))
    }

    pub(crate) fn slowed_by(&self) -> impl Iterator<Item = u32> {
        self.slow.iter().map(|(fault, _)| *fault)
    }

    /// How many times as often it asks.
    pub(crate) fn rush(&self) -> Factor {
        self.rush.iter().fold(Factor::ONE, |all, (_, factor)| all.times(*factor))
    }

    pub(crate) fn rushed_by(&self) -> impl Iterator<Item = u32> {
        self.rush.iter().map(|(fault, _)| *fault)
    }

    /// The faults that make a length on its monotonic clock another.
    pub(crate) fn drifting_by(&self) -> impl Iterator<Item = u32> {
        self.wrongs.iter().filter(|wrong| matches!(wrong.error, ClockError::Drift(_))).map(|wrong| wrong.fault)
    }

    /// The faults that make its wall clock wrong.
    pub(crate) fn wrong_by(&self) -> impl Iterator<Item = u32> {
        self.wrongs.iter().map(|wrong| wrong.fault)
    }

    /// How many times as long a sync takes, and the faults that make it so.
    pub(crate) fn sync_factor(&self) -> (Factor, impl Iterator<Item = u32>) {
        let slow = self.ills.iter().filter_map(|(fault, ill)| match ill {
            DiskIll::Slow(factor) => Some((*fault, *factor)),
            _ => None,
        });
        (slow.clone().fold(Factor::ONE, |all, (_, factor)| all.times(factor)), slow.map(|(fault, _)| fault))
    }

    /// The first fault that has the disk ill in this way.
    pub(crate) fn ill_by(&self, ill: DiskIll) -> Option<u32> {
        self.ills.iter().find(|(_, other)| *other == ill).map(|(fault, _)| *fault)
    }

    /// The first fault that will misdirect a record, and what says whither.
    pub(crate) fn misdirects(&self) -> Option<(u32, u64)> {
        self.armed.first().copied()
    }

    /// A fault has misdirected its record, or never will.
    pub(crate) fn disarm(&mut self, fault: u32) {
        remove(&mut self.armed, |(it, _)| *it == fault);
    }

    /// How many bytes a copy of it takes, about.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.waiting.len() * size_of::<T>()
    }
}

/// Puts one in, by the place of its fault.
fn insert<T>(list: &mut Vec<T>, one: T, place: impl Fn(&T) -> u32) {
    let at = list.partition_point(|other| place(other) <= place(&one));
    list.insert(at, one);
}

fn remove<T>(list: &mut Vec<T>, is_it: impl Fn(&T) -> bool) {
    if let Some(at) = list.iter().position(is_it) {
        list.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_combines_without_order() {
        let factor = |times| Ailment::Slow(Factor::new(times).unwrap());
        let harm = Harm { bits: 0, until: Instant::NEVER };
        let mut plight = Plight::<u8>::new(Clocks::default());
        plight.begin(3, factor(10), Instant::ZERO, harm);
        plight.begin(1, factor(3), Instant::ZERO, harm);
        assert_eq!((plight.factor(), plight.slowed_by().collect::<Vec<_>>()), (Factor::new(30).unwrap(), vec![1, 3]));
        plight.end(3, factor(10), Instant::ZERO);
        assert_eq!(plight.factor(), Factor::new(3).unwrap());
        plight.begin(2, Ailment::Pause(Stands::Nothing), Instant::ZERO, harm);
        plight.begin(0, Ailment::Pause(Stands::Nothing), Instant::ZERO, harm);
        plight.end(2, Ailment::Pause(Stands::Nothing), Instant::ZERO);
        assert_eq!(plight.frozen_by(), Some(0));
        plight.end(0, Ailment::Pause(Stands::Nothing), Instant::ZERO);
        assert_eq!(plight.frozen_by(), None);
    }
}
