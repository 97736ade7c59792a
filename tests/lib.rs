//! What several tests share: small systems of ordinary actors, scenarios and what is claimed of them, replications and closed
//! forms, sources read as text.

pub mod cast;
pub mod closed_forms;
pub mod committed;
pub mod replications;
pub mod scenarios;
pub mod sources;
pub mod world;
