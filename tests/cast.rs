//! A small cast of nodes whose programs are a few lines in a test, and the lines that they write down.
//!
//! Each test is a cast, a schedule, and what the actors wrote: instant, node, life, what it was told.

use serde::Serialize;
use sim_core::{
    Actor, Context, Dist, Duration, Event, Instant, Kind, Link, Message, NodeId, Seed, Sim, Step, System, Timer,
    Unanswered,
};

/// What nodes of a cast say to each other.
#[derive(Clone, Copy, Debug, Hash, Serialize)]
pub enum Say {
    /// A request, by number.
    Ping(u32),
    /// An answer to it.
    Pong(u32),
}

impl Message for Say {
    type Note = String;
    type Shared = ();
    const KINDS: &'static [&'static str] = &["ping", "pong"];
    fn kind(&self) -> Kind {
        Kind(matches!(self, Say::Pong(_)).into())
    }
    /// A request can be altered, an answer cannot.
    fn corrupt(&mut self, bits: u64) -> bool {
        match self {
            Say::Ping(number) => *number ^= 1 << (8 + bits % 8),
            Say::Pong(_) => return false,
        }
        true
    }
}

/// What a node does with an event.
pub type Act = fn(&Event<Say>, &mut Context<'_, Say>);

/// An actor that writes down what it is told, and does what a test says.
#[derive(Clone, Serialize)]
pub struct Probe {
    #[serde(skip)]
    act: Act,
    told: u32,
    owed: Vec<(NodeId, u32)>,
}

impl Probe {
    /// An actor that acts so.
    pub fn new(act: Act) -> Self {
        Probe { act, told: 0, owed: Vec::new() }
    }

    /// How many events it has been told of in this life.
    pub fn told(&self) -> u32 {
        self.told
    }
}

impl Actor<Say> for Probe {
    fn handle(&mut self, event: Event<Say>, cx: &mut Context<'_, Say>) {
        self.told += 1;
        let (names, life) = (cx.names(), cx.life());
        let name = names.node(cx.id());
        let what = match &event {
            Event::Start(files) => {
                let text = |record: &[u8]| String::from_utf8_lossy(record).into_owned();
                let files = files.names().map(|file| files.records(file).map(text).collect::<Vec<_>>().join("+"));
                format!("start {}", files.collect::<Vec<_>>().join(" ")).trim_end().to_owned()
            }
            Event::Message { from, msg } => format!("{msg:?} from {}", names.node(*from)),
            Event::Timer(timer) => format!("timer {}", timer.0),
            Event::Synced(sync, Ok(())) => format!("synced {}", sync.0),
            Event::Synced(sync, Err(error)) => format!("sync {} failed: {error}", sync.0),
            Event::Stop { grace } => format!("asked to stop within {grace}"),
            Event::Refused { by, msg } => format!("{msg:?} refused by {}", names.node(*by)),
            Event::Reset { by, msg } => format!("{msg:?} reset by {}", names.node(*by)),
        };
        cx.note(format!("{name}/{life}: {what}"));
        if let Event::Message { from, msg: Say::Ping(n) } = event {
            self.owed.push((from, n));
        }
        (self.act)(&event, cx);
    }

    fn unanswered(&self) -> Vec<Unanswered<Say>> {
        let cause = |n: u32| sim_core::Cause::root("test", "owed", n.into());
        self.owed.iter().map(|(from, n)| Unanswered { from: *from, msg: Say::Ping(*n), cause: cause(*n) }).collect()
    }
}

/// The first node of a cast.
pub const A: NodeId = NodeId(0);
/// The second node of a cast.
pub const B: NodeId = NodeId(1);
/// Does nothing.
pub const NOTHING: Act = |_, _| {};

/// Nodes `a`, `b`, `c` … with these programs, and 10 ms on every link.
pub fn cast(acts: &[Act]) -> System<Say> {
    let mut system = System::new();
    for (act, name) in acts.iter().zip('a'..) {
        system.node(&name.to_string(), Probe::new(*act));
    }
    system.network(Link::with_latency(Dist::Constant(ms(10))));
    system
}

/// The system with these faults added.
pub fn with(mut system: System<Say>, faults: &[&str]) -> System<Say> {
    for fault in faults {
        system.fault(fault.parse().unwrap_or_else(|error| panic!("{error}")));
    }
    system
}

/// So many milliseconds.
pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// An instant, as people write it.
pub fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// A finished run: what its actors wrote, its steps, and how it stands.
pub struct Ran {
    /// Instant, node, life, and what it was told.
    pub lines: Vec<String>,
    /// All its steps.
    pub steps: Vec<Step>,
    /// The run at its end.
    pub sim: Sim<Say>,
}

/// Runs a system to its end, at most an hour.
pub fn run(system: &System<Say>, seed: u64) -> Ran {
    let mut sim = system.start(Seed(seed)).unwrap_or_else(|error| panic!("{error}"));
    let (mut lines, mut steps) = (Vec::new(), Vec::new());
    while let Some(step) = sim.step_before(at("1h")) {
        lines.extend(sim.notes().iter().map(|note| format!("{} {note}", step.at)));
        steps.push(step);
    }
    Ran { lines, steps, sim }
}

/// Whether a count of hits among `n` is inside the normal approximation of the 99.99 % interval of a binomial.
#[track_caller]
pub fn binomial(hits: usize, n: f64, p: f64) {
    let (mean, deviation) = (n * p, (n * p * (1.0 - p)).sqrt());
    assert!((hits as f64 - mean).abs() <= 3.9 * deviation + 0.5, "{hits} of {n} at {p}");
}

impl Ran {
    /// The lines that mention something.
    pub fn mentioning(&self, what: &str) -> Vec<&str> {
        self.lines.iter().map(String::as_str).filter(|line| line.contains(what)).collect()
    }
}

/// Runs the cast under the schedule; the lines that mention `what` are these.
#[track_caller]
pub fn check(acts: &[Act], faults: &[&str], what: &str, expected: &[&str]) {
    assert_eq!(run(&with(cast(acts), faults), 1).mentioning(what), expected, "under {faults:?}");
}

/// Sends pings 1 to 9 to node `b`, one each second from 1 s on.
pub const EVERY_SECOND: Act = |event, cx| {
    match event {
        Event::Start(_) => {}
        Event::Timer(Timer(n)) => cx.send(B, Say::Ping(*n)),
        _ => return,
    }
    let next = if let Event::Timer(Timer(n)) = event { n + 1 } else { 1 };
    if next < 10 {
        cx.set(Timer(next), ms(1_000));
    }
};

/// The pings of [`EVERY_SECOND`] that arrive at `b`, by number.
pub fn arriving(faults: &[&str]) -> Vec<u32> {
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING, NOTHING]), faults), 1);
    let number = |line: &&str| line.split(['(', ')']).nth(1).unwrap().parse().unwrap();
    ran.mentioning("from a").iter().map(number).collect()
}
