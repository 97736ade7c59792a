//! What one run says of the system that it is a run of: availability and latency with intervals, from one long dependent series.
//!
//! The requests of a run depend on each other, so they are cut into batches that hardly do. That asks for a run that is alike
//! throughout: its warm-up is declared and left out, and a fault or a ramp in the middle of it belongs into many runs instead, as comparisons
//! make them. An interval is given only where the run is long enough for its dependence.

use sim_core::{Instant, Ratio};

use crate::judge::{Answered, ScenarioJudge};
use crate::message::Tone;
use crate::stats::{
    Batched, Confidence, Estimate, Method, batch_means, batch_quantiles, clopper_pearson, nearest_rank,
};

/// Estimates from one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Single {
    /// Requests with an outcome that the warm-up took.
    pub warming: u64,
    /// The share of requests that are ok, of those with an outcome.
    pub availability: Estimate,
    /// The mean latency in milliseconds.
    pub mean: Estimate,
    /// Quantiles of latency in milliseconds, by name.
    pub quantiles: Vec<(&'static str, Estimate)>,
}

/// The quantiles that are told, in thousandths.
const QUANTILES: [(&str, u64); 4] = [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)];

impl Single {
    /// Of the requests of a run that were to begin at `warmup` or later, in the order of their beginnings.
    pub fn of(judge: &ScenarioJudge, warmup: Instant, confidence: Confidence) -> Single {
        let mut all: Vec<Answered> = judge.answered().collect();
        let count = all.len();
        all.retain(|answered| answered.since >= warmup);
        all.sort_by_key(|answered| answered.since);
        let oks: Vec<f64> = all.iter().map(|answered| if answered.tone == Tone::Ok { 1.0 } else { 0.0 }).collect();
        let millis: Vec<f64> = all.iter().map(|answered| answered.took.nanos() as f64 / 1e6).collect();
        let quantile = |(name, thousandths): (&'static str, u64)| (name, quantile(&millis, thousandths, confidence));
        Single {
            warming: (count - all.len()) as u64,
            availability: availability(&oks, confidence),
            mean: told(batch_means(&millis, confidence), mean(&millis), Method::BatchMeans, &millis),
            quantiles: QUANTILES.into_iter().map(quantile).collect(),
        }
    }
}

/// A share that never varied says nothing by its batches; it is taken for that of independent requests.
fn availability(oks: &[f64], confidence: Confidence) -> Estimate {
    let ok = oks.iter().filter(|ok| **ok > 0.0).count();
    if ok == oks.len() || ok == 0 {
        return clopper_pearson(ok as u64, oks.len() as u64, confidence);
    }
    let estimate = told(batch_means(oks, confidence), mean(oks), Method::BatchMeans, oks);
    let share = |end: Option<f64>| end.map(|end| end.clamp(0.0, 1.0));
    Estimate { lo: share(estimate.lo), hi: share(estimate.hi), ..estimate }
}

fn quantile(millis: &[f64], thousandths: u64, confidence: Confidence) -> Estimate {
    let Some(share) = Ratio::new(thousandths, 1000) else { return Estimate::none(Method::BatchQuantiles) };
    let mut sorted = millis.to_vec();
    let rank = nearest_rank(share, sorted.len() as u64) as usize;
    let value = (!sorted.is_empty()).then(|| *sorted.select_nth_unstable_by(rank - 1, f64::total_cmp).1);
    told(batch_quantiles(millis, share, confidence), value, Method::BatchQuantiles, millis)
}

/// The value of the whole series, and an interval where the batches are long enough.
fn told(batched: Option<Batched>, value: Option<f64>, method: Method, series: &[f64]) -> Estimate {
    let half = batched.filter(|batched| batched.cut.settled).and_then(|batched| batched.estimate.half_width());
    let end = |sign: f64| value.zip(half).map(|(value, half)| value + sign * half);
    Estimate { value, lo: end(-1.0), hi: end(1.0), method, n: series.len() as u64 }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use sim_core::{Duration, Limits, Seed, Stop};
    use std::ops::ControlFlow;

    use super::*;
    use crate::language::Choices;

    fn single(orders: &str, warmup: Duration) -> Single {
        let scenario = crate::builtin::scenario("checkout").unwrap().unwrap();
        let model = scenario.model(&Choices::none().set("orders", orders)).unwrap();
        let watch = |_: &sim_core::Sim<_>, _: &sim_core::Step| ControlFlow::Continue(());
        let (_, judge) = model.observed(Seed(1), Stop::AtEnd, Limits::default(), watch);
        Single::of(&judge, Instant::ZERO + warmup, Confidence::USUAL)
    }

    #[test]
    fn a_run_says_what_its_requests_say() {
        let single = single("10000", Duration::ZERO);
        assert_eq!((single.warming, single.mean.n), (0, 10_000));
        // The median of the log-normal and the links; from a timeout of 1 s on it is another distribution.
        assert!(single.quantiles[0].1.covers(300.0), "{:?}", single.quantiles);
        // Ten thousand requests are too few for a p99.9.
        assert!(single.quantiles[3].1.value.is_some() && single.quantiles[3].1.lo.is_none(), "{:?}", single.quantiles);
    }

    #[test]
    fn a_warm_up_is_left_out_and_counted() {
        let (all, late) = (single("1000", Duration::ZERO), single("1000", Duration::from_secs(2)));
        assert!(
            (10..40).contains(&late.warming) && late.warming + late.mean.n == all.mean.n,
            "{} of {}",
            late.warming,
            all.mean.n
        );
    }

    #[test]
    fn nothing_is_estimated_from_nothing() {
        let single = single("10", Duration::from_secs(1_000_000));
        assert_eq!((single.availability.value, single.mean.value, single.mean.lo), (None, None, None));
        assert!(single.quantiles.iter().all(|(_, estimate)| estimate.value.is_none()));
    }
}
