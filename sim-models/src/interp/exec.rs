//! How steps run: one after the other, until one has to wait.
//!
//! A thread is a stack of frames. A step with an outcome pushes an attempt, which may run steps of its own; what comes of it is
//! *settled* there (tried again, bound, caught), and what nobody catches is *raised* to the attempt below. `reply` and `fail`
//! *end* the endpoint, which each `once` and transaction on the way out finishes first.

use std::sync::Arc;

use sim_core::{Cause, Dist, Duration, Instant, NodeId, Ratio, Timer};

use super::service::{CHANCE, Cx, JITTER, PICK, Service, WAIT, WORK};
use super::thread::{Alarm, Around, Attempt, Branches, Env, Fan, Frame, Origin, Pending, Phase, Role, Thread, Txn};
use crate::expr::{EvalError, Expr, Kind};
use crate::message::{
    CallId, Counted, EdgeCounted, Extra, FactChange, Msg, Names, Note, Operation, Outcome, Part, Tone, TxnId,
};
use crate::program::{
    Balance, BlockRef, Catch, EdgeRef, FactRef, Jitter, MapRef, NodeRef, OnceDef, Program, Reason, RetryDef, Slot,
    Step, StepRef, Template, Var, Verb,
};
use crate::shelf::{Admission, AtCell, Cells, Kept, Waiter, fill};
use crate::slab::Key;
use crate::value::Value;

/// What a thread does next.
pub(super) enum Next {
    /// The next step.
    Go,
    /// The attempt in the top frame has an outcome for this try.
    Settle(Outcome, Extra),
    /// An outcome that nobody has caught yet.
    Raise(Outcome),
    /// `reply` or `fail`.
    End(Outcome),
    /// Nothing, until something happens.
    Wait,
    /// Nothing ever.
    Over,
}

impl Next {
    fn settle(outcome: Outcome) -> Self {
        Next::Settle(outcome, Extra::None)
    }
}

const TRY: u64 = 0x7472_7900;
/// Mixed into what ends a `once` in a store, so that it does not share the fate of what began it.
const END: u64 = 0x656e_6400;

impl Service {
    /// A new thread of a request, at the first of these steps.
    pub(super) fn spawn(
        &mut self,
        request: Key,
        origin: Origin,
        body: BlockRef,
        env: Option<Box<Env>>,
        around: Around,
    ) -> Key {
        if let Some(request) = self.requests.get_mut(request) {
            request.threads += 1;
        }
        let frames = vec![Frame::plain(body)];
        self.threads.insert(Thread { request, origin, frames, ending: None, env, sleeping: None, around })
    }

    /// Runs a thread until it has to wait.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_>, program: &Program, thread: Key) {
        self.drive(cx, program, thread, Next::Go);
    }

    fn drive(&mut self, cx: &mut Cx<'_>, program: &Program, thread: Key, mut next: Next) {
        loop {
            next = match next {
                Next::Go => self.go(cx, program, thread),
                Next::Settle(outcome, extra) => self.settle(cx, program, thread, outcome, extra),
                Next::Raise(outcome) => self.raise(cx, program, thread, outcome),
                Next::End(outcome) => self.end(cx, program, thread, outcome),
                Next::Wait | Next::Over => return,
            };
        }
    }

    /// The next step of a thread, or the end of the list it is in.
    fn go(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let Some(frame) = thread.frames.last_mut() else {
            return self.thread_over(cx, program, key, Outcome::Ok(Value::Null), false);
        };
        if let Some(step) = program.block(frame.block).get(frame.next as usize) {
            frame.next += 1;
            if self.is_cancelled(key) {
                return self.abandon_request(cx, program, key);
            }
            return self.exec(cx, program, key, *step);
        }
        match &mut frame.role {
            Role::Plain => {
                thread.frames.pop();
                Next::Go
            }
            Role::Each { item, list, at } => {
                let (item, value) = (*item, list.get(*at as usize).cloned());
                *at += 1;
                let Some(value) = value else {
                    thread.frames.pop();
                    return Next::Go;
                };
                frame.next = 0;
                self.env(key).carry(item, value);
                Next::Go
            }
            Role::Fan(_) => self.fan_out(cx, program, key),
            Role::Attempt(_) => self.body_over(cx, program, key, Outcome::Ok(Value::Null)),
        }
    }

    /// Whether the caller of this thread's request has gone and it minds. What is background was never the caller's.
    fn is_cancelled(&self, key: Key) -> bool {
        let request = self.threads.get(key).and_then(|thread| self.requests.get(thread.request));
        request.is_some_and(|request| request.cancelled && !request.done) && self.main_of(key).is_some()
    }

    /// Stops a request whose caller has gone: what it has recorded stands, and nobody is answered.
    fn abandon_request(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        let Some(request) = self.threads.get(key).map(|thread| thread.request) else { return Next::Over };
        let Some(main) = self.main_of(key) else { return Next::Over };
        self.kill(cx, program, main, false);
        if let Some(request) = self.requests.get_mut(request) {
            request.from = None;
        }
        self.finish_request(cx, program, request, Outcome::Unknown(Reason::TIMEOUT));
        Next::Over
    }

    /// The thread that began with the request, from any of its branches; none from a background one.
    fn main_of(&self, mut key: Key) -> Option<Key> {
        loop {
            match self.threads.get(key)?.origin {
                Origin::Main => return Some(key),
                Origin::Branch { parent, .. } => key = parent,
                Origin::Background => return None,
            }
        }
    }

    /// The values a thread sees. The key must be that of a thread of a request that is there.
    fn env(&mut self, key: Key) -> &mut Env {
        let thread = self.threads.get_mut(key).expect("a running thread is there");
        match &mut thread.env {
            Some(env) => env,
            None => &mut self.requests.get_mut(thread.request).expect("a thread's request is there").env,
        }
    }

    /// The same, to look at.
    fn seen(&self, key: Key) -> &Env {
        let thread = self.threads.get(key).expect("a running thread is there");
        match &thread.env {
            Some(env) => env,
            None => &self.requests.get(thread.request).expect("a thread's request is there").env,
        }
    }

    /// What a step's dice follow from: the request's cause, the step's place, and how often the request has come there.
    fn cause_of(&mut self, key: Key, reference: StepRef, step: &Step) -> Cause {
        let request = self.threads.get(key).map(|thread| thread.request);
        let Some(request) = request.and_then(|request| self.requests.get_mut(request)) else {
            return Cause::root("nobody", "", 0);
        };
        let cause = request.cause.then(step.place);
        if !step.repeats {
            return cause;
        }
        let visit = match request.visits.iter_mut().find(|(known, _)| *known == reference) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                request.visits.push((reference, 0));
                0
            }
        };
        if visit == 0 { cause } else { cause.then(u64::from(visit)) }
    }

    /// A value of a step outside any cell.
    fn value(&self, cx: &Cx<'_>, key: Key, template: &Template) -> Result<Value, EvalError> {
        if let Template::Constant(value) = template {
            return Ok(value.clone());
        }
        self.with_env(cx, key, |mut env| fill(template, &mut env))
    }

    fn holds(&self, cx: &Cx<'_>, key: Key, condition: &Expr<Var>) -> Result<bool, EvalError> {
        self.with_env(cx, key, |mut env| condition.is_true(&mut env))
    }

    /// Asks something of the names a step can see.
    fn with_env<T>(
        &self,
        cx: &Cx<'_>,
        key: Key,
        ask: impl FnOnce(&mut dyn FnMut(&Var, Option<&Value>) -> Value) -> T,
    ) -> T {
        let number = self.threads.get(key).map_or(1, |thread| thread.around().number);
        let version = self.program.service(self.me).map(|def| &def.version);
        let wall = cx.wall();
        let env = self.seen(key);
        let mut names = |var: &Var, _: Option<&Value>| match var {
            Var::Slot(slot) => env.values[slot.0 as usize].clone(),
            Var::Try => Value::Int(i64::from(number)),
            Var::Reason => env.reason.clone(),
            Var::ReplicaVersion => version.cloned().unwrap_or_default(),
            Var::Now => Value::Int(wall.nanos() as i64),
            Var::Value | Var::CellVersion | Var::Age | Var::Key | Var::Map(_) => Value::Null,
        };
        ask(&mut names)
    }

    /// The names that a condition at a cell can see; none when the step looks at none of them.
    fn names(&self, key: Key, step: &Step) -> Option<Names> {
        if !uses_names(step) {
            return None;
        }
        let number = self.threads.get(key).map_or(1, |thread| thread.around().number);
        let version = self.program.service(self.me).map_or(Value::Null, |def| def.version.clone());
        let env = self.seen(key);
        Some(Names { values: env.values.clone(), number, reason: env.reason.clone(), version })
    }

    /// Says that an expression had no value, which is a finding, and goes on as if it were null.
    fn checked<T: Default>(cx: &mut Cx<'_>, step: StepRef, result: Result<T, EvalError>) -> T {
        result.unwrap_or_else(|error| {
            cx.note(Note::Trouble { step, error });
            T::default()
        })
    }

    fn exec(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef) -> Next {
        let step = program.step(reference);
        match &step.verb {
            Verb::Work(dist) => self.work(cx, program, key, reference, dist),
            Verb::Wait(dist) => {
                let cause = self.cause_of(key, reference, step);
                cx.because(cause);
                let length = cx.draw(WAIT, dist);
                self.sleep(cx, key, length)
            }
            Verb::Record { fact, key: about, times } => {
                let about = self.value(cx, key, about);
                let about = Self::checked(cx, reference, about);
                self.record(cx, key, (*fact, about, *times));
                Next::Go
            }
            Verb::Reply(template) => {
                let value = self.value(cx, key, template);
                Next::End(Outcome::Ok(Self::checked(cx, reference, value)))
            }
            Verb::Fail(reason) => Next::End(Outcome::Error(*reason)),
            Verb::If { condition, then, otherwise } => {
                let holds = self.holds(cx, key, condition);
                let holds = Self::checked(cx, reference, holds);
                self.enter(key, if holds { *then } else { *otherwise })
            }
            Verb::Switch { on, cases, otherwise } => {
                let value = self.value(cx, key, on);
                let value = Self::checked(cx, reference, value);
                let case = cases.iter().find(|(case, _)| *case == value).map_or(*otherwise, |(_, block)| *block);
                self.enter(key, case)
            }
            Verb::Chance { ratio, then, otherwise } => {
                let cause = self.cause_of(key, reference, step);
                cx.because(cause);
                let happens = cx.chance(CHANCE, *ratio);
                self.enter(key, if happens { *then } else { *otherwise })
            }
            Verb::ForEach { item, list, body, at_once } => self.for_each(key, *item, *list, *body, *at_once),
            Verb::Background(body) => {
                let env = Box::new(self.seen(key).clone());
                let Some(thread) = self.threads.get(key) else { return Next::Over };
                let request = thread.request;
                // Nobody waits for it: no deadline of a caller's binds it.
                let around = Around::nothing(thread.around().number);
                let thread = self.spawn(request, Origin::Background, *body, Some(env), around);
                self.go_on(cx, program, thread);
                Next::Go
            }
            Verb::Call { .. }
            | Verb::Read { .. }
            | Verb::List { .. }
            | Verb::Set { .. }
            | Verb::Try(_)
            | Verb::Transaction { .. }
            | Verb::Once(_)
            | Verb::Parallel { .. } => self.attempt(cx, program, key, reference),
        }
    }

    fn enter(&mut self, key: Key, block: BlockRef) -> Next {
        if let Some(thread) = self.threads.get_mut(key) {
            thread.frames.push(Frame::plain(block));
        }
        Next::Go
    }

    fn work(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef, dist: &Dist) -> Next {
        if self.is_asynchronous(program, key) && !self.take_worker(cx, program, key) {
            // The step is come to again once a worker is free.
            if let Some(frame) = self.threads.get_mut(key).and_then(|thread| thread.frames.last_mut()) {
                frame.next -= 1;
            }
            return Next::Wait;
        }
        self.draw_work(cx, program, key, reference, dist)
    }

    fn draw_work(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef, dist: &Dist) -> Next {
        let cause = self.cause_of(key, reference, program.step(reference));
        cx.because(cause);
        let length = cx.draw(WORK, dist);
        if length.is_zero() && self.is_asynchronous(program, key) {
            self.free_worker(cx, program);
        }
        self.sleep(cx, key, length)
    }

    /// Whether the work of this thread takes a worker for itself.
    fn is_asynchronous(&self, program: &Program, key: Key) -> bool {
        let asynchronous = program.service(self.me).is_some_and(|def| def.asynchronous);
        asynchronous && self.main_of(key).is_some()
    }

    /// A thread of an `async` service has got its worker for the step it has come to.
    pub(super) fn work_now(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let frame = self.threads.get_mut(key).and_then(|thread| thread.frames.last_mut());
        let step = frame.and_then(|frame| {
            frame.next += 1;
            program.block(frame.block).get(frame.next as usize - 1).copied()
        });
        let work = step.and_then(|step| match &program.step(step).verb {
            Verb::Work(dist) => Some((step, dist)),
            _ => None,
        });
        let Some((step, dist)) = work else {
            debug_assert!(false, "only a thread that has come to its work waits for a worker");
            return self.free_worker(cx, program);
        };
        let next = self.draw_work(cx, program, key, step, dist);
        self.drive(cx, program, key, next);
    }

    fn sleep(&mut self, cx: &mut Cx<'_>, key: Key, length: Duration) -> Next {
        if length.is_zero() {
            return Next::Go;
        }
        let alarm = self.alarm(cx, length, Alarm::Over { thread: key });
        if let Some(thread) = self.threads.get_mut(key) {
            thread.sleeping = Some(alarm);
        }
        Next::Wait
    }

    /// Work, a wait or a backoff is over.
    pub(super) fn wait_over(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(thread) = self.threads.get_mut(key) else { return };
        if thread.sleeping.take().is_none() {
            // A backoff: the attempt in the top frame is tried again.
            let next = self.launch(cx, program, key);
            return self.drive(cx, program, key, next);
        }
        let at = thread.frames.last().map(|frame| (frame.block, frame.next));
        let worked = at.is_some_and(|(block, next)| {
            let step = program.block(block).get((next as usize).wrapping_sub(1));
            step.is_some_and(|step| matches!(program.step(*step).verb, Verb::Work(_)))
        });
        if worked && self.is_asynchronous(program, key) {
            self.free_worker(cx, program);
        }
        self.go_on(cx, program, key);
    }

    fn record(&mut self, cx: &mut Cx<'_>, key: Key, change: FactChange) {
        match self.threads.get_mut(key).and_then(Thread::txn) {
            Some(txn) => txn.facts.push(change),
            None => cx.note(Note::Fact(change.0, change.1, change.2)),
        }
    }

    fn for_each(&mut self, key: Key, item: Slot, list: Slot, body: BlockRef, at_once: u32) -> Next {
        let list = self.seen(key).list(list);
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let role = if at_once > 1 {
            let room = at_once;
            Role::Fan(Box::new(Fan { item, list, at: 0, room, running: Vec::new(), failure: None, starting: false }))
        } else {
            Role::Each { item, list, at: 0 }
        };
        // Beyond its last step: the next thing is the next item.
        thread.frames.push(Frame { block: body, next: u32::MAX, role });
        Next::Go
    }
}

/// Steps with an outcome.
impl Service {
    fn attempt(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef) -> Next {
        let step = program.step(reference);
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
            phase: Phase::Idle,
        };
        let block = match &step.verb {
            Verb::Try(body) | Verb::Transaction { body, .. } => *body,
            Verb::Once(def) => def.body,
            _ => BlockRef(0),
        };
        thread.frames.push(Frame { block, next: u32::MAX, role: Role::Attempt(Box::new(attempt)) });
        self.earn(step);
        self.launch(cx, program, key)
    }

    /// Begins the next try of the attempt in the top frame.
    fn launch(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        let now = cx.now();
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let depth = thread.frames.len() - 1;
        let Some(attempt) = thread.attempt() else { return Next::Over };
        attempt.phase = Phase::Idle;
        attempt.since = now;
        let (reference, deadline, number) = (attempt.step, attempt.around.deadline, attempt.number);
        let cause = attempt.cause.then(TRY | u64::from(number));
        if now >= deadline {
            return Next::settle(Outcome::Error(Reason::EXPIRED));
        }
        let step = program.step(reference);
        let left = deadline.since(now);
        let limit = step.clauses.timeout.unwrap_or(Duration::FOREVER);
        let limit = if deadline == Instant::NEVER { limit } else { limit.min(left) };
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
        cx.because(cause);
        match &step.verb {
            Verb::Call { with, edge, .. } => self.call(cx, program, key, reference, *edge, with, expires),
            Verb::Read { map, edge: None, .. }
            | Verb::List { map, edge: None, .. }
            | Verb::Set { map, edge: None, .. } => self.at_own(cx, program, key, reference, *map),
            Verb::Read { edge: Some(edge), key: at, .. } | Verb::Set { edge: Some(edge), key: at, .. } => {
                let at = self.value(cx, key, at);
                let at = Self::checked(cx, reference, at);
                self.ask_step(cx, program, key, reference, *edge, at)
            }
            Verb::List { edge: Some(edge), .. } => self.ask_step(cx, program, key, reference, *edge, Value::Null),
            Verb::Try(_) => self.run_body(key, Phase::Body),
            Verb::Transaction { .. } => {
                self.txns += 1;
                let id = TxnId { node: cx.id().0, life: cx.life(), number: self.txns };
                let txn = Txn { id, facts: Vec::new(), begun: false, heard: false, strays: false, in_doubt: false };
                self.run_body(key, Phase::Transaction(Box::new(txn)))
            }
            Verb::Once(def) => self.once(cx, program, key, reference, def),
            Verb::Parallel { branches, need } => self.parallel(cx, program, key, branches, *need),
            _ => Next::Go,
        }
    }

    /// When somebody gives up who waits for what the attempt in this frame stands in.
    fn expires_around(&self, key: Key, depth: usize) -> Instant {
        let Some(thread) = self.threads.get(key) else { return Instant::NEVER };
        let attempts = thread.frames[..depth].iter().rev().find_map(|frame| match &frame.role {
            Role::Attempt(attempt) => Some(attempt.around.expires),
            _ => None,
        });
        attempts.unwrap_or(thread.around.expires)
    }

    fn phase(&mut self, key: Key, phase: Phase) {
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.phase = phase;
        }
    }

    fn run_body(&mut self, key: Key, phase: Phase) -> Next {
        self.phase(key, phase);
        if let Some(frame) = self.threads.get_mut(key).and_then(|thread| thread.frames.last_mut()) {
            frame.next = 0;
        }
        Next::Go
    }

    /// Counts what is sent on its edge: each is a call, and has one outcome there, `unknown` when it is given up.
    fn count_try(&mut self, cx: &mut Cx<'_>, key: Key, edge: EdgeRef) {
        let number = self.threads.get_mut(key).and_then(Thread::attempt).map_or(1, |attempt| attempt.around.number);
        cx.note(Note::Edge(edge, EdgeCounted::Call));
        if number > 1 {
            cx.note(Note::Edge(edge, EdgeCounted::Retry));
        }
    }

    fn expect_answer(&mut self, cx: &Cx<'_>, pending: Pending) -> CallId {
        self.open[pending.to.0 as usize] += 1;
        let key = self.pending.insert(pending);
        CallId { life: cx.life(), place: key.place, turn: key.turn }
    }

    /// Something that was sent has come to this.
    fn resolve(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, tone: Tone) -> Option<Pending> {
        let pending = self.pending.remove(key)?;
        self.open[pending.to.0 as usize] -= 1;
        cx.note(Note::Edge(pending.edge, EdgeCounted::Outcome(tone)));
        if tone == Tone::Unknown
            && let Some(txn) = self.threads.get_mut(pending.thread).and_then(Thread::txn)
        {
            let callee = program.edges[pending.edge.0 as usize].1;
            *(if program.store(callee).is_some() { &mut txn.strays } else { &mut txn.in_doubt }) = true;
        }
        Some(pending)
    }

    #[expect(clippy::too_many_arguments, reason = "one call of one place")]
    fn call(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        edge: EdgeRef,
        with: &[(Slot, Template)],
        expires: Instant,
    ) -> Next {
        let Verb::Call { endpoint, .. } = &program.step(reference).verb else { return Next::Go };
        self.count_try(cx, key, edge);
        let callee = program.endpoint(*endpoint).node;
        let Some(to) = self.replica(cx, program, callee) else {
            cx.note(Note::Count(callee, Counted::Refused));
            cx.note(Note::Edge(edge, EdgeCounted::Outcome(Tone::Error)));
            return Next::settle(Outcome::Error(Reason::REFUSED));
        };
        let mut values = Vec::with_capacity(with.len());
        for (slot, template) in with {
            let value = self.value(cx, key, template);
            values.push((*slot, Self::checked(cx, reference, value)));
        }
        let carried = self.seen(key).carried(values);
        let deadline = self.threads.get(key).map_or(Instant::NEVER, |thread| thread.around().deadline);
        let kind = program.endpoint(*endpoint).kind;
        let id = self.expect_answer(cx, Pending { thread: key, edge, to, kind });
        self.phase(key, Phase::Calling(Key { place: id.place, turn: id.turn }));
        cx.send(to, Msg::Call { id, endpoint: *endpoint, kind, carried, expires, deadline });
        Next::Wait
    }

    /// The replica that a request goes to; none when nobody is listed.
    fn replica(&mut self, cx: &mut Cx<'_>, program: &Program, callee: NodeRef) -> Option<NodeId> {
        let all = &program.node(callee).replicas;
        if let [only] = all[..] {
            return cx.is_up(only).then_some(only);
        }
        let balance = program.service(callee).map_or(Balance::RoundRobin, |def| def.balance);
        if balance == Balance::RoundRobin {
            let listed = all.iter().filter(|node| cx.is_up(**node)).count();
            let turn = &mut self.turns[callee.0 as usize];
            let at = (*turn as usize).checked_rem(listed)?;
            *turn = turn.wrapping_add(1);
            return all.iter().copied().filter(|node| cx.is_up(*node)).nth(at);
        }
        let listed: Vec<NodeId> = all.iter().copied().filter(|node| cx.is_up(*node)).collect();
        let open = |node: NodeId| self.open[node.0 as usize];
        match balance {
            Balance::RoundRobin | Balance::LeastRequest => listed.into_iter().min_by_key(|node| open(*node)),
            Balance::Random => cx.pick(PICK, &listed),
            Balance::TwoChoices => {
                let (one, other) = (cx.pick(PICK, &listed)?, cx.pick(PICK, &listed)?);
                Some(if open(other) < open(one) { other } else { one })
            }
        }
    }

    fn ask_step(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        step: StepRef,
        edge: EdgeRef,
        at: Value,
    ) -> Next {
        let names = self.names(key, program.step(step)).map(Arc::new);
        let part = self.part(key);
        let kind = self.kind_of(program, step);
        let pending = self.ask(cx, program, key, edge, kind, Operation::Step { step, key: at, names, part });
        self.phase(key, Phase::Calling(pending));
        Next::Wait
    }

    /// How what a thread sends to a store now belongs to a transaction.
    fn part(&mut self, key: Key) -> Option<Part> {
        let txn = self.threads.get_mut(key).and_then(Thread::txn)?;
        txn.begun = true;
        Some(Part { id: txn.id, opens: !txn.heard })
    }

    fn kind_of(&self, program: &Program, step: StepRef) -> sim_core::Kind {
        match &program.step(step).verb {
            Verb::Set { to: Template::Constant(Value::Null), .. } => self.kinds.delete,
            Verb::Set { .. } | Verb::Once(_) => self.kinds.set,
            Verb::Transaction { .. } => self.kinds.commit,
            _ => self.kinds.read,
        }
    }

    /// Sends an operation to the store at the end of an edge.
    fn ask(
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
        let id = self.expect_answer(cx, Pending { thread: key, edge, to, kind });
        cx.send(to, Msg::Ask { id, operation, kind });
        Key { place: id.place, turn: id.turn }
    }

    /// An answer to a request that is still waited for.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome, extra: Extra) {
        let Some(pending) = self.resolve(cx, program, key, outcome.tone()) else { return };
        let Some(thread) = self.threads.get_mut(pending.thread) else { return };
        let Some(attempt) = thread.attempt() else { return };
        let next = match std::mem::replace(&mut attempt.phase, Phase::Idle) {
            Phase::OnceBegin(_) => self.once_begun(cx, pending.thread, outcome, &extra),
            Phase::OnceEnd(_, came) => self.once_ended(cx, pending.thread, outcome, came),
            Phase::Committing(_, txn, strays) => self.committed(cx, &pending, (txn, strays), outcome),
            _ => Next::Settle(outcome, extra),
        };
        self.drive(cx, program, pending.thread, next);
    }

    /// This try has an outcome: try again, or bind it, catch it, or raise it.
    fn settle(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome, extra: Extra) -> Next {
        self.stop_timer(cx, key);
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let Some(attempt) = thread.attempt() else { return Next::Over };
        let step = program.step(attempt.step);
        if let Some(wait) = self.wait_before_retry(cx, key, step, &outcome) {
            return self.back_off(cx, program, key, wait);
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
                self.enter(key, block)
            }
            (None, Outcome::Ok(_)) => Next::Go,
            (None, _) => Next::Raise(outcome),
        }
    }

    fn stop_timer(&mut self, cx: &mut Cx<'_>, key: Key) {
        let timer = self.threads.get_mut(key).and_then(Thread::attempt).and_then(|attempt| attempt.timer.take());
        if let Some(timer) = timer {
            self.disarm(cx, timer);
        }
    }

    fn bind(&mut self, key: Key, step: &Step, outcome: &Outcome, extra: Extra) {
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
    fn raise(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
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
    fn body_over(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        match std::mem::replace(&mut attempt.phase, Phase::Idle) {
            Phase::Transaction(txn) => self.close_transaction(cx, program, key, *txn, outcome),
            Phase::Once(about) => self.close_once(cx, program, key, &about, outcome, false),
            _ => Next::settle(outcome),
        }
    }

    /// `reply` or `fail` on its way out.
    fn end(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
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
                _ => {
                    self.stop_timer(cx, key);
                    if let Some(thread) = self.threads.get_mut(key) {
                        thread.frames.pop();
                    }
                }
            }
        }
    }

    /// The attempt in the top frame is finished: it settles, or what ends the endpoint goes on outwards.
    fn closed(&mut self, cx: &mut Cx<'_>, key: Key, outcome: Outcome) -> Next {
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        match thread.ending.take() {
            None => Next::settle(outcome),
            // A commit that failed takes the reply with it.
            Some(Outcome::Ok(_)) if outcome.tone() != Tone::Ok => Next::settle(outcome),
            Some(ending) => {
                self.stop_timer(cx, key);
                if let Some(thread) = self.threads.get_mut(key) {
                    thread.frames.pop();
                }
                Next::End(ending)
            }
        }
    }

    /// A thread has no more steps: what stands where it came from?
    fn thread_over(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome, ends: bool) -> Next {
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
            Origin::Branch { parent, .. } => self.branch_over(cx, program, parent, key, &outcome),
        }
        Next::Over
    }
}

/// Trying again.
impl Service {
    /// The wait before the next try, if there is to be one.
    fn wait_before_retry(&mut self, cx: &mut Cx<'_>, key: Key, step: &Step, outcome: &Outcome) -> Option<Duration> {
        let retry = step.clauses.retry.as_ref()?;
        let attempt = self.threads.get_mut(key).and_then(Thread::attempt)?;
        let (number, deadline, waited) = (attempt.number, attempt.around.deadline, attempt.waited);
        let cause = attempt.cause.then(TRY | u64::from(number));
        if !is_retried(retry, outcome) || retry.tries.is_some_and(|tries| number >= tries) {
            return None;
        }
        cx.because(cause);
        let wait = wait_of(cx, retry, number, waited);
        // A try that no time is left for is none: what came of the last one stands, since `expired` would say that nothing was
        // done.
        let begins = cx.now() + wait;
        (begins < deadline && self.spend(retry)).then_some(wait)
    }

    fn back_off(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, wait: Duration) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        attempt.number += 1;
        attempt.around.number = attempt.number;
        attempt.waited = wait;
        // What takes no time and is tried again at once goes through the queue of events, where a loop without end is noticed.
        if wait.is_zero() && attempt.since < cx.now() {
            return self.launch(cx, program, key);
        }
        let alarm = self.alarm(cx, wait, Alarm::Over { thread: key });
        self.phase(key, Phase::Backoff(alarm));
        Next::Wait
    }

    /// A first try adds to its budget.
    fn earn(&mut self, step: &Step) {
        let Some(budget) = step.clauses.retry.as_ref().and_then(|retry| retry.budget) else { return };
        let most = u64::from(budget.burst) * Ratio::ONE.parts();
        let held = self.budget(budget.index, most);
        *held = held.saturating_add(budget.ratio.parts()).min(most);
    }

    /// A retry costs its budget one, if it has one.
    fn spend(&mut self, retry: &RetryDef) -> bool {
        let Some(budget) = retry.budget else { return true };
        let held = self.budget(budget.index, u64::from(budget.burst) * Ratio::ONE.parts());
        match held.checked_sub(Ratio::ONE.parts()) {
            Some(rest) => {
                *held = rest;
                true
            }
            None => false,
        }
    }

    fn budget(&mut self, index: u32, full: u64) -> &mut u64 {
        let index = index as usize;
        if self.budgets.len() <= index {
            self.budgets.resize(index + 1, None);
        }
        self.budgets[index].get_or_insert(full)
    }
}

fn is_retried(retry: &RetryDef, outcome: &Outcome) -> bool {
    if outcome.tone() == Tone::Ok {
        return false;
    }
    if !retry.on.is_empty() {
        return retry.on.iter().any(|catch| catches(*catch, outcome));
    }
    match outcome {
        Outcome::Unknown(_) => true,
        Outcome::Error(reason) => [Reason::REFUSED, Reason::OVERLOADED, Reason::UNAVAILABLE].contains(reason),
        Outcome::Ok(_) => false,
    }
}

/// The wait before retry `number` (from 1): `min(wait · factor^(number − 1), max_wait)`, then jitter.
fn wait_of(cx: &mut Cx<'_>, retry: &RetryDef, number: u32, waited: Duration) -> Duration {
    const ONE: u128 = 1_000_000;
    let most = u128::from(retry.max_wait.nanos());
    let mut wait = u128::from(retry.wait.nanos()).min(most);
    for _ in 1..number {
        let longer = wait * u128::from(retry.factor_ppm) / ONE;
        if longer == wait || wait == most {
            break;
        }
        wait = longer.min(most);
    }
    let wait = Duration::from_nanos(wait as u64);
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

fn catches(catch: Catch, outcome: &Outcome) -> bool {
    match catch {
        Catch::Reason(reason) => outcome.reason() == Some(reason),
        Catch::Ok => outcome.tone() == Tone::Ok,
        Catch::Error => outcome.tone() == Tone::Error,
        Catch::Unknown => outcome.tone() == Tone::Unknown,
        Catch::Else => outcome.tone() != Tone::Ok,
    }
}

/// How much a word of `on` takes in: the narrowest is asked first.
const fn breadth(catch: Catch) -> u8 {
    match catch {
        Catch::Reason(_) => 0,
        Catch::Ok | Catch::Error | Catch::Unknown => 1,
        Catch::Else => 2,
    }
}

/// Whether a step is over at the instant it begins: an operation on the node's own maps.
fn is_instant(step: &Step) -> bool {
    matches!(
        &step.verb,
        Verb::Read { edge: None, when: None, .. } | Verb::List { edge: None, .. } | Verb::Set { edge: None, .. }
    )
}

/// Whether the values of the caller enter what is done at the cell.
fn uses_names(step: &Step) -> bool {
    match &step.verb {
        Verb::Read { when, .. } => when.as_ref().is_some_and(names_any),
        Verb::List { filter, .. } => filter.as_ref().is_some_and(names_any),
        Verb::Set { to, condition, .. } => {
            condition.as_ref().is_some_and(names_any)
                || match to {
                    Template::Constant(_) => false,
                    Template::Var(var) => is_callers(*var),
                    Template::Text(_) => true,
                    Template::Expr(expr) => names_any(expr),
                }
        }
        _ => false,
    }
}

fn names_any(expr: &Expr<Var>) -> bool {
    match &expr.kind {
        Kind::Literal(_) => false,
        Kind::Name(var) => is_callers(*var),
        Kind::Cell(_, key) => names_any(key),
        Kind::Not(inner) | Kind::Negate(inner) => names_any(inner),
        Kind::Binary(_, sides) => sides.iter().any(names_any),
    }
}

const fn is_callers(var: Var) -> bool {
    match var {
        Var::Slot(_) | Var::Try | Var::Reason | Var::ReplicaVersion => true,
        Var::Now | Var::Value | Var::CellVersion | Var::Age | Var::Key | Var::Map(_) => false,
    }
}

/// The node's own maps.
impl Service {
    fn at_own(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef, map: MapRef) -> Next {
        let step = program.step(reference);
        if let Verb::List { filter, limit, .. } = &step.verb {
            let names = self.names(key, step);
            let keys = self.list_own(cx, names.as_ref(), map, filter.as_ref(), *limit);
            let keys = Self::checked(cx, reference, keys.map(Some)).unwrap_or_default();
            return Next::Settle(Outcome::Ok(Value::Int(keys.len() as i64)), Extra::Keys(keys.into()));
        }
        let (Verb::Read { key: at, .. } | Verb::Set { key: at, .. }) = &step.verb else { return Next::Go };
        let at = self.value(cx, key, at);
        let at = Self::checked(cx, reference, at);
        match &step.verb {
            Verb::Set { to, condition, .. } => {
                let names = self.names(key, step);
                let new = self.set_own(cx, names.as_ref(), map, &at, to, condition.as_ref());
                match Self::checked(cx, reference, new) {
                    Some(value) => {
                        self.tell_cell(cx, program, map, at, &value);
                        Next::settle(Outcome::Ok(value))
                    }
                    None => {
                        self.count(cx, Counted::Unmet);
                        Next::settle(Outcome::Error(Reason::UNMET))
                    }
                }
            }
            _ => self.read_own(cx, program, key, reference, map, &at),
        }
    }

    /// Reads a cell of this node, now or once the condition holds.
    fn read_own(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        map: MapRef,
        at: &Value,
    ) -> Next {
        let step = program.step(reference);
        let Verb::Read { when, .. } = &step.verb else { return Next::Go };
        if when.is_some() {
            let names = self.names(key, step);
            let other = |map: MapRef, key: &Value| self.own_map(cx, map).value(key);
            let holds = self.at_cell(cx, map, at, names.as_ref()).holds(when.as_ref(), &other);
            if !Self::checked(cx, reference, holds) {
                let alarm = self.alarm(cx, Duration::FOREVER, Alarm::Look { thread: key });
                let waiter = self.waiter(cx, alarm);
                cx.shared_mut().watch(self.me, waiter);
                self.phase(key, Phase::Watching(alarm));
                return Next::Wait;
            }
        }
        let cell = self.own_map(cx, map).get(at);
        let (value, version) = cell.map_or((Value::Null, 0), |cell| (cell.value.clone(), cell.version));
        Next::Settle(Outcome::Ok(value), Extra::Version(version))
    }

    fn waiter(&self, cx: &Cx<'_>, alarm: Key) -> Waiter {
        Waiter { node: cx.id(), life: cx.life(), timer: Timer(alarm.place) }
    }

    /// A map of this node: durable ones lie on the shelves, memory in the process.
    fn own_map<'m>(&'m self, cx: &'m Cx<'_>, map: MapRef) -> &'m Cells {
        match self.memory.iter().find(|(known, _)| *known == map.0) {
            Some((_, cells)) => cells,
            None => cx.shared().map(map),
        }
    }

    fn own_map_mut<'m>(&'m mut self, cx: &'m mut Cx<'_>, map: MapRef) -> &'m mut Cells {
        match self.memory.iter_mut().find(|(known, _)| *known == map.0) {
            Some((_, cells)) => cells,
            None => cx.shared_mut().map_mut(map),
        }
    }

    /// Tells the judge of a new value, and lets those look again who wait for one.
    fn tell_cell(&self, cx: &mut Cx<'_>, program: &Program, map: MapRef, key: Value, value: &Value) {
        if program.map(map).watched {
            cx.note(Note::Cell { map, key, value: value.clone() });
        }
        for waiter in cx.shared_mut().watchers(self.me) {
            cx.ring(waiter.node, waiter.life, waiter.timer);
        }
    }

    /// The new value, when the condition holds at the cell.
    fn set_own(
        &mut self,
        cx: &mut Cx<'_>,
        names: Option<&Names>,
        map: MapRef,
        at: &Value,
        to: &Template,
        condition: Option<&Expr<Var>>,
    ) -> Result<Option<Value>, EvalError> {
        let now = cx.now();
        let cell = self.at_cell(cx, map, at, names);
        let other = |map: MapRef, key: &Value| self.own_map(cx, map).value(key);
        let value = cell.next(to, condition, &other)?;
        if let Some(value) = &value {
            self.own_map_mut(cx, map).set(at, value.clone(), now);
        }
        Ok(value)
    }

    fn at_cell<'c>(&self, cx: &Cx<'_>, map: MapRef, key: &'c Value, names: Option<&'c Names>) -> AtCell<'c> {
        let cell = self.own_map(cx, map).get(key);
        AtCell {
            names,
            key,
            value: cell.map_or(Value::Null, |cell| cell.value.clone()),
            version: cell.map_or(0, |cell| cell.version),
            set_at: cell.map(|cell| cell.set_at),
            now: cx.now(),
            wall: cx.wall(),
        }
    }

    fn list_own(
        &mut self,
        cx: &Cx<'_>,
        names: Option<&Names>,
        map: MapRef,
        filter: Option<&Expr<Var>>,
        limit: Option<u64>,
    ) -> Result<Vec<Value>, EvalError> {
        let other = |map: MapRef, key: &Value| self.own_map(cx, map).value(key);
        let mut found = Vec::new();
        for (at, _) in self.own_map(cx, map).iter() {
            if limit.is_some_and(|limit| found.len() as u64 >= limit) {
                break;
            }
            if self.at_cell(cx, map, &at, names).holds(filter, &other)? {
                found.push(at);
            }
        }
        Ok(found)
    }
}

/// `once`.
impl Service {
    fn once(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef, def: &OnceDef) -> Next {
        let about = self.value(cx, key, &def.key);
        let about = Self::checked(cx, reference, about);
        if about.is_null() {
            return self.run_body(key, Phase::Once(Value::Null));
        }
        if let Some(edge) = def.edge {
            let part = self.part(key);
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
            Admission::Replay(kept) => self.replay(cx, key, kept),
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
    fn replay(&mut self, cx: &mut Cx<'_>, key: Key, kept: Kept) -> Next {
        if !kept.ended {
            return Next::settle(kept.outcome);
        }
        self.stop_timer(cx, key);
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
    fn wait_no_longer(&mut self, cx: &mut Cx<'_>, program: &Program, step: StepRef, phase: &Phase) {
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
    fn once_begun(&mut self, cx: &mut Cx<'_>, key: Key, outcome: Outcome, extra: &Extra) -> Next {
        match extra {
            Extra::Run => {
                let about = match outcome {
                    Outcome::Ok(about) => about,
                    Outcome::Error(_) | Outcome::Unknown(_) => Value::Null,
                };
                self.run_body(key, Phase::Once(about))
            }
            Extra::Replayed { ended } => self.replay(cx, key, Kept { outcome, ended: *ended }),
            Extra::None | Extra::Version(_) | Extra::Keys(_) => Next::settle(outcome),
        }
    }

    /// The steps of a `once` have come to an end.
    fn close_once(
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
            return self.closed(cx, key, outcome);
        }
        if let Some(edge) = def.edge {
            cx.because(cause.then(END));
            let part = self.part(key);
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
        self.closed(cx, key, outcome)
    }

    /// The store has noted what came of a `once`. If it has not, the key goes on running, and nobody can rely on what was done
    /// (which an error would deny); inside a transaction it is undone with the rest.
    fn once_ended(&mut self, cx: &mut Cx<'_>, key: Key, answer: Outcome, came: Outcome) -> Next {
        if answer.tone() == Tone::Ok {
            return self.closed(cx, key, came);
        }
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        thread.ending = None;
        Next::settle(match answer {
            Outcome::Error(reason) if thread.txn().is_none() => Outcome::Unknown(reason),
            other => other,
        })
    }
}

/// Transactions on one store.
impl Service {
    fn close_transaction(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, txn: Txn, outcome: Outcome) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        let (reference, cause) = (attempt.step, attempt.cause.then(TRY | u64::from(attempt.number)));
        let Verb::Transaction { edge, .. } = &program.step(reference).verb else { return Next::Over };
        cx.because(cause);
        if outcome.tone() != Tone::Ok {
            self.roll_back(cx, program, &txn, *edge);
            // The commit was never sent: whatever the store knows of this, it is not done. A request to a service that is in
            // doubt stays so.
            let lost = outcome.tone() == Tone::Unknown && !txn.in_doubt;
            return self.closed(cx, key, if lost { Outcome::Error(Reason::UNDONE) } else { outcome });
        }
        let Some(edge) = edge.filter(|_| txn.begun) else {
            tell_facts(cx, &txn.facts);
            return self.closed(cx, key, outcome);
        };
        let operation = Operation::Commit { txn: txn.id, facts: txn.facts.into() };
        let pending = self.ask(cx, program, key, edge, self.kinds.commit, operation);
        self.phase(key, Phase::Committing(pending, txn.id, txn.strays));
        Next::Wait
    }

    fn roll_back(&self, cx: &mut Cx<'_>, program: &Program, txn: &Txn, edge: Option<EdgeRef>) {
        if txn.begun {
            self.forget_at_store(cx, program, txn.id, edge);
        }
    }

    /// Tells the store of a transaction that nobody waits for it here, as a connection that is closed does.
    fn forget_at_store(&self, cx: &mut Cx<'_>, program: &Program, txn: TxnId, edge: Option<EdgeRef>) {
        let Some(edge) = edge else { return };
        let to = program.node(program.edges[edge.0 as usize].1).replicas[0];
        cx.send(to, Msg::Rollback { txn, kind: self.kinds.rollback });
    }

    /// Whether a transaction of this node is under way.
    pub(super) fn has_open(&self, txn: TxnId) -> bool {
        let frames = self.threads.iter().flat_map(|thread| &thread.frames);
        frames.filter_map(open_transaction).any(|(_, open)| open == txn)
    }

    fn committed(
        &mut self,
        cx: &mut Cx<'_>,
        pending: &Pending,
        (txn, strays): (TxnId, bool),
        outcome: Outcome,
    ) -> Next {
        if strays {
            // An operation that was given up may have come behind the commit, and have opened the transaction again.
            cx.send(pending.to, Msg::Rollback { txn, kind: self.kinds.rollback });
        }
        let outcome = match outcome {
            Outcome::Ok(_) => Outcome::Ok(Value::Null),
            other => other,
        };
        self.closed(cx, pending.thread, outcome)
    }

    /// The transactions that are open in stores, as the stores learn of a crash of this node.
    pub(super) fn open_transactions(&self) -> Vec<sim_core::Unanswered<Msg>> {
        let program = &*self.program;
        let frames = self.threads.iter().flat_map(|thread| &thread.frames);
        let open = frames.filter_map(|frame| {
            let (attempt, txn) = open_transaction(frame)?;
            let Verb::Transaction { edge, .. } = &program.step(attempt.step).verb else { return None };
            let from = program.node(program.edges[(*edge)?.0 as usize].1).replicas[0];
            let msg = Msg::Rollback { txn, kind: self.kinds.rollback };
            Some(sim_core::Unanswered { from, msg, cause: attempt.cause })
        });
        open.collect()
    }
}

/// The transaction in this frame that its store may know of.
fn open_transaction(frame: &Frame) -> Option<(&Attempt, TxnId)> {
    let Role::Attempt(attempt) = &frame.role else { return None };
    match &attempt.phase {
        Phase::Transaction(txn) if txn.begun => Some((attempt, txn.id)),
        Phase::Committing(_, txn, _) => Some((attempt, *txn)),
        _ => None,
    }
}

/// Facts that happen at once, as one change.
fn tell_facts(cx: &mut Cx<'_>, facts: &[(FactRef, Value, i64)]) {
    cx.note(Note::Apart);
    for (fact, key, times) in facts {
        cx.note(Note::Fact(*fact, key.clone(), *times));
    }
    cx.note(Note::Together);
}

/// Branches, and giving up.
impl Service {
    fn parallel(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, blocks: &[BlockRef], need: u32) -> Next {
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

    fn branches(&mut self, key: Key) -> Option<&mut Branches> {
        match &mut self.threads.get_mut(key)?.attempt()?.phase {
            Phase::Parallel(branches) => Some(branches),
            _ => None,
        }
    }

    fn fan(&mut self, key: Key) -> Option<&mut Fan> {
        match self.threads.get_mut(key)?.frames.last_mut() {
            Some(Frame { role: Role::Fan(fan), .. }) => Some(fan),
            _ => None,
        }
    }

    /// A branch of a `parallel` or of a concurrent `for_each` has come to an end.
    fn branch_over(&mut self, cx: &mut Cx<'_>, program: &Program, parent: Key, branch: Key, outcome: &Outcome) {
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

    fn decide(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) -> Next {
        let running = self.branches(key).map(|branches| std::mem::take(&mut branches.running)).unwrap_or_default();
        let tells = self.tells(program, key);
        for branch in running {
            self.kill(cx, program, branch, tells);
        }
        Next::settle(outcome)
    }

    /// Starts as many items of a concurrent `for_each` as there is room for; raises the first failure when none runs any more.
    fn fan_out(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
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
        let attempt = self.threads.get(key).and_then(|thread| thread.frames.get(depth));
        let tells = attempt.is_some_and(
            |frame| matches!(&frame.role, Role::Attempt(attempt) if program.step(attempt.step).clauses.cancel),
        );
        self.unwind(cx, program, key, depth, tells);
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        attempt.timer = None;
        let cause = attempt.cause.then(TRY | u64::from(attempt.number));
        cx.because(cause);
        self.drive(cx, program, key, Next::settle(Outcome::Unknown(Reason::TIMEOUT)));
    }

    /// Whether the attempt in the top frame tells whom it asked when it gives up.
    fn tells(&mut self, program: &Program, key: Key) -> bool {
        let attempt = self.threads.get_mut(key).and_then(Thread::attempt);
        attempt.is_some_and(|attempt| program.step(attempt.step).clauses.cancel)
    }

    /// Stops all that runs above the frame of this depth, and what that frame's attempt waits for.
    fn unwind(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize, tells: bool) {
        if program.service(self.me).is_some_and(|def| def.asynchronous) {
            self.leave_line(cx, program, key);
        }
        loop {
            let Some(thread) = self.threads.get_mut(key) else { return };
            if let Some(alarm) = thread.sleeping.take() {
                let worked = self.disarm_work(cx, program, key, alarm);
                if worked {
                    self.free_worker(cx, program);
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
            if let Some(thread) = self.threads.get_mut(key) {
                thread.frames.pop();
            }
        }
    }

    /// Stops a sleep; whether that was work which held a worker for itself.
    fn disarm_work(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, alarm: Key) -> bool {
        self.disarm(cx, alarm);
        let Some(frame) = self.threads.get(key).and_then(|thread| thread.frames.last()) else { return false };
        let step = program.block(frame.block).get((frame.next as usize).wrapping_sub(1));
        let works = step.is_some_and(|step| matches!(program.step(*step).verb, Verb::Work(_)));
        works && self.is_asynchronous(program, key)
    }

    /// Lets go of what the top frame waits for; `tells`: those who were asked learn of it.
    fn drop_top(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, tells: bool) {
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
            Phase::Calling(pending) | Phase::OnceBegin(pending) | Phase::OnceEnd(pending, _) => {
                self.give_up(cx, program, pending, tells);
            }
            Phase::Committing(pending, txn, _) => {
                self.give_up(cx, program, pending, false);
                if let Verb::Transaction { edge, .. } = &program.step(step).verb {
                    // A commit that the store has not got by now is lost, or comes too late.
                    self.forget_at_store(cx, program, txn, *edge);
                }
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
        }
    }

    /// Waits no longer for an answer: nobody will know what came of it.
    fn give_up(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, tells: bool) {
        let Some(pending) = self.resolve(cx, program, key, Tone::Unknown) else { return };
        if tells {
            let id = CallId { life: cx.life(), place: key.place, turn: key.turn };
            cx.send(pending.to, Msg::Cancel { id, kind: pending.kind });
        }
    }

    /// Stops a thread and all its branches where they are.
    fn kill(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, tells: bool) {
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
    fn decided(&self) -> Option<Outcome> {
        if self.oks >= self.need {
            Some(Outcome::Ok(Value::Null))
        } else if self.oks + self.left < self.need {
            Some(self.failure.clone().unwrap_or(Outcome::Error(Reason::UNDONE)))
        } else {
            None
        }
    }
}
