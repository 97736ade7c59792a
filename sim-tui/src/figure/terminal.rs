//! Draws a figure with letters: 80 columns wide or as wide as asked, with no colour, so that it can be pasted into a chat.
//!
//! One line-like series alone is drawn with the eight dots of braille letters; several are told apart by their letters.

use crate::explore::Glyphs;
use crate::figure::grid::Grid;
use crate::figure::palette::{Dress, dress};
use crate::figure::scale::{Scale, Tick};
use crate::figure::{Data, Figure, Interval, Mark};
use crate::text::broken;

/// How much room there is, and which letters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paper {
    /// Columns in all.
    pub(crate) width: usize,
    /// Rows of the plot itself, without title, axis and words; figures with rows of their own take what those need.
    pub(crate) height: usize,
    pub(crate) glyphs: Glyphs,
}

impl Paper {
    /// 80 columns, 12 rows.
    pub(crate) fn usual(glyphs: Glyphs) -> Paper {
        Paper { width: 80, height: 12, glyphs }
    }

    fn is_ascii(self) -> bool {
        self.glyphs == Glyphs::Ascii
    }

    /// A letter, or what stands for it where there is only ASCII.
    fn letter(self, utf8: char, ascii: char) -> char {
        if self.is_ascii() { ascii } else { utf8 }
    }

    fn point(self, dress: &Dress) -> char {
        self.letter(dress.point[0], dress.point[1])
    }

    fn cell(self, dress: &Dress) -> char {
        self.letter(dress.cell[0], dress.cell[1])
    }
}

/// The figure as lines, each with its newline.
pub(crate) fn drawn(figure: &Figure, paper: Paper) -> String {
    let plot = Plot::new(figure, paper);
    let mut lines = vec![figure.title.clone()];
    lines.extend(legend(figure, paper));
    if !figure.y.label.is_empty() && figure.rows().is_none() {
        lines.push(figure.y.label.clone());
    }
    lines.extend(plot.lanes());
    let (rows, is_larger) = plot.rows();
    lines.extend(rows);
    lines.extend(plot.foot());
    let larger = if is_larger { " What is lower than half a letter is drawn a letter high." } else { "" };
    lines.extend(broken(&(figure.words() + larger), paper.width).lines().map(str::to_owned));
    let text: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
    if paper.is_ascii() { in_ascii(&text) } else { text }
}

/// What each letter means; nothing where there is nothing to tell apart.
fn legend(figure: &Figure, paper: Paper) -> Vec<String> {
    let named = figure.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty());
    let words: Vec<String> = named
        .map(|(place, series)| {
            let dress = dress(place);
            let letter = match series.data {
                Data::Columns(_) => paper.cell(dress),
                Data::Line(_) | Data::Steps(_) | Data::Intervals(_) => paper.point(dress),
            };
            format!("{letter} {}", series.name)
        })
        .collect();
    let lines = figure.series.iter().filter(|series| matches!(series.data, Data::Line(_) | Data::Steps(_)));
    let both = (lines.count() > 1).then(|| format!("{BOTH} several"));
    side_by_side(words.into_iter().chain(both), paper.width)
}

/// Words three blanks apart, in as few lines as have room for them.
fn side_by_side(words: impl Iterator<Item = String>, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut().filter(|line| wide(line) + 3 + wide(&word) <= room) {
            Some(line) => *line += &format!("   {word}"),
            None => lines.push(word),
        }
    }
    lines
}

/// Stands where several series have a point.
pub(super) const BOTH: char = '*';
/// The widest name of a row.
const NAME: usize = 34;

/// The corners of a line as places from 0 to 1; none where it has a gap.
type Path = Vec<Option<(f64, f64)>>;

/// A figure on its way to letters.
struct Plot<'a> {
    figure: &'a Figure,
    paper: Paper,
    x: Option<Scale>,
    y: Option<Scale>,
    /// What stands left of the plot, line by line.
    left: Vec<String>,
    /// Columns of the plot.
    wide: usize,
    /// Rows of the plot.
    high: usize,
}

impl<'a> Plot<'a> {
    fn new(figure: &'a Figure, paper: Paper) -> Plot<'a> {
        let (x, y) = (figure.x_scale(), figure.y_scale());
        let names = row_names(figure, paper);
        let high = names.as_ref().map_or(paper.height, Vec::len).max(1);
        let left = names.unwrap_or_else(|| {
            let mut left = vec![String::new(); high];
            for tick in y.iter().flat_map(|scale| scale.ticks(high.div_ceil(2), |_| 2.0 / high as f64)) {
                left[row_of(tick.place, high)] = tick.label;
            }
            left
        });
        let before = left.iter().map(|label| wide(label)).max().unwrap_or(0);
        let left = left.into_iter().map(|label| format!("{label:>before$}")).collect();
        Plot { figure, paper, x, y, left, wide: paper.width.saturating_sub(before + 3).max(10), high }
    }

    fn before(&self) -> usize {
        self.left.first().map_or(0, |label| wide(label))
    }

    fn column(&self, place: f64) -> usize {
        ((place * self.wide as f64) as usize).min(self.wide - 1)
    }

    /// The column of an x.
    fn at_x(&self, x: f64) -> Option<usize> {
        Some(self.column(self.x.as_ref()?.place(x)?))
    }

    /// The row of a y, from the top.
    fn at_y(&self, y: f64) -> Option<usize> {
        Some(row_of(self.y.as_ref()?.place(y)?, self.high))
    }

    /// The rows of the plot with what stands left of them, and whether something is drawn larger than it is.
    fn rows(&self) -> (Vec<String>, bool) {
        let mut grid = Grid::new(self.wide, self.high);
        let mut is_larger = false;
        if self.figure.is_empty() {
            let said = "– no sample";
            grid.write(self.wide.saturating_sub(wide(said)) / 2, self.high / 2, said);
        } else {
            is_larger = self.draw_columns(&mut grid);
            self.draw_lines(&mut grid);
            self.draw_intervals(&mut grid);
            self.draw_marks(&mut grid);
            self.draw_zero(&mut grid);
        }
        let tick = self.paper.letter('┤', '+');
        let plain = self.paper.letter('│', '|');
        let rows = grid.lines().into_iter().zip(&self.left);
        let line = |(row, label): (String, &String)| {
            format!("{label} {}{row}", if label.trim().is_empty() { plain } else { tick })
        };
        (rows.map(line).collect(), is_larger)
    }

    /// The x axis with its numbers and its name.
    fn foot(&self) -> Vec<String> {
        let ticks = self.x.as_ref().map_or_else(Vec::new, |scale| {
            let most = (self.wide / 8).max(2);
            scale.ticks(most, |label| (wide(label) + 2) as f64 / self.wide as f64)
        });
        let mut axis: Vec<char> = vec![self.paper.letter('─', '-'); self.wide];
        for tick in &ticks {
            axis[self.column(tick.place)] = self.paper.letter('┬', '+');
        }
        let blanks = " ".repeat(self.before() + 1);
        let corner = self.paper.letter('└', '+');
        let line = format!("{blanks}{corner}{}", axis.iter().collect::<String>());
        let numbers = self.numbers(&ticks);
        let label = &self.figure.x.label;
        let indent = (self.before() + 2 + self.wide).saturating_sub(wide(label));
        let mut foot = vec![line, numbers, format!("{:indent$}{label}", "")];
        foot.retain(|line| !line.trim().is_empty());
        foot
    }

    /// Numbers below their ticks, inside the width.
    fn numbers(&self, ticks: &[Tick]) -> String {
        let begin = self.before() + 2;
        let mut line = vec![' '; self.paper.width.max(begin + self.wide)];
        for tick in ticks {
            let middle = begin + self.column(tick.place);
            let first =
                middle.saturating_sub(wide(&tick.label) / 2).min(line.len() - wide(&tick.label).min(line.len()));
            for (cell, letter) in line[first..].iter_mut().zip(tick.label.chars()) {
                *cell = letter;
            }
        }
        line.into_iter().collect()
    }

    fn draw_columns(&self, grid: &mut Grid) -> bool {
        let mut is_larger = false;
        let stacks = self.figure.stacks();
        let is_alone = stacks.iter().filter(|stack| stack.iter().any(|(_, column)| column.height > 0.0)).count() == 1;
        for (place, stack) in stacks.iter().enumerate() {
            let cell = self.paper.cell(dress(place));
            for (base, column) in stack.iter().filter(|(_, column)| column.height > 0.0) {
                let Some((from, to)) = self.reach(column.from, column.to) else { continue };
                let (low, high) = self.heights(*base, base + column.height);
                let eighths = is_alone && !self.paper.is_ascii();
                for x in from..to {
                    is_larger |= grid.fill(x, (low, high), cell, eighths);
                }
            }
        }
        is_larger
    }

    /// The columns of letters that a stretch of the x axis takes: those whose middle lies in it, or one.
    fn reach(&self, from: f64, to: f64) -> Option<(usize, usize)> {
        let scale = self.x.as_ref()?;
        let edge = |value| scale.place(value).map(|place| place * self.wide as f64);
        let (from, to) = (edge(from)?, edge(to)?);
        let first = ((from + 0.5) as usize).min(self.wide - 1);
        Some((first, ((to + 0.5) as usize).clamp(first + 1, self.wide)))
    }

    /// Two heights in rows from the bottom, as fractions of rows.
    fn heights(&self, low: f64, high: f64) -> (f64, f64) {
        let Some(scale) = &self.y else { return (0.0, 0.0) };
        let at = |value: f64| if value == 0.0 { scale.base() } else { scale.place(value).unwrap_or(0.0) };
        (at(low) * self.high as f64, at(high) * self.high as f64)
    }

    fn draw_lines(&self, grid: &mut Grid) {
        let series = self.figure.series.iter().enumerate();
        let lines: Vec<(usize, Path)> =
            series.filter_map(|(place, series)| Some((place, self.path(&series.data)?))).collect();
        if let [(_, path)] = &lines[..] {
            return self.draw_alone(grid, path);
        }
        for (place, path) in &lines {
            let letter = self.paper.point(dress(*place));
            let mut own = Grid::new(self.wide, self.high);
            for pair in path.windows(2) {
                if let [Some(from), Some(to)] = pair {
                    own.dots(self.cell_of(*from), self.cell_of(*to), self.paper.letter('·', '.'));
                }
            }
            for point in path.iter().flatten() {
                let (x, y) = self.cell_of(*point);
                own.set(x, y, letter);
            }
            grid.lay(&own, self.paper.letter('·', '.'));
        }
    }

    /// One line with nothing to be told apart from.
    fn draw_alone(&self, grid: &mut Grid, path: &Path) {
        if self.paper.is_ascii() {
            for pair in path.windows(2) {
                if let [Some(from), Some(to)] = pair {
                    grid.dots(self.cell_of(*from), self.cell_of(*to), 'o');
                }
            }
            for point in path.iter().flatten() {
                let (x, y) = self.cell_of(*point);
                grid.set(x, y, 'o');
            }
            return;
        }
        let mut dots = Grid::new(self.wide * 2, self.high * 4);
        let dot = |(x, y): (f64, f64)| {
            let (wide, high) = (self.wide * 2, self.high * 4);
            (((x * wide as f64) as usize).min(wide - 1), row_of(y, high))
        };
        for pair in path.windows(2) {
            if let [Some(from), Some(to)] = pair {
                dots.dots(dot(*from), dot(*to), '.');
            }
        }
        for point in path.iter().flatten() {
            let (x, y) = dot(*point);
            dots.set(x, y, '.');
        }
        grid.braille(&dots);
    }

    fn cell_of(&self, (x, y): (f64, f64)) -> (usize, usize) {
        (self.column(x), row_of(y, self.high))
    }

    /// A line as places from 0 to 1, with gaps; none for what is no line.
    fn path(&self, data: &Data) -> Option<Path> {
        let (x, y) = (self.x.as_ref()?, self.y.as_ref()?);
        let place = |at: f64, value: f64| Some((x.place(at)?, y.place(value).filter(|_| value.is_finite())?));
        match data {
            Data::Line(points) => Some(points.iter().map(|(at, value)| place(*at, (*value)?)).collect()),
            Data::Steps(points) => {
                let corner = |pair: &[(f64, f64)]| [place(pair[0].0, pair[0].1), place(pair[1].0, pair[0].1)];
                let mut path: Vec<_> = points.windows(2).flat_map(corner).collect();
                path.extend(points.last().map(|(at, value)| place(*at, *value)));
                Some(path)
            }
            Data::Columns(_) | Data::Intervals(_) => None,
        }
    }

    fn draw_intervals(&self, grid: &mut Grid) {
        let count = self.figure.series.len();
        for (place, series) in self.figure.series.iter().enumerate() {
            let Data::Intervals(all) = &series.data else { continue };
            for interval in all {
                if self.figure.rows().is_some() {
                    self.lying(grid, interval, place, count);
                } else {
                    self.standing(grid, interval, place, count);
                }
            }
        }
    }

    /// An interval in its row.
    fn lying(&self, grid: &mut Grid, interval: &Interval, place: usize, count: usize) {
        let row = interval.at as usize * count + place;
        if row >= self.high {
            return;
        }
        let Some(value) = interval.value.filter(|value| value.is_finite()) else {
            return grid.set(0, row, self.paper.letter('–', '-'));
        };
        let Some(middle) = self.at_x(value) else { return };
        let end =
            |end: Option<f64>, open: usize| end.and_then(|end| self.at_x(end)).map_or((open, true), |at| (at, false));
        let (from, lo_open) = end(interval.low(), 0);
        let (to, hi_open) = end(interval.high(), self.wide - 1);
        for x in from..=to {
            grid.set(x, row, self.paper.letter('─', '-'));
        }
        let (left, right) = (self.paper.letter('├', '|'), self.paper.letter('┤', '|'));
        grid.set(from, row, if lo_open { self.paper.letter('◂', '<') } else { left });
        grid.set(to, row, if hi_open { self.paper.letter('▸', '>') } else { right });
        grid.set(middle, row, self.paper.point(dress(place)));
    }

    /// An interval above its x.
    fn standing(&self, grid: &mut Grid, interval: &Interval, place: usize, count: usize) {
        let Some(x) = self.at_x(interval.at) else { return };
        // Those of several series at one x stand beside each other.
        let x = (x + place).saturating_sub(count.saturating_sub(1) / 2).min(self.wide - 1);
        let Some(value) = interval.value.filter(|value| value.is_finite()) else {
            return grid.set(x, self.high - 1, self.paper.letter('–', '-'));
        };
        let Some(middle) = self.at_y(value) else { return };
        let end =
            |end: Option<f64>, open: usize| end.and_then(|end| self.at_y(end)).map_or((open, true), |at| (at, false));
        let (top, hi_open) = end(interval.high(), 0);
        let (bottom, lo_open) = end(interval.low(), self.high - 1);
        for y in top..=bottom {
            grid.set(x, y, self.paper.letter('│', '|'));
        }
        if top < middle {
            grid.set(x, top, if hi_open { self.paper.letter('↑', '^') } else { self.paper.letter('┬', '-') });
        }
        if bottom > middle {
            grid.set(x, bottom, if lo_open { self.paper.letter('↓', 'v') } else { self.paper.letter('┴', '-') });
        }
        grid.set(x, middle, self.paper.point(dress(place)));
    }

    /// The marks that touch the picture, with the columns where they begin and end.
    fn marks(&self) -> Vec<(usize, usize, &'a Mark)> {
        let Some(scale) = &self.x else { return Vec::new() };
        let seen = self.figure.marks.iter().filter(|mark| scale.shows(mark.from, mark.to));
        seen.filter_map(|mark| Some((self.at_x(mark.from)?, self.at_x(mark.to)?, mark))).collect()
    }

    /// Where something begins or ends, in what is free.
    fn draw_marks(&self, grid: &mut Grid) {
        for (from, to, _) in self.marks() {
            for x in [from, to] {
                grid.stand(x, self.paper.letter('┊', ':'));
            }
        }
    }

    fn draw_zero(&self, grid: &mut Grid) {
        if let Some(x) = self.x.as_ref().filter(|scale| scale.crosses_zero()).and_then(|_| self.at_x(0.0)) {
            grid.stand(x, self.paper.letter('┊', ':'));
        }
        if let Some(y) = self.y.as_ref().filter(|scale| scale.crosses_zero()).and_then(|_| self.at_y(0.0)) {
            (0..self.wide).for_each(|x| grid.put(x, y, self.paper.letter('┄', '-')));
        }
    }

    /// The names of the marks above the plot, as few lines as have room for them.
    fn lanes(&self) -> Vec<String> {
        let mut lanes: Vec<Vec<char>> = Vec::new();
        let mut left_out = 0;
        for (from, to, mark) in self.marks().into_iter().filter(|(.., mark)| !mark.label.is_empty()) {
            let (first, text) = self.named(from, to, &mark.label);
            let letters: Vec<char> = text.chars().collect();
            let room = first.saturating_sub(1)..(first + letters.len() + 1).min(self.wide);
            let free = lanes.iter().position(|lane| lane[room.clone()].iter().all(|letter| *letter == ' '));
            let lane = match free {
                Some(lane) => lane,
                None if lanes.len() < LANES => {
                    lanes.push(vec![' '; self.wide]);
                    lanes.len() - 1
                }
                None => {
                    left_out += 1;
                    continue;
                }
            };
            lanes[lane][first..first + letters.len()].copy_from_slice(&letters);
        }
        let blanks = " ".repeat(self.before() + 2);
        let more = (left_out > 0).then(|| format!("{blanks}and {left_out} more"));
        lanes.iter().map(|lane| format!("{blanks}{}", lane.iter().collect::<String>())).chain(more).collect()
    }

    /// A mark with its name inside, behind or before it: the first column and the letters.
    fn named(&self, from: usize, to: usize, label: &str) -> (usize, String) {
        let (left, right, line) =
            (self.paper.letter('├', '|'), self.paper.letter('┤', '|'), self.paper.letter('─', '-'));
        let bar = if from == to {
            self.paper.letter('▼', 'v').to_string()
        } else {
            let inside = to - from - 1;
            if inside >= wide(label) + 4 {
                let rest = inside - wide(label) - 2;
                let before = rest / 2;
                let lines = |count: usize| line.to_string().repeat(count);
                return (from, format!("{left}{} {label} {}{right}", lines(before), lines(rest - before)));
            }
            format!("{left}{}{right}", line.to_string().repeat(inside))
        };
        let label = cut(label, self.wide.saturating_sub(wide(&bar) + 1), self.paper);
        let behind = from + wide(&bar) + 1 + wide(&label);
        if behind <= self.wide {
            return (from, format!("{bar} {label}"));
        }
        let text = format!("{label} {bar}");
        match (to + 1).checked_sub(wide(&text)) {
            Some(first) => (first, text),
            // Neither side has room for all of it; what stands at the left begins there.
            None => {
                let room = from.saturating_sub(1).max(self.wide.saturating_sub(to + 2));
                let short = cut(&label, room, self.paper);
                if from > self.wide.saturating_sub(to + 1) {
                    let text = format!("{short} {bar}");
                    ((to + 1).saturating_sub(wide(&text)), text)
                } else {
                    (from, format!("{bar} {short}"))
                }
            }
        }
    }
}

/// Lines of marks above a plot at most.
const LANES: usize = 5;

/// The name of each row, once per series.
fn row_names(figure: &Figure, paper: Paper) -> Option<Vec<String>> {
    let rows = figure.rows()?;
    let count = figure.series.len().max(1);
    let name = |name: &String| {
        let name = cut(name, NAME.min(paper.width / 2), paper);
        std::iter::once(name).chain(std::iter::repeat_n(String::new(), count - 1))
    };
    Some(rows.iter().flat_map(name).collect())
}

/// A text in at most so many columns.
fn cut(text: &str, room: usize, paper: Paper) -> String {
    if wide(text) <= room {
        return text.to_owned();
    }
    let more = if paper.is_ascii() { ".." } else { "…" };
    text.chars().take(room.saturating_sub(wide(more))).collect::<String>() + more
}

fn wide(text: &str) -> usize {
    text.chars().count()
}

/// The row of a place, from the top.
fn row_of(place: f64, high: usize) -> usize {
    high - 1 - ((place * high as f64) as usize).min(high - 1)
}

/// What ASCII says for letters that it does not have.
fn in_ascii(text: &str) -> String {
    let letter = |letter: char| match letter {
        'µ' => 'u',
        '–' | '−' => '-',
        '→' => '>',
        '…' => '.',
        other if other.is_ascii() => other,
        _ => '?',
    };
    text.chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::examples;

    fn all(glyphs: Glyphs) -> String {
        let paper = Paper::usual(glyphs);
        examples::all().iter().map(|figure| drawn(figure, paper)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_kind_of_figure_is_drawn_with_letters() {
        insta::assert_snapshot!("plots", all(Glyphs::Unicode));
    }

    #[test]
    fn where_there_is_only_ascii_it_is_drawn_with_that() {
        let text = all(Glyphs::Ascii);
        assert_eq!(text.chars().find(|letter| !letter.is_ascii()), None);
        insta::assert_snapshot!("plots-ascii", text);
    }

    #[test]
    fn no_line_is_wider_than_the_paper() {
        for (width, height) in [(40, 5), (80, 12), (120, 30)] {
            for figure in examples::all() {
                let paper = Paper { width, height, glyphs: Glyphs::Unicode };
                let text = drawn(&figure, paper);
                // Titles and names of axes are as long as they are.
                let plot = text.lines().filter(|line| line.contains(['│', '┤', '└']));
                for line in plot {
                    assert!(wide(line) <= width, "{} columns: {line}", wide(line));
                }
            }
        }
    }
}
