//! How fast is a cluster of five nodes for sixty simulated seconds, how dear is a copy of it, how far any of its events, and what
//! does a second core bring?

use std::hint::black_box;
use std::ops::ControlFlow;
use std::thread;
use std::time::Instant as Clock;

use criterion::{Criterion, Throughput, criterion_group};
use faultline_benches::raft::{END, cluster, plain, run};
use faultline_benches::{print_ratio, rate};
use sim_core::{Budget, Goal, Grade, Instant, Limits, Seed, Sim, Timeline};

const SEEDS: u64 = 20;
const EVENTS: u64 = 1_000_000;

fn plain_seeds(seeds: u64) -> u64 {
    (0..seeds).for_each(|seed| _ = black_box(plain(seed)));
    seeds
}

fn kernel_seeds(seeds: u64, record: bool) -> u64 {
    let prepared = cluster(true);
    (0..seeds).for_each(|seed| _ = black_box(run(&prepared, seed, record)));
    seeds
}

/// A run of the cluster in its middle.
fn under_way() -> Sim<faultline_benches::raft::Msg> {
    let mut sim = cluster(true).start(Seed(1));
    while sim.events() < 5_000 && sim.step_before(END).is_some() {}
    sim
}

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("cluster");
    group.throughput(Throughput::Elements(SEEDS)).sample_size(20);
    group.bench_function("plain loop", |b| b.iter(|| plain_seeds(SEEDS)));
    group.bench_function("kernel", |b| b.iter(|| kernel_seeds(SEEDS, false)));
    group.bench_function("kernel, trace kept", |b| b.iter(|| kernel_seeds(SEEDS, true)));
    let sim = under_way();
    group.throughput(Throughput::Elements(1));
    group.bench_function("snapshot", |b| b.iter(|| black_box(sim.clone())));
    group.finish();
}

criterion_group!(benches, bench);

/// Runs the same work on two threads.
fn on_two(work: impl Fn() -> u64 + Sync) -> u64 {
    thread::scope(|scope| {
        let other = scope.spawn(&work);
        work() + other.join().expect("it does not panic")
    })
}

/// By how much a second core speeds up hunting, beside by how much it speeds up the plain loop.
fn second_core() {
    let mut ratios: Vec<f64> = (0..11)
        .map(|_| {
            let kernel = rate(&mut || on_two(|| kernel_seeds(SEEDS, false))) / rate(&mut || kernel_seeds(SEEDS, false));
            let plain = rate(&mut || on_two(|| plain_seeds(SEEDS))) / rate(&mut || plain_seeds(SEEDS));
            kernel / plain
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "what a second core gains, beside the plain loop: {:.2} ({:.2} to {:.2})",
        ratios[5], ratios[0], ratios[10]
    );
}

/// Microseconds that something takes: median, 95 % and most of so many times.
fn print_times(name: &str, times: u64, mut once: impl FnMut(u64)) {
    let mut micros: Vec<f64> = (0..times)
        .map(|n| {
            let begin = Clock::now();
            once(n);
            begin.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: usize| micros[(micros.len() - 1) * share / 100];
    println!("{name:>36}  {:.1} µs, 95 % {:.1}, most {:.1}", at(50), at(95), at(100));
}

fn timeline() {
    let forever = Instant::from_nanos(u64::MAX / 2);
    let sim = cluster(false).start(Seed(1));
    let mut timeline = Timeline::new(sim, (), forever, Limits::default(), Budget::default());
    let begin = Clock::now();
    timeline.advance(Goal { events: EVENTS, ..Goal::default() }, |_| (Grade::Quiet, ControlFlow::Continue(())));
    println!("{EVENTS} events kept in {:.0} ms", begin.elapsed().as_secs_f64() * 1e3);
    println!("{:.1} bytes of trace an event", timeline.past().bytes() as f64 / EVENTS as f64);
    let anywhere = |n: u64| 1 + (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) % EVENTS;
    print_times("seek to any event", 1_000, |n| _ = black_box(timeline.seek(anywhere(n)).sim.digest()));
    print_times("one event back from there", 1_000, |n| {
        let at = if n % 2 == 0 { anywhere(n) } else { timeline.at() };
        timeline.seek(at);
        timeline.seek(at.saturating_sub(1));
    });
    timeline.seek(EVENTS / 2);
    print_times("step back, again and again", 1_000, |_| _ = timeline.seek(timeline.at() - 1));
}

fn main() {
    benches();
    println!("\nbeside the plain loop, seeds per second, 21 rounds in turn (median, least, most)");
    print_ratio("kernel", || plain_seeds(SEEDS), || kernel_seeds(SEEDS, false));
    print_ratio("kernel, trace kept", || plain_seeds(SEEDS), || kernel_seeds(SEEDS, true));
    second_core();
    timeline();
    Criterion::default().configure_from_args().final_summary();
}
