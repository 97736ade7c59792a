//! A store that writes to its disk: each change is a record, which is answered once it is durable, taken back where the disk has not kept it,
//! and read again at a start. What a record is, is told [there](super::journal).

use std::sync::Arc;

use sim_core::{DiskError, Duration, Files, Timer};

use super::journal::{FILE, Found, Held, TakenBack};
use super::store::{Alarm, Cx, Store};
use crate::message::{Extra, FactChange, Note, Operation, Outcome, TxnId};
use crate::program::{Durable, MapRef, Program, Reason, Template, Verb};
use crate::slab::Key;
use crate::value::Value;

/// The transaction that an operation commits, if several stores have agreed on it.
fn agreed_commit(operation: &Operation) -> Option<TxnId> {
    match operation {
        Operation::Decide { txn, decision, .. } if decision.commits() => Some(*txn),
        _ => None,
    }
}

/// How long after a sync that failed what a start has found is made durable again, and how often a full disk is tried.
const RECOVERS: Duration = Duration::from_secs(1);

impl Store {
    /// A cell is about to be set outside of what a transaction will set.
    #[inline]
    pub(super) fn touches(&mut self, cx: &Cx<'_>, map: MapRef, key: &Value) {
        if self.past.is_watched() {
            self.past.keep((map, key.clone()), cx.shared().map(map).get(key).cloned());
        }
        if let Some(journal) = &mut self.journal {
            journal.touches((map, key.clone()), cx.shared().map(map).get(key).cloned());
        }
    }

    /// Writes what an operation has changed, and answers it: now, or once that is durable.
    pub(super) fn write_down(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        (key, operation): (Key, &Operation),
        (facts, waits): (Option<&[FactChange]>, bool),
        outcome: Outcome,
        extra: Extra,
    ) {
        let Some(journal) = &mut self.journal else { return };
        let Some(change) = journal.change(cx.shared(), facts.unwrap_or_default()) else {
            journal.forget_touched();
            if self.sees_unsynced(program, operation)
                && let Some(journal) = &mut self.journal
            {
                return journal.hold_read(key, outcome, extra);
            }
            if let Some(txn) = operation.commits().filter(|_| facts.is_some()) {
                cx.shared_mut().has_committed(self.me, txn, 0);
            }
            self.completed(cx, program, key, true);
            return self.answer(cx, key, outcome, extra);
        };
        if !cx.has_room() {
            return self.finds_no_room(cx, program, key);
        }
        cx.append(FILE, journal.written(change));
        if let Some(txn) = operation.commits() {
            cx.shared_mut().has_committed(self.me, txn, journal.last());
        }
        match journal.durable {
            Durable::Synced if waits => journal.hold(key, outcome, extra),
            Durable::Synced | Durable::Written => {
                journal.forget_touched();
                let notes = journal.take_notes();
                let last = journal.last();
                cx.shared_mut().tell(self.me, last);
                self.tells_kept(cx, agreed_commit(operation), notes);
                self.completed(cx, program, key, true);
                self.answer(cx, key, outcome, extra);
            }
        }
    }

    /// Nothing takes an operation any more: the judge is told of it. Of what several stores have agreed on the facts happen with the first.
    fn tells_kept(&self, cx: &mut Cx<'_>, agreed: Option<TxnId>, mut notes: Vec<Note>) {
        let agreed = agreed.filter(|_| !notes.is_empty());
        let facts = agreed.map_or_else(Arc::default, |txn| cx.shared_mut().take_due(txn));
        let together = if facts.is_empty() { None } else { notes.pop() };
        let facts = facts.iter().map(|(fact, key, times)| Note::Fact(*fact, key.clone(), *times));
        notes.into_iter().chain(facts).chain(together).for_each(|note| cx.note(note));
    }

    /// The disk is full: the operation is taken back at once, as nothing of it is in the file.
    fn finds_no_room(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(journal) = &mut self.journal else { return };
        if self.past.is_watched() {
            for (map, key) in journal.touched() {
                self.past.keep((*map, key.clone()), cx.shared().map(*map).get(key).cloned());
            }
        }
        journal.undo_touched(cx.shared_mut());
        self.is_taken_back(cx, program, key);
        self.wake(cx);
    }

    /// Nothing has come of an operation: what hangs on it is as before, and it is answered.
    fn is_taken_back(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        self.completed(cx, program, key, false);
        self.answer_because(cx, key, Outcome::Error(Reason::DISK), Extra::None);
    }

    /// Whether an operation may have seen a change that is not durable, and could be taken back when it has told of it.
    fn sees_unsynced(&self, program: &Program, operation: &Operation) -> bool {
        let Some(journal) = self.journal.as_ref().filter(|journal| journal.durable == Durable::Synced) else {
            return false;
        };
        let (of, at, alone) = match operation {
            Operation::Step { step, key, .. } => match &program.step(*step).verb {
                Verb::Read { map, when, .. } => (*map, Some(key), when.is_none()),
                Verb::List { map, filter, .. } => (*map, None, filter.is_none()),
                Verb::Set { map, to, condition, .. } => {
                    (*map, Some(key), condition.is_none() && matches!(to, Template::Constant(_)))
                }
                _ => return false,
            },
            Operation::OnceBegin { step, key, .. } => match Self::once_of(program, *step) {
                Some(once) => (once.map, Some(key), true),
                None => return false,
            },
            Operation::OnceEnd { .. }
            | Operation::Commit { .. }
            | Operation::Prepare { .. }
            | Operation::Precommit { .. }
            | Operation::Decide { .. }
            | Operation::Recover
            | Operation::Forget { .. } => return false,
        };
        // A formula may look at any map of this store.
        journal.unsynced().any(|(map, key)| !alone || (*map == of && at.is_none_or(|at| at == key)))
    }

    /// The disk has made durable what was written, and those who wait for that are answered; or it has not, and the change and all
    /// that came after it are taken back.
    pub(super) fn synced(&mut self, cx: &mut Cx<'_>, program: &Program, done: Result<(), DiskError>) {
        let Some(journal) = &mut self.journal else { return };
        if journal.recovers() {
            if done.is_ok() {
                let found = journal.recovered();
                self.tells_found(cx, program, found);
            } else {
                self.tries_again_later(cx, Alarm::Recovers { recovers: true });
            }
        }
        let Some(journal) = &mut self.journal else { return };
        if done.is_ok() || journal.durable == Durable::Written {
            for held in journal.synced() {
                cx.shared_mut().tell(self.me, held.number);
                let agreed = self.operations.get(held.key).and_then(|asked| agreed_commit(&asked.operation));
                self.tells_kept(cx, agreed, held.notes);
                self.completed(cx, program, held.key, true);
                self.answer_because(cx, held.key, held.outcome, held.extra);
            }
            return;
        }
        if self.past.is_watched() {
            for (map, key) in journal.unsynced() {
                self.past.keep((*map, key.clone()), cx.shared().map(*map).get(key).cloned());
            }
        }
        let waiting: Vec<Key> = journal.waiting().collect();
        let operations = waiting.into_iter().filter_map(|key| self.operations.get(key));
        let before = operations.filter_map(|asked| self.stood(cx, &asked.operation)).collect();
        let Some(journal) = &mut self.journal else { return };
        let Some(taken_back) = journal.take_back(cx.shared_mut(), before) else { return };
        if cx.has_room() {
            return self.tells_of(cx, program, taken_back);
        }
        journal.owe(taken_back);
        self.tries_again_later(cx, Alarm::Recovers { recovers: false });
    }

    fn tries_again_later(&mut self, cx: &mut Cx<'_>, alarm: Alarm) {
        let alarm = self.alarms.insert(alarm);
        cx.set(Timer(alarm.place), RECOVERS);
    }

    /// Writes down that something was taken back, and tells those whose it was: a crash brings it back no more.
    fn tells_of(&mut self, cx: &mut Cx<'_>, program: &Program, TakenBack { record, held }: TakenBack) {
        cx.append(FILE, record);
        for Held { key, .. } in held {
            self.is_taken_back(cx, program, key);
        }
        self.wake(cx);
    }

    /// A disk that was full as something was to be taken back may have room by now.
    pub(super) fn pays(&mut self, cx: &mut Cx<'_>, program: &Program) {
        if !cx.has_room() {
            return self.tries_again_later(cx, Alarm::Recovers { recovers: false });
        }
        if let Some(taken_back) = self.journal.as_mut().and_then(|journal| journal.pay()) {
            self.tells_of(cx, program, taken_back);
        }
    }

    /// Whether something of a transaction waits for the disk: nothing is said twice of what may not be kept.
    pub(super) fn waits_to_be_kept(&self, txn: TxnId) -> bool {
        let operation = |key| self.operations.get(key).map(|asked| &asked.operation);
        let mut waiting = self.journal.iter().flat_map(|journal| journal.waiting());
        waiting.any(|key| operation(key).is_some_and(|operation| operation.of() == Some(txn)))
    }

    fn answer_because(&mut self, cx: &mut Cx<'_>, key: Key, outcome: Outcome, extra: Extra) {
        if let Some(asked) = self.operations.get(key) {
            cx.because(asked.cause);
            self.answer(cx, key, outcome, extra);
        }
    }

    /// Makes the maps what the disk has of them. What was torn, or is known to have rotted, is as if it had never been written.
    pub(super) fn read_again(&mut self, cx: &mut Cx<'_>, program: &Program, files: &Files) {
        let Some(journal) = &mut self.journal else { return };
        journal.unreadable = !files.is_readable();
        if journal.unreadable {
            return;
        }
        let maps = &program.node(self.me).maps;
        let read = journal.read(files, maps, cx.shared().told(self.me));
        let marks = read.marks();
        let Found { maps: found, facts, promises, settled, numbers, is_holed } = read;
        if cx.life() > 1 && !files.is_synced() {
            journal.recover();
        }
        if cx.life() == 1 && !is_holed {
            // It is what the file says, as everybody knows.
            return cx.shared_mut().tell(self.me, journal.last());
        }
        cx.shared_mut().keep_committed(self.me, |number| number == 0 || numbers.contains(&number));
        // A full disk leaves the file as it is, for the next start to make the same of it.
        if is_holed && cx.has_room() {
            let whole = journal.snapshot(found.iter().map(|(map, cells)| (*map, cells)), facts.clone(), marks);
            cx.replace(FILE, whole);
            cx.shared_mut().committed_by(self.me, journal.last());
        }
        let recovers = journal.recovers();
        self.reads_promises(cx, promises, settled);
        self.keeps_promises(cx, program);
        let mut notes = Vec::new();
        for (map, cells) in found {
            let watched = program.map(map).watched;
            let known = cx.shared().map(map).iter().chain(cells.iter());
            let keys = known.map(|(key, _)| key).filter(|_| watched).collect();
            *cx.shared_mut().map_mut(map) = cells;
            for key in cx.shared_mut().unseen(map, keys) {
                let value = cx.shared().map(map).value(&key);
                notes.push(Note::Cell { map, key, value });
            }
        }
        notes.extend(facts.into_iter().map(|(fact, key, times)| Note::Fact(fact, key, times)));
        match &mut self.journal {
            Some(journal) if recovers => journal.finds(notes),
            Some(_) | None => self.tells_found(cx, program, notes),
        }
    }

    /// Nothing takes what a start has found any more: the judge is told of it, and of what was decided and is done here first.
    fn tells_found(&mut self, cx: &mut Cx<'_>, program: &Program, notes: Vec<Note>) {
        let Some(journal) = &self.journal else { return };
        cx.shared_mut().tell(self.me, journal.last());
        program.node(self.me).maps.iter().for_each(|map| cx.shared_mut().is_seen(*map));
        let mut agreed = Vec::new();
        for (txn, settled) in cx.shared().settled_of(self.me) {
            if settled.is_heuristic() {
                self.counts_alone(cx, txn);
            }
            if settled.is_commit() {
                agreed.push(cx.shared_mut().take_due(txn));
            }
        }
        let agreed = agreed.iter().flat_map(|facts| facts.iter());
        let agreed = agreed.map(|(fact, key, times)| Note::Fact(*fact, key.clone(), *times));
        let whole = [Note::Apart].into_iter().chain(notes).chain(agreed).chain([Note::Together]);
        whole.for_each(|note| cx.note(note));
    }
}
