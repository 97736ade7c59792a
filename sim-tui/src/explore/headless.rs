//! An explorer without a terminal: the same application and the same engine, on one thread, drawn into a buffer.
//!
//! Tests press its keys, benchmarks draw its frames, and a recorded session is played again in it.

use std::collections::VecDeque;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use sim_models::why::Link;

use super::app::{Act, App, Exit, Msg};
use super::engine::{Engine, Shared};
use super::keys::{self, Screen};
use super::look::Look;
use super::pen::Pen;
use super::screens;
use super::session_log::{Line, msg};
use super::told::{Step, Told};

/// An explorer without a terminal.
///
/// ```
/// use sim_tui::explore::headless::Headless;
/// let mut explorer = Headless::open((80, 24), Some("checkout"));
/// explorer.press("G G");
/// explorer.run_until_paused();
/// explorer.press("r 3");
/// assert!(explorer.text().contains("broke"));
/// ```
pub struct Headless {
    app: App,
    engine: Engine,
    shared: Shared,
    told: VecDeque<Told>,
    done: Vec<String>,
    ended: Option<bool>,
}

/// One step of the way from an event back to where it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The event to look at, if there is one.
    pub event: Option<u64>,
    /// How the event before it follows from this one.
    pub link: Link,
    /// In words.
    pub words: String,
    /// Whether nothing is behind it.
    pub root: bool,
}

impl Headless {
    /// Opens it with a scenario or case, as the command line names one, or with the list of them.
    pub fn open(size: (u16, u16), what: Option<&str>) -> Headless {
        Headless::with_look(size, Look::plain(), what)
    }

    /// The same, drawn in another way.
    pub fn with_look(size: (u16, u16), look: Look, what: Option<&str>) -> Headless {
        let mut headless = Headless::unsettled(size, look, what, None);
        headless.settle();
        headless
    }

    /// Opens it at the availability lab of an expression, a file or a scenario, written as `faultline avail` is called.
    ///
    /// ```
    /// use sim_tui::explore::headless::Headless;
    /// use sim_tui::explore::look::Look;
    /// let mut lab = Headless::lab((80, 24), Look::plain(), "2of3(db) --let db=mtbf=30d/mttr=1h");
    /// lab.press("l");
    /// assert!(lab.text().contains("2 of 4"));
    /// ```
    pub fn lab(size: (u16, u16), look: Look, line: &str) -> Headless {
        let mut headless = Headless::unsettled(size, look, None, Some(line));
        headless.settle();
        headless
    }

    fn unsettled(size: (u16, u16), look: Look, what: Option<&str>, lab: Option<&str>) -> Headless {
        let mut app = App::new(size, look);
        let first = app.begin(what, lab);
        let shared = Shared::default();
        let engine = Engine::new("faultline", shared.clone());
        let mut headless = Headless { app, engine, shared, told: VecDeque::new(), done: Vec::new(), ended: None };
        headless.carry_out(first);
        headless
    }

    /// Plays a recorded session again, as far as it goes.
    ///
    /// # Errors
    /// The first line that is not one, by its number.
    pub fn play(log: &str, look: Look) -> Result<Headless, String> {
        let mut lines = log
            .lines()
            .enumerate()
            .map(|(at, line)| serde_json::from_str::<Line>(line).map_err(|error| format!("line {}: {error}", at + 1)));
        let first = lines.next().transpose()?;
        let Some(Line::Opened { width, height, what, lab }) = first else {
            return Err("line 1: a session begins with how it was opened".to_owned());
        };
        let mut headless = Headless::unsettled((width, height), look, what.as_deref(), lab.as_deref());
        for line in lines {
            headless.play_line(&line?);
        }
        headless.settle();
        Ok(headless)
    }

    /// Does what one more line of a session says: a key, a paste, the mouse, a size, time that passes, the engine's next word.
    ///
    /// # Errors
    /// When it is no line of a session.
    pub fn take_line(&mut self, line: &str) -> Result<(), String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        self.play_line(&line);
        Ok(())
    }

    fn play_line(&mut self, line: &Line) {
        match (line, msg(line)) {
            (Line::Told, _) => self.hear(),
            (_, Some(msg)) => self.update(msg),
            (_, None) => {}
        }
    }

    /// Presses keys, as the table of keys writes them, and lets the engine tell all it has to after each.
    ///
    /// # Panics
    /// When one is no key.
    pub fn press(&mut self, chords: &str) {
        for chord in chords.split_whitespace() {
            self.press_only(chord);
            self.settle();
        }
    }

    /// Presses a key and does not wait for the engine.
    ///
    /// # Panics
    /// When it is no key.
    pub fn press_only(&mut self, chord: &str) {
        let key = keys::key(chord).unwrap_or_else(|| panic!("no key {chord}"));
        self.update(Msg::Key(key));
    }

    /// Types a text, letter by letter.
    pub fn type_text(&mut self, text: &str) {
        for letter in text.chars() {
            let chord = if letter == ' ' { "space".to_owned() } else { letter.to_string() };
            self.press(&chord);
        }
    }

    /// Types a command after a colon.
    pub fn command(&mut self, line: &str) {
        self.press(":");
        self.type_text(line);
        self.press("enter");
    }

    /// Gives it another size.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.update(Msg::Resize(width, height));
        self.settle();
    }

    /// Lets real time pass while it runs; flat out, as many events happen at most.
    pub fn wake(&mut self, since: Duration, room: u64) {
        self.update(Msg::Wake { since, room });
        self.settle();
    }

    /// Whether simulated time passes.
    pub fn is_running(&self) -> bool {
        self.app.is_running()
    }

    /// Lets time pass until it pauses by itself.
    pub fn run_until_paused(&mut self) {
        while self.app.is_running() {
            self.wake(Duration::from_millis(33), 50_000);
        }
    }

    /// Lets the engine tell all it has to.
    pub fn settle(&mut self) {
        while let Some(told) = self.told.pop_front() {
            self.update(Msg::Told(told));
        }
    }

    fn hear(&mut self) {
        if let Some(told) = self.told.pop_front() {
            self.update(Msg::Told(told));
        }
    }

    fn update(&mut self, msg: Msg) {
        if self.ended.is_none() {
            let acts = self.app.update(msg);
            self.carry_out(acts);
        }
    }

    fn carry_out(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Ask(ask) => {
                    self.shared.ask();
                    self.engine.take(ask, &mut |told| self.told.push_back(told));
                }
                Act::GiveUp => self.done.push("give up".to_owned()),
                Act::Quit(exit) => self.ended = Some(exit == Exit::Interrupted),
                Act::Suspend => self.done.push("suspend".to_owned()),
                Act::Copy(text) => self.done.push(format!("copy {text}")),
                Act::Mouse(on) => self.done.push(format!("mouse {on}")),
                Act::Repaint => self.done.push("repaint".to_owned()),
                Act::Panic(whose) => self.done.push(format!("panic {whose}")),
            }
        }
    }

    /// Whether it has ended, and then whether by Ctrl-C.
    pub fn ended(&self) -> Option<bool> {
        self.ended
    }

    /// What the terminal was asked to do since the last time this was asked.
    pub fn orders(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done)
    }

    /// Which screen is shown.
    pub fn screen(&self) -> Screen {
        self.app.screen
    }

    /// The event that everything is about, and the newest one; none before a run is open.
    pub fn cursor(&self) -> Option<(u64, u64)> {
        self.app.run.as_ref().map(|run| (run.cursor, run.snapshot.past.len()))
    }

    /// Whether something lies over the screen.
    pub fn has_popup(&self) -> bool {
        !self.app.popups.is_empty()
    }

    /// The digest of the run up to the event that everything is about.
    pub fn digest(&self) -> Option<String> {
        let looked = self.app.run.as_ref()?.looked.as_ref()?;
        Some(looked.digest.clone())
    }

    /// The digest of each branch after its newest event, in their order.
    pub fn branch_digests(&self) -> Vec<String> {
        let facts = self.app.run.as_ref().map(|run| run.snapshot.facts.clone());
        facts.iter().flat_map(|facts| facts.branches.iter().map(|branch| branch.digest.clone())).collect()
    }

    /// The way from the last event that was asked about, nearest first.
    pub fn walk(&self) -> Vec<Stop> {
        let walk = self.app.run.as_ref().and_then(|run| run.walk.as_ref());
        let stop = |step: &Step| Stop {
            event: step.event,
            link: step.reason.link,
            words: step.words.clone(),
            root: step.root,
        };
        walk.iter().flat_map(|walk| walk.steps.iter()).map(stop).collect()
    }

    /// The line at the foot of the screen, if something is said there.
    pub fn notice(&self) -> Option<&str> {
        self.app.notice.as_ref().map(|(_, text)| text.as_str())
    }

    /// Writes what was explored as a case, and says how the event at the cursor is seen again.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn leave(&mut self) -> Result<Option<String>, String> {
        let event = self.app.run.as_ref().map_or(0, |run| run.cursor);
        self.engine.leave(event)
    }

    /// Draws it.
    pub fn draw(&self) -> Buffer {
        let (width, height) = self.app.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        self.draw_into(&mut buffer);
        buffer
    }

    /// Draws it into a buffer of its size.
    pub fn draw_into(&self, buffer: &mut Buffer) {
        screens::draw(&self.app, &mut Pen::new(buffer, self.app.look));
    }

    /// What is drawn, as lines without the blanks at their ends.
    pub fn text(&self) -> String {
        let buffer = self.draw();
        let row = |y: u16| {
            let cells = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
            cells.collect::<String>().trim_end().to_owned()
        };
        (0..buffer.area.height).map(row).collect::<Vec<_>>().join("\n")
    }
}
