//! What the benchmarks share: the plain loop they are measured against, and a way to compare two things fairly.

pub mod hops;
pub mod peers;
pub mod plain;
pub mod raft;

use std::time::Instant;

/// The ratio of the second rate to the first: median, minimum and maximum over rounds in which the two take turns.
///
/// Block after block, one and the same build differs from itself by a third on a shared machine; turn by turn it does not.
pub fn interleaved(rounds: usize, mut yardstick: impl FnMut() -> u64, mut measured: impl FnMut() -> u64) -> [f64; 3] {
    let mut ratios: Vec<f64> = (0..rounds).map(|_| rate(&mut measured) / rate(&mut yardstick)).collect();
    ratios.sort_by(f64::total_cmp);
    [ratios[rounds / 2], ratios[0], ratios[rounds - 1]]
}

/// The same, as a line with a name.
pub fn print_ratio(name: &str, yardstick: impl FnMut() -> u64, measured: impl FnMut() -> u64) {
    let [median, least, most] = interleaved(21, yardstick, measured);
    println!("{name:>36}  {median:.2}  ({least:.2} to {most:.2})");
}

/// How many bytes of memory this process holds; 0 where `/proc` does not say.
pub fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib * 1_024)
}

/// Nanoseconds that this thread has had a processor for, as far as the last tick; on systems that do not say, of the clock.
///
/// What others do on a shared machine is in the clock, and not in this.
pub fn processor_nanos(since: Instant) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
    nanos.unwrap_or_else(|| since.elapsed().as_nanos() as u64)
}

/// Units of work per second.
pub fn rate(work: &mut impl FnMut() -> u64) -> f64 {
    let begin = Instant::now();
    let units = std::hint::black_box(work());
    units as f64 / begin.elapsed().as_secs_f64()
}
