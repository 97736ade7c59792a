//! Steps with an outcome: begun, tried, settled, raised, and what ends the endpoint on its way out.

use std::sync::Arc;

use sim_core::{Duration, Instant, Passing};

use super::cells::is_instant;
use super::exec::{Next, TRY};
use super::guards::{Asked, Passed};
use super::retry::{breadth, catches, is_retried};
use super::service::{Cx, Service};
use super::thread::{Alarm, Around, Attempt, Frame, Origin, Pending, Phase, Role, Spared, Thread, Touched, Txn};
use crate::message::{
    Aside, CallId, Counted, EdgeCounted, Extra, Msg, Note, Operation, Outcome, Part, Sort, Tone, TxnId,
};
use crate::program::{BlockRef, EdgeRef, Program, Reason, Slot, Step, StepRef, Template, Verb};
use crate::slab::Key;
use crate::value::Value;

impl Service {
    pub(super) fn attempt(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef) -> Next {
        let step = program.step(reference);
        if program.asked.amplification
            && let Some(edge) = step.edge().filter(|_| self.asks_anew(key, reference))
        {
            cx.note(Note::Edge(edge, EdgeCounted::Asked));
        }
        let cause = self.cause_of(key, reference, step);
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let around = thread.around();
        let own = step.clauses.deadline.map_or(Instant::NEVER, |length| cx.now() + length);
        let attempt = Attempt {
            step: reference,
            cause,
            number: 1,
            around: Around {
                // `$try` is that of the nearest step around which is tried again.
                number: if step.clauses.retry.is_some() { 1 } else { around.number },
                deadline: around.deadline.min(own),
                expires: around.expires,
            },
            since: cx.now(),
            timer: None,
            waited: Duration::ZERO,
            passed: Passed::default(),
            flight: None,
            spared: Spared::default(),
            phase: Phase::Idle,
        };
        let block = match &step.verb {
            Verb::Try(body) | Verb::Transaction { body, .. } => *body,
            Verb::Once(def) => def.body,
            _ => BlockRef(0),
        };
        thread.frames.push(Frame { block, next: u32::MAX, role: Role::Attempt(Box::new(attempt)) });
        self.earn(step);
        if let Some(guards) = &step.clauses.guards {
            self.call_begun(cx.now(), guards);
        }
        self.launch(cx, program, key)
    }

    /// Begins the next try of the attempt in the top frame.
    pub(super) fn launch(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        let now = cx.now();
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let Some(attempt) = thread.attempt() else { return Next::Over };
        attempt.phase = Phase::Idle;
        attempt.since = now;
        let (reference, deadline) = (attempt.step, attempt.around.deadline);
        if now >= deadline {
            return Next::settle(Outcome::Error(Reason::EXPIRED));
        }
        let step = program.step(reference);
        let follows = match &step.clauses.coalesce {
            Some(def) => self.follows(cx, program, key, reference, def),
            None => false,
        };
        if follows {
            self.set_try_timer(cx, key, step);
            return Next::Wait;
        }
        self.pass(cx, program, key)
    }

    /// Lets the try in the top frame pass the guards that it has not passed yet, and begins it.
    pub(super) fn pass(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        let reference = attempt.step;
        let cause = attempt.cause.then(TRY | u64::from(attempt.number));
        let step = program.step(reference);
        if let Some(guards) = step.clauses.guards.as_ref().filter(|guards| !guards.order.is_empty()) {
            let passed = attempt.passed.inside();
            attempt.passed.passes(guards);
            match self.ask_guards(cx, key, step, guards, passed) {
                Asked::Go => {}
                Asked::Refused(outcome) => return Next::settle(outcome),
                Asked::Waits => return Next::Wait,
            }
        }
        self.set_try_timer(cx, key, step);
        if let Some(def) = &step.clauses.hedge {
            return self.hedged(cx, program, key, def, cause);
        }
        if let Some(timeout) = step.clauses.retry.as_ref().and_then(|retry| retry.hedges_after) {
            return self.race(cx, program, key, step, timeout);
        }
        cx.because(cause);
        match &step.verb {
            Verb::Read { map, edge: None, .. }
            | Verb::List { map, edge: None, .. }
            | Verb::Set { map, edge: None, .. } => self.at_own(cx, program, key, reference, *map),
            Verb::Call { .. } | Verb::Read { .. } | Verb::List { .. } | Verb::Set { .. } => {
                match self.send_one(cx, program, key) {
                    Ok(pending) => {
                        self.phase(key, Phase::Calling(pending));
                        Next::Wait
                    }
                    Err(outcome) => Next::settle(outcome),
                }
            }
            Verb::Try(_) => self.run_body(key, Phase::Body),
            Verb::Publish { edge, with, key: about, .. } => {
                self.publish(cx, program, key, reference, *edge, with, about.as_ref())
            }
            Verb::Transaction { protocol, .. } => {
                self.txns += 1;
                let id = TxnId { node: cx.id().0, life: cx.life(), number: self.txns };
                let members = protocol.is_some().then(Vec::new);
                let facts = Vec::new();
                let txn = Txn { id, facts, begun: false, heard: false, strays: false, in_doubt: false, members };
                self.run_body(key, Phase::Transaction(Box::new(txn)))
            }
            Verb::Once(def) => self.once(cx, program, key, reference, def),
            Verb::Saga(def) => self.saga(cx, program, key, reference, def),
            Verb::Parallel { branches, need } => self.parallel(cx, program, key, branches, *need),
            _ => Next::Go,
        }
    }

    /// From here on the time of the try in the top frame runs, unless it does already.
    pub(super) fn set_try_timer(&mut self, cx: &mut Cx<'_>, key: Key, step: &Step) {
        let now = cx.now();
        let Some(thread) = self.threads.get_mut(key) else { return };
        let depth = thread.frames.len() - 1;
        let Some(attempt) = thread.attempt() else { return };
        if attempt.timer.is_some() || attempt.passed.outlives_timeout(step) {
            return;
        }
        let deadline = attempt.around.deadline;
        let limit = step.clauses.timeout.unwrap_or(Duration::FOREVER);
        let limit = if deadline == Instant::NEVER { limit } else { limit.min(deadline.since(now)) };
        let outer = self.expires_around(key, depth);
        let expires = if limit == Duration::FOREVER { outer } else { outer.min(now + limit) };
        if limit != Duration::FOREVER && !is_instant(step) {
            // Set before anything is sent: an answer at the very instant of the timeout is late.
            let timer = self.alarm(cx, limit, Alarm::Try { thread: key, depth });
            if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
                attempt.timer = Some(timer);
            }
        }
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.around.expires = expires;
        }
    }

    /// When somebody gives up who waits for what the attempt in this frame stands in.
    pub(super) fn expires_around(&self, key: Key, depth: usize) -> Instant {
        let Some(thread) = self.threads.get(key) else { return Instant::NEVER };
        let attempts = thread.frames[..depth].iter().rev().find_map(|frame| match &frame.role {
            Role::Attempt(attempt) => Some(attempt.around.expires),
            _ => None,
        });
        attempts.unwrap_or(thread.around.expires)
    }

    pub(super) fn phase(&mut self, key: Key, phase: Phase) {
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.phase = phase;
        }
    }

    pub(super) fn run_body(&mut self, key: Key, phase: Phase) -> Next {
        self.phase(key, phase);
        if let Some(frame) = self.threads.get_mut(key).and_then(|thread| thread.frames.last_mut()) {
            frame.next = 0;
        }
        Next::Go
    }

    /// Counts what is sent on its edge: each is a call, and has one outcome there, `unknown` when it is given up.
    pub(super) fn count_try(&mut self, cx: &mut Cx<'_>, key: Key, edge: EdgeRef) {
        let number = self.threads.get_mut(key).and_then(Thread::attempt).map_or(1, |attempt| attempt.around.number);
        cx.note(Note::Edge(edge, EdgeCounted::Call));
        if self.is_further(key) {
            cx.note(Note::Edge(edge, EdgeCounted::Hedge));
        } else if number > 1 {
            cx.note(Note::Edge(edge, EdgeCounted::Retry));
        }
        if self.program.asked.amplification && self.asks_for_its_step(key) {
            cx.note(Note::Edge(edge, EdgeCounted::Asked));
        }
    }

    /// Whether what is sent is none of what a step asks for by itself, and not tried again: what begins and ends a `once` or a
    /// transaction in a store.
    fn asks_for_its_step(&self, key: Key) -> bool {
        let of_step = |attempt: &Attempt| self.program.step(attempt.step).edge().is_some();
        let is_of_step = self.threads.get(key).and_then(Thread::top).is_none_or(of_step);
        !is_of_step && !self.is_tried_again(key)
    }

    /// Whether the step that a thread has come to asks for something anew, and not because something around is tried again.
    fn asks_anew(&self, key: Key, reference: StepRef) -> bool {
        let request = self.threads.get(key).and_then(|thread| self.requests.get(thread.request));
        let was_here = request.is_some_and(|request| request.visits.iter().any(|(known, _)| *known == reference));
        !was_here || !self.is_tried_again(key)
    }

    /// Whether anything that a thread is in is tried again.
    fn is_tried_again(&self, mut key: Key) -> bool {
        let again = |frame: &Frame| matches!(&frame.role, Role::Attempt(attempt) if attempt.number > 1);
        while let Some(thread) = self.threads.get(key) {
            if thread.frames.iter().any(again) {
                return true;
            }
            let Origin::Branch { parent, .. } = thread.origin else { return false };
            key = parent;
        }
        false
    }

    /// Whether nobody waits for what comes of a request that is out.
    #[inline]
    pub(super) fn is_for_nobody(&self, pending: Key) -> bool {
        self.does_for_nobody && self.is_waited_for_by_nobody(pending)
    }

    #[cold]
    fn is_waited_for_by_nobody(&self, pending: Key) -> bool {
        let thread = self.pending.get(pending).and_then(|pending| self.threads.get(pending.thread));
        thread.and_then(Thread::top).is_some_and(|attempt| attempt.passed.is_for_nobody())
    }

    pub(super) fn expect_answer(&mut self, cx: &Cx<'_>, pending: Pending) -> CallId {
        let there = pending.to.0 as usize;
        if there >= self.open.len() {
            self.open.resize(there + 1, 0);
        }
        self.open[there] += 1;
        let key = self.pending.insert(pending);
        CallId { life: cx.life(), place: key.place, turn: key.turn }
    }

    /// Something that was sent has come to this.
    pub(super) fn resolve(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, sort: Sort) -> Option<Pending> {
        let pending = self.pending.remove(key)?;
        self.open[pending.to.0 as usize] -= 1;
        let callee = program.edges[pending.edge.0 as usize].1;
        self.tells_end(cx, program, callee, key);
        let tone = match sort {
            Sort::Ok => Tone::Ok,
            Sort::Unsure => Tone::Unknown,
            Sort::Rejected | Sort::Failed | Sort::Shed | Sort::Open | Sort::Exhausted => Tone::Error,
        };
        cx.note(Note::Edge(pending.edge, EdgeCounted::Outcome(tone, Aside(sort))));
        if tone == Tone::Unknown {
            self.leaves_open(program, pending.thread);
            if let Some(txn) = self.threads.get_mut(pending.thread).and_then(Thread::txn) {
                match program.store(callee) {
                    None => txn.in_doubt = true,
                    Some(_) if txn.members.is_none() => txn.strays = true,
                    Some(_) => txn.touched(pending.to).into_iter().for_each(|member| member.strays = true),
                }
            }
        }
        Some(pending)
    }

    /// Sends what the try in the top frame asks of another node; what comes of it when nobody is there to ask.
    pub(super) fn send_one(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Result<Key, Outcome> {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else {
            return Err(Outcome::Error(Reason::REFUSED));
        };
        let reference = attempt.step;
        match &program.step(reference).verb {
            Verb::Call { with, edge, .. } => self.call(cx, program, key, reference, *edge, with),
            Verb::Read { edge: Some(edge), key: at, .. } | Verb::Set { edge: Some(edge), key: at, .. } => {
                let at = self.value(cx, key, at);
                let at = Self::checked(cx, reference, at);
                Ok(self.ask_step(cx, program, key, reference, *edge, at))
            }
            Verb::List { edge: Some(edge), .. } => Ok(self.ask_step(cx, program, key, reference, *edge, Value::Null)),
            _ => Err(Outcome::Error(Reason::REFUSED)),
        }
    }

    fn call(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        edge: EdgeRef,
        with: &[(Slot, Template)],
    ) -> Result<Key, Outcome> {
        let refused = Outcome::Error(Reason::REFUSED);
        let Verb::Call { endpoint, .. } = &program.step(reference).verb else { return Err(refused) };
        self.count_try(cx, key, edge);
        let callee = program.endpoint(*endpoint).node;
        let Some(to) = self.replica_for(cx, program, key, callee) else {
            cx.note(Note::Count(callee, Counted::Refused));
            cx.note(Note::Edge(edge, EdgeCounted::Outcome(Tone::Error, Aside(Sort::Failed))));
            return Err(refused);
        };
        let mut values = Vec::with_capacity(with.len());
        for (slot, template) in with {
            let value = self.value(cx, key, template);
            values.push((*slot, Self::checked(cx, reference, value)));
        }
        let carried = self.seen(key).carried(values);
        let around = self.threads.get(key).map_or(Around::nothing(1), Thread::around);
        let kind = program.endpoint(*endpoint).kind;
        let id = self.expect_answer(cx, Pending { thread: key, edge, to, kind, since: cx.now(), txn: None });
        self.tells_wait(cx, program, key, id);
        let [expires, deadline] = [around.expires, around.deadline].map(|at| self.travelling(cx, at));
        cx.send(to, Msg::Call { id, endpoint: *endpoint, kind, carried, expires, deadline });
        Ok(Key { place: id.place, turn: id.turn })
    }

    /// Gives a message to the queue at the end of an edge.
    #[expect(clippy::too_many_arguments, reason = "one call of one place")]
    pub(super) fn publish(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        edge: EdgeRef,
        with: &[(Slot, Template)],
        about: Option<&Template>,
    ) -> Next {
        self.count_try(cx, key, edge);
        let mut values = Vec::with_capacity(with.len());
        for (slot, template) in with {
            let value = self.value(cx, key, template);
            values.push((*slot, Self::checked(cx, reference, value)));
        }
        let carried = self.seen(key).carried(values);
        let about = about.map(|about| self.value(cx, key, about)).transpose();
        let about = Self::checked(cx, reference, about).unwrap_or_default();
        let (to, kind) = (program.node(program.edges[edge.0 as usize].1).replicas[0], self.kinds.publish);
        let id = self.expect_answer(cx, Pending { thread: key, edge, to, kind, since: cx.now(), txn: None });
        self.phase(key, Phase::Calling(Key { place: id.place, turn: id.turn }));
        cx.send(to, Msg::Publish { id, carried, key: about, kind });
        Next::Wait
    }

    fn ask_step(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        step: StepRef,
        edge: EdgeRef,
        at: Value,
    ) -> Key {
        let names = self.names(key, program.step(step)).map(Arc::new);
        let part = self.part(program, key, edge);
        let kind = self.kind_of(program, step);
        self.ask(cx, program, key, edge, kind, Operation::Step { step, key: at, names, part })
    }

    /// How what a thread sends to a store now belongs to a transaction.
    pub(super) fn part(&mut self, program: &Program, key: Key, edge: EdgeRef) -> Option<Part> {
        let txn = self.threads.get_mut(key).and_then(Thread::txn)?;
        let Some(members) = &mut txn.members else {
            txn.begun = true;
            return Some(Part { id: txn.id, opens: !txn.heard });
        };
        let known = members.iter().position(|member| member.edge == edge);
        let at = known.unwrap_or_else(|| {
            let to = program.node(program.edges[edge.0 as usize].1).replicas[0];
            members.push(Touched { edge, to, heard: false, strays: false });
            members.len() - 1
        });
        Some(Part { id: txn.id, opens: !members[at].heard })
    }

    pub(super) fn kind_of(&self, program: &Program, step: StepRef) -> sim_core::Kind {
        match &program.step(step).verb {
            Verb::Set { to: Template::Constant(Value::Null), .. } => self.kinds.delete,
            Verb::Set { .. } | Verb::Once(_) => self.kinds.set,
            Verb::Transaction { .. } => self.kinds.commit,
            _ => self.kinds.read,
        }
    }

    /// Sends an operation to the store at the end of an edge.
    pub(super) fn ask(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        edge: EdgeRef,
        kind: sim_core::Kind,
        operation: Operation,
    ) -> Key {
        self.count_try(cx, key, edge);
        let to = program.node(program.edges[edge.0 as usize].1).replicas[0];
        let id = self.expect_answer(cx, Pending { thread: key, edge, to, kind, since: cx.now(), txn: None });
        self.tells_wait(cx, program, key, id);
        cx.send(to, Msg::Ask { id, operation, kind });
        Key { place: id.place, turn: id.turn }
    }

    /// An answer to a request that is still waited for.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome, extra: Extra) {
        // Whoever asked has gone, and does not know what came of it.
        let sort = if self.is_for_nobody(key) { Sort::Unsure } else { outcome.sort() };
        let Some(pending) = self.resolve(cx, program, key, sort) else { return };
        let extra = if outcome == Outcome::Error(Reason::REFUSED) { Extra::Unseen } else { extra };
        if let Some(txn) = pending.txn {
            return self.member_answered(cx, program, txn, &pending, &outcome, extra);
        }
        self.saw(cx, program, pending.to, &outcome);
        let Some(thread) = self.threads.get_mut(pending.thread) else { return };
        let Some(attempt) = thread.attempt() else { return };
        let next = match std::mem::replace(&mut attempt.phase, Phase::Idle) {
            Phase::OnceBegin(_) => self.once_begun(cx, program, pending.thread, outcome, &extra),
            Phase::OnceEnd(_, came) => self.once_ended(cx, program, pending.thread, outcome, came),
            Phase::Committing(_, txn, strays) => {
                self.committed(cx, program, &pending, (txn, strays || extra.is_unheard()), outcome)
            }
            Phase::Hedging(hedging) => self.leg_over(cx, program, (pending.thread, key), hedging, (outcome, extra)),
            Phase::Racing(race) => self.runner_over(cx, program, (pending.thread, key), race, (outcome, extra)),
            _ => Next::Settle(outcome, extra),
        };
        self.drive(cx, program, pending.thread, next);
    }

    /// This try has an outcome: try again, or bind it, catch it, or raise it.
    pub(super) fn settle(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        outcome: Outcome,
        extra: Extra,
    ) -> Next {
        self.stop_timer(cx, key);
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let Some(attempt) = thread.attempt() else { return Next::Over };
        let reference = attempt.step;
        let step = program.step(reference);
        let followed = attempt.flight.as_ref().is_some_and(|flight| flight.follows());
        let is_for_nobody = attempt.passed.is_for_nobody();
        let left = step.clauses.guards.as_ref().map(|guards| (guards, attempt.leaves()));
        self.given_up.clear();
        if step.clauses.coalesce.is_some() {
            self.land(cx, program, key, Some((&outcome, &extra)));
        }
        if let Some((guards, left)) = left {
            // Who followed another's request has asked nobody itself.
            let is_seen = !self.is_transparent(key, step, &extra);
            self.try_over(cx, key, step, (guards, left), Some(&outcome).filter(|_| !followed && is_seen));
        }
        if is_for_nobody {
            if let Some(thread) = self.threads.get_mut(key) {
                thread.frames.pop();
            }
            return Next::Go;
        }
        if let Some(wait) = self.wait_before_retry(cx, key, step, &outcome, &extra) {
            return self.back_off(cx, program, key, wait);
        }
        if let Some(guards) = &step.clauses.guards {
            self.call_over(guards);
        }
        let is_exhausted = match &step.clauses.retry {
            Some(retry) => retry.tries != Some(1) && is_retried(retry, &outcome),
            None => false,
        };
        if program.asked.exhausted
            && is_exhausted
            && let Some(edge) = step.edge()
        {
            cx.note(Note::Edge(edge, EdgeCounted::Exhausted));
        }
        if cx.is_watched() {
            self.passes(cx, program, key, reference, Passing::End);
        }
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        thread.frames.pop();
        self.bind(key, step, &outcome, extra);
        // The reason before ok, error and unknown, those before else, in whatever order they are written.
        let matching = step.clauses.on.iter().filter(|(catch, _)| catches(*catch, &outcome));
        let caught = matching.min_by_key(|(catch, _)| breadth(*catch)).map(|(_, block)| *block);
        match (caught, &outcome) {
            (Some(block), _) => {
                let reason = outcome.reason().map_or(Value::Null, |reason| Value::from(program.reason(reason)));
                self.env(key).reason = reason;
                self.exhausted(key, false);
                self.enter(key, block)
            }
            (None, Outcome::Ok(_)) => Next::Go,
            (None, _) => {
                // On its way out it stays what it was.
                if is_exhausted {
                    self.exhausted(key, true);
                }
                Next::Raise(outcome)
            }
        }
    }

    /// Whether the failure that is on its way out of a request was tried again until nothing was left.
    pub(super) fn exhausted(&mut self, key: Key, is: bool) {
        let request = self.threads.get(key).map(|thread| thread.request);
        if let Some(request) = request.and_then(|request| self.requests.get_mut(request)) {
            request.is_exhausted = is;
        }
    }

    pub(super) fn stop_timer(&mut self, cx: &mut Cx<'_>, key: Key) {
        let timer = self.threads.get_mut(key).and_then(Thread::attempt).and_then(|attempt| attempt.timer.take());
        if let Some(timer) = timer {
            self.disarm(cx, timer);
        }
    }

    pub(super) fn bind(&mut self, key: Key, step: &Step, outcome: &Outcome, extra: Extra) {
        let value = match outcome {
            Outcome::Ok(value) => value.clone(),
            Outcome::Error(_) | Outcome::Unknown(_) => Value::Null,
        };
        let bound = step.clauses.bind;
        let env = self.env(key);
        if let Verb::Read { version: Some(slot), .. } = &step.verb {
            let version = if let Extra::Version(version) = extra { version } else { 0 };
            env.set(*slot, Value::Int(version as i64));
        }
        let Some(slot) = bound else { return };
        env.set(slot, value);
        if let Verb::List { .. } = &step.verb {
            let list = if let Extra::Keys(list) = extra { list } else { Arc::from([]) };
            env.keep_list(slot, list);
        }
    }

    /// Pops what the outcome ends, up to the attempt it happened in.
    pub(super) fn raise(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
        loop {
            let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
            match thread.frames.last().map(|frame| &frame.role) {
                None => return self.thread_over(cx, program, key, outcome, false),
                Some(Role::Attempt(_)) => return self.body_over(cx, program, key, outcome),
                Some(Role::Plain | Role::Each { .. } | Role::Fan(_)) => thread.frames.pop(),
            };
        }
    }

    /// The steps of the attempt in the top frame have come to an end.
    pub(super) fn body_over(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        match std::mem::replace(&mut attempt.phase, Phase::Idle) {
            Phase::Transaction(txn) => self.close_transaction(cx, program, key, *txn, outcome),
            Phase::Once(about) => self.close_once(cx, program, key, &about, outcome, false),
            Phase::Saga(saga) => self.part_over(cx, program, key, saga, outcome, false),
            _ => Next::settle(outcome),
        }
    }

    /// `reply` or `fail` on its way out.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
        loop {
            let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
            let Some(frame) = thread.frames.last_mut() else {
                return self.thread_over(cx, program, key, outcome, true);
            };
            let phase = match &mut frame.role {
                Role::Attempt(attempt) => std::mem::replace(&mut attempt.phase, Phase::Idle),
                Role::Plain | Role::Each { .. } | Role::Fan(_) => Phase::Idle,
            };
            match phase {
                Phase::Transaction(txn) => {
                    thread.ending = Some(outcome.clone());
                    return self.close_transaction(cx, program, key, *txn, outcome);
                }
                Phase::Once(about) => {
                    thread.ending = Some(outcome.clone());
                    return self.close_once(cx, program, key, &about, outcome, true);
                }
                Phase::Saga(saga) => return self.part_over(cx, program, key, saga, outcome, true),
                _ => {
                    self.stop_timer(cx, key);
                    self.left(cx, program, key, Some(&outcome));
                    if let Some(thread) = self.threads.get_mut(key) {
                        thread.frames.pop();
                    }
                }
            }
        }
    }

    /// The attempt in the top frame is finished: it settles, or what ends the endpoint goes on outwards.
    pub(super) fn closed(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        match thread.ending.take() {
            None => Next::settle(outcome),
            // A commit that failed takes the reply with it.
            Some(Outcome::Ok(_)) if outcome.tone() != Tone::Ok => Next::settle(outcome),
            Some(ending) => {
                self.stop_timer(cx, key);
                self.left(cx, program, key, Some(&ending));
                if let Some(thread) = self.threads.get_mut(key) {
                    thread.frames.pop();
                }
                Next::End(ending)
            }
        }
    }

    /// A thread has no more steps: what stands where it came from?
    pub(super) fn thread_over(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        outcome: Outcome,
        ends: bool,
    ) -> Next {
        let Some(thread) = self.threads.remove(key) else { return Next::Over };
        if let Some(request) = self.requests.get_mut(thread.request) {
            request.threads -= 1;
        }
        match thread.origin {
            Origin::Main => self.finish_request(cx, program, thread.request, outcome),
            Origin::Background => self.forget_if_over(thread.request),
            Origin::Branch { parent, depth } if ends => {
                self.unwind(cx, program, parent, depth, false);
                self.drive(cx, program, parent, Next::End(outcome));
            }
            Origin::Branch { parent, .. } => {
                // Of a request that is to stop the others may have waited for this one to be done with its work.
                if self.is_cancelled(parent) {
                    self.stop(cx, program, thread.request);
                }
                self.branch_over(cx, program, parent, key, &outcome);
            }
        }
        Next::Over
    }
}
