//! Faults are data with a beginning and an end, so that they can be written, drawn, shrunk and compared.
//!
//! One grammar serves case files, scenario files, the command line and Rust. Nothing here knows a network or a node: it
//! says what shall happen, by name, and other files carry it out. The verbs stand in one table, [`VERBS`].
//!
//! How time is read:
//! - a fault holds from the beginning of its [`When`] to its end; `for` ends it sooner, and is how long each holds;
//! - with `every`, a length of peace comes first, then one of trouble, and so on inside the [`When`];
//! - with `before`, `after` or `at` a step it does not begin by the clock, but where a program comes to that step inside the
//!   [`When`]; `every` then is the length of peace before it may strike (again);
//! - an instant alone is for what needs no end: `5s clock db step -160ms` sets a clock back for good. What holds for a
//!   while is not such, so `5s crash db` is an error that asks for `5s..` or for a length, `5s crash db for 10s`.

mod error;
mod parse;
mod print;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use error::{FaultError, FaultErrorKind};
pub use table::{TRIGGERS, VERBS, VerbEntry, reference};

pub use crate::amount::{Bandwidth, Factor, Rate, Shift};
use crate::odds::End;
use crate::pattern::{Label, Name, NameRange, Pattern, nearest, service_of};
use crate::ratio::Ratio;
use crate::time::{Duration, Instant};
pub use crate::tripwire::{Passages, Side};

/// One line of a schedule: trouble that holds for some time, or the answer to a single decision.
///
/// It prints as it is written, and is text in JSON. Whoever builds one by hand keeps what the grammar promises (an
/// interval not reversed, `every` with a length): printing and parsing it again is the check.
///
/// ```
/// use sim_core::Fault;
/// let fault: Fault = "1s..4s partition orders | payments db".parse().unwrap();
/// assert_eq!(fault.to_string(), "1s..4s partition orders | payments db");
/// assert!(fault.check_names(&["orders", "payments-1", "payments-2", "db"]).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Trouble with a beginning and an end.
    Timed(Timed),
    /// An answer to one question that the seed would answer otherwise.
    Decision(Decision),
}

/// Trouble that holds for some time, perhaps again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// The window in which it may hold.
    pub when: When,
    /// What it does while it holds.
    pub verb: Verb,
    /// The point of a program at which it strikes, inside the window; without it, it begins by the clock.
    pub trigger: Option<Trigger>,
    /// The length of peace before each time it holds; without it, it holds once, from the beginning of the window.
    pub every: Option<Pace>,
    /// How long it holds each time, at most to the end of the window; without it, to that end.
    pub length: Option<Pace>,
}

/// The point of a program at which a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// On which side of it.
    pub side: Side,
    /// A mark of an actor, or a step of a scenario.
    pub step: Label,
    /// Which passages.
    pub passages: Passages,
}

/// The window of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing is written: from the start of the run, for ever.
    Always,
    /// `5s`: begins there; what holds needs a length, `for 10s`.
    At(Instant),
    /// `10s..`: begins there and never ends.
    From(Instant),
    /// `1s..4s`: holds at the first instant and no more at the second; off when they are equal.
    Between(Instant, Instant),
}

/// A length of time, of peace or of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// `5m`: always that long.
    Exactly(Duration),
    /// `~5m`: drawn each time from an exponential distribution with that mean.
    About(Duration),
}

/// What a fault does while it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `partition a b | c d`: groups do not hear each other; a node in no group keeps its links.
    Partition {
        /// Who does not hear whom.
        sides: Sides,
        /// What becomes of envelopes already on the way between them.
        flight: Flight,
    },
    /// `cut a->b`: nothing sent on the links arrives.
    Cut {
        /// The links, one way unless written `a<->b`.
        link: LinkPattern,
        /// What becomes of envelopes already on the way there.
        flight: Flight,
    },
    /// `loss a->b charge 20%`: each envelope is lost with that chance.
    Loss {
        /// The links it happens on.
        link: LinkPattern,
        /// The kind of message it happens to; all kinds when absent.
        kind: Option<Label>,
        /// The chance.
        ratio: Ratio,
    },
    /// `burst-loss a->b 90% bad ~200ms good ~5s`: each link is good or bad by turns, and loses as it stands.
    BurstLoss {
        /// The links it happens on; each has turns of its own.
        link: LinkPattern,
        /// The kind of message it happens to; all kinds when absent.
        kind: Option<Label>,
        /// The chance while a link is bad.
        ratio: Ratio,
        /// How long it is bad, in the mean.
        bad: Duration,
        /// How long it is good, in the mean.
        good: Duration,
        /// The chance while it is good.
        rest: Ratio,
    },
    /// `delay a->b 10% +200ms ~50ms per 1s`: envelopes take that much longer.
    Delay {
        /// The links it happens on.
        link: LinkPattern,
        /// The kind of message it happens to; all kinds when absent.
        kind: Option<Label>,
        /// The chance of each to take longer; all when nothing is written.
        ratio: Ratio,
        /// How much longer in the middle.
        more: Duration,
        /// How far, uniformly, above and below the middle; below no delay at all counts as none.
        spread: Duration,
        /// One number for each link and stretch of time of that length, from the start of the run on; for each envelope its own
        /// when absent. Above zero.
        per: Option<Duration>,
    },
    /// `duplicate a->b 5% +200ms ~100ms`: each envelope arrives twice with that chance.
    Duplicate {
        /// The links it happens on.
        link: LinkPattern,
        /// The kind of message it happens to; all kinds when absent.
        kind: Option<Label>,
        /// The chance.
        ratio: Ratio,
        /// How much longer the copy takes, beside a latency of its own, in the middle.
        more: Duration,
        /// How far, uniformly, above and below that.
        spread: Duration,
    },
    /// `corrupt a->b 1%`: each envelope is damaged with that chance.
    Corrupt {
        /// The links it happens on.
        link: LinkPattern,
        /// The kind of message it happens to; all kinds when absent.
        kind: Option<Label>,
        /// The chance.
        ratio: Ratio,
    },
    /// `bandwidth a->b 100KB/s queue 20 tail`: envelopes stand in line where they are sent.
    Bandwidth {
        /// The links it happens on; each has a line of its own.
        link: LinkPattern,
        /// How much each carries, at most.
        limit: Bandwidth,
        /// How many may wait for their turn, at most; as the link has it when absent.
        queue: Option<u32>,
        /// Which is dropped when more come; as the link has it when absent.
        full: Option<Full>,
    },
    /// `refuse a->b charge 20%`: envelopes are answered as by a machine on which nothing listens.
    Refuse {
        /// The links it happens on.
        link: LinkPattern,
        /// The kind of message it happens to; all kinds when absent.
        kind: Option<Label>,
        /// The chance.
        ratio: Ratio,
    },
    /// `10s..30s swizzle db*`: the links of each node, in and out, are clogged one node after the other in the first half, and let
    /// go in another order in the second.
    Swizzle {
        /// The nodes.
        nodes: Nodes,
    },
    /// `clog a->b`: envelopes wait on the link; at the end they set off in the order in which they came.
    Clog {
        /// The links it happens on.
        link: LinkPattern,
        /// The kind of message it happens to; all kinds when absent.
        kind: Option<Label>,
        /// Whether those wait too that are on the way when it begins.
        flight: Jam,
    },
    /// `crash db`: the process is gone; it starts again at the end, with what it had written.
    Crash {
        /// The nodes.
        target: Target,
        /// What becomes of what they had written.
        disk: Disk,
    },
    /// `power-loss db`: like a crash, and what was written and not synced is gone.
    PowerLoss {
        /// The nodes.
        target: Target,
    },
    /// `stop db grace 30s`: the process is asked to stop, and killed when it has not by then; it starts again at the end.
    Stop {
        /// The nodes.
        target: Target,
        /// How long it has; as long as the node says, 30 s unless told otherwise, when absent.
        grace: Option<Duration>,
    },
    /// `restart worker every 15s`: replicas are stopped and start again, one after the other.
    Restart {
        /// The nodes.
        target: Target,
    },
    /// `deploy api v2 by 25% every 60s`: the same, and each starts with another program.
    Deploy {
        /// The nodes.
        target: Target,
        /// The name of the program.
        version: Label,
        /// How many at a time, of all of them, rounded up in all; all at once when absent.
        share: Option<Ratio>,
    },
    /// `rollback api`: those that were deployed to start again with the program that they had before.
    Rollback {
        /// The nodes.
        target: Target,
    },
    /// `1m..2m scale worker 3`: so many replicas of a node are there, whatever there were.
    Scale {
        /// The node, with all its replicas.
        target: Target,
        /// How many.
        count: u32,
    },
    /// `rush shopper x3`: a workload asks that many times as often.
    Rush {
        /// The workloads.
        target: Target,
        /// How many times.
        factor: Factor,
    },
    /// `hang payments.charge`: nodes accept what is asked of them and never answer.
    Hang {
        /// The nodes.
        target: Target,
        /// What they are asked: an endpoint, an operation of a store; anything when absent.
        place: Option<Label>,
    },
    /// `fail payments.charge overloaded 5%`: nodes answer what is asked of them with an error.
    Fail {
        /// The nodes.
        target: Target,
        /// What they are asked; anything when absent.
        place: Option<Label>,
        /// The reason they give; theirs to choose when absent, which is `unavailable` in scenarios.
        reason: Option<Label>,
        /// How often.
        ratio: Ratio,
    },
    /// `skew shopper first 90%`: what nodes pick is, with a chance, at an end of what they pick from.
    Skew {
        /// The nodes.
        target: Target,
        /// Which end.
        towards: End,
        /// How often.
        ratio: Ratio,
    },
    /// `buggify slow-path 25% 25%`: places in programs where they may do what is allowed and rare.
    Buggify {
        /// Which places; all when absent.
        sites: Option<Pattern>,
        /// The share of places that are live in a run.
        live: Ratio,
        /// How often a live one does it.
        fires: Ratio,
    },
    /// `pause db`: the process is frozen; what comes to it waits, and is handled at the end in its order.
    Pause {
        /// The nodes.
        target: Target,
        /// Which of its clocks stand still meanwhile.
        stands: Stands,
    },
    /// `slow db x10`: work that begins takes that many times as long.
    Slow {
        /// The nodes.
        target: Target,
        /// How many times as long.
        factor: Factor,
    },
    /// `clock db step -160ms`: the node's clocks are wrong.
    Clock {
        /// The nodes.
        target: Target,
        /// How they are wrong.
        error: ClockError,
    },
    /// `disk db fsync-lies`: the node's disk does not do what it says.
    Disk {
        /// The nodes.
        target: Target,
        /// What is wrong with it.
        ill: DiskIll,
    },
}

/// What is wrong with a node's disk while a fault holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskIll {
    /// `fsync-fails`: a sync that ends in it fails, and makes nothing durable.
    SyncFails,
    /// `fsync-lies`: a sync that ends in it says that all is well, and makes nothing durable.
    SyncLies,
    /// `slow x10`: a sync that begins in it takes that many times as long.
    Slow(Factor),
    /// `stall`: a sync that would end in it ends when the fault does.
    Stall,
    /// `torn-write`: a power loss in it leaves a torn piece of the first record that was not durable: its first half, its last
    /// half, or garbage behind its first half. At one instant, from then on.
    TornWrite,
    /// `bit-rot`: as it begins, one bit of one record turns over, for good. At one instant, then.
    BitRot,
    /// `misdirected`: the next record that is written in it lands in the place of another, for good. At one instant, the next one
    /// from then on.
    Misdirected,
    /// `full`: what is written in it is not stored; the next sync says so.
    Full,
    /// `read-error`: a node that starts in it cannot read its files.
    ReadError,
}

/// How a node's clocks are wrong while a fault holds. Timers follow the monotonic clock, which no step and no freeze moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockError {
    /// `step -160ms`: the wall clock is moved by that much.
    Step(Shift),
    /// `leap +1s`: a leap second: one that is inserted sets the wall clock back by that much, one that is left out forwards.
    Leap(Shift),
    /// `smear +1s`: the same leap, spread evenly over the time that the fault holds; the clock stays where that brings it.
    Smear(Shift),
    /// `discipline ±5ms per 64s`: as it begins, and every so often, the wall clock is set to true time plus an error.
    Discipline {
        /// How far each poll misses true time at most, either way.
        error: Duration,
        /// How long it is from one poll to the next.
        per: Duration,
    },
    /// `drift +80ppm`: both clocks run that much faster. What they have gained by the end stays.
    Drift(Rate),
    /// `freeze`: the wall clock stands still, and shows at the end what it would have shown.
    Freeze,
    /// `strobe +200ms per 10ms`: the wall clock is moved by that much, and back, by turns of that length.
    Strobe {
        /// How far it is moved.
        ahead: Shift,
        /// How long it is moved each time, and how long it is right.
        per: Duration,
    },
}

/// Which envelope is dropped where a line is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Full {
    /// `tail`: the one that comes.
    #[default]
    Tail,
    /// `random`: any of those that wait and the one that comes.
    Random,
}

/// Which envelopes a clog holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jam {
    /// Those that are sent while it holds.
    AtSending,
    /// `holding flight`: also those that are on the way when it begins. They arrive at its end.
    Flight,
}

/// What becomes of envelopes that were on the way when a link was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flight {
    /// They arrive: a link is cut where one sends.
    Arrives,
    /// `cutting flight`: they are lost.
    Cut,
}

/// What a crashed node finds when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// All that it had written.
    Kept,
    /// `wiping disk`: nothing.
    Wiped,
    /// `swapping disks`: what another one that is struck with it had written.
    Swapped,
}

/// Which clocks of a node stand still while it is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stands {
    /// None: what a process finds that was stopped.
    #[default]
    Nothing,
    /// `freezing monotonic`: the one of timers; what a machine finds that slept.
    Monotonic,
    /// `freezing clocks`: that one and the wall clock; what a virtual machine finds that was saved and resumed.
    Both,
}

/// Directed links between the nodes that two patterns cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPattern {
    /// Who sends.
    pub from: Pattern,
    /// Who receives.
    pub to: Pattern,
    /// `a<->b`: also the links the other way.
    pub both: bool,
}

/// Who does not hear whom in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sides {
    /// `a b | c d`: groups.
    Groups(Groups),
    /// `isolate one of kv`: these nodes, together, and all the rest.
    Isolate(Target),
    /// `halves of kv`: two halves of them, drawn anew each time; of an odd number the second is larger by one.
    Halves(Nodes),
    /// `bridge of kv`: two halves, and one node between them that hears both, drawn anew each time.
    Bridge(Nodes),
    /// `ring of kv`: each hears a majority of them, itself included, and no two the same; in an order drawn anew each time.
    Ring(Nodes),
    /// `ring of kv-3 kv-1 kv-2`: the same in that order; three nodes or more, none twice.
    RingOf(Vec<Name>),
}

/// Two groups of nodes or more, no pattern written twice; `*` means all the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups(Vec<Vec<Pattern>>);

/// Which nodes a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `worker`: all of them, together.
    All(Nodes),
    /// `one of worker`: one, drawn anew each time.
    One(Nodes),
    /// `each of s1..s10`: all of them, each with its own dice.
    Each(Nodes),
    /// `any minority of s1..s5`: fewer than half of them, at least one, how many and which drawn anew each time; nobody of two.
    Minority(Nodes),
    /// `the leader`: whoever has that role when it strikes, by their own word; usually one, perhaps nobody.
    The(Label),
    /// `one zone`: all nodes of one zone, drawn anew each time.
    OneZone,
    /// `each zone`: all nodes that are in a zone, each zone with its own dice.
    EachZone,
}

/// Some nodes, by pattern or by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// `worker`, `db*`.
    Like(Pattern),
    /// `s1..s10`, both included.
    Range(NameRange),
    /// `zone eu-1`: all that are in it.
    Zone(Name),
    /// All that are in a zone; of [`Target::OneZone`] and [`Target::EachZone`].
    Zoned,
}

/// The answer to one question of a run, in place of the seed's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// What becomes of one envelope.
    Envelope {
        /// What becomes of it.
        ruling: Ruling,
        /// The link it is sent on.
        link: LinkName,
        /// The kind of its message.
        kind: Label,
        /// Which one of that kind on that link.
        nth: Nth,
    },
    /// What one draw of a node gives.
    Draw {
        /// The node that draws.
        node: Name,
        /// What for: `work`, `wait`, `latency`, or a purpose of the actor's own.
        purpose: Label,
        /// Which one of that purpose on that node.
        nth: Nth,
        /// The answer.
        value: Value,
    },
}

/// What becomes of one envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// `drop`: it is lost.
    Drop,
    /// `late … 1.4s`: it takes that long.
    Late(Duration),
    /// `twice … 12ms`: it arrives, and a copy takes that long.
    Twice(Duration),
    /// `keep`: it arrives, whatever a fault or the seed would have.
    Keep,
    /// `reject`: it comes back unread, as from a machine on which nothing listens.
    Reject,
    /// `alter … 17 3ms`: it is damaged as these random bits say, unseen, and takes that long. On a stream, which would see it, nothing.
    Alter(u64, Duration),
}

/// One directed link between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkName {
    /// Who sends.
    pub from: Name,
    /// Who receives.
    pub to: Name,
}

/// Which one: the n-th, of an operation where there is one. Lost and cut envelopes count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nth {
    /// `order/17`: only what was caused by this operation counts.
    pub operation: Option<OperationName>,
    /// `#2`: the second; they count from 1.
    pub ordinal: NonZeroU64,
}

/// What a client wants done, as people write it: `order/17`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationName {
    /// The class, or the client: `order`.
    pub class: Name,
    /// Its number: 17; at most [`OperationName::LAST`].
    pub number: u64,
}

/// What a draw gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A length of time, for a distribution.
    Length(Duration),
    /// `yes`: the chance comes true.
    Yes,
    /// `no`: it does not.
    No,
    /// A number that is picked.
    Number(u64),
    /// The one that is chosen of several.
    Choice(Name),
}

impl Fault {
    /// Whether it can do nothing: a strength of zero, an empty interval or no length at all.
    ///
    /// Settings make such faults; they are left out without a word, unlike a fault that had no effect.
    pub fn is_off(&self) -> bool {
        match self {
            Fault::Timed(timed) => timed.is_off(),
            Fault::Decision(_) => false,
        }
    }

    /// Whether it may take or change what a node of that name has written, or keep it from being durable.
    pub fn touches_disk_of(&self, node: &str, zone: Option<&str>) -> bool {
        let Fault::Timed(Timed { verb, trigger, .. }) = self else { return false };
        // Where it waits for a sync, there must be one.
        let awaits_sync = trigger.as_ref().is_some_and(|trigger| trigger.step.as_str() == "sync");
        let target = match verb {
            _ if awaits_sync => match verb.target() {
                Some(target) => target,
                None => return !self.is_off(),
            },
            Verb::Crash { target, disk: Disk::Wiped | Disk::Swapped }
            | Verb::PowerLoss { target }
            | Verb::Disk { target, .. } => target,
            Verb::Crash { disk: Disk::Kept, .. }
            | Verb::Pause { .. }
            | Verb::Slow { .. }
            | Verb::Clock { .. }
            | Verb::Partition { .. }
            | Verb::Cut { .. }
            | Verb::Loss { .. }
            | Verb::BurstLoss { .. }
            | Verb::Delay { .. }
            | Verb::Duplicate { .. }
            | Verb::Clog { .. }
            | Verb::Corrupt { .. }
            | Verb::Bandwidth { .. }
            | Verb::Refuse { .. }
            | Verb::Swizzle { .. }
            | Verb::Stop { .. }
            | Verb::Restart { .. }
            | Verb::Deploy { .. }
            | Verb::Rollback { .. }
            | Verb::Scale { .. }
            | Verb::Rush { .. }
            | Verb::Skew { .. }
            | Verb::Hang { .. }
            | Verb::Fail { .. }
            | Verb::Buggify { .. } => return false,
        };
        !self.is_off() && target.nodes().is_none_or(|nodes| nodes.covers(node, zone))
    }

    /// Whether it makes the clocks of nodes differ.
    pub fn sets_clocks_wrong(&self) -> bool {
        match self {
            Fault::Timed(Timed { verb: Verb::Clock { .. }, .. }) => !self.is_off(),
            Fault::Timed(Timed { verb: Verb::Pause { stands, .. }, .. }) => {
                *stands != Stands::Nothing && !self.is_off()
            }
            Fault::Timed(_) | Fault::Decision(_) => false,
        }
    }

    /// Its verb, as [`VERBS`] has it: `loss`, `crash`, `drop`.
    pub fn verb(&self) -> &'static str {
        // Only a time stands before the verb, and no time is a verb.
        let line = self.to_string();
        let verb = line.split(' ').find_map(|word| VERBS.iter().find(|entry| entry.name == word));
        verb.map_or("", |entry| entry.name)
    }

    /// Every node name or pattern it mentions, in the order of writing; a range gives each of its names.
    pub fn names(&self) -> Vec<Pattern> {
        match self {
            Fault::Timed(timed) => timed.verb.names(),
            Fault::Decision(decision) => decision.names(),
        }
    }

    /// Finds a name that none of the known nodes has.
    ///
    /// # Errors
    /// Names the first such name, the nearest known one, and the nodes there are.
    pub fn check_names(&self, known: &[&str]) -> Result<(), FaultError> {
        let names = self.names();
        // So many names as a range has are looked up, not searched for.
        let exact: BTreeSet<&str> = match names.len() {
            0..32 => BTreeSet::new(),
            _ => known.iter().flat_map(|node| std::iter::once(*node).chain(service_of(node))).collect(),
        };
        let covers = |name: &Pattern| known.iter().any(|node| name.covers(node));
        // To compare is quicker than to see whether a pattern fits.
        let is_one = |name: &Pattern| exact.contains(name.as_str()) || known.contains(&name.as_str());
        let is_known = |name: &Pattern| name.is_all() || is_one(name) || covers(name);
        match names.iter().find(|name| !is_known(name)) {
            Some(name) => Err(self.unknown(name, known)),
            None => Ok(()),
        }
    }

    /// Finds a zone that no node is in.
    ///
    /// # Errors
    /// Names the zone, the nearest known one, and the zones there are.
    pub fn check_zones(&self, known: &[&str]) -> Result<(), FaultError> {
        let Fault::Timed(Timed { verb, .. }) = self else { return Ok(()) };
        match verb.nodes() {
            Some(Nodes::Zone(zone)) if !known.contains(&zone.as_str()) => {
                let text = self.to_string();
                let (at, word) = parse::place_of(&text, zone.as_str());
                let message = format!("no zone \"{zone}\"");
                let error = FaultError::new(FaultErrorKind::UnknownNode, &text, at, word, message);
                let zones = if known.is_empty() {
                    "no node is in a zone".to_owned()
                } else {
                    format!("zones are {}", known.join(", "))
                };
                Err(error.suggest(nearest(zone.as_str(), known.iter().copied()).map(str::to_owned)).advise(zones))
            }
            Some(Nodes::Zoned) if known.is_empty() => {
                let text = self.to_string();
                let (at, word) = parse::place_of(&text, "zone");
                let message = "no node is in a zone".to_owned();
                let error = FaultError::new(FaultErrorKind::UnknownNode, &text, at, word, message);
                Err(error.advise("give nodes a \"zone\""))
            }
            Some(Nodes::Zone(_) | Nodes::Zoned | Nodes::Like(_) | Nodes::Range(_)) | None => Ok(()),
        }
    }

    fn unknown(&self, name: &Pattern, known: &[&str]) -> FaultError {
        let text = self.to_string();
        let (at, word) = parse::place_of(&text, name.as_str());
        let message = format!("no node \"{name}\"");
        let error = FaultError::new(FaultErrorKind::UnknownNode, &text, at, word, message);
        error.suggest(nearest(name.as_str(), known.iter().copied()).map(str::to_owned)).advise(listed(known))
    }
}

/// The known nodes in one line that stays readable.
fn listed(known: &[&str]) -> String {
    const SHOWN: usize = 20;
    match known.len() {
        0 => "there are no nodes".to_owned(),
        all if all <= SHOWN => format!("nodes are {}", known.join(", ")),
        all => format!("nodes are {} and {} more", known[..SHOWN].join(", "), all - SHOWN),
    }
}

impl Timed {
    fn is_off(&self) -> bool {
        let never = |trigger: &Trigger| matches!(trigger.passages, Passages::Share(ratio) if ratio.is_zero());
        let empty = self.when.is_empty() || self.length.is_some_and(Pace::is_zero);
        empty || self.verb.has_no_strength() || self.trigger.as_ref().is_some_and(never)
    }
}

impl When {
    /// Whether no instant is inside.
    pub fn is_empty(self) -> bool {
        matches!(self, When::Between(from, to) if from >= to)
    }

    /// The first instant inside.
    pub fn begin(self) -> Instant {
        match self {
            When::Always => Instant::ZERO,
            When::At(from) | When::From(from) | When::Between(from, _) => from,
        }
    }

    /// The first instant no longer inside; `None` when it has no end of its own.
    pub fn end(self) -> Option<Instant> {
        match self {
            When::Always | When::At(_) | When::From(_) => None,
            When::Between(_, to) => Some(to),
        }
    }
}

impl Pace {
    /// The length, or its mean when it is drawn.
    pub fn mean(self) -> Duration {
        match self {
            Pace::Exactly(length) | Pace::About(length) => length,
        }
    }

    fn is_zero(self) -> bool {
        self.mean().is_zero()
    }
}

impl Verb {
    fn has_no_strength(&self) -> bool {
        match self {
            Verb::Loss { ratio, .. }
            | Verb::Duplicate { ratio, .. }
            | Verb::Corrupt { ratio, .. }
            | Verb::Refuse { ratio, .. }
            | Verb::Skew { ratio, .. }
            | Verb::Fail { ratio, .. } => ratio.is_zero(),
            Verb::Delay { ratio, more, spread, .. } => ratio.is_zero() || more.is_zero() && spread.is_zero(),
            Verb::BurstLoss { ratio, bad, rest, .. } => (ratio.is_zero() || bad.is_zero()) && rest.is_zero(),
            Verb::Slow { factor, .. } | Verb::Rush { factor, .. } => *factor == Factor::ONE,
            Verb::Buggify { live, fires, .. } => live.is_zero() || fires.is_zero(),
            Verb::Deploy { share, .. } => share.is_some_and(Ratio::is_zero),
            Verb::Stop { .. } | Verb::Restart { .. } | Verb::Rollback { .. } | Verb::Scale { .. } => false,
            Verb::Clock { error, .. } => error.is_none(),
            Verb::Disk { ill, .. } => *ill == DiskIll::Slow(Factor::ONE),
            Verb::Partition { .. }
            | Verb::Cut { .. }
            | Verb::Clog { .. }
            | Verb::Bandwidth { .. }
            | Verb::Swizzle { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::Hang { .. }
            | Verb::Pause { .. } => false,
        }
    }

    /// Whether it needs no end to make sense at one instant: what it does then, it does for good.
    pub fn is_momentary(&self) -> bool {
        matches!(
            self,
            Verb::Clock { error: ClockError::Step(_) | ClockError::Leap(_), .. }
                | Verb::Scale { .. }
                | Verb::Disk { ill: DiskIll::TornWrite | DiskIll::BitRot | DiskIll::Misdirected, .. }
        )
    }

    /// Whether what it does is spread over the time it holds, which must not be for ever.
    pub(crate) fn needs_an_end(&self) -> bool {
        matches!(self, Verb::Clock { error: ClockError::Smear(_), .. })
    }

    /// Whether it goes from one group of nodes to the next, at the pace of `every`, and lasts with none of them.
    pub fn is_paced(&self) -> bool {
        matches!(self, Verb::Restart { .. } | Verb::Deploy { .. } | Verb::Rollback { .. })
    }

    /// The links it is about, unless it is about nodes or groups.
    pub fn link(&self) -> Option<&LinkPattern> {
        match self {
            Verb::Cut { link, .. }
            | Verb::BurstLoss { link, .. }
            | Verb::Loss { link, .. }
            | Verb::Delay { link, .. }
            | Verb::Duplicate { link, .. }
            | Verb::Corrupt { link, .. }
            | Verb::Bandwidth { link, .. }
            | Verb::Refuse { link, .. }
            | Verb::Clog { link, .. } => Some(link),
            Verb::Partition { .. }
            | Verb::Swizzle { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::Stop { .. }
            | Verb::Restart { .. }
            | Verb::Deploy { .. }
            | Verb::Rollback { .. }
            | Verb::Scale { .. }
            | Verb::Rush { .. }
            | Verb::Skew { .. }
            | Verb::Hang { .. }
            | Verb::Fail { .. }
            | Verb::Buggify { .. }
            | Verb::Pause { .. }
            | Verb::Slow { .. }
            | Verb::Clock { .. }
            | Verb::Disk { .. } => None,
        }
    }

    /// The kind of message it is about, if it is about one.
    pub fn kind(&self) -> Option<&Label> {
        match self {
            Verb::Loss { kind, .. }
            | Verb::BurstLoss { kind, .. }
            | Verb::Delay { kind, .. }
            | Verb::Duplicate { kind, .. }
            | Verb::Corrupt { kind, .. }
            | Verb::Refuse { kind, .. }
            | Verb::Clog { kind, .. } => kind.as_ref(),
            Verb::Hang { place, .. } | Verb::Fail { place, .. } => place.as_ref(),
            Verb::Partition { .. }
            | Verb::Cut { .. }
            | Verb::Bandwidth { .. }
            | Verb::Swizzle { .. }
            | Verb::Crash { .. }
            | Verb::PowerLoss { .. }
            | Verb::Stop { .. }
            | Verb::Restart { .. }
            | Verb::Deploy { .. }
            | Verb::Rollback { .. }
            | Verb::Scale { .. }
            | Verb::Rush { .. }
            | Verb::Skew { .. }
            | Verb::Buggify { .. }
            | Verb::Pause { .. }
            | Verb::Slow { .. }
            | Verb::Clock { .. }
            | Verb::Disk { .. } => None,
        }
    }

    /// The nodes it strikes, unless it is about the network.
    pub fn target(&self) -> Option<&Target> {
        match self {
            Verb::Crash { target, .. }
            | Verb::PowerLoss { target }
            | Verb::Stop { target, .. }
            | Verb::Restart { target }
            | Verb::Deploy { target, .. }
            | Verb::Rollback { target }
            | Verb::Scale { target, .. }
            | Verb::Rush { target, .. }
            | Verb::Skew { target, .. }
            | Verb::Hang { target, .. }
            | Verb::Fail { target, .. }
            | Verb::Pause { target, .. }
            | Verb::Slow { target, .. }
            | Verb::Clock { target, .. }
            | Verb::Disk { target, .. } => Some(target),
            Verb::Partition { .. }
            | Verb::Cut { .. }
            | Verb::Loss { .. }
            | Verb::BurstLoss { .. }
            | Verb::Delay { .. }
            | Verb::Duplicate { .. }
            | Verb::Corrupt { .. }
            | Verb::Bandwidth { .. }
            | Verb::Refuse { .. }
            | Verb::Swizzle { .. }
            | Verb::Buggify { .. }
            | Verb::Clog { .. } => None,
        }
    }

    /// The nodes among which it strikes or which it parts, unless it names links or groups.
    fn nodes(&self) -> Option<&Nodes> {
        match self {
            Verb::Partition { sides: Sides::Isolate(target), .. } => target.nodes(),
            Verb::Partition { sides: Sides::Halves(nodes) | Sides::Bridge(nodes) | Sides::Ring(nodes), .. } => {
                Some(nodes)
            }
            Verb::Partition { sides: Sides::Groups(_) | Sides::RingOf(_), .. } => None,
            _ => self.target().and_then(Target::nodes),
        }
    }

    /// The same trouble with other nodes; itself when it is about the network.
    #[must_use]
    pub fn aimed(mut self, at: Target) -> Verb {
        match &mut self {
            Verb::Crash { target, .. }
            | Verb::PowerLoss { target }
            | Verb::Stop { target, .. }
            | Verb::Restart { target }
            | Verb::Deploy { target, .. }
            | Verb::Rollback { target }
            | Verb::Scale { target, .. }
            | Verb::Rush { target, .. }
            | Verb::Skew { target, .. }
            | Verb::Hang { target, .. }
            | Verb::Fail { target, .. }
            | Verb::Pause { target, .. }
            | Verb::Slow { target, .. }
            | Verb::Clock { target, .. }
            | Verb::Disk { target, .. } => *target = at,
            Verb::Partition { .. }
            | Verb::Cut { .. }
            | Verb::Loss { .. }
            | Verb::BurstLoss { .. }
            | Verb::Delay { .. }
            | Verb::Duplicate { .. }
            | Verb::Corrupt { .. }
            | Verb::Bandwidth { .. }
            | Verb::Refuse { .. }
            | Verb::Swizzle { .. }
            | Verb::Buggify { .. }
            | Verb::Clog { .. } => {}
        }
        self
    }

    fn names(&self) -> Vec<Pattern> {
        if let Verb::Partition { sides, .. } = self {
            return sides.names();
        }
        if let Verb::Swizzle { nodes } = self {
            return nodes.names();
        }
        let ends = self.link().map(|link| vec![link.from.clone(), link.to.clone()]);
        ends.or_else(|| self.target().map(Target::names)).unwrap_or_default()
    }
}

impl Sides {
    fn names(&self) -> Vec<Pattern> {
        match self {
            Sides::Groups(groups) => groups.iter().flatten().cloned().collect(),
            Sides::Isolate(target) => target.names(),
            Sides::Halves(nodes) | Sides::Bridge(nodes) | Sides::Ring(nodes) => nodes.names(),
            Sides::RingOf(names) => names.iter().cloned().map(Pattern::from).collect(),
        }
    }

    /// Whether dice say who is on which side.
    pub fn is_drawn(&self) -> bool {
        match self {
            Sides::Groups(_) | Sides::RingOf(_) => false,
            Sides::Isolate(target) => target.is_drawn(),
            Sides::Halves(_) | Sides::Bridge(_) | Sides::Ring(_) => true,
        }
    }

    /// What was drawn, written down, of the nodes that were drawn in this order; `None` when they are too few to be parted.
    pub fn settled(&self, drawn: &[Name]) -> Option<Sides> {
        let group = |names: &[Name]| names.iter().cloned().map(Pattern::from).collect::<Vec<_>>();
        let halves = |names: &[Name]| {
            let (first, second) = names.split_at(names.len() / 2);
            Groups::new(vec![group(first), group(second)]).map(Sides::Groups)
        };
        match self {
            Sides::Groups(_) | Sides::RingOf(_) => Some(self.clone()),
            Sides::Isolate(_) => Groups::new(vec![group(drawn), vec!["*".parse().ok()?]]).map(Sides::Groups),
            Sides::Halves(_) => halves(drawn),
            Sides::Bridge(_) => halves(drawn.get(1..)?),
            Sides::Ring(_) => (drawn.len() >= Sides::LEAST_RING).then(|| Sides::RingOf(drawn.to_vec())),
        }
    }

    /// Fewer nodes make no ring.
    pub(crate) const LEAST_RING: usize = 3;
}

/// The share of places that are live, and how often a live one fires, unless a line says otherwise: FoundationDB's.
pub(crate) const BUGGIFY: Ratio = Ratio::new(1, 4).expect("one of four");

impl ClockError {
    fn is_none(self) -> bool {
        match self {
            ClockError::Step(ahead) | ClockError::Leap(ahead) | ClockError::Smear(ahead) => ahead.is_zero(),
            ClockError::Discipline { per, .. } => per.is_zero(),
            ClockError::Drift(rate) => rate.is_zero(),
            ClockError::Freeze => false,
            ClockError::Strobe { ahead, per } => ahead.is_zero() || per.is_zero(),
        }
    }
}

impl Decision {
    fn names(&self) -> Vec<Pattern> {
        match self {
            Decision::Envelope { link, .. } => vec![link.from.clone().into(), link.to.clone().into()],
            Decision::Draw { node, .. } => vec![node.clone().into()],
        }
    }
}

impl OperationName {
    /// The largest number; a run keeps class and number in 64 bits.
    pub const LAST: u64 = (1 << 48) - 1;
}

impl LinkPattern {
    /// Whether the link between the two nodes is one of these.
    pub fn covers(&self, from: &str, to: &str) -> bool {
        let one_way = |from, to| self.from.covers(from) && self.to.covers(to);
        one_way(from, to) || self.both && one_way(to, from)
    }
}

impl Groups {
    /// Two groups or more; `None` when there are fewer, one is empty, or a pattern stands twice.
    pub fn new(groups: Vec<Vec<Pattern>>) -> Option<Groups> {
        let mut seen: Vec<&Pattern> = groups.iter().flatten().collect();
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        let sound = groups.len() >= 2 && groups.iter().all(|group| !group.is_empty()) && seen.len() == all;
        sound.then_some(Groups(groups))
    }

    /// The groups, in the order of writing.
    pub fn iter(&self) -> impl Iterator<Item = &Vec<Pattern>> {
        self.0.iter()
    }

    /// The group a node belongs to, by its place; `None` when it keeps its links.
    ///
    /// A `*` has only whom no other pattern covers; of two other patterns the first has the node.
    pub fn group_of(&self, name: &str) -> Option<usize> {
        let named = |pattern: &Pattern| !pattern.is_all() && pattern.covers(name);
        let place = |wanted: &dyn Fn(&Pattern) -> bool| self.0.iter().position(|group| group.iter().any(wanted));
        place(&named).or_else(|| place(&Pattern::is_all))
    }
}

impl Target {
    /// Whether it takes a run to say whom it strikes.
    pub fn is_drawn(&self) -> bool {
        matches!(self, Target::One(_) | Target::Minority(_) | Target::The(_) | Target::OneZone)
    }

    /// The nodes among which it strikes; none when it strikes by role.
    pub fn nodes(&self) -> Option<&Nodes> {
        match self {
            Target::All(nodes) | Target::One(nodes) | Target::Each(nodes) | Target::Minority(nodes) => Some(nodes),
            Target::OneZone | Target::EachZone => Some(&ZONED),
            Target::The(_) => None,
        }
    }

    fn names(&self) -> Vec<Pattern> {
        self.nodes().map(Nodes::names).unwrap_or_default()
    }
}

static ZONED: Nodes = Nodes::Zoned;

impl Nodes {
    /// Whether a node of that name and in that zone is one of them.
    pub fn covers(&self, name: &str, zone: Option<&str>) -> bool {
        match self {
            Nodes::Zone(wanted) => zone == Some(wanted.as_str()),
            Nodes::Zoned => zone.is_some(),
            Nodes::Like(pattern) => pattern.covers(name),
            Nodes::Range(range) => range.covers(name),
        }
    }

    fn names(&self) -> Vec<Pattern> {
        match self {
            Nodes::Like(pattern) => vec![pattern.clone()],
            Nodes::Range(range) => range.names().map(Pattern::from).collect(),
            Nodes::Zone(_) | Nodes::Zoned => Vec::new(),
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}
