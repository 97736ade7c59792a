//! How long does it take to work out 200 blocks that share with their neighbours, and how many years fit into a second?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sim_core::Seed;
use sim_models::avail::{Assembly, Block, Names, Plan, simulate};
use sim_models::stats::Confidence;

const YEARS: u32 = 10_000;

/// A circle of a hundred pairs, each of which shares one part with the next.
fn circle() -> (Block, Names) {
    let pair = |at: u32| format!("(a#{at} | b#{at}) * (a#{at} | b#{})", at % 100 + 1);
    let text = (1..=100).map(pair).collect::<Vec<_>>().join(" * ");
    let mut names = Names::new();
    names.bind("a=99%").expect("it is right");
    names.bind("b=99%").expect("it is right");
    (Block::parse(&text).expect("it is right"), names)
}

fn avail(criterion: &mut Criterion) {
    let (block, names) = circle();
    criterion.bench_function("two hundred shared blocks", |bench| {
        bench.iter(|| black_box(Assembly::of(&block, &names).expect("it is right").availability()));
    });
    let mut group = criterion.benchmark_group("simulated years");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(YEARS)));
    for text in ["2of3(mtbf=30d/mttr=1h)", "2of3(mtbf=30d/mttr=1h, crews=1, active=1, failover=1800ms)"] {
        let assembly = Assembly::of(&Block::parse(text).expect("it is right"), &Names::new()).expect("it is right");
        let plan = Plan::of(f64::from(YEARS) * 365.0 * 86_400.0, Seed(0), Confidence::USUAL);
        group.bench_function(text, |bench| bench.iter(|| black_box(simulate(&assembly, &plan))));
    }
    group.finish();
}

criterion_group!(benches, avail);
criterion_main!(benches);
