//! Many runs of several configurations on the same seeds, and what can be said of them: how each does, what differs, what it costs.
//!
//! Every configuration runs with the same seeds, and the same operation has the same luck in each of them (dice belong to the
//! thing decided), so differences are taken seed by seed. That makes their intervals as narrow as what the change itself does.

mod claims;
mod compare;
mod knee;
mod latency;
mod metric;
mod range;
mod sheet;
mod single;
mod threshold;

pub use self::claims::{Claim, LEVEL, OUTSIDE, decide};
pub use self::compare::{Comparison, Difference, Found, Standing, compare, standing, standings};
pub use self::knee::{Bend, Knee, Profile, knee};
pub use self::latency::at_share;
pub use self::metric::{EVERYWHERE, Metric, Unit};
pub use self::range::{POINTS_MAX, Point, Scale, Vary};
pub use self::sheet::{Overlap, Questions, Row, SECTIONS, Sheet};
pub use self::single::Single;
pub use self::threshold::{Crossing, Met, crossing};
