#![expect(clippy::disallowed_types, reason = "what is forbidden is planted here, to be found")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use serde::Serialize;

use super::*;
use crate::actor::{Actor, Event};
use crate::context::Context;
use crate::id::{Kind, Timer};
use crate::seed::Seed;
use crate::system::System;

#[derive(Clone, Debug, Hash, Serialize)]
struct Ping(u64);

impl Message for Ping {
    type Note = ();
    type Shared = ();
    const KINDS: &'static [&'static str] = &["ping"];
    fn kind(&self) -> Kind {
        Kind(0)
    }
}

/// Sends what `say` says, a hundred times; the tenth time it says it with a leak.
#[derive(Clone, Serialize)]
struct Ticker {
    ticks: u64,
    heard: u64,
    kept: u64,
    #[serde(skip)]
    leak: fn() -> u64,
    #[serde(skip)]
    tells: bool,
}

impl Actor<Ping> for Ticker {
    fn handle(&mut self, event: Event<Ping>, cx: &mut Context<'_, Ping>) {
        match event {
            Event::Start(_) if cx.id() == NodeId(0) => cx.set(Timer(0), Duration::from_millis(1)),
            Event::Timer(_) => {
                self.ticks += 1;
                let said = if self.ticks == 10 { (self.leak)() } else { self.ticks };
                if !self.tells && self.ticks == 10 {
                    self.kept = said;
                }
                cx.send(NodeId(1), Ping(if self.tells { said } else { 0 }));
                if self.ticks < 100 {
                    cx.set(Timer(0), Duration::from_millis(1));
                }
            }
            Event::Message { msg: Ping(said), .. } => self.heard = said,
            _ => {}
        }
    }
}

/// Two starts, then a timer and a message at each tick: the tenth timer is event 21.
const TENTH_TICK: u64 = 21;
const ALL: u64 = 202;

fn ticker(leak: fn() -> u64) -> Ticker {
    Ticker { ticks: 0, heard: 0, kept: 0, leak, tells: true }
}

fn start(ticker: &Ticker) -> Sim<Ping> {
    let mut system = System::new();
    system.node("ticker", ticker.clone());
    system.node("listener", ticker.clone());
    system.prepare().expect("a sound system").start(Seed(1))
}

fn checked(ticker: &Ticker) -> Result<Agreed, Doubt> {
    let meanwhile = || {
        let mut other = start(ticker);
        while other.step().is_some() {}
    };
    check(|| start(ticker), meanwhile, Instant::NEVER, 1_000_000)
}

fn parted(ticker: &Ticker) -> Parted {
    match checked(ticker) {
        Err(Doubt::Parted(parted)) => *parted,
        other => panic!("{other:?}"),
    }
}

/// Checks that the leak is found where it is, that both sides are told, and gives the words.
fn found(leak: fn() -> u64) -> String {
    let parted = parted(&ticker(leak));
    assert!(parted.repeated, "{parted}");
    assert_eq!(parted.event, TENTH_TICK, "{parted}");
    assert!(parted.sides.iter().all(|side| side.step.is_some_and(|step| step.number == TENTH_TICK)), "{parted}");
    parted.to_string()
}

#[test]
fn what_is_deterministic_agrees_to_the_last_event() {
    let agreed = checked(&ticker(|| 7)).expect("nothing leaks");
    assert_eq!(agreed.events, ALL);
    // At the start, after 64, 128 and 192 events, and at the end.
    assert_eq!(agreed.states, 5);
    let mut alone = start(&ticker(|| 7));
    while alone.step().is_some() {}
    assert_eq!(agreed.digest, alone.checkpoint().expect("its states can be written"));
}

#[test]
fn the_order_of_a_hash_set_is_found() {
    // A hundred entries: that two sets have the same first one is one in a hundred, so several are asked.
    let order = || (0..64u64).collect::<HashSet<_>>().into_iter().fold(0, |sum: u64, it| sum.wrapping_mul(67) ^ it);
    found(order);
}

#[test]
fn the_wall_clock_is_found() {
    found(|| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_nanos() as u64);
}

#[test]
fn a_static_counter_is_found_and_its_numbers_are_shown() {
    static COUNTER: AtomicU64 = AtomicU64::new(1000);
    let ticker = Ticker { tells: false, ..ticker(|| COUNTER.fetch_add(1, Ordering::Relaxed)) };
    let parted = parted(&ticker);
    // The first run took 1000, the one in between 1001, the second 1002, and the copies of both the next two.
    assert_eq!(
        parted.to_string(),
        "not deterministic: event 21 is the first that differs\n  \
         one run: ticker, timer 0 at 10ms → sends ping to listener, arriving after 0s; sets timer 0 to 11ms\n  \
         another: ticker, timer 0 at 10ms → sends ping to listener, arriving after 0s; sets timer 0 to 11ms\n  \
         ticker at /kept: 1003 and 1004\n"
    );
}

#[test]
fn the_order_of_addresses_is_found() {
    let order = || {
        let boxes: Vec<Box<u64>> = (0..64).map(Box::new).collect();
        let mut by_address: Vec<&Box<u64>> = boxes.iter().collect();
        by_address.sort_unstable_by_key(|it| std::ptr::from_ref::<u64>(it) as usize);
        by_address.into_iter().fold(0, |sum: u64, it| sum.wrapping_mul(67) ^ **it)
    };
    found(order);
}

#[test]
fn what_only_the_first_in_a_process_sees_is_found_and_said_to_be_such() {
    static IS_FIRST: AtomicBool = AtomicBool::new(true);
    let parted = parted(&ticker(|| u64::from(IS_FIRST.swap(false, Ordering::Relaxed))));
    assert!(!parted.repeated);
    assert_eq!(parted.event, TENTH_TICK);
    assert!(parted.to_string().contains("second run was another at event 21, ticker, timer 0 at 10ms"), "{parted}");
}

#[test]
fn a_system_that_is_built_differently_is_found_before_anything_happens() {
    let builds = AtomicU64::new(0);
    let start = || start(&Ticker { kept: builds.fetch_add(1, Ordering::Relaxed), ..ticker(|| 7) });
    let parted = check(start, || {}, Instant::NEVER, 1_000_000).expect_err("it is built differently").to_string();
    assert_eq!(
        parted,
        "not deterministic: the system is another before anything happens\n  \
         ticker at /kept: 0 and 1\n  listener at /kept: 0 and 1\n"
    );
}

#[test]
fn a_long_run_is_compared_at_fewer_places_and_still_whole() {
    let mut thinned = Thinned::new(8, 1);
    for event in 1..=1000u64 {
        thinned.push(event, || Ok::<_, ()>(event)).expect("it is made");
    }
    assert_eq!(thinned.kept.iter().map(|(event, _)| *event).collect::<Vec<_>>(), [128, 256, 384, 512, 640, 768, 896]);
    assert!(thinned.kept.iter().all(|(event, made)| event == made));
}
