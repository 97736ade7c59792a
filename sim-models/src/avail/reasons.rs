//! Why steps fail while something that they need is down, and what they do about it.
//!
//! Whoever asks a node that is down, by a crash or without power, is refused at once. That goes from step to step as the
//! outcome of what it ends, unless something catches it: then it is over, or it is what that fails with. A breaker that has
//! seen enough of it says so in its own words.

use std::collections::{BTreeMap, BTreeSet};

use super::derived::inside;
use crate::program::{BlockRef, Catch, EndpointRef, Guard, Program, Reason, Step, Verb};

/// Looks through a program.
pub(super) struct Reasons<'p> {
    program: &'p Program,
    /// The endpoints that are being looked through, the outermost first.
    open: Vec<EndpointRef>,
    /// Those of endpoints that were looked through before.
    known: BTreeMap<u16, BTreeSet<Reason>>,
    circles: usize,
}

/// Whether what steps fail with of their own will counts: it does where they are done because something is down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Counts,
    Aside,
}

impl<'p> Reasons<'p> {
    pub(super) fn new(program: &'p Program) -> Reasons<'p> {
        Reasons { program, open: Vec::new(), known: BTreeMap::new(), circles: 0 }
    }

    /// Why a step fails while something is down that it needs, before its `on` is asked.
    pub(super) fn of(&mut self, step: &Step) -> BTreeSet<Reason> {
        self.step(step, Own::Aside)
    }

    fn step(&mut self, step: &Step, own: Own) -> BTreeSet<Reason> {
        let mut all = match &step.verb {
            Verb::Call { endpoint, .. } => {
                let mut all = self.endpoint(*endpoint);
                all.insert(Reason::REFUSED);
                all
            }
            Verb::Read { edge, .. } | Verb::List { edge, .. } | Verb::Set { edge, .. } => {
                edge.iter().map(|_| Reason::REFUSED).collect()
            }
            Verb::Publish { .. } => BTreeSet::from([Reason::REFUSED]),
            Verb::Fail(failure) if own == Own::Counts => BTreeSet::from([failure.reason]),
            verb => {
                let asks = match verb {
                    Verb::Transaction { store, protocol, .. } => store.is_some() || protocol.is_some(),
                    Verb::Once(once) => once.edge.is_some(),
                    _ => false,
                };
                let all = inside(verb).into_iter().flat_map(|block| self.block(block, own));
                all.chain(asks.then_some(Reason::REFUSED)).collect()
            }
        };
        let is_breaker = |guard: &Guard| matches!(guard, Guard::Breaker(_));
        if !all.is_empty() && step.clauses.guards.iter().any(|guards| guards.order.iter().any(is_breaker)) {
            all.insert(Reason::OPEN);
        }
        all
    }

    fn block(&mut self, block: BlockRef, own: Own) -> BTreeSet<Reason> {
        let program = self.program;
        program.block(block).iter().flat_map(|step| self.left(program.step(*step), own)).collect()
    }

    /// With what a step ends what it stands in.
    fn left(&mut self, step: &Step, own: Own) -> BTreeSet<Reason> {
        let mut left = BTreeSet::new();
        for reason in self.step(step, own) {
            match handler_of(step, reason) {
                None => _ = left.insert(reason),
                Some(other) => left.extend(self.block(other, Own::Counts)),
            }
        }
        left
    }

    fn endpoint(&mut self, endpoint: EndpointRef) -> BTreeSet<Reason> {
        if self.open.contains(&endpoint) {
            self.circles += 1;
            return BTreeSet::new();
        }
        if let Some(known) = self.known.get(&endpoint.0) {
            return known.clone();
        }
        let circles = self.circles;
        self.open.push(endpoint);
        let all = self.block(self.program.endpoint(endpoint).body, Own::Aside);
        self.open.pop();
        // What was met in a circle is whole only where the circle began.
        if self.circles == circles {
            self.known.insert(endpoint.0, all.clone());
        }
        all
    }
}

/// What a step does after such an outcome.
pub(super) fn handler(step: &Step, wanted: Catch) -> Option<BlockRef> {
    step.clauses.on.iter().find(|(catch, _)| *catch == wanted).map(|(_, block)| *block)
}

/// What a step does when it fails with this reason: the narrowest that catches it.
pub(super) fn handler_of(step: &Step, reason: Reason) -> Option<BlockRef> {
    let tone = if reason.is_unknown() { Catch::Unknown } else { Catch::Error };
    [Catch::Reason(reason), tone, Catch::Else].into_iter().find_map(|catch| handler(step, catch))
}
