//! A store: takes operations one by one, each for its time, then for its locks, then at one instant.
//!
//! The cells lie on the shelves and survive; what is under way (operations, transactions, locks) is this process's and does not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;
use sim_core::{Actor, Cause, Context, Event, Kind, NodeId, Timer, Unanswered};

use super::service::WORK;
use crate::expr::{EvalError, Expr};
use crate::message::{CallId, Counted, Extra, FactChange, Msg, Note, Operation, Outcome, TxnId};
use crate::program::{MapRef, NodeRef, OnceDef, Program, Reason, Step, StepRef, StoreDef, Template, Var, Verb};
use crate::shelf::{Admission, AtCell, Cell, Shelves, as_pairs};
use crate::slab::{Key, Slab};
use crate::value::Value;

type Cx<'a> = Context<'a, Msg>;
type Place = (MapRef, Value);

/// A store.
#[derive(Clone, Serialize)]
pub struct Store {
    #[serde(skip)]
    program: Arc<Program>,
    me: NodeRef,
    operations: Slab<Asked>,
    alarms: Slab<Alarm>,
    busy: u32,
    line: VecDeque<Key>,
    #[serde(serialize_with = "as_pairs")]
    txns: BTreeMap<TxnId, Txn>,
    #[serde(serialize_with = "as_pairs")]
    locks: BTreeMap<Place, Lock>,
    /// Reads with a `when` that does not hold yet, by the map they look at.
    watching: Vec<(MapRef, Key)>,
    /// Comers whose `once` runs already, by its key.
    #[serde(serialize_with = "as_pairs")]
    holding: BTreeMap<Place, Vec<Key>>,
    begun: u64,
}

/// An operation under way.
#[derive(Clone, Debug, Serialize)]
struct Asked {
    from: NodeId,
    id: CallId,
    kind: Kind,
    cause: Cause,
    operation: Operation,
    /// Whether it takes a worker now.
    works: bool,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, Serialize)]
enum Alarm {
    /// The time of an operation is over.
    Done(Key),
    /// The lock of a running `once` is over.
    Lock(Key),
}

/// A transaction: what it will have set, and when it began.
#[derive(Clone, Debug, Default, Serialize)]
struct Txn {
    begun: u64,
    #[serde(serialize_with = "as_pairs")]
    writes: BTreeMap<Place, Write>,
    /// Facts that happen when a `once` inside it ends.
    waits_for: Option<Place>,
}

/// A cell as a transaction will leave it.
#[derive(Clone, Debug, Serialize)]
enum Write {
    Set(Value),
    /// The end of a `once`: its step, outcome, and whether that ended the endpoint.
    OnceEnd(StepRef, Outcome, bool),
}

/// Who has a cell, and who comes next.
#[derive(Clone, Debug, Serialize)]
struct Lock {
    holder: TxnId,
    waiters: VecDeque<Key>,
}

/// What has become of an operation that was tried.
enum Tried {
    /// It is done: what is answered.
    Answer(Outcome, Extra),
    /// It waits for a lock, a condition or a `once`; whether it gives its worker back meanwhile.
    Waits { frees_worker: bool },
}

impl Store {
    /// A store before its first start.
    pub(super) fn new(program: Arc<Program>, me: NodeRef) -> Self {
        Store {
            program,
            me,
            operations: Slab::default(),
            alarms: Slab::default(),
            busy: 0,
            line: VecDeque::new(),
            txns: BTreeMap::new(),
            locks: BTreeMap::new(),
            watching: Vec::new(),
            holding: BTreeMap::new(),
            begun: 0,
        }
    }

    fn count(&self, cx: &mut Cx<'_>, what: Counted) {
        cx.note(Note::Count(self.me, what));
    }

    fn gauge(&self, cx: &mut Cx<'_>, program: &Program, busy: i32, waiting: i32) {
        if program.node(self.me).gauged {
            cx.note(Note::Gauge { node: self.me, busy, waiting });
        }
    }

    fn start(&self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef) {
        if !def.volatile || cx.life() == 1 {
            return;
        }
        let fresh = Shelves::new(program);
        for map in &program.node(self.me).maps {
            let watched = program.map(*map).watched;
            let keys: Vec<Value> = cx.shared().map(*map).iter().map(|(key, _)| key).collect();
            *cx.shared_mut().map_mut(*map) = fresh.map(*map).clone();
            for key in keys.into_iter().filter(|_| watched) {
                let value = cx.shared().map(*map).value(&key);
                cx.note(Note::Cell { map: *map, key, value });
            }
        }
    }

    fn receive(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef, from: NodeId, msg: Msg) {
        match msg {
            Msg::Ask { id, operation, kind } => {
                self.count(cx, Counted::Call);
                let asked = Asked { from, id, kind, cause: cx.cause(), operation, works: false };
                let key = self.operations.insert(asked);
                if def.workers.is_some_and(|workers| self.busy >= workers) {
                    self.line.push_back(key);
                } else {
                    self.work(cx, program, def, key);
                }
            }
            Msg::Rollback { txn, .. } => self.forget(cx, program, def, txn),
            Msg::Call { id, kind, .. } => {
                // Only services are called; whoever calls a store finds nobody there.
                let outcome = Outcome::Error(Reason::REFUSED);
                cx.send(from, Msg::Answer { id, kind, outcome, extra: Extra::None });
            }
            Msg::Answer { .. } | Msg::Cancel { .. } => {}
        }
    }

    /// An operation takes its time on a worker.
    fn work(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef, key: Key) {
        let Some(asked) = self.operations.get_mut(key) else { return };
        asked.works = true;
        self.busy += 1;
        let dist = match (&asked.operation, program.kinds[asked.kind.0 as usize].as_str()) {
            (Operation::Commit { .. }, _) => &def.commit,
            (_, "delete") => &def.delete,
            (_, "set") => &def.set,
            _ => &def.read,
        };
        cx.because(asked.cause);
        let length = cx.draw(WORK, dist);
        self.gauge(cx, program, 1, 0);
        if length.is_zero() {
            return self.perform(cx, program, def, key);
        }
        let alarm = self.alarms.insert(Alarm::Done(key));
        cx.set(Timer(alarm.place), length);
    }

    fn free_worker(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef) {
        self.busy -= 1;
        self.gauge(cx, program, -1, 0);
        if let Some(next) = self.line.pop_front() {
            self.work(cx, program, def, next);
        }
    }

    /// Tries an operation now, and answers it unless it has to wait.
    fn perform(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef, key: Key) {
        let Some(asked) = self.operations.get(key) else { return };
        let (cause, operation, works) = (asked.cause, asked.operation.clone(), asked.works);
        cx.because(cause);
        match self.try_now(cx, program, def, key, &operation) {
            Tried::Answer(outcome, extra) => {
                let Some(asked) = self.operations.remove(key) else { return };
                cx.because(cause);
                cx.send(asked.from, Msg::Answer { id: asked.id, kind: asked.kind, outcome, extra });
                if works {
                    self.free_worker(cx, program, def);
                }
            }
            Tried::Waits { frees_worker } => {
                if works && frees_worker {
                    if let Some(asked) = self.operations.get_mut(key) {
                        asked.works = false;
                    }
                    self.free_worker(cx, program, def);
                }
            }
        }
    }

    fn try_now(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        def: &StoreDef,
        key: Key,
        operation: &Operation,
    ) -> Tried {
        match operation {
            Operation::Step { step, key: at, values, txn } => {
                if let Some(txn) = txn {
                    self.open(*txn);
                }
                let result = self.step(cx, program, key, *step, at, values, *txn);
                result.unwrap_or_else(|error| {
                    cx.note(Note::Trouble { step: *step, error });
                    Tried::Answer(Outcome::Ok(Value::Null), Extra::None)
                })
            }
            Operation::OnceBegin { step, key: at, txn } => self.once_begin(cx, program, key, *step, at, *txn),
            Operation::OnceEnd { step, key: at, outcome, ended, txn } => {
                self.once_end(cx, program, def, *step, at, outcome, *ended, *txn)
            }
            Operation::Commit { txn, facts } => self.commit(cx, program, def, *txn, facts),
        }
    }

    fn open(&mut self, txn: TxnId) {
        let begun = &mut self.begun;
        self.txns.entry(txn).or_insert_with(|| {
            *begun += 1;
            Txn { begun: *begun, ..Txn::default() }
        });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one operation")]
    fn step(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        at: &Value,
        values: &[Value],
        txn: Option<TxnId>,
    ) -> Result<Tried, EvalError> {
        let step = program.step(reference);
        match &step.verb {
            Verb::Read { map, when, .. } => self.read(cx, program, key, (*map, at), when.as_ref(), values, txn),
            Verb::List { map, filter, limit, .. } => {
                let keys = self.list(cx, *map, filter.as_ref(), *limit, values, txn)?;
                Ok(Tried::Answer(Outcome::Ok(Value::Int(keys.len() as i64)), Extra::Keys(keys.into())))
            }
            Verb::Set { map, to, condition, .. } => {
                self.set(cx, program, key, (*map, at), (to, condition.as_ref()), values, txn)
            }
            _ => Ok(Tried::Answer(Outcome::Error(Reason::REFUSED), Extra::None)),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one operation")]
    fn read(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        (map, at): (MapRef, &Value),
        when: Option<&Expr<Var>>,
        values: &[Value],
        txn: Option<TxnId>,
    ) -> Result<Tried, EvalError> {
        let place = (map, at.clone());
        if let Some(txn) = txn.filter(|_| self.is_serializable(program, key))
            && let Some(waits) = self.lock(cx, program, key, &place, Some(txn))
        {
            return Ok(waits);
        }
        let cell = self.at_cell(cx, map, at, values, txn);
        let holds = cell.holds(when, &self.others(cx, txn))?;
        if !holds {
            self.watching.push((map, key));
            return Ok(Tried::Waits { frees_worker: true });
        }
        Ok(Tried::Answer(Outcome::Ok(cell.value), Extra::Version(cell.version)))
    }

    /// Whether the transaction that an operation belongs to locks what it reads.
    fn is_serializable(&self, program: &Program, key: Key) -> bool {
        let Some(Operation::Step { step, .. }) = self.operations.get(key).map(|asked| &asked.operation) else {
            return false;
        };
        program.step(*step).locks_reads
    }

    fn list(
        &self,
        cx: &Cx<'_>,
        map: MapRef,
        filter: Option<&Expr<Var>>,
        limit: Option<u64>,
        values: &[Value],
        txn: Option<TxnId>,
    ) -> Result<Vec<Value>, EvalError> {
        let other = self.others(cx, txn);
        let mut found = Vec::new();
        for (at, _) in cx.shared().map(map).iter() {
            if limit.is_some_and(|limit| found.len() as u64 >= limit) {
                break;
            }
            if self.at_cell(cx, map, &at, values, txn).holds(filter, &other)? {
                found.push(at);
            }
        }
        Ok(found)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one operation")]
    fn set(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        (map, at): (MapRef, &Value),
        (to, condition): (&Template, Option<&Expr<Var>>),
        values: &[Value],
        txn: Option<TxnId>,
    ) -> Result<Tried, EvalError> {
        let place = (map, at.clone());
        if let Some(waits) = self.lock(cx, program, key, &place, txn) {
            return Ok(waits);
        }
        let cell = self.at_cell(cx, map, at, values, txn);
        let Some(value) = cell.next(to, condition, &self.others(cx, txn))? else {
            self.count(cx, Counted::Unmet);
            return Ok(Tried::Answer(Outcome::Error(Reason::UNMET), Extra::None));
        };
        match txn.and_then(|txn| self.txns.get_mut(&txn)) {
            Some(txn) => {
                txn.writes.insert(place, Write::Set(value.clone()));
            }
            None => {
                let now = cx.now();
                cx.shared_mut().map_mut(map).set(at, value.clone(), now);
                self.changed(cx, program, map, at);
            }
        }
        Ok(Tried::Answer(Outcome::Ok(value), Extra::None))
    }

    /// A cell as this transaction (or anyone outside of all) sees it.
    fn at_cell<'c>(
        &self,
        cx: &Cx<'_>,
        map: MapRef,
        key: &'c Value,
        values: &'c [Value],
        txn: Option<TxnId>,
    ) -> AtCell<'c> {
        let cell = cx.shared().map(map).get(key);
        let version = cell.map_or(0, |cell| cell.version);
        let own = txn.and_then(|txn| self.txns.get(&txn)?.writes.get(&(map, key.clone())));
        let (value, version, set_at) = match own {
            Some(write) => (write.value(), version + 1, Some(cx.now())),
            None => (cell.map_or(Value::Null, |cell| cell.value.clone()), version, cell.map(|cell: &Cell| cell.set_at)),
        };
        AtCell { values, key, value, version, set_at, now: cx.now(), wall: cx.wall() }
    }

    /// How a condition at a cell sees the other maps of this store.
    fn others<'a>(&'a self, cx: &'a Cx<'_>, txn: Option<TxnId>) -> impl Fn(MapRef, &Value) -> Value + 'a {
        move |map, key| {
            let own = txn.and_then(|txn| self.txns.get(&txn)?.writes.get(&(map, key.clone())));
            own.map_or_else(|| cx.shared().map(map).value(key), Write::value)
        }
    }

    /// Tells the judge of a new value, and lets those look again who wait for one.
    fn changed(&mut self, cx: &mut Cx<'_>, program: &Program, map: MapRef, key: &Value) {
        if program.map(map).watched {
            let value = cx.shared().map(map).value(key);
            cx.note(Note::Cell { map, key: key.clone(), value });
        }
        let (look, rest) = std::mem::take(&mut self.watching).into_iter().partition(|(watched, _)| *watched == map);
        self.watching = rest;
        for (_, waiting) in look {
            self.soon(cx, waiting);
        }
    }

    /// Lets an operation be tried once more, after what happens now.
    fn soon(&mut self, cx: &mut Cx<'_>, key: Key) {
        let alarm = self.alarms.insert(Alarm::Done(key));
        cx.set(Timer(alarm.place), sim_core::Duration::ZERO);
    }

    fn step_of<'p>(program: &'p Program, step: StepRef) -> (&'p Step, Option<&'p OnceDef>) {
        let step = program.step(step);
        match &step.verb {
            Verb::Once(def) => (step, Some(def)),
            _ => (step, None),
        }
    }
}

impl Write {
    fn value(&self) -> Value {
        match self {
            Write::Set(value) => value.clone(),
            Write::OnceEnd(_, Outcome::Ok(_), _) => Value::from("DONE"),
            Write::OnceEnd(_, Outcome::Error(_), _) => Value::from("FAILED"),
            Write::OnceEnd(_, Outcome::Unknown(_), _) => Value::from("RUNNING"),
        }
    }
}

/// Locks and transactions.
impl Store {
    /// Takes a cell for a transaction, or waits for whoever has it; an operation outside transactions only waits.
    fn lock(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        place: &Place,
        txn: Option<TxnId>,
    ) -> Option<Tried> {
        let Some(lock) = self.locks.get_mut(place) else {
            if let Some(holder) = txn {
                self.locks.insert(place.clone(), Lock { holder, waiters: VecDeque::new() });
            }
            return None;
        };
        if Some(lock.holder) == txn {
            return None;
        }
        lock.waiters.push_back(key);
        self.gauge(cx, program, 0, 1);
        if let Some(txn) = txn {
            if let Some(txn) = self.txns.get_mut(&txn) {
                txn.waits_for = Some(place.clone());
            }
            if let Some(victim) = self.youngest_in_cycle(txn) {
                return self.break_deadlock(cx, program, key, txn, victim);
            }
        }
        Some(Tried::Waits { frees_worker: false })
    }

    /// The transaction that began last among those which wait for each other in a circle through this one.
    fn youngest_in_cycle(&self, first: TxnId) -> Option<TxnId> {
        let mut circle = vec![first];
        loop {
            let place = self.txns.get(circle.last()?)?.waits_for.as_ref()?;
            let holder = self.locks.get(place)?.holder;
            if holder == first {
                return circle.into_iter().max_by_key(|txn| self.txns.get(txn).map_or(0, |txn| txn.begun));
            }
            if circle.contains(&holder) {
                return None;
            }
            circle.push(holder);
        }
    }

    /// Ends a deadlock: the victim's waiting operation is answered with an error, and all it holds is free.
    fn break_deadlock(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        comer: TxnId,
        victim: TxnId,
    ) -> Option<Tried> {
        self.count(cx, Counted::Deadlock);
        let waiting = self.waiting_operation(victim);
        self.drop_txn(cx, program, victim);
        if victim == comer {
            self.locks.values_mut().for_each(|lock| lock.waiters.retain(|waiter| *waiter != key));
            return Some(Tried::Answer(Outcome::Error(Reason::DEADLOCK), Extra::None));
        }
        if let Some(asked) = waiting.and_then(|waiting| self.operations.remove(waiting)) {
            let outcome = Outcome::Error(Reason::DEADLOCK);
            cx.send(asked.from, Msg::Answer { id: asked.id, kind: asked.kind, outcome, extra: Extra::None });
            if asked.works {
                self.busy -= 1;
                if let Some(next) = self.line.pop_front() {
                    self.line.push_front(next);
                }
            }
        }
        Some(Tried::Waits { frees_worker: false })
    }

    fn waiting_operation(&mut self, txn: TxnId) -> Option<Key> {
        let place = self.txns.get(&txn)?.waits_for.clone()?;
        let waiters = &mut self.locks.get_mut(&place)?.waiters;
        let of = |key: &Key| self.operations.get(*key).is_some_and(|asked| asked.operation.txn() == Some(txn));
        let at = waiters.iter().position(of)?;
        waiters.remove(at)
    }

    /// Forgets a transaction and lets the next in line have what it held.
    fn drop_txn(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId) {
        if self.txns.remove(&txn).is_none() {
            return;
        }
        let held: Vec<Place> =
            self.locks.iter().filter(|(_, lock)| lock.holder == txn).map(|(p, _)| p.clone()).collect();
        for place in held {
            let Some(lock) = self.locks.remove(&place) else { continue };
            self.gauge(cx, program, 0, -(lock.waiters.len() as i32));
            for waiter in lock.waiters {
                if let Some(txn) = self.operations.get(waiter).and_then(|asked| asked.operation.txn())
                    && let Some(txn) = self.txns.get_mut(&txn)
                {
                    txn.waits_for = None;
                }
                // They are tried in the order of their coming; the first to take the lock makes the others wait again.
                self.soon(cx, waiter);
            }
        }
    }

    /// A rollback, or the crash of whoever ran the transaction.
    fn forget(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef, txn: TxnId) {
        if !self.txns.contains_key(&txn) {
            return;
        }
        self.count(cx, Counted::Rollback);
        if let Some(asked) = self.waiting_operation(txn).and_then(|waiting| self.operations.remove(waiting)) {
            self.gauge(cx, program, 0, -1);
            if asked.works {
                self.free_worker(cx, program, def);
            }
        }
        self.drop_txn(cx, program, txn);
    }

    fn commit(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        def: &StoreDef,
        txn: TxnId,
        facts: &[FactChange],
    ) -> Tried {
        let _ = def;
        let Some(open) = self.txns.get(&txn) else {
            // The store has been down in between, or chose this one to break a deadlock.
            return Tried::Answer(Outcome::Error(Reason::UNDONE), Extra::None);
        };
        let now = cx.now();
        cx.note(Note::Apart);
        for ((map, key), write) in open.writes.clone() {
            match write {
                Write::Set(value) => cx.shared_mut().map_mut(map).set(&key, value, now),
                Write::OnceEnd(step, outcome, ended) => {
                    if let (_, Some(once)) = Self::step_of(program, step) {
                        cx.shared_mut().map_mut(map).once_end(&key, once, &outcome, ended, now);
                    }
                }
            }
            self.changed(cx, program, map, &key);
        }
        for (fact, key, times) in facts {
            cx.note(Note::Fact(*fact, key.clone(), *times));
        }
        cx.note(Note::Together);
        self.drop_txn(cx, program, txn);
        Tried::Answer(Outcome::Ok(Value::Null), Extra::None)
    }
}

/// `once` whose keys lie here.
impl Store {
    fn once_begin(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        at: &Value,
        txn: Option<TxnId>,
    ) -> Tried {
        let (_, Some(def)) = Self::step_of(program, reference) else {
            return Tried::Answer(Outcome::Error(Reason::REFUSED), Extra::None);
        };
        let place = (def.map, at.clone());
        if let Some(txn) = txn {
            self.open(txn);
        }
        if let Some(waits) = self.lock(cx, program, key, &place, txn) {
            return waits;
        }
        let now = cx.now();
        if let Some(txn) = txn {
            return self.once_in_transaction(cx, txn, def, place, at);
        }
        match cx.shared_mut().map_mut(def.map).once_begin(at, def, now) {
            Admission::Run => {
                self.changed(cx, program, def.map, at);
                Tried::Answer(Outcome::Ok(at.clone()), Extra::Run)
            }
            Admission::Replay(kept) => Tried::Answer(kept.outcome, Extra::Replayed { ended: kept.ended }),
            Admission::InFlight => Tried::Answer(Outcome::Error(Reason::IN_FLIGHT), Extra::None),
            Admission::Hold(until) => {
                self.holding.entry(place).or_default().push(key);
                let alarm = self.alarms.insert(Alarm::Lock(key));
                cx.set(Timer(alarm.place), until.since(now));
                Tried::Waits { frees_worker: true }
            }
        }
    }

    /// Inside a transaction the lock keeps others off the key, and its marks commit with the rest.
    fn once_in_transaction(&mut self, cx: &Cx<'_>, txn: TxnId, def: &OnceDef, place: Place, at: &Value) -> Tried {
        let seen = cx.shared().map(def.map).get(at).map(|cell| crate::shelf::kept(cell));
        if let Some(kept) = seen {
            return Tried::Answer(kept.outcome, Extra::Replayed { ended: kept.ended });
        }
        if let Some(open) = self.txns.get_mut(&txn) {
            open.writes.insert(place, Write::Set(Value::from("RUNNING")));
        }
        Tried::Answer(Outcome::Ok(at.clone()), Extra::Run)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one operation")]
    fn once_end(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        def: &StoreDef,
        reference: StepRef,
        at: &Value,
        outcome: &Outcome,
        ended: bool,
        txn: Option<TxnId>,
    ) -> Tried {
        let _ = def;
        let (_, Some(once)) = Self::step_of(program, reference) else {
            return Tried::Answer(Outcome::Error(Reason::REFUSED), Extra::None);
        };
        let now = cx.now();
        if let Some(open) = txn.and_then(|txn| self.txns.get_mut(&txn)) {
            open.writes.insert((once.map, at.clone()), Write::OnceEnd(reference, outcome.clone(), ended));
        } else if cx.shared_mut().map_mut(once.map).once_end(at, once, outcome, ended, now) {
            self.changed(cx, program, once.map, at);
            for waiting in self.holding.remove(&(once.map, at.clone())).unwrap_or_default() {
                self.soon(cx, waiting);
            }
        }
        Tried::Answer(Outcome::Ok(Value::Null), Extra::None)
    }

    fn alarm_rings(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef, timer: Timer) {
        let Some(alarm) = self.alarms.at(timer.0).and_then(|key| self.alarms.remove(key)) else { return };
        match alarm {
            Alarm::Done(key) => self.perform(cx, program, def, key),
            Alarm::Lock(key) => {
                for waiting in self.holding.values_mut() {
                    waiting.retain(|other| *other != key);
                }
                self.perform(cx, program, def, key);
            }
        }
    }
}

impl Actor<Msg> for Store {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Cx<'_>) {
        let program = self.program.clone();
        let program = &*program;
        let Some(def) = program.store(self.me) else { return };
        match event {
            Event::Start(_) => self.start(cx, program, def),
            Event::Message { from, msg } => self.receive(cx, program, def, from, msg),
            Event::Timer(timer) => self.alarm_rings(cx, program, def, timer),
            // Whoever ran a transaction has crashed: its machine closed the connection.
            Event::Reset { msg: Msg::Rollback { txn, .. }, .. } => self.forget(cx, program, def, txn),
            Event::Reset { .. } | Event::Refused { .. } | Event::Synced(..) => {}
        }
    }

    fn unanswered(&self) -> Vec<Unanswered<Msg>> {
        let bare = |asked: &Asked| Msg::Ask { id: asked.id, kind: asked.kind, operation: asked.operation.clone() };
        let owed = |asked: &Asked| Unanswered { from: asked.from, msg: bare(asked), cause: asked.cause };
        self.operations.iter().map(owed).collect()
    }
}
