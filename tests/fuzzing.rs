//! The readers against texts that nobody meant: what the fuzz targets of `tests/fuzz` ask, on stable and in seconds.
//!
//! Three sorts of texts: those that people wrote (scenarios, cases, the examples of the reference), what fuzzing has found and
//! what was fixed then (`tests/fuzz/finds`), and some thousand mutations, by a key and so the same each time.
//!
//! ```sh
//! FAULTLINE_RECORD=1 cargo test -p faultline-tests --test fuzzing
//! ```
//!
//! writes the seeds and the dictionary that the fuzzer begins with.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use faultline_tests::mutation::mutated;
use faultline_tests::reading::{READERS, Reader, words};
use faultline_tests::sources::workspace;
use sim_core::fault::VERBS;

/// The files of a folder of the workspace and their texts, in order; none where there is no folder.
fn files(folder: &str) -> Vec<(String, String)> {
    let Ok(entries) = fs::read_dir(workspace().join(folder)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.sort();
    let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).expect("it can be read")).into_owned();
    paths.iter().filter(|path| path.is_file()).map(|path| (path.display().to_string(), read(path))).collect()
}

/// What people wrote for a reader.
fn written(reader: &str) -> Vec<(String, String)> {
    let all = |folders: &[&str]| folders.iter().flat_map(|folder| files(folder)).collect::<Vec<_>>();
    match reader {
        "fault" => lines(VERBS.iter().map(|entry| entry.example.to_owned())),
        "draft" => lines(DRAFTS.iter().map(|draft| (*draft).to_owned())),
        "scenario" => all(&["sim-models/scenarios", "examples"]),
        "case" => all(&["tests/cases"]),
        "expression" => lines(EXPRESSIONS.iter().map(|expression| (*expression).to_owned())),
        other => panic!("{other} has no texts"),
    }
}

fn lines(texts: impl Iterator<Item = String>) -> Vec<(String, String)> {
    texts.map(|text| (text.clone(), text)).collect()
}

const DRAFTS: &[&str] = &[
    "crash db for 1s..30s",
    "loss a->b 0.5%..20%",
    "delay a->b +100ms..2s ~1ms..5ms",
    "slow db x2..x50",
    "clock db drift +10ppm..+80ppm",
    "crash each of s1..s10 for 2s..2s",
    "pause one of worker every ~5m for 1ms..1h",
];

const EXPRESSIONS: &[&str] = &[
    "value >= 1 && lease['lamp'] == $request",
    "lost / total(requested) * 100 - 0.5",
    "count(charged > 1 && cancelled == 0)",
    "value == null || age > 30s",
    "min(-1, max($try % 3, 2)) + !($seen.version != 'PAID\\'')",
    "shop->gateway.retries / 5% <= now",
    "!(a == b) == (c < 1/1000)",
];

/// What a reader promises holds of this text, or the text is told.
fn holds(reader: &Reader, name: &str, text: &str) {
    catch_unwind(AssertUnwindSafe(|| (reader.check)(text)))
        .unwrap_or_else(|_| panic!("the {} reader fails on {name}:\n{text}", reader.name));
}

fn reader(name: &str) -> &'static Reader {
    READERS.iter().find(|reader| reader.name == name).expect("a reader")
}

#[test]
fn what_people_wrote_is_read_as_promised() {
    for reader in READERS {
        let texts = written(reader.name);
        assert!(texts.len() >= 5, "{} has texts", reader.name);
        texts.iter().for_each(|(name, text)| holds(reader, name, text));
    }
}

#[test]
fn what_was_found_once_is_read_as_promised() {
    for reader in READERS {
        for (name, text) in files(&format!("tests/fuzz/finds/{}", reader.name)) {
            holds(reader, &name, &text);
        }
    }
}

/// That many mutations of what people wrote for a reader.
fn mutations(name: &str, each: u64) {
    let texts = written(name);
    let words: Vec<String> = words(texts.iter().map(|(_, text)| text.as_str())).into_iter().collect();
    for (file, text) in &texts {
        for key in 0..each {
            holds(reader(name), &format!("{file}, mutation {key}"), &mutated(text, &words, key));
        }
    }
}

#[test]
fn mutations_of_faults_are_read_as_promised() {
    mutations("fault", 300);
    mutations("draft", 300);
}

#[test]
fn mutations_of_scenarios_are_read_as_promised() {
    mutations("scenario", 200);
}

#[test]
fn mutations_of_cases_are_read_as_promised() {
    mutations("case", 60);
}

#[test]
fn mutations_of_expressions_are_read_as_promised() {
    mutations("expression", 1_000);
}

/// Writes what the fuzzer begins with, when asked to; the scenarios and cases it takes from where they are.
#[test]
fn the_fuzzer_has_seeds_and_a_dictionary() {
    let folder = workspace().join("tests/fuzz");
    if std::env::var_os("FAULTLINE_RECORD").is_some() {
        let mut all = Vec::new();
        for reader in READERS {
            let texts = written(reader.name);
            if matches!(reader.name, "fault" | "draft" | "expression") {
                let seeds = folder.join("seeds").join(reader.name);
                fs::create_dir_all(&seeds).expect("it can be made");
                for (number, (_, text)) in texts.iter().enumerate() {
                    fs::write(seeds.join(format!("{number:02}")), text).expect("it can be written");
                }
            }
            all.extend(texts.into_iter().map(|(_, text)| text));
        }
        let quoted = |word: &String| {
            let plain = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
            let byte = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("\\x{b:02x}") };
            format!("\"{}\"\n", word.bytes().map(byte).collect::<String>())
        };
        let dictionary: String = words(all.iter().map(String::as_str)).iter().map(quoted).collect();
        fs::write(folder.join("words.dict"), dictionary).expect("it can be written");
    }
    assert!(files("tests/fuzz/seeds/fault").len() >= 20 && folder.join("words.dict").is_file());
}
