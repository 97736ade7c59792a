//! How long does it take to know what happens once in a trillion runs, or for a hundred-millionth of the time?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sim_core::Seed;
use sim_core::seed::mix;
use sim_models::avail::{Assembly, Block, Machines, Names};
use sim_models::rare::{Biased, Climber, Going, Pilot, copies, fixed_effort, ladder, restart};

/// A walk from 1 that goes up one time in three: to 40 before 0 comes one in 2⁴⁰ − 1.
#[derive(Clone)]
struct Walk {
    at: u32,
    dice: u64,
    steps: u64,
}

impl Climber for Walk {
    fn step(&mut self) -> Going {
        self.steps += 1;
        self.at = if mix(self.dice, self.steps).is_multiple_of(3) { self.at + 1 } else { self.at - 1 };
        match self.at {
            0 => Going::Over,
            40 => Going::Happened,
            _ => Going::On,
        }
    }

    fn height(&self) -> f64 {
        f64::from(self.at)
    }

    fn reseed(&mut self, seed: Seed) {
        self.dice = seed.0;
    }
}

/// Events of one replication of each kind, beside what levels cost.
fn splitting(criterion: &mut Criterion) {
    let start = |seed: Seed| Walk { at: 1, dice: seed.0, steps: 0 };
    let way = ladder(&start, &Pilot::default(), Seed(0)).expect("a way");
    let levels = copies(&way.levels, &way.chances);
    let mut group = criterion.benchmark_group("once in a trillion");
    group.bench_function("levels", |bench| bench.iter(|| black_box(ladder(&start, &Pilot::default(), Seed(0)))));
    group.throughput(Throughput::Elements(fixed_effort(&start, &way.levels, 1_000, Seed(0), 0).events));
    group.bench_function("a thousand runs from each level", |bench| {
        bench.iter(|| black_box(fixed_effort(&start, &way.levels, 1_000, Seed(0), 0)));
    });
    group.throughput(Throughput::Elements(restart(&start, &levels, 1_000, Seed(0), 0).events));
    group.bench_function("a thousand runs and their copies", |bench| {
        bench.iter(|| black_box(restart(&start, &levels, 1_000, Seed(0), 0)));
    });
    group.finish();
}

fn biasing(criterion: &mut Criterion) {
    let block = Block::parse("3of5(mtbf=9999h/mttr=1h)").expect("it is right");
    let assembly = Assembly::of(&block, &Names::new()).expect("it is right");
    let machines = Machines::of(&assembly).expect("it is a Markov process");
    let biased = Biased::new(&machines, Seed(0));
    let mut group = criterion.benchmark_group("a majority of five, lost");
    group.throughput(Throughput::Elements(biased.cycles(1_000, 0).events));
    group.bench_function("a thousand cycles", |bench| bench.iter(|| black_box(biased.cycles(1_000, 0))));
    group.throughput(Throughput::Elements(biased.missions(8_760.0 * 3_600.0, 1_000, 0).events));
    group.bench_function("a thousand missions of a year", |bench| {
        bench.iter(|| black_box(biased.missions(8_760.0 * 3_600.0, 1_000, 0)));
    });
    group.finish();
}

criterion_group!(benches, splitting, biasing);
criterion_main!(benches);
