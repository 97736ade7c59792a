use std::hash::Hash;

use super::*;
use crate::actor::Event;
use crate::context::Context;
use crate::digest::Fold;
use crate::id::Kind;
use crate::{Dist, Link, Seed, System};

#[derive(Clone, Hash, serde::Serialize)]
struct Ball(u32);

impl Message for Ball {
    type Note = u32;
    type Shared = ();
    const KINDS: &'static [&'static str] = &["ball"];
    fn kind(&self) -> Kind {
        Kind(0)
    }
}

/// Throws a ball to and fro, and a new one whenever none has come for a while.
#[derive(Clone, serde::Serialize)]
struct Player {
    peer: NodeId,
    serves: bool,
    last: u32,
}

impl Actor<Ball> for Player {
    fn handle(&mut self, event: Event<Ball>, cx: &mut Context<'_, Ball>) {
        match event {
            Event::Start(_) if !self.serves => return,
            Event::Message { msg: Ball(number), .. } => self.last = self.last.max(number),
            _ => {}
        }
        if self.last < 40 {
            cx.note(self.last);
            cx.send(self.peer, Ball(self.last + 1));
            cx.set(Timer(0), Duration::from_millis(100));
        } else {
            cx.cancel(Timer(0));
        }
    }
}

fn game(fault: Option<&str>) -> Sim<Ball> {
    let mut system = System::new();
    system.node("a", Player { peer: NodeId(1), serves: true, last: 0 });
    system.node("b", Player { peer: NodeId(0), serves: false, last: 0 });
    system.network(Link::with_latency(Dist::Exponential(Duration::from_millis(10))));
    if let Some(fault) = fault {
        system.fault(fault.parse().unwrap());
    }
    system.start(Seed(5)).unwrap()
}

/// What happens from here on, its numbers left out, and where it ends.
fn rest(mut sim: Sim<Ball>) -> (Vec<(Instant, Happening, Cause)>, Digest) {
    let mut rest = Vec::new();
    // Whoever has missed the last ball serves for ever.
    while let Some(step) = sim.step_before(Instant::from_nanos(3_000_000_000)) {
        rest.push((step.at, step.what, step.cause));
    }
    let mut state = Fold::from(Digest::default());
    for node in 0..2 {
        sim.state(NodeId(node)).unwrap().to_string().hash(&mut state);
    }
    (rest, state.digest())
}

/// A game up to so many events, and what comes next.
fn up_to(events: u64, fault: Option<&str>) -> (Sim<Ball>, Step) {
    let mut sim = game(fault);
    while sim.events() < events {
        sim.step().expect("it goes on");
    }
    let next = sim.clone().step().expect("it goes on");
    (sim, next)
}

#[test]
fn a_message_that_is_forgone_is_as_good_as_dropped() {
    let (mut sim, next) = up_to(10, None);
    assert!(matches!(next.what, Happening::Delivered { .. }));
    let (from, nth) = {
        let Happening::Delivered { from, .. } = next.what else { unreachable!() };
        let mut again = game(None);
        again.record(true);
        let mut sent = 0;
        while again.events() < next.by.expect("somebody sent it") {
            again.step();
            sent += again.log().iter().filter(|it| matches!(it, Entry::Sent { from: who, .. } if *who == from)).count();
        }
        (from, sent)
    };
    let (from, to) = if from.0 == 0 { ("a", "b") } else { ("b", "a") };
    let (dropped, _) = up_to(10, Some(&format!("drop {from}->{to} ball #{nth}")));
    let before = sim.now();
    assert_eq!(sim.forgo(), Some(next.what));
    assert_eq!((sim.now(), sim.events()), (before, 10));
    let without = rest(sim);
    assert_eq!(without, rest(dropped));
    assert!(without.0.iter().all(|(_, what, cause)| (*what, *cause) != (next.what, next.cause)));
}

#[test]
fn a_timer_that_is_forgone_never_goes_off_and_a_node_that_is_forgone_does_not_start() {
    let mut sim = game(Some("0s.. cut a->b"));
    assert_eq!(sim.forgo(), None, "the fault comes first");
    assert!(matches!(sim.step().unwrap().what, Happening::FaultBegan { .. }));
    sim.step();
    sim.step();
    let next = sim.clone().step().unwrap();
    assert!(matches!(next.what, Happening::Fired { .. }), "{next:?}");
    assert_eq!(sim.forgo(), Some(next.what));
    assert_eq!((sim.step(), sim.forgo()), (None, None), "nothing else is to come");
    let mut sim = game(None);
    assert_eq!(sim.forgo(), Some(Happening::Started { node: NodeId(0), life: 1 }));
    assert!(sim.is_up(NodeId(0)));
    assert_eq!(rest(sim).0.len(), 1, "nobody serves");
}

#[test]
fn an_envelope_to_a_node_that_is_down_is_forgone_without_a_word() {
    let (mut sim, next) = up_to(3, Some("1ms.. crash b"));
    assert!(matches!(next.what, Happening::Undelivered { .. }), "{next:?}");
    assert_eq!(sim.forgo(), Some(next.what));
    assert_ne!(sim.step().map(|step| step.what), Some(next.what));
}

#[test]
fn what_every_event_asks_of_a_node_stands_in_one_line_of_a_cache() {
    assert_eq!((align_of::<Node<Ball>>(), std::mem::offset_of!(Node<Ball>, dark)), (64, 64));
    assert_eq!(size_of::<Node<Ball>>(), 128);
}
