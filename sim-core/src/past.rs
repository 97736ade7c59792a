//! What happened in a run so far, small enough to be kept whole, and cheap to copy while the run goes on.
//!
//! It holds what cannot be worked out again without running: which events there were, why, and where to look. What an event did
//! beside that, and how the nodes stood, a [`Timeline`](crate::Timeline) runs again to tell.

use std::ops::RangeInclusive;

use crate::actor::Watch;
use crate::growing::Growing;
use crate::id::{Kind, NodeId, Sync, Timer};
use crate::network::Fate;
use crate::seed::{Cause, Operation};
use crate::sim::{Entry, Form, Happening, Step};
use crate::time::Instant;

/// The events of a run from its first on, as columns, with indexes by node, by sort and by grade.
///
/// At most 64 bytes an event, unless a property breaks in it, and some more for each envelope lost. A copy shares all but the
/// newest thousand of each column with the original and never sees what comes later: it can be handed to another thread. Events
/// are numbered from 1, and there are at most 2³² − 1. Events far back can be [forgotten](crate::Budget::events): they keep their numbers, and are as if
/// they had never been.
#[derive(Clone, Debug, Default)]
pub struct Past {
    at: Growing<Instant>,
    cause: Growing<Cause>,
    led: Growing<Led>,
    what: Growing<What>,
    nodes: Vec<OnNode>,
    /// By [`Sort::slot`].
    sorts: Vec<Growing<u32>>,
    /// Events of at least [`Grade::Notable`], [`Grade::Trouble`], [`Grade::Broken`].
    graded: [Growing<u32>; 3],
    faults: Growing<u32>,
    lost: Growing<Lost>,
    power: Growing<Power>,
    /// What is said of a node or a sort that never occurred.
    none: Growing<u32>,
}

/// How much an event matters to whoever looks at a run; the worst of several is the greatest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Grade {
    /// Nothing to see.
    #[default]
    Quiet,
    /// Worth a row of its own.
    Notable,
    /// Something went wrong: a loss, a timeout, a node down.
    Trouble,
    /// A property broke.
    Broken,
}

/// What events are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// An envelope was handled whose message is of this kind.
    Delivered(Kind),
    /// An envelope came to a node that is down.
    Undelivered,
    /// A node learnt that nothing listens where it sent to.
    Refused,
    /// A node learnt that a machine crashed which had its request.
    Reset,
    /// A timer was handled.
    Fired,
    /// A node came up.
    Started,
    /// The disk answered.
    Synced,
    /// A fault began or ended.
    Fault,
}

/// An envelope that never arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The event in which it was sent.
    pub event: u32,
    /// By whom.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// Its kind.
    pub kind: Kind,
    /// What it was sent for.
    pub operation: Operation,
    /// One of those that [lose](Fate::is_lost) it.
    pub fate: Fate,
    /// The fault of the schedule that did it, if one did.
    pub fault: Option<u32>,
    /// Who sent it: an actor, or a machine by itself.
    pub form: Form,
}

/// A node went down or came up again; that it came up at the start of the run is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// In which event.
    pub event: u32,
    /// Which node.
    pub node: NodeId,
    /// Whether it came up.
    pub up: bool,
}

/// Events that belong together by cause, such as all that led to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cone {
    bits: Vec<u64>,
    len: u64,
}

/// What led to an event: event numbers, 0 for none.
#[derive(Clone, Copy, Debug)]
struct Led {
    before: u32,
    by: u32,
}

/// A [`Happening`] in twelve bytes, with the event's grade.
#[derive(Clone, Copy, Debug)]
struct What {
    a: u32,
    b: u32,
    kind: Kind,
    tag: Tag,
    grade: Grade,
}

#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Tag {
    Started,
    Delivered,
    Undelivered,
    Refused,
    Reset,
    Fired,
    Synced,
    Stopping,
    Killed,
    /// Liveness and readiness.
    Lapsed,
    Unready,
    FaultBegan,
    FaultEnded,
}

#[derive(Clone, Debug, Default)]
struct OnNode {
    events: Growing<u32>,
    /// Of at least [`Grade::Trouble`], [`Grade::Broken`].
    graded: [Growing<u32>; 2],
    /// When it went down, came up, went down, and so on.
    power: Growing<u32>,
}

impl OnNode {
    /// Takes note that it came up or went down, if it was not so before: what is struck again before it has started goes down twice.
    fn turn(&mut self, number: u32, up: bool) {
        let is_up = self.power.len().is_multiple_of(2);
        if is_up != up {
            self.power.push(number);
        }
    }
}

/// How many events a search of causes looks at before it asks whether to go on.
const PATIENCE: u64 = 4096;

impl Grade {
    const KEPT: [Grade; 3] = [Grade::Notable, Grade::Trouble, Grade::Broken];
}

impl Sort {
    const SINGLE: [Sort; 7] =
        [Sort::Undelivered, Sort::Refused, Sort::Reset, Sort::Fired, Sort::Started, Sort::Synced, Sort::Fault];

    /// The sort of an event.
    pub fn of(what: &Happening) -> Sort {
        match what {
            Happening::Delivered { kind, .. } => Sort::Delivered(*kind),
            Happening::Undelivered { .. } => Sort::Undelivered,
            Happening::Refused { .. } => Sort::Refused,
            Happening::Reset { .. } => Sort::Reset,
            Happening::Fired { .. } => Sort::Fired,
            Happening::Started { .. } => Sort::Started,
            // They are few, and belong to the fault that asked for it.
            Happening::Stopping { .. } | Happening::Killed { .. } | Happening::Lapsed { .. } => Sort::Fault,
            Happening::Synced { .. } => Sort::Synced,
            Happening::FaultBegan { .. } | Happening::FaultEnded { .. } => Sort::Fault,
        }
    }

    fn slot(self) -> usize {
        match self {
            Sort::Undelivered => 0,
            Sort::Refused => 1,
            Sort::Reset => 2,
            Sort::Fired => 3,
            Sort::Started => 4,
            Sort::Synced => 5,
            Sort::Fault => 6,
            Sort::Delivered(kind) => Sort::SINGLE.len() + kind.0 as usize,
        }
    }

    fn in_slot(slot: usize) -> Sort {
        let delivered = || Sort::Delivered(Kind((slot - Sort::SINGLE.len()) as u16));
        Sort::SINGLE.get(slot).copied().unwrap_or_else(delivered)
    }
}

impl What {
    fn new(what: Happening, grade: Grade) -> Self {
        let (tag, a, b, kind) = match what {
            Happening::Started { node, life } => (Tag::Started, node.0, life, Kind(0)),
            Happening::Delivered { from, to, kind } => (Tag::Delivered, from.0, to.0, kind),
            Happening::Undelivered { from, to, kind } => (Tag::Undelivered, from.0, to.0, kind),
            Happening::Refused { by, to, kind } => (Tag::Refused, by.0, to.0, kind),
            Happening::Reset { by, to, kind } => (Tag::Reset, by.0, to.0, kind),
            Happening::Fired { node, timer } => (Tag::Fired, node.0, timer.0, Kind(0)),
            Happening::Synced { node, sync } => (Tag::Synced, node.0, sync.0, Kind(0)),
            Happening::Stopping { node } => (Tag::Stopping, node.0, 0, Kind(0)),
            Happening::Killed { node } => (Tag::Killed, node.0, 0, Kind(0)),
            Happening::Lapsed { node, watch: Watch::Liveness } => (Tag::Lapsed, node.0, 0, Kind(0)),
            Happening::Lapsed { node, watch: Watch::Readiness } => (Tag::Unready, node.0, 0, Kind(0)),
            Happening::FaultBegan { fault } => (Tag::FaultBegan, fault, 0, Kind(0)),
            Happening::FaultEnded { fault } => (Tag::FaultEnded, fault, 0, Kind(0)),
        };
        What { a, b, kind, tag, grade }
    }

    fn happening(self) -> Happening {
        let What { a, b, kind, tag, .. } = self;
        let (first, second) = (NodeId(a), NodeId(b));
        match tag {
            Tag::Started => Happening::Started { node: first, life: b },
            Tag::Delivered => Happening::Delivered { from: first, to: second, kind },
            Tag::Undelivered => Happening::Undelivered { from: first, to: second, kind },
            Tag::Refused => Happening::Refused { by: first, to: second, kind },
            Tag::Reset => Happening::Reset { by: first, to: second, kind },
            Tag::Fired => Happening::Fired { node: first, timer: Timer(b) },
            Tag::Synced => Happening::Synced { node: first, sync: Sync(b) },
            Tag::Stopping => Happening::Stopping { node: first },
            Tag::Killed => Happening::Killed { node: first },
            Tag::Lapsed => Happening::Lapsed { node: first, watch: Watch::Liveness },
            Tag::Unready => Happening::Lapsed { node: first, watch: Watch::Readiness },
            Tag::FaultBegan => Happening::FaultBegan { fault: a },
            Tag::FaultEnded => Happening::FaultEnded { fault: a },
        }
    }
}

impl Past {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next step of the run, how much it matters, and what [`Sim::log`](crate::Sim::log) holds of it.
    pub(crate) fn push(&mut self, step: &Step, grade: Grade, entries: &[Entry]) {
        debug_assert_eq!(step.number, self.len() + 1, "events come in their order");
        let number = step.number as u32;
        let event = |link: Option<u64>| link.unwrap_or(0) as u32;
        self.at.push(step.at);
        self.cause.push(step.cause);
        self.led.push(Led { before: event(step.before), by: event(step.by) });
        self.what.push(What::new(step.what, grade));
        self.index(number, step, grade);
        for entry in entries {
            self.note(number, step.node(), grade, entry);
        }
        if let Happening::Started { node, life: 2.. } = step.what {
            self.power.push(Power { event: number, node, up: true });
            at_place(&mut self.nodes, node.0 as usize).turn(number, true);
        }
    }

    fn index(&mut self, number: u32, step: &Step, grade: Grade) {
        let sort = Sort::of(&step.what);
        at_place(&mut self.sorts, sort.slot()).push(number);
        if let Some(node) = step.node() {
            at_place(&mut self.nodes, node.0 as usize).events.push(number);
            self.grade_on(node, number, grade);
        }
        if sort == Sort::Fault {
            self.faults.push(number);
        }
        for (list, _) in self.graded.iter_mut().zip(Grade::KEPT).filter(|(_, kept)| *kept <= grade) {
            list.push(number);
        }
    }

    fn grade_on(&mut self, node: NodeId, number: u32, grade: Grade) {
        if grade >= Grade::Trouble {
            let on_node = at_place(&mut self.nodes, node.0 as usize);
            for (list, _) in on_node.graded.iter_mut().zip(&Grade::KEPT[1..]).filter(|(_, kept)| **kept <= grade) {
                list.push(number);
            }
        }
    }

    fn note(&mut self, number: u32, here: Option<NodeId>, grade: Grade, entry: &Entry) {
        match *entry {
            Entry::Sent { from, to, kind, cause, fate, fault, form, .. } if fate.is_lost() => {
                let operation = cause.operation;
                self.lost.push(Lost { event: number, from, to, kind, operation, fate, fault, form });
            }
            Entry::Down { node } => {
                self.power.push(Power { event: number, node, up: false });
                at_place(&mut self.nodes, node.0 as usize).turn(number, false);
                // A fault happens on no node; that it took this one down is something that went wrong here.
                if here != Some(node) {
                    self.grade_on(node, number, grade);
                }
            }
            Entry::Sent { .. }
            | Entry::Set { .. }
            | Entry::Cancelled { .. }
            | Entry::Drew { .. }
            | Entry::Marked { .. }
            | Entry::Role { .. }
            | Entry::Tripped { .. }
            | Entry::Struck { .. }
            | Entry::Released { .. } => {}
        }
    }

    /// Forgets the events before that number, but for up to 1,023 in each list.
    pub(crate) fn forget(&mut self, before: u64) {
        fn older<T: Clone>(list: &mut Growing<T>, event: impl Fn(&T) -> u32, before: u64) {
            list.forget(list.partition_point(|item| u64::from(event(item)) < before));
        }
        let place = usize::try_from(before.saturating_sub(1)).unwrap_or(usize::MAX);
        self.at.forget(place);
        self.cause.forget(place);
        self.led.forget(place);
        self.what.forget(place);
        let on_nodes = self.nodes.iter_mut().flat_map(|on| on.graded.iter_mut().chain([&mut on.events, &mut on.power]));
        let indexes = on_nodes.chain(&mut self.sorts).chain(&mut self.graded).chain([&mut self.faults]);
        indexes.for_each(|list| older(list, |number| *number, before));
        older(&mut self.lost, |lost| lost.event, before);
        older(&mut self.power, |power| power.event, before);
    }

    /// The first event that is remembered.
    pub fn first(&self) -> u64 {
        self.at.first() as u64 + 1
    }

    /// How many events, those that are forgotten included.
    pub fn len(&self) -> u64 {
        self.at.len() as u64
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// How many bytes all of it takes, without what lists have in reserve.
    pub fn bytes(&self) -> usize {
        fn of<T: Clone>(list: &Growing<T>) -> usize {
            list.remembered() * size_of::<T>()
        }
        let columns = of(&self.at) + of(&self.cause) + of(&self.led) + of(&self.what);
        let on_nodes = self.nodes.iter().flat_map(|node| node.graded.iter().chain([&node.events]));
        let indexes = on_nodes.chain(&self.sorts).chain(&self.graded).chain([&self.faults]);
        columns + indexes.map(of).sum::<usize>() + of(&self.lost) + of(&self.power)
    }

    fn place(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(1)?).ok()
    }

    /// The step of that number, from 1, as the run made it.
    pub fn step(&self, number: u64) -> Option<Step> {
        let place = self.place(number)?;
        let (at, cause) = (*self.at.get(place)?, *self.cause.get(place)?);
        let (led, what) = (self.led.get(place)?, self.what.get(place)?.happening());
        let event = |number: u32| (number > 0).then_some(u64::from(number));
        Some(Step { number, at, what, cause, before: event(led.before), by: event(led.by) })
    }

    /// When the event of that number happened.
    pub fn at(&self, number: u64) -> Option<Instant> {
        self.at.get(self.place(number)?).copied()
    }

    /// How much the event of that number matters; [`Grade::Quiet`] when there is none.
    pub fn grade(&self, number: u64) -> Grade {
        self.place(number).and_then(|place| self.what.get(place)).map_or(Grade::Quiet, |what| what.grade)
    }

    /// The last event that is not later than an instant; 0 when there is none.
    pub fn last_until(&self, instant: Instant) -> u64 {
        self.at.partition_point(|at| *at <= instant) as u64
    }

    /// The last event that is earlier than an instant; 0 when there is none.
    pub fn last_before(&self, instant: Instant) -> u64 {
        self.at.partition_point(|at| *at < instant) as u64
    }

    /// The first event at an instant or after it.
    pub fn first_from(&self, instant: Instant) -> Option<u64> {
        Some(self.last_before(instant) + 1).filter(|number| *number <= self.len())
    }

    /// The events on a node, ascending: those of which [`Step::node`] gives it.
    pub fn of_node(&self, node: NodeId) -> &Growing<u32> {
        self.nodes.get(node.0 as usize).map_or(&self.none, |node| &node.events)
    }

    /// The events of a sort, ascending.
    pub fn of_sort(&self, sort: Sort) -> &Growing<u32> {
        self.sorts.get(sort.slot()).unwrap_or(&self.none)
    }

    /// The sorts that occur, envelopes by their kinds last.
    pub fn sorts(&self) -> impl Iterator<Item = Sort> {
        self.sorts.iter().enumerate().filter(|(_, list)| !list.is_empty()).map(|(slot, _)| Sort::in_slot(slot))
    }

    /// How many events of a sort there are among these.
    pub fn count_of_sort(&self, sort: Sort, events: RangeInclusive<u64>) -> u64 {
        self.of_sort(sort).count_between(*events.start(), *events.end())
    }

    /// The events of at least a grade, ascending. No list is kept of what is merely quiet: that gives the notable ones.
    pub fn graded(&self, grade: Grade) -> &Growing<u32> {
        let [notable, trouble, broken] = &self.graded;
        match grade {
            Grade::Quiet | Grade::Notable => notable,
            Grade::Trouble => trouble,
            Grade::Broken => broken,
        }
    }

    /// The worst grade of any event from `first` to `last`, both included.
    ///
    /// Of one node: of the events on it and of the faults that took it down; what is merely notable there counts as quiet.
    pub fn worst(&self, node: Option<NodeId>, first: u64, last: u64) -> Grade {
        let lists: &[Growing<u32>] = match node {
            None => &self.graded,
            Some(node) => self.nodes.get(node.0 as usize).map_or(&[], |node| &node.graded),
        };
        let kept = Grade::KEPT.iter().rev().zip(lists.iter().rev());
        kept.filter(|(_, list)| list.count_between(first, last) > 0).map(|(grade, _)| *grade).next().unwrap_or_default()
    }

    /// The envelopes that never arrive, by the event in which they were sent.
    pub fn lost(&self) -> &Growing<Lost> {
        &self.lost
    }

    /// Whether a node is up after an event: it is up at first, and goes down and comes up in turn.
    pub fn is_up(&self, node: NodeId, event: u64) -> bool {
        let times =
            self.nodes.get(node.0 as usize).map_or(0, |on| on.power.partition_point(|it| u64::from(*it) <= event));
        times.is_multiple_of(2)
    }

    /// Each time that a node went down or came up again.
    pub fn power(&self) -> &Growing<Power> {
        &self.power
    }

    /// The events in which faults began or ended, ascending.
    pub fn faults(&self) -> &Growing<u32> {
        &self.faults
    }

    /// The chain of events that made this one happen, itself last: only what sent, set or caused each.
    pub fn chain(&self, number: u64) -> Vec<u64> {
        let first = (1..=self.len()).contains(&number).then_some(number);
        let mut chain: Vec<u64> = std::iter::successors(first, |number| {
            let led = self.led.get(self.place(*number)?)?;
            (led.by > 0).then_some(u64::from(led.by))
        })
        .collect();
        chain.reverse();
        chain
    }

    /// The events that led to this one, itself included: what sent, set or caused it, and what its node had handled before;
    /// none of an event that has not happened.
    ///
    /// `go_on` is asked every few thousand events; `None` when it says no.
    pub fn past_of(&self, number: u64, mut go_on: impl FnMut() -> bool) -> Option<Cone> {
        let mut cone = Cone::around(number, self.len());
        let number = number.min(self.len());
        for (number, led) in (1..=number).rev().zip(self.led.iter_to(number as usize).rev()) {
            if number % PATIENCE == 0 && !go_on() {
                return None;
            }
            if cone.contains(number) {
                cone.insert(led.before.into());
                cone.insert(led.by.into());
            }
        }
        Some(cone)
    }

    /// The events that this one led to so far, itself included: what it sent, set or caused, what its node handled next, and so
    /// on; none of an event that has not happened.
    ///
    /// `go_on` is asked every few thousand events; `None` when it says no.
    pub fn future_of(&self, number: u64, mut go_on: impl FnMut() -> bool) -> Option<Cone> {
        let mut cone = Cone::around(number, self.len());
        let after = number.max(self.first() - 1);
        for (number, led) in (after.saturating_add(1)..).zip(self.led.iter_from(after as usize)) {
            if number % PATIENCE == 0 && !go_on() {
                return None;
            }
            if cone.contains(led.by.into()) || cone.contains(led.before.into()) {
                cone.insert(number);
            }
        }
        Some(cone)
    }

    /// The events of an operation among these, ascending.
    pub fn of_operation(&self, operation: Operation, events: RangeInclusive<u64>) -> impl Iterator<Item = u64> {
        let first = events.start().max(&self.first()) - 1;
        let causes = self.cause.slices(first as usize..*events.end() as usize);
        let numbered = causes.scan(first, |before, causes| {
            let first = *before + 1;
            *before += causes.len() as u64;
            Some((first, causes))
        });
        numbered.flat_map(move |(first, causes)| {
            (first..).zip(causes).filter(move |(_, cause)| cause.operation == operation).map(|(number, _)| number)
        })
    }

    /// The events up to `up_to` that this one sent, set or caused, ascending.
    pub fn caused_by(&self, number: u64, up_to: u64) -> Vec<u64> {
        let after = number.max(self.first() - 1);
        let later = (after.saturating_add(1)..=up_to).zip(self.led.iter_from(after as usize));
        let caused = later.filter(|(_, led)| number > 0 && u64::from(led.by) == number);
        caused.map(|(number, _)| number).collect()
    }
}

/// The item at that place of a list that is as long as it has to be.
#[inline]
fn at_place<T: Default>(list: &mut Vec<T>, place: usize) -> &mut T {
    if list.len() <= place {
        list.resize_with(place + 1, T::default);
    }
    &mut list[place]
}

impl Cone {
    /// The event alone, if it is among the first `len`, with room for all of those.
    fn around(event: u64, len: u64) -> Self {
        let mut cone = Cone { bits: vec![0; (len / 64 + 1) as usize], len: 0 };
        if event <= len {
            cone.insert(event);
        }
        cone
    }

    /// Puts in an event there is room for; 0 is none.
    fn insert(&mut self, event: u64) {
        if let Some(word) = self.bits.get_mut((event / 64) as usize)
            && event > 0
        {
            self.len += u64::from(*word >> (event % 64) & 1 == 0);
            *word |= 1 << (event % 64);
        }
    }

    /// Whether an event is in it.
    #[inline]
    pub fn contains(&self, event: u64) -> bool {
        self.bits.get((event / 64) as usize).is_some_and(|word| word >> (event % 64) & 1 == 1)
    }

    /// How many events.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its events, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        let words = self.bits.iter().enumerate().filter(|(_, word)| **word != 0);
        words
            .flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at as u64 * 64 + bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64, what: Happening) -> Step {
        let earlier = |by| number.checked_sub(by).filter(|number| *number > 0);
        let (before, by) = (earlier(1), earlier(2));
        let cause = Cause::root("test", "step", number);
        Step { number, at: Instant::from_nanos(number / 2), what, cause, before, by }
    }

    const EVERY: [Happening; 13] = [
        Happening::Lapsed { node: NodeId(5), watch: Watch::Liveness },
        Happening::Lapsed { node: NodeId(6), watch: Watch::Readiness },
        Happening::Stopping { node: NodeId(3) },
        Happening::Killed { node: NodeId(4) },
        Happening::Started { node: NodeId(u32::MAX - 1), life: 7 },
        Happening::Delivered { from: NodeId(1), to: NodeId(2), kind: Kind(u16::MAX) },
        Happening::Undelivered { from: NodeId(1), to: NodeId(3), kind: Kind(4) },
        Happening::Refused { by: NodeId(1), to: NodeId(2), kind: Kind(4) },
        Happening::Reset { by: NodeId(1), to: NodeId(2), kind: Kind(4) },
        Happening::Fired { node: NodeId(1), timer: Timer::LAST },
        Happening::Synced { node: NodeId(1), sync: Sync(u32::MAX) },
        Happening::FaultBegan { fault: u32::MAX },
        Happening::FaultEnded { fault: 3 },
    ];

    #[test]
    fn every_kind_of_event_is_given_back_as_it_was() {
        for what in EVERY {
            for grade in [Grade::Quiet, Grade::Notable, Grade::Trouble, Grade::Broken] {
                let kept = What::new(what, grade);
                assert_eq!((kept.happening(), kept.grade), (what, grade));
            }
            assert_eq!(Sort::in_slot(Sort::of(&what).slot()), Sort::of(&what));
        }
    }

    #[test]
    fn an_event_takes_at_most_64_bytes_and_a_quiet_one_52() {
        let columns = size_of::<Instant>() + size_of::<Cause>() + size_of::<Led>() + size_of::<What>();
        assert_eq!(columns, 44);
        let delivered = Happening::Delivered { from: NodeId(0), to: NodeId(1), kind: Kind(0) };
        for (grade, bytes) in [(Grade::Quiet, 52), (Grade::Notable, 56), (Grade::Trouble, 64)] {
            let mut past = Past::new();
            for number in 1..=5_000 {
                past.push(&step(number, delivered), grade, &[]);
            }
            assert_eq!(past.bytes(), 5_000 * bytes, "{grade:?}");
        }
    }

    #[test]
    fn a_fault_is_trouble_on_the_nodes_that_it_takes_down() {
        let mut past = Past::new();
        let down = [Entry::Struck { node: NodeId(1) }, Entry::Down { node: NodeId(1) }];
        past.push(&step(1, Happening::FaultBegan { fault: 0 }), Grade::Trouble, &down);
        assert_eq!(past.worst(Some(NodeId(1)), 1, 1), Grade::Trouble);
        assert_eq!(past.worst(Some(NodeId(0)), 1, 1), Grade::Quiet);
        assert!(past.of_node(NodeId(1)).is_empty());
        assert_eq!(past.power().last(), Some(&Power { event: 1, node: NodeId(1), up: false }));
        assert_eq!((past.is_up(NodeId(1), 0), past.is_up(NodeId(1), 1), past.is_up(NodeId(0), 1)), (true, false, true));
    }
}
