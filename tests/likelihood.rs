//! The probability of a failure along its run is that of the closed form, before and behind each decision that mattered.
//!
//! The gateway of the checkout needs a log-normal time of median 300 ms and sigma 0.8 for a charge, and the shop waits one second:
//! an order is charged twice with p = 1 − Φ(ln(10/3) / 0.8) = 6.62 %. With m orders whose charge has not been drawn yet, and none
//! that was slow, some order fails with 1 − (1 − p)^m; from the first slow draw on the failure is certain.

use std::collections::BTreeMap;

use faultline_tests::scenarios::built_in;
use sim_core::sim::Entry;
use sim_core::{Answer, Duration, Operation, Seed, Stop};
use sim_models::language::Choices;
use sim_models::likelihood::{Likelihood, Moment, Plan, likelihood};
use sim_models::record::Failure;
use sim_models::scenario::Model;
use sim_models::stats::{Confidence, clopper_pearson};
use statrs::distribution::{ContinuousCDF, Normal};

/// So sure that all moments together hold.
const SURE: Confidence = Confidence::new(0.9999).unwrap();
/// What the figures in docs/validation.md are printed with.
const PRINTED: Confidence = Confidence::new(0.999).unwrap();

fn late() -> f64 {
    let normal = Normal::standard();
    normal.sf((10.0f64 / 3.0).ln() / 0.8)
}

fn checkout(orders: u64) -> Model {
    let choices = Choices::none().set("orders", &orders.to_string());
    built_in("checkout").model(&choices).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The first so many seeds that fail, and how.
fn failing(model: &Model, count: usize) -> Vec<(Seed, Failure)> {
    let runs = (0..).map(|seed| (Seed(seed), Failure::of(&model.run(Seed(seed), Stop::AtViolation).outcome)));
    runs.filter_map(|(seed, failure)| Some((seed, failure?))).take(count).collect()
}

/// In which event each order's first charge was drawn, and how long it takes.
fn charges(model: &Model, seed: Seed) -> BTreeMap<Operation, (u64, Duration)> {
    let (mut sim, _) = model.start(seed);
    sim.record(true);
    let mut charges = BTreeMap::new();
    while let Some(step) = sim.step() {
        for entry in sim.log() {
            if let Entry::Drew { node, draw } = entry
                && let ("gateway", "work") = (sim.names().node(*node), draw.purpose.name())
                && let Answer::Length(length) = draw.answer
            {
                charges.entry(draw.cause.operation).or_insert((step.number, length));
            }
        }
    }
    charges
}

/// Every moment's forks agree with the closed form, at a confidence at which all of them do; the one jump to certainty is at the
/// slow draw.
fn check(orders: u64, seed: Seed, failure: &Failure, plan: &Plan) -> Likelihood {
    let model = checkout(orders);
    let charges = charges(&model, seed);
    let slow = charges.values().filter(|(_, length)| *length > Duration::from_secs(1)).map(|(event, _)| *event);
    let slow = slow.min().expect("some charge is slow");
    let found = likelihood(&model, seed, failure, plan);
    for Moment { event, forks, failing, .. } in &found.moments {
        let open = charges.values().filter(|(drawn, _)| drawn > event).count() as i32;
        let expected = if *event >= slow { 1.0 } else { 1.0 - (1.0 - late()).powi(open) };
        let share = clopper_pearson(*failing, *forks, SURE);
        assert!(share.covers(expected), "{seed}, event {event}: {failing} of {forks}, not {expected}");
    }
    let jump = found.jumps.iter().find(|jump| jump.event >= slow).expect("a jump to certainty");
    assert_eq!((jump.event, found.moments[jump.before].event), (slow, slow - 1), "{seed}: {jump:?}");
    assert_eq!(found.moments[jump.before + 1].failing, plan.forks);
    assert_eq!((jump.fell, jump.rose), (0, plan.forks - found.moments[jump.before].failing));
    found
}

#[test]
fn one_order_of_ten_is_doomed_from_its_slow_charge_on() {
    for (seed, failure) in failing(&checkout(10), 5) {
        check(10, seed, &failure, &Plan { forks: 150, moments: 24, ..Plan::default() });
    }
}

#[test]
fn before_anything_is_drawn_an_order_fails_as_often_as_the_closed_form_says() {
    let (seed, failure) = failing(&checkout(1), 1).remove(0);
    let found = check(1, seed, &failure, &Plan { forks: 2_000, moments: 12, ..Plan::default() });
    assert_eq!(found.moments[0].event, 0);
}

/// Only one order of ten is begun: the others' dice are none of its business.
#[test]
fn an_order_alone_of_ten_fails_as_often_as_one() {
    let ten = checkout(10);
    let (seed, failure) = failing(&ten, 1).remove(0);
    let charges = charges(&ten, seed);
    let slow = charges.iter().find(|(_, (_, length))| *length > Duration::from_secs(1)).expect("one is slow");
    let alone = ten.limited_to(Some(vec![*slow.0]));
    let found = likelihood(&alone, seed, &failure, &Plan { forks: 2_000, moments: 2, ..Plan::default() });
    assert!(clopper_pearson(found.moments[0].failing, 2_000, SURE).covers(late()), "{found:?}");
}

/// What docs/validation.md says: `cargo test --release -p faultline-tests --test likelihood -- --ignored --nocapture`.
#[test]
#[ignore = "the long run"]
fn the_likelihood_is_that_of_the_closed_form_with_many_forks() {
    for (orders, forks) in [(1, 50_000), (10, 10_000)] {
        for (seed, failure) in failing(&checkout(orders), 3) {
            let found =
                check(orders, seed, &failure, &Plan { forks, moments: 24, confidence: PRINTED, ..Plan::default() });
            for Moment { event, at, failing, low, high, .. } in &found.moments {
                println!("{orders} orders, {seed}: event {event:>4} {at}: {failing} of {forks}, {low:.4} to {high:.4}");
            }
            for jump in &found.jumps {
                println!("  jump at {}: {} rose, {} fell: {}", jump.event, jump.rose, jump.fell, jump.what);
            }
        }
    }
}
