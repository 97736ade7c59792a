//! Numbers, lengths of time and tables, for people.

/// `1,234,567`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count and its noun: `1 seed`, `2 seeds`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A number that may have a fraction, at four significant digits when it does.
pub(crate) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(value.abs() as u64));
    }
    significant(value, 4)
}

/// So many significant digits, without zeros at the end.
fn significant(value: f64, digits: i32) -> String {
    if !value.is_finite() || value == 0.0 {
        return value.to_string();
    }
    let size = value.abs().log10().floor() as i32;
    let decimals = (digits - 1 - size).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `5.93 M`, to go before "events/s".
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        big if big >= 1e9 => format!("{} G", significant(big / 1e9, 3)),
        big if big >= 1e6 => format!("{} M", significant(big / 1e6, 3)),
        big if big >= 1e4 => format!("{} k", significant(big / 1e3, 3)),
        small => significant(small, 3),
    }
}

/// A share in percent: `99.95 %`.
pub(crate) fn percent(share: f64) -> String {
    // Never rounded up to all: 99.9996 % is not 100 %.
    let percent = (share * 1e6).floor() / 1e4;
    match percent {
        100.0 if share < 1.0 => "99.9999 %".to_owned(),
        // And never down to nothing.
        0.0 if share > 0.0 => format!("{:.2e} %", share * 100.0),
        _ => format!("{percent} %"),
    }
}

/// Nanoseconds in the unit that fits: `850 ns`, `1.5 ms`, `12.3 s`, `16m 40s`.
pub(crate) fn length(nanos: u64) -> String {
    let in_unit = |unit: f64, name: &str| format!("{} {name}", significant(nanos as f64 / unit, 4));
    match nanos {
        0 => "0 s".to_owned(),
        1..1_000 => in_unit(1.0, "ns"),
        1_000..1_000_000 => in_unit(1e3, "µs"),
        1_000_000..1_000_000_000 => in_unit(1e6, "ms"),
        1_000_000_000..120_000_000_000 => in_unit(1e9, "s"),
        _ => long(nanos.saturating_add(500_000_000) / 1_000_000_000),
    }
}

/// The two largest units of so many seconds.
fn long(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut words = Vec::new();
    for (name, size) in units.iter().skip(first).take(2) {
        words.push(format!("{}{name}", rest / size));
        rest %= size;
    }
    words.retain(|word| !word.starts_with('0'));
    words.join(" ")
}

/// Which edge the cells of a column keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// How wide a terminal is at least.
const WIDTH: usize = 80;

/// Rows in columns that line up, two blanks apart, indented by two. A last column that does not fit is broken between
/// words, unless it would be too narrow to read.
pub(crate) fn table(sides: &[Side], rows: &[Vec<String>]) -> String {
    const NARROW: usize = 24;
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| wide(cell)).max();
    let widths: Vec<usize> = (0..sides.len()).map(|column| width(column).unwrap_or_default()).collect();
    let before: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum::<usize>() + 2;
    let room = WIDTH.saturating_sub(before);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, ((cell, width), side)) in row.iter().zip(&widths).zip(sides).enumerate() {
            line.push_str("  ");
            let last = column + 1 == sides.len() && *side == Side::Left;
            if last && wide(cell) > room && room >= NARROW {
                line.push_str(&broken(cell, room).replace('\n', &format!("\n{:before$}", "")));
                continue;
            }
            let blanks = " ".repeat(width - wide(cell));
            line.push_str(&if *side == Side::Left { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn wide(text: &str) -> usize {
    text.chars().count()
}

/// Every line behind so many blanks, each with its newline.
pub(crate) fn indented(text: &str, blanks: usize) -> String {
    text.lines().map(|line| format!("{:blanks$}{line}\n", "")).collect()
}

/// Lines of at most 80 characters, broken between words.
pub(crate) fn wrapped(text: &str) -> String {
    broken(text, WIDTH)
}

/// Lines of at most 80 characters, the first of which begins so and the others with as many blanks.
pub(crate) fn hanging(begin: &str, text: &str) -> Vec<String> {
    let blanks = " ".repeat(wide(begin));
    let lines = broken(text, WIDTH - wide(begin));
    lines.lines().enumerate().map(|(nth, line)| format!("{}{line}", if nth == 0 { begin } else { &blanks })).collect()
}

/// Lines of at most so many characters, broken between words, or behind the slashes of one that is longer; what is
/// longer still has a line of its own.
pub(crate) fn broken(text: &str, width: usize) -> String {
    let (mut done, mut line) = (String::new(), String::new());
    let words = text.split_whitespace().flat_map(|word| {
        let slashes = if wide(word) > width { word.split_inclusive('/').collect() } else { vec![word] };
        let mut parts: Vec<String> = Vec::new();
        for part in slashes {
            match parts.last_mut() {
                Some(last) if wide(last) + wide(part) <= width => last.push_str(part),
                Some(_) | None => parts.push(part.to_owned()),
            }
        }
        parts
    });
    for word in words {
        let word = word.as_str();
        if !line.is_empty() && wide(&line) + 1 + wide(word) > width {
            done.push_str(&line);
            done.push('\n');
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    done + &line
}

/// Letters, digits and hyphens, for the name of a file.
pub(crate) fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let slug = words.collect::<Vec<_>>().join("-");
    if slug.is_empty() { "unnamed".to_owned() } else { cut(&slug, LONGEST).to_owned() }
}

/// The beginning of a text in whole characters and at most so many bytes.
fn cut(text: &str, bytes: usize) -> &str {
    let ends = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..ends.unwrap_or(0)]
}

/// Bytes of a slug: two of them, a seed and what tells cases of one name apart make less than 200, and file systems
/// take 255.
const LONGEST: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_rounded_for_reading() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([693.0, -4.0, 0.0693, 12345.678].map(number), ["693", "-4", "0.0693", "12346"]);
        assert_eq!([12.0, 9_999.0, 5_934_000.0].map(rate), ["12", "9999", "5.93 M"]);
        assert_eq!([1.0, 0.9995, 0.999_999_96].map(percent), ["100 %", "99.95 %", "99.9999 %"]);
        assert_eq!([0.0, 1.2e-6, 1.44e-8].map(percent), ["0 %", "0.0001 %", "1.44e-6 %"]);
    }

    #[test]
    fn lengths_take_the_unit_that_fits() {
        let lengths = [0, 850, 1_500_000, 12_300_000_000, 1_000_000_000_000, 3_600_000_000_000].map(length);
        assert_eq!(lengths, ["0 s", "850 ns", "1.5 ms", "12.3 s", "16m 40s", "1h"]);
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "23".to_owned()]];
        assert_eq!(table(&[Side::Left, Side::Right], &rows), "  a      1\n  long  23\n");
    }

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(slug("Charged at most once!"), "charged-at-most-once");
        assert_eq!(slug("…"), "unnamed");
        // Letters of one, two, three and four bytes.
        for letter in ["a", "я", "中", "𐐷"] {
            let slug = slug(&letter.repeat(300));
            assert!((77..=80).contains(&slug.len()) && slug.starts_with(letter), "{slug}");
        }
    }
}
