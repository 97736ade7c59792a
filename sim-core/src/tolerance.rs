//! What a system is built to bear: more than that breaks anything, and proves nothing.
//!
//! A schedule is held against it as it is written, before any run: what dice are still to say counts for the worst they can say.
//! The idea is that of FoundationDB's kills, which are toned down to what replication survives, and of TigerBeetle's atlas of
//! faults, which leaves one good copy of everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::Message;
use crate::amount::Shift;
use crate::dice::Group;
use crate::fault::{ClockError, Disk, DiskIll, Fault, Groups, Nodes, Pace, Sides, Stands, Target, Timed, Verb};
use crate::id::NodeId;
use crate::pattern::{Called, Pattern};
use crate::ratio::Ratio;
use crate::system::{Machine, Prepared, System};
use crate::time::{Duration, Instant};
use crate::tripwire::Passages;

/// What a system bears at most; what is not said is not limited.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tolerance {
    /// Of these nodes so many may be down, frozen, hanging or cut off from everybody at once.
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
    /// Of nodes of one name (the replicas of a service, the members of a group) one node's; of a lone one nobody's.
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
    /// What share those links lose that lose any without a fault.
    pub lossy: BTreeMap<(usize, usize), Ratio>,
}

/// A node, as far as a schedule knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// What it is a copy of; its own name when it is the only one.
    pub copy_of: String,
    /// Where it stands, if that is said.
    pub zone: Option<String>,
    /// How long it takes to start again, down all the while.
    pub startup: Duration,
    /// How long it may take to stop when it is asked to and the fault does not say, without new work all the while.
    pub grace: Duration,
    /// How far its wall clock may be from true time without any fault.
    pub clock: Duration,
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
    timed: &'a Timed,
    verb: &'a Verb,
}

/// Whom a fault takes out.
enum Taken<'a> {
    /// Those that it strikes.
    Struck(&'a Target),
    /// Those that hear only each other.
    CutOff(&'a Groups),
}

impl Cast {
    /// The nodes of a system, everybody in touch with everybody, and nobody a client.
    pub fn of<M: Message>(system: &System<M>) -> Cast {
        let member = |((name, group), machine): ((&String, &Group), &Machine<M>)| Member {
            name: name.clone(),
            copy_of: system.group_names[group.0 as usize].clone(),
            zone: machine.zone.as_deref().map(str::to_owned),
            ..Member::default()
        };
        let named = system.names().nodes().iter().zip(&system.groups);
        let nodes: Vec<Member> = named.zip(&system.nodes).map(member).collect();
        let count = nodes.len();
        let links = (0..count).flat_map(|from| (0..count).map(move |to| (from, to))).filter(|(from, to)| from != to);
        Cast { links: links.collect(), servers: count, nodes, lossy: BTreeMap::new() }.equipped(system)
    }

    /// The same nodes and links, with what those of a system are like that has them in this order.
    #[must_use]
    pub fn as_built<M: Message>(self, system: &Prepared<M>) -> Cast {
        self.equipped(&system.0.system)
    }

    fn equipped<M: Message>(mut self, system: &System<M>) -> Cast {
        for (node, machine) in self.nodes.iter_mut().zip(&system.nodes) {
            (node.startup, node.grace) = (machine.startup, machine.grace);
            node.clock = machine.clock.wrong_by(machine.discipline);
        }
        let node = |place: usize| NodeId(place as u32);
        let lost = |(from, to): (usize, usize)| {
            let link = system.links.get(node(from), node(to));
            link.loss.or(link.corruption)
        };
        let lossy = self.links.iter().map(|link| (*link, lost(*link))).filter(|(_, lost)| *lost > Ratio::ZERO);
        self.lossy = lossy.collect();
        self
    }

    /// What a link loses without any fault.
    fn loses(&self, link: (usize, usize)) -> Ratio {
        self.lossy.get(&link).copied().unwrap_or(Ratio::ZERO)
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
        self.excess_from(Instant::ZERO, faults, cast)
    }

    /// The same, where all that begins before some instant is known to stay inside.
    ///
    /// One goes through the schedule by its beginnings, since nothing becomes too much but by something that begins, and looks each
    /// time only at what begins and at what still holds.
    pub(crate) fn excess_from(&self, known: Instant, faults: &[Fault], cast: &Cast) -> Option<Excess> {
        let timed = faults.iter().filter(|fault| self.minds(fault)).filter_map(|fault| match fault {
            Fault::Timed(timed) => Some(span(timed, cast)),
            Fault::Decision(_) => None,
        });
        let mut spans: Vec<Span<'_>> = timed.collect();
        spans.sort_by_key(|span| span.begin);
        let roll = Roll::of(cast);
        let mut so_far = SoFar { out: Vec::new(), held: Vec::new(), hurt: BTreeSet::new(), groups: self.groups(cast) };
        // As the run begins a system shows what it is like without any fault.
        let begins: BTreeSet<Instant> = spans.iter().map(|span| span.begin).chain([Instant::ZERO]).collect();
        let mut rest = &spans[..];
        begins.into_iter().find_map(|at| {
            let (begun, later) = rest.split_at(rest.partition_point(|span| span.begin <= at));
            rest = later;
            let hurt = so_far.take(begun, at, &roll);
            if at < known {
                return None;
            }
            let what = so_far.too_many_down(at, cast).or_else(|| self.too_lossy(&so_far.held, begun, at, cast));
            let what = what.or_else(|| self.too_wrong(&so_far.held, begun, at, cast));
            let what = what.or_else(|| self.too_few_copies(&hurt, &so_far.hurt, &roll));
            what.map(|what| Excess { at, what })
        })
    }

    /// The nodes of which so many may be out, each with what it is called and how many that are.
    fn groups(&self, cast: &Cast) -> Vec<Watched> {
        let watched = |(pattern, down): &(Pattern, Down)| {
            let is_in: Vec<bool> = cast.nodes.iter().map(|node| pattern.covers(&node.name)).collect();
            let count = is_in.iter().filter(|is_in| **is_in).count();
            Watched { name: pattern.clone(), is_in, count, most: down.of(count) }
        };
        self.down.iter().map(watched).collect()
    }

    /// Whether a fault bears on anything that is limited.
    pub(crate) fn minds(&self, fault: &Fault) -> bool {
        let Fault::Timed(Timed { verb, .. }) = fault else { return false };
        let Burden { loss, hurts_disk } = burden(verb);
        let bears = !self.down.is_empty() && taken(verb).is_some()
            || self.loss.is_some() && loss.is_some()
            || self.clock.is_some() && sets_wall_wrong(verb)
            || self.disk.is_some() && hurts_disk;
        bears && !fault.is_off()
    }

    fn too_lossy(&self, held: &[&Span<'_>], begun: &[Span<'_>], at: Instant, cast: &Cast) -> Option<String> {
        let most = self.loss?;
        let loses = |span: &Span<'_>, from: &str, to: &str| {
            burden(span.verb).loss.filter(|_| span.verb.link().is_some_and(|link| link.covers(from, to)))
        };
        let name = |place: usize| cast.nodes[place].name.as_str();
        cast.links.iter().find_map(|link| {
            let (from, to) = (name(link.0), name(link.1));
            if at > Instant::ZERO && begun.iter().all(|span| loses(span, from, to).is_none()) {
                return None;
            }
            let on_it = held.iter().filter(|span| at < span.end).filter_map(|span| loses(span, from, to));
            let lost = on_it.fold(cast.loses(*link), Ratio::or);
            (lost > most).then(|| format!("{lost} is lost on {from}->{to}, and {most} may be"))
        })
    }

    fn too_wrong(&self, held: &[&Span<'_>], begun: &[Span<'_>], at: Instant, cast: &Cast) -> Option<String> {
        let most = self.clock?;
        let is_about =
            |span: &Span<'_>, node: &Member| span.verb.target().is_some_and(|target| may_strike(target, node));
        cast.nodes.iter().find_map(|node| {
            if at > Instant::ZERO && !begun.iter().any(|span| sets_wall_wrong(span.verb) && is_about(span, node)) {
                return None;
            }
            let of_it = held.iter().filter(|span| sets_wall_wrong(span.verb) && is_about(span, node));
            let wrong = of_it.map(|span| wrong_by(span, at)).fold(node.clock, Duration::saturating_add);
            let by = if wrong == Duration::FOREVER { "without a bound".to_owned() } else { format!("by {wrong}") };
            (wrong > most).then(|| format!("the clock of {} may be wrong {by}, and {most} is borne", node.name))
        })
    }

    /// Of disks that may be hurt from now on, and all that may be.
    fn too_few_copies(&self, fresh: &[usize], hurt: &BTreeSet<usize>, roll: &Roll<'_>) -> Option<String> {
        let copies = self.disk?;
        fresh.iter().find_map(|node| {
            let Member { name, copy_of, .. } = &roll.cast.nodes[*node];
            let all = roll.copies.get(copy_of.as_str()).map_or(&[][..], Vec::as_slice);
            match copies {
                Copies::None => Some(format!("the disk of {name} may be hurt, and none may be")),
                Copies::One if all.len() == 1 => {
                    Some(format!("the disk of {name} may be hurt, and it is the only copy"))
                }
                Copies::One if all.iter().filter(|node| hurt.contains(node)).take(2).count() > 1 => {
                    Some(format!("more than one disk of {copy_of} may be hurt, and one may be"))
                }
                Copies::One => None,
            }
        })
    }
}

/// Nodes by the names that a schedule calls them by.
struct Roll<'a> {
    cast: &'a Cast,
    called: Called<'a>,
    /// By what they are copies of.
    copies: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Roll<'a> {
    fn of(cast: &'a Cast) -> Self {
        let mut copies: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, node) in cast.nodes.iter().enumerate() {
            copies.entry(&node.copy_of).or_default().push(place);
        }
        Roll { cast, called: Called::of(cast.nodes.iter().map(|node| node.name.as_str())), copies }
    }

    /// Whom a target may be: of one who is called by name nobody else is looked at.
    fn struck(&self, target: &Target) -> Vec<usize> {
        let named = match target.nodes() {
            Some(Nodes::Like(pattern)) => self.called.by(pattern),
            Some(Nodes::Range(_) | Nodes::Zone(_) | Nodes::Zoned) | None => None,
        };
        let search = || self.cast.covered(|node| may_strike(target, node)).collect();
        named.map_or_else(search, <[usize]>::to_vec)
    }

    /// Whom a fault may take out.
    fn taken(&self, taken: &Taken<'_>) -> Vec<usize> {
        match taken {
            Taken::Struck(target) => self.struck(target),
            Taken::CutOff(_) => self.cast.covered(|node| taken.may_be(node)).collect(),
        }
    }
}

/// Nodes of which so many may be out.
struct Watched {
    name: Pattern,
    /// By place among the nodes.
    is_in: Vec<bool>,
    count: usize,
    most: usize,
}

/// A fault that takes nodes out, and until when it may have each of them out.
struct Out<'a> {
    taken: Taken<'a>,
    timed: &'a Timed,
    hits: Vec<(usize, Instant)>,
    /// How long each may be out beyond the end.
    after: Duration,
    end: Instant,
}

/// What of a schedule has begun.
struct SoFar<'a, 's> {
    out: Vec<Out<'a>>,
    /// All that bears on anything.
    held: Vec<&'s Span<'a>>,
    hurt: BTreeSet<usize>,
    groups: Vec<Watched>,
}

impl<'a, 's> SoFar<'a, 's> {
    /// Takes what begins now; the nodes whose disks may be hurt from now on.
    fn take(&mut self, begun: &'s [Span<'a>], at: Instant, roll: &Roll<'_>) -> Vec<usize> {
        self.out.retain(|out| at < out.end);
        self.out.extend(begun.iter().filter_map(|span| {
            let taken = taken(span.verb)?;
            let member = |place: usize| &roll.cast.nodes[place];
            let hits: Vec<(usize, Instant)> =
                roll.taken(&taken).into_iter().map(|place| (place, span.end_for(member(place)))).collect();
            let end = hits.iter().map(|(_, end)| *end).max()?;
            let after = hits.iter().map(|(place, _)| span.lasts_on(member(*place))).max()?;
            Some(Out { taken, timed: span.timed, hits, after, end })
        }));
        self.held.extend(begun);
        let hurting = begun.iter().filter(|span| burden(span.verb).hurts_disk);
        let targets = hurting.filter_map(|span| span.verb.target());
        let hit: BTreeSet<usize> = targets.flat_map(|target| roll.struck(target)).collect();
        hit.into_iter().filter(|node| self.hurt.insert(*node)).collect()
    }

    fn too_many_down(&self, at: Instant, cast: &Cast) -> Option<String> {
        let mut is_sure = vec![usize::MAX; if self.out.is_empty() { 0 } else { cast.nodes.len() }];
        self.groups.iter().enumerate().find_map(|(turn, group)| {
            let (mut sure, mut drawn) = (0usize, 0usize);
            for out in &self.out {
                let hit = || out.hits.iter().filter(|(node, end)| group.is_in[*node] && at < *end);
                let count = hit().count();
                match out.taken.at_once(out.timed, count, out.after) {
                    all if all == count => {
                        for (node, _) in hit() {
                            sure += usize::from(std::mem::replace(&mut is_sure[*node], turn) != turn);
                        }
                    }
                    some => drawn = drawn.saturating_add(some),
                }
            }
            let (count, name, most) = (sure.saturating_add(drawn).min(group.count), &group.name, group.most);
            (count > most).then(|| format!("{count} of {name} may be down at once, and {most} may be"))
        })
    }
}

impl Span<'_> {
    /// Until when a node may be out.
    fn end_for(&self, node: &Member) -> Instant {
        self.end + self.lasts_on(node)
    }

    /// How long a node may be out beyond the end of the fault: a process that was ended is not back before it has started, and one
    /// that was asked to stop has the time to do so first. Who only starts again serves meanwhile; but nobody knows when it goes.
    fn lasts_on(&self, node: &Member) -> Duration {
        match self.verb {
            verb if !ends_process(verb) => Duration::ZERO,
            Verb::Stop { grace, .. } => node.startup.saturating_add(grace.unwrap_or(node.grace)),
            Verb::Scale { .. } => node.startup.saturating_add(node.grace),
            verb if verb.is_paced() && !node.startup.is_zero() => node.startup.saturating_add(node.grace),
            _ => node.startup,
        }
    }
}

impl Taken<'_> {
    /// Whether it may be that node: who has a role then, nobody knows.
    fn may_be(&self, node: &Member) -> bool {
        match self {
            Taken::Struck(target) => may_strike(target, node),
            Taken::CutOff(groups) => {
                let rest = groups.iter().position(|group| group.iter().any(Pattern::is_all));
                rest.is_some() && groups.group_of(&node.name) != rest
            }
        }
    }

    /// How many of so many nodes are out at one instant, at most.
    fn at_once(&self, timed: &Timed, nodes: usize, after: Duration) -> usize {
        let Taken::Struck(target) = self else { return nodes };
        most(timed, target, nodes).saturating_mul(turns_at_once(timed, after)).min(nodes)
    }
}

/// Whom a fault takes out for everybody: who is down, frozen or hangs, and who alone is cut off from all the others.
///
/// Who hangs at one endpoint only, and the sides of a partition of which none is the rest, still serve some.
fn taken(verb: &Verb) -> Option<Taken<'_>> {
    match verb {
        Verb::Crash { target, .. }
        | Verb::PowerLoss { target }
        | Verb::Pause { target, .. }
        | Verb::Stop { target, .. }
        | Verb::Restart { target }
        | Verb::Deploy { target, .. }
        | Verb::Rollback { target }
        | Verb::Scale { target, .. }
        | Verb::Hang { target, place: None }
        | Verb::Partition { sides: Sides::Isolate(target), .. } => Some(Taken::Struck(target)),
        Verb::Partition { sides: Sides::Groups(groups), .. } => Some(Taken::CutOff(groups)),
        Verb::Partition { sides: Sides::Halves(_) | Sides::Bridge(_) | Sides::Ring(_) | Sides::RingOf(_), .. }
        | Verb::Hang { place: Some(_), .. }
        | Verb::Cut { .. }
        | Verb::Loss { .. }
        | Verb::BurstLoss { .. }
        | Verb::Delay { .. }
        | Verb::Duplicate { .. }
        | Verb::Corrupt { .. }
        | Verb::Bandwidth { .. }
        | Verb::Refuse { .. }
        | Verb::Swizzle { .. }
        | Verb::Clog { .. }
        | Verb::Slow { .. }
        | Verb::Rush { .. }
        | Verb::Skew { .. }
        | Verb::Fail { .. }
        | Verb::Buggify { .. }
        | Verb::Clock { .. }
        | Verb::Disk { .. } => None,
    }
}

/// Whether whom it takes out has to start again.
fn ends_process(verb: &Verb) -> bool {
    match taken(verb) {
        Some(Taken::Struck(_)) => !matches!(verb, Verb::Pause { .. } | Verb::Hang { .. } | Verb::Partition { .. }),
        Some(Taken::CutOff(_)) | None => false,
    }
}

/// When a fault may hold; with lengths that are drawn, to the end of its window.
fn span<'a>(timed: &'a Timed, cast: &Cast) -> Span<'a> {
    let begin = timed.when.begin();
    let window = timed.when.end().unwrap_or(Instant::NEVER);
    let end = match (timed.every, timed.length) {
        _ if timed.verb.is_paced() => begin + going_round(timed, cast),
        // It may strike at the very end.
        (_, Some(Pace::Exactly(length))) if timed.trigger.is_some() => window + length,
        (None, Some(Pace::Exactly(length))) => (begin + length).min(window),
        _ => window,
    };
    Span { begin, end: end.min(window.max(begin + MOMENT)), timed, verb: &timed.verb }
}

/// What strikes and lets go at one instant holds at that instant.
const MOMENT: Duration = Duration::from_nanos(1);

/// When a fault that goes from one group of nodes to the next has come to the last, and that one is back.
pub(crate) fn last_round(timed: &Timed, cast: &Cast) -> Instant {
    let span = span(timed, cast);
    cast.nodes.iter().map(|node| span.end_for(node)).max().unwrap_or(span.end)
}

/// How long a fault takes that goes from one group of nodes to the next.
fn going_round(timed: &Timed, cast: &Cast) -> Duration {
    let Some(target) = timed.verb.target() else { return MOMENT };
    let nodes = cast.covered(|node| may_strike(target, node)).count();
    let pace = timed.every.map_or(Duration::ZERO, Pace::mean);
    let rounds = nodes.div_ceil(most(timed, target, nodes).max(1)).saturating_sub(1);
    Duration::from_nanos(pace.nanos().saturating_mul(rounds as u64)).saturating_add(MOMENT)
}

/// Whether a target may be that node: who has a role then, nobody knows.
fn may_strike(target: &Target, node: &Member) -> bool {
    target.nodes().is_none_or(|nodes| nodes.covers(&node.name, node.zone.as_deref()))
}

/// How many of so many nodes a fault takes at a time, at most.
fn most(timed: &Timed, target: &Target, nodes: usize) -> usize {
    let at_once = match target {
        // Of one zone all may stand in it.
        Target::All(_) | Target::Each(_) | Target::EachZone | Target::OneZone => nodes,
        Target::One(_) | Target::The(_) => nodes.min(1),
        Target::Minority(_) => Down::Minority.of(nodes),
    };
    let share_of = |share: f64| at_once.min(libm::ceil(share * nodes as f64) as usize);
    match (&timed.verb, &timed.trigger) {
        // Without a pace all go at the same instant.
        (Verb::Restart { .. } | Verb::Rollback { .. }, None) if timed.every.is_some() => at_once.min(1),
        (Verb::Deploy { share: Some(share), .. }, None) if timed.every.is_some() => share_of(share.as_f64()),
        (Verb::Scale { count, .. }, None) => at_once.saturating_sub(*count as usize),
        (_, None) => at_once,
        // Each passage that is told by its number strikes one node: whose it is; of each node when they are counted apart.
        (_, Some(trigger)) => match (&trigger.passages, target) {
            (Passages::Nth(_), Target::Each(_)) | (Passages::Every | Passages::Share(_), _) => nodes,
            (Passages::Nth(which), _) => nodes.min(which.len()),
        },
    }
}

/// How many times of a fault that returns, or goes from node to node, leave nodes out at one instant, at most: those of before
/// may still be so for a while after each.
fn turns_at_once(timed: &Timed, after: Duration) -> usize {
    let turns = |down: Duration, apart: Duration| match apart.nanos() {
        0 => usize::MAX,
        apart => usize::try_from(down.nanos().div_ceil(apart)).unwrap_or(usize::MAX).max(1),
    };
    match (timed.every, timed.length) {
        _ if after.is_zero() => 1,
        (None, _) => 1,
        (Some(pace), _) if timed.verb.is_paced() => turns(after, pace.mean()),
        // It holds once, to the end of its window.
        (Some(_), None) => 1,
        (Some(Pace::About(_)), Some(_)) => usize::MAX,
        (Some(Pace::Exactly(gap)), Some(Pace::Exactly(length))) => {
            turns(length.saturating_add(after), gap.saturating_add(length))
        }
        (Some(Pace::Exactly(gap)), Some(Pace::About(_))) => turns(after, gap),
    }
}

/// What a fault asks links and disks to bear.
#[derive(Clone, Copy)]
struct Burden {
    /// The share that it loses of what is sent on its links; a link that is cut is no lossy one.
    loss: Option<Ratio>,
    /// It harms what a node has written, for good.
    hurts_disk: bool,
}

const NOTHING: Burden = Burden { loss: None, hurts_disk: false };

fn burden(verb: &Verb) -> Burden {
    let loss = |ratio: &Ratio| Burden { loss: Some(*ratio), ..NOTHING };
    match verb {
        Verb::Crash { disk, .. } => Burden { hurts_disk: hurts(*disk), ..NOTHING },
        Verb::Loss { ratio, .. } | Verb::Corrupt { ratio, .. } => loss(ratio),
        Verb::BurstLoss { ratio, rest, .. } => loss(ratio.max(rest)),
        // Of what finds no room all is lost.
        Verb::Bandwidth { queue: Some(_), .. } => loss(&Ratio::ONE),
        Verb::Disk { ill, .. } => Burden { hurts_disk: harms(*ill), ..NOTHING },
        // What was not synced was not promised.
        Verb::PowerLoss { .. }
        | Verb::Pause { .. }
        | Verb::Stop { .. }
        | Verb::Restart { .. }
        | Verb::Deploy { .. }
        | Verb::Rollback { .. }
        | Verb::Scale { .. }
        | Verb::Partition { .. }
        | Verb::Cut { .. }
        | Verb::Delay { .. }
        | Verb::Duplicate { .. }
        | Verb::Bandwidth { queue: None, .. }
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

fn sets_wall_wrong(verb: &Verb) -> bool {
    matches!(verb, Verb::Clock { .. } | Verb::Pause { stands: Stands::Both, .. })
}

/// How far a fault has moved a wall clock, at most, by the time at which another begins; what it has yet to gain until its end too.
fn wrong_by(span: &Span<'_>, at: Instant) -> Duration {
    let length = |ahead: &Shift| Duration::from_nanos(ahead.nanos().unsigned_abs());
    let held = span.end != Instant::NEVER;
    let error = match span.verb {
        Verb::Clock { error, .. } => error,
        // It cannot stand for longer than its time is, however often it does.
        Verb::Pause { stands: Stands::Both, .. } if held => return span.end.since(span.begin),
        Verb::Pause { stands: Stands::Both, .. } => return Duration::FOREVER,
        _ => return Duration::ZERO,
    };
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
            Member { name: name.to_owned(), copy_of, ..Member::default() }
        };
        let nodes = nodes.map(member).to_vec();
        Cast { nodes, links: vec![(3, 0), (0, 3)], servers: 4, lossy: BTreeMap::new() }
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
    fn what_goes_without_a_pace_takes_all_at_once() {
        let minority = Tolerance { down: vec![("kv".parse().unwrap(), Down::Minority)], ..Tolerance::default() };
        let all = Some("1s: 3 of kv may be down at once, and 1 may be");
        for line in ["1s restart kv", "1s deploy kv v2", "1s deploy kv v2 by 10%", "1s rollback kv", "1s..2s stop kv"] {
            check(&minority, line, all);
        }
        check(&minority, "1s restart kv every 5s; 30s deploy kv v2 by 30% every 1s; 60s rollback kv every 1s", None);
        check(&minority, "1s restart kv-1; 2s..3s crash kv-2", None);
        let two = Some("2s: 2 of kv may be down at once, and 1 may be");
        check(&minority, "1s restart kv every 5s; 2s..3s crash kv-2", two);
        check(&minority, "1s deploy kv v2 by 60% every 5s", Some("1s: 2 of kv may be down at once, and 1 may be"));
    }

    #[test]
    fn who_starts_is_down() {
        let minority = Tolerance { down: vec![("kv".parse().unwrap(), Down::Minority)], ..Tolerance::default() };
        let mut cast = cast();
        cast.nodes.iter_mut().for_each(|node| node.startup = Duration::from_secs(5));
        let excess = |lines: &str| {
            let faults: Vec<Fault> = lines.split(';').map(|line| line.trim().parse().unwrap()).collect();
            minority.excess(&faults, &cast).map(|excess| format!("{}: {}", excess.at, excess.what))
        };
        let two = |at: &str| Some(format!("{at}: 2 of kv may be down at once, and 1 may be"));
        assert_eq!(excess("10s..11s crash kv-1; 12s..13s crash kv-2"), two("12s"));
        assert_eq!(excess("10s..11s crash kv-1; 16s..17s crash kv-2"), None);
        assert_eq!(excess("10s..11s pause kv-1; 12s..13s pause kv-2"), None, "what was frozen goes on at once");
        let three = Some("1s: 3 of kv may be down at once, and 1 may be".to_owned());
        assert_eq!(excess("1s restart kv every 1s"), three);
        assert_eq!(excess("1s restart kv every 5s"), None);
        assert_eq!(excess("1s..60s crash one of kv every 4s for 1s"), two("1s"));
        assert_eq!(excess("1s..60s crash one of kv every 5s for 1s"), None);
        assert_eq!(excess("1s..60s crash one of kv every ~1h for 1s"), three, "two gaps may be short");
    }

    #[test]
    fn who_stops_may_take_its_time() {
        let minority = Tolerance { down: vec![("kv".parse().unwrap(), Down::Minority)], ..Tolerance::default() };
        let mut cast = cast();
        cast.nodes.iter_mut().for_each(|node| node.grace = Duration::from_secs(30));
        let excess = |cast: &Cast, lines: &str| {
            let faults: Vec<Fault> = lines.split(';').map(|line| line.trim().parse().unwrap()).collect();
            minority.excess(&faults, cast).map(|excess| format!("{}: {}", excess.at, excess.what))
        };
        let two = |at: &str| Some(format!("{at}: 2 of kv may be down at once, and 1 may be"));
        assert_eq!(excess(&cast, "10s..11s stop kv-1; 40s..41s crash kv-2"), two("40s"));
        assert_eq!(excess(&cast, "10s..11s stop kv-1 grace 5s; 40s..41s crash kv-2"), None);
        assert_eq!(excess(&cast, "10s..11s scale kv 2; 40s..41s crash kv-1"), two("40s"));
        assert_eq!(excess(&cast, "10s restart kv every 1s"), None, "each is gone for an instant");
        cast.nodes.iter_mut().for_each(|node| node.startup = Duration::from_secs(5));
        assert_eq!(excess(&cast, "10s restart kv every 20s"), two("10s"), "one may go at 40 s, and so may the next");
        assert_eq!(excess(&cast, "10s restart kv every 35s"), None);
    }

    #[test]
    fn what_links_and_clocks_are_without_a_fault_counts_too() {
        let mut cast = cast();
        cast.lossy = BTreeMap::from([((3, 0), "5%".parse().unwrap())]);
        cast.nodes[1].clock = Duration::from_millis(60);
        let excess = |tolerance: &Tolerance, lines: &[&str]| {
            let faults: Vec<Fault> = lines.iter().map(|line| line.parse().unwrap()).collect();
            tolerance.excess(&faults, &cast).map(|excess| format!("{}: {}", excess.at, excess.what))
        };
        let loss = |most: &str| Tolerance { loss: most.parse().ok(), ..Tolerance::default() };
        let lossy =
            |at: &str, lost: &str, most: &str| Some(format!("{at}: {lost} is lost on app->kv-1, and {most} may be"));
        assert_eq!(excess(&loss("5%"), &[]), None);
        assert_eq!(excess(&loss("4%"), &[]), lossy("0s", "5%", "4%"));
        assert_eq!(excess(&loss("5%"), &["3s.. loss *->* 5%"]), lossy("3s", "9.75%", "5%"));
        let clock = |millis| Tolerance { clock: Some(Duration::from_millis(millis)), ..Tolerance::default() };
        let wrong = |at: &str, by: &str, most: &str| {
            Some(format!("{at}: the clock of kv-2 may be wrong by {by}, and {most} is borne"))
        };
        assert_eq!(excess(&clock(60), &[]), None);
        assert_eq!(excess(&clock(50), &[]), wrong("0s", "60ms", "50ms"));
        assert_eq!(excess(&clock(100), &["3s clock kv step -50ms"]), wrong("3s", "110ms", "100ms"));
    }

    #[test]
    fn a_numbered_passage_strikes_one_node() {
        let minority = Tolerance { down: vec![("kv".parse().unwrap(), Down::Minority)], ..Tolerance::default() };
        check(&minority, "crash kv after log #3 for 1s", None);
        let of_kv = |count: u32| format!("0s: {count} of kv may be down at once, and 1 may be");
        check(&minority, "crash kv after log #3 #5 for 1s", Some(&of_kv(2)));
        check(&minority, "crash kv after log for 1s", Some(&of_kv(3)));
        check(&minority, "crash each of kv after log #3 for 1s", Some(&of_kv(3)));
        check(&minority, "crash kv after log 1% for 1s", Some(&of_kv(3)));
    }

    #[test]
    fn who_hangs_or_is_cut_off_from_all_is_as_good_as_down() {
        let minority = Tolerance { down: vec![("kv".parse().unwrap(), Down::Minority)], ..Tolerance::default() };
        let two = Some("2s: 2 of kv may be down at once, and 1 may be");
        check(&minority, "1s..3s hang kv-1; 2s..4s partition isolate kv-2", two);
        check(&minority, "1s..3s partition isolate one of kv; 2s..4s crash kv-2", two);
        check(&minority, "2s..4s partition kv-1 kv-2 | *", two);
        check(&minority, "1s..3s hang kv.get; 2s..4s partition kv-1 | kv-2 kv-3; 2s..4s crash kv-3", None);
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
        check(&tolerance, "1s clock kv-2 step +200ms; 2s..2100ms pause kv-2 freezing clocks", wrong);
        check(&tolerance, "1s clock kv-2 step +200ms; 2s..3s pause kv-2 freezing monotonic", None);
        let unbounded = Some("1s: the clock of kv-1 may be wrong without a bound, and 200ms is borne");
        check(&tolerance, "1s.. pause kv-1 freezing clocks every ~5m for 10s", unbounded);
        check(&tolerance, "1s disk kv-1 bit-rot; 3s..4s crash kv-1 wiping disk", None);
        let only = Some("2s: the disk of app may be hurt, and it is the only copy");
        check(&tolerance, "1s disk kv-1 bit-rot; 2s disk app bit-rot", only);
        check(&tolerance, "2s..3s crash app wiping disk", only);
        let hurt = Some("2s: more than one disk of kv may be hurt, and one may be");
        check(&tolerance, "1s disk kv-1 bit-rot; 2s..4s crash kv-2 wiping disk", hurt);
        let none = Tolerance { disk: Some(Copies::None), ..Tolerance::default() };
        check(&none, "1s disk kv-1 bit-rot", Some("1s: the disk of kv-1 may be hurt, and none may be"));
    }
}
