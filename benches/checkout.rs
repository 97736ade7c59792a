//! How fast does a scenario run through the interpreter, its judge included?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sim_core::{Seed, Stop};
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::scenario::Model;

fn model(choices: &Choices) -> Model {
    let scenario = builtin::scenario("checkout").expect("it is built in").expect("it is right");
    scenario.model(choices).expect("it is right")
}

/// One run of 10,000 orders, to its end: the bar is 0.2 s and a million events a second.
fn whole(c: &mut Criterion) {
    let model = model(&Choices::none());
    let events = model.run(Seed(0), Stop::AtEnd).outcome.events;
    let mut group = c.benchmark_group("checkout, 10,000 orders");
    group.throughput(Throughput::Elements(events)).sample_size(20);
    group.bench_function("as it is", |b| b.iter(|| black_box(model.run(Seed(0), Stop::AtEnd))));
    let cured = self::model(&Choices::none().remedy("key-per-order"));
    group.bench_function("with a key per order", |b| b.iter(|| black_box(cured.run(Seed(0), Stop::AtEnd))));
    group.finish();
}

/// Seeds of ten orders, each cut at its first violation, one after the other: what a hunt does on each core.
fn small(c: &mut Criterion) {
    const SEEDS: u64 = 200;
    let story = builtin::story().expect("it is right");
    let model = model(&story.settings.iter().fold(Choices::none(), |choices, (name, value)| choices.set(name, value)));
    let mut group = c.benchmark_group("hunt over ten orders");
    group.throughput(Throughput::Elements(SEEDS)).sample_size(20);
    group.bench_function("seeds", |b| {
        b.iter(|| (0..SEEDS).map(|seed| model.run(Seed(seed), Stop::AtViolation).outcome.events).sum::<u64>());
    });
    group.finish();
}

criterion_group!(benches, whole, small);
criterion_main!(benches);
