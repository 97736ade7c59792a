//! What another try of a step would do once more: facts stated, cells changed by what they held, messages published.
//!
//! A `once` whose key is the same at each try protects what it does, and so does a `set` whose condition fails the second time.

use std::collections::{BTreeMap, BTreeSet};

use super::Look;
use crate::expr::{Expr, Kind, Op};
use crate::program::{
    BlockRef, Catch, Clauses, EndpointRef, FactRef, MapRef, NodeRef, Piece, Reason, Slot, StepRef, Template, Var, Verb,
};
use crate::value::Value;

/// What is one thing more when it is done once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    /// A fact is stated.
    Fact(FactRef),
    /// A cell becomes another by what it held; the step that does so.
    Change(StepRef),
    /// A queue is given a message that its consumers do not know again.
    Message(NodeRef),
}

/// Why nothing keeps it from being done once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lack {
    /// It stands in a `once` whose key is another one at each try.
    SameKey,
    /// No `once` stands around it.
    Once,
}

/// Effects by who has them.
pub(super) type Effects = BTreeMap<(EndpointRef, Effect), Lack>;

/// What stands around a list of steps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Inside {
    pub transaction: bool,
    pub lack: Lack,
}

impl Inside {
    pub(super) const PLAIN: Inside = Inside { transaction: false, lack: Lack::Once };
}

/// Follows what a step does, and what those do whom it asks.
pub(super) struct Repeats<'l, 'p> {
    look: &'l Look<'p>,
    /// Whose step is tried again: `$try` counts there.
    origin: EndpointRef,
    seen: BTreeSet<EndpointRef>,
    /// Names that hold another value at each try.
    fresh: BTreeSet<Slot>,
    /// Names under which a cell of that map was read in the same try.
    read: BTreeSet<(EndpointRef, MapRef, Slot)>,
    pub found: Effects,
}

impl<'l, 'p> Repeats<'l, 'p> {
    pub(super) fn new(look: &'l Look<'p>, origin: EndpointRef) -> Self {
        let (seen, fresh, read, found) = Default::default();
        Repeats { look, origin, seen, fresh, read, found }
    }

    /// What another try of this step may do once more, when nobody knows what became of the one before.
    pub(super) fn of(look: &'l Look<'p>, here: EndpointRef, step: StepRef) -> Effects {
        let mut found = Repeats::all(look, here, step);
        if let Verb::Try(body) = &look.program.step(step).verb {
            keep_early(look, here, *body, &mut found);
        }
        found
    }

    /// What another try of a message may do once more, when nobody knows what became of the one before.
    pub(super) fn of_consumer(look: &'l Look<'p>, consumer: EndpointRef) -> Effects {
        let mut found = Repeats::all_of_consumer(look, consumer);
        keep_early(look, consumer, look.program.endpoint(consumer).body, &mut found);
        found
    }

    /// What a consumer does with a message, in whatever order.
    pub(super) fn all_of_consumer(look: &'l Look<'p>, consumer: EndpointRef) -> Effects {
        let mut repeats = Repeats::new(look, consumer);
        repeats.called(consumer);
        repeats.found
    }

    /// What this step does, in whatever order.
    pub(super) fn all(look: &'l Look<'p>, here: EndpointRef, step: StepRef) -> Effects {
        let mut repeats = Repeats::new(look, here);
        match &look.program.step(step).verb {
            Verb::Call { endpoint, with, .. } => {
                repeats.carried(here, with, true);
                repeats.called(*endpoint);
            }
            Verb::Publish { queue, with, .. } => {
                repeats.carried(here, with, true);
                repeats.published(here, *queue, Inside::PLAIN);
            }
            Verb::Set { edge: Some(_), .. } => repeats.change(here, step, Inside::PLAIN),
            Verb::Try(body) => repeats.block(here, *body, Inside::PLAIN),
            Verb::Transaction { body, .. } => {
                repeats.block(here, *body, Inside { transaction: true, ..Inside::PLAIN });
            }
            Verb::Once(_) | Verb::Parallel { .. } => repeats.inner(here, step, Inside::PLAIN),
            _ => {}
        }
        repeats.found
    }

    /// What an endpoint does that is called.
    pub(super) fn called(&mut self, endpoint: EndpointRef) {
        if self.seen.insert(endpoint) {
            self.block(endpoint, self.look.program.endpoint(endpoint).body, Inside::PLAIN);
        }
    }

    /// What a list of steps does without a guard, and the endpoints that it calls.
    fn block(&mut self, here: EndpointRef, body: BlockRef, inside: Inside) {
        for step in self.look.program.block(body) {
            self.step(here, *step, inside);
            self.inner(here, *step, inside);
            if self.guards(here, *step, inside) {
                break;
            }
        }
    }

    fn step(&mut self, here: EndpointRef, step: StepRef, inside: Inside) {
        let Clauses { bind, retry, .. } = &self.look.program.step(step).clauses;
        match &self.look.program.step(step).verb {
            Verb::Read { map, version, .. } => {
                self.read.extend(bind.iter().chain(version).map(|slot| (here, *map, *slot)));
            }
            Verb::Set { .. } => self.change(here, step, inside),
            Verb::Record { fact, times: 1, .. } => self.add(here, Effect::Fact(*fact), inside),
            Verb::Call { endpoint, with, .. } => {
                self.carried(here, with, retry.is_none());
                self.called(*endpoint);
            }
            Verb::Publish { queue, with, .. } => {
                self.carried(here, with, retry.is_none());
                self.published(here, *queue, inside);
            }
            _ => {}
        }
    }

    fn add(&mut self, by: EndpointRef, effect: Effect, inside: Inside) {
        let lack = self.found.entry((by, effect)).or_insert(inside.lack);
        *lack = (*lack).max(inside.lack);
    }

    /// The lists inside of a step; of a `once` only if its key is another one at each try.
    fn inner(&mut self, here: EndpointRef, step: StepRef, inside: Inside) {
        let verb = &self.look.program.step(step).verb;
        let inside = Inside { transaction: inside.transaction || matches!(verb, Verb::Transaction { .. }), ..inside };
        let once = match verb {
            Verb::Once(once) => Some((once.body, self.key(here, &once.key))),
            _ => None,
        };
        for block in self.look.live_blocks(step) {
            match once {
                Some((body, None)) if body == block => {}
                Some((body, Some(lack))) if body == block => self.block(here, block, Inside { lack, ..inside }),
                _ => self.block(here, block, inside),
            }
        }
    }

    /// What a key lacks to be the same at each try.
    pub(super) fn key(&self, here: EndpointRef, key: &Template) -> Option<Lack> {
        match key {
            Template::Constant(Value::Null) => Some(Lack::Once),
            _ if self.differs(here, key, true) => Some(Lack::SameKey),
            _ => None,
        }
    }

    /// Names under which values travel that are others at each try. `counted`: `$try` is that of the step that is tried again.
    fn carried(&mut self, here: EndpointRef, with: &[(Slot, Template)], counted: bool) {
        for (slot, value) in with {
            if self.differs(here, value, counted) {
                self.fresh.insert(*slot);
            }
        }
    }

    fn differs(&self, here: EndpointRef, value: &Template, counted: bool) -> bool {
        let mut is_fresh = |var: &Var| match var {
            Var::Try => counted && here == self.origin,
            Var::Now => true,
            Var::Slot(slot) => self.fresh.contains(slot),
            _ => false,
        };
        match value {
            Template::Constant(_) => false,
            Template::Var(var) => is_fresh(var),
            Template::Text(pieces) => pieces.iter().any(|piece| match piece {
                Piece::Literal(_) => false,
                Piece::Var(var) => is_fresh(var),
            }),
            Template::Expr(expr) => expr.mentions(&mut is_fresh),
        }
    }

    /// A message that is published twice is handled twice, under two numbers.
    pub(super) fn published(&mut self, here: EndpointRef, queue: NodeRef, inside: Inside) {
        let consumers = self.look.program.queue(queue).map_or(&[][..], |queue| &queue.consumers);
        for endpoint in consumers {
            let consumes = self.look.program.endpoint(*endpoint).consumes.as_ref();
            self.fresh.extend(consumes.and_then(|consumes| consumes.message));
            if self.seen.contains(endpoint) {
                continue;
            }
            let before = self.found.len();
            self.called(*endpoint);
            if self.found.len() == before && !self.knows_again(*endpoint) {
                self.add(here, Effect::Message(queue), inside);
            }
        }
    }

    /// Whether whoever handles a message has anything by which to know it again.
    fn knows_again(&self, endpoint: EndpointRef) -> bool {
        let body = self.look.program.endpoint(endpoint).body;
        self.look.live_steps(body).into_iter().any(|step| match &self.look.program.step(step).verb {
            Verb::Once(once) => self.key(endpoint, &once.key).is_none(),
            Verb::Set { .. } => true,
            Verb::Call { endpoint: called, .. } => *called != endpoint && self.knows_again(*called),
            _ => false,
        })
    }

    fn change(&mut self, here: EndpointRef, step: StepRef, inside: Inside) {
        if self.accumulates(here, step) {
            self.add(here, Effect::Change(step), inside);
        }
    }

    /// Whether a step makes of a cell another one by what it held, and would do so again.
    fn accumulates(&self, here: EndpointRef, step: StepRef) -> bool {
        let Verb::Set { map, to: Template::Expr(to), condition, .. } = &self.look.program.step(step).verb else {
            return false;
        };
        let held = |var: &Var| match var {
            Var::Value | Var::CellVersion => true,
            Var::Slot(slot) => self.read.contains(&(here, *map, *slot)),
            _ => false,
        };
        reckons(to, &held) && !condition.as_ref().is_some_and(|condition| pins(condition, &held))
    }

    /// Whether what stands behind this step is not done a second time, because its condition fails then.
    fn guards(&self, here: EndpointRef, step: StepRef, inside: Inside) -> bool {
        let step_of = self.look.program.step(step);
        let Verb::Set { condition: Some(_), .. } = &step_of.verb else { return false };
        let caught = |catch: &Catch| matches!(catch, Catch::Error | Catch::Else | Catch::Reason(Reason::UNMET));
        let ends = inside.transaction || !step_of.clauses.on.iter().any(|(catch, _)| caught(catch));
        ends && !self.accumulates(here, step)
    }
}

/// What is done behind the last step that may be unknown is done by a try that is ok.
fn keep_early(look: &Look<'_>, here: EndpointRef, body: BlockRef, found: &mut Effects) {
    let end = look.last_remote(body);
    let early = |effect: &Effect| match effect {
        Effect::Fact(fact) => look.first_record(body, *fact) < end,
        Effect::Change(step) => Some(*step) < end,
        Effect::Message(_) => true,
    };
    found.retain(|(by, effect), _| *by != here || early(effect));
}

/// Whether a value is reckoned from one of these, so that doing it twice is not doing it once: not `min(value, 5)`.
fn reckons(expr: &Expr<Var>, held: &impl Fn(&Var) -> bool) -> bool {
    match &expr.kind {
        Kind::Literal(_) | Kind::Name(_) | Kind::Cell(..) => false,
        Kind::Not(inner) | Kind::Negate(inner) => inner.mentions(&mut |var| held(var)),
        Kind::Binary(Op::Min | Op::Max, sides) => sides.iter().any(|side| reckons(side, held)),
        Kind::Binary(_, sides) => sides.iter().any(|side| side.mentions(&mut |var| held(var))),
    }
}

/// Whether a condition asks that the cell is still what it was before the first try, by a value that is not read anew.
fn pins(condition: &Expr<Var>, held: &impl Fn(&Var) -> bool) -> bool {
    let of_the_cell = |side: &Expr<Var>| matches!(side.kind, Kind::Name(Var::Value | Var::CellVersion));
    match &condition.kind {
        Kind::Binary(Op::And, sides) => sides.iter().any(|side| pins(side, held)),
        Kind::Binary(Op::Equal, sides) => {
            let [one, other] = &**sides;
            of_the_cell(one) && !other.mentions(&mut |var| held(var))
                || of_the_cell(other) && !one.mentions(&mut |var| held(var))
        }
        _ => false,
    }
}
