//! Numbers, instants and events as short words of a screen.

use sim_core::{Fate, Happening, Instant, Kind, Watch};

use super::told::Facts;

/// The kind of message that an event is about, if it is about one.
pub(crate) fn kind(what: &Happening) -> Option<Kind> {
    match what {
        Happening::Delivered { kind, .. }
        | Happening::Undelivered { kind, .. }
        | Happening::Refused { kind, .. }
        | Happening::Reset { kind, .. } => Some(*kind),
        Happening::Started { .. }
        | Happening::Fired { .. }
        | Happening::Synced { .. }
        | Happening::Stopping { .. }
        | Happening::Killed { .. }
        | Happening::Lapsed { .. }
        | Happening::FaultBegan { .. }
        | Happening::FaultEnded { .. } => None,
    }
}

/// An instant to the microsecond, or to the millisecond where it is far: `4.301203`, `12m 04.301`.
pub(crate) fn instant(at: Instant) -> String {
    let nanos = at.nanos();
    let (seconds, micros) = (nanos / 1_000_000_000, nanos / 1_000 % 1_000_000);
    match seconds {
        0..1_000 => format!("{seconds}.{micros:06}"),
        1_000..36_000 => format!("{}m{:02}.{:03}", seconds / 60, seconds % 60, micros / 1_000),
        _ => format!("{}h{:02}m{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
    }
}

/// A length in the unit that fits, short: `240ms`, `1.5s`, `12m`.
pub(crate) fn short(nanos: u64) -> String {
    crate::text::length(nanos).replace(' ', "")
}

/// The same with three digits, which are enough of what is seen for a moment.
pub(crate) fn shorter(nanos: u64) -> String {
    let unit = 10_u64.pow(nanos.checked_ilog10().unwrap_or(0).saturating_sub(2));
    short(nanos / unit * unit)
}

/// An event as far as its row alone says it, before anybody has told more.
pub(crate) fn plain(what: &Happening, facts: &Facts) -> String {
    let node = |node: &sim_core::NodeId| facts.nodes[node.0 as usize].as_str();
    let kind = |kind: &Kind| facts.kinds.get(kind.0 as usize).map_or("?", String::as_str);
    let fault = |place: &u32| facts.faults.get(*place as usize).map_or("a fault", |fault| fault.text.as_str());
    match what {
        Happening::Started { node: it, life: 1 } => format!("{} starts", node(it)),
        Happening::Started { node: it, .. } => format!("{} starts again", node(it)),
        Happening::Delivered { from, to, kind: of } => format!("{} {} → {}", kind(of), node(from), node(to)),
        Happening::Undelivered { from, to, kind: of } => {
            format!("{} {} → {}: it is down", kind(of), node(from), node(to))
        }
        Happening::Refused { by, to, kind: of } => format!("{} refused by {}: {}", node(to), node(by), kind(of)),
        Happening::Reset { by, to, kind: of } => format!("{} reset by {}: {}", node(to), node(by), kind(of)),
        Happening::Fired { node: it, .. } => format!("{}: a timer goes off", node(it)),
        Happening::Synced { node: it, .. } => format!("{}: its disk answers", node(it)),
        Happening::Stopping { node: it } => format!("{} is asked to stop", node(it)),
        Happening::Killed { node: it } => format!("{} is killed", node(it)),
        Happening::Lapsed { node: it, watch: Watch::Liveness } => format!("{} is not alive", node(it)),
        Happening::Lapsed { node: it, watch: Watch::Readiness } => format!("{} is not ready", node(it)),
        Happening::FaultBegan { fault: it } => format!("begins: {}", fault(it)),
        Happening::FaultEnded { fault: it } => format!("ends: {}", fault(it)),
    }
}

/// What became of an envelope, in a word.
pub(crate) fn fate(fate: Fate) -> String {
    match fate {
        Fate::Arrives(after) => format!("arrives after {}", short(after.nanos())),
        Fate::ArrivesTwice(first, second) => {
            format!("arrives after {} and again after {}", short(first.nanos()), short(second.nanos()))
        }
        Fate::Lost => "lost".to_owned(),
        Fate::Cut => "cut".to_owned(),
        Fate::Corrupt => "damaged, and discarded where it is received".to_owned(),
        Fate::Full => "dropped from a full line".to_owned(),
        Fate::Refused => "refused".to_owned(),
        Fate::Reset(after) => format!("reset with its connection after {}", short(after.nanos())),
        Fate::Held(after) => format!("held, then arrives after {}", short(after.nanos())),
        Fate::HeldTwice(first, second) => {
            format!("held, then arrives twice, after {} and {}", short(first.nanos()), short(second.nanos()))
        }
    }
}
