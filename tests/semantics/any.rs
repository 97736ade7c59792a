//! Any heap of steps that is a scenario: it ends the same way twice, and leaves nothing behind.

use proptest::prelude::*;
use serde_json::{Value, json};
use sim_core::{Instant, Limits, Seed, Sim, Stop, run};
use sim_models::language::Choices;
use sim_models::message::Msg;
use sim_models::scenario::{Model, Scenario};

use super::{assert_nothing_is_left, few, file};

/// A list of steps, to be written.
#[derive(Clone, Debug)]
struct Plan(String);

fn steps(depth: u32) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => (1u32..20).prop_map(|ms| format!(r#"{{"work": "{ms}ms"}}"#)),
        1 => Just(r#"{"work": {"exponential": "5ms"}}"#.to_owned()),
        1 => (0u32..20).prop_map(|ms| format!(r#"{{"wait": "{ms}ms"}}"#)),
        2 => Just(r#"{"record": "fact"}"#.to_owned()),
        1 => Just(r#"{"undo": "fact"}"#.to_owned()),
        3 => (prop_oneof!["a", "b"], clauses()).prop_map(|(key, clauses)| format!(r#"{{"set": "db.m['{key}']", "to": "= value + 1"{clauses}}}"#)),
        2 => clauses().prop_map(|clauses| format!(r#"{{"set": "db.m['a']", "to": "= value + 1", "where": "value < 20"{clauses}}}"#)),
        1 => Just(r#"{"set": "db.m['b']", "to": null}"#.to_owned()),
        1 => clauses().prop_map(|clauses| format!(r#"{{"read": "db.m['b']"{clauses}}}"#)),
        1 => Just(r#"{"read": "db.m[*]", "where": "value > 1", "limit": 3, "as": "some"}"#.to_owned()),
    ];
    if depth == 0 {
        return prop::collection::vec(leaf, 0..4).prop_map(|steps| format!("[{}]", steps.join(", "))).boxed();
    }
    let inner = || steps(depth - 1);
    let group = prop_oneof![
        (inner(), clauses()).prop_map(|(steps, clauses)| format!(r#"{{"try": {steps}{clauses}}}"#)),
        (inner(), inner(), 1u32..=2, clauses())
            .prop_map(|(one, other, need, clauses)| format!(r#"{{"parallel": [{one}, {other}], "need": {need}{clauses}}}"#)),
        (steps(0), prop_oneof!["serializable", "snapshot", "read-committed"], clauses())
            .prop_map(|(steps, isolation, clauses)| format!(r#"{{"transaction": {steps}, "isolation": "{isolation}"{clauses}}}"#)),
        (inner(), prop_oneof![Just("keys"), Just("db.keys")], prop_oneof!["wait", "conflict", "ignore"], prop_oneof![Just("$order"), Just("k")], clauses())
            .prop_map(|(steps, map, in_flight, key, clauses)| format!(
                r#"{{"once": "{key}", "in": "{map}", "in_flight": "{in_flight}", "lock": "300ms", "do": {steps}{clauses}}}"#
            )),
        inner().prop_map(|steps| format!(r#"{{"chance": "30%", "then": {steps}}}"#)),
        inner().prop_map(|steps| format!(r#"{{"background": {steps}}}"#)),
        (inner(), 1u32..3).prop_map(|(steps, at_once)| format!(
            r#"{{"read": "db.m[*]", "as": "list"}}, {{"for_each": "item", "in": "$list", "at_once": {at_once}, "do": {steps}}}"#
        )),
    ];
    prop::collection::vec(prop_oneof![2 => leaf, 2 => group], 0..4)
        .prop_map(|steps| format!("[{}]", steps.join(", ")))
        .boxed()
}

fn clauses() -> impl Strategy<Value = String> {
    let timeout =
        prop_oneof![2 => Just(String::new()), 2 => (1u32..60).prop_map(|ms| format!(r#", "timeout": "{ms}ms""#))];
    let deadline =
        prop_oneof![4 => Just(String::new()), 1 => (20u32..200).prop_map(|ms| format!(r#", "deadline": "{ms}ms""#))];
    let retry = prop_oneof![
        3 => Just(String::new()),
        1 => Just(r#", "retry": 3"#.to_owned()),
        1 => Just(r#", "retry": {"tries": 4, "wait": "5ms", "factor": 2, "jitter": "full", "on": ["else"]}"#.to_owned()),
        1 => Just(r#", "retry": {"tries": 3, "budget": "10%"}"#.to_owned()),
    ];
    let on = prop_oneof![
        2 => Just(String::new()),
        2 => Just(r#", "on": {"else": []}"#.to_owned()),
        1 => Just(r#", "on": {"unknown": [{"record": "doubt"}], "deadlock": []}"#.to_owned()),
    ];
    let cancel = prop_oneof![3 => Just(""), 1 => Just(r#", "cancel": true"#)];
    (timeout, deadline, retry, on, cancel)
        .prop_map(|(timeout, deadline, retry, on, cancel)| format!("{timeout}{deadline}{retry}{on}{cancel}"))
}

fn endpoint() -> impl Strategy<Value = String> {
    let end = prop_oneof![4 => Just(""), 1 => Just(r#", {"reply": 1}"#), 1 => Just(r#", {"fail": "no"}"#)];
    (steps(2), end).prop_map(|(steps, end)| {
        let inside = &steps[1..steps.len() - 1];
        let first = if inside.is_empty() { r#"{"wait": "0s"}"# } else { inside };
        format!("[{first}{end}]")
    })
}

fn systems() -> impl Strategy<Value = (Plan, bool)> {
    let pool = prop_oneof![
        Just(String::new()),
        (1u32..4, 0u32..5).prop_map(|(workers, queue)| format!(r#""workers": {workers}, "queue": {queue},"#))
    ];
    let flags = (any::<bool>(), any::<bool>(), prop_oneof!["none", "expired"], 1u32..3);
    let fields = (pool, flags).prop_map(|(pool, (asynchronous, honours, drop, replicas))| {
        format!(
            r#"{pool} "replicas": {replicas}, "async": {asynchronous}, "honours_cancel": {honours}, "drop": "{drop}","#
        )
    });
    let faults = prop::collection::vec(
        prop_oneof![
            (0u32..800, 1u32..300).prop_map(|(at, length)| (format!("{at}ms..{}ms crash shop", at + length), false)),
            (0u32..800, 1u32..300).prop_map(|(at, length)| (format!("{at}ms..{}ms crash bank", at + length), false)),
            (0u32..800, 1u32..300).prop_map(|(at, length)| (format!("{at}ms..{}ms crash db", at + length), false)),
            Just(("0s.. loss bank<->shop 10%".to_owned(), false)),
            Just(("0s.. delay *->db +5ms ~5ms".to_owned(), false)),
            Just(("0s.. duplicate shop<->bank 10%".to_owned(), false)),
            // These may take a rollback with them, and with it the news that a lock is free.
            Just(("0s.. loss *->db 10%".to_owned(), true)),
            Just(("0s.. loss db->* 10%".to_owned(), true)),
            Just(("0s.. duplicate *->db 20%".to_owned(), true)),
        ],
        0..4,
    );
    let workers = prop_oneof![Just(String::new()), (1u32..4).prop_map(|workers| format!(r#""workers": {workers}, "#))];
    let call = (clauses(), prop_oneof![Just("pay"), Just("look")])
        .prop_map(|(clauses, to)| format!(r#"{{"call": "bank.{to}"{clauses}}}"#));
    let shop = (endpoint(), prop::collection::vec(call, 0..3)).prop_map(|(body, calls)| {
        let inside = &body[1..body.len() - 1];
        if calls.is_empty() { body.clone() } else { format!("[{}, {inside}]", calls.join(", ")) }
    });
    (fields.clone(), shop, endpoint(), endpoint(), faults, workers, clauses(), fields).prop_map(
        |(shop_fields, shop, pay, look, faults, workers, clauses, bank_fields)| {
            let leaky = faults.iter().any(|(_, leaky)| *leaky);
            let faults: Vec<Value> = faults.into_iter().map(|(fault, _)| Value::String(fault)).collect();
            let nodes = format!(
                r#""shop": {{"kind": "service", "maps": {{"keys": {{}}}}, {shop_fields} "endpoints": {{"buy": {shop}}}}},
                "bank": {{"kind": "service", "memory": {{"keys": {{}}}}, {bank_fields} "endpoints": {{"pay": {pay}, "look": {look}}}}},
                "db": {{"kind": "store", {workers}"maps": {{"m": {{"a": 1, "b": 5}}, "keys": {{}}}}, "read": "1ms", "set": {{"exponential": "2ms"}}, "commit": "1ms"}}"#
            );
            let workload = format!(
                r#""shopper": {{"rate": "100/s", "limit": 60, "each": "order", "do": [{{"call": "shop.buy"{clauses}}}]}},
                "clerk": {{"users": 3, "think": "20ms", "for": "500ms", "each": "visit", "do": [{{"call": "shop.buy", "with": {{"order": 1}}, "timeout": "400ms"}}]}}"#
            );
            let rest = format!(r#""network": {{"latency": {{"uniform": ["0ms", "4ms"]}}}}, "faults": {}"#, Value::Array(faults));
            (Plan(file(&nodes, &workload, &rest)), leaky)
        },
    )
}

fn counter(run: &sim_models::scenario::Run, name: &str) -> u64 {
    run.counters.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
}

/// More of them by `PROPTEST_CASES=5000`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_small_system_ends_the_same_way_twice_and_leaves_nothing_behind((Plan(text), leaky) in systems(), seed in 0u64..1000) {
        let text = text.replace(r#"{"record": "fact"}"#, r#"{"record": "fact", "key": "$order"}"#)
            .replace(r#"{"undo": "fact"}"#, r#"{"undo": "fact", "key": "$order"}"#)
            .replace(r#"{"record": "doubt"}"#, r#"{"record": "doubt", "key": "$order"}"#);
        let model = Scenario::parse("any.json", &text).and_then(|scenario| scenario.model(&Choices::none()));
        // Not every heap of steps is a scenario.
        let Ok(model) = model else { return Ok(()) };
        let limits = Limits { events: 3_000_000, ..few() };
        let go = || {
            let (mut sim, mut judge) = model.start(Seed(seed));
            let course = model.course(Stop::AtEnd, limits);
            let outcome = run(&mut sim, &mut judge, &course, |_, _| std::ops::ControlFlow::Continue(()));
            (model.measured(Seed(seed), &sim, &judge, outcome), sim)
        };
        let (first, mut sim) = go();
        let (second, _) = go();
        prop_assert!(first.outcome.panic.is_none(), "{:?}\n{text}", first.outcome.panic);
        prop_assert!(first.outcome.limit.is_none(), "{:?}\n{text}", first.outcome.limit);
        prop_assert_eq!(first.outcome.digest, second.outcome.digest);
        prop_assert!(sim.step().is_none());
        let crashes = ["shop.crashes", "bank.crashes", "db.crashes"].iter().any(|name| counter(&first, name) > 0);
        if !leaky && !crashes && !text.contains(" loss ") {
            let requests = &first.requests;
            prop_assert_eq!(requests.total, requests.ok + requests.error + requests.unknown, "{}", text);
            for edge in ["shopper->shop", "clerk->shop", "shop->bank", "shop->db", "bank->db"] {
                let of = |what: &str| counter(&first, &format!("{edge}.{what}"));
                prop_assert_eq!(of("calls"), of("ok") + of("error") + of("unknown"), "{} in {}", edge, text);
            }
            assert_nothing_is_left(&model, &sim);
        } else if !leaky {
            assert_no_lock_is_left(&model, &sim, &text);
        }
        prop_assert!(first.outcome.end < Instant::NEVER);
    }
}

/// No worker of a service is taken for ever, and no transaction is open that nobody runs.
fn assert_no_lock_is_left(model: &Model, sim: &Sim<Msg>, text: &str) {
    for index in 0..model.program().replicas.len() {
        let node = sim_core::NodeId(index as u32);
        let state = sim.state(node).expect("it serialises");
        let name = model.program().replica_name(node);
        if let Some(txns) = state.get("txns").filter(|txns| txns.is_array()) {
            assert_eq!(txns, &json!([]), "{name} {text}");
        }
    }
}
