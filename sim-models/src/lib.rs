//! What people come to see: the scenario language, its interpreter, the built-in scenarios, statistics.
//!
//! All that the language has (calls and their policies, transactions, two-phase commit, sagas, queues) a test in Rust has by a scenario, and
//! what is to change from run to run is said in Rust. Here a property over seeds: two stores decide the same, whatever a nemesis does.
//!
//! ```
//! use sim_core::{Seed, Stop, Verdict};
//! use sim_models::language::Choices;
//! use sim_models::scenario::{Chance, Changes, Scenario};
//!
//! let text = r#"{
//!   "faultline": 1, "name": "transfer", "until": "60s", "network": {"latency": "1ms"},
//!   "nodes": {
//!     "bank": {"kind": "service", "endpoints": {"transfer": [
//!       {"transaction": [
//!          {"set": "here.money['ann']", "to": "= value - 10"},
//!          {"set": "there.money['bob']", "to": "= value + 10"}],
//!        "protocol": "2pc", "timeout": "2s"}]}},
//!     "here":  {"kind": "store", "idle_timeout": "5s", "maps": {"money": {"ann": 1000}}},
//!     "there": {"kind": "store", "idle_timeout": "5s", "maps": {"money": {"bob": 1000}}}
//!   },
//!   "workload": {"ann": {"rate": "2/s", "for": "20s", "each": "transfer", "do": [{"call": "bank.transfer", "timeout": "3s"}]}},
//!   "nemesis": {"draws": ["crash bank for 1s..5s", "crash there for 1s..5s", "loss *->* 1%..30% for 1s..5s", "duplicate *->* 30% for 5s"],
//!               "faults": "1..3", "between": "1s..30s"},
//!   "metrics": {"money": {"value": "here.money['ann'] + there.money['bob']"}},
//!   "properties": {"no money is made or lost": {"at_end": "money == 2000"}}
//! }"#;
//! let scenario = Scenario::parse("transfer.json", text).unwrap();
//! let changes = Changes { chance: Chance::BySeed, ..Changes::default() };
//! let model = scenario.model_with(&Choices::none(), &changes).unwrap();
//! for seed in (0..20).map(Seed) {
//!     let run = model.of_seed(seed).run(seed, Stop::AtEnd);
//!     assert_eq!(run.outcome.verdict, Verdict::Held, "seed {seed}: {:?}", run.outcome.property());
//! }
//! ```
pub mod avail;
pub mod backlog;
pub mod builtin;
pub mod causes;
pub mod database;
pub mod decided;
pub mod explain;
pub mod expr;
mod few;
pub mod inside;
pub mod interp;
pub mod json;
pub mod judge;
pub mod keymap;
pub mod language;
pub mod likelihood;
pub mod materialise;
pub mod matrix;
pub mod message;
pub mod narrate;
pub mod policy;
pub mod problem;
pub mod program;
pub mod prove;
pub mod rare;
pub mod record;
pub mod red;
pub mod said;
pub mod scenario;
pub mod shelf;
pub mod shrink;
mod slab;
pub mod station;
pub mod stats;
pub mod study;
pub mod tell;
pub mod topology;
pub mod traffic;
pub mod value;
pub mod why;
