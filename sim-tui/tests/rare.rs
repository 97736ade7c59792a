//! What hardly ever happens, asked for on the command line.

mod shell;

use crate::shell::{Said, Shell};

const DESK: &str = r#"{
  "faultline": 1, "name": "desk",
  "nodes": {"desk": {"kind": "service", "workers": 1, "queue": 14,
                     "endpoints": {"serve": [{"work": {"exponential": "100ms"}}]}}},
  "workload": {"door": {"rate": "5/s", "spacing": "poisson", "for": "10s", "each": "customer",
                        "do": [{"call": "desk.serve"}]}},
  "properties": {"nobody is turned away": {"never": "error"}}
}"#;

fn desk() -> Shell {
    let shell = Shell::empty();
    shell.write("desk.json", DESK);
    shell
}

#[test]
fn a_property_that_hardly_ever_breaks_has_a_probability() {
    let shell = desk();
    let words = |jobs| {
        [
            "run",
            "desk.json",
            "--rare",
            "nobody is turned away",
            "--level",
            "desk.waiting",
            "--precision",
            "50%",
            "--runs",
            "40",
            "--jobs",
            jobs,
            "--json",
        ]
    };
    let found = shell.json(&words("1"));
    // By the chain of the queue: 4.3 × 10⁻⁴ is the order of it, and the level that was asked for is the way.
    let value = found["probability"]["value"].as_f64().expect("a value");
    assert!((1e-5..1e-2).contains(&value), "{found:#}");
    assert_eq!((found["reached"].as_bool(), found["level"].as_str()), (Some(true), Some("desk.waiting")));
    assert!(found["levels"].as_array().is_some_and(|levels| levels.len() > 3), "{found:#}");
    assert!(found["plain"]["events"].as_f64() > found["events"].as_f64(), "{found:#}");
    assert_eq!(shell.json(&words("3")), found, "the number of workers");
    let Said { code, out: text, .. } = shell.run(&words("2")[..12]);
    assert_eq!(code, 0, "{text}");
    for part in
        ["how probable it is that \"nobody is turned away\" breaks in a run", "it breaks", "plain run", "--rare"]
    {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
}

#[test]
fn an_expression_is_rarely_down() {
    let words = ["avail", "3of5(mtbf=999h/mttr=1h)", "--simulate", "30d", "--rare", "--precision", "5%", "--json"];
    let shell = Shell::empty();
    let found = shell.json(&words);
    let (seen, exact) =
        (&found["unavailability"]["estimate"], found["unavailability"]["algebra"].as_f64().expect("a number"));
    let end = |name: &str| seen[name].as_f64().expect("an end");
    assert!((exact / 9.985006e-9 - 1.0).abs() < 1e-6, "{exact}");
    assert!(end("hi") - end("lo") < 0.11 * exact && (end("value") / exact - 1.0).abs() < 0.1, "{found:#}");
    let mission = &found["mission"]["estimate"]["value"].as_f64().expect("a value");
    // An outage takes twenty minutes, and 720 hours hold so many of them.
    assert!((mission / (exact * 720.0 * 3.0) - 1.0).abs() < 0.1, "{found:#}");
    let Said { code, out: text, .. } = shell.run(&words[..7]);
    assert_eq!(code, 0, "{text}");
    for part in ["the share of time down", "by the algebra 9.985e-9", "30d", "about once in"] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
}

#[test]
fn downtime_that_was_seen_is_told_cause_by_cause() {
    let shell = Shell::empty();
    let words = [
        "avail",
        "2of3(mtbf=30d/mttr=1h, crews=1, active=1, failover=1800ms)",
        "--simulate",
        "2000y",
        "--reconcile",
        "--json",
    ];
    let told = &shell.json(&words)["reconciliation"];
    let effects = told["effects"].as_array().expect("a list");
    let names: Vec<_> = effects.iter().map(|effect| effect["effect"].as_str().expect("a name")).collect();
    assert_eq!(names, ["crews", "failover"]);
    // 12.2 failovers a year of 1.8 s each, and what was seen holds what the algebra says.
    let year = 365.0 * 86_400.0;
    let end = |name: &str| effects[1]["seen"][name].as_f64().expect("an end") * year;
    let algebra = effects[1]["unavailability_added"].as_f64().expect("a number") * year;
    assert!((algebra - 21.9).abs() < 0.2 && end("lo") < algebra && algebra < end("hi"), "{told:#}");
    assert!(end("hi") - end("lo") < 4.0, "{told:#}");
    // The difference is accounted for to within its interval.
    let number = |of: &serde_json::Value| of.as_f64().expect("a number");
    let added: f64 = effects.iter().map(|effect| number(&effect["unavailability_added"])).sum();
    let sum = number(&told["formula"]) + added + number(&told["unexplained"]["value"]);
    assert!((sum / number(&told["seen"]["value"]) - 1.0).abs() < 1e-9, "{told:#}");
    assert_eq!(told["explained"], true, "{told:#}");
    let Said { code, out, .. } = shell.run(&words[..5]);
    assert_eq!(code, 0);
    for part in ["formula of independent parts", "+ waiting for a crew", "+ failover", "= algebra", "+ not explained"] {
        assert!(out.contains(part), "{part} in:\n{out}");
    }
}

const TILL: &str = r#"{
  "faultline": 1, "name": "till",
  "nodes": {"shop": {"kind": "service", "endpoints": {"buy": [
              {"call": "till.pay", "timeout": "2s", "retry": {"tries": 3, "wait": "3s"}}]}},
            "till": {"kind": "service", "endpoints": {"pay": [{"work": "100ms"}]}}},
  "workload": {"door": {"rate": "20/s", "for": "10m", "each": "customer", "do": [{"call": "shop.buy"}]}},
  "faults": ["crash till every ~60s for ~10s", "loss shop->till 1%"]
}"#;

#[test]
fn what_requests_meet_beside_outages_is_told_line_by_line() {
    let shell = Shell::empty();
    shell.write("till.json", TILL);
    let words = ["avail", "till.json", "--requests", "20", "--json"];
    let met = &shell.json(&words)["requests"];
    let value = |name: &str| met[name]["value"].as_f64().expect("a number");
    let sum = value("time_down") + value("timing") - value("saved") + value("cut_off") + value("otherwise");
    assert!((sum - value("failed")).abs() < 1e-9, "{met:#}");
    assert!(value("saved") > 0.02 && value("cut_off") < 0.01, "{met:#}");
    assert_eq!((met["runs"].as_u64(), met["requests"].as_u64().map(|all| all > 200_000)), (Some(20), Some(true)));
    let Said { code, out, .. } = shell.run(&words[..4]);
    assert_eq!(code, 0);
    for part in ["down by the algebra", "+ done all the same", "+ cut off while under way", "= requests that fail"] {
        assert!(out.contains(part), "{part} in:\n{out}");
    }
}

/// What is asked for at most is not gone beyond by more than the two replications without which there is no interval.
#[test]
fn no_more_events_are_spent_than_were_allowed() {
    let words = ["avail", "3of5(mtbf=999h/mttr=1h)", "--simulate", "30d", "--rare", "--precision", "0.01%", "--json"];
    let shell = Shell::empty();
    for events in [100_000, 1_000_000] {
        let found = shell.json(&[&words[..], &["--events", &events.to_string()]].concat());
        for figure in ["unavailability", "mission"] {
            let of = &found[figure];
            let (spent, made) = (of["events"].as_u64().unwrap(), of["replications"].as_u64().unwrap());
            // Not all replications cost the same.
            assert!(made == 2 || spent <= events + events / 20, "{figure}: {of:#}");
            assert!(made > 2 || spent / 2 > events / 3, "{figure}: {of:#}");
            assert_eq!(of["reached"].as_bool(), Some(false), "{figure}: {of:#}");
        }
    }
}

#[test]
fn what_is_rare_has_a_table_and_a_page() {
    let shell = Shell::empty();
    let words = ["avail", "3of5(mtbf=999h/mttr=1h)", "--simulate", "30d", "--rare", "--json"];
    let found = shell.json(&[&words[..], &["--csv", "rare.csv", "--html", "rare.html"]].concat());
    let table = shell.read("rare.csv");
    let value = found["unavailability"]["estimate"]["value"].as_f64().unwrap();
    assert!(table.starts_with("figure,value,lo,hi,algebra,replications,events\n"), "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with(&format!("unavailability,{value},")), "{table}");
    assert!(table.lines().nth(2).unwrap().starts_with("mission,"), "{table}");
    let page = shell.read("rare.html");
    assert!(page.contains("the share of time down, in the long run") && page.contains("<svg"), "{page}");
}

#[test]
fn what_cannot_be_asked_is_said() {
    let shell = Shell::empty();
    let check = |words: &[&str], part: &str| {
        let Said { code, out, err } = shell.run(words);
        assert_eq!((code, out.as_str()), (2, ""), "{words:?}: {err}");
        assert!(err.contains(part), "{words:?}: {err}");
    };
    check(&["run", "checkout", "--rare", "charged at most onec"], "did you mean \"charged at most once\"");
    check(
        &["run", "checkout", "--rare", "charged at most once", "--level", "gateway.wating"],
        "--level \"gateway.wating\"",
    );
    check(&["run", "checkout", "--level", "gateway.waiting"], "--rare");
    check(&["run", "checkout", "--rare", "charged at most once", "--precision", "0%"], "is not a precision");
    check(&["avail", "99%", "--rare"], "--simulate");
    for asked in [["--at", "1h"], ["--slo", "99%"], ["--chain", "3"], ["--tries", "3"]] {
        let words = [&["avail", "mtbf=1h/mttr=1m", "--simulate", "1y", "--rare"], &asked[..]].concat();
        check(&words, "cannot be used with");
    }
    for (option, value) in [("--precision", "-5%"), ("--events", "-5"), ("--jobs", "-5")] {
        let wanted = format!("invalid value '{value}' for '{option}");
        check(&["avail", "mtbf=1h/mttr=1m", "--simulate", "1y", "--rare", option, value], &wanted);
        check(&["run", "checkout", "--rare", "charged at most once", option, value], &wanted);
    }
    check(&["run", "checkout", "--rare", "charged at most once", "--runs", "-5"], "invalid value '-5' for '--runs");
    check(&["avail", "99%", "--simulate", "1y", "--rare"], "does not say how often it fails");
    check(&["avail", "mtbf=1h/fixed=1m", "--simulate", "1y", "--rare"], "not exponential");
}
