//! Faults that wait for a node to come to some point of its program, and strike there.
//!
//! A run without such a fault has no tripwires, and pays a look at an empty place for each mark. With some, each passage is
//! counted and asked at once, since what the program does behind the point must not happen when the node dies there.

use std::num::NonZeroU64;
use std::sync::Arc;

use crate::dice::Dice;
use crate::id::NodeId;
use crate::ratio::Ratio;
use crate::seed::{Cause, Purpose, mix, name_hash};
use crate::time::Instant;

const STRIKE: Purpose = Purpose::new("strike");

/// A point of a program, known by its name: a mark, or a step of a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Point(u64);

impl Point {
    /// The point of that name.
    pub const fn new(name: &str) -> Self {
        Point(name_hash(name))
    }

    /// The number that enters the dice.
    pub(crate) const fn key(self) -> u64 {
        self.0
    }
}

/// Asking the disk for a sync is a point of its own: from there on writes are in flight.
pub(crate) const SYNCING: Point = Point::new("sync");

/// Where at a step a fault strikes. A mark has no two sides: there the three are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `before STEP`: when its turn comes, and it has done nothing yet.
    Before,
    /// `after STEP`: when it has its outcome, and the next has done nothing yet.
    After,
    /// `at MARK`: there. Of a step with two sides, before it.
    At,
}

/// Where a program is as it passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// At a mark.
    Mark,
    /// A step's turn has come.
    Begin,
    /// A step has its outcome.
    End,
}

impl Side {
    fn is_at(self, passing: Passing) -> bool {
        match passing {
            Passing::Mark => true,
            Passing::Begin => self != Side::After,
            Passing::End => self == Side::After,
        }
    }
}

/// Which passages of a point a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passages {
    /// Every one.
    Every,
    /// `#2 #5`: these, counted from 1 over the run and over all nodes that the fault is about.
    Nth(Vec<NonZeroU64>),
    /// `0.1%`: each with that chance.
    Share(Ratio),
}

/// A fault of the plan that waits at a point.
#[derive(Clone, Debug)]
pub(crate) struct Tripwire {
    /// Its place in the plan.
    pub(crate) index: u32,
    /// The root of its dice.
    pub(crate) lineage: u64,
    /// Whose passages count; anybody's when none.
    pub(crate) node: Option<NodeId>,
    /// The role that the node must have as it passes.
    pub(crate) role: Option<Point>,
    pub(crate) point: Point,
    pub(crate) side: Side,
    pub(crate) passages: Passages,
    /// When it may strike.
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
    /// Whether the node is gone from that point on.
    pub(crate) kills: bool,
    /// Whose passages are counted together.
    pub(crate) counter: u32,
}

/// A passage at which a fault strikes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tripped {
    /// The fault's place in the plan.
    pub(crate) index: u32,
    /// Which passage it was, from 1.
    pub(crate) nth: u64,
    /// Why the program came there.
    pub(crate) cause: Cause,
    /// The event in which it did.
    pub(crate) by: u64,
}

/// All that wait, and how far each has come.
#[derive(Clone, Debug)]
pub(crate) struct Tripwires {
    wires: Arc<[Tripwire]>,
    /// By counter.
    counts: Vec<u64>,
    /// By wire.
    standing: Vec<Standing>,
    pub(crate) seed_key: u64,
    now: Instant,
    event: u64,
    tripped: Vec<Tripped>,
}

/// Whether a wire can be tripped, beside its window.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Peace until then.
    rests: Instant,
    holds: bool,
    lifted: bool,
}

impl Tripwires {
    pub(crate) fn new(wires: Arc<[Tripwire]>, seed_key: u64) -> Self {
        let counters = wires.iter().map(|wire| wire.counter as usize + 1).max().unwrap_or(0);
        let standing = vec![Standing::default(); wires.len()];
        let (now, event) = (Instant::ZERO, 0);
        Tripwires { wires, counts: vec![0; counters], standing, seed_key, now, event, tripped: Vec::new() }
    }

    /// A handling begins: at which instant and by which event.
    pub(crate) fn begin(&mut self, now: Instant, event: u64) {
        (self.now, self.event) = (now, event);
    }

    /// What the faults say that strike where the program has just come; true when the node is gone from here on.
    pub(crate) fn pass(
        &mut self,
        node: NodeId,
        points: &[Point],
        passing: Passing,
        cause: Cause,
        dice: &Dice,
        has_role: impl Fn(Point) -> bool,
    ) -> bool {
        let mut kills = false;
        for place in 0..self.wires.len() {
            let wire = &self.wires[place];
            let about = wire.node.is_none_or(|of| of == node) && points.contains(&wire.point);
            if !about || !wire.side.is_at(passing) || !wire.role.is_none_or(&has_role) {
                continue;
            }
            let nth = &mut self.counts[wire.counter as usize];
            *nth += 1;
            let (nth, standing) = (*nth, self.standing[place]);
            let open = wire.begin <= self.now && self.now < wire.end && standing.rests <= self.now;
            if open && !standing.holds && !standing.lifted && self.is_meant(wire, nth, cause, dice) {
                self.standing[place].holds = true;
                kills |= wire.kills;
                self.tripped.push(Tripped { index: wire.index, nth, cause, by: self.event });
            }
        }
        kills
    }

    fn is_meant(&self, wire: &Tripwire, nth: u64, cause: Cause, dice: &Dice) -> bool {
        match &wire.passages {
            Passages::Every => true,
            Passages::Nth(wanted) => wanted.iter().any(|wanted| wanted.get() == nth),
            Passages::Share(ratio) => {
                ratio.hit(dice.about_fault(self.seed_key, mix(wire.lineage, cause.lineage), STRIKE))
            }
        }
    }

    /// What has struck in the handling that is over.
    pub(crate) fn take_tripped(&mut self) -> Vec<Tripped> {
        std::mem::take(&mut self.tripped)
    }

    fn place(&self, index: u32) -> Option<usize> {
        self.wires.iter().position(|wire| wire.index == index)
    }

    /// A fault holds no more; it strikes again after that much peace.
    pub(crate) fn ends(&mut self, index: u32, rests: Instant) {
        if let Some(place) = self.place(index) {
            self.standing[place] = Standing { rests, holds: false, ..self.standing[place] };
        }
    }

    /// From now on that fault strikes nobody.
    pub(crate) fn lift(&mut self, index: u32) {
        if let Some(place) = self.place(index) {
            self.standing[place].lifted = true;
        }
    }
}
