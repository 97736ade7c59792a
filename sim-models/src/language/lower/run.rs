//! Resolves formulas about the run: counters, gauges, metrics, cells, and counts over keys.

use super::key::{About, note};
use super::{Lower, joined, known, place};
use crate::expr::{Arithmetic, Expr, Kind, Literal, Name, Op};
use crate::json::Span;
use crate::language::View;
use crate::problem::Problem;
use crate::program::{Counter, EdgeCounter, EdgeRef, FactRef, KeyExpr, MapRef, NodeCounter, NodeRef, Role, RunVar};

/// What a formula about the run names.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    pub facts: Vec<FactRef>,
    pub maps: Vec<MapRef>,
    pub metrics: Vec<usize>,
    pub counters: bool,
}

/// A counter as the file names it; none: the language has it, this program does not yet.
type Words<T> = &'static [(&'static str, Option<T>)];

const OF_WORKLOAD: Words<NodeCounter> = &[
    ("requests", Some(NodeCounter::Requests)),
    ("ok", Some(NodeCounter::Ok)),
    ("error", Some(NodeCounter::Error)),
    ("unknown", Some(NodeCounter::Unknown)),
    ("rejected", Some(NodeCounter::Rejected)),
    ("failed", Some(NodeCounter::Failed)),
    ("unsure", Some(NodeCounter::Unsure)),
    ("shed", Some(NodeCounter::Shed)),
    ("open", Some(NodeCounter::Open)),
    ("exhausted", Some(NodeCounter::Exhausted)),
    ("unanswered", Some(NodeCounter::Unanswered)),
    ("availability", Some(NodeCounter::Availability)),
    ("p50", Some(NodeCounter::P50)),
    ("p90", Some(NodeCounter::P90)),
    ("p99", Some(NodeCounter::P99)),
    ("p999", Some(NodeCounter::P999)),
    ("limited", Some(NodeCounter::Limited)),
    ("offered", Some(NodeCounter::Offered)),
    ("goodput", Some(NodeCounter::Goodput)),
];
const OF_SERVICE: Words<NodeCounter> = &[
    ("calls", Some(NodeCounter::Calls)),
    ("ok", Some(NodeCounter::Ok)),
    ("error", Some(NodeCounter::Error)),
    ("overloaded", Some(NodeCounter::Overloaded)),
    ("refused", Some(NodeCounter::Refused)),
    ("dropped", Some(NodeCounter::Dropped)),
    ("wasted", Some(NodeCounter::Wasted)),
    ("wasted_time", Some(NodeCounter::WastedTime)),
    ("open", Some(NodeCounter::Open)),
    ("limited", Some(NodeCounter::Limited)),
    ("crashes", Some(NodeCounter::Crashes)),
    ("killed", Some(NodeCounter::Killed)),
    ("sagas_stuck", Some(NodeCounter::SagasStuck)),
    ("forced", Some(NodeCounter::Forced)),
    ("logged", Some(NodeCounter::Logged)),
    ("mixed", Some(NodeCounter::Mixed)),
    ("hazards", Some(NodeCounter::Hazards)),
    ("busy", Some(NodeCounter::Busy)),
    ("waiting", Some(NodeCounter::Waiting)),
    ("in_flight", Some(NodeCounter::InFlight)),
];
const OF_STORE: Words<NodeCounter> = &[
    ("calls", Some(NodeCounter::Calls)),
    ("unmet", Some(NodeCounter::Unmet)),
    ("rollbacks", Some(NodeCounter::Rollbacks)),
    ("deadlocks", Some(NodeCounter::Deadlocks)),
    ("wasted_time", Some(NodeCounter::WastedTime)),
    ("hits", Some(NodeCounter::Hits)),
    ("misses", Some(NodeCounter::Misses)),
    ("expired", Some(NodeCounter::Expired)),
    ("evicted", Some(NodeCounter::Evicted)),
    ("forced", Some(NodeCounter::Forced)),
    ("logged", Some(NodeCounter::Logged)),
    ("heuristics", Some(NodeCounter::Heuristics)),
    ("conflicts", Some(NodeCounter::Conflicts)),
    ("lost_writes", None),
    ("lock_waiters", Some(NodeCounter::LockWaiters)),
    ("in_doubt", Some(NodeCounter::InDoubt)),
    ("in_doubt_time", Some(NodeCounter::InDoubtTime)),
];
const OF_QUEUE: Words<NodeCounter> = &[
    ("published", Some(NodeCounter::Published)),
    ("delivered", Some(NodeCounter::Delivered)),
    ("redelivered", Some(NodeCounter::Redelivered)),
    ("acked", Some(NodeCounter::Acked)),
    ("dead", Some(NodeCounter::Dead)),
    ("expired", Some(NodeCounter::Expired)),
    ("waiting", Some(NodeCounter::Waiting)),
    ("in_flight", Some(NodeCounter::InFlight)),
    ("oldest", Some(NodeCounter::Oldest)),
];
const OF_EDGE: Words<EdgeCounter> = &[
    ("calls", Some(EdgeCounter::Calls)),
    ("retries", Some(EdgeCounter::Retries)),
    ("ok", Some(EdgeCounter::Ok)),
    ("error", Some(EdgeCounter::Error)),
    ("unknown", Some(EdgeCounter::Unknown)),
    ("rejected", Some(EdgeCounter::Rejected)),
    ("failed", Some(EdgeCounter::Failed)),
    ("shed", Some(EdgeCounter::Shed)),
    ("late", Some(EdgeCounter::Late)),
    ("open", Some(EdgeCounter::Open)),
    ("limited", Some(EdgeCounter::Limited)),
    ("breaker", Some(EdgeCounter::Breaker)),
    ("ejected", Some(EdgeCounter::Ejected)),
    ("hedges", Some(EdgeCounter::Hedges)),
    ("coalesced", Some(EdgeCounter::Coalesced)),
    ("exhausted", Some(EdgeCounter::Exhausted)),
    ("amplification", Some(EdgeCounter::Amplification)),
];

pub(super) const fn is_gauge(counter: NodeCounter) -> bool {
    matches!(
        counter,
        NodeCounter::Busy
            | NodeCounter::Waiting
            | NodeCounter::InFlight
            | NodeCounter::LockWaiters
            | NodeCounter::InDoubt
            | NodeCounter::Oldest
    )
}

/// Why a name has no meaning, and perhaps where in its text.
type Refused = (Span, String);

impl<'a> Lower<'a> {
    pub(super) fn run_formula(
        &mut self,
        view: View<'a>,
        arithmetic: Arithmetic,
        named: &mut Named,
    ) -> Result<Expr<RunVar>, Problem> {
        let expr = view.expr(arithmetic)?;
        expr.resolve(&mut |name, span| self.run_var(name, span, named))
            .map_err(|(span, message)| view.error_at(span, message))
    }

    /// One counter or gauge, alone.
    pub(super) fn counter(&mut self, view: View<'a>) -> Result<Counter, Problem> {
        let found = match view.counter()? {
            Name::Dotted(node, word) => self.node_counter(&node, &word),
            Name::Edge { from, to, counter } => self.edge_counter(&from, &to, &counter),
            name => Err(format!("\"{name}\" is no counter")),
        };
        found.map_err(|message| view.error(message))
    }

    fn run_var(&mut self, name: &Name, span: Span, named: &mut Named) -> Result<RunVar, Refused> {
        let found = match name {
            Name::Plain(word) => self.metric_or_now(word, named),
            Name::Dotted(node, word) => self.node_counter(node, word).map(RunVar::Counter),
            Name::Edge { from, to, counter } => self.edge_counter(from, to, counter).map(RunVar::Counter),
            Name::Map { node, map } => self.judged_map(node.as_deref(), map).map(|map| {
                note(&mut named.maps, map);
                RunVar::Map(map)
            }),
            Name::Total(fact) => self.fact_named(fact).ok_or_else(|| self.no_fact(fact)).map(|fact| {
                note(&mut named.facts, fact);
                RunVar::Total(fact)
            }),
            Name::Count(condition) => return self.count(condition, named),
            Name::Local(name) => {
                Err(format!("${name} is one key, and this is about all; write \"count(…)\" around a condition"))
            }
            Name::LocalVersion(_) => Err(format!("\"{name}\" is known only to steps")),
        };
        named.counters |= matches!(found, Ok(RunVar::Counter(_)));
        found.map_err(|message| (span, message))
    }

    fn metric_or_now(&self, word: &str, named: &mut Named) -> Result<RunVar, String> {
        if let Some(metric) = self.metrics.iter().position(|metric| *metric == word) {
            note(&mut named.metrics, metric);
            return Ok(RunVar::Metric(metric));
        }
        if word == "now" {
            return Ok(RunVar::Now);
        }
        if self.fact_named(word).is_some() {
            return Err(format!("\"{word}\" is a fact about one key; its count over all keys is \"total({word})\""));
        }
        Err(format!("no metric \"{word}\"{}", known("metrics", word, self.metrics.iter().copied())))
    }

    /// `count(…)`: its condition is about keys and decides, whatever stands around it.
    fn count(&mut self, condition: &Expr, named: &mut Named) -> Result<RunVar, Refused> {
        if let Some(span) = floating(condition) {
            return Err((
                span,
                "inside \"count(…)\" whole numbers decide; there is no \"/\" and no decimal".to_owned(),
            ));
        }
        let mut about = About::default();
        let expr = self.count_condition(condition, &mut about)?;
        let class = self.class_of(&about).map_err(|message| (condition.span, message))?;
        let About { facts, maps, .. } = about;
        facts.iter().for_each(|fact| note(&mut named.facts, *fact));
        maps.iter().for_each(|map| note(&mut named.maps, *map));
        Ok(RunVar::Count(KeyExpr { expr, class, facts, maps }))
    }

    pub(super) fn node_counter(&mut self, node_name: &str, word: &str) -> Result<Counter, String> {
        let node = self.node_named(node_name).ok_or_else(|| self.no_node(node_name))?;
        let words = match self.program.node(node).role {
            Role::Workload(_) => OF_WORKLOAD,
            Role::Service(_) => OF_SERVICE,
            Role::Store(_) => OF_STORE,
            Role::Queue(_) => OF_QUEUE,
        };
        let counter = find(words, node_name, word)?;
        self.program.nodes[node.0 as usize].gauged |= is_gauge(counter);
        self.program.asked.wasted_time |= counter == NodeCounter::WastedTime;
        Ok(Counter::Node(node, counter))
    }

    fn edge_counter(&mut self, from: &str, to: &str, word: &str) -> Result<Counter, String> {
        let node = |name: &str| self.node_named(name).ok_or_else(|| self.no_node(name));
        let pair = (node(from)?, node(to)?);
        let Some(edge) = self.program.edges.iter().position(|edge| *edge == pair) else {
            return Err(format!("{from} does not call {to}; calls are {}", self.edge_names()));
        };
        let counter = find(OF_EDGE, &format!("{from}->{to}"), word)?;
        self.program.asked.exhausted |= counter == EdgeCounter::Exhausted;
        self.program.asked.amplification |= counter == EdgeCounter::Amplification;
        Ok(Counter::Edge(EdgeRef(place(edge)), counter))
    }

    fn edge_names(&self) -> String {
        let name = |node: &NodeRef| self.node_name(*node);
        let edges: Vec<String> =
            self.program.edges.iter().map(|(from, to)| format!("{}->{}", name(from), name(to))).collect();
        joined(edges.iter().map(String::as_str))
    }
}

fn find<T: Copy>(words: Words<T>, of: &str, word: &str) -> Result<T, String> {
    match words.iter().find(|(known, _)| *known == word) {
        Some((_, Some(counter))) => Ok(*counter),
        Some((_, None)) => Err(format!("\"{of}.{word}\" is not built yet")),
        None => {
            let names = joined(words.iter().filter(|(_, counter)| counter.is_some()).map(|(name, _)| *name));
            Err(format!("no counter \"{of}.{word}\"; {of} has {names}"))
        }
    }
}

/// Where a division or a decimal stands, if there is one.
fn floating(expr: &Expr) -> Option<Span> {
    match &expr.kind {
        Kind::Literal(Literal::Decimal(_)) | Kind::Binary(Op::Divide, _) => Some(expr.span),
        Kind::Literal(_) | Kind::Name(_) => None,
        Kind::Cell(_, inner) | Kind::Not(inner) | Kind::Negate(inner) => floating(inner),
        Kind::Binary(_, sides) => sides.iter().find_map(floating),
    }
}
