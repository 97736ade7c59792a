//! What several tests share: small systems of ordinary actors.

pub mod world;
