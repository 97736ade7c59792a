//! One worker, Poisson arrivals, exponential service: the queue whose answers everybody knows comes out of a scenario file.
//!
//! M/M/1 with arrivals at λ and service at μ: the time in the system is exponential with mean W = 1/(μ − λ), so its 99th
//! percentile is W · ln 100 (Kleinrock, Queueing Systems I, section 3.2).
//!
//! Thirty independent replications, each started empty with the first fifth of its customers deleted; from the thirty values the
//! 99.9 % interval of Student's t. Customers of one replication are correlated, replications are not, so the interval is honest
//! for the mean. A sample percentile is biased by a term that shrinks with the number of independent customers, and averaging
//! replications does not shrink it further; hence there are enough customers for that term to be far below the interval, and
//! beside it stands an estimate without that bias: the share of customers that take longer than W · ln 100, which is 1 %.

use std::ops::ControlFlow;

use faultline_tests::scenarios::{over_seeds, written};
use serde_json::{Value, json};
use sim_core::{Limits, Seed, Stop};
use sim_models::language::Choices;
use sim_models::message::Note;
use sim_models::scenario::Model;
use statrs::distribution::{ContinuousCDF, StudentsT};

const REPLICATIONS: u64 = 30;
/// Customers that the worker serves in a second.
const MU: f64 = 100.0;

fn queue() -> Value {
    json!({
        "faultline": 1,
        "name": "one-worker",
        "settings": {
            "rate": {"default": "50/s"},
            "customers": {"default": 1000, "min": 1},
        },
        "nodes": {"desk": {"kind": "service", "workers": 1, "endpoints": {"serve": [{"work": {"exponential": "10ms"}}]}}},
        "workload": {"door": {
            "rate": "${rate}", "spacing": "poisson", "limit": "${customers}", "each": "customer",
            "do": [{"call": "desk.serve"}],
        }},
    })
}

/// What one replication says: mean and 99th percentile in seconds, and the share beyond a given time.
struct Replication {
    mean: f64,
    p99: f64,
    beyond: f64,
}

fn replicate(model: &Model, seed: Seed, threshold: f64) -> Replication {
    let mut stays: Vec<(u64, u64)> = Vec::new();
    let run = model.run_watched(seed, Stop::AtEnd, Limits::default(), |sim, step| {
        for note in sim.notes() {
            if let Note::Finished { key, since, .. } = note {
                stays.push((*key, step.at.nanos() - since.nanos()));
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!((run.requests.ok, run.requests.total), (stays.len() as u64, stays.len() as u64));
    stays.sort_unstable();
    let mut kept: Vec<u64> = stays[stays.len() / 5..].iter().map(|(_, stay)| *stay).collect();
    kept.sort_unstable();
    let count = kept.len() as f64;
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let rank = libm::ceil(0.99 * count) as usize - 1;
    Replication {
        mean: kept.iter().map(|stay| seconds(*stay)).sum::<f64>() / count,
        p99: seconds(kept[rank]),
        beyond: (kept.len() - kept.partition_point(|stay| seconds(*stay) <= threshold)) as f64 / count,
    }
}

/// The middle of the 99.9 % interval for what the values are of on average, and half its width.
fn interval(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).expect("a distribution").inverse_cdf(0.9995);
    (mean, t * libm::sqrt(variance / n))
}

fn check(rho: f64, customers: u64) {
    let choices = Choices::none().set("rate", &format!("{}/s", rho * MU)).set("customers", &customers.to_string());
    let model = written(&queue()).model(&choices).unwrap_or_else(|wrong| panic!("{wrong}"));
    let w = 1.0 / (MU - rho * MU);
    let p99 = w * libm::log(100.0);
    let replications = over_seeds(REPLICATIONS, |seed| replicate(&model, seed, p99));
    let of = |value: fn(&Replication) -> f64| interval(&replications.iter().map(value).collect::<Vec<_>>());
    let (mean, p99s, beyond) = (of(|r| r.mean), of(|r| r.p99), of(|r| r.beyond));
    for (what, (middle, half), truth) in
        [("mean", mean, w), ("99th percentile", p99s, p99), ("share beyond the 99th percentile", beyond, 0.01)]
    {
        println!("rho {rho}: {what} {middle:.6} ± {half:.6} ({:.2} %), in truth {truth:.6}", 100.0 * half / middle);
        assert!((middle - truth).abs() <= half, "rho {rho}: {what} is {middle} ± {half}, not {truth}");
    }
    assert!(mean.1 <= 0.02 * mean.0, "rho {rho}: the interval of the mean is too wide: {mean:?}");
}

#[test]
fn the_interval_is_students() {
    // Table value of t for 29 degrees of freedom at 99.95 %: 3.659.
    let t = StudentsT::new(0.0, 1.0, 29.0).expect("a distribution").inverse_cdf(0.9995);
    assert!((t - 3.659).abs() < 1e-3, "{t}");
    let (mean, half) = interval(&[1.0, 2.0, 3.0]);
    // Standard error 1/√3, t for 2 degrees of freedom at 99.95 % is 31.599.
    assert!((mean - 2.0).abs() < 1e-12 && (half - 31.599 / libm::sqrt(3.0)).abs() < 1e-3, "{mean} ± {half}");
}

// How many customers: the variance of the mean of n is about ρ(2 + 5ρ − 4ρ² + ρ³)/(1 − ρ)⁴/μ²/n (Daley 1968, by way of Whitt,
// Planning Queueing Simulations, 1989, section 4), from which a half-width of 2 % follows with some to spare.

#[test]
fn at_half_load_the_closed_forms_come_out() {
    check(0.5, 30_000);
}

#[test]
fn at_four_fifths_the_closed_forms_come_out() {
    check(0.8, 200_000);
}

#[test]
#[ignore = "long: 30 million customers"]
fn at_nine_tenths_the_closed_forms_come_out() {
    check(0.9, 1_000_000);
}
