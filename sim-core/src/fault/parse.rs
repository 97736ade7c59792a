//! Reads a fault word by word, so that a mistake is told where it stands and with what would be right.
//!
//! Words come first: a text falls into names, numbers, signs and junk without error. Each rule then takes the words it
//! knows, and a word that no rule wants is the mistake.

use std::num::NonZeroU64;
use std::str::FromStr;

use super::table::Grammar;
use super::{
    BUGGIFY, ClockError, Decision, Disk, DiskIll, Fault, FaultError, FaultErrorKind, Flight, Full, Groups, Jam,
    LinkName, LinkPattern, Nodes, Nth, OperationName, Pace, Passages, Ruling, Side, Sides, Stands, Target, Timed,
    Trigger, VERBS, Value, Verb, VerbEntry, When,
};
use crate::odds::End;
use crate::pattern::{Label, Name, NameError, NameRange, Pattern, name_length, nearest};
use crate::ratio::{Ratio, RatioError};
use crate::time::{Duration, DurationError, Instant};

type Read<T> = Result<T, FaultError>;

/// A piece of the text and the byte where it begins.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
    shape: Shape,
}

/// What a word can be, as far as its characters tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A name, a pattern or a word of the grammar.
    Name,
    /// Begins with a digit: a duration, a ratio.
    Number,
    /// A number behind `+`, `-`, `~` or `#`.
    Marked,
    /// `->`, `<->`, `..` or `|`.
    Sign,
    /// What no rule wants.
    Junk,
    /// Nothing more.
    End,
}

/// Words that follow the nodes of some verb: behind a node that is called `zone` they name no zone.
const FOLLOWERS: [&str; 20] = [
    "first",
    "last",
    "ends",
    "step",
    "leap",
    "smear",
    "drift",
    "freeze",
    "strobe",
    "discipline",
    "fsync-fails",
    "fsync-lies",
    "slow",
    "stall",
    "torn-write",
    "bit-rot",
    "misdirected",
    "full",
    "read-error",
    "of",
];

const SIGNS: [&str; 4] = ["<->", "->", "..", "|"];

/// The words that may follow a complete verb, to suggest when something else does.
const CLAUSES: [&str; 8] = ["after", "at", "before", "cutting", "every", "for", "swapping", "wiping"];

/// Cuts a text into words; every character but blanks is part of one.
fn words(text: &str) -> impl Iterator<Item = Word<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text[at..].len() - text[at..].trim_start().len();
        let rest = &text[at..];
        let (shape, length) = first_word(rest)?;
        let word = Word { text: &rest[..length], at, shape };
        at += length;
        Some(word)
    })
}

/// The shape and length in bytes of the word at the start of the text; `None` when there is no text.
fn first_word(text: &str) -> Option<(Shape, usize)> {
    let first = text.chars().next()?;
    if let Some(sign) = SIGNS.iter().find(|sign| text.starts_with(**sign)) {
        return Some((Shape::Sign, sign.len()));
    }
    Some(match first {
        '0'..='9' => (Shape::Number, number_length(text)),
        '+' | '~' | '#' => (Shape::Marked, 1 + number_length(&text[1..])),
        '-' if text[1..].starts_with(|c: char| c.is_ascii_digit()) => (Shape::Marked, 1 + number_length(&text[1..])),
        _ => match name_length(text) {
            0 => (Shape::Junk, text.find(char::is_whitespace).unwrap_or(text.len())),
            length => (Shape::Name, length),
        },
    })
}

/// The bytes that belong to a number and its unit; two points end it.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let goes_on = |at: &usize| match bytes[*at] {
        b'.' => bytes.get(at + 1) != Some(&b'.'),
        b'%' | b'/' | b'_' => true,
        byte => byte.is_ascii_alphanumeric(),
    };
    (0..bytes.len()).find(|at| !goes_on(at)).unwrap_or(bytes.len())
}

/// Where a printed fault mentions a node: the byte and the word, or the range that includes it.
pub(super) fn place_of<'a>(text: &'a str, node: &str) -> (usize, &'a str) {
    let all: Vec<Word<'a>> = words(text).collect();
    let verb = all.iter().position(|word| word.shape == Shape::Name).unwrap_or(0);
    let after = all.get(verb + 1..).unwrap_or_default();
    if let Some(word) = after.iter().find(|word| word.text == node) {
        return (word.at, word.text);
    }
    let range = after.windows(3).find(|three| three[1].text == "..");
    range.map_or((0, text), |three| (three[0].at, &text[three[0].at..three[2].at + three[2].text.len()]))
}

/// The words of one text, and how far they are read.
pub(super) struct Parser<'a> {
    text: &'a str,
    words: Vec<Word<'a>>,
    next: usize,
    /// The verb that is being read, whose example goes with every complaint.
    verb: Option<&'static VerbEntry>,
}

impl<'a> Parser<'a> {
    /// Reads a whole text by one rule.
    fn whole<T>(text: &'a str, rule: impl FnOnce(&mut Parser<'a>) -> Read<T>) -> Read<T> {
        let mut parser = Parser { text, words: words(text).collect(), next: 0, verb: None };
        let value = rule(&mut parser)?;
        parser.end()?;
        Ok(value)
    }

    // ── The line ──

    fn fault(&mut self) -> Read<Fault> {
        let first = self.peek();
        if first.shape == Shape::End {
            return Err(self.wrong(first, "there is no fault here").advise("write one, such as \"3s..8s crash db\""));
        }
        let when = self.when()?;
        let entry = self.entry()?;
        match entry.grammar {
            Grammar::Holds(rule) => self.timed(when, rule).map(Fault::Timed),
            Grammar::Decides(_) if when != When::Always => Err(self.decision_has_no_time(first, entry)),
            Grammar::Decides(rule) => self.decided(rule).map(Fault::Decision),
            Grammar::Clause => Err(self.no_verb(self.before())),
        }
    }

    /// The row of the verb that comes now, which must be there and known.
    fn entry(&mut self) -> Read<&'static VerbEntry> {
        let word = self.peek();
        let entry = VERBS.iter().find(|entry| entry.name == word.text);
        let entry = entry.ok_or_else(|| self.no_verb(word))?;
        self.take();
        self.verb = Some(entry);
        Ok(entry)
    }

    fn no_verb(&self, word: Word<'a>) -> FaultError {
        let names = VERBS.iter().map(|entry| entry.name);
        let faults = format!("faults are {}", names.clone().collect::<Vec<_>>().join(", "));
        if word.shape == Shape::End {
            return self.wrong(word, "a fault is missing after the time").advise(faults);
        }
        let error = self.wrong(word, format!("\"{}\" is not a fault", word.text));
        match nearest(word.text, names) {
            Some(name) => error.suggest(Some(name.to_owned())),
            None => error.advise(faults),
        }
    }

    fn verb(&mut self) -> Read<Verb> {
        match self.entry()?.grammar {
            Grammar::Holds(rule) => rule(self),
            Grammar::Decides(_) => Err(self.wrong(self.before(), "a decision stands where a fault that holds should")),
            Grammar::Clause => Err(self.no_verb(self.before())),
        }
    }

    fn decision(&mut self) -> Read<Decision> {
        match self.entry()?.grammar {
            Grammar::Decides(rule) => rule(self),
            Grammar::Holds(_) => Err(self.wrong(self.before(), "a fault that holds stands where a decision should")),
            Grammar::Clause => Err(self.no_verb(self.before())),
        }
    }

    // ── Times ──

    fn when(&mut self) -> Read<When> {
        if self.peek().text == ".." {
            let message = "an interval needs a beginning";
            return Err(self.wrong(self.peek(), message).advise("write \"0s..\" for the start of the run"));
        }
        if self.peek().shape != Shape::Number {
            return Ok(When::Always);
        }
        let first = self.take();
        let from = self.instant(first)?;
        if !self.accept("..") {
            return Ok(When::At(from));
        }
        if self.peek().shape != Shape::Number {
            return Ok(When::From(from));
        }
        let last = self.take();
        let to = self.instant(last)?;
        if to < from { Err(self.reversed(first, last)) } else { Ok(When::Between(from, to)) }
    }

    fn reversed(&self, first: Word<'a>, last: Word<'a>) -> FaultError {
        let interval = Word { text: &self.text[first.at..last.at + last.text.len()], ..first };
        let message = format!("\"{}\" ends before it begins", interval.text);
        self.wrong(interval, message).suggest(Some(format!("{}..{}", last.text, first.text)))
    }

    fn instant(&self, word: Word<'a>) -> Read<Instant> {
        word.text.parse().map_err(|error| self.no_duration(word, &error))
    }

    /// A length of time.
    pub(super) fn length(&mut self) -> Read<Duration> {
        if self.peek().shape != Shape::Number {
            return Err(self.wanted("a length such as 250ms"));
        }
        let word = self.take();
        word.text.parse().map_err(|error| self.no_duration(word, &error))
    }

    /// The length behind the sign of a word such as `+200ms` or `~5m`.
    fn marked_length(&mut self) -> Read<Duration> {
        let word = self.take();
        word.text[1..].parse().map_err(|error| self.no_duration(word, &error))
    }

    fn no_duration(&self, word: Word<'a>, error: &DurationError) -> FaultError {
        self.wrong(word, error.to_string())
    }

    fn pace(&mut self) -> Read<Pace> {
        if self.peek_mark('~') { self.marked_length().map(Pace::About) } else { self.length().map(Pace::Exactly) }
    }

    // ── What holds ──

    fn timed(&mut self, when: When, rule: fn(&mut Parser<'_>) -> Read<Verb>) -> Read<Timed> {
        let verb = rule(self)?;
        let trigger = self.trigger(when, &verb)?;
        let (mut every, mut length) = (None, None);
        loop {
            match self.peek().text {
                "every" => self.clause(&mut every)?,
                "for" => self.clause(&mut length)?,
                _ => break,
            }
        }
        self.end()?;
        if verb.is_paced() {
            self.check_pace(every, length)?;
        } else if !(verb.is_momentary() && every.is_none()) {
            self.check_lengths(when, every, length)?;
        }
        if verb.needs_an_end() && length.is_none() && when.end().is_none() {
            let message = "a smear is spread over a time that must have an end";
            return Err(self.wrong(self.words[0], message).advise("write \"1s..9s\", or add a length, \"for 10s\""));
        }
        if matches!(verb, Verb::Swizzle { .. }) && length.is_none() && when.end().is_none() {
            let message = "swizzle has two halves, and so needs an end";
            return Err(self.wrong(self.words[0], message).advise("write \"10s..30s swizzle db*\""));
        }
        Ok(Timed { when, verb, trigger, every: every.map(|(_, pace)| pace), length: length.map(|(_, pace)| pace) })
    }

    /// `before STEP`, `after STEP` or `at MARK`, and which passages: `#2 #5`, or a share.
    fn trigger(&mut self, when: When, verb: &Verb) -> Read<Option<Trigger>> {
        let word = self.peek();
        let side = match word.text {
            "before" => Side::Before,
            "after" => Side::After,
            "at" => Side::At,
            _ => return Ok(None),
        };
        self.take();
        if let When::At(from) = when {
            let message = format!("\"{from}\" is one instant, and \"{}\" waits for another", word.text);
            return Err(self.wrong(self.words[0], message).advise(format!("write \"{from}..\" in its place")));
        }
        if verb.is_paced() || matches!(verb, Verb::Swizzle { .. } | Verb::Scale { .. }) {
            let message = format!("it begins by the clock, and has no \"{}\"", word.text);
            return Err(self.wrong(word, message).advise("write an instant before it"));
        }
        if let Some(Target::One(_) | Target::Minority(_) | Target::OneZone) = verb.target() {
            let message = format!("\"{}\" strikes the node that comes there, and nobody is drawn", word.text);
            return Err(self.wrong(word, message).advise("name the nodes, or each of them"));
        }
        let step = self.label("a step such as place.publish")?;
        Ok(Some(Trigger { side, step, passages: self.passages()? }))
    }

    fn passages(&mut self) -> Read<Passages> {
        if self.peek().shape == Shape::Number {
            return self.ratio().map(Passages::Share);
        }
        let mut all = Vec::new();
        while self.peek_mark('#') {
            all.push(self.ordinal()?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(if all.is_empty() { Passages::Every } else { Passages::Nth(all) })
    }

    /// A verb that goes from one group of nodes to the next lasts with none of them, at a pace that is not drawn.
    fn check_pace(&self, every: Option<(Word<'a>, Pace)>, length: Option<(Word<'a>, Pace)>) -> Read<()> {
        let name = self.verb.map_or("it", |entry| entry.name);
        match (every, length) {
            (_, Some((word, _))) => {
                let message = format!("a {name} lasts as long as it takes, and has no \"for\"");
                Err(self.wrong(word, message).advise("leave it out"))
            }
            (Some((word, pace @ Pace::About(length))), None) => {
                let message = format!("the pace of a {name} is not drawn, and \"every {pace}\" is");
                Err(self.wrong(word, message).advise(format!("write \"every {length}\"")))
            }
            (Some((_, Pace::Exactly(_))) | None, None) => Ok(()),
        }
    }

    /// Reads `every` or `for`, which stands once.
    fn clause(&mut self, slot: &mut Option<(Word<'a>, Pace)>) -> Read<()> {
        let word = self.take();
        if slot.is_some() {
            return Err(self.wrong(word, format!("\"{}\" stands twice", word.text)).advise("keep one of them"));
        }
        *slot = Some((word, self.pace()?));
        Ok(())
    }

    /// A verb that holds must say until when, and one that comes again how long each time is.
    fn check_lengths(&self, when: When, every: Option<(Word<'a>, Pace)>, length: Option<(Word<'a>, Pace)>) -> Read<()> {
        let name = self.verb.map_or("it", |entry| entry.name);
        let first = self.words[0];
        match (when, every) {
            (_, Some((word, pace))) if pace.is_zero() => {
                let message = format!("\"every {pace}\" leaves no time in between");
                Err(self.wrong(word, message).advise("write a length above zero"))
            }
            (When::At(from), Some((word, _))) => {
                let message = format!("\"{from}\" is one instant, and \"every\" needs many");
                Err(self.wrong(word, message).advise(format!("write \"{from}..\" in its place")))
            }
            (_, Some((word, pace))) if length.is_none() => {
                let message = format!("\"every {pace}\" does not say how long each {name} lasts");
                Err(self.wrong(word, message).advise(format!("write \"every {pace} for 10s\"")))
            }
            (When::At(from), None) if length.is_none() => {
                let message = format!("{name} lasts, and \"{from}\" is an instant");
                let advice = format!("write \"{from}..\" for ever, or add a length, \"for 10s\"");
                Err(self.wrong(first, message).advise(advice))
            }
            _ => Ok(()),
        }
    }

    /// `partition A B | C D [cutting flight]`, and the shapes of which only the nodes are named.
    pub(super) fn partition(&mut self) -> Read<Verb> {
        Ok(Verb::Partition { sides: self.sides()?, flight: self.flight()? })
    }

    fn sides(&mut self) -> Read<Sides> {
        // With a sign between groups all words are nodes, whatever they are called.
        if self.words[self.next.min(self.words.len())..].iter().any(|word| word.text == "|") {
            return self.groups().map(Sides::Groups);
        }
        if self.accept_both("halves", "of") {
            return self.nodes().map(Sides::Halves);
        }
        if self.accept_both("bridge", "of") {
            return self.nodes().map(Sides::Bridge);
        }
        if self.accept_both("ring", "of") {
            return self.ring();
        }
        if self.accept("isolate") {
            return match self.target()? {
                Target::Each(_) | Target::EachZone => {
                    let message = "\"each\" would isolate every node by itself";
                    Err(self.wrong(self.before(), message).advise("write one of, any minority of, or the nodes"))
                }
                target => Ok(Sides::Isolate(target)),
            };
        }
        self.groups().map(Sides::Groups)
    }

    /// The nodes of a ring: some that are put in order, or several in the order of writing.
    fn ring(&mut self) -> Read<Sides> {
        let start = self.next;
        let nodes = self.nodes()?;
        if self.peek().text.parse::<Pattern>().is_err() {
            return Ok(Sides::Ring(nodes));
        }
        self.next = start;
        let mut names: Vec<Name> = Vec::new();
        while self.peek().text.parse::<Pattern>().is_ok() {
            let word = self.peek();
            let name = self.name("a node")?;
            if names.contains(&name) {
                return Err(self.wrong(word, format!("\"{name}\" stands twice in this ring")).advise("name it once"));
            }
            names.push(name);
        }
        if names.len() < Sides::LEAST_RING { Err(self.wanted("a third node")) } else { Ok(Sides::RingOf(names)) }
    }

    fn groups(&mut self) -> Read<Groups> {
        let mut seen = Vec::new();
        let mut groups = vec![self.group(&mut seen)?];
        while self.accept("|") {
            groups.push(self.group(&mut seen)?);
        }
        Groups::new(groups).ok_or_else(|| self.wanted("\"|\" and another group of nodes"))
    }

    fn group(&mut self, seen: &mut Vec<Pattern>) -> Read<Vec<Pattern>> {
        let mut group = vec![self.pattern("a node")?];
        self.once(&group[0], seen)?;
        while let Ok(pattern) = self.peek().text.parse::<Pattern>() {
            self.take();
            self.once(&pattern, seen)?;
            group.push(pattern);
        }
        Ok(group)
    }

    /// A node cannot be cut from itself, so each pattern stands in one group, once.
    fn once(&self, pattern: &Pattern, seen: &mut Vec<Pattern>) -> Read<()> {
        if seen.contains(pattern) {
            let message = format!("\"{pattern}\" stands twice in this partition");
            return Err(self.wrong(self.before(), message).advise("name it in one group"));
        }
        seen.push(pattern.clone());
        Ok(())
    }

    fn flight(&mut self) -> Read<Flight> {
        Ok(if self.accept_pair("cutting", "flight")? { Flight::Cut } else { Flight::Arrives })
    }

    /// `cut A->B [cutting flight]`
    pub(super) fn cut(&mut self) -> Read<Verb> {
        Ok(Verb::Cut { link: self.link()?, flight: self.flight()? })
    }

    /// `loss A->B [KIND] SHARE`
    pub(super) fn loss(&mut self) -> Read<Verb> {
        Ok(Verb::Loss { link: self.link()?, kind: self.kind_if_any()?, ratio: self.ratio()? })
    }

    /// `burst-loss A->B [KIND] SHARE bad ~LENGTH good ~LENGTH [SHARE]`
    pub(super) fn burst_loss(&mut self) -> Read<Verb> {
        let (link, kind, ratio) = (self.link()?, self.kind_if_any()?, self.ratio()?);
        let (bad, good) = (self.mean("bad")?, self.mean("good")?);
        let rest = if self.peek().shape == Shape::Number { self.ratio()? } else { Ratio::ZERO };
        Ok(Verb::BurstLoss { link, kind, ratio, bad, good, rest })
    }

    /// The mean length of a state, behind its name.
    fn mean(&mut self, state: &str) -> Read<Duration> {
        if !self.accept(state) {
            return Err(self.wanted(&format!("\"{state}\" and a mean length such as ~200ms")));
        }
        if self.peek_mark('~') { self.marked_length() } else { Err(self.wanted("a mean length such as ~200ms")) }
    }

    /// `duplicate A->B [KIND] SHARE [+LENGTH [~SPREAD]]`
    pub(super) fn duplicate(&mut self) -> Read<Verb> {
        let (link, kind, ratio) = (self.link()?, self.kind_if_any()?, self.ratio()?);
        let (more, spread) = if self.peek_mark('+') { self.added()? } else { (Duration::ZERO, Duration::ZERO) };
        Ok(Verb::Duplicate { link, kind, ratio, more, spread })
    }

    /// `delay A->B [KIND] [SHARE] +LENGTH [~SPREAD] [per LENGTH]`
    pub(super) fn delay(&mut self) -> Read<Verb> {
        let (link, kind) = (self.link()?, self.kind_if_any()?);
        let word = self.peek();
        let is_share = word.shape == Shape::Number && word.text.contains(['%', '/']);
        let ratio = if is_share { self.ratio()? } else { Ratio::ONE };
        let (more, spread) = self.added()?;
        let per = if self.accept("per") { Some(self.stretch_of_time()?) } else { None };
        Ok(Verb::Delay { link, kind, ratio, more, spread, per })
    }

    /// `+LENGTH [~SPREAD]`
    fn added(&mut self) -> Read<(Duration, Duration)> {
        let word = self.peek();
        if word.shape == Shape::Number {
            let message = format!("\"{}\" does not say that it is added", word.text);
            return Err(self.wrong(word, message).suggest(Some(format!("+{}", word.text))));
        }
        if !self.peek_mark('+') {
            return Err(self.wanted("a length such as +200ms"));
        }
        let more = self.marked_length()?;
        Ok((more, if self.peek_mark('~') { self.marked_length()? } else { Duration::ZERO }))
    }

    /// A length above zero, for which one number holds.
    fn stretch_of_time(&mut self) -> Read<Duration> {
        let length = self.length()?;
        if length.is_zero() {
            let message = "no time is no stretch for which a number could hold";
            return Err(self.wrong(self.before(), message).advise("leave \"per\" out, and each message has its own"));
        }
        Ok(length)
    }

    /// `corrupt A->B [KIND] SHARE`
    pub(super) fn corrupt(&mut self) -> Read<Verb> {
        Ok(Verb::Corrupt { link: self.link()?, kind: self.kind_if_any()?, ratio: self.ratio()? })
    }

    /// `bandwidth A->B BYTES/s [queue N] [tail|random]`
    pub(super) fn bandwidth(&mut self) -> Read<Verb> {
        let link = self.link()?;
        let limit = self.amount(&[Shape::Number], "a bandwidth such as 100KB/s")?;
        let queue = if self.accept("queue") { Some(self.count("how many may wait")?) } else { None };
        let full = match self.peek().text {
            "tail" => Some(Full::Tail),
            "random" => Some(Full::Random),
            _ => None,
        };
        self.next += usize::from(full.is_some());
        Ok(Verb::Bandwidth { link, limit, queue, full })
    }

    /// `refuse A->B [KIND] [SHARE]`
    pub(super) fn refuse(&mut self) -> Read<Verb> {
        let (link, kind) = (self.link()?, self.kind_if_any()?);
        let ratio = if self.peek().shape == Shape::Number { self.ratio()? } else { Ratio::ONE };
        Ok(Verb::Refuse { link, kind, ratio })
    }

    /// `swizzle NODES`
    pub(super) fn swizzle(&mut self) -> Read<Verb> {
        Ok(Verb::Swizzle { nodes: self.nodes()? })
    }

    /// `crash NODE [wiping disk | swapping disks]`
    pub(super) fn crash(&mut self) -> Read<Verb> {
        let target = self.target()?;
        let disk = if self.accept_pair("wiping", "disk")? {
            Disk::Wiped
        } else if self.accept_pair("swapping", "disks")? {
            Disk::Swapped
        } else {
            Disk::Kept
        };
        Ok(Verb::Crash { target, disk })
    }

    /// `power-loss NODE`
    pub(super) fn power_loss(&mut self) -> Read<Verb> {
        Ok(Verb::PowerLoss { target: self.target()? })
    }

    /// `clog A->B [KIND] [holding flight]`
    pub(super) fn clog(&mut self) -> Read<Verb> {
        let link = self.link()?;
        // "holding" may be a kind: with the second word it is the clause.
        let kind = if self.comes("holding", "flight") { None } else { self.kind_if_any()? };
        let flight = if self.accept_both("holding", "flight") { Jam::Flight } else { Jam::AtSending };
        Ok(Verb::Clog { link, kind, flight })
    }

    /// `pause NODE [freezing clocks | freezing monotonic]`
    pub(super) fn pause(&mut self) -> Read<Verb> {
        let target = self.target()?;
        let stands = if !self.accept("freezing") {
            Stands::Nothing
        } else if self.accept("clocks") {
            Stands::Both
        } else if self.accept("monotonic") {
            Stands::Monotonic
        } else {
            return Err(self.wanted("\"clocks\" or \"monotonic\""));
        };
        Ok(Verb::Pause { target, stands })
    }

    /// `stop NODE [grace LENGTH]`
    pub(super) fn stop(&mut self) -> Read<Verb> {
        let target = self.target()?;
        let grace = if self.accept("grace") { Some(self.length()?) } else { None };
        Ok(Verb::Stop { target, grace })
    }

    /// `restart NODE`
    pub(super) fn restart(&mut self) -> Read<Verb> {
        Ok(Verb::Restart { target: Target::All(self.nodes()?) })
    }

    /// `deploy NODE VERSION [by SHARE]`
    pub(super) fn deploy(&mut self) -> Read<Verb> {
        let target = Target::All(self.nodes()?);
        let version = self.label("a version such as v2")?;
        let share = if self.accept("by") { Some(self.ratio()?) } else { None };
        Ok(Verb::Deploy { target, version, share })
    }

    /// `rollback NODE`
    pub(super) fn rollback(&mut self) -> Read<Verb> {
        Ok(Verb::Rollback { target: Target::All(self.nodes()?) })
    }

    /// `scale NODE COUNT`
    pub(super) fn scale(&mut self) -> Read<Verb> {
        let word = self.peek();
        let Nodes::Like(pattern) = self.nodes()? else { return Err(self.not_one(word)) };
        if pattern.as_str().contains('*') {
            return Err(self.not_one(word));
        }
        let count = self.count("how many replicas there are to be, such as 3")?;
        Ok(Verb::Scale { target: Target::All(Nodes::Like(pattern)), count })
    }

    fn not_one(&self, word: Word<'a>) -> FaultError {
        self.wrong(word, "a scale is about the replicas of one node").advise("write its name")
    }

    /// `rush WORKLOAD xFACTOR`
    pub(super) fn rush(&mut self) -> Read<Verb> {
        let target = self.target()?;
        let factor = self.amount(&[Shape::Name], "a factor such as x3")?;
        Ok(Verb::Rush { target, factor })
    }

    /// `hang NODE[.ENDPOINT]`
    pub(super) fn hang(&mut self) -> Read<Verb> {
        let place = self.place_of_target()?;
        Ok(Verb::Hang { target: self.target()?, place })
    }

    /// `fail NODE[.ENDPOINT] [REASON] [SHARE]`
    pub(super) fn fail(&mut self) -> Read<Verb> {
        let place = self.place_of_target()?;
        let target = self.target()?;
        let says = self.peek().shape == Shape::Name && !CLAUSES.contains(&self.peek().text);
        let reason = if says { Some(self.label("a reason")?) } else { None };
        let ratio = if self.peek().shape == Shape::Number { self.ratio()? } else { Ratio::ONE };
        Ok(Verb::Fail { target, place, reason, ratio })
    }

    /// What stands behind the last point of the word in which a target ends, cut off from it: the `charge` of `one of
    /// payments.charge`.
    fn place_of_target(&mut self) -> Read<Option<Label>> {
        let text = |ahead: usize| self.words.get(self.next + ahead).map_or("", |word| word.text);
        let begins = match (text(0), text(1), text(2)) {
            // Nothing behind it belongs to the target any more.
            ("one" | "each", zone, _) if zone == "zone" || zone.starts_with("zone.") => None,
            ("one" | "each", "of", _) => Some(2),
            ("any", "minority", "of") => Some(3),
            ("the", _, _) => Some(1),
            _ => Some(0),
        };
        let is_name = |at: usize| {
            let named = |word: &Word<'_>| word.shape == Shape::Name && !CLAUSES.contains(&word.text);
            self.words.get(self.next + at).is_some_and(named)
        };
        let begins = begins.map_or(1, |at| at + usize::from(text(at) == "zone" && is_name(at + 1)));
        let ends = if text(begins + 1) == ".." { begins + 2 } else { begins };
        let Some((head, tail)) = text(ends).rsplit_once('.') else { return Ok(None) };
        let at = self.next + ends;
        let word = Word { text: tail, at: self.words[at].at + head.len() + 1, ..self.words[at] };
        let place = match tail {
            "*" => None,
            _ => Some(tail.parse().map_err(|error: NameError| self.wrong(word, error.to_string()))?),
        };
        self.words[at].text = head;
        Ok(place)
    }

    /// `skew NODE first | last | ends SHARE`
    pub(super) fn skew(&mut self) -> Read<Verb> {
        let target = self.target()?;
        let towards = match () {
            () if self.accept("first") => End::First,
            () if self.accept("last") => End::Last,
            () if self.accept("ends") => End::Ends,
            () => return Err(self.wanted("\"first\", \"last\" or \"ends\"")),
        };
        Ok(Verb::Skew { target, towards, ratio: self.ratio()? })
    }

    /// `buggify [SITE] [SHARE [SHARE]]`
    pub(super) fn buggify(&mut self) -> Read<Verb> {
        let sites: Option<Pattern> = self.peek().text.parse().ok();
        self.next += usize::from(sites.is_some());
        let mut share = || if self.peek().shape == Shape::Number { self.ratio() } else { Ok(BUGGIFY) };
        Ok(Verb::Buggify { sites, live: share()?, fires: share()? })
    }

    /// `slow NODE xFACTOR`
    pub(super) fn slow(&mut self) -> Read<Verb> {
        let target = self.target()?;
        let factor = self.amount(&[Shape::Name], "a factor such as x10")?;
        Ok(Verb::Slow { target, factor })
    }

    /// `clock NODE step ±LENGTH | leap ±LENGTH | smear ±LENGTH | drift ±PPM | freeze | strobe ±LENGTH per LENGTH |
    /// discipline ±LENGTH per LENGTH`
    pub(super) fn clock(&mut self) -> Read<Verb> {
        const SIGNED: &[Shape] = &[Shape::Marked, Shape::Number];
        let target = self.target()?;
        let word = self.take();
        let error = match word.text {
            "step" => ClockError::Step(self.amount(SIGNED, "a length such as -160ms")?),
            "leap" => ClockError::Leap(self.amount(SIGNED, "a length such as +1s")?),
            "smear" => ClockError::Smear(self.amount(SIGNED, "a length such as +1s")?),
            "discipline" => {
                let error = self.either_way()?;
                if !self.accept("per") {
                    return Err(self.wanted("\"per\" and how long it is from one poll to the next"));
                }
                ClockError::Discipline { error, per: self.length()? }
            }
            "drift" => ClockError::Drift(self.amount(SIGNED, "a rate such as +80ppm")?),
            "freeze" => ClockError::Freeze,
            "strobe" => {
                let ahead = self.amount(SIGNED, "a length such as +200ms")?;
                if !self.accept("per") {
                    return Err(self.wanted("\"per\" and how long it is wrong each time"));
                }
                ClockError::Strobe { ahead, per: self.length()? }
            }
            _ => {
                self.next -= 1;
                return Err(self.wanted("step, leap, smear, drift, freeze, strobe or discipline"));
            }
        };
        Ok(Verb::Clock { target, error })
    }

    /// `±5ms`; who has no such sign on the keyboard writes `~5ms`, as of a spread.
    fn either_way(&mut self) -> Read<Duration> {
        let word = self.peek();
        let Some(length) = word.text.strip_prefix(['±', '~']) else {
            return Err(self.wanted("how far it misses either way, such as ±5ms"));
        };
        self.take();
        length.parse().map_err(|error| self.no_duration(word, &error))
    }

    /// `disk NODE fsync-fails | fsync-lies | slow xFACTOR | stall | torn-write | bit-rot | misdirected | full | read-error`
    pub(super) fn disk(&mut self) -> Read<Verb> {
        let target = self.target()?;
        let word = self.take();
        let ill = match word.text {
            "fsync-fails" => DiskIll::SyncFails,
            "fsync-lies" => DiskIll::SyncLies,
            "slow" => DiskIll::Slow(self.amount(&[Shape::Name], "a factor such as x10")?),
            "stall" => DiskIll::Stall,
            "torn-write" => DiskIll::TornWrite,
            "bit-rot" => DiskIll::BitRot,
            "misdirected" => DiskIll::Misdirected,
            "full" => DiskIll::Full,
            "read-error" => DiskIll::ReadError,
            _ => {
                self.next -= 1;
                let known =
                    "fsync-fails, fsync-lies, slow, stall, torn-write, bit-rot, misdirected, full or read-error";
                return Err(self.wanted(known));
            }
        };
        Ok(Verb::Disk { target, ill })
    }

    /// An amount of a type of its own, written as one word of these shapes.
    fn amount<T: FromStr<Err: ToString>>(&mut self, shapes: &[Shape], what: &str) -> Read<T> {
        let word = self.peek();
        if !shapes.contains(&word.shape) {
            return Err(self.wanted(what));
        }
        self.take();
        word.text.parse().map_err(|error: T::Err| self.wrong(word, error.to_string()))
    }

    /// A whole number.
    fn count(&mut self, what: &str) -> Read<u32> {
        let word = self.peek();
        if word.shape != Shape::Number || !word.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.wanted(what));
        }
        self.take();
        let too_large = || self.wrong(word, format!("{} is more than {}", word.text, u32::MAX));
        word.text.parse().map_err(|_| too_large())
    }

    fn ratio(&mut self) -> Read<Ratio> {
        let word = self.peek();
        if word.shape != Shape::Number {
            return Err(self.wanted("a share such as 20%"));
        }
        self.take();
        if word.text.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("{} has no unit", word.text);
            return Err(self.wrong(word, message).suggest(Some(format!("{}%", word.text))));
        }
        word.text.parse().map_err(|error: RatioError| self.wrong(word, error.to_string()))
    }

    // ── Decisions ──

    fn decided(&mut self, rule: fn(&mut Parser<'_>) -> Read<Decision>) -> Read<Decision> {
        let decision = rule(self)?;
        let word = self.peek();
        if word.text == "every" || word.text == "for" {
            let message = format!("a decision answers one question and has no \"{}\"", word.text);
            return Err(self.wrong(word, message).advise("leave it out"));
        }
        Ok(decision)
    }

    fn decision_has_no_time(&self, first: Word<'a>, entry: &VerbEntry) -> FaultError {
        let message = format!("a decision such as {} answers one question and has no time", entry.name);
        self.wrong(first, message).advise(format!("begin with \"{}\"", entry.name))
    }

    /// `drop A->B KIND [OPERATION] #N`, and the like, whose ruling may have a length behind it.
    pub(super) fn envelope(&mut self, ruling: impl FnOnce(&mut Self) -> Read<Ruling>) -> Read<Decision> {
        let link = self.plain_link()?;
        let kind = self.label("a kind of message")?;
        let nth = self.nth()?;
        Ok(Decision::Envelope { ruling: ruling(self)?, link, kind, nth })
    }

    /// Random bits, as a number.
    pub(super) fn bits(&mut self) -> Read<u64> {
        let word = self.peek();
        if word.shape != Shape::Number || !word.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.wanted("random bits as a number, such as 17"));
        }
        self.take();
        word.text.parse().map_err(|_| self.wrong(word, format!("{} is more than {}", word.text, u64::MAX)))
    }

    /// `draw NODE PURPOSE [OPERATION] #N VALUE`
    pub(super) fn draw(&mut self) -> Read<Decision> {
        let node = self.name("a node")?;
        let purpose = self.label("a purpose such as work")?;
        Ok(Decision::Draw { node, purpose, nth: self.nth()?, value: self.value()? })
    }

    fn nth(&mut self) -> Read<Nth> {
        let operation = if self.peek().shape == Shape::Name { Some(self.operation()?) } else { None };
        if !self.peek_mark('#') {
            return Err(self.wanted("an ordinal such as #1"));
        }
        Ok(Nth { operation, ordinal: self.ordinal()? })
    }

    fn ordinal(&mut self) -> Read<NonZeroU64> {
        let word = self.take();
        word.text[1..].parse().map_err(|_| self.no_ordinal(word))
    }

    fn no_ordinal(&self, word: Word<'a>) -> FaultError {
        let digits = &word.text[1..];
        let is_zero = !digits.is_empty() && digits.bytes().all(|byte| byte == b'0');
        let why = if is_zero { "is before the first" } else { "is not an ordinal" };
        self.wrong(word, format!("\"{}\" {why}", word.text)).advise("they count from #1")
    }

    fn operation(&mut self) -> Read<OperationName> {
        let word = self.peek();
        let parts = word.text.rsplit_once('/');
        let operation = parts.and_then(|(class, number)| {
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            let number = number.parse().ok().filter(|number| digits && *number <= OperationName::LAST)?;
            Some(OperationName { class: class.parse().ok()?, number })
        });
        let operation = operation.ok_or_else(|| {
            let message = format!("\"{}\" is not an operation", word.text);
            self.wrong(word, message).advise("write its class and number, such as order/17")
        })?;
        self.take();
        Ok(operation)
    }

    fn value(&mut self) -> Read<Value> {
        if self.accept("yes") {
            return Ok(Value::Yes);
        }
        if self.accept("no") {
            return Ok(Value::No);
        }
        match self.peek().shape {
            Shape::Number => {
                // Zero is a length in any unit, and needs none.
                let plain = self.peek().text.parse().ok().filter(|number| *number > 0);
                let Some(number) = plain else { return self.length().map(Value::Length) };
                self.take();
                Ok(Value::Number(number))
            }
            _ => self.name("a value (a length such as 1.4s, a number, yes, no, or a name)").map(Value::Choice),
        }
    }

    // ── Names ──

    fn target(&mut self) -> Read<Target> {
        if self.accept_both("one", "zone") {
            return Ok(Target::OneZone);
        }
        if self.accept_both("each", "zone") {
            return Ok(Target::EachZone);
        }
        if self.accept_of("one") {
            return self.nodes().map(Target::One);
        }
        if self.peek().text == "any" && self.words.get(self.next + 1).is_some_and(|word| word.text == "minority") {
            self.next += 2;
            if !self.accept("of") {
                return Err(self.wanted("\"of\""));
            }
            return self.nodes().map(Target::Minority);
        }
        if self.accept_of("each") {
            return self.nodes().map(Target::Each);
        }
        if self.accept("the") {
            return self.label("a role such as leader").map(Target::The);
        }
        self.nodes().map(Target::All)
    }

    /// `one of` and `each of`; without the second word the first is a name like others.
    fn accept_of(&mut self, choice: &str) -> bool {
        self.accept_both(choice, "of")
    }

    fn nodes(&mut self) -> Read<Nodes> {
        if let Some(zone) = self.zone() {
            return Ok(Nodes::Zone(zone));
        }
        let first = self.peek();
        let pattern = self.pattern("a node")?;
        if !self.accept("..") {
            return Ok(Nodes::Like(pattern));
        }
        let last = self.peek();
        let range = Word { text: &self.text[first.at..last.at + last.text.len()], ..first };
        let refuse = |error: NameError| self.wrong(range, error.to_string());
        let end: Name = last.text.parse().map_err(|_| self.wanted("the last name of the range"))?;
        let begin: Name = first.text.parse().map_err(refuse)?;
        let names = NameRange::new(&begin, &end).map_err(refuse)?;
        self.take();
        Ok(Nodes::Range(names))
    }

    /// `zone eu-1`; with a word behind it that is part of the verb, `zone` is a node like others.
    fn zone(&mut self) -> Option<Name> {
        let name = self.words.get(self.next + 1).filter(|_| self.peek().text == "zone")?.text;
        let is_clause = CLAUSES.contains(&name) || FOLLOWERS.contains(&name) || name.parse::<super::Factor>().is_ok();
        let zone = name.parse().ok().filter(|_| !is_clause)?;
        self.next += 2;
        Some(zone)
    }

    fn pattern(&mut self, what: &str) -> Read<Pattern> {
        let pattern = self.peek().text.parse().map_err(|error| self.no_name(what, &error))?;
        self.take();
        Ok(pattern)
    }

    fn name(&mut self, what: &str) -> Read<Name> {
        let word = self.peek();
        if word.shape == Shape::Name && word.text.contains('*') {
            let message = format!("\"{}\" is a pattern", word.text);
            return Err(self.wrong(word, message).advise("a decision is about one thing; write its name"));
        }
        let name = word.text.parse().map_err(|error| self.no_name(what, &error))?;
        self.take();
        Ok(name)
    }

    fn label(&mut self, what: &str) -> Read<Label> {
        let label = self.peek().text.parse().map_err(|error| self.no_name(what, &error))?;
        self.take();
        Ok(label)
    }

    fn no_name(&self, what: &str, error: &NameError) -> FaultError {
        match error {
            NameError::AnOperation(_) => self.advise_example(self.wrong(self.peek(), error.to_string())),
            _ => self.wanted(what),
        }
    }

    fn kind_if_any(&mut self) -> Read<Option<Label>> {
        if self.peek().text.parse::<Pattern>().is_err() {
            return Ok(None);
        }
        self.label("a kind of message").map(Some)
    }

    fn link(&mut self) -> Read<LinkPattern> {
        let from = self.pattern("a link such as a->b")?;
        let both = match self.peek().text {
            "->" => false,
            "<->" => true,
            _ => return Err(self.no_link(self.before())),
        };
        self.take();
        Ok(LinkPattern { from, to: self.pattern("the node that receives")?, both })
    }

    fn plain_link(&mut self) -> Read<LinkName> {
        let from = self.name("a link such as a->b")?;
        if self.peek().text == "<->" {
            let message = "a decision is about one message, which goes one way";
            return Err(self.wrong(self.peek(), message).suggest(Some("->".to_owned())));
        }
        if !self.accept("->") {
            return Err(self.no_link(self.before()));
        }
        Ok(LinkName { from, to: self.name("the node that receives")? })
    }

    /// `a-b` is a name, and most likely a link of which one sign is missing.
    fn no_link(&self, word: Word<'a>) -> FaultError {
        let is_node = |text: &str| text.parse::<Pattern>().is_ok();
        let sides = |(at, _)| (&word.text[..at], &word.text[at + 1..]);
        let mut splits = word.text.rmatch_indices('-').map(sides);
        let link = splits.find(|(from, to)| is_node(from) && is_node(to)).map(|(from, to)| format!("{from}->{to}"));
        let error = self.wrong(word, format!("\"{}\" is a name, not a link", word.text));
        if link.is_some() { error.suggest(link) } else { self.advise_example(error) }
    }

    // ── Words ──

    fn peek(&self) -> Word<'a> {
        let end = Word { text: "", at: self.text.trim_end().len(), shape: Shape::End };
        self.words.get(self.next).copied().unwrap_or(end)
    }

    fn peek_mark(&self, mark: char) -> bool {
        self.peek().text.starts_with(mark)
    }

    fn take(&mut self) -> Word<'a> {
        let word = self.peek();
        self.next += 1;
        word
    }

    /// The word that was taken last.
    fn before(&self) -> Word<'a> {
        self.words[self.next.saturating_sub(1).min(self.words.len() - 1)]
    }

    fn accept(&mut self, text: &str) -> bool {
        let accepted = self.peek().text == text;
        if accepted {
            self.next += 1;
        }
        accepted
    }

    /// Whether these two words come now.
    fn comes(&self, first: &str, second: &str) -> bool {
        self.peek().text == first && self.words.get(self.next + 1).is_some_and(|word| word.text == second)
    }

    /// Takes two words that mean something only together; the first alone may be a name.
    fn accept_both(&mut self, first: &str, second: &str) -> bool {
        let both = self.comes(first, second);
        if both {
            self.next += 2;
        }
        both
    }

    /// Two words of which the second must follow the first.
    fn accept_pair(&mut self, first: &str, second: &str) -> Read<bool> {
        if !self.accept(first) {
            return Ok(false);
        }
        if self.accept(second) { Ok(true) } else { Err(self.wanted(&format!("\"{second}\""))) }
    }

    /// Nothing may be left over.
    fn end(&self) -> Read<()> {
        let word = self.peek();
        if word.shape == Shape::End {
            return Ok(());
        }
        let error = self.wrong(word, format!("\"{}\" is one word too many", word.text));
        match nearest(word.text, CLAUSES).filter(|clause| *clause != word.text) {
            Some(clause) => Err(error.suggest(Some(clause.to_owned()))),
            None => Err(self.advise_example(error)),
        }
    }

    // ── Complaints ──

    fn wrong(&self, word: Word<'a>, message: impl Into<String>) -> FaultError {
        FaultError::new(FaultErrorKind::Grammar, self.text, word.at, word.text, message.into())
    }

    /// Something else should stand here.
    fn wanted(&self, what: &str) -> FaultError {
        let word = self.peek();
        let message = match word.shape {
            Shape::End => format!("{what} is missing at the end"),
            _ => format!("\"{}\" stands where {what} should", word.text),
        };
        self.advise_example(self.wrong(word, message))
    }

    fn advise_example(&self, error: FaultError) -> FaultError {
        match self.verb {
            Some(entry) => error.advise(format!("write it like \"{}\"", entry.example)),
            None => error,
        }
    }
}

macro_rules! read_by_rule {
    ($($type:ty: $rule:expr;)*) => {$(
        impl FromStr for $type {
            type Err = FaultError;

            fn from_str(text: &str) -> Result<Self, FaultError> {
                Parser::whole(text, $rule)
            }
        }
    )*};
}
read_by_rule! {
    Fault: |words| words.fault();
    Verb: |words| words.verb();
    Decision: |words| words.decision();
    When: |words| words.when();
    Pace: |words| words.pace();
    Groups: |words| words.groups();
    LinkPattern: |words| words.link();
    LinkName: |words| words.plain_link();
    Target: |words| words.target();
    Nodes: |words| words.nodes();
    Nth: |words| words.nth();
    OperationName: |words| words.operation();
    Value: |words| words.value();
}
