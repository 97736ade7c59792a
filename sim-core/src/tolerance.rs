//! What a system is built to bear: more than that breaks anything, and proves nothing.
//!
//! A schedule is held against it as it is written, before any run: what dice are still to say counts for the worst they can say.
//! The idea is that of FoundationDB's kills, which are toned down to what replication survives, and of TigerBeetle's atlas of
//! faults, which leaves one good copy of everything.

use std::collections::BTreeSet;

use crate::actor::Message;
use crate::amount::Shift;
use crate::dice::Group;
use crate::fault::{ClockError, Disk, DiskIll, Fault, Pace, Target, Timed, Verb};
use crate::pattern::Pattern;
use crate::ratio::Ratio;
use crate::system::{Machine, System};
use crate::time::{Duration, Instant};

/// What a system bears at most; what is not said is not limited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tolerance {
    /// Of these nodes so many may be down or frozen at once.
    pub down: Vec<(Pattern, Down)>,
    /// Share of envelopes of a link that may be lost, all losses of one instant together.
    pub loss: Option<Ratio>,
    /// How far a clock may be from true time.
    pub clock: Option<Duration>,
    /// How many copies may be hurt, over the whole run.
    pub disk: Option<Copies>,
}

/// How many of several nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// At most so many.
    Count(u64),
    /// Fewer than half of them.
    Minority,
}

/// Whose disks may be hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// Nobody's.
    None,
    /// Of nodes of one name (the replicas of a service, the members of a group) one node's.
    One,
}

/// Who is there, as far as a schedule knows: nodes, and who sends to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cast {
    /// Nodes, in order.
    pub nodes: Vec<Member>,
    /// Directed links in use, by places among the nodes.
    pub links: Vec<(usize, usize)>,
    /// How many of the nodes, from the first on, are part of the system; those behind them ask it.
    pub servers: usize,
}

/// A node, as far as a schedule knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What it is a copy of; its own name when it is the only one.
    pub copy_of: String,
    /// Where it stands, if that is said.
    pub zone: Option<String>,
}

/// What is too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// From when on.
    pub at: Instant,
    /// What, and how much there may be.
    pub what: String,
}

/// A fault, and when it may hold.
struct Span<'a> {
    begin: Instant,
    end: Instant,
    verb: &'a Verb,
}

impl Cast {
    /// The nodes of a system, everybody in touch with everybody, and nobody a client.
    pub fn of<M: Message>(system: &System<M>) -> Cast {
        let member = |((name, group), machine): ((&String, &Group), &Machine<M>)| Member {
            name: name.clone(),
            copy_of: system.group_names[group.0 as usize].clone(),
            zone: machine.zone.as_deref().map(str::to_owned),
        };
        let named = system.names().nodes().iter().zip(&system.groups);
        let nodes: Vec<Member> = named.zip(&system.nodes).map(member).collect();
        let count = nodes.len();
        let links = (0..count).flat_map(|from| (0..count).map(move |to| (from, to))).filter(|(from, to)| from != to);
        Cast { links: links.collect(), servers: count, nodes }
    }

    fn covered<'a>(&'a self, covers: impl Fn(&Member) -> bool + 'a) -> impl Iterator<Item = usize> + 'a {
        self.nodes.iter().enumerate().filter(move |(_, node)| covers(node)).map(|(place, _)| place)
    }
}

impl Down {
    /// The same as a number, of so many nodes.
    pub fn of(self, nodes: usize) -> usize {
        match self {
            Down::Count(count) => usize::try_from(count).unwrap_or(usize::MAX).min(nodes),
            Down::Minority => nodes.saturating_sub(1) / 2,
        }
    }
}

impl Tolerance {
    /// The first thing in a schedule that is too much; none when it stays inside.
    pub fn excess(&self, faults: &[Fault], cast: &Cast) -> Option<Excess> {
        let timed = faults.iter().filter(|fault| !fault.is_off()).filter_map(|fault| match fault {
            Fault::Timed(timed) => Some(span(timed)),
            Fault::Decision(_) => None,
        });
        let spans: Vec<Span<'_>> = timed.collect();
        let begins: BTreeSet<Instant> = spans.iter().map(|span| span.begin).collect();
        begins.into_iter().find_map(|at| {
            let (so_far, now): (Vec<&Span<'_>>, Vec<&Span<'_>>) = (
                spans.iter().filter(|span| span.begin <= at).collect(),
                spans.iter().filter(|span| span.begin <= at && at < span.end).collect(),
            );
            let what = self.too_many_down(&now, cast).or_else(|| self.too_lossy(&now, cast));
            let what =
                what.or_else(|| self.too_wrong(&so_far, at, cast)).or_else(|| self.too_few_copies(&so_far, cast));
            what.map(|what| Excess { at, what })
        })
    }

    fn too_many_down(&self, now: &[&Span<'_>], cast: &Cast) -> Option<String> {
        self.down.iter().find_map(|(pattern, down)| {
            let group: BTreeSet<usize> = cast.covered(|node| pattern.covers(&node.name)).collect();
            let (mut sure, mut drawn) = (BTreeSet::new(), 0);
            let downs = now.iter().filter(|span| burden(span.verb).takes_down);
            for (verb, target) in downs.filter_map(|span| Some((span.verb, span.verb.target()?))) {
                let hit: BTreeSet<usize> =
                    cast.covered(|node| may_strike(target, node)).filter(|node| group.contains(node)).collect();
                match most(verb, target, hit.len()) {
                    all if all == hit.len() => sure.extend(hit),
                    some => drawn += some,
                }
            }
            let (count, most) = ((sure.len() + drawn).min(group.len()), down.of(group.len()));
            (count > most).then(|| format!("{count} of {pattern} may be down at once, and {most} may be"))
        })
    }

    fn too_lossy(&self, now: &[&Span<'_>], cast: &Cast) -> Option<String> {
        let most = self.loss?;
        let lossy: Vec<(&Verb, Ratio)> =
            now.iter().filter_map(|span| Some((span.verb, burden(span.verb).loss?))).collect();
        let name = |place: usize| cast.nodes[place].name.as_str();
        cast.links.iter().map(|(from, to)| (name(*from), name(*to))).find_map(|(from, to)| {
            let on_it = lossy.iter().filter(|(verb, _)| verb.link().is_some_and(|link| link.covers(from, to)));
            let lost = on_it.fold(Ratio::ZERO, |lost, (_, ratio)| lost.or(*ratio));
            (lost > most).then(|| format!("{lost} is lost on {from}->{to}, and {most} may be"))
        })
    }

    fn too_wrong(&self, so_far: &[&Span<'_>], at: Instant, cast: &Cast) -> Option<String> {
        let most = self.clock?;
        cast.nodes.iter().find_map(|node| {
            let of_it = so_far.iter().filter(|span| span.verb.target().is_some_and(|it| may_strike(it, node)));
            let wrong = of_it.map(|span| wrong_by(span, at)).fold(Duration::ZERO, Duration::saturating_add);
            (wrong > most).then(|| format!("the clock of {} may be wrong by {wrong}, and {most} is borne", node.name))
        })
    }

    fn too_few_copies(&self, so_far: &[&Span<'_>], cast: &Cast) -> Option<String> {
        let copies = self.disk?;
        let hurt: BTreeSet<usize> = so_far
            .iter()
            .filter(|span| burden(span.verb).hurts_disk)
            .filter_map(|span| span.verb.target())
            .flat_map(|target| cast.covered(|node| may_strike(target, node)))
            .collect();
        let first = hurt.iter().find(|node| match copies {
            Copies::None => true,
            Copies::One => {
                hurt.iter().any(|other| other != *node && cast.nodes[*other].copy_of == cast.nodes[**node].copy_of)
            }
        })?;
        let Member { name, copy_of, .. } = &cast.nodes[*first];
        Some(match copies {
            Copies::None => format!("the disk of {name} may be hurt, and none may be"),
            Copies::One => format!("more than one disk of {copy_of} may be hurt, and one may be"),
        })
    }
}

/// When a fault may hold; with lengths that are drawn, to the end of its window.
fn span(timed: &Timed) -> Span<'_> {
    let begin = timed.when.begin();
    let window = timed.when.end().unwrap_or(Instant::NEVER);
    let end = match (timed.every, timed.length) {
        // It may strike at the very end.
        (_, Some(Pace::Exactly(length))) if timed.trigger.is_some() => window + length,
        (None, Some(Pace::Exactly(length))) => (begin + length).min(window),
        _ => window,
    };
    Span { begin, end, verb: &timed.verb }
}

/// Whether a target may be that node: who has a role then, nobody knows.
fn may_strike(target: &Target, node: &Member) -> bool {
    target.nodes().is_none_or(|nodes| nodes.covers(&node.name, node.zone.as_deref()))
}

/// How many of so many nodes a fault takes at a time, at most.
fn most(verb: &Verb, target: &Target, nodes: usize) -> usize {
    let at_once = match target {
        // Of one zone all may stand in it.
        Target::All(_) | Target::Each(_) | Target::EachZone | Target::OneZone => nodes,
        Target::One(_) | Target::The(_) => nodes.min(1),
        Target::Minority(_) => Down::Minority.of(nodes),
    };
    match verb {
        Verb::Restart { .. } | Verb::Rollback { .. } => at_once.min(1),
        Verb::Scale { count, .. } => at_once.saturating_sub(*count as usize),
        Verb::Deploy { share: Some(share), .. } => at_once.min(libm::ceil(share.as_f64() * nodes as f64) as usize),
        _ => at_once,
    }
}

/// What a fault asks a system to bear, clocks apart.
#[derive(Clone, Copy)]
struct Burden {
    /// A node does not answer while it holds.
    takes_down: bool,
    /// The share that it loses of what is sent on its links; a link that is cut is no lossy one.
    loss: Option<Ratio>,
    /// It harms what a node has written, for good.
    hurts_disk: bool,
}

const NOTHING: Burden = Burden { takes_down: false, loss: None, hurts_disk: false };

fn burden(verb: &Verb) -> Burden {
    let loss = |ratio: &Ratio| Burden { loss: Some(*ratio), ..NOTHING };
    match verb {
        Verb::Crash { disk, .. } => Burden { takes_down: true, hurts_disk: hurts(*disk), ..NOTHING },
        // What was not synced was not promised.
        Verb::PowerLoss { .. }
        | Verb::Pause { .. }
        | Verb::Stop { .. }
        | Verb::Restart { .. }
        | Verb::Deploy { .. }
        | Verb::Rollback { .. }
        | Verb::Scale { .. } => Burden { takes_down: true, ..NOTHING },
        Verb::Loss { ratio, .. } | Verb::Corrupt { ratio, .. } => loss(ratio),
        Verb::BurstLoss { ratio, rest, .. } => loss(ratio.max(rest)),
        Verb::Disk { ill, .. } => Burden { hurts_disk: harms(*ill), ..NOTHING },
        Verb::Partition { .. }
        | Verb::Cut { .. }
        | Verb::Delay { .. }
        | Verb::Duplicate { .. }
        | Verb::Bandwidth { .. }
        | Verb::Refuse { .. }
        | Verb::Swizzle { .. }
        | Verb::Clog { .. }
        | Verb::Slow { .. }
        | Verb::Rush { .. }
        | Verb::Skew { .. }
        | Verb::Hang { .. }
        | Verb::Fail { .. }
        | Verb::Buggify { .. }
        | Verb::Clock { .. } => NOTHING,
    }
}

fn hurts(disk: Disk) -> bool {
    match disk {
        Disk::Wiped | Disk::Swapped => true,
        Disk::Kept => false,
    }
}

fn harms(ill: DiskIll) -> bool {
    match ill {
        DiskIll::SyncFails
        | DiskIll::SyncLies
        | DiskIll::TornWrite
        | DiskIll::BitRot
        | DiskIll::Misdirected
        | DiskIll::ReadError => true,
        // It says so, and nothing is promised.
        DiskIll::Slow(_) | DiskIll::Stall | DiskIll::Full => false,
    }
}

/// How far a fault has moved a clock, at most, by the time at which another begins; what it has yet to gain until its end too.
fn wrong_by(span: &Span<'_>, at: Instant) -> Duration {
    let Verb::Clock { error, .. } = span.verb else { return Duration::ZERO };
    let length = |ahead: &Shift| Duration::from_nanos(ahead.nanos().unsigned_abs());
    let held = span.end != Instant::NEVER;
    match error {
        ClockError::Step(ahead) | ClockError::Strobe { ahead, .. } if at < span.end => length(ahead),
        ClockError::Step(_) | ClockError::Strobe { .. } => Duration::ZERO,
        ClockError::Leap(ahead) | ClockError::Smear(ahead) => length(ahead),
        ClockError::Discipline { error, .. } if at < span.end => *error,
        ClockError::Discipline { .. } => Duration::ZERO,
        // Without an end it is wrong without a bound.
        ClockError::Freeze | ClockError::Drift(_) if !held => Duration::FOREVER,
        ClockError::Freeze if at < span.end => span.end.since(span.begin),
        ClockError::Freeze => Duration::ZERO,
        ClockError::Drift(rate) => {
            let gained = u128::from(span.end.since(span.begin).nanos()) * u128::from(rate.ppb().unsigned_abs());
            Duration::from_nanos(u64::try_from(gained / 1_000_000_000).unwrap_or(u64::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cast() -> Cast {
        let nodes = ["kv-1", "kv-2", "kv-3", "app"];
        let member = |name: &str| {
            let copy_of = name.split('-').next().unwrap().to_owned();
            Member { name: name.to_owned(), copy_of, zone: None }
        };
        let nodes = nodes.map(member).to_vec();
        Cast { nodes, links: vec![(3, 0), (0, 3)], servers: 4 }
    }

    fn check(tolerance: &Tolerance, faults: &str, wanted: Option<&str>) {
        let faults: Vec<Fault> = faults.split(';').map(|line| line.trim().parse().unwrap()).collect();
        let excess = tolerance.excess(&faults, &cast()).map(|excess| format!("{}: {}", excess.at, excess.what));
        assert_eq!(excess.as_deref(), wanted, "{faults:?}");
    }

    #[test]
    fn no_more_may_be_down_at_once_than_is_said() {
        let minority = Tolerance { down: vec![("kv".parse().unwrap(), Down::Minority)], ..Tolerance::default() };
        check(&minority, "1s..3s crash kv-1; 3s..5s pause kv-2; 4s..9s slow kv-1 x3", None);
        let two = Some("2s: 2 of kv may be down at once, and 1 may be");
        check(&minority, "1s..3s crash kv-1; 2s.. power-loss kv-3", two);
        check(&minority, "1s..3s crash kv-1; 2s.. crash one of kv", two);
        check(&minority, "1s..3s crash kv-1; 2s..3s pause kv-1; 2s..3s crash app", None);
        check(&minority, "0s..9s crash one of kv every 1s for 1s", None);
        check(&minority, "1s.. crash any minority of kv", None);
    }

    #[test]
    fn losses_of_one_link_and_instant_go_together() {
        let tolerance = Tolerance { loss: "20%".parse().ok(), ..Tolerance::default() };
        check(&tolerance, "1s..3s loss app->kv-1 10%; 2s..9s loss app<->kv 10%", None);
        let lossy = Some("2s: 28% is lost on app->kv-1, and 20% may be");
        check(&tolerance, "1s..3s loss app->kv-1 10%; 2s..9s loss app<->kv 20%", lossy);
        check(&tolerance, "1s..2s loss app->kv-1 10%; 2s..9s loss app<->kv 20%; 1s.. loss kv->kv 50%", None);
    }

    #[test]
    fn clocks_and_disks_have_their_bounds() {
        let tolerance =
            Tolerance { clock: Some(Duration::from_millis(200)), disk: Some(Copies::One), ..Tolerance::default() };
        check(&tolerance, "1s clock kv step +200ms; 2s..102s clock app drift -2000ppm", None);
        let wrong = Some("2s: the clock of kv-2 may be wrong by 300ms, and 200ms is borne");
        check(&tolerance, "1s clock kv-2 step +200ms; 2s..102s clock kv-2 drift -1000ppm", wrong);
        check(&tolerance, "1s disk kv-1 bit-rot; 2s disk app bit-rot; 3s..4s crash kv-1 wiping disk", None);
        let hurt = Some("2s: more than one disk of kv may be hurt, and one may be");
        check(&tolerance, "1s disk kv-1 bit-rot; 2s..4s crash kv-2 wiping disk", hurt);
        let none = Tolerance { disk: Some(Copies::None), ..Tolerance::default() };
        check(&none, "1s disk kv-1 bit-rot", Some("1s: the disk of kv-1 may be hurt, and none may be"));
    }
}
