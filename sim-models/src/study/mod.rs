//! Many runs of several configurations on the same seeds, and what can be said of them: how each does, what differs, what it costs.
//!
//! Every configuration runs with the same seeds, and the same operation has the same luck in each of them (dice belong to the
//! thing decided), so differences are taken seed by seed. That makes their intervals as narrow as what the change itself does.

mod metric;
mod range;

pub use self::metric::{EVERYWHERE, Metric, Unit};
pub use self::range::{POINTS_MAX, Point, Scale, Vary};
