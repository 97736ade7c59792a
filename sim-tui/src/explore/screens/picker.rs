//! Which scenario: what there is, and what each is about.

use ratatui::layout::{Constraint, Layout, Rect};

use super::super::app::App;
use super::super::layout::Class;
use super::super::look::{Glyph, Ink};
use super::super::pen::{Pen, wrapped};
use super::super::told::{Offer, OfferKind};

pub(super) fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let (list, about) = match app.class() {
        Class::Narrow => (Constraint::Length(30), Constraint::Min(0)),
        Class::Large | Class::Medium => (Constraint::Length(52), Constraint::Min(0)),
        Class::Small | Class::TooSmall => (Constraint::Length(36), Constraint::Min(0)),
    };
    let [left, right] = Layout::horizontal([list, about]).areas(area);
    let Some(offers) = &app.picker.offers else {
        let inner = pen.pane(area, "Scenarios", "", true);
        pen.put(inner, inner.x + 1, inner.y + 1, Ink::Dim, "looking for scenarios and cases …");
        return;
    };
    let shown = app.picker.shown();
    let count = format!("{} of {}", (app.picker.selected + 1).min(shown.len()), offers.len());
    let title = match app.picker.filter.as_str() {
        "" => "Scenarios".to_owned(),
        filter => format!("Scenarios with \"{filter}\""),
    };
    let inner = pen.pane(left, &title, &count, true);
    offers_list(app, pen, inner, &shown);
    match shown.get(app.picker.selected) {
        Some(offer) => about_one(app, pen, right, offer),
        None => {
            let inner = pen.pane(right, "", "", false);
            pen.put(inner, inner.x + 1, inner.y + 1, Ink::Dim, "no scenario has that in its name; Esc shows all");
        }
    }
}

fn heading(kind: OfferKind) -> &'static str {
    match kind {
        OfferKind::BuiltIn => "built in",
        OfferKind::File => "files here",
        OfferKind::Case => "cases here",
    }
}

/// The list, with a line before each kind; scrolled so that the selected one is seen.
fn offers_list(app: &App, pen: &mut Pen<'_>, area: Rect, shown: &[&Offer]) {
    let mut lines: Vec<(Option<usize>, String, Ink)> = Vec::new();
    let mut last = None;
    for (index, offer) in shown.iter().enumerate() {
        if last != Some(offer.kind) {
            if last.is_some() {
                lines.push((None, String::new(), Ink::Plain));
            }
            lines.push((None, heading(offer.kind).to_owned(), Ink::Dim));
            last = Some(offer.kind);
        }
        let ink = if offer.wrong.is_some() { Ink::Trouble } else { Ink::Plain };
        lines.push((Some(index), offer.name.clone(), ink));
    }
    let selected = lines.iter().position(|(index, ..)| *index == Some(app.picker.selected)).unwrap_or_default();
    let height = usize::from(area.height);
    let first = (selected + 2).saturating_sub(height);
    for (y, (index, text, ink)) in (area.y..area.bottom()).zip(lines.iter().skip(first)) {
        let is_selected = *index == Some(app.picker.selected);
        let indent = if index.is_some() { 3 } else { 1 };
        if is_selected {
            pen.glyph(area, area.x + 1, y, Ink::Strong, Glyph::Cursor);
        }
        pen.fit(area, area.x + indent, y, *ink, text, area.width.saturating_sub(indent + 1));
        if is_selected {
            pen.reverse(area, y);
        }
    }
}

fn about_one(app: &App, pen: &mut Pen<'_>, area: Rect, offer: &Offer) {
    let inner = pen.pane(area, &offer.name, "Enter runs it", false);
    let room = usize::from(inner.width.saturating_sub(2));
    let lines = told(offer, room);
    let last = lines.len().saturating_sub(usize::from(inner.height));
    let first = app.picker.scroll.min(last);
    for (y, (ink, line)) in (inner.y..inner.bottom()).zip(lines.iter().skip(first)) {
        pen.fit(inner, inner.x + 1, y, *ink, line, inner.width.saturating_sub(1));
    }
    if first < last {
        pen.put_right(inner, inner.bottom().saturating_sub(1), Ink::Dim, " PgDn: more ");
    }
}

fn told(offer: &Offer, room: usize) -> Vec<(Ink, String)> {
    let mut lines: Vec<(Ink, String)> = Vec::new();
    let mut paragraph = |ink: Ink, text: &str| {
        lines.extend(wrapped(text, room).into_iter().map(|line| (ink, line)));
        lines.push((Ink::Plain, String::new()));
    };
    if let Some(wrong) = &offer.wrong {
        paragraph(Ink::Trouble, wrong);
        return lines;
    }
    paragraph(Ink::Strong, &offer.title);
    if !offer.about.is_empty() {
        paragraph(Ink::Plain, &offer.about);
    }
    if offer.kind == OfferKind::BuiltIn || offer.kind == OfferKind::File {
        paragraph(Ink::Dim, "Enter runs it and stops where a property breaks; w then asks why, again and again.");
    }
    let mut section = |title: &str, items: Vec<(String, String)>| {
        if items.is_empty() {
            return;
        }
        lines.push((Ink::Title, title.to_owned()));
        for (name, about) in items {
            let text = if about.is_empty() { name } else { format!("{name}: {about}") };
            let mut broken = wrapped(&text, room.saturating_sub(2)).into_iter();
            lines.extend(broken.next().map(|line| (Ink::Plain, format!("  {line}"))));
            lines.extend(broken.map(|line| (Ink::Plain, format!("    {line}"))));
        }
        lines.push((Ink::Plain, String::new()));
    };
    let bare = |texts: &[String]| texts.iter().map(|text| (text.clone(), String::new())).collect::<Vec<_>>();
    section(
        "nodes",
        vec![(offer.nodes.join(", "), String::new())].into_iter().filter(|(it, _)| !it.is_empty()).collect(),
    );
    section("what must hold", offer.properties.clone());
    section("faults", bare(&offer.faults));
    let settings = offer.settings.iter().map(|(name, default, about)| (format!("{name} = {default}"), about.clone()));
    section("settings (S turns them)", settings.collect());
    section("remedies", offer.remedies.clone());
    lines
}
