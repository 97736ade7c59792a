//! Configurations are compared on the same seeds: what they share drops out of their differences, nothing that is not there is found, and
//! the answer does not depend on how the work was parted.

use std::ops::ControlFlow;

use faultline_tests::scenarios::{built_in, over_seeds};
use proptest::prelude::*;
use sim_core::{Instant, Limits};
use sim_models::language::Choices;
use sim_models::scenario::Model;
use sim_models::stats::{Confidence, Method};
use sim_models::study::{Comparison, Difference, Found, Metric, Questions, Sheet, compare};

fn checkout(settings: &[(&str, &str)]) -> Model {
    let choices = settings.iter().fold(Choices::none(), |choices, (name, value)| choices.set(name, value));
    built_in("checkout").model(&choices).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn questions(names: &[&str], model: &Model) -> Questions {
    let metric = |name: &&str| Metric::named(name, model.program()).unwrap_or_else(|wrong| panic!("{wrong}"));
    Questions { metrics: names.iter().map(metric).collect(), warmup: Instant::ZERO, limits: Limits::default() }
}

fn rows(models: &[&Model], questions: &Questions, seeds: u64) -> Vec<Sheet> {
    over_seeds(seeds, |seed| Sheet::of(seed, models, questions, |_, _| ControlFlow::Continue(())).expect("a whole run"))
}

fn together(rows: impl IntoIterator<Item = Sheet>) -> Sheet {
    rows.into_iter().fold(Sheet::default(), |sheet, row| sheet.merge(row).expect("no seed twice"))
}

fn compared(models: &[&Model], names: &[&str], seeds: u64) -> Comparison {
    let questions = questions(names, models[0]);
    let sheet = together(rows(models, &questions, seeds));
    compare(&sheet, models.len(), &questions.metrics, Confidence::USUAL)
}

const LOOKED_AT: [&str; 7] = ["failing", "double_charged", "extra_charges", "availability", "p50", "p99", "calls"];

#[test]
fn on_the_same_seeds_an_interval_is_three_times_narrower_and_more() {
    let (without, with) = (checkout(&[("orders", "2000")]), checkout(&[("orders", "2000"), ("backoff", "200ms")]));
    let found = compared(&[&without, &with], &LOOKED_AT, 40);
    for (name, difference) in LOOKED_AT.iter().zip(&found.differences[1]) {
        println!("{name}: {difference:?}");
    }
    let of = |name: &str| {
        let at = LOOKED_AT.iter().position(|known| *known == name).expect("it was looked at");
        &found.differences[1][at]
    };
    // A wait before the second try takes nothing from the luck of the first: the very same orders are charged twice.
    for name in ["double_charged", "extra_charges", "calls"] {
        assert_eq!((of(name).found, of(name).estimate.half_width()), (Found::Same, Some(0.0)), "{name}");
    }
    // One in a hundred takes a second try, and so waits those 200 ms longer.
    let p99 = of("p99");
    assert!(p99.estimate.covers(200.0) && p99.found == Found::Higher, "{p99:?}");
    assert!(p99.narrower.is_some_and(|times| times >= 3.0), "{p99:?}");
}

#[test]
fn where_nothing_differs_nothing_is_found() {
    let (one, other) = (checkout(&[("orders", "300")]), checkout(&[("orders", "300"), ("timeout", "1s")]));
    let found = compared(&[&one, &other], &LOOKED_AT, 12);
    for difference in &found.differences[1] {
        let estimate = &difference.estimate;
        let ends = (estimate.value, estimate.lo, estimate.hi, estimate.method);
        assert_eq!(ends, (Some(0.0), Some(0.0), Some(0.0), Method::Exact));
        assert_eq!(difference.found, Found::Same);
    }
    // Another run, in which nobody's charge has another luck.
    let keyed = checkout(&[("orders", "300"), ("key", "per-try")]);
    let found = compared(&[&one, &keyed], &["double_charged"], 12);
    let Difference { estimate, found, .. } = &found.differences[1][0];
    assert_eq!((estimate.lo, estimate.hi, *found), (Some(0.0), Some(0.0), Found::Same));
}

#[test]
fn what_is_real_is_called_so_and_what_may_be_luck_says_how_many_seeds_would_tell() {
    let (none, keyed) = (checkout(&[("orders", "30")]), checkout(&[("orders", "30"), ("key", "per-order")]));
    let found = compared(&[&none, &keyed], &["double_charged", "availability"], 30);
    assert_eq!(found.differences[1][0].found, Found::Lower);
    // About one order in five hundred fails with a key; thirty runs of thirty orders see one or two of them.
    let Difference { found, adjusted, .. } = &found.differences[1][1];
    assert!(matches!(found, Found::Open { seeds: Some(seeds) } if *seeds > 30), "{found:?}");
    assert!(adjusted.is_some_and(|chance| chance > 0.05));
}

#[test]
fn a_metric_without_a_number_in_a_run_counts_there_in_no_mean() {
    let text = r#"{"faultline": 1, "name": "rare", "nodes": {"a": {"kind": "service", "endpoints": {"b": [
        {"chance": "20%", "then": [{"record": "seen"}]}]}}},
        "workload": {"w": {"rate": "1/s", "limit": 1, "each": "one", "do": [{"call": "a.b"}]}},
        "metrics": {"first_seen": {"first": "count(seen >= 1) >= 1"}}}"#;
    let model = sim_models::scenario::Scenario::parse("rare.json", text).unwrap().model(&Choices::none()).unwrap();
    let questions = questions(&["first_seen"], &model);
    let sheet = together(rows(&[&model], &questions, 200));
    let standing = &compare(&sheet, 1, &questions.metrics, Confidence::USUAL).standings[0][0];
    assert_eq!(standing.estimate.n + standing.without, 200);
    // 200 runs at 80 %: 160, give or take four deviations of 5.7.
    assert!((137..=183).contains(&standing.without), "{standing:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_seeds_in_any_order_is_the_same_sheet(
        order in Just((0..24usize).collect::<Vec<_>>()).prop_shuffle(),
        cuts in prop::collection::vec(0..24usize, 0..6),
    ) {
        use std::sync::OnceLock;
        static ROWS: OnceLock<(Vec<Sheet>, Vec<u8>)> = OnceLock::new();
        let (all, whole) = ROWS.get_or_init(|| {
            let (one, other) = (checkout(&[("orders", "20")]), checkout(&[("orders", "20"), ("timeout", "2s")]));
            let all = rows(&[&one, &other], &questions(&LOOKED_AT, &one), 24);
            let whole = serde_json::to_vec(&together(all.clone())).unwrap();
            (all, whole)
        });
        let mut cuts = cuts;
        cuts.extend([0, 24]);
        cuts.sort_unstable();
        let shards = cuts.windows(2).map(|cut| together(order[cut[0]..cut[1]].iter().map(|at| all[*at].clone())));
        let merged = together(shards);
        prop_assert_eq!(&serde_json::to_vec(&merged).unwrap(), whole);
    }
}

#[test]
fn a_seed_counts_once() {
    let model = checkout(&[("orders", "10")]);
    let row = rows(&[&model], &questions(&["calls"], &model), 1).remove(0);
    let twice = row.clone().merge(row).unwrap_err();
    assert_eq!(twice.to_string(), "seed 0 is in both sheets; what was measured once counts once");
}
