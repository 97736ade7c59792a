//! What an actor may read and ask while it handles one event.

use std::cell::Cell;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use crate::actor::{Effect, Message, Watch};
use crate::amount::Factor;
use crate::asked::Asked;
use crate::dice::{Dice, RING, SYNC, TIMER};
use crate::dist::Dist;
use crate::id::{NodeId, Sync, Timer};
use crate::names::Names;
use crate::odds::{End, Odds};
use crate::pattern::{Label, Pattern};
use crate::ratio::Ratio;
use crate::roles::Roles;
use crate::seed::{Cause, Class, Purpose, name_hash};
use crate::time::{Duration, Instant};
use crate::tripwire::{Passing, Point, SYNCING, Tripwires};

/// One handling, as the actor sees it.
///
/// Reads are answered at once; what is asked for is kept as [`Effect`]s and performed in order afterwards.
pub struct Context<'a, M: Message> {
    pub(crate) node: NodeId,
    pub(crate) life: u32,
    pub(crate) now: Instant,
    pub(crate) wall: Instant,
    pub(crate) strain: &'a mut Strain,
    /// Whether the handler looked at its wall clock.
    pub(crate) looked: Cell<bool>,
    pub(crate) cause: Cause,
    pub(crate) names: &'a Names,
    pub(crate) up: &'a [bool],
    pub(crate) kind_keys: &'a [u64],
    pub(crate) dice: &'a mut Dice,
    pub(crate) effects: &'a mut Asked<M>,
    pub(crate) notes: &'a mut Vec<M::Note>,
    pub(crate) shared: &'a mut M::Shared,
    pub(crate) wires: Option<&'a mut Tripwires>,
    pub(crate) roles: &'a Roles,
    pub(crate) sites: Option<Sites<'a>>,
}

/// What a handler is left with in which its node dies: it unwinds from there, so that nothing behind that point happens.
pub(crate) struct Fallen;

/// The places that do now what is rare; there is nothing to ask when no fault and no line of a case is about any.
pub(crate) struct Sites<'a> {
    pub(crate) pests: &'a [Pest],
    pub(crate) denials: &'a [Denial],
    /// What has its picks be extreme.
    pub(crate) skews: &'a [(u32, End, Ratio)],
    /// The faults that have this node deny service now.
    pub(crate) denied_by: &'a [u32],
    /// Whether a fault of the schedule holds now, by its place.
    pub(crate) holding: &'a dyn Fn(u32) -> bool,
    pub(crate) seed_key: u64,
    /// The faults that had a place do what is rare, a request be denied, or a pick be extreme.
    pub(crate) struck: &'a mut Vec<u32>,
}

/// What becomes of something that is asked of a node, as the faults `hang` and `fail` have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// Nothing is in its way.
    Served,
    /// It is accepted, and never answered.
    Hangs,
    /// It is answered with an error, at once and without work; of this reason, if the fault gives one.
    Fails(Option<Label>),
}

/// A fault that has nodes not serve what is asked of them.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    /// Its place in the schedule.
    pub(crate) fault: u32,
    /// What is asked; anything when none.
    pub(crate) place: Option<Label>,
    /// What tells its dice from those of others: who is denied what.
    pub(crate) key: u64,
    /// None when it is never answered; else the reason, and how often.
    pub(crate) fails: Option<(Option<Label>, Ratio)>,
}

/// A fault that has places in programs do what is rare.
#[derive(Clone, Debug)]
pub(crate) struct Pest {
    /// Its place in the schedule.
    pub(crate) fault: u32,
    /// Which places; all when none.
    pub(crate) sites: Option<Pattern>,
    /// The share of places that are live in a run.
    pub(crate) live: Ratio,
    /// How often a live one does it.
    pub(crate) fires: Ratio,
}

const LIVE: Purpose = Purpose::new("live");
const BUGGIFY: Purpose = Purpose::new("buggify");
const FAIL: Purpose = Purpose::new("fail");

/// What ails the node while it handles one event, and whether it notices.
#[derive(Clone, Debug)]
pub(crate) struct Strain {
    pub(crate) factor: Factor,
    /// Whether a piece of work began.
    pub(crate) worked: bool,
    /// How many times as often it asks, and whether that was looked at.
    pub(crate) rush: Factor,
    pub(crate) rushed: bool,
    /// The fault that has the disk full, and how often that was the answer to whoever asked for room.
    pub(crate) full: Option<u32>,
    pub(crate) turned_away: u32,
}

/// The wall clock of a node, while it handles one event.
#[derive(Clone, Copy, Debug)]
pub struct WallClock<'c> {
    shows: Instant,
    looked: &'c Cell<bool>,
}

impl WallClock<'_> {
    /// What it shows, as a distance from the start of the run.
    pub fn read(&self) -> Instant {
        self.looked.set(true);
        self.shows
    }
}

impl Default for Strain {
    fn default() -> Self {
        Strain::new(Factor::ONE, Factor::ONE, None)
    }
}

impl Strain {
    pub(crate) const fn new(factor: Factor, rush: Factor, full: Option<u32>) -> Self {
        Strain { factor, worked: false, rush, rushed: false, full, turned_away: 0 }
    }
}

impl<'a, M: Message> Context<'a, M> {
    /// The node this runs on.
    pub fn id(&self) -> NodeId {
        self.node
    }

    /// Which life of the node this is, from 1: a restart begins the next.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// The node's monotonic clock: drifts as the node's clock does, and never steps. Timeouts are measured on it.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The node's wall clock, as a distance from the start of the run: may be wrong, may step.
    pub fn wall(&self) -> Instant {
        self.wall_clock().read()
    }

    /// The node's wall clock, for whoever may not need it: a fault that makes it wrong counts who looks.
    pub fn wall_clock(&self) -> WallClock<'_> {
        WallClock { shows: self.wall, looked: &self.looked }
    }

    /// The names of nodes, kinds and classes.
    pub fn names(&self) -> &'a Names {
        self.names
    }

    /// Whether a node is up, as a registry of services that learns of everything at once would say.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.up.get(node.0 as usize).is_some_and(|up| *up)
    }

    /// Why this happens. Keep it beside what is put off, and go on with it by [`because`](Self::because).
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Goes on with an earlier cause: what follows in this handling is done for that.
    ///
    /// Two handlings that go on with one cause and do the same cast the same dice; [`Cause::then`] tells them apart, such as
    /// one try from the next.
    pub fn because(&mut self, cause: Cause) {
        self.cause = cause;
    }

    /// Begins an operation, such as order 17: what follows in this handling, and all that comes of it, is done for that.
    pub fn begin(&mut self, class: Class, number: u64) -> Cause {
        self.cause = self.names.begin(class, number);
        self.cause
    }

    /// A length of time, drawn for this purpose and cause.
    pub fn draw(&mut self, purpose: Purpose, dist: &Dist) -> Duration {
        self.dice.length(self.node, self.cause, purpose, dist)
    }

    /// How long a piece of work takes that begins now: drawn for this purpose and cause, and longer by what slows the node.
    ///
    /// The answer of the draw is the length without that, so that a line of a case that says it is slowed as the seed's answer
    /// would be.
    pub fn work(&mut self, purpose: Purpose, dist: &Dist) -> Duration {
        let length = self.draw(purpose, dist);
        if self.strain.factor == Factor::ONE || length.is_zero() { length } else { self.slowness().stretch(length) }
    }

    /// How many times as long work takes that begins here now; for work whose length comes from elsewhere than
    /// [`work`](Self::work).
    pub fn slowness(&mut self) -> Factor {
        self.strain.worked = true;
        self.strain.factor
    }

    /// How many times as often a workload asks from here on, as a `rush` fault has it.
    pub fn rush(&mut self) -> Factor {
        self.strain.rushed = true;
        self.strain.rush
    }

    /// Whether to do here what is allowed and rare: false, unless a `buggify` fault holds for this place.
    ///
    /// Whether a place is live is drawn once for a run, by its name; whether a live one does it, each time it is passed.
    pub fn buggify(&mut self, site: &str) -> bool {
        let Some(sites) = &self.sites else { return false };
        let key = name_hash(site);
        let bits = self.dice.about_fault(sites.seed_key, key, LIVE);
        let is_at = |pest: &&Pest| {
            let named = pest.sites.as_ref().is_none_or(|sites| sites.matches(site));
            named && pest.live.hit(bits) && (sites.holding)(pest.fault)
        };
        let most = sites.pests.iter().filter(is_at).max_by_key(|pest| pest.fires);
        let (fires, fault) = most.map_or((Ratio::ZERO, None), |pest| (pest.fires, Some(pest.fault)));
        // Asked whether or not it can fire, so that a line of a case may answer, and means the same passage under any schedule.
        let yes = self.dice.chance(self.node, self.cause.then(key), BUGGIFY, fires);
        if yes && let Some(sites) = &mut self.sites {
            sites.struck.extend(fault);
        }
        yes
    }

    /// What to do with a request for `place` that is accepted now: an endpoint, an operation. Counts for the fault that is in its
    /// way.
    pub fn service(&mut self, place: &str) -> Service {
        let Some(sites) = self.sites.as_mut().filter(|sites| !sites.denied_by.is_empty()) else {
            return Service::Served;
        };
        let (denials, denied_by) = (sites.denials, sites.denied_by);
        let is_about = |denial: &&Denial| {
            let named = denial.place.as_ref().is_none_or(|wanted| wanted.as_str() == place);
            named && denied_by.contains(&denial.fault)
        };
        let about: Vec<&Denial> = denials.iter().filter(is_about).collect();
        if let Some(hang) = about.iter().find(|denial| denial.fails.is_none()) {
            sites.struck.push(hang.fault);
            return Service::Hangs;
        }
        for Denial { fault, key, fails, .. } in about {
            let Some((reason, ratio)) = fails else { continue };
            // What always fails asks no dice, so that a calm run fails as well.
            if *ratio == Ratio::ONE || self.dice.chance(self.node, self.cause.then(*key), FAIL, *ratio) {
                sites.struck.push(*fault);
                return Service::Fails(reason.clone());
            }
        }
        Service::Served
    }

    /// Whether something of this chance happens, drawn for this purpose and cause.
    pub fn chance(&mut self, purpose: Purpose, ratio: Ratio) -> bool {
        self.dice.chance(self.node, self.cause, purpose, ratio)
    }

    /// A whole number from 0 up to, not including, `bound` (0 when that is 0), all alike, drawn for this purpose and cause.
    #[inline]
    pub fn below(&mut self, purpose: Purpose, bound: u64) -> u64 {
        self.dice.below(self.node, self.cause, purpose, bound)
    }

    /// A whole number by its odds, drawn for this purpose and cause: which key is asked for, how much comes at once. A `skew` fault
    /// has it be an extreme one.
    pub fn number(&mut self, purpose: Purpose, odds: &Odds) -> u64 {
        let skews = self.sites.as_ref().map_or(&[][..], |sites| sites.skews);
        let (number, fault) = self.dice.number(self.node, self.cause, purpose, odds, skews);
        if let Some(sites) = &mut self.sites {
            sites.struck.extend(fault);
        }
        number
    }

    /// One of these nodes, all alike, drawn for this purpose and cause; `None` when there is none.
    pub fn pick(&mut self, purpose: Purpose, among: &[NodeId]) -> Option<NodeId> {
        if among.is_empty() {
            return None;
        }
        let names = self.names;
        Some(self.dice.pick(self.node, self.cause, purpose, among, |node| names.node(node)))
    }

    /// A stream of numbers for foreign code, of this handling only.
    pub fn rng(&mut self, purpose: Purpose) -> ChaCha8Rng {
        self.dice.stream(self.node, self.cause, purpose)
    }

    /// Puts an envelope on the link to `to`.
    ///
    /// # Panics
    /// When there is no such node; like every panic of an actor, a finding.
    #[inline(always)]
    pub fn send(&mut self, to: NodeId, msg: M) {
        let kind = msg.kind();
        let key = self.kind_keys.get(kind.0 as usize).copied().unwrap_or(u64::from(kind.0));
        let cause = self.dice.envelope(self.cause, self.node, to, key);
        self.effects.ask(|| Effect::Send { to, msg, cause });
    }

    /// Sets a timer, a length on the monotonic clock from now: drift stretches it, a step of the wall clock does not. One that is
    /// already set is set anew. [`Duration::FOREVER`] waits for a [`ring`](Self::ring).
    ///
    /// The number of a timer enters no dice: a free one may be taken from a list.
    ///
    /// # Panics
    /// When the number is above [`Timer::LAST`]; like every panic of an actor, a finding.
    #[inline]
    pub fn set(&mut self, timer: Timer, after: Duration) {
        assert!(timer <= Timer::LAST, "timer {} is above {}; number timers from 0", timer.0, Timer::LAST.0);
        let cause = self.dice.later(self.cause, self.node, TIMER);
        self.effects.ask(|| Effect::Set { timer, after, cause });
    }

    /// Stops a timer; one that is not set stays so.
    #[inline]
    pub fn cancel(&mut self, timer: Timer) {
        self.effects.ask(|| Effect::Cancel { timer });
    }

    /// Lets a timer of a node go off now, if it is set and the node still lives that life: how a change of
    /// [`shared`](Self::shared) state wakes who waits for it.
    pub fn ring(&mut self, node: NodeId, life: u32, timer: Timer) {
        let cause = self.dice.later(self.cause, node, RING);
        self.effects.ask(|| Effect::Ring { node, life, timer, cause });
    }

    /// Writes one record behind the others of a file. It survives a crash, and a power loss once a sync covers it.
    pub fn append(&mut self, file: impl Into<Arc<str>>, record: impl Into<Arc<[u8]>>) {
        let (file, record) = (file.into(), record.into());
        self.effects.ask(|| Effect::Append { file, record });
    }

    /// Writes a file anew with one record, all at once.
    pub fn replace(&mut self, file: impl Into<Arc<str>>, record: impl Into<Arc<[u8]>>) {
        let (file, record) = (file.into(), record.into());
        self.effects.ask(|| Effect::Replace { file, record });
    }

    /// Whether there is room on the disk for what is written now, as a `write(2)` says with `ENOSPC`. What is written where there is
    /// none is not stored, and whoever did not ask learns of it from the next sync alone.
    pub fn has_room(&mut self) -> bool {
        self.strain.turned_away += u32::from(self.strain.full.is_some());
        self.strain.full.is_none()
    }

    /// Makes durable what was written so far; [`Event::Synced`](crate::Event::Synced) says when.
    pub fn sync(&mut self, sync: Sync) {
        let cause = self.dice.later(self.cause, self.node, SYNC);
        self.effects.ask(|| Effect::Sync { sync, cause });
        self.pass(&[SYNCING], Passing::Mark, self.cause);
    }

    /// Tells the judge something about the world.
    #[inline]
    pub fn note(&mut self, note: M::Note) {
        self.notes.push(note);
    }

    /// Names a point of the program, for the trace and for faults that strike there.
    ///
    /// A fault that stops the node at this mark stops it here: this call does not return, and what the handler did before is
    /// performed.
    pub fn mark(&mut self, name: &'static str) {
        self.effects.ask(|| Effect::Mark(name));
        if self.is_watched() {
            self.pass(&[Point::new(name)], Passing::Mark, self.cause);
        }
    }

    /// Whether any fault of this run waits for a node to come to some point. If none does, there is no need to say where one is.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.wires.is_some()
    }

    /// Comes to a point that goes by any of these names, for this cause: faults that wait there strike. Unlike
    /// [`mark`](Self::mark) it leaves nothing in the trace; for programs that are told by an interpreter.
    pub fn pass(&mut self, points: &[Point], passing: Passing, cause: Cause) {
        let Some(wires) = &mut self.wires else { return };
        let (node, roles, effects) = (self.node, self.roles, &*self.effects);
        let has_role = |role: Point| {
            // What was asked for in this handling counts, though it is not performed yet.
            let said = effects.iter().rev().find_map(|effect| match effect {
                Effect::Role { role: name, has } if Point::new(name) == role => Some(*has),
                _ => None,
            });
            said.unwrap_or_else(|| roles.has(node, role))
        };
        // A second passage for one cause in one handling has dice of its own, and takes none of others.
        let lineages = points.iter().fold(0, |all, point| all ^ point.key());
        let cause = self.dice.later(cause, node, lineages ^ passing as u64);
        if wires.pass(node, points, passing, cause, self.dice, has_role) {
            std::panic::resume_unwind(Box::new(Fallen));
        }
    }

    /// Ends this life of the node, as a process that exits: this call does not return, what was asked for before is done, and what
    /// the node still owes is reset. Down while a fault asked for it; else it starts again at once.
    pub fn exit(&mut self) -> ! {
        self.effects.ask(|| Effect::Exit);
        std::panic::resume_unwind(Box::new(Fallen));
    }

    /// Has the platform of this node be content for so long from now on, whatever it was before; then it
    /// [does](Watch) what that watch is for. No time at all: it does so as soon as this event is handled. [`Duration::FOREVER`] is
    /// no watch. A node that is about to stop anyway is watched no more, and the next life begins without a watch.
    pub fn watch(&mut self, watch: Watch, after: Duration) {
        self.effects.ask(|| Effect::Watch { watch, after });
    }

    /// Has this node be listed, if it was taken off the list by its [readiness](Watch::Readiness) or has not yet been on it.
    pub fn ready(&mut self) {
        self.effects.ask(|| Effect::Ready);
    }

    /// Takes a role, such as leader, until it is given up or the node goes down. Faults strike by it: `crash the leader`.
    pub fn role(&mut self, role: &'static str) {
        self.effects.ask(|| Effect::Role { role, has: true });
    }

    /// Gives a role up.
    pub fn no_role(&mut self, role: &'static str) {
        self.effects.ask(|| Effect::Role { role, has: false });
    }

    /// What several nodes share and no crash takes.
    pub fn shared(&self) -> &M::Shared {
        self.shared
    }

    /// What several nodes share and no crash takes, to change it.
    pub fn shared_mut(&mut self) -> &mut M::Shared {
        self.shared
    }
}

/// The number by which a kind enters lineages: its name, so that another kind more changes nothing.
pub(crate) fn kind_key(name: &str) -> u64 {
    name_hash(name)
}
