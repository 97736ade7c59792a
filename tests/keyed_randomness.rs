//! Randomness belongs to the thing decided: a change elsewhere changes no decision of any other operation.

use std::collections::BTreeSet;

use faultline_tests::world::{Decisions, Has, Question, Role, World, schedules, worlds};
use proptest::prelude::*;
use sim_core::{Dist, Duration, Link, Ratio, Rest, Seed};

const CASES: u32 = 400;

/// In a world without hand-offs everything that `keep` selects is as it was, and so is what is asked.
fn same(before: &Decisions, after: &Decisions, keep: impl Fn(&Question) -> bool) -> Result<(), TestCaseError> {
    prop_assert_eq!(before.only(&keep), after.only(&keep));
    Ok(())
}

/// In a world with hand-offs instants move, and with them what is asked; whatever both ask is answered alike.
fn consistent(before: &Decisions, after: &Decisions, keep: impl Fn(&Question) -> bool) -> Result<(), TestCaseError> {
    let contradictions = before.contradictions(after);
    let contradictions: Vec<_> = contradictions.into_iter().filter(|(question, ..)| keep(question)).collect();
    prop_assert!(contradictions.is_empty(), "{contradictions:#?}");
    Ok(())
}

/// Whether a question has to do with the parts of a world that a change has put there.
fn old(question: &Question) -> bool {
    let new = ["bystander", " beat", "draws audit", "draws jitter"];
    !new.iter().any(|new| question.what.contains(new))
}

/// The world with a node more, in front of all others, that also asks one of them for something.
fn with_a_bystander(world: &World) -> World {
    let mut world = world.clone();
    let server = world.nodes[0].0.clone();
    let gap = Dist::Exponential(Duration::from_millis(7));
    world.nodes.insert(0, ("bystander".to_owned(), Role::Client { server, orders: 4, gap }));
    world
}

/// One change to a world, how it is to be compared, and with which of its operations.
fn unchanged(world: &World, changed: &World, seed: u64) -> Result<(), TestCaseError> {
    let (before, after) = (world.decisions(seed), changed.decisions(seed));
    prop_assert!(!before.answers.is_empty());
    let mine = |question: &Question| {
        let foreign = |operation: &String| operation.starts_with("bystander");
        old(question) && !question.operation.as_ref().is_some_and(foreign)
    };
    if world.is_direct() { same(&before, &after, mine) } else { consistent(&before, &after, mine) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_node_changes_no_decision(world in worlds(Has::Yes), seed in any::<u64>()) {
        unchanged(&world, &with_a_bystander(&world), seed)?;
    }

    #[test]
    fn another_draw_changes_no_decision(world in worlds(Has::Yes), seed in any::<u64>()) {
        unchanged(&world, &World { audit: Has::Yes, ..world.clone() }, seed)?;
    }

    #[test]
    fn another_kind_of_message_changes_no_decision(world in worlds(Has::Yes), seed in any::<u64>()) {
        unchanged(&world, &World { beats: Has::Yes, ..world.clone() }, seed)?;
    }

    #[test]
    fn an_earlier_fault_of_another_kind_changes_no_decision(world in worlds(Has::Yes), seed in any::<u64>()) {
        let faulty = world.with_fault("loss *->svc 20%");
        let mut late = world.with_fault("70s..80s crash svc");
        late.faults.extend(faulty.faults.clone());
        let (before, after) = (faulty.decisions(seed), late.decisions(seed));
        same(&before, &after, |_| true)?;
    }

    #[test]
    fn a_lost_message_changes_no_decision_of_another_operation(
        world in worlds(Has::Yes), seed in any::<u64>(), which in any::<prop::sample::Index>(),
    ) {
        let before = world.decisions(seed);
        let of_operations: Vec<_> = before.envelopes.iter().filter(|(_, operation)| operation.is_some()).collect();
        let (line, operation) = which.get(&of_operations);
        let after = world.with_fault(format!("drop {line}")).decisions(seed);
        let other = |question: &Question| question.operation != *operation;
        if world.is_direct() { same(&before, &after, other)? } else { consistent(&before, &after, other)? }
    }

    #[test]
    fn a_fault_less_changes_no_decision_of_operations_that_it_did_not_touch(
        world in worlds(Has::No), seed in any::<u64>(), verb in 0..7usize, from in 0..60u64,
    ) {
        let verb = ["loss *->svc-1 30%", "delay svc->* +30ms ~20ms", "duplicate *->* 30%", "cut svc->shop-1",
            "partition shop-1 | svc", "clog *->svc-1", "burst-loss *->* 90% bad ~15ms good ~15ms"][verb];
        let world = world.with_fault("loss *->* 10%");
        let faulty = world.with_fault(format!("{from}ms..{}ms {verb}", from + 40));
        let (before, after) = (faulty.decisions(seed), world.decisions(seed));
        let touched: BTreeSet<_> = before.touched.iter().filter(|(fault, _)| *fault == 1).map(|(_, of)| of).collect();
        same(&before, &after, |question| !touched.contains(&question.operation))?;
    }

    #[test]
    fn schedules_answer_the_same_questions_alike(
        world in worlds(Has::No), schedule in schedules(), seed in any::<u64>(), out in any::<prop::sample::Index>(),
    ) {
        // Crashes take work away, what waits is late, and what is asked differs; what both ask, and no fault of the network
        // decided, is the same.
        let decides = ["loss", "cut", "partition", "delay", "duplicate", "corrupt", "refuse", "bandwidth"];
        let of_others = |fault: &String| {
            fault.contains("power-loss") || !decides.iter().any(|verb| fault.contains(verb))
        };
        let others: Vec<String> = schedule.into_iter().filter(of_others).collect();
        prop_assume!(!others.is_empty());
        let all = World { faults: others.clone(), ..world };
        let mut fewer = all.clone();
        fewer.faults.remove(out.index(others.len()));
        consistent(&all.decisions(seed), &fewer.decisions(seed), |_| true)?;
    }

    #[test]
    fn the_first_try_keeps_its_dice_under_another_timeout(world in worlds(Has::No), seed in any::<u64>()) {
        let patient = World { timeout: Duration::from_secs(5), ..world.clone() };
        consistent(&world.decisions(seed), &patient.decisions(seed), |_| true)?;
    }

    #[test]
    fn more_loss_loses_a_superset(
        world in worlds(Has::No), seed in any::<u64>(), less in 0..50u64, more in 0..50u64, fault in any::<bool>(),
    ) {
        let lossy = |parts: u64| match fault {
            true => world.with_fault(format!("loss *->* {parts}%")),
            false => World { link: Link { loss: Ratio::new(parts, 100).unwrap(), ..world.link.clone() }, ..world.clone() },
        };
        let (fewer, all) = (lossy(less).decisions(seed), lossy(less + more).decisions(seed));
        for question in fewer.lost() {
            let lost = all.answers.get(question).is_none_or(|answers| answers.iter().all(|answer| answer == "Lost"));
            prop_assert!(lost, "{:?} arrives at {} % and not at {} %", question, less + more, less);
        }
    }

    #[test]
    fn a_calm_run_has_medians_and_no_misfortune(world in worlds(Has::Yes), seed in any::<u64>()) {
        let calm = World { rest: Rest::Calm, ..world.clone() }.with_fault("loss *->* 40%");
        let calm = World { faults: calm.faults, link: Link { loss: Ratio::ZERO, ..world.link }, ..calm };
        let decisions = calm.decisions(seed);
        let latency = format!("Arrives({:?})", calm.link.latency.median());
        let median = |dist: &Dist| format!("Length({:?})", dist.median());
        for (question, answers) in &decisions.answers {
            let node = question.what.split(' ').next().unwrap_or_default();
            let role = calm.nodes.iter().find(|(name, _)| name == node).map(|(_, role)| role);
            let expected = match role {
                None => latency.clone(),
                Some(_) if question.what.contains("picky") => "Chance(false)".to_owned(),
                Some(Role::Client { gap, .. }) => median(gap),
                Some(Role::Server { work, .. } | Role::Queue { work, .. }) if question.what.contains("work") => median(work),
                Some(_) => continue,
            };
            prop_assert!(answers.iter().all(|answer| *answer == expected), "{question:?}: {answers:?}, not {expected}");
        }
        // Nothing is left to the seed.
        prop_assert_eq!(decisions, calm.decisions(!seed));
    }
}

/// A queue that forgets why it works is what the tests above would tell.
#[test]
fn a_queue_that_forgets_its_causes_is_noisier() {
    let queue = |because| World {
        nodes: vec![
            ("svc-1".to_owned(), Role::Queue { work: Dist::Exponential(Duration::from_millis(9)), because }),
            ("shop-1".to_owned(), shop()),
            ("shop-2".to_owned(), shop()),
        ],
        link: Link::with_latency(Dist::Exponential(Duration::from_millis(1))),
        timeout: Duration::from_secs(5),
        faults: Vec::new(),
        audit: Has::No,
        beats: Has::No,
        rest: Rest::Seed,
    };
    let noise = |because| {
        let (mut changed, mut all) = (0, 0);
        for seed in 0..20 {
            let world = queue(because);
            let (before, after) =
                (world.decisions(seed), world.with_fault("drop shop-1->svc-1 ask shop-1/1 #1").decisions(seed));
            let other = |question: &Question| question.operation.as_ref().is_some_and(|of| !of.ends_with("shop-1/1"));
            let kept = before.only(other).into_iter().filter(|(q, a)| after.answers.get(q) == Some(a)).count();
            all += before.only(other).len();
            changed += before.only(other).len() - kept;
        }
        f64::from(changed as u32) / f64::from(all as u32)
    };
    let (remembering, forgetting) = (noise(Has::Yes), noise(Has::No));
    assert!(remembering < 0.05, "{remembering}");
    assert!(forgetting > 0.2, "{forgetting}");
}

fn shop() -> Role {
    Role::Client { server: "svc-1".to_owned(), orders: 20, gap: Dist::Exponential(Duration::from_millis(12)) }
}

/// The keys of a seed are the first numbers of ChaCha8 under a key that begins with the seed: its published vectors TC1
/// and TC2 for 256 bits, whose streams begin with the bytes 3e 00 ef 2f 89 5f 40 d6 and cf 5e e9 a0 49 4a a9 61 (J.
/// Strömbergson, Test Vectors for the Stream Cipher ChaCha, draft-strombergson-chacha-test-vectors, 2013).
#[test]
fn keys_are_the_published_vectors_of_chacha8() {
    assert_eq!(Seed(0).key(0), u64::from_le_bytes([0x3e, 0x00, 0xef, 0x2f, 0x89, 0x5f, 0x40, 0xd6]));
    assert_eq!(Seed(1).key(0), u64::from_le_bytes([0xcf, 0x5e, 0xe9, 0xa0, 0x49, 0x4a, 0xa9, 0x61]));
}
