//! A copy of a run of a scenario, its judge copied along, goes on to the same end as the original.

use faultline_tests::scenarios::{all_built_in, over_seeds, remedied, remedies};
use sim_core::judge::Judge;
use sim_core::seed::mix;
use sim_core::{Digest, Duration, Instant, Judged, Sim};
use sim_models::judge::{Requests, ScenarioJudge};
use sim_models::message::Msg;
use sim_models::scenario::Model;

const SEEDS: u64 = 3;
const FORKS: u64 = 4;
/// Long enough for every kind of thing to be under way.
const EVENTS: u64 = 15_000;

/// A run under way and who judges it.
#[derive(Clone)]
struct Watched {
    sim: Sim<Msg>,
    judge: ScenarioJudge,
    end: Instant,
}

/// All that is known of a run.
#[derive(Debug, PartialEq)]
struct Known {
    events: u64,
    digest: Digest,
    checkpoint: Digest,
    properties: Vec<Judged>,
    metrics: Vec<(String, Option<f64>)>,
    requests: Requests,
    counters: Vec<(String, u64)>,
    touched: Vec<u64>,
}

impl Watched {
    fn start(model: &Model, seed: sim_core::Seed) -> Watched {
        let (sim, judge) = model.start(seed);
        let end = model.until().map_or(Instant::NEVER, |until| until + Duration::from_nanos(1));
        Watched { sim, judge, end }
    }

    /// Goes on until so many events have happened, or to its end.
    fn go_on(&mut self, events: u64) {
        while self.sim.events() < events
            && let Some(step) = self.sim.step_before(self.end)
        {
            self.judge.after(&step, &self.sim);
        }
    }

    fn known(mut self) -> Known {
        Known {
            events: self.sim.events(),
            digest: self.sim.digest(),
            checkpoint: self.sim.checkpoint().expect("its states can be written"),
            properties: self.judge.finish(&self.sim),
            metrics: self.judge.metrics(&self.sim),
            requests: self.judge.requests(),
            counters: self.judge.counters(),
            touched: self.sim.touched(),
        }
    }
}

#[test]
fn a_fork_of_any_scenario_at_any_step_ends_as_the_original() {
    for (name, scenario) in all_built_in() {
        for remedy in remedies(&scenario) {
            let model = remedied(&scenario, remedy.as_deref());
            over_seeds(SEEDS, |seed| {
                let mut alone = Watched::start(&model, seed);
                alone.go_on(EVENTS);
                let whole = alone.known();
                for fork in 0..FORKS {
                    let at = mix(seed.0, fork) % (whole.events + 1);
                    let mut original = Watched::start(&model, seed);
                    original.go_on(at);
                    let mut copy = original.clone();
                    let before = original.clone().known();
                    copy.go_on(EVENTS);
                    assert_eq!(original.clone().known(), before, "{name} {remedy:?} {seed}: forked at {at}");
                    assert_eq!(copy.known(), whole, "{name} {remedy:?} {seed}: the copy of {at}");
                    original.go_on(EVENTS);
                    assert_eq!(original.known(), whole, "{name} {remedy:?} {seed}: the original, forked at {at}");
                }
            });
        }
    }
}
