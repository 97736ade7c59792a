//! A block diagram with letters: what is needed goes from left to right, what stands in for each other is stacked.

use sim_models::avail::{Piece, Role};

use super::super::super::look::Letters;
use crate::avail;

/// More blocks than this are no picture any more.
const PIECES_MAX: usize = 60;

/// Rows of one width, and the one at which lines come in and go out.
struct Sketch {
    rows: Vec<Vec<char>>,
    at: usize,
}

/// The lines between blocks, in one set of letters.
struct Strokes {
    /// How long a name is at most.
    name: usize,
    across: char,
    along: char,
    /// At the first, a middle and the last of a stack: where nothing comes in from outside, and where it does.
    left: [[char; 2]; 3],
    right: [[char; 2]; 3],
}

const UTF8: Strokes = Strokes {
    name: usize::MAX,
    across: '─',
    along: '│',
    left: [['┌', '┬'], ['├', '┼'], ['└', '┴']],
    right: [['┐', '┬'], ['┤', '┼'], ['┘', '┴']],
};
const ASCII: Strokes = Strokes { name: usize::MAX, across: '-', along: '|', left: [['+'; 2]; 3], right: [['+'; 2]; 3] };

/// The diagram of a whole in lines, names cut to so many letters; none of what is too large, or no series and parallel of parts.
pub(super) fn sketch(root: &Piece, name: usize, letters: Letters) -> Option<Vec<String>> {
    let strokes = &Strokes { name, ..if letters == Letters::Utf8 { UTF8 } else { ASCII } };
    if count(root) > PIECES_MAX {
        return None;
    }
    let inside = drawn(root, strokes)?;
    let end = || Sketch { rows: vec![vec![strokes.across; 2]], at: 0 };
    let whole = end().beside(&inside, None).beside(&end(), None);
    Some(whole.rows.into_iter().map(|row| row.into_iter().collect::<String>().trim_end().to_owned()).collect())
}

fn count(piece: &Piece) -> usize {
    1 + piece.pieces.iter().map(count).sum::<usize>()
}

fn drawn(piece: &Piece, strokes: &Strokes) -> Option<Sketch> {
    match (piece.role, piece.pieces.as_slice()) {
        (Role::Component, _) => Some(leaf(&piece.label, piece, strokes)),
        (Role::Same, [only]) => drawn(only, strokes),
        (Role::All, [one]) if one.alike > 1 => Some(leaf(&format!("all {} {}", one.alike, one.label), piece, strokes)),
        (Role::AtLeast(need), [one]) if one.alike > 1 => {
            Some(leaf(&format!("{need} of {} {}", one.alike, one.label), piece, strokes))
        }
        (Role::All, pieces) => {
            let mut all = pieces.iter().map(|piece| drawn(piece, strokes)).collect::<Option<Vec<_>>>()?.into_iter();
            let first = all.next()?;
            Some(all.fold(first, |row, next| row.beside(&next, Some(strokes.across))))
        }
        (Role::Any, pieces) => stacked(pieces, strokes),
        (Role::AtLeast(need), pieces) => {
            let mark = format!("{need} of {}", pieces.len());
            Some(stacked(pieces, strokes)?.beside(&text(&mark), Some(strokes.across)))
        }
        (Role::Same | Role::Ways, _) => None,
    }
}

fn text(text: &str) -> Sketch {
    Sketch { rows: vec![text.chars().collect()], at: 0 }
}

fn leaf(label: &str, piece: &Piece, strokes: &Strokes) -> Sketch {
    let mut name: String = label.chars().take(strokes.name).collect();
    if label.chars().count() > strokes.name {
        name.push('…');
    }
    text(&format!("[{name} {}]", avail::nines(piece.availability)))
}

fn stacked(pieces: &[Piece], strokes: &Strokes) -> Option<Sketch> {
    let all = pieces.iter().map(|piece| drawn(piece, strokes)).collect::<Option<Vec<_>>>()?;
    let width = all.iter().map(Sketch::width).max()?;
    let last = all.len() - 1;
    let (mut rows, mut entries) = (Vec::new(), Vec::new());
    for sketch in all {
        entries.push(rows.len() + sketch.at);
        for (y, mut row) in sketch.rows.into_iter().enumerate() {
            let fill = if y == sketch.at { strokes.across } else { ' ' };
            row.resize(width, fill);
            rows.push(row);
        }
    }
    let middle = last / 2;
    let (first_row, last_row, at) = (entries[0], entries[last], entries[middle]);
    for (y, row) in rows.iter_mut().enumerate() {
        let (left, right) = match entries.iter().position(|entry| *entry == y) {
            Some(nth) => {
                let place = if nth == 0 {
                    0
                } else if nth == last {
                    2
                } else {
                    1
                };
                let through = usize::from(y == at);
                (strokes.left[place][through], strokes.right[place][through])
            }
            None if (first_row..last_row).contains(&y) => (strokes.along, strokes.along),
            None => (' ', ' '),
        };
        row.insert(0, left);
        row.push(right);
    }
    Some(Sketch { rows, at })
}

impl Sketch {
    fn width(&self) -> usize {
        self.rows.first().map_or(0, Vec::len)
    }

    /// The two in a row, with a line between them or none.
    fn beside(self, other: &Sketch, line: Option<char>) -> Sketch {
        let at = self.at.max(other.at);
        let below = (self.rows.len() - self.at).max(other.rows.len() - other.at);
        let row = |sketch: &Sketch, y: usize| {
            let inside = (y + sketch.at).checked_sub(at).and_then(|y| sketch.rows.get(y)).cloned();
            inside.unwrap_or_else(|| vec![' '; sketch.width()])
        };
        let rows = (0..at + below).map(|y| {
            let mut whole = row(&self, y);
            let between = line.map(|line| if y == at { line } else { ' ' });
            whole.extend(between.into_iter().chain(between));
            whole.extend(row(other, y));
            whole
        });
        Sketch { rows: rows.collect(), at }
    }
}

#[cfg(test)]
mod tests {
    use sim_models::avail::{Assembly, Block, Names};

    use super::*;

    #[track_caller]
    fn check(text: &str, letters: Letters, expected: &[&str]) {
        let mut names = Names::new();
        ["a=99%", "b=99.9%", "db=99%"].into_iter().for_each(|text| names.bind(text).unwrap());
        let assembly = Assembly::of(&Block::parse(text).unwrap(), &names).unwrap();
        assert_eq!(sketch(assembly.root(), 20, letters).unwrap(), expected);
    }

    #[test]
    fn what_is_needed_stands_in_a_row_and_what_stands_in_is_stacked() {
        check("a * 2of3(db)", Letters::Utf8, &["──[a 2.00]──[2 of 3 db 3.52]──"]);
        check(
            "b * (a | a * b | a)",
            Letters::Utf8,
            &[
                "            ┌[a 2.00]──────────┐",
                "──[b 3.00]──┼[a 2.00]──[b 3.00]┼──",
                "            └[a 2.00]──────────┘",
            ],
        );
        check("a | b", Letters::Ascii, &["--+[a 2.00]+--", "  +[b 3.00]+"]);
        check("1of2(a | b, b)", Letters::Utf8, &["──┬┬[a 2.00]┬┬──1 of 2──", "  │└[b 3.00]┘│", "  └[b 3.00]──┘"]);
    }

    #[test]
    fn what_is_too_large_is_not_drawn() {
        let block = Block::parse(&vec!["99%"; 70].join(" * ")).unwrap();
        assert!(sketch(Assembly::of(&block, &Names::new()).unwrap().root(), 20, Letters::Utf8).is_none());
    }
}
