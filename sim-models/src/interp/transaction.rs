//! Transactions on one store, as the one who runs them sees them.

use super::exec::{Next, TRY};
use super::service::{Cx, Service};
use super::thread::{Attempt, Frame, Pending, Phase, Role, Thread, Txn};
use crate::message::{Msg, Note, Operation, Outcome, Tone, TxnId};
use crate::program::{EdgeRef, FactRef, Program, Protocol, ProtocolDef, Reason, Verb};
use crate::slab::Key;
use crate::value::Value;

impl Service {
    pub(super) fn close_transaction(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        txn: Txn,
        outcome: Outcome,
    ) -> Next {
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return Next::Over };
        let (reference, cause) = (attempt.step, attempt.cause.then(TRY | u64::from(attempt.number)));
        let Verb::Transaction { edge, .. } = &program.step(reference).verb else { return Next::Over };
        cx.because(cause);
        if outcome.tone() != Tone::Ok {
            self.roll_back(cx, program, &txn, *edge);
            // The commit was never sent: whatever the store knows of this, it is not done. A request to a service that is in
            // doubt stays so.
            let lost = outcome.tone() == Tone::Unknown && !txn.in_doubt;
            return self.closed(cx, program, key, if lost { Outcome::Error(Reason::UNDONE) } else { outcome });
        }
        match txn.members.as_deref().unwrap_or_default() {
            [] => {}
            [only] if is_xa(program.step(reference).protocol()) => {
                let (edge, strays) = (only.edge, only.strays);
                return self.commit_at_one(cx, program, key, edge, Txn { strays, ..txn });
            }
            _ => return self.agree(cx, program, key, reference, cause, txn),
        }
        let Some(edge) = edge.filter(|_| txn.begun) else {
            tell_facts(cx, &txn.facts);
            return self.closed(cx, program, key, outcome);
        };
        self.commit_at_one(cx, program, key, edge, txn)
    }

    /// One store decides by itself: what a transaction without a protocol does, and XA where only one has taken part (`TMONEPHASE`).
    fn commit_at_one(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, edge: EdgeRef, txn: Txn) -> Next {
        let operation = Operation::Commit { txn: txn.id, facts: txn.facts.into() };
        let pending = self.ask(cx, program, key, edge, self.kinds.commit, operation);
        self.phase(key, Phase::Committing(pending, txn.id, txn.strays));
        Next::Wait
    }

    pub(super) fn roll_back(&self, cx: &mut Cx<'_>, program: &Program, txn: &Txn, edge: Option<EdgeRef>) {
        if txn.begun {
            self.forget_at_store(cx, program, txn.id, edge);
        }
        for member in txn.members.iter().flatten() {
            cx.send(member.to, Msg::Rollback { txn: txn.id, kind: self.kinds.rollback });
        }
    }

    /// Tells the store of a transaction that nobody waits for it here, as a connection that is closed does.
    pub(super) fn forget_at_store(&self, cx: &mut Cx<'_>, program: &Program, txn: TxnId, edge: Option<EdgeRef>) {
        let Some(edge) = edge else { return };
        let to = program.node(program.edges[edge.0 as usize].1).replicas[0];
        cx.send(to, Msg::Rollback { txn, kind: self.kinds.rollback });
    }

    /// Whether a transaction of this node is under way.
    pub(super) fn has_open(&self, txn: TxnId) -> bool {
        let mut frames = self.threads.iter().flat_map(|thread| &thread.frames);
        let runs = |frame: &Frame| {
            open_transaction(frame).is_some_and(|(_, open)| open == txn)
                || touching(frame).is_some_and(|(_, open)| open.id == txn)
        };
        self.votes_on(txn) || frames.any(runs)
    }

    /// The edge to the store that has been asked to commit.
    fn commits_at(&self, attempt: &Attempt) -> Option<EdgeRef> {
        let Phase::Committing(pending, ..) = &attempt.phase else { return None };
        self.pending.get(*pending).map(|pending| pending.edge)
    }

    pub(super) fn committed(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        pending: &Pending,
        (txn, is_open): (TxnId, bool),
        outcome: Outcome,
    ) -> Next {
        if is_open {
            // The store has not heard of the commit; or an operation that was given up may have come behind it, and have opened the
            // transaction again.
            cx.send(pending.to, Msg::Rollback { txn, kind: self.kinds.rollback });
        }
        let outcome = match outcome {
            Outcome::Ok(_) => Outcome::Ok(Value::Null),
            other => other,
        };
        self.closed(cx, program, pending.thread, outcome)
    }

    /// The transactions that are open in stores, as the stores learn of a crash of this node.
    pub(super) fn open_transactions(&self) -> Vec<sim_core::Unanswered<Msg>> {
        let program = &*self.program;
        let frames = self.threads.iter().flat_map(|thread| &thread.frames);
        let open = frames.filter_map(|frame| {
            let (attempt, txn) = open_transaction(frame)?;
            let Verb::Transaction { edge, .. } = &program.step(attempt.step).verb else { return None };
            let edge = edge.or_else(|| self.commits_at(attempt))?;
            let from = program.node(program.edges[edge.0 as usize].1).replicas[0];
            let msg = Msg::Rollback { txn, kind: self.kinds.rollback };
            Some(sim_core::Unanswered { from, msg, cause: attempt.cause })
        });
        let frames = self.threads.iter().flat_map(|thread| &thread.frames);
        let touched = frames.filter_map(touching).flat_map(|(attempt, txn)| {
            let rollback = Msg::Rollback { txn: txn.id, kind: self.kinds.rollback };
            let members = txn.members.iter().flatten();
            members.map(move |member| sim_core::Unanswered {
                from: member.to,
                msg: rollback.clone(),
                cause: attempt.cause,
            })
        });
        open.chain(touched).collect()
    }
}

fn is_xa(protocol: Option<&ProtocolDef>) -> bool {
    protocol.is_some_and(|def| def.protocol == Protocol::Xa)
}

/// The transaction with a protocol whose steps run in this frame.
fn touching(frame: &Frame) -> Option<(&Attempt, &Txn)> {
    let Role::Attempt(attempt) = &frame.role else { return None };
    match &attempt.phase {
        Phase::Transaction(txn) if txn.members.is_some() => Some((attempt, txn)),
        _ => None,
    }
}

/// The transaction in this frame that its store may know of.
pub(super) fn open_transaction(frame: &Frame) -> Option<(&Attempt, TxnId)> {
    let Role::Attempt(attempt) = &frame.role else { return None };
    match &attempt.phase {
        Phase::Transaction(txn) if txn.begun => Some((attempt, txn.id)),
        Phase::Committing(_, txn, _) => Some((attempt, *txn)),
        _ => None,
    }
}

/// Facts that happen at once, as one change.
pub(super) fn tell_facts(cx: &mut Cx<'_>, facts: &[(FactRef, Value, i64)]) {
    cx.note(Note::Apart);
    for (fact, key, times) in facts {
        cx.note(Note::Fact(*fact, key.clone(), *times));
    }
    cx.note(Note::Together);
}
