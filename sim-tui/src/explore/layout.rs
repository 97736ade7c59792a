//! What the size of the terminal allows, and where each pane stands.

use ratatui::layout::{Constraint, Layout, Rect};

use super::app::App;
use super::keys::Screen;
use super::screens;

/// How much there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Nothing true can be said.
    TooSmall,
    /// Lists, without columns for nodes.
    Narrow,
    /// One main pane and an inspector.
    Small,
    /// More beside it.
    Medium,
    /// Everything.
    Large,
}

/// The least that a screen needs.
pub(crate) const LEAST: (u16, u16) = (60, 16);
/// What the screens are drawn for at least.
pub(crate) const USUAL: (u16, u16) = (80, 24);

impl Class {
    /// That of a size in columns and rows.
    pub(crate) fn of((width, height): (u16, u16)) -> Class {
        if width < LEAST.0 || height < LEAST.1 {
            Class::TooSmall
        } else if width < USUAL.0 {
            Class::Narrow
        } else if width >= 140 && height >= 40 {
            Class::Large
        } else if width > 99 && height > 35 {
            Class::Medium
        } else {
            Class::Small
        }
    }
}

/// How many panes a screen of a run has that the keys can be in.
pub(crate) const PANES: usize = 4;
/// The pane of topology or lanes.
pub(crate) const MAIN: usize = 0;
/// The pane of rates, errors, durations.
pub(crate) const RATES: usize = 1;
/// The pane of the timeline, or of why.
pub(crate) const TIMELINE: usize = 2;
/// The pane that inspects.
pub(crate) const INSPECTOR: usize = 3;

/// The lines above and below: title, screen, hints.
pub(crate) fn frame(area: Rect) -> [Rect; 3] {
    Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area)
}

/// How many rows of events the screen has room for; 0 where it shows none.
pub(crate) fn list_height(app: &App) -> usize {
    let area = Rect::new(0, 0, app.size.0, app.size.1);
    let [_, body, _] = frame(area);
    match app.screen {
        Screen::Scenarios | Screen::Lab => 0,
        Screen::Live => usize::from(screens::live::list(app, body).map_or(0, |area| area.height.saturating_sub(2))),
        Screen::Spacetime => usize::from(screens::spacetime::list(app, body).height),
    }
}

/// The event whose row is at a place of the terminal.
pub(crate) fn event_at(app: &App, _column: u16, row: u16) -> Option<u64> {
    let area = Rect::new(0, 0, app.size.0, app.size.1);
    let [_, body, _] = frame(area);
    match app.screen {
        Screen::Spacetime => screens::spacetime::event_at(app, body, row),
        Screen::Scenarios | Screen::Live | Screen::Lab => None,
    }
}
