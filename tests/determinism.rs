//! The same system and seed are the same run, whatever ran before in this process.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use faultline_tests::scenarios::{all_built_in, built_in, over_seeds, remedied};
use faultline_tests::world::{END, Has, World, schedules, worlds};
use proptest::prelude::*;
use sim_core::lockstep::check;
use sim_core::{Digest, Dist, Duration, Instant, Limits, Link, Outcome, Seed, Stop, Trace};
use sim_models::scenario::Model;

/// How a run ends: events, rolling digest, states.
fn end(world: &World, seed: u64) -> (u64, Digest, Digest) {
    let mut sim = world.start(seed);
    while sim.step_before(END).is_some() {}
    (sim.events(), sim.digest(), sim.checkpoint().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_seed_is_one_run(
        world in worlds(Has::Yes), other in worlds(Has::Yes), faults in schedules(), seed in any::<u64>(),
    ) {
        let world = World { faults, ..world };
        let first = end(&world, seed);
        prop_assert_eq!(first, end(&world, seed));
        end(&other, seed);
        prop_assert_eq!(first, end(&world, seed));
        let prepared = world.system().prepare().unwrap();
        for seed in [seed ^ 1, seed] {
            let mut sim = prepared.start(Seed(seed));
            while sim.step_before(END).is_some() {}
            let ended = (sim.events(), sim.digest(), sim.checkpoint().unwrap());
            prop_assert_eq!(ended, end(&world, seed));
        }
    }

    #[test]
    fn another_seed_is_another_run(world in worlds(Has::Yes), seed in any::<u64>(), other in any::<u64>()) {
        prop_assume!(seed != other);
        // A drawn latency, so that there is something to differ in.
        let latency = Dist::Exponential(Duration::from_millis(3));
        let world = World { link: Link { latency, ..world.link.clone() }, ..world };
        prop_assert_ne!(end(&world, seed).1, end(&world, other).1);
    }
}

/// All that comes of a run: how it came out, its metrics, its counters.
type Come = (Outcome, Vec<(String, Option<f64>)>, Vec<(String, u64)>);

/// The first events of a run of a scenario, and all that came of them.
fn beginning(model: &Model, seed: u64, record: bool) -> Come {
    let (mut sim, mut judge) = model.start(Seed(seed));
    sim.record(record);
    let mut trace = Trace::new();
    let limits = Limits { events: 20_000, ..Limits::default() };
    let outcome = sim_core::run(&mut sim, &mut judge, &model.course(Stop::AtEnd, limits), |sim, step| {
        if record {
            trace.push(sim, step);
        }
        ControlFlow::Continue(())
    });
    assert_eq!(trace.steps().len() as u64, if record { outcome.events } else { 0 });
    let measured = model.measured(Seed(seed), &sim, &judge, outcome);
    (measured.outcome, measured.metrics, measured.counters)
}

fn models() -> Vec<(&'static str, Model)> {
    all_built_in().map(|(name, scenario)| (name, remedied(&scenario, None))).collect()
}

#[test]
fn a_scenario_runs_alike_whatever_ran_before_it() {
    let models = models();
    for (at, (name, model)) in models.iter().enumerate() {
        let first = beginning(model, 3, false);
        assert_eq!(first, beginning(model, 3, false), "{name}");
        let (other, another) = &models[(at + 1) % models.len()];
        beginning(another, 3, false);
        assert_eq!(first, beginning(model, 3, false), "{name} after {other}");
        let anew = remedied(&built_in(name), None);
        assert_eq!(first, beginning(&anew, 3, false), "{name}, read anew");
    }
}

#[test]
fn every_scenario_passes_the_check_of_determinism_after_another_and_comes_to_its_own_digest() {
    let models = models();
    for (at, (name, model)) in models.iter().enumerate() {
        let (other, another) = &models[(at + 1) % models.len()];
        let start = || remedied(&built_in(name), None).start(Seed(4)).0;
        let meanwhile = || _ = beginning(another, 4, false);
        let until = model.until().unwrap_or(Instant::NEVER);
        let agreed =
            check(start, meanwhile, until, 20_000).unwrap_or_else(|doubt| panic!("{name} after {other}: {doubt}"));
        let alone = beginning(model, 4, false).0;
        assert_eq!((agreed.events, agreed.digest), (alone.events, alone.digest), "{name}");
    }
}

#[test]
fn keeping_a_trace_changes_nothing_of_a_scenario() {
    for (name, model) in models() {
        assert_eq!(beginning(&model, 5, true), beginning(&model, 5, false), "{name}");
    }
}

#[test]
fn another_seed_is_another_run_of_a_scenario() {
    for (name, model) in models() {
        let digests: BTreeSet<u64> = (0..20).map(|seed| beginning(&model, seed, false).0.digest.0).collect();
        assert_eq!(digests.len(), 20, "{name}");
    }
}

#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    for (name, model) in models() {
        let together = over_seeds(4, |seed| beginning(&model, seed.0, false));
        let apart: Vec<_> = (0..4).map(|seed| beginning(&model, seed, false)).collect();
        assert_eq!(together, apart, "{name}");
    }
}
