//! Request and reply among nodes over a lossy network, through the kernel: what [`Plain`](crate::plain::Plain) does by hand.

use std::hint::black_box;

use serde::Serialize;
use sim_core::{
    Actor, Context, Dist, Duration, Event, Kind, Link, Message, NodeId, Prepared, Purpose, Seed, System, Timer,
};

const PEER: Purpose = Purpose::new("peer");
const TIMEOUT: Timer = Timer(0);

/// What peers say.
#[derive(Clone, Copy, Hash, Serialize)]
pub enum Msg {
    /// A request, by its number.
    Ping(u32),
    /// The reply to it.
    Pong(u32),
}

impl Message for Msg {
    type Note = ();
    type Shared = ();
    const KINDS: &'static [&'static str] = &["ping", "pong"];
    fn kind(&self) -> Kind {
        match self {
            Msg::Ping(_) => Kind(0),
            Msg::Pong(_) => Kind(1),
        }
    }
}

/// Keeps one request to some other node under way.
#[derive(Clone, Serialize)]
struct Peer {
    nodes: u32,
    number: u32,
    done: u64,
}

impl Peer {
    fn ask(&mut self, cx: &mut Context<'_, Msg>) {
        let mut to = cx.below(PEER, u64::from(self.nodes - 1)) as u32;
        if to >= cx.id().0 {
            to += 1;
        }
        self.number += 1;
        cx.send(NodeId(to), Msg::Ping(self.number));
        cx.set(TIMEOUT, Duration::from_millis(100));
    }
}

impl Actor<Msg> for Peer {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
        match event {
            Event::Start(_) | Event::Timer(_) => self.ask(cx),
            Event::Message { from, msg: Msg::Ping(number) } => cx.send(from, Msg::Pong(number)),
            Event::Message { msg: Msg::Pong(number), .. } if number == self.number => {
                self.done += 1;
                self.ask(cx);
            }
            _ => {}
        }
    }
}

/// Whether a run records what each step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// It does not.
    Off,
    /// Every entry and every message, read and thrown away after each step.
    Kept,
}

/// So many peers over links of 1 to 10 ms that lose 1 %. `own_links` describes every one of them by itself.
pub fn peers(nodes: u32, own_links: bool) -> Prepared<Msg> {
    let mut system = System::new();
    for node in 0..nodes {
        system.node(&format!("node-{node}"), Peer { nodes, number: 0, done: 0 });
    }
    let latency = Dist::Uniform(Duration::from_millis(1), Duration::from_millis(10));
    let link = Link { latency, loss: "1%".parse().expect("a ratio"), ..Link::default() };
    system.network(link.clone());
    let pairs = (0..nodes).flat_map(|a| (0..nodes).map(move |b| (a, b))).filter(|_| own_links);
    for (a, b) in pairs.filter(|(a, b)| a != b) {
        system.link(NodeId(a), NodeId(b), link.clone());
    }
    system.prepare().expect("no faults")
}

/// Runs so many events: about as many as messages that the plain loop sends.
pub fn run(prepared: &Prepared<Msg>, events: u64, trace: Trace) -> u64 {
    let mut sim = prepared.start(Seed(1));
    sim.record(trace == Trace::Kept);
    for done in 0..events {
        let step = sim.step();
        if step.is_none() {
            return done;
        }
        black_box((&step, sim.log()));
    }
    black_box(sim.digest());
    events
}
