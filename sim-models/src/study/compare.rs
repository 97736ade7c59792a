//! How configurations do that ran with the same seeds, and what differs between them: which differences are real, which may be luck,
//! and how many seeds would tell.

use crate::stats::{Confidence, Estimate, Flips, Method, Spread, clopper_pearson, holm, replications, unpaired};

use super::latency::Quantile;
use super::metric::{Metric, Unit};
use super::sheet::Sheet;

/// How one configuration does by one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Its mean over the runs; of `failing` the share of runs, of a quantile of latency that of all runs together.
    pub estimate: Estimate,
    /// Runs in which the metric has no number; they are in no mean.
    pub without: u64,
}

/// How much more a configuration has of a metric than the one it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The difference, taken seed by seed.
    pub estimate: Estimate,
    /// How likely so large a difference would be, were there none.
    pub chance: Option<f64>,
    /// The same, with all the differences in view that were looked at (Holm).
    pub adjusted: Option<f64>,
    /// What can be said of it.
    pub found: Found,
    /// How many times wider the interval would be if the two had run with different seeds; none where nothing differs.
    pub narrower: Option<f64>,
}

/// What can be said of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It has less of it.
    Lower,
    /// It has more of it.
    Higher,
    /// It is the same in every run.
    Same,
    /// It may be luck; about so many seeds in all would tell a difference of this size.
    Open {
        /// Seeds in all; none when nothing says how many.
        seeds: Option<u64>,
    },
}

/// All configurations by all metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// By configuration, then by metric.
    pub standings: Vec<Vec<Standing>>,
    /// By configuration, then by metric: against the first one. Of the first one itself there are none.
    pub differences: Vec<Vec<Difference>>,
}

/// How every configuration of a sheet does.
pub fn standings(
    sheet: &Sheet,
    configurations: usize,
    metrics: &[Metric],
    confidence: Confidence,
) -> Vec<Vec<Standing>> {
    let of = |configuration| {
        let by = |(index, metric): (usize, &Metric)| standing(sheet, configuration, index, metric, confidence);
        metrics.iter().enumerate().map(by).collect()
    };
    (0..configurations).map(of).collect()
}

/// How one configuration does by one metric.
pub fn standing(
    sheet: &Sheet,
    configuration: usize,
    index: usize,
    metric: &Metric,
    confidence: Confidence,
) -> Standing {
    if let Some(thousandths) = metric.latency_thousandths() {
        let quantile = Quantile::of(sheet, configuration, thousandths, confidence);
        let estimate = quantile.map_or(Estimate::none(Method::Sections), |quantile| quantile.estimate());
        return Standing { estimate, without: 0 };
    }
    let values: Vec<f64> = sheet.values(configuration, index).flatten().collect();
    let without = sheet.seeds() - values.len() as u64;
    let estimate = if metric.is_yes_or_no() {
        clopper_pearson(values.iter().filter(|value| **value > 0.0).count() as u64, values.len() as u64, confidence)
    } else {
        replications(&values, confidence)
    };
    let estimate = if metric.unit == Unit::Share { inside(estimate) } else { estimate };
    Standing { estimate, without }
}

/// The mean of shares is a share: what lies outside of nothing and all is no part of the interval.
fn inside(estimate: Estimate) -> Estimate {
    let share = |end: Option<f64>| end.map(|end| end.clamp(0.0, 1.0));
    Estimate { lo: share(estimate.lo), hi: share(estimate.hi), ..estimate }
}

/// Compares every configuration with the first one.
pub fn compare(sheet: &Sheet, configurations: usize, metrics: &[Metric], confidence: Confidence) -> Comparison {
    let standings = standings(sheet, configurations, metrics, confidence);
    let of = |configuration| -> Vec<Difference> {
        let by = |(index, metric): (usize, &Metric)| difference(sheet, configuration, index, metric, confidence);
        metrics.iter().enumerate().map(by).collect()
    };
    let mut differences: Vec<Vec<Difference>> = (0..configurations)
        .map(|configuration| if configuration == 0 { Vec::new() } else { of(configuration) })
        .collect();
    decide(&mut differences, sheet.seeds(), confidence);
    Comparison { standings, differences }
}

fn difference(
    sheet: &Sheet,
    configuration: usize,
    index: usize,
    metric: &Metric,
    confidence: Confidence,
) -> Difference {
    if sheet.is_same(configuration, 0) {
        return Difference { found: Found::Same, ..Difference::new(Estimate::exact(0.0, sheet.seeds()), None, None) };
    }
    if let Some(thousandths) = metric.latency_thousandths() {
        return slower(sheet, configuration, thousandths, confidence);
    }
    let pairs = sheet.values(configuration, index).zip(sheet.values(0, index));
    let pairs: Vec<(f64, f64)> = pairs.filter_map(|(one, other)| one.zip(other)).collect();
    if metric.is_yes_or_no() {
        let flips = Flips::among(pairs.iter().map(|(one, other)| (*other > 0.0, *one > 0.0)));
        return Difference::new(flips.difference(confidence), Some(flips.chance_of_nothing()), None);
    }
    let differences: Vec<f64> = pairs.iter().map(|(one, other)| one - other).collect();
    let Some(spread) = Spread::of(&differences) else {
        return Difference::unknown(Method::Paired);
    };
    let estimate = spread.estimate(confidence, Method::Paired);
    let (ones, others): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    // As if the two had nothing to do with each other.
    let apart = unpaired(&others, &ones, confidence).half_width();
    Difference::new(estimate, spread.chance_of_nothing(), apart)
}

/// The difference of a quantile of latency.
fn slower(sheet: &Sheet, configuration: usize, thousandths: u32, confidence: Confidence) -> Difference {
    let quantile = |configuration| Quantile::of(sheet, configuration, thousandths, confidence);
    let Some((mine, theirs)) = quantile(configuration).zip(quantile(0)) else {
        return Difference::unknown(Method::Sections);
    };
    let (estimate, chance) = mine.longer_than(&theirs, confidence);
    Difference::new(estimate, chance, mine.half_apart(&theirs))
}

impl Difference {
    fn unknown(method: Method) -> Difference {
        let found = Found::Open { seeds: None };
        Difference { estimate: Estimate::none(method), chance: None, adjusted: None, found, narrower: None }
    }

    fn new(estimate: Estimate, chance: Option<f64>, unpaired: Option<f64>) -> Difference {
        let half = estimate.half_width().filter(|half| *half > 0.0);
        let narrower = half.zip(unpaired).map(|(paired, unpaired)| unpaired / paired);
        Difference { estimate, chance, narrower, ..Difference::unknown(estimate.method) }
    }

    /// About how many seeds would tell a difference of this size: half a width goes down with the root of their number.
    fn seeds_to_tell(&self, seeds: u64) -> Option<u64> {
        let (value, half) = (self.estimate.value?, self.estimate.half_width()?);
        let times = half / libm::fabs(value);
        let more = libm::ceil(seeds as f64 * times * times * MARGIN);
        (value != 0.0 && more < 1e15).then_some(more as u64)
    }
}

/// With exactly as many seeds as would put the end of the interval at nothing, the odds are even; with half as many again they are about
/// two to one.
const MARGIN: f64 = 1.5;

/// Says of each difference what can be said, with all of them in view.
fn decide(differences: &mut [Vec<Difference>], seeds: u64, confidence: Confidence) {
    let chances: Vec<f64> = differences.iter().flatten().filter_map(|difference| difference.chance).collect();
    let mut adjusted = holm(&chances).into_iter();
    for difference in differences.iter_mut().flatten().filter(|difference| difference.chance.is_some()) {
        difference.adjusted = adjusted.next();
        let is_real = difference.adjusted.is_some_and(|chance| chance <= 1.0 - confidence.share());
        difference.found = match (difference.estimate.value, difference.estimate.half_width()) {
            (Some(0.0), Some(0.0)) => Found::Same,
            (Some(value), _) if is_real && value < 0.0 => Found::Lower,
            (Some(value), _) if is_real && value > 0.0 => Found::Higher,
            _ => Found::Open { seeds: difference.seeds_to_tell(seeds) },
        };
    }
}
