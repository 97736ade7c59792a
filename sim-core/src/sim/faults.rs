//! How faults begin and end in a run: what they take from the air, which nodes they take down or ail.

use std::collections::{BTreeSet, VecDeque};

use super::{ANSWER, Clogged, Due, Entry, FOREVER, Form, Happening, Pending, Place, Scale, Sim, Starting, Step, What};
use crate::actor::{DiskError, Message};
use crate::clock::{Clocks, Luck};
use crate::fault::DiskIll;
use crate::id::NodeId;
use crate::network::{Active, Disturbance};
use crate::plight::{Ailment, Harm, Plight};
use crate::road::Transport;
use crate::schedule::{Advance, Blow, Change};
use crate::seed::{Cause, mix, name_hash};
use crate::time::{Duration, Instant};

impl<M: Message> Sim<M> {
    pub(super) fn turn_of_fault(&mut self) -> Option<Step> {
        let ground = self.ground.clone();
        let Advance { fault, change, tripped } = self.cursor.advance(&ground.plan, &self.dice, &self.roles)?;
        let begins = matches!(change, Change::DisturbanceBegins { .. } | Change::Strike(..));
        self.count(if begins { 7 } else { 8 }, u64::from(fault));
        let what = if begins { Happening::FaultBegan { fault } } else { Happening::FaultEnded { fault } };
        let cause = tripped.map_or_else(|| Cause::root("fault", "step", self.number), |tripped| tripped.cause);
        let step = self.stepped(what, cause, tripped.map_or(0, |tripped| tripped.by));
        if let Some(tripped) = tripped {
            self.log_entry(|| Entry::Tripped { nth: tripped.nth });
        }
        self.struck.clear();
        if let Change::Strike(nodes, ..) | Change::Release(nodes, _) = &change {
            self.struck.clone_from(nodes);
        }
        match change {
            Change::DisturbanceBegins { lineage, until, drawn } => {
                self.log_each(&drawn, |node| Entry::Struck { node });
                let (severed, node) = match &ground.plan.disturbances[fault as usize] {
                    Some(Disturbance::Split { split, .. }) => (Some(split.severed(&drawn, self.nodes.len())), None),
                    Some(Disturbance::Swizzle) => (None, drawn.first().copied()),
                    _ => (None, None),
                };
                let likelier = ground.plan.disturbances[fault as usize].as_ref().and_then(Disturbance::likelier);
                let at = self.weather.active.partition_point(|other| other.fault <= fault);
                self.weather.active.insert(at, Active { fault, lineage, until, severed, node, likelier });
                self.take_flight(at);
                self.hold_flight(fault);
            }
            Change::DisturbanceEnds { drawn } => {
                self.log_each(&drawn, |node| Entry::Released { node });
                let of_it =
                    |active: &Active| active.fault == fault && active.node.is_none_or(|node| drawn.contains(&node));
                if let Some(at) = self.weather.active.iter().position(of_it) {
                    self.weather.active.remove(at);
                }
                self.let_go();
            }
            Change::Strike(nodes, Blow::Scale(count), _) => {
                let scale = Scale { fault, count, nodes };
                self.scales.push(scale.clone());
                self.rescale(&scale);
            }
            Change::Release(_, Blow::Scale(_)) => {
                if let Some(at) = self.scales.iter().position(|scale| scale.fault == fault) {
                    let scale = self.scales.remove(at);
                    self.rescale(&scale);
                }
            }
            Change::Strike(nodes, blow, harm) => {
                for node in &nodes {
                    let bits = mix(harm.bits, name_hash(self.names().node(*node)));
                    self.strike(*node, blow, fault, Harm { bits, ..harm });
                }
                if blow == Blow::CrashSwapping {
                    self.swap_disks(nodes, fault);
                }
            }
            Change::Release(nodes, blow) => {
                for node in nodes {
                    self.release(node, blow, fault);
                }
            }
        }
        Some(step)
    }

    /// Loses what is already on the way where a fault that says so begins to cut, whether or not it still cuts when that would
    /// have arrived.
    pub(super) fn take_flight(&mut self, place: usize) {
        let active = &self.weather.active[place];
        let fault = active.fault;
        let Some(disturbance) = &self.ground.plan.disturbances[fault as usize] else { return };
        if !disturbance.takes_flight() {
            return;
        }
        let mut taken = 0;
        for pending in self.queue.iter().chain(self.clogged.iter().map(|clogged| &clogged.pending)) {
            if let What::Letter { from, to, letter, .. } = pending.what
                && self.ground.system.links.get(from, to).transport == Transport::Datagram
                && self.letters.get(letter).is_some_and(|msg| active.cuts(disturbance, from, to, msg.kind()))
            {
                // Its entry in the queue finds nothing when it pops.
                self.letters.lose(letter);
                taken += 1;
            }
        }
        self.weather.touched[fault as usize] += taken;
        self.fold(taken);
    }

    /// Takes a node down; what it owed is reset, what it remembered is gone.
    pub(super) fn strike(&mut self, node: NodeId, blow: Blow, fault: u32, harm: Harm) {
        self.log_entry(|| Entry::Struck { node });
        match blow {
            Blow::Ails(ailment) => return self.ail(node, ailment, fault, harm),
            Blow::Recycle(how) => {
                let done = self.recycle(node, how);
                self.weather.touched[fault as usize] += u64::from(done);
                return;
            }
            Blow::Stop(grace) => {
                self.weather.touched[fault as usize] += 1;
                return self.stop(node, grace);
            }
            // Of those together, not of each.
            Blow::Scale(_) => return,
            Blow::Crash | Blow::CrashWiping | Blow::CrashSwapping | Blow::PowerLoss => {}
        }
        self.weather.touched[fault as usize] += u64::from(blow != Blow::CrashSwapping);
        let this = &mut self.nodes[node.0 as usize];
        this.down += 1;
        this.dark += u32::from(blow == Blow::PowerLoss);
        let disk = &mut self.disks[node.0 as usize];
        match blow {
            Blow::Ails(_) | Blow::Stop(_) | Blow::Recycle(_) | Blow::Scale(_) | Blow::Crash | Blow::CrashSwapping => {}
            Blow::CrashWiping => disk.wipe(),
            Blow::PowerLoss => {
                let plight = self.plights.get(node.0 as usize).and_then(Option::as_deref);
                match plight.and_then(|plight| plight.ill_by(DiskIll::TornWrite)) {
                    None => _ = disk.lose_power(),
                    Some(torn) => self.weather.touched[torn as usize] += u64::from(disk.tear(harm.bits)),
                }
            }
        }
        if this.down > 1 {
            return;
        }
        self.go_down(node);
    }

    /// Each of these nodes has the disk of the one before it by name, the first that of the last.
    fn swap_disks(&mut self, mut nodes: Vec<NodeId>, fault: u32) {
        if nodes.len() < 2 {
            return;
        }
        nodes.sort_by_key(|node| self.names().node(*node).to_owned());
        let disks: Vec<_> = nodes.iter().map(|node| std::mem::take(&mut self.disks[node.0 as usize])).collect();
        for (node, disk) in nodes.iter().cycle().skip(1).zip(disks) {
            self.disks[node.0 as usize] = disk;
        }
        self.weather.touched[fault as usize] += nodes.len() as u64;
        self.fold(nodes.len() as u64);
    }

    /// A node that goes down resets what it had received and never looked at: while it was frozen, or since, when it goes down by what
    /// has waited with that.
    pub(super) fn lose_what_waits(&mut self, node: NodeId) {
        let comes = |due: &Due| matches!(due, Due::Event(pending) if pending.what.node() == node);
        let (mut waiting, rest): (VecDeque<Due>, VecDeque<Due>) =
            std::mem::take(&mut self.first).into_iter().partition(comes);
        self.first = rest;
        if let Some(Some(plight)) = self.plights.get_mut(node.0 as usize) {
            plight.stalled.clear();
            waiting.extend(plight.waiting.drain(..));
        }
        for due in waiting {
            if let Due::Event(Pending { cause, what: What::Letter { from, letter, form, .. }, .. }) = due
                && let Some(msg) = self.letters.take(letter)
                && form == Form::Message
                && self.tells(node, from)
            {
                self.send(node, from, msg, cause.then(ANSWER), Form::Reset);
            }
        }
    }

    /// Lets a node up again, once nothing holds it down.
    pub(super) fn release(&mut self, node: NodeId, blow: Blow, fault: u32) {
        self.log_entry(|| Entry::Released { node });
        if let Blow::Ails(ailment) = blow {
            return self.ease(node, ailment, fault);
        }
        if let Blow::Stop(_) = blow {
            return self.unstop(node);
        }
        let this = &mut self.nodes[node.0 as usize];
        this.down -= 1;
        this.dark -= u32::from(blow == Blow::PowerLoss);
        if this.down == 0 {
            self.come_up(node);
        }
    }

    pub(super) fn begin_life(&mut self, node: NodeId) {
        let life = self.nodes[node.0 as usize].life;
        self.first.push_back(Due::Start(Starting { node, life, sent: self.number }));
    }
}

/// What ails nodes that stay up, and what clogs hold.
impl<M: Message> Sim<M> {
    pub(super) fn plight(&self, node: NodeId) -> Option<&Plight<Due>> {
        self.plights.get(node.0 as usize)?.as_deref()
    }

    /// Puts a sync aside that is due while its disk stalls.
    pub(super) fn stalls(&mut self, node: NodeId, pending: Pending) -> bool {
        let Some(Some(plight)) = self.plights.get_mut(node.0 as usize) else { return false };
        let Some(fault) = plight.ill_by(DiskIll::Stall) else { return false };
        plight.stalled.push(Due::Event(pending));
        self.weather.touched[fault as usize] += 1;
        true
    }

    /// A sync is over: it has made its records durable, or what ails the disk has it do otherwise.
    pub(super) fn end_sync(&mut self, node: NodeId, number: u64) -> Result<(), DiskError> {
        let disk = &mut self.disks[node.0 as usize];
        let Some(Some(plight)) = self.plights.get(node.0 as usize) else {
            disk.end_sync(number);
            return Ok(());
        };
        let fails = plight.ill_by(DiskIll::SyncFails);
        let short = disk.is_short(number);
        match fails.or_else(|| plight.ill_by(DiskIll::SyncLies)) {
            None => disk.end_sync(number),
            Some(fault) => {
                disk.forget_sync(number);
                self.weather.touched[fault as usize] += 1;
            }
        }
        match (fails, short) {
            (Some(_), _) => Err(DiskError::SyncFailed),
            (None, true) => Err(DiskError::Full),
            (None, false) => Ok(()),
        }
    }

    pub(super) fn frozen_by(&self, node: NodeId) -> Option<u32> {
        self.plight(node).filter(|_| self.is_up(node))?.frozen_by()
    }

    /// Puts what is due aside while the node it comes to is frozen. What is stale is left to be dropped as ever.
    #[cold]
    pub(super) fn waits(&mut self, mut due: Due) -> bool {
        let node = match due {
            Due::Start(starting) => starting.node,
            Due::Stop(stopping) => stopping.node,
            // Whoever kills a process does not ask it.
            Due::Event(Pending { what: What::Killed { .. } | What::Booted { .. } | What::Lapsed { .. }, .. }) => {
                return false;
            }
            Due::Event(pending) => pending.what.node(),
        };
        let Some(fault) = self.frozen_by(node) else { return false };
        if let Due::Event(pending @ Pending { what: What::Synced { life, number, sync, .. }, .. }) = due {
            // The disk goes on; only its answer waits.
            if self.life(node) != life || self.stalls(node, pending) {
                return true;
            }
            let done = self.end_sync(node, number);
            due = Due::Event(Pending { what: What::Answered { node, life, sync, done }, ..pending });
        }
        let Some(Some(plight)) = self.plights.get_mut(node.0 as usize) else { return false };
        let this = &mut self.nodes[node.0 as usize];
        let lives = match due {
            Due::Start(starting) => this.life == starting.life,
            Due::Stop(stopping) => this.life == stopping.life,
            Due::Event(pending) => match pending.what {
                What::Letter { letter, .. } => self.letters.get(letter).is_some(),
                What::Timer { timer, .. } => {
                    let slot = this.timers.place(timer);
                    let is_due = slot.queued == self.now && slot.due <= self.now;
                    if is_due {
                        slot.queued = Instant::NEVER;
                    }
                    let still = plight.clocks.still_since();
                    if is_due && still.is_some_and(|since| slot.due > since) {
                        // Not by its clock: it comes back when that goes on.
                        self.weather.touched[fault as usize] += 1;
                        return true;
                    }
                    is_due
                }
                What::Synced { life, .. }
                | What::Answered { life, .. }
                | What::Killed { life, .. }
                | What::Booted { life, .. } => this.life == life,
                // It never waits.
                What::Lapsed { .. } => false,
            },
        };
        if lives {
            plight.waiting.push(due);
            self.weather.touched[fault as usize] += 1;
        }
        lives
    }

    /// Something begins to ail a node.
    pub(super) fn ail(&mut self, node: NodeId, ailment: Ailment, fault: u32, harm: Harm) {
        if ailment == Ailment::Disk(DiskIll::BitRot) {
            let rotten = self.disks[node.0 as usize].rot(harm.bits);
            self.weather.touched[fault as usize] += u64::from(rotten);
        }
        let now = self.now;
        self.treat(node, |plight| plight.begin(fault, ailment, now, harm));
    }

    /// Something ails a node no more; what has waited comes now, before all else.
    pub(super) fn ease(&mut self, node: NodeId, ailment: Ailment, fault: u32) {
        let now = self.now;
        self.treat(node, |plight| plight.end(fault, ailment, now));
        let Some(Some(plight)) = self.plights.get_mut(node.0 as usize) else { return };
        if plight.ill_by(DiskIll::Stall).is_none() {
            self.first.extend(plight.stalled.drain(..));
        }
        if plight.frozen_by().is_some() {
            return;
        }
        for due in std::mem::take(&mut plight.waiting) {
            if let Due::Event(Pending { what: What::Timer { timer, .. }, .. }) = due {
                let slot = self.nodes[node.0 as usize].timers.place(timer);
                (slot.due, slot.queued) = (now, now);
            }
            self.first.push_back(due);
        }
    }

    /// Changes what ails a node, and moves its timers to where their lengths end on its clock, if that has changed. While the clock
    /// stands still they stay where they would have been; when it goes on they come later by as long as it stood.
    pub(super) fn treat(&mut self, node: NodeId, change: impl FnOnce(&mut Plight<Due>)) {
        let fresh = self.fresh_clocks(node);
        let nodes = self.nodes.len();
        self.plights.resize_with(nodes, || None);
        let plight = self.plights[node.0 as usize].get_or_insert_with(|| Box::new(Plight::new(fresh)));
        let (before, stood) = (plight.clocks.speed(), plight.clocks.still_since());
        change(plight);
        let is_as_fast = plight.clocks.speed() == before;
        let stands = plight.clocks.still_since().is_some();
        if is_as_fast && (stood.is_none() || stands) {
            return;
        }
        let now = self.now;
        let since = stood.unwrap_or(now);
        let lost = if stands { Duration::ZERO } else { now.since(since) };
        let mut moved = 0;
        for (timer, slot) in self.nodes[node.0 as usize].timers.iter_mut() {
            if slot.due <= since || slot.due >= FOREVER {
                continue;
            }
            let left = slot.due.since(since);
            let left = if is_as_fast { left } else { plight.clocks.retimed(left, before) };
            let due = (since + left + lost).min(FOREVER);
            moved += 1;
            slot.due = due;
            // Later, its entry in the queue moves by itself when it pops.
            if due < slot.queued && !stands {
                slot.queued = due;
                let what = What::Timer { node, timer };
                self.queue.push(due, Pending { cause: slot.cause, sent: slot.set, what });
            }
        }
        if moved > 0 && !is_as_fast {
            self.weather.touch(plight.drifting_by());
        }
        self.fold(moved);
    }

    /// The clocks of a node that no fault has touched.
    pub(super) fn fresh_clocks(&self, node: NodeId) -> Clocks {
        let machine = &self.system().nodes[node.0 as usize];
        let luck = Luck::of(self.dice.wall_key(self.seed, name_hash(self.names().node(node))));
        Clocks::new(machine.clock, machine.discipline, luck)
    }

    /// Begins the plights of the nodes whose clocks are disciplined from the start; other runs have none.
    pub(super) fn discipline(&mut self) {
        for index in 0..self.nodes.len() {
            if self.system().nodes[index].discipline.is_some() {
                self.treat(NodeId(index as u32), |_| {});
            }
        }
    }

    /// Takes what is already on the way out of the air where a clog that says so begins.
    pub(super) fn hold_flight(&mut self, fault: u32) {
        let Some(disturbance) = &self.ground.plan.disturbances[fault as usize] else { return };
        if !disturbance.holds_flight() {
            return;
        }
        let holds = |pending: &Pending| match pending.what {
            What::Letter { from, to, letter, .. } => {
                self.letters.get(letter).is_some_and(|msg| disturbance.clogs(from, to, msg.kind()))
            }
            What::Timer { .. }
            | What::Synced { .. }
            | What::Answered { .. }
            | What::Killed { .. }
            | What::Booted { .. }
            | What::Lapsed { .. } => false,
        };
        let mut held: Vec<(Instant, Pending)> =
            self.queue.entries().filter(|(_, pending)| holds(pending)).map(|(at, pending)| (at, *pending)).collect();
        // In the order in which they would have arrived; those of one instant stand in theirs already.
        held.sort_by_key(|(at, _)| *at);
        self.weather.touched[fault as usize] += held.len() as u64;
        self.fold(held.len() as u64);
        for (_, mut pending) in held {
            let What::Letter { letter, .. } = &mut pending.what else { continue };
            // Its entry in the queue finds nothing when it pops.
            let Some(msg) = self.letters.lose(*letter) else { continue };
            *letter = self.letters.put(msg);
            self.clogged.push(Clogged { pending, after: Duration::ZERO, place: Place::OnTheWay });
        }
    }

    /// Sends on what no clog holds any more, in its order.
    pub(super) fn let_go(&mut self) {
        if self.clogged.is_empty() {
            return;
        }
        // On a stream, what is still held holds what was sent behind it.
        let mut behind = BTreeSet::new();
        for clogged @ Clogged { pending, .. } in std::mem::take(&mut self.clogged) {
            let What::Letter { from, to, letter, .. } = pending.what else { continue };
            let Some(msg) = self.letters.get(letter) else {
                // It was taken from the air while it waited.
                self.letters.take(letter);
                continue;
            };
            if behind.contains(&(from, to))
                || self.weather.clog(from, to, msg.kind(), &self.ground.plan.disturbances).is_some()
            {
                if self.ground.system.links.get(from, to).transport != Transport::Datagram {
                    behind.insert((from, to));
                }
                self.clogged.push(clogged);
            } else {
                self.set_off(clogged);
            }
        }
    }
}
