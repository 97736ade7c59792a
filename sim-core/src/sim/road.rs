//! How a run keeps what its links keep in mind: who stands in line, and how connections stand.

use super::{ANSWER, Clogged, Form, Pending, Place, Sim, What};
use crate::actor::Message;
use crate::dist::Dist;
use crate::id::NodeId;
use crate::network::{CROWD, Envelope, Fate, LATENCY, Passage, Voice};
use crate::road::{Connection, Entry, Limit, Transport};
use crate::time::{Duration, Instant};

/// When and for how long it is an envelope's turn on its link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    takes: Duration,
    /// When it is over.
    pub(super) done: Instant,
}

// ── Lines ──

impl<M: Message> Sim<M> {
    /// Lets an envelope come to the line of its link, if what becomes of it needs a turn there.
    pub(super) fn stand_in_line(
        &mut self,
        of: Envelope,
        passage: Passage,
        limit: Limit,
        size: u32,
        by: &[u32],
    ) -> (Passage, Option<Turn>) {
        let needs_turn = match passage.fate {
            Fate::Arrives(_) | Fate::ArrivesTwice(..) | Fate::Lost | Fate::Corrupt => true,
            // What is cut off or refused never gets there, and what is held comes when it is let go. Of a broken connection
            // nobody waits for the bytes.
            Fate::Cut | Fate::Refused | Fate::Reset(_) | Fate::Held(_) | Fate::HeldTwice(..) | Fate::Full => false,
        };
        if !needs_turn {
            return (passage, None);
        }
        let takes = limit.bandwidth.takes(size);
        match self.turn(of, takes, limit) {
            None => {
                self.weather.touch(by.iter().copied());
                let fault = by.first().copied().or(passage.fault);
                (Passage { fate: Fate::Full, fault, damage: None }, None)
            }
            Some(done) => {
                if done > self.now {
                    self.weather.touch(by.iter().copied());
                }
                (passage, Some(Turn { takes, done }))
            }
        }
    }

    /// When the turn of an envelope is over that comes now; none when there is no room for it.
    fn turn(&mut self, of: Envelope, takes: Duration, limit: Limit) -> Option<Instant> {
        let (dice, now) = (&self.dice, self.now);
        let line = self.roads.lines.entry((of.from, of.to)).or_default();
        let bits = || dice.about_envelope(of.from, of.to, of.cause, CROWD, 0);
        let (done, place, left) = match line.enter(now, takes, limit, bits) {
            Entry::Waits(done) => return Some(done),
            Entry::Turned => return None,
            Entry::Instead(done, place, left) => (done, place, left),
        };
        for (pending, _) in left.parts.into_iter().flatten() {
            if let What::Letter { letter, .. } = pending.what {
                // Its entry in the queue finds nothing when it pops.
                self.letters.lose(letter);
            }
        }
        for one in line.from(place) {
            for (pending, after) in one.parts.iter_mut().flatten() {
                if let What::Letter { letter, .. } = &mut pending.what
                    && let Some(msg) = self.letters.lose(*letter)
                {
                    *letter = self.letters.put(msg);
                    self.queue.push(one.done + *after, *pending);
                }
            }
        }
        self.fold(done.nanos());
        Some(done)
    }

    /// Keeps the place of what has got a turn; with how long from now each part of it takes.
    pub(super) fn stay_in_line(&mut self, link: (NodeId, NodeId), turn: Turn, parts: [Option<(Pending, Duration)>; 2]) {
        let wait = turn.done.since(self.now).nanos();
        let behind =
            |(pending, after): (Pending, Duration)| (pending, Duration::from_nanos(after.nanos().saturating_sub(wait)));
        let line = self.roads.lines.entry(link).or_default();
        line.stand(turn.takes, turn.done, parts.map(|part| part.map(behind)));
    }

    /// Sends on what a clog no longer holds: to its line, if it has not been there.
    pub(super) fn set_off(&mut self, Clogged { pending, after, place }: Clogged) {
        let What::Letter { from, to, letter, .. } = pending.what else { return };
        let Some(msg) = self.letters.get(letter) else { return };
        let ground = self.ground.clone();
        let link = ground.system.links.get(from, to);
        let (kind, cause) = (msg.kind(), pending.cause);
        let of = Envelope { from, to, kind, cause, at: self.now, voice: Voice::Actor };
        let size = if msg.size() == 0 { link.size } else { msg.size() };
        let limit = match place {
            Place::AtSender => self.weather.limit(of, link, &ground.plan.disturbances),
            Place::OnTheWay => None,
        };
        let mut arrives = self.now + after;
        let mut turn = None;
        if let Some((limit, by)) = limit {
            let takes = limit.bandwidth.takes(size);
            self.weather.touch(by.iter().copied());
            let Some(done) = self.turn(of, takes, limit) else {
                self.letters.take(letter);
                return self.fold(u64::MAX - 3);
            };
            arrives = done + after;
            turn = Some(Turn { takes, done });
        }
        if link.transport != Transport::Datagram {
            let connection = self.roads.connections.entry((from, to)).or_default();
            arrives = arrives.max(connection.last);
            connection.last = arrives;
        }
        self.queue.push(arrives, pending);
        if let Some(turn) = turn {
            self.stay_in_line((from, to), turn, [Some((pending, arrives.since(self.now))), None]);
        }
    }
}

// ── Connections ──

impl<M: Message> Sim<M> {
    /// What becomes of an envelope on a stream after those before it: it overtakes none, and a connection that is broken breaks
    /// it, too.
    pub(super) fn in_order(&mut self, of: Envelope, fate: Fate, form: Form) -> Fate {
        // What a machine says by itself is in no stream.
        if form != Form::Message {
            return if matches!(fate, Fate::Reset(_)) { Fate::Lost } else { fate };
        }
        let waits_behind = self.clogged.iter().any(|clogged| match clogged.pending.what {
            What::Letter { from, to, .. } => (from, to) == (of.from, of.to),
            What::Timer { .. }
            | What::Synced { .. }
            | What::Answered { .. }
            | What::Killed { .. }
            | What::Booted { .. } => false,
        });
        let is_dark = self.nodes[of.to.0 as usize].dark > 0;
        let there_and_back = self.round_trip(of);
        let connection = self.roads.connections.entry((of.from, of.to)).or_default();
        if connection.half_open {
            // Without power nobody says that the connection is gone.
            if is_dark {
                return if fate == Fate::Cut { fate } else { Fate::Lost };
            }
            if matches!(fate, Fate::Arrives(_) | Fate::Reset(_)) {
                connection.half_open = false;
                connection.broken = of.at + there_and_back;
                return Fate::Reset(there_and_back);
            }
        }
        if connection.broken > of.at {
            return Fate::Reset(connection.broken.since(of.at));
        }
        match fate {
            Fate::Arrives(after) if waits_behind => Fate::Held(after),
            Fate::Arrives(after) => {
                connection.last = connection.last.max(of.at + after);
                Fate::Arrives(connection.last.since(of.at))
            }
            Fate::Reset(after) => {
                connection.broken = of.at + after;
                fate
            }
            Fate::ArrivesTwice(..)
            | Fate::Lost
            | Fate::Corrupt
            | Fate::Full
            | Fate::Refused
            | Fate::Cut
            | Fate::Held(_)
            | Fate::HeldTwice(..) => fate,
        }
    }

    /// How long an envelope on a stream is on its way at least, because one before it is.
    pub(super) fn held_back(&self, from: NodeId, to: NodeId) -> Duration {
        let connection = self.roads.connections.get(&(from, to));
        connection.map_or(Duration::ZERO, |connection| connection.last.since(self.now))
    }

    /// How long an envelope and what comes back of it are on the way, when nothing holds them up.
    fn round_trip(&self, of: Envelope) -> Duration {
        let way = |from, to, cause| match &self.system().links.get(from, to).latency {
            Dist::Constant(length) => *length,
            dist => dist.sample(self.dice.about_envelope(from, to, cause, LATENCY, 0)),
        };
        way(of.from, of.to, of.cause).saturating_add(way(of.to, of.from, of.cause.then(ANSWER)))
    }

    /// Whether a machine whose node is down tells another so: over links that bring answers, and on a stream only with power.
    pub(super) fn tells(&self, machine: NodeId, other: NodeId) -> bool {
        let link = self.system().links.get(machine, other);
        let is_stream = link.transport != Transport::Datagram;
        link.brings_answers() && !(is_stream && self.nodes[machine.0 as usize].dark > 0)
    }

    /// Ends the connections of a node that is gone: what is on its way there arrives nowhere, and its senders learn so, unless the
    /// power is gone as well.
    pub(super) fn disconnect(&mut self, node: NodeId) {
        if self.roads.connections.is_empty() {
            return;
        }
        let is_dark = self.nodes[node.0 as usize].dark > 0;
        let ended: Vec<(NodeId, NodeId)> =
            self.roads.connections.keys().copied().filter(|(from, to)| *from == node || *to == node).collect();
        for (from, to) in ended {
            self.roads.connections.remove(&(from, to));
            let peer = if from == node { to } else { from };
            if is_dark && peer != node {
                let half_open = Connection { half_open: true, ..Connection::default() };
                self.roads.connections.insert((peer, node), half_open);
            }
        }
        let ground = self.ground.clone();
        let comes = |pending: &Pending| match pending.what {
            What::Letter { from, to, letter, form } => (to == node
                && ground.system.links.get(from, to).transport != Transport::Datagram)
                .then_some((from, letter, form, pending.cause)),
            What::Timer { .. }
            | What::Synced { .. }
            | What::Answered { .. }
            | What::Killed { .. }
            | What::Booted { .. } => None,
        };
        // In the order in which they would have arrived; those of one instant stand in theirs already.
        let mut coming: Vec<_> = self.queue.entries().filter_map(|(at, pending)| Some((at, comes(pending)?))).collect();
        coming.sort_by_key(|(at, _)| *at);
        let held = self.clogged.iter().filter_map(|clogged| Some((Instant::NEVER, comes(&clogged.pending)?)));
        coming.extend(held.collect::<Vec<_>>());
        for (_, (from, letter, form, cause)) in coming {
            // Its entry in the queue finds nothing when it pops.
            let Some(msg) = self.letters.lose(letter) else { continue };
            self.fold(u64::from(from.0));
            if form == Form::Message && !is_dark {
                self.send(node, from, msg, cause.then(ANSWER), Form::Reset);
            }
        }
    }
}
