//! PHOLD (Fujimoto 1990): so many events are always pending, and each of them puts one more in, an exponential time of one second
//! on average ahead and for any process. With nothing but a queue, and through actors.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use sim_core::queue::Queue;
use sim_core::{
    Actor, Context, Dist, Duration, Event, Instant, Kind, Link, Message, NodeId, Prepared, Purpose, Seed, System,
};

const PROCESSES: u32 = 1_024;
const MEAN_NANOS: f64 = 1e9;

/// Who comes next, and how far ahead: the same numbers for every queue.
struct Draws(ChaCha8Rng);

impl Draws {
    fn next(&mut self) -> (u64, u32) {
        let unit = (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        let ahead = (-libm::log(1.0 - unit) * MEAN_NANOS) as u64;
        (ahead, ((u64::from(self.0.next_u32()) * u64::from(PROCESSES)) >> 32) as u32)
    }
}

fn draws() -> Draws {
    Draws(ChaCha8Rng::seed_from_u64(42))
}

/// The plain loop: a `BinaryHeap` of (instant, sequence, process).
pub fn heap(pending: u32, events: u64) -> u64 {
    let (mut draws, mut heap, mut done) = (draws(), BinaryHeap::new(), [0u64; PROCESSES as usize]);
    let mut sequence = u64::from(pending);
    for n in 0..pending {
        heap.push(Reverse((draws.next().0, u64::from(n), n % PROCESSES)));
    }
    for _ in 0..events {
        let Some(Reverse((at, _, process))) = heap.pop() else { break };
        done[process as usize] += 1;
        let (ahead, next) = draws.next();
        heap.push(Reverse((at + ahead, sequence, next)));
        sequence += 1;
    }
    black_box(done);
    events
}

/// The same with the kernel's queue.
pub fn wheel(pending: u32, events: u64) -> u64 {
    let (mut draws, mut queue, mut done) = (draws(), Queue::new(), [0u64; PROCESSES as usize]);
    for n in 0..pending {
        queue.push(Instant::from_nanos(draws.next().0), n % PROCESSES);
    }
    for _ in 0..events {
        let Some((at, process)) = queue.pop_before(Instant::NEVER) else { break };
        done[process as usize] += 1;
        let (ahead, next) = draws.next();
        queue.push(at + Duration::from_nanos(ahead), next);
    }
    black_box(done);
    events
}

/// What hops from process to process.
#[derive(Clone, Copy, Hash, Serialize)]
pub struct Hop;

impl Message for Hop {
    type Note = ();
    type Shared = ();
    const KINDS: &'static [&'static str] = &["hop"];
    fn kind(&self) -> Kind {
        Kind(0)
    }
}

const NEXT: Purpose = Purpose::new("next");

#[derive(Clone, Serialize)]
struct Process {
    done: u64,
    /// How many hops it sends off at the start.
    first: u32,
    processes: u32,
}

impl Process {
    fn send_on(&self, cx: &mut Context<'_, Hop>) {
        let to = cx.below(NEXT, u64::from(self.processes)) as u32;
        cx.send(NodeId(to), Hop);
    }
}

impl Actor<Hop> for Process {
    fn handle(&mut self, event: Event<Hop>, cx: &mut Context<'_, Hop>) {
        match event {
            Event::Start(_) => (0..self.first).for_each(|_| self.send_on(cx)),
            Event::Message { .. } => {
                self.done += 1;
                self.send_on(cx);
            }
            _ => {}
        }
    }
}

/// The same through actors, over a network whose latency is how far ahead an event is.
pub fn actors(processes: u32, pending: u32) -> Prepared<Hop> {
    let mut system = System::new();
    for n in 0..processes {
        let first = pending / processes + u32::from(n < pending % processes);
        system.node(&format!("process-{n}"), Process { done: 0, first, processes });
    }
    system.network(Link::with_latency(Dist::Exponential(Duration::from_secs(1))));
    system.prepare().expect("no faults")
}

/// Runs so many events of it.
pub fn run(prepared: &Prepared<Hop>, events: u64) -> u64 {
    let mut sim = prepared.start(Seed(1));
    for _ in 0..events {
        black_box(sim.step());
    }
    black_box(sim.digest());
    events
}
