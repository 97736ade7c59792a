//! What tests of scenarios share: reading them, running them on all cores, and holding metrics against what is claimed.

use std::thread;

use serde_json::Value;
use sim_core::{Seed, Stop};
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::scenario::{Model, Scenario};

/// What is claimed of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Must {
    /// This, on every seed.
    Be(f64),
    /// Within these, both included, on 99.9 % of seeds.
    Lie(f64, f64),
    /// No value at all, on every seed.
    BeAbsent,
}

/// The seeds that a claim is held against: of 50, two may lie outside an interval that 99.9 % lie in.
pub const SEEDS: u64 = 50;
const OUTSIDE: u64 = 2;

/// A built-in scenario.
pub fn built_in(name: &str) -> Scenario {
    builtin::scenario(name).expect("it is built in").expect("it is right")
}

/// All built-in scenarios, by name.
pub fn all_built_in() -> impl Iterator<Item = (&'static str, Scenario)> {
    builtin::names().map(|name| (name, built_in(name)))
}

/// A built-in scenario as JSON, to be edited.
pub fn json(name: &str) -> Value {
    serde_json::from_str(builtin::text(name).expect("it is built in")).expect("it is JSON")
}

/// A scenario that a test has put together or edited.
pub fn written(scenario: &Value) -> Scenario {
    Scenario::parse("scenario.json", &format!("{scenario:#}")).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A scenario made ready, with a remedy or none.
pub fn remedied(scenario: &Scenario, remedy: Option<&str>) -> Model {
    let choices = remedy.map_or_else(Choices::none, |remedy| Choices::none().remedy(remedy));
    scenario.model(&choices).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The scenario as it stands, then each of its remedies and variants.
pub fn remedies(scenario: &Scenario) -> Vec<Option<String>> {
    let named = scenario.document().settings().remedies().map(|remedy| Some(remedy.name.clone()));
    std::iter::once(None).chain(named).collect()
}

/// What comes of each seed from 0 on, in the order of seeds, worked out on all cores.
pub fn over_seeds<T: Send>(seeds: u64, run: impl Fn(Seed) -> T + Sync) -> Vec<T> {
    let workers = thread::available_parallelism().map_or(1, usize::from) as u64;
    if workers == 1 {
        // Where there are no threads at all, such as WebAssembly.
        return (0..seeds).map(|seed| run(Seed(seed))).collect();
    }
    let run = &run;
    let hand = |worker: u64| move || (worker..seeds).step_by(workers as usize).map(|n| (n, run(Seed(n)))).collect();
    let mut all: Vec<(u64, T)> = thread::scope(|scope| {
        let hands: Vec<_> = (0..workers).map(|worker| scope.spawn(hand(worker))).collect();
        hands.into_iter().flat_map(|hand| -> Vec<(u64, T)> { hand.join().expect("no panic") }).collect()
    });
    all.sort_by_key(|(seed, _)| *seed);
    all.into_iter().map(|(_, come)| come).collect()
}

/// Runs a model on so many seeds and holds its metrics against what they must be.
pub fn check(model: &Model, seeds: u64, expected: &[(&str, Must)]) {
    let runs = over_seeds(seeds, |seed| model.run(seed, Stop::AtEnd).metrics);
    for (metric, must) in expected {
        let value = |run: &Vec<(String, Option<f64>)>| {
            run.iter().find(|(name, _)| name == metric).unwrap_or_else(|| panic!("no metric {metric}")).1
        };
        let seen: Vec<Option<f64>> = runs.iter().map(value).collect();
        let outside = seen.iter().filter(|value| !must.holds(**value)).count() as u64;
        let allowed = if matches!(must, Must::Lie(..)) { OUTSIDE * seeds / SEEDS } else { 0 };
        let settings = model.changed();
        assert!(outside <= allowed, "{metric} at {settings:?}: {outside} of {seeds} are not {must:?}: {seen:?}");
    }
}

/// Holds what a file expects, of itself and under each of its remedies and variants, against so many seeds.
pub fn keeps_its_word(file: &Value, seeds: u64) {
    let scenario = written(file);
    check(&remedied(&scenario, None), seeds, &expectations(&file["expect"]));
    for group in ["remedies", "variants"] {
        for (remedy, claim) in file[group].as_object().into_iter().flatten() {
            check(&remedied(&scenario, Some(remedy)), seeds, &expectations(&claim["expect"]));
        }
    }
}

/// An `expect` object of a scenario file.
pub fn expectations(expect: &Value) -> Vec<(&str, Must)> {
    expect.as_object().into_iter().flatten().map(|(metric, claim)| (metric.as_str(), Must::of(claim))).collect()
}

impl Must {
    fn of(claim: &Value) -> Must {
        match (claim.as_f64(), claim.as_array().map(Vec::as_slice)) {
            (Some(value), _) => Must::Be(value),
            (_, Some([low, high])) => Must::Lie(low.as_f64().expect("a number"), high.as_f64().expect("a number")),
            _ => Must::BeAbsent,
        }
    }

    fn holds(self, value: Option<f64>) -> bool {
        match (self, value) {
            (Must::Be(expected), Some(value)) => value == expected,
            (Must::Lie(low, high), Some(value)) => (low..=high).contains(&value),
            (Must::BeAbsent, value) => value.is_none(),
            (_, None) => false,
        }
    }
}
