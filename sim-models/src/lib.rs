//! What people come to see: the scenario language, its interpreter, the built-in scenarios, statistics.
pub mod expr;
pub mod json;
pub mod judge;
pub mod keymap;
pub mod language;
pub mod problem;
pub mod value;
pub mod interp;
pub mod message;
pub mod program;
pub mod shelf;
mod slab;
pub mod builtin;
pub mod narrate;
pub mod scenario;
