//! `--check-determinism`: the run twice in one process, and what came of comparing the two.

use serde_json::{Value, json};
use sim_core::lockstep::{Agreed, Apart, Doubt, Side, check};
use sim_core::{Instant, Seed};
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::scenario::Model;

use crate::quiet::quietly;
use crate::report::Exit;
use crate::text;

/// What the check came to.
pub(crate) struct Checked(Result<Agreed, Doubt>);

/// How many events of something else run between the two.
const MEANWHILE: u64 = 20_000;

impl Checked {
    /// Runs so many events of what `build` makes with a seed, something else, and the same again, made anew.
    pub(crate) fn of(build: impl Fn() -> Model, seed: Seed, events: u64) -> Checked {
        let until = build().until().unwrap_or(Instant::NEVER);
        let other = build();
        let meanwhile = || {
            let Seed(number) = seed;
            begin(&other, Seed(number.wrapping_add(1)));
            builtin::names().take(2).filter_map(stranger).for_each(|model| begin(&model, seed));
        };
        let start = || build().start(seed).0;
        Checked(quietly(|| check(start, meanwhile, until, events)))
    }

    /// What the program exits with when it would with `exit` without the check.
    pub(crate) fn exit(&self, exit: Exit) -> Exit {
        if self.0.is_ok() { exit } else { Exit::Different }
    }

    pub(crate) fn text(&self) -> String {
        match &self.0 {
            Ok(Agreed { events, digest, states }) => format!(
                "deterministic: {} twice in one process, digest {digest}, all states compared {}\n",
                text::counted(*events, "event"),
                text::counted(*states, "time"),
            ),
            Err(doubt) => format!("{}\n", doubt.to_string().trim_end()),
        }
    }

    pub(crate) fn json(&self) -> Value {
        match &self.0 {
            Ok(Agreed { events, digest, states }) => {
                json!({"agreed": true, "events": events, "digest": digest, "states_compared": states})
            }
            Err(Doubt::State(error)) => json!({"agreed": false, "error": error.to_string()}),
            Err(Doubt::Parted(parted)) => json!({
                "agreed": false,
                "event": parted.event,
                "repeated": parted.repeated,
                "sides": parted.sides.each_ref().map(side),
                "states": parted.states.iter().map(apart).collect::<Vec<_>>(),
            }),
        }
    }
}

/// A model that has nothing to do with the one that is checked.
fn stranger(name: &str) -> Option<Model> {
    builtin::scenario(name)?.ok()?.model(&Choices::none()).ok()
}

/// The first events of a run.
fn begin(model: &Model, seed: Seed) {
    let (mut sim, _) = model.start(seed);
    let before = model.until().unwrap_or(Instant::NEVER);
    while sim.events() < MEANWHILE && sim.step_before(before).is_some() {}
}

fn side(side: &Side) -> Value {
    let at = side.step.map(|step| step.at.nanos());
    json!({"at_ns": at, "node": side.node, "what": side.what, "did": side.did})
}

fn apart(apart: &Apart) -> Value {
    json!({"node": apart.node, "path": apart.path, "values": apart.values})
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_is_made_otherwise_the_second_time_is_told_and_is_another_exit() {
        let scenario = builtin::names().next().and_then(builtin::scenario).expect("there is one").expect("and sound");
        let made = Cell::new(0);
        let build = || {
            made.set(made.get() + 1);
            let model = scenario.model(&Choices::none()).expect("a sound scenario");
            // The last one that is made has a fault more.
            let more = if made.get() < 4 { Vec::new() } else { vec!["0s.. slow * x2".parse().expect("a fault")] };
            model.with(more, model.rest())
        };
        let checked = Checked::of(build, Seed(1), 1_000);
        assert_eq!(made.get(), 4);
        assert_eq!(checked.exit(Exit::Held), Exit::Different);
        assert!(checked.text().starts_with("not deterministic: event "), "{}", checked.text());
        let json = checked.json();
        assert_eq!((&json["agreed"], json["sides"].as_array().map(Vec::len)), (&false.into(), Some(2)), "{json}");
        assert!(json["event"].as_u64().is_some_and(|event| event > 0), "{json}");
    }
}
