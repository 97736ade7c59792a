//! One flight for each key: who wants what this replica is asking for already waits for that, and shares what comes of it.
//!
//! A flight is one try of whoever came first, with all that stands around it. Who follows sends nothing and passes no guard; its
//! own timeout ends only its waiting, and what it shares is tried again, bound and caught as its own clauses say. A flight whose
//! leader goes away ends with it: those who followed learn nothing, which is `unknown`.

use serde::Serialize;

use super::exec::{Next, TRY};
use super::guards::{Held, OWN_PLACE};
use super::service::{Cx, Service};
use super::thread::{Phase, Role, Thread};
use crate::message::{EdgeCounted, Extra, Note, Outcome};
use crate::policy::coalesce::{Flights, Joined};
use crate::program::{CoalesceDef, Program, Reason, StepRef, Verb};
use crate::slab::Key;
use crate::value::Value;

/// The flight that a try is part of.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Flight {
    /// By its place in this node's list.
    index: u32,
    key: Value,
    leads: bool,
}

impl Flight {
    /// Whether somebody else asks.
    pub(super) const fn follows(&self) -> bool {
        !self.leads
    }
}

/// The flight that the try in the top frame of a thread is part of.
fn flight_of(thread: &Thread) -> Option<&Flight> {
    match &thread.frames.last()?.role {
        Role::Attempt(attempt) => attempt.flight.as_deref(),
        Role::Plain | Role::Each { .. } | Role::Fan(_) => None,
    }
}

impl Service {
    /// Joins the flight for what the try in the top frame wants; whether that is somebody else's.
    #[cold]
    pub(super) fn follows(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        def: &CoalesceDef,
    ) -> bool {
        let step = program.step(reference);
        let template = match (&def.key, &step.verb) {
            (Some(template), _) | (None, Verb::Read { key: template, .. }) => template,
            (None, _) => return false,
        };
        let wanted = self.value(cx, key, template);
        let wanted = Self::checked(cx, reference, wanted);
        if wanted.is_null() {
            return false;
        }
        let joined = self.flights(def.index).join(wanted.clone(), key);
        let leads = joined == Joined::Leads;
        let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { return false };
        attempt.flight = Some(Box::new(Flight { index: def.index, key: wanted, leads }));
        if leads {
            return false;
        }
        attempt.phase = Phase::Following;
        if let Some(edge) = step.edge() {
            cx.note(Note::Edge(edge, EdgeCounted::Coalesced));
        }
        self.shares(cx, program, key, true);
        true
    }

    /// Tells the judge that the try in the top frame begins, or ends, to follow another's.
    fn shares(&self, cx: &mut Cx<'_>, program: &Program, key: Key, begins: bool) {
        if !program.asked.wasted_time {
            return;
        }
        let Some(followed) = self.threads.get(key).and_then(flight_of) else { return };
        let leads = |thread: &Thread| {
            flight_of(thread).is_some_and(|it| it.leads && it.index == followed.index && it.key == followed.key)
        };
        if let Some((lead, _)) = self.threads.entries().find(|(_, thread)| leads(thread)) {
            self.tells_share(cx, program, lead, key, begins);
        }
    }

    fn flights(&mut self, index: u32) -> &mut Flights<Value, Key> {
        match self.held(index, || Held::Flights(Flights::default())) {
            Held::Flights(flights) => flights,
            _ => unreachable!("{OWN_PLACE}"),
        }
    }

    /// The try in the top frame is over: those who follow it share its outcome. None: it was given up, and nobody knows.
    #[cold]
    pub(super) fn land(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, outcome: Option<(&Outcome, &Extra)>) {
        let flight = self.threads.get_mut(key).and_then(Thread::attempt).and_then(|attempt| attempt.flight.clone());
        let Some(flight) = flight else { return };
        if !flight.leads {
            if self.flights(flight.index).leave(&flight.key, &key) {
                self.shares(cx, program, key, false);
            }
            return self.leaves_flight(key);
        }
        let gone = (&Outcome::Unknown(Reason::TIMEOUT), &Extra::None);
        let (outcome, extra) = outcome.unwrap_or(gone);
        let followers = self.flights(flight.index).land(&flight.key);
        followers.iter().for_each(|follower| self.shares(cx, program, *follower, false));
        self.leaves_flight(key);
        for follower in followers {
            let Some(attempt) = self.threads.get_mut(follower).and_then(Thread::attempt) else { continue };
            attempt.phase = Phase::Landed(Box::new((outcome.clone(), extra.clone())));
            self.ready.push_back(follower);
        }
    }

    fn leaves_flight(&mut self, key: Key) {
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.flight = None;
        }
    }

    /// Lets those go on who have got what they waited for from another thread of this replica.
    #[cold]
    pub(super) fn go_on_ready(&mut self, cx: &mut Cx<'_>, program: &Program) {
        while let Some(key) = self.ready.pop_front() {
            let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) else { continue };
            let cause = attempt.cause.then(TRY | u64::from(attempt.number));
            let next = match std::mem::replace(&mut attempt.phase, Phase::Idle) {
                Phase::Landed(landed) => Next::Settle(landed.0, landed.1),
                Phase::Admitted => {
                    cx.because(cause);
                    self.pass(cx, program, key)
                }
                other => {
                    attempt.phase = other;
                    continue;
                }
            };
            cx.because(cause);
            self.drive(cx, program, key, next);
        }
    }
}
