//! What the availability lab asks of the engine and what it is told: values only, all of them worked out.

use std::sync::Arc;

use sim_core::Seed;
use sim_models::avail::{Account, Availability, Change, Importance, Piece, Reconciliation, Simulated};
use sim_models::stats::Estimate;

/// What the lab asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LabAsk {
    /// Looks at an expression, a file or a scenario, as `faultline avail` would be called.
    Open(String),
    /// Looks at what the run that is open draws.
    OfRun,
    /// Turns a knob to a value; none: to what it was.
    Turn { knob: String, value: Option<String> },
    /// Turns a knob to the next round value.
    Step { knob: String, up: bool },
    /// Simulates more.
    More,
    /// The command line that works out the same.
    Copy,
    /// Writes what is shown as a page and a table; where, else a name of its own.
    Export(Option<String>),
}

/// The lab as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Lab {
    /// What does not change while it is simulated.
    pub(crate) worked: Arc<Worked>,
    /// What was seen so far; none when there is nothing to see.
    pub(crate) seen: Option<Seen>,
}

/// What the algebra says.
#[derive(Debug)]
pub(crate) struct Worked {
    /// What it is called: a scenario, a file, or the expression.
    pub(crate) name: String,
    /// The expression; empty of a diagram.
    pub(crate) expression: String,
    /// Block by block.
    pub(crate) root: Piece,
    pub(crate) knobs: Vec<KnobLine>,
    /// What all of it comes to; else why the algebra cannot say, and only what was seen is shown.
    pub(crate) whole: Result<Availability, String>,
    /// Outages a year and their mean length in seconds, as far as that is known.
    pub(crate) rhythm: Option<(f64, f64)>,
    /// When it is down for the first time, in words; none where that was not said of some part.
    pub(crate) first: Option<String>,
    /// What a formula of independent parts says, and what is put back to it, in order.
    pub(crate) reconciled: Option<Reconciliation>,
    /// Single changes, the best first.
    pub(crate) changes: Vec<Change>,
    pub(crate) importance: Vec<Importance>,
    /// What the formula assumes, and whether that is so here.
    pub(crate) formula_assumes: Vec<(bool, String)>,
    /// What is assumed beside, in words.
    pub(crate) assumes: Vec<String>,
    /// Why nothing is simulated.
    pub(crate) unsimulated: Option<String>,
    /// What the run that it was derived from has shown of its requests.
    pub(crate) requests: Option<Answered>,
    pub(crate) seed: Seed,
}

/// How the requests of a run came out.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) ok: u64,
    pub(crate) of: u64,
    pub(crate) share: Estimate,
    /// What those met that have an outcome by now, when that is known.
    pub(crate) met: Option<Account>,
}

/// A figure or a setting that can be turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnobLine {
    /// What messages call it.
    pub(crate) id: String,
    /// As a row says it.
    pub(crate) label: String,
    pub(crate) value: String,
    /// What it was before anybody turned it.
    pub(crate) first: String,
    pub(crate) kind: KnobKind,
    /// Its range, and what it does; may be empty.
    pub(crate) about: String,
}

/// What a knob is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KnobKind {
    /// Of the block diagram.
    Figure,
    /// Of what is assumed to simulate it.
    Assumed,
    /// Of the scenario.
    Setting,
}

/// What the simulation has shown.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) simulated: Simulated,
    /// Simulated years so far, and how many it is to be.
    pub(crate) years: f64,
    pub(crate) goal: f64,
    pub(crate) state: SeenState,
    /// The longest outages in words, the longest first: how long, in which year, and what was down.
    pub(crate) longest: Vec<String>,
    /// The share of time down, as it was known after so many years.
    pub(crate) history: Arc<[(f64, Estimate)]>,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenState {
    Running,
    Done,
    /// Somebody stopped it.
    Stopped,
}
