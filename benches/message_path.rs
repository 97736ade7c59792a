//! How fast is the kernel's message path beside a plain loop that does the same work?

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use faultline_benches::{interleaved, plain::Plain};
use serde::Serialize;
use sim_core::{
    Actor, Context, Dist, Duration, Event, Kind, Link, Message, NodeId, Prepared, Purpose, Seed, System, Timer,
};

const MESSAGES: u64 = 200_000;
const PEER: Purpose = Purpose::new("peer");
const TIMEOUT: Timer = Timer(0);

#[derive(Clone, Copy, Hash, Serialize)]
enum Msg {
    Ping(u32),
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

fn kernel(nodes: u32) -> Prepared<Msg> {
    let mut system = System::new();
    for node in 0..nodes {
        system.node(&format!("node-{node}"), Peer { nodes, number: 0, done: 0 });
    }
    let latency = Dist::Uniform(Duration::from_millis(1), Duration::from_millis(10));
    system.network(Link { latency, loss: "1%".parse().expect("a ratio"), ..Link::default() });
    system.prepare().expect("no faults")
}

/// Runs until about so many messages were sent; each round trip is two messages and two or three events.
fn run_kernel(prepared: &Prepared<Msg>, messages: u64) -> u64 {
    let mut sim = prepared.start(Seed(1));
    let mut sent = 0;
    while sent < messages {
        let Some(step) = sim.step() else { break };
        sent += 1;
        black_box(step);
    }
    black_box(sim.digest());
    sent
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("request and reply");
    group.throughput(Throughput::Elements(MESSAGES)).sample_size(20);
    for nodes in [2, 64, 1024] {
        let prepared = kernel(nodes);
        group.bench_function(BenchmarkId::new("plain loop", nodes), |b| b.iter(|| Plain::new(nodes, 1).run(MESSAGES)));
        group.bench_function(BenchmarkId::new("kernel", nodes), |b| b.iter(|| run_kernel(&prepared, MESSAGES)));
    }
    group.finish();
}

criterion_group!(benches, bench);

fn main() {
    benches();
    println!("\nkernel / plain loop, messages per second, 21 rounds in turn (median, least, most)");
    for nodes in [2, 64, 1024] {
        let prepared = kernel(nodes);
        let [median, least, most] =
            interleaved(21, || Plain::new(nodes, 1).run(MESSAGES), || run_kernel(&prepared, MESSAGES));
        println!("{nodes:>5} nodes  {median:.2}  ({least:.2} to {most:.2})");
    }
    Criterion::default().configure_from_args().final_summary();
}
