//! What is known of each key (facts, requests, cells), and conditions asked of it.

use std::fmt;
use std::num::NonZeroU32;

use sim_core::{Class, Instant};

use super::words;
use crate::expr::{EvalError, Expr, Kind, Literal, Number, Op};
use crate::keymap::KeyMap;
use crate::message::Tone;
use crate::program::{FactRef, KeyExpr, KeyVar, MapRef, NodeRef, Program, Role};
use crate::value::Value;

/// An event as the explanation needs it; the default limit of events fits well inside.
pub(super) type EventNumber = NonZeroU32;

/// An event's number in half the room; what is beyond 2³² is remembered as 2³².
pub(super) fn small(event: u64) -> EventNumber {
    NonZeroU32::new(u32::try_from(event).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

/// A name in a condition about a key, with how it is written.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) var: KeyVar,
    name: String,
}

impl fmt::Display for Known {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

/// A condition or formula about one key, and what it depends on.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) expr: Expr<Known>,
    /// Divides or has fractions, and is therefore worked out in floats; whatever else decides is an integer.
    floats: bool,
    pub(super) class: Option<Class>,
    /// The workload whose operations are the keys.
    pub(super) workload: Option<NodeRef>,
    /// The facts it names.
    pub(super) facts: Vec<FactRef>,
    /// The facts whose keys are keys of this: those it names, and those of its class.
    key_facts: Vec<FactRef>,
    /// The cells it names.
    pub(super) cells: Vec<(MapRef, Reach)>,
    /// Whether it names `requested`, `ok`, `error` or `unknown`.
    pub(super) requests: bool,
}

/// Of which keys the answer changes when a cell does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reach {
    /// `status[$order]`: of the key of the cell.
    Same,
    /// `stock['lamp']`: of all keys, when it is this cell.
    AllByCell(Value),
    /// `stock[$order + 1]`: of all keys, whichever cell it is.
    All,
}

impl Question {
    pub(super) fn new(program: &Program, about: &KeyExpr) -> Question {
        let named = |var: &KeyVar, _| Ok::<_, ()>(Known { var: *var, name: name(program, about.class, *var) });
        let expr = about.expr.resolve(&mut { named }).unwrap_or_else(|()| unreachable!("every name resolves"));
        let mut names = Names::default();
        names.collect(&expr);
        let workload = about.class.and_then(|class| workload_of(program, class));
        let facts: Vec<FactRef> = about.facts.iter().copied().chain(names.facts).collect();
        let of_class = |fact: &FactRef| about.class.is_some() && program.facts[fact.0 as usize].class == about.class;
        let all = (0..program.facts.len()).map(|fact| FactRef(fact as u16));
        Question {
            floats: needs_floats(&expr),
            expr,
            class: about.class,
            workload,
            key_facts: sorted(facts.iter().copied().chain(all.filter(of_class)).collect()),
            facts: sorted(facts),
            cells: names.cells,
            requests: names.requests,
        }
    }

    /// Whether it is about no key at all: `inventory.stock['lamp'] >= 0`.
    pub(super) fn is_about_no_key(&self) -> bool {
        self.class.is_none() && self.key_facts.is_empty()
    }

    /// The facts that must be kept by key for it.
    pub(super) fn needs(&self) -> &[FactRef] {
        &self.key_facts
    }
}

fn sorted(mut facts: Vec<FactRef>) -> Vec<FactRef> {
    facts.sort_unstable();
    facts.dedup();
    facts
}

/// The workload whose operations are called so.
pub(super) fn workload_of(program: &Program, class: Class) -> Option<NodeRef> {
    let is = |role: &Role| matches!(role, Role::Workload(workload) if workload.class == class);
    program.nodes.iter().position(|node| is(&node.role)).map(|index| NodeRef(index as u16))
}

/// Whether an expression only makes sense in floats.
pub(super) fn needs_floats<N>(expr: &Expr<N>) -> bool {
    match &expr.kind {
        Kind::Literal(literal) => matches!(literal, Literal::Decimal(_)),
        Kind::Name(_) => false,
        Kind::Cell(_, inner) | Kind::Not(inner) | Kind::Negate(inner) => needs_floats(inner),
        Kind::Binary(op, sides) => *op == Op::Divide || sides.iter().any(needs_floats),
    }
}

fn name(program: &Program, class: Option<Class>, var: KeyVar) -> String {
    let fact = |fact: FactRef| &program.facts[fact.0 as usize].name;
    match var {
        KeyVar::Fact(of) => fact(of).clone(),
        KeyVar::First(of) => format!("{}.first", fact(of)),
        KeyVar::Last(of) => format!("{}.last", fact(of)),
        KeyVar::Requested => "requested".to_owned(),
        KeyVar::RequestedAt => "requested.first".to_owned(),
        KeyVar::Ok => "ok".to_owned(),
        KeyVar::Error => "error".to_owned(),
        KeyVar::Unknown => "unknown".to_owned(),
        KeyVar::Key => format!("${}", words::noun(program, class)),
        KeyVar::Map(map) => words::map(program, map),
    }
}

/// What an expression names.
#[derive(Default)]
struct Names {
    facts: Vec<FactRef>,
    cells: Vec<(MapRef, Reach)>,
    requests: bool,
}

impl Names {
    fn collect(&mut self, expr: &Expr<Known>) {
        match &expr.kind {
            Kind::Literal(_) => {}
            Kind::Name(known) => self.name(known.var),
            Kind::Cell(known, key) => {
                if let KeyVar::Map(map) = known.var {
                    self.cells.push((map, reach(key)));
                }
                self.collect(key);
            }
            Kind::Not(inner) | Kind::Negate(inner) => self.collect(inner),
            Kind::Binary(_, sides) => sides.iter().for_each(|side| self.collect(side)),
        }
    }

    fn name(&mut self, var: KeyVar) {
        match var {
            KeyVar::Fact(fact) | KeyVar::First(fact) | KeyVar::Last(fact) => self.facts.push(fact),
            KeyVar::Requested | KeyVar::RequestedAt | KeyVar::Ok | KeyVar::Error | KeyVar::Unknown => {
                self.requests = true;
            }
            KeyVar::Key | KeyVar::Map(_) => {}
        }
    }
}

fn reach(key: &Expr<Known>) -> Reach {
    match &key.kind {
        Kind::Name(Known { var: KeyVar::Key, .. }) => Reach::Same,
        Kind::Literal(_) => {
            key.eval(&mut |_: &Known, _: Option<&Value>| Value::Null).map_or(Reach::All, Reach::AllByCell)
        }
        _ => Reach::All,
    }
}

/// How a fact stands for a key.
#[derive(Clone, Debug)]
pub(super) struct Stood {
    /// Times recorded minus times undone.
    pub(super) count: i64,
    /// When it was first and last recorded; [`Instant::NEVER`] when it was only ever undone.
    pub(super) first: Instant,
    pub(super) last: Instant,
    /// The events of the first and the last change.
    pub(super) first_event: EventNumber,
    pub(super) last_event: EventNumber,
}

/// The requests of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// When the first was sent.
    first: Instant,
    requested: u32,
    ok: u32,
    error: u32,
    unknown: u32,
}

impl Sent {
    /// Not requested; an outcome can stand alone in a window that begins behind the request.
    const NONE: Sent = Sent { first: Instant::NEVER, requested: 0, ok: 0, error: 0, unknown: 0 };
}

/// What a cell holds and the event that set it; none: it has held that from the start.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) value: Value,
    pub(super) event: Option<EventNumber>,
}

/// What is known of each key.
#[derive(Clone, Debug)]
pub(super) struct Knowledge {
    /// By fact.
    pub(super) facts: Vec<KeyMap<Stood>>,
    /// By declared node; only workloads have any.
    pub(super) sent: Vec<KeyMap<Sent>>,
    /// By map.
    pub(super) cells: Vec<KeyMap<Cell>>,
}

impl Knowledge {
    /// Nothing has happened, and every map holds what it begins with.
    pub(super) fn new(program: &Program) -> Knowledge {
        let initial = |(key, value): &(Value, Value)| (key.clone(), Cell { value: value.clone(), event: None });
        Knowledge {
            facts: vec![KeyMap::new(); program.facts.len()],
            sent: vec![KeyMap::new(); program.nodes.len()],
            cells: program.maps.iter().map(|map| map.initial.iter().map(initial).collect()).collect(),
        }
    }

    #[inline]
    pub(super) fn record(&mut self, fact: FactRef, key: &Value, times: i64, at: Instant, event: u64) {
        let event = small(event);
        let fresh =
            || Stood { count: 0, first: Instant::NEVER, last: Instant::NEVER, first_event: event, last_event: event };
        let stood = self.facts[fact.0 as usize].entry_with(key, fresh);
        stood.count += times;
        stood.last_event = event;
        if times > 0 {
            stood.first = stood.first.min(at);
            stood.last = at;
        }
    }

    #[inline]
    pub(super) fn request(&mut self, workload: NodeRef, key: &Value, at: Instant) {
        let fresh = || Sent { first: at, ..Sent::NONE };
        self.sent[workload.0 as usize].entry_with(key, fresh).requested += 1;
    }

    #[inline]
    pub(super) fn finish(&mut self, workload: NodeRef, key: &Value, tone: Tone) {
        let sent = self.sent[workload.0 as usize].entry_with(key, || Sent::NONE);
        match tone {
            Tone::Ok => sent.ok += 1,
            Tone::Error => sent.error += 1,
            Tone::Unknown => sent.unknown += 1,
        }
    }

    #[inline]
    pub(super) fn set(&mut self, map: MapRef, key: &Value, value: &Value, event: u64) {
        self.cells[map.0 as usize].insert(key.clone(), Cell { value: value.clone(), event: Some(small(event)) });
    }

    /// What a cell holds.
    pub(super) fn cell(&self, map: MapRef, key: &Value) -> &Value {
        self.cells[map.0 as usize].get(key).map_or(&Value::Null, |cell| &cell.value)
    }

    /// What a name is worth for a key.
    #[inline]
    pub(super) fn value(&self, question: &Question, var: KeyVar, cell: Option<&Value>, key: &Value) -> Value {
        let stood = |fact: FactRef| self.facts[fact.0 as usize].get(key);
        let instant = |at: Option<Instant>| match at {
            Some(at) if at != Instant::NEVER => Value::Int(at.nanos() as i64),
            _ => Value::Null,
        };
        let requests = || question.workload.and_then(|workload| self.sent[workload.0 as usize].get(key));
        let sent = |part: fn(&Sent) -> u32| Value::Int(requests().map_or(0, |sent| i64::from(part(sent))));
        match var {
            KeyVar::Fact(fact) => Value::Int(stood(fact).map_or(0, |stood| stood.count)),
            KeyVar::First(fact) => instant(stood(fact).map(|stood| stood.first)),
            KeyVar::Last(fact) => instant(stood(fact).map(|stood| stood.last)),
            KeyVar::Requested => sent(|sent| sent.requested),
            KeyVar::RequestedAt => instant(requests().map(|sent| sent.first)),
            KeyVar::Ok => sent(|sent| sent.ok),
            KeyVar::Error => sent(|sent| sent.error),
            KeyVar::Unknown => sent(|sent| sent.unknown),
            KeyVar::Key => key.clone(),
            KeyVar::Map(map) => cell.map_or(Value::Null, |cell| self.cell(map, cell).clone()),
        }
    }

    /// Whether a condition holds for a key.
    #[inline]
    pub(super) fn holds(&self, question: &Question, key: &Value) -> Result<bool, EvalError> {
        if question.floats {
            return self.number(question, key).and_then(|number| match number {
                Number::Null => Ok(false),
                Number::Float(number) => Ok(number != 0.0),
                Number::Text(_) => Err(EvalError::Text),
            });
        }
        question.expr.is_true(&mut |known, cell| self.value(question, known.var, cell, key))
    }

    /// What a formula is worth for a key, instants in seconds.
    pub(super) fn number(&self, question: &Question, key: &Value) -> Result<Number, EvalError> {
        question.expr.eval_number(&mut |known, cell| {
            let value = self.value(question, known.var, cell, key);
            match (known.var, &value) {
                (KeyVar::First(_) | KeyVar::Last(_) | KeyVar::RequestedAt, Value::Int(nanos)) => {
                    Number::Float(*nanos as f64 / 1e9)
                }
                _ => Number::from(&value),
            }
        })
    }

    /// Whether a key is one of those that a question is about: requested, or recorded.
    #[inline]
    pub(super) fn knows(&self, question: &Question, key: &Value) -> bool {
        question.workload.is_some_and(|workload| self.sent[workload.0 as usize].contains(key))
            || question.key_facts.iter().any(|fact| self.facts[fact.0 as usize].contains(key))
    }

    /// All keys that a question is about, in order; what is about no key is asked once, of null.
    pub(super) fn keys(&self, question: &Question) -> Vec<Value> {
        if question.is_about_no_key() {
            return vec![Value::Null];
        }
        let sent = question.workload.map(|workload| &self.sent[workload.0 as usize]);
        let mut keys: Vec<Value> = sent.into_iter().flat_map(KeyMap::keys).collect();
        for (place, fact) in question.key_facts.iter().enumerate() {
            let before = &question.key_facts[..place];
            let is_new = |key: &Value| {
                !sent.is_some_and(|sent| sent.contains(key))
                    && !before.iter().any(|fact| self.facts[fact.0 as usize].contains(key))
            };
            keys.extend(self.facts[fact.0 as usize].keys().filter(is_new));
        }
        // Sorted runs one behind the other, mostly a single one: the sort only merges them.
        keys.sort();
        keys
    }

    /// The number of keys for which a condition holds.
    pub(super) fn count(&self, question: &Question) -> Result<u64, EvalError> {
        self.keys(question).iter().try_fold(0, |count, key| Ok(count + u64::from(self.holds(question, key)?)))
    }
}
