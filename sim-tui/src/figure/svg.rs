//! Draws a figure as SVG: a file that stands alone, or a part of a page that dresses it.
//!
//! Nothing in it leads outside: no script, no link, no font that has to be there. Numbers are written to a tenth of a pixel.

use crate::figure::palette::{Dress, Fill, LOOKS, Shape, dress};
use crate::figure::scale::Scale;
use crate::figure::{Column, Data, Figure, Interval, Mark};
use crate::text::broken;

/// Where a drawing is to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file of its own, with its colours and white paper.
    Alone,
    /// Inside a page, which has the [`colours`].
    Inside,
}

const WIDTH: f64 = 760.0;
/// Of a plot; one with rows takes what those need.
const HEIGHT: f64 = 250.0;
const ROW: f64 = 30.0;
/// How far apart the marks of several series in a row are.
const LANE: f64 = 16.0;
/// A letter of the size that numbers and names have is about so wide; wider than most, so that nothing overlaps.
const LETTER: f64 = 6.6;
const LINE: f64 = 16.0;
/// Lines of marks above a plot at most.
const LANES: usize = 5;

/// The classes that drawings use, with the colours of white paper, or of black.
pub(crate) fn colours(is_dark: bool) -> String {
    let [paper, ink, pale, grid, shade] = match is_dark {
        false => ["#ffffff", "#1a1a1a", "#595959", "#e3e3e3", "#8a8a8a"],
        true => ["#17191c", "#ececec", "#a8adb3", "#34383d", "#8a8f96"],
    };
    let mut css = format!(
        ".paper{{fill:{paper}}}.ink{{fill:{ink}}}.pale{{fill:{pale}}}.axis{{stroke:{pale}}}.grid{{stroke:{grid}}}\
         .shade{{fill:{shade};fill-opacity:.16}}.edge{{stroke:{shade}}}.halo{{stroke:{paper};stroke-width:3px;paint-order:stroke}}"
    );
    for place in 0..LOOKS {
        let colour = if is_dark { dress(place).dark } else { dress(place).light };
        css += &format!(".f{place}{{fill:{colour}}}.l{place}{{stroke:{colour}}}");
    }
    css
}

/// The figure as one `svg` element.
pub(crate) fn drawn(figure: &Figure, place: Place) -> String {
    Drawing::new(figure).element(place)
}

/// Text as XML and HTML write it; what neither allows becomes U+FFFD.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => out.push(letter),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

/// A figure on its way to shapes.
struct Drawing<'a> {
    figure: &'a Figure,
    x: Option<Scale>,
    y: Option<Scale>,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    /// The marks, each in its lane.
    lanes: Vec<Named<'a>>,
    out: String,
}

/// A mark with the place of its name.
struct Named<'a> {
    mark: &'a Mark,
    from: f64,
    to: f64,
    lane: usize,
    /// Where the name begins; none: no lane had room for it.
    name: Option<(f64, String)>,
}

/// Which edge of a text stands at its place.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        }
    }
}

impl<'a> Drawing<'a> {
    fn new(figure: &'a Figure) -> Drawing<'a> {
        let (x, y) = (figure.x_scale(), figure.y_scale());
        let labels: Vec<String> = match figure.rows() {
            Some(rows) => rows.iter().map(|row| short(row, ROW_NAME)).collect(),
            None => y.iter().flat_map(|scale| scale.ticks(7, |_| 0.06)).map(|tick| tick.label).collect(),
        };
        let widest = labels.iter().map(|label| wide(label)).fold(0.0, f64::max);
        let left = (widest + 24.0).max(52.0);
        let mut drawing = Drawing {
            figure,
            x,
            y,
            left,
            top: 0.0,
            right: WIDTH - 34.0,
            bottom: 0.0,
            lanes: Vec::new(),
            out: String::new(),
        };
        drawing.lanes = drawing.named_marks();
        let lanes =
            drawing.lanes.iter().filter(|named| named.name.is_some()).map(|named| named.lane + 1).max().unwrap_or(0);
        let label = if figure.y.label.is_empty() || figure.rows().is_some() { 0.0 } else { LINE };
        let legend = if drawing.has_legend() { LINE * 1.5 } else { 0.0 };
        drawing.top = 40.0 + legend + label + lanes as f64 * LINE + 6.0;
        drawing.bottom = drawing.top + drawing.height();
        drawing
    }

    fn height(&self) -> f64 {
        self.figure.rows().map_or(HEIGHT, |rows| rows.len().max(1) as f64 * self.row_height() + 12.0)
    }

    fn row_height(&self) -> f64 {
        ROW.max(LANE * (self.figure.series.len() as f64 + 0.6))
    }

    fn has_legend(&self) -> bool {
        self.figure.series.iter().any(|series| !series.name.is_empty())
    }

    fn element(mut self, place: Place) -> String {
        self.head();
        self.grid();
        self.marks();
        self.series();
        self.axes();
        let words = broken(&self.figure.words(), 118);
        let mut y = self.bottom + 54.0;
        for line in words.lines() {
            self.text(self.left, y, Anchor::Start, "pale", line);
            y += LINE;
        }
        let high = y - 4.0;
        let style = match place {
            Place::Alone => format!("<style>{}</style>", colours(false)),
            Place::Inside => String::new(),
        };
        let (title, words) = (escaped(&self.figure.title), escaped(&description(self.figure)));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {high:.0}\" width=\"{WIDTH}\" height=\"{high:.0}\" \
             role=\"img\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\
             <title>{title}</title><desc>{words}</desc>{style}\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{high:.0}\"/>{}</svg>",
            self.out
        )
    }

    fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let (anchor, text) = (anchor.word(), escaped(text));
        self.out +=
            &format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n");
    }

    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64), more: &str) {
        self.out +=
            &format!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"{more}/>\n");
    }

    /// Title, legend, the name of the y axis.
    fn head(&mut self) {
        let title = escaped(&self.figure.title);
        self.out +=
            &format!("<text class=\"ink\" x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n");
        if self.has_legend() {
            self.legend(46.0);
        }
        if !self.figure.y.label.is_empty() && self.figure.rows().is_none() {
            let y = if self.has_legend() { 66.0 } else { 46.0 };
            let label = self.figure.y.label.clone();
            self.text(16.0, y, Anchor::Start, "pale", &label);
        }
    }

    fn legend(&mut self, y: f64) {
        let mut x = 16.0;
        for (place, series) in self.figure.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty()) {
            let dress = dress(place);
            let middle = y - 4.0;
            match series.data {
                Data::Columns(_) => self.column(place, dress.fill, (x, middle - 6.0), (x + 22.0, middle + 6.0)),
                Data::Line(_) | Data::Steps(_) => {
                    self.stroke(place, dress, &format!("M{x:.1} {middle:.1}H{:.1}", x + 26.0));
                    self.point(place, dress.shape, x + 13.0, middle);
                }
                Data::Intervals(_) => self.point(place, dress.shape, x + 13.0, middle),
            }
            self.text(x + 32.0, y, Anchor::Start, "ink", &series.name);
            x += 32.0 + wide(&series.name) + 22.0;
        }
    }

    fn across(&self, place: f64) -> f64 {
        self.left + place * (self.right - self.left)
    }

    fn at_x(&self, x: f64) -> Option<f64> {
        Some(self.across(self.x.as_ref()?.place(x)?))
    }

    fn up(&self, place: f64) -> f64 {
        self.bottom - place * (self.bottom - self.top)
    }

    fn at_y(&self, y: f64) -> Option<f64> {
        Some(self.up(self.y.as_ref()?.place(y)?))
    }

    /// Pale lines at the ticks.
    fn grid(&mut self) {
        if self.figure.is_empty() {
            let middle = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
            return self.text(middle.0, middle.1, Anchor::Middle, "pale", "– no sample");
        }
        let (left, right, top, bottom) = (self.left, self.right, self.top, self.bottom);
        for tick in self.y.iter().flat_map(|scale| scale.ticks(7, |_| 0.06)).collect::<Vec<_>>() {
            let y = self.up(tick.place);
            self.line("grid", (left, y), (right, y), "");
        }
        if self.figure.rows().is_some() {
            for tick in self.x_ticks() {
                let x = self.across(tick.0);
                self.line("grid", (x, top), (x, bottom), "");
            }
        }
    }

    fn x_ticks(&self) -> Vec<(f64, String)> {
        let wide = |label: &str| (wide(label) + 14.0) / (self.right - self.left);
        let ticks = self.x.iter().flat_map(|scale| scale.ticks(11, wide));
        ticks.map(|tick| (tick.place, tick.label)).collect()
    }

    /// The axes with their numbers and names.
    fn axes(&mut self) {
        let (left, right, top, bottom) = (self.left, self.right, self.top, self.bottom);
        self.line("axis", (left, bottom), (right, bottom), "");
        for (place, label) in self.x_ticks() {
            let x = self.across(place);
            self.line("axis", (x, bottom), (x, bottom + 5.0), "");
            self.text(x, bottom + 19.0, Anchor::Middle, "pale", &label);
        }
        let label = self.figure.x.label.clone();
        self.text(right, bottom + 36.0, Anchor::End, "pale", &label);
        match self.figure.rows() {
            Some(rows) => {
                for (row, name) in rows.iter().enumerate() {
                    let y = self.middle_of(row as f64);
                    self.text(left - 10.0, y + 4.0, Anchor::End, "ink", &short(name, ROW_NAME));
                }
            }
            None => {
                for tick in self.y.iter().flat_map(|scale| scale.ticks(7, |_| 0.06)).collect::<Vec<_>>() {
                    let y = self.up(tick.place);
                    self.text(left - 8.0, y + 4.0, Anchor::End, "pale", &tick.label);
                }
            }
        }
        if self.y.is_some_and(|scale| scale.crosses_zero())
            && let Some(y) = self.at_y(0.0)
        {
            self.line("axis", (left, y), (right, y), " stroke-width=\"1.5\"");
        }
        if self.x.is_some_and(|scale| scale.crosses_zero())
            && let Some(x) = self.at_x(0.0)
        {
            self.line("axis", (x, top), (x, bottom), " stroke-width=\"1.5\"");
        }
    }

    fn middle_of(&self, row: f64) -> f64 {
        self.top + 6.0 + (row + 0.5) * self.row_height()
    }

    /// Shades where something held, lines where something happened, and their names above.
    fn marks(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        let (top, bottom) = (self.top, self.bottom);
        for named in &lanes {
            let (from, to) = (named.from, named.to);
            if named.mark.from < named.mark.to {
                let wide = (to - from).max(1.0);
                let high = bottom - top;
                self.out += &format!(
                    "<rect class=\"shade\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\"/>\n"
                );
            }
            // The line of an instant begins beside its name, those of a stretch at the bar below it.
            let up = self.lane_y(named.lane) + if from == to { -11.0 } else { 3.0 };
            let up = if named.name.is_some() { up } else { top };
            self.line("edge", (from, up), (from, bottom), " stroke-dasharray=\"3 3\"");
            if from < to {
                self.line("edge", (to, up), (to, bottom), " stroke-dasharray=\"3 3\"");
            }
            if named.name.is_some() && to - from > 1.0 {
                let y = self.lane_y(named.lane) + 3.0;
                self.line("edge", (from, y), (to, y), " stroke-width=\"2\"");
            }
        }
        // Names stand above all lines.
        for named in &lanes {
            if let Some((x, text)) = &named.name {
                self.text(*x, self.lane_y(named.lane), Anchor::Start, "ink halo", text);
            }
        }
        self.lanes = lanes;
    }

    fn lane_y(&self, lane: usize) -> f64 {
        self.top - 8.0 - lane as f64 * LINE
    }

    /// Gives every mark that touches the picture a lane in which its name overlaps no other.
    fn named_marks(&self) -> Vec<Named<'a>> {
        let Some(scale) = &self.x else { return Vec::new() };
        let mut taken: Vec<Vec<(f64, f64)>> = Vec::new();
        let mut all = Vec::new();
        for mark in self.figure.marks.iter().filter(|mark| scale.shows(mark.from, mark.to)) {
            let (Some(from), Some(to)) = (self.at_x(mark.from), self.at_x(mark.to)) else { continue };
            if mark.label.is_empty() {
                all.push(Named { mark, from, to, lane: 0, name: None });
                continue;
            }
            let text = short(&mark.label, 90);
            let long = wide(&text);
            let begin = (from + 5.0).min(self.right - long).max(self.left - 30.0);
            let room = (begin.min(from) - 4.0, (begin + long).max(to) + 8.0);
            let is_free = |lane: &Vec<(f64, f64)>| lane.iter().all(|(from, to)| room.1 <= *from || *to <= room.0);
            let lane = taken.iter().position(is_free).unwrap_or(taken.len());
            if lane == taken.len() && lane < LANES {
                taken.push(Vec::new());
            }
            let name = taken.get_mut(lane).map(|lane| {
                lane.push(room);
                (begin, text)
            });
            all.push(Named { mark, from, to, lane, name });
        }
        all
    }

    fn series(&mut self) {
        let figure = self.figure;
        let stacks = figure.stacks();
        let tight = figure.series.iter().filter(|series| !matches!(series.data, Data::Columns(_))).count();
        for (place, (series, stack)) in figure.series.iter().zip(&stacks).enumerate() {
            match &series.data {
                Data::Columns(_) => self.columns(place, stack),
                Data::Line(points) => self.polyline(place, points, tight > 1),
                Data::Steps(points) => self.stairs(place, points),
                Data::Intervals(all) => self.intervals(place, all),
            }
        }
    }

    fn columns(&mut self, place: usize, stack: &[(f64, Column)]) {
        for (base, column) in stack.iter().filter(|(_, column)| column.height > 0.0) {
            let edges = (self.at_x(column.from), self.at_x(column.to));
            let low = if *base == 0.0 { self.y.map(|scale| self.up(scale.base())) } else { self.at_y(*base) };
            let (Some(left), Some(right), Some(low), Some(high)) =
                (edges.0, edges.1, low, self.at_y(base + column.height))
            else {
                continue;
            };
            // A gap between columns as long as they are wide enough; what is there at all is seen.
            let gap = match right - left {
                0.0 => -3.0,
                wide if wide > 4.0 => 0.5,
                _ => 0.0,
            };
            let high = high.min(low - 0.7);
            self.column(place, dress(place).fill, (left + gap, high), ((right - gap).max(left + gap + 0.7), low));
        }
    }

    /// A rectangle in the dress of a series.
    fn column(&mut self, place: usize, fill: Fill, (left, top): (f64, f64), (right, bottom): (f64, f64)) {
        let (wide, high) = (right - left, bottom - top);
        let rect = |class: &str, more: &str| {
            format!(
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\"{more}/>\n"
            )
        };
        let colour = format!("f{place}");
        match fill {
            Fill::Solid => self.out += &rect(&colour, ""),
            Fill::Lying | Fill::Standing | Fill::Hollow => {
                self.out += &rect(&colour, " fill-opacity=\".35\"");
                let path = stripes(fill, (left, top), (right, bottom));
                self.out += &format!("<path class=\"l{place}\" fill=\"none\" d=\"{path}\"/>\n");
            }
        }
    }

    fn stroke(&mut self, place: usize, dress: &Dress, path: &str) {
        let dashes =
            if dress.dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", dress.dashes) };
        self.out += &format!(
            "<path class=\"l{place}\" fill=\"none\" stroke-width=\"2\" stroke-linejoin=\"round\"{dashes} d=\"{path}\"/>\n"
        );
    }

    /// Points joined by lines, with gaps; several lines have points, to be told apart by.
    fn polyline(&mut self, place: usize, points: &[(f64, Option<f64>)], with_points: bool) {
        let dress = dress(place);
        let at = |(x, y): &(f64, Option<f64>)| Some((self.at_x(*x)?, self.at_y((*y).filter(|y| y.is_finite())?)?));
        let places: Vec<Option<(f64, f64)>> = points.iter().map(at).collect();
        let (mut path, mut is_down) = (String::new(), false);
        for place in &places {
            if let Some((x, y)) = place {
                path += &format!("{}{x:.1} {y:.1}", if is_down { 'L' } else { 'M' });
            }
            is_down = place.is_some();
        }
        self.stroke(place, dress, &path);
        // Points so close that they would be a band are thinned out.
        let every = places.len().div_ceil(60).max(1);
        let lonely = |index: usize| {
            let none = |index: Option<usize>| index.and_then(|index| places.get(index)).is_none_or(Option::is_none);
            none(index.checked_sub(1)) && none(index.checked_add(1))
        };
        for (index, (x, y)) in places.iter().enumerate().filter_map(|(index, place)| Some((index, (*place)?))) {
            if lonely(index) || (with_points && index % every == 0) {
                self.point(place, dress.shape, x, y);
            }
        }
    }

    fn stairs(&mut self, place: usize, points: &[(f64, f64)]) {
        let at = |(x, y): &(f64, f64)| Some((self.at_x(*x)?, self.at_y(*y).filter(|_| y.is_finite())?));
        let (mut path, mut last) = (String::new(), None);
        let places: Vec<(f64, f64)> = points.iter().filter_map(at).collect();
        for (index, (x, y)) in places.iter().enumerate() {
            match last {
                None => path += &format!("M{x:.1} {y:.1}"),
                // What would not be seen is not written; the end is.
                Some((left, low)) if index + 1 < places.len() && x - left < 0.6 && f64::abs(y - low) < 0.6 => continue,
                Some(_) => path += &format!("H{x:.1}V{y:.1}"),
            }
            last = Some((*x, *y));
        }
        self.stroke(place, dress(place), &path);
    }

    fn intervals(&mut self, place: usize, all: &[Interval]) {
        if self.figure.rows().is_some() {
            all.iter().for_each(|interval| self.lying(place, interval));
            return;
        }
        let shift = (place as f64 - (self.figure.series.len() as f64 - 1.0) / 2.0) * 9.0;
        let joined: Vec<(f64, Option<f64>)> = all.iter().map(|interval| (interval.at, interval.value)).collect();
        let at =
            |(x, y): &(f64, Option<f64>)| Some((self.at_x(*x)? + shift, self.at_y((*y).filter(|y| y.is_finite())?)?));
        let places: Vec<(f64, f64)> = joined.iter().filter_map(at).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if path.len() > 1 {
            self.out +=
                &format!("<path class=\"l{place}\" fill=\"none\" stroke-opacity=\".45\" d=\"M{}\"/>\n", path.join("L"));
        }
        for interval in all {
            self.standing(place, interval, shift);
        }
    }

    /// An interval in its row.
    fn lying(&mut self, place: usize, interval: &Interval) {
        let count = self.figure.series.len() as f64;
        let y = self.middle_of(interval.at) + (place as f64 - (count - 1.0) / 2.0) * LANE;
        let Some(x) = interval.value.filter(|value| value.is_finite()).and_then(|value| self.at_x(value)) else {
            return self.text(self.left + 6.0, y + 4.0, Anchor::Start, "pale", "–");
        };
        let ends = (interval.low().and_then(|lo| self.at_x(lo)), interval.high().and_then(|hi| self.at_x(hi)));
        let (from, to) = (ends.0.unwrap_or(self.left), ends.1.unwrap_or(self.right));
        let mut path = format!("M{from:.1} {y:.1}H{to:.1}");
        path += &match ends.0 {
            Some(from) => format!("M{from:.1} {:.1}v10", y - 5.0),
            None => format!("M{:.1} {:.1}l-6 5l6 5", from + 6.0, y - 5.0),
        };
        path += &match ends.1 {
            Some(to) => format!("M{to:.1} {:.1}v10", y - 5.0),
            None => format!("M{:.1} {:.1}l6 5l-6 5", to - 6.0, y - 5.0),
        };
        self.bar(place, &path);
        self.point(place, dress(place).shape, x, y);
    }

    /// An interval at its x.
    fn standing(&mut self, place: usize, interval: &Interval, shift: f64) {
        let Some(x) = self.at_x(interval.at).map(|x| x + shift) else { return };
        let Some(y) = interval.value.filter(|value| value.is_finite()).and_then(|value| self.at_y(value)) else {
            return self.text(x, self.bottom - 6.0, Anchor::Middle, "pale", "–");
        };
        let ends = (interval.low().and_then(|lo| self.at_y(lo)), interval.high().and_then(|hi| self.at_y(hi)));
        let (low, high) = (ends.0.unwrap_or(self.bottom), ends.1.unwrap_or(self.top));
        let mut path = format!("M{x:.1} {low:.1}V{high:.1}");
        path += &match ends.0 {
            Some(low) => format!("M{:.1} {low:.1}h8", x - 4.0),
            None => format!("M{:.1} {:.1}l4 6l4 -6", x - 4.0, low - 6.0),
        };
        path += &match ends.1 {
            Some(high) => format!("M{:.1} {high:.1}h8", x - 4.0),
            None => format!("M{:.1} {:.1}l4 -6l4 6", x - 4.0, high + 6.0),
        };
        self.bar(place, &path);
        self.point(place, dress(place).shape, x, y);
    }

    fn bar(&mut self, place: usize, path: &str) {
        self.out += &format!("<path class=\"l{place}\" fill=\"none\" stroke-width=\"1.8\" d=\"{path}\"/>\n");
    }

    fn point(&mut self, place: usize, shape: Shape, x: f64, y: f64) {
        let filled = |path: String| format!("<path class=\"f{place}\" d=\"{path}\"/>\n");
        self.out += &match shape {
            Shape::Disc => format!("<circle class=\"f{place}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.8\"/>\n"),
            Shape::Triangle => filled(format!("M{x:.1} {:.1}l4.6 8.2h-9.2z", y - 5.2)),
            Shape::Square => filled(format!("M{:.1} {:.1}h7v7h-7z", x - 3.5, y - 3.5)),
            Shape::Diamond => filled(format!("M{x:.1} {:.1}l4.8 4.8l-4.8 4.8l-4.8 -4.8z", y - 4.8)),
            Shape::Ring => format!(
                "<circle class=\"l{place}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\" fill=\"none\" stroke-width=\"1.8\"/>\n"
            ),
            Shape::Cross => format!(
                "<path class=\"l{place}\" fill=\"none\" stroke-width=\"2\" d=\"M{:.1} {:.1}l7 7m0 -7l-7 7\"/>\n",
                x - 3.5,
                y - 3.5
            ),
        };
    }
}

/// The widest name of a row, in letters.
const ROW_NAME: usize = 44;

/// The outline of a rectangle and the stripes in it.
fn stripes(fill: Fill, (left, top): (f64, f64), (right, bottom): (f64, f64)) -> String {
    let mut path = format!("M{left:.1} {top:.1}H{right:.1}V{bottom:.1}H{left:.1}Z");
    let places =
        |from: f64, to: f64| (1..).map(move |step| from + f64::from(step) * 4.0).take_while(move |at| *at < to);
    match fill {
        Fill::Lying => path.extend(places(top, bottom).map(|y| format!("M{left:.1} {y:.1}H{right:.1}"))),
        Fill::Standing => path.extend(places(left, right).map(|x| format!("M{x:.1} {top:.1}V{bottom:.1}"))),
        Fill::Solid | Fill::Hollow => {}
    }
    path
}

/// What a screen reader reads.
fn description(figure: &Figure) -> String {
    let names: Vec<&str> =
        figure.series.iter().map(|series| series.name.as_str()).filter(|name| !name.is_empty()).collect();
    let marks: Vec<&str> =
        figure.marks.iter().map(|mark| mark.label.as_str()).filter(|label| !label.is_empty()).collect();
    let list =
        |what: &str, all: &[&str]| if all.is_empty() { String::new() } else { format!("{what}: {}.", all.join(", ")) };
    let axes = match figure.rows() {
        Some(rows) => format!("Across: {}. Rows: {}.", figure.x.label, rows.join(", ")),
        None => format!("Across: {}. Up: {}.", figure.x.label, figure.y.label),
    };
    let parts = [axes, list("Series", &names), list("Marks", &marks), figure.words()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn wide(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

/// A text of at most so many letters.
fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
