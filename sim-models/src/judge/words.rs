//! What the judge says, in words that somebody understands who has never seen the program.

use sim_core::{Class, Duration, Instant};

use crate::database::Isolation;
use crate::program::{Counter, EdgeCounter, EdgeRef, MapRef, NodeCounter, NodeRef, Program, Role};
use crate::value::Value;

/// A count with its thousands apart: `10,000`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of something: `1 order`, `2 orders`, `2 entries`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    let number_text = grouped(number);
    if number == 1 { format!("{number_text} {noun}") } else { format!("{number_text} {}", plural(noun)) }
}

/// The plural of an English noun, as far as rules go.
pub(crate) fn plural(noun: &str) -> String {
    let hisses = ["s", "x", "z", "ch", "sh"].iter().any(|end| noun.ends_with(end));
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match stem {
        Some(stem) => format!("{stem}ies"),
        None if hisses => format!("{noun}es"),
        None => format!("{noun}s"),
    }
}

/// A length of time, cut to what one can read: milliseconds above a second, microseconds above a millisecond.
pub(crate) fn length(length: Duration) -> String {
    let nanos = length.nanos();
    let grain = match nanos {
        1_000_000_000.. => 1_000_000,
        1_000_000.. => 1_000,
        _ => 1,
    };
    Duration::from_nanos(nanos - nanos % grain).to_string()
}

/// An instant, cut likewise.
pub(crate) fn instant(instant: Instant) -> String {
    length(instant.since(Instant::ZERO))
}

/// A value as an expression writes it.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null | Value::Int(_) => value.to_string(),
        Value::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

/// A number of a metric, without more digits than one can read.
pub(crate) fn number(number: f64) -> String {
    let text = format!("{number:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// What keys are called one of: `order`, or `key` when they are numbers of nothing.
pub(crate) fn noun(program: &Program, class: Option<Class>) -> &str {
    class.and_then(|class| program.classes.get(class.0 as usize)).map_or("key", |name| name)
}

/// A key as the file names it: `order 17`, `key 'lamp'`.
pub(crate) fn key(program: &Program, class: Option<Class>, key: &Value) -> String {
    format!("{} {}", noun(program, class), value(key))
}

/// `orders.status`
pub(crate) fn map(program: &Program, map: MapRef) -> String {
    let map = program.map(map);
    format!("{}.{}", program.node(map.owner).name, map.name)
}

/// `shop->gateway`
pub(crate) fn edge(program: &Program, edge: EdgeRef) -> String {
    let (from, to) = program.edges[edge.0 as usize];
    format!("{}->{}", program.node(from).name, program.node(to).name)
}

/// `shopper.requests`, `shop->gateway.late`
pub(crate) fn counter(program: &Program, counter: Counter) -> String {
    match counter {
        Counter::Node(node, counter) => format!("{}.{}", program.node(node).name, node_counter(counter)),
        Counter::Edge(edge_ref, counter) => format!("{}.{}", edge(program, edge_ref), edge_counter(counter)),
    }
}

/// The counters of a node that a report shows.
pub(crate) fn shown_counters(program: &Program, node: NodeRef) -> &'static [NodeCounter] {
    use NodeCounter::{
        Acked, Calls, Conflicts, Crashes, Dead, Deadlocks, Delivered, Dropped, Error, Evicted, Expired, Hits, Killed,
        Limited, Misses, Ok, Open, Overloaded, Published, Redelivered, Refused, Requests, Rollbacks, Unanswered,
        Unknown, Unmet, Wasted,
    };
    // Where something may refuse that is no call: what a call is refused stands with its edge.
    let guards_groups = || program.steps.iter().any(|step| step.clauses.guards.is_some() && step.edge().is_none());
    match &program.node(node).role {
        Role::Workload(_) if guards_groups() => &[Requests, Ok, Error, Unknown, Unanswered, Limited],
        Role::Workload(_) => &[Requests, Ok, Error, Unknown, Unanswered],
        Role::Service(def) if guards_groups() && def.liveness.is_some() => {
            &[Calls, Ok, Error, Unknown, Overloaded, Refused, Dropped, Wasted, Open, Limited, Crashes, Killed]
        }
        Role::Service(_) if guards_groups() => {
            &[Calls, Ok, Error, Unknown, Overloaded, Refused, Dropped, Wasted, Open, Limited, Crashes]
        }
        // Where nobody can be killed by a probe, nobody is told that none was.
        Role::Service(def) if def.liveness.is_some() => {
            &[Calls, Ok, Error, Unknown, Overloaded, Refused, Dropped, Wasted, Crashes, Killed]
        }
        Role::Service(_) => &[Calls, Ok, Error, Unknown, Overloaded, Refused, Dropped, Wasted, Crashes],
        Role::Store(def) if def.forgets() => &[Calls, Hits, Misses, Expired, Evicted, Unmet, Rollbacks, Deadlocks],
        // Where nothing is refused because of a snapshot, nobody is told that nothing was.
        Role::Store(_) if program.steps.iter().any(|step| step.isolation == Isolation::Snapshot) => {
            &[Calls, Unmet, Rollbacks, Deadlocks, Conflicts]
        }
        Role::Store(_) => &[Calls, Unmet, Rollbacks, Deadlocks],
        Role::Queue(_) => &[Published, Delivered, Redelivered, Acked, Dead, Expired],
    }
}

const fn node_counter(counter: NodeCounter) -> &'static str {
    match counter {
        NodeCounter::Requests => "requests",
        NodeCounter::Ok => "ok",
        NodeCounter::Error => "error",
        NodeCounter::Unknown => "unknown",
        NodeCounter::Unanswered => "unanswered",
        NodeCounter::Availability => "availability",
        NodeCounter::P50 => "p50",
        NodeCounter::P90 => "p90",
        NodeCounter::P99 => "p99",
        NodeCounter::P999 => "p999",
        NodeCounter::Calls => "calls",
        NodeCounter::Overloaded => "overloaded",
        NodeCounter::Refused => "refused",
        NodeCounter::Dropped => "dropped",
        NodeCounter::Wasted => "wasted",
        NodeCounter::Crashes => "crashes",
        NodeCounter::Killed => "killed",
        NodeCounter::Unmet => "unmet",
        NodeCounter::Rollbacks => "rollbacks",
        NodeCounter::Deadlocks => "deadlocks",
        NodeCounter::Conflicts => "conflicts",
        NodeCounter::Rejected => "rejected",
        NodeCounter::Failed => "failed",
        NodeCounter::Unsure => "unsure",
        NodeCounter::Shed => "shed",
        NodeCounter::Open => "open",
        NodeCounter::Exhausted => "exhausted",
        NodeCounter::SagasStuck => "sagas_stuck",
        NodeCounter::Logged => "logged",
        NodeCounter::Forced => "forced",
        NodeCounter::Heuristics => "heuristics",
        NodeCounter::Mixed => "mixed",
        NodeCounter::InDoubt => "in_doubt",
        NodeCounter::InDoubtTime => "in_doubt_time",
        NodeCounter::Hazards => "hazards",
        NodeCounter::Busy => "busy",
        NodeCounter::Waiting => "waiting",
        NodeCounter::InFlight => "in_flight",
        NodeCounter::LockWaiters => "lock_waiters",
        NodeCounter::Published => "published",
        NodeCounter::Delivered => "delivered",
        NodeCounter::Redelivered => "redelivered",
        NodeCounter::Acked => "acked",
        NodeCounter::Dead => "dead",
        NodeCounter::Expired => "expired",
        NodeCounter::Oldest => "oldest",
        NodeCounter::Hits => "hits",
        NodeCounter::Misses => "misses",
        NodeCounter::Evicted => "evicted",
        NodeCounter::WastedTime => "wasted_time",
        NodeCounter::Goodput => "goodput",
        NodeCounter::Offered => "offered",
        NodeCounter::Limited => "limited",
    }
}

const fn edge_counter(counter: EdgeCounter) -> &'static str {
    match counter {
        EdgeCounter::Calls => "calls",
        EdgeCounter::Retries => "retries",
        EdgeCounter::Ok => "ok",
        EdgeCounter::Error => "error",
        EdgeCounter::Unknown => "unknown",
        EdgeCounter::Late => "late",
        EdgeCounter::Open => "open",
        EdgeCounter::Limited => "limited",
        EdgeCounter::Ejected => "ejected",
        EdgeCounter::Breaker => "breaker",
        EdgeCounter::Hedges => "hedges",
        EdgeCounter::Coalesced => "coalesced",
        EdgeCounter::Exhausted => "exhausted",
        EdgeCounter::Rejected => "rejected",
        EdgeCounter::Failed => "failed",
        EdgeCounter::Shed => "shed",
        EdgeCounter::Amplification => "amplification",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_lengths_are_written_for_people() {
        assert_eq!(counted(1, "order"), "1 order");
        assert_eq!(counted(1_234_567, "entry"), "1,234,567 entries");
        assert_eq!(counted(0, "batch"), "0 batches");
        assert_eq!(instant(Instant::from_nanos(12_345_678_901)), "12.345s");
        assert_eq!(length(Duration::from_nanos(1_234_567)), "1.234ms");
        assert_eq!(number(0.5), "0.5");
        assert_eq!(number(-0.0), "0");
    }
}
