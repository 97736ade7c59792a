//! How long does it take to know what happens once in a trillion runs, or for a hundred-millionth of the time, and how
//! fast are the events of that beside plain loops that somebody wrote by hand?

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

/// So many plain walks, with the same dice; how many steps they took.
fn walked(walks: u64) -> u64 {
    let mut all = 0;
    for walk in 0..walks {
        let (mut at, mut steps) = (1u32, 0);
        while at > 0 && at < 40 {
            steps += 1;
            at = if mix(walk, steps).is_multiple_of(3) { at + 1 } else { at - 1 };
        }
        all += steps;
    }
    all
}

/// Plain cycles of five machines by hand, which fail at such a rate and are repaired at 1; how many jumps they took,
/// and how often three were down.
fn cycled(cycles: u64, fails: f64) -> (u64, u64) {
    let (mut jumps, mut lost) = (0, 0);
    for cycle in 0..cycles {
        let mut failed = 1.0;
        jumps += 1;
        while failed > 0.0 {
            jumps += 1;
            let (worse, better) = ((5.0 - failed) * fails, failed);
            let share = (mix(cycle, jumps) >> 11) as f64 / (1u64 << 53) as f64;
            failed += if share * (worse + better) < worse { 1.0 } else { -1.0 };
            lost += u64::from(failed == 3.0);
        }
    }
    (jumps, lost)
}

/// Events of one replication of each kind, beside what levels cost.
fn splitting(criterion: &mut Criterion) {
    let start = |seed: Seed| Walk { at: 1, dice: seed.0, steps: 0 };
    let way = ladder(&start, &Pilot::default(), Seed(0)).expect("a way");
    let levels = copies(&way.levels, &way.chances);
    let mut group = criterion.benchmark_group("once in a trillion");
    group.throughput(Throughput::Elements(walked(1_000)));
    group.bench_function("a thousand plain walks by hand", |bench| bench.iter(|| black_box(walked(1_000))));
    group.throughput(Throughput::Elements(way.events));
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
    group.throughput(Throughput::Elements(cycled(1_000, 1e-4).0));
    group.bench_function("a thousand plain cycles by hand", |bench| bench.iter(|| black_box(cycled(1_000, 1e-4))));
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
