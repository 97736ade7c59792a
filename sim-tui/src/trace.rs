//! One line per event, for `run --trace` and for naming the event at which a replay parts.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;

use serde::Serialize;
use sim_core::words::happened;
use sim_core::{Entry, Fate, Fault, Message, Names, Sim, Step};

/// An event in words.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    event: u64,
    at_ns: u64,
    /// Where; empty for a fault, which happens to the world.
    node: String,
    what: String,
    /// What it was done for, such as `order/17`.
    operation: Option<String>,
    /// What the node did in it, when the run records that.
    #[serde(rename = "did")]
    did: Vec<String>,
    /// The event that sent, set or caused it.
    by: Option<u64>,
}

impl Line {
    /// The step that the run has just made.
    pub(crate) fn of<M: Message>(sim: &Sim<M>, step: &Step, faults: &[Fault]) -> Line {
        let names = sim.names();
        let (node, what) = happened(names, step.what, faults);
        Line {
            event: step.number,
            at_ns: step.at.nanos(),
            node,
            what,
            operation: names.operation(step.cause.operation),
            did: sim.log().iter().filter_map(|entry| done(names, entry)).collect(),
            by: step.by,
        }
    }

    /// Where it happened; empty for a fault.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// What the node did in it.
    pub(crate) fn did(&self) -> &[String] {
        &self.did
    }

    /// The event that sent, set or caused it.
    pub(crate) fn by(&self) -> Option<u64> {
        self.by
    }

    /// `gateway, charge from shop, for order/17, at 1.2s`
    pub(crate) fn sentence(&self) -> String {
        let mut words = vec![self.node.clone(), self.what.clone()];
        words.extend(self.operation.iter().map(|operation| format!("for {operation}")));
        words.push(format!("at {}", instant(self.at_ns)));
        words.retain(|word| !word.is_empty());
        words.join(", ")
    }
}

fn instant(nanos: u64) -> String {
    format!("{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

/// What is worth a word; `None` for what the next lines show anyway.
fn done(names: &Names, entry: &Entry) -> Option<String> {
    match entry {
        Entry::Sent { to, kind, fate, altered, .. } => {
            let altered = if altered.is_some() { ", altered" } else { "" };
            let sent = format!("{} to {}{altered}", names.kind_name(*kind), names.node(*to));
            Some(match fate {
                Fate::Arrives(_) => sent,
                Fate::ArrivesTwice(..) => format!("{sent} twice"),
                Fate::Lost => format!("{sent}, lost"),
                Fate::Cut => format!("{sent}, cut"),
                Fate::Corrupt => format!("{sent}, damaged"),
                Fate::Full => format!("{sent}, dropped from a full line"),
                Fate::Refused => format!("{sent}, refused"),
                Fate::Reset(_) => format!("{sent}, connection reset"),
                Fate::Held(_) => format!("{sent}, held"),
                Fate::HeldTwice(..) => format!("{sent} twice, held"),
            })
        }
        Entry::Down { node } => Some(format!("{} goes down", names.node(*node))),
        Entry::Marked { name, .. } => Some(format!("passes {name}")),
        Entry::Role { role, has, .. } => Some(if *has { format!("is {role}") } else { format!("is no longer {role}") }),
        Entry::Tripped { nth } => Some(format!("at passage #{nth}")),
        Entry::Set { .. }
        | Entry::Cancelled { .. }
        | Entry::Drew { .. }
        | Entry::Struck { .. }
        | Entry::Released { .. } => None,
    }
}

/// Writes lines to standard output as they come.
pub(crate) struct Printer {
    out: BufWriter<io::StdoutLock<'static>>,
    alive: bool,
}

impl Printer {
    pub(crate) fn new() -> Printer {
        Printer { out: BufWriter::new(io::stdout().lock()), alive: true }
    }

    /// Writes one line; breaks when nobody reads.
    pub(crate) fn print(&mut self, line: &Line) -> ControlFlow<()> {
        let Line { event, node, what, operation, did, .. } = line;
        let (at, operation) = (instant(line.at_ns), operation.as_deref().unwrap_or("-"));
        let node = if node.is_empty() { "-" } else { node };
        let arrow = if did.is_empty() { String::new() } else { format!(" → {}", did.join("; ")) };
        let written = writeln!(self.out, "{event:>8}  {at:>16}  {node:<12}  {operation:<12}  {what}{arrow}");
        self.alive = written.is_ok();
        if self.alive { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Writes what is still held, and a blank line behind it.
    pub(crate) fn end(mut self) {
        // Whoever closed the pipe has read enough.
        let _ = writeln!(self.out).and_then(|()| self.out.flush());
    }
}
