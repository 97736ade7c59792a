//! The explorer as a machine: what it knows, and what a message makes of it. It draws nothing and does nothing.
//!
//! A session is a list of messages; the same list gives the same screen, whoever sends it.

mod commands;
mod lab;
mod menus;
mod travel;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration as RealTime;

use ratatui::crossterm::event::{KeyEvent, KeyEventKind, MouseEvent};
use sim_core::{Instant, NodeId};

pub(crate) use self::commands::{COMMANDS, speed_in_words};
pub(crate) use self::lab::{LabView, Pane};
pub(crate) use self::menus::{Menu, Popup, Prompt, PromptKind, help_of};
use super::keys::{self, Action, Screen};
use super::lab::LabAsk;
use super::layout::{self, Class};
use super::listing::Listing;
use super::look::{Ink, Look};
use super::told::{Ask, Label, Look as Looked, Offer, Rows, Snapshot, Speed, Step, Told, Wanted};
use crate::text;

/// What happens to the explorer.
#[derive(Clone, Debug)]
pub(crate) enum Msg {
    /// A key.
    Key(KeyEvent),
    /// A text from the clipboard.
    Paste(String),
    /// The mouse, when it is on.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resize(u16, u16),
    /// Time has passed while something runs; flat out there is room for so many events.
    Wake { since: RealTime, room: u64 },
    /// The engine tells something.
    Told(Told),
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// The engine is asked.
    Ask(Ask),
    /// What the engine is at is given up.
    GiveUp,
    /// The explorer ends.
    Quit(Exit),
    /// Back to the shell for a while.
    Suspend,
    /// A text goes to the clipboard.
    Copy(String),
    /// The mouse is listened to, or not.
    Mouse(bool),
    /// Everything is drawn anew.
    Repaint,
    /// Somebody panics, to see what becomes of the terminal.
    Panic(String),
}

/// How the explorer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// As asked.
    Quit,
    /// By Ctrl-C.
    Interrupted,
}

/// The explorer.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) size: (u16, u16),
    pub(crate) look: Look,
    /// Said once at the foot of the first screen.
    pub(crate) footnote: Option<String>,
    pub(crate) screen: Screen,
    pub(crate) picker: Picker,
    pub(crate) run: Option<RunView>,
    pub(crate) lab: Option<LabView>,
    pub(crate) popups: Vec<Popup>,
    pub(crate) notice: Option<(Ink, String)>,
    pub(crate) progress: Option<String>,
    pub(crate) mouse: bool,
    /// What to do once the run that was asked for is there.
    opening: Option<Opening>,
    /// The line that the engine tries, to be shown again with what is wrong with it.
    tried: Option<Prompt>,
}

/// What comes after a run is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// It runs.
    Run,
    /// Its settings are shown first.
    Settings,
    /// It stays as it is.
    Stay,
}

/// The screen on which a scenario is chosen.
#[derive(Debug, Default)]
pub(crate) struct Picker {
    pub(crate) offers: Option<Arc<[Offer]>>,
    pub(crate) filter: String,
    pub(crate) selected: usize,
    pub(crate) scroll: usize,
}

/// A run that is looked at.
#[derive(Debug)]
pub(crate) struct RunView {
    pub(crate) snapshot: Arc<Snapshot>,
    /// The event that everything is about; 0 before the first.
    pub(crate) cursor: u64,
    /// How far down the pane the cursor stands.
    pub(crate) cursor_row: u16,
    pub(crate) running: bool,
    /// Whether the engine has not yet told what came of the last run.
    busy: bool,
    pub(crate) speed: usize,
    /// Simulated time as it is paced; ahead of the newest event where nothing happens.
    pub(crate) clock: Instant,
    /// How a run without an end of its own in sight is to end.
    goal: Goal,
    pub(crate) looked: Option<Arc<Looked>>,
    looking: bool,
    pub(crate) labels: BTreeMap<u32, Arc<Label>>,
    labelling: bool,
    pub(crate) rows: Option<Arc<Rows>>,
    pub(crate) wanted: Wanted,
    listing: bool,
    pub(crate) walk: Option<Walk>,
    /// The event of which why is asked, and how often it was pressed again before the answer came.
    asking: Option<(u64, usize)>,
    pub(crate) whose: Option<NodeId>,
    pub(crate) field: usize,
    pub(crate) pane: usize,
    pub(crate) zoomed: bool,
    pub(crate) hidden: BTreeSet<u32>,
    pub(crate) lane: usize,
    pub(crate) clocks: bool,
    /// What part of the run the timeline shows; none: all of it.
    pub(crate) window: Option<(Instant, Instant)>,
    pub(crate) workload: usize,
    marks: BTreeMap<char, u64>,
    been: Vec<u64>,
    been_on: Vec<u64>,
    pub(crate) word: String,
}

/// Until when a run goes on that somebody does not pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// As long as it is not paused.
    None,
    /// To the next broken property.
    Broken,
    /// To its end, whatever breaks.
    End,
}

/// The way from an event back to where it began, and how far somebody has walked it.
#[derive(Debug)]
pub(crate) struct Walk {
    /// Where it began to be walked.
    pub(crate) from: u64,
    pub(crate) steps: Arc<[Step]>,
    /// The step that is stood on; none: at the event itself.
    pub(crate) at: Option<usize>,
    /// What proofs said, by step.
    pub(crate) proofs: BTreeMap<usize, (Option<bool>, String)>,
}

/// Simulated time in a second of real time, from slow to fast.
pub(crate) const SPEEDS: [Speed; 12] = {
    use sim_core::Duration as Time;
    [
        Speed::Times(Time::from_micros(100)),
        Speed::Times(Time::from_millis(1)),
        Speed::Times(Time::from_millis(10)),
        Speed::Times(Time::from_millis(100)),
        Speed::Times(Time::from_secs(1)),
        Speed::Times(Time::from_secs(3)),
        Speed::Times(Time::from_secs(10)),
        Speed::Times(Time::from_secs(60)),
        Speed::Times(Time::from_secs(600)),
        Speed::Times(Time::from_secs(3_600)),
        Speed::Times(Time::from_secs(86_400)),
        Speed::FlatOut,
    ]
};

/// A run that never ends pauses after so many events, each of which takes its place in memory.
const BREATHER: u64 = 5_000_000;

/// How long a run of known length takes at most when it is first shown.
const FIRST_SHOWING_SECONDS: u64 = 20;

impl App {
    /// The explorer as it opens, at the scenarios.
    pub(crate) fn new(size: (u16, u16), look: Look) -> App {
        App {
            size,
            look,
            footnote: None,
            screen: Screen::Scenarios,
            picker: Picker::default(),
            run: None,
            lab: None,
            popups: Vec::new(),
            notice: None,
            progress: None,
            mouse: false,
            opening: None,
            tried: None,
        }
    }

    /// What it asks for before anything has happened: what there is, and what it was called with.
    pub(crate) fn begin(&mut self, word: Option<&str>, lab: Option<&str>) -> Vec<Act> {
        let mut acts = vec![Act::Ask(Ask::Catalog)];
        if let Some(word) = word {
            self.opening = Some(Opening::Run);
            acts.push(Act::Ask(Ask::Open { word: word.to_owned(), seed: None }));
        }
        if let Some(line) = lab {
            acts.push(Act::Ask(Ask::Lab(LabAsk::Open(line.to_owned()))));
        }
        acts
    }

    /// Takes a message; what is to be done outside.
    pub(crate) fn update(&mut self, msg: Msg) -> Vec<Act> {
        let mut acts = match msg {
            Msg::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Msg::Key(_) => Vec::new(),
            // Nobody sees what a text or a click would change there.
            Msg::Paste(_) | Msg::Mouse(_) if self.class() == Class::TooSmall => Vec::new(),
            Msg::Paste(text) => self.paste(&text),
            Msg::Mouse(mouse) => self.moused(mouse),
            Msg::Resize(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
            Msg::Wake { since, room } => self.wake(since, room),
            Msg::Told(told) => self.told(told),
        };
        acts.extend(self.wants());
        acts
    }

    /// Whether time is to be told as it passes.
    pub(crate) fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.running)
    }

    /// What the size of the terminal allows.
    pub(crate) fn class(&self) -> Class {
        Class::of(self.size)
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Act> {
        let Some(chord) = keys::chord(key) else { return Vec::new() };
        let action = keys::action(self.screen, &chord);
        match action {
            Some(Action::QuitNow) => return vec![Act::Quit(Exit::Interrupted)],
            Some(Action::Quit) if self.class() == Class::TooSmall => return vec![Act::Quit(Exit::Quit)],
            _ if self.class() == Class::TooSmall => return Vec::new(),
            Some(Action::Suspend) => return vec![Act::Suspend],
            Some(Action::Redraw) => return vec![Act::Repaint],
            _ => {}
        }
        self.notice = None;
        if !self.popups.is_empty() {
            return self.popup_key(key, &chord);
        }
        action.map_or_else(Vec::new, |action| self.act(action))
    }

    fn paste(&mut self, text: &str) -> Vec<Act> {
        if let Some(Popup::Prompt(prompt)) = self.popups.last_mut() {
            // A line is asked for; whatever else was copied with it is not typed.
            prompt.insert(text.lines().next().unwrap_or_default());
        }
        Vec::new()
    }

    /// Does what a key or its name asks for, on this screen.
    pub(crate) fn act(&mut self, action: Action) -> Vec<Act> {
        match action {
            Action::Quit => self.back_one_level(),
            Action::QuitNow => vec![Act::Quit(Exit::Interrupted)],
            Action::Suspend => vec![Act::Suspend],
            Action::Redraw => vec![Act::Repaint],
            Action::Escape => self.escape(),
            Action::Help => self.open(Popup::help()),
            Action::Palette => self.open(Popup::prompt(PromptKind::Command, "")),
            Action::Theme => {
                self.look.theme = self.look.theme.next();
                self.say(format!("colours: {}", self.look.theme.name()))
            }
            Action::Mouse => {
                self.mouse = !self.mouse;
                self.say(format!("mouse {}", if self.mouse { "on" } else { "off" }));
                vec![Act::Mouse(self.mouse)]
            }
            Action::Scenarios => self.show(Screen::Scenarios),
            Action::Live => self.show(Screen::Live),
            Action::Spacetime => self.show(Screen::Spacetime),
            Action::Lab => self.show_lab(),
            Action::Copy => self.copy(),
            Action::Settings => self.open_settings(),
            _ if self.screen == Screen::Scenarios => self.pick(action),
            _ if self.screen == Screen::Lab => self.in_lab(action),
            _ if self.run.is_some() => self.travel(action),
            _ => Vec::new(),
        }
    }

    /// Says something in the bottom line until the next key.
    fn say(&mut self, text: impl Into<String>) -> Vec<Act> {
        self.notice = Some((Ink::Strong, text.into()));
        Vec::new()
    }

    /// Says what is wrong in the bottom line until the next key.
    fn complain(&mut self, text: impl Into<String>) -> Vec<Act> {
        self.notice = Some((Ink::Trouble, text.into()));
        Vec::new()
    }

    fn open(&mut self, popup: Popup) -> Vec<Act> {
        self.popups.push(popup);
        Vec::new()
    }

    fn show(&mut self, screen: Screen) -> Vec<Act> {
        if screen != Screen::Scenarios && self.run.is_none() {
            return self.complain("nothing is open yet: choose a scenario and press Enter");
        }
        let before = std::mem::replace(&mut self.screen, screen);
        let changed = before != screen;
        let mut acts = if changed && before == Screen::Lab { self.stop_simulating() } else { Vec::new() };
        if changed && screen == Screen::Scenarios {
            // Cases may have been written since.
            acts.push(Act::Ask(Ask::Catalog));
            return acts;
        }
        let rows = layout::list_height(self) as u16;
        if let Some(run) = self.run.as_mut().filter(|_| changed) {
            run.pane = 0;
            run.cursor_row = rows * 3 / 5;
        }
        acts
    }

    fn back_one_level(&mut self) -> Vec<Act> {
        match self.screen {
            Screen::Scenarios => vec![Act::Quit(Exit::Quit)],
            Screen::Live => {
                self.pause();
                self.show(Screen::Scenarios)
            }
            Screen::Spacetime => self.show(Screen::Live),
            Screen::Lab => self.leave_lab(),
        }
    }

    /// Closes what is open, else stops what is at work, else clears filter and selection.
    fn escape(&mut self) -> Vec<Act> {
        if self.progress.take().is_some() {
            return vec![Act::GiveUp];
        }
        if self.screen == Screen::Scenarios {
            self.picker.filter.clear();
            return Vec::new();
        }
        if self.screen == Screen::Lab {
            return self.escape_in_lab();
        }
        if let Some(run) = &mut self.run {
            // One thing at a time, the newest first: a walk that was long is not lost with a zoom.
            let fold = run.wanted.fold;
            if std::mem::take(&mut run.zoomed) || run.walk.take().is_some() {
                return Vec::new();
            }
            run.wanted = Wanted { fold, ..Wanted::default() };
        }
        Vec::new()
    }

    pub(crate) fn pause(&mut self) {
        if let Some(run) = &mut self.run {
            run.running = false;
            run.goal = Goal::None;
        }
    }

    fn copy(&mut self) -> Vec<Act> {
        if self.screen == Screen::Lab {
            return vec![Act::Ask(Ask::Lab(LabAsk::Copy))];
        }
        let Some(run) = &self.run else { return self.complain("nothing is open yet, so there is nothing to copy") };
        vec![Act::Ask(Ask::Repro { event: run.cursor })]
    }

    fn pick(&mut self, action: Action) -> Vec<Act> {
        let count = self.picker.shown().len();
        let page = usize::from(self.size.1.saturating_sub(6)).max(1);
        let picker = &mut self.picker;
        match action {
            Action::Down => picker.selected = (picker.selected + 1).min(count.saturating_sub(1)),
            Action::Up => picker.selected = picker.selected.saturating_sub(1),
            Action::PageDown | Action::HalfDown => picker.scroll += page / 2,
            Action::PageUp | Action::HalfUp => picker.scroll = picker.scroll.saturating_sub(page / 2),
            Action::Open => return self.open_selected(Opening::Run),
            Action::OpenLab => return self.ask_for_lab(),
            Action::Filtered => return self.open(Popup::prompt(PromptKind::FilterList, &self.picker.filter.clone())),
            _ => return Vec::new(),
        }
        if matches!(action, Action::Down | Action::Up) {
            picker.scroll = 0;
        }
        Vec::new()
    }

    fn open_selected(&mut self, opening: Opening) -> Vec<Act> {
        let Some(offer) = self.picker.shown().get(self.picker.selected).map(|offer| (*offer).clone()) else {
            return self.complain("nothing here to open; Esc clears the filter");
        };
        if let Some(wrong) = offer.wrong {
            return self.open(Popup::text(&offer.word, wrong.lines().map(str::to_owned).collect()));
        }
        self.opening = Some(opening);
        vec![Act::Ask(Ask::Open { word: offer.word, seed: None })]
    }

    /// What the engine told.
    fn told(&mut self, told: Told) -> Vec<Act> {
        match told {
            Told::Catalog(offers) => self.picker.offers = Some(offers),
            Told::Run { .. } if self.tried.take().is_some() => return self.told(told),
            Told::Run { snapshot, opened: true, .. } => return self.opened(snapshot),
            Told::Run { snapshot, broke, late, .. } => return self.told_run(snapshot, broke, late),
            Told::Look(looked) => self.told_look(looked),
            Told::Lab { lab, opened, taken } => self.told_lab(lab, opened, taken),
            Told::Labels { generation, labels } => {
                if let Some(run) = self.run_of(generation) {
                    run.labelling = false;
                    run.labels.extend(labels);
                }
            }
            Told::Rows(rows) => {
                if let Some(run) = self.run_of(rows.generation) {
                    run.listing = false;
                    run.rows = Some(rows);
                }
            }
            Told::Walk { generation, event, reasons } => {
                if self.run_of(generation).is_some() {
                    return self.told_walk(event, reasons);
                }
            }
            Told::Effects { event, caused } => return self.told_effects(event, &caused),
            Told::Proof { index, needed, words } => {
                self.progress = None;
                self.say(words.clone());
                if let Some(walk) = self.run.as_mut().and_then(|run| run.walk.as_mut()) {
                    walk.proofs.insert(index, (needed, words));
                }
            }
            Told::Go { event, words } => {
                self.progress = None;
                self.say(words);
                if let Some(event) = event {
                    self.go(event);
                }
            }
            Told::Text { title, lines } => {
                self.progress = None;
                return self.open(Popup::text(&title, lines));
            }
            Told::Repro(line) => {
                self.say(format!("copied: {line}"));
                return vec![Act::Copy(line)];
            }
            Told::Progress(words) => self.progress = Some(words),
            Told::Said(words) => {
                self.progress = None;
                self.say(words);
            }
            Told::Failed(words) => {
                self.progress = None;
                self.opening = None;
                self.failed(words);
            }
        }
        Vec::new()
    }

    /// A line that was typed comes back with what is wrong with it. Else one line goes to the foot of the screen; more of them are
    /// a text to read.
    fn failed(&mut self, words: String) {
        if let Some(run) = &mut self.run {
            run.busy = false;
            run.asking = None;
        }
        if let Some(prompt) = self.tried.take() {
            // The menu that a setting was chosen from stands below it again when the line is closed.
            self.popups.push(Popup::Prompt(prompt.with_error(words)));
            return;
        }
        let fits = !words.contains('\n') && words.chars().count() + 2 <= usize::from(self.size.0);
        if fits {
            self.complain(words);
        } else {
            self.popups.push(Popup::text("that cannot be done", words.lines().map(str::to_owned).collect()));
        }
    }

    /// The run that is looked at, if it is that one.
    fn run_of(&mut self, generation: u64) -> Option<&mut RunView> {
        self.run.as_mut().filter(|run| run.snapshot.generation == generation)
    }

    fn told_run(&mut self, snapshot: Arc<Snapshot>, broke: Option<u64>, late: bool) -> Vec<Act> {
        self.progress = None;
        let Some(run) = self.run.as_mut() else { return Vec::new() };
        let same = run.snapshot.generation == snapshot.generation;
        let was_at_edge = run.cursor == run.snapshot.past.len();
        let breathers = run.snapshot.past.len() / BREATHER;
        run.busy = false;
        if !same {
            run.forget();
        }
        let over = snapshot.over.clone();
        // Time that is paced does not run away from a simulation that cannot keep up.
        run.clock = if same && !late { run.clock.max(snapshot.at) } else { snapshot.at };
        let differs = snapshot.exact == Some(false) && run.snapshot.exact.is_none();
        run.snapshot = snapshot;
        let edge = run.snapshot.past.len();
        if run.running || was_at_edge && same {
            run.cursor = edge;
        }
        run.cursor = run.cursor.min(edge);
        if differs {
            self.pause();
            return self.complain("this is not the run that was recorded: the file, or the program, has changed since");
        }
        let Some(run) = self.run.as_mut() else { return Vec::new() };
        if let Some(event) = broke.filter(|_| run.goal != Goal::End) {
            self.pause();
            return self.broke(event);
        }
        if run.running && over.is_none() && edge / BREATHER > breathers {
            self.pause();
            return self.say(format!("paused after {} events, which take memory: Space runs on", text::count(edge)));
        }
        if let Some(over) = over.filter(|_| run.running) {
            let broken = run.snapshot.broken.len();
            self.pause();
            let broken = match broken {
                0 => "nothing broke".to_owned(),
                count => format!("{} broke, A goes back to it", text::counted(count as u64, "property")),
            };
            self.say(format!("the run is over, {over}: {broken}"));
        }
        Vec::new()
    }

    /// A property broke while it ran: the run stands there, and the next key is said.
    fn broke(&mut self, event: u64) -> Vec<Act> {
        self.go(event);
        let Some(run) = &mut self.run else { return Vec::new() };
        let Some(broken) = run.snapshot.broken.iter().find(|broken| broken.event == event) else { return Vec::new() };
        run.wanted.focus = broken.operation;
        let text = format!("\"{}\" broke. w: why?  Space: run on", broken.property);
        self.notice = Some((Ink::Broken, text));
        Vec::new()
    }

    /// Another run takes the place of what was there.
    fn opened(&mut self, snapshot: Arc<Snapshot>) -> Vec<Act> {
        self.progress = None;
        let opening = self.opening.take().unwrap_or(Opening::Stay);
        let mut run = RunView::of(snapshot);
        run.running = opening == Opening::Run && run.snapshot.over.is_none();
        self.run = Some(run);
        if !self.screen.is_of_run() {
            self.screen = Screen::Live;
        }
        match opening {
            Opening::Settings => self.open_settings(),
            Opening::Run | Opening::Stay => Vec::new(),
        }
    }

    fn told_look(&mut self, looked: Arc<Looked>) {
        if let Some(run) = self.run_of(looked.generation) {
            run.looking = false;
            if run.field >= looked.fields.len() {
                run.field = 0;
            }
            run.looked = Some(looked);
        }
    }

    /// Lets simulated time pass as real time does.
    fn wake(&mut self, since: RealTime, room: u64) -> Vec<Act> {
        let Some(run) = self.run.as_mut().filter(|run| run.running && !run.busy) else { return Vec::new() };
        let last = run.snapshot.facts.until.unwrap_or(Instant::NEVER);
        let (events, until) = match SPEEDS[run.speed] {
            Speed::FlatOut => (room.max(1), last),
            _ if run.goal != Goal::None => (room.max(1), last),
            Speed::Times(per_second) => {
                // Late by more than a second: the terminal was asleep, and the run with it.
                let since = since.min(RealTime::from_secs(1));
                let nanos = u128::from(per_second.nanos()) * since.as_nanos() / 1_000_000_000;
                let step = sim_core::Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
                run.clock = (run.clock + step).min(last);
                (room.max(1), run.clock)
            }
        };
        run.busy = true;
        vec![Act::Ask(Ask::Run { events, until, stop_at_broken: run.goal != Goal::End })]
    }

    /// What the screen needs that the engine has not told yet; one thing of each sort at a time, so that the newest wish wins.
    fn wants(&mut self) -> Vec<Act> {
        let screen = self.screen;
        if !screen.is_of_run() || self.class() == Class::TooSmall {
            return Vec::new();
        }
        let rows = layout::list_height(self);
        let Some(run) = &mut self.run else { return Vec::new() };
        let mut asks = Vec::new();
        asks.extend(run.want_look());
        asks.extend(run.want_rows());
        if rows > 0 {
            asks.extend(run.want_labels(rows));
        }
        asks.into_iter().map(Act::Ask).collect()
    }
}

impl Picker {
    /// What is listed now.
    pub(crate) fn shown(&self) -> Vec<&Offer> {
        let has = |offer: &&Offer| {
            let word = self.filter.to_lowercase();
            [&offer.name, &offer.title, &offer.word].iter().any(|text| text.to_lowercase().contains(&word))
        };
        self.offers.iter().flat_map(|offers| offers.iter()).filter(has).collect()
    }
}

impl RunView {
    fn of(snapshot: Arc<Snapshot>) -> RunView {
        let speed = first_speed(snapshot.facts.until);
        RunView {
            cursor: snapshot.past.len(),
            clock: snapshot.at,
            snapshot,
            cursor_row: 8,
            running: false,
            busy: false,
            speed,
            goal: Goal::None,
            looked: None,
            looking: false,
            labels: BTreeMap::new(),
            labelling: false,
            rows: None,
            wanted: Wanted { fold: true, ..Wanted::default() },
            listing: false,
            walk: None,
            asking: None,
            whose: None,
            field: 0,
            pane: 0,
            zoomed: false,
            hidden: BTreeSet::new(),
            lane: 0,
            clocks: false,
            window: None,
            workload: 0,
            marks: BTreeMap::new(),
            been: Vec::new(),
            been_on: Vec::new(),
            word: String::new(),
        }
    }

    /// What was known about another run says nothing about this one.
    fn forget(&mut self) {
        self.looked = None;
        self.looking = false;
        self.labels.clear();
        self.labelling = false;
        self.rows = None;
        self.listing = false;
        self.walk = None;
        self.asking = None;
        self.wanted.cone = None;
        self.marks.clear();
        self.been.clear();
        self.been_on.clear();
    }

    /// Which events have a row, that of the cursor among them.
    pub(crate) fn listing(&self) -> Listing<'_> {
        let past = &self.snapshot.past;
        let list = match &self.rows {
            Some(rows) if rows.wanted == self.wanted => rows.list.as_ref(),
            // Until the engine has told, what is worth a row anyhow.
            _ if self.wanted.fold => Some(past.graded(sim_core::past::Grade::Notable)),
            _ => None,
        };
        Listing { list, extra: self.cursor, last: past.len() }
    }

    fn want_look(&mut self) -> Option<Ask> {
        let light = self.running;
        let (event, whose) = (self.cursor, self.whose);
        let known = self.looked.as_ref().is_some_and(|looked| {
            looked.event == event && (light || !looked.light) && (whose.is_none() || looked.whose == whose)
        });
        if known || self.looking {
            return None;
        }
        self.looking = true;
        Some(Ask::Look { event, whose, light })
    }

    fn want_rows(&mut self) -> Option<Ask> {
        let plain = self.wanted.fold && self.wanted.focus.is_none() && self.wanted.cone.is_none();
        if self.listing || plain && self.wanted.filter == super::told::Filter::default() {
            return None;
        }
        let of = self.snapshot.past.len();
        let known = self.rows.as_ref().is_some_and(|rows| rows.wanted == self.wanted && rows.of == of);
        if known {
            return None;
        }
        self.listing = true;
        Some(Ask::Rows(self.wanted.clone()))
    }

    fn want_labels(&mut self, rows: usize) -> Option<Ask> {
        /// While it runs, words would only flicker past.
        const KEPT: usize = 20_000;
        if self.labelling || self.running {
            return None;
        }
        if self.labels.len() > KEPT {
            self.labels.clear();
        }
        let listing = self.listing();
        let missing = |event: &u64| !self.labels.contains_key(&(*event as u32));
        let back = std::iter::successors(Some(self.cursor), |event| listing.before(*event)).take(rows);
        let on = std::iter::successors(listing.after(self.cursor), |event| listing.after(*event)).take(rows);
        let mut events: Vec<u32> =
            back.chain(on).filter(|event| *event > 0).filter(missing).map(|event| event as u32).collect();
        events.sort_unstable();
        if events.is_empty() {
            return None;
        }
        self.labelling = true;
        Some(Ask::Labels(events))
    }
}

/// The slowest speed at which a run of that length is over soon enough.
fn first_speed(until: Option<Instant>) -> usize {
    let fits = |speed: &Speed| match (speed, until) {
        (Speed::Times(per_second), Some(until)) => {
            per_second.nanos().saturating_mul(FIRST_SHOWING_SECONDS) >= until.nanos()
        }
        (Speed::Times(per_second), None) => per_second.nanos() >= 1_000_000_000,
        (Speed::FlatOut, _) => true,
    };
    SPEEDS.iter().position(fits).unwrap_or(SPEEDS.len() - 1)
}
