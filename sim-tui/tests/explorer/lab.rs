//! The availability lab: what is turned is worked out again, what is seen agrees with the algebra, and it never blocks
//! the keys.

use std::time::Duration;

use sim_tui::explore::headless::Headless;
use sim_tui::explore::keys::Screen;
use sim_tui::explore::look::Look;

use crate::pty::Pty;
use crate::shell::Shell;
use crate::without_a_terminal::{LARGE, LEADER, USUAL, failing, opened};
use crate::{check_left, sized};

fn lab(line: &str) -> Headless {
    // In the folder of these tests, whatever it writes.
    drop(opened(USUAL, None));
    Headless::lab(LARGE, Look::plain(), line)
}

/// The line of a screen that begins so, beside frames.
#[track_caller]
fn line<'t>(text: &'t str, begin: &str) -> &'t str {
    let found = text
        .lines()
        .flat_map(|line| line.split('│'))
        .find(|part| part.trim_start_matches(['▶', ' ']).starts_with(begin));
    found.unwrap_or_else(|| panic!("no line {begin}\n{text}")).trim_matches(['▶', ' '])
}

/// The words of a line from its second column on.
#[track_caller]
fn figures(explorer: &Headless, row: &str) -> String {
    let text = explorer.text();
    line(&text, row).split_whitespace().skip(1).take(4).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_knob_that_is_turned_is_worked_out_again_at_once() {
    let mut explorer = lab(LEADER);
    assert_eq!(figures(&explorer, "algebra "), "5.18 3m 24s 16.74");
    // Replicas are the first knob.
    explorer.press("l");
    let four = Shell::empty().json(&[
        "avail",
        "2of4(db, active=1, failover=1800ms)",
        "--let",
        "db=mtbf=30d/mttr=1h",
        "--json",
    ]);
    let nines = four["nines"].as_f64().unwrap();
    assert!(figures(&explorer, "algebra ").starts_with(&format!("{:.2} 22.24 s", (nines * 100.0).floor() / 100.0)));
    explorer.press("h");
    assert_eq!(figures(&explorer, "algebra "), "5.18 3m 24s 16.74");
    explorer.command("turn db mttr=15m");
    assert!(line(&explorer.text(), "db mttr").contains("[ 15m"), "{}", explorer.text());
    let quarter = figures(&explorer, "algebra ");
    explorer.press("j j j");
    explorer.press("backspace");
    assert_eq!(figures(&explorer, "algebra "), "5.18 3m 24s 16.74");
    assert_ne!(quarter, "5.18 3m 24s 16.74");
}

/// What needs five of something that there are three of may stand as soon as there are six.
#[test]
fn more_may_be_needed_when_there_are_more() {
    let mut explorer = lab(LEADER);
    explorer.press("l l l j l l l");
    let text = explorer.text();
    assert!(line(&text, "db replicas").contains("[ 6"), "{text}");
    assert!(line(&text, "db needed").contains("[ 5"), "{text}");
    explorer.press("k h");
    assert!(line(&explorer.text(), "db replicas").contains("[ 5"), "{}", explorer.text());
    assert!(explorer.text().contains("first down after"), "{}", explorer.text());
}

#[test]
fn what_is_seen_is_inside_its_interval_and_more_years_make_it_narrower() {
    let mut explorer = lab(LEADER);
    let half = |explorer: &Headless| {
        let text = explorer.text();
        let told = text
            .split("the interval of ±")
            .nth(1)
            .unwrap_or_else(|| panic!("{text}"))
            .split('│')
            .next()
            .unwrap()
            .trim()
            .to_owned();
        assert!(text.contains("inside the interval"), "{text}");
        let number: f64 = told.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{told}"));
        number
    };
    let first = half(&explorer);
    explorer.press("r");
    let second = half(&explorer);
    // Four times as many years halve it, give or take what is left to chance.
    assert!((0.35..0.7).contains(&(second / first)), "{first} {second}");
    assert!(explorer.text().contains("seen 21."), "{}", explorer.text());
}

#[test]
fn the_formula_becomes_the_algebra_step_by_step() {
    let explorer = lab(LEADER);
    let text = explorer.text();
    let last = |begin: &str| line(&text, begin).split("   ").last().unwrap().trim().to_owned();
    assert_eq!(
        [last("formula of independent parts"), last("+ failover"), last("= algebra")],
        ["3m 2s", "21.81 s", "3m 24s"]
    );
    assert!(text.contains("✗ a spare takes over at once: not here"), "{text}");
    assert!(text.contains("✓ parts fail independently"), "{text}");
}

#[test]
fn a_wrong_value_comes_back_with_what_is_wrong_below_the_place() {
    let mut explorer = lab(LEADER);
    explorer.press("enter ctrl-u 1 enter");
    let text = explorer.text();
    assert!(text.contains("2 of 1 cannot be") && explorer.has_popup(), "{text}");
    explorer.press("ctrl-u 5 enter");
    assert!(!explorer.has_popup(), "{}", explorer.text());
    assert!(line(&explorer.text(), "db replicas").contains("[ 5"), "{}", explorer.text());
}

#[test]
fn what_cannot_be_looked_at_is_pointed_at() {
    let mut explorer = opened(USUAL, None);
    explorer.press("A ctrl-u");
    explorer.type_text("edge * 5of3(db)");
    explorer.press("enter");
    let text = explorer.text();
    let caret = text.lines().find(|line| line.contains('^')).unwrap_or_else(|| panic!("{text}"));
    let below = text.lines().find(|line| line.contains("  edge * 5of3(db)")).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(caret.find('^'), below.find("5of3"), "{text}");
    assert_eq!(explorer.screen(), Screen::Scenarios);
    explorer.press("ctrl-u");
    explorer.type_text("edge * 2of3(db) --let edge=99.99% --let db=99%");
    explorer.press("enter");
    assert_eq!((explorer.screen(), explorer.has_popup()), (Screen::Lab, false), "{}", explorer.text());
    // Only shares are known, so lengths of outages are assumed, and can be turned.
    assert!(explorer.text().contains("outages of shares"), "{}", explorer.text());
    explorer.press("q");
    assert_eq!(explorer.screen(), Screen::Scenarios);
}

/// How many there are of a service is a setting of this scenario, and its crashes are in the file.
const REPLICATED: &str = r#"{"faultline": 1, "name": "replicated",
 "settings": {"fronts": {"default": 2, "min": 1, "max": 9, "about": "how many fronts there are"}},
 "nodes": {
  "front": {"kind": "service", "replicas": "${fronts}", "endpoints": {"page": [{"call": "auth.check", "timeout": "1s"}]}},
  "auth": {"kind": "service", "endpoints": {"check": [{"work": "1ms"}]}}},
 "workload": {"visitor": {"rate": "10/s", "limit": 40, "each": "visit", "do": [{"call": "front.page", "timeout": "2s"}]}},
 "faults": ["crash one of front every ~30d for ~10m", "crash auth every ~90d for 1h"]}"#;

#[test]
fn a_setting_of_a_scenario_draws_the_diagram_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("replicated.json");
    std::fs::write(&path, REPLICATED).unwrap();
    let mut explorer = opened(LARGE, path.to_str());
    explorer.press("G G");
    explorer.run_until_paused();
    explorer.press("5");
    let text = explorer.text();
    assert_eq!(explorer.screen(), Screen::Lab, "{text}");
    assert!(text.contains("1 of 2 front.each") && text.contains("40 of 40"), "{text}");
    explorer.command("turn fronts=4");
    assert!(explorer.text().contains("1 of 4 front.each"), "{}", explorer.text());
    explorer.command("turn fronts=10");
    assert!(explorer.text().contains("above its maximum") && explorer.has_popup(), "{}", explorer.text());
    explorer.press("esc");
    // Whoever goes back to the run and comes again finds what was turned.
    explorer.press("q");
    assert_eq!(explorer.screen(), Screen::Live);
    explorer.press("5");
    assert!(explorer.text().contains("1 of 4 front.each"), "{}", explorer.text());
}

#[test]
fn what_is_copied_works_out_the_same() {
    let mut explorer = lab(LEADER);
    explorer.command("turn db mttr=15m");
    explorer.orders();
    explorer.press("y");
    let orders = explorer.orders();
    let line = orders.iter().find_map(|order| order.strip_prefix("copy ")).unwrap();
    assert!(
        line.starts_with(
            "faultline avail '2of3(db, active=1, failover=1800ms)' --let db=mtbf=30d/mttr=15m --simulate "
        ),
        "{line}"
    );
    let words = ["avail", "2of3(db, active=1, failover=1800ms)", "--let", "db=mtbf=30d/mttr=15m", "--json"];
    let nines = Shell::empty().json(&words)["nines"].as_f64().unwrap();
    assert!(figures(&explorer, "algebra ").starts_with(&format!("{:.2}", (nines * 100.0).floor() / 100.0)));
}

#[test]
fn what_is_exported_is_a_page_and_a_table() {
    let mut explorer = lab(LEADER);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lab.html");
    explorer.command(&format!("export {}", path.display()));
    let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {:?}", explorer.notice()));
    assert!(page.contains("Simulation beside it") && page.contains("<svg"), "{page}");
    let table = std::fs::read_to_string(folder.path().join("lab.csv")).unwrap();
    assert!(table.starts_with("block,kind,") && table.lines().count() == 2, "{table}");
    explorer.command(&format!("export {}", path.display()));
    assert!(explorer.text().contains("is there already"), "{}", explorer.text());
}

#[test]
fn the_lab_of_a_failing_run_goes_back_to_it() {
    let mut explorer = failing(USUAL, "gateway-timeout");
    explorer.press("3 5");
    assert_eq!(explorer.screen(), Screen::Lab, "{}", explorer.text());
    assert!(explorer.text().contains("nothing here ever fails"), "{}", explorer.text());
    explorer.press("q");
    assert_eq!(explorer.screen(), Screen::Spacetime);
}

/// Much is simulated: it is told how far it is, keys do what they do, and Esc stops it.
#[test]
fn a_long_simulation_blocks_no_key_and_escape_stops_it() {
    let line = "5of9(db, crews=1, active=5, failover=2s) * 3of5(x, crews=2)";
    let words = ["avail", line, "--let", "db=mtbf=2h/mttr=4m", "--let", "x=mtbf=9h/mttr=9m", "--lab"];
    let mut pty = Pty::open(&words, &[], 160, 48);
    pty.wait_for("Algebra and simulation");
    pty.wait_for("DONE");
    let years = |screen: &str| {
        screen.split_once("seen ").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default().to_owned()
    };
    let first = years(&pty.screen());
    pty.keys("r");
    pty.wait_until("four times as many", |now| now.screen().contains("DONE") && years(&now.screen()) != first);
    // Sixteen times as many take seconds.
    pty.keys("r");
    pty.wait_for("Esc stops");
    pty.keys("\t\t\tz");
    pty.wait_until("keys are taken meanwhile", |now| !now.screen().contains("Knobs"));
    pty.keys("z");
    pty.wait_for("Knobs");
    pty.keys("\x1b");
    pty.wait_for("STOPPED");
    pty.keys("q");
    pty.wait_for("Scenarios");
    pty.keys("q");
    check_left_with_a_command(&pty);
}

/// What was in the lab can be asked for again.
#[track_caller]
fn check_left_with_a_command(pty: &Pty) {
    pty.wait_until("it ended", |now| now.screen().contains("faultline avail"));
}

#[test]
fn the_lab_at_every_size_is_left_as_any_screen() {
    for (width, height) in [(60, 16), (80, 24), (200, 60)] {
        let mut pty = sized(&["explore"], &[], width, height);
        pty.keys("A");
        pty.wait_for("lab:");
        pty.keys("\x15mtbf=30d/mttr=1h\r");
        pty.wait_for("Knobs");
        pty.quiet_for(Duration::from_millis(300));
        pty.keys("\x03");
        check_left(&pty, 130);
    }
}
