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
use sim_core::fault::{TRIGGERS, VERBS};
use sim_core::nemesis::GENERAL;

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
        "fault" => {
            let examples = VERBS.iter().chain(TRIGGERS).map(|entry| entry.example);
            lines(examples.chain(FAULTS.iter().copied()).map(str::to_owned))
        }
        "draft" => {
            let placed = |draft: &str| {
                let link = draft.replace("FROM->TO", "shop->gateway").replace("CLIENT", "shopper");
                link.replace("GROUP", "shop").replace("NODE", "gateway")
            };
            let general = GENERAL.iter().flat_map(|(_, drafts)| drafts.iter().copied());
            lines(DRAFTS.iter().copied().chain(general).map(placed))
        }
        "scenario" => all(&["sim-models/scenarios", "examples"]),
        "case" => all(&["tests/cases"]),
        "expression" => lines(EXPRESSIONS.iter().map(|expression| (*expression).to_owned())),
        other => panic!("{other} has no texts"),
    }
}

fn lines(texts: impl Iterator<Item = String>) -> Vec<(String, String)> {
    texts.map(|text| (text.clone(), text)).collect()
}

/// Words that no example of a verb has.
const FAULTS: &[&str] = &[
    "crash zone eu-1 for 5m",
    "pause one zone for 1s",
    "crash each zone every ~3s for 1s",
    "pause the leader every ~30s for 5s",
    "3s..4s pause db freezing monotonic",
    "crash any minority of db swapping disks for 5s",
    "partition ring of db-1..db-5 cutting flight",
    "partition isolate one of db for 10s",
    "clog a<->b charge holding flight",
    "bandwidth a->b 1KB/s queue 3 random",
    "5s clock db leap -1s",
    "5s..9s clock db strobe +4ms per 1ms",
    "clock db discipline ±5ms per 64s",
    "2s..9s disk db slow x10",
    "4s disk db misdirected",
    "60s..90s skew shopper ends 90%",
    "slow each of s1..s10 x2.5",
    "delay a->b 0.1% +2s ~10ms per 5s",
];

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
                if seeds.exists() {
                    fs::remove_dir_all(&seeds).expect("it can be made anew");
                }
                fs::create_dir_all(&seeds).expect("it can be made");
                for (number, (_, text)) in texts.iter().enumerate() {
                    fs::write(seeds.join(format!("{number:03}")), text).expect("it can be written");
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
    for reader in ["fault", "draft", "expression"] {
        let texts: Vec<String> = written(reader).into_iter().map(|(_, text)| text).collect();
        let seeds: Vec<String> =
            files(&format!("tests/fuzz/seeds/{reader}")).into_iter().map(|(_, text)| text).collect();
        assert_eq!(seeds, texts, "write the seeds of {reader} anew, as the head of this file says");
    }
    assert!(folder.join("words.dict").is_file());
}
