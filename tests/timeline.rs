//! A run that is kept is the run: at each of its events, however one comes there, whatever it costs to keep it.

use std::ops::ControlFlow::{self, Break, Continue};

use faultline_tests::scenarios::{all_built_in, over_seeds, remedied};
use faultline_tests::world::{END, Has, Msg, Role, World, schedules, worlds};
use proptest::prelude::*;
use proptest::sample::Index;
use sim_core::seed::mix;
use sim_core::timeline::Budget;
use sim_core::{
    Actor, Context, Course, Digest, Dist, Duration, Entry, Event, Fate, Goal, Grade, Happening, Instant, Judge, Judged,
    LastChange, Limits, Link, Message, NodeId, Over, Past, Reached, Retold, Seed, Seen, Sim, Sort, Step, Stop, System,
    Timeline, Timer, Trace, run,
};
use sim_models::judge::ScenarioJudge;

/// A judge who remembers all he was told, and complains of one event.
#[derive(Clone, Debug, Default, PartialEq)]
struct Witness {
    told: Vec<(u64, Digest)>,
    complains_of: u64,
}

impl<M: Message> Judge<M> for Witness {
    fn after(&mut self, step: &Step, sim: &Sim<M>) -> Option<&str> {
        self.told.push((step.number, sim.digest()));
        (step.number == self.complains_of).then_some("that event")
    }
    fn finish(&mut self, _: &Sim<M>) -> Vec<Judged> {
        Vec::new()
    }
}

/// A run made once from its first event to its end, with what was seen of it.
#[derive(Default)]
struct Straight {
    trace: Trace<Msg>,
    handled: Vec<Option<String>>,
    sent: Vec<Vec<String>>,
    /// From before the first event on, if anybody looked.
    digests: Vec<Digest>,
    /// By event as the digests, by node.
    states: Vec<Vec<serde_json::Value>>,
}

fn json(msg: &Msg) -> String {
    serde_json::to_string(msg).unwrap()
}

fn states(sim: &Sim<Msg>) -> Vec<serde_json::Value> {
    (0..sim.names().nodes().len() as u32).map(|node| sim.state(NodeId(node)).unwrap()).collect()
}

/// Makes the run once; `look` is shown it before the first event and after each.
fn looked_at(world: &World, seed: u64, look: impl Fn(&mut Straight, &Sim<Msg>)) -> Straight {
    let mut sim = world.start(seed);
    sim.record(true);
    let mut all = Straight::default();
    look(&mut all, &sim);
    while let Some(step) = sim.step_before(END) {
        all.trace.push(&sim, &step);
        all.handled.push(sim.handled().map(json));
        all.sent.push(sim.sent().iter().map(json).collect());
        look(&mut all, &sim);
    }
    all
}

fn traced(world: &World, seed: u64) -> Straight {
    looked_at(world, seed, |_, _| {})
}

fn with_digests(world: &World, seed: u64) -> Straight {
    looked_at(world, seed, |all, sim| all.digests.push(sim.checkpoint().unwrap()))
}

fn with_states(world: &World, seed: u64) -> Straight {
    looked_at(world, seed, |all, sim| all.states.push(states(sim)))
}

impl Straight {
    fn len(&self) -> u64 {
        self.trace.steps().len() as u64
    }
}

/// [`END`] is the first instant that does not happen.
fn last() -> Instant {
    END.shifted(-1)
}

fn grade(entries: &[Entry], number: u64) -> Grade {
    let lost = entries.iter().any(|entry| matches!(entry, Entry::Sent { fate: Fate::Lost | Fate::Cut, .. }));
    match () {
        () if number.is_multiple_of(97) => Grade::Broken,
        () if lost => Grade::Trouble,
        () if number.is_multiple_of(7) => Grade::Notable,
        () => Grade::Quiet,
    }
}

fn watch<M: Message, J>(seen: Seen<'_, M, J>) -> (Grade, ControlFlow<()>) {
    (grade(seen.sim.log(), seen.step.number), Continue(()))
}

fn timeline(world: &World, seed: u64, budget: Budget) -> Timeline<Msg, Witness> {
    Timeline::new(world.start(seed), Witness::default(), last(), Limits::default(), budget)
}

fn whole(world: &World, seed: u64, budget: Budget) -> Timeline<Msg, Witness> {
    let mut timeline = timeline(world, seed, budget);
    assert_eq!(timeline.advance(Goal::default(), watch), Reached::Over);
    timeline
}

/// Worlds whose runs are long enough for copies to matter.
fn long_worlds() -> impl Strategy<Value = World> {
    (worlds(Has::Yes), schedules(), any::<bool>(), 1..9u64).prop_map(|(world, mut faults, beats, longer)| {
        faults.push("drop svc-1->shop-1 reply shop-1/2 #1".to_owned());
        let mut world = World { faults, beats: if beats { Has::Yes } else { Has::No }, ..world };
        for (_, role) in &mut world.nodes {
            if let Role::Client { orders, .. } = role {
                *orders *= longer;
            }
        }
        world
    })
}

/// From nothing at all to plenty.
fn budgets() -> impl Strategy<Value = Budget> {
    let bytes = prop_oneof![Just(0), Just(100_000), Just(1_000_000), Just(256 << 20)];
    let events = prop_oneof![2 => Just(u64::MAX), 1 => 0..1500u64];
    (bytes, prop_oneof![Just(1), 2..40u64, Just(128), Just(1024)], events).prop_map(|(bytes, spacing, events)| Budget {
        bytes,
        spacing,
        events,
    })
}

#[derive(Clone, Debug)]
enum Move {
    By(i64),
    To(Index),
    ToEnd,
    Fork(Index),
    Retell(Index),
    Advance(u64, u64),
}

fn moves(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => Just(Move::By(1)),
        6 => Just(Move::By(-1)),
        2 => (-100..100i64).prop_map(Move::By),
        3 => any::<Index>().prop_map(Move::To),
        1 => Just(Move::ToEnd),
        2 => any::<Index>().prop_map(Move::Fork),
        1 => any::<Index>().prop_map(Move::Retell),
        2 => (1..200u64, 1..500u64).prop_map(|(events, millis)| Move::Advance(events, millis)),
    ];
    prop::collection::vec(one, count)
}

/// Makes a move and holds what comes of it against the straight run.
fn check(timeline: &mut Timeline<Msg, Witness>, all: &Straight, one: &Move) {
    let (at, len) = (timeline.at(), timeline.past().len());
    let any_event = |index: &Index| index.index(len as usize + 1) as u64;
    match one {
        Move::By(way) => check_seek(timeline, all, at.saturating_add_signed(*way)),
        Move::To(index) => check_seek(timeline, all, any_event(index)),
        Move::ToEnd => check_seek(timeline, all, u64::MAX),
        Move::Fork(index) => {
            let event = any_event(index);
            let mut fork = timeline.fork(event);
            assert_eq!((fork.event(), timeline.at()), (event, at));
            assert_eq!(fork.sim.checkpoint().unwrap(), all.digests[event as usize]);
            while fork.sim.step_before(END).is_some() {}
            assert_eq!(fork.sim.checkpoint().unwrap(), *all.digests.last().unwrap());
        }
        Move::Retell(index) => {
            let event = any_event(index);
            check_retold(timeline.retell(event).as_ref(), all, event);
            assert_eq!(timeline.at(), at);
        }
        Move::Advance(events, millis) => {
            let until = timeline.live().sim.now() + Duration::from_millis(*millis);
            let reached = timeline.advance(Goal { events: *events, until }, watch);
            let live = timeline.live().event();
            assert!(live <= len + events && timeline.past().at(live).is_none_or(|at| at <= until || live == len));
            assert_eq!((timeline.at(), timeline.past().len()), (at, live));
            assert_eq!(timeline.over().is_some(), reached == Reached::Over);
            let next = all.trace.step(live + 1);
            assert!(live == len + events || next.is_none_or(|next| next.at > until), "it stops for a reason");
        }
    }
    check_moment(timeline, all);
}

fn check_seek(timeline: &mut Timeline<Msg, Witness>, all: &Straight, event: u64) {
    let live = timeline.live().event();
    assert_eq!(timeline.seek(event).event(), event.min(live));
    check_moment(timeline, all);
}

fn check_moment(timeline: &Timeline<Msg, Witness>, all: &Straight) {
    for moment in [timeline.cursor(), timeline.live()] {
        assert_eq!(moment.sim.checkpoint().unwrap(), all.digests[moment.event() as usize]);
        let told: Vec<u64> = moment.judge.told.iter().map(|(number, _)| *number).collect();
        assert!(told.into_iter().eq(1..=moment.event()));
    }
    assert!(timeline.cursor().sim.log().is_empty());
}

fn check_retold(retold: Option<&Retold<Msg>>, all: &Straight, event: u64) {
    assert_eq!(retold.is_some(), event > 0);
    let Some(retold) = retold else { return };
    assert_eq!(Some(&retold.step), all.trace.step(event));
    assert_eq!(retold.entries, all.trace.entries(event));
    assert_eq!(retold.message.as_ref().map(json), all.handled[event as usize - 1]);
    assert_eq!(retold.sent.iter().map(json).collect::<Vec<_>>(), all.sent[event as usize - 1]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_to_an_event_leads_to_the_same_run(
        world in long_worlds(), seed in any::<u64>(), budget in budgets(), moves in moves(0..60),
    ) {
        let all = with_digests(&world, seed);
        let mut growing = timeline(&world, seed, budget);
        moves.iter().for_each(|one| check(&mut growing, &all, one));
    }

    #[test]
    fn a_run_in_slices_is_the_run_in_one_go_and_the_run_without_a_timeline(
        world in long_worlds(), seed in any::<u64>(), slices in prop::collection::vec((1..300u64, 1..2000u64), 1..20),
    ) {
        let whole = whole(&world, seed, Budget::default());
        let mut sliced = timeline(&world, seed, Budget::default());
        let mut slices = slices.into_iter().cycle();
        while sliced.over().is_none() {
            let (events, millis) = slices.next().unwrap();
            let until = sliced.live().sim.now() + Duration::from_millis(millis);
            // Where nothing happens for so long, only a later goal gets on.
            if sliced.advance(Goal { events, until }, watch) == Reached::Goal {
                sliced.advance(Goal { events: 1, ..Goal::default() }, watch);
            }
        }
        let (mut sim, mut judge) = (world.start(seed), Witness::default());
        let course = Course { until: last(), stop: Stop::AtEnd, limits: Limits::default() };
        let outcome = run(&mut sim, &mut judge, &course, |_, _| Continue(()));
        for kept in [&whole, &sliced] {
            prop_assert_eq!(kept.past().len(), outcome.events);
            prop_assert_eq!(kept.live().sim.checkpoint().unwrap(), outcome.digest);
            prop_assert_eq!(kept.live().sim.now(), outcome.end);
            prop_assert_eq!(&kept.live().judge, &judge);
            prop_assert!((1..=outcome.events).all(|n| kept.past().step(n) == whole.past().step(n)));
        }
        prop_assert_eq!(sliced.over(), whole.over());
    }

    #[test]
    fn what_is_kept_of_the_past_is_what_happened(world in long_worlds(), seed in any::<u64>()) {
        let (all, timeline) = (traced(&world, seed), whole(&world, seed, Budget::default()));
        let (past, steps) = (timeline.past(), all.trace.steps());
        prop_assert!(steps.iter().all(|step| past.step(step.number) == Some(*step)));
        prop_assert_eq!((past.len(), past.step(0), past.step(all.len() + 1)), (all.len(), None, None));
        let numbers = |keep: &dyn Fn(&Step) -> bool| -> Vec<u64> {
            steps.iter().filter(|step| keep(step)).map(|step| step.number).collect()
        };
        let of = |list: &sim_core::Growing<u32>| list.iter().map(|number| u64::from(*number)).collect::<Vec<_>>();
        for node in (0..world.nodes.len() as u32 + 1).map(NodeId) {
            prop_assert_eq!(of(past.of_node(node)), numbers(&|step| step.node() == Some(node)));
        }
        for sort in past.sorts() {
            prop_assert_eq!(of(past.of_sort(sort)), numbers(&|step| Sort::of(&step.what) == sort));
            prop_assert!(!past.of_sort(sort).is_empty());
        }
        let sum: u64 = past.sorts().map(|sort| past.count_of_sort(sort, 1..=all.len())).sum();
        prop_assert_eq!(sum, all.len());
        prop_assert_eq!(past.faults().len() as u64, past.count_of_sort(Sort::Fault, 1..=u64::MAX));
        let grade_of = |step: &Step| grade(all.trace.entries(step.number), step.number);
        prop_assert!(steps.iter().all(|step| past.grade(step.number) == grade_of(step)));
        for grade in [Grade::Notable, Grade::Trouble, Grade::Broken] {
            prop_assert_eq!(of(past.graded(grade)), numbers(&|step| grade_of(step) >= grade));
        }
    }

    #[test]
    fn what_was_lost_and_who_went_down_is_found_again(world in long_worlds(), seed in any::<u64>()) {
        let (all, timeline) = (traced(&world, seed), whole(&world, seed, Budget::default()));
        let (mut lost, mut power) = (Vec::new(), Vec::new());
        for step in all.trace.steps() {
            for entry in all.trace.entries(step.number) {
                match entry {
                    Entry::Sent { from, to, kind, cause, fate, fault, .. } if fate.is_lost() => {
                        lost.push((step.number, *from, *to, *kind, cause.operation, *fate, *fault));
                    }
                    Entry::Down { node } => power.push((step.number, *node, false)),
                    _ => {}
                }
            }
            if let Happening::Started { node, life: 2.. } = step.what {
                power.push((step.number, node, true));
            }
        }
        let past = timeline.past();
        let kept = past.lost().iter().map(|l| (u64::from(l.event), l.from, l.to, l.kind, l.operation, l.fate, l.fault));
        prop_assert_eq!(kept.collect::<Vec<_>>(), lost);
        let kept = past.power().iter().map(|power| (u64::from(power.event), power.node, power.up));
        prop_assert_eq!(kept.collect::<Vec<_>>(), power);
    }

    #[test]
    fn instants_and_grades_are_found_as_by_looking_at_every_event(
        world in long_worlds(), seed in any::<u64>(), a in any::<Index>(), b in any::<Index>(), off in -1..2i64,
    ) {
        let (all, timeline) = (traced(&world, seed), whole(&world, seed, Budget::default()));
        let (past, steps) = (timeline.past(), all.trace.steps());
        prop_assume!(!steps.is_empty());
        let instant = steps[a.index(steps.len())].at.shifted(off);
        prop_assert_eq!(past.last_until(instant), steps.iter().filter(|step| step.at <= instant).count() as u64);
        prop_assert_eq!(past.last_before(instant), steps.iter().filter(|step| step.at < instant).count() as u64);
        let first = steps.iter().find(|step| step.at >= instant).map(|step| step.number);
        prop_assert_eq!(past.first_from(instant), first);
        let (first, last) = (a.index(steps.len()) as u64, b.index(steps.len() + 9) as u64);
        let inside = || steps.iter().filter(|step| (first..=last).contains(&step.number));
        prop_assert_eq!(past.worst(None, first, last), inside().map(|s| past.grade(s.number)).max().unwrap_or_default());
        for node in (0..world.nodes.len() as u32).map(NodeId) {
            let down = |step: &Step| all.trace.entries(step.number).contains(&Entry::Down { node });
            let here = inside().filter(|step| step.node() == Some(node) || down(step));
            let worst = here.map(|s| past.grade(s.number)).filter(|grade| *grade >= Grade::Trouble).max();
            prop_assert_eq!(past.worst(Some(node), first, last), worst.unwrap_or_default());
        }
    }

    #[test]
    fn causes_are_those_of_the_trace(world in long_worlds(), seed in any::<u64>(), at in any::<Index>(), others in prop::collection::vec(any::<Index>(), 9)) {
        let (all, timeline) = (traced(&world, seed), whole(&world, seed, Budget::default()));
        let past = timeline.past();
        prop_assume!(all.len() > 0);
        let event = at.index(all.len() as usize) as u64 + 1;
        let cone = past.past_of(event, || true).unwrap();
        prop_assert_eq!(cone.iter().collect::<Vec<_>>(), all.trace.past(event).into_iter().collect::<Vec<_>>());
        prop_assert_eq!(cone.len(), cone.iter().count() as u64);
        let future = past.future_of(event, || true).unwrap();
        let others = others.iter().map(|other| other.index(all.len() as usize + 2) as u64);
        for other in others.chain([event - 1, event, event + 1]) {
            let led_there = past.past_of(other, || true).unwrap().contains(event);
            prop_assert_eq!(future.contains(other), led_there, "{} to {}", event, other);
        }
        prop_assert_eq!(past.chain(event), all.trace.chain(event));
        let caused = |up_to: u64| all.trace.steps().iter().filter(move |s| s.by == Some(event) && s.number <= up_to);
        for up_to in [0, event, event + 20, u64::MAX] {
            prop_assert_eq!(past.caused_by(event, up_to), caused(up_to).map(|step| step.number).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_last_change_is_the_one_a_look_at_every_event_finds(
        world in long_worlds(), seed in any::<u64>(), budget in budgets(), before in any::<Index>(), node in any::<Index>(),
        visits in prop::collection::vec(any::<Index>(), 0..3),
    ) {
        let (all, mut timeline) = (with_states(&world, seed), whole(&world, seed, budget));
        for visit in visits {
            timeline.seek(visit.index(all.states.len()) as u64);
        }
        let at = timeline.at();
        let node = node.index(world.nodes.len());
        let before = before.index(all.states.len());
        let fields: Vec<String> = all.states[0][node].as_object().unwrap().keys().cloned().collect();
        for field in fields {
            let expected = (1..=before).rev().find(|n| all.states[*n][node][&field] != all.states[n - 1][node][&field]);
            let id = NodeId(node as u32);
            let read = |sim: &Sim<Msg>| sim.state(id).unwrap()[&field].clone();
            let found = match timeline.last_change(before as u64, id, read, |_| true) {
                LastChange::At(change) => {
                    let is = &all.states[change.event as usize][node][&field];
                    prop_assert_eq!((&change.was, &change.is), (&all.states[change.event as usize - 1][node][&field], is));
                    Some(change.event as usize)
                }
                LastChange::Never => None,
                LastChange::Cancelled => panic!("nobody cancelled it"),
            };
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(timeline.at(), at);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn five_hundred_moves_later_it_is_still_the_same_run(
        world in long_worlds(), seed in any::<u64>(), budget in budgets(), moves in moves(500),
    ) {
        let all = with_digests(&world, seed);
        let mut kept = whole(&world, seed, budget);
        moves.iter().for_each(|one| check(&mut kept, &all, one));
    }
}

/// A node that counts, blinks at each hundredth count for one event, and breaks down at the end.
#[derive(Clone, serde::Serialize)]
struct Clockwork {
    count: u64,
    lamp: bool,
    fails_at: u64,
    stops_at: u64,
}

impl Actor<Msg> for Clockwork {
    fn handle(&mut self, _: Event<Msg>, cx: &mut Context<'_, Msg>) {
        self.count += 1;
        self.lamp = self.count.is_multiple_of(100);
        assert_ne!(self.count, self.fails_at, "the spring broke");
        if self.count < self.stops_at {
            cx.set(Timer(0), Duration::from_millis(1));
        }
    }
}

const NODE: NodeId = NodeId(0);

fn clockwork(fails_at: u64, stops_at: u64, faults: &[&str]) -> Sim<Msg> {
    let mut system = System::new();
    system.node("clock", Clockwork { count: 0, lamp: false, fails_at, stops_at });
    faults.iter().for_each(|fault| system.fault(fault.parse().unwrap()));
    system.start(Seed(1)).unwrap()
}

fn kept(sim: Sim<Msg>, until: Instant, limits: Limits) -> Timeline<Msg, Witness> {
    let mut kept = Timeline::new(sim, Witness::default(), until, limits, Budget::default());
    assert_eq!(kept.advance(Goal::default(), watch), Reached::Over);
    assert_eq!(kept.advance(Goal::default(), watch), Reached::Over);
    kept
}

/// A world whose run has some ten thousand events, most of them on one of two nodes, and some envelopes lost.
fn busy() -> World {
    let server = Role::Server { work: Dist::Constant(Duration::from_millis(1)), durable: Has::No };
    let gap = Dist::Constant(Duration::from_millis(2));
    let client = Role::Client { server: "svc-1".to_owned(), orders: 1_500, gap };
    World {
        nodes: vec![("svc-1".to_owned(), server), ("shop-1".to_owned(), client)],
        link: Link { loss: "5%".parse().expect("a ratio"), ..Link::default() },
        timeout: Duration::from_millis(20),
        faults: vec!["1s..1.1s crash svc-1".to_owned()],
        audit: Has::No,
        beats: Has::No,
        rest: sim_core::Rest::Seed,
    }
}

#[test]
fn what_lies_far_back_is_forgotten_within_a_bound_and_can_still_be_visited() {
    const KEPT: u64 = 2_048;
    let world = busy();
    let all = with_digests(&world, 7);
    let mut kept = whole(&world, 7, Budget { events: KEPT, ..Budget::default() });
    let everything = whole(&world, 7, Budget::default());
    let (past, whole) = (kept.past(), everything.past());
    assert!(whole.len() > 5_000, "{}", whole.len());
    assert_eq!(past.len(), whole.len());
    // Of each list up to 1,023 more stay, and a window is moved on each 1,024 events.
    let first = past.first();
    assert!((past.len() - KEPT - 2_048..=past.len() - KEPT).contains(&first), "{first}");
    assert!(past.bytes() < (KEPT as usize + 4_096) * 64, "{}", past.bytes());
    for number in 0..=past.len() + 1 {
        let remembered = whole.step(number).filter(|_| number >= first);
        assert_eq!(past.step(number), remembered);
        assert_eq!(past.at(number), remembered.map(|step| step.at));
    }
    for number in first..=past.len() {
        let at = whole.at(number).expect("it happened");
        assert_eq!(
            (past.last_until(at), past.last_before(at)),
            (whole.last_until(at), whole.last_before(at).max(first - 1))
        );
        assert_eq!(past.grade(number), whole.grade(number));
        assert_eq!(past.caused_by(number, past.len()), whole.caused_by(number, past.len()));
    }
    for node in [NodeId(0), NodeId(1)] {
        let later =
            |past: &Past| past.of_node(node).iter().filter(|it| u64::from(**it) >= first).copied().collect::<Vec<_>>();
        assert_eq!(later(past), later(whole));
        let counted = |past: &Past| past.of_node(node).count_between(first, past.len());
        assert_eq!(counted(past), counted(whole));
        assert_eq!(past.is_up(node, past.len()), whole.is_up(node, past.len()));
    }
    let losses = |past: &Past| past.lost().iter().filter(|lost| u64::from(lost.event) >= first).count();
    assert_eq!(losses(past), losses(whole));
    assert!(losses(past) > 20);
    let cone = |past: &Past| past.future_of(first + 5, || true).expect("nobody said no").iter().collect::<Vec<_>>();
    assert_eq!(cone(past), cone(whole));
    let operation = whole.step(first + 5).expect("it happened").cause.operation;
    let found = |past: &Past| past.of_operation(operation, first..=past.len()).collect::<Vec<_>>();
    assert_eq!(found(past), found(whole));
    for event in [0, 1, 777, first - 1, first, first + 1] {
        check_seek(&mut kept, &all, event);
    }
}

fn millis(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

#[test]
fn why_a_run_is_over_is_known() {
    let never = Instant::NEVER;
    for (sim, until, limits, over, events) in [
        (clockwork(0, 10, &[]), never, Limits::default(), Over::NothingLeft, 10),
        (clockwork(0, 10, &[]), millis(9), Limits::default(), Over::NothingLeft, 10),
        (clockwork(0, 10, &[]), millis(8), Limits::default(), Over::Until, 9),
        (clockwork(7, 10, &[]), never, Limits::default(), Over::Panicked, 7),
        (clockwork(0, 10, &["2ms..5ms crash clock"]), never, Limits::default(), Over::NothingLeft, 14),
        (clockwork(0, 10, &["2ms..50ms crash clock"]), millis(10), Limits::default(), Over::Until, 3),
    ] {
        let timeline = kept(sim, until, limits);
        assert_eq!((timeline.over(), timeline.past().len()), (Some(over), events));
    }
    let limits = Limits { events: 5, ..Limits::default() };
    let timeline = kept(clockwork(0, 10, &[]), never, limits);
    assert_eq!(timeline.over(), Some(Over::Limit(sim_core::run::LimitHit::Events(5))));
    assert_eq!(timeline.past().len(), 5);
}

#[test]
fn a_goal_in_time_ends_a_run_in_which_nothing_is_left() {
    let mut timeline = Timeline::new(clockwork(0, 10, &[]), (), Instant::NEVER, Limits::default(), Budget::default());
    for (at, reached) in [(3, Reached::Goal), (8, Reached::Goal), (9, Reached::Over), (20, Reached::Over)] {
        assert_eq!(timeline.advance(Goal { until: millis(at), ..Goal::default() }, watch), reached, "{at}");
    }
    assert_eq!(timeline.over(), Some(Over::NothingLeft));
}

#[test]
fn whoever_watches_breaks_off_after_the_event_and_goes_on_later() {
    let judge = Witness { complains_of: 4, ..Witness::default() };
    let mut timeline =
        Timeline::new(clockwork(0, 10, &[]), judge, Instant::NEVER, Limits::default(), Budget::default());
    let at_complaint = |seen: Seen<'_, Msg, Witness>| {
        assert_eq!(seen.judge.told.len() as u64, seen.step.number);
        let flow = if seen.broken == Some("that event") { Break(()) } else { Continue(()) };
        (if flow.is_break() { Grade::Broken } else { Grade::Quiet }, flow)
    };
    assert_eq!(timeline.advance(Goal::default(), at_complaint), Reached::Break);
    assert_eq!((timeline.past().len(), timeline.past().grade(4), timeline.over()), (4, Grade::Broken, None));
    assert_eq!(timeline.advance(Goal { events: 0, ..Goal::default() }, at_complaint), Reached::Goal);
    assert_eq!(timeline.advance(Goal::default(), at_complaint), Reached::Over);
    assert_eq!(timeline.past().len(), 10);
}

#[test]
fn a_limit_is_hit_at_the_same_event_as_in_a_run_without_a_timeline() {
    let world = ["0ms..9ms crash clock"; 40];
    for crowd in [2, 10, 40, 41, 42, 43, 44] {
        let limits = Limits { events_at_one_instant: crowd, ..Limits::default() };
        let course = Course { limits, ..Course::default() };
        let outcome = run(&mut clockwork(0, 99, &world), &mut (), &course, |_, _| Continue(()));
        let timeline = kept(clockwork(0, 99, &world), course.until, limits);
        assert_eq!(timeline.past().len(), outcome.events);
        let limit = |over| if let Over::Limit(limit) = over { Some(limit) } else { None };
        assert_eq!(timeline.over().and_then(limit), outcome.limit);
    }
}

#[test]
fn a_panic_is_visited_like_any_event() {
    let mut timeline = kept(clockwork(7, 10, &[]), Instant::NEVER, Limits::default());
    for event in [3, 7, 6, 99, 0, 7] {
        let sim = &timeline.seek(event).sim;
        assert_eq!(sim.panic().is_some(), event >= 7);
    }
    let retold = timeline.retell(7).unwrap();
    assert_eq!(retold.step.what, Happening::Fired { node: NODE, timer: Timer(0) });
    assert!(retold.entries.is_empty());
    assert!(timeline.retell(8).is_none() && timeline.retell(0).is_none());
}

#[test]
fn a_change_that_is_undone_at_the_next_event_is_found() {
    let timeline = kept(clockwork(0, 5_000, &[]), Instant::NEVER, Limits::default());
    let lamp = |sim: &Sim<Msg>| sim.actor::<Clockwork>(NODE).unwrap().lamp;
    for (before, event, is) in
        [(5_000, 5_000, true), (4_999, 4_901, false), (4_900, 4_900, true), (4_899, 4_801, false)]
    {
        let LastChange::At(change) = timeline.last_change(before, NODE, lamp, |_| true) else { panic!("it blinked") };
        assert_eq!((change.event, change.was, change.is), (event, !is, is));
    }
    assert_eq!(timeline.last_change(99, NODE, lamp, |_| true), LastChange::Never);
    let stops_at = |sim: &Sim<Msg>| sim.actor::<Clockwork>(NODE).unwrap().stops_at;
    let mut asked = Vec::new();
    let mut ask = |event| {
        asked.push(event);
        event > 2_000
    };
    assert_eq!(timeline.last_change(u64::MAX, NODE, stops_at, &mut ask), LastChange::Cancelled);
    assert_eq!(asked, [4_096, 3_072, 2_048, 1_024]);
}

#[test]
fn a_crash_counts_as_a_change_of_its_node() {
    let timeline = kept(clockwork(0, 50, &["20ms..30ms crash clock"]), Instant::NEVER, Limits::default());
    let count = |sim: &Sim<Msg>| sim.actor::<Clockwork>(NODE).unwrap().count;
    let crash = u64::from(*timeline.past().faults().get(0).unwrap());
    let LastChange::At(change) = timeline.last_change(crash, NODE, count, |_| true) else { panic!("it was reset") };
    assert_eq!((change.event, change.was, change.is), (crash, 20, 0));
    let up = |sim: &Sim<Msg>| sim.is_up(NODE);
    let LastChange::At(change) = timeline.last_change(u64::MAX, NODE, up, |_| true) else { panic!("it came up") };
    assert_eq!((change.event, change.is), (crash + 1, true));
}

#[test]
fn a_search_of_causes_is_cancelled_when_asked() {
    let timeline = kept(clockwork(0, 20_000, &[]), Instant::NEVER, Limits::default());
    let past = timeline.past();
    for calls in [1, 3] {
        let patience = || {
            let mut left = calls;
            move || {
                left -= 1;
                left > 0
            }
        };
        assert_eq!(past.past_of(20_000, patience()), None);
        assert_eq!(past.future_of(1, patience()), None);
    }
    assert_eq!(past.past_of(20_000, || true).unwrap().len(), 20_000);
    assert_eq!(past.future_of(1, || true).unwrap().len(), 20_000);
    assert!(past.future_of(20_001, || true).unwrap().is_empty());
    assert!(past.past_of(0, || true).unwrap().is_empty());
}

#[test]
fn a_scenario_and_what_its_judge_says_are_the_same_at_any_event() {
    for (name, scenario) in all_built_in() {
        let model = remedied(&scenario, None);
        let last = model.until().unwrap_or(Instant::NEVER.shifted(-1));
        over_seeds(2, |seed| {
            let limits = Limits { events: 4_000, ..Limits::default() };
            let budget = Budget { spacing: 256, ..Budget::default() };
            let (sim, judge) = model.start(seed);
            let mut timeline = Timeline::new(sim, judge, last, limits, budget);
            timeline.advance(Goal::default(), watch);
            for nth in 0..6 {
                let event = mix(seed.0, nth) % (timeline.past().len() + 1);
                let (mut sim, mut judge) = model.start(seed);
                sim.record(true);
                while sim.events() < event {
                    let step = sim.step().expect("it happened");
                    judge.after(&step, &sim);
                }
                let moment = timeline.seek(event);
                let said = |mut judge: ScenarioJudge, sim| (judge.finish(sim), judge.metrics(sim), judge.counters());
                assert_eq!(moment.sim.checkpoint().unwrap(), sim.checkpoint().unwrap(), "{name} {seed} {event}");
                assert_eq!(said(moment.judge.clone(), &moment.sim), said(judge, &sim), "{name} {seed} {event}");
                if let Some(retold) = timeline.retell(event) {
                    assert_eq!(format!("{:?}", retold.notes), format!("{:?}", sim.notes()), "{name} {seed} {event}");
                    assert_eq!(retold.entries, sim.log(), "{name} {seed} {event}");
                }
            }
        });
    }
}

#[test]
fn a_snapshot_of_the_past_can_go_to_another_thread_and_stays_as_it_was() {
    fn movable<T: Send + Sync>() {}
    movable::<sim_core::Past>();
    movable::<Timeline<Msg, Witness>>();
    let mut timeline =
        Timeline::new(clockwork(0, 5_000, &[]), (), Instant::NEVER, Limits::default(), Budget::default());
    timeline.advance(Goal { events: 1_500, ..Goal::default() }, watch);
    let snapshot = timeline.past().clone();
    timeline.advance(Goal::default(), watch);
    assert_eq!((snapshot.len(), timeline.past().len()), (1_500, 5_000));
    assert_eq!(snapshot.of_node(NODE).len(), 1_500);
    assert!((1..=1_500).all(|event| snapshot.step(event) == timeline.past().step(event)));
}
