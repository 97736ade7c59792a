//! What a broken property is about: the facts and cells that it reads, also by way of the metrics it names.

use std::collections::BTreeSet;

use crate::expr::{Expr, Kind};
use crate::judge::{Source, Violation};
use crate::program::{FactRef, KeyExpr, MapRef, Measure, Program, RunVar};

/// Facts and maps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subjects {
    facts: BTreeSet<FactRef>,
    maps: BTreeSet<MapRef>,
}

impl Subjects {
    /// Those of what was read when a property broke.
    pub(super) fn of(violation: Option<&Violation>, program: &Program) -> Subjects {
        let mut subjects = Subjects::default();
        for reading in violation.iter().flat_map(|violation| &violation.read) {
            match &reading.source {
                Source::Fact(fact) | Source::Instant(Some(fact)) | Source::Total(fact) => {
                    subjects.facts.insert(*fact);
                }
                Source::Cell(map, _) => _ = subjects.maps.insert(*map),
                Source::Run => subjects.metric(program, |name| name == reading.name),
                Source::Instant(None) | Source::Requests => {}
            }
        }
        subjects
    }

    pub(super) fn has_fact(&self, name: &str, program: &Program) -> bool {
        self.facts.iter().any(|fact| program.facts[fact.0 as usize].name == name)
    }

    /// Whether this map, `orders.status`, is among them.
    pub(super) fn has_map(&self, name: &str, program: &Program) -> bool {
        let named = |of: &MapRef| {
            let def = program.map(*of);
            format!("{}.{}", program.node(def.owner).name, def.name) == name
        };
        self.maps.iter().any(named)
    }

    fn metric(&mut self, program: &Program, is_it: impl Fn(&str) -> bool) {
        if let Some(def) = program.metrics.iter().find(|def| is_it(&def.name)) {
            self.measure(program, &def.measure);
        }
    }

    fn measure(&mut self, program: &Program, measure: &Measure) {
        match measure {
            Measure::Count(keys) => self.keys(keys),
            Measure::Sum(keys, filter)
            | Measure::Max(keys, filter)
            | Measure::Min(keys, filter)
            | Measure::Mean(keys, filter)
            | Measure::Percentile(_, keys, filter) => {
                self.keys(keys);
                filter.iter().for_each(|filter| self.keys(filter));
            }
            Measure::Value(formula) | Measure::Rate(formula) | Measure::First(formula) => {
                self.formula(program, formula);
            }
            Measure::Gap(fact) => _ = self.facts.insert(*fact),
            Measure::Peak(_) => {}
        }
    }

    fn keys(&mut self, keys: &KeyExpr) {
        self.facts.extend(&keys.facts);
        self.maps.extend(&keys.maps);
    }

    fn formula(&mut self, program: &Program, formula: &Expr<RunVar>) {
        match &formula.kind {
            Kind::Literal(_) => {}
            Kind::Name(name) => self.name(program, name),
            Kind::Cell(map, key) => {
                self.name(program, map);
                self.formula(program, key);
            }
            Kind::Not(inner) | Kind::Negate(inner) => self.formula(program, inner),
            Kind::Binary(_, sides) => sides.iter().for_each(|side| self.formula(program, side)),
        }
    }

    fn name(&mut self, program: &Program, name: &RunVar) {
        match name {
            // Always one that is worked out before, so that this comes to an end.
            RunVar::Metric(place) => self.measure(program, &program.metrics[*place].measure),
            RunVar::Count(keys) => self.keys(keys),
            RunVar::Total(fact) => _ = self.facts.insert(*fact),
            RunVar::Map(map) => _ = self.maps.insert(*map),
            RunVar::Counter(_) | RunVar::Now => {}
        }
    }
}
