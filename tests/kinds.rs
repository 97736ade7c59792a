//! Every kind of fault there is, in one table: it prints as it is written, it does something, and when it is over it does no more.
//!
//! What exactly each does is told in ailments.rs, links.rs, lives.rs, triggers.rs, zones.rs and disks.rs. This is the list that keeps
//! the reference, the parser, the nemesis and the tests one.

use std::collections::BTreeSet;

use faultline_tests::scenarios::{over_seeds, written};
use serde_json::json;
use sim_core::fault::{TRIGGERS, VERBS};
use sim_core::nemesis::general;
use sim_core::{Duration, Fault, Instant, Limits, Seed, Stop};
use sim_models::language::Choices;
use sim_models::scenario::{Changes, Model, Run};

/// Lines that hold from the tenth to the twentieth second, or strike at the tenth, and what else must happen for them to show.
const KINDS: &[(&str, &[&str])] = &[
    ("10s..20s partition shop | db", &[]),
    ("10s..20s partition isolate one of shop", &[]),
    ("10s..20s partition halves of *", &[]),
    ("10s..20s partition bridge of *", &[]),
    ("10s..20s partition ring of *", &[]),
    ("10s..20s cut shop->db", &[]),
    ("10s..20s loss shop->db set 20%", &[]),
    ("10s..20s burst-loss shop<->db 90% bad ~200ms good ~1s", &[]),
    ("10s..20s delay shop->db +20ms ~10ms", &[]),
    ("10s..20s delay shop->db 20% +100ms", &[]),
    ("10s..20s delay shop->db +20ms ~20ms per 1s", &[]),
    ("10s..20s duplicate shop->db 20% +1ms ~1ms", &[]),
    ("10s..20s corrupt shop->db 20%", &[]),
    ("10s..20s bandwidth shop->db 5KB/s queue 3 random", &[]),
    ("10s..20s refuse shopper->shop 20%", &[]),
    ("10s..20s swizzle shop", &[]),
    ("10s..20s clog shop->db", &[]),
    ("10s..20s crash one of shop", &[]),
    ("10s..20s crash db wiping disk", &[]),
    ("10s..20s crash shop swapping disks", &[]),
    ("10s..20s power-loss db", &[]),
    ("10s..20s stop shop-1 grace 1s", &[]),
    ("10s..20s pause db", &[]),
    ("10s..20s pause shop-1 freezing clocks", &[]),
    ("10s..20s pause shop-1 freezing monotonic", &[]),
    ("10s..20s slow shop x3", &[]),
    ("10s..20s clock shop step +1s", &[]),
    ("10s clock shop leap +1s", &[]),
    ("10s..20s clock shop smear +1s", &[]),
    ("10s..20s clock shop drift +100ppm", &[]),
    ("10s..20s clock shop discipline ±5ms per 1s", &[]),
    ("10s..20s clock shop freeze", &[]),
    ("10s..20s clock shop strobe +1s per 100ms", &[]),
    ("10s..20s disk db fsync-fails", &[]),
    ("10s..20s disk db fsync-lies", &[]),
    ("10s..20s disk db slow x5", &[]),
    ("10s..20s disk db stall", &[]),
    ("10s..20s disk db torn-write", &["10s..20s power-loss db at sync #250 for 1s"]),
    ("10s disk db bit-rot", &[]),
    ("10s disk db misdirected", &[]),
    ("10s..20s disk db full", &[]),
    ("10s..20s disk db read-error", &["14s..15s crash db"]),
    ("10s.. deploy shop v2 by 50% every 2s", &[]),
    ("10s rollback shop", &["5s deploy shop v2"]),
    ("10s.. restart shop every 2s", &[]),
    ("10s..20s scale shop 1", &[]),
    ("10s..20s scale shop 5", &[]),
    ("10s..20s rush shopper x3", &[]),
    ("10s..20s hang shop-1.buy", &[]),
    ("10s..20s hang db", &[]),
    ("10s..20s fail shop overloaded 30%", &[]),
    ("10s..20s fail db.set", &[]),
    ("10s..20s skew shopper first 50%", &[]),
    ("10s..20s skew shopper last 50%", &[]),
    ("10s..20s skew shopper ends 100%", &[]),
    ("10s..20s buggify odd 100% 50%", &[]),
    ("10s..20s crash shop before buy.set #900 for 1s", &[]),
    ("10s..20s crash shop after buy.set 5% for 1s", &[]),
    ("10s..20s pause db at sync #250 for 1s", &[]),
    ("10s..20s crash zone east", &[]),
    ("10s..20s pause one zone", &[]),
    ("10s..20s crash each zone every ~3s for 1s", &[]),
    ("10s..20s slow each of shop-1..shop-2 x2", &[]),
    ("10s..20s crash any minority of shop every ~3s for 1s", &[]),
];

/// Two shops and a database with a disk, for a minute; the shops look at their clocks.
fn model(lines: &[&str], until: Duration) -> Model {
    let shop = json!({"kind": "service", "replicas": 3, "zones": ["east", "west"], "memory": {"seen": {}}, "endpoints": {"buy": [
        {"set": "seen['now']", "to": "= now"},
        {"set": "seen[$product]", "to": "$order"},
        {"buggify": "odd", "then": [{"work": "1ms"}]},
        {"work": {"exponential": "5ms"}},
        {"set": "db.orders[$order]", "to": "PAID", "timeout": "300ms", "on": {"else": []}},
        {"reply": "OK"}]}});
    let scenario = written(&json!({
        "faultline": 1, "name": "kinds", "until": "60s", "network": {"latency": "1ms"},
        "nodes": {"shop": shop, "db": {"kind": "store", "maps": {"orders": {}}, "sync": "2ms"}},
        "workload": {"shopper": {"rate": "20/s", "for": "55s", "each": "order", "do": [
            {"pick": "product", "among": 100, "skew": 1},
            {"call": "shop.buy", "with": {"product": "$product"}, "timeout": "1s"}]}},
    }));
    let faults = lines.iter().map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    let changes = Changes { faults, until: Some(Instant::ZERO + until), ..Changes::default() };
    scenario.model_with(&Choices::none(), &changes).unwrap_or_else(|error| panic!("{lines:?}: {error}"))
}

fn ran(lines: &[&str], until: Duration) -> Run {
    let go_on = |_: &_, _: &_| std::ops::ControlFlow::Continue(());
    model(lines, until).run_watched(Seed(5), Stop::AtEnd, Limits::default(), go_on)
}

#[test]
fn every_kind_prints_as_it_is_written_does_something_and_then_does_no_more() {
    let minute = Duration::from_secs(60);
    let wrong = over_seeds(KINDS.len() as u64, |Seed(row)| {
        let (line, company) = KINDS[row as usize];
        let mut wrong = Vec::new();
        let parsed: Fault = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        if parsed.to_string() != line {
            wrong.push(format!("{line}: prints as {parsed}"));
        }
        let lines = [company, &[line]].concat();
        let (with, without) = (ran(&lines, minute), ran(company, minute));
        let deeds = with.touched.last().copied().unwrap_or_default();
        if deeds == 0 {
            wrong.push(format!("{line}: has no effect"));
        }
        if with.outcome.digest == without.outcome.digest {
            wrong.push(format!("{line}: the run is the same without it"));
        }
        // Five seconds after its end, all that it has done is done.
        let by_then = ran(&lines, Duration::from_secs(25)).touched.last().copied().unwrap_or_default();
        // What is for good goes on to be seen: a leap, a smear.
        let for_good = line.contains("leap") || line.contains("smear");
        if by_then != deeds && !for_good {
            wrong.push(format!("{line}: has done {by_then} by 25 s, and {deeds} in the end"));
        }
        wrong
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reference_the_parser_the_nemesis_and_this_table_have_the_same_kinds() {
    let verbs = |lines: &mut dyn Iterator<Item = Fault>| lines.map(|fault| fault.verb()).collect::<BTreeSet<_>>();
    let here = verbs(&mut KINDS.iter().map(|(line, _)| line.parse().unwrap()));
    let reference: BTreeSet<&str> = VERBS.iter().filter(|entry| !entry.is_decision()).map(|entry| entry.name).collect();
    assert_eq!(here, reference);
    assert_eq!(general().map(|(verb, _)| verb).collect::<BTreeSet<_>>(), reference);
    assert_eq!(verbs(&mut VERBS.iter().map(|entry| entry.example.parse().unwrap())).len(), VERBS.len());
    for word in TRIGGERS.iter().map(|entry| entry.name) {
        assert!(KINDS.iter().any(|(line, _)| line.split(' ').any(|it| it == word)), "{word}");
    }
    // Of clocks and disks each way to be wrong has a row, of a skew each end.
    let ways = |verb: &str| {
        let form = VERBS.iter().find(|entry| entry.name == verb).unwrap().form;
        let (_, ways) = form.split_once(' ').unwrap();
        let first = |way: &str| way.split(' ').next().unwrap().to_owned();
        ways.split(" | ")
            .flat_map(|way| first(way).split('|').map(str::to_owned).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    for (verb, way) in
        ["clock", "disk", "skew"].into_iter().flat_map(|verb| ways(verb).into_iter().map(move |way| (verb, way)))
    {
        let has = |line: &str| line.contains(&format!(" {verb} ")) && line.split(' ').any(|word| word == way);
        assert!(KINDS.iter().any(|(line, _)| has(line)), "{verb} {way}");
    }
}
