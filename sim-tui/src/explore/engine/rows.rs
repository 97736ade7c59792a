//! Which events have a row of their own, and where a word is found.

use std::collections::BTreeSet;

use sim_core::growing::Growing;
use sim_core::past::{Grade, Past};

use super::super::told::{Cone, Facts, Filter, Rows, Wanted};
use super::super::words;
use super::session::Kept;

/// The events that are wanted, of a run as it stands.
pub(super) fn rows(kept: &Kept, wanted: Wanted) -> Rows {
    let past = kept.timeline.past();
    let list = listed(past, &wanted);
    Rows { generation: kept.generation, list, of: past.len(), wanted }
}

fn listed(past: &Past, wanted: &Wanted) -> Option<Growing<u32>> {
    let filter = &wanted.filter;
    let plain = *filter == Filter::default();
    let Some((event, cone)) = wanted.cone.filter(|_| wanted.fold) else {
        return match (wanted.fold, plain) {
            (false, true) => None,
            (false, false) => Some(matching(past, filter, |_| true)),
            (true, _) => Some(worth_a_row(past, wanted)),
        };
    };
    let cone = cone_of(past, event, cone);
    Some(matching(past, filter, |number| cone.contains(&number)))
}

/// The events that led to one or came of it.
pub(super) fn cone_of(past: &Past, event: u64, cone: Cone) -> BTreeSet<u64> {
    let mut events = BTreeSet::from([event]);
    if cone != Cone::Future {
        events.extend(past.past_of(event, || true).iter().flat_map(sim_core::past::Cone::iter));
    }
    if cone != Cone::Past {
        events.extend(past.future_of(event, || true).iter().flat_map(sim_core::past::Cone::iter));
    }
    events
}

/// What is worth a row anyhow, and every event of the operation that is followed. Where one is followed, what only mattered to
/// others is no longer worth one.
fn worth_a_row(past: &Past, wanted: &Wanted) -> Growing<u32> {
    let filter = &wanted.filter;
    match wanted.focus {
        None if *filter == Filter::default() => past.graded(Grade::Notable).clone(),
        None => {
            let graded = past.graded(Grade::Notable).iter().copied();
            graded.filter(|event| matches(past, filter, u64::from(*event))).collect()
        }
        Some(operation) => {
            let of_all = |event: u64| past.grade(event) == Grade::Broken || is_fault(past, event);
            let of_it = |event| past.step(event).is_some_and(|step| step.cause.operation == operation);
            matching(past, filter, |event| of_it(event) || of_all(event))
        }
    }
}

fn is_fault(past: &Past, event: u64) -> bool {
    past.faults().count_between(event, event) > 0
}

fn matching(past: &Past, filter: &Filter, also: impl Fn(u64) -> bool) -> Growing<u32> {
    let events = (1..=past.len()).filter(|event| matches(past, filter, *event) && also(*event));
    events.map(|event| event as u32).collect()
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
    if forward { (from + 1..=past.len()).find(found) } else { (1..from).rev().find(found) }
}
