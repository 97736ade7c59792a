//! Letters in rows and columns, on which a picture is drawn.

/// A sheet of letters; what was never written on is free.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    wide: usize,
    cells: Vec<Option<char>>,
}

impl Grid {
    pub(super) fn new(wide: usize, high: usize) -> Grid {
        Grid { wide, cells: vec![None; wide * high] }
    }

    fn high(&self) -> usize {
        self.cells.len() / self.wide
    }

    /// Writes over whatever stands there.
    pub(super) fn set(&mut self, x: usize, y: usize, letter: char) {
        self.cells[y * self.wide + x] = Some(letter);
    }

    /// Writes where nothing stands.
    pub(super) fn put(&mut self, x: usize, y: usize, letter: char) {
        self.cells[y * self.wide + x].get_or_insert(letter);
    }

    /// Writes down a column where nothing stands.
    pub(super) fn stand(&mut self, x: usize, letter: char) {
        (0..self.high()).for_each(|y| self.put(x, y, letter));
    }

    pub(super) fn write(&mut self, x: usize, y: usize, text: &str) {
        for (x, letter) in (x..self.wide).zip(text.chars()) {
            self.set(x, y, letter);
        }
    }

    /// A straight line of letters from one cell to another, both included.
    pub(super) fn dots(&mut self, from: (usize, usize), to: (usize, usize), letter: char) {
        let (across, down) = (to.0 as i64 - from.0 as i64, to.1 as i64 - from.1 as i64);
        let steps = across.abs().max(down.abs()).max(1);
        for step in 0..=steps {
            let along = |from: usize, length: i64| {
                (from as i64 + (length * step * 2 + steps * length.signum()) / (steps * 2)) as usize
            };
            self.set(along(from.0, across), along(from.1, down), letter);
        }
    }

    /// Fills a column between two heights in rows from the bottom; what is there at all is seen. Whether it had to be drawn larger for
    /// that by more than an eighth of a row.
    pub(super) fn fill(&mut self, x: usize, (low, high): (f64, f64), cell: char, eighths: bool) -> bool {
        const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let rows = self.high();
        let mut is_seen = false;
        for row in 0..rows {
            let covered = (high.min((row + 1) as f64) - low.max(row as f64)).clamp(0.0, 1.0);
            let letter = if eighths { EIGHTHS[(covered * 8.0).round() as usize] } else { cell };
            if (eighths && letter != ' ') || (!eighths && covered >= 0.5) {
                self.set(x, rows - 1 - row, letter);
                is_seen = true;
            }
        }
        if !is_seen {
            let row = (high.ceil() as usize).clamp(1, rows);
            self.set(x, rows - row, if eighths { EIGHTHS[1] } else { cell });
        }
        !is_seen && !eighths
    }

    /// Lays another sheet on it; where both have a letter that is no dot between points, a star says so.
    pub(super) fn lay(&mut self, other: &Grid, dot: char) {
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            *mine = match (*mine, *theirs) {
                (mine, None) => mine,
                (Some(mine), Some(theirs)) if theirs == dot => Some(mine),
                (Some(mine), Some(_)) if mine != dot => Some(super::terminal::BOTH),
                (_, theirs) => theirs,
            };
        }
    }

    /// Draws a sheet of twice as many columns and four times as many rows with the dots of braille letters (Unicode block 2800).
    pub(super) fn braille(&mut self, dots: &Grid) {
        const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        for y in 0..self.high() {
            for x in 0..self.wide {
                let set = |down: usize, across: usize| {
                    let is_set = dots.cells[(y * 4 + down) * dots.wide + x * 2 + across].is_some();
                    if is_set { DOTS[down][across] } else { 0 }
                };
                let bits =
                    (0..4).flat_map(|down| [(down, 0), (down, 1)]).map(|(down, across)| set(down, across)).sum::<u32>();
                if let Some(letter) = char::from_u32(0x2800 + bits).filter(|_| bits > 0) {
                    self.set(x, y, letter);
                }
            }
        }
    }

    /// The rows, from the top.
    pub(super) fn lines(&self) -> Vec<String> {
        self.cells.chunks(self.wide).map(|row| row.iter().map(|cell| cell.unwrap_or(' ')).collect()).collect()
    }
}
