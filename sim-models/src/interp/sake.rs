//! For whom services and stores work, as the judge is told who asks how much of that is for nobody.
//!
//! No server knows whether its caller still waits, and nothing here decides anything: these notes are for the judge alone, and only where
//! a formula names `wasted_time`.

use super::service::{Cx, Service};
use super::store::{Asked, Store};
use super::thread::{Origin, Role, Thread};
use crate::message::{Asking, CallId, Note, Sake};
use crate::program::{NodeRef, Program};
use crate::slab::Key;

impl Service {
    /// Whose request a thread belongs to; none where nobody waits for it by a call.
    pub(super) fn asker_of(&self, thread: Key) -> Option<Asking> {
        self.threads.get(thread).and_then(|thread| self.requests.get(thread.request))?.from
    }

    /// For whom a thread does what it does.
    fn sake_of(&self, mut key: Key) -> Sake {
        let is_for_nobody = |thread: &Thread| {
            let mut roles = thread.frames.iter().map(|frame| &frame.role);
            roles.any(|role| matches!(role, Role::Attempt(attempt) if attempt.passed.is_for_nobody()))
        };
        loop {
            let Some(thread) = self.threads.get(key) else { return Sake::Nobody };
            if is_for_nobody(thread) {
                return Sake::Nobody;
            }
            match thread.origin {
                Origin::Main => return self.asker_of(key).map_or(Sake::Itself, Sake::Of),
                Origin::Branch { parent, .. } => key = parent,
                Origin::Background => return Sake::Itself,
            }
        }
    }

    /// A worker begins, or ends, to be held by the request that was sent so.
    pub(super) fn tells_work(&self, cx: &mut Cx<'_>, program: &Program, of: Option<Asking>, begins: bool) {
        if let (true, Some(of)) = (program.asked.wasted_time, of) {
            cx.note(Note::Works { node: self.me, of, begins });
        }
    }

    /// A thread waits for the answer to a call from now on.
    pub(super) fn tells_wait(&self, cx: &mut Cx<'_>, program: &Program, thread: Key, call: CallId) {
        if program.asked.wasted_time {
            let sake = self.sake_of(thread);
            cx.note(Note::Awaits((cx.id(), call), sake));
        }
    }

    /// A coordinator waits for the answer of a store from now on: for whoever waits for the votes, or, where there is no going back, for itself.
    pub(super) fn tells_agreement(&self, cx: &mut Cx<'_>, votes_for: Option<Key>, call: CallId) {
        if self.program.asked.wasted_time {
            let sake = votes_for.map_or(Sake::Itself, |thread| self.sake_of(thread));
            cx.note(Note::Awaits((cx.id(), call), sake));
        }
    }

    /// Nobody waits any longer for the answer to what was sent to a node. A queue holds no workers for anybody.
    pub(super) fn tells_end(&self, cx: &mut Cx<'_>, program: &Program, callee: NodeRef, pending: Key) {
        if program.asked.wasted_time && program.queue(callee).is_none() {
            let call = CallId { life: cx.life(), place: pending.place, turn: pending.turn };
            cx.note(Note::Leaves((cx.id(), call)));
        }
    }

    /// A thread begins, or ends, to share what another does.
    pub(super) fn tells_share(&self, cx: &mut Cx<'_>, program: &Program, lead: Key, follows: Key, begins: bool) {
        if !program.asked.wasted_time {
            return;
        }
        if let Sake::Of(lead) = self.sake_of(lead) {
            cx.note(Note::Shares { lead, follows: self.sake_of(follows), begins });
        }
    }
}

impl Store {
    /// A worker begins, or ends, to be held by an operation. What nobody acknowledges, nobody waits for from the beginning: that is no waste.
    pub(super) fn tells_work(me: NodeRef, cx: &mut Cx<'_>, program: &Program, asked: &Asked, begins: bool) {
        if program.asked.wasted_time && asked.operation.is_answered() {
            cx.note(Note::Works { node: me, of: (asked.from, asked.id), begins });
        }
    }
}
