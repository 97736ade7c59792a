//! What a queue keeps: messages, each in exactly one state, until it is done with or its time is up.
//!
//! A backlog lies on the [`Shelves`](crate::shelf::Shelves), which no crash takes: a queue that is down has all it had stored. It has
//! never heard of links or consumers' workers; it sees messages, instants and who has one.
//!
//! The states are those of Amazon SQS (Developer Guide, "visibility timeout" and "dead-letter queues"): visible, in flight until
//! its visibility is over, deleted, a dead letter, expired.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sim_core::{Cause, Instant, NodeId};

use crate::message::Carried;
use crate::program::{EndpointRef, Reason};
use crate::shelf::Waiter;

/// The messages of one queue.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Backlog {
    stored: BTreeMap<u64, Stored>,
    /// Those that can be delivered, by number: the one that was published first comes first.
    visible: BTreeSet<u64>,
    /// When something is due, and for which message.
    due: BTreeSet<(Instant, u64)>,
    /// When each was published.
    ages: BTreeSet<(Instant, u64)>,
    in_flight: u32,
    /// How the process that serves it is told that something has come here without a message to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bell: Option<Waiter>,
}

/// A message that a queue keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// What it carries.
    pub carried: Carried,
    /// Why it was published: what its deliveries follow from, and the operation that it is about.
    pub cause: Cause,
    /// When it was first published; a dead letter keeps that.
    pub published: Instant,
    /// When it is gone, wherever it is; never, if it is kept for ever.
    pub expires: Instant,
    /// How often it was delivered from this queue.
    pub receives: u32,
    /// Why it was given up, when it is a dead letter and somebody gave a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Where it is.
    pub state: State,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum State {
    /// Hidden until then, before its first delivery.
    Delayed(Instant),
    /// To be had.
    Visible,
    /// With a consumer, and hidden until then.
    InFlight {
        /// When it is visible again.
        until: Instant,
        /// Who has it.
        to: (NodeId, EndpointRef),
    },
}

impl State {
    /// When it changes by itself; never, if it does not.
    pub const fn until(self) -> Instant {
        match self {
            State::Delayed(until) | State::InFlight { until, .. } => until,
            State::Visible => Instant::NEVER,
        }
    }

    /// Who has it, if somebody does.
    pub const fn holder(self) -> Option<(NodeId, EndpointRef)> {
        match self {
            State::InFlight { to, .. } => Some(to),
            State::Delayed(_) | State::Visible => None,
        }
    }
}

impl Backlog {
    /// Stores a message.
    pub fn put(&mut self, number: u64, message: Stored) {
        self.ages.insert((message.published, number));
        self.plan(message.expires, number);
        self.enter(number, message.state);
        self.stored.insert(number, message);
    }

    /// Takes a message out: it is done with, given up, or its time is up.
    pub fn take(&mut self, number: u64) -> Option<Stored> {
        let message = self.stored.remove(&number)?;
        self.leave(number, message.state);
        self.due.remove(&(message.expires, number));
        self.ages.remove(&(message.published, number));
        Some(message)
    }

    /// A message, if it is there.
    pub fn get(&self, number: u64) -> Option<&Stored> {
        self.stored.get(&number)
    }

    /// Puts a message into another state.
    pub fn turn(&mut self, number: u64, state: State) {
        let Some(message) = self.stored.get_mut(&number) else { return };
        let before = std::mem::replace(&mut message.state, state);
        self.leave(number, before);
        self.enter(number, state);
    }

    /// Counts one delivery more of a message.
    pub fn received(&mut self, number: u64) {
        if let Some(message) = self.stored.get_mut(&number) {
            message.receives = message.receives.saturating_add(1);
        }
    }

    fn enter(&mut self, number: u64, state: State) {
        self.plan(state.until(), number);
        match state {
            State::Visible => _ = self.visible.insert(number),
            State::InFlight { .. } => self.in_flight += 1,
            State::Delayed(_) => {}
        }
    }

    fn leave(&mut self, number: u64, state: State) {
        if self.stored.get(&number).is_none_or(|message| message.expires != state.until()) {
            self.due.remove(&(state.until(), number));
        }
        match state {
            State::Visible => _ = self.visible.remove(&number),
            State::InFlight { .. } => self.in_flight -= 1,
            State::Delayed(_) => {}
        }
    }

    fn plan(&mut self, at: Instant, number: u64) {
        if at != Instant::NEVER {
            self.due.insert((at, number));
        }
    }

    /// The message that is to be delivered next.
    pub fn first_visible(&self) -> Option<u64> {
        self.visible.first().copied()
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The first message for which something is due by now.
    pub fn first_due(&self, now: Instant) -> Option<u64> {
        self.due.first().filter(|(at, _)| *at <= now).map(|(_, number)| *number)
    }

    /// Messages that are not with a consumer.
    pub fn waiting(&self) -> usize {
        self.stored.len() - self.in_flight as usize
    }

    /// Messages that are with a consumer.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// When the oldest message was published.
    pub fn oldest(&self) -> Option<Instant> {
        self.ages.first().map(|(at, _)| *at)
    }

    /// The messages by number.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Stored)> {
        self.stored.iter().map(|(number, message)| (*number, message))
    }

    /// How the process that serves it is called.
    pub fn bell(&self) -> Option<Waiter> {
        self.bell
    }

    /// Notes how the process is called that serves it now.
    pub fn hang_bell(&mut self, bell: Waiter) {
        self.bell = Some(bell);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use sim_core::Duration;

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn message(published: u64, expires: Instant, state: State) -> Stored {
        let carried = Carried { values: Arc::from([]), mask: 0 };
        let cause = Cause::root("test", "", 0);
        Stored { carried, cause, published: at(published), expires, receives: 0, reason: None, state }
    }

    const WHO: (NodeId, EndpointRef) = (NodeId(1), EndpointRef(0));

    /// Everything that is kept beside the messages says the same as they do.
    fn check(backlog: &Backlog) {
        let with = |wanted: fn(&State) -> bool| {
            let wanted = backlog.iter().filter(move |(_, message)| wanted(&message.state));
            wanted.map(|(number, _)| number).collect::<BTreeSet<u64>>()
        };
        assert_eq!(backlog.visible, with(|state| *state == State::Visible));
        let in_flight = with(|state| matches!(state, State::InFlight { .. })).len();
        assert_eq!((backlog.in_flight as usize, backlog.waiting()), (in_flight, backlog.stored.len() - in_flight));
        let both = |(number, message): (u64, &Stored)| [message.expires, message.state.until()].map(|at| (at, number));
        let due = backlog.iter().flat_map(both);
        let due: BTreeSet<(Instant, u64)> = due.filter(|(at, _)| *at != Instant::NEVER).collect();
        assert_eq!(backlog.due, due);
        assert_eq!(backlog.oldest(), backlog.iter().map(|(_, message)| message.published).min());
    }

    proptest! {
        #[test]
        fn a_message_is_in_one_state_and_whatever_is_due_is_planned(
            turns in prop::collection::vec((0u8..6, 0u64..6, 0u64..20), 1..60),
        ) {
            let mut backlog = Backlog::default();
            for (what, number, time) in turns {
                let state = match what {
                    0 | 1 => State::Visible,
                    2 => State::Delayed(at(time)),
                    _ => State::InFlight { until: if time == 19 { Instant::NEVER } else { at(time) }, to: WHO },
                };
                let expires = if time % 3 == 0 { Instant::NEVER } else { at(time) };
                match what {
                    0 | 2 if backlog.get(number).is_none() => backlog.put(number, message(time, expires, state)),
                    5 => _ = backlog.take(number),
                    _ => backlog.turn(number, state),
                }
                check(&backlog);
            }
        }
    }
}
