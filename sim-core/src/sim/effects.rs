//! How what an actor asked for is carried out.

use std::hash::Hash;
use std::sync::Arc;

use super::road::Turn;
use super::{ANSWER, Clogged, Due, Entry, FOREVER, Form, Keeps, Pending, Place, Sim, UNSET, What};
use crate::actor::{Effect, Message};
use crate::dice::Ruling;
use crate::digest::Fold;
use crate::disk::{Disk, Put};
use crate::fault::DiskIll;
use crate::id::{NodeId, Sync, Timer};
use crate::network::{COPY, Envelope, Fate, Passage, Voice};
use crate::plight::Plight;
use crate::road::Transport;
use crate::seed::{Cause, Purpose, name_hash};
use crate::time::{Duration, Instant};
use crate::tripwire::Point;

impl<M: Message> Sim<M> {
    pub(super) fn perform(&mut self, node: NodeId, effect: Effect<M>) {
        match effect {
            Effect::Send { to, msg, cause } => self.send(node, to, msg, cause, Form::Message),
            Effect::Set { timer, after, cause } => self.set(node, timer, after, cause),
            Effect::Cancel { timer } => {
                self.fold(0xC0_0000_0000 | u64::from(timer.0));
                if let Some(slot) = self.nodes[node.0 as usize].timers.get_mut(timer.0 as usize) {
                    slot.due = Instant::NEVER;
                }
                self.log_entry(|| Entry::Cancelled { node, timer });
            }
            Effect::Ring { node, life, timer, cause } => self.ring(node, life, timer, cause),
            Effect::Append { file, record } => self.write(node, Put::Behind, file, record),
            Effect::Replace { file, record } => self.write(node, Put::Anew, file, record),
            Effect::Sync { sync, cause } => self.sync(node, sync, cause),
            Effect::Mark(name) => {
                self.fold(name_hash(name));
                self.log_entry(|| Entry::Marked { node, name });
            }
            Effect::Exit => {
                self.fold(name_hash("exit"));
                self.go_down(node);
            }
            Effect::Role { role, has } => {
                self.fold(name_hash(role) ^ u64::from(has));
                self.roles.set(node, Point::new(role), has);
                self.log_entry(|| Entry::Role { node, role, has });
            }
        }
    }

    fn write(&mut self, node: NodeId, put: Put, file: Arc<str>, record: Arc<[u8]>) {
        self.fold_record(&file, &record);
        let disk = &mut self.nodes[node.0 as usize].disk;
        let harm = match self.plights.get_mut(node.0 as usize) {
            Some(Some(plight)) => harm(plight, disk, put, &file, &record),
            Some(None) | None => None,
        };
        match harm {
            None => disk.put(put, file, record),
            Some(fault) => {
                self.weather.touched[fault as usize] += 1;
                self.fold(u64::from(fault));
            }
        }
    }

    pub(super) fn fold_record(&mut self, file: &str, record: &[u8]) {
        let mut fold = Fold::from(self.digest);
        (file, record).hash(&mut fold);
        self.digest = fold.digest();
    }

    #[inline]
    pub(super) fn log_entry(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(log) = &mut self.log {
            log.entries.push(entry());
        }
    }

    pub(super) fn log_each(&mut self, nodes: &[NodeId], entry: impl Fn(NodeId) -> Entry) {
        if let Some(log) = &mut self.log {
            log.entries.extend(nodes.iter().map(|node| entry(*node)));
        }
    }

    pub(super) fn send(&mut self, from: NodeId, to: NodeId, mut msg: M, cause: Cause, form: Form) {
        let ground = &*self.ground;
        debug_assert!((to.0 as usize) < self.nodes.len(), "the context refuses nodes that are not there");
        let kind = msg.kind();
        let mut fold = Fold::from(self.digest);
        fold.word(u64::from(to.0) << 8 | form as u64);
        msg.hash(&mut fold);
        let ruling = if self.dice.has_rulings() && form == Form::Message {
            self.dice.rule_envelope(from, to, kind, cause.operation)
        } else {
            None
        };
        let link = ground.system.links.get(from, to);
        let voice = if form == Form::Message { Voice::Actor } else { Voice::Machine };
        let envelope = Envelope { from, to, kind, cause, at: self.now, voice };
        let disturbances = &ground.plan.disturbances;
        let mut passage = self.weather.fate(envelope, link, disturbances, &self.dice, ruling.as_ref());
        let limit = match ruling {
            // Its time on the way is said as a whole.
            Some(Ruling::Late(_)) => None,
            _ => self.weather.limit(envelope, link, disturbances),
        };
        if let Some(bits) = passage.damage {
            if msg.corrupt(bits) {
                fold.word(bits);
            } else {
                // What cannot be altered is damaged so that it shows.
                passage = Passage { fate: Fate::Corrupt, damage: None, ..passage };
            }
        }
        let is_stream = link.transport != Transport::Datagram;
        let calm = self.log.is_some().then(|| {
            let (dice, mut weather) = (self.dice.calmed(), self.weather.clone());
            let calm = weather.fate(envelope, link, disturbances, &dice, None).fate;
            match calm {
                Fate::Arrives(after) if is_stream => Fate::Arrives(after.max(self.held_back(from, to))),
                calm => calm,
            }
        });
        let (mut wait, mut turn) = (Duration::ZERO, None);
        if let Some((limit, by)) = limit {
            let size = if msg.size() == 0 { link.size } else { msg.size() };
            (passage, turn) = self.stand_in_line(envelope, passage, limit, size, &by);
            wait = turn.map_or(wait, |turn: Turn| turn.done.since(self.now));
            passage.fate = match ruling {
                Some(Ruling::Twice(second)) => passage.fate.later(wait).with_second(second),
                _ => passage.fate.later(wait),
            };
        }
        if is_stream {
            passage.fate = self.in_order(envelope, passage.fate, form);
        }
        let Passage { fate, fault, damage } = passage;
        if let (Some(log), Some(calm)) = (&mut self.log, calm) {
            let (calm, altered) = (calm.later(wait), damage.is_some());
            log.entries.push(Entry::Sent { from, to, kind, cause, fate, fault, calm, altered, form });
            if log.messages == Keeps::Messages {
                log.sent.push(msg.clone());
            }
        }
        let mut parts = [None; 2];
        let pending = |letter| Pending { cause, sent: self.number, what: What::Letter { from, to, letter, form } };
        match fate {
            Fate::Arrives(after) => {
                fold.word(after.nanos());
                let pending = pending(self.letters.put(msg));
                parts[0] = Some((pending, after));
                self.queue.push(self.now + after, pending);
            }
            Fate::ArrivesTwice(first, second) => {
                fold.word(first.nanos() ^ second.nanos().rotate_left(32) ^ 2);
                let original = pending(self.letters.put(msg.clone()));
                self.queue.push(self.now + first, original);
                let copy = Pending { cause: cause.then(COPY), ..pending(self.letters.put(msg)) };
                self.queue.push(self.now + second, copy);
                parts = [Some((original, first)), Some((copy, second))];
            }
            Fate::Lost => fold.word(u64::MAX),
            Fate::Cut => fold.word(u64::MAX - 1),
            Fate::Corrupt => fold.word(u64::MAX - 2),
            Fate::Full => fold.word(u64::MAX - 3),
            Fate::Refused => {
                fold.word(u64::MAX - 4);
                self.digest = fold.digest();
                return self.refuse(from, to, msg, cause);
            }
            Fate::Reset(after) => {
                fold.word(after.nanos() ^ u64::MAX >> 4);
                let what = What::Letter { from: to, to: from, letter: self.letters.put(msg), form: Form::Reset };
                let cause = cause.then(ANSWER);
                self.queue.push(self.now + after, Pending { cause, sent: self.number, what });
            }
            Fate::Held(after) => {
                fold.word(after.nanos() ^ u64::MAX >> 2);
                let pending = pending(self.letters.put(msg));
                self.clogged.push(Clogged { pending, after, place: Place::AtSender });
            }
            Fate::HeldTwice(first, second) => {
                fold.word(first.nanos() ^ second.nanos().rotate_left(32) ^ u64::MAX >> 3);
                let original = pending(self.letters.put(msg.clone()));
                let copy = Pending { cause: cause.then(COPY), ..pending(self.letters.put(msg)) };
                self.clogged.push(Clogged { pending: original, after: first, place: Place::AtSender });
                self.clogged.push(Clogged { pending: copy, after: second, place: Place::AtSender });
            }
        }
        self.digest = fold.digest();
        if let Some(turn) = turn {
            self.stay_in_line((from, to), turn, parts);
        }
    }

    /// A stopped machine answers an envelope, if the link back brings answers.
    pub(super) fn refuse(&mut self, asker: NodeId, machine: NodeId, msg: M, cause: Cause) {
        if self.system().links.get(machine, asker).brings_answers() {
            self.send(machine, asker, msg, cause.then(ANSWER), Form::Refused);
        }
    }

    pub(super) fn set(&mut self, node: NodeId, timer: Timer, after: Duration, cause: Cause) {
        let true_length = match self.plights.get(node.0 as usize).and_then(Option::as_deref) {
            None => self.system().nodes[node.0 as usize].clock.true_length(after),
            Some(plight) => {
                let true_length = plight.clocks.true_length(after);
                if true_length != after {
                    self.weather.touch(plight.drifting_by());
                }
                true_length
            }
        };
        let due = (self.now + true_length).min(FOREVER);
        self.fold(due.nanos() ^ u64::from(timer.0).rotate_right(16));
        self.arm(node, timer, due, cause);
        self.log_entry(|| Entry::Set { node, timer, due });
    }

    pub(super) fn arm(&mut self, node: NodeId, timer: Timer, due: Instant, cause: Cause) {
        let set = self.number;
        let timers = &mut self.nodes[node.0 as usize].timers;
        if timers.len() <= timer.0 as usize {
            timers.resize(timer.0 as usize + 1, UNSET);
        }
        let slot = &mut timers[timer.0 as usize];
        // A timer that is stopped and set again stands in line anew; one that is only moved back keeps its place.
        let keeps_entry = slot.due != Instant::NEVER && slot.queued <= due;
        slot.due = due;
        slot.cause = cause;
        slot.set = set;
        if !keeps_entry {
            slot.queued = due;
            if due < FOREVER {
                self.queue.push(due, Pending { cause, sent: set, what: What::Timer { node, timer } });
            }
        }
    }

    pub(super) fn ring(&mut self, node: NodeId, life: u32, timer: Timer, cause: Cause) {
        self.fold(0xB0_0000_0000 | u64::from(timer.0) ^ u64::from(node.0) << 40);
        let Some(there) = self.nodes.get(node.0 as usize) else { return };
        let set = there.timers.get(timer.0 as usize).is_some_and(|slot| slot.due != Instant::NEVER);
        if there.life == life && there.down == 0 && set {
            self.arm(node, timer, self.now, cause);
        }
    }

    pub(super) fn sync(&mut self, node: NodeId, sync: Sync, cause: Cause) {
        const LENGTH: Purpose = Purpose::new("sync");
        self.syncs += 1;
        let number = self.syncs;
        let dist = self.system().nodes[node.0 as usize].sync.clone();
        self.dice.restart();
        let mut after = self.dice.length(node, cause, LENGTH, &dist);
        if let Some(Some(plight)) = self.plights.get(node.0 as usize)
            && !after.is_zero()
        {
            let (factor, by) = plight.sync_factor();
            after = factor.stretch(after);
            self.weather.touch(by);
        }
        self.log_draws(node);
        self.fold(after.nanos());
        let this = &mut self.nodes[node.0 as usize];
        this.disk.begin_sync(number);
        let what = What::Synced { node, life: this.life, sync, number, over: None };
        self.queue.push(self.now + after, Pending { cause, sent: self.number, what });
    }
}

/// The fault that keeps a record from its place, once that has happened.
#[cold]
fn harm(plight: &mut Plight<Due>, disk: &mut Disk, put: Put, file: &str, record: &Arc<[u8]>) -> Option<u32> {
    if let Some(fault) = plight.ill_by(DiskIll::Full) {
        disk.refuse();
        return Some(fault);
    }
    let (fault, bits) = plight.misdirects()?;
    let misdirected = disk.misdirect(bits, put, file, record);
    if misdirected {
        plight.disarm(fault);
    }
    misdirected.then_some(fault)
}
