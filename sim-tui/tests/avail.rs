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
    &["bridge.json", "--let", "link=99%"],
    // What is asked beside.
    &["99%", "--slo", "100%"],
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
    shell.write("circle.json", &BRIDGE.replace("b -> bridge -> c", "d -> bridge"));
    shell.write("alone.json", &BRIDGE.replace("a -> bridge -> d", "a -> a"));
    shell.write("empty.json", r#"{"expression": ""}"#);
    shell.write("stranger.json", &BRIDGE.replace("in -> a ->", "in -> e ->"));
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
