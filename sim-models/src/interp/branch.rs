//! Branches that run at once, and giving up: what a timeout, a decision or a cancelled request stops.

use super::exec::{Next, TRY};
use super::service::{Cx, Service};
use super::thread::{Branches, Fan, Frame, Origin, Phase, Role, Thread};
use crate::message::{CallId, Msg, Outcome, Sort, Tone};
use crate::program::{BlockRef, Program, Reason, Verb};
use crate::slab::Key;
use crate::value::Value;

impl Service {
    pub(super) fn parallel(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        blocks: &[BlockRef],
        need: u32,
    ) -> Next {
        let Some(thread) = self.threads.get(key) else { return Next::Over };
        let (request, depth) = (thread.request, thread.frames.len() - 1);
        let (own, around) = (thread.env.clone(), thread.around());
        let left = blocks.len() as u32;
        let branches = Branches { running: Vec::new(), left, oks: 0, need, failure: None, starting: true };
        self.phase(key, Phase::Parallel(Box::new(branches)));
        for block in blocks {
            if self.branches(key).is_none_or(|branches| branches.decided().is_some()) {
                break;
            }
            let branch = self.spawn(request, Origin::Branch { parent: key, depth }, *block, own.clone(), around);
            if let Some(branches) = self.branches(key) {
                branches.running.push(branch);
            }
            self.go_on(cx, program, branch);
            if self.threads.get(key).is_none_or(|thread| thread.frames.len() <= depth) {
                // A branch ended the whole endpoint.
                return Next::Over;
            }
        }
        let Some(branches) = self.branches(key) else { return Next::Wait };
        branches.starting = false;
        match branches.decided() {
            Some(outcome) => self.decide(cx, program, key, outcome),
            None => Next::Wait,
        }
    }

    pub(super) fn branches(&mut self, key: Key) -> Option<&mut Branches> {
        match &mut self.threads.get_mut(key)?.attempt()?.phase {
            Phase::Parallel(branches) => Some(branches),
            _ => None,
        }
    }

    pub(super) fn fan(&mut self, key: Key) -> Option<&mut Fan> {
        match self.threads.get_mut(key)?.frames.last_mut() {
            Some(Frame { role: Role::Fan(fan), .. }) => Some(fan),
            _ => None,
        }
    }

    /// A branch of a `parallel` or of a concurrent `for_each` has come to an end.
    pub(super) fn branch_over(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        parent: Key,
        branch: Key,
        outcome: &Outcome,
    ) {
        if let Some(branches) = self.branches(parent) {
            branches.running.retain(|running| *running != branch);
            branches.left -= 1;
            match outcome.tone() {
                Tone::Ok => branches.oks += 1,
                Tone::Error | Tone::Unknown => {
                    branches.failure.get_or_insert_with(|| outcome.clone());
                }
            }
            if branches.starting {
                return;
            }
            if let Some(outcome) = branches.decided() {
                let next = self.decide(cx, program, parent, outcome);
                self.drive(cx, program, parent, next);
            }
        } else if let Some(fan) = self.fan(parent) {
            fan.running.retain(|running| *running != branch);
            if outcome.tone() != Tone::Ok {
                fan.failure.get_or_insert_with(|| outcome.clone());
            }
            if !fan.starting {
                let next = self.fan_out(cx, program, parent);
                self.drive(cx, program, parent, next);
            }
        }
    }

    pub(super) fn decide(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
        let running = self.branches(key).map(|branches| std::mem::take(&mut branches.running)).unwrap_or_default();
        let tells = self.tells(program, key);
        if outcome.tone() == Tone::Ok {
            self.exhausted(key, false);
        }
        for branch in running {
            self.kill(cx, program, branch, tells);
        }
        Next::settle(outcome)
    }

    /// Starts as many items of a concurrent `for_each` as there is room for; raises the first failure when none runs any more.
    pub(super) fn fan_out(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        let Some(thread) = self.threads.get(key) else { return Next::Over };
        let (request, depth, around) = (thread.request, thread.frames.len() - 1, thread.around());
        let body = thread.frames[depth].block;
        loop {
            let Some(fan) = self.fan(key) else { return Next::Over };
            let more = fan.failure.is_none() && fan.running.len() < fan.room as usize;
            let item = fan.list.get(fan.at as usize).cloned().filter(|_| more);
            let Some(value) = item else {
                fan.starting = false;
                if !fan.running.is_empty() {
                    return Next::Wait;
                }
                let failure = fan.failure.take();
                if let Some(thread) = self.threads.get_mut(key) {
                    thread.frames.pop();
                }
                return failure.map_or(Next::Go, Next::Raise);
            };
            fan.at += 1;
            fan.starting = true;
            let slot = fan.item;
            let mut env = Box::new(self.seen(key).clone());
            env.carry(slot, value);
            let branch = self.spawn(request, Origin::Branch { parent: key, depth }, body, Some(env), around);
            if let Some(fan) = self.fan(key) {
                fan.running.push(branch);
            }
            self.go_on(cx, program, branch);
            if self.threads.get(key).is_none_or(|thread| thread.frames.len() <= depth) {
                return Next::Over;
            }
        }
    }

    /// A try has taken too long: its own steps stop where they wait, what it sent goes on.
    pub(super) fn try_timed_out(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize) {
        if self.threads.get(key).is_none_or(|thread| thread.frames.len() <= depth) {
            return;
        }
        if self.saga_timed_out(cx, program, key, depth) || self.agreement_timed_out(cx, program, key, depth) {
            return;
        }
        let attempt = self.threads.get(key).and_then(|thread| thread.frames.get(depth));
        let tells = attempt.is_some_and(
            |frame| matches!(&frame.role, Role::Attempt(attempt) if program.step(attempt.step).clauses.cancel),
        );
        self.saw_timeout(cx, program, key, depth);
        self.given_up.clear();
        let outcome = self.timed_out(cx, program, key, depth, tells);
        self.unwind(cx, program, key, depth, tells);
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        attempt.timer = None;
        let step = program.step(attempt.step);
        if let Some(guards) = &step.clauses.guards {
            self.timeout_over(cx, key, step, guards);
        }
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let cause = attempt.cause.then(TRY | u64::from(attempt.number));
        cx.because(cause);
        self.drive(cx, program, key, Next::settle(outcome));
    }

    /// What is known of a try whose time is up: of a transaction whose steps still run, and have called nobody of whom that is not known,
    /// that nothing is done; and else nothing.
    fn timed_out(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize, tells: bool) -> Outcome {
        let runs = |frame: &Frame| match &frame.role {
            Role::Attempt(attempt) => match &attempt.phase {
                Phase::Transaction(txn) => Some(txn.in_doubt),
                _ => None,
            },
            Role::Plain | Role::Each { .. } | Role::Fan(_) => None,
        };
        let in_doubt = |this: &Self| this.threads.get(key).and_then(|thread| thread.frames.get(depth)).and_then(runs);
        if in_doubt(self).is_some() {
            self.stop_above(cx, program, key, depth, tells);
        }
        match in_doubt(self) {
            Some(false) => Outcome::Error(Reason::UNDONE),
            Some(true) | None => Outcome::Unknown(Reason::TIMEOUT),
        }
    }

    /// Stops all that runs above the frame of this depth.
    pub(super) fn stop_above(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize, tells: bool) {
        self.unwind(cx, program, key, depth + 1, tells);
        while self.threads.get(key).is_some_and(|thread| thread.frames.len() > depth + 1) {
            self.left(cx, program, key, None);
            if let Some(thread) = self.threads.get_mut(key) {
                thread.frames.pop();
            }
        }
    }

    /// Whether the attempt in the top frame tells whom it asked when it gives up.
    pub(super) fn tells(&mut self, program: &Program, key: Key) -> bool {
        let attempt = self.threads.get_mut(key).and_then(Thread::attempt);
        attempt.is_some_and(|attempt| program.step(attempt.step).clauses.cancel)
    }

    /// Stops all that runs above the frame of this depth, and what that frame's attempt waits for.
    pub(super) fn unwind(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize, tells: bool) {
        // What other threads have given up keeps no place of this one; what this one gives up does, and those around it.
        let of_others = std::mem::take(&mut self.given_up);
        self.unwind_alone(cx, program, key, depth, tells);
        self.given_up.splice(0..0, of_others);
    }

    fn unwind_alone(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize, tells: bool) {
        if program.service(self.me).is_some_and(|def| def.asynchronous) {
            self.leave_line(cx, program, key);
        }
        loop {
            let Some(thread) = self.threads.get_mut(key) else { return };
            if let Some(alarm) = thread.sleeping.take() {
                let worked = self.disarm_work(cx, program, key, alarm);
                if worked {
                    self.free_worker(cx, program, self.asker_of(key));
                }
                continue;
            }
            let top = thread.frames.len();
            if top <= depth {
                return;
            }
            self.drop_top(cx, program, key, tells);
            if top == depth + 1 {
                return;
            }
            self.left(cx, program, key, None);
            if let Some(thread) = self.threads.get_mut(key) {
                thread.frames.pop();
            }
        }
    }

    /// Stops a sleep; whether that was work which held a worker for itself.
    pub(super) fn disarm_work(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, alarm: Key) -> bool {
        self.disarm(cx, alarm);
        let frame = self.threads.get(key).and_then(|thread| thread.frames.last());
        frame.is_some_and(|frame| frame.is_behind_work(program)) && self.is_asynchronous(program, key)
    }

    /// Lets go of what the top frame waits for; `tells`: those who were asked learn of it.
    pub(super) fn drop_top(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, tells: bool) {
        self.stop_timer(cx, key);
        let Some(thread) = self.threads.get_mut(key) else { return };
        thread.ending = None;
        let Some(frame) = thread.frames.last_mut() else { return };
        let (phase, step) = match &mut frame.role {
            Role::Plain | Role::Each { .. } => return,
            Role::Fan(fan) => {
                for branch in std::mem::take(&mut fan.running) {
                    self.kill(cx, program, branch, tells);
                }
                return;
            }
            Role::Attempt(attempt) => (std::mem::replace(&mut attempt.phase, Phase::Idle), attempt.step),
        };
        let tells = tells || program.step(step).clauses.cancel;
        match phase {
            Phase::Idle | Phase::Body | Phase::Once(_) => {}
            Phase::Holding(..) | Phase::Watching(_) => self.wait_no_longer(cx, program, step, &phase),
            Phase::Backoff(alarm) => self.disarm(cx, alarm),
            Phase::Following | Phase::Landed(_) | Phase::Admitted => {}
            Phase::Queued(queued) => self.leaves_queue(cx, key, program.step(step), *queued),
            Phase::Hedging(hedging) => {
                let Some(def) = &program.step(step).clauses.hedge else { return };
                self.hedge_over(cx, program, def, &hedging, tells || def.cancels);
            }
            Phase::Racing(race) => self.end_race(cx, program, *race),
            Phase::Calling(pending) | Phase::OnceBegin(pending) | Phase::OnceEnd(pending, _) => {
                self.give_up(cx, program, pending, tells);
            }
            Phase::Committing(pending, txn, _) => {
                let edge = self.pending.get(pending).map(|pending| pending.edge);
                self.give_up(cx, program, pending, false);
                // A commit that the store has not got by now is lost, or comes too late.
                self.forget_at_store(cx, program, txn, edge);
            }
            Phase::Transaction(txn) => {
                if let Verb::Transaction { edge, .. } = &program.step(step).verb {
                    self.roll_back(cx, program, &txn, *edge);
                }
            }
            Phase::Parallel(branches) => {
                for branch in branches.running {
                    self.kill(cx, program, branch, tells);
                }
            }
            Phase::Agreeing(txn) => self.nobody_waits(cx, program, txn),
            Phase::Saga(saga) => self.goes_on_alone(cx, program, key, saga),
        }
    }

    /// Waits no longer for an answer: nobody will know what came of it.
    pub(super) fn give_up(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, tells: bool) {
        let Some(pending) = self.resolve(cx, program, key, Sort::Unsure) else { return };
        if tells {
            let id = CallId { life: cx.life(), place: key.place, turn: key.turn };
            cx.send(pending.to, Msg::Cancel { id, kind: pending.kind });
        } else {
            self.given_up.push((key, pending.since));
        }
    }

    /// Stops a thread and all its branches where they are.
    pub(super) fn kill(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, tells: bool) {
        self.unwind(cx, program, key, 0, tells);
        if let Some(thread) = self.threads.remove(key)
            && let Some(request) = self.requests.get_mut(thread.request)
        {
            request.threads -= 1;
        }
    }
}

impl Branches {
    /// What came of them, once enough are ok or too many are not.
    pub(super) fn decided(&self) -> Option<Outcome> {
        if self.oks >= self.need {
            Some(Outcome::Ok(Value::Null))
        } else if self.oks + self.left < self.need {
            Some(self.failure.clone().unwrap_or(Outcome::Error(Reason::UNDONE)))
        } else {
            None
        }
    }
}
