//! A failing case outlives the code it was found in: after a change of the code or of the scenario it still breaks, or says that
//! it does not.
//!
//! Twenty cases of the checkout, as they were hunted (`rest: seed`) and as they were shrunk (`rest: calm`), at ten orders and at
//! the size of the file, meet a draw more per message, heartbeats between all nodes, and another timeout. The figures are in
//! docs/validation.md; `cargo test -p faultline-tests --test changes -- --nocapture` prints them.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use faultline_tests::scenarios::{built_in, json, over_seeds};
use serde::Serialize;
use serde_json::{Value, json as object};
use sim_core::case::Case;
use sim_core::{
    Cause, Coat, Context, Dist, Duration, Event, Kind, Limits, Message, NodeId, Purpose, Rest, Seed, Stop, Timer,
};
use sim_models::language::Choices;
use sim_models::message::{CallId, Msg};
use sim_models::scenario::{Model, Replay};
use sim_models::shrink::shrink;

const CASES: usize = 20;

/// Twenty failing cases of one origin.
struct Kept {
    what: &'static str,
    cases: Vec<Case>,
}

/// As hunted and as shrunk, at ten orders and at the size of the file.
static KEPT: LazyLock<[Kept; 4]> = LazyLock::new(|| {
    let (ten, all) = (hunted(&Choices::none().set("orders", "10")), hunted(&Choices::none()));
    [
        Kept { what: "ten orders, shrunk", cases: shrunk(&ten) },
        Kept { what: "10,000 orders, shrunk", cases: shrunk(&all) },
        Kept { what: "ten orders, hunted", cases: ten },
        Kept { what: "10,000 orders, hunted", cases: all },
    ]
});

fn hunted(choices: &Choices) -> Vec<Case> {
    let model = built_in("checkout").model(choices).unwrap_or_else(|wrong| panic!("{wrong}"));
    let runs = (0..).map(|seed| model.run(Seed(seed), Stop::AtViolation));
    let failing = runs.filter(|run| run.outcome.verdict.is_failure()).take(CASES);
    failing.map(|run| model.case(&run)).collect()
}

fn shrunk(cases: &[Case]) -> Vec<Case> {
    over_seeds(cases.len() as u64, |nth| {
        let case = &cases[nth.0 as usize];
        let small = shrink("case.json", case, 10_000, &mut |_| true).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((small.case.rest, small.unfinished), (Rest::Calm, false));
        small.case
    })
}

fn of(case: &Case) -> Model {
    Model::of_case("case.json", case).unwrap_or_else(|error| panic!("{error}"))
}

fn replayed(model: &Model, case: &Case) -> Replay {
    // What no longer fails goes on to the end of its orders; nobody needs more than this of it.
    let limits = Limits { events: 2_000_000, ..Limits::default() };
    model.replay(case, limits, |_, _| ControlFlow::Continue(())).unwrap_or_else(|error| panic!("{error}"))
}

/// How many of the cases still break in the same way after a change, and how many of their decisions still apply.
#[derive(Debug, Default, PartialEq, Eq)]
struct Survived {
    cases: usize,
    broken: usize,
    /// At the very instant at which it broke when it was recorded.
    on_time: usize,
    decisions: usize,
    applied: usize,
}

fn survived(kept: &Kept, change: impl Fn(&Case) -> Model) -> Survived {
    let mut sum = Survived { cases: kept.cases.len(), ..Survived::default() };
    for case in &kept.cases {
        let replay = replayed(&change(case), case);
        assert_eq!(replay.run.outcome.panic, None, "{}, seed {}", kept.what, case.seed);
        sum.broken += usize::from(replay.same_failure);
        sum.on_time += usize::from(replay.drift.is_some_and(|drift| drift.at.0 == Some(drift.at.1)));
        sum.decisions += replay.decisions.len();
        sum.applied += replay.applied();
    }
    println!("{}: {sum:?}", kept.what);
    sum
}

/// Every case breaks in the same way at the same instant, and every decision applies.
fn check_all_survive(change: impl Fn(&Case) -> Model) {
    for kept in &*KEPT {
        let Survived { cases, broken, on_time, decisions, applied } = survived(kept, &change);
        assert_eq!((cases, broken, on_time, applied), (CASES, CASES, CASES, decisions), "{}", kept.what);
    }
}

/// Draws once more for every message, before its actor handles it.
#[derive(Clone, Serialize)]
struct DrawsMore {
    #[serde(skip)]
    purpose: Purpose,
}

impl Coat<Msg> for DrawsMore {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) -> Option<Event<Msg>> {
        if let Event::Message { .. } = event {
            cx.draw(self.purpose, &Dist::Exponential(Duration::from_millis(5)));
        }
        Some(event)
    }
}

fn drawing(case: &Case, purpose: Purpose) -> Model {
    of(case).rebuilt(move |system| system.dress(|_, _| DrawsMore { purpose }))
}

/// Tells every other node now and then that it is there; for any system, given a message to say so with.
#[derive(Clone, Serialize)]
struct Beats<M> {
    beat: M,
    peers: u32,
    left: u64,
}

const EVERY: Duration = Duration::from_millis(100);
/// Two hundred seconds of them: longer than any of the cases.
const BEATS: u64 = 2_000;

impl<M: Message> Coat<M> for Beats<M> {
    fn handle(&mut self, event: Event<M>, cx: &mut Context<'_, M>) -> Option<Event<M>> {
        match &event {
            Event::Start(_) | Event::Timer(_) => {
                self.beat(cx);
                Some(event)
            }
            Event::Message { msg, .. } | Event::Refused { msg, .. } | Event::Reset { msg, .. } => {
                (msg.kind() != self.beat.kind()).then_some(event)
            }
            Event::Synced(..) | Event::Stop { .. } => Some(event),
        }
    }
}

impl<M: Message> Beats<M> {
    fn beat(&mut self, cx: &mut Context<'_, M>) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        cx.because(Cause::root("heartbeat", cx.names().node(cx.id()), self.left));
        let me = cx.id();
        for peer in (0..self.peers).map(NodeId).filter(|peer| *peer != me) {
            cx.send(peer, self.beat.clone());
        }
        cx.set(Timer(0), EVERY);
    }
}

fn beating(case: &Case) -> Model {
    of(case).rebuilt(|system| {
        let kind = system.kind("heartbeat");
        let peers = system.names().nodes().len() as u32;
        system.dress(|_, _| Beats { beat: beat(kind), peers, left: BEATS });
    })
}

/// A message of a kind of its own, which no node of a scenario sees: its coat takes it.
fn beat(kind: Kind) -> Msg {
    Msg::Cancel { id: CallId { life: 0, place: 0, turn: 0 }, kind }
}

/// Whatever a node is told, it tells a neighbour and sets a watchdog, both before its actor has its turn and for the cause that the
/// actor goes on with: the sort of change that shifts every count of what is done in one handling.
#[derive(Clone, Serialize)]
struct Watchful<M> {
    word: M,
    neighbour: NodeId,
}

impl<M: Message> Coat<M> for Watchful<M> {
    fn handle(&mut self, event: Event<M>, cx: &mut Context<'_, M>) -> Option<Event<M>> {
        match &event {
            Event::Timer(_) => return None,
            Event::Message { msg, .. } | Event::Refused { msg, .. } | Event::Reset { msg, .. }
                if msg.kind() == self.word.kind() =>
            {
                return None;
            }
            _ => {}
        }
        cx.send(self.neighbour, self.word.clone());
        cx.set(Timer(0), EVERY);
        Some(event)
    }
}

fn watched(case: &Case) -> Model {
    of(case).rebuilt(|system| {
        let kind = system.kind("audit");
        let nodes = system.names().nodes().len() as u32;
        system.dress(|node, _| Watchful { word: beat(kind), neighbour: NodeId((node.0 + 1) % nodes) });
    })
}

fn edited(case: &Case, edit: impl FnOnce(&mut Value)) -> Model {
    let mut scenario = case.scenario.clone();
    edit(&mut scenario);
    of(&Case { scenario, ..case.clone() })
}

fn with_timeout(case: &Case, timeout: &str) -> Model {
    let mut changed = case.clone();
    changed.settings.insert("timeout".to_owned(), Value::from(timeout));
    of(&changed)
}

#[test]
fn unchanged_every_case_is_reproduced() {
    for kept in &*KEPT {
        for case in &kept.cases {
            let replay = replayed(&of(case), case);
            assert!(replay.reproduced, "{}, seed {}", kept.what, case.seed);
            let drift = replay.drift.expect("it fails in the same way");
            assert_eq!((drift.events.0, drift.at.0), (Some(drift.events.1), Some(drift.at.1)));
        }
    }
}

#[test]
fn every_case_survives_a_draw_more_for_every_message() {
    check_all_survive(|case| drawing(case, Purpose::new("audit")));
}

#[test]
fn every_case_survives_heartbeats_between_all_nodes() {
    check_all_survive(beating);
    let case = &KEPT[0].cases[0];
    let beats = beating(case).run(case.seed, Stop::AtEnd).outcome.events;
    assert!(beats > of(case).run(case.seed, Stop::AtEnd).outcome.events + BEATS * 20, "{beats} events: who beats?");
}

#[test]
fn every_case_survives_a_message_and_a_timer_more_for_all_that_is_handled() {
    check_all_survive(watched);
}

#[test]
fn every_case_survives_both_at_once() {
    check_all_survive(|case| {
        beating(case).rebuilt(|system| system.dress(|_, _| DrawsMore { purpose: Purpose::new("audit") }))
    });
}

/// The same change, made by who knows only scenario files: services call each other and look into the stores by the clock, and
/// a third service watches them all.
#[test]
fn every_case_survives_heartbeats_written_into_the_scenario() {
    check_all_survive(|case| {
        edited(case, |file| {
            file["until"] = object!("2000s");
            let probe = |steps: Value| object!({"every": "100ms", "do": steps});
            let look = [object!({"read": "orders.status[0]"}), object!({"read": "inventory.stock['book']"})];
            let call = |endpoint: &str| object!({"call": endpoint, "timeout": "50ms"});
            let nodes = &mut file["nodes"];
            nodes["watch"] = object!({"kind": "service", "endpoints": {
                "alive": [{"work": {"exponential": "1ms"}}],
                "beat": probe(object!([call("shop.alive"), call("gateway.alive"), look[0], look[1]]))}});
            for (node, other) in [("shop", "gateway"), ("gateway", "shop")] {
                let endpoints = &mut nodes[node]["endpoints"];
                endpoints["alive"] = object!([{"work": {"exponential": "1ms"}}]);
                let steps = [call(&format!("{other}.alive")), call("watch.alive"), look[0].clone(), look[1].clone()];
                endpoints["beat"] = probe(object!(steps));
            }
        })
    });
}

/// A draw of a purpose that the models use, in front of theirs, is another #1 for the lines of a case: those give their answer to
/// the new question. What was hunted keeps its dice, because a step of the models draws for its own place in the program. Nothing
/// passes silently: the case says that it no longer fails.
#[test]
fn a_draw_of_a_known_purpose_in_front_takes_the_line_that_was_meant_for_the_next() {
    for kept in &*KEPT {
        let Survived { broken, .. } = survived(kept, |case| drawing(case, Purpose::new("work")));
        let is_shrunk = kept.what.ends_with("shrunk");
        assert_eq!(broken, if is_shrunk { 0 } else { CASES }, "{}", kept.what);
    }
    let case = &KEPT[0].cases[0];
    let replay = replayed(&drawing(case, Purpose::new("work")), case);
    assert_eq!((replay.applied(), replay.decisions.len()), (1, 1), "the line was asked for, by another");
    assert!(!replay.same_failure && replay.divergence.is_some());
}

/// The gateway works twice for each charge, a moment and then as ever. The steps of one verb are told apart by their order, unless
/// they have ids: behind, the new one takes no other's dice; in front, it does.
fn working_more(case: &Case, at: usize) -> Model {
    edited(case, |file| {
        let steps = file["nodes"]["gateway"]["endpoints"]["charge"][1]["do"].as_array_mut().expect("steps");
        steps.insert(at, object!({"work": {"exponential": "1ms"}}));
    })
}

#[test]
fn a_step_more_behind_the_others_of_its_verb_changes_nothing_and_one_in_front_takes_their_luck() {
    for kept in &*KEPT {
        let behind = survived(kept, |case| working_more(case, 1));
        assert_eq!((behind.broken, behind.applied), (CASES, behind.decisions), "{}", kept.what);
        let in_front = survived(kept, |case| working_more(case, 0));
        assert_eq!(in_front.applied, in_front.decisions, "{}: they answer another question", kept.what);
    }
}

#[test]
fn most_cases_survive_another_timeout_and_all_decisions_apply() {
    for (timeout, least) in [("800ms", CASES), ("1200ms", CASES / 2 + 1)] {
        for kept in &*KEPT {
            print!("timeout {timeout}, ");
            let Survived { broken, decisions, applied, .. } = survived(kept, |case| with_timeout(case, timeout));
            assert!(broken >= least, "{} at {timeout}: {broken} of {CASES} still break", kept.what);
            assert_eq!(applied, decisions, "{} at {timeout}", kept.what);
        }
    }
}

#[test]
fn what_is_no_longer_there_is_said_not_to_apply() {
    let case = &KEPT[0].cases[0];
    let renamed = edited(case, |file| {
        let text = file.to_string().replace("gateway", "bank");
        *file = serde_json::from_str(&text).expect("it is JSON");
    });
    let replay = replayed(&renamed, case);
    assert_eq!((replay.applied(), replay.decisions.len()), (0, 1));
    assert!(!replay.reproduced && !replay.same_failure && replay.drift.is_none());
}

#[test]
fn the_scenario_in_a_case_is_the_one_that_is_built_in() {
    assert_eq!(KEPT[0].cases[0].scenario, json("checkout"));
}
