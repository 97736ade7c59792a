//! The estimators give the figures that others have worked out, and the simulator's runs, put through them, those of
//! closed forms.
//!
//! First the arithmetic: batch means, warm-up and ranks on fixed input, to nine digits. Then what statistics get wrong
//! about latency: percentiles that were averaged, clients that wait before they ask again; as scenario files, run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use faultline_tests::scenarios::{over_seeds, written};
use serde_json::{Value, json};
use sim_core::{Limits, Ratio, Seed, Stop};
use sim_models::language::Choices;
use sim_models::message::Note;
use sim_models::scenario::Model;
use sim_models::stats::{
    Batches, Confidence, Estimate, Precision, Ranks, mser5, paired, quantile, seeds_for_normal, trials_without_a_hit,
    unpaired,
};

/// What simulated figures are held against: nine hundred and ninety-nine times of a thousand.
const SURE: Confidence = Confidence::new(0.999).unwrap();

#[track_caller]
fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "{found}, not {expected}");
}

fn share(text: &str) -> Ratio {
    text.parse().expect("a ratio")
}

/// 400 values of xᵢ = 0.7 xᵢ₋₁ + uᵢ from x₀ = 10, where u is the generator of C's standard, 1103515245 u + 12345 modulo
/// 2³¹ from 12345, over 2³¹: a series that remembers, with a start far from where it settles, which any language
/// reproduces.
fn remembering() -> Vec<f64> {
    let (mut state, mut x) = (12_345u64, 10.0);
    let mut next = || {
        state = (1_103_515_245 * state + 12_345) % (1 << 31);
        x = 0.7 * x + state as f64 / f64::from(1u32 << 31);
        x
    };
    (0..400).map(|_| next()).collect()
}

#[test]
fn the_series_is_the_one_that_others_have_seen() {
    let series = remembering();
    for (found, expected) in series.iter().zip([7.655154048465192, 5.663422157242894, 4.639356143809854]) {
        close(*found, expected);
    }
    close(series[399], 2.2148037498177167);
}

// Non-overlapping batch means, Law and Kelton, Simulation Modeling and Analysis, 9.5.3: half-width t_{b−1} s / √b;
// worked out in Python from the definitions.

#[test]
fn batch_means_of_a_fixed_series_are_those_of_the_definition() {
    let series = remembering();
    for (batches, size, s2, half, first, lag1) in [
        (10, 35, 0.03096601000096925, 0.12588251149889465, 1.516502036776377, -0.15492512271223957),
        (14, 25, 0.04295984430289625, 0.11967273024225285, 1.4348093784156972, -0.2846225077044138),
        (35, 10, 0.08471774781985209, 0.09998368465014128, 1.5742696525615973, 0.16087021827320766),
    ] {
        let found = Batches::of(&series[50..], batches).expect("enough of them");
        let estimate = found.estimate(Confidence::USUAL);
        assert_eq!((found.size(), estimate.n), (size, 350));
        close(estimate.value.expect("a mean"), 1.6123895066920075);
        close(estimate.half_width().expect("an interval"), half);
        close(found.spread().variance, s2);
        close(found.means()[0], first);
        close(found.correlation(), lag1);
    }
}

#[test]
fn the_warm_up_of_a_fixed_series_is_that_of_the_definition() {
    let series = remembering();
    let found = mser5(&series).expect("long enough");
    assert_eq!((found.observations, found.found), (5, true));
    close(found.statistic, 0.0013533047642733994);
    close(found.untouched, 0.0028995865035654476);
    let mean = |values: &[f64]| Batches::of(values, 5).expect("enough of them").spread().mean;
    close(mean(&series[found.observations..]), 1.6354677320557087);
    close(mean(&series), 1.6754665029802365);
}

#[test]
fn ranks_of_quantiles_and_their_coverage_are_exact() {
    for (of, p, lower, upper, coverage, exists) in [
        (100, "50%", 40, 61, 0.9647997997822952, true),
        (1_000, "99%", 983, 997, 0.976094763497977, true),
        (1_000, "99.9%", 997, 1_001, 0.9810731665496395, false),
        (10_000, "99%", 9_880, 9_920, 0.9557546828065552, true),
        (10_000, "99.9%", 9_983, 9_997, 0.9754574618536163, true),
        (100_000, "99.9%", 99_880, 99_920, 0.954789056801905, true),
    ] {
        let found = Ranks::of(share(p), of, Confidence::USUAL);
        assert_eq!((found.lower, found.upper), (lower, upper), "{p} of {of}");
        close(found.coverage, coverage);
        let values: Vec<f64> = (1..=of).map(|rank| rank as f64).collect();
        let estimate = quantile(&values, share(p), Confidence::USUAL);
        assert_eq!((estimate.lo, estimate.hi), (Some(lower as f64), exists.then_some(upper as f64)), "{p} of {of}");
    }
    // The greatest of 2,995 values is a one-sided 95 % limit of their p99.9; of fewer, none is: ⌈ln 0.05 / ln 0.999⌉.
    assert_eq!(trials_without_a_hit(0.001, Confidence::USUAL), Some(2_995));
}

// Law and Kelton, 9.4.1: for a relative error of γ the half-width is to be γ / (1 + γ) of the mean.

#[test]
fn a_relative_precision_is_of_the_truth_and_says_how_many_runs_it_needs() {
    close(Precision::Relative(0.05).half_width(1.0), 0.047619047619047616);
    close(Precision::Relative(0.1).half_width(1.0), 0.09090909090909091);
    let half = Precision::Relative(0.05).half_width(10.0);
    assert_eq!(seeds_for_normal(4.0, half, Confidence::USUAL), Some(272));
}

/// What one run says of the workload `door`.
struct Told {
    /// How long each operation took, in nanoseconds from the instant it was to begin, by its number.
    stays: BTreeMap<u64, u64>,
    /// The numbers of those that a fact was recorded for.
    marked: BTreeSet<u64>,
}

fn told(model: &Model, seed: Seed) -> Told {
    let mut told = Told { stays: BTreeMap::new(), marked: BTreeSet::new() };
    let run = model.run_watched(seed, Stop::AtEnd, Limits::default(), |sim, step| {
        for note in sim.notes() {
            match note {
                Note::Finished { workload, key, since, .. } if model.program().node(*workload).name == "door" => {
                    told.stays.insert(*key, step.at.nanos() - since.nanos());
                }
                Note::Fact(_, key, 1) => _ = told.marked.insert(key.as_int().expect("a number") as u64),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    });
    assert_eq!((run.requests.ok, run.requests.unanswered), (run.requests.total, 0));
    told
}

fn model(file: &Value, choices: &Choices) -> Model {
    written(file).model(choices).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The interval covers the truth, and is no wider on either side than that share of it.
#[track_caller]
fn covers(found: Estimate, truth: f64, relative: f64) {
    println!("{found:?}, in truth {truth}");
    assert!(found.covers(truth), "{found:?} leaves out {truth}");
    assert!(found.half_width().expect("an interval") <= relative * truth, "{found:?} is too wide");
}

// Common random numbers. M/M/1 with service at 100 a second: the mean stay is 1 / (100 − λ) (Kleinrock, Queueing
// Systems I, 3.2), 50 ms at 80 a second and 40 ms at 75. In both runs of one seed each customer's arrival and service
// are the same draws, scaled.

/// The mean stay in seconds of so many customers, the first fifth of them left out.
fn mean_stay(rate: &str, customers: u64, seed: Seed) -> f64 {
    let file = json!({
        "faultline": 1,
        "name": "one-worker",
        "settings": {"rate": {"default": "50/s"}, "customers": {"default": 1000, "min": 1}},
        "nodes": {"desk": {
            "kind": "service", "workers": 1, "endpoints": {"serve": [{"work": {"exponential": "10ms"}}]},
        }},
        "workload": {"door": {
            "rate": "${rate}", "spacing": "poisson", "limit": "${customers}", "each": "customer",
            "do": [{"call": "desk.serve"}],
        }},
    });
    let choices = Choices::none().set("rate", rate).set("customers", &customers.to_string());
    let stays: Vec<u64> = told(&model(&file, &choices), seed).stays.into_values().collect();
    let kept = &stays[stays.len() / 5..];
    kept.iter().map(|stay| *stay as f64 / 1e9).sum::<f64>() / kept.len() as f64
}

/// What 30 seeds of the quiet desk say beside the same or other seeds of the busy one, in seconds.
fn two_loads(customers: u64, first_of_busy: u64) -> Vec<(f64, f64)> {
    over_seeds(30, |seed| {
        let busy = Seed(seed.0 + first_of_busy);
        (mean_stay("75/s", customers, seed), mean_stay("80/s", customers, busy))
    })
}

/// The interval of the pairs, the interval of the same runs when it is forgotten that they are pairs, and how much
/// wider that is.
fn with_and_without_pairs(pairs: &[(f64, f64)]) -> (Estimate, Estimate, f64) {
    let (quiet, busy): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (common, forgotten) = (paired(pairs, SURE), unpaired(&quiet, &busy, SURE));
    let wider = forgotten.half_width().expect("an interval") / common.half_width().expect("an interval");
    println!("{wider:.2} times wider without pairs");
    (common, forgotten, wider)
}

#[test]
fn the_same_seeds_tell_two_loads_apart() {
    let (common, _, wider) = with_and_without_pairs(&two_loads(60_000, 0));
    covers(common, 0.010, 0.05);
    assert!(wider >= 2.0, "{wider}");
}

#[test]
#[ignore = "long: 18 million customers"]
fn the_same_seeds_tell_two_loads_apart_at_half_the_width_of_others() {
    let (common, _, _) = with_and_without_pairs(&two_loads(150_000, 0));
    covers(common, 0.010, 0.05);
    let (_, independent, same) = with_and_without_pairs(&two_loads(150_000, 1_000));
    assert!(independent.covers(0.010) && (0.6..1.7).contains(&same), "{independent:?}: {same}");
    let [narrow, wide] = [common, independent].map(|one| one.half_width().expect("an interval"));
    println!("other seeds: {independent:?}, {:.2} times wider", wide / narrow);
    assert!(wide >= 2.0 * narrow, "{narrow} beside {wide}");
}

// Averaged percentiles. Half of all requests go to a server with mean 10 ms, half to one with mean 100 ms, both
// exponential and without a line. The p99 of all solves (e^(−t/10) + e^(−t/100)) / 2 = 0.01; the mean of both p99s is
// 55 ln 100.

/// The time that a share of all requests stays below, in milliseconds, by halving.
fn of_both(share: f64) -> f64 {
    let below = |t: f64| 1.0 - (libm::exp(-t / 10.0) + libm::exp(-t / 100.0)) / 2.0;
    let (mut low, mut high) = (0.0f64, 10_000.0);
    for _ in 0..200 {
        let middle = low.midpoint(high);
        if below(middle) < share { low = middle } else { high = middle }
    }
    high
}

#[test]
fn the_percentile_of_two_servers_is_not_the_mean_of_theirs_on_paper() {
    close(of_both(0.99), 391.2023005428146);
    close(of_both(0.5), 18.02288966670586);
    close(55.0 * libm::log(100.0), 253.28436022934505);
}

#[test]
fn the_percentile_of_two_servers_is_not_the_mean_of_theirs_in_runs() {
    let server = |mean: &str| json!({"kind": "service", "endpoints": {"serve": [{"work": {"exponential": mean}}]}});
    let file = json!({
        "faultline": 1,
        "name": "two-servers",
        "nodes": {"fast": server("10ms"), "slow": server("100ms")},
        "workload": {"door": {
            "rate": "1000/s", "spacing": "poisson", "limit": 40_000, "each": "request",
            "do": [{
                "chance": "50%",
                "then": [{"record": "slowly"}, {"call": "slow.serve"}],
                "else": [{"call": "fast.serve"}],
            }],
        }},
    });
    let model = model(&file, &Choices::none());
    let (mut fast, mut slow) = (Vec::new(), Vec::new());
    for run in over_seeds(30, |seed| told(&model, seed)) {
        for (request, stay) in run.stays {
            if run.marked.contains(&request) { &mut slow } else { &mut fast }.push(stay as f64 / 1e6);
        }
    }
    let pooled = sorted([fast.clone(), slow.clone()].concat());
    let p99 = quantile(&pooled, share("99%"), SURE);
    covers(p99, 391.2023005428146, 0.01);
    covers(quantile(&pooled, share("50%"), SURE), 18.02288966670586, 0.01);
    let [fast, slow] = [fast, slow].map(|stays| quantile(&sorted(stays), share("99%"), SURE));
    let half = |one: Estimate| one.half_width().expect("an interval");
    let mean = (fast.value.expect("a p99") + slow.value.expect("a p99")) / 2.0;
    // Independent halves add as squares.
    let average = Estimate::around(mean, libm::hypot(half(fast), half(slow)) / 2.0, fast.method, pooled.len() as u64);
    covers(average, 253.28436022934505, 0.01);
    assert!(average.hi < p99.lo, "the average is a third too low: {average:?}, {p99:?}");
}

// Coordinated omission (named by Tene): a server that takes 1 ms has no time for 100 s of each 200 s. Customers come
// every 10 ms, whether it has or not; or one client asks every 10 ms, but never before it has its answer. The figures
// are integer arithmetic: customer k comes at 10 k ms, is served when the server has time and the one before is done
// (Lindley 1952).

/// The desk with its one worker, and whoever asks. A keeper takes the worker for 100 s out of each 200 s, first at
/// `since`.
fn standing_still(since: &str, asking: &Value) -> Value {
    json!({
        "faultline": 1,
        "name": "standing-still",
        "nodes": {"desk": {
            "kind": "service", "workers": 1, "endpoints": {"serve": [{"work": "1ms"}], "keep": [{"work": "100s"}]},
        }},
        "workload": {
            "keeper": {
                "rate": "18/h", "spacing": "even", "start": since, "limit": 2, "each": "care",
                "do": [{"call": "desk.keep"}],
            },
            "door": asking,
        },
    })
}

#[test]
fn whoever_asks_regardless_sees_the_server_stand_still() {
    let asking =
        json!({"rate": "100/s", "spacing": "even", "for": "400s", "each": "customer", "do": [{"call": "desk.serve"}]});
    // The keeper asked first for the instant at which a customer comes too, and is served first.
    let told = told(&model(&standing_still("100s", &asking), &Choices::none()), Seed(0));
    // The second 200 s, which begin with what the first ones have left waiting.
    let stays = sorted(told.stays.range(20_001..=40_000).map(|(_, stay)| *stay as f64 / 1e9).collect());
    assert_eq!(stays.len(), 20_000);
    let at = |p: &str| quantile(&stays, share(p), SURE).value.expect("a quantile");
    close(stays.iter().sum::<f64>() / 20_000.0, 27.7812778);
    for (p, seconds) in [("50%", 10.001), ("75%", 55.001), ("90%", 82.001), ("99%", 98.201), ("100%", 100.001)] {
        close(at(p), seconds);
    }
    close(stays.iter().filter(|stay| **stay > 1.0).count() as f64 / 20_000.0, 0.55005);
}

#[test]
fn whoever_waits_for_the_answer_sees_one_slow_request_in_ten_thousand() {
    // It thinks for what is left of the 10 ms. The keeper comes 5 ms later than above, when the desk is idle.
    let asking = json!({"users": 1, "think": "9ms", "for": "200s", "each": "customer", "do": [{"call": "desk.serve"}]});
    let told = told(&model(&standing_still("100.005s", &asking), &Choices::none()), Seed(0));
    let (slow, fast): (Vec<u64>, Vec<u64>) = told.stays.values().partition(|stay| **stay > 1_000_000_000);
    assert_eq!((fast.len(), slow.len()), (10_000, 1));
    assert!(fast.iter().all(|stay| *stay == 1_000_000), "a fast one takes its 1 ms");
    close(slow.len() as f64 / told.stays.len() as f64, 9.999000099990002e-05);
    let p99 = quantile(&sorted(told.stays.values().map(|stay| *stay as f64).collect()), share("99%"), SURE);
    assert_eq!(p99.value, Some(1e6), "its p99 is that of a server that never stands still");
}
