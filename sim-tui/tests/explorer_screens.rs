//! Every screen as it looks, at the sizes that matter, with and without colours and in ASCII: a change of the screens is seen before it
//! is shipped. One file for each screen holds all its sizes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Once;

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use sim_tui::explore::headless::Headless;
use sim_tui::explore::look::{Letters, Look, Theme};

const SIZES: [(u16, u16); 4] = [(80, 24), (160, 48), (60, 20), (1, 1)];

/// In a folder where nothing lies that could be listed.
fn in_an_empty_folder() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explorer-screens");
        // What an earlier run left is not there to be found.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::env::set_current_dir(&folder).unwrap();
    });
}

/// An explorer after these keys; `RUN` lets time pass, `:` and a line is a command.
fn after(look: Look, what: Option<&str>, keys: &[&str]) -> Headless {
    in_an_empty_folder();
    let mut explorer = Headless::with_look((80, 24), look, what);
    for key in keys {
        match (*key, key.strip_prefix(':')) {
            ("RUN", _) => explorer.run_until_paused(),
            (_, Some(line)) if !line.is_empty() => explorer.command(line),
            _ => explorer.press(key),
        }
    }
    explorer
}

/// Which cells have which colour and weight: a letter for each style, a point for none.
fn styles(buffer: &Buffer) -> String {
    let mut letters: BTreeMap<String, char> = BTreeMap::new();
    let mut free = ('a'..='z').chain('A'..='Z');
    let (mut grid, width) = (String::new(), usize::from(buffer.area.width));
    for row in buffer.content.chunks(width) {
        let line: String = row
            .iter()
            .map(|cell| match (cell.fg, cell.modifier) {
                (Color::Reset, Modifier::BOLD) if cell.symbol() == " " => '.',
                (Color::Reset, weight) if weight.is_empty() => '.',
                (colour, weight) => {
                    *letters.entry(format!("{colour:?} {weight:?}")).or_insert_with(|| free.next().unwrap())
                }
            })
            .collect();
        let _ = writeln!(grid, "{}", line.trim_end_matches('.'));
    }
    let legend: Vec<String> = letters.iter().map(|(style, letter)| format!("{letter} = {style}")).collect();
    format!("{}\n{grid}", legend.join("\n"))
}

#[track_caller]
fn check(name: &str, what: Option<&str>, keys: &[&str]) {
    check_all(name, |look| after(look, what, keys));
}

/// The availability lab of what a line asks for, after these keys.
#[track_caller]
fn check_lab(name: &str, line: &str, keys: &[&str]) {
    check_all(name, |look| {
        in_an_empty_folder();
        let mut explorer = Headless::lab((80, 24), look, line);
        for key in keys {
            match key.strip_prefix(':') {
                Some(line) => explorer.command(line),
                None => explorer.press(key),
            }
        }
        explorer
    });
}

#[track_caller]
fn check_all(name: &str, after: impl Fn(Look) -> Headless) {
    let mut shown = String::new();
    for letters in [Letters::Utf8, Letters::Ascii] {
        let mut explorer = after(Look { letters, theme: Theme::Auto });
        for (width, height) in SIZES {
            explorer.resize(width, height);
            let _ = writeln!(shown, "=== {letters:?} {width}x{height}\n{}\n", explorer.text());
        }
    }
    for theme in [Theme::Auto, Theme::Mono] {
        let explorer = after(Look { letters: Letters::Utf8, theme });
        let _ = writeln!(shown, "=== styles, {theme:?} 80x24\n{}", styles(&explorer.draw()));
    }
    insta::assert_snapshot!(name, shown);
}

const TOO_LONG: &str =
    ":open a-scenario-that-is-not-there-and-whose-name-is-so-long-that-no-line-of-eighty-columns-holds-it.json";

#[test]
fn scenarios() {
    check("scenarios", None, &[]);
}

#[test]
fn live_before_the_first_event() {
    check("live-before-the-first-event", Some("checkout"), &[]);
}

#[test]
fn live_at_a_violation() {
    check("live-at-a-violation", Some("checkout"), &["r", "RUN"]);
}

#[test]
fn live_at_the_end_of_a_run() {
    check("live-at-the-end", Some("gateway-timeout"), &["G", "RUN", "esc"]);
}

#[test]
fn spacetime_at_a_violation_following_its_operation() {
    check("spacetime-at-a-violation", Some("checkout"), &["r", "RUN", "3"]);
}

#[test]
fn spacetime_two_steps_back_on_the_way_to_why() {
    check("spacetime-why", Some("gateway-timeout"), &["r", "RUN", "3", "w", "w", "p"]);
}

#[test]
fn spacetime_with_a_node_down_and_every_event() {
    let keys = [":0.2s..1s crash gateway", "r", "RUN", "3", ":goto 0.5s", "x"];
    check("spacetime-down", Some("checkout"), &keys);
}

#[test]
fn help() {
    check("help", Some("oversell"), &["?"]);
}

#[test]
fn settings() {
    check("settings", Some("gateway-timeout"), &[":remedy reconcile", "S"]);
}

#[test]
fn branches() {
    check("branches", Some("oversell"), &["r", "RUN", ":goto 0.2s", "f", "c", "enter", "B"]);
}

#[test]
fn what_can_be_broken() {
    check("fault-keys", Some("checkout"), &["f"]);
}

#[test]
fn a_line_that_is_wrong() {
    check("a-wrong-line", Some("checkout"), &[":1s..2s partiton shop | *"]);
}

#[test]
fn a_text() {
    check("a-text", Some("checkout"), &[TOO_LONG]);
}

const LEADER: &str = "2of3(db, active=1, failover=1800ms) --let db=mtbf=30d/mttr=1h";

#[test]
fn the_lab_of_a_quorum_with_a_leader() {
    check_lab("lab", LEADER, &[]);
}

#[test]
fn the_lab_with_a_knob_turned_beside_pinned_figures() {
    check_lab("lab-turned", LEADER, &["p", ":turn db mttr=15m", "j", "j", "j"]);
}

#[test]
fn the_lab_of_a_diagram_with_what_buys_the_most() {
    let line = "edge * (app | app) * 2of3(db) --let edge=99.99% --let app=mtbf=30d/mttr=1h --let db=mtbf=90d/mttr=4h";
    check_lab("lab-changes", line, &["s"]);
}

/// There is no closed form: what is seen is shown, and why the algebra says nothing; knobs turn.
#[test]
fn the_lab_of_what_only_a_simulation_tells() {
    check_lab("lab-simulated", "1of2(mtbf=30d/fixed=1h, crews=1)", &["l"]);
}

#[test]
fn the_lab_of_a_scenario_and_its_settings() {
    check("lab-scenario", Some("checkout"), &["r", "RUN", "5", ":turn gateway availability=99.5%"]);
}

#[test]
fn a_value_that_a_knob_cannot_have() {
    check_lab("lab-wrong", LEADER, &["j", "enter", "ctrl-u", "7", "enter"]);
}

#[test]
fn what_the_lab_is_asked_to_look_at() {
    check("lab-asked", None, &["A"]);
}
