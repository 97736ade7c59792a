//! Draws one operation of a run as text: nodes as columns, time going down, an arrow for each envelope that arrived.

use sim_core::NodeId;
use sim_models::explain::round_by_round;
use sim_models::narrate::{Moment, Settled, What};

/// Room for the number and the instant of an event.
const MARGIN: usize = 17;

/// Draws the moments that happen on these nodes, at most `width` characters wide; what goes round is drawn twice and counted.
pub(crate) fn diagram(moments: &[Moment], nodes: &[(NodeId, String)], width: usize) -> Vec<String> {
    let lanes = Lanes::new(nodes, width);
    let row = |moment: &Moment| {
        Some((format!("{:>6} {:>9}", format!("#{}", moment.event), seconds(moment)), lanes.row(moment)?))
    };
    let rows: Vec<(String, String)> = moments.iter().filter_map(row).collect();
    let mut lines = vec![lanes.heading(nodes)];
    lines.extend(round_by_round_of(&rows).iter().map(|(when, row)| format!("{when} {row}").trim_end().to_owned()));
    lines
}

/// Lines with when they happened, of which those are alike that say the same.
pub(crate) fn round_by_round_of(lines: &[(String, String)]) -> Vec<(String, String)> {
    round_by_round(lines, |(_, said)| said.clone(), |(when, _), said| (when.clone(), format!(" {said}")))
}

/// The instant of a moment, to the millisecond.
pub(crate) fn seconds(moment: &Moment) -> String {
    format!("{:.3}s", moment.at.as_secs_f64())
}

struct Lanes {
    columns: Vec<(NodeId, usize)>,
    width: usize,
}

impl Lanes {
    fn new(nodes: &[(NodeId, String)], width: usize) -> Self {
        let room = width.saturating_sub(MARGIN).max(8 * nodes.len());
        let step = room / nodes.len().max(1);
        let column = |(index, (node, _)): (usize, &(NodeId, String))| (*node, step / 3 + index * step);
        Lanes { columns: nodes.iter().enumerate().map(column).collect(), width: room }
    }

    fn at(&self, node: NodeId) -> Option<usize> {
        self.columns.iter().find(|(known, _)| *known == node).map(|(_, at)| *at)
    }

    fn heading(&self, nodes: &[(NodeId, String)]) -> String {
        let mut row = vec![' '; self.width];
        for ((_, name), (_, at)) in nodes.iter().zip(&self.columns) {
            write(&mut row, at.saturating_sub(name.chars().count() / 2), name);
        }
        format!("{}{}", " ".repeat(MARGIN), row.into_iter().collect::<String>().trim_end())
    }

    fn row(&self, moment: &Moment) -> Option<String> {
        let mut row = vec![' '; self.width];
        for (_, at) in &self.columns {
            row[*at] = '│';
        }
        let here = self.at(moment.node)?;
        match &moment.what {
            What::Arrived { from, word, answer, late } => {
                let word = if *answer { format!("{word} answered") } else { word.clone() };
                let word = if *late { format!("{word}, too late") } else { word };
                arrow(&mut row, self.at(*from)?, here, &word, '▶', '◀');
            }
            What::Sent { to, word, fate, .. } if fate.is_lost() => {
                arrow(&mut row, here, self.at(*to)?, &format!("{word} lost"), '✕', '✕');
            }
            What::Fact { name, count, .. } => label(&mut row, here, &format!("● {name} ({count})")),
            What::TimedOut { again, .. } => {
                label(&mut row, here, if *again { "○ no answer: tries again" } else { "○ no answer: gives up" });
            }
            What::Outcome(tone) => label(&mut row, here, &format!("= {}", tone.word())),
            What::TurnedAway => label(&mut row, here, "✕ turned away"),
            What::Failed { .. } => label(&mut row, here, "✕ nobody there"),
            What::Promised => label(&mut row, here, "◦ promises"),
            What::Settled(settled) => label(&mut row, here, settled_as(*settled)),
            What::Mixed => label(&mut row, here, "✕ decided otherwise"),
            What::Cell { map, key, value } => label(&mut row, here, &format!("● {map}[{key}] = {value}")),
            What::Learnt { name, value, .. } => label(&mut row, here, &format!("◦ read {name} = {value}")),
            What::Sent { .. } => return None,
        }
        Some(row.into_iter().collect())
    }
}

const fn settled_as(settled: Settled) -> &'static str {
    match settled {
        Settled::Committed => "● commits",
        Settled::Aborted => "● aborts",
        Settled::Alone => "● rolls back alone",
        Settled::AloneCommit => "● commits alone",
    }
}

fn write(row: &mut [char], at: usize, text: &str) {
    for (cell, letter) in row.iter_mut().skip(at).zip(text.chars()) {
        *cell = letter;
    }
}

/// Writes beside a column: to the right, or to the left where the right has no room.
fn label(row: &mut [char], at: usize, text: &str) {
    let length = text.chars().count();
    if at + 2 + length <= row.len() || at < length + 2 {
        write(row, at + 2, text);
    } else {
        write(row, at - length - 1, text);
    }
}

fn arrow(row: &mut [char], from: usize, to: usize, word: &str, right: char, left: char) {
    let (low, high) = (from.min(to), from.max(to));
    for cell in row.iter_mut().take(high).skip(low + 1) {
        *cell = '─';
    }
    if to > from {
        row[to - 1] = right;
    } else if to < from {
        row[to + 1] = left;
    }
    let room = (high - low).saturating_sub(4);
    let word: String = word.chars().take(room).collect();
    let start = low + 2 + (room - word.chars().count()) / 2;
    write(row, start, &word);
}
