//! A service that consumes queues: tells them how much it takes, works on what comes, and says what it has done.
//!
//! A replica speaks when a worker becomes free that its queue does not know of, and when it is asked. Each free worker is one
//! delivery that it takes; without a bound on workers it takes any number. Workers are shared: what is called meanwhile may have
//! them, and what was delivered then stands in line like a call, its visibility running.

use std::sync::Arc;

use serde::Serialize;
use sim_core::{Cause, Duration, NodeId, Unanswered};

use super::exec::TRY;
use super::retry::{is_retried, wait_of};
use super::service::{Cx, JITTER, Service};
use super::thread::{Alarm, Around, Env, Origin, Request};
use crate::message::{Counted, Msg, Outcome, Parcel, Receipt, Room, Settled, Tone};
use crate::program::{Ack, ConsumeDef, EndpointRef, OnFailure, Program};
use crate::slab::Key;
use crate::value::Value;

/// What an endpoint that consumes a queue has told it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Consumer {
    pub(super) endpoint: EndpointRef,
    queue: NodeId,
    life: u32,
    /// How often it has spoken.
    number: u64,
    /// The life of the queue that it has heard of last, and deliveries that came from that.
    of_queue: u32,
    had: u64,
    /// Deliveries that the queue may still send by what it was told.
    told: u32,
}

/// The number of the try of what a `fail` fault answers for.
pub(super) const BY_ORDER: u32 = u32::MAX;

/// A delivery that is worked on.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Delivery {
    parcels: Arc<[Parcel]>,
    /// Which of them is worked on.
    at: usize,
    /// The number of this try of it, from 1.
    pub(super) number: u32,
    waited: Duration,
    settled: Vec<(Receipt, Settled)>,
    /// The timer of its next heartbeat.
    beat: Option<Key>,
}

impl Delivery {
    /// The number of the message that is worked on.
    pub(super) fn message(&self) -> Option<u64> {
        self.parcels.get(self.at).map(|parcel| parcel.receipt.message)
    }
}

/// Those endpoints of a service that consume queues, before its first start.
pub(super) fn consumers(program: &Program, me: crate::program::NodeRef) -> Vec<Consumer> {
    let endpoints = program.service(me).map(|def| def.endpoints.as_slice()).unwrap_or_default();
    let consumer = |endpoint: &EndpointRef| {
        let consumes = program.endpoint(*endpoint).consumes.as_ref()?;
        let queue = *program.node(consumes.queue).replicas.first()?;
        Some(Consumer { endpoint: *endpoint, queue, life: 0, number: 0, of_queue: 0, had: 0, told: 0 })
    };
    endpoints.iter().filter_map(consumer).collect()
}

impl Service {
    /// A life begins: the queues are told of it, on the way and by whoever lists what is there.
    pub(super) fn start_consuming(&mut self, cx: &mut Cx<'_>, program: &Program) {
        for index in 0..self.consumers.len() {
            self.consumers[index].life = cx.life();
            let endpoint = self.consumers[index].endpoint;
            let queue = program.endpoint(endpoint).consumes.as_ref().map(|consumes| consumes.queue);
            if let Some(bell) = queue.and_then(|queue| cx.shared().backlog(queue)?.bell()) {
                cx.ring(bell.node, bell.life, bell.timer);
            }
            self.speak(cx, program, index, None);
        }
    }

    /// How many deliveries this replica takes now.
    fn room(&self, program: &Program) -> u32 {
        if self.drains() {
            return 0;
        }
        let Some(workers) = self.def(program).and_then(|def| def.workers) else { return u32::MAX };
        workers.saturating_sub(self.busy).saturating_sub(self.line.len() as u32)
    }

    /// Tells the queues of workers that have become free.
    pub(super) fn take_more(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let room = self.room(program);
        for index in 0..self.consumers.len() {
            if room > self.consumers[index].told {
                self.speak(cx, program, index, None);
            }
        }
        self.freed_by = None;
    }

    /// Tells the queues that nothing is taken any more.
    pub(super) fn take_nothing(&mut self, cx: &mut Cx<'_>, program: &Program) {
        for index in 0..self.consumers.len() {
            self.speak(cx, program, index, None);
        }
    }

    fn speak(&mut self, cx: &mut Cx<'_>, program: &Program, index: usize, asked: Option<u64>) {
        let room = self.room(program);
        let consumer = &mut self.consumers[index];
        consumer.told = room;
        consumer.number += 1;
        // What frees a worker is what this follows from; the message itself is about no operation.
        let name = &program.endpoint(consumer.endpoint).name;
        let cause = Cause::root("ready", name, u64::from(cx.life()));
        cx.because(cause.then(self.freed_by.unwrap_or(consumer.number)));
        let room = consumer.says(asked);
        cx.send(consumer.queue, Msg::Ready { endpoint: consumer.endpoint, room, kind: self.kinds.deliver });
    }

    /// The queue asks how much this replica takes.
    pub(super) fn roused(&mut self, cx: &mut Cx<'_>, program: &Program, endpoint: EndpointRef, life: u32, sent: u64) {
        let Some(index) = self.consumers.iter().position(|consumer| consumer.endpoint == endpoint) else { return };
        self.consumers[index].hears(life);
        self.speak(cx, program, index, Some(sent));
    }

    /// Messages have come.
    pub(super) fn delivered(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        from: NodeId,
        endpoint: EndpointRef,
        life: u32,
        parcels: Arc<[Parcel]>,
    ) {
        let Some(consumer) = self.consumers.iter_mut().find(|consumer| consumer.endpoint == endpoint) else { return };
        consumer.hears(life);
        consumer.had += 1;
        if consumer.told != u32::MAX {
            consumer.told = consumer.told.saturating_sub(1);
        }
        let def = program.endpoint(endpoint);
        let (Some(consumes), Some(first)) = (&def.consumes, parcels.first()) else { return };
        if self.drains() {
            let settled = parcels.iter().map(|parcel| (parcel.receipt, Settled::Back)).collect();
            return cx.send(from, Msg::Settle { settled, kind: self.kinds.ack });
        }
        self.count(cx, Counted::Call);
        let cause = first.cause;
        let service = cx.service(&program.kinds[def.kind.0 as usize]);
        let delivery = Delivery { parcels, at: 0, number: 1, waited: Duration::ZERO, settled: Vec::new(), beat: None };
        let request = Request::new(endpoint, def.kind, cause, Env::empty(program), cx.now());
        let key = self.requests.insert(Request { delivery: Some(Box::new(delivery)), ..request });
        self.open_parcel(program, key);
        match service {
            sim_core::Service::Served => {
                if let Some(every) = consumes.heartbeat {
                    self.next_beat(cx, key, every);
                }
                self.admit(cx, program, key, true);
            }
            sim_core::Service::Hangs => {}
            sim_core::Service::Fails(reason) => {
                let outcome = Outcome::failed(program.reason_of_failure(reason.as_ref()));
                if let Some(request) = self.requests.get_mut(key) {
                    request.delivery.iter_mut().for_each(|delivery| delivery.number = BY_ORDER);
                }
                self.finish_request(cx, program, key, outcome);
            }
        }
    }

    /// Sets the request of a delivery to the message whose turn it is, at its first step.
    fn open_parcel(&mut self, program: &Program, key: Key) {
        let Some(request) = self.requests.get_mut(key) else { return };
        let Some(delivery) = &request.delivery else { return };
        let Some(parcel) = delivery.parcels.get(delivery.at) else { return };
        let number = delivery.number;
        request.cause = if number == 1 { parcel.cause } else { parcel.cause.then(TRY | u64::from(number)) };
        request.env = Env::of(&parcel.carried);
        if let Some(reason) = parcel.reason {
            request.env.reason = Value::from(program.reason(reason));
        }
        let consumes = program.endpoint(request.endpoint).consumes.as_ref();
        if let Some(slot) = consumes.and_then(|consumes| consumes.message) {
            request.env.set(slot, Value::Int(parcel.receipt.message as i64));
        }
        request.visits.clear();
        if number == 1 {
            self.earn_for(consumes.and_then(|consumes| consumes.retry.as_ref()));
        }
    }

    /// The steps have come to an end for one message. Whether the delivery goes on: with another try, or with the next message.
    pub(super) fn delivery_goes_on(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: &Outcome) -> bool {
        let Some(endpoint) = self.requests.get(key).map(|request| request.endpoint) else { return false };
        let Some(consumes) = &program.endpoint(endpoint).consumes else { return false };
        if let Some(wait) = self.wait_before_again(cx, consumes, key, outcome) {
            self.alarm(cx, wait, Alarm::Again { request: key });
            return true;
        }
        let Some(delivery) = self.requests.get_mut(key).and_then(|request| request.delivery.as_mut()) else {
            return false;
        };
        while let Some(receipt) = delivery.parcels.get(delivery.at).map(|parcel| parcel.receipt) {
            match (outcome.reason(), consumes.on_failure) {
                (None, _) | (Some(_), OnFailure::Skip) => delivery.settled.push((receipt, Settled::Done)),
                (Some(reason), OnFailure::DeadLetter) => delivery.settled.push((receipt, Settled::Dead(reason))),
                // All messages of the delivery come again, as of a function's batch that fails (AWS Lambda without
                // ReportBatchItemFailures); one that is gone already cannot.
                (Some(_), OnFailure::Redeliver) if consumes.ack == Ack::After => {
                    delivery.settled.clear();
                    break;
                }
                (Some(_), OnFailure::Redeliver) => {}
            }
            delivery.at += 1;
            if delivery.at < delivery.parcels.len() && delivery.number != BY_ORDER {
                (delivery.number, delivery.waited) = (1, Duration::ZERO);
                self.handle_again(cx, program, key);
                return true;
            }
        }
        let (settled, beat) = (std::mem::take(&mut delivery.settled), delivery.beat.take());
        if let Some(beat) = beat {
            self.disarm(cx, beat);
        }
        let queue = program.node(consumes.queue).replicas.first().copied();
        if let (Some(queue), Ack::After, false) = (queue, consumes.ack, settled.is_empty()) {
            cx.send(queue, Msg::Settle { settled: settled.into(), kind: self.kinds.ack });
        }
        self.freed_by = self.requests.get(key).map(|request| request.cause.lineage);
        false
    }

    /// The wait before the message is tried once more by the worker that has it, if it is.
    fn wait_before_again(
        &mut self,
        cx: &mut Cx<'_>,
        consumes: &ConsumeDef,
        key: Key,
        outcome: &Outcome,
    ) -> Option<Duration> {
        let retry = consumes.retry.as_ref()?;
        let request = self.requests.get(key)?;
        let delivery = request.delivery.as_ref()?;
        let (number, mut waited) = (delivery.number, delivery.waited);
        // What a fault fails is not tried again by whoever it keeps from it.
        if number == BY_ORDER {
            return None;
        }
        if outcome.tone() == Tone::Ok || !is_retried(retry, outcome) || retry.tries.is_some_and(|most| number >= most) {
            return None;
        }
        cx.because(request.cause.then(TRY));
        let wait = match &retry.profile {
            None => {
                waited = wait_of(cx, retry, number, waited);
                waited
            }
            Some(library) => {
                let luck = library.luck(number, waited);
                let drawn = if luck.is_constant() { luck.median() } else { cx.draw(JITTER, &luck) };
                library.settled(number, &mut waited, drawn)
            }
        };
        if !self.spend(retry) {
            return None;
        }
        let delivery = self.requests.get_mut(key).and_then(|request| request.delivery.as_mut())?;
        (delivery.number, delivery.waited) = (delivery.number.saturating_add(1), waited);
        Some(wait)
    }

    /// The worker that has a delivery comes to its message for the first time, or once more.
    pub(super) fn handle_again(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        self.open_parcel(program, key);
        let Some(request) = self.requests.get(key) else { return };
        let body = program.endpoint(request.endpoint).body;
        let number = request.delivery.as_ref().map_or(1, |delivery| delivery.number);
        let thread = self.spawn(key, Origin::Main, body, None, Around::nothing(number));
        self.go_on(cx, program, thread);
    }

    /// A delivery is still worked on.
    pub(super) fn beat(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key) {
        let Some(request) = self.requests.get(key).filter(|request| !request.done) else { return };
        let (Some(delivery), Some(consumes)) = (&request.delivery, &program.endpoint(request.endpoint).consumes) else {
            return;
        };
        let receipts: Arc<[Receipt]> = delivery.parcels.iter().map(|parcel| parcel.receipt).collect();
        cx.because(request.cause);
        let queue = program.node(consumes.queue).replicas.first().copied();
        if let (Some(queue), Some(every)) = (queue, consumes.heartbeat) {
            cx.send(queue, Msg::Extend { receipts, kind: self.kinds.deliver });
            self.next_beat(cx, key, every);
        }
    }

    fn next_beat(&mut self, cx: &mut Cx<'_>, key: Key, every: Duration) {
        let beat = self.alarm(cx, every, Alarm::Beat { request: key });
        if let Some(delivery) = self.requests.get_mut(key).and_then(|request| request.delivery.as_mut()) {
            delivery.beat = Some(beat);
        }
    }

    /// What its queues have open here: that it takes more, of which a crash tells them.
    pub(super) fn open_to_queues(&self) -> impl Iterator<Item = Unanswered<Msg>> {
        let kind = self.kinds.deliver;
        self.consumers.iter().filter(|consumer| consumer.number > 0).map(move |consumer| {
            let room = consumer.says(None);
            let cause = Cause::root("ready", "", u64::from(consumer.life));
            Unanswered { from: consumer.queue, msg: Msg::Ready { endpoint: consumer.endpoint, room, kind }, cause }
        })
    }
}

impl Consumer {
    /// The queue lives this life; what came from an earlier one is not counted any more.
    fn hears(&mut self, life: u32) {
        if life > self.of_queue {
            (self.of_queue, self.had) = (life, 0);
        }
    }

    fn says(&self, asked: Option<u64>) -> Room {
        let more = (self.told != u32::MAX).then_some(self.told);
        let Consumer { life, number, of_queue, had, .. } = *self;
        Room { life, number, of_queue, had, more, asked }
    }
}
