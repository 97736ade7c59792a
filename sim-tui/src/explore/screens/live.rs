//! The run as it goes: the graph of the scenario, requests over time, properties, a timeline of all nodes, and one event in detail.

mod graph;

use ratatui::layout::{Constraint, Layout, Rect};
use sim_core::past::{Grade, Past};
use sim_core::{Instant, NodeId};
use sim_models::program::NodeRef;

use super::super::app::{self, App, RunView};
use super::super::layout::{self, Class};
use super::super::look::{Glyph, Ink};
use super::super::pen::{Pen, wrapped};
use super::super::told::State;
use super::super::words;
use super::spacetime;
use crate::text;

/// Where each pane stands; those without room are empty.
#[derive(Clone, Copy, Debug, Default)]
struct Panes {
    graph: Rect,
    rates: Rect,
    properties: Rect,
    timeline: Rect,
    events: Rect,
    inspector: Rect,
}

fn panes(app: &App, area: Rect) -> Panes {
    let zoomed = app.run.as_ref().filter(|run| run.zoomed);
    if let Some(run) = zoomed {
        return match run.pane {
            layout::RATES => Panes { rates: area, ..Panes::default() },
            layout::TIMELINE => Panes { timeline: area, ..Panes::default() },
            layout::INSPECTOR => Panes { inspector: area, ..Panes::default() },
            _ => Panes { graph: area, ..Panes::default() },
        };
    }
    let lanes = app.run.as_ref().map_or(0, |run| run.snapshot.facts.nodes.len());
    let lanes = u16::try_from(lanes).unwrap_or(u16::MAX);
    match app.class() {
        Class::Large | Class::Medium => {
            let timeline = (lanes + 3).min(area.height / 4).max(5);
            let [top, middle, bottom] =
                Layout::vertical([Constraint::Fill(5), Constraint::Length(timeline), Constraint::Fill(6)]).areas(area);
            let [graph, rates, properties] =
                Layout::horizontal([Constraint::Fill(4), Constraint::Fill(5), Constraint::Fill(4)]).areas(top);
            let [events, inspector] = Layout::horizontal([Constraint::Fill(5), Constraint::Fill(4)]).areas(bottom);
            Panes { graph, rates, properties, timeline: middle, events, inspector }
        }
        Class::Small => {
            let timeline = (lanes + 3).clamp(5, 8);
            let [top, middle, bottom] =
                Layout::vertical([Constraint::Min(9), Constraint::Length(timeline), Constraint::Length(5)]).areas(area);
            let [graph, rates] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(top);
            Panes { graph, rates, timeline: middle, inspector: bottom, ..Panes::default() }
        }
        Class::Narrow | Class::TooSmall => {
            let [top, bottom] = Layout::vertical([Constraint::Min(8), Constraint::Length(6)]).areas(area);
            Panes { rates: top, inspector: bottom, ..Panes::default() }
        }
    }
}

/// Where events are listed, if they are.
pub(crate) fn list(app: &App, area: Rect) -> Option<Rect> {
    Some(panes(app, area).events).filter(|area| area.height > 2)
}

pub(super) fn draw(app: &App, pen: &mut Pen<'_>, area: Rect) {
    let Some(run) = &app.run else { return };
    let panes = panes(app, area);
    let focus = |pane| run.pane == pane;
    if panes.graph.height > 0 {
        let inner = pen.pane(panes.graph, "Who asks whom", "z alone", focus(layout::MAIN));
        graph::draw(run, pen, inner);
    }
    if panes.rates.height > 0 {
        rates(app, run, pen, panes.rates, panes.properties.height == 0, focus(layout::RATES));
    }
    if panes.properties.height > 0 {
        let inner = pen.pane(panes.properties, "Properties and faults", "F faults", false);
        let y = properties(run, pen, inner, inner.y, true);
        faults(run, pen, inner, y + 1);
    }
    if panes.timeline.height > 0 {
        timeline(run, pen, panes.timeline, focus(layout::TIMELINE));
    }
    if panes.events.height > 0 {
        events(run, pen, panes.events);
    }
    if panes.inspector.height > 0 && run.walk.is_some() {
        spacetime::why_pane(run, pen, panes.inspector);
    } else if panes.inspector.height > 0 {
        inspector(app, run, pen, panes.inspector, focus(layout::INSPECTOR));
    }
}

/// The length of time that "now" stands for: about a fiftieth of the whole, and round.
fn recent(run: &RunView) -> sim_core::Duration {
    let wanted = run.whole().nanos() / 50;
    let round = [1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000, 600_000_000_000];
    sim_core::Duration::from_nanos(round.into_iter().find(|it| *it >= wanted).unwrap_or(3_600_000_000_000))
}

/// The part of the run that the timeline and the levels show.
fn window(run: &RunView) -> (Instant, Instant) {
    run.window.unwrap_or((Instant::ZERO, run.whole()))
}

/// The last instant that a number is about: behind the newest event while it runs.
fn now(run: &RunView) -> Instant {
    if run.running { run.clock.max(run.snapshot.at) } else { run.now() }
}

fn or_dash(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "–".to_owned(), words::shorter)
}

fn rates(app: &App, run: &RunView, pen: &mut Pen<'_>, area: Rect, with_properties: bool, focus: bool) {
    let snapshot = &run.snapshot;
    let workloads = &snapshot.facts.workloads;
    let workload = run.workload.checked_sub(1).and_then(|at| workloads.get(at)).copied();
    let whose = workload.map_or_else(|| "all".to_owned(), |node| snapshot.facts.declared[node.0 as usize].0.clone());
    let length = recent(run);
    let title = format!("Requests of {whose}, last {}", words::short(length.nanos()));
    let inner = pen.pane(area, &title, if workloads.len() > 1 { "] next" } else { "" }, focus);
    let end = now(run) + sim_core::Duration::from_nanos(1);
    let begin = Instant::from_nanos(end.nanos().saturating_sub(length.nanos()));
    let figures = snapshot.red.window(begin, end, workload);
    let done = figures.ok + figures.error + figures.unknown;
    let bad = figures.error + figures.unknown;
    let share = (done > 0).then(|| bad as f64 * 100.0 / done as f64);
    let rate = figures.per_second.map_or_else(|| "–".to_owned(), |rate| format!("{} /s", text::rate(rate)));
    let errors = share.map_or_else(|| "–".to_owned(), |share| format!("{share:.1} %"));
    const NUMBERS: u16 = 18;
    let width = inner.width.saturating_sub(NUMBERS + 1);
    let (from, to) = window(run);
    let series = snapshot.red.series(from, to, usize::from(width), workload);
    let reached = column(from, to, width, end);
    let shown = &series[..series.len().min(usize::from(reached) + 1)];
    let top = |of: &dyn Fn(&sim_models::red::Figures) -> u64| shown.iter().map(of).max().unwrap_or(0);
    type Of = fn(&sim_models::red::Figures) -> u64;
    let lines: [(&str, String, Ink, Of); 4] = [
        ("rate", rate, Ink::Level, |it| it.begun),
        ("errors", errors, if bad > 0 { Ink::Trouble } else { Ink::Level }, |it| it.error + it.unknown),
        ("p50", or_dash(figures.p50_ns), Ink::Level, |it| it.p50_ns.unwrap_or(0)),
        ("p99", or_dash(figures.p99_ns), Ink::Level, |it| it.p99_ns.unwrap_or(0)),
    ];
    let mut y = inner.y;
    for (name, value, ink, of) in lines {
        pen.put(inner, inner.x, y, Ink::Plain, name);
        let x = inner.x + 7 + 10_u16.saturating_sub(pen.width(&value));
        pen.put(inner, x, y, Ink::Strong, &value);
        let top = top(&of);
        for (at, figures) in shown.iter().enumerate() {
            pen.cell(inner, inner.x + NUMBERS + at as u16, y, ink, pen.look.level(of(figures), top));
        }
        y += 1;
    }
    if !with_properties {
        fault_ticks(run, pen, Rect { x: inner.x + NUMBERS, width, ..inner }, y, (from, to));
        y += 1;
    }
    let so_far = run.looked.as_ref().map(|looked| (looked.requests, looked.latency));
    if let Some((requests, latency)) = so_far {
        let answered = requests.ok + requests.error + requests.unknown;
        let share = requests
            .availability
            .map_or_else(|| "–".to_owned(), |share| format!("{:.2} %", (share * 1e4).floor() / 1e2));
        let (ok, answered) = (text::count(requests.ok), text::count(answered));
        let line = format!("all so far {share} ok: {ok} of {answered}");
        pen.fit(inner, inner.x, y, Ink::Plain, &line, inner.width);
        y += 1;
        if !with_properties {
            let line = format!(
                "all so far ok {}  error {}  unknown {}  unanswered {}",
                text::count(requests.ok),
                requests.error,
                requests.unknown,
                requests.unanswered
            );
            pen.fit(inner, inner.x, y, Ink::Plain, &line, inner.width);
            let millis = |it: Option<f64>| it.map_or_else(|| "–".to_owned(), |it| words::shorter((it * 1e6) as u64));
            let line = format!(
                "all so far p50 {}  p99 {}  max {}",
                millis(latency.p50),
                millis(latency.p99),
                millis(latency.max)
            );
            pen.fit(inner, inner.x, y + 1, Ink::Plain, &line, inner.width);
            y += 2;
        }
    }
    if with_properties {
        y = properties(run, pen, inner, y, false);
        if inner.bottom() > y + 1 && app.class() == Class::Narrow {
            faults(run, pen, inner, y);
        }
        return;
    }
    histogram(
        run,
        pen,
        Rect { y: y + 1, height: inner.bottom().saturating_sub(y + 1), ..inner },
        (begin, end),
        workload,
    );
}

/// How long requests took: one line for each doubling.
fn histogram(run: &RunView, pen: &mut Pen<'_>, area: Rect, (begin, end): (Instant, Instant), of: Option<NodeRef>) {
    // Between a failure that took no time and a call that took a second lie thirty doublings with nothing in them.
    let bars: Vec<(u64, u64)> =
        run.snapshot.red.histogram(begin, end, of).into_iter().filter(|(_, count)| *count > 0).collect();
    if area.height < 2 || bars.is_empty() {
        return;
    }
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
    pen.put(area, area.x, area.y, Ink::Dim, "latency of those, up to");
    let rows = usize::from(area.height - 1);
    for (y, (bound, count)) in (area.y + 1..).zip(bars.iter().take(rows)) {
        let label = words::shorter(*bound);
        let x = area.x + 8_u16.saturating_sub(pen.width(&label));
        pen.put(area, x, y, Ink::Plain, &label);
        let room = u64::from(area.width.saturating_sub(20));
        let bar = (count * room).div_ceil(most.max(1));
        for at in 0..bar as u16 {
            pen.cell(area, area.x + 9 + at, y, Ink::Level, pen.look.level(1, 1));
        }
        pen.put(area, area.x + 10 + bar as u16, y, Ink::Plain, &text::count(*count));
    }
}

/// The column of an instant on a line that shows a part of the run.
fn column(from: Instant, to: Instant, width: u16, at: Instant) -> u16 {
    let length = u128::from(to.nanos().saturating_sub(from.nanos()).max(1));
    let way = u128::from(at.nanos().saturating_sub(from.nanos()));
    let column = way * u128::from(width) / length;
    u16::try_from(column).unwrap_or(u16::MAX).min(width.saturating_sub(1))
}

/// A sign under each instant at which a fault begins.
fn fault_ticks(run: &RunView, pen: &mut Pen<'_>, area: Rect, y: u16, (from, to): (Instant, Instant)) {
    for fault in &run.snapshot.facts.faults {
        if let Some(begins) = fault.begins.filter(|at| (from..to).contains(at)) {
            let x = area.x + column(from, to, area.width, begins);
            pen.glyph(area, x, y, Ink::Trouble, Glyph::Fault);
        }
    }
}

/// How the properties stand; the line behind the last.
fn properties(run: &RunView, pen: &mut Pen<'_>, area: Rect, mut y: u16, details: bool) -> u16 {
    let Some(looked) = &run.looked else {
        pen.put(area, area.x, y, Ink::Dim, "…");
        return y + 1;
    };
    for standing in &looked.properties {
        if y >= area.bottom() {
            break;
        }
        let (glyph, ink) = match standing.state {
            State::Broken => (Glyph::Broken, Ink::Broken),
            State::Holds => (Glyph::Holds, Ink::Fine),
            State::Open => (Glyph::Open, Ink::Dim),
        };
        pen.glyph(area, area.x, y, ink, glyph);
        let at = standing.event.filter(|_| standing.state == State::Broken).map(|event| format!("  #{event}"));
        let words = match standing.state {
            State::Open => "  not known yet",
            State::Holds | State::Broken => "",
        };
        let line = format!("{}{}{words}", standing.name, at.unwrap_or_default());
        pen.fit(area, area.x + 2, y, ink, &line, area.width.saturating_sub(2));
        y += 1;
        if details && standing.state == State::Broken && y < area.bottom() {
            pen.fit(area, area.x + 4, y, Ink::Plain, &standing.detail, area.width.saturating_sub(4));
            y += 1;
        }
    }
    y
}

fn faults(run: &RunView, pen: &mut Pen<'_>, area: Rect, mut y: u16) {
    let facts = &run.snapshot.facts;
    if facts.faults.is_empty() {
        pen.fit(area, area.x, y, Ink::Dim, "no faults; f breaks something", area.width);
        return;
    }
    for fault in &facts.faults {
        if y >= area.bottom() {
            return;
        }
        pen.glyph(area, area.x, y, Ink::Trouble, Glyph::Fault);
        let whose = if fault.by_hand { "  (yours)" } else { "" };
        pen.fit(area, area.x + 2, y, Ink::Plain, &format!("{}{whose}", fault.text), area.width.saturating_sub(2));
        y += 1;
    }
}

/// What the signs of a timeline mean.
fn legend(pen: &Pen<'_>) -> String {
    let glyph = |glyph| pen.look.glyph(glyph);
    format!(
        "{} trouble  {} broke  {} down  {} fault   + - = zoom",
        glyph(Glyph::Trouble),
        glyph(Glyph::Broken),
        glyph(Glyph::Down),
        glyph(Glyph::Fault)
    )
}

/// All nodes as rows, time going right: how much happens, and the worst of it. What is worst is never averaged away.
fn timeline(run: &RunView, pen: &mut Pen<'_>, area: Rect, focus: bool) {
    let snapshot = &run.snapshot;
    let (from, to) = window(run);
    let title = format!("Timeline {}s to {}s", words::instant(from), words::instant(to));
    let inner = pen.pane(area, &title, &legend(pen), focus);
    let names = &snapshot.facts.nodes;
    let wide = names.iter().map(|name| pen.width(name)).max().unwrap_or(0).min(14);
    let width = inner.width.saturating_sub(wide + 1);
    if width == 0 || inner.height < 2 {
        return;
    }
    let rows = usize::from(inner.height - 1);
    let edges = column_events(&snapshot.past, from, to, width);
    let reached = column(from, to, width, now(run).max(snapshot.at));
    let shown = names.len().min(rows);
    let lanes = Rect { x: inner.x + wide + 1, width, ..inner };
    for (row, name) in names.iter().enumerate().take(shown) {
        let y = inner.y + row as u16;
        let folded = row + 1 == shown && names.len() > rows;
        let more = format!("{} more", names.len() - row);
        pen.fit(inner, inner.x, y, Ink::Plain, if folded { &more } else { name }, wide);
        let of = if folded { row as u32..names.len() as u32 } else { row as u32..row as u32 + 1 };
        lane(&snapshot.past, pen, lanes, y, of, &edges, reached);
    }
    for (row, at) in snapshot.broken.iter().filter_map(|broken| {
        let node = snapshot.past.step(broken.event)?.node()?;
        Some(((node.0 as usize).min(shown.saturating_sub(1)), snapshot.past.at(broken.event)?))
    }) {
        if (from..=to).contains(&at) {
            pen.glyph(lanes, lanes.x + column(from, to, width, at), inner.y + row as u16, Ink::Broken, Glyph::Broken);
        }
    }
    let y = inner.y + shown as u16;
    fault_ticks(run, pen, lanes, y, (from, to));
    let here = now(run);
    if (from..=to).contains(&here) {
        let x = lanes.x + column(from, to, width, here);
        pen.glyph(lanes, x, y, Ink::Strong, Glyph::Now);
    }
    for broken in snapshot.broken.iter() {
        if let Some(at) = snapshot.past.at(broken.event).filter(|at| (from..=to).contains(at)) {
            pen.glyph(lanes, lanes.x + column(from, to, width, at), y, Ink::Broken, Glyph::Broken);
        }
    }
}

/// The events before each column of a line, and those before its end.
fn column_events(past: &Past, from: Instant, to: Instant, width: u16) -> Vec<u64> {
    let length = u128::from(to.nanos().saturating_sub(from.nanos()).max(1));
    let begin = |column: u16| {
        let nanos = u128::from(from.nanos()) + length * u128::from(column) / u128::from(width);
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    };
    // What happens at the very end belongs to the last column.
    (0..width).map(|column| past.last_before(begin(column))).chain([past.last_until(to)]).collect()
}

fn lane(past: &Past, pen: &mut Pen<'_>, area: Rect, y: u16, nodes: std::ops::Range<u32>, edges: &[u64], reached: u16) {
    let mut counts: Vec<(u64, Grade)> = vec![(0, Grade::Quiet); edges.len().saturating_sub(1)];
    for node in nodes.clone().map(NodeId) {
        let events = past.of_node(node);
        let before: Vec<usize> =
            edges.iter().map(|edge| events.partition_point(|event| u64::from(*event) <= *edge)).collect();
        for ((count, pair), edge) in counts.iter_mut().zip(before.windows(2)).zip(edges.windows(2)) {
            count.0 += (pair[1] - pair[0]) as u64;
            if edge[1] > edge[0] {
                count.1 = count.1.max(past.worst(Some(node), edge[0] + 1, edge[1]));
            }
        }
    }
    let most = counts.iter().map(|(count, _)| *count).max().unwrap_or(0);
    for (x, (count, worst)) in (0_u16..).zip(counts) {
        let place = area.x + x;
        match worst {
            _ if x > reached => pen.glyph(area, place, y, Ink::Dim, Glyph::NotYet),
            Grade::Broken => pen.glyph(area, place, y, Ink::Broken, Glyph::Broken),
            Grade::Trouble => pen.glyph(area, place, y, Ink::Trouble, Glyph::Trouble),
            Grade::Quiet | Grade::Notable => pen.cell(area, place, y, Ink::Level, pen.look.level(count, most)),
        }
    }
    down(past, pen, Rect { width: area.width.min(reached + 1), ..area }, y, nodes, edges);
}

/// Where a node is down at the end of a column.
fn down(past: &Past, pen: &mut Pen<'_>, area: Rect, y: u16, nodes: std::ops::Range<u32>, edges: &[u64]) {
    if nodes.len() != 1 {
        return;
    }
    let node = NodeId(nodes.start);
    for (x, pair) in (0_u16..).zip(edges.windows(2)) {
        if !past.is_up(node, pair[1]) {
            pen.glyph(area, area.x + x, y, Ink::Down, Glyph::Down);
        }
    }
}

/// Events around the cursor as lines.
fn events(run: &RunView, pen: &mut Pen<'_>, area: Rect) {
    let fold = if run.wanted.fold { "quiet ones folded" } else { "all" };
    let inner = pen.pane(area, &format!("Events, {fold}"), "j k  3 spacetime", false);
    let height = inner.height;
    for (y, row) in (inner.y..).zip(spacetime::rows(run, height)) {
        match row {
            spacetime::Row::Fold { first, last } => {
                let line = format!("{} events", text::count(last - first + 1));
                pen.put(inner, inner.x + 10, y, Ink::Dim, &format!("{0}{0}{0} {line}", pen.look.glyph(Glyph::Fold)));
            }
            spacetime::Row::Event(event) => {
                let at = run.snapshot.past.at(event).unwrap_or(Instant::ZERO);
                pen.put(inner, inner.x + 1, y, Ink::Dim, &format!("{event:>7}"));
                pen.put(inner, inner.x + 9, y, Ink::Dim, &format!("{:>11}", words::instant(at)));
                let (ink, line) = spacetime::label(run, event, false);
                pen.fit(inner, inner.x + 22, y, ink, &line, inner.width.saturating_sub(22));
                if event == run.cursor {
                    pen.glyph(inner, inner.x, y, Ink::Strong, Glyph::Cursor);
                    pen.reverse(inner, y);
                }
            }
            spacetime::Row::Lost { .. } => {}
        }
    }
}

/// One event in detail, and the state of its node where there is room.
pub(super) fn inspector(app: &App, run: &RunView, pen: &mut Pen<'_>, area: Rect, focus: bool) {
    let title = match run.cursor {
        0 => "before the first event".to_owned(),
        event => format!("#{event} at {}s", words::instant(run.now())),
    };
    let remark =
        if area.height > 8 { "Tab here: j k a field, Enter: what last changed it   ] next node" } else { "w why" };
    let inner = pen.pane(area, &title, remark, focus);
    if run.running {
        return running(run, pen, inner);
    }
    let Some(looked) = run.looked.as_ref().filter(|looked| looked.event == run.cursor) else {
        pen.put(inner, inner.x, inner.y, Ink::Dim, "…");
        return;
    };
    let mut y = inner.y;
    let say = |pen: &mut Pen<'_>, ink: Ink, line: &str, y: &mut u16| {
        for line in wrapped(line, usize::from(inner.width)) {
            if *y < inner.bottom() {
                pen.fit(inner, inner.x, *y, ink, &line, inner.width);
                *y += 1;
            }
        }
    };
    if !looked.title.is_empty() {
        let of = run.operation_here().map(|of| run.snapshot.facts.operation(of)).filter(|of| !of.is_empty());
        let of = of.map(|of| format!(", for {of}")).unwrap_or_default();
        say(pen, Ink::Strong, &format!("{}{of}", looked.title), &mut y);
    } else if run.cursor == 0 {
        say(pen, Ink::Dim, "nothing has happened yet: Space runs, l steps", &mut y);
    }
    let room_for_lines = if looked.fields.is_empty() || area.height <= 8 { inner.height } else { inner.height / 2 };
    for (ink, line) in &looked.lines {
        if y - inner.y >= room_for_lines {
            break;
        }
        pen.fit(inner, inner.x, y, *ink, line, inner.width);
        y += 1;
    }
    if area.height > 8 && app.class() >= Class::Small {
        state(run, pen, Rect { y: y + 1, height: inner.bottom().saturating_sub(y + 1), ..inner }, focus);
    }
}

/// What is said while it runs: how fast, and what would flicker past if it were said of each event.
fn running(run: &RunView, pen: &mut Pen<'_>, area: Rect) {
    let speed = app::speed_in_words(app::SPEEDS[run.speed]);
    let line = format!("running, {speed}: , slower  . faster  Space pauses");
    pen.fit(area, area.x, area.y, Ink::Plain, &line, area.width);
    let line = "it pauses by itself where a property breaks";
    pen.fit(area, area.x, area.y + 1, Ink::Dim, line, area.width);
}

/// The state of a node as fields; the selected one is what Enter asks about.
fn state(run: &RunView, pen: &mut Pen<'_>, area: Rect, focus: bool) {
    let Some(looked) = &run.looked else { return };
    let Some(whose) = looked.whose.filter(|_| area.height > 1) else { return };
    let name = &run.snapshot.facts.nodes[whose.0 as usize];
    pen.fit(area, area.x, area.y, Ink::Title, &format!("{name} after it"), area.width);
    let rows = usize::from(area.height - 1);
    let first = if focus { run.field.saturating_sub(rows / 2) } else { 0 };
    for (y, (at, (path, shown))) in (area.y + 1..area.bottom()).zip(looked.fields.iter().enumerate().skip(first)) {
        pen.fit(area, area.x + 1, y, Ink::Dim, path, area.width / 2);
        let x = area.x + 2 + pen.width(path).min(area.width / 2);
        pen.fit(area, x, y, Ink::Plain, shown, area.right().saturating_sub(x));
        if focus && at == run.field {
            pen.reverse(area, y);
        }
    }
}
