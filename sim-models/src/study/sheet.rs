//! What many runs measured, by seed: sheets of any split of the seeds put together in any order are the same sheet.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::Serialize;
use sim_core::{Digest, Histogram, Instant, Limits, Seed, Sim, Step, Stop, Verdict};

use super::metric::Metric;
use crate::judge::{Answered, ScenarioJudge};
use crate::message::{Msg, Tone};
use crate::scenario::{Model, Run};

/// How many sections the seeds are parted into for what cannot be worked out seed by seed: seed s is in section s mod 30.
///
/// Thirty are enough for Student's t to be narrow, and few enough for a section to be a sample of its own.
pub const SECTIONS: u64 = 30;

/// What is asked of every run.
#[derive(Clone, Debug)]
pub struct Questions {
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// Requests that were to begin earlier are left out of latency and availability.
    pub warmup: Instant,
    /// What ends a run that would not end by itself.
    pub limits: Limits,
}

/// What the runs of several configurations measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sheet {
    /// By seed: what each configuration measured.
    rows: BTreeMap<u64, Vec<Row>>,
    /// By configuration, then by section: latencies in nanoseconds.
    latencies: Vec<BTreeMap<u64, Histogram>>,
    /// By configuration, then by fault of its schedule: in how many runs it did something.
    effective: Vec<Vec<u64>>,
}

/// What one run measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// By metric; none where the run has no number, and of quantiles of latency, which are taken over all runs.
    values: Vec<Option<f64>>,
    /// Requests without an outcome at the end.
    unanswered: u64,
    /// Requests with an outcome that the warm-up took.
    warming: u64,
    /// How the run came out.
    verdict: Verdict,
    /// What the run was, in a number.
    digest: Digest,
}

/// Two sheets have a seed in common, so that its run would count twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {0} is in both sheets; what was measured once counts once")]
pub struct Overlap(pub u64);

impl Sheet {
    /// What the runs of all configurations measure with one seed; none when `watch` ended one of them.
    pub fn of(
        seed: Seed,
        models: &[&Model],
        questions: &Questions,
        mut watch: impl FnMut(&Sim<Msg>, &Step) -> ControlFlow<()>,
    ) -> Option<Sheet> {
        let (mut row, mut latencies, mut effective) = (Vec::new(), Vec::new(), Vec::new());
        for model in models {
            let (run, judge) = model.of_seed(seed).observed(seed, Stop::AtEnd, questions.limits, &mut watch);
            if run.outcome.interrupted {
                return None;
            }
            let (measured, latency) = measured(&run, &judge, questions);
            row.push(measured);
            latencies.push(BTreeMap::from([(seed.0 % SECTIONS, latency)]));
            effective.push(run.touched.iter().take(model.faults().len()).map(|times| u64::from(*times > 0)).collect());
        }
        Some(Sheet { rows: BTreeMap::from([(seed.0, row)]), latencies, effective })
    }

    /// Both together; the order does not matter.
    ///
    /// # Errors
    /// When a seed is in both.
    pub fn merge(mut self, other: Sheet) -> Result<Sheet, Overlap> {
        if let Some(seed) = other.rows.keys().find(|seed| self.rows.contains_key(seed)) {
            return Err(Overlap(*seed));
        }
        if self.rows.is_empty() {
            return Ok(other);
        }
        self.rows.extend(other.rows);
        for (known, more) in self.latencies.iter_mut().zip(other.latencies) {
            for (section, histogram) in more {
                known.entry(section).or_default().merge(&histogram);
            }
        }
        for (known, more) in self.effective.iter_mut().flatten().zip(other.effective.into_iter().flatten()) {
            *known += more;
        }
        Ok(self)
    }

    /// A sheet that knows latencies only: those of each configuration, by section.
    #[cfg(test)]
    pub(super) fn of_latencies(latencies: Vec<BTreeMap<u64, Histogram>>) -> Sheet {
        Sheet { latencies, ..Sheet::default() }
    }

    /// How many seeds there are.
    pub fn seeds(&self) -> u64 {
        self.rows.len() as u64
    }

    /// A metric of a configuration, in the order of seeds; none where a run has no number.
    pub fn values(&self, configuration: usize, metric: usize) -> impl Iterator<Item = Option<f64>> {
        self.rows.values().map(move |row| row[configuration].values[metric])
    }

    /// The same, each with its seed.
    pub fn seeded(&self, configuration: usize, metric: usize) -> impl Iterator<Item = (u64, Option<f64>)> {
        self.rows.iter().map(move |(seed, row)| (*seed, row[configuration].values[metric]))
    }

    /// The verdicts of a configuration, in the order of seeds.
    pub fn verdicts(&self, configuration: usize) -> impl Iterator<Item = Verdict> {
        self.rows.values().map(move |row| row[configuration].verdict)
    }

    /// Whether two configurations came to the very same runs, of which there are some.
    pub fn is_same(&self, configuration: usize, other: usize) -> bool {
        !self.rows.is_empty() && self.rows.values().all(|row| row[configuration].digest == row[other].digest)
    }

    /// Requests without an outcome, of all runs of a configuration.
    pub fn unanswered(&self, configuration: usize) -> u64 {
        self.rows.values().map(|row| row[configuration].unanswered).sum()
    }

    /// Requests that the warm-up took, of all runs of a configuration.
    pub fn warming(&self, configuration: usize) -> u64 {
        self.rows.values().map(|row| row[configuration].warming).sum()
    }

    /// The faults of a configuration's schedule, by their place, that did nothing in any run.
    pub fn inert(&self, configuration: usize) -> impl Iterator<Item = usize> {
        let effective = self.effective.get(configuration).into_iter().flatten();
        effective.enumerate().filter(|(_, runs)| **runs == 0).map(|(fault, _)| fault)
    }

    /// The latencies of all runs of a configuration.
    pub fn latency(&self, configuration: usize) -> Histogram {
        let mut all = Histogram::default();
        self.sections(configuration).for_each(|(_, section)| all.merge(section));
        all
    }

    /// The latencies of a configuration, by section; those without any are left out.
    pub fn sections(&self, configuration: usize) -> impl Iterator<Item = (u64, &Histogram)> {
        let sections = self.latencies.get(configuration).into_iter().flatten();
        sections.filter(|(_, histogram)| histogram.count() > 0).map(|(section, histogram)| (*section, histogram))
    }
}

fn measured(run: &Run, judge: &ScenarioJudge, questions: &Questions) -> (Row, Histogram) {
    // A run that was cut short measures what it would not have measured at its end.
    let is_whole = !matches!(run.outcome.verdict, Verdict::Panicked | Verdict::OutOfLimits);
    let mut latency = Histogram::default();
    let (mut ok, mut answered, mut warming) = (0u64, 0u64, 0u64);
    for Answered { since, took, tone } in judge.answered().filter(|_| is_whole) {
        if since < questions.warmup {
            warming += 1;
            continue;
        }
        latency.record(took.nanos());
        answered += 1;
        ok += u64::from(tone == Tone::Ok);
    }
    let availability = (answered > 0).then(|| ok as f64 / answered as f64);
    let value = |metric: &Metric| match metric {
        // A panic is a failure; whether a run that a limit ended would have failed nobody knows.
        metric if metric.is_yes_or_no() => metric.of(run).filter(|_| run.outcome.verdict != Verdict::OutOfLimits),
        _ if !is_whole => None,
        metric if metric.is_availability() => availability,
        metric if metric.latency_thousandths().is_some() => None,
        metric => metric.of(run),
    };
    let values = questions.metrics.iter().map(value).collect();
    (
        Row {
            values,
            unanswered: if is_whole { run.requests.unanswered } else { 0 },
            warming,
            verdict: run.outcome.verdict,
            digest: run.outcome.digest,
        },
        latency,
    )
}
