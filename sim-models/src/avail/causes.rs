//! How long a system was down in a simulation, told by cause: takeovers that come every month and take seconds, and
//! machines of which too few are left once in centuries, for hours.
//!
//! A mean over runs knows nothing of what is rare: a cause that was seen twice, or never, adds hardly anything to the
//! spread between runs, and yet what it adds to the truth may be as much as all the rest. So each cause is judged by how often it was
//! seen. Of many outages Student's t over runs is right; of few, what so few allow; and the two are joined.
//!
//! Outages do not always come singly: while a part is away for weeks, the one that stands in for it may fail ten times. What is
//! counted are therefore clusters, outages that share an absence ([`super::simulate`] finds them), each with all that it came to.

use std::collections::BTreeMap;

use super::assembly::{Component, Structure};
use super::simulate::Unit;
use crate::stats::{Confidence, Estimate, Method, Spread, Weights, rate, replications, sum};

/// Of fewer clusters of outages by one cause the mean over runs is too lopsided for Student's t.
const MANY: u64 = 200;

/// For so many parts it is looked for each what it may come to; of more, for one of each kind.
const PARTS_MAX: usize = 50;

/// Why it is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Too few are up.
    Missing,
    /// Enough are up, and another takes over.
    TakingOver,
    /// Enough are up, and a takeover did not succeed.
    ByHand,
    /// It is maintained, at times that are known once the first one is.
    Planned,
}

/// Outages that are alike: why it is down, and the power of ten of the seconds that the first of what can end it takes
/// on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cause {
    pub why: Why,
    decade: i32,
}

impl Cause {
    pub(super) fn of(why: Why, mean: f64) -> Cause {
        Cause { why, decade: decade(mean) }
    }

    /// Whether enough machines are up.
    fn is_takeover(self) -> bool {
        matches!(self.why, Why::TakingOver | Why::ByHand)
    }
}

fn decade(mean: f64) -> i32 {
    libm::floor(libm::log10(mean.clamp(1e-9, 1e12))) as i32
}

/// What was seen of a cause.
#[derive(Clone, Debug, Default)]
struct Counted {
    outages: u64,
    /// Outages that share an absence, by the seconds that they came to.
    clusters: Weights,
    /// How many seconds one that was not seen would come to.
    one_more: f64,
    /// Seconds down by run.
    runs: Vec<f64>,
}

/// What was seen by cause, with those that were not seen yet and may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Causes {
    all: BTreeMap<Cause, Counted>,
    /// Outages by any cause that share an absence, by how many they are.
    starts: Weights,
    /// How many outages a cluster that was not seen would have.
    one_more: f64,
    /// How many runs are over.
    runs: usize,
}

/// Over how long what was counted, and how often an interval is to cover the truth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub run_seconds: f64,
    pub confidence: Confidence,
}

impl Causes {
    /// Nothing was seen yet of what may bring it down.
    pub(super) fn of<S: Structure>(assembly: &S, components: &[Component], units: &[Unit]) -> Causes {
        let mut causes = Causes { one_more: 1.0, ..Causes::default() };
        for (part, unit) in units.iter().enumerate() {
            for (why, mean) in unit.causes() {
                if causes.all.contains_key(&Cause::of(why, mean)) && units.len() > PARTS_MAX {
                    continue;
                }
                let Some(beside) = beside(assembly, units, part, mean) else { continue };
                // While those are away, it comes and goes.
                let down = beside
                    .filter(|away| away.is_finite())
                    .map_or(0.0, |away| away * components[part].availability.down);
                causes.may_be(why, mean, unit.usual(why, mean).max(down));
                causes.one_more = causes.one_more.max(down / mean);
            }
        }
        causes
    }

    fn may_be(&mut self, why: Why, mean: f64, one_more: f64) -> &mut Counted {
        let counted = self.all.entry(Cause::of(why, mean)).or_default();
        // Of what is never over nobody knows how long it is.
        if one_more.is_finite() {
            counted.one_more = counted.one_more.max(one_more);
        }
        counted
    }

    /// It was down for so long in the run that is under way; with an absence in common with what came to so much before.
    pub(super) fn add(&mut self, why: Why, mean: f64, before: Option<f64>, seconds: f64) {
        let run = self.runs;
        let counted = self.may_be(why, mean, mean);
        counted.outages += 1;
        counted.clusters.put(before, seconds);
        counted.runs.resize(run + 1, 0.0);
        counted.runs[run] += seconds;
    }

    /// It went down; with an absence in common with so many other times.
    pub(super) fn goes_down(&mut self, before: Option<f64>) {
        self.starts.put(before, 1.0);
    }

    pub(super) fn run_is_over(&mut self) {
        self.runs += 1;
        self.all.values_mut().for_each(|counted| counted.runs.resize(self.runs, 0.0));
    }

    /// The share of time down, of which the runs have had such shares.
    pub(super) fn down(&self, shares: &[f64], watched: Watched) -> Estimate {
        self.estimate(shares, watched, |_| true).within(0.0, 1.0)
    }

    /// The share of time down while enough machines were up.
    pub(super) fn taking_over(&self, shares: &[f64], watched: Watched) -> Estimate {
        self.estimate(shares, watched, Cause::is_takeover).within(0.0, 1.0)
    }

    /// How often it goes down, of which the runs have had such rates.
    pub(super) fn frequency(&self, rates: &[f64], watched: Watched) -> Estimate {
        let runs = replications(rates, watched.confidence);
        let outages = self.starts.sum as u64;
        let is_planned = self.all.iter().any(|(cause, of)| cause.why == Why::Planned && of.outages > 0);
        let is_known = is_planned && have_most_some(rates);
        if runs.half_width().is_none() || is_known || !are_few(self.starts.n, outages, rates) {
            return runs.within(0.0, f64::INFINITY);
        }
        let exposure = self.exposure(watched);
        let of_few = if outages == self.starts.n && self.one_more <= 1.0 {
            rate(outages, exposure, watched.confidence)
        } else {
            self.starts.rate(self.one_more, exposure, watched.confidence)
        };
        Estimate { n: runs.n, ..of_few }
    }

    /// Of how many kinds of outages none was seen that may yet add more than this share of time.
    pub(super) fn unseen(&self, down: f64, watched: Watched) -> usize {
        let room = |of: &Counted| self.of_few(of, watched).hi;
        self.all.values().filter(|of| of.outages == 0 && room(of).is_some_and(|room| room > down)).count()
    }

    /// What the clusters of a cause come to; none of them is longer than a run.
    fn of_few(&self, of: &Counted, watched: Watched) -> Estimate {
        of.clusters.rate(of.one_more.min(watched.run_seconds), self.exposure(watched), watched.confidence)
    }

    fn exposure(&self, watched: Watched) -> f64 {
        self.runs as f64 * watched.run_seconds
    }

    fn estimate(&self, shares: &[f64], watched: Watched, wanted: impl Fn(Cause) -> bool) -> Estimate {
        let all = replications(shares, watched.confidence);
        let (few, many) = self.few_and_many(wanted);
        if few.is_empty() || all.half_width().is_none() {
            return all;
        }
        let of_few = few.iter().map(|of| self.of_few(of, watched));
        let of_many = (!many.is_empty()).then(|| {
            let runs = together(many.iter().map(|of| of.runs.as_slice()), self.runs, watched.run_seconds);
            replications(&runs, watched.confidence)
        });
        joined(all, of_few.chain(of_many))
    }

    /// Those causes of which few outages were seen, and the others.
    fn few_and_many(&self, wanted: impl Fn(Cause) -> bool) -> (Vec<&Counted>, Vec<&Counted>) {
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for (cause, of) in self.all.iter().filter(|(cause, _)| wanted(**cause)) {
            if is_few(*cause, of) { &mut few } else { &mut many }.push(of);
        }
        (few, many)
    }

    /// How many times as long it takes until half the interval of the share of time down is so wide, if what comes is
    /// like what came, and half an outage more of each cause of which few were seen.
    pub(super) fn times_for(&self, half: f64, shares: &[f64], watched: Watched) -> Option<f64> {
        let (few, many) = self.few_and_many(|_| true);
        let (exposure, normal) = (self.exposure(watched), crate::stats::laws::normal(watched.confidence.tail()));
        let longest = |of: &Counted| of.one_more.min(watched.run_seconds);
        // The square of an exponential length is twice that of its mean.
        let squares: Option<f64> =
            few.iter().map(|of| of.clusters.squares + longest(of) * longest(of)).reduce(|one, two| one + two);
        let known = match squares {
            None => replications(shares, watched.confidence).half_width()?,
            Some(_) => Spread::of(&together(many.iter().map(|of| of.runs.as_slice()), self.runs, watched.run_seconds))?
                .half_width(watched.confidence)?,
        };
        let rest = normal * normal * squares.unwrap_or(0.0) / (exposure * exposure);
        Some((known * known + rest) / (half * half))
    }

    /// What was not seen to change may be an outage, on either side, that was not seen.
    fn unmoved(&self, before: &Causes, all: Estimate, watched: Watched) -> Estimate {
        let longest = self.all.values().chain(before.all.values()).map(|of| of.one_more).fold(0.0, f64::max);
        let none = self.of_few(&Counted { one_more: longest, ..Counted::default() }, watched);
        joined(all, [none, none.negated()])
    }

    /// By how much the share of time down has grown from `before`, run by run on the same dice: what the runs say of causes of
    /// which many were seen, and what is not the same in both of the others.
    pub(super) fn added(&self, before: &Causes, added: &[f64], watched: Watched) -> Estimate {
        let all = replications(added, watched.confidence);
        if all.half_width().is_some() && added.iter().all(|added| *added == 0.0) {
            return self.unmoved(before, all, watched);
        }
        let nothing = Counted { runs: vec![0.0; self.runs], ..Counted::default() };
        let (mut parts, mut many) = (Vec::new(), Vec::new());
        let causes = self.all.keys().chain(before.all.keys().filter(|cause| !self.all.contains_key(cause)));
        for cause in causes {
            let [after, before] = [self, before].map(|side| side.all.get(cause).unwrap_or(&nothing));
            let none = after.outages.max(before.outages) == 0;
            if !is_few(*cause, after) || !is_few(*cause, before) {
                many.push((after, before));
            } else if none || after.runs != before.runs {
                parts.extend([self.of_few(after, watched), self.of_few(before, watched).negated()]);
            }
        }
        if parts.is_empty() || all.half_width().is_none() {
            return all;
        }
        if !many.is_empty() {
            let after = together(many.iter().map(|(after, _)| after.runs.as_slice()), self.runs, watched.run_seconds);
            let before =
                together(many.iter().map(|(_, before)| before.runs.as_slice()), self.runs, watched.run_seconds);
            let grown: Vec<f64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
            parts.push(replications(&grown, watched.confidence));
        }
        joined(all, parts)
    }
}

/// Of windows that come to most runs each run tells what all do, since when they come is known; where most have none, which
/// had one was drawn.
fn is_few(cause: Cause, of: &Counted) -> bool {
    are_few(of.clusters.n, of.outages, &of.runs) && (cause.why != Why::Planned || !have_most_some(&of.runs))
}

fn have_most_some(runs: &[f64]) -> bool {
    2 * runs.iter().filter(|run| **run > 0.0).count() > runs.len()
}

/// Many outages of which most runs had some are as good as many clusters: what is away for longer than a run makes one
/// cluster of each, and is known from all of them.
fn are_few(clusters: u64, outages: u64, runs: &[f64]) -> bool {
    clusters < MANY && !(outages >= MANY && have_most_some(runs))
}

/// The share of time by run of several causes.
fn together<'a>(causes: impl Iterator<Item = &'a [f64]>, runs: usize, run_seconds: f64) -> Vec<f64> {
    let mut all = vec![0.0; runs];
    causes.for_each(|seconds| all.iter_mut().zip(seconds).for_each(|(all, seconds)| *all += seconds / run_seconds));
    all
}

/// The value of all runs in the interval that its parts have together.
fn joined(all: Estimate, parts: impl IntoIterator<Item = Estimate>) -> Estimate {
    let parts: Vec<Estimate> = parts.into_iter().collect();
    let joined = sum(&parts);
    let end = |end: Option<f64>| Some(all.value? + (end? - joined.value?));
    Estimate { lo: end(joined.lo), hi: end(joined.hi), method: Method::Compound, ..all }
}

/// Whether the whole can be down until this part, or another that takes at least about as long, is back: whether it is
/// one of those without which nothing of the kind would be down; and for how long the others are away that have to be, all of
/// them, nothing where there are none. Looked for among what is down when all of them are, given back one by one, the slowest
/// first or last; what is found that way is so.
fn beside<S: Structure>(assembly: &S, units: &[Unit], part: usize, mean: f64) -> Option<Option<f64>> {
    let longest = |at: usize| units[at].causes().iter().map(|(_, mean)| *mean).fold(0.0, f64::max);
    let slow = |at: usize| units[at].causes().iter().any(|(_, other)| decade(*other) >= decade(mean));
    let mut others: Vec<(usize, f64)> =
        (0..units.len()).filter(|at| *at != part && slow(*at)).map(|at| (at, longest(at))).collect();
    others.sort_by(|one, two| one.1.total_cmp(&two.1));
    let away = |order: &mut dyn Iterator<Item = &(usize, f64)>| {
        let mut ups: Vec<bool> = units.iter().map(|unit| !matches!(unit, Unit::Still(false))).collect();
        others.iter().for_each(|(at, _)| ups[*at] = false);
        ups[part] = false;
        if assembly.is_up(&ups) {
            return None;
        }
        let mut shortest = None;
        for (at, mean) in order {
            ups[*at] = true;
            ups[*at] = !assembly.is_up(&ups);
            if !ups[*at] {
                shortest = Some(shortest.map_or(*mean, |shortest: f64| shortest.min(*mean)));
            }
        }
        ups[part] = true;
        assembly.is_up(&ups).then_some(shortest)
    };
    match (away(&mut others.iter()), away(&mut others.iter().rev())) {
        (Some(one), Some(other)) => Some(one.into_iter().chain(other).reduce(f64::max)),
        (one, other) => one.or(other),
    }
}
