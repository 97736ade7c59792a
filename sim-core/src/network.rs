//! What becomes of an envelope on its way.
//!
//! The network has never heard of actors; it sees links, kinds, lineages and instants.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::amount::Bandwidth;
use crate::burst::{Burst, Spell};
use crate::dice::{Dice, Ruling, Way};
use crate::dist::Dist;
use crate::fault::Full;
use crate::id::{Kind, NodeId};
use crate::ratio::Ratio;
use crate::road::{Limit, Stream, Transport};
use crate::seed::{Cause, Purpose, mix, name_hash};
use crate::time::{Duration, Instant};

/// How a directed link behaves when no fault touches it. Datagrams unless said otherwise: what is lost is lost, and delays
/// reorder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// From sending to arrival; none by default.
    pub latency: Dist,
    /// Share of envelopes that never arrive.
    pub loss: Ratio,
    /// Share of envelopes that arrive twice, the second with a latency of its own.
    pub duplicate: Ratio,
    /// Whether a stopped machine answers with [`Event::Refused`](crate::Event::Refused) and a crashing one with
    /// [`Event::Reset`](crate::Event::Reset); off by default.
    ///
    /// A stream brings them always.
    pub answers: bool,
    /// Share of envelopes that are damaged on the way.
    pub corruption: Ratio,
    /// Whether who receives a damaged envelope sees that and discards it; on by default. Without, [`Message::corrupt`] alters it
    /// (on a datagram link: a stream has a checksum of its own).
    ///
    /// [`Message::corrupt`]: crate::Message::corrupt
    pub checksum: bool,
    /// How much it carries; without a limit by default. An envelope takes its size by this, and others stand in line meanwhile.
    pub bandwidth: Option<Bandwidth>,
    /// How many may stand in line behind the one whose turn it is; any number by default. Not of streams: there the sender waits.
    pub queue: Option<u32>,
    /// Which envelope is dropped when more come.
    pub full: Full,
    /// The size in bytes of a message that [says none](crate::Message::size); 0 by default.
    pub size: u32,
    /// What it does about loss and order.
    pub transport: Transport,
}

impl Default for Link {
    /// A perfect link that brings no answers.
    fn default() -> Self {
        Link {
            latency: Dist::ZERO,
            loss: Ratio::ZERO,
            duplicate: Ratio::ZERO,
            answers: false,
            corruption: Ratio::ZERO,
            checksum: true,
            bandwidth: None,
            queue: None,
            full: Full::Tail,
            size: 0,
            transport: Transport::Datagram,
        }
    }
}

impl Link {
    /// A link without loss.
    pub fn with_latency(latency: Dist) -> Self {
        Link { latency, ..Link::default() }
    }

    /// Whether it brings back what machines say by themselves.
    pub fn brings_answers(&self) -> bool {
        self.answers || self.transport != Transport::Datagram
    }

    /// Whether nothing but latency, loss and duplicates is to be asked about, and nobody stands in line.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.corruption.is_zero() && self.bandwidth.is_none() && self.transport == Transport::Datagram
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
    /// It is damaged, and discarded by who receives it.
    Corrupt,
    /// It is dropped where it is sent: too many stand in line.
    Full,
    /// It is refused where it is sent, as by a machine on which nothing listens.
    Refused,
    /// Its connection is reset, and its sender learns so after that long.
    Reset(Duration),
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
        match self {
            Fate::Lost | Fate::Corrupt | Fate::Full | Fate::Refused | Fate::Reset(_) | Fate::Cut => true,
            Fate::Arrives(_) | Fate::ArrivesTwice(..) | Fate::Held(_) | Fate::HeldTwice(..) => false,
        }
    }

    /// The same with a copy that takes so long.
    pub(crate) fn with_second(self, second: Duration) -> Fate {
        match self {
            Fate::ArrivesTwice(first, _) => Fate::ArrivesTwice(first, second),
            Fate::Arrives(_)
            | Fate::Lost
            | Fate::Corrupt
            | Fate::Full
            | Fate::Refused
            | Fate::Reset(_)
            | Fate::Cut
            | Fate::Held(_)
            | Fate::HeldTwice(..) => self,
        }
    }

    /// The same after a wait where it is sent.
    pub(crate) fn later(self, wait: Duration) -> Fate {
        let later = |after: Duration| after.saturating_add(wait);
        match self {
            Fate::Arrives(after) => Fate::Arrives(later(after)),
            Fate::ArrivesTwice(first, second) => Fate::ArrivesTwice(later(first), later(second)),
            Fate::Reset(after) => Fate::Reset(later(after)),
            Fate::Lost
            | Fate::Corrupt
            | Fate::Full
            | Fate::Refused
            | Fate::Cut
            | Fate::Held(_)
            | Fate::HeldTwice(..) => self,
        }
    }

    /// The same with the envelope held up on its link first.
    pub(crate) fn held(self) -> Fate {
        match self {
            Fate::Arrives(after) => Fate::Held(after),
            Fate::ArrivesTwice(first, second) => Fate::HeldTwice(first, second),
            Fate::Lost
            | Fate::Corrupt
            | Fate::Full
            | Fate::Refused
            | Fate::Reset(_)
            | Fate::Cut
            | Fate::Held(_)
            | Fate::HeldTwice(..) => self,
        }
    }
}

pub(crate) const LOSS: Purpose = Purpose::new("loss");
pub(crate) const LATENCY: Purpose = Purpose::new("latency");
pub(crate) const DUPLICATE: Purpose = Purpose::new("duplicate");
pub(crate) const DELAY: Purpose = Purpose::new("delay");
const SPELL: Purpose = Purpose::new("spell");
const SHARE: Purpose = Purpose::new("share of delays");
const COPY_DELAY: Purpose = Purpose::new("delay of a copy");
const CORRUPTION: Purpose = Purpose::new("corruption");
const DAMAGE: Purpose = Purpose::new("damage");
const REFUSAL: Purpose = Purpose::new("refusal");
/// Whom chance takes from a full line.
pub(crate) const CROWD: Purpose = Purpose::new("crowd");
const RETRY: u64 = name_hash("retransmission");

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
        share: Ratio,
        by: Duration,
        jitter: Duration,
        /// How long one number holds for a link, and by node a hash of its name; each envelope has its own when none.
        per: Option<(Duration, Arc<[u64]>)>,
    },
    Duplicate {
        reach: Reach,
        ratio: Ratio,
        /// Of the copy alone.
        by: Duration,
        jitter: Duration,
    },
    Corrupt {
        reach: Reach,
        ratio: Ratio,
    },
    Refuse {
        reach: Reach,
        ratio: Ratio,
    },
    Bandwidth {
        reach: Reach,
        limit: Bandwidth,
        queue: Option<u32>,
        full: Option<Full>,
    },
    /// Clogs all links of a node; which stands with the [`Active`] one.
    Swizzle,
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

/// Who does not hear whom, by the places of nodes in an order that was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Severed {
    /// By node the side on which it is; who is on none hears all, and is heard.
    Sides(Arc<[Option<bool>]>),
    /// By node its place in a ring of so many, each of which hears the majority in the middle of which it is.
    Ring(Arc<[Option<u32>]>, u32),
}

impl Severed {
    /// Whether what one sends does not reach the other.
    fn cuts(&self, from: NodeId, to: NodeId) -> bool {
        match self {
            Severed::Sides(sides) => {
                let side = |node: NodeId| sides.get(node.0 as usize).copied().flatten();
                matches!((side(from), side(to)), (Some(one), Some(other)) if one != other)
            }
            Severed::Ring(places, count) => {
                let place = |node: NodeId| places.get(node.0 as usize).copied().flatten();
                let (Some(from), Some(to)) = (place(from), place(to)) else { return false };
                let majority = count / 2 + 1;
                let start = (to + count - majority / 2) % count;
                (from + count - start) % count >= majority
            }
        }
    }
}

impl Split {
    /// Who of so many nodes does not hear whom.
    pub(crate) fn severed(self, order: &[NodeId], nodes: usize) -> Severed {
        let sides = |one: &[NodeId], other: &[NodeId], rest: Option<bool>| {
            let mut sides = vec![rest; nodes];
            one.iter().for_each(|node| sides[node.0 as usize] = Some(false));
            other.iter().for_each(|node| sides[node.0 as usize] = Some(true));
            Severed::Sides(sides.into())
        };
        match self {
            Split::Isolate => sides(order, &[], Some(true)),
            Split::Halves => {
                let (one, other) = order.split_at(order.len() / 2);
                sides(one, other, None)
            }
            Split::Bridge => {
                let ends = order.get(1..).unwrap_or_default();
                let (one, other) = ends.split_at(ends.len() / 2);
                sides(one, other, None)
            }
            Split::Ring => {
                let mut places = vec![None; nodes];
                for (place, node) in (0u32..).zip(order) {
                    places[node.0 as usize] = Some(place);
                }
                Severed::Ring(places.into(), order.len() as u32)
            }
        }
    }
}

impl Disturbance {
    /// What it makes likelier; none where it does something else.
    pub(crate) fn likelier(&self) -> Option<Purpose> {
        match self {
            Disturbance::Loss { .. } | Disturbance::BurstLoss { .. } => Some(LOSS),
            Disturbance::Duplicate { .. } => Some(DUPLICATE),
            Disturbance::Corrupt { .. } => Some(CORRUPTION),
            Disturbance::Refuse { .. } => Some(REFUSAL),
            Disturbance::Partition { .. }
            | Disturbance::Split { .. }
            | Disturbance::Cut { .. }
            | Disturbance::Delay { .. }
            | Disturbance::Bandwidth { .. }
            | Disturbance::Swizzle
            | Disturbance::Clog { .. } => None,
        }
    }

    /// What it touches envelope by envelope; none where it stands between nodes or in the way of all.
    fn reach(&self) -> Option<&Reach> {
        match self {
            Disturbance::Loss { reach, .. }
            | Disturbance::BurstLoss { reach, .. }
            | Disturbance::Delay { reach, .. }
            | Disturbance::Duplicate { reach, .. }
            | Disturbance::Corrupt { reach, .. }
            | Disturbance::Refuse { reach, .. } => Some(reach),
            Disturbance::Partition { .. }
            | Disturbance::Split { .. }
            | Disturbance::Cut { .. }
            | Disturbance::Bandwidth { .. }
            | Disturbance::Swizzle
            | Disturbance::Clog { .. } => None,
        }
    }

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
            | Disturbance::Corrupt { .. }
            | Disturbance::Refuse { .. }
            | Disturbance::Bandwidth { .. }
            | Disturbance::Split { .. }
            | Disturbance::Swizzle
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
    /// When it holds no more, as was drawn when it began.
    pub(crate) until: Instant,
    /// Who does not hear whom, when that was drawn.
    pub(crate) severed: Option<Severed>,
    /// The one node whose links it is about, when it holds once for each of several.
    pub(crate) node: Option<NodeId>,
    /// What it makes likelier, if that is what it does.
    pub(crate) likelier: Option<Purpose>,
}

impl Active {
    /// Whether it keeps apart these two, its disturbance being this one.
    pub(crate) fn cuts(&self, disturbance: &Disturbance, from: NodeId, to: NodeId, kind: Kind) -> bool {
        match &self.severed {
            Some(severed) => severed.cuts(from, to),
            None => disturbance.cuts(from, to, kind),
        }
    }

    /// Whether it may have a say in what becomes of an envelope, its disturbance being this one; how much a link carries is
    /// another question.
    fn concerns(&self, disturbance: &Disturbance, of: Envelope) -> bool {
        let Envelope { from, to, kind, .. } = of;
        let is_touched = || disturbance.reach().is_some_and(|reach| reach.touches(from, to, kind));
        is_touched() || self.cuts(disturbance, from, to, kind) || self.clogs(disturbance, from, to, kind)
    }

    /// Whether it holds what goes between these two, its disturbance being this one.
    fn clogs(&self, disturbance: &Disturbance, from: NodeId, to: NodeId, kind: Kind) -> bool {
        self.node.is_some_and(|node| node == from || node == to) || disturbance.clogs(from, to, kind)
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
    pub(crate) voice: Voice,
}

/// Who speaks in an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    Actor,
    /// A machine by itself, to which nobody refuses to listen.
    Machine,
}

/// What the network decides about an envelope as it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) fate: Fate,
    /// The fault of the schedule that did that to it, if one did.
    pub(crate) fault: Option<u32>,
    /// Random bits that say how it is altered on the way, if it is.
    pub(crate) damage: Option<u64>,
}

impl From<Fate> for Passage {
    #[inline]
    fn from(fate: Fate) -> Self {
        (fate, None).into()
    }
}

impl From<(Fate, Option<u32>)> for Passage {
    #[inline]
    fn from((fate, fault): (Fate, Option<u32>)) -> Self {
        Passage { fate, fault, damage: None }
    }
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

    /// Decides what becomes of an envelope that is sent now, but for what depends on those sent before.
    pub(crate) fn fate(
        &mut self,
        of: Envelope,
        link: &Link,
        faults: &[Option<Disturbance>],
        dice: &Dice,
        ruling: Option<&Ruling>,
    ) -> Passage {
        if ruling.is_none() && link.is_plain() && !self.concerns(of, faults) {
            return (peaceful_fate(link, dice.way(of.from, of.to, of.cause)), None).into();
        }
        let asked = Asked { of, link, faults, dice };
        match link.transport {
            Transport::Datagram => self.troubled_fate(asked, ruling),
            Transport::Stream(stream) => self.fate_in_stream(asked, stream, ruling),
        }
    }

    /// Whether any fault that holds now may have a say in what becomes of an envelope.
    #[inline]
    fn concerns(&self, of: Envelope, faults: &[Option<Disturbance>]) -> bool {
        let concerns = |active: &Active| disturbance(faults, active).is_some_and(|d| active.concerns(d, of));
        self.active.iter().any(concerns)
    }

    fn troubled_fate(&mut self, asked: Asked<'_>, ruling: Option<&Ruling>) -> Passage {
        let Asked { of, link, faults, .. } = asked;
        let mut blame = None;
        // A line of the case answers first: what it keeps arrives across a cut, and through a clog.
        match ruling {
            Some(Ruling::Drop) => return (Fate::Lost, None).into(),
            Some(Ruling::Late(after)) => return self.clogged(of, Fate::Arrives(*after), faults, None),
            Some(Ruling::Twice(after)) => {
                let first = self.delayed(asked, &mut blame);
                return self.clogged(of, Fate::ArrivesTwice(first, *after), faults, blame);
            }
            Some(Ruling::Keep) => return (Fate::Arrives(self.delayed(asked, &mut blame)), blame).into(),
            Some(Ruling::Reject) => return (Fate::Refused, None).into(),
            Some(Ruling::Alter(bits, after)) => {
                return Passage { damage: Some(*bits), ..self.clogged(of, Fate::Arrives(*after), faults, None) };
            }
            Some(Ruling::Length(_) | Ruling::Chance(_) | Ruling::Number(_) | Ruling::Name(_)) | None => {}
        }
        if let Some(fault) = self.cut(of, faults) {
            return (Fate::Cut, Some(fault)).into();
        }
        if self.hit(asked, LOSS, link.loss, &mut blame) {
            return (Fate::Lost, blame).into();
        }
        if of.voice == Voice::Actor && self.hit(asked, REFUSAL, Ratio::ZERO, &mut blame) {
            return (Fate::Refused, blame).into();
        }
        let is_damaged = self.hit(asked, CORRUPTION, link.corruption, &mut blame);
        if is_damaged && link.checksum {
            return (Fate::Corrupt, blame).into();
        }
        let damage = is_damaged.then(|| asked.dice.about_envelope(of.from, of.to, of.cause, DAMAGE, 0));
        let first = self.delayed(asked, &mut blame);
        let mut duplicating = None;
        let fate = if self.hit(asked, DUPLICATE, link.duplicate, &mut duplicating) {
            blame = duplicating.or(blame);
            Fate::ArrivesTwice(first, self.copied(asked, duplicating, &mut blame))
        } else {
            Fate::Arrives(first)
        };
        Passage { damage, ..self.clogged(of, fate, faults, blame) }
    }

    /// Sends again what is lost, as long as its stream does.
    ///
    /// All tries are decided here, each by how the faults that hold now stand at its own instant: a cut that ends lets the next
    /// one through, a fault that has not begun takes none.
    fn fate_in_stream(&mut self, asked: Asked<'_>, stream: Stream, ruling: Option<&Ruling>) -> Passage {
        let Asked { of, link, faults, .. } = asked;
        let mut blame = None;
        let (mut after, mut wait) = (Duration::ZERO, stream.retransmit.min(stream.max));
        let spared = matches!(ruling, Some(Ruling::Keep | Ruling::Twice(_) | Ruling::Late(_)));
        let may_be_refused = !spared && ruling != Some(&Ruling::Drop) && of.voice == Voice::Actor;
        if ruling == Some(&Ruling::Reject) {
            return (Fate::Refused, None).into();
        }
        if may_be_refused && self.hit(asked, REFUSAL, Ratio::ZERO, &mut blame) {
            return (Fate::Refused, blame).into();
        }
        for number in 0..=u64::from(stream.tries) {
            let cause = if number == 0 { of.cause } else { of.cause.then(mix(RETRY, number)) };
            let trial = Asked { of: Envelope { cause, at: of.at + after, ..of }, ..asked };
            if spared || ruling != Some(&Ruling::Drop) && !self.fails(trial, link, &mut blame) {
                let on_the_way = match ruling {
                    Some(Ruling::Late(after)) => *after,
                    _ => self.delayed(asked, &mut blame),
                };
                let fate = Fate::Arrives(after.saturating_add(on_the_way));
                return match ruling {
                    Some(Ruling::Keep) => (fate, blame).into(),
                    _ => self.clogged(of, fate, faults, blame),
                };
            }
            after = after.saturating_add(wait);
            wait = stream.longer(wait);
        }
        (Fate::Reset(after), blame).into()
    }

    /// Whether one try to send on a stream comes to nothing.
    fn fails(&mut self, trial: Asked<'_>, link: &Link, blame: &mut Option<u32>) -> bool {
        if let Some(fault) = self.cut(trial.of, trial.faults) {
            *blame = Some(fault);
            return true;
        }
        self.hit(trial, LOSS, link.loss, blame) || self.hit(trial, CORRUPTION, link.corruption, blame)
    }

    /// What becomes of an envelope that arrives unless a clog holds it.
    fn clogged(&mut self, of: Envelope, fate: Fate, faults: &[Option<Disturbance>], blame: Option<u32>) -> Passage {
        match self.clog(of.from, of.to, of.kind, faults) {
            None => (fate, blame).into(),
            Some(fault) => {
                self.touched[fault as usize] += 1;
                (fate.held(), Some(fault)).into()
            }
        }
    }

    /// The first clog that holds what goes between these two now.
    pub(crate) fn clog(&self, from: NodeId, to: NodeId, kind: Kind, faults: &[Option<Disturbance>]) -> Option<u32> {
        let holding = |active: &&Active| disturbance(faults, active).is_some_and(|d| active.clogs(d, from, to, kind));
        self.active.iter().find(holding).map(|active| active.fault)
    }

    /// The first fault that cuts off what is sent at the envelope's instant, which is counted.
    fn cut(&mut self, of: Envelope, faults: &[Option<Disturbance>]) -> Option<u32> {
        let cutting = |active: &&Active| {
            active.until > of.at && disturbance(faults, active).is_some_and(|d| active.cuts(d, of.from, of.to, of.kind))
        };
        let fault = self.active.iter().find(cutting)?.fault;
        self.touched[fault as usize] += 1;
        Some(fault)
    }

    /// How much the link carries now: the least of what it and the faults allow; none when all.
    #[inline]
    pub(crate) fn limit(&self, of: Envelope, link: &Link, faults: &[Option<Disturbance>]) -> Option<(Limit, Vec<u32>)> {
        if self.active.is_empty() && link.bandwidth.is_none() { None } else { self.limit_under(of, link, faults) }
    }

    fn limit_under(&self, of: Envelope, link: &Link, faults: &[Option<Disturbance>]) -> Option<(Limit, Vec<u32>)> {
        let (mut carries, mut waits, mut drops) = (link.bandwidth, link.queue, link.full);
        let mut by = Vec::new();
        for active in &self.active {
            if let Some(Disturbance::Bandwidth { reach, limit, queue, full }) = disturbance(faults, active)
                && reach.touches(of.from, of.to, of.kind)
            {
                carries = Some(carries.map_or(*limit, |carries| carries.min(*limit)));
                waits = [waits, *queue].into_iter().flatten().min();
                drops = full.map_or(drops, |full| drops.max(full));
                by.push(active.fault);
            }
        }
        let queue = if link.transport == Transport::Datagram { waits } else { None };
        Some((Limit { bandwidth: carries?, queue, full: drops }, by))
    }

    /// Whether the one number of this purpose falls into the link's chance and those of all faults together; the fault that
    /// made the difference is counted.
    fn hit(&mut self, asked: Asked<'_>, purpose: Purpose, of_link: Ratio, blame: &mut Option<u32>) -> bool {
        let Asked { of, faults, dice, .. } = asked;
        if of_link.is_zero() && self.active.is_empty() {
            return false;
        }
        let bits = || dice.about_envelope(of.from, of.to, of.cause, purpose, 0);
        let mut chance = of_link;
        if !chance.is_zero() && chance.hit(bits()) {
            return true;
        }
        let makes_likelier = |active: &&Active| active.likelier == Some(purpose) && active.until > of.at;
        for active in self.active.iter().filter(makes_likelier) {
            let Some(disturbance) = disturbance(faults, active) else { continue };
            if !disturbance.reach().is_some_and(|reach| reach.touches(of.from, of.to, of.kind)) {
                continue;
            }
            let ratio = match disturbance {
                Disturbance::Loss { ratio, .. }
                | Disturbance::Duplicate { ratio, .. }
                | Disturbance::Corrupt { ratio, .. }
                | Disturbance::Refuse { ratio, .. } => *ratio,
                Disturbance::BurstLoss { burst, names, .. } => {
                    burst.loss(is_bad(burst, of, active, names, &mut self.spells, dice))
                }
                Disturbance::Partition { .. }
                | Disturbance::Split { .. }
                | Disturbance::Cut { .. }
                | Disturbance::Delay { .. }
                | Disturbance::Bandwidth { .. }
                | Disturbance::Swizzle
                | Disturbance::Clog { .. } => continue,
            };
            chance = chance.or(ratio);
            if chance.hit(bits()) {
                self.touched[active.fault as usize] += 1;
                *blame = Some(active.fault);
                return true;
            }
        }
        false
    }

    fn delayed(&mut self, asked: Asked<'_>, blame: &mut Option<u32>) -> Duration {
        let Asked { of, link, faults, dice } = asked;
        let mut total = latency(link, dice.way(of.from, of.to, of.cause));
        for active in &self.active {
            if let Some(Disturbance::Delay { reach, share, by, jitter, per }) = disturbance(faults, active)
                && reach.touches(of.from, of.to, of.kind)
            {
                let bits = |purpose| match per {
                    None => dice.about_envelope(of.from, of.to, of.cause, purpose, active.lineage),
                    Some((length, names)) => {
                        let stretch = of.at.nanos() / length.nanos();
                        dice.about_link(of.from, of.to, mix(link_lineage(of, active, names), stretch), purpose)
                    }
                };
                if *share != Ratio::ONE && !share.hit(bits(SHARE)) {
                    continue;
                }
                total = total.saturating_add(around(*by, *jitter, bits(DELAY)));
                self.touched[active.fault as usize] += 1;
                *blame = Some(active.fault);
            }
        }
        total
    }

    /// How long the second of two copies takes: with a latency of its own, and what the fault that made it adds to that. A
    /// copy that the link makes by itself is no fault's, and none adds to it.
    fn copied(&mut self, asked: Asked<'_>, duplicating: Option<u32>, blame: &mut Option<u32>) -> Duration {
        let Asked { of, faults, dice, .. } = asked;
        let copy = Envelope { cause: of.cause.then(COPY), ..of };
        let total = self.delayed(Asked { of: copy, ..asked }, blame);
        let made_it = |active: &&Active| Some(active.fault) == duplicating;
        let Some(active) = self.active.iter().find(made_it) else { return total };
        let Some(Disturbance::Duplicate { by, jitter, .. }) = disturbance(faults, active) else { return total };
        let bits = dice.about_envelope(of.from, of.to, copy.cause, COPY_DELAY, active.lineage);
        total.saturating_add(around(*by, *jitter, bits))
    }
}

/// An envelope, and what decides about it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    of: Envelope,
    link: &'a Link,
    faults: &'a [Option<Disturbance>],
    dice: &'a Dice,
}

/// A length, and uniformly so far more or less; never less than none.
fn around(by: Duration, jitter: Duration, bits: u64) -> Duration {
    let spread = Dist::Uniform(Duration::ZERO, jitter.saturating_mul(2)).sample(bits);
    Duration::from_nanos(by.nanos().saturating_add(spread.nanos()).saturating_sub(jitter.nanos()))
}

/// What tells apart the links of a fault that draws for each.
fn link_lineage(of: Envelope, active: &Active, names: &[u64]) -> u64 {
    mix(mix(active.lineage, names[of.from.0 as usize]), names[of.to.0 as usize])
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
    let link = link_lineage(of, active, names);
    let bits = |block: u64, number: u64| dice.about_link(of.from, of.to, mix(mix(link, block), number), SPELL);
    let place = (active.fault, of.from, of.to);
    // A retransmission looks ahead of others that are sent before it, and must leave no answer from then for them.
    let last = spells.get(&place).copied().filter(|last| !last.is_after(of.at));
    let spell = burst.spell(of.at, last, bits);
    spells.insert(place, spell);
    spell.is_bad()
}

fn disturbance<'f>(faults: &'f [Option<Disturbance>], active: &Active) -> Option<&'f Disturbance> {
    faults[active.fault as usize].as_ref()
}

/// What a link does by itself, with the dice that it also casts under faults.
#[inline(always)]
pub(crate) fn peaceful_fate(link: &Link, way: Way) -> Fate {
    let hit = |ratio: Ratio, purpose| !ratio.is_zero() && ratio.hit(way.bits(purpose, 0));
    if hit(link.loss, LOSS) {
        return Fate::Lost;
    }
    let first = latency(link, way);
    if hit(link.duplicate, DUPLICATE) {
        return Fate::ArrivesTwice(first, latency(link, way.then(COPY)));
    }
    Fate::Arrives(first)
}

#[inline(always)]
fn latency(link: &Link, way: Way) -> Duration {
    match &link.latency {
        Dist::Constant(length) => *length,
        dist => dist.sample(way.bits(LATENCY, 0)),
    }
}
