//! How long does it take to work out 200 blocks that share with their neighbours, in order, in no order, and in a
//! ladder and a grid that are gone both ways; and how many years fit into a second, beside a loop that somebody wrote
//! by hand? Each has a second; the report says by how much it keeps it.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sim_core::Seed;
use sim_models::avail::{Assembly, AvailFile, Block, Names, Plan, simulate};
use sim_models::stats::Confidence;

const YEARS: u32 = 10_000;

/// A circle of a hundred pairs, each of which shares one part with the next.
fn circle() -> (Block, Names) {
    mentioned(|at| at)
}

/// The circle with its pairs mentioned in some order.
fn mentioned(order: impl Fn(u32) -> u32) -> (Block, Names) {
    let pair = |at: u32| format!("(a#{at} | b#{at}) * (a#{at} | b#{})", at % 100 + 1);
    let text = (1..=100).map(order).map(pair).collect::<Vec<_>>().join(" * ");
    let mut names = Names::new();
    names.bind("a=99%").expect("it is right");
    names.bind("b=99%").expect("it is right");
    (Block::parse(&text).expect("it is right"), names)
}

/// The same circle by hand: which pairs hold, going around it for each state of the one part that the ends share.
fn circle_by_hand(up: f64) -> f64 {
    let down = 1.0 - up;
    // A pair (a | b) and (a | b'): with a up it holds, without it both others are needed.
    let holds = |b: bool, next: bool| if b && next { 1.0 } else { up };
    let chance = |is_up: bool| if is_up { up } else { down };
    let around = |first: bool| {
        let begin = |is_up: bool| if is_up == first { 1.0 } else { 0.0 };
        let mut now = [begin(false), begin(true)];
        for _ in 1..100 {
            now = [false, true].map(|next| (now[0] * holds(false, next) + now[1] * holds(true, next)) * chance(next));
        }
        now[0] * holds(false, first) + now[1] * holds(true, first)
    };
    down * around(false) + up * around(true)
}

/// Two of three machines by hand: the next change of each, the earliest of them, one stream of numbers. The share of
/// time down.
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

/// So many by so many blocks that are gone in all ways, from the left to the right.
fn grid(rows: u32, columns: u32) -> AvailFile {
    let (mut blocks, mut links) = (Vec::new(), Vec::new());
    for row in 0..rows {
        links.push(format!("\"in -> g{row}_0\", \"g{row}_{} -> out\"", columns - 1));
        for column in 0..columns {
            blocks.push(format!("\"g{row}_{column}\": \"99%\""));
            let down = (row + 1 < rows).then(|| format!("\"g{row}_{column} <-> g{}_{column}\"", row + 1));
            let right = (column + 1 < columns).then(|| format!("\"g{row}_{column} <-> g{row}_{}\"", column + 1));
            links.extend(down.into_iter().chain(right));
        }
    }
    let text = format!("{{\"blocks\": {{{}}}, \"links\": [{}]}}", blocks.join(", "), links.join(", "));
    AvailFile::parse("grid.json", &text).expect("it is right")
}

/// A ladder by hand: which of two rows one gets to, column by column.
fn ladder_by_hand(up: f64, columns: u32) -> f64 {
    let down = 1.0 - up;
    let mut met = [up * down, up * down, up * up];
    for _ in 1..columns {
        let [top, bottom, both] = met;
        met = [(top + both) * up * down, (bottom + both) * up * down, (top + bottom + both) * up * up];
    }
    met.iter().sum()
}

/// How often something fits into the second that it has, best of five.
fn bar(what: &str, mut once: impl FnMut()) {
    let seconds = |_| {
        let begun = Instant::now();
        once();
        begun.elapsed().as_secs_f64()
    };
    let best = (0..5).map(seconds).fold(f64::INFINITY, f64::min);
    println!("{what}: {:.4} s; it has a second, which is {:.1} times as long", best, 1.0 / best);
}

fn avail(criterion: &mut Criterion) {
    let (block, names) = circle();
    let exact = Assembly::of(&block, &names).expect("it is right").availability();
    assert!((exact.up / circle_by_hand(0.99) - 1.0).abs() < 1e-12, "{exact:?}, by hand {}", circle_by_hand(0.99));
    bar("200 blocks with sharing, exact", || {
        black_box(Assembly::of(&block, &names).expect("it is right").availability());
    });
    criterion.bench_function("two hundred shared blocks", |bench| {
        bench.iter(|| black_box(Assembly::of(&block, &names).expect("it is right").availability()));
    });
    criterion.bench_function("two hundred shared blocks by hand", |bench| {
        bench.iter(|| black_box(circle_by_hand(black_box(0.99))));
    });
    // 37 and 100 have no factor in common: every pair once, far from its neighbours.
    let (jumbled, names) = mentioned(|at| at * 37 % 100 + 1);
    let got = Assembly::of(&jumbled, &names).expect("it is right").availability();
    assert!((got.up / exact.up - 1.0).abs() < 1e-12, "{got:?}, in order {exact:?}");
    let (ladder, square) = (grid(2, 100), grid(6, 6));
    let got = ladder.assembly().expect("it is right").availability().up;
    assert!((got / ladder_by_hand(0.99, 100) - 1.0).abs() < 1e-12, "{got}, by hand {}", ladder_by_hand(0.99, 100));
    bar("the same blocks in no order, exact", || {
        black_box(Assembly::of(&jumbled, &names).expect("it is right").availability());
    });
    bar("a ladder of 2 by 100, gone both ways, exact", || {
        black_box(ladder.assembly().expect("it is right").availability());
    });
    bar("a grid of 6 by 6, gone both ways, exact", || {
        black_box(square.assembly().expect("it is right").availability());
    });
    criterion.bench_function("a ladder of two hundred blocks", |bench| {
        bench.iter(|| black_box(ladder.assembly().expect("it is right").availability()));
    });
    criterion.bench_function("a grid of thirty-six blocks", |bench| {
        bench.iter(|| black_box(square.assembly().expect("it is right").availability()));
    });
    let mut group = criterion.benchmark_group("simulated years");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(YEARS)));
    for text in ["2of3(mtbf=30d/mttr=1h)", "2of3(mtbf=30d/mttr=1h, crews=1, active=1, failover=1800ms)"] {
        let assembly = Assembly::of(&Block::parse(text).expect("it is right"), &Names::new()).expect("it is right");
        let plan = Plan::of(f64::from(YEARS) * 365.0 * 86_400.0, Seed(0), Confidence::USUAL);
        bar(&format!("{YEARS} years of {text}"), || {
            black_box(simulate(&assembly, &plan));
        });
        group.bench_function(text, |bench| bench.iter(|| black_box(simulate(&assembly, &plan))));
    }
    group.bench_function("2of3 by hand", |bench| bench.iter(|| black_box(by_hand(f64::from(YEARS), 0))));
    group.finish();
}

criterion_group!(benches, avail);
criterion_main!(benches);
