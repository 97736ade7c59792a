//! A copy of a run is a fork of it: it goes on as the original would, and the original does not notice.

use faultline_tests::world::{END, Has, Msg, World, schedules, worlds};
use proptest::prelude::*;
use sim_core::{Digest, Seed, Sim, Step};

/// The steps and the digests behind them, to the end or for as long as asked.
fn go_on(sim: &mut Sim<Msg>, steps: usize) -> Vec<(Step, Digest)> {
    let step = || sim.step_before(END).map(|step| (step, sim.digest()));
    std::iter::from_fn(step).take(steps).collect()
}

fn checkpoint(sim: &Sim<Msg>) -> Digest {
    sim.checkpoint().unwrap()
}

fn faulty_worlds() -> impl Strategy<Value = World> {
    (worlds(Has::Yes), schedules(), any::<bool>()).prop_map(|(world, mut faults, beats)| {
        faults.extend(
            ["late shop-1->svc-1 ask shop-1/1 #1 70ms", "drop svc-1->shop-1 reply shop-1/2 #1"].map(String::from),
        );
        World { faults, beats: if beats { Has::Yes } else { Has::No }, ..world }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fork_goes_on_as_the_original(world in faulty_worlds(), seed in any::<u64>(), at in any::<prop::sample::Index>()) {
        let mut alone = world.start(seed);
        let whole = go_on(&mut alone, usize::MAX);
        let at = at.index(whole.len() + 1);

        let mut original = world.start(seed);
        let beginning = go_on(&mut original, at);
        let before = (original.digest(), checkpoint(&original), original.now(), original.pending());
        let mut fork = original.clone();
        let rest_of_fork = go_on(&mut fork, usize::MAX);
        prop_assert_eq!((original.digest(), checkpoint(&original), original.now(), original.pending()), before);
        let rest = go_on(&mut original, usize::MAX);

        prop_assert_eq!(&rest, &rest_of_fork);
        prop_assert_eq!([beginning, rest].concat(), whole);
        prop_assert_eq!([checkpoint(&original), checkpoint(&fork)], [checkpoint(&alone); 2]);
        prop_assert_eq!([original.touched(), fork.touched()], [alone.touched(), alone.touched()]);
    }

    /// Neither what it would have done, nor its end, for which nobody waits.
    #[test]
    fn a_fault_that_is_lifted_never_was(world in worlds(Has::Yes), faults in schedules(), seed in any::<u64>()) {
        let place = faults.len();
        let more = faults.iter().cloned().chain(["1ms..90s crash svc-1".to_owned()]).collect();
        let mut without = World { faults, ..world.clone() }.start(seed);
        let mut lifted = World { faults: more, ..world }.start(seed);
        prop_assert!(lifted.lift(place));
        prop_assert_eq!(lifted.last_fault_end(), without.last_fault_end());
        prop_assert_eq!(go_on(&mut lifted, usize::MAX), go_on(&mut without, usize::MAX));
    }

    #[test]
    fn fresh_dice_from_the_same_seed_change_nothing(
        world in worlds(Has::Yes), faults in schedules(), seed in any::<u64>(), at in 0..300usize,
    ) {
        let world = World { faults, ..world };
        let mut whole = world.start(seed);
        let expected = go_on(&mut whole, usize::MAX);
        let mut fork = world.start(seed);
        let mut steps = go_on(&mut fork, at);
        let end = fork.last_fault_end();
        fork.reseed(Seed(seed));
        prop_assert_eq!(fork.last_fault_end(), end);
        steps.extend(go_on(&mut fork, usize::MAX));
        prop_assert_eq!(steps, expected);
        prop_assert_eq!((checkpoint(&fork), fork.touched()), (checkpoint(&whole), whole.touched()));
    }

    #[test]
    fn fresh_dice_before_the_first_event_make_it_the_run_of_that_seed(
        world in worlds(Has::Yes), seed in any::<u64>(), fresh in any::<u64>(),
    ) {
        let world = World { faults: Vec::new(), ..world };
        let (mut fork, mut run) = (world.start(seed), world.start(fresh));
        fork.reseed(Seed(fresh));
        prop_assert_eq!(go_on(&mut fork, usize::MAX), go_on(&mut run, usize::MAX));
        prop_assert_eq!((checkpoint(&fork), fork.seed()), (checkpoint(&run), run.seed()));
    }

    #[test]
    fn fresh_dice_leave_the_past_and_the_original_alone_and_no_decision_applies_any_more(
        world in faulty_worlds(), seed in any::<u64>(), fresh in any::<u64>(), at in any::<prop::sample::Index>(),
    ) {
        let whole = go_on(&mut world.start(seed), usize::MAX);
        let at = at.index(whole.len() + 1);
        let mut original = world.start(seed);
        let beginning = go_on(&mut original, at);
        let touched = original.touched();
        let mut forks = [original.clone(), original.clone()];
        forks.iter_mut().for_each(|fork| fork.reseed(Seed(fresh)));
        prop_assert_eq!((forks[0].digest(), checkpoint(&forks[0])), (original.digest(), checkpoint(&original)));
        prop_assert_eq!((forks[0].touched(), forks[0].last_fault_end()), (touched.clone(), original.last_fault_end()));
        let [one, other] = forks.each_mut().map(|fork| go_on(fork, usize::MAX));
        prop_assert_eq!(one, other);
        let timed = world.faults.len() - 2;
        prop_assert_eq!(&forks[0].touched()[timed..], &touched[timed..]);
        prop_assert_eq!([beginning, go_on(&mut original, usize::MAX)].concat(), whole);
    }

    #[test]
    fn recording_changes_no_digest(
        world in faulty_worlds(), seed in any::<u64>(), on in 0..200usize, off in 0..200usize,
    ) {
        let (mut silent, mut recorded) = (world.start(seed), world.start(seed));
        let mut steps = go_on(&mut recorded, on);
        recorded.record(true);
        steps.extend(go_on(&mut recorded, off));
        recorded.record(false);
        steps.extend(go_on(&mut recorded, usize::MAX));
        prop_assert_eq!(go_on(&mut silent, usize::MAX), steps);
        prop_assert_eq!(checkpoint(&silent), checkpoint(&recorded));
    }

    #[test]
    fn stopping_before_a_limit_changes_nothing(world in faulty_worlds(), seed in any::<u64>(), pace in 1..50u64) {
        let (mut straight, mut halting) = (world.start(seed), world.start(seed));
        let mut steps = Vec::new();
        for tick in 0.. {
            let limit = sim_core::Instant::from_nanos(tick * pace * 1_000_000);
            while let Some(step) = halting.step_before(limit.min(END)) {
                prop_assert!(step.at < limit && halting.now() == step.at);
                steps.push((step, halting.digest()));
            }
            if limit >= END || tick > 5_000 {
                break;
            }
        }
        steps.extend(go_on(&mut halting, usize::MAX));
        prop_assert_eq!(go_on(&mut straight, usize::MAX), steps);
    }
}

#[test]
fn a_run_can_move_to_another_thread() {
    fn movable<T: Send + Sync>() {}
    movable::<Sim<Msg>>();
    movable::<sim_core::Prepared<Msg>>();
}
