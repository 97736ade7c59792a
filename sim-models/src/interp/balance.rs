//! Which replica a request goes to: by the balance of the service that is called, among those that are listed and, where outlier
//! detection is on, have not been taken out by this caller.

use sim_core::seed::{mix, name_hash};
use sim_core::{Instant, NodeId, Purpose};

use super::service::{Cx, PICK, Service};
use super::thread::{Phase, Thread};
use crate::message::{EdgeCounted, Note, Outcome};
use crate::policy::balance::Smooth;
use crate::policy::outlier::{Answer, Outlier};
use crate::policy::slow_start::Turns;
use crate::program::{Balance, EdgeRef, NodeRef, Program, Reason, ServiceDef};
use crate::slab::Key;

/// What enforcing and jitter of outlier detection are drawn for.
const EJECT: Purpose = Purpose::new("eject");

/// What a replica knows of the replicas that it calls.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Callee {
    pub(super) node: NodeRef,
    /// On which calls are counted.
    edge: EdgeRef,
    /// Turns by weight.
    #[serde(skip_serializing_if = "is_untouched")]
    smooth: Smooth,
    /// Turns by the shares of those that have just come.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow: Option<Box<Turns>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outlier: Option<Outlier>,
}

fn is_untouched(smooth: &Smooth) -> bool {
    *smooth == Smooth::default()
}

/// Those of the nodes that this one calls of which it has something to remember, from its start on.
pub(super) fn callees(program: &Program, me: NodeRef, now: Instant) -> Vec<Callee> {
    let callee = |(edge, (from, to)): (usize, &(NodeRef, NodeRef))| {
        let def = program.service(*to).filter(|_| *from == me)?;
        let outlier = def.outlier.as_ref();
        let outlier = outlier.map(|def| Outlier::new(def.rule, program.node(*to).replicas.len(), now));
        let slow = def.slow_start.map(|_| Box::default());
        let remembers = outlier.is_some() || slow.is_some() || def.balance == Balance::Weighted;
        let edge = EdgeRef(edge as u16);
        remembers.then(|| Callee { node: *to, edge, smooth: Smooth::default(), slow, outlier })
    };
    program.edges.iter().enumerate().filter_map(callee).collect()
}

impl Service {
    /// The replica that a request of this thread goes to; none when nobody is listed.
    pub(super) fn replica(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        thread: Key,
        callee: NodeRef,
    ) -> Option<NodeId> {
        let all = &program.node(callee).replicas;
        let def = program.service(callee)?;
        if let ([only], None) = (&all[..], &def.outlier) {
            return cx.is_up(*only).then_some(*only);
        }
        if def.outlier.is_some() {
            self.look_at(cx, program, callee);
        }
        if def.balance == Balance::RoundRobin && def.slow_start.is_none() {
            let count = self.there(cx, program, callee).count();
            let at = self.turn(callee, count)?;
            if count == all.len() {
                return all.get(at).copied();
            }
            return self.there(cx, program, callee).nth(at);
        }
        let there = self.there(cx, program, callee).collect();
        self.one_of(cx, program, thread, (callee, def), there)
    }

    /// The replicas that may be asked: those that are listed, without those that this caller has taken out unless too few are left.
    fn there(&self, cx: &Cx<'_>, program: &Program, callee: NodeRef) -> impl Iterator<Item = NodeId> {
        let known = self.callees.iter().find(|known| known.node == callee);
        let outlier = known.and_then(|known| known.outlier.as_ref()).filter(|outlier| outlier.leaves_out());
        let is_out = move |place| outlier.is_some_and(|outlier| outlier.is_out(place));
        let replicas = program.node(callee).replicas.iter().copied().enumerate();
        replicas.filter(move |(place, node)| cx.is_up(*node) && !is_out(*place)).map(|(_, node)| node)
    }

    fn turn(&mut self, callee: NodeRef, of: usize) -> Option<usize> {
        let turn = &mut self.turns[callee.0 as usize];
        let at = (*turn as usize).checked_rem(of)?;
        *turn = turn.wrapping_add(1);
        Some(at)
    }

    fn one_of(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        thread: Key,
        (callee, def): (NodeRef, &ServiceDef),
        there: Vec<NodeId>,
    ) -> Option<NodeId> {
        if let Some(node) = self.slow_turn(cx, program, (callee, def), &there) {
            return Some(node);
        }
        match def.balance {
            Balance::RoundRobin => self.turn(callee, there.len()).map(|at| there[at]),
            Balance::Random => cx.pick(PICK, &there),
            Balance::LeastRequest => least(cx, &there, |node| self.open_at(node)),
            Balance::JoinShortest => {
                let loads: Vec<u32> = there.iter().map(|node| cx.shared().load(*node)).collect();
                let load = |node: NodeId| there.iter().position(|other| *other == node).map_or(0, |at| loads[at]);
                least(cx, &there, load)
            }
            Balance::Choices { count, again } => self.choose(cx, there, count, again),
            Balance::Weighted => {
                let node = program.node(callee);
                let weight = |id: NodeId| {
                    let place = node.replicas.iter().position(|other| *other == id)?;
                    Some((place, def.weight(place)))
                };
                let there: Vec<(usize, u32)> = there.into_iter().filter_map(weight).collect();
                let at = self.callee(callee)?.smooth.turn(&there)?;
                node.replicas.get(at).copied()
            }
            Balance::ConsistentHash(by) => {
                let key = by.map(|slot| self.seen(thread).values[slot.0 as usize].clone());
                let key = match key.filter(|key| !key.is_null()) {
                    Some(key) => name_hash(&key.to_string()),
                    None => operation_key(cx, program),
                };
                let replicas = &program.node(callee).replicas;
                let is_there = |place: usize| replicas.get(place).is_some_and(|node| there.contains(node));
                def.ring.as_ref()?.of(mix(key, RING), is_there).map(|place| replicas[place])
            }
        }
    }

    /// The one whose turn it is where somebody has just come; none where turns are as ever.
    fn slow_turn(
        &mut self,
        cx: &Cx<'_>,
        program: &Program,
        (callee, def): (NodeRef, &ServiceDef),
        there: &[NodeId],
    ) -> Option<NodeId> {
        let rule = def.slow_start?;
        let replicas = &program.node(callee).replicas;
        let place = |node: &NodeId| replicas.iter().position(|other| other == node);
        let there: Vec<usize> = there.iter().filter_map(place).collect();
        let open: Vec<u32> = replicas.iter().map(|node| self.open_at(*node)).collect();
        let weight = |place: usize| match def.balance {
            // Envoy's least request divides the weight by what is open, with one more.
            Balance::LeastRequest => 1.0 / (f64::from(open[place]) + 1.0),
            _ => 1.0,
        };
        let at = self.callee(callee)?.slow.as_mut()?.turn(rule, cx.now(), &there, weight)?;
        replicas.get(at).copied()
    }

    /// How many requests of this caller are open at a node.
    pub(super) fn open_at(&self, node: NodeId) -> u32 {
        self.open.get(node.0 as usize).copied().unwrap_or_default()
    }

    /// The one of some drawn ones that has the fewest requests of this caller open; of several the first that was drawn.
    fn choose(&mut self, cx: &mut Cx<'_>, mut there: Vec<NodeId>, count: u32, again: bool) -> Option<NodeId> {
        let mut best: Option<NodeId> = None;
        for _ in 0..count {
            let Some(one) = cx.pick(PICK, &there) else { break };
            if best.is_none_or(|best| self.open_at(one) < self.open_at(best)) {
                best = Some(one);
            }
            if !again {
                there.retain(|other| *other != one);
            }
        }
        best
    }

    #[inline]
    pub(super) fn callee(&mut self, node: NodeRef) -> Option<&mut Callee> {
        self.callees.iter_mut().find(|callee| callee.node == node)
    }

    /// Tells outlier detection who is listed, and lets it do what its timer has done by now.
    fn look_at(&mut self, cx: &mut Cx<'_>, program: &Program, callee: NodeRef) -> Option<&mut Callee> {
        let replicas = &program.node(callee).replicas;
        let known = self.callee(callee)?;
        let outlier = known.outlier.as_mut()?;
        outlier.lists(replicas.iter().map(|node| cx.is_up(*node)));
        if outlier.is_due(cx.now()) {
            sweep(cx, known.edge, outlier);
        }
        Some(known)
    }

    /// What came of a request to a replica.
    pub(super) fn saw(&mut self, cx: &mut Cx<'_>, program: &Program, to: NodeId, outcome: &Outcome) {
        let (node, number) = program.replicas[to.0 as usize];
        let Some(def) = program.service(node).and_then(|def| def.outlier.as_ref()) else { return };
        let answer = match outcome {
            Outcome::Ok(_) => Answer::Below500,
            Outcome::Unknown(_) => Answer::GatewayError,
            Outcome::Error(Reason::REFUSED | Reason::OVERLOADED | Reason::UNAVAILABLE) => Answer::GatewayError,
            Outcome::Error(reason) if def.counts.contains(reason) => Answer::ServerError,
            Outcome::Error(_) => Answer::Below500,
        };
        let Some(Callee { edge, outlier: Some(outlier), .. }) = self.look_at(cx, program, node) else { return };
        let (now, edge, place) = (cx.now(), *edge, number as usize - 1);
        if outlier.saw(place, answer, now, &mut |bound| cx.below(EJECT, bound)).is_some() {
            cx.note(Note::Edge(edge, EdgeCounted::Ejected));
        }
    }

    /// A try in this frame of a thread has taken too long. When it is the one that asked, so has whomever it asked; what stands inside
    /// of something that has taken too long is given up, and nobody is to blame.
    pub(super) fn saw_timeout(&mut self, cx: &mut Cx<'_>, program: &Program, thread: Key, depth: usize) {
        if self.callees.is_empty() {
            return;
        }
        let is_top = |thread: &&mut Thread| thread.frames.len() == depth + 1;
        let attempt = self.threads.get_mut(thread).filter(is_top).and_then(Thread::attempt);
        let out: Vec<Key> = match attempt.map(|attempt| &attempt.phase) {
            Some(Phase::Calling(out)) => vec![*out],
            // Of one that is late it has been heard.
            Some(Phase::Racing(race)) => {
                race.out.iter().filter(|runner| !runner.is_late).map(|runner| runner.pending).collect()
            }
            _ => Vec::new(),
        };
        for pending in out {
            if let Some(to) = self.pending.get(pending).map(|pending| pending.to) {
                self.saw(cx, program, to, &Outcome::Unknown(Reason::TIMEOUT));
            }
        }
    }

    /// How many requests this replica has, for callers that look: at work, in line, or hung.
    pub(super) fn load(&self) -> u32 {
        self.busy + self.line.len() as u32 + self.hung
    }
}

/// What the timer of outlier detection does when it is due.
#[cold]
#[inline(never)]
fn sweep(cx: &mut Cx<'_>, edge: EdgeRef, outlier: &mut Outlier) {
    let mut ejected = 0;
    outlier.look(cx.now(), &mut |bound| cx.below(EJECT, bound), &mut |_, _| ejected += 1);
    (0..ejected).for_each(|_| cx.note(Note::Edge(edge, EdgeCounted::Ejected)));
}

/// Keeps a key on the ring apart from what else it is hashed for.
const RING: u64 = name_hash("ring");

/// What stands for the operation at hand: `order/17`.
fn operation_key(cx: &Cx<'_>, program: &Program) -> u64 {
    let Some((class, number)) = cx.cause().operation.parts() else { return 0 };
    let class = program.classes.get(class.0 as usize).map_or("", String::as_str);
    mix(name_hash(class), number)
}

/// One with the least of something; of several any, drawn.
fn least(cx: &mut Cx<'_>, there: &[NodeId], of: impl Fn(NodeId) -> u32) -> Option<NodeId> {
    let least = there.iter().map(|node| of(*node)).min()?;
    let mut best: Vec<NodeId> = there.iter().copied().filter(|node| of(*node) == least).collect();
    if best.len() == 1 { best.pop() } else { cx.pick(PICK, &best) }
}
