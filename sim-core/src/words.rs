//! An event and what it did in words, as traces and reports name them.

use crate::actor::Watch;
use crate::dice::Answer;
use crate::fault::Fault;
use crate::names::Names;
use crate::network::Fate;
use crate::sim::{Entry, Happening};

/// Where an event happened (empty for a fault, which happens to the world) and what it was: `gateway`, `charge from shop`.
pub fn happened(names: &Names, what: Happening, faults: &[Fault]) -> (String, String) {
    let at = |node| names.node(node).to_owned();
    let kind = |kind| names.kind_name(kind);
    let fault = |index: u32| faults.get(index as usize).map(ToString::to_string).unwrap_or_default();
    match what {
        Happening::Started { node, life: 1 } => (at(node), "starts".to_owned()),
        Happening::Started { node, life } => (at(node), format!("starts, life {life}")),
        Happening::Delivered { from, to, kind: of } => (at(to), format!("{} from {}", kind(of), names.node(from))),
        Happening::Undelivered { from, to, kind: of } => {
            (at(to), format!("is down: {} from {} is lost", kind(of), names.node(from)))
        }
        Happening::Refused { by, to, kind: of } => (at(to), format!("{} refused by {}", kind(of), names.node(by))),
        Happening::Reset { by, to, kind: of } => (at(to), format!("{} reset by {}", kind(of), names.node(by))),
        Happening::Fired { node, timer } => (at(node), format!("timer {}", timer.0)),
        Happening::Synced { node, .. } => (at(node), "disk synced".to_owned()),
        Happening::Stopping { node } => (at(node), "is asked to stop".to_owned()),
        Happening::Killed { node } => (at(node), "is killed, its grace is over".to_owned()),
        Happening::Lapsed { node, watch: Watch::Liveness } => (at(node), "is not alive: it is restarted".to_owned()),
        Happening::Lapsed { node, watch: Watch::Readiness } => {
            (at(node), "is not ready: it is taken off the list".to_owned())
        }
        Happening::FaultBegan { fault: index } => (String::new(), format!("begins: {}", fault(index))),
        Happening::FaultEnded { fault: index } => (String::new(), format!("ends: {}", fault(index))),
    }
}

/// What an event did beside itself, one thing of it: `sends reply to shop, arriving after 3ms`, `draws 12ms for work`.
pub fn did(names: &Names, entry: &Entry) -> String {
    match entry {
        Entry::Sent { to, kind, fate, altered, .. } => {
            let altered = if altered.is_some() { ", altered" } else { "" };
            format!("sends {} to {}{altered}, {}", names.kind_name(*kind), names.node(*to), becomes(fate))
        }
        Entry::Set { timer, due, .. } => format!("sets timer {} to {due}", timer.0),
        Entry::Cancelled { timer, .. } => format!("stops timer {}", timer.0),
        Entry::Drew { draw, .. } => format!("draws {} for {}", answered(names, draw.answer), draw.purpose.name()),
        Entry::Marked { name, .. } => format!("passes {name}"),
        Entry::Role { role, has: true, .. } => format!("is {role}"),
        Entry::Role { role, has: false, .. } => format!("is no longer {role}"),
        Entry::Tripped { nth } => format!("at passage #{nth}"),
        Entry::Down { node } => format!("{} goes down", names.node(*node)),
        Entry::Struck { node } => format!("strikes {}", names.node(*node)),
        Entry::Released { node } => format!("lets go of {}", names.node(*node)),
    }
}

fn becomes(fate: &Fate) -> String {
    match fate {
        Fate::Arrives(after) => format!("arriving after {after}"),
        Fate::ArrivesTwice(first, second) => format!("arriving after {first} and after {second}"),
        Fate::Lost => "lost".to_owned(),
        Fate::Cut => "cut".to_owned(),
        Fate::Corrupt => "damaged".to_owned(),
        Fate::Full => "dropped from a full line".to_owned(),
        Fate::Refused => "refused".to_owned(),
        Fate::Reset(after) => format!("its connection reset after {after}"),
        Fate::Held(after) => format!("held, then arriving after {after}"),
        Fate::HeldTwice(first, second) => format!("held, then arriving after {first} and after {second}"),
    }
}

fn answered(names: &Names, answer: Answer) -> String {
    match answer {
        Answer::Length(length) => length.to_string(),
        Answer::Chance(true) => "yes".to_owned(),
        Answer::Chance(false) => "no".to_owned(),
        Answer::Node(node) => names.node(node).to_owned(),
        Answer::Number(number) => number.to_string(),
    }
}
