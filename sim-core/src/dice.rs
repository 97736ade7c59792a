//! Who answers a random question: the seed, calm, or a line of the case.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::dist::Dist;
use crate::id::{Kind, NodeId};
use crate::odds::{End, Odds};
use crate::ratio::Ratio;
use crate::seed::{Cause, Operation, Ordinals, Purpose, Seed, letter_key, mix, name_hash};
use crate::time::Duration;

/// What answers the questions that no line of the case answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rest {
    /// Every number is drawn from the seed.
    #[default]
    Seed,
    /// Every number drawn is one half: a distribution gives its median, a chance of at most 50 % does not happen.
    Calm,
    /// The same, but a length that a node draws is the mean of its distribution where that is finite: as much is asked,
    /// and as much work is done, as on average. For what is said of a run as a whole; a Poisson stream of median gaps
    /// would be 1/ln 2 = 1.44 times as dense.
    Steady,
}

impl Rest {
    /// Whether nothing is left to chance.
    pub const fn is_calm(self) -> bool {
        match self {
            Rest::Calm | Rest::Steady => true,
            Rest::Seed => false,
        }
    }

    /// The length that stands for all that a distribution may give, where nothing is left to chance.
    fn usual(self, dist: &Dist) -> Duration {
        let mean = if self == Rest::Steady { dist.mean_nanos() } else { f64::INFINITY };
        if mean.is_finite() { Duration::from_nanos_f64(mean) } else { dist.sample(CALM) }
    }
}

/// Nodes whose dice are one: the replicas of a service, or a node alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Group(pub(crate) u32);

/// One question that was answered, for the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// What it was for.
    pub purpose: Purpose,
    /// Why it was asked.
    pub cause: Cause,
    /// The how-manieth with this purpose and cause in one handling, from 0.
    pub nth: u32,
    /// The 64 bits that answered it; 2⁶³ under calm.
    pub bits: u64,
    /// What came of them, or what a line of the case said.
    pub answer: Answer,
    /// What calm would have answered: the default.
    pub calm: Answer,
}

/// What a question was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A length of time.
    Length(Duration),
    /// Whether it happens.
    Chance(bool),
    /// One of several nodes.
    Node(NodeId),
    /// A whole number.
    Number(u64),
}

/// What a line of the case says to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    Drop,
    Late(Duration),
    Twice(Duration),
    Keep,
    Reject,
    Alter(u64, Duration),
    Length(Duration),
    Chance(bool),
    Number(u64),
    Name(String),
}

type Addressed<K> = BTreeMap<K, Vec<(u32, usize)>>;
type SendKey = (Group, Group, Kind, Operation);
type DrawKey = (Group, u64, Operation);

/// The decisions of a case by what they are about, and how often each of those came up.
#[derive(Clone, Debug, Default)]
struct Rulings {
    all: Arc<[Ruling]>,
    sends: Addressed<SendKey>,
    draws: Addressed<DrawKey>,
    sent: BTreeMap<SendKey, u32>,
    drawn: BTreeMap<DrawKey, u32>,
    applied: Vec<bool>,
}

/// A ruling, and the ordinal and key it answers.
#[derive(Clone, Debug)]
pub(crate) enum Addressee {
    Send(Group, Group, Kind, Operation, u32),
    Draw(Group, u64, Operation, u32),
}

/// The dice of one run.
#[derive(Debug)]
pub(crate) struct Dice {
    rest: Rest,
    /// Whether every question is answered by the seed: no calm, no line of a case.
    only_cast: bool,
    /// By node.
    faces: Arc<[Face]>,
    ordinals: Ordinals,
    rulings: Option<Box<Rulings>>,
    pub(crate) record: Option<Vec<Draw>>,
}

/// Which dice are a node's own.
#[derive(Clone, Copy, Debug)]
struct Face {
    group: Group,
    /// A hash of the name of its group, which enters lineages.
    name: u64,
    /// The key of its group under the seed, which enters answers.
    key: u64,
}

/// What answers the questions about one envelope on its link.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    rest: Rest,
    lineage: u64,
    key: u64,
}

impl Way {
    /// Where every number is one half.
    pub(crate) const CALM: Way = Way { rest: Rest::Calm, lineage: 0, key: 0 };

    /// The same of an envelope that differs in lineage.
    pub(crate) fn then(self, step: u64) -> Way {
        Way { lineage: mix(self.lineage, step), ..self }
    }

    /// 64 bits: the same for every strength of the same fault.
    #[inline]
    pub(crate) fn bits(self, purpose: Purpose, fault: u64) -> u64 {
        match self.rest {
            Rest::Calm | Rest::Steady => CALM,
            Rest::Seed => mix(self.lineage, self.key ^ purpose.key() ^ fault),
        }
    }
}

impl Clone for Dice {
    fn clone(&self) -> Self {
        Dice {
            rest: self.rest,
            only_cast: self.only_cast,
            faces: self.faces.clone(),
            ordinals: Ordinals::default(),
            rulings: self.rulings.clone(),
            record: self.record.clone(),
        }
    }
}

/// The number that calm draws: the middle of all.
const CALM: u64 = 1 << 63;

pub(crate) const TIMER: u64 = name_hash("timer");
pub(crate) const SYNC: u64 = name_hash("sync");
pub(crate) const RING: u64 = name_hash("ring");

const SKEW: Purpose = Purpose::new("skew");

impl Dice {
    pub(crate) fn new(
        seed: Seed,
        rest: Rest,
        groups: &[Group],
        names: &[String],
        rulings: &[(Addressee, Ruling)],
    ) -> Self {
        let of_group = |name: &String| (name_hash(name), seed.key(name_hash(name)));
        let known: Vec<(u64, u64)> = names.iter().map(of_group).collect();
        let face = |group: &Group| {
            let (name, key) = known[group.0 as usize];
            Face { group: *group, name, key }
        };
        let faces = groups.iter().map(face).collect();
        let rulings = (!rulings.is_empty()).then(|| Box::new(Rulings::new(rulings)));
        let only_cast = rest == Rest::Seed && rulings.is_none();
        Dice { rest, only_cast, faces, ordinals: Ordinals::default(), rulings, record: None }
    }

    /// From now on every answer comes from this seed, and no line of the case applies any more; those that did are remembered.
    pub(crate) fn reseed(&mut self, seed: Seed) {
        self.rest = Rest::Seed;
        self.only_cast = self.rulings.is_none();
        let mut keys = BTreeMap::new();
        let mut key = |name: u64| *keys.entry(name).or_insert_with(|| seed.key(name));
        self.faces = self.faces.iter().map(|face| Face { key: key(face.name), ..*face }).collect();
        if let Some(rulings) = &mut self.rulings {
            rulings.sends.clear();
            rulings.draws.clear();
        }
    }

    /// A new handling begins: the how-manieth starts from zero.
    #[inline]
    pub(crate) fn restart(&mut self) {
        self.ordinals.restart();
    }

    /// Which lines of the case have been asked for so far, by their order in the case.
    pub(crate) fn applied(&self) -> &[bool] {
        self.rulings.as_ref().map_or(&[], |rulings| &rulings.applied)
    }

    /// Changes what a line of the case says, by its order in the case; false when its question has come up already.
    pub(crate) fn overrule(&mut self, nth: usize, ruling: Ruling) -> bool {
        let Some(rulings) = &mut self.rulings else { return false };
        if rulings.applied.get(nth) != Some(&false) {
            return false;
        }
        let mut all = rulings.all.to_vec();
        all[nth] = ruling;
        rulings.all = all.into();
        true
    }

    #[inline]
    fn face(&self, node: NodeId) -> &Face {
        match self.faces.get(node.0 as usize) {
            Some(face) => face,
            None => nobody(node, self.faces.len()),
        }
    }

    #[inline(always)]
    fn numbered(&mut self, base: u64) -> u64 {
        match self.ordinals.next(base) {
            0 => base,
            n => mix(base, u64::from(n)),
        }
    }

    /// The cause of an envelope: its parent's, mixed with who, to whom, what, and the how-manieth of those.
    #[inline(always)]
    pub(crate) fn envelope(&mut self, parent: Cause, from: NodeId, to: NodeId, kind_key: u64) -> Cause {
        let key = letter_key(self.face(from).name, self.face(to).name, kind_key);
        let base = mix(parent.lineage, key);
        Cause { lineage: self.numbered(base), operation: parent.operation }
    }

    /// The cause of what a node is told without an envelope: a timer, a wait for the disk. The numbers that an actor gives them
    /// stay out: a free one of a list depends on what else is under way.
    #[inline(always)]
    pub(crate) fn later(&mut self, parent: Cause, node: NodeId, what: u64) -> Cause {
        let base = mix(parent.lineage, self.face(node).name ^ what);
        Cause { lineage: self.numbered(base), operation: parent.operation }
    }

    /// 64 bits about one envelope on its link: the same for every strength of the same fault.
    #[inline]
    pub(crate) fn about_envelope(&self, from: NodeId, to: NodeId, cause: Cause, purpose: Purpose, fault: u64) -> u64 {
        self.way(from, to, cause).bits(purpose, fault)
    }

    /// What answers the questions about one envelope on its link.
    #[inline]
    pub(crate) fn way(&self, from: NodeId, to: NodeId, cause: Cause) -> Way {
        Way { rest: self.rest, lineage: cause.lineage, key: self.link_key(from, to) }
    }

    /// The same of dice that are [only cast](Self::only_cast).
    #[inline]
    pub(crate) fn cast_way(&self, from: NodeId, to: NodeId, cause: Cause) -> Way {
        debug_assert!(self.only_cast, "calm answers, or a line of the case may");
        Way { rest: Rest::Seed, ..self.way(from, to, cause) }
    }

    #[inline]
    fn link_key(&self, from: NodeId, to: NodeId) -> u64 {
        self.face(from).key ^ self.face(to).key.rotate_left(32)
    }

    /// 64 bits about how a link stands, whoever sends on it.
    pub(crate) fn about_link(&self, from: NodeId, to: NodeId, lineage: u64, purpose: Purpose) -> u64 {
        if self.is_calm() {
            return CALM;
        }
        mix(lineage, self.link_key(from, to) ^ purpose.key())
    }

    /// Whether every number drawn is one half.
    pub(crate) fn is_calm(&self) -> bool {
        self.rest.is_calm()
    }

    /// What says how far polls of a node's wall clock miss, by the name of the node; none when all is calm, and none misses.
    pub(crate) fn wall_key(&self, seed: Seed, name: u64) -> Option<u64> {
        const POLL: Purpose = Purpose::new("poll");
        match self.rest {
            Rest::Calm | Rest::Steady => None,
            Rest::Seed => Some(mix(seed.key(name), POLL.key())),
        }
    }

    /// 64 bits about a fault of the schedule, whatever else happens.
    pub(crate) fn about_fault(&self, seed_key: u64, lineage: u64, purpose: Purpose) -> u64 {
        match self.rest {
            Rest::Calm | Rest::Steady => CALM,
            Rest::Seed => mix(lineage, seed_key ^ purpose.key()),
        }
    }

    /// What the case says of this envelope, which is counted.
    #[inline]
    pub(crate) fn rule_envelope(&mut self, from: NodeId, to: NodeId, kind: Kind, of: Operation) -> Option<Ruling> {
        let (from, to) = (self.face(from).group, self.face(to).group);
        self.rulings.as_mut()?.send((from, to, kind, of)).cloned()
    }

    #[inline(always)]
    fn bits(&mut self, node: NodeId, cause: Cause, purpose: Purpose) -> (u32, u64) {
        let base = mix(cause.lineage, purpose.key() ^ self.face(node).key);
        let nth = self.ordinals.next(base);
        let bits = match (self.rest, nth) {
            (Rest::Calm | Rest::Steady, _) => CALM,
            (Rest::Seed, 0) => base,
            (Rest::Seed, n) => mix(base, u64::from(n)),
        };
        (nth, bits)
    }

    /// What the case says to this question, if `fits` makes an answer of it: "yes" is none to "how long?".
    #[inline]
    fn rule_draw<T>(
        &mut self,
        node: NodeId,
        cause: Cause,
        purpose: Purpose,
        fits: impl FnOnce(&Ruling) -> Option<T>,
    ) -> Option<T> {
        self.rulings.as_ref()?;
        self.look_up(node, cause, purpose, fits)
    }

    #[cold]
    #[inline(never)]
    fn look_up<T>(
        &mut self,
        node: NodeId,
        cause: Cause,
        purpose: Purpose,
        fits: impl FnOnce(&Ruling) -> Option<T>,
    ) -> Option<T> {
        let group = self.face(node).group;
        self.rulings.as_mut()?.draw((group, purpose.key(), cause.operation), fits)
    }

    #[inline]
    fn note(
        &mut self,
        purpose: Purpose,
        cause: Cause,
        (nth, bits): (u32, u64),
        answer: Answer,
        calm: impl FnOnce(u64) -> Answer,
    ) {
        if let Some(record) = &mut self.record {
            write_down(record, Draw { purpose, cause, nth, bits, answer, calm: calm(CALM) });
        }
    }

    /// The same dice with every number one half and no line of a case, to ask what calm would do.
    pub(crate) fn calmed(&self) -> Dice {
        // Not by way of a clone of all of it: a case has tens of thousands of lines, and this is asked of each envelope.
        let (faces, ordinals) = (self.faces.clone(), Ordinals::default());
        Dice { rest: Rest::Calm, only_cast: false, faces, ordinals, rulings: None, record: None }
    }

    pub(crate) fn length(&mut self, node: NodeId, cause: Cause, purpose: Purpose, dist: &Dist) -> Duration {
        let ruled = self.rule_draw(node, cause, purpose, |ruling| match ruling {
            Ruling::Length(length) => Some(*length),
            _ => None,
        });
        let drawn = self.bits(node, cause, purpose);
        let rest = self.rest;
        let length =
            ruled.unwrap_or_else(|| if rest == Rest::Steady { rest.usual(dist) } else { dist.sample(drawn.1) });
        self.note(purpose, cause, drawn, Answer::Length(length), |_| Answer::Length(rest.usual(dist)));
        length
    }

    pub(crate) fn chance(&mut self, node: NodeId, cause: Cause, purpose: Purpose, ratio: Ratio) -> bool {
        let ruled = self.rule_draw(node, cause, purpose, |ruling| match ruling {
            Ruling::Chance(yes) => Some(*yes),
            _ => None,
        });
        let drawn = self.bits(node, cause, purpose);
        let yes = ruled.unwrap_or_else(|| ratio.hit(drawn.1));
        self.note(purpose, cause, drawn, Answer::Chance(yes), |calm| Answer::Chance(ratio.hit(calm)));
        yes
    }

    #[inline(always)]
    pub(crate) fn below(&mut self, node: NodeId, cause: Cause, purpose: Purpose, bound: u64) -> u64 {
        // No line of a case answers it, but it counts among the draws of its purpose as any other.
        let _: Option<()> = self.rule_draw(node, cause, purpose, |_| None);
        let drawn = self.bits(node, cause, purpose);
        let number = ((u128::from(drawn.1) * u128::from(bound)) >> 64) as u64;
        let calm = |calm: u64| Answer::Number(((u128::from(calm) * u128::from(bound)) >> 64) as u64);
        self.note(purpose, cause, drawn, Answer::Number(number), calm);
        number
    }

    /// A whole number by its odds, or at an end when one of these skews strikes; and the fault of that one.
    pub(crate) fn number(
        &mut self,
        node: NodeId,
        cause: Cause,
        purpose: Purpose,
        odds: &Odds,
        skews: &[(u32, End, Ratio)],
    ) -> (u64, Option<u32>) {
        let ruled = self.rule_draw(node, cause, purpose, |ruling| match ruling {
            Ruling::Number(number) => (1..=odds.count()).contains(number).then_some(*number),
            _ => None,
        });
        let drawn = self.bits(node, cause, purpose);
        // One number more for whatever skews there are, and only then: the pick itself keeps its own.
        let chance = if self.is_calm() { CALM } else { mix(drawn.1, SKEW.key()) };
        let struck = skews.iter().find(|(_, _, ratio)| ruled.is_none() && ratio.hit(chance));
        let number = match struck {
            Some((_, end, _)) => odds.at(*end, mix(chance, 1)),
            None => ruled.unwrap_or_else(|| odds.sample(drawn.1)),
        };
        self.note(purpose, cause, drawn, Answer::Number(number), |calm| Answer::Number(odds.sample(calm)));
        (number, struck.map(|(fault, _, _)| *fault))
    }

    /// One of several nodes; `name` tells what a line of the case calls each.
    pub(crate) fn pick<'n>(
        &mut self,
        node: NodeId,
        cause: Cause,
        purpose: Purpose,
        among: &[NodeId],
        name: impl Fn(NodeId) -> &'n str,
    ) -> NodeId {
        let ruled = self.rule_draw(node, cause, purpose, |ruling| match ruling {
            Ruling::Name(wanted) => among.iter().copied().find(|one| name(*one) == wanted),
            _ => None,
        });
        let drawn = self.bits(node, cause, purpose);
        let at = ((u128::from(drawn.1) * among.len() as u128) >> 64) as usize;
        let one = ruled.unwrap_or(among[at]);
        let calm = |calm: u64| Answer::Node(among[((u128::from(calm) * among.len() as u128) >> 64) as usize]);
        self.note(purpose, cause, drawn, Answer::Node(one), calm);
        one
    }

    pub(crate) fn stream(&mut self, node: NodeId, cause: Cause, purpose: Purpose) -> ChaCha8Rng {
        let (_, bits) = self.bits(node, cause, purpose);
        ChaCha8Rng::seed_from_u64(bits)
    }

    /// Whether every question is answered by the seed.
    #[inline]
    pub(crate) fn only_cast(&self) -> bool {
        self.only_cast
    }

    #[inline]
    pub(crate) fn has_rulings(&self) -> bool {
        self.rulings.is_some()
    }
}

#[cold]
#[inline(never)]
fn write_down(record: &mut Vec<Draw>, draw: Draw) {
    record.push(draw);
}

#[cold]
fn nobody(node: NodeId, nodes: usize) -> ! {
    panic!("there is no node {}; nodes are numbered from 0, and there are {nodes}", node.0)
}

impl Rulings {
    fn new(rulings: &[(Addressee, Ruling)]) -> Self {
        let mut new = Rulings {
            all: rulings.iter().map(|(_, ruling)| ruling.clone()).collect(),
            applied: vec![false; rulings.len()],
            ..Rulings::default()
        };
        for (index, (addressee, _)) in rulings.iter().enumerate() {
            match *addressee {
                Addressee::Send(from, to, kind, of, n) => {
                    new.sends.entry((from, to, kind, of)).or_default().push((n, index));
                }
                Addressee::Draw(group, purpose, of, n) => {
                    new.draws.entry((group, purpose, of)).or_default().push((n, index));
                }
            }
        }
        new
    }

    fn send(&mut self, key: SendKey) -> Option<&Ruling> {
        let wanted = self.sends.get(&key)?;
        let index = counted(self.sent.entry(key).or_default(), wanted)?;
        self.applied[index] = true;
        Some(&self.all[index])
    }

    fn draw<T>(&mut self, key: DrawKey, fits: impl FnOnce(&Ruling) -> Option<T>) -> Option<T> {
        let wanted = self.draws.get(&key)?;
        let index = counted(self.drawn.entry(key).or_default(), wanted)?;
        let answer = fits(&self.all[index])?;
        self.applied[index] = true;
        Some(answer)
    }
}

/// Counts one more, and finds the line for that ordinal; the last of several lines for one ordinal wins.
fn counted(count: &mut u32, wanted: &[(u32, usize)]) -> Option<usize> {
    *count += 1;
    wanted.iter().rev().find(|(n, _)| *n == *count).map(|(_, index)| *index)
}
