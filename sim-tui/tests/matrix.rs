//! The matrix and the reference speak of the same kinds of trouble.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use sim_core::fault::VERBS;

fn matrix(words: &[&str]) -> Value {
    let said = Command::new(env!("CARGO_BIN_EXE_faultline")).arg("matrix").args(words).arg("--json").output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).expect("one document")
}

#[test]
fn every_verb_that_holds_has_its_row_and_any_number_of_workers_the_same_cells() {
    let words = ["oversell", "--seeds", "2", "--until", "2s", "--jobs"];
    let one = matrix(&[&words[..], &["1"]].concat());
    assert_eq!(one, matrix(&[&words[..], &["3"]].concat()));
    let rows = one["scenarios"][0]["configurations"][0]["cells"].as_array().unwrap();
    let verbs: BTreeSet<&str> = rows.iter().map(|row| row["verb"].as_str().unwrap()).collect();
    let known = VERBS.iter().filter(|entry| !entry.is_decision()).map(|entry| entry.name);
    assert_eq!(verbs, known.collect());
    let page = include_str!("../../docs/matrix.md");
    for row in rows {
        let kind = row["kind"].as_str().unwrap();
        assert!(
            page.contains(&format!("| {kind} |")),
            "docs/matrix.md has no {kind}; its first lines say how it is made"
        );
    }
}
