//! What files become, and what is said about names that mean nothing.

use sim_core::fault::Full;
use sim_core::seed::name_hash;
use sim_core::{Bandwidth, Class, Dist, Duration, Instant, Link, Ratio, Stream, Transport};

use super::{Lowered, label, lower};
use crate::language::{Choices, Document};
use crate::problem::{Problem, Problems};
use crate::program::*;
use crate::value::Value;

const CHECKOUT: &str = include_str!("../../../scenarios/checkout.json");
const GATEWAY_TIMEOUT: &str = include_str!("../../../scenarios/gateway-timeout.json");
const OVERSELL: &str = include_str!("../../../scenarios/oversell.json");

/// Nodes that the steps and conditions of the tests name; the shop's endpoint `pay` is to be filled in.
fn scenario(pay: &str, fields: &str) -> String {
    format!(
        r#"{{"faultline": 1, "name": "x", "until": "1h",
 "nodes": {{
  "shop": {{"kind": "service", "maps": {{"seen": {{}}}}, "memory": {{"near": {{}}}}, "endpoints": {{
   "pay": [{pay}],
   "sweep": {{"every": "30s", "do": []}}
  }}}},
  "bank": {{"kind": "service", "replicas": 2, "maps": {{"keys": {{}}}}, "endpoints": {{
   "charge": [{{"record": "charged"}}], "refund": [{{"record": "refunded"}}, {{"fail": "no_money"}}]
  }}}},
  "db": {{"kind": "store", "maps": {{"status": {{}}, "stock": {{"book": 3, "7": "x", "gone": null}}}}}},
  "ledger": {{"kind": "store", "maps": {{"sum": {{}}}}}}
 }},
 "workload": {{
  "buyer": {{"rate": "10/s", "limit": 5, "each": "order", "do": [{{"call": "shop.pay"}}]}},
  "clerk": {{"users": 2, "for": "1m", "each": "visit", "do": [
   {{"call": "bank.refund"}}, {{"set": "ledger.sum[$visit]", "to": 1}}, {{"set": "db.status[1]", "to": "= value + 1"}}]}}
 }}{fields}}}"#
    )
}

fn lowered(text: &str, choices: &Choices) -> Result<Lowered, Problems> {
    lower(&Document::parse("x.json", text)?.configure(choices)?)
}

fn program(text: &str) -> Program {
    lowered(text, &Choices::none()).unwrap_or_else(|problems| panic!("{problems}")).program
}

fn said(problems: &Problems) -> Vec<String> {
    let said = |problem: &Problem| format!("{}: {}", problem.path, problem.message);
    // The charge is recorded outside "once", and called by some tests only.
    problems.iter().map(said).filter(|said| !said.ends_with("nobody calls bank.charge")).collect()
}

fn told(text: &str) -> Vec<String> {
    match lowered(text, &Choices::none()) {
        Ok(lowered) => said(&lowered.warnings),
        Err(problems) => said(&problems),
    }
}

/// What is said about steps of `shop.pay`.
fn check_steps(steps: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|said| format!("nodes.shop.endpoints.pay{said}")).collect();
    assert_eq!(told(&scenario(steps, "")), expected, "{steps}");
}

/// What is said about fields of the scenario.
fn check_field(field: &str, expected: &[&str]) {
    assert_eq!(told(&scenario("", &format!(", {field}"))), expected, "{field}");
}

fn check_metric(metric: &str, expected: &str) {
    let metrics =
        format!(r#""metrics": {{"m": {metric}, "calls": {{"value": "shop.calls"}}, "loop": {{"value": "loop + 1"}}}}"#);
    let circle = "metrics.loop: \"loop\" is worked out from itself: loop from loop";
    let mut found = told(&scenario("", &format!(", {metrics}")));
    found.retain(|said| said != circle);
    assert_eq!(found, if expected.is_empty() { vec![] } else { vec![format!("metrics.m.{expected}")] }, "{metric}");
}

fn check_property(property: &str, expected: &str) {
    let found = told(&scenario("", &format!(r#", "properties": {{"p": {property}}}"#)));
    assert_eq!(found, [format!("properties.p.{expected}")], "{property}");
}

#[test]
fn the_scenarios_lower_with_every_remedy_and_without_a_warning_but_of_the_key_that_is_none() {
    for text in [CHECKOUT, GATEWAY_TIMEOUT, OVERSELL] {
        let document = Document::parse("x.json", text).unwrap();
        assert_eq!(said(&lowered(text, &Choices::none()).unwrap().warnings), [""; 0]);
        for remedy in document.settings().remedies() {
            let Lowered { program, warnings } = lowered(text, &Choices::none().remedy(&remedy.name)).unwrap();
            let told = said(&warnings);
            if remedy.name == "key-per-try" {
                assert_eq!(told.len(), 1, "{told:?}");
                assert!(told[0].contains("its \"once\" has another key at each try"), "{told:?}");
            } else {
                assert_eq!(told, [""; 0]);
            }
            assert!(!program.expect.is_empty());
        }
    }
}

#[test]
fn checkout_becomes_numbers() {
    let program = program(CHECKOUT);
    let names: Vec<_> = program.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["shop", "inventory", "orders", "gateway", "shopper"]);
    assert_eq!(program.replicas.len(), 5);
    assert_eq!(program.kinds, ["checkout", "charge", "shopper", "read", "set", "delete", "commit", "rollback"]);
    assert_eq!(program.classes, ["order"]);
    let facts: Vec<_> = program.facts.iter().map(|fact| (fact.name.as_str(), fact.class)).collect();
    assert_eq!(facts, [("asked", Some(Class(0))), ("charged", Some(Class(0)))]);
    let slots: Vec<_> = program.slots.iter().map(|slot| (slot.name.as_str(), slot.class)).collect();
    assert_eq!(slots, [("order", Some(Class(0))), ("key", None)]);
    let edge = |edge: &(NodeRef, NodeRef)| (program.node(edge.0).name.as_str(), program.node(edge.1).name.as_str());
    let edges: Vec<_> = program.edges.iter().map(edge).collect();
    assert_eq!(edges, [("shop", "inventory"), ("shop", "orders"), ("shop", "gateway"), ("shopper", "shop")]);
    let reasons: Vec<_> = program.reasons.iter().skip(SYSTEM_REASONS.len()).collect();
    assert_eq!(reasons, ["sold_out", "payment_failed"]);
    let watched: Vec<_> = program.maps.iter().map(|map| (map.name.as_str(), map.watched)).collect();
    assert_eq!(watched, [("stock", false), ("status", true), ("keys", false)]);
    assert!(program.faults.is_empty(), "a loss of 0% is off");
    let Role::Workload(shopper) = &program.nodes[4].role else { panic!() };
    assert!(matches!(&shopper.pace, PaceDef::Open { stages, even: false } if *stages == [(10_000_000_000, None)]));
    assert_eq!((shopper.limit, shopper.class, shopper.slot), (Some(10_000), Class(0), Slot(0)));
}

#[test]
fn oversell_knows_the_metric_from_the_fact_and_the_version_that_came_with_a_read() {
    let program = program(OVERSELL);
    let version = program.slots.iter().position(|slot| slot.name == "left.version").map(|index| Slot(index as u16));
    assert!(version.is_some());
    let reads = program.steps.iter().filter_map(|step| match step.verb {
        Verb::Read { version, .. } => Some(version),
        _ => None,
    });
    assert!(reads.into_iter().all(|read| read == version));
    let Measure::Value(oversold) = &program.metrics[2].measure else { panic!() };
    assert!(format!("{oversold:?}").contains("Metric(1)"), "{oversold:?}");
    assert!(matches!(&program.properties[2].ask, Ask::Conserved { facts, maps, at_commit: false, .. }
        if *facts == [FactRef(0)] && *maps == [MapRef(0)]));
}

#[test]
fn the_expectations_are_the_remedys_when_one_was_chosen() {
    let expect = |choices| lowered(GATEWAY_TIMEOUT, &choices).unwrap().program.expect;
    let own = [
        ("charged_but_cancelled".to_owned(), Expected::Between(580.0, 744.0)),
        ("unresolved".to_owned(), Expected::Exactly(0.0)),
    ];
    assert_eq!(expect(Choices::none()), own);
    let slow = Expected::Between(58.0, 120.0);
    assert_eq!(expect(Choices::none().remedy("wait-2s")), [("charged_but_cancelled".to_owned(), slow)]);
    assert_eq!(expect(Choices::none().remedy("wait-2s").remedy("reconcile")), own);
}

#[test]
fn a_steps_place_is_its_id_or_its_ordinal_among_the_same_verbs_of_the_text() {
    let program = program(&scenario(
        r#"{"on": {"ok": [{"work": "1s"}]}, "try": [{"work": "2s"}, {"call": "bank.charge", "id": "pay", "on": {"unknown": [{"work": "3s"}]}}]},
           {"work": "4s"}, {"call": "bank.charge"}"#,
        "",
    ));
    let place = |wanted: Duration| {
        let found = program
            .steps
            .iter()
            .find(|step| matches!(&step.verb, Verb::Work(Dist::Constant(length)) if *length == wanted));
        found.map(|step| step.place)
    };
    for (length, name) in [(1, "work:1"), (2, "work:2"), (3, "work:3"), (4, "work:4")] {
        assert_eq!(place(Duration::from_secs(length)), Some(name_hash(name)), "{name}");
    }
    let calls: Vec<_> = program
        .steps
        .iter()
        .filter(|step| step.path.starts_with("nodes") && matches!(step.verb, Verb::Call { .. }))
        .collect();
    assert_eq!((calls[0].place, calls[1].place), (name_hash("id:pay"), name_hash("call:2")));
    assert_eq!(calls[0].path, "nodes.shop.endpoints.pay[0].try[1]");
    check_steps(
        r#"{"work": "1s", "id": "a"}, {"wait": "1s", "id": "a"}"#,
        &["[1]: the id \"a\" is taken in this endpoint; two steps need two, or they share their dice"],
    );
    // Steps of which no request comes to both.
    check_steps(
        r#"{"switch": "$order", "cases": {"1": [{"work": "1s", "id": "a"}], "1x": [{"wait": "1s", "id": "a"}]}},
           {"if": "$order == 1", "then": [{"work": "1s", "id": "b"}], "else": [{"wait": "1s", "id": "b"}]}"#,
        &[],
    );
    check_steps(
        r#"{"switch": "$order", "cases": {"1": [{"work": "1s", "id": "a"}, {"wait": "1s", "id": "a"}]}}"#,
        &["[0].cases.1[1]: the id \"a\" is taken in this endpoint; two steps need two, or they share their dice"],
    );
}

#[test]
fn a_step_repeats_inside_a_loop_and_inside_what_is_retried() {
    let program = program(&scenario(
        r#"{"try": [{"if": "now > 1s", "then": [{"work": "1s"}]}], "retry": 2, "on": {"else": [{"work": "2s"}]}},
           {"read": "db.status[*]", "as": "all"},
           {"for_each": "order", "in": "$all", "do": [{"work": "3s", "id": "x"}]},
           {"call": "bank.charge", "retry": 3, "on": {"ok": [{"work": "4s"}]}}"#,
        "",
    ));
    let works: Vec<bool> =
        program.steps.iter().filter(|step| matches!(step.verb, Verb::Work(_))).map(|step| step.repeats).collect();
    assert_eq!(works, [true, false, true, false]);
}

#[test]
fn what_all_callers_carry_is_known_and_nothing_else() {
    // Both the buyer, by way of the shop, and the clerk call this.
    let text = r#"{"faultline": 1, "name": "x",
 "nodes": {
  "shop": {"kind": "service", "endpoints": {
   "pay": [{"call": "bank.charge", "with": {"key": "$order", "note": "x"}}],
   "again": [{"if": "$key == 1", "then": [{"call": "shop.again"}]}, {"reply": "$order"}],
   "old": [{"reply": "$nothing"}]}},
  "bank": {"kind": "service", "endpoints": {"charge": [{"call": "shop.again"}, {"reply": "$key/$note"}, {"reply": "$order"}]}}},
 "workload": {
  "buyer": {"rate": "1/s", "limit": 1, "each": "order", "do": [{"call": "shop.pay"}]},
  "clerk": {"rate": "1/s", "limit": 1, "each": "visit", "do": [{"call": "bank.charge", "with": {"key": 1}}]}}}"#;
    assert_eq!(
        told(text),
        [
            "nodes.shop.endpoints.again[1].reply: $order is not known here: shop.again is called by bank.charge, which carries $key",
            "nodes.bank.endpoints.charge[1].reply: $note is not known here: bank.charge is called by clerk, which carries $key and $visit",
            "nodes.bank.endpoints.charge[2].reply: $order is not known here: bank.charge is called by clerk, which carries $key and $visit",
        ]
    );
}

#[test]
fn what_for_each_binds_travels_and_what_as_binds_does_not() {
    let sweep = |inner: &str| {
        format!(
            r#"{{"faultline": 1, "name": "x", "until": "1h", "nodes": {{
 "db": {{"kind": "store", "maps": {{"status": {{}}}}}},
 "shop": {{"kind": "service", "endpoints": {{
  "sweep": {{"every": "30s", "do": [
   {{"read": "db.status[*]", "as": "all"}},
   {{"for_each": "order", "in": "$all", "do": [{{"call": "shop.look", "as": "found"}}]}}, {inner}]}},
  "look": [{{"record": "looked"}}, {{"reply": "$order"}}]}}}}}},
 "workload": {{"buyer": {{"rate": "1/s", "limit": 1, "each": "order", "do": []}}}}}}"#
        )
    };
    let program = program(&sweep(r#"{"reply": "$found"}"#));
    assert_eq!(program.facts[0].class, Some(Class(0)));
    let here = "nodes.shop.endpoints.sweep.do[2].reply: $order is not known here: \
                shop.sweep runs by itself and carries nothing; \"as\" and \"for_each\" give names";
    assert_eq!(told(&sweep(r#"{"reply": "$order"}"#)), [here]);
    let here = "nodes.shop.endpoints.sweep.do[2].reply: $all is a list; \"for_each\" goes through it";
    assert_eq!(told(&sweep(r#"{"reply": "$all"}"#)), [here]);
}

#[test]
fn a_step_that_names_nothing_is_told_what_there_is() {
    check_steps(r#"{"call": "bank.charg"}"#, &["[0].call: no endpoint \"bank.charg\"; bank has charge, refund"]);
    check_steps(r#"{"call": "bnk.charge"}"#, &["[0].call: no node \"bnk\"; did you mean \"bank\"?"]);
    check_steps(r#"{"call": "db.read"}"#, &["[0].call: db is a store; \"read\" and \"set\" its cells"]);
    check_steps(r#"{"call": "buyer.x"}"#, &["[0].call: buyer is a workload; it calls and is not called"]);
    check_steps(
        r#"{"call": "shop.sweep"}"#,
        &["[0].call: shop.sweep runs by itself; an endpoint that is called has neither \"every\" nor \"at_start\""],
    );
    check_steps(
        r#"{"reply": "$item"}"#,
        &["[0].reply: $item is not known here: shop.pay is called by buyer, which carries $order"],
    );
    check_steps(
        r#"{"reply": "$oder"}"#,
        &[
            "[0].reply: $oder is not known here: shop.pay is called by buyer, which carries $order; did you mean \"$order\"?",
        ],
    );
    check_steps(r#"{"read": "db.stats[1]"}"#, &["[0].read: no map \"stats\" in db; it has status, stock"]);
    check_steps(r#"{"read": "other[1]"}"#, &["[0].read: no map \"other\" in shop; it has seen, near"]);
    check_steps(
        r#"{"read": "bank.keys[1]"}"#,
        &["[0].read: \"keys\" is bank's own map; only steps of bank reach it, so call one of its endpoints"],
    );
    check_steps(
        r#"{"reply": "$left.version"}"#,
        &["[0].reply: $left.version is not known here; a \"read\" of a cell gives it with \"as\": \"left\""],
    );
    check_steps(
        r#"{"reply": "$message"}"#,
        &["[0].reply: $message is known only where messages of a queue or log are handled"],
    );
    check_steps(
        r#"{"reply": 1, "id": "x"}, {"read": "seen[1]", "as": "try"}"#,
        &["[1].as: \"$try\" has a meaning already; choose another name"],
    );
    check_steps(
        r#"{"if": "value > 1", "then": []}"#,
        &[
            "[0].if: \"value\" is known only at a cell, in \"to\", \"where\" and \"when\"; give what was read a name by \"as\"",
        ],
    );
    check_steps(
        r#"{"if": "order > 1", "then": []}"#,
        &["[0].if: \"order\" is not known here; a name has a dollar sign, \"$order\""],
    );
    check_steps(
        r#"{"if": "seen[1] > 1", "then": []}"#,
        &["[0].if: a cell is not known here; \"read\" it first and give it a name by \"as\""],
    );
    check_steps(
        r#"{"if": "db.calls > 1", "then": []}"#,
        &["[0].if: \"db.calls\" is known only to metrics and properties, not to steps"],
    );
    check_steps(
        r#"{"set": "db.stock[1]", "to": "= left - 1"}"#,
        &[
            "[0].to: \"left\" is not known at a cell; known are value, version, age, key, now, and names with a dollar sign",
        ],
    );
    check_steps(
        r#"{"set": "db.stock[1]", "to": 1, "where": "ledger.sum[1] == 1"}"#,
        &["[0].where: at a cell only the maps of its own node are known, those of db"],
    );
    check_steps(r#"{"set": "db.stock[1]", "to": 1, "where": "status[1] == null && age > 1s"}"#, &[]);
    check_steps(
        r#"{"for_each": "x", "in": "$order", "do": []}"#,
        &["[0].in: $order is no list; \"read\" a whole map, \"store.map[*]\", \"as\": \"order\""],
    );
    check_steps(
        r#"{"for_each": "x", "in": "order", "do": []}"#,
        &["[0].in: \"in\" should be the name of a list, such as \"$pending\""],
    );
    check_steps(
        r#"{"call": "bank.refund", "with": {"visit": 1}, "on": {"no_mony": []}}"#,
        &["[0].on.no_mony: nothing fails with \"no_mony\"; did you mean \"no_money\"?"],
    );
}

#[test]
fn steps_that_cannot_be_together_are_told_why() {
    check_steps(
        r#"{"transaction": [{"set": "db.stock[1]", "to": 1}, {"set": "ledger.sum[1]", "to": 1}]}"#,
        &["[0]: this transaction touches db and ledger; name a protocol (\"2pc\", …) or use a saga"],
    );
    check_steps(
        r#"{"transaction": [{"set": "seen[1]", "to": 1}]}"#,
        &["[0].transaction[0].set: a transaction is on a store; \"seen\" is shop's own map"],
    );
    check_steps(
        r#"{"transaction": [{"transaction": []}, {"parallel": [[]]}, {"background": []}, {"read": "db.stock[*]", "as": "all"},
            {"for_each": "one", "in": "$all", "at_once": 3, "do": [{"set": "db.stock[$one]", "to": 1}]}]}"#,
        &[
            "[0].transaction[0]: a transaction inside a transaction is not supported: all commits at the end of the outer one",
            "[0].transaction[1]: \"parallel\" inside a transaction is not supported: its steps would wait for each other's locks",
            "[0].transaction[2].background: \"background\" inside a transaction is not supported: its steps would outlive the commit",
            "[0].transaction[4].at_once: several items at once inside a transaction are not supported: they would wait for each other's locks; leave it out",
        ],
    );
    check_steps(
        r#"{"background": [{"if": "now > 1s", "then": [{"fail": "late"}, {"reply": 1}]}]}"#,
        &[
            "[0].background[0].then[0].fail: nobody waits for what runs in the background, so nobody would learn that it failed",
            "[0].background[0].then[1].reply: nobody waits for what runs in the background, so there is no one to reply to",
        ],
    );
    check_steps(r#"{"parallel": [[], []], "need": 3}"#, &["[0].need: 3 of 2 branches can never be ok; need at most 2"]);
    check_steps(
        r#"{"fail": "error"}"#,
        &["[0].fail: \"error\" is a word of \"on\"; give the reason a name of its own"],
    );
    check_steps(
        r#"{"read": "db.stock[1]", "limit": 2}"#,
        &["[0].limit: this reads one cell; \"where\" and \"limit\" are for a whole map, \"store.map[*]\""],
    );
    check_steps(
        r#"{"read": "db.stock[*]", "when": "value == 1"}"#,
        &["[0].when: this reads a whole map; \"when\" waits for one cell"],
    );
}

#[test]
fn a_fact_is_about_the_one_key_known_or_says_whose_it_is() {
    let program = program(&scenario(
        r#"{"record": "paid"}, {"record": "noted", "key": "$order/1"}, {"undo": "paid", "key": "$order"}"#,
        "",
    ));
    let class = |name: &str| program.facts.iter().find(|fact| fact.name == name).unwrap().class;
    assert_eq!((class("paid"), class("noted"), class("refunded")), (Some(Class(0)), None, Some(Class(1))));
    check_steps(
        r#"{"read": "seen[1]", "as": "visit"}, {"record": "paid"}"#,
        &["[1].record: whose fact is \"paid\"? $order and $visit are known here; say \"key\", such as \"$order\""],
    );
    check_steps(
        r#"{"record": "paid"}, {"read": "seen[1]", "as": "visit"}, {"record": "paid", "key": "$visit"}"#,
        &["[2].record: \"paid\" is recorded about $order elsewhere and about $visit here; make it two facts"],
    );
    check_steps(
        r#"{"record": "ok"}"#,
        &["[0].record: \"ok\" means the requests of a key in conditions; give the fact another name"],
    );
    let nobody =
        scenario("", "").replace(r#""every": "30s", "do": []"#, r#""every": "30s", "do": [{"record": "swept"}]"#);
    assert_eq!(
        told(&nobody),
        [
            "nodes.shop.endpoints.sweep.do[0].record: whose fact is \"swept\"? no name of an \"each\" (order, visit) is known here; say \"key\", such as \"$name\""
        ]
    );
}

#[test]
fn metrics_and_properties_that_name_nothing_are_told_what_there_is() {
    check_metric(r#"{"count": "chraged > 1"}"#, "count: nothing records \"chraged\"; facts are charged, refunded");
    check_metric(r#"{"count": "charged.frist > 1"}"#, "count: \"charged\" has no \"frist\"; a fact has first and last");
    check_metric(
        r#"{"count": "db.calls > 1"}"#,
        "count: \"db.calls\" is about the run; this is asked of one key at a time",
    );
    check_metric(
        r#"{"count": "db.status[$ordr] == 1"}"#,
        "count: no \"each\" is named \"ordr\"; did you mean \"$order\"?",
    );
    check_metric(r#"{"count": "status[$order] == 1"}"#, "count: whose map is \"status\"? write \"db.status\"");
    check_metric(
        r#"{"count": "shop.near[$order] == 1"}"#,
        "count: shop.near is in memory, another one in each replica; make it one of \"maps\"",
    );
    check_metric(
        r#"{"count": "ok == 0"}"#,
        "count: whose requests? there are order, visit; name a fact, or a cell by \"$name\", of one of them",
    );
    check_metric(
        r#"{"count": "refunded > 0 && db.status[$order] == 1"}"#,
        "count: a condition is about the keys of one \"each\"; refunded belongs to \"visit\" and $order to \"order\"",
    );
    check_metric(
        r#"{"count": "ledger.sum[$order] == 1"}"#,
        "count: a condition is about the keys of one \"each\"; ledger.sum belongs to \"visit\" and $order to \"order\"",
    );
    check_metric(
        r#"{"value": "refunded"}"#,
        "value: \"refunded\" is a fact about one key; its count over all keys is \"total(refunded)\"",
    );
    check_metric(r#"{"value": "cals"}"#, "value: no metric \"cals\"; did you mean \"calls\"?");
    check_metric(
        r#"{"value": "db.cals"}"#,
        "value: no counter \"db.cals\"; db has calls, unmet, rollbacks, deadlocks, wasted_time, hits, misses, expired, evicted, forced, logged, heuristics, conflicts, lock_waiters, in_doubt, in_doubt_time",
    );
    check_metric(
        r#"{"value": "shop->db.calls"}"#,
        "value: shop does not call db; calls are buyer->shop, clerk->bank, clerk->ledger, clerk->db",
    );
    check_metric(
        r#"{"value": "clerk->db.call"}"#,
        "value: no counter \"clerk->db.call\"; clerk->db has calls, retries, ok, error, unknown, rejected, failed, shed, late, open, limited, breaker, ejected, hedges, coalesced, exhausted, amplification",
    );
    check_metric(
        r#"{"value": "$order"}"#,
        "value: $order is one key, and this is about all; write \"count(…)\" around a condition",
    );
    check_metric(
        r#"{"value": "count(refunded / 2)"}"#,
        "value: inside \"count(…)\" whole numbers decide; there is no \"/\" and no decimal",
    );
    check_metric(r#"{"value": "total(refund)"}"#, "value: nothing records \"refund\"; facts are charged, refunded");
    check_metric(
        r#"{"peak": "shop.calls"}"#,
        "peak: \"peak\" is about a gauge: busy, waiting, in_flight, lock_waiters, in_doubt; a counter only grows",
    );
    check_metric(
        r#"{"rate": "shop.busy"}"#,
        "rate: this does not add up, so it has no rate; for a gauge there is \"peak\", for others \"value\"",
    );
    check_metric(r#"{"gap": "chraged"}"#, "gap: nothing records \"chraged\"; facts are charged, refunded");
    check_property(
        r#"{"at_most_once": "chraged"}"#,
        "at_most_once: nothing records \"chraged\"; facts are charged, refunded",
    );
    check_property(r#"{"never_negative": "db.stok"}"#, "never_negative: no map \"stok\" in db; it has status, stock");
    check_property(
        r#"{"availability": "shop", "at_least": "99%"}"#,
        "availability: no workload \"shop\"; workloads are buyer, clerk",
    );
    check_property(
        r#"{"conserved": "shop.calls", "at": "commit"}"#,
        "conserved: at each commit only cells, \"total(…)\" and \"count(…)\" are known; leave \"at\" out",
    );
    check_field(
        r#""metrics": {"a": {"value": "b + 1"}, "b": {"value": "a"}, "c": {"value": "b"}}"#,
        &[
            "metrics.a: \"a\" is worked out from itself: a from b from a",
            "metrics.b: \"b\" is worked out from itself: b from a from b",
        ],
    );
    check_field(r#""expect": {"x": 1}"#, &["expect.x: no metric \"x\"; metrics are none"]);
    check_field(
        r#""metrics": {"a": {"count": "refunded > 0"}}, "remedies": {"r": {"set": {}, "expect": {"a": [2, 1]}}}"#,
        &["remedies.r.expect.a: this range goes backwards; the smaller comes first"],
    );
}

#[test]
fn a_condition_belongs_to_the_each_of_what_it_names() {
    let fields = r#", "metrics": {
 "a": {"count": "refunded > 0 && ok == 0"}, "b": {"count": "db.status[$order] == 1"}, "c": {"sum": "noted", "where": "noted > 1"},
 "d": {"max": "refunded.first - requested.first"}, "e": {"peak": "shop.waiting"}, "f": {"rate": "clerk->bank.retries"}},
 "properties": {
 "always": {"never": "ledger.sum[$visit] == 1"}, "fixed": {"always": "db.stock['book'] >= 0"},
 "in time": {"eventually": "refunded >= 1", "within": "1m"}, "quick": {"latency": "clerk", "p50": "1s", "max": "2s"},
 "busy": {"sometimes": "shop.busy > 3"}, "twice": {"sometimes": "noted > 1"}}"#;
    let program = program(&scenario(r#"{"record": "noted", "key": 7}"#, fields));
    let class = |index: usize| match &program.metrics[index].measure {
        Measure::Count(of) | Measure::Sum(of, _) | Measure::Max(of, _) => of.class,
        other => panic!("{other:?}"),
    };
    assert_eq!([class(0), class(1), class(2), class(3)], [Some(Class(1)), Some(Class(0)), None, Some(Class(1))]);
    let gauged: Vec<_> = program.nodes.iter().filter(|node| node.gauged).map(|node| node.name.as_str()).collect();
    assert_eq!(gauged, ["shop"]);
    let names: Vec<_> = program.properties.iter().map(|property| property.name.as_str()).collect();
    assert_eq!(names, ["always", "fixed", "in time", "quick (p50)", "quick (max)", "busy", "twice"]);
    assert!(
        matches!(&program.properties[0].ask, Ask::Always(never) if never.class == Some(Class(1)) && never.maps.len() == 1)
    );
    assert!(
        matches!(&program.properties[1].ask, Ask::Always(fixed) if fixed.class.is_none() && fixed.facts.is_empty())
    );
    assert!(
        matches!(&program.properties[2].ask, Ask::Eventually { holds, after: None, .. } if holds.class == Some(Class(1)))
    );
    assert!(matches!(&program.properties[4].ask, Ask::Latency { share, .. } if *share == Ratio::new(1, 1).unwrap()));
    assert!(matches!(&program.properties[5].ask, Ask::SometimesRun(_)));
    assert!(matches!(&program.properties[6].ask, Ask::Sometimes(_)));
}

#[test]
fn faults_are_read_and_point_at_the_word() {
    let faults = |lines: &str| format!(r#""faults": [{lines}]"#);
    check_field(
        &faults(r#""1s.. crash db", "1s..4s partiton shop | db""#),
        &["faults[1]: \"partiton\" is not a fault; did you mean \"partition\"?"],
    );
    check_field(
        &faults(r#""0s.. loss shop->bnk 5%""#),
        &[
            "faults[0]: no node \"bnk\"; did you mean \"bank\"? nodes are shop, bank, bank-1, bank-2, db, ledger, buyer, clerk",
        ],
    );
    check_field(
        &faults(r#""loss shop->bank chrage 5%""#),
        &["faults[0]: no kind of message \"chrage\"; did you mean \"charge\"?"],
    );
    let text = scenario("", &format!(", {}", faults(r#""1s.. cut buyer->bank-3", "cut buyer->shop""#)));
    let problems = lowered(&text, &Choices::none()).unwrap_err();
    let problem = problems.iter().find(|problem| problem.path == "faults[0]").unwrap();
    let line = text.lines().nth(problem.line - 1).unwrap();
    assert!(line[problem.column - 1..].starts_with("bank-3"), "{problem:?}");
    let off = program(&scenario(
        "",
        &format!(
            ", {}",
            faults(r#""loss shop->bank charge 0%", "5s..5s crash db", "crash one of bank every 5m for 1s""#)
        ),
    ));
    assert_eq!(off.faults.len(), 1);
}

#[test]
fn links_say_what_they_damage_carry_and_keep_in_order() {
    let fields = r#", "network": {"corruption": "0.1%", "checksum": false, "bandwidth": "10MB/s", "size": "1.5KB"}, "links": {
      "shop->bank": {"queue": 100, "full": "random", "transport": "stream"},
      "shop->db": {"bandwidth": "unlimited", "checksum": true, "transport": {"stream": {"retransmit": "1s", "tries": 8}}},
      "bank->db": {"queue": "unlimited", "transport": "datagram"}
    }"#;
    let program = program(&scenario("", fields));
    let link = |from: &str, to: &str| {
        let name = |node: NodeRef| program.node(node).name.as_str();
        let found = program.links.iter().find(|(a, b, _)| (name(*a), name(*b)) == (from, to));
        found.map_or_else(|| panic!("{from}->{to}"), |(_, _, link)| link.clone())
    };
    let every = Link {
        corruption: Ratio::new(1, 1_000).unwrap(),
        checksum: false,
        bandwidth: Bandwidth::new(10_000_000),
        size: 1_500,
        ..Link::default()
    };
    assert_eq!(program.network, every);
    let transport = Transport::Stream(Stream::default());
    assert_eq!(link("shop", "bank"), Link { queue: Some(100), full: Full::Random, transport, ..every.clone() });
    let transport =
        Transport::Stream(Stream { retransmit: Duration::from_secs(1), max: Duration::from_secs(60), tries: 8 });
    assert_eq!(link("shop", "db"), Link { bandwidth: None, checksum: true, transport, ..every.clone() });
    assert_eq!(link("bank", "db"), every);
    assert_eq!(self::program(&scenario("", "")).network.size, 1_000, "a kilobyte unless said otherwise");
    check_field(
        r#""network": {"bandwidth": "10"}"#,
        &["network.bandwidth: \"10\" is not a bandwidth; write \"100KB/s\" or \"10MB/s\" (B, KB, MB or GB)"],
    );
    check_field(
        r#""network": {"size": "1kb"}"#,
        &["network.size: \"1kb\" is not a size; write \"500B\" or \"1.5KB\", below 4GB"],
    );
}

#[test]
fn what_is_said_of_few_links_counts_more_than_what_is_said_of_many() {
    let links = r#", "network": {"latency": "1ms"}, "links": {
 "shop<->bank": {"loss": "1%"}, "*->bank": {"latency": "5ms", "loss": "2%"}, "buyer->shop": {"latency": "9ms"}}"#;
    let program = program(&scenario("", links));
    let link = |from: &str, to: &str| {
        let is = |node: NodeRef, name: &str| program.node(node).name == name;
        let found = program.links.iter().find(|(a, b, _)| is(*a, from) && is(*b, to));
        found.map(|(_, _, link)| (link.latency.median().to_string(), link.loss.to_string()))
    };
    let pair = |latency: &str, loss: &str| Some((latency.to_owned(), loss.to_owned()));
    assert_eq!(link("shop", "bank"), pair("5ms", "1%"));
    assert_eq!(link("bank", "shop"), pair("1ms", "1%"));
    assert_eq!(link("clerk", "bank"), pair("5ms", "2%"));
    assert_eq!(link("buyer", "shop"), pair("9ms", "0%"));
    assert_eq!(link("shop", "db"), None);
    check_field(r#""links": {"shop->bnk": {}}"#, &["links[\"shop->bnk\"]: no node \"bnk\"; did you mean \"bank\"?"]);
    check_field(
        r#""links": {"bank-2->db": {}}"#,
        &["links[\"bank-2->db\"]: a link is that of all replicas; write \"bank\" for \"bank-2\""],
    );
}

#[test]
fn what_never_ends_needs_an_end() {
    let endless = |workload: &str, every: &str| {
        format!(
            r#"{{"faultline": 1, "name": "x", "nodes": {{"shop": {{"kind": "service", "endpoints": {{"sweep": {every}}}}}}},
 "workload": {{"w": {{{workload}, "each": "order", "do": []}}}}}}"#
        )
    };
    let check = |workload: &str, every: &str, expected: &[&str]| assert_eq!(told(&endless(workload, every)), expected);
    let limited = r#""rate": "1/s", "limit": 1"#;
    let forever = r#"{"every": "30s", "do": []}"#;
    check(
        limited,
        forever,
        &["nodes.shop.endpoints.sweep: shop.sweep runs every 30s for ever; give the scenario an \"until\""],
    );
    check(
        limited,
        r#"{"every": "0s", "do": []}"#,
        &["nodes.shop.endpoints.sweep.every: every 0s lets no time pass; write how often, such as \"30s\""],
    );
    let start = r#"{"at_start": true, "do": []}"#;
    check(
        r#""users": 1"#,
        start,
        &["workload.w: w goes on for ever; give it a \"limit\" or a \"for\", or the scenario an \"until\""],
    );
    check(r#""stages": [{"for": "1s", "rate": "1/s"}]"#, start, &[]);
    check(
        r#""users": 1, "rate": "1/s", "limit": 1"#,
        start,
        &["workload.w: a workload has one pace; this one has \"rate\" and \"users\""],
    );
}

#[test]
fn two_workloads_have_two_names() {
    let text = scenario("", "").replace(r#""each": "visit""#, r#""each": "order""#).replace("$visit", "$order");
    assert_eq!(
        told(&text),
        [
            "workload.clerk.each: \"order\" is the \"each\" of buyer already; two workloads have two names for their keys"
        ]
    );
    let text = scenario("", "").replace(r#""clerk""#, r#""db""#);
    assert_eq!(told(&text), ["workload.db: \"db\" is a node and a workload; give one of them another name"]);
}

#[test]
fn what_runs_and_is_probably_not_meant_is_a_warning() {
    let unsafe_retry = "[0]: bank.charge records \"charged\" and is retried on unknown without \"once\"";
    check_steps(r#"{"call": "bank.charge", "retry": 3}"#, &[unsafe_retry]);
    check_steps(r#"{"call": "bank.charge", "retry": 1}"#, &[]);
    check_steps(r#"{"call": "bank.charge", "retry": {"tries": 2, "on": ["refused"]}}"#, &[]);
    check_steps(r#"{"try": [{"if": "'a' == 'b'", "then": [{"call": "bank.charge"}]}], "retry": 3}"#, &[]);
    check_steps(r#"{"try": [{"call": "bank.charge"}], "retry": 3}"#, &[unsafe_retry]);
    let own = "[0]: shop.pay records \"paid\" and is retried on unknown without \"once\"";
    check_steps(r#"{"try": [{"record": "paid"}, {"read": "db.stock[1]"}], "retry": 3}"#, &[own]);
    check_steps(r#"{"try": [{"read": "db.stock[1]"}, {"record": "paid"}], "retry": 3}"#, &[]);
    check_steps(
        r#"{"try": [{"transaction": [{"set": "db.stock[1]", "to": 1, "where": "value == null"}, {"record": "paid"}]}, {"read": "db.stock[1]"}], "retry": 3}"#,
        &[],
    );
    check_steps(
        r#"{"try": [{"once": "$order", "in": "seen", "do": [{"record": "paid"}]}, {"read": "db.stock[1]"}], "retry": 3}"#,
        &[],
    );
    check_steps(
        r#"{"try": [{"once": null, "in": "seen", "do": [{"record": "paid"}]}, {"read": "db.stock[1]"}], "retry": 3}"#,
        &[own],
    );
    let text =
        scenario(r#"{"call": "bank.charge", "retry": 3}"#, r#", "properties": {"p": {"sometimes": "charged > 1"}}"#);
    assert_eq!(told(&text), [""; 0]);
}

#[test]
fn what_a_consumer_does_before_it_fails_is_done_again_when_it_tries_again() {
    let told = |retry: &str, steps: &str| {
        told(&format!(
            r#"{{"faultline": 1, "name": "x", "until": "1h", "nodes": {{
 "q": {{"kind": "queue", "visibility": "30s"}}, "db": {{"kind": "store", "maps": {{"stock": {{"book": 3}}}}}},
 "post": {{"kind": "service", "maps": {{"keys": {{}}}}, "endpoints": {{"take": {{"from": "q", "retry": {retry}, "do": [{steps}]}}}}}}}},
 "workload": {{"w": {{"rate": "1/s", "limit": 1, "each": "order", "do": [{{"publish": "q"}}]}}}}}}"#
        ))
    };
    let may_fail = r#"{"chance": "10%", "then": [{"fail": "bug"}]}"#;
    let mail = r#"{"record": "mail"}"#;
    let said = |on: &str| {
        format!(
            "nodes.post.endpoints.take: post.take records \"mail\" and tries a message again{on}, which may fail behind that, without \"once\""
        )
    };
    let mailed = format!("{mail}, {may_fail}");
    assert_eq!(told("3", &mailed), [said("")]);
    assert_eq!(told(r#"{"tries": 3, "on": ["bug"]}"#, &mailed), [said(" on bug")]);
    assert_eq!(told("3", &format!(r#"{mail}, {{"read": "db.stock[1]"}}"#)), [said("")]);
    assert_eq!(told("3", &format!(r#"{{"set": "db.stock['book']", "to": "= value - 1"}}, {may_fail}"#)).len(), 1);
    // What is done last, what is known again, and what is tried once.
    assert_eq!(told("3", &format!("{may_fail}, {mail}")), [""; 0]);
    assert_eq!(told("1", &mailed), [""; 0]);
    assert_eq!(told(r#"{"tries": 3, "on": ["refused"]}"#, &mailed), [""; 0]);
    let once = format!(r#"{{"once": "$message", "in": "keys", "do": [{mail}]}}, {may_fail}"#);
    assert_eq!(told("3", &once), [""; 0]);
}

/// Services that a retried step asks, and the warnings about it.
fn check_asked(call: &str, nodes: &str, expected: &[&str]) {
    let text = format!(
        r#"{{"faultline": 1, "name": "x", "until": "1h", "nodes": {{{nodes}}},
 "workload": {{"w": {{"rate": "1/s", "limit": 1, "each": "order", "do": [{call}]}}}}}}"#
    );
    let expected: Vec<_> = expected.iter().map(|said| format!("workload.w.do[0]: {said}")).collect();
    assert_eq!(told(&text), expected, "{call} {nodes}");
}

fn shop(sell: &str) -> String {
    format!(
        r#""db": {{"kind": "store", "maps": {{"stock": {{"book": 3}}, "log": {{}}}}}},
 "shop": {{"kind": "service", "maps": {{"seen": {{}}}}, "endpoints": {{"sell": [{sell}]}}}}"#
    )
}

#[test]
fn a_cell_that_is_changed_by_what_it_held_is_not_safe_to_be_changed_again() {
    let own = "w sets db.stock to what it makes of its value and is retried on unknown without \"once\"";
    let less = r#"{"set": "db.stock['book']", "to": "= value - 1", "where": "value >= 1", "retry": 3}"#;
    let db = r#""db": {"kind": "store", "maps": {"stock": {"book": 3}}}"#;
    check_asked(less, db, &[own]);
    check_asked(&less.replace("value >= 1", "value == 3"), db, &[]);
    check_asked(&less.replace(r#", "retry": 3"#, ""), db, &[]);
}

#[test]
fn what_a_callee_changes_by_what_it_held_is_changed_again_by_another_try() {
    let sold = "shop.sell sets db.stock to what it makes of its value and is retried on unknown without \"once\"";
    let call = r#"{"call": "shop.sell", "timeout": "1s", "retry": 3}"#;
    let check = |sell: &str, expected: &[&str]| check_asked(call, &shop(sell), expected);
    check(r#"{"set": "db.stock['book']", "to": "= value - 1"}"#, &[sold]);
    check(r#"{"set": "db.stock['book']", "to": "= value - 1", "where": "value >= 1"}"#, &[sold]);
    // Read before, and read anew by the next try.
    check(r#"{"read": "db.stock['book']", "as": "left"}, {"set": "db.stock['book']", "to": "= $left - 1"}"#, &[sold]);
    check(
        r#"{"read": "db.stock['book']", "as": "left"}, {"set": "db.stock['book']", "to": "= $left - 1", "where": "value == $left"}"#,
        &[sold],
    );
    // What is the same however often it is done, and what fails the second time.
    check(r#"{"set": "db.stock['book']", "to": 2}"#, &[]);
    check(r#"{"set": "db.stock['book']", "to": "= min(value, 2)"}"#, &[]);
    check(r#"{"set": "db.stock['book']", "to": "= value - 1", "where": "value == 3"}"#, &[]);
    check(
        r#"{"set": "db.log[$order]", "to": 1, "where": "value == null"}, {"set": "db.stock['book']", "to": "= value - 1"}"#,
        &[],
    );
    check(r#"{"once": "$order", "in": "seen", "do": [{"set": "db.stock['book']", "to": "= value - 1"}]}"#, &[]);
    // A try around steps that ends with what nobody can be unsure of.
    let tried = |steps: &str, expected: &[&str]| {
        check_asked(&format!(r#"{{"try": [{steps}], "retry": 3}}"#), &shop(r#"{"work": "1ms"}"#), expected);
    };
    let own = "w sets db.stock to what it makes of its value and is retried on unknown without \"once\"";
    let called = r#"{"call": "shop.sell"}"#;
    tried(&format!(r#"{{"set": "db.stock['book']", "to": "= value - 1"}}, {called}"#), &[own]);
    tried(&format!(r#"{called}, {{"set": "db.stock['book']", "to": "= value - 1"}}"#), &[own]);
}

#[test]
fn a_key_that_is_another_one_at_each_try_protects_nothing() {
    let bank = |key: &str| {
        format!(
            r#""bank": {{"kind": "service", "maps": {{"keys": {{}}}}, "endpoints": {{"charge": [{{"once": "{key}", "in": "keys", "do": [{{"record": "charged"}}]}}]}}}}"#
        )
    };
    let fresh =
        "bank.charge records \"charged\" and is retried on unknown and its \"once\" has another key at each try";
    let call =
        |with: &str| format!(r#"{{"call": "bank.charge", "with": {{"key": {with}}}, "timeout": "1s", "retry": 3}}"#);
    check_asked(&call(r#""$order/$try""#), &bank("$key"), &[fresh]);
    check_asked(&call(r#""= $order * 10 + $try""#), &bank("$key"), &[fresh]);
    check_asked(&call(r#""= now""#), &bank("$key"), &[fresh]);
    check_asked(&call(r#""$order""#), &bank("$key"), &[]);
    check_asked(&call(r#""$order""#), &bank("= now"), &[fresh]);
    // The callee's own tries are counted there: each request begins with the first.
    check_asked(&call(r#""$order""#), &bank("$order/$try"), &[]);
    let own = |retry: &str| {
        format!(
            r#"{{"try": [{{"call": "bank.charge", "with": {{"key": "$order/$try"}}, "timeout": "1s"{retry}}}], "retry": 3}}"#
        )
    };
    check_asked(&own(""), &bank("$key"), &[fresh]);
}

#[test]
fn a_message_that_is_published_again_needs_a_consumer_who_knows_it_again() {
    let nodes = |handle: &str| {
        format!(
            r#""jobs": {{"kind": "queue", "visibility": "30s"}}, "worker": {{"kind": "service", "maps": {{"seen": {{}}}}, "endpoints": {{
 "handle": {{"from": "jobs", "do": [{handle}]}}}}}}"#
        )
    };
    let publish = r#"{"publish": "jobs", "timeout": "1s", "retry": 3}"#;
    let twice =
        "w publishes to jobs, whose consumer does not know a message again, and is retried on unknown without \"once\"";
    check_asked(publish, &nodes(r#"{"work": "1s"}"#), &[twice]);
    let done = "worker.handle records \"done\" and is retried on unknown without \"once\"";
    check_asked(publish, &nodes(r#"{"record": "done"}"#), &[done]);
    // Each of the two messages has a number of its own.
    let numbered =
        "worker.handle records \"done\" and is retried on unknown and its \"once\" has another key at each try";
    let once = |key: &str| nodes(&format!(r#"{{"once": "{key}", "in": "seen", "do": [{{"record": "done"}}]}}"#));
    check_asked(publish, &once("$message"), &[numbered]);
    check_asked(publish, &once("$order"), &[]);
    check_asked(r#"{"publish": "jobs", "timeout": "1s"}"#, &nodes(r#"{"work": "1s"}"#), &[]);
}

#[test]
fn what_stands_before_a_failure_that_is_tried_again_is_done_again() {
    let bank = |steps: &str| {
        format!(
            r#""fees": {{"kind": "service", "endpoints": {{"take": [{{"fail": "bug"}}]}}}},
 "db": {{"kind": "store", "maps": {{"rows": {{}}}}}},
 "bank": {{"kind": "service", "endpoints": {{"charge": [{steps}]}}}}"#
        )
    };
    let call = |on: &str| format!(r#"{{"call": "bank.charge", "retry": {{"tries": 3, "on": ["{on}"]}}}}"#);
    let take = r#"{"call": "fees.take"}"#;
    let said = |on: &str| {
        format!("bank.charge records \"charged\" and is retried on {on}, which may come behind that, without \"once\"")
    };
    let (bug, error, refused) = (said("bug"), said("error"), said("refused"));
    let uncalled = "nobody calls fees.take";
    let check = |on: &str, steps: &str, expected: &str| {
        let text = told(&format!(
            r#"{{"faultline": 1, "name": "x", "until": "1h", "nodes": {{{}}},
 "workload": {{"w": {{"rate": "1/s", "limit": 1, "each": "order", "do": [{}]}}}}}}"#,
            bank(steps),
            call(on)
        ));
        let found: Vec<_> = text.iter().filter(|said| !said.contains(uncalled)).collect();
        let expected = if expected.is_empty() { vec![] } else { vec![format!("workload.w.do[0]: {expected}")] };
        assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{on} {steps}");
    };
    check("bug", r#"{"record": "charged"}, {"fail": "bug"}"#, &bug);
    check("error", r#"{"record": "charged"}, {"fail": "bug"}"#, &error);
    check("bug", &format!(r#"{{"record": "charged"}}, {take}"#), &bug);
    check("refused", &format!(r#"{{"record": "charged"}}, {take}"#), &refused);
    // Before it, in another branch, behind a guard, or where it is caught, nothing is done twice.
    check("bug", r#"{"chance": "1%", "then": [{"fail": "bug"}]}, {"record": "charged"}"#, "");
    check("bug", r#"{"chance": "1%", "then": [{"fail": "bug"}], "else": [{"record": "charged"}]}"#, "");
    check("bug", r#"{"record": "charged"}, {"chance": "1%", "then": [{"reply": 1}], "else": [{"fail": "bug"}]}"#, &bug);
    check("bug", &format!(r#"{take}, {{"record": "charged"}}"#), "");
    check("bug", r#"{"record": "charged"}, {"call": "fees.take", "on": {"bug": []}}"#, "");
    check("refused", r#"{"record": "charged"}, {"fail": "bug"}"#, "");
    check("bug", r#"{"transaction": [{"set": "db.rows[1]", "to": 1}, {"record": "charged"}, {"fail": "bug"}]}"#, "");
}

#[test]
fn an_outcome_of_a_policy_that_nothing_has_is_told_with_the_one_that_was_meant() {
    let check = |clause: &str, expected: &str| {
        let found = told(&scenario(&format!(r#"{{"call": "bank.refund", {clause}}}"#), ""));
        let beside = |said: &String| said.contains("without \"once\"") || said.contains("whose fact is");
        let found: Vec<_> = found.into_iter().filter(|said| !beside(said)).collect();
        assert_eq!(found, [format!("nodes.shop.endpoints.pay[0].{expected}")], "{clause}");
    };
    let timeout = "nothing fails with \"tiemout\"; did you mean \"timeout\"?";
    for (profile, name) in [
        ("resilience4j", "retryExceptions"),
        ("resilience4j", "ignoreExceptions"),
        ("polly", "ShouldHandle"),
        ("envoy", "retry_on"),
        ("aws-sdk", "retryable"),
        ("stripe-node", "retryable"),
        ("temporal", "nonRetryableErrorTypes"),
    ] {
        let clause = format!(r#""retry": {{"profile": "{profile}", "{name}": ["tiemout"]}}"#);
        check(&clause, &format!("retry.{name}[0]: {timeout}"));
    }
    let grpc = r#""retry": {"profile": "grpc", "maxAttempts": 2, "initialBackoff": "1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": "#;
    check(
        &format!("{grpc}[\"UNAVAILABLE\"]}}"),
        "retry.retryableStatusCodes[0]: nothing fails with \"UNAVAILABLE\"; that is called \"unavailable\", \"refused\" or \"reset\" here",
    );
    check(
        &format!("{grpc}[\"Timeout\"]}}"),
        "retry.retryableStatusCodes[0]: nothing fails with \"Timeout\"; did you mean \"timeout\"?",
    );
    check(
        r#""hedge": {"profile": "grpc", "maxAttempts": 2, "nonFatalStatusCodes": ["tiemout"]}"#,
        &format!("hedge.nonFatalStatusCodes[0]: {timeout}"),
    );
    check(
        r#""hedge": {"profile": "polly", "ShouldHandle": ["tiemout"]}"#,
        &format!("hedge.ShouldHandle[0]: {timeout}"),
    );
    check(r#""hedge": {"delay": "1s", "on": ["tiemout"]}"#, &format!("hedge.on[0]: {timeout}"));
    check(
        r#""retry": {"tries": 2, "on": ["no_mony"]}"#,
        "retry.on[0]: nothing fails with \"no_mony\"; did you mean \"no_money\"?",
    );
    check(
        r#""retry": {"profile": "envoy", "retry_on": ["5xx"]}"#,
        "retry.retry_on[0]: nothing fails with \"5xx\"; that is called \"unavailable\", \"overloaded\" or \"timeout\" here",
    );
    check(
        r#""retry": {"profile": "polly", "ShouldHandle": ["strange"]}"#,
        "retry.ShouldHandle[0]: nothing fails with \"strange\"",
    );
}

#[test]
fn clauses_that_come_to_nothing_are_told_where_they_stand() {
    let check = |clauses: &str, expected: &[&str]| {
        let mut found = told(&scenario(&format!(r#"{{"call": "bank.charge", {clauses}}}"#), ""));
        found.retain(|said| !said.contains("\"once\""));
        let expected: Vec<_> = expected.iter().map(|said| format!("nodes.shop.endpoints.pay[0].{said}")).collect();
        assert_eq!(found, expected, "{clauses}");
    };
    check(r#""timeout": "0s""#, &["timeout: no answer comes in no time; write a longer \"timeout\""]);
    check(r#""deadline": "0s""#, &["deadline: no answer comes in no time; write a longer \"deadline\""]);
    check(r#""timeout": "1s", "hedge": "999ms""#, &[]);
    let late =
        |delay: &str, end: &str| format!("hedge: nothing is asked a second time: {delay} is not before the {end}");
    check(r#""timeout": "1s", "hedge": "1s""#, &[&late("1s", "timeout, 1s")]);
    check(r#""deadline": "3s", "hedge": {"delay": "5s"}"#, &[&late("5s", "deadline, 3s")]);
    check(r#""timeout": "1s", "hedge": {"profile": "polly"}"#, &[&late("2s", "timeout, 1s")]);
    let never = "retry.jitter: decorrelated jitter grows from \"wait\", and without one it never waits";
    check(r#""retry": {"tries": 3, "jitter": "decorrelated"}"#, &[never]);
    check(r#""retry": {"tries": 3, "jitter": "decorrelated", "wait": "1ms"}"#, &[]);
    let shorter = "retry.max_wait: the longest wait, 1s, is shorter than the first, 2s: each is 1s";
    check(r#""retry": {"tries": 3, "wait": "2s", "max_wait": "1s"}"#, &[shorter]);
    let unheard = |name: &str, other: &str| format!("retry.{name}: \"{name}\" says nothing {other}");
    let envoy = |more: &str| format!(r#""retry": {{"profile": "envoy", "retry_on": ["error"], {more}}}"#);
    check(&envoy(r#""budget_percent": 30"#), &[&unheard("budget_percent", "without \"retry_budget\"")]);
    check(&envoy(r#""budget_percent": 30, "retry_budget": true"#), &[]);
    check(&envoy(r#""max_retries": 5, "retry_budget": true"#), &[&unheard("max_retries", "beside \"retry_budget\"")]);
    let random = unheard("randomizedWaitFactor", "without \"enableRandomizedWait\"");
    check(r#""retry": {"profile": "resilience4j", "randomizedWaitFactor": 0.3}"#, &[&random]);
    let unbuilt = "retry.initial_requests: \"initial_requests\" of envoy is not here: Envoy itself has not implemented it: one request is \
        sent at first; \"hedge_on_per_try_timeout\" sends more";
    check(&envoy(r#""initial_requests": 2"#), &[unbuilt]);
    let none = "limiter.rate: a limiter of no rate soon lets nothing pass; write a rate above 0/s";
    check(r#""limiter": {"rate": "0/s"}"#, &[none]);
    let fair = "bulkhead.fairCallHandlingEnabled: \"fairCallHandlingEnabled\" of resilience4j is not here: whoever waits is served \
        first come first served, which is the library's default, true";
    check(r#""bulkhead": {"profile": "resilience4j", "fairCallHandlingEnabled": false}"#, &[fair]);
    let function = "breaker.BreakDurationGenerator: \"BreakDurationGenerator\" of polly is not here: it is a function of the program; \
        \"BreakDuration\" is one length for every time";
    check(r#""breaker": {"profile": "polly", "BreakDurationGenerator": "1s"}"#, &[function]);
}

/// What is said of a call to the bank with these clauses, the risk of charging twice left out.
fn check_clauses(clauses: &str, expected: &[&str]) {
    let mut found = told(&scenario(&format!(r#"{{"call": "bank.charge", {clauses}}}"#), ""));
    found.retain(|said| !said.contains("\"once\""));
    let expected: Vec<_> = expected.iter().map(|said| format!("nodes.shop.endpoints.pay[0].{said}")).collect();
    assert_eq!(found, expected, "{clauses}");
}

#[test]
fn a_retry_that_is_never_made_is_told_where_it_stands() {
    let check = check_clauses;
    let empty = "retry.budget.burst: there is never a retry: it costs 1, and this budget holds 0 at most; write a larger \"burst\"";
    check(r#""retry": {"tries": 3, "budget": {"ratio": "10%", "burst": 0}}"#, &[empty]);
    check(r#""retry": {"tries": 3, "budget": {"ratio": "10%", "burst": 1}}"#, &[]);
    let dry = "this budget gains nothing: after 10 there is never another retry; write a ratio above 0";
    check(r#""retry": {"tries": 3, "budget": {"ratio": "0%"}}"#, &[&format!("retry.budget.ratio: {dry}")]);
    check(r#""retry": {"tries": 3, "budget": "0%"}"#, &[&format!("retry.budget: {dry}")]);
    let hedge = "hedge.budget.burst: there is never a further request: it costs 1, and this budget holds 0 at most; write a larger \"burst\"";
    check(r#""hedge": {"delay": "1s", "budget": {"ratio": "5%", "burst": 0}}"#, &[hedge]);
    let nothing =
        "retry.on: this names nothing to try again; leave \"retry\" out, or \"on\" to try again what usually is";
    check(r#""retry": {"tries": 3, "on": []}"#, &[nothing]);
    let late = "retry.wait: nothing is ever tried again: a wait of 2s is not shorter than the deadline, 2s";
    check(r#""deadline": "2s", "retry": {"tries": 3, "wait": "2s"}"#, &[late]);
    check(r#""deadline": "2s", "retry": {"tries": 3, "wait": "2s", "jitter": "full"}"#, &[]);
    let finagle = "retry.budget.percentCanRetry: nothing is ever tried again: requests bring no retry (percentCanRetry), and none is \
        free (minRetriesPerSec)";
    let budget = |more: &str| format!(r#""retry": {{"tries": 3, "budget": {{"profile": "finagle", {more}}}}}"#);
    check(&budget(r#""percentCanRetry": 0, "minRetriesPerSec": 0"#), &[finagle]);
    check(&budget(r#""percentCanRetry": 0"#), &[]);
    check(&budget(r#""minRetriesPerSec": 0"#), &[]);
    let aws = |more: &str| format!(r#""retry": {{"profile": "aws-sdk", {more}}}"#);
    let of = |said: &str| format!("retry.retryQuota: {said}");
    let none = of("nothing is ever tried again: a retry costs 5 tokens at least, and there are 4 at most");
    check(&aws(r#""retryQuota": 4"#), &[&none]);
    let slow = of("what times out is never tried again: that costs 10 tokens, and there are 9 at most");
    check(&aws(r#""retryQuota": 9"#), &[&slow]);
    let dear = of("only what times out is ever tried again: any other retry costs 20 tokens, and there are 15 at most");
    check(&aws(r#""retryQuota": 15, "retryCost": 20"#), &[&dear]);
    check(&aws(r#""retryQuota": 10"#), &[]);
    check(
        r#""retry": {"profile": "envoy"}"#,
        &["retry.profile: nothing is ever tried again: \"retry_on\" names no outcome"],
    );
    let envoy = |more: &str| format!(r#""retry": {{"profile": "envoy", "retry_on": ["timeout"], {more}}}"#);
    let endless = "retry.retry_on: no try is ended by a timeout: Envoy's own is that of the whole route (a \"deadline\" here), after \
        which nothing is tried again; write a \"per_try_timeout\"";
    check(&envoy(r#""num_retries": 2"#), &[endless]);
    check(&envoy(r#""per_try_timeout": "1s""#), &[]);
    check(&format!(r#""timeout": "1s", {}"#, envoy(r#""num_retries": 2"#)), &[]);
    let concurrent = "retry.max_retries: nothing is ever tried again: max_retries allows none at once";
    check(&envoy(r#""per_try_timeout": "1s", "max_retries": 0"#), &[concurrent]);
    let grpc = |more: &str| {
        format!(
            r#""retry": {{"profile": "grpc", "maxAttempts": 2, "initialBackoff": "1s", "maxBackoff": "1s", "backoffMultiplier": 2, {more}}}"#
        )
    };
    let listed = "retry.retryableStatusCodes: retryableStatusCodes names no outcome; name one at least";
    check(&grpc(r#""retryableStatusCodes": []"#), &[listed]);
    check(
        &grpc(r#""retryableStatusCodes": ["unavailable"], "maxTokens": 10, "tokenRatio": 0.0005"#),
        &["retry.tokenRatio: tokenRatio: 0.0005 is below 0.001"],
    );
    let all = "nothing is ever tried again: this takes in all that would be";
    check(
        r#""retry": {"profile": "temporal", "maximumAttempts": 3, "nonRetryableErrorTypes": ["error", "unknown"]}"#,
        &[&format!("retry.nonRetryableErrorTypes: {all}")],
    );
    check(
        r#""retry": {"profile": "resilience4j", "retryExceptions": ["timeout"], "ignoreExceptions": ["unknown"]}"#,
        &[&format!("retry.ignoreExceptions: {all}")],
    );
    check(
        r#""retry": {"profile": "polly", "ShouldHandle": []}"#,
        &[
            "retry.ShouldHandle: \"ShouldHandle\" without any outcome is as if it were not written; name some, or leave it out",
        ],
    );
}

#[test]
fn tries_that_overlap_are_told_where_they_come_to_nothing_and_what_they_cannot_stand_beside() {
    let clause = |on: &str, more: &str| {
        format!(r#""retry": {{"profile": "envoy", "retry_on": [{on}], "hedge_on_per_try_timeout": true{more}}}"#)
    };
    let of = |said: &str| format!("retry.hedge_on_per_try_timeout: {said}");
    let check = |clauses: &str, expected: &[&str]| check_clauses(clauses, expected);
    check(&clause(r#""unavailable""#, r#", "per_try_timeout": "1s""#), &[]);
    check(&format!(r#""timeout": "1s", {}"#, clause(r#""unavailable""#, "")), &[]);
    // It is no error of the list: a callee may answer so.
    check(&clause(r#""timeout""#, r#", "per_try_timeout": "1s""#), &[]);
    let none = of("nothing is hedged: no try takes too long without a \"per_try_timeout\"");
    check(&clause(r#""unavailable""#, ""), &[&none]);
    let late = of("nothing is hedged: the deadline of 1s is over before a try takes too long, 2s");
    check(&format!(r#""deadline": "1s", {}"#, clause(r#""unavailable""#, r#", "per_try_timeout": "2s""#)), &[&late]);
    let empty =
        of("nothing is hedged where \"retry_on\" names no outcome, and then per_try_timeout ends nothing either");
    check(
        &clause("", r#", "per_try_timeout": "1s""#),
        &["retry.retry_on: nothing is ever tried again: \"retry_on\" names no outcome", &empty],
    );
    let no_retries = of("nothing is hedged: a hedged try is one of num_retries, and there are none");
    check(&clause(r#""unavailable""#, r#", "per_try_timeout": "1s", "num_retries": 0"#), &[&no_retries]);
    let timed = clause(r#""unavailable""#, r#", "per_try_timeout": "1s""#);
    let hedge = of("a \"hedge\" beside it sends further requests too; leave one of them out");
    check(&format!(r#""hedge": "100ms", {timed}"#), &[&hedge]);
    let guard = of(
        "what is asked before each try cannot stand around tries that overlap; put it on a \"try\" around this step",
    );
    check(&format!(r#""bulkhead": {{"max": 3}}, {timed}"#), &[&guard]);
    let group = told(&scenario(&format!(r#"{{"try": [{{"call": "bank.charge"}}], {timed}}}"#), ""));
    let alone = "nodes.shop.endpoints.pay[0].retry.hedge_on_per_try_timeout: tries overlap of one request alone, and this step \
        sends none of its own; give the \"retry\" to the call inside";
    assert!(group.iter().any(|said| said == alone), "{group:?}");
}

#[test]
fn a_part_of_a_wait_that_says_nothing_is_told_where_it_stands() {
    let check = |parts: &str, expected: &[&str]| {
        let expected: Vec<_> = expected.iter().map(|said| format!("retry.{said}")).collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check_clauses(&format!(r#""retry": {{"tries": 3, {parts}}}"#), &expected);
    };
    let without = |name: &str| format!("{name}: \"{name}\" says nothing without a \"wait\"");
    check(r#""jitter": "full""#, &[&without("jitter")]);
    check(r#""factor": 2, "max_wait": "1s""#, &[&without("factor"), &without("max_wait")]);
    check(r#""backoff": "linear""#, &[&without("backoff")]);
    check(r#""jitter": "none", "factor": 1"#, &[]);
    check(r#""wait": "1s", "factor": 2, "max_wait": "9s", "jitter": "equal""#, &[]);
    check(r#""wait": "1s", "backoff": "linear", "max_wait": "9s""#, &[]);
    check(
        r#""wait": "1s", "max_wait": "9s""#,
        &["max_wait: each wait is 1s: \"max_wait\" says nothing where it does not grow"],
    );
    check(
        r#""wait": "1s", "backoff": "exponential""#,
        &["backoff: an exponential wait grows by \"factor\", and without one each is 1s"],
    );
    check(r#""wait": "1s", "backoff": "exponential", "factor": 2"#, &[]);
    let itself = |name: &str| format!("{name}: decorrelated jitter grows by itself: \"{name}\" says nothing beside it");
    check(r#""wait": "1s", "factor": 2, "jitter": "decorrelated""#, &[&itself("factor")]);
    check(r#""wait": "1s", "backoff": "linear", "jitter": "decorrelated""#, &[&itself("backoff")]);
    check(
        r#""wait": "1s", "backoff": "linear", "factor": 2"#,
        &["factor: a linear wait grows by \"wait\" each time; leave \"factor\" or \"backoff\" out"],
    );
    let chosen = |parts: &str| {
        let settings = r#", "settings": {"wait": {"default": "0s"},
            "jitter": {"default": "decorrelated", "choices": ["none", "decorrelated"]}}"#;
        let call = format!(r#"{{"call": "bank.charge", "retry": {{"tries": 3, {parts}}}}}"#);
        told(&scenario(&call, settings)).into_iter().filter(|said| said.contains("says nothing")).count()
    };
    assert_eq!(chosen(r#""wait": "${wait}", "factor": 2, "jitter": "full""#), 0, "a setting has turned it off");
    assert_eq!(chosen(r#""wait": "1s", "factor": 2, "jitter": "${jitter}""#), 0);
    assert_eq!(chosen(r#""factor": 2, "jitter": "full""#), 2);
    check(
        r#""wait": "1s", "backoff": "linaer""#,
        &["backoff: \"backoff\": \"linaer\" is not known; did you mean \"linear\"?"],
    );
}

#[test]
fn a_guard_that_never_does_what_it_is_for_is_told_where_it_stands() {
    let check = check_clauses;
    let waits = "bulkhead.wait: nobody waits that long: the timeout of 1s is over before 5s are";
    check(r#""timeout": "1s", "bulkhead": {"max": 3, "wait": "5s"}"#, &[waits]);
    check(r#""timeout": "1s", "bulkhead": {"max": 3, "wait": "5s"}, "order": ["bulkhead", "timeout"]"#, &[]);
    check(r#""timeout": "5s", "bulkhead": {"max": 3, "wait": "1s"}"#, &[]);
    let r4j = "bulkhead.maxWaitDuration: nobody waits that long: the deadline of 2s is over before 2s are";
    check(r#""deadline": "2s", "bulkhead": {"profile": "resilience4j", "maxWaitDuration": "2s"}"#, &[r4j]);
    let cycles = r#""limiter": {"profile": "resilience4j", "timeoutDuration": "3s"}"#;
    check(&format!(r#""timeout": "1s", {cycles}"#), &[]);
    let limiter = "limiter.timeoutDuration: nobody waits that long: the timeout of 1s is over before 3s are";
    check(&format!(r#""timeout": "1s", {cycles}, "order": ["timeout", "limiter"]"#), &[limiter]);
    check(r#""timeout": "3s", "deadline": "2s""#, &["timeout: the deadline of 2s is over before this timeout of 3s"]);

    let pool = |more: &str| format!(r#""bulkhead": {{"profile": "hystrix", {more}}}"#);
    let semaphore = "\"execution.isolation.strategy\": \"SEMAPHORE\"";
    let core = format!("bulkhead.coreSize: \"coreSize\" says nothing beside {semaphore}");
    check(&pool(r#""execution.isolation.strategy": "SEMAPHORE", "coreSize": 20"#), &[&core]);
    check(
        &pool(r#""execution.isolation.semaphore.maxConcurrentRequests": 20"#),
        &[
            "bulkhead[\"execution.isolation.semaphore.maxConcurrentRequests\"]: \"execution.isolation.semaphore.maxConcurrentRequests\" says \
            nothing beside \"execution.isolation.strategy\": \"THREAD\"",
        ],
    );
    check(
        &pool(r#""queueSizeRejectionThreshold": 20"#),
        &[
            "bulkhead.queueSizeRejectionThreshold: \"queueSizeRejectionThreshold\" says nothing without \"maxQueueSize\"",
        ],
    );
    check(&pool(r#""queueSizeRejectionThreshold": 20, "maxQueueSize": 20"#), &[]);

    let breaker =
        |profile: &str, more: &str| format!(r#""timeout": "1s", "breaker": {{"profile": "{profile}", {more}}}"#);
    let first = "breaker[\"circuitBreaker.forceClosed\"]: \"circuitBreaker.forceClosed\" says nothing beside \"circuitBreaker.forceOpen\"";
    check(&breaker("hystrix", r#""circuitBreaker.forceOpen": true, "circuitBreaker.forceClosed": true"#), &[first]);
    let above = "breaker.errorThresholdPercentage: it opens above errorThresholdPercentage, not at it: when every call fails, that is \
        100 % and not more; write less than 100";
    check(&breaker("opossum", r#""errorThresholdPercentage": 100"#), &[above]);
    check(&breaker("opossum", r#""errorThresholdPercentage": 99.9"#), &[]);
    let at_once = "breaker[\"circuitBreaker.errorThresholdPercentage\"]: it opens although nothing fails: none of the calls is 0 %, and that \
        is enough";
    check(&breaker("hystrix", r#""circuitBreaker.errorThresholdPercentage": 0"#), &[at_once]);
    check(&breaker("hystrix", r#""circuitBreaker.errorThresholdPercentage": 100"#), &[]);
    let all = "nothing is left that opens it: this takes in all that fails";
    let ignored = format!("breaker.ignoreExceptions: {all}");
    check(&breaker("resilience4j", r#""recordExceptions": ["timeout"], "ignoreExceptions": ["unknown"]"#), &[&ignored]);
    check(&breaker("resilience4j", r#""recordExceptions": ["unknown"], "ignoreExceptions": ["timeout"]"#), &[]);
    check(&breaker("opossum", r#""errorFilter": ["error", "unknown"]"#), &[&format!("breaker.errorFilter: {all}")]);
    let slow = "breaker.slowCallDurationThreshold: no call is slow: the timeout ends each after 1s, and slow is longer than 1s";
    check(&breaker("resilience4j", r#""slowCallDurationThreshold": "1s""#), &[slow]);
    check(&breaker("resilience4j", r#""slowCallDurationThreshold": "999ms""#), &[]);
    let disabled =
        "breaker.failureRateThreshold: \"failureRateThreshold\" says nothing beside \"initialState\": \"DISABLED\"";
    check(&breaker("resilience4j", r#""initialState": "DISABLED", "failureRateThreshold": 20"#), &[disabled]);
    let rate = "breaker.failureThreshold: \"failureThreshold\" says nothing beside \"failureRateThreshold\"";
    let timed = r#""failureThresholdingPeriod": "10s", "failureExecutionThreshold": 5, "failureRateThreshold": 50, "failureThreshold": 3"#;
    check(&breaker("failsafe", timed), &[rate]);
    check(r#""limiter": {"profile": "adaptive-throttling", "K": 0.5}"#, &["limiter.K: K: 0.5 is below 1"]);
}

#[test]
fn waits_and_tokens_of_libraries_that_come_to_nothing_are_told_where_they_stand() {
    let grpc = |more: &str| {
        format!(
            r#""retry": {{"profile": "grpc", "initialBackoff": "10ms", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["unavailable"], {more}}}"#
        )
    };
    for (tokens, left) in [(1, 0), (2, 1)] {
        let never = format!(
            "retry.maxTokens: nothing is ever tried again: the failure itself leaves {left} of {tokens} tokens, and that must be more than half; write 3 or more"
        );
        check_clauses(&grpc(&format!(r#""maxAttempts": 3, "maxTokens": {tokens}"#)), &[&never]);
    }
    check_clauses(&grpc(r#""maxAttempts": 5, "maxTokens": 3"#), &[]);
    check_clauses(&grpc(r#""maxAttempts": 9"#), &["retry.maxAttempts: more than 5 are 5: there are never 9"]);
    check_clauses(
        r#""hedge": {"profile": "grpc", "maxAttempts": 9, "hedgingDelay": "10ms"}"#,
        &["hedge.maxAttempts: more than 5 are 5: there are never 9"],
    );
    check_clauses(
        r#""hedge": {"profile": "finagle", "maxExtraLoad": 0}"#,
        &["hedge.maxExtraLoad: nothing is asked a second time: no further request is allowed"],
    );
    check_clauses(r#""hedge": {"profile": "finagle", "maxExtraLoad": 0.01}"#, &[]);
    let shorter = |name: &str, is: &str| {
        format!("{name}: the longest wait, 1s, is shorter than the first, 2s: none is longer than {is}")
    };
    check_clauses(
        r#""retry": {"profile": "polly", "Delay": "2s", "MaxDelay": "1s"}"#,
        &[&shorter("retry.MaxDelay", "1s")],
    );
    check_clauses(r#""retry": {"profile": "polly", "Delay": "2s", "MaxDelay": "2s"}"#, &[]);
    let growing = r#""enableExponentialBackoff": true, "waitDuration": "2s", "exponentialMaxWaitDuration": "1s""#;
    check_clauses(
        &format!(r#""retry": {{"profile": "resilience4j", {growing}}}"#),
        &[&shorter("retry.exponentialMaxWaitDuration", "1s")],
    );
    check_clauses(
        r#""retry": {"profile": "stripe-node", "initialNetworkRetryDelay": "2s", "maxNetworkRetryDelay": "1s"}"#,
        &[&shorter("retry.maxNetworkRetryDelay", "2s")],
    );
    let open = r#""enableExponentialBackoff": true, "waitDurationInOpenState": "2s", "exponentialMaxWaitDurationInOpenState": "1s""#;
    check_clauses(
        &format!(r#""breaker": {{"profile": "resilience4j", {open}}}"#),
        &[&shorter("breaker.exponentialMaxWaitDurationInOpenState", "1s")],
    );
    let spins = "retry.tries: for ever and without a \"wait\": what fails at once is tried again at the same instant, and time may never go on; \
        write a \"wait\"";
    check_clauses(r#""retry": {"tries": "forever"}"#, &[spins]);
    check_clauses(r#""retry": {"tries": "forever", "wait": "1ms"}"#, &[]);
    check_clauses(r#""retry": {"tries": 1000}"#, &[]);
}

#[test]
fn a_word_that_lacks_its_dollar_sign_and_a_policy_that_nobody_uses_are_told() {
    let everybody = "coalesce: this is the word \"order\" and the same for everybody, so that all share one answer; did you mean \"$order\"?";
    check_clauses(r#""coalesce": "order""#, &[everybody]);
    check_clauses(r#""coalesce": "$order""#, &[]);
    check_clauses(r#""coalesce": "all""#, &[]);
    let nobody = "policies.careful: nobody uses the policy \"careful\": a step that is to says \"policy\": \"careful\"";
    let policy = r#", "policies": {"careful": {"timeout": "1s"}}"#;
    let found = |clauses: &str| {
        let found = told(&scenario(&format!(r#"{{"call": "bank.charge"{clauses}}}"#), policy));
        found.into_iter().filter(|said| said.contains("careful")).collect::<Vec<_>>()
    };
    assert_eq!(found(""), [nobody]);
    assert_eq!(found(r#", "policy": "careful""#), [""; 0]);
}

#[test]
fn a_fallback_is_told_how_it_is_written_wherever_somebody_writes_one() {
    let on = "\"fallback\" is no word of its own: what is done instead stands in the step's \"on\", by outcome, such as \"on\": \
        {\"else\": [{\"reply\": 0}]}";
    check_clauses(r#""fallback": [{"reply": 0}]"#, &[&format!("fallback: {on}")]);
    check_clauses(
        r#""breaker": {"profile": "hystrix", "fallback.enabled": true}"#,
        &[&format!("breaker[\"fallback.enabled\"]: {on}")],
    );
    check_clauses(r#""on": {"else": [{"reply": 0}]}"#, &[]);
    let policy = r#", "policies": {"careful": {"timeout": "1s", "fallback": []}}"#;
    let found = told(&scenario(r#"{"call": "bank.charge"}"#, policy));
    assert!(found.contains(&format!("policies.careful.fallback: {on}")), "{found:?}");
}

#[test]
fn outlier_detection_that_may_take_out_nobody_is_told_where_it_stands() {
    let check = |replicas: u32, outlier: &str, expected: &[&str]| {
        let text = format!(
            r#"{{"faultline": 1, "name": "x", "until": "1m", "nodes": {{"shop": {{"kind": "service", "replicas": {replicas},
 "outlier": {{"profile": "envoy", {outlier}}}, "endpoints": {{"pay": []}}}}}},
 "workload": {{"w": {{"rate": "1/s", "each": "order", "do": [{{"call": "shop.pay"}}]}}}}}}"#
        );
        let expected: Vec<_> = expected.iter().map(|said| format!("nodes.shop.outlier{said}")).collect();
        assert_eq!(told(&text), expected, "{replicas} {outlier}");
    };
    let none =
        "of 3 nobody is ever out: one is more than max_ejection_percent; write 34, or \"always_eject_one_host\": true";
    check(3, r#""interval": "1s""#, &[&format!(": {none}")]);
    check(3, r#""max_ejection_percent": 33"#, &[&format!(".max_ejection_percent: {none}")]);
    check(3, r#""max_ejection_percent": 34"#, &[]);
    check(3, r#""always_eject_one_host": true"#, &[]);
    check(10, r#""interval": "1s""#, &[]);
    let gateway = ".consecutive_gateway_failure: \"consecutive_gateway_failure\" says nothing without \
        \"enforcing_consecutive_gateway_failure\"";
    check(10, r#""consecutive_gateway_failure": 3"#, &[gateway]);
    check(10, r#""consecutive_gateway_failure": 3, "enforcing_consecutive_gateway_failure": 100"#, &[]);
    check(10, r#""max_ejection_percent": 0"#, &[".max_ejection_percent: nobody is ever out: 0 % may be"]);
}

#[test]
fn a_node_and_a_workload_that_come_to_nothing_are_told_where_they_stand() {
    let check = |service: &str, workload: &str, expected: &[&str]| {
        let text = format!(
            r#"{{"faultline": 1, "name": "x", "until": "1m", "nodes": {{"shop": {{"kind": "service", {service}
 "endpoints": {{"pay": [], "look": []}}}}}},
 "workload": {{"w": {{{workload}, "each": "order", "do": [{{"call": "shop.pay"}}, {{"call": "shop.look"}}]}}}}}}"#
        );
        assert_eq!(told(&text), expected, "{service} {workload}");
    };
    let some = r#""rate": "1/s""#;
    let killed = "nodes.shop.stop.pre_stop: it is killed when its grace of 30s is over, before its pre_stop of 40s is";
    check(r#""stop": {"pre_stop": "40s"},"#, some, &[killed]);
    check(r#""stop": {"pre_stop": "29s"},"#, some, &[]);
    check(r#""stop": {"pre_stop": "40s", "grace": "60s"},"#, some, &[]);
    let twice = "nodes.shop.order.priority[2]: \"pay\" stands here twice, and the first place counts; keep one";
    check(r#""order": {"priority": ["pay", "look", "pay"]},"#, some, &[twice]);
    let nobody = "nodes.shop.order.priority: no endpoint is named, so that all are as urgent: first come first served; name some, or leave it out";
    check(r#""order": {"priority": []},"#, some, &[nobody]);
    let at_once = "nodes.shop.drop.interval: an interval of no time sits nothing out: once two in a row have waited for the target, whoever has is \
        dropped, unless nobody stands behind";
    check(r#""drop": {"target": "5ms", "interval": "0s"},"#, some, &[at_once]);
    let always = "nodes.shop.drop.target: a target of no time takes every line for one in which all wait too long";
    check(r#""drop": {"target": "0s"},"#, some, &[always]);
    check(r#""drop": {"target": "5ms"},"#, some, &[]);
    let all = |choices: &str| {
        format!(
            "nodes.shop.balance.choices: {choices} different ones of 3 are all of them, and there are no more: this is \"least-request\""
        )
    };
    let balance = |choices: &str| format!(r#""replicas": 3, "balance": {{"choices": {choices}}},"#);
    check(&balance(r#"5, "replacement": false"#), some, &[&all("5")]);
    check(&balance(r#"3, "replacement": false"#), some, &[]);
    check(&balance("5"), some, &[]);
    let nothing = |field: &str| format!("workload.w.{field}: nothing is ever asked at a rate of zero");
    check("", r#""rate": "0/s""#, &[&nothing("rate")]);
    let stages =
        |second: &str| format!(r#""stages": [{{"for": "1s", "rate": "0/s"}}, {{"for": "1s", "rate": "{second}"}}]"#);
    check("", &stages("0/s"), &[&nothing("stages[0].rate")]);
    check("", &stages("1/s"), &[]);
}

#[test]
fn what_is_gone_at_once_is_told() {
    let check = |store: &str, once: &str, expected: &[&str]| {
        let text = format!(
            r#"{{"faultline": 1, "name": "x", "until": "1m", "nodes": {{"shop": {{"kind": "service", "maps": {{"keys": {{}}}}, "endpoints": {{
 "pay": [{{"once": "$order", "in": "keys"{once}, "do": [{{"read": "db.rows[$order]"}}]}}]}}}}, "db": {{"kind": "store"{store}, "maps": {{"rows": {{}}}}}}}},
 "workload": {{"w": {{"rate": "1/s", "each": "order", "do": [{{"call": "shop.pay"}}]}}}}}}"#
        );
        assert_eq!(told(&text), expected, "{store} {once}");
    };
    let gone = |place: &str, what: &str| {
        format!(
            "{place}.ttl: {what} is gone at the instant at which it is there: nobody ever finds one; write a longer \"ttl\""
        )
    };
    check(r#", "ttl": "0s""#, "", &[&gone("nodes.db", "a value")]);
    check("", r#", "ttl": "0s""#, &[&gone("nodes.shop.endpoints.pay[0]", "an outcome")]);
    check(r#", "ttl": "1ns""#, r#", "ttl": "1ns""#, &[]);
}

#[test]
fn faults_that_say_nothing_or_never_end_are_told() {
    let check = |until: &str, line: &str, expected: &[&str]| {
        let text = format!(
            r#"{{"faultline": 1, "name": "x"{until}, "nodes": {{"shop": {{"kind": "service", "replicas": 4, "endpoints": {{"pay": []}}}}}},
 "workload": {{"w": {{"rate": "1/s", "limit": 9, "each": "order", "do": [{{"call": "shop.pay"}}]}}}}, "faults": ["{line}"]}}"#
        );
        assert_eq!(told(&text), expected, "{line}");
    };
    let minute = r#", "until": "1m""#;
    let at_once = "faults[0]: \"by 50%\" says nothing without a pace: all groups go at one instant; write \"every 60s\" behind it, or leave it out";
    check(minute, "10s.. deploy shop v2 by 50%", &[at_once]);
    check(minute, "10s.. deploy shop v2 by 50% every 5s", &[]);
    check(minute, "10s.. deploy shop v2", &[]);
    let never = |turn: &str, turns: &str| {
        format!(
            "faults[0]: every {turn} it begins again, {turns} times, and such a run comes to no end; 100000000 times are the most, so write longer lengths"
        )
    };
    check(minute, "10s..20s hang shop every 1ns for 1ns", &[&never("2ns", "5000000000")]);
    check(minute, "0s.. loss *->* 10% every ~50ns for ~50ns", &[&never("100ns", "600000000")]);
    check("", "0s.. hang shop every 1ns for 1ns", &[&never("2ns", "43200000000000")]);
    check(minute, "10s..20s hang shop every 50ns for 50ns", &[]);
    check(minute, "10s.. restart shop every 1ns", &[]);
}

#[test]
fn calls_that_wait_for_their_own_pool_are_a_warning() {
    let check = |workers: &str, call: &str, expected: &[&str]| {
        let text = format!(
            r#"{{"faultline": 1, "name": "x", "nodes": {{
 "shop": {{"kind": "service"{workers}, "endpoints": {{"a": [{call}], "b": []}}}},
 "bank": {{"kind": "service", "endpoints": {{"c": [{{"call": "shop.b"}}]}}}}}},
 "workload": {{"w": {{"rate": "1/s", "limit": 1, "each": "order", "do": [{{"call": "shop.a"}}, {{"call": "shop.b"}}, {{"call": "bank.c"}}]}}}}}}"#
        );
        assert_eq!(told(&text), expected, "{call}");
    };
    let direct = "nodes.shop.endpoints.a[0]: shop.a calls shop.b, which needs a worker of the same pool: when a has taken all, they wait for ever";
    let around = direct.replace("shop.b,", "shop.b by way of bank.c,");
    check(r#", "workers": 3"#, r#"{"call": "shop.b"}"#, &[direct]);
    check(r#", "workers": 3"#, r#"{"call": "bank.c"}"#, &[&around]);
    check("", r#"{"call": "shop.b"}"#, &[]);
    check(r#", "workers": 3, "async": true"#, r#"{"call": "shop.b"}"#, &[]);
    check(r#", "workers": 3"#, r#"{"try": [{"call": "shop.b"}], "timeout": "1s"}"#, &[]);
    check(r#", "workers": 3"#, r#"{"background": [{"call": "shop.b"}]}"#, &[]);
}

#[test]
fn clauses_are_written_with_their_defaults() {
    let steps = r#"{"call": "bank.charge", "retry": {"tries": "forever", "wait": "1s", "factor": 1.5, "jitter": "full", "on": ["error", "no_money"], "budget": "10%"}, "cancel": true},
 {"call": "bank.refund", "with": {"visit": 1}, "retry": {"tries": 2, "budget": {"ratio": "20%", "burst": 3}}, "timeout": "2s", "deadline": "9s", "as": "x"},
 {"read": "db.stock[$x]", "retry": {"tries": 2, "budget": "5%"}},
 {"switch": "$try", "cases": {"1": [], "else": [], "null": []}}"#;
    let program = program(&scenario(steps, ""));
    let clauses: Vec<_> = program.steps.iter().map(|step| &step.clauses).collect();
    let retry = |index: usize| clauses[index].retry.clone().unwrap();
    let no_money = Reason(SYSTEM_REASONS.len() as u16);
    assert_eq!(retry(0).on, [Catch::Error, Catch::Reason(no_money)]);
    assert_eq!(
        (retry(0).tries, retry(0).grows, retry(0).jitter),
        (None, crate::policy::retry::Grows::By(1_500_000), Jitter::Full)
    );
    assert_eq!((retry(0).max_wait, clauses[0].cancel), (Duration::FOREVER, true));
    let budgets: Vec<_> = (0..3).map(|index| retry(index).budget.map(|budget| (budget.index, budget.burst))).collect();
    assert_eq!(budgets, [Some((0, 10)), Some((0, 3)), Some((1, 10))]);
    assert_eq!((clauses[1].timeout, clauses[1].deadline), (Some(Duration::from_secs(2)), Some(Duration::from_secs(9))));
    let Verb::Switch { cases, .. } = &program.steps[3].verb else { panic!() };
    let values: Vec<_> = cases.iter().map(|(value, _)| value.clone()).collect();
    assert_eq!(values, [Value::Int(1), Value::from("1"), Value::Null, Value::from("null")]);
    assert_eq!(program.maps[4].initial, [(Value::from("book"), Value::Int(3)), (Value::Int(7), Value::from("x"))]);
    assert_eq!(program.until, Some(Instant::ZERO + Duration::from_secs(3600)));
    assert_eq!(label(&program, EndpointRef(0)), "shop.pay");
}

#[test]
fn a_retry_is_safe_once_its_key_is_not_null() {
    let text = r#"{"faultline": 1, "name": "pay-twice",
 "nodes": {
   "shop": {"kind": "service", "endpoints": {"buy": [{"call": "bank.charge", "timeout": "1s", "retry": 3}]}},
   "bank": {"kind": "service", "maps": {"keys": {}}, "endpoints": {"charge": [
     {"once": "${key}", "in": "keys", "in_flight": "wait", "do": [{"work": {"lognormal": {"median": "300ms", "sigma": 0.8}}}, {"record": "charged"}]}]}}},
 "settings": {"key": {"default": "none", "choices": {"none": null, "per-order": "$order"}}},
 "workload": {"shopper": {"rate": "10/s", "limit": 1000, "each": "order", "do": [{"call": "shop.buy"}]}},
 "metrics": {"doubled": {"count": "charged > 1"}}, "properties": {"charged at most once": {"at_most_once": "charged"}},
 "expect": {"doubled": [40, 93]}, "remedies": {"key": {"set": {"key": "per-order"}, "expect": {"doubled": 0}}}}"#;
    assert_eq!(
        told(text),
        ["nodes.shop.endpoints.buy[0]: bank.charge records \"charged\" and is retried on unknown without \"once\""]
    );
    let cured = lowered(text, &Choices::none().remedy("key")).unwrap();
    assert!(cured.warnings.is_empty());
    assert_eq!(cured.program.expect, [("doubled".to_owned(), Expected::Exactly(0.0))]);
}

#[test]
fn another_word_at_any_place_is_told_and_never_panics() {
    // Every text of a scenario in turn becomes another of its texts: most of the files are wrong, each in its own way.
    for text in [CHECKOUT, GATEWAY_TIMEOUT, OVERSELL] {
        let words: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
        for (index, pair) in words.windows(8).enumerate() {
            for word in [pair[1], pair[7], "", "$order", "= $x / 2", "shop.checkout", "*", "1s..2s cut shop->gateway"] {
                let parts: Vec<&str> = text.split('"').collect();
                let changed = [&parts[..2 * index + 1], &[word], &parts[2 * index + 2..]].concat().join("\"");
                let _ = lowered(&changed, &Choices::none());
            }
        }
    }
}
