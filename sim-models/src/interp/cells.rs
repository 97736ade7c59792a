//! The node's own maps, reached at once: durable ones on the shelves, memory in the process.

use sim_core::{Duration, Timer};

use super::exec::Next;
use super::service::{Cx, Service};
use super::thread::{Alarm, Phase};
use crate::expr::{EvalError, Expr, Kind};
use crate::message::{Counted, Extra, Names, Note, Outcome};
use crate::program::{MapRef, Program, Reason, Step, StepRef, Template, Var, Verb};
use crate::shelf::{AtCell, Cells, Waiter};
use crate::slab::Key;
use crate::value::Value;

/// Whether a step is over at the instant it begins: an operation on the node's own maps.
pub(super) fn is_instant(step: &Step) -> bool {
    matches!(
        &step.verb,
        Verb::Read { edge: None, when: None, .. } | Verb::List { edge: None, .. } | Verb::Set { edge: None, .. }
    )
}

/// Whether the values of the caller enter what is done at the cell.
pub(super) fn uses_names(step: &Step) -> bool {
    match &step.verb {
        Verb::Read { when, .. } => when.as_ref().is_some_and(names_any),
        Verb::List { filter, .. } => filter.as_ref().is_some_and(names_any),
        Verb::Set { to, condition, .. } => {
            condition.as_ref().is_some_and(names_any)
                || match to {
                    Template::Constant(_) => false,
                    Template::Var(var) => is_callers(*var),
                    Template::Text(_) => true,
                    Template::Expr(expr) => names_any(expr),
                }
        }
        _ => false,
    }
}

pub(super) fn names_any(expr: &Expr<Var>) -> bool {
    match &expr.kind {
        Kind::Literal(_) => false,
        Kind::Name(var) => is_callers(*var),
        Kind::Cell(_, key) => names_any(key),
        Kind::Not(inner) | Kind::Negate(inner) => names_any(inner),
        Kind::Binary(_, sides) => sides.iter().any(names_any),
    }
}

pub(super) const fn is_callers(var: Var) -> bool {
    match var {
        Var::Slot(_) | Var::Try | Var::Reason | Var::ReplicaVersion => true,
        Var::Now | Var::Value | Var::CellVersion | Var::Age | Var::Key | Var::Map(_) => false,
    }
}

/// The node's own maps.
impl Service {
    pub(super) fn at_own(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        map: MapRef,
    ) -> Next {
        let step = program.step(reference);
        if let Verb::List { filter, limit, .. } = &step.verb {
            let names = self.names(key, step);
            let keys = self.list_own(cx, names.as_ref(), map, filter.as_ref(), *limit);
            let keys = Self::checked(cx, reference, keys.map(Some)).unwrap_or_default();
            return Next::Settle(Outcome::Ok(Value::Int(keys.len() as i64)), Extra::Keys(keys.into()));
        }
        let (Verb::Read { key: at, .. } | Verb::Set { key: at, .. }) = &step.verb else { return Next::Go };
        let at = self.value(cx, key, at);
        let at = Self::checked(cx, reference, at);
        match &step.verb {
            Verb::Set { to, condition, .. } => {
                let names = self.names(key, step);
                let new = self.set_own(cx, names.as_ref(), map, &at, to, condition.as_ref());
                match Self::checked(cx, reference, new) {
                    Some(value) => {
                        self.tell_cell(cx, program, map, at, &value);
                        Next::settle(Outcome::Ok(value))
                    }
                    None => {
                        self.count(cx, Counted::Unmet);
                        Next::settle(Outcome::Error(Reason::UNMET))
                    }
                }
            }
            _ => self.read_own(cx, program, key, reference, map, &at),
        }
    }

    /// Reads a cell of this node, now or once the condition holds.
    pub(super) fn read_own(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        reference: StepRef,
        map: MapRef,
        at: &Value,
    ) -> Next {
        let step = program.step(reference);
        let Verb::Read { when, .. } = &step.verb else { return Next::Go };
        if when.is_some() {
            let names = self.names(key, step);
            let other = |map: MapRef, key: &Value| self.own_map(cx, map).value(key);
            let holds = self.at_cell(cx, map, at, names.as_ref()).holds(when.as_ref(), &other);
            if !Self::checked(cx, reference, holds) {
                let alarm = self.alarm(cx, Duration::FOREVER, Alarm::Look { thread: key });
                let waiter = self.waiter(cx, alarm);
                cx.shared_mut().watch(self.me, waiter);
                self.phase(key, Phase::Watching(alarm));
                return Next::Wait;
            }
        }
        let cell = self.own_map(cx, map).get(at);
        let (value, version) = cell.map_or((Value::Null, 0), |cell| (cell.value.clone(), cell.version));
        Next::Settle(Outcome::Ok(value), Extra::Version(version))
    }

    pub(super) fn waiter(&self, cx: &Cx<'_>, alarm: Key) -> Waiter {
        Waiter { node: cx.id(), life: cx.life(), timer: Timer(alarm.place) }
    }

    /// A map of this node: durable ones lie on the shelves, memory in the process.
    pub(super) fn own_map<'m>(&'m self, cx: &'m Cx<'_>, map: MapRef) -> &'m Cells {
        match self.memory.iter().find(|(known, _)| *known == map.0) {
            Some((_, cells)) => cells,
            None => cx.shared().map(map),
        }
    }

    pub(super) fn own_map_mut<'m>(&'m mut self, cx: &'m mut Cx<'_>, map: MapRef) -> &'m mut Cells {
        match self.memory.iter_mut().find(|(known, _)| *known == map.0) {
            Some((_, cells)) => cells,
            None => cx.shared_mut().map_mut(map),
        }
    }

    /// Tells the judge of a new value, and lets those look again who wait for one.
    pub(super) fn tell_cell(&self, cx: &mut Cx<'_>, program: &Program, map: MapRef, key: Value, value: &Value) {
        if program.map(map).watched {
            cx.note(Note::Cell { map, key, value: value.clone() });
        }
        for waiter in cx.shared_mut().watchers(self.me) {
            cx.ring(waiter.node, waiter.life, waiter.timer);
        }
    }

    /// The new value, when the condition holds at the cell.
    pub(super) fn set_own(
        &mut self,
        cx: &mut Cx<'_>,
        names: Option<&Names>,
        map: MapRef,
        at: &Value,
        to: &Template,
        condition: Option<&Expr<Var>>,
    ) -> Result<Option<Value>, EvalError> {
        let now = cx.now();
        let cell = self.at_cell(cx, map, at, names);
        let other = |map: MapRef, key: &Value| self.own_map(cx, map).value(key);
        let value = cell.next(to, condition, &other)?;
        if let Some(value) = &value {
            self.own_map_mut(cx, map).set(at, value.clone(), now);
        }
        Ok(value)
    }

    pub(super) fn at_cell<'c>(
        &self,
        cx: &'c Cx<'_>,
        map: MapRef,
        key: &'c Value,
        names: Option<&'c Names>,
    ) -> AtCell<'c> {
        let cell = self.own_map(cx, map).get(key);
        AtCell {
            names,
            key,
            value: cell.map_or(Value::Null, |cell| cell.value.clone()),
            version: cell.map_or(0, |cell| cell.version),
            set_at: cell.map(|cell| cell.set_at),
            now: cx.now(),
            wall: cx.wall_clock(),
        }
    }

    pub(super) fn list_own(
        &mut self,
        cx: &Cx<'_>,
        names: Option<&Names>,
        map: MapRef,
        filter: Option<&Expr<Var>>,
        limit: Option<u64>,
    ) -> Result<Vec<Value>, EvalError> {
        let other = |map: MapRef, key: &Value| self.own_map(cx, map).value(key);
        let mut found = Vec::new();
        for (at, _) in self.own_map(cx, map).iter() {
            if limit.is_some_and(|limit| found.len() as u64 >= limit) {
                break;
            }
            if self.at_cell(cx, map, &at, names).holds(filter, &other)? {
                found.push(at);
            }
        }
        Ok(found)
    }
}
