//! How fast is a failing seed found, made small, and forked, by the length of the run?
//!
//! Each beside a yardstick in the same run: a hunt beside the same events without a judge, a shrink beside the replay of the case it
//! began with, a fork beside running to the same place again.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use faultline_benches::{interleaved, rate};
use sim_core::case::Case;
use sim_core::{Judge, Seed, Sim, Stop};
use sim_models::builtin;
use sim_models::judge::ScenarioJudge;
use sim_models::language::Choices;
use sim_models::message::Msg;
use sim_models::scenario::Model;
use sim_models::shrink::shrink;

const ORDERS: [u64; 4] = [10, 100, 1_000, 10_000];
/// A hunt of this many orders in all is one measurement, however they are cut into seeds.
const ALL: u64 = 10_000;

/// The story that is told first, with so many orders: what makes it small is how many there are.
fn checkout(orders: u64, remedy: Option<&str>) -> Model {
    let story = builtin::story().expect("it is right");
    let scenario = builtin::scenario(&story.scenario).expect("it is built in").expect("it is right");
    let choices = remedy.map_or_else(Choices::none, |remedy| Choices::none().remedy(remedy));
    let choices = story.settings.keys().fold(choices, |choices, name| choices.set(name, &orders.to_string()));
    scenario.model(&choices).expect("it is right")
}

/// Runs to the end: nothing fails, as in a hunt for what is rare.
fn cured(orders: u64) -> Model {
    checkout(orders, Some(&builtin::story().expect("it is right").remedy))
}

fn seeds(orders: u64) -> impl Iterator<Item = Seed> {
    (0..ALL / orders).map(Seed)
}

/// Judges so many seeds, as each core of a hunt does.
fn hunted(model: &Model, orders: u64) -> u64 {
    seeds(orders).map(|seed| black_box(model.run(seed, Stop::AtViolation)).outcome.events.min(1)).sum()
}

/// The same events of the same seeds; nobody judges them, keeps a trail or measures anything.
fn unjudged(model: &Model, events: &[u64]) -> u64 {
    for (seed, events) in events.iter().enumerate() {
        let (mut sim, _) = model.start(Seed(seed as u64));
        while sim.events() < *events && sim.step().is_some() {}
        black_box(sim.digest());
    }
    events.len() as u64
}

fn events(model: &Model, orders: u64) -> Vec<u64> {
    seeds(orders).map(|seed| model.run(seed, Stop::AtViolation).outcome.events).collect()
}

/// The first failing seed as a case.
fn failing(model: &Model) -> Case {
    let mut runs = (0..).map(|seed| model.run(Seed(seed), Stop::AtViolation));
    model.case(&runs.find(|run| run.outcome.verdict.is_failure()).expect("one of them fails"))
}

fn shrunk(case: &Case) -> u64 {
    shrink("case.json", case, 10_000, &mut |_| true).expect("it fails").replays
}

/// A run held after this many events, and who judges it.
#[derive(Clone)]
struct Held {
    sim: Sim<Msg>,
    judge: ScenarioJudge,
}

impl Held {
    fn at(model: &Model, events: u64) -> Held {
        let (sim, judge) = model.start(Seed(0));
        let mut held = Held { sim, judge };
        while held.sim.events() < events
            && let Some(step) = held.sim.step()
        {
            held.judge.after(&step, &held.sim);
        }
        held
    }

    /// In the middle of a run of so many orders.
    fn halfway(model: &Model) -> Held {
        Held::at(model, model.run(Seed(0), Stop::AtEnd).outcome.events / 2)
    }
}

fn hunt(c: &mut Criterion) {
    let mut group = c.benchmark_group("hunt, one core");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(1));
    for orders in ORDERS {
        group.throughput(Throughput::Elements(ALL / orders));
        let (failing, cured) = (checkout(orders, None), cured(orders));
        group.bench_function(BenchmarkId::new("to the first violation", orders), |b| {
            b.iter(|| hunted(&failing, orders));
        });
        group.bench_function(BenchmarkId::new("to the end", orders), |b| b.iter(|| hunted(&cured, orders)));
        let events = events(&cured, orders);
        group
            .bench_function(BenchmarkId::new("to the end, no judge", orders), |b| b.iter(|| unjudged(&cured, &events)));
    }
    group.finish();
}

fn shrinks(c: &mut Criterion) {
    let mut group = c.benchmark_group("shrink");
    group
        .throughput(Throughput::Elements(1))
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
    for orders in ORDERS {
        let model = checkout(orders, None);
        let case = failing(&model);
        group.bench_function(BenchmarkId::new("to one line", orders), |b| b.iter(|| shrunk(&case)));
        group.bench_function(BenchmarkId::new("one replay of the case", orders), |b| {
            b.iter(|| black_box(model.run(case.seed, Stop::AtViolation)));
        });
    }
    group.finish();
}

fn forks(c: &mut Criterion) {
    let mut group = c.benchmark_group("fork in the middle");
    group
        .throughput(Throughput::Elements(1))
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
    for orders in ORDERS {
        let model = cured(orders);
        let held = Held::halfway(&model);
        let events = held.sim.events();
        group.bench_function(BenchmarkId::new("run and judge", orders), |b| b.iter(|| black_box(held.clone())));
        group.bench_function(BenchmarkId::new("run alone", orders), |b| b.iter(|| black_box(held.sim.clone())));
        group.bench_function(BenchmarkId::new("running there again", orders), |b| b.iter(|| Held::at(&model, events)));
    }
    group.finish();
}

criterion_group!(benches, hunt, shrinks, forks);

/// One table of all three, each ratio from rounds in turn.
fn table() {
    println!("\none after the other in turn: per second, and how it stands to its yardstick (median, least, most)");
    for orders in ORDERS {
        let model = cured(orders);
        let lengths = events(&model, orders);
        let ratio = interleaved(11, || unjudged(&model, &lengths), || hunted(&model, orders));
        shown(orders, "seeds hunted / the same events without a judge", rate(&mut || hunted(&model, orders)), ratio);
        let (failing_model, held) = (checkout(orders, None), Held::halfway(&model));
        let case = failing(&failing_model);
        let replay = || failing_model.run(case.seed, Stop::AtViolation).outcome.events.min(1);
        let shrink = || shrunk(&case).min(1);
        // The other way round: how many replays of the case it began with a shrink costs.
        let ratio = interleaved(11, shrink, || (0..20).map(|_| replay()).sum());
        shown(
            orders,
            "cases shrunk; replays of the case one costs",
            rate(&mut || (0..5).map(|_| shrink()).sum()),
            ratio,
        );
        let fork = || (0..100).map(|_| black_box(held.clone()).sim.events().min(1)).sum();
        let again = || Held::at(&model, held.sim.events()).sim.events().min(1);
        let ratio = interleaved(11, again, fork);
        shown(orders, "forks / runs to the same place", rate(&mut || fork()), ratio);
        println!(
            "{orders:>7} orders  a shrink took {} replays; the fork is at event {}",
            shrunk(&case),
            held.sim.events()
        );
    }
}

fn shown(orders: u64, what: &str, rate: f64, [median, least, most]: [f64; 3]) {
    println!("{orders:>7} orders  {what:<46} {rate:>10.1}/s  {median:.2}  ({least:.2} to {most:.2})");
}

fn main() {
    benches();
    table();
    Criterion::default().configure_from_args().final_summary();
}
