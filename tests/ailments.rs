//! What faults do that take nothing down: links that clog, nodes that freeze or are slow, clocks that are wrong.

use faultline_tests::cast::{A, Act, B, EVERY_SECOND, NOTHING, Ran, Say, arriving, at, cast, check, ms, run, with};
use sim_core::{Dist, Event, Fate, Happening, Link, NodeId, Purpose, Seed, Sync, Timer};

// ── Clogs ──

/// When each ping of [`EVERY_SECOND`] arrives at `b`.
fn arrivals(faults: &[&str]) -> Vec<String> {
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), faults), 1);
    let short = |line: &&str| line.replace(" b/1: Ping(", " ").replace(") from a", "");
    ran.mentioning("from a").iter().map(short).collect()
}

#[test]
fn a_clog_holds_what_is_sent_and_lets_it_go_in_order_at_its_end() {
    let expected = ["1.01s 1", "4.51s 2", "4.51s 3", "4.51s 4", "5.01s 5"];
    assert_eq!(arrivals(&["1500ms..4500ms clog a->b"])[..5], expected);
    assert_eq!(arriving(&["1500ms.. clog a->b"]), [1], "what never ends never lets go");
    assert_eq!(arriving(&["1500ms..4500ms clog b->a"]), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(arrivals(&["1500ms..4500ms clog a->b pong"])[1], "2.01s 2", "another kind goes through");
    assert_eq!(arrivals(&["1500ms..4500ms clog a->b ping"])[..5], expected);
}

#[test]
fn a_clog_holds_flight_only_when_it_says_so() {
    assert_eq!(arrivals(&["2005ms..2500ms clog a->b"])[1], "2.01s 2");
    let faults = ["0s..9s delay a->b +2500ms", "5s..8s clog a->b holding flight"];
    // Pings 3 and 4 were on their way, 5 (sent as it begins) to 7 are held where they are sent.
    let expected = ["3.51s 1", "4.51s 2", "8s 3", "8s 4", "10.51s 5", "10.51s 6", "10.51s 7", "10.51s 8"];
    let all = arrivals(&faults);
    assert_eq!(all.iter().filter(|line| !line.ends_with('9')).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &faults), 1);
    assert_eq!(ran.sim.touched(), [8, 5]);
}

#[test]
fn overlapping_clogs_hold_while_any_holds() {
    let faults = ["1500ms..3500ms clog a->b", "3s..5500ms clog *->b"];
    assert_eq!(arrivals(&faults)[..5], ["1.01s 1", "5.51s 2", "5.51s 3", "5.51s 4", "5.51s 5"]);
    assert_eq!(run(&with(cast(&[EVERY_SECOND, NOTHING]), &faults), 1).sim.touched(), [2, 2]);
}

#[test]
fn a_cut_loses_and_a_line_of_a_case_counts_the_same_under_a_clog() {
    assert_eq!(arriving(&["1500ms..4500ms clog a->b", "2500ms..3500ms cut a->b"]), [1, 2, 4, 5, 6, 7, 8, 9]);
    // What waits is in the air, as far as a cut that takes what is there can tell.
    assert_eq!(arriving(&["1500ms..4500ms clog a->b", "4s..5s cut a->b cutting flight"]), [1, 5, 6, 7, 8, 9]);
    assert_eq!(arrivals(&["1500ms..4500ms clog a->b", "late a->b ping #2 1.4s"])[3], "5.01s 5");
    assert!(arrivals(&["1500ms..4500ms clog a->b", "late a->b ping #2 1.4s"]).contains(&"5.9s 2".to_owned()));
    assert_eq!(arrivals(&["1500ms..4500ms clog a->b", "keep a->b ping #2"])[1], "2.01s 2");
    let twice = arrivals(&["1500ms..4500ms clog a->b", "twice a->b ping #3 100ms"]);
    assert!(twice.contains(&"4.51s 3".to_owned()) && twice.contains(&"4.6s 3".to_owned()), "{twice:?}");
}

#[test]
fn a_held_envelope_says_so_where_it_is_sent() {
    let mut sim = with(cast(&[EVERY_SECOND, NOTHING]), &["1500ms..4500ms clog a->b"]).start(Seed(1)).unwrap();
    sim.record(true);
    let mut fates = Vec::new();
    while sim.step_before(at("3500ms")).is_some() {
        fates.extend(sim.log().iter().filter_map(|entry| match entry {
            sim_core::Entry::Sent { fate, fault, .. } => Some((*fate, *fault)),
            _ => None,
        }));
    }
    let held = (Fate::Held(ms(10)), Some(0));
    assert_eq!(fates, [(Fate::Arrives(ms(10)), None), held, held]);
}

// ── Bursts ──

/// Sends a ping each millisecond for ten seconds to all others, from 1 ms on.
const STEADY: Act = |event, cx| {
    let number = match event {
        Event::Start(_) if cx.id() == A => 0,
        Event::Timer(Timer(number)) => *number,
        _ => return,
    };
    if number > 0 {
        (1..cx.names().nodes().len() as u32).for_each(|node| cx.send(NodeId(node), Say::Ping(number)));
    }
    if number < 10_000 {
        cx.set(Timer(number + 1), ms(1));
    }
};

/// For each node but the first, which pings of [`STEADY`] never reach it.
fn missing(faults: &[&str], seed: u64) -> [Vec<u32>; 2] {
    let ran = run(&with(cast(&[STEADY, NOTHING, NOTHING]), faults), seed);
    ["b", "c"].map(|node| {
        let told = ran.mentioning(&format!(" {node}/1: Ping("));
        let number = |line: &&str| line.split(['(', ')']).nth(1).unwrap().parse::<u32>().unwrap();
        let heard: std::collections::BTreeSet<u32> = told.iter().map(number).collect();
        (1..=10_000).filter(|number| !heard.contains(number)).collect()
    })
}

#[test]
fn a_burst_loses_many_in_a_row_on_a_link_of_its_own_and_ends() {
    let [b, c] = missing(&["2s..8s burst-loss a->* 100% bad ~50ms good ~150ms"], 1);
    for lost in [&b, &c] {
        assert!(lost.iter().all(|number| (2_000..8_000).contains(number)));
        // A quarter of 6 s at a correlation time of 37.5 ms is 80 looks that are as good as independent: 0.25 ± 4 · 0.049.
        let share = lost.len() as f64 / 6_000.0;
        assert!((share - 0.25).abs() < 0.2, "{share}");
        let bursts = lost.chunk_by(|one, next| one + 1 == *next).count();
        // Thirty turns of 200 ms in the mean, with a standard deviation of about 30^½ · 0.79.
        assert!((13..=47).contains(&bursts), "{bursts} bursts");
    }
    assert_ne!(b, c, "each link has turns of its own");
}

#[test]
fn turns_depend_on_seed_link_and_time_and_on_no_message() {
    let faults = ["burst-loss a->b 100% bad ~50ms good ~150ms"];
    let [whole, _] = missing(&faults, 1);
    // The same instants are bad when the fault begins later, when others lose too, and when most is never sent.
    let [later, _] = missing(&["5s.. burst-loss a->b 100% bad ~50ms good ~150ms"], 1);
    assert_eq!(later, whole.iter().copied().filter(|number| *number >= 5_000).collect::<Vec<_>>());
    let [both, _] = missing(&[faults[0], "loss a->b 20%"], 1);
    assert!(whole.iter().all(|number| both.contains(number)) && both.len() > whole.len() + 500);
    let [kept, _] = missing(&[faults[0], "0s..4s crash c"], 1);
    assert_eq!((kept, missing(&faults, 2)[0] == whole), (whole, false));
}

#[test]
fn a_burst_that_is_mild_loses_its_shares_and_counts_them() {
    let fault = "burst-loss a->b 50% bad ~20ms good ~20ms 10%";
    let ran = run(&with(cast(&[STEADY, NOTHING]), &[fault]), 5);
    let lost = 10_000 - ran.mentioning("b/1: Ping").len();
    // 30 % in the mean; the share of bad time in 10 s has a standard deviation of 0.5 / √500, which counts for 0.4 of it.
    assert!((lost as f64 / 10_000.0 - 0.3).abs() < 4.0 * (0.4 * 0.0224 + 0.0046), "{lost}");
    assert_eq!(ran.sim.touched(), [lost as u64]);
    assert_eq!(run(&with(cast(&[STEADY, NOTHING]), &["burst-loss a->b 50% bad ~1s good ~1h"]), 5).sim.touched(), [0]);
    let mut calm = with(cast(&[STEADY, NOTHING]), &["burst-loss a->b 100% bad ~20ms good ~20ms"]);
    calm.rest(sim_core::Rest::Calm);
    assert_eq!(run(&calm, 5).mentioning("b/1: Ping").len(), 10_000, "calm is as it mostly is");
}

// ── Pauses ──

/// Ticks each second.
const TICKS: Act = |event, cx| {
    if matches!(event, Event::Start(_) | Event::Timer(_)) {
        cx.note(format!("monotonic {} wall {}", cx.now(), cx.wall()));
        cx.set(Timer(1), ms(1_000));
    }
};

#[test]
fn what_comes_to_a_paused_node_waits_and_is_handled_at_the_end_in_its_order() {
    let ran = run(&with(cast(&[EVERY_SECOND, TICKS]), &["1500ms..3500ms pause b", "6s.. crash b"]), 1);
    let told: Vec<&str> = ran.lines.iter().map(String::as_str).filter(|line| line.contains(" b/1: ")).collect();
    let expected = [
        "0s b/1: start",
        "1s b/1: timer 1",
        "1.01s b/1: Ping(1) from a",
        "3.5s b/1: timer 1",
        "3.5s b/1: Ping(2) from a",
        "3.5s b/1: Ping(3) from a",
        "4.01s b/1: Ping(4) from a",
        "4.5s b/1: timer 1",
    ];
    assert_eq!(told[..8], expected);
    // One timer and two pings; its clocks went on.
    assert_eq!(ran.sim.touched(), [3, 1]);
    assert_eq!(ran.mentioning("monotonic")[2], "3.5s monotonic 3.5s wall 3.5s");
}

#[test]
fn what_waited_comes_before_what_is_due_as_the_pause_ends() {
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &["1500ms..3010ms pause b"]), 1);
    assert_eq!(ran.mentioning("3.01s"), ["3.01s b/1: Ping(2) from a", "3.01s b/1: Ping(3) from a"]);
}

#[test]
fn overlapping_pauses_hold_while_any_holds_and_one_for_ever_is_no_end() {
    for faults in [["1500ms..3500ms pause b", "3s..5500ms pause b"], ["1500ms..3s pause b", "3s..5500ms pause b"]] {
        assert_eq!(arrivals(&faults)[..4], ["1.01s 1", "5.5s 2", "5.5s 3", "5.5s 4"], "{faults:?}");
    }
    assert_eq!(arriving(&["1500ms.. pause b"]), [1]);
    check(&[NOTHING], &["0s..2s pause a"], "", &["2s a/1: start"]);
    let mut sim = with(cast(&[EVERY_SECOND, NOTHING]), &["1500ms..3500ms pause b"]).start(Seed(1)).unwrap();
    while sim.step_before(at("2s")).is_some() {}
    assert!(sim.is_paused(B) && sim.is_up(B) && !sim.is_paused(A) && !sim.is_over());
}

#[test]
fn a_node_that_crashes_in_a_pause_starts_when_both_are_over() {
    check(&[NOTHING, NOTHING], &["1s..5s pause b", "2s..3s crash b"], " b/", &["0s b/1: start", "5s b/2: start"]);
    check(&[NOTHING, NOTHING], &["1s..2s pause b", "1s..3s crash b"], " b/", &["0s b/1: start", "3s b/2: start"]);
    // Its timers and what it had received are gone with the crash.
    let ran = run(&with(cast(&[EVERY_SECOND, TICKS]), &["1500ms..5s pause b", "3500ms..4s crash b"]), 1);
    let told: Vec<&str> = ran.lines.iter().map(String::as_str).filter(|line| line.contains(" b/2: ")).collect();
    assert_eq!(told[..2], ["5s b/2: start", "5s b/2: Ping(4) from a"]);
}

#[test]
fn a_crash_in_a_pause_resets_what_was_received_and_never_looked_at() {
    let mut system = with(cast(&[EVERY_SECOND, NOTHING]), &["1500ms..5s pause b", "3500ms.. crash b"]);
    system.link(B, A, Link { answers: true, ..Link::with_latency(Dist::Constant(ms(30))) });
    let ran = run(&system, 1);
    let reset = ["3.53s a/1: Ping(1) reset by b", "3.53s a/1: Ping(2) reset by b", "3.53s a/1: Ping(3) reset by b"];
    assert_eq!(ran.mentioning("reset"), reset);
}

#[test]
fn a_sync_is_durable_in_time_and_only_its_answer_waits() {
    const WRITER: Act = |event, cx| match event {
        Event::Start(files) if files.names().next().is_none() => {
            cx.append("log", *b"x");
            cx.sync(Sync(1));
        }
        _ => {}
    };
    let slow = |faults: &[&str]| {
        let mut system = with(cast(&[WRITER]), faults);
        system.disk(A, Dist::Constant(ms(1_500)));
        run(&system, 1)
    };
    assert_eq!(slow(&["1s..3s pause a"]).mentioning("synced"), ["3s a/1: synced 1"]);
    let lost = slow(&["1s..3s pause a", "2s..4s power-loss a"]);
    assert_eq!(lost.mentioning("start")[1], "4s a/2: start x");
    assert!(lost.mentioning("synced").is_empty());
}

#[test]
fn a_timer_that_is_rung_in_a_pause_goes_off_once() {
    const RINGER: Act = |event, cx| match event {
        Event::Start(_) if cx.id() == A => (0..3).for_each(|n| cx.set(Timer(n), ms(1_000 * u64::from(n + 1)))),
        Event::Start(_) => cx.set(Timer(0), ms(500)),
        Event::Timer(Timer(1)) => cx.ring(B, 1, Timer(0)),
        _ => {}
    };
    let ran = run(&with(cast(&[RINGER, RINGER]), &["400ms..5s pause b"]), 1);
    assert_eq!(ran.mentioning("b/1: timer"), ["5s b/1: timer 0"]);
}

#[test]
fn a_pause_that_freezes_clocks_leaves_its_timers_as_much_time_as_they_had() {
    let clocks = ["0s 0s 0s", "1s 1s 1s", "3.2s 2s 2s", "4.2s 3s 3s"];
    assert_eq!(ticks(&["1500ms..2700ms pause a freezing clocks"]), clocks);
    let overlapping = ["1500ms..2s pause a freezing clocks", "1800ms..2700ms pause a freezing clocks"];
    assert_eq!(ticks(&overlapping), clocks);
    let adjoining = ["1500ms..2s pause a freezing clocks", "2s..2700ms pause a freezing clocks"];
    assert_eq!(ticks(&adjoining), clocks);
    // One that leaves the clocks alone makes what comes due meanwhile late, and moves nothing else.
    let within = ["1500ms..3500ms pause a", "2500ms..3s pause a freezing clocks"];
    assert_eq!(ticks(&within), ["0s 0s 0s", "1s 1s 1s", "3.5s 3s 3s", "4.5s 4s 4s"]);
    let ran = run(&with(cast(&[TICKS]), &["1500ms..2700ms pause a freezing clocks", "5s.. crash a"]), 1);
    assert_eq!(ran.sim.touched(), [1, 1], "the timer that would have come at 2 s");
}

#[test]
fn the_wall_clock_of_a_machine_that_slept_has_gone_on() {
    let slept = ["0s 0s 0s", "1s 1s 1s", "3.2s 2s 3.2s", "4.2s 3s 4.2s"];
    assert_eq!(ticks(&["1500ms..2700ms pause a freezing monotonic"]), slept);
    // While both stand, neither goes; the one that stands longer is the further behind.
    let both = ["1500ms..2700ms pause a freezing monotonic", "1700ms..2s pause a freezing clocks"];
    assert_eq!(ticks(&both)[2], "3.2s 2s 2.9s");
    let set = ["1500ms..2700ms pause a freezing clocks", "clock a discipline ±0s per 1s"];
    let polled = ["0s 0s 0s", "1s 1s 1s", "3.2s 2s 3.2s", "4.2s 3s 4.2s"];
    assert_eq!(ticks(&set), polled, "a poll at 3 s sets it; the one at 2 s found nobody");
}

#[test]
fn a_drift_in_a_pause_that_freezes_clocks_tells_from_its_end_on() {
    // Half a second is left at 1.5 s; at half the speed it takes one second from the end of the pause on.
    let faults = ["1500ms..2700ms pause a freezing clocks", "2s.. clock a drift -500000ppm"];
    assert_eq!(ticks(&faults)[..3], ["0s 0s 0s", "1s 1s 1s", "3.7s 2s 2s"]);
}

// ── Slowness ──

/// Works on each ping for 100 ms, drawn, and says how long that takes.
const WORKER: Act = |event, cx| {
    if let Event::Message { .. } = event {
        let length = cx.work(Purpose::new("work"), &Dist::Constant(ms(100)));
        cx.note(format!("{} works {length}", cx.now()));
    }
};

fn works(faults: &[&str]) -> Vec<String> {
    let ran = run(&with(cast(&[EVERY_SECOND, WORKER]), faults), 1);
    ran.mentioning("works").iter().map(|line| line.split(' ').next_back().unwrap().to_owned()).collect()
}

#[test]
fn work_that_begins_on_a_slow_node_takes_longer_by_the_factor() {
    assert_eq!(works(&["1500ms..3500ms slow b x10"])[..4], ["100ms", "1s", "1s", "100ms"]);
    let both = works(&["1500ms..3500ms slow b x10", "2500ms..4500ms slow b x1.5", "slow a x7"]);
    assert_eq!(both[..4], ["100ms", "1s", "1.5s", "150ms"]);
    let faults = ["1500ms..3500ms slow b x10", "slow a x7", "8s..9s slow b x2 every 10s for 1s"];
    assert_eq!(run(&with(cast(&[EVERY_SECOND, WORKER]), &faults), 1).sim.touched(), [2, 0, 0]);
}

#[test]
fn a_line_that_says_how_long_work_takes_is_slowed_as_the_dice_would_be() {
    let faults = ["1500ms..3500ms slow b x10", "draw b work #2 7ms", "draw b work #4 7ms"];
    assert_eq!(works(&faults)[..4], ["100ms", "70ms", "1s", "7ms"]);
}

// ── Clocks ──

/// What a node that ticks each second says of its clocks under a fault, in the first five seconds.
fn ticks(faults: &[&str]) -> Vec<String> {
    let ran = run(&with(cast(&[TICKS]), &[faults, &["5s.. crash a"]].concat()), 1);
    ran.mentioning("monotonic").iter().map(|line| line.replace("monotonic ", "").replace("wall ", "")).collect()
}

#[test]
fn a_step_moves_the_wall_clock_alone_and_is_taken_back_when_it_ends() {
    let for_good = ["0s 0s 0s", "1s 1s 1s", "2s 2s 1.84s", "3s 3s 2.84s", "4s 4s 3.84s"];
    assert_eq!(ticks(&["1500ms clock a step -160ms"]), for_good);
    assert_eq!(ticks(&["1500ms.. clock a step -160ms"]), for_good);
    let back = ["0s 0s 0s", "1s 1s 1s", "2s 2s 2.5s", "3s 3s 3.25s", "4s 4s 3.75s"];
    assert_eq!(ticks(&["1500ms..3500ms clock a step +500ms", "2500ms clock a step -250ms"]), back);
}

#[test]
fn drift_stretches_the_timers_that_are_under_way() {
    // Half a second is left at 1.5 s, which takes 0.5 / 1.6 s. When the drift ends, 0.7 s are left of the next timer, and what
    // was gained stays.
    let fast = ticks(&["1500ms..2s clock a drift +600000ppm"]);
    assert_eq!(fast[..4], ["0s 0s 0s", "1s 1s 1s", "1.8125s 2s 2s", "2.7s 3s 3s"]);
    let slow = ticks(&["1500ms.. clock a drift -500000ppm"]);
    assert_eq!(slow, ["0s 0s 0s", "1s 1s 1s", "2.5s 2s 2s", "4.5s 3s 3s"]);
    let ran = run(&with(cast(&[TICKS]), &["1500ms..3s clock a drift -500000ppm", "5s.. crash a"]), 1);
    // One timer moved as it began, one was set at 2.5 s; and it looked at its clocks then.
    assert_eq!(ran.sim.touched(), [3, 1]);
}

#[test]
fn drifts_add_and_no_clock_goes_backwards() {
    let both = ticks(&["1s..3s clock a drift -600000ppm", "1s..3s clock a drift -600000ppm"]);
    assert_eq!(both[..2], ["0s 0s 0s", "1s 1s 1s"]);
    assert!(both[2].starts_with("3.99999999"), "{both:?}");
}

#[test]
fn a_frozen_wall_clock_shows_one_instant_and_then_what_it_would_have_shown() {
    let frozen = ["0s 0s 0s", "1s 1s 1s", "2s 2s 1.5s", "3s 3s 1.5s", "4s 4s 4s"];
    assert_eq!(ticks(&["1500ms..3500ms clock a freeze"]), frozen);
}

#[test]
fn a_strobe_moves_the_wall_clock_by_turns() {
    let strobe = ["0s 0s 1s", "1s 1s 2s", "2s 2s 2s", "3s 3s 3s", "4s 4s 5s"];
    assert_eq!(ticks(&["clock a strobe +1s per 2s"]), strobe);
}

#[test]
fn a_clock_fault_on_a_node_that_looks_at_no_clock_and_sets_no_timer_did_nothing() {
    let faults = ["clock b step +1s", "clock b drift +100ppm", "clock b freeze", "clock a drift +100ppm"];
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &faults), 1);
    assert_eq!(ran.sim.touched(), [0, 0, 0, 9]);
}

#[test]
fn true_time_and_the_past_of_the_clocks_stay_visible() {
    let ran = run(&with(cast(&[TICKS]), &["1500ms..3500ms clock a step +500ms", "5s.. crash a"]), 1);
    let clocks = ran.sim.clocks(A);
    assert_eq!((clocks.wall(at("1s")), clocks.wall(at("2s")), clocks.wall(at("4s"))), (at("1s"), at("2.5s"), at("4s")));
    assert!(!clocks.is_exact() && run(&cast(&[NOTHING]), 1).sim.clocks(A).is_exact());
}

// ── Disks ──

/// Writes xx and syncs it; a second later writes yyyy, syncs it, and writes zz. A sync takes 100 ms.
const SYNCER: Act = |event, cx| match event {
    Event::Start(files) if files.names().next().is_none() => {
        cx.append("log", *b"xx");
        cx.sync(Sync(1));
        cx.set(Timer(1), ms(1_000));
    }
    Event::Timer(_) => {
        cx.append("log", *b"yyyy");
        cx.sync(Sync(2));
        cx.append("log", *b"zz");
    }
    _ => {}
};

fn synced(faults: &[&str]) -> Ran {
    let mut system = with(cast(&[SYNCER]), faults);
    system.disk(A, Dist::Constant(ms(100)));
    run(&system, 1)
}

#[test]
fn a_sync_that_fails_or_lies_makes_nothing_durable() {
    let loss = "2s..3s power-loss a";
    assert_eq!(synced(&[loss]).mentioning("/2: start"), ["3s a/2: start xx+yyyy"]);
    let fails = synced(&["500ms..1500ms disk a fsync-fails", loss]);
    let told = "1.1s a/1: sync 2 failed: the disk failed to make the data durable";
    assert_eq!(fails.mentioning("sync"), ["100ms a/1: synced 1", told]);
    assert_eq!(fails.mentioning("/2: start"), ["3s a/2: start xx"]);
    let lies = synced(&["500ms..1500ms disk a fsync-lies", loss]);
    assert_eq!(lies.mentioning("sync"), ["100ms a/1: synced 1", "1.1s a/1: synced 2"]);
    assert_eq!(lies.mentioning("/2: start"), ["3s a/2: start xx"]);
    assert_eq!((fails.sim.touched(), lies.sim.touched()), (vec![1, 1], vec![1, 1]));
    // A crash of the process keeps what was written all the same.
    let crash = synced(&["500ms..1500ms disk a fsync-lies", "2s..3s crash a"]);
    assert_eq!(crash.mentioning("/2: start"), ["3s a/2: start xx+yyyy+zz"]);
    // It is the end of a sync that counts.
    let over = synced(&["500ms..1050ms disk a fsync-lies", loss]);
    assert_eq!((over.mentioning("/2: start"), over.sim.touched()[0]), (vec!["3s a/2: start xx+yyyy"], 0));
    let both = synced(&["500ms..2s disk a fsync-lies", "500ms..2s disk a fsync-fails"]);
    assert_eq!((both.mentioning("failed").len(), both.sim.touched()), (1, vec![0, 1]));
}

#[test]
fn a_disk_is_slow_by_a_factor_and_stalls_until_the_end() {
    assert_eq!(synced(&["disk a slow x10"]).mentioning("synced"), ["1s a/1: synced 1", "2s a/1: synced 2"]);
    let both = synced(&["500ms..9s disk a slow x10", "disk a slow x2"]);
    assert_eq!(both.mentioning("synced"), ["200ms a/1: synced 1", "3s a/1: synced 2"]);
    assert_eq!(both.sim.touched(), [1, 2]);
    let stalled = synced(&["50ms..5s disk a stall"]);
    assert_eq!(stalled.mentioning("synced"), ["5s a/1: synced 1", "5s a/1: synced 2"]);
    assert_eq!(stalled.sim.touched(), [2]);
    let lost = synced(&["50ms..5s disk a stall", "2s..3s power-loss a"]);
    assert_eq!(lost.mentioning("a/2: start"), ["3s a/2: start"], "nothing was durable");
}

#[test]
fn the_outcome_of_a_sync_that_ends_in_a_pause_is_that_of_its_time() {
    let ran = synced(&["1050ms..3s pause a", "1080ms..2s disk a fsync-fails"]);
    assert_eq!(ran.mentioning("sync 2"), ["3s a/1: sync 2 failed: the disk failed to make the data durable"]);
    assert_eq!(ran.sim.touched(), [1, 1]);
    let ran = synced(&["1050ms..3s pause a", "2500ms..4s disk a fsync-fails"]);
    assert_eq!((ran.mentioning("failed").len(), ran.mentioning("3s a/1: synced 2").len()), (0, 1));
}

#[test]
fn a_torn_write_is_a_piece_of_a_record_after_a_power_loss() {
    let torn = synced(&["500ms disk a torn-write", "2s..3s power-loss a"]);
    assert!(torn.mentioning("/2: start")[0].starts_with("3s a/2: start xx+yyyy+"), "{:?}", torn.lines);
    assert_eq!(torn.sim.touched(), [1, 1]);
    let mut calm = with(cast(&[SYNCER]), &["500ms disk a torn-write", "2s..3s power-loss a"]);
    calm.disk(A, Dist::Constant(ms(100)));
    calm.rest(sim_core::Rest::Calm);
    assert_eq!(run(&calm, 1).mentioning("/2: start"), ["3s a/2: start xx+yyyy+z"], "calm is its first half");
    let crash = synced(&["500ms disk a torn-write", "2s..3s crash a"]);
    assert_eq!(crash.mentioning("/2: start"), ["3s a/2: start xx+yyyy+zz"]);
    assert_eq!(crash.sim.touched(), [0, 1], "without a power loss it did nothing");
    let over = synced(&["500ms..1s disk a torn-write", "2s..3s power-loss a"]);
    assert_eq!(over.mentioning("/2: start"), ["3s a/2: start xx+yyyy"]);
}

#[test]
fn rot_stays_for_every_reader() {
    let rotten = |seed| {
        let faults = ["1500ms disk a bit-rot", "2s..3s crash a", "4s..5s crash a"];
        let mut system = with(cast(&[SYNCER]), &faults);
        system.disk(A, Dist::Constant(ms(100)));
        let ran = run(&system, seed);
        assert_eq!(ran.sim.touched(), [1, 1, 1]);
        let read = |life: &str| ran.mentioning(life)[0].split("start ").nth(1).unwrap().to_owned();
        assert_eq!(read("/2: start"), read("/3: start"));
        read("/2: start")
    };
    let all: Vec<String> = (0..20).map(rotten).collect();
    assert!(all.iter().all(|files| files != "xx+yyyy+zz"));
    assert!(all.iter().any(|files| *files != all[0]), "which bit is drawn from the seed");
    assert_eq!(synced(&["0s..1ms disk a bit-rot for 1ns"]).sim.touched(), [0], "nothing is written yet");
}

/// Writes `aa` and `bb`, syncs them, and a second later does so with `cc` and says what became of that.
const LOGGER: Act = |event, cx| match event {
    Event::Start(files) if !files.is_readable() => cx.note("cannot read".to_owned()),
    Event::Start(files) if files.names().next().is_none() => {
        cx.append("log", *b"aa");
        cx.append("log", *b"bb");
        cx.sync(Sync(1));
        cx.set(Timer(1), ms(1_000));
    }
    Event::Timer(_) => {
        cx.append("log", *b"cc");
        cx.sync(Sync(2));
    }
    _ => {}
};

/// Asks once a second whether there is room, twice in one event, and writes only where there is.
const ASKER: Act = |event, cx| match event {
    Event::Start(_) => cx.set(Timer(1), ms(1_000)),
    Event::Timer(_) => {
        let room = [cx.has_room(), cx.has_room()];
        if room == [true; 2] {
            cx.append("log", *b"aa");
        }
        cx.note(format!("room {room:?}"));
        cx.sync(Sync(1));
        cx.set(Timer(1), ms(1_000));
    }
    _ => {}
};

#[test]
fn who_asks_before_writing_is_told_that_the_disk_is_full_and_no_sync_says_so_again() {
    let ran = run(&with(cast(&[ASKER]), &["1500ms..3500ms disk a full", "0s..4500ms disk a slow x2"]), 1);
    let room = |at: u64, room: bool| format!("{at}s room [{room}, {room}]");
    let expected = [room(1, true), room(2, false), room(3, false), room(4, true)];
    assert_eq!(ran.mentioning("room")[..4], expected);
    assert!(ran.mentioning("sync").iter().all(|line| line.contains("synced")), "{:?}", ran.mentioning("sync"));
    assert_eq!(ran.sim.touched()[0], 4, "each question counts");
}

#[test]
fn a_misdirected_record_lands_in_the_place_of_another_and_that_stays() {
    let found = |faults: &[&str], seed| {
        let ran = run(&with(cast(&[LOGGER]), faults), seed);
        (ran.mentioning("/2: start")[0].rsplit(' ').next().unwrap().to_owned(), ran.sim.touched())
    };
    let all: std::collections::BTreeSet<String> = (0..20)
        .map(|seed| {
            let (files, touched) = found(&["500ms disk a misdirected", "2s..3s power-loss a"], seed);
            assert_eq!(touched, [1, 1]);
            files
        })
        .collect();
    assert_eq!(all.iter().collect::<Vec<_>>(), ["aa+cc", "cc+bb"], "which one is drawn from the seed");
    // It takes one record: the first for which there is another.
    assert!(["aa", "bb"].contains(&&*found(&["disk a misdirected", "2s..3s crash a"], 1).0.replace("+cc", "")));
    // It ends before anything is written.
    assert_eq!(found(&["100ms..900ms disk a misdirected", "2s..3s crash a"], 1), ("aa+bb+cc".to_owned(), vec![0, 1]));
}

#[test]
fn a_full_disk_stores_nothing_and_one_sync_says_so() {
    let full = run(&with(cast(&[LOGGER]), &["500ms..1500ms disk a full", "2s..3s crash a"]), 1);
    let told = "1s a/1: sync 2 failed: the disk is full, and some records are not stored";
    assert_eq!(full.mentioning("sync"), ["0s a/1: synced 1", told]);
    assert_eq!(full.mentioning("/2: start"), ["3s a/2: start aa+bb"]);
    assert_eq!(full.sim.touched(), [1, 1]);
    let over = run(&with(cast(&[LOGGER]), &["500ms..900ms disk a full", "2s..3s crash a"]), 1);
    assert_eq!((over.mentioning("/2: start"), over.sim.touched()), (vec!["3s a/2: start aa+bb+cc"], vec![0, 1]));
    let fails = run(&with(cast(&[LOGGER]), &["500ms..1500ms disk a full", "500ms..1500ms disk a fsync-fails"]), 1);
    assert!(fails.mentioning("sync 2")[0].ends_with("make the data durable"), "a failure comes first");
}

#[test]
fn a_start_under_a_read_error_is_told_and_the_next_one_finds_all() {
    let faults = ["2500ms..3500ms disk a read-error", "2s..3s crash a", "5s..6s crash a"];
    let ran = run(&with(cast(&[LOGGER]), &faults), 1);
    assert_eq!(ran.mentioning("cannot read"), ["3s cannot read"]);
    assert_eq!(ran.mentioning("/3: start"), ["6s a/3: start aa+bb+cc"]);
    assert_eq!(ran.sim.touched(), [1, 1, 1]);
    let blank = run(&with(cast(&[LOGGER]), &["0s..1s disk a read-error"]), 1);
    assert_eq!((blank.mentioning("cannot read").len(), blank.sim.touched()), (0, vec![0]), "nothing was written yet");
}

/// Writes its own name at its first start.
const NAMED: Act = |event, cx| {
    if let Event::Start(files) = event
        && files.names().next().is_none()
    {
        let name = cx.names().node(cx.id()).to_owned();
        cx.append("log", name.into_bytes());
    }
};

#[test]
fn nodes_that_crash_together_swap_their_disks_by_name() {
    let ran = run(&with(cast(&[NAMED, NAMED, NAMED]), &["1s..2s crash * swapping disks", "3s..4s crash b"]), 1);
    assert_eq!(ran.mentioning("2s "), ["2s a/2: start c", "2s b/2: start a", "2s c/2: start b"]);
    assert_eq!(ran.mentioning("/3: "), ["4s b/3: start a"], "for good");
    assert_eq!(ran.sim.touched(), [3, 1]);
    let alone = run(&with(cast(&[NAMED, NAMED]), &["1s..2s crash b swapping disks"]), 1);
    assert_eq!(
        (alone.mentioning("/2: "), alone.sim.touched()),
        (vec!["2s b/2: start b"], vec![0]),
        "as kept, and inert"
    );
    let each = run(&with(cast(&[NAMED, NAMED]), &["1s..2s crash each of * swapping disks"]), 1);
    assert_eq!(each.sim.touched(), [0], "each by itself");
    // Two that overlap swap twice, which of two is as it was.
    let twice = ["1s..3s crash * swapping disks", "2s..4s crash * swapping disks"];
    assert_eq!(run(&with(cast(&[NAMED, NAMED]), &twice), 1).mentioning("4s "), ["4s a/2: start a", "4s b/2: start b"]);
}

// ── Leaps and disciplines ──

#[test]
fn a_leap_second_is_shown_twice_or_never_and_timers_do_not_mind() {
    let inserted = ["0s 0s 0s", "1s 1s 1s", "2s 2s 1s", "3s 3s 2s", "4s 4s 3s"];
    assert_eq!(ticks(&["1500ms clock a leap +1s"]), inserted);
    assert_eq!(ticks(&["1500ms..3500ms clock a leap -1s"])[2..], ["2s 2s 3s", "3s 3s 4s", "4s 4s 4s"]);
    let ran = run(&with(cast(&[TICKS]), &["1500ms clock a leap +1s", "5s.. crash a"]), 1);
    assert_eq!(ran.sim.touched(), [3, 1]);
}

#[test]
fn a_smear_spreads_a_leap_over_its_time_and_stays() {
    let spread = ["0s 0s 0s", "1s 1s 1s", "2s 2s 1.5s", "3s 3s 2s", "4s 4s 3s"];
    assert_eq!(ticks(&["1s..3s clock a smear +1s"]), spread);
    assert_eq!(ticks(&["1s.. clock a smear +1s for 2s"]), spread);
    assert_eq!(ticks(&["1s..2s clock a smear +1s", "2s..3s clock a smear +1s"])[3..], ["3s 3s 1s", "4s 4s 2s"]);
    let error = "1s.. clock a smear +1s".parse::<sim_core::Fault>().unwrap_err();
    assert!(error.to_string().contains("must have an end"), "{error}");
}

#[test]
fn a_discipline_begins_and_ends_and_another_node_has_errors_of_its_own() {
    let exact = ticks(&["clock a step +7s", "2s..3500ms clock a discipline ±0s per 1s", "3200ms clock a step +1s"]);
    assert_eq!(exact, ["0s 0s 7s", "1s 1s 8s", "2s 2s 2s", "3s 3s 3s", "4s 4s 5s"]);
    let ran = run(&with(cast(&[TICKS, TICKS]), &["clock * discipline ±5ms per 1s", "5s.. crash *"]), 1);
    let [a, b] = [A, B].map(|node| ran.sim.clocks(node).wall(at("3s")));
    assert_ne!(a, b);
    assert_eq!(ran.sim.touched()[0], 10);
    let drift = run(&with(cast(&[TICKS, TICKS]), &["clock a discipline ±5ms per 1s", "5s.. crash *"]), 1);
    assert_eq!(drift.sim.clocks(A).wall(at("3s")), a, "nothing else is asked for an answer");
}

/// The miss of a clock just after polls is uniform, and just before the next it is that and what it has drifted: mean, variance
/// and bound, each inside its 99.9 % interval.
#[test]
fn what_a_discipline_leaves_is_uniform_and_then_drifts() {
    const POLLS: u64 = 20_000;
    let (error, every, drift) = (ms(5), sim_core::Duration::from_secs(64), 50.0e-6);
    let mut system = cast(&[NOTHING]);
    system.clock(A, sim_core::Clock { offset_nanos: 20_000_000, drift_ppb: 50_000 });
    system.discipline(A, sim_core::Discipline { error, every });
    let clocks = system.start(Seed(11)).unwrap().clocks(A);
    let misses = |after: u64| -> Vec<f64> {
        let at = |poll: u64| sim_core::Instant::from_nanos(poll * every.nanos() + after);
        (0..POLLS).map(|poll| clocks.wall(at(poll + 1)).nanos() as f64 - at(poll + 1).nanos() as f64).collect()
    };
    let (most, count) = (error.nanos() as f64, POLLS as f64);
    for (after, drifted) in [(0, 0.0), (every.nanos() - 1, drift * every.nanos() as f64)] {
        let misses = misses(after);
        let mean = misses.iter().sum::<f64>() / count;
        let variance = misses.iter().map(|miss| (miss - mean).powi(2)).sum::<f64>() / (count - 1.0);
        // A uniform distribution has the variance m²/3, and its sample variance that of (m⁴/5 − m⁴/9)/n.
        let deviation = (most * most / 3.0 / count).sqrt();
        assert!((mean - drifted).abs() < 3.291 * deviation + 2.0, "mean {mean}, not {drifted}");
        let spread = (most.powi(4) * (1.0 / 5.0 - 1.0 / 9.0) / count).sqrt();
        assert!((variance - most * most / 3.0).abs() < 3.291 * spread, "variance {variance}");
        let widest = misses.iter().map(|miss| (miss - drifted).abs()).fold(0.0, f64::max);
        // Within the bound, and near it: all 20,000 fall short by a thousandth with a chance of e⁻²⁰.
        assert!(widest <= most + 2.0 && widest > most * 0.999, "{widest}");
        let (one, next) = (&misses[..misses.len() - 1], &misses[1..]);
        let covariance = one.iter().zip(next).map(|(one, next)| (one - mean) * (next - mean)).sum::<f64>() / count;
        assert!((covariance / variance).abs() < 3.291 / count.sqrt(), "polls are independent");
    }
}

#[test]
fn fresh_dice_leave_what_a_disciplined_clock_has_shown() {
    let mut system = cast(&[TICKS]);
    system.discipline(A, sim_core::Discipline { error: ms(5), every: ms(1_000) });
    let mut sim = system.start(Seed(1)).unwrap();
    while sim.step_before(at("3s")).is_some() {}
    let mut fork = sim.clone();
    fork.reseed(Seed(2));
    let shown = |sim: &sim_core::Sim<Say>, instant: &str| sim.clocks(A).wall(at(instant));
    assert!(["500ms", "1s", "2999ms"].iter().all(|instant| shown(&sim, instant) == shown(&fork, instant)));
    assert_ne!(shown(&sim, "3s"), shown(&fork, "3s"));
    let of_seed_2 = system.start(Seed(2)).unwrap();
    assert_eq!(shown(&fork, "3s"), shown(&of_seed_2, "3s"));
}

// ── The reference ──

#[test]
fn the_page_about_faults_is_made_from_the_table() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md")).unwrap();
    let made = sim_core::fault::reference();
    assert!(page == made, "write it anew: cargo run --release -- faults --markdown > docs/faults.md");
}

// ── Forks ──

/// A run forked at any event goes on as the original does.
#[test]
fn a_fork_keeps_what_waits_what_is_held_and_how_clocks_stand() {
    let faults = [
        "1500ms..3500ms pause b",
        "3s..3700ms pause a freezing clocks",
        "4s..4200ms pause b freezing monotonic",
        "2500ms..5500ms clog a->b holding flight",
        "1s..4s clock a drift -300000ppm",
        "2s..6s slow b x3",
        "2s clock b step -1s",
        "0s..9s disk b stall every 500ms for 300ms",
        "3s disk b torn-write",
        "clock b discipline ±5ms per 700ms",
        "1s..8s clock a smear +1s",
        "4s disk b misdirected",
        "5s..6s crash * swapping disks",
    ];
    let system = with(cast(&[EVERY_SECOND, WORKER]), &faults);
    let whole = run(&system, 1).sim.digest();
    let mut sim = system.start(Seed(1)).unwrap();
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
fn an_event_that_waits_is_not_the_next_to_be_forgone() {
    let mut sim = with(cast(&[EVERY_SECOND, NOTHING]), &["1500ms..3500ms pause b"]).start(Seed(1)).unwrap();
    while sim.step_before(at("2005ms")).is_some() {}
    // The ping waits for b; the next thing that would happen is the timer of a at 3 s.
    assert_eq!(sim.forgo(), Some(Happening::Fired { node: A, timer: Timer(3) }));
    let mut pings = 0;
    while let Some(step) = sim.step() {
        pings += u32::from(matches!(step.what, Happening::Delivered { to: B, .. }));
    }
    assert_eq!(pings, 1);
}

/// The pauses, clogs and clock errors of a run say where each ping went: nothing is lost by any of them.
#[test]
fn nothing_is_lost_by_what_takes_nothing_down() {
    let faults =
        ["clog a->b every ~700ms for ~700ms", "pause b every ~500ms for ~500ms", "pause a every ~1s for ~500ms"];
    for seed in 0..50 {
        let ran: Ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &faults), seed);
        let mut numbers: Vec<&str> =
            ran.mentioning("from a").iter().map(|line| line.split("Ping").nth(1).unwrap()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 9, "seed {seed}: {:?}", ran.lines);
        assert!(ran.lines.iter().all(|line| !line.contains(&format!("{:?}", Say::Pong(0)))));
    }
}
