//! Faults that strike where a program is, not when the clock says so: at a mark, at a step, by a role.

use faultline_tests::cast::{A, Act, B, EVERY_SECOND, NOTHING, Ran, Say, at, cast, check, ms, run, with};
use sim_core::{Context, Entry, Event, Fault, Happening, NodeId, Rest, Seed, Sim, Sync, Timer};

const C: NodeId = NodeId(2);

// ── What happens and what does not ──

/// Ticks each second: says so, marks, says more, and pings `b`.
const MARKING: Act = |event, cx| {
    match event {
        Event::Start(_) => {}
        Event::Timer(Timer(n)) => {
            cx.append("log", n.to_string().into_bytes());
            cx.note(format!("before {n}"));
            cx.mark("half.way");
            cx.note(format!("behind {n}"));
            cx.append("log", b"!".to_vec());
            cx.send(B, Say::Ping(*n));
        }
        _ => return,
    }
    if cx.now() < at("5s") {
        let n = cx.now().nanos() / 1_000_000_000;
        cx.set(Timer(n as u32 + 1), ms(1_000));
    }
};

#[test]
fn a_crash_at_a_mark_leaves_what_was_done_before_it_and_nothing_behind_it() {
    let ran = run(&with(cast(&[MARKING, NOTHING]), &["crash a at half.way #2 for 60s"]), 1);
    let expected = ["1s before 1", "1s behind 1", "2s before 2"];
    assert_eq!(ran.lines.iter().filter(|line| line.contains(" be")).collect::<Vec<_>>(), expected);
    assert_eq!(ran.mentioning("Ping"), ["1.01s b/1: Ping(1) from a"]);
    assert_eq!(ran.mentioning("a/2"), ["62s a/2: start log: 1+!+2".replace("log: ", "")]);
    assert_eq!(ran.sim.touched(), [1]);
}

#[test]
fn the_fault_begins_in_the_next_event_at_the_same_instant_because_of_the_one_that_passed() {
    let system = with(cast(&[MARKING, MARKING]), &["crash a at half.way #2 for 1s"]);
    let ran = run(&system, 1);
    let began = ran.steps.iter().find(|step| matches!(step.what, Happening::FaultBegan { .. })).unwrap();
    let passed = ran.steps.iter().find(|step| Some(step.number) == began.by).unwrap();
    assert_eq!((passed.number + 1, passed.at, began.at), (began.number, at("2s"), at("2s")));
    assert_eq!(passed.what, Happening::Fired { node: A, timer: Timer(2) });
    let ended = ran.steps.iter().find(|step| matches!(step.what, Happening::FaultEnded { .. })).unwrap();
    assert_eq!(ended.at, at("3s"));
    let mut sim = system.start(Seed(1)).unwrap();
    sim.record(true);
    while sim.events() < began.number {
        sim.step();
    }
    assert_eq!(sim.log()[..2], [Entry::Tripped { nth: 2 }, Entry::Struck { node: A }]);
}

#[test]
fn passages_are_counted_over_all_that_a_fault_is_about_and_for_each_of_those_by_itself() {
    let down = |fault: &str| -> Vec<String> {
        let ran = run(&with(cast(&[MARKING, MARKING, MARKING]), &[fault]), 1);
        ran.lines.iter().filter(|line| line.contains("/2: start")).map(|line| line[..5].to_owned()).collect()
    };
    assert_eq!(down("crash * at half.way #2 for 500ms"), ["1.5s "], "b passes second");
    assert_eq!(down("crash a at half.way #2 for 500ms"), ["2.5s "]);
    assert_eq!(down("crash * at half.way #2 #3 for 500ms").len(), 2);
    assert_eq!(down("crash b before half.way #1 for 500ms"), ["1.5s "], "a mark has no sides");
    assert_eq!(down("crash b after half.way #1 for 500ms"), ["1.5s "]);
    let mut numbered = sim_core::System::new();
    for name in ["s1", "s2"] {
        numbered.node(name, faultline_tests::cast::Probe::new(MARKING));
    }
    let ran = run(&with(numbered, &["crash each of s1..s2 at half.way #2 for 500ms"]), 1);
    assert_eq!(ran.mentioning("/2: start").len(), 2, "each has a second passage of its own");
}

#[test]
fn the_window_limits_when_it_strikes_and_what_never_struck_did_nothing() {
    let touched = |fault: &str| run(&with(cast(&[MARKING, NOTHING]), &[fault]), 1).sim.touched();
    assert_eq!(touched("2500ms.. crash a at half.way #3 for 100ms"), [1]);
    assert_eq!(touched("2500ms.. crash a at half.way #2 for 100ms"), [0], "the second is before the window");
    assert_eq!(touched("6s.. crash a at half.way for 100ms"), [0]);
    assert_eq!(touched("0s..1s crash a at half.way for 100ms"), [0], "half open");
    assert_eq!(touched("crash a at nowhere for 100ms"), [0]);
    assert_eq!(touched("crash b at half.way for 100ms"), [0], "b never comes there");
    let plain = run(&cast(&[MARKING, NOTHING]), 1).sim.digest();
    let inert = run(&with(cast(&[MARKING, NOTHING]), &["crash a at half.way #99 for 1s"]), 1).sim.digest();
    assert_eq!(inert, plain, "what only waits changes nothing");
}

#[test]
fn a_pause_at_a_mark_begins_once_the_event_is_handled() {
    let ran = run(&with(cast(&[MARKING, NOTHING]), &["pause a at half.way #2 for 10s"]), 1);
    assert_eq!(ran.mentioning("behind"), ["1s behind 1", "2s behind 2", "12s behind 3"]);
    assert_eq!(ran.mentioning("Ping").len(), 3);
}

#[test]
fn a_cut_begins_at_any_nodes_passage_and_ends() {
    let ran = run(&with(cast(&[MARKING, NOTHING]), &["cut a->b at half.way #2 for 1500ms"]), 1);
    // What the handler sends behind the mark is sent before the cut begins.
    let arrive: Vec<&str> = ran.mentioning("Ping");
    assert_eq!(
        arrive,
        [
            "1.01s b/1: Ping(1) from a",
            "2.01s b/1: Ping(2) from a",
            "4.01s b/1: Ping(4) from a",
            "5.01s b/1: Ping(5) from a"
        ]
    );
    assert_eq!(ran.sim.touched(), [1]);
}

/// Writes and asks for a sync ten times a second.
const WRITER: Act = |event, cx| {
    if matches!(event, Event::Start(_) | Event::Timer(_)) {
        cx.append("log", b"x".to_vec());
        cx.sync(Sync(1));
        cx.set(Timer(1), ms(100));
    }
};

#[test]
fn a_sync_is_a_mark_of_its_own_and_a_share_of_them_is_drawn_by_their_lineage() {
    let mut system = with(cast(&[WRITER]), &["0s..100s power-loss a at sync 2% for 1ms"]);
    system.disk(A, sim_core::Dist::Constant(ms(50)));
    let struck = |seed| -> Vec<u64> {
        let mut sim = system.start(Seed(seed)).unwrap();
        sim.record(true);
        let mut all = Vec::new();
        while sim.step_before(at("100s")).is_some() {
            all.extend(
                sim.log().iter().filter_map(|it| if let Entry::Tripped { nth } = it { Some(*nth) } else { None }),
            );
        }
        all
    };
    let all: Vec<Vec<u64>> = (0..20).map(struck).collect();
    let total: usize = all.iter().map(Vec::len).sum();
    // 20 runs of about 1,000 syncs at 2 %: 400 ± 4 · 20.
    assert!((320..480).contains(&total), "{total}");
    assert_ne!(all[0], all[1]);
    assert_eq!(struck(0), all[0]);
    let mut calm = system.clone();
    calm.rest(Rest::Calm);
    assert_eq!(
        calm.start(Seed(1))
            .map(|mut sim| {
                while sim.step_before(at("100s")).is_some() {}
                sim.touched()
            })
            .unwrap(),
        [0]
    );
    // The write was under way: its sync covers nothing.
    let ran = run(&with(cast(&[WRITER]), &["0s..1s power-loss a at sync #1 for 1s"]), 1);
    assert_eq!(ran.mentioning("a/2: start"), ["1s a/2: start"]);
}

// ── Forks and proofs ──

#[test]
fn a_fork_at_any_event_goes_on_as_the_original_does() {
    let faults = [
        "crash a at half.way 20% for 700ms",
        "pause b at half.way #3 for 2s",
        "2s.. cut a->c after half.way every ~1s for ~1s",
    ];
    let system = with(cast(&[MARKING, MARKING, MARKING]), &faults);
    let whole = run(&system, 3).sim.digest();
    let mut sim = system.start(Seed(3)).unwrap();
    loop {
        let mut fork = sim.clone();
        while fork.step_before(at("1h")).is_some() {}
        assert_eq!(fork.digest(), whole);
        if sim.step_before(at("1h")).is_none() {
            return;
        }
    }
}

#[test]
fn a_fault_that_waits_can_be_lifted_until_its_point_is_passed() {
    let system = with(cast(&[MARKING, NOTHING]), &["crash a at half.way #2 for 60s"]);
    let mut sim = system.start(Seed(1)).unwrap();
    while sim.step_before(at("1500ms")).is_some() {}
    let mut lifted = sim.clone();
    assert!(lifted.lift(0));
    while lifted.step_before(at("1h")).is_some() {}
    assert_eq!((lifted.touched(), lifted.is_up(A)), (vec![0], true));
    while !matches!(sim.clone().step().unwrap().what, Happening::FaultBegan { .. }) {
        sim.step();
    }
    assert!(!sim.lift(0), "the handling is cut short already");
    sim.step();
    assert!(!sim.lift(0), "it holds");
}

// ── Two-phase commit ──

/// Node `a` coordinates: asks `b` and `c`, and once both have voted, decides. Pings are questions and decisions, pongs votes.
const COORDINATOR: Act = |event, cx| match event {
    Event::Start(_) if cx.life() == 1 => [B, C].iter().for_each(|node| cx.send(*node, Say::Ping(1))),
    Event::Message { from, .. } => {
        cx.append("votes", vec![from.0 as u8]);
        cx.set(Timer(from.0), ms(0));
    }
    // The second vote that is written down is the last.
    Event::Timer(Timer(2)) => {
        cx.mark("all.voted");
        [B, C].iter().for_each(|node| cx.send(*node, Say::Ping(2)));
    }
    _ => {}
};

/// Votes yes, and is in doubt until it hears.
const PARTICIPANT: Act = |event, cx| match event {
    Event::Message { from, msg: Say::Ping(1) } => {
        cx.note("votes, in doubt".to_owned());
        cx.send(*from, Say::Pong(1));
    }
    Event::Message { msg: Say::Ping(2), .. } => cx.note("learns the decision".to_owned()),
    _ => {}
};

#[test]
fn the_coordinator_dies_after_all_have_voted_is_one_line() {
    let told = |faults: &[&str], what: &str| {
        run(&with(cast(&[COORDINATOR, PARTICIPANT, PARTICIPANT]), faults), 1).mentioning(what).len()
    };
    assert_eq!((told(&[], "in doubt"), told(&[], "learns")), (2, 2));
    let dies = ["crash a at all.voted #1 for 60s"];
    assert_eq!((told(&dies, "in doubt"), told(&dies, "learns")), (2, 0), "both wait for a decision that nobody makes");
}

// ── Roles ──

/// Nodes take turns to lead, each for a second; a new life does not lead.
const LEADER: Act = |event, cx: &mut Context<'_, Say>| match event {
    Event::Start(_) if cx.life() == 1 => cx.set(Timer(1), ms(u64::from(cx.id().0) * 1_000)),
    Event::Timer(Timer(1)) => {
        cx.role("leader");
        cx.note("leads".to_owned());
        cx.mark("elected");
        cx.set(Timer(2), ms(1_000));
    }
    Event::Timer(Timer(2)) => cx.no_role("leader"),
    _ => {}
};

fn restarted(faults: &[&str]) -> Vec<String> {
    let ran: Ran = run(&with(cast(&[LEADER, LEADER, LEADER]), faults), 1);
    ran.mentioning("/2: start").iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn whoever_leads_when_it_strikes_is_struck_and_released() {
    assert_eq!(restarted(&["1500ms..1700ms crash the leader"]), ["1.7s b/2: start"]);
    assert_eq!(
        restarted(&["crash the leader every 400ms for 700ms"]),
        ["1.1s a/2: start", "2.2s b/2: start", "3.3s c/2: start"]
    );
    assert_eq!(restarted(&["2500ms.. power-loss the leader for 1s"]), ["3.5s c/2: start"]);
    let nobody = run(&with(cast(&[LEADER, LEADER, LEADER]), &["4s..5s crash the leader", "crash the follower"]), 1);
    assert_eq!(nobody.sim.touched(), [0, 0]);
}

#[test]
fn a_crash_takes_the_role_and_a_partition_isolates_who_has_it() {
    // Down from 0.5 s to 0.6 s, a is no longer the leader, though nobody said so.
    assert_eq!(restarted(&["500ms..600ms crash a", "700ms..800ms crash the leader"]), ["600ms a/2: start"]);
    let faults = ["500ms..8500ms partition isolate the leader"];
    let both: Act = |event, cx| {
        LEADER(event, cx);
        EVERY_SECOND(event, cx);
    };
    let ran = run(&with(cast(&[LEADER, both, NOTHING]), &faults), 1);
    assert_eq!(ran.sim.touched(), [0], "b, which sends to itself, is on its own side");
}

#[test]
fn a_point_and_a_role_go_together() {
    assert_eq!(restarted(&["crash the leader at elected #2 for 100ms"]), ["1.1s b/2: start"]);
    check(&[LEADER, LEADER], &["crash the follower at elected for 100ms"], "/2", &[]);
}

// ── Text ──

#[test]
fn a_line_with_a_point_or_a_role_prints_as_it_is_written() {
    for text in [
        "crash shop at pay.prepared #1 for 60s",
        "crash orders before place.publish 0.1% for 1s",
        "crash orders after place.publish #2 #5 for 1s",
        "10s.. pause db at sync 1% for 2s",
        "cut a->b after m #1 for 5s",
        "clog a->b charge after m for 5s",
        "1s..9s loss a->b 20% at m every ~1s for ~2s",
        "crash each of s1..s3 at m #2",
        "crash the leader every ~30s for 5s",
        "10s..12s pause the leader",
        "partition isolate the leader cutting flight at elected #1 for 3s",
        "slow the leader x10",
    ] {
        assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
    }
    let error = |text: &str| text.parse::<Fault>().unwrap_err().to_string();
    assert_eq!(
        error("5s crash a at m for 1s"),
        "\"5s\" is one instant, and \"at\" waits for another; write \"5s..\" in its place"
    );
    assert_eq!(
        error("crash one of a at m for 1s"),
        "\"at\" strikes the node that comes there, and nobody is drawn; name the nodes, or each of them"
    );
    assert!(error("crash a at").starts_with("a step such as place.publish is missing at the end"));
    assert!(error("crash a at m #0").contains("is before the first"));
    assert!(error("crash the for 1s").starts_with("\"for\" stands where a role such as leader should"));
    assert!("crash a at m 0%".parse::<Fault>().unwrap().is_off());
}

/// What only waits costs a run nothing that shows: every event, instant and cause is as without it.
#[test]
fn the_dice_of_others_do_not_change() {
    let steps = |faults: &[&str]| {
        let mut sim: Sim<Say> = with(cast(&[MARKING, MARKING, NOTHING]), faults).start(Seed(9)).unwrap();
        let mut all = Vec::new();
        while let Some(step) = sim.step_before(at("1h")) {
            if step.node() == Some(B) {
                all.push((step.at, step.what, step.cause));
            }
        }
        all
    };
    let faults = ["crash c at half.way 50% for 1s", "pause c at sync for 1s", "slow the leader x10"];
    assert_eq!(steps(&faults), steps(&[]));
}
