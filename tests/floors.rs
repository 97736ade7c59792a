//! The files of sim-core form floors: a file imports only from floors below its own, or from its own.
//!
//! So that each can be read after those below it and without those above: the network has never heard of actors that judge, and
//! a run knows nothing of hunts.

use std::collections::BTreeSet;
use std::path::Path;

use faultline_tests::sources::{Token, product_code, rust_files};

/// The floors from the ground up, by name, with their files. A new file takes its place here.
const FLOORS: &[(&str, &[&str])] = &[
    (
        "words",
        &[
            "time",
            "ratio",
            "amount",
            "seed",
            "id",
            "dist",
            "digest",
            "pattern",
            "names",
            "files",
            "histogram",
            "odds",
            "guest",
        ],
    ),
    ("the promise to actors", &["dice", "tripwire", "roles", "asked", "context", "actor"]),
    ("physics", &["fault", "burst", "road", "network", "clock", "plight", "disk"]),
    ("the run", &["queue", "schedule", "system", "coat", "sim", "trail", "trace", "growing", "past", "words"]),
    ("judgement", &["judge", "run", "timeline", "lockstep"]),
    ("many runs", &["case", "draft", "tolerance", "nemesis", "hunt", "shrink"]),
];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|(_, modules)| modules.contains(&module))
}

/// The module at the top of the crate that a file belongs to: `fault` of `fault/parse.rs`.
fn module(path: &Path) -> String {
    let inside = path.strip_prefix("sim-core/src").expect("a file of sim-core").with_extension("");
    inside.iter().next().expect("a name").to_string_lossy().into_owned()
}

/// What a file names of its crate: the first word after each `crate::`, one per branch of `crate::{…}`.
fn names_of_crate(code: &[Token]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in code.iter().enumerate().filter(|(_, token)| token.is("crate")) {
        match &code[at + 1..] {
            [Token::Mark(':'), Token::Mark(':'), Token::Word(name), ..] => _ = names.insert(name.clone()),
            [Token::Mark(':'), Token::Mark(':'), Token::Mark('{'), rest @ ..] => names.extend(branches(rest)),
            _ => {}
        }
    }
    names
}

fn branches(code: &[Token]) -> Vec<String> {
    let (mut depth, mut begins, mut names) = (0, true, Vec::new());
    for token in code {
        match token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') if depth == 0 => break,
            Token::Mark('}') => depth -= 1,
            Token::Word(name) if begins && depth == 0 => names.push(name.clone()),
            _ => {}
        }
        begins = depth == 0 && token.is(",");
    }
    names
}

#[test]
fn a_file_imports_only_from_its_floor_and_from_those_below() {
    let mut wrong = Vec::new();
    for path in rust_files("sim-core/src") {
        let name = module(&path);
        if name == "lib" || path.ends_with("tests.rs") {
            continue;
        }
        let Some(own) = floor(&name) else {
            wrong.push(format!("{} stands on no floor; give it a place in tests/floors.rs", path.display()));
            continue;
        };
        for used in names_of_crate(&product_code(&path)) {
            match floor(&used) {
                None => wrong.push(format!("{} imports crate::{used}; name the file it is in", path.display())),
                Some(there) if there > own => wrong.push(format!(
                    "{} ({}) imports from {used} ({}), which is above it",
                    path.display(),
                    FLOORS[own].0,
                    FLOORS[there].0
                )),
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_on_a_floor_is_there() {
    let files: BTreeSet<String> = rust_files("sim-core/src").iter().map(|path| module(path)).collect();
    let missing: Vec<_> = FLOORS.iter().flat_map(|(_, names)| *names).filter(|name| !files.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn branches_of_an_import_are_told_apart() {
    let code = faultline_tests::sources::tokens("use crate::{a::{B, c}, d::E}; use crate::f::G; x(crate::h::I)");
    let names: Vec<_> = names_of_crate(&code).into_iter().collect();
    assert_eq!(names, ["a", "d", "f", "h"]);
}
