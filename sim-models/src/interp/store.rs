//! A store: takes operations one by one, each for its time, then for its locks, then at one instant.
//!
//! The cells lie on the shelves and survive; what is under way (operations, transactions, locks) is this process's and does not.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::Serialize;
use sim_core::{Actor, Cause, Context, Event, Files, Instant, Kind, NodeId, Sync, Timer, Unanswered};

use super::cache::{Cache, EXPIRY};
use super::journal::Journal;
use super::participant::Promised;
use super::service::{Kinds, WORK};
use crate::database::{Isolation, Locks, Past, Snapshot};
use crate::expr::{EvalError, Expr};
use crate::message::{CallId, Counted, Extra, FactChange, Msg, Names, Note, Operation, Outcome, Tone, TxnId};
use crate::program::{MapRef, NodeRef, OnceDef, Program, Reason, StepRef, StoreDef, Template, Var, Verb};
use crate::shelf::{self, Admission, AtCell, Cell, Kept, Session, Shelves, Write, as_pairs};
use crate::slab::{Key, Slab};
use crate::value::Value;

pub(super) type Cx<'a> = Context<'a, Msg>;
pub(super) type Place = (MapRef, Value);

/// A store.
#[derive(Clone, Serialize)]
pub struct Store {
    #[serde(skip)]
    program: Arc<Program>,
    #[serde(skip)]
    pub(super) kinds: Kinds,
    pub(super) me: NodeRef,
    pub(super) operations: Slab<Asked>,
    pub(super) alarms: Slab<Alarm>,
    pub(super) busy: u32,
    pub(super) line: VecDeque<Key>,
    /// In boxes: a tree moves what is in it whenever one comes or goes.
    #[serde(serialize_with = "as_pairs")]
    pub(super) txns: BTreeMap<TxnId, Box<Txn>>,
    pub(super) locks: Locks<Place, TxnId, Key>,
    /// What cells held before, while a snapshot is open.
    #[serde(skip_serializing_if = "is_unwatched")]
    pub(super) past: Past<Place, Option<Cell>>,
    /// Reads with a `when` that does not hold yet. It may name any map of this store, so that they look again at each change.
    pub(super) watching: Vec<Key>,
    /// Comers whose `once` runs already, by its key.
    #[serde(serialize_with = "as_pairs")]
    holding: BTreeMap<Place, Vec<Key>>,
    /// Operations that are to be tried now, in order; empty between events.
    pub(super) ready: VecDeque<Key>,
    pub(super) begun: u64,
    /// Of one that writes to its disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) journal: Option<Box<Journal>>,
    /// Of those who have started again: the last life that has asked here.
    #[serde(skip)]
    lives: BTreeMap<NodeId, u32>,
    /// Of one that forgets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache: Option<Box<Cache>>,
}

/// An operation under way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    pub(super) from: NodeId,
    pub(super) id: CallId,
    kind: Kind,
    pub(super) cause: Cause,
    pub(super) operation: Operation,
    /// Whether it takes a worker now.
    pub(super) works: bool,
    /// The timer of its time, or of the lock of the `once` that holds it.
    pub(super) alarm: Option<Key>,
    /// The cell whose lock it waits for.
    pub(super) waits_for: Option<Place>,
    /// Whether its turn has come at a cell that somebody behind it has already; and at the new keys of a map.
    granted: bool,
    #[serde(skip)]
    granted_new: bool,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Alarm {
    /// The operation whose time, or wait for a running `once`, is over.
    Operation(Key),
    /// A transaction was promised, and nobody has said what was decided.
    Asks { asks: TxnId },
    /// Its promise has been kept long enough.
    Doubts { doubts: TxnId },
    /// Whoever runs it may have asked for nothing for as long as the store lets a transaction be idle.
    Idles { idles: TxnId },
    /// What was found at the start is to be made durable once more, after a sync that failed; or what a full disk is owed may find room.
    Recovers { recovers: bool },
}

impl Asked {
    /// Whether its turn has come at this place.
    fn grant(&mut self, place: &Place) -> &mut bool {
        if place.1.is_null() { &mut self.granted_new } else { &mut self.granted }
    }

    pub(super) fn new(from: NodeId, id: CallId, kind: Kind, cause: Cause, operation: Operation) -> Self {
        let (works, alarm, waits_for, granted, granted_new) = (false, None, None, false, false);
        Asked { from, id, kind, cause, operation, works, alarm, waits_for, granted, granted_new }
    }
}

/// How much an operation sees of other transactions.
fn isolation(program: &Program, operation: &Operation) -> Isolation {
    match operation {
        Operation::Step { step, .. } | Operation::OnceBegin { step, .. } | Operation::OnceEnd { step, .. } => {
            program.step(*step).isolation
        }
        Operation::Commit { .. }
        | Operation::Prepare { .. }
        | Operation::Precommit { .. }
        | Operation::Decide { .. }
        | Operation::Recover
        | Operation::Forget { .. } => Isolation::default(),
    }
}

/// Whose timer that of the next value to expire is.
const NOBODY: Alarm = Alarm::Operation(Key { place: u32::MAX, turn: 0 });

/// A transaction: what it will have set, and when it began.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Txn {
    pub(super) begun: u64,
    #[serde(serialize_with = "as_pairs")]
    pub(super) writes: BTreeMap<Place, Write>,
    /// The cells it has.
    pub(super) held: Vec<Place>,
    /// The maps of which it has read all cells, and must see no new ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) spans: Vec<MapRef>,
    /// The moment it sees, if it sees one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<Snapshot>,
    /// Its operations that wait for a cell, a condition or a `once`.
    pub(super) waiting: Vec<Key>,
    /// What was asked for in it. Left out of the state that is shown: all but copies is in what came of it.
    #[serde(skip)]
    pub(super) said: Vec<CallId>,
    /// Whether its commit has come: nothing takes that back.
    pub(super) commits: bool,
    /// What was promised of it, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prepared: Option<Box<Promised>>,
    /// Since when nothing of it was asked for, of a store with an `idle_timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle: Option<Idle>,
}

/// A transaction that waits for its next operation.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Idle {
    /// When its last operation was answered.
    pub(super) since: Instant,
    /// The timer that looks whether that is too long ago; none while an operation is under way that outlasts one.
    alarm: Option<Key>,
}

/// The place that stands for all keys of a map that hold nothing. No operation is about the null key, but one whose key is not known;
/// that one waits where it need not.
const fn new_keys(map: MapRef) -> Place {
    (map, Value::Null)
}

/// Places that a condition has looked at, beside the cell it is about.
type Looked = RefCell<Vec<Place>>;

fn is_unwatched<P: Ord, V>(past: &Past<P, V>) -> bool {
    !past.is_watched()
}

/// What has become of an operation that was tried.
pub(super) enum Tried {
    /// It is done: what is answered.
    Answer(Outcome, Extra),
    /// It waits for a lock, a condition or a `once`, without a worker: those who hold what it waits for may need one.
    Waits,
    /// Nothing, and nobody is answered.
    Gone,
}

impl Store {
    /// A store before its first start.
    pub(super) fn new(program: Arc<Program>, me: NodeRef, journal: Option<Journal>) -> Self {
        let cache = program.store(me).and_then(Cache::of);
        let mut alarms = Slab::default();
        if cache.is_some() {
            alarms.insert(NOBODY);
        }
        Store {
            kinds: Kinds::of(&program),
            cache,
            program,
            me,
            operations: Slab::default(),
            alarms,
            busy: 0,
            line: VecDeque::new(),
            txns: BTreeMap::new(),
            locks: Locks::default(),
            past: Past::default(),
            watching: Vec::new(),
            holding: BTreeMap::new(),
            ready: VecDeque::new(),
            begun: 0,
            lives: BTreeMap::new(),
            journal: journal.map(Box::new),
        }
    }

    pub(super) fn count(&self, cx: &mut Cx<'_>, what: Counted) {
        cx.note(Note::Count(self.me, what));
    }

    fn gauge(&self, cx: &mut Cx<'_>, program: &Program, busy: i32, waiting: i32) {
        if program.node(self.me).gauged {
            cx.note(Note::Gauge { node: self.me, busy, waiting });
        }
    }

    fn start(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef, files: &Files) {
        if self.journal.is_some() {
            return self.read_again(cx, program, files);
        }
        if cx.life() > 1 {
            self.keeps_promises(cx, program);
        }
        if !def.volatile || cx.life() == 1 {
            return;
        }
        let fresh = Shelves::new(program);
        for map in &program.node(self.me).maps {
            let watched = program.map(*map).watched;
            let before = cx.shared().map(*map).iter().map(|(key, _)| key);
            let keys: BTreeSet<Value> = before.chain(fresh.map(*map).iter().map(|(key, _)| key)).collect();
            *cx.shared_mut().map_mut(*map) = fresh.map(*map).clone();
            for key in keys.into_iter().filter(|_| watched) {
                let value = cx.shared().map(*map).value(&key);
                cx.note(Note::Cell { map: *map, key, value });
            }
        }
    }

    /// Whether it does not know what its disk says, so that it says nothing of what it has done.
    fn is_unreadable(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.unreadable)
    }

    /// Whether nothing is done for now: what it has found on its disk may still be lost, or what it has taken back be found there.
    fn is_held_up(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| journal.recovers() || journal.owes())
    }

    fn receive(&mut self, cx: &mut Cx<'_>, program: &Program, from: NodeId, msg: Msg) {
        match msg {
            Msg::Ask { id, operation, kind } => {
                self.count(cx, Counted::Call);
                self.hears_of_life(cx, program, from, id.life);
                let service = cx.service(&program.kinds[kind.0 as usize]);
                // What nobody waits for is neither failed nor kept waiting, as a rollback is not.
                if let sim_core::Service::Fails(reason) = &service
                    && operation.is_answered()
                {
                    if self.has_to_commit(cx, id, &operation) {
                        return;
                    }
                    let outcome = Outcome::failed(program.reason_of_failure(reason.as_ref()));
                    return cx.send(from, Msg::Answer { id, kind, outcome, extra: Extra::Failed, open: None });
                }
                let hangs = service == sim_core::Service::Hangs && operation.is_answered();
                if !hangs {
                    self.open(cx, &operation);
                    if self.has_had(id, &operation) {
                        return;
                    }
                }
                let cause = cx.cause();
                let key = self.operations.insert(Asked::new(from, id, kind, cause, operation));
                if !hangs {
                    self.line.push_back(key);
                }
            }
            Msg::Rollback { txn, .. } => self.forget(cx, program, txn),
            Msg::Call { id, kind, .. } | Msg::Publish { id, kind, .. } => {
                // Only services are called; whoever calls a store finds nobody there.
                let outcome = Outcome::Error(Reason::REFUSED);
                cx.send(from, Msg::Answer { id, kind, outcome, extra: Extra::None, open: None });
            }
            // Whoever asks asks again.
            Msg::Inquire { .. } if self.is_held_up() || self.is_unreadable() => {}
            Msg::Inquire { txn, step, .. } => self.tells(cx, program, from, (txn, step)),
            Msg::Stands { txn, standing, .. } => self.hears(cx, from, txn, standing),
            Msg::Answer { .. }
            | Msg::Cancel { .. }
            | Msg::Ready { .. }
            | Msg::Rouse { .. }
            | Msg::Deliver { .. }
            | Msg::Extend { .. }
            | Msg::Settle { .. } => {}
        }
    }

    /// A transaction begins with its first operation, and its commit, once it has come, is not taken back. What comes of one later, a copy
    /// or what was given up, does not open it again, in this life or another.
    fn open(&mut self, cx: &mut Cx<'_>, operation: &Operation) {
        if let Operation::Commit { txn, .. } = operation
            && let Some(open) = self.txns.get_mut(txn)
        {
            open.commits = true;
        }
        let life = cx.life();
        let Some(part) = operation.part().filter(|part| part.opens && !self.is_of_former_life(part.id)) else { return };
        if cx.shared_mut().begins_session(self.me, part.id, life) {
            self.begun += 1;
            self.txns.insert(part.id, Box::new(Txn { begun: self.begun, ..Txn::default() }));
        }
    }

    /// A process that has started again asks: whatever its former lives have left open here is rolled back, as the connections of the old
    /// process are gone. What they have asked to commit, or what is promised to them, stays.
    fn hears_of_life(&mut self, cx: &mut Cx<'_>, program: &Program, from: NodeId, life: u32) {
        if life == 1 {
            return;
        }
        let known = self.lives.entry(from).or_default();
        if *known >= life {
            return;
        }
        *known = life;
        let own = self.txns.keys().filter(|txn| txn.node == from.0 && txn.life < life);
        for txn in own.copied().collect::<Vec<_>>() {
            self.forget(cx, program, txn);
        }
    }

    /// Whether whoever runs a transaction has started again since, and has asked here for something.
    fn is_of_former_life(&self, txn: TxnId) -> bool {
        self.lives.get(&NodeId(txn.node)).is_some_and(|life| txn.life < *life)
    }

    /// Whether this is a copy of a commit that was taken before, so that it is not failed; one that is, is never taken.
    fn has_to_commit(&mut self, cx: &Cx<'_>, id: CallId, operation: &Operation) -> bool {
        let Operation::Commit { txn, .. } = operation else { return false };
        match self.txns.get_mut(txn) {
            Some(open) if !open.commits => {
                open.said.push(id);
                false
            }
            Some(_) => true,
            None => cx.shared().session(self.me, *txn).is_some_and(|session| session.committed.is_some()),
        }
    }

    /// Whether this is a copy of what its transaction has had already: a session numbers what is said in it, so that nothing in it is done twice.
    fn has_had(&mut self, id: CallId, operation: &Operation) -> bool {
        if let Operation::Commit { txn, .. } = operation {
            return self.txns.get(txn).is_some_and(|open| open.said.contains(&id));
        }
        let open = operation.part().and_then(|part| self.txns.get_mut(&part.id));
        open.is_some_and(|open| {
            let has = open.said.contains(&id);
            if !has {
                open.said.push(id);
            }
            has
        })
    }

    /// Tries what is ready and gives the workers that are free to those in line, until nothing more happens now.
    fn go_on(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef) {
        if self.is_held_up() {
            return;
        }
        loop {
            while let Some(key) = self.ready.pop_front() {
                self.perform(cx, program, key);
            }
            if def.workers.is_some_and(|workers| self.busy >= workers) {
                return;
            }
            let Some(next) = self.line.pop_front() else { return };
            self.work(cx, program, def, next);
        }
    }

    /// An operation takes its time on a worker.
    fn work(&mut self, cx: &mut Cx<'_>, program: &Program, def: &StoreDef, key: Key) {
        let Some(asked) = self.operations.get_mut(key) else { return };
        asked.works = true;
        self.busy += 1;
        Self::tells_work(self.me, cx, program, asked, true);
        let dist = match &asked.operation {
            Operation::Commit { .. }
            | Operation::Prepare { .. }
            | Operation::Precommit { .. }
            | Operation::Decide { .. } => &def.commit,
            _ if asked.kind == self.kinds.delete => &def.delete,
            _ if asked.kind == self.kinds.set => &def.set,
            _ => &def.read,
        };
        cx.because(asked.cause);
        let length = cx.work(WORK, dist);
        self.gauge(cx, program, 1, 0);
        if length.is_zero() {
            self.ready.push_back(key);
        } else {
            self.alarm(cx, key, length);
        }
    }

    fn alarm(&mut self, cx: &mut Cx<'_>, key: Key, after: sim_core::Duration) {
        let alarm = self.alarms.insert(Alarm::Operation(key));
        cx.set(Timer(alarm.place), after);
        if let Some(asked) = self.operations.get_mut(key) {
            asked.alarm = Some(alarm);
        }
    }

    /// An operation waits no longer: it is to be tried when what happens now is over.
    fn soon(&mut self, cx: &mut Cx<'_>, key: Key) {
        self.disarm(cx, key);
        self.ready.push_back(key);
    }

    fn disarm(&mut self, cx: &mut Cx<'_>, key: Key) {
        let alarm = self.operations.get_mut(key).and_then(|asked| asked.alarm.take());
        if let Some(alarm) = alarm
            && self.alarms.remove(alarm).is_some()
        {
            cx.cancel(Timer(alarm.place));
        }
    }

    fn free_worker(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(asked) = self.operations.get_mut(key) else { return };
        if std::mem::take(&mut asked.works) {
            self.busy -= 1;
            Self::tells_work(self.me, cx, program, asked, false);
            self.gauge(cx, program, -1, 0);
        }
    }

    /// Tries an operation now, and answers it unless it has to wait.
    fn perform(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(asked) = self.operations.get(key) else { return };
        let (cause, operation) = (asked.cause, asked.operation.clone());
        let txn = operation.part().map(|part| part.id);
        if let Some(txn) = txn.and_then(|txn| self.txns.get_mut(&txn)) {
            txn.waiting.retain(|waiting| *waiting != key);
        }
        self.free_worker(cx, program, key);
        cx.because(cause);
        if self.is_unreadable() {
            return self.answer(cx, key, Outcome::Error(Reason::DISK), Extra::Failed);
        }
        // A copy of a commit that is done brings no facts.
        let commits = match &operation {
            Operation::Commit { txn, facts } if self.txns.contains_key(txn) => Some(&facts[..]),
            _ => None,
        };
        match self.try_now(cx, program, key, &operation) {
            Tried::Answer(outcome, extra) => {
                cx.because(cause);
                if self.journal.is_some() {
                    let facts = commits.filter(|_| outcome.tone() == Tone::Ok);
                    let waits = self.waits_for_disk(program, &operation);
                    self.write_down(cx, program, (key, &operation), (facts, waits), outcome, extra);
                } else {
                    self.completed(cx, program, key, true);
                    self.answer(cx, key, outcome, extra);
                }
            }
            Tried::Gone => _ = self.operations.remove(key),
            Tried::Waits => {
                if let Some(journal) = &mut self.journal {
                    journal.forget_touched();
                }
                if let Some(txn) = txn.and_then(|txn| self.txns.get_mut(&txn)) {
                    txn.waiting.push(key);
                }
            }
        }
    }

    pub(super) fn answer(&mut self, cx: &mut Cx<'_>, key: Key, outcome: Outcome, extra: Extra) {
        let Some(Asked { from, id, kind, operation, .. }) = self.operations.remove(key) else { return };
        self.waits_for_more(cx, &operation);
        if !operation.is_answered() {
            return;
        }
        let open = operation.part().map(|part| part.id).filter(|txn| self.txns.contains_key(txn));
        cx.send(from, Msg::Answer { id, kind, outcome, extra, open });
    }

    fn try_now(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, operation: &Operation) -> Tried {
        let txn = operation.part().map(|part| part.id);
        if let Some(txn) = txn {
            let Some(open) = self.txns.get_mut(&txn).filter(|open| open.prepared.is_none()) else {
                // The store has been down in between, or has ended the transaction: what it had set is gone. Or it has promised it as
                // it was.
                return Tried::Answer(Outcome::Error(Reason::UNDONE), Extra::None);
            };
            if isolation(program, operation) == Isolation::Snapshot {
                open.snapshot.get_or_insert_with(|| self.past.open());
            }
        }
        match operation {
            Operation::Step { step, key: at, names, .. } => {
                let result = self.step(cx, program, key, *step, at, names.as_deref(), txn);
                result.unwrap_or_else(|error| {
                    cx.note(Note::Trouble { step: *step, error });
                    Tried::Answer(Outcome::Ok(Value::Null), Extra::None)
                })
            }
            Operation::OnceBegin { step, key: at, .. } => self.once_begin(cx, program, key, *step, at, txn),
            Operation::OnceEnd { step, key: at, outcome, ended, .. } => {
                let kept = Kept { outcome: outcome.clone(), ended: *ended };
                self.once_end(cx, program, *step, at, kept, txn)
            }
            Operation::Commit { txn, facts } => self.commit(cx, program, *txn, facts),
            Operation::Prepare { txn, step, members, .. } => self.prepare(cx, program, *txn, *step, members),
            Operation::Precommit { txn, .. } => self.precommit(cx, *txn),
            Operation::Decide { txn, step, decision, .. } => self.decided(cx, program, *txn, *step, *decision),
            Operation::Recover => {
                let coordinator = self.operations.get(key).map_or(NodeId(u32::MAX), |asked| asked.from);
                self.promises_to(cx, program, coordinator)
            }
            Operation::Forget { txn, .. } => self.forgets_alone(cx, *txn),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one operation")]
    fn step(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        at: &Value,
        names: Option<&Names>,
        txn: Option<TxnId>,
    ) -> Result<Tried, EvalError> {
        let step = program.step(reference);
        match &step.verb {
            Verb::Read { map, when, .. } => self.read(cx, program, key, (*map, at), when.as_ref(), names, txn),
            Verb::List { map, filter, limit, .. } => {
                let locking = txn.filter(|_| step.isolation == Isolation::Serializable);
                let keys = match self.list(cx, program, key, (*map, *limit, filter.as_ref()), names, (txn, locking))? {
                    Ok(keys) => keys,
                    Err(waits) => return Ok(waits),
                };
                Ok(Tried::Answer(Outcome::Ok(Value::Int(keys.len() as i64)), Extra::Keys(keys.into())))
            }
            Verb::Set { map, to, condition, .. } => {
                self.set(cx, program, key, (*map, at), (to, condition.as_ref()), names, txn)
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
        names: Option<&Names>,
        txn: Option<TxnId>,
    ) -> Result<Tried, EvalError> {
        let place = (map, at.clone());
        let locking = txn.filter(|_| self.is_serializable(program, key));
        if locking.is_some()
            && let Some(waits) = self.lock(cx, program, key, &place, locking)
        {
            return Ok(waits);
        }
        let looked = Looked::default();
        let cell = self.at_cell(cx, map, at, names, txn);
        let holds = cell.holds(when, &self.others(cx, txn, locking.map(|_| &looked)))?;
        let (value, version) = (cell.value, cell.version);
        if let Some(waits) = self.lock_looked_at(cx, program, key, looked, locking) {
            return Ok(waits);
        }
        if !holds {
            self.watching.push(key);
            return Ok(Tried::Waits);
        }
        if self.cache.is_some() {
            self.looked_up(cx, map, at, &value);
        }
        Ok(Tried::Answer(Outcome::Ok(value), Extra::Version(version)))
    }

    /// Whether the transaction that an operation belongs to locks what it reads.
    fn is_serializable(&self, program: &Program, key: Key) -> bool {
        let operation = self.operations.get(key).map(|asked| &asked.operation);
        operation.is_some_and(|operation| isolation(program, operation) == Isolation::Serializable)
    }

    /// The keys for which a condition holds; a serializable transaction has the cells it looks at, waits for those of others, and has
    /// the map against new keys.
    fn list(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        (map, limit, filter): (MapRef, Option<u64>, Option<&Expr<Var>>),
        names: Option<&Names>,
        (txn, locking): (Option<TxnId>, Option<TxnId>),
    ) -> Result<Result<Vec<Value>, Tried>, EvalError> {
        if let Some(txn) = locking {
            if let Some(waits) = self.lock(cx, program, key, &new_keys(map), locking) {
                return Ok(Err(waits));
            }
            if let Some(open) = self.txns.get_mut(&txn).filter(|open| !open.spans.contains(&map)) {
                open.spans.push(map);
            }
        }
        let mut keys: Vec<Value> = cx.shared().map(map).iter().map(|(key, _)| key).collect();
        if let Some(txn) = txn.and_then(|txn| self.txns.get(&txn)) {
            let of_this = |(of, _): &&Place| *of == map;
            let own = txn.writes.keys().filter(of_this);
            // What is gone since the snapshot, and what others have and may be about to add.
            let gone = self.past.changed().filter(of_this).filter(|_| txn.snapshot.is_some());
            let had = self.locks.held_from(new_keys(map)..).take_while(of_this).filter(|_| locking.is_some());
            let before = keys.len();
            keys.extend(own.chain(gone).chain(had.filter(|(_, key)| !key.is_null())).map(|(_, key)| key.clone()));
            if keys.len() > before {
                keys.sort_unstable();
                keys.dedup();
            }
        }
        let mut found = Vec::new();
        for at in keys {
            if limit.is_some_and(|limit| found.len() as u64 >= limit) {
                break;
            }
            if locking.is_some()
                && let Some(waits) = self.lock(cx, program, key, &(map, at.clone()), locking)
            {
                return Ok(Err(waits));
            }
            let looked = Looked::default();
            let cell = self.at_cell(cx, map, &at, names, txn);
            let holds = !cell.value.is_null() && cell.holds(filter, &self.others(cx, txn, locking.map(|_| &looked)))?;
            if let Some(waits) = self.lock_looked_at(cx, program, key, looked, locking) {
                return Ok(Err(waits));
            }
            if holds {
                found.push(at);
            }
        }
        Ok(Ok(found))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one operation")]
    fn set(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        (map, at): (MapRef, &Value),
        (to, condition): (&Template, Option<&Expr<Var>>),
        names: Option<&Names>,
        txn: Option<TxnId>,
    ) -> Result<Tried, EvalError> {
        let place = (map, at.clone());
        if let Some(waits) = self.lock_to_set(cx, program, key, &place, txn) {
            return Ok(waits);
        }
        let locking = txn.filter(|_| self.is_serializable(program, key));
        let looked = Looked::default();
        let cell = self.at_cell(cx, map, at, names, txn);
        let version = cell.version;
        let next = cell.next(to, condition, &self.others(cx, txn, locking.map(|_| &looked)))?;
        if let Some(waits) = self.lock_looked_at(cx, program, key, looked, locking) {
            return Ok(waits);
        }
        let Some(value) = next else {
            self.count(cx, Counted::Unmet);
            return Ok(Tried::Answer(Outcome::Error(Reason::UNMET), Extra::None));
        };
        if let Some(refused) = self.refuse_stale(cx, program, txn, &place) {
            return Ok(refused);
        }
        let (now, version) = (cx.now(), if value.is_null() { 0 } else { version + 1 });
        match txn.and_then(|txn| self.txns.get_mut(&txn)) {
            Some(txn) => {
                txn.writes.insert(place, Write { value: value.clone(), version, at: now, kept: None });
            }
            None => {
                self.touches(cx, map, at);
                cx.shared_mut().map_mut(map).set(at, value.clone(), now);
                self.changed(cx, program, map, at);
            }
        }
        Ok(Tried::Answer(Outcome::Ok(value), Extra::None))
    }

    /// A cell as this transaction (or anyone outside of all) sees it.
    fn at_cell<'c>(
        &self,
        cx: &'c Cx<'_>,
        map: MapRef,
        key: &'c Value,
        names: Option<&'c Names>,
        txn: Option<TxnId>,
    ) -> AtCell<'c> {
        let open = txn.and_then(|txn| self.txns.get(&txn)).map(|open| &**open);
        let own = open.and_then(|open| open.writes.get(&(map, key.clone())));
        let cell = self.committed(cx, map, key, open);
        let (value, version, set_at) = match (own, cell) {
            (Some(write), _) => (write.value.clone(), write.version, (!write.value.is_null()).then_some(write.at)),
            (None, Some(cell)) => (cell.value.clone(), cell.version, Some(cell.set_at)),
            (None, None) => (Value::Null, 0, None),
        };
        AtCell { names, key, value, version, set_at, now: cx.now(), wall: cx.wall_clock() }
    }

    /// A cell as it is committed: now, or at the moment that the transaction sees.
    fn committed<'c>(&'c self, cx: &'c Cx<'_>, map: MapRef, key: &Value, open: Option<&Txn>) -> Option<&'c Cell> {
        let before = open.and_then(|open| open.snapshot).and_then(|moment| self.past.at(&(map, key.clone()), moment));
        before.map_or_else(|| cx.shared().map(map).get(key), Option::as_ref)
    }

    /// How a condition at a cell sees the other maps of this store, and where it notes what it has looked at.
    fn others<'a>(
        &'a self,
        cx: &'a Cx<'_>,
        txn: Option<TxnId>,
        looked: Option<&'a Looked>,
    ) -> impl Fn(MapRef, &Value) -> Value + 'a {
        move |map, key| {
            if let Some(looked) = looked {
                looked.borrow_mut().push((map, key.clone()));
            }
            let open = txn.and_then(|txn| self.txns.get(&txn)).map(|open| &**open);
            let own = open.and_then(|open| open.writes.get(&(map, key.clone())));
            own.map_or_else(
                || self.committed(cx, map, key, open).map_or(Value::Null, |cell| cell.value.clone()),
                |write| write.value.clone(),
            )
        }
    }

    /// Tells the judge of a new value, and lets those look again who wait for one.
    pub(super) fn changed(&mut self, cx: &mut Cx<'_>, program: &Program, map: MapRef, key: &Value) {
        if self.cache.is_some() {
            self.kept(cx, program, map, key);
        }
        if program.map(map).watched {
            let value = cx.shared().map(map).value(key);
            self.tell(cx, Note::Cell { map, key: key.clone(), value });
        }
        self.wake(cx);
    }

    /// Tells the judge, once what is told is durable.
    fn tell(&mut self, cx: &mut Cx<'_>, note: Note) {
        match &mut self.journal {
            Some(journal) if journal.holds_back() => journal.tell_later(note),
            Some(_) | None => cx.note(note),
        }
    }

    /// Lets those look again who wait for a cell to change.
    pub(super) fn wake(&mut self, cx: &mut Cx<'_>) {
        for waiting in std::mem::take(&mut self.watching) {
            self.soon(cx, waiting);
        }
    }

    pub(super) fn once_of(program: &Program, step: StepRef) -> Option<&OnceDef> {
        match &program.step(step).verb {
            Verb::Once(def) => Some(def),
            _ => None,
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
        if self.locks.is_empty() && txn.is_none() {
            return None;
        }
        if self.operations.get_mut(key).is_some_and(|asked| std::mem::take(asked.grant(place))) {
            return None;
        }
        loop {
            let Some(holder) = self.locks.holder(place) else {
                if let Some(holder) = txn {
                    self.hold(place, holder);
                }
                return None;
            };
            if Some(holder) == txn {
                return None;
            }
            let circle = txn.and_then(|txn| self.locks.path(holder, txn, |txn| self.waits_of(txn)));
            let youngest =
                |circle: Vec<TxnId>| circle.into_iter().max_by_key(|txn| self.txns.get(txn).map(|txn| txn.begun));
            let Some(victim) = circle.and_then(youngest) else { break };
            self.count(cx, Counted::Deadlock);
            self.end(cx, program, victim, Some(Reason::DEADLOCK));
            if Some(victim) == txn {
                return Some(Tried::Answer(Outcome::Error(Reason::DEADLOCK), Extra::None));
            }
            // Whoever has the cell now may be waiting for this one too.
        }
        if let Some(asked) = self.operations.get_mut(key) {
            self.locks.wait(place, key, asked.operation.part().map(|part| part.id));
            asked.waits_for = Some(place.clone());
            // A turn at a cell is over with the wait for something else.
            asked.granted = false;
        }
        self.gauge(cx, program, 0, 1);
        if let Some(patience) = program.store(self.me).and_then(|def| def.lock_timeout) {
            self.alarm(cx, key, patience);
        }
        Some(Tried::Waits)
    }

    /// Takes a cell to set it. Where it holds nothing, this waits for those who have read the whole map and must see no new key.
    fn lock_to_set(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        place: &Place,
        txn: Option<TxnId>,
    ) -> Option<Tried> {
        if self.locks.is_empty() && txn.is_none() {
            return None;
        }
        let new = new_keys(place.0);
        let spans = |holder: &TxnId| self.txns.get(holder).is_some_and(|open| open.spans.contains(&place.0));
        let spanned = self.locks.holder(&new).filter(|holder| Some(*holder) != txn && spans(holder)).is_some();
        let is_new = || cx.shared().map(place.0).get(&place.1).is_none();
        // One that it has read, and found absent, is new all the same; one that it has set was let in.
        let is_set = || txn.and_then(|txn| self.txns.get(&txn)).is_some_and(|open| open.writes.contains_key(place));
        if spanned && is_new() && !is_set() {
            let waits = self.lock(cx, program, key, &new, txn);
            if waits.is_some() {
                return waits;
            }
        }
        self.lock(cx, program, key, place, txn)
    }

    /// Takes what a condition of a serializable transaction has looked at beside its cell; nothing has changed since it did.
    fn lock_looked_at(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        looked: Looked,
        locking: Option<TxnId>,
    ) -> Option<Tried> {
        looked.into_inner().iter().find_map(|place| self.lock(cx, program, key, place, locking))
    }

    /// Ends a transaction that sets a cell which another has changed since its snapshot: the first to commit wins.
    fn refuse_stale(&mut self, cx: &mut Cx<'_>, program: &Program, txn: Option<TxnId>, place: &Place) -> Option<Tried> {
        let txn = txn.filter(|_| self.past.is_watched())?;
        let snapshot = self.txns.get(&txn)?.snapshot?;
        if !self.past.has_changed(place, snapshot) {
            return None;
        }
        self.count(cx, Counted::Conflict);
        self.end(cx, program, txn, Some(Reason::CONFLICT));
        Some(Tried::Answer(Outcome::Error(Reason::CONFLICT), Extra::None))
    }

    /// An operation has waited for a lock as long as anybody may: its transaction is over.
    fn lock_times_out(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(asked) = self.operations.get(key) else { return };
        cx.because(asked.cause);
        match asked.operation.part().map(|part| part.id) {
            Some(txn) => self.end(cx, program, txn, Some(Reason::LOCK_TIMEOUT)),
            None => {
                self.leave(cx, program, key);
                self.answer(cx, key, Outcome::Error(Reason::LOCK_TIMEOUT), Extra::None);
            }
        }
    }

    fn hold(&mut self, place: &Place, holder: TxnId) {
        self.locks.take(place.clone(), holder);
        if let Some(txn) = self.txns.get_mut(&holder) {
            txn.held.push(place.clone());
        }
    }

    /// What the operations of a transaction wait for.
    fn waits_of(&self, txn: TxnId) -> Vec<Place> {
        let waiting = self.txns.get(&txn).into_iter().flat_map(|open| &open.waiting);
        waiting.filter_map(|key| self.operations.get(*key)?.waits_for.clone()).collect()
    }

    /// Ends a transaction: its operations wait no more (and are answered, if there is something to say), and those next in line
    /// have what it held.
    pub(super) fn end(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId, because: Option<Reason>) {
        let Some(open) = self.txns.remove(&txn) else { return };
        let Txn { held, waiting, snapshot, idle, .. } = *open;
        if let Some(snapshot) = snapshot {
            self.past.close(snapshot);
        }
        if let Some(alarm) = idle.and_then(|idle| idle.alarm)
            && self.alarms.remove(alarm).is_some()
        {
            cx.cancel(Timer(alarm.place));
        }
        for key in waiting {
            self.leave(cx, program, key);
            match because {
                Some(reason) => self.answer(cx, key, Outcome::Error(reason), Extra::None),
                None => {
                    self.operations.remove(key);
                }
            }
        }
        for place in held {
            self.release(cx, program, &place);
        }
    }

    /// Takes an operation out of wherever it waits.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        self.disarm(cx, key);
        self.watching.retain(|other| *other != key);
        self.holding.retain(|_, held| {
            held.retain(|other| *other != key);
            !held.is_empty()
        });
        let place = self.operations.get_mut(key).and_then(|asked| asked.waits_for.take());
        if let Some(place) = place.filter(|place| self.locks.holder(place).is_some()) {
            self.locks.leave(&place, &key);
            self.gauge(cx, program, 0, -1);
        }
    }

    /// Gives a cell to the first transaction that waits for it, for all it wants there; those before it outside transactions have
    /// their turn at once.
    fn release(&mut self, cx: &mut Cx<'_>, program: &Program, place: &Place) {
        let handed = self.locks.hand_on(place);
        for key in handed.woken {
            let Some(asked) = self.operations.get_mut(key) else { continue };
            asked.waits_for = None;
            *asked.grant(place) = asked.operation.part().is_none();
            self.gauge(cx, program, 0, -1);
            self.soon(cx, key);
        }
        if let Some(next) = handed.to.and_then(|holder| self.txns.get_mut(&holder)) {
            next.held.push(place.clone());
        }
    }

    /// A rollback, or the crash of whoever ran the transaction.
    pub(super) fn forget(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId) {
        if self.txns.get(&txn).is_some_and(|open| !open.commits && open.prepared.is_none()) {
            self.count(cx, Counted::Rollback);
            self.end(cx, program, txn, None);
        }
    }

    /// An operation of a transaction is answered: from now on it waits for the next one.
    fn waits_for_more(&mut self, cx: &mut Cx<'_>, operation: &Operation) {
        let patience = self.program.store(self.me).and_then(|def| def.idle_timeout);
        let (Some(patience), Some(txn)) = (patience, operation.part().map(|part| part.id)) else { return };
        let Some(open) = self.txns.get_mut(&txn) else { return };
        let since = cx.now();
        let running = open.idle.and_then(|idle| idle.alarm);
        let alarm = running.unwrap_or_else(|| {
            let alarm = self.alarms.insert(Alarm::Idles { idles: txn });
            cx.set(Timer(alarm.place), patience);
            alarm
        });
        open.idle = Some(Idle { since, alarm: Some(alarm) });
    }

    /// Rolls a transaction back that has waited for its next operation for as long as any may, as PostgreSQL does with an
    /// `idle_in_transaction_session_timeout`. What has been asked to commit, or has promised, is not idle.
    fn idles(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId) {
        let patience = program.store(self.me).and_then(|def| def.idle_timeout);
        let is_busy = self.operations.iter().any(|asked| asked.operation.of() == Some(txn));
        let Some(open) = self.txns.get_mut(&txn) else { return };
        let (Some(idle), Some(patience)) = (&mut open.idle, patience) else { return };
        idle.alarm = None;
        if is_busy || open.commits || open.prepared.is_some() {
            return;
        }
        let over = idle.since + patience;
        if over > cx.now() {
            let alarm = self.alarms.insert(Alarm::Idles { idles: txn });
            cx.set(Timer(alarm.place), over.since(cx.now()));
            idle.alarm = Some(alarm);
            return;
        }
        self.forget(cx, program, txn);
    }

    fn commit(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId, facts: &[FactChange]) -> Tried {
        let Some(open) = self.txns.get_mut(&txn) else {
            return match cx.shared().session(self.me, txn) {
                // A copy: the first one is answered, now or once it is durable.
                Some(Session { life, committed: Some(_), .. }) if life == cx.life() => Tried::Gone,
                // What a former life has done.
                Some(Session { committed: Some(_), .. }) => Tried::Answer(Outcome::Ok(Value::Null), Extra::None),
                // The store has been down in between, or chose this one to break a deadlock.
                Some(_) | None => Tried::Answer(Outcome::Error(Reason::UNDONE), Extra::None),
            };
        };
        if self.journal.is_none() {
            cx.shared_mut().has_committed(self.me, txn, 0);
        }
        let writes = std::mem::take(&mut open.writes);
        self.apply(cx, program, writes, facts);
        self.end(cx, program, txn, None);
        Tried::Answer(Outcome::Ok(Value::Null), Extra::None)
    }

    /// Makes what a transaction has set what stands there, and its facts, all as one change.
    pub(super) fn apply(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        writes: BTreeMap<Place, Write>,
        facts: &[FactChange],
    ) {
        let now = cx.now();
        self.tell(cx, Note::Apart);
        for ((map, key), Write { value, version, kept, .. }) in writes {
            self.touches(cx, map, &key);
            let cells = cx.shared_mut().map_mut(map);
            match kept.and_then(|(step, kept)| Some((Self::once_of(program, step)?, kept))) {
                Some((once, Kept { outcome, ended })) => {
                    cells.once_end(&key, once, &outcome, ended, now);
                }
                None => cells.set_at_version(&key, value, version, now),
            }
            self.changed(cx, program, map, &key);
        }
        for (fact, key, times) in facts {
            self.tell(cx, Note::Fact(*fact, key.clone(), *times));
        }
        self.tell(cx, Note::Together);
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
        let Some(def) = Self::once_of(program, reference) else {
            return Tried::Answer(Outcome::Error(Reason::REFUSED), Extra::None);
        };
        let place = (def.map, at.clone());
        if let Some(waits) = self.lock_to_set(cx, program, key, &place, txn) {
            return waits;
        }
        if let Some(refused) = self.refuse_stale(cx, program, txn, &place) {
            return refused;
        }
        let now = cx.now();
        let admission = match txn {
            Some(txn) => self.admission_inside(cx, txn, def, &place),
            None => {
                self.touches(cx, def.map, at);
                cx.shared_mut().map_mut(def.map).once_begin(at, def, now)
            }
        };
        match admission {
            Admission::Run => {
                if txn.is_none() {
                    self.changed(cx, program, def.map, at);
                }
                Tried::Answer(Outcome::Ok(at.clone()), Extra::Run)
            }
            Admission::RunToo => Tried::Answer(Outcome::Ok(at.clone()), Extra::Run),
            Admission::Replay(kept) => Tried::Answer(kept.outcome, Extra::Replayed { ended: kept.ended }),
            Admission::InFlight => Tried::Answer(Outcome::Error(Reason::IN_FLIGHT), Extra::None),
            Admission::Hold(until) => {
                self.holding.entry(place).or_default().push(key);
                self.alarm(cx, key, until.since(now));
                Tried::Waits
            }
        }
    }

    /// Inside a transaction the lock keeps others off the key, and its marks commit with the rest.
    fn admission_inside(&mut self, cx: &Cx<'_>, txn: TxnId, def: &OnceDef, place: &Place) -> Admission {
        let Some(open) = self.txns.get_mut(&txn) else { return Admission::InFlight };
        let before = cx.shared().map(def.map).get(&place.1);
        let seen = open.writes.get(place).map(|write| Cell {
            value: write.value.clone(),
            version: write.version,
            set_at: write.at,
            kept: write.kept.clone().map(|(_, kept)| Box::new(kept)),
        });
        let version = seen.as_ref().or(before).map_or(0, |cell| cell.version);
        let admission = match &seen {
            Some(own) => shelf::admission(Some(own).filter(|cell| !cell.value.is_null()), def, cx.now()),
            None => shelf::admission(before, def, cx.now()),
        };
        if admission == Admission::Run {
            let write = Write { value: shelf::running(), version: version + 1, at: cx.now(), kept: None };
            open.writes.insert(place.clone(), write);
        }
        admission
    }

    /// Notes what came of a `once`. It waits for no lock: the mark that it runs is one already, and a transaction that has the
    /// cell may be waiting for this.
    fn once_end(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        reference: StepRef,
        at: &Value,
        kept: Kept,
        txn: Option<TxnId>,
    ) -> Tried {
        let Some(once) = Self::once_of(program, reference) else {
            return Tried::Answer(Outcome::Error(Reason::REFUSED), Extra::None);
        };
        let (now, place) = (cx.now(), (once.map, at.clone()));
        if let Some(open) = txn.and_then(|txn| self.txns.get_mut(&txn)) {
            if let Some(value) = shelf::mark(once, &kept.outcome) {
                let version = open.writes.get(&place).map_or(0, |write| write.version) + 1;
                open.writes.insert(place, Write { value, version, at: now, kept: Some((reference, kept)) });
            }
            return Tried::Answer(Outcome::Ok(Value::Null), Extra::None);
        }
        self.touches(cx, once.map, at);
        if cx.shared_mut().map_mut(once.map).once_end(at, once, &kept.outcome, kept.ended, now) {
            self.changed(cx, program, once.map, at);
            for waiting in self.holding.remove(&place).unwrap_or_default() {
                self.soon(cx, waiting);
            }
        }
        Tried::Answer(Outcome::Ok(Value::Null), Extra::None)
    }

    fn alarm_rings(&mut self, cx: &mut Cx<'_>, program: &Program, timer: Timer) {
        let key = match self.alarms.at(timer.0).and_then(|alarm| self.alarms.remove(alarm)) {
            Some(Alarm::Operation(key)) => key,
            Some(Alarm::Asks { asks }) => return self.asks(cx, program, asks),
            Some(Alarm::Doubts { doubts }) => return self.doubts(cx, program, doubts),
            Some(Alarm::Idles { idles }) => return self.idles(cx, program, idles),
            Some(Alarm::Recovers { recovers: true }) => {
                if let Some(journal) = &mut self.journal {
                    journal.recover();
                }
                return;
            }
            Some(Alarm::Recovers { recovers: false }) => return self.pays(cx, program),
            None => return,
        };
        if let Some(asked) = self.operations.get_mut(key) {
            asked.alarm = None;
            if asked.waits_for.is_some() {
                return self.lock_times_out(cx, program, key);
            }
        }
        if !self.holding.is_empty() {
            self.holding.retain(|_, held| {
                held.retain(|other| *other != key);
                !held.is_empty()
            });
        }
        self.ready.push_back(key);
    }
}

impl Actor<Msg> for Store {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Cx<'_>) {
        let program = self.program.clone();
        let program = &*program;
        let Some(def) = program.store(self.me) else { return };
        if self.cache.is_some() {
            self.expire(cx, program);
        }
        match event {
            Event::Start(files) => {
                self.start(cx, program, def, &files);
                self.find_cells(cx, program);
            }
            Event::Timer(EXPIRY) if self.cache.is_some() => self.expiry_rings(),
            Event::Message { from, msg } => self.receive(cx, program, from, msg),
            Event::Timer(timer) => self.alarm_rings(cx, program, timer),
            // Whoever ran a transaction has crashed: its machine closed the connection.
            Event::Reset { msg: Msg::Rollback { txn, .. }, .. } => self.forget(cx, program, txn),
            // Or has crashed before it heard that an operation of its opened one here.
            Event::Refused { msg: Msg::Answer { open: Some(txn), .. }, .. }
            | Event::Reset { msg: Msg::Answer { open: Some(txn), .. }, .. } => self.forget(cx, program, txn),
            Event::Stop { .. } => cx.exit(),
            Event::Synced(_, done) => self.synced(cx, program, done),
            Event::Reset { .. } | Event::Refused { .. } => {}
        }
        self.go_on(cx, program, def);
        self.set_expiry(cx);
        if let Some(number) = self.journal.as_mut().and_then(|journal| journal.begin_sync()) {
            cx.sync(Sync(number));
        }
    }

    fn unanswered(&self) -> Vec<Unanswered<Msg>> {
        let bare = |asked: &Asked| Msg::Ask { id: asked.id, kind: asked.kind, operation: asked.operation.clone() };
        let owed = |asked: &Asked| Unanswered { from: asked.from, msg: bare(asked), cause: asked.cause };
        self.operations.iter().filter(|asked| asked.operation.is_answered()).map(owed).collect()
    }
}
