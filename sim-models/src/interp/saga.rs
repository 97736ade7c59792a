//! Sagas: parts that are done one after the other, and undone backwards when one of them is not ok.
//!
//! The guarantee is that of Garcia-Molina and Salem ("Sagas", SIGMOD 1987): all parts, or those that were done and their undos in
//! reverse order, with nothing hidden from others in between. The pivot is Richardson's ("Microservices Patterns", chapter 4): before it
//! the saga can go back, behind it only on. That an undo which fails for good ends the saga, half undone, is how Eventuate Tram Sagas
//! has it.
//!
//! A saga that nobody waits for any more (its own timeout or that of something around, a cancelled request, a branch that lost) is
//! undone all the same, in the background; one behind its pivot goes on there. A crash takes it, unless it has a log.

use serde::Serialize;
use sim_core::{Cause, Duration, Passing, Point};

use super::exec::{Next, TRY};
use super::log::{Awaits, Entry};
use super::retry::{is_retried, wait_of};
use super::service::{Cx, Service};
use super::thread::{Alarm, Around, Attempt, Env, Frame, Origin, Phase, Request, Role, Thread};
use crate::message::{Counted, Outcome, Tone};
use crate::program::{BlockRef, MapRef, Program, Reason, SagaDef, StepRef, Verb};
use crate::shelf::Unfinished;
use crate::slab::Key;
use crate::value::Value;

/// Mixed into what is done again after a crash, with the number of the node's life.
const RESUMED: u64 = 0x7265_7375_6d65_0000;
/// Mixed into the wait before something is tried again that must come to be ok.
const AGAIN: u64 = 0x6167_6169_6e00_0000;

/// A saga under way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Saga {
    /// The part whose `do` or `undo` runs, from 0.
    pub(super) at: u32,
    /// What it goes back for; none while it goes forward.
    pub(super) back: Option<Outcome>,
    /// How often this `do` or `undo` has been tried, from 1, and the last wait before.
    tries: u32,
    waited: Duration,
    /// The timer of the wait before the next try.
    pub(super) waits: Option<Key>,
    /// The ticket with which it waits until the state it is in is durable in its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) noting: Option<u32>,
    /// A `reply` or `fail` that ends the endpoint when this is over.
    ending: Option<Outcome>,
    /// The key of its cell in the log.
    log: Option<Value>,
    /// Whether the pivot it is at may have been passed by a try that nobody has heard of: an error of a later try, which says that
    /// one was not done, does not say it of that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    in_doubt: bool,
    /// How it has ended, where only its log does not say so yet.
    #[serde(skip)]
    over: Option<End>,
}

/// How a saga ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    Undone,
    Stuck,
}

impl Saga {
    fn new(at: u32, back: Option<Outcome>, log: Option<Value>) -> Self {
        Saga {
            at,
            back,
            tries: 1,
            waited: Duration::ZERO,
            waits: None,
            noting: None,
            ending: None,
            log,
            in_doubt: false,
            over: None,
        }
    }

    /// In the words of its log: `DOING 2`, `UNDOING 1`, `DONE`.
    pub(super) fn word(&self) -> String {
        word(self.at, self.back.is_some())
    }

    /// Whether there is no way back: something is to be undone, or the pivot was passed, or may have been. An answer that no further try
    /// would change, such as that the order is refused, is one about all tries; that one of them still runs is none.
    fn must_go_on(&mut self, def: &SagaDef, outcome: &Outcome) -> bool {
        if self.over.is_some() {
            return true;
        }
        let at = self.at as usize;
        let passed = def.parts[..at].iter().any(|part| part.pivot);
        self.in_doubt |= def.parts[at].pivot && is_open(outcome);
        self.back.is_some() || passed || self.in_doubt && (is_open(outcome) || is_retried(&def.undo_retry, outcome))
    }
}

/// Whether an outcome leaves open whether it was done, or will be: nobody knows, or another try with this key still runs.
fn is_open(outcome: &Outcome) -> bool {
    outcome.tone() == Tone::Unknown || outcome.reason() == Some(Reason::IN_FLIGHT)
}

/// A state in the words of the log.
pub(super) fn word(at: u32, back: bool) -> String {
    match (at, back) {
        (Unfinished::OVER, false) => "DONE".to_owned(),
        (Unfinished::OVER, true) => "UNDONE".to_owned(),
        (at, false) => format!("DOING {}", at + 1),
        (at, true) => format!("UNDOING {}", at + 1),
    }
}

fn saga_of(program: &Program, step: StepRef) -> Option<&SagaDef> {
    match &program.step(step).verb {
        Verb::Saga(def) => Some(def),
        _ => None,
    }
}

impl Frame {
    /// What runs for the pivot of this frame's saga, if it is at one, may be done.
    fn may_have_passed(&mut self, program: &Program) {
        let Role::Attempt(attempt) = &mut self.role else { return };
        let step = attempt.step;
        if let Phase::Saga(saga) = &mut attempt.phase
            && let Some(def) = saga_of(program, step)
        {
            saga.in_doubt |= saga.back.is_none() && def.parts.get(saga.at as usize).is_some_and(|part| part.pivot);
        }
    }
}

impl Service {
    /// Of something that a thread has asked nobody knows what came of it: whatever it asks next, the pivots it runs for may have been passed.
    pub(super) fn leaves_open(&mut self, program: &Program, key: Key) {
        let mut at = Some(key);
        while let Some(thread) = at.and_then(|key| self.threads.get_mut(key)) {
            at = thread.parent();
            thread.frames.iter_mut().for_each(|frame| frame.may_have_passed(program));
        }
    }

    /// Begins a saga with its first part.
    pub(super) fn saga(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, step: StepRef, def: &SagaDef) -> Next {
        if def.log.is_some() && self.log_is_unreadable() {
            return Next::settle(Outcome::Error(Reason::DISK));
        }
        let log = def.log.as_ref().map(|(map, about)| {
            let about = self.value(cx, key, about);
            let about = Self::checked(cx, step, about);
            self.free_key(cx, *map, about)
        });
        self.do_part(cx, program, key, Box::new(Saga::new(0, None, log)))
    }

    /// A key of the log that no saga has had: what it is about, `17`, and from the second of those on `17/2`. Without that, the node
    /// and a number.
    fn free_key(&self, cx: &Cx<'_>, map: MapRef, about: Value) -> Value {
        let cells = self.own_map(cx, map);
        let is_free = |key: &Value| cells.get(key).is_none();
        if !about.is_null() && is_free(&about) {
            return about;
        }
        let first = if about.is_null() { 1 } else { 2 };
        let name = if about.is_null() { self.program.replica_name(cx.id()) } else { about.to_string() };
        let mut keys = (first..).map(|number: u64| Value::from(format!("{name}/{number}").as_str()));
        keys.find(is_free).unwrap_or(about)
    }

    /// Runs the `do` of the part it is at.
    fn do_part(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, mut saga: Box<Saga>) -> Next {
        let Some((def, _)) = self.saga_at(program, key) else { return Next::Over };
        self.log_saga(cx, program, key, def, &mut saga);
        if def.parts[..saga.at as usize].iter().any(|part| part.pivot) {
            self.takes_its_time(cx, key);
        }
        self.run_noted(cx, program, key, saga)
    }

    /// Runs the `do` or undo it is at, unless it waits for its log.
    fn run_noted(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, saga: Box<Saga>) -> Next {
        let Some((def, cause)) = self.saga_at(program, key) else { return Next::Over };
        if saga.noting.is_some() {
            self.phase(key, Phase::Saga(saga));
            return Next::Wait;
        }
        let part = def.parts[saga.at as usize];
        if saga.back.is_some() {
            return self.run_part(key, part.undo.unwrap_or(part.body), saga);
        }
        if saga.at as usize + 1 == def.parts.len() {
            Self::milestone(cx, &def.points.prepared, cause);
        }
        self.run_part(key, part.body, saga)
    }

    /// The state that the saga in this thread is in is durable in its log; or it is durable that it never began.
    pub(super) fn saga_noted(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, kept: bool) {
        let Some((_, cause)) = self.saga_at(program, key) else { return };
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let Phase::Saga(mut saga) = std::mem::replace(&mut attempt.phase, Phase::Idle) else { return };
        saga.noting = None;
        cx.because(cause);
        let next = if let Some(end) = saga.over {
            self.saga_ended(cx, program, key, *saga, end)
        } else if kept {
            self.run_noted(cx, program, key, saga)
        } else {
            self.closed(cx, program, key, Outcome::Error(Reason::DISK))
        };
        self.drive(cx, program, key, next);
    }

    /// The first note of the saga in this thread could not be written: there is none any more. False: it has no log.
    pub(super) fn forgets_saga(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) -> bool {
        let Some((def, _)) = self.saga_at(program, key) else { return false };
        let log = match self.threads.get_mut(key).and_then(Thread::attempt).map(|attempt| &attempt.phase) {
            Some(Phase::Saga(saga)) => saga.log.clone(),
            _ => None,
        };
        let (Some((map, _)), Some(at)) = (&def.log, log) else { return false };
        self.write_cell(cx, program, *map, &at, &Value::Null);
        cx.shared_mut().saga_is_over(*map, at);
        true
    }

    fn run_part(&mut self, key: Key, block: BlockRef, saga: Box<Saga>) -> Next {
        if let Some(frame) = self.threads.get_mut(key).and_then(|thread| thread.frames.last_mut()) {
            frame.block = block;
        }
        self.run_body(key, Phase::Saga(saga))
    }

    /// The saga of the attempt in the top frame, and why it runs.
    fn saga_at<'p>(&mut self, program: &'p Program, key: Key) -> Option<(&'p SagaDef, Cause)> {
        let attempt = self.threads.get_mut(key).and_then(Thread::attempt)?;
        let cause = attempt.cause.then(TRY | u64::from(attempt.number));
        Some((saga_of(program, attempt.step)?, cause))
    }

    pub(super) fn milestone(cx: &mut Cx<'_>, points: &[Point; 2], cause: Cause) {
        if cx.is_watched() {
            cx.pass(points, Passing::Mark, cause);
        }
    }

    /// What must be finished is not bound by any time that somebody has for it.
    fn takes_its_time(&mut self, cx: &mut Cx<'_>, key: Key) {
        self.stop_timer(cx, key);
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.around = Around::nothing(attempt.around.number);
        }
    }

    /// The `do` or `undo` that runs has come to an end; `ended`: by a `reply` or `fail`.
    pub(super) fn part_over(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        mut saga: Box<Saga>,
        outcome: Outcome,
        ended: bool,
    ) -> Next {
        let Some((def, cause)) = self.saga_at(program, key) else { return Next::Over };
        let is_ok = outcome.tone() == Tone::Ok;
        if !is_ok && saga.must_go_on(def, &outcome) {
            self.takes_its_time(cx, key);
            return self.again_or_stuck(cx, program, key, saga, &outcome);
        }
        if saga.back.is_some() {
            let before = saga.at.checked_sub(1);
            return self.undo_from(cx, program, key, *saga, before);
        }
        if !is_ok {
            let first = if def.registers_before { Some(saga.at) } else { saga.at.checked_sub(1) };
            saga.ending = ended.then(|| outcome.clone());
            saga.back = Some(outcome);
            self.takes_its_time(cx, key);
            return self.undo_from(cx, program, key, *saga, first);
        }
        if saga.at as usize + 1 < def.parts.len() && !ended {
            let next = Saga { at: saga.at + 1, tries: 1, waited: Duration::ZERO, ..*saga };
            return self.do_part(cx, program, key, Box::new(next));
        }
        Self::milestone(cx, &def.points.decided, cause);
        // A `reply` in a part ends the saga with the endpoint: what was done stands.
        saga.ending = ended.then_some(outcome);
        self.end_saga(cx, program, key, *saga, End::Done)
    }

    /// Runs the undo of this part or of the next one before it that has one.
    fn undo_from(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, saga: Saga, from: Option<u32>) -> Next {
        let Some((def, _)) = self.saga_at(program, key) else { return Next::Over };
        let noted = from.map_or(0, |from| from + 1);
        let next = (0..noted).rev().find(|at| def.parts[*at as usize].undo.is_some());
        let Some(at) = next else { return self.end_saga(cx, program, key, saga, End::Undone) };
        let mut saga = Box::new(Saga { at, tries: 1, waited: Duration::ZERO, noting: None, ..saga });
        self.log_saga(cx, program, key, def, &mut saga);
        self.run_noted(cx, program, key, saga)
    }

    /// What must come to be ok was not: it is tried again, or the saga is stuck.
    fn again_or_stuck(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        mut saga: Box<Saga>,
        outcome: &Outcome,
    ) -> Next {
        let Some((def, cause)) = self.saga_at(program, key) else { return Next::Over };
        let retry = &def.undo_retry;
        let is_under_way = outcome.reason() == Some(Reason::IN_FLIGHT);
        if !(is_under_way || is_retried(retry, outcome)) || retry.tries.is_some_and(|tries| saga.tries >= tries) {
            return self.end_saga(cx, program, key, *saga, End::Stuck);
        }
        cx.because(cause.then(AGAIN | u64::from(saga.at)).then(u64::from(saga.tries)));
        saga.waited = wait_of(cx, retry, saga.tries, saga.waited);
        saga.tries = saga.tries.saturating_add(1);
        // Through the queue of events even without a wait, where a loop without end is noticed.
        saga.waits = Some(self.alarm(cx, saga.waited, Alarm::Over { thread: key }));
        self.phase(key, Phase::Saga(saga));
        Next::Wait
    }

    /// Whether the attempt in the top frame is a saga that waits before it tries something again.
    pub(super) fn saga_waits(&mut self, key: Key) -> bool {
        let attempt = self.threads.get_mut(key).and_then(Thread::attempt);
        attempt.is_some_and(|attempt| matches!(&attempt.phase, Phase::Saga(saga) if saga.waits.is_some()))
    }

    /// The `do` or `undo` it is at is run again.
    pub(super) fn saga_again(&mut self, program: &Program, key: Key) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        let step = attempt.step;
        let Phase::Saga(mut saga) = std::mem::replace(&mut attempt.phase, Phase::Idle) else { return Next::Over };
        let Some(def) = saga_of(program, step) else { return Next::Over };
        saga.waits = None;
        let part = def.parts[saga.at as usize];
        let block = if saga.back.is_some() { part.undo.unwrap_or(part.body) } else { part.body };
        self.run_part(key, block, saga)
    }

    fn end_saga(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, saga: Saga, end: End) -> Next {
        let Some((def, _)) = self.saga_at(program, key) else { return Next::Over };
        if end == End::Stuck || !self.log_takes_time() {
            return self.saga_ended(cx, program, key, saga, end);
        }
        // How it has ended is told once nothing takes that any more: whoever went on with the part it was at might come to another end.
        let mut over = Box::new(Saga { at: Unfinished::OVER, over: Some(end), ..saga });
        self.log_saga(cx, program, key, def, &mut over);
        if over.noting.is_none() {
            return self.saga_ended(cx, program, key, *over, end);
        }
        self.takes_its_time(cx, key);
        self.phase(key, Phase::Saga(over));
        Next::Wait
    }

    /// A saga is over, and its log says so.
    fn saga_ended(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, saga: Saga, end: End) -> Next {
        let Some((def, cause)) = self.saga_at(program, key) else { return Next::Over };
        let Saga { back, ending, log, over, .. } = saga;
        if let (Some((map, _)), Some(at)) = (&def.log, log) {
            // Lost, what comes of its end is told again.
            self.log(cx, end != End::Stuck && over.is_none());
            if over.is_none() {
                let word =
                    if end == End::Stuck { "STUCK".to_owned() } else { word(Unfinished::OVER, end == End::Undone) };
                self.write_cell(cx, program, *map, &at, &Value::from(word.as_str()));
            }
            cx.shared_mut().saga_is_over(*map, at.clone());
            self.note_down(cx, Entry::SagaOver(*map, at), None);
        }
        let outcome = match (end, back) {
            (End::Stuck, _) => {
                self.count(cx, Counted::SagaStuck);
                Outcome::Unknown(Reason::STUCK)
            }
            (_, None) => Outcome::Ok(Value::Null),
            (_, Some(Outcome::Error(reason))) => Outcome::Error(reason),
            (_, Some(_)) => Outcome::Error(Reason::UNDONE),
        };
        if end != End::Stuck {
            Self::milestone(cx, &def.points.done, cause);
            if let Some(thread) = self.threads.get_mut(key) {
                thread.ending = ending;
            }
        }
        self.closed(cx, program, key, outcome)
    }
}

/// What becomes of a saga whose caller has gone, or whose node has crashed.
impl Service {
    /// The timeout of a saga has come: what runs stops, and it is undone. False: the attempt in that frame is none.
    pub(super) fn saga_timed_out(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize) -> bool {
        let Some(thread) = self.threads.get(key) else { return false };
        let is_saga =
            |frame: &Frame| matches!(&frame.role, Role::Attempt(attempt) if matches!(attempt.phase, Phase::Saga(_)));
        if !thread.frames.get(depth).is_some_and(is_saga) {
            return false;
        }
        self.stop_above(cx, program, key, depth, false);
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return true };
        attempt.timer = None;
        let cause = attempt.cause.then(TRY | u64::from(attempt.number));
        let Phase::Saga(mut saga) = std::mem::replace(&mut attempt.phase, Phase::Idle) else { return true };
        cx.because(cause);
        if saga.noting.take().is_some() {
            // Of the part it is at nothing was done.
            saga.back = Some(Outcome::Unknown(Reason::TIMEOUT));
            self.takes_its_time(cx, key);
            let before = saga.at.checked_sub(1);
            let next = self.undo_from(cx, program, key, *saga, before);
            self.drive(cx, program, key, next);
            return true;
        }
        let next = self.part_over(cx, program, key, saga, Outcome::Unknown(Reason::TIMEOUT), false);
        self.drive(cx, program, key, next);
        true
    }

    /// Nobody waits for the saga that was in the top frame of a thread: it is finished in the background.
    pub(super) fn goes_on_alone(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, mut saga: Box<Saga>) {
        if let Some(alarm) = saga.waits.take() {
            self.disarm(cx, alarm);
        }
        saga.ending = None;
        let env = Box::new(self.seen(key).clone());
        let Some(thread) = self.threads.get_mut(key) else { return };
        let request = thread.request;
        let Some(attempt) = thread.attempt() else { return };
        let (step, cause, number) = (attempt.step, attempt.cause, attempt.number);
        let because = cx.cause();
        cx.because(cause.then(TRY | u64::from(number)));
        let thread = self.saga_thread(request, Origin::Background, Some(env), step, cause, saga);
        let next = match self.threads.get_mut(thread).and_then(Thread::attempt) {
            Some(Attempt { phase, .. }) => match std::mem::replace(phase, Phase::Idle) {
                Phase::Saga(saga) => self.interrupted(cx, program, thread, saga),
                _ => Next::Over,
            },
            None => Next::Over,
        };
        self.drive(cx, program, thread, next);
        cx.because(because);
    }

    /// What ran was stopped in the middle: what must be finished is begun again, and what need not is undone.
    fn interrupted(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, mut saga: Box<Saga>) -> Next {
        let Some((def, _)) = self.saga_at(program, key) else { return Next::Over };
        let given_up = Outcome::Unknown(Reason::TIMEOUT);
        if saga.must_go_on(def, &given_up) {
            if let Some(ticket) = saga.noting {
                self.waits_in(ticket, key);
                return self.run_noted(cx, program, key, saga);
            }
            self.phase(key, Phase::Saga(saga));
            return self.saga_again(program, key);
        }
        saga.noting = None;
        self.part_over(cx, program, key, saga, given_up, false)
    }

    /// A thread that has nothing but a saga to do.
    fn saga_thread(
        &mut self,
        request: Key,
        origin: Origin,
        env: Option<Box<Env>>,
        step: StepRef,
        cause: Cause,
        saga: Box<Saga>,
    ) -> Key {
        let around = Around::nothing(1);
        let attempt = Attempt::new(step, cause, around, Phase::Saga(saga));
        let thread = self.spawn(request, origin, BlockRef(0), env, around);
        if let Some(thread) = self.threads.get_mut(thread) {
            thread.frames = vec![Frame { block: BlockRef(0), next: 0, role: Role::Attempt(Box::new(attempt)) }];
        }
        thread
    }

    /// Keeps the state of a saga in its log, if it has one. From then on it may have to wait until that is durable.
    fn log_saga(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, def: &SagaDef, saga: &mut Saga) {
        let (Some((map, _)), Some(at)) = (&def.log, &saga.log) else { return };
        let env = self.seen(key).clone();
        let request = self.threads.get(key).and_then(|thread| self.requests.get(thread.request));
        let step = self.threads.get_mut(key).and_then(Thread::attempt).map(|attempt| attempt.step);
        let (Some(request), Some(step)) = (request, step) else { return };
        let unfinished = Unfinished {
            node: cx.id(),
            step,
            endpoint: (request.endpoint, request.kind),
            cause: request.cause,
            values: (env.values, env.mask),
            lists: env.lists,
            reason: env.reason,
            at: saga.at,
            back: saga.back.clone(),
        };
        self.log(cx, true);
        self.write_cell(cx, program, *map, at, &Value::from(saga.word().as_str()));
        cx.shared_mut().saga_goes_on(*map, at.clone(), unfinished.clone());
        let (entry, ticket) = (Entry::Saga(*map, at.clone(), Box::new(unfinished)), self.log_ticket());
        let is_first = saga.at == 0 && saga.back.is_none();
        let waits = self.note_down(cx, entry, Some(Awaits::Saga { thread: key, ticket, is_first }));
        saga.noting = waits.then_some(ticket);
    }

    /// Sets the cell of a saga in its log.
    pub(super) fn write_cell(&mut self, cx: &mut Cx<'_>, program: &Program, map: MapRef, at: &Value, word: &Value) {
        let now = cx.now();
        self.own_map_mut(cx, map).set(at, word.clone(), now);
        self.tell_cell(cx, program, map, at.clone(), word);
    }

    /// The sagas that a former life of this replica had not finished, as requests that nobody waits for.
    pub(super) fn unfinished_sagas(&mut self, cx: &Cx<'_>) -> Vec<Request> {
        let resumed = |(log, saga): (Value, Unfinished)| {
            let (values, mask) = saga.values.clone();
            let env = Env { values, lists: saga.lists.clone(), mask, reason: saga.reason.clone() };
            let ((endpoint, kind), cause) = (saga.endpoint, saga.cause.then(RESUMED | u64::from(cx.life())));
            let resumes = Some(Box::new((log, saga)));
            Request { resumes, is_resumed: true, ..Request::new(endpoint, kind, cause, env, cx.now()) }
        };
        let found = self.found_sagas().unwrap_or_else(|| cx.shared().sagas_of(cx.id()));
        found.into_iter().map(resumed).collect()
    }

    /// Goes on with a saga where its log says it was: with the interrupted `do` or `undo`, from its beginning.
    pub(super) fn resume_saga(&mut self, cx: &mut Cx<'_>, program: &Program, request: Key) {
        let Some((cause, resumes)) =
            self.requests.get_mut(request).and_then(|request| Some((request.cause, request.resumes.take()?)))
        else {
            return;
        };
        let (log, Unfinished { step, at, back, .. }) = *resumes;
        let end = if back.is_some() { End::Undone } else { End::Done };
        let over = (at == Unfinished::OVER).then_some(end);
        cx.because(cause);
        let is_at_pivot = |def: &SagaDef| def.parts.get(at as usize).is_some_and(|part| part.pivot);
        let in_doubt = back.is_none() && saga_of(program, step).is_some_and(is_at_pivot);
        let saga = Box::new(Saga { in_doubt, over, ..Saga::new(at, back, Some(log)) });
        let cause = cause.then(program.step(step).place);
        let thread = self.saga_thread(request, Origin::Main, None, step, cause, saga);
        let next = match over {
            Some(end) => self.saga_found_over(cx, program, thread, end),
            None => self.saga_again(program, thread),
        };
        self.drive(cx, program, thread, next);
    }

    /// The log says how a saga has ended, and not that this was told.
    fn saga_found_over(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, end: End) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        let Phase::Saga(saga) = std::mem::replace(&mut attempt.phase, Phase::Idle) else { return Next::Over };
        self.saga_ended(cx, program, key, *saga, end)
    }
}
