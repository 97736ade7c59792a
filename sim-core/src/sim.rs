//! One run: a system, a seed, and everything that follows from them, one event at a time.
//!
//! A step takes the next fault or the next pending event, lets a node handle it, performs the effects it asked for, and folds
//! all of that into the digest. It prints nothing, judges nothing and keeps no history: recording, judging and drawing are
//! callers. A copy of a run is a fork of it.

use std::any::Any;
use std::collections::VecDeque;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::actor::{Actor, DiskError, Effect, Event, Message};
use crate::amount::Factor;
use crate::clock::Clocks;
use crate::context::{Context, Strain};
use crate::dice::{Dice, Draw};
use crate::digest::{Digest, Fold, json_len};
use crate::disk::Disk;
use crate::fault::DiskIll;
use crate::id::{Kind, NodeId, Sync, Timer};
use crate::names::Names;
use crate::network::{Active, COPY, Disturbance, Envelope, Fate, Weather};
use crate::plight::{Ailment, Plight};
use crate::queue::Queue;
use crate::schedule::{Blow, Change, Cursor};
use crate::seed::{Cause, Purpose, Seed, mix, name_hash};
use crate::system::{Ground, Program};
use crate::time::{Duration, Instant};

/// A run under way.
pub struct Sim<M: Message> {
    ground: Arc<Ground<M>>,
    seed: Seed,
    now: Instant,
    number: u64,
    queue: Queue<Pending>,
    /// What comes at this instant before anything else that is due at it.
    first: VecDeque<Due>,
    /// What clogs hold, in the order in which it came to them.
    clogged: Vec<Clogged>,
    letters: Letters<M>,
    nodes: Vec<Node<M>>,
    /// By node: what faults do to it that leave it up. Empty until the first does, and apart from the nodes: most runs have none.
    plights: Vec<Option<Box<Plight<Due>>>>,
    /// By node: whether it is up, apart from the nodes so that handlers can be shown it.
    up: Vec<bool>,
    dice: Dice,
    weather: Weather,
    cursor: Cursor,
    syncs: u64,
    shared: M::Shared,
    digest: Digest,
    notes: Vec<M::Note>,
    effects: Vec<Effect<M>>,
    log: Option<Log<M>>,
    panic: Option<Panic>,
}

/// What one step did: the event, where and when it happened, and what led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of the event, from 1.
    pub number: u64,
    /// When, in true time.
    pub at: Instant,
    /// What.
    pub what: Happening,
    /// Why: the cause that its handler started with.
    pub cause: Cause,
    /// The event that was handled before on the same node.
    pub before: Option<u64>,
    /// The event in which the message was sent, the timer set, the restart caused.
    pub by: Option<u64>,
}

impl Step {
    /// Where it happened; none of a fault, which happens to the world.
    pub fn node(&self) -> Option<NodeId> {
        match self.what {
            Happening::Delivered { to, .. }
            | Happening::Undelivered { to, .. }
            | Happening::Refused { to, .. }
            | Happening::Reset { to, .. } => Some(to),
            Happening::Started { node, .. } | Happening::Fired { node, .. } | Happening::Synced { node, .. } => {
                Some(node)
            }
            Happening::FaultBegan { .. } | Happening::FaultEnded { .. } => None,
        }
    }
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A node came up.
    Started {
        /// Which.
        node: NodeId,
        /// For the how-manieth time, from 1.
        life: u32,
    },
    /// An envelope was handled.
    Delivered {
        /// Its sender.
        from: NodeId,
        /// The node that handled it.
        to: NodeId,
        /// Its kind.
        kind: Kind,
    },
    /// An envelope came to a node that is down.
    Undelivered {
        /// Its sender.
        from: NodeId,
        /// The node that is down.
        to: NodeId,
        /// Its kind.
        kind: Kind,
    },
    /// A node learnt that nothing listens on a machine it sent to.
    Refused {
        /// The machine.
        by: NodeId,
        /// The node that learns it.
        to: NodeId,
        /// The kind of its envelope.
        kind: Kind,
    },
    /// A node learnt that a machine crashed which had its request.
    Reset {
        /// The machine.
        by: NodeId,
        /// The node that learns it.
        to: NodeId,
        /// The kind of its request.
        kind: Kind,
    },
    /// A timer was handled.
    Fired {
        /// On which node.
        node: NodeId,
        /// Which.
        timer: Timer,
    },
    /// The disk answered.
    Synced {
        /// On which node.
        node: NodeId,
        /// The number of the wait.
        sync: Sync,
    },
    /// A fault began to hold.
    FaultBegan {
        /// Its place in the schedule.
        fault: u32,
    },
    /// A fault holds no more.
    FaultEnded {
        /// Its place in the schedule.
        fault: u32,
    },
}

/// What a step did beside the event itself; kept only while [`Sim::record`] is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An envelope was sent.
    Sent {
        /// By whom.
        from: NodeId,
        /// To whom.
        to: NodeId,
        /// Its kind.
        kind: Kind,
        /// Its own cause.
        cause: Cause,
        /// What becomes of it.
        fate: Fate,
        /// The fault of the schedule that did that to it, if one did.
        fault: Option<u32>,
        /// What calm would have done with it: the default.
        calm: Fate,
        /// Whether it is a message of an actor; what a machine sends back by itself counts in no ordinal.
        form: Form,
    },
    /// A timer was set.
    Set {
        /// On which node.
        node: NodeId,
        /// Which.
        timer: Timer,
        /// When it is due, in true time.
        due: Instant,
    },
    /// A timer was stopped.
    Cancelled {
        /// On which node.
        node: NodeId,
        /// Which.
        timer: Timer,
    },
    /// A random question was answered.
    Drew {
        /// For which node.
        node: NodeId,
        /// The question and its answer.
        draw: Draw,
    },
    /// A point of the program was passed.
    Marked {
        /// On which node.
        node: NodeId,
        /// Its name.
        name: &'static str,
    },
    /// A node went down.
    Down {
        /// Which.
        node: NodeId,
    },
    /// A fault of this step struck a node, up or down.
    Struck {
        /// Which.
        node: NodeId,
    },
    /// The fault of this step holds a node no longer; another may.
    Released {
        /// Which.
        node: NodeId,
    },
}

/// What is kept of the last step while recording.
#[derive(Clone, Debug)]
struct Log<M> {
    entries: Vec<Entry>,
    /// Whether the messages themselves are kept beside them.
    messages: Keeps,
    handled: Option<M>,
    sent: Vec<M>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    Entries,
    Messages,
}

impl<M> Log<M> {
    fn new(messages: Keeps) -> Self {
        Log { entries: Vec::new(), messages, handled: None, sent: Vec::new() }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.handled = None;
        self.sent.clear();
    }
}

/// An actor panicked: a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// In which event.
    pub event: u64,
    /// On which node.
    pub node: NodeId,
    /// What it said.
    pub message: String,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    cause: Cause,
    sent: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Letter {
        from: NodeId,
        to: NodeId,
        letter: u32,
        form: Form,
    },
    Timer {
        node: NodeId,
        timer: Timer,
    },
    /// With how it went, when it was over before its node could hear of it.
    Synced {
        node: NodeId,
        life: u32,
        sync: Sync,
        number: u64,
        over: Option<Result<(), DiskError>>,
    },
}

#[derive(Clone, Copy, Debug)]
struct Starting {
    node: NodeId,
    life: u32,
    sent: u64,
}

/// What is to happen, out of the queue: a node comes up, or an event that has waited for a node.
#[derive(Clone, Copy, Debug)]
enum Due {
    Start(Starting),
    Event(Pending),
}

/// An envelope on a clogged link, and how long it takes from when it is let go.
#[derive(Clone, Copy, Debug)]
struct Clogged {
    pending: Pending,
    after: Duration,
}

impl What {
    /// The node it comes to.
    #[inline]
    fn node(self) -> NodeId {
        match self {
            What::Letter { to, .. } => to,
            What::Timer { node, .. } | What::Synced { node, .. } => node,
        }
    }
}

/// What an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An actor sent it.
    Message,
    /// A machine on which nothing listens sends it back.
    Refused,
    /// A machine whose node crashed sends it.
    Reset,
}

/// The messages on their way, apart from the small events that carry their numbers.
#[derive(Clone, Debug)]
struct Letters<M> {
    slots: Vec<Option<M>>,
    free: Vec<u32>,
}

impl<M> Letters<M> {
    #[inline]
    fn put(&mut self, msg: M) -> u32 {
        if let Some(index) = self.free.pop() {
            self.slots[index as usize] = Some(msg);
            return index;
        }
        self.slots.push(Some(msg));
        (self.slots.len() - 1) as u32
    }

    #[inline]
    fn take(&mut self, index: u32) -> Option<M> {
        self.free.push(index);
        self.slots[index as usize].take()
    }
}

/// A node in this run.
struct Node<M: Message> {
    actor: Box<dyn Program<M>>,
    life: u32,
    /// How many faults hold it down.
    down: u32,
    timers: Vec<TimerSlot>,
    disk: Disk,
    last: u64,
}

impl<M: Message> Clone for Node<M> {
    fn clone(&self) -> Self {
        Node {
            actor: self.actor.boxed(),
            life: self.life,
            down: self.down,
            timers: self.timers.clone(),
            disk: self.disk.clone(),
            last: self.last,
        }
    }
}

/// A timer: when it is due, and which entry of the queue stands for it. A timer that is set anew to a later instant keeps its
/// entry, which is put in again when it pops; an entry whose instant is not the one noted here is stale.
#[derive(Clone, Copy, Debug)]
struct TimerSlot {
    due: Instant,
    queued: Instant,
    cause: Cause,
    set: u64,
}

const UNSET: TimerSlot = TimerSlot {
    due: Instant::NEVER,
    queued: Instant::NEVER,
    cause: Cause { lineage: 0, operation: crate::seed::Operation::NONE },
    set: 0,
};

/// When a timer is due that is set for ever: it is set, and only a ring lets it go off.
const FOREVER: Instant = Instant::from_nanos(u64::MAX - 1);

const PICKS: u64 = name_hash("faults of the schedule");
const ANSWER: u64 = name_hash("answer of a machine");

impl<M: Message> Clone for Sim<M> {
    fn clone(&self) -> Self {
        Sim {
            ground: self.ground.clone(),
            seed: self.seed,
            now: self.now,
            number: self.number,
            queue: self.queue.clone(),
            first: self.first.clone(),
            clogged: self.clogged.clone(),
            letters: self.letters.clone(),
            nodes: self.nodes.clone(),
            plights: self.plights.clone(),
            up: self.up.clone(),
            dice: self.dice.clone(),
            weather: self.weather.clone(),
            cursor: self.cursor.clone(),
            syncs: self.syncs,
            shared: self.shared.clone(),
            digest: self.digest,
            notes: self.notes.clone(),
            effects: Vec::new(),
            log: self.log.clone(),
            panic: self.panic.clone(),
        }
    }
}

impl<M: Message> Sim<M> {
    pub(crate) fn new(ground: Arc<Ground<M>>, seed: Seed) -> Self {
        let system = &ground.system;
        let dice = Dice::new(seed, ground.rest, system.groups.as_slice().into(), &system.group_names, &ground.rulings);
        let cursor = Cursor::new(&ground.plan, seed.key(PICKS), &dice);
        let fresh = |machine: &crate::system::Machine<M>| Node {
            actor: machine.pristine.boxed(),
            life: 1,
            down: 0,
            timers: Vec::new(),
            disk: Disk::default(),
            last: 0,
        };
        let mut sim = Sim {
            seed,
            now: Instant::ZERO,
            number: 0,
            queue: Queue::new(),
            first: VecDeque::new(),
            clogged: Vec::new(),
            letters: Letters { slots: Vec::new(), free: Vec::new() },
            nodes: system.nodes.iter().map(fresh).collect(),
            plights: Vec::new(),
            up: vec![true; system.nodes.len()],
            dice,
            weather: Weather { touched: vec![0; system.faults().len()], ..Weather::default() },
            cursor,
            syncs: 0,
            shared: system.shared.clone(),
            digest: Digest::default(),
            notes: Vec::new(),
            effects: Vec::new(),
            log: None,
            panic: None,
            ground,
        };
        for index in 0..sim.nodes.len() {
            sim.begin_life(NodeId(index as u32));
        }
        sim
    }

    /// Lets the next thing happen; `None` when nothing ever will, or after a panic of an actor.
    pub fn step(&mut self) -> Option<Step> {
        self.step_before(Instant::NEVER)
    }

    /// Lets the next thing happen that happens before `limit`; `None` when nothing does.
    pub fn step_before(&mut self, limit: Instant) -> Option<Step> {
        self.notes.clear();
        if let Some(log) = &mut self.log {
            log.clear();
        }
        if self.panic.is_some() {
            return None;
        }
        loop {
            let fault_at = self.cursor.next();
            let before = limit.min(fault_at);
            let due = if self.first.is_empty() || self.now >= before {
                self.queue.pop_before(before)
            } else {
                match self.first.pop_front() {
                    Some(Due::Event(pending)) => Some((self.now, pending)),
                    Some(Due::Start(starting)) => match self.node_starts(starting) {
                        None => continue,
                        step => return step,
                    },
                    None => None,
                }
            };
            if let Some((at, pending)) = due {
                let last = std::mem::replace(&mut self.now, at);
                if let Some(step) = self.happen(pending) {
                    return Some(step);
                }
                // What is stale is no event: time stands where the last one left it.
                self.now = last;
            } else if fault_at < limit && !(self.pending() == 0 && self.cursor.is_spent(&self.ground.plan)) {
                self.now = fault_at;
                return self.turn_of_fault();
            } else {
                return None;
            }
        }
    }

    /// Casts fresh dice from here on: every answer comes from this seed, as if it had been the run's with the same past.
    ///
    /// What was answered stays answered: envelopes and timers under way, and the next beginning or the end of a fault that was drawn.
    /// The timed faults of the schedule stay; no decision applies any more, and nothing is calm. Of a fork, so that the run itself
    /// goes on as before.
    pub fn reseed(&mut self, seed: Seed) {
        self.seed = seed;
        self.dice.reseed(seed);
        self.weather.spells.clear();
        self.cursor.reseed(seed.key(PICKS));
    }

    /// True time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How many events have happened.
    pub fn events(&self) -> u64 {
        self.number
    }

    /// How many events are pending, stale timers included.
    pub fn pending(&self) -> usize {
        self.queue.len() + self.first.len()
    }

    /// Whether nothing will ever happen any more: [`step`](Self::step) would give `None`. Looks at all that is pending.
    pub fn is_over(&self) -> bool {
        let lives = |node: NodeId, life| {
            let node = &self.nodes[node.0 as usize];
            node.life == life && node.down == 0
        };
        let due = |pending: &Pending| match pending.what {
            What::Letter { letter, .. } => self.letters.slots[letter as usize].is_some(),
            What::Timer { node, timer } => {
                let slot = self.nodes[node.0 as usize].timers.get(timer.0 as usize);
                slot.is_some_and(|slot| slot.due < FOREVER)
            }
            What::Synced { node, life, .. } => lives(node, life),
        };
        let comes = |first: &Due| match first {
            Due::Start(starting) => lives(starting.node, starting.life),
            Due::Event(pending) => due(pending),
        };
        let will_happen = || self.first.iter().any(comes) || self.queue.iter().any(due);
        // What is stale may stand before a fault that nobody else waits for: only taking the step tells.
        self.panic.is_some()
            || !will_happen() && (self.cursor.next() == Instant::NEVER || self.clone().step().is_none())
    }

    /// About how many bytes a copy of this run takes: exact for what is pending, by the length of its JSON for the state of
    /// each actor and for what they share, nothing for files (copies share them). Costs as much as writing all of that.
    pub(crate) fn weight(&self) -> usize {
        let node = |node: &Node<M>| {
            let timers = node.timers.len() * size_of::<TimerSlot>();
            size_of::<Node<M>>() + timers + node.actor.weight()
        };
        let letters = self.letters.slots.len() * size_of::<Option<M>>() + self.letters.free.len() * size_of::<u32>();
        let nodes: usize = self.nodes.iter().map(node).sum();
        let ailing: usize = self.plights.iter().flatten().map(|plight| plight.weight()).sum();
        let aside = (self.first.len() + self.clogged.len()) * size_of::<Clogged>() + ailing;
        size_of::<Self>() + self.queue.weight() + letters + nodes + aside + json_len(&self.shared)
    }

    /// The seed this run follows from.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// The names of nodes, kinds and classes.
    pub fn names(&self) -> &Names {
        &self.ground.system.names
    }

    /// What the last step's handler told the judge.
    pub fn notes(&self) -> &[M::Note] {
        &self.notes
    }

    /// What the last step did beside the event itself; empty unless [`record`](Self::record) is on.
    pub fn log(&self) -> &[Entry] {
        self.log.as_ref().map_or(&[], |log| &log.entries)
    }

    /// The message of the envelope that the last step brought to a node, up or down; `None` of a step that brought none, and
    /// unless [`record`](Self::record) is on.
    pub fn handled(&self) -> Option<&M> {
        self.log.as_ref()?.handled.as_ref()
    }

    /// The messages that the last step sent, one for each [`Entry::Sent`] and in their order; empty unless
    /// [`record`](Self::record) is on.
    pub fn sent(&self) -> &[M] {
        self.log.as_ref().map_or(&[], |log| &log.sent)
    }

    /// Keeps for each step what it did and which messages it was about, or stops keeping it. Changes nothing of the run.
    pub fn record(&mut self, on: bool) {
        self.log = on.then(|| Log::new(Keeps::Messages));
        self.dice.record = on.then(Vec::new);
    }

    /// Keeps for each step what it did, but no copy of a message: that would cost more than all the rest.
    pub(crate) fn record_entries(&mut self) {
        self.record(true);
        self.log = Some(Log::new(Keeps::Entries));
    }

    /// What several nodes share.
    pub fn shared(&self) -> &M::Shared {
        &self.shared
    }

    /// The panic of an actor that ended this run.
    pub fn panic(&self) -> Option<&Panic> {
        self.panic.as_ref()
    }

    /// The clocks of a node, and how they went so far.
    pub fn clocks(&self, node: NodeId) -> Clocks {
        let set = || Clocks::new(self.ground.system.nodes[node.0 as usize].clock);
        self.plight(node).map_or_else(set, |plight| plight.clocks.clone())
    }

    /// Whether a fault freezes a node that is up.
    pub fn is_paused(&self, node: NodeId) -> bool {
        self.frozen_by(node).is_some()
    }

    /// Whether a node is up.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.nodes[node.0 as usize].down == 0
    }

    /// The how-manieth life of a node it is, from 1; of a node that is down, the next one.
    pub fn life(&self, node: NodeId) -> u32 {
        self.nodes[node.0 as usize].life
    }

    /// When a timer of a node is due, in true time; `None` when it is not set, or set for ever.
    pub fn due(&self, node: NodeId, timer: Timer) -> Option<Instant> {
        let slot = self.nodes[node.0 as usize].timers.get(timer.0 as usize)?;
        (slot.due < FOREVER).then_some(slot.due)
    }

    /// The actor of a node, if it is an `A`.
    pub fn actor<A: Actor<M> + 'static>(&self, node: NodeId) -> Option<&A> {
        self.nodes.get(node.0 as usize)?.actor.as_any().downcast_ref()
    }

    /// The state of a node's actor, as its `Serialize` shows it.
    ///
    /// # Errors
    /// When the state does not serialise to JSON.
    pub fn state(&self, node: NodeId) -> Result<serde_json::Value, serde_json::Error> {
        self.nodes[node.0 as usize].actor.state()
    }

    /// How many times each fault of the schedule did something, by its place: envelopes lost, cut, delayed, doubled; nodes
    /// struck. A decision counts as one when its question came up.
    pub fn touched(&self) -> Vec<u64> {
        let mut touched = self.weather.touched.clone();
        let mut applied = self.dice.applied().iter();
        for (fault, count) in self.ground.system.faults().iter().zip(&mut touched) {
            if matches!(fault, crate::fault::Fault::Decision(_)) {
                *count = applied.next().map_or(0, |applied| u64::from(*applied));
            }
        }
        touched
    }

    /// From now on the decision at that place of the schedule says this instead: the same question, another answer.
    ///
    /// False, and nothing changes, when its question has come up already or no decision stands there. For forks: what a run
    /// would have come to, had only this been otherwise.
    #[must_use]
    pub fn overrule(&mut self, place: usize, said: &crate::fault::Decision) -> bool {
        let faults = self.ground.system.faults();
        let is_decision = |fault: &crate::fault::Fault| matches!(fault, crate::fault::Fault::Decision(_));
        if !faults.get(place).is_some_and(is_decision) {
            return false;
        }
        let nth = faults[..place].iter().filter(|fault| is_decision(fault)).count();
        self.dice.overrule(nth, crate::schedule::answer(said))
    }

    /// From now on the fault at that place of the schedule never begins (again).
    ///
    /// False, and nothing changes, when it holds now or stands nowhere in the plan.
    #[must_use]
    pub fn lift(&mut self, place: usize) -> bool {
        u32::try_from(place).is_ok_and(|place| self.cursor.lift(&self.ground.plan, place))
    }

    /// Takes the next thing that would happen out of the run, without its happening: the envelope is lost without a word, the
    /// timer never goes off, the disk never answers, the node does not start (and is up all the same). Says what it would have
    /// been.
    ///
    /// `None`, and nothing changes, when nothing would happen, or a fault next: a fault is [lifted](Self::lift). No event is
    /// numbered, time stands still, and the digest does not know of it. For forks: what a run would have come to without one
    /// event.
    pub fn forgo(&mut self) -> Option<Happening> {
        self.notes.clear();
        if let Some(log) = &mut self.log {
            log.clear();
        }
        if self.panic.is_some() {
            return None;
        }
        let fault_at = self.cursor.next();
        while self.now < fault_at
            && let Some(due) = self.first.pop_front()
        {
            let forgone = match due {
                _ if self.waits(due) => None,
                Due::Event(pending) => self.take(pending),
                Due::Start(Starting { node, life, .. }) => {
                    let this = &self.nodes[node.0 as usize];
                    (this.life == life && this.down == 0).then_some(Happening::Started { node, life })
                }
            };
            if forgone.is_some() {
                return forgone;
            }
        }
        while let Some((at, pending)) = self.queue.pop_before(fault_at) {
            let last = std::mem::replace(&mut self.now, at);
            let forgone = if self.waits(Due::Event(pending)) { None } else { self.take(pending) };
            self.now = last;
            if forgone.is_some() {
                return forgone;
            }
        }
        None
    }

    /// The end of the last fault of the schedule that ends; [`Instant::ZERO`] when none does.
    pub fn last_fault_end(&self) -> Instant {
        self.cursor.last_end(&self.ground.plan, &self.dice)
    }

    /// The rolling digest: every event so far and its effects.
    #[inline]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The rolling digest together with the state of all nodes and what they share.
    ///
    /// # Errors
    /// When a state does not serialise to JSON.
    pub fn checkpoint(&self) -> Result<Digest, serde_json::Error> {
        let mut fold = Fold::from(self.digest);
        for node in &self.nodes {
            fold.word(node.actor.fingerprint()?);
            fold.word(node.disk.fingerprint());
        }
        fold.word(crate::digest::state_fingerprint(&self.shared)?);
        Ok(fold.digest())
    }

    fn system(&self) -> &crate::system::System<M> {
        &self.ground.system
    }

    /// Folds one event into the digest and numbers it.
    #[inline]
    fn count(&mut self, tag: u64, what: u64) {
        self.number += 1;
        let mut fold = Fold::from(self.digest);
        fold.word(self.now.nanos() ^ tag.rotate_right(4));
        fold.word(what);
        self.digest = fold.digest();
    }

    #[inline]
    fn stepped(&mut self, node: Option<NodeId>, what: Happening, cause: Cause, sent: u64) -> Step {
        let before = node.and_then(|node| {
            let last = &mut self.nodes[node.0 as usize].last;
            let before = (*last > 0).then_some(*last);
            *last = self.number;
            before
        });
        let by = (sent > 0).then_some(sent);
        Step { number: self.number, at: self.now, what, cause, before, by }
    }

    fn happen(&mut self, pending: Pending) -> Option<Step> {
        if !self.plights.is_empty() && self.waits(Due::Event(pending)) {
            return None;
        }
        match pending.what {
            What::Letter { from, to, letter, form } => self.letter_arrives(pending, from, to, letter, form),
            What::Timer { node, timer } => self.timer_due(pending, node, timer),
            What::Synced { node, life, sync, number, over } => {
                self.disk_answers(pending, node, life, sync, number, over)
            }
        }
    }

    /// What is pending as the event it would have been; `None` of what is stale.
    fn take(&mut self, pending: Pending) -> Option<Happening> {
        match pending.what {
            What::Letter { from, to, letter, form } => {
                let kind = self.letters.take(letter)?.kind();
                Some(match form {
                    _ if self.nodes[to.0 as usize].down > 0 => Happening::Undelivered { from, to, kind },
                    Form::Message => Happening::Delivered { from, to, kind },
                    Form::Refused => Happening::Refused { by: from, to, kind },
                    Form::Reset => Happening::Reset { by: from, to, kind },
                })
            }
            What::Timer { node, timer } => {
                self.take_timer(pending, node, timer).map(|_| Happening::Fired { node, timer })
            }
            What::Synced { node, life, sync, .. } => {
                let this = &self.nodes[node.0 as usize];
                (this.life == life && this.down == 0).then_some(Happening::Synced { node, sync })
            }
        }
    }

    fn letter_arrives(&mut self, pending: Pending, from: NodeId, to: NodeId, letter: u32, form: Form) -> Option<Step> {
        let Pending { cause, sent, .. } = pending;
        let msg = self.letters.take(letter)?;
        let kind = msg.kind();
        if let Some(log) = &mut self.log
            && log.messages == Keeps::Messages
        {
            log.handled = Some(msg.clone());
        }
        self.count(1 + form as u64, u64::from(from.0) << 32 | u64::from(to.0) | u64::from(kind.0) << 48);
        if self.nodes[to.0 as usize].down > 0 {
            let step = self.stepped(None, Happening::Undelivered { from, to, kind }, cause, sent);
            if form == Form::Message {
                self.refuse(from, to, msg, cause);
            }
            return Some(step);
        }
        let (what, event) = match form {
            Form::Message => (Happening::Delivered { from, to, kind }, Event::Message { from, msg }),
            Form::Refused => (Happening::Refused { by: from, to, kind }, Event::Refused { by: from, msg }),
            Form::Reset => (Happening::Reset { by: from, to, kind }, Event::Reset { by: from, msg }),
        };
        let step = self.stepped(Some(to), what, cause, sent);
        self.handle(to, event, cause);
        Some(step)
    }

    fn timer_due(&mut self, pending: Pending, node: NodeId, timer: Timer) -> Option<Step> {
        let (cause, set) = self.take_timer(pending, node, timer)?;
        self.count(4, u64::from(node.0) << 32 | u64::from(timer.0));
        let step = self.stepped(Some(node), Happening::Fired { node, timer }, cause, set);
        self.handle(node, Event::Timer(timer), cause);
        Some(step)
    }

    /// Takes a timer that is due, with its cause and the event that set it; `None` when its entry is stale.
    #[inline]
    fn take_timer(&mut self, pending: Pending, node: NodeId, timer: Timer) -> Option<(Cause, u64)> {
        let slot = self.nodes[node.0 as usize].timers.get_mut(timer.0 as usize)?;
        if slot.queued != self.now {
            return None;
        }
        slot.queued = Instant::NEVER;
        if slot.due == Instant::NEVER {
            return None;
        }
        if slot.due > self.now {
            slot.queued = slot.due;
            if slot.due < FOREVER {
                self.queue.push(slot.due, pending);
            }
            return None;
        }
        slot.due = Instant::NEVER;
        Some((slot.cause, slot.set))
    }

    fn node_starts(&mut self, starting: Starting) -> Option<Step> {
        let Starting { node, life, sent } = starting;
        if self.waits(Due::Start(starting)) {
            return None;
        }
        let this = &mut self.nodes[node.0 as usize];
        if this.life != life || this.down > 0 {
            return None;
        }
        let files = this.disk.after_crash();
        let cause = Cause::root("life", self.names().node(node), u64::from(life));
        self.count(5, u64::from(node.0) << 32 | u64::from(life));
        let step = self.stepped(Some(node), Happening::Started { node, life }, cause, sent);
        self.handle(node, Event::Start(files), cause);
        Some(step)
    }

    fn disk_answers(
        &mut self,
        pending: Pending,
        node: NodeId,
        life: u32,
        sync: Sync,
        number: u64,
        over: Option<Result<(), DiskError>>,
    ) -> Option<Step> {
        let this = &self.nodes[node.0 as usize];
        if this.life != life || this.down > 0 || over.is_none() && self.stalls(node, pending) {
            return None;
        }
        let done = over.unwrap_or_else(|| self.end_sync(node, number));
        self.count(6, u64::from(node.0) << 32 | u64::from(sync.0));
        let step = self.stepped(Some(node), Happening::Synced { node, sync }, pending.cause, pending.sent);
        if done.is_err() {
            self.fold(u64::MAX);
        }
        self.handle(node, Event::Synced(sync, done), pending.cause);
        Some(step)
    }

    fn handle(&mut self, node: NodeId, event: Event<M>, cause: Cause) {
        self.dice.restart();
        let ground = &*self.ground;
        let clock = ground.system.nodes[node.0 as usize].clock;
        let this = &mut self.nodes[node.0 as usize];
        let plight = self.plights.get(node.0 as usize).and_then(Option::as_deref);
        let (now, wall, factor) = match plight {
            None => (clock.monotonic(self.now), clock.wall(self.now), Factor::ONE),
            Some(plight) => (plight.clocks.monotonic(self.now), plight.clocks.wall(self.now), plight.factor()),
        };
        let mut cx = Context {
            node,
            life: this.life,
            now,
            wall,
            strain: Strain::new(factor),
            cause,
            names: &ground.system.names,
            up: &self.up,
            kind_keys: &ground.kind_keys,
            dice: &mut self.dice,
            effects: &mut self.effects,
            notes: &mut self.notes,
            shared: &mut self.shared,
        };
        let actor = &mut this.actor;
        let outcome = catch_unwind(AssertUnwindSafe(|| actor.handle(event, &mut cx)));
        if let Some(plight) = plight {
            if cx.strain.works > 0 {
                self.weather.touch(plight.slowed_by());
            }
            if cx.strain.looked.get() {
                self.weather.touch(plight.wrong_by());
            }
        }
        self.log_draws(node);
        if let Err(panic) = outcome {
            self.effects.clear();
            return self.found(node, &*panic);
        }
        self.fold_notes();
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            self.perform(node, effect);
        }
        // Nothing is asked for while this is performed: what is put back replaces a list that never held anything.
        std::mem::forget(std::mem::replace(&mut self.effects, effects));
    }

    /// Ends the run: the state may be torn after a panic, and nothing acts on it again.
    #[cold]
    fn found(&mut self, node: NodeId, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let message = text.unwrap_or_else(|| "an actor panicked with something that is no text".to_owned());
        self.panic = Some(Panic { event: self.number, node, message });
    }

    fn log_draws(&mut self, node: NodeId) {
        if let (Some(log), Some(draws)) = (&mut self.log, &mut self.dice.record) {
            log.entries.extend(draws.drain(..).map(|draw| Entry::Drew { node, draw }));
        }
    }

    #[inline]
    fn fold_notes(&mut self) {
        if !self.notes.is_empty() {
            let mut fold = Fold::from(self.digest);
            self.notes.hash(&mut fold);
            self.digest = fold.digest();
        }
    }

    #[inline]
    fn fold(&mut self, word: u64) {
        let mut fold = Fold::from(self.digest);
        fold.word(word);
        self.digest = fold.digest();
    }

    fn perform(&mut self, node: NodeId, effect: Effect<M>) {
        match effect {
            Effect::Send { to, msg, cause } => self.send(node, to, msg, cause, Form::Message),
            Effect::Set { timer, after, cause } => self.set(node, timer, after, cause),
            Effect::Cancel { timer } => {
                self.fold(0xC0_0000_0000 | u64::from(timer.0));
                if let Some(slot) = self.nodes[node.0 as usize].timers.get_mut(timer.0 as usize) {
                    slot.due = Instant::NEVER;
                }
                self.log_entry(|| Entry::Cancelled { node, timer });
            }
            Effect::Ring { node, life, timer, cause } => self.ring(node, life, timer, cause),
            Effect::Append { file, record } => {
                self.fold_record(&file, &record);
                self.nodes[node.0 as usize].disk.append(file, record);
            }
            Effect::Replace { file, record } => {
                self.fold_record(&file, &record);
                self.nodes[node.0 as usize].disk.replace(file, record);
            }
            Effect::Sync { sync, cause } => self.sync(node, sync, cause),
            Effect::Mark(name) => {
                self.fold(name_hash(name));
                self.log_entry(|| Entry::Marked { node, name });
            }
        }
    }

    fn fold_record(&mut self, file: &str, record: &[u8]) {
        let mut fold = Fold::from(self.digest);
        (file, record).hash(&mut fold);
        self.digest = fold.digest();
    }

    #[inline]
    fn log_entry(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(log) = &mut self.log {
            log.entries.push(entry());
        }
    }

    fn log_each(&mut self, nodes: &[NodeId], entry: impl Fn(NodeId) -> Entry) {
        if let Some(log) = &mut self.log {
            log.entries.extend(nodes.iter().map(|node| entry(*node)));
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, msg: M, cause: Cause, form: Form) {
        let ground = &*self.ground;
        debug_assert!((to.0 as usize) < self.nodes.len(), "the context refuses nodes that are not there");
        let kind = msg.kind();
        let mut fold = Fold::from(self.digest);
        fold.word(u64::from(to.0) << 8 | form as u64);
        msg.hash(&mut fold);
        let ruling = if self.dice.has_rulings() && form == Form::Message {
            self.dice.rule_envelope(from, to, kind, cause.operation)
        } else {
            None
        };
        let link = ground.system.links.get(from, to);
        let envelope = Envelope { from, to, kind, cause, at: self.now };
        let disturbances = &ground.plan.disturbances;
        let (fate, fault) = self.weather.fate(envelope, link, disturbances, &self.dice, ruling.as_ref());
        if let Some(log) = &mut self.log {
            let (dice, mut weather) = (self.dice.calmed(), self.weather.clone());
            let (calm, _) = weather.fate(envelope, link, disturbances, &dice, None);
            log.entries.push(Entry::Sent { from, to, kind, cause, fate, fault, calm, form });
            if log.messages == Keeps::Messages {
                log.sent.push(msg.clone());
            }
        }
        let pending = |letter| Pending { cause, sent: self.number, what: What::Letter { from, to, letter, form } };
        match fate {
            Fate::Arrives(after) => {
                fold.word(after.nanos());
                self.queue.push(self.now + after, pending(self.letters.put(msg)));
            }
            Fate::ArrivesTwice(first, second) => {
                fold.word(first.nanos() ^ second.nanos().rotate_left(32) ^ 2);
                self.queue.push(self.now + first, pending(self.letters.put(msg.clone())));
                let copy = Pending { cause: cause.then(COPY), ..pending(self.letters.put(msg)) };
                self.queue.push(self.now + second, copy);
            }
            Fate::Lost => fold.word(u64::MAX),
            Fate::Cut => fold.word(u64::MAX - 1),
            Fate::Held(after) => {
                fold.word(after.nanos() ^ u64::MAX >> 2);
                let pending = pending(self.letters.put(msg));
                self.clogged.push(Clogged { pending, after });
            }
            Fate::HeldTwice(first, second) => {
                fold.word(first.nanos() ^ second.nanos().rotate_left(32) ^ u64::MAX >> 3);
                let original = pending(self.letters.put(msg.clone()));
                let copy = Pending { cause: cause.then(COPY), ..pending(self.letters.put(msg)) };
                self.clogged.push(Clogged { pending: original, after: first });
                self.clogged.push(Clogged { pending: copy, after: second });
            }
        }
        self.digest = fold.digest();
    }

    /// A stopped machine answers an envelope, if the link back brings answers.
    fn refuse(&mut self, asker: NodeId, machine: NodeId, msg: M, cause: Cause) {
        if self.system().links.get(machine, asker).answers {
            self.send(machine, asker, msg, cause.then(ANSWER), Form::Refused);
        }
    }

    fn set(&mut self, node: NodeId, timer: Timer, after: Duration, cause: Cause) {
        let true_length = match self.plights.get(node.0 as usize).and_then(Option::as_deref) {
            None => self.system().nodes[node.0 as usize].clock.true_length(after),
            Some(plight) => {
                let true_length = plight.clocks.true_length(after);
                if true_length != after {
                    self.weather.touch(plight.drifting_by());
                }
                true_length
            }
        };
        let due = (self.now + true_length).min(FOREVER);
        self.fold(due.nanos() ^ u64::from(timer.0).rotate_right(16));
        self.arm(node, timer, due, cause);
        self.log_entry(|| Entry::Set { node, timer, due });
    }

    fn arm(&mut self, node: NodeId, timer: Timer, due: Instant, cause: Cause) {
        let set = self.number;
        let timers = &mut self.nodes[node.0 as usize].timers;
        if timers.len() <= timer.0 as usize {
            timers.resize(timer.0 as usize + 1, UNSET);
        }
        let slot = &mut timers[timer.0 as usize];
        // A timer that is stopped and set again stands in line anew; one that is only moved back keeps its place.
        let keeps_entry = slot.due != Instant::NEVER && slot.queued <= due;
        slot.due = due;
        slot.cause = cause;
        slot.set = set;
        if !keeps_entry {
            slot.queued = due;
            if due < FOREVER {
                self.queue.push(due, Pending { cause, sent: set, what: What::Timer { node, timer } });
            }
        }
    }

    fn ring(&mut self, node: NodeId, life: u32, timer: Timer, cause: Cause) {
        self.fold(0xB0_0000_0000 | u64::from(timer.0) ^ u64::from(node.0) << 40);
        let Some(there) = self.nodes.get(node.0 as usize) else { return };
        let set = there.timers.get(timer.0 as usize).is_some_and(|slot| slot.due != Instant::NEVER);
        if there.life == life && there.down == 0 && set {
            self.arm(node, timer, self.now, cause);
        }
    }

    fn sync(&mut self, node: NodeId, sync: Sync, cause: Cause) {
        const LENGTH: Purpose = Purpose::new("sync");
        self.syncs += 1;
        let number = self.syncs;
        let dist = self.system().nodes[node.0 as usize].sync.clone();
        self.dice.restart();
        let mut after = self.dice.length(node, cause, LENGTH, &dist);
        if let Some(Some(plight)) = self.plights.get(node.0 as usize)
            && !after.is_zero()
        {
            let (factor, by) = plight.sync_factor();
            after = factor.stretch(after);
            self.weather.touch(by);
        }
        self.log_draws(node);
        self.fold(after.nanos());
        let this = &mut self.nodes[node.0 as usize];
        this.disk.begin_sync(number);
        let what = What::Synced { node, life: this.life, sync, number, over: None };
        self.queue.push(self.now + after, Pending { cause, sent: self.number, what });
    }

    fn turn_of_fault(&mut self) -> Option<Step> {
        let ground = self.ground.clone();
        let (fault, change) = self.cursor.advance(&ground.plan, &self.dice)?;
        let begins = matches!(change, Change::DisturbanceBegins { .. } | Change::Strike(..));
        self.count(if begins { 7 } else { 8 }, u64::from(fault));
        let what = if begins { Happening::FaultBegan { fault } } else { Happening::FaultEnded { fault } };
        let cause = Cause::root("fault", "step", self.number);
        let step = self.stepped(None, what, cause, 0);
        match change {
            Change::DisturbanceBegins { lineage, drawn } => {
                self.log_each(&drawn, |node| Entry::Struck { node });
                let severed = match &ground.plan.disturbances[fault as usize] {
                    Some(Disturbance::Split { split, .. }) => Some(split.severed(&drawn, self.nodes.len())),
                    _ => None,
                };
                let at = self.weather.active.partition_point(|other| other.fault <= fault);
                self.weather.active.insert(at, Active { fault, lineage, severed });
                self.take_flight(at);
                self.hold_flight(fault);
            }
            Change::DisturbanceEnds { drawn } => {
                self.log_each(&drawn, |node| Entry::Released { node });
                if let Some(at) = self.weather.active.iter().position(|active| active.fault == fault) {
                    self.weather.active.remove(at);
                }
                self.let_go();
            }
            Change::Strike(nodes, blow, bits) => {
                for node in nodes {
                    self.strike(node, blow, fault, bits);
                }
            }
            Change::Release(nodes, blow) => {
                for node in nodes {
                    self.release(node, blow, fault);
                }
            }
        }
        Some(step)
    }

    /// Loses what is already on the way where a fault that says so begins to cut, whether or not it still cuts when that would
    /// have arrived.
    fn take_flight(&mut self, place: usize) {
        let active = &self.weather.active[place];
        let fault = active.fault;
        let Some(disturbance) = &self.ground.plan.disturbances[fault as usize] else { return };
        if !disturbance.takes_flight() {
            return;
        }
        let mut taken = 0;
        for pending in self.queue.iter().chain(self.clogged.iter().map(|clogged| &clogged.pending)) {
            if let What::Letter { from, to, letter, .. } = pending.what
                && let slot = &mut self.letters.slots[letter as usize]
                && slot.as_ref().is_some_and(|msg| active.cuts(disturbance, from, to, msg.kind()))
            {
                // Its entry in the queue finds nothing when it pops.
                *slot = None;
                taken += 1;
            }
        }
        self.weather.touched[fault as usize] += taken;
        self.fold(taken);
    }

    /// Takes a node down; what it owed is reset, what it remembered is gone.
    fn strike(&mut self, node: NodeId, blow: Blow, fault: u32, bits: u64) {
        self.log_entry(|| Entry::Struck { node });
        if let Blow::Ails(ailment) = blow {
            return self.ail(node, ailment, fault, bits);
        }
        self.weather.touched[fault as usize] += 1;
        let ground = self.ground.clone();
        let this = &mut self.nodes[node.0 as usize];
        this.down += 1;
        match blow {
            Blow::Ails(_) | Blow::Crash => {}
            Blow::CrashWiping => this.disk.wipe(),
            Blow::PowerLoss => {
                let plight = self.plights.get(node.0 as usize).and_then(Option::as_deref);
                match plight.and_then(|plight| plight.ill_by(DiskIll::TornWrite)) {
                    None => _ = this.disk.lose_power(),
                    Some(torn) => self.weather.touched[torn as usize] += u64::from(this.disk.tear()),
                }
            }
        }
        if this.down > 1 {
            return;
        }
        self.up[node.0 as usize] = false;
        this.life += 1;
        this.last = self.number;
        this.timers.fill(UNSET);
        let nodes = ground.system.nodes.len();
        let owed = catch_unwind(AssertUnwindSafe(|| {
            let owed = this.actor.unanswered();
            let stranger = owed.iter().find(|owed| owed.from.0 as usize >= nodes);
            assert!(stranger.is_none(), "an unanswered request of a node that is not there");
            owed
        }));
        this.actor = ground.system.nodes[node.0 as usize].pristine.boxed();
        self.log_entry(|| Entry::Down { node });
        let owed = match owed {
            Ok(owed) => owed,
            Err(panic) => return self.found(node, &*panic),
        };
        for owed in owed {
            if ground.system.links.get(node, owed.from).answers {
                self.send(node, owed.from, owed.msg, owed.cause.then(ANSWER), Form::Reset);
            }
        }
        self.lose_what_waits(node);
    }

    /// A node that crashes while it is frozen resets what it had received and never looked at.
    fn lose_what_waits(&mut self, node: NodeId) {
        let plight = self.plights.get_mut(node.0 as usize).and_then(Option::as_mut);
        let waiting = plight.map(|plight| {
            plight.stalled.clear();
            std::mem::take(&mut plight.waiting)
        });
        for due in waiting.unwrap_or_default() {
            if let Due::Event(Pending { cause, what: What::Letter { from, letter, form, .. }, .. }) = due
                && let Some(msg) = self.letters.take(letter)
                && form == Form::Message
                && self.system().links.get(node, from).answers
            {
                self.send(node, from, msg, cause.then(ANSWER), Form::Reset);
            }
        }
    }

    /// Lets a node up again, once nothing holds it down.
    fn release(&mut self, node: NodeId, blow: Blow, fault: u32) {
        self.log_entry(|| Entry::Released { node });
        if let Blow::Ails(ailment) = blow {
            return self.ease(node, ailment, fault);
        }
        let this = &mut self.nodes[node.0 as usize];
        this.down -= 1;
        if this.down == 0 {
            self.up[node.0 as usize] = true;
            this.last = self.number;
            self.begin_life(node);
        }
    }

    fn begin_life(&mut self, node: NodeId) {
        let life = self.nodes[node.0 as usize].life;
        self.first.push_back(Due::Start(Starting { node, life, sent: self.number }));
    }
}

/// What ails nodes that stay up, and what clogs hold.
impl<M: Message> Sim<M> {
    fn plight(&self, node: NodeId) -> Option<&Plight<Due>> {
        self.plights.get(node.0 as usize)?.as_deref()
    }

    /// Puts a sync aside that is due while its disk stalls.
    fn stalls(&mut self, node: NodeId, pending: Pending) -> bool {
        let Some(Some(plight)) = self.plights.get_mut(node.0 as usize) else { return false };
        let Some(fault) = plight.ill_by(DiskIll::Stall) else { return false };
        plight.stalled.push(Due::Event(pending));
        self.weather.touched[fault as usize] += 1;
        true
    }

    /// A sync is over: it has made its records durable, or what ails the disk has it do otherwise.
    fn end_sync(&mut self, node: NodeId, number: u64) -> Result<(), DiskError> {
        let disk = &mut self.nodes[node.0 as usize].disk;
        let Some(Some(plight)) = self.plights.get(node.0 as usize) else {
            disk.end_sync(number);
            return Ok(());
        };
        let fails = plight.ill_by(DiskIll::SyncFails);
        match fails.or_else(|| plight.ill_by(DiskIll::SyncLies)) {
            None => disk.end_sync(number),
            Some(fault) => {
                disk.forget_sync(number);
                self.weather.touched[fault as usize] += 1;
            }
        }
        if fails.is_some() { Err(DiskError::SyncFailed) } else { Ok(()) }
    }

    fn frozen_by(&self, node: NodeId) -> Option<u32> {
        self.plight(node).filter(|_| self.is_up(node))?.frozen_by()
    }

    /// Puts what is due aside while the node it comes to is frozen. What is stale is left to be dropped as ever.
    #[cold]
    fn waits(&mut self, mut due: Due) -> bool {
        let node = match due {
            Due::Start(starting) => starting.node,
            Due::Event(pending) => pending.what.node(),
        };
        let Some(fault) = self.frozen_by(node) else { return false };
        if let Due::Event(pending @ Pending { what: What::Synced { life, number, over: None, .. }, .. }) = due {
            // The disk goes on; only its answer waits.
            if self.life(node) != life || self.stalls(node, pending) {
                return true;
            }
            let done = self.end_sync(node, number);
            if let Due::Event(Pending { what: What::Synced { over, .. }, .. }) = &mut due {
                *over = Some(done);
            }
        }
        let this = &mut self.nodes[node.0 as usize];
        let lives = match due {
            Due::Start(starting) => this.life == starting.life,
            Due::Event(pending) => match pending.what {
                What::Letter { letter, .. } => self.letters.slots[letter as usize].is_some(),
                What::Timer { timer, .. } => {
                    let slot = &mut this.timers[timer.0 as usize];
                    let is_due = slot.queued == self.now && slot.due <= self.now;
                    if is_due {
                        slot.queued = Instant::NEVER;
                    }
                    is_due
                }
                What::Synced { life, .. } => this.life == life,
            },
        };
        if lives && let Some(Some(plight)) = self.plights.get_mut(node.0 as usize) {
            plight.waiting.push(due);
            self.weather.touched[fault as usize] += 1;
        }
        lives
    }

    /// Something begins to ail a node.
    fn ail(&mut self, node: NodeId, ailment: Ailment, fault: u32, bits: u64) {
        if ailment == Ailment::Disk(DiskIll::BitRot) {
            let bits = mix(bits, name_hash(self.names().node(node)));
            let rotten = self.nodes[node.0 as usize].disk.rot(bits);
            self.weather.touched[fault as usize] += u64::from(rotten);
        }
        let now = self.now;
        self.treat(node, |plight| plight.begin(fault, ailment, now));
    }

    /// Something ails a node no more; what has waited comes now, before all else.
    fn ease(&mut self, node: NodeId, ailment: Ailment, fault: u32) {
        let now = self.now;
        self.treat(node, |plight| plight.end(fault, ailment, now));
        let Some(Some(plight)) = self.plights.get_mut(node.0 as usize) else { return };
        if plight.ill_by(DiskIll::Stall).is_none() {
            self.first.extend(plight.stalled.drain(..));
        }
        if plight.frozen_by().is_some() {
            return;
        }
        for due in std::mem::take(&mut plight.waiting) {
            if let Due::Event(Pending { what: What::Timer { timer, .. }, .. }) = due {
                let slot = &mut self.nodes[node.0 as usize].timers[timer.0 as usize];
                (slot.due, slot.queued) = (now, now);
            }
            self.first.push_back(due);
        }
    }

    /// Changes what ails a node, and moves its timers to where their lengths end on its clock, if that has changed.
    fn treat(&mut self, node: NodeId, change: impl FnOnce(&mut Plight<Due>)) {
        let clock = self.system().nodes[node.0 as usize].clock;
        let nodes = self.nodes.len();
        self.plights.resize_with(nodes, || None);
        let plight = self.plights[node.0 as usize].get_or_insert_with(|| Box::new(Plight::new(clock)));
        let before = plight.clocks.speed();
        change(plight);
        if plight.clocks.speed() == before {
            return;
        }
        let now = self.now;
        let mut moved = 0;
        for (number, slot) in self.nodes[node.0 as usize].timers.iter_mut().enumerate() {
            if slot.due <= now || slot.due >= FOREVER {
                continue;
            }
            let due = (now + plight.clocks.retimed(slot.due.since(now), before)).min(FOREVER);
            moved += 1;
            slot.due = due;
            // Later, its entry in the queue moves by itself when it pops.
            if due < slot.queued {
                slot.queued = due;
                let what = What::Timer { node, timer: Timer(number as u32) };
                self.queue.push(due, Pending { cause: slot.cause, sent: slot.set, what });
            }
        }
        if moved > 0 {
            self.weather.touch(plight.drifting_by());
        }
        self.fold(moved);
    }

    /// Takes what is already on the way out of the air where a clog that says so begins.
    fn hold_flight(&mut self, fault: u32) {
        let Some(disturbance) = &self.ground.plan.disturbances[fault as usize] else { return };
        if !disturbance.holds_flight() {
            return;
        }
        let holds = |pending: &Pending| match pending.what {
            What::Letter { from, to, letter, .. } => {
                self.letters.slots[letter as usize].as_ref().is_some_and(|msg| disturbance.clogs(from, to, msg.kind()))
            }
            What::Timer { .. } | What::Synced { .. } => false,
        };
        let mut held: Vec<(Instant, Pending)> =
            self.queue.entries().filter(|(_, pending)| holds(pending)).map(|(at, pending)| (at, *pending)).collect();
        // In the order in which they would have arrived; those of one instant stand in theirs already.
        held.sort_by_key(|(at, _)| *at);
        self.weather.touched[fault as usize] += held.len() as u64;
        self.fold(held.len() as u64);
        for (_, mut pending) in held {
            let What::Letter { letter, .. } = &mut pending.what else { continue };
            // Its entry in the queue finds nothing when it pops.
            let Some(msg) = self.letters.slots[*letter as usize].take() else { continue };
            *letter = self.letters.put(msg);
            self.clogged.push(Clogged { pending, after: Duration::ZERO });
        }
    }

    /// Sends on what no clog holds any more, in its order.
    fn let_go(&mut self) {
        if self.clogged.is_empty() {
            return;
        }
        for Clogged { pending, after } in std::mem::take(&mut self.clogged) {
            let What::Letter { from, to, letter, .. } = pending.what else { continue };
            let Some(msg) = &self.letters.slots[letter as usize] else {
                // It was taken from the air while it waited.
                self.letters.free.push(letter);
                continue;
            };
            if self.weather.clog(from, to, msg.kind(), &self.ground.plan.disturbances).is_some() {
                self.clogged.push(Clogged { pending, after });
            } else {
                self.queue.push(self.now + after, pending);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dist, Link, Seed, System};

    #[derive(Clone, Hash, serde::Serialize)]
    struct Ball(u32);

    impl Message for Ball {
        type Note = u32;
        type Shared = ();
        const KINDS: &'static [&'static str] = &["ball"];
        fn kind(&self) -> Kind {
            Kind(0)
        }
    }

    /// Throws a ball to and fro, and a new one whenever none has come for a while.
    #[derive(Clone, serde::Serialize)]
    struct Player {
        peer: NodeId,
        serves: bool,
        last: u32,
    }

    impl Actor<Ball> for Player {
        fn handle(&mut self, event: Event<Ball>, cx: &mut Context<'_, Ball>) {
            match event {
                Event::Start(_) if !self.serves => return,
                Event::Message { msg: Ball(number), .. } => self.last = self.last.max(number),
                _ => {}
            }
            if self.last < 40 {
                cx.note(self.last);
                cx.send(self.peer, Ball(self.last + 1));
                cx.set(Timer(0), Duration::from_millis(100));
            } else {
                cx.cancel(Timer(0));
            }
        }
    }

    fn game(fault: Option<&str>) -> Sim<Ball> {
        let mut system = System::new();
        system.node("a", Player { peer: NodeId(1), serves: true, last: 0 });
        system.node("b", Player { peer: NodeId(0), serves: false, last: 0 });
        system.network(Link::with_latency(Dist::Exponential(Duration::from_millis(10))));
        if let Some(fault) = fault {
            system.fault(fault.parse().unwrap());
        }
        system.start(Seed(5)).unwrap()
    }

    /// What happens from here on, its numbers left out, and where it ends.
    fn rest(mut sim: Sim<Ball>) -> (Vec<(Instant, Happening, Cause)>, Digest) {
        let mut rest = Vec::new();
        // Whoever has missed the last ball serves for ever.
        while let Some(step) = sim.step_before(Instant::from_nanos(3_000_000_000)) {
            rest.push((step.at, step.what, step.cause));
        }
        let mut state = Fold::from(Digest::default());
        for node in 0..2 {
            sim.state(NodeId(node)).unwrap().to_string().hash(&mut state);
        }
        (rest, state.digest())
    }

    /// A game up to so many events, and what comes next.
    fn up_to(events: u64, fault: Option<&str>) -> (Sim<Ball>, Step) {
        let mut sim = game(fault);
        while sim.events() < events {
            sim.step().expect("it goes on");
        }
        let next = sim.clone().step().expect("it goes on");
        (sim, next)
    }

    #[test]
    fn a_message_that_is_forgone_is_as_good_as_dropped() {
        let (mut sim, next) = up_to(10, None);
        assert!(matches!(next.what, Happening::Delivered { .. }));
        let (from, nth) = {
            let Happening::Delivered { from, .. } = next.what else { unreachable!() };
            let mut again = game(None);
            again.record(true);
            let mut sent = 0;
            while again.events() < next.by.expect("somebody sent it") {
                again.step();
                sent +=
                    again.log().iter().filter(|it| matches!(it, Entry::Sent { from: who, .. } if *who == from)).count();
            }
            (from, sent)
        };
        let (from, to) = if from.0 == 0 { ("a", "b") } else { ("b", "a") };
        let (dropped, _) = up_to(10, Some(&format!("drop {from}->{to} ball #{nth}")));
        let before = sim.now();
        assert_eq!(sim.forgo(), Some(next.what));
        assert_eq!((sim.now(), sim.events()), (before, 10));
        let without = rest(sim);
        assert_eq!(without, rest(dropped));
        assert!(without.0.iter().all(|(_, what, cause)| (*what, *cause) != (next.what, next.cause)));
    }

    #[test]
    fn a_timer_that_is_forgone_never_goes_off_and_a_node_that_is_forgone_does_not_start() {
        let mut sim = game(Some("0s.. cut a->b"));
        assert_eq!(sim.forgo(), None, "the fault comes first");
        assert!(matches!(sim.step().unwrap().what, Happening::FaultBegan { .. }));
        sim.step();
        sim.step();
        let next = sim.clone().step().unwrap();
        assert!(matches!(next.what, Happening::Fired { .. }), "{next:?}");
        assert_eq!(sim.forgo(), Some(next.what));
        assert_eq!((sim.step(), sim.forgo()), (None, None), "nothing else is to come");
        let mut sim = game(None);
        assert_eq!(sim.forgo(), Some(Happening::Started { node: NodeId(0), life: 1 }));
        assert!(sim.is_up(NodeId(0)));
        assert_eq!(rest(sim).0.len(), 1, "nobody serves");
    }

    #[test]
    fn an_envelope_to_a_node_that_is_down_is_forgone_without_a_word() {
        let (mut sim, next) = up_to(3, Some("1ms.. crash b"));
        assert!(matches!(next.what, Happening::Undelivered { .. }), "{next:?}");
        assert_eq!(sim.forgo(), Some(next.what));
        assert_ne!(sim.step().map(|step| step.what), Some(next.what));
    }
}
