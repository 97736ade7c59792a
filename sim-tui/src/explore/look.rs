//! How things look: glyphs that mean the same without colour, and colours from the sixteen that every terminal has.
//!
//! Nothing here knows what is drawn. The background is never set, so that light and dark terminals both work, and whatever a
//! colour says is said by a glyph or a word too.

use ratatui::style::{Color, Modifier, Style};

/// What a terminal can show, and how somebody wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Which glyphs.
    pub letters: Letters,
    /// Which colours.
    pub theme: Theme,
}

/// Which glyphs are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Those of UTF-8.
    Utf8,
    /// Bytes below 0x80 only.
    Ascii,
}

/// Which colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// The sixteen colours of the terminal.
    Auto,
    /// None: bold, dim and reversed only.
    Mono,
    /// The bright ones of the sixteen, nothing dim.
    Contrast,
    /// The palette of Okabe and Ito, told apart by every kind of eye; needs a terminal with 24-bit colour.
    OkabeIto,
}

impl Theme {
    /// All of them, in the order in which a key goes through them.
    pub(crate) const ALL: [Theme; 4] = [Theme::Auto, Theme::Mono, Theme::Contrast, Theme::OkabeIto];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Mono => "mono",
            Theme::Contrast => "contrast",
            Theme::OkabeIto => "okabe-ito",
        }
    }

    /// The next one.
    pub(crate) fn next(self) -> Theme {
        let at = Theme::ALL.iter().position(|theme| *theme == self).unwrap_or_default();
        Theme::ALL[(at + 1) % Theme::ALL.len()]
    }
}

/// What a piece of the screen is, as far as its colour is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Anything.
    Plain,
    /// Of less weight.
    Dim,
    /// Of more weight.
    Strong,
    /// A heading.
    Title,
    /// A key that can be pressed.
    Key,
    /// On the way that led to what is selected.
    Cause,
    /// Something went wrong.
    Trouble,
    /// A property broke.
    Broken,
    /// All is well.
    Fine,
    /// A level or a count.
    Level,
    /// What the keys act on.
    Selected,
    /// A node that is down.
    Down,
}

impl Ink {
    #[cfg(test)]
    pub(crate) const ALL: [Ink; 12] = [
        Ink::Plain,
        Ink::Dim,
        Ink::Strong,
        Ink::Title,
        Ink::Key,
        Ink::Cause,
        Ink::Trouble,
        Ink::Broken,
        Ink::Fine,
        Ink::Level,
        Ink::Selected,
        Ink::Down,
    ];

    fn weight(self) -> Modifier {
        match self {
            Ink::Plain | Ink::Trouble | Ink::Fine | Ink::Level => Modifier::empty(),
            Ink::Dim => Modifier::DIM,
            Ink::Strong | Ink::Title | Ink::Key | Ink::Cause | Ink::Broken => Modifier::BOLD,
            Ink::Selected | Ink::Down => Modifier::REVERSED,
        }
    }

    fn hue(self) -> Option<Hue> {
        match self {
            Ink::Plain | Ink::Dim | Ink::Strong | Ink::Title | Ink::Cause | Ink::Selected | Ink::Down => None,
            Ink::Key | Ink::Level => Some(Hue::Cyan),
            Ink::Trouble => Some(Hue::Yellow),
            Ink::Broken => Some(Hue::Magenta),
            Ink::Fine => Some(Hue::Blue),
        }
    }
}

/// A colour by what it is for: right and wrong are told apart as blue and magenta, never as green and red.
#[derive(Clone, Copy)]
enum Hue {
    Cyan,
    Yellow,
    Magenta,
    Blue,
}

impl Look {
    /// Everything that a usual terminal shows.
    pub fn plain() -> Look {
        Look { letters: Letters::Utf8, theme: Theme::Auto }
    }

    /// The style of a piece of the screen.
    pub(crate) fn style(self, ink: Ink) -> Style {
        let weight = match (self.theme, ink.weight()) {
            (Theme::Contrast, Modifier::DIM) => Modifier::empty(),
            (_, weight) => weight,
        };
        let style = Style::new().add_modifier(weight);
        match ink.hue().and_then(|hue| self.colour(hue)) {
            Some(colour) => style.fg(colour),
            None => style,
        }
    }

    fn colour(self, hue: Hue) -> Option<Color> {
        match (self.theme, hue) {
            (Theme::Mono, _) => None,
            (Theme::Auto, Hue::Cyan) => Some(Color::Cyan),
            (Theme::Auto, Hue::Yellow) => Some(Color::Yellow),
            (Theme::Auto, Hue::Magenta) => Some(Color::Magenta),
            (Theme::Auto, Hue::Blue) => Some(Color::Blue),
            (Theme::Contrast, Hue::Cyan) => Some(Color::LightCyan),
            (Theme::Contrast, Hue::Yellow) => Some(Color::LightYellow),
            (Theme::Contrast, Hue::Magenta) => Some(Color::LightMagenta),
            (Theme::Contrast, Hue::Blue) => Some(Color::LightBlue),
            (Theme::OkabeIto, Hue::Cyan) => Some(Color::Rgb(86, 180, 233)),
            (Theme::OkabeIto, Hue::Yellow) => Some(Color::Rgb(230, 159, 0)),
            (Theme::OkabeIto, Hue::Magenta) => Some(Color::Rgb(204, 121, 167)),
            (Theme::OkabeIto, Hue::Blue) => Some(Color::Rgb(0, 114, 178)),
        }
    }

    /// A glyph as this terminal shows it.
    pub(crate) fn glyph(self, glyph: Glyph) -> &'static str {
        let (utf8, ascii) = glyph.forms();
        match self.letters {
            Letters::Utf8 => utf8,
            Letters::Ascii => ascii,
        }
    }

    /// How full something is, from nothing to all, in nine steps.
    pub(crate) fn level(self, part: u64, whole: u64) -> &'static str {
        const UTF8: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
        const ASCII: [&str; 9] = [" ", ".", ":", "-", "=", "+", "*", "%", "@"];
        // What is there at all is seen.
        let step = if whole == 0 { 0 } else { part.min(whole).saturating_mul(8).div_ceil(whole) as usize };
        match self.letters {
            Letters::Utf8 => UTF8[step],
            Letters::Ascii => ASCII[step],
        }
    }

    /// The text with every letter that is not ASCII written in ASCII, where only that can be shown.
    pub(crate) fn text(self, text: &str) -> String {
        match self.letters {
            Letters::Utf8 => text.to_owned(),
            Letters::Ascii => text.chars().map(plain).collect(),
        }
    }
}

/// The nearest that ASCII has.
fn plain(letter: char) -> &'static str {
    const ASCII: &str =
        " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
    match letter {
        'µ' => "u",
        '×' => "x",
        '·' => "-",
        '–' | '—' | '−' | '─' | '━' => "-",
        '…' => "...",
        '→' => "->",
        '←' => "<-",
        '↑' => "^",
        '↓' => "v",
        '│' => "|",
        '✓' => "+",
        '✗' | '╳' | '✕' => "x",
        '≤' => "<=",
        '≥' => ">=",
        '“' | '”' => "\"",
        '‘' | '’' => "'",
        '±' => "+-",
        '∞' => "inf",
        '●' => "o",
        '○' => "o",
        letter => ASCII.find(letter).map_or("?", |at| &ASCII[at..=at]),
    }
}

/// The signs, by what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glyph {
    /// An envelope leaves.
    Send,
    /// The shaft of an arrow.
    Shaft,
    /// The shaft of an arrow that is a cause.
    CauseShaft,
    /// It arrives, going right.
    Right,
    /// It arrives, going left.
    Left,
    /// It is on the way.
    Flight,
    /// It is lost or cut.
    Lost,
    /// A property broke.
    Broken,
    /// It holds.
    Holds,
    /// Not known yet.
    Open,
    /// Something happens on a node alone.
    Local,
    /// A node is up.
    Up,
    /// A node is down.
    Down,
    /// A node comes up again.
    Restart,
    /// The line of a node.
    Lane,
    /// The line of a node where a message passes.
    Crossing,
    /// A cut between nodes.
    Cut,
    /// Quiet time that is folded.
    Fold,
    /// The row or line that the keys act on.
    Cursor,
    /// Time that has not come.
    NotYet,
    /// Something went wrong.
    Trouble,
    /// Where the clock stands.
    Now,
    /// A fault.
    Fault,
    /// A second copy.
    Copy,
    /// From one thing to its cause.
    Because,
}

impl Glyph {
    #[cfg(test)]
    pub(crate) const ALL: [Glyph; 25] = [
        Glyph::Send,
        Glyph::Shaft,
        Glyph::CauseShaft,
        Glyph::Right,
        Glyph::Left,
        Glyph::Flight,
        Glyph::Lost,
        Glyph::Broken,
        Glyph::Holds,
        Glyph::Open,
        Glyph::Local,
        Glyph::Up,
        Glyph::Down,
        Glyph::Restart,
        Glyph::Lane,
        Glyph::Crossing,
        Glyph::Cut,
        Glyph::Fold,
        Glyph::Cursor,
        Glyph::NotYet,
        Glyph::Trouble,
        Glyph::Now,
        Glyph::Fault,
        Glyph::Copy,
        Glyph::Because,
    ];

    /// In UTF-8 and in ASCII; one column each.
    fn forms(self) -> (&'static str, &'static str) {
        match self {
            Glyph::Send => ("●", "o"),
            Glyph::Shaft => ("─", "-"),
            Glyph::CauseShaft => ("━", "="),
            Glyph::Right => ("▶", ">"),
            Glyph::Left => ("◀", "<"),
            Glyph::Flight => ("┆", ":"),
            Glyph::Lost => ("╳", "X"),
            Glyph::Broken => ("✗", "!"),
            Glyph::Holds => ("✓", "+"),
            Glyph::Open => ("…", "?"),
            Glyph::Local => ("◆", "*"),
            Glyph::Up => ("○", "o"),
            Glyph::Down => ("#", "#"),
            Glyph::Restart => ("↻", "^"),
            Glyph::Lane => ("│", "|"),
            Glyph::Crossing => ("┼", "+"),
            Glyph::Cut => ("═", "="),
            Glyph::Fold => ("┄", "."),
            Glyph::Cursor => ("▶", ">"),
            Glyph::NotYet => ("┈", "."),
            Glyph::Trouble => ("▲", "^"),
            Glyph::Now => ("┃", "|"),
            Glyph::Fault => ("▼", "v"),
            Glyph::Copy => ("◎", "O"),
            Glyph::Because => ("←", "<"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKS: [Look; 2] =
        [Look { letters: Letters::Utf8, theme: Theme::Auto }, Look { letters: Letters::Ascii, theme: Theme::Mono }];

    #[test]
    fn every_glyph_is_one_column_and_the_ascii_form_is_ascii() {
        use ratatui::text::Span;
        for glyph in Glyph::ALL {
            let (utf8, ascii) = glyph.forms();
            assert_eq!((Span::raw(utf8).width(), Span::raw(ascii).width()), (1, 1), "{glyph:?}");
            assert!(ascii.is_ascii(), "{glyph:?}");
        }
        for step in 0..=8 {
            assert_eq!(Span::raw(LOOKS[0].level(step, 8)).width(), 1);
            assert!(LOOKS[1].level(step, 8).is_ascii());
        }
    }

    /// What can stand at the same place of a screen must differ there, in both sets, without colour.
    #[test]
    fn states_that_can_stand_at_the_same_place_are_told_apart_without_colour() {
        let places: &[&[Glyph]] = &[
            &[Glyph::Up, Glyph::Down, Glyph::Trouble, Glyph::Broken, Glyph::Lost],
            &[Glyph::Holds, Glyph::Broken, Glyph::Open],
            &[
                Glyph::Send,
                Glyph::Right,
                Glyph::Left,
                Glyph::Lost,
                Glyph::Local,
                Glyph::Lane,
                Glyph::Down,
                Glyph::Restart,
            ],
            &[Glyph::Shaft, Glyph::CauseShaft, Glyph::Flight, Glyph::Lost, Glyph::Fold],
            &[Glyph::Broken, Glyph::Trouble, Glyph::Down, Glyph::NotYet],
        ];
        for look in LOOKS {
            for place in places {
                let shown: std::collections::BTreeSet<_> = place.iter().map(|glyph| look.glyph(*glyph)).collect();
                assert_eq!(shown.len(), place.len(), "{place:?} in {:?}", look.letters);
            }
        }
    }

    #[test]
    fn no_theme_sets_a_background_or_writes_in_black_white_or_grey() {
        let banned = [Color::Black, Color::White, Color::Gray, Color::DarkGray];
        for theme in Theme::ALL {
            for ink in Ink::ALL {
                let style = Look { letters: Letters::Utf8, theme }.style(ink);
                assert_eq!(style.bg, None, "{theme:?} {ink:?}");
                assert!(style.fg.is_none_or(|colour| !banned.contains(&colour)), "{theme:?} {ink:?}");
            }
        }
    }

    #[test]
    fn without_colours_weight_remains() {
        let mono = Look { letters: Letters::Utf8, theme: Theme::Mono };
        assert!(Ink::ALL.iter().all(|ink| mono.style(*ink).fg.is_none()));
        assert!(mono.style(Ink::Selected).add_modifier.contains(Modifier::REVERSED));
        assert!(mono.style(Ink::Broken).add_modifier.contains(Modifier::BOLD));
    }

    #[test]
    fn what_is_there_at_all_is_seen() {
        let [utf8, ascii] = LOOKS;
        assert_eq!((utf8.level(0, 1000), utf8.level(1, 1000), utf8.level(1000, 1000)), (" ", "▁", "█"));
        assert_eq!((ascii.level(0, 0), ascii.level(5, 5)), (" ", "@"));
    }

    #[test]
    fn texts_become_ascii() {
        assert_eq!(LOOKS[1].text("1.5 µs → 95 % … ✓"), "1.5 us -> 95 % ... +");
    }
}
