//! The explorer on a real terminal: what it leaves behind, what it costs, what it does when it is stopped, resized, killed.
//!
//! The numbers are those of the list of acceptance checks.
#![cfg(unix)]

mod pty;
mod shell;

use std::process::Stdio;
use std::time::{Duration, Instant};

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

#[test]
fn check_03_ctrl_c_ends_it_from_everywhere_with_130() {
    for before in ["", ":", ":half a command", " ", "m"] {
        let mut pty = explorer(&[], &[]);
        pty.keys(before);
        pty.keys("\x03");
        check_left(&pty, 130);
    }
}

#[test]
fn check_04_signals_end_it_with_their_number_while_it_runs_with_the_mouse_on() {
    for (signal, exit) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let mut pty = explorer(&[], &[]);
        pty.keys("m%");
        pty.wait_until("the mouse is on", |now| now.state().mouse);
        pty.signal(signal);
        check_left(&pty, exit);
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

#[test]
fn check_10_a_resize_storm_ends_in_the_frame_that_a_fresh_start_shows() {
    let mut pty = explorer(&[], &[]);
    pty.keys(" ");
    let mut state = 1_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u16::try_from((state >> 33) % below + 1).unwrap()
    };
    for _ in 0..200 {
        pty.resize(draw(300), draw(100));
    }
    pty.resize(100, 30);
    pty.keys(" ");
    let fresh = sized(&[], &[], 100, 30);
    fresh.quiet_for(Duration::from_millis(200));
    let wanted = fresh.screen();
    pty.wait_until(&format!("it shows what a fresh start shows:\n{wanted}\n"), |now| now.screen() == wanted);
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
    let empty = explorer(&[], &[("NO_COLOR", "")]);
    empty.quiet_for(Duration::from_millis(200));
    assert!(renditions(&empty.written()).iter().any(is_colour), "{}", empty.written());
}

#[test]
fn check_17_a_locale_without_utf8_and_the_flag_draw_in_ascii() {
    let check = |words: &[&str], variables: &[(&str, &str)]| {
        let mut pty = explorer(words, variables);
        pty.quiet_for(Duration::from_millis(200));
        pty.keys("q");
        check_left(&pty, 0);
        assert!(pty.bytes().is_ascii(), "{words:?} {variables:?}: {}", pty.written());
    };
    check(&["explore"], &[("LC_ALL", "C")]);
    check(&["explore", "--ascii"], &[]);
    check(&[], &[("LANG", "")]);
    let pty = explorer(&[], &[]);
    pty.quiet_for(Duration::from_millis(200));
    assert!(!pty.bytes().is_ascii(), "{}", pty.written());
}

#[cfg(target_os = "linux")]
#[test]
fn check_19_idle_it_writes_nothing_and_takes_no_time() {
    let pty = explorer(&[], &[]);
    let bytes = pty.quiet_for(Duration::from_millis(500));
    let before = pty.cpu();
    assert_eq!(pty.quiet_for(Duration::from_secs(3)), bytes);
    let spent = pty.cpu() - before;
    assert!(spent <= Duration::from_millis(20), "{spent:?}");
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

#[test]
fn what_runs_by_itself_is_drawn_at_most_thirty_times_a_second() {
    let mut pty = explorer(&[], &[]);
    let frames = |bytes: &[u8]| bytes.windows(8).filter(|part| *part == b"\x1b[?2026h").count();
    pty.quiet_for(Duration::from_millis(200));
    let (before, since) = (frames(&pty.bytes()), Instant::now());
    pty.keys("m");
    pty.wait_until("30 frames are drawn", |now| frames(now.bytes()) >= before + 30);
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    pty.keys("q");
    check_left(&pty, 0);
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
    let mut pty = explorer(&[], &[]);
    pty.keys("y");
    // OSC 52, the clipboard; base64 of `faultline …`.
    let head = b"\x1b]52;c;ZmF1bHRsaW5l";
    pty.wait_until("something is copied", |now| now.bytes().windows(head.len()).any(|part| part == head));
}
