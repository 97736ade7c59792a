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

#[test]
fn nonsense_is_pointed_at() {
    let shell = Shell::empty();
    shell.write("circle.json", &BRIDGE.replace("b -> bridge -> c", "d -> bridge"));
    let mut said = String::new();
    for words in [
        &["avail", ""][..],
        &["avail", "edge * 101%"],
        &["avail", "edge * 5of3(db)"],
        &["avail", "mtbf=-3d/mttr=1h"],
        &["avail", "edge * app", "--let", "edeg=99%"],
        &["avail", "a", "--let", "a=b", "--let", "b=99% * a"],
        &["avail", "a", "--let", "a=99%", "--let", "a=98%"],
        &["avail", "2of3(99%, crews=1)"],
        &["avail", "(99%)^10000"],
        &["avail", "circle.json"],
        &["avail", "nowhere.json"],
        &["avail", "99%", "--slo", "100%"],
        &["avail", "99%", "--at", "1"],
        &["avail", "99%", "--simulate", "100y"],
        &["avail", "99%", "--endpoint", "shop.checkout"],
        &["avail", "checkout", "--endpoint", "shop.chekout"],
        &["avail", "checkout", "--let", "gatway=99%"],
    ] {
        let told = shell.run(words);
        assert_eq!((told.code, told.out.as_str()), (2, ""), "{words:?}");
        said.push_str(&format!("$ faultline {}\n{}\n", words.join(" "), told.err));
    }
    insta::assert_snapshot!("avail-errors", said);
}
