//! Whether the books of a node balance: what it has taken is held for somebody, and nothing is held twice.
//!
//! A leak of a worker or a permit shows as an outage long afterwards, where it looks like load. Here it shows at the event
//! that makes it. Nothing asks in a run; tests do, after each event.

use std::collections::BTreeMap;

use super::guards::Held;
use super::service::{Service, Waiting};
use super::store::Store;
use super::thread::{Attempt, Role};
use sim_core::NodeId;

use crate::program::{Guard, Program};

/// Books that do not balance: what was counted, and what there is.
fn differ(what: &str, counted: usize, there: usize) -> Result<(), String> {
    if counted == there { Ok(()) } else { Err(format!("{what}: {counted} counted, {there} there")) }
}

fn within(what: &str, there: usize, most: Option<u32>) -> Result<(), String> {
    match most {
        Some(most) if there > most as usize => Err(format!("{what}: {there}, and {most} are allowed")),
        Some(_) | None => Ok(()),
    }
}

impl Service {
    /// Whether each worker, permit, connection and thread that is taken is held for somebody, and none beyond its limit.
    ///
    /// # Errors
    /// The first account that does not balance, in words.
    pub fn audit(&self) -> Result<(), String> {
        let program = &*self.program;
        self.audit_workers(program)?;
        self.audit_threads()?;
        self.audit_connections()?;
        self.audit_bulkheads(program)
    }

    fn audit_workers(&self, program: &Program) -> Result<(), String> {
        let Some(def) = program.service(self.me) else { return differ("workers of a workload", self.busy as usize, 0) };
        within("workers", self.busy as usize, def.workers)?;
        if !def.asynchronous {
            let holding = self.requests.iter().filter(|request| request.holds_worker).count();
            differ("workers", self.busy as usize, holding)?;
        }
        let is_there = |waiting: &Waiting| match waiting {
            Waiting::Request(key) => self.requests.get(*key).is_some(),
            Waiting::Work(key) => self.threads.get(*key).is_some(),
        };
        differ("those in line", self.line.len(), self.line.iter().filter(|waiting| is_there(waiting)).count())
    }

    fn audit_threads(&self) -> Result<(), String> {
        for (key, request) in self.requests.entries() {
            let there = self.threads.iter().filter(|thread| thread.request == key).count();
            differ("threads of a request", request.threads as usize, there)?;
        }
        let orphans = self.threads.iter().filter(|thread| self.requests.get(thread.request).is_none()).count();
        differ("threads of no request", 0, orphans)
    }

    fn audit_connections(&self) -> Result<(), String> {
        let mut open: BTreeMap<u32, usize> = BTreeMap::new();
        for pending in self.pending.iter() {
            *open.entry(pending.to.0).or_default() += 1;
            if pending.txn.is_none() && self.threads.get(pending.thread).is_none() {
                return Err(format!("an answer of {:?} is waited for by nobody", pending.to));
            }
        }
        for node in (0..self.open.len() as u32).chain(open.keys().copied()) {
            let there = open.get(&node).copied().unwrap_or_default();
            differ("requests open at a node", self.open_at(NodeId(node)) as usize, there)?;
        }
        Ok(())
    }

    fn audit_bulkheads(&self, program: &Program) -> Result<(), String> {
        let frames = self.threads.iter().flat_map(|thread| &thread.frames);
        let attempts = frames.filter_map(|frame| match &frame.role {
            Role::Attempt(attempt) => Some(&**attempt),
            Role::Plain | Role::Each { .. } | Role::Fan(_) => None,
        });
        let mut holding: BTreeMap<u32, usize> = BTreeMap::new();
        // What was given up may hold its place until the answer comes.
        let strays = self.strays.values().copied();
        for index in attempts.flat_map(|attempt| places(program, attempt)).chain(strays) {
            *holding.entry(index).or_default() += 1;
        }
        for (index, held) in (0u32..).zip(&self.held) {
            if let Some(Held::Bulkhead(bulkhead, _)) = held {
                let there = holding.get(&index).copied().unwrap_or_default();
                differ("places in a bulkhead", bulkhead.running() as usize, there)?;
                // A limit that finds itself may fall below what is under way.
                within("places in a bulkhead", there, bulkhead.is_fixed().then(|| bulkhead.most()))?;
            }
        }
        Ok(())
    }
}

/// The bulkheads in which an attempt has a place.
fn places<'p>(program: &'p Program, attempt: &Attempt) -> impl Iterator<Item = u32> + use<'p> {
    let inside = usize::from(attempt.passed.inside());
    let guards = program.step(attempt.step).clauses.guards.as_deref();
    guards.into_iter().flat_map(|guards| &guards.order).take(inside).filter_map(|guard| match guard {
        Guard::Bulkhead(def) => Some(def.index),
        Guard::Breaker(_) | Guard::Limiter(_) => None,
    })
}

impl Store {
    /// Whether each worker and lock that is taken is held by an operation or a transaction that is there.
    ///
    /// # Errors
    /// The first account that does not balance, in words.
    pub fn audit(&self) -> Result<(), String> {
        let working = self.operations.iter().filter(|asked| asked.works).count();
        differ("workers", self.busy as usize, working)?;
        for (place, lock) in self.locks.iter() {
            if !self.txns.contains_key(&lock.holder) {
                return Err(format!("{place:?} is locked by a transaction that is over"));
            }
            for waiter in &lock.waiters {
                let waits = self.operations.get(*waiter).and_then(|asked| asked.waits_for.as_ref());
                if waits != Some(place) {
                    return Err(format!("an operation stands in line for {place:?} and waits for {waits:?}"));
                }
            }
        }
        if self.past.is_watched() && !self.txns.values().any(|open| open.snapshot.is_some()) {
            return Err("a snapshot is open that no transaction sees".to_owned());
        }
        Ok(())
    }
}
