//! What lies over a screen: help, a line to type, a menu, a text.

use ratatui::layout::Rect;

use super::super::app::{App, Menu, Popup, Prompt, PromptKind};
use super::super::keys;
use super::super::look::{Glyph, Ink, Letters};
use super::super::pen::{Pen, wrapped};
use super::super::told::Facts;

pub(super) fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    match app.popups.last() {
        Some(Popup::Help { filter, selected }) => help(app, pen, area, filter, *selected),
        Some(Popup::Prompt(prompt)) => line(pen, area, prompt),
        Some(Popup::Menu { menu, selected }) => menu_of(app, pen, area, *menu, *selected),
        Some(Popup::Text { title, lines, scroll }) => text(pen, area, title, lines, *scroll),
        Some(Popup::FaultKeys) => fault_keys(pen, area),
        Some(Popup::Mark { set }) => {
            let title = if *set { "a letter for this mark" } else { "the letter of a mark" };
            let inner = over(pen, area, 40, 3, title, "Esc: not");
            pen.put(inner, inner.x + 1, inner.y, Ink::Plain, "any letter");
        }
        None => {}
    }
}

/// A pane in the middle, over whatever is there.
fn over(pen: &mut Pen<'_>, area: Rect, width: u16, height: u16, title: &str, remark: &str) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let place = Rect::new(x, y, width, height);
    pen.clear(place);
    pen.pane(place, title, remark, true)
}

fn help(app: &App, pen: &mut Pen<'_>, area: Rect, filter: &str, selected: usize) {
    let bindings = super::super::app::help_of(app.screen, filter);
    let title = format!("Help: {}", app.screen.name());
    let inner = over(pen, area, 96, area.height.saturating_sub(2), &title, "type to filter  Enter does it  Esc closes");
    let ascii = pen.look.letters == Letters::Ascii;
    pen.put(inner, inner.x + 1, inner.y, Ink::Key, "filter: ");
    let x = pen.put(inner, inner.x + 9, inner.y, Ink::Plain, filter);
    pen.cell(inner, x, inner.y, Ink::Selected, " ");
    let rows = usize::from(inner.height.saturating_sub(1));
    let first = (selected + 1).saturating_sub(rows);
    if bindings.is_empty() {
        pen.put(inner, inner.x + 1, inner.y + 2, Ink::Dim, "no key does that; Backspace takes a letter back");
    }
    for (y, (index, binding)) in (inner.y + 1..inner.bottom()).zip(bindings.iter().enumerate().skip(first)) {
        let keys: Vec<String> = binding.keys.iter().map(|key| keys::shown(key, ascii)).collect();
        pen.fit(inner, inner.x + 1, y, Ink::Key, &keys.join(" "), 13);
        pen.fit(inner, inner.x + 15, y, Ink::Plain, binding.help, inner.width.saturating_sub(16));
        if index == selected {
            pen.reverse(inner, y);
        }
    }
}

/// A line at the foot of the screen, where eyes are after typing a colon.
fn line(pen: &mut Pen<'_>, area: Rect, prompt: &Prompt) {
    let error = prompt.error.as_deref().unwrap_or_default();
    // A line that fits stays as it is: there may be a caret below a place.
    let room = usize::from(area.width.saturating_sub(4));
    let fits = |line: &str| line.chars().count() <= room;
    let errors: Vec<String> =
        error.lines().flat_map(|line| if fits(line) { vec![line.to_owned()] } else { wrapped(line, room) }).collect();
    let extra = if error.is_empty() { 0 } else { errors.len() as u16 };
    let height = (3 + extra).min(area.height);
    let place = Rect::new(area.x, area.bottom() - height, area.width, height);
    pen.clear(place);
    let title = match prompt.kind {
        PromptKind::Command => "a command (? lists them), #event, or a fault: 1s..4s crash NODE",
        PromptKind::Fault => "a fault: change it as you like, Enter records it",
        PromptKind::Filter => "keep only: node=NAME kind=NAME op=NAME/1; empty: all again",
        PromptKind::Search => "search forward: a node, a kind of message, an operation",
        PromptKind::GoTo => "go to",
        PromptKind::FilterList => "filter the list",
        PromptKind::Setting(_) => "the run is made again with it; nothing: its default",
        PromptKind::Lab => "an expression, a file or a scenario; then --let NAME=MEANING, --endpoint NODE.NAME",
        PromptKind::Knob(_) => "everything is worked out again with it; nothing: as it was at first",
        PromptKind::Seed => "another seed: the same scenario with other dice",
    };
    let inner = pen.pane(place, title, prompt.aside(), true);
    let before = prompt.title();
    let x = pen.put(inner, inner.x + 1, inner.y, Ink::Key, &before);
    let room = usize::from(inner.right().saturating_sub(x + 1));
    let scroll = prompt.input.visual_scroll(room);
    let shown: String = prompt.input.value().chars().skip(scroll).collect();
    pen.put(inner, x, inner.y, Ink::Strong, &shown);
    let cursor = x + prompt.input.visual_cursor().saturating_sub(scroll) as u16;
    let under: String =
        prompt.input.value().chars().nth(prompt.input.cursor()).map_or_else(|| " ".to_owned(), |it| it.to_string());
    pen.cell(inner, cursor, inner.y, Ink::Selected, &pen.look.text(&under).chars().take(1).collect::<String>());
    for (y, line) in (inner.y + 1..).zip(errors.iter().filter(|line| !line.is_empty())) {
        pen.fit(inner, inner.x + 1, y, Ink::Trouble, line, inner.width.saturating_sub(2));
    }
}

fn fault_keys(pen: &mut Pen<'_>, area: Rect) {
    const KEYS: [(&str, &str); 7] = [
        ("c", "crash a node"),
        ("p", "partition a node from all others"),
        ("l", "lose messages on a link"),
        ("d", "delay messages on a link"),
        ("t", "duplicate messages on a link (twice)"),
        ("w", "power loss of a node"),
        ("h", "heal: end what was broken by hand, now"),
    ];
    let inner = over(pen, area, 56, 10, "Break something", "a letter  Esc: not");
    for (y, (key, what)) in (inner.y..inner.bottom()).zip(KEYS) {
        pen.put(inner, inner.x + 1, y, Ink::Key, key);
        pen.put(inner, inner.x + 4, y, Ink::Plain, what);
    }
}

fn text(pen: &mut Pen<'_>, area: Rect, title: &str, lines: &[String], scroll: usize) {
    // Without sides: a page of 80 columns is shown whole in a terminal of 80.
    pen.clear(area);
    let inner = pen.page(area, title, "j k Space scroll  Esc closes");
    let wide: Vec<String> = lines
        .iter()
        .flat_map(|line| {
            let fits = line.chars().count() <= usize::from(inner.width);
            if fits { vec![line.clone()] } else { wrapped(line, usize::from(inner.width)) }
        })
        .collect();
    let first = scroll.min(wide.len().saturating_sub(usize::from(inner.height)));
    for (y, line) in (inner.y..inner.bottom()).zip(wide.iter().skip(first)) {
        pen.fit(inner, inner.x, y, Ink::Plain, line, inner.width);
    }
}

fn menu_of(app: &App, pen: &mut Pen<'_>, area: Rect, menu: Menu, selected: usize) {
    let Some(run) = &app.run else { return };
    let facts = &run.snapshot.facts;
    let (title, remark, lines) = match menu {
        Menu::Settings => (
            "Settings and remedies: the run is made again at once",
            "Enter changes  Backspace: default  Esc closes",
            settings(app, facts),
        ),
        Menu::Branches => ("Branches", "Enter goes there  Esc closes", branches(facts)),
        Menu::Faults => (
            "Faults of this run",
            "Enter goes to it  u takes yours back  U puts it in again  Esc closes",
            faults(facts, &run.snapshot.touched),
        ),
    };
    let height = (lines.len() as u16 + 2).max(4).min(area.height);
    let inner = over(pen, area, 140, height, title, remark);
    let rows = usize::from(inner.height);
    let here = lines.iter().position(|(index, ..)| *index == Some(selected)).unwrap_or(0);
    let first = (here + 1).saturating_sub(rows);
    for (y, (index, ink, line)) in (inner.y..inner.bottom()).zip(lines.iter().skip(first)) {
        pen.fit(inner, inner.x + 1, y, *ink, line, inner.width.saturating_sub(2));
        if *index == Some(selected) {
            pen.reverse(inner, y);
        }
    }
}

type Lines = Vec<(Option<usize>, Ink, String)>;

fn settings(app: &App, facts: &Facts) -> Lines {
    let wide = facts.settings.iter().map(|it| it.name.chars().count()).max().unwrap_or(4).max(4);
    let mut lines: Lines = vec![(Some(0), Ink::Plain, format!("{:wide$}  {}", "seed", facts.seed))];
    for (index, it) in facts.settings.iter().enumerate() {
        let (ink, was) = if it.value == it.default {
            (Ink::Plain, String::new())
        } else {
            (Ink::Strong, format!(" (default {})", it.default))
        };
        let range = if it.range.is_empty() { String::new() } else { format!("  [{}]", it.range) };
        lines.push((Some(index + 1), ink, format!("{:wide$}  {}{was}{range}  {}", it.name, it.value, it.about)));
    }
    if !facts.remedies.is_empty() {
        lines.push((None, Ink::Title, "remedies and variants".to_owned()));
    }
    for (index, it) in facts.remedies.iter().enumerate() {
        let mark = if it.on { format!("[{}]", app.look.glyph(Glyph::Holds)) } else { "[ ]".to_owned() };
        let ink = if it.on { Ink::Strong } else { Ink::Plain };
        lines.push((Some(index + 1 + facts.settings.len()), ink, format!("{mark} {}  {}", it.name, it.about)));
    }
    lines
}

fn branches(facts: &Facts) -> Lines {
    let line = |(index, it): (usize, &super::super::told::BranchLine)| {
        let from = it.from.map(|(branch, event)| format!("  from {} at #{event}", facts.branches[branch].name));
        let (ink, here) = if index == facts.branch { (Ink::Strong, "*") } else { (Ink::Plain, " ") };
        let text = format!("{here} {}{}  {}", it.name, from.unwrap_or_default(), it.standing);
        (Some(index), ink, text)
    };
    facts.branches.iter().enumerate().map(line).collect()
}

fn faults(facts: &Facts, touched: &[u64]) -> Lines {
    if facts.faults.is_empty() {
        return vec![(
            None,
            Ink::Dim,
            "none; f breaks something, and : takes a line such as 1s..4s crash NODE".to_owned(),
        )];
    }
    let (there, taken_back) = facts.undo;
    let line = |(index, it): (usize, &super::super::told::FaultLine)| {
        let whose = if it.by_hand { "yours" } else { "schedule" };
        let did = match touched.get(index).copied().unwrap_or(0) {
            0 => "did nothing yet".to_owned(),
            times => crate::text::counted(times, "time"),
        };
        (Some(index), Ink::Plain, format!("{whose:9} {}  ({did})", it.text))
    };
    let mut lines: Lines = facts.faults.iter().enumerate().map(line).collect();
    lines.push((None, Ink::Dim, format!("{there} of yours, {taken_back} taken back")));
    lines
}
