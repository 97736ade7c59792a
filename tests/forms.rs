//! One order in five forms, on the same seeds and under the same faults: what each promises, what it costs and how it fails, as
//! `docs/all-or-nothing.md` tells it; and who dies at whichever event.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use faultline_tests::scenarios::{keeps_its_word, over_seeds, written};
use faultline_tests::sources::workspace;
use serde_json::{Value, json};
use sim_core::{Entry, Fault, Rest, Seed, Stop, Verdict};
use sim_models::language::Choices;
use sim_models::scenario::{Chance, Changes, Model};

const SEEDS: u64 = 5;
const FORMS: [&str; 5] = ["one-database", "2pc", "xa", "saga", "events"];

fn example() -> Value {
    let text = fs::read_to_string(workspace().join("examples/order-in-five-forms.json")).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

/// No machine is away, and nothing is lost.
const CALM: [(&str, &str); 2] = [("down", "0s"), ("lost", "0%")];

fn model_by(form: &str, settings: &[(&str, &str)], changes: &Changes) -> Model {
    model_of(&example(), form, settings, changes)
}

fn model_of(file: &Value, form: &str, settings: &[(&str, &str)], changes: &Changes) -> Model {
    let choices = Choices::none().set("form", form);
    let choices = settings.iter().fold(choices, |choices, (name, value)| choices.set(name, value));
    written(file).model_with(&choices, changes).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The same with one product, of which as many are sold as reservations stand.
fn conserved() -> Value {
    let text = example().to_string().replace("sold[$product]", "sold['lamp']");
    let mut file: Value = serde_json::from_str(&text).expect("it is JSON");
    file["metrics"]["sold"] = json!({"value": "stock.sold['lamp'] + db.sold['lamp']"});
    file["metrics"]["stand"] = json!({"value": "total(reserved)"});
    file["properties"]["stock is conserved"] = json!({"at_end": "sold == stand"});
    file
}

fn model(form: &str, settings: &[(&str, &str)]) -> Model {
    model_by(form, settings, &Changes::default())
}

/// A column: its title, its metric, and how many digits of it are told.
type Column = (&'static str, &'static str, usize);

const COSTS: &[Column] = &[
    ("forced writes an order", "forced", 2),
    ("told after, ms (p50)", "answer_p50", 1),
    ("told after, ms (p99)", "answer_p99", 1),
    ("shipped after, ms (p50)", "done_p50", 1),
    ("half an order is seen for, ms (p50)", "half_seen", 1),
    ("told of what came to nothing", "promised", 0),
];

const FAILS: &[Column] = &[
    ("placed", "placed", 0),
    ("told no", "failed", 0),
    ("not told", "unanswered", 0),
    ("told of what came to nothing", "promised", 0),
    ("half done in the end", "half_done", 0),
    ("shipped after, ms (p99)", "done_p99", 0),
    ("half an order is seen for, ms (most)", "half_seen_max", 0),
    ("wait for a product, at worst", "lock_waiters", 1),
    ("promises in doubt, at worst", "in_doubt", 1),
];

/// The means over the seeds in which there is a value.
fn cells(model: &Model, columns: &[Column]) -> Vec<String> {
    let runs = over_seeds(SEEDS, |seed| model.run(seed, Stop::AtEnd).metrics);
    let told = |(title, metric, digits): &Column| {
        let value =
            |run: &Vec<(String, Option<f64>)>| run.iter().find(|(name, _)| name == metric).expect("it is there").1;
        let values: Vec<f64> = runs.iter().filter_map(value).collect();
        if values.is_empty() {
            return "–".to_owned();
        }
        let factor = if title.contains("ms") { 1e3 } else { 1.0 };
        format!("{:.digits$}", factor * values.iter().sum::<f64>() / values.len() as f64)
    };
    columns.iter().map(told).collect()
}

/// Envelopes on links, but for those of the shopper and the words by which a queue knows of free workers, for each order.
fn messages(model: &Model) -> f64 {
    let (mut sim, _) = model.start(Seed(0));
    sim.record(true);
    let program = model.program();
    let queues: BTreeSet<&str> = ["placed"].into();
    let is_queue = |name: &str| queues.contains(name) || name.ends_with("_events");
    let (mut sent, mut orders) = (0_u32, 0_u32);
    while sim.step().is_some() {
        for entry in sim.log() {
            let Entry::Sent { from, to, kind, .. } = entry else { continue };
            let [from, to] = [from, to].map(|node| program.replica_name(*node));
            let kind = program.kinds.get(usize::from(kind.0)).map_or("", String::as_str);
            if from == "shopper" {
                orders += 1;
            } else if to != "shopper" && !(kind == "deliver" && is_queue(&to)) {
                sent += 1;
            }
        }
    }
    f64::from(sent) / f64::from(orders)
}

fn table(settings: &[(&str, &str)], columns: &[Column], counts: bool) -> String {
    let mut titles: Vec<&str> = columns.iter().map(|(title, ..)| *title).collect();
    if counts {
        titles.insert(0, "messages an order");
    }
    let head = format!("| form | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(titles.len()));
    FORMS.iter().fold(head, |table, form| {
        let model = model(form, settings);
        let mut cells = cells(&model, columns);
        if counts {
            cells.insert(0, format!("{:.1}", messages(&model)));
        }
        table + &format!("| {form} | {} |\n", cells.join(" | "))
    })
}

#[test]
fn the_page_tells_what_each_form_costs_and_how_it_fails() {
    let page = fs::read_to_string(workspace().join("docs/all-or-nothing.md")).expect("it is there");
    let tables = [table(&CALM, COSTS, true), table(&[], FAILS, false)];
    let missing: Vec<String> = tables.into_iter().filter(|table| !page.contains(table)).collect();
    assert!(missing.is_empty(), "docs/all-or-nothing.md is to hold this:\n\n{}", missing.join("\n"));
}

#[test]
fn each_form_does_what_is_said_of_it() {
    keeps_its_word(&example(), 4);
}

/// A rollback that is lost leaves its locks, and the undo that needs them waits for ever, unless the store ends what is idle.
#[test]
fn every_saga_ends_though_rollbacks_are_lost_because_stores_end_what_is_idle() {
    let half_done = |file: &Value| {
        let choices = Choices::none().set("form", "saga");
        let model = written(file).model_with(&choices, &Changes::default()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let held = over_seeds(24, |seed| model.run(seed, Stop::AtEnd).outcome.verdict == Verdict::Held);
        held.into_iter().filter(|held| !held).count()
    };
    let mut file = example();
    assert_eq!(half_done(&file), 0);
    for store in ["db", "stock", "payments", "parcels"] {
        let fields = file["nodes"][store].as_object_mut().expect("a store");
        assert!(fields.remove("idle_timeout").is_some(), "{store}");
    }
    assert!(half_done(&file) > 0);
}

/// The same orders are refused, whichever the form: the dice belong to the order.
#[test]
fn the_same_orders_come_and_the_same_ones_are_refused_in_each_form() {
    let came = FORMS.map(|form| {
        let run = model(form, &CALM).run(Seed(7), Stop::AtEnd);
        let placed = run.metrics.iter().find(|(name, _)| name == "placed").expect("it is there").1;
        (run.requests.total, placed)
    });
    assert!(came.iter().all(|form| *form == came[0]), "{came:?}");
}

// ── Whoever dies ──

/// Of each node but the shopper, the instants at which something happens to it, and one nanosecond later.
fn crashes(model: &Model, seed: Seed) -> Vec<String> {
    let (mut sim, _) = model.start(seed);
    let mut events: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    while let Some(step) = sim.step() {
        let name = step.node().map(|node| model.program().replica_name(node));
        if let Some(name) = name.filter(|name| name != "shopper") {
            events.entry(name).or_default().extend([step.at.nanos(), step.at.nanos() + 1]);
        }
    }
    let crash = |node: &String, at: &u64| format!("{at}ns..{}ns crash {node}", at + 2_000_000_000);
    events.iter().flat_map(|(node, at)| at.iter().map(move |at| crash(node, at))).collect()
}

/// Some orders, of which half are refused: each node that takes part dies at each of its events.
#[test]
fn whichever_event_anybody_dies_at_each_form_keeps_its_promise() {
    let few = [("rate", "2/s"), ("length", "2s"), ("refuses", "50%")];
    for (form, nodes) in [
        ("one-database", &["db", "orders"][..]),
        ("2pc", &["orders", "parcels", "payments", "stock"]),
        ("xa", &["orders", "parcels", "payments", "stock"]),
        ("saga", &["billing", "inventory", "orders", "parcels", "payments", "shipping", "stock"]),
        (
            "events",
            &[
                "billing",
                "charged_events",
                "inventory",
                "orders",
                "parcels",
                "payments",
                "placed",
                "refunded_events",
                "refused_events",
                "reserved_events",
                "shipping",
                "stock",
            ],
        ),
    ] {
        let model = model(form, &[&few[..], &CALM].concat());
        let crashes = crashes(&model, Seed(1));
        for node in nodes {
            assert!(crashes.iter().any(|crash| crash.ends_with(&format!(" {node}"))), "{form}: {node} does nothing");
        }
        let judged = over_seeds(crashes.len() as u64, |Seed(place)| {
            let crash = &crashes[place as usize];
            let fault: Fault = crash.parse().unwrap_or_else(|error| panic!("{crash}: {error}"));
            let run = model.with(vec![fault], Rest::Seed).run(Seed(1), Stop::AtEnd);
            (run.outcome.verdict != Verdict::Held)
                .then(|| format!("{crash}: {:?}, {:?}", run.outcome.property(), run.metrics))
        });
        let broken: Vec<String> = judged.into_iter().flatten().collect();
        assert!(broken.is_empty(), "{form}: {} of {}, the first {}", broken.len(), crashes.len(), broken[0]);
    }
}

/// Two orders, of which one is refused, and what can befall them: each node that takes part dies for 2 s at each of its events, and each
/// two that talk are cut off from each other for 3 s as something leaves one for the other.
fn troubles(form: &str) -> (Model, Vec<String>, Vec<String>) {
    let few = [("rate", "2/s"), ("length", "1s"), ("refuses", "50%")];
    let model = model_of(&conserved(), form, &[&few[..], &CALM].concat(), &Changes::default());
    let (mut sim, _) = model.start(PAIRED);
    sim.record(true);
    let name = |node| model.program().replica_name(node);
    let (mut crashes, mut cuts) = (BTreeSet::new(), BTreeSet::new());
    while let Some(step) = sim.step() {
        let at = step.at.nanos();
        if let Some(node) = step.node().map(name).filter(|node| node != "shopper") {
            crashes.insert(format!("{at}ns..{}ns crash {node}", at + 2_000_000_000));
        }
        for entry in sim.log() {
            let Entry::Sent { from, to, .. } = entry else { continue };
            let [from, to] = [name(*from), name(*to)];
            if from != "shopper" && to != "shopper" {
                cuts.insert(format!("{at}ns..{}ns partition {from} | {to}", at + 3_000_000_000));
            }
        }
    }
    (model, crashes.into_iter().collect(), cuts.into_iter().collect())
}

/// A seed with which one of the two orders is refused.
const PAIRED: Seed = Seed(11);

/// What does not hold of all pairs of a crash and another crash or a cut; of each so manieth of them.
fn pairs_break(form: &str, each: usize) -> (usize, Vec<String>) {
    let (model, crashes, cuts) = troubles(form);
    let others = |nth: usize| crashes[nth + 1..].iter().chain(&cuts);
    let pairs = crashes.iter().enumerate().flat_map(|(nth, one)| others(nth).map(move |other| [one, other]));
    let pairs: Vec<[&String; 2]> = pairs.step_by(each).collect();
    let judged = over_seeds(pairs.len() as u64, |Seed(place)| {
        let pair = pairs[place as usize];
        let faults = pair.map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}")));
        let run = model.with(faults.to_vec(), Rest::Seed).run(PAIRED, Stop::AtEnd);
        (run.outcome.verdict != Verdict::Held)
            .then(|| format!("{pair:?}: {:?}, {:?}", run.outcome.property(), run.metrics))
    });
    (pairs.len(), judged.into_iter().flatten().collect())
}

fn hold_in_pairs(each: usize) {
    for form in FORMS {
        let (pairs, broken) = pairs_break(form, each);
        println!("{form}: {} of {pairs} pairs of faults break", broken.len());
        assert!(pairs > 20 && broken.is_empty(), "{form}: {} of {pairs}, the first {:?}", broken.len(), broken.first());
    }
}

#[test]
fn no_pair_of_faults_in_some_thousand_breaks_a_form() {
    hold_in_pairs(29);
}

/// The same of all pairs; figures in docs/validation.md.
#[test]
#[ignore = "tens of thousands of runs; run by hand"]
fn no_pair_of_faults_breaks_a_form() {
    hold_in_pairs(1);
}

#[test]
fn of_the_two_orders_that_faults_come_in_pairs_to_one_is_refused() {
    let (model, ..) = troubles("saga");
    let run = model.run(PAIRED, Stop::AtEnd);
    let placed = run.metrics.iter().find(|(name, _)| name == "placed").expect("it is there").1;
    assert_eq!((run.requests.total, placed), (2, Some(1.0)));
}

/// A few orders under what the nemesis of the file draws, all of which is over by 66 s.
fn troubled(form: &str, more: &[(&str, &str)]) -> Model {
    let few = [&[("rate", "1/s"), ("length", "40s"), ("refuses", "20%")], more].concat();
    let changes = Changes { chance: Chance::BySeed, ..Changes::default() };
    model_of(&conserved(), form, &[&few[..], &CALM].concat(), &changes)
}

fn broken(form: &str, more: &[(&str, &str)], seeds: u64) -> Vec<String> {
    broken_of(&troubled(form, more), seeds)
}

fn broken_of(model: &Model, seeds: u64) -> Vec<String> {
    let runs = over_seeds(seeds, |seed| {
        let run = model.of_seed(seed).run(seed, Stop::AtEnd);
        let property = run.outcome.property().map(str::to_owned);
        (run.outcome.verdict != Verdict::Held).then(|| format!("{}: {property:?}, {:?}", seed.0, run.metrics))
    });
    runs.into_iter().flatten().collect()
}

fn hold_under_nemesis(seeds: u64) {
    for form in FORMS {
        let broken = broken(form, &[], seeds);
        println!("{form}: {} of {seeds} nemesis seeds broken", broken.len());
        assert!(broken.is_empty(), "{form}: the first {}", broken[0]);
    }
}

#[test]
fn every_form_is_all_or_nothing_under_any_nemesis() {
    hold_under_nemesis(20);
}

/// The same at length; figures in docs/validation.md.
#[test]
#[ignore = "10,000 seeds of each form take minutes; run by hand"]
fn every_form_is_all_or_nothing_over_ten_thousand_nemesis_seeds() {
    hold_under_nemesis(10_000);
}

/// The same with all stores on disks, where machines lose their power and disks fail, stall and fill up too, and copies come late.
fn on_ailing_disks(form: &str, mut file: Value) -> Model {
    let stores = ["db", "stock", "payments", "parcels"];
    for store in stores {
        file["nodes"][store]["durable"] = json!("synced");
        file["nodes"][store]["sync"] = json!("2ms");
    }
    let draws = file["nemesis"]["draws"].as_array_mut().expect("draws");
    for node in stores.iter().chain(&["orders"]) {
        for ill in
            ["power-loss NODE for 100ms..6s", "disk NODE fsync-fails for 100ms..3s", "disk NODE full for 100ms..3s"]
        {
            draws.push(json!(ill.replace("NODE", node)));
        }
        draws.push(json!(format!("power-loss {node} at sync 1%..20% for 100ms..3s")));
        draws.push(json!(format!("disk {node} slow x2..x100 for 1s..10s")));
        draws.push(json!(format!("duplicate *->{node} 10%..60% +1ms..3s for 5s..20s")));
    }
    file["nemesis"]["faults"] = json!("2..6");
    let few = [("rate", "2/s"), ("length", "40s"), ("refuses", "20%")];
    let changes = Changes { chance: Chance::BySeed, ..Changes::default() };
    model_of(&file, form, &[&few[..], &CALM].concat(), &changes)
}

fn hold_on_ailing_disks(seeds: u64) {
    for form in FORMS {
        let broken = broken_of(&on_ailing_disks(form, conserved()), seeds);
        println!("{form} on disks: {} of {seeds} nemesis seeds broken", broken.len());
        assert!(broken.is_empty(), "{form}: the first {}", broken[0]);
    }
}

#[test]
fn every_form_is_all_or_nothing_on_ailing_disks_under_any_nemesis() {
    hold_on_ailing_disks(20);
}

/// The same at length; figures in docs/validation.md.
#[test]
#[ignore = "10,000 seeds of each form take minutes; run by hand"]
fn every_form_is_all_or_nothing_on_ailing_disks_over_ten_thousand_nemesis_seeds() {
    hold_on_ailing_disks(10_000);
}

/// All that goes from anybody to a store comes twice, at once or a while later.
#[test]
fn what_comes_twice_inside_a_transaction_is_done_once() {
    for later in ["1ms", "3ms", "50ms"] {
        let line = format!("0s..30s duplicate *->* 100% +{later}");
        for form in FORMS {
            let few = [("rate", "2/s"), ("length", "10s"), ("refuses", "20%")];
            let changes = Changes { faults: vec![line.parse().expect("a fault")], ..Changes::default() };
            let model = model_of(&conserved(), form, &[&few[..], &CALM].concat(), &changes);
            let run = model.run(Seed(1), Stop::AtEnd);
            let broken = run.outcome.property();
            assert_eq!(run.outcome.verdict, Verdict::Held, "{form}, {line}: {broken:?}, {:?}", run.metrics);
        }
    }
}

/// An undo that finds the disk full is no undo.
#[test]
fn mistake_an_undo_is_not_tried_again_when_the_disk_is_full() {
    let text = conserved().to_string().replace(r#""deadlock","disk","#, r#""deadlock","#);
    let file: Value = serde_json::from_str(&text).expect("it is JSON");
    assert!(file != conserved(), "the file says otherwise now how its undo is tried again");
    let broken = broken_of(&on_ailing_disks("saga", file), 100);
    assert!(broken.iter().any(|run| run.contains("all or nothing")), "{broken:?}");
}

/// An undo that finds nothing leaves a mark, so that what it undoes does nothing when it comes late. Between looking and leaving the mark it may
/// come all the same, and is to be undone then.
#[test]
fn mistake_a_tombstone_is_set_over_what_came_in_between() {
    let shipped = example();
    let hasty = shipped.to_string().replace(r#","where":"value == null || value == 'BACK'"}"#, "}");
    let hasty: Value = serde_json::from_str(&hasty).expect("it is JSON");
    assert_ne!(hasty, shipped);
    let settings = [CALM[0], CALM[1], ("rate", "1/s"), ("length", "3s"), ("refuses", "0%")];
    let mut broken = 0;
    for late in 1000..1016 {
        for (from, to) in [("inventory", "reserve"), ("billing", "charge")] {
            let line = format!("0s..10s delay orders->{from} {to} +{late}ms");
            let changes = Changes { faults: vec![line.parse().expect("a fault")], ..Changes::default() };
            let verdict = |file| model_of(file, "saga", &settings, &changes).run(Seed(0), Stop::AtEnd).outcome.verdict;
            assert_eq!(verdict(&shipped), Verdict::Held, "{line}");
            broken += u32::from(verdict(&hasty) != Verdict::Held);
        }
    }
    assert!(broken >= 4, "{broken}");
}

/// Item 3.2 of at-least-once delivery: without an inbox what comes twice is done twice.
#[test]
fn mistake_events_are_taken_without_an_inbox() {
    let broken = broken("events", &[("inbox", "off")], 60);
    assert!(broken.iter().any(|run| run.contains("at most once") || run.contains("has paid")), "{broken:?}");
}

/// A transaction undoes half an order, and knows nothing of an order that is asked for twice; nor does what is led or passed on, but for the
/// keys that its services have by themselves.
#[test]
fn mistake_an_order_that_comes_twice_is_taken_for_two() {
    for form in ["one-database", "2pc", "xa"] {
        let broken = broken(form, &[("key", "off")], 60);
        assert!(broken.iter().any(|run| run.contains("at most once")), "{form}: {broken:?}");
    }
}
