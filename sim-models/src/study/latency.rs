//! A quantile of the latencies of many runs, and how far it may be off: requests of one run depend on each other, runs do not.
//!
//! Quantiles are not averaged: the mean of the 99th percentiles of runs is not the 99th percentile of their requests. All latencies
//! are put together, and the sections of the seeds, which are independent and alike, say how far the share of requests below the
//! quantile varies. That share in its interval is turned back into latencies (Woodruff, Confidence Intervals for Medians and Other
//! Position Measures, Journal of the American Statistical Association 47, 1952; for clusters: Särndal, Swensson and Wretman, Model
//! Assisted Survey Sampling, 1992, section 5.11).
//!
//! For a difference, each section moves the quantile by as much as it moves the share, at the slope between the ends of that interval
//! (Bahadur's linear form); what two configurations share of these moves drops out of their difference.

use std::collections::BTreeMap;

use libm::sqrt;
use sim_core::{Histogram, Ratio};

use super::compare::never_otherwise;
use super::sheet::Sheet;
use crate::stats::laws::{student, student_above};
use crate::stats::{Confidence, Estimate, Method, nearest_rank};

/// A quantile in its interval, and by how much each section moves it. All in milliseconds.
///
/// The ends of the interval are the outer ends of the buckets in which they lie, so that what the histogram does not tell is in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantile {
    value: f64,
    /// The width of the bucket in which the value lies.
    grain: f64,
    lo: Option<f64>,
    hi: Option<f64>,
    /// By section; none where the interval has not both ends.
    moves: Option<BTreeMap<u64, f64>>,
    requests: u64,
}

impl Quantile {
    /// Of all runs of a configuration, by its thousandths; none without a request.
    pub(super) fn of(
        sheet: &Sheet,
        configuration: usize,
        thousandths: u32,
        confidence: Confidence,
    ) -> Option<Quantile> {
        let all = sheet.latency(configuration);
        let share = f64::from(thousandths) / 1000.0;
        let Place { low, middle: value, high } = Place::at(&all, share)?;
        let strays = strays(sheet, configuration, &all, value);
        let freedom = strays.len() as f64 - 1.0;
        let half = error(strays.values().copied()).map(|error| error * student(confidence.tail(), freedom));
        let lo = half.and_then(|half| Place::at(&all, (share - half).max(0.0)));
        let hi = half.filter(|half| share + half < 1.0).and_then(|half| Place::at(&all, share + half));
        let moves = half.zip(lo.as_ref().zip(hi.as_ref())).map(|(half, (lo, hi))| {
            // How many milliseconds a share is worth here.
            let slope = if half > 0.0 { (hi.middle - lo.middle) / (2.0 * half) } else { 0.0 };
            strays.into_iter().map(|(section, stray)| (section, -stray * slope)).collect()
        });
        let (lo, hi) = (lo.map(|place| place.low), hi.map(|place| place.high));
        Some(Quantile { value, grain: high - low, lo, hi, moves, requests: all.count() })
    }

    pub(super) fn estimate(&self) -> Estimate {
        let Quantile { value, lo, hi, requests, .. } = *self;
        Estimate { value: Some(value), lo, hi, method: Method::Sections, n: requests }
    }

    /// How much longer it is than the other, and how likely so large a difference would be were there none.
    pub(super) fn longer_than(&self, other: &Quantile, confidence: Confidence) -> (Estimate, Option<f64>) {
        let value = self.value - other.value;
        let n = self.requests.min(other.requests);
        let unknown = Estimate { value: Some(value), lo: None, hi: None, method: Method::Sections, n };
        let Some((mine, theirs)) = self.moves.as_ref().zip(other.moves.as_ref()) else { return (unknown, None) };
        let both = mine.iter().filter_map(|(section, mine)| Some(mine - theirs.get(section)?));
        let apart: Vec<f64> = both.collect();
        let (moves, freedom) = (apart.len() as u64, apart.len() as f64 - 1.0);
        let Some(error) = error(apart.into_iter()) else { return (unknown, None) };
        // What the buckets of the two do not tell may be of the one sign or the other, and speaks for nothing.
        let untold = self.grain + other.grain;
        let beyond = (libm::fabs(value) - untold).max(0.0);
        let chance = match (error == 0.0, beyond == 0.0) {
            (_, true) => 1.0,
            (true, false) => never_otherwise(moves),
            (false, false) => (2.0 * student_above(beyond / error, freedom)).min(1.0),
        };
        let half = student(confidence.tail(), freedom) * error + untold;
        (Estimate::around(value, half, Method::Sections, n), Some(chance))
    }

    /// Half the width of the interval, as if the other had run with other seeds.
    pub(super) fn half_apart(&self, other: &Quantile) -> Option<f64> {
        let half = |of: &Quantile| Some((of.hi? - of.lo?) / 2.0);
        half(self).zip(half(other)).map(|(mine, theirs)| libm::hypot(mine, theirs))
    }
}

/// By how much each section makes the share of requests up to a latency more than it is of all.
fn strays(sheet: &Sheet, configuration: usize, all: &Histogram, value: f64) -> BTreeMap<u64, f64> {
    let below = |histogram: &Histogram| -> f64 {
        histogram.buckets().map(|bucket| bucket.count as f64 * part_below(bucket.low, bucket.high, value)).sum()
    };
    let sections: Vec<(u64, &Histogram)> = sheet.sections(configuration).collect();
    let usual = all.count() as f64 / sections.len().max(1) as f64;
    let share = below(all) / all.count().max(1) as f64;
    let stray = |section: &Histogram| (below(section) - share * section.count() as f64) / usual;
    sections.into_iter().map(|(number, section)| (number, stray(section))).collect()
}

/// The part of a bucket up to a latency in milliseconds, as if what is in it lay evenly.
fn part_below(low: u64, high: u64, value: f64) -> f64 {
    let nanos = value * 1e6;
    if nanos < low as f64 {
        0.0
    } else if nanos >= high as f64 {
        1.0
    } else {
        (nanos - low as f64) / (high - low) as f64
    }
}

/// How far the mean of so many strays usually is from nothing; none of fewer than two.
fn error(strays: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, squares) = strays.fold((0u64, 0.0), |(count, sum), stray| (count + 1, sum + stray * stray));
    (count > 1).then(|| sqrt(squares / (count as f64 * (count as f64 - 1.0))))
}

/// The latency that a share of all requests does not exceed, by the nearest rank, as if those of one bucket lay evenly in it; in
/// milliseconds; none without a request.
pub fn at_share(latencies: &Histogram, share: f64) -> Option<f64> {
    Place::at(latencies, share).map(|place| place.middle)
}

/// Where a quantile lies: in milliseconds, between the ends of its bucket.
struct Place {
    low: f64,
    middle: f64,
    high: f64,
}

impl Place {
    fn at(latencies: &Histogram, share: f64) -> Option<Place> {
        let whole = Ratio::ONE.parts();
        let share = Ratio::new(libm::round(share * whole as f64) as u64, whole)?;
        let bucket = latencies.quantile(share)?;
        let before = latencies.buckets().take_while(|before| before.high < bucket.low);
        let below: u64 = before.map(|before| before.count).sum();
        let rank = nearest_rank(share, latencies.count()) - below;
        let (low, high) = (bucket.low as f64 / 1e6, bucket.high as f64 / 1e6);
        let middle = low + (high - low) * (rank as f64 - 0.5) / bucket.count as f64;
        Some(Place { low, middle, high })
    }
}

#[cfg(test)]
mod tests {
    use sim_core::seed::mix;
    use sim_core::{Dist, Duration};

    use super::*;
    use crate::study::SECTIONS;

    /// Latencies of runs of ten requests each that have a slowness in common: of two configurations, the second one slower by a factor, with
    /// the same luck.
    fn pair(round: u64, runs: u64, factor: u64) -> Sheet {
        let draw = Dist::Exponential(Duration::from_millis(100));
        let bits = |run: u64, request: u64| mix(mix(mix(round, 7), run), request);
        let mut latencies = vec![BTreeMap::new(), BTreeMap::new()];
        for run in 0..runs {
            let slowness = draw.sample(bits(run, 99)).nanos() / 2;
            for request in 0..10 {
                let took = draw.sample(bits(run, request)).nanos() + slowness;
                for (sections, took) in latencies.iter_mut().zip([took, took * factor / 100]) {
                    sections.entry(run % SECTIONS).or_insert_with(Histogram::default).record(took);
                }
            }
        }
        Sheet::of_latencies(latencies)
    }

    /// A quantile of the sum of two independent exponentials of means 100 and 50 ms: 1 − 2e^(−t/100) + e^(−t/50), by halving.
    fn truth(share: f64) -> f64 {
        let (mut low, mut high) = (0.0, 10_000.0);
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            let below = 1.0 - 2.0 * libm::exp(-middle / 100.0) + libm::exp(-middle / 50.0);
            if below < share { low = middle } else { high = middle }
        }
        low
    }

    /// How often of a thousand times the interval of the value, and that of the difference, cover the truth, in percent.
    fn coverage(thousandths: u32, runs: u64) -> (f64, f64) {
        let truth = truth(f64::from(thousandths) / 1000.0);
        let (mut values, mut differences) = (0, 0);
        for round in 0..1000 {
            let sheet = pair(round, runs, 120);
            let of = |configuration| Quantile::of(&sheet, configuration, thousandths, Confidence::USUAL).unwrap();
            let (one, other) = (of(0), of(1));
            values += u32::from(one.estimate().covers(truth));
            differences += u32::from(other.longer_than(&one, Confidence::USUAL).0.covers(0.2 * truth));
        }
        (f64::from(values) / 10.0, f64::from(differences) / 10.0)
    }

    #[test]
    fn intervals_of_runs_that_have_something_in_common_cover_what_they_say() {
        for (thousandths, runs) in [(500, 90), (900, 90), (990, 900)] {
            let (values, differences) = coverage(thousandths, runs);
            // The figures of docs/validation.md, for whoever runs this with --nocapture.
            println!("{thousandths}: {values} % and of differences {differences} %");
            // 95 %, give or take three standard errors of a thousand.
            assert!((92.9..=97.1).contains(&values), "{thousandths}: {values}");
            assert!((92.9..=97.1).contains(&differences), "{thousandths}: of differences {differences}");
        }
    }

    #[test]
    fn with_the_same_luck_a_difference_is_known_better_than_either() {
        let sheet = pair(0, 300, 120);
        let of = |configuration| Quantile::of(&sheet, configuration, 500, Confidence::USUAL).unwrap();
        let (one, other) = (of(0), of(1));
        let (difference, chance) = other.longer_than(&one, Confidence::USUAL);
        assert!(chance.unwrap() < 1e-6);
        assert!(difference.half_width().unwrap() * 3.0 < other.half_apart(&one).unwrap(), "{difference:?}");
    }

    #[test]
    fn too_few_requests_have_no_upper_end_and_none_have_nothing() {
        let few = pair(0, 3, 100);
        let p999 = Quantile::of(&few, 0, 999, Confidence::USUAL).unwrap();
        assert!(p999.estimate().value.is_some() && p999.estimate().hi.is_none());
        assert_eq!(p999.longer_than(&p999, Confidence::USUAL).1, None);
        assert_eq!(Quantile::of(&Sheet::default(), 0, 500, Confidence::USUAL), None);
    }
}
