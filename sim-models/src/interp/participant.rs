//! A store that takes part in a transaction over several: it promises, keeps its locks, and waits to hear, asks, or decides alone.
//!
//! A promise is a forced record: on the disk of a store that writes to one, else on the shelves, which no crash takes. It and the decision
//! take the store's time of a commit each.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use sim_core::{Cause, Duration, NodeId, Timer};

use super::journal::Mark;
use super::store::{Alarm, Asked, Cx, Store, Tried, Txn};
use crate::message::{CallId, Counted, Decision, Extra, Msg, Note, Operation, Outcome, Standing, TxnId};
use crate::program::{Heuristic, Presume, Program, Protocol, ProtocolDef, Reason, StepRef};
use crate::shelf::{Promise, Settled};
use crate::slab::Key;
use crate::value::Value;

/// Mixed into what a participant asks, with how often it did.
const ASKS: u64 = 0x6173_6b73_0000_0000;

/// A transaction that was promised.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Promised {
    step: StepRef,
    members: Arc<[NodeId]>,
    cause: Cause,
    /// Whether all are known to have promised (of three phases).
    precommitted: bool,
    /// What it was told is decided and its disk has not kept: if it comes to decide itself, it is that.
    #[serde(skip)]
    knows: Option<Decision>,
    /// Whether a decision is on its way to the disk.
    deciding: bool,
    /// Whether it has told another participant how it stands: from then on that one decides, and not the coordinator.
    frozen: bool,
    /// Whether this process was not there when it was promised.
    recovered: bool,
    /// How often it has asked, and what others have said since.
    asked: u32,
    heard: Vec<(NodeId, Standing)>,
    /// The timers of the next question and of the end of its patience.
    asks: Option<Key>,
    doubts: Option<Key>,
}

impl Promised {
    fn of(promise: &Promise, recovered: bool) -> Self {
        let Promise { step, ref members, cause, precommitted, .. } = *promise;
        let (deciding, frozen, asked, heard) = (false, false, 0, Vec::new());
        let members = members.clone();
        let (asks, doubts, knows) = (None, None, None);
        Promised { step, members, cause, precommitted, knows, deciding, frozen, recovered, asked, heard, asks, doubts }
    }
}

fn protocol(program: &Program, step: StepRef) -> Option<&ProtocolDef> {
    program.step(step).protocol()
}

/// What a store remembers of a decision: what others may ask for, and what its coordinator must learn.
fn remembered(def: &ProtocolDef, decision: Decision) -> Option<Settled> {
    match decision {
        Decision::Commit => remembers(def).then_some(Settled::Committed),
        Decision::Abort => None,
        Decision::Alone => Some(Settled::Alone),
        Decision::AloneCommit => Some(Settled::AloneCommit),
    }
}

/// Whether commits are remembered, as other stores may ask.
fn remembers(def: &ProtocolDef) -> bool {
    matches!(def.protocol, Protocol::Cooperative | Protocol::ThreePhase)
}

/// What a coordinator asks.
impl Store {
    fn log(&self, cx: &mut Cx<'_>, forced: bool) {
        self.count(cx, Counted::Logged);
        if forced {
            self.count(cx, Counted::Forced);
        }
    }

    fn mark(&mut self, txn: TxnId, mark: Mark) {
        if let Some(journal) = &mut self.journal {
            journal.marks(txn, mark);
        }
    }

    /// Promises a transaction: from here on it may neither commit nor abort by itself. Asked again, it says the same.
    pub(super) fn prepare(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        txn: TxnId,
        step: StepRef,
        members: &Arc<[NodeId]>,
    ) -> Tried {
        let vote = |outcome| Tried::Answer(outcome, Extra::None);
        let Some(def) = protocol(program, step) else { return vote(Outcome::Error(Reason::REFUSED)) };
        match cx.shared().settled(self.me, txn) {
            Some(Settled::Committed | Settled::AloneCommit) => return vote(Outcome::Ok(Value::Null)),
            Some(Settled::Alone) => return vote(Outcome::Error(Reason::UNDONE)),
            None => {}
        }
        let Some(open) = self.txns.get(&txn) else {
            // The store has been down in between, or chose this one to break a deadlock.
            return vote(Outcome::Error(Reason::UNDONE));
        };
        if open.prepared.is_some() {
            // Whoever asks again has its answer from the first time, once that is durable.
            return if self.waits_to_be_kept(txn) { Tried::Gone } else { vote(Outcome::Ok(Value::Null)) };
        }
        // Its coordinator waits for no other operation any more.
        for key in open.waiting.clone() {
            self.leave(cx, program, key);
            self.operations.remove(key);
        }
        let Some(open) = self.txns.get_mut(&txn) else { return vote(Outcome::Error(Reason::UNDONE)) };
        open.waiting.clear();
        let asks_others = matches!(def.protocol, Protocol::Cooperative | Protocol::ThreePhase);
        if open.writes.is_empty() && def.presume != Presume::Nothing && !asks_others {
            self.end(cx, program, txn, None);
            return Tried::Answer(Outcome::Ok(Value::Null), Extra::ReadOnly);
        }
        let writes = open.writes.iter().map(|(place, write)| (place.clone(), write.clone())).collect();
        let (held, members, cause) = (open.held.clone(), members.clone(), cx.cause());
        let promise = Promise { step, members, cause, writes, held, precommitted: false };
        open.prepared = Some(Box::new(Promised::of(&promise, false)));
        if self.journal.is_some() {
            self.mark(txn, Mark::Promised(Box::new(promise.clone())));
        }
        cx.shared_mut().promise(self.me, txn, promise);
        self.log(cx, true);
        cx.note(Note::InDoubt { node: self.me, by: 1 });
        self.watch(cx, txn, def);
        vote(Outcome::Ok(Value::Null))
    }

    /// Sets the timers of a promise.
    fn watch(&mut self, cx: &mut Cx<'_>, txn: TxnId, def: &ProtocolDef) {
        let mut set = |after, alarm| {
            let key = self.alarms.insert(alarm);
            cx.set(Timer(key.place), after);
            key
        };
        // Participants of XA wait to be asked.
        let asks = (def.protocol != Protocol::Xa).then(|| set(def.resend, Alarm::Asks { asks: txn }));
        let doubts = def.in_doubt.map(|patience| set(patience, Alarm::Doubts { doubts: txn }));
        if let Some(promised) = self.promised(txn) {
            (promised.asks, promised.doubts) = (asks, doubts);
        }
    }

    fn promised(&mut self, txn: TxnId) -> Option<&mut Promised> {
        self.txns.get_mut(&txn)?.prepared.as_deref_mut()
    }

    /// All have promised.
    pub(super) fn precommit(&mut self, cx: &mut Cx<'_>, txn: TxnId) -> Tried {
        let me = self.me;
        let is_committed = cx.shared().settled(me, txn) == Some(Settled::Committed);
        let is_noted = cx.shared().promised(me, txn).is_some_and(|promise| promise.precommitted);
        match self.promised(txn) {
            None if is_committed => return Tried::Answer(Outcome::Ok(Value::Null), Extra::None),
            None => return Tried::Answer(Outcome::Error(Reason::UNDONE), Extra::None),
            // It has told others how it stands, and is bound by what they make of it.
            Some(promised) if promised.frozen || promised.deciding => return Tried::Gone,
            Some(_) if is_noted => {
                if self.waits_to_be_kept(txn) {
                    return Tried::Gone;
                }
            }
            Some(promised) => {
                promised.precommitted = true;
                if let Some(promise) = cx.shared_mut().promised_mut(me, txn) {
                    promise.precommitted = true;
                }
                self.mark(txn, Mark::Precommitted);
                self.log(cx, true);
            }
        }
        Tried::Answer(Outcome::Ok(Value::Null), Extra::None)
    }

    /// It is decided what becomes of a transaction; [`completed`](Self::completed) ends it once that is durable.
    pub(super) fn decided(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        txn: TxnId,
        step: StepRef,
        decision: Decision,
    ) -> Tried {
        let told = |extra| Tried::Answer(Outcome::Ok(Value::Null), extra);
        let Some(def) = protocol(program, step) else { return told(Extra::None) };
        match (cx.shared().settled(self.me, txn), decision) {
            (Some(Settled::Alone), Decision::Commit)
            | (Some(Settled::Committed | Settled::AloneCommit), Decision::Abort) => {
                return told(Extra::Mixed);
            }
            (Some(Settled::Alone), Decision::Abort) | (Some(Settled::AloneCommit), Decision::Commit) => {
                self.mark(txn, Mark::Settled(None));
                return told(Extra::None);
            }
            (Some(_), _) => return told(Extra::None),
            (None, _) => {}
        }
        let Some(open) = self.txns.get_mut(&txn) else {
            // Decided before and forgotten; where commits are remembered, this one was aborted.
            let is_otherwise = remembers(def) && decision == Decision::Commit;
            // Nothing is lost by a process that has been there from the beginning, or has done it, nor where there is no disk.
            let is_known = cx.shared().session(self.me, txn).is_some_and(|session| session.last == cx.life());
            let may_be_lost = decision == Decision::Commit && self.journal.is_some() && cx.life() > 1 && !is_known;
            return told(match (is_otherwise, may_be_lost) {
                (true, _) => Extra::Mixed,
                (false, true) => Extra::NotKnown,
                (false, false) => Extra::None,
            });
        };
        let Some(promised) = &mut open.prepared else {
            if !decision.commits() {
                self.forget(cx, program, txn);
                return told(Extra::None);
            }
            return Tried::Answer(Outcome::Error(Reason::UNDONE), Extra::None);
        };
        if std::mem::replace(&mut promised.deciding, true) {
            return Tried::Gone;
        }
        let commits = decision.commits();
        let writes = match commits {
            false => Default::default(),
            // A disk that does not keep the decision leaves the promise as it was.
            true if self.journal.is_some() => open.writes.clone(),
            true => std::mem::take(&mut open.writes),
        };
        let cause = promised.cause;
        if decision.is_heuristic() {
            cx.shared_mut().decides_alone(self.me, txn, step, cause);
        }
        self.mark(txn, Mark::Settled(remembered(def, decision)));
        self.log(cx, self.is_forced(def, decision));
        if commits {
            // Where the judge is told only of what is durable, that is when they happen.
            let holds_back = self.journal.as_ref().is_some_and(|journal| journal.holds_back());
            let facts = if holds_back { Arc::default() } else { cx.shared_mut().take_due(txn) };
            self.apply(cx, program, writes, &facts);
        } else {
            self.count(cx, Counted::Rollback);
        }
        told(Extra::None)
    }

    fn is_forced(&self, def: &ProtocolDef, decision: Decision) -> bool {
        match decision {
            Decision::Commit => def.presume.is_forced(true),
            // Nobody asks after it once it is acknowledged (PostgreSQL flushes a `ROLLBACK PREPARED` for that reason).
            Decision::Abort => def.presume.is_forced(false) || def.protocol == Protocol::Xa,
            Decision::Alone | Decision::AloneCommit => true,
        }
    }

    /// Whether the answer to this operation waits until its record is durable.
    pub(super) fn waits_for_disk(&self, program: &Program, operation: &Operation) -> bool {
        match operation {
            Operation::Decide { step, decision, .. } => {
                protocol(program, *step).is_none_or(|def| self.is_forced(def, *decision))
            }
            _ => true,
        }
    }

    /// An operation about a transaction with a protocol has been done, and is durable if it must be; or the disk has not kept it.
    pub(super) fn completed(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, kept: bool) {
        let Some(operation) = self.operations.get(key).map(|asked| &asked.operation) else { return };
        match *operation {
            Operation::Prepare { txn, .. } if !kept => self.promised_in_vain(cx, program, txn),
            // That all have promised it knows all the same; another life may not.
            Operation::Precommit { txn, .. } if !kept => {
                if let Some(promise) = cx.shared_mut().promised_mut(self.me, txn) {
                    promise.precommitted = false;
                }
            }
            Operation::Decide { txn, step, decision, .. } if kept => self.settled(cx, program, (txn, step), decision),
            Operation::Decide { txn, decision, .. } => self.decided_in_vain(cx, program, txn, decision),
            _ => {}
        }
    }

    /// How a transaction stood before an operation that the disk has not kept, as its record is to say.
    pub(super) fn stood(&self, cx: &Cx<'_>, operation: &Operation) -> Option<(TxnId, Mark)> {
        let promised = |txn| cx.shared().promised(self.me, txn).cloned();
        match *operation {
            Operation::Prepare { txn, .. } => promised(txn).map(|_| (txn, Mark::Settled(None))),
            Operation::Precommit { txn, .. } => {
                let before = Promise { precommitted: false, ..promised(txn)? };
                Some((txn, Mark::Promised(Box::new(before))))
            }
            Operation::Decide { txn, .. } => {
                let alone = || cx.shared().settled(self.me, txn).map(|settled| Mark::Settled(Some(settled)));
                promised(txn).map(|promise| Mark::Promised(Box::new(promise))).or_else(alone).map(|mark| (txn, mark))
            }
            Operation::Step { .. }
            | Operation::OnceBegin { .. }
            | Operation::OnceEnd { .. }
            | Operation::Commit { .. }
            | Operation::Recover
            | Operation::Forget { .. } => None,
        }
    }

    /// The disk has not kept a promise, so that it is none.
    fn promised_in_vain(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId) {
        if self.promised(txn).is_some() {
            self.unpromise(cx, txn);
            self.count(cx, Counted::Rollback);
            self.end(cx, program, txn, None);
        }
    }

    /// The disk has not kept a decision: the promise stands.
    fn decided_in_vain(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId, decision: Decision) {
        let Some(promised) = self.promised(txn).filter(|promised| promised.deciding) else { return };
        promised.deciding = false;
        promised.knows = Some(decision).filter(|decision| !decision.is_heuristic());
        let (step, waits) = (promised.step, promised.asks.is_some());
        let Some(def) = protocol(program, step) else { return };
        match decision {
            // It has lost its patience, and says so again.
            Decision::Alone | Decision::AloneCommit => self.doubts_after(cx, txn, def.resend),
            // Who asks nobody is told until it has acknowledged.
            Decision::Commit | Decision::Abort if def.protocol == Protocol::Xa || waits => {}
            Decision::Commit | Decision::Abort => self.asks_after(cx, txn, def.resend),
        }
    }

    fn asks_after(&mut self, cx: &mut Cx<'_>, txn: TxnId, pause: Duration) {
        let key = self.alarms.insert(Alarm::Asks { asks: txn });
        cx.set(Timer(key.place), pause);
        if let Some(promised) = self.promised(txn) {
            promised.asks = Some(key);
        }
    }

    fn doubts_after(&mut self, cx: &mut Cx<'_>, txn: TxnId, patience: Duration) {
        let key = self.alarms.insert(Alarm::Doubts { doubts: txn });
        cx.set(Timer(key.place), patience);
        if let Some(promised) = self.promised(txn) {
            promised.doubts = Some(key);
        }
    }

    /// It hears of a decision that it has taken alone: it need not remember that.
    fn agrees_with_the_others(&self, cx: &mut Cx<'_>, txn: TxnId, decision: Decision) {
        let alone = cx.shared().settled(self.me, txn);
        if matches!(
            (alone, decision),
            (Some(Settled::Alone), Decision::Abort) | (Some(Settled::AloneCommit), Decision::Commit)
        ) {
            cx.shared_mut().settle(self.me, txn, None);
        }
    }

    fn settled(&mut self, cx: &mut Cx<'_>, program: &Program, (txn, step): (TxnId, StepRef), decision: Decision) {
        if self.promised(txn).is_none_or(|promised| !promised.deciding) {
            return self.agrees_with_the_others(cx, txn, decision);
        }
        let remembered = protocol(program, step).and_then(|def| remembered(def, decision));
        if decision.is_heuristic() {
            self.counts_alone(cx, txn);
        }
        self.unpromise(cx, txn);
        let life = cx.life();
        cx.shared_mut().has_settled(self.me, txn, life);
        cx.shared_mut().settle(self.me, txn, remembered);
        self.end(cx, program, txn, None);
    }

    /// A decision of this store alone is durable: it counts, once.
    pub(super) fn counts_alone(&self, cx: &mut Cx<'_>, txn: TxnId) {
        if cx.shared_mut().counts_alone(self.me, txn) {
            self.count(cx, Counted::Heuristic);
        }
    }

    /// A promise is no more.
    fn unpromise(&mut self, cx: &mut Cx<'_>, txn: TxnId) {
        let alarms = self.promised(txn).map(|promised| [promised.asks.take(), promised.doubts.take()]);
        for alarm in alarms.into_iter().flatten().flatten() {
            if self.alarms.remove(alarm).is_some() {
                cx.cancel(Timer(alarm.place));
            }
        }
        cx.shared_mut().unpromise(self.me, txn);
        cx.note(Note::InDoubt { node: self.me, by: -1 });
    }

    /// What is promised to a coordinator, or to any that goes by the same prefix, and not decided, or decided alone (XA's `recover`).
    pub(super) fn promises_to(&self, cx: &Cx<'_>, program: &Program, coordinator: NodeId) -> Tried {
        let promised = self.txns.iter().filter_map(|(txn, open)| {
            let promised = open.prepared.as_ref()?;
            Some((*txn, promised.step, promised.cause))
        });
        let is_named = |(txn, step, _): &(TxnId, StepRef, Cause)| {
            let shares = || protocol(program, *step).is_some_and(|def| def.shares_prefix);
            let service = |node: u32| program.replicas.get(node as usize).map(|(service, _)| *service);
            txn.node == coordinator.0 || shares() && service(txn.node) == service(coordinator.0)
        };
        let named = promised.chain(cx.shared().alone_of(self.me)).filter(is_named);
        Tried::Answer(Outcome::Ok(Value::Null), Extra::Promises(named.collect()))
    }

    /// The coordinator knows that this store has decided alone (XA's `forget`).
    pub(super) fn forgets_alone(&mut self, cx: &mut Cx<'_>, txn: TxnId) -> Tried {
        if cx.shared().settled(self.me, txn).is_some_and(Settled::is_heuristic) {
            self.mark(txn, Mark::Settled(None));
            cx.shared_mut().settle(self.me, txn, None);
        }
        Tried::Answer(Outcome::Ok(Value::Null), Extra::None)
    }
}

/// What a participant does by itself.
impl Store {
    /// It has waited long enough to ask.
    pub(super) fn asks(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId) {
        let me = cx.id();
        let Some(promised) = self.promised(txn) else { return };
        promised.asks = None;
        let (step, cause, deciding) = (promised.step, promised.cause, promised.deciding);
        let Some(def) = protocol(program, step) else { return };
        promised.asked += 1;
        cx.because(cause.then(ASKS | u64::from(promised.asked)));
        let peers: Vec<NodeId> = promised.members.iter().copied().filter(|member| *member != me).collect();
        if def.protocol == Protocol::ThreePhase && promised.asked > 1 && !deciding {
            let all_heard = promised.heard.len() == peers.len();
            if !promised.recovered || all_heard {
                return self.decides_with_whom_it_hears(cx, txn, &peers);
            }
        }
        promised.heard.clear();
        self.asks_after(cx, txn, def.resend);
        let asks_peers = def.protocol != Protocol::TwoPhase;
        let whom = [NodeId(txn.node)].into_iter().chain(peers.into_iter().filter(|_| asks_peers));
        for to in whom {
            let (of, kind) = (cause.operation, self.kinds.inquire);
            cx.send(to, Msg::Inquire { txn, of, step, kind });
        }
    }

    /// The coordinator is taken for gone: with anybody who knows that all have promised it commits, else it aborts (Skeen's
    /// termination). Right where nobody is slower than that and no link is cut.
    fn decides_with_whom_it_hears(&mut self, cx: &mut Cx<'_>, txn: TxnId, peers: &[NodeId]) {
        let Some(promised) = self.promised(txn) else { return };
        let heard = promised.heard.iter().any(|(_, standing)| *standing == Standing::Precommitted);
        let by_rule = if promised.precommitted || heard { Decision::Commit } else { Decision::Abort };
        let decision = promised.knows.unwrap_or(by_rule);
        let (step, of) = (promised.step, promised.cause.operation);
        self.decides_itself(cx, txn, decision);
        for to in peers {
            let id = CallId { life: cx.life(), place: u32::MAX, turn: 0 };
            let operation = Operation::Decide { txn, of, step, decision, acked: false };
            cx.send(*to, Msg::Ask { id, operation, kind: self.kinds.decide });
        }
    }

    /// Its patience is over: it decides alone, and lets the locks go.
    pub(super) fn doubts(&mut self, cx: &mut Cx<'_>, program: &Program, txn: TxnId) {
        let Some(promised) = self.promised(txn) else { return };
        promised.doubts = None;
        let (step, cause) = (promised.step, promised.cause);
        cx.because(cause.then(ASKS));
        let decision = match protocol(program, step).map(|def| def.heuristic).unwrap_or_default() {
            Heuristic::Rollback => Decision::Alone,
            Heuristic::Commit => Decision::AloneCommit,
        };
        self.decides_itself(cx, txn, decision);
    }

    /// A decision of its own, or one it was told by another participant, as an operation that nobody asked for.
    fn decides_itself(&mut self, cx: &Cx<'_>, txn: TxnId, decision: Decision) {
        let Some(promised) = self.promised(txn) else { return };
        let (step, of) = (promised.step, promised.cause.operation);
        let operation = Operation::Decide { txn, of, step, decision, acked: false };
        let id = CallId { life: cx.life(), place: u32::MAX, turn: 0 };
        let key = self.operations.insert(Asked::new(cx.id(), id, self.kinds.decide, cx.cause(), operation));
        self.ready.push_back(key);
    }

    /// Another participant asks how a transaction stands here. One that was not promised never will be.
    pub(super) fn tells(&mut self, cx: &mut Cx<'_>, program: &Program, from: NodeId, (txn, step): (TxnId, StepRef)) {
        let is_three = protocol(program, step).is_some_and(|def| def.protocol == Protocol::ThreePhase);
        let standing = match (cx.shared().settled(self.me, txn), self.promised(txn)) {
            (Some(Settled::Committed | Settled::AloneCommit), _) => Standing::Committed,
            (Some(Settled::Alone), _) => Standing::Aborted,
            // It will be known presently.
            (None, Some(promised)) if promised.deciding => return,
            (None, Some(promised)) => {
                promised.frozen |= is_three;
                if promised.precommitted { Standing::Precommitted } else { Standing::Prepared }
            }
            (None, None) => {
                self.forget(cx, program, txn);
                Standing::Aborted
            }
        };
        let (of, kind) = (cx.cause().operation, self.kinds.inquire);
        cx.send(from, Msg::Stands { txn, of, standing, kind });
    }

    /// Another participant has said how it stands there.
    pub(super) fn hears(&mut self, cx: &mut Cx<'_>, from: NodeId, txn: TxnId, standing: Standing) {
        let Some(promised) = self.promised(txn).filter(|promised| !promised.deciding) else { return };
        match standing {
            Standing::Committed => self.decides_itself(cx, txn, Decision::Commit),
            Standing::Aborted => self.decides_itself(cx, txn, Decision::Abort),
            Standing::Prepared | Standing::Precommitted => {
                promised.heard.retain(|(known, _)| *known != from);
                promised.heard.push((from, standing));
            }
        }
    }

    /// Takes up again what a former process has promised: its locks are held before anybody comes.
    pub(super) fn keeps_promises(&mut self, cx: &mut Cx<'_>, program: &Program) {
        for (txn, promise) in cx.shared().promises_of(self.me) {
            let Some(def) = protocol(program, promise.step) else { continue };
            self.begun += 1;
            let prepared = Some(Box::new(Promised::of(&promise, true)));
            let writes = promise.writes.into_iter().collect();
            for place in &promise.held {
                self.locks.take(place.clone(), txn);
            }
            let open = Txn { begun: self.begun, writes, held: promise.held, prepared, ..Txn::default() };
            self.txns.insert(txn, Box::new(open));
            cx.because(promise.cause.then(ASKS | u64::from(cx.life())));
            if let Some(patience) = def.in_doubt {
                self.doubts_after(cx, txn, patience);
            }
            if def.protocol != Protocol::Xa {
                self.asks(cx, program, txn);
            }
        }
    }

    /// Makes what was promised what the disk has of it.
    pub(super) fn reads_promises(
        &mut self,
        cx: &mut Cx<'_>,
        promises: std::collections::BTreeMap<TxnId, Promise>,
        settled: std::collections::BTreeMap<TxnId, Settled>,
    ) {
        let before: BTreeSet<TxnId> = cx.shared().promises_of(self.me).into_iter().map(|(txn, _)| txn).collect();
        let change = promises.len() as i32 - before.len() as i32;
        if change != 0 {
            cx.note(Note::InDoubt { node: self.me, by: change });
        }
        before.into_iter().for_each(|txn| cx.shared_mut().unpromise(self.me, txn));
        for (txn, _) in cx.shared().settled_of(self.me) {
            cx.shared_mut().settle(self.me, txn, None);
        }
        promises.into_iter().for_each(|(txn, promise)| cx.shared_mut().promise(self.me, txn, promise));
        settled.into_iter().for_each(|(txn, settled)| cx.shared_mut().settle(self.me, txn, Some(settled)));
    }
}
