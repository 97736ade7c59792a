//! What can be said of numbers that come from random runs: estimates with intervals, in one place.
//!
//! It has never heard of simulations; it sees counts, series and samples. Whatever is estimated says how far the truth
//! may lie, by which method, and from how much.

mod batches;
mod compound;
mod estimate;
pub mod laws;
mod mean;
mod paired;
mod proportion;
mod quantile;
mod rate;
mod ratio;
mod selection;
mod sequential;
mod several;
mod warmup;

pub use self::batches::{Batched, Batches, Cut, batch_means};
pub use self::compound::{Weights, sum};
pub use self::estimate::{Confidence, Estimate, Method};
pub use self::mean::{Spread, replications};
pub use self::paired::{Flips, differences, paired, sign_test, unpaired};
pub use self::proportion::{
    chance_of_at_least, chance_of_at_most, clopper_pearson, most_hits, rule_of_three, trials_without_a_hit, wilson,
};
pub use self::quantile::{Ranks, batch_quantiles, nearest_rank, quantile, quantile_of_histogram};
pub use self::rate::rate;
pub use self::ratio::ratio;
pub use self::selection::{Better, Selection};
pub use self::sequential::{Decision, Goal, Precision, runs_for, seeds_for, seeds_for_normal};
pub use self::several::holm;
pub use self::warmup::{WarmUp, mser5};
