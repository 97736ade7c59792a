//! Whether the books of a node balance: what it has taken is held for somebody, and nothing is held twice.
//!
//! A leak of a worker or a permit shows as an outage long afterwards, where it looks like load. Here it shows at the event
//! that makes it. Nothing asks in a run; tests do, after each event.

use std::collections::{BTreeMap, VecDeque};

use sim_core::{NodeId, Ratio};

use super::guards::Held;
use super::service::{Service, Waiting};
use super::store::Store;
use super::thread::{Attempt, Phase, Role};
use crate::policy::bulkhead::Bulkhead;
use crate::program::{EdgeRef, Guard, Program, Verb};
use crate::slab::Key;

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
    /// Whether each worker, permit, connection and thread that is taken is held for somebody, and none beyond its limit; and whether
    /// limiters, budgets, breakers and flights hold what those say that are under way.
    ///
    /// # Errors
    /// The first account that does not balance, in words.
    pub fn audit(&self) -> Result<(), String> {
        let program = &*self.program;
        self.audit_workers(program)?;
        self.audit_threads()?;
        self.audit_connections()?;
        self.audit_policies(program)
    }

    /// Whether what is counted is within its limits: a part of [`Service::audit`] that costs the same however much is under way.
    ///
    /// # Errors
    /// The first count that is beyond its limit, in words.
    pub fn audit_counts(&self) -> Result<(), String> {
        let program = &*self.program;
        if let Some(def) = program.service(self.me) {
            within("workers", self.busy as usize, def.workers)?;
        }
        for held in self.held.iter().flatten() {
            match held {
                Held::Bulkhead(bulkhead, line) => {
                    differ("those who wait for a place", bulkhead.waiting() as usize, line.len())?;
                    within(
                        "places in a bulkhead",
                        bulkhead.running() as usize,
                        bulkhead.is_fixed().then(|| bulkhead.most()),
                    )?;
                }
                Held::Limiter(limiter) => limiter.audit()?,
                Held::Budget(budget) => {
                    let (calls, retries) = budget.under_way();
                    budget.audit(calls, retries)?;
                }
                Held::Breaker(..) | Held::Latencies(_) | Held::Flights(_) => {}
            }
        }
        Ok(())
    }

    /// Requests and threads that are under way.
    pub fn size(&self) -> usize {
        self.requests.iter().count() + self.threads.iter().count()
    }

    /// Those who stand in line for a worker.
    pub fn in_line(&self) -> usize {
        self.line.len()
    }

    /// Operations of a workload that are under way.
    pub fn operations(&self) -> usize {
        self.requests.iter().filter(|request| request.operation.is_some() && !request.done).count()
    }

    /// What was sent on an edge and is waited for.
    pub fn out(&self, edge: EdgeRef) -> usize {
        self.pending.iter().filter(|pending| pending.edge == edge).count()
    }

    /// Places in bulkheads that are taken, and those of them that are kept for answers nobody waits for.
    pub fn places(&self) -> (usize, usize) {
        let bulkheads = self.held.iter().flatten().filter_map(|held| match held {
            Held::Bulkhead(bulkhead, _) => Some(bulkhead.running() as usize),
            _ => None,
        });
        (bulkheads.sum(), self.kept.len())
    }

    fn audit_workers(&self, program: &Program) -> Result<(), String> {
        let Some(def) = program.service(self.me) else { return differ("workers of a workload", self.busy as usize, 0) };
        within("workers", self.busy as usize, def.workers)?;
        if !def.asynchronous {
            let holding = self.requests.iter().filter(|request| request.holds_worker).count();
            differ("workers", self.busy as usize, holding)?;
        }
        if let Some(gate) = &self.gate {
            let gated = self.requests.iter().filter(|request| request.gated.is_some()).count();
            differ("requests behind a gate", gate.running() as usize, gated)?;
        }
        let is_there = |waiting: &Waiting| match waiting {
            Waiting::Request(key) => self.requests.get(*key).is_some(),
            Waiting::Work(key) => self.threads.get(*key).is_some(),
        };
        differ("those in line", self.line.len(), self.line.iter().filter(|waiting| is_there(waiting)).count())
    }

    fn audit_threads(&self) -> Result<(), String> {
        let mut threads: BTreeMap<Key, usize> = BTreeMap::new();
        for thread in self.threads.iter() {
            *threads.entry(thread.request).or_default() += 1;
        }
        for (key, request) in self.requests.entries() {
            let there = threads.get(&key).copied().unwrap_or_default();
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

    fn audit_policies(&self, program: &Program) -> Result<(), String> {
        let counted = self.counted(program);
        let none = Taken::default();
        for (index, held) in (0u32..).zip(&self.held) {
            let there = counted.get(&index).unwrap_or(&none);
            match held {
                Some(Held::Bulkhead(bulkhead, line)) => self.audit_bulkhead(bulkhead, line, there)?,
                Some(Held::Breaker(breaker, _)) => breaker.audit(there.inside)?,
                Some(Held::Limiter(limiter)) => limiter.audit()?,
                Some(Held::Budget(budget)) => budget.audit(there.calls, there.paid)?,
                Some(Held::Flights(flights)) => {
                    differ("flights", flights.len(), there.leads as usize)?;
                    differ("those who follow a flight", flights.waiting(), there.follow as usize)?;
                }
                Some(Held::Latencies(_)) | None => {}
            }
        }
        for (index, left) in self.budgets.iter().enumerate() {
            let most = largest_burst(program, index as u32);
            if left.is_some_and(|left| left > most) {
                return Err(format!("a budget of retries: {left:?} parts, and {most} are the most"));
            }
        }
        Ok(())
    }

    fn audit_bulkhead(&self, bulkhead: &Bulkhead, line: &VecDeque<Key>, there: &Taken) -> Result<(), String> {
        differ("places in a bulkhead", bulkhead.running() as usize, there.inside as usize)?;
        // A limit that finds itself may fall below what is under way.
        within("places in a bulkhead", there.inside as usize, bulkhead.is_fixed().then(|| bulkhead.most()))?;
        differ("those who wait for a place", bulkhead.waiting() as usize, line.len())?;
        let waits = |key: &&Key| {
            let top = self.threads.get(**key).and_then(|thread| thread.frames.last());
            matches!(top.map(|frame| &frame.role), Some(Role::Attempt(attempt)) if matches!(attempt.phase, Phase::Queued(_)))
        };
        differ("those who wait for a place", line.len(), line.iter().filter(waits).count())
    }

    /// What tries, calls and answers that are still out have of each policy, by its place.
    fn counted(&self, program: &Program) -> BTreeMap<u32, Taken> {
        let mut counted: BTreeMap<u32, Taken> = BTreeMap::new();
        // What was given up may hold its place until the answer comes: for ever when that is lost, and held all the same.
        for kept in &self.kept {
            counted.entry(kept.index).or_default().inside += 1;
        }
        let frames = self.threads.iter().flat_map(|thread| &thread.frames);
        let attempts = frames.filter_map(|frame| match &frame.role {
            Role::Attempt(attempt) => Some(&**attempt),
            Role::Plain | Role::Each { .. } | Role::Fan(_) => None,
        });
        for attempt in attempts {
            let clauses = &program.step(attempt.step).clauses;
            for index in passed(program, attempt) {
                counted.entry(index).or_default().inside += 1;
            }
            if let Some((_, index)) = clauses.guards.as_ref().and_then(|guards| guards.budget)
                && !attempt.passed.is_for_nobody()
            {
                let taken = counted.entry(index).or_default();
                taken.calls += 1;
                taken.paid += u32::from(attempt.passed.is_paid());
            }
            if let (Some(flight), Some(def)) = (&attempt.flight, &clauses.coalesce) {
                let taken = counted.entry(def.index).or_default();
                // Who has its answer is no longer known to the flight.
                let waits = matches!(attempt.phase, Phase::Following);
                taken.follow += u32::from(flight.follows() && waits);
                taken.leads += u32::from(!flight.follows());
            }
            if let (Phase::Hedging(hedging), Some((_, index))) =
                (&attempt.phase, clauses.hedge.as_ref().and_then(|hedge| hedge.profile_budget))
            {
                let taken = counted.entry(index).or_default();
                taken.calls += 1;
                taken.paid += hedging.legs.iter().filter(|leg| leg.is_paid()).count() as u32;
            }
        }
        counted
    }
}

/// What is taken of one policy.
#[derive(Default)]
struct Taken {
    /// Tries that it has let pass and that have not left it.
    inside: u32,
    /// Calls of a budget, and requests among them that it has paid for.
    calls: u32,
    paid: u32,
    /// Flights, and those who wait for one.
    leads: u32,
    follow: u32,
}

/// The guards that an attempt has passed and not left, by their places.
fn passed<'p>(program: &'p Program, attempt: &Attempt) -> impl Iterator<Item = u32> + use<'p> {
    let (inside, left) = (usize::from(attempt.passed.inside()), usize::from(attempt.passed.left()));
    let guards = program.step(attempt.step).clauses.guards.as_deref();
    guards.into_iter().flat_map(|guards| &guards.order).take(inside).skip(left).map(|guard| match guard {
        Guard::Bulkhead(def) => def.index,
        Guard::Breaker(def) => def.index,
        Guard::Limiter(def) => def.index,
    })
}

/// The most that any budget at this place among those of its node may hold, in parts of a retry.
fn largest_burst(program: &Program, index: u32) -> u64 {
    let clauses = program.steps.iter().map(|step| &step.clauses);
    let of_retries = clauses.clone().filter_map(|clauses| clauses.retry.as_ref()?.budget);
    let of_hedges = clauses.filter_map(|clauses| clauses.hedge.as_ref()?.budget);
    let undone = program.steps.iter().filter_map(|step| match &step.verb {
        Verb::Saga(def) => def.undo_retry.budget,
        _ => None,
    });
    let budgets = of_retries.chain(of_hedges).chain(undone).filter(|budget| budget.index == index);
    budgets.map(|budget| u64::from(budget.burst).saturating_mul(Ratio::ONE.parts())).max().unwrap_or_default()
}

impl Store {
    /// Operations and transactions that are under way.
    pub fn size(&self) -> usize {
        self.operations.iter().count() + self.txns.len()
    }

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
            for waiter in lock.waiters() {
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

#[cfg(test)]
mod tests {
    use sim_core::{Instant, NodeId, Seed};

    use super::super::Service;
    use super::super::guards::Held;
    use super::super::service::Waiting;
    use super::super::thread::Role;
    use crate::language::Choices;
    use crate::policy::breaker::Ended;
    use crate::scenario::Scenario;
    use crate::slab::Key;
    use crate::value::Value;

    /// A caller with some of everything under way, a breaker that is half-open and a place that is kept among it.
    fn busy() -> Service {
        let text = r#"{"faultline": 1, "name": "busy", "until": "60s", "nodes": {
            "api": {"kind": "service", "workers": 9, "endpoints": {
              "breaks": [{"call": "slow.get", "timeout": "100ms", "breaker": {"profile": "resilience4j", "minimumNumberOfCalls": 2,
                "slidingWindowSize": 2, "waitDurationInOpenState": "1s"}}],
              "waits": [{"call": "slow.get", "timeout": "10s", "bulkhead": {"max": 1, "wait": "10s"}, "retry": {"tries": 2, "budget": "10%"},
                "limiter": {"rate": "1000/s", "burst": 100}, "coalesce": "$b"}],
              "keeps": [{"call": "slow.get", "timeout": "100ms", "bulkhead": {"max": 3, "release": "answer"},
                "retry": {"profile": "envoy", "retry_on": ["unavailable"]}}]}},
            "slow": {"kind": "service", "endpoints": {"get": [{"work": "50s"}]}}},
          "workload": {
            "one": {"rate": "10/s", "spacing": "even", "each": "a", "do": [{"call": "api.breaks", "timeout": "200ms"}]},
            "two": {"users": 3, "limit": 3, "each": "b", "do": [{"call": "api.waits"}]},
            "three": {"users": 1, "limit": 2, "each": "c", "do": [{"call": "api.keeps"}]}}}"#;
        let scenario = Scenario::parse("busy.json", text).unwrap_or_else(|wrong| panic!("{wrong}"));
        let model = scenario.model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let (mut sim, _) = model.start(Seed(1));
        // Until the breaker lets a call go to see how it is, and that call is out.
        loop {
            assert!(sim.step_before("20s".parse().unwrap()).is_some(), "it never is half-open");
            let api = sim.actor::<Service>(NodeId(0)).unwrap();
            assert_eq!(api.audit(), Ok(()));
            let half_open = api
                .held
                .iter()
                .flatten()
                .any(|held| matches!(held, Held::Breaker(_, seen) if seen.name() == "half-open"));
            if half_open && !api.kept.is_empty() {
                return api.clone();
            }
        }
    }

    /// Each leak is planted in a caller whose books balance, and found.
    #[test]
    fn a_leak_of_anything_that_is_counted_is_found_at_the_event_that_makes_it() {
        type Leak = (&'static str, fn(&mut Service));
        fn bulkhead(api: &mut Service, leaks: impl Fn(&mut crate::policy::bulkhead::Bulkhead)) {
            let held = api.held.iter_mut().flatten().filter_map(|held| match held {
                Held::Bulkhead(bulkhead, _) => Some(bulkhead),
                _ => None,
            });
            held.for_each(|bulkhead| leaks(bulkhead));
        }
        fn policies(api: &mut Service, leaks: impl FnMut(&mut Held)) {
            api.held.iter_mut().flatten().for_each(leaks);
        }
        let leaks: [Leak; 14] = [
            ("workers", |api| api.busy += 1),
            ("threads of a request", |api| {
                let first = api.requests.entries().next().map(|(key, _)| key).unwrap();
                api.requests.get_mut(first).unwrap().threads += 1;
            }),
            ("those in line", |api| api.line.push_back(Waiting::Request(Key { place: 999, turn: 0 }))),
            ("requests open at a node", |api| api.open[1] += 1),
            ("is waited for by nobody", |api| {
                let waits = api.pending.iter().next().unwrap().thread;
                let request = api.threads.remove(waits).unwrap().request;
                api.requests.get_mut(request).unwrap().threads -= 1;
            }),
            ("places in a bulkhead", |api| {
                bulkhead(api, |bulkhead| {
                    if bulkhead.most() == 3 {
                        _ = bulkhead.enter(Instant::ZERO);
                    }
                });
            }),
            ("places in a bulkhead", |api| {
                bulkhead(api, |bulkhead| {
                    if bulkhead.most() == 3 {
                        _ = bulkhead.leave(Instant::ZERO);
                    }
                });
            }),
            ("places in a bulkhead", |api| _ = api.kept.pop()),
            ("those who wait for a place", |api| bulkhead(api, |bulkhead| bulkhead.goes_away())),
            ("calls under way of a breaker", |api| {
                policies(api, |held| {
                    if let Held::Breaker(breaker, _) = held {
                        breaker.report(Instant::ZERO, Ended::Cancelled, sim_core::Duration::ZERO);
                    }
                });
            }),
            ("calls of a budget", |api| {
                policies(api, |held| {
                    if let Held::Budget(budget) = held {
                        budget.request(Instant::ZERO);
                    }
                });
            }),
            ("retries of a budget", |api| {
                policies(api, |held| {
                    if let Held::Budget(budget) = held {
                        _ = budget.retry(Instant::ZERO, false);
                    }
                });
            }),
            ("a budget of retries", |api| {
                let full = api.budgets.iter_mut().flatten().next().unwrap();
                *full += 100_000_000_000_000;
            }),
            ("flights", |api| {
                policies(api, |held| {
                    if let Held::Flights(flights) = held {
                        _ = flights.join(Value::from("nobody's"), Key { place: 0, turn: 0 });
                    }
                });
            }),
        ];
        let api = busy();
        for (said, leak) in leaks {
            let mut api = api.clone();
            leak(&mut api);
            let found = api.audit().expect_err(said);
            assert!(found.contains(said), "{said}: {found}");
        }
        // A permit of the half-open breaker that went and never came back, though its call is over.
        let mut api = api;
        let inside = |frame: &super::super::thread::Frame| matches!(&frame.role, Role::Attempt(attempt) if attempt.passed.inside() > 0);
        let mut lost = 0;
        policies(&mut api, |held| {
            if let Held::Breaker(breaker, _) = held {
                let now = "20s".parse().unwrap();
                while breaker.admit(now) == crate::policy::breaker::Admission::Go {
                    lost += 1;
                }
            }
        });
        assert!(lost > 0 && api.threads.iter().flat_map(|thread| &thread.frames).any(inside));
        assert!(api.audit().expect_err("half-open").contains("of a breaker"));
    }
}
