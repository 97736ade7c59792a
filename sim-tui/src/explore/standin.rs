//! A screen that shows next to nothing, so that the terminal's edge can be tried.

use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use crate::explore::guard;
use crate::explore::terminal::{Glyphs, Ink, Input, Look, Order, Screen};
use crate::report::Exit;

/// The stand-in; [`Screen`] says what it has to do.
#[derive(Debug)]
pub(crate) struct Standin {
    look: Look,
    palette: Option<String>,
    pasted: String,
    mouse: bool,
    running: bool,
    steps: u64,
    engine: Sender<Input<u64>>,
}

impl Standin {
    pub(crate) fn new(look: Look, engine: Sender<Input<u64>>) -> Standin {
        guard::context("the stand-in was open\n");
        Standin { look, palette: None, pasted: String::new(), mouse: false, running: false, steps: 0, engine }
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Order> {
        guard::remember(format_args!("key {:?} {:?}", key.modifiers, key.code));
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => vec![Order::Quit(Exit::Interrupted)],
                KeyCode::Char('z') => vec![Order::Suspend],
                KeyCode::Char('l') => vec![Order::Repaint],
                _ => Vec::new(),
            };
        }
        match &mut self.palette {
            Some(text) => match key.code {
                KeyCode::Enter => return self.command(),
                KeyCode::Esc => self.palette = None,
                KeyCode::Char(c) => text.push(c),
                _ => {}
            },
            None => return self.plain_key(key.code),
        }
        vec![Order::Redraw]
    }

    fn plain_key(&mut self, key: KeyCode) -> Vec<Order> {
        match key {
            KeyCode::Char('q') => return vec![Order::Quit(Exit::Held)],
            KeyCode::Char('y') => return vec![Order::Copy("faultline demo".to_owned())],
            KeyCode::Char('%') => {
                self.mouse = !self.mouse;
                return vec![Order::Mouse(self.mouse), Order::Redraw];
            }
            KeyCode::Char('m') => self.run_engine(),
            KeyCode::Char(' ') => (self.running, self.steps) = (!self.running, 0),
            KeyCode::Char(':') => self.palette = Some(String::new()),
            _ => return Vec::new(),
        }
        vec![Order::Redraw]
    }

    /// An engine that answers faster than anybody can look, until nobody listens.
    fn run_engine(&self) {
        let engine = self.engine.clone();
        let answers = move || {
            for answer in 0.. {
                if engine.send(Input::Engine(answer)).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
        };
        let _ = thread::Builder::new().name("engine".to_owned()).spawn(answers);
    }

    fn command(&mut self) -> Vec<Order> {
        if let Some(whose) = self.palette.take().unwrap_or_default().strip_prefix("debug-panic ") {
            guard::debug_panic(whose);
        }
        vec![Order::Redraw]
    }
}

impl Screen for Standin {
    type Reply = u64;

    fn take(&mut self, input: Input<u64>) -> Vec<Order> {
        match input {
            Input::Key(key) => return self.key(key),
            Input::Paste(text) => self.pasted = text,
            Input::Engine(answer) => self.steps = answer,
            Input::Mouse(mouse) => guard::remember(format_args!("mouse {mouse:?}")),
            Input::Resize(columns, rows) => guard::remember(format_args!("resize {columns} {rows}")),
            Input::Focus(here) => guard::remember(format_args!("focus {here}")),
            Input::Signal(signal) => guard::remember(format_args!("signal {signal:?}")),
            Input::WorkerPanicked(_) => {}
        }
        vec![Order::Redraw]
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let bar = if self.look.glyphs == Glyphs::Ascii { "-" } else { "─" }.repeat(area.width.into());
        let title = Style::new().add_modifier(Modifier::BOLD);
        let title = if self.look.ink == Ink::Plain { title } else { title.fg(Color::Cyan) };
        let lines = [
            Line::styled("faultline", title),
            Line::raw(bar.clone()),
            Line::styled("Scenarios", Modifier::REVERSED),
            Line::raw(format!("{}x{} steps {}", area.width, area.height, self.steps)),
            Line::raw(if self.mouse { "mouse on" } else { "mouse off" }),
            Line::raw(format!("pasted {:?}", self.pasted)),
            Line::raw(self.palette.as_ref().map_or(String::new(), |text| format!(":{text}"))),
            Line::raw(bar),
        ];
        for (line, row) in lines.iter().zip(area.rows()) {
            frame.render_widget(line, row);
        }
    }

    fn wakes_in(&self) -> Option<Duration> {
        self.running.then_some(Duration::from_millis(50))
    }

    fn woken(&mut self, _since: Duration) -> Vec<Order> {
        self.steps += 1;
        vec![Order::Redraw]
    }
}
