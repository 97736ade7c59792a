//! The scenario language: one JSON file says who calls whom, what may go wrong, what must hold, and what cures it.
//!
//! A text is read ([`Document::parse`]), its settings are chosen and its form is checked ([`Document::configure`]); what comes
//! out is a [`View`] of typed values, each with its place. The language itself is the tables of [`grammar`].

pub mod grammar;
pub mod shape;

mod check;
mod document;
mod lower;
mod rate;
mod read;
mod schema;
mod settings;
mod view;
mod warn;

#[cfg(test)]
mod tests;

pub use document::{Configured, Document};
pub(crate) use lower::faults::{diskless, idle_share, stranger};
pub use lower::{Lowered, lower};
pub use rate::{Rate, RateError};
pub use read::{Cell, Formula, MapName, Piece};
pub use schema::schema;
pub use settings::{Choices, Remedy, Setting, SettingKind, Settings};
pub use view::View;
