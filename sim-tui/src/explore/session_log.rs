//! What happens to an explorer, written down line by line, so that a session can be read, attached to a report and played again.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use ratatui::crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use serde::{Deserialize, Serialize};

use super::app::Msg;
use super::keys;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// The explorer was opened: columns, rows, with what, and with what in the availability lab.
    Opened {
        width: u16,
        height: u16,
        what: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lab: Option<String>,
    },
    /// A key.
    Key(String),
    /// A text from the clipboard.
    Paste(String),
    /// The mouse: what it did, column, row.
    Mouse(String, u16, u16),
    /// Another size.
    Resize(u16, u16),
    /// Nanoseconds of real time that passed, and the room for events.
    Wake(u64, u64),
    /// The engine told the next thing.
    Told,
    /// Something that cannot be played again.
    Other(String),
}

/// The line of a message.
pub(crate) fn line(msg: &Msg) -> String {
    let line = match msg {
        Msg::Key(key) => match keys::chord(*key) {
            Some(chord) => Line::Key(chord),
            None => Line::Other(format!("{:?}", key.code)),
        },
        Msg::Paste(text) => Line::Paste(text.clone()),
        Msg::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollDown => Line::Mouse("down".to_owned(), mouse.column, mouse.row),
            MouseEventKind::ScrollUp => Line::Mouse("up".to_owned(), mouse.column, mouse.row),
            MouseEventKind::Down(MouseButton::Left) => Line::Mouse("click".to_owned(), mouse.column, mouse.row),
            _ => Line::Other("mouse".to_owned()),
        },
        Msg::Resize(width, height) => Line::Resize(*width, *height),
        Msg::Wake { since, room } => Line::Wake(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX), *room),
        Msg::Told(_) => Line::Told,
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// The message of a line; none of what is told and of what cannot be played.
pub(crate) fn msg(line: &Line) -> Option<Msg> {
    Some(match line {
        Line::Key(chord) => Msg::Key(keys::key(chord)?),
        Line::Paste(text) => Msg::Paste(text.clone()),
        Line::Mouse(what, column, row) => {
            let kind = match what.as_str() {
                "down" => MouseEventKind::ScrollDown,
                "up" => MouseEventKind::ScrollUp,
                _ => MouseEventKind::Down(MouseButton::Left),
            };
            Msg::Mouse(MouseEvent { kind, column: *column, row: *row, modifiers: KeyModifiers::NONE })
        }
        Line::Resize(width, height) => Msg::Resize(*width, *height),
        Line::Wake(nanos, room) => Msg::Wake { since: Duration::from_nanos(*nanos), room: *room },
        Line::Opened { .. } | Line::Told | Line::Other(_) => return None,
    })
}

/// Where lines go.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    /// Begins a file.
    pub(crate) fn to_file(path: &str) -> io::Result<Log> {
        File::create(path).map(Log).map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
    }

    /// Writes how it was opened.
    pub(crate) fn opened(&mut self, (width, height): (u16, u16), what: Option<&str>, lab: Option<&str>) {
        let line = Line::Opened { width, height, what: what.map(str::to_owned), lab: lab.map(str::to_owned) };
        self.write(&serde_json::to_string(&line).unwrap_or_default());
    }

    /// Writes a line, at once: whatever happens next, it is there. A full disk ends no session.
    pub(crate) fn write(&mut self, line: &str) {
        let _ = writeln!(self.0, "{line}");
    }
}
