//! The availability lab: what can be turned, what the algebra says and the simulation shows, why they differ, what buys
//! the most.

mod sketch;

use ratatui::layout::{Constraint, Layout, Rect};
use sim_core::Ratio;
use sim_models::avail::{Availability, Change, Effect, Period, Piece};
use sim_models::stats::Estimate;
use sim_models::study::Unit;

use super::super::app::{App, LabView, Pane};
use super::super::lab::{KnobKind, KnobLine, Lab, Seen, SeenState, Worked};
use super::super::layout::Class;
use super::super::look::{Glyph, Ink, Letters};
use super::super::pen::{Pen, wrapped};
use super::super::terminal::Glyphs;
use crate::avail::{self, nines, seconds};
use crate::estimates;
use crate::figure::scale::Unit as AxisUnit;
use crate::figure::terminal::{Paper, drawn};
use crate::figure::{Axis, Data, Figure, Interval};
use crate::reconciled as account;
use crate::text;

/// Where each pane stands; those without room are empty.
#[derive(Clone, Copy, Debug, Default)]
struct Panes {
    knobs: Rect,
    figures: Rect,
    blocks: Rect,
    changes: Rect,
    scale: Rect,
    outages: Rect,
}

fn panes(app: &App, view: &LabView, area: Rect) -> Panes {
    if view.zoomed {
        return match view.pane {
            Pane::Knobs => Panes { knobs: area, ..Panes::default() },
            Pane::Figures => Panes { figures: area, ..Panes::default() },
            Pane::Blocks => Panes { blocks: area, ..Panes::default() },
            Pane::Changes => Panes { changes: area, ..Panes::default() },
        };
    }
    let halves =
        |area: Rect| -> [Rect; 2] { Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(area) };
    match app.class() {
        Class::Large | Class::Medium => {
            let [top, middle, bottom] =
                Layout::vertical([Constraint::Fill(11), Constraint::Fill(5), Constraint::Fill(7)]).areas(area);
            let [knobs, figures] = Layout::horizontal([Constraint::Length(46), Constraint::Min(0)]).areas(top);
            let ([blocks, changes], [scale, outages]) = (halves(middle), halves(bottom));
            Panes { knobs, figures, blocks, changes, scale, outages }
        }
        Class::Small => {
            let [left, right] = Layout::horizontal([Constraint::Length(35), Constraint::Min(0)]).areas(area);
            let [knobs, blocks] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(left);
            let [figures, changes] = Layout::vertical([Constraint::Fill(7), Constraint::Fill(4)]).areas(right);
            Panes { knobs, figures, blocks, changes, ..Panes::default() }
        }
        Class::Narrow | Class::TooSmall => {
            let [figures, knobs] = Layout::vertical([Constraint::Fill(3), Constraint::Fill(2)]).areas(area);
            Panes { knobs, figures, ..Panes::default() }
        }
    }
}

/// What is looked at, what it comes to, and how much was simulated.
pub(super) fn title(view: &LabView, pen: &mut Pen<'_>, area: Rect) {
    let Lab { worked, seen } = &*view.told;
    let mut x = pen.put(area, 1, area.y, Ink::Title, "lab");
    let room = (area.width / 2).saturating_sub(x + 2);
    x = pen.fit(area, x + 2, area.y, Ink::Strong, &worked.name, room);
    let state = seen.as_ref().map(|seen| match seen.state {
        SeenState::Running => (Ink::Fine, " RUN ".to_owned()),
        SeenState::Stopped => (Ink::Selected, " STOPPED ".to_owned()),
        SeenState::Done => (Ink::Selected, " DONE ".to_owned()),
    });
    let years = seen.as_ref().map(|seen| match seen.state {
        SeenState::Running => {
            format!("seen {} of {}", text::count(seen.years.round() as u64), length_in_years(seen.goal))
        }
        SeenState::Done | SeenState::Stopped => format!("seen {}", length_in_years(seen.years)),
    });
    let years = years.map(|years| (Ink::Plain, years));
    let parts = [
        state,
        Some((Ink::Plain, format!("seed {}", worked.seed))),
        exact(worked).map(|whole| (Ink::Plain, format!("{} nines", nines(whole)))),
        years,
        exact(worked)
            .map(|whole| (Ink::Plain, format!("down {} a year", seconds(whole.downtime_seconds(Period::Year))))),
    ];
    for (ink, part) in parts.into_iter().flatten() {
        // A part that does not fit is left out whole: half a number is another number.
        if x + 2 + pen.width(&part) <= area.right() {
            x = pen.put(area, x + 2, area.y, ink, &part);
        }
    }
}

/// What all of it comes to by the algebra.
fn exact(worked: &Worked) -> Option<Availability> {
    worked.whole.as_ref().ok().copied()
}

fn length_in_years(years: f64) -> String {
    if years >= 1.0 { text::counted(years.round() as u64, "year") } else { seconds(years * Period::Year.seconds()) }
}

pub(super) fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let Some(view) = &app.lab else { return };
    let panes = panes(app, view, area);
    let there = |area: Rect| area.height > 0 && area.width > 0;
    if there(panes.knobs) {
        knobs(view, pen, panes.knobs);
    }
    if there(panes.figures) {
        scrolled(view, pen, panes.figures, Pane::Figures, "Algebra and simulation", figures);
    }
    if there(panes.blocks) {
        blocks(view, pen, panes.blocks);
    }
    if there(panes.changes) {
        scrolled(view, pen, panes.changes, Pane::Changes, "What buys the most", changes);
    }
    if there(panes.scale) {
        let inner = pen.pane(panes.scale, "Nines", "each is a tenth of the downtime", false);
        scale(view, pen, inner);
    }
    if there(panes.outages) {
        outages(view, pen, panes.outages);
    }
}

type Lines = Vec<(Ink, String)>;

/// A pane of lines, as far as it is scrolled.
fn scrolled(
    view: &LabView,
    pen: &mut Pen<'_>,
    area: Rect,
    pane: Pane,
    title: &str,
    lines: fn(&LabView, &Pen<'_>, usize) -> Lines,
) {
    let room = usize::from(area.width.saturating_sub(4));
    let lines = lines(view, pen, room);
    let last = lines.len().saturating_sub(usize::from(area.height.saturating_sub(2)));
    let first = view.scrolled(pane).min(last);
    let remark = if first < last { "more below" } else { "" };
    let inner = pen.pane(area, title, remark, view.pane == pane);
    for (y, (ink, line)) in (inner.y..inner.bottom()).zip(lines.iter().skip(first)) {
        pen.fit(inner, inner.x + 1, y, *ink, line, inner.width.saturating_sub(1));
    }
}

fn knobs(view: &LabView, pen: &mut Pen<'_>, area: Rect) {
    let worked = &view.told.worked;
    let selected = worked.knobs.get(view.knob);
    let first = selected.filter(|knob| knob.value != knob.first).map(|knob| format!("at first {}", knob.first));
    let inner = pen.pane(area, "Knobs", &first.unwrap_or_default(), view.pane == Pane::Knobs);
    let about = selected.map_or("", |knob| knob.about.as_str());
    let told = if about.is_empty() { Vec::new() } else { wrapped(about, usize::from(inner.width.saturating_sub(2))) };
    let told_height = (told.len() as u16).min(inner.height / 4);
    let list = Rect { height: inner.height - told_height, ..inner };
    for (y, line) in (list.bottom()..inner.bottom()).zip(&told) {
        pen.fit(inner, inner.x + 1, y, Ink::Dim, line, inner.width.saturating_sub(1));
    }
    if worked.knobs.is_empty() {
        pen.put(list, list.x + 1, list.y, Ink::Dim, "nothing here can be turned");
    }
    let mut lines: Vec<(Option<usize>, &KnobLine)> = Vec::new();
    let mut heading = None;
    for (index, knob) in worked.knobs.iter().enumerate() {
        if knob.kind == KnobKind::Setting && heading.is_none() {
            heading = Some(lines.len());
            lines.push((None, knob));
        }
        lines.push((Some(index), knob));
    }
    let here = lines.iter().position(|(index, _)| *index == Some(view.knob)).unwrap_or_default();
    let skip = (here + 1).saturating_sub(usize::from(list.height));
    let longest = worked.knobs.iter().map(|knob| knob.value.chars().count()).max().unwrap_or(0);
    let wide = (longest + 1).clamp(5, usize::from(list.width / 3).max(8));
    for (y, (index, knob)) in (list.y..list.bottom()).zip(lines.into_iter().skip(skip)) {
        if index.is_none() {
            pen.put(list, list.x + 1, y, Ink::Title, "settings of the scenario");
            continue;
        }
        let ink = if knob.value == knob.first { Ink::Plain } else { Ink::Strong };
        let value = format!("[ {:<wide$}]", knob.value);
        let room = list.width.saturating_sub(pen.width(&value) + 4);
        pen.fit(list, list.x + 3, y, ink, &knob.label, room);
        pen.put_right(Rect { width: list.width.saturating_sub(1), ..list }, y, ink, &value);
        if index == Some(view.knob) {
            pen.glyph(list, list.x + 1, y, Ink::Strong, Glyph::Cursor);
            pen.reverse(list, y);
        }
    }
}

/// The share of time down as seconds of a year.
fn a_year(down: f64) -> f64 {
    down * Period::Year.seconds()
}

/// A row of a table of figures.
fn row(name: &str, of: Availability, interval: &str, room: usize) -> String {
    let down = seconds(a_year(of.down));
    if room < 90 {
        return format!("{name:<12}{:>6}  {down:>10}  {interval}", nines(of));
    }
    let month = seconds(of.downtime_seconds(Period::Month));
    format!("{name:<30}{:>6}  {down:>11}  {month:>12}  {:>15}  {interval}", nines(of), avail::share(of))
}

fn head(room: usize) -> String {
    if room < 90 {
        return format!("{:<12}{:>6}  {:>10}", "", "nines", "down/year");
    }
    format!(
        "{:<30}{:>6}  {:>11}  {:>12}  {:>15}  95 % of a year",
        "", "nines", "down a year", "in 30 days", "availability"
    )
}

fn figures(view: &LabView, pen: &Pen<'_>, room: usize) -> Lines {
    let Lab { worked, seen } = &*view.told;
    let mut lines: Lines = vec![(Ink::Dim, head(room))];
    if let Some(told) = &worked.reconciled
        && !told.steps.is_empty()
    {
        lines.push((Ink::Plain, row("formula", told.formula, "", room)));
    }
    lines.push(match exact(worked) {
        Some(whole) => (Ink::Strong, row("algebra", whole, "", room)),
        None => (Ink::Dim, format!("{:<12}{:>6}  none, see below", "algebra", estimates::NOTHING)),
    });
    if let Some(pinned) = view.pinned.as_ref().and_then(|pinned| exact(&pinned.worked)) {
        lines.push((Ink::Dim, row("pinned", pinned, "", room)));
    }
    match (seen, &worked.unsimulated) {
        (Some(seen), _) => lines.extend(seen_row(seen, room)),
        (None, Some(why)) => lines.extend(paragraph(Ink::Dim, why, room)),
        (None, None) => {}
    }
    lines.push((Ink::Plain, String::new()));
    if let Err(why) = &worked.whole {
        lines.push((Ink::Title, "why the algebra has no figure".to_owned()));
        lines.extend(paragraph(Ink::Plain, why, room));
    }
    lines.extend(reconciled(worked, seen.as_ref(), room));
    lines.extend(rhythm(worked, seen.as_ref(), room));
    if let Some(answered) = &worked.requests {
        let share = estimates::with_interval(&Unit::Share, &answered.share);
        let told = format!(
            "requests of the run: {share} ok, {} of {}; what they met beside outages is in no row above",
            text::count(answered.ok),
            text::count(answered.of)
        );
        lines.push((Ink::Plain, String::new()));
        lines.extend(paragraph(Ink::Plain, &told, room));
        if let Some(met) = &answered.met {
            let share = |of: &Estimate| {
                of.value.map_or(estimates::NOTHING.to_owned(), |it| estimates::measured_as(&Unit::Share, it))
            };
            let step = |name: &str, of: &Estimate| {
                let wide = room.min(64);
                (Ink::Plain, format!("{name:<rest$}{:>10}", share(of), rest = wide.saturating_sub(10)))
            };
            lines.push(step("down in this run", &met.down));
            lines.extend(account::met_rows(met).iter().map(|(name, of)| step(name, of)));
        }
    }
    lines.push((Ink::Plain, String::new()));
    if !worked.formula_assumes.is_empty() {
        lines.push((Ink::Title, "the formula assumes that".to_owned()));
    }
    for (holds, words) in &worked.formula_assumes {
        let glyph = pen.look.glyph(if *holds { Glyph::Holds } else { Glyph::Broken });
        let ink = if *holds { Ink::Plain } else { Ink::Trouble };
        let here = if *holds { "" } else { ": not here" };
        lines.push((ink, format!("{glyph} {words}{here}")));
    }
    for words in &worked.assumes {
        lines.extend(paragraph(Ink::Dim, words, room));
    }
    lines
}

fn paragraph(ink: Ink, words: &str, room: usize) -> Lines {
    wrapped(words, room).into_iter().map(|line| (ink, line)).collect()
}

fn seen_row(seen: &Seen, room: usize) -> Lines {
    let down = seen.simulated.down;
    let Some(of) = down.value.and_then(Availability::of_down) else {
        return vec![(Ink::Dim, format!("{:<12}{:>6}", "seen", estimates::NOTHING))];
    };
    if of.down == 0.0 {
        let words = format!("seen: no outage in {}; {}", length_in_years(seen.years), needed(seen));
        return paragraph(Ink::Strong, &words, room);
    }
    let interval = match (down.lo, down.hi, down.half_width()) {
        (Some(lo), Some(hi), _) if room >= 90 => {
            format!("{} to {}", seconds(a_year(lo)), seconds(a_year(hi)))
        }
        // Of few outages the ends lie unlike far, and there is room for the farther one.
        (_, Some(hi), Some(_)) if is_lopsided(&down) => format!("to {}", seconds(a_year(hi))),
        (_, _, Some(half)) => format!("±{}", seconds(a_year(half))),
        _ => "no interval yet".to_owned(),
    };
    vec![(Ink::Strong, row("seen", of, &interval, room))]
}

/// What it takes to know it better.
fn needed(seen: &Seen) -> String {
    match seen.simulated.seconds_for(0.05) {
        Some(wanted) if wanted <= seen.years * Period::Year.seconds() => "enough for ±5 %".to_owned(),
        Some(wanted) => {
            let guessed = if seen.simulated.unseen(0.05) > 0 { " by a guess" } else { "" };
            format!("±5 % takes {}{guessed}", length_in_years((wanted / Period::Year.seconds()).ceil()))
        }
        None => "r simulates more".to_owned(),
    }
}

/// From the formula to what was seen, step by step.
fn reconciled(worked: &Worked, seen: Option<&Seen>, room: usize) -> Lines {
    let wide = room.min(64);
    let step = |words: &str, value: String| format!("{words:<rest$}{value:>12}", rest = wide.saturating_sub(12));
    let Some(told) = worked.reconciled.clone() else { return Lines::new() };
    // What was never down says nothing of the rest.
    let seen = seen.filter(|seen| {
        seen.simulated.down.value.is_some_and(|it| it > 0.0 || exact(worked).is_some_and(|whole| whole.down == 0.0))
    });
    let told = match seen {
        Some(seen) => told.beside(&seen.simulated),
        None if told.steps.is_empty() => return Lines::new(),
        None => told,
    };
    let mut lines: Lines = Vec::new();
    for row in account::rows(&told) {
        let value = row.algebra.or(row.seen.as_ref().and_then(|of| of.value)).unwrap_or_default();
        let ink = if row.name.starts_with('=') { Ink::Strong } else { Ink::Plain };
        let share = if row.what == account::What::Share { seconds(a_year(value)) } else { signed(a_year(value)) };
        lines.push((ink, step(&row.name, share)));
        let taking_over = seen.map(|seen| seen.simulated.taking_over).filter(|of| of.value.is_some_and(|it| it > 0.0));
        if let (true, Some(taking_over)) = (row.name.ends_with(Effect::Failover.name()), taking_over) {
            let told = estimates::with_interval(&Unit::Millis, &scaled(&taking_over, 1e3 * Period::Year.seconds()));
            lines.push((Ink::Dim, format!("    seen {told}")));
        }
        if row.what == account::What::Left
            && let Some(of) = &row.seen
            && let (Some(lo), Some(hi), Some(half)) = (of.lo, of.hi, of.half_width())
        {
            let inside = account::is_explained(&told) != Some(false);
            let (ink, words) = if inside { (Ink::Dim, "inside") } else { (Ink::Trouble, "outside") };
            let interval = if is_lopsided(of) {
                format!("{} to {}", signed(a_year(lo)), signed(a_year(hi)))
            } else {
                format!("of ±{}", seconds(a_year(half)))
            };
            lines.push((ink, format!("    {words} the interval {interval}")));
        }
    }
    lines
}

/// Whether one end lies half as far again as the other: of few outages.
fn is_lopsided(of: &Estimate) -> bool {
    let (value, half) = (of.value.unwrap_or_default(), of.half_width().unwrap_or_default());
    of.hi.is_some_and(|hi| hi - value > 1.2 * half) || of.lo.is_some_and(|lo| value - lo > 1.2 * half)
}

fn signed(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    format!("{sign}{}", seconds(value.abs()))
}

fn scaled(of: &Estimate, by: f64) -> Estimate {
    let times = |value: Option<f64>| value.map(|value| value * by);
    Estimate { value: times(of.value), lo: times(of.lo), hi: times(of.hi), ..*of }
}

/// How often it goes down and for how long, by the algebra and as it was seen.
fn rhythm(worked: &Worked, seen: Option<&Seen>, room: usize) -> Lines {
    let mut lines = Lines::new();
    if let Some((per_year, mean)) = worked.rhythm {
        lines.push((Ink::Plain, String::new()));
        let told = format!("goes down {} times a year, for {} on average", avail::figure(per_year), seconds(mean));
        lines.extend(paragraph(Ink::Plain, &told, room));
    }
    if let Some(first) = &worked.first {
        lines.extend(paragraph(Ink::Plain, first, room));
    }
    if let Some(seen) = seen.filter(|seen| seen.simulated.episodes > 0) {
        let often = scaled(&seen.simulated.frequency, Period::Year.seconds());
        let often = estimates::with_interval(&Unit::Plain(String::new()), &often);
        let told = format!(
            "seen {often} times: {} in {}; {}",
            text::counted(seen.simulated.episodes, "outage"),
            length_in_years(seen.years),
            needed(seen)
        );
        lines.extend(paragraph(Ink::Plain, &told, room));
    }
    lines
}

/// The diagram, where it can be drawn and fits; else block by block.
fn blocks(view: &LabView, pen: &mut Pen<'_>, area: Rect) {
    let worked = &view.told.worked;
    let is_known = worked.whole.is_ok();
    let title = if is_known { "Blocks, with their nines" } else { "Blocks" };
    let inner = pen.pane(area, title, "", view.pane == Pane::Blocks);
    let fits = |lines: &Vec<String>| {
        lines.len() <= usize::from(inner.height)
            && lines.iter().all(|line| line.chars().count() + 2 <= usize::from(inner.width))
    };
    // With names as short as there is room for.
    let sketched =
        [28, 18, 12].into_iter().find_map(|name| sketch::sketch(&worked.root, name, pen.look.letters).filter(fits));
    // The nines in it are not known.
    let sketched = sketched.filter(|_| is_known);
    if let Some(lines) = sketched {
        let top = inner.y + (inner.height - lines.len() as u16) / 2;
        for (y, line) in (top..inner.bottom()).zip(&lines) {
            pen.put(inner, inner.x + 1, y, Ink::Plain, line);
        }
        return;
    }
    let mut lines = Vec::new();
    tree(&worked.root, is_known, 0, &mut lines);
    let last = lines.len().saturating_sub(usize::from(inner.height));
    let first = view.scrolled(Pane::Blocks).min(last);
    for (y, line) in (inner.y..inner.bottom()).zip(lines.iter().skip(first)) {
        pen.fit(inner, inner.x + 1, y, Ink::Plain, line, inner.width.saturating_sub(1));
    }
    if first < last {
        pen.put_right(inner, inner.bottom().saturating_sub(1), Ink::Dim, " more below ");
    }
}

fn tree(piece: &Piece, is_known: bool, depth: usize, lines: &mut Vec<String>) {
    let name = avail::called(piece);
    let figures = if is_known {
        format!("{:>5} {:>9}  ", nines(piece.availability), seconds(a_year(piece.availability.down)))
    } else {
        String::new()
    };
    lines.push(format!("{figures}{:indent$}{name}", "", indent = depth * 2));
    piece.pieces.iter().for_each(|inside| tree(inside, is_known, depth + 1, lines));
}

fn gained(change: &Change, whole: Availability) -> f64 {
    change.availability.nines() - whole.nines()
}

fn changes(view: &LabView, pen: &Pen<'_>, room: usize) -> Lines {
    let worked = &view.told.worked;
    let Some(whole) = exact(worked) else {
        let words =
            "what a change would give is worked out by the algebra, which has no figure here; turn a knob and see";
        return paragraph(Ink::Dim, words, room);
    };
    let better: Vec<&Change> = worked.changes.iter().filter(|it| it.availability.down < whole.down).collect();
    if better.is_empty() {
        return paragraph(Ink::Dim, "no single change makes it better", room);
    }
    let most = better.iter().map(|change| gained(change, whole)).filter(|it| it.is_finite()).fold(0.0, f64::max);
    let bars = if room >= 60 { 14 } else { 0 };
    let mut lines: Lines = vec![(Ink::Dim, format!("{:>6} {:>9}  with one change", "nines", "down/year"))];
    for change in better {
        let gain = gained(change, whole);
        let number = if gain.is_finite() { format!("+{gain:.2}") } else { "∞".to_owned() };
        let filled = if gain.is_finite() && most > 0.0 { (gain / most * bars as f64).ceil() as usize } else { bars };
        let bar = pen.look.level(1, 1).repeat(filled.min(bars));
        let down = seconds(a_year(change.availability.down));
        let words = match change.what.as_str() {
            "one more" => format!("one more: {}", change.to()),
            what => format!("{what} {} → {}", change.before, change.after),
        };
        let bar = if bars > 0 { format!("{bar:<bars$}  ") } else { bar };
        lines.push((Ink::Plain, format!("{number:>6} {down:>9}  {bar}{words}")));
    }
    lines.push((Ink::Plain, String::new()));
    lines.push((Ink::Dim, format!(" share {:>9}  if this never failed", "down/year")));
    for of in worked.importance.iter().filter(|of| of.criticality > 0.0) {
        let share = format!("{:.0} %", of.criticality.min(1.0) * 100.0);
        lines.push((Ink::Plain, format!("{share:>6} {:>9}  {}", seconds(a_year(of.without.down)), of.title())));
    }
    lines
}

/// Where everything stands between one nine and the next.
fn scale(view: &LabView, pen: &mut Pen<'_>, area: Rect) {
    const NAMES: u16 = 14;
    let Lab { worked, seen } = &*view.told;
    let mut rows: Vec<(&str, Ink, [Option<f64>; 3])> = Vec::new();
    let alone = |of: Availability| [None, Some(of.nines()), None];
    if let Some(told) = worked.reconciled.as_ref().filter(|told| !told.steps.is_empty()) {
        rows.push(("formula", Ink::Plain, alone(told.formula)));
    }
    rows.extend(exact(worked).map(|whole| ("algebra", Ink::Strong, alone(whole))));
    let seen_down = seen.as_ref().map(|seen| seen.simulated.down).filter(|down| down.value.is_some_and(|it| it > 0.0));
    if let Some(down) = seen_down {
        let of = |down: Option<f64>| {
            down.and_then(|down| Availability::of_down(down.clamp(0.0, 1.0))).map(Availability::nines)
        };
        rows.push(("seen (95 %)", Ink::Strong, [of(down.hi), of(down.value), of(down.lo)]));
    }
    if let Some(pinned) = view.pinned.as_ref().and_then(|pinned| exact(&pinned.worked)) {
        rows.push(("pinned", Ink::Dim, alone(pinned)));
    }
    let better = |it: &&Change| exact(worked).is_some_and(|whole| it.availability.down < whole.down);
    if let Some(best) = worked.changes.first().filter(better) {
        rows.push(("best change", Ink::Plain, alone(best.availability)));
    }
    let values = || rows.iter().flat_map(|(.., ends)| ends.iter().flatten().copied()).filter(|it| it.is_finite());
    let (low, high) = values().fold((f64::INFINITY, 0.0f64), |(low, high), it| (low.min(it), high.max(it)));
    let from = if low.is_finite() { low.floor() } else { 0.0 };
    let to = (high.floor() + 1.0).max(from + 2.0);
    let width = area.width.saturating_sub(NAMES + 4);
    let column = |nines: f64| {
        let part = ((nines - from) / (to - from)).clamp(0.0, 1.0);
        area.x + NAMES + 1 + (part * f64::from(width)).round() as u16
    };
    let marks = (to - from) as u16;
    let every = (12 * marks).div_ceil(width.max(1)).max(1);
    for nth in (0..=marks).step_by(usize::from(every)) {
        let at = from + f64::from(nth);
        let x = column(at);
        pen.put(area, x, area.y, Ink::Plain, &format!("{at:.0}"));
        let down = seconds(a_year(tenth_to_the(at)));
        if x + pen.width(&down) <= area.right() {
            pen.put(area, x, area.y + 1, Ink::Dim, &down);
        }
    }
    for (y, (name, ink, [lo, value, hi])) in (area.y + 2..area.bottom()).zip(rows) {
        pen.put(area, area.x + 1, y, ink, name);
        for x in column(from)..=column(to) {
            pen.glyph(area, x, y, Ink::Dim, Glyph::Fold);
        }
        let end = |end: Option<f64>| end.filter(|it| it.is_finite());
        if let (Some(lo), Some(hi)) = (end(lo), hi.map(|hi| hi.min(to))) {
            for x in column(lo)..=column(hi) {
                pen.glyph(area, x, y, Ink::Level, Glyph::CauseShaft);
            }
        }
        if let Some(value) = value {
            let at = if value.is_finite() { column(value) } else { column(to) };
            pen.glyph(area, at, y, ink, if value.is_finite() { Glyph::Local } else { Glyph::Right });
        }
    }
}

/// The share of time down at so many whole nines.
fn tenth_to_the(nines: f64) -> f64 {
    let mut down = 1.0;
    let mut left = nines;
    while left >= 1.0 {
        down /= 10.0;
        left -= 1.0;
    }
    down
}

/// How long outages were, and how what was seen settled.
fn outages(view: &LabView, pen: &mut Pen<'_>, area: Rect) {
    let Lab { worked, seen } = &*view.told;
    let inner = pen.pane(area, "What was seen, year after year", "r more years", false);
    let Some(seen) = seen.as_ref().filter(|seen| seen.simulated.episodes > 0) else {
        let words =
            worked.unsimulated.clone().unwrap_or_else(|| "no outage was seen yet; r simulates more years".to_owned());
        for (y, (ink, line)) in (inner.y..inner.bottom()).zip(paragraph(Ink::Dim, &words, usize::from(inner.width) - 2))
        {
            pen.put(inner, inner.x + 1, y, ink, &line);
        }
        return;
    };
    let length = |part: u64| {
        let share = Ratio::new(part, 100).unwrap_or(Ratio::ONE);
        seen.simulated.length(share).map_or(estimates::NOTHING.to_owned(), seconds)
    };
    let told = format!("outages: half over after {}, 99 % after {}; the longest:", length(50), length(99));
    // As many of the longest as leave room for the picture.
    let listed = seen.longest.iter().take(usize::from(inner.height.saturating_sub(10)).clamp(1, 3));
    let lines: Vec<String> = std::iter::once(told).chain(listed.map(|outage| format!("  {outage}"))).collect();
    for (y, line) in (inner.y..inner.bottom()).zip(&lines) {
        pen.fit(inner, inner.x + 1, y, Ink::Plain, line, inner.width.saturating_sub(1));
    }
    let taken = (lines.len() as u16).min(inner.height);
    let room = Rect { y: inner.y + taken, height: inner.height - taken, ..inner };
    convergence(worked, seen, pen, room);
}

/// The downtime a year as it was known after so many years, beside what the algebra says.
fn convergence(worked: &Worked, seen: &Seen, pen: &mut Pen<'_>, area: Rect) {
    /// Title, legend, label, axis and its numbers.
    const AROUND: u16 = 6;
    if area.height < AROUND + 3 || seen.history.len() < 2 {
        return;
    }
    let nanos = 1e9 * Period::Year.seconds();
    let interval = |(years, down): &(f64, Estimate)| {
        let times = |value: Option<f64>| value.map(|value| (value * nanos).max(0.0));
        Interval::new(*years, times(down.value), times(down.lo), times(down.hi))
    };
    let algebra = exact(worked)
        .map(|whole| Data::Line([0.0, seen.years].map(|years| (years, Some(whole.down * nanos))).to_vec()));
    let mut figure = Figure::new(
        "convergence",
        "",
        Axis::linear("simulated years", AxisUnit::Number),
        Axis::linear("down a year", AxisUnit::Nanos),
    )
    .with("seen, 95 %", Data::Intervals(seen.history.iter().map(interval).collect()));
    if let Some(algebra) = algebra {
        figure = figure.with("algebra", algebra);
    }
    let glyphs = if pen.look.letters == Letters::Utf8 { Glyphs::Unicode } else { Glyphs::Ascii };
    let paper = Paper { width: usize::from(area.width), height: usize::from(area.height - AROUND), glyphs };
    let text = drawn(&figure, paper);
    for (y, line) in (area.y..area.bottom()).zip(text.lines().skip_while(|line| line.is_empty())) {
        pen.put(area, area.x, y, Ink::Plain, line);
    }
}
