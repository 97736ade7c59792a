//! Draws schedules of faults from seeds, inside what a system is built to bear.
//!
//! Swarm style (Groce et al., Swarm Testing, ISSTA 2012): for each seed about half of the kinds of trouble are switched off as a
//! whole, because what hides a mistake is often the presence of something else. What is drawn is written down to the last
//! victim and instant, so that each line stands by itself: taking one out changes nothing about the others.
//!
//! With [`Heal::Core`] a run has two phases: first all of it may be in trouble; then a core comes back, and the rest stays
//! broken for ever. What must happen eventually must happen all the same. (TigerBeetle's simulator ends in this way.)

use std::collections::BTreeSet;

use crate::draft::Draft;
use crate::fault::{Disk, Fault, Nodes, Pace, Sides, Target, Timed, Verb, When};
use crate::pattern::{Name, Pattern};
use crate::schedule::identity;
use crate::seed::{Seed, mix, name_hash};
use crate::time::{Duration, Instant};
use crate::tolerance::{Cast, Tolerance, last_round};

/// What may go wrong in a run, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Nemesis {
    /// What it draws from.
    pub drafts: Drafts,
    /// How many faults, from the first number to the second, [`Nemesis::MOST`] at most.
    pub faults: (u64, u64),
    /// When they begin.
    pub between: (Instant, Instant),
    /// What it stays inside.
    pub tolerance: Tolerance,
    /// What comes after.
    pub heal: Heal,
}

/// What a nemesis draws from.
#[derive(Clone, Debug, PartialEq)]
pub enum Drafts {
    /// These.
    Declared(Vec<Draft>),
    /// These, with any node for `NODE` and any link for `FROM->TO`.
    Anywhere(Vec<Draft>),
}

/// What becomes of the nodes when the trouble is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heal {
    /// All come back.
    All,
    /// Of those that may be down some never come back.
    Core,
}

/// What the general nemesis draws from, by verb; `NODE` is any node that is no client, and `FROM->TO` any
/// link in use, and `CLIENT` any that is one.
pub const GENERAL: &[(&str, &[&str])] = &[
    (
        "partition",
        &[
            "partition isolate NODE for 100ms..10s",
            "partition halves of * for 100ms..10s",
            "partition bridge of * for 100ms..10s",
            "partition ring of * for 100ms..10s",
            "partition isolate NODE cutting flight for 100ms..10s",
        ],
    ),
    ("cut", &["cut FROM->TO for 100ms..10s", "cut FROM->TO cutting flight for 100ms..10s"]),
    ("loss", &["loss FROM->TO 0.1%..30% for 1s..30s"]),
    ("burst-loss", &["burst-loss FROM->TO 30%..100% bad ~10ms..1s good ~100ms..10s for 1s..30s"]),
    (
        "delay",
        &[
            "delay FROM->TO +1ms..2s for 1s..30s",
            "delay FROM->TO +10ms..200ms",
            "delay FROM->TO 0.1%..10% +100ms..10s for 1s..30s",
            "delay FROM->TO +10ms..1s ~1ms..10ms per 100ms..5s for 1s..30s",
        ],
    ),
    ("duplicate", &["duplicate FROM->TO 0.1%..30% for 1s..30s", "duplicate FROM->TO 0.1%..30% +1ms..10s for 1s..30s"]),
    ("corrupt", &["corrupt FROM->TO 0.1%..30% for 1s..30s"]),
    (
        "bandwidth",
        &[
            "bandwidth FROM->TO 1KB/s..100KB/s queue 1..100 for 1s..30s",
            "bandwidth FROM->TO 1KB/s..100KB/s for 1s..30s",
        ],
    ),
    ("refuse", &["refuse FROM->TO for 100ms..10s"]),
    ("swizzle", &["swizzle * for 1s..30s"]),
    ("clog", &["clog FROM->TO for 100ms..10s", "clog FROM->TO holding flight for 100ms..10s"]),
    (
        "crash",
        &[
            "crash NODE for 100ms..10s",
            "crash NODE at sync 1%..20% for 100ms..10s",
            "crash one zone for 100ms..10s",
            "crash NODE wiping disk for 100ms..10s",
            "crash any minority of * swapping disks for 100ms..10s",
        ],
    ),
    ("power-loss", &["power-loss NODE for 100ms..10s", "power-loss NODE at sync 1%..20% for 100ms..10s"]),
    ("stop", &["stop NODE grace 1s..30s for 100ms..30s"]),
    ("pause", &["pause NODE for 100ms..30s", "pause NODE freezing clocks for 100ms..30s"]),
    ("hang", &["hang NODE for 1s..30s"]),
    ("slow", &["slow NODE x2..x50 for 1s..30s"]),
    ("fail", &["fail NODE for 1s..30s", "fail NODE 1%..50% for 1s..30s"]),
    (
        "clock",
        &[
            "clock NODE step +10ms..+2m",
            "clock NODE step -10ms..-2m",
            "clock NODE drift +10ppm..+5000ppm",
            "clock NODE drift -10ppm..-5000ppm",
            "clock NODE leap +1s",
            "clock NODE smear +1s..2s for 10s..60s",
            "clock NODE discipline ±1ms..100ms per 1s..64s",
            "clock NODE freeze for 100ms..10s",
            "clock NODE strobe +4ms..1m per 1ms..1s for 1s..30s",
        ],
    ),
    (
        "disk",
        &[
            "disk NODE fsync-fails for 100ms..10s",
            "disk NODE fsync-lies for 100ms..10s",
            "disk NODE slow x2..x100 for 1s..30s",
            "disk NODE stall for 100ms..10s",
            "disk NODE torn-write",
            "disk NODE bit-rot",
            "disk NODE misdirected",
            "disk NODE full for 100ms..10s",
            "disk NODE read-error for 100ms..30s",
        ],
    ),
    ("deploy", &["deploy NODE v2 by 25%..100% every 1s..60s"]),
    ("rollback", &["rollback NODE"]),
    ("restart", &["restart NODE every 1s..60s"]),
    ("scale", &["scale GROUP 0..5 for 1s..60s"]),
    ("rush", &["rush CLIENT x2..x20 for 1s..30s"]),
    (
        "skew",
        &[
            "skew CLIENT first 10%..100% for 1s..30s",
            "skew CLIENT last 10%..100% for 1s..30s",
            "skew CLIENT ends 10%..100% for 1s..30s",
        ],
    ),
    ("buggify", &["buggify"]),
];

const ANY_NODE: &str = "NODE";
/// A node with all its replicas.
const ANY_GROUP: &str = "GROUP";
const ANY_CLIENT: &str = "CLIENT";
const ANY_LINK: &str = "FROM->TO";

/// The lines of [`GENERAL`], each with its verb.
pub fn general() -> impl Iterator<Item = (&'static str, Draft)> {
    let lines = GENERAL.iter().flat_map(|(verb, lines)| lines.iter().map(|line| (*verb, *line)));
    lines.filter_map(|(verb, line)| Some((verb, line.parse().ok()?)))
}

/// How often a fault that would be too much is drawn anew before it is left out.
const TRIES: u64 = 16;

/// Random bits for one question about a fault that is drawn.
#[derive(Clone, Copy)]
struct Bits(u64);

impl Bits {
    fn of(self, what: &str) -> Bits {
        Bits(mix(self.0, name_hash(what)))
    }

    fn nth(self, number: u64) -> Bits {
        Bits(mix(self.0, number))
    }

    /// A number below `bound`, which is above zero.
    fn below(self, bound: usize) -> usize {
        ((u128::from(self.0) * bound as u128) >> 64) as usize
    }

    /// A number from the first to the second.
    fn within(self, (low, high): (u64, u64)) -> u64 {
        low + ((u128::from(self.0) * (u128::from(high.saturating_sub(low)) + 1)) >> 64) as u64
    }

    /// An instant from the first to the second, in whole milliseconds where there are many.
    fn instant(self, (from, to): (Instant, Instant)) -> Instant {
        const MILLI: u64 = 1_000_000;
        let length = to.since(from).nanos();
        let after = self.within((0, length));
        from + Duration::from_nanos(if length >= 1_000 * MILLI { after / MILLI * MILLI } else { after })
    }
}

impl Default for Nemesis {
    /// The general one of a run of a minute.
    fn default() -> Self {
        Nemesis::general(Instant::from_nanos(60_000_000_000))
    }
}

impl Nemesis {
    /// More faults than this are never drawn for one run.
    pub const MOST: u64 = 1_000;

    /// Every kind of trouble, up to four at once, in the first two thirds of a run.
    pub fn general(until: Instant) -> Nemesis {
        Nemesis {
            drafts: Drafts::Anywhere(general().map(|(_, draft)| draft).collect()),
            faults: (1, 4),
            between: (Instant::ZERO, Nemesis::usual_end(until)),
            tolerance: Tolerance::default(),
            heal: Heal::All,
        }
    }

    /// When trouble is over that does not say so: early enough for things to settle.
    pub fn usual_end(until: Instant) -> Instant {
        Instant::from_nanos(until.nanos() / 3 * 2)
    }

    /// The faults of one seed, beside those that the system has anyway; the same seed always draws the same.
    ///
    /// Fewer than asked for when what is drawn would be too much for the tolerance, or would be the twin of another line: the
    /// same trouble of the same nodes or links.
    pub fn draw(&self, seed: Seed, own: &[Fault], cast: &Cast) -> Vec<Fault> {
        let bits = Bits(seed.key(name_hash("nemesis")));
        let live = self.live(bits);
        let mut drawn = Drawn {
            faults: own.to_vec(),
            own: own.len(),
            known: own.iter().filter_map(about).collect(),
            // What the file says by itself is not for the nemesis to mend.
            is_bound: self.tolerance.excess(own, cast).is_none(),
        };
        for slot in 0..bits.of("count").within(self.faults).min(Nemesis::MOST) {
            for attempt in 0..TRIES {
                let bits = bits.of("slot").nth(slot).nth(attempt);
                let Some(draft) = live.get(bits.of("draft").below(live.len().max(1))) else { continue };
                if drawn.take(self.lines(draft, bits, cast), &self.tolerance, cast) {
                    break;
                }
            }
        }
        if self.heal == Heal::Core {
            self.leave_broken(bits.of("core"), &mut drawn, cast);
        }
        drawn.faults.split_off(drawn.own)
    }

    /// The drafts that are switched on: about half of the kinds of trouble where there are several, each with all its drafts, else
    /// about half of the drafts; at least one where there is one.
    fn live(&self, bits: Bits) -> Vec<&Draft> {
        let (Drafts::Declared(all) | Drafts::Anywhere(all)) = &self.drafts;
        let bits_of = |draft: &&Draft| bits.of("swarm").of(draft.as_str()).0;
        let has_kinds =
            matches!(self.drafts, Drafts::Anywhere(_)) && all.iter().any(|it| verb_of(it) != verb_of(&all[0]));
        let coin = |draft: &&Draft| if has_kinds { bits.of("swarm").of(verb_of(draft)).0 } else { bits_of(draft) };
        let on: Vec<&Draft> = all.iter().filter(|draft| coin(draft) >> 63 == 1).collect();
        let one = || all.iter().min_by_key(bits_of).into_iter().collect();
        if on.is_empty() { one() } else { on }
    }

    /// What a draft comes to with all its dice cast; nothing when there is no node or link for it.
    fn lines(&self, draft: &Draft, bits: Bits, cast: &Cast) -> Vec<Fault> {
        let Some(draft) = self.placed(draft, bits, cast) else { return Vec::new() };
        let timed = draft.drawn(|place| bits.of("number").nth(place).0);
        let when = self.when(&timed, bits);
        let keeps_pace =
            timed.every.is_some() || timed.trigger.is_some() || matches!(timed.length, Some(Pace::About(_)));
        let (every, length) = if keeps_pace { (timed.every, timed.length) } else { (None, None) };
        let verbs = settled(timed.verb, bits.of("whom"), cast);
        let trigger = &timed.trigger;
        let line = |verb| Fault::Timed(Timed { when, verb, trigger: trigger.clone(), every, length });
        verbs.into_iter().map(line).collect()
    }

    /// A draft about a node and a link that are there.
    fn placed(&self, draft: &Draft, bits: Bits, cast: &Cast) -> Option<Draft> {
        if matches!(self.drafts, Drafts::Declared(_)) {
            return Some(draft.clone());
        }
        let name = |place: usize| cast.nodes[place].name.as_str();
        let pick = |count: usize, what: &str| (count > 0).then(|| bits.of(what).below(count));
        let mut text = draft.as_str().to_owned();
        if text.contains(ANY_LINK) {
            let (from, to) = cast.links[pick(cast.links.len(), "link")?];
            text = text.replace(ANY_LINK, &format!("{}->{}", name(from), name(to)));
        }
        if text.contains(ANY_CLIENT) {
            let clients = cast.nodes.len() - cast.servers;
            text = text.replace(ANY_CLIENT, name(cast.servers + pick(clients, "client")?));
        }
        if text.contains(ANY_GROUP) {
            text = text.replace(ANY_GROUP, &cast.nodes[pick(cast.servers, "node")?].copy_of);
        }
        if text.contains(ANY_NODE) {
            text = text.replace(ANY_NODE, name(pick(cast.servers, "node")?));
        }
        text.parse().ok()
    }

    /// When a fault holds: from a drawn instant on, for its own length, else to another one.
    fn when(&self, timed: &Timed, bits: Bits) -> When {
        let begin = bits.of("begin").instant(self.between);
        let end = |length: Duration| When::Between(begin, begin + length);
        match (timed.every, timed.length) {
            // What goes from node to node takes as long as it takes.
            (Some(_), _) if timed.verb.is_paced() => When::From(begin),
            (None, _) if timed.verb.is_paced() => When::At(begin),
            (_, _) if timed.trigger.is_some() => When::Between(begin, self.between.1),
            (Some(_), _) => When::Between(begin, self.between.1),
            (None, Some(Pace::Exactly(length))) => end(length),
            (None, Some(Pace::About(_))) => When::From(begin),
            (None, None) if timed.verb.is_momentary() => When::At(begin),
            (None, None) => {
                let least = Duration::from_millis(1);
                end(bits.of("end").instant((begin, self.between.1.max(begin))).since(begin).max(least))
            }
        }
    }

    /// Of each group that may have nodes down, some are never again what they were.
    fn leave_broken(&self, bits: Bits, drawn: &mut Drawn, cast: &Cast) {
        let ends = drawn.faults.iter().filter_map(|fault| match fault {
            Fault::Timed(timed) if timed.verb.is_paced() => Some(last_round(timed, cast)),
            Fault::Timed(timed) => timed.when.end(),
            Fault::Decision(_) => None,
        });
        let healed = ends.fold(self.between.1, Instant::max);
        for (pattern, down) in &self.tolerance.down {
            let mut group: Vec<&str> =
                cast.nodes.iter().map(|node| node.name.as_str()).filter(|name| pattern.covers(name)).collect();
            let bits = bits.of(pattern.as_str());
            let count = bits.of("count").within((0, down.of(group.len()) as u64)) as usize;
            group.sort_by_key(|name| bits.of(name).0);
            for name in group.into_iter().take(count) {
                let ways = [format!("crash {name}"), format!("pause {name}"), format!("partition {name} | *")];
                let way = &ways[bits.of(name).of("way").below(ways.len())];
                let line = format!("{healed}.. {way}").parse();
                drawn.take(line.into_iter().collect(), &self.tolerance, cast);
            }
        }
    }
}

/// The kind of trouble that a draft is of.
fn verb_of(draft: &Draft) -> &str {
    draft.as_str().split(' ').next().unwrap_or_default()
}

/// The schedule so far: what a system has anyway, and behind it what is drawn.
struct Drawn {
    faults: Vec<Fault>,
    own: usize,
    /// What they are about.
    known: BTreeSet<String>,
    /// Whether the tolerance binds: what the system has anyway stays inside.
    is_bound: bool,
}

impl Drawn {
    /// Takes some lines more, unless there are none, one is off or a twin of another, or it would be too much.
    fn take(&mut self, lines: Vec<Fault>, tolerance: &Tolerance, cast: &Cast) -> bool {
        let is_new = |fault: &Fault| !fault.is_off() && about(fault).is_some_and(|name| !self.known.contains(&name));
        if lines.is_empty() || !lines.iter().all(is_new) {
            return false;
        }
        // What bears on nothing that is limited is not held against the rest.
        let minded = lines.iter().filter(|fault| self.is_bound && tolerance.minds(fault));
        let begin = minded.filter_map(begin_of).min();
        let names: Vec<String> = lines.iter().filter_map(about).collect();
        let before = self.faults.len();
        self.faults.extend(lines);
        let is_too_much = begin.is_some_and(|begin| tolerance.excess_from(begin, &self.faults, cast).is_some());
        if is_too_much {
            self.faults.truncate(before);
        } else {
            self.known.extend(names);
        }
        !is_too_much
    }
}

/// What a fault by the clock is about, by which its twins are known.
fn about(fault: &Fault) -> Option<String> {
    match fault {
        Fault::Timed(timed) => Some(identity(timed)),
        Fault::Decision(_) => None,
    }
}

fn begin_of(fault: &Fault) -> Option<Instant> {
    match fault {
        Fault::Timed(timed) => Some(timed.when.begin()),
        Fault::Decision(_) => None,
    }
}

/// The same trouble with its victims named, one line for each; nothing when there is nobody.
fn settled(verb: Verb, bits: Bits, cast: &Cast) -> Vec<Verb> {
    if let Verb::Partition { sides, flight } = &verb {
        let drawn = match sides {
            Sides::Groups(_) | Sides::RingOf(_) => return vec![verb],
            // Who has a role then is not known yet.
            Sides::Isolate(Target::The(_)) => return vec![verb],
            Sides::Isolate(target) => picked(target, bits, cast),
            Sides::Halves(nodes) | Sides::Bridge(nodes) | Sides::Ring(nodes) => in_order(nodes, bits, cast),
        };
        let sides = sides.settled(&drawn);
        return sides.map(|sides| Verb::Partition { sides, flight: *flight }).into_iter().collect();
    }
    match verb.target() {
        // Disks are swapped among those that one line strikes together.
        Some(target)
            if matches!(target, Target::One(_) | Target::Minority(_) | Target::OneZone)
                && !matches!(verb, Verb::Crash { disk: Disk::Swapped, .. }) =>
        {
            let one = |name: Name| verb.clone().aimed(Target::All(Nodes::Like(Pattern::from(name))));
            picked(target, bits, cast).into_iter().map(one).collect()
        }
        _ => vec![verb],
    }
}

/// The nodes that a target takes.
fn picked(target: &Target, bits: Bits, cast: &Cast) -> Vec<Name> {
    let Some(nodes) = target.nodes() else { return Vec::new() };
    let mut names = in_order(nodes, bits, cast);
    let most = names.len().saturating_sub(1) / 2;
    match target {
        Target::All(_) | Target::Each(_) | Target::EachZone | Target::The(_) => {}
        Target::OneZone => {
            let zone = |name: &Name| cast.nodes.iter().find(|node| node.name == name.as_str())?.zone.clone();
            let drawn = names.first().and_then(zone);
            names.retain(|name| zone(name) == drawn);
        }
        Target::One(_) => names.truncate(1),
        Target::Minority(_) if most == 0 => names.clear(),
        Target::Minority(_) => names.truncate(1 + bits.of("count").below(most)),
    }
    names
}

/// The nodes, in an order that is drawn.
fn in_order(nodes: &Nodes, bits: Bits, cast: &Cast) -> Vec<Name> {
    let covered = cast.nodes.iter().filter(|node| nodes.covers(&node.name, node.zone.as_deref()));
    let mut names: Vec<Name> = covered.filter_map(|node| node.name.parse().ok()).collect();
    names.sort_by_key(|name| bits.of(name.as_str()).0);
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::VERBS;
    use crate::tolerance::{Copies, Down, Member};

    fn cast() -> Cast {
        let nodes = ["kv-1", "kv-2", "kv-3", "kv-4", "kv-5", "app", "client"];
        let member = |name: &str| {
            let copy_of = name.split('-').next().unwrap().to_owned();
            Member { name: name.to_owned(), copy_of, ..Member::default() }
        };
        let nodes = nodes.map(member).to_vec();
        let links = (0..5).flat_map(|kv| [(5, kv), (kv, 5)]).chain([(6, 5)]).collect();
        Cast { nodes, links, servers: 6, ..Cast::default() }
    }

    fn bounded() -> Tolerance {
        Tolerance {
            down: vec![("kv".parse().unwrap(), Down::Minority), ("app".parse().unwrap(), Down::Count(0))],
            loss: "40%".parse().ok(),
            clock: Some(Duration::from_millis(200)),
            disk: Some(Copies::One),
        }
    }

    fn nemesis() -> Nemesis {
        let until = Instant::from_nanos(90_000_000_000);
        Nemesis { tolerance: bounded(), faults: (0, 6), heal: Heal::Core, ..Nemesis::general(until) }
    }

    #[test]
    fn it_draws_from_every_verb_that_holds() {
        let verbs = VERBS.iter().filter(|entry| !entry.is_decision()).map(|entry| entry.name);
        assert_eq!(GENERAL.iter().map(|(verb, _)| *verb).collect::<Vec<_>>(), verbs.collect::<Vec<_>>());
        for (verb, drafts) in GENERAL {
            for text in *drafts {
                let draft: Draft =
                    text.replace("LINK", "a->b").parse().unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!(Fault::Timed(draft.drawn(|_| 7)).verb(), *verb);
            }
        }
    }

    #[test]
    fn each_seed_has_its_own_faults_and_always_the_same_inside_the_tolerance() {
        let (nemesis, cast) = (nemesis(), cast());
        let names: Vec<&str> = cast.nodes.iter().map(|node| node.name.as_str()).collect();
        let (mut verbs, mut counts) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..2_000 {
            let faults = nemesis.draw(Seed(seed), &[], &cast);
            assert_eq!(faults, nemesis.draw(Seed(seed), &[], &cast));
            assert_eq!(nemesis.tolerance.excess(&faults, &cast), None, "{faults:?}");
            for fault in &faults {
                assert_eq!(fault.to_string().parse().as_ref(), Ok(fault));
                assert!(fault.check_names(&names).is_ok() && !fault.is_off(), "{fault}");
                verbs.insert(fault.verb());
            }
            counts.insert(faults.len());
        }
        assert_eq!(verbs, GENERAL.iter().map(|(verb, _)| *verb).collect(), "all kinds come up");
        assert!(counts.contains(&0) && counts.iter().any(|count| *count >= 6), "{counts:?}");
    }

    #[test]
    fn a_core_comes_back_and_the_rest_never() {
        let (nemesis, cast) = (nemesis(), cast());
        let mut left = [0; 3];
        for seed in 0..300 {
            let for_ever = nemesis.draw(Seed(seed), &[], &cast).into_iter().filter(|fault| match fault {
                Fault::Timed(timed) => matches!(timed.when, When::From(at) if at >= nemesis.between.1),
                Fault::Decision(_) => false,
            });
            left[for_ever.count()] += 1;
        }
        assert!(left.iter().all(|count| *count > 60), "none, one or two of five: {left:?}");
    }

    #[test]
    fn half_of_the_kinds_are_switched_off_as_a_whole() {
        let nemesis = nemesis();
        let all = GENERAL.len() as f64;
        let mut on = 0;
        for seed in 0..400 {
            let live = nemesis.live(Bits(Seed(seed).key(name_hash("nemesis"))));
            for (verb, drafts) in GENERAL {
                let count = live.iter().filter(|draft| verb_of(draft) == *verb).count();
                assert!(count == 0 || count == drafts.len(), "{verb}: {count} of {}", drafts.len());
                on += usize::from(count > 0);
            }
        }
        let mean = on as f64 / 400.0 / all;
        // Of 400 seeds with some twenty coins each, five standard errors.
        assert!((mean - 0.5).abs() < 5.0 * 0.5 / libm::sqrt(400.0 * all), "{mean}");
    }
}
