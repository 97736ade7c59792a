//! What the benchmarks share: the plain loop they are measured against, and a way to compare two things fairly.

pub mod plain;

use std::time::Instant;

/// The ratio of the second rate to the first: median, minimum and maximum over rounds in which the two take turns.
///
/// Block after block, one and the same build differs from itself by a third on a shared machine; turn by turn it does not.
pub fn interleaved(rounds: usize, mut yardstick: impl FnMut() -> u64, mut measured: impl FnMut() -> u64) -> [f64; 3] {
    let mut ratios: Vec<f64> = (0..rounds).map(|_| rate(&mut measured) / rate(&mut yardstick)).collect();
    ratios.sort_by(f64::total_cmp);
    [ratios[rounds / 2], ratios[0], ratios[rounds - 1]]
}

/// Units of work per second.
pub fn rate(work: &mut impl FnMut() -> u64) -> f64 {
    let begin = Instant::now();
    let units = std::hint::black_box(work());
    units as f64 / begin.elapsed().as_secs_f64()
}
