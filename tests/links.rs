//! What links do beside losing and delaying: damage, lines, streams, refusals, and the faults that are about them.

use faultline_tests::cast::{A, Act, B, EVERY_SECOND, NOTHING, Ran, Say, at, binomial, cast, ms, run, with};
use sim_core::fault::Full;
use sim_core::{
    Bandwidth, Dist, Entry, Event, Fate, FaultError, Happening, Link, NodeId, Ratio, Seed, Stream, System, Timer,
    Transport,
};

/// A cast whose links are all like this, with these faults.
#[expect(clippy::needless_pass_by_value, reason = "links are written where they are used")]
fn linked(acts: &[Act], link: Link, faults: &[&str]) -> System<Say> {
    let mut system = with(cast(acts), faults);
    system.network(Link { latency: Dist::Constant(ms(10)), ..link });
    system
}

/// When each ping of the first node arrives at `b`.
fn arrivals(ran: &Ran) -> Vec<String> {
    let short = |line: &&str| line.replace(" b/1: Ping(", " ").replace(") from a", "");
    ran.mentioning("from a").iter().map(short).collect()
}

/// The same as numbers only.
fn numbers(ran: &Ran) -> Vec<u32> {
    arrivals(ran).iter().map(|line| line.split(' ').nth(1).unwrap().parse().unwrap()).collect()
}

/// What becomes of each envelope of the first node, and by which fault.
fn fates(system: &System<Say>) -> Vec<(Fate, Option<u32>)> {
    let mut sim = system.start(Seed(1)).unwrap();
    sim.record(true);
    let mut fates = Vec::new();
    while sim.step_before(at("1h")).is_some() {
        fates.extend(sim.log().iter().filter_map(|entry| match entry {
            Entry::Sent { from: A, fate, fault, .. } => Some((*fate, *fault)),
            _ => None,
        }));
    }
    fates
}

fn percent(text: &str) -> Ratio {
    text.parse().unwrap()
}

// ── Damage ──

#[test]
fn a_damaged_message_is_discarded_where_a_checksum_sees_it() {
    let system = linked(&[EVERY_SECOND, NOTHING], Link::default(), &["1500ms..4500ms corrupt a->b ping 100%"]);
    let ran = run(&system, 1);
    assert_eq!((numbers(&ran), ran.sim.touched()), (vec![1, 5, 6, 7, 8, 9], vec![3]));
    assert_eq!(
        fates(&system)[..3],
        [(Fate::Arrives(ms(10)), None), (Fate::Corrupt, Some(0)), (Fate::Corrupt, Some(0))]
    );
    let other = run(&linked(&[EVERY_SECOND, NOTHING], Link::default(), &["corrupt a->b pong 100%"]), 1);
    assert_eq!((numbers(&other).len(), other.sim.touched()), (9, vec![0]), "another kind is left alone");
}

#[test]
fn without_a_checksum_it_arrives_altered_and_the_same_seed_alters_it_alike() {
    let link = Link { checksum: false, ..Link::default() };
    let system = linked(&[EVERY_SECOND, NOTHING], link, &["1500ms..4500ms corrupt a->b 100%"]);
    let heard = numbers(&run(&system, 1));
    for (place, number) in heard.iter().enumerate() {
        let altered = (number ^ (place as u32 + 1)).count_ones();
        assert_eq!(altered, u32::from((1..4).contains(&place)), "{heard:?}");
    }
    assert_eq!(heard, numbers(&run(&system, 1)));
    assert_ne!(heard, numbers(&run(&system, 3)));
}

#[test]
fn what_cannot_be_altered_shows_its_damage() {
    const ANSWERS: Act = |event, cx| {
        if let Event::Message { from, msg: Say::Ping(n) } = event {
            cx.send(*from, Say::Pong(*n));
        }
    };
    let link = Link { checksum: false, ..Link::default() };
    let ran = run(&linked(&[EVERY_SECOND, ANSWERS], link, &["2s..4500ms corrupt b->a 100%"]), 1);
    assert_eq!(ran.mentioning("Pong").len(), 6);
    assert_eq!(ran.sim.touched(), [3]);
}

#[test]
fn a_link_damages_its_share_by_itself_and_with_faults_as_independent_chances() {
    const MANY: Act = |event, cx| {
        if matches!(event, Event::Start(_)) && cx.id() == A {
            (0..20_000).for_each(|number| cx.send(B, Say::Ping(number)));
        }
    };
    let link = || Link { corruption: percent("10%"), ..Link::default() };
    let heard = |faults: &[&str]| numbers(&run(&linked(&[MANY, NOTHING], link(), faults), 1));
    let (alone, both) = (heard(&[]), heard(&["corrupt a->b 20%"]));
    binomial(20_000 - alone.len(), 20_000.0, 0.1);
    binomial(20_000 - both.len(), 20_000.0, 0.28);
    assert!(both.iter().all(|number| alone.binary_search(number).is_ok()), "more damage damages a superset");
}

// ── Lines ──

/// Sends five pings at once, one second after the start.
const FIVE: Act = |event, cx| match event {
    Event::Start(_) => cx.set(Timer(1), ms(1_000)),
    Event::Timer(_) => (1..=5).for_each(|number| cx.send(B, Say::Ping(number))),
    _ => {}
};

fn narrow() -> Link {
    Link { bandwidth: Bandwidth::new(1_000), size: 1_000, ..Link::default() }
}

#[test]
fn messages_stand_in_line_where_less_fits_through_than_is_sent() {
    let ran = run(&linked(&[FIVE, NOTHING], narrow(), &[]), 1);
    assert_eq!(arrivals(&ran), ["2.01s 1", "3.01s 2", "4.01s 3", "5.01s 4", "6.01s 5"]);
    let wide = run(&linked(&[FIVE, NOTHING], Link { bandwidth: None, ..narrow() }, &[]), 1);
    assert_eq!(arrivals(&wide)[4], "1.01s 5");
    let light = run(&linked(&[FIVE, NOTHING], Link { size: 0, ..narrow() }, &[]), 1);
    assert_eq!(light.sim.digest(), wide.sim.digest(), "what weighs nothing needs no turn");
    // What is lost on the way had its turn all the same.
    let lossy = run(&linked(&[FIVE, NOTHING], narrow(), &["drop a->b ping #2"]), 1);
    assert_eq!(arrivals(&lossy), ["2.01s 1", "4.01s 3", "5.01s 4", "6.01s 5"]);
}

#[test]
fn of_too_many_the_last_is_dropped_unless_any_may_be() {
    let system = linked(&[FIVE, NOTHING], Link { queue: Some(2), ..narrow() }, &[]);
    assert_eq!(arrivals(&run(&system, 1)), ["2.01s 1", "3.01s 2", "4.01s 3"]);
    assert_eq!(fates(&system)[3..], [(Fate::Full, None), (Fate::Full, None)]);
    let none = linked(&[FIVE, NOTHING], Link { queue: Some(0), ..narrow() }, &[]);
    assert_eq!(numbers(&run(&none, 1)), [1], "one has its turn and nobody waits");

    let random = linked(&[FIVE, NOTHING], Link { queue: Some(2), full: Full::Random, ..narrow() }, &[]);
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..3_000 {
        let heard = arrivals(&run(&random, seed));
        let times: Vec<&str> = heard.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(times, ["2.01s", "3.01s", "4.01s"], "those behind move up");
        let kept: Vec<char> = heard.iter().map(|line| line.chars().last().unwrap()).collect();
        assert!(kept[0] == '1' && kept.is_sorted(), "{kept:?}");
        *seen.entry(kept).or_insert(0) += 1;
    }
    // Of 2 3 4 one goes, of what is left and 5 another: 2 3 stay with 1/9, 2 4 and 3 4 too, 2 5, 3 5 and 4 5 with 2/9 each.
    for (kept, count) in &seen {
        binomial(*count, 3_000.0, if kept[2] == '5' { 2.0 / 9.0 } else { 1.0 / 9.0 });
    }
    assert_eq!(seen.len(), 6);
}

#[test]
fn a_bandwidth_fault_makes_a_line_and_what_stands_in_it_keeps_its_turn() {
    let link = || Link { size: 1_000, ..Link::default() };
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], link(), &["1500ms..3500ms bandwidth a->b 500B/s"]), 1);
    assert_eq!(arrivals(&ran)[..5], ["1.01s 1", "4.01s 2", "4.01s 4", "5.01s 5", "6.01s 3"]);
    assert_eq!(ran.sim.touched(), [2]);
    let faults =
        ["0s.. bandwidth a->b 10KB/s queue 1", "1s.. bandwidth a->* 1KB/s random", "0s.. bandwidth a->b 2KB/s"];
    let random: Vec<Vec<u32>> =
        (0..50).map(|seed| numbers(&run(&linked(&[FIVE, NOTHING], link(), &faults), seed))).collect();
    assert!(random.iter().all(|heard| heard.len() == 2 && heard[0] == 1), "the least bandwidth and the least queue");
    assert!(random.iter().any(|heard| heard[1] != random[0][1]), "random where any says so");
    let idle = run(&linked(&[EVERY_SECOND, NOTHING], link(), &["bandwidth b->a 1KB/s"]), 1);
    assert_eq!((idle.sim.touched(), arrivals(&idle)[0].as_str()), (vec![0], "1.01s 1"));
}

#[test]
fn what_a_clog_held_stands_in_line_when_it_is_let_go() {
    let ran = run(&linked(&[FIVE, NOTHING], narrow(), &["500ms..9500ms clog a->b"]), 1);
    assert_eq!(arrivals(&ran), ["10.51s 1", "11.51s 2", "12.51s 3", "13.51s 4", "14.51s 5"]);
}

// ── Streams ──

fn stream(tries: u16) -> Link {
    Link { transport: Transport::Stream(Stream { tries, ..Stream::default() }), ..Link::default() }
}

#[test]
fn on_a_stream_a_cut_is_a_delay_and_nothing_is_overtaken() {
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], stream(15), &["1500ms..4500ms cut a->b"]), 1);
    // The second is tried at 2 s, 2.2 s, 2.6 s, 3.4 s and 5 s, the third at 3 s, 3.2 s, 3.6 s, 4.4 s and 6 s.
    let expected = ["1.01s 1", "5.01s 2", "6.01s 3", "6.01s 4", "6.01s 5", "6.01s 6", "7.01s 7"];
    assert_eq!(arrivals(&ran)[..7], expected);
    assert_eq!(ran.sim.touched(), [4 + 4 + 2], "each try that is cut");
    let datagrams = run(&linked(&[EVERY_SECOND, NOTHING], Link::default(), &["1500ms..4500ms cut a->b"]), 1);
    assert_eq!(numbers(&datagrams), [1, 5, 6, 7, 8, 9]);
}

#[test]
fn a_stream_delivers_all_once_and_in_order_whatever_is_lost_doubled_or_damaged() {
    let faults = ["loss a->b 20%", "duplicate a->b 50%", "corrupt a->b 20%", "delay a->b +200ms ~200ms"];
    for (seed, checksum) in [(1, true), (2, true), (3, false), (4, false)] {
        let link = Link { latency: Dist::ZERO, checksum, ..stream(100) };
        let ran = run(&linked(&[FIVE, NOTHING], link, &faults), seed);
        assert_eq!(numbers(&ran), [1, 2, 3, 4, 5], "seed {seed}");
        assert!(ran.sim.touched()[1] == 0, "nothing is doubled");
    }
}

#[test]
fn a_stream_that_gives_up_resets_its_connection_and_a_new_one_works() {
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], stream(2), &["1500ms..4500ms cut a->b"]), 1);
    // Tried at 2 s, 2.2 s and 2.6 s; the wait after the last ends at 3.4 s, and takes the third with it. The fourth is sent on a
    // connection of its own, and its third try is late enough.
    let told = ran.mentioning(" a/1: Ping");
    assert_eq!(told, ["3.4s a/1: Ping(2) reset by b", "3.4s a/1: Ping(3) reset by b"]);
    assert_eq!(arrivals(&ran)[..3], ["1.01s 1", "4.61s 4", "5.01s 5"]);
}

#[test]
fn a_line_of_a_case_that_drops_loses_every_try() {
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], stream(1), &["drop a->b ping #3"]), 1);
    assert_eq!(ran.mentioning(" a/1: Ping"), ["3.6s a/1: Ping(3) reset by b"]);
    assert_eq!(numbers(&ran), [1, 2, 4, 5, 6, 7, 8, 9]);
    let late = run(&linked(&[EVERY_SECOND, NOTHING], stream(1), &["late a->b ping #3 2500ms"]), 1);
    assert_eq!(arrivals(&late)[2..5], ["5.5s 3", "5.5s 4", "5.5s 5"]);
    let kept = run(&linked(&[EVERY_SECOND, NOTHING], stream(1), &["keep a->b ping #3", "loss a->b 100%"]), 1);
    assert_eq!(numbers(&kept), [3]);
}

#[test]
fn a_crash_resets_what_is_on_its_way_to_the_life_that_ends() {
    let slow = Link { latency: Dist::Constant(ms(1_500)), ..stream(15) };
    let mut system = with(cast(&[EVERY_SECOND, NOTHING]), &["3200ms..3300ms crash b"]);
    system.network(slow.clone());
    let ran = run(&system, 1);
    // The first has arrived at 2.5 s and was owed an answer; 2 and 3 are on their way.
    let reset = ["4.7s a/1: Ping(1) reset by b", "4.7s a/1: Ping(2) reset by b", "4.7s a/1: Ping(3) reset by b"];
    assert_eq!(ran.mentioning("reset"), reset);
    assert_eq!(ran.mentioning("b/2: Ping")[0], "5.5s b/2: Ping(4) from a");
    system.network(Link { transport: Transport::Datagram, answers: true, ..slow });
    assert_eq!(run(&system, 1).mentioning("b/2: Ping")[0], "3.5s b/2: Ping(2) from a", "datagrams just arrive");
    // A sender that crashes has already put on the wire what is there, and a stopped machine refuses.
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], stream(15), &["1005ms.. crash a"]), 1);
    assert_eq!(ran.mentioning("Ping(1) from a").len(), 1);
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], stream(15), &["1500ms..2500ms crash b"]), 1);
    assert_eq!(ran.mentioning("refused"), ["2.02s a/1: Ping(2) refused by b"]);
}

#[test]
fn a_power_loss_tells_nobody_until_the_next_is_sent_after_it() {
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], stream(15), &["1500ms..4500ms power-loss b"]), 1);
    let told: Vec<&str> = ran.mentioning(" a/1: Ping");
    // 2 to 4 went nowhere; the fifth meets a machine that knows of no connection.
    assert_eq!(told, ["5.02s a/1: Ping(5) reset by b"]);
    assert_eq!(ran.mentioning("b/2: Ping")[0], "6.01s b/2: Ping(6) from a");
    let first = run(&linked(&[EVERY_SECOND, NOTHING], stream(15), &["500ms..4500ms power-loss b"]), 1);
    assert_eq!(first.mentioning("b/2: Ping")[0], "5.01s b/2: Ping(5) from a", "without a connection none is half-open");
}

#[test]
fn a_clog_keeps_the_order_of_a_stream() {
    const BOTH: Act = |event, cx| match event {
        Event::Start(_) => cx.set(Timer(1), ms(1_000)),
        Event::Timer(_) => {
            cx.send(B, Say::Ping(1));
            cx.send(B, Say::Pong(2));
        }
        _ => {}
    };
    let heard = |link: Link| {
        let ran = run(&linked(&[BOTH, NOTHING], link, &["500ms..3s clog a->b ping"]), 1);
        ran.mentioning("from a").iter().map(|line| line.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(heard(stream(15)), ["3.01s b/1: Ping(1) from a", "3.01s b/1: Pong(2) from a"]);
    assert_eq!(heard(Link::default()), ["1.01s b/1: Pong(2) from a", "3.01s b/1: Ping(1) from a"]);
}

// ── Delays and copies ──

/// Sends a ping each millisecond for four seconds to `b`.
const STEADY: Act = |event, cx| {
    let number = match event {
        Event::Start(_) if cx.id() == A => 0,
        Event::Timer(Timer(number)) => *number,
        _ => return,
    };
    cx.send(B, Say::Ping(number));
    if number < 4_000 {
        cx.set(Timer(number + 1), ms(1));
    }
};

/// How many milliseconds each ping of [`STEADY`] took, by number; 0 of those that did not arrive.
fn took(faults: &[&str], seed: u64) -> Vec<f64> {
    let ran = run(&with(cast(&[STEADY, NOTHING, NOTHING]), faults), seed);
    let mut all = vec![0.0; 4_001];
    for line in arrivals(&ran) {
        let (time, number) = line.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        all[number] = at(time).as_secs_f64() * 1e3 - number as f64;
    }
    all
}

#[test]
fn a_share_of_messages_takes_longer_and_the_others_as_long_as_ever() {
    let all = took(&["delay a->b 10% +100ms"], 1);
    let slow = all.iter().filter(|ms| (**ms - 110.0).abs() < 1e-6).count();
    assert_eq!(slow + all.iter().filter(|ms| (**ms - 10.0).abs() < 1e-6).count(), 4_001);
    binomial(slow, 4_001.0, 0.1);
    let ended = took(&["0s..2s delay a->b 10% +100ms"], 1);
    assert!(ended[..2_000] == all[..2_000] && ended[2_000..].iter().all(|ms| (*ms - 10.0).abs() < 1e-6));
}

#[test]
fn a_delay_per_stretch_of_time_is_one_number_for_a_link_and_a_stretch() {
    let all = took(&["delay a->b +200ms ~50ms per 100ms"], 1);
    let close = |a: &f64, b: &f64| (a - b).abs() < 1e-6;
    let stretches: Vec<&[f64]> = all[..4_000].chunks(100).collect();
    assert!(stretches.iter().all(|stretch| stretch.iter().all(|ms| close(ms, &stretch[0]))));
    assert!(stretches.windows(2).all(|two| !close(&two[0][0], &two[1][0])));
    assert!(all.iter().all(|ms| (160.0..=260.0).contains(ms)));
    // It depends on link and time, and neither on other messages nor on when the fault began.
    let later = took(&["2s.. delay a->b +200ms ~50ms per 100ms", "loss a->b 20%"], 1);
    assert!((2_000..4_000).all(|number| later[number] == 0.0 || close(&later[number], &all[number])));
    let share = took(&["delay a->b 25% +200ms per 100ms"], 1);
    let slow = share[..4_000].chunks(100).filter(|stretch| stretch[0] > 100.0).count();
    assert!(share[..4_000].chunks(100).all(|stretch| stretch.iter().all(|ms| close(ms, &stretch[0]))));
    assert!((3..=20).contains(&slow), "{slow} of 40 stretches");
}

#[test]
fn a_copy_may_come_much_later_than_the_original() {
    let faults = ["2s..4500ms duplicate a->b 100% +300ms ~100ms"];
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], Link::default(), &faults), 1);
    let all = arrivals(&ran);
    for number in 1..=9u32 {
        let of = |line: &&String| line.ends_with(&format!(" {number}"));
        let times: Vec<f64> =
            all.iter().filter(of).map(|line| at(line.split(' ').next().unwrap()).as_secs_f64()).collect();
        let late: Vec<f64> = times.iter().map(|time| time - f64::from(number) - 0.01).collect();
        assert!(late[0].abs() < 1e-6);
        match number {
            2..=4 => assert!(late.len() == 2 && (0.2..=0.4).contains(&late[1]), "{late:?}"),
            _ => assert_eq!(late.len(), 1),
        }
    }
    assert_eq!(ran.sim.touched(), [3]);
}

// ── Refusals ──

#[test]
fn what_is_refused_is_answered_at_once_over_the_link_back_and_reaches_nobody() {
    let answers = || Link { answers: true, ..Link::default() };
    let ran = run(&linked(&[EVERY_SECOND, NOTHING], answers(), &["1500ms..4500ms refuse a->b ping"]), 1);
    let refused =
        ["2.01s a/1: Ping(2) refused by b", "3.01s a/1: Ping(3) refused by b", "4.01s a/1: Ping(4) refused by b"];
    assert_eq!(ran.mentioning("refused"), refused);
    assert_eq!((numbers(&ran), ran.sim.touched()), (vec![1, 5, 6, 7, 8, 9], vec![3]));
    let quiet = run(&linked(&[EVERY_SECOND, NOTHING], Link::default(), &["1500ms..4500ms refuse a->b"]), 1);
    assert!(quiet.mentioning("refused").is_empty() && numbers(&quiet) == [1, 5, 6, 7, 8, 9]);
    let cut = run(&linked(&[EVERY_SECOND, NOTHING], answers(), &["refuse a->b", "cut a->b"]), 1);
    assert_eq!((cut.mentioning("refused").len(), cut.sim.touched()), (0, vec![0, 9]), "what is cut is not refused");
    let cut_back = run(&linked(&[EVERY_SECOND, NOTHING], answers(), &["refuse a->b", "cut b->a"]), 1);
    assert!(cut_back.mentioning("refused").is_empty());
    let both = run(&linked(&[EVERY_SECOND, NOTHING], answers(), &["refuse a<->b"]), 1);
    assert_eq!(both.mentioning("refused").len(), 9, "nobody refuses a refusal");
    let on_stream = run(&linked(&[EVERY_SECOND, NOTHING], stream(15), &["refuse a->b"]), 1);
    assert_eq!(on_stream.mentioning("refused").len(), 9);
}

#[test]
fn a_share_of_messages_is_refused() {
    let ran = run(&with(cast(&[STEADY, NOTHING]), &["refuse a->b 20%"]), 1);
    binomial(4_001 - numbers(&ran).len(), 4_001.0, 0.2);
    assert_eq!(ran.sim.touched(), [4_001 - numbers(&ran).len() as u64]);
}

// ── Swizzling ──

/// Nodes, and when something happened to each, in seconds.
type Times = Vec<(NodeId, f64)>;

/// When a swizzle begins and ends for each of the nodes, in the order in which it does.
fn swizzles(faults: &[&str], nodes: usize, seed: u64) -> (Times, Times) {
    let mut sim = with(cast(&vec![NOTHING; nodes]), faults).start(Seed(seed)).unwrap();
    sim.record(true);
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    while let Some(step) = sim.step_before(at("1h")) {
        for entry in sim.log() {
            match (step.what, entry) {
                (Happening::FaultBegan { .. }, Entry::Struck { node }) => begun.push((*node, step.at.as_secs_f64())),
                (Happening::FaultEnded { .. }, Entry::Released { node }) => ended.push((*node, step.at.as_secs_f64())),
                _ => {}
            }
        }
    }
    (begun, ended)
}

#[test]
fn a_swizzle_clogs_one_node_after_the_other_and_lets_them_go_in_another_order() {
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let (begun, ended) = swizzles(&["10s..30s swizzle *"], 4, seed);
        assert!(begun.len() == 4 && begun.iter().all(|(_, at)| (10.0..=20.0).contains(at)), "{begun:?}");
        assert!(ended.len() == 4 && ended.iter().all(|(_, at)| (20.0..=30.0).contains(at)), "{ended:?}");
        let order = |all: &[(NodeId, f64)]| all.iter().map(|(node, _)| node.0).collect::<Vec<_>>();
        orders.insert((order(&begun), order(&ended)));
    }
    assert!(orders.len() > 40 && orders.iter().filter(|(begun, ended)| begun == ended).count() < 10);
    // A node more changes nobody's instants.
    let (few, more) = (swizzles(&["10s..30s swizzle *"], 3, 7), swizzles(&["10s..30s swizzle *"], 5, 7));
    assert!(few.0.iter().all(|one| more.0.contains(one)) && few.1.iter().all(|one| more.1.contains(one)));
    let (begun, _) = swizzles(&["0s..100s swizzle * every 10s for 20s"], 2, 1);
    let turn = |at: f64| ((at - 10.0) / 30.0).floor();
    assert_eq!(begun.iter().map(|(_, at)| turn(*at)).collect::<Vec<_>>(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
}

#[test]
fn while_a_node_is_swizzled_its_links_hold_and_then_deliver() {
    let ran = run(&with(cast(&[EVERY_SECOND, NOTHING]), &["2s..8s swizzle b"]), 1);
    assert_eq!(numbers(&ran), (1..=9).collect::<Vec<_>>(), "nothing is lost");
    let held = ran.sim.touched()[0];
    let (begun, ended) = (swizzles(&["2s..8s swizzle b"], 2, 1).0[0].1, swizzles(&["2s..8s swizzle b"], 2, 1).1[0].1);
    let late = arrivals(&ran).iter().filter(|line| !line.contains(".01s")).count() as u64;
    assert_eq!((held, late), ((begun.ceil() as u64..=ended.floor() as u64).count() as u64, held));
}

// ── All of it ──

#[test]
fn a_fork_keeps_lines_connections_and_turns() {
    let faults = [
        "loss a<->b 20%",
        "1s..9s bandwidth a->b 900B/s queue 3 random",
        "2s..3s power-loss b",
        "5s..6s crash b",
        "1s..8s swizzle b",
        "delay a->b 50% +100ms ~50ms per 1s",
        "corrupt a->b 10%",
        "7s..8s refuse a->b 50%",
    ];
    for link in [narrow(), Link { size: 1_000, ..stream(4) }, Link { queue: Some(1), full: Full::Random, ..narrow() }] {
        let system = linked(&[FIVE, NOTHING, EVERY_SECOND], link, &faults);
        let whole = run(&system, 1).sim.digest();
        let mut sim = system.start(Seed(1)).unwrap();
        loop {
            let mut fork = sim.clone();
            while fork.step_before(at("1h")).is_some() {}
            assert_eq!(fork.digest(), whole);
            if sim.step_before(at("1h")).is_none() {
                break;
            }
        }
    }
}

#[test]
fn links_that_ask_for_nothing_new_run_as_they_did() {
    let system = |link| linked(&[EVERY_SECOND, NOTHING], link, &["loss a->b 30%", "delay a->b +5ms ~5ms"]);
    let plain = run(&system(Link::default()), 1).sim.digest();
    // A limit that nobody reaches changes nothing of what happens; that of a link of no weight neither.
    let size = Link { size: 1_000, checksum: false, queue: Some(0), full: Full::Random, ..Link::default() };
    assert_eq!(run(&system(size), 1).sim.digest(), plain);
    let unknown: Result<_, FaultError> = with(cast(&[NOTHING]), &["bandwidth a->z 1KB/s"]).start(Seed(1)).map(|_| ());
    assert!(unknown.unwrap_err().to_string().contains("no node \"z\""));
}
