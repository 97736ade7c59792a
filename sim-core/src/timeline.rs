//! A run that is kept, and can be visited at any of its events: the newest while it goes on, any other by running again from
//! the nearest copy.
//!
//! It keeps what happened ([`Past`]) and copies of the run at some events, evenly spaced inside a budget, denser where somebody
//! looks. That the way back is exact follows from the kernel's promise: a copy goes on as the original did.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;

use crate::actor::Message;
use crate::growing::Growing;
use crate::id::NodeId;
use crate::judge::Judge;
use crate::past::{Grade, Past};
use crate::run::{Gauge, LimitHit, Limits};
use crate::sim::{Entry, Sim, Step};
use crate::time::{Duration, Instant};

/// A run that is kept. It grows at its live edge, by [`advance`](Self::advance); a cursor stands anywhere in it.
///
/// ```
/// use std::ops::ControlFlow;
/// use sim_core::*;
/// # #[derive(Clone, Hash, serde::Serialize)] struct Tick;
/// # impl Message for Tick {
/// #     type Note = (); type Shared = ();
/// #     const KINDS: &'static [&'static str] = &["tick"];
/// #     fn kind(&self) -> Kind { Kind(0) }
/// # }
/// #[derive(Clone, serde::Serialize)]
/// struct Clockwork { ticks: u32 }
/// impl Actor<Tick> for Clockwork {
///     fn handle(&mut self, _: Event<Tick>, cx: &mut Context<'_, Tick>) {
///         self.ticks += 1;
///         cx.set(Timer(0), Duration::from_millis(1));
///     }
/// }
/// let mut system = System::new();
/// let node = system.node("clock", Clockwork { ticks: 0 });
/// let sim = system.start(Seed(1)).unwrap();
/// let end = Instant::from_nanos(5_000_000_000);
/// let mut timeline = Timeline::new(sim, (), end, Limits::default(), Budget::default());
/// timeline.advance(Goal::default(), |_| (Grade::Quiet, ControlFlow::Continue(())));
/// assert_eq!((timeline.past().len(), timeline.over()), (5_001, Some(Over::Until)));
/// let moment = timeline.seek(1_234);
/// assert_eq!(moment.sim.actor::<Clockwork>(node).unwrap().ticks, 1_234);
/// ```
pub struct Timeline<M: Message, J> {
    past: Past,
    live: Moment<M, J>,
    cursor: Moment<M, J>,
    /// The first that does not happen any more.
    end: Instant,
    gauge: Gauge,
    over: Option<Over>,
    copies: Copies<M, J>,
    told: Told<M>,
}

/// A run after one of its events, and its judge, who has seen all of them up to there.
#[derive(Clone)]
pub struct Moment<M: Message, J> {
    /// The run. It records nothing.
    pub sim: Sim<M>,
    /// Its judge.
    pub judge: J,
}

/// How much memory copies of a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes in all, as far as they can be estimated; 256 MiB by default. Three quarters are for the evenly spaced copies, a
    /// quarter for those near the cursor. Beside them there are always the start, the cursor and the live edge.
    pub bytes: usize,
    /// Events from one evenly spaced copy to the next, 1,024 by default; twice as many each time that the budget is used up.
    pub spacing: u64,
    /// Events of which the [`Past`] is kept: all by default. It takes 64 bytes of each, beside the bytes above. Of a longer run
    /// the last so many are kept, and up to a sixteenth and 2,047 more; events before can still be visited and told again.
    pub events: u64,
}

/// How far a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Goal {
    /// At most so many more events; any number by default.
    pub events: u64,
    /// The last instant that still happens; never by default.
    pub until: Instant,
}

/// What whoever watches a run sees of a step at the live edge.
pub struct Seen<'a, M: Message, J> {
    /// The run after the step, with what the step did in [`Sim::log`] and [`Sim::notes`]. It keeps no messages.
    pub sim: &'a Sim<M>,
    /// The judge, who has seen the step.
    pub judge: &'a J,
    /// The step.
    pub step: &'a Step,
    /// The `always` property that this step broke for the first time.
    pub broken: Option<&'a str>,
}

/// Why a run did not go on any further for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The goal is met.
    Goal,
    /// Whoever watches broke off.
    Break,
    /// The run is over; [`Timeline::over`] says why.
    Over,
}

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Nothing will ever happen any more.
    NothingLeft,
    /// What is left happens after the last instant that was asked for.
    Until,
    /// A limit is hit.
    Limit(LimitHit),
    /// An actor panicked; [`Sim::panic`] says where.
    Panicked,
}

/// A step with all that it did.
#[derive(Clone, Debug)]
pub struct Retold<M: Message> {
    /// The step.
    pub step: Step,
    /// What it did, in order.
    pub entries: Vec<Entry>,
    /// What its handler told the judge.
    pub notes: Vec<M::Note>,
    /// The message of the envelope that it brought to a node, up or down.
    pub message: Option<M>,
    /// The messages that it sent: one for each [`Entry::Sent`], in their order.
    pub sent: Vec<M>,
}

/// An event that changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<T> {
    /// Its number.
    pub event: u64,
    /// What it was before.
    pub was: T,
    /// What it is since then.
    pub is: T,
}

/// What the search for the last change of something found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastChange<T> {
    /// This event changed it.
    At(Change<T>),
    /// It has been so since the start.
    Never,
    /// Whoever asked did not want to wait.
    Cancelled,
}

/// A replay this long leaves no copies behind: to make it again costs next to nothing.
const SHORT: u64 = 64;
/// So many events are told on one way.
const TOLD: u64 = 64;
/// How many times as many stay told.
const TOLD_BLOCKS: usize = 256;
/// Into how many parts the copies that a replay leaves behind cut its way.
const PARTS: usize = 16;
/// How many copies near the cursor are kept at most.
const NEAR: usize = 64;
/// Bytes of a copy that take about as long to make as an event to replay; it only weighs one way of getting there against another.
const BYTES_PER_EVENT: usize = 1024;

impl<M: Message, J: Judge<M> + Clone> Timeline<M, J> {
    /// The timeline of a run that has not begun. `until` still happens; there are at most 2³² − 1 events, whatever the limits
    /// say.
    ///
    /// # Panics
    /// When events have happened already.
    pub fn new(mut sim: Sim<M>, judge: J, until: Instant, limits: Limits, budget: Budget) -> Self {
        assert_eq!(sim.events(), 0, "a timeline begins before the first event");
        sim.record(false);
        let start = Moment { sim, judge };
        let limits = Limits { events: limits.events.min(u32::MAX.into()), ..limits };
        let over = start.sim.panic().map(|_| Over::Panicked);
        let mut live = start.clone();
        live.sim.record_entries();
        Timeline {
            past: Past::new(),
            live,
            cursor: start.clone(),
            end: until + Duration::from_nanos(1),
            gauge: Gauge::new(limits),
            over,
            copies: Copies::new(start, budget),
            told: Told::default(),
        }
    }

    /// Lets new events happen at the live edge, up to a goal. `watch` sees each, says how much it matters, and may break off
    /// after it; the judge is told of each before that, as [`run`](crate::run()) does.
    pub fn advance(
        &mut self,
        goal: Goal,
        mut watch: impl FnMut(Seen<'_, M, J>) -> (Grade, ControlFlow<()>),
    ) -> Reached {
        let limit = self.end.min(goal.until + Duration::from_nanos(1));
        for _ in 0..goal.events {
            if self.over.is_some() {
                return Reached::Over;
            }
            let Some(step) = self.live.sim.step_before(limit) else { return self.nothing_before(limit) };
            if self.take(&step, &mut watch).is_break() {
                return Reached::Break;
            }
        }
        if self.over.is_some() { Reached::Over } else { Reached::Goal }
    }

    /// Takes the step that the live edge has just made.
    fn take(
        &mut self,
        step: &Step,
        watch: &mut impl FnMut(Seen<'_, M, J>) -> (Grade, ControlFlow<()>),
    ) -> ControlFlow<()> {
        let Moment { sim, judge } = &mut self.live;
        let broken = judge.after(step, sim).map(str::to_owned);
        let (grade, flow) = watch(Seen { sim, judge, step, broken: broken.as_deref() });
        self.past.push(step, grade, sim.log());
        let limit = self.gauge.after(step, sim, judge).map(Over::Limit);
        self.over = sim.panic().map(|_| Over::Panicked).or(limit);
        self.copies.pass(&self.live);
        self.forget(step.number);
        flow
    }

    /// Forgets what lies too far back, now and then, because every list is looked at for it.
    fn forget(&mut self, number: u64) {
        let most = self.copies.budget.events;
        if number > most && number.is_multiple_of((most / 16).max(1024)) {
            self.past.forget(number - most + 1);
        }
    }

    fn nothing_before(&mut self, limit: Instant) -> Reached {
        if self.live.sim.is_over() {
            self.over = Some(Over::NothingLeft);
        } else if limit == self.end {
            self.over = Some(Over::Until);
        }
        if self.over.is_some() { Reached::Over } else { Reached::Goal }
    }

    /// Why the run is over; `None` while it can go on.
    pub fn over(&self) -> Option<Over> {
        self.over
    }

    /// What happened so far.
    pub fn past(&self) -> &Past {
        &self.past
    }

    /// The run after the last event that has happened. Alone of all moments it records what its last step did.
    pub fn live(&self) -> &Moment<M, J> {
        &self.live
    }

    /// The run where the cursor stands; at first before the first event.
    pub fn cursor(&self) -> &Moment<M, J> {
        &self.cursor
    }

    /// The event after which the cursor stands; 0 before the first.
    pub fn at(&self) -> u64 {
        self.cursor.event()
    }

    /// Moves the cursor to after an event, or to the live edge if that has not happened yet.
    ///
    /// Runs again from the nearest copy before it, and leaves copies on a long way, so that moving about there costs little. An
    /// actor that panicked panics again when its event is reached so.
    pub fn seek(&mut self, event: u64) -> &Moment<M, J> {
        let event = event.min(self.live.event());
        if !self.cursor_serves(event) {
            self.cursor = self.stored(event).copy();
        }
        self.copies.replay(&mut self.cursor, event);
        &self.cursor
    }

    /// A copy of the run after an event, or of the live edge if that has not happened yet. The cursor stays; copies are left on
    /// a long way as by [`seek`](Self::seek).
    pub fn fork(&mut self, event: u64) -> Moment<M, J> {
        let event = event.min(self.live.event());
        let from = if self.cursor_serves(event) { &self.cursor } else { self.stored(event) };
        let mut moment = from.copy();
        self.copies.replay(&mut moment, event);
        moment
    }

    /// Takes a step again and tells all that it did; `None` for an event that has not happened. The cursor stays.
    ///
    /// Those beside it are told on the same way and kept for a while, so that asking about one after the other costs little.
    pub fn retell(&mut self, event: u64) -> Option<Retold<M>> {
        self.prepare([event]);
        self.told.of(event).cloned()
    }

    /// Makes [`retell`](Self::retell) of all these events cheap, as long as they are not very many: one way leads past them.
    pub fn prepare(&mut self, events: impl IntoIterator<Item = u64>) {
        let happened = 1..=self.live.event();
        let blocks: BTreeSet<u64> =
            events.into_iter().filter(|it| happened.contains(it)).map(Told::<M>::block).collect();
        let mut on: Option<Sim<M>> = None;
        for block in blocks {
            let (start, end) = (block * TOLD, (block * TOLD + TOLD).min(*happened.end()));
            if self.told.has(block, end - start) {
                continue;
            }
            let serves = |sim: &Sim<M>| sim.events() + self.copies.worth(start) >= self.stored(start).event();
            let mut sim = match on.filter(serves) {
                Some(sim) => sim,
                None => self.fork(start).sim,
            };
            sim.record(false);
            while sim.events() < start && sim.step().is_some() {}
            self.told.keep(block, retold(&mut sim, end));
            on = Some(sim);
        }
    }

    /// The last event not later than `before` that changed what `what` reads of the run.
    ///
    /// Only events of the node and faults are looked at: nothing else may change it. The search goes back from copy to copy and
    /// runs again from each, so that a change that was undone soon after is found too; `go_on` is asked at each with its event,
    /// and cancels the search by saying no.
    pub fn last_change<T: PartialEq>(
        &self,
        before: u64,
        node: NodeId,
        what: impl Fn(&Sim<M>) -> T,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> LastChange<T> {
        let mut last = before.min(self.live.event());
        while last > 0 {
            let from = self.copies.before(last);
            if !go_on(from.event()) {
                return LastChange::Cancelled;
            }
            if let Some(change) = self.last_change_between(from, last, node, &what) {
                return LastChange::At(change);
            }
            last = from.event();
        }
        LastChange::Never
    }

    fn last_change_between<T: PartialEq>(
        &self,
        from: &Moment<M, J>,
        last: u64,
        node: NodeId,
        what: impl Fn(&Sim<M>) -> T,
    ) -> Option<Change<T>> {
        let events = self.events_about(node, from.event(), last);
        // A segment in which nothing can have changed is not run again.
        events.first()?;
        let mut sim = from.copy().sim;
        let (mut is, mut change) = (what(&sim), None);
        for event in events {
            while sim.events() < event && sim.step().is_some() {}
            let new = what(&sim);
            if new != is {
                change = Some((event, std::mem::replace(&mut is, new)));
            }
        }
        change.map(|(event, was)| Change { event, was, is })
    }

    /// The events after `from` up to `last` in which the state of a node can have changed, ascending.
    fn events_about(&self, node: NodeId, from: u64, last: u64) -> Vec<u64> {
        let (own, faults) = (self.past.of_node(node), self.past.faults());
        let of = |list: &Growing<u32>| -> Vec<u64> {
            let first = list.partition_point(|event| u64::from(*event) <= from);
            list.iter_from(first).map(|event| u64::from(*event)).take_while(|event| *event <= last).collect()
        };
        // Any of those that are forgotten can have been one of them.
        let mut events: Vec<u64> = (from + 1..self.past.first().min(last + 1)).collect();
        events.append(&mut of(own));
        events.append(&mut of(faults));
        events.sort_unstable();
        events.dedup();
        events
    }

    /// Whether the way from the cursor to an event is no longer than from the nearest copy, or hardly.
    fn cursor_serves(&self, event: u64) -> bool {
        let at = self.at();
        at <= event && at + self.copies.worth(event) >= self.stored(event).event()
    }

    /// The nearest moment at or before an event, the cursor aside.
    fn stored(&self, event: u64) -> &Moment<M, J> {
        if event == self.live.event() { &self.live } else { self.copies.before(event + 1) }
    }
}

impl<M: Message, J: Judge<M> + Clone> Moment<M, J> {
    /// The event after which it stands; 0 before the first.
    pub fn event(&self) -> u64 {
        self.sim.events()
    }

    /// A copy that records nothing.
    fn copy(&self) -> Self {
        let mut copy = self.clone();
        copy.sim.record(false);
        copy
    }

    fn weight(&self) -> usize {
        self.sim.weight() + self.judge.weight()
    }
}

/// Takes the steps up to an event and tells all that they do.
fn retold<M: Message>(sim: &mut Sim<M>, end: u64) -> Vec<Retold<M>> {
    sim.record(true);
    let mut all = Vec::new();
    while sim.events() < end
        && let Some(step) = sim.step()
    {
        let (entries, notes) = (sim.log().to_vec(), sim.notes().to_vec());
        all.push(Retold { step, entries, notes, message: sim.handled().cloned(), sent: sim.sent().to_vec() });
    }
    all
}

/// Steps that were told lately, in blocks of [`TOLD`].
struct Told<M: Message> {
    blocks: BTreeMap<u64, Vec<Retold<M>>>,
    /// The one that was told last stands last.
    order: VecDeque<u64>,
}

impl<M: Message> Told<M> {
    /// The block of an event, which is not 0.
    fn block(event: u64) -> u64 {
        (event - 1) / TOLD
    }

    fn of(&self, event: u64) -> Option<&Retold<M>> {
        let place = event.checked_sub(1)? % TOLD;
        self.blocks.get(&Self::block(event))?.get(place as usize)
    }

    /// Whether so many steps of a block are told.
    fn has(&self, block: u64, steps: u64) -> bool {
        self.blocks.get(&block).is_some_and(|told| told.len() as u64 >= steps)
    }

    fn keep(&mut self, block: u64, told: Vec<Retold<M>>) {
        self.order.retain(|known| *known != block);
        self.order.push_back(block);
        self.blocks.insert(block, told);
        if self.order.len() > TOLD_BLOCKS {
            self.order.pop_front().map(|old| self.blocks.remove(&old));
        }
    }
}

impl<M: Message> Default for Told<M> {
    fn default() -> Self {
        Told { blocks: BTreeMap::new(), order: VecDeque::new() }
    }
}

/// Copies of a run at some of its events.
struct Copies<M: Message, J> {
    budget: Budget,
    /// One every `spacing` events, from event 0.
    even: Vec<Moment<M, J>>,
    spacing: u64,
    /// What the even ones take, by estimate.
    bytes: usize,
    /// Where somebody looked: by event.
    near: BTreeMap<u64, Moment<M, J>>,
    weights: Weights,
}

impl<M: Message, J: Judge<M> + Clone> Copies<M, J> {
    fn new(start: Moment<M, J>, budget: Budget) -> Self {
        let weights = Weights(vec![(0, start.weight())]);
        Copies {
            budget,
            bytes: weights.at(0),
            even: vec![start],
            spacing: budget.spacing.max(1),
            near: BTreeMap::new(),
            weights,
        }
    }

    /// Copies the live edge if it has come to where a copy is due.
    #[inline]
    fn pass(&mut self, live: &Moment<M, J>) {
        if live.event().is_multiple_of(self.spacing) {
            self.keep(live);
        }
    }

    fn keep(&mut self, live: &Moment<M, J>) {
        let event = live.event();
        if self.weights.is_due(event) {
            self.weights.0.push((event, live.weight()));
            self.bytes = self.weigh();
        }
        self.even.push(live.copy());
        self.bytes += self.weights.at(event);
        while self.bytes > self.budget.bytes / 4 * 3 && self.even.len() > 1 {
            self.thin();
        }
    }

    /// Drops every second copy.
    fn thin(&mut self) {
        self.spacing *= 2;
        let mut place = 0;
        self.even.retain(|_| {
            place += 1;
            place % 2 == 1
        });
        self.bytes = self.weigh();
    }

    fn weigh(&self) -> usize {
        self.even.iter().map(|moment| self.weights.at(moment.event())).sum()
    }

    /// The last copy before an event that is not the start.
    fn before(&self, event: u64) -> &Moment<M, J> {
        let place = (event.saturating_sub(1) / self.spacing) as usize;
        let even = &self.even[place.min(self.even.len() - 1)];
        match self.near.range(..event).next_back() {
            Some((at, near)) if *at > even.event() => near,
            _ => even,
        }
    }

    /// Runs a moment on to an event that has happened, and leaves copies on the way if that is long.
    fn replay(&mut self, moment: &mut Moment<M, J>, event: u64) {
        let from = moment.event();
        let pace = self.pace(from, event);
        while moment.event() < event
            && let Some(step) = moment.sim.step()
        {
            moment.judge.after(&step, &moment.sim);
            let at = moment.event();
            // One just before the end serves whoever steps back from there.
            let due = (at - from).is_multiple_of(pace) || pace < u64::MAX && at + SHORT / 2 == event;
            if at < event && due && !at.is_multiple_of(self.spacing) {
                self.near.insert(at, moment.copy());
            }
        }
        self.forget_far_from(event);
    }

    /// How many events take about as long to replay as a copy of the run around that event to make.
    fn worth(&self, event: u64) -> u64 {
        (self.weights.at(event) / BYTES_PER_EVENT) as u64
    }

    /// Events from one copy that a replay leaves to the next: at most [`PARTS`] parts, no more copies than there is room for,
    /// and making them takes no longer than the replay itself.
    fn pace(&self, from: u64, to: u64) -> u64 {
        let way = to.saturating_sub(from);
        let parts = self.room(to).min(PARTS) as u64;
        if way <= SHORT || parts == 0 { u64::MAX } else { way.div_ceil(parts).max(self.worth(to)) }
    }

    /// How many copies of the run around an event there may be near the cursor.
    fn room(&self, event: u64) -> usize {
        (self.budget.bytes / 4 / self.weights.at(event).max(1)).min(NEAR)
    }

    fn forget_far_from(&mut self, event: u64) {
        let room = self.room(event);
        while self.near.len() > room {
            let ends = [self.near.first_key_value(), self.near.last_key_value()];
            let far = ends.into_iter().flatten().map(|(at, _)| *at).max_by_key(|at| at.abs_diff(event));
            far.map(|at| self.near.remove(&at));
        }
    }
}

/// What a copy of the run takes, measured at some events: at 0, at the first copy, and whenever twice as many have happened.
/// Between two of them it is taken to grow evenly, and so beyond the last.
struct Weights(Vec<(u64, usize)>);

impl Weights {
    fn is_due(&self, event: u64) -> bool {
        self.0.last().is_none_or(|(last, _)| event >= last * 2)
    }

    fn at(&self, event: u64) -> usize {
        let later = self.0.partition_point(|(measured, _)| *measured <= event).min(self.0.len() - 1).max(1);
        let (Some(a), Some(b)) = (self.0.get(later - 1), self.0.get(later)) else { return self.0[0].1 };
        let (way, rise) = (i128::from(event) - i128::from(a.0), b.1 as i128 - a.1 as i128);
        let estimate = a.1 as i128 + rise * way / i128::from(b.0 - a.0).max(1);
        usize::try_from(estimate).unwrap_or(0)
    }
}

impl<M: Message, J> Clone for Seen<'_, M, J> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Message, J> Copy for Seen<'_, M, J> {}

impl Default for Budget {
    fn default() -> Self {
        Budget { bytes: 256 << 20, spacing: 1024, events: u64::MAX }
    }
}

impl Default for Goal {
    /// The end.
    fn default() -> Self {
        Goal { events: u64::MAX, until: Instant::NEVER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, Context, Event, Kind, Seed, System, Timer};

    #[derive(Clone, Hash, serde::Serialize)]
    struct Tick;

    impl Message for Tick {
        type Note = ();
        type Shared = ();
        const KINDS: &'static [&'static str] = &["tick"];
        fn kind(&self) -> Kind {
            Kind(0)
        }
    }

    /// Keeps a byte for every event.
    #[derive(Clone, serde::Serialize)]
    struct Hoarder(String);

    impl Actor<Tick> for Hoarder {
        fn handle(&mut self, _: Event<Tick>, cx: &mut Context<'_, Tick>) {
            self.0.push('x');
            cx.set(Timer(0), Duration::from_millis(1));
        }
    }

    fn timeline(events: u64, budget: Budget) -> Timeline<Tick, ()> {
        let mut system = System::new();
        system.node("hoarder", Hoarder(String::new()));
        let limits = Limits { events, ..Limits::default() };
        let mut timeline = Timeline::new(system.start(Seed(1)).unwrap(), (), Instant::NEVER, limits, budget);
        timeline.advance(Goal::default(), |_| (Grade::Quiet, ControlFlow::Continue(())));
        timeline
    }

    fn events_of(copies: &Copies<Tick, ()>) -> Vec<u64> {
        copies.even.iter().map(Moment::event).collect()
    }

    #[test]
    fn copies_are_evenly_spaced_and_stay_inside_the_budget() {
        for bytes in [0, 50_000, 300_000, 1_000_000, 1 << 30] {
            let Timeline { copies, .. } = timeline(10_000, Budget { bytes, spacing: 16, ..Budget::default() });
            assert!(copies.bytes <= bytes / 4 * 3 || copies.even.len() == 1, "{bytes}");
            let step = usize::try_from(copies.spacing).unwrap();
            assert_eq!(events_of(&copies), (0..=10_000).step_by(step).take(copies.even.len()).collect::<Vec<_>>());
            assert!(bytes == 0 || 10_000 / copies.spacing + 1 == copies.even.len() as u64);
            assert_eq!(copies.spacing == 16, bytes == 1 << 30);
        }
    }

    #[test]
    fn what_a_copy_takes_is_known_between_two_measures_and_beyond() {
        let Timeline { copies, live, .. } = timeline(10_000, Budget { spacing: 16, ..Budget::default() });
        assert_eq!(copies.weights.0.iter().map(|(at, _)| *at).collect::<Vec<_>>()[..4], [0, 16, 32, 64]);
        for event in [0, 16, 1_000, 3_000, 8_192, 9_984] {
            let moment = &copies.even[event as usize / 16];
            assert!(copies.weights.at(event).abs_diff(moment.weight()) < 200, "{event}");
        }
        assert!(copies.weights.at(10_000).abs_diff(live.weight()) < 200);
    }

    #[test]
    fn a_long_way_leaves_copies_and_the_next_step_back_is_short() {
        let mut timeline = timeline(20_000, Budget { spacing: 4_096, ..Budget::default() });
        timeline.seek(8_000);
        assert_eq!(timeline.copies.near.keys().next(), Some(&(4_096 + 244)));
        assert_eq!(timeline.copies.near.len(), 16);
        timeline.seek(7_999);
        assert!(timeline.stored(7_998).event() + SHORT > 7_998);
    }

    #[test]
    fn copies_near_the_cursor_follow_it_inside_their_share_of_the_budget() {
        for bytes in [0, 300_000, 2_000_000, 1 << 30] {
            let mut timeline = timeline(20_000, Budget { bytes, spacing: 4_096, ..Budget::default() });
            for event in (0..20_000).step_by(700).chain([100, 9_000]) {
                timeline.seek(event);
                let room = timeline.copies.room(event);
                assert!(timeline.copies.near.len() <= room && room <= NEAR);
                assert!(room * timeline.copies.weights.at(event) <= bytes / 4);
            }
            let far = timeline.copies.near.keys().any(|at| at.abs_diff(9_000) > 15_000);
            assert!(!far, "{bytes}");
        }
    }
}
