//! The availability of expressions, diagrams and scenarios as a reader and a script meet it.

mod shell;

use crate::shell::{Said, Shell};

fn shown(said: &Said) -> String {
    format!("exit {}\n--- out\n{}--- err\n{}", said.code, said.out, said.err)
}

const BRIDGE: &str = r#"{"kind": "diagram", "let": {"link": "90%"},
 "blocks": {"a": "link", "b": "link", "c": "link", "d": "link", "bridge": "link"},
 "links": ["in -> a -> c -> out", "in -> b -> d -> out",
           "a -> bridge -> d", "b -> bridge -> c"]}"#;

const PAGE: &str = r#"{"faultline": 1, "name": "page",
 "nodes": {
  "front": {"kind": "service", "replicas": 3, "endpoints": {"page": [
   {"call": "catalog.get", "timeout": "1s", "on": {"else": [{"read": "cache.items['x']"}]}},
   {"call": "auth.check", "timeout": "1s", "retry": {"tries": 2}}]}},
  "catalog": {"kind": "service", "endpoints": {"get": [{"call": "auth.check"}, {"work": "5ms"}]}},
  "auth": {"kind": "service", "endpoints": {"check": [{"work": "1ms"}]}},
  "cache": {"kind": "store", "maps": {"items": {}}}},
 "workload": {"visitor": {"rate": "10/s", "limit": 4, "each": "visit", "do": [{"call": "front.page"}]}},
 "faults": ["crash one of front every ~30d for ~10m", "crash auth every ~90d for 1h", "loss front->auth 1%"]}"#;

#[test]
fn an_expression_is_told_block_by_block() {
    let shell = Shell::empty();
    let lets = ["--let", "edge=99.99%", "--let", "app=mtbf=30d/mttr=1h", "--let", "db=mtbf=90d/mttr=4h"];
    let words = ["avail", "edge * (app | app) * 2of3(db)"].into_iter().chain(lets);
    let told = shell.run(&words.collect::<Vec<_>>());
    insta::assert_snapshot!("avail", shown(&told));
    let machines = ["avail", "2of3(mtbf=30d/mttr=1h, active=1, failover=1800ms)", "--at", "1h", "--slo", "99.99%"];
    let told_machines = shell.run(&machines);
    insta::assert_snapshot!("avail-machines", shown(&told_machines));
    for told in [told, told_machines] {
        assert_eq!(told.out.lines().find(|line| line.chars().count() > 80), None, "a terminal is 80 columns wide");
    }
}

#[test]
fn a_chain_stands_beside_the_rule_that_rounds_it() {
    let shell = Shell::empty();
    let words = ["avail", "99.9%", "--chain", "1,3,5,10", "--tries", "3"];
    insta::assert_snapshot!("avail-chain", shown(&shell.run(&words)));
}

#[test]
fn a_diagram_and_a_scenario_are_told_like_an_expression() {
    let shell = Shell::empty();
    shell.write("bridge.json", BRIDGE);
    insta::assert_snapshot!("avail-diagram", shown(&shell.run(&["avail", "bridge.json"])));
    let words = ["avail", "checkout", "--let", "gateway=99.5%", "--let", "orders=mtbf=30d/mttr=10m"];
    insta::assert_snapshot!("avail-scenario", shown(&shell.run(&words)));
    shell.write("page.json", PAGE);
    insta::assert_snapshot!("avail-page", shown(&shell.run(&["avail", "page.json", "--let", "catalog=99%"])));
    let json = shell.json(&["avail", "page.json", "--endpoint", "catalog.get", "--json"]);
    assert_eq!(json["expression"], "catalog#1 * auth#1");
}

/// What is seen lies beside what was worked out; the same seed sees the same.
#[test]
fn a_simulation_stands_beside_the_algebra() {
    let shell = Shell::empty();
    let group = "2of3(mtbf=30d/mttr=1h, active=1, failover=1800ms)";
    let words = ["avail", group, "--simulate", "10000y", "--seed", "7"];
    insta::assert_snapshot!("avail-simulated", shown(&shell.run(&words)));
    let json = shell.json(&["avail", group, "--simulate", "1000y", "--json"]);
    let estimate = &json["simulated"]["unavailability"];
    let [lo, hi] = ["lo", "hi"].map(|end| estimate[end].as_f64().unwrap());
    let exact = json["unavailability"].as_f64().unwrap();
    assert!(lo < exact && exact < hi, "{json}");
}

#[test]
fn the_document_has_what_scripts_rely_on() {
    let shell = Shell::empty();
    let json = shell.json(&["avail", "5of9(99.99%)", "--json"]);
    let number = |key: &str| json[key].as_f64().unwrap();
    assert_eq!(number("availability"), 1.0);
    assert!((number("unavailability") / 1.259_580_053_996_85e-18 - 1.0).abs() < 1e-12);
    assert!((number("nines") - 17.899_774).abs() < 1e-5, "{}", json["nines"]);
    assert!((number("downtime_seconds_per_year") / 3.972_211_658_284e-11 - 1.0).abs() < 1e-9, "{json}");
    let words = ["avail", "mtbf=30d/mttr=1h * a#1", "--let", "a=1", "--slo", "99%", "--at", "1h", "--json"];
    insta::assert_snapshot!("avail-json", shown(&shell.run(&words)));
}

/// What is wrong, whatever is asked: each is told with its place, on standard error, and the exit code is 2.
const NONSENSE: &[&[&str]] = &[
    // Expressions.
    &[""],
    &["edge * 101%"],
    &["99"],
    &["-1%"],
    &["-.5"],
    &["99.9% 99%"],
    &["99.9% ** 99%"],
    &["99.9% & 99%"],
    &["(99.9% | 99%"],
    &["99.9%)"],
    &["edge * 5of3(db)"],
    &["0of3(99%)"],
    &["2of3"],
    &["2of3()"],
    &["2of3(99%, 98%)"],
    &["2of3(99%, crews=1)"],
    &["2of3(99%, beta=110%)"],
    &["2of3(mtbf=30d/mttr=1h, crew=1)"],
    &["2of3(mtbf=30d/mttr=1h, active=1, coverage=99%)"],
    &["(99%)^0"],
    &["(99%)^10000"],
    &["(99%)^99999999999999999999"],
    &["a#0", "--let", "a=99%"],
    // Figures.
    &["mtbf=-3d/mttr=1h"],
    &["mtbf=30d/mttr=1hour"],
    &["mtbf=720/mttr=1h"],
    &["mtbf=30d/mtr=1h"],
    &["mttr=1h"],
    &["mtbf=30d/mttr=1h/mttr=2h"],
    &["mtbf=0s/mttr=1h"],
    &["mtbf=30d/mttr=1h/fails=weibull:99"],
    &["down=2w/day"],
    &["down=5m"],
    &["sla=100.1%"],
    &["NaN"],
    &["nan%"],
    &["1e400"],
    &["mtbf=NaNh/mttr=1h"],
    &["mtbf=1e400h/mttr=1h"],
    &["mtbf=99999999999999999999999999d/mttr=1h"],
    &["mtbf=infd/mttr=1h"],
    &["window=2h"],
    &["window=2h/every=1h"],
    &["window=-2h/every=1d"],
    &["2of3(window=2h/every=1d, beta=10%)"],
    // Names.
    &["edge * app", "--let", "edeg=99%"],
    &["a", "--let", "a=b", "--let", "b=99% * a"],
    &["a", "--let", "a=99%", "--let", "a=98%"],
    &["a", "--let", "a"],
    &["a", "--let", "9a=99%"],
    &["a", "--let", "a=99% * *"],
    // Files.
    &["circle.json"],
    &["alone.json"],
    &["empty.json"],
    &["nowhere.json"],
    &["stranger.json"],
    &["twice.json"],
    &["broken.json"],
    &["common.json"],
    &["stuck.json"],
    &["share.json"],
    &["bridge.json", "--let", "link=99%"],
    // What is asked beside.
    &["99%", "--slo", "100%"],
    &["99%", "--slo", "0%"],
    &["mtbf=1d/mttr=1h", "--slo=-5%"],
    &["2of3(mtbf=1d/mttr=1h/fails=weibull:2, crews=1)"],
    &["2of3(mtbf=1d/mttr=1h/fails=weibull:2, crews=1)", "--simulate", "1y", "--at", "1h"],
    &["grid.json"],
    &["2048of4096(99%)"],
    &["99%", "--slo", "99%", "--window", "0s"],
    &["99%", "--at", "1"],
    &["99%", "--at=-1h"],
    &["99%", "--at", "NaNh"],
    &["99%", "--slo", "NaN%"],
    &["99%", "--requests", "10"],
    &["mtbf=1d/mttr=1h", "--simulate=-1y"],
    &["mtbf=1d", "--simulate", "1y", "--reconcile"],
    &["1of2(mtbf=1d, standby=cold)", "--simulate", "1y", "--reconcile"],
    &["99%", "--chain", "0"],
    &["99%", "--tries", "0"],
    &["99%", "--simulate", "100y"],
    &["mtbf=1d/mttr=1h", "--simulate", "0s"],
    &["mtbf=1d/mttr=1h", "--simulate", "600000000y"],
    &["mtbf=300000y/mttr=1h"],
    &["mtbf=1h/mttr=0s", "--simulate", "1y", "--rare"],
    &["0% | mtbf=1h/mttr=1h * 0%", "--simulate", "1y", "--rare"],
    &["mtbf=1h/mttr=1m/fails=weibull:2", "--simulate", "1y", "--rare"],
    &["mtbf=1h/mttr=1m", "--simulate", "1y", "--rare", "--at", "1h"],
    &["mtbf=1h/mttr=1m", "--simulate", "1y", "--rare", "--precision", "-5%"],
    &["mtbf=1h/mttr=1m", "--simulate", "1y", "--rare", "--events", "-5"],
    &["mtbf=1h/mttr=1m", "--simulate", "1y", "--rare", "--jobs", "-5"],
    &["99%", "--seed", "1"],
    &["99%", "--csv", "no/such/folder.csv"],
    &["99%", "--lab", "--json"],
    &["99%", "--endpoint", "shop.checkout"],
    &["checkout", "--endpoint", "shop.chekout"],
    &["checkout", "--let", "gatway=99%"],
];

#[test]
fn nonsense_is_pointed_at() {
    let shell = Shell::empty();
    shell.write("bridge.json", BRIDGE);
    shell.write("grid.json", &grid(16));
    shell.write("circle.json", &BRIDGE.replace("b -> bridge -> c", "d -> bridge"));
    shell.write("alone.json", &BRIDGE.replace("a -> bridge -> d", "a -> a"));
    shell.write("empty.json", r#"{"expression": ""}"#);
    shell.write("stranger.json", &BRIDGE.replace("in -> a ->", "in -> e ->"));
    shell
        .write("stuck.json", &BRIDGE.replace("b -> bridge -> c", "b -> x").replace("{\"a\"", "{\"x\": \"99%\", \"a\""));
    shell.write("share.json", &BRIDGE.replace("\"a\": \"link\"", "\"a\": \"190%\""));
    shell.write("twice.json", &BRIDGE.replace("\"b\": \"link\"", "\"a\": \"link\""));
    shell.write("broken.json", &BRIDGE.replace("]}", "]"));
    shell.write("common.json", &BRIDGE.replace("]}", "], \"common\": [{\"blocks\": [\"a\"], \"beta\": \"10%\"}]}"));
    let mut said = String::new();
    for words in NONSENSE {
        let told = shell.run(&[&["avail"], *words].concat());
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{words:?}");
        said.push_str(&format!("$ faultline avail {}\n{}\n", words.join(" "), told.err));
    }
    insta::assert_snapshot!("avail-errors", said);
}

/// A grid of so many by so many that is gone in all ways, from its left side to its right.
fn grid(side: usize) -> String {
    let (mut blocks, mut links) = (Vec::new(), Vec::new());
    for row in 0..side {
        links.push(format!("\"in -> g{row}_0\", \"g{row}_{} -> out\"", side - 1));
        for column in 0..side {
            blocks.push(format!("\"g{row}_{column}\": \"mtbf=9h/mttr=1h\""));
            let down = (row + 1 < side).then(|| format!("\"g{row}_{column} <-> g{}_{column}\"", row + 1));
            let right = (column + 1 < side).then(|| format!("\"g{row}_{column} <-> g{row}_{}\"", column + 1));
            links.extend(down.into_iter().chain(right));
        }
    }
    format!("{{\"blocks\": {{{}}}, \"links\": [{}]}}", blocks.join(", "), links.join(", "))
}

/// What hangs together too much to be worked out, or has laws without a closed form, is simulated all the same.
#[test]
fn what_cannot_be_worked_out_can_be_simulated() {
    let shell = Shell::empty();
    let group = "2of3(mtbf=30h/mttr=1h/fails=weibull:0.7, crews=1)";
    let told = shell.run(&["avail", group, "--simulate", "50y"]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains("no closed form") && told.out.contains("simulated 50 years"), "{}", told.out);
    assert!(!told.out.contains("algebra "), "{}", told.out);
    let json = shell.json(&["avail", group, "--simulate", "50y", "--json"]);
    assert!(json["availability"].is_null() && json["not_worked_out"].as_str().unwrap().contains("closed form"));
    let seen = json["simulated"]["unavailability"]["value"].as_f64().unwrap();
    assert!((1e-3..1e-2).contains(&seen), "{json}");
}

/// A name that stands in unlike places has a line for each, and all forms say the same of each.
#[test]
fn a_name_in_unlike_places_has_figures_of_its_own_in_each() {
    let shell = Shell::empty();
    let words = ["avail", "a * b | a", "--let", "a=90%", "--let", "b=50%"];
    let told = shell.run(&[&words[..], &["--csv", "blocks.csv"]].concat());
    let line = |name: &str| {
        let found = told.out.lines().rfind(|line| line.ends_with(name)).unwrap_or_else(|| panic!("{}", told.out));
        found.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        [line("  a (2nd of 2)"), line("  b"), line("  a (1st of 2)")],
        ["0.55 100 %", "0.09 81.8181 %", "0.05 9.0909 %"].map(str::to_owned)
    );
    assert!(told.out.contains("a (2nd of 2) → a | a") && told.out.contains("a (1st of 2) → a | a"), "{}", told.out);
    let rows: Vec<String> = shell.read("blocks.csv").lines().map(str::to_owned).collect();
    let birnbaum = |row: &String| row.split(',').nth(8).unwrap().parse::<f64>().unwrap();
    let of: Vec<f64> = rows.iter().filter(|row| row.starts_with("a,component")).map(birnbaum).collect();
    assert!((of[0] - 0.05).abs() < 1e-12 && (of[1] - 0.55).abs() < 1e-12, "{rows:?}");
    let json = shell.json(&[&words[..], &["--json"]].concat());
    let places: Vec<_> = json["importance"].as_array().unwrap().iter().map(|of| &of["places"]).collect();
    assert_eq!(places, [&serde_json::json!([2]), &serde_json::json!([1]), &serde_json::json!([1])]);
}

/// When it is down for the first time is told, per block in tables and documents, and why not where it is not.
#[test]
fn when_it_is_down_for_the_first_time_is_told() {
    let shell = Shell::empty();
    let told = shell.run(&["avail", "2of3(mtbf=30h)", "--at", "10h", "--csv", "first.csv"]);
    assert!(told.out.contains("first down after 1d 1h on average, from everything up"), "{}", told.out);
    let up: f64 = (-1.0f64 / 3.0).exp();
    let survives = up * up * (3.0 - 2.0 * up);
    let json = shell.json(&["avail", "2of3(mtbf=30h)", "--at", "10h", "--json"]);
    assert!((json["mttf_seconds"].as_f64().unwrap() / 90_000.0 - 1.0).abs() < 1e-9, "{json}");
    assert!((json["at"][0]["never_down"]["availability"].as_f64().unwrap() / survives - 1.0).abs() < 1e-9, "{json}");
    assert!((json["blocks"]["blocks"][0]["mttf_seconds"].as_f64().unwrap() / 108_000.0 - 1.0).abs() < 1e-9, "{json}");
    assert!(shell.read("first.csv").lines().nth(1).unwrap().split(',').next_back().unwrap().starts_with("9000"));
    let pair = "mtbf=30h/mttr=1h | mtbf=30h/mttr=1h";
    let json = shell.json(&["avail", pair, "--json"]);
    assert!((json["mttf_seconds"].as_f64().unwrap() / (495.0 * 3_600.0) - 1.0).abs() < 1e-9, "{json}");
    let told = shell.run(&["avail", "mtbf=30h/mttr=1h/fails=weibull:2 | mtbf=30h/mttr=1h", "--at", "1h"]);
    let lines = told.out.replace('\n', " ");
    assert!(
        lines.contains("first time is not worked out, since not all times of mtbf=30h/mttr=1h/fails=weibull:2"),
        "{lines}"
    );
    assert!(
        lines.contains("1h after the start: not known, since mtbf=30h/mttr=1h/fails=weibull:2 is repaired"),
        "{lines}"
    );
    let json = shell.json(&["avail", "99% * mtbf=30h/mttr=1h", "--json"]);
    assert_eq!((&json["mttf_seconds"], json["mttf_unknown"].is_string()), (&serde_json::Value::Null, true));
}

/// What is not chance has lines of its own: that all is up at the start, and faults that the diagram leaves out.
#[test]
fn what_the_diagram_leaves_out_is_not_called_chance() {
    let shell = Shell::empty();
    let till = r#"{"faultline": 1, "name": "till",
 "nodes": {"shop": {"kind": "service", "endpoints": {"buy": [{"call": "till.pay", "timeout": "2s"}]}},
           "till": {"kind": "service", "endpoints": {"pay": [{"reply": "OK"}]}}},
 "workload": {"door": {"rate": "5/s", "for": "2m", "each": "customer", "do": [{"call": "shop.buy"}]}},
 "faults": ["crash till every ~60s for ~10s", "30s..60s crash till"]}"#;
    shell.write("till.json", till);
    let json = shell.json(&["avail", "till.json", "--requests", "200", "--json"]);
    let met = &json["requests"];
    let value = |key: &str| met[key]["value"].as_f64().unwrap_or_else(|| panic!("{key}: {met}"));
    let expected = met["time_down_expected"].as_f64().unwrap();
    assert!((value("time_down_drawn") + value("time_down_left_out") - value("time_down")).abs() < 1e-12, "{met}");
    assert!(expected < 10.0 / 70.0 - 0.005 && value("time_down_left_out") > 0.18, "{met}");
    let [lo, hi] = ["lo", "hi"].map(|end| met["time_down_drawn"][end].as_f64().unwrap());
    // The interval is of 95 %; twice as far is nearly four standard errors.
    let off = value("time_down_drawn") - expected;
    assert!(off.abs() < hi - lo && hi - lo < 0.05, "what is left is chance: {met}");
    let told = shell.run(&["avail", "till.json", "--requests", "20"]).out;
    for line in ["+ all up at the start", "+ chance of these runs", "+ faults that are left out"] {
        assert!(told.contains(line), "{told}");
    }
    // Without a form for how likely it is down after a while, both are one line.
    shell.write("till.json", &till.replace("every ~60s", "every 60s"));
    let told = shell.run(&["avail", "till.json", "--requests", "10"]).out;
    assert!(told.contains("+ all up at the start, and chance") && told.contains("fails=fixed"), "{told}");
}

/// Runs follow the faults of the file, so that a figure beside them would be taken for chance.
#[test]
fn a_figure_that_the_runs_do_not_know_is_refused() {
    let told = Shell::empty().run(&["avail", "checkout", "--let", "gateway=99.5%", "--requests", "2"]);
    assert_eq!(told.code, 2, "{}", shown(&told));
    assert!(told.err.contains("--let gateway=99.5%: the runs of --requests know only the faults"), "{}", told.err);
}

/// A value below nothing is the option's, and refused as that.
#[test]
fn a_negative_value_is_of_the_option_before_it() {
    let shell = Shell::empty();
    let check = |words: &[&str], wanted: &str| {
        let told = shell.run(&[&["avail", "mtbf=30d/mttr=1h"], words].concat());
        assert_eq!(told.code, 2, "{}", shown(&told));
        assert!(told.err.contains(wanted) && !told.err.contains("expression"), "{words:?}: {}", told.err);
    };
    check(&["--at", "-1h"], "--at:1:1: -1h is less than no time");
    check(&["--tries", "2", "--over", "-3s"], "--over:1:1: -3s is less than no time");
    check(&["--slo", "99%", "--window", "-3d"], "--window:1:1: -3d is less than no time");
    check(&["--simulate", "-1y"], "--simulate:1:1: -1y is less than no time");
    check(&["--slo", "-5%"], "--slo:1:1: -5% is below nothing");
    check(&["--simulate", "1y", "--seed", "-1"], "invalid value '-1' for '--seed");
    check(&["--chain", "-1"], "invalid value '-1' for '--chain");
    check(&["--tries", "-1"], "invalid value '-1' for '--tries");
    check(&["--requests", "-1"], "invalid value '-1' for '--requests");
}

#[test]
fn an_outage_that_is_as_long_as_the_tries_is_over() {
    let told = Shell::empty().run(&["avail", "mtbf=100h/fixed=30s", "--tries", "3", "--over", "30s"]);
    let line = told.out.lines().find(|line| line.contains("all as long")).unwrap();
    assert_eq!(line.split("all as long").nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" "), "100 % ∞");
}

#[test]
fn alerts_look_back_no_further_than_the_window() {
    let shell = Shell::empty();
    let told = |window: &str| shell.run(&["avail", "99%", "--slo", "99%", "--window", window]).out;
    let is_alert = |line: &&str| line.starts_with("  page") || line.starts_with("  ticket");
    let lines = |window: &str| told(window).lines().filter(is_alert).count();
    assert_eq!((lines("30d"), lines("7d")), (3, 2), "{}", told("7d"));
    assert!(told("1h").contains("no alert of the workbook looks back that little"), "{}", told("1h"));
    // What is hardly ever allowed is not nothing: 14.4 times 10⁻⁹.
    let strict = shell.run(&["avail", "99%", "--slo", "99.9999999%"]).out;
    assert!(strict.contains("1.44e-6 %") && !strict.contains(" 0 %"), "{strict}");
}

#[test]
fn long_parts_are_no_wider_than_a_terminal() {
    let shell = Shell::empty();
    let pair = "(mtbf=30d/mttr=1h * window=2h/every=30d/drain=10m)";
    let told = shell.run(&["avail", &format!("{pair} | {pair}"), "--simulate", "100y"]);
    assert_eq!(told.out.lines().find(|line| line.chars().count() > 80), None, "{}", told.out);
    let long = "mtbf=30d/mttr=1h/detect=30s/failover=60s/coverage=98%/manual=2h";
    let told = shell.run(&["avail", &format!("{long} * db"), "--let", &format!("db={long} | {long}")]);
    assert_eq!(told.out.lines().find(|line| line.chars().count() > 80), None, "{}", told.out);
}

#[test]
fn what_is_too_deep_or_too_long_is_an_error_and_no_crash() {
    let shell = Shell::empty();
    let nested = |depth: usize| format!("{}99%{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(shell.run(&["avail", &nested(100)]).code, 0);
    for depth in [101, 10_000] {
        let told = shell.run(&["avail", &nested(depth)]);
        assert_eq!(told.code, 2);
        assert!(told.err.starts_with("expression:1:101: more than 100 parentheses inside each other"), "{}", told.err);
    }
    let long = vec!["99%"; 5_000].join(" * ");
    let told = shell.run(&["avail", &long]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("more than 4096 components"), "{}", told.err);
    // Names that mean two of the next one: 2^59 components, if somebody wrote them out.
    let lets: Vec<String> =
        (0..60).flat_map(|at| ["--let".to_owned(), format!("a{at}=a{next} * a{next}", next = at + 1)]).collect();
    let words: Vec<&str> =
        ["avail", "a0", "--let", "a60=99%"].into_iter().chain(lets.iter().map(String::as_str)).collect();
    let told = shell.run(&words);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("more than"), "{}", told.err);
}

const LEADER: &str = "2of3(mtbf=30d/mttr=1h, active=1, failover=1800ms)";

#[test]
fn pictures_stand_below_the_report() {
    let shell = Shell::empty();
    let words = [
        "avail",
        "edge * 2of3(db, active=1, failover=2s)",
        "--let",
        "edge=mtbf=90d/mttr=10m",
        "--let",
        "db=mtbf=30d/mttr=1h",
    ];
    let asked = ["--simulate", "1000y", "--at", "1h", "--plot"];
    let told = shell.run(&[&words[..], &asked].concat());
    insta::assert_snapshot!("avail-plot", shown(&told));
    let pictures = |told: &Said| {
        told.out.split_once("This assumes").and_then(|(_, rest)| rest.split_once("\n\n")).unwrap().1.to_owned()
    };
    let wide = |line: &&str| line.chars().count() > 80;
    assert_eq!(pictures(&told).lines().find(wide), None, "a terminal is 80 columns wide");
    let ascii = shell.run(&[&words[..], &asked, &["--ascii"]].concat());
    assert!(pictures(&ascii).is_ascii(), "{}", pictures(&ascii));
}

#[test]
fn a_page_and_its_pictures_need_nothing_else_and_hold_the_document() {
    let shell = Shell::empty();
    let words = ["avail", LEADER, "--simulate", "500y", "--slo", "99.99%", "--chain", "1,3", "--tries", "2", "--json"];
    let told = shell.run(&[&words[..], &["--html", "page.html", "--svg", "pictures"]].concat());
    assert_eq!(told.code, 0, "{}", told.err);
    let document: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    let page = shell.read("page.html");
    for outside in ["http://", "https://", "src=", "href="] {
        assert!(!page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "").contains(outside), "{outside}");
    }
    let embedded = page.split_once("id=\"faultline\">").unwrap().1.split_once("</script>").unwrap().0;
    assert_eq!(serde_json::from_str::<serde_json::Value>(embedded).unwrap(), document);
    for heading in [
        "Block by block",
        "Simulation beside it",
        "From everything up",
        "What buys the most",
        "The error budget",
        "So many in series",
        "Requests that are tried again",
        "What this assumes",
    ] {
        assert!(page.contains(heading), "{heading}");
    }
    let mut names: Vec<String> = std::fs::read_dir(shell.path("pictures"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["algebra-and-simulation.svg", "outages.svg", "over-time.svg", "sensitivity.svg"]);
}

#[test]
fn a_table_for_spreadsheets_has_every_block() {
    let shell = Shell::empty();
    let words =
        ["avail", "edge * (app | app) * 2of3(db)", "--let", "edge=99.99%", "--let", "app=99.9%", "--let", "db=99%"];
    let told = shell.run(&[&words[..], &["--csv", "blocks.csv"]].concat());
    assert_eq!(told.code, 0, "{}", told.err);
    insta::assert_snapshot!("avail-csv", shell.read("blocks.csv"));
}

/// What no algebra knows has every form that a simulation fills.
#[test]
fn what_can_only_be_simulated_is_told_in_every_form() {
    let shell = Shell::empty();
    let words =
        ["avail", "2of3(mtbf=2d/mttr=1h/fails=weibull:0.7, crews=1)", "--simulate", "20y", "--slo", "99.9%", "--plot"];
    let told = shell.run(&[&words[..], &["--csv", "seen.csv", "--html", "page.html", "--svg", "pictures"]].concat());
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains("budget: 99.9 % allows") && told.out.contains("as it was seen"), "{}", told.out);
    let document = shell.json(&[&words[..6], &["--json"]].concat());
    let seen = &document["simulated"]["unavailability"];
    let row: Vec<f64> =
        figures(&shell, "seen.csv", &["seen_unavailability", "seen_unavailability_lo", "seen_unavailability_hi"]);
    assert_eq!(row, ["value", "lo", "hi"].map(|key| seen[key].as_f64().unwrap()));
    let spent = document["budget"]["burn_rate"].as_f64().unwrap();
    assert!((spent / (row[0] / 0.001) - 1.0).abs() < 1e-9, "{document:#}");
    for heading in ["Simulation", "The error budget", "How long"] {
        assert!(shell.read("page.html").contains(heading), "{heading}");
    }
    assert!(shell.path("pictures").join("outages.svg").exists());
}

/// What was seen, and what requests met, is in the row of the whole.
#[test]
fn a_table_for_spreadsheets_has_what_was_seen_with_its_interval() {
    let shell = Shell::empty();
    let document = shell.json(&["avail", LEADER, "--simulate", "500y", "--csv", "seen.csv", "--json"]);
    let seen = &document["simulated"]["unavailability"];
    let names = ["unavailability", "seen_unavailability", "seen_unavailability_lo", "seen_unavailability_hi"];
    let row = figures(&shell, "seen.csv", &names);
    assert_eq!(row[1..], ["value", "lo", "hi"].map(|key| seen[key].as_f64().unwrap()));
    assert!(row[2] < row[0] && row[0] < row[3], "{row:?}");
    let words = ["avail", "checkout", "--requests", "3", "--csv", "met.csv", "--json"];
    let failed = &shell.json(&words)["requests"]["failed"];
    let row = figures(&shell, "met.csv", &["requests_failed", "requests_failed_lo", "requests_failed_hi"]);
    assert_eq!(row, ["value", "lo", "hi"].map(|key| failed[key].as_f64().unwrap()));
}

/// Columns of the first row of a table.
fn figures(shell: &Shell, file: &str, names: &[&str]) -> Vec<f64> {
    let text = shell.read(file);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let head = rows.headers().unwrap().clone();
    let row = rows.records().next().unwrap().unwrap();
    let of = |name: &&str| {
        let column = head.iter().position(|known| known == *name).unwrap_or_else(|| panic!("{name} in {head:?}"));
        row[column].parse().unwrap_or_else(|_| panic!("{name} is {}", &row[column]))
    };
    names.iter().map(of).collect()
}

/// A failover of seconds beside a month is worked out at once, whatever the time.
#[test]
fn after_a_long_time_is_told_as_soon_as_after_a_short_one() {
    let shell = Shell::empty();
    let told = shell.run(&["avail", LEADER, "--at", "30d", "--at", "1y", "--at", "500y"]).out.replace('\n', " ");
    assert!(told.contains("500y after the start it is up with 99.999354 %; until then 99.999354 %"), "{told}");
    // The first outage of three of them beside each other has hundreds of states, and years have millions of takeovers.
    let three = [LEADER, &LEADER.replace("30d", "31d"), &LEADER.replace("30d", "32d")].join(" | ");
    let told = shell.run(&["avail", &three, "--at", "1h", "--at", "1y"]).out.replace('\n', " ");
    let known = told.split_once("1h after the start").and_then(|(_, rest)| rest.split_once("1y after the start"));
    let (hour, year) = known.unwrap_or_else(|| panic!("{told}"));
    assert!(hour.contains("not down even once until then with"), "{told}");
    assert!(year.contains("whether it is down even once until then is more than can be followed"), "{told}");
}

/// What is put back to the formula adds up to what the algebra says.
#[test]
fn the_formula_and_what_is_put_back_are_in_the_document() {
    let shell = Shell::empty();
    let document = shell.json(&["avail", LEADER, "--json"]);
    let down = |of: &serde_json::Value| of["downtime_seconds_per_year"].as_f64().unwrap();
    let back = document["formula"]["put_back"].as_array().unwrap();
    assert_eq!((back.len(), back[0]["effect"].as_str()), (1, Some("failover")));
    assert!((down(&document["formula"]) - 181.83).abs() < 0.01, "{}", down(&document["formula"]));
    assert_eq!(down(&back[0]), down(&document));
}

/// Which way a request goes is known where the settings say it.
#[test]
fn what_the_settings_leave_out_stands_in_no_diagram() {
    let shell = Shell::empty();
    let chain = |length: u32| {
        format!(
            r#"{{"faultline": 1, "name": "chain", "settings": {{"length": {{"default": {length}}}, "form": {{"default": "call"}}}},
                "nodes": {{
                    "s1": {{"kind": "service", "endpoints": {{"get": [{{"if": "${{length}} > 1", "then": [
                        {{"switch": "${{form}}", "cases": {{"call": [{{"call": "s2.get", "timeout": "1s"}}],
                            "ask": [{{"call": "s3.get", "timeout": "1s"}}]}}}}]}}]}}}},
                    "s2": {{"kind": "service", "endpoints": {{"get": [{{"reply": "ok"}}]}}}},
                    "s3": {{"kind": "service", "endpoints": {{"get": [{{"reply": "ok"}}]}}}}}},
                "faults": ["crash s* every ~90s for ~10s"],
                "workload": {{"user": {{"rate": "1/s", "for": "100s", "each": "visit", "do": [{{"call": "s1.get"}}]}}}}}}"#
        )
    };
    for (length, diagram) in [(1, "s1#1"), (2, "s1#1 * s2#1")] {
        shell.write("chain.json", &chain(length));
        let told = shell.run(&["avail", "chain.json"]);
        assert!(
            told.out.starts_with(&format!("chain, what its workload asks: {diagram}\n")),
            "{}{}",
            told.out,
            told.err
        );
        assert!(!told.out.contains("whichever way"), "{}", told.out);
    }
}

/// A table that would be lost, or would take the place of what is read, is refused before anything is written.
#[test]
fn no_file_is_written_over_another_one_of_the_same_command() {
    let shell = Shell::empty();
    let bridge = r#"{"kind": "diagram", "blocks": {"a": "99%"}, "links": ["in -> a -> out"]}"#;
    shell.write("a.json", bridge);
    let refused = |words: &[&str], why: &str| {
        let told = shell.run(words);
        assert!(told.code == 2 && told.err.contains(why), "{words:?}: {} {}", told.code, told.err);
        assert_eq!(shell.read("a.json"), bridge);
    };
    refused(&["avail", "a.json", "--csv", "./a.json"], "--csv ./a.json is also the file that is read");
    refused(&["avail", "a.json", "--html", "a.json"], "--html a.json is also the file that is read");
    refused(&["avail", "a.json", "--csv", "out", "--html", "./out"], "--html ./out is also --csv");
    assert!(!shell.path("out").exists());
}
