//! What can be said of numbers that come from random runs: estimates with intervals, in one place.
//!
//! It has never heard of simulations; it sees counts, series and samples. Whatever is estimated says how far the truth may lie,
//! by which method, and from how much.

mod estimate;

pub use self::estimate::{Confidence, Estimate, Method};
