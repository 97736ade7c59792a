//! The same load and the same faults, guarded by one library after the other: what happened, as `docs/profiles.md` tells it.

use std::fs;

use faultline_tests::scenarios::{keeps_its_word, over_seeds, written};
use faultline_tests::sources::workspace;
use serde_json::Value;
use sim_core::Stop;
use sim_models::language::Choices;
use sim_models::policy::{Kind, profiles};

const SEEDS: u64 = 5;

fn example() -> Value {
    let text = fs::read_to_string(workspace().join("examples/profiles.json")).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// A column: its title, its metric, and how many digits of it are told.
type Column = (&'static str, &'static str, usize);

const BREAKERS: &[Column] = &[
    ("ok while a fifth fails", "partial_ok", 2),
    ("calls an order then", "partial_load", 2),
    ("opened first at, s", "opened_at", 1),
    ("calls an order while all fail", "outage_load", 2),
    ("longest time without an order after that, s", "dark_after_outage", 1),
    ("calls an order while it hangs", "hang_load", 2),
    ("and after the hang, s", "dark_after_hang", 1),
    ("orders that failed", "failed", 0),
];

const RETRIES: &[Column] = &[
    ("ok while a fifth fails", "partial_ok", 2),
    ("calls an order then", "partial_load", 2),
    ("calls an order while all fail", "outage_load", 2),
    ("and in the 20 s after that", "after_load", 2),
    ("calls an order while it hangs", "hang_load", 2),
    ("p99, s", "p99", 1),
    ("orders that failed", "failed", 0),
];

/// The mean over the seeds in which there is a value.
fn mean(values: impl Iterator<Item = Option<f64>>, digits: usize) -> String {
    let values: Vec<f64> = values.flatten().collect();
    if values.is_empty() {
        return "never".to_owned();
    }
    format!("{:.digits$}", values.iter().sum::<f64>() / values.len() as f64)
}

fn row(file: &Value, setting: &str, choice: &str, columns: &[Column]) -> String {
    let choices = Choices::none().set(setting, choice);
    let model = written(file).model(&choices).unwrap_or_else(|wrong| panic!("{wrong}"));
    let runs = over_seeds(SEEDS, |seed| model.run(seed, Stop::AtEnd).metrics);
    let cell = |(_, metric, digits): &Column| {
        let value =
            |run: &Vec<(String, Option<f64>)>| run.iter().find(|(name, _)| name == metric).expect("it is there").1;
        mean(runs.iter().map(value), *digits)
    };
    let cells: Vec<String> = columns.iter().map(cell).collect();
    format!("| {choice} | {} |\n", cells.join(" | "))
}

fn table(file: &Value, setting: &str, columns: &[Column]) -> String {
    let titles: Vec<&str> = columns.iter().map(|(title, ..)| *title).collect();
    let head = format!("| {setting} | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
    let choices = file["settings"][setting]["choices"].as_object().expect("it has choices");
    choices.keys().fold(head, |table, choice| table + &row(file, setting, choice, columns))
}

#[test]
fn the_page_tells_what_happens_under_each_profile() {
    let file = example();
    let page = fs::read_to_string(workspace().join("docs/profiles.md")).expect("it is there");
    let tables = [("breaker", BREAKERS), ("retry", RETRIES)].map(|(setting, columns)| table(&file, setting, columns));
    let missing: Vec<String> = tables.into_iter().filter(|table| !page.contains(table)).collect();
    assert!(missing.is_empty(), "docs/profiles.md is to hold this:\n\n{}", missing.join("\n"));
}

#[test]
fn every_breaker_and_every_retry_is_among_them() {
    let file = example();
    for (setting, kind) in [("breaker", Kind::Breaker), ("retry", Kind::Retry)] {
        let choices = file["settings"][setting]["choices"].as_object().expect("it has choices");
        let mut told: Vec<&str> = choices.keys().map(String::as_str).filter(|choice| *choice != "none").collect();
        let mut known: Vec<&str> =
            profiles().filter(|profile| profile.kind == kind).map(|profile| profile.name).collect();
        told.sort_unstable();
        known.sort_unstable();
        assert_eq!(told, known, "{setting}");
    }
}

#[test]
fn each_does_what_its_variant_says() {
    keeps_its_word(&example(), 10);
}
