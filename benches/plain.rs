//! The plain loop: request and reply among nodes over a lossy network, written by hand with nothing else in it.
//!
//! A `BinaryHeap` of (instant, sequence, slot) and one ChaCha8 stream: what a competent engineer writes in an afternoon. It has
//! no names, no faults to check, no digest, no causes, no forks; the kernel is measured by what all of those cost on top.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const LOSS: f64 = 0.01;
const LATENCY_NANOS: (u64, u64) = (1_000_000, 10_000_000);
const TIMEOUT_NANOS: u64 = 100_000_000;

#[derive(Clone, Copy)]
enum Event {
    Ping { from: u32, to: u32, number: u32 },
    Pong { to: u32, number: u32 },
    Timeout { node: u32, generation: u32 },
}

#[derive(Clone, Copy, Default)]
struct Node {
    number: u32,
    generation: u32,
    done: u64,
}

/// The loop.
pub struct Plain {
    now: u64,
    sequence: u64,
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<Event>,
    free: Vec<u32>,
    rng: ChaCha8Rng,
    nodes: Vec<Node>,
    sent: u64,
}

impl Plain {
    /// So many nodes, each of which keeps one request to some other node under way.
    pub fn new(nodes: u32, seed: u64) -> Self {
        let mut this = Plain {
            now: 0,
            sequence: 0,
            heap: BinaryHeap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            nodes: vec![Node::default(); nodes as usize],
            sent: 0,
        };
        for node in 0..nodes {
            this.ask(node);
        }
        this
    }

    fn schedule(&mut self, at: u64, event: Event) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = event;
                slot
            }
            None => {
                self.slots.push(event);
                (self.slots.len() - 1) as u32
            }
        };
        self.sequence += 1;
        self.heap.push(Reverse((at, self.sequence, slot)));
    }

    fn send(&mut self, event: Event) {
        self.sent += 1;
        let unit = (self.rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
        if unit < LOSS {
            return;
        }
        let (low, high) = LATENCY_NANOS;
        let latency = low + ((u128::from(self.rng.next_u64()) * u128::from(high - low)) >> 64) as u64;
        self.schedule(self.now + latency, event);
    }

    fn ask(&mut self, node: u32) {
        let others = self.nodes.len() as u32 - 1;
        let mut to = ((u64::from(self.rng.next_u32()) * u64::from(others)) >> 32) as u32;
        if to >= node {
            to += 1;
        }
        let this = &mut self.nodes[node as usize];
        this.number += 1;
        this.generation += 1;
        let (number, generation) = (this.number, this.generation);
        self.send(Event::Ping { from: node, to, number });
        self.schedule(self.now + TIMEOUT_NANOS, Event::Timeout { node, generation });
    }

    /// Runs until so many messages were sent.
    pub fn run(&mut self, messages: u64) -> u64 {
        while self.sent < messages {
            let Some(Reverse((at, _, slot))) = self.heap.pop() else { break };
            self.now = at;
            self.free.push(slot);
            match self.slots[slot as usize] {
                Event::Ping { from, to, number } => {
                    let _ = to;
                    self.send(Event::Pong { to: from, number });
                }
                Event::Pong { to, number } if self.nodes[to as usize].number == number => {
                    self.nodes[to as usize].done += 1;
                    self.ask(to);
                }
                Event::Timeout { node, generation } if self.nodes[node as usize].generation == generation => {
                    self.ask(node);
                }
                Event::Pong { .. } | Event::Timeout { .. } => {}
            }
        }
        self.sent
    }
}
