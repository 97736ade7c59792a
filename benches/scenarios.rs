//! How fast does each scenario run through the interpreter, its judge included, and what does a policy cost that has nothing
//! to do?
//!
//! The bar is a million events a second, policies on. An idle policy is compared in turn with the same run without it.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant as Clock;

use criterion::{Criterion, Throughput, criterion_group};
use faultline_benches::{print_ratio, processor_nanos};
use sim_core::{Instant, Seed, Stop};
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Model, Scenario};

// The allocator of the binary, which is what these scenarios run with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRIES: usize = 3;
const ENOUGH: u64 = 300_000;

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn example(name: &str) -> Scenario {
    Scenario::parse(name, &text(name)).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Every scenario that comes with the program.
fn all() -> Vec<(String, Scenario)> {
    let built_in = builtin::names().map(|name| {
        let scenario = builtin::scenario(name).expect("it is built in").expect("it is right");
        (name.to_owned(), scenario)
    });
    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")).expect("it is there");
    let mut names: Vec<_> = folder.map(|entry| entry.expect("it can be listed").file_name()).collect();
    names.retain(|name| name.to_string_lossy().ends_with(".json"));
    names.sort();
    let names = names.iter().map(|name| name.to_string_lossy().into_owned());
    built_in.chain(names.map(|name| (name.clone(), example(&name)))).collect()
}

fn events_of(model: &Model, seed: u64) -> u64 {
    black_box(model.run(Seed(seed), Stop::AtEnd)).outcome.events
}

fn events(model: &Model) -> u64 {
    events_of(model, 0)
}

/// Events a second of processor time, the best of some tries; of a short run so many seeds that the clock can tell.
fn speed(model: &Model) -> f64 {
    let seeds = 1 + ENOUGH / events(model).max(1);
    let rates = (0..TRIES).map(|_| {
        let begin = Clock::now();
        let before = processor_nanos(begin);
        let events: u64 = (0..seeds).map(|seed| events_of(model, seed)).sum();
        events as f64 * 1e9 / (processor_nanos(begin) - before) as f64
    });
    rates.fold(0.0, f64::max)
}

/// A policy that has nothing to do.
enum Idle {
    /// By settings of the file.
    Set(&'static [(&'static str, &'static str)]),
    /// By a further clause of the guarded call.
    Clause(&'static str),
    /// By a further key of each service.
    Key(&'static str),
}

/// Orders that nothing befalls: the first 20 s of the profiles, with this policy.
fn calm(idle: &Idle) -> Model {
    const CALL: &str = "\"breaker\": \"${breaker}\"";
    const SERVICE: &str = "\"kind\": \"service\"";
    const FILE: &str = "profiles.json";
    let (settings, text): (&[_], _) = match idle {
        Idle::Set(settings) => (settings, text(FILE)),
        Idle::Clause(clause) => (&[], text(FILE).replace(CALL, &format!("{CALL}, {clause}"))),
        Idle::Key(key) => (&[], text(FILE).replace(SERVICE, &format!("{SERVICE}, {key}"))),
    };
    let choices =
        settings.iter().fold(Choices::none().set("rate", "1000/s"), |choices, (name, value)| choices.set(name, value));
    let changes = Changes { until: Some(Instant::from_nanos(20_000_000_000)), ..Changes::default() };
    let scenario = Scenario::parse(FILE, &text).unwrap_or_else(|wrong| panic!("{wrong}"));
    scenario.model_with(&choices, &changes).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn idle(c: &mut Criterion) {
    let mut group = c.benchmark_group("20,000 orders that nothing befalls");
    for (name, policy) in IDLE {
        let model = calm(policy);
        group.throughput(Throughput::Elements(events(&model))).sample_size(20);
        group.bench_function(*name, |b| b.iter(|| events(&model)));
    }
    group.finish();
}

const IDLE: &[(&str, Idle)] = &[
    ("no policy", Idle::Set(&[])),
    ("a breaker", Idle::Set(&[("breaker", "resilience4j")])),
    ("a breaker by time", Idle::Set(&[("breaker", "polly")])),
    ("a retry", Idle::Set(&[("retry", "resilience4j")])),
    ("a retry with a budget", Idle::Set(&[("retry", "aws-sdk")])),
    ("both", Idle::Set(&[("breaker", "resilience4j"), ("retry", "aws-sdk")])),
    ("a bulkhead", Idle::Clause("\"bulkhead\": {\"max\": 100000}")),
    ("a limit that finds itself", Idle::Clause("\"bulkhead\": {\"profile\": \"gradient2\", \"initialLimit\": 200}")),
    ("a limiter", Idle::Clause("\"limiter\": {\"rate\": \"1000000/s\", \"burst\": 1000000}")),
    ("a hedge", Idle::Clause("\"hedge\": \"60s\"")),
    ("outlier detection", Idle::Key("\"outlier\": {\"profile\": \"envoy\"}")),
];

const FORMS: [&str; 5] = ["one-database", "2pc", "xa", "saga", "events"];

criterion_group!(benches, idle);

fn main() {
    benches();
    println!("\norders a second beside the same without a policy, 21 rounds in turn (median, least, most)");
    let plain = calm(&Idle::Set(&[]));
    for (name, policy) in IDLE {
        let model = calm(policy);
        let orders = |model: &Model| {
            events(model);
            20_000
        };
        print_ratio(name, || orders(&plain), || orders(&model));
    }
    println!("\nevents a second of one run, of processor time, the best of {TRIES}");
    for (name, scenario) in all() {
        let model = scenario.model(&Choices::none()).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        println!("{name:>28}  {:>9} events  {:>6.2} M/s", events(&model), speed(&model) / 1e6);
    }
    println!("\nand of the order in each of its forms; the bar is half a million");
    let orders = example("order-in-five-forms.json");
    for form in FORMS {
        let model = orders.model(&Choices::none().set("form", form)).unwrap_or_else(|wrong| panic!("{form}: {wrong}"));
        println!("{form:>28}  {:>9} events  {:>6.2} M/s", events(&model), speed(&model) / 1e6);
    }
    Criterion::default().configure_from_args().final_summary();
}
