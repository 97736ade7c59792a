//! What is worked out, as a whole that somebody can turn: an expression or a diagram, what its names mean, and a knob
//! for every figure that was written in either.

use super::assembly::{Assembly, Drawn, Names};
use super::block::{Block, GroupOption, Kind, Length, Part, Planned, Quorum, Repaired, Said, Share, Standby};
use super::error::{AvailError, NoAlgebra};
use super::file::AvailFile;
use super::reconcile::Effect;
use super::replica::{OneMore, one_more_than};
use super::up::Availability;
use super::words;
use crate::problem::Span;

/// An expression or a diagram, with what its names mean.
///
/// ```
/// use sim_models::avail::{Block, Names, System};
/// let mut names = Names::new();
/// names.bind("db=mtbf=30d/mttr=1h").unwrap();
/// let system = System::of(Block::parse("99.99% * 2of3(db)").unwrap(), names);
/// let knobs: Vec<String> = system.knobs().iter().map(|knob| knob.name()).collect();
/// assert_eq!(knobs, ["part 1 availability", "db replicas", "db needed", "db mtbf", "db mttr"]);
/// let better = system.turned("db mttr", "15m").unwrap();
/// assert_eq!(better.names().text("db"), Some("mtbf=30d/mttr=15m"));
/// ```
#[derive(Clone, Debug)]
pub struct System {
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Expression { block: Block, names: Names },
    Diagram(AvailFile),
}

/// A figure that can be turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knob {
    /// What it is of: a name, a block of a diagram, or a part or group of the expression by its number.
    pub whose: String,
    /// Which figure, in a word or two.
    pub what: &'static str,
    /// As it stands, the way it is written.
    pub value: String,
    /// What can be written instead.
    pub turns: Turns,
    /// Whether more of it makes the whole better.
    pub better: Better,
}

/// What a knob's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turns {
    /// A share of time or of cases near all: an availability, a coverage.
    Share,
    /// A share near nothing: of failures that are common, or at which spares fail.
    Fraction,
    /// A length of time.
    Length,
    /// A number from 1.
    Count,
}

/// Which way is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    More,
    /// Less is better.
    Less,
    /// It is what it is: turning it changes what is asked for, or costs something else.
    Neither,
}

/// One change to a system, and what the whole comes to with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What is changed.
    pub what: String,
    /// What there is now.
    pub before: String,
    /// What there would be.
    pub after: String,
    /// Which of the places where that is written is meant, where it matters.
    pub place: Option<String>,
    /// The whole with it.
    pub availability: Availability,
}

impl Change {
    /// What there would be, and where: `a | a (2nd of 2)`.
    pub fn to(&self) -> String {
        self.place.as_ref().map_or_else(|| self.after.clone(), |place| format!("{} ({place})", self.after))
    }
}

/// More figures than this are not turned one by one to see what they give.
const CHANGES_MAX: usize = 100;

impl System {
    /// An expression.
    pub fn of(block: Block, names: Names) -> System {
        System { what: What::Expression { block, names } }
    }

    /// What a file says.
    pub fn of_file(file: AvailFile) -> System {
        match file.expression().cloned() {
            Some(block) => System::of(block, file.names().clone()),
            None => System { what: What::Diagram(file) },
        }
    }

    /// What names mean.
    pub fn names(&self) -> &Names {
        match &self.what {
            What::Expression { names, .. } => names,
            What::Diagram(file) => file.names(),
        }
    }

    /// The expression; none of a diagram.
    pub fn block(&self) -> Option<&Block> {
        match &self.what {
            What::Expression { block, .. } => Some(block),
            What::Diagram(_) => None,
        }
    }

    /// Works it out.
    ///
    /// # Errors
    /// What is wrong with it, with the line it stands in.
    pub fn assembly(&self) -> Result<Assembly, String> {
        match &self.what {
            What::Expression { block, names } => {
                Assembly::of(block, names).map_err(|error| pointed_in(&error, block, names))
            }
            What::Diagram(file) => file.assembly().map_err(|problems| problems.to_string()),
        }
    }

    /// Fills in its names and counts its components, without working anything out.
    ///
    /// # Errors
    /// What is wrong with it, with the line it stands in.
    pub fn drawn(&self) -> Result<Drawn, String> {
        match &self.what {
            What::Expression { block, names } => {
                Drawn::of(block, names).map_err(|error| pointed_in(&error, block, names))
            }
            What::Diagram(file) => file.drawn().map_err(|problems| problems.to_string()),
        }
    }

    /// That it is too hard to be worked out, as [`Drawn::worked_out`] says, with the line it stands in.
    pub fn hard(&self, none: &NoAlgebra) -> String {
        match &self.what {
            What::Expression { block, names } => {
                pointed_in(&AvailError::new(block.span, none.to_string()), block, names)
            }
            What::Diagram(file) => file.hard(none).to_string(),
        }
    }

    /// Everything that can be turned, in the order in which it is written: the expression or the diagram first.
    pub fn knobs(&self) -> Vec<Knob> {
        let mut knobs: Vec<Knob> = Vec::new();
        self.clone().each_dial(&mut |whose, what, dial| knobs.push(dial.knob(whose, what)));
        knobs
    }

    /// The same with one knob turned, by its name.
    ///
    /// # Errors
    /// When there is no such knob, or it cannot stand so: what is wrong, and where.
    pub fn turned(&self, knob: &str, value: &str) -> Result<System, String> {
        self.turned_all([(knob, value)])
    }

    /// The same with several knobs turned at once, each by its name: what cannot stand beside what was there may stand
    /// beside what there is then.
    ///
    /// # Errors
    /// When there is no such knob, or they cannot stand so: what is wrong, and where.
    pub fn turned_all<'t>(&self, turns: impl IntoIterator<Item = (&'t str, &'t str)>) -> Result<System, String> {
        let mut system = self.clone();
        for (knob, value) in turns {
            let mut outcome = Err(format!("there is no \"{knob}\" to turn"));
            system.each_dial(&mut |whose, what, dial| {
                if knob_name(whose, what) == knob {
                    let set = dial.set(value.trim());
                    outcome = set.map_err(|error| error.pointed_at(knob, value.trim()).to_string());
                }
            });
            outcome?;
        }
        system.check()?;
        Ok(system)
    }

    /// Whether every text still reads as what it is: a figure may not go with another one beside it.
    fn check(&mut self) -> Result<(), String> {
        let mut wrong = None;
        self.each_block(&mut |name, block| {
            let text = block.to_string();
            match Block::parse(&text) {
                // With the places of the text that is there now.
                Ok(read) => *block = read,
                Err(error) => {
                    let what = if name.is_empty() { "expression" } else { name };
                    wrong.get_or_insert_with(|| error.pointed_at(what, &text).to_string());
                }
            }
        });
        wrong.map_or(Ok(()), Err)
    }

    /// What single changes would give, the best first: one more of something, and each figure twice as good. `known` is
    /// this system worked out.
    pub fn changes(&self, known: &Assembly) -> Vec<Change> {
        let mut all = Vec::new();
        for knob in self.knobs().iter().take(CHANGES_MAX) {
            let (mut system, mut after) = (self.clone(), None);
            system.each_dial(&mut |whose, what, dial| {
                if whose == knob.whose && what == knob.what {
                    after = dial.improve(knob.better);
                }
            });
            let comes_to = || system.drawn().ok().and_then(|drawn| known.beside(drawn));
            let Some((after, availability)) = after.and_then(|after| Some((after, comes_to()?))) else { continue };
            all.push(Change { what: knob.name(), before: knob.value.clone(), after, place: None, availability });
        }
        all.extend(self.one_more(known).into_iter().map(|more| Change {
            what: "one more".to_owned(),
            place: more.place(),
            before: more.before,
            after: more.after,
            availability: more.availability,
        }));
        all.sort_by(|a, b| a.availability.down.total_cmp(&b.availability.down));
        all
    }

    /// What one more of each block would give, the best first. `known` is this system worked out.
    pub fn one_more(&self, known: &Assembly) -> Vec<OneMore> {
        match &self.what {
            What::Expression { block, names } => one_more_than(known, block, names),
            What::Diagram(file) => file.one_more(known),
        }
    }

    /// Takes away that parts are shared, or that causes are common; whether there was any of it. What groups and single
    /// parts do over time stays as it is.
    pub(super) fn strip(&mut self, effect: Effect) -> bool {
        let mut any = false;
        self.each_block(&mut |_, block| any |= strip(block, effect));
        if let (What::Diagram(file), Effect::CommonCause) = (&mut self.what, effect) {
            any |= file.forget_common_causes();
        }
        any
    }

    /// Every block that was written, with its name: the expression without one.
    fn each_block(&mut self, visit: &mut dyn FnMut(&str, &mut Block)) {
        match &mut self.what {
            What::Expression { block, names } => {
                visit("", block);
                names.each_block(visit);
            }
            What::Diagram(file) => file.each_block(visit),
        }
    }

    /// Every figure, each under a name of its own.
    fn each_dial(&mut self, visit: &mut dyn FnMut(&str, &'static str, Dial<'_>)) {
        let mut seen: Vec<String> = Vec::new();
        let (mut parts, mut groups) = (0, 0);
        self.each_block(&mut |name, block| {
            let mut counted = Numbers { parts: &mut parts, groups: &mut groups };
            dials(block, name, &mut counted, &mut |whose, what, dial| {
                // What stands twice under one name is told apart by a number.
                let mut own = whose.to_owned();
                let mut copy = 1;
                while seen.contains(&knob_name(&own, what)) {
                    copy += 1;
                    own = format!("{whose} ({copy})");
                }
                seen.push(knob_name(&own, what));
                visit(&own, what, dial);
            });
        });
    }
}

impl Knob {
    /// What it is called: `db mttr`.
    pub fn name(&self) -> String {
        knob_name(&self.whose, self.what)
    }

    /// The next round value up or down; `None` at the end.
    ///
    /// ```
    /// use sim_models::avail::{Block, Names, System};
    /// let knob = &System::of(Block::parse("mtbf=30d/mttr=1h").unwrap(), Names::new()).knobs()[1];
    /// assert_eq!((knob.next(true).as_deref(), knob.next(false).as_deref()), (Some("2h"), Some("30m")));
    /// ```
    pub fn next(&self, up: bool) -> Option<String> {
        match self.turns {
            Turns::Count => {
                let now: u32 = self.value.parse().ok()?;
                let next = if up { now.checked_add(1)? } else { now.checked_sub(1)? };
                (next > 0).then(|| next.to_string())
            }
            Turns::Length => next_length(&self.value, up),
            // By what is missing, so that far nines are told apart.
            Turns::Share => neighbour(&SHARES, |text| -share_of(text).down, &self.value, up),
            Turns::Fraction => next_fraction(&self.value, up),
        }
    }
}

/// The next round length of time up or down, of one that is written as in an expression; `None` at the end.
pub fn next_length(text: &str, up: bool) -> Option<String> {
    let seconds = |text: &str| words::length(text, Span::default()).map_or(0.0, |length| length.seconds());
    neighbour(&LENGTHS, seconds, text, up)
}

/// The next round share near nothing up or down, of one that is written as in an expression; `None` at the end.
pub fn next_fraction(text: &str, up: bool) -> Option<String> {
    neighbour(&FRACTIONS, |text| share_of(text).up, text, up)
}

fn share_of(text: &str) -> Availability {
    words::share(text, Span::default()).map_or(Availability::NEVER, |share| share.value())
}

/// Round lengths, from the shortest.
const LENGTHS: [&str; 42] = [
    "0s", "1ms", "2ms", "5ms", "10ms", "20ms", "50ms", "100ms", "200ms", "500ms", "1s", "2s", "5s", "10s", "20s",
    "30s", "1m", "2m", "5m", "10m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "2d", "4d", "7d", "14d", "30d",
    "60d", "90d", "180d", "1y", "2y", "5y", "10y", "20y", "50y",
];
/// Round shares near all, from the least.
const SHARES: [&str; 21] = [
    "0%",
    "50%",
    "80%",
    "90%",
    "95%",
    "98%",
    "99%",
    "99.5%",
    "99.8%",
    "99.9%",
    "99.95%",
    "99.98%",
    "99.99%",
    "99.995%",
    "99.998%",
    "99.999%",
    "99.9995%",
    "99.9998%",
    "99.9999%",
    "99.99999%",
    "100%",
];
/// Round shares near nothing, from the least.
const FRACTIONS: [&str; 8] = ["0%", "1%", "2%", "5%", "10%", "20%", "50%", "100%"];

/// The nearest round value beyond where it stands.
fn neighbour(round: &[&str], of: impl Fn(&str) -> f64, now: &str, up: bool) -> Option<String> {
    let now = of(now);
    let beyond = |text: &&&str| if up { of(text) > now } else { of(text) < now };
    let found = if up { round.iter().find(beyond) } else { round.iter().rev().find(beyond) };
    found.map(|text| (*text).to_owned())
}

fn knob_name(whose: &str, what: &str) -> String {
    format!("{whose} {what}")
}

/// A figure where it stands.
enum Dial<'b> {
    Share(&'b mut Share, Better),
    Fraction(&'b mut Share, Better),
    Length(&'b mut Length, Better),
    Count(&'b mut u32, Better),
}

impl Dial<'_> {
    fn knob(&self, whose: &str, what: &'static str) -> Knob {
        let (value, turns, better) = match self {
            Dial::Share(share, better) => (share.text.clone(), Turns::Share, *better),
            Dial::Fraction(share, better) => (share.text.clone(), Turns::Fraction, *better),
            Dial::Length(length, better) => (length.text.clone(), Turns::Length, *better),
            Dial::Count(count, better) => (count.to_string(), Turns::Count, *better),
        };
        Knob { whose: whose.to_owned(), what, value, turns, better }
    }

    fn set(self, text: &str) -> Result<(), AvailError> {
        let span = Span::new(0, text.len());
        match self {
            Dial::Share(share, _) | Dial::Fraction(share, _) => *share = words::share(text, span)?,
            Dial::Length(length, _) => *length = words::length(text, span)?,
            Dial::Count(count, _) => {
                let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
                let read = text.parse().ok().filter(|number: &u32| *number > 0 && plain);
                let wrong = || AvailError::new(span, format!("\"{text}\" is no whole number from 1"));
                *count = read.ok_or_else(wrong)?;
            }
        }
        Ok(())
    }

    /// Makes it twice as good; how it is written then, unless that is neither better nor worse, or cannot be.
    fn improve(self, better: Better) -> Option<String> {
        /// Longer than this, nobody would notice.
        const LONGEST: f64 = 200.0 * 365.0 * 86_400.0;
        match (self, better) {
            (Dial::Share(share, _), Better::More) if share.value.down > 0.0 => {
                let value = Availability::of_down(share.value.down / 2.0)?;
                *share = Share { text: words::percent(value), value };
                Some(share.text.clone())
            }
            (Dial::Fraction(share, _), Better::Less) if share.value.up > 0.0 => {
                let value = Availability { up: share.value.up / 2.0, down: 1.0 - share.value.up / 2.0 };
                *share = Share { text: words::percent(value), value };
                Some(share.text.clone())
            }
            (Dial::Length(length, _), Better::More | Better::Less) if length.seconds > 0.0 => {
                let factor = if better == Better::More { 2.0 } else { 0.5 };
                let seconds = length.seconds * factor;
                let text = sim_core::Duration::from_nanos_f64(seconds * 1e9).to_string();
                *length = Length { text, seconds };
                (seconds < LONGEST).then(|| length.text.clone())
            }
            (Dial::Count(count, _), Better::More) => {
                *count = count.checked_add(1)?;
                Some(count.to_string())
            }
            (Dial::Share(..) | Dial::Fraction(..) | Dial::Length(..) | Dial::Count(..), _) => None,
        }
    }
}

/// What has no name is called by its number.
struct Numbers<'n> {
    parts: &'n mut u32,
    groups: &'n mut u32,
}

type Visit<'v> = dyn FnMut(&str, &'static str, Dial<'_>) + 'v;

/// Every figure in a block that stands under a name; none: in the expression.
fn dials(block: &mut Block, whose: &str, numbers: &mut Numbers<'_>, visit: &mut Visit<'_>) {
    match &mut block.kind {
        Kind::Name { .. } => {}
        Kind::Part(part) => {
            let whose = if whose.is_empty() {
                *numbers.parts += 1;
                format!("part {}", numbers.parts)
            } else {
                whose.to_owned()
            };
            part_dials(part, &whose, visit);
        }
        Kind::Series(blocks) | Kind::Parallel(blocks) => {
            blocks.iter_mut().for_each(|block| dials(block, whose, numbers, visit));
        }
        Kind::Copies(one, count) => {
            let own = named_as(one, whose, numbers);
            visit(&own, "in series", Dial::Count(count, Better::Neither));
            dials(one, &own, numbers, visit);
        }
        Kind::Quorum(quorum) => quorum_dials(quorum, whose, numbers, visit),
    }
}

/// What the figures of a group are called: by its only member, if that is a name.
fn named_as(member: &Block, whose: &str, numbers: &mut Numbers<'_>) -> String {
    match &member.kind {
        _ if !whose.is_empty() => whose.to_owned(),
        Kind::Name { name, .. } => name.clone(),
        Kind::Part(_) | Kind::Series(_) | Kind::Parallel(_) | Kind::Copies(..) | Kind::Quorum(_) => {
            *numbers.groups += 1;
            format!("group {}", numbers.groups)
        }
    }
}

fn quorum_dials(quorum: &mut Quorum, whose: &str, numbers: &mut Numbers<'_>, visit: &mut Visit<'_>) {
    let own = match quorum.blocks.as_slice() {
        [member] => named_as(member, whose, numbers),
        _ if whose.is_empty() => {
            *numbers.groups += 1;
            format!("group {}", numbers.groups)
        }
        _ => whose.to_owned(),
    };
    if quorum.blocks.len() == 1 {
        // One more of them is counted among the replicas.
        visit(&own, "replicas", Dial::Count(&mut quorum.of, Better::Neither));
    }
    visit(&own, "needed", Dial::Count(&mut quorum.need, Better::Neither));
    let inside = if quorum.blocks.len() == 1 { own.as_str() } else { whose };
    quorum.blocks.iter_mut().for_each(|block| dials(block, inside, numbers, visit));
    for GroupOption { said, .. } in &mut quorum.options {
        let (what, dial) = match said {
            Said::Beta(share) => ("common cause", Dial::Fraction(share, Better::Less)),
            Said::Crews(crews) => ("repair crews", Dial::Count(crews, Better::More)),
            Said::Standby(Standby::Warm(share)) => ("spares fail at", Dial::Fraction(share, Better::Less)),
            Said::Standby(Standby::Hot | Standby::Cold) => continue,
            Said::Active(active) => ("active", Dial::Count(active, Better::Neither)),
            Said::Detect(length) => ("detect", Dial::Length(length, Better::Less)),
            Said::Failover(length) => ("failover", Dial::Length(length, Better::Less)),
            Said::Coverage(share) => ("coverage", Dial::Share(share, Better::More)),
            Said::Manual(length) => ("manual", Dial::Length(length, Better::Less)),
        };
        visit(&own, what, dial);
    }
}

fn part_dials(part: &mut Part, whose: &str, visit: &mut Visit<'_>) {
    match part {
        Part::Share(share) | Part::Sla(share) => visit(whose, "availability", Dial::Share(share, Better::More)),
        Part::Down(length, _) => visit(whose, "downtime", Dial::Length(length, Better::Less)),
        Part::Repaired(repaired) => {
            let Repaired { mtbf, mttr, fixed, detect, failover, coverage, manual, fails: _, repairs: _ } =
                &mut **repaired;
            visit(whose, "mtbf", Dial::Length(mtbf, Better::More));
            let lengths =
                [("mttr", mttr), ("fixed", fixed), ("detect", detect), ("failover", failover), ("manual", manual)];
            for (what, length) in lengths {
                if let Some(length) = length {
                    visit(whose, what, Dial::Length(length, Better::Less));
                }
            }
            if let Some(coverage) = coverage {
                visit(whose, "coverage", Dial::Share(coverage, Better::More));
            }
        }
        Part::Planned(planned) => {
            let Planned { window, every, drain } = &mut **planned;
            visit(whose, "window", Dial::Length(window, Better::Less));
            visit(whose, "every", Dial::Length(every, Better::More));
            if let Some(drain) = drain {
                visit(whose, "drain", Dial::Length(drain, Better::Less));
            }
        }
    }
}

/// Takes an effect out of a block; whether there was any.
fn strip(block: &mut Block, effect: Effect) -> bool {
    match &mut block.kind {
        Kind::Name { shared, .. } => effect == Effect::Sharing && shared.take().is_some(),
        Kind::Part(_) => false,
        Kind::Series(blocks) | Kind::Parallel(blocks) => strip_all(blocks, effect),
        Kind::Copies(one, _) => strip(one, effect),
        Kind::Quorum(quorum) => {
            let inside = strip_all(&mut quorum.blocks, effect);
            let before = quorum.options.len();
            quorum.options.retain(|option| effect != Effect::CommonCause || !matches!(option.said, Said::Beta(_)));
            inside || quorum.options.len() < before
        }
    }
}

/// Takes an effect out of all of them; whether there was any.
fn strip_all(blocks: &mut [Block], effect: Effect) -> bool {
    let mut any = false;
    for block in blocks {
        any |= strip(block, effect);
    }
    any
}

fn pointed_in(error: &AvailError, block: &Block, names: &Names) -> String {
    match &error.name {
        Some(name) => error.pointed_at(name, names.text(name).unwrap_or_default()).to_string(),
        None => error.pointed_at("expression", &block.to_string()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(text: &str, lets: &[&str]) -> System {
        let mut names = Names::new();
        lets.iter().for_each(|text| names.bind(text).unwrap());
        System::of(Block::parse(text).unwrap(), names)
    }

    fn comes_to(system: &System) -> Availability {
        system.assembly().unwrap().availability()
    }

    fn knobs(system: &System) -> Vec<String> {
        system.knobs().iter().map(|knob| format!("{}={}", knob.name(), knob.value)).collect()
    }

    const LEADER: &str = "2of3(mtbf=30d/mttr=1h, active=1, failover=1800ms)";

    #[test]
    fn every_figure_has_a_knob_of_its_own() {
        assert_eq!(
            knobs(&system(LEADER, &[])),
            [
                "group 1 replicas=3",
                "group 1 needed=2",
                "group 1 mtbf=30d",
                "group 1 mttr=1h",
                "group 1 active=1",
                "group 1 failover=1800ms"
            ]
        );
        let mixed = system("edge * (app | app) * 99% * 95% * (99.9%)^3", &["edge=99.99%", "app=down=4m/month | edge"]);
        assert_eq!(
            knobs(&mixed),
            [
                "part 1 availability=99%",
                "part 2 availability=95%",
                "group 1 in series=3",
                "group 1 availability=99.9%",
                "app downtime=4m",
                "edge availability=99.99%"
            ]
        );
        let twice = system("a", &["a=99% * 98%"]);
        assert_eq!(knobs(&twice), ["a availability=99%", "a (2) availability=98%"]);
    }

    #[test]
    fn every_knob_can_be_turned_to_what_it_is_and_that_changes_nothing() {
        for (text, lets) in [
            (LEADER, &[][..]),
            ("a#1 * 1of2(a#1, b) * (a | b)^2", &["a=mtbf=9d/mttr=1h/failover=1s/coverage=99%/manual=1h", "b=99%"]),
            ("2of3(mtbf=9d/fixed=1h, beta=10%) * 1of2(mtbf=9d/mttr=1h, standby=20%, crews=1)", &[]),
        ] {
            let system = system(text, lets);
            let before = comes_to(&system);
            for knob in system.knobs() {
                let same = system.turned(&knob.name(), &knob.value).unwrap();
                assert_eq!((comes_to(&same), same.knobs()), (before, system.knobs()), "{knob:?}");
            }
        }
    }

    #[test]
    fn what_cannot_stand_so_is_pointed_at() {
        let told = |knob: &str, value: &str| system(LEADER, &[]).turned(knob, value).unwrap_err();
        assert!(told("group 1 needed", "4").contains("4 of 3 cannot be"), "{}", told("group 1 needed", "4"));
        assert!(told("group 1 mttr", "-1h").starts_with("group 1 mttr:1:1: -1h is less than no time"));
        assert!(told("group 1 replicas", "0").contains("no whole number from 1"));
        assert!(told("group 1 mtbf", "0s").contains("no time between failures"));
        assert!(told("db mttr", "1h").contains("no \"db mttr\""));
        // Whatever somebody types, there is a word about it, and its place.
        for text in ["", "NaN", "nan%", "1e400", "1e400h", "inf", "-5", "999999999999999999999999999d", "🦀", "1h 2h"]
        {
            for knob in system(LEADER, &[]).knobs().iter().map(Knob::name) {
                let error = told(&knob, text);
                assert!(error.starts_with(&format!("{knob}:1:1: ")), "{knob} {text:?}: {error}");
            }
        }
        let planned = system("window=2h/every=30d", &[]);
        let error = planned.turned("part 1 every", "1h").unwrap_err();
        assert!(error.contains("the next window comes before this one is over"), "{error}");
    }

    #[test]
    fn knobs_that_need_each_other_turn_together() {
        let three = system(LEADER, &[]);
        assert!(three.turned("group 1 needed", "4").is_err());
        let five = three.turned_all([("group 1 needed", "4"), ("group 1 replicas", "5")]).unwrap();
        assert_eq!(five.block().unwrap().to_string(), LEADER.replace("2of3", "4of5"));
        assert!(five.turned_all([("group 1 needed", "3"), ("group 1 replicas", "2")]).unwrap_err().contains("3 of 2"));
    }

    #[test]
    fn what_is_twice_as_good_is_never_worse() {
        let system = system("edge * 2of3(db, crews=1, active=1, failover=2s)", &["edge=99.99%", "db=mtbf=90d/mttr=4h"]);
        let down = comes_to(&system).down;
        let changes = system.changes(&system.assembly().unwrap());
        let named: Vec<String> =
            changes.iter().map(|it| format!("{}: {} → {}", it.what, it.before, it.after)).collect();
        assert_eq!(named[0], "one more: edge → edge | edge", "{named:#?}");
        assert!(named.contains(&"edge availability: 99.99% → 99.995%".to_owned()), "{named:#?}");
        assert!(named.contains(&"db mttr: 4h → 2h".to_owned()), "{named:#?}");
        assert!(changes.iter().all(|change| change.availability.down <= down * (1.0 + 1e-12)), "{named:#?}");
    }

    /// The figures of a quorum with a leader: 3u²(1 − u) + u³, and 1.8 s for each failure of the leader.
    #[test]
    fn the_formula_becomes_the_whole_as_effects_are_put_back() {
        let year = 365.0 * 86_400.0;
        let told = system(LEADER, &[]).reconciled().unwrap();
        let u = 1.0 / 721.0;
        assert!((told.formula.down / (3.0 * u * u * (1.0 - u) + u * u * u) - 1.0).abs() < 1e-12);
        assert_eq!(told.steps.iter().map(|step| step.effect).collect::<Vec<_>>(), [Effect::Failover]);
        let added = told.added()[0] * year;
        assert!((added / (365.0 / 30.0 * 1.8) - 1.0).abs() < 0.02, "{added}");

        let told = system(
            "(x#1 * a | x#1 * a) * 1of2(b, beta=10%) * 1of2(b, crews=1)",
            &["x=99%", "a=99%", "b=mtbf=9d/mttr=4h"],
        )
        .reconciled()
        .unwrap();
        assert_eq!(
            told.steps.iter().map(|step| step.effect).collect::<Vec<_>>(),
            [Effect::Sharing, Effect::CommonCause, Effect::Crews]
        );
        assert!(told.added().iter().all(|added| *added > 0.0), "each of these makes it worse: {told:?}");
    }

    #[test]
    fn a_diagram_turns_as_an_expression_does() {
        let text = r#"{"let": {"link": "90%"}, "blocks": {"a": "link", "b": "99%"},
            "links": ["in -> a -> out", "in -> b -> out"], "common": [{"blocks": ["a", "a2"], "beta": "10%"}]}"#;
        let text = text
            .replace("\"b\": \"99%\"", "\"b\": \"99%\", \"a2\": \"link\"")
            .replace("\"in -> b", "\"in -> a2 -> out\", \"in -> b");
        let diagram = System::of_file(AvailFile::parse("x.json", &text).unwrap());
        assert_eq!(knobs(&diagram), ["b availability=99%", "link availability=90%"]);
        let better = diagram.turned("link availability", "99%").unwrap();
        assert!(comes_to(&better).down < comes_to(&diagram).down);
        let told = diagram.reconciled().unwrap();
        assert_eq!((told.steps.len(), (told.formula.down / 1e-4 - 1.0).abs() < 1e-12), (1, true), "{told:?}");
    }
}
