//! How long does it take to work out 200 blocks that share with their neighbours, and how many years fit into a second,
//! beside a loop over three machines that somebody wrote by hand?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
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

/// Two of three machines by hand: the next change of each, the earliest of them, one stream of numbers. The share of time
/// down.
fn by_hand(years: f64, seed: u64) -> f64 {
    const UP: f64 = 30.0 * 86_400.0;
    const DOWN: f64 = 3_600.0;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut length = |mean: f64| -mean * libm::log1p(-((rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64));
    let end = years * 365.0 * 86_400.0;
    let (mut next, mut ups) = ([length(UP), length(UP), length(UP)], [true; 3]);
    let (mut now, mut down) = (0.0, 0.0);
    loop {
        let first = (0..3).fold(0, |first, at| if next[at] < next[first] { at } else { first });
        let at = next[first].min(end);
        if ups.iter().filter(|up| **up).count() < 2 {
            down += at - now;
        }
        now = at;
        if now >= end {
            return down / end;
        }
        ups[first] = !ups[first];
        next[first] = now + length(if ups[first] { UP } else { DOWN });
    }
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
    group.bench_function("2of3 by hand", |bench| bench.iter(|| black_box(by_hand(f64::from(YEARS), 0))));
    group.finish();
}

criterion_group!(benches, avail);
criterion_main!(benches);
