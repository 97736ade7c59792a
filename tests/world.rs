//! Small services as ordinary actors, so that promises of the kernel are tested on systems such as people write.
//!
//! A world is a value: nodes with roles, one link for all, faults as text. Clients place orders at drawn intervals and try again
//! after a timeout; relays forward; servers work on many orders at once or on one after the other.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use proptest::prelude::*;
use serde::Serialize;
use sim_core::{
    Actor, Answer, Cause, Class, Context, Dist, Duration, Entry, Event, Fate, Kind, Link, Message, NodeId, Operation,
    Purpose, Ratio, Rest, Seed, Sim, Step, Sync, System, Timer,
};

/// What nodes say: something of a kind, about an order, and the way back.
#[derive(Clone, Debug, Hash, Serialize)]
pub struct Msg {
    kind: Kind,
    order: u64,
    route: Vec<NodeId>,
}

impl Message for Msg {
    type Note = ();
    type Shared = ();
    const KINDS: &'static [&'static str] = &["ask", "reply", "beat"];
    fn kind(&self) -> Kind {
        self.kind
    }
}

/// Whether a world has something or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Has {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// What a node does.
#[derive(Clone, Debug)]
pub enum Role {
    /// Places orders with `server`, and tries again after a timeout.
    Client {
        /// Whom it asks, by name.
        server: String,
        /// How many orders.
        orders: u64,
        /// From one order to the next.
        gap: Dist,
    },
    /// Works on each order as it comes; with a disk, answers once the order is on it.
    Server {
        /// How long an order takes.
        work: Dist,
        /// Whether it writes each order to its disk.
        durable: Has,
    },
    /// Asks another node on behalf of whoever asks it.
    Relay {
        /// The other one, by name.
        next: String,
    },
    /// Works on one order after the other.
    Queue {
        /// How long an order takes.
        work: Dist,
        /// Whether it goes on with the cause of an order when its turn comes.
        because: Has,
    },
}

/// A system as a value.
#[derive(Clone, Debug)]
pub struct World {
    /// Names and roles, in the order of their numbers.
    pub nodes: Vec<(String, Role)>,
    /// Every link.
    pub link: Link,
    /// How long a client waits before it tries again.
    pub timeout: Duration,
    /// The schedule.
    pub faults: Vec<String>,
    /// Whether servers draw something more, for a purpose of its own.
    pub audit: Has,
    /// Whether servers send each other heartbeats, a kind of message that comes before all others.
    pub beats: Has,
    /// What answers where the schedule does not.
    pub rest: Rest,
}

const ARRIVAL: Purpose = Purpose::new("arrival");
const PICKY: Purpose = Purpose::new("picky");
const WORK: Purpose = Purpose::new("work");
const AUDIT: Purpose = Purpose::new("audit");
const DISK: Purpose = Purpose::new("disk size");
const JITTER: Purpose = Purpose::new("jitter");
const TRIES: u32 = 3;
const TICK: Timer = Timer(0);

/// What every actor here knows.
#[derive(Clone, Debug, Serialize)]
struct Habits {
    ask: Kind,
    reply: Kind,
    beat: Kind,
    timeout: Duration,
    audit: Has,
    friends: Vec<NodeId>,
}

impl Habits {
    fn audit(&self, cx: &mut Context<'_, Msg>) {
        if self.audit == Has::Yes {
            cx.draw(AUDIT, &Dist::Exponential(Duration::from_secs(1)));
            cx.chance(AUDIT, Ratio::new(1, 3).unwrap());
        }
    }

    /// Sends a heartbeat to each friend and sets the timer for the next; ten in all, so that runs end.
    fn beat(&self, beats: &mut u32, cx: &mut Context<'_, Msg>) {
        if self.friends.is_empty() || *beats == 10 {
            return;
        }
        *beats += 1;
        for friend in &self.friends {
            cx.send(*friend, Msg { kind: self.beat, order: 0, route: Vec::new() });
        }
        let gap = cx.draw(JITTER, &Dist::Uniform(Duration::from_millis(10), Duration::from_millis(30)));
        cx.set(TICK, gap);
    }

    fn answer(&self, mut msg: Msg, cx: &mut Context<'_, Msg>) {
        if let Some(back) = msg.route.pop() {
            cx.send(back, Msg { kind: self.reply, ..msg });
        }
    }
}

#[derive(Clone, Serialize)]
struct Client {
    habits: Habits,
    class: Class,
    server: NodeId,
    orders: u64,
    gap: Dist,
    placed: u64,
    tries: BTreeMap<u64, u32>,
    done: BTreeMap<u64, bool>,
}

impl Client {
    fn ask(&mut self, order: u64, cx: &mut Context<'_, Msg>) {
        *self.tries.entry(order).or_default() += 1;
        cx.send(self.server, Msg { kind: self.habits.ask, order, route: vec![cx.id()] });
        cx.set(Timer(order as u32), self.habits.timeout);
    }

    /// Places the next order and sets the timer for the one after it, which no order is the cause of.
    fn place(&mut self, cx: &mut Context<'_, Msg>) {
        if self.placed == self.orders {
            return;
        }
        let gap = cx.draw(ARRIVAL, &self.gap);
        cx.set(TICK, gap);
        self.placed += 1;
        cx.begin(self.class, self.placed);
        self.ask(self.placed, cx);
    }
}

impl Actor<Msg> for Client {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
        match event {
            Event::Start(_) | Event::Timer(TICK) => self.place(cx),
            Event::Timer(Timer(order)) => {
                let order = u64::from(order);
                if self.tries[&order] < TRIES {
                    self.ask(order, cx);
                }
            }
            Event::Message { msg, .. } if msg.kind == self.habits.reply => {
                cx.cancel(Timer(msg.order as u32));
                let content = cx.chance(PICKY, Ratio::new(1, 2).unwrap());
                self.done.entry(msg.order).or_insert(content);
            }
            _ => {}
        }
    }
}

#[derive(Clone, Serialize)]
struct Server {
    habits: Habits,
    work: Dist,
    durable: Has,
    beats: u32,
    /// By the number of its timer less one: timers are taken from whatever is free.
    bench: Vec<Option<Msg>>,
}

impl Server {
    fn finish(&mut self, at: usize, cx: &mut Context<'_, Msg>) {
        if let Some(msg) = self.bench.get_mut(at).and_then(Option::take) {
            self.habits.answer(msg, cx);
        }
    }
}

impl Actor<Msg> for Server {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
        match event {
            Event::Start(_) | Event::Timer(TICK) => self.habits.beat(&mut self.beats, cx),
            Event::Message { msg, .. } if msg.kind == self.habits.ask => {
                self.habits.audit(cx);
                let at = self.bench.iter().position(Option::is_none).unwrap_or_else(|| {
                    self.bench.push(None);
                    self.bench.len() - 1
                });
                self.bench[at] = Some(msg);
                let length = cx.work(WORK, &self.work);
                cx.set(Timer(at as u32 + 1), length);
            }
            Event::Timer(Timer(at)) if self.durable == Has::Yes => {
                let length = cx.draw(DISK, &Dist::Uniform(Duration::from_nanos(1), Duration::from_nanos(9)));
                cx.append("orders", vec![at as u8; length.nanos() as usize]);
                cx.sync(Sync(at));
            }
            Event::Timer(Timer(at)) | Event::Synced(Sync(at), _) => self.finish(at as usize - 1, cx),
            _ => {}
        }
    }
}

#[derive(Clone, Serialize)]
struct Relay {
    habits: Habits,
    next: NodeId,
    beats: u32,
}

impl Actor<Msg> for Relay {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
        match event {
            Event::Start(_) | Event::Timer(TICK) => self.habits.beat(&mut self.beats, cx),
            Event::Message { mut msg, .. } if msg.kind == self.habits.ask => {
                self.habits.audit(cx);
                msg.route.push(cx.id());
                cx.send(self.next, msg);
            }
            Event::Message { msg, .. } if msg.kind == self.habits.reply => self.habits.answer(msg, cx),
            _ => {}
        }
    }
}

#[derive(Clone, Serialize)]
struct Queue {
    habits: Habits,
    work: Dist,
    because: Has,
    beats: u32,
    waiting: VecDeque<(Cause, Msg)>,
    current: Option<Msg>,
}

impl Queue {
    const DONE: Timer = Timer(1);

    fn next(&mut self, cx: &mut Context<'_, Msg>) {
        if self.current.is_some() {
            return;
        }
        if let Some((cause, msg)) = self.waiting.pop_front() {
            if self.because == Has::Yes {
                cx.because(cause);
            }
            self.current = Some(msg);
            let length = cx.work(WORK, &self.work);
            cx.set(Self::DONE, length);
        }
    }
}

impl Actor<Msg> for Queue {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
        match event {
            Event::Start(_) | Event::Timer(TICK) => self.habits.beat(&mut self.beats, cx),
            Event::Message { msg, .. } if msg.kind == self.habits.ask => {
                self.habits.audit(cx);
                self.waiting.push_back((cx.cause(), msg));
                self.next(cx);
            }
            Event::Timer(Self::DONE) => {
                if let Some(msg) = self.current.take() {
                    self.habits.answer(msg, cx);
                }
                self.next(cx);
            }
            _ => {}
        }
    }
}

impl World {
    /// The system that this world describes.
    pub fn system(&self) -> System<Msg> {
        let mut system = System::new();
        match self.beats {
            Has::Yes => system.kinds(["beat", "ask", "reply"]),
            Has::No => system.kinds(["ask", "reply"]),
        }
        let kind = |system: &System<Msg>, name| system.names().find_kind(name).unwrap_or(Kind(u16::MAX));
        let (ask, reply, beat) = (kind(&system, "ask"), kind(&system, "reply"), kind(&system, "beat"));
        let serves = |role: &Role| !matches!(role, Role::Client { .. });
        let servers = self.nodes.iter().enumerate().filter(|(_, (_, role))| serves(role));
        let servers: Vec<NodeId> = servers.map(|(at, _)| NodeId(at as u32)).collect();
        for (at, (name, role)) in self.nodes.iter().enumerate() {
            let me = NodeId(at as u32);
            let beats = self.beats == Has::Yes && serves(role);
            let friends = servers.iter().copied().filter(|friend| beats && *friend != me).collect();
            let habits = Habits { ask, reply, beat, timeout: self.timeout, audit: self.audit, friends };
            self.add(&mut system, name, role, habits);
        }
        system.network(self.link.clone());
        system.rest(self.rest);
        for fault in &self.faults {
            system.fault(fault.parse().unwrap_or_else(|error| panic!("{error}")));
        }
        system
    }

    fn add(&self, system: &mut System<Msg>, name: &str, role: &Role, habits: Habits) {
        let id = |name: &str| {
            let at = self.nodes.iter().position(|(other, _)| other == name);
            NodeId(at.unwrap_or_else(|| panic!("no node {name}")) as u32)
        };
        match role.clone() {
            Role::Client { server, orders, gap } => {
                let (class, server) = (system.class(name), id(&server));
                let (tries, done) = (BTreeMap::new(), BTreeMap::new());
                system.node(name, Client { habits, class, server, orders, gap, placed: 0, tries, done });
            }
            Role::Server { work, durable } => {
                let node = system.node(name, Server { habits, work, durable, beats: 0, bench: Vec::new() });
                system.disk(node, Dist::Exponential(Duration::from_millis(2)));
            }
            Role::Relay { next } => {
                system.node(name, Relay { habits, next: id(&next), beats: 0 });
            }
            Role::Queue { work, because } => {
                let (waiting, current) = (VecDeque::new(), None);
                system.node(name, Queue { habits, work, because, beats: 0, waiting, current });
            }
        }
    }

    /// A run of it.
    pub fn start(&self, seed: u64) -> Sim<Msg> {
        self.system().start(Seed(seed)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Everything decided in a run of it.
    pub fn decisions(&self, seed: u64) -> Decisions {
        let mut sim = self.start(seed);
        sim.record(true);
        let mut decisions = Decisions::default();
        while let Some(step) = sim.step_before(END) {
            decisions.take(&sim, &step);
        }
        assert_eq!(sim.panic(), None);
        decisions
    }

    /// This world with one more fault at the end of its schedule.
    pub fn with_fault(&self, fault: impl fmt::Display) -> World {
        let mut world = self.clone();
        world.faults.push(fault.to_string());
        world
    }

    /// This world without faults.
    pub fn in_peace(&self) -> World {
        World { faults: Vec::new(), ..self.clone() }
    }

    /// Whether no node hands work over from one order to another.
    pub fn is_direct(&self) -> bool {
        !self.nodes.iter().any(|(_, role)| matches!(role, Role::Queue { .. }))
    }
}

/// No run here goes on beyond this.
pub const END: sim_core::Instant = sim_core::Instant::from_nanos(60_000_000_000);

/// A question of a run, by names and cause.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// The operation it is asked for, such as `shop-1/3`.
    pub operation: Option<String>,
    /// The lineage of what is decided.
    pub lineage: u64,
    /// Which node or link, and what.
    pub what: String,
}

/// What was decided in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Answers by question.
    pub answers: BTreeMap<Question, Vec<String>>,
    /// Envelopes in order, as lines of a case name them: link, kind, operation and ordinal.
    pub envelopes: Vec<(String, Option<String>)>,
    /// The operations that a fault touched, by its place in the schedule.
    pub touched: Vec<(u32, Option<String>)>,
    sent: BTreeMap<(NodeId, NodeId, Kind, Operation), u32>,
}

impl Decisions {
    fn take(&mut self, sim: &Sim<Msg>, _step: &Step) {
        let names = sim.names();
        for entry in sim.log() {
            match entry {
                Entry::Drew { node, draw } => {
                    let what = format!("{} draws {} {}", names.node(*node), draw.purpose.name(), draw.nth);
                    let answer = match draw.answer {
                        Answer::Node(node) => names.node(node).to_owned(),
                        answer => format!("{answer:?}"),
                    };
                    self.answer(names.operation(draw.cause.operation), draw.cause.lineage, what, answer);
                }
                Entry::Sent { from, to, kind, cause, fate, fault, .. } => {
                    let operation = names.operation(cause.operation);
                    let link = format!("{}->{} {}", names.node(*from), names.node(*to), names.kind_name(*kind));
                    let nth = self.sent.entry((*from, *to, *kind, cause.operation)).or_default();
                    *nth += 1;
                    let of = operation.as_ref().map_or(String::new(), |operation| format!("{operation} "));
                    self.envelopes.push((format!("{link} {of}#{nth}"), operation.clone()));
                    self.touched.extend(fault.map(|fault| (fault, operation.clone())));
                    self.answer(operation, cause.lineage, link, format!("{:?}", by_dice(*fate)));
                }
                Entry::Set { .. }
                | Entry::Cancelled { .. }
                | Entry::Marked { .. }
                | Entry::Role { .. }
                | Entry::Tripped { .. }
                | Entry::Down { .. }
                | Entry::Struck { .. }
                | Entry::Released { .. } => {}
            }
        }
    }

    fn answer(&mut self, operation: Option<String>, lineage: u64, what: String, answer: String) {
        self.answers.entry(Question { operation, lineage, what }).or_default().push(answer);
    }

    /// Those whose question fulfils a condition.
    pub fn only(&self, keep: impl Fn(&Question) -> bool) -> BTreeMap<Question, Vec<String>> {
        self.answers.iter().filter(|(question, _)| keep(question)).map(|(q, a)| (q.clone(), a.clone())).collect()
    }

    /// The questions that both runs asked and answered differently.
    pub fn contradictions<'d>(&'d self, other: &'d Decisions) -> Vec<(&'d Question, &'d [String], &'d [String])> {
        let both = self.answers.iter().filter_map(|(q, a)| other.answers.get(q).map(|b| (q, &a[..], &b[..])));
        both.filter(|(_, a, b)| a != b).collect()
    }

    /// The envelopes that never arrived, among those sent.
    pub fn lost(&self) -> Vec<&Question> {
        let lost = format!("{:?}", Fate::Lost);
        self.answers.iter().filter(|(_, answers)| answers.contains(&lost)).map(|(question, _)| question).collect()
    }
}

/// What dice say of an envelope, whether or not a clog holds it first.
fn by_dice(fate: Fate) -> Fate {
    match fate {
        Fate::Held(after) => Fate::Arrives(after),
        Fate::HeldTwice(first, second) => Fate::ArrivesTwice(first, second),
        Fate::Arrives(_)
        | Fate::ArrivesTwice(..)
        | Fate::Lost
        | Fate::Corrupt
        | Fate::Full
        | Fate::Refused
        | Fate::Reset(_)
        | Fate::Cut => fate,
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn length() -> impl Strategy<Value = Dist> {
    prop_oneof![
        (1..20u64).prop_map(|n| Dist::Constant(ms(n))),
        (1..20u64, 1..20u64).prop_map(|(low, more)| Dist::uniform(ms(low), ms(low + more)).unwrap()),
        (1..20u64).prop_map(|n| Dist::Exponential(ms(n))),
        (1..20u64).prop_map(|n| Dist::log_normal(ms(n), 0.7).unwrap()),
    ]
}

fn percent(parts: u64) -> Ratio {
    Ratio::new(parts, 100).unwrap()
}

fn link() -> impl Strategy<Value = Link> {
    (length(), 0..30u64, 0..20u64).prop_map(|(latency, loss, duplicate)| Link {
        latency,
        loss: percent(loss),
        duplicate: percent(duplicate),
        ..Link::default()
    })
}

fn has() -> impl Strategy<Value = Has> {
    prop_oneof![Just(Has::Yes), Just(Has::No)]
}

/// A node that serves, asking a node before it in the list if it relays.
fn serving(queues: Has) -> impl Strategy<Value = (u8, Dist, Has, usize)> {
    let roles = if queues == Has::Yes { 0..3u8 } else { 0..2u8 };
    (roles, length(), has(), any::<prop::sample::Index>())
        .prop_map(|(role, work, durable, next)| (role, work, durable, next.index(1 << 20)))
}

/// Worlds in peace: up to four clients and four nodes that serve them, in any arrangement that ends at a server.
pub fn worlds(queues: Has) -> impl Strategy<Value = World> {
    let servers = prop::collection::vec(serving(queues), 1..5);
    let clients = prop::collection::vec((1..7u64, length(), 0..1usize << 20), 2..5);
    (servers, clients, link(), 20..200u64).prop_map(move |(servers, clients, link, timeout)| {
        let mut nodes: Vec<(String, Role)> = Vec::new();
        for (at, (role, work, durable, next)) in servers.into_iter().enumerate() {
            let role = match role {
                1 if at > 0 => Role::Relay { next: nodes[next % at].0.clone() },
                2 => Role::Queue { work, because: Has::Yes },
                _ => Role::Server { work, durable },
            };
            nodes.push((format!("svc-{}", at + 1), role));
        }
        let count = nodes.len();
        for (at, (orders, gap, server)) in clients.into_iter().enumerate() {
            let server = nodes[server % count].0.clone();
            nodes.push((format!("shop-{}", at + 1), Role::Client { server, orders, gap }));
        }
        let (audit, beats, rest) = (Has::No, Has::No, Rest::Seed);
        World { nodes, link, timeout: ms(timeout), faults: Vec::new(), audit, beats, rest }
    })
}

/// The schedules of faults that a world of [`worlds`] can have; names cover whatever nodes there are.
pub fn schedules() -> impl Strategy<Value = Vec<String>> {
    let window = (0..100u64, 1..100u64).prop_map(|(from, length)| format!("{from}ms..{}ms", from + length));
    let verb = prop_oneof![
        Just("crash svc-1"),
        Just("power-loss one of svc"),
        Just("crash svc wiping disk"),
        Just("partition svc | *"),
        Just("cut *->svc cutting flight"),
        Just("loss *->* ask 30%"),
        Just("delay *->svc +20ms ~10ms"),
        Just("duplicate *<->svc 40%"),
        Just("crash one of svc every ~50ms for ~20ms"),
        Just("crash each of svc every ~80ms for 10ms"),
        Just("loss shop->* 50% every 20ms for 15ms"),
        Just("clog *->svc holding flight"),
        Just("clog svc->* reply every ~30ms for ~20ms"),
        Just("pause one of svc every ~50ms for ~20ms"),
        Just("pause shop"),
        Just("slow each of svc-1..svc-1 x5"),
        Just("slow svc x0.5 every 20ms for 15ms"),
        Just("clock *-1 drift +300000ppm every ~20ms for ~20ms"),
        Just("clock shop drift -200000ppm"),
        Just("clock svc step -1s"),
        Just("partition isolate one of * cutting flight every ~40ms for ~30ms"),
        Just("burst-loss *->svc 90% bad ~10ms good ~20ms"),
        Just("burst-loss *<->svc reply 100% bad ~5ms good ~5ms 5% every ~50ms for ~40ms"),
        Just("disk svc fsync-fails"),
        Just("disk one of svc stall every ~20ms for ~20ms"),
        Just("disk svc bit-rot"),
        Just("disk svc slow x9"),
        Just("partition halves of *"),
        Just("partition bridge of * every 30ms for 20ms"),
        Just("partition ring of *"),
        Just("pause any minority of *"),
        Just("clock one of svc strobe +1s per 1ms"),
        Just("corrupt *->svc 20%"),
        Just("refuse *->svc ask 20%"),
        Just("swizzle *"),
        Just("swizzle svc every 20ms for ~20ms"),
        Just("delay *<->* 20% +20ms ~20ms per 10ms"),
        Just("duplicate *->svc 20% +20ms ~5ms"),
    ];
    prop::collection::vec((window, verb).prop_map(|(window, verb)| format!("{window} {verb}")), 0..5)
}
