//! What people come to see: the scenario language, its interpreter, the built-in scenarios, statistics.
pub mod expr;
pub mod json;
pub mod problem;
pub mod value;
