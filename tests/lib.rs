//! What several tests share: small systems of ordinary actors, scenarios and what is claimed of them, sources read as text.

pub mod cast;
pub mod committed;
pub mod scenarios;
pub mod sources;
pub mod world;
