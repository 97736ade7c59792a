//! `once`: at most one run per key, remembered in a map of the node's own or in a store.

use super::exec::{END, Next, TRY};
use super::service::{Cx, Service};
use super::thread::{Alarm, Phase, Thread};
use crate::message::{Extra, Operation, Outcome, Tone};
use crate::program::{OnceDef, Program, Reason, StepRef, Verb};
use crate::shelf::{Admission, Kept};
use crate::slab::Key;
use crate::value::Value;

impl Service {
    pub(super) fn once(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        def: &OnceDef,
    ) -> Next {
        let about = self.value(cx, key, &def.key);
        let about = Self::checked(cx, reference, about);
        if about.is_null() {
            return self.run_body(key, Phase::Once(Value::Null));
        }
        if let Some(edge) = def.edge {
            let part = self.part(program, key, edge);
            let kind = self.kind_of(program, reference);
            let operation = Operation::OnceBegin { step: reference, key: about, part };
            let pending = self.ask(cx, program, key, edge, kind, operation);
            self.phase(key, Phase::OnceBegin(pending));
            return Next::Wait;
        }
        let now = cx.now();
        match self.own_map_mut(cx, def.map).once_begin(&about, def, now) {
            Admission::Run => {
                let cell = self.own_map(cx, def.map).value(&about);
                self.tell_cell(cx, program, def.map, about.clone(), &cell);
                self.run_body(key, Phase::Once(about))
            }
            Admission::RunToo => self.run_body(key, Phase::Once(about)),
            Admission::Replay(kept) => self.replay(cx, program, key, kept),
            Admission::InFlight => Next::settle(Outcome::Error(Reason::IN_FLIGHT)),
            Admission::Hold(until) => {
                let alarm = self.alarm(cx, until.since(now), Alarm::Look { thread: key });
                let waiter = self.waiter(cx, alarm);
                cx.shared_mut().hold(def.map, &about, waiter);
                self.phase(key, Phase::Holding(alarm, about));
                Next::Wait
            }
        }
    }

    /// A finished key gives the outcome of its first time, and ends the endpoint if that did.
    pub(super) fn replay(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, kept: Kept) -> Next {
        if !kept.ended {
            return Next::settle(kept.outcome);
        }
        self.stop_timer(cx, key);
        self.left(cx, program, key, Some(&kept.outcome));
        if let Some(thread) = self.threads.get_mut(key) {
            thread.frames.pop();
        }
        Next::End(kept.outcome)
    }

    /// What an attempt waited for may have come.
    pub(super) fn look_again(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let (reference, cause) = (attempt.step, attempt.cause.then(TRY | u64::from(attempt.number)));
        let phase = std::mem::replace(&mut attempt.phase, Phase::Idle);
        self.wait_no_longer(cx, program, reference, &phase);
        cx.because(cause);
        let next = match &program.step(reference).verb {
            Verb::Once(def) => self.once(cx, program, key, reference, def),
            Verb::Read { map, .. } => self.at_own(cx, program, key, reference, *map),
            _ => return,
        };
        self.drive(cx, program, key, next);
    }

    /// Takes back that an attempt waits for a `once` or a condition: its timer may be something else's soon.
    pub(super) fn wait_no_longer(&mut self, cx: &mut Cx<'_>, program: &Program, step: StepRef, phase: &Phase) {
        match phase {
            Phase::Holding(alarm, about) => {
                let waiter = self.waiter(cx, *alarm);
                if let Verb::Once(def) = &program.step(step).verb {
                    cx.shared_mut().unhold(def.map, about, waiter);
                }
                self.disarm(cx, *alarm);
            }
            Phase::Watching(alarm) => {
                let waiter = self.waiter(cx, *alarm);
                cx.shared_mut().unwatch(self.me, waiter);
                self.disarm(cx, *alarm);
            }
            _ => {}
        }
    }

    /// The store has said whether a `once` may run.
    pub(super) fn once_begun(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        outcome: Outcome,
        extra: &Extra,
    ) -> Next {
        match extra {
            Extra::Run => {
                let about = match outcome {
                    Outcome::Ok(about) => about,
                    Outcome::Error(_) | Outcome::Unknown(_) => Value::Null,
                };
                self.run_body(key, Phase::Once(about))
            }
            Extra::Replayed { ended } => self.replay(cx, program, key, Kept { outcome, ended: *ended }),
            Extra::None
            | Extra::Version(_)
            | Extra::Keys(_)
            | Extra::ReadOnly
            | Extra::Mixed
            | Extra::NotKnown
            | Extra::Promises(_)
            | Extra::Pushback(_)
            | Extra::Failed
            | Extra::Unseen => Next::settle(outcome),
        }
    }

    /// The steps of a `once` have come to an end.
    pub(super) fn close_once(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        about: &Value,
        outcome: Outcome,
        ended: bool,
    ) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        let (reference, cause) = (attempt.step, attempt.cause.then(TRY | u64::from(attempt.number)));
        let Verb::Once(def) = &program.step(reference).verb else { return Next::Over };
        // What nobody knows leaves the key running: nothing is to be noted.
        if about.is_null() || outcome.tone() == Tone::Unknown {
            return self.closed(cx, program, key, outcome);
        }
        if let Some(edge) = def.edge {
            cx.because(cause.then(END));
            let part = self.part(program, key, edge);
            let kind = self.kind_of(program, reference);
            let (key_, came) = (about.clone(), outcome.clone());
            let operation = Operation::OnceEnd { step: reference, key: key_, outcome: came, ended, part };
            let pending = self.ask(cx, program, key, edge, kind, operation);
            self.phase(key, Phase::OnceEnd(pending, outcome));
            return Next::Wait;
        }
        cx.because(cause);
        let now = cx.now();
        if self.own_map_mut(cx, def.map).once_end(about, def, &outcome, ended, now) {
            let cell = self.own_map(cx, def.map).value(about);
            self.tell_cell(cx, program, def.map, about.clone(), &cell);
            for waiter in cx.shared_mut().release(def.map, about) {
                cx.ring(waiter.node, waiter.life, waiter.timer);
            }
        }
        self.closed(cx, program, key, outcome)
    }

    /// The store has noted what came of a `once`. If it has not, the key goes on running, and nobody can rely on what was done
    /// (which an error would deny); inside a transaction it is undone with the rest.
    pub(super) fn once_ended(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        answer: Outcome,
        came: Outcome,
    ) -> Next {
        if answer.tone() == Tone::Ok {
            return self.closed(cx, program, key, came);
        }
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        thread.ending = None;
        Next::settle(match answer {
            Outcome::Error(reason) if thread.txn().is_none() => Outcome::Unknown(reason),
            other => other,
        })
    }
}
