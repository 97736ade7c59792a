//! An expression of availability as a tree: blocks in series and in parallel, quorums, and the components they are made
//! of.

use std::fmt;

use super::Availability;
use super::life::{Phases, Shape};
use super::up::Period;
use crate::problem::Span;

/// A block, and where in the text it stands. It prints as a text that reads back as the same block.
///
/// ```
/// use sim_models::avail::Block;
/// let block = Block::parse("edge*(app|app) * 2of3( db,crews=1)").unwrap();
/// assert_eq!(block.to_string(), "edge * (app | app) * 2of3(db, crews=1)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a block can be.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A name that means another block. Each mention is one more, independent of the others, unless it is numbered: all
    /// mentions of `auth#1` are one and the same.
    Name {
        /// The name.
        name: String,
        /// The number behind `#`.
        shared: Option<u32>,
    },
    /// A component by its figures.
    Part(Part),
    /// All are needed; at least two.
    Series(Vec<Block>),
    /// One of them is enough; at least two.
    Parallel(Vec<Block>),
    /// So many independent ones, all needed.
    Copies(Box<Block>, u32),
    /// So many of a group are needed.
    Quorum(Quorum),
}

/// A group of which some are needed.
#[derive(Clone, Debug, PartialEq)]
pub struct Quorum {
    /// How many are needed, at least one.
    pub need: u32,
    /// How many there are.
    pub of: u32,
    /// One block, of which there are `of` independent ones; or all of them.
    pub blocks: Vec<Block>,
    /// What makes the group more than independent blocks, as it was written.
    pub options: Vec<GroupOption>,
}

/// One of the things that can be said of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupOption {
    /// Where it stands.
    pub span: Span,
    /// What is said.
    pub said: Said,
}

/// What can be said of a group.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// That share of each one's failures strikes all at once (Fleming's beta factor).
    Beta(Share),
    /// So many can be repaired at a time.
    Crews(u32),
    /// How spares age before they are needed.
    Standby(Standby),
    /// So many do the work at a time; only the failure of such a one needs a failover.
    Active(u32),
    /// The time until a failure is seen.
    Detect(Length),
    /// The time until another has taken over.
    Failover(Length),
    /// The share of failovers that succeed by themselves.
    Coverage(Share),
    /// The time until somebody has repaired a failover that did not succeed.
    Manual(Length),
}

/// How spares age before they are needed.
#[derive(Clone, Debug, PartialEq)]
pub enum Standby {
    /// As those that work.
    Hot,
    /// Not at all.
    Cold,
    /// At that share of the failure rate of those that work.
    Warm(Share),
}

/// A component by its figures.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// The share of time that it is up: `99.9%`, `999/1000`, `0.999`.
    Share(Share),
    /// What an agreement promises: `sla=99.9%`.
    Sla(Share),
    /// How long it is down in a period: `down=4m/month`.
    Down(Length, Period),
    /// How it fails and comes back: `mtbf=720h/mttr=1h`.
    Repaired(Box<Repaired>),
    /// When it is taken down on purpose: `window=2h/every=30d`.
    Planned(Box<Planned>),
}

/// Maintenance: a window that comes again and again, as long each time. When the first one comes is not known and equally
/// likely at any moment of a period, independently of everything else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// How long it is down.
    pub window: Length,
    /// How long it is from the beginning of one window to that of the next.
    pub every: Length,
    /// How long before a window nothing new is let in, so that what is under way ends; nothing unless said, and then a
    /// window cuts it off.
    pub drain: Option<Length>,
}

impl Planned {
    /// How long it takes nothing new each time, in seconds: while it drains, and during the window.
    pub fn out(&self) -> f64 {
        self.window.seconds + self.drain.as_ref().map_or(0.0, Length::seconds)
    }
}

/// A component that fails and comes back. The length of an outage is the sum of what is said of it: detection,
/// failover, repair, and, in that share of outages that no failover ends, the work of hands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repaired {
    /// The mean time from the end of an outage to the next failure. Vendors call it MTBF, textbooks MTTF.
    pub mtbf: Length,
    /// The mean time of a repair.
    pub mttr: Option<Length>,
    /// How times between failures are spread; exponentially unless said: `fails=weibull:0.7`.
    pub fails: Option<Spread>,
    /// How outages are spread; exponentially unless said: `repairs=lognormal:1.5`, or as observed,
    /// `repairs=10m:30m:4h`.
    pub repairs: Option<Spread>,
    /// The time that every repair takes, when all take the same; instead of `mttr`.
    pub fixed: Option<Length>,
    /// The time until a failure is seen.
    pub detect: Option<Length>,
    /// The time until another has taken over.
    pub failover: Option<Length>,
    /// The share of failovers that succeed by themselves; all, unless said.
    pub coverage: Option<Share>,
    /// What is added when one does not.
    pub manual: Option<Length>,
}

/// A share as it was written, and what it comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    pub(super) text: String,
    pub(super) value: Availability,
}

/// A law of lengths as it was written, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    pub(super) text: String,
    pub(super) shape: Shape,
}

/// A length of time as it was written, and its seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Length {
    pub(super) text: String,
    pub(super) seconds: f64,
}

impl Share {
    /// The share, and what is missing to all.
    pub fn value(&self) -> Availability {
        self.value
    }
}

impl Spread {
    /// The law, its mean aside.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The mean of lengths that were observed; of a law, none.
    fn mean(&self) -> Option<f64> {
        match &self.shape {
            Shape::Observed(lengths) => Some(lengths.iter().sum::<f64>() / lengths.len() as f64),
            Shape::Exponential | Shape::Fixed | Shape::Weibull(_) | Shape::LogNormal(_) | Shape::Phases(_) => None,
        }
    }
}

impl Length {
    /// How long it is.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

impl Repaired {
    /// What an outage is made of, when it is more than one memoryless thing.
    pub fn phases(&self) -> Option<Phases> {
        if self.fixed.is_some() || self.repairs.is_some() || self.outage().is_none() {
            return None;
        }
        let seconds = |length: &Option<Length>| length.as_ref().map_or(0.0, Length::seconds);
        let phases = Phases {
            each: [seconds(&self.detect), seconds(&self.failover), seconds(&self.mttr)],
            missed: self.coverage.as_ref().map_or(0.0, |coverage| coverage.value.down),
            manual: seconds(&self.manual),
        };
        phases.are_several().then_some(phases)
    }

    /// The mean length of an outage in seconds; `None` when it never ends by itself.
    pub fn outage(&self) -> Option<f64> {
        let seconds = |length: &Option<Length>| length.as_ref().map(Length::seconds);
        let missed = self.coverage.as_ref().map_or(0.0, |coverage| coverage.value.down);
        let ends = [seconds(&self.mttr), seconds(&self.failover)];
        let observed = self.repairs.as_ref().and_then(Spread::mean);
        if let Some(whole) = seconds(&self.fixed).or(observed) {
            return Some(whole);
        }
        if ends.iter().all(Option::is_none) {
            return None;
        }
        let always: f64 = ends.into_iter().chain([seconds(&self.detect)]).flatten().sum();
        Some(always + missed * seconds(&self.manual).unwrap_or_default())
    }
}

impl Block {
    /// How tightly it holds together when written: 0 parallel, 1 series, 2 all else.
    fn grip(&self) -> u8 {
        match &self.kind {
            Kind::Parallel(_) => 0,
            Kind::Series(_) => 1,
            Kind::Name { .. } | Kind::Part(_) | Kind::Copies(..) | Kind::Quorum(_) => 2,
        }
    }

    fn write_inside(&self, out: &mut fmt::Formatter<'_>, grip: u8) -> fmt::Result {
        if self.grip() < grip { write!(out, "({self})") } else { write!(out, "{self}") }
    }
}

fn write_all(out: &mut fmt::Formatter<'_>, blocks: &[Block], between: &str, grip: u8) -> fmt::Result {
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            out.write_str(between)?;
        }
        block.write_inside(out, grip)?;
    }
    Ok(())
}

impl fmt::Display for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Name { name, shared: None } => out.write_str(name),
            Kind::Name { name, shared: Some(number) } => write!(out, "{name}#{number}"),
            Kind::Part(part) => write!(out, "{part}"),
            Kind::Series(blocks) => write_all(out, blocks, " * ", 2),
            Kind::Parallel(blocks) => write_all(out, blocks, " | ", 1),
            Kind::Copies(block, count) => match block.kind {
                // A power of a power needs its parentheses.
                Kind::Copies(..) => write!(out, "({block})^{count}"),
                _ => block.write_inside(out, 2).and_then(|()| write!(out, "^{count}")),
            },
            Kind::Quorum(quorum) => write!(out, "{quorum}"),
        }
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}of{}(", self.need, self.of)?;
        write_all(out, &self.blocks, ", ", 0)?;
        for option in &self.options {
            write!(out, ", {}", option.said)?;
        }
        out.write_str(")")
    }
}

impl fmt::Display for Said {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Beta(share) => write!(out, "beta={}", share.text),
            Said::Crews(crews) => write!(out, "crews={crews}"),
            Said::Standby(Standby::Hot) => out.write_str("standby=hot"),
            Said::Standby(Standby::Cold) => out.write_str("standby=cold"),
            Said::Standby(Standby::Warm(share)) => write!(out, "standby={}", share.text),
            Said::Active(count) => write!(out, "active={count}"),
            Said::Detect(length) => write!(out, "detect={}", length.text),
            Said::Failover(length) => write!(out, "failover={}", length.text),
            Said::Coverage(share) => write!(out, "coverage={}", share.text),
            Said::Manual(length) => write!(out, "manual={}", length.text),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Share(share) => out.write_str(&share.text),
            Part::Sla(share) => write!(out, "sla={}", share.text),
            Part::Down(length, period) => write!(out, "down={}/{}", length.text, period.name()),
            Part::Repaired(repaired) => write!(out, "{repaired}"),
            Part::Planned(planned) => write!(out, "{planned}"),
        }
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "window={}/every={}", self.window.text, self.every.text)?;
        self.drain.as_ref().map_or(Ok(()), |drain| write!(out, "/drain={}", drain.text))
    }
}

impl fmt::Display for Repaired {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "mtbf={}", self.mtbf.text)?;
        let coverage = self.coverage.as_ref().map(|share| &share.text);
        let length = |length: &'_ Option<Length>| length.as_ref().map(|length| length.text.clone());
        let spread = |spread: &Option<Spread>| spread.as_ref().map(|spread| spread.text.clone());
        let said = [
            ("mttr", length(&self.mttr)),
            ("fixed", length(&self.fixed)),
            ("detect", length(&self.detect)),
            ("failover", length(&self.failover)),
            ("coverage", coverage.cloned()),
            ("manual", length(&self.manual)),
            ("fails", spread(&self.fails)),
            ("repairs", spread(&self.repairs)),
        ];
        said.iter()
            .filter_map(|(key, text)| Some((key, text.as_ref()?)))
            .try_for_each(|(key, text)| write!(out, "/{key}={text}"))
    }
}
