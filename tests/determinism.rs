//! The same system and seed are the same run, whatever ran before in this process.

use faultline_tests::world::{END, Has, World, schedules, worlds};
use proptest::prelude::*;
use sim_core::{Digest, Dist, Duration, Link, Seed};

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
