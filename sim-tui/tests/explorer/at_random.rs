//! Whatever is pressed, pasted, clicked and resized, in whatever order: nothing panics, and the explorer can be drawn.

use serde_json::json;
use sim_tui::explore::headless::Headless;
use sim_tui::explore::keys;

use crate::dice::Dice;
use crate::without_a_terminal::opened;

/// A case that comes with the project.
const CASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases/checkout-charged-twice-small.json");

/// What is typed after a colon or where a line is asked for.
const LINES: [&str; 38] = [
    "goto 1s",
    "goto #30",
    "goto 20s",
    "forward 20",
    "forward 700",
    "back 9",
    "back 100000",
    "seed 7",
    "seed 0xffffffffffffffff",
    "set orders=3",
    "set timeout=50ms",
    "set timeout=",
    "set nothing=1",
    "remedy reconcile",
    "remedy wait-2s",
    "speed flat-out",
    "speed 1ns",
    "speed 1h",
    "filter node=shop",
    "filter kind=charge op=order/5",
    "filter",
    "find gateway",
    "find order/3",
    "theme mono",
    "theme auto",
    "changed up",
    "write-branch 0",
    "write-branch 1",
    "open oversell",
    "open gateway-timeout",
    "debug-panic ui",
    "0s.. crash shop",
    "1s..2s partition gateway | *",
    "100ms.. loss *->* 30%",
    // What seldom fails is simulated in no time.
    "lab 2of3(db, crews=1) --let db=mtbf=200y/mttr=1h",
    "lab (a#1 | b) * 99.99999% --let a=99.99999% --let b=a * a",
    "turn db mttr=3h",
    "turn gateway availability=99.99999%",
];

const TEXTS: [&str; 7] =
    ["", "shop", "1s..2s crash gateway", "ä→✗\u{200b}\u{1f980}", "two\nlines", "\u{7}\t\u{1b}[31m", "5"];

/// A session that goes on and on; where it ends, another one begins.
struct Session {
    dice: Dice,
    what: Option<&'static str>,
    keys: Vec<String>,
    explorer: Headless,
    size: (u64, u64),
}

impl Session {
    fn new(what: Option<&'static str>, seed: u64) -> Session {
        let of = |it: &serde_json::Value| {
            it["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let keys = keys::as_json().as_array().unwrap().iter().flat_map(of).collect();
        Session { dice: Dice::new(seed), what, keys, explorer: opened((80, 24), what), size: (80, 24) }
    }

    fn key(&mut self) -> String {
        let key = match self.dice.below(20) {
            0 => char::from(b'!' + self.dice.below(94) as u8).to_string(),
            1 => format!("ctrl-{}", char::from(b'a' + self.dice.below(26) as u8)),
            2 => (*self.dice.one_of(&["ä", "→", "漢", "\u{1f980}", "space", "enter", "tab", "S-tab"])).to_owned(),
            3..6 => (*self.dice.one_of(&["esc", "enter", "enter", "3", "2", "space"])).to_owned(),
            _ => self.dice.one_of(&self.keys).clone(),
        };
        // These take long, or end it.
        let seldom = ["s", "e", "q", "ctrl-c", "p", "5", "r"].contains(&key.as_str());
        if seldom && self.dice.below(if key == "e" { 2_000 } else { 60 }) > 0 { "j".to_owned() } else { key }
    }

    fn message(&mut self) -> String {
        let dice = &mut self.dice;
        let (width, height) = self.size;
        let line = match dice.below(100) {
            0..60 => json!({"key": self.key()}),
            60..62 => json!({"paste": dice.one_of(&TEXTS)}),
            62..65 => {
                self.size = if dice.below(3) > 0 {
                    (60 + dice.below(141), 16 + dice.below(45))
                } else {
                    (dice.below(201), dice.below(61))
                };
                json!({"resize": self.size})
            }
            65..70 => {
                let what = dice.one_of(&["up", "down", "click"]);
                json!({"mouse": [what, dice.below(width + 3), dice.below(height + 3)]})
            }
            _ => json!({"wake": [dice.below(200_000_000), dice.below(60)]}),
        };
        line.to_string()
    }

    /// One thing happens; what the engine says to it comes at once, later, or one word at a time.
    fn step(&mut self) {
        if self.dice.below(60) == 0 {
            let line = *self.dice.one_of(&LINES);
            self.explorer.command(line);
        }
        let message = self.message();
        self.explorer.take_line(&message).unwrap();
        match self.dice.below(6) {
            0 => {}
            1 => self.explorer.take_line("\"told\"").unwrap(),
            _ => self.explorer.settle(),
        }
        if self.dice.below(8) == 0 {
            let drawn = self.explorer.draw();
            assert_eq!((u64::from(drawn.area.width), u64::from(drawn.area.height)), self.size);
        }
        if self.explorer.ended().is_some() || self.dice.below(3_000) == 0 {
            self.explorer = opened((80, 24), self.what);
            self.size = (80, 24);
        }
    }
}

/// Says which messages it was, when it comes to that.
fn check(what: Option<&'static str>, seed: u64) {
    let mut session = Session::new(what, seed);
    for step in 0..20_000 {
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| session.step()));
        assert!(done.is_ok(), "{what:?}, seed {seed}: it panicked at step {step}");
    }
}

#[test]
fn nothing_that_is_done_to_checkout_panics() {
    check(Some("checkout"), 1);
}

#[test]
fn nothing_that_is_done_to_gateway_timeout_panics() {
    check(Some("gateway-timeout"), 2);
}

#[test]
fn nothing_that_is_done_to_oversell_panics() {
    check(Some("oversell"), 3);
}

#[test]
fn nothing_that_is_done_to_a_case_panics() {
    check(Some(CASE), 4);
}

#[test]
fn nothing_that_is_done_to_the_list_of_scenarios_panics() {
    check(None, 5);
}
