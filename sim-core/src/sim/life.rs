//! How a life of a node ends and the next begins: asked to stop, killed, gone by itself, up again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{
    ANSWER, Due, Entry, FOREVER, Form, Happening, Pending, PutOff, Scale, Sim, Starting, Step, Stopping, What,
};
use crate::actor::{Event, Message, Watch};
use crate::id::NodeId;
use crate::schedule::Recycle;
use crate::seed::{Cause, name_hash};
use crate::system::Program;
use crate::time::Duration;

impl<M: Message> Sim<M> {
    /// Takes a node down that was up; what it owed is reset, what it remembered is gone. Faults that had asked it to stop hold it
    /// down from now on; held by none, it comes up again.
    pub(super) fn go_down(&mut self, node: NodeId) {
        let ground = self.ground.clone();
        self.roles.forget(node);
        let this = &mut self.nodes[node.0 as usize];
        let listed = !this.stopping && this.ready;
        this.down += std::mem::take(&mut this.stops);
        this.stopping = false;
        this.watches = this.watches.map(|turn| turn + 1);
        this.life += 1;
        this.last = self.number;
        this.timers.clear();
        let nodes = ground.system.nodes.len();
        let owed = catch_unwind(AssertUnwindSafe(|| {
            let owed = this.actor.unanswered();
            let stranger = owed.iter().find(|owed| owed.from.0 as usize >= nodes);
            assert!(stranger.is_none(), "an unanswered request of a node that is not there");
            owed
        }));
        if listed {
            self.list(node, false);
        }
        self.nodes[node.0 as usize].actor = self.program_of(node).boxed();
        self.log_entry(|| Entry::Down { node });
        let owed = match owed {
            Ok(owed) => owed,
            Err(panic) => return self.found(node, &*panic),
        };
        for owed in owed {
            if self.tells(node, owed.from) {
                self.send(node, owed.from, owed.msg, owed.cause.then(ANSWER), Form::Reset);
            }
        }
        self.lose_what_waits(node);
        self.disconnect(node);
        if std::mem::take(&mut self.nodes[node.0 as usize].condemned) {
            self.put_off(node);
        }
        if self.nodes[node.0 as usize].down == 0 {
            self.come_up(node);
        }
    }

    /// The platform has ended a node, and says when it starts it again.
    fn put_off(&mut self, node: NodeId) {
        let Some(backoff) = self.system().nodes[node.0 as usize].backoff else { return };
        let (now, this) = (self.now, &mut self.nodes[node.0 as usize]);
        let soon = this.put_off.as_deref().filter(|last| now.since(last.at) <= backoff.most.saturating_mul(2));
        this.put_off = Some(Box::new(match soon {
            None => PutOff { at: now, next: backoff.first.min(backoff.most) },
            Some(last) => PutOff { at: now + last.next, next: last.next.saturating_mul(2).min(backoff.most) },
        }));
    }

    /// The program with which the next life of a node begins.
    fn program_of(&self, node: NodeId) -> Arc<dyn Program<M>> {
        let machine = &self.ground.system.nodes[node.0 as usize];
        let version = self.nodes[node.0 as usize].version;
        match version.and_then(|version| machine.versions.get(usize::from(version))) {
            None => machine.pristine.clone(),
            Some((_, program)) => program.clone(),
        }
    }

    /// Lets a node up that nothing holds down any more: now, or when it is ready.
    pub(super) fn come_up(&mut self, node: NodeId) {
        let startup = self.system().nodes[node.0 as usize].startup;
        let now = self.now;
        let this = &mut self.nodes[node.0 as usize];
        let startup = startup.saturating_add(this.put_off.as_deref().map_or(Duration::ZERO, |last| last.at.since(now)));
        this.last = self.number;
        if startup.is_zero() {
            self.list_again(node);
            return self.begin_life(node);
        }
        this.down = 1;
        let life = this.life;
        let cause = Cause::root("startup", self.names().node(node), u64::from(life));
        let what = What::Booted { node, life };
        self.queue.push(self.now + startup, Pending { cause, sent: self.number, what });
    }

    /// A node is ready; the step in which it starts, if nothing else holds it down.
    pub(super) fn booted(&mut self, pending: Pending, node: NodeId, life: u32) -> Option<Step> {
        let this = &mut self.nodes[node.0 as usize];
        if this.life != life {
            return None;
        }
        this.down -= 1;
        if this.down > 0 {
            return None;
        }
        self.list_again(node);
        self.node_starts(Starting { node, life, sent: pending.sent })
    }

    /// Lists a node that has started, unless it says itself when it is ready.
    fn list_again(&mut self, node: NodeId) {
        let ready = !self.system().nodes[node.0 as usize].reports;
        self.nodes[node.0 as usize].ready = ready;
        if ready {
            self.list(node, true);
        }
    }

    /// Tells callers that a node is there, or not: at once, or when they learn of it.
    fn list(&mut self, node: NodeId, up: bool) {
        let lag = self.system().nodes[node.0 as usize].discovery;
        if lag.is_zero() {
            self.up[node.0 as usize] = up;
            return;
        }
        let at = self.now + lag;
        let place = self.news.partition_point(|(other, ..)| *other <= at);
        self.news.insert(place, (at, node, up));
    }

    /// What callers have learnt by now.
    #[cold]
    pub(super) fn hear_news(&mut self) {
        while let Some((at, node, up)) = self.news.front().copied()
            && at <= self.now
        {
            self.up[node.0 as usize] = up;
            self.news.pop_front();
        }
    }

    /// A fault asks a node to stop, and holds it down once it has.
    pub(super) fn stop(&mut self, node: NodeId, grace: Option<Duration>) {
        let this = &mut self.nodes[node.0 as usize];
        if this.down > 0 {
            this.down += 1;
            return;
        }
        this.stops += 1;
        self.ask_to_stop(node, grace);
    }

    /// A fault that asked a node to stop is over.
    pub(super) fn unstop(&mut self, node: NodeId) {
        let this = &mut self.nodes[node.0 as usize];
        if this.down == 0 {
            // It is still about to stop, and starts again as it has.
            this.stops = this.stops.saturating_sub(1);
            return;
        }
        this.down -= 1;
        if this.down == 0 {
            self.come_up(node);
        }
    }

    fn ask_to_stop(&mut self, node: NodeId, grace: Option<Duration>) {
        let grace = grace.unwrap_or(self.system().nodes[node.0 as usize].grace);
        let this = &mut self.nodes[node.0 as usize];
        let (life, first, listed) = (this.life, !std::mem::replace(&mut this.stopping, true), this.ready);
        let cause = Cause::root("stop", self.names().node(node), u64::from(life));
        if first {
            if listed {
                self.list(node, false);
            }
            self.first.push_back(Due::Stop(Stopping { node, life, grace, cause, sent: self.number }));
        }
        let what = What::Killed { node, life };
        self.queue.push(self.now + grace, Pending { cause, sent: self.number, what });
    }

    /// A node hears that it is to stop.
    pub(super) fn node_stops(&mut self, stopping: Stopping) -> Option<Step> {
        let Stopping { node, life, grace, cause, sent } = stopping;
        if self.waits(Due::Stop(stopping)) || !self.lives(node, life) {
            return None;
        }
        self.count(9, u64::from(node.0) << 32 | u64::from(life));
        Some(self.handled_by(node, Event::Stop { grace }, Happening::Stopping { node }, cause, sent))
    }

    /// A node has not stopped in time; frozen or not, it is gone.
    pub(super) fn killed(&mut self, pending: Pending, node: NodeId, life: u32) -> Option<Step> {
        if !self.lives(node, life) {
            return None;
        }
        self.count(10, u64::from(node.0) << 32 | u64::from(life));
        let before = self.follow(node);
        let step = self.stepped(Happening::Killed { node }, pending.cause, pending.sent);
        self.go_down(node);
        Some(Step { before, ..step })
    }

    /// A spare node is not there as the run begins.
    pub(super) fn keep_away(&mut self, index: usize) {
        self.nodes[index].away = true;
        self.nodes[index].down = 1;
        self.up[index] = false;
    }

    /// Has nodes come or go after one of the faults that scale them has begun or ended: of those that hold, the last says how
    /// many are there.
    pub(super) fn rescale(&mut self, changed: &Scale) {
        for node in &changed.nodes {
            let of_it = |scale: &Scale| {
                let place = scale.nodes.iter().position(|other| other == node)?;
                Some(place < scale.count as usize)
            };
            let said = self.scales.iter().rev().find_map(of_it);
            let wanted = said.unwrap_or(!self.system().nodes[node.0 as usize].spare);
            let this = &mut self.nodes[node.0 as usize];
            if this.away != wanted {
                continue;
            }
            this.away = !wanted;
            self.weather.touched[changed.fault as usize] += 1;
            if wanted {
                self.log_entry(|| Entry::Released { node: *node });
                self.unstop(*node);
            } else {
                self.log_entry(|| Entry::Struck { node: *node });
                self.stop(*node, None);
            }
        }
    }

    /// The platform of a node is content with it for so long.
    pub(super) fn watch(&mut self, node: NodeId, watch: Watch, after: Duration) {
        self.fold(0xA0_0000_0000 | u64::from(watch as u32) ^ after.nanos().rotate_left(8));
        let this = &mut self.nodes[node.0 as usize];
        if this.stopping || this.down > 0 {
            return;
        }
        let turns = &mut this.watches[watch as usize];
        *turns += 1;
        let turn = *turns;
        let due = (self.now + self.true_length(node, after)).min(FOREVER);
        if due < FOREVER {
            let cause = Cause::root("watch", self.names().node(node), u64::from(turn));
            let what = What::Lapsed { node, turn, watch };
            self.queue.push(due, Pending { cause, sent: self.number, what });
        }
    }

    pub(super) fn is_watched(&self, node: NodeId, turn: u32, watch: Watch) -> bool {
        let this = &self.nodes[node.0 as usize];
        this.watches[watch as usize] == turn && this.down == 0 && !this.stopping
    }

    /// A node was not heard of for too long; frozen or not, its platform does what that watch is for.
    pub(super) fn lapsed(&mut self, pending: Pending, node: NodeId, turn: u32, watch: Watch) -> Option<Step> {
        if !self.is_watched(node, turn, watch) {
            return None;
        }
        self.nodes[node.0 as usize].watches[watch as usize] += 1;
        self.count(11, u64::from(node.0) << 32 | u64::from(watch as u32));
        let before = self.follow(node);
        let step = self.stepped(Happening::Lapsed { node, watch }, pending.cause, pending.sent);
        match watch {
            Watch::Liveness => {
                self.nodes[node.0 as usize].condemned = true;
                self.ask_to_stop(node, None);
            }
            Watch::Readiness => {
                if std::mem::take(&mut self.nodes[node.0 as usize].ready) {
                    self.list(node, false);
                }
            }
        }
        Some(Step { before, ..step })
    }

    /// A node says that it is ready.
    pub(super) fn is_ready(&mut self, node: NodeId) {
        let this = &mut self.nodes[node.0 as usize];
        if this.stopping || this.down > 0 {
            return;
        }
        if !std::mem::replace(&mut this.ready, true) {
            self.list(node, true);
        }
    }

    pub(super) fn lives(&self, node: NodeId, life: u32) -> bool {
        let node = &self.nodes[node.0 as usize];
        node.life == life && node.down == 0
    }

    /// Has a node start again, perhaps with another program; whether it does.
    pub(super) fn recycle(&mut self, node: NodeId, how: Recycle) -> bool {
        let machine = &self.ground.system.nodes[node.0 as usize];
        let known = |hash| machine.versions.iter().position(|(name, _)| name_hash(name) == hash);
        let this = &mut self.nodes[node.0 as usize];
        match how {
            Recycle::Same if this.down > 0 => return false,
            Recycle::Same => {}
            Recycle::To(hash) => {
                let Some(version) = known(hash).map(|at| at as u16).filter(|at| this.version != Some(*at)) else {
                    return false;
                };
                this.before.push(this.version.replace(version));
            }
            Recycle::Back => match this.before.pop() {
                None => return false,
                Some(version) => this.version = version,
            },
        }
        if this.down > 0 {
            self.nodes[node.0 as usize].actor = self.program_of(node).boxed();
        } else {
            self.ask_to_stop(node, None);
        }
        true
    }
}
