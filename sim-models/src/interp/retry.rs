//! Trying again: what is, how long to wait before, and what the budget has left.

use sim_core::{Dist, Duration, Ratio};

use super::exec::{Next, TRY};
use super::service::{Cx, JITTER, Service};
use super::thread::{Alarm, Phase, Spared, Thread};
use crate::message::{Extra, Outcome, Tone};
use crate::program::{BudgetDef, Catch, Jitter, Program, Reason, RetryDef, Step};
use crate::slab::Key;

impl Service {
    /// Whether what came of this try is no try to its library: a process that stops turned it away unseen, for the
    /// first time.
    pub(super) fn is_transparent(&mut self, key: Key, step: &Step, extra: &Extra) -> bool {
        let may_be =
            matches!(extra, Extra::Unseen) && step.clauses.retry.as_ref().is_some_and(|retry| retry.is_transparent);
        may_be && self.threads.get_mut(key).and_then(Thread::attempt).is_some_and(|attempt| attempt.spared.tries == 0)
    }

    /// The wait before the next try, if there is to be one.
    pub(super) fn wait_before_retry(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        step: &Step,
        outcome: &Outcome,
        extra: &Extra,
    ) -> Option<Duration> {
        // Tries that overlap have been tried again already where they could be.
        let retry = step.clauses.retry.as_ref().filter(|retry| retry.hedges_after.is_none())?;
        let is_transparent = self.is_transparent(key, step, extra);
        if outcome.tone() == Tone::Ok && !is_transparent {
            return None;
        }
        let attempt = self.threads.get_mut(key).and_then(Thread::attempt)?;
        let (deadline, spared, mut waited) = (attempt.around.deadline, attempt.spared, attempt.waited);
        if is_transparent && cx.now() < deadline {
            attempt.spared = Spared { tries: spared.tries + 1, waits: spared.waits + 1 };
            return Some(Duration::ZERO);
        }
        let cause = attempt.cause.then(TRY | u64::from(attempt.number));
        let (tried, number) = (attempt.number - spared.tries, attempt.number - spared.waits);
        let forgives = retry.forgives_close && attempt.number == 1 && outcome.reason() == Some(Reason::RESET);
        let is_last = retry.tries.is_some_and(|tries| tried >= tries);
        if !forgives && (is_last || !is_retried(retry, outcome)) {
            return None;
        }
        cx.because(cause);
        let wait = match &retry.profile {
            None => {
                waited = wait_of(cx, retry, number, waited);
                waited
            }
            Some(library) => {
                let luck = library.luck(number, waited);
                let drawn = if luck.is_constant() { luck.median() } else { cx.draw(JITTER, &luck) };
                library.settled(number, &mut waited, drawn)
            }
        };
        let pushback = if let Extra::Pushback(told) = extra { Some(*told) } else { None };
        let wait = retry.heeds.heard(wait, pushback)?;
        // A try that no time is left for is none: what came of the last one stands, since `expired` would say that nothing was
        // done.
        let begins = cx.now() + wait;
        if begins >= deadline || !self.spend(retry) {
            return None;
        }
        if let Some(guards) = &step.clauses.guards
            && !self.pay(cx.now(), key, guards, outcome)
        {
            return None;
        }
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.waited = waited;
            if retry.heeds.begins_anew(pushback) {
                attempt.waited = Duration::ZERO;
                attempt.spared.waits = attempt.number;
            }
        }
        Some(wait)
    }

    pub(super) fn back_off(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, wait: Duration) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        attempt.number += 1;
        attempt.around.number = attempt.number;
        self.exhausted(key, false);
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        // What takes no time and is tried again at once goes through the queue of events, where a loop without end is noticed.
        if wait.is_zero() && attempt.since < cx.now() {
            return self.launch(cx, program, key);
        }
        let alarm = self.alarm(cx, wait, Alarm::Over { thread: key });
        self.phase(key, Phase::Backoff(alarm));
        Next::Wait
    }

    /// A first try adds to its budget.
    pub(super) fn earn(&mut self, step: &Step) {
        self.earn_for(step.clauses.retry.as_ref());
    }

    /// The same of what is tried by this rule.
    pub(super) fn earn_for(&mut self, retry: Option<&RetryDef>) {
        self.earn_from(retry.and_then(|retry| retry.budget));
    }

    pub(super) fn earn_from(&mut self, budget: Option<BudgetDef>) {
        let Some(budget) = budget else { return };
        let most = u64::from(budget.burst).saturating_mul(Ratio::ONE.parts());
        let held = self.budget(budget.index, most);
        *held = held.saturating_add(budget.ratio.parts()).min(most);
    }

    /// A retry costs its budget one, if it has one.
    pub(super) fn spend(&mut self, retry: &RetryDef) -> bool {
        retry.budget.is_none_or(|budget| self.spend_from(budget))
    }

    pub(super) fn spend_from(&mut self, budget: BudgetDef) -> bool {
        let held = self.budget(budget.index, u64::from(budget.burst).saturating_mul(Ratio::ONE.parts()));
        match held.checked_sub(Ratio::ONE.parts()) {
            Some(rest) => {
                *held = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn budget(&mut self, index: u32, full: u64) -> &mut u64 {
        let index = index as usize;
        if self.budgets.len() <= index {
            self.budgets.resize(index + 1, None);
        }
        self.budgets[index].get_or_insert(full)
    }
}

pub(super) fn is_retried(retry: &RetryDef, outcome: &Outcome) -> bool {
    if outcome.tone() == Tone::Ok || retry.except.iter().any(|catch| catches(*catch, outcome)) {
        return false;
    }
    if !retry.on.is_empty() {
        return retry.on.iter().any(|catch| catches(*catch, outcome));
    }
    is_usually_retried(outcome)
}

/// Whether it is tried again, or somebody else asked, when a file does not say.
pub(super) fn is_usually_retried(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unknown(_) => true,
        Outcome::Error(reason) => [Reason::REFUSED, Reason::OVERLOADED, Reason::UNAVAILABLE].contains(reason),
        Outcome::Ok(_) => false,
    }
}

/// The wait before retry `number` (from 1): `min(wait · factor^(number − 1), max_wait)` or `min(wait · number,
/// max_wait)`, then jitter.
pub(super) fn wait_of(cx: &mut Cx<'_>, retry: &RetryDef, number: u32, waited: Duration) -> Duration {
    let wait = retry.grows.waited(retry.wait, number, retry.max_wait);
    let spread = |cx: &mut Cx<'_>, low, high| match Dist::uniform(low, high) {
        Ok(dist) => cx.draw(JITTER, &dist),
        Err(_) => high,
    };
    match retry.jitter {
        Jitter::None => wait,
        Jitter::Full => spread(cx, Duration::ZERO, wait),
        Jitter::Equal => spread(cx, Duration::from_nanos(wait.nanos() / 2), wait),
        Jitter::Decorrelated => {
            let before = waited.max(retry.wait);
            spread(cx, retry.wait, before.saturating_mul(3)).min(retry.max_wait)
        }
    }
}

pub(super) fn catches(catch: Catch, outcome: &Outcome) -> bool {
    match catch {
        Catch::Reason(reason) => outcome.reason() == Some(reason),
        Catch::Ok => outcome.tone() == Tone::Ok,
        Catch::Error => outcome.tone() == Tone::Error,
        Catch::Unknown => outcome.tone() == Tone::Unknown,
        Catch::Else => outcome.tone() != Tone::Ok,
    }
}

/// How much a word of `on` takes in: the narrowest is asked first.
pub(super) const fn breadth(catch: Catch) -> u8 {
    match catch {
        Catch::Reason(_) => 0,
        Catch::Ok | Catch::Error | Catch::Unknown => 1,
        Catch::Else => 2,
    }
}
