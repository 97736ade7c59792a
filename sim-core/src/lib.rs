//! The world and its laws: a deterministic, single-threaded, discrete-event kernel for distributed systems.
pub mod ratio;
pub mod time;

pub use ratio::{Ratio, RatioError};
pub use time::{Duration, DurationError, Instant};
