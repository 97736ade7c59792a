//! What is under way in a service, a workload or a store, for whoever looks inside.

use std::collections::BTreeMap;

use serde_json::{Map, Value as JsonValue};
use sim_core::{Duration, Instant, Operation};

use super::guards::Held;
use super::queue::Queue;
use super::service::{Service, Waiting};
use super::store::{Asked, Store, Txn};
use super::thread::{Alarm, Attempt, Env, Frame, Origin, Phase, Request, Role, Thread};
use crate::inside::{View, json, key_name, plain, put_rest, versioned};
use crate::judge::words;
use crate::message::TxnId;
use crate::policy::limiter::Limiter;
use crate::program::{EndpointRef, MapRef, PaceDef, Program, Role as NodeRole, Verb, WorkloadDef};
use crate::said;
use crate::shelf::Cell;
use crate::slab::Key;
use crate::value::Value;

type Object = Map<String, JsonValue>;

fn put(object: &mut Object, name: &str, value: impl Into<JsonValue>) {
    object.insert(name.to_owned(), value.into());
}

fn put_some(object: &mut Object, name: &str, value: Option<impl Into<JsonValue>>) {
    if let Some(value) = value {
        put(object, name, value);
    }
}

/// An instant, unless it never comes.
fn instant(view: &View<'_>, at: Instant) -> Option<JsonValue> {
    (at != Instant::NEVER).then(|| view.instant(at))
}

/// So many of at most so many; without a limit the field is left out.
fn limited(name: &str, count: usize, limit: Option<u32>) -> JsonValue {
    let mut shown = Object::new();
    put(&mut shown, name, count);
    put_some(&mut shown, "limit", limit);
    shown.into()
}

/// A name, with its number from the second on that has it.
fn numbered(name: String, number: u32) -> String {
    if number == 1 { name } else { format!("{name} #{number}") }
}

/// What kind of policy it is, and what it goes by.
fn policy(view: &View<'_>, held: &Held) -> (&'static str, Object) {
    let mut shown = Object::new();
    // As the clock of its node shows, by which it goes.
    let now = view.sim.clocks(view.node).monotonic(view.sim.now());
    let kind = match held {
        Held::Breaker(breaker, seen) => {
            let sight = breaker.sight();
            put(&mut shown, "is", seen.name());
            put(&mut shown, "calls", sight.calls);
            put(&mut shown, "failed", sight.failed);
            put_some(&mut shown, "until", sight.until.and_then(|at| instant(view, at)));
            "breaker"
        }
        Held::Bulkhead(bulkhead, line) => {
            put(&mut shown, "taken", bulkhead.running());
            put_some(&mut shown, "waiting", (!line.is_empty()).then_some(line.len()));
            put(&mut shown, "most", bulkhead.most());
            "bulkhead"
        }
        Held::Limiter(limiter) => {
            if let Limiter::Adaptive(adaptive) = limiter {
                put_some(&mut shown, "rate", adaptive.rate());
            }
            if let Limiter::Throttle(throttle) = limiter {
                let counted = throttle.counted(now);
                put(&mut shown, "requests", counted.requests);
                put(&mut shown, "accepts", counted.accepts);
                put(&mut shown, "refuses", counted.chance.as_f64());
            }
            if let Some(sight) = limiter.sight(now) {
                put(&mut shown, "tokens", sight.left);
                put(&mut shown, "most", sight.most);
                put_some(&mut shown, "more_at", sight.more.and_then(|at| instant(view, at)));
            }
            "limiter"
        }
        Held::Latencies(seen) => {
            let delay = seen.delay_seen(now);
            put(&mut shown, "delay", if delay == Duration::FOREVER { "none".to_owned() } else { delay.to_string() });
            put(&mut shown, "latencies", seen.count(now));
            "hedge"
        }
        Held::Flights(flights) => {
            put(&mut shown, "flights", flights.len());
            put_some(&mut shown, "waiting", Some(flights.waiting()).filter(|waiting| *waiting > 0));
            "coalesce"
        }
        Held::Budget(budget) => {
            put(&mut shown, "tokens", budget.tokens() as f64 / 1000.0);
            let (calls, retries) = budget.under_way();
            put(&mut shown, "calls", calls);
            put_some(&mut shown, "retries", Some(retries).filter(|retries| *retries > 0));
            "budget"
        }
    };
    (kind, shown)
}

/// What something waits for, since when, and until when at most.
struct Wait {
    what: String,
    since: Option<Instant>,
    until: Option<Instant>,
}

impl Wait {
    fn new(what: impl Into<String>, until: Option<Instant>) -> Wait {
        Wait { what: what.into(), since: None, until }
    }

    fn put(self, view: &View<'_>, shown: &mut Object) {
        put(shown, "waits_for", self.what);
        put_some(shown, "waits_since", self.since.map(|at| view.instant(at)));
        put_some(shown, "waits_until", self.until.map(|at| view.instant(at)));
    }
}

/// Where everything stands that a request consists of.
struct Index {
    /// The threads of each request.
    threads: BTreeMap<Key, Vec<Key>>,
    /// The place in line of whoever waits for a worker, from 1.
    line: BTreeMap<Waiting, usize>,
}

impl Service {
    /// What it has under way.
    pub(crate) fn inside(&self, view: &View<'_>) -> Object {
        let mut shown = Object::new();
        match &view.program.node(self.me).role {
            NodeRole::Service(def) => {
                put(&mut shown, "workers", limited("busy", self.busy as usize, def.workers));
                put(&mut shown, "queue", limited("waiting", self.line.len(), def.queue));
            }
            NodeRole::Workload(def) => self.put_generator(view, def, &mut shown),
            NodeRole::Store(_) | NodeRole::Queue(_) => {}
        }
        put(&mut shown, "open", self.requests.iter().count());
        self.put_clocks(view, &mut shown);
        if !self.commitments.is_empty() {
            let agrees = self.commitments.iter();
            let shown_as = agrees.map(|(id, it)| (said::transaction(view.program, *id), JsonValue::from(it.word())));
            let agrees = view.clipped(Vec::new(), shown_as, self.commitments.len());
            put(&mut shown, "agreeing", agrees);
        }
        self.put_policies(view, &mut shown);
        self.put_probes(&mut shown);
        self.put_outliers(view, &mut shown);
        put(&mut shown, "requests", self.requests_inside(view));
        if !self.memory.is_empty() {
            let maps: Vec<_> = self.memory.iter().map(|(map, cells)| (MapRef(*map), cells)).collect();
            put(&mut shown, "memory_sizes", view.sizes(&maps));
            put(&mut shown, "memory", view.maps(&maps, plain));
        }
        shown
    }

    fn put_generator(&self, view: &View<'_>, def: &WorkloadDef, shown: &mut Object) {
        let Some(generator) = &self.generator else { return };
        put(shown, "begun", generator.begun);
        let due = |wanted: &dyn Fn(&Alarm) -> Option<u32>| {
            let alarms = self.alarms.entries().filter_map(|(key, alarm)| Some((wanted(alarm)?, view.due(key)?)));
            alarms.collect::<BTreeMap<u32, Instant>>()
        };
        match &def.pace {
            PaceDef::Open { .. } => {
                let next = due(&|alarm| matches!(alarm, Alarm::Arrival).then_some(0));
                put_some(shown, "next", next.get(&0).map(|at| view.instant(*at)));
            }
            PaceDef::Closed { users, .. } => {
                let thinking = due(&|alarm| if let Alarm::Thought { user } = alarm { Some(user + 1) } else { None });
                put(shown, "users", *users);
                put(shown, "thinking", thinking.len());
                let until = thinking.iter().map(|(user, at)| (user.to_string(), view.instant(*at)));
                put(shown, "think_until", view.clipped(Vec::new(), until, thinking.len()));
            }
        }
    }

    fn put_probes(&self, shown: &mut Object) {
        if self.probes.is_empty() {
            return;
        }
        let probes = self.probes.iter().map(|probe| {
            let (name, sent, failures) = probe.seen();
            let mut shown = Object::new();
            put(&mut shown, "sent", sent);
            put(&mut shown, "failures", failures);
            (name.to_owned(), JsonValue::from(shown))
        });
        put(shown, "probes", probes.collect::<Object>());
    }

    fn put_outliers(&self, view: &View<'_>, shown: &mut Object) {
        let mut out = Object::new();
        for callee in &self.callees {
            let replicas = &view.program.node(callee.node).replicas;
            for (place, since) in callee.outlier.iter().flat_map(crate::policy::outlier::Outlier::out) {
                let name = replicas.get(place).map(|node| view.program.replica_name(*node)).unwrap_or_default();
                put(&mut out, &name, view.instant(since));
            }
        }
        if self.callees.iter().any(|callee| callee.outlier.is_some()) {
            put(shown, "taken_out_since", out);
        }
    }

    fn put_clocks(&self, view: &View<'_>, shown: &mut Object) {
        if self.clocks.is_empty() || self.number != 1 {
            return;
        }
        let next = |of: EndpointRef| {
            let is_its = |alarm: &Alarm| matches!(alarm, Alarm::Clock { endpoint } if *endpoint == of);
            let (key, _) = self.alarms.entries().find(|(_, alarm)| is_its(alarm))?;
            view.due(key)
        };
        let clocks = self.clocks.iter().map(|clock| {
            let mut shown = Object::new();
            put(&mut shown, "begun", clock.due);
            put(&mut shown, "runs", clock.runs);
            put_some(&mut shown, "next", next(clock.endpoint).map(|at| view.instant(at)));
            (view.program.endpoint(clock.endpoint).name.clone(), JsonValue::Object(shown))
        });
        put(shown, "by_the_clock", JsonValue::Object(clocks.collect()));
    }

    /// Breakers, bulkheads and budgets of libraries, by whom they are for.
    fn put_policies(&self, view: &View<'_>, shown: &mut Object) {
        if self.held.is_empty() {
            return;
        }
        let mut all = Object::new();
        for ((index, held), whose) in (0..).zip(&self.held).zip(&view.program.node(self.me).policies) {
            let Some(held) = held else { continue };
            let (kind, mut what) = policy(view, held);
            self.put_for_nobody(view, index, held, &mut what);
            let name = format!("{kind} {whose}");
            let number = (1..).find(|number| !all.contains_key(&numbered(name.clone(), *number))).unwrap_or(1);
            all.insert(numbered(name, number), what.into());
        }
        put(shown, "policies", JsonValue::Object(all));
    }

    /// What a policy holds for tries that nobody waits for any more; and of one that follows the latencies of hedges, who is out.
    fn put_for_nobody(&self, view: &View<'_>, index: u32, held: &Held, shown: &mut Object) {
        if let Held::Bulkhead(_, line) = held {
            let kept = self.kept.iter().filter(|kept| kept.index == index);
            put_some(shown, "given_up", Some(kept.clone().count()).filter(|count| *count > 0));
            put_some(shown, "given_up_since", kept.clone().map(|kept| kept.since).min().map(|at| view.instant(at)));
            // Without a timeout of the client below it is for ever, should the answer be lost.
            let back = kept.clone().filter_map(|kept| view.due(kept.alarm?)).min();
            put_some(shown, "back_at", back.map(|at| view.instant(at)));
            let is_for_nobody = |key: &&Key| {
                let frame = self.threads.get(**key).and_then(|thread| thread.frames.last());
                frame.and_then(attempt_in).is_some_and(|attempt| attempt.passed.is_for_nobody())
            };
            let tasks = line.iter().filter(is_for_nobody).count();
            put_some(shown, "waiting_for_nobody", Some(tasks).filter(|tasks| *tasks > 0));
        }
        if let Held::Latencies(_) = held {
            let attempts = self.threads.iter().flat_map(|thread| &thread.frames).filter_map(attempt_in);
            let hedged = attempts.filter_map(|attempt| match &attempt.phase {
                Phase::Hedging(hedging) => {
                    let follows = view.program.step(attempt.step).clauses.hedge.as_ref()?.follows;
                    follows.filter(|(_, _, its)| *its == index).map(|_| hedging.legs.len())
                }
                _ => None,
            });
            let out: Vec<usize> = hedged.collect();
            put(shown, "calls", out.len());
            put(shown, "out", out.iter().sum::<usize>());
        }
    }

    fn index(&self) -> Index {
        let mut threads = BTreeMap::<Key, Vec<Key>>::new();
        for (key, thread) in self.threads.entries() {
            threads.entry(thread.request).or_default().push(key);
        }
        let line = self.line.iter().enumerate().map(|(at, waiting)| (*waiting, at + 1));
        Index { threads, line: line.collect() }
    }

    /// Open requests in the order in which they came.
    fn requests_inside(&self, view: &View<'_>) -> JsonValue {
        let index = self.index();
        let mut open: Vec<(Key, &Request)> = self.requests.entries().collect();
        open.sort_by_key(|(key, request)| (request.since, *key));
        let mut numbers = BTreeMap::<(Operation, Option<EndpointRef>), u32>::new();
        let named: Vec<(Key, &Request, u32)> = open
            .into_iter()
            .map(|(key, request)| {
                let of = request.cause.operation;
                let number = numbers.entry((of, of.parts().is_none().then_some(request.endpoint))).or_default();
                *number += 1;
                (key, request, *number)
            })
            .collect();
        let show = |(key, request, number): &(Key, &Request, u32)| {
            let endpoint = || format!("{} by the clock", view.program.endpoint(request.endpoint).name);
            let name = numbered(view.operation_name(request.cause.operation, endpoint), *number);
            (name, JsonValue::Object(self.request_inside(view, &index, *key, request)))
        };
        let (first, others): (Vec<_>, Vec<_>) =
            named.iter().partition(|(_, request, _)| view.is_for(request.cause.operation));
        view.clipped(first.into_iter().map(show).collect(), others.into_iter().map(show), named.len())
    }

    fn request_inside(&self, view: &View<'_>, index: &Index, key: Key, request: &Request) -> Object {
        let mut shown = Object::new();
        if request.operation.is_none() {
            put(&mut shown, "endpoint", view.program.endpoint(request.endpoint).name.as_str());
        }
        put_some(&mut shown, "from", request.from.map(|(node, _)| view.program.replica_name(node)));
        if let Some(delivery) = &request.delivery {
            put_some(&mut shown, "message", delivery.message());
            put_some(
                &mut shown,
                "try",
                (delivery.number > 1 && delivery.number != super::consumer::BY_ORDER).then_some(delivery.number),
            );
        }
        put_some(&mut shown, "user", request.operation.and_then(|(_, user)| user).map(|user| user + 1));
        put(&mut shown, "since", view.instant(request.since));
        put_some(&mut shown, "caller_waits_until", instant(view, request.expires));
        put_some(&mut shown, "deadline", instant(view, request.deadline));
        put_some(&mut shown, "caller_has_gone", request.cancelled.then_some(true));
        put_some(&mut shown, "over", request.done.then_some(true));
        if let Some(place) = index.line.get(&Waiting::Request(key)) {
            put(&mut shown, "waits_for", "a worker");
            put(&mut shown, "place_in_line", *place);
        }
        let threads = index.threads.get(&key).map(Vec::as_slice).unwrap_or_default();
        let threads = threads.iter().filter_map(|key| Some((*key, self.threads.get(*key)?)));
        let (main, beside): (Vec<_>, Vec<_>) = threads.partition(|(_, thread)| thread.origin == Origin::Main);
        for (key, thread) in main {
            self.put_thread(view, index, key, thread, &mut shown);
        }
        put_values(view.program, &request.env, &mut shown);
        if !beside.is_empty() {
            let beside = beside.into_iter().map(|(key, thread)| self.beside(view, index, key, thread));
            put(&mut shown, "beside", beside.collect::<Vec<_>>());
        }
        shown
    }

    /// What a request does beside its own steps: a branch, an item, something in the background.
    fn beside(&self, view: &View<'_>, index: &Index, key: Key, thread: &Thread) -> JsonValue {
        let mut shown = Object::new();
        put_some(&mut shown, "background", (thread.origin == Origin::Background).then_some(true));
        self.put_thread(view, index, key, thread, &mut shown);
        if let Some(env) = &thread.env {
            put_values(view.program, env, &mut shown);
        }
        shown.into()
    }

    fn put_thread(&self, view: &View<'_>, index: &Index, key: Key, thread: &Thread, shown: &mut Object) {
        let in_line = index.line.get(&Waiting::Work(key));
        // Whoever waits in line for its work has not taken the step yet.
        put_some(shown, "at", thread.frames.last().and_then(|frame| step_at(view.program, frame, in_line.is_some())));
        put_some(shown, "try", self.try_of(view.program, thread));
        if let Some(place) = in_line {
            put(shown, "waits_for", "a worker");
            put(shown, "place_in_line", *place);
        } else if let Some(wait) = self.wait_of(view, thread) {
            wait.put(view, shown);
        }
        self.put_transaction(view, thread, shown);
        self.put_hedge(view, thread, shown);
        let saga = thread.frames.iter().rev().filter_map(attempt_in).find_map(|attempt| match &attempt.phase {
            Phase::Saga(saga) => Some(saga.word().to_lowercase()),
            _ => None,
        });
        put_some(shown, "saga", saga);
    }

    /// The number of the try, where something around is tried again.
    fn try_of(&self, program: &Program, thread: &Thread) -> Option<u32> {
        let attempts = thread.frames.iter().rev().filter_map(attempt_in);
        let mut tried = attempts.filter(|attempt| program.step(attempt.step).clauses.retry.is_some());
        tried.next().map(|attempt| attempt.number)
    }

    fn wait_of(&self, view: &View<'_>, thread: &Thread) -> Option<Wait> {
        let frame = thread.frames.last()?;
        if let Some(alarm) = thread.sleeping {
            let step = view.program.block(frame.block).get((frame.next as usize).wrapping_sub(1))?;
            let works = matches!(view.program.step(*step).verb, Verb::Work(_));
            return Some(Wait::new(if works { "its work" } else { "the end of its wait" }, view.due(alarm)));
        }
        match &frame.role {
            Role::Plain | Role::Each { .. } => None,
            Role::Fan(fan) => Some(Wait::new(words::counted(fan.running.len() as u64, "item"), None)),
            Role::Attempt(attempt) => self.wait_in(view, attempt),
        }
    }

    fn wait_in(&self, view: &View<'_>, attempt: &Attempt) -> Option<Wait> {
        let until = attempt.timer.and_then(|alarm| view.due(alarm));
        let answer = |pending: &Key| {
            let pending = self.pending.get(*pending)?;
            let kind = &view.program.kinds[usize::from(pending.kind.0)];
            let what = format!("{}: {kind}", view.program.replica_name(pending.to));
            Some(Wait { since: Some(attempt.since), ..Wait::new(what, until) })
        };
        match &attempt.phase {
            Phase::Idle | Phase::Body | Phase::Transaction(_) | Phase::Once(_) | Phase::Landed(_) => None,
            Phase::Admitted => None,
            Phase::Queued(queued) => {
                let ends = queued.alarm.and_then(|alarm| view.due(alarm)).or(until);
                Some(Wait { since: Some(attempt.since), ..Wait::new("its turn", ends) })
            }
            Phase::Following => Some(Wait::new("the answer to another's request", until)),
            Phase::Hedging(hedging) => {
                let several = words::counted(hedging.legs.len() as u64, "request");
                let first = hedging.legs.iter().next().and_then(|leg| answer(&leg.pending));
                let what = first.map_or_else(|| several.clone(), |first| format!("{several}, {}", first.what));
                Some(Wait { since: Some(attempt.since), ..Wait::new(what, until) })
            }
            Phase::Racing(race) => {
                let several = words::counted(race.out.len() as u64, "try");
                let first = race.out.first().and_then(|runner| answer(&runner.pending));
                let what = first.map_or_else(|| several.clone(), |first| format!("{several}, {}", first.what));
                Some(Wait { since: Some(attempt.since), ..Wait::new(what, until) })
            }
            Phase::Calling(pending)
            | Phase::Committing(pending, ..)
            | Phase::OnceBegin(pending)
            | Phase::OnceEnd(pending, _) => answer(pending),
            Phase::Holding(alarm, key) => {
                Some(Wait::new(format!("whoever runs it for {} now", said::value(key)), view.due(*alarm)))
            }
            Phase::Watching(_) => Some(Wait::new("its condition", until)),
            Phase::Agreeing(_) => Some(Wait::new("what its stores agree on", until)),
            Phase::Saga(saga) if saga.noting.is_some() => Some(Wait::new("its log", until)),
            Phase::Saga(saga) => saga.waits.map(|alarm| Wait::new("its next try", view.due(alarm))),
            Phase::Backoff(alarm) => Some(Wait::new("its next try", view.due(*alarm))),
            Phase::Parallel(branches) => {
                Some(Wait::new(words::counted(branches.running.len() as u64, "branch"), until))
            }
        }
    }

    /// The requests of a hedged try: how many were sent, how many are out, after which delay the next goes, and when.
    fn put_hedge(&self, view: &View<'_>, thread: &Thread, shown: &mut Object) {
        let Some(attempt) = thread.frames.last().and_then(attempt_in) else { return };
        let (sent, out, next) = match &attempt.phase {
            Phase::Hedging(hedging) => {
                let (sent, next) = hedging.seen();
                (sent, hedging.legs.len(), next)
            }
            Phase::Racing(race) => (attempt.number, race.out.len(), race.next()),
            _ => return,
        };
        let mut hedge = Object::new();
        put(&mut hedge, "sent", sent);
        put(&mut hedge, "out", out);
        put_some(&mut hedge, "next", next.map(|at| view.instant(at)));
        put(shown, "hedge", hedge);
    }

    /// The innermost transaction and the facts that happen with its commit.
    fn put_transaction(&self, view: &View<'_>, thread: &Thread, shown: &mut Object) {
        let open = thread.frames.iter().rev().filter_map(attempt_in).find_map(|attempt| match &attempt.phase {
            Phase::Transaction(txn) => Some((txn.id, txn.facts.as_slice())),
            Phase::Committing(_, id, _) | Phase::Agreeing(id) => Some((*id, [].as_slice())),
            _ => None,
        });
        let Some((id, facts)) = open else { return };
        put(shown, "transaction", said::transaction(view.program, id));
        if !facts.is_empty() {
            let facts: Vec<String> = facts.iter().map(|change| said::fact(view.program, change)).collect();
            put(shown, "at_commit", facts);
        }
    }
}

fn attempt_in(frame: &Frame) -> Option<&Attempt> {
    match &frame.role {
        Role::Attempt(attempt) => Some(attempt),
        Role::Plain | Role::Each { .. } | Role::Fan(_) => None,
    }
}

/// The step that a frame is at: its `id`, else where it stands in the file.
fn step_at(program: &Program, frame: &Frame, comes_to_it: bool) -> Option<String> {
    let taken = (frame.next as usize).wrapping_sub(usize::from(!comes_to_it));
    let inner = || program.block(frame.block).get(taken).copied();
    let step = match &frame.role {
        Role::Attempt(attempt) => match attempt.phase {
            Phase::Body | Phase::Transaction(_) | Phase::Once(_) | Phase::Saga(_) => inner().unwrap_or(attempt.step),
            _ => attempt.step,
        },
        Role::Plain | Role::Each { .. } | Role::Fan(_) => inner()?,
    };
    let step = program.step(step);
    Some(step.id.clone().unwrap_or_else(|| step.path.clone()))
}

/// The values known by a dollar sign; those that are null are left out.
fn put_values(program: &Program, env: &Env, shown: &mut Object) {
    let values = program.slots.iter().zip(env.values.iter()).filter(|(_, value)| !value.is_null());
    let mut knows: Object = values.map(|(slot, value)| (format!("${}", slot.name), json(value))).collect();
    if !env.reason.is_null() {
        put(&mut knows, "$reason", json(&env.reason));
    }
    if !knows.is_empty() {
        put(shown, "knows", knows);
    }
}

/// Entries about cells, by map and key.
fn by_map<'k>(
    view: &View<'_>,
    entries: impl Iterator<Item = ((MapRef, &'k Value), JsonValue)>,
    total: usize,
) -> JsonValue {
    let mut maps = BTreeMap::<MapRef, Object>::new();
    for ((map, key), shown) in entries.take(view.most) {
        maps.entry(map).or_default().insert(key_name(key), shown);
    }
    let named = maps.into_iter().map(|(map, entries)| (view.program.map(map).name.clone(), entries.into()));
    let mut shown: Object = named.collect();
    put_rest(&mut shown, total.saturating_sub(view.most));
    shown.into()
}

impl Queue {
    /// Who takes how much, as far as it knows.
    pub(crate) fn inside(&self, view: &View<'_>) -> Object {
        let consumers = self.sessions.iter().map(|((node, endpoint), session)| {
            let mut shown = Object::new();
            match session.room() {
                Some(room) => put(&mut shown, "takes", room),
                None => put(&mut shown, "takes", "any number"),
            }
            put(&mut shown, "has", session.open);
            let name = format!("{}.{}", view.program.replica_name(*node), view.program.endpoint(*endpoint).name);
            (name, JsonValue::Object(shown))
        });
        let mut shown = Object::new();
        put(&mut shown, "consumers", JsonValue::Object(consumers.collect()));
        shown
    }
}

impl Store {
    /// What it has under way.
    pub(crate) fn inside(&self, view: &View<'_>) -> Object {
        let mut shown = Object::new();
        let limit = view.program.store(self.me).and_then(|def| def.workers);
        put(&mut shown, "workers", limited("busy", self.busy as usize, limit));
        put(&mut shown, "queue", limited("waiting", self.line.len(), None));
        put(&mut shown, "open", self.operations.iter().count());
        put(&mut shown, "transactions", self.transactions_inside(view));
        put(&mut shown, "locks", self.locks_inside(view));
        put(&mut shown, "operations", self.operations_inside(view));
        shown
    }

    fn transactions_inside(&self, view: &View<'_>) -> JsonValue {
        let all = self.txns.iter().map(|(id, txn)| {
            (said::transaction(view.program, *id), JsonValue::Object(self.transaction_inside(view, *id, txn)))
        });
        view.clipped(Vec::new(), all, self.txns.len())
    }

    fn transaction_inside(&self, view: &View<'_>, id: TxnId, txn: &Txn) -> Object {
        let mut shown = Object::new();
        put_some(&mut shown, "commits", txn.commits.then_some(true));
        put_some(&mut shown, "promised", txn.prepared.is_some().then_some(true));
        put(&mut shown, "waiting", txn.waiting.len());
        let sets = txn.writes.iter().map(|((map, key), write)| ((*map, key), json(&write.value)));
        put(&mut shown, "sets", by_map(view, sets, txn.writes.len()));
        if let Some(moment) = txn.snapshot {
            let old = || self.past.changed().filter_map(|place| Some((place, self.past.at(place, moment)?)));
            let sees = |cell: &Option<Cell>| cell.as_ref().map_or(JsonValue::Null, versioned);
            let rows = old().map(|((map, key), cell)| ((*map, key), sees(cell)));
            put(&mut shown, "sees", by_map(view, rows, old().count()));
        }
        let is_idle = txn.prepared.is_none() && self.operations.iter().all(|asked| asked.operation.of() != Some(id));
        put_some(&mut shown, "idle_since", txn.idle.filter(|_| is_idle).map(|idle| view.instant(idle.since)));
        shown
    }

    fn locks_inside(&self, view: &View<'_>) -> JsonValue {
        let locks = self.locks.iter().map(|((map, key), lock)| {
            let mut shown = Object::new();
            put(&mut shown, "held_by", said::transaction(view.program, lock.holder));
            put(&mut shown, "waiting", lock.waiters().len());
            ((*map, key), JsonValue::Object(shown))
        });
        by_map(view, locks, self.locks.len())
    }

    fn operations_inside(&self, view: &View<'_>) -> JsonValue {
        let line: BTreeMap<Key, usize> = self.line.iter().enumerate().map(|(at, key)| (*key, at + 1)).collect();
        let mut numbers = BTreeMap::<Operation, u32>::new();
        let open: Vec<(Key, &Asked, u32)> = self
            .operations
            .entries()
            .map(|(key, asked)| {
                let number = numbers.entry(asked.cause.operation).or_default();
                *number += 1;
                (key, asked, *number)
            })
            .collect();
        let show = |(key, asked, number): &(Key, &Asked, u32)| {
            let nobody = || format!("{} by the clock", view.program.replica_name(asked.from));
            let name = numbered(view.operation_name(asked.cause.operation, nobody), *number);
            (name, JsonValue::Object(self.operation_inside(view, *key, asked, line.get(key).copied())))
        };
        let (first, others): (Vec<_>, Vec<_>) =
            open.iter().partition(|(_, asked, _)| view.is_for(asked.cause.operation));
        view.clipped(first.into_iter().map(show).collect(), others.into_iter().map(show), open.len())
    }

    fn operation_inside(&self, view: &View<'_>, key: Key, asked: &Asked, in_line: Option<usize>) -> Object {
        let mut shown = Object::new();
        put(&mut shown, "asks", said::asked(view.program, &asked.operation));
        put(&mut shown, "from", view.program.replica_name(asked.from));
        let until = asked.alarm.and_then(|alarm| view.due(alarm));
        let wait = match &asked.waits_for {
            _ if in_line.is_some() => Wait::new("a worker", None),
            _ if asked.works => Wait::new("its work", until),
            Some((map, at)) => Wait::new(format!("the lock of {}", said::cell(view.program, *map, at)), None),
            None if self.watching.contains(&key) => Wait::new("its condition", None),
            None => Wait::new("whoever runs it now", until),
        };
        wait.put(view, &mut shown);
        put_some(&mut shown, "place_in_line", in_line);
        shown
    }
}
