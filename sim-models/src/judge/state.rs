//! What the judge keeps while the run goes on: one note after the other, nothing twice.

use sim_core::{Instant, NodeId};

use super::bench::{Bench, ExactNumber, Quiet, Seen};
use super::finding::{Reading, Violation, broken, in_parentheses, read_cell, read_key, read_run, stands};
use super::plan::{HowAsked, HowLive, Plan, Target, Whom};
use super::question::{EventNumber, Knowledge, Question, small};
use super::tally::{Quantile, Sample, Share, Tally, edge_place, latency_ns, node_place};
use super::waste::Waste;
use super::words;
use crate::expr::EvalError;
use crate::keymap::KeyMap;
use crate::message::{Counted, EdgeCounted, Note, Sort, Tone};
use crate::policy::breaker;
use crate::program::{Ask, EdgeCounter, EdgeRef, FactRef, MapRef, NodeCounter, NodeRef, Program};
use crate::value::Value;

/// The wait of one key for something to come true.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    /// The event that began it, and when.
    pub(super) event: EventNumber,
    pub(super) since: Instant,
    /// When it first came true; [`Instant::NEVER`] before that.
    pub(super) held: Instant,
    /// Of facts that belong together: whether all or none of them stand.
    whole: bool,
}

/// How a property stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// How often it was asked.
    pub(super) asked: u64,
    /// What broke it first (or of `sometimes`, was first seen), and in words.
    pub(super) found: Option<Box<(Violation, String)>>,
    /// The keys that wait or have waited.
    pub(super) waits: KeyMap<Wait>,
    /// Of facts that belong together: when a key began or ceased to be whole.
    pub(super) turns: Vec<(Value, Instant, bool)>,
    /// Of what is conserved: what it was at the start.
    pub(super) start: Option<ExactNumber>,
}

/// An expression that had no value: the first, and how many there were.
#[derive(Clone, Debug)]
pub(super) struct Troubles {
    pub(super) event: u64,
    pub(super) at: Instant,
    pub(super) detail: String,
    pub(super) count: u64,
}

/// What happened to keys, kept for windows.
#[derive(Clone, Debug)]
enum Logged {
    Fact(FactRef, Value, i64),
    Requested(NodeRef, Value),
    Finished(NodeRef, Value, Tone),
}

/// What an `always` property or an expression broke in this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broke {
    Property(usize),
    Expression,
}

/// The judge's memory.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// The event at hand, and when it is.
    pub(super) event: u64,
    pub(super) at: Instant,
    pub(super) knowledge: Knowledge,
    pub(super) tally: Tally,
    pub(super) counts: Vec<KeyMap<()>>,
    pub(super) shares: Vec<Share>,
    pub(super) quantiles: Vec<Quantile>,
    pub(super) seen: Vec<Seen>,
    pub(super) quiets: Vec<Quiet>,
    pub(super) standings: Vec<Standing>,
    pub(super) troubles: Option<Troubles>,
    /// The first thing that broke in this step.
    pub(super) broke: Option<Broke>,
    /// Kernel nodes that are up.
    up: Vec<bool>,
    /// How often each kernel node was seen to go down.
    falls: Vec<u32>,
    /// Whether what changes belongs to one change that is not over.
    apart: bool,
    /// What it has changed so far: who is to be asked, of which key; none: of all.
    changed: Vec<(u16, Option<Value>)>,
    /// Whether a formula is to be asked at the end of this event.
    stale: bool,
    next_edge: usize,
    next_edge_at: Instant,
    log: Vec<(Instant, u64, Logged)>,
}

impl State {
    /// About how many bytes it takes: what grows with the run.
    pub(super) fn bytes(&self) -> usize {
        fn of<T>(maps: &[KeyMap<T>]) -> usize {
            maps.iter().map(KeyMap::bytes).sum()
        }
        let known = |it: &Knowledge| of(&it.facts) + of(&it.sent) + of(&it.cells);
        let samples = self.tally.samples.iter().map(|samples| samples.len() * size_of::<Sample>());
        let quantiles = self.quantiles.iter().map(Quantile::bytes);
        let cells = self.tally.windows.iter().filter_map(|edges| edges.cells.as_deref()).map(of);
        let standing = |it: &Standing| it.waits.bytes() + it.turns.len() * size_of::<(Value, Instant, bool)>();
        let log = self.log.len() * size_of::<(Instant, u64, Logged)>();
        let standings = self.standings.iter().map(standing);
        known(&self.knowledge)
            + of(&self.counts)
            + log
            + self.tally.waste.bytes()
            + samples.chain(quantiles).chain(cells).chain(standings).sum::<usize>()
    }

    pub(super) fn new(program: &Program, plan: &Plan) -> State {
        let quiet = |window: Option<usize>| {
            let last = window.map_or(Instant::ZERO, |window| plan.windows[window].begin);
            Quiet { last, longest: 0 }
        };
        let mut state = State {
            event: 0,
            at: Instant::ZERO,
            knowledge: Knowledge::new(program),
            tally: Tally::new(program, plan.windows.len()),
            counts: vec![KeyMap::new(); plan.counts.len()],
            shares: vec![Share::default(); plan.shares.len()],
            quantiles: plan.quantiles.iter().map(|(_, share, _)| Quantile::new(*share)).collect(),
            seen: vec![Seen { stale: true, first: None, peak: None }; plan.lives.len()],
            quiets: plan.gaps.iter().map(|(_, window)| quiet(*window)).collect(),
            standings: vec![Standing::default(); plan.properties.len()],
            troubles: None,
            broke: None,
            up: program.replicas.iter().map(|(node, number)| *number <= program.node(*node).count).collect(),
            falls: vec![0; program.replicas.len()],
            apart: false,
            changed: Vec::new(),
            stale: !plan.lives.is_empty(),
            next_edge: 0,
            next_edge_at: plan.edges.first().map_or(Instant::NEVER, |edge| edge.0),
            log: Vec::new(),
        };
        state.begin(program, plan);
        state
    }

    /// Asks what can be asked before anything has happened.
    fn begin(&mut self, program: &Program, plan: &Plan) {
        for (property, asked) in plan.properties.iter().enumerate() {
            if let HowAsked::Conserved(formula) = &asked.how {
                match self.bench(program, plan).exact_number(formula) {
                    Ok(start) => self.standings[property].start = Some(start),
                    Err(error) => self.trouble(|| property_words(program, property, None), error),
                }
            }
        }
        for (index, target) in plan.targets.iter().enumerate() {
            if let Target::Counted { count } = target
                && plan.counts[*count].question.is_about_no_key()
            {
                self.ask(program, plan, index, &Value::Null);
            }
        }
    }

    pub(super) fn bench<'a>(&'a self, program: &'a Program, plan: &'a Plan) -> Bench<'a> {
        Bench {
            program,
            plan,
            knowledge: &self.knowledge,
            tally: &self.tally,
            counts: &self.counts,
            shares: &self.shares,
            quantiles: &self.quantiles,
            seen: &self.seen,
            quiets: &self.quiets,
            windows: &[],
            worked: None,
            now: self.at,
            length: self.at,
        }
    }

    /// Begins an event.
    #[inline]
    pub(super) fn event(&mut self, program: &Program, plan: &Plan, number: u64, at: Instant) {
        self.event = number;
        self.at = at;
        self.broke = None;
        if at >= self.next_edge_at {
            self.cross_edges(program, plan);
        }
    }

    /// Ends an event: what belongs together has been told, and formulas about the run are asked.
    #[inline]
    pub(super) fn event_over(&mut self, program: &Program, plan: &Plan) {
        if self.apart {
            self.together(program, plan);
        }
        if self.stale || !plan.triggers.live_always.is_empty() {
            self.ask_formulas(program, plan);
        }
    }

    /// Takes one note.
    #[inline]
    pub(super) fn note(&mut self, program: &Program, plan: &Plan, handler: Option<NodeId>, note: &Note) {
        match note {
            Note::Fact(fact, key, times) => self.fact(program, plan, *fact, key, *times),
            Note::Cell { map, key, value } => self.cell(program, plan, *map, key, value),
            Note::Apart => self.apart = true,
            Note::Together => self.together(program, plan),
            Note::Requested { workload, key } => self.requested(program, plan, *workload, *key),
            Note::Finished { workload, key, tone, since, sort } => {
                self.finished(program, plan, *workload, *key, *tone, *since);
                // What is ok is counted as that already.
                if let Some(place) = split_of_node(sort.0).and_then(|counter| node_place(*workload, counter)) {
                    self.count(plan, place);
                }
            }
            Note::Count(node, counted @ (Counted::Open | Counted::Limited)) => {
                self.count_refused(program, plan, *node, counter_of(*counted));
            }
            Note::Count(node, counted) => {
                if let Some(place) = node_place(*node, counter_of(*counted)) {
                    self.count(plan, place);
                }
            }
            Note::Awaits(call, sake) => self.waste().awaits(*call, *sake),
            Note::Leaves(call) => self.waste().leaves(*call),
            Note::Works { node, of, begins } => {
                if let Some(replica) = handler {
                    self.waste().works(*node, replica, *of, *begins);
                }
            }
            Note::Shares { lead, follows, begins } => {
                if let Some(replica) = handler {
                    self.waste().shares(*lead, *follows, replica, *begins);
                }
            }
            Note::Edge(edge, counted) => {
                let counter = match counted {
                    EdgeCounted::Call => EdgeCounter::Calls,
                    EdgeCounted::Retry => EdgeCounter::Retries,
                    EdgeCounted::Outcome(Tone::Ok, _) => EdgeCounter::Ok,
                    EdgeCounted::Outcome(Tone::Error, sort) => {
                        self.count(plan, edge_place(program.nodes.len(), *edge, split_of_edge(sort.0)));
                        EdgeCounter::Error
                    }
                    EdgeCounted::Outcome(Tone::Unknown, _) => EdgeCounter::Unknown,
                    EdgeCounted::Late => EdgeCounter::Late,
                    EdgeCounted::Open => EdgeCounter::Open,
                    EdgeCounted::Limited => EdgeCounter::Limited,
                    EdgeCounted::Ejected => EdgeCounter::Ejected,
                    EdgeCounted::Hedge => EdgeCounter::Hedges,
                    EdgeCounted::Coalesced => EdgeCounter::Coalesced,
                    EdgeCounted::Exhausted => EdgeCounter::Exhausted,
                    EdgeCounted::Asked => EdgeCounter::Amplification,
                    EdgeCounted::Breaker(index, state) => {
                        if let Some(node) = handler {
                            self.breaker(program, plan, (*edge, node, *index), *state);
                        }
                        EdgeCounter::Breaker
                    }
                };
                self.count(plan, edge_place(program.nodes.len(), *edge, counter));
                // An answer that nobody waits for: the callee worked for nothing.
                let (caller, callee) = program.edges[edge.0 as usize];
                match counted {
                    EdgeCounted::Open => self.count_refused(program, plan, caller, NodeCounter::Open),
                    EdgeCounted::Limited => self.count_refused(program, plan, caller, NodeCounter::Limited),
                    _ => {}
                }
                if let (EdgeCounted::Late, Some(place)) = (counted, node_place(callee, NodeCounter::Wasted)) {
                    self.count(plan, place);
                }
            }
            Note::InDoubt { node, by } => {
                // What has begun later, or ended earlier, was in doubt for less: the sum of all ends without that of all beginnings.
                if let Some(place) = node_place(*node, NodeCounter::InDoubtTime) {
                    let by = i64::from(*by).wrapping_mul(self.at.nanos() as i64);
                    let time = &mut self.tally.now.counters[place];
                    *time = time.wrapping_sub(by as u64);
                }
                self.gauge(plan, *node, [0, 0, i64::from(*by)]);
            }
            Note::Gauge { node, busy, waiting } => {
                self.gauge(plan, *node, [i64::from(*busy), i64::from(*waiting), 0]);
                let of_handler = handler.filter(|handler| {
                    program.replicas.get(handler.0 as usize).is_some_and(|(declared, _)| declared == node)
                });
                if let Some(handler) = of_handler {
                    let here = &mut self.tally.by_replica[handler.0 as usize];
                    *here = [here[0] + i64::from(*busy), here[1] + i64::from(*waiting)];
                }
            }
            Note::Oldest { queue, since } => self.oldest(program, plan, *queue, *since),
            Note::Trouble { step, error } => {
                self.trouble(|| program.step(*step).path.clone(), *error);
            }
        }
    }

    /// Who waits for what, with all counted that was wasted up to now.
    fn waste(&mut self) -> &mut Waste {
        self.count_waste(self.at);
        &mut self.tally.waste
    }

    fn count_waste(&mut self, now: Instant) {
        for (node, time) in self.tally.waste.count(now) {
            if let Some(place) = node_place(node, NodeCounter::WastedTime) {
                self.tally.now.counters[place] += time.nanos();
            }
        }
    }

    /// Notes whether a kernel node is up; what a crash takes is no longer busy and no longer waits.
    #[inline]
    pub(super) fn is_up(&mut self, program: &Program, plan: &Plan, node: NodeId, up: bool) {
        let Some(was) = self.up.get_mut(node.0 as usize) else { return };
        if std::mem::replace(was, up) && !up {
            self.falls[node.0 as usize] += 1;
            self.crashed(program, plan, node);
        }
    }

    /// A node begins a life. When it was not seen to go down, it has done so in between.
    pub(super) fn started(&mut self, program: &Program, plan: &Plan, node: NodeId, life: u32) {
        let fallen = self.falls.get(node.0 as usize).copied().unwrap_or_default();
        self.is_up(program, plan, node, true);
        if life > fallen + 1 {
            self.is_up(program, plan, node, false);
            self.is_up(program, plan, node, true);
        }
    }

    /// The platform of a node found it not alive.
    pub(super) fn killed(&mut self, program: &Program, plan: &Plan, node: NodeId) {
        let (declared, _) = program.replicas[node.0 as usize];
        if let Some(place) = node_place(declared, NodeCounter::Killed) {
            self.count(plan, place);
        }
    }

    fn crashed(&mut self, program: &Program, plan: &Plan, node: NodeId) {
        let (declared, _) = program.replicas[node.0 as usize];
        if program.asked.wasted_time {
            self.waste().falls(node);
        }
        // What a queue keeps is not its process's; what a store has promised is in doubt while it is down, too.
        if program.queue(declared).is_none() {
            let [busy, waiting] = std::mem::take(&mut self.tally.by_replica[node.0 as usize]);
            self.gauge(plan, declared, [-busy, -waiting, 0]);
        }
        // What a breaker knew is gone with its process; the next one begins closed.
        let breakers = &mut self.tally.now.breakers;
        let gone: Vec<_> = breakers.keys().filter(|(_, of, _)| *of == node).copied().collect();
        for which in gone {
            self.tally.now.breakers.remove(&which);
            self.mark(&plan.triggers.live_counters[edge_place(program.nodes.len(), which.0, EdgeCounter::Breaker)]);
        }
        if let Some(place) = node_place(declared, NodeCounter::Crashes) {
            self.count(plan, place);
        }
    }

    #[inline]
    fn count(&mut self, plan: &Plan, place: usize) {
        self.tally.now.counters[place] += 1;
        self.mark(&plan.triggers.live_counters[place]);
    }

    /// A guard of a node has refused a try. Of a workload `open` is what became of requests.
    #[cold]
    fn count_refused(&mut self, program: &Program, plan: &Plan, node: NodeRef, counter: NodeCounter) {
        let is_outcome = counter == NodeCounter::Open && program.service(node).is_none();
        if let Some(place) = node_place(node, counter).filter(|_| !is_outcome) {
            self.count(plan, place);
        }
    }

    /// A breaker is this now, for all edges that go through it, whichever of them its node has said it on.
    #[cold]
    fn breaker(&mut self, program: &Program, plan: &Plan, told: (EdgeRef, NodeId, u32), state: breaker::State) {
        let (edge, node, index) = told;
        let caller = program.edges[edge.0 as usize].0;
        for edge in plan.breaker_edges.get(&(caller, index)).into_iter().flatten() {
            let breakers = &mut self.tally.now.breakers;
            if state == breaker::State::Closed {
                breakers.remove(&(*edge, node, index))
            } else {
                breakers.insert((*edge, node, index), state)
            };
            self.mark(&plan.triggers.live_counters[edge_place(program.nodes.len(), *edge, EdgeCounter::Breaker)]);
        }
    }

    fn gauge(&mut self, plan: &Plan, node: NodeRef, by: [i64; 3]) {
        let gauge = &mut self.tally.now.gauges[node.0 as usize];
        *gauge = [gauge[0] + by[0], gauge[1] + by[1], gauge[2] + by[2]];
        self.mark(&plan.triggers.live_gauges[node.0 as usize]);
    }

    /// A queue's oldest message is another. What it had come to is asked before: an age is at its peak when it ends.
    #[cold]
    fn oldest(&mut self, program: &Program, plan: &Plan, queue: NodeRef, since: Option<Instant>) {
        for live in &plan.triggers.live_ages[queue.0 as usize] {
            self.ask_formula(program, plan, *live as usize);
        }
        self.tally.now.oldest[queue.0 as usize] = since;
    }

    #[inline]
    fn mark(&mut self, lives: &[u16]) {
        for live in lives {
            self.seen[*live as usize].stale = true;
            self.stale = true;
        }
    }

    fn fact(&mut self, program: &Program, plan: &Plan, fact: FactRef, key: &Value, times: i64) {
        let place = fact.0 as usize;
        self.tally.now.totals[place] += times;
        self.mark(&plan.triggers.live_facts[place]);
        if plan.kept_facts[place] {
            self.knowledge.record(fact, key, times, self.at, self.event);
            if plan.keeps_log {
                self.log.push((self.at, self.event, Logged::Fact(fact, key.clone(), times)));
            }
        }
        if times > 0 {
            self.heard(plan, fact);
        }
        self.changes(program, plan, &plan.triggers.facts[place], key);
    }

    /// Ends the time without a fact.
    #[inline]
    fn heard(&mut self, plan: &Plan, fact: FactRef) {
        for ((of, window), quiet) in plan.gaps.iter().zip(&mut self.quiets) {
            if *of == fact && window.is_none_or(|window| plan.windows[window].contains(self.at)) {
                quiet.longest = quiet.longest.max(self.at.since(quiet.last).nanos());
                quiet.last = self.at;
            }
        }
    }

    fn cell(&mut self, program: &Program, plan: &Plan, map: MapRef, key: &Value, value: &Value) {
        self.knowledge.set(map, key, value, self.event);
        self.mark(&plan.triggers.live_cells[map.0 as usize]);
        for trigger in &plan.triggers.cells[map.0 as usize] {
            if trigger.only.as_ref().is_some_and(|only| only != key) {
                continue;
            }
            match trigger.whom {
                Whom::Cell => self.change(program, plan, trigger.target, Some(key)),
                Whom::EveryKey => self.change(program, plan, trigger.target, None),
                Whom::ThatKey => {
                    let question = question_of(plan, trigger.target);
                    if question.is_some_and(|question| self.knowledge.knows(question, key)) {
                        self.change(program, plan, trigger.target, Some(key));
                    }
                }
            }
        }
    }

    fn requested(&mut self, program: &Program, plan: &Plan, workload: NodeRef, number: u64) {
        let place = workload.0 as usize;
        if let Some(counter) = node_place(workload, NodeCounter::Requests) {
            self.count(plan, counter);
        }
        let key = Value::Int(number as i64);
        if plan.kept_requests[place] {
            self.knowledge.request(workload, &key, self.at);
            if plan.keeps_log {
                self.log.push((self.at, self.event, Logged::Requested(workload, key.clone())));
            }
        }
        self.changes(program, plan, &plan.triggers.begun[place], &key);
        self.changes(program, plan, &plan.triggers.moved[place], &key);
    }

    fn finished(&mut self, program: &Program, plan: &Plan, workload: NodeRef, number: u64, tone: Tone, since: Instant) {
        let place = workload.0 as usize;
        let counter = match tone {
            Tone::Ok => NodeCounter::Ok,
            Tone::Error => NodeCounter::Error,
            Tone::Unknown => NodeCounter::Unknown,
        };
        if let Some(counter) = node_place(workload, counter) {
            self.count(plan, counter);
        }
        let nanos = latency_ns(self.at, since);
        self.tally.samples[place].push(Sample { since, nanos, tone });
        let inside = |window: &Option<usize>| window.is_none_or(|window| plan.windows[window].contains(since));
        for ((of, window), share) in plan.shares.iter().zip(&mut self.shares) {
            if *of == workload && inside(window) {
                share.add(tone);
            }
        }
        for ((of, _, window), quantile) in plan.quantiles.iter().zip(&mut self.quantiles) {
            if *of == workload && inside(window) {
                quantile.push(nanos);
            }
        }
        self.mark(&plan.triggers.live_finished[place]);
        let key = Value::Int(number as i64);
        if plan.kept_requests[place] {
            self.knowledge.finish(workload, &key, tone);
            if plan.keeps_log {
                self.log.push((self.at, self.event, Logged::Finished(workload, key.clone(), tone)));
            }
        }
        self.changes(program, plan, &plan.triggers.moved[place], &key);
    }

    #[inline]
    fn changes(&mut self, program: &Program, plan: &Plan, targets: &[u16], key: &Value) {
        for target in targets {
            self.change(program, plan, *target, Some(key));
        }
    }

    /// Asks a target about a key (none: about all), now or when the change at hand is over.
    fn change(&mut self, program: &Program, plan: &Plan, target: u16, key: Option<&Value>) {
        if self.apart {
            self.changed.push((target, key.cloned()));
            return;
        }
        match key {
            Some(key) => self.ask(program, plan, target as usize, key),
            None => self.ask_all(program, plan, target as usize),
        }
    }

    fn together(&mut self, program: &Program, plan: &Plan) {
        self.apart = false;
        let mut changed = std::mem::take(&mut self.changed);
        for (target, key) in changed.drain(..) {
            match key {
                Some(key) => self.ask(program, plan, target as usize, &key),
                None => self.ask_all(program, plan, target as usize),
            }
        }
        self.changed = changed;
    }

    /// Asks about every key. This costs as much as there are keys: a cell that belongs to no key is named by a condition
    /// about keys.
    fn ask_all(&mut self, program: &Program, plan: &Plan, target: usize) {
        if self.is_decided(&plan.targets[target]) {
            return;
        }
        let keys = match &plan.targets[target] {
            Target::Settles { property, .. } => {
                let waits = self.standings[*property].waits.iter();
                waits.filter(|(_, wait)| wait.held == Instant::NEVER).map(|(key, _)| key).collect()
            }
            _ => question_of(plan, target as u16).map_or_else(Vec::new, |question| self.knowledge.keys(question)),
        };
        for key in keys {
            self.ask(program, plan, target, &key);
        }
    }

    /// Whether nothing that is asked can change what is known.
    fn is_decided(&self, target: &Target) -> bool {
        match target {
            Target::Always { property, .. }
            | Target::Sometimes { property, .. }
            | Target::NotNegative { property, .. }
            | Target::Conserved { property } => self.standings[*property].found.is_some(),
            Target::Opens { .. } | Target::Settles { .. } | Target::Whole { .. } | Target::Counted { .. } => false,
        }
    }

    fn ask(&mut self, program: &Program, plan: &Plan, target: usize, key: &Value) {
        let target = &plan.targets[target];
        if self.is_decided(target) {
            return;
        }
        match target {
            Target::Always { property, question } => {
                if self.answer(program, Some(*property), question, key) == Some(false) {
                    let read = read_key(program, &self.knowledge, question, key);
                    let words = broken(&question.expr, &read);
                    self.find(program, *property, Some((question, key)), words, read);
                }
            }
            Target::Sometimes { property, question } => {
                if self.answer(program, Some(*property), question, key) == Some(true) {
                    let read = read_key(program, &self.knowledge, question, key);
                    let words = stands(&question.expr, &read);
                    self.see(program, *property, Some((question, key)), words, read);
                }
            }
            Target::Opens { property, question } => self.open(program, plan, *property, question.as_ref(), key),
            Target::Settles { property, question } => self.settle(program, *property, question, key),
            Target::Whole { property } => self.weigh(program, *property, key),
            Target::NotNegative { property, map } => {
                self.standings[*property].asked += 1;
                if matches!(self.knowledge.cell(*map, key), Value::Int(..0)) {
                    let read = vec![read_cell(program, &self.knowledge, *map, key.clone())];
                    let words = format!("{} is {}", read[0].name, self.knowledge.cell(*map, key));
                    self.find(program, *property, None, words, read);
                }
            }
            Target::Conserved { property } => self.compare(program, plan, *property),
            Target::Counted { count } => {
                let plan = &plan.counts[*count];
                let holds = self.answer(program, None, &plan.question, key) == Some(true);
                let counted = &mut self.counts[*count];
                let before = if holds { counted.insert(key.clone(), ()) } else { counted.remove(key) };
                if before.is_some() != holds {
                    self.mark(&plan.lives);
                }
            }
        }
    }

    /// Whether a condition holds for a key; none, and a finding, when it has no value.
    fn answer(&mut self, program: &Program, property: Option<usize>, question: &Question, key: &Value) -> Option<bool> {
        if let Some(property) = property {
            self.standings[property].asked += 1;
        }
        match self.knowledge.holds(question, key) {
            Ok(holds) => Some(holds),
            Err(error) => {
                let whose = (!question.is_about_no_key()).then_some((question, key));
                match property {
                    Some(property) => self.trouble(|| property_words(program, property, whose), error),
                    None => self.trouble(|| format!("count({})", question.expr), error),
                }
                None
            }
        }
    }

    fn open(&mut self, program: &Program, plan: &Plan, property: usize, after: Option<&Question>, key: &Value) {
        if self.standings[property].waits.contains(key) {
            return;
        }
        if let Some(after) = after
            && self.answer(program, Some(property), after, key) != Some(true)
        {
            return;
        }
        let wait = Wait { event: small(self.event), since: self.at, held: Instant::NEVER, whole: false };
        self.standings[property].waits.insert(key.clone(), wait);
        // It may hold already.
        if let HowAsked::Eventually(holds) = &plan.properties[property].how {
            self.settle(program, property, holds, key);
        }
    }

    fn settle(&mut self, program: &Program, property: usize, holds: &Question, key: &Value) {
        let waits = self.standings[property].waits.get(key).is_some_and(|wait| wait.held == Instant::NEVER);
        if waits && self.answer(program, Some(property), holds, key) == Some(true) {
            let at = self.at;
            if let Some(wait) = self.standings[property].waits.get_mut(key) {
                wait.held = at;
            }
        }
    }

    fn weigh(&mut self, program: &Program, property: usize, key: &Value) {
        let Ask::AllOrNothing { facts, .. } = &program.properties[property].ask else { return };
        let stands =
            |fact: &FactRef| self.knowledge.facts[fact.0 as usize].get(key).is_some_and(|stood| stood.count > 0);
        let standing = facts.iter().filter(|fact| stands(fact)).count();
        let whole = standing == 0 || standing == facts.len();
        let at = self.at;
        let of = &mut self.standings[property];
        of.asked += 1;
        match of.waits.get_mut(key) {
            None if standing == 0 => {}
            None => {
                let wait = Wait { event: small(self.event), since: at, held: Instant::NEVER, whole };
                of.waits.insert(key.clone(), wait);
                of.turns.push((key.clone(), at, whole));
            }
            Some(wait) if wait.whole == whole => {}
            Some(wait) => {
                wait.whole = whole;
                of.turns.push((key.clone(), at, whole));
            }
        }
    }

    fn compare(&mut self, program: &Program, plan: &Plan, property: usize) {
        let HowAsked::Conserved(formula) = &plan.properties[property].how else { return };
        self.standings[property].asked += 1;
        let bench = self.bench(program, plan);
        match (bench.exact_number(formula), &self.standings[property].start) {
            (Err(error), _) => self.trouble(|| property_words(program, property, None), error),
            (Ok(now), Some(start)) if now != *start => {
                let read = read_run(&bench, formula);
                let (now, start) = (now.words(), start.words());
                let words = format!("{} is {now}; it was {start} at the start{}", formula.expr, in_parentheses(&read));
                self.find(program, property, None, words, read);
            }
            (Ok(_), _) => {}
        }
    }

    /// Keeps what broke a property first.
    fn find(
        &mut self,
        program: &Program,
        property: usize,
        whose: Option<(&Question, &Value)>,
        words: String,
        read: Vec<Reading>,
    ) {
        self.see(program, property, whose, words, read);
        self.broke.get_or_insert(Broke::Property(property));
    }

    /// Keeps what was seen first.
    fn see(
        &mut self,
        program: &Program,
        property: usize,
        whose: Option<(&Question, &Value)>,
        words: String,
        read: Vec<Reading>,
    ) {
        let whose = whose.filter(|(question, _)| !question.is_about_no_key());
        let class = whose.and_then(|(question, _)| question.class);
        let words = match whose {
            Some((_, key)) => format!("{}: {words}", words::key(program, class, key)),
            None => words,
        };
        let violation = Violation {
            property: program.properties[property].name.clone(),
            class,
            key: whose.map(|(_, key)| key.clone()),
            event: self.event,
            at: self.at,
            read,
        };
        self.standings[property].found = Some(Box::new((violation, words)));
    }

    /// Notes an expression that has no value; the first one is a finding.
    #[cold]
    pub(super) fn trouble(&mut self, place: impl FnOnce() -> String, error: EvalError) {
        match &mut self.troubles {
            Some(troubles) => troubles.count += 1,
            None => {
                let detail = format!("{}: {error}", place());
                self.troubles = Some(Troubles { event: self.event, at: self.at, detail, count: 1 });
                self.broke.get_or_insert(Broke::Expression);
            }
        }
    }

    /// Asks the formulas that name something that has changed.
    fn ask_formulas(&mut self, program: &Program, plan: &Plan) {
        self.stale = false;
        for live in 0..plan.lives.len() {
            let named_now = plan.triggers.live_always.contains(&(live as u16));
            if std::mem::replace(&mut self.seen[live].stale, false) || named_now {
                self.ask_formula(program, plan, live);
            }
        }
    }

    fn ask_formula(&mut self, program: &Program, plan: &Plan, place: usize) {
        let live = &plan.lives[place];
        let window = live.formula.window.map(|window| plan.windows[window]);
        if self.seen[place].first.is_some() || window.is_some_and(|window| !window.contains(self.at)) {
            return;
        }
        let bench = self.bench(program, plan);
        match live.how {
            HowLive::Peak => match bench.number(&live.formula) {
                Ok(number) => {
                    let peak = &mut self.seen[place].peak;
                    *peak = number.as_f64().into_iter().chain(*peak).max_by(f64::total_cmp);
                }
                Err(error) => self.trouble(|| live.formula.expr.to_string(), error),
            },
            HowLive::First | HowLive::Sometimes(_) => match bench.holds(&live.formula) {
                Ok(true) => {
                    let read = read_run(&bench, &live.formula);
                    self.seen[place].first = Some((self.event, self.at));
                    if let HowLive::Sometimes(property) = live.how {
                        let words = stands(&live.formula.expr, &read);
                        self.see(program, property, None, words, read);
                    }
                }
                // Nothing to divide by yet is no value, not a mistake.
                Ok(false) | Err(EvalError::DivisionByZero) => {}
                Err(error) => self.trouble(|| live.formula.expr.to_string(), error),
            },
        }
    }

    /// Keeps the counters at the edges of windows, before the event at hand.
    #[cold]
    fn cross_edges(&mut self, program: &Program, plan: &Plan) {
        while let Some((at, window, is_end)) = plan.edges.get(self.next_edge).filter(|edge| edge.0 <= self.at) {
            self.next_edge += 1;
            self.count_waste(*at);
            let edges = &mut self.tally.windows[*window];
            let counts = Some(Box::new(self.tally.now.clone()));
            if *is_end {
                edges.end = counts;
                if plan.keeps_log {
                    edges.cells = Some(self.knowledge.cells.clone());
                }
                continue;
            }
            edges.begin = counts;
            for live in 0..plan.lives.len() {
                if plan.lives[live].formula.window == Some(*window) {
                    self.seen[live].stale = true;
                    self.stale = true;
                    // What stands at the beginning of the window counts, even if this event changes it.
                    if plan.lives[live].how == HowLive::Peak {
                        let here = std::mem::replace(&mut self.at, *at);
                        self.ask_formula(program, plan, live);
                        self.at = here;
                    }
                }
            }
        }
        self.next_edge_at = plan.edges.get(self.next_edge).map_or(Instant::NEVER, |edge| edge.0);
    }

    /// What is known of keys inside a window: facts and requests of then, and cells as they were at its end.
    pub(super) fn knowledge_of(&self, program: &Program, plan: &Plan, window: usize) -> Knowledge {
        let mut inside = Knowledge::new(program);
        let bounds = plan.windows[window];
        for (at, event, logged) in self.log.iter().filter(|(at, ..)| bounds.contains(*at)) {
            match logged {
                Logged::Fact(fact, key, times) => inside.record(*fact, key, *times, *at, *event),
                Logged::Requested(workload, key) => inside.request(*workload, key, *at),
                Logged::Finished(workload, key, tone) => inside.finish(*workload, key, *tone),
            }
        }
        inside.cells = self.tally.windows[window].cells.clone().unwrap_or_else(|| self.knowledge.cells.clone());
        inside
    }
}

/// The property in words, and the key.
pub(super) fn property_words(program: &Program, property: usize, whose: Option<(&Question, &Value)>) -> String {
    let name = &program.properties[property].name;
    match whose {
        Some((question, key)) => format!("\"{name}\", {}", words::key(program, question.class, key)),
        None => format!("\"{name}\""),
    }
}

fn question_of(plan: &Plan, target: u16) -> Option<&Question> {
    plan.targets[target as usize].question(&plan.counts)
}

/// The counter of a sort of outcome of a workload's requests; none of those that are counted by what they are.
const fn split_of_node(sort: Sort) -> Option<NodeCounter> {
    match sort {
        Sort::Ok => None,
        Sort::Rejected => Some(NodeCounter::Rejected),
        Sort::Failed => Some(NodeCounter::Failed),
        Sort::Unsure => Some(NodeCounter::Unsure),
        Sort::Shed => Some(NodeCounter::Shed),
        Sort::Open => Some(NodeCounter::Open),
        Sort::Exhausted => Some(NodeCounter::Exhausted),
    }
}

/// The counter of a sort of error on an edge. An open breaker of the callee's own is a failure to its caller.
const fn split_of_edge(sort: Sort) -> EdgeCounter {
    match sort {
        Sort::Rejected => EdgeCounter::Rejected,
        Sort::Shed => EdgeCounter::Shed,
        Sort::Ok | Sort::Failed | Sort::Unsure | Sort::Open | Sort::Exhausted => EdgeCounter::Failed,
    }
}

const fn counter_of(counted: Counted) -> NodeCounter {
    match counted {
        Counted::Call => NodeCounter::Calls,
        Counted::Ok => NodeCounter::Ok,
        Counted::Error => NodeCounter::Error,
        Counted::Unknown => NodeCounter::Unknown,
        Counted::Overloaded => NodeCounter::Overloaded,
        Counted::Refused => NodeCounter::Refused,
        Counted::Dropped => NodeCounter::Dropped,
        Counted::Unmet => NodeCounter::Unmet,
        Counted::Rollback => NodeCounter::Rollbacks,
        Counted::Deadlock => NodeCounter::Deadlocks,
        Counted::Conflict => NodeCounter::Conflicts,
        Counted::SagaStuck => NodeCounter::SagasStuck,
        Counted::Logged => NodeCounter::Logged,
        Counted::Forced => NodeCounter::Forced,
        Counted::Heuristic => NodeCounter::Heuristics,
        Counted::Mixed => NodeCounter::Mixed,
        Counted::Hazard => NodeCounter::Hazards,
        Counted::Published => NodeCounter::Published,
        Counted::Delivered => NodeCounter::Delivered,
        Counted::Redelivered => NodeCounter::Redelivered,
        Counted::Acked => NodeCounter::Acked,
        Counted::Dead => NodeCounter::Dead,
        Counted::Expired | Counted::Aged => NodeCounter::Expired,
        Counted::Hit => NodeCounter::Hits,
        Counted::Miss => NodeCounter::Misses,
        Counted::Evicted => NodeCounter::Evicted,
        Counted::Open => NodeCounter::Open,
        Counted::Limited => NodeCounter::Limited,
    }
}
