//! The built-in stories tell the numbers that closed forms and an independent interpreter of the same files give.
//!
//! A bare number must come out on every seed; an interval is for 99.9 % of seeds, so at most 2 of 50 may lie outside.

use faultline_tests::scenarios::{Must, SEEDS, built_in, remedied};
use sim_core::{Seed, Stop};
use sim_models::language::Choices;

use Must::{Be, Lie};

/// Runs a scenario under a remedy on 50 seeds and holds its metrics against what they must be.
fn check(scenario: &str, remedy: Option<&str>, expected: &[(&str, Must)]) {
    faultline_tests::scenarios::check(&remedied(&built_in(scenario), remedy), SEEDS, expected);
}

const CHECKOUT: [(&str, Must); 4] = [
    ("double_charged", Lie(580.0, 744.0)),
    ("extra_charges", Lie(615.0, 796.0)),
    ("double_share", Lie(0.058, 0.0744)),
    ("failed_but_charged", Lie(0.0, 9.0)),
];

#[test]
fn a_checkout_that_tries_again_charges_one_order_in_fifteen_twice() {
    check("checkout", None, &CHECKOUT);
}

#[test]
fn a_key_per_order_charges_nobody_twice() {
    check("checkout", Some("key-per-order"), &[("double_charged", Be(0.0)), ("failed_but_charged", Lie(6.0, 36.0))]);
}

#[test]
fn a_key_per_try_is_as_bad_as_none() {
    check("checkout", Some("key-per-try"), &[("double_charged", Lie(580.0, 744.0))]);
}

#[test]
fn remembering_only_finished_answers_helps_no_one() {
    check("checkout", Some("finished-answers-only"), &[("double_charged", Lie(580.0, 744.0))]);
}

#[test]
fn telling_the_second_try_409_trades_double_charges_for_charged_failures() {
    let expected = [("double_charged", Be(0.0)), ("failed_but_charged", Lie(580.0, 744.0))];
    check("checkout", Some("key-per-order-409"), &expected);
}

#[test]
fn cancelling_on_a_timeout_leaves_customers_charged_for_cancelled_orders() {
    check("gateway-timeout", None, &[("charged_but_cancelled", Lie(580.0, 744.0)), ("unresolved", Be(0.0))]);
}

#[test]
fn waiting_longer_leaves_fewer() {
    check("gateway-timeout", Some("wait-2s"), &[("charged_but_cancelled", Lie(58.0, 120.0))]);
    check("gateway-timeout", Some("wait-5s"), &[("charged_but_cancelled", Lie(0.0, 9.0))]);
}

#[test]
fn saying_pending_and_asking_later_leaves_none() {
    check("gateway-timeout", Some("reconcile"), &[("charged_but_cancelled", Be(0.0)), ("unresolved", Be(0.0))]);
}

#[test]
fn looking_before_taking_sells_what_is_not_there() {
    check("oversell", None, &[("final_stock", Lie(-14.0, 0.0)), ("sold", Lie(100.0, 114.0))]);
}

#[test]
fn a_conditional_update_sells_exactly_what_is_there() {
    check("oversell", Some("conditional"), &[("final_stock", Be(0.0)), ("sold", Be(100.0))]);
    check("oversell", Some("version"), &[("final_stock", Be(0.0)), ("sold", Be(100.0))]);
}

/// The share of charges that take longer than the timeout: P(lognormal(300 ms, 0.8) > 1 s) = 1 − Φ(ln(1000/300)/0.8) = 6.62 %.
#[test]
fn the_share_of_double_charges_is_the_tail_of_the_log_normal() {
    let tail = libm::erfc(libm::log(1000.0 / 300.0) / 0.8 / std::f64::consts::SQRT_2) / 2.0;
    assert!((tail - 0.0662).abs() < 5e-5, "{tail}");
    let scenario = built_in("checkout");
    let model = scenario.model(&Choices::none()).expect("it is right");
    let (seeds, orders) = (10u64, 10_000.0);
    let doubled = |seed| model.run(Seed(seed), Stop::AtEnd).metrics[0].1.expect("a count");
    let total: f64 = (0..seeds).map(doubled).sum();
    let n = seeds as f64 * orders;
    // An order is doubled when its first try is late; 3.29 standard deviations are 99.9 %.
    let z = (total - n * tail) / libm::sqrt(n * tail * (1.0 - tail));
    assert!(z.abs() < 3.29, "{total} of {n}: z = {z}");
}

/// While one buyer looks and takes, 20 ms apart, 200 a second come: the excess is Poisson with mean 4.
#[test]
fn the_stock_ends_at_minus_four_on_average_and_below_zero_on_98_percent_of_seeds() {
    let scenario = built_in("oversell");
    let model = scenario.model(&Choices::none()).expect("it is right");
    let seeds = 1_000u64;
    let stock = |seed| model.run(Seed(seed), Stop::AtEnd).metrics[0].1.expect("a number");
    let ends: Vec<f64> = (0..seeds).map(stock).collect();
    let mean = ends.iter().sum::<f64>() / seeds as f64;
    let z = (mean + 4.0) / libm::sqrt(4.0 / seeds as f64);
    assert!(z.abs() < 3.29, "mean {mean}: z = {z}");
    // P(Poisson(4) = 0) = e⁻⁴ = 1.8 %.
    let below = ends.iter().filter(|end| **end < 0.0).count() as f64;
    let share = 1.0 - libm::exp(-4.0);
    let z = (below - seeds as f64 * share) / libm::sqrt(seeds as f64 * share * (1.0 - share));
    assert!(z.abs() < 3.29, "{below} of {seeds} below zero: z = {z}");
}
