//! The command line as a script meets it: what it prints, where, and with which exit code.

mod shell;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::shell::{Said, Shell};

impl Shell {
    fn new() -> Shell {
        Shell::empty()
    }

    /// A case file that `hunt` wrote, and its text.
    fn hunted(&self) -> (&'static str, Value) {
        let said = self.run(&["hunt", "checkout", "--set", "orders=100", "--seeds", "3"]);
        assert_eq!(said.code, 1, "{}", said.err);
        let name = "faultline-cases/checkout-charged-at-most-once-0.json";
        (name, serde_json::from_str(&self.read(name)).unwrap())
    }
}

impl Said {
    /// All of it, without what differs from run to run and from version to version.
    fn shown(&self) -> String {
        let redacted = |line: &str| match line {
            line if line.contains("events/s") => "[speed]".to_owned(),
            line if line.contains("digest ") => "[digest]".to_owned(),
            line => line.to_owned(),
        };
        let text = |text: &str| text.lines().map(redacted).map(|line| line + "\n").collect::<String>();
        format!("exit {}\n--- out\n{}--- err\n{}", self.code, text(&self.out), text(&self.err))
    }
}

/// The document without timings, and without what changes with the kernel: digests, and which counters there are.
fn settled(mut json: Value) -> Value {
    let timings = ["wall_seconds", "events_per_second", "seeds_per_second"];
    for key in timings.into_iter().chain(["digest", "expected_digest", "fingerprint"]) {
        if let Some(value) = json.get_mut(key) {
            assert!(value.is_number() || value.as_str().is_some_and(|text| text.len() == 16), "{key} is {value}");
            *value = Value::from(format!("[{key}]"));
        }
    }
    if let Some(outcomes) = json.get("outcomes").and_then(Value::as_object) {
        // Of the one workload each outcome is of one sort.
        let sorts = outcomes.iter().find(|(name, _)| !name.contains("->")).and_then(|(_, sorts)| sorts.as_object());
        let sum: u64 = sorts.expect("a workload").values().filter_map(Value::as_u64).sum();
        let met = |name: &str| json["requests"][name].as_u64().expect("a count");
        assert_eq!(sum, met("total") - met("unanswered"), "{outcomes:?}");
        json["outcomes"] = Value::from("[outcomes]");
    }
    if let Some(counters) = json.get_mut("counters") {
        assert!(counters["shop.calls"].is_u64() && counters["shop->gateway.retries"].is_u64(), "{counters}");
        *counters = Value::from("[counters]");
    }
    json
}

#[test]
fn help_is_worth_reading() {
    let shell = Shell::new();
    for command in ["", "run", "hunt", "merge", "replay", "explain"] {
        let words: Vec<&str> = [command, "--help"].into_iter().filter(|word| !word.is_empty()).collect();
        let name = if command.is_empty() { "help".to_owned() } else { format!("help-{command}") };
        insta::assert_snapshot!(name, shell.run(&words).shown());
    }
}

/// The first thing that a newcomer sees; a reader of the snapshot learns the story from it.
#[test]
fn without_a_command_and_a_terminal_it_tells_the_story() {
    let shell = Shell::new();
    let told = shell.run(&[]);
    insta::assert_snapshot!("demo", told.shown());
    assert_eq!(shell.run(&["demo", "--jobs", "1"]).shown(), told.shown());
    let wide = told.out.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "a terminal is 80 columns wide");
    for command in told.out.lines().filter_map(|line| line.strip_prefix("  faultline ")) {
        let words: Vec<&str> = command.split(' ').collect();
        assert!(shell.run(&words).code <= 1, "{command}");
    }
}

#[test]
fn what_was_found_shrinks_to_the_line_that_matters() {
    let shell = Shell::new();
    shell.run(&["hunt", "checkout", "--set", "orders=10", "--seeds", "5"]);
    let case = "faultline-cases/checkout-charged-at-most-once-0.json";
    insta::assert_snapshot!("shrink", shell.run(&["shrink", case, "-o", "small.json"]).shown());
    assert_eq!(shell.run(&["replay", "small.json"]).code, 0);
    let json = shell.json(&["shrink", case, "-o", "again.json", "--json"]);
    assert_eq!(json["to"]["decisions"], 1);
    assert_eq!(shell.read("small.json"), shell.read("again.json"));
    assert_eq!(shell.run(&["shrink", "small.json", "-o", "smaller.json"]).code, 0);
    assert_eq!(shell.read("small.json"), shell.read("smaller.json"));
    let held = shell.run(&["run", "checkout", "--set", "orders=1", "--json"]);
    assert_eq!(held.code, 0);
}

/// The signature of the product; a reader of the snapshot learns what went wrong, why, and what cures it.
#[test]
fn what_was_found_is_explained() {
    let shell = Shell::new();
    shell.run(&["hunt", "checkout", "--set", "orders=10", "--seeds", "5"]);
    let case = "faultline-cases/checkout-charged-at-most-once-0.json";
    let told = shell.run(&["explain", case, "-o", "small.json", "--seeds", "20"]);
    insta::assert_snapshot!("explain", told.shown());
    assert_eq!(told.out.lines().find(|line| line.chars().count() > 80), None, "a terminal is 80 columns wide");
    assert_eq!(shell.run(&["replay", "small.json"]).code, 0);
    let markdown = shell.run(&["explain", case, "--markdown", "--seeds", "20", "--jobs", "1"]);
    insta::assert_snapshot!("explain-markdown", markdown.shown());

    let json = shell.json(&["explain", "small.json", "--json", "--seeds", "20"]);
    let trace = shell.json(&["run", "checkout", "--set", "orders=10", "--json"]);
    assert_eq!(
        (&json["property"], &trace["properties"][0]["name"]),
        (&"charged at most once".into(), &"charged at most once".into())
    );
    assert_eq!(json["needed"][0]["without"], "vanishes");
    for clause in json["clauses"].as_array().unwrap() {
        let event = clause["event"].to_string();
        let seen = shell.json(&["replay", "small.json", "--at", &event, "--json"]);
        assert_eq!((&seen["event"], &seen["at_ns"]), (&clause["event"], &clause["at_ns"]), "{clause}");
    }
}

#[test]
fn an_event_of_a_replay_is_shown_with_its_states() {
    let shell = Shell::new();
    let (case, _) = shell.hunted();
    shell.run(&["shrink", case, "-o", "small.json"]);
    insta::assert_snapshot!("replay-at", shell.run(&["replay", "small.json", "--at", "12"]).shown());
    let mut other: Value = serde_json::from_str(&shell.read("small.json")).unwrap();
    other["settings"]["timeout"] = "900ms".into();
    shell.write("other.json", &other.to_string());
    let said = shell.run(&["replay", "other.json", "--at", "25"]);
    assert_eq!(said.code, 3, "{}", said.out);
    assert!(said.out.starts_with("this is not the run that was recorded"), "{}", said.out);
    let beyond = shell.run(&["replay", "small.json", "--at", "1000"]);
    assert_eq!((beyond.code, beyond.out.as_str()), (2, ""));
    assert!(beyond.err.starts_with("--at 1000: the replay has "), "{}", beyond.err);
}

#[test]
fn the_event_that_last_changed_a_field_is_found() {
    let shell = Shell::new();
    let (case, text) = shell.hunted();
    let failed = text["expect"]["events"].as_u64().expect("a count");
    let said = shell.json(&["replay", case, "--last-change", "shopper/generator/begun", "--json"]);
    let (event, is) = (said["event"].as_u64().expect("an event"), said["is"].as_u64().expect("a number"));
    assert!(event <= failed && said["was"] == is - 1, "{said}");
    // The states of the moment and of the one before say the same.
    let state = |event: u64| {
        let seen = shell.json(&["replay", case, "--at", &event.to_string(), "--json"]);
        seen["states"]["shopper"]["generator"]["begun"].clone()
    };
    assert_eq!(
        (state(event - 1), state(event), state(failed)),
        (said["was"].clone(), said["is"].clone(), said["is"].clone())
    );
    let before = shell.json(&[
        "replay",
        case,
        "--last-change",
        "shopper/generator/begun",
        "--at",
        &(event - 1).to_string(),
        "--json",
    ]);
    assert_eq!((&before["is"], before["event"].as_u64() < Some(event)), (&said["was"], true), "{before}");
    let told = shell.run(&["replay", case, "--last-change", "shopper/generator/begun"]);
    assert!(
        told.out.contains(&format!("shopper/generator/begun was {} and is {is} since then", is - 1)),
        "{}",
        told.out
    );
    let never = shell.run(&["replay", case, "--last-change", "gateway/me"]);
    assert!(never.out.contains("as at the start"), "{}", never.out);
    let nothing = shell.run(&["replay", case, "--last-change", "gateway/nothing"]);
    assert!(nothing.out.contains("has nothing at \"/nothing\""), "{}", nothing.out);
    let beyond = shell.run(&["replay", case, "--last-change", "gateway/busy", "--at", &(failed + 1).to_string()]);
    assert_eq!((beyond.code, beyond.out.as_str()), (2, ""), "a replay ends where its case does");
    let mut other = text;
    other["settings"]["timeout"] = "900ms".into();
    shell.write("other.json", &other.to_string());
    let stale = shell.run(&["replay", "other.json", "--last-change", "shopper/generator/begun"]);
    assert_eq!(stale.code, 3, "{}", stale.out);
    assert!(stale.out.starts_with("this is not the run that was recorded"), "{}", stale.out);
    let bad = shell.run(&["replay", case, "--last-change", "gatewai/busy"]);
    assert_eq!(bad.code, 2);
    assert!(bad.err.contains("no node \"gatewai\"; did you mean \"gateway\"?"), "{}", bad.err);
}

#[test]
fn what_does_not_fail_is_not_explained() {
    let shell = Shell::new();
    let held = shell.run(&["hunt", "checkout", "--set", "orders=10", "--remedy", "key-per-order", "--seeds", "2"]);
    assert_eq!(held.code, 0);
    let (_, mut case) = shell.hunted();
    case["settings"]["key"] = "per-order".into();
    shell.write("held.json", &case.to_string());
    let said = shell.run(&["explain", "held.json"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("does not fail"), "{}", said.err);
    let gone = shell.run(&["explain", "nowhere.json"]);
    assert_eq!((gone.code, gone.out.as_str()), (2, ""));
}

#[test]
fn reports_are_for_people() {
    let shell = Shell::new();
    insta::assert_snapshot!("run", shell.run(&["run", "checkout", "--set", "orders=100", "--seed", "0x7"]).shown());
    let inert = ["run", "checkout", "--set", "orders=20", "--until", "1.5s", "--fault", "1h.. crash shop"];
    insta::assert_snapshot!("run-inert", shell.run(&inert).shown());
    insta::assert_snapshot!("hunt", shell.run(&["hunt", "checkout", "--set", "orders=100", "--seeds", "3"]).shown());
    let case = "faultline-cases/checkout-charged-at-most-once-0.json";
    insta::assert_snapshot!("replay", shell.run(&["replay", case]).shown());
    insta::assert_snapshot!("show", shell.run(&["show", "checkout"]).shown());
    insta::assert_snapshot!("new", shell.run(&["new", "my shop"]).shown());
    insta::assert_snapshot!("validate", shell.run(&["validate", "my shop.json", case]).shown());
    let trace = shell.run(&["run", "checkout", "--set", "orders=1", "--fault", "0s..1ms crash inventory", "--trace"]);
    insta::assert_snapshot!("trace", trace.shown());
}

#[test]
fn documents_are_for_programs() {
    let shell = Shell::new();
    let run = shell.json(&["run", "checkout", "--set", "orders=100", "--json"]);
    insta::assert_json_snapshot!("run-json", settled(run));
    let hunt = shell.json(&["hunt", "checkout", "--set", "orders=100", "--seeds", "5..9", "--shard", "2/2", "--json"]);
    insta::assert_json_snapshot!("hunt-json", settled(hunt));
    let replay = shell.json(&["replay", "faultline-cases/checkout-charged-at-most-once-5.json", "--json"]);
    insta::assert_json_snapshot!("replay-json", settled(replay));
    insta::assert_json_snapshot!("show-json", shell.json(&["show", "checkout", "--json"]));
    let traced = shell.json(&["run", "checkout", "--set", "orders=1", "--json", "--trace"]);
    assert_eq!(traced["trace"].as_array().unwrap().len() as u64, traced["events"].as_u64().unwrap());
    assert!(shell.json(&["list", "--json"]).as_array().unwrap().iter().any(|it| it["name"] == "checkout"));
    for fault in shell.json(&["faults", "--json"]).as_array().unwrap() {
        let example = fault["example"].as_str().unwrap();
        assert!(example.parse::<sim_core::Fault>().is_ok(), "{example}");
    }
    assert_eq!(shell.json(&["schema"])["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn exit_codes_are_a_promise() {
    let shell = Shell::new();
    let (case, mut edited) = shell.hunted();
    edited["expect"]["digest"] = Value::from("0123456789abcdef");
    shell.write("digest.json", &edited.to_string());
    shell.write(
        "loop.json",
        r#"{"faultline": 1, "until": "1h", "name": "loop",
            "nodes": {"a": {"kind": "service", "endpoints": {"no": [{"fail": "no"}]}}},
            "workload": {"w": {"rate": "1/s", "limit": 1, "each": "key", "do": [
                {"call": "a.no", "retry": {"tries": "forever", "on": ["no"]}}]}}}"#,
    );
    let held = ["run", "checkout", "--set", "orders=50", "--remedy", "key-per-order"];
    for (words, code) in [
        (&["list"][..], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["man"], 0),
        (&["completions", "zsh"], 0),
        (&["demo"], 0),
        (&[], 0),
        (&held, 0),
        (&["hunt", "checkout", "--set", "orders=50", "--remedy", "key-per-order", "--seeds", "3"], 0),
        (&["run", "checkout", "--set", "orders=200"], 1),
        (&["run", "checkout", "--set", "orders=20", "--remedy", "key-per-order", "--nemesis"], 0),
        (&["hunt", "checkout", "--set", "orders=200", "--nemesis", "--seeds", "3"], 1),
        (&["hunt", "checkout", "--set", "orders=200", "--seeds", "3"], 1),
        (&["run", "loop.json"], 4),
        (&["hunt", "loop.json", "--seed", "0"], 4),
        (&["replay", case], 0),
        (&["replay", case, "--no-expect"], 1),
        (&["replay", "digest.json"], 3),
        (&["validate", "checkout", case], 0),
        (&["explore"], 2),
        (&["nonsense"], 2),
        (&["run"], 2),
        (&["run", "checkout", "--seed", "-1"], 2),
        (&["hunt", "checkout", "--seeds", "0"], 2),
        (&["hunt", "checkout", "--seeds", "7..7"], 2),
        (&["hunt", "checkout", "--seeds", "7..5"], 2),
        (&["hunt", "checkout", "--jobs", "0"], 2),
        (&["hunt", "checkout", "--shard", "3/2"], 2),
    ] {
        let said = shell.run(words);
        assert_eq!(said.code, code, "{words:?}\n{}{}", said.out, said.err);
        // What never ends was warned of.
        assert_eq!(said.err.is_empty(), ![2, 4].contains(&code), "{words:?}: {}", said.err);
    }
}

#[test]
fn a_run_and_a_case_are_compared_with_themselves() {
    let shell = Shell::new();
    let (case, _) = shell.hunted();
    let run = ["run", "checkout", "--set", "orders=100"];
    for words in [&run[..], &["replay", case]] {
        let plain = shell.json(&[words, &["--json"]].concat());
        let checked = shell.json(&[words, &["--json", "--check-determinism"]].concat());
        assert_eq!(checked["determinism"]["agreed"], true, "{checked}");
        assert_eq!(checked["digest"], plain["digest"]);
        assert_eq!(checked["determinism"]["digest"], plain["digest"], "it is that run which is checked");
        assert_eq!(checked["determinism"]["events"], plain["events"]);
        assert_eq!(checked["verdict"], plain["verdict"]);
        assert_eq!(plain.get("determinism"), None);
        let states = checked["determinism"]["states_compared"].as_u64().expect("a count");
        assert!(states > 4, "{states}");
    }
    let said = shell.run(&[&run[..], &["--check-determinism"]].concat());
    let last = said.out.lines().last().expect("it says something");
    assert!(last.starts_with("deterministic: ") && last.contains(" events twice in one process, digest "), "{last}");
    let said = shell.run(&["replay", case, "--check-determinism", "--at", "3"]);
    assert_eq!(said.code, 2, "{}", said.out);
}

#[test]
fn what_is_never_seen_fails_a_hunt_and_not_a_run() {
    let shell = Shell::new();
    shell.write(
        "once.json",
        r#"{"faultline": 1, "name": "once", "nodes": {"a": {"kind": "service", "endpoints": {"go": [{"record": "fact"}]}}},
            "workload": {"w": {"rate": "1/s", "limit": 2, "each": "key", "do": [{"call": "a.go"}]}},
            "properties": {"twice": {"sometimes": "fact > 1"}}}"#,
    );
    let run = shell.run(&["run", "once.json"]);
    assert_eq!((run.code, run.out.contains("never seen")), (0, true), "{}{}", run.out, run.err);
    let hunt = shell.run(&["hunt", "once.json", "--seeds", "3"]);
    assert_eq!((hunt.code, hunt.out.contains("never seen  twice")), (1, true), "{}{}", hunt.out, hunt.err);
}

#[test]
fn bad_input_is_answered_with_its_place_and_what_would_be_right() {
    let shell = Shell::new();
    let (_, case) = shell.hunted();
    let edited = |name: &str, edit: &dyn Fn(&mut Value)| {
        let mut case = case.clone();
        edit(&mut case);
        shell.write(name, &format!("{case:#}"));
    };
    let whole = format!("{case:#}");
    shell.write("truncated.json", &whole[..whole.len() / 2]);
    shell.write("malformed.json", "{\"faultline\": 1,, \"kind\": \"case\"}");
    edited("newer.json", &|case| case["faultline"] = Value::from(2));
    edited("type.json", &|case| case["seed"] = Value::from(7));
    edited("node.json", &|case| case["faults"] = Value::from(vec!["1s..2s crash nobody"]));
    edited("fault.json", &|case| case["faults"] = Value::from(vec!["1s..2s crsh shop"]));
    edited("setting.json", &|case| case["settings"]["timeout"] = Value::from("90s"));
    edited("inner.json", &|case| case["scenario"]["nodes"]["gateway"]["kind"] = Value::from("servic"));
    shell.write("newer-scenario.json", "{\"faultline\": 2, \"verb\": \"from the future\"}");
    shell.write(
        "scenario.json",
        "{\"faultline\": 1, \"name\": \"a\", \"nodes\": {\"a\": {\"kind\": \"service\", \"endpoint\": {}}}}",
    );
    let lines: &[&[&str]] = &[
        &["replay", "truncated.json"],
        &["replay", "malformed.json"],
        &["replay", "newer.json"],
        &["replay", "type.json"],
        &["replay", "node.json"],
        &["replay", "fault.json"],
        &["replay", "setting.json"],
        &["replay", "inner.json"],
        &["replay", "checkout"],
        &["replay", "missing.json"],
        &["replay", "."],
        &["run", "type.json"],
        &["run", "newer-scenario.json"],
        &["run", "scenario.json"],
        &["run", "missing.json"],
        &["run", "."],
        &["run", "chekout"],
        &["run", "checkout", "--fault", "1s..4s partiton shop | gateway"],
        &["run", "checkout", "--fault", "1s..4s crash gatway"],
        &["run", "checkout", "--set", "timeout=90s"],
        &["run", "checkout", "--set", "timeot=1s"],
        &["run", "checkout", "--set", "timeout"],
        &["run", "checkout", "--remedy", "key-per-ordr"],
        &["run", "checkout", "--until", "30"],
        &["hunt", "checkout", "--seeds", "9..2"],
    ];
    let mut all = String::new();
    for words in lines {
        let said = shell.run(words);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{words:?}");
        all += &format!("$ faultline {}\n{}\n", words.join(" "), said.err);
    }
    insta::assert_snapshot!("bad-input", all);
}

#[test]
fn a_hunt_is_the_same_on_any_number_of_workers() {
    let shell = Shell::new();
    let hunt = |jobs: &str| {
        let words =
            ["hunt", "checkout", "--set", "orders=12", "--seeds", "100..300", "--out", "out", "--json", "--jobs", jobs];
        let mut json = shell.json(&words);
        for key in ["wall_seconds", "seeds_per_second", "events_per_second"] {
            json.as_object_mut().unwrap().remove(key).unwrap();
        }
        let case = json["failures"][0]["case"].as_str().unwrap();
        (json.to_string(), shell.read(case))
    };
    let one = hunt("1");
    assert_eq!(one, hunt("2"));
    assert_eq!(one, hunt("5"));
}

#[test]
fn shards_together_are_the_whole() {
    let shell = Shell::new();
    let hunt = |more: &[&str]| {
        let words = [&["hunt", "checkout", "--set", "orders=12", "--seeds", "90", "--json"], more].concat();
        let json = shell.json(&words);
        ["seeds", "failing", "events"].map(|key| json[key].as_u64().unwrap())
    };
    let shards = ["1/4", "2/4", "3/4", "4/4"].map(|shard| hunt(&["--shard", shard]));
    let sum = shards.iter().fold([0; 3], |sum, shard| std::array::from_fn(|at| sum[at] + shard[at]));
    assert_eq!(sum, hunt(&[]));
    assert_eq!(shards.map(|shard| shard[0]), [23, 23, 22, 22]);
}

/// The files a user may come back with: another default, another name for a node, for a setting, for the workload's operations.
#[test]
fn a_case_on_a_changed_scenario_says_what_still_applies_and_how_it_comes_out() {
    let shell = Shell::new();
    let (case, _) = shell.hunted();
    assert_eq!(shell.run(&["shrink", case, "-o", "small.json"]).code, 0);
    let file = shell.run(&["show", "checkout", "--source"]).out;
    let changes: [(&str, &[(&str, &str)]); 6] = [
        ("same", &[]),
        ("slower", &[("\"timeout\":      {\"default\": \"1s\"", "\"timeout\":      {\"default\": \"1200ms\"")]),
        ("renamed", &[("gateway", "bank")]),
        ("judged", &[("charged at most once", "charged once")]),
        ("knob", &[("\"orders\":       {", "\"count\":       {"), ("${orders}", "${count}")]),
        ("class", &[("\"each\": \"order\"", "\"each\": \"purchase\""), ("$order", "$purchase")]),
    ];
    let mut all = String::new();
    for (name, edits) in changes {
        let edited = edits.iter().fold(file.clone(), |file, (from, to)| file.replace(from, to));
        assert_eq!(edited == file, edits.is_empty(), "{name}");
        let path = format!("{name}.json");
        shell.write(&path, &edited);
        all += &format!("$ faultline replay small.json --scenario {path}\n");
        all += &shell.run(&["replay", "small.json", "--scenario", &path]).shown();
        all.push('\n');
    }
    insta::assert_snapshot!("replay-changed", all);
    let json = shell.json(&["replay", "small.json", "--scenario", "renamed.json", "--json"]);
    assert_eq!((&json["reproduced"], &json["same_failure"]), (&Value::Bool(false), &Value::Bool(false)));
    assert_eq!((&json["decisions"][0]["applied"], &json["drift"]), (&Value::Bool(false), &Value::Null));
    let json = shell.json(&["replay", "small.json", "--scenario", "slower.json", "--json"]);
    let [recorded, now] = ["recorded", "now"].map(|when| json["drift"]["at_ns"][when].as_u64().unwrap());
    assert_eq!(now - recorded, 100_000_000, "the second charge is made at 1.5 s in place of 1.4 s");
}

#[test]
fn cases_replay_and_edited_ones_say_where_they_part() {
    let shell = Shell::new();
    let (path, case) = shell.hunted();
    let same = shell.json(&["replay", path, "--json"]);
    assert_eq!((&same["reproduced"], &same["first_divergence"]), (&Value::Bool(true), &Value::Null));
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut case = case.clone();
        edit(&mut case);
        shell.write("edited.json", &case.to_string());
        let said = shell.run(&["replay", "edited.json"]);
        assert_eq!(said.code, 3, "{}{}", said.out, said.err);
        (said.out, shell.json(&["replay", "edited.json", "--json"]))
    };
    let (text, json) = edited(&|case| case["expect"]["digest"] = Value::from("0123456789abcdef"));
    assert!(text.contains("the run follows its trail to the end"), "{text}");
    assert_eq!((&json["same_failure"], &json["first_divergence"]), (&Value::Bool(true), &Value::Null));
    let (text, json) = edited(&|case| case["seed"] = Value::from("99"));
    assert!(text.contains("the two part at event"), "{text}");
    assert!(json["first_divergence"]["by"].is_u64(), "{json}");
    let (text, json) = edited(&|case| case["settings"]["key"] = Value::from("per-order"));
    assert!(text.contains("not reproduced: it no longer fails\n"), "{text}");
    assert_eq!((&json["same_failure"], &json["verdict"]), (&Value::Bool(false), &Value::from("held")));
    // Afresh, the same file simply holds.
    assert_eq!(shell.run(&["replay", "edited.json", "--no-expect"]).code, 0);
}

#[test]
fn starters_run_and_are_not_overwritten() {
    let shell = Shell::new();
    assert_eq!(shell.run(&["new", "shop"]).code, 0);
    let written = shell.read("shop.json");
    let again = shell.run(&["new", "shop.json"]);
    assert_eq!((again.code, again.err.as_str()), (2, "shop.json is already there; it is left as it is\n"));
    assert_eq!(shell.read("shop.json"), written);
    assert_eq!(shell.run(&["run", "shop.json"]).code, 1);
    assert_eq!(shell.run(&["run", "shop.json", "--remedy", "key-per-order"]).code, 0);
    let source = shell.run(&["show", "checkout", "--source"]).out;
    shell.write("mine.json", &source);
    assert_eq!(shell.run(&["validate", "mine.json"]).out, "mine.json: ok\n");
}

#[test]
#[cfg(unix)]
fn printed_commands_work_when_pasted() {
    let shell = Shell::new();
    let sh = |line: &str| {
        let output = Command::new("sh").args(["-c", line]).current_dir(shell.folder.path()).output().unwrap();
        Said::of(&output)
    };
    // Called by a path with a blank, as somebody's home may have one.
    let folder = shell.folder.path().join("a b");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_faultline"), folder.join("fl")).unwrap();
    let first = sh("'./a b/fl' run checkout --set orders=30 --fault '1s..2s loss gateway->shop 50%' --seed 3");
    let line = first.out.lines().find_map(|line| line.strip_prefix("the same again: ")).unwrap();
    let again = sh(line);
    let digest = |said: &Said| said.out.lines().find(|line| line.starts_with("digest ")).unwrap()[..23].to_owned();
    assert_eq!(digest(&first), digest(&again), "{line}");
    let hunt = sh("'./a b/fl' hunt checkout --set orders=100 --seeds 2 --out 'c d'");
    let replay = hunt.out.lines().find(|line| line.contains(" replay ")).unwrap();
    assert_eq!(sh(replay).code, 0, "{replay}");
}

#[test]
#[cfg(unix)]
fn whoever_stops_reading_sees_no_panic() {
    let shell = Shell::new();
    for words in ["run checkout --trace", "faults", "schema", "--help", "run checkout --json"] {
        let line = format!("'{}' {words} | head -c 10", env!("CARGO_BIN_EXE_faultline"));
        let output = Command::new("sh").args(["-c", &line]).current_dir(shell.folder.path()).output().unwrap();
        assert_eq!(Said::of(&output).err, "", "{words}");
    }
}

#[test]
#[cfg(unix)]
fn ctrl_c_prints_what_is_there() {
    use std::process::Stdio;
    use std::time::Duration;
    let shell = Shell::new();
    let interrupted = |words: &[&str]| {
        let child = shell.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(400));
        let kill = format!("kill -INT {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let said = Said::of(&child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (130, ""), "{words:?}");
        let json: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(json["interrupted"], Value::Bool(true));
        json
    };
    let remedy = ["--remedy", "key-per-order", "--set", "orders=5000", "--json"];
    let hunt = interrupted(&[&["hunt", "checkout", "--seeds", "10..1000000", "--jobs", "2"], &remedy[..]].concat());
    let (done, range) = (hunt["seeds"].as_u64().unwrap(), hunt["seed_range"].as_str().unwrap());
    assert_eq!(range, format!("10..{}", 10 + done));
    let run = interrupted(&["run", "checkout", "--set", "orders=1000000", "--json"]);
    assert!(run["events"].as_u64().unwrap() > 0);
    let avail = interrupted(&["avail", "20of30(mtbf=100h/mttr=1h)", "--simulate", "200000y", "--json"]);
    let (runs, years) = (avail["simulated"]["runs"].as_u64().unwrap(), avail["simulated"]["years"].as_f64().unwrap());
    assert!(runs < 400 && (years - 500.0 * runs as f64).abs() < 1e-6, "{runs} {years}");
}

#[test]
fn cases_are_written_whole() {
    let shell = Shell::new();
    let (path, case) = shell.hunted();
    let folder = shell.folder.path().join(Path::new(path).parent().unwrap());
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["checkout-charged-at-most-once-0.json", "checkout-charged-at-most-once-1.json"]);
    assert_eq!((&case["kind"], &case["rest"]), (&Value::from("case"), &Value::from("seed")));
    shell.write("taken", "");
    let said = shell.run(&["hunt", "checkout", "--set", "orders=100", "--seeds", "1", "--out", "taken"]);
    assert_eq!(said.code, 2, "{}", said.out);
    assert!(said.err.contains("no folder that cases can be written to") && said.out.is_empty(), "{}", said.err);
}

/// What holds of the library (`tests/extremes.rs`) as a shell meets it: an exit code, a place or the name of a limit.
#[test]
fn extreme_input_is_refused_or_ends_at_a_limit() {
    let shell = Shell::new();
    let node =
        r#""network": {"latency": "0s"}, "nodes": {"a": {"kind": "service", "endpoints": {"go": [{"fail": "no"}]}}}"#;
    let of = |pace: &str, call: &str| {
        format!(
            r#"{{"faultline": 1, "name": "x", "until": "10s", {node},
            "workload": {{"w": {{{pace}, "each": "k", "do": [{{"call": "a.go"{call}}}]}}}}}}"#
        )
    };
    shell.write("users.json", &of(r#""users": 4000000000"#, ""));
    shell
        .write("retry.json", &of(r#""rate": "1/s""#, r#", "retry": {"tries": "forever", "wait": "0s", "on": ["no"]}"#));
    shell.write("empty.json", "");
    shell.write("long.json", &"\n".repeat(50_000_000));
    for (words, said) in [
        (&["run", "users.json"][..], "users.json:2:41: workload.w.users: a workload has at most 1000000 users"),
        (&["run", "empty.json"], "empty.json:1:1: the file ends where a value should be"),
        (&["run", "long.json"], "long.json:1:1: a scenario has at most 8388608 bytes"),
        (&["run", "checkout", "--set", "timeout=1e400s"], "\"1e400s\" is not a duration"),
        (&["run", "checkout", "--until", "18446744073709551615d"], "is longer than a run can be, 584 years"),
        (
            &["run", "checkout", "--fault", "18446744073709551615d.. crash shop"],
            "is longer than a run can be, 584 years",
        ),
    ] {
        let refused = shell.run(words);
        assert_eq!((refused.code, refused.err.contains(said)), (2, true), "{words:?}: {}", refused.err);
    }
    let cut = shell.run(&["run", "retry.json"]);
    let limit = "out of limits: the limit of 2000000 events at one instant";
    assert_eq!((cut.code, cut.out.contains(limit)), (4, true), "{}", cut.out);
    let all = ["hunt", "checkout", "--set", "orders=1", "--seeds", "0..18446744073709551615", "--for", "1s"];
    let hunted = shell.run(&[&all[..], &["--jobs", "1000000000"]].concat());
    assert_eq!((hunted.code, hunted.err.contains("panicked")), (1, false), "{}", hunted.err);
}
