//! How fast are the queue alone, and a whole run, on PHOLD with 1,024 events pending, beside a `BinaryHeap`?

use criterion::{Criterion, Throughput, criterion_group};
use faultline_benches::{hops, print_ratio};

const PENDING: u32 = 1_024;
const EVENTS: u64 = 500_000;

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("PHOLD 1,024");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
    let actors = hops::actors(PENDING, PENDING);
    group.bench_function("plain loop", |b| b.iter(|| hops::heap(PENDING, EVENTS)));
    group.bench_function("the kernel's queue", |b| b.iter(|| hops::wheel(PENDING, EVENTS)));
    group.bench_function("through actors", |b| b.iter(|| hops::run(&actors, EVENTS)));
    group.finish();
}

criterion_group!(benches, bench);

fn main() {
    benches();
    println!("\nbeside the plain loop, events per second, 21 rounds in turn (median, least, most)");
    let actors = hops::actors(PENDING, PENDING);
    print_ratio("the kernel's queue", || hops::heap(PENDING, EVENTS), || hops::wheel(PENDING, EVENTS));
    print_ratio("through actors, draws and digest", || hops::heap(PENDING, EVENTS), || hops::run(&actors, EVENTS));
    Criterion::default().configure_from_args().final_summary();
}
