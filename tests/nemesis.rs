//! What a nemesis draws is a schedule like any other: it runs and ends, and each of its lines stands by itself.

use std::collections::{BTreeMap, BTreeSet};

use faultline_tests::scenarios::{all_built_in, over_seeds, written};
use faultline_tests::world::{END, Has, Role, World, worlds};
use proptest::prelude::*;
use serde_json::json;
use sim_core::fault::{Fault, When};
use sim_core::nemesis::Nemesis;
use sim_core::tolerance::{Cast, Down, Member, Tolerance};
use sim_core::{Dist, Duration, Entry, Instant, Limits, Link, Ratio, Rest, Seed, Stop, Verdict};
use sim_models::language::Choices;
use sim_models::scenario::{Chance, Changes, Model, Scenario, replay};

/// Who is there in a world: everybody may send to everybody.
fn cast(world: &World) -> Cast {
    let member = |name: &String| Member { name: name.clone(), copy_of: name.clone(), ..Member::default() };
    let nodes: Vec<Member> = world.nodes.iter().map(|(name, _)| member(name)).collect();
    let count = nodes.len();
    let links = (0..count).flat_map(|a| (0..count).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
    Cast { servers: count, nodes, links, ..Cast::default() }
}

/// A second, in which the runs of these worlds have all that happens.
const TROUBLE: (Instant, Instant) = (Instant::ZERO, Instant::from_nanos(1_000_000_000));

/// What dice said in a run: of each draw, and of each envelope that no fault touched.
fn said(world: &World, seed: u64) -> BTreeMap<(u64, String), String> {
    let mut sim = world.start(seed);
    sim.record(true);
    let (mut said, mut touched) = (BTreeMap::new(), BTreeSet::new());
    while sim.step_before(END).is_some() {
        let names = sim.names();
        for entry in sim.log() {
            match entry {
                Entry::Drew { node, draw } => {
                    let what = format!("{} draws {} {}", names.node(*node), draw.purpose.name(), draw.nth);
                    said.insert((draw.cause.lineage, what), format!("{:?}", draw.answer));
                }
                Entry::Sent { from, to, kind, cause, fate, fault, .. } => {
                    let what = format!("{}->{} {}", names.node(*from), names.node(*to), names.kind_name(*kind));
                    if fault.is_some() {
                        touched.insert((cause.lineage, what.clone()));
                    }
                    said.insert((cause.lineage, what), format!("{fate:?}"));
                }
                Entry::Set { .. }
                | Entry::Cancelled { .. }
                | Entry::Marked { .. }
                | Entry::Down { .. }
                | Entry::Role { .. }
                | Entry::Tripped { .. }
                | Entry::Struck { .. }
                | Entry::Released { .. } => {}
            }
        }
    }
    assert_eq!(sim.panic(), None);
    said.retain(|key, _| !touched.contains(key));
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_subset_of_what_is_drawn_is_a_schedule_and_changes_no_other_decision(
        world in worlds(Has::No), seed in any::<u64>(), keep in any::<u32>(),
    ) {
        let nemesis = Nemesis { between: TROUBLE, faults: (1, 6), ..Nemesis::default() };
        let faults = nemesis.draw(Seed(seed), &[], &cast(&world));
        let line = |fault: &sim_core::Fault| fault.to_string();
        let whole = World { faults: faults.iter().map(line).collect(), ..world.clone() };
        let some = faults.iter().enumerate().filter(|(place, _)| keep >> place & 1 == 1).map(|(_, fault)| line(fault));
        let part = World { faults: some.collect(), ..world };
        let (whole, part) = (said(&whole, seed), said(&part, seed));
        prop_assert!(!part.is_empty());
        let both = whole.iter().filter(|(key, _)| part.contains_key(*key));
        let contradictions: Vec<_> = both.filter(|(key, answer)| part[*key] != **answer).collect();
        prop_assert!(contradictions.is_empty(), "{faults:?}\n{contradictions:#?}");
    }
}

/// A built-in scenario with fewer orders, under its nemesis or the general one.
fn troubled(scenario: &Scenario) -> Model {
    let settings = scenario.document().settings();
    let choices = match settings.get("orders") {
        Some(_) => Choices::none().set("orders", "300"),
        None => Choices::none(),
    };
    let changes = Changes { chance: Chance::BySeed, ..Changes::default() };
    scenario.model_with(&choices, &changes).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_built_in_scenario_ends_under_its_nemesis_and_its_cases_replay() {
    for (name, scenario) in all_built_in() {
        let model = troubled(&scenario);
        let verdicts = over_seeds(60, |seed| {
            let model = model.of_seed(seed);
            assert_eq!(model.excess(), None, "{name} {seed}");
            let run = model.run(seed, Stop::AtViolation);
            let case = model.case(&run);
            let text = serde_json::to_string(&case).expect("a case is JSON");
            let case: sim_core::case::Case = serde_json::from_str(&text).expect("and back");
            let again = replay("case.json", &case, Limits::default(), |_, _| std::ops::ControlFlow::Continue(()));
            assert!(again.expect("a sound case").reproduced, "{name} {seed}: {:?}", model.drawn());
            (run.outcome.verdict, model.drawn().len())
        });
        assert!(verdicts.iter().all(|(verdict, _)| !matches!(verdict, Verdict::Panicked | Verdict::OutOfLimits)));
        assert!(verdicts.iter().any(|(_, drawn)| *drawn > 0), "{name}: nothing was drawn");
    }
}

/// Three workers of which one may be down, and a client that asks them; `tries` of them.
fn fleet(tries: &str, heal: &str) -> Scenario {
    written(&json!({
        "faultline": 1, "name": "fleet", "until": "120s",
        "network": {"latency": "1ms"},
        "nodes": {"worker": {"kind": "service", "replicas": 3, "balance": "round-robin",
            "endpoints": {"do": [{"work": "20ms"}, {"record": "done", "key": "$job"}]}}},
        "workload": {"app": {"rate": "5/s", "for": "90s", "each": "job",
            "do": [{"call": "worker.do", "timeout": "500ms",
                "retry": {"tries": if tries == "forever" { json!("forever") } else { json!(1) }, "on": ["error", "unknown"]}}]}},
        "tolerates": {"down": {"worker": "minority"}, "loss": "30%"},
        "nemesis": {"draws": ["crash one of worker for 1s..20s", "pause one of worker for 1s..20s",
            "partition isolate one of worker for 1s..10s", "loss app->worker 1%..30% for 1s..20s"],
            "faults": "0..4", "between": "5s..60s", "heal": heal},
        "properties": {"every job is done": {"eventually": "done >= 1", "within": "20s"}}
    }))
}

#[test]
fn with_a_core_healed_what_must_happen_happens_or_its_excuse_is_named() {
    let verdicts = |tries: &str, heal: &str| {
        let model = troubled(&fleet(tries, heal));
        let runs = over_seeds(150, |seed| {
            let model = model.of_seed(seed);
            let left = model.drawn().iter().filter(|fault| fault.to_string().starts_with("60s.. ")).count();
            let verdict = model.run(seed, Stop::AtEnd).outcome.verdict;
            (verdict, left)
        });
        let broken_for_ever = runs.iter().filter(|(_, left)| *left > 0).count();
        let stuck = runs.iter().filter(|(verdict, _)| *verdict == Verdict::Stuck).count();
        (broken_for_ever, stuck)
    };
    let (broken_for_ever, stuck) = verdicts("forever", "core");
    assert!((45..=105).contains(&broken_for_ever), "about half of the seeds leave a worker broken: {broken_for_ever}");
    assert_eq!(stuck, 0, "whoever tries again reaches the core");
    let (_, stuck) = verdicts("once", "core");
    assert!(stuck > 60, "whoever does not is lost with the one he asked: {stuck}");
    assert_eq!(verdicts("forever", "all"), (0, 0));
}

#[test]
fn what_a_file_says_about_its_nemesis_is_checked() {
    let fleet = |member: &str, value: serde_json::Value| {
        let mut scenario: serde_json::Value = serde_json::from_str(fleet("once", "all").document().text()).unwrap();
        let (section, field) = member.split_once('.').unwrap();
        scenario[section][field] = value;
        match written(&scenario).model(&Choices::none()) {
            Ok(_) => String::new(),
            Err(problems) => problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect(),
        }
    };
    for (member, value, said) in [
        (
            "nemesis.draws",
            json!(["crash wroker for 1s"]),
            "nemesis.draws[0]: no node \"wroker\"; did you mean \"worker\"?",
        ),
        (
            "nemesis.draws",
            json!(["crash worker for 9s..1s"]),
            "nemesis.draws[0]: \"9s..1s\" goes backwards; the smaller comes first",
        ),
        (
            "nemesis.faults",
            json!("1000000..2000000"),
            "nemesis.faults: a nemesis draws 1000 faults for one run at most",
        ),
        (
            "nemesis.faults",
            json!("18446744073709551615..18446744073709551615"),
            "nemesis.faults: a nemesis draws 1000 faults for one run at most",
        ),
        ("nemesis.draws", json!([]), "nemesis.draws: a nemesis draws from one fault or more"),
        ("tolerates.down", json!({"wroker": 1}), "tolerates.down.wroker: no node \"wroker\"; did you mean \"worker\"?"),
        (
            "tolerates.down",
            json!({"worker": "most"}),
            "tolerates.down.worker: \"worker\" should be a whole number of at least 0 or \"minority\"",
        ),
        ("tolerates.disk", json!("two"), "tolerates.disk: \"disk\": \"two\" is not known"),
        ("nemesis.heal", json!("some"), "nemesis.heal: \"heal\": \"some\" is not known"),
    ] {
        let message = fleet(member, value);
        assert!(message.starts_with(said), "{message}");
    }
}

#[test]
fn more_than_is_tolerated_is_said_so() {
    let scenario = fleet("forever", "all");
    let faults = ["1s..9s crash worker-1", "5s..9s crash worker-2"].map(|line| line.parse().unwrap()).to_vec();
    let model =
        scenario.model_with(&Choices::none(), &Changes { faults, chance: Chance::BySeed, ..Changes::default() });
    let model = model.unwrap();
    let excess = model.excess().expect("two of three");
    assert_eq!(
        (excess.at.to_string().as_str(), excess.what.as_str()),
        ("5s", "2 of worker may be down at once, and 1 may be")
    );
    assert!(model.of_seed(Seed(3)).faults().len() >= 2, "what the command line adds stays, and is labelled");
}

#[test]
fn a_fault_that_is_off_names_nodes_that_are_there_all_the_same() {
    let scenario = fleet("once", "all");
    let with = |line: &str| {
        let changes = Changes { faults: vec![line.parse().unwrap()], ..Changes::default() };
        scenario.model_with(&Choices::none(), &changes).map(drop).map_err(|error| format!("{error:?}"))
    };
    for line in ["5s..6s loss ap->worker 0%", "5s..5s crash wrker", "deploy wrker v2 by 0%"] {
        assert!(with(line).unwrap_err().contains("no node"), "{line}");
    }
    assert_eq!(with("5s..6s loss app->worker 0%"), Ok(()));
    assert_eq!(with("5s..5s crash worker-2"), Ok(()));
}

#[test]
fn a_nemesis_that_names_no_faults_draws_from_all_and_may_leave_some_broken() {
    let mut scenario: serde_json::Value = serde_json::from_str(fleet("once", "all").document().text()).unwrap();
    scenario["nemesis"] = json!({"heal": "core", "faults": "2..3"});
    let changes = Changes { chance: Chance::BySeed, ..Changes::default() };
    let model = written(&scenario).model_with(&Choices::none(), &changes).unwrap();
    let drawn: Vec<_> = (0..50).flat_map(|seed| model.draws(Seed(seed))).collect();
    let verbs: BTreeSet<_> = drawn.iter().map(|fault| fault.verb()).collect();
    assert!(verbs.len() > 12, "{verbs:?}");
    let for_ever = drawn.iter().filter(
        |fault| matches!(fault, Fault::Timed(timed) if matches!(timed.when, When::From(_)) && timed.every.is_none()),
    );
    assert!(for_ever.count() > 10);
}

#[test]
fn twenty_thousand_faults_of_ten_thousand_nodes_are_held_against_a_tolerance_in_no_time() {
    let member = |place: u32| Member { name: format!("kv-{place}"), copy_of: "kv".into(), ..Member::default() };
    let cast = Cast { nodes: (1..=10_000).map(member).collect(), servers: 10_000, ..Cast::default() };
    let crash = |n: u32| format!("{}ms..{}ms crash kv-{}", 10 * n, 10 * n + 10_000, n % 10_000 + 1).parse().unwrap();
    let faults: Vec<Fault> = (0..20_000).map(crash).collect();
    let tolerance = |down| Tolerance { down: vec![("kv".parse().unwrap(), down)], ..Tolerance::default() };
    assert_eq!(tolerance(Down::Count(1_001)).excess(&faults, &cast), None);
    let excess = tolerance(Down::Count(999)).excess(&faults, &cast).unwrap();
    assert_eq!(excess.at, Instant::from_nanos(9_990_000_000), "{}", excess.what);
}

#[test]
fn a_thousand_faults_are_drawn_in_no_time_and_a_restart_of_all_never_where_one_may_be_down() {
    let mut scenario: serde_json::Value = serde_json::from_str(fleet("once", "all").document().text()).unwrap();
    scenario["nemesis"] = json!({"draws": ["restart worker"], "faults": "1..1000"});
    let changes = Changes { chance: Chance::BySeed, ..Changes::default() };
    let model = written(&scenario).model_with(&Choices::none(), &changes).unwrap();
    assert!((0..50).all(|seed| model.draws(Seed(seed)).is_empty()));
    scenario["nemesis"] = json!({"draws": ["restart worker every 1s..9s"], "faults": 1000});
    let model = written(&scenario).model_with(&Choices::none(), &changes).unwrap();
    assert!((0..50).all(|seed| model.draws(Seed(seed)).len() == 1), "one line, since the others are its twins");
}

#[test]
fn the_copy_that_a_link_makes_by_itself_is_no_faults_and_none_delays_it() {
    let nodes = vec![
        ("svc-1".to_string(), Role::Server { work: Dist::Constant(Duration::from_millis(1)), durable: Has::Yes }),
        (
            "shop-1".to_string(),
            Role::Client { server: "svc-1".to_string(), orders: 6, gap: Dist::Constant(Duration::from_millis(5)) },
        ),
    ];
    let calm = World {
        nodes,
        link: Link { duplicate: Ratio::HALF, ..Link::default() },
        timeout: Duration::from_millis(20),
        faults: Vec::new(),
        audit: Has::No,
        beats: Has::No,
        rest: Rest::Seed,
    };
    let troubled = World { faults: vec!["0s..1s duplicate shop-1->svc-1 90% +300ms".to_string()], ..calm.clone() };
    let mut of_the_link = 0;
    for seed in 0..40 {
        let (calm, troubled) = (said(&calm, seed), said(&troubled, seed));
        for (what, answer) in troubled.iter().filter(|(what, _)| calm.contains_key(*what)) {
            assert_eq!(&calm[what], answer, "{what:?}");
            of_the_link += usize::from(answer.starts_with("ArrivesTwice"));
        }
    }
    assert!(of_the_link > 40, "{of_the_link}");
}
