//! Writes metrics and properties: what is counted at the end, and what must hold along the way.

use sim_core::{Instant, Ratio};

use super::Lower;
use super::key::About;
use super::run::{Named, is_gauge};
use crate::expr::{Arithmetic, Expr, Kind, Literal, Name, Op};
use crate::json::{Key, Span};
use crate::language::View;
use crate::problem::Problem;
use crate::program::{
    Ask, Counter, EdgeCounter, FactRef, KeyExpr, KeyVar, Measure, MetricDef, NodeCounter, NodeRef, PropertyDef, Role,
    RunVar,
};

type Written<T> = Result<T, Problem>;

/// The percentiles by their names, as parts of a thousand.
const PERCENTILES: [(&str, u64); 5] = [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999), ("max", 1000)];

impl<'a> Lower<'a> {
    pub(super) fn judge(&mut self) {
        self.metrics = self.root.members_of("metrics").map(|(key, _)| key.name.as_str()).collect();
        let mut uses = Vec::new();
        for (key, view) in self.root.members_of("metrics") {
            let mut named = Named::default();
            let metric = self.metric(key, view, &mut named);
            let metric = self.told(metric);
            self.program.metrics.extend(metric);
            uses.push(named.metrics);
        }
        self.check_circles(&uses);
        for (key, view) in self.root.members_of("properties") {
            let asks = self.property(view);
            self.add_properties(key, asks);
        }
    }

    fn metric(&mut self, key: &Key, view: View<'a>, named: &mut Named) -> Written<MetricDef> {
        if key.name == "now" {
            return Err(self.configured.error(key.span, "\"now\" is the clock; give the metric another name"));
        }
        let (kind, value) = view.metric()?;
        let measure = self.measure(kind, value, view, named)?;
        let text = |field| view.or(field, "", View::text).map(str::to_owned);
        let during = view.optional("during", View::duration_range)?;
        Ok(MetricDef { name: key.name.clone(), about: text("about")?, unit: text("unit")?, measure, during })
    }

    fn measure(&mut self, kind: &str, value: View<'a>, view: View<'a>, named: &mut Named) -> Written<Measure> {
        let share = |parts| Ratio::new(parts, 1000).unwrap_or_default();
        Ok(match kind {
            "count" => {
                let (condition, _) = self.per_key(value, Arithmetic::Integers, view)?;
                Measure::Count(condition)
            }
            "sum" => self.per_key(value, Arithmetic::Floats, view).map(|(of, only)| Measure::Sum(of, only))?,
            "max" => self.per_key(value, Arithmetic::Floats, view).map(|(of, only)| Measure::Max(of, only))?,
            "mean" => self.per_key(value, Arithmetic::Floats, view).map(|(of, only)| Measure::Mean(of, only))?,
            "p50" | "p99" => {
                let (of, only) = self.per_key(value, Arithmetic::Floats, view)?;
                Measure::Percentile(share(if kind == "p50" { 500 } else { 990 }), of, only)
            }
            "value" => Measure::Value(self.run_formula(value, Arithmetic::Floats, named)?),
            "first" => Measure::First(self.run_formula(value, Arithmetic::Floats, named)?),
            "rate" => Measure::Rate(self.rated(value)?),
            "peak" => Measure::Peak(self.gauge(value)?),
            "gap" => Measure::Gap(self.fact_at(value, &mut About::default())?),
            _ => return Err(view.error(format!("\"{kind}\" is not built yet"))),
        })
    }

    /// What is asked of each key, and of which keys only.
    fn per_key(
        &mut self,
        value: View<'a>,
        arithmetic: Arithmetic,
        view: View<'a>,
    ) -> Written<(KeyExpr, Option<KeyExpr>)> {
        let mut parts = vec![(value, arithmetic)];
        parts.extend(view.field("where").map(|only| (only, Arithmetic::Integers)));
        let mut exprs = self.key_exprs(&parts, About::default())?;
        let only = if exprs.len() > 1 { exprs.pop() } else { None };
        exprs.pop().map(|of| (of, only)).ok_or_else(|| value.error("here should be an expression"))
    }

    fn rated(&mut self, value: View<'a>) -> Written<Expr<RunVar>> {
        let counter = self.counter(value)?;
        let counts = match counter {
            Counter::Node(_, counter) => !is_gauge(counter) && !is_quantile(counter),
            Counter::Edge(_, counter) => !matches!(counter, EdgeCounter::Breaker | EdgeCounter::Amplification),
        };
        if !counts {
            return Err(value.error(
                "this does not add up, so it has no rate; for a gauge there is \"peak\", for others \"value\"",
            ));
        }
        Ok(Expr { span: Span::default(), kind: Kind::Name(RunVar::Counter(counter)) })
    }

    fn gauge(&mut self, value: View<'a>) -> Written<Counter> {
        match self.counter(value)? {
            gauge @ Counter::Node(_, counter) if is_gauge(counter) => Ok(gauge),
            _ => Err(value.error(
                "\"peak\" is about a gauge: busy, waiting, in_flight, lock_waiters, in_doubt; a counter only grows",
            )),
        }
    }

    fn fact_at(&mut self, view: View<'a>, about: &mut About) -> Written<FactRef> {
        self.fact_var(view.text()?, about).map_err(|message| view.error(message))
    }

    /// A metric that is worked out from itself has no value.
    fn check_circles(&mut self, uses: &[Vec<usize>]) {
        let keys: Vec<&Key> = self.root.members_of("metrics").map(|(key, _)| key).collect();
        for (start, key) in keys.iter().enumerate() {
            if let Some(circle) = circle_from(start, uses) {
                let names: Vec<&str> = circle.iter().map(|metric| self.metrics[*metric]).collect();
                self.error(key, format!("\"{}\" is worked out from itself: {}", key.name, names.join(" from ")));
            }
        }
    }

    fn add_properties(&mut self, key: &Key, asks: Written<Vec<(&'static str, Ask)>>) {
        let asks = self.told(asks).unwrap_or_default();
        let several = asks.len() > 1;
        for (part, ask) in asks {
            let name = if several { format!("{} ({part})", key.name) } else { key.name.clone() };
            self.program.properties.push(PropertyDef { name, ask });
        }
    }

    /// What a property asks; several things only of a latency.
    fn property(&mut self, view: View<'a>) -> Written<Vec<(&'static str, Ask)>> {
        let (kind, value) = view.property()?;
        if kind == "latency" {
            return self.latencies(value, view);
        }
        Ok(vec![(kind, self.ask(kind, value, view)?)])
    }

    fn ask(&mut self, kind: &str, value: View<'a>, view: View<'a>) -> Written<Ask> {
        match kind {
            "at_most_once" => self.at_most_once(value),
            "always" => self.condition_on_key(value).map(Ask::Always),
            "never" => self.condition_on_key(value).map(|never| Ask::Always(negated(never))),
            "never_negative" => self.never_negative(value),
            "eventually" => self.eventually(value, view),
            "all_or_nothing" => self.all_or_nothing(value, view),
            "conserved" => self.conserved(value, view),
            "availability" => Ok(Ask::Availability {
                workload: self.workload_named(value)?,
                at_least: view.need("at_least")?.ratio()?,
                during: during(view)?,
            }),
            "at_end" => Ok(Ask::AtEnd(self.run_formula(value, Arithmetic::Floats, &mut Named::default())?)),
            "sometimes" => self.sometimes(value),
            _ => Err(view.error(format!("\"{kind}\" is not built yet"))),
        }
    }

    fn condition_on_key(&mut self, value: View<'a>) -> Written<KeyExpr> {
        self.per_key(value, Arithmetic::Integers, value).map(|(condition, _)| condition)
    }

    fn at_most_once(&mut self, value: View<'a>) -> Written<Ask> {
        let mut about = About::default();
        let fact = self.fact_at(value, &mut about)?;
        let made = |kind| Expr { span: Span::default(), kind };
        let sides = [made(Kind::Name(KeyVar::Fact(fact))), made(Kind::Literal(Literal::Int(1)))];
        let expr = made(Kind::Binary(Op::LessOrEqual, Box::new(sides)));
        let class = self.program.facts[fact.0 as usize].class;
        Ok(Ask::Always(KeyExpr { expr, class, facts: about.facts, maps: Vec::new() }))
    }

    fn never_negative(&mut self, value: View<'a>) -> Written<Ask> {
        let name = value.map()?;
        let map = self.judged_map(name.node.as_deref(), &name.map);
        map.map(Ask::NeverNegative).map_err(|message| value.error(message))
    }

    fn eventually(&mut self, value: View<'a>, view: View<'a>) -> Written<Ask> {
        let within = view.optional("within", View::duration)?;
        let mut parts = vec![(value, Arithmetic::Integers)];
        let after = view.field("after");
        parts.extend(after.map(|after| (after, Arithmetic::Integers)));
        // Without "after" it opens when the key is requested, so that its keys must be those of requests.
        let mut about = About::default();
        about.requests = after.is_none();
        let mut exprs = self.key_exprs(&parts, about)?;
        let after = if exprs.len() > 1 { exprs.pop() } else { None };
        let holds = exprs.pop().ok_or_else(|| value.error("here should be a condition"))?;
        Ok(Ask::Eventually { holds, after, within })
    }

    fn all_or_nothing(&mut self, value: View<'a>, view: View<'a>) -> Written<Ask> {
        let within = view.optional("within", View::duration)?;
        let mut about = About::default();
        for fact in value.items() {
            self.fact_at(fact, &mut about)?;
        }
        self.class_of(&about).map_err(|message| value.error(message))?;
        Ok(Ask::AllOrNothing { facts: about.facts, within })
    }

    fn conserved(&mut self, value: View<'a>, view: View<'a>) -> Written<Ask> {
        let at_commit = view.or("at", "end", View::text)? == "commit";
        let mut named = Named::default();
        let sum = self.run_formula(value, Arithmetic::Integers, &mut named)?;
        if at_commit && (named.counters || !named.metrics.is_empty()) {
            return Err(
                value.error("at each commit only cells, \"total(…)\" and \"count(…)\" are known; leave \"at\" out")
            );
        }
        Ok(Ask::Conserved { sum, facts: named.facts, maps: named.maps, at_commit })
    }

    /// About keys when it names something of a key; else about the run.
    fn sometimes(&mut self, value: View<'a>) -> Written<Ask> {
        let expr = value.expr(Arithmetic::Integers)?;
        if self.is_about_run(&expr) {
            return Ok(Ask::SometimesRun(self.run_formula(value, Arithmetic::Integers, &mut Named::default())?));
        }
        self.condition_on_key(value).map(Ask::Sometimes)
    }

    fn is_about_run(&self, expr: &Expr) -> bool {
        let mut about_key = false;
        let mut about_run = false;
        names(expr, &mut |name| match name {
            Name::Local(_) => about_key = true,
            Name::Plain(word) if self.metrics.contains(&word.as_str()) => about_run |= self.fact_named(word).is_none(),
            Name::Plain(word) => about_key |= word != "now",
            Name::Dotted(first, _) => about_key |= first == "requested" || self.fact_named(first).is_some(),
            Name::Edge { .. } | Name::Count(_) | Name::Total(_) => about_run = true,
            Name::LocalVersion(_) | Name::Map { .. } => {}
        });
        about_run || !about_key
    }

    fn latencies(&mut self, value: View<'a>, view: View<'a>) -> Written<Vec<(&'static str, Ask)>> {
        let workload = self.workload_named(value)?;
        let during = during(view)?;
        let mut asks = Vec::new();
        for (name, parts) in PERCENTILES {
            let Some(at_most) = view.optional(name, View::duration)? else { continue };
            let share = Ratio::new(parts, 1000).unwrap_or_default();
            asks.push((name, Ask::Latency { workload, share, at_most, during }));
        }
        Ok(asks)
    }

    fn workload_named(&self, view: View<'a>) -> Written<NodeRef> {
        let name = view.text()?;
        let is_workload = |node: &NodeRef| matches!(self.program.node(*node).role, Role::Workload(_));
        self.node_named(name).filter(is_workload).ok_or_else(|| {
            let workloads = self.root.members_of("workload").map(|(key, _)| key.name.as_str());
            view.error(format!("no workload \"{name}\"{}", super::known("workloads", name, workloads)))
        })
    }
}

fn during(view: View<'_>) -> Written<Option<(Instant, Instant)>> {
    view.optional("during", View::duration_range)
}

fn negated(condition: KeyExpr) -> KeyExpr {
    let expr = Expr { span: condition.expr.span, kind: Kind::Not(Box::new(condition.expr)) };
    KeyExpr { expr, ..condition }
}

const fn is_quantile(counter: NodeCounter) -> bool {
    matches!(
        counter,
        NodeCounter::Availability
            | NodeCounter::P50
            | NodeCounter::P90
            | NodeCounter::P99
            | NodeCounter::P999
            | NodeCounter::Goodput
            | NodeCounter::Offered
    )
}

/// Shows every name outside `count(…)`.
fn names(expr: &Expr, see: &mut impl FnMut(&Name)) {
    match &expr.kind {
        Kind::Literal(_) => {}
        Kind::Name(name) => see(name),
        Kind::Cell(name, inner) => {
            see(name);
            names(inner, see);
        }
        Kind::Not(inner) | Kind::Negate(inner) => names(inner, see),
        Kind::Binary(_, sides) => sides.iter().for_each(|side| names(side, see)),
    }
}

/// The way from a metric back to itself, if there is one.
fn circle_from(start: usize, uses: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut ways = vec![vec![start]];
    let mut seen = Vec::new();
    while let Some(way) = ways.pop() {
        for next in &uses[*way.last()?] {
            let longer = [way.as_slice(), &[*next]].concat();
            if *next == start {
                return Some(longer);
            }
            if !seen.contains(next) {
                seen.push(*next);
                ways.push(longer);
            }
        }
    }
    None
}
