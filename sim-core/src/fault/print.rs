//! A fault prints as it would be written, so that a report can be pasted back as a schedule.

use std::fmt::{Display, Formatter, Result};

use super::{
    BUGGIFY, ClockError, Decision, Disk, DiskIll, Fault, Flight, Full, Groups, Jam, LinkName, LinkPattern, Nodes, Nth,
    OperationName, Pace, Passages, Ruling, Side, Sides, Stands, Target, Timed, Trigger, Value, Verb, When,
};
use crate::odds::End;
use crate::pattern::{Label, Pattern};
use crate::ratio::Ratio;
use crate::time::Duration;

impl Display for Fault {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Fault::Timed(timed) => timed.fmt(out),
            Fault::Decision(decision) => decision.fmt(out),
        }
    }
}

impl Display for Timed {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        if self.when != When::Always {
            write!(out, "{} ", self.when)?;
        }
        self.verb.fmt(out)?;
        optional(out, " ", self.trigger.as_ref())?;
        optional(out, " every ", self.every.as_ref())?;
        optional(out, " for ", self.length.as_ref())
    }
}

impl Display for Trigger {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
            Side::At => "at",
        };
        write!(out, "{side} {}", self.step)?;
        match &self.passages {
            Passages::Every => Ok(()),
            Passages::Nth(all) => all.iter().try_for_each(|nth| write!(out, " #{nth}")),
            Passages::Share(ratio) => write!(out, " {ratio}"),
        }
    }
}

/// Writes a clause that may be absent.
fn optional(out: &mut Formatter<'_>, before: &str, clause: Option<&impl Display>) -> Result {
    clause.map_or(Ok(()), |clause| write!(out, "{before}{clause}"))
}

impl Display for When {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            When::Always => Ok(()),
            When::At(instant) => instant.fmt(out),
            When::From(from) => write!(out, "{from}.."),
            When::Between(from, to) => write!(out, "{from}..{to}"),
        }
    }
}

impl Display for Pace {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Pace::Exactly(length) => length.fmt(out),
            Pace::About(mean) => write!(out, "~{mean}"),
        }
    }
}

impl Display for Verb {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Verb::Partition { sides, flight } => write!(out, "partition {sides}{}", flight.clause()),
            Verb::Cut { link, flight } => write!(out, "cut {link}{}", flight.clause()),
            Verb::Loss { link, kind, ratio } => envelopes(out, "loss", link, kind.as_ref(), ratio),
            Verb::BurstLoss { link, kind, ratio, bad, good, rest } => {
                envelopes(out, "burst-loss", link, kind.as_ref(), &format_args!("{ratio} bad ~{bad} good ~{good}"))?;
                optional(out, " ", Some(rest).filter(|rest| !rest.is_zero()))
            }
            Verb::Delay { link, kind, ratio, more, spread, per } => {
                match *ratio == Ratio::ONE {
                    true => envelopes(out, "delay", link, kind.as_ref(), &format_args!("+{more}"))?,
                    false => envelopes(out, "delay", link, kind.as_ref(), &format_args!("{ratio} +{more}"))?,
                }
                optional(out, " ~", Some(spread).filter(|spread| !spread.is_zero()))?;
                optional(out, " per ", per.as_ref())
            }
            Verb::Duplicate { link, kind, ratio, more, spread } => {
                let is_later = !more.is_zero() || !spread.is_zero();
                envelopes(out, "duplicate", link, kind.as_ref(), ratio)?;
                optional(out, " +", Some(more).filter(|_| is_later))?;
                optional(out, " ~", Some(spread).filter(|spread| !spread.is_zero()))
            }
            Verb::Corrupt { link, kind, ratio } => envelopes(out, "corrupt", link, kind.as_ref(), ratio),
            Verb::Bandwidth { link, limit, queue, full } => {
                write!(out, "bandwidth {link} {limit}")?;
                optional(out, " queue ", queue.as_ref())?;
                optional(out, " ", full.as_ref())
            }
            Verb::Refuse { link, kind, ratio } if *ratio == Ratio::ONE => {
                write!(out, "refuse {link}")?;
                optional(out, " ", kind.as_ref())
            }
            Verb::Refuse { link, kind, ratio } => envelopes(out, "refuse", link, kind.as_ref(), ratio),
            Verb::Swizzle { nodes } => write!(out, "swizzle {nodes}"),
            Verb::Crash { target, disk } => write!(out, "crash {target}{}", disk.clause()),
            Verb::PowerLoss { target } => write!(out, "power-loss {target}"),
            Verb::Stop { target, grace } => {
                write!(out, "stop {target}")?;
                optional(out, " grace ", grace.as_ref())
            }
            Verb::Restart { target } => write!(out, "restart {target}"),
            Verb::Deploy { target, version, share } => {
                write!(out, "deploy {target} {version}")?;
                optional(out, " by ", share.as_ref())
            }
            Verb::Rollback { target } => write!(out, "rollback {target}"),
            Verb::Scale { target, count } => write!(out, "scale {target} {count}"),
            Verb::Rush { target, factor } => write!(out, "rush {target} {factor}"),
            Verb::Hang { target, place } => {
                write!(out, "hang ")?;
                asked(out, target, place.as_ref())
            }
            Verb::Fail { target, place, reason, ratio } => {
                write!(out, "fail ")?;
                asked(out, target, place.as_ref())?;
                if let Some(reason) = reason {
                    write!(out, " {reason}")?;
                }
                if *ratio == Ratio::ONE { Ok(()) } else { write!(out, " {ratio}") }
            }
            Verb::Skew { target, towards, ratio } => {
                let towards = match towards {
                    End::First => "first",
                    End::Last => "last",
                    End::Ends => "ends",
                };
                write!(out, "skew {target} {towards} {ratio}")
            }
            Verb::Buggify { sites, live, fires } => {
                out.write_str("buggify")?;
                optional(out, " ", sites.as_ref())?;
                let says = [Some(live), Some(fires)].map(|it| it.filter(|_| *live != BUGGIFY || *fires != BUGGIFY));
                optional(out, " ", says[0])?;
                optional(out, " ", says[1].filter(|fires| **fires != BUGGIFY))
            }
            Verb::Pause { target, stands } => {
                write!(out, "pause {target}")?;
                match stands {
                    Stands::Nothing => Ok(()),
                    Stands::Monotonic => out.write_str(" freezing monotonic"),
                    Stands::Both => out.write_str(" freezing clocks"),
                }
            }
            Verb::Slow { target, factor } => write!(out, "slow {target} {factor}"),
            Verb::Clock { target, error } => write!(out, "clock {target} {error}"),
            Verb::Disk { target, ill } => write!(out, "disk {target} {ill}"),
            Verb::Clog { link, kind, flight } => {
                write!(out, "clog {link}")?;
                optional(out, " ", kind.as_ref())?;
                out.write_str(flight.clause())
            }
        }
    }
}

impl Display for Full {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        out.write_str(match self {
            Full::Tail => "tail",
            Full::Random => "random",
        })
    }
}

impl Display for ClockError {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            ClockError::Step(ahead) => write!(out, "step {ahead}"),
            ClockError::Leap(length) => write!(out, "leap {length}"),
            ClockError::Smear(length) => write!(out, "smear {length}"),
            ClockError::Discipline { error, per } => write!(out, "discipline ±{error} per {per}"),
            ClockError::Drift(rate) => write!(out, "drift {rate}"),
            ClockError::Freeze => out.write_str("freeze"),
            ClockError::Strobe { ahead, per } => write!(out, "strobe {ahead} per {per}"),
        }
    }
}

impl Display for DiskIll {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            DiskIll::SyncFails => out.write_str("fsync-fails"),
            DiskIll::SyncLies => out.write_str("fsync-lies"),
            DiskIll::Slow(factor) => write!(out, "slow {factor}"),
            DiskIll::Stall => out.write_str("stall"),
            DiskIll::TornWrite => out.write_str("torn-write"),
            DiskIll::BitRot => out.write_str("bit-rot"),
            DiskIll::Misdirected => out.write_str("misdirected"),
            DiskIll::Full => out.write_str("full"),
            DiskIll::ReadError => out.write_str("read-error"),
        }
    }
}

impl Jam {
    fn clause(self) -> &'static str {
        match self {
            Jam::AtSending => "",
            Jam::Flight => " holding flight",
        }
    }
}

/// Writes a verb about the envelopes on some links, perhaps of one kind.
fn envelopes(
    out: &mut Formatter<'_>,
    verb: &str,
    link: &LinkPattern,
    kind: Option<&Label>,
    strength: &impl Display,
) -> Result {
    write!(out, "{verb} {link}")?;
    optional(out, " ", kind)?;
    write!(out, " {strength}")
}

impl Flight {
    fn clause(self) -> &'static str {
        match self {
            Flight::Arrives => "",
            Flight::Cut => " cutting flight",
        }
    }
}

impl Disk {
    fn clause(self) -> &'static str {
        match self {
            Disk::Kept => "",
            Disk::Wiped => " wiping disk",
            Disk::Swapped => " swapping disks",
        }
    }
}

impl Display for LinkPattern {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{}{}{}", self.from, if self.both { "<->" } else { "->" }, self.to)
    }
}

impl Display for Groups {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let group = |group: &Vec<Pattern>| group.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" ");
        out.write_str(&self.iter().map(group).collect::<Vec<_>>().join(" | "))
    }
}

impl Display for Sides {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Sides::Groups(groups) => groups.fmt(out),
            Sides::Isolate(target) => write!(out, "isolate {target}"),
            Sides::Halves(nodes) => write!(out, "halves of {nodes}"),
            Sides::Bridge(nodes) => write!(out, "bridge of {nodes}"),
            Sides::Ring(nodes) => write!(out, "ring of {nodes}"),
            Sides::RingOf(names) => {
                out.write_str("ring of")?;
                names.iter().try_for_each(|name| write!(out, " {name}"))
            }
        }
    }
}

impl Display for Target {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Target::All(nodes) => nodes.fmt(out),
            Target::One(nodes) => write!(out, "one of {nodes}"),
            Target::Each(nodes) => write!(out, "each of {nodes}"),
            Target::OneZone => out.write_str("one zone"),
            Target::EachZone => out.write_str("each zone"),
            Target::Minority(nodes) => write!(out, "any minority of {nodes}"),
            Target::The(role) => write!(out, "the {role}"),
        }
    }
}

impl Display for Nodes {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Nodes::Like(pattern) => pattern.fmt(out),
            Nodes::Range(range) => range.fmt(out),
            Nodes::Zone(zone) => write!(out, "zone {zone}"),
            Nodes::Zoned => out.write_str("zone"),
        }
    }
}

impl Display for Decision {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Decision::Envelope { ruling, link, kind, nth } => {
                let (verb, bits, length) = ruling.words();
                write!(out, "{verb} {link} {kind} {nth}")?;
                optional(out, " ", bits.as_ref())?;
                optional(out, " ", length.as_ref())
            }
            Decision::Draw { node, purpose, nth, value } => write!(out, "draw {node} {purpose} {nth} {value}"),
        }
    }
}

impl Ruling {
    fn words(self) -> (&'static str, Option<u64>, Option<Duration>) {
        match self {
            Ruling::Drop => ("drop", None, None),
            Ruling::Late(length) => ("late", None, Some(length)),
            Ruling::Twice(length) => ("twice", None, Some(length)),
            Ruling::Keep => ("keep", None, None),
            Ruling::Reject => ("reject", None, None),
            Ruling::Alter(bits, length) => ("alter", Some(bits), Some(length)),
        }
    }
}

impl Display for LinkName {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{}->{}", self.from, self.to)
    }
}

impl Display for Nth {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        optional(out, "", self.operation.as_ref())?;
        write!(out, "{}#{}", if self.operation.is_some() { " " } else { "" }, self.ordinal)
    }
}

impl Display for OperationName {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{}/{}", self.class, self.number)
    }
}

impl Display for Value {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Value::Length(length) => length.fmt(out),
            Value::Yes => out.write_str("yes"),
            Value::No => out.write_str("no"),
            Value::Number(number) => write!(out, "{number}"),
            Value::Choice(name) => name.fmt(out),
        }
    }
}

/// A target, and what it is asked behind it: `payments.charge`. A name with a point in it needs a `.*` where it is anything.
fn asked(out: &mut Formatter<'_>, target: &Target, place: Option<&Label>) -> Result {
    let target = target.to_string();
    let last = target.rsplit([' ', '>']).next().unwrap_or_default().rsplit("..").next().unwrap_or_default();
    match place {
        Some(place) => write!(out, "{target}.{place}"),
        None if last.contains('.') => write!(out, "{target}.*"),
        None => out.write_str(&target),
    }
}
