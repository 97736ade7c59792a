//! Published and worked-out figures of protocols come out of actors that speak them: heartbeats, quorums, elections,
//! rumours, clocks that know how wrong they are.
//!
//! Each protocol is the smallest program that keeps to it, on the product's own links, timers, dice, clocks and faults.
//! A figure has to lie in the 99.9 % interval of Student's t over independent replications, and the interval has to be
//! narrow; where a formula gives the figure, it is worked out here too. `docs/availability.md` lists the cases by
//! number.
//!
//! What takes long is ignored and says so: `cargo test -p faultline-tests --test protocols -- --ignored --nocapture`.

mod clocks;
mod elections;
mod heartbeats;
mod quorums;
mod rumours;

use faultline_tests::replications::interval;
use faultline_tests::scenarios::over_seeds;
use sim_core::{Dist, Duration, Message, Seed, Sim, Step, System};

/// A length by its seconds.
fn seconds(length: f64) -> Duration {
    Duration::from_nanos_f64(length * 1e9)
}

/// Anything from none up to, not including, that length.
fn up_to(length: Duration) -> Dist {
    Dist::Uniform(Duration::ZERO, Duration::from_nanos(length.nanos() - 1))
}

/// Lets a run go on to its end, and shows each step.
fn to_the_end<M: Message>(sim: &mut Sim<M>, mut seen: impl FnMut(&Sim<M>, &Step)) {
    while let Some(step) = sim.step() {
        seen(sim, &step);
    }
    assert!(sim.panic().is_none(), "{:?}", sim.panic());
}

/// What each of so many replications says on average, of so many runs each.
fn means<M: Message, const N: usize>(
    system: &System<M>,
    replications: u64,
    runs: u64,
    of: impl Fn(Sim<M>) -> [f64; N] + Sync,
) -> [Vec<f64>; N] {
    let prepared = system.prepare().unwrap_or_else(|error| panic!("{error}"));
    let mean = |Seed(replication): Seed| {
        let mut sums = [0.0; N];
        for run in replication * runs..(replication + 1) * runs {
            sums.iter_mut().zip(of(prepared.start(Seed(run)))).for_each(|(sum, value)| *sum += value);
        }
        sums.map(|sum| sum / runs as f64)
    };
    let all = over_seeds(replications, mean);
    std::array::from_fn(|figure| all.iter().map(|means| means[figure]).collect())
}

/// A figure that others have counted, and its standard error.
struct Counted {
    figure: f64,
    error: f64,
}

/// A counted figure is itself uncertain. So the mean of the replications may be off it by at most this share, its interval
/// may be no wider, and the two may be no further apart than the uncertainties of both together.
#[track_caller]
fn agrees(what: &str, values: &[f64], counted: &Counted, width: f64) {
    let ((mean, half), Counted { figure, error }) = (interval(values), counted);
    println!("{what}: {mean:.4} ± {half:.4}, counted by others {figure:.4} ± {:.4}", SURE * error);
    assert!(half <= width * figure, "{what}: {mean} ± {half} is wide for {figure}");
    assert!((mean - figure).abs() <= width * figure, "{what}: {mean}, not {figure}");
    assert!((mean - figure).abs() <= libm::hypot(half, SURE * error), "{what}: {mean} ± {half}, not {figure}");
}

/// How many standard errors 99.9 % of all normal deviations are within.
const SURE: f64 = 3.29;
