//! What stands before each try: breakers and bulkheads, and the retry budgets of libraries, all of which hear how a try
//! ended.
//!
//! A step without them costs one question. The guards are asked from the outermost to the innermost; one that refuses
//! gives the try its outcome, which those outside of it hear like any other. A try that is given up from outside (what
//! stands around it timed out, or its node ended the endpoint) gives its permits back and is reported as cancelled.

use serde::Serialize;
use sim_core::Instant;

use super::retry::{catches, is_retried};
use super::service::{Cx, Service};
use super::thread::{Role, Thread};
use crate::message::{EdgeCounted, Note, Outcome, Tone};
use crate::policy::breaker::{Admission, Breaker, Ended, State};
use crate::policy::budget::{self, Budget, Paid};
use crate::policy::limiter::TokenBucket;
use crate::program::{BreakerDef, BulkheadDef, EdgeRef, Guard, Guards, LimiterDef, Program, Reason, Step, Verb};
use crate::slab::Key;

/// A policy of this replica, with what it remembers.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum Held {
    /// A breaker, and what it was last seen to be.
    Breaker(Breaker, State),
    /// A bulkhead: tries under way.
    Bulkhead(u32),
    /// A retry budget.
    Budget(Budget),
    /// A limiter.
    Limiter(TokenBucket),
}

/// What the guards of a step make of one of its tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Passed {
    /// How many guards let it through, from the outermost.
    guards: u8,
    /// What it was paid with, when it is a retry.
    paid: Option<Paid>,
}

impl Passed {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Passed::default()
    }

    /// How many guards it has passed and not left, from the outermost.
    pub(super) fn inside(self) -> u8 {
        self.guards
    }
}

/// Why two kinds of policies never meet in one place.
const OWN_PLACE: &str = "each policy has a place of its own";

impl Service {
    /// Asks the guards whether the try in the top frame may begin; what comes of it when one says no.
    #[cold]
    pub(super) fn ask_guards(&mut self, cx: &mut Cx<'_>, key: Key, step: &Step, guards: &Guards) -> Option<Outcome> {
        for (index, guard) in guards.order.iter().enumerate() {
            let refused = match guard {
                Guard::Breaker(def) => self.ask_breaker(cx, step, def),
                Guard::Bulkhead(def) => self.ask_bulkhead(*def),
                Guard::Limiter(def) => self.ask_limiter(cx.now(), *def),
            };
            if let Some(reason) = refused {
                let counted = if reason == Reason::OPEN { EdgeCounted::Open } else { EdgeCounted::Limited };
                if let Some(edge) = edge_of(step) {
                    cx.note(Note::Edge(edge, counted));
                }
                return Some(Outcome::Error(reason));
            }
            if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
                attempt.passed.guards = index as u8 + 1;
            }
        }
        None
    }

    /// The try in the top frame has ended; none: its caller went away before it did.
    #[cold]
    pub(super) fn try_over(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        step: &Step,
        guards: &Guards,
        outcome: Option<&Outcome>,
    ) {
        self.leave_guards(cx, key, step, guards, 0, outcome);
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let passed = std::mem::take(&mut attempt.passed);
        if let (Some((rule, index)), Some(retry)) = (guards.budget, &step.clauses.retry) {
            let ended = match outcome {
                Some(outcome) if outcome.tone() == Tone::Ok => budget::Ended::Ok,
                Some(outcome) if is_retried(retry, outcome) => budget::Ended::Failed,
                Some(_) | None => budget::Ended::Otherwise,
            };
            self.library_budget(rule, index).ended(ended, passed.paid);
        }
    }

    /// The timeout of the try in the top frame has ended it: to what stands inside of the timeout, its caller went away.
    #[cold]
    pub(super) fn timeout_over(&mut self, cx: &mut Cx<'_>, key: Key, step: &Step, guards: &Guards) {
        self.leave_guards(cx, key, step, guards, guards.around_timeout, None);
    }

    /// Goes back out through the guards, as far as the one of this number.
    fn leave_guards(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        step: &Step,
        guards: &Guards,
        down_to: u8,
        outcome: Option<&Outcome>,
    ) {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let (inside, since) = (attempt.passed.guards, attempt.since);
        attempt.passed.guards = inside.min(down_to);
        let left = guards.order.iter().take(usize::from(inside)).skip(usize::from(down_to));
        for guard in left.rev() {
            match guard {
                Guard::Breaker(def) => self.tell_breaker(cx, step, def, outcome, since),
                Guard::Bulkhead(def) => {
                    if let Held::Bulkhead(taken) = self.held(def.index, || Held::Bulkhead(0)) {
                        *taken = taken.saturating_sub(1);
                    }
                }
                Guard::Limiter(_) => {}
            }
        }
    }

    /// A call begins, with its first try.
    #[cold]
    pub(super) fn call_begun(&mut self, now: Instant, guards: &Guards) {
        if let Some((rule, index)) = guards.budget {
            self.library_budget(rule, index).request(now);
        }
    }

    /// A call is over, with all its tries.
    #[cold]
    pub(super) fn call_over(&mut self, guards: &Guards) {
        if let Some((rule, index)) = guards.budget {
            self.library_budget(rule, index).over();
        }
    }

    /// The attempt in the top frame is left for good, with this outcome or none.
    pub(super) fn left(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Option<&Outcome>) {
        let frame = self.threads.get(key).and_then(|thread| thread.frames.last());
        let Some(Role::Attempt(attempt)) = frame.map(|frame| &frame.role) else { return };
        let step = program.step(attempt.step);
        if let Some(guards) = &step.clauses.guards {
            self.try_over(cx, key, step, guards, outcome);
            self.call_over(guards);
        }
    }

    /// Whether the budget of a library has a retry left; if so, the next try is paid.
    pub(super) fn pay(&mut self, now: Instant, key: Key, guards: &Guards, outcome: &Outcome) -> bool {
        let Some((rule, index)) = guards.budget else { return true };
        let timed_out = outcome.reason() == Some(Reason::TIMEOUT);
        let paid = self.library_budget(rule, index).retry(now, timed_out);
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.passed.paid = paid;
        }
        paid.is_some()
    }

    fn ask_breaker(&mut self, cx: &mut Cx<'_>, step: &Step, def: &BreakerDef) -> Option<Reason> {
        let now = cx.now();
        let admission = self.breaker(now, def).0.admit(now);
        self.look_at_breaker(cx, step, def);
        match admission {
            Admission::Go => None,
            Admission::Open => Some(Reason::OPEN),
            Admission::Full => Some(Reason::LIMITED),
        }
    }

    fn tell_breaker(
        &mut self,
        cx: &mut Cx<'_>,
        step: &Step,
        def: &BreakerDef,
        outcome: Option<&Outcome>,
        since: Instant,
    ) {
        let now = cx.now();
        let (breaker, _) = self.breaker(now, def);
        breaker.report(now, outcome.map_or(Ended::Cancelled, |outcome| def.sees(outcome)), now.since(since));
        self.look_at_breaker(cx, step, def);
    }

    /// Says what the breaker is now, when that is news.
    fn look_at_breaker(&mut self, cx: &mut Cx<'_>, step: &Step, def: &BreakerDef) {
        let now = cx.now();
        let (breaker, seen) = self.breaker(now, def);
        let is = breaker.state(now);
        if std::mem::replace(seen, is) != is
            && let Some(edge) = edge_of(step)
        {
            cx.note(Note::Edge(edge, EdgeCounted::Breaker(def.index, is)));
        }
    }

    fn ask_bulkhead(&mut self, def: BulkheadDef) -> Option<Reason> {
        match self.held(def.index, || Held::Bulkhead(0)) {
            Held::Bulkhead(taken) if *taken < def.max => {
                *taken += 1;
                None
            }
            Held::Bulkhead(_) => Some(Reason::LIMITED),
            Held::Breaker(..) | Held::Budget(_) | Held::Limiter(_) => unreachable!("{OWN_PLACE}"),
        }
    }

    fn ask_limiter(&mut self, now: Instant, def: LimiterDef) -> Option<Reason> {
        let new = || Held::Limiter(TokenBucket::new(def.rate, def.per, def.burst, now));
        let passes = match self.held(def.index, new) {
            Held::Limiter(bucket) => bucket.take(now, 1),
            Held::Breaker(..) | Held::Budget(_) | Held::Bulkhead(_) => unreachable!("{OWN_PLACE}"),
        };
        (!passes).then_some(Reason::LIMITED)
    }

    fn breaker(&mut self, now: Instant, def: &BreakerDef) -> (&mut Breaker, &mut State) {
        let new = || Held::Breaker(Breaker::new(def.rule, now), State::Closed);
        match self.held(def.index, new) {
            Held::Breaker(breaker, seen) => (breaker, seen),
            Held::Bulkhead(_) | Held::Budget(_) | Held::Limiter(_) => {
                unreachable!("{OWN_PLACE}")
            }
        }
    }

    fn library_budget(&mut self, rule: budget::Rule, index: u32) -> &mut Budget {
        match self.held(index, || Held::Budget(Budget::new(rule))) {
            Held::Budget(budget) => budget,
            Held::Breaker(..) | Held::Bulkhead(_) | Held::Limiter(_) => {
                unreachable!("{OWN_PLACE}")
            }
        }
    }

    fn held(&mut self, index: u32, new: impl FnOnce() -> Held) -> &mut Held {
        let index = index as usize;
        if self.held.len() <= index {
            self.held.resize(index + 1, None);
        }
        self.held[index].get_or_insert_with(new)
    }
}

impl BreakerDef {
    /// How an outcome looks to the breaker.
    fn sees(&self, outcome: &Outcome) -> Ended {
        let any = |list: &[crate::program::Catch]| list.iter().any(|catch| catches(*catch, outcome));
        if outcome.tone() == Tone::Ok {
            Ended::Ok
        } else if any(&self.overlooks) {
            Ended::Overlooked
        } else if self.fails.is_empty() || any(&self.fails) {
            Ended::Failed
        } else {
            Ended::Ok
        }
    }
}

/// The edge on which a step sends, if it sends.
const fn edge_of(step: &Step) -> Option<EdgeRef> {
    match &step.verb {
        Verb::Call { edge, .. } => Some(*edge),
        Verb::Read { edge, .. } | Verb::List { edge, .. } | Verb::Set { edge, .. } => *edge,
        _ => None,
    }
}
