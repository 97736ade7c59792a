//! The one table of keys: what each does and where, from which help, hints and documentation come.
//!
//! A key that is not in here does nothing, and an action that is not in here cannot be asked for.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Screen {
    /// Which scenario.
    Scenarios,
    /// The run as it goes.
    Live,
    /// Nodes as columns, time going down.
    Spacetime,
    /// How often it is down: algebra and simulation side by side.
    Lab,
}

impl Screen {
    /// All of them, in the order of their numbers.
    pub const ALL: [Screen; 4] = [Screen::Scenarios, Screen::Live, Screen::Spacetime, Screen::Lab];

    /// Whether a run is seen there.
    pub(crate) fn is_of_run(self) -> bool {
        matches!(self, Screen::Live | Screen::Spacetime)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Screen::Scenarios => "scenarios",
            Screen::Live => "live",
            Screen::Spacetime => "spacetime",
            Screen::Lab => "lab",
        }
    }
}

/// On which screens a key does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// On all of them.
    Every,
    /// Where scenarios are chosen.
    Scenarios,
    /// Where a run is seen.
    Run,
    /// On the screen of the run as it goes.
    Live,
    /// On the spacetime screen.
    Spacetime,
    /// In the availability lab.
    Lab,
    /// Where there are panes.
    Panes,
}

impl On {
    /// Whether it does something on that screen.
    pub(crate) fn covers(self, screen: Screen) -> bool {
        match self {
            On::Every => true,
            On::Scenarios => screen == Screen::Scenarios,
            On::Run => screen.is_of_run(),
            On::Live => screen == Screen::Live,
            On::Spacetime => screen == Screen::Spacetime,
            On::Lab => screen == Screen::Lab,
            On::Panes => screen != Screen::Scenarios,
        }
    }

    fn name(self) -> &'static str {
        match self {
            On::Every => "every screen",
            On::Scenarios => "scenarios",
            On::Run => "live and spacetime",
            On::Live => "live",
            On::Spacetime => "spacetime",
            On::Lab => "lab",
            On::Panes => "live, spacetime and lab",
        }
    }
}

/// One key or several that do the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// What they do.
    pub(crate) action: Action,
    /// The keys; the first is the one that hints show.
    pub(crate) keys: &'static [&'static str],
    /// What it is called after a colon.
    pub(crate) name: &'static str,
    /// Where.
    pub(crate) on: On,
    /// In one line.
    pub(crate) help: &'static str,
    /// A word for the bottom line, if it is worth one; the table's order is their order.
    pub(crate) hint: Option<&'static str>,
}

macro_rules! keys {
    ($($action:ident $on:ident $name:literal [$($key:literal)*] $help:literal $($hint:literal)?;)*) => {
        /// What a key, or its name after a colon, does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Action {
            $(#[doc = $help] $action,)*
        }
        /// Every binding there is. Those of less use on the bottom line stand lower.
        pub(crate) const TABLE: &[Binding] = &[
            $(Binding {
                action: Action::$action,
                keys: &[$($key),*],
                name: $name,
                on: On::$on,
                help: $help,
                hint: { let hint: Option<&'static str> = None; $(let hint = { let _ = hint; Some($hint) };)? hint },
            },)*
        ];
    };
}

keys! {
    Open       Scenarios "open"       ["enter"]        "open the scenario or case and run it" "open";
    OpenLab    Scenarios "open-lab"   ["A"]            "the availability lab: of this scenario, of a file, or of an expression" "lab";
    KnobMore   Lab   "knob-more"      ["right" "l"]    "turn the knob up, to the next round value" "more";
    KnobLess   Lab   "knob-less"      ["left" "h"]     "turn it down" "less";
    KnobValue  Lab   "knob-value"     ["enter"]        "type a value for the knob" "type";
    MoreYears  Lab   "more-years"     ["r"]            "simulate four times as many years" "more years";
    Sensitivity Lab  "sensitivity"    ["s"]            "what buys the most: all changes, one at a time" "what buys most";
    Pin        Lab   "pin"            ["p"]            "pin these figures, to compare others with them; again: none" "pin";
    Export     Lab   "export"         ["e"]            "write this as a page with its pictures, and as a table" "export";
    KnobFirst  Lab   "knob-first"     ["backspace"]    "the knob as it was at first; again: all of them";
    RunPause   Run   "run"            ["space"]        "run or pause" "run/pause";
    Forward    Run   "forward"        ["right" "l"]    "one event forward" "step";
    Back       Run   "back"           ["left" "h"]     "one event back" "back";
    NextAnomaly Run  "anomaly"        ["a"]            "to the next broken property, else to the next trouble; runs on to find one" "anomaly";
    LastAnomaly Run  "last-anomaly"   ["A"]            "to the one before";
    Why        Run   "why"            ["w"]            "why: to the cause of this; again and again, to where it began" "why";
    Effects    Run   "effects"        ["W"]            "one step back towards where you asked why, or to what this caused";
    Shrink     Run   "shrink"         ["s"]            "shrink the failing run to the few things that matter, as a branch" "shrink";
    Explain    Run   "explain"        ["e"]            "explain the failing run in words" "explain";
    Prove      Run   "prove"          ["p"]            "prove the selected link: does it still happen without its cause?";
    Inspect    Run   "inspect"        ["enter"]        "follow the operation of this event; again: all events" "follow";
    Fault      Run   "fault-key"      ["f"]            "break something: then a letter for what" "fault";
    Settings   Every "settings"       ["S"]            "settings and remedies; the run is made again at once" "settings";
    Undo       Run   "undo"           ["u"]            "take the last fault of yours back" "undo";
    Redo       Run   "redo"           ["U"]            "put it in again";
    Branch     Run   "branch"         ["b"]            "a branch from here: both futures are kept" "branch";
    Branches   Run   "branches"       ["B"]            "the branches, to go to another";
    Faults     Run   "fault-log"      ["F"]            "the faults of this run, and what each did";
    Scenarios  Every "scenarios"      ["1"]            "the scenarios" ;
    Live       Every "live"           ["2"]            "the run as it goes";
    Spacetime  Every "spacetime"      ["3"]            "nodes as columns, time going down" "spacetime";
    Lab        Every "lab"            ["5"]            "the availability lab: algebra and simulation side by side";
    NextOnNode Run   "next-on-node"   ["S-right" "L"]  "the next event on the same node";
    LastOnNode Run   "last-on-node"   ["S-left" "H"]   "the event before on the same node";
    Start      Run   "start"          ["g" "home"]     "to the start";
    Edge       Run   "edge"           ["G" "end"]      "to the newest event; again: run to the end at once";
    GoTo       Run   "goto"           ["t"]            "go to an instant (4.3s) or an event (#4163)";
    Faster     Run   "faster"         ["."]            "run faster";
    Slower     Run   "slower"         [","]            "run slower";
    RunTo      Run   "run-to"         ["r"]            "run on to the next broken property or the end";
    RunBack    Run   "run-back"       ["R"]            "back to the broken property before";
    Down       Every "down"           ["down" "j"]     "down: the next row or line";
    Up         Every "up"             ["up" "k"]       "up: the row or line before";
    HalfDown   Every "half-down"      ["ctrl-d"]       "half a page down";
    HalfUp     Every "half-up"        ["ctrl-u"]       "half a page up";
    PageDown   Every "page-down"      ["pgdn"]         "a page down";
    PageUp     Every "page-up"        ["pgup"]         "a page up";
    Cone       Spacetime "cone"       ["c"]            "the causal cone of this event: its past, its future, both, off" "cone";
    Fold       Spacetime "fold"       ["x"]            "fold quiet time away, or show every event" "fold";
    HideLane   Spacetime "hide-lane"  ["v"]            "hide the column of this event's node; again on a node alone: show all";
    NextLane   Spacetime "next-lanes" [">"]            "the next columns, where they do not all fit";
    LastLane   Spacetime "last-lanes" ["<"]            "the columns before";
    Clocks     Spacetime "clocks"     ["K"]            "what the node's own clock says, beside true time";
    ZoomIn     Live  "zoom-in"        ["+"]            "zoom the timeline in, around here";
    ZoomOut    Live  "zoom-out"       ["-"]            "zoom it out";
    ZoomFit    Live  "zoom-fit"       ["=" "0"]        "the whole run";
    Search     Run   "search"         ["/"]            "search forward for a word: a node, a kind, an operation";
    NextHit    Run   "next-hit"       ["n"]            "the next event that has it";
    LastHit    Run   "last-hit"       ["N"]            "the one before";
    Filter     Run   "filter"         ["&"]            "keep only events that match: node=a kind=b op=order/17";
    LikeThis   Run   "like-this"      ["#"]            "keep only events like this one: same node, same kind";
    Mark       Run   "mark"           ["m"]            "set a mark: then a letter";
    ToMark     Run   "to-mark"        ["'"]            "go to a mark: then its letter";
    HistoryBack Run  "history-back"   ["backspace"]    "to where you were before";
    HistoryOn  Run   "history-on"     ["S-backspace"]  "and forward again";
    NextItem   Run   "next-item"      ["]"]            "next inside the pane: a node, a workload, a field";
    LastItem   Run   "last-item"      ["["]            "the one before";
    NextPane   Panes "next-pane"      ["tab"]          "the next pane";
    LastPane   Panes "last-pane"      ["S-tab"]        "the pane before";
    Zoom       Panes "zoom-pane"      ["z"]            "this pane alone, or all of them";
    Filtered   Scenarios "filter-list" ["/"]           "filter the list" "filter";
    Copy       Every "copy"           ["y"]            "copy the command that shows this again, as a case that is written for it";
    Theme      Every "theme"          ["T"]            "the next set of colours";
    Mouse      Every "mouse"          ["%"]            "mouse on or off";
    Palette    Every "palette"        [":"]            "type a command, or a fault as a line" "command";
    Escape     Every "escape"         ["esc"]          "close what is open, stop what is at work, clear filter and selection; never quits";
    Redraw     Every "redraw"         ["ctrl-l"]       "draw everything anew";
    Suspend    Every "suspend"        ["ctrl-z"]       "back to the shell; fg returns";
    QuitNow    Every "quit-now"       ["ctrl-c"]       "quit now, exit code 130";
    Quit       Every "quit"           ["q"]            "back one level; at the top: quit" "back";
    Help       Every "help"           ["?" "f1"]       "help for this screen; typing filters it, Enter does it" "help";
}

/// A key as the table writes it; none of what no key of the table could be.
pub(crate) fn chord(key: KeyEvent) -> Option<String> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    if key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META) {
        return None;
    }
    let named = |name: &str| Some(if shift { format!("S-{name}") } else { name.to_owned() });
    match key.code {
        KeyCode::Char(' ') => Some("space".to_owned()),
        KeyCode::Char(letter) if ctrl => Some(format!("ctrl-{}", letter.to_ascii_lowercase())),
        KeyCode::Char(letter) => Some(letter.to_string()),
        KeyCode::Enter => Some("enter".to_owned()),
        KeyCode::Esc => Some("esc".to_owned()),
        KeyCode::Left => named("left"),
        KeyCode::Right => named("right"),
        KeyCode::Backspace => named("backspace"),
        KeyCode::Up => Some("up".to_owned()),
        KeyCode::Down => Some("down".to_owned()),
        KeyCode::Home => Some("home".to_owned()),
        KeyCode::End => Some("end".to_owned()),
        KeyCode::PageUp => Some("pgup".to_owned()),
        KeyCode::PageDown => Some("pgdn".to_owned()),
        KeyCode::Tab if shift => Some("S-tab".to_owned()),
        KeyCode::BackTab => Some("S-tab".to_owned()),
        KeyCode::Tab => Some("tab".to_owned()),
        KeyCode::F(number) => Some(format!("f{number}")),
        _ => None,
    }
}

/// The key that the table writes so.
pub(crate) fn key(chord: &str) -> Option<KeyEvent> {
    let plain = |code| Some(KeyEvent::new(code, KeyModifiers::NONE));
    if let Some(letter) = chord.strip_prefix("ctrl-") {
        return Some(KeyEvent::new(KeyCode::Char(letter.chars().next()?), KeyModifiers::CONTROL));
    }
    if chord == "S-tab" {
        return plain(KeyCode::BackTab);
    }
    if let Some(rest) = chord.strip_prefix("S-") {
        return Some(KeyEvent::new(key(rest)?.code, KeyModifiers::SHIFT));
    }
    let mut letters = chord.chars();
    match chord {
        "space" => plain(KeyCode::Char(' ')),
        "enter" => plain(KeyCode::Enter),
        "esc" => plain(KeyCode::Esc),
        "left" => plain(KeyCode::Left),
        "right" => plain(KeyCode::Right),
        "up" => plain(KeyCode::Up),
        "down" => plain(KeyCode::Down),
        "home" => plain(KeyCode::Home),
        "end" => plain(KeyCode::End),
        "pgup" => plain(KeyCode::PageUp),
        "pgdn" => plain(KeyCode::PageDown),
        "backspace" => plain(KeyCode::Backspace),
        "tab" => plain(KeyCode::Tab),
        "f1" => plain(KeyCode::F(1)),
        _ => match (letters.next(), letters.next()) {
            (Some(letter), None) => plain(KeyCode::Char(letter)),
            _ => None,
        },
    }
}

/// What a key does on a screen.
pub(crate) fn action(screen: Screen, chord: &str) -> Option<Action> {
    let bound = TABLE.iter().find(|binding| binding.on.covers(screen) && binding.keys.contains(&chord));
    bound.map(|binding| binding.action)
}

/// What is called so on a screen.
pub(crate) fn named(screen: Screen, name: &str) -> Option<&'static Binding> {
    TABLE.iter().find(|binding| binding.on.covers(screen) && binding.name == name)
}

/// The bindings of a screen: those that only it has first.
pub(crate) fn of(screen: Screen) -> Vec<&'static Binding> {
    let mut all: Vec<&Binding> = TABLE.iter().filter(|binding| binding.on.covers(screen)).collect();
    all.sort_by_key(|binding| binding.on == On::Every);
    all
}

/// A key as people write it.
pub(crate) fn shown(chord: &str, ascii: bool) -> String {
    let arrow = |utf8: &str, plain: &str| if ascii { plain.to_owned() } else { utf8.to_owned() };
    match chord {
        "left" => arrow("←", "Left"),
        "right" => arrow("→", "Right"),
        "up" => arrow("↑", "Up"),
        "down" => arrow("↓", "Down"),
        "S-left" => arrow("⇧←", "Shift-Left"),
        "S-right" => arrow("⇧→", "Shift-Right"),
        "enter" => "Enter".to_owned(),
        "esc" => "Esc".to_owned(),
        "space" => "Space".to_owned(),
        "tab" => "Tab".to_owned(),
        "S-tab" => "Shift-Tab".to_owned(),
        "backspace" => "Backspace".to_owned(),
        "S-backspace" => "Shift-Backspace".to_owned(),
        "pgup" => "PgUp".to_owned(),
        "pgdn" => "PgDn".to_owned(),
        "home" => "Home".to_owned(),
        "end" => "End".to_owned(),
        "f1" => "F1".to_owned(),
        other => match other.strip_prefix("ctrl-") {
            Some(letter) => format!("Ctrl-{}", letter.to_uppercase()),
            None => other.to_owned(),
        },
    }
}

/// Every binding as a script reads it: `[{name keys screens help}]`.
pub fn as_json() -> serde_json::Value {
    let one = |binding: &Binding| {
        let screens: Vec<&str> =
            Screen::ALL.iter().filter(|screen| binding.on.covers(**screen)).map(|screen| screen.name()).collect();
        serde_json::json!({"name": binding.name, "keys": binding.keys, "screens": screens, "help": binding.help})
    };
    serde_json::Value::Array(TABLE.iter().map(one).collect())
}

/// Every binding as rows of a table: keys, where, what.
pub(crate) fn rows() -> Vec<Vec<String>> {
    let keys = |binding: &Binding| binding.keys.iter().map(|key| shown(key, false)).collect::<Vec<_>>().join(" ");
    let row = |it: &Binding| vec![keys(it), it.name.to_owned(), it.on.name().to_owned(), it.help.to_owned()];
    TABLE.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things_on_one_screen() {
        for screen in Screen::ALL {
            let mut seen = std::collections::BTreeMap::new();
            for binding in TABLE.iter().filter(|binding| binding.on.covers(screen)) {
                for key in binding.keys {
                    let other = seen.insert(*key, binding.name);
                    assert_eq!(other, None, "{key} on {} is {} too", screen.name(), binding.name);
                }
            }
        }
    }

    #[test]
    fn no_name_stands_for_two_things_and_each_can_be_typed() {
        let mut names: Vec<&str> = TABLE.iter().map(|binding| binding.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TABLE.len());
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }

    #[test]
    fn every_key_of_the_table_is_one_that_can_be_pressed() {
        for chord_of in TABLE.iter().flat_map(|binding| binding.keys) {
            let event = key(chord_of).unwrap_or_else(|| panic!("no key {chord_of}"));
            assert_eq!(chord(event).as_deref(), Some(*chord_of));
        }
    }
}
