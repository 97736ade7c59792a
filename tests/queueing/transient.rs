//! A queue that has only just opened is emptier than it will be: M/M/1 at 0.8, started empty.
//!
//! The truth is the chain's transition probabilities, by uniformization. Each replication is short, and there are many; what one
//! sees at several instants is dependent, what several see at one is not.

use faultline_tests::closed_forms::{BirthDeath, confirm};
use faultline_tests::replications::{Figure, check};
use faultline_tests::scenarios::over_seeds;
use serde_json::json;
use sim_core::{Duration, Instant};

use super::machines::{Desk, told};
use super::watch::{Limits, Watch, Window};

const RHO: f64 = 0.8;

/// The time in units of service, the mean number in the system, the share of queues that are empty.
const ROWS: [(u64, f64, f64); 6] = [
    (1, 0.5515518582734869, 0.5973987502809388),
    (5, 1.469460827785542, 0.34896794294059486),
    (10, 2.0302815635789857, 0.28642259328477643),
    (25, 2.8460121642320253, 0.23512696759535265),
    (50, 3.4050389779982604, 0.21411791688683215),
    (100, 3.7918726925843296, 0.20397643729403514),
];

/// How many each of so many queues holds at each of the first times.
fn opened(queues: u64, times: &[(u64, f64, f64)]) -> Vec<Vec<usize>> {
    let instant = |units: u64| Instant::ZERO + Duration::from_secs(units);
    let last = times.last().expect("a time").0;
    let window = Window { from: Instant::ZERO, to: instant(last + 1) };
    let model = Desk::new(json!({"workers": 1}), json!([{"work": {"exponential": "1s"}}])).model(RHO, window);
    over_seeds(queues, |seed| {
        let (mut sim, _) = model.start(seed);
        let mut watch = Watch::new(window, &Limits::default());
        let at = |time: &(u64, f64, f64)| {
            while let Some(step) = sim.step_before(instant(time.0)) {
                watch.until(step.at);
                sim.notes().iter().for_each(|note| told(&mut watch, note, step.at));
            }
            watch.here().0
        };
        times.iter().map(at).collect()
    })
}

fn hold(queues: u64, rows: &[(u64, f64, f64)]) {
    let seen = opened(queues, rows);
    for (nth, (time, number, empty)) in rows.iter().enumerate() {
        let numbers = seen.iter().map(|seen| seen[nth] as f64).collect();
        let empties = seen.iter().map(|seen| f64::from(u8::from(seen[nth] == 0))).collect();
        check(
            &format!("M/M/1 0.8 opened, at {time}"),
            &[Figure::new("mean N", numbers, *number, 0.02), Figure::new("share empty", empties, *empty, 0.02)],
        );
    }
}

#[test]
fn the_figures_are_those_of_the_chain() {
    let chain = BirthDeath::new(400, |_| RHO, |_| 1.0);
    for (time, number, empty) in ROWS {
        let likely = chain.at(time as f64);
        confirm("mean N", likely.iter().enumerate().map(|(n, share)| n as f64 * share).sum(), number);
        confirm("share empty", likely[0], empty);
    }
}

#[test]
fn a_queue_that_has_just_opened_is_nearly_empty() {
    hold(62_000, &ROWS[..2]);
}

#[test]
#[ignore = "long: 120 thousand queues"]
fn a_queue_that_has_opened_fills_as_it_should() {
    hold(120_000, &ROWS);
}
