//! The resilience patterns as values: they take `now`, and drawn bits where the library is lucky, and return a
//! decision.
//!
//! A policy knows no context, sends nothing and sets no timer. What a library does by a timer of its own is caught up
//! with at the next question: nobody can see the difference, since nobody asked in between. Parameters have the names
//! and defaults that their users know; [`profiles`] lists them all.

pub mod adaptive;
pub mod balance;
pub mod breaker;
pub mod budget;
pub mod bulkhead;
pub mod coalesce;
pub mod codel;
pub mod concurrency;
mod growth;
pub mod hedge;
mod idle;
pub mod limiter;
pub mod outlier;
mod page;
mod plain;
mod profile;
pub mod retry;
mod settings;
pub mod slow_start;
pub mod throttle;

pub use growth::{grown, grown_in_millis};
pub use idle::idle;
pub use page::{PLAINLY, reference};
pub use plain::{Plain, plain};
pub use profile::{Kind, Parameter, Profile, profile, profiles};
pub use settings::{Mistake, NO_FALLBACK, Setting, Settings, read};
