//! How steps run: one after the other, until one has to wait.
//!
//! A thread is a stack of frames. A step with an outcome pushes an attempt, which may run steps of its own; what comes of it is
//! *settled* there (tried again, bound, caught), and what nobody catches is *raised* to the attempt below. `reply` and `fail`
//! *end* the endpoint, which each `once` and transaction on the way out finishes first.

use sim_core::{Cause, Dist, Duration, Passing};

use super::cells::uses_names;
use super::service::{CHANCE, Cx, NUMBER, Service, WAIT, WORK};
use super::thread::{Alarm, Around, Env, Fan, Frame, Origin, Role, Thread};
use crate::expr::{EvalError, Expr};
use crate::message::{Extra, FactChange, Names, Note, Outcome};
use crate::program::{BlockRef, Program, Reason, Slot, Step, StepRef, Template, Var, Verb};
use crate::shelf::fill;
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
    pub(super) fn settle(outcome: Outcome) -> Self {
        Next::Settle(outcome, Extra::None)
    }
}

pub(super) const TRY: u64 = 0x7472_7900;
/// For so many frames a thread has room from the start: few stand deeper.
const FRAMES_AT_FIRST: usize = 6;
/// Mixed into what ends a `once` in a store, so that it does not share the fate of what began it.
pub(super) const END: u64 = 0x656e_6400;

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
        let mut frames = Vec::with_capacity(FRAMES_AT_FIRST);
        frames.push(Frame::plain(body));
        self.threads.insert(Thread { request, origin, frames, ending: None, env, sleeping: None, around })
    }

    /// Runs a thread until it has to wait.
    pub(super) fn go_on(&mut self, cx: &mut Cx<'_>, program: &Program, thread: Key) {
        self.drive(cx, program, thread, Next::Go);
    }

    pub(super) fn drive(&mut self, cx: &mut Cx<'_>, program: &Program, thread: Key, mut next: Next) {
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
    pub(super) fn go(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let Some(frame) = thread.frames.last_mut() else {
            return self.thread_over(cx, program, key, Outcome::Ok(Value::Null), false);
        };
        let (block, next) = (frame.block, frame.next as usize);
        let step = program.block(block).get(next).copied();
        if step.is_some() {
            frame.next += 1;
        }
        if cx.is_watched() {
            let done = program.block(block).get(next.wrapping_sub(1));
            // What has an outcome says so where it settles.
            if let Some(done) = done.filter(|done| !program.step(**done).verb.has_outcome()) {
                self.passes(cx, program, key, *done, Passing::End);
            }
        }
        if let Some(step) = step {
            if self.is_cancelled(key) {
                return self.abandon_request(cx, program, key);
            }
            if cx.is_watched() {
                self.passes(cx, program, key, step, Passing::Begin);
            }
            return self.exec(cx, program, key, step);
        }
        let Some(thread) = self.threads.get_mut(key) else { return Next::Over };
        let Some(frame) = thread.frames.last_mut() else { return Next::Over };
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

    /// Says where this thread is, for faults that strike there; the dice of which follow from the request, the step, and how
    /// often the request has come there.
    #[cold]
    pub(super) fn passes(&self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef, passing: Passing) {
        let step = program.step(reference);
        let request = self.threads.get(key).and_then(|thread| self.requests.get(thread.request));
        let Some(request) = request else { return };
        let visits = request.visits.iter().find(|(known, _)| *known == reference).map_or(0, |(_, count)| count + 1);
        cx.pass(&step.points, passing, request.cause.then(step.place).then(u64::from(visits)));
    }

    /// Whether the caller of this thread's request has gone and it minds. What is background was never the caller's.
    pub(super) fn is_cancelled(&self, key: Key) -> bool {
        let request = self.threads.get(key).and_then(|thread| self.requests.get(thread.request));
        request.is_some_and(|request| request.cancelled && !request.done) && self.main_of(key).is_some()
    }

    /// Stops a request whose caller has gone: what it has recorded stands, and nobody is answered.
    pub(super) fn abandon_request(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> Next {
        let Some(request) = self.threads.get(key).map(|thread| thread.request) else { return Next::Over };
        let Some(main) = self.main_of(key) else { return Next::Over };
        self.given_up.clear();
        self.kill(cx, program, main, false);
        let Some(abandoned) = self.requests.get_mut(request) else { return Next::Over };
        let (from, held) = (abandoned.from.take(), std::mem::take(&mut abandoned.holds_worker));
        if held {
            self.free_worker(cx, program, from);
        }
        self.finish_request(cx, program, request, Outcome::Unknown(Reason::TIMEOUT));
        Next::Over
    }

    /// The thread that began with the request, from any of its branches; none from a background one.
    pub(super) fn main_of(&self, mut key: Key) -> Option<Key> {
        loop {
            match self.threads.get(key)?.origin {
                Origin::Main => return Some(key),
                Origin::Branch { parent, .. } => key = parent,
                Origin::Background => return None,
            }
        }
    }

    /// The values a thread sees. The key must be that of a thread of a request that is there.
    pub(super) fn env(&mut self, key: Key) -> &mut Env {
        let thread = self.threads.get_mut(key).expect("a running thread is there");
        match &mut thread.env {
            Some(env) => env,
            None => &mut self.requests.get_mut(thread.request).expect("a thread's request is there").env,
        }
    }

    /// The same, to look at.
    pub(super) fn seen(&self, key: Key) -> &Env {
        let thread = self.threads.get(key).expect("a running thread is there");
        match &thread.env {
            Some(env) => env,
            None => &self.requests.get(thread.request).expect("a thread's request is there").env,
        }
    }

    /// What a step's dice follow from: the request's cause, the step's place, and how often the request has come there.
    pub(super) fn cause_of(&mut self, key: Key, reference: StepRef, step: &Step) -> Cause {
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
    pub(super) fn value(&self, cx: &Cx<'_>, key: Key, template: &Template) -> Result<Value, EvalError> {
        if let Template::Constant(value) = template {
            return Ok(value.clone());
        }
        self.with_env(cx, key, |mut env| fill(template, &mut env))
    }

    pub(super) fn holds(&self, cx: &Cx<'_>, key: Key, condition: &Expr<Var>) -> Result<bool, EvalError> {
        self.with_env(cx, key, |mut env| condition.is_true(&mut env))
    }

    /// Asks something of the names a step can see.
    pub(super) fn with_env<T>(
        &self,
        cx: &Cx<'_>,
        key: Key,
        ask: impl FnOnce(&mut dyn FnMut(&Var, Option<&Value>) -> Value) -> T,
    ) -> T {
        let number = self.threads.get(key).map_or(1, |thread| thread.around().number);
        let env = self.seen(key);
        let mut names = |var: &Var, _: Option<&Value>| match var {
            Var::Slot(slot) => env.values[slot.0 as usize].clone(),
            Var::Try => Value::Int(i64::from(number)),
            Var::Reason => env.reason.clone(),
            Var::ReplicaVersion => self.version(),
            Var::Now => Value::Int(cx.wall().nanos() as i64),
            Var::Value | Var::CellVersion | Var::Age | Var::Key | Var::Map(_) => Value::Null,
        };
        ask(&mut names)
    }

    /// The names that a condition at a cell can see; none when the step looks at none of them.
    pub(super) fn names(&self, key: Key, step: &Step) -> Option<Names> {
        if !uses_names(step) {
            return None;
        }
        let number = self.threads.get(key).map_or(1, |thread| thread.around().number);
        let version = self.version();
        let env = self.seen(key);
        Some(Names { values: env.values.clone(), number, reason: env.reason.clone(), version })
    }

    /// Says that an expression had no value, which is a finding, and goes on as if it were null.
    pub(super) fn checked<T: Default>(cx: &mut Cx<'_>, step: StepRef, result: Result<T, EvalError>) -> T {
        result.unwrap_or_else(|error| {
            cx.note(Note::Trouble { step, error });
            T::default()
        })
    }

    pub(super) fn exec(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, reference: StepRef) -> Next {
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
            Verb::Fail(failure) => {
                self.tells_when(key, failure.retry_after);
                Next::End(Outcome::failed(failure.reason))
            }
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
            Verb::Buggify { site, then, otherwise } => {
                let cause = self.cause_of(key, reference, step);
                cx.because(cause);
                let happens = cx.buggify(site);
                self.enter(key, if happens { *then } else { *otherwise })
            }
            Verb::Pick { slot, odds } => {
                let cause = self.cause_of(key, reference, step);
                cx.because(cause);
                let number = cx.number(NUMBER, odds);
                self.env(key).set(*slot, Value::Int(number as i64));
                Next::Go
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
            | Verb::Publish { .. }
            | Verb::Try(_)
            | Verb::Transaction { .. }
            | Verb::Once(_)
            | Verb::Saga(_)
            | Verb::Parallel { .. } => self.attempt(cx, program, key, reference),
        }
    }

    pub(super) fn enter(&mut self, key: Key, block: BlockRef) -> Next {
        if let Some(thread) = self.threads.get_mut(key) {
            thread.frames.push(Frame::plain(block));
        }
        Next::Go
    }

    pub(super) fn work(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        dist: &Dist,
    ) -> Next {
        if self.is_asynchronous(program, key) && !self.take_worker(cx, program, key) {
            // The step is come to again once a worker is free.
            if let Some(frame) = self.threads.get_mut(key).and_then(|thread| thread.frames.last_mut()) {
                frame.next -= 1;
            }
            return Next::Wait;
        }
        self.draw_work(cx, program, key, reference, dist)
    }

    pub(super) fn draw_work(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        dist: &Dist,
    ) -> Next {
        let cause = self.cause_of(key, reference, program.step(reference));
        cx.because(cause);
        let length = cx.work(WORK, dist);
        if length.is_zero() && self.is_asynchronous(program, key) {
            self.free_worker(cx, program, self.asker_of(key));
        }
        self.sleep(cx, key, length)
    }

    /// Whether the work of this thread takes a worker for itself.
    pub(super) fn is_asynchronous(&self, program: &Program, key: Key) -> bool {
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
            return self.free_worker(cx, program, self.asker_of(key));
        };
        let next = self.draw_work(cx, program, key, step, dist);
        self.drive(cx, program, key, next);
    }

    pub(super) fn sleep(&mut self, cx: &mut Cx<'_>, key: Key, length: Duration) -> Next {
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
            let next = if self.saga_waits(key) { self.saga_again(program, key) } else { self.launch(cx, program, key) };
            return self.drive(cx, program, key, next);
        }
        let worked = thread.frames.last().is_some_and(|frame| frame.is_behind_work(program));
        if worked && self.is_asynchronous(program, key) {
            self.free_worker(cx, program, self.asker_of(key));
        }
        self.go_on(cx, program, key);
    }

    pub(super) fn record(&mut self, cx: &mut Cx<'_>, key: Key, change: FactChange) {
        match self.threads.get_mut(key).and_then(Thread::txn) {
            Some(txn) => txn.facts.push(change),
            None => cx.note(Note::Fact(change.0, change.1, change.2)),
        }
    }

    pub(super) fn for_each(&mut self, key: Key, item: Slot, list: Slot, body: BlockRef, at_once: u32) -> Next {
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
