//! How long a system was down in a simulation, told by cause: takeovers that come every month and take seconds, and
//! machines of which too few are left once in centuries, for hours.
//!
//! A mean over runs knows nothing of what is rare: a cause that was seen twice, or never, adds hardly anything to the
//! spread between runs, and yet what it adds to the truth may be as much as all the rest. So each cause is judged by how often it was
//! seen. Of many outages Student's t over runs is right; of few, what so few allow; and the two are joined.

use std::collections::BTreeMap;

use super::assembly::Structure;
use super::simulate::Unit;
use crate::stats::{Confidence, Estimate, Method, Spread, Weights, replications, sum};

/// Of fewer outages by one cause the mean over runs is too lopsided for Student's t.
const MANY: u64 = 200;

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
    outages: Weights,
    /// How long one that was not seen would be, in seconds.
    one_more: f64,
    /// Seconds down by run.
    runs: Vec<f64>,
}

/// What was seen by cause, with those that were not seen yet and may be.
#[derive(Clone, Debug, Default)]
pub(super) struct Causes {
    all: BTreeMap<Cause, Counted>,
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
    pub(super) fn of<S: Structure>(assembly: &S, units: &[Unit]) -> Causes {
        let mut causes = Causes::default();
        for (part, unit) in units.iter().enumerate() {
            for (why, mean) in unit.causes() {
                if !causes.all.contains_key(&Cause::of(why, mean)) && is_possible(assembly, units, part, mean) {
                    causes.may_be(why, mean);
                }
            }
        }
        causes
    }

    fn may_be(&mut self, why: Why, mean: f64) -> &mut Counted {
        let counted = self.all.entry(Cause::of(why, mean)).or_default();
        counted.one_more = counted.one_more.max(mean);
        counted
    }

    /// It was down for so long in the run that is under way.
    pub(super) fn add(&mut self, why: Why, mean: f64, seconds: f64) {
        let run = self.runs;
        let counted = self.may_be(why, mean);
        counted.outages.add(seconds);
        counted.runs.resize(run + 1, 0.0);
        counted.runs[run] += seconds;
    }

    pub(super) fn run_is_over(&mut self) {
        self.runs += 1;
        self.all.values_mut().for_each(|counted| counted.runs.resize(self.runs, 0.0));
    }

    /// The share of time down, of which the runs have had such shares.
    pub(super) fn down(&self, shares: &[f64], watched: Watched) -> Estimate {
        self.estimate(shares, watched, |_| true)
    }

    /// The share of time down while enough machines were up.
    pub(super) fn taking_over(&self, shares: &[f64], watched: Watched) -> Estimate {
        self.estimate(shares, watched, Cause::is_takeover)
    }

    /// Whether outages are few, and come as they like.
    pub(super) fn are_few(&self) -> bool {
        let seen = |counted: &Counted| counted.outages.n > 0;
        let planned = self.all.iter().any(|(cause, counted)| cause.why == Why::Planned && seen(counted));
        !planned && self.all.values().map(|counted| counted.outages.n).sum::<u64>() < MANY
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
        let of_few = few.iter().map(|of| of.outages.rate(of.one_more, self.exposure(watched), watched.confidence));
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
            if is_few(*cause, of.outages.n) { &mut few } else { &mut many }.push(of);
        }
        (few, many)
    }

    /// How many times as long it takes until half the interval of the share of time down is so wide, if what comes is
    /// like what came, and half an outage more of each cause of which few were seen.
    pub(super) fn times_for(&self, half: f64, shares: &[f64], watched: Watched) -> Option<f64> {
        let (few, many) = self.few_and_many(|_| true);
        let (exposure, normal) = (self.exposure(watched), crate::stats::laws::normal(watched.confidence.tail()));
        // The square of an exponential length is twice that of its mean.
        let squares: Option<f64> =
            few.iter().map(|of| of.outages.squares + of.one_more * of.one_more).reduce(|one, two| one + two);
        let known = match squares {
            None => replications(shares, watched.confidence).half_width()?,
            Some(_) => Spread::of(&together(many.iter().map(|of| of.runs.as_slice()), self.runs, watched.run_seconds))?
                .half_width(watched.confidence)?,
        };
        let rest = normal * normal * squares.unwrap_or(0.0) / (exposure * exposure);
        Some((known * known + rest) / (half * half))
    }

    /// By how much the share of time down has grown from `before`, run by run on the same dice: what the runs say of causes of
    /// which many were seen, and what is not the same in both of the others.
    pub(super) fn added(&self, before: &Causes, added: &[f64], watched: Watched) -> Estimate {
        let all = replications(added, watched.confidence);
        let nothing = Counted { runs: vec![0.0; self.runs], ..Counted::default() };
        let (mut parts, mut many) = (Vec::new(), Vec::new());
        let causes = self.all.keys().chain(before.all.keys().filter(|cause| !self.all.contains_key(cause)));
        for cause in causes {
            let [after, before] = [self, before].map(|side| side.all.get(cause).unwrap_or(&nothing));
            let most = after.outages.n.max(before.outages.n);
            if !is_few(*cause, most) {
                many.push((after, before));
            } else if most == 0 || after.runs != before.runs {
                let rate = |of: &Counted| of.outages.rate(of.one_more, self.exposure(watched), watched.confidence);
                parts.extend([rate(after), rate(before).negated()]);
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

/// When windows come is known, so that a run tells what all do; one that was never seen says no more than any.
fn is_few(cause: Cause, seen: u64) -> bool {
    seen < MANY && (cause.why != Why::Planned || seen == 0)
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
/// one of those without which nothing of the kind would be down. Looked for among what is down when all of them are,
/// given back one by one, the slowest first or last; what is found that way is so.
fn is_possible<S: Structure>(assembly: &S, units: &[Unit], part: usize, mean: f64) -> bool {
    let slow = |at: usize| units[at].causes().iter().any(|(_, other)| decade(*other) >= decade(mean));
    let mut others: Vec<(usize, f64)> = (0..units.len())
        .filter(|at| *at != part && slow(*at))
        .map(|at| (at, units[at].causes().iter().map(|(_, mean)| *mean).fold(0.0, f64::max)))
        .collect();
    others.sort_by(|one, two| one.1.total_cmp(&two.1));
    let needs_it = |order: &mut dyn Iterator<Item = usize>| {
        let mut ups: Vec<bool> = units.iter().map(|unit| !matches!(unit, Unit::Still(false))).collect();
        others.iter().for_each(|(at, _)| ups[*at] = false);
        ups[part] = false;
        if assembly.is_up(&ups) {
            return false;
        }
        for at in order {
            ups[at] = true;
            ups[at] = !assembly.is_up(&ups);
        }
        ups[part] = true;
        assembly.is_up(&ups)
    };
    needs_it(&mut others.iter().map(|(at, _)| *at)) || needs_it(&mut others.iter().rev().map(|(at, _)| *at))
}
