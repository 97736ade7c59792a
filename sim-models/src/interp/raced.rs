//! Tries that overlap: one that takes too long is tried again and goes on beside that (Envoy's `hedge_on_per_try_timeout`).
//!
//! All of them belong to one attempt, which settles with what stands in the end. What stands around tries one by one, such as a
//! breaker, cannot stand around these, and a file that says so is refused.

use serde::Serialize;
use sim_core::{Duration, Instant};

use super::exec::{Next, TRY};
use super::retry::is_retried;
use super::service::{Cx, JITTER, Service};
use super::thread::{Alarm, Phase, Thread};
use crate::message::{Extra, Outcome, Tone};
use crate::policy::budget;
use crate::policy::retry::hedged::{Due, Ended, Tries, Verdict, Which};
use crate::program::{Program, Reason, Step};
use crate::slab::Key;

/// The tries of one call that are under way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Race {
    tries: Tries,
    /// In the order in which they were sent.
    pub(super) out: Vec<Runner>,
    /// The timer of what is due next.
    timer: Option<Key>,
}

/// One of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Runner {
    pub(super) pending: Key,
    /// Whether it has taken too long, which those have heard who watch its callee.
    pub(super) is_late: bool,
    /// Whether it is tried again beside itself.
    is_hedged: bool,
}

impl Race {
    /// When something is due if nothing is heard before.
    pub(super) fn next(&self) -> Option<Instant> {
        self.tries.next()
    }
}

impl Service {
    /// Sends the first try of a call whose tries may overlap.
    #[cold]
    pub(super) fn race(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        step: &Step,
        timeout: Duration,
    ) -> Next {
        let tries = step.clauses.retry.as_ref().and_then(|retry| retry.tries);
        let tries = Tries::new(tries.map_or(u32::MAX, |tries| tries.saturating_sub(1)), timeout, cx.now());
        self.phase(key, Phase::Racing(Box::new(Race { tries, out: Vec::new(), timer: None })));
        self.send_runner(cx, program, key)
    }

    fn racing(&mut self, key: Key) -> Option<&mut Race> {
        match &mut self.threads.get_mut(key)?.attempt()?.phase {
            Phase::Racing(race) => Some(race),
            _ => None,
        }
    }

    /// Takes the race out of the top frame, to look at it beside the rest.
    fn take_race(&mut self, key: Key) -> Option<Box<Race>> {
        let attempt = self.threads.get_mut(key)?.attempt()?;
        match std::mem::replace(&mut attempt.phase, Phase::Idle) {
            Phase::Racing(race) => Some(race),
            other => {
                attempt.phase = other;
                None
            }
        }
    }

    /// Sends the newest try, whose time runs from now on.
    fn send_runner(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        // Set before anything is sent: an answer at the very instant of the timeout is late.
        self.set_race_timer(cx, key);
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        cx.because(attempt.cause.then(TRY | u64::from(attempt.number)));
        match self.send_one(cx, program, key) {
            Ok(pending) => {
                let Some(race) = self.racing(key) else { return Next::Over };
                race.out.push(Runner { pending, is_late: false, is_hedged: false });
                Next::Wait
            }
            Err(outcome) => match self.take_race(key) {
                Some(race) => self.runner_ended(cx, program, key, race, Which::Newest, (outcome, Extra::None)),
                None => Next::Over,
            },
        }
    }

    fn set_race_timer(&mut self, cx: &mut Cx<'_>, key: Key) {
        let Some(depth) = self.threads.get(key).map(|thread| thread.frames.len() - 1) else { return };
        let Some(race) = self.racing(key) else { return };
        let (before, next) = (race.timer.take(), race.tries.next());
        if let Some(before) = before {
            self.disarm(cx, before);
        }
        let Some(next) = next else { return };
        let timer = self.alarm(cx, next.since(cx.now()), Alarm::Hedge { thread: key, depth });
        if let Some(race) = self.racing(key) {
            race.timer = Some(timer);
        }
    }

    /// The newest try takes too long, or its wait is over.
    pub(super) fn race_due(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(mut race) = self.take_race(key) else { return };
        race.timer = None;
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let step = program.step(attempt.step);
        cx.because(attempt.cause.then(TRY | u64::from(attempt.number)));
        let now = cx.now();
        if let Some(newest) =
            race.out.last().filter(|newest| race.next().is_some_and(|next| next <= now) && !newest.is_hedged)
        {
            let late = Outcome::Unknown(Reason::TIMEOUT);
            if let Some(to) = self.pending.get(newest.pending).map(|pending| pending.to) {
                self.saw(cx, program, to, &late);
            }
            self.gives_back_pay(key, step);
        }
        let due = race.tries.due(now, || self.retry_begins(cx, key, step));
        if let (Some(Due::TimedOut { hedged }), Some(newest)) = (due, race.out.last_mut()) {
            (newest.is_late, newest.is_hedged) = (true, hedged);
        }
        self.phase(key, Phase::Racing(race));
        if due != Some(Due::Begins) {
            return self.set_race_timer(cx, key);
        }
        self.exhausted(key, false);
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        attempt.number += 1;
        attempt.around.number = attempt.number;
        let next = self.send_runner(cx, program, key);
        self.drive(cx, program, key, next);
    }

    /// When the next retry would begin, if the budget has one for it.
    fn retry_begins(&mut self, cx: &mut Cx<'_>, key: Key, step: &Step) -> Option<Instant> {
        let wait = step.clauses.retry.as_ref()?.profile.as_ref()?;
        if let Some(guards) = &step.clauses.guards
            && !self.pay(cx.now(), key, guards, &Outcome::Unknown(Reason::TIMEOUT))
        {
            return None;
        }
        let attempt = self.threads.get_mut(key).and_then(Thread::attempt)?;
        let luck = wait.luck(attempt.number, attempt.waited);
        let drawn = if luck.is_constant() { luck.median() } else { cx.draw(JITTER, &luck) };
        Some(cx.now() + wait.settled(attempt.number, &mut attempt.waited, drawn))
    }

    /// What was paid for the newest try is given back: Envoy counts one retry of a call at once, however many are under way.
    fn gives_back_pay(&mut self, key: Key, step: &Step) {
        let Some(guards) = &step.clauses.guards else { return };
        let Some((rule, index)) = &guards.budget else { return };
        let attempt = self.threads.get_mut(key).and_then(Thread::attempt);
        if let Some(paid) = attempt.and_then(|attempt| attempt.passed.take_pay()) {
            self.profile_budget(rule, *index).ended(budget::Ended::Otherwise, Some(paid));
        }
    }

    /// One of the tries of the top frame, which was waited for, has this outcome.
    #[cold]
    pub(super) fn runner_over(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        (key, pending): (Key, Key),
        mut race: Box<Race>,
        came: (Outcome, Extra),
    ) -> Next {
        let Some(at) = race.out.iter().position(|runner| runner.pending == pending) else {
            self.phase(key, Phase::Racing(race));
            return Next::Wait;
        };
        let which = if race.out.remove(at).is_hedged { Which::Older } else { Which::Newest };
        self.runner_ended(cx, program, key, race, which, came)
    }

    fn runner_ended(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        mut race: Box<Race>,
        which: Which,
        (outcome, extra): (Outcome, Extra),
    ) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        let step = program.step(attempt.step);
        cx.because(attempt.cause.then(TRY | u64::from(attempt.number)));
        let listed = step.clauses.retry.as_ref().is_some_and(|retry| is_retried(retry, &outcome));
        let ended = match outcome.reason() {
            _ if outcome.tone() == Tone::Ok => Ended::Well,
            Some(Reason::REFUSED | Reason::RESET) => Ended::Reset { listed },
            _ => Ended::Answered { listed },
        };
        if which == Which::Newest && ended != Ended::Well {
            self.gives_back_pay(key, step);
        }
        match race.tries.ended(which, ended, || self.retry_begins(cx, key, step)) {
            Verdict::Dropped | Verdict::TriedAgain => {
                self.phase(key, Phase::Racing(race));
                self.set_race_timer(cx, key);
                Next::Wait
            }
            Verdict::Stands => {
                self.end_race(cx, program, *race);
                Next::Settle(outcome, extra)
            }
        }
    }

    /// Waits for none of them any longer, which their callees are told: their streams are reset.
    pub(super) fn end_race(&mut self, cx: &mut Cx<'_>, program: &Program, race: Race) {
        if let Some(timer) = race.timer {
            self.disarm(cx, timer);
        }
        for runner in race.out {
            self.give_up(cx, program, runner.pending, true);
        }
    }
}
