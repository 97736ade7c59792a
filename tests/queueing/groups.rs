//! Customers who come in groups: the herd waits for itself.
//!
//! Gross and Harris, Fundamentals of Queueing Theory, section 3.1: L = ρ (1 + group) / 2(1 − ρ), W = L / ρ.

use faultline_tests::closed_forms::{confirm, in_groups};
use faultline_tests::replications::{Figure, check};
use faultline_tests::scenarios::over_seeds;
use serde_json::json;
use sim_models::message::Note;

use super::machines::{Desk, REPLICATIONS};
use super::watch::{Limits, Watch, Window};

/// Load, L, and W of each customer, in groups of five.
const ROWS: [(f64, f64, f64); 2] = [(0.5, 3.0, 6.0), (0.8, 12.0, 15.0)];
const GROUP: u32 = 5;

fn groups((rho, number, stay): (f64, f64, f64), units: f64) {
    // One customer of the file makes five calls at once: each of the five is a customer of the closed form.
    let call = json!([{"call": "desk.serve"}]);
    let visit = json!([{"parallel": [call, call, call, call, call]}]);
    let desk = Desk { visit, ..Desk::new(json!({"workers": 1}), json!([{"work": {"exponential": "1s"}}])) };
    let window = Window::of(units, REPLICATIONS);
    let model = desk.model(rho / f64::from(GROUP), window);
    let seen = over_seeds(REPLICATIONS, |seed| {
        let (mut sim, _) = model.start(seed);
        let mut watch = Watch::new(window, &Limits::default());
        // One server in order of arrival: who leaves is who was called first. So stays are known from the gauges.
        let (mut came, mut line) = (0, std::collections::VecDeque::new());
        while let Some(step) = sim.step() {
            watch.until(step.at);
            for note in sim.notes() {
                let Note::Gauge { busy, waiting, .. } = note else { continue };
                let before = watch.here().0;
                watch.changes(*busy, *waiting);
                match watch.here().0.cmp(&before) {
                    std::cmp::Ordering::Greater => {
                        came += 1;
                        line.push_back(step.at);
                    }
                    std::cmp::Ordering::Less => watch.served(line.pop_front().expect("somebody"), step.at),
                    std::cmp::Ordering::Equal => {}
                }
            }
        }
        assert_eq!(came % GROUP, 0, "everybody comes in groups");
        watch.over()
    });
    check(
        &format!("M^[5]/M/1 {rho}"),
        &[
            Figure::new("L", seen.iter().map(|r| r.number()).collect(), number, 0.02),
            Figure::new("W of each", seen.iter().map(|r| r.stays.mean()).collect(), stay, 0.02),
        ],
    );
}

#[test]
fn the_figures_are_those_of_the_closed_form() {
    for (rho, number, stay) in ROWS {
        confirm("L", in_groups(rho, f64::from(GROUP)), number);
        confirm("W", in_groups(rho, f64::from(GROUP)) / rho, stay);
    }
}

#[test]
fn a_herd_at_half_load_waits_for_itself() {
    groups(ROWS[0], 3.8e6);
}

#[test]
#[ignore = "long: 16 million customers"]
fn a_herd_at_four_fifths_waits_for_itself() {
    groups(ROWS[1], 1.8e7);
}
