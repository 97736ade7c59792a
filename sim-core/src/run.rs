//! Runs a simulation to its end, under a judge, inside limits.

use std::fmt;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::actor::Message;
use crate::digest::Digest;
use crate::judge::{Judge, Judged, PropertyKind, Verdict, verdict};
use crate::sim::{Panic, Sim, Step};
use crate::time::{Duration, Instant};
use crate::trail::Trail;

/// What ends a run that would not end by itself; each has a default, and is named when it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Events in all; 10⁸ by default.
    pub events: u64,
    /// Events at one instant: a loop without delay; 2 × 10⁶ by default.
    pub events_at_one_instant: u64,
    /// Events pending; 2 × 10⁷ by default.
    pub pending: usize,
    /// Bytes of what is pending and of the states of actors and judge, these by the length of their JSON; 2³⁰ by default.
    /// Weighed now and then, so that a run may go beyond it by as much as it grows until the next time.
    pub memory: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { events: 100_000_000, events_at_one_instant: 2_000_000, pending: 20_000_000, memory: 1 << 30 }
    }
}

/// A limit that ended a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitHit {
    /// [`Limits::events`].
    Events(u64),
    /// [`Limits::events_at_one_instant`].
    EventsAtOneInstant(u64),
    /// [`Limits::pending`].
    Pending(usize),
    /// [`Limits::memory`].
    Memory(usize),
}

impl fmt::Display for LimitHit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitHit::Events(n) => write!(out, "the limit of {n} events"),
            LimitHit::EventsAtOneInstant(n) => write!(out, "the limit of {n} events at one instant"),
            LimitHit::Pending(n) => write!(out, "the limit of {n} pending events"),
            LimitHit::Memory(n) => write!(out, "the limit of {n} bytes of memory"),
        }
    }
}

/// When a run stops before its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop<'a> {
    /// Only at its end.
    #[default]
    AtEnd,
    /// At the first violation of any `always` property, as a hunt does.
    AtViolation,
    /// At the first violation of this one, as a replay does.
    AtViolationOf(&'a str),
}

/// How far and how a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// The last instant that still happens.
    pub until: Instant,
    /// When it stops before that.
    pub stop: Stop<'a>,
    /// What ends it when it would not end by itself.
    pub limits: Limits,
}

impl Default for Course<'_> {
    /// To the end of everything, with the default limits.
    fn default() -> Self {
        let until = Instant::NEVER - Duration::from_nanos(1);
        Course { until, stop: Stop::AtEnd, limits: Limits::default() }
    }
}

/// How a run came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is said of the whole run.
    pub verdict: Verdict,
    /// What is said of each property.
    pub properties: Vec<Judged>,
    /// How many events happened.
    pub events: u64,
    /// The instant of the last of them, or the end that was asked for, if the run came so far.
    pub end: Instant,
    /// The digest over all events and the final states.
    pub digest: Digest,
    /// How the digest grew.
    pub trail: Trail,
    /// The panic of an actor that ended it.
    pub panic: Option<Panic>,
    /// The limit that ended it.
    pub limit: Option<LimitHit>,
    /// The `always` property whose violation ended it.
    pub stopped_at: Option<String>,
    /// Whether whoever watched ended it.
    pub interrupted: bool,
}

/// Runs to the end of the course; `watch` sees each step and may end it there.
pub fn run<M: Message, J: Judge<M>>(
    sim: &mut Sim<M>,
    judge: &mut J,
    course: &Course<'_>,
    mut watch: impl FnMut(&Sim<M>, &Step) -> ControlFlow<()>,
) -> Outcome {
    let mut trail = Trail::default();
    let (mut limit, mut stopped_at, mut interrupted) = (None, None, false);
    let mut gauge = Gauge::new(course.limits);
    // `until` itself still happens; `step_before` excludes its limit.
    let end = course.until + Duration::from_nanos(1);
    while let Some(step) = sim.step_before(end) {
        trail.push(sim.digest());
        let broken = judge.after(&step, sim);
        let stops = match (course.stop, broken) {
            (Stop::AtViolation, Some(_)) => true,
            (Stop::AtViolationOf(wanted), Some(name)) => wanted == name,
            _ => false,
        };
        if stops {
            stopped_at = broken.map(str::to_owned);
        }
        if watch(sim, &step).is_break() {
            interrupted = true;
            break;
        }
        if stops {
            break;
        }
        limit = gauge.after(&step, sim, judge);
        if limit.is_some() {
            break;
        }
    }
    let mut properties = judge.finish(sim);
    if stopped_at.is_some() || interrupted || limit.is_some() {
        excuse(&mut properties);
    }
    let panic = sim.panic().cloned();
    let verdict = match (&panic, limit) {
        (Some(_), _) => Verdict::Panicked,
        (None, Some(_)) => Verdict::OutOfLimits,
        (None, None) => verdict(&properties),
    };
    // A state that does not serialise cannot be compared; the rolling digest still can.
    let digest = sim.checkpoint().unwrap_or_else(|_| sim.digest());
    let (events, end) = (sim.events(), sim.now());
    Outcome { verdict, properties, events, end, digest, trail, panic, limit, stopped_at, interrupted }
}

/// What is only known at the end is not judged when a run was cut before it.
fn excuse(properties: &mut [Judged]) {
    let unripe = |kind| matches!(kind, PropertyKind::AtEnd | PropertyKind::Eventually);
    for judged in properties.iter_mut().filter(|judged| unripe(judged.kind) && judged.verdict != Verdict::Held) {
        judged.verdict = Verdict::Held;
        judged.detail = "not judged: the run was cut before its end".to_owned();
        (judged.event, judged.at) = (None, None);
    }
}

/// Holds a run against its limits, step after step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauge {
    limits: Limits,
    /// The instant of the last event, and how many there were at it.
    crowd: (Instant, u64),
    /// The number of the event after which it is weighed. A short run is not: weighing costs as much as writing all of it.
    weighs: u64,
}

/// The event after which a run is weighed for the first time.
const FIRST_WEIGHED: u64 = 1 << 14;

impl Gauge {
    pub(crate) fn new(limits: Limits) -> Self {
        Gauge { limits, crowd: (Instant::ZERO, 0), weighs: FIRST_WEIGHED }
    }

    /// The limit that is hit now that this step is made; to be called after each.
    #[inline]
    pub(crate) fn after<M: Message, J: Judge<M>>(&mut self, step: &Step, sim: &Sim<M>, judge: &J) -> Option<LimitHit> {
        self.crowd = if step.at == self.crowd.0 { (step.at, self.crowd.1 + 1) } else { (step.at, 1) };
        let Limits { events, events_at_one_instant, pending, memory } = self.limits;
        if sim.events() >= events {
            Some(LimitHit::Events(events))
        } else if self.crowd.1 >= events_at_one_instant {
            Some(LimitHit::EventsAtOneInstant(events_at_one_instant))
        } else if sim.pending() >= pending {
            Some(LimitHit::Pending(pending))
        } else if sim.events() >= self.weighs && self.is_too_heavy(sim.events(), sim.weight() + judge.weight()) {
            Some(LimitHit::Memory(memory))
        } else {
            None
        }
    }

    /// Whether that is too much; says when to weigh again. Far from the limit that is seldom: all times together cost as much as the
    /// last one and a third of it, or as twice that one when a run has come nearer. Near the limit it is sooner.
    #[cold]
    fn is_too_heavy(&mut self, events: u64, weight: usize) -> bool {
        let memory = self.limits.memory;
        let until_next = match weight {
            _ if weight < memory / 16 => events.saturating_mul(3),
            _ if weight < memory / 4 => events,
            _ => events / 8,
        };
        self.weighs = events.saturating_add(until_next);
        weight >= memory
    }
}

impl Outcome {
    /// The name of the property that decided the verdict: the one whose violation ended the run, else the first in order.
    pub fn property(&self) -> Option<&str> {
        self.stopped_at.as_deref().or_else(|| self.culprit().map(|judged| judged.name.as_str()))
    }

    /// The first property, in order, that has the verdict of the run.
    pub fn culprit(&self) -> Option<&Judged> {
        self.properties.iter().find(|judged| judged.verdict == self.verdict && self.verdict != Verdict::Held)
    }
}
