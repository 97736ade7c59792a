//! The words of an expression, each with its place.

use sim_core::DurationError;

use super::block::{Length, Share, Spread};
use super::error::AvailError;
use super::life::Shape;
use super::up::Availability;
use crate::problem::Span;

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// `(`, `)`, `,`, `*`, `|`, `^`
    Sign(char),
    /// A name, a number, or what is said of a component.
    Text(String),
    /// Nothing comes any more.
    End,
}

const SIGNS: [char; 6] = ['(', ')', ',', '*', '|', '^'];

/// What people write in its place, and what would be right.
const HINTS: [(char, &str); 6] = [
    ('&', "blocks in series are written a * b"),
    ('+', "blocks in parallel are written a | b"),
    ('×', "blocks in series are written a * b"),
    ('[', "a group is written 2of3(a, b, c)"),
    ('{', "a group is written 2of3(a, b, c)"),
    (';', "a component is written mtbf=720h/mttr=1h"),
];

fn is_of_text(c: char) -> bool {
    c.is_alphanumeric() || "_.-%=/#:µ".contains(c)
}

/// All words of the text, the last one being [`Word::End`].
pub(super) fn words(text: &str) -> Result<Vec<(Word, Span)>, AvailError> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = match first {
            _ if first.is_whitespace() || SIGNS.contains(&first) => first.len_utf8(),
            _ if is_of_text(first) => rest.find(|c| !is_of_text(c)).unwrap_or(rest.len()),
            _ => return Err(stray(first, Span::new(at, at + first.len_utf8()))),
        };
        let span = Span::new(at, at + length);
        at += length;
        match first {
            _ if SIGNS.contains(&first) => words.push((Word::Sign(first), span)),
            _ if first.is_whitespace() => {}
            _ => words.push((Word::Text(rest[..length].to_owned()), span)),
        }
    }
    words.push((Word::End, Span::new(text.len(), text.len())));
    Ok(words)
}

fn stray(first: char, span: Span) -> AvailError {
    let hint = HINTS.iter().find(|(wrong, _)| *wrong == first);
    let hint = hint.map_or("it has no meaning here", |(_, hint)| hint);
    AvailError::new(span, format!("unexpected {first}: {hint}"))
}

/// Whether a text can name a block: a letter, then letters, digits and `_`, and `-` or `.` when a letter or digit
/// follows.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    let joined = |c: char| c == '-' || c == '.';
    let chars: Vec<char> = text.chars().collect();
    let inside =
        |at: usize| plain(chars[at]) || joined(chars[at]) && chars.get(at + 1).is_some_and(|c| c.is_alphanumeric());
    chars.first().is_some_and(|first| first.is_alphabetic()) && (1..chars.len()).all(inside)
}

/// A share between nothing and all: `99.9%`, `999/1000`, `0.999`, `1`. What is missing to all is worked out from the
/// digits, so that no nine is lost.
pub(super) fn share(text: &str, span: Span) -> Result<Share, AvailError> {
    let no_share = || {
        let hint = if text.bytes().all(|b| b.is_ascii_digit()) { format!("; is it {text}%?") } else { String::new() };
        AvailError::new(span, format!("\"{text}\" is no share; write 99.9%, 0.999 or 999/1000{hint}"))
    };
    if text.starts_with('-') {
        return Err(AvailError::new(span, format!("{text} is below nothing; a share is between 0% and 100%")));
    }
    let (part, whole) = match (text.strip_suffix('%'), text.split_once('/')) {
        (Some(percent), _) => decimal(percent).and_then(|(part, whole)| Some((part, whole.checked_mul(100)?))),
        (None, Some((part, whole))) => digits(part).zip(digits(whole)),
        (None, None) => decimal(text),
    }
    .filter(|(_, whole)| *whole > 0)
    .ok_or_else(no_share)?;
    let is_plain = text.bytes().all(|b| b.is_ascii_digit());
    if is_plain && part > whole {
        return Err(no_share());
    }
    let down = whole.checked_sub(part);
    let down =
        down.ok_or_else(|| AvailError::new(span, format!("{text} is above 100%; nothing is up more than always")))?;
    let value = Availability { up: part as f64 / whole as f64, down: down as f64 / whole as f64 };
    Ok(Share { text: text.to_owned(), value })
}

/// A share as it is written, with three digits of what is missing to all, or of what there is, whichever is less.
pub(super) fn percent(of: Availability) -> String {
    let least = of.up.min(of.down);
    if least <= 0.0 {
        return if of.down <= 0.0 { "100%".to_owned() } else { "0%".to_owned() };
    }
    let decimals = (2.0 - libm::floor(libm::log10(least * 100.0))).clamp(0.0, 20.0) as u32;
    let scale = 10u128.pow(decimals);
    let small = libm::round(least * 100.0 * scale as f64) as u128;
    let number = if of.up <= of.down { small } else { (100 * scale).saturating_sub(small) };
    let text = format!("{}.{:0width$}", number / scale, number % scale, width = decimals as usize);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

fn digits(text: &str) -> Option<u128> {
    (!text.is_empty() && text.len() <= 30 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// The decimal `12.34` as 1234 of 100.
fn decimal(text: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some((digits(whole)?.checked_mul(scale)?.checked_add(digits(fraction)?)?, scale))
}

/// A length of time: what [`sim_core::Duration`] reads, and weeks and years, `2w`, `1.5y`.
pub(super) fn length(text: &str, span: Span) -> Result<Length, AvailError> {
    let wrong = |message: String| AvailError::new(span, message);
    if text.starts_with('-') {
        return Err(wrong(format!("{text} is less than no time; a length is not negative")));
    }
    let days = text.strip_suffix('y').map(|years| (years, 365.0)).or_else(|| Some((text.strip_suffix('w')?, 7.0)));
    let (plain, times) = match days {
        Some((number, days)) => (format!("{number}d"), days),
        None => (text.to_owned(), 1.0),
    };
    let read = plain.parse::<sim_core::Duration>().map_err(|error| match days {
        Some((number, _)) if number.parse::<f64>().is_ok_and(f64::is_finite) => {
            wrong(format!("{text} is longer than can be counted; write at most 200000y or 200000w"))
        }
        Some(_) => wrong(format!("\"{text}\" is no length; write a number and a unit, such as 720h, 30d or 2y")),
        // There are more here than elsewhere.
        None if matches!(error, DurationError::NoUnit(_)) => wrong(format!("{error}, w, y")),
        None => wrong(format!("{error}")),
    })?;
    Ok(Length { text: text.to_owned(), seconds: read.as_secs_f64() * times })
}

/// A law of lengths: `exponential`, `fixed`, `weibull:0.7`, `lognormal:1.5`, or lengths that were observed,
/// `10m:30m:4h`.
pub(super) fn spread(text: &str, span: Span) -> Result<Spread, AvailError> {
    let wrong = || {
        let known = "exponential, fixed, weibull:0.7, lognormal:1.5, or lengths that were observed, such as 10m:30m:4h";
        AvailError::new(span, format!("\"{text}\" is no law of lengths; there is {known}"))
    };
    // Beyond these, a mean is no use any more.
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| (0.1..=10.0).contains(number));
    let shape = match (text, text.split_once(':')) {
        ("exponential", _) => Shape::Exponential,
        ("fixed", _) => Shape::Fixed,
        (_, Some(("weibull", shape))) => Shape::Weibull(number(shape).ok_or_else(wrong)?),
        (_, Some(("lognormal", sigma))) => Shape::LogNormal(number(sigma).ok_or_else(wrong)?),
        (_, Some(_)) => {
            let seconds = |text: &str| length(text, span).map(|length| length.seconds).map_err(|_| wrong());
            let mut lengths = text.split(':').map(seconds).collect::<Result<Vec<f64>, AvailError>>()?;
            lengths.sort_by(f64::total_cmp);
            Shape::Observed(lengths)
        }
        (_, None) => return Err(wrong()),
    };
    Ok(Spread { text: text.to_owned(), shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(text: &str) -> f64 {
        share(text, Span::default()).unwrap().value.down
    }

    #[test]
    fn shares_lose_no_nine() {
        assert_eq!(
            [down("99.95%"), down("999/1000"), down("0.999"), down("1"), down("0")],
            [5e-4, 1e-3, 1e-3, 0.0, 1.0]
        );
        assert_eq!(down("99.9999999999999999%"), 1e-18);
        assert_eq!(down("100%").to_bits(), 0);
    }

    #[test]
    fn a_share_is_written_so_that_it_reads_back() {
        let written = |down: f64| percent(Availability::of_down(down).unwrap());
        assert_eq!(
            [written(0.0), written(1.0), written(5e-5), written(5e-10), written(0.95), written(1.0 / 3.0)],
            ["100%", "0%", "99.995%", "99.99999995%", "5%", "66.7%"]
        );
        assert!((down(&written(2.5e-7)) / 2.5e-7 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_share_says_what_would_be() {
        let told = |text: &str| share(text, Span::default()).unwrap_err().message;
        assert_eq!(told("101%"), "101% is above 100%; nothing is up more than always");
        assert_eq!(told("1.2"), "1.2 is above 100%; nothing is up more than always");
        assert_eq!(told("99"), "\"99\" is no share; write 99.9%, 0.999 or 999/1000; is it 99%?");
        assert_eq!(told("-1%"), "-1% is below nothing; a share is between 0% and 100%");
        for text in ["", "%", "1/0", ".5", "1.", "9x%", "1e-3"] {
            assert!(told(text).contains("is no share"), "{text}");
        }
    }

    #[test]
    fn lengths_have_weeks_and_years_too() {
        let told = length("1", Span::default()).unwrap_err().message;
        assert_eq!(told, "1 has no unit; write \"1ms\" or another of ns, us, ms, s, m, h, d, w, y");
        let seconds = |text: &str| length(text, Span::default()).map(|length| length.seconds);
        assert_eq!(seconds("1.5y"), Ok(1.5 * 365.0 * 86_400.0));
        assert_eq!(seconds("2w"), Ok(14.0 * 86_400.0));
        assert_eq!(seconds("90s"), Ok(90.0));
        assert!(seconds("-1h").unwrap_err().message.contains("not negative"));
        assert!(seconds("12").unwrap_err().message.contains("has no unit"));
        assert!(seconds("600000000y").unwrap_err().message.contains("at most 200000y"));
        assert!(seconds("200000y").is_ok());
        assert!(seconds("xy").unwrap_err().message.contains("is no length"));
    }
}
