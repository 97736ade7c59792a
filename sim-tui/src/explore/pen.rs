//! Draws texts, panes and lines into cells, and never outside of them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::look::{Glyph, Ink, Letters, Look};

/// What is drawn with.
pub(crate) struct Pen<'b> {
    buffer: &'b mut Buffer,
    pub(crate) look: Look,
}

impl<'b> Pen<'b> {
    pub(crate) fn new(buffer: &'b mut Buffer, look: Look) -> Pen<'b> {
        Pen { buffer, look }
    }

    /// All there is to draw on.
    pub(crate) fn area(&self) -> Rect {
        self.buffer.area
    }

    /// Writes a text from a place on, inside an area; the column behind it.
    pub(crate) fn put(&mut self, area: Rect, x: u16, y: u16, ink: Ink, text: &str) -> u16 {
        let style = self.look.style(ink);
        self.put_styled(area, x, y, style, text)
    }

    fn put_styled(&mut self, area: Rect, x: u16, y: u16, style: Style, text: &str) -> u16 {
        let area = area.intersection(self.buffer.area);
        if y < area.top() || y >= area.bottom() || x >= area.right() || x < area.left() {
            return x;
        }
        let text = self.look.text(text);
        let room = usize::from(area.right() - x);
        let (end, _) = self.buffer.set_stringn(x, y, &text, room, style);
        end
    }

    /// Writes a text that ends before a column, if there is room for all of it.
    pub(crate) fn put_right(&mut self, area: Rect, y: u16, ink: Ink, text: &str) -> u16 {
        let width = self.width(text);
        let x = area.right().saturating_sub(width).max(area.left());
        self.put(area, x, y, ink, text);
        x
    }

    /// How many columns a text takes.
    pub(crate) fn width(&self, text: &str) -> u16 {
        u16::try_from(Span::raw(self.look.text(text)).width()).unwrap_or(u16::MAX)
    }

    /// Writes as much of a text as there is room for in so many columns, and says with an ellipsis that it is not all: between
    /// words where that costs little, and never inside a number.
    pub(crate) fn fit(&mut self, area: Rect, x: u16, y: u16, ink: Ink, text: &str, room: u16) -> u16 {
        let text = fitted(text, usize::from(room.min(area.right().saturating_sub(x))), self.look);
        self.put(area, x, y, ink, &text)
    }

    /// A glyph at a place.
    pub(crate) fn glyph(&mut self, area: Rect, x: u16, y: u16, ink: Ink, glyph: Glyph) {
        let text = self.look.glyph(glyph);
        self.cell(area, x, y, ink, text);
    }

    /// A glyph at a place where nothing is.
    pub(crate) fn glyph_if_blank(&mut self, area: Rect, x: u16, y: u16, ink: Ink, glyph: Glyph) {
        if self.buffer.cell((x, y)).is_some_and(|cell| cell.symbol() == " ") {
            self.glyph(area, x, y, ink, glyph);
        }
    }

    /// One column at a place, as it is.
    pub(crate) fn cell(&mut self, area: Rect, x: u16, y: u16, ink: Ink, symbol: &str) {
        let style = self.look.style(ink);
        if area.contains((x, y).into())
            && let Some(cell) = self.buffer.cell_mut((x, y))
        {
            cell.set_symbol(symbol).set_style(style);
        }
    }

    /// Turns a row around: it is what the keys act on.
    pub(crate) fn reverse(&mut self, area: Rect, y: u16) {
        for x in area.left()..area.right() {
            if let Some(cell) = self.buffer.cell_mut((x, y)) {
                cell.modifier.insert(Modifier::REVERSED);
            }
        }
    }

    /// Makes an area empty, for what lies over the rest.
    pub(crate) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    /// A page with a title above and a remark below, and no sides; what is between.
    pub(crate) fn page(&mut self, area: Rect, title: &str, remark: &str) -> Rect {
        if area.height < 2 {
            return Rect { height: 0, ..area };
        }
        let line = if self.look.letters == Letters::Utf8 { "─" } else { "-" };
        for x in area.left()..area.right() {
            self.cell(area, x, area.top(), Ink::Strong, line);
            self.cell(area, x, area.bottom() - 1, Ink::Strong, line);
        }
        self.put(area, area.left() + 2, area.top(), Ink::Selected, &format!(" {title} "));
        let width = self.width(remark) + 2;
        self.put(area, area.right().saturating_sub(width + 2), area.bottom() - 1, Ink::Dim, &format!(" {remark} "));
        Rect { y: area.y + 1, height: area.height - 2, ..area }
    }

    /// A pane with a title above and a remark below; what is inside.
    pub(crate) fn pane(&mut self, area: Rect, title: &str, remark: &str, focus: bool) -> Rect {
        if area.width < 2 || area.height < 2 {
            return Rect { width: 0, height: 0, ..area };
        }
        let ink = if focus { Ink::Strong } else { Ink::Dim };
        let [h, v, tl, tr, bl, br] = match self.look.letters {
            Letters::Utf8 => ["─", "│", "┌", "┐", "└", "┘"],
            Letters::Ascii => ["-", "|", "+", "+", "+", "+"],
        };
        let (left, right, top, bottom) = (area.left(), area.right() - 1, area.top(), area.bottom() - 1);
        for x in left..=right {
            self.cell(area, x, top, ink, h);
            self.cell(area, x, bottom, ink, h);
        }
        for y in top..=bottom {
            self.cell(area, left, y, ink, v);
            self.cell(area, right, y, ink, v);
        }
        for (x, y, corner) in [(left, top, tl), (right, top, tr), (left, bottom, bl), (right, bottom, br)] {
            self.cell(area, x, y, ink, corner);
        }
        let room = area.width.saturating_sub(4);
        let title_ink = if focus { Ink::Selected } else { Ink::Title };
        let title = if title.is_empty() {
            String::new()
        } else {
            format!(" {} ", fitted(title, usize::from(room.saturating_sub(2)), self.look))
        };
        self.put(area, left + 2, top, title_ink, &title);
        if !remark.is_empty() && self.width(remark) + 2 <= room {
            let width = self.width(remark) + 2;
            self.put(area, right.saturating_sub(width + 1), bottom, Ink::Dim, &format!(" {remark} "));
        }
        Rect::new(left + 1, top + 1, area.width - 2, area.height - 2)
    }
}

/// As much of a text as fits.
pub(crate) fn fitted(text: &str, room: usize, look: Look) -> String {
    let text = look.text(text);
    let width = |text: &str| Span::raw(text.to_owned()).width();
    if width(&text) <= room {
        return text;
    }
    let dots = look.text("…");
    let Some(room) = room.checked_sub(width(&dots)) else { return String::new() };
    let mut cut = String::new();
    for letter in text.chars() {
        cut.push(letter);
        if width(&cut) > room {
            cut.pop();
            break;
        }
    }
    let rest = &text[cut.len()..];
    let in_number = |letter: char| letter.is_ascii_digit() || letter == '.' || letter == ',';
    let loses_unit = rest.starts_with(char::is_alphabetic) && cut.ends_with(|letter: char| letter.is_ascii_digit());
    if rest.starts_with(in_number) || loses_unit {
        // A number that is cut is another number, and so is one without its unit.
        cut.truncate(cut.trim_end_matches(in_number).len());
    }
    cut.truncate(cut.trim_end().len());
    cut + &dots
}

/// Lines of at most so many columns, broken between words.
pub(crate) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let wide = |text: &str| text.chars().count();
            if !line.is_empty() && wide(&line) + 1 + wide(word) > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::look::Theme;
    use super::*;

    const UTF8: Look = Look { letters: Letters::Utf8, theme: Theme::Auto };

    #[test]
    fn a_text_that_does_not_fit_is_cut_with_a_sign_and_never_inside_a_number() {
        assert_eq!(fitted("order/17 waits", 14, UTF8), "order/17 waits");
        assert_eq!(fitted("order/17 waits", 10, UTF8), "order/17…");
        assert_eq!(fitted("took 1234 ms", 8, UTF8), "took…");
        assert_eq!(fitted("anything", 1, UTF8), "…");
        assert_eq!(fitted("anything", 0, UTF8), "");
        assert_eq!(fitted("anything", 5, Look { letters: Letters::Ascii, ..UTF8 }), "an...");
    }

    #[test]
    fn nothing_is_drawn_outside_of_an_area() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 3));
        let mut pen = Pen::new(&mut buffer, UTF8);
        let area = Rect::new(1, 1, 3, 1);
        pen.put(area, 1, 1, Ink::Plain, "abcdef");
        pen.put(area, 0, 1, Ink::Plain, "x");
        pen.put(area, 2, 2, Ink::Plain, "x");
        pen.put(Rect::new(0, 0, 50, 50), 40, 40, Ink::Plain, "x");
        pen.glyph(Rect::new(0, 0, 50, 50), 40, 40, Ink::Plain, Glyph::Send);
        pen.pane(Rect::new(4, 2, 50, 50), "title", "remark", true);
        let row: String = (0..6).map(|x| buffer[(x, 1)].symbol()).collect();
        assert_eq!(row, " abc  ");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two three\nfour", 7), ["one two", "three", "four"]);
    }
}
