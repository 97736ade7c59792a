//! How what an actor asked for is carried out.

use std::hash::Hash;
use std::sync::Arc;

use super::road::Turn;
use super::{ANSWER, Clogged, Due, Entry, FOREVER, Form, Keeps, Pending, Place, Sim, What};
use crate::actor::{Effect, Message};
use crate::dice::{Ruling, Way};
use crate::digest::Fold;
use crate::disk::{Disk, Put};
use crate::fault::DiskIll;
use crate::id::{NodeId, Sync, Timer};
use crate::network::{COPY, Disturbance, Envelope, Fate, Link, Passage, Voice, peaceful_fate};
use crate::plight::Plight;
use crate::road::Transport;
use crate::seed::{Cause, Purpose, name_hash};
use crate::time::{Duration, Instant};
use crate::tripwire::Point;

/// The envelopes under way that come of one that is sent, each with how long it takes from now.
type Parts = [Option<(Pending, Duration)>; 2];

impl<M: Message> Sim<M> {
    #[inline(always)]
    pub(super) fn perform(&mut self, node: NodeId, effect: Effect<M>) {
        match effect {
            Effect::Send { to, msg, cause } => self.dispatch(node, to, msg, cause, Form::Message),
            Effect::Set { timer, after, cause } => self.set(node, timer, after, cause),
            Effect::Cancel { timer } => {
                self.fold(0xC0_0000_0000 | u64::from(timer.0));
                if let Some(slot) = self.nodes[node.0 as usize].timers.get_mut(timer) {
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
            Effect::Watch { watch, after } => self.watch(node, watch, after),
            Effect::Ready => {
                self.fold(name_hash("ready"));
                self.is_ready(node);
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
        let disk = &mut self.disks[node.0 as usize];
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

    /// Sends what a machine says by itself.
    pub(super) fn send(&mut self, from: NodeId, to: NodeId, msg: M, cause: Cause, form: Form) {
        self.dispatch(from, to, msg, cause, form);
    }

    #[inline(always)]
    fn dispatch(&mut self, from: NodeId, to: NodeId, msg: M, cause: Cause, form: Form) {
        debug_assert!((to.0 as usize) < self.nodes.len(), "the context refuses nodes that are not there");
        let mut fold = Fold::from(self.digest);
        fold.word(u64::from(to.0) << 8 | form as u64);
        msg.hash(&mut fold);
        let (kind, at) = (msg.kind(), self.now);
        // Made only where it is looked at, which is seldom.
        let of = move || {
            let voice = if form == Form::Message { Voice::Actor } else { Voice::Machine };
            Envelope { from, to, kind, cause, at, voice }
        };
        let link = self.ground.system.links.get(from, to);
        if !self.weather.active.is_empty() || !self.dice.only_cast() || !link.is_plain() {
            return self.dispatch_in_trouble(of(), msg, form, fold);
        }
        let fate = peaceful_fate(link, self.dice.cast_way(from, to, cause));
        if self.log.is_some() {
            let calm = peaceful_fate(link, Way::CALM);
            self.log_sent(of(), &msg, form, fate.into(), calm);
        }
        match fate {
            Fate::Arrives(after) => {
                fold.word(after.nanos());
                self.digest = fold.digest();
                let what = What::Letter { from, to, letter: self.letters.put(msg), form };
                self.queue.push(at + after, Pending { cause, sent: self.number, what });
            }
            fate => _ = self.depart(of(), msg, form, fate, fold),
        }
    }

    /// Sends an envelope about whose fate a fault, a line of the case or what was sent before may have a word.
    #[inline(never)]
    fn dispatch_in_trouble(&mut self, of: Envelope, mut msg: M, form: Form, mut fold: Fold) {
        let ground = self.ground.clone();
        let link = ground.system.links.get(of.from, of.to);
        let disturbances = &ground.plan.disturbances;
        let ruling = if self.dice.has_rulings() && form == Form::Message {
            self.dice.rule_envelope(of.from, of.to, of.kind, of.cause.operation)
        } else {
            None
        };
        let mut passage = self.weather.fate(of, link, disturbances, &self.dice, ruling.as_ref());
        let limit = match ruling {
            // Its time on the way is said as a whole.
            Some(Ruling::Late(_) | Ruling::Alter(..)) => None,
            _ => self.weather.limit(of, link, disturbances),
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
        let calm = self.log.is_some().then(|| self.calm_fate(of, link, disturbances));
        let (mut wait, mut turn) = (Duration::ZERO, None);
        if let Some((limit, by)) = limit {
            let size = if msg.size() == 0 { link.size } else { msg.size() };
            (passage, turn) = self.stand_in_line(of, passage, limit, size, &by);
            wait = turn.map_or(wait, |turn: Turn| turn.done.since(self.now));
            passage.fate = match ruling {
                Some(Ruling::Twice(second)) => passage.fate.later(wait).with_second(second),
                _ => passage.fate.later(wait),
            };
        }
        if is_stream {
            passage.fate = self.in_order(of, passage.fate, form);
        }
        if let Some(calm) = calm {
            self.log_sent(of, &msg, form, passage, calm.later(wait));
        }
        let parts = self.depart(of, msg, form, passage.fate, fold);
        if let Some(turn) = turn {
            self.stay_in_line((of.from, of.to), turn, parts);
        }
    }

    /// What would become of an envelope under calm.
    fn calm_fate(&self, of: Envelope, link: &Link, disturbances: &[Option<Disturbance>]) -> Fate {
        let (dice, mut weather) = (self.dice.calmed(), self.weather.clone());
        match weather.fate(of, link, disturbances, &dice, None).fate {
            Fate::Arrives(after) if link.transport != Transport::Datagram => {
                Fate::Arrives(after.max(self.held_back(of.from, of.to)))
            }
            calm => calm,
        }
    }

    #[cold]
    fn log_sent(&mut self, of: Envelope, msg: &M, form: Form, passage: Passage, calm: Fate) {
        let Some(log) = &mut self.log else { return };
        let Envelope { from, to, kind, cause, .. } = of;
        let Passage { fate, fault, damage } = passage;
        log.entries.push(Entry::Sent { from, to, kind, cause, fate, fault, calm, altered: damage, form });
        if log.messages == Keeps::Messages {
            log.sent.push(msg.clone());
        }
    }

    /// An envelope as what is pending once it is under way.
    #[inline]
    fn post(&mut self, of: Envelope, msg: M, form: Form) -> Pending {
        let what = What::Letter { from: of.from, to: of.to, letter: self.letters.put(msg), form };
        Pending { cause: of.cause, sent: self.number, what }
    }

    /// The same of the second of two copies.
    fn post_copy(&mut self, of: Envelope, msg: M, form: Form) -> Pending {
        self.post(Envelope { cause: of.cause.then(COPY), ..of }, msg, form)
    }

    /// Puts an envelope on its way, or on none, as its fate says; with how long from now each part of it takes.
    #[inline(never)]
    fn depart(&mut self, of: Envelope, msg: M, form: Form, fate: Fate, mut fold: Fold) -> Parts {
        let mut parts = [None; 2];
        match fate {
            Fate::Arrives(after) => {
                fold.word(after.nanos());
                let pending = self.post(of, msg, form);
                parts[0] = Some((pending, after));
                self.queue.push(self.now + after, pending);
            }
            Fate::ArrivesTwice(first, second) => {
                fold.word(first.nanos() ^ second.nanos().rotate_left(32) ^ 2);
                let (original, copy) = (self.post(of, msg.clone(), form), self.post_copy(of, msg, form));
                self.queue.push(self.now + first, original);
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
                self.refuse(of.from, of.to, msg, of.cause);
                return parts;
            }
            Fate::Reset(after) => {
                fold.word(after.nanos() ^ u64::MAX >> 4);
                let back = Envelope { from: of.to, to: of.from, cause: of.cause.then(ANSWER), ..of };
                let pending = self.post(back, msg, Form::Reset);
                self.queue.push(self.now + after, pending);
            }
            Fate::Held(after) => {
                fold.word(after.nanos() ^ u64::MAX >> 2);
                let pending = self.post(of, msg, form);
                self.clogged.push(Clogged { pending, after, place: Place::AtSender });
            }
            Fate::HeldTwice(first, second) => {
                fold.word(first.nanos() ^ second.nanos().rotate_left(32) ^ u64::MAX >> 3);
                let (original, copy) = (self.post(of, msg.clone(), form), self.post_copy(of, msg, form));
                self.clogged.push(Clogged { pending: original, after: first, place: Place::AtSender });
                self.clogged.push(Clogged { pending: copy, after: second, place: Place::AtSender });
            }
        }
        self.digest = fold.digest();
        parts
    }

    /// A stopped machine answers an envelope, if the link back brings answers.
    pub(super) fn refuse(&mut self, asker: NodeId, machine: NodeId, msg: M, cause: Cause) {
        if self.system().links.get(machine, asker).brings_answers() {
            self.send(machine, asker, msg, cause.then(ANSWER), Form::Refused);
        }
    }

    pub(super) fn set(&mut self, node: NodeId, timer: Timer, after: Duration, cause: Cause) {
        let due = (self.now + self.true_length(node, after)).min(FOREVER);
        self.fold(due.nanos() ^ u64::from(timer.0).rotate_right(16));
        self.arm(node, timer, due, cause);
        self.log_entry(|| Entry::Set { node, timer, due });
    }

    /// How long a length on the monotonic clock of a node is in truth.
    #[inline]
    pub(super) fn true_length(&mut self, node: NodeId, after: Duration) -> Duration {
        match self.plights.get(node.0 as usize).and_then(Option::as_deref) {
            None => self.nodes[node.0 as usize].clock.true_length(after),
            Some(plight) => {
                let true_length = plight.clocks.true_length(after);
                if true_length != after {
                    self.weather.touch(plight.drifting_by());
                }
                true_length
            }
        }
    }

    #[inline(always)]
    pub(super) fn arm(&mut self, node: NodeId, timer: Timer, due: Instant, cause: Cause) {
        let set = self.number;
        let slot = self.nodes[node.0 as usize].timers.place(timer);
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
        let set = there.timers.get(timer).is_some_and(|slot| slot.due != Instant::NEVER);
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
        let this = &self.nodes[node.0 as usize];
        self.disks[node.0 as usize].begin_sync(number);
        let what = What::Synced { node, number, life: this.life, sync };
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
