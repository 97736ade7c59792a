//! How fast is the kernel's message path beside a plain loop that does the same work?

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use faultline_benches::peers::{Trace, peers, run};
use faultline_benches::{plain::Plain, print_ratio};

const MESSAGES: u64 = 200_000;
const NODES: [u32; 3] = [2, 64, 1024];

fn bench(c: &mut Criterion) {
    let mut group = c.benchmark_group("request and reply");
    group.throughput(Throughput::Elements(MESSAGES)).sample_size(20);
    for nodes in NODES {
        let prepared = peers(nodes, false);
        group.bench_function(BenchmarkId::new("plain loop", nodes), |b| b.iter(|| Plain::new(nodes, 1).run(MESSAGES)));
        for trace in [Trace::Off, Trace::Kept] {
            let name = format!("kernel, trace {trace:?}");
            group.bench_function(BenchmarkId::new(name, nodes), |b| b.iter(|| run(&prepared, MESSAGES, trace)));
        }
    }
    group.finish();
}

criterion_group!(benches, bench);

fn main() {
    benches();
    println!("\nkernel / plain loop, messages per second, 21 rounds in turn (median, least, most)");
    for nodes in NODES {
        let prepared = peers(nodes, false);
        for trace in [Trace::Off, Trace::Kept] {
            let name = format!("{nodes} nodes, trace {trace:?}");
            print_ratio(&name, || Plain::new(nodes, 1).run(MESSAGES), || run(&prepared, MESSAGES, trace));
        }
    }
    Criterion::default().configure_from_args().final_summary();
}
