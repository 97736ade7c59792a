//! Rate, errors and durations of a run over time, for whoever draws it while it goes on.
//!
//! What is counted and how long a request took is the judge's rule: it begins when its workload begins it, it is over at its
//! outcome, and its latency runs from when it was to begin to that outcome, whatever that is. A request belongs to the window in
//! which it ended, as a meter sees it; the judge's own windows go by when requests were to begin, so that only whole runs agree.
//!
//! What makes a row of columns over a million requests cheap: each end keeps how many had ended ok and in error up to it, so that
//! counts are differences at the edges of a window, found by halving; and latencies lie in a row of their own, in the order of
//! ends, with the bucket of 3 % that each is in beside it, so that all percentiles of a window are one pass over neighbouring
//! small numbers and a second one that takes out the buckets in which they lie. Percentiles are exact: the nearest rank.

use std::ops::Range;

use sim_core::{Growing, Instant, Ratio, Step};

use crate::judge::{latency_ns, rank};
use crate::message::{Note, Tone};
use crate::program::{NodeRef, Program, Role};

/// The requests of a run so far, by workload. A copy is cheap, and sees nothing of what comes later.
///
/// ```
/// use sim_core::{Instant, Limits, Seed, Stop};
/// use sim_models::language::Choices;
/// use sim_models::red::Red;
/// let scenario = sim_models::builtin::scenario("checkout").unwrap().unwrap();
/// let model = scenario.model(&Choices::none().set("orders", "100")).unwrap();
/// let mut red = Red::new(model.program());
/// model.run_watched(Seed(1), Stop::AtEnd, Limits::default(), |sim, step| {
///     red.take(step, sim.notes());
///     std::ops::ControlFlow::Continue(())
/// });
/// let whole = red.window(Instant::ZERO, Instant::NEVER, None);
/// assert_eq!((whole.begun, whole.waiting), (100, 0));
/// assert!(whole.p50_ns < whole.p99_ns && whole.p99_ns <= whole.max_ns);
/// ```
#[derive(Clone, Debug)]
pub struct Red {
    courses: Vec<Course>,
    /// By declared node: the place of a workload's course.
    places: Vec<Option<u16>>,
}

/// The requests of one workload.
#[derive(Clone, Debug, Default)]
struct Course {
    /// When each began, in order.
    begun: Growing<Instant>,
    /// How each ended, in order.
    ends: Growing<End>,
    /// How long each took, by the order of ends.
    latency_ns: Growing<u64>,
    /// The bucket of each of these.
    buckets: Growing<u16>,
}

/// How long some requests took, and the bucket of each.
#[derive(Clone, Copy)]
struct Row<'a> {
    latency_ns: &'a [u64],
    buckets: &'a [u16],
}

/// An end, and what had ended how up to and with it; what is neither ok nor an error is unknown.
#[derive(Clone, Copy, Debug)]
struct End {
    at: Instant,
    ok: u32,
    error: u32,
}

/// What is counted of a window, half open: from its first instant up to, not including, its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Figures {
    /// Requests that began in it.
    pub begun: u64,
    /// That ended ok in it.
    pub ok: u64,
    /// In error.
    pub error: u64,
    /// Without anybody knowing.
    pub unknown: u64,
    /// That began before its end, whenever that was, and had no outcome by then.
    pub waiting: u64,
    /// The median latency of those that ended in it, in nanoseconds; none when none did.
    pub p50_ns: Option<u64>,
    /// 99 % of them took no longer.
    pub p99_ns: Option<u64>,
    /// The longest.
    pub max_ns: Option<u64>,
    /// Requests that began in it, per second of simulated time; none of a window without length.
    pub per_second: Option<f64>,
}

impl Red {
    /// Nothing yet.
    pub fn new(program: &Program) -> Red {
        let mut courses = Vec::new();
        let place = |def: &crate::program::NodeDef| match def.role {
            Role::Workload(_) => {
                courses.push(Course::default());
                Some((courses.len() - 1) as u16)
            }
            Role::Service(_) | Role::Store(_) | Role::Queue(_) => None,
        };
        let places = program.nodes.iter().map(place).collect();
        Red { courses, places }
    }

    /// Takes what one event noted; to be called after each, in order. An event in which no request begins or ends costs a look at
    /// its notes.
    pub fn take(&mut self, step: &Step, notes: &[Note]) {
        for note in notes {
            match note {
                Note::Requested { workload, .. } => {
                    self.course(*workload).begun.push(step.at);
                }
                Note::Finished { workload, tone, since, .. } => {
                    self.course(*workload).end(step.at, *tone, latency_ns(step.at, *since));
                }
                _ => {}
            }
        }
    }

    /// What became of the requests of a workload in a window, of all workloads when none is named.
    ///
    /// A node that is no workload has no requests.
    pub fn window(&self, from: Instant, to: Instant, workload: Option<NodeRef>) -> Figures {
        self.figures(from, to, workload, &mut Scratch::default())
    }

    /// The same of so many windows of one length beside each other; their edges are cut down to whole nanoseconds.
    pub fn series(&self, from: Instant, to: Instant, columns: usize, workload: Option<NodeRef>) -> Vec<Figures> {
        let length = u128::from(to.since(from).nanos());
        let edge = |column: usize| {
            let since = length * column as u128 / columns as u128;
            Instant::from_nanos(from.nanos() + since as u64)
        };
        let mut scratch = Scratch::default();
        (0..columns).map(|column| self.figures(edge(column), edge(column + 1), workload, &mut scratch)).collect()
    }

    /// How many requests that ended in a window took how long: the upper bounds of the classes in nanoseconds, each included and
    /// a power of two, and how many were within it and above the bound before. From the first class with any to the last; empty
    /// when no request ended.
    pub fn histogram(&self, from: Instant, to: Instant, workload: Option<NodeRef>) -> Vec<(u64, u64)> {
        let mut classes = [0u64; 65];
        for latency in self.courses(workload).flat_map(|course| course.rows(from, to).flat_map(|row| row.latency_ns)) {
            classes[class_of(*latency)] += 1;
        }
        let first = classes.iter().position(|count| *count > 0).unwrap_or(classes.len());
        let last = classes.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        (first..last).map(|class| (1u64.checked_shl(class as u32).unwrap_or(u64::MAX), classes[class])).collect()
    }

    fn course(&mut self, workload: NodeRef) -> &mut Course {
        let place = self.places[workload.0 as usize].expect("only workloads note requests");
        &mut self.courses[usize::from(place)]
    }

    fn courses(&self, workload: Option<NodeRef>) -> impl Iterator<Item = &Course> {
        let place = workload.map(|node| self.places.get(node.0 as usize).copied().flatten());
        let wanted = move |at: usize| place.is_none_or(|place| place.is_some_and(|place| usize::from(place) == at));
        self.courses.iter().enumerate().filter(move |(at, _)| wanted(*at)).map(|(_, course)| course)
    }

    fn figures(&self, from: Instant, to: Instant, workload: Option<NodeRef>, scratch: &mut Scratch) -> Figures {
        let mut sum = Figures::default();
        let mut rows: Vec<Row<'_>> = Vec::new();
        for course in self.courses(workload) {
            course.count(from, to, &mut sum);
            rows.extend(course.rows(from, to));
        }
        [sum.p50_ns, sum.p99_ns, sum.max_ns] = scratch.percentiles(&rows);
        let length = to.since(from);
        sum.per_second = (!length.is_zero()).then(|| sum.begun as f64 / length.as_secs_f64());
        sum
    }
}

impl Course {
    fn end(&mut self, at: Instant, tone: Tone, latency_ns: u64) {
        let (ok, error) = self.ends.last().map_or((0, 0), |last| (last.ok, last.error));
        let (ok, error) = (ok + u32::from(tone == Tone::Ok), error + u32::from(tone == Tone::Error));
        self.ends.push(End { at, ok, error });
        self.latency_ns.push(latency_ns);
        self.buckets.push(bucket_of(latency_ns));
    }

    fn begun_before(&self, at: Instant) -> usize {
        self.begun.partition_point(|begun| *begun < at)
    }

    fn ended_before(&self, at: Instant) -> usize {
        self.ends.partition_point(|end| end.at < at)
    }

    /// How many of the first so many ends were ok, and how many in error.
    fn ended_how(&self, ends: usize) -> (u64, u64) {
        let last = ends.checked_sub(1).and_then(|last| self.ends.get(last));
        last.map_or((0, 0), |end| (u64::from(end.ok), u64::from(end.error)))
    }

    /// How long those took that ended in a window.
    fn rows(&self, from: Instant, to: Instant) -> impl Iterator<Item = Row<'_>> {
        let ended = self.ended(from, to);
        let latencies = self.latency_ns.slices(ended.clone());
        latencies.zip(self.buckets.slices(ended)).map(|(latency_ns, buckets)| Row { latency_ns, buckets })
    }

    /// The places of those that ended in a window.
    fn ended(&self, from: Instant, to: Instant) -> Range<usize> {
        let (first, last) = (self.ended_before(from), self.ended_before(to));
        first.min(last)..last
    }

    fn count(&self, from: Instant, to: Instant, sum: &mut Figures) {
        let ended = self.ended(from, to);
        let (before, until) = (self.ended_how(ended.start), self.ended_how(ended.end));
        let begun = self.begun_before(to);
        sum.begun += begun.saturating_sub(self.begun_before(from)) as u64;
        sum.ok += until.0 - before.0;
        sum.error += until.1 - before.1;
        sum.unknown += ended.len() as u64 - (until.0 - before.0) - (until.1 - before.1);
        sum.waiting += begun.saturating_sub(ended.end) as u64;
    }
}

/// The power of two that is the least one not below a latency.
const fn class_of(latency: u64) -> usize {
    (u64::BITS - latency.saturating_sub(1).leading_zeros()) as usize
}

/// Where percentiles are worked out, kept from one window to the next.
#[derive(Default)]
struct Scratch {
    /// How many samples each bucket has.
    counts: Vec<u32>,
    /// The samples of a bucket, or all when they are few; for the median and the higher percentile.
    samples: [Vec<u64>; 2],
}

/// Buckets for each power of two, as a power of two.
const FINE: u32 = 5;
const BUCKETS: usize = (65 - FINE as usize) << FINE;
/// Up to so many samples are put in order as they are.
const FEW: usize = 256;

/// The bucket of a sample: small numbers have one each, larger ones share the first bits.
#[inline]
const fn bucket_of(sample: u64) -> u16 {
    let octave = u64::BITS - (sample >> FINE).leading_zeros();
    let fine = (sample >> octave.saturating_sub(1)) & ((1 << FINE) - 1);
    (octave << FINE) as u16 + fine as u16
}

impl Scratch {
    /// The 50th and the 99th percentile and the largest, of samples in several rows; none without a sample.
    fn percentiles(&mut self, rows: &[Row<'_>]) -> [Option<u64>; 3] {
        let count = rows.iter().map(|row| row.latency_ns.len()).sum();
        if count == 0 {
            return [None; 3];
        }
        let ranks = [50, 99].map(|percent| rank(Ratio::new(percent, 100).unwrap_or(Ratio::ONE), count));
        let found = if count <= FEW { self.of_few(rows, ranks) } else { self.of_many(rows, ranks) };
        found.map(Some)
    }

    fn of_few(&mut self, rows: &[Row<'_>], ranks: [usize; 2]) -> [u64; 3] {
        let [all, _] = &mut self.samples;
        all.clear();
        rows.iter().for_each(|row| all.extend_from_slice(row.latency_ns));
        all.sort_unstable();
        [all[ranks[0] - 1], all[ranks[1] - 1], all[all.len() - 1]]
    }

    fn of_many(&mut self, rows: &[Row<'_>], ranks: [usize; 2]) -> [u64; 3] {
        self.counts.clear();
        self.counts.resize(BUCKETS, 0);
        for row in rows {
            row.buckets.iter().for_each(|bucket| self.counts[usize::from(*bucket)] += 1);
        }
        let [low, high] = ranks.map(|rank| self.bucket_of_rank(rank));
        let largest = self.take_out(rows, low.0, high.0);
        let at = |samples: &mut Vec<u64>, rank: usize| *samples.select_nth_unstable(rank - 1).1;
        let [of_low, of_high] = &mut self.samples;
        [at(of_low, ranks[0] - low.1), at(of_high, ranks[1] - high.1), largest]
    }

    /// The bucket in which the sample of a rank lies, and how many samples lie in those below it.
    fn bucket_of_rank(&self, rank: usize) -> (u16, usize) {
        let mut below = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            let until = below + *count as usize;
            if until >= rank {
                return (bucket as u16, below);
            }
            below = until;
        }
        unreachable!("a rank is at most the count")
    }

    /// Takes out the samples of two buckets, the lower first; the largest sample, which lies in neither or in the higher one.
    fn take_out(&mut self, rows: &[Row<'_>], low: u16, high: u16) -> u64 {
        let [of_low, of_high] = &mut self.samples;
        of_low.clear();
        of_high.clear();
        let mut largest = 0;
        for row in rows {
            for (bucket, sample) in row.buckets.iter().zip(row.latency_ns) {
                if *bucket == low {
                    of_low.push(*sample);
                }
                if *bucket >= high {
                    largest = largest.max(*sample);
                    if *bucket == high {
                        of_high.push(*sample);
                    }
                }
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use proptest::prelude::*;
    use sim_core::{Cause, Happening, Limits, NodeId, Seed, Stop};

    use super::*;
    use crate::judge::percentile;
    use crate::language::Choices;
    use crate::message::{Aside, Sort};

    fn model() -> crate::scenario::Model {
        let scenario = crate::builtin::scenario("checkout").unwrap().unwrap();
        let choices = Choices::none().set("orders", "400").set("lost_replies", "40%");
        scenario.model(&choices).unwrap()
    }

    fn workload(model: &crate::scenario::Model) -> NodeRef {
        let is_workload = |def: &crate::program::NodeDef| matches!(def.role, Role::Workload(_));
        NodeRef(model.program().nodes.iter().position(is_workload).unwrap() as u16)
    }

    fn step(at: u64) -> Step {
        let what = Happening::Started { node: NodeId(0), life: 1 };
        Step { number: 1, at: Instant::from_nanos(at), what, cause: Cause::root("", "", 0), before: None, by: None }
    }

    /// Requests by hand: begun, ended, how.
    fn red(requests: &[(u64, Option<(u64, Tone)>)]) -> Red {
        let model = model();
        let workload = workload(&model);
        let mut red = Red::new(model.program());
        let begun = requests.iter().map(|(at, _)| (*at, Note::Requested { workload, key: 1 }));
        let ended = requests.iter().filter_map(|(since, end)| {
            let (at, tone) = (*end)?;
            Some((
                at,
                Note::Finished {
                    workload,
                    key: 1,
                    tone,
                    since: Instant::from_nanos(*since),
                    sort: Aside(Sort::of(tone)),
                },
            ))
        });
        let mut notes: Vec<(u64, Note)> = begun.chain(ended).collect();
        notes.sort_by_key(|(at, _)| *at);
        notes.iter().for_each(|(at, note)| red.take(&step(*at), std::slice::from_ref(note)));
        red
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_whole_run_has_the_figures_of_the_judge() {
        let model = model();
        for seed in [1, 2, 3].map(Seed) {
            let mut red = Red::new(model.program());
            let run = model.run_watched(seed, Stop::AtEnd, Limits::default(), |sim, step| {
                red.take(step, sim.notes());
                ControlFlow::Continue(())
            });
            let whole = red.window(Instant::ZERO, Instant::NEVER, None);
            let requests = run.requests;
            assert_eq!(
                [whole.begun, whole.ok, whole.error, whole.unknown, whole.waiting],
                [requests.total, requests.ok, requests.error, requests.unknown, requests.unanswered]
            );
            assert!(whole.error > 0 && whole.ok > 0);
            let millis = [whole.p50_ns, whole.p99_ns, whole.max_ns].map(|nanos| nanos.map(|nanos| nanos as f64 / 1e6));
            assert_eq!(millis, [run.latency.p50, run.latency.p99, run.latency.max]);
            let own = red.window(Instant::ZERO, Instant::NEVER, Some(workload(&model)));
            assert_eq!(own, whole);
            let other = red.window(Instant::ZERO, Instant::NEVER, Some(NodeRef(0)));
            assert_eq!((other.begun, other.p50_ns), (0, None));
        }
    }

    #[test]
    fn a_window_is_half_open_and_counts_ends_where_they_happen() {
        let red = red(&[
            (0, Some((10, Tone::Ok))),
            (5, Some((20, Tone::Error))),
            (10, Some((25, Tone::Unknown))),
            (20, None),
        ]);
        let counts = |from, to| {
            let it = red.window(at(from), at(to), None);
            (it.begun, it.ok, it.error, it.unknown, it.waiting)
        };
        assert_eq!(counts(0, 10), (2, 0, 0, 0, 2));
        assert_eq!(counts(10, 20), (1, 1, 0, 0, 2));
        assert_eq!(counts(20, 30), (1, 0, 1, 1, 1));
        assert_eq!(counts(30, 40), (0, 0, 0, 0, 1));
        assert_eq!(counts(20, 10), (0, 0, 0, 0, 2));
    }

    #[test]
    fn without_samples_there_is_no_percentile_and_without_length_no_rate() {
        let red = red(&[(0, Some((10, Tone::Ok)))]);
        let empty = red.window(at(11), at(20), None);
        assert_eq!((empty.p50_ns, empty.p99_ns, empty.max_ns), (None, None, None));
        assert_eq!(red.window(at(5), at(5), None).per_second, None);
        assert_eq!(red.window(at(0), at(1_000_000_000), None).per_second, Some(1.0));
        assert_eq!(red.series(at(0), at(10), 0, None), []);
    }

    #[test]
    fn a_histogram_has_powers_of_two_without_gaps() {
        let ends = [1, 2, 3, 4, 5, 32].map(|latency| (0, Some((latency, Tone::Ok))));
        let red = red(&ends);
        assert_eq!(red.histogram(at(0), at(100), None), [(1, 1), (2, 1), (4, 2), (8, 1), (16, 0), (32, 1)]);
        assert_eq!(red.histogram(at(50), at(100), None), []);
        assert_eq!((class_of(0), class_of(1 << 63), class_of(u64::MAX)), (0, 63, 64));
    }

    #[test]
    fn a_copy_sees_nothing_of_what_comes_later() {
        let mut red = red(&[(0, Some((10, Tone::Ok)))]);
        let copy = red.clone();
        let workload = workload(&model());
        red.take(&step(20), &[Note::Requested { workload, key: 2 }]);
        let begun = |red: &Red| red.window(at(0), at(100), None).begun;
        assert_eq!((begun(&copy), begun(&red)), (1, 2));
    }

    #[test]
    fn columns_make_up_the_whole() {
        let requests: Vec<_> = (0..2999u64).map(|n| (n, Some((n + 1 + n * n % 97, Tone::Ok)))).collect();
        let red = red(&requests);
        let columns = red.series(at(0), at(3100), 7, None);
        let whole = red.window(at(0), at(3100), None);
        assert_eq!(columns.iter().map(|column| column.begun).sum::<u64>(), whole.begun);
        assert_eq!(columns.iter().map(|column| column.ok).sum::<u64>(), whole.ok);
        assert_eq!(columns.iter().filter_map(|column| column.max_ns).max(), whole.max_ns);
    }

    proptest! {
        #[test]
        fn percentiles_of_many_are_the_nearest_rank(
            mut samples in prop::collection::vec(prop_oneof![0u64..100, 0u64..1_000_000, any::<u64>()], 1..300),
            cut in 0usize..300,
        ) {
            let buckets: Vec<u16> = samples.iter().map(|sample| bucket_of(*sample)).collect();
            let cut = cut.min(samples.len());
            let row = |part: std::ops::Range<usize>| Row { latency_ns: &samples[part.clone()], buckets: &buckets[part] };
            let rows = [row(0..cut), row(cut..samples.len())];
            let ranks = [50, 99].map(|percent| rank(Ratio::new(percent, 100).unwrap(), samples.len()));
            let many = Scratch::default().of_many(&rows, ranks);
            let few = Scratch::default().of_few(&rows, ranks);
            prop_assert_eq!(many, few);
            let expected = [50, 99, 100].map(|percent| percentile(Ratio::new(percent, 100).unwrap(), &mut samples).unwrap());
            prop_assert_eq!(many, expected);
        }

        #[test]
        fn buckets_stand_in_order(a in any::<u64>(), b in any::<u64>()) {
            prop_assert_eq!(bucket_of(a.min(b)) <= bucket_of(a.max(b)), true);
            prop_assert_eq!(usize::from(bucket_of(u64::MAX)), BUCKETS - 1);
        }
    }
}
