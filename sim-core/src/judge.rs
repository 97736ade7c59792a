//! Judgement: what must hold, whether it did, and what is said when it did not.
//!
//! A judge looks at a run after each step and never touches it. Properties are of four kinds: what holds always, what happens
//! sometimes, what happens eventually, and what holds at the end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::actor::Message;
use crate::sim::{Sim, Step};
use crate::time::{Duration, Instant};

/// What is said of a property, and of a run: that of a run is the first of these that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// An actor panicked.
    Panicked,
    /// A limit ended the run before it was over.
    OutOfLimits,
    /// What must always hold, or hold at the end, did not.
    Broken,
    /// What must happen eventually did not.
    Stuck,
    /// What should happen sometimes never did.
    NeverSeen,
    /// It held.
    Held,
}

/// The kinds of properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PropertyKind {
    /// Holds after every event.
    Always,
    /// Is true at least once, over a whole hunt.
    Sometimes,
    /// Becomes true in time.
    Eventually,
    /// Holds when the run is over.
    AtEnd,
}

/// What is said of one property of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The property's name.
    pub name: String,
    /// Its kind.
    pub kind: PropertyKind,
    /// What is said.
    pub verdict: Verdict,
    /// The event at which it first failed, or (for `sometimes`) was first seen.
    pub event: Option<u64>,
    /// When that was, in nanoseconds since the start.
    #[serde(rename = "at_ns")]
    pub at: Option<u64>,
    /// What was seen there, in words.
    pub detail: String,
}

/// Whoever judges a run.
pub trait Judge<M: Message> {
    /// Looks at the run after a step; the name of an `always` property that this step broke for the first time.
    fn after(&mut self, step: &Step, sim: &Sim<M>) -> Option<&str>;

    /// Says of each property how it stands now that the run is over.
    fn finish(&mut self, sim: &Sim<M>) -> Vec<Judged>;

    /// About how many bytes a copy of it takes, for a [`Budget`](crate::timeline::Budget) of copies; its own size by default,
    /// which leaves out what it holds on the heap.
    fn weight(&self) -> usize {
        size_of_val(self)
    }
}

/// Judges nothing.
impl<M: Message> Judge<M> for () {
    fn after(&mut self, _: &Step, _: &Sim<M>) -> Option<&str> {
        None
    }
    fn finish(&mut self, _: &Sim<M>) -> Vec<Judged> {
        Vec::new()
    }
}

impl Verdict {
    /// Whether a run with this verdict has failed. A single run does not fail for what it did not see.
    pub fn is_failure(self) -> bool {
        matches!(self, Verdict::Panicked | Verdict::Broken | Verdict::Stuck)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Verdict::Panicked => "panicked",
            Verdict::OutOfLimits => "out of limits",
            Verdict::Broken => "broken",
            Verdict::Stuck => "stuck",
            Verdict::NeverSeen => "never seen",
            Verdict::Held => "held",
        })
    }
}

type Condition<M> = Box<dyn Fn(&Sim<M>) -> bool + Send>;

/// Properties written in Rust: conditions about the state of a run.
///
/// ```
/// use sim_core::judge::Properties;
/// # use sim_core::*;
/// # #[derive(Clone, Hash, serde::Serialize)] struct Msg;
/// # impl Message for Msg {
/// #     type Note = (); type Shared = ();
/// #     const KINDS: &'static [&'static str] = &["msg"];
/// #     fn kind(&self) -> Kind { Kind(0) }
/// # }
/// let mut properties = Properties::<Msg>::new();
/// properties.always("no more than ten events", |sim| sim.events() <= 10);
/// properties.eventually("somebody is up", Duration::from_secs(1), |sim| sim.is_up(NodeId(0)));
/// ```
pub struct Properties<M: Message> {
    all: Vec<Property<M>>,
}

struct Property<M: Message> {
    name: String,
    kind: PropertyKind,
    within: Duration,
    holds: Condition<M>,
    /// The first event at which it failed, or for `sometimes` and `eventually` at which it was true.
    first: Option<(u64, Instant)>,
}

impl<M: Message> Properties<M> {
    /// None so far.
    pub fn new() -> Self {
        Properties { all: Vec::new() }
    }

    fn add(&mut self, name: &str, kind: PropertyKind, within: Duration, holds: Condition<M>) -> &mut Self {
        self.all.push(Property { name: name.to_owned(), kind, within, holds, first: None });
        self
    }

    /// Must hold after every event.
    pub fn always(&mut self, name: &str, holds: impl Fn(&Sim<M>) -> bool + Send + 'static) -> &mut Self {
        self.add(name, PropertyKind::Always, Duration::ZERO, Box::new(holds))
    }

    /// Should be true after some event of some run.
    pub fn sometimes(&mut self, name: &str, holds: impl Fn(&Sim<M>) -> bool + Send + 'static) -> &mut Self {
        self.add(name, PropertyKind::Sometimes, Duration::ZERO, Box::new(holds))
    }

    /// Must be true after some event that is not later than `within` after the last fault that ends (or after the start, if none
    /// does). A run that is cut before that instant is not judged by it.
    pub fn eventually(
        &mut self,
        name: &str,
        within: Duration,
        holds: impl Fn(&Sim<M>) -> bool + Send + 'static,
    ) -> &mut Self {
        self.add(name, PropertyKind::Eventually, within, Box::new(holds))
    }

    /// Must hold when the run is over.
    pub fn at_end(&mut self, name: &str, holds: impl Fn(&Sim<M>) -> bool + Send + 'static) -> &mut Self {
        self.add(name, PropertyKind::AtEnd, Duration::ZERO, Box::new(holds))
    }
}

impl<M: Message> Default for Properties<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M: Message> Judge<M> for Properties<M> {
    fn after(&mut self, step: &Step, sim: &Sim<M>) -> Option<&str> {
        let mut broken = None;
        for property in self.all.iter_mut().filter(|property| property.first.is_none()) {
            let here = Some((step.number, step.at));
            match property.kind {
                PropertyKind::Always if !(property.holds)(sim) => {
                    property.first = here;
                    broken = broken.or(Some(&*property.name));
                }
                PropertyKind::Sometimes if (property.holds)(sim) => property.first = here,
                // Once is enough, as long as it is not before the last fault is over.
                PropertyKind::Eventually if step.at >= sim.last_fault_end() && (property.holds)(sim) => {
                    property.first = here;
                }
                _ => {}
            }
        }
        broken
    }

    fn finish(&mut self, sim: &Sim<M>) -> Vec<Judged> {
        self.all.iter().map(|property| property.judged(sim)).collect()
    }
}

impl<M: Message> Property<M> {
    fn judged(&self, sim: &Sim<M>) -> Judged {
        let (event, at) = (self.first.map(|f| f.0), self.first.map(|f| f.1));
        let (verdict, detail) = match self.kind {
            PropertyKind::Always if event.is_some() => (Verdict::Broken, "does not hold after this event"),
            PropertyKind::Always => (Verdict::Held, "holds after every event"),
            PropertyKind::Sometimes if event.is_some() => (Verdict::Held, "first true here"),
            PropertyKind::Sometimes => (Verdict::NeverSeen, "was never true"),
            PropertyKind::AtEnd if (self.holds)(sim) => (Verdict::Held, "holds at the end"),
            PropertyKind::AtEnd => (Verdict::Broken, "does not hold at the end"),
            PropertyKind::Eventually => self.in_time(sim),
        };
        let detail = detail.to_owned();
        Judged { name: self.name.clone(), kind: self.kind, verdict, event, at: at.map(Instant::nanos), detail }
    }

    fn in_time(&self, sim: &Sim<M>) -> (Verdict, &'static str) {
        let deadline = sim.last_fault_end() + self.within;
        match self.first {
            Some((_, at)) if at <= deadline => (Verdict::Held, "became true here"),
            Some(_) => (Verdict::Stuck, "became true too late"),
            None if (self.holds)(sim) => (Verdict::Held, "is true at the end"),
            None if sim.pending() > 0 && sim.now() < deadline => (Verdict::Held, "not judged: cut before its deadline"),
            None => (Verdict::Stuck, "did not become true in time"),
        }
    }
}

/// The verdict of a run: the first of the list that any of its properties has. What was not seen does not fail a single run.
pub fn verdict(judged: &[Judged]) -> Verdict {
    judged.iter().map(|judged| judged.verdict).min().unwrap_or(Verdict::Held)
}
