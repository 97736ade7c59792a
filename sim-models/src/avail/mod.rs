//! The algebra of availability: what a system of components with known figures comes to.
//!
//! An expression such as `edge * (app | app) * 2of3(db)` is read into a [`Block`], its names get their meanings from
//! [`Names`], and an [`Assembly`] works it out exactly, with blocks that are shared counted once. Machines that depend
//! on each other through repair crews, standby and failover are a [`Group`], which is a Markov [`Chain`]. Nothing here
//! is random and nothing is rounded on the way.
//!
//! ```
//! use sim_models::avail::{Assembly, Block, Names, Period};
//! let mut names = Names::new();
//! names.bind("db=mtbf=30d/mttr=1h").unwrap();
//! let block = Block::parse("99.99% * 2of3(db)").unwrap();
//! let all = Assembly::of(&block, &names).unwrap().availability();
//! assert_eq!(all.downtime_seconds(Period::Year).round(), 3_335.0);
//! ```

mod assembly;
mod bdd;
mod block;
mod budget;
mod causes;
mod crashes;
mod derived;
mod error;
mod file;
mod first;
mod group;
mod importance;
mod life;
mod markov;
mod met;
mod network;
mod numbering;
mod parser;
mod rare;
mod reasons;
mod reconcile;
mod replica;
mod requests;
mod simulate;
mod system;
mod up;
mod wiring;
mod words;

pub use assembly::{Assembly, Component, Drawn, Law, Names, Piece, Role, Structure};
pub use block::{Block, GroupOption, Kind, Length, Part, Planned, Quorum, Repaired, Said, Share, Spread, Standby};
pub use budget::{Alert, Budget, Urgency};
pub use derived::{Derived, DerivedError, derived};
pub use error::{AvailError, NoAlgebra};
pub use file::AvailFile;
pub use first::{First, NoFirst};
pub use group::{Group, Settled};
pub use importance::Importance;
pub use life::{Life, Phases, Shape};
pub use markov::{After, Chain};
pub use met::{Account, Met};
pub use rare::{Machines, NotMarkov};
pub use reconcile::{Effect, PutBack, Reconciliation, reconcile, reconcile_while};
pub use replica::{OneMore, one_more};
pub use requests::{Nested, Outages};
pub use simulate::{Outage, Plan, Simulated, Simulation, simulate, simulate_while};
pub use system::{Better, Change, Knob, System, Turns, next_fraction, next_length};
pub use up::{Availability, Period};

use crate::problem::Span;

/// Reads a share such as `99.9%`, `0.999` or `999/1000`, as expressions do.
///
/// # Errors
/// When it is none, or above all.
pub fn percentage(text: &str) -> Result<Availability, AvailError> {
    words::share(text, Span::new(0, text.len())).map(|share| share.value())
}

/// Reads a length of time such as `90s`, `2w` or `1.5y` in seconds, as expressions do.
///
/// # Errors
/// When it is none, or negative.
pub fn span_of_time(text: &str) -> Result<f64, AvailError> {
    words::length(text, Span::new(0, text.len())).map(|length| length.seconds())
}
