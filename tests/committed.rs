//! The committed cases, for promises that must hold of every one of them.

use std::fs;

use sim_core::case::Case;
use sim_core::{Fault, Outcome, Rest, Seed, Stop, Verdict};
use sim_models::scenario::Model;

use crate::sources::workspace;

/// All committed cases by the name of their file, in order.
pub fn cases() -> Vec<(String, Case)> {
    let folder = fs::read_dir(workspace().join("tests/cases")).expect("it is there");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    };
    files.into_iter().map(read).collect()
}

/// Those that fail.
pub fn failing() -> Vec<(String, Case)> {
    let mut cases = cases();
    cases.retain(|(_, case)| case.expect.as_ref().is_some_and(|expect| expect.verdict.is_failure()));
    assert!(cases.len() >= 10, "there are enough of them to say something");
    cases
}

/// The property that a failing case breaks.
pub fn property(case: &Case) -> &str {
    case.expect.as_ref().and_then(|expect| expect.property.as_deref()).expect("a property broke")
}

/// A case with other lines, run from its beginning with a seed.
pub fn outcome(case: &Case, faults: &[Fault], seed: Seed) -> Outcome {
    let other = Case { faults: faults.to_vec(), ..case.clone() };
    let model = Model::of_case("case.json", &other).unwrap_or_else(|error| panic!("{error}"));
    model.run(seed, Stop::AtViolationOf(property(case))).outcome
}

/// What is said of the property that a case breaks, after a run of it.
pub fn verdict(case: &Case, outcome: &Outcome) -> Verdict {
    let judged = outcome.properties.iter().find(|judged| judged.name == property(case));
    judged.map_or(Verdict::Held, |judged| judged.verdict)
}

/// Whether a case stands by its lines alone.
pub fn is_calm(case: &Case) -> bool {
    case.rest != Rest::Seed
}
