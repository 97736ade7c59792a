//! Comparisons, sweeps and verifications as a reader and a script meet them.

mod shell;

use serde_json::Value;

use crate::shell::{Said, Shell};

fn shown(said: &Said) -> String {
    format!("exit {}\n--- out\n{}--- err\n{}", said.code, said.out, said.err)
}

/// A reader learns what a comparison says: values, differences, what is real, what it costs, how many seeds would tell more.
#[test]
fn a_comparison_says_what_differs_and_how_sure_that_is() {
    let shell = Shell::empty();
    let words =
        ["compare", "checkout", "--set", "orders=100", "--with", "key-per-order", "--with", "timeout=2s, tries=2"];
    let words: Vec<&str> = words.into_iter().chain(["--seeds", "40", "--lowest", "double_charged"]).collect();
    let told = shell.run(&words);
    insta::assert_snapshot!("compare", shown(&told));
    assert_eq!(told.out.lines().find(|line| line.chars().count() > 80), None, "a terminal is 80 columns wide");
    let one: Vec<&str> = words.iter().copied().chain(["--jobs", "1"]).collect();
    assert_eq!(shell.run(&one).out, told.out);
}

#[test]
fn a_sweep_is_a_table_a_picture_and_a_place() {
    let shell = Shell::empty();
    let words = ["sweep", "checkout", "--set", "orders=100", "--vary", "timeout=500ms..2s by 500ms", "--seeds", "30"];
    let rest = ["--metric", "double_charged", "--threshold", "double_charged = 5", "--precision", "50ms", "--plot"];
    let told = shell.run(&words.into_iter().chain(rest).chain(["--csv", "sweep.csv"]).collect::<Vec<_>>());
    insta::assert_snapshot!("sweep", shown(&told));
    insta::assert_snapshot!("sweep-csv", shell.read("sweep.csv"));
    let knee = shell.run(&words.into_iter().chain(["--knee", "double_charged", "--json"]).collect::<Vec<_>>());
    let json: Value = serde_json::from_str(&knee.out).unwrap();
    assert_eq!(json["located"]["kind"], "knee");
    assert_eq!(json["points"].as_array().map(Vec::len), Some(4));
    assert_eq!(json["points"][1]["point"]["timeout"], "1s");
}

#[test]
fn what_a_file_says_of_its_remedies_comes_out_or_not() {
    let shell = Shell::empty();
    let told = shell.run(&["verify", "oversell", "--seeds", "20"]);
    insta::assert_snapshot!("verify", shown(&told));
    assert_eq!(told.out.lines().find(|line| line.chars().count() > 80), None, "a terminal is 80 columns wide");

    let source = shell.run(&["show", "oversell", "--source"]).out;
    shell.write("wrong.json", &source.replace("\"final_stock\": [-14, 0]", "\"final_stock\": [-3, 0]"));
    let told = shell.run(&["verify", "wrong.json", "--seeds", "20"]);
    assert_eq!(told.code, 1, "{}", told.out);
    insta::assert_snapshot!("verify-wrong", shown(&told));
    let json = shell.json(&["verify", "wrong.json", "--seeds", "20", "--json"]);
    assert_eq!((&json["came_out"], json["claims"].as_array().map(Vec::len)), (&Value::from(false), Some(6)));
}

#[test]
fn a_precision_that_is_asked_for_is_reached_or_said_not_to_be() {
    let shell = Shell::empty();
    let known = |seeds: &str, precision: &str| {
        let words =
            ["compare", "checkout", "--set", "orders=200", "--metric", "double_charged", "--json", "--seeds", seeds];
        shell.json(&words.into_iter().chain(["--until-known", precision]).collect::<Vec<_>>())
    };
    let json = known("5000", "double_charged=5%");
    assert_eq!(json["until_known"]["reached"], true);
    let estimate = &json["configurations"][0]["metrics"]["double_charged"];
    let number = |key: &str| estimate[key].as_f64().unwrap();
    assert!((number("hi") - number("lo")) / 2.0 <= 0.05 / 1.05 * number("value"), "{estimate}");
    assert!(json["seeds"].as_u64().unwrap() < 5000, "{json}");
    let json = known("40", "double_charged=1%");
    assert_eq!((&json["until_known"]["reached"], &json["seeds"]), (&Value::from(false), &Value::from(40)));
}

/// Cases and files are configurations too.
#[test]
fn a_case_is_compared_with_its_remedy() {
    let shell = Shell::empty();
    shell.run(&["hunt", "checkout", "--set", "orders=10", "--seeds", "2"]);
    let case = "faultline-cases/checkout-charged-at-most-once-0.json";
    let json =
        shell.json(&["compare", case, "--with", "key-per-order", "--with", "checkout", "--seeds", "30", "--json"]);
    let doubled = |at: usize| json["configurations"][at]["metrics"]["double_charged"]["value"].as_f64().unwrap();
    assert!(doubled(0) > 0.2 && doubled(0) < 1.5 && doubled(1) == 0.0 && doubled(2) > 500.0, "{json}");
    let calm = shell.run(&["shrink", case, "-o", "small.json"]);
    assert_eq!(calm.code, 0, "{}", calm.err);
    let said = shell.run(&["compare", "small.json", "--with", "key-per-order", "--seeds", "2"]);
    assert!(said.err.contains("leaves nothing to the dice"), "{}", said.err);
}

#[test]
fn a_page_holds_what_the_document_says() {
    let shell = Shell::empty();
    let words = [
        "compare",
        "checkout",
        "--set",
        "orders=50",
        "--with",
        "key-per-order",
        "--seeds",
        "30",
        "--html",
        "page.html",
    ];
    let json = shell.json(&words.into_iter().chain(["--json"]).collect::<Vec<_>>());
    let page = shell.read("page.html");
    let begin = page.find("id=\"faultline\">").expect("the document") + "id=\"faultline\">".len();
    let inside = &page[begin..begin + page[begin..].find("</script>").unwrap()];
    assert_eq!(serde_json::from_str::<Value>(inside).unwrap(), json);
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        let before = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!before.contains(outside), "{outside}");
    }
}

#[test]
fn nonsense_is_refused_with_what_would_be_right() {
    let shell = Shell::empty();
    shell.write(
        "mute.json",
        r#"{"faultline": 1, "name": "mute", "nodes": {"a": {"kind": "service", "endpoints": {"b": []}}}}"#,
    );
    let mut said = String::new();
    for words in [
        &["compare", "checkout", "--with", "key-per-odrer"][..],
        &["compare", "checkout", "--with", "timeuot=2s"],
        &["compare", "checkout", "--with", "timeout=2s", "--with", "timeout=2s"],
        &["compare", "checkout", "--with", "1s.. loss shop->gatway charge 5%"],
        &["compare", "checkout", "--with", "nowhere.json"],
        &["compare", "checkout", "--metric", "double_chraged"],
        &["compare", "checkout", "--with", "oversell", "--metric", "double_charged"],
        &["compare", "checkout", "--seeds", "0"],
        &["compare", "checkout", "--seeds", "5.."],
        &["compare", "checkout", "--seeds", "10000000000"],
        &["compare", "checkout", "--confidence", "100%"],
        &["compare", "checkout", "--until-known", "p99"],
        &["compare", "checkout", "--until-known", "p99=2"],
        &["compare", "checkout", "--until-known", "p99=0%"],
        &["compare", "checkout", "--until-known", "double_charged=2s"],
        &["compare", "checkout", "--lowest", "nothing"],
        &["sweep", "checkout"],
        &["sweep", "checkout", "--vary", "timeout=5s..1s"],
        &["sweep", "checkout", "--vary", "timeout=1s..5s by 0s"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s in 10000000000"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s in 200", "--vary", "tries=1..10", "--vary", "orders=1,2"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s in 5000", "--vary", "tries=1..10"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s", "--vary", "timeout=3s..4s"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s", "--threshold", "double_charged"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s", "--threshold", "p99 = 5"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s", "--threshold", "nothing = 5"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s", "--knee", "p99", "--precision", "0s"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s", "--precision", "1s"],
        &["sweep", "checkout", "--vary", "key=none,per-try", "--knee", "p99"],
        &["sweep", "checkout", "--vary", "timeout=1s..2s", "--csv", "/proc/x"],
        &["verify", "mute.json"],
        &["verify", "nothing"],
        &["run", "checkout", "--warmup", "5"],
    ] {
        let answer = shell.run(words);
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{words:?}: {}", answer.err);
        said += &format!("$ faultline {}\n{}\n", words.join(" "), answer.err);
    }
    insta::assert_snapshot!("comparing-errors", said);
}
