//! The screens, drawn from what the explorer knows. Nothing here changes anything, and nothing here reads a run from end to end.

mod lab;
pub(crate) mod live;
mod overlays;
mod picker;
pub(crate) mod spacetime;

use ratatui::layout::Rect;

use super::app::App;
use super::keys::{self, Screen};
use super::layout::{self, Class};
use super::look::{Glyph, Ink};
use super::pen::{Pen, wrapped};
use super::words;

/// Draws the whole terminal.
pub(crate) fn draw(app: &App, pen: &mut Pen<'_>) {
    let area = pen.area();
    if app.class() == Class::TooSmall {
        return too_small(app, pen, area);
    }
    let [title, body, foot] = layout::frame(area);
    title_line(app, pen, title);
    match app.screen {
        Screen::Scenarios => picker::draw(app, pen, body),
        Screen::Live => live::draw(app, pen, body),
        Screen::Spacetime => spacetime::draw(app, pen, body),
        Screen::Lab => lab::draw(app, pen, body),
    }
    foot_line(app, pen, foot);
    if app.popups.is_empty() {
        long_notice(app, pen, body);
    }
    overlays::draw(app, pen, body);
}

/// The size there is, the size that is needed, and the keys that still do something.
fn too_small(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let (width, height) = app.size;
    let (least_width, least_height) = layout::LEAST;
    let lines = [
        format!("{width}x{height} is too small for this screen"),
        format!("needs {least_width}x{least_height}, better 80x24"),
        "keys do nothing here but  q quit  Ctrl-C".to_owned(),
    ];
    let top = area.height.saturating_sub(lines.len() as u16) / 2;
    for (y, line) in (area.top() + top..).zip(&lines) {
        let x = area.left() + area.width.saturating_sub(pen.width(line)) / 2;
        pen.put(area, x, y, Ink::Plain, line);
    }
}

fn title_line(app: &App, pen: &mut Pen<'_>, area: Rect) {
    if let Some(lab) = app.lab.as_ref().filter(|_| app.screen == Screen::Lab) {
        return lab::title(lab, pen, area);
    }
    let Some(run) = app.run.as_ref().filter(|_| app.screen != Screen::Scenarios) else {
        let x = pen.put(area, 1, area.y, Ink::Title, concat!("faultline ", env!("CARGO_PKG_VERSION")));
        pen.put(area, x + 2, area.y, Ink::Plain, "Scenarios");
        let (width, height) = app.size;
        let right = format!("{} · {width}x{height} ", app.look.theme.name());
        pen.put_right(area, area.y, Ink::Dim, &right);
        return;
    };
    let snapshot = &run.snapshot;
    let facts = &snapshot.facts;
    let edge = snapshot.past.len();
    let mode = if run.running {
        "RUN"
    } else if snapshot.over.is_some() && run.cursor == edge {
        "OVER"
    } else if run.cursor < edge {
        "PAST"
    } else {
        "PAUSED"
    };
    let now = if run.running { run.clock.max(snapshot.at) } else { run.now() };
    let end = facts.until.map(|until| format!(" of {}", words::short(until.nanos()))).unwrap_or_default();
    let broken = snapshot.broken.len();
    let state = match broken {
        0 => format!("{} nothing broke", pen.look.glyph(Glyph::Holds)),
        1 => format!("{} 1 broken", pen.look.glyph(Glyph::Broken)),
        more => format!("{} {more} broken", pen.look.glyph(Glyph::Broken)),
    };
    let ink = if broken > 0 { Ink::Broken } else { Ink::Fine };
    let name = &facts.branches[facts.branch].name;
    let branch = if facts.branches.len() > 1 { name.clone() } else { app.screen.name().to_owned() };
    let mut x = pen.put(area, 1, area.y, Ink::Title, &facts.scenario);
    let exact = match snapshot.exact {
        Some(true) => (Ink::Fine, "as recorded".to_owned()),
        Some(false) => (Ink::Trouble, "not as recorded".to_owned()),
        None => (Ink::Dim, String::new()),
    };
    let parts: [(Ink, String); 7] = [
        (if run.running { Ink::Fine } else { Ink::Selected }, format!(" {mode} ")),
        (ink, state),
        (Ink::Plain, format!("{}s{end}", words::instant(now))),
        (Ink::Plain, format!("#{} of {edge}", run.cursor)),
        (Ink::Dim, branch),
        (Ink::Plain, format!("seed {}", facts.seed)),
        exact,
    ];
    for (ink, part) in parts {
        // A part that does not fit is left out whole: half a number is another number.
        if !part.is_empty() && x + 2 + pen.width(&part) <= area.right() {
            x = pen.put(area, x + 2, area.y, ink, &part);
        }
    }
}

/// What was said, what is at work, or which keys there are.
fn foot_line(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let help = "? help ";
    let room = area.width.saturating_sub(pen.width(help) + 1);
    let left = Rect { width: room, ..area };
    match said(app) {
        Some((ink, text)) if pen.width(text) < room => _ = pen.put(left, 1, area.y, ink, text),
        _ if app.popups.is_empty() => hints(app, pen, left),
        _ => _ = pen.put(left, 1, area.y, Ink::Dim, "Esc closes what lies over the screen"),
    }
    pen.put_right(area, area.y, Ink::Key, help);
}

/// What is at work, else what was said last.
fn said(app: &App) -> Option<(Ink, &str)> {
    let progress = app.progress.as_ref().map(|progress| (Ink::Strong, progress.as_str()));
    progress.or(app.notice.as_ref().map(|(ink, notice)| (*ink, notice.as_str())))
}

/// What was said and is longer than the last line: above it, whole.
fn long_notice(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let Some((ink, text)) = said(app) else { return };
    if pen.width(text) + 9 < area.width {
        return;
    }
    let lines = wrapped(text, usize::from(area.width.saturating_sub(4)));
    let height = (lines.len() as u16 + 2).min(area.height);
    let place = Rect::new(area.x, area.bottom() - height, area.width, height);
    pen.clear(place);
    let inner = pen.pane(place, "", "", true);
    for (y, line) in (inner.y..inner.bottom()).zip(&lines) {
        pen.put(inner, inner.x + 1, y, ink, line);
    }
}

fn hints(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let ascii = app.look.letters == super::look::Letters::Ascii;
    let mut x = 1;
    for binding in keys::of(app.screen) {
        let Some(word) = binding.hint.filter(|word| *word != "help") else { continue };
        let key = keys::shown(binding.keys[0], ascii);
        if x + pen.width(&key) + 1 + pen.width(word) > area.right() {
            continue;
        }
        x = pen.put(area, x, area.y, Ink::Key, &key);
        x = pen.put(area, x + 1, area.y, Ink::Plain, word) + 2;
    }
}
