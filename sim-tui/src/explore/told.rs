//! What the screen asks of the engine and what the engine tells: values only, so that a session is a list of them.
//!
//! The engine hands over what it will never change again; the screen never looks into a run that goes on.

use std::sync::Arc;

use sim_core::past::Past;
use sim_core::{Clocks, Duration, Fault, Instant, NodeId, Operation, Seed};
use sim_models::judge::{Latency, Requests};
use sim_models::program::NodeRef;
use sim_models::red::Red;
use sim_models::topology::Topology;
use sim_models::why::Reason;

use super::lab::{Lab, LabAsk};
use super::look::Ink;

/// What the screen asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    /// What there is to open.
    Catalog,
    /// Opens a scenario or case, as the command line would name it.
    Open { word: String, seed: Option<Seed> },
    /// Lets new events happen: at most so many, and none later than an instant.
    Run { events: u64, until: Instant, stop_at_broken: bool },
    /// Everything about an event.
    Look { event: u64, whose: Option<NodeId>, light: bool },
    /// Words for events.
    Labels(Vec<u32>),
    /// Which events have a row of their own.
    Rows(Wanted),
    /// The way from an event back to where it began.
    Walk { event: u64 },
    /// What an event caused.
    Effects { event: u64 },
    /// Whether a link of the last walk holds: the how-manieth.
    Prove(usize),
    /// Which event last changed a field of a node's state.
    Changed { event: u64, node: NodeId, field: String },
    /// The next event whose words have this, from an event on.
    Find { word: String, from: u64, forward: bool },
    /// Changes the run.
    Edit(Edit),
    /// Makes a branch that parts here.
    Branch { event: u64 },
    /// Goes on with another branch.
    Switch(usize),
    /// Makes the run small, as a branch: by the property that broke at this event, else by the first.
    Shrink { event: u64 },
    /// Explains the run in words, by the same property.
    Explain { event: u64 },
    /// A command that shows this event again, as a case that is written for it.
    Repro { event: u64 },
    /// Writes the run as a case; where, else a name of its own.
    Save(Option<String>),
    /// Something of the availability lab.
    Lab(LabAsk),
}

/// A change of the run; it is made again at once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Edit {
    /// One more fault. Where it begins before the event that is looked at, it is put into a new branch.
    Fault { fault: Fault, at: u64 },
    /// Ends, at an instant, what never ends of the faults added by hand.
    Heal { at: Instant },
    /// Takes the last one back.
    Undo,
    /// Puts it in again.
    Redo,
    /// A setting and its value; none: its default.
    Set { name: String, value: Option<String> },
    /// A remedy or variant, on or off.
    Remedy(String),
    /// Another seed.
    Seed(Seed),
}

/// Which events are to have a row of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// Whether quiet time is folded away.
    pub(crate) fold: bool,
    /// The operation that is followed.
    pub(crate) focus: Option<Operation>,
    /// The causal cone that is shown.
    pub(crate) cone: Option<(u64, Cone)>,
    /// What must match.
    pub(crate) filter: Filter,
}

/// Which way a causal cone goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cone {
    /// What led to it.
    Past,
    /// What it led to.
    Future,
    /// Both.
    Both,
}

/// What an event must be to be kept; all of it, and everything when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// On this node.
    pub(crate) node: Option<NodeId>,
    /// Of this kind of message.
    pub(crate) kind: Option<u16>,
    /// For this operation.
    pub(crate) operation: Option<Operation>,
}

/// What the engine tells.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// What there is to open.
    Catalog(Arc<[Offer]>),
    /// The run as it stands; the last thing told of each thing asked that changes it.
    ///
    /// `late` says that there was more to do than there was room for.
    Run { snapshot: Arc<Snapshot>, opened: bool, broke: Option<u64>, late: bool },
    /// Everything about an event.
    Look(Arc<Look>),
    /// Words for events of a run.
    Labels { generation: u64, labels: Vec<(u32, Arc<Label>)> },
    /// Which events have rows.
    Rows(Arc<Rows>),
    /// The way back from an event, nearest first.
    Walk { generation: u64, event: u64, reasons: Arc<[Step]> },
    /// What an event caused.
    Effects { event: u64, caused: Vec<u64> },
    /// What came of a proof.
    Proof { index: usize, needed: Option<bool>, words: String },
    /// Where to go, and what to say about it.
    Go { event: Option<u64>, words: String },
    /// A text to read.
    Text { title: String, lines: Vec<String> },
    /// The availability lab as it stands; `opened` when it is another one, `taken` when it is the first word to what was asked.
    Lab { lab: Arc<Lab>, opened: bool, taken: bool },
    /// A command that shows again what is shown.
    Repro(String),
    /// How far a long work is.
    Progress(String),
    /// Something to say in the bottom line.
    Said(String),
    /// What was asked cannot be done: what, where, what would be right.
    Failed(String),
}

/// Something that can be opened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    /// What the command line calls it.
    pub(crate) word: String,
    /// Its name.
    pub(crate) name: String,
    /// Its title, or how a case fails.
    pub(crate) title: String,
    /// What it is about, in paragraphs.
    pub(crate) about: String,
    /// Its nodes, in words.
    pub(crate) nodes: Vec<String>,
    /// Its properties.
    pub(crate) properties: Vec<(String, String)>,
    /// Its settings: name, default, about.
    pub(crate) settings: Vec<(String, String, String)>,
    /// Its remedies and variants: name, about.
    pub(crate) remedies: Vec<(String, String)>,
    /// Its own faults.
    pub(crate) faults: Vec<String>,
    /// Where its story is seen: a seed, if one is known.
    pub(crate) kind: OfferKind,
    /// What is wrong with the file, if it cannot be opened.
    pub(crate) wrong: Option<String>,
}

/// What is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OfferKind {
    /// A scenario that comes with the program.
    BuiltIn,
    /// A scenario file.
    File,
    /// A case file.
    Case,
}

/// A run as it stood at some time; cheap to clone, never changed.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// Counts the runs that were made: event numbers of another one mean other events.
    pub(crate) generation: u64,
    /// What does not change while it runs.
    pub(crate) facts: Arc<Facts>,
    /// What happened.
    pub(crate) past: Past,
    /// Requests over time.
    pub(crate) red: Red,
    /// The instant of the newest event.
    pub(crate) at: Instant,
    /// Why nothing more happens, if so.
    pub(crate) over: Option<String>,
    /// What broke, in order of the events; one entry for each property.
    pub(crate) broken: Arc<[Broken]>,
    /// How often each fault of the schedule did something so far.
    pub(crate) touched: Vec<u64>,
    /// Of a case that came as far as it was recorded: whether it is the same run.
    pub(crate) exact: Option<bool>,
}

/// A property that broke.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Broken {
    /// The event.
    pub(crate) event: u64,
    /// The property.
    pub(crate) property: String,
    /// What is said of it.
    pub(crate) detail: String,
    /// The operation it broke for, if it is one.
    pub(crate) operation: Option<Operation>,
}

/// What does not change while a run goes on.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// The seed.
    pub(crate) seed: Seed,
    /// The names of the nodes.
    pub(crate) nodes: Vec<String>,
    /// The names of the kinds of messages.
    pub(crate) kinds: Vec<String>,
    /// The names of the classes of operations.
    pub(crate) classes: Vec<String>,
    /// The nodes of the file in layers: names, and the kernel's nodes of each.
    pub(crate) topology: Topology,
    /// For each declared node: its name and its replicas.
    pub(crate) declared: Vec<(String, Vec<NodeId>)>,
    /// The nodes that send operations, by their places among the declared ones.
    pub(crate) workloads: Vec<NodeRef>,
    /// The clocks of the nodes.
    pub(crate) clocks: Vec<Clocks>,
    /// The last instant that happens, if there is one.
    pub(crate) until: Option<Instant>,
    /// The faults of the schedule.
    pub(crate) faults: Vec<FaultLine>,
    /// Settings that can be turned.
    pub(crate) settings: Vec<SettingLine>,
    /// Remedies and variants.
    pub(crate) remedies: Vec<RemedyLine>,
    /// This branch.
    pub(crate) branch: usize,
    /// All branches.
    pub(crate) branches: Vec<BranchLine>,
    /// How many faults can be taken back, and put in again.
    pub(crate) undo: (usize, usize),
    /// The command line that runs the same.
    pub(crate) command: String,
}

/// A fault of the schedule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FaultLine {
    /// As the grammar writes it.
    pub(crate) text: String,
    /// Whether it was added by hand.
    pub(crate) by_hand: bool,
    /// When it begins, if it says so.
    pub(crate) begins: Option<Instant>,
}

/// A setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SettingLine {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) default: String,
    /// Its range or choices, in words.
    pub(crate) range: String,
    pub(crate) about: String,
}

/// A remedy or variant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RemedyLine {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) on: bool,
}

/// A branch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BranchLine {
    pub(crate) name: String,
    /// How far it came and what broke.
    pub(crate) standing: String,
    /// The branch that it parted from, and after which event.
    pub(crate) from: Option<(usize, u64)>,
    /// Its digest after its newest event.
    pub(crate) digest: String,
}

/// Everything about an event.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// Of which run.
    pub(crate) generation: u64,
    /// Which; 0 before the first.
    pub(crate) event: u64,
    /// Whether only what changes with time is there.
    pub(crate) light: bool,
    /// In one line.
    pub(crate) title: String,
    /// What it carried, did and decided.
    pub(crate) lines: Vec<(Ink, String)>,
    /// Whose state follows.
    pub(crate) whose: Option<NodeId>,
    /// The state of that node after it: path and value.
    pub(crate) fields: Vec<(String, String)>,
    /// What is said of the properties after it.
    pub(crate) properties: Vec<Standing>,
    /// Requests so far.
    pub(crate) requests: Requests,
    /// Their latency so far.
    pub(crate) latency: Latency,
    /// The digest of everything up to it.
    pub(crate) digest: String,
}

/// How a property stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) detail: String,
    pub(crate) event: Option<u64>,
}

/// What can be said of a property before the run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It broke.
    Broken,
    /// It holds so far, or was seen.
    Holds,
    /// Nothing can be said yet.
    Open,
}

/// An event in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Label {
    /// A sentence that names everybody.
    pub(crate) text: String,
    /// The same where columns show who and to whom.
    pub(crate) short: String,
    /// Whether it is the second copy of an envelope.
    pub(crate) copy: bool,
}

/// Which events have a row of their own.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// Of which run.
    pub(crate) generation: u64,
    /// What was asked for.
    pub(crate) wanted: Wanted,
    /// Their numbers, in order; none: all of them.
    pub(crate) list: Option<sim_core::growing::Growing<u32>>,
    /// How many events there were then.
    pub(crate) of: u64,
}

/// One step of the way from an event back to where it began.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The event to look at, if there is one.
    pub(crate) event: Option<u64>,
    /// In words.
    pub(crate) words: String,
    /// Whether nothing is behind it.
    pub(crate) root: bool,
    /// What else what came after it follows from.
    pub(crate) also: Vec<String>,
    /// What stands behind it.
    pub(crate) reason: Reason,
}

/// How much simulated time passes in a second of real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speed {
    /// So much.
    Times(Duration),
    /// As much as the machine can.
    FlatOut,
}
