//! Which events have a row of their own, and where a word is found.

use sim_core::growing::Growing;
use sim_core::past::{Grade, Past};

use super::super::told::{Cone, Facts, Filter, Rows, Wanted};
use super::super::words;
use super::session::Kept;

/// The events that are wanted, of a run as it stands. What was found when it was asked last is not looked for again.
pub(super) fn rows(kept: &Kept, wanted: Wanted, known: Option<&Rows>) -> Rows {
    let past = kept.timeline.past();
    let (generation, of) = (kept.generation, past.len());
    let known = known.filter(|rows| rows.generation == generation && rows.wanted == wanted && wanted.cone.is_none());
    let (list, from) = known.and_then(|rows| Some((rows.list.clone()?, rows.of))).unwrap_or_default();
    Rows { generation, list: listed(past, &wanted, list, from), of, wanted }
}

/// The list with those of the events after `from` that are wanted.
fn listed(past: &Past, wanted: &Wanted, mut list: Growing<u32>, from: u64) -> Option<Growing<u32>> {
    let filter = &wanted.filter;
    let plain = *filter == Filter::default();
    let new = from + 1..=past.len();
    let mut add = |event: u64| {
        if plain || matches(past, filter, event) {
            list.push(event as u32);
        }
    };
    match (wanted.fold, wanted.cone, wanted.focus) {
        (false, ..) if plain => return None,
        (false, ..) => new.for_each(add),
        (true, Some((event, cone)), _) => cone_of(past, event, cone, &mut add),
        (true, None, None) if plain => return Some(past.graded(Grade::Notable).clone()),
        (true, None, None) => after(past.graded(Grade::Notable), from).for_each(add),
        // Every event of the operation that is followed. What only mattered to others is no longer worth a row.
        (true, None, Some(operation)) => {
            let of_all = after(past.graded(Grade::Broken), from).chain(after(past.faults(), from));
            let mut events: Vec<u64> = past.of_operation(operation, new).chain(of_all).collect();
            events.sort_unstable();
            events.dedup();
            events.into_iter().for_each(add);
        }
    }
    Some(list)
}

fn after(list: &Growing<u32>, from: u64) -> impl Iterator<Item = u64> {
    let first = list.partition_point(|event| u64::from(*event) <= from);
    list.iter_from(first).map(|event| u64::from(*event))
}

/// The events that led to one and those that came of it, in their order.
fn cone_of(past: &Past, event: u64, cone: Cone, add: &mut impl FnMut(u64)) {
    if cone != Cone::Future
        && let Some(before) = past.past_of(event, || true)
    {
        before.iter().filter(|it| *it != event).for_each(&mut *add);
    }
    add(event);
    if cone != Cone::Past
        && let Some(later) = past.future_of(event, || true)
    {
        later.iter().filter(|it| *it != event).for_each(add);
    }
}

fn matches(past: &Past, filter: &Filter, event: u64) -> bool {
    if *filter == Filter::default() {
        return true;
    }
    let Some(step) = past.step(event) else { return false };
    filter.node.is_none_or(|node| step.node() == Some(node))
        && filter.kind.is_none_or(|kind| words::kind(&step.what).is_some_and(|it| it.0 == kind))
        && filter.operation.is_none_or(|operation| step.cause.operation == operation)
}

/// The next event whose node, kind or operation has this word.
pub(super) fn find(past: &Past, facts: &Facts, word: &str, from: u64, forward: bool) -> Option<u64> {
    let has = |name: &String| name.contains(word);
    let nodes: Vec<bool> = facts.nodes.iter().map(has).collect();
    let kinds: Vec<bool> = facts.kinds.iter().map(has).collect();
    let operation = facts.operation_of(word);
    let found = |event: &u64| {
        past.step(*event).is_some_and(|step| match operation {
            Some(operation) => step.cause.operation == operation,
            None => {
                step.node().is_some_and(|node| nodes[node.0 as usize])
                    || words::kind(&step.what).is_some_and(|kind| kinds.get(kind.0 as usize).is_some_and(|it| *it))
            }
        })
    };
    if let Some(operation) = operation.filter(|_| forward) {
        return past.of_operation(operation, from + 1..=past.len()).next();
    }
    if forward { (from + 1..=past.len()).find(found) } else { (1..from).rev().find(found) }
}
