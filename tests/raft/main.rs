//! The promise about programs that somebody else wrote, held by one: `raft` of TiKV, as it is published.

mod node;
mod replica;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use faultline_tests::scenarios::over_seeds;
use node::{Acknowledged, COMMANDS, END, How, Msg, Node, REPLICAS, TROUBLE, system};
use replica::{Options, Timeouts, View};
use sim_core::guest::Divergence;
use sim_core::past::Grade;
use sim_core::seed::mix;
use sim_core::{
    Budget, Course, Digest, Duration, Goal, Instant, Judge, Judged, Limits, NodeId, Outcome, Seed, Sim, Stop, Timeline,
    Verdict, run,
};
use watch::{LEADER_COMPLETENESS, STATE_MACHINE_SAFETY, WORD_KEPT, Watch};

fn start(seed: Seed, how: How) -> Sim<Msg> {
    system(seed, how).start(seed).unwrap_or_else(|error| panic!("{error}"))
}

/// A run that is over.
struct Ran {
    outcome: Outcome,
    watch: Watch,
    sim: Sim<Msg>,
}

fn ran(seed: Seed, how: How, stop: Stop<'_>) -> Ran {
    let (mut sim, mut watch) = (start(seed, how), Watch::default());
    let course = Course { until: END, stop, ..Course::default() };
    let outcome = run(&mut sim, &mut watch, &course, |_, _| ControlFlow::Continue(()));
    Ran { outcome, watch, sim }
}

/// What is counted of a run that held, so that none passes in which nothing happened.
struct Counted {
    events: u64,
    digest: Digest,
    leaders: u64,
    lives: u64,
    verbs: BTreeSet<&'static str>,
}

fn count(seed: Seed) -> Counted {
    let [one, two] = [(); 2].map(|()| ran(seed, How::of(seed), Stop::AtEnd));
    let Ran { outcome, watch, sim } = one;
    let broken: Vec<_> = watch.broken().collect();
    assert_eq!(outcome.verdict, Verdict::Held, "{seed}: {broken:?} {:?}", outcome.panic);
    assert_eq!(watch.commands() as u64, COMMANDS, "{seed}");
    assert_eq!(outcome, two.outcome, "{seed} is one run");
    let system = system(seed, How::of(seed));
    let touched = system.faults().iter().zip(sim.touched()).filter(|(_, touched)| *touched > 0);
    Counted {
        events: outcome.events,
        digest: outcome.digest,
        leaders: watch.leaders() as u64,
        lives: (0..REPLICAS).map(|node| u64::from(sim.life(NodeId(node)))).sum(),
        verbs: touched.map(|(fault, _)| fault.verb()).collect(),
    }
}

/// Each seed twice; prints what was counted.
fn check(seeds: u64) {
    let all = over_seeds(seeds, count);
    let sum = |what: fn(&Counted) -> u64| all.iter().map(what).sum::<u64>();
    let changed = all.iter().filter(|counted| counted.leaders > 1).count() as u64;
    let (leaders, lives) = (sum(|counted| counted.leaders), sum(|counted| counted.lives));
    let restarts = lives - seeds * u64::from(REPLICAS);
    let digest = all.iter().fold(0, |digest, counted| mix(digest, counted.digest.0));
    let (events, commands) = (sum(|counted| counted.events), seeds * COMMANDS);
    println!("{seeds} seeds: {events} events, {commands} commands, {leaders} leaders, {restarts} restarts");
    println!("{changed} seeds with more than one leader; all digests together: {}", Digest(digest));
    assert!(changed * 4 > seeds * 3, "leaders come and go on most seeds: {changed}");
    assert!(restarts > seeds, "nodes crash: {restarts}");
    let digests: BTreeSet<u64> = all.iter().map(|counted| counted.digest.0).collect();
    assert_eq!(digests.len() as u64, seeds, "each seed is a run of its own");
    let touched: BTreeSet<&str> = all.iter().flat_map(|counted| counted.verbs.iter().copied()).collect();
    let trouble = TROUBLE.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(touched, trouble, "every kind of trouble does something on some seed");
}

#[test]
fn raft_keeps_its_promises_whatever_befalls_it_and_each_seed_is_one_run() {
    check(60);
}

#[test]
#[ignore = "a minute"]
fn raft_keeps_its_promises_on_a_thousand_seeds() {
    check(1_000);
}

/// Seeds among which the planted bug must show.
const SEEDS_OF_THE_BUG: u64 = 40;

#[test]
fn an_append_that_is_acknowledged_before_it_is_durable_loses_a_committed_entry() {
    let with_bug = |seed| How { acknowledged: Acknowledged::Written, ..How::of(seed) };
    let found = over_seeds(SEEDS_OF_THE_BUG, |seed| {
        let ran = ran(seed, with_bug(seed), Stop::AtViolation);
        let broken: Vec<String> = ran.watch.broken().map(|(name, how)| format!("{name}: {how}")).collect();
        (ran.outcome.verdict, ran.outcome.stopped_at, broken)
    });
    let mut ways: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (seed, (verdict, property, broken)) in found.iter().enumerate() {
        if let Some(property) = property {
            println!("seed {seed}: {broken:?}");
            ways.entry(property).or_default().push(seed);
        } else if *verdict != Verdict::Held {
            ways.entry("noticed by the crate").or_default().push(seed);
        }
    }
    println!("{ways:?}");
    let lost =
        [LEADER_COMPLETENESS, STATE_MACHINE_SAFETY, WORD_KEPT].iter().filter_map(|name| ways.get(name)).flatten();
    let first = lost.min().unwrap_or_else(|| panic!("no committed entry is lost: {ways:?}"));
    let seed = Seed(*first as u64);
    assert_eq!(ran(seed, How::of(seed), Stop::AtEnd).outcome.verdict, Verdict::Held, "without the bug {seed} holds");
}

/// A run under way and who watches it.
#[derive(Clone)]
struct Watched {
    sim: Sim<Msg>,
    watch: Watch,
}

/// All that is known of a run.
#[derive(Debug, PartialEq)]
struct Known {
    events: u64,
    digest: Digest,
    checkpoint: Digest,
    judged: Vec<Judged>,
    replicas: Vec<Option<(View, Vec<u64>)>>,
}

impl Watched {
    fn start(seed: Seed) -> Watched {
        Watched { sim: start(seed, How::of(seed)), watch: Watch::default() }
    }

    /// Goes on until so many events have happened, or to the end.
    fn go_on(&mut self, events: u64) {
        while self.sim.events() < events
            && let Some(step) = self.sim.step_before(END + Duration::from_nanos(1))
        {
            self.watch.after(&step, &self.sim);
        }
    }

    fn known(&mut self) -> Known {
        let replica = |node| {
            let replica = self.sim.actor::<Node>(NodeId(node))?.replica()?;
            let log = replica.log();
            Some((replica.view(), (1..=log.last()).map(|index| log.print(index)).collect()))
        };
        Known {
            events: self.sim.events(),
            digest: self.sim.digest(),
            checkpoint: self.sim.checkpoint().expect("states can be written"),
            replicas: (0..REPLICAS).map(replica).collect(),
            judged: self.watch.finish(&self.sim),
        }
    }
}

#[test]
fn a_fork_of_replicas_at_any_event_ends_as_the_original() {
    over_seeds(12, |seed| {
        let mut alone = Watched::start(seed);
        alone.go_on(u64::MAX);
        let whole = alone.known();
        for fork in 0..3 {
            let at = mix(seed.0, fork) % whole.events;
            let mut original = Watched::start(seed);
            original.go_on(at);
            let before = original.known();
            let mut copy = original.clone();
            let mut unused = original.clone();
            copy.go_on(u64::MAX);
            let mut copy_of_copy = copy.clone();
            assert_eq!(original.known(), before, "{seed}: forked at {at}");
            original.go_on(u64::MAX);
            for (which, run) in
                [("copy", &mut copy), ("copy of the copy", &mut copy_of_copy), ("original", &mut original)]
            {
                assert_eq!(run.known(), whole, "{seed}: the {which} of {at}");
            }
            assert_eq!(unused.known(), before, "{seed}: the copy of {at} that nobody ran");
        }
    });
}

#[test]
fn a_timeline_of_replicas_comes_back_to_any_event() {
    let seed = Seed(6);
    let sim = start(seed, How::of(seed));
    let mut timeline = Timeline::new(sim, Watch::default(), END, Limits::default(), Budget::default());
    timeline.advance(Goal::default(), |_| (Grade::Quiet, ControlFlow::Continue(())));
    let events = timeline.past().len();
    let mut straight = Watched::start(seed);
    let mut places: Vec<u64> = (0..8).map(|nth| mix(seed.0, nth) % (events + 1)).collect();
    let visit = |timeline: &mut Timeline<Msg, Watch>, at| {
        let moment = timeline.seek(at);
        Watched { sim: moment.sim.clone(), watch: moment.judge.clone() }.known()
    };
    let sought: BTreeMap<u64, Known> = places.iter().map(|at| (*at, visit(&mut timeline, *at))).collect();
    places.sort_unstable();
    for at in places {
        straight.go_on(at);
        assert_eq!(sought[&at], straight.known(), "event {at} of {events}");
    }
}

/// What the crate draws by itself comes to light where nobody owns it. Whether it does in one run is up to the
/// generator of the thread; that it does in none of these has a chance of less than one in a million.
#[test]
fn timeouts_that_the_crate_draws_by_itself_are_caught_and_the_input_is_named() {
    let options = Options { check_quorum: true, pre_vote: false };
    let how = How { options, timeouts: Timeouts::OfTheThread, acknowledged: Acknowledged::Durable };
    let quiet = |seed: u64| {
        let mut sim = start(Seed(seed), how);
        while sim.step_before(Instant::from_nanos(5_000_000_000)).is_some() {}
        sim
    };
    let guests = |sim: &Sim<Msg>| -> Vec<Divergence> {
        let guest = |node| sim.actor::<Node>(NodeId(node))?.guest()?.check().err();
        (0..REPLICAS).filter_map(guest).collect()
    };
    let sims: Vec<Sim<Msg>> = (0..8).map(quiet).collect();
    let caught: Vec<Divergence> = sims.iter().flat_map(guests).collect();
    let divergence = caught.first().expect("a timeout of the thread shows");
    assert!(divergence.number > 1 && divergence.input.contains("what: "), "{divergence}");
    assert_ne!(divergence.first, divergence.again);
    // A fork is told again at its first event, and does not go on with a replica that is another one.
    let panics = sims.iter().filter_map(|sim| {
        let mut fork = sim.clone();
        while fork.step_before(END).is_some() {}
        fork.panic().map(|panic| panic.message.clone())
    });
    let panics: Vec<String> = panics.collect();
    assert!(panics.iter().any(|message| message.contains("what decides here is no input")), "{panics:?}");
}

#[test]
fn the_storage_of_the_crate_shares_what_it_holds_with_its_copies_and_ours_does_not() {
    let entry = |index| raft::eraftpb::Entry { index, term: 1, ..Default::default() };
    let theirs = raft::storage::MemStorage::new();
    theirs.wl().append(&[entry(1)]).expect("the first entry");
    let copy = theirs.clone();
    theirs.wl().append(&[entry(2)]).expect("the second");
    assert_eq!(raft::Storage::last_index(&copy), Ok(2));
    let mut ours = replica::Log::default();
    ours.put(entry(1));
    let copy = ours.clone();
    ours.put(entry(2));
    assert_eq!((copy.last(), ours.last()), (1, 2));
}
