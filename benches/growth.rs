//! How does the kernel behave as work grows: pending events, nodes, links, the length of a run, idle time?
//!
//! One line each, with events per second and what the same costs at the smallest size. Not by criterion: each is measured once for
//! long enough. `--short` leaves out the longest run.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::Instant as Clock;

use faultline_benches::peers::{self, Trace, peers};
use faultline_benches::{hops, processor_nanos, raft, resident_bytes};
use sim_core::{Budget, Goal, Grade, Instant, Limits, Seed, Timeline};

/// Nanoseconds of processor an event of the best of so many tries: what others do on this machine only adds.
fn nanos_per_event(tries: usize, mut run: impl FnMut() -> u64) -> f64 {
    let once = |run: &mut dyn FnMut() -> u64| {
        let clock = Clock::now();
        let begin = processor_nanos(clock);
        let events = black_box(run());
        (processor_nanos(clock) - begin) as f64 / events as f64
    };
    (0..tries).map(|_| once(&mut run)).fold(f64::INFINITY, f64::min)
}

/// A table of one thing that grows.
#[derive(Default)]
struct Growth {
    first: Option<f64>,
}

impl Growth {
    fn of(what: &str) -> Self {
        println!("\n{what:>14}   ns/event     M events/s   beside the first");
        Growth::default()
    }

    fn line(&mut self, size: u64, nanos: f64) {
        let first = *self.first.get_or_insert(nanos);
        println!("{size:>14}   {nanos:>8.1}   {:>12.2}   {:>16.2}", 1e3 / nanos, nanos / first);
    }
}

fn pending() {
    const SIZES: [u32; 7] = [16, 64, 256, 1_024, 4_096, 16_384, 262_144];
    let mut growth = Growth::of("pending, heap");
    SIZES.iter().for_each(|size| growth.line(u64::from(*size), nanos_per_event(5, || hops::heap(*size, 500_000))));
    growth = Growth::of("pending, queue");
    SIZES.iter().for_each(|size| growth.line(u64::from(*size), nanos_per_event(5, || hops::wheel(*size, 500_000))));
    growth = Growth::of("pending, run");
    for size in SIZES {
        let actors = hops::actors(size.min(1_024), size);
        // The events of the start count as well; they are few beside the others.
        growth.line(u64::from(size), nanos_per_event(3, || hops::run(&actors, 500_000)));
    }
}

fn nodes() {
    let mut growth = Growth::of("nodes");
    for size in [2u32, 8, 64, 256, 1_024, 4_096, 10_000] {
        let prepared = peers(size, false);
        growth.line(u64::from(size), nanos_per_event(3, || peers::run(&prepared, 500_000, Trace::Off)));
    }
}

fn links() {
    let mut growth = Growth::of("own links");
    for size in [2u32, 16, 64, 256] {
        let prepared = peers(size, true);
        let links = u64::from(size) * u64::from(size - 1);
        growth.line(links, nanos_per_event(3, || peers::run(&prepared, 500_000, Trace::Off)));
    }
}

fn length(longest: u32) {
    let prepared = peers(64, false);
    let mut growth = Growth::of("events");
    for size in (4..=longest).map(|power| 10u64.pow(power)) {
        let before = resident_bytes();
        // Short runs several times over, or the clock of the processor would not tick once.
        let times = (1_000_000 / size).max(1);
        growth.line(size, nanos_per_event(1, || (0..times).map(|_| peers::run(&prepared, size, Trace::Kept)).sum()));
        println!("{:>14} KiB more memory than before", resident_bytes().saturating_sub(before) / 1_024);
    }
    println!("(each step's trace is read and thrown away, so that memory does not grow with the length)");
}

/// A timeline that keeps the past of the last 2²⁰ events, and 64 MiB of copies.
fn kept(longest: u32) {
    const BUDGET: Budget = Budget { bytes: 64 << 20, spacing: 1_024, events: 1 << 20 };
    let mut growth = Growth::of("kept events");
    for size in (4..=longest).map(|power| 10u64.pow(power)) {
        let (before, mut bytes) = (resident_bytes(), 0);
        let nanos = nanos_per_event(1, || {
            let forever = Instant::from_nanos(u64::MAX / 2);
            let sim = raft::cluster(false).start(Seed(1));
            let mut timeline = Timeline::new(sim, (), forever, Limits::default(), BUDGET);
            let goal = Goal { events: size, ..Goal::default() };
            timeline.advance(goal, |_| (Grade::Quiet, ControlFlow::Continue(())));
            bytes = resident_bytes().saturating_sub(before);
            timeline.past().len()
        });
        growth.line(size, nanos);
        println!("{:>14} KiB: {:.0} bytes an event, copies included", bytes / 1_024, bytes as f64 / size as f64);
    }
    println!("(of the past 64 bytes for each of the last 1,114,112 events at most, and 64 MiB of copies)");
}

fn bytes_per_pending() {
    const MANY: u32 = 1_000_000;
    let actors = hops::actors(1_024, MANY);
    let before = resident_bytes();
    let mut sim = actors.start(Seed(1));
    for _ in 0..2_048 {
        black_box(sim.step());
    }
    let bytes = resident_bytes().saturating_sub(before);
    println!("\n{} pending events take {:.0} bytes each", sim.pending(), bytes as f64 / sim.pending() as f64);
}

fn bytes_per_node() {
    const MANY: u32 = 100_000;
    let prepared = peers(MANY, false);
    let before = resident_bytes();
    let sim = prepared.start(Seed(1));
    let bytes = resident_bytes().saturating_sub(before);
    println!("a run of {MANY} nodes takes {:.0} bytes a node before its first event", bytes as f64 / f64::from(MANY));
    black_box(sim.now());
}

fn main() {
    let is_short = std::env::args().any(|arg| arg == "--short" || arg == "--test");
    // First, while no memory has been freed that could be taken again.
    bytes_per_node();
    bytes_per_pending();
    pending();
    nodes();
    links();
    length(if is_short { 6 } else { 8 });
    kept(if is_short { 6 } else { 8 });
}
