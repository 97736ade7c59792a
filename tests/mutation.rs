//! Makes another text of one, by a key: the same key always makes the same, so that what a test tries is what it tried yesterday.
//!
//! It cuts, doubles and exchanges words and numbers; where the text is JSON it mostly stays JSON, so that what comes gets past
//! the first reader and meets those behind it.

use serde_json::Value;
use sim_core::seed::mix;

/// What stands at the edge of something.
const EXTREME: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1e308",
    "1e400",
    "0.5",
    "0s",
    "1ns",
    "213503d",
    "584y",
    "100%",
    "0%",
    "1/3",
    "0/s",
    "1000000000/s",
    "1/d",
    "x0",
    "x1000000",
    "forever",
    "null",
    "*",
    "a->b",
    "~1ns",
    "..",
    "1s..1s",
    "0s..213503d",
    "every 1ns",
    "for 0s",
    "#0",
    "#18446744073709551615",
    "$try",
    "${x}",
    "=",
    "é",
    "\u{0}",
    "\u{feff}",
    "",
];

/// Draws by a key.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = mix(self.0, 0x6d75_7461_7465);
        (self.0 % end.max(1) as u64) as usize
    }

    fn one<'a>(&mut self, words: &'a [String]) -> &'a str {
        match self.below(3) {
            0 => EXTREME[self.below(EXTREME.len())],
            _ => words.get(self.below(words.len())).map_or("", String::as_str),
        }
    }
}

/// The text with one to four changes.
pub fn mutated(text: &str, words: &[String], key: u64) -> String {
    let mut dice = Dice(key);
    let mut changed = text.to_owned();
    if dice.below(8) > 0
        && let Ok(mut json) = serde_json::from_str::<Value>(text)
        && (json.is_object() || json.is_array())
    {
        for _ in 0..=dice.below(3) {
            in_json(&mut json, words, &mut dice);
        }
        return format!("{json:#}");
    }
    for _ in 0..=dice.below(4) {
        changed = in_text(&changed, words, &mut dice);
    }
    changed
}

fn in_text(text: &str, words: &[String], dice: &mut Dice) -> String {
    let mut parts = parts(text);
    let at = dice.below(parts.len() + 1);
    let other = dice.below(parts.len() + 1);
    let (from, to) = (at.min(other), at.max(other));
    match dice.below(8) {
        0 => _ = parts.drain(from..to.min(from + 6)),
        1 => {
            let copy: Vec<&str> = parts[from..to.min(from + 12)].to_vec();
            parts.splice(at..at, copy);
        }
        2 if from < to && to < parts.len() => parts.swap(from, to),
        3 => parts.insert(at, dice.one(words)),
        4 => parts.insert(at, " "),
        _ if at < parts.len() => parts[at] = dice.one(words),
        _ => parts.push(dice.one(words)),
    }
    parts.concat()
}

/// Words, numbers, and each other character by itself.
fn parts(text: &str) -> Vec<&str> {
    let kind = |c: char| {
        if c.is_ascii_digit() {
            0
        } else if c.is_alphabetic() {
            1
        } else {
            2
        }
    };
    let (mut parts, mut from) = (Vec::new(), 0);
    for (at, c) in text.char_indices().skip(1) {
        let before = text[from..].chars().next().expect("there is one before");
        if kind(before) != kind(c) || kind(c) == 2 {
            parts.push(&text[from..at]);
            from = at;
        }
    }
    parts.push(&text[from..]);
    parts
}

fn in_json(json: &mut Value, words: &[String], dice: &mut Dice) {
    let places = count(json);
    let (from, to) = (dice.below(places), dice.below(places));
    let other = nth(json, &mut { to }).cloned().unwrap_or_default();
    let Some(here) = nth_mut(json, &mut { from }) else { return };
    match (dice.below(6), here) {
        (0, here) => *here = other,
        (1, Value::Array(items)) if !items.is_empty() => _ = items.remove(dice.below(items.len())),
        (1, Value::Object(members)) if !members.is_empty() => {
            let key = members.keys().nth(dice.below(members.len())).cloned().unwrap_or_default();
            members.shift_remove(&key);
        }
        (2, Value::Array(items)) => items.insert(dice.below(items.len() + 1), other),
        (2, Value::Object(members)) => _ = members.insert(dice.one(words).to_owned(), other),
        (3, Value::String(text)) => *text = dice.one(words).to_owned(),
        (_, Value::String(text)) => *text = in_text(text, words, dice),
        (4, here @ (Value::Array(_) | Value::Object(_))) => *here = leaf(words, dice),
        (_, Value::Array(_) | Value::Object(_)) => {}
        (_, here) => *here = leaf(words, dice),
    }
}

fn leaf(words: &[String], dice: &mut Dice) -> Value {
    let word = dice.one(words);
    serde_json::from_str(word).unwrap_or_else(|_| Value::from(word))
}

fn inside(json: &Value) -> Vec<&Value> {
    match json {
        Value::Array(items) => items.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

fn count(json: &Value) -> usize {
    1 + inside(json).into_iter().map(count).sum::<usize>()
}

/// The value that many places on from the root.
fn nth<'a>(json: &'a Value, left: &mut usize) -> Option<&'a Value> {
    if *left == 0 {
        return Some(json);
    }
    *left -= 1;
    inside(json).into_iter().find_map(|inner| nth(inner, left))
}

fn nth_mut<'a>(json: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(json);
    }
    *left -= 1;
    match json {
        Value::Array(items) => items.iter_mut().find_map(|inner| nth_mut(inner, left)),
        Value::Object(members) => members.values_mut().find_map(|inner| nth_mut(inner, left)),
        _ => None,
    }
}
