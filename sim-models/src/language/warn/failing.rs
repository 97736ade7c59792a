//! What stands before a failure that is tried again: of `[{"record": "charged"}, {"fail": "bug"}]` each try charges once more.

use std::collections::BTreeSet;

use super::Look;
use super::repeats::{Effect, Effects, Inside, Repeats};
use crate::program::{BlockRef, Catch, EndpointRef, Reason, StepRef, Verb};

/// What was done so far, by whom.
type Done = BTreeSet<(EndpointRef, Effect)>;

/// Follows steps in their order, and notes what was done when one of them fails in a way that is tried again.
pub(super) struct Failing<'l, 'p> {
    look: &'l Look<'p>,
    retried: &'l [Catch],
    stack: Vec<EndpointRef>,
    /// What was done before such a failure.
    spoiled: Done,
    /// Whether there was one.
    fails: bool,
}

/// Reasons for which nothing was done by whoever was asked.
const DENIED: [Reason; 6] =
    [Reason::REFUSED, Reason::OVERLOADED, Reason::UNAVAILABLE, Reason::LIMITED, Reason::OPEN, Reason::EXPIRED];

/// Whether this is about what fails with that reason.
fn takes(catch: &Catch, reason: Reason) -> bool {
    match catch {
        Catch::Else => true,
        Catch::Error => !reason.is_unknown(),
        Catch::Unknown => reason.is_unknown(),
        Catch::Reason(known) => *known == reason,
        Catch::Ok => false,
    }
}

impl<'l, 'p> Failing<'l, 'p> {
    /// What another try of this step does once more, when it is tried again only where it is known to have failed.
    pub(super) fn of(look: &'l Look<'p>, here: EndpointRef, step: StepRef, retried: &'l [Catch]) -> Effects {
        // What is there to be repeated at all, and why nothing keeps it from being so.
        let mut effects = Repeats::all(look, here, step);
        let (stack, spoiled) = Default::default();
        let mut failing = Failing { look, retried, stack, spoiled, fails: false };
        match &look.program.step(step).verb {
            Verb::Call { endpoint, .. } => _ = failing.called(*endpoint),
            Verb::Try(body) => _ = failing.block(here, *body, Done::new()),
            _ => {}
        }
        effects.retain(|effect, _| failing.spoiled.contains(effect));
        effects
    }

    /// What another try of a message does once more, when its consumer is known to have failed: there its own failure counts too.
    pub(super) fn of_consumer(look: &'l Look<'p>, consumer: EndpointRef, retried: &'l [Catch]) -> Effects {
        let mut effects = Repeats::all_of_consumer(look, consumer);
        let (stack, spoiled) = Default::default();
        let mut failing = Failing { look, retried, stack, spoiled, fails: false };
        failing.called(consumer);
        effects.retain(|effect, _| failing.spoiled.contains(effect));
        effects
    }

    fn is_retried(&self, reason: Reason) -> bool {
        self.retried.iter().any(|catch| takes(catch, reason))
    }

    /// Whether the outcome of a step with this reason ends what it stands in.
    fn escapes(&self, step: StepRef, reason: Reason) -> bool {
        let on = &self.look.program.step(step).clauses.on;
        !on.iter().any(|(catch, _)| takes(catch, reason))
    }

    /// Whether any outcome that is tried again ends what a step stands in.
    fn lets_through(&self, step: StepRef) -> bool {
        let on = &self.look.program.step(step).clauses.on;
        self.retried.iter().any(|catch| match catch {
            Catch::Error | Catch::Else => !on.iter().any(|(caught, _)| matches!(caught, Catch::Error | Catch::Else)),
            Catch::Reason(reason) => self.escapes(step, *reason),
            Catch::Ok | Catch::Unknown => false,
        })
    }

    fn failed(&mut self, done: &Done) {
        self.fails = true;
        self.spoiled.extend(done.iter().copied());
    }

    /// Whether an endpoint may fail in a way that is tried again.
    fn called(&mut self, endpoint: EndpointRef) -> bool {
        if self.stack.contains(&endpoint) {
            return false;
        }
        self.stack.push(endpoint);
        let before = std::mem::take(&mut self.fails);
        self.block(endpoint, self.look.program.endpoint(endpoint).body, Done::new());
        self.stack.pop();
        std::mem::replace(&mut self.fails, before)
    }

    /// What is done behind a list of steps; nothing where it ends the endpoint.
    fn block(&mut self, here: EndpointRef, body: BlockRef, done: Done) -> Option<Done> {
        self.look.program.block(body).iter().try_fold(done, |done, step| self.step(here, *step, done))
    }

    fn step(&mut self, here: EndpointRef, step: StepRef, mut done: Done) -> Option<Done> {
        let program = self.look.program;
        let before = done.clone();
        match &program.step(step).verb {
            Verb::Reply(_) => return None,
            Verb::Fail(failure) => {
                // It ends its endpoint, through whatever is tried again there.
                if !self.stack.is_empty() && self.is_retried(failure.reason) {
                    self.failed(&done);
                }
                return None;
            }
            Verb::Record { fact, times: 1, .. } => _ = done.insert((here, Effect::Fact(*fact))),
            Verb::Set { condition, edge, .. } => {
                if condition.is_some() && self.is_retried(Reason::UNMET) && self.escapes(step, Reason::UNMET) {
                    self.failed(&done);
                }
                if edge.is_some() {
                    self.denied(step, &done);
                }
                done.insert((here, Effect::Change(step)));
            }
            Verb::Read { edge: Some(_), .. } | Verb::List { edge: Some(_), .. } => self.denied(step, &done),
            Verb::Publish { queue, .. } => {
                self.denied(step, &done);
                done.extend(self.whole(here, |repeats| repeats.published(here, *queue, Inside::PLAIN)));
            }
            Verb::Call { endpoint, .. } => {
                self.denied(step, &done);
                let known = self.spoiled.clone();
                if self.called(*endpoint) && self.lets_through(step) {
                    self.failed(&done);
                } else {
                    self.spoiled = known;
                }
                done.extend(self.whole(here, |repeats| repeats.called(*endpoint)));
            }
            _ => done = self.inner(here, step, done)?,
        }
        for (_, block) in &program.step(step).clauses.on {
            let handled = self.block(here, *block, before.clone());
            done.extend(handled.into_iter().flatten());
        }
        Some(done)
    }

    /// All that somebody may do, in whatever order.
    fn whole(&self, here: EndpointRef, follow: impl FnOnce(&mut Repeats<'l, 'p>)) -> Done {
        let mut repeats = Repeats::new(self.look, here);
        follow(&mut repeats);
        repeats.found.into_keys().collect()
    }

    /// Nobody is there, or has no place or time: what was done so far was.
    fn denied(&mut self, step: StepRef, done: &Done) {
        if DENIED.iter().any(|reason| self.is_retried(*reason) && self.escapes(step, *reason)) {
            self.failed(done);
        }
    }

    /// The lists inside of a step: one of several, or one after the other.
    fn inner(&mut self, here: EndpointRef, step: StepRef, done: Done) -> Option<Done> {
        let program = self.look.program;
        let on = &program.step(step).clauses.on;
        let blocks = self.look.live_blocks(step).into_iter().filter(|block| !on.iter().any(|(_, on)| on == block));
        match &program.step(step).verb {
            Verb::If { .. } | Verb::Switch { .. } | Verb::Chance { .. } | Verb::Buggify { .. } => {
                let ends: Vec<_> = blocks.filter_map(|block| self.block(here, block, done.clone())).collect();
                ends.into_iter().reduce(|mut all, one| {
                    all.extend(one);
                    all
                })
            }
            // What fails inside is taken back there.
            Verb::Transaction { .. } | Verb::Saga(_) => {
                let (known, before) = (self.spoiled.clone(), std::mem::take(&mut self.fails));
                let inside =
                    blocks.filter_map(|block| self.block(here, block, Done::new())).flatten().collect::<Done>();
                self.spoiled = known;
                let fails = std::mem::replace(&mut self.fails, before);
                if fails && self.lets_through(step) {
                    self.failed(&done);
                }
                Some(done.into_iter().chain(inside).collect())
            }
            // Nobody hears of it.
            Verb::Background(body) => {
                let (known, before) = (self.spoiled.clone(), self.fails);
                let inside = self.block(here, *body, Done::new());
                (self.spoiled, self.fails) = (known, before);
                Some(done.into_iter().chain(inside.into_iter().flatten()).collect())
            }
            _ => {
                let mut all = done;
                for block in blocks {
                    all = self.block(here, block, all)?;
                }
                Some(all)
            }
        }
    }
}
