//! A service or a workload: takes requests, gives them workers, and answers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;
use sim_core::{
    Actor, Cause, Context, Dist, Duration, Event, Files, Instant, Kind, NodeId, Purpose, Timer, Unanswered,
};

use super::balance::{Callee, callees};
use super::commitment::Commitment;
use super::consumer::{Consumer, consumers};
use super::gate::gate;
use super::guards::{Held, Kept};
use super::log::Log;
use super::probe::{Probe, probes};
use super::thread::{Alarm, Around, Env, Origin, Pending, Request, Thread};
use super::workload::Generator;
use crate::message::{Aside, Asking, Carried, Counted, Extra, Msg, Note, Outcome, Sort, Tone, TxnId};
use crate::policy::bulkhead::Bulkhead;
use crate::policy::codel::Codel;
use crate::policy::retry::Pushback;
use crate::program::{Balance, Drops, EndpointRef, NodeRef, Order, Program, Reason, Role, ServiceDef};
use crate::shelf::{Cells, as_pairs};
use crate::slab::{Key, Slab};
use crate::value::Value;

pub(super) const WORK: Purpose = Purpose::new("work");
pub(super) const WAIT: Purpose = Purpose::new("wait");
pub(super) const CHANCE: Purpose = Purpose::new("chance");
pub(super) const JITTER: Purpose = Purpose::new("jitter");
const REFUSAL: Purpose = Purpose::new("refusal");
pub(super) const PICK: Purpose = Purpose::new("pick");
pub(super) const THROTTLE: Purpose = Purpose::new("throttle");
pub(super) const NUMBER: Purpose = Purpose::new("number");

/// The context of the scenario's nodes.
pub(super) type Cx<'a> = Context<'a, Msg>;

/// The kinds of what is asked of stores, looked up once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds {
    pub(super) read: Kind,
    pub(super) set: Kind,
    pub(super) delete: Kind,
    pub(super) commit: Kind,
    pub(super) rollback: Kind,
    pub(super) prepare: Kind,
    pub(super) precommit: Kind,
    pub(super) decide: Kind,
    pub(super) inquire: Kind,
    pub(super) recover: Kind,
    pub(super) forget: Kind,
    pub(super) publish: Kind,
    pub(super) deliver: Kind,
    pub(super) ack: Kind,
}

impl Kinds {
    pub(super) fn of(program: &Program) -> Self {
        let kind = |word| program.kind(word);
        let (read, set, delete) = (kind("read"), kind("set"), kind("delete"));
        let (prepare, precommit, decide) = (kind("prepare"), kind("precommit"), kind("decide"));
        let (inquire, recover, forget) = (kind("inquire"), kind("recover"), kind("forget"));
        let (publish, deliver, ack) = (kind("publish"), kind("deliver"), kind("ack"));
        let (commit, rollback) = (kind("commit"), kind("rollback"));
        Kinds {
            read,
            set,
            delete,
            commit,
            rollback,
            prepare,
            precommit,
            decide,
            inquire,
            recover,
            forget,
            publish,
            deliver,
            ack,
        }
    }
}

/// One replica of a service, or a workload.
#[derive(Clone, Serialize)]
pub struct Service {
    #[serde(skip)]
    pub(super) program: Arc<Program>,
    #[serde(skip)]
    pub(super) kinds: Kinds,
    pub(super) me: NodeRef,
    /// Which replica, from 1.
    pub(super) number: u32,
    pub(super) requests: Slab<Request>,
    pub(super) threads: Slab<Thread>,
    pub(super) alarms: Slab<Alarm>,
    pub(super) pending: Slab<Pending>,
    /// Workers that are taken.
    pub(super) busy: u32,
    pub(super) line: VecDeque<Waiting>,
    /// Those who are turned away once a worker has the time for it, and why.
    #[serde(skip_serializing_if = "VecDeque::is_empty")]
    pub(super) refused: VecDeque<(Key, Turned)>,
    /// How many requests it has at once, where a limit says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gate: Option<Box<Bulkhead>>,
    /// How the line fared, where that decides who is next or dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    congestion: Option<Congestion>,
    /// Maps that a crash takes, by place in the program's list.
    pub(super) memory: Vec<(u16, Cells)>,
    /// For each node called: whose turn it is.
    pub(super) turns: Vec<u32>,
    /// What else it remembers of those it calls.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) callees: Vec<Callee>,
    /// Requests that it has accepted and will never answer.
    #[serde(skip_serializing_if = "is_none")]
    pub(super) hung: u32,
    /// For each retry budget: what it holds, in parts per 10¹² of a retry.
    pub(super) budgets: Vec<Option<u64>>,
    /// Breakers, bulkheads and budgets of libraries, by their place in the program's list for this node.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) held: Vec<Option<Held>>,
    /// Whether a bulkhead has ever had anything done here for nobody; until then nobody asks.
    #[serde(skip)]
    pub(super) does_for_nobody: bool,
    /// For each kernel node as far as this one has asked: requests of this one that are open there.
    pub(super) open: Vec<u32>,
    /// Threads that go on when this event has been handled; empty between events.
    #[serde(skip)]
    pub(super) ready: VecDeque<Key>,
    /// Places in bulkheads that tries have which were given up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) kept: Vec<Kept>,
    /// What was sent and is given up in the event at hand by what is being unwound, and when it was sent.
    #[serde(skip)]
    pub(super) given_up: Vec<(Key, Instant)>,
    pub(super) txns: u32,
    /// Transactions whose stores this replica has agree.
    #[serde(serialize_with = "as_pairs", skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) commitments: BTreeMap<TxnId, Box<Commitment>>,
    /// Where it notes them on a disk, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) own_log: Option<Box<Log>>,
    pub(super) clocks: Vec<Clock>,
    /// Its endpoints that consume queues.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) consumers: Vec<Consumer>,
    /// The message whose end frees a worker in the event at hand, by its lineage.
    #[serde(skip)]
    pub(super) freed_by: Option<u64>,
    pub(super) generator: Option<Generator>,
    /// Liveness, then readiness, as far as the file asks for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) probes: Vec<Probe>,
    /// What `$version` is, once a deploy has said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Value>,
    #[serde(skip_serializing_if = "Leaving::is_not")]
    leaving: Leaving,
    /// Whether the process is there and cannot do anything yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    boots: bool,
    /// Whether the clocks of this system may differ. Then what is left of a deadline travels, and how long that takes is not known;
    /// on clocks that all show true time the deadline itself does.
    #[serde(skip)]
    clocks_differ: bool,
}

pub(super) fn is_none(count: &u32) -> bool {
    *count == 0
}

/// How far a replica is that was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Leaving {
    Not,
    /// It goes on as before, for callers to learn of it.
    Soon,
    /// It finishes what it has, and takes nothing new.
    Drains,
}

impl Leaving {
    fn is_not(&self) -> bool {
        *self == Leaving::Not
    }
}

/// An endpoint that runs by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Clock {
    pub(super) endpoint: EndpointRef,
    /// How often it has been due: the number of a run, whether or not the one before was over in time.
    pub(super) due: u64,
    pub(super) runs: bool,
}

/// Who waits for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Waiting {
    /// A request, for its first step.
    Request(Key),
    /// A thread of an `async` service, for its work.
    Work(Key),
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Turned {
    /// There was no place for it.
    Overloaded,
    /// Its turn came too late.
    Dropped,
}

impl Turned {
    const fn counted(self) -> Counted {
        match self {
            Turned::Overloaded => Counted::Overloaded,
            Turned::Dropped => Counted::Dropped,
        }
    }
}

/// What a line remembers.
#[derive(Clone, Debug, Serialize)]
struct Congestion {
    /// When nobody stood in it for the last time.
    free: Instant,
    codel: Option<Codel>,
}

/// How long there must have been a line before `adaptive-lifo` turns it around.
const TURNED: Duration = Duration::from_millis(100);
/// For so many nodes the requests that are open at each have room from the start; for later ones when they are asked. Not for all:
/// of ten thousand replicas each would count ten thousand.
const COUNTED_AT_FIRST: usize = 64;

/// Sets a timer for something, among these of a node.
pub(super) fn set_alarm(alarms: &mut Slab<Alarm>, cx: &mut Cx<'_>, after: Duration, what: Alarm) -> Key {
    let key = alarms.insert(what);
    cx.set(Timer(key.place), after);
    key
}

/// Stops one of these timers and frees its place.
pub(super) fn disarm(alarms: &mut Slab<Alarm>, cx: &mut Cx<'_>, key: Key) {
    if alarms.remove(key).is_some() {
        cx.cancel(Timer(key.place));
    }
}

impl Congestion {
    /// None where nothing is decided by it.
    fn of(def: &ServiceDef) -> Option<Self> {
        let codel = match def.drops {
            Drops::Codel { target, interval } => Some(Codel::new(target, interval)),
            Drops::Nobody | Drops::Expired => None,
        };
        (codel.is_some() || def.order == Order::AdaptiveLifo).then_some(Congestion { free: Instant::ZERO, codel })
    }
}

impl Service {
    /// A replica before its first start.
    pub(super) fn new(program: Arc<Program>, me: NodeRef, number: u32) -> Self {
        let memory = program.node(me).maps.iter().filter(|map| program.map(**map).memory);
        let memory = memory.map(|map| (map.0, Cells::new(&program.map(*map).initial))).collect();
        let generator = match &program.node(me).role {
            Role::Workload(workload) => Some(Generator::new(workload)),
            Role::Service(_) | Role::Store(_) | Role::Queue(_) => None,
        };
        let congestion = program.service(me).and_then(Congestion::of);
        let probes = program.service(me).map(probes).unwrap_or_default();
        let gate = program.service(me).and_then(gate);
        let log = program.service(me).and_then(|def| def.log.as_ref()).map(Log::of);
        Service {
            turns: vec![0; program.nodes.len()],
            callees: Vec::new(),
            hung: 0,
            open: vec![0; program.replicas.len().min(COUNTED_AT_FIRST)],
            kinds: Kinds::of(&program),
            clocks: clocks(&program, me),
            consumers: consumers(&program, me),
            freed_by: None,
            program,
            me,
            number,
            requests: Slab::default(),
            threads: Slab::default(),
            alarms: Slab::default(),
            pending: Slab::default(),
            busy: 0,
            line: VecDeque::new(),
            refused: VecDeque::new(),
            gate,
            congestion,
            memory,
            budgets: Vec::new(),
            held: Vec::new(),
            does_for_nobody: false,
            ready: VecDeque::new(),
            kept: Vec::new(),
            given_up: Vec::new(),
            txns: 0,
            commitments: BTreeMap::new(),
            own_log: log.map(Box::new),
            generator,
            probes,
            version: None,
            leaving: Leaving::Not,
            boots: false,
            clocks_differ: false,
        }
    }

    /// The same where the clocks may differ, or show true time all of them.
    pub(super) fn with_clocks(self, clocks_differ: bool) -> Self {
        Service { clocks_differ, ..self }
    }

    /// The same replica after a deploy of this version.
    pub(super) fn deployed(self, version: &str) -> Self {
        Service { version: Some(Value::from(version)), ..self }
    }

    /// What `$version` is here.
    pub(super) fn version(&self) -> Value {
        let written = || self.program.service(self.me).map(|def| def.version.clone());
        self.version.clone().or_else(written).unwrap_or_default()
    }

    /// Stops at once, or when callers know of it and what runs is finished, as the file says.
    fn asked_to_stop(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let Some(def) = self.def(program) else { cx.exit() };
        self.leaving = Leaving::Soon;
        if def.stop.pre_stop.is_zero() {
            self.leaves(cx, program);
        } else {
            self.alarm(cx, def.stop.pre_stop, Alarm::PreStop);
        }
    }

    fn leaves(&mut self, cx: &mut Cx<'_>, program: &Program) {
        if !self.def(program).is_some_and(|def| def.stop.drains) {
            cx.exit();
        }
        self.leaving = Leaving::Drains;
        self.take_nothing(cx, program);
    }

    /// Whether it takes nothing new.
    pub(super) fn drains(&self) -> bool {
        self.leaving == Leaving::Drains
    }

    /// Whether it is there and cannot do anything yet.
    pub(super) fn boots(&self) -> bool {
        self.boots
    }

    /// Whether it was asked to stop.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving != Leaving::Not
    }

    /// Nothing new is taken any more.
    fn refuse(&mut self, cx: &mut Cx<'_>, request: &Request) {
        self.count(cx, Counted::Refused);
        self.reply(cx, request, Outcome::Error(Reason::REFUSED));
    }

    /// What it knows under a dollar sign for an operation, by slot; what is absent left out, several values of one slot each once.
    pub fn values(&self, of: sim_core::Operation) -> Vec<(crate::program::Slot, Value)> {
        let requests: Vec<&Request> = self.requests.iter().filter(|request| request.cause.operation == of).collect();
        let own = self.threads.iter().filter_map(|thread| {
            let request = self.requests.get(thread.request)?;
            (request.cause.operation == of).then_some(thread.env.as_deref()).flatten()
        });
        let envs = requests.iter().map(|request| &request.env).chain(own);
        let values = envs.flat_map(|env| (0u16..).map(crate::program::Slot).zip(env.values.iter().cloned()));
        let mut values: Vec<_> = values.filter(|(_, value)| !value.is_null()).collect();
        values.sort();
        values.dedup();
        values
    }

    pub(super) fn def<'p>(&self, program: &'p Program) -> Option<&'p ServiceDef> {
        program.service(self.me)
    }

    /// Sets a timer for something.
    pub(super) fn alarm(&mut self, cx: &mut Cx<'_>, after: sim_core::Duration, what: Alarm) -> Key {
        set_alarm(&mut self.alarms, cx, after, what)
    }

    /// Stops a timer and frees its place.
    pub(super) fn disarm(&mut self, cx: &mut Cx<'_>, key: Key) {
        disarm(&mut self.alarms, cx, key);
    }

    pub(super) fn count(&self, cx: &mut Cx<'_>, what: Counted) {
        if self.generator.is_none() {
            cx.note(Note::Count(self.me, what));
        }
    }

    fn gauge(&self, cx: &mut Cx<'_>, program: &Program, busy: i32, waiting: i32) {
        if program.node(self.me).gauged {
            cx.note(Note::Gauge { node: self.me, busy, waiting });
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>, program: &Program, files: &Files) {
        self.read_log(cx, program, files);
        if let Some(generator) = &mut self.generator {
            let first = generator.first(program, self.me, cx);
            for (after, alarm) in first {
                self.alarm(cx, after, alarm);
            }
        }
        let boot = self.def(program).map_or(sim_core::Duration::ZERO, |def| def.boot);
        if cx.life() > 1 && !boot.is_zero() {
            self.boots = true;
            self.alarm(cx, boot, Alarm::Booted);
            return self.start_probes(cx, program);
        }
        self.can_work(cx, program);
        self.start_probes(cx, program);
        self.start_clocks(cx, program);
    }

    /// It has booted: from now on it does what it is for.
    fn booted(&mut self, cx: &mut Cx<'_>, program: &Program) {
        self.boots = false;
        self.can_work(cx, program);
        self.start_clocks(cx, program);
    }

    fn can_work(&mut self, cx: &mut Cx<'_>, program: &Program) {
        if self.knows_its_log() {
            self.take_up_log(cx, program);
        }
        self.start_consuming(cx, program);
        self.callees = callees(program, self.me, cx.now());
    }

    /// Goes on with what former lives have noted.
    pub(super) fn take_up_log(&mut self, cx: &mut Cx<'_>, program: &Program) {
        if cx.life() > 1 {
            self.recover(cx, program);
        }
        for saga in self.unfinished_sagas(cx) {
            let key = self.requests.insert(saga);
            self.admit(cx, program, key, true);
        }
    }

    fn start_clocks(&mut self, cx: &mut Cx<'_>, program: &Program) {
        if self.number != 1 {
            return;
        }
        for index in 0..self.clocks.len() {
            let endpoint = self.clocks[index].endpoint;
            let Some(clock) = program.endpoint(endpoint).clock else { continue };
            if clock.at_start {
                self.tick(cx, program, endpoint);
            }
            if let Some(every) = clock.every {
                self.alarm(cx, every, Alarm::Clock { endpoint });
            }
        }
    }

    /// Runs an endpoint by the clock, unless its last run is not over.
    fn tick(&mut self, cx: &mut Cx<'_>, program: &Program, endpoint: EndpointRef) {
        let leaves = self.leaving == Leaving::Drains;
        let Some(clock) = self.clocks.iter_mut().find(|clock| clock.endpoint == endpoint) else { return };
        clock.due += 1;
        if clock.runs || leaves {
            return;
        }
        clock.runs = true;
        let cause = Cause::root("clock", &program.endpoint(endpoint).name, u64::from(cx.life())).then(clock.due);
        let request = Request::new(endpoint, program.endpoint(endpoint).kind, cause, Env::empty(program), cx.now());
        let key = self.requests.insert(request);
        self.admit(cx, program, key, true);
    }

    fn clock_due(&mut self, cx: &mut Cx<'_>, program: &Program, endpoint: EndpointRef) {
        if let Some(every) = program.endpoint(endpoint).clock.and_then(|clock| clock.every) {
            self.alarm(cx, every, Alarm::Clock { endpoint });
        }
        self.tick(cx, program, endpoint);
    }

    /// Begins an operation of a workload, which was due at an instant.
    pub(super) fn begin_operation(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        number: u64,
        user: Option<u32>,
        due: Instant,
    ) {
        let Role::Workload(workload) = &program.node(self.me).role else { return };
        let cause = cx.begin(workload.class, number);
        if program.only.as_ref().is_some_and(|only| !only.contains(&cause.operation)) {
            return self.operation_over(cx, program, user);
        }
        let mut env = Env::empty(program);
        env.carry(workload.slot, Value::Int(number as i64));
        cx.note(Note::Requested { workload: self.me, key: number });
        let endpoint = workload.endpoint;
        let request = Request::new(endpoint, program.endpoint(endpoint).kind, cause, env, due);
        let request = Request { operation: Some((number, user)), ..request };
        let key = self.requests.insert(request);
        self.begin(cx, program, key);
    }

    fn receive(&mut self, cx: &mut Cx<'_>, program: &Program, from: NodeId, msg: Msg) {
        match msg {
            // Who asks for a decision, or brings a message, asks again.
            Msg::Inquire { .. } | Msg::Deliver { .. } | Msg::Rouse { .. } if self.boots => {}
            Msg::Call { id, endpoint, kind, carried, expires, deadline } => {
                let request = Request::new(endpoint, kind, cx.cause(), Env::of(&carried), cx.now());
                let [expires, deadline] = [expires, deadline].map(|at| self.arrived(cx, at));
                let request = Request { from: Some((from, id)), expires, deadline, ..request };
                if self.boots || self.leaving == Leaving::Drains {
                    return self.refuse(cx, &request);
                }
                self.count(cx, Counted::Call);
                match cx.service(&program.kinds[request.kind.0 as usize]) {
                    sim_core::Service::Served => {
                        let key = self.requests.insert(request);
                        self.admit(cx, program, key, false);
                    }
                    // It stays among those that are owed an answer, which a crash resets.
                    sim_core::Service::Hangs => {
                        self.hung += 1;
                        self.requests.insert(request);
                    }
                    sim_core::Service::Fails(reason) => {
                        let outcome = Outcome::failed(program.reason_of_failure(reason.as_ref()));
                        self.count(cx, counted(outcome.tone()));
                        self.reply(cx, &request, outcome);
                    }
                }
            }
            Msg::Answer { id, outcome, extra, open, .. } => {
                let key = Key { place: id.place, turn: id.turn };
                match self.pending.get(key) {
                    Some(_) if id.life == cx.life() => {
                        self.heard(program, key);
                        if self.is_for_nobody(key) {
                            self.late(cx, program, from, None);
                        }
                        self.answered(cx, program, key, outcome, extra);
                    }
                    _ => {
                        if id.life == cx.life() {
                            self.stray_is_over(cx, key);
                        }
                        self.late(cx, program, from, open);
                    }
                }
            }
            Msg::Cancel { id, .. } => self.cancel(cx, program, (from, id)),
            Msg::Ask { id, kind, .. } => {
                // Only stores are asked; whoever asks a service finds nobody there.
                let outcome = Outcome::Error(Reason::REFUSED);
                cx.send(from, Msg::Answer { id, kind, outcome, extra: Extra::None, open: None });
            }
            Msg::Inquire { txn, step, .. } => self.inquired(cx, program, from, txn, step),
            Msg::Publish { id, kind, .. } => {
                // Only queues keep messages.
                let outcome = Outcome::Error(Reason::REFUSED);
                cx.send(from, Msg::Answer { id, kind, outcome, extra: Extra::None, open: None });
            }
            Msg::Deliver { endpoint, life, parcels, .. } => {
                self.delivered(cx, program, from, endpoint, life, parcels);
            }
            Msg::Rouse { endpoint, life, sent, .. } => self.roused(cx, program, endpoint, life, sent),
            Msg::Rollback { .. } | Msg::Stands { .. } | Msg::Ready { .. } | Msg::Extend { .. } | Msg::Settle { .. } => {
            }
        }
    }

    /// An instant of this node's clock, as others are told of it.
    pub(super) fn travelling(&self, cx: &Cx<'_>, at: Instant) -> Instant {
        if self.clocks_differ && at != Instant::NEVER { Instant::ZERO + at.since(cx.now()) } else { at }
    }

    /// An instant that another node has told of, on this node's clock.
    fn arrived(&self, cx: &Cx<'_>, at: Instant) -> Instant {
        if self.clocks_differ && at != Instant::NEVER { cx.now() + at.since(Instant::ZERO) } else { at }
    }

    /// The store of a transaction has answered: from now on it knows of the transaction, or has forgotten it.
    fn heard(&mut self, program: &Program, key: Key) {
        let Some(pending) = self.pending.get(key) else { return };
        let (callee, to) = (program.edges[pending.edge.0 as usize].1, pending.to);
        if program.store(callee).is_some()
            && let Some(txn) = self.threads.get_mut(pending.thread).and_then(Thread::txn)
        {
            let heard = match txn.members {
                None => Some(&mut txn.heard),
                Some(_) => txn.touched(to).map(|member| &mut member.heard),
            };
            heard.into_iter().for_each(|heard| *heard = true);
        }
    }

    /// Gives a request a worker or a place in line, or turns it away. What nobody asked for is never turned away.
    pub(super) fn admit(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, by_clock: bool) {
        let Some(def) = self.def(program) else { return };
        if !by_clock && !self.passes_gate(cx, key) {
            return self.turn_away(cx, program, key, Turned::Overloaded);
        }
        // A worker that has just become free is for those in line.
        let waits = !self.line.is_empty() || !self.refused.is_empty();
        let full = def.workers.is_some_and(|workers| self.busy >= workers || waits);
        if full && !by_clock && def.queue.is_some_and(|places| self.line.len() >= places as usize) {
            let turned = self.least_urgent(program, key);
            if turned != key {
                self.leave_place(cx, program, turned);
                self.stand_in_line(cx, program, Waiting::Request(key));
            }
            self.turn_away(cx, program, turned, Turned::Overloaded);
        } else if def.asynchronous || !full {
            self.begin(cx, program, key);
        } else {
            self.stand_in_line(cx, program, Waiting::Request(key));
        }
    }

    fn stand_in_line(&mut self, cx: &mut Cx<'_>, program: &Program, who: Waiting) {
        if let Some(congestion) = self.congestion.as_mut().filter(|_| self.line.is_empty()) {
            congestion.free = cx.now();
        }
        match self.urgency(program, who) {
            // Behind all that is as urgent.
            Some(rank) => {
                let at = self.line.partition_point(|waiting| self.urgency(program, *waiting) <= Some(rank));
                self.line.insert(at, who);
            }
            None => self.line.push_back(who),
        }
        self.gauge(cx, program, 0, 1);
    }

    /// How urgent somebody in line is, the most urgent first; none where nobody is more urgent than others.
    fn urgency(&self, program: &Program, who: Waiting) -> Option<usize> {
        let def = program.service(self.me).filter(|def| def.order == Order::Priority)?;
        let key = match who {
            Waiting::Request(key) => key,
            Waiting::Work(thread) => self.threads.get(thread)?.request,
        };
        let endpoint = self.requests.get(key)?.endpoint;
        Some(def.urgent.iter().position(|urgent| *urgent == endpoint).unwrap_or(def.urgent.len()))
    }

    /// Who is turned away when there is no place for this one: itself, or the last in line if that is less urgent.
    fn least_urgent(&self, program: &Program, key: Key) -> Key {
        match self.line.back() {
            Some(Waiting::Request(last))
                if self.urgency(program, Waiting::Request(*last)) > self.urgency(program, Waiting::Request(key)) =>
            {
                *last
            }
            _ => key,
        }
    }

    /// The last in line goes.
    fn leave_place(&mut self, cx: &mut Cx<'_>, program: &Program, last: Key) {
        if self.line.back() == Some(&Waiting::Request(last)) {
            self.line.pop_back();
            self.gauge(cx, program, 0, -1);
        }
    }

    /// Takes the next one out of the line.
    fn take_next(&mut self, cx: &mut Cx<'_>, program: &Program) -> Option<Waiting> {
        let order = program.service(self.me).map(|def| def.order).unwrap_or_default();
        let newest = match (order, &self.congestion) {
            (Order::Lifo, _) => true,
            (Order::AdaptiveLifo, Some(congestion)) => cx.now().since(congestion.free) >= TURNED,
            (Order::Fifo | Order::AdaptiveLifo | Order::Priority, _) => false,
        };
        let next = if newest { self.line.pop_back() } else { self.line.pop_front() }?;
        self.gauge(cx, program, 0, -1);
        Some(next)
    }

    /// Answers `overloaded`: at once, or when a worker has had the time that a refusal takes.
    fn turn_away(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, why: Turned) {
        let costs = program.service(self.me).is_some_and(|def| def.refusal != Dist::ZERO);
        if costs && self.requests.get(key).is_some_and(|request| request.probe.is_none()) {
            self.refused.push_back((key, why));
        } else {
            self.refuse_now(cx, program, key, why);
        }
    }

    /// A worker begins to turn somebody away.
    fn begin_refusal(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, why: Turned) {
        let Some(def) = self.def(program) else { return };
        let Some(request) = self.requests.get_mut(key) else { return };
        request.holds_worker = true;
        let from = request.from;
        cx.because(request.cause);
        self.hold_worker(cx, program, from);
        let length = cx.work(REFUSAL, &def.refusal);
        self.alarm(cx, length, Alarm::Refused { request: key, why });
    }

    /// A worker has turned somebody away.
    fn refusal_over(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, why: Turned) {
        if let Some(from) = self.requests.get(key).map(|request| request.from) {
            self.refuse_now(cx, program, key, why);
            self.free_worker(cx, program, from);
        }
    }

    fn refuse_now(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, why: Turned) {
        self.leave_gate(cx, key, None);
        let Some(request) = self.requests.remove(key) else { return };
        cx.because(request.cause);
        if let Some(probing) = request.probe {
            return self.probed(cx, program, probing, false);
        }
        self.count(cx, why.counted());
        let retry_after = program.service(self.me).and_then(|def| def.retry_after);
        let request = Request { retry_after, ..request };
        self.reply(cx, &request, Outcome::Error(Reason::OVERLOADED));
    }

    /// The request of a thread fails, and its caller is to be told this about trying again.
    pub(super) fn tells_when(&mut self, thread: Key, retry_after: Option<Pushback>) {
        let request = self.threads.get(thread).map(|thread| thread.request);
        if let Some(request) = request.and_then(|key| self.requests.get_mut(key)) {
            request.retry_after = retry_after;
        }
    }

    fn reply(&self, cx: &mut Cx<'_>, request: &Request, outcome: Outcome) {
        if let Some((to, id)) = request.from {
            let extra = match (&outcome, request.retry_after) {
                (Outcome::Error(_), Some(told)) => Extra::Pushback(told),
                _ => Extra::None,
            };
            cx.send(to, Msg::Answer { id, kind: request.kind, outcome, extra, open: None });
        }
    }

    /// The first step of a request.
    fn begin(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(request) = self.requests.get_mut(key) else { return };
        let body = program.endpoint(request.endpoint).body;
        let around = Around { deadline: request.deadline, ..Around::nothing(1) };
        let resumes = request.resumes.is_some();
        let asynchronous = program.service(self.me).is_none_or(|def| def.asynchronous);
        if !asynchronous {
            request.holds_worker = true;
            let from = request.from;
            self.hold_worker(cx, program, from);
        }
        if resumes {
            return self.resume_saga(cx, program, key);
        }
        if around.deadline != Instant::NEVER && program.service(self.me).is_some_and(|def| def.honours_cancel) {
            self.watch_deadline(cx, key, around.deadline);
        }
        let thread = self.spawn(key, Origin::Main, body, None, around);
        self.go_on(cx, program, thread);
    }

    /// A request stops when no time is left for it, as when its caller says so.
    fn watch_deadline(&mut self, cx: &mut Cx<'_>, key: Key, deadline: Instant) {
        let left = deadline.since(cx.now());
        let expiry = (!left.is_zero()).then(|| self.alarm(cx, left, Alarm::Expired { request: key }));
        if let Some(request) = self.requests.get_mut(key) {
            request.expiry = expiry;
            request.cancelled |= expiry.is_none();
        }
    }

    /// Takes a worker for the work of an `async` service; false: it has to wait.
    pub(super) fn take_worker(&mut self, cx: &mut Cx<'_>, program: &Program, thread: Key) -> bool {
        let workers = program.service(self.me).and_then(|def| def.workers);
        if workers.is_some_and(|workers| self.busy >= workers || !self.line.is_empty() || !self.refused.is_empty()) {
            self.stand_in_line(cx, program, Waiting::Work(thread));
            return false;
        }
        self.hold_worker(cx, program, self.asker_of(thread));
        true
    }

    /// Waits no longer for a worker.
    pub(super) fn leave_line(&mut self, cx: &mut Cx<'_>, program: &Program, thread: Key) {
        if let Some(at) = self.line.iter().position(|waiting| *waiting == Waiting::Work(thread)) {
            self.line.remove(at);
            self.gauge(cx, program, 0, -1);
        }
    }

    /// A worker is held from now on, for whoever asked.
    fn hold_worker(&mut self, cx: &mut Cx<'_>, program: &Program, of: Option<Asking>) {
        self.busy += 1;
        self.gauge(cx, program, 1, 0);
        self.tells_work(cx, program, of, true);
    }

    /// Gives a worker back; the next in line gets it when this event has been handled, so that nobody runs inside of another.
    pub(super) fn free_worker(&mut self, cx: &mut Cx<'_>, program: &Program, of: Option<Asking>) {
        self.busy -= 1;
        self.gauge(cx, program, -1, 0);
        self.tells_work(cx, program, of, false);
    }

    /// Gives the workers that are free to those in line.
    fn serve(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let workers = program.service(self.me).and_then(|def| def.workers).unwrap_or(u32::MAX);
        while self.busy < workers {
            if let Some((key, why)) = self.refused.pop_front() {
                self.begin_refusal(cx, program, key, why);
                continue;
            }
            let Some(next) = self.take_next(cx, program) else { return };
            match next {
                Waiting::Work(thread) => {
                    self.hold_worker(cx, program, self.asker_of(thread));
                    self.work_now(cx, program, thread);
                }
                Waiting::Request(key) => self.next_in_line(cx, program, key),
            }
        }
    }

    fn next_in_line(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(request) = self.requests.get(key) else { return };
        let (expires, waited) = (request.expires, cx.now().since(request.since));
        let was_last = self.line.is_empty();
        let codel = self.congestion.as_mut().and_then(|congestion| congestion.codel.as_mut());
        let drops = match program.service(self.me).map(|def| def.drops).unwrap_or_default() {
            Drops::Nobody => false,
            Drops::Expired => cx.now() >= expires,
            Drops::Codel { .. } => codel.is_some_and(|codel| codel.drops(cx.now(), waited, was_last)),
        };
        if drops {
            self.turn_away(cx, program, key, Turned::Dropped);
        } else {
            self.begin(cx, program, key);
        }
    }

    /// Ends a request: its answer goes out and its worker is free; what is background goes on.
    pub(super) fn finish_request(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Outcome) {
        let Some(request) = self.requests.get_mut(key) else { return };
        if request.done {
            return;
        }
        if request.delivery.is_some() && self.delivery_goes_on(cx, program, key, &outcome) {
            return;
        }
        self.leave_gate(cx, key, Some(&outcome));
        let Some(request) = self.requests.get_mut(key) else { return };
        request.done = true;
        let expiry = request.expiry.take();
        let held = std::mem::take(&mut request.holds_worker).then_some(request.from);
        let (endpoint, operation, since, cause) = (request.endpoint, request.operation, request.since, request.cause);
        let is_resumed = request.is_resumed;
        let probe = request.probe;
        cx.because(cause);
        let tone = outcome.tone();
        let sort = match outcome.sort() {
            Sort::Ok => Sort::Ok,
            _ if request.is_exhausted => Sort::Exhausted,
            sort => sort,
        };
        expiry.into_iter().for_each(|expiry| self.disarm(cx, expiry));
        if let Some(request) = self.requests.get(key) {
            self.reply(cx, request, outcome);
        }
        if let Some(clock) = self.clocks.iter_mut().find(|clock| clock.endpoint == endpoint && !is_resumed) {
            clock.runs = false;
        }
        match (operation, probe) {
            (None, Some(probing)) => self.probed(cx, program, probing, tone == Tone::Ok),
            (Some((number, user)), _) => {
                cx.note(Note::Finished { workload: self.me, key: number, tone, since, sort: Aside(sort) });
                self.operation_over(cx, program, user);
            }
            (None, None) => self.count(cx, counted(tone)),
        }
        self.forget_if_over(key);
        if let Some(from) = held {
            self.free_worker(cx, program, from);
        }
    }

    /// Forgets a request that is answered and has nothing left that runs.
    pub(super) fn forget_if_over(&mut self, key: Key) {
        if self.requests.get(key).is_some_and(|request| request.done && request.threads == 0) {
            self.requests.remove(key);
        }
    }

    /// A caller has given up and says so.
    fn cancel(&mut self, cx: &mut Cx<'_>, program: &Program, of: Asking) {
        if !program.service(self.me).is_some_and(|def| def.honours_cancel) {
            return;
        }
        if let Some(key) = self.requests.find(|request| request.from == Some(of)) {
            self.stop(cx, program, key);
        }
    }

    /// A request is to stop: at once where it waits, behind its work where it works, at its first step where it has not begun.
    pub(super) fn stop(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(request) = self.requests.get_mut(key) else { return };
        request.cancelled = true;
        let threads = self.threads.entries().filter(|(_, thread)| thread.request == key);
        let threads: Vec<Key> = threads.map(|(thread, _)| thread).filter(|key| self.main_of(*key).is_some()).collect();
        let works = |key: &Key| self.threads.get(*key).is_some_and(|thread| thread.is_at_work(program));
        if let Some(first) = threads.first().filter(|_| !threads.iter().any(works)) {
            self.abandon_request(cx, program, *first);
        }
    }

    /// No time is left for a request.
    fn expired(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        if let Some(request) = self.requests.get_mut(key) {
            request.expiry = None;
            let cause = request.cause;
            cx.because(cause);
            self.stop(cx, program, key);
        }
    }

    /// An answer that nobody waits for any more. A transaction that is open because of what was asked, and that nobody knows of
    /// here, will never be closed otherwise.
    fn late(&mut self, cx: &mut Cx<'_>, program: &Program, from: NodeId, open: Option<TxnId>) {
        let callee = program.replicas[from.0 as usize].0;
        if let Some(edge) = program.edges.iter().position(|edge| *edge == (self.me, callee)) {
            cx.note(Note::Edge(crate::program::EdgeRef(edge as u16), crate::message::EdgeCounted::Late));
        }
        if let Some(txn) = open.filter(|txn| !self.has_open(*txn)) {
            cx.send(from, Msg::Rollback { txn, kind: self.kinds.rollback });
        }
    }

    fn alarm_rings(&mut self, cx: &mut Cx<'_>, program: &Program, timer: Timer) {
        let Some(key) = self.alarms.at(timer.0) else { return };
        let Some(alarm) = self.alarms.remove(key) else { return };
        match alarm {
            Alarm::Try { thread, depth } => self.try_timed_out(cx, program, thread, depth),
            Alarm::Hedge { thread, depth } => self.hedge_due(cx, program, thread, depth),
            Alarm::Guard { thread } => self.guard_rings(cx, program, thread),
            Alarm::ReadTimeout => self.client_gives_up(cx, key),
            Alarm::Over { thread } => self.wait_over(cx, program, thread),
            Alarm::Look { thread } => self.look_again(cx, program, thread),
            Alarm::Clock { endpoint } => self.clock_due(cx, program, endpoint),
            Alarm::Arrival => self.arrival(cx, program),
            Alarm::PreStop => self.leaves(cx, program),
            Alarm::Booted => self.booted(cx, program),
            Alarm::Refused { request, why } => self.refusal_over(cx, program, request, why),
            Alarm::Resend { txn } => self.resend(cx, program, txn),
            Alarm::Noted { txn } => self.noted(cx, txn),
            Alarm::Rewrite => self.rewrite_log(),
            Alarm::Beat { request } => self.beat(cx, program, request),
            Alarm::Again { request } => self.handle_again(cx, program, request),
            Alarm::Probe { place, what } => self.probe_rings(cx, program, place, what),
            Alarm::Thought { user } => self.user_asks(cx, program, user),
            Alarm::Expired { request } => self.expired(cx, program, request),
        }
    }

    /// A machine said that it has nothing listening, or that it crashed with a request of this node.
    fn bounced(&mut self, cx: &mut Cx<'_>, program: &Program, by: NodeId, msg: &Msg, outcome: Outcome) {
        let (Msg::Call { id, .. } | Msg::Ask { id, .. } | Msg::Publish { id, .. }) = msg else { return };
        if outcome == Outcome::Error(Reason::REFUSED) {
            cx.note(Note::Count(program.replicas[by.0 as usize].0, Counted::Refused));
        }
        let key = Key { place: id.place, turn: id.turn };
        if id.life == cx.life() {
            if self.pending.get(key).is_some() {
                self.answered(cx, program, key, outcome, Extra::None);
            } else {
                self.stray_is_over(cx, key);
            }
        }
    }
}

/// The endpoints of a node that run by themselves.
/// As what a request counts that ended so.
const fn counted(tone: Tone) -> Counted {
    match tone {
        Tone::Ok => Counted::Ok,
        Tone::Error => Counted::Error,
        Tone::Unknown => Counted::Unknown,
    }
}

fn clocks(program: &Program, me: NodeRef) -> Vec<Clock> {
    let endpoints = program.service(me).map(|def| def.endpoints.as_slice()).unwrap_or_default().iter().copied();
    let clocked = endpoints.filter(|endpoint| program.endpoint(*endpoint).clock.is_some());
    clocked.map(|endpoint| Clock { endpoint, due: 0, runs: false }).collect()
}

impl Actor<Msg> for Service {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Cx<'_>) {
        let program = self.program.clone();
        let program = &*program;
        match event {
            Event::Start(files) => self.start(cx, program, &files),
            Event::Message { from, msg } => self.receive(cx, program, from, msg),
            Event::Timer(timer) => self.alarm_rings(cx, program, timer),
            Event::Refused { by, msg } => self.bounced(cx, program, by, &msg, Outcome::Error(Reason::REFUSED)),
            Event::Reset { by, msg } => self.bounced(cx, program, by, &msg, Outcome::Unknown(Reason::RESET)),
            Event::Stop { .. } => self.asked_to_stop(cx, program),
            Event::Synced(_, done) => self.log_synced(cx, program, done),
        }
        if !self.ready.is_empty() {
            self.go_on_ready(cx, program);
        }
        if !self.line.is_empty() || !self.refused.is_empty() {
            self.serve(cx, program);
            self.go_on_ready(cx, program);
        }
        if !self.consumers.is_empty() {
            self.take_more(cx, program);
        }
        if self.def(program).is_some_and(|def| def.balance == Balance::JoinShortest) {
            let me = cx.id();
            cx.shared_mut().weigh(me, self.load());
        }
        self.sync_log(cx);
        if self.leaving == Leaving::Drains && self.requests.iter().next().is_none() {
            cx.exit();
        }
    }

    fn unanswered(&self) -> Vec<Unanswered<Msg>> {
        let empty = Carried { values: Arc::from([]), mask: 0 };
        let requests = self.requests.iter().filter(|request| !request.done).filter_map(|request| {
            let (from, id) = request.from?;
            let (endpoint, kind) = (request.endpoint, request.kind);
            let (expires, deadline) = (request.expires, request.deadline);
            let msg = Msg::Call { id, endpoint, kind, carried: empty.clone(), expires, deadline };
            Some(Unanswered { from, msg, cause: request.cause })
        });
        let transactions = self.open_transactions().into_iter().chain(self.open_votes());
        requests.chain(transactions).chain(self.open_to_queues()).collect()
    }
}
