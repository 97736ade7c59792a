//! Five nodes that elect a leader and follow its heartbeats, with one crash and one partition in sixty seconds: by hand, and
//! through the kernel. Raft as far as its traffic goes (Ongaro and Ousterhout 2014, section 5.2), with no entries in its log.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use sim_core::{
    Actor, Context, Dist, Duration, Event, Instant, Kind, Link, Message, NodeId, Prepared, Purpose, Seed, System, Timer,
};

/// How many nodes.
pub const NODES: u32 = 5;
const SECOND: u64 = 1_000_000_000;
const BEAT_NANOS: u64 = 50_000_000;
const ELECTION_NANOS: (u64, u64) = (150_000_000, 300_000_000);
const LATENCY_NANOS: (u64, u64) = (1_000_000, 10_000_000);
const LOSS: f64 = 0.01;

/// What the nodes say.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, Serialize)]
pub enum Msg {
    /// A candidate asks for a vote in its term.
    Ask(u32),
    /// A vote in that term, given or not.
    Vote(u32, bool),
    /// A leader's heartbeat: its term and number.
    Beat(u32, u32),
    /// The answer to it.
    Heard(u32, u32),
}

impl Message for Msg {
    type Note = ();
    type Shared = ();
    const KINDS: &'static [&'static str] = &["ask", "vote", "beat", "heard"];
    fn kind(&self) -> Kind {
        match self {
            Msg::Ask(_) => Kind(0),
            Msg::Vote(..) => Kind(1),
            Msg::Beat(..) => Kind(2),
            Msg::Heard(..) => Kind(3),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
enum Role {
    #[default]
    Follower,
    Candidate,
    Leader,
}

/// Which of the two timers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Election = 0,
    Beat = 1,
}

/// What a node asks for, of the kernel or of the plain loop.
trait Desk {
    fn me(&self) -> u32;
    fn send(&mut self, to: u32, msg: Msg);
    fn await_election(&mut self);
    fn await_beat(&mut self);
    fn cancel(&mut self, clock: Clock);
}

/// The program of a node: one for both, so that they differ in nothing else.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Node {
    term: u32,
    voted: Option<u32>,
    role: Role,
    votes: u32,
    beats: u32,
    heard: u64,
    wins: u32,
}

impl Node {
    fn start(&mut self, desk: &mut impl Desk) {
        desk.await_election();
    }

    /// Follows a newer term.
    fn follow(&mut self, term: u32, desk: &mut impl Desk) {
        if term > self.term {
            if self.role == Role::Leader {
                desk.cancel(Clock::Beat);
                desk.await_election();
            }
            (self.term, self.voted, self.role) = (term, None, Role::Follower);
        }
    }

    fn hear(&mut self, from: u32, msg: Msg, desk: &mut impl Desk) {
        match msg {
            Msg::Ask(term) => {
                self.follow(term, desk);
                let gives = term == self.term && self.voted.is_none_or(|voted| voted == from);
                if gives {
                    self.voted = Some(from);
                    desk.await_election();
                }
                desk.send(from, Msg::Vote(self.term, gives));
            }
            Msg::Vote(term, given) => {
                self.follow(term, desk);
                if self.role == Role::Candidate && term == self.term && given {
                    self.count(from, desk);
                }
            }
            Msg::Beat(term, number) => {
                self.follow(term, desk);
                if term == self.term {
                    self.role = Role::Follower;
                    self.beats = self.beats.max(number);
                    desk.await_election();
                }
                desk.send(from, Msg::Heard(self.term, number));
            }
            Msg::Heard(term, _) => {
                self.follow(term, desk);
                self.heard += u64::from(self.role == Role::Leader);
            }
        }
    }

    fn count(&mut self, voter: u32, desk: &mut impl Desk) {
        self.votes |= 1 << voter;
        if self.votes.count_ones() * 2 > NODES {
            self.role = Role::Leader;
            self.wins += 1;
            desk.cancel(Clock::Election);
            self.beat(desk);
        }
    }

    fn beat(&mut self, desk: &mut impl Desk) {
        self.beats += 1;
        self.tell_all(Msg::Beat(self.term, self.beats), desk);
        desk.await_beat();
    }

    fn tell_all(&self, msg: Msg, desk: &mut impl Desk) {
        let me = desk.me();
        (0..NODES).filter(|node| *node != me).for_each(|node| desk.send(node, msg));
    }

    fn due(&mut self, clock: Clock, desk: &mut impl Desk) {
        match (clock, self.role) {
            (Clock::Beat, Role::Leader) => self.beat(desk),
            (Clock::Election, Role::Follower | Role::Candidate) => {
                self.term += 1;
                (self.role, self.voted, self.votes) = (Role::Candidate, Some(desk.me()), 1 << desk.me());
                self.tell_all(Msg::Ask(self.term), desk);
                desk.await_election();
            }
            (Clock::Beat, Role::Follower | Role::Candidate) | (Clock::Election, Role::Leader) => {}
        }
    }
}

// ── Through the kernel ──

const ELECTION: Purpose = Purpose::new("election");

impl Desk for Context<'_, Msg> {
    fn me(&self) -> u32 {
        self.id().0
    }
    fn send(&mut self, to: u32, msg: Msg) {
        Context::send(self, NodeId(to), msg);
    }
    fn await_election(&mut self) {
        let (low, high) = ELECTION_NANOS;
        let dist = Dist::Uniform(Duration::from_nanos(low), Duration::from_nanos(high));
        let after = self.draw(ELECTION, &dist);
        self.set(Timer(Clock::Election as u32), after);
    }
    fn await_beat(&mut self) {
        self.set(Timer(Clock::Beat as u32), Duration::from_nanos(BEAT_NANOS));
    }
    fn cancel(&mut self, clock: Clock) {
        Context::cancel(self, Timer(clock as u32));
    }
}

impl Actor<Msg> for Node {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
        match event {
            Event::Start(_) => self.start(cx),
            Event::Message { from, msg } => self.hear(from.0, msg, cx),
            Event::Timer(Timer(0)) => self.due(Clock::Election, cx),
            Event::Timer(_) => self.due(Clock::Beat, cx),
            _ => {}
        }
    }
}

/// The cluster, with its crash from 20 to 25 s and its partition from 40 to 45 s, or without faults.
pub fn cluster(faults: bool) -> Prepared<Msg> {
    let mut system = System::new();
    for node in 0..NODES {
        system.node(&format!("node-{node}"), Node::default());
    }
    let (low, high) = LATENCY_NANOS;
    let latency = Dist::Uniform(Duration::from_nanos(low), Duration::from_nanos(high));
    system.network(Link { latency, loss: "1%".parse().expect("a ratio"), ..Link::default() });
    let lines = ["20s..25s crash node-0", "40s..45s partition node-0 node-1 | node-2 node-3 node-4"];
    for line in lines.iter().filter(|_| faults) {
        system.fault(line.parse().expect("a fault"));
    }
    system.prepare().expect("names that are there")
}

/// The end of a run.
pub const END: Instant = Instant::from_nanos(60 * SECOND);

/// Runs one seed to its end: how many events, and elections won at the end.
pub fn run(prepared: &Prepared<Msg>, seed: u64, record: bool) -> (u64, u32) {
    let mut sim = prepared.start(Seed(seed));
    sim.record(record);
    while let Some(step) = sim.step_before(END) {
        black_box((step, sim.log()));
    }
    black_box(sim.digest());
    let wins = |node| sim.actor::<Node>(NodeId(node)).map_or(0, |node| node.wins);
    (sim.events(), (0..NODES).map(wins).sum())
}

// ── By hand ──

#[derive(Clone, Copy)]
enum Due {
    Message { from: u32, to: u32, msg: Msg },
    Timer { node: u32, clock: Clock, generation: u32 },
    Fault(u32),
}

struct World {
    now: u64,
    sequence: u64,
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<Due>,
    free: Vec<u32>,
    rng: ChaCha8Rng,
    generations: [[u32; 2]; NODES as usize],
    deaf: [u32; NODES as usize],
}

impl World {
    fn schedule(&mut self, at: u64, due: Due) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = due;
                slot
            }
            None => {
                self.slots.push(due);
                (self.slots.len() - 1) as u32
            }
        };
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence, slot)));
    }

    fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + ((u128::from(self.rng.next_u64()) * u128::from(high - low)) >> 64) as u64
    }

    fn set(&mut self, node: u32, clock: Clock, after: u64) {
        let generation = &mut self.generations[node as usize][clock as usize];
        *generation += 1;
        let due = Due::Timer { node, clock, generation: *generation };
        self.schedule(self.now + after, due);
    }
}

struct At<'w>(u32, &'w mut World);

impl Desk for At<'_> {
    fn me(&self) -> u32 {
        self.0
    }
    fn send(&mut self, to: u32, msg: Msg) {
        let At(from, world) = self;
        let unit = (world.rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        if unit < LOSS || world.deaf[to as usize] >> *from & 1 == 1 {
            return;
        }
        let latency = world.between(LATENCY_NANOS);
        world.schedule(world.now + latency, Due::Message { from: *from, to, msg });
    }
    fn await_election(&mut self) {
        let after = self.1.between(ELECTION_NANOS);
        self.1.set(self.0, Clock::Election, after);
    }
    fn await_beat(&mut self) {
        self.1.set(self.0, Clock::Beat, BEAT_NANOS);
    }
    fn cancel(&mut self, clock: Clock) {
        self.1.generations[self.0 as usize][clock as usize] += 1;
    }
}

/// The plain loop: one seed to its end; how many events, and elections won.
pub fn plain(seed: u64) -> (u64, u32) {
    let mut world = World {
        now: 0,
        sequence: 0,
        heap: BinaryHeap::new(),
        slots: Vec::new(),
        free: Vec::new(),
        rng: ChaCha8Rng::seed_from_u64(seed),
        generations: [[0; 2]; NODES as usize],
        deaf: [0; NODES as usize],
    };
    let (mut nodes, mut down, mut events) = ([Node::default(); NODES as usize], [false; NODES as usize], 0);
    for (fault, at) in [20, 25, 40, 45].into_iter().enumerate() {
        world.schedule(at * SECOND, Due::Fault(fault as u32));
    }
    (0..NODES).for_each(|node| nodes[node as usize].start(&mut At(node, &mut world)));
    while let Some(Reverse((at, _, slot))) = world.heap.pop() {
        if at >= 60 * SECOND {
            break;
        }
        world.now = at;
        world.free.push(slot);
        match world.slots[slot as usize] {
            Due::Message { to, .. } if down[to as usize] => {}
            Due::Message { from, to, msg } => nodes[to as usize].hear(from, msg, &mut At(to, &mut world)),
            Due::Timer { node, clock, generation }
                if world.generations[node as usize][clock as usize] == generation && !down[node as usize] =>
            {
                nodes[node as usize].due(clock, &mut At(node, &mut world));
            }
            Due::Timer { .. } => continue,
            Due::Fault(0) => {
                down[0] = true;
                world.generations[0].iter_mut().for_each(|generation| *generation += 1);
            }
            Due::Fault(1) => {
                (down[0], nodes[0]) = (false, Node::default());
                nodes[0].start(&mut At(0, &mut world));
            }
            Due::Fault(2) => world.deaf = [0b11100, 0b11100, 0b00011, 0b00011, 0b00011],
            Due::Fault(_) => world.deaf = [0; NODES as usize],
        }
        events += 1;
    }
    (events, nodes.iter().map(|node| node.wins).sum())
}
