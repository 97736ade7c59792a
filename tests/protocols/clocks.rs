//! Clocks that know how wrong they may be: a daemon asks a time master every so often, and in between trusts its own
//! clock less and less.
//!
//! Corbett and others, Spanner: Google's Globally-Distributed Database, 2012, section 3: a poll each 30 s, and 200 µs a
//! second for the drift of the own clock, make a sawtooth of 0 to 6 ms; the way to the master adds 1 ms. How an answer
//! bounds the time: Cristian, Probabilistic clock synchronization, 1989.

use faultline_tests::closed_forms::confirm;
use serde::Serialize;
use sim_core::{
    Actor, Clock, Context, Dist, Duration, Event, Instant, Kind, Link, Message, NodeId, Seed, System, Timer,
};

/// What a daemon and a master say to each other.
#[derive(Clone, Copy, Debug, Hash, Serialize)]
enum Time {
    Ask,
    Is { now: u64 },
}

/// An interval that a daemon believes true time to be in, in nanoseconds, and when it said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Believes {
    earliest: u64,
    latest: u64,
    moment: Moment,
}

/// Whether somebody asked, or it is about to take an answer of the master into account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Moment {
    Asked,
    BeforeAnswer,
    AfterAnswer,
}

impl Believes {
    /// Half of the interval, in milliseconds.
    fn uncertainty(self) -> f64 {
        (self.latest - self.earliest) as f64 / 2e6
    }
}

impl Message for Time {
    type Note = Believes;
    type Shared = ();
    const KINDS: &'static [&'static str] = &["ask", "is"];
    fn kind(&self) -> Kind {
        Kind(matches!(self, Time::Is { .. }).into())
    }
}

type Cx<'a> = Context<'a, Time>;

/// Has the true time.
#[derive(Clone, Serialize)]
struct Master;

impl Actor<Time> for Master {
    fn handle(&mut self, event: Event<Time>, cx: &mut Cx<'_>) {
        if let Event::Message { from, msg: Time::Ask } = event {
            cx.send(from, Time::Is { now: cx.wall().nanos() });
        }
    }
}

const MASTER: NodeId = NodeId(0);
const DAEMON: NodeId = NodeId(1);
const POLL: Timer = Timer(0);
const LOOK: Timer = Timer(1);
const POLLS: Duration = Duration::from_secs(30);
const LOOKS: Duration = Duration::from_millis(100);
/// By how much a clock is taken to go wrong: parts in a million.
const DRIFT: u64 = 200;

/// Knows true time up to an interval that grows.
#[derive(Clone, Serialize)]
struct Daemon {
    asked: Instant,
    /// The last answer: when it came by the own clock, and the interval then.
    answer: Option<(Instant, u64, u64)>,
}

impl Daemon {
    fn believes(&self, moment: Moment, cx: &Cx<'_>) -> Option<Believes> {
        let (came, earliest, latest) = self.answer?;
        let since = cx.now().since(came).nanos();
        let wrong = since * DRIFT / 1_000_000;
        Some(Believes { earliest: earliest + since - wrong, latest: latest + since + wrong, moment })
    }

    fn tell(&self, moment: Moment, cx: &mut Cx<'_>) {
        if let Some(believes) = self.believes(moment, cx) {
            cx.note(believes);
        }
    }
}

impl Actor<Time> for Daemon {
    fn handle(&mut self, event: Event<Time>, cx: &mut Cx<'_>) {
        match event {
            Event::Start(_) | Event::Timer(POLL) => {
                self.asked = cx.now();
                cx.send(MASTER, Time::Ask);
                cx.set(POLL, POLLS);
            }
            Event::Timer(_) => {
                self.tell(Moment::Asked, cx);
                cx.set(LOOK, LOOKS);
            }
            Event::Message { msg: Time::Is { now }, .. } => {
                self.tell(Moment::BeforeAnswer, cx);
                // The answer was true at some moment since the question; within a round trip no clock goes wrong by
                // much.
                let round = cx.now().since(self.asked).nanos();
                if self.answer.is_none() {
                    // Looks stand in the middle of equal parts of the time between two answers.
                    cx.set(LOOK, Duration::from_nanos(LOOKS.nanos() / 2));
                }
                self.answer = Some((cx.now(), now, now + round));
                self.tell(Moment::AfterAnswer, cx);
            }
            _ => {}
        }
    }
}

/// What a daemon with this clock believes in so many polls, each beside true time.
fn beliefs(latency: Dist, clock: Clock, polls: u64, seed: u64) -> Vec<(Instant, Believes)> {
    let mut system = System::new();
    system.node("master", Master);
    system.node("daemon", Daemon { asked: Instant::ZERO, answer: None });
    system.clock(DAEMON, clock);
    system.network(Link::with_latency(latency));
    let (mut sim, mut seen) = (system.start(Seed(seed)).expect("no faults"), Vec::new());
    let end = Instant::ZERO + POLLS.saturating_mul(polls);
    while let Some(step) = sim.step_before(end) {
        seen.extend(sim.notes().iter().map(|believes| (step.at, *believes)));
    }
    seen
}

/// P30. From 1 to 7 ms, 4 on average.
#[test]
fn the_uncertainty_of_a_clock_is_a_sawtooth() {
    let seen = beliefs(Dist::Constant(Duration::from_millis(1)), Clock::default(), 20, 1);
    let at = |moment: Moment| -> Vec<f64> {
        let of = seen.iter().filter(|(_, believes)| believes.moment == moment);
        of.map(|(_, believes)| believes.uncertainty()).collect()
    };
    let (asked, before, after) = (at(Moment::Asked), at(Moment::BeforeAnswer), at(Moment::AfterAnswer));
    assert_eq!((asked.len(), before.len(), after.len()), (20 * 300, 19, 20));
    after.iter().for_each(|low| confirm("lowest", *low, 1.0));
    before.iter().for_each(|high| confirm("highest", *high, 1.0 + 0.2 * 30.0));
    confirm("mean", asked.iter().sum::<f64>() / asked.len() as f64, 4.0);
    let ends = |believes: &Believes| believes.earliest..=believes.latest;
    assert!(seen.iter().all(|(now, believes)| ends(believes).contains(&now.nanos())), "true time is inside");
}

/// How often, of all moments at which somebody asked a daemon whose clock drifts like that, true time was outside what
/// it believed.
fn outside(drift_ppm: i32) -> usize {
    let jitter = Dist::Uniform(Duration::from_micros(200), Duration::from_micros(1_800));
    let of = |seed| {
        let clock = Clock { drift_ppb: drift_ppm * 1_000, ..Clock::default() };
        let seen = beliefs(jitter.clone(), clock, 20, seed);
        let wrong =
            |(now, believes): &&(Instant, Believes)| now.nanos() < believes.earliest || now.nanos() > believes.latest;
        seen.iter().filter(wrong).count()
    };
    (0..20).map(of).sum()
}

#[test]
fn true_time_is_inside_as_long_as_the_clock_drifts_no_more_than_it_is_taken_to() {
    for drift in [-200, -100, 0, 100, 200] {
        assert_eq!(outside(drift), 0, "at {drift} ppm");
    }
    // A hundred more take 3 ms in 30 s, which is more than any way to the master.
    assert!(outside(-300) > 0 && outside(300) > 0);
}
