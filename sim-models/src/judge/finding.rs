//! What broke a property: the event, the key, and every value that was read, with the events that made them.

use std::fmt;

use sim_core::{Class, Instant};

use super::bench::Bench;
use super::plan::{Formula, Term, What};
use super::question::{Knowledge, Known, Question};
use super::words;
use crate::expr::{Expr, Kind, Number, Op};
use crate::program::{FactRef, KeyVar, MapRef, Program};
use crate::value::Value;

/// The first violation of a property, with what an explanation begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The property's name.
    pub property: String,
    /// What the key is a number of, if it is one.
    pub class: Option<Class>,
    /// The key it broke for; none when it is about the whole run.
    pub key: Option<Value>,
    /// The event that broke it; of what did not happen in time, the event that began the wait; of what is asked at the end, the
    /// last event.
    pub event: u64,
    /// When it broke: the deadline, of what did not happen in time.
    pub at: Instant,
    /// The facts, cells and counters that were read.
    pub read: Vec<Reading>,
}

/// A value that a condition read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it is called: `charged`, `orders.status[17]`.
    pub name: String,
    /// Where it comes from.
    pub source: Source,
    /// What it was then; instants in nanoseconds.
    pub value: Number,
    /// The first and the last event that made it so, as far as known; in order, each once.
    pub events: Vec<u64>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A fact about the key.
    Fact(FactRef),
    /// When that fact was recorded; none: when the key was requested.
    Instant(Option<FactRef>),
    /// A cell.
    Cell(MapRef, Value),
    /// The key's requests.
    Requests,
    /// A fact over all keys.
    Total(FactRef),
    /// A counter, a gauge, a metric, the time.
    Run,
}

impl Violation {
    /// The event that decided it: the last that made a value what it was when it was read, else its own.
    pub fn decisive(&self) -> u64 {
        self.read.iter().flat_map(|read| &read.events).copied().max().unwrap_or(self.event)
    }
}

impl fmt::Display for Reading {
    /// Writes its name and what it was: `charged 2`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name, self.worth())
    }
}

impl Reading {
    /// What it was, in words.
    fn worth(&self) -> String {
        match (&self.value, &self.source) {
            (Number::Null, _) => "null".to_owned(),
            (Number::Float(nanos), Source::Instant(_)) => words::instant(Instant::from_nanos(*nanos as u64)),
            (Number::Float(number), _) => words::number(*number),
            (Number::Text(text), _) => words::value(&Value::Text(text.clone())),
        }
    }
}

fn distinct(events: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut events: Vec<u64> = events.into_iter().collect();
    events.sort_unstable();
    events.dedup();
    events
}

fn push(readings: &mut Vec<Reading>, reading: Reading) {
    if readings.iter().all(|known| known.name != reading.name) {
        readings.push(reading);
    }
}

/// What a question reads for a key.
pub(super) fn read_key(program: &Program, knowledge: &Knowledge, question: &Question, key: &Value) -> Vec<Reading> {
    let mut readings = Vec::new();
    read_known(program, knowledge, question, key, &question.expr, &mut readings);
    readings
}

fn read_known(
    program: &Program,
    knowledge: &Knowledge,
    question: &Question,
    key: &Value,
    expr: &Expr<Known>,
    readings: &mut Vec<Reading>,
) {
    let mut inner = |expr| read_known(program, knowledge, question, key, expr, readings);
    match &expr.kind {
        Kind::Literal(_) => {}
        Kind::Name(known) => {
            let value = Number::from(&knowledge.value(question, known.var, None, key));
            let (source, events) = match known.var {
                KeyVar::Key | KeyVar::Map(_) => return,
                KeyVar::Fact(fact) => (Source::Fact(fact), fact_events(knowledge, fact, key)),
                KeyVar::First(fact) | KeyVar::Last(fact) => {
                    (Source::Instant(Some(fact)), fact_events(knowledge, fact, key))
                }
                KeyVar::RequestedAt => (Source::Instant(None), Vec::new()),
                KeyVar::Requested | KeyVar::Ok | KeyVar::Error | KeyVar::Unknown => (Source::Requests, Vec::new()),
            };
            push(readings, Reading { name: known.to_string(), source, value, events });
        }
        Kind::Cell(known, index) => {
            inner(index);
            let index = index.eval(&mut |known, cell| knowledge.value(question, known.var, cell, key));
            if let (KeyVar::Map(map), Ok(index)) = (known.var, index) {
                push(readings, read_cell(program, knowledge, map, index));
            }
        }
        Kind::Not(side) | Kind::Negate(side) => inner(side),
        Kind::Binary(_, sides) => sides.iter().for_each(inner),
    }
}

/// What a cell holds.
pub(super) fn read_cell(program: &Program, knowledge: &Knowledge, map: MapRef, key: Value) -> Reading {
    let cell = knowledge.cells[map.0 as usize].get(&key);
    Reading {
        name: format!("{}[{}]", words::map(program, map), words::value(&key)),
        value: Number::from(knowledge.cell(map, &key)),
        events: cell.and_then(|cell| cell.event).map(|event| u64::from(event.get())).into_iter().collect(),
        source: Source::Cell(map, key),
    }
}

fn fact_events(knowledge: &Knowledge, fact: FactRef, key: &Value) -> Vec<u64> {
    let stood = knowledge.facts[fact.0 as usize].get(key);
    distinct(stood.iter().flat_map(|stood| [stood.first_event, stood.last_event].map(|event| u64::from(event.get()))))
}

/// What a formula about the run reads.
pub(super) fn read_run(bench: &Bench<'_>, formula: &Formula) -> Vec<Reading> {
    let mut readings = Vec::new();
    read_terms(bench, formula, &formula.expr, &mut readings);
    readings
}

fn read_terms(bench: &Bench<'_>, formula: &Formula, expr: &Expr<Term>, readings: &mut Vec<Reading>) {
    let mut inner = |expr| read_terms(bench, formula, expr, readings);
    match &expr.kind {
        Kind::Literal(_) => {}
        Kind::Name(term) => {
            let source = match term.what {
                What::Total(fact) => Source::Total(fact),
                _ => Source::Run,
            };
            let value = bench.worth(term.what, None, formula.window).unwrap_or_default();
            let events = counted_events(bench, term.what, formula.window);
            push(readings, Reading { name: term.to_string(), source, value, events });
        }
        Kind::Cell(term, index) => {
            inner(index);
            if let (What::Cell(map), Ok(index)) = (term.what, bench.key(index, formula.window)) {
                push(readings, read_cell(bench.program, bench.knowledge, map, index));
            }
        }
        Kind::Not(side) | Kind::Negate(side) => inner(side),
        Kind::Binary(_, sides) => sides.iter().for_each(inner),
    }
}

/// Of a number of keys, the events that made the first of them count.
fn counted_events(bench: &Bench<'_>, what: What, window: Option<usize>) -> Vec<u64> {
    let Some((knowledge, question, key)) = bench.first_counted(what, window) else { return Vec::new() };
    distinct(read_key(bench.program, knowledge, question, &key).into_iter().flat_map(|reading| reading.events))
}

/// Whether an expression compares one value with a constant, so that the value says it all.
fn compares_one_value<N>(expr: &Expr<N>) -> bool {
    let Kind::Binary(op, sides) = &expr.kind else { return false };
    let compares =
        matches!(op, Op::Equal | Op::NotEqual | Op::Less | Op::LessOrEqual | Op::Greater | Op::GreaterOrEqual);
    let is_value = matches!(sides[0].kind, Kind::Name(_) | Kind::Cell(..));
    compares && is_value && matches!(sides[1].kind, Kind::Literal(_))
}

/// Says what was read instead of what must hold: `charged is 2`, `charged > 0 && cancelled > 0 (charged 1, cancelled 1)`.
pub(super) fn broken<N: fmt::Display>(expr: &Expr<N>, read: &[Reading]) -> String {
    match (&expr.kind, read) {
        (Kind::Not(inner), _) => stands(inner, read),
        (_, [one]) if compares_one_value(expr) => format!("{} is {}", one.name, one.worth()),
        _ => format!("does not hold: {expr}{}", in_parentheses(read)),
    }
}

/// Says that something holds, and why.
pub(super) fn stands<N: fmt::Display>(expr: &Expr<N>, read: &[Reading]) -> String {
    match read {
        [one] if compares_one_value(expr) => format!("{} is {}", one.name, one.worth()),
        _ => format!("{expr}{}", in_parentheses(read)),
    }
}

/// What was read, behind a sentence: ` (charged 1, cancelled 1)`.
pub(super) fn in_parentheses(read: &[Reading]) -> String {
    if read.is_empty() {
        return String::new();
    }
    let read: Vec<String> = read.iter().map(Reading::to_string).collect();
    format!(" ({})", read.join(", "))
}

/// How a fact stands for a key.
pub(super) fn read_fact(program: &Program, knowledge: &Knowledge, fact: FactRef, key: &Value) -> Reading {
    let stood = knowledge.facts[fact.0 as usize].get(key);
    Reading {
        name: program.facts[fact.0 as usize].name.clone(),
        source: Source::Fact(fact),
        value: Number::Float(stood.map_or(0, |stood| stood.count) as f64),
        events: fact_events(knowledge, fact, key),
    }
}
