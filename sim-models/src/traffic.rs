//! What became of requests as time went by: a run cut into stretches, each with its counts and latencies, and when faults held.
//!
//! It watches a run and never touches it. A request belongs to the stretch in which it was to begin, whatever becomes of it later, so
//! that slow answers make no later stretch look bad, and those that never came are missing nowhere.

use std::collections::BTreeMap;

use sim_core::{Duration, Happening, Histogram, Instant, Sim, Step};

use crate::judge::latency_ns;
use crate::message::{Msg, Note, Tone};

/// What became of the requests that were to begin in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Those that ended ok.
    pub ok: u64,
    /// Those that ended in error.
    pub error: u64,
    /// Those that ended without anybody knowing.
    pub unknown: u64,
    /// Those that had no outcome when the run ended.
    pub unanswered: u64,
    /// How long those took that have an outcome, whatever it is.
    pub latencies: Histogram,
}

/// Stretches of equal length, from the beginning of a run on; it begins with short ones, and puts them together as time goes by.
///
/// Those of several runs are added stretch by stretch: any split of the runs in any order gives the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The place of the length in [`LENGTHS`].
    length: usize,
    stretches: Vec<Stretch>,
}

/// A time during which a fault of the schedule held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its place in the schedule.
    pub fault: u32,
    /// When it began.
    pub from: Instant,
    /// When it ended; none: it held when the run ended.
    pub to: Option<Instant>,
}

/// Watches a run.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    traffic: Traffic,
    /// When the requests began that have no outcome yet, by workload and number.
    open: BTreeMap<(u16, u64), Instant>,
    held: Vec<Held>,
    /// How many nodes each fault holds that holds any.
    depths: BTreeMap<u32, u32>,
    more_held: u64,
}

/// What was seen of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Its requests.
    pub traffic: Traffic,
    /// When faults held, in the order in which they began: the first so many.
    pub held: Vec<Held>,
    /// How often faults held beside those.
    pub more_held: u64,
}

/// A stretch with its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first instant inside.
    pub from: Instant,
    /// The first instant no longer inside.
    pub to: Instant,
    /// What became of the requests.
    pub stretch: Stretch,
}

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;
/// Lengths that stretches can have while a run is watched; each is a multiple of those before it.
const LENGTHS: [u64; 15] = [
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    SECOND,
    10 * SECOND,
    60 * SECOND,
    600 * SECOND,
    3_600 * SECOND,
    6 * 3_600 * SECOND,
    DAY,
    10 * DAY,
    100 * DAY,
];
/// Stretches at most, of all lengths but the last: six hundred years have less than that of it.
const MOST: usize = 3_000;
/// How often faults held that are told one by one.
const HELD: usize = 200;

impl Stretch {
    /// Requests that were to begin in it.
    pub fn begun(&self) -> u64 {
        self.ok + self.error + self.unknown + self.unanswered
    }

    fn merge(&mut self, other: &Stretch) {
        self.ok += other.ok;
        self.error += other.error;
        self.unknown += other.unknown;
        self.unanswered += other.unanswered;
        self.latencies.merge(&other.latencies);
    }
}

impl Traffic {
    fn at(&mut self, begun: Instant) -> &mut Stretch {
        while begun.nanos() / LENGTHS[self.length] >= MOST as u64 && self.length + 1 < LENGTHS.len() {
            self.lengthen(self.length + 1);
        }
        let place = (begun.nanos() / LENGTHS[self.length]) as usize;
        if place >= self.stretches.len() {
            self.stretches.resize(place + 1, Stretch::default());
        }
        &mut self.stretches[place]
    }

    /// Puts stretches together until they have that length.
    fn lengthen(&mut self, length: usize) {
        let factor = (LENGTHS[length] / LENGTHS[self.length]) as usize;
        self.stretches = self.stretches.chunks(factor).map(together).collect();
        self.length = length;
    }

    /// Adds what another run, or several, have shown.
    pub fn merge(&mut self, other: &Traffic) {
        let length = self.length.max(other.length);
        self.lengthen(length);
        let mut other = other.clone();
        other.lengthen(length);
        if self.stretches.len() < other.stretches.len() {
            self.stretches.resize(other.stretches.len(), Stretch::default());
        }
        for (mine, theirs) in self.stretches.iter_mut().zip(&other.stretches) {
            mine.merge(theirs);
        }
    }

    /// All stretches together.
    pub fn total(&self) -> Stretch {
        together(&self.stretches)
    }

    /// The time up to `end` in at most so many stretches of a round length, all of the same but the last, which is shorter or up to
    /// half as long again.
    pub fn parts(&self, end: Instant, most: usize) -> Vec<Part> {
        let Some(end) = Some(end).filter(|end| *end > Instant::ZERO) else { return Vec::new() };
        let own = LENGTHS[self.length];
        let length = round_length(end.nanos().div_ceil(most.max(1) as u64), own);
        let count = end.nanos().div_ceil(length);
        // What is left at the end, if it is less than half a stretch, goes to the last one.
        let rest = end.nanos() % length;
        let count = if rest > 0 && rest < length / 2 && count > 1 { count - 1 } else { count };
        let inside = |place: u64| {
            let from = (place * length / own) as usize;
            let to = if place + 1 == count { self.stretches.len() } else { ((place + 1) * length / own) as usize };
            together(self.stretches.get(from..to.clamp(from, self.stretches.len().max(from))).unwrap_or_default())
        };
        let part = |place: u64| Part {
            from: Instant::from_nanos(place * length),
            to: if place + 1 == count { end } else { Instant::from_nanos((place + 1) * length) },
            stretch: inside(place),
        };
        (0..count).map(part).collect()
    }
}

/// The shortest round length of at least so much that is a multiple of another.
fn round_length(least: u64, of: u64) -> u64 {
    let tens = std::iter::successors(Some(1u64), |ten| ten.checked_mul(10));
    let below = tens.clone().take_while(|ten| *ten < SECOND).flat_map(|ten| [ten, 2 * ten, 5 * ten]);
    let clock = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200];
    let days = tens.flat_map(|ten| [1, 2, 5].map(|digit| DAY.saturating_mul(digit * ten)));
    let all = below.chain(clock.map(|seconds| seconds * SECOND)).chain(days);
    all.take(100).find(|length| *length >= least && length % of == 0).unwrap_or(u64::MAX)
}

fn together(stretches: &[Stretch]) -> Stretch {
    let mut sum = Stretch::default();
    stretches.iter().for_each(|stretch| sum.merge(stretch));
    sum
}

impl Watch {
    /// Takes a step; to be called after each.
    pub fn after(&mut self, sim: &Sim<Msg>, step: &Step) {
        match step.what {
            Happening::FaultBegan { fault } => self.began(fault, step.at),
            Happening::FaultEnded { fault } => self.ended(fault, step.at),
            _ => self.take(step.at, sim.notes()),
        }
    }

    /// Takes what was noted at an instant.
    fn take(&mut self, at: Instant, notes: &[Note]) {
        for note in notes {
            match note {
                Note::Requested { workload, key } => _ = self.open.insert((workload.0, *key), at),
                Note::Finished { workload, key, tone, since, .. } => {
                    self.open.remove(&(workload.0, *key));
                    let stretch = self.traffic.at(*since);
                    match tone {
                        Tone::Ok => stretch.ok += 1,
                        Tone::Error => stretch.error += 1,
                        Tone::Unknown => stretch.unknown += 1,
                    }
                    stretch.latencies.record(latency_ns(at, *since));
                }
                _ => {}
            }
        }
    }

    fn began(&mut self, fault: u32, at: Instant) {
        let depth = self.depths.entry(fault).or_default();
        *depth += 1;
        if *depth > 1 {
            return;
        }
        if self.held.len() < HELD {
            self.held.push(Held { fault, from: at, to: None });
        } else {
            self.more_held += 1;
        }
    }

    fn ended(&mut self, fault: u32, at: Instant) {
        let Some(depth) = self.depths.get_mut(&fault) else { return };
        *depth = depth.saturating_sub(1);
        if *depth > 0 {
            return;
        }
        if let Some(held) = self.held.iter_mut().rev().find(|held| held.fault == fault && held.to.is_none()) {
            held.to = Some(at);
        }
    }

    /// What was seen, now that the run is over.
    pub fn over(mut self) -> Watched {
        for begun in std::mem::take(&mut self.open).into_values() {
            self.traffic.at(begun).unanswered += 1;
        }
        Watched { traffic: self.traffic, held: self.held, more_held: self.more_held }
    }
}

impl Part {
    /// How long it is: from its first instant to its end.
    pub fn length(&self) -> Duration {
        self.to.since(self.from)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use proptest::prelude::*;
    use sim_core::{Limits, Seed, Stop};

    use super::*;
    use crate::language::Choices;
    use crate::message::{Aside, Sort};
    use crate::program::NodeRef;
    use crate::scenario::{Changes, Run};

    fn watched(choices: &Choices, faults: &[&str], until: Option<&str>) -> (Watched, Run) {
        let scenario = crate::builtin::scenario("checkout").unwrap().unwrap();
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let until = until.map(|until| Instant::ZERO + until.parse::<Duration>().unwrap());
        let model = scenario.model_with(choices, &Changes { faults, until, ..Changes::default() }).unwrap();
        let mut watch = Watch::default();
        let run = model.run_watched(Seed(7), Stop::AtEnd, Limits::default(), |sim, step| {
            watch.after(sim, step);
            ControlFlow::Continue(())
        });
        (watch.over(), run)
    }

    #[test]
    fn what_is_seen_adds_up_to_what_is_judged() {
        for until in [None, Some("40s")] {
            let (watched, run) = watched(&Choices::none().set("orders", "1000"), &[], until);
            let (total, of) = (watched.traffic.total(), run.requests);
            assert_eq!(
                (total.ok, total.error, total.unknown, total.unanswered),
                (of.ok, of.error, of.unknown, of.unanswered)
            );
            assert_eq!((total.begun(), total.latencies.count()), (of.total, of.total - of.unanswered));
            assert_eq!(total.latencies.max().map(|nanos| nanos as f64 / 1e6), run.latency.max);
            for (share, millis) in [("50%", run.latency.p50), ("99%", run.latency.p99)] {
                let found = total.latencies.quantile(share.parse().unwrap()).unwrap().middle() as f64 / 1e6;
                let truth = millis.unwrap();
                assert!((found / truth - 1.0).abs() <= 1.0 / 256.0, "{share}: {found} for {truth}");
            }
            for most in [1, 7, 60, 100_000] {
                let parts = watched.traffic.parts(run.outcome.end, most);
                let begun: u64 = parts.iter().map(|part| part.stretch.begun()).sum();
                assert_eq!(begun, of.total, "in {most}");
            }
        }
    }

    #[test]
    fn a_request_belongs_to_the_stretch_in_which_it_was_to_begin() {
        let mut watch = Watch::default();
        let second = |seconds: u64| Instant::ZERO + Duration::from_secs(seconds);
        let workload = NodeRef(3);
        let finished = |key, since| Note::Finished {
            workload,
            key,
            tone: Tone::Error,
            since: second(since),
            sort: Aside(Sort::Failed),
        };
        watch.take(second(1), &[Note::Requested { workload, key: 1 }]);
        watch.take(second(1), &[Note::Requested { workload, key: 2 }]);
        watch.take(second(95), &[finished(1, 1)]);
        watch.take(second(95), &[Note::Requested { workload, key: 3 }]);
        let seen = watch.over().traffic.parts(second(100), 10);
        assert_eq!(seen.len(), 10);
        assert_eq!((seen[0].stretch.error, seen[0].stretch.unanswered), (1, 1));
        assert_eq!(seen[0].stretch.latencies.max(), Some(94_000_000_000));
        assert_eq!((seen[9].stretch.begun(), seen[9].stretch.unanswered), (1, 1));
    }

    #[test]
    fn faults_are_seen_as_long_as_they_held() {
        let faults =
            ["1s..4s partition shop | gateway", "2s.. loss shop->gateway 1%", "10s.. crash shop every 20s for 5s"];
        let (watched, _) = watched(&Choices::none(), &faults, Some("60s"));
        let shown: Vec<String> = watched
            .held
            .iter()
            .map(|held| format!("{} {}..{}", held.fault, held.from, held.to.map_or(String::new(), |to| to.to_string())))
            .collect();
        assert_eq!(shown, ["0 1s..4s", "1 2s..", "2 30s..35s", "2 55s..60s"]);
    }

    #[test]
    fn stretches_have_round_lengths() {
        let check = |end: &str, most, expected: &[&str]| {
            let end = Instant::ZERO + end.parse::<Duration>().unwrap();
            let parts = Traffic::default().parts(end, most);
            let ends: Vec<String> = parts.iter().map(|part| part.to.to_string()).collect();
            assert_eq!(ends, expected, "{end} in {most}");
        };
        check("10s", 5, &["2s", "4s", "6s", "8s", "10s"]);
        check("9s", 4, &["5s", "9s"]);
        check("11s", 3, &["5s", "11s"]);
        check("1ms", 1, &["1ms"]);
        check("0s", 4, &[]);
        check("990s", 4, &["300s", "10m", "990s"]);
        check("400h", 3, &["10d", "400h"]);
    }

    fn instants() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec(
            (0u32..64, any::<u64>(), 0u64..1000).prop_map(|(shift, bits, length)| (bits >> shift, length)),
            0..20,
        )
    }

    fn of(all: &[(u64, u64)]) -> Traffic {
        let mut traffic = Traffic::default();
        for (begun, length) in all {
            let stretch = traffic.at(Instant::from_nanos(*begun));
            stretch.ok += 1;
            stretch.latencies.record(*length);
        }
        traffic
    }

    proptest! {
        #[test]
        fn any_split_in_any_order_gives_the_same(all in instants(), cut in 0usize..20) {
            let (one, other) = all.split_at(cut.min(all.len()));
            let mut merged = of(other);
            merged.merge(&of(one));
            prop_assert_eq!(&merged, &of(&all));
            let end = Instant::from_nanos(all.iter().map(|(begun, _)| *begun).max().unwrap_or(0).saturating_add(1));
            let begun: u64 = merged.parts(end, 40).iter().map(|part| part.stretch.begun()).sum();
            prop_assert_eq!(begun, all.len() as u64);
        }
    }
}
