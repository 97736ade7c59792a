//! What is counted of the whole run, and of stretches of it.
//!
//! Counters are exact. A window keeps the counters as they stood at its edges: what happened in it is the difference. Latency
//! runs from when a request was to begin to its outcome, whatever that is; a request without one has no latency.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use sim_core::{Instant, NodeId, Ratio};

use crate::keymap::KeyMap;
use crate::message::Tone;
use crate::policy::breaker;
use crate::program::{EdgeCounter, EdgeRef, NodeCounter, NodeRef, Program};
use crate::stats::nearest_rank;

use super::question::Cell;
use super::waste::Waste;

/// Counters of each node.
const NODE_SLOTS: usize = 39;
/// Counters of each edge.
const EDGE_SLOTS: usize = 17;

/// The place of a node's counter among its counters; none for what is worked out and for gauges.
const fn node_slot(counter: NodeCounter) -> Option<usize> {
    match counter {
        NodeCounter::Requests => Some(0),
        NodeCounter::Ok => Some(1),
        NodeCounter::Error => Some(2),
        NodeCounter::Unknown => Some(3),
        NodeCounter::Calls => Some(4),
        NodeCounter::Overloaded => Some(5),
        NodeCounter::Refused => Some(6),
        NodeCounter::Dropped => Some(7),
        NodeCounter::Wasted => Some(8),
        NodeCounter::Crashes => Some(9),
        NodeCounter::Unmet => Some(10),
        NodeCounter::Rollbacks => Some(11),
        NodeCounter::Deadlocks => Some(12),
        NodeCounter::SagasStuck => Some(13),
        NodeCounter::Logged => Some(14),
        NodeCounter::Forced => Some(15),
        NodeCounter::Heuristics => Some(16),
        NodeCounter::Mixed => Some(17),
        NodeCounter::Published => Some(18),
        NodeCounter::Delivered => Some(19),
        NodeCounter::Redelivered => Some(20),
        NodeCounter::Acked => Some(21),
        NodeCounter::Dead => Some(22),
        NodeCounter::Expired => Some(23),
        NodeCounter::Killed => Some(24),
        NodeCounter::Hits => Some(25),
        NodeCounter::Misses => Some(26),
        NodeCounter::Evicted => Some(27),
        // In nanoseconds.
        NodeCounter::WastedTime => Some(28),
        NodeCounter::Conflicts => Some(29),
        NodeCounter::Rejected => Some(30),
        NodeCounter::Failed => Some(31),
        NodeCounter::Unsure => Some(32),
        NodeCounter::Shed => Some(33),
        NodeCounter::Open => Some(34),
        NodeCounter::Exhausted => Some(35),
        NodeCounter::Limited => Some(36),
        NodeCounter::Hazards => Some(37),
        // The ends of all that is over, without the beginnings of all, in nanoseconds.
        NodeCounter::InDoubtTime => Some(38),
        NodeCounter::Unanswered
        | NodeCounter::Availability
        | NodeCounter::P50
        | NodeCounter::P90
        | NodeCounter::P99
        | NodeCounter::P999
        | NodeCounter::Busy
        | NodeCounter::Waiting
        | NodeCounter::InFlight
        | NodeCounter::InDoubt
        | NodeCounter::LockWaiters
        | NodeCounter::Oldest
        | NodeCounter::Goodput
        | NodeCounter::Offered => None,
    }
}

/// The place of a node's counter; none for what is worked out and for gauges.
#[inline]
pub(super) const fn node_place(node: NodeRef, counter: NodeCounter) -> Option<usize> {
    match node_slot(counter) {
        Some(slot) => Some(node.0 as usize * NODE_SLOTS + slot),
        None => None,
    }
}

/// The place of an edge's counter, behind those of so many nodes.
#[inline]
pub(super) const fn edge_place(nodes: usize, edge: EdgeRef, counter: EdgeCounter) -> usize {
    let slot = match counter {
        EdgeCounter::Calls => 0,
        EdgeCounter::Retries => 1,
        EdgeCounter::Ok => 2,
        EdgeCounter::Error => 3,
        EdgeCounter::Unknown => 4,
        EdgeCounter::Late => 5,
        EdgeCounter::Open => 6,
        EdgeCounter::Limited => 7,
        // How often it has changed; what it is stands with the gauges.
        EdgeCounter::Breaker => 8,
        EdgeCounter::Ejected => 9,
        EdgeCounter::Hedges => 10,
        EdgeCounter::Coalesced => 11,
        EdgeCounter::Exhausted => 12,
        EdgeCounter::Rejected => 13,
        EdgeCounter::Failed => 14,
        EdgeCounter::Shed => 15,
        // How many asked for it: what calls are divided by.
        EdgeCounter::Amplification => 16,
    };
    nodes * NODE_SLOTS + edge.0 as usize * EDGE_SLOTS + slot
}

/// How many places there are.
pub(super) const fn places(program: &Program) -> usize {
    program.nodes.len() * NODE_SLOTS + program.edges.len() * EDGE_SLOTS
}

/// A stretch of the run; half open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) begin: Instant,
    pub(super) end: Instant,
}

impl Window {
    pub(super) fn contains(self, at: Instant) -> bool {
        self.begin <= at && at < self.end
    }
}

/// The counters at one instant.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) counters: Vec<u64>,
    /// Of each fact, over all keys.
    pub(super) totals: Vec<i64>,
    /// Busy, waiting and in doubt, of each declared node.
    pub(super) gauges: Vec<[i64; 3]>,
    /// When the oldest message of each declared queue was published, if it has one.
    pub(super) oldest: Vec<Option<Instant>>,
    /// The breakers that are not closed, by edge, kernel node and place there.
    pub(super) breakers: BTreeMap<(EdgeRef, NodeId, u32), breaker::State>,
}

impl Counts {
    /// What the breakers of an edge are together: open when one is, half-open when one is and none is open.
    pub(super) fn breaker(&self, edge: EdgeRef) -> breaker::State {
        let of_edge = self.breakers.iter().filter(|((of, ..), _)| *of == edge).map(|(_, state)| *state);
        of_edge.min_by_key(|state| *state != breaker::State::Open).unwrap_or(breaker::State::Closed)
    }
}

/// The edges of a window, as far as they have been reached.
#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    pub(super) begin: Option<Box<Counts>>,
    pub(super) end: Option<Box<Counts>>,
    /// What the maps held at its end, when conditions about keys are asked of this window.
    pub(super) cells: Option<Vec<KeyMap<Cell>>>,
}

/// One finished request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// When it was to begin.
    pub(super) since: Instant,
    /// How long it took.
    pub(super) nanos: u64,
    /// What became of it.
    pub(super) tone: Tone,
}

/// How many requests were ok, of those with an outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    pub(super) ok: u64,
    pub(super) answered: u64,
}

impl Share {
    pub(super) fn add(&mut self, tone: Tone) {
        self.ok += u64::from(tone == Tone::Ok);
        self.answered += 1;
    }

    pub(super) fn ratio(self) -> Option<f64> {
        (self.answered > 0).then(|| self.ok as f64 / self.answered as f64)
    }

    /// Whether it is at least so much; decided in integers.
    pub(super) fn is_at_least(self, least: Ratio) -> bool {
        u128::from(self.ok) * u128::from(Ratio::ONE.parts()) >= u128::from(self.answered) * u128::from(least.parts())
    }
}

/// Everything that is counted.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) now: Counts,
    /// Busy and waiting, of each kernel node, so that a crash can take them.
    pub(super) by_replica: Vec<[i64; 2]>,
    /// By declared node; only workloads have any.
    pub(super) samples: Vec<Vec<Sample>>,
    pub(super) windows: Vec<Edges>,
    /// Who waits for what, where wasted time is asked for.
    pub(super) waste: Waste,
}

impl Tally {
    pub(super) fn new(program: &Program, windows: usize) -> Tally {
        let nodes = program.nodes.len();
        let now = Counts {
            counters: vec![0; places(program)],
            totals: vec![0; program.facts.len()],
            gauges: vec![[0; 3]; nodes],
            oldest: vec![None; nodes],
            breakers: BTreeMap::new(),
        };
        Tally {
            now,
            by_replica: vec![[0; 2]; program.replicas.len()],
            samples: vec![Vec::new(); nodes],
            windows: vec![Edges::default(); windows],
            waste: Waste::new(nodes),
        }
    }

    /// The counters at the end of a window, or now.
    pub(super) fn until(&self, window: Option<usize>) -> &Counts {
        window.and_then(|window| self.windows[window].end.as_deref()).unwrap_or(&self.now)
    }

    /// The counters at the beginning of a window that has begun.
    fn since(&self, window: usize) -> Option<&Counts> {
        self.windows[window].begin.as_deref()
    }

    /// A counter, inside a window.
    pub(super) fn counter(&self, place: usize, window: Option<usize>) -> u64 {
        let until = self.until(window).counters[place];
        match window {
            None => until,
            Some(window) => self.since(window).map_or(0, |since| until - since.counters[place]),
        }
    }

    /// How long workers of a node were held for nobody up to now, or inside a stretch, in nanoseconds.
    pub(super) fn wasted(&self, node: NodeRef, window: Option<(usize, Window)>, now: Instant) -> u64 {
        let place = node_place(node, NodeCounter::WastedTime);
        let counted = place.map_or(0, |place| self.counter(place, window.map(|(window, _)| window)));
        let uncounted = match window {
            None => self.waste.uncounted(node, Instant::ZERO, now),
            Some((window, _)) if self.windows[window].end.is_some() => 0,
            Some((_, bounds)) => self.waste.uncounted(node, bounds.begin, bounds.end.min(now)),
        };
        counted + uncounted
    }

    /// How long transactions were in doubt at a store, all together, in seconds; inside a window that ends then, or until now.
    pub(super) fn in_doubt_time(&self, node: NodeRef, window: Option<(usize, Window)>, now: Instant) -> f64 {
        let Some(place) = node_place(node, NodeCounter::InDoubtTime) else { return 0.0 };
        let until = |counts: &Counts, at: Instant| {
            let open = counts.gauges[node.0 as usize][2].wrapping_mul(at.nanos() as i64);
            (counts.counters[place] as i64).wrapping_add(open)
        };
        let nanos = match window {
            None => until(&self.now, now),
            Some((place, Window { begin, end })) => {
                let since = self.since(place).map_or(0, |counts| until(counts, begin));
                until(self.until(Some(place)), end.min(now)).wrapping_sub(since)
            }
        };
        nanos as f64 / 1e9
    }

    /// How often a fact stands over all keys, or was added inside a window.
    pub(super) fn total(&self, fact: usize, window: Option<usize>) -> i64 {
        let until = self.until(window).totals[fact];
        match window {
            None => until,
            Some(window) => self.since(window).map_or(0, |since| until - since.totals[fact]),
        }
    }

    /// The latencies of a workload's requests that were to begin in a window.
    pub(super) fn latencies(&self, workload: NodeRef, window: Option<Window>) -> Vec<u64> {
        let samples = self.samples[workload.0 as usize].iter();
        let inside = samples.filter(|sample| window.is_none_or(|window| window.contains(sample.since)));
        inside.map(|sample| sample.nanos).collect()
    }
}

/// How long a request took that has its outcome at an instant: since it was to begin, whatever the outcome is.
#[inline]
pub(crate) const fn latency_ns(outcome: Instant, since: Instant) -> u64 {
    outcome.since(since).nanos()
}

/// The place of a share among so many sorted samples, from 1: the nearest rank, no less than that share is at or below it.
pub(crate) fn rank(share: Ratio, samples: usize) -> usize {
    nearest_rank(share, samples as u64) as usize
}

/// The nearest-rank percentile; none without a sample. The samples are reordered.
pub(crate) fn percentile(share: Ratio, samples: &mut [u64]) -> Option<u64> {
    if samples.is_empty() {
        return None;
    }
    Some(*samples.select_nth_unstable(rank(share, samples.len()) - 1).1)
}

/// A percentile kept up to date sample by sample, for formulas that are asked while the run goes on.
#[derive(Clone, Debug)]
pub(super) struct Quantile {
    share: Ratio,
    low: BinaryHeap<u64>,
    high: BinaryHeap<Reverse<u64>>,
}

impl Quantile {
    pub(super) fn new(share: Ratio) -> Quantile {
        Quantile { share, low: BinaryHeap::new(), high: BinaryHeap::new() }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        (self.low.len() + self.high.len()) * size_of::<u64>()
    }

    pub(super) fn push(&mut self, sample: u64) {
        self.low.push(sample);
        self.high.extend(self.low.pop().map(Reverse));
        if self.low.len() < rank(self.share, self.low.len() + self.high.len()) {
            self.low.extend(self.high.pop().map(|Reverse(sample)| sample));
        }
    }

    pub(super) fn value(&self) -> Option<u64> {
        self.low.peek().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let check = |share: &str, count: u64, expected| {
            let mut samples: Vec<u64> = (1..=count).rev().collect();
            assert_eq!(percentile(share.parse().unwrap(), &mut samples), expected, "{share} of {count}");
        };
        check("50%", 0, None);
        check("50%", 1, Some(1));
        check("50%", 4, Some(2));
        check("50%", 5, Some(3));
        check("99%", 100, Some(99));
        check("99%", 101, Some(100));
        check("99.9%", 1000, Some(999));
        check("0%", 10, Some(1));
        check("100%", 10, Some(10));
    }

    proptest! {
        #[test]
        fn a_percentile_kept_up_to_date_is_the_one_worked_out_at_the_end(
            samples in prop::collection::vec(0u64..50, 1..80),
            percent in 0u64..=100,
        ) {
            let share = Ratio::new(percent, 100).unwrap();
            let mut kept = Quantile::new(share);
            for sofar in 1..=samples.len() {
                kept.push(samples[sofar - 1]);
                prop_assert_eq!(kept.value(), percentile(share, &mut samples[..sofar].to_vec()));
            }
        }
    }
}
