//! What is asked, and when: worked out once from the program, so that a note that nobody asks about costs next to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sim_core::{Instant, PropertyKind, Ratio};

use super::question::{Question, Reach, needs_floats};
use super::tally::{Window, edge_place, node_place, places};
use super::words;
use crate::expr::{Expr, Kind};
use crate::program::{
    Ask, Counter, EdgeCounter, EdgeRef, FactRef, KeyExpr, MapRef, Measure, NodeCounter, NodeRef, Program, RunVar,
};
use crate::value::Value;

/// Everything that is asked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) targets: Vec<Target>,
    pub(super) triggers: Triggers,
    pub(super) properties: Vec<Asked>,
    pub(super) metrics: Vec<MetricPlan>,
    /// The metrics, those first that others refer to.
    pub(super) order: Vec<usize>,
    pub(super) lives: Vec<Live>,
    pub(super) counts: Vec<CountPlan>,
    pub(super) quantiles: Vec<(NodeRef, Ratio, Option<usize>)>,
    pub(super) shares: Vec<(NodeRef, Option<usize>)>,
    pub(super) gaps: Vec<(FactRef, Option<usize>)>,
    pub(super) windows: Vec<Window>,
    /// The edges of windows in order: when, which, and whether it is the end.
    pub(super) edges: Vec<(Instant, usize, bool)>,
    /// Facts that are kept by key, workloads whose requests are.
    pub(super) kept_facts: Vec<bool>,
    pub(super) kept_requests: Vec<bool>,
    /// Whether conditions about keys are asked of windows, so that what happens in them is kept.
    pub(super) keeps_log: bool,
    /// Whether anything depends on why and when the run ended.
    pub(super) needs_end: bool,
    /// The edges of each breaker, by its node and its place there.
    pub(super) breaker_edges: BTreeMap<(NodeRef, u32), BTreeSet<EdgeRef>>,
}

/// Who is asked when something changes.
#[derive(Debug, Default)]
pub(super) struct Triggers {
    /// Targets by fact: asked for the fact's key.
    pub(super) facts: Vec<Vec<u16>>,
    /// Targets by map.
    pub(super) cells: Vec<Vec<CellTrigger>>,
    /// Targets by workload: asked for the request's key at its beginning, and at both ends.
    pub(super) begun: Vec<Vec<u16>>,
    pub(super) moved: Vec<Vec<u16>>,
    /// Formulas about the run by counter, gauge (of a node), fact, map, and finished request (of a workload).
    pub(super) live_counters: Vec<Vec<u16>>,
    pub(super) live_gauges: Vec<Vec<u16>>,
    /// Those that name the age of a queue's oldest message, which are asked after every event too.
    pub(super) live_ages: Vec<Vec<u16>>,
    pub(super) live_facts: Vec<Vec<u16>>,
    pub(super) live_cells: Vec<Vec<u16>>,
    pub(super) live_finished: Vec<Vec<u16>>,
    /// Formulas that name `now`: asked after every event.
    pub(super) live_always: Vec<u16>,
}

/// Asks a target when a cell changes.
#[derive(Debug)]
pub(super) struct CellTrigger {
    pub(super) target: u16,
    /// Only when it is this cell.
    pub(super) only: Option<Value>,
    pub(super) whom: Whom,
}

/// Of whom something is asked when a cell changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// The key of the cell, if it is one of the keys.
    ThatKey,
    /// The key of the cell, whatever it is.
    Cell,
    /// Every key.
    EveryKey,
}

/// What is asked about a key when it changes.
#[derive(Debug)]
pub(super) enum Target {
    /// Must be true.
    Always { property: usize, question: Question },
    /// Should be true once.
    Sometimes { property: usize, question: Question },
    /// Begins the time in which a property must come true; without a question, always.
    Opens { property: usize, question: Option<Question> },
    /// Ends it.
    Settles { property: usize, question: Question },
    /// All or none of the property's facts.
    Whole { property: usize },
    /// A cell below zero.
    NotNegative { property: usize, map: MapRef },
    /// The same as at the start.
    Conserved { property: usize },
    /// Counts the keys for which it holds.
    Counted { count: usize },
}

impl Target {
    /// What is asked about each key, if that is a question.
    pub(super) fn question<'a>(&'a self, counts: &'a [CountPlan]) -> Option<&'a Question> {
        match self {
            Target::Always { question, .. }
            | Target::Sometimes { question, .. }
            | Target::Settles { question, .. }
            | Target::Opens { question: Some(question), .. } => Some(question),
            Target::Counted { count } => Some(&counts[*count].question),
            Target::Opens { question: None, .. }
            | Target::Whole { .. }
            | Target::NotNegative { .. }
            | Target::Conserved { .. } => None,
        }
    }
}

/// A property, ready to be asked.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) kind: PropertyKind,
    pub(super) how: HowAsked,
}

/// What is needed to judge a property.
#[derive(Debug)]
pub(super) enum HowAsked {
    Always,
    Sometimes,
    /// What must hold in time.
    Eventually(Question),
    /// Whose keys the facts have.
    AllOrNothing(Question),
    Conserved(Formula),
    Share(usize),
    /// A percentile inside a window.
    Latency(Option<Window>),
    AtEnd(Formula),
    SometimesRun,
}

/// A formula about the run.
#[derive(Clone, Debug)]
pub(super) struct Formula {
    pub(super) expr: Expr<Term>,
    /// Whole numbers only.
    pub(super) integral: bool,
    pub(super) window: Option<usize>,
}

/// A name in a formula about the run, with how it is written.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) what: What,
    name: String,
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)
    }
}

/// What a name in a formula about the run stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Counter(usize),
    Gauge(NodeRef, Gauge),
    /// How old the oldest message of a queue is.
    Oldest(NodeRef),
    /// What the breakers of an edge are, in a word.
    Breaker(EdgeRef),
    Unanswered(NodeRef),
    /// How long workers of a node were held for nobody, in seconds.
    Wasted(NodeRef),
    /// How long transactions were in doubt at a store, all together.
    Doubted(NodeRef),
    /// A counter, per second of the stretch or of the run.
    PerSecond(usize),
    /// Calls of an edge for each request that asked for one.
    Amplification(EdgeRef),
    Share(usize),
    /// The last: its place among those that are kept up to date.
    Percentile(NodeRef, Ratio, Option<usize>),
    Count(usize),
    Metric(usize),
    Total(FactRef),
    Cell(MapRef),
    Now,
}

/// A gauge of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gauge {
    Busy,
    Waiting,
    Both,
    InDoubt,
}

impl Gauge {
    pub(super) const fn of(self, [busy, waiting, in_doubt]: [i64; 3]) -> i64 {
        match self {
            Gauge::Busy => busy,
            Gauge::Waiting => waiting,
            Gauge::Both => busy + waiting,
            Gauge::InDoubt => in_doubt,
        }
    }
}

/// A condition whose keys are counted.
#[derive(Debug)]
pub(super) struct CountPlan {
    pub(super) question: Question,
    /// Formulas that are asked while the run goes on and name it; if any, the count is kept up to date.
    pub(super) lives: Vec<u16>,
}

/// A formula that is asked while the run goes on.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) how: HowLive,
    pub(super) formula: Formula,
}

/// What becomes of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HowLive {
    /// The first time it is true counts.
    First,
    /// The highest value counts.
    Peak,
    /// It should be true once.
    Sometimes(usize),
}

/// A metric, ready to be worked out.
#[derive(Debug)]
pub(super) struct MetricPlan {
    pub(super) how: How,
    pub(super) window: Option<usize>,
}

/// How a metric is worked out.
#[derive(Debug)]
pub(super) enum How {
    Count(usize),
    Over(Fold, Question, Option<Question>),
    Value(Formula),
    Rate(Formula),
    /// By their place among the formulas that are asked while the run goes on.
    First(usize),
    Peak(usize),
    Gap(usize),
    /// Refers to itself.
    Circular,
}

/// How the values of many keys become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    Sum,
    Max,
    Min,
    Mean,
    Percentile(Ratio),
}

struct Builder<'a> {
    program: &'a Program,
    plan: Plan,
}

impl Plan {
    pub(super) fn new(program: &Program) -> Plan {
        let (facts, maps, nodes) = (program.facts.len(), program.maps.len(), program.nodes.len());
        let none = |length: usize| vec![Vec::new(); length];
        let triggers = Triggers {
            facts: none(facts),
            cells: (0..maps).map(|_| Vec::new()).collect(),
            begun: none(nodes),
            moved: none(nodes),
            live_counters: none(places(program)),
            live_gauges: none(nodes),
            live_ages: none(nodes),
            live_facts: none(facts),
            live_cells: none(maps),
            live_finished: none(nodes),
            live_always: Vec::new(),
        };
        let plan = Plan {
            targets: Vec::new(),
            triggers,
            properties: Vec::new(),
            metrics: Vec::new(),
            order: order(program),
            lives: Vec::new(),
            counts: Vec::new(),
            quantiles: Vec::new(),
            shares: Vec::new(),
            gaps: Vec::new(),
            windows: Vec::new(),
            edges: Vec::new(),
            kept_facts: vec![false; facts],
            kept_requests: vec![false; nodes],
            keeps_log: false,
            needs_end: false,
            breaker_edges: program.breaker_edges(),
        };
        let mut builder = Builder { program, plan };
        builder.metrics();
        for property in 0..program.properties.len() {
            builder.property(property);
        }
        builder.listen();
        builder.plan
    }
}

/// The metrics in the order in which they can be worked out; those that refer to themselves are left out.
fn order(program: &Program) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
        Circular,
    }
    fn visit(program: &Program, metric: usize, marks: &mut [Mark], order: &mut Vec<usize>) -> Mark {
        match marks[metric] {
            Mark::New => {}
            Mark::Open | Mark::Circular => return Mark::Circular,
            Mark::Done => return Mark::Done,
        }
        marks[metric] = Mark::Open;
        let mut mark = Mark::Done;
        if let Measure::Value(expr) | Measure::Rate(expr) | Measure::First(expr) = &program.metrics[metric].measure {
            for other in metrics_in(expr) {
                if visit(program, other, marks, order) == Mark::Circular {
                    mark = Mark::Circular;
                }
            }
        }
        marks[metric] = mark;
        if mark == Mark::Done {
            order.push(metric);
        }
        mark
    }
    let mut marks = vec![Mark::New; program.metrics.len()];
    let mut order = Vec::new();
    for metric in 0..program.metrics.len() {
        visit(program, metric, &mut marks, &mut order);
    }
    order
}

fn metrics_in(expr: &Expr<RunVar>) -> Vec<usize> {
    let mut all = Vec::new();
    each_name(expr, &mut |name| {
        if let RunVar::Metric(metric) = name {
            all.push(*metric);
        }
    });
    all
}

/// Shows every name of an expression, those of maps included.
pub(super) fn each_name<N>(expr: &Expr<N>, see: &mut impl FnMut(&N)) {
    match &expr.kind {
        Kind::Literal(_) => {}
        Kind::Name(name) => see(name),
        Kind::Cell(map, key) => {
            see(map);
            each_name(key, see);
        }
        Kind::Not(inner) | Kind::Negate(inner) => each_name(inner, see),
        Kind::Binary(_, sides) => sides.iter().for_each(|side| each_name(side, see)),
    }
}

/// The place of an entry in a list, at whose end it is put when it is new.
fn intern<T: PartialEq>(list: &mut Vec<T>, entry: T) -> usize {
    list.iter().position(|known| *known == entry).unwrap_or_else(|| {
        list.push(entry);
        list.len() - 1
    })
}

/// Puts a number into a list that has it once.
fn once(list: &mut Vec<u16>, number: u16) {
    if !list.contains(&number) {
        list.push(number);
    }
}

impl Builder<'_> {
    fn window(&mut self, during: Option<(Instant, Instant)>) -> Option<usize> {
        let (begin, end) = during?;
        let place = intern(&mut self.plan.windows, Window { begin, end });
        for edge in [(begin, place, false), (end.max(begin), place, true)] {
            intern(&mut self.plan.edges, edge);
        }
        self.plan.edges.sort_unstable();
        Some(place)
    }

    fn question(&mut self, about: &KeyExpr) -> Question {
        let question = Question::new(self.program, about);
        for fact in question.needs() {
            self.plan.kept_facts[fact.0 as usize] = true;
        }
        if let Some(workload) = question.workload {
            self.plan.kept_requests[workload.0 as usize] = true;
        }
        question
    }

    /// Has a target asked whenever something changes that its question names.
    fn target(&mut self, target: Target) -> u16 {
        let number = self.plan.targets.len() as u16;
        let counts = &self.plan.counts;
        let question = target.question(counts);
        let triggers = &mut self.plan.triggers;
        if let Some(question) = question {
            for fact in &question.facts {
                once(&mut triggers.facts[fact.0 as usize], number);
            }
            let about_no_key = question.is_about_no_key();
            for (map, reach) in &question.cells {
                let (only, whom) = match reach {
                    Reach::Same => (None, if about_no_key { Whom::EveryKey } else { Whom::ThatKey }),
                    Reach::AllByCell(key) => (Some(key.clone()), Whom::EveryKey),
                    Reach::All => (None, Whom::EveryKey),
                };
                triggers.cells[map.0 as usize].push(CellTrigger { target: number, only, whom });
            }
            if let Some(workload) = question.workload.filter(|_| question.requests) {
                once(&mut triggers.moved[workload.0 as usize], number);
            }
        }
        self.plan.targets.push(target);
        number
    }

    fn formula(&mut self, expr: &Expr<RunVar>, window: Option<usize>) -> Formula {
        let mut integral = !needs_floats(expr);
        let resolved = expr.resolve(&mut |name: &RunVar, _| {
            let term = self.term(name, window);
            integral &= !matches!(
                term.what,
                What::Share(_) | What::Percentile(..) | What::Metric(_) | What::Oldest(_) | What::Now
            );
            let is_float =
                matches!(term.what, What::Wasted(_) | What::Doubted(_) | What::PerSecond(_) | What::Amplification(_));
            integral &= !is_float;
            Ok::<_, ()>(term)
        });
        Formula { expr: resolved.unwrap_or_else(|()| unreachable!("every name resolves")), integral, window }
    }

    fn term(&mut self, name: &RunVar, window: Option<usize>) -> Term {
        let program = self.program;
        let (what, name) = match name {
            RunVar::Counter(counter) => (self.counter(*counter, window), words::counter(program, *counter)),
            RunVar::Metric(metric) => (What::Metric(*metric), program.metrics[*metric].name.clone()),
            RunVar::Count(about) => {
                let count = self.count(about);
                let text = format!("count({})", self.plan.counts[count].question.expr);
                (What::Count(count), text)
            }
            RunVar::Total(fact) => (What::Total(*fact), format!("total({})", program.facts[fact.0 as usize].name)),
            RunVar::Map(map) => (What::Cell(*map), words::map(program, *map)),
            RunVar::Now => (What::Now, "now".to_owned()),
        };
        self.plan.needs_end |= matches!(what, What::Now | What::Oldest(_) | What::PerSecond(_) | What::Wasted(_));
        if window.is_some() && matches!(what, What::Count(_) | What::Cell(_)) {
            self.plan.keeps_log = true;
        }
        Term { what, name }
    }

    fn counter(&mut self, counter: Counter, window: Option<usize>) -> What {
        let (node, counter) = match counter {
            Counter::Edge(edge, EdgeCounter::Breaker) => return What::Breaker(edge),
            Counter::Edge(edge, EdgeCounter::Amplification) => return What::Amplification(edge),
            Counter::Edge(edge, counter) => {
                return What::Counter(edge_place(self.program.nodes.len(), edge, counter));
            }
            Counter::Node(node, counter) => (node, counter),
        };
        if counter == NodeCounter::WastedTime {
            return What::Wasted(node);
        }
        if counter == NodeCounter::InDoubtTime {
            return What::Doubted(node);
        }
        if let Some(place) = node_place(node, counter) {
            return What::Counter(place);
        }
        let per_second = |of| What::PerSecond(node_place(node, of).unwrap_or_default());
        let percentile =
            |thousandths| What::Percentile(node, Ratio::new(thousandths, 1000).unwrap_or(Ratio::ONE), None);
        match counter {
            NodeCounter::Availability => What::Share(intern(&mut self.plan.shares, (node, window))),
            NodeCounter::P50 => percentile(500),
            NodeCounter::P90 => percentile(900),
            NodeCounter::P99 => percentile(990),
            NodeCounter::P999 => percentile(999),
            NodeCounter::Busy => What::Gauge(node, Gauge::Busy),
            NodeCounter::Waiting | NodeCounter::LockWaiters => What::Gauge(node, Gauge::Waiting),
            NodeCounter::InFlight if self.program.queue(node).is_some() => What::Gauge(node, Gauge::Busy),
            NodeCounter::InFlight => What::Gauge(node, Gauge::Both),
            NodeCounter::InDoubt => What::Gauge(node, Gauge::InDoubt),
            NodeCounter::Oldest => What::Oldest(node),
            NodeCounter::Offered => per_second(NodeCounter::Requests),
            NodeCounter::Goodput => per_second(NodeCounter::Ok),
            _ => What::Unanswered(node),
        }
    }

    fn count(&mut self, about: &KeyExpr) -> usize {
        let question = self.question(about);
        self.plan.counts.push(CountPlan { question, lives: Vec::new() });
        self.plan.counts.len() - 1
    }

    fn live(&mut self, how: HowLive, mut formula: Formula) -> usize {
        let window = formula.window;
        // What is asked at each change is kept up to date.
        let quantiles = &mut self.plan.quantiles;
        keep_percentiles(&mut formula.expr, &mut |workload, share| intern(quantiles, (workload, share, window)));
        self.plan.lives.push(Live { how, formula });
        self.plan.lives.len() - 1
    }

    fn metrics(&mut self) {
        let program = self.program;
        for (place, metric) in program.metrics.iter().enumerate() {
            let window = self.window(metric.during);
            let circular = !self.plan.order.contains(&place);
            let how = if circular { How::Circular } else { self.measure(&metric.measure, window) };
            self.plan.needs_end |= matches!(how, How::Rate(_) | How::Gap(_) | How::Peak(_));
            if window.is_some() && matches!(how, How::Count(_) | How::Over(..)) {
                self.plan.keeps_log = true;
            }
            self.plan.metrics.push(MetricPlan { how, window });
        }
    }

    fn measure(&mut self, measure: &Measure, window: Option<usize>) -> How {
        let mut over = |fold, about: &KeyExpr, filter: &Option<KeyExpr>| {
            let question = self.question(about);
            How::Over(fold, question, filter.as_ref().map(|filter| self.question(filter)))
        };
        match measure {
            Measure::Sum(about, filter) => over(Fold::Sum, about, filter),
            Measure::Max(about, filter) => over(Fold::Max, about, filter),
            Measure::Min(about, filter) => over(Fold::Min, about, filter),
            Measure::Mean(about, filter) => over(Fold::Mean, about, filter),
            Measure::Percentile(share, about, filter) => over(Fold::Percentile(*share), about, filter),
            Measure::Count(about) => How::Count(self.count(about)),
            Measure::Value(expr) => How::Value(self.formula(expr, window)),
            Measure::Rate(expr) => How::Rate(self.formula(expr, window)),
            Measure::First(expr) => {
                let formula = self.formula(expr, window);
                How::First(self.live(HowLive::First, formula))
            }
            Measure::Peak(counter) => {
                let expr = Expr { span: Default::default(), kind: Kind::Name(RunVar::Counter(*counter)) };
                let formula = self.formula(&expr, window);
                How::Peak(self.live(HowLive::Peak, formula))
            }
            Measure::Gap(fact) => {
                self.plan.gaps.push((*fact, window));
                How::Gap(self.plan.gaps.len() - 1)
            }
        }
    }

    fn property(&mut self, property: usize) {
        let (kind, how) = match &self.program.properties[property].ask {
            Ask::Always(about) => {
                let question = self.question(about);
                self.target(Target::Always { property, question });
                (PropertyKind::Always, HowAsked::Always)
            }
            Ask::Sometimes(about) => {
                let question = self.question(about);
                self.target(Target::Sometimes { property, question });
                (PropertyKind::Sometimes, HowAsked::Sometimes)
            }
            Ask::NeverNegative(map) => {
                let target = self.target(Target::NotNegative { property, map: *map });
                let trigger = CellTrigger { target, only: None, whom: Whom::Cell };
                self.plan.triggers.cells[map.0 as usize].push(trigger);
                (PropertyKind::Always, HowAsked::Always)
            }
            Ask::Eventually { holds, after, .. } => {
                (PropertyKind::Eventually, self.eventually(property, holds, after.as_ref()))
            }
            Ask::AllOrNothing { facts, .. } => (PropertyKind::Eventually, self.all_or_nothing(property, facts)),
            Ask::Conserved { sum, facts, maps, at_commit } => {
                let formula = self.formula(sum, None);
                if *at_commit {
                    self.conserved(property, facts, maps);
                    (PropertyKind::Always, HowAsked::Conserved(formula))
                } else {
                    (PropertyKind::AtEnd, HowAsked::Conserved(formula))
                }
            }
            Ask::Availability { workload, during, .. } => {
                let window = self.window(*during);
                (PropertyKind::AtEnd, HowAsked::Share(intern(&mut self.plan.shares, (*workload, window))))
            }
            Ask::Latency { during, .. } => {
                (PropertyKind::AtEnd, HowAsked::Latency(during.map(|(begin, end)| Window { begin, end })))
            }
            Ask::AtEnd(expr) => (PropertyKind::AtEnd, HowAsked::AtEnd(self.formula(expr, None))),
            Ask::SometimesRun(expr) => {
                let formula = self.formula(expr, None);
                self.live(HowLive::Sometimes(property), formula);
                (PropertyKind::Sometimes, HowAsked::SometimesRun)
            }
        };
        self.plan.needs_end |= kind == PropertyKind::Eventually;
        self.plan.properties.push(Asked { kind, how });
    }

    fn eventually(&mut self, property: usize, holds: &KeyExpr, after: Option<&KeyExpr>) -> HowAsked {
        let settles = self.question(holds);
        let opens = after.map(|after| self.question(after));
        let opens_anyway = opens.is_none();
        let opens = self.target(Target::Opens { property, question: opens });
        if opens_anyway {
            match settles.workload {
                Some(workload) => once(&mut self.plan.triggers.begun[workload.0 as usize], opens),
                // Keys that nobody requests begin with their first record.
                None => settles.needs().iter().for_each(|fact| {
                    once(&mut self.plan.triggers.facts[fact.0 as usize], opens);
                }),
            }
        }
        self.target(Target::Settles { property, question: settles.clone() });
        HowAsked::Eventually(settles)
    }

    fn all_or_nothing(&mut self, property: usize, facts: &[FactRef]) -> HowAsked {
        let class = facts.iter().find_map(|fact| self.program.facts[fact.0 as usize].class);
        let span = Default::default();
        let expr = Expr { span, kind: Kind::Literal(crate::expr::Literal::Bool(true)) };
        // Nothing is asked by it; it says whose keys there are, and that these facts are kept.
        let question = self.question(&KeyExpr { expr, class, facts: facts.to_vec(), maps: Vec::new() });
        let target = self.target(Target::Whole { property });
        for fact in facts {
            once(&mut self.plan.triggers.facts[fact.0 as usize], target);
        }
        HowAsked::AllOrNothing(question)
    }

    fn conserved(&mut self, property: usize, facts: &[FactRef], maps: &[MapRef]) {
        let target = self.target(Target::Conserved { property });
        for fact in facts {
            once(&mut self.plan.triggers.facts[fact.0 as usize], target);
        }
        for map in maps {
            let trigger = CellTrigger { target, only: None, whom: Whom::Cell };
            self.plan.triggers.cells[map.0 as usize].push(trigger);
        }
    }

    /// Has each formula that is asked while the run goes on asked when something changes that it names, through metrics too.
    fn listen(&mut self) {
        for live in 0..self.plan.lives.len() {
            let mut names = Vec::new();
            each_name(&self.plan.lives[live].formula.expr, &mut |term| names.push(term.what));
            let mut next = 0;
            while next < names.len() {
                self.listen_to(live as u16, names[next]);
                if let What::Metric(metric) = names[next] {
                    let more = self.named_by(metric);
                    names.extend(more.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
                }
                next += 1;
            }
        }
        let counted: Vec<usize> =
            (0..self.plan.counts.len()).filter(|count| !self.plan.counts[*count].lives.is_empty()).collect();
        for count in counted {
            let target = self.target(Target::Counted { count });
            let question = &self.plan.counts[count].question;
            // A key counts from when it is known, whether or not the condition names what made it known.
            for fact in question.needs() {
                once(&mut self.plan.triggers.facts[fact.0 as usize], target);
            }
            if let Some(workload) = question.workload {
                once(&mut self.plan.triggers.begun[workload.0 as usize], target);
            }
        }
    }

    fn named_by(&self, metric: usize) -> Vec<What> {
        let mut names = Vec::new();
        let mut collect = |formula: &Formula| each_name(&formula.expr, &mut |term| names.push(term.what));
        match &self.plan.metrics[metric].how {
            How::Value(formula) | How::Rate(formula) => collect(formula),
            How::First(live) | How::Peak(live) => collect(&self.plan.lives[*live].formula),
            How::Count(count) => names.push(What::Count(*count)),
            How::Gap(gap) => names.push(What::Total(self.plan.gaps[*gap].0)),
            How::Over(_, question, filter) => {
                for question in [Some(question), filter.as_ref()].into_iter().flatten() {
                    names.extend(question.needs().iter().map(|fact| What::Total(*fact)));
                    names.extend(question.cells.iter().map(|(map, _)| What::Cell(*map)));
                    names.extend(question.workload.map(What::Unanswered));
                }
            }
            How::Circular => {}
        }
        names
    }

    fn listen_to(&mut self, live: u16, what: What) {
        let triggers = &mut self.plan.triggers;
        match what {
            What::Counter(place) | What::PerSecond(place) => {
                once(&mut triggers.live_counters[place], live);
            }
            What::Amplification(edge) => {
                for counter in [EdgeCounter::Calls, EdgeCounter::Amplification] {
                    let place = edge_place(self.program.nodes.len(), edge, counter);
                    once(&mut triggers.live_counters[place], live);
                }
            }
            What::Gauge(node, _) | What::Doubted(node) => once(&mut triggers.live_gauges[node.0 as usize], live),
            What::Breaker(edge) => {
                let place = edge_place(self.program.nodes.len(), edge, EdgeCounter::Breaker);
                once(&mut triggers.live_counters[place], live);
            }
            What::Unanswered(node) => {
                once(&mut triggers.live_finished[node.0 as usize], live);
                if let Some(place) = node_place(node, NodeCounter::Requests) {
                    once(&mut triggers.live_counters[place], live);
                }
            }
            What::Percentile(node, ..) => once(&mut triggers.live_finished[node.0 as usize], live),
            What::Share(share) => {
                let node = self.plan.shares[share].0;
                once(&mut triggers.live_finished[node.0 as usize], live);
            }
            What::Total(fact) => once(&mut triggers.live_facts[fact.0 as usize], live),
            What::Cell(map) => once(&mut triggers.live_cells[map.0 as usize], live),
            What::Count(count) => once(&mut self.plan.counts[count].lives, live),
            What::Oldest(node) => {
                once(&mut triggers.live_ages[node.0 as usize], live);
                once(&mut triggers.live_always, live);
            }
            // It grows by itself.
            What::Now | What::Wasted(_) => once(&mut triggers.live_always, live),
            What::Metric(_) => {}
        }
    }
}

/// Gives each percentile of a formula its place among those that are kept up to date.
fn keep_percentiles(expr: &mut Expr<Term>, keep: &mut impl FnMut(NodeRef, Ratio) -> usize) {
    match &mut expr.kind {
        Kind::Name(Term { what: What::Percentile(workload, share, place), .. }) => {
            *place = Some(keep(*workload, *share));
        }
        Kind::Literal(_) | Kind::Name(_) => {}
        Kind::Cell(_, inner) | Kind::Not(inner) | Kind::Negate(inner) => keep_percentiles(inner, keep),
        Kind::Binary(_, sides) => sides.iter_mut().for_each(|side| keep_percentiles(side, keep)),
    }
}
