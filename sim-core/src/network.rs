//! What becomes of an envelope on its way.
//!
//! The network has never heard of actors; it sees links, kinds, lineages and instants.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::burst::{Burst, Spell};
use crate::dice::{Dice, Ruling};
use crate::dist::Dist;
use crate::id::{Kind, NodeId};
use crate::ratio::Ratio;
use crate::seed::{Cause, Purpose, mix, name_hash};
use crate::time::{Duration, Instant};

/// How a directed link behaves when no fault touches it. Datagrams: what is lost is lost, and delays reorder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// From sending to arrival; none by default.
    pub latency: Dist,
    /// Share of envelopes that never arrive.
    pub loss: Ratio,
    /// Share of envelopes that arrive twice, the second with a latency of its own.
    pub duplicate: Ratio,
    /// Whether a stopped machine answers with [`Event::Refused`](crate::Event::Refused) and a crashing one with
    /// [`Event::Reset`](crate::Event::Reset); off by default.
    pub answers: bool,
}

impl Link {
    /// A link without loss.
    pub fn with_latency(latency: Dist) -> Self {
        Link { latency, ..Link::default() }
    }
}

/// What became of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives, that long after it was sent.
    Arrives(Duration),
    /// It arrives twice.
    ArrivesTwice(Duration, Duration),
    /// It is lost.
    Lost,
    /// A partition or a cut holds it off.
    Cut,
    /// It waits on the link until no clog holds it, and takes that long from then on.
    Held(Duration),
    /// It waits on the link, and then arrives twice.
    HeldTwice(Duration, Duration),
}

impl Fate {
    /// Whether it never arrives.
    pub fn is_lost(self) -> bool {
        matches!(self, Fate::Lost | Fate::Cut)
    }

    /// The same with the envelope held up on its link first.
    fn held(self) -> Fate {
        match self {
            Fate::Arrives(after) => Fate::Held(after),
            Fate::ArrivesTwice(first, second) => Fate::HeldTwice(first, second),
            Fate::Lost | Fate::Cut | Fate::Held(_) | Fate::HeldTwice(..) => self,
        }
    }
}

pub(crate) const LOSS: Purpose = Purpose::new("loss");
pub(crate) const LATENCY: Purpose = Purpose::new("latency");
pub(crate) const DUPLICATE: Purpose = Purpose::new("duplicate");
pub(crate) const DELAY: Purpose = Purpose::new("delay");
const SPELL: Purpose = Purpose::new("spell");

/// By which the second of two copies differs in lineage: what comes of it has dice of its own.
pub(crate) const COPY: u64 = name_hash("copy");

/// The links as the system describes them: one for all, and those that differ.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    pub(crate) every: Link,
    own: Vec<BTreeMap<u32, Link>>,
}

impl Links {
    pub(crate) fn set(&mut self, from: NodeId, to: NodeId, link: Link) {
        let from = from.0 as usize;
        if self.own.len() <= from {
            self.own.resize_with(from + 1, BTreeMap::new);
        }
        self.own[from].insert(to.0, link);
    }

    #[inline]
    pub(crate) fn get(&self, from: NodeId, to: NodeId) -> &Link {
        match self.own.get(from.0 as usize) {
            Some(own) if !own.is_empty() => own.get(&to.0).unwrap_or(&self.every),
            _ => &self.every,
        }
    }
}

/// A set of small numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members(Vec<u64>);

impl Members {
    pub(crate) fn insert(&mut self, member: u32) {
        let word = member as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (member % 64);
    }

    #[inline]
    pub(crate) fn has(&self, member: u32) -> bool {
        self.0.get(member as usize / 64).is_some_and(|word| word >> (member % 64) & 1 == 1)
    }
}

/// The envelopes that a fault touches: on which links, and of which kinds (`None`: all).
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) from: Members,
    pub(crate) to: Members,
    pub(crate) both: bool,
    pub(crate) kinds: Option<Members>,
}

impl Reach {
    fn touches(&self, from: NodeId, to: NodeId, kind: Kind) -> bool {
        let along = self.from.has(from.0) && self.to.has(to.0);
        let against = self.both && self.from.has(to.0) && self.to.has(from.0);
        (along || against) && self.kinds.as_ref().is_none_or(|kinds| kinds.has(u32::from(kind.0)))
    }
}

/// A fault of the network, as the network sees it.
#[derive(Clone, Debug)]
pub(crate) enum Disturbance {
    /// The side each node is on; nodes on different sides do not hear each other, a node on none hears all.
    Partition {
        sides: Vec<Option<u32>>,
        flight: bool,
    },
    /// Nodes that are drawn when it begins; who then does not hear whom stands with the [`Active`] one.
    Split {
        split: Split,
        flight: bool,
    },
    Cut {
        reach: Reach,
        flight: bool,
    },
    Loss {
        reach: Reach,
        ratio: Ratio,
    },
    BurstLoss {
        reach: Reach,
        burst: Burst,
        /// By node: a hash of its name.
        names: Arc<[u64]>,
    },
    Delay {
        reach: Reach,
        by: Duration,
        jitter: Duration,
    },
    Duplicate {
        reach: Reach,
        ratio: Ratio,
    },
    Clog {
        reach: Reach,
        flight: bool,
    },
}

/// How nodes in an order are parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// They from all others.
    Isolate,
    /// The first half of them from the second.
    Halves,
    /// The same, without the first, which hears all.
    Bridge,
    /// Each hears a majority that stands around it, itself included, and no two the same. A node in the middle of a stretch of
    /// the ring hears that stretch, as Jepsen's majorities-ring has it (nemesis.clj).
    Ring,
}

impl Split {
    /// For each of so many nodes, whom it does not hear.
    pub(crate) fn severed(self, order: &[NodeId], nodes: usize) -> Arc<[Members]> {
        let mut deaf = vec![Members::default(); nodes];
        let mut part = |one: &[NodeId], other: &[NodeId]| {
            for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
                deaf[a.0 as usize].insert(b.0);
                deaf[b.0 as usize].insert(a.0);
            }
        };
        match self {
            Split::Isolate => {
                let others: Vec<NodeId> = (0..nodes as u32).map(NodeId).filter(|node| !order.contains(node)).collect();
                part(order, &others);
            }
            Split::Halves => {
                let (one, other) = order.split_at(order.len() / 2);
                part(one, other);
            }
            Split::Bridge => {
                let ends = order.get(1..).unwrap_or_default();
                let (one, other) = ends.split_at(ends.len() / 2);
                part(one, other);
            }
            Split::Ring => {
                let (count, majority) = (order.len(), order.len() / 2 + 1);
                for (start, middle) in (0..count).map(|start| (start, order[(start + majority / 2) % count])) {
                    let heard = |place: usize| (place + count - start) % count < majority;
                    for (_, other) in order.iter().enumerate().filter(|(place, _)| !heard(*place)) {
                        deaf[middle.0 as usize].insert(other.0);
                    }
                }
            }
        }
        deaf.into()
    }
}

impl Disturbance {
    /// Whether it keeps apart these two.
    fn cuts(&self, from: NodeId, to: NodeId, kind: Kind) -> bool {
        match self {
            Disturbance::Partition { sides, .. } => {
                let side = |node: NodeId| sides.get(node.0 as usize).copied().flatten();
                matches!((side(from), side(to)), (Some(a), Some(b)) if a != b)
            }
            Disturbance::Cut { reach, .. } => reach.touches(from, to, kind),
            Disturbance::Loss { .. }
            | Disturbance::BurstLoss { .. }
            | Disturbance::Delay { .. }
            | Disturbance::Duplicate { .. }
            | Disturbance::Split { .. }
            | Disturbance::Clog { .. } => false,
        }
    }

    /// Whether it holds what goes between these two.
    pub(crate) fn clogs(&self, from: NodeId, to: NodeId, kind: Kind) -> bool {
        matches!(self, Disturbance::Clog { reach, .. } if reach.touches(from, to, kind))
    }

    /// Whether it also holds what is already on the way when it begins.
    pub(crate) fn holds_flight(&self) -> bool {
        matches!(self, Disturbance::Clog { flight: true, .. })
    }

    /// Whether it also takes what is already on the way when it begins.
    pub(crate) fn takes_flight(&self) -> bool {
        matches!(
            self,
            Disturbance::Partition { flight: true, .. }
                | Disturbance::Split { flight: true, .. }
                | Disturbance::Cut { flight: true, .. }
        )
    }
}

/// A disturbance that holds now.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    /// Its place in the schedule.
    pub(crate) fault: u32,
    /// The root of its lineage, for the dice that only it casts.
    pub(crate) lineage: u64,
    /// For each node whom it does not hear, when that was drawn.
    pub(crate) severed: Option<Arc<[Members]>>,
}

impl Active {
    /// Whether it keeps apart these two, its disturbance being this one.
    pub(crate) fn cuts(&self, disturbance: &Disturbance, from: NodeId, to: NodeId, kind: Kind) -> bool {
        match &self.severed {
            Some(severed) => severed[to.0 as usize].has(from.0),
            None => disturbance.cuts(from, to, kind),
        }
    }
}

/// An envelope as the network sees it.
#[derive(Clone, Copy)]
pub(crate) struct Envelope {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) kind: Kind,
    pub(crate) cause: Cause,
    /// When it is sent.
    pub(crate) at: Instant,
}

/// The faults of the network that hold now, in the order of the schedule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) active: Vec<Active>,
    /// How many envelopes each fault of the schedule has touched.
    pub(crate) touched: Vec<u64>,
    /// By fault and link: how the link was when one last looked. Only faster than to look anew.
    pub(crate) spells: BTreeMap<(u32, NodeId, NodeId), Spell>,
}

impl Weather {
    /// Counts one more deed of each of these faults.
    pub(crate) fn touch(&mut self, faults: impl Iterator<Item = u32>) {
        for fault in faults {
            self.touched[fault as usize] += 1;
        }
    }

    /// Decides what becomes of an envelope that is sent now, and which fault of the schedule did it.
    pub(crate) fn fate(
        &mut self,
        of: Envelope,
        link: &Link,
        faults: &[Option<Disturbance>],
        dice: &Dice,
        ruling: Option<&Ruling>,
    ) -> (Fate, Option<u32>) {
        if self.active.is_empty() && ruling.is_none() {
            return (peaceful_fate(of, link, dice), None);
        }
        self.troubled_fate(of, link, faults, dice, ruling)
    }

    fn troubled_fate(
        &mut self,
        of: Envelope,
        link: &Link,
        faults: &[Option<Disturbance>],
        dice: &Dice,
        ruling: Option<&Ruling>,
    ) -> (Fate, Option<u32>) {
        let mut blame = None;
        // A line of the case answers first: what it keeps arrives across a cut, and through a clog.
        match ruling {
            Some(Ruling::Drop) => return (Fate::Lost, None),
            Some(Ruling::Late(after)) => return self.clogged(of, Fate::Arrives(*after), faults, None),
            Some(Ruling::Twice(after)) => {
                let first = self.delayed(of, link, faults, dice, &mut blame);
                return self.clogged(of, Fate::ArrivesTwice(first, *after), faults, blame);
            }
            Some(Ruling::Keep) => return (Fate::Arrives(self.delayed(of, link, faults, dice, &mut blame)), blame),
            Some(Ruling::Length(_) | Ruling::Chance(_) | Ruling::Name(_)) | None => {}
        }
        if let Some(fault) = self.cut(of, faults) {
            return (Fate::Cut, Some(fault));
        }
        if self.hit(of, LOSS, link.loss, faults, dice, &mut blame) {
            return (Fate::Lost, blame);
        }
        let first = self.delayed(of, link, faults, dice, &mut blame);
        if self.hit(of, DUPLICATE, link.duplicate, faults, dice, &mut blame) {
            let copy = Envelope { cause: of.cause.then(COPY), ..of };
            let second = self.delayed(copy, link, faults, dice, &mut blame);
            return self.clogged(of, Fate::ArrivesTwice(first, second), faults, blame);
        }
        self.clogged(of, Fate::Arrives(first), faults, blame)
    }

    /// What becomes of an envelope that arrives unless a clog holds it.
    fn clogged(
        &mut self,
        of: Envelope,
        fate: Fate,
        faults: &[Option<Disturbance>],
        blame: Option<u32>,
    ) -> (Fate, Option<u32>) {
        match self.clog(of.from, of.to, of.kind, faults) {
            None => (fate, blame),
            Some(fault) => {
                self.touched[fault as usize] += 1;
                (fate.held(), Some(fault))
            }
        }
    }

    /// The first clog that holds what goes between these two now.
    pub(crate) fn clog(&self, from: NodeId, to: NodeId, kind: Kind, faults: &[Option<Disturbance>]) -> Option<u32> {
        let holding = |active: &&Active| disturbance(faults, active).is_some_and(|d| d.clogs(from, to, kind));
        self.active.iter().find(holding).map(|active| active.fault)
    }

    fn cut(&mut self, of: Envelope, faults: &[Option<Disturbance>]) -> Option<u32> {
        let cutting =
            |active: &&Active| disturbance(faults, active).is_some_and(|d| active.cuts(d, of.from, of.to, of.kind));
        let fault = self.active.iter().find(cutting)?.fault;
        self.touched[fault as usize] += 1;
        Some(fault)
    }

    /// Whether the one number of this purpose falls into the link's chance and those of all faults together; the fault that
    /// made the difference is counted.
    fn hit(
        &mut self,
        of: Envelope,
        purpose: Purpose,
        of_link: Ratio,
        faults: &[Option<Disturbance>],
        dice: &Dice,
        blame: &mut Option<u32>,
    ) -> bool {
        if of_link.is_zero() && self.active.is_empty() {
            return false;
        }
        let bits = dice.about_envelope(of.from, of.to, of.cause, purpose, 0);
        let mut chance = of_link;
        if chance.hit(bits) {
            return true;
        }
        for active in &self.active {
            let ratio = match (disturbance(faults, active), purpose == LOSS) {
                (Some(Disturbance::BurstLoss { reach, burst, names }), true)
                    if reach.touches(of.from, of.to, of.kind) =>
                {
                    let spells = &mut self.spells;
                    burst.loss(is_bad(burst, of, active, names, spells, dice))
                }
                (Some(Disturbance::Loss { reach, ratio }), true)
                | (Some(Disturbance::Duplicate { reach, ratio }), false)
                    if reach.touches(of.from, of.to, of.kind) =>
                {
                    *ratio
                }
                _ => continue,
            };
            chance = chance.or(ratio);
            if chance.hit(bits) {
                self.touched[active.fault as usize] += 1;
                *blame = Some(active.fault);
                return true;
            }
        }
        false
    }

    fn delayed(
        &mut self,
        of: Envelope,
        link: &Link,
        faults: &[Option<Disturbance>],
        dice: &Dice,
        blame: &mut Option<u32>,
    ) -> Duration {
        let mut total = latency(link, of, dice);
        for active in &self.active {
            if let Some(Disturbance::Delay { reach, by, jitter }) = disturbance(faults, active)
                && reach.touches(of.from, of.to, of.kind)
            {
                let bits = dice.about_envelope(of.from, of.to, of.cause, DELAY, active.lineage);
                let spread = Dist::Uniform(Duration::ZERO, jitter.saturating_mul(2)).sample(bits);
                let more = by.nanos().saturating_add(spread.nanos()).saturating_sub(jitter.nanos());
                total = total.saturating_add(Duration::from_nanos(more));
                self.touched[active.fault as usize] += 1;
                *blame = Some(active.fault);
            }
        }
        total
    }
}

/// Whether the link of an envelope is bad when it is sent; under calm it is as it mostly is.
fn is_bad(
    burst: &Burst,
    of: Envelope,
    active: &Active,
    names: &[u64],
    spells: &mut BTreeMap<(u32, NodeId, NodeId), Spell>,
    dice: &Dice,
) -> bool {
    if dice.is_calm() {
        return burst.bad_share() > Ratio::HALF;
    }
    let link = mix(mix(active.lineage, names[of.from.0 as usize]), names[of.to.0 as usize]);
    let bits = |block: u64, number: u64| dice.about_link(of.from, of.to, mix(mix(link, block), number), SPELL);
    let place = (active.fault, of.from, of.to);
    let spell = burst.spell(of.at, spells.get(&place).copied(), bits);
    spells.insert(place, spell);
    spell.is_bad()
}

fn disturbance<'f>(faults: &'f [Option<Disturbance>], active: &Active) -> Option<&'f Disturbance> {
    faults[active.fault as usize].as_ref()
}

/// What a link does by itself, with the dice that it also casts under faults.
#[inline]
fn peaceful_fate(of: Envelope, link: &Link, dice: &Dice) -> Fate {
    let hit = |ratio: Ratio, purpose| {
        !ratio.is_zero() && ratio.hit(dice.about_envelope(of.from, of.to, of.cause, purpose, 0))
    };
    if hit(link.loss, LOSS) {
        return Fate::Lost;
    }
    let first = latency(link, of, dice);
    if hit(link.duplicate, DUPLICATE) {
        return Fate::ArrivesTwice(first, latency(link, Envelope { cause: of.cause.then(COPY), ..of }, dice));
    }
    Fate::Arrives(first)
}

#[inline]
fn latency(link: &Link, of: Envelope, dice: &Dice) -> Duration {
    match &link.latency {
        Dist::Constant(length) => *length,
        dist => dist.sample(dice.about_envelope(of.from, of.to, of.cause, LATENCY, 0)),
    }
}
