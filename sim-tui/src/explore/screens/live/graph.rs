//! The graph of a scenario in layers, from whoever asks on the left to whoever is asked on the right.

use std::collections::BTreeMap;

use ratatui::layout::Rect;
use sim_core::past::Grade;
use sim_core::{Instant, NodeId};
use sim_models::topology::{Place, Spot};

use super::super::super::app::RunView;
use super::super::super::look::{Glyph, Ink, Letters};
use super::super::super::pen::Pen;
use super::{now, recent};
use crate::text;

/// Lines that leave a cell: up, right, down, left.
const UP: u8 = 1;
const RIGHT: u8 = 2;
const DOWN: u8 = 4;
const LEFT: u8 = 8;

/// Lines between cells, joined where they meet.
#[derive(Default)]
struct Lines(BTreeMap<(u16, u16), u8>);

impl Lines {
    fn add(&mut self, x: u16, y: u16, way: u8) {
        *self.0.entry((x, y)).or_default() |= way;
    }

    fn across(&mut self, y: u16, from: u16, to: u16) {
        for x in from..to {
            self.add(x, y, RIGHT);
            self.add(x + 1, y, LEFT);
        }
    }

    fn along(&mut self, x: u16, from: u16, to: u16) {
        for y in from.min(to)..from.max(to) {
            self.add(x, y, DOWN);
            self.add(x, y + 1, UP);
        }
    }
}

fn joint(ways: u8, letters: Letters) -> &'static str {
    if letters == Letters::Ascii {
        return match (ways & (UP | DOWN) != 0, ways & (LEFT | RIGHT) != 0) {
            (true, true) => "+",
            (true, false) => "|",
            _ => "-",
        };
    }
    match ways {
        5 | 1 | 4 => "│",
        3 => "└",
        6 => "┌",
        9 => "┘",
        12 => "┐",
        7 => "├",
        13 => "┤",
        14 => "┬",
        11 => "┴",
        15 => "┼",
        _ => "─",
    }
}

/// Where layers and slots stand in an area.
struct Grid {
    area: Rect,
    layers: u16,
    /// The widest name of each layer.
    widths: Vec<u16>,
    slots: Vec<u16>,
}

impl Grid {
    fn of(run: &RunView, pen: &Pen<'_>, area: Rect) -> Grid {
        let layers = &run.snapshot.facts.topology.layers;
        let room = area.width;
        let width = |places: &Vec<Place>| {
            let of = places.iter().filter_map(|place| match place {
                Place::Node(node) => Some(pen.width(&name(run, node.0 as usize)) + 2),
                Place::Way(_) => None,
            });
            of.max().unwrap_or(1).min(room)
        };
        let mut widths: Vec<u16> = layers.iter().map(width).collect();
        // Between two layers there must be room for an arrow; the widest names give way first.
        let gaps = 4 * (layers.len() as u16).saturating_sub(1);
        while widths.iter().sum::<u16>() + gaps + 2 > area.width
            && let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > 4)
        {
            *widest -= 1;
        }
        Grid {
            area,
            layers: layers.len() as u16,
            widths,
            slots: layers.iter().map(|places| places.len() as u16).collect(),
        }
    }

    /// The first column of a layer; the last layer ends where the area does.
    fn left(&self, layer: usize) -> u16 {
        let last = self.layers.saturating_sub(1);
        if last == 0 {
            return self.area.x + 1;
        }
        // What the names leave free is shared by the gaps.
        let names: u16 = self.widths.iter().sum();
        let free = self.area.width.saturating_sub(names + 2);
        self.area.x + 1 + self.widths[..layer].iter().sum::<u16>() + free * layer as u16 / last
    }

    fn right(&self, layer: usize) -> u16 {
        self.left(layer) + self.widths[layer]
    }

    fn row(&self, spot: Spot) -> u16 {
        let slots = self.slots[spot.layer].max(1);
        let height = self.area.height.saturating_sub(1);
        self.area.y + height * (2 * spot.slot as u16 + 1) / (2 * slots)
    }
}

fn name(run: &RunView, declared: usize) -> String {
    let (name, replicas) = &run.snapshot.facts.declared[declared];
    match replicas.len() {
        0 | 1 => name.clone(),
        count => format!("{name} x{count}"),
    }
}

pub(super) fn draw(run: &RunView, pen: &mut Pen<'_>, area: Rect) {
    let topology = &run.snapshot.facts.topology;
    if topology.layers.is_empty() || area.height == 0 || area.width < 8 {
        return;
    }
    let grid = Grid::of(run, pen, area);
    let troubled = troubled_links(run);
    let mut lines = Lines::default();
    let mut marks: Vec<(u16, u16, bool)> = Vec::new();
    for route in topology.routes.iter().filter(|route| !route.back) {
        let mut from = topology.spot(route.from);
        let stops = route.via.iter().copied().chain([topology.spot(route.to)]);
        let broken = troubled.contains(&(route.from.0, route.to.0));
        for to in stops {
            let (y, to_y) = (grid.row(from), grid.row(to));
            let is_way = matches!(topology.layers[from.layer][from.slot], Place::Way(_));
            let x = if is_way { grid.left(from.layer) } else { grid.right(from.layer) };
            let end = grid.left(to.layer).saturating_sub(2).max(x);
            let gap = end.saturating_sub(x);
            let bend = x + (gap / 2).min(gap);
            lines.across(y, x, bend);
            lines.along(bend, y, to_y);
            let to_is_way = matches!(topology.layers[to.layer][to.slot], Place::Way(_));
            let end = if to_is_way { grid.left(to.layer) } else { end };
            lines.across(to_y, bend, end);
            if !to_is_way {
                marks.push((end, to_y, broken));
            }
            from = to;
        }
    }
    for ((x, y), ways) in &lines.0 {
        let letters = pen.look.letters;
        pen.cell(area, *x, *y, Ink::Dim, joint(*ways, letters));
    }
    for (x, y, broken) in marks {
        pen.glyph(area, x, y, Ink::Dim, Glyph::Right);
        if broken {
            pen.glyph(area, x.saturating_sub(2), y, Ink::Trouble, Glyph::Lost);
        }
    }
    for (layer, places) in topology.layers.iter().enumerate() {
        for (slot, place) in places.iter().enumerate() {
            if let Place::Node(node) = place {
                let spot = Spot { layer, slot };
                draw_node(run, pen, area, &grid, spot, node.0 as usize);
            }
        }
    }
}

/// Links on which an envelope was lost lately, by declared nodes.
fn troubled_links(run: &RunView) -> Vec<(u16, u16)> {
    let facts = &run.snapshot.facts;
    let declared =
        |node: NodeId| facts.declared.iter().position(|(_, replicas)| replicas.contains(&node)).map(|at| at as u16);
    let (first, last) = lately(run);
    let lost = run.snapshot.past.lost();
    let from = lost.partition_point(|it| u64::from(it.event) < first);
    // A hundred tell as much as all of them, and more would be counted at every frame.
    let recent = lost.iter_from(from).take_while(|it| u64::from(it.event) <= last).take(100);
    let mut links: Vec<(u16, u16)> = recent
        .filter_map(|it| Some((declared(it.from)?, declared(it.to)?)))
        .flat_map(|(a, b)| [(a, b), (b, a)])
        .collect();
    links.sort_unstable();
    links.dedup();
    links
}

/// The events that "now" stands for.
fn lately(run: &RunView) -> (u64, u64) {
    let past = &run.snapshot.past;
    let end = now(run);
    let begin = Instant::from_nanos(end.nanos().saturating_sub(recent(run).nanos()));
    let last = if run.running { past.len() } else { run.cursor };
    (past.last_before(begin) + 1, last)
}

fn draw_node(run: &RunView, pen: &mut Pen<'_>, area: Rect, grid: &Grid, spot: Spot, declared: usize) {
    let (_, replicas) = &run.snapshot.facts.declared[declared];
    let past = &run.snapshot.past;
    let (first, last) = lately(run);
    let down = replicas.iter().filter(|node| is_down(run, **node)).count();
    let mut worst = Grade::Quiet;
    let mut events = 0;
    for node in replicas {
        events += past.of_node(*node).count_between(first, last);
        if first <= last {
            worst = worst.max(past.worst(Some(*node), first, last));
        }
    }
    let (glyph, ink) = match (down, worst) {
        (down, _) if down > 0 && down == replicas.len() => (Glyph::Down, Ink::Down),
        (_, Grade::Broken) => (Glyph::Broken, Ink::Broken),
        (_, Grade::Trouble) => (Glyph::Trouble, Ink::Trouble),
        _ => (Glyph::Up, Ink::Plain),
    };
    let (x, y) = (grid.left(spot.layer), grid.row(spot));
    let here = run.node_here().is_some_and(|node| replicas.contains(&node));
    pen.glyph(area, x, y, ink, glyph);
    let name = name(run, declared);
    pen.put(area, x + 1, y, Ink::Plain, " ");
    pen.fit(area, x + 2, y, if here { Ink::Selected } else { Ink::Strong }, &name, grid.widths[spot.layer]);
    // At its beginning a run is shorter than what "lately" would be.
    let length = recent(run).as_secs_f64().min(now(run).as_secs_f64()).max(1e-9);
    let standing = match down {
        0 if events == 0 => String::new(),
        0 => format!("{} ev/s", text::rate((events as f64 / length).round())),
        down if down == replicas.len() => "down".to_owned(),
        down => format!("{down} of {} down", replicas.len()),
    };
    // Between two nodes there must be a free line for it.
    let slots = grid.slots[spot.layer].max(1);
    if area.height / slots >= 2 {
        pen.fit(area, x + 2, y + 1, Ink::Dim, &standing, grid.widths[spot.layer] + 4);
    }
}

/// Whether a node is down at the cursor.
pub(in super::super) fn is_down(run: &RunView, node: NodeId) -> bool {
    let power = run.snapshot.past.power();
    let at = power.partition_point(|it| u64::from(it.event) <= run.cursor);
    power.iter_to(at).rev().find(|it| it.node == node).is_some_and(|it| !it.up)
}
