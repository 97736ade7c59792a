//! A try that is hedged: several requests for one answer, of which the first that is well counts.
//!
//! Further requests have dice of their own, which follow from those of the try and their number: the first one's are those that it
//! has without a hedge, and nobody else's change. They share what stands around the try, its timeout and its permits.

use serde::Serialize;
use sim_core::{Cause, Instant, NodeId};

use super::exec::{Next, TRY};
use super::guards::Held;
use super::retry::{catches, is_usually_retried};
use super::service::{Cx, Service, disarm, set_alarm};
use super::thread::{Alarm, Attempt, Phase, Thread};
use crate::few::Few;
use crate::message::{Extra, Outcome, Tone};
use crate::policy::budget::{Ended, Paid};
use crate::policy::hedge::{Blames, Failed, Hedge, Latencies, Rule};
use crate::program::{HedgeDef, NodeRef, Program};
use crate::slab::Key;

/// Mixed into what a further request follows from.
const HEDGE: u64 = 0x6865_6467_6500;

/// The requests of one try.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Hedging {
    hedge: Hedge,
    pub(super) legs: Few<Leg>,
    /// Replicas that were asked, so that the next is another one where there is one.
    asked: Few<NodeId>,
    /// The timer of the next one.
    pub(super) timer: Option<Key>,
    /// What the try fails with when all have failed.
    failure: Option<Box<(Outcome, Extra)>>,
}

/// One of them, while it is out.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Leg {
    pub(super) pending: Key,
    since: Instant,
    paid: Option<Paid>,
}

impl Leg {
    /// Whether a budget has paid for it.
    pub(super) fn is_paid(&self) -> bool {
        self.paid.is_some()
    }
}

impl Hedging {
    /// Requests that were sent, and when the next one is if nothing is heard before.
    pub(super) fn seen(&self) -> (u32, Option<Instant>) {
        (self.hedge.started(), self.hedge.next().filter(|next| *next != Instant::NEVER))
    }

    /// One has failed in a way that others may not; whether that was the last.
    fn failed(&mut self, now: Instant, def: &HedgeDef, outcome: Outcome, extra: Extra) -> Failed {
        let pushback = match &extra {
            Extra::Pushback(told) if def.heeds => Some(*told),
            _ => None,
        };
        if self.failure.is_none() || def.rule.blames == Blames::Last {
            self.failure = Some(Box::new((outcome, extra)));
        }
        self.hedge.failed(now, pushback)
    }

    /// Which replica is asked instead of one that was picked: another than those before, where there is one.
    fn asks(&mut self, cx: &Cx<'_>, all: &[NodeId], picked: NodeId) -> NodeId {
        let asked = &self.asked;
        let is_new = |node: &&NodeId| asked.iter().all(|known| known != *node) && cx.is_up(**node);
        let at = || all.iter().position(|node| *node == picked).unwrap_or_default();
        let to = if asked.is_empty() {
            picked
        } else {
            all.iter().cycle().skip(at()).take(all.len()).find(is_new).copied().unwrap_or(picked)
        };
        self.asked.push(to);
        to
    }
}

impl Attempt {
    fn hedging(&mut self) -> Option<&mut Hedging> {
        match &mut self.phase {
            Phase::Hedging(hedging) => Some(hedging),
            _ => None,
        }
    }
}

impl Service {
    /// Begins a hedged try with its first request, which follows from what the try does, with or without a hedge.
    #[inline(never)]
    pub(super) fn hedged(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        def: &HedgeDef,
        cause: Cause,
    ) -> Next {
        let now = cx.now();
        let delay = match def.follows {
            Some(_) => self.latencies(def).map_or(def.rule.delay, |seen| seen.delay(now)),
            None => def.rule.delay,
        };
        if let Some((rule, index)) = &def.profile_budget {
            self.profile_budget(rule, *index).request(now);
        }
        self.earn_from(def.budget);
        let mut hedge = Hedge::new(Rule { delay, ..def.rule }, now);
        hedge.start(now);
        let hedging = Hedging { hedge, legs: Few::new(), asked: Few::new(), timer: None, failure: None };
        self.phase(key, Phase::Hedging(Box::new(hedging)));
        cx.because(cause);
        let sent = self.send_one(cx, program, key);
        let Some(hedging) = self.hedging(key) else { return Next::Over };
        match sent {
            Ok(pending) => hedging.legs.push(Leg { pending, since: now, paid: None }),
            Err(outcome) => {
                if hedging.failed(now, def, outcome, Extra::None) == Failed::Ends {
                    return self.all_failed(cx, program, key, def);
                }
            }
        }
        if hedging.hedge.is_due(now) {
            return self.send_due(cx, program, key, def);
        }
        self.set_hedge_timer(cx, key);
        Next::Wait
    }

    #[inline]
    fn hedging(&mut self, key: Key) -> Option<&mut Hedging> {
        self.threads.get_mut(key)?.attempt()?.hedging()
    }

    /// Whether what the top frame sends now is a further request of a hedged try.
    pub(super) fn is_further(&mut self, key: Key) -> bool {
        self.hedging(key).is_some_and(|hedging| hedging.hedge.started() > 1)
    }

    /// The replica that a request of the top frame's try goes to: of a hedged one another than those before, where there is one.
    pub(super) fn replica_for(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        callee: NodeRef,
    ) -> Option<NodeId> {
        let picked = self.replica(cx, program, key, callee)?;
        let Some(hedging) = self.hedging(key) else { return Some(picked) };
        Some(hedging.asks(cx, &program.node(callee).replicas, picked))
    }

    /// Sends the further requests whose time has come, and waits.
    fn send_due(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, def: &HedgeDef) -> Next {
        let now = cx.now();
        while self.hedging(key).is_some_and(|hedging| hedging.hedge.is_due(now)) {
            let Some(paid) = self.pay_for(now, def) else {
                let stopped = self.hedging(key).map(|hedging| hedging.hedge.stop());
                match stopped {
                    Some(Failed::Ends) => return self.all_failed(cx, program, key, def),
                    Some(Failed::GoesOn) | None => break,
                }
            };
            let Some(cause) = self.begin_leg(now, key) else { return Next::Over };
            cx.because(cause);
            let sent = self.send_one(cx, program, key);
            let Some(hedging) = self.hedging(key) else { return Next::Over };
            match sent {
                Ok(pending) => hedging.legs.push(Leg { pending, since: now, paid }),
                Err(outcome) => {
                    if hedging.failed(now, def, outcome, Extra::None) == Failed::Ends {
                        return self.all_failed(cx, program, key, def);
                    }
                }
            }
        }
        self.set_hedge_timer(cx, key);
        Next::Wait
    }

    /// The next request of a try begins; what it follows from.
    fn begin_leg(&mut self, now: Instant, key: Key) -> Option<Cause> {
        let attempt = self.threads.get_mut(key)?.attempt()?;
        let hedge = &mut attempt.hedging()?.hedge;
        hedge.start(now);
        let number = hedge.started();
        Some(cause_of_leg(attempt, number))
    }

    /// What a further request is paid with; none: a budget does not allow it.
    fn pay_for(&mut self, now: Instant, def: &HedgeDef) -> Option<Option<Paid>> {
        if def.budget.is_some_and(|budget| !self.spend_from(budget)) {
            return None;
        }
        match &def.profile_budget {
            None => Some(None),
            Some((rule, index)) => self.profile_budget(rule, *index).retry(now, false).map(Some),
        }
    }

    fn set_hedge_timer(&mut self, cx: &mut Cx<'_>, key: Key) {
        let Service { threads, alarms, .. } = self;
        let Some(thread) = threads.get_mut(key) else { return };
        let depth = thread.frames.len() - 1;
        let Some(hedging) = thread.attempt().and_then(Attempt::hedging) else { return };
        if let Some(before) = hedging.timer.take() {
            disarm(alarms, cx, before);
        }
        let Some(next) = hedging.hedge.next().filter(|next| *next != Instant::NEVER) else { return };
        hedging.timer = Some(set_alarm(alarms, cx, next.since(cx.now()), Alarm::Hedge { thread: key, depth }));
    }

    /// No answer after the delay: the next one is asked.
    pub(super) fn hedge_due(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize) {
        if self.threads.get(key).is_none_or(|thread| thread.frames.len() != depth + 1) {
            return;
        }
        let Some(hedging) = self.hedging(key) else { return self.race_due(cx, program, key) };
        hedging.timer = None;
        let Some(def) = self.hedge_of(program, key) else { return };
        let next = self.send_due(cx, program, key, def);
        self.drive(cx, program, key, next);
    }

    fn hedge_of<'p>(&mut self, program: &'p Program, key: Key) -> Option<&'p HedgeDef> {
        let step = self.threads.get_mut(key).and_then(Thread::attempt)?.step;
        program.step(step).clauses.hedge.as_deref()
    }

    /// One of the requests of the try in the top frame, which was waited for, has this outcome.
    #[inline(never)]
    pub(super) fn leg_over(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        (key, pending): (Key, Key),
        mut hedging: Box<Hedging>,
        (outcome, extra): (Outcome, Extra),
    ) -> Next {
        let Some(def) = self.hedge_of(program, key) else { return Next::settle(outcome) };
        let Some(leg) = hedging.legs.take(|leg| leg.pending == pending) else {
            self.phase(key, Phase::Hedging(hedging));
            return Next::Wait;
        };
        let goes_on = outcome.tone() != Tone::Ok && def.goes_on_after(&outcome);
        self.leg_ended(cx.now(), def, leg, &outcome, goes_on);
        if !goes_on {
            // It is well, or fatal: it stands, and the others are given up.
            let tells = !hedging.legs.is_empty() && (def.cancels || self.tells(program, key));
            self.hedge_over(cx, program, def, &hedging, tells);
            return Next::Settle(outcome, extra);
        }
        let failed = hedging.failed(cx.now(), def, outcome, extra);
        self.phase(key, Phase::Hedging(hedging));
        match failed {
            Failed::Ends => self.all_failed(cx, program, key, def),
            Failed::GoesOn => self.send_due(cx, program, key, def),
        }
    }

    /// The last request that was out has failed in a way that others might not have.
    fn all_failed(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, def: &HedgeDef) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        let Phase::Hedging(mut hedging) = std::mem::replace(&mut attempt.phase, Phase::Idle) else { return Next::Over };
        let failure = hedging.failure.take();
        self.hedge_over(cx, program, def, &hedging, false);
        match failure.map(|failure| *failure) {
            Some((outcome, extra)) => Next::Settle(outcome, extra),
            None => Next::Over,
        }
    }

    /// The hedging of a try is over: nobody waits any longer for what is out.
    #[inline]
    pub(super) fn hedge_over(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        def: &HedgeDef,
        hedging: &Hedging,
        tells: bool,
    ) {
        if !hedging.legs.is_empty() {
            self.give_legs_up(cx, program, def, &hedging.legs, tells);
        }
        if let Some(timer) = hedging.timer {
            self.disarm(cx, timer);
        }
        if let Some((rule, index)) = &def.profile_budget {
            self.profile_budget(rule, *index).over();
        }
    }

    #[inline(never)]
    fn give_legs_up(&mut self, cx: &mut Cx<'_>, program: &Program, def: &HedgeDef, legs: &Few<Leg>, tells: bool) {
        for leg in legs.iter() {
            let took = cx.now().since(leg.since);
            if let Some(seen) = self.latencies(def) {
                // Superseded: what it would have taken is not known.
                seen.hear(cx.now(), took);
            }
            self.give_up(cx, program, leg.pending, tells);
        }
    }

    /// A request has its outcome: the budget hears of it, and the latencies unless it is a fast failure.
    #[inline]
    fn leg_ended(&mut self, now: Instant, def: &HedgeDef, leg: Leg, outcome: &Outcome, goes_on: bool) {
        if let Some((rule, index)) = &def.profile_budget {
            let ended = match outcome.tone() {
                Tone::Ok => Ended::Ok,
                _ if goes_on => Ended::Failed,
                _ => Ended::Otherwise,
            };
            self.profile_budget(rule, *index).ended(ended, leg.paid);
        }
        if let Some(seen) = self.latencies(def) {
            let counts = outcome.tone() == Tone::Ok || outcome.reason() == Some(crate::program::Reason::TIMEOUT);
            if counts {
                seen.hear(now, now.since(leg.since));
            }
        }
    }

    /// The latencies that the delay follows from, where it does.
    #[inline]
    fn latencies(&mut self, def: &HedgeDef) -> Option<&mut Latencies> {
        let (share, least, index) = def.follows?;
        match self.held(index, || Held::Latencies(Latencies::new(share, least))) {
            Held::Latencies(seen) => Some(seen),
            _ => None,
        }
    }
}

/// What a request of a try follows from: the first from what the try does, with or without a hedge.
fn cause_of_leg(attempt: &Attempt, number: u32) -> Cause {
    let cause = attempt.cause.then(TRY | u64::from(attempt.number));
    if number == 1 { cause } else { cause.then(HEDGE | u64::from(number)) }
}

impl HedgeDef {
    /// Whether others go on after this failure.
    fn goes_on_after(&self, outcome: &Outcome) -> bool {
        match &self.on {
            Some(listed) => listed.iter().any(|catch| catches(*catch, outcome)),
            None => is_usually_retried(outcome),
        }
    }
}
