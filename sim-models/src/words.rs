//! An event in words, as traces and reports name it.

use sim_core::{Fault, Happening, Names};

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
        Happening::FaultBegan { fault: index } => (String::new(), format!("begins: {}", fault(index))),
        Happening::FaultEnded { fault: index } => (String::new(), format!("ends: {}", fault(index))),
    }
}
