//! Whether a system is deterministic: one case twice in one process, compared event by event.
//!
//! What is forbidden to actors (a hash-ordered map, the wall clock, a static counter, the address of something) the compiler
//! lets pass, and most runs do too: it shows when a case does not replay, far from where it was done. [`check`] looks for it on
//! purpose. The second run begins after something else has run in the process, on a heap that was stirred, while copies of the
//! first are alive: what hangs on any of that comes out otherwise.

use std::fmt;

use serde_json::Value;

use crate::actor::Message;
use crate::digest::Digest;
use crate::id::NodeId;
use crate::seed::mix;
use crate::sim::{Sim, Step};
use crate::time::{Duration, Instant};
use crate::words::{did, happened};

/// What two equal runs came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Events of each.
    pub events: u64,
    /// The digest over all events and the final states, as [`Outcome::digest`](crate::Outcome).
    pub digest: Digest,
    /// How many times all states of both were compared, beside the digests.
    pub states: u64,
}

/// The check did not come out well.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// The two runs are different.
    #[error("{0}")]
    Parted(Box<Parted>),
    /// A state cannot be written, so that it cannot be compared.
    #[error("a state cannot be compared: {0}")]
    State(#[from] serde_json::Error),
}

/// Where two runs of one case are different for the first time.
#[derive(Clone, Debug, PartialEq)]
pub struct Parted {
    /// The first event that differs; 0 when the system differed before anything happened.
    pub event: u64,
    /// That event in the first run and in the second.
    pub sides: [Side; 2],
    /// What differs in the states behind that event, at most five places.
    pub states: Vec<Apart>,
    /// Whether running on from copies of both showed it. When not, the two whole runs parted at that event, but copies of them
    /// did not again: what leaks is seen by the first who looks, such as something that is set up only once in a process.
    pub repeated: bool,
}

/// An event as one of two runs had it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// The event; `None` when the run had ended before, or was not looked at.
    pub step: Option<Step>,
    /// Where it happened; empty for a fault.
    pub node: String,
    /// What happened, in words.
    pub what: String,
    /// What it did beside that, in words.
    pub did: Vec<String>,
}

/// One place in the states of two runs that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Apart {
    /// Whose state.
    pub node: String,
    /// Where in its JSON: `/orders/17/paid`, as a JSON pointer.
    pub path: String,
    /// What stands there in the first run and in the second; `None` for nothing.
    pub values: [Option<Value>; 2],
}

/// How many differences of states are told.
const TOLD: usize = 5;
/// How many copies of the first run are kept.
const COPIES: usize = 32;
/// About how many bytes they may take; the first and the last are kept whatever they take.
const BYTES: usize = 256 << 20;
/// How many digests of the first run are kept: 16 MiB.
const DIGESTS: usize = 1 << 20;

/// Runs what `start` makes twice, `meanwhile` in between, and compares the two: the digest after every event (of runs of over
/// 2²⁰ events, after every second, every fourth, and so on) and, at up to 32 places and at the end, the states of all nodes.
///
/// A run goes up to and with the instant `until`, and has at most `events` events. Give `meanwhile` another case of the same
/// system to run.
///
/// # Errors
/// [`Doubt::Parted`] with the first event that differs, both sides of it, and what differs in the states behind it.
///
/// ```
/// use sim_core::lockstep::check;
/// use sim_core::{Actor, Context, Event, Instant, Kind, Message, Prepared, Seed, System};
/// # #[derive(Clone, Debug, Hash, serde::Serialize)]
/// # struct Ping;
/// # impl Message for Ping {
/// #     type Note = ();
/// #     type Shared = ();
/// #     const KINDS: &'static [&'static str] = &["ping"];
/// #     fn kind(&self) -> Kind { Kind(0) }
/// # }
/// # #[derive(Clone, serde::Serialize)]
/// # struct Node;
/// # impl Actor<Ping> for Node {
/// #     fn handle(&mut self, _: Event<Ping>, _: &mut Context<'_, Ping>) {}
/// # }
/// # fn system() -> Prepared<Ping> {
/// #     let mut system = System::new();
/// #     system.node("node", Node);
/// #     system.prepare().unwrap()
/// # }
/// let run = |seed| { let mut sim = system().start(Seed(seed)); while sim.step().is_some() {} };
/// let agreed = check(|| system().start(Seed(1)), || run(2), Instant::from_nanos(1_000_000_000), 1_000_000);
/// assert_eq!(agreed.unwrap().events, 1);
/// ```
pub fn check<M: Message>(
    start: impl Fn() -> Sim<M>,
    meanwhile: impl FnOnce(),
    until: Instant,
    events: u64,
) -> Result<Agreed, Doubt> {
    let extent = Extent { before: until + Duration::from_nanos(1), events };
    let first = Kept::of(start(), extent)?;
    meanwhile();
    stir(STIRRED);
    first.compare(start(), extent)
}

/// How far runs go.
#[derive(Clone, Copy)]
struct Extent {
    before: Instant,
    events: u64,
}

impl Extent {
    fn step<M: Message>(self, sim: &mut Sim<M>) -> Option<Step> {
        if sim.events() < self.events { sim.step_before(self.before) } else { None }
    }
}

/// A run that is over, with what another is compared with.
struct Kept<M: Message> {
    copies: Thinned<Copied<M>>,
    digests: Thinned<Digest>,
    end: Copied<M>,
}

/// A run as it stood after some event.
struct Copied<M: Message> {
    sim: Sim<M>,
    /// Of its digest and all states.
    checkpoint: Digest,
}

/// What is kept after every so many events: of so many at most, of which every second goes when there are more.
struct Thinned<T> {
    most: usize,
    every: u64,
    kept: Vec<(u64, T)>,
}

impl<T> Thinned<T> {
    fn new(most: usize, every: u64) -> Self {
        Thinned { most, every, kept: Vec::new() }
    }

    fn push<E>(&mut self, event: u64, make: impl FnOnce() -> Result<T, E>) -> Result<(), E> {
        if !event.is_multiple_of(self.every) {
            return Ok(());
        }
        if self.kept.len() == self.most {
            self.thin();
        }
        if event.is_multiple_of(self.every) {
            self.kept.push((event, make()?));
        }
        Ok(())
    }

    /// Keeps every second only, from now on too.
    fn thin(&mut self) {
        self.every *= 2;
        self.kept.retain(|(event, _)| event.is_multiple_of(self.every));
    }
}

impl<M: Message> Copied<M> {
    fn of(sim: &Sim<M>) -> Result<Self, Doubt> {
        Ok(Copied { checkpoint: sim.checkpoint()?, sim: sim.clone() })
    }
}

impl<M: Message> Kept<M> {
    fn of(mut sim: Sim<M>, extent: Extent) -> Result<Self, Doubt> {
        let (mut copies, mut digests) = (Thinned::new(COPIES, 64), Thinned::new(DIGESTS, 1));
        copies.push(0, || Copied::of(&sim))?;
        while let Some(step) = extent.step(&mut sim) {
            digests.push(step.number, || Ok::<_, Doubt>(sim.digest()))?;
            copies.push(step.number, || Copied::of(&sim))?;
            while step.number.is_multiple_of(copies.every) && copies.kept.len() > 1 && weight(&copies) > BYTES {
                copies.thin();
            }
        }
        Ok(Kept { copies, digests, end: Copied::of(&sim)? })
    }

    fn compare(&self, mut sim: Sim<M>, extent: Extent) -> Result<Agreed, Doubt> {
        let (mut copies, mut digests) = (self.copies.kept.iter().peekable(), self.digests.kept.iter().peekable());
        let (mut equal, mut states, mut last) = (None, 0, None);
        loop {
            let number = sim.events();
            if let Some((_, digest)) = digests.next_if(|(event, _)| *event == number)
                && *digest != sim.digest()
            {
                return Err(self.parted(equal, &sim, last, extent));
            }
            if let Some((_, copy)) = copies.next_if(|(event, _)| *event == number) {
                if copy.checkpoint != sim.checkpoint()? {
                    return Err(self.parted(equal, &sim, last, extent));
                }
                states += 1;
                equal = Some((copy, sim.clone()));
            }
            match extent.step(&mut sim) {
                Some(step) => last = Some(step),
                None => break,
            }
        }
        let end = &self.end;
        if sim.events() != end.sim.events() || sim.panic() != end.sim.panic() || sim.checkpoint()? != end.checkpoint {
            return Err(self.parted(equal, &sim, last, extent));
        }
        Ok(Agreed { events: sim.events(), digest: end.checkpoint, states: states + 1 })
    }

    /// What is to be told when the second run, whose last event is `last`, is known to differ from the first, and `equal` are
    /// both at the last place at which they were compared and did not.
    fn parted(
        &self,
        equal: Option<(&Copied<M>, Sim<M>)>,
        second: &Sim<M>,
        last: Option<Step>,
        extent: Extent,
    ) -> Doubt {
        let parted = match equal {
            None => Parted::before_anything(&self.copies.kept[0].1.sim, second),
            Some((first, then)) => {
                let pair = Pair { first: first.sim.clone(), second: then };
                pair.part(second.events() + 1, extent).unwrap_or_else(|| Parted::but_not_again(second, last))
            }
        };
        Doubt::Parted(Box::new(parted))
    }
}

/// About how many bytes these copies take, if all are as large as the last: runs that are too large grow.
fn weight<M: Message>(copies: &Thinned<Copied<M>>) -> usize {
    copies.kept.last().map_or(0, |(_, copy)| copy.sim.weight().saturating_mul(copies.kept.len()))
}

/// Two runs that go on side by side.
struct Pair<M: Message> {
    first: Sim<M>,
    second: Sim<M>,
}

impl<M: Message> Pair<M> {
    /// The first event up to that number in which they differ; `None` when they do not.
    fn part(mut self, up_to: u64, extent: Extent) -> Option<Parted> {
        self.first.record(true);
        self.second.record(true);
        while self.first.events() < up_to {
            let first = extent.step(&mut self.first);
            stir(STIRRED_AGAIN);
            let second = extent.step(&mut self.second);
            if first != second || !self.are_alike(first.as_ref()) {
                let sides = [Side::now(&self.first, first), Side::now(&self.second, second)];
                let event = first.or(second).map_or(self.first.events(), |step| step.number);
                return Some(Parted { event, sides, states: apart(&self.first, &self.second), repeated: true });
            }
            first?;
        }
        None
    }

    /// Whether both did the same in this step, and its node stands alike behind it.
    fn are_alike(&self, step: Option<&Step>) -> bool {
        let Pair { first, second } = self;
        let node = step.and_then(Step::node);
        first.digest() == second.digest()
            && first.log() == second.log()
            && first.panic() == second.panic()
            && first.fingerprint(node).ok() == second.fingerprint(node).ok()
    }
}

impl Parted {
    fn before_anything<M: Message>(first: &Sim<M>, second: &Sim<M>) -> Parted {
        let sides = [Side::default(), Side::default()];
        Parted { event: 0, sides, states: apart(first, second), repeated: true }
    }

    fn but_not_again<M: Message>(second: &Sim<M>, last: Option<Step>) -> Parted {
        let sides = [Side::default(), Side::now(second, last)];
        Parted { event: second.events(), sides, states: Vec::new(), repeated: false }
    }
}

impl Side {
    fn now<M: Message>(sim: &Sim<M>, step: Option<Step>) -> Side {
        let Some(step) = step else { return Side::default() };
        let (node, what) = happened(sim.names(), step.what, sim.faults());
        Side { step: Some(step), node, what, did: sim.log().iter().map(|entry| did(sim.names(), entry)).collect() }
    }
}

/// The first places at which the states of two runs differ.
fn apart<M: Message>(first: &Sim<M>, second: &Sim<M>) -> Vec<Apart> {
    let mut found = Vec::new();
    for (place, name) in first.names().nodes().iter().enumerate() {
        let node = NodeId(place as u32);
        let mut places = Vec::new();
        let states = [first.state(node), second.state(node)].map(Result::ok);
        differences(String::new(), states, &mut places);
        found.extend(places.into_iter().map(|(path, values)| Apart { node: name.clone(), path, values }));
    }
    let mut places = Vec::new();
    let shared = [first.shared(), second.shared()].map(|shared| serde_json::to_value(shared).ok());
    differences(String::new(), shared, &mut places);
    found.extend(places.into_iter().map(|(path, values)| Apart { node: String::new(), path, values }));
    found.truncate(TOLD);
    found
}

/// Where two JSON values differ, as JSON pointers (RFC 6901) below `path`.
fn differences(path: String, values: [Option<Value>; 2], found: &mut Vec<(String, [Option<Value>; 2])>) {
    match values {
        [first, second] if first == second => {}
        [Some(Value::Object(mut first)), Some(Value::Object(mut second))] => {
            let mut names: Vec<String> = first.keys().chain(second.keys()).cloned().collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let values = [first.remove(&name), second.remove(&name)];
                let escaped = name.replace('~', "~0").replace('/', "~1");
                differences(format!("{path}/{escaped}"), values, found);
            }
        }
        [Some(Value::Array(first)), Some(Value::Array(second))] => {
            let length = first.len().max(second.len());
            let (mut first, mut second) = (first.into_iter(), second.into_iter());
            for place in 0..length {
                differences(format!("{path}/{place}"), [first.next(), second.next()], found);
            }
        }
        values => found.push((path, values)),
    }
}

/// How many blocks are allocated and freed between two runs, and before each event of the second when both go side by side.
const STIRRED: u64 = 4096;
const STIRRED_AGAIN: u64 = 16;

/// Allocates blocks of many sizes and frees them out of order, so that what is allocated next does not lie in the order in which
/// it did before.
fn stir(blocks: u64) {
    let mut blocks: Vec<(u64, Vec<u8>)> =
        (0..blocks).map(|number| (mix(number, blocks), Vec::with_capacity(8 + (number % 64) as usize * 8))).collect();
    blocks.sort_unstable_by_key(|(key, _)| *key);
    blocks.into_iter().for_each(|(_, block)| drop(std::hint::black_box(block)));
}

impl fmt::Display for Parted {
    /// Several lines: the event, both sides of it, and the states behind it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.sides;
        match self {
            Parted { event: 0, .. } => {
                writeln!(out, "not deterministic: the system is another before anything happens")?;
            }
            Parted { event, repeated: true, .. } => {
                writeln!(out, "not deterministic: event {event} is the first that differs")?;
                writeln!(out, "  one run: {first}\n  another: {second}")?;
            }
            Parted { event, repeated: false, .. } => {
                writeln!(out, "not deterministic: the second run was another at event {event}, {second}")?;
                writeln!(
                    out,
                    "  running there again from copies of both was alike: what leaks is seen once in a process, such as \
                     something static that is set up by whoever comes first"
                )?;
            }
        }
        for Apart { node, path, values } in &self.states {
            let whose = if node.is_empty() { "what nodes share" } else { node };
            let [first, second] =
                values.each_ref().map(|value| value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string));
            writeln!(out, "  {whose} at {path}: {first} and {second}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Side {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.step else { return out.write_str("nothing happens any more") };
        let words = [self.node.as_str(), &self.what].into_iter().filter(|words| !words.is_empty());
        write!(out, "{} at {}", words.collect::<Vec<_>>().join(", "), step.at)?;
        if self.did.is_empty() { Ok(()) } else { write!(out, " → {}", self.did.join("; ")) }
    }
}

#[cfg(test)]
mod tests;
