//! What parts of a program are called by: places in its lists, and reasons.

/// A declared node (a service, a store, a queue, a workload), by its place in [`Program::nodes`](super::Program::nodes). Its replicas are kernel nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct NodeRef(pub u16);

/// A step, by its place in [`Program::steps`](super::Program::steps).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct StepRef(pub u32);

/// A list of steps, by its place in [`Program::blocks`](super::Program::blocks).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct BlockRef(pub u32);

/// An endpoint, by its place in [`Program::endpoints`](super::Program::endpoints).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct EndpointRef(pub u16);

/// A name that steps use with a dollar sign, by its place in [`Program::slots`](super::Program::slots).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Slot(pub u16);

/// A fact, by its place in [`Program::facts`](super::Program::facts).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct FactRef(pub u16);

/// A map, by its place in [`Program::maps`](super::Program::maps).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct MapRef(pub u16);

/// A caller and a callee, by their place in [`Program::edges`](super::Program::edges).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct EdgeRef(pub u16);

/// Why something was not ok, by its place in [`Program::reasons`](super::Program::reasons); the first are the system's own, below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Reason(pub u16);

impl Reason {
    /// The disk of a store did not keep a change, or does not give its files. Its number is apart from those of the others, which
    /// stay as they are.
    pub const DISK: Reason = Reason(u16::MAX);
    /// Those that only some scenarios know are numbered from here on.
    const RARE: u16 = u16::MAX - 5;
    /// A participant of a transaction has decided alone, and otherwise than the others (XA's `HEURMIX`). Apart as well.
    pub const MIXED: Reason = Reason(u16::MAX - 1);
    /// A transaction sets a cell that another has changed since its snapshot. Apart as well.
    pub const CONFLICT: Reason = Reason(u16::MAX - 2);
    /// It has waited for a lock as long as its store has anybody wait. Apart as well.
    pub const LOCK_TIMEOUT: Reason = Reason(u16::MAX - 3);
    /// All participants of a transaction that was to be committed have rolled it back alone (XA's `HEURRB`). Apart as well.
    pub const ROLLED_BACK: Reason = Reason(u16::MAX - 4);
    /// A participant knows nothing of a transaction that it was told to commit, and may have lost it or have done it before (XA's
    /// `HEURHAZ`). Apart as well.
    pub const HAZARD: Reason = Reason(u16::MAX - 5);
    /// The reasons that stand apart, by name.
    pub(super) const APART: [(&str, Reason); 6] = [
        ("disk", Reason::DISK),
        ("mixed", Reason::MIXED),
        ("conflict", Reason::CONFLICT),
        ("lock_timeout", Reason::LOCK_TIMEOUT),
        ("rolled_back", Reason::ROLLED_BACK),
        ("hazard", Reason::HAZARD),
    ];
}

macro_rules! system_reasons {
    ($($name:ident = $number:literal $text:literal $about:literal;)*) => {
        impl Reason {
            $(#[doc = $about] pub const $name: Reason = Reason($number);)*
        }
        /// The reasons that the system gives, in the order of their numbers.
        pub const SYSTEM_REASONS: &[&str] = &[$($text),*];
    };
}

impl Reason {
    /// Whether the file has it of its own, and no machinery gives it.
    pub const fn is_of_the_file(self) -> bool {
        self.0 as usize >= SYSTEM_REASONS.len() && self.0 < Reason::RARE
    }

    /// Whether it is one of those that say nothing of what was done, whoever gives it.
    pub const fn is_unknown(self) -> bool {
        matches!(self, Reason::TIMEOUT | Reason::RESET | Reason::STUCK | Reason::MIXED | Reason::HAZARD)
    }
}

system_reasons! {
    REFUSED = 0 "refused" "Nobody there.";
    OVERLOADED = 1 "overloaded" "The queue is full, or dropped the request.";
    UNAVAILABLE = 2 "unavailable" "A `fail` fault.";
    LIMITED = 3 "limited" "A limiter said no.";
    OPEN = 4 "open" "A breaker is open.";
    UNMET = 5 "unmet" "The condition of a set does not hold.";
    IN_FLIGHT = 6 "in_flight" "Another try with this key still runs.";
    DEADLOCK = 7 "deadlock" "The youngest in a cycle of waiting transactions.";
    UNDONE = 8 "undone" "Rolled back because an outcome inside was unknown.";
    EXPIRED = 9 "expired" "No time left of a deadline.";
    TIMEOUT = 10 "timeout" "No answer in time.";
    RESET = 11 "reset" "The machine crashed that had the request.";
    STUCK = 12 "stuck" "A saga that can neither be done nor undone.";
}
