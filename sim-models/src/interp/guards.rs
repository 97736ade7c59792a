//! What stands before each try: breakers, bulkheads and limiters, and the retry budgets of libraries, all of which hear how a try
//! ended.
//!
//! A step without them costs one question. The guards are asked from the outermost to the innermost; one that refuses
//! gives the try its outcome, which those outside of it hear like any other. One that has it wait holds it back before those inside
//! of it: what stands inside the timeout waits on the timeout's time. A try that is given up from outside (what stands around it
//! timed out, or its node ended the endpoint) gives its permits back and is reported as cancelled.

use std::collections::VecDeque;

use serde::Serialize;
use sim_core::{Cause, Dist, Duration, Instant, Ratio};

use super::exec::{Next, TRY};
use super::retry::{catches, is_retried};
use super::service::{Cx, JITTER, Service, THROTTLE};
use super::thread::{Alarm, Around, Attempt, Frame, Origin, Phase, Role, Spared, Thread};
use crate::message::{Counted, EdgeCounted, Note, Outcome, Tone};
use crate::policy::breaker::{Admission, Breaker, Ended, State};
use crate::policy::budget::{self, Budget, Paid};
use crate::policy::bulkhead::{Bulkhead, Entered, Place, Task};
use crate::policy::coalesce::Flights;
use crate::policy::concurrency::Sample;
use crate::policy::hedge::Latencies;
use crate::policy::limiter::{self, Limiter};
use crate::program::{BreakerDef, BulkheadDef, Guard, Guards, LimiterDef, Program, Reason, Step};
use crate::slab::Key;
use crate::value::Value;

/// A policy of this replica, with what it remembers.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum Held {
    /// A breaker, and what it was last seen to be.
    Breaker(Breaker, State),
    /// A bulkhead, and the threads that wait for a place in it, who came first first.
    Bulkhead(Box<Bulkhead>, VecDeque<Key>),
    /// A retry budget.
    Budget(Budget),
    /// A limiter.
    Limiter(Limiter),
    /// Latencies that the delay of a hedge follows from.
    Latencies(Latencies),
    /// Flights under way, and the threads that wait for each.
    Flights(Flights<Value, Key>),
}

/// What the guards of a step make of one of its tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Passed {
    /// How many guards let it through, from the outermost.
    guards: u8,
    /// What it was paid with, when it is a retry.
    paid: Option<Paid>,
    /// That its caller gave up while it waited for a thread of a pool, which guard that is: it is done all the same, for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    for_nobody: Option<u8>,
    /// When it got a place in a bulkhead whose limit finds itself, and how many were under way then.
    #[serde(skip_serializing_if = "Option::is_none")]
    entered: Option<(Instant, u32)>,
}

/// The place in a bulkhead of a try that was given up while what it had sent was out.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Kept {
    /// Which bulkhead, by its place among the policies of this node.
    pub(super) index: u32,
    /// When it was given up.
    pub(super) since: Instant,
    /// What is out: the place comes back with the last answer to it.
    out: Vec<Key>,
    /// The timer of the client below, which gives up then; none: it waits for ever.
    pub(super) alarm: Option<Key>,
}

/// A try that a guard has wait.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Queued {
    /// The timer of the wait; none: it waits as long as it takes.
    pub(super) alarm: Option<Key>,
    /// Which guard, from the outermost.
    guard: u8,
    then: Then,
}

/// What becomes of a try when its wait at a guard is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Then {
    /// The guard lets it go.
    Passes,
    /// It asks the guard again.
    Asks,
    /// It is refused.
    Fails,
    /// No time is left of its deadline.
    Expires,
}

/// What a try that leaves its guards takes along.
#[derive(Clone, Copy)]
pub(super) struct Leaving {
    /// When the try began.
    since: Instant,
    passed: Passed,
}

impl Attempt {
    /// This try leaves its guards; what is taken along is what they are told next.
    #[inline]
    pub(super) fn leaves(&mut self) -> Leaving {
        Leaving { since: self.since, passed: std::mem::take(&mut self.passed) }
    }
}

/// What guards say to a try.
pub(super) enum Asked {
    Go,
    Refused(Outcome),
    Waits,
}

/// What one guard says.
#[derive(Clone, Copy)]
enum Answer {
    Goes,
    Waits(Duration, Then),
    Refuses(Reason),
}

/// Mixed into what the luck of a limit follows from.
pub(super) const PROBE: u64 = 0x7072_6f62_6500;

/// Mixed into what the luck of a breaker follows from.
const SPREAD: u64 = 0x7370_7265_6164;

impl Passed {
    pub(super) fn is_nothing(&self) -> bool {
        *self == Passed::default()
    }

    /// How many guards it has passed and not left, from the outermost.
    pub(super) fn inside(self) -> u8 {
        self.guards
    }

    /// It passes all of these, unless one of them says otherwise.
    pub(super) fn passes(&mut self, guards: &Guards) {
        self.guards = guards.order.len() as u8;
    }

    /// How many of those, from the outermost, it has left although it goes on.
    pub(super) fn left(self) -> u8 {
        self.for_nobody.unwrap_or_default()
    }

    /// Takes what it was paid with.
    pub(super) fn take_pay(&mut self) -> Option<Paid> {
        self.paid.take()
    }

    /// Whether a budget has paid for it.
    pub(super) fn is_paid(self) -> bool {
        self.paid.is_some()
    }

    /// Whether nobody waits for what comes of it.
    pub(super) fn is_for_nobody(self) -> bool {
        self.for_nobody.is_some()
    }

    /// Whether it goes on though the timeout around it is over.
    pub(super) fn outlives_timeout(self, step: &Step) -> bool {
        let around = step.clauses.guards.as_ref().map_or(0, |guards| guards.around_timeout);
        self.for_nobody.is_some_and(|waited| waited >= around)
    }
}

/// Why two kinds of policies never meet in one place.
pub(super) const OWN_PLACE: &str = "each policy has a place of its own";

impl Service {
    /// Asks the guards that the try in the top frame has not passed yet whether it may begin.
    #[inline(never)]
    pub(super) fn ask_guards(&mut self, cx: &mut Cx<'_>, key: Key, step: &Step, guards: &Guards, passed: u8) -> Asked {
        let mut left = guards.order.get(usize::from(passed)..).unwrap_or_default().iter();
        while let Some(guard) = left.next() {
            let answer = match guard {
                Guard::Breaker(def) => self.ask_breaker(cx, step, def),
                Guard::Bulkhead(def) => self.ask_bulkhead(cx.now(), key, def),
                Guard::Limiter(def) => self.ask_limiter(cx, key, def),
            };
            match answer {
                Answer::Goes => {}
                Answer::Waits(..) | Answer::Refuses(_) => {
                    let passed = guards.order.len() - left.len() - 1;
                    return self.is_held_up(cx, key, step, (guards, passed as u8), answer);
                }
            }
        }
        Asked::Go
    }

    /// A guard, which is the one behind so many, does not let the try in the top frame go now.
    #[cold]
    #[inline(never)]
    fn is_held_up(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        step: &Step,
        (guards, passed): (&Guards, u8),
        answer: Answer,
    ) -> Asked {
        self.passed_guards(key, passed);
        match answer {
            Answer::Goes => Asked::Go,
            Answer::Refuses(reason) => Asked::Refused(self.refused(cx, step, reason)),
            Answer::Waits(wait, then) => {
                self.wait_at_guard(cx, key, step, guards, (passed, wait, then));
                Asked::Waits
            }
        }
    }

    /// The try in the top frame has passed so many guards, from the outermost.
    fn passed_guards(&mut self, key: Key, guards: u8) {
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.passed.guards = guards;
        }
    }

    /// A guard says no, which is counted on the edge where nothing is sent, or of this node where it stands around a group.
    fn refused(&self, cx: &mut Cx<'_>, step: &Step, reason: Reason) -> Outcome {
        let is_open = reason == Reason::OPEN;
        cx.note(match step.edge() {
            Some(edge) => Note::Edge(edge, if is_open { EdgeCounted::Open } else { EdgeCounted::Limited }),
            None => Note::Count(self.me, if is_open { Counted::Open } else { Counted::Limited }),
        });
        Outcome::Error(reason)
    }

    fn wait_at_guard(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        step: &Step,
        guards: &Guards,
        (guard, mut wait, mut then): (u8, Duration, Then),
    ) {
        if guard >= guards.around_timeout {
            // Inside the timeout: it runs.
            self.set_try_timer(cx, key, step);
        } else {
            let attempt = self.threads.get_mut(key).and_then(Thread::attempt);
            let deadline = attempt.map_or(Instant::NEVER, |attempt| attempt.around.deadline);
            let left = deadline.since(cx.now());
            if deadline != Instant::NEVER && left <= wait {
                (wait, then) = (left, Then::Expires);
            }
        }
        let alarm = (wait != Duration::FOREVER).then(|| self.alarm(cx, wait, Alarm::Guard { thread: key }));
        self.phase(key, Phase::Queued(Box::new(Queued { alarm, guard, then })));
    }

    /// The wait of the try in the top frame at a guard is over.
    pub(super) fn guard_rings(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let Phase::Queued(queued) = &attempt.phase else { return };
        let queued = **queued;
        attempt.phase = Phase::Idle;
        let cause = attempt.cause.then(TRY | u64::from(attempt.number));
        let step = program.step(attempt.step);
        let Some(guards) = &step.clauses.guards else { return };
        cx.because(cause);
        let next = match queued.then {
            Then::Passes => {
                self.passed_guards(key, queued.guard + 1);
                self.pass(cx, program, key)
            }
            Then::Asks => self.pass(cx, program, key),
            Then::Fails => {
                self.waits_no_more(cx.now(), key, guards, queued.guard);
                Next::settle(self.refused(cx, step, Reason::LIMITED))
            }
            Then::Expires => {
                self.waits_no_more(cx.now(), key, guards, queued.guard);
                Next::settle(Outcome::Error(Reason::EXPIRED))
            }
        };
        self.drive(cx, program, key, next);
    }

    /// A try that waits at a guard goes away.
    pub(super) fn leaves_queue(&mut self, cx: &mut Cx<'_>, key: Key, step: &Step, queued: Queued) {
        if let Some(alarm) = queued.alarm {
            self.disarm(cx, alarm);
        }
        if let Some(guards) = &step.clauses.guards {
            self.waits_no_more(cx.now(), key, guards, queued.guard);
        }
    }

    fn waits_no_more(&mut self, now: Instant, key: Key, guards: &Guards, guard: u8) {
        let Some(Guard::Bulkhead(def)) = guards.order.get(usize::from(guard)) else { return };
        let Some(Some(Held::Bulkhead(_, line))) = self.held.get(def.index as usize) else { return };
        let Some(at) = line.iter().position(|waiting| *waiting == key) else { return };
        let task = match def.rule.given_up() {
            Task::IsDone => self.for_nobody(now, key, guard),
            Task::Leaves => None,
        };
        if let Some(Some(Held::Bulkhead(bulkhead, line))) = self.held.get_mut(def.index as usize) {
            match task {
                Some(task) => line[at] = task,
                None => {
                    line.remove(at);
                    bulkhead.goes_away();
                }
            }
        }
    }

    /// A thread that waits at this guard in place of the one whose top frame does, and does for nobody what that would have done.
    fn for_nobody(&mut self, now: Instant, key: Key, guard: u8) -> Option<Key> {
        let env = Box::new(self.seen(key).clone());
        let thread = self.threads.get_mut(key)?;
        let (request, around) = (thread.request, thread.around);
        let Frame { block, role: Role::Attempt(attempt), .. } = thread.frames.last()? else { return None };
        let attempt = Attempt {
            around: Around { expires: attempt.around.expires.min(now), ..attempt.around },
            timer: None,
            passed: Passed { guards: guard, for_nobody: Some(guard), ..Passed::default() },
            flight: None,
            spared: Spared::default(),
            phase: Phase::Queued(Box::new(Queued { alarm: None, guard, then: Then::Fails })),
            ..(**attempt).clone()
        };
        let block = *block;
        let frame = Frame { block, next: u32::MAX, role: Role::Attempt(Box::new(attempt)) };
        self.does_for_nobody = true;
        let task = self.spawn(request, Origin::Background, block, Some(env), around);
        self.threads.get_mut(task)?.frames = vec![frame];
        Some(task)
    }

    /// The try in the top frame has ended and left its guards; no outcome: its caller went away before it did.
    #[inline(never)]
    pub(super) fn try_over(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        step: &Step,
        (guards, left): (&Guards, Leaving),
        outcome: Option<&Outcome>,
    ) {
        let passed = left.passed;
        self.leave_guards(cx, key, step, (guards.inside(passed.left(), passed.guards), left), outcome);
        if passed.is_for_nobody() {
            // Whoever wanted it has said already how it ended.
            return;
        }
        if let (Some((rule, index)), Some(retry)) = (&guards.budget, &step.clauses.retry) {
            let ended = match outcome {
                Some(outcome) if outcome.tone() == Tone::Ok => budget::Ended::Ok,
                Some(outcome) if is_retried(retry, outcome) => budget::Ended::Failed,
                Some(_) | None => budget::Ended::Otherwise,
            };
            self.profile_budget(rule, *index).ended(ended, passed.paid);
        }
    }

    /// The timeout of the try in the top frame has ended it: to what stands inside of the timeout, its caller went away.
    #[inline(never)]
    pub(super) fn timeout_over(&mut self, cx: &mut Cx<'_>, key: Key, step: &Step, guards: &Guards) {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let (passed, left) = (attempt.passed, Leaving { since: attempt.since, passed: attempt.passed });
        let down_to = passed.left().max(guards.around_timeout);
        attempt.passed.guards = passed.guards.min(down_to);
        self.leave_guards(cx, key, step, (guards.inside(down_to, passed.guards), left), None);
    }

    /// Goes back out through guards, of which the outermost comes first.
    #[inline(always)]
    fn leave_guards(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        step: &Step,
        (guards, left): (&[Guard], Leaving),
        outcome: Option<&Outcome>,
    ) {
        for guard in guards.iter().rev() {
            match guard {
                Guard::Breaker(def) => self.tell_breaker(cx, step, def, outcome, left.since),
                Guard::Bulkhead(def) => self.leave_bulkhead(cx, key, def, left.passed.entered, outcome),
                Guard::Limiter(def) => self.tell_limiter(cx, def, outcome),
            }
        }
    }

    /// A call begins, with its first try.
    #[inline]
    pub(super) fn call_begun(&mut self, now: Instant, guards: &Guards) {
        if let Some((rule, index)) = &guards.budget {
            self.profile_budget(rule, *index).request(now);
        }
    }

    /// A call is over, with all its tries.
    #[inline]
    pub(super) fn call_over(&mut self, guards: &Guards) {
        if let Some((rule, index)) = &guards.budget {
            self.profile_budget(rule, *index).over();
        }
    }

    /// The attempt in the top frame is left for good, with this outcome or none.
    pub(super) fn left(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Option<&Outcome>) {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return };
        let (step, is_for_nobody) = (program.step(attempt.step), attempt.passed.is_for_nobody());
        let left = step.clauses.guards.as_ref().map(|guards| (guards, attempt.leaves()));
        if attempt.flight.is_some() {
            self.land(cx, program, key, None);
        }
        if let Some((guards, left)) = left {
            self.try_over(cx, key, step, (guards, left), outcome);
            if !is_for_nobody {
                self.call_over(guards);
            }
        }
    }

    /// Whether the budget of a library has a retry left; if so, the next try is paid.
    pub(super) fn pay(&mut self, now: Instant, key: Key, guards: &Guards, outcome: &Outcome) -> bool {
        let Some((rule, index)) = &guards.budget else { return true };
        let timed_out = outcome.reason() == Some(Reason::TIMEOUT);
        let paid = self.profile_budget(rule, *index).retry(now, timed_out);
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.passed.paid = paid;
        }
        paid.is_some()
    }

    fn ask_breaker(&mut self, cx: &mut Cx<'_>, step: &Step, def: &BreakerDef) -> Answer {
        let now = cx.now();
        let (breaker, seen) = self.breaker(now, def);
        if breaker.needs_luck() {
            let cause = cx.cause().then(SPREAD);
            breaker.has_luck(draw_probe(cx, cause));
        }
        let (admission, is) = breaker.ask(now);
        if std::mem::replace(seen, is) != is {
            self.tells_news(cx, step, def, is);
        }
        match admission {
            Admission::Go => Answer::Goes,
            Admission::Open => Answer::Refuses(Reason::OPEN),
            Admission::Full => Answer::Refuses(Reason::LIMITED),
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
        let (breaker, seen) = self.breaker(now, def);
        let is = breaker.tell(now, outcome.map_or(Ended::Cancelled, |outcome| def.sees(outcome)), now.since(since));
        if std::mem::replace(seen, is) != is {
            self.tells_news(cx, step, def, is);
        }
    }

    /// Says what a breaker is now: on one of its edges, from which the judge knows the others.
    #[cold]
    #[inline(never)]
    fn tells_news(&self, cx: &mut Cx<'_>, step: &Step, def: &BreakerDef, is: State) {
        if let Some(edge) = step.edge().or_else(|| self.program.guarded_edges(step).first().copied()) {
            cx.note(Note::Edge(edge, EdgeCounted::Breaker(def.index, is)));
        }
    }

    fn ask_bulkhead(&mut self, now: Instant, key: Key, def: &BulkheadDef) -> Answer {
        let Held::Bulkhead(bulkhead, line) = self.bulkhead(def) else { unreachable!("{OWN_PLACE}") };
        match bulkhead.enter(now) {
            Entered::Refused => Answer::Refuses(Reason::LIMITED),
            Entered::Waits(wait) => {
                line.push_back(key);
                Answer::Waits(wait, Then::Fails)
            }
            Entered::Goes => {
                let entered = (now, bulkhead.running());
                if def.rule.finds_itself()
                    && let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt)
                {
                    attempt.passed.entered = Some(entered);
                }
                Answer::Goes
            }
        }
    }

    fn bulkhead(&mut self, def: &BulkheadDef) -> &mut Held {
        self.held(def.index, || Held::Bulkhead(Box::new(Bulkhead::new(def.rule)), VecDeque::new()))
    }

    /// A try gives its place back, unless that comes back with the answer.
    fn leave_bulkhead(
        &mut self,
        cx: &mut Cx<'_>,
        key: Key,
        def: &BulkheadDef,
        entered: Option<(Instant, u32)>,
        outcome: Option<&Outcome>,
    ) {
        if let (None, Some(read_timeout)) = (outcome, def.rule.keeps())
            && self.keeps_place(cx, def.index, read_timeout)
        {
            return;
        }
        if let (Some((since, in_flight)), Some(lost)) = (entered, outcome.and_then(is_lost)) {
            let now = cx.now();
            let sample = Sample { took: now.since(since), in_flight, lost };
            let Held::Bulkhead(bulkhead, _) = self.bulkhead(def) else { unreachable!("{OWN_PLACE}") };
            let luck = if bulkhead.needs_luck() { self.draw_probe_of(cx, key) } else { Duration::ZERO };
            let Held::Bulkhead(bulkhead, _) = self.bulkhead(def) else { unreachable!("{OWN_PLACE}") };
            bulkhead.hear(now, sample, luck);
        }
        self.free_place(cx, def.index);
    }

    /// The luck that a limit has by the try in the top frame.
    #[cold]
    fn draw_probe_of(&mut self, cx: &mut Cx<'_>, key: Key) -> Duration {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Duration::ZERO };
        draw_probe(cx, attempt.cause.then(TRY | u64::from(attempt.number)).then(PROBE))
    }

    /// A place in a bulkhead is given back: whoever waits longest has it, and goes on when this event has been handled.
    fn free_place(&mut self, cx: &mut Cx<'_>, index: u32) {
        let now = cx.now();
        let Some(Some(Held::Bulkhead(bulkhead, _))) = self.held.get_mut(index as usize) else { return };
        match bulkhead.leave(now) {
            Place::IsFree => {}
            Place::IsTaken => self.gives_place(cx, index),
        }
    }

    /// Whoever waits longest has a place that has come back.
    #[inline(never)]
    fn gives_place(&mut self, cx: &mut Cx<'_>, index: u32) {
        let Some(Some(Held::Bulkhead(_, line))) = self.held.get_mut(index as usize) else { return };
        let Some(next) = line.pop_front() else { return };
        let Some(attempt) = self.threads.get_mut(next).and_then(Thread::attempt) else { return };
        let Phase::Queued(queued) = std::mem::replace(&mut attempt.phase, Phase::Admitted) else { return };
        attempt.passed.guards = queued.guard + 1;
        if let Some(alarm) = queued.alarm {
            self.disarm(cx, alarm);
        }
        self.ready.push_back(next);
    }

    /// Keeps a place in a bulkhead whose try is given up while something is out that it has sent and whose callee is not told. False:
    /// nothing is, or the client below has given all of it up by now.
    fn keeps_place(&mut self, cx: &mut Cx<'_>, index: u32, read_timeout: Duration) -> bool {
        let Some(sent) = self.given_up.iter().map(|(_, since)| *since).max() else { return false };
        let alarm = if read_timeout == Duration::FOREVER {
            None
        } else {
            let left = (sent + read_timeout).since(cx.now());
            if left.is_zero() {
                return false;
            }
            Some(self.alarm(cx, left, Alarm::ReadTimeout))
        };
        let out = self.given_up.iter().map(|(pending, _)| *pending).collect();
        self.kept.push(Kept { index, since: cx.now(), out, alarm });
        true
    }

    /// What was given up is answered after all, or never will be: the place that was kept for it comes back.
    pub(super) fn stray_is_over(&mut self, cx: &mut Cx<'_>, pending: Key) {
        self.kept.iter_mut().for_each(|kept| kept.out.retain(|out| *out != pending));
        while let Some(at) = self.kept.iter().position(|kept| kept.out.is_empty()) {
            let kept = self.kept.remove(at);
            kept.alarm.into_iter().for_each(|alarm| self.disarm(cx, alarm));
            self.free_place(cx, kept.index);
        }
    }

    /// The client below has waited long enough for what a place was kept for.
    pub(super) fn client_gives_up(&mut self, cx: &mut Cx<'_>, alarm: Key) {
        if let Some(at) = self.kept.iter().position(|kept| kept.alarm == Some(alarm)) {
            let kept = self.kept.remove(at);
            self.free_place(cx, kept.index);
        }
    }

    fn ask_limiter(&mut self, cx: &mut Cx<'_>, key: Key, def: &LimiterDef) -> Answer {
        let now = cx.now();
        match self.limiter(now, def).ask(now) {
            limiter::Said::Goes => Answer::Goes,
            limiter::Said::GoesAfter(wait) => Answer::Waits(wait, Then::Passes),
            limiter::Said::AsksAfter(wait) => Answer::Waits(wait, Then::Asks),
            limiter::Said::FailsAfter(Duration::ZERO) => Answer::Refuses(Reason::LIMITED),
            limiter::Said::FailsAfter(wait) => Answer::Waits(wait, Then::Fails),
            limiter::Said::FailsByChance(chance) => {
                if self.draw_refusal(cx, key, chance) {
                    Answer::Refuses(Reason::LIMITED)
                } else {
                    Answer::Goes
                }
            }
        }
    }

    /// Whether the try in the top frame is refused by its own client.
    fn draw_refusal(&mut self, cx: &mut Cx<'_>, key: Key, chance: Ratio) -> bool {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return false };
        let cause = attempt.cause.then(TRY | u64::from(attempt.number));
        let before = cx.cause();
        cx.because(cause);
        let is_refused = cx.chance(THROTTLE, chance);
        cx.because(before);
        is_refused
    }

    fn limiter(&mut self, now: Instant, def: &LimiterDef) -> &mut Limiter {
        match self.held(def.index, || Held::Limiter(Limiter::new(def.rule, now))) {
            Held::Limiter(limiter) => limiter,
            _ => unreachable!("{OWN_PLACE}"),
        }
    }

    /// A limiter that finds itself hears of an answer; the others do not.
    #[inline]
    fn tell_limiter(&mut self, cx: &Cx<'_>, def: &LimiterDef, outcome: Option<&Outcome>) {
        if let (limiter::Rule::Adaptive | limiter::Rule::Throttle { .. }, Some(outcome)) = (&def.rule, outcome) {
            self.limiter_hears(cx.now(), def, outcome);
        }
    }

    #[inline(never)]
    fn limiter_hears(&mut self, now: Instant, def: &LimiterDef, outcome: &Outcome) {
        match self.limiter(now, def) {
            Limiter::Adaptive(adaptive) => {
                adaptive.answered(now, matches!(outcome.reason(), Some(Reason::OVERLOADED | Reason::LIMITED)));
            }
            Limiter::Throttle(throttle) if is_accepted(outcome) => throttle.accepted(now),
            _ => {}
        }
    }

    #[inline]
    fn breaker(&mut self, now: Instant, def: &BreakerDef) -> (&mut Breaker, &mut State) {
        let new = || Held::Breaker(Breaker::new(def.rule, now), State::Closed);
        match self.held(def.index, new) {
            Held::Breaker(breaker, seen) => (breaker, seen),
            _ => unreachable!("{OWN_PLACE}"),
        }
    }

    #[inline]
    pub(super) fn profile_budget(&mut self, rule: &budget::Rule, index: u32) -> &mut Budget {
        match self.held(index, || Held::Budget(Budget::new(*rule))) {
            Held::Budget(budget) => budget,
            _ => unreachable!("{OWN_PLACE}"),
        }
    }

    #[inline]
    pub(super) fn held(&mut self, index: u32, new: impl FnOnce() -> Held) -> &mut Held {
        let index = index as usize;
        if !matches!(self.held.get(index), Some(Some(_))) {
            self.begin_to_hold(index, new);
        }
        match &mut self.held[index] {
            Some(held) => held,
            None => unreachable!("it has just been made"),
        }
    }

    /// A policy is asked for the first time.
    #[cold]
    #[inline(never)]
    fn begin_to_hold(&mut self, index: usize, new: impl FnOnce() -> Held) {
        if self.held.len() <= index {
            self.held.resize(index + 1, None);
        }
        self.held[index] = Some(new());
    }
}

/// Whether a limit takes an outcome for a loss; none: it says nothing, as a failure that comes fast does not.
pub(super) fn is_lost(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Ok(_) => Some(false),
        Outcome::Unknown(_) | Outcome::Error(Reason::OVERLOADED | Reason::UNAVAILABLE | Reason::LIMITED) => Some(true),
        Outcome::Error(_) => None,
    }
}

/// Whether somebody has taken a request on, whatever came of it, and said so in time.
fn is_accepted(outcome: &Outcome) -> bool {
    const DENIED: [Reason; 6] =
        [Reason::REFUSED, Reason::OVERLOADED, Reason::UNAVAILABLE, Reason::LIMITED, Reason::OPEN, Reason::EXPIRED];
    match outcome {
        Outcome::Ok(_) => true,
        Outcome::Error(reason) => !DENIED.contains(reason),
        Outcome::Unknown(_) => false,
    }
}

/// Half to all of a second, by which a limit decides when it probes.
pub(super) fn draw_probe(cx: &mut Cx<'_>, cause: Cause) -> Duration {
    const HALF: Duration = Duration::from_millis(500);
    let before = cx.cause();
    cx.because(cause);
    let luck = match Dist::uniform(HALF, Duration::from_secs(1)) {
        Ok(dist) => cx.draw(JITTER, &dist),
        Err(_) => HALF,
    };
    cx.because(before);
    luck
}

impl Guards {
    /// Those inside of the first so many, of the first so many.
    #[inline]
    fn inside(&self, of: u8, passed: u8) -> &[Guard] {
        self.order.get(usize::from(of)..usize::from(passed)).unwrap_or_default()
    }
}

impl BreakerDef {
    /// How an outcome looks to the breaker.
    #[inline]
    fn sees(&self, outcome: &Outcome) -> Ended {
        if let Outcome::Ok(_) = outcome { Ended::Ok } else { self.sees_failure(outcome) }
    }

    #[inline(never)]
    fn sees_failure(&self, outcome: &Outcome) -> Ended {
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
