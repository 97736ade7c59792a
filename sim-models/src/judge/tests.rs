//! Each kind of property and metric, over notes written by hand: `AT NOTE; NOTE`, one event a line.

use std::collections::BTreeMap;

use sim_core::Verdict;

use super::*;
use crate::expr::EvalError;
use crate::language::{Choices, Document, lower};
use crate::message::{Aside, Counted, EdgeCounted, Sort, Tone};
use crate::program::{FactRef, MapRef, StepRef};
use crate::value::Value;

const SCENARIO: &str = r#"{"faultline": 1, "name": "test", "nodes": {
  "shop": {"kind": "service", "replicas": 2, "endpoints": {"buy": [
    {"set": "orders.status[$order]", "to": "PENDING"},
    {"call": "gateway.charge", "retry": 3},
    {"set": "inventory.stock['lamp']", "to": "= value - 1"},
    {"record": "sold", "key": "lamp"}, {"record": "shipped"}, {"record": "cancelled"}]}},
  "gateway": {"kind": "service", "endpoints": {"charge": [{"record": "charged"}]}},
  "orders": {"kind": "store", "maps": {"status": {}}},
  "inventory": {"kind": "store", "maps": {"stock": {"lamp": 2}}}},
 "workload": {"shopper": {"rate": "10/s", "limit": 10, "each": "order", "do": [{"call": "shop.buy"}]}}"#;

fn program(judged: &str) -> Arc<Program> {
    let text = format!("{SCENARIO}, {judged}}}");
    let document = Document::parse("test.json", &text).unwrap_or_else(|problems| panic!("{problems}"));
    let configured = document.configure(&Choices::none()).unwrap_or_else(|problems| panic!("{problems}"));
    let mut program = lower(&configured).unwrap_or_else(|problems| panic!("{problems}")).program;
    program.place();
    Arc::new(program)
}

struct Run {
    judge: ScenarioJudge,
    event: u64,
    at: Instant,
    sent: BTreeMap<u64, Instant>,
    /// What broke, and at which event.
    broke: Vec<String>,
}

impl Run {
    fn new(judged: &str) -> Run {
        let judge = ScenarioJudge::new(program(judged));
        Run { judge, event: 0, at: Instant::ZERO, sent: BTreeMap::new(), broke: Vec::new() }
    }

    fn of(judged: &str, script: &str) -> Run {
        let mut run = Run::new(judged);
        run.play(script);
        run
    }

    fn play(&mut self, script: &str) {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (at, notes) = line.split_once(' ').unwrap();
            self.at = at.parse().unwrap();
            self.event += 1;
            let notes: Vec<Note> = notes.split(';').map(|note| self.note(note.trim())).collect();
            let shop = self.judge.program.node(self.node("shop")).replicas[0];
            if let Some(name) = self.judge.take(self.event, self.at, Some(shop), &notes) {
                self.broke.push(format!("{} {name}", self.event));
            }
        }
    }

    fn node(&self, name: &str) -> NodeRef {
        NodeRef(self.judge.program.nodes.iter().position(|node| node.name == name).unwrap() as u16)
    }

    fn note(&mut self, text: &str) -> Note {
        let words: Vec<&str> = text.split(' ').collect();
        let value = |at: usize| match words[at] {
            "null" => Value::Null,
            word => word.parse().map_or_else(|_| Value::from(word), Value::Int),
        };
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let amount = |at: usize| words[at].parse::<i32>().unwrap();
        let workload = self.node("shopper");
        let edge = EdgeRef(
            self.judge.program.edges.iter().position(|edge| *edge == (self.node("shop"), self.node("gateway"))).unwrap()
                as u16,
        );
        let finished = |tone| {
            let since = self.sent[&number(1)];
            Note::Finished { workload, key: number(1), tone, since, sort: Aside(Sort::of(tone)) }
        };
        match words[0] {
            "apart" => Note::Apart,
            "together" => Note::Together,
            "request" => {
                self.sent.insert(number(1), self.at);
                Note::Requested { workload, key: number(1) }
            }
            "ok" => finished(Tone::Ok),
            "error" => finished(Tone::Error),
            "unknown" => finished(Tone::Unknown),
            "busy" => Note::Gauge { node: self.node("shop"), busy: amount(1), waiting: 0 },
            "waiting" => Note::Gauge { node: self.node("shop"), busy: 0, waiting: amount(1) },
            "call" => Note::Count(self.node("gateway"), Counted::Call),
            "retry" => Note::Edge(edge, EdgeCounted::Retry),
            "late" => Note::Edge(edge, EdgeCounted::Late),
            "trouble" => Note::Trouble { step: StepRef(0), error: EvalError::Overflow },
            name => {
                let (name, times) = name.strip_prefix('-').map_or((name, 1), |name| (name, -1));
                let program = &self.judge.program;
                if let Some(fact) = program.facts.iter().position(|fact| fact.name == name) {
                    return Note::Fact(FactRef(fact as u16), value(1), times);
                }
                let map = program.maps.iter().position(|map| map.name == name).unwrap_or_else(|| panic!("{name}"));
                Note::Cell { map: MapRef(map as u16), key: value(1), value: value(2) }
            }
        }
    }

    fn end(&mut self, over: Over, at: &str, last_fault_end: &str) -> Vec<Judged> {
        let end = End { at: at.parse().unwrap(), over };
        self.judge.close(end, last_fault_end.parse().unwrap())
    }

    fn metrics(&self, at: &str) -> Vec<Option<f64>> {
        self.judge.work_out(End { at: at.parse().unwrap(), over: Over::NothingLeft }).0
    }
}

/// One property, named p, and what is said of it at the end.
fn check_end(ask: &str, script: &str, over: Over, end: &str, last_fault_end: &str, expected: &str) -> Run {
    let mut run = Run::of(&format!(r#""properties": {{"p": {ask}}}"#), script);
    let judged = run.end(over, end, last_fault_end);
    let at = judged[0].event.map_or_else(String::new, |event| format!(" at event {event}"));
    assert_eq!(format!("{}{at}: {}", judged[0].verdict, judged[0].detail), expected, "{ask}");
    run
}

fn check(ask: &str, script: &str, expected: &str) -> Run {
    check_end(ask, script, Over::NothingLeft, "100s", "0s", expected)
}

/// Metrics without a name, in order, at the end of 100 seconds.
fn check_metrics(metrics: &[&str], script: &str, expected: &[Option<f64>]) {
    let all: Vec<String> = metrics.iter().enumerate().map(|(at, metric)| format!(r#""m{at}": {metric}"#)).collect();
    let run = Run::of(&format!(r#""metrics": {{{}}}"#, all.join(", ")), script);
    assert_eq!(run.metrics("100s"), expected, "{metrics:?}");
}

#[test]
fn at_most_once_breaks_at_the_second_record_of_a_key() {
    let script = "1s request 17; charged 17\n 2s charged 18\n 3s charged 17\n 4s charged 17; charged 18";
    let run = check(r#"{"at_most_once": "charged"}"#, script, "broken at event 3: order 17: charged is 2");
    assert_eq!(run.broke, ["3 p"]);
    let violation = run.judge.violations().next().unwrap();
    assert_eq!((violation.key.clone(), violation.event), (Some(Value::Int(17)), 3));
    assert_eq!((violation.read[0].to_string().as_str(), &*violation.read[0].events), ("charged 2", &[1, 3][..]));
    check(r#"{"at_most_once": "charged"}"#, "1s charged 1", "held: held each time; asked once");
    check(r#"{"at_most_once": "charged"}"#, "1s request 1", "held: was never asked: nothing it names has changed");
}

#[test]
fn always_and_never_are_asked_when_a_fact_a_cell_or_a_request_changes() {
    let ask = r#"{"always": "orders.status[$order] != 'PAID' || charged >= 1"}"#;
    let said = "broken at event 2: order 1: does not hold: orders.status[$order] != 'PAID' || charged >= 1 \
                (orders.status[1] 'PAID', charged 0)";
    check(ask, "1s request 1; status 1 PENDING\n 2s status 1 PAID", said);
    let ask = r#"{"never": "charged > 0 && cancelled > 0"}"#;
    let said = "broken at event 2: order 17: charged > 0 && cancelled > 0 (charged 1, cancelled 1)";
    check(ask, "1s charged 17; cancelled 3\n 2s cancelled 17", said);
    let said = "broken at event 2: order 1: ok > 0 && charged == 0 (ok 1, charged 0)";
    check(r#"{"never": "ok > 0 && charged == 0"}"#, "1s request 1\n 2s ok 1", said);
    // The cell of a key that nobody has requested or recorded is nobody's.
    let ask = r#"{"never": "orders.status[$order] == 'PAID'"}"#;
    check(ask, "1s status 5 PAID", "held: was never asked: nothing it names has changed");
}

#[test]
fn what_belongs_to_one_change_is_asked_once_it_is_over() {
    let ask = r#"{"never": "charged > 0 && shipped == 0"}"#;
    let run = check(ask, "1s apart; charged 1; shipped 1; together", "held: held each time; asked 2 times");
    assert!(run.broke.is_empty());
    check(
        ask,
        "1s charged 1; shipped 1",
        "broken at event 1: order 1: charged > 0 && shipped == 0 (charged 1, shipped 0)",
    );
}

#[test]
fn a_cell_of_no_key_asks_about_all_keys() {
    let ask = r#"{"never": "charged > 0 && inventory.stock['lamp'] < 0"}"#;
    let said = "broken at event 3: order 2: charged > 0 && inventory.stock['lamp'] < 0 \
                (charged 1, inventory.stock['lamp'] -1)";
    check(ask, "1s request 1\n 2s charged 2\n 3s stock book -5; stock lamp -1", said);
    let said = "broken at event 2: inventory.stock['lamp'] is 1";
    check(r#"{"always": "inventory.stock['lamp'] == 2"}"#, "1s stock lamp 2\n 2s stock lamp 1", said);
}

#[test]
fn never_negative_names_the_cell() {
    let ask = r#"{"never_negative": "inventory.stock"}"#;
    let run = check(ask, "1s stock lamp 0\n 2s stock lamp -1", "broken at event 2: inventory.stock['lamp'] is -1");
    assert_eq!(run.broke, ["2 p"]);
    check(ask, "1s stock lamp null", "held: held each time; asked once");
    check(ask, "1s apart; stock lamp -1; stock lamp 1; together", "held: held each time; asked 2 times");
}

#[test]
fn sometimes_remembers_the_first_time() {
    let ask = r#"{"sometimes": "charged > 1"}"#;
    check(ask, "1s charged 1", "never seen: was never true");
    let run = check(ask, "1s charged 1\n 2s charged 1", "held at event 2: first seen here: order 1: charged is 2");
    assert!(run.broke.is_empty() && run.judge.violations().next().is_none());
    let said = "held at event 3: first seen here: count(charged > 0) is 2";
    check(r#"{"sometimes": "count(charged > 0) >= 2"}"#, "1s charged 1\n 2s charged 1\n 3s charged 2", said);
}

#[test]
fn eventually_waits_from_the_request_or_the_last_fault_to_its_deadline() {
    let ask = r#"{"eventually": "charged >= 1", "within": "10s"}"#;
    let script = "1s request 1\n 2s request 2\n 3s charged 1\n 4s request 3";
    let said = "stuck: 2 of 3 orders not settled in time; first order 2, open since 2s (charged 0)";
    check(ask, script, said);
    let said = "stuck: 1 of 3 orders not settled in time; first order 2, open since 2s (charged 0); \
                1 not judged: its deadline lies beyond the end";
    check_end(ask, script, Over::Until, "12s", "0s", said);
    let said = "held: 1 order, in time; 2 not judged: their deadline lies beyond the end";
    check_end(ask, script, Over::Cut, "12s", "0s", said);
    let said = "held: no order was due; 1 not judged: its deadline lies beyond the end";
    check_end(ask, "1s request 1", Over::Until, "5s", "0s", said);
    // Too late is stuck, but not when a fault ended late.
    let late = "1s request 1\n 12s charged 1";
    check(ask, late, "stuck: 1 of 1 order not settled in time; first order 1, open since 1s (charged 1)");
    check_end(ask, late, Over::NothingLeft, "100s", "2s", "held: 1 order, in time");
    // It may have held before, and once is enough.
    check(ask, "1s charged 1; request 1\n 2s -charged 1", "held: 1 order, in time");
    check(ask, "", "held: was never asked: no order began to wait for it");
}

#[test]
fn eventually_can_wait_from_something_else() {
    let ask = r#"{"eventually": "shipped > 0 || cancelled > 0", "after": "charged > 0", "within": "10s"}"#;
    let said = "stuck: 1 of 2 orders not settled in time; first order 2, open since 2s (shipped 0, cancelled 0)";
    check(ask, "1s request 1; request 2; request 3\n 2s charged 1; charged 2\n 4s cancelled 1", said);
    let run = check(ask, "1s request 1", "held: was never asked: no order began to wait for it");
    assert!(run.judge.violations().next().is_none());
}

#[test]
fn all_or_nothing_looks_at_the_deadline() {
    let ask = r#"{"all_or_nothing": ["charged", "shipped"], "within": "10s"}"#;
    let said = "stuck: 1 of 2 orders neither all nor none in time; first order 2, open since 2s (charged 1, shipped 0)";
    check(ask, "1s charged 1\n 2s charged 2\n 3s shipped 1", said);
    check(ask, "1s charged 1\n 3s -charged 1", "held: 1 order, all or none in time");
    check(ask, "1s apart; charged 1; shipped 1; together", "held: 1 order, all or none in time");
    // What is put right after the deadline was wrong at it; what goes wrong after it was right.
    let said = "stuck: 1 of 2 orders neither all nor none in time; first order 1, open since 1s (charged 1, shipped 1)";
    check(ask, "1s charged 1; charged 2; shipped 2\n 20s shipped 1; -shipped 2", said);
    check_end(
        ask,
        "1s charged 1\n 20s shipped 1",
        Over::NothingLeft,
        "100s",
        "15s",
        "held: 1 order, all or none in time",
    );
}

#[test]
fn conserved_compares_the_end_with_the_start() {
    let ask = r#"{"conserved": "inventory.stock['lamp'] + total(sold)"}"#;
    let said = "held: inventory.stock['lamp'] + total(sold) is 2 at the end, as at the start";
    check(ask, "1s stock lamp 1\n 2s sold lamp", said);
    let said = "broken at event 1: inventory.stock['lamp'] + total(sold) is 1 at the end; it was 2 at the start \
                (inventory.stock['lamp'] 1, total(sold) 0)";
    let run = check(ask, "1s stock lamp 1", said);
    assert!(run.broke.is_empty());
    assert_eq!(run.judge.violations().count(), 1);
}

#[test]
fn conserved_at_commit_is_asked_at_every_change() {
    let ask = r#"{"conserved": "inventory.stock['lamp'] + total(sold)", "at": "commit"}"#;
    let run = check(ask, "1s apart; stock lamp 1; sold lamp; together", "held: held each time; asked 2 times");
    assert!(run.broke.is_empty());
    let said = "broken at event 1: inventory.stock['lamp'] + total(sold) is 1; it was 2 at the start \
                (inventory.stock['lamp'] 1, total(sold) 0)";
    let run = check(ask, "1s stock lamp 1\n 2s sold lamp", said);
    assert_eq!(run.broke, ["1 p"]);
}

#[test]
fn availability_and_latency_are_about_requests_sent_then() {
    let script = "1s request 1\n 2s request 2; ok 1\n 5s request 3; error 2\n 9s ok 3\n 9s request 4";
    let ask = |rest: &str| format!(r#"{{"availability": "shopper", {rest}}}"#);
    let said = "broken at event 5: 66.6667% of 3 requests were ok; at least 90% asked";
    check(&ask(r#""at_least": "90%""#), script, said);
    let said = "held: 50% of 2 requests were ok; at least 50% asked";
    check(&ask(r#""at_least": "50%", "during": "1s..5s""#), script, said);
    check(&ask(r#""at_least": "50%", "during": "20s..30s""#), script, "held: no request sent then has an outcome");
    let ask = |rest: &str| format!(r#"{{"latency": "shopper", {rest}}}"#);
    let said = "broken at event 5: 99% of 3 requests took 4s or less; at most 3s asked";
    check(&ask(r#""p99": "3s""#), script, said);
    let said = "held: 50% of 3 requests took 3s or less; at most 3s asked";
    check(&ask(r#""p50": "3s""#), script, said);
    let said = "held: 99% of 1 request took 1s or less; at most 3s asked";
    check(&ask(r#""p99": "3s", "during": "0s..2s""#), script, said);
    check(&ask(r#""p99": "3s""#), "1s request 1", "held: no request sent then has an outcome");
}

#[test]
fn at_end_is_about_metrics() {
    let judged = |at_end: &str| {
        format!(
            r#""metrics": {{"doubled": {{"count": "charged > 1"}}, "share": {{"value": "doubled / shopper.requests"}}}},
                   "properties": {{"p": {{"at_end": "{at_end}"}}}}"#
        )
    };
    let check = |at_end: &str, script: &str, expected: &str| {
        let judged = Run::of(&judged(at_end), script).end(Over::NothingLeft, "100s", "0s");
        assert_eq!(format!("{}: {}", judged[0].verdict, judged[0].detail), expected);
        assert_eq!(judged.len(), 1, "{judged:?}");
    };
    check("doubled <= 0", "1s charged 1; charged 1", "broken: doubled is 1");
    check("share < 10%", "1s request 1; request 2; charged 1; charged 1", "broken: share is 0.5");
    check("share < 10% && doubled == 0", "1s request 1", "held: share < 10% && doubled == 0 (share 0, doubled 0)");
    // Without a request there is no share, and null is less than nothing.
    check("share < 10%", "", "broken: share is null");
    check("1 / shopper.requests > 0", "", "broken: has no value at the end: divided by zero");
}

#[test]
fn metrics_over_keys() {
    let script =
        "1s request 1; request 2; request 3\n 2s charged 1; charged 2\n 4s charged 2\n 6s shipped 2; shipped 1";
    let metrics = [
        r#"{"count": "charged > 1"}"#,
        r#"{"count": "charged == 0"}"#,
        r#"{"sum": "charged - 1", "where": "charged > 1"}"#,
        r#"{"max": "shipped.first - charged.first", "where": "shipped > 0"}"#,
        r#"{"mean": "shipped.last - charged.last", "where": "shipped > 0"}"#,
        r#"{"p50": "charged"}"#,
        r#"{"p99": "charged"}"#,
        r#"{"mean": "charged.first"}"#,
        r#"{"mean": "charged", "where": "charged > 9"}"#,
        r#"{"sum": "charged", "where": "charged > 9"}"#,
    ];
    let expected = [1.0, 1.0, 1.0, 4.0, 3.0, 1.0, 2.0, 2.0].map(Some);
    check_metrics(&metrics, script, &[&expected[..], &[None, Some(0.0)]].concat());
    let nothing = [0.0, 0.0, 0.0].map(Some);
    check_metrics(&metrics, "", &[&nothing[..], &[None; 6], &[Some(0.0)]].concat());
}

#[test]
fn formulas_wait_for_the_metrics_they_name() {
    let metrics = [
        r#"{"value": "m1 * 100"}"#,
        r#"{"value": "m2 / shopper.requests"}"#,
        r#"{"count": "charged > 0"}"#,
        r#"{"value": "inventory.stock['lamp'] + total(sold) + count(ok > 0)"}"#,
        r#"{"value": "orders.status[7]"}"#,
    ];
    let script = "1s request 1; request 2; charged 1\n 2s ok 2; sold lamp; stock lamp 1";
    check_metrics(&metrics, script, &[Some(50.0), Some(0.5), Some(1.0), Some(3.0), None]);
    check_metrics(&metrics[..3], "", &[Some(0.0), None, Some(0.0)]);
}

#[test]
fn a_window_is_half_open_and_counts_what_happened_in_it() {
    let metrics = [
        r#"{"value": "shopper.requests", "during": "10s..20s"}"#,
        r#"{"value": "shopper.ok", "during": "10s..20s"}"#,
        r#"{"value": "shopper.availability", "during": "10s..20s"}"#,
        r#"{"value": "shopper.p50", "during": "10s..20s"}"#,
        r#"{"value": "shopper.unanswered", "during": "10s..20s"}"#,
        r#"{"rate": "shopper.requests", "during": "10s..20s"}"#,
        r#"{"rate": "shopper.requests"}"#,
        r#"{"value": "count(requested > 0 && ok == 0) + 0 * orders.status[1]", "during": "10s..20s"}"#,
        r#"{"value": "shopper.requests", "during": "200s..300s"}"#,
        r#"{"rate": "shopper.requests", "during": "200s..300s"}"#,
    ];
    let script = "5s request 1
                  10s request 2; ok 1
                  19s request 3
                  20s request 4
                  25s ok 2; error 3
                  26s ok 4";
    let expected = [2.0, 1.0, 0.5, 6.0, 0.0, 0.2, 0.04, 2.0, 0.0].map(Some);
    check_metrics(&metrics, script, &[&expected[..], &[None]].concat());
}

#[test]
fn first_is_the_first_instant_at_which_it_holds() {
    let metrics = [
        r#"{"first": "shopper.unanswered >= 2"}"#,
        r#"{"first": "shop.busy > 1"}"#,
        r#"{"first": "m5 >= 2"}"#,
        r#"{"first": "shopper.p50 > 2s"}"#,
        r#"{"first": "shopper.requests > 99"}"#,
        r#"{"count": "charged > 0"}"#,
        r#"{"first": "shopper.availability < 90%"}"#,
    ];
    let script = "1s request 1; busy +1; charged 1
                  2s request 2; busy +1; busy -1
                  3s busy +1; charged 2
                  5s ok 1
                  6s error 2";
    let expected = [Some(2.0), Some(3.0), Some(3.0), Some(5.0), None, Some(2.0), Some(6.0)];
    check_metrics(&metrics, script, &expected);
}

#[test]
fn peak_is_the_highest_value_that_stands_after_an_event() {
    let metrics = [
        r#"{"peak": "shop.in_flight"}"#,
        r#"{"peak": "shop.waiting"}"#,
        r#"{"peak": "shop.busy", "during": "3s..9s"}"#,
        r#"{"peak": "shop.busy", "during": "50s..60s"}"#,
        r#"{"peak": "shop.busy", "during": "500s..600s"}"#,
    ];
    let script = "1s waiting +1; waiting -1; busy +1\n 2s busy +1; waiting +1\n 3s busy -1\n 20s waiting -1";
    check_metrics(&metrics, script, &[Some(3.0), Some(1.0), Some(2.0), Some(1.0), None]);
}

#[test]
fn a_gap_includes_its_edges() {
    let metrics = [
        r#"{"gap": "charged"}"#,
        r#"{"gap": "charged", "during": "10s..40s"}"#,
        r#"{"gap": "charged", "during": "90s..200s"}"#,
        r#"{"gap": "charged", "during": "150s..200s"}"#,
    ];
    let script = "1s charged 1\n 12s charged 2\n 30s charged 3; -charged 3\n 35s -charged 2";
    check_metrics(&metrics, script, &[Some(70.0), Some(18.0), Some(10.0), None]);
    check_metrics(&metrics[..1], "", &[Some(100.0)]);
}

#[test]
fn a_crash_takes_what_was_busy() {
    let mut run = Run::of(r#""metrics": {"now": {"value": "shop.busy"}, "crashes": {"value": "shop.crashes"}}"#.replace("now", "m").as_str(),
        "1s busy +3; waiting +2");
    let shop = run.judge.program.node(run.node("shop")).replicas[0];
    let (program, plan) = (run.judge.program.clone(), run.judge.plan.clone());
    run.judge.state.is_up(&program, &plan, shop, false);
    run.judge.state.is_up(&program, &plan, shop, false);
    run.judge.state.started(&program, &plan, shop, 2);
    run.play("2s busy +1");
    assert_eq!(run.metrics("3s"), [Some(1.0), Some(1.0)]);
    // A crash that nobody saw shows when the next life begins.
    run.judge.state.started(&program, &plan, shop, 3);
    assert_eq!(run.metrics("3s"), [Some(0.0), Some(2.0)]);
}

#[test]
fn an_expression_without_a_value_is_a_finding() {
    let script = "1s charged 1\n 2s trouble\n 3s trouble";
    let mut run = Run::of(r#""properties": {"p": {"at_most_once": "charged"}}"#, script);
    assert_eq!(run.broke, ["2 every expression has a value"]);
    let judged = run.end(Over::NothingLeft, "3s", "0s");
    assert_eq!((judged[0].verdict, judged.len()), (Verdict::Held, 2));
    let said = "nodes.shop.endpoints.buy[0]: the result does not fit 64 bits (first of 2)";
    assert_eq!((judged[1].name.as_str(), judged[1].detail.as_str()), (HAS_A_VALUE, said));
    assert_eq!((judged[1].verdict, judged[1].event), (Verdict::Broken, Some(2)));
}

#[test]
fn a_condition_without_a_value_is_a_finding_too() {
    let judged = r#""metrics": {"m": {"sum": "orders.status[$order] + 1"}},
                    "properties": {"p": {"always": "orders.status[$order] > 5"}}"#;
    let mut run = Run::of(judged, "1s request 1; status 1 PAID");
    assert_eq!(run.broke, ["1 every expression has a value"]);
    let judged = run.end(Over::NothingLeft, "3s", "0s");
    let said = "\"p\", order 1: text and a number have no order; compare them with == or != (first of 2)";
    assert_eq!(judged[1].detail, said);
    assert_eq!(run.judge.worked, Some((1, vec![None])));
}

#[test]
fn the_report_counts_requests_latency_nodes_and_edges() {
    let run =
        Run::of(r#""metrics": {}"#, "1s request 1; request 2; request 3; call; retry\n 2s ok 1; late\n 4s unknown 2");
    let expected = Requests { total: 3, ok: 1, error: 0, unknown: 1, unanswered: 1, availability: Some(0.5) };
    assert_eq!(run.judge.requests(), expected);
    let latency = run.judge.latency();
    assert_eq!((latency.p50, latency.p999, latency.max), (Some(1000.0), Some(3000.0), Some(3000.0)));
    let counters: BTreeMap<String, u64> = run.judge.counters().into_iter().collect();
    let at = |name: &str| counters[name];
    assert_eq!(at("gateway.calls"), 1);
    assert_eq!(at("gateway.wasted"), 1);
    assert_eq!(at("shop->gateway.late"), 1);
    assert_eq!(at("shop->gateway.retries"), 1);
    assert_eq!(at("shopper.unanswered"), 1);
    let nothing = Run::of(r#""metrics": {}"#, "");
    assert_eq!(nothing.judge.requests().availability, None);
    assert_eq!(nothing.judge.latency(), Latency::default());
}

#[test]
fn a_copy_goes_on_alone() {
    let judged = r#""properties": {"p": {"at_most_once": "charged"}}"#;
    let mut run = Run::of(judged, "1s charged 1");
    let copy = run.judge.clone();
    run.play("2s charged 1");
    run.judge = copy;
    run.play("3s charged 2");
    assert_eq!(run.broke, ["2 p"]);
    assert_eq!(run.end(Over::NothingLeft, "3s", "0s")[0].verdict, Verdict::Held);
}
