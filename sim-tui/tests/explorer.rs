//! The list of what the explorer must do, by number. What needs a real terminal is here: what it leaves behind, what it costs, what
//! it does when it is stopped, resized, killed. What needs none is beside it.
#![cfg(unix)]

#[path = "explorer/at_random.rs"]
mod at_random;
mod dice;
#[path = "explorer/lab.rs"]
mod lab;
mod pty;
mod shell;
#[path = "explorer/without_a_terminal.rs"]
mod without_a_terminal;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sim_core::case::Case;
use sim_tui::explore::headless::Headless;
use sim_tui::explore::look::Look;

use crate::dice::Dice;
use crate::pty::{Pty, State};
use crate::shell::{Said, Shell};

/// An explorer in a terminal of the ordinary size, after its first frame.
#[track_caller]
fn explorer(words: &[&str], variables: &[(&str, &str)]) -> Pty {
    sized(words, variables, 80, 24)
}

#[track_caller]
fn sized(words: &[&str], variables: &[(&str, &str)], columns: u16, rows: u16) -> Pty {
    let pty = Pty::open(words, variables, columns, rows);
    pty.wait_for("Scenarios");
    pty
}

/// It ended so, and the terminal is as it was before.
#[track_caller]
fn check_left(pty: &Pty, exit: u32) {
    assert_eq!(pty.exit(), exit, "{}", pty.screen());
    assert_eq!(pty.state(), State::ORDINARY, "{}", pty.screen());
    assert!(pty.modes_are_as_before(), "the line discipline is as it was");
    let written = pty.written();
    let after = written.rsplit("\x1b[?1049l").next().unwrap();
    let left = after.replace("\x1b[?25h", "");
    assert!(!left.contains('\x1b'), "nothing is drawn after it was left: {left:?}");
}

/// The numbers of all colours and modifiers that were asked for.
fn renditions(written: &str) -> Vec<u16> {
    let sequences = written.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m').map(|(numbers, _)| numbers));
    let plain = |numbers: &&str| numbers.chars().all(|c| c.is_ascii_digit() || c == ';');
    let numbers = sequences.filter(plain).flat_map(|numbers| numbers.split(';').map(str::parse));
    numbers.filter_map(Result::ok).collect()
}

/// 39 and 49 take a colour back, and are none.
fn is_colour(rendition: &u16) -> bool {
    matches!(rendition, 30..=38 | 40..=48 | 90..=97 | 100..=107)
}

#[test]
fn check_01_the_first_frame_shows_the_scenarios_and_asks_the_terminal_nothing() {
    let pty = explorer(&[], &[]);
    assert_eq!(pty.state(), State::EXPLORING, "the mouse is left to the terminal");
    pty.quiet_for(Duration::from_millis(300));
    let written = pty.written();
    // Cursor position, device attributes, status, modes, keyboard protocol, colours: whatever a terminal answers lands among the keys.
    for query in [
        "\x1b[6n",
        "\x1b[?6n",
        "\x1b[c",
        "\x1b[0c",
        "\x1b[>c",
        "\x1b[>0c",
        "\x1b[5n",
        "\x1b[?u",
        "$p",
        "\x1b]10;?",
        "\x1b]11;?",
    ] {
        assert!(!written.contains(query), "{query:?} in {written:?}");
    }
    assert_eq!(written.matches("\x1b[?2026h").count(), written.matches("\x1b[?2026l").count(), "{written:?}");
}

#[test]
fn check_02_quitting_restores_the_terminal() {
    let mut pty = explorer(&["explore"], &[]);
    pty.keys("q");
    check_left(&pty, 0);
}

#[test]
fn check_02_the_shell_echoes_after_quitting() {
    let mut shell = Pty::shell(80, 24);
    shell.keys("faultline\r");
    shell.wait_for("Scenarios");
    shell.keys("q");
    shell.wait_for_prompt();
    assert_eq!(shell.state(), State::ORDINARY, "{}", shell.screen());
    shell.keys("echo code $? and $((40 + 2))\r");
    shell.wait_for("code 0 and 42");
    assert!(shell.screen().contains("echo code $?"), "{}", shell.screen());
}

/// Somewhere in the explorer: what it is opened with, what is typed, what is seen then.
struct Place {
    words: &'static [&'static str],
    keys: &'static str,
    seen: &'static str,
    /// How to quit from here by `q`.
    out: &'static str,
}

/// In a run of this scenario a property breaks soon, and there it stops.
const RUN: &[&str] = &["explore", "gateway-timeout"];

/// Every screen and every sort of popup.
const PLACES: [Place; 14] = [
    Place { words: &["explore"], keys: "", seen: "Scenarios", out: "q" },
    Place { words: &["explore"], keys: "?", seen: "Help: scenarios", out: "\x1bq" },
    Place { words: &["explore"], keys: ":half a command", seen: ":half a command", out: "\x1bq" },
    Place { words: RUN, keys: "", seen: "broke", out: "qq" },
    Place { words: RUN, keys: "3", seen: "time (s)", out: "qqq" },
    Place { words: RUN, keys: "?", seen: "Help: live", out: "\x1bqq" },
    Place { words: RUN, keys: ":half a command", seen: ":half a command", out: "\x1bqq" },
    Place { words: RUN, keys: "S", seen: "Settings", out: "\x1bqq" },
    Place { words: RUN, keys: "B", seen: "Branches", out: "\x1bqq" },
    Place { words: RUN, keys: "5", seen: "Algebra and simulation", out: "qqq" },
    Place { words: RUN, keys: "f", seen: "Break something", out: "\x1bqq" },
    Place { words: RUN, keys: "m", seen: "any letter", out: "\x1bqq" },
    Place { words: RUN, keys: OPEN_NOTHING, seen: "no file", out: "\x1bqq" },
    FLAT_OUT,
];

/// A run of millions of events.
const LONG: &[&str] = &["explore", "checkout"];
const LONG_KEYS: &str = ":set orders=1000000\rGG";
const FLAT_OUT: Place = Place { words: LONG, keys: LONG_KEYS, seen: "RUN", out: "qq" };

/// A message that is too long for the bottom line is a text to read.
const OPEN_NOTHING: &str =
    ":open a-scenario-that-is-not-there-and-whose-name-is-so-long-that-no-line-of-eighty-columns-holds-it.json\r";

impl Place {
    /// An explorer there, with the mouse on.
    #[track_caller]
    fn reached(&self) -> Pty {
        let mut pty = Pty::open(self.words, &[], 80, 24);
        pty.wait_for(if self.words.len() > 1 { "1 broken" } else { "gateway-timeout" });
        pty.keys("%");
        pty.wait_until("the mouse is on", |now| now.state().mouse);
        pty.keys(self.keys);
        pty.wait_for(self.seen);
        pty
    }

    /// What was explored was written as a case; it is one, and replays.
    #[track_caller]
    fn check_case(&self, pty: &Pty) {
        let cases = cases(pty);
        assert_eq!(cases.len(), usize::from(self.words.len() > 1), "{cases:?}");
        for path in cases {
            let text = std::fs::read_to_string(&path).unwrap();
            let case: Case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
            assert!(case.expect.is_some(), "{text}");
            let replayed = Command::new(env!("CARGO_BIN_EXE_faultline")).arg("replay").arg(&path).output().unwrap();
            assert_eq!(Said::of(&replayed).code, 0, "{}", Said::of(&replayed).out);
        }
    }
}

/// The cases that were written where the program ran.
fn cases(pty: &Pty) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(pty.folder.path().join("faultline-cases")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn check_02_quitting_from_every_screen_and_popup_restores_the_terminal_and_keeps_a_case() {
    for place in &PLACES {
        let mut pty = place.reached();
        // Esc and a letter that come at once are one key, Alt and the letter.
        let (esc, rest) = place.out.split_at(place.out.rfind('\x1b').map_or(0, |at| at + 1));
        if !esc.is_empty() {
            pty.keys(esc);
            pty.wait_until("the popup is gone", |now| !now.screen().contains(place.seen));
        }
        pty.keys(rest);
        check_left(&pty, 0);
        place.check_case(&pty);
    }
}

#[test]
fn check_03_ctrl_c_ends_it_from_every_screen_and_popup_with_130() {
    for place in &PLACES {
        let mut pty = place.reached();
        pty.keys("\x03");
        check_left(&pty, 130);
        place.check_case(&pty);
    }
}

const SIGNALS: [(&str, u32); 3] = [("TERM", 143), ("HUP", 129), ("INT", 130)];

#[test]
fn check_04_signals_end_it_with_their_number_on_every_screen_with_the_mouse_on() {
    for (place, (signal, exit)) in PLACES.iter().zip(SIGNALS.iter().cycle()) {
        let pty = place.reached();
        pty.signal(signal);
        check_left(&pty, *exit);
        place.check_case(&pty);
    }
}

#[test]
fn check_04_signals_end_it_with_their_number_while_it_runs_flat_out() {
    for (signal, exit) in SIGNALS {
        let pty = FLAT_OUT.reached();
        pty.signal(signal);
        check_left(&pty, exit);
        FLAT_OUT.check_case(&pty);
    }
}

#[test]
fn check_05_a_panic_on_the_screens_thread_is_told_after_the_terminal_is_back() {
    check_panic("ui", "asked to, on the screen's thread");
}

#[test]
fn check_05_a_panic_on_a_workers_thread_is_told_after_the_terminal_is_back() {
    check_panic("worker", "asked to, on a worker's thread");
}

#[test]
fn check_05_a_panic_that_gets_out_of_a_simulation_is_told_after_the_terminal_is_back() {
    check_panic("kernel", "asked to, in the kernel");
}

/// A panicking actor is a finding; the screen stays.
#[test]
fn check_05_a_panic_that_a_simulation_catches_is_not_told() {
    let mut pty = explorer(&[], &[]);
    pty.keys(":debug-panic actor\r");
    pty.keys("%");
    pty.wait_until("the mouse is on", |now| now.state().mouse);
    pty.keys("q");
    check_left(&pty, 0);
    assert!(!pty.written().contains("asked to"), "{}", pty.written());
}

#[track_caller]
fn check_panic(whose: &str, message: &str) {
    let mut pty = sized(&[], &[], 200, 24);
    pty.keys("%");
    pty.wait_until("the mouse is on", |now| now.state().mouse);
    pty.keys(&format!(":debug-panic {whose}\r"));
    check_left(&pty, 101);
    let written = pty.written();
    let (drawn, after) = written.rsplit_once("\x1b[?1049l").unwrap();
    assert!(!drawn.contains("panicked at"), "{drawn:?}");
    assert_eq!(after.matches(message).count(), 1, "{after}");
    assert!(pty.screen().contains(message), "{}", pty.screen());
    let file =
        after.split_whitespace().find(|word| word.contains("faultline-crash-")).expect("the crash file is named");
    let crash = std::fs::read_to_string(file).unwrap();
    for part in [message, "What was being done:", "Where:"] {
        assert!(crash.contains(part), "{part} in {crash}");
    }
}

#[test]
fn check_06_ctrl_z_gives_the_shell_back_and_fg_draws_everything_anew() {
    let mut shell = Pty::shell(80, 24);
    shell.keys("faultline\r");
    shell.wait_for("Scenarios");
    shell.keys("%");
    shell.wait_until("the mouse is on", |now| now.state().mouse);
    shell.keys("\x1a");
    check_stopped_and_continued(&mut shell);
}

#[test]
fn check_06_stopping_it_from_outside_is_the_same() {
    let mut shell = Pty::shell(80, 24);
    shell.keys("faultline\r");
    shell.wait_for("Scenarios");
    shell.keys("%");
    shell.wait_until("the mouse is on", |now| now.state().mouse);
    shell.signal("TSTP");
    check_stopped_and_continued(&mut shell);
}

/// It is stopped with the mouse on: in between the shell works, and the size that changed meanwhile is noticed.
#[track_caller]
fn check_stopped_and_continued(shell: &mut Pty) {
    shell.wait_for_prompt();
    assert_eq!(shell.state(), State::ORDINARY, "{}", shell.screen());
    shell.keys("echo between $((40 + 2))\r");
    shell.wait_for("between 42");
    shell.wait_for_prompt();
    shell.resize(100, 30);
    shell.keys("fg\r");
    shell.wait_for_state(State { mouse: true, ..State::EXPLORING });
    shell.wait_until("it is drawn at the new size", |now| {
        now.screen().contains("Scenarios") && now.screen().lines().any(|line| line.chars().count() == 100)
    });
    assert!(!shell.screen().contains("between"), "{}", shell.screen());
    shell.keys("q");
    shell.wait_for_prompt();
    assert_eq!(shell.state(), State::ORDINARY, "{}", shell.screen());
    shell.keys("echo code $? again\r");
    shell.wait_for("code 0 again");
}

/// It was told to end while it was stopped: it does so as soon as it can.
#[cfg(target_os = "linux")]
#[test]
fn check_06_what_is_killed_while_it_is_stopped_ends_when_it_is_continued() {
    let mut shell = Pty::shell(80, 24);
    shell.keys("faultline\r");
    shell.wait_for("Scenarios");
    let explorer = shell.foreground();
    shell.keys("\x1a");
    shell.wait_for_prompt();
    shell.signal_to(explorer, "TERM");
    shell.signal_to(explorer, "CONT");
    // Ended, and not yet noticed by the shell.
    shell.wait_until("it is gone", |_| pty::state_of(explorer) == Some('Z'));
    shell.keys("fg; echo code $?\r");
    shell.wait_for("code 143");
    shell.wait_for_prompt();
    assert_eq!(shell.state(), State::ORDINARY, "{}", shell.screen());
}

/// What SIGSTOP stops cannot give the terminal back before, but takes it properly after.
#[test]
fn check_06_a_stop_that_nobody_can_catch_is_repaired_on_fg() {
    let mut shell = Pty::shell(80, 24);
    shell.keys("faultline\r");
    shell.wait_for("Scenarios");
    shell.signal("STOP");
    shell.wait_for_prompt();
    // The modes are still the explorer's, in which Enter is no end of a line.
    shell.keys("stty sane; echo between $((40 + 2))\n");
    shell.wait_for("between 42");
    shell.wait_for_prompt();
    shell.keys("fg\r");
    shell.wait_for("Scenarios");
    shell.wait_until("the shell's text is gone", |now| !now.screen().contains("between"));
    shell.keys("q");
    shell.wait_for_prompt();
    assert_eq!(shell.state(), State::ORDINARY, "{}", shell.screen());
    shell.keys("echo code $? again\r");
    shell.wait_for("code 0 again");
}

/// Without a shell above it nobody could ever continue it.
#[test]
fn check_06_without_a_shell_ctrl_z_does_not_freeze_it() {
    let mut pty = explorer(&[], &[]);
    pty.keys("\x1a%");
    pty.wait_until("the mouse is on", |now| now.state().mouse);
    pty.signal("TSTP");
    pty.keys("%");
    pty.wait_for_state(State::EXPLORING);
    pty.keys("q");
    check_left(&pty, 0);
}

/// The last line of a session is a command: in a shell it shows the same event again.
#[test]
fn check_07_the_last_line_replays_to_the_event_that_was_looked_at() {
    let mut shell = Pty::shell(100, 30);
    shell.keys("faultline explore gateway-timeout\r");
    shell.wait_for("1 broken");
    shell.keys("h");
    shell.wait_for("PAST");
    let event_of = |screen: &str| screen.split_once('#').unwrap().1.split_once(' ').unwrap().0.to_owned();
    let first = event_of(&shell.screen());
    shell.keys("h");
    shell.wait_until("it has gone back once more", |now| event_of(&now.screen()) != first);
    let event = event_of(&shell.screen());
    shell.keys("qq");
    shell.wait_for_prompt();
    let screen = shell.screen();
    let line = screen.lines().rfind(|line| line.contains("replay")).unwrap().trim();
    assert!(line.starts_with("faultline replay faultline-cases/explored-gateway-timeout-"), "{line}");
    assert!(line.ends_with(&format!(".json --at {event}")), "{line}");
    assert_eq!(screen.lines().next_back().unwrap().trim(), "ready>", "{screen}");
    let line = line.replacen("faultline", env!("CARGO_BIN_EXE_faultline"), 1);
    let again = Command::new("/bin/sh").args(["-c", &line]).current_dir(shell.folder.path()).output().unwrap();
    let said = Said::of(&again);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    assert!(said.out.starts_with(&format!("event {event}: ")), "{}", said.out);
}

#[test]
fn check_10_a_resize_storm_while_it_runs_ends_in_the_frame_that_a_fresh_start_shows() {
    let mut pty = explorer(&[], &[]);
    pty.wait_for("gateway-timeout");
    pty.keys("\r");
    pty.wait_for("1 broken");
    pty.keys(LONG_KEYS);
    pty.wait_for("RUN");
    let mut dice = Dice::new(1);
    for _ in 0..200 {
        pty.resize(dice.below(300) as u16 + 1, dice.below(100) as u16 + 1);
    }
    pty.resize(100, 30);
    pty.wait_until("it is drawn at the last size", |now| {
        now.screen().contains("RUN") && now.screen().lines().any(|line| line.chars().count() == 100)
    });
    pty.keys("q");
    let fresh = sized(&[], &[], 100, 30);
    fresh.quiet_for(Duration::from_millis(200));
    let wanted = fresh.screen();
    pty.wait_until(&format!("it shows what a fresh start shows:\n{wanted}\n"), |now| now.screen() == wanted);
    pty.keys("q");
    check_left(&pty, 0);
}

/// Too small a terminal: keys are written down and nothing comes of them, not even a question to the engine.
#[test]
fn check_11_when_it_is_too_small_no_key_does_anything_and_growing_shows_what_was_there() {
    let mut pty = Pty::open(&["explore", "gateway-timeout", "--record", "session"], &[], 80, 24);
    pty.wait_for("1 broken");
    pty.quiet_for(Duration::from_millis(300));
    let before = pty.screen();
    pty.resize(60, 8);
    pty.wait_for("60x8 is too small");
    let logged = |pty: &Pty| std::fs::read_to_string(pty.folder.path().join("session")).unwrap();
    let count = logged(&pty).lines().count();
    let keys = "3hjGwf:uS? %T";
    pty.keys(keys);
    pty.wait_until("the keys are written down", |_| logged(&pty).lines().count() >= count + keys.len());
    pty.resize(59, 24);
    pty.wait_for("59x24 is too small");
    let log = logged(&pty);
    let after: Vec<&str> = log.lines().skip(count).collect();
    assert_eq!(after.iter().filter(|line| line.contains("key")).count(), keys.len(), "{after:?}");
    assert!(after.iter().all(|line| line.contains("key") || line.contains("resize")), "{after:?}");
    pty.resize(80, 24);
    // Whether a blank was written or was always there is no difference.
    let trimmed = |screen: &str| screen.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    pty.wait_until(&format!("it shows what was there:\n{before}\n"), |now| trimmed(&now.screen()) == trimmed(&before));
    assert_eq!(pty.state(), State::EXPLORING);
    pty.resize(60, 8);
    pty.wait_for("60x8 is too small");
    pty.keys("q");
    check_left(&pty, 0);
}

#[test]
fn check_15_no_color_leaves_colours_out_and_keeps_what_is_selected_visible() {
    let plain = explorer(&[], &[("NO_COLOR", "1")]);
    plain.quiet_for(Duration::from_millis(200));
    let seen = renditions(&plain.written());
    assert_eq!(seen.iter().find(|rendition| is_colour(rendition)), None, "{seen:?}");
    assert!(seen.contains(&7) || seen.contains(&1), "reverse or bold: {seen:?}");
    let run = Pty::open(RUN, &[("NO_COLOR", "1")], 80, 24);
    run.wait_for("1 broken");
    run.quiet_for(Duration::from_millis(200));
    let seen = renditions(&run.written());
    assert_eq!(seen.iter().find(|rendition| is_colour(rendition)), None, "{seen:?}");
    let empty = explorer(&[], &[("NO_COLOR", "")]);
    empty.quiet_for(Duration::from_millis(200));
    assert!(renditions(&empty.written()).iter().any(is_colour), "{}", empty.written());
}

#[test]
fn check_17_a_locale_without_utf8_and_the_flag_draw_in_ascii() {
    let check = |words: &[&str], variables: &[(&str, &str)]| {
        let mut pty = explorer(words, variables);
        pty.keys("?");
        pty.wait_for("Help: scenarios");
        pty.keys("\r");
        pty.wait_for("1 broken");
        pty.keys("3");
        pty.wait_for("time (s)");
        pty.keys("S");
        pty.wait_for("Settings");
        pty.quiet_for(Duration::from_millis(200));
        pty.keys("\x03");
        check_left(&pty, 130);
        assert!(pty.bytes().is_ascii(), "{words:?} {variables:?}: {}", pty.written());
    };
    check(&["explore"], &[("LC_ALL", "C")]);
    check(&["explore", "--ascii"], &[]);
    check(&[], &[("LANG", "")]);
    let pty = explorer(&[], &[]);
    pty.wait_until("it draws beyond ASCII", |now| !now.screen().is_ascii());
}

#[cfg(target_os = "linux")]
#[test]
fn check_19_idle_it_writes_nothing_and_takes_no_time() {
    let mut pty = Pty::open(RUN, &[], 80, 24);
    pty.wait_for("1 broken");
    pty.keys("3");
    pty.wait_for("time (s)");
    let bytes = pty.quiet_for(Duration::from_millis(500));
    let before = pty.cpu();
    assert_eq!(pty.quiet_for(Duration::from_secs(3)), bytes);
    let spent = pty.cpu() - before;
    assert!(spent <= Duration::from_millis(20), "{spent:?}");
}

/// How fast an answer comes is measured elsewhere; here each key has one, and none waits once they are all typed.
#[test]
fn check_20_keys_are_answered_while_it_runs_flat_out() {
    let mut pty = Pty::open(&["explore", "checkout", "--record", "session"], &[], 80, 24);
    pty.wait_for("1 broken");
    let (set, run) = LONG_KEYS.split_once('\r').unwrap();
    pty.keys(set);
    pty.keys("\r");
    pty.wait_for("orders = ");
    pty.keys(run);
    pty.wait_for("RUN");
    for theme in ["mono", "contrast", "okabe-ito", "auto", "mono"] {
        pty.keys("T");
        pty.wait_for(&format!("colours: {theme}"));
    }
    assert!(pty.screen().contains("RUN"), "{}", pty.screen());
    pty.keys(&"T".repeat(49));
    pty.wait_for("colours: contrast");
    pty.keys(&"j".repeat(50));
    pty.keys("%");
    pty.wait_until("the mouse is on", |now| now.state().mouse);
    // Whoever walks about is no longer taken along.
    pty.wait_until("it is paused", |now| now.screen().contains("PAUSED") || now.screen().contains("PAST"));
    let log = std::fs::read_to_string(pty.folder.path().join("session")).unwrap();
    let pressed = |key: &str| log.lines().filter(|line| *line == format!("{{\"key\":\"{key}\"}}")).count();
    assert_eq!((pressed("T"), pressed("j"), pressed("%")), (54, 50, 1));
    pty.quiet_for(Duration::from_millis(300));
    let at = |screen: &str| screen.split_once('#').map(|(_, rest)| rest.split(' ').next().unwrap().to_owned());
    let before = at(&pty.screen());
    pty.keys("h");
    pty.wait_until("it goes one event back", |now| at(&now.screen()) != before);
    pty.keys("\x03");
    check_left(&pty, 130);
}

#[test]
fn check_30_without_a_terminal_the_explorer_says_so_in_one_line() {
    let said = Shell::empty().run(&["explore"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert_eq!(said.err, "the explorer needs a terminal; `faultline demo` tells the story as text\n");

    let closed = Shell::empty().command(&["explore"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(Said::of(&closed).code, 2);

    let mut shell = Pty::shell(100, 24);
    shell.keys("faultline explore | cat; echo piped $((40 + 2))\r");
    shell.wait_for("piped 42");
    assert!(shell.screen().contains("the explorer needs a terminal; "), "{}", shell.screen());
    assert!(!shell.written().contains("\x1b[?1049h"));
}

#[test]
fn check_30_a_terminal_without_a_screen_is_refused_in_one_line() {
    for (term, why) in [("dumb", "TERM=dumb has no screen to draw on; "), ("", "TERM is not set; ")] {
        let pty = Pty::open(&["explore"], &[("TERM", term)], 100, 24);
        assert_eq!(pty.exit(), 2);
        let written = pty.written();
        assert!(written.starts_with(why) && written.lines().count() == 1 && !written.contains('\x1b'), "{written:?}");
    }
}

#[test]
fn check_30_without_a_screen_the_bare_program_tells_the_story() {
    let pty = Pty::open(&[], &[("TERM", "dumb")], 100, 24);
    pty.wait_for("faultline");
    assert_eq!(pty.exit(), 0);
    assert!(!pty.written().contains("\x1b[?1049h"), "{}", pty.written());
}

/// What scripts read is text and JSON without a trace of a terminal, and the exit code says what was found.
#[test]
fn check_30_what_is_piped_has_no_escapes_and_json_is_json() {
    let shell = Shell::empty();
    for words in [
        &["hunt", "oversell", "--seeds", "3"][..],
        &["hunt", "oversell", "--seeds", "3", "--fresh", "--json"],
        &["run", "gateway-timeout", "--until", "3s"],
        &["run", "gateway-timeout", "--until", "3s", "--json"],
    ] {
        let output = shell.command(words).env_remove("TERM").stdin(Stdio::null()).output().unwrap();
        let said = Said::of(&output);
        assert_eq!(said.code, 1, "{words:?}: {}{}", said.out, said.err);
        assert!(!said.out.contains('\x1b') && !said.err.contains('\x1b'), "{words:?}: {}{}", said.out, said.err);
        let is_json = serde_json::from_str::<serde_json::Value>(&said.out).is_ok();
        assert_eq!(is_json, words.contains(&"--json"), "{words:?}: {}", said.out);
    }
}

#[test]
fn what_runs_by_itself_is_drawn_at_most_thirty_times_a_second() {
    let mut pty = Pty::open(RUN, &[], 80, 24);
    pty.wait_for("1 broken");
    let frames = |bytes: &[u8]| bytes.windows(8).filter(|part| *part == b"\x1b[?2026h").count();
    pty.quiet_for(Duration::from_millis(200));
    let (before, since) = (frames(&pty.bytes()), Instant::now());
    pty.keys(" ");
    pty.wait_until("30 frames are drawn", |now| frames(now.bytes()) >= before + 30);
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    pty.keys("\x03");
    check_left(&pty, 130);
}

#[test]
fn pasted_text_is_no_keys() {
    let mut pty = explorer(&[], &[]);
    pty.keys("\x1b[200~q\x03:q\r\x1b[201~");
    pty.keys("%");
    pty.wait_until("the mouse is on", |now| now.state().mouse);
    pty.keys("q");
    check_left(&pty, 0);
}

#[test]
fn ctrl_l_draws_everything_from_nothing() {
    let mut pty = explorer(&[], &[]);
    let before = pty.quiet_for(Duration::from_millis(200));
    pty.keys("\x0c");
    pty.wait_until("the screen is cleared and drawn", |now| {
        let new = String::from_utf8_lossy(&now.bytes()[before..]);
        new.split_once("\x1b[2J").is_some_and(|(_, drawn)| drawn.contains("Scenarios"))
    });
}

#[test]
fn what_is_copied_goes_through_the_terminal() {
    let mut shell = Pty::shell(80, 24);
    shell.keys("faultline explore gateway-timeout\r");
    shell.wait_for("1 broken");
    shell.keys("y");
    // OSC 52, the clipboard; base64 of `faultline replay f`.
    let head = b"\x1b]52;c;ZmF1bHRsaW5lIHJlcGxheSBm";
    shell.wait_until("something is copied", |now| now.bytes().windows(head.len()).any(|part| part == head));
}

/// What somebody did at a terminal, played again without one, ends in the same screen.
#[test]
fn a_recorded_session_is_a_test() {
    let mut pty = Pty::open(&["explore", "gateway-timeout", "--record", "session"], &[], 100, 30);
    pty.wait_for("1 broken");
    for keys in ["3", "w", "w", "p", "S", "jj", "\x1b"] {
        pty.keys(keys);
        pty.quiet_for(Duration::from_millis(100));
    }
    pty.keys("\x1b[200~is pasted\x1b[201~:crash gateway\x1b[200~ is pasted\x1b[201~");
    pty.resize(120, 40);
    pty.wait_for("crash gateway is pasted");
    pty.keys("\x15goto 1.5s\r");
    pty.wait_until("the line is gone", |now| !now.screen().contains("goto"));
    pty.keys("b");
    pty.wait_for("B lists them");
    pty.quiet_for(Duration::from_millis(300));
    let screen = pty.screen();
    pty.keys("\x03");
    check_left(&pty, 130);
    let log = std::fs::read_to_string(pty.folder.path().join("session")).unwrap();
    let played = Headless::play(&log, Look::plain()).unwrap();
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_end().to_owned();
    assert_eq!(trimmed(&played.text()), trimmed(&screen));
    assert_eq!(played.ended(), Some(true));
}

/// A session that somebody had once. When the screens change, the last frame changes with them, and nothing else may.
#[test]
fn a_session_of_old_still_ends_where_it_ended() {
    let session = Headless::play(include_str!("sessions/gateway-timeout.jsonl"), Look::plain()).unwrap();
    insta::assert_snapshot!(session.text());
}
