//! Every built-in scenario comes to the digests that are written down, in debug and in release, on any machine.
//!
//! `golden.txt` holds a line for each scenario, remedy and seed: the digest over all events and the states behind them, of the
//! first 20,000 events. A change of it is a change of what a scenario does: when it is meant, write it anew with
//!
//! ```sh
//! FAULTLINE_RECORD=1 cargo test -p faultline-tests --test golden
//! ```
//!
//! and say in the commit why. `cargo test --release -p faultline-tests --test golden` compares the same file.

use std::fmt::Write;
use std::fs;
use std::ops::ControlFlow;

use faultline_tests::scenarios::{all_built_in, over_seeds, remedied, remedies};
use faultline_tests::sources::workspace;
use sim_core::{Limits, Stop};

const SEEDS: u64 = 4;
const EVENTS: u64 = 20_000;
const FILE: &str = "tests/golden.txt";
const HEAD: &str = "# Written by FAULTLINE_RECORD=1 cargo test -p faultline-tests --test golden; never edited by hand.\n\
    # scenario, remedy, seed: digest after so many events\n";

fn digests() -> String {
    let mut text = HEAD.to_owned();
    for (name, scenario) in all_built_in() {
        for remedy in remedies(&scenario) {
            let model = remedied(&scenario, remedy.as_deref());
            let limits = Limits { events: EVENTS, ..Limits::default() };
            let run = |seed| model.run_watched(seed, Stop::AtEnd, limits, |_, _| ControlFlow::Continue(()));
            for run in over_seeds(SEEDS, run) {
                let (digest, events) = (run.outcome.digest, run.outcome.events);
                let remedy = remedy.as_deref().unwrap_or("-");
                writeln!(text, "{name}, {remedy}, {}: {digest} after {events}", run.seed).expect("it can be written");
            }
        }
    }
    text
}

#[test]
fn every_scenario_comes_to_the_digest_that_is_written_down() {
    let path = workspace().join(FILE);
    let digests = digests();
    if std::env::var_os("FAULTLINE_RECORD").is_some() {
        return fs::write(&path, digests).expect("it can be written");
    }
    let golden = fs::read_to_string(&path).expect("it is committed");
    let differing: Vec<_> = golden.lines().zip(digests.lines()).filter(|(was, is)| was != is).collect();
    assert!(differing.is_empty(), "{} of the lines differ; the first was and is {:#?}", differing.len(), differing[0]);
    assert_eq!(golden, digests, "lines came or went");
}
