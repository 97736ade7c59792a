//! The judge of a scenario: whether its properties held, what its metrics are, and what is said about both.
//!
//! It reads what the nodes note and never touches the run. What belongs to one change (the notes between [`Note::Apart`] and
//! [`Note::Together`]) is judged once, when the change is over. What nobody asks about is counted at most.
//!
//! Latency runs from when a request was to begin to its outcome, whatever that is; percentiles are nearest-rank over all of them.

mod bench;
mod finding;
mod plan;
mod question;
mod state;
mod tally;
mod verdict;
mod waste;
pub(crate) mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sim_core::{Duration, Happening, Instant, Judge, Judged, NodeId, Sim, Watch};

pub use self::finding::{Reading, Source, Violation};
use self::plan::Plan;
use self::state::{Broke, State};
#[cfg(test)]
pub(crate) use self::tally::percentile;
pub(crate) use self::tally::{latency_ns, rank};
use self::verdict::{End, Over};
use crate::expr::Kind;
use crate::message::{Msg, Note, Sort, Tone};
use crate::program::{Counter, EdgeCounter, EdgeRef, NodeCounter, NodeRef, Program, Role};

/// The property that no file names: a condition or value that cannot be worked out is a finding.
pub const HAS_A_VALUE: &str = "every expression has a value";

/// Judges a run of a scenario.
#[derive(Clone)]
pub struct ScenarioJudge {
    program: Arc<Program>,
    plan: Arc<Plan>,
    state: State,
    /// What was found at the end of the run, by property.
    endings: Vec<Option<Violation>>,
    /// The metrics at the end, and after how many events that was.
    worked: Option<(u64, Vec<Option<f64>>)>,
}

/// What became of the requests of all workloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Requests {
    /// Begun.
    pub total: u64,
    /// Ended ok.
    pub ok: u64,
    /// Ended in error.
    pub error: u64,
    /// Ended without anybody knowing.
    pub unknown: u64,
    /// Without an outcome at the end of the run; in no rate.
    pub unanswered: u64,
    /// The share that is ok of those with an outcome; none when there are none.
    pub availability: Option<f64>,
}

/// Latency of the requests of all workloads with an outcome, in milliseconds; none without any.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Latency {
    /// The median.
    pub p50: Option<f64>,
    /// 90 % took no longer.
    pub p90: Option<f64>,
    /// 99 % took no longer.
    pub p99: Option<f64>,
    /// 99.9 % took no longer.
    pub p999: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
}

/// A request that has its outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// When it was to begin: what it waited before it was sent counts as latency.
    pub since: Instant,
    /// How long it took from then to its outcome.
    pub took: Duration,
    /// What became of it.
    pub tone: Tone,
}

impl ScenarioJudge {
    /// Judges a run of this program, which has been [placed](Program::place).
    pub fn new(program: Arc<Program>) -> ScenarioJudge {
        let plan = Arc::new(Plan::new(&program));
        let state = State::new(&program, &plan);
        let endings = vec![None; program.properties.len()];
        ScenarioJudge { program, plan, state, endings, worked: None }
    }

    /// Takes what one event noted: its number, instant and node. The name of an `always` property that it broke for the first
    /// time, if it did; the first of several.
    pub fn take(&mut self, number: u64, at: Instant, handler: Option<NodeId>, notes: &[Note]) -> Option<&str> {
        self.begin(number, at);
        for note in notes {
            self.state.note(&self.program, &self.plan, handler, note);
        }
        self.over()
    }

    fn begin(&mut self, number: u64, at: Instant) {
        self.state.event(&self.program, &self.plan, number, at);
    }

    fn over(&mut self) -> Option<&str> {
        self.state.event_over(&self.program, &self.plan);
        match self.state.broke? {
            Broke::Property(property) => Some(&self.program.properties[property].name),
            Broke::Expression => Some(HAS_A_VALUE),
        }
    }

    /// The first violation of each property so far, in the order of the file; those that are judged at the end of the run, after
    /// [`finish`](Judge::finish).
    pub fn violations(&self) -> impl Iterator<Item = &Violation> {
        self.plan.properties.iter().zip(&self.state.standings).zip(&self.endings).filter_map(
            |((asked, standing), ending)| {
                let found = standing.found.as_deref().filter(|_| asked.kind != sim_core::PropertyKind::Sometimes);
                found.map(|(violation, _)| violation).or(ending.as_ref())
            },
        )
    }

    /// The metrics in the order of the file; none when one has no value: nothing to divide by, no keys, never true.
    ///
    /// At the end of a run the end is that of the run; earlier it is now.
    pub fn metrics(&self, sim: &Sim<Msg>) -> Vec<(String, Option<f64>)> {
        match &self.worked {
            Some((events, worked)) if *events == self.state.event => self.named(worked),
            _ => self.named(&self.work_out(self.end(sim)).0),
        }
    }

    /// Whether a property, by its place in the file, has been broken so far. What only the end of the run tells has not.
    pub fn has_broken(&self, property: usize) -> bool {
        let is_sometimes = |asked: &plan::Asked| asked.kind == sim_core::PropertyKind::Sometimes;
        self.state.standings.get(property).is_some_and(|standing| standing.found.is_some())
            && !self.plan.properties.get(property).is_none_or(is_sometimes)
    }

    /// What stands on the left side of the comparison that a `first` metric waits for, by its place in the file, at this
    /// instant; none when it has no value, or the metric is none of those.
    pub fn compared(&self, metric: usize) -> Option<f64> {
        let plan::How::First(live) = self.plan.metrics.get(metric)?.how else { return None };
        let Kind::Binary(_, sides) = &self.plan.lives[live].formula.expr.kind else { return None };
        self.state.bench(&self.program, &self.plan).floats(&sides[0], None).ok()?.as_f64()
    }

    fn named(&self, worked: &[Option<f64>]) -> Vec<(String, Option<f64>)> {
        self.program.metrics.iter().map(|metric| metric.name.clone()).zip(worked.iter().copied()).collect()
    }

    /// What became of the requests so far.
    pub fn requests(&self) -> Requests {
        let mut sum = Requests::default();
        for node in self.workloads() {
            sum.total += self.node_counter(node, NodeCounter::Requests);
            sum.ok += self.node_counter(node, NodeCounter::Ok);
            sum.error += self.node_counter(node, NodeCounter::Error);
            sum.unknown += self.node_counter(node, NodeCounter::Unknown);
        }
        let answered = sum.ok + sum.error + sum.unknown;
        sum.unanswered = sum.total.saturating_sub(answered);
        sum.availability = (answered > 0).then(|| sum.ok as f64 / answered as f64);
        sum
    }

    /// What became of the requests of each workload and of what was sent on each edge so far, by sort: `("shopper", [("ok", 9890), …])`.
    ///
    /// The sorts of one add up to its outcomes. An edge has those that an answer can be: nothing is sent where a breaker is open, and what is
    /// used up is a step.
    pub fn outcomes(&self) -> Vec<(String, Vec<(&'static str, u64)>)> {
        let of_node = |node: NodeRef| {
            use NodeCounter::{Exhausted, Failed, Ok, Open, Rejected, Shed, Unsure};
            let counters = [Ok, Rejected, Failed, Unsure, Shed, Open, Exhausted];
            let counts = Sort::ALL.iter().zip(counters);
            let counts = counts.map(|(sort, counter)| (sort.word(), self.node_counter(node, counter))).collect();
            (self.program.node(node).name.clone(), counts)
        };
        let of_edge = |edge: EdgeRef| {
            use EdgeCounter::{Failed, Ok, Rejected, Shed, Unknown};
            let counters = [
                (Sort::Ok, Ok),
                (Sort::Rejected, Rejected),
                (Sort::Failed, Failed),
                (Sort::Unsure, Unknown),
                (Sort::Shed, Shed),
            ];
            let place = |counter| tally::edge_place(self.program.nodes.len(), edge, counter);
            let count = |counter| self.state.tally.counter(place(counter), None);
            (words::edge(&self.program, edge), counters.map(|(sort, counter)| (sort.word(), count(counter))).to_vec())
        };
        let edges = (0..self.program.edges.len()).map(|edge| EdgeRef(edge as u16));
        self.workloads().map(of_node).chain(edges.map(of_edge)).collect()
    }

    /// Latency of the requests so far.
    pub fn latency(&self) -> Latency {
        let mut all: Vec<u64> =
            self.workloads().flat_map(|workload| self.state.tally.latencies(workload, None)).collect();
        // From the longest down: what is longer than one percentile is in nobody's way when the next is looked for.
        let (count, mut left) = (all.len(), all.len());
        let mut at = |thousandths| {
            let rank = rank(bench::thousandths(thousandths), count);
            let among = std::mem::replace(&mut left, rank.min(count));
            let place = left.checked_sub(1)?;
            Some(*all[..among].select_nth_unstable(place).1 as f64 / 1e6)
        };
        let (max, p999, p99, p90, p50) = (at(1000), at(999), at(990), at(900), at(500));
        Latency { p50, p90, p99, p999, max }
    }

    /// The requests with an outcome: workload by workload, those of one in the order of their outcomes.
    pub fn answered(&self) -> impl Iterator<Item = Answered> {
        let samples = self.workloads().flat_map(|workload| &self.state.tally.samples[workload.0 as usize]);
        samples.map(|sample| Answered {
            since: sample.since,
            took: Duration::from_nanos(sample.nanos),
            tone: sample.tone,
        })
    }

    /// What was counted of each node and of each edge: `("gateway.calls", 10751)`, `("shop->gateway.late", 697)`.
    pub fn counters(&self) -> Vec<(String, u64)> {
        let count = |counter| match counter {
            Counter::Node(node, counter) => self.node_counter(node, counter),
            Counter::Edge(edge, counter) => {
                self.state.tally.counter(tally::edge_place(self.program.nodes.len(), edge, counter), None)
            }
        };
        shown_counters(&self.program).map(|counter| (words::counter(&self.program, counter), count(counter))).collect()
    }

    /// How far a run has come.
    fn end(&self, sim: &Sim<Msg>) -> End {
        let now = sim.now();
        if !self.plan.needs_end {
            return End { at: now, over: Over::NothingLeft };
        }
        let cut = End { at: now, over: Over::Cut };
        if sim.panic().is_some() {
            return cut;
        }
        // Mostly nothing is left, which one can see.
        if sim.is_over() {
            return End { at: now, over: Over::NothingLeft };
        }
        // Stale timers are pending too, so a copy has to try.
        match (sim.clone().step(), self.program.until) {
            (None, _) => End { at: now, over: Over::NothingLeft },
            (Some(next), Some(until)) if next.at > until => End { at: until.max(now), over: Over::Until },
            (Some(_), _) => cut,
        }
    }

    fn nodes(&self) -> impl Iterator<Item = NodeRef> + use<> {
        (0..self.program.nodes.len()).map(|node| NodeRef(node as u16))
    }

    fn workloads(&self) -> impl Iterator<Item = NodeRef> {
        self.nodes().filter(|node| matches!(self.program.node(*node).role, Role::Workload(_)))
    }

    fn node_counter(&self, node: NodeRef, counter: NodeCounter) -> u64 {
        let count = |counter| tally::node_place(node, counter).map_or(0, |place| self.state.tally.counter(place, None));
        match counter {
            NodeCounter::Unanswered => {
                let answered = [NodeCounter::Ok, NodeCounter::Error, NodeCounter::Unknown].map(count);
                count(NodeCounter::Requests).saturating_sub(answered.iter().sum())
            }
            counter => count(counter),
        }
    }

    /// Sees which nodes are up: the node that was at work, and after a fault all of them.
    #[inline]
    fn look(&mut self, what: Happening, sim: &Sim<Msg>) -> Option<NodeId> {
        let (program, plan) = (&*self.program, &*self.plan);
        let node = match what {
            Happening::FaultBegan { .. } | Happening::FaultEnded { .. } => {
                for node in sim.struck() {
                    self.state.is_up(program, plan, *node, sim.is_up(*node));
                }
                return None;
            }
            Happening::Undelivered { .. } => return None,
            Happening::Started { node, life } => {
                self.state.started(program, plan, node, life);
                node
            }
            Happening::Delivered { to, .. } | Happening::Refused { to, .. } | Happening::Reset { to, .. } => to,
            Happening::Fired { node, .. }
            | Happening::Synced { node, .. }
            | Happening::Stopping { node }
            | Happening::Killed { node }
            | Happening::Lapsed { node, watch: Watch::Readiness } => node,
            Happening::Lapsed { node, watch: Watch::Liveness } => {
                self.state.killed(program, plan, node);
                node
            }
        };
        Some(node)
    }
}

/// The names of the counters of a scenario, in the order of [`ScenarioJudge::counters`].
pub(crate) fn counter_names(program: &Program) -> impl Iterator<Item = String> {
    shown_counters(program).map(|counter| words::counter(program, counter))
}

/// What is told of each node and of each edge.
fn shown_counters(program: &Program) -> impl Iterator<Item = Counter> {
    use EdgeCounter::{Calls, Coalesced, Error, Hedges, Late, Limited, Ok, Open, Retries, Unknown};
    let nodes = (0..program.nodes.len()).map(|node| NodeRef(node as u16));
    let of_nodes = nodes
        .flat_map(|node| words::shown_counters(program, node).iter().map(move |counter| Counter::Node(node, *counter)));
    let edges = (0..program.edges.len()).map(|edge| EdgeRef(edge as u16));
    // What is refused before it is sent is told where something may refuse.
    let guarded = program.steps.iter().any(|step| step.clauses.guards.is_some());
    let refused = if guarded { &[Open, Limited][..] } else { &[] };
    let hedged = program.steps.iter().any(|step| step.clauses.hedge.is_some());
    let coalesced = program.steps.iter().any(|step| step.clauses.coalesce.is_some());
    let shared = hedged.then_some(Hedges).into_iter().chain(coalesced.then_some(Coalesced));
    let of_edges = edges.flat_map(move |edge| {
        let counters = [Calls, Retries, Ok, Error, Unknown, Late].into_iter().chain(refused.iter().copied());
        let counters = counters.chain(shared.clone());
        counters.map(move |counter| Counter::Edge(edge, counter))
    });
    of_nodes.chain(of_edges)
}

impl Judge<Msg> for ScenarioJudge {
    fn after(&mut self, step: &sim_core::Step, sim: &Sim<Msg>) -> Option<&str> {
        self.begin(step.number, step.at);
        let handler = self.look(step.what, sim);
        for note in sim.notes() {
            self.state.note(&self.program, &self.plan, handler, note);
        }
        // A fault may strike at a step: what the node noted before that still counts.
        if let Some(node) = handler {
            self.state.is_up(&self.program, &self.plan, node, sim.is_up(node));
        }
        self.over()
    }

    fn finish(&mut self, sim: &Sim<Msg>) -> Vec<Judged> {
        self.close(self.end(sim), sim.last_fault_end())
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.state.bytes()
    }
}
