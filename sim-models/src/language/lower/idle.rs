//! Settings that mean nothing as they stand: refused where nothing could ever come of them, warned about where a setting of the
//! scenario may have made them so.

use sim_core::Duration;

use super::Lower;
use crate::language::View;
use crate::program::{Clauses, Jitter, RetryDef, StopDef};

impl<'a> Lower<'a> {
    /// Clauses of a step that come to nothing, alone or beside each other.
    pub(super) fn idle_clauses(&mut self, step: View<'a>, clauses: &Clauses) {
        for (name, length) in [("timeout", clauses.timeout), ("deadline", clauses.deadline)] {
            if let (Some(field), Some(Duration::ZERO)) = (step.field(name), length) {
                self.problems.push(field.error(format!("no answer comes in no time; write a longer \"{name}\"")));
            }
        }
        if let (Some(field), Some(retry)) = (step.field("retry"), &clauses.retry) {
            self.idle_retry(field, retry);
        }
        let Some((field, hedge)) = step.field("hedge").zip(clauses.hedge.as_ref()) else { return };
        let (delay, fixed) = (hedge.rule.delay, hedge.follows.is_none());
        let ends = [("timeout", clauses.timeout), ("deadline", clauses.deadline)];
        let ends = ends.into_iter().filter_map(|(name, end)| Some((name, end?)));
        if let Some((name, end)) = ends.min_by_key(|(_, end)| *end).filter(|(_, end)| fixed && *end <= delay) {
            let message = format!("nothing is asked a second time: {delay} is not before the {name}, {end}");
            self.problems.push(field.warning(message));
        }
    }

    fn idle_retry(&mut self, view: View<'a>, retry: &RetryDef) {
        if retry.profile.is_some() || !retry.wait.is_zero() && retry.max_wait >= retry.wait {
            return;
        }
        if let (true, Some(jitter)) = (retry.wait.is_zero(), view.field("jitter"))
            && retry.jitter == Jitter::Decorrelated
        {
            let message = "decorrelated jitter grows from \"wait\", and without one it never waits";
            self.problems.push(jitter.warning(message));
        }
        if let Some(most) = view.field("max_wait").filter(|_| retry.max_wait < retry.wait) {
            let (max_wait, wait) = (retry.max_wait, retry.wait);
            let message =
                format!("the longest wait, {max_wait}, is shorter than the first, {wait}: each is {max_wait}");
            self.problems.push(most.warning(message));
        }
    }

    /// What a stop waits for that it does not live to see.
    pub(super) fn idle_stop(&mut self, node: View<'a>, stop: &StopDef) {
        let Some(view) = node.field("stop").and_then(|stop| stop.field("pre_stop")) else { return };
        let (pre_stop, grace) = (stop.pre_stop, stop.grace);
        if pre_stop >= grace && !pre_stop.is_zero() {
            let message =
                format!("it is killed when its grace of {grace} is over, before its pre_stop of {pre_stop} is");
            self.problems.push(view.warning(message));
        }
    }

    /// A rate at which nothing ever comes.
    pub(super) fn idle_pace(&mut self, workload: View<'a>) {
        let rates: Vec<View<'a>> = match workload.field("rate") {
            Some(rate) => vec![rate],
            None => workload.steps("stages").filter_map(|stage| stage.field("rate")).collect(),
        };
        let is_zero = |rate: &View<'a>| rate.rate().is_ok_and(|rate| rate.is_zero());
        if let (Some(first), true) = (rates.first(), rates.iter().all(is_zero)) {
            self.problems.push(first.warning("nothing is ever asked at a rate of zero"));
        }
    }
}
