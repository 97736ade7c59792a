//! Nodes as columns, time going down: what was sent to whom, what got lost, what a node did alone, and what led to what.
//!
//! One message is one row, at its arrival; what is lost has a row where it was sent. Quiet time is one row with what is in it.

use ratatui::layout::{Constraint, Layout, Rect};
use sim_core::past::{Grade, Lost, Past, Sort};
use sim_core::{Fate, Happening, Instant, NodeId, Step};

use super::super::app::{App, RunView};
use super::super::layout::{self, Class};
use super::super::look::{Glyph, Ink};
use super::super::pen::{Pen, wrapped};
use super::super::told::Cone;
use super::super::words;
use super::live;
use crate::text;

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// An event.
    Event(u64),
    /// An envelope that an event sent and that never arrives, by its place among all that were lost.
    Lost { event: u64, lost: usize },
    /// Events that have no row, both ends included.
    Fold { first: u64, last: u64 },
}

/// The rows that there is room for, with the cursor's where it stands.
pub(crate) fn rows(run: &RunView, height: u16) -> Vec<Row> {
    let height = usize::from(height);
    let listing = run.listing();
    let past = &run.snapshot.past;
    let wanted = usize::from(run.cursor_row).min(height.saturating_sub(1));
    let mut above: Vec<Row> = Vec::new();
    let mut event = run.cursor;
    while above.len() < wanted && event > 0 {
        let before = listing.before(event).unwrap_or(0);
        if event - before > 1 {
            above.push(Row::Fold { first: before + 1, last: event - 1 });
        }
        if before > 0 {
            above.extend(lost_in(past, before).rev());
            above.push(Row::Event(before));
        }
        event = before;
    }
    above.truncate(wanted);
    above.reverse();
    let mut rows = above;
    let mut event = run.cursor;
    if event > 0 {
        rows.push(Row::Event(event));
        rows.extend(lost_in(past, event));
    }
    while rows.len() < height && event < past.len() {
        let after = listing.after(event).unwrap_or(past.len() + 1);
        if after - event > 1 {
            rows.push(Row::Fold { first: event + 1, last: after - 1 });
        }
        if after <= past.len() {
            rows.push(Row::Event(after));
            rows.extend(lost_in(past, after));
        }
        event = after;
    }
    rows.truncate(height);
    rows
}

fn lost_in(past: &Past, event: u64) -> impl DoubleEndedIterator<Item = Row> + use<> {
    let lost = past.lost();
    let from = lost.partition_point(|it| u64::from(it.event) < event);
    let to = lost.partition_point(|it| u64::from(it.event) <= event);
    (from..to).map(move |lost| Row::Lost { event, lost })
}

/// An event in words, as far as they are known; short where columns say who and to whom.
pub(crate) fn label(run: &RunView, event: u64, short: bool) -> (Ink, String) {
    let past = &run.snapshot.past;
    let ink = match past.grade(event) {
        Grade::Broken => Ink::Broken,
        Grade::Trouble => Ink::Trouble,
        Grade::Quiet | Grade::Notable => Ink::Plain,
    };
    let Some(step) = past.step(event) else { return (ink, "too far back: what it was is no longer kept".to_owned()) };
    let facts = &run.snapshot.facts;
    let of = facts.operation(step.cause.operation);
    let what = match u32::try_from(event).ok().and_then(|event| run.labels.get(&event)) {
        Some(label) if short => label.short.clone(),
        Some(label) => label.text.clone(),
        None => words::plain(&step.what, facts),
    };
    let of = if of.is_empty() || what.contains(&of) { String::new() } else { format!("  {of}") };
    let broke = run.snapshot.broken.iter().find(|broken| broken.event == event);
    (
        ink,
        match broke {
            Some(broken) => format!("{}: {}{of}", broken.property, broken.detail),
            None => format!("{what}{of}"),
        },
    )
}

/// Where the rows stand, what inspects them, and why.
fn panes(app: &App, area: Rect) -> (Rect, Rect, Rect) {
    let zoomed = app.run.as_ref().is_some_and(|run| run.zoomed);
    if zoomed {
        return (area, Rect::default(), Rect::default());
    }
    match app.class() {
        Class::Large | Class::Medium => {
            let bottom = (area.height / 3).clamp(10, 17);
            let [rows, bottom] = Layout::vertical([Constraint::Min(6), Constraint::Length(bottom)]).areas(area);
            let [inspector, why] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(bottom);
            (rows, inspector, why)
        }
        _ => {
            // The way back needs more lines than an event.
            let walks = app.run.as_ref().is_some_and(|run| run.walk.is_some());
            let bottom = if walks { 8 } else { 5 };
            let [rows, bottom] = Layout::vertical([Constraint::Min(6), Constraint::Length(bottom)]).areas(area);
            (rows, bottom, Rect::default())
        }
    }
}

/// Where the rows stand, the heading left out.
pub(crate) fn list(app: &App, area: Rect) -> Rect {
    let (rows, ..) = panes(app, area);
    Rect { y: rows.y + 1, height: rows.height.saturating_sub(1), ..rows }
}

/// The event whose row is at a row of the terminal.
pub(crate) fn event_at(app: &App, area: Rect, y: u16) -> Option<u64> {
    let list = list(app, area);
    let at = y.checked_sub(list.y).filter(|at| *at < list.height)?;
    match rows(app.run.as_ref()?, list.height).get(usize::from(at))? {
        Row::Event(event) | Row::Lost { event, .. } => Some(*event),
        Row::Fold { .. } => None,
    }
}

/// Which nodes have columns, and where.
struct Lanes {
    /// By node: its column on the terminal; none: it has none.
    columns: Vec<Option<u16>>,
    left: u16,
    /// Behind the last column.
    right: u16,
    /// Where the words begin.
    words: u16,
    /// How many nodes have none because there is no room.
    beside: usize,
}

const TIME: u16 = 12;

impl Lanes {
    fn of(app: &App, run: &RunView, area: Rect) -> Lanes {
        let count = run.snapshot.facts.nodes.len();
        let mut columns = vec![None; count];
        let left = area.x + TIME + 2;
        if app.class() == Class::Narrow {
            return Lanes { columns, left, right: left, words: left, beside: 0 };
        }
        let words = match app.class() {
            Class::Large => 62,
            Class::Medium => 46,
            _ => 32,
        };
        let room = area.width.saturating_sub(TIME + 2 + words);
        let shown: Vec<usize> =
            lane_order(run).into_iter().filter(|node| !run.hidden.contains(&(*node as u32))).collect();
        let fit = usize::from(room / 6).max(1);
        let first = run.lane.min(shown.len().saturating_sub(fit));
        let drawn: Vec<usize> = shown.iter().copied().skip(first).take(fit).collect();
        // Where words are short of room, columns stand close.
        let widest = if app.class() == Class::Small { 7 } else { 16 };
        let pace = (room / (drawn.len().max(1) as u16)).min(widest);
        for (place, node) in (0_u16..).zip(&drawn) {
            columns[*node] = Some(left + pace / 2 + place * pace);
        }
        let right = left + pace * drawn.len() as u16;
        Lanes { columns, left, right, words: right + 1, beside: shown.len() - drawn.len() }
    }

    fn at(&self, node: NodeId) -> Option<u16> {
        self.columns.get(node.0 as usize).copied().flatten()
    }

    /// The column of a node, or the edge beyond which it is.
    fn near(&self, node: NodeId) -> u16 {
        self.at(node).unwrap_or_else(|| {
            let first = self.columns.iter().position(Option::is_some).unwrap_or(0);
            if (node.0 as usize) < first { self.left } else { self.right }
        })
    }
}

/// Nodes from those who ask to those who are asked, replicas beside each other.
fn lane_order(run: &RunView) -> Vec<usize> {
    let facts = &run.snapshot.facts;
    let layers = 0..facts.topology.layers.len();
    let declared = layers.flat_map(|layer| facts.topology.nodes(layer).collect::<Vec<_>>());
    declared.flat_map(|node| facts.declared[node.0 as usize].1.iter().map(|it| it.0 as usize)).collect()
}

pub(super) fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let Some(run) = &app.run else { return };
    let (top, inspector, why) = panes(app, area);
    let lanes = Lanes::of(app, run, top);
    heading(run, pen, top, &lanes);
    let list = list(app, area);
    let rows = rows(run, list.height);
    let mut board = Board { run, lanes: &lanes, area: list, down: down_before(run, &rows) };
    for (y, row) in (list.y..list.bottom()).zip(&rows) {
        board.row(pen, y, *row);
    }
    board.flights(pen, &rows);
    if run.snapshot.past.is_empty() {
        pen.put(list, list.x + 2, list.y + 1, Ink::Dim, "nothing has happened yet: Space runs, l steps, 2 goes back");
    } else if rows.iter().all(|row| matches!(row, Row::Fold { .. })) {
        let line = "nothing here is worth a row: x shows every event, S turns a setting, f breaks something";
        pen.put(list, list.x + 2, list.bottom().saturating_sub(1), Ink::Dim, line);
    }
    if why.height > 0 {
        live::inspector(app, run, pen, inspector, run.pane == layout::INSPECTOR);
        why_pane(run, pen, why);
    } else if inspector.height > 0 {
        match &run.walk {
            Some(_) => why_pane(run, pen, inspector),
            None => live::inspector(app, run, pen, inspector, false),
        }
    }
}

fn heading(run: &RunView, pen: &mut Pen<'_>, area: Rect, lanes: &Lanes) {
    pen.put(area, area.x + 2, area.y, Ink::Dim, "   time (s)");
    let narrow = lanes.columns.iter().flatten().count();
    let room = if narrow > 1 { (lanes.right - lanes.left) / narrow as u16 - 1 } else { 16 };
    for (node, column) in lanes.columns.iter().enumerate() {
        let Some(column) = column else { continue };
        let name = &run.snapshot.facts.nodes[node];
        let width = pen.width(name).min(room);
        let here = run.node_here() == Some(NodeId(node as u32));
        let x = column.saturating_sub(width / 2).max(lanes.left);
        pen.fit(area, x, area.y, if here { Ink::Selected } else { Ink::Title }, name, room);
    }
    let mut said: Vec<String> = Vec::new();
    if lanes.beside > 0 {
        said.push(format!("{} more nodes < >", lanes.beside));
    }
    if !run.hidden.is_empty() {
        said.push(format!("{} hidden", run.hidden.len()));
    }
    match (run.wanted.cone, &run.rows) {
        (Some((event, cone)), Some(rows)) if rows.wanted == run.wanted => {
            let way = match cone {
                Cone::Past => "past of",
                Cone::Future => "future of",
                Cone::Both => "past and future of",
            };
            let count = rows.list.as_ref().map_or(rows.of, |list| list.len() as u64);
            said.push(format!("{way} #{event}: {} of {} events", text::count(count), text::count(rows.of)));
        }
        _ => said.extend(run.wanted.focus.map(|of| format!("following {}", run.snapshot.facts.operation(of)))),
    }
    if run.wanted.filter != super::super::told::Filter::default() {
        said.push("filtered (& Enter: all)".to_owned());
    }
    if !run.wanted.fold {
        said.push("every event".to_owned());
    }
    let what = if said.is_empty() { "event".to_owned() } else { said.join(", ") };
    pen.fit(area, lanes.words, area.y, Ink::Dim, &what, area.right().saturating_sub(lanes.words));
}

/// Which nodes are down before the first of these rows.
fn down_before(run: &RunView, rows: &[Row]) -> Vec<bool> {
    let first = match rows.first() {
        Some(Row::Event(event) | Row::Lost { event, .. }) => *event,
        Some(Row::Fold { first, .. }) => *first,
        None => 0,
    };
    let nodes = 0..run.snapshot.facts.nodes.len() as u32;
    nodes.map(|node| !run.snapshot.past.is_up(NodeId(node), first.saturating_sub(1))).collect()
}

/// The rows as they are drawn, from above.
struct Board<'a> {
    run: &'a RunView,
    lanes: &'a Lanes,
    area: Rect,
    down: Vec<bool>,
}

impl Board<'_> {
    fn row(&mut self, pen: &mut Pen<'_>, y: u16, row: Row) {
        match row {
            Row::Event(event) => self.event(pen, y, event),
            Row::Lost { event, lost } => self.lost(pen, y, event, lost),
            Row::Fold { first, last } => {
                self.fold(pen, y, first, last);
                self.follow_power(first, last);
            }
        }
    }

    /// Takes note of what went down or came up.
    fn follow_power(&mut self, first: u64, last: u64) {
        let power = self.run.snapshot.past.power();
        let from = power.partition_point(|it| u64::from(it.event) < first);
        for it in power.iter_from(from).take_while(|it| u64::from(it.event) <= last) {
            self.down[it.node.0 as usize] = !it.up;
        }
    }

    fn lines(&self, pen: &mut Pen<'_>, y: u16) {
        for (node, column) in self.lanes.columns.iter().enumerate() {
            let Some(column) = column else { continue };
            let (ink, glyph) = if self.down[node] { (Ink::Down, Glyph::Down) } else { (Ink::Dim, Glyph::Lane) };
            pen.glyph(self.area, *column, y, ink, glyph);
        }
    }

    fn event(&mut self, pen: &mut Pen<'_>, y: u16, event: u64) {
        let run = self.run;
        let Some(step) = run.snapshot.past.step(event) else { return };
        self.follow_power(event, event);
        let selected = event == run.cursor;
        let in_walk = run
            .walk
            .as_ref()
            .is_some_and(|walk| walk.from == event || walk.steps.iter().any(|step| step.event == Some(event)));
        let dim = self.is_beside_the_cone(event);
        if selected {
            pen.glyph(self.area, self.area.x, y, Ink::Strong, Glyph::Cursor);
        } else if in_walk {
            pen.glyph(self.area, self.area.x, y, Ink::Cause, Glyph::Because);
        }
        self.time(pen, y, step.at, step.node());
        self.lines(pen, y);
        let ink = if in_walk || selected {
            Ink::Cause
        } else if dim {
            Ink::Dim
        } else {
            Ink::Plain
        };
        self.happening(pen, y, &step, ink, in_walk || selected);
        let (word_ink, line) = label(run, event, self.shows_all(&step));
        let word_ink = if dim { Ink::Dim } else { word_ink };
        let room = self.area.right().saturating_sub(self.lanes.words);
        pen.fit(self.area, self.lanes.words, y, word_ink, &line, room);
        if selected {
            let words = Rect { x: self.area.x, width: TIME + 1, ..self.area };
            pen.reverse(words, y);
            pen.reverse(Rect { x: self.lanes.words, width: room, ..self.area }, y);
        }
    }

    /// True time, or what the node's own clock says of it.
    fn time(&self, pen: &mut Pen<'_>, y: u16, at: Instant, node: Option<NodeId>) {
        let own = node.filter(|_| self.run.clocks).and_then(|node| self.run.snapshot.facts.clocks.get(node.0 as usize));
        let text = match own {
            Some(clock) => {
                let wall = clock.wall(at);
                let off = wall.nanos() as i128 - at.nanos() as i128;
                if off == 0 {
                    words::instant(at)
                } else {
                    format!("{}{}", if off < 0 { "-" } else { "+" }, words::short(off.unsigned_abs() as u64))
                }
            }
            None => words::instant(at),
        };
        pen.put(self.area, self.area.x + 1, y, Ink::Dim, &format!("{text:>11}"));
    }

    /// Whether the columns show everybody who has a part in an event.
    fn shows_all(&self, step: &Step) -> bool {
        let other = match step.what {
            Happening::Delivered { from, .. } | Happening::Undelivered { from, .. } => Some(from),
            Happening::Refused { by, .. } | Happening::Reset { by, .. } => Some(by),
            _ => None,
        };
        step.node().into_iter().chain(other).all(|node| self.lanes.at(node).is_some())
    }

    fn is_beside_the_cone(&self, event: u64) -> bool {
        let Some(rows) = self.run.rows.as_ref().filter(|_| self.run.wanted.cone.is_some()) else { return false };
        rows.wanted == self.run.wanted
            && rows.list.as_ref().is_some_and(|list| {
                list.get(list.partition_point(|it| u64::from(*it) < event)).is_none_or(|it| u64::from(*it) != event)
            })
    }

    fn happening(&self, pen: &mut Pen<'_>, y: u16, step: &Step, ink: Ink, cause: bool) {
        match step.what {
            Happening::Delivered { from, to, .. } => {
                self.arrow(pen, y, from, to, ink, cause, Ending::Arrives);
                let label = u32::try_from(step.number).ok().and_then(|event| self.run.labels.get(&event));
                if label.is_some_and(|label| label.copy) {
                    self.alone(pen, y, from, Ink::Trouble, Glyph::Copy);
                }
            }
            Happening::Undelivered { from, to, .. } => {
                self.arrow(pen, y, from, to, Ink::Trouble, cause, Ending::AtNode);
            }
            Happening::Refused { by, to, .. } | Happening::Reset { by, to, .. } => {
                self.arrow(pen, y, by, to, Ink::Trouble, cause, Ending::Arrives);
            }
            Happening::Started { node, life } => {
                let glyph = if life > 1 { Glyph::Restart } else { Glyph::Up };
                self.alone(pen, y, node, ink, glyph);
            }
            Happening::Fired { node, .. }
            | Happening::Synced { node, .. }
            | Happening::Stopping { node }
            | Happening::Killed { node }
            | Happening::Lapsed { node, .. } => {
                self.alone(pen, y, node, ink, Glyph::Local);
            }
            Happening::FaultBegan { .. } | Happening::FaultEnded { .. } => self.fault(pen, y, step),
        }
        if self.run.snapshot.past.grade(step.number) == Grade::Broken
            && let Some(node) = step.node()
        {
            self.alone(pen, y, node, Ink::Broken, Glyph::Broken);
        }
    }

    /// What is on its way while other things happen: a sign beside its sender's line, from the row after it was sent to the row
    /// before it arrives.
    fn flights(&self, pen: &mut Pen<'_>, rows: &[Row]) {
        let past = &self.run.snapshot.past;
        for (arrival, row) in rows.iter().enumerate() {
            let Row::Event(event) = row else { continue };
            let Some(step) = past.step(*event) else { continue };
            let Happening::Delivered { from, to, .. } = step.what else { continue };
            let (Some(by), Some(x), Some(end)) = (step.by, self.lanes.at(from), self.lanes.at(to)) else { continue };
            if past.at(by) == Some(step.at) || x == end {
                continue;
            }
            let sent = rows.iter().position(|row| match row {
                Row::Event(event) => *event == by,
                Row::Fold { first, last } => (*first..=*last).contains(&by),
                Row::Lost { .. } => false,
            });
            let x = if end > x { x + 1 } else { x - 1 };
            let first = sent.map_or(0, |sent| sent + 1);
            for (at, row) in rows.iter().enumerate().take(arrival).skip(first) {
                if matches!(row, Row::Event(_) | Row::Lost { .. }) {
                    pen.glyph_if_blank(self.area, x, self.area.y + at as u16, Ink::Dim, Glyph::Flight);
                }
            }
        }
    }

    fn alone(&self, pen: &mut Pen<'_>, y: u16, node: NodeId, ink: Ink, glyph: Glyph) {
        if let Some(x) = self.lanes.at(node) {
            pen.glyph(self.area, x, y, ink, glyph);
        }
    }

    /// A fault strikes across all columns; the nodes that it takes down are marked.
    fn fault(&self, pen: &mut Pen<'_>, y: u16, step: &Step) {
        for x in self.lanes.left..self.lanes.right {
            pen.glyph(self.area, x, y, Ink::Trouble, Glyph::Cut);
        }
        let power = self.run.snapshot.past.power();
        let from = power.partition_point(|it| u64::from(it.event) < step.number);
        for it in power.iter_from(from).take_while(|it| u64::from(it.event) == step.number) {
            self.alone(pen, y, it.node, Ink::Down, if it.up { Glyph::Restart } else { Glyph::Down });
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of an arrow")]
    fn arrow(&self, pen: &mut Pen<'_>, y: u16, from: NodeId, to: NodeId, ink: Ink, cause: bool, ending: Ending) {
        if self.lanes.right == self.lanes.left {
            return;
        }
        let (start, end) = (self.lanes.near(from), self.lanes.near(to));
        let shaft = if cause { Glyph::CauseShaft } else { Glyph::Shaft };
        let (low, high) = (start.min(end), start.max(end));
        let stop = match ending {
            Ending::Arrives => end,
            // Just before the node that is down, and half way where it was lost.
            Ending::AtNode if end > start => end - 1,
            Ending::AtNode => end + 1,
            Ending::HalfWay => low + (high - low) / 2,
            Ending::AtSender if end > start => (start + 2).min(end),
            Ending::AtSender => start.saturating_sub(2).max(end),
        };
        for x in start.min(stop)..=start.max(stop) {
            let crossing = x != start && x != stop && self.lanes.columns.contains(&Some(x)) && !cause;
            pen.glyph(self.area, x, y, ink, if crossing { Glyph::Crossing } else { shaft });
        }
        pen.glyph(self.area, start, y, ink, Glyph::Send);
        let head = match ending {
            Ending::Arrives if end >= start => Glyph::Right,
            Ending::Arrives => Glyph::Left,
            Ending::AtNode | Ending::HalfWay | Ending::AtSender => Glyph::Lost,
        };
        pen.glyph(self.area, stop, y, ink, head);
    }

    fn lost(&self, pen: &mut Pen<'_>, y: u16, event: u64, lost: usize) {
        let past = &self.run.snapshot.past;
        let Some(Lost { from, to, kind, fate, fault, operation, .. }) = past.lost().get(lost).copied() else { return };
        self.time(pen, y, past.at(event).unwrap_or(Instant::ZERO), Some(from));
        self.lines(pen, y);
        let ending = if fate == Fate::Cut { Ending::AtSender } else { Ending::HalfWay };
        self.arrow(pen, y, from, to, Ink::Trouble, false, ending);
        let facts = &self.run.snapshot.facts;
        let kind = facts.kinds.get(kind.0 as usize).map_or("?", String::as_str);
        let by = fault.and_then(|place| facts.faults.get(place as usize)).map(|fault| format!(" by {}", fault.text));
        let of = facts.operation(operation);
        let gone = if fate == Fate::Cut { "cut" } else { "lost" };
        let line =
            format!("{kind} {gone} on its way to {}{}  {of}", facts.nodes[to.0 as usize], by.unwrap_or_default());
        pen.fit(
            self.area,
            self.lanes.words,
            y,
            Ink::Trouble,
            &line,
            self.area.right().saturating_sub(self.lanes.words),
        );
    }

    /// Quiet time in one row: how long, how many events, of what.
    fn fold(&self, pen: &mut Pen<'_>, y: u16, first: u64, last: u64) {
        let past = &self.run.snapshot.past;
        let at = |event| past.at(event).unwrap_or(Instant::ZERO);
        let length = at(last + 1).max(at(last)).nanos().saturating_sub(at(first.saturating_sub(1).max(1)).nanos());
        let events = last - first + 1;
        let mut line = format!("{}, {} folded", words::shorter(length), text::counted(events, "event"));
        let kinds = self.kinds(first, last);
        if !kinds.is_empty() {
            line.push_str(&format!(": {kinds}"));
        }
        let fold = pen.look.glyph(Glyph::Fold).repeat(3);
        pen.fit(
            self.area,
            self.area.x + 2,
            y,
            Ink::Dim,
            &format!("{fold} {line} {fold}"),
            self.area.width.saturating_sub(3),
        );
    }

    /// What most of these events are.
    fn kinds(&self, first: u64, last: u64) -> String {
        const MOST: usize = 4;
        let (past, facts) = (&self.run.snapshot.past, &self.run.snapshot.facts);
        let name = |sort: Sort| match sort {
            Sort::Delivered(kind) => facts.kinds.get(kind.0 as usize).map_or("?", String::as_str).to_owned(),
            Sort::Undelivered => "to a node that is down".to_owned(),
            Sort::Refused => "refused".to_owned(),
            Sort::Reset => "reset".to_owned(),
            Sort::Fired => "timers".to_owned(),
            Sort::Started => "starts".to_owned(),
            Sort::Synced => "disk".to_owned(),
            Sort::Fault => "faults".to_owned(),
        };
        let counts = past.sorts().map(|sort| (past.count_of_sort(sort, first..=last), sort));
        let mut counts: Vec<(u64, Sort)> = counts.filter(|(count, _)| *count > 0).collect();
        counts.sort_by_key(|(count, sort)| (std::cmp::Reverse(*count), *sort));
        let trouble = past.graded(Grade::Trouble).count_between(first, last);
        let mut words: Vec<String> =
            counts.iter().take(MOST).map(|(count, sort)| format!("{} {}", text::count(*count), name(*sort))).collect();
        if counts.len() > MOST {
            words.push("…".to_owned());
        }
        if trouble > 0 {
            words.push(format!("{} with trouble", text::count(trouble)));
        }
        words.join(", ")
    }
}

/// How an arrow ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Arrives,
    AtNode,
    HalfWay,
    AtSender,
}

/// The way from an event back to where it began, and where somebody stands on it.
pub(super) fn why_pane(run: &RunView, pen: &mut Pen<'_>, area: Rect) {
    let Some(walk) = &run.walk else {
        let inner = pen.pane(area, "Why", "w", false);
        let line = "w asks why this event happened, one cause back at each press, to where it began";
        for (y, line) in (inner.y..inner.bottom()).zip(wrapped(line, usize::from(inner.width))) {
            pen.put(inner, inner.x, y, Ink::Dim, &line);
        }
        return;
    };
    let at = walk.at.map_or(0, |at| at + 1);
    let inner = pen.pane(
        area,
        &format!("Why #{}: step {at} of {}", walk.from, walk.steps.len()),
        "w back  W forward  p prove",
        false,
    );
    let mut lines: Vec<(bool, Ink, String)> = Vec::new();
    let first = format!("#{} {}", walk.from, label(run, walk.from, false).1);
    lines.push((walk.at.is_none(), Ink::Broken, first));
    for (index, step) in walk.steps.iter().enumerate() {
        let event = step.event.map(|event| format!("#{event} ")).unwrap_or_default();
        let because = pen.look.glyph(Glyph::Because);
        let end = if step.root { "  (it began here)" } else { "" };
        let proof = match walk.proofs.get(&index) {
            Some((Some(true), _)) => format!("  {} proven", pen.look.glyph(Glyph::Holds)),
            Some((Some(false), _)) => format!("  {} not needed alone", pen.look.glyph(Glyph::Open)),
            Some((None, _)) | None => String::new(),
        };
        let ink = if step.root { Ink::Strong } else { Ink::Plain };
        let line = format!("{because} {event}{}{end}{proof}", step.words);
        lines.push((walk.at == Some(index), ink, line));
        let also = step.also.iter().map(|also| (false, Ink::Dim, format!("  and {also}")));
        lines.extend(also.filter(|_| walk.at == Some(index) || inner.height > 10));
    }
    let mut shown: Vec<(bool, Ink, String)> = Vec::new();
    for (here, ink, line) in lines {
        for (part, line) in wrapped(&line, usize::from(inner.width.saturating_sub(2))).into_iter().enumerate() {
            shown.push((here && part == 0, ink, if part == 0 { line } else { format!("    {line}") }));
        }
    }
    let here = shown.iter().position(|(here, ..)| *here).unwrap_or(0);
    let rows = usize::from(inner.height);
    let first = here.saturating_sub(rows / 2).min(shown.len().saturating_sub(rows));
    for (y, (here, ink, line)) in (inner.y..inner.bottom()).zip(shown.into_iter().skip(first)) {
        if here {
            pen.glyph(inner, inner.x, y, Ink::Strong, Glyph::Cursor);
        }
        pen.fit(inner, inner.x + 2, y, if here { Ink::Selected } else { ink }, &line, inner.width.saturating_sub(2));
    }
}
