//! One run: a system, a seed, and everything that follows from them, one event at a time.
//!
//! A step takes the next fault or the next pending event, lets a node handle it, performs the effects it asked for, and folds
//! all of that into the digest. It prints nothing, judges nothing and keeps no history: recording, judging and drawing are
//! callers. A copy of a run is a fork of it.

mod effects;
mod faults;
mod happen;
mod letters;
mod life;
mod road;
mod step;

use std::collections::VecDeque;
use std::sync::Arc;

use letters::Letters;
pub use step::{Entry, Form, Happening, Panic, Step};

use crate::actor::{Actor, DiskError, Message, Watch};
use crate::asked::Asked;
use crate::clock::{Clock, Clocks};
use crate::context::Strain;
use crate::dice::Dice;
use crate::digest::{Digest, Fold, json_len};
use crate::disk::Disk;
use crate::id::{NodeId, Sync, Timer};
use crate::names::Names;
use crate::network::Weather;
use crate::plight::Plight;
use crate::queue::Queue;
use crate::road::Roads;
use crate::roles::Roles;
use crate::schedule::Cursor;
use crate::seed::{Cause, Seed, name_hash};
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
    /// By node, apart from the nodes: most events ask no disk.
    disks: Vec<Disk>,
    /// By node: what faults do to it that leave it up. Empty until the first does, and apart from the nodes: most runs have none.
    plights: Vec<Option<Box<Plight<Due>>>>,
    /// By node: whether it is up, apart from the nodes so that handlers can be shown it.
    up: Vec<bool>,
    /// What callers learn of that, and when, in its order.
    news: VecDeque<(Instant, NodeId, bool)>,
    /// The `scale` faults that hold, in the order in which they began.
    scales: Vec<Scale>,
    /// By the last fault that began or ended.
    struck: Vec<NodeId>,
    roles: Roles,
    dice: Dice,
    /// Whether no line of the case and no place of the schedule will ever have a word in how an event is handled.
    is_unruled: bool,
    weather: Weather,
    roads: Roads<Pending>,
    cursor: Cursor,
    syncs: u64,
    /// How what ails the node that handles an event ails it; nothing at other times.
    strain: Strain,
    shared: M::Shared,
    digest: Digest,
    notes: Vec<M::Note>,
    effects: Asked<M>,
    log: Option<Log<M>>,
    panic: Option<Panic>,
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

#[derive(Clone, Copy, Debug)]
struct Pending {
    cause: Cause,
    sent: u64,
    what: What,
}

/// What is to come. Its words are all of one size: copies of it stay in registers, or are read back as they were written.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
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
    Synced {
        node: NodeId,
        number: u64,
        life: u32,
        sync: Sync,
    },
    /// A sync was over before its node could hear of it.
    Answered {
        node: NodeId,
        life: u32,
        sync: Sync,
        done: Result<(), DiskError>,
    },
    /// The grace of a node that was asked to stop is over.
    Killed {
        node: NodeId,
        life: u32,
    },
    /// A node that starts again is ready.
    Booted {
        node: NodeId,
        life: u32,
    },
    /// A watch of a node's platform is over, if it was not set anew.
    Lapsed {
        node: NodeId,
        turn: u32,
        watch: Watch,
    },
}

/// An envelope under way.
#[derive(Clone, Copy, Debug)]
struct Letter {
    from: NodeId,
    to: NodeId,
    /// Its place among the messages.
    letter: u32,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
struct Starting {
    node: NodeId,
    life: u32,
    sent: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stopping {
    node: NodeId,
    life: u32,
    grace: Duration,
    cause: Cause,
    sent: u64,
}

/// What is to happen, out of the queue: a node comes up or is to stop, or an event that has waited for a node.
#[derive(Clone, Copy, Debug)]
enum Due {
    Start(Starting),
    Stop(Stopping),
    Event(Pending),
}

/// A `scale` that holds: so many of these nodes are there, the first ones.
#[derive(Clone, Debug)]
struct Scale {
    fault: u32,
    count: u32,
    nodes: Vec<NodeId>,
}

/// An envelope on a clogged link, and how long it takes from when it is let go.
#[derive(Clone, Copy, Debug)]
struct Clogged {
    pending: Pending,
    after: Duration,
    place: Place,
}

/// Where a clog holds an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where it was sent: when it is let go, it still has to stand in line.
    AtSender,
    OnTheWay,
}

impl What {
    /// The node it comes to.
    #[inline]
    fn node(self) -> NodeId {
        match self {
            What::Letter { to, .. } => to,
            What::Timer { node, .. }
            | What::Synced { node, .. }
            | What::Answered { node, .. }
            | What::Killed { node, .. }
            | What::Booted { node, .. }
            | What::Lapsed { node, .. } => node,
        }
    }
}

/// The last start by a platform of what it had ended itself.
#[derive(Clone)]
struct PutOff {
    /// When it was.
    at: Instant,
    /// How long the next one waits, if it comes soon.
    next: Duration,
}

/// A node in this run. What every event asks about stands in the first 64 bytes, one line of a processor's cache, and the rest in the
/// next.
#[repr(C, align(64))]
struct Node<M: Message> {
    actor: Box<dyn Program<M>>,
    clock: Clock,
    timers: Timers,
    /// The event that was handled last.
    last: u64,
    life: u32,
    /// How many faults hold it down.
    down: u32,
    /// How many of them keep it without power.
    dark: u32,
    /// How many faults have asked it to stop and will hold it down.
    stops: u32,
    /// Whether it has been asked to stop.
    stopping: bool,
    /// Whether a `scale`, or that it is spare, holds it down.
    away: bool,
    /// Whether its platform finds it ready, and so lists it.
    ready: bool,
    /// Whether its platform has found it dead and ends it.
    condemned: bool,
    /// By watch: how often it was set or ended. What is pending for an earlier turn is stale.
    watches: [u32; 2],
    /// Which of its other programs it runs, and before that.
    version: Option<u16>,
    before: Vec<Option<u16>>,
    /// Of a platform that puts starts off: how it started it last.
    put_off: Option<Box<PutOff>>,
}

impl<M: Message> Clone for Node<M> {
    fn clone(&self) -> Self {
        Node {
            actor: self.actor.boxed(),
            clock: self.clock,
            timers: self.timers.clone(),
            last: self.last,
            life: self.life,
            down: self.down,
            dark: self.dark,
            stops: self.stops,
            stopping: self.stopping,
            away: self.away,
            ready: self.ready,
            condemned: self.condemned,
            watches: self.watches,
            version: self.version,
            before: self.before.clone(),
            put_off: self.put_off.clone(),
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

/// The timers of a node by their numbers, with room for more.
#[derive(Clone, Debug, Default)]
struct Timers(Box<[TimerSlot]>);

impl Timers {
    /// The place of a timer, set or not.
    #[inline(always)]
    fn place(&mut self, timer: Timer) -> &mut TimerSlot {
        let index = timer.0 as usize;
        if index >= self.0.len() {
            self.extend(index + 1);
        }
        &mut self.0[index]
    }

    #[cold]
    #[inline(never)]
    fn extend(&mut self, count: usize) {
        let mut places = std::mem::take(&mut self.0).into_vec();
        places.reserve_exact(count.next_power_of_two() - places.len());
        places.resize(count.next_power_of_two(), UNSET);
        self.0 = places.into_boxed_slice();
    }

    fn get(&self, timer: Timer) -> Option<&TimerSlot> {
        self.0.get(timer.0 as usize)
    }

    #[inline(always)]
    fn get_mut(&mut self, timer: Timer) -> Option<&mut TimerSlot> {
        self.0.get_mut(timer.0 as usize)
    }

    /// Each with its number.
    fn iter_mut(&mut self) -> impl Iterator<Item = (Timer, &mut TimerSlot)> {
        (0..).map(Timer).zip(&mut self.0)
    }

    /// None is set any more.
    fn clear(&mut self) {
        self.0.fill(UNSET);
    }
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
            disks: self.disks.clone(),
            plights: self.plights.clone(),
            up: self.up.clone(),
            news: self.news.clone(),
            scales: self.scales.clone(),
            struck: self.struck.clone(),
            roles: self.roles.clone(),
            dice: self.dice.clone(),
            is_unruled: self.is_unruled,
            weather: self.weather.clone(),
            roads: self.roads.clone(),
            cursor: self.cursor.clone(),
            syncs: self.syncs,
            strain: Strain::default(),
            shared: self.shared.clone(),
            digest: self.digest,
            notes: self.notes.clone(),
            effects: Asked::new(),
            log: self.log.clone(),
            panic: self.panic.clone(),
        }
    }
}

impl<M: Message> Sim<M> {
    pub(crate) fn new(ground: Arc<Ground<M>>, seed: Seed) -> Self {
        let system = &ground.system;
        let dice = Dice::new(seed, ground.rest, &system.groups, &system.group_names, &ground.rulings);
        let cursor = Cursor::new(&ground.plan, seed.key(PICKS), &dice);
        let fresh = |machine: &crate::system::Machine<M>| Node {
            actor: machine.pristine.boxed(),
            clock: machine.clock,
            timers: Timers::default(),
            last: 0,
            life: 1,
            down: 0,
            dark: 0,
            stops: 0,
            stopping: false,
            away: false,
            ready: true,
            condemned: false,
            watches: [0; 2],
            version: None,
            before: Vec::new(),
            put_off: None,
        };
        let mut sim = Sim {
            seed,
            now: Instant::ZERO,
            number: 0,
            queue: Queue::new(),
            first: VecDeque::new(),
            clogged: Vec::new(),
            letters: Letters::new(),
            nodes: system.nodes.iter().map(fresh).collect(),
            disks: system.nodes.iter().map(|machine| Disk::holding(machine.files.clone())).collect(),
            plights: Vec::new(),
            up: vec![true; system.nodes.len()],
            news: VecDeque::new(),
            scales: Vec::new(),
            struck: Vec::new(),
            roles: Roles::default(),
            is_unruled: !dice.has_rulings() && !ground.plan.is_about_handling(),
            dice,
            weather: Weather { touched: vec![0; system.faults().len()], ..Weather::default() },
            roads: Roads::default(),
            cursor,
            syncs: 0,
            strain: Strain::default(),
            shared: system.shared.clone(),
            digest: Digest::default(),
            notes: Vec::new(),
            effects: Asked::new(),
            log: None,
            panic: None,
            ground,
        };
        sim.discipline();
        for index in 0..sim.nodes.len() {
            if sim.system().nodes[index].spare {
                sim.keep_away(index);
            } else {
                sim.begin_life(NodeId(index as u32));
            }
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
            let before = limit.min(self.cursor.next());
            if !self.first.is_empty() && self.now < before {
                match self.first_happens() {
                    None => continue,
                    step => return step,
                }
            }
            let Some((at, pending)) = self.queue.take_before(before) else { return self.fault_before(limit) };
            let last = std::mem::replace(&mut self.now, at);
            let step = match *pending {
                Pending { cause, sent, what: What::Letter { from, to, letter, form } } if self.plights.is_empty() => {
                    self.letter_arrives(Letter { from, to, letter, form }, cause, sent)
                }
                pending => self.happen(pending),
            };
            if step.is_some() {
                return step;
            }
            // What is stale is no event: time stands where the last one left it.
            self.now = last;
        }
    }

    /// Lets happen what comes before anything else that is due now; `None` when it is stale.
    #[cold]
    fn first_happens(&mut self) -> Option<Step> {
        match self.first.pop_front()? {
            Due::Event(pending) => self.happen(pending),
            Due::Start(starting) => self.node_starts(starting),
            Due::Stop(stopping) => self.node_stops(stopping),
        }
    }

    /// Lets the next fault begin or end, if one does before `limit` and something may come of it.
    #[cold]
    fn fault_before(&mut self, limit: Instant) -> Option<Step> {
        let at = self.cursor.next();
        if at >= limit || self.pending() == 0 && self.cursor.is_spent(&self.ground.plan) {
            return None;
        }
        self.now = at;
        self.turn_of_fault()
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
        for (index, plight) in self.plights.iter_mut().enumerate() {
            if let Some(plight) = plight {
                let name = name_hash(self.ground.system.names.node(NodeId(index as u32)));
                plight.clocks.recast(self.now, self.dice.wall_key(seed, name));
            }
        }
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
            What::Letter { letter, .. } => self.letters.get(letter).is_some(),
            What::Timer { node, timer } => {
                let slot = self.nodes[node.0 as usize].timers.get(timer);
                slot.is_some_and(|slot| slot.due < FOREVER)
            }
            What::Synced { node, life, .. } | What::Answered { node, life, .. } | What::Killed { node, life } => {
                lives(node, life)
            }
            What::Booted { node, life } => self.life(node) == life,
            What::Lapsed { node, turn, watch } => self.is_watched(node, turn, watch),
        };
        let comes = |first: &Due| match first {
            Due::Start(starting) => lives(starting.node, starting.life),
            Due::Stop(stopping) => lives(stopping.node, stopping.life),
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
            let timers = size_of_val(&*node.timers.0);
            size_of::<Node<M>>() + size_of::<Disk>() + timers + node.actor.weight()
        };
        let letters = self.letters.weight();
        let nodes: usize = self.nodes.iter().map(node).sum();
        let ailing: usize = self.plights.iter().flatten().map(|plight| plight.weight()).sum();
        let roads = self.roads.weight();
        let aside = roads + (self.first.len() + self.clogged.len()) * size_of::<Clogged>() + ailing;
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
        self.plight(node).map_or_else(|| self.fresh_clocks(node), |plight| plight.clocks.clone())
    }

    /// Whether a fault freezes a node that is up.
    pub fn is_paused(&self, node: NodeId) -> bool {
        self.frozen_by(node).is_some()
    }

    /// The nodes that the last fault to begin or end has struck or let go: only they can have gone down or come up in its step.
    pub fn struck(&self) -> &[NodeId] {
        &self.struck
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
        let slot = self.nodes[node.0 as usize].timers.get(timer)?;
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
                Due::Stop(Stopping { node, life, .. }) => {
                    self.lives(node, life).then_some(Happening::Stopping { node })
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
        for (node, disk) in self.nodes.iter().zip(&self.disks) {
            fold.word(node.actor.fingerprint()?);
            fold.word(disk.fingerprint());
        }
        fold.word(crate::digest::state_fingerprint(&self.shared)?);
        Ok(fold.digest())
    }

    /// Of the state of a node, its disk, and what the nodes share; without a node, of the last alone.
    pub(crate) fn fingerprint(&self, node: Option<NodeId>) -> Result<Digest, serde_json::Error> {
        let mut fold = Fold::from(Digest::default());
        if let Some(place) = node.map(|node| node.0 as usize) {
            fold.word(self.nodes[place].actor.fingerprint()?);
            fold.word(self.disks[place].fingerprint());
        }
        fold.word(crate::digest::state_fingerprint(&self.shared)?);
        Ok(fold.digest())
    }

    /// The schedule.
    pub fn faults(&self) -> &[crate::fault::Fault] {
        self.ground.system.faults()
    }

    fn system(&self) -> &crate::system::System<M> {
        &self.ground.system
    }
}

#[cfg(test)]
mod tests;
