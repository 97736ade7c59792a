//! How an event happens: it is taken, numbered, folded into the digest, and handled by its node.

use std::any::Any;
use std::cell::Cell;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Due, Entry, FOREVER, Form, Happening, Keeps, Letter, Panic, Pending, Sim, Starting, Step, What};
use crate::actor::{DiskError, Event, Message};
use crate::context::{Context, Fallen, Sites, Strain};
use crate::digest::Fold;
use crate::fault::DiskIll;
use crate::files::Files;
use crate::id::{NodeId, Sync, Timer};
use crate::network::Weather;
use crate::plight::Plight;
use crate::seed::Cause;
use crate::time::Instant;

/// What an actor panicked with.
type Panicked = Box<dyn Any + Send>;

impl<M: Message> Sim<M> {
    /// Folds one event into the digest and numbers it.
    #[inline]
    pub(super) fn count(&mut self, tag: u64, what: u64) {
        self.number += 1;
        let mut fold = Fold::from(self.digest);
        fold.word(self.now.nanos() ^ tag.rotate_right(4));
        fold.word(what);
        self.digest = fold.digest();
    }

    /// The step that was just counted, of what no node handles.
    pub(super) fn stepped(&self, what: Happening, cause: Cause, sent: u64) -> Step {
        Step { number: self.number, at: self.now, what, cause, before: None, by: (sent > 0).then_some(sent) }
    }

    /// Has a node handle the event that was just counted.
    #[inline(always)]
    pub(super) fn handled_by(
        &mut self,
        node: NodeId,
        event: Event<M>,
        what: Happening,
        cause: Cause,
        sent: u64,
    ) -> Step {
        let last = self.follow(node);
        self.handle(node, event, cause);
        Step { before: last, ..self.stepped(what, cause, sent) }
    }

    /// The event that was handled before on a node; the next one asks for this.
    #[inline]
    pub(super) fn follow(&mut self, node: NodeId) -> Option<u64> {
        let last = std::mem::replace(&mut self.nodes[node.0 as usize].last, self.number);
        (last > 0).then_some(last)
    }

    pub(super) fn happen(&mut self, pending: Pending) -> Option<Step> {
        if !self.plights.is_empty() && self.waits(Due::Event(pending)) {
            return None;
        }
        match pending.what {
            What::Letter { from, to, letter, form } => {
                self.letter_arrives(Letter { from, to, letter, form }, pending.cause, pending.sent)
            }
            What::Timer { node, timer } => self.timer_due(pending, node, timer),
            What::Synced { node, number, life, sync } => self.disk_answers(pending, node, number, life, sync),
            What::Answered { node, life, sync, done } => self.hears_of_sync(pending, node, life, sync, done),
            What::Killed { node, life } => self.killed(pending, node, life),
            What::Booted { node, life } => self.booted(pending, node, life),
            What::Lapsed { node, turn, watch } => self.lapsed(pending, node, turn, watch),
        }
    }

    /// What is pending as the event it would have been; `None` of what is stale.
    pub(super) fn take(&mut self, pending: Pending) -> Option<Happening> {
        match pending.what {
            What::Letter { from, to, letter, form } => {
                let kind = self.letters.take(letter)?.kind();
                Some(match form {
                    _ if self.nodes[to.0 as usize].down > 0 => Happening::Undelivered { from, to, kind },
                    Form::Message => Happening::Delivered { from, to, kind },
                    Form::Refused => Happening::Refused { by: from, to, kind },
                    Form::Reset => Happening::Reset { by: from, to, kind },
                })
            }
            What::Timer { node, timer } => {
                self.take_timer(pending, node, timer).map(|_| Happening::Fired { node, timer })
            }
            What::Synced { node, life, sync, .. } | What::Answered { node, life, sync, .. } => {
                let this = &self.nodes[node.0 as usize];
                (this.life == life && this.down == 0).then_some(Happening::Synced { node, sync })
            }
            What::Killed { node, life } => self.lives(node, life).then_some(Happening::Killed { node }),
            What::Booted { node, life } => {
                let this = &mut self.nodes[node.0 as usize];
                if this.life == life {
                    this.down -= 1;
                }
                (this.life == life && this.down == 0).then_some(Happening::Started { node, life })
            }
            What::Lapsed { node, turn, watch } => {
                let lapses = self.is_watched(node, turn, watch);
                if lapses {
                    self.nodes[node.0 as usize].watches[watch as usize] += 1;
                }
                lapses.then_some(Happening::Lapsed { node, watch })
            }
        }
    }

    #[inline(always)]
    pub(super) fn letter_arrives(&mut self, of: Letter, cause: Cause, sent: u64) -> Option<Step> {
        let Letter { from, to, letter, form } = of;
        let msg = self.letters.take(letter)?;
        let kind = msg.kind();
        if let Some(log) = &mut self.log
            && log.messages == Keeps::Messages
        {
            log.handled = Some(msg.clone());
        }
        self.count(1 + form as u64, u64::from(from.0) << 32 | u64::from(to.0) | u64::from(kind.0) << 48);
        if self.nodes[to.0 as usize].down > 0 {
            return Some(self.undelivered(of, msg, cause, sent));
        }
        // Asked once, and what it is only there: three ways from here cost twenty instructions an event.
        if form != Form::Message {
            return Some(self.answer_of_machine(of, msg, cause, sent));
        }
        let (what, event) = (Happening::Delivered { from, to, kind }, Event::Message { from, msg });
        Some(self.handled_by(to, event, what, cause, sent))
    }

    /// A node hears what a machine sent back by itself.
    #[inline(never)]
    fn answer_of_machine(&mut self, of: Letter, msg: M, cause: Cause, sent: u64) -> Step {
        let Letter { from, to, form, .. } = of;
        let kind = msg.kind();
        let (what, event) = match form {
            Form::Message => (Happening::Delivered { from, to, kind }, Event::Message { from, msg }),
            Form::Refused => (Happening::Refused { by: from, to, kind }, Event::Refused { by: from, msg }),
            Form::Reset => (Happening::Reset { by: from, to, kind }, Event::Reset { by: from, msg }),
        };
        self.handled_by(to, event, what, cause, sent)
    }

    /// An envelope comes to a machine on which nothing listens.
    #[cold]
    fn undelivered(&mut self, of: Letter, msg: M, cause: Cause, sent: u64) -> Step {
        let Letter { from, to, form, .. } = of;
        let step = self.stepped(Happening::Undelivered { from, to, kind: msg.kind() }, cause, sent);
        if form == Form::Message && self.tells(to, from) {
            self.refuse(from, to, msg, cause);
        }
        step
    }

    #[inline(always)]
    fn timer_due(&mut self, pending: Pending, node: NodeId, timer: Timer) -> Option<Step> {
        let (cause, set) = self.take_timer(pending, node, timer)?;
        self.count(4, u64::from(node.0) << 32 | u64::from(timer.0));
        Some(self.handled_by(node, Event::Timer(timer), Happening::Fired { node, timer }, cause, set))
    }

    /// Takes a timer that is due, with its cause and the event that set it; `None` when its entry is stale.
    #[inline]
    pub(super) fn take_timer(&mut self, pending: Pending, node: NodeId, timer: Timer) -> Option<(Cause, u64)> {
        let slot = self.nodes[node.0 as usize].timers.get_mut(timer)?;
        if slot.queued != self.now {
            return None;
        }
        slot.queued = Instant::NEVER;
        if slot.due == Instant::NEVER {
            return None;
        }
        if slot.due > self.now {
            slot.queued = slot.due;
            if slot.due < FOREVER {
                self.queue.push(slot.due, pending);
            }
            return None;
        }
        slot.due = Instant::NEVER;
        Some((slot.cause, slot.set))
    }

    pub(super) fn node_starts(&mut self, starting: Starting) -> Option<Step> {
        let Starting { node, life, sent } = starting;
        if self.waits(Due::Start(starting)) {
            return None;
        }
        if !self.lives(node, life) {
            return None;
        }
        let mut files = self.disks[node.0 as usize].after_crash();
        if let Some(fault) = self.plight(node).and_then(|plight| plight.ill_by(DiskIll::ReadError))
            && files.count() > 0
        {
            files = Files::unreadable();
            self.weather.touched[fault as usize] += 1;
            self.fold(u64::from(fault));
        }
        let cause = Cause::root("life", self.names().node(node), u64::from(life));
        self.count(5, u64::from(node.0) << 32 | u64::from(life));
        Some(self.handled_by(node, Event::Start(files), Happening::Started { node, life }, cause, sent))
    }

    fn disk_answers(&mut self, pending: Pending, node: NodeId, number: u64, life: u32, sync: Sync) -> Option<Step> {
        if !self.lives(node, life) || self.stalls(node, pending) {
            return None;
        }
        let done = self.end_sync(node, number);
        self.hears_of_sync(pending, node, life, sync, done)
    }

    fn hears_of_sync(
        &mut self,
        pending: Pending,
        node: NodeId,
        life: u32,
        sync: Sync,
        done: Result<(), DiskError>,
    ) -> Option<Step> {
        if !self.lives(node, life) {
            return None;
        }
        self.count(6, u64::from(node.0) << 32 | u64::from(sync.0));
        if done.is_err() {
            self.fold(u64::MAX);
        }
        let what = Happening::Synced { node, sync };
        Some(self.handled_by(node, Event::Synced(sync, done), what, pending.cause, pending.sent))
    }

    /// Has a node handle an event, and performs what it asks for.
    #[inline(always)]
    fn handle(&mut self, node: NodeId, event: Event<M>, cause: Cause) {
        self.dice.restart();
        self.effects.ready();
        let outcome = if self.is_unruled && self.plights.is_empty() && self.news.is_empty() {
            self.ask_actor::<true>(node, event, cause)
        } else {
            self.ask_actor_in_trouble(node, event, cause)
        };
        if let Err(panic) = outcome
            && !panic.is::<Fallen>()
        {
            self.log_draws(node);
            self.effects.clear();
            return self.found(node, &*panic);
        }
        self.perform_all(node);
    }

    /// Performs what a node has asked for, in its order.
    #[inline(never)]
    fn perform_all(&mut self, node: NodeId) {
        self.log_draws(node);
        self.fold_notes();
        // Nothing is asked for while this is performed.
        let mut at = 0;
        while let Some(effect) = self.effects.take(at) {
            at += 1;
            self.perform(node, effect);
        }
        self.effects.done();
        self.cursor.strike(&self.ground.plan, self.now);
    }

    /// Has an actor handle an event of which faults, lines of a case or news may have a word.
    #[inline(never)]
    fn ask_actor_in_trouble(&mut self, node: NodeId, event: Event<M>, cause: Cause) -> Result<(), Panicked> {
        if !self.news.is_empty() {
            self.hear_news();
        }
        self.ask_actor::<false>(node, event, cause)
    }

    /// Has an actor handle an event. In peace nothing has a word in that; to know it beforehand is to be spared all the questions.
    #[inline(always)]
    fn ask_actor<const PEACE: bool>(&mut self, node: NodeId, event: Event<M>, cause: Cause) -> Result<(), Panicked> {
        let ground = &*self.ground;
        let this = &mut self.nodes[node.0 as usize];
        let plight = if PEACE { None } else { self.plights.get(node.0 as usize).and_then(Option::as_deref) };
        let (now, wall) = match plight {
            None => {
                let now = this.clock.monotonic(self.now);
                (now, this.clock.wall_at(now))
            }
            Some(plight) => {
                self.strain = Strain::new(plight.factor(), plight.rush(), plight.ill_by(DiskIll::Full));
                (plight.clocks.monotonic(self.now), plight.clocks.wall(self.now))
            }
        };
        let active = &self.weather.active;
        let holding = |fault| active.iter().any(|active| active.fault == fault);
        let (denied_by, skews) = plight.map_or((&[][..], &[][..]), |plight| (&plight.denials, &plight.skews));
        let mut struck = Vec::new();
        let may_be_rare = !PEACE
            && (!ground.plan.pests.is_empty() || !denied_by.is_empty() || !skews.is_empty() || self.dice.has_rulings());
        let sites = if may_be_rare {
            let (pests, denials) = (&ground.plan.pests, &ground.plan.denials);
            let seed_key = self.cursor.seed_key;
            Some(Sites { pests, denials, denied_by, skews, holding: &holding, seed_key, struck: &mut struck })
        } else {
            None
        };
        let mut wires = if PEACE { None } else { self.cursor.wires.as_deref_mut() };
        if let Some(wires) = &mut wires {
            wires.begin(self.now, self.number);
        }
        let mut cx = Context {
            node,
            life: this.life,
            now,
            wall,
            strain: &mut self.strain,
            looked: Cell::new(false),
            cause,
            names: &ground.system.names,
            up: &self.up,
            kind_keys: &ground.kind_keys,
            dice: &mut self.dice,
            effects: &mut self.effects,
            notes: &mut self.notes,
            shared: &mut self.shared,
            wires,
            roles: &self.roles,
            sites,
        };
        let actor = &mut this.actor;
        let outcome = catch_unwind(AssertUnwindSafe(|| actor.handle(event, &mut cx)));
        let looked = cx.looked.get();
        if let Some(plight) = plight {
            blame(&mut self.weather, plight, &std::mem::take(&mut self.strain), looked);
        }
        if !struck.is_empty() {
            self.weather.touch(struck.into_iter());
        }
        outcome
    }

    /// Ends the run: the state may be torn after a panic, and nothing acts on it again.
    #[cold]
    pub(super) fn found(&mut self, node: NodeId, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let message = text.unwrap_or_else(|| "an actor panicked with something that is no text".to_owned());
        self.panic = Some(Panic { event: self.number, node, message });
    }

    #[inline]
    pub(super) fn log_draws(&mut self, node: NodeId) {
        if self.log.is_some() {
            self.log_draws_of(node);
        }
    }

    #[cold]
    fn log_draws_of(&mut self, node: NodeId) {
        if let (Some(log), Some(draws)) = (&mut self.log, &mut self.dice.record) {
            log.entries.extend(draws.drain(..).map(|draw| Entry::Drew { node, draw }));
        }
    }

    #[inline]
    pub(super) fn fold_notes(&mut self) {
        if !self.notes.is_empty() {
            let mut fold = Fold::from(self.digest);
            self.notes.hash(&mut fold);
            self.digest = fold.digest();
        }
    }

    #[inline]
    pub(super) fn fold(&mut self, word: u64) {
        let mut fold = Fold::from(self.digest);
        fold.word(word);
        self.digest = fold.digest();
    }
}

/// Counts what ails a node where it noticed.
#[cold]
fn blame(weather: &mut Weather, plight: &Plight<Due>, strain: &Strain, looked: bool) {
    if strain.rushed {
        weather.touch(plight.rushed_by());
    }
    if strain.worked {
        weather.touch(plight.slowed_by());
    }
    if looked {
        weather.touch(plight.wrong_by());
    }
    weather.touch(strain.full.into_iter().flat_map(|fault| std::iter::repeat_n(fault, strain.turned_away as usize)));
}
