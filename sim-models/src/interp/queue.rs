//! A queue: stores what is published and delivers it to consumers that have said they take more, until it is done.
//!
//! A consumer tells how many deliveries it takes and is then silent: the queue remembers it, as a long poll is kept open, and no
//! time passes in asking again. Words and deliveries may be lost and processes may crash; whenever a message waits that nobody is
//! known to take, the queue asks its consumers every [`ASKS`]. So whoever is there and can be reached is found, and a queue
//! without messages lets the run end.
//!
//! What is stored survives a crash; who takes how much is this process's knowledge, and does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use sim_core::{Actor, Cause, Context, Duration, Event, Instant, NodeId, Timer, Unanswered};

use super::service::{Kinds, PICK};
use crate::backlog::{Backlog, State, Stored};
use crate::message::{
    Aside, CallId, Carried, Counted, EdgeCounted, Extra, Msg, Note, Outcome, Parcel, Receipt, Room, Settled, Sort, Tone,
};
use crate::program::{Ack, Balance, EdgeRef, EndpointRef, NodeRef, Program, QueueDef, Reason};
use crate::shelf::{Waiter, as_pairs};
use crate::value::Value;

type Cx<'a> = Context<'a, Msg>;
/// A replica and the endpoint of its that consumes.
type Consumer = (NodeId, EndpointRef);

/// How long messages wait that nobody is known to take before consumers are asked: as long as a long poll of Amazon SQS lasts at
/// most (`WaitTimeSeconds`), after which a consumer there asks again.
pub(super) const ASKS: Duration = Duration::from_secs(20);

const DUE: Timer = Timer(0);
const BELL: Timer = Timer(1);
const ASK: Timer = Timer(2);

/// Mixed into what a delivery follows from, with its number.
const RECEIVE: u64 = 0x7265_6300;

/// A queue.
#[derive(Clone, Serialize)]
pub struct Queue {
    #[serde(skip)]
    program: Arc<Program>,
    #[serde(skip)]
    kinds: Kinds,
    pub(super) me: NodeRef,
    /// Consumers that have said how much they take.
    #[serde(serialize_with = "as_pairs")]
    pub(super) sessions: BTreeMap<Consumer, Session>,
    /// Consumers that may be there and have not said anything.
    silent: BTreeSet<Consumer>,
    /// Who was chosen last, where they take turns.
    turn: Option<Consumer>,
    /// Publishings that a `hang` fault has accepted.
    hung: Vec<(NodeId, CallId, Cause)>,
    /// The instant for which [`DUE`] is set.
    due: Option<Instant>,
    /// Whether [`ASK`] is set, and how often consumers were asked.
    asks: bool,
    asked: u64,
    /// The age that the judge knows.
    #[serde(skip)]
    told_oldest: Option<Instant>,
}

/// What is known of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Session {
    life: u32,
    number: u64,
    /// Deliveries sent to it.
    sent: u64,
    /// Of those, how many are known never to have come there.
    lost: u64,
    /// How many it takes in all, with those; none: any number.
    allowed: Option<u64>,
    /// Deliveries of its that are in flight.
    pub(super) open: u32,
}

impl Session {
    /// How many deliveries it takes now; none: any number.
    pub(super) fn room(&self) -> Option<u64> {
        self.allowed.map(|allowed| allowed.saturating_sub(self.sent))
    }
}

impl Queue {
    /// A queue before its first start.
    pub(super) fn new(program: Arc<Program>, me: NodeRef) -> Self {
        Queue {
            kinds: Kinds::of(&program),
            program,
            me,
            sessions: BTreeMap::new(),
            silent: BTreeSet::new(),
            turn: None,
            hung: Vec::new(),
            due: None,
            asks: false,
            asked: 0,
            told_oldest: None,
        }
    }

    fn backlog<'c>(&self, cx: &'c Cx<'_>) -> &'c Backlog {
        cx.shared().backlog(self.me).unwrap_or(&EMPTY)
    }

    fn count(&self, cx: &mut Cx<'_>, what: Counted) {
        cx.note(Note::Count(self.me, what));
    }

    fn gauge(cx: &mut Cx<'_>, program: &Program, node: NodeRef, busy: i32, waiting: i32) {
        if program.node(node).gauged {
            cx.note(Note::Gauge { node, busy, waiting });
        }
    }

    /// All replicas of all endpoints that consume it.
    fn consumers<'p>(program: &'p Program, def: &'p QueueDef) -> impl Iterator<Item = Consumer> + 'p {
        def.consumers.iter().flat_map(|endpoint| {
            let replicas = &program.node(program.endpoint(*endpoint).node).replicas;
            replicas.iter().map(|replica| (*replica, *endpoint))
        })
    }

    fn edge(program: &Program, endpoint: EndpointRef) -> Option<EdgeRef> {
        program.endpoint(endpoint).consumes.as_ref().map(|consumes| consumes.edge)
    }

    /// At the first start its consumers speak by themselves; later ones have to be told that it is back.
    fn start(&mut self, cx: &mut Cx<'_>, program: &Program, def: &QueueDef) {
        self.silent = Self::consumers(program, def).collect();
        let (node, life) = (cx.id(), cx.life());
        cx.shared_mut().backlog_mut(self.me).hang_bell(Waiter { node, life, timer: BELL });
        cx.set(BELL, Duration::FOREVER);
        if life > 1 {
            self.ask(cx, program);
        }
    }

    /// Asks everybody who has said nothing or takes nothing.
    fn ask(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let full = self.sessions.iter().filter(|(_, session)| session.room() == Some(0)).map(|(who, _)| *who);
        let asked: BTreeSet<Consumer> = self.silent.iter().copied().chain(full).collect();
        self.asked += 1;
        cx.because(Cause::root("ask", &program.node(self.me).name, u64::from(cx.life())).then(self.asked));
        for who in asked {
            let sent = self.sessions.get(&who).map_or(0, |session| session.sent);
            cx.send(who.0, Msg::Rouse { endpoint: who.1, life: cx.life(), sent, kind: self.kinds.deliver });
        }
    }

    fn receive(&mut self, cx: &mut Cx<'_>, program: &Program, def: &QueueDef, from: NodeId, msg: Msg) {
        let service = cx.service(&program.kinds[sim_core::Message::kind(&msg).0 as usize]);
        let is_served = service == sim_core::Service::Served;
        match msg {
            Msg::Publish { id, carried, kind, .. } => match service {
                sim_core::Service::Served => self.publish(cx, program, def, from, id, carried),
                sim_core::Service::Hangs => self.hung.push((from, id, cx.cause())),
                sim_core::Service::Fails(reason) => {
                    let outcome = Outcome::failed(program.reason_of_failure(reason.as_ref()));
                    cx.send(from, Msg::Answer { id, kind, outcome, extra: Extra::None, open: None });
                }
            },
            Msg::Ready { endpoint, room, .. } if is_served => self.heard(cx, (from, endpoint), room),
            Msg::Extend { receipts, .. } if is_served => self.extend(cx, def, &receipts),
            Msg::Settle { settled, .. } if is_served => {
                for (receipt, how) in settled.iter() {
                    self.settle(cx, program, def, from, *receipt, *how);
                }
            }
            Msg::Call { id, kind, .. } | Msg::Ask { id, kind, .. } => {
                // Nothing is asked of a queue but to keep messages.
                let outcome = Outcome::Error(Reason::REFUSED);
                cx.send(from, Msg::Answer { id, kind, outcome, extra: Extra::None, open: None });
            }
            Msg::Ready { .. }
            | Msg::Extend { .. }
            | Msg::Settle { .. }
            | Msg::Answer { .. }
            | Msg::Cancel { .. }
            | Msg::Rollback { .. }
            | Msg::Inquire { .. }
            | Msg::Stands { .. }
            | Msg::Rouse { .. }
            | Msg::Deliver { .. } => {}
        }
    }

    /// Stores a message and says so.
    fn publish(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        def: &QueueDef,
        from: NodeId,
        id: CallId,
        carried: Carried,
    ) {
        let now = cx.now();
        let state = if def.delay.is_zero() { State::Visible } else { State::Delayed(later(now, def.delay)) };
        let (cause, expires) = (cx.cause(), later(now, def.retention));
        let stored = Stored { carried, cause, published: now, expires, receives: 0, reason: None, state };
        let number = cx.shared_mut().next_message();
        cx.shared_mut().backlog_mut(self.me).put(number, stored);
        self.count(cx, Counted::Published);
        Self::gauge(cx, program, self.me, 0, 1);
        let outcome = Outcome::Ok(Value::Int(number as i64));
        cx.send(from, Msg::Answer { id, kind: self.kinds.publish, outcome, extra: Extra::None, open: None });
    }

    /// A consumer says how much it takes.
    fn heard(&mut self, cx: &Cx<'_>, who: Consumer, room: Room) {
        let Room { life, number, of_queue, had, more, asked } = room;
        let known = self.sessions.get(&who).copied();
        if known.is_some_and(|known| (known.life, known.number) >= (life, number)) {
            return;
        }
        let fresh = Session { life, number, sent: 0, lost: 0, allowed: None, open: 0 };
        let mut session = known.filter(|known| known.life == life).unwrap_or(fresh);
        let had = if of_queue == cx.life() { had } else { 0 };
        if let Some(asked) = asked.filter(|_| of_queue == cx.life()) {
            // What was sent before it was asked and has not come by now is lost.
            session.lost = asked.saturating_sub(had).max(session.lost);
        }
        session.number = number;
        session.allowed = more.map(|more| had.saturating_add(session.lost).saturating_add(u64::from(more)));
        self.silent.remove(&who);
        self.sessions.insert(who, session);
    }

    /// What came back because nobody was there who could take it: others may have it at once. Whose process runs says nothing by
    /// itself, as one does that starts again, and is to be asked.
    fn bounced(&mut self, cx: &mut Cx<'_>, program: &Program, by: NodeId, msg: &Msg) {
        let (Msg::Deliver { endpoint, .. } | Msg::Rouse { endpoint, .. }) = msg else { return };
        let who = (by, *endpoint);
        self.sessions.remove(&who);
        self.silent.remove(&who);
        if cx.is_up(by) {
            self.silent.insert(who);
        }
        if let Msg::Deliver { parcels, .. } = msg {
            for parcel in parcels.iter() {
                self.back(cx, program, parcel.receipt, Tone::Error);
            }
        }
    }

    /// The machine of a consumer says that its process has crashed, which had told how much it takes. What it had in hand stays
    /// hidden: nobody knows how far it came.
    fn reset(&mut self, cx: &mut Cx<'_>, program: &Program, by: NodeId, msg: &Msg) {
        if let Msg::Ready { endpoint, room, .. } = msg {
            if self.sessions.get(&(by, *endpoint)).is_some_and(|session| session.life == room.life) {
                self.sessions.remove(&(by, *endpoint));
            }
            return;
        }
        self.bounced(cx, program, by, msg);
    }

    fn extend(&self, cx: &mut Cx<'_>, def: &QueueDef, receipts: &[Receipt]) {
        let until = later(cx.now(), def.visibility);
        for receipt in receipts {
            if let Some(State::InFlight { to, .. }) = self.held(cx, *receipt) {
                cx.shared_mut().backlog_mut(self.me).turn(receipt.message, State::InFlight { until, to });
            }
        }
    }

    /// The state of a message, if this delivery of it is the one in flight.
    fn held(&self, cx: &Cx<'_>, receipt: Receipt) -> Option<State> {
        let message = self.backlog(cx).get(receipt.message)?;
        let is_current = message.receives == receipt.delivery && message.state.holder().is_some();
        is_current.then_some(message.state)
    }

    fn settle(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        def: &QueueDef,
        from: NodeId,
        receipt: Receipt,
        how: Settled,
    ) {
        match how {
            // Done is done, even by a worker whose time was up.
            Settled::Done => match self.take(cx, program, receipt.message) {
                Some(stored) => {
                    self.outcome(cx, program, &stored, Tone::Ok);
                    self.count(cx, Counted::Acked);
                }
                None => {
                    // Somebody else has done it before.
                    let edge = def.consumers.iter().find_map(|endpoint| {
                        let is_its = program.endpoint(*endpoint).node == program.replicas[from.0 as usize].0;
                        Self::edge(program, *endpoint).filter(|_| is_its)
                    });
                    edge.into_iter().for_each(|edge| cx.note(Note::Edge(edge, EdgeCounted::Late)));
                }
            },
            Settled::Dead(reason) if self.held(cx, receipt).is_some() => {
                self.bury(cx, program, def, receipt.message, Some(reason));
            }
            Settled::Back => {
                // Whoever gives something back takes nothing until it says so again.
                let holder = self.held(cx, receipt).and_then(State::holder);
                if let Some(session) = holder.and_then(|who| self.sessions.get_mut(&who)) {
                    session.allowed = Some(session.sent);
                }
                self.back(cx, program, receipt, Tone::Error);
            }
            Settled::Dead(_) => {}
        }
    }

    /// Makes a message visible again whose delivery is over.
    fn back(&mut self, cx: &mut Cx<'_>, program: &Program, receipt: Receipt, tone: Tone) {
        if self.held(cx, receipt).is_none() {
            return;
        }
        let Some(stored) = self.backlog(cx).get(receipt.message).cloned() else { return };
        self.outcome(cx, program, &stored, tone);
        cx.shared_mut().backlog_mut(self.me).turn(receipt.message, State::Visible);
        Self::gauge(cx, program, self.me, -1, 1);
    }

    /// The delivery of a message has come to this, if it is with somebody.
    fn outcome(&mut self, cx: &mut Cx<'_>, program: &Program, stored: &Stored, tone: Tone) {
        let Some(who) = stored.state.holder() else { return };
        if let Some(session) = self.sessions.get_mut(&who) {
            session.open = session.open.saturating_sub(1);
        }
        if let Some(edge) = Self::edge(program, who.1) {
            cx.note(Note::Edge(edge, EdgeCounted::Outcome(tone, Aside(Sort::of(tone)))));
        }
    }

    /// Takes a message out.
    fn take(&mut self, cx: &mut Cx<'_>, program: &Program, number: u64) -> Option<Stored> {
        let stored = cx.shared_mut().backlog_mut(self.me).take(number)?;
        match stored.state {
            State::InFlight { .. } => Self::gauge(cx, program, self.me, -1, 0),
            State::Visible | State::Delayed(_) => Self::gauge(cx, program, self.me, 0, -1),
        }
        Some(stored)
    }

    /// Gives a message up: it goes to the dead letters, where there are any. That is one change of what queues keep, and no
    /// message on a link that could be lost.
    fn bury(&mut self, cx: &mut Cx<'_>, program: &Program, def: &QueueDef, number: u64, reason: Option<Reason>) {
        let Some(stored) = self.take(cx, program, number) else { return };
        cx.because(stored.cause);
        self.outcome(cx, program, &stored, Tone::Error);
        self.count(cx, Counted::Dead);
        let Some((dead, its)) = def.dead_letter.and_then(|dead| Some((dead, program.queue(dead)?))) else { return };
        let expires = later(stored.published, its.retention);
        let letter = Stored { expires, receives: 0, reason: reason.or(stored.reason), state: State::Visible, ..stored };
        let backlog = cx.shared_mut().backlog_mut(dead);
        backlog.put(number, letter);
        let (bell, oldest) = (backlog.bell(), backlog.oldest());
        cx.note(Note::Count(dead, Counted::Published));
        Self::gauge(cx, program, dead, 0, 1);
        if let Some(Waiter { node, life, timer }) = bell {
            cx.ring(node, life, timer);
        }
        if program.node(dead).gauged {
            cx.note(Note::Oldest { queue: dead, since: oldest });
        }
    }

    /// Whatever is due by now: the end of a delay, of a visibility, of a message.
    fn fall_due(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let now = cx.now();
        while let Some(number) = self.backlog(cx).first_due(now) {
            let Some(stored) = self.backlog(cx).get(number) else { return };
            let (cause, delivery) = (stored.cause, stored.receives);
            let (is_old, is_held) = (stored.expires <= now, stored.state.holder().is_some());
            cx.because(cause);
            if is_old {
                if let Some(stored) = self.take(cx, program, number) {
                    self.outcome(cx, program, &stored, Tone::Unknown);
                    self.count(cx, Counted::Expired);
                }
            } else if is_held {
                self.back(cx, program, Receipt { message: number, delivery }, Tone::Unknown);
            } else {
                cx.shared_mut().backlog_mut(self.me).turn(number, State::Visible);
            }
        }
    }

    /// Delivers what is visible to those who take more.
    fn dispatch(&mut self, cx: &mut Cx<'_>, program: &Program, def: &QueueDef) {
        while let Some(number) = self.backlog(cx).first_visible() {
            let Some(cause) = self.backlog(cx).get(number).map(|stored| stored.cause) else { return };
            cx.because(cause);
            let Some(who) = self.choose(cx, def) else { return };
            if self.is_spent(cx, def, number) {
                self.bury(cx, program, def, number, None);
            } else {
                self.deliver(cx, program, def, who);
            }
        }
    }

    /// Whether a message has been delivered as often as it may be.
    fn is_spent(&self, cx: &Cx<'_>, def: &QueueDef, number: u64) -> bool {
        let receives = self.backlog(cx).get(number).map_or(0, |stored| stored.receives);
        def.max_receives.is_some_and(|most| receives >= most)
    }

    /// Who has the next delivery.
    fn choose(&mut self, cx: &mut Cx<'_>, def: &QueueDef) -> Option<Consumer> {
        let takes = |session: &Session| session.room() != Some(0);
        let ready: Vec<Consumer> =
            self.sessions.iter().filter(|(_, session)| takes(session)).map(|(who, _)| *who).collect();
        let open = |who: &Consumer| self.sessions.get(who).map_or(0, |session| session.open);
        match def.dispatch {
            _ if ready.len() < 2 => ready.first().copied(),
            Balance::RoundRobin => {
                let next = ready.iter().find(|who| self.turn.is_none_or(|last| **who > last));
                next.or(ready.first()).copied()
            }
            Balance::LeastRequest => ready.iter().min_by_key(|who| open(who)).copied(),
            Balance::Random => one_of(cx, &ready),
            Balance::Choices { count, .. } => {
                let drawn: Vec<Consumer> = (0..count).filter_map(|_| one_of(cx, &ready)).collect();
                drawn.into_iter().min_by_key(open)
            }
            // Of services alone: the grammar has queues do none of these.
            Balance::Weighted | Balance::JoinShortest | Balance::ConsistentHash(_) => ready.first().copied(),
        }
    }

    /// Sends the first visible messages, as many as its consumer takes at once.
    fn deliver(&mut self, cx: &mut Cx<'_>, program: &Program, def: &QueueDef, who: Consumer) {
        let Some(consumes) = &program.endpoint(who.1).consumes else { return };
        let mut parcels = Vec::new();
        while parcels.len() < consumes.batch as usize {
            let Some(number) = self.backlog(cx).first_visible() else { break };
            if self.is_spent(cx, def, number) {
                self.bury(cx, program, def, number, None);
                continue;
            }
            parcels.extend(self.hand_out(cx, program, def, number, who, consumes.ack));
        }
        let Some(first) = parcels.first() else { return };
        if let Some(session) = self.sessions.get_mut(&who) {
            session.sent += 1;
        }
        self.turn = Some(who);
        cx.because(first.cause);
        let (endpoint, life, kind) = (who.1, cx.life(), self.kinds.deliver);
        cx.send(who.0, Msg::Deliver { endpoint, life, parcels: parcels.into(), kind });
    }

    /// One message goes out to a consumer.
    fn hand_out(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        def: &QueueDef,
        number: u64,
        who: Consumer,
        ack: Ack,
    ) -> Option<Parcel> {
        let until = later(cx.now(), def.visibility);
        let backlog = cx.shared_mut().backlog_mut(self.me);
        backlog.received(number);
        backlog.turn(number, State::InFlight { until, to: who });
        let Stored { carried, cause, receives, reason, .. } = backlog.get(number)?.clone();
        let cause = cause.then(RECEIVE | u64::from(receives));
        cx.because(cause);
        Self::gauge(cx, program, self.me, 1, -1);
        self.count(cx, Counted::Delivered);
        let edge = Self::edge(program, who.1);
        edge.into_iter().for_each(|edge| cx.note(Note::Edge(edge, EdgeCounted::Call)));
        if receives > 1 {
            self.count(cx, Counted::Redelivered);
            edge.into_iter().for_each(|edge| cx.note(Note::Edge(edge, EdgeCounted::Retry)));
        } else if program.asked.amplification {
            edge.into_iter().for_each(|edge| cx.note(Note::Edge(edge, EdgeCounted::Asked)));
        }
        if let Some(session) = self.sessions.get_mut(&who) {
            session.open += 1;
        }
        let receipt = Receipt { message: number, delivery: receives };
        if ack == Ack::Before
            && let Some(stored) = self.take(cx, program, number)
        {
            self.outcome(cx, program, &stored, Tone::Ok);
            self.count(cx, Counted::Acked);
        }
        Some(Parcel { receipt, carried, cause, reason })
    }

    /// Sets the timers for what is due next, and for asking while a message waits that nobody is known to take.
    fn plan(&mut self, cx: &mut Cx<'_>) {
        let next = self.backlog(cx).next_due();
        if next != self.due {
            match next {
                Some(at) => cx.set(DUE, at.since(cx.now())),
                None => cx.cancel(DUE),
            }
            self.due = next;
        }
        let full = || self.sessions.values().any(|session| session.room() == Some(0));
        let asks = self.backlog(cx).first_visible().is_some() && (!self.silent.is_empty() || full());
        if asks != self.asks {
            if asks {
                cx.set(ASK, ASKS);
            } else {
                cx.cancel(ASK);
            }
            self.asks = asks;
        }
    }

    fn tell_oldest(&mut self, cx: &mut Cx<'_>, program: &Program) {
        if !program.node(self.me).gauged {
            return;
        }
        let since = self.backlog(cx).oldest();
        if since != self.told_oldest {
            self.told_oldest = since;
            cx.note(Note::Oldest { queue: self.me, since });
        }
    }
}

static EMPTY: std::sync::LazyLock<Backlog> = std::sync::LazyLock::new(Backlog::default);

/// An instant so much later; never, when that is never.
fn later(now: Instant, length: Duration) -> Instant {
    if length == Duration::FOREVER { Instant::NEVER } else { now + length }
}

/// One of these, drawn: a node first, so that another endpoint of its changes no draw.
fn one_of(cx: &mut Cx<'_>, ready: &[Consumer]) -> Option<Consumer> {
    let mut nodes: Vec<NodeId> = ready.iter().map(|(node, _)| *node).collect();
    nodes.dedup();
    let node = cx.pick(PICK, &nodes)?;
    ready.iter().find(|who| who.0 == node).copied()
}

impl Actor<Msg> for Queue {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Cx<'_>) {
        let program = self.program.clone();
        let program = &*program;
        let Some(def) = program.queue(self.me) else { return };
        match event {
            Event::Start(_) => self.start(cx, program, def),
            Event::Message { from, msg } => self.receive(cx, program, def, from, msg),
            Event::Timer(BELL) => {
                // A consumer has come up, or another queue has put something here.
                cx.set(BELL, Duration::FOREVER);
                self.silent = Self::consumers(program, def).filter(|who| !self.sessions.contains_key(who)).collect();
            }
            Event::Timer(ASK) => {
                self.asks = false;
                self.ask(cx, program);
            }
            Event::Timer(_) => self.due = None,
            Event::Refused { by, msg } => self.bounced(cx, program, by, &msg),
            Event::Reset { by, msg } => self.reset(cx, program, by, &msg),
            Event::Stop { .. } => cx.exit(),
            Event::Synced(..) => {}
        }
        self.fall_due(cx, program);
        self.dispatch(cx, program, def);
        self.plan(cx);
        self.tell_oldest(cx, program);
    }

    fn unanswered(&self) -> Vec<Unanswered<Msg>> {
        let owed = |(from, id, cause): &(NodeId, CallId, Cause)| {
            let carried = Carried { values: Arc::from([]), mask: 0 };
            let msg = Msg::Publish { id: *id, carried, key: Value::Null, kind: self.kinds.publish };
            Unanswered { from: *from, msg, cause: *cause }
        };
        self.hung.iter().map(owed).collect()
    }
}
