//! What machines, disks, clocks and links do, and what faults do to them.
//!
//! Each test is a small cast of nodes, a schedule, and the lines that its actors wrote: instant, node, life, what it was told.

use faultline_tests::cast::{
    A, Act, B, EVERY_SECOND, NOTHING, Probe, Ran, Say, arriving, at, binomial, cast, check, ms, run, with,
};
use serde::Serialize;
use sim_core::{
    Actor, Clock, Context, Dist, Duration, Event, Happening, Instant, Kind, Link, NodeId, Purpose, Ratio, Rest, Step,
    Sync, System, Timer, Unanswered,
};

// ── Machines and disks ──

/// Writes x and syncs it, writes y a second later, and sends nothing.
const WRITER: Act = |event, cx| match event {
    Event::Start(files) if files.names().next().is_none() => {
        cx.append("log", *b"x");
        cx.sync(Sync(1));
        cx.set(Timer(1), ms(1_000));
    }
    Event::Timer(_) => cx.append("log", *b"y"),
    _ => {}
};

#[test]
fn a_crash_keeps_what_was_written_and_a_power_loss_what_was_synced() {
    check(&[WRITER], &["2s..3s crash a"], "3s", &["3s a/2: start x+y"]);
    check(&[WRITER], &["2s..3s power-loss a"], "3s", &["3s a/2: start x"]);
    check(&[WRITER], &["2s..3s crash a wiping disk"], "/2: start", &["3s a/2: start"]);
    check(&[WRITER], &["2s..4s crash a", "3s..4s power-loss a"], "4s", &["4s a/2: start x"]);
}

#[test]
fn a_sync_of_a_former_life_neither_answers_nor_makes_durable() {
    let mut system = with(cast(&[WRITER]), &["2s..3s crash a", "4s..5s power-loss a"]);
    system.disk(A, Dist::Constant(ms(2_500)));
    let expected = [
        "0s a/1: start",
        "1s a/1: timer 1",
        "3s a/2: start x+y",
        "5s a/3: start",
        "6s a/3: timer 1",
        "7.5s a/3: synced 1",
    ];
    let lines = run(&system, 1).lines;
    assert_eq!(lines[..expected.len()], expected, "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("/1: synced") || line.contains("/2: synced")));
}

#[test]
fn a_replaced_file_is_replaced_for_good_once_synced() {
    const REPLACER: Act = |event, cx| match event {
        Event::Start(files) if files.names().next().is_none() => {
            cx.append("state", *b"old");
            cx.sync(Sync(1));
            cx.set(Timer(1), ms(1_000));
        }
        Event::Timer(Timer(1)) => {
            cx.replace("state", *b"new");
            cx.set(Timer(2), ms(1_000));
        }
        Event::Timer(_) => cx.sync(Sync(2)),
        _ => {}
    };
    check(&[REPLACER], &["1500ms..3s power-loss a"], "start o", &["3s a/2: start old"]);
    check(&[REPLACER], &["2500ms..3s power-loss a"], "start n", &["3s a/2: start new"]);
}

#[test]
fn a_restart_is_a_pristine_actor_in_its_next_life() {
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &["3500ms..4500ms crash b"]), 1);
    assert_eq!(ran.mentioning("start"), ["0s a/1: start", "0s b/1: start", "4.5s b/2: start"]);
    // Start and pings 5 to 9.
    assert_eq!(ran.sim.state(B).unwrap()["told"], 6);
    assert_eq!(ran.sim.actor::<Probe>(B).unwrap().told(), 6);
    let started = ran.steps.iter().filter(|step| matches!(step.what, Happening::Started { node: B, life: 2 }));
    let [started] = started.collect::<Vec<_>>()[..] else { panic!("b starts once again") };
    let ended = ran.steps[started.by.unwrap() as usize - 1];
    assert_eq!((ended.what, ended.number), (Happening::FaultEnded { fault: 0 }, started.number - 1));
}

#[test]
fn a_node_that_is_down_from_the_start_starts_at_the_end_of_that() {
    check(&[NOTHING], &["0s..1s crash a"], "", &["1s a/2: start"]);
    check(&[NOTHING], &["crash a"], "", &[]);
}

#[test]
fn timers_of_a_former_life_never_fire() {
    const LONG: Act = |event, cx| {
        if matches!(event, Event::Start(_)) && cx.life() == 1 {
            cx.set(Timer(1), ms(5_000));
        }
    };
    check(&[LONG], &["1s..2s crash a"], "timer", &[]);
    // The same timer, due at the same instant, in both lives.
    const BOTH: Act = |event, cx| {
        if matches!(event, Event::Start(_)) {
            cx.set(Timer(1), if cx.life() == 1 { ms(5_000) } else { ms(3_000) });
        }
    };
    check(&[BOTH], &["1s..2s crash a"], "timer", &["5s a/2: timer 1"]);
}

#[test]
fn an_envelope_in_flight_across_a_restart_is_delivered() {
    check(&[EVERY_SECOND, NOTHING], &["2002ms..2004ms crash b"], "Ping(2)", &["2.01s b/2: Ping(2) from a"]);
}

#[test]
fn a_message_that_arrives_as_a_node_comes_up_finds_it_started() {
    let faults = ["1s..2010ms crash b"];
    check(&[EVERY_SECOND, NOTHING], &faults, "2.01s", &["2.01s b/2: start", "2.01s b/2: Ping(2) from a"]);
}

#[test]
fn an_arrival_at_a_node_that_is_down_is_an_event() {
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &["2s..4s crash b"]), 1);
    let undelivered = |step: &&Step| matches!(step.what, Happening::Undelivered { from: A, to: B, kind: Kind(0) });
    let instants: Vec<_> = ran.steps.iter().filter(undelivered).map(|step| step.at.to_string()).collect();
    assert_eq!(instants, ["2.01s", "3.01s"]);
    assert!(ran.mentioning("refused").is_empty(), "a link without answers is silent");
}

// ── Answers of machines ──

fn answering(acts: &[Act], faults: &[&str]) -> Ran {
    let mut system = with(cast(acts), faults);
    let back = Link { answers: true, ..Link::with_latency(Dist::Constant(ms(30))) };
    system.link(B, A, back);
    run(&system, 1)
}

#[test]
fn a_stopped_machine_refuses_on_links_with_answers() {
    let ran = answering(&[EVERY_SECOND, NOTHING], &["2s..4s crash b"]);
    assert_eq!(ran.mentioning("refused"), ["2.04s a/1: Ping(2) refused by b", "3.04s a/1: Ping(3) refused by b"]);
    let refused = ran.steps.iter().find(|step| matches!(step.what, Happening::Refused { .. })).unwrap();
    let by = ran.steps[refused.by.unwrap() as usize - 1];
    assert!(matches!(by.what, Happening::Undelivered { .. }));
}

#[test]
fn a_crashing_machine_resets_what_it_owed_on_links_with_answers() {
    let ran = answering(&[EVERY_SECOND, NOTHING], &["2500ms..3500ms crash b", "5500ms.. crash b"]);
    let expected = [
        "2.53s a/1: Ping(1) reset by b",
        "2.53s a/1: Ping(2) reset by b",
        "5.53s a/1: Ping(4) reset by b",
        "5.53s a/1: Ping(5) reset by b",
    ];
    assert_eq!(ran.mentioning("reset"), expected);
    check(&[EVERY_SECOND, NOTHING], &["2500ms..3500ms crash b"], "reset", &[]);
}

#[test]
fn no_answer_comes_across_a_cut() {
    let expected = ["3.04s a/1: Ping(3) refused by b"];
    for faults in [["2s..4s crash b", "2s..3s cut b->a"], ["2s..3s cut b->a", "2s..4s crash b"]] {
        assert_eq!(answering(&[EVERY_SECOND, NOTHING], &faults).mentioning("by b"), expected, "{faults:?}");
    }
}

#[test]
fn a_machine_that_is_cut_off_refuses_nothing() {
    let faults = ["2s..4s crash b", "2s..3s cut a->b"];
    let ran = answering(&[EVERY_SECOND, NOTHING], &faults);
    assert_eq!(ran.mentioning("refused"), ["3.04s a/1: Ping(3) refused by b"]);
}

// ── Partitions and cuts ──

/// Everyone pings everyone at 1 s.
const ALL_TO_ALL: Act = |event, cx| match event {
    Event::Start(_) => cx.set(Timer(0), ms(1_000)),
    Event::Timer(_) => {
        let (me, nodes) = (cx.id(), cx.names().nodes().len() as u32);
        (0..nodes).map(NodeId).filter(|node| *node != me).for_each(|node| cx.send(node, Say::Ping(0)));
    }
    _ => {}
};

/// The links of four nodes `a` to `d` that work under a fault, as text: `ab ac …`.
fn working(faults: &[&str]) -> String {
    working_of::<4>(faults, 1)
}

/// The same of so many nodes, with another seed.
fn working_of<const N: usize>(faults: &[&str], seed: u64) -> String {
    let ran = run(&with(cast(&[ALL_TO_ALL; N]), faults), seed);
    let pair = |line: &&str| {
        format!("{}{}", &line[line.len() - 1..], line.split(' ').nth(1).unwrap().split('/').next().unwrap())
    };
    let mut pairs: Vec<String> = ran.mentioning("Ping").iter().map(pair).collect();
    pairs.sort();
    pairs.join(" ")
}

#[test]
fn a_partition_cuts_groups_from_each_other() {
    for (fault, expected) in [
        ("loss a->b 0%", "ab ac ad ba bc bd ca cb cd da db dc"),
        ("partition a b | c d", "ab ba cd dc"),
        ("partition a | b", "ac ad bc bd ca cb cd da db dc"),
        ("partition a | *", "bc bd cb cd db dc"),
        ("partition a | b | *", "cd dc"),
        ("partition a b | *", "ab ba cd dc"),
        ("cut a->b", "ac ad ba bc bd ca cb cd da db dc"),
        ("cut a<->b", "ac ad bc bd ca cb cd da db dc"),
        ("cut *->b", "ac ad ba bc bd ca cd da dc"),
        ("cut a->*", "ba bc bd ca cb cd da db dc"),
        ("loss *->c 100%", "ab ad ba bd ca cb cd da db"),
        ("loss *->c pong 100%", "ab ac ad ba bc bd ca cb cd da db dc"),
        ("0s..1s partition a b | c d", "ab ac ad ba bc bd ca cb cd da db dc"),
        ("1s..2s partition a b | c d", "ab ba cd dc"),
    ] {
        assert_eq!(working(&[fault]), expected, "{fault}");
    }
    assert_eq!(working(&["partition a | b", "cut c->d"]), "ac ad bc bd ca cb da db dc");
}

/// For each of five nodes, whom it hears under a fault, from one seed to the next.
fn heard(fault: &str) -> Vec<Vec<String>> {
    let of = |seed| {
        let pairs = working_of::<5>(&[fault], seed);
        let hears =
            |node: char| pairs.split(' ').filter(|pair| pair.ends_with(node)).map(|p| p[..1].to_owned()).collect();
        ('a'..='e').map(hears).map(|names: Vec<String>| names.concat()).collect()
    };
    (0..40).map(of).collect()
}

#[test]
fn parts_are_drawn_anew_and_have_their_shape() {
    let count = |hears: &[String]| hears.iter().map(String::len).sum::<usize>();
    for (shape, links) in [("isolate one of *", 12), ("halves of *", 8), ("bridge of *", 12), ("ring of *", 10)] {
        let all = heard(&format!("partition {shape}"));
        assert!(all.iter().all(|hears| count(hears) == links), "{shape}: {all:?}");
        let different = all.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert!(different >= 5, "{shape} comes out in {different} ways");
        assert!(heard(&format!("0s..1s partition {shape}")).iter().all(|hears| count(hears) == 20), "{shape} ends");
    }
    let bridged = |hears: &Vec<String>| hears.iter().filter(|all| all.len() == 4).count() == 1;
    assert!(heard("partition bridge of *").iter().all(bridged));
    for hears in heard("partition ring of *") {
        assert!(hears.iter().all(|two| two.len() == 2), "each hears a majority: {hears:?}");
        let views: std::collections::BTreeSet<String> = (hears.iter().zip('a'..))
            .map(|(two, own)| {
                let mut view: Vec<char> = two.chars().chain([own]).collect();
                view.sort_unstable();
                view.into_iter().collect()
            })
            .collect();
        assert_eq!(views.len(), 5, "no two hear the same: {hears:?}");
    }
    // Of four, three are a majority; of those outside nothing changes.
    assert_eq!(working(&["partition ring of a b c d"]), "ab ad ba bc cb cd da dc");
    assert_eq!(working(&["partition isolate a"]), working(&["partition a | *"]));
}

#[test]
fn a_minority_is_fewer_than_half_and_at_least_one() {
    let together = |seed| {
        let all = restarts("1s..2s crash any minority of worker", seed);
        assert!(all.iter().all(|(at, _)| at.to_string() == "2s"));
        all.len()
    };
    let sizes: Vec<usize> = (0..60).map(together).collect();
    assert!(sizes.iter().all(|size| (1..=2).contains(size)), "{sizes:?}");
    binomial(sizes.iter().filter(|size| **size == 2).count(), 60.0, 0.5);
    // Dice know nodes by their names: the same nodes in another order are drawn alike.
    let names = |names: [&str; 3], fault: &str| {
        let mut system = System::new();
        names.iter().for_each(|name| _ = system.node(name, Probe::new(NOTHING)));
        let ran = run(&with(system, &[fault]), 3);
        ran.mentioning("/2: start").iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()
    };
    let fault = "1s..2s crash any minority of *";
    assert_eq!(names(["x", "y", "z"], fault), names(["z", "x", "y"], fault));
}

#[test]
fn a_cut_holds_where_one_sends_unless_it_cuts_flight() {
    assert_eq!(arriving(&["2005ms..2500ms cut a->b"]), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(arriving(&["2005ms..2500ms cut a->b cutting flight"]), [1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(arriving(&["2005ms..2500ms partition a | * cutting flight"]), [1, 3, 4, 5, 6, 7, 8, 9]);
    // What is sent into the cut is cut as well; what arrives as it begins is taken, since faults go first.
    assert_eq!(arriving(&["2010ms..4s cut a->b cutting flight"]), [1, 4, 5, 6, 7, 8, 9]);
    // The other way nothing is taken.
    assert_eq!(arriving(&["2005ms..2500ms cut b->a cutting flight"]), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn a_cut_takes_from_the_air_what_would_have_arrived_after_it() {
    let faults = ["2s..3s delay a->b +1s", "2005ms..2010ms cut a->b cutting flight"];
    assert_eq!(arriving(&faults), [1, 3, 4, 5, 6, 7, 8, 9]);
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &faults), 1);
    assert_eq!(ran.sim.touched(), [1, 1]);
}

// ── Overlap and repetition ──

#[test]
fn overlapping_crashes_hold_while_any_holds_and_adjacent_ones_do_not_flicker() {
    for faults in [
        ["1s..4s crash b", "3s..6s crash b"],
        ["3s..6s crash b", "1s..4s crash b"],
        ["1s..6s crash b", "2s..3s power-loss b"],
        ["1s..3s crash b", "3s..6s crash b"],
    ] {
        check(&[NOTHING, NOTHING], &faults, " b/", &["0s b/1: start", "6s b/2: start"]);
    }
}

#[test]
fn overlapping_cuts_hold_while_any_holds() {
    assert_eq!(arriving(&["1500ms..3500ms cut a->b", "2500ms..4500ms cut a->b"]), [1, 5, 6, 7, 8, 9]);
    assert_eq!(arriving(&["1500ms..3500ms cut a->b", "3500ms..4500ms partition a | b"]), [1, 5, 6, 7, 8, 9]);
}

#[test]
fn delays_that_overlap_add() {
    let faults = ["1500ms..3500ms delay a->b +200ms", "2500ms..9s delay *->b +50ms"];
    let expected = ["1.01s b/1: Ping(1) from a", "2.21s b/1: Ping(2) from a", "3.26s b/1: Ping(3) from a"];
    assert_eq!(run(&with(cast(&[EVERY_SECOND, NOTHING]), &faults), 1).mentioning("Ping")[..3], expected);
}

#[test]
fn what_repeats_begins_with_peace_and_stays_in_its_window() {
    // Cut at 2500..3500, 5500..6500, 8500..9500 ms.
    assert_eq!(arriving(&["500ms.. cut a->b every 2s for 1s"]), [1, 2, 4, 5, 7, 8]);
    assert_eq!(arriving(&["500ms..6s cut a->b every 2s for 1s"]), [1, 2, 4, 5, 6, 7, 8, 9]);
    assert_eq!(arriving(&["500ms..3s cut a->b every 2s for 10s"]), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(arriving(&["1500ms..9s cut a->b for 2s"]), [1, 4, 5, 6, 7, 8, 9]);
    assert_eq!(arriving(&["1500ms cut a->b for 2s"]), [1, 4, 5, 6, 7, 8, 9]);
}

/// Beginnings and lengths of the crashes of a node, from its steps.
fn crashes(ran: &Ran) -> Vec<(Instant, Duration)> {
    let at = |what: fn(&Happening) -> bool| ran.steps.iter().filter(move |step| what(&step.what)).map(|step| step.at);
    let begins = at(|what| matches!(what, Happening::FaultBegan { .. }));
    let ends = at(|what| matches!(what, Happening::FaultEnded { .. }));
    begins.zip(ends).map(|(begin, end)| (begin, end.since(begin))).collect()
}

#[test]
fn about_is_drawn_exponentially_for_gaps_and_lengths() {
    let fault = "0s..50m crash b every ~5s for ~1s";
    let all = crashes(&run(&with(cast(&[NOTHING, NOTHING]), &[fault]), 1));
    // 3000 s at 6 s each: 500 in the mean, with a standard deviation of about sqrt(26) / 6 · sqrt(500) = 19.
    assert!((420..580).contains(&all.len()), "{}", all.len());
    let mean = all.iter().map(|(_, length)| length.as_secs_f64()).sum::<f64>() / all.len() as f64;
    assert!((0.8..1.2).contains(&mean), "{mean}");
    let long = all.iter().filter(|(_, length)| *length > ms(1_000)).count() as f64 / all.len() as f64;
    // 1/e = 0.368 of an exponential is longer than its mean.
    assert!((0.28..0.46).contains(&long), "{long}");
    assert_eq!(all, crashes(&run(&with(cast(&[NOTHING, NOTHING]), &[fault]), 1)));
    assert_ne!(all, crashes(&run(&with(cast(&[NOTHING, NOTHING]), &[fault]), 2)));
    let mut calm = with(cast(&[NOTHING, NOTHING]), &["crash b every ~10s for ~10s", "0s..1m cut a->b"]);
    calm.rest(Rest::Calm);
    let median = Dist::Exponential(ms(10_000)).median();
    let (begin, _) = crashes(&run(&calm, 1))[1];
    assert_eq!(begin, Instant::ZERO + median);
}

/// Five workers and their names in the order in which they start again.
fn restarts(fault: &str, seed: u64) -> Vec<(Instant, String)> {
    let mut system = System::new();
    for n in 1..=5 {
        system.node(&format!("worker-{n}"), Probe::new(NOTHING));
    }
    let ran = run(&with(system, &[fault]), seed);
    let names = ran.sim.names();
    let again = ran.steps.iter().filter_map(|step| match step.what {
        Happening::Started { node, life } if life > 1 => Some((step.at, names.node(node).to_owned())),
        _ => None,
    });
    again.collect()
}

#[test]
fn one_of_strikes_one_drawn_anew_each_time_and_a_bare_name_all_together() {
    let one = restarts("0s..30m crash one of worker every 10s for 1s", 1);
    assert_eq!(one.len(), 163, "one restart for each 11 s of 30 min");
    for n in 1..=5 {
        let hits = one.iter().filter(|(_, name)| *name == format!("worker-{n}")).count();
        // 163 at 1/5: 32.6 ± 4 · 5.1.
        assert!((12..54).contains(&hits), "worker-{n}: {hits}");
    }
    let all = restarts("1s..2s crash worker", 1);
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|(at, _)| at.to_string() == "2s"));
    assert_eq!(restarts("1s..2s crash worker-2", 1), [(at("2s"), "worker-2".to_owned())]);
}

#[test]
fn each_of_strikes_all_each_with_dice_of_its_own() {
    let each = restarts("0s..10m crash each of worker-1..worker-4 every ~10s for ~1s", 1);
    let mut first: Vec<_> =
        (1..=4).map(|n| each.iter().find(|(_, name)| *name == format!("worker-{n}")).unwrap().0).collect();
    first.dedup();
    assert_eq!(first.len(), 4, "they come at instants of their own");
    assert!(!each.iter().any(|(_, name)| name == "worker-5"));
}

// ── Chance ──

const PINGS: u64 = 20_000;

/// Sends many pings at once.
const MANY: Act = |event, cx| {
    if matches!(event, Event::Start(_)) {
        (0..PINGS as u32).for_each(|n| cx.send(B, Say::Ping(n)));
    }
};

#[test]
fn loss_is_as_frequent_as_said() {
    for (link, fault, p) in [(20, "loss b->a 50%", 0.2), (0, "loss a->b 20%", 0.2), (10, "loss a->b ping 50%", 0.55)] {
        let mut system = with(cast(&[MANY, NOTHING]), &[fault]);
        let loss = Ratio::new(link, 100).unwrap();
        system.network(Link { loss, ..Link::with_latency(Dist::Constant(ms(1))) });
        let ran = run(&system, 3);
        binomial(PINGS as usize - ran.mentioning("Ping").len(), PINGS as f64, p);
        let blamed = ran.sim.touched()[0] as usize;
        binomial(blamed, PINGS as f64, p - link as f64 / 100.0);
    }
}

#[test]
fn duplicates_are_as_frequent_as_said_and_have_latencies_of_their_own() {
    let mut system = with(cast(&[MANY, NOTHING]), &["duplicate a->b 5%"]);
    system.network(Link::with_latency(Dist::Exponential(ms(10))));
    let ran = run(&system, 3);
    binomial(ran.mentioning("Ping").len() - PINGS as usize, PINGS as f64, 0.05);
    assert_eq!(ran.sim.touched()[0] as usize, ran.mentioning("Ping").len() - PINGS as usize);
    let arrivals =
        |n: u32| ran.mentioning(&format!("Ping({n})")).iter().map(|line| line.split(' ').next().unwrap()).collect();
    let twice = (0..PINGS as u32).map(arrivals).filter(|arrivals: &Vec<&str>| arrivals.len() == 2).take(20);
    assert!(twice.clone().all(|arrivals| arrivals[0] != arrivals[1]), "{:?}", twice.collect::<Vec<_>>());
}

#[test]
fn the_second_of_two_copies_has_dice_of_its_own() {
    const WORKER: Act = |event, cx| {
        if let Event::Message { .. } = event {
            let length = cx.draw(Purpose::new("work"), &Dist::Exponential(ms(100)));
            cx.note(format!("works {length}"));
        }
    };
    let ran = run(&with(cast(&[EVERY_SECOND, WORKER]), &["duplicate a->b 100%"]), 1);
    let mut lengths: Vec<&str> =
        ran.mentioning("works").iter().map(|line| line.split(' ').next_back().unwrap()).collect();
    assert_eq!(lengths.len(), 18);
    lengths.sort_unstable();
    lengths.dedup();
    assert_eq!(lengths.len(), 18, "{lengths:?}");
}

#[test]
fn a_delay_is_uniform_around_its_middle() {
    let ran = run(&with(cast(&[MANY, NOTHING]), &["delay a->b +200ms ~50ms"]), 3);
    let arrival = |line: &&str| at(line.split(' ').next().unwrap()).nanos();
    let arrivals: Vec<u64> = ran.mentioning("Ping").iter().map(arrival).collect();
    let (low, high) = (ms(160).nanos(), ms(260).nanos());
    assert!(arrivals.iter().all(|nanos| (low..=high).contains(nanos)));
    binomial(arrivals.iter().filter(|nanos| **nanos < ms(185).nanos()).count(), PINGS as f64, 0.25);
    binomial(arrivals.iter().filter(|nanos| **nanos >= ms(210).nanos()).count(), PINGS as f64, 0.5);
    // Less than no delay is none.
    let ran = run(&with(cast(&[MANY, NOTHING]), &["delay a->b +10ms ~50ms"]), 3);
    let at_once = ran.mentioning("Ping").iter().filter(|line| line.starts_with("10ms ")).count();
    binomial(at_once, PINGS as f64, 0.4);
}

// ── Decisions ──

/// Places orders 1 and 2: three pings each to `b`, which draws for each ping.
const ORDERS: Act = |event, cx| match event {
    Event::Start(_) if cx.id() == A => {
        let class = sim_core::Class(0);
        for n in 0..6 {
            cx.begin(class, u64::from(n / 3) + 1);
            cx.send(B, Say::Ping(n));
        }
        cx.send(B, Say::Pong(9));
    }
    Event::Message { msg: Say::Ping(_), .. } => {
        let length = cx.draw(Purpose::new("work"), &Dist::Constant(ms(5)));
        let lucky = cx.chance(Purpose::new("luck"), Ratio::ZERO);
        let one = cx.pick(Purpose::new("pick"), &[A, B]).unwrap();
        if length != ms(5) || lucky {
            cx.note(format!("drew {length} {lucky} {one:?}"));
        }
    }
    _ => {}
};

fn decided(decisions: &[&str]) -> Ran {
    let mut system = cast(&[ORDERS, ORDERS]);
    system.class("order");
    run(&with(system, decisions), 1)
}

#[test]
fn a_decision_applies_to_the_nth_of_its_link_kind_and_operation() {
    let arrivals = |decisions: &[&str]| {
        let ran = decided(decisions);
        let word = |line: &&str| line.split(" b/1: ").collect::<Vec<_>>().join(" ").replace(" from a", "");
        (ran.mentioning("from a").iter().map(word).collect::<Vec<_>>().join(", "), ran.sim.touched())
    };
    let all = "10ms Ping(0), 10ms Ping(1), 10ms Ping(2), 10ms Ping(3), 10ms Ping(4), 10ms Ping(5), 10ms Pong(9)";
    for (decision, expected, touched) in [
        ("drop a->b ping order/1 #2", all.replace("10ms Ping(1), ", ""), 1),
        ("drop a->b ping order/2 #1", all.replace("10ms Ping(3), ", ""), 1),
        ("drop a->b pong order/2 #1", all.replace(", 10ms Pong(9)", ""), 1),
        ("late a->b ping order/1 #1 1.4s", all.replace("10ms Ping(0), ", "") + ", 1.4s Ping(0)", 1),
        ("twice a->b ping order/2 #3 12ms", all.to_owned() + ", 12ms Ping(5)", 1),
        ("keep a->b ping order/2 #3", all.to_owned(), 1),
        ("drop a->b ping order/1 #4", all.to_owned(), 0),
        ("drop a->b ping order/3 #1", all.to_owned(), 0),
        ("drop a->b ping #1", all.to_owned(), 0),
        ("drop a->b pong #1", all.to_owned(), 0),
        ("drop b->a ping order/1 #1", all.to_owned(), 0),
        ("drop a->nobody ping order/1 #1", all.to_owned(), 0),
        ("drop a->b visit order/1 #1", all.to_owned(), 0),
        ("drop a->b ping visit/1 #1", all.to_owned(), 0),
    ] {
        assert_eq!(arrivals(&[decision]), (expected, vec![touched]), "{decision}");
    }
}

#[test]
fn a_decision_without_an_operation_is_about_what_is_done_for_nobody() {
    assert_eq!(arriving(&["drop a->b ping #2"]), [1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(arriving(&["1500ms..2500ms cut a->b", "drop a->b ping #3"]), [1, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn what_is_kept_arrives_whatever_a_fault_does() {
    for fault in ["loss a->b 100%", "cut a->b", "partition a | b"] {
        let ran = decided(&[fault, "keep a->b ping order/1 #2", "keep a->b ping order/1 #4"]);
        assert_eq!(ran.mentioning("from a"), ["10ms b/1: Ping(1) from a"], "{fault}");
        assert_eq!(ran.sim.touched(), [6, 1, 0], "{fault}");
    }
}

#[test]
fn a_drawn_answer_can_be_decided() {
    let drew = |decision: &str| {
        let ran = decided(&[decision]);
        (ran.mentioning("drew").iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), ran.sim.touched()[0])
    };
    let (lines, touched) = drew("draw b work order/1 #2 1.4s");
    assert!(lines.len() == 1 && lines[0].starts_with("10ms drew 1.4s false") && touched == 1, "{lines:?}");
    let (lines, touched) = drew("draw b luck order/2 #3 yes");
    assert!(lines.len() == 1 && lines[0].starts_with("10ms drew 5ms true") && touched == 1, "{lines:?}");
    assert_eq!(drew("draw b work order/1 #4 1.4s"), (vec![], 0));
    let both = |name: &str| {
        let pick = format!("draw b pick order/1 #1 {name}");
        decided(&[&pick, "draw b luck order/1 #1 yes"]).mentioning("drew")[0].to_owned()
    };
    assert_eq!((both("a"), both("b")), ("10ms drew 5ms true NodeId(0)".into(), "10ms drew 5ms true NodeId(1)".into()));
}

#[test]
fn a_fault_that_did_nothing_says_so() {
    let faults = [
        "cut b->a",
        "loss a->b pong 100%",
        "20m..30m loss a->b 100%",
        "1s..2s crash b",
        "delay a->b +1ms",
        "2s..2s crash a",
    ];
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &faults), 1);
    assert_eq!(ran.sim.touched(), [0, 0, 0, 1, 9, 0]);
}

// ── Time ──

#[test]
fn a_timer_set_anew_fires_once_and_a_cancelled_one_never() {
    const TIMERS: Act = |event, cx| match event {
        Event::Start(_) => {
            for timer in 1..=5 {
                cx.set(Timer(timer), ms(2_000));
            }
            cx.set(Timer(0), ms(1_000));
            // Anew in one handling, both ways.
            cx.set(Timer(6), ms(5_000));
            cx.set(Timer(6), ms(3_000));
            cx.set(Timer(7), ms(3_000));
            cx.set(Timer(7), ms(5_000));
        }
        Event::Timer(Timer(0)) => {
            cx.set(Timer(1), ms(5_000));
            cx.set(Timer(2), ms(500));
            cx.cancel(Timer(3));
            cx.cancel(Timer(4));
            cx.set(Timer(4), ms(1_000));
            cx.cancel(Timer(5));
            cx.set(Timer(5), ms(3_000));
            cx.cancel(Timer(9_999));
        }
        // Once more, at the instant at which it fires.
        Event::Timer(Timer(4)) if cx.now() == Instant::ZERO + ms(2_000) => cx.set(Timer(4), ms(1)),
        _ => {}
    };
    let expected = [
        "1s a/1: timer 0",
        "1.5s a/1: timer 2",
        "2s a/1: timer 4",
        "2.001s a/1: timer 4",
        "3s a/1: timer 6",
        "4s a/1: timer 5",
        "5s a/1: timer 7",
        "6s a/1: timer 1",
    ];
    check(&[TIMERS], &[], "timer", &expected);
}

#[test]
fn a_timer_for_ever_waits_for_a_ring() {
    const SLEEPER: Act = |event, cx| match event {
        Event::Start(_) if cx.id() == A => {
            cx.set(Timer(1), Duration::FOREVER);
            cx.set(Timer(2), Duration::FOREVER);
        }
        Event::Start(_) => cx.set(Timer(3), ms(1_000)),
        Event::Timer(Timer(3)) => {
            cx.ring(A, 1, Timer(1));
            cx.ring(A, 2, Timer(2));
            cx.ring(A, 1, Timer(7));
        }
        _ => {}
    };
    let ran = run(&cast(&[SLEEPER, SLEEPER]), 1);
    assert_eq!(ran.mentioning("timer"), ["1s b/1: timer 3", "1s a/1: timer 1"]);
    let mut sim = ran.sim;
    assert_eq!((sim.step(), sim.pending()), (None, 0));
    assert_eq!(sim.now(), at("1s"));
}

#[test]
fn timers_rung_together_have_dice_of_their_own() {
    const RUNG: Act = |event, cx| match event {
        Event::Start(_) if cx.id() == A => (1..=9).for_each(|timer| cx.set(Timer(timer), Duration::FOREVER)),
        Event::Start(_) => (1..=9).for_each(|timer| cx.ring(A, 1, Timer(timer))),
        Event::Timer(_) => {
            let drawn = cx.draw(Purpose::new("work"), &Dist::Exponential(ms(100)));
            cx.note(format!("drew {drawn}"));
        }
        _ => {}
    };
    let ran = run(&cast(&[RUNG, RUNG]), 1);
    let mut drawn = ran.mentioning("drew");
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 9, "{drawn:?}");
}

#[test]
fn ties_go_in_the_order_of_queueing_and_faults_first() {
    const TIED: Act = |event, cx| match event {
        Event::Start(_) if cx.id() == A => {
            cx.send(B, Say::Ping(1));
            cx.set(Timer(1), ms(10));
            cx.send(B, Say::Pong(2));
            cx.set(Timer(2), ms(10));
        }
        Event::Start(_) => cx.set(Timer(3), ms(10)),
        Event::Timer(Timer(1)) => cx.set(Timer(4), Duration::ZERO),
        _ => {}
    };
    let expected = [
        "10ms b/1: Ping(1) from a",
        "10ms a/1: timer 1",
        "10ms b/1: Pong(2) from a",
        "10ms a/1: timer 2",
        "10ms b/1: timer 3",
        "10ms a/1: timer 4",
    ];
    check(&[TIED, TIED], &[], "10ms", &expected);
    let expected = ["10ms a/1: timer 1", "10ms a/1: timer 2", "10ms a/1: timer 4"];
    check(&[TIED, TIED], &["10ms.. crash b"], "10ms", &expected);
    let ran = run(&with(cast(&[TIED, TIED]), &["10ms..20ms crash b", "10ms..20ms cut a->b"]), 1);
    let tied: Vec<_> = ran.steps.iter().filter(|step| step.at == at("10ms")).map(|step| step.what).collect();
    // Links before nodes, whatever the order of the lines.
    assert_eq!(tied[..2], [Happening::FaultBegan { fault: 1 }, Happening::FaultBegan { fault: 0 }]);
}

#[test]
fn drift_stretches_timers_and_an_offset_moves_the_wall_clock_alone() {
    const CLOCKED: Act = |event, cx| match event {
        Event::Start(_) => cx.set(Timer(1), ms(1_000)),
        Event::Timer(_) => cx.note(format!("monotonic {} wall {}", cx.now(), cx.wall())),
        _ => {}
    };
    for (drift_ppb, offset_nanos, fires, clocks) in [
        (0, 0, "1s", "monotonic 1s wall 1s"),
        (0, -250_000_000, "1s", "monotonic 1s wall 750ms"),
        (250_000_000, 0, "800ms", "monotonic 1s wall 1s"),
        (-200_000_000, 500_000_000, "1.25s", "monotonic 1s wall 1.5s"),
    ] {
        let mut system = cast(&[CLOCKED]);
        system.clock(A, Clock { offset_nanos, drift_ppb });
        let ran = run(&system, 1);
        assert_eq!(ran.lines[1..], [format!("{fires} a/1: timer 1"), format!("{fires} {clocks}")]);
    }
}

// ── Findings ──

#[track_caller]
fn check_finding(ran: &mut Ran, event: u64, node: NodeId, message: &str) {
    let found = ran.sim.panic().expect("a finding").clone();
    assert_eq!((found.event, found.node), (event, node), "{found:?}");
    assert!(found.message.contains(message), "{found:?}");
    assert_eq!((ran.sim.events(), ran.sim.step()), (event, None));
}

fn found(acts: &[Act]) -> Ran {
    run(&cast(acts), 1)
}

#[test]
fn a_panicking_actor_ends_the_run_with_a_finding() {
    const FRAGILE: Act = |event, _| {
        if let Event::Message { msg: Say::Ping(2), .. } = event {
            panic!("two is too many");
        }
    };
    // Two starts, two timers, two pings.
    check_finding(&mut found(&[EVERY_SECOND, FRAGILE]), 6, B, "two is too many");
}

#[test]
fn what_an_actor_may_not_ask_for_is_a_finding_too() {
    const STRANGER: Act = |_, cx| cx.send(NodeId(7), Say::Ping(1));
    check_finding(&mut found(&[NOTHING, STRANGER]), 2, B, "there is no node 7");
    const NUMBERED: Act = |_, cx| cx.set(Timer(u32::MAX), ms(1));
    check_finding(&mut found(&[NUMBERED]), 1, A, "number timers from 0");
}

#[test]
fn a_panic_while_a_node_tells_what_it_owes_is_a_finding_in_the_fault() {
    #[derive(Clone, Serialize)]
    struct Forgetful;
    impl Actor<Say> for Forgetful {
        fn handle(&mut self, _: Event<Say>, _: &mut Context<'_, Say>) {}
        fn unanswered(&self) -> Vec<Unanswered<Say>> {
            panic!("who was it?")
        }
    }
    let mut system = cast(&[]);
    system.node("a", Forgetful);
    let mut ran = run(&with(system, &["1s..2s crash a"]), 1);
    check_finding(&mut ran, 2, A, "who was it?");
}
