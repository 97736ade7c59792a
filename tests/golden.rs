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
//! `golden-beginnings.txt` holds the same of the first hundred events, for machines that are only emulated.

use std::fmt::Write;
use std::fs;
use std::ops::ControlFlow;

use faultline_tests::scenarios::{all_built_in, over_seeds, remedied, remedies};
use faultline_tests::sources::workspace;
use sim_core::{Limits, Stop};

/// So many seeds of each scenario and remedy, so many events of each run, and where their digests are written down.
struct Golden {
    seeds: u64,
    events: u64,
    file: &'static str,
}

const GOLDEN: Golden = Golden { seeds: 4, events: 20_000, file: "tests/golden.txt" };
/// As much as an interpreter of another architecture, such as Miri, gets through.
const BEGINNINGS: Golden = Golden { seeds: 1, events: 100, file: "tests/golden-beginnings.txt" };

const HEAD: &str = "# Written by FAULTLINE_RECORD=1 cargo test -p faultline-tests --test golden; never edited by hand.\n\
    # scenario, remedy, seed: digest after so many events\n";

impl Golden {
    fn digests(&self) -> String {
        let mut text = HEAD.to_owned();
        for (name, scenario) in all_built_in() {
            for remedy in remedies(&scenario) {
                let model = remedied(&scenario, remedy.as_deref());
                let limits = Limits { events: self.events, ..Limits::default() };
                let run = |seed| model.run_watched(seed, Stop::AtEnd, limits, |_, _| ControlFlow::Continue(()));
                for run in over_seeds(self.seeds, run) {
                    let (digest, events) = (run.outcome.digest, run.outcome.events);
                    let remedy = remedy.as_deref().unwrap_or("-");
                    writeln!(text, "{name}, {remedy}, {}: {digest} after {events}", run.seed)
                        .expect("it can be written");
                }
            }
        }
        text
    }

    /// Holds what is written down against what comes, or writes it down.
    fn holds(&self) {
        let path = workspace().join(self.file);
        let digests = self.digests();
        if std::env::var_os("FAULTLINE_RECORD").is_some() {
            return fs::write(&path, digests).expect("it can be written");
        }
        let golden = fs::read_to_string(&path).expect("it is committed");
        let differing: Vec<_> = golden.lines().zip(digests.lines()).filter(|(was, is)| was != is).collect();
        assert!(
            differing.is_empty(),
            "{} of the lines differ; the first was and is {:#?}",
            differing.len(),
            differing[0]
        );
        assert_eq!(golden, digests, "lines came or went");
    }
}

#[test]
fn every_scenario_comes_to_the_digest_that_is_written_down() {
    GOLDEN.holds();
}

#[test]
fn every_scenario_begins_as_it_is_written_down() {
    BEGINNINGS.holds();
}
