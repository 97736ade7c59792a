//! Scenario stores on the simulated disk: what power losses, full, lying, rotting disks take, and who hears of it.

use std::collections::BTreeSet;

use faultline_tests::scenarios::{over_seeds, remedied, written};
use serde_json::{Value, json};
use sim_core::{Seed, Stop, Verdict};
use sim_models::scenario::Scenario;

/// A shop that pays ten orders a second for ten seconds, in a store on a disk, and an order at a time in a transaction that takes one
/// from the stock.
fn shop(store: &Value, faults: &[&str]) -> Value {
    let mut orders =
        json!({"kind": "store", "maps": {"status": {}, "stock": {"lamp": 1000}}, "set": "1ms", "commit": "1ms"});
    for (key, value) in store.as_object().expect("an object") {
        orders[key] = value.clone();
    }
    json!({
        "faultline": 1, "name": "disks", "until": "20s",
        "nodes": {
            "shop": {"kind": "service", "endpoints": {"pay": [
                {"set": "orders.status[$order]", "to": "PAID", "timeout": "1s",
                 "on": {"disk": [{"record": "refused"}, {"fail": "sorry"}]}},
                {"record": "thanked"},
                {"transaction": [
                    {"set": "orders.stock['lamp']", "to": "= value - 1"},
                    {"record": "shipped"}
                ], "on": {"else": []}}
            ]}},
            "orders": orders,
        },
        "network": {"latency": "1ms"},
        "workload": {"customer": {"rate": "10/s", "spacing": "even", "limit": 100, "each": "order", "do": [{"call": "shop.pay"}]}},
        "faults": faults,
        "metrics": {
            "thanked": {"count": "thanked > 0"},
            "refused": {"count": "refused > 0"},
            "forgotten": {"count": "thanked > 0 && orders.status[$order] == null"},
            "kept": {"count": "refused > 0 && orders.status[$order] == 'PAID'"},
            "strange": {"count": "thanked > 0 && orders.status[$order] != null && orders.status[$order] != 'PAID'"},
            "shipped": {"value": "total(shipped)"},
            "stock": {"value": "orders.stock['lamp']"},
        },
        "properties": {"remembered": {"always": "thanked == 0 || orders.status[$order] == 'PAID'"}},
    })
}

struct Came {
    verdict: Verdict,
    metrics: Vec<(String, Option<f64>)>,
    touched: Vec<u64>,
}

impl Came {
    fn of(&self, metric: &str) -> f64 {
        self.metrics
            .iter()
            .find(|(name, _)| name == metric)
            .and_then(|(_, value)| *value)
            .unwrap_or_else(|| panic!("{metric}"))
    }
}

fn come(scenario: &Scenario, seed: Seed) -> Came {
    let run = remedied(scenario, None).run(seed, Stop::AtEnd);
    Came { verdict: run.outcome.verdict, metrics: run.metrics, touched: run.touched }
}

fn run(store: &Value, faults: &[&str]) -> Came {
    come(&written(&shop(store, faults)), Seed(1))
}

const LOSS: &str = "5s..6s power-loss orders";

#[test]
fn a_store_that_answers_once_it_has_synced_forgets_nothing_it_has_said() {
    let came = run(&json!({}), &[LOSS]);
    assert_eq!(
        (came.verdict, came.of("forgotten"), came.of("stock") + came.of("shipped")),
        (Verdict::Held, 0.0, 1000.0)
    );
    assert!((85.0..100.0).contains(&came.of("thanked")), "some came while it was down");
    let slow = run(&json!({"sync": "30ms"}), &[LOSS]);
    assert_eq!((slow.verdict, slow.of("forgotten")), (Verdict::Held, 0.0));
}

#[test]
fn a_store_that_answers_once_it_has_written_forgets_what_was_not_synced() {
    let came = run(&json!({"durable": "written"}), &[LOSS]);
    assert_eq!(came.verdict, Verdict::Broken);
    // Between one second and two of ten orders each.
    assert!((10.0..=20.0).contains(&came.of("forgotten")), "{}", came.of("forgotten"));
    assert!(came.of("stock") + came.of("shipped") > 1000.0, "lamps were shipped that are in stock again");
    let crash = run(&json!({"durable": "written"}), &["5s..6s crash orders"]);
    assert_eq!(
        (crash.verdict, crash.of("forgotten")),
        (Verdict::Held, 0.0),
        "a crash of the process keeps what was written"
    );
}

#[test]
fn a_disk_that_lies_breaks_the_word_of_a_store_that_syncs() {
    let came = run(&json!({}), &["2s..9s disk orders fsync-lies", LOSS]);
    assert_eq!((came.verdict, came.of("forgotten")), (Verdict::Broken, 30.0));
    assert_eq!(
        run(&json!({}), &["2s..9s disk orders fsync-lies"]).verdict,
        Verdict::Held,
        "nothing shows while it is up"
    );
}

#[test]
fn a_sync_that_fails_is_told_and_its_change_is_taken_back() {
    for ill in ["fsync-fails", "full"] {
        let fault = format!("2s..4s disk orders {ill}");
        let came = run(&json!({}), &[&fault, LOSS]);
        assert_eq!((came.verdict, came.of("refused"), came.of("kept")), (Verdict::Held, 20.0, 0.0), "{ill}");
        assert_eq!((came.of("forgotten"), came.of("stock") + came.of("shipped")), (0.0, 1000.0), "{ill}");
        assert!(came.touched[0] >= 20, "{ill}");
    }
}

#[test]
fn a_failed_sync_takes_back_what_came_after_it_too() {
    // Orders come while a sync is under way: what stands on a change that failed fails with it, and stock and shipments agree.
    let came = run(&json!({"sync": "250ms"}), &["2s..2300ms disk orders fsync-fails", "5s..6s crash orders"]);
    assert!((3.0..=9.0).contains(&came.of("refused")), "{}", came.of("refused"));
    assert_eq!((came.of("kept"), came.of("stock") + came.of("shipped")), (0.0, 1000.0));
    assert_eq!(came.verdict, Verdict::Held);
}

#[test]
fn what_a_failed_sync_took_back_has_not_happened_after_a_crash_either() {
    for down in ["crash", "power-loss"] {
        for begin in (2000..2700).step_by(20) {
            let crash = format!("{begin}ms..{}ms {down} orders", begin + 500);
            let came = run(&json!({"sync": "250ms"}), &["2s..2300ms disk orders fsync-fails", &crash]);
            assert_eq!((came.of("kept"), came.of("stock") + came.of("shipped")), (0.0, 1000.0), "{crash}");
            assert_eq!(came.verdict, Verdict::Held, "{crash}");
        }
    }
}

#[test]
fn a_commit_that_comes_twice_is_answered_once_when_it_is_durable() {
    let mut file = shop(&json!({"sync": "30ms"}), &["0s..12s duplicate shop->orders 100% +5ms"]);
    file["nodes"]["shop"]["endpoints"]["pay"][2]["on"] = json!({"undone": [{"record": "undone"}]});
    file["metrics"]["undone"] = json!({"value": "total(undone)"});
    let came = come(&written(&file), Seed(1));
    assert!(came.touched[0] > 100, "copies came: {}", came.touched[0]);
    assert_eq!((came.of("undone"), came.of("shipped"), came.of("stock")), (0.0, 100.0, 900.0));
}

/// The answers of a second are lost, the store goes down, and what it is asked once more then it has done in its former life.
#[test]
fn a_commit_that_comes_again_after_a_crash_is_known_to_be_done() {
    for down in ["crash", "power-loss"] {
        for durable in [json!({"sync": "5ms"}), json!({})] {
            let crash = format!("5s..5300ms {down} orders");
            // Nor does the shop hear that the store is gone.
            let lost = ["4500ms..5s loss orders->shop commit 100%", "4990ms..5250ms partition shop | orders"];
            let faults = ["0s..12s duplicate shop->orders 100% +700ms", lost[0], lost[1], &crash];
            let mut file = shop(&durable, &faults);
            file["nodes"]["shop"]["endpoints"]["pay"][2]["on"] =
                json!({"ok": [{"record": "sold"}], "undone": [{"record": "undone"}], "else": []});
            file["metrics"]["undone"] = json!({"value": "total(undone)"});
            file["metrics"]["twice"] = json!({"count": "shipped > 1"});
            file["metrics"]["sold_late"] = json!({"count": "sold > 0 && sold.first - thanked.first > 0.5s"});
            let came = come(&written(&file), Seed(1));
            assert!(came.touched[1] >= 4, "answers were lost: {:?}", came.touched);
            assert_eq!((came.of("undone"), came.of("twice")), (0.0, 0.0), "{crash} {durable}");
            assert!(came.of("sold_late") >= 2.0, "{crash} {durable}: {}", came.of("sold_late"));
            assert_eq!(came.of("stock") + came.of("shipped"), 1000.0, "{crash} {durable}");
        }
    }
}

/// What a former life has done, facts and all, a copy of the commit does not do again, whenever the store goes down after that.
#[test]
fn a_commit_that_comes_again_after_a_crash_brings_its_facts_no_second_time() {
    for after in (0..40).step_by(2) {
        let twice = "4500ms..5s duplicate shop->orders commit 100% +700ms";
        let crash = format!("{}ms..5800ms crash orders", 5500 + after);
        let mut file = shop(&json!({"sync": "5ms"}), &[twice, "5s..5100ms crash orders", &crash]);
        file["metrics"]["twice"] = json!({"count": "shipped > 1"});
        let came = come(&written(&file), Seed(1));
        assert!(came.touched[0] >= 4, "copies came: {:?}", came.touched);
        assert_eq!((came.of("twice"), came.of("stock") + came.of("shipped")), (0.0, 1000.0), "{crash}");
    }
}

/// Nothing of an order is in the file that finds no room: it is told at once, and what was written before it stands.
#[test]
fn who_finds_no_room_on_the_disk_is_told_at_once_and_nothing_else_is_taken_back() {
    let mut file = shop(&json!({"sync": "40ms"}), &["2005ms..4s disk orders full", "4500ms..5s crash orders"]);
    file["metrics"]["told_after"] = json!({"max": "refused.first - asked.first", "where": "refused > 0", "unit": "s"});
    file["workload"]["customer"]["do"] = json!([{"record": "asked"}, {"call": "shop.pay"}]);
    let came = come(&written(&file), Seed(1));
    // The order before was written at 1.9 s and is durable at 1.95 s; the first that is refused comes at 2 s and is written 2 ms later.
    assert_eq!(
        (came.verdict, came.of("refused"), came.of("kept"), came.of("forgotten")),
        (Verdict::Held, 19.0, 0.0, 0.0)
    );
    // Two ways there, the work of a set, and one way back.
    assert_eq!((came.of("told_after") * 1e6).round(), 4_000.0);
    assert_eq!(came.of("stock") + came.of("shipped"), 1000.0);
}

#[test]
fn what_a_full_disk_has_refused_or_taken_back_no_crash_brings_back() {
    for begin in (2000..3000).step_by(40) {
        for length in [100, 400, 1000] {
            let full = format!("{begin}ms..{}ms disk orders full", begin + length);
            let came = run(&json!({"sync": "250ms"}), &[&full, "6s..6500ms crash orders"]);
            assert_eq!((came.of("kept"), came.of("stock") + came.of("shipped")), (0.0, 1000.0), "{full}");
            assert_eq!((came.verdict, came.of("forgotten")), (Verdict::Held, 0.0), "{full}");
        }
    }
}

/// A sync fails while the disk is full: that its orders are taken back has no room either, and nobody is told before it has.
#[test]
fn what_is_taken_back_on_a_full_disk_is_told_once_that_is_written() {
    for (ends, down) in [(3000, "crash"), (3000, "power-loss"), (60_000, "crash"), (60_000, "power-loss")] {
        for after in (2100..5000).step_by(100) {
            let full = format!("2040ms..{ends}ms disk orders full");
            let down = format!("{after}ms..{}ms {down} orders", after + 500);
            let faults = ["2s..2300ms disk orders fsync-fails", full.as_str(), down.as_str()];
            let came = run(&json!({"sync": "50ms"}), &faults);
            assert_eq!((came.of("kept"), came.of("stock") + came.of("shipped")), (0.0, 1000.0), "{faults:?}");
            assert_eq!((came.verdict, came.of("forgotten")), (Verdict::Held, 0.0), "{faults:?}");
        }
    }
}

#[test]
fn a_store_that_cannot_read_its_disk_answers_disk_until_it_starts_again() {
    let faults = ["4s..7s disk orders read-error", "5s..6s crash orders", "8s..8500ms crash orders"];
    let came = run(&json!({}), &faults);
    assert_eq!((came.of("refused"), came.of("forgotten"), came.touched[0]), (20.0, 0.0, 1));
    assert_eq!(came.of("stock") + came.of("shipped"), 1000.0);
}

#[test]
fn a_wiped_disk_is_empty_and_two_stores_may_have_each_others() {
    let wiped = run(&json!({}), &["5s..6s crash orders wiping disk"]);
    assert_eq!((wiped.verdict, wiped.of("forgotten")), (Verdict::Broken, 50.0));
    let mut file = shop(&json!({}), &["5s..6s crash orders other swapping disks"]);
    file["nodes"]["other"] = json!({"kind": "store", "maps": {"else": {}}});
    file["faults"] = json!(["5s..6s crash o* swapping disks"]);
    let swapped = come(&written(&file), Seed(1));
    assert_eq!((swapped.verdict, swapped.of("forgotten"), &swapped.touched[..]), (Verdict::Broken, 50.0, &[2][..]));
}

#[test]
fn a_checksum_leaves_out_what_has_rotted_and_without_one_it_may_be_believed() {
    let faults = ["4s disk orders bit-rot", "5s..6s crash orders"];
    let (known, believed) = [true, false]
        .map(|checksum| written(&shop(&json!({"checksum": checksum}), &faults)))
        .map(|scenario| over_seeds(200, |seed| come(&scenario, seed)))
        .into();
    // A rotten record may be of a status that is gone then, or of a stock that a later one has anyway.
    assert!(known.iter().all(|came| came.of("strange") == 0.0 && came.of("forgotten") <= 1.0));
    assert!(known.iter().any(|came| came.of("forgotten") == 1.0));
    assert!(believed.iter().any(|came| came.of("strange") > 0.0), "a wrong status is believed");
}

#[test]
fn a_torn_last_record_is_left_out_and_the_store_goes_on() {
    let faults = ["disk orders torn-write", "4850ms..7s disk orders stall", LOSS];
    let scenario = written(&shop(&json!({"sync": "10ms"}), &faults));
    for came in over_seeds(10, |seed| come(&scenario, seed)) {
        assert_eq!((came.verdict, came.of("forgotten"), came.touched[0]), (Verdict::Held, 0.0, 1));
        assert!(came.of("thanked") > 80.0);
    }
}

#[test]
fn a_commit_that_was_written_and_not_answered_has_happened_after_a_crash() {
    // The disk stalls: what was written before the crash is there after it, facts and cells together.
    let came = run(&json!({}), &["4s..4500ms disk orders stall", "4400ms..5s crash orders"]);
    assert_eq!((came.verdict, came.of("stock") + came.of("shipped")), (Verdict::Held, 1000.0));
}

/// A crash keeps what no sync has covered, and the power takes that while the next start makes it durable: the facts have not happened either, as
/// nobody is told before. The judge sees cells and facts change together, at each moment.
#[test]
fn what_the_power_takes_from_a_start_has_not_happened() {
    let mut moved = BTreeSet::new();
    for crash in (1_002_500..1_009_000u64).step_by(500) {
        for power in [1_000, 3_000, 5_500, 9_000] {
            let back = crash + 1_000;
            let faults = [format!("{crash}us..{back}us crash db"), format!("{}us..2s power-loss db", back + power)];
            let file = json!({
                "faultline": 1, "name": "one", "until": "30s", "network": {"latency": "1ms"},
                "nodes": {
                    "shop": {"kind": "service", "endpoints": {"buy": [
                        {"transaction": [{"set": "db.rows[$order]", "to": "SOLD"}, {"record": "moved"}], "timeout": "2s", "on": {"else": []}}]}},
                    "db": {"kind": "store", "durable": "synced", "sync": "5ms", "maps": {"rows": {}}}},
                "workload": {"buyer": {"rate": "1/s", "spacing": "even", "start": "1s", "limit": 1, "each": "order", "do": [{"call": "shop.buy"}]}},
                "faults": faults,
                "metrics": {"moved": {"value": "total(moved)"}},
                "properties": {"a fact is a row": {"always": "(moved == 1) == (db.rows[$order] == 'SOLD')"}},
            });
            let came = come(&written(&file), Seed(1));
            assert_eq!(came.verdict, Verdict::Held, "{faults:?}");
            moved.insert(came.of("moved") as u32);
        }
    }
    assert_eq!(moved, BTreeSet::from([0, 1]), "some were lost, and some were not");
}

#[test]
fn a_store_that_nothing_happens_to_is_as_it_was_and_one_with_a_disk_comes_to_the_same() {
    let digest = |store: &Value, faults: &[&str]| {
        remedied(&written(&shop(store, faults)), None).run(Seed(1), Stop::AtEnd).outcome.digest
    };
    let plain = digest(&json!({}), &[]);
    assert_eq!(plain, digest(&json!({"sync": "1s", "checksum": false}), &[]), "nothing is written");
    assert_ne!(plain, digest(&json!({"durable": "synced"}), &[]));
    let [bare, synced] = [json!({}), json!({"durable": "synced"})].map(|store| run(&store, &[]).metrics);
    assert_eq!(bare, synced);
}

#[test]
fn a_volatile_store_has_no_disk() {
    let file = shop(&json!({"volatile": true, "durable": "synced"}), &[]);
    let wrong = written(&file).model(&sim_models::language::Choices::none()).err().expect("it is wrong").to_string();
    assert!(wrong.contains("a volatile store has nothing on a disk"), "{wrong}");
}
