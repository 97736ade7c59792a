//! Nothing is lost and nothing is held twice: after each event of every scenario, with and without trouble, the books of the
//! node that handled it balance, and each request has one outcome at most.

use std::collections::BTreeSet;
use std::fs;

use faultline_tests::scenarios::{all_built_in, over_seeds, remedies};
use faultline_tests::sources::workspace;
use sim_core::{Instant, Seed};
use sim_models::interp::{Service, Store};
use sim_models::language::Choices;
use sim_models::message::Note;
use sim_models::program::Role;
use sim_models::scenario::{Changes, Model, Scenario};

/// How many events of a run are looked at, and of those behind them each how-manieth.
const CLOSELY: u64 = 2_000;
const SELDOM: u64 = 211;
const EVENTS: u64 = 100_000;

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = fs::read_dir(workspace().join("examples")).expect("it is there");
    let mut paths: Vec<_> = folder.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).expect("it can be read");
        let scenario = Scenario::parse(&name, &text).unwrap_or_else(|wrong| panic!("{wrong}"));
        (name, scenario)
    };
    let built_in = all_built_in().map(|(name, scenario)| (name.to_owned(), scenario));
    built_in.chain(paths.into_iter().map(read)).collect()
}

/// Crashes, pauses and losses everywhere, beside what the file says.
fn trouble(model: &Model) -> Changes {
    let program = model.program();
    let crash = |name: &str| format!("0s.. crash one of {name} every ~3s for ~400ms");
    let pause = |name: &str| format!("0s.. pause one of {name} every ~5s for ~700ms");
    let nodes = program.nodes.iter().filter(|node| !matches!(node.role, Role::Workload(_)));
    let lines = nodes.flat_map(|node| [crash(&node.name), pause(&node.name)]).chain(["0s.. loss *->* 2%".to_owned()]);
    let faults = lines.map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    Changes { faults, ..Changes::default() }
}

/// Requests of the workloads: each is begun once and has one outcome at most, after its beginning.
#[derive(Default)]
struct Requests {
    begun: BTreeSet<(u16, u64)>,
    over: BTreeSet<(u16, u64)>,
}

impl Requests {
    fn hear(&mut self, note: &Note) -> Result<(), String> {
        match note {
            Note::Requested { workload, key } if !self.begun.insert((workload.0, *key)) => {
                Err(format!("request {key} is begun twice"))
            }
            Note::Finished { workload, key, .. } if !self.begun.contains(&(workload.0, *key)) => {
                Err(format!("request {key} has an outcome and was never begun"))
            }
            Note::Finished { workload, key, .. } if !self.over.insert((workload.0, *key)) => {
                Err(format!("request {key} has two outcomes"))
            }
            _ => Ok(()),
        }
    }
}

fn audited(model: &Model, seed: Seed) -> u64 {
    let (mut sim, _) = model.start(seed);
    let until = model.until().unwrap_or(Instant::NEVER);
    let mut requests = Requests::default();
    while sim.events() < EVENTS
        && let Some(step) = sim.step_before(until)
    {
        let node = step.node().filter(|_| step.number < CLOSELY || step.number % SELDOM == 0);
        let books = node.map_or(Ok(()), |node| {
            let service = sim.actor::<Service>(node).map_or(Ok(()), Service::audit);
            service.and_then(|()| sim.actor::<Store>(node).map_or(Ok(()), Store::audit))
        });
        let heard = sim.notes().iter().try_for_each(|note| requests.hear(note));
        if let Err(wrong) = books.and(heard) {
            panic!("{} with {:?}, seed {seed}, event {}: {wrong}", model.name(), model.changed(), step.number);
        }
    }
    assert!(requests.over.len() <= requests.begun.len());
    sim.events()
}

#[test]
fn the_books_of_every_scenario_balance_after_each_event_with_and_without_trouble() {
    let mut events = 0;
    for (name, scenario) in scenarios() {
        for remedy in remedies(&scenario) {
            let choices = remedy.as_deref().map_or_else(Choices::none, |remedy| Choices::none().remedy(remedy));
            let model = scenario.model(&choices).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            let troubled =
                scenario.model_with(&choices, &trouble(&model)).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            events += audited(&model, Seed(0));
            events += over_seeds(2, |seed| audited(&troubled, seed)).iter().sum::<u64>();
        }
    }
    assert!(events > 100_000, "{events}");
}
