//! Runs every configuration with every seed on all cores. What comes of it depends on the seeds only: they are put together in their order,
//! and when somebody ends it early, the seeds that count are the first ones, not those that happened to be short.

use std::ops::Range;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};
use sim_core::Seed;
use sim_models::scenario::Model;
use sim_models::study::{Questions, Sheet};

use crate::interrupt::Interrupt;
use crate::quiet::quietly;
use crate::report::{Bad, bad};
use crate::seeds::Seeds;

/// Runs configurations and fills a sheet with what they measure.
pub(crate) struct Observer {
    pool: ThreadPool,
    jobs: u64,
    interrupt: Interrupt,
    bar: ProgressBar,
}

/// How many seeds each thread has in front of it before they are put together.
const EACH: u64 = 8;

/// More runs than that are a mistake: at a millisecond each they take a day.
const RUNS_MAX: u64 = 100_000_000;

impl Observer {
    /// With so many threads.
    ///
    /// # Errors
    /// When there can be no threads.
    pub(crate) fn new(jobs: usize) -> Result<Observer, Bad> {
        let pool = ThreadPoolBuilder::new().num_threads(jobs).build();
        let pool = pool.map_err(|error| bad!("--jobs {jobs}: no threads can be made: {error}"))?;
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} runs, {eta} to go");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Ok(Observer { pool, jobs: jobs as u64, interrupt: Interrupt::listen(), bar })
    }

    /// Whether somebody has ended it.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.is_pressed()
    }

    /// Adds the runs of these seeds to a sheet, the first ones when somebody ends it.
    pub(crate) fn observe(&self, models: &[&Model], questions: &Questions, seeds: Range<u64>, sheet: Sheet) -> Sheet {
        self.bar.inc_length((seeds.end - seeds.start) * models.len() as u64);
        let block = self.jobs * EACH;
        let mut sheet = sheet;
        let mut next = seeds.start;
        while next < seeds.end && !self.is_interrupted() {
            let end = next.saturating_add(block).min(seeds.end);
            let rows = self.pool.install(|| {
                (next..end).into_par_iter().map(|seed| self.row(models, questions, Seed(seed))).collect::<Vec<_>>()
            });
            for row in rows.into_iter().map_while(|row| row) {
                sheet = sheet.merge(row).expect("every seed is run once");
            }
            next = end;
        }
        self.bar.set_length(self.bar.position().max(1));
        sheet
    }

    fn row(&self, models: &[&Model], questions: &Questions, seed: Seed) -> Option<Sheet> {
        if self.is_interrupted() {
            return None;
        }
        let row = quietly(|| Sheet::of(seed, models, questions, |_, _| self.interrupt.flow()));
        self.bar.inc(models.len() as u64);
        row
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The seeds as a range with an end, few enough to be run.
///
/// # Errors
/// When there is no end, or more runs than anybody waits for.
pub(crate) fn range(seeds: Seeds, configurations: usize) -> Result<Range<u64>, Bad> {
    let Some(to) = seeds.to else {
        return Err(bad!("--seeds {seeds} has no end; write {}..{}", seeds.from, seeds.from.saturating_add(100)));
    };
    let runs = (to - seeds.from).saturating_mul(configurations as u64);
    if runs > RUNS_MAX {
        let most = RUNS_MAX / configurations.max(1) as u64;
        return Err(bad!(
            "{} with {} seeds come to {} runs; write --seeds {} or less",
            crate::text::counted(configurations as u64, "configuration"),
            crate::text::count(to - seeds.from),
            crate::text::count(runs),
            most,
        ));
    }
    Ok(seeds.from..to)
}
