//! Luck belongs to the order, not to the run: what is changed beside an order leaves its dice alone.
//!
//! This is what makes two runs comparable: under another timeout or remedy each order still meets the same slow gateway, so
//! that whatever differs was caused by the change.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use faultline_tests::scenarios::{json, remedies, written};
use serde_json::{Value, json as object};
use sim_core::sim::Entry;
use sim_core::{Answer, Duration, Operation, Seed, Sim, Stop};
use sim_models::language::Choices;
use sim_models::message::Msg;
use sim_models::scenario::{Model, Scenario};

const ORDERS: usize = 2_000;
const SEEDS: [Seed; 2] = [Seed(7), Seed(8)];

/// One draw: where, for what, with which number, and what came of it.
type Drawn = (String, &'static str, u64, Answer);

/// For each operation, by name, what was drawn for it, in that order.
type Luck = BTreeMap<String, Vec<Drawn>>;

fn luck(model: &Model, seed: Seed) -> Luck {
    let (mut sim, mut judge) = model.start(seed);
    sim.record(true);
    let mut luck = Luck::new();
    let watch = |sim: &Sim<Msg>, _: &_| {
        for entry in sim.log() {
            if let Entry::Drew { node, draw } = entry
                && draw.cause.operation != Operation::NONE
            {
                let operation = sim.names().operation(draw.cause.operation).expect("it has a name");
                let node = sim.names().node(*node).to_owned();
                luck.entry(operation).or_default().push((node, draw.purpose.name(), draw.bits, draw.answer));
            }
        }
        ControlFlow::Continue(())
    };
    let outcome = sim_core::run(&mut sim, &mut judge, &model.course(Stop::AtEnd, Default::default()), watch);
    assert_eq!(outcome.panic, None);
    luck
}

/// The part of it that is about orders that were placed; when the one after the last would come is drawn too.
fn orders(luck: &Luck) -> impl Iterator<Item = (&String, &Vec<Drawn>)> {
    let number = |operation: &str| operation.strip_prefix("order/")?.parse::<usize>().ok();
    luck.iter().filter(move |(operation, _)| number(operation).is_some_and(|number| number <= ORDERS))
}

/// What the gateway needed for each order, try by try.
fn services(luck: &Luck) -> BTreeMap<&str, Vec<Duration>> {
    let works = |draws: &[Drawn]| {
        let at_gateway = draws.iter().filter(|(node, purpose, ..)| node == "gateway" && *purpose == "work");
        at_gateway.map(|(.., answer)| length(*answer)).collect()
    };
    orders(luck).map(|(order, draws)| (order.as_str(), works(draws))).collect()
}

fn length(answer: Answer) -> Duration {
    match answer {
        Answer::Length(length) => length,
        other => panic!("work takes a length of time, not {other:?}"),
    }
}

fn first_tries(luck: &Luck) -> BTreeMap<&str, Option<Duration>> {
    services(luck).into_iter().map(|(order, works)| (order, works.first().copied())).collect()
}

fn ready(scenario: &Scenario, choices: Choices) -> Model {
    scenario.model(&choices.set("orders", &ORDERS.to_string())).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn checkout(choices: Choices) -> Model {
    ready(&written(&json("checkout")), choices)
}

/// Every order meets the same gateway at its first try under both.
fn check_first_tries(one: &Model, other: &Model) {
    for seed in SEEDS {
        let (one, other) = (luck(one, seed), luck(other, seed));
        let tries = first_tries(&one);
        assert_eq!(tries.len(), ORDERS);
        assert!(tries.values().all(Option::is_some));
        assert_eq!(tries, first_tries(&other), "seed {}", seed.0);
    }
}

/// No order of the one has another draw in the other; other operations may come and go.
fn check_every_draw(one: &Model, other: &Model) {
    for seed in SEEDS {
        let (one, other) = (luck(one, seed), luck(other, seed));
        let (one, other): (Vec<_>, Vec<_>) = (orders(&one).collect(), orders(&other).collect());
        assert_eq!(one.len(), ORDERS);
        assert_eq!(one, other, "seed {}", seed.0);
    }
}

#[test]
fn another_timeout_keeps_the_first_service_time_of_every_order() {
    let shorter = checkout(Choices::none().set("timeout", "1s"));
    let longer = checkout(Choices::none().set("timeout", "1200ms"));
    check_first_tries(&shorter, &longer);
    // What both try again is served alike too: the longer patience tries again a part of what the shorter does.
    let (shorter, longer) = (luck(&shorter, SEEDS[0]), luck(&longer, SEEDS[0]));
    let (shorter, longer) = (services(&shorter), services(&longer));
    let retried = |services: &BTreeMap<_, Vec<_>>| services.values().filter(|works| works.len() > 1).count();
    assert!(retried(&longer) > 0 && retried(&longer) < retried(&shorter));
    for (order, works) in &longer {
        assert!(shorter[order].starts_with(works), "{order}: {works:?} and {:?}", shorter[order]);
    }
}

#[test]
fn a_retry_more_keeps_the_first_service_time_of_every_order() {
    check_first_tries(&checkout(Choices::none().set("tries", "1")), &checkout(Choices::none().set("tries", "3")));
}

#[test]
fn every_remedy_keeps_the_first_service_time_of_every_order() {
    let scenario = written(&json("checkout"));
    let plain = checkout(Choices::none());
    let named: Vec<String> = remedies(&scenario).into_iter().flatten().collect();
    assert!(!named.is_empty());
    for remedy in named {
        check_first_tries(&plain, &checkout(Choices::none().remedy(&remedy)));
    }
}

fn edited(edit: impl FnOnce(&mut Value)) -> Model {
    let mut file = json("checkout");
    edit(&mut file);
    ready(&written(&file), Choices::none())
}

fn push_in_front(steps: &mut Value, step: Value) {
    steps.as_array_mut().expect("steps").insert(0, step);
}

#[test]
fn a_node_more_changes_no_draw_of_an_order() {
    let with_node = edited(|file| {
        let endpoint = object!([{"work": {"exponential": "5ms"}}]);
        file["nodes"]["audit"] = object!({"kind": "service", "endpoints": {"look": endpoint}});
    });
    check_every_draw(&checkout(Choices::none()), &with_node);
}

#[test]
fn an_endpoint_more_that_runs_and_draws_changes_no_draw_of_an_order() {
    let with_endpoint = edited(|file| {
        file["until"] = object!("400s");
        file["nodes"]["gateway"]["endpoints"]["sweep"] =
            object!({"every": "1s", "do": [{"work": {"exponential": "5ms"}}]});
    });
    check_every_draw(&checkout(Choices::none()), &with_endpoint);
}

#[test]
fn a_step_of_another_verb_changes_no_draw_of_an_order() {
    let with_steps = edited(|file| {
        let endpoints = |file: &mut Value, node: &str| file["nodes"][node]["endpoints"].take();
        let mut shop = endpoints(file, "shop");
        push_in_front(&mut shop["checkout"], object!({"if": "1 == 1", "then": [{"record": "seen"}]}));
        file["nodes"]["shop"]["endpoints"] = shop;
        let mut gateway = endpoints(file, "gateway");
        push_in_front(&mut gateway["charge"], object!({"set": "keys[$order]", "to": "SEEN"}));
        file["nodes"]["gateway"]["endpoints"] = gateway;
    });
    check_every_draw(&checkout(Choices::none()), &with_steps);
}

/// A step's place is its ordinal among the same verbs of its endpoint, or its id: with an id it keeps its dice among others.
#[test]
fn a_step_of_the_same_verb_in_front_changes_the_draws_of_a_step_without_an_id() {
    let with_works = |id: Value, more: bool| {
        edited(|file| {
            file["settings"]["tries"]["default"] = object!(1);
            let charge = &mut file["nodes"]["gateway"]["endpoints"]["charge"];
            charge[1]["do"][0]["id"] = id;
            if more {
                push_in_front(charge, object!({"work": {"exponential": "5ms"}}));
            }
        })
    };
    let last = |model: &Model| -> Vec<Option<Duration>> {
        services(&luck(model, SEEDS[0])).into_values().map(|works| works.last().copied()).collect()
    };
    let named = || object!("bank");
    assert_eq!(last(&with_works(named(), false)), last(&with_works(named(), true)));
    let (alone, second) = (last(&with_works(Value::Null, false)), last(&with_works(Value::Null, true)));
    let kept = alone.iter().zip(&second).filter(|(alone, second)| alone == second).count();
    assert!(kept < ORDERS / 100, "{kept}");
}

/// Time passes that did not pass before, so that everything downstream happens at other instants, among other things.
#[test]
fn a_step_that_takes_time_changes_no_answer_to_an_order() {
    let with_wait = edited(|file| {
        push_in_front(&mut file["nodes"]["shop"]["endpoints"]["checkout"], object!({"wait": {"exponential": "3s"}}));
    });
    check_first_tries(&checkout(Choices::none()), &with_wait);
}

#[test]
fn another_workload_changes_no_draw_of_an_order() {
    let with_workload = edited(|file| {
        file["nodes"]["gateway"]["endpoints"]["lookup"] = object!([{"work": {"exponential": "50ms"}}]);
        file["workload"]["clerk"] = object!({
            "rate": "30/s", "limit": 3000, "each": "question", "do": [{"call": "gateway.lookup", "timeout": "1s"}],
        });
    });
    check_every_draw(&checkout(Choices::none()), &with_workload);
    let (mut clerks, mut judge) = with_workload.start(SEEDS[0]);
    let course = with_workload.course(Stop::AtEnd, Default::default());
    let outcome = sim_core::run(&mut clerks, &mut judge, &course, |_, _| ControlFlow::Continue(()));
    assert_eq!((outcome.panic, judge.requests().total), (None, 5000), "the clerks were there");
}

#[test]
fn ten_times_the_orders_change_no_draw_of_those_there_were() {
    let few = luck(&checkout(Choices::none()), SEEDS[0]);
    let scenario = written(&json("checkout"));
    let many = scenario.model(&Choices::none().set("orders", "20000")).unwrap_or_else(|wrong| panic!("{wrong}"));
    let many = luck(&many, SEEDS[0]);
    for (order, draws) in orders(&few) {
        assert_eq!(Some(draws), many.get(order), "{order}");
    }
}

/// Without the fault an order has fewer tries, and those it has are as they were.
#[test]
fn a_fault_less_changes_no_service_time_of_an_order() {
    let faults = ["0s.. loss gateway->shop charge 20%", "0s.. delay shop->gateway +0ms ~20ms"];
    let faulty = |faults: &[&str]| edited(|file| file["faults"] = object!(faults));
    let (both, delay, none) = (faulty(&faults), faulty(&faults[1..]), faulty(&[]));
    check_first_tries(&both, &none);
    for seed in SEEDS {
        let lucks = [&both, &delay, &none].map(|model| luck(model, seed));
        let [both, delay, none] = [0, 1, 2].map(|at| services(&lucks[at]));
        for (order, works) in &both {
            for calmer in [&delay[order], &none[order]] {
                assert!(works.starts_with(calmer) || calmer.starts_with(works), "{order}: {works:?} and {calmer:?}");
            }
        }
        let tries = |services: &BTreeMap<_, Vec<_>>| services.values().map(Vec::len).sum::<usize>();
        assert!(tries(&both) > tries(&none), "the losses did something");
    }
}

/// What strikes only others is not even noticed.
#[test]
fn a_fault_elsewhere_changes_no_draw_of_an_order() {
    let with_fault = edited(|file| {
        file["nodes"]["audit"] = object!({"kind": "service", "endpoints": {"look": []}});
        file["faults"] = object!(["1s..100s crash audit", "0s.. loss audit->shop 50%"]);
    });
    check_every_draw(&checkout(Choices::none()), &with_fault);
}
