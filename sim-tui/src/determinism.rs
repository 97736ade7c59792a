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
