//! A coat around every actor: the same system with its programs changed, as a new version of the code changes them.
//!
//! Cases outlive the code they were found in. What a change of the code does to them (a draw more, heartbeats between all
//! nodes) is found out by putting it on like a coat, without a second copy of the programs.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use serde::Serialize;
use serde_json::json;

use crate::actor::{Effect, Event, Message, Unanswered};
use crate::context::Context;
use crate::id::Timer;
use crate::seed::mix;
use crate::system::Program;

/// What an actor wears ([`System::dress`](crate::System::dress)).
///
/// A coat has timers of its own: their numbers are nobody else's. What it does with the cause of an event casts dice as the actor
/// itself would: a draw of a purpose that the actor also uses with that cause comes before the actor's. What is done for nobody
/// in particular, such as a heartbeat, goes on with a cause of its own ([`Context::because`]); the actor is given back the
/// cause of the event.
pub trait Coat<M: Message>: Clone + Serialize + Send + Sync + 'static {
    /// Sees an event before the actor does, and hands on what the actor is to handle; `None`: nothing. Of the timers only its own,
    /// which the actor never sees.
    fn handle(&mut self, event: Event<M>, cx: &mut Context<'_, M>) -> Option<Event<M>>;
}

/// An actor in its coat.
pub(crate) struct Dressed<M: Message, C> {
    pub(crate) coat: C,
    pub(crate) actor: Box<dyn Program<M>>,
}

/// Whose timers: even numbers are the actor's, odd ones the coat's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Actor = 0,
    Coat = 1,
}

impl Whose {
    fn of(timer: Timer) -> (Whose, Timer) {
        (if timer.0.is_multiple_of(2) { Whose::Actor } else { Whose::Coat }, Timer(timer.0 / 2))
    }

    fn number(self, timer: &mut Timer) {
        *timer = Timer(timer.0 * 2 + self as u32);
    }

    /// Gives the timers in what was asked for their numbers among those of both.
    fn numbers<'e, M: 'e>(self, effects: impl Iterator<Item = &'e mut Effect<M>>) {
        for effect in effects {
            match effect {
                Effect::Set { timer, .. } | Effect::Cancel { timer } | Effect::Ring { timer, .. } => self.number(timer),
                Effect::Send { .. }
                | Effect::Append { .. }
                | Effect::Replace { .. }
                | Effect::Sync { .. }
                | Effect::Mark(_)
                | Effect::Exit
                | Effect::Role { .. } => {}
            }
        }
    }
}

impl<M: Message, C: Coat<M>> Dressed<M, C> {
    /// Lets the coat see an event; what it hands on.
    fn seen(&mut self, event: Event<M>, cx: &mut Context<'_, M>) -> Option<Event<M>> {
        let cause = cx.cause();
        let handed_on = numbered(Whose::Coat, cx, |cx| self.coat.handle(event, cx));
        cx.because(cause);
        handed_on
    }

    fn handed_on(&mut self, event: Event<M>, cx: &mut Context<'_, M>) {
        numbered(Whose::Actor, cx, |cx| self.actor.handle(event, cx));
    }
}

/// Lets one of the two ask for effects, and numbers its timers; also when it falls at a mark half way.
fn numbered<M: Message, T>(whose: Whose, cx: &mut Context<'_, M>, ask: impl FnOnce(&mut Context<'_, M>) -> T) -> T {
    let before = cx.effects.count();
    let outcome = catch_unwind(AssertUnwindSafe(|| ask(cx)));
    whose.numbers(cx.effects.since(before));
    outcome.unwrap_or_else(|fallen| resume_unwind(fallen))
}

impl<M: Message, C: Coat<M>> Program<M> for Dressed<M, C> {
    fn handle(&mut self, event: Event<M>, cx: &mut Context<'_, M>) {
        // A timer is its owner's: neither takes one of the other for its own.
        let event = match event {
            Event::Timer(timer) => match Whose::of(timer) {
                (Whose::Actor, timer) => return self.handed_on(Event::Timer(timer), cx),
                (Whose::Coat, timer) => {
                    self.seen(Event::Timer(timer), cx);
                    return;
                }
            },
            event => self.seen(event, cx),
        };
        if let Some(event) = event {
            self.handed_on(event, cx);
        }
    }

    fn unanswered(&self) -> Vec<Unanswered<M>> {
        self.actor.unanswered()
    }

    fn boxed(&self) -> Box<dyn Program<M>> {
        Box::new(Dressed { coat: self.coat.clone(), actor: self.actor.boxed() })
    }

    fn state(&self) -> Result<serde_json::Value, serde_json::Error> {
        Ok(json!({"coat": serde_json::to_value(&self.coat)?, "actor": self.actor.state()?}))
    }

    fn fingerprint(&self) -> Result<u64, serde_json::Error> {
        Ok(mix(crate::digest::state_fingerprint(&self.coat)?, self.actor.fingerprint()?))
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + crate::digest::json_len(&self.coat) + self.actor.weight()
    }

    /// Whoever looks for the actor finds it under its coat.
    fn as_any(&self) -> &dyn Any {
        self.actor.as_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, Cause, Duration, Kind, NodeId, Purpose, Seed, Sim, System};

    #[derive(Clone, Hash, Serialize)]
    enum Msg {
        Ask(u32),
        Beat,
    }

    impl Message for Msg {
        type Note = (u32, u64);
        type Shared = ();
        const KINDS: &'static [&'static str] = &["ask", "beat"];
        fn kind(&self) -> Kind {
            match self {
                Msg::Ask(_) => Kind(0),
                Msg::Beat => Kind(1),
            }
        }
    }

    const LUCK: Purpose = Purpose::new("luck");

    /// Passes a number to and fro by a timer, and notes what it drew for it.
    #[derive(Clone, Serialize)]
    struct Player {
        peer: NodeId,
        number: u32,
    }

    impl Actor<Msg> for Player {
        fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
            match event {
                Event::Start(_) if cx.id().0 == 0 => cx.send(self.peer, Msg::Ask(0)),
                Event::Message { msg: Msg::Ask(number), .. } => {
                    self.number = number;
                    let luck = cx.below(LUCK, 1_000);
                    cx.note((number, luck));
                    cx.set(Timer(0), Duration::from_millis(3));
                }
                Event::Message { msg: Msg::Beat, .. } => panic!("a beat came through the coat"),
                Event::Timer(Timer(0)) if self.number < 200 => cx.send(self.peer, Msg::Ask(self.number + 1)),
                _ => {}
            }
        }
    }

    /// Beats by the same number of timer as its actor uses, and draws once more for every message.
    #[derive(Clone, Serialize)]
    struct Beating {
        peer: NodeId,
        beats: u64,
    }

    impl Coat<Msg> for Beating {
        fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) -> Option<Event<Msg>> {
            match event {
                Event::Timer(_) | Event::Start(_) if self.beats < 100 => {
                    self.beats += 1;
                    cx.because(Cause::root("beat", cx.names().node(cx.id()), self.beats));
                    cx.send(self.peer, Msg::Beat);
                    cx.set(Timer(0), Duration::from_millis(1));
                    Some(event)
                }
                Event::Message { msg: Msg::Beat, .. } => None,
                Event::Message { .. } => {
                    cx.below(Purpose::new("more"), 1_000);
                    Some(event)
                }
                other => Some(other),
            }
        }
    }

    fn players() -> System<Msg> {
        let mut system = System::new();
        system.node("a", Player { peer: NodeId(1), number: 0 });
        system.node("b", Player { peer: NodeId(0), number: 0 });
        system
    }

    fn notes(system: &System<Msg>) -> (Vec<(u32, u64)>, Sim<Msg>) {
        let mut sim = system.start(Seed(3)).unwrap();
        let mut notes = Vec::new();
        while sim.step().is_some() {
            notes.extend_from_slice(sim.notes());
        }
        assert_eq!(sim.panic(), None);
        (notes, sim)
    }

    #[test]
    fn a_coat_that_beats_and_draws_leaves_the_actors_their_luck_and_their_timers() {
        let (plain, _) = notes(&players());
        let mut dressed = players();
        dressed.dress(|node, _| Beating { peer: NodeId(1 - node.0), beats: 0 });
        let (changed, sim) = notes(&dressed);
        assert_eq!((plain.len(), plain), (201, changed));
        assert_eq!(sim.actor::<Player>(NodeId(1)).map(|player| player.number), Some(200));
        assert_eq!(sim.state(NodeId(0)).unwrap()["coat"]["beats"], 100);
    }

    #[test]
    fn a_coat_over_a_coat_has_timers_of_its_own_too() {
        let mut dressed = players();
        for _ in 0..2 {
            dressed.dress(|node, _| Beating { peer: NodeId(1 - node.0), beats: 0 });
        }
        let (changed, sim) = notes(&dressed);
        assert_eq!(changed, notes(&players()).0);
        let state = sim.state(NodeId(1)).unwrap();
        assert_eq!((&state["coat"]["beats"], &state["actor"]["coat"]["beats"]), (&json!(100), &json!(100)));
    }
}
