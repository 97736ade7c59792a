//! What lies over the screen: help, a line to type, a menu to choose from, a text to read.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use sim_core::Seed;
use tui_input::{Input, InputRequest};

use super::super::keys::{self, Action, Binding, Screen};
use super::super::lab::LabAsk;
use super::super::pen::wrapped;
use super::super::told::{Ask, Edit};
use super::{Act, App, Opening};

/// Something that lies over the screen and takes the keys.
#[derive(Debug)]
pub(crate) enum Popup {
    /// The keys of this screen, filtered by what was typed.
    Help { filter: String, selected: usize },
    /// A line to type.
    Prompt(Prompt),
    /// A menu.
    Menu { menu: Menu, selected: usize },
    /// A text to read.
    Text { title: String, lines: Vec<String>, scroll: usize },
    /// The next letter says what to break.
    FaultKeys,
    /// The next letter names a mark to set, or one to go to.
    Mark { set: bool },
}

/// What is chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Menu {
    /// The seed, settings, remedies.
    Settings,
    /// Branches.
    Branches,
    /// Faults of the schedule.
    Faults,
}

/// What a line is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PromptKind {
    /// A command or a fault.
    Command,
    /// An instant or an event.
    GoTo,
    /// A word to search for.
    Search,
    /// What events must be.
    Filter,
    /// What scenarios must have in their names.
    FilterList,
    /// The value of a setting.
    Setting(String),
    /// The seed.
    Seed,
    /// A fault.
    Fault,
    /// What the lab is to look at.
    Lab,
    /// The value of a knob of the lab: what messages call it.
    Knob(String),
}

/// A line that is typed.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) kind: PromptKind,
    pub(crate) input: Input,
    /// What is wrong with it, as far as it was tried.
    pub(crate) error: Option<String>,
    /// Other lines that Tab goes through.
    others: Vec<String>,
    other: usize,
}

impl Prompt {
    pub(crate) fn insert(&mut self, text: &str) {
        for letter in text.chars().filter(|letter| !letter.is_control()) {
            self.input.handle(InputRequest::InsertChar(letter));
        }
        self.error = None;
    }

    /// What stands before the line.
    pub(crate) fn title(&self) -> String {
        match &self.kind {
            PromptKind::Command => ":".to_owned(),
            PromptKind::GoTo => "go to (4.3s or #4163): ".to_owned(),
            PromptKind::Search => "/".to_owned(),
            PromptKind::Filter => "& ".to_owned(),
            PromptKind::FilterList => "filter: ".to_owned(),
            PromptKind::Setting(name) => format!("{name} = "),
            PromptKind::Seed => "seed = ".to_owned(),
            PromptKind::Fault => "fault: ".to_owned(),
            PromptKind::Lab => "lab: ".to_owned(),
            PromptKind::Knob(name) => format!("{name} = "),
        }
    }

    /// The same line, with what is wrong with it.
    pub(super) fn with_error(self, error: String) -> Prompt {
        Prompt { error: Some(error), ..self }
    }

    /// What Tab does, if anything.
    pub(crate) fn aside(&self) -> &'static str {
        if self.others.len() > 1 { "Tab: another target   Enter: do it   Esc: not" } else { "Enter: do it   Esc: not" }
    }

    fn next_other(&mut self) {
        if self.others.is_empty() {
            return;
        }
        self.other = (self.other + 1) % self.others.len();
        self.input = Input::new(self.others[self.other].clone());
        self.error = None;
    }
}

/// What is edited by a key on a line that is typed.
fn edit(key: KeyEvent) -> Option<InputRequest> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('a') if ctrl => Some(InputRequest::GoToStart),
        KeyCode::Char('e') if ctrl => Some(InputRequest::GoToEnd),
        KeyCode::Char('w') if ctrl => Some(InputRequest::DeletePrevWord),
        KeyCode::Char('u') if ctrl => Some(InputRequest::DeleteLine),
        KeyCode::Char('k') if ctrl => Some(InputRequest::DeleteTillEnd),
        KeyCode::Char(letter) if !ctrl => Some(InputRequest::InsertChar(letter)),
        KeyCode::Backspace => Some(InputRequest::DeletePrevChar),
        KeyCode::Delete => Some(InputRequest::DeleteNextChar),
        KeyCode::Left => Some(InputRequest::GoToPrevChar),
        KeyCode::Right => Some(InputRequest::GoToNextChar),
        KeyCode::Home => Some(InputRequest::GoToStart),
        KeyCode::End => Some(InputRequest::GoToEnd),
        _ => None,
    }
}

impl Popup {
    pub(crate) fn help() -> Popup {
        Popup::Help { filter: String::new(), selected: 0 }
    }

    pub(crate) fn prompt(kind: PromptKind, text: &str) -> Popup {
        Popup::Prompt(Prompt { kind, input: Input::new(text.to_owned()), error: None, others: Vec::new(), other: 0 })
    }

    /// A line with others that Tab goes through; the first of them stands there.
    pub(crate) fn prompt_among(kind: PromptKind, others: Vec<String>) -> Popup {
        let input = Input::new(others.first().cloned().unwrap_or_default());
        Popup::Prompt(Prompt { kind, input, error: None, others, other: 0 })
    }

    pub(crate) fn menu(menu: Menu) -> Popup {
        Popup::Menu { menu, selected: 0 }
    }

    pub(crate) fn text(title: &str, lines: Vec<String>) -> Popup {
        Popup::Text { title: title.to_owned(), lines, scroll: 0 }
    }
}

/// The bindings of a screen that have a word, in help's order.
pub(crate) fn help_of(screen: Screen, filter: &str) -> Vec<&'static Binding> {
    let word = filter.to_lowercase();
    let has = |binding: &&Binding| {
        word.is_empty()
            || binding.name.contains(&word)
            || binding.help.to_lowercase().contains(&word)
            || binding.keys.iter().any(|key| keys::shown(key, true).to_lowercase() == word)
    };
    keys::of(screen).into_iter().filter(has).collect()
}

impl App {
    /// A key while something lies over the screen.
    pub(super) fn popup_key(&mut self, key: KeyEvent, chord: &str) -> Vec<Act> {
        if chord == "esc" {
            self.popups.pop();
            return Vec::new();
        }
        match self.popups.last_mut() {
            Some(Popup::Help { .. }) => self.help_key(key, chord),
            Some(Popup::Prompt(_)) => self.prompt_key(key, chord),
            Some(Popup::Menu { .. }) => self.menu_key(chord),
            Some(Popup::Text { .. }) => self.text_key(chord),
            Some(Popup::FaultKeys) => {
                self.popups.pop();
                self.break_by_key(chord)
            }
            Some(Popup::Mark { set }) => {
                let set = *set;
                self.popups.pop();
                self.mark(chord, set)
            }
            None => Vec::new(),
        }
    }

    fn help_key(&mut self, key: KeyEvent, chord: &str) -> Vec<Act> {
        let screen = self.screen;
        let Some(Popup::Help { filter, selected }) = self.popups.last_mut() else { return Vec::new() };
        let count = help_of(screen, filter).len();
        match (chord, key.code) {
            ("down" | "tab" | "ctrl-n", _) => *selected = (*selected + 1).min(count.saturating_sub(1)),
            ("up" | "S-tab" | "ctrl-p", _) => *selected = selected.saturating_sub(1),
            ("pgdn" | "ctrl-d", _) => *selected = (*selected + 10).min(count.saturating_sub(1)),
            ("pgup" | "ctrl-u", _) => *selected = selected.saturating_sub(10),
            ("f1", _) => _ = self.popups.pop(),
            ("enter", _) => {
                let action = help_of(screen, filter).get(*selected).map(|binding| binding.action);
                self.popups.pop();
                return action.map_or_else(Vec::new, |action| self.act(action));
            }
            ("backspace", _) => {
                filter.pop();
                *selected = 0;
            }
            (_, KeyCode::Char(letter)) if !chord.starts_with("ctrl-") => {
                filter.push(letter);
                *selected = 0;
            }
            _ => {}
        }
        Vec::new()
    }

    fn prompt_key(&mut self, key: KeyEvent, chord: &str) -> Vec<Act> {
        let Some(Popup::Prompt(prompt)) = self.popups.last_mut() else { return Vec::new() };
        match chord {
            "enter" => return self.enter_line(),
            "tab" => prompt.next_other(),
            // A colon after an error begins anew.
            ":" if prompt.error.is_some() => {
                prompt.input.reset();
                prompt.error = None;
            }
            _ => {
                if let Some(request) = edit(key) {
                    prompt.input.handle(request);
                    prompt.error = None;
                }
            }
        }
        if let Some(Popup::Prompt(Prompt { kind: PromptKind::FilterList, input, .. })) = self.popups.last() {
            // The list follows what is typed.
            input.value().clone_into(&mut self.picker.filter);
            self.picker.selected = 0;
        }
        Vec::new()
    }

    /// Takes the line that was typed; it stays there, with what is wrong, when it cannot be taken.
    fn enter_line(&mut self) -> Vec<Act> {
        let Some(Popup::Prompt(prompt)) = self.popups.pop() else { return Vec::new() };
        let line = prompt.input.value().trim().to_owned();
        match self.take_line(&prompt.kind, &line) {
            Ok(acts) => {
                // Only the engine can say whether that can be done; if not, nothing that was typed is gone.
                let is_tried = |act: &Act| match act {
                    Act::Ask(Ask::Edit(_) | Ask::Open { .. }) => true,
                    Act::Ask(Ask::Lab(ask)) => matches!(ask, LabAsk::Open(_) | LabAsk::Turn { .. }),
                    _ => false,
                };
                self.tried = acts.iter().any(is_tried).then_some(prompt);
                acts
            }
            Err(error) => {
                self.popups.push(Popup::Prompt(prompt.with_error(error)));
                Vec::new()
            }
        }
    }

    fn take_line(&mut self, kind: &PromptKind, line: &str) -> Result<Vec<Act>, String> {
        match kind {
            PromptKind::Command => self.command(line),
            PromptKind::GoTo => self.go_to(line),
            PromptKind::Search => self.search(line),
            PromptKind::Filter => self.filter(line),
            PromptKind::FilterList => {
                line.clone_into(&mut self.picker.filter);
                Ok(Vec::new())
            }
            PromptKind::Setting(name) => {
                let value = (!line.is_empty()).then(|| line.to_owned());
                let settings = self.run.iter().flat_map(|run| run.snapshot.facts.settings.iter());
                let selected =
                    settings.map(|setting| &setting.name).position(|known| known == name).map_or(0, |at| at + 1);
                self.popups.push(Popup::Menu { menu: Menu::Settings, selected });
                Ok(self.edit(Edit::Set { name: name.clone(), value }))
            }
            PromptKind::Seed => {
                let seed: Seed = line.parse().map_err(|_| format!("\"{line}\" is no seed: a number, or 0x…"))?;
                Ok(self.edit(Edit::Seed(seed)))
            }
            PromptKind::Fault => self.add_fault(line),
            PromptKind::Lab if line.is_empty() => Err("write an expression, a file or a scenario".to_owned()),
            PromptKind::Lab => Ok(vec![Act::Ask(Ask::Lab(LabAsk::Open(line.to_owned())))]),
            PromptKind::Knob(name) => Ok(self.turn_knob(name, Some(line).filter(|line| !line.is_empty()))),
        }
    }

    fn text_key(&mut self, chord: &str) -> Vec<Act> {
        let page = usize::from(self.size.1.saturating_sub(8)).max(1);
        // The lines of the title, the hints, the head and the foot of the page.
        let (width, height) = (usize::from(self.size.0), usize::from(self.size.1.saturating_sub(4)));
        let Some(Popup::Text { lines, scroll, .. }) = self.popups.last_mut() else { return Vec::new() };
        let rows = |line: &String| if line.chars().count() <= width { 1 } else { wrapped(line, width).len() };
        // The last line stands at the bottom then.
        let last = lines.iter().map(rows).sum::<usize>().saturating_sub(height);
        *scroll = (*scroll).min(last);
        match chord {
            "down" | "j" => *scroll = (*scroll + 1).min(last),
            "up" | "k" => *scroll = scroll.saturating_sub(1),
            "pgdn" | "space" | "ctrl-d" => *scroll = (*scroll + page).min(last),
            "pgup" | "ctrl-u" => *scroll = scroll.saturating_sub(page),
            "g" | "home" => *scroll = 0,
            "G" | "end" => *scroll = last,
            "q" | "enter" => _ = self.popups.pop(),
            _ => {}
        }
        Vec::new()
    }

    fn menu_key(&mut self, chord: &str) -> Vec<Act> {
        let count = self.menu_length();
        let Some(Popup::Menu { menu, selected }) = self.popups.last_mut() else { return Vec::new() };
        let (menu, at) = (*menu, *selected);
        match chord {
            "down" | "j" | "tab" => *selected = (at + 1).min(count.saturating_sub(1)),
            "up" | "k" | "S-tab" => *selected = at.saturating_sub(1),
            "pgdn" | "ctrl-d" => *selected = (at + 10).min(count.saturating_sub(1)),
            "pgup" | "ctrl-u" => *selected = at.saturating_sub(10),
            "q" => _ = self.popups.pop(),
            "enter" | "space" => return self.choose(menu, at),
            "u" if menu == Menu::Faults => return self.edit(Edit::Undo),
            "U" if menu == Menu::Faults => return self.edit(Edit::Redo),
            "backspace" if menu == Menu::Settings => return self.set_to_default(at),
            _ => {}
        }
        Vec::new()
    }

    fn menu_length(&self) -> usize {
        let (Some(Popup::Menu { menu, .. }), Some(run)) = (self.popups.last(), &self.run) else { return 0 };
        let facts = &run.snapshot.facts;
        match menu {
            Menu::Settings => 1 + facts.settings.len() + facts.remedies.len(),
            Menu::Branches => facts.branches.len(),
            Menu::Faults => facts.faults.len(),
        }
    }

    fn choose(&mut self, menu: Menu, at: usize) -> Vec<Act> {
        let Some(run) = &self.run else { return Vec::new() };
        let facts = &run.snapshot.facts;
        match menu {
            Menu::Settings if at == 0 => {
                let seed = facts.seed.to_string();
                self.open(Popup::prompt(PromptKind::Seed, &seed))
            }
            Menu::Settings => {
                if let Some(setting) = facts.settings.get(at - 1) {
                    let (name, value) = (setting.name.clone(), setting.value.clone());
                    self.popups.pop();
                    return self.open(Popup::prompt(PromptKind::Setting(name), &value));
                }
                let remedy = facts.remedies.get(at - 1 - facts.settings.len()).map(|remedy| remedy.name.clone());
                remedy.map_or_else(Vec::new, |name| self.edit(Edit::Remedy(name)))
            }
            Menu::Branches => {
                self.popups.pop();
                self.pause();
                vec![Act::Ask(Ask::Switch(at))]
            }
            Menu::Faults => {
                let begins = facts.faults.get(at).and_then(|fault| fault.begins);
                self.popups.pop();
                match begins {
                    Some(begins) => self.go_to_instant(begins),
                    None => self.say("that fault has no instant of its own; its row in spacetime says what it did"),
                }
            }
        }
    }

    /// Sets what is selected of the settings back.
    fn set_to_default(&mut self, at: usize) -> Vec<Act> {
        let Some(run) = &self.run else { return Vec::new() };
        let name = at.checked_sub(1).and_then(|at| run.snapshot.facts.settings.get(at)).map(|it| it.name.clone());
        name.map_or_else(Vec::new, |name| self.edit(Edit::Set { name, value: None }))
    }

    /// Settings belong to a run: that of the selected scenario is opened first.
    pub(super) fn open_settings(&mut self) -> Vec<Act> {
        if self.screen == Screen::Scenarios {
            return self.open_selected(Opening::Settings);
        }
        if self.screen == Screen::Lab {
            return self.say(
                "what can be turned here stands in the pane of knobs; settings of a scenario are below its figures",
            );
        }
        self.pause();
        self.open(Popup::menu(Menu::Settings))
    }

    /// Changes the run and has it made again.
    pub(super) fn edit(&mut self, edit: Edit) -> Vec<Act> {
        self.pause();
        vec![Act::Ask(Ask::Edit(edit))]
    }

    /// What `f` and a letter break.
    fn break_by_key(&mut self, chord: &str) -> Vec<Act> {
        let lines = match chord {
            "c" => self.fault_lines(|node, _| format!("crash {node}")),
            "p" => self.fault_lines(|node, _| format!("partition {node} | *")),
            "l" => self.fault_lines(|node, asked| format!("loss {node}->{asked} 50%")),
            "d" => self.fault_lines(|node, asked| format!("delay {node}->{asked} +200ms ~50ms")),
            "t" => self.fault_lines(|node, asked| format!("duplicate {node}->{asked} 50%")),
            "w" => self.fault_lines(|node, _| format!("power-loss {node}")),
            "h" => return self.heal(),
            _ => return self.complain(format!("f {chord} breaks nothing; f and c p l d t w, or h to heal")),
        };
        if lines.is_empty() {
            return self.complain("there is no node to break");
        }
        self.open(Popup::prompt_among(PromptKind::Fault, lines))
    }

    /// Whatever a key asks for while help is open can be asked for by name too.
    pub(super) fn by_name(&mut self, name: &str) -> Option<Vec<Act>> {
        let action: Action = keys::named(self.screen, name)?.action;
        Some(self.act(action))
    }
}
