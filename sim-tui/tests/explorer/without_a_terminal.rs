//! The checks that need no terminal: the same application and the same engine on the test's own thread.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use ratatui::style::Color;
use serde_json::Value;
use sim_core::case::Case;
use sim_core::run::Limits;
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::why::Link;
use sim_tui::explore::headless::Headless;
use sim_tui::explore::keys::{self, Screen};
use sim_tui::explore::look::{Letters, Look, Theme};

use crate::dice::Dice;
use crate::shell::Shell;

pub(crate) const USUAL: (u16, u16) = (80, 24);
pub(crate) const LARGE: (u16, u16) = (160, 48);
pub(crate) const SCENARIOS: [&str; 3] = ["checkout", "gateway-timeout", "oversell"];

/// Where the explorers of these tests are: whatever they write is written here.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explorer");
    // What an earlier run left is not there to be found.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::env::set_current_dir(&folder).unwrap();
    folder
});

/// Two who write a case of the same run at once would take the same name.
fn writing() -> MutexGuard<'static, ()> {
    static WRITING: Mutex<()> = Mutex::new(());
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An explorer that has just been opened.
pub(crate) fn opened(size: (u16, u16), what: Option<&str>) -> Headless {
    LazyLock::force(&FOLDER);
    Headless::open(size, what)
}

/// A run where a property has just broken.
#[track_caller]
pub(crate) fn failing(size: (u16, u16), scenario: &str) -> Headless {
    let mut explorer = opened(size, Some(scenario));
    assert!(runs_to_a_failure(&mut explorer), "{}", explorer.text());
    explorer
}

/// To the next property that breaks, if one does; it may have done so already, after the event that is looked at.
fn runs_to_a_failure(explorer: &mut Headless) -> bool {
    explorer.press("r");
    explorer.run_until_paused();
    let (cursor, edge) = explorer.cursor().unwrap();
    !explorer.text().contains(" OVER ") || cursor < edge
}

/// A quorum whose leader fails over.
pub(crate) const LEADER: &str = "2of3(db, active=1, failover=1800ms) --let db=mtbf=30d/mttr=1h";

/// Every screen, where there is most to see.
#[track_caller]
fn screens(size: (u16, u16)) -> Vec<(&'static str, Headless)> {
    let mut spacetime = failing(size, "gateway-timeout");
    spacetime.press("3 w w");
    let mut other = failing(size, "oversell");
    other.press("3");
    let start = opened(size, Some("checkout"));
    // As it is, nothing of it ever fails, and there is little to see.
    let mut scenario = showing(Screen::Lab, failing(size, "checkout"));
    scenario.command("turn gateway availability=99.5%");
    vec![
        ("scenarios", opened(size, None)),
        ("live at its start", start),
        ("live at a failure", failing(size, "checkout")),
        ("spacetime on the way back", spacetime),
        ("spacetime at a failure", other),
        ("lab of a scenario", scenario),
        ("lab", Headless::lab(size, Look::plain(), LEADER)),
    ]
}

/// Everything that can be seen from outside.
fn observed(explorer: &mut Headless) -> String {
    let orders = explorer.orders();
    let (ended, screen, cursor) = (explorer.ended(), explorer.screen(), explorer.cursor());
    format!("{orders:?} {ended:?} {screen:?} {cursor:?} {:?}", explorer.draw())
}

/// A key that no screen knows; what was said at the foot goes with it, as with any key.
const UNBOUND: &str = "~";

/// Keys of a screen that do something, by their names.
fn bound(screen: Screen) -> Vec<(String, Vec<String>, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let texts = |value: &Value| value.as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    let table = keys::as_json();
    let of = table.as_array().unwrap().iter().filter(|it| texts(&it["screens"]).contains(&screen.name().to_owned()));
    of.map(|it| (text(&it["name"]), texts(&it["keys"]), text(&it["help"]))).collect()
}

/// A failing run on a screen, or the scenarios with one behind them.
#[track_caller]
fn on(screen: Screen, size: (u16, u16)) -> Headless {
    showing(screen, failing(size, "gateway-timeout"))
}

fn showing(screen: Screen, mut explorer: Headless) -> Headless {
    explorer.press(match screen {
        Screen::Scenarios => "1",
        Screen::Live => "2",
        Screen::Spacetime => "3",
        Screen::Lab => "5",
    });
    explorer
}

#[track_caller]
fn check_complete(name: &str, explorer: &Headless) {
    let text = explorer.text();
    let title = text.lines().next().unwrap();
    let scenario = if name == "scenarios" { "Scenarios" } else { "seed 0" };
    assert!(title.contains(scenario), "{name}: no title\n{text}");
    assert!(text.lines().next_back().unwrap().ends_with("? help"), "{name}: no help\n{text}");
    let cut = |line: &&str| line.char_indices().any(|(at, it)| it.is_ascii_digit() && line[at + 1..].starts_with('…'));
    let cut: Vec<&str> = text.lines().filter(cut).collect();
    assert!(cut.is_empty(), "{name}: a number is cut: {cut:#?}\n{text}");
}

/// A half of the screen is used if on a third of its lines something is written, beside the frames of panes.
#[track_caller]
fn check_no_half_is_empty(name: &str, explorer: &Headless) {
    let text = explorer.text();
    let (width, height) = (explorer.draw().area.width as usize, text.lines().count());
    let is_frame = |letter: char| "┌┐└┘─│ ".contains(letter);
    let lanes = name.starts_with("spacetime");
    let written = |letter: char| if lanes { letter != ' ' } else { !is_frame(letter) };
    let used = |lines: &mut dyn Iterator<Item = &str>, from: usize, to: usize| {
        lines.filter(|line| line.chars().skip(from).take(to - from).any(written)).count()
    };
    let halves = [
        ("left", used(&mut text.lines(), 0, width / 2), height),
        ("right", used(&mut text.lines(), width / 2, width), height),
        ("top", used(&mut text.lines().take(height / 2), 0, width), height / 2),
        ("bottom", used(&mut text.lines().skip(height / 2), 0, width), height / 2),
    ];
    for (half, used, lines) in halves {
        assert!(used * 3 >= lines, "{name}: {used} of {lines} lines of the {half} half are used\n{text}");
    }
}

#[test]
fn check_08_at_80x24_every_screen_is_complete() {
    for (name, explorer) in screens(USUAL) {
        check_complete(name, &explorer);
    }
}

#[test]
fn check_09_at_160x48_every_screen_uses_its_room() {
    for (name, explorer) in screens(LARGE) {
        check_complete(name, &explorer);
        // Before the first event there is nothing to list and to inspect.
        if name != "live at its start" {
            check_no_half_is_empty(name, &explorer);
        }
        let panes = explorer.text().matches('┌').count();
        assert!(!name.starts_with("live") || panes >= 3, "{name}: {panes} panes\n{}", explorer.text());
    }
}

/// Every key that can be pressed here and is not asked to quit.
fn pressable() -> Vec<String> {
    const NAMED: [&str; 19] = [
        "space",
        "enter",
        "esc",
        "left",
        "right",
        "up",
        "down",
        "home",
        "end",
        "pgup",
        "pgdn",
        "backspace",
        "tab",
        "f1",
        "S-tab",
        "S-left",
        "S-right",
        "S-backspace",
        "S-enter",
    ];
    let printable = ('!'..='~').map(String::from);
    let control = ('a'..='z').map(|letter| format!("ctrl-{letter}"));
    let all = printable.chain(control).chain(NAMED.map(str::to_owned));
    all.filter(|chord| !["q", "ctrl-c"].contains(&chord.as_str())).collect()
}

#[test]
fn check_11_too_small_says_so_and_no_key_but_quitting_does_anything() {
    for screen in Screen::ALL {
        let mut explorer = on(screen, USUAL);
        let before = observed(&mut explorer);
        for (width, height) in [(60, 8), (79, 10), (59, 24)] {
            explorer.resize(width, height);
            let text = explorer.text();
            assert!(text.contains(&format!("{width}x{height} is too small")) && text.contains("60x16"), "{text}");
            let small = observed(&mut explorer);
            for chord in pressable() {
                explorer.press(&chord);
                assert_eq!(observed(&mut explorer), small, "{chord} on {}", screen.name());
            }
        }
        explorer.resize(USUAL.0, USUAL.1);
        assert_eq!(observed(&mut explorer), before, "{}", screen.name());
        explorer.resize(59, 24);
        explorer.press(if screen == Screen::Live { "ctrl-c" } else { "q" });
        assert_eq!(explorer.ended(), Some(screen == Screen::Live));
    }
}

#[test]
fn check_11_what_lies_over_a_screen_is_there_again_when_there_is_room() {
    for popup in ["?", ":", "S", "f", "m", "B"] {
        let mut explorer = failing(USUAL, "gateway-timeout");
        explorer.press(popup);
        let before = observed(&mut explorer);
        explorer.resize(60, 8);
        explorer.press("x esc enter : c");
        explorer.take_line(r#"{"paste":"and this"}"#).unwrap();
        explorer.resize(USUAL.0, USUAL.1);
        assert_eq!(observed(&mut explorer), before, "{popup}");
    }
}

#[test]
fn check_12_help_begins_with_this_screen_filters_does_and_closes() {
    for screen in Screen::ALL {
        let mut explorer = on(screen, (120, 120));
        explorer.press("?");
        let text = explorer.text();
        assert!(text.contains(&format!("Help: {}", screen.name())), "{text}");
        let row = |help: &str| text.lines().position(|line| line.contains(start(help)));
        let everywhere: BTreeSet<String> = bound(Screen::Scenarios).into_iter().map(|(name, ..)| name).collect();
        let everywhere: BTreeSet<String> =
            bound(Screen::Live).into_iter().map(|(name, ..)| name).filter(|name| everywhere.contains(name)).collect();
        let (every, own): (Vec<_>, Vec<_>) = bound(screen).into_iter().partition(|it| everywhere.contains(&it.0));
        let last_own = own.iter().map(|(.., help)| row(help).unwrap_or_else(|| panic!("{help}"))).max();
        let first_of_all = every.iter().map(|(.., help)| row(help).unwrap_or_else(|| panic!("{help}"))).min();
        assert!(last_own < first_of_all, "{last_own:?} {first_of_all:?}\n{text}");

        explorer.type_text("colours");
        assert_eq!(help_rows(&explorer), ["the next set of colours"]);
        explorer.press("enter");
        assert!(!explorer.has_popup());
        assert_eq!(explorer.notice(), Some("colours: mono"));
        explorer.press("? x x x esc");
        assert!(!explorer.has_popup());
        assert_eq!(explorer.ended(), None);
    }
}

/// As much of a line of help as fits everywhere.
fn start(help: &str) -> &str {
    help.char_indices().nth(60).map_or(help, |(at, _)| &help[..at])
}

/// What help lists now, in a terminal of 120 columns.
fn help_rows(explorer: &Headless) -> Vec<String> {
    let text = explorer.text();
    let lines = text.lines().skip_while(|line| !line.contains(" filter: ")).skip(1);
    let inner = lines.take_while(|line| !line.contains("Esc closes"));
    let rows = inner.map(|line| line.chars().skip(28).take(78).collect::<String>().trim().to_owned());
    rows.filter(|row| !row.is_empty()).collect()
}

#[test]
fn check_13_help_lists_the_table_of_keys_and_nothing_else() {
    for screen in Screen::ALL {
        let mut explorer = on(screen, (120, 120));
        explorer.press("?");
        let rows = help_rows(&explorer);
        let listed: BTreeSet<&str> = rows.iter().map(|row| start(row)).collect();
        let table = bound(screen);
        let known: BTreeSet<&str> = table.iter().map(|(.., help)| start(help)).collect();
        assert_eq!(listed, known);
        assert_eq!(rows.len(), table.len(), "{rows:#?}");
    }
}

#[test]
fn check_13_what_scripts_are_told_of_the_keys_is_the_table() {
    assert_eq!(Shell::empty().json(&["keys", "--json"]), keys::as_json());
}

#[test]
fn check_13_no_key_stands_twice_on_a_screen() {
    for screen in Screen::ALL {
        let mut seen = BTreeMap::new();
        for (name, keys, _) in bound(screen) {
            for key in keys {
                let other = seen.insert(key.clone(), name.clone());
                assert_eq!(other, None, "{key} is {name} too, on {}", screen.name());
            }
        }
    }
}

/// What has to be there for a key to find something to do.
fn before(screen: Screen, name: &str) -> &'static str {
    match (screen, name) {
        (_, "undo") => "f c enter",
        (_, "redo") => "f c enter u",
        (_, "zoom-out" | "zoom-fit") => "+ +",
        (_, "prove" | "effects") => "w",
        (_, "history-back") => "h",
        (_, "history-on") => "h backspace",
        (_, "next-hit" | "last-hit") => "/ s h o p enter h h h h",
        (_, "last-lanes") => ">",
        (_, "forward") => "h",
        (Screen::Scenarios, "up") => "down",
        (Screen::Scenarios, "half-up" | "page-up") => "pgdn",
        (Screen::Scenarios, "escape") => "/ o v e r enter",
        (Screen::Live | Screen::Spacetime, "down" | "half-down" | "page-down") => "k k",
        (Screen::Lab, "up" | "half-up" | "page-up") => "j j",
        (Screen::Lab, "escape") => "z",
        _ => "",
    }
}

/// A key that finds nothing to do, and why that is right.
fn has_nothing_to_do(screen: Screen, name: &str) -> bool {
    // The screen that is shown already.
    screen.name() == name
        // Where all columns fit there are no next ones.
        || ["next-lanes", "last-lanes"].contains(&name)
        // The clocks of this scenario are all right.
        || name == "clocks"
}

#[test]
fn check_13_every_key_of_the_table_does_something() {
    let _alone = writing();
    for screen in Screen::ALL {
        let size = if screen == Screen::Scenarios { USUAL } else { LARGE };
        let mut idle = Vec::new();
        for (name, keys, _) in bound(screen) {
            for key in keys {
                // Of the three, this one is explained the fastest.
                let scenario = if name == "explain" { "oversell" } else { "gateway-timeout" };
                let mut explorer = showing(screen, failing(size, scenario));
                explorer.press(before(screen, &name));
                explorer.press(UNBOUND);
                let was = observed(&mut explorer);
                explorer.press(&key);
                if observed(&mut explorer) == was && !has_nothing_to_do(screen, &name) {
                    idle.push(format!("{name} ({key})"));
                }
            }
        }
        assert!(idle.is_empty(), "nothing comes of these on {}: {idle:#?}", screen.name());
    }
}

#[test]
fn check_13_a_key_that_is_not_in_the_table_does_nothing() {
    for screen in Screen::ALL {
        let bound: BTreeSet<String> = bound(screen).into_iter().flat_map(|(_, keys, _)| keys).collect();
        let mut explorer = on(screen, USUAL);
        explorer.press(UNBOUND);
        let before = observed(&mut explorer);
        // Shift and Enter come as Enter from most terminals.
        let free: Vec<String> = pressable().into_iter().filter(|it| !bound.contains(it) && it != "S-enter").collect();
        assert!(free.len() > 30, "{free:?}");
        for chord in free {
            explorer.press(&chord);
            assert_eq!(observed(&mut explorer), before, "{chord} on {}", screen.name());
        }
    }
}

#[test]
fn check_14_escape_never_quits() {
    for screen in Screen::ALL {
        for popup in ["", "?", ":", "/", "z", "t", "&", "S", "f", "F", "B", "m", "'", "w", "f c"] {
            let mut explorer = on(screen, USUAL);
            explorer.press(popup);
            for _ in 0..10 {
                explorer.press("esc");
            }
            assert_eq!((explorer.ended(), explorer.has_popup()), (None, false), "{popup} on {}", screen.name());
        }
    }
}

/// That each glyph says what it says without colour is tested beside the glyphs.
#[test]
fn check_16_and_18_without_colours_the_same_is_written_and_no_theme_paints_the_ground() {
    for (what, keys) in [
        (None, ""),
        (None, "?"),
        (Some("checkout"), ""),
        (Some("gateway-timeout"), "r"),
        (Some("gateway-timeout"), "r 3 w w"),
        (Some("oversell"), "r S"),
        (Some("checkout"), "r f"),
        (Some("checkout"), "r : x"),
        (Some("checkout"), "r 5"),
        (Some("checkout"), "r 5 p s"),
    ] {
        for size in [USUAL, LARGE] {
            for letters in [Letters::Utf8, Letters::Ascii] {
                let drawn = |theme: Theme| {
                    LazyLock::force(&FOLDER);
                    let mut explorer = Headless::with_look(size, Look { letters, theme }, what);
                    for key in keys.split(' ').filter(|key| !key.is_empty()) {
                        explorer.press(key);
                        if key == "r" {
                            explorer.run_until_paused();
                        }
                    }
                    (explorer.text(), explorer.draw())
                };
                let (mono, plain) = drawn(Theme::Mono);
                assert!(plain.content.iter().all(|cell| cell.fg == Color::Reset), "{what:?} {keys}");
                for theme in [Theme::Auto, Theme::Mono, Theme::Contrast, Theme::OkabeIto] {
                    let (text, buffer) = drawn(theme);
                    // The name of the theme itself stands at the right edge of the first line.
                    let words = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
                    assert_eq!(words(&text), words(&mono), "{what:?} {keys} {theme:?}");
                    for cell in &buffer.content {
                        assert_eq!(cell.bg, Color::Reset, "{what:?} {keys} {theme:?}");
                        let banned = [Color::White, Color::Gray, Color::DarkGray, Color::Black];
                        assert!(!banned.contains(&cell.fg), "{what:?} {keys} {theme:?} {:?}", cell.fg);
                        assert!(letters == Letters::Utf8 || cell.symbol().is_ascii(), "{:?}", cell.symbol());
                    }
                }
            }
        }
    }
}

/// The rows of the pane that shows all nodes over time: the one of a node, and the last one, of marks.
fn timeline(explorer: &Headless, node: &str) -> (String, String) {
    let text = explorer.text();
    let pane: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.contains("─ Timeline "))
        .skip(1)
        .take_while(|line| !line.starts_with('└'))
        .collect();
    let lane = pane.iter().find(|line| line.trim_start_matches(['│', ' ']).starts_with(node));
    let lane = lane.unwrap_or_else(|| panic!("no lane of {node}\n{text}"));
    ((*lane).to_owned(), pane.last().map(|line| (*line).to_owned()).unwrap_or_default())
}

#[track_caller]
fn check_broken_is_seen(explorer: &Headless, node: &str) {
    let (lane, marks) = timeline(explorer, node);
    assert!(lane.contains('✗') && marks.contains('✗'), "{}", explorer.text());
}

#[test]
fn check_22_what_broke_never_vanishes_however_far_out() {
    for size in [USUAL, LARGE] {
        for (scenario, node) in [("gateway-timeout", "gateway"), ("checkout", "gateway"), ("oversell", "inventory")] {
            let mut explorer = failing(size, scenario);
            check_broken_is_seen(&explorer, node);
            explorer.press("G G");
            explorer.run_until_paused();
            check_broken_is_seen(&explorer, node);
            let whole = timeline(&explorer, node);
            for _ in 0..5 {
                (0..12).for_each(|_| explorer.press("+"));
                (0..12).for_each(|_| explorer.press("-"));
                assert_eq!(timeline(&explorer, node), whole);
            }
            explorer.press("R");
            for key in ["+"; 40].iter().chain(["-"; 40].iter()) {
                explorer.press(key);
                check_broken_is_seen(&explorer, node);
            }
        }
    }
}

/// The digests that a plain run comes to, from before its first event on.
fn digests(scenario: &str, seed: u64, events: usize) -> Vec<String> {
    let model = builtin::scenario(scenario).unwrap().unwrap().model(&Choices::none()).unwrap();
    let (mut sim, _) = model.start(sim_core::Seed(seed));
    let mut digests = vec![sim.digest().to_string()];
    while digests.len() <= events && sim.step().is_some() {
        digests.push(sim.digest().to_string());
    }
    digests
}

#[test]
fn check_23_wherever_one_goes_an_event_has_the_digest_of_a_plain_run() {
    for (index, (scenario, seed)) in
        SCENARIOS.iter().flat_map(|scenario| [0, 7].map(|seed| (*scenario, seed))).enumerate()
    {
        let expected = digests(scenario, seed, 60_000);
        let mut dice = Dice::new(index as u64);
        let mut explorer = opened(USUAL, Some(scenario));
        explorer.command(&format!("seed {seed}"));
        explorer.press(if seed == 0 { "3" } else { "2" });
        let mut way = Vec::new();
        for _ in 0..500 {
            let edge = explorer.cursor().unwrap().1;
            let key = match dice.below(14) {
                0 | 1 => "l".to_owned(),
                2 | 3 => "h".to_owned(),
                4 => (*dice.one_of(&["L", "H", "a", "A", "R", "g", "end", "backspace", "S-backspace", "w", "W"]))
                    .to_owned(),
                5 => (*dice.one_of(&["j", "k", "pgdn", "pgup", "ctrl-d", "ctrl-u"])).to_owned(),
                6 | 7 => format!(":forward {}", dice.below(40)),
                8 => format!(":back {}", dice.below(200)),
                9 => format!(":goto {}ms", dice.below(2_000)),
                _ => format!(":goto #{}", dice.below(edge + 1)),
            };
            match key.strip_prefix(':') {
                Some(line) => explorer.command(line),
                None => explorer.press(&key),
            }
            way.push(key);
            // The edge, pressed at the edge, would run to the end of the day.
            explorer.press("esc");
            if explorer.text().lines().next().unwrap().contains(" RUN ") {
                explorer.press("space");
            }
            let (cursor, _) = explorer.cursor().unwrap();
            let there = explorer.digest().unwrap();
            assert_eq!(there, expected[cursor as usize], "{scenario} seed {seed}, #{cursor}, after {way:?}");
        }
    }
}

/// What was explored, written and read again: where the case is, and what it says.
#[track_caller]
fn left(explorer: &mut Headless) -> (String, Case) {
    let line = explorer.leave().unwrap().unwrap();
    let path = line.split_whitespace().nth(2).unwrap().to_owned();
    let text = std::fs::read_to_string(FOLDER.join(&path)).unwrap();
    (line, serde_json::from_str(&text).unwrap())
}

#[test]
fn check_24_faults_that_are_added_by_keys_replay_from_the_case() {
    let _alone = writing();
    let every = ["f c enter", "f p enter", "f l enter", "f d enter", "f t enter", "f w enter", "f p enter h h f h"];
    for (index, keys) in every.iter().enumerate() {
        for scenario in SCENARIOS {
            let mut explorer = opened(USUAL, Some(scenario));
            explorer.command(&format!("seed {}", 100 + index));
            explorer.command(&format!("goto {}ms", 200 + 37 * index));
            explorer.press(keys);
            explorer.command("goto 900ms");
            explorer.press("f d tab enter");
            explorer.press("G g");
            let broke = runs_to_a_failure(&mut explorer);
            let (event, _) = explorer.cursor().unwrap();
            let digest = explorer.digest().unwrap();
            let (line, case) = left(&mut explorer);
            assert!(!case.faults.is_empty(), "{line}");
            let expect = case.expect.as_ref().unwrap();
            assert_eq!((expect.events, expect.verdict.is_failure()), (Some(event), broke), "{scenario} {keys}: {line}");
            let mut seen = None;
            let replayed = sim_models::scenario::replay("it", &case, Limits::default(), |sim, step| {
                if step.number == event {
                    seen = Some(sim.digest().to_string());
                }
                ControlFlow::Continue(())
            });
            let replayed = replayed.unwrap();
            assert!(replayed.reproduced, "{scenario} {keys}: {line}");
            assert_eq!(seen, Some(digest), "{scenario} {keys}: {line}");
            check_replays(&line, broke.then_some(event));
        }
    }
}

/// The line that is said at the end works, and names the event.
#[track_caller]
fn check_replays(line: &str, event: Option<u64>) {
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let mut command = Shell::empty().command(&words);
    let said = crate::shell::Said::of(&command.current_dir(&*FOLDER).output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{line}\n{}", said.out);
    if let Some(event) = event {
        let first = said.out.lines().next().unwrap_or_default().replace(',', "");
        assert!(first.starts_with(&format!("event {event}: ")), "{line}\n{}", said.out);
    }
}

#[test]
fn check_25_a_fault_in_the_past_is_a_branch_and_the_future_that_was_is_kept() {
    for scenario in SCENARIOS {
        let mut explorer = opened(LARGE, Some(scenario));
        explorer.command("goto 1900ms");
        let main = explorer.branch_digests()[0].clone();
        let (_, edge) = explorer.cursor().unwrap();
        explorer.command("goto 300ms");
        explorer.press("f c enter");
        let [kept, changed] = explorer.branch_digests().try_into().unwrap();
        assert_eq!(kept, main, "{scenario}");
        assert_ne!(changed, main, "{scenario}: a crash changes what comes after");
        check_branches(&mut explorer, &["main", "branch 1"]);
        explorer.press("u");
        assert_eq!(explorer.branch_digests(), [main.as_str(), main.as_str()], "{scenario}: taken back");
        explorer.press("U");
        assert_eq!(explorer.branch_digests(), [main.as_str(), changed.as_str()], "{scenario}: put in again");
        let here = (explorer.cursor().unwrap().0, explorer.digest().unwrap());
        explorer.press("b");
        assert_eq!(explorer.digest().as_ref(), Some(&here.1), "{scenario}");
        assert_eq!(explorer.cursor(), Some((here.0, here.0)), "{scenario}: a branch ends where it parted");
        assert_eq!(explorer.branch_digests(), [main.clone(), changed.clone(), here.1], "{scenario}");
        check_branches(&mut explorer, &["main", "branch 1", "branch 2"]);
        for (keys, digest) in [("B enter G", &main), ("B j enter G", &changed), ("B enter G", &main)] {
            explorer.press(keys);
            assert_eq!(explorer.digest().as_ref(), Some(digest), "{scenario} {keys}");
        }
        assert_eq!(explorer.cursor(), Some((edge, edge)), "{scenario}");
    }
}

#[track_caller]
fn check_branches(explorer: &mut Headless, names: &[&str]) {
    explorer.press("B");
    let text = explorer.text();
    assert!(names.iter().all(|name| text.contains(&format!("{name} "))), "{text}");
    explorer.press("esc");
}

/// A fault that is still to come leaves all as it was, and the explorer says so.
#[test]
fn check_25_a_fault_that_is_to_come_changes_nothing_that_was() {
    for scenario in SCENARIOS {
        let mut explorer = failing(USUAL, scenario);
        let before = (explorer.cursor(), explorer.branch_digests());
        explorer.press("f c enter");
        assert_eq!((explorer.cursor(), explorer.branch_digests()), before, "{scenario}");
        let notice = explorer.notice().unwrap_or_default();
        assert!(notice.starts_with("recorded: ") && notice.ends_with("what happened so far is as it was"), "{notice}");
        explorer.press("u");
        assert_eq!((explorer.cursor(), explorer.branch_digests()), before, "{scenario}");
    }
}

#[test]
fn check_26_why_leads_from_every_failure_to_where_it_began() {
    for scenario in SCENARIOS {
        let mut failures = 0;
        for seed in 0..40_u64 {
            let mut explorer = opened(USUAL, Some(scenario));
            explorer.command(&format!("seed {seed}"));
            if !runs_to_a_failure(&mut explorer) {
                continue;
            }
            failures += 1;
            check_walk(&mut explorer, &format!("{scenario} seed {seed}"));
            if failures == 10 {
                break;
            }
        }
        assert_eq!(failures, 10, "{scenario}");
    }
}

#[track_caller]
fn check_walk(explorer: &mut Headless, name: &str) {
    explorer.press("w");
    let walk = explorer.walk();
    let (last, before) = walk.split_last().unwrap_or_else(|| panic!("{name}: no way back\n{}", explorer.text()));
    assert!(last.root && before.iter().all(|step| !step.root), "{name}: {walk:#?}");
    for (at, step) in walk.iter().enumerate() {
        let said = format!("{name}, step {at}, {:?}: {}", step.link, step.words);
        assert!(!step.words.trim().is_empty() && !said.to_lowercase().contains("unknown"), "{said}");
        if let Some(event) = step.event {
            assert_eq!(explorer.cursor().unwrap().0, event, "{said}");
        }
        explorer.press("p");
        let proof = explorer.notice().unwrap_or_default().to_owned();
        let (proven, alone) = (proof.starts_with("proven: "), proof.starts_with("not needed alone: "));
        assert!(proven || alone, "{said}: {proof}");
        assert!(proven || ![Link::Sent, Link::Timer].contains(&step.link), "{said}: {proof}");
        explorer.press("w");
    }
    assert!(explorer.notice().is_some_and(|notice| notice.contains("where it began")), "{name}\n{}", explorer.text());
}

/// Where an event is cited, `[#38 1.747s]` or at the beginning of a row, with its instant. The how-manieth draw is no event.
fn cited(text: &str) -> BTreeSet<(u64, String)> {
    let is_cited = |at: &usize| text[..*at].ends_with(['[', '\n']) || text[..*at].ends_with("  ");
    let one = |at: usize| {
        let rest = &text[at + 1..];
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let instant = rest[number.len()..].trim_start().split([' ', ']', ')', ',', '\n']).next()?;
        let seconds: f64 = instant.strip_suffix('s')?.parse().ok()?;
        Some((number.parse().ok()?, format!("{seconds:.3}")))
    };
    text.match_indices('#').map(|(at, _)| at).filter(is_cited).filter_map(one).collect()
}

#[test]
fn check_27_what_explain_cites_is_there_at_that_instant() {
    let _alone = writing();
    for scenario in SCENARIOS {
        let mut explorer = failing((120, 400), scenario);
        explorer.press("e");
        let text = explorer.text();
        let cited = cited(&text);
        assert!(cited.len() > 5, "{scenario}: {cited:?} in\n{text}");
        explorer.press("esc s");
        assert!(explorer.notice().is_some_and(|notice| notice.contains("smallest")), "{}", explorer.text());
        let edge = explorer.cursor().unwrap().1;
        for (event, instant) in cited {
            assert!(event <= edge, "{scenario}: #{event} of {edge}");
            explorer.command(&format!("goto #{event}"));
            let title = explorer.text().lines().next().unwrap().to_owned();
            let seconds =
                title.split_whitespace().filter_map(|word| word.strip_suffix('s')?.parse::<f64>().ok()).next();
            let shown = format!("{:.3}", seconds.unwrap_or_else(|| panic!("no instant in {title}")));
            assert_eq!(shown, instant, "{scenario} #{event}: {title}");
        }
    }
}

#[test]
fn check_28_numbers_that_are_not_there_are_dashes_and_short_times_have_their_unit() {
    const QUICK: &str = r#"{
        "faultline": 1, "name": "quick",
        "nodes": {"api": {"kind": "service", "endpoints": {"get": [{"work": "200us"}, {"reply": "OK"}]}}},
        "workload": {"user": {"rate": "50/s", "limit": 100, "each": "visit", "do": [{"call": "api.get"}]}},
        "properties": {"all is well": {"never": "error > 0"}}
    }"#;
    LazyLock::force(&FOLDER);
    std::fs::write(FOLDER.join("quick.json"), QUICK).unwrap();
    for size in [USUAL, LARGE] {
        let mut explorer = opened(size, Some("quick.json"));
        let text = explorer.text();
        for name in ["errors", "p50", "p99"] {
            let line =
                text.lines().find(|line| line.contains(&format!("│{name} "))).unwrap_or_else(|| panic!("{text}"));
            let value = line.split(&format!("│{name} ")).nth(1).unwrap().split_whitespace().next().unwrap();
            assert_eq!(value, "–", "{name}\n{text}");
        }
        assert!(text.contains("so far –"), "{text}");
        explorer.press("G");
        explorer.run_until_paused();
        explorer.command("goto 1s");
        let text = explorer.text();
        for name in ["p50", "p99"] {
            let line = text.lines().find(|line| line.contains(&format!("│{name} "))).unwrap();
            assert!(line.contains("200µs"), "{name}\n{text}");
        }
        let errors = text.lines().find(|line| line.contains("│errors ")).unwrap();
        assert!(errors.contains(" 0.0 %"), "{text}");
    }
}

/// Help can be left as it was entered, and what is typed there is no command.
#[test]
fn keys_that_mean_something_are_letters_where_a_line_is_typed() {
    let mut explorer = failing(USUAL, "gateway-timeout");
    let before = explorer.cursor();
    explorer.press(": q G s e esc");
    explorer.press("? q G s esc");
    explorer.press("/ q q q esc");
    assert_eq!((explorer.cursor(), explorer.ended(), explorer.has_popup()), (before, None, false));
}

/// The last line of a text can be seen at every size, and the first key back goes back.
#[test]
fn a_text_is_scrolled_to_its_end_and_back() {
    let _alone = writing();
    let mut explorer = failing((120, 200), "oversell");
    explorer.press("e");
    let text = explorer.text();
    let last = text.lines().rfind(|line| line.contains("faultline-cases")).unwrap();
    for size in [USUAL, (60, 16)] {
        explorer.resize(size.0, size.1);
        let begins = explorer.text();
        explorer.press("G");
        let end = explorer.text();
        let word = last.split_whitespace().last().unwrap();
        assert!(end.contains(&word[..20.min(word.len())]), "{word}\n{end}");
        explorer.press("k");
        assert_ne!(explorer.text(), end, "k goes up one line");
        explorer.press("j");
        assert_eq!(explorer.text(), end);
        explorer.press("g");
        assert_eq!(explorer.text(), begins);
    }
}
