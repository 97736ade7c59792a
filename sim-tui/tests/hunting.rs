//! Hunts on many machines, hunts that are ended and go on, hunts without room on the disk: nothing is lost, nothing counts twice.

mod shell;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::shell::{Said, Shell};

/// A shop that fails in several ways, under faults of which one never strikes.
const SHOP: &str = r#"{"faultline": 1, "name": "small shop", "title": "A small | shop",
  "nodes": {
    "shop": {"kind": "service", "endpoints": {"buy": [
        {"call": "gateway.charge", "timeout": "1s", "retry": {"tries": 3}}]}},
    "gateway": {"kind": "service", "endpoints": {"charge": [
        {"work": {"lognormal": {"median": "300ms", "sigma": 0.6}}}, {"record": "charged"}]}}},
  "workload": {"shopper": {"rate": "10/s", "limit": 4, "each": "order", "do": [{"call": "shop.buy"}]}},
  "faults": ["0s.. loss gateway->shop charge 2%", "2h.. cut gateway->shop", "1s..2s loss shop->gateway 1%"],
  "properties": {
    "charged <once> & \"only\"": {"at_most_once": "charged"},
    "charged": {"sometimes": "charged > 0"},
    "thrice": {"sometimes": "charged > 2"}}}"#;

impl Shell {
    fn new() -> Shell {
        let shell = Shell::empty();
        shell.write("shop.json", SHOP);
        shell
    }

    /// A line of a shell, in which `faultline` is the program.
    #[cfg(unix)]
    fn sh(&self, line: &str) -> Said {
        let bin = TempDir::new().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_faultline"), bin.path().join("faultline")).unwrap();
        let line = format!("PATH='{}':$PATH\n{line}", bin.path().display());
        Said::of(&Command::new("sh").args(["-c", &line]).current_dir(self.folder.path()).output().unwrap())
    }

    /// The names in a folder, sorted.
    fn names(&self, folder: &str) -> Vec<String> {
        let files = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn state(&self, folder: &str) -> String {
        let state = self.names(folder).into_iter().find(|name| name.ends_with(".state"));
        format!("{folder}/{}", state.expect("a state file"))
    }

    /// Hunts the shards and keeps what each printed; their files.
    fn shards(&self, seeds: &str, of: u64) -> Vec<String> {
        let shard = |index: u64| {
            let (file, shard) = (format!("shard-{index}-{of}.json"), format!("{index}/{of}"));
            let said = self.run(&["hunt", "shop.json", "--seeds", seeds, "--shard", &shard, "--json"]);
            assert_eq!(said.err, "");
            self.write(&file, &said.out);
            file
        };
        (1..=of).map(shard).collect()
    }

    fn merge(&self, files: &[String], more: &[&str]) -> Said {
        let words: Vec<&str> = ["merge"].into_iter().chain(files.iter().map(String::as_str)).collect();
        self.run(&[&words, more].concat())
    }

    /// Kills a hunt so long after it has written how far it came anew, or lets it end by itself; whether it was killed.
    fn killed(&self, words: &[&str], out: &str, after: u64) -> bool {
        let mut child = self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let spawned = std::time::SystemTime::now();
        let is_new = |path: &Path| std::fs::metadata(path).and_then(|it| it.modified()).is_ok_and(|it| it > spawned);
        let has_state = || {
            let files = std::fs::read_dir(self.path(out)).into_iter().flatten().flatten().map(|file| file.path());
            files.filter(|path| path.extension().is_some_and(|it| it == "state")).any(|path| is_new(&path))
        };
        let mut due = None;
        while due.is_none_or(|due| Instant::now() < due) {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if due.is_none() && has_state() {
                due = Some(Instant::now() + Duration::from_millis(after));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        true
    }
}

impl Said {
    /// Standard output without the lines that tell how long it took.
    fn timeless(&self) -> String {
        let is_timing = |line: &&str| ["seeds/s, ", "wall_seconds", "s_per_second"].iter().any(|it| line.contains(it));
        self.out.lines().filter(|line| !is_timing(line)).map(|line| format!("{line}\n")).collect()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}{}", self.out, self.err))
    }
}

#[test]
#[cfg(unix)]
fn shards_merge_to_what_one_machine_prints() {
    let shell = Shell::new();
    for json in [&["--json"][..], &[]] {
        let one = shell.run(&[&["hunt", "shop.json", "--seeds", "100"], json].concat());
        assert_eq!(one.code, 1, "{}", one.err);
        assert!(one.out.contains("timer of shop"), "{}", one.out);
        for of in [1, 2, 5, 16] {
            let mut files = shell.shards("100", of);
            files.reverse();
            files.push(files[0].clone());
            let merged = shell.merge(&files, json);
            assert_eq!((merged.code, merged.err.as_str()), (0, ""));
            assert_eq!(merged.timeless(), one.timeless(), "{of} shards");
        }
    }
    let files = shell.shards("100", 2);
    assert_eq!(shell.merge(&files, &["--exit-code"]).code, 1);
    let piped = shell.sh(&format!("cat {} | faultline merge - {}", files[0], files[1]));
    assert_eq!(piped.timeless(), shell.merge(&files, &[]).timeless());
    // Fewer seeds than shards: some are about nothing.
    let (one, few) = (shell.run(&["hunt", "shop.json", "--seeds", "3..5"]), shell.shards("3..5", 5));
    assert_eq!(shell.merge(&few, &[]).timeless(), one.timeless());
}

#[test]
fn kinds_of_faults_are_told_and_what_was_never_reached() {
    let shell = Shell::new();
    let hunt = shell.run(&["hunt", "shop.json", "--seeds", "60"]);
    for line in ["never struck", "struck in ", "seen in ", "had no effect in any run: 2h.. cut gateway->shop"] {
        assert!(hunt.out.contains(line), "{line}\n{}", hunt.out);
    }
    let json = shell.run(&["hunt", "shop.json", "--seeds", "60", "--json"]).json();
    let kinds = &json["fault_kinds"];
    assert_eq!(kinds["cut"], 0);
    // In how many runs any of the two losses did something: no fewer than either, no more than both.
    let runs: Vec<u64> = json["fault_runs"].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
    let loss = kinds["loss"].as_u64().unwrap();
    assert!(loss >= runs[0].max(runs[2]) && loss <= runs[0] + runs[2] && loss > 0, "{json}");
    assert_eq!(json["sometimes"]["charged"], 60);
    let failure = &json["failures"][0];
    let signature = failure["signature"].as_str().unwrap();
    assert!(failure["causes"].as_array().unwrap().iter().all(|cause| signature.contains(cause.as_str().unwrap())));
}

#[test]
fn a_hunt_whose_nemesis_finds_nothing_to_draw_says_so() {
    let shell = Shell::new();
    let nemesis = |down: u32| {
        let crash = r#""nemesis": {"draws": ["crash one of shop for 1s"], "faults": 1}"#;
        shell.write(
            "idle.json",
            &SHOP.replacen('{', &format!(r#"{{"tolerates": {{"down": {{"shop": {down}}}}}, {crash}, "#), 1),
        );
        shell.run(&["hunt", "idle.json", "--nemesis", "--seeds", "10"])
    };
    let idle = nemesis(0);
    assert!(idle.out.contains("the nemesis drew nothing on 10 of 10 seeds"), "{}{}", idle.out, idle.err);
    let busy = nemesis(1);
    assert!(!busy.out.contains("drew nothing"), "{}{}", busy.out, busy.err);
}

#[test]
fn a_missing_shard_is_said_and_so_is_an_unfinished_one() {
    let shell = Shell::new();
    let files = shell.shards("40", 4);
    let merged = shell.merge(&[files[0].clone(), files[3].clone()], &[]);
    assert_eq!(merged.code, 0);
    assert!(merged.out.contains("\nmissing: shards 2/4, 3/4\n"), "{}", merged.out);
    assert_eq!(shell.merge(&files[..3], &["--json"]).json()["missing"], serde_json::json!(["4/4"]));
    assert_eq!(shell.merge(&files, &["--json"]).json().get("missing"), None);
    // A shard that was cut short gives way to the same one that came further, whatever the order.
    let mut cut: Value = serde_json::from_str(&shell.read(&files[1])).unwrap();
    let whole = shell.merge(&files, &[]).timeless();
    let first = shell.run(&["hunt", "shop.json", "--seeds", "0..2", "--shard", "2/4", "--json"]).json();
    for key in ["seeds", "verdict", "failing", "failures", "sometimes", "fault_kinds", "fault_runs", "inert", "events"]
    {
        cut[key] = first[key].clone();
    }
    cut["seed_range"] = Value::from("0..2");
    cut["interrupted"] = Value::from(true);
    shell.write("cut.json", &cut.to_string());
    let with_cut = [files[0].clone(), "cut.json".to_owned(), files[2].clone(), files[3].clone()];
    let merged = shell.merge(&with_cut, &[]);
    assert!(merged.out.contains("\nunfinished: shard 2/4, only 0..2\n"), "{}", merged.out);
    for order in [["cut.json", &files[1]], [&files[1], "cut.json"]] {
        let all = [vec![files[0].clone()], order.map(str::to_owned).to_vec(), files[2..].to_vec()].concat();
        assert_eq!(shell.merge(&all, &[]).timeless(), whole);
    }
}

#[test]
fn shards_of_different_hunts_are_refused() {
    let shell = Shell::new();
    let files = shell.shards("20", 2);
    let write = |name: &str, words: &[&str]| {
        let said = shell.run(&[&["hunt", "shop.json", "--json"], words].concat());
        shell.write(name, &said.out);
    };
    write("range.json", &["--seeds", "30", "--shard", "2/2"]);
    write("until.json", &["--seeds", "20", "--shard", "2/2", "--until", "9s"]);
    write("fault.json", &["--seeds", "20", "--shard", "2/2", "--fault", "1s..2s crash gateway"]);
    write("three.json", &["--seeds", "20", "--shard", "2/3"]);
    write("whole.json", &["--seeds", "20"]);
    shell.write("other.json", &SHOP.replace("300ms", "301ms"));
    let other = shell.run(&["hunt", "other.json", "--json", "--seeds", "20", "--shard", "2/2"]);
    shell.write("other-2.json", &other.out);
    let mut edited: Value = serde_json::from_str(&shell.read(&files[0])).unwrap();
    edited["events"] = Value::from(1);
    shell.write("contradicts.json", &edited.to_string());
    edited["failing"] = Value::from(9999);
    shell.write("sums.json", &edited.to_string());
    shell.write("broken.json", "{\"kind\": \"hunt\"");
    shell.write("empty.json", "");
    let mut all = String::new();
    for file in [
        "range.json",
        "until.json",
        "fault.json",
        "three.json",
        "whole.json",
        "other-2.json",
        "contradicts.json",
        "sums.json",
        "broken.json",
        "empty.json",
        "shop.json",
        "gone.json",
        ".",
    ] {
        let said = shell.merge(&[files[0].clone(), file.to_owned()], &[]);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{file}");
        all += &format!("$ faultline merge {} {file}\n{}\n", files[0], said.err);
    }
    insta::assert_snapshot!("merge-refuses", all);
}

#[test]
fn shards_with_a_budget_say_how_far_each_came() {
    let shell = Shell::new();
    let shard = |file: &str, shard: &str, budget: &str| {
        let said = shell.run(&["hunt", "shop.json", "--for", budget, "--shard", shard, "--jobs", "1", "--json"]);
        shell.write(file, &said.out);
        said.json()["seed_range"].as_str().unwrap().to_owned()
    };
    let (less, more) = (shard("1.json", "1/2", "1ms"), shard("2.json", "2/2", "300ms"));
    let files = ["1.json".to_owned(), "2.json".to_owned()];
    let merged = shell.merge(&files, &["--json"]).json();
    assert_eq!(merged["seed_range"], less.as_str());
    assert_eq!(merged["covered"], serde_json::json!({"1/2": less, "2/2": more}));
    let said = shell.merge(&files, &[]).out;
    let [less, more] = [less, more].map(|range| range.split("..").nth(1).unwrap().to_owned());
    assert!(said.contains(&format!(": shard 1/2 came to {less}, shard 2/2 to {more}\n")), "{said}");
}

#[test]
fn a_budget_decides_only_how_many_seeds() {
    let shell = Shell::new();
    for jobs in ["1", "3"] {
        let timed = shell.run(&["hunt", "shop.json", "--seeds", "5..", "--for", "250ms", "--jobs", jobs]);
        assert_eq!((timed.code, timed.err.as_str()), (1, ""), "{}", timed.out);
        let range = timed.out.split(" seeds (").nth(1).unwrap().split(')').next().unwrap();
        let whole = shell.run(&["hunt", "shop.json", "--seeds", range]);
        let (go_on, told): (Vec<String>, Vec<String>) =
            timed.timeless().lines().map(str::to_owned).partition(|line| line.starts_with("the time is up"));
        assert_eq!(told.join("\n") + "\n", whole.timeless());
        let end = range.split("..").nth(1).unwrap();
        let command = format!("the time is up; to go on: faultline hunt shop.json --seeds {end}.. --for 250ms");
        assert_eq!(go_on, [if jobs == "1" { format!("{command} --jobs 1") } else { format!("{command} --jobs 3") }]);
    }
    // One that comes to its end before its time is like any other, and so is one that has no time at all.
    let (timed, whole) = (["--seeds", "7", "--for", "10m"], ["--seeds", "7"]);
    let hunt = |words: &[&str]| shell.run(&[&["hunt", "shop.json", "--json"], words].concat()).timeless();
    assert_eq!(hunt(&timed), hunt(&whole));
    assert!(shell.run(&["hunt", "shop.json", "--for", "1ns", "--json"]).json()["seeds"].as_u64().unwrap() > 0);
    let endless = shell.run(&["hunt", "shop.json", "--seeds", "5.."]);
    assert_eq!((endless.code, endless.err.contains("such as --for 10m")), (2, true), "{}", endless.err);
}

#[test]
fn a_hunt_that_is_killed_again_and_again_finds_what_one_hunt_finds() {
    let shell = Shell::new();
    let words = |out: &'static str| ["hunt", "shop.json", "--seeds", "16000", "--jobs", "2", "--out", out];
    let whole = shell.run(&words("whole"));
    let mut kills = 0;
    for millis in [0, 70, 290, 3, 150, 310, 33] {
        kills += u32::from(shell.killed(&words("cut"), "cut", millis));
    }
    let last = shell.run(&words("cut"));
    assert!(kills >= 2, "the hunt is too short to be killed");
    assert_eq!((last.code, last.timeless().replace("cut/", "whole/")), (whole.code, whole.timeless()));
    let cases = shell.names("cut");
    assert_eq!(cases, shell.names("whole"));
    for case in cases {
        assert_eq!(shell.read(&format!("cut/{case}")), shell.read(&format!("whole/{case}")), "{case}");
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_is_done_and_the_same_command_goes_on() {
    let shell = Shell::new();
    let words = ["hunt", "shop.json", "--seeds", "12000", "--jobs", "2"];
    let child = shell.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(250));
    assert!(Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap().success());
    let cut = Said::of(&child.wait_with_output().unwrap());
    assert_eq!((cut.code, cut.err.as_str()), (130, ""), "{}", cut.out);
    // What is left behind can be merged, and says how far it came; a case that somebody removed is written again.
    let state = shell.state("faultline-cases");
    assert!(shell.merge(&[state], &[]).out.contains("interrupted: "));
    let case = shell.names("faultline-cases").into_iter().find(|name| name.ends_with(".json")).unwrap();
    std::fs::remove_file(shell.path("faultline-cases").join(&case)).unwrap();
    let command = "\ninterrupted; to go on: faultline hunt shop.json --seeds 0..12000 --jobs 2\n";
    assert!(cut.out.ends_with(command), "{}", cut.out);
    let done: String = cut.out.split("interrupted: ").nth(1).unwrap().split(')').next().unwrap().to_owned();
    let again = shell.run(&words);
    assert!(again.err.starts_with(&format!("goes on where an earlier hunt stood: {done})")), "{}\n{done}", again.err);
    let names = shell.names("faultline-cases");
    assert!(names.contains(&case) && names.iter().all(|name| name.ends_with(".json")), "{names:?}");
    assert_eq!(again.timeless(), shell.run(&words).timeless());
}

#[test]
fn a_budget_that_was_cut_goes_on_with_the_time_that_is_left() {
    let shell = Shell::new();
    let words = ["hunt", "shop.json", "--for", "1500ms", "--jobs", "2", "--json"];
    assert!(shell.killed(&words, "faultline-cases", 300));
    let state: Value = serde_json::from_str(&shell.read(&shell.state("faultline-cases"))).unwrap();
    let before = state["hunt"]["wall_seconds"].as_f64().unwrap();
    let begun = Instant::now();
    let resumed = shell.run(&words);
    let took = begun.elapsed().as_secs_f64();
    assert!(resumed.err.starts_with("goes on where"), "{}", resumed.err);
    let wall = resumed.json()["wall_seconds"].as_f64().unwrap();
    assert!(before > 0.25 && wall >= 1.5 && wall - before <= took, "{before} {wall} {took}");
    let range = resumed.json()["seed_range"].as_str().unwrap().to_owned();
    let whole = shell.run(&["hunt", "shop.json", "--seeds", &range, "--json"]).json();
    for key in ["seeds", "failing", "failures", "sometimes", "fault_kinds", "fault_runs", "events"] {
        assert_eq!(resumed.json()[key], whole[key], "{key}");
    }
}

#[test]
fn a_state_that_cannot_be_trusted_is_neither_used_nor_removed() {
    let shell = Shell::new();
    let words = ["hunt", "shop.json", "--seeds", "200000", "--jobs", "2", "--out", "out"];
    assert!(shell.killed(&words, "out", 10));
    let state = shell.state("out");
    let text = shell.read(&state);
    let damages = [
        text[..text.len() / 2].to_owned(),
        text.replacen("\"failing\": ", "\"failing\": 1", 1),
        text.replace("small shop", "large shop"),
        String::new(),
    ];
    for damaged in damages {
        shell.write(&state, &damaged);
        let said = shell.run(&words);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
        assert!(said.err.contains(&state) && said.err.contains("is damaged"), "{}", said.err);
        assert!(said.err.contains("--fresh"), "{}", said.err);
        assert_eq!(shell.read(&state), damaged);
    }
    // One of another hunt, whole, under the name of this one.
    let other = ["hunt", "shop.json", "--seeds", "200001", "--jobs", "2", "--out", "other"];
    assert!(shell.killed(&other, "other", 10));
    std::fs::copy(shell.path(&shell.state("other")), shell.path(&state)).unwrap();
    let said = shell.run(&words);
    assert!(said.code == 2 && said.err.contains("belongs to another hunt"), "{}", said.err);
    shell.write(&state, "damaged");
    let fresh = ["hunt", "shop.json", "--seeds", "200000", "--out", "out", "--fresh", "--for", "50ms"];
    let said = shell.run(&fresh);
    assert_eq!((said.code, said.err.as_str()), (1, ""), "{}", said.out);
    // What there was no time for is left to go on with.
    assert_eq!(shell.state("out"), state);
}

#[test]
fn two_hunts_of_the_same_seeds_do_not_work_side_by_side() {
    let shell = Shell::new();
    let words = ["hunt", "shop.json", "--seeds", "200000", "--jobs", "1"];
    let mut child = shell.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let same = shell.run(&words);
    // Others may: their files have other names.
    let other = shell.run(&["hunt", "shop.json", "--seeds", "7"]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(same.code == 2 && same.err.contains("another hunt of the same seeds is at work"), "{}", same.err);
    assert_eq!((other.code, other.err.as_str()), (1, ""));
    // The lock of a killed hunt is nobody's.
    assert!(shell.killed(&words, "faultline-cases", 0));
    assert!(shell.run(&["hunt", "shop.json", "--seeds", "200000", "--for", "1ms", "--fresh"]).code == 1);
}

#[test]
#[cfg(unix)]
fn a_disk_that_takes_nothing_more_leaves_what_was_there_and_the_report() {
    let shell = Shell::new();
    let whole = shell.run(&["hunt", "shop.json", "--seeds", "40", "--out", "out"]);
    let before: Vec<String> = shell.names("out").iter().map(|name| shell.read(&format!("out/{name}"))).collect();
    // No file may grow beyond a block: the folder can be written to, and no case of another hunt fits.
    let line = "trap '' XFSZ; ulimit -f 1; faultline hunt shop.json --seeds 40 --out out --json";
    let full = shell.sh(&format!("{line} --fault '3h.. crash shop'"));
    assert_eq!(full.code, 2, "{}", full.err);
    assert!(full.err.contains("out/small-shop-charged") && full.err.contains("cannot be written: "), "{}", full.err);
    let found = full.json();
    assert_eq!((&found["interrupted"], &found["failures"][0]["case"]), (&Value::Bool(true), &Value::Null));
    assert!(found["failing"].as_u64().unwrap() > 0);
    let after: Vec<String> = shell.names("out").iter().map(|name| shell.read(&format!("out/{name}"))).collect();
    assert_eq!(before, after);
    // A summary that cannot be written is no reason to keep the report back.
    let line = "trap '' XFSZ; ulimit -f 1; faultline hunt shop.json --seeds 40 --fault '0s.. cut shop->gateway' --json";
    let said = shell.sh(&format!("{line} --markdown there/summary.md --junit there/units.xml"));
    assert!(said.code == 2 && said.err.contains("there/units.xml cannot be written"), "{}{}", said.err, said.out);
    assert!(!said.err.contains(".case-"), "{}", said.err);
    assert_eq!(said.json()["seeds"], 40);
    assert_eq!(whole.code, 1);
}

#[test]
fn cases_of_other_hunts_keep_their_names_and_what_is_in_them() {
    let shell = Shell::new();
    let hunt = |more: &[&str]| shell.run(&[&["hunt", "shop.json", "--seeds", "9", "--json"], more].concat());
    let case = |said: &Said| said.json()["failures"][0]["case"].as_str().unwrap().to_owned();
    let (plain, other) = (hunt(&[]), hunt(&["--fault", "3h.. crash shop"]));
    let (first, second) = (case(&plain), case(&other));
    let stem = first.strip_suffix(".json").unwrap();
    let piece = second.strip_prefix(&format!("{stem}-")).unwrap().strip_suffix(".json").unwrap();
    assert_eq!(piece, &other.json()["fingerprint"].as_str().unwrap()[..6]);
    assert!(shell.read(&second).contains("crash shop") && !shell.read(&first).contains("crash shop"));
    // Each finds its own again, and nothing is written twice.
    let names = shell.names("faultline-cases");
    assert_eq!((case(&hunt(&[])), case(&hunt(&["--fault", "3h.. crash shop"]))), (first.clone(), second.clone()));
    assert_eq!(shell.names("faultline-cases"), names);
    // Whatever stands there stays there.
    shell.write(&second, "mine");
    let third = case(&hunt(&["--fault", "3h.. crash shop"]));
    assert_eq!((third, shell.read(&second)), (format!("{stem}-{piece}-2.json"), "mine".to_owned()));
}

#[test]
fn a_hunt_that_goes_on_reports_its_own_cases() {
    let shell = Shell::new();
    let words = ["hunt", "shop.json", "--seeds", "200000", "--for", "50ms", "--json"];
    let cut = shell.run(&words).json();
    let case = |found: &Value| found["failures"][0]["case"].as_str().unwrap().to_owned();
    let text = shell.read(&case(&cut));
    shell.write(&case(&cut), "another");
    let resumed = shell.run(&words).json();
    assert_eq!(shell.read(&case(&cut)), "another");
    assert_eq!((case(&resumed) == case(&cut), shell.read(&case(&resumed))), (false, text));
}

#[test]
fn a_budget_is_the_time_of_one_call_and_the_rest_of_the_range_stays() {
    let shell = Shell::new();
    let timed = |budget: &str| {
        let begun = Instant::now();
        let said = shell.run(&["hunt", "shop.json", "--seeds", "30000", "--jobs", "1", "--for", budget]);
        (said, begun.elapsed())
    };
    let seeds = |said: &Said| {
        said.out
            .split(" seeds (0..")
            .nth(1)
            .unwrap()
            .split(')')
            .next()
            .unwrap()
            .replace("’", "")
            .parse::<u64>()
            .unwrap()
    };
    let (first, _) = timed("100ms");
    assert_eq!((first.code, first.err.as_str()), (1, ""));
    let end = first.out.lines().last().unwrap().to_owned();
    assert_eq!(end, "the time is up; to go on: faultline hunt shop.json --seeds 0..30000 --for 100ms --jobs 1");
    // A shorter one has its own time, however long the first one took, and so has the same one again.
    for budget in ["60ms", "60ms"] {
        let (next, took) = timed(budget);
        assert!(next.err.starts_with("goes on where"), "{}", next.err);
        assert!(took >= Duration::from_millis(60) && seeds(&next) > seeds(&first), "{took:?} {}", next.out);
    }
    let (last, whole) =
        (["hunt", "shop.json", "--seeds", "30000"], ["hunt", "shop.json", "--seeds", "30000", "--fresh"]);
    let last = shell.run(&last);
    assert!(last.err.starts_with("goes on where"), "{}", last.err);
    assert!(shell.names("faultline-cases").iter().all(|name| name.ends_with(".json")));
    assert_eq!(last.timeless(), shell.run(&whole).timeless());
}

#[test]
fn as_many_workers_as_you_like_are_as_good_as_a_few() {
    let shell = Shell::new();
    let hunt = |jobs: &str| shell.run(&["hunt", "shop.json", "--seeds", "20000", "--for", "100ms", "--jobs", jobs]);
    let begun = Instant::now();
    let (many, took) = (hunt("18446744073709551615"), begun.elapsed());
    assert_eq!((many.code, many.err.as_str()), (1, ""));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn long_names_in_any_script_have_cases() {
    let shell = Shell::new();
    let (shop, rule) = ("商店".repeat(60), "Заказ".repeat(50));
    let long = SHOP.replace("small shop", &shop).replace("charged <once> & \\\"only\\\"", &rule);
    assert!(long.contains(&shop) && long.contains(&rule));
    shell.write("shop.json", &long);
    for more in [&[][..], &["--fault", "3h.. crash shop"]] {
        let said = shell.run(&[&["hunt", "shop.json", "--seeds", "9", "--json"], more].concat());
        assert_eq!(said.code, 1, "{}", said.err);
    }
    let names = shell.names("faultline-cases");
    assert!(names.len() > 1 && names.iter().all(|name| name.len() < 200 && name.contains('商')), "{names:?}");
}

#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_written_to_is_said_before_the_hunt() {
    use std::os::unix::fs::PermissionsExt;
    let shell = Shell::new();
    shell.write("taken", "mine");
    let said = shell.run(&["hunt", "shop.json", "--seeds", "5", "--out", "taken"]);
    assert!(said.code == 2 && said.err.contains("--out taken: "), "{}", said.err);
    assert_eq!(shell.read("taken"), "mine");
    let said = shell.run(&["hunt", "shop.json", "--seeds", "5", "--junit", "."]);
    assert!(said.code == 2 && said.err.contains(". is a folder"), "{}", said.err);
    for other in ["both", "./both"] {
        let said = shell.run(&["hunt", "shop.json", "--seeds", "5", "--junit", "both", "--markdown", other]);
        assert!(said.code == 2 && said.err.contains("name two files") && !shell.path("both").exists(), "{}", said.err);
    }
    std::fs::create_dir(shell.path("locked")).unwrap();
    std::fs::set_permissions(shell.path("locked"), std::fs::Permissions::from_mode(0o555)).unwrap();
    // Whoever may do everything may write there too.
    if std::fs::write(shell.path("locked/try"), "").is_err() {
        let said = shell.run(&["hunt", "shop.json", "--seeds", "5", "--out", "locked"]);
        assert!(said.code == 2 && said.err.contains("--out locked: "), "{}", said.err);
    }
}

#[test]
fn summaries_are_what_a_ci_server_reads() {
    let shell = Shell::new();
    let flags = ["--markdown", "summary.md", "--junit", "deep/units.xml"];
    shell.run(&[&["hunt", "shop.json", "--seeds", "100"][..], &flags].concat());
    let is_timing = |line: &&str| !line.contains("time=");
    let untimed = |text: String| text.lines().filter(is_timing).map(|line| format!("{line}\n")).collect::<String>();
    let (markdown, junit) = (shell.read("summary.md"), untimed(shell.read("deep/units.xml")));
    insta::assert_snapshot!("markdown", markdown);
    insta::assert_snapshot!("junit", junit);
    let sums = "<testsuites name=\"faultline\" tests=\"4\" failures=\"3\" errors=\"0\" time=\"";
    assert!(shell.read("deep/units.xml").contains(sums));
    let mut files = shell.shards("100", 3);
    assert_eq!(shell.merge(&files, &flags).code, 0);
    assert_eq!((shell.read("summary.md"), untimed(shell.read("deep/units.xml"))), (markdown, junit));
    files.pop();
    shell.merge(&files, &flags);
    assert!(shell.read("summary.md").contains("⚠ missing: shard 3/3"));
    assert!(shell.read("deep/units.xml").contains("<error message=\"missing: shard 3/3\""));
    assert!(Path::new(&shell.path("summary.md")).exists());
}
