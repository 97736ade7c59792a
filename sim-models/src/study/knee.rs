//! Where a curve turns: the point that is furthest from the straight line between its ends, when both axes are stretched to the same length.
//!
//! That is the definition of Satopää, Albrecht, Irwin and Raghavan, Finding a "Kneedle" in a Haystack, ICDCS Workshops 2011, without its
//! smoothing: a point here is a mean over many runs. How sure the place is comes from resampling the runs (Efron's bootstrap, by
//! sections, whose dice are fixed): the curve is drawn again from sections taken with repetition, and turns elsewhere.

use std::collections::BTreeMap;

use sim_core::Histogram;
use sim_core::seed::mix;

use super::latency::at_share;
use super::metric::Metric;
use super::sheet::{SECTIONS, Sheet};
use crate::stats::Confidence;

/// A metric at one value of the setting, section by section of the seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// By section: sum and number of runs.
    Mean(BTreeMap<u64, (f64, u64)>),
    /// By section: latencies; and the share.
    Latency(BTreeMap<u64, Histogram>, f64),
}

/// A value of the setting, where it stands on the axis, and the metric there.
#[derive(Clone, Debug, PartialEq)]
pub struct Bend {
    /// The value.
    pub ticks: i128,
    /// Where it stands.
    pub position: f64,
    /// The metric.
    pub profile: Profile,
}

/// Where a curve turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knee {
    /// The value there.
    pub at: i128,
    /// From where on it may turn, when luck is taken out of the way it fell.
    pub from: i128,
    /// Up to where.
    pub to: i128,
    /// How far it is from the straight line, as a share of the height of the curve; a small one is no knee.
    pub distance: f64,
}

/// How often the curve is drawn again.
const RESAMPLES: u64 = 200;

/// New points between two neighbours, when the place is looked at more closely.
const CLOSER: i128 = 4;

impl Profile {
    /// A metric of one configuration of a sheet.
    pub fn of(sheet: &Sheet, configuration: usize, index: usize, metric: &Metric) -> Profile {
        if let Some(thousandths) = metric.latency_thousandths() {
            let sections = sheet.sections(configuration).map(|(section, latency)| (section, latency.clone()));
            return Profile { kind: Kind::Latency(sections.collect(), f64::from(thousandths) / 1000.0) };
        }
        let mut sums: BTreeMap<u64, (f64, u64)> = BTreeMap::new();
        for (seed, value) in sheet.seeded(configuration, index) {
            if let Some(value) = value {
                let (sum, runs) = sums.entry(seed % SECTIONS).or_default();
                *sum += value;
                *runs += 1;
            }
        }
        Profile { kind: Kind::Mean(sums) }
    }

    /// The metric over these sections, each as often as it stands there.
    fn over(&self, sections: impl Iterator<Item = u64>) -> Option<f64> {
        match &self.kind {
            Kind::Mean(sums) => {
                let (sum, runs) = sections
                    .filter_map(|section| sums.get(&section))
                    .fold((0.0, 0), |(sum, runs), of| (sum + of.0, runs + of.1));
                (runs > 0).then(|| sum / runs as f64)
            }
            Kind::Latency(latencies, share) => {
                let mut all = Histogram::default();
                sections.filter_map(|section| latencies.get(&section)).for_each(|latency| all.merge(latency));
                at_share(&all, *share)
            }
        }
    }

    fn sections(&self) -> Vec<u64> {
        match &self.kind {
            Kind::Mean(sums) => sums.keys().copied().collect(),
            Kind::Latency(latencies, _) => latencies.keys().copied().collect(),
        }
    }
}

/// Finds where a metric turns, to `precision` ticks; none of fewer than three points, or where the metric is the same at both ends and between.
///
/// The points come in the order of their ticks. `measure` runs the system at a value between them; it gives none when somebody ends it.
pub fn knee(
    points: Vec<Bend>,
    precision: i128,
    confidence: Confidence,
    mut measure: impl FnMut(i128) -> Option<Bend>,
) -> Option<Knee> {
    let mut points = points;
    loop {
        let (at, distance) = furthest(&points, |bend| bend.profile.over(bend.profile.sections().into_iter()))?;
        let closer: Vec<i128> = around(&points, at, precision.max(1)).collect();
        let more: Option<Vec<Bend>> = closer.into_iter().map(&mut measure).collect();
        match more {
            Some(more) if !more.is_empty() => points.extend(more),
            _ => return Some(surroundings(&points, points[at].ticks, distance, confidence)),
        }
        points.sort_by_key(|bend| bend.ticks);
    }
}

/// The places between a point and its neighbours that are still to be looked at.
fn around(points: &[Bend], at: usize, precision: i128) -> impl Iterator<Item = i128> {
    let neighbours = [at.checked_sub(1).map(|before| (before, at)), (at + 1 < points.len()).then_some((at, at + 1))];
    let stretches = neighbours.into_iter().flatten().map(|(one, other)| (points[one].ticks, points[other].ticks));
    let wide: Vec<(i128, i128)> = stretches.filter(|(from, to)| to - from > precision).collect();
    wide.into_iter().flat_map(move |(from, to)| {
        let step = ((to - from) / CLOSER / precision).max(1) * precision;
        (1..CLOSER).map(move |nth| from + nth * step).filter(move |ticks| *ticks < to)
    })
}

/// The point furthest from the straight line between the ends, and how far it is in heights of the curve.
fn furthest(points: &[Bend], value: impl Fn(&Bend) -> Option<f64>) -> Option<(usize, f64)> {
    let values: Vec<f64> = points.iter().map(value).collect::<Option<_>>()?;
    let (first, last) = (points.first()?, points.last()?);
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    if points.len() < 3 || high <= low || last.position <= first.position {
        return None;
    }
    let (begin, end) = (values[0], values[values.len() - 1]);
    let distance = |at: usize| {
        let along = (points[at].position - first.position) / (last.position - first.position);
        libm::fabs(values[at] - (begin + (end - begin) * along)) / (high - low)
    };
    // Of several the first.
    let far = (0..points.len()).map(|at| (at, distance(at)));
    far.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// Between which values the curve turns when it is drawn again and again from sections taken with repetition.
fn surroundings(points: &[Bend], at: i128, distance: f64, confidence: Confidence) -> Knee {
    let sections = points.first().map(|bend| bend.profile.sections()).unwrap_or_default();
    let draw = |round: u64| {
        let count = sections.len() as u64;
        let sections = &sections;
        (0..count).map(move |nth| sections[(mix(mix(ROUND, round), nth) % count) as usize])
    };
    let again = |round| furthest(points, |bend| bend.profile.over(draw(round))).map(|(at, _)| points[at].ticks);
    let mut turns: Vec<i128> = (0..RESAMPLES).filter_map(again).collect();
    turns.sort_unstable();
    let out = (turns.len() as f64 * confidence.tail()) as usize;
    let ends = turns.get(out).zip(turns.get(turns.len().saturating_sub(1 + out)));
    let (from, to) = ends.map_or((at, at), |(from, to)| (*from.min(&at), *to.max(&at)));
    Knee { at, from, to, distance }
}

/// What the dice of resampling are about.
const ROUND: u64 = sim_core::seed::name_hash("knee");

#[cfg(test)]
mod tests {
    use super::*;

    /// A curve that is flat up to 400 and then rises, with a little noise that differs from section to section.
    fn bend(ticks: i128, noise: f64) -> Bend {
        let value = if ticks <= 400 { 0.0 } else { (ticks - 400) as f64 };
        let section = |section: u64| (section, (value + noise * (section as f64 - 14.5), 1));
        let profile = Profile { kind: Kind::Mean((0..SECTIONS).map(section).collect()) };
        Bend { ticks, position: ticks as f64, profile }
    }

    fn found(noise: f64, precision: i128) -> Knee {
        let points = (0..=10).map(|nth| bend(nth * 100, noise)).collect();
        knee(points, precision, Confidence::USUAL, |ticks| Some(bend(ticks, noise))).unwrap()
    }

    #[test]
    fn a_curve_turns_where_it_turns() {
        let knee = found(0.0, 1);
        assert!((knee.at - 400).abs() <= 1, "{knee:?}");
        // Of a curve of height 600 the corner is 240 below the line.
        assert!((knee.distance - 0.4).abs() < 0.01, "{knee:?}");
        assert!(knee.from <= 400 && 400 <= knee.to && knee.to - knee.from <= 2, "{knee:?}");
    }

    #[test]
    fn a_coarse_precision_stops_early() {
        let mut runs = 0;
        let points = (0..=10).map(|nth| bend(nth * 100, 0.0)).collect();
        let found = knee(points, 30, Confidence::USUAL, |ticks| {
            runs += 1;
            Some(bend(ticks, 0.0))
        });
        assert!((found.unwrap().at - 400).abs() <= 30);
        assert!(runs <= 6, "{runs}");
    }

    #[test]
    fn a_straight_or_flat_line_has_none() {
        let flat = (0..=10).map(|nth| Bend { ticks: nth, position: nth as f64, ..bend(0, 0.0) }).collect();
        assert_eq!(knee(flat, 1, Confidence::USUAL, |_| None), None);
        assert_eq!(knee(vec![bend(0, 0.0), bend(900, 0.0)], 1, Confidence::USUAL, |_| None), None);
    }
}
