//! The form of the language as its readers meet it: files that are read, and mistakes with what is said about them.

use proptest::prelude::*;

use super::grammar::{METRIC, NODE, PROPERTY, SCENARIO, STEP};
use super::*;
use crate::problem::{Problem, Problems};

const CHECKOUT: &str = include_str!("../../scenarios/checkout.json");
const GATEWAY_TIMEOUT: &str = include_str!("../../scenarios/gateway-timeout.json");
const OVERSELL: &str = include_str!("../../scenarios/oversell.json");

/// A scenario with these steps, and `fields` beside its nodes.
fn scenario(steps: &str, fields: &str) -> String {
    format!(
        r#"{{"faultline": 1, "name": "x",
 "nodes": {{"shop": {{"kind": "service", "endpoints": {{"pay": [
{steps}
 ]}}}}}}{fields}}}"#
    )
}

fn configure(text: &str, choices: &Choices) -> Result<Configured, Problems> {
    Document::parse("x.json", text)?.configure(choices)
}

fn told(result: Result<Configured, Problems>) -> Vec<String> {
    let said = |problem: &Problem| match problem.path.as_str() {
        "" => problem.message.clone(),
        path => format!("{path}: {}", problem.message),
    };
    match result {
        Ok(configured) => configured.warnings().iter().map(said).collect(),
        Err(problems) => problems.iter().map(said).collect(),
    }
}

/// What is said about a text, each problem with its path.
fn check(text: &str, expected: &[&str]) {
    assert_eq!(told(configure(text, &Choices::none())), expected, "{text}");
}

fn check_step(step: &str, expected: &[&str]) {
    let expected: Vec<_> = expected.iter().map(|said| format!("nodes.shop.endpoints.pay[0]{said}")).collect();
    check(&scenario(step, ""), &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

fn check_field(field: &str, expected: &[&str]) {
    check(&scenario("", &format!(", {field}")), expected);
}

#[test]
fn the_scenarios_are_read_with_every_remedy() {
    for text in [CHECKOUT, GATEWAY_TIMEOUT, OVERSELL] {
        let document = Document::parse("x.json", text).unwrap();
        assert_eq!(told(document.configure(&Choices::none())), [""; 0]);
        for remedy in document.settings().remedies() {
            assert_eq!(told(document.configure(&Choices::none().remedy(&remedy.name))), [""; 0]);
        }
        let again = Document::from_json("x.json", &document.to_json()).unwrap();
        assert_eq!(again.to_json(), document.to_json());
    }
}

#[test]
fn a_step_of_the_wrong_form_is_told_what_would_be_right() {
    check_step(
        r#"{"call": "bank.charge", "work": "1s"}"#,
        &[r#": a step has one verb; this one has "call" and "work""#],
    );
    check_step(
        r#"{"set": "db.x[1]", "to": 1, "if": "value >= 1"}"#,
        &[r#".if: "set" has no "if"; did you mean "where"?"#],
    );
    check_step(r#"{"if": "a", "set": "db.x[1]"}"#, &[r#".if: "set" has no "if"; did you mean "where"?"#]);
    check_step(r#"{"call": "a.b", "retrys": 3}"#, &[r#".retrys: "retrys" is not a clause; did you mean "retry"?"#]);
    check_step(r#"{"work": "1s", "timeout": "1s"}"#, &[r#".timeout: "work" has no "timeout""#]);
    check_step(r#"{"work": "1s", "x": 1}"#, &[r#".x: "x" is not a clause; those of "work" are id"#]);
    check_step(r#"{"cal": "bank.charge"}"#, &[r#".cal: "cal" is not a verb; did you mean "call"?"#]);
    check_step(r#"{"set": "db.x[1]"}"#, &[r#": "set" needs "to""#]);
    check_step(r#"{"if": "a"}"#, &[r#": "if" needs "then" or "else""#]);
    check_step(r#"{"call": null}"#, &[r#".call: "call" should be an endpoint, such as "gateway.charge", not null"#]);
    check_step("3", &[r#": "pay" should be a step {…}, not 3"#]);
    check_step(
        r#"{"call": "a.b", "timeout": 1000}"#,
        &[r#".timeout: "timeout": 1000 has no unit; write "1000ms" or another of ns, us, ms, s, m, h, d"#],
    );
    check_step(
        r#"{"call": "a.b", "retry": {"tries": 0}}"#,
        &[r#".retry.tries: "tries" should be a whole number of at least 1, not 0"#],
    );
    check_step(
        r#"{"call": "a.b", "retry": {"tries": 2, "jitter": "ful"}}"#,
        &[r#".retry.jitter: "jitter": "ful" is not known; did you mean "full"?"#],
    );
    check_step(
        r#"{"work": {"uniform": ["2ms", "1ms"]}}"#,
        &[r#".work: "work": a uniform distribution goes from the shorter to the longer; 2ms is longer than 1ms"#],
    );
    check_step(
        r#"{"work": {"pareto": {"min": "0s", "alpha": 3}}}"#,
        &[r#".work.pareto: "work": a Pareto has a shortest time above zero, and its alpha is a number above 0"#],
    );
    check_step(r#"{"work": {"pareto": {"min": "1s"}}}"#, &[r#".work.pareto: a pareto needs "alpha""#]);
    check_step(r#"{"if": "a = 1", "then": []}"#, &[r#".if: "if": unexpected =: is it equal? write "==""#]);
}

#[test]
fn an_object_of_the_wrong_form_is_told_what_would_be_right() {
    check_field(r#""titel": "x""#, &[r#"titel: "titel" is not a field of a scenario; did you mean "title"?"#]);
    check_field(
        r#""network": {"speed": 1}"#,
        &[
            r#"network.speed: "speed" is not a field of a link; fields are latency, loss, corruption, checksum, bandwidth, queue, full, size, stream and transport"#,
        ],
    );
    check_field(
        r#""metrics": {"m": {"cuont": "a"}}"#,
        &[r#"metrics.m.cuont: "cuont" is not a kind of metric; did you mean "count"?"#],
    );
    check_field(r#""properties": {"p": {"eventually": "a"}}"#, &[r#"properties.p: "eventually" needs "within""#]);
    check_field(
        r#""workload": {"w": {"each": "order", "do": []}}"#,
        &[r#"workload.w: a workload needs "rate", "users" or "stages""#],
    );
    check_field(r#""links": {"a-b": {}}"#, &[r#"links.a-b: "a-b" is no link; write "a->b", or "a<->b" for both ways"#]);
    check_field(
        r#""metrics": {"Sold": {"count": "a"}}"#,
        &[r#"metrics.Sold: "Sold" is no name; a name is a lower case letter, then lower case letters, digits and _"#],
    );
    let no_kind = r#"{"faultline": 1, "name": "x", "nodes": {"a": {}, "b": {"kind": "sotre"}}}"#;
    check(
        no_kind,
        &[
            r#"nodes.a: a node needs a "kind": "service", "store", "queue" or "log""#,
            r#"nodes.b.kind: "sotre" is no kind of node; did you mean "store"?"#,
        ],
    );
    check(r#"{"faultline": 1, "faultline": 1}"#, &[r#""faultline" is given twice; keep one"#]);
    check(r#"{"faultline": 1}"#, &[r#"a scenario needs "name""#, r#"a scenario needs "nodes""#]);
}

#[test]
fn a_newer_language_is_not_looked_at_any_further() {
    check(
        r#"{"faultline": 2, "knots": {}}"#,
        &["faultline: this file is written in language 2; this faultline reads 1"],
    );
    check(r#"{"faultline": "1"}"#, &[r#"faultline: "faultline" is 1, the version of the language"#]);
    check("{}", &[r#"a scenario begins with "faultline": 1, the version of the language"#]);
    check("[]", &[r#"a scenario is an object, {"faultline": 1, "name": …}"#]);
}

#[test]
fn what_is_not_built_yet_is_refused_and_never_ignored() {
    let log = r#"{"faultline": 1, "name": "x", "nodes": {"a": {"kind": "log"}}}"#;
    check(log, &["nodes.a.kind: a log is not built yet"]);
    check_step(r#"{"call": "a.b", "breaker": null, "timeout": null}"#, &[]);
}

#[test]
fn text_that_looks_like_a_formula_is_warned_of() {
    check_step(
        r#"{"set": "db.x[1]", "to": "value - 1"}"#,
        &[r#".to: "to": "value - 1" is text and will be stored as such; for a value write "= value - 1""#],
    );
    for text in ["= value - 1", "$order/$try", "left-$order", "PAID", "out of stock", "paid"] {
        check_step(&format!(r#"{{"set": "db.x[1]", "to": "{text}"}}"#), &[]);
    }
}

#[test]
fn an_expression_is_pointed_at_inside_its_text_unless_a_setting_was_filled_in() {
    let text = scenario(r#"{"if": "a ==  B", "then": []}"#, "");
    let problems = configure(&text, &Choices::none()).unwrap_err();
    assert_eq!(problems.iter().next().map(|problem| (problem.line, problem.column)), Some((3, 15)));
    let settings = r#", "settings": {"n": {"default": 5}}"#;
    check(
        &scenario(r#"{"if": "a == ${n} +", "then": []}"#, settings),
        &[
            r#"nodes.shop.endpoints.pay[0].if: "if": here should be a value, such as a name, a number or 'text', not the end (column 9 of "a == 5 +")"#,
        ],
    );
}

const KNOBS: &str = r#", "settings": {
  "timeout": {"default": "1s", "min": "50ms", "max": "60s", "about": "the patience of ${nobody}"},
  "rate": {"default": "6/m"}, "share": {"default": "1/4"}, "n": {"default": 3, "max": 5}, "mode": {"default": "it's", "choices": ["it's", "b"]},
  "key": {"default": "none", "choices": {"none": null, "per-order": "$order", "both": {"ratio": "5%"}}}},
 "remedies": {"slow": {"set": {"timeout": "60000ms", "n": 4}}}, "variants": {"fast": {"set": {"timeout": "50ms"}}}"#;

/// The first step as it is after settings.
fn check_filled(step: &str, choices: &Choices, expected: &str) {
    let configured = configure(&scenario(step, KNOBS), choices);
    let configured = configured.unwrap_or_else(|problems| panic!("{problems}"));
    let steps = configured.root().field("nodes").and_then(|nodes| nodes.field("shop")?.field("endpoints"));
    let step = steps.and_then(|endpoints| endpoints.steps("pay").next()).unwrap();
    assert_eq!(step.json().to_string(), expected);
}

#[test]
fn a_setting_alone_is_a_value_in_an_expression_a_literal_and_in_text_text() {
    let none = Choices::none();
    check_filled(
        r#"{"call": "a.b", "timeout": "${timeout}", "retry": "${n}"}"#,
        &none,
        r#"{"call": "a.b", "timeout": "1s", "retry": 3}"#,
    );
    check_filled(
        r#"{"if": "age > ${timeout} && ${mode} == 'b' || ${share} < 5% || ${key} == '${mode}' || ${n} > x", "then": []}"#,
        &none,
        r#"{"if": "age > 1s && 'it\\'s' == 'b' || 25% < 5% || null == 'it\\'s' || 3 > x", "then": []}"#,
    );
    check_filled(
        r#"{"set": "db.x['${n}-${mode}']", "to": "= ${n} + 1", "where": "db.x[${mode}] == 1"}"#,
        &none,
        r#"{"set": "db.x['3-it\\'s']", "to": "= 3 + 1", "where": "db.x['it\\'s'] == 1"}"#,
    );
    check_filled(r#"{"reply": "${mode}: $x ${timeout}"}"#, &none, r#"{"reply": "it's: $x 1s"}"#);
    check_filled(r#"{"once": "${key}", "in": "keys", "do": []}"#, &none, r#"{"once": null, "in": "keys", "do": []}"#);
    check_filled(
        r#"{"call": "a.b", "retry": {"tries": 2, "budget": "${key}"}}"#,
        &none.clone().set("key", "both"),
        r#"{"call": "a.b", "retry": {"tries": 2, "budget": {"ratio": "5%"}}}"#,
    );
    check_filled(
        r#"{"call": "a.b", "breaker": "${key}", "note": "why", "about": "${x}"}"#,
        &none,
        r#"{"call": "a.b", "about": "${x}"}"#,
    );
}

#[test]
fn what_cannot_be_filled_in_is_told() {
    let check = |step: &str, choices: Choices, expected: &str| {
        let said = told(configure(&scenario(step, KNOBS), &choices));
        assert_eq!(said, [format!("nodes.shop.endpoints.pay[0].{expected}")]);
    };
    let none = Choices::none;
    check(r#"{"work": "${timeot}"}"#, none(), r#"work: no setting "timeot"; did you mean "timeout"?"#);
    check(r#"{"reply": "a ${key}"}"#, none(), "reply: ${key} is null here, which cannot stand inside text");
    check(r#"{"reply": "a ${key"}"#, none(), r#"reply: "${" has no "}""#);
    check(
        r#"{"if": "${key} == 1", "then": []}"#,
        none().set("key", "both"),
        r#"if: ${key} is {"ratio": "5%"} here, which cannot stand inside an expression"#,
    );
}

#[test]
fn settings_are_checked_wherever_they_are_turned() {
    let check = |choices: Choices, expected: &[&str]| {
        assert_eq!(told(configure(&scenario("", KNOBS), &choices)), expected);
    };
    let set = |line: &str| Choices::none().set_line(line).unwrap();
    check(set("timeout=90s"), &["timeout=90s is above its maximum, 60s"]);
    check(set("timeout=1ms"), &["timeout=1ms is below its minimum, 50ms"]);
    check(set("timeout=90"), &["timeout: 90 has no unit; write \"90ms\" or another of ns, us, ms, s, m, h, d"]);
    check(set("key=order"), &[r#"key has no choice "order"; choices are none, per-order, both"#]);
    check(set("n=1.5"), &[r#"n: "1.5" is not a whole number"#]);
    check(set("rate=7"), &["rate: \"7\" is not a rate; write \"10/s\" or \"6/m\""]);
    check(
        set("x=1").remedy("slwo"),
        &[
            "no remedy \"slwo\"; did you mean \"slow\"?",
            "no setting \"x\"; settings are timeout, rate, share, n, mode and key",
        ],
    );
    assert_eq!(
        Choices::none().set_line("n").unwrap_err().message,
        "\"n\" sets nothing; write name=value, such as timeout=2s"
    );
}

#[test]
fn remedies_come_first_and_the_last_word_wins() {
    let settings = |choices: Choices| {
        let configured = configure(&scenario("", KNOBS), &choices).unwrap();
        configured.settings().iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" ")
    };
    let none = Choices::none;
    assert_eq!(settings(none()), "timeout=1s rate=6/m share=25% n=3 mode=it's key=none");
    assert_eq!(settings(none().set("n", "1").remedy("slow")), "timeout=60s rate=6/m share=25% n=1 mode=it's key=none");
    assert_eq!(
        settings(none().remedy("slow").remedy("fast")),
        "timeout=50ms rate=6/m share=25% n=4 mode=it's key=none"
    );
}

#[test]
fn a_setting_that_is_declared_wrongly_is_told() {
    let check = |settings: &str, expected: &[&str]| {
        check(&scenario("", &format!(r#", "settings": {{{settings}}}"#)), expected);
    };
    check(r#""a": {}"#, &[r#"settings.a: setting "a" needs a "default""#]);
    check(r#""a": {"default": "2s", "max": "1s"}"#, &["settings.a.default: a=2s is above its maximum, 1s"]);
    check(
        r#""a": {"default": 1, "min": "1s"}"#,
        &[r#"settings.a.min: "min" must be what the default is: "1s" is not a whole number"#],
    );
    check(r#""a": {"default": "x", "choices": ["y"]}"#, &[r#"settings.a.default: a has no choice "x"; choices are y"#]);
    check(
        r#""a": {"default": null}"#,
        &[
            "settings.a.default: a default is text or a number; for null, a list or an object use \"choices\" with names",
        ],
    );
    check(
        r#""a": {"default": "${b}"}"#,
        &["settings.a.default: a setting cannot refer to a setting; use both where they are needed"],
    );
    check(
        r#""a": {"default": 1, "mix": 0}"#,
        &[r#"settings.a.mix: "mix" is not a field of a setting; did you mean "min"?"#],
    );
    check_field(
        r#""settings": {"a": {"default": 1}}, "remedies": {"r": {"set": {"b": 1}}}"#,
        &[r#"remedies.r.set.b: no setting "b"; settings are a"#],
    );
}

#[test]
fn remarks_are_allowed_on_every_object_and_gone_afterwards() {
    let text = scenario(
        "",
        r#", "note": "n", "$schema": "s", "metrics": {"about": "all", "m": {"count": "a", "note": "n", "about": "b"}}"#,
    );
    let configured = configure(&text, &Choices::none()).unwrap();
    let root = configured.root();
    assert_eq!(root.field("metrics").unwrap().json().to_string(), r#"{"m": {"count": "a", "about": "b"}}"#);
    assert!(root.field("note").is_none() && root.field("$schema").is_none());
}

#[test]
fn steps_may_stand_deep_inside_each_other() {
    let deep = format!("{}{{\"work\": \"1s\"}}{}", r#"{"try": ["#.repeat(60), "]}".repeat(60));
    check_step(&deep, &[]);
}

#[test]
fn the_schema_knows_every_field_verb_and_clause() {
    let schema = schema();
    let text = schema.to_string();
    let mentions = |name: &str| assert!(text.contains(&format!("\"{name}\":")), "{name}");
    SCENARIO.fields.iter().for_each(|field| mentions(field.name));
    for verb in [&STEP, &METRIC, &PROPERTY].iter().flat_map(|verbs| verbs.verbs) {
        mentions(verb.name);
        verb.clauses().for_each(|clause| mentions(clause.name));
    }
    NODE.kinds.iter().flat_map(|kind| kind.object.fields).for_each(|field| mentions(field.name));
    assert_eq!(schema["$defs"]["step"]["oneOf"].as_array().unwrap().len(), STEP.verbs.len());
    for reference in text.split("#/$defs/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schema["$defs"].get(name).is_some(), "{name}");
    }
}

#[test]
fn every_line_of_the_tables_explains_itself() {
    let explained = |doc: &str| doc.ends_with('.') && doc.len() > 3;
    for verb in [&STEP, &METRIC, &PROPERTY].iter().flat_map(|verbs| verbs.verbs) {
        assert!(explained(verb.doc) && verb.clauses().all(|clause| explained(clause.doc)), "{}", verb.name);
    }
    let objects = NODE.kinds.iter().map(|kind| &kind.object).chain([&SCENARIO]);
    for field in objects.flat_map(|object| object.fields) {
        assert!(explained(field.doc), "{}", field.name);
    }
}

proptest! {
    #[test]
    fn no_setting_panics(name in "[a-z]{0,3}", text in ".{0,8}", likely in "[0-9a-z./%$'{}-]{0,8}") {
        let document = Document::parse("x.json", &scenario("", KNOBS)).unwrap();
        for text in [text, likely] {
            for setting in document.settings().iter() {
                let _ = document.configure(&Choices::none().set(&setting.name, &text));
            }
            let _ = document.configure(&Choices::none().set(&name, &text).remedy(&text));
            let default = serde_json::Value::from(text);
            let declared = format!(r#", "settings": {{"a": {{"default": {default}, "max": {default}}}}}"#);
            let _ = configure(&scenario(r#"{"if": "a == ${a} && 'x${a}' == b", "then": []}"#, &declared), &Choices::none());
        }
    }

    #[test]
    fn no_value_at_any_place_panics(text in "[0-9a-z.$\\[\\]{}'=*>% -]{0,12}", number in any::<i64>(), place in 0..10_000usize) {
        // Every third value or so of a real scenario is hit by some case.
        for value in [serde_json::Value::from(text), number.into(), serde_json::Value::Null, serde_json::json!([[]]), serde_json::json!({"a": {}})] {
            let mut tree: serde_json::Value = serde_json::from_str(CHECKOUT).unwrap();
            let mut left = place % 300;
            replace(&mut tree, &mut left, &value);
            if let Ok(document) = Document::from_json("x.json", &tree) {
                let _ = document.configure(&Choices::none()).map_err(|problems| problems.to_string());
            }
        }
    }
}

/// Puts `value` in the place of the value that comes after `left` others.
fn replace(tree: &mut serde_json::Value, left: &mut usize, value: &serde_json::Value) {
    if *left == 0 {
        *tree = value.clone();
    }
    *left = left.wrapping_sub(1);
    match tree {
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| replace(item, left, value)),
        serde_json::Value::Object(members) => members.values_mut().for_each(|item| replace(item, left, value)),
        _ => {}
    }
}
