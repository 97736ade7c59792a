//! What people come to see: the scenario language, its interpreter, the built-in scenarios, statistics.
pub mod builtin;
pub mod causes;
pub mod expr;
pub mod interp;
pub mod json;
pub mod judge;
pub mod keymap;
pub mod language;
pub mod materialise;
pub mod message;
pub mod narrate;
pub mod problem;
pub mod program;
pub mod scenario;
pub mod shelf;
pub mod shrink;
mod slab;
pub mod value;
