//! What several tests share: small systems of ordinary actors, scenarios and what is claimed of them, replications and closed
//! forms, sources read as text; what is promised of every text that is read, and mutations of texts.

pub mod cast;
pub mod closed_forms;
pub mod committed;
pub mod mutation;
pub mod reading;
pub mod replications;
pub mod scenarios;
pub mod sources;
pub mod world;
