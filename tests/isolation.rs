//! What transactions see of each other, level by level: the anomalies of Berenson and others (SIGMOD 1995) and Adya (MIT 1999), each by
//! an interleaving of its own; histories drawn at random and judged by a graph that knows nothing of the product; and what a store
//! has told survives a power loss at each of its events.
//!
//! A script says for each transaction what it does and how long it waits before each step. It is run twice: by a store in a scenario,
//! with lengths of time, and by a [`Database`] alone. Both must come to the same.

use std::collections::{BTreeMap, BTreeSet};

use faultline_tests::scenarios::{remedied, written};
use proptest::prelude::*;
use serde_json::{Value, json};
use sim_core::{Seed, Stop, Verdict};
use sim_models::database::{Answer, Database, Isolation, Refusal, Txn};
use sim_models::inside::{field, inside};

/// The rows that there may be; the first two are there at the start.
const ROWS: [&str; 4] = ["a", "b", "c", "d"];
const AT_FIRST: i64 = 10;

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Reads(&'static str),
    /// Lists the rows that are there.
    Scans,
    /// Sets a row to a number, or takes it away.
    Sets(&'static str, Option<i64>),
    /// Sets a row to what it has read of it, and so much more.
    Adds(&'static str, i64),
}

/// A transaction: what it does, each after so many nanoseconds, then it commits after as many, or thinks better of it.
#[derive(Clone, Debug)]
struct Script {
    steps: Vec<(u64, Does)>,
    ends_after: u64,
    aborts: bool,
}

/// What has come of a script.
#[derive(Clone, Debug, Default, PartialEq)]
struct Came {
    /// What a step of a transaction has read, 0 where nothing was, and when among all that is noted here.
    read: BTreeMap<(usize, usize), i64>,
    /// The rows that a step has listed.
    listed: BTreeMap<(usize, usize), BTreeSet<&'static str>>,
    ends: Vec<End>,
    rows: BTreeMap<&'static str, i64>,
    /// The transactions that committed, in that order.
    order: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Aborted,
    Committed,
    Deadlock,
    Conflict,
}

// ---- By a store ----

/// Each transaction is a workload of one request. What it sees it tells a service that keeps it, whatever becomes of the transaction.
fn scenario(level: Isolation, scripts: &[Script]) -> Value {
    let nanos = |length: u64| json!({"wait": format!("{length}ns")});
    let tells = |at: String, what: Value| json!({"call": "log.put", "with": {"at": at, "what": what}});
    let mut workload = serde_json::Map::new();
    for (number, script) in scripts.iter().enumerate() {
        let mut steps = Vec::new();
        for (index, (after, does)) in script.steps.iter().enumerate() {
            let at = format!("{number}.{index}");
            steps.push(nanos(*after));
            match does {
                Does::Reads(row) => {
                    steps.push(json!({"read": format!("db.rows['{row}']"), "as": format!("of_{row}")}));
                    steps.push(tells(at, json!(format!("= $of_{row} + 0"))));
                }
                Does::Scans => {
                    steps.push(json!({"read": "db.rows[*]", "where": "value > 0", "as": "all"}));
                    steps.push(tells(format!("{at}.0"), json!(1)));
                    let each = tells(format!("{at}.$row"), json!(1));
                    steps.push(json!({"for_each": "row", "in": "$all", "do": [each]}));
                }
                Does::Sets(row, value) => steps.push(json!({"set": format!("db.rows['{row}']"), "to": value})),
                Does::Adds(row, more) => {
                    steps.push(json!({"set": format!("db.rows['{row}']"), "to": format!("= $of_{row} + {more}")}));
                }
            }
        }
        steps.push(nanos(script.ends_after));
        if script.aborts {
            steps.push(json!({"fail": "changed_mind"}));
        }
        let ends = |code: i64| json!([tells(format!("{number}.end"), json!(code))]);
        let transaction = json!({"transaction": steps, "isolation": level.word(),
            "on": {"ok": ends(1), "deadlock": ends(2), "conflict": ends(3)}});
        let name = format!("t{number}");
        workload.insert(
            name.clone(),
            json!({"rate": "1/s", "spacing": "even", "limit": 1, "each": name, "do": [transaction]}),
        );
    }
    let seen = |at: &str| (metric(at), json!({"value": format!("log.seen['{at}']")}));
    let mut metrics: serde_json::Map<String, Value> = serde_json::Map::new();
    for (number, script) in scripts.iter().enumerate() {
        metrics.extend([seen(&format!("{number}.end"))]);
        metrics.insert(metric(&format!("{number}.order")), json!({"value": format!("log.order['{number}.end']")}));
        for (index, (_, does)) in script.steps.iter().enumerate() {
            match does {
                Does::Reads(_) => metrics.extend([seen(&format!("{number}.{index}"))]),
                Does::Scans => {
                    metrics.extend([seen(&format!("{number}.{index}.0"))]);
                    metrics.extend(ROWS.map(|row| seen(&format!("{number}.{index}.{row}"))));
                }
                Does::Sets(..) | Does::Adds(..) => {}
            }
        }
    }
    metrics.extend(ROWS.map(|row| (metric(row), json!({"value": format!("db.rows['{row}']")}))));
    json!({
        "faultline": 1, "name": "isolation", "workload": workload, "metrics": metrics,
        "nodes": {
            "db": {"kind": "store", "maps": {"rows": {"a": AT_FIRST, "b": AT_FIRST}}},
            "log": {"kind": "service", "maps": {"seen": {}, "order": {}, "count": {}}, "endpoints": {"put": [
                {"set": "seen[$at]", "to": "$what"}, {"set": "count[1]", "to": "= value + 1", "as": "n"}, {"set": "order[$at]", "to": "$n"}]}}
        },
    })
}

/// The name of what a metric says about a place in the log, or of a row.
fn metric(at: &str) -> String {
    format!("m_{}", at.replace('.', "_"))
}

fn by_store(level: Isolation, scripts: &[Script]) -> Came {
    let file = scenario(level, scripts);
    let run = remedied(&written(&file), None).run(Seed(1), Stop::AtEnd);
    assert_eq!(run.outcome.verdict, Verdict::Held, "{:?} {scripts:#?}", run.outcome);
    let metrics: BTreeMap<&str, i64> =
        run.metrics.iter().filter_map(|(name, value)| Some((name.as_str(), (*value)? as i64))).collect();
    let seen = |at: String| metrics.get(metric(&at).as_str()).copied();
    let mut came = Came::default();
    for (number, script) in scripts.iter().enumerate() {
        for (index, (_, does)) in script.steps.iter().enumerate() {
            let (at, key) = (format!("{number}.{index}"), (number, index));
            match does {
                Does::Reads(_) => came.read.extend(seen(at).map(|value| (key, value))),
                Does::Scans if seen(format!("{at}.0")).is_some() => {
                    let there = ROWS.into_iter().filter(|row| seen(format!("{at}.{row}")).is_some());
                    came.listed.insert(key, there.collect());
                }
                Does::Scans | Does::Sets(..) | Does::Adds(..) => {}
            }
        }
        came.ends.push(match seen(format!("{number}.end")) {
            None => End::Aborted,
            Some(1) => End::Committed,
            Some(2) => End::Deadlock,
            Some(_) => End::Conflict,
        });
    }
    let mut order: Vec<(i64, usize)> = came
        .ends
        .iter()
        .enumerate()
        .filter(|(_, end)| **end == End::Committed)
        .map(|(number, _)| (seen(format!("{number}.order")).expect("it is noted"), number))
        .collect();
    order.sort_unstable();
    came.order = order.into_iter().map(|(_, number)| number).collect();
    came.rows = ROWS.into_iter().filter_map(|row| Some((row, seen(row.to_owned())?))).collect();
    came
}

// ---- By a database alone ----

/// A transaction as it is run by hand.
struct Client<'s> {
    script: &'s Script,
    txn: Option<Txn>,
    next: usize,
    knows: BTreeMap<&'static str, i64>,
}

fn by_database(level: Isolation, scripts: &[Script]) -> Came {
    let mut db = Database::of([("a", AT_FIRST), ("b", AT_FIRST)]);
    let mut came = Came { ends: vec![End::Aborted; scripts.len()], ..Came::default() };
    let client = |script| Client { script, txn: None, next: 0, knows: BTreeMap::new() };
    let mut clients: Vec<Client<'_>> = scripts.iter().map(client).collect();
    let after =
        |client: &Client<'_>| client.script.steps.get(client.next).map_or(client.script.ends_after, |step| step.0);
    let mut agenda: BTreeSet<(u64, usize)> =
        clients.iter().enumerate().map(|(number, client)| (after(client), number)).collect();
    while let Some((now, number)) = agenda.pop_first() {
        let mut ready = vec![number];
        while !ready.is_empty() {
            let number = ready.remove(0);
            let goes_on = calls(&mut db, level, &mut clients[number], number, &mut came);
            if goes_on {
                agenda.insert((now + after(&clients[number]), number));
            }
            let mut woken = db.woken();
            woken.retain(|txn| clients.iter().any(|client| client.txn == Some(*txn)));
            ready.extend(woken.iter().filter_map(|txn| clients.iter().position(|client| client.txn == Some(*txn))));
        }
    }
    came.rows = db.rows().map(|(key, value)| (*key, *value)).collect();
    came
}

/// Makes the next call of a transaction. Whether another follows by itself.
fn calls(
    db: &mut Database<&'static str, i64>,
    level: Isolation,
    client: &mut Client<'_>,
    number: usize,
    came: &mut Came,
) -> bool {
    let Some((_, does)) = client.script.steps.get(client.next) else {
        let txn = client.txn.take().unwrap_or_else(|| db.begin(level));
        if client.script.aborts {
            db.abort(txn);
        } else {
            assert_eq!(db.commit(txn), Answer::Done(()), "nobody is refused by a commit");
            came.ends[number] = End::Committed;
            came.order.push(number);
        }
        return false;
    };
    // It begins with its first call, as at a store.
    let txn = *client.txn.get_or_insert_with(|| db.begin(level));
    let at = (number, client.next);
    let answer = match does {
        Does::Reads(row) => told(db.read(txn, row), |value| {
            client.knows.insert(row, value.unwrap_or_default());
            came.read.insert(at, value.unwrap_or_default());
        }),
        Does::Scans => told(db.scan(txn, |_, value| *value > 0), |rows| {
            came.listed.insert(at, rows.into_iter().map(|(key, _)| key).collect());
        }),
        Does::Sets(row, value) => told(db.set(txn, row, *value), |()| {}),
        Does::Adds(row, more) => told(db.set(txn, row, Some(client.knows[row] + more)), |()| {}),
    };
    match answer {
        Answer::Done(()) => client.next += 1,
        Answer::Waits => return false,
        Answer::Refused(why) => {
            client.txn = None;
            came.ends[number] = match why {
                Refusal::Deadlock => End::Deadlock,
                Refusal::Conflict => End::Conflict,
                Refusal::Over => panic!("it is open"),
            };
            return false;
        }
    }
    true
}

fn told<T>(answer: Answer<T>, tell: impl FnOnce(T)) -> Answer<()> {
    match answer {
        Answer::Done(value) => {
            tell(value);
            Answer::Done(())
        }
        Answer::Waits => Answer::Waits,
        Answer::Refused(why) => Answer::Refused(why),
    }
}

/// Runs scripts both ways.
#[track_caller]
fn both(level: Isolation, scripts: &[Script]) -> Came {
    let (store, alone) = (by_store(level, scripts), by_database(level, scripts));
    assert_eq!(store, alone, "{level:?}: a store and a database alone come to different ends\n{scripts:#?}");
    store
}

// ---- The anomalies ----

use Does::{Adds, Reads, Scans, Sets};

/// A transaction from instants in milliseconds, at which each step is taken if nothing is waited for; the last is the commit.
fn at(steps: &[(u64, Does)], ends: u64) -> Script {
    let mut now = 0;
    let mut since = |instant: u64| (instant - std::mem::replace(&mut now, instant)) * 1_000_000;
    let steps = steps.iter().map(|(instant, does)| (since(*instant), *does)).collect();
    Script { steps, ends_after: since(ends), aborts: false }
}

fn aborting(script: Script) -> Script {
    Script { aborts: true, ..script }
}

/// An anomaly: its name, what the transactions do, how it shows, and whether it may under each level.
struct Anomaly {
    name: &'static str,
    scripts: Vec<Script>,
    shows: fn(&Came) -> bool,
    allowed: [bool; 3],
}

fn all_committed(came: &Came) -> bool {
    came.ends.iter().all(|end| *end == End::Committed)
}

fn anomalies() -> Vec<Anomaly> {
    const NOWHERE: [bool; 3] = [false, false, false];
    const READ_COMMITTED: [bool; 3] = [true, false, false];
    const NOT_SERIALIZABLE: [bool; 3] = [true, true, false];
    vec![
        Anomaly {
            name: "dirty write (G0, P0): two set the same two rows, and each row is another's",
            scripts: vec![
                at(&[(1, Sets("a", Some(101))), (4, Sets("b", Some(101)))], 6),
                at(&[(2, Sets("a", Some(202))), (3, Sets("b", Some(202)))], 5),
            ],
            shows: |came| came.rows["a"] != came.rows["b"],
            allowed: NOWHERE,
        },
        Anomaly {
            name: "aborted read (G1a, P1): what is read was taken back",
            scripts: vec![aborting(at(&[(1, Sets("a", Some(101)))], 3)), at(&[(2, Reads("a")), (4, Reads("a"))], 5)],
            shows: |came| came.read.values().any(|value| *value == 101),
            allowed: NOWHERE,
        },
        Anomaly {
            name: "intermediate read (G1b, P1): what is read was not the last that its transaction set",
            scripts: vec![at(&[(1, Sets("a", Some(101))), (3, Sets("a", Some(102)))], 4), at(&[(2, Reads("a"))], 5)],
            shows: |came| came.read.values().any(|value| *value == 101),
            allowed: NOWHERE,
        },
        Anomaly {
            name: "circular information flow (G1c): each reads what the other has set",
            scripts: vec![
                at(&[(1, Sets("a", Some(101))), (3, Reads("b"))], 5),
                at(&[(2, Sets("b", Some(202))), (4, Reads("a"))], 6),
            ],
            shows: |came| all_committed(came) && came.read[&(0, 1)] == 202 && came.read[&(1, 1)] == 101,
            allowed: NOWHERE,
        },
        Anomaly {
            name: "non-repeatable read (P2): a row read twice is two",
            scripts: vec![at(&[(1, Reads("a")), (4, Reads("a"))], 5), at(&[(2, Sets("a", Some(202)))], 3)],
            shows: |came| came.read[&(0, 0)] != came.read[&(0, 1)],
            allowed: READ_COMMITTED,
        },
        Anomaly {
            name: "phantom (P3): rows listed twice are more the second time",
            scripts: vec![at(&[(1, Scans), (4, Scans)], 5), at(&[(2, Sets("c", Some(202)))], 3)],
            shows: |came| came.listed[&(0, 0)] != came.listed[&(0, 1)],
            allowed: READ_COMMITTED,
        },
        Anomaly {
            name: "phantom (P3): rows listed twice are more the second time, and the new one was looked at before",
            scripts: vec![at(&[(1, Scans), (5, Scans)], 6), at(&[(2, Reads("c")), (3, Sets("c", Some(202)))], 4)],
            shows: |came| came.listed[&(0, 0)] != came.listed[&(0, 1)],
            allowed: READ_COMMITTED,
        },
        Anomaly {
            name: "phantom (P3): rows listed twice are fewer the second time",
            scripts: vec![at(&[(1, Scans), (4, Scans)], 5), at(&[(2, Sets("b", None))], 3)],
            shows: |came| came.listed[&(0, 0)] != came.listed[&(0, 1)],
            allowed: READ_COMMITTED,
        },
        Anomaly {
            name: "lost update (P4): two take one of what both have read",
            scripts: vec![at(&[(1, Reads("a")), (3, Adds("a", -1))], 4), at(&[(2, Reads("a")), (5, Adds("a", -1))], 6)],
            shows: |came| all_committed(came) && came.rows["a"] == AT_FIRST - 1,
            allowed: READ_COMMITTED,
        },
        Anomaly {
            name: "read skew (A5A, G-single): one row from before a change of both, one from after",
            scripts: vec![
                at(&[(1, Reads("a")), (5, Reads("b"))], 6),
                at(&[(2, Sets("a", Some(202))), (3, Sets("b", Some(202)))], 4),
            ],
            shows: |came| (came.read[&(0, 0)] == 202) != (came.read[&(0, 1)] == 202),
            allowed: READ_COMMITTED,
        },
        Anomaly {
            name: "read skew through what is listed (G-single): a new row, and not the change that came with it",
            scripts: vec![
                at(&[(1, Reads("a")), (5, Scans)], 6),
                at(&[(2, Sets("a", Some(202))), (3, Sets("c", Some(202)))], 4),
            ],
            shows: |came| (came.read[&(0, 0)] == 202) != came.listed[&(0, 1)].contains("c"),
            allowed: READ_COMMITTED,
        },
        Anomaly {
            name: "write skew (A5B, G2-item): each sets what the other has read",
            scripts: vec![
                at(&[(1, Reads("a")), (2, Reads("b")), (5, Sets("a", Some(101)))], 7),
                at(&[(3, Reads("a")), (4, Reads("b")), (6, Sets("b", Some(202)))], 8),
            ],
            shows: |came| {
                let first = |number: usize| [0, 1].map(|step| came.read.get(&(number, step)).copied());
                all_committed(came) && first(0) == [Some(AT_FIRST); 2] && first(1) == [Some(AT_FIRST); 2]
            },
            allowed: NOT_SERIALIZABLE,
        },
        Anomaly {
            name: "write skew over a predicate (G2): each adds a row that the other has not listed",
            scripts: vec![
                at(&[(1, Scans), (3, Sets("c", Some(101)))], 5),
                at(&[(2, Scans), (4, Sets("d", Some(202)))], 6),
            ],
            shows: |came| all_committed(came) && came.listed.values().all(|listed| listed.len() == 2),
            allowed: NOT_SERIALIZABLE,
        },
    ]
}

#[test]
fn each_anomaly_is_allowed_or_refused_as_the_level_says() {
    for Anomaly { name, scripts, shows, allowed } in anomalies() {
        for (level, allowed) in Isolation::ALL.into_iter().zip(allowed) {
            let came = both(level, &scripts);
            assert_eq!(shows(&came), allowed, "{level:?}: {name}\n{came:#?}");
        }
    }
}

#[test]
fn who_cannot_have_an_anomaly_waits_or_is_refused_as_the_level_says() {
    let ends = |name: &str, level| {
        let found = anomalies().into_iter().find(|anomaly| anomaly.name.starts_with(name)).expect("it is in the table");
        both(level, &found.scripts).ends
    };
    use End::{Committed, Conflict};
    assert_eq!(ends("lost update", Isolation::Snapshot), [Committed, Conflict]);
    assert_eq!(ends("lost update", Isolation::Serializable), [Committed, Committed]);
    assert_eq!(ends("dirty write", Isolation::Snapshot), [Committed, Conflict]);
    assert_eq!(ends("dirty write", Isolation::ReadCommitted), [Committed, Committed]);
    // Each has what the other reads next: the younger begins again.
    assert_eq!(ends("circular", Isolation::Serializable), [Committed, End::Deadlock]);
    // Both list before either adds: the second waits with its list, and does not die.
    assert_eq!(ends("write skew over", Isolation::Serializable), [Committed, Committed]);
}

// ---- Histories drawn at random ----

/// When a step comes after the one before, what it does, and to which row.
type Drawn = (u64, usize, usize);

/// Up to four transactions of up to four steps. What is set is a number that nothing else sets.
fn scripts() -> impl Strategy<Value = Vec<Script>> {
    let step = (1_u64..40_000_000, 0_usize..8, 0_usize..ROWS.len());
    let script = (prop::collection::vec(step, 1..5), 1_u64..40_000_000, prop::bool::weighted(0.1));
    prop::collection::vec(script, 2..5).prop_map(|drawn| {
        let script = |(number, (steps, ends_after, aborts)): (usize, (Vec<Drawn>, u64, bool))| {
            let value = |index: usize| (100 * (number + 1) + index) as i64;
            let does = |(index, (after, what, row)): (usize, &Drawn)| {
                let does = match what {
                    0..=2 => Reads(ROWS[*row]),
                    3 => Scans,
                    4 => Sets(ROWS[*row], None),
                    _ => Sets(ROWS[*row], Some(value(index))),
                };
                (*after, does)
            };
            Script { steps: steps.iter().enumerate().map(does).collect(), ends_after, aborts }
        };
        drawn.into_iter().enumerate().map(script).collect()
    })
}

/// What a committed transaction leaves in each row that it has set: the last it set there; 0 where it took it away.
fn leaves(script: &Script) -> BTreeMap<&'static str, i64> {
    let sets = script.steps.iter().filter_map(|(_, does)| match does {
        Sets(row, value) => Some((*row, value.unwrap_or_default())),
        Reads(_) | Scans | Adds(..) => None,
    });
    sets.collect()
}

/// How one transaction depends on another (Adya 1999, chapter 3): it set, read or overwrote what the other set or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It read what the other set, or set what the other had set before.
    Follows,
    /// The other read what it has overwritten.
    Overwrites,
}

/// The direct dependencies of committed transactions through single rows. Rows that were taken away are left out of reads by value, as
/// nothing tells one absence from another.
fn dependencies(scripts: &[Script], came: &Came) -> Vec<(usize, usize, Why)> {
    let mut edges = Vec::new();
    for row in ROWS {
        // Who has the row keeps it to its end, so that versions come in the order of commits; and what is there at the end is the last.
        let versions: Vec<(usize, i64)> =
            came.order.iter().filter_map(|number| Some((*number, *leaves(&scripts[*number]).get(row)?))).collect();
        let first = if ["a", "b"].contains(&row) { AT_FIRST } else { 0 };
        let last = versions.last().map_or(first, |(_, value)| *value);
        assert_eq!(came.rows.get(row).copied().unwrap_or_default(), last, "what was committed last stands in {row}");
        edges.extend(versions.windows(2).map(|two| (two[0].0, two[1].0, Why::Follows)));
        for ((reader, step), value) in &came.read {
            if scripts[*reader].steps[*step].1 != Reads(row) || came.ends[*reader] != End::Committed {
                continue;
            }
            let place = versions.iter().position(|(writer, left)| left == value && writer != reader);
            if let Some(place) = place.filter(|_| *value != 0) {
                edges.push((versions[place].0, *reader, Why::Follows));
            }
            let is_first = *value == first && *value != 0;
            let next = if is_first { Some(0) } else { place.filter(|_| *value != 0).map(|place| place + 1) };
            if let Some((writer, _)) = next.and_then(|next| versions.get(next)).filter(|(writer, _)| writer != reader) {
                edges.push((*reader, *writer, Why::Overwrites));
            }
        }
    }
    edges
}

fn leads(edges: &[(usize, usize)], from: usize, to: usize) -> bool {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(here) = next.pop() {
        let there = edges.iter().filter(|(start, _)| *start == here).map(|(_, end)| *end);
        for end in there {
            if end == to {
                return true;
            }
            if seen.insert(end) {
                next.push(end);
            }
        }
    }
    false
}

/// What a history shows of what no level, only the weakest, or all but the strongest allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shows {
    /// What was not committed was read, or information flows in a circle (G0, G1).
    dirty: bool,
    /// A circle with one overwritten read (G-single: lost update, read skew, non-repeatable read).
    single: bool,
    /// Any circle (G2).
    circle: bool,
    /// No order of the committed transactions, one after the other, comes to the same.
    no_order: bool,
}

fn judged(scripts: &[Script], came: &Came) -> Shows {
    let committed: BTreeSet<i64> =
        came.order.iter().flat_map(|number| leaves(&scripts[*number]).into_values()).chain([0, AT_FIRST]).collect();
    let own = |number: usize, value: i64| value / 100 == number as i64 + 1;
    let unclean = came.read.iter().any(|((number, _), value)| !own(*number, *value) && !committed.contains(value));
    let edges = dependencies(scripts, came);
    let plain = |whys: &[Why]| -> Vec<(usize, usize)> {
        edges.iter().filter(|(_, _, why)| whys.contains(why)).map(|(from, to, _)| (*from, *to)).collect()
    };
    let (follows, all) = (plain(&[Why::Follows]), plain(&[Why::Follows, Why::Overwrites]));
    let circle = |edges: &[(usize, usize)]| (0..scripts.len()).any(|number| leads(edges, number, number));
    let single = edges.iter().any(|(from, to, why)| *why == Why::Overwrites && leads(&follows, *to, *from));
    Shows { dirty: unclean || circle(&follows), single, circle: circle(&all), no_order: !has_an_order(scripts, came) }
}

/// Whether some order of the committed transactions, run one after the other by what they are, reads and leaves the same: lists and
/// absences included.
fn has_an_order(scripts: &[Script], came: &Came) -> bool {
    orders(&came.order).into_iter().any(|order| {
        let mut rows = BTreeMap::from([("a", AT_FIRST), ("b", AT_FIRST)]);
        let same = order.iter().all(|number| {
            scripts[*number].steps.iter().enumerate().all(|(step, (_, does))| match does {
                Reads(row) => came.read[&(*number, step)] == rows.get(row).copied().unwrap_or_default(),
                Scans => came.listed[&(*number, step)] == rows.keys().copied().collect(),
                Sets(row, Some(value)) => {
                    rows.insert(row, *value);
                    true
                }
                Sets(row, None) => {
                    rows.remove(row);
                    true
                }
                Adds(..) => unreachable!("none is drawn"),
            })
        });
        same && rows == came.rows
    })
}

fn orders(of: &[usize]) -> Vec<Vec<usize>> {
    let Some((last, rest)) = of.split_last() else { return vec![Vec::new()] };
    let place = |order: Vec<usize>| {
        (0..=order.len()).map(move |at| [&order[..at], &[*last], &order[at..]].concat()).collect::<Vec<_>>()
    };
    orders(rest).into_iter().flat_map(place).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn read_committed_reads_nothing_that_was_not_committed(scripts in scripts()) {
        let came = both(Isolation::ReadCommitted, &scripts);
        let shows = judged(&scripts, &came);
        prop_assert!(!shows.dirty, "{:?} {:#?}", shows, came);
    }

    #[test]
    fn a_snapshot_shows_nothing_but_write_skew(scripts in scripts()) {
        let came = both(Isolation::Snapshot, &scripts);
        let shows = judged(&scripts, &came);
        prop_assert!(!shows.dirty && !shows.single, "{:?} {:#?}", shows, came);
        prop_assert!(!came.ends.contains(&End::Deadlock) || scripts.len() > 1);
        // All reads of a snapshot are of one moment: the lists of a transaction that sets nothing are the same.
        for (number, script) in scripts.iter().enumerate().filter(|(_, script)| leaves(script).is_empty()) {
            let lists = (0..script.steps.len()).filter_map(|step| came.listed.get(&(number, step)));
            prop_assert!(lists.collect::<BTreeSet<_>>().len() <= 1);
        }
    }

    #[test]
    fn serializable_histories_have_no_circle_and_an_order(scripts in scripts()) {
        let came = both(Isolation::Serializable, &scripts);
        let shows = judged(&scripts, &came);
        prop_assert_eq!(shows, Shows::default(), "{:#?}", came);
        prop_assert!(!came.ends.contains(&End::Conflict));
    }
}

/// The judge can see what it is to find: on histories of weaker levels it does.
#[test]
fn the_judge_finds_among_drawn_histories_what_weaker_levels_allow() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut found = BTreeMap::new();
    for _ in 0..3_000 {
        let scripts = scripts().new_tree(&mut runner).expect("there is one").current();
        for level in Isolation::ALL {
            let came = by_database(level, &scripts);
            let shows = judged(&scripts, &came);
            assert!(level != Isolation::Serializable || shows == Shows::default(), "{shows:?} {scripts:#?} {came:#?}");
            let Shows { dirty, single, circle, no_order } = shows;
            let counts: &mut [u32; 4] = found.entry(level).or_default();
            for (count, shown) in counts.iter_mut().zip([dirty, single, circle, no_order]) {
                *count += u32::from(shown);
            }
        }
    }
    let [weakest, snapshot, _] = Isolation::ALL.map(|level| found[&level]);
    println!("of 3,000 dirty, single, circle, no order: {weakest:?}, {snapshot:?}");
    assert!(weakest[0] == 0 && weakest[1] > 50 && weakest[2] > weakest[1] && weakest[3] > 100, "{weakest:?}");
    assert!(snapshot[..2] == [0, 0] && snapshot[2] > 5 && snapshot[3] > snapshot[2], "{snapshot:?}");
}

// ---- What has been told survives ----

/// A bank that moves money in transactions, and auditors who look at both accounts at one moment, and at what is noted of transfers.
fn bank(store: &Value) -> Value {
    let mut db = json!({"kind": "store", "maps": {"accounts": {"ann": 100, "bob": 100}, "notes": {}}, "set": "1ms", "commit": "1ms",
        "durable": "synced", "sync": "7ms"});
    for (key, value) in store.as_object().expect("an object") {
        db[key] = value.clone();
    }
    json!({
        "faultline": 1, "name": "bank", "until": "3s", "network": {"latency": "1ms"},
        "nodes": {
            "db": db,
            "teller": {"kind": "service", "maps": {"seen": {}}, "endpoints": {
                "transfer": [{"transaction": [
                    {"set": "db.accounts['ann']", "to": "= value - 1"},
                    {"set": "db.accounts['bob']", "to": "= value + 1"},
                    {"set": "db.notes[$transfer]", "to": "DONE"},
                    {"record": "moved"}
                ], "isolation": "snapshot", "retry": {"tries": 3, "wait": "20ms", "on": ["conflict", "deadlock"]}}, {"record": "thanked"}],
                "audit": [{"transaction": [
                    {"read": "db.accounts['ann']", "as": "ann"}, {"read": "db.accounts['bob']", "as": "bob"},
                    {"if": "$ann + $bob != 200", "then": [{"call": "teller.alarm"}]},
                    {"read": "db.notes[*]", "as": "all"},
                    {"for_each": "one", "in": "$all", "do": [{"call": "teller.keep", "with": {"note": "$one"}}]}
                ], "isolation": "snapshot"}],
                "alarm": [{"record": "torn", "key": "$audit"}],
                "keep": [{"set": "seen[$note]", "to": "SEEN"}]
            }}
        },
        "workload": {
            "customer": {"rate": "200/s", "spacing": "even", "limit": 12, "each": "transfer", "do": [{"call": "teller.transfer", "timeout": "1s"}]},
            "auditor": {"rate": "250/s", "spacing": "even", "start": "1ms", "limit": 20, "each": "audit", "do": [{"call": "teller.audit", "timeout": "1s"}]}
        },
        "metrics": {
            "thanked": {"value": "total(thanked)"},
            "torn": {"value": "total(torn)"},
            "forgotten": {"count": "thanked > 0 && db.notes[$transfer] == null"},
            "unseen": {"count": "teller.seen[$transfer] != null && db.notes[$transfer] == null"},
            "seen": {"count": "teller.seen[$transfer] != null"},
            "untold": {"count": "moved > 0 && db.notes[$transfer] == null || moved == 0 && db.notes[$transfer] != null"},
            "sum": {"value": "db.accounts['ann'] + db.accounts['bob']"},
            "noted": {"value": "db.accounts['bob'] - 100"},
            "notes": {"count": "db.notes[$transfer] != null"}
        },
        "properties": {"what was said stays": {"at_end": "forgotten + unseen + torn == 0"}, "money stays": {"at_end": "sum == 200"}}
    })
}

/// Runs the bank with a fault, and a power loss of 5 ms: its verdict, its metrics by name, and how often the first fault did something.
/// The seed says which half of a record is left.
fn banked(store: &Value, fault: &str, begins: u64, seed: Seed) -> (Verdict, BTreeMap<String, f64>, u64) {
    let mut file = bank(store);
    file["faults"] = json!([fault, format!("{begins}ns..{}ns power-loss db", begins + 5_000_000)]);
    let run = remedied(&written(&file), None).run(seed, Stop::AtEnd);
    let metrics = run.metrics.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    (run.outcome.verdict, metrics, run.touched[0])
}

/// The instants of a run without faults at which something happens, in nanoseconds.
fn instants() -> Vec<u64> {
    let (mut sim, _) = remedied(&written(&bank(&json!({}))), None).start(Seed(1));
    let mut all = BTreeSet::new();
    while sim.step().is_some() {
        all.insert(sim.now().nanos());
    }
    all.into_iter().collect()
}

/// The power goes at each event of a run without faults, and between it and the next, and leaves the record half written that was not
/// synced: what customers and auditors were told is there, no half of a transaction is, and every transfer is noted with its money.
#[test]
fn what_was_told_survives_a_power_loss_with_a_torn_write_at_every_event() {
    let all = instants();
    assert!(all.len() > 100, "{}", all.len());
    let (mut torn, mut notes) = (0, BTreeSet::new());
    for (index, instant) in all.iter().enumerate() {
        let next = all.get(index + 1).copied().unwrap_or(instant + 2);
        for begins in [*instant, (instant + next) / 2] {
            let (verdict, metrics, tears) = banked(&json!({}), "disk db torn-write", begins, Seed(index as u64));
            assert_eq!(verdict, Verdict::Held, "{begins}ns: {metrics:?}");
            let wrong = ["forgotten", "unseen", "torn", "untold"].map(|name| metrics[name]);
            assert_eq!((wrong, metrics["noted"]), ([0.0; 4], metrics["notes"]), "{begins}ns: {metrics:?}");
            torn += tears;
            notes.insert(metrics["notes"] as i64);
        }
    }
    // It is one transfer that is torn, of those whose sync was under way.
    assert!(torn > 50, "{torn} of {} were torn", 2 * all.len());
    assert!(notes.len() > 1, "what is lost depends on the moment: {notes:?}");
}

/// The same without the means: each of them is what holds the promise.
#[test]
fn without_a_checksum_a_sync_or_an_honest_disk_what_was_told_does_not_survive() {
    let all = instants();
    let breaks = |store: &Value, fault: &str| {
        let broken =
            |(index, begins): &(usize, &u64)| banked(store, fault, **begins, Seed(*index as u64)).0 == Verdict::Broken;
        all.iter().enumerate().filter(broken).count()
    };
    let torn = "disk db torn-write";
    for (store, more) in
        [(json!({"checksum": false}), torn), (json!({"durable": "written"}), torn), (json!({}), "disk db fsync-lies")]
    {
        let broken = breaks(&store, more);
        println!("{store} {more}: {broken} of {} are broken", all.len());
        assert!(broken > 10, "{store} {more}: {broken} of {}", all.len());
    }
}

/// What is not durable is told to nobody: the auditor who looks while a sync is under way hears when it is over.
#[test]
fn a_read_of_what_is_not_durable_is_answered_when_it_is() {
    let file = |faults: &[&str]| {
        json!({
            "faultline": 1, "name": "early", "until": "1s",
            "nodes": {"db": {"kind": "store", "maps": {"rows": {"a": 1, "b": 1}}, "durable": "synced", "sync": "100ms"}},
            "workload": {
                "writer": {"rate": "1/s", "spacing": "even", "limit": 1, "each": "write", "do": [{"set": "db.rows['a']", "to": 2}]},
                "reader": {"rate": "1/s", "spacing": "even", "start": "50ms", "limit": 1, "each": "look", "do": [
                    {"read": "db.rows['b']", "as": "b"}, {"record": "other"}, {"read": "db.rows['a']", "as": "a"}, {"record": "saw"},
                    {"if": "$a == 2", "then": [{"record": "new"}]}]}
            },
            "faults": faults,
            "metrics": {"other": {"max": "other.first"}, "saw": {"max": "saw.first"}, "new": {"value": "total(new)"}, "a": {"value": "db.rows['a']"}}
        })
    };
    let of = |faults: &[&str]| -> BTreeMap<String, Option<f64>> {
        remedied(&written(&file(faults)), None).run(Seed(1), Stop::AtEnd).metrics.into_iter().collect()
    };
    let calm = of(&[]);
    assert_eq!(
        [calm["other"], calm["saw"], calm["new"], calm["a"]],
        [Some(0.05), Some(0.1), Some(1.0), Some(2.0)],
        "another row is read at once"
    );
    let lost = of(&["70ms..200ms power-loss db"]);
    assert_eq!([lost["saw"], lost["new"], lost["a"]], [None, Some(0.0), Some(1.0)], "nobody has seen what is lost");
    let failed = of(&["0s..90ms disk db fsync-fails", "90ms..110ms disk db fsync-fails"]);
    assert_eq!([failed["saw"], failed["a"]], [None, Some(1.0)], "what is taken back was not seen");
}

// ---- Locks that are waited for ----

/// Two that take the same two rows in opposite orders, 10 ms apart, and think for a second in between. What each came to is a fact:
/// `OUTCOME` keyed by 1 or 2.
fn crossing(nodes: &Value, rows: [&str; 2], clauses: &Value) -> BTreeMap<String, f64> {
    let outcomes = ["deadlock", "lock_timeout", "undone", "timeout", "conflict"];
    let one = |number: usize, [first, second]: [&str; 2]| {
        let mut on = serde_json::Map::new();
        for outcome in outcomes {
            on.insert(outcome.to_owned(), json!([{"record": outcome, "key": number}]));
        }
        on.insert("ok".to_owned(), json!([{"record": "fine", "key": number}]));
        let mut step = json!({"transaction": [
            {"set": first, "to": "= value + 1"}, {"wait": "1s"}, {"set": second, "to": "= value + 1"}], "on": on});
        for (name, clause) in clauses.as_object().expect("clauses") {
            step[name] = clause.clone();
        }
        json!({"rate": "1/s", "spacing": "even", "limit": 1, "start": format!("{}ms", 10 * number), "each": format!("k{number}"), "do": [step]})
    };
    let [a, b] = rows;
    let mut metrics = serde_json::Map::new();
    for fact in outcomes.into_iter().chain(["fine"]) {
        metrics.insert(format!("{fact}_s"), json!({"max": format!("{fact}.last"), "where": format!("{fact} > 0")}));
        metrics.insert(fact.to_owned(), json!({"value": format!("total({fact})")}));
    }
    for name in ["one", "two"] {
        metrics.insert(format!("{name}_unanswered"), json!({"value": format!("{name}.unanswered")}));
    }
    let file = json!({
        "faultline": 1, "name": "crossing", "until": "1m", "nodes": nodes, "metrics": metrics,
        "workload": {"one": one(1, [a, b]), "two": one(2, [b, a])}
    });
    let run = remedied(&written(&file), None).run(Seed(1), Stop::AtEnd);
    run.metrics.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn store_with(fields: &Value) -> Value {
    let mut store = json!({"kind": "store", "maps": {"rows": {"x": 0, "y": 0}}});
    for (key, value) in fields.as_object().expect("an object") {
        store[key] = value.clone();
    }
    store
}

#[test]
fn who_waits_for_a_lock_as_long_as_its_store_allows_has_its_transaction_ended() {
    let rows = ["db.rows['x']", "db.rows['y']"];
    let patient = crossing(&json!({"db": store_with(&json!({}))}), rows, &json!({}));
    // The second closes the circle at 1.02 s, and is the younger.
    assert_eq!((patient["deadlock"], patient["deadlock_s"], patient["fine"]), (1.0, 1.02, 1.0), "{patient:?}");
    // A row for which both wait in line is no circle: the second gives up after 300 ms, and the first has both rows.
    let same = ["db.rows['x']", "db.rows['x']"];
    let hasty = crossing(&json!({"db": store_with(&json!({"lock_timeout": "300ms"}))}), same, &json!({}));
    assert_eq!((hasty["lock_timeout"], hasty["lock_timeout_s"]), (1.0, 0.32), "{hasty:?}");
    assert_eq!((hasty["fine"], hasty["fine_s"]), (1.0, 1.01), "{hasty:?}");
}

#[test]
fn a_transaction_that_is_idle_for_as_long_as_its_store_allows_is_rolled_back() {
    let rows = ["db.rows['x']", "db.rows['x']"];
    let of = |timeout: &str| crossing(&json!({"db": store_with(&json!({"idle_timeout": timeout}))}), rows, &json!({}));
    // Each thinks for a second with the row in its hands. The first loses it at 310 ms, and the second, which has it
    // then, at 610 ms.
    let short = of("300ms");
    assert_eq!((short["undone"], short["undone_s"], short["fine"]), (2.0, 1.31, 0.0), "{short:?}");
    // The second waits for the row for 0.99 s before it thinks: who waits in line is not idle.
    let long = of("1100ms");
    assert_eq!((long["undone"], long["fine"], long["fine_s"]), (0.0, 2.0, 2.01), "{long:?}");
}

/// Nothing of it was committed, and nothing will be: that is known.
#[test]
fn a_transaction_whose_time_is_up_while_its_steps_run_is_undone() {
    let rows = ["db.rows['x']", "db.rows['x']"];
    // The second waits for the row that the first keeps for a second.
    let hasty = crossing(&json!({"db": store_with(&json!({}))}), rows, &json!({"timeout": "980ms"}));
    assert_eq!((hasty["undone"], hasty["timeout"], hasty["fine"]), (2.0, 0.0, 0.0), "{hasty:?}");
    let [a, b] = ["a", "b"].map(|store| (store, store_with(&json!({}))));
    let two = crossing(
        &json!({a.0: a.1, b.0: b.1}),
        ["a.rows['x']", "b.rows['x']"],
        &json!({"timeout": "980ms", "protocol": "2pc"}),
    );
    assert_eq!((two["undone"], two["timeout"], two["fine"]), (2.0, 0.0, 0.0), "{two:?}");
    // A service that was called meanwhile does not roll back, and nobody knows what it does.
    let file = json!({
        "faultline": 1, "name": "calling", "until": "10s",
        "nodes": {"db": store_with(&json!({})), "mail": {"kind": "service", "endpoints": {"send": [{"wait": "2s"}]}}},
        "workload": {"one": {"rate": "1/s", "spacing": "even", "limit": 1, "each": "order", "do": [
            {"transaction": [{"set": rows[0], "to": 1}, {"call": "mail.send"}], "timeout": "1s",
             "on": {"undone": [{"record": "undone"}], "timeout": [{"record": "in_doubt"}]}}]}},
        "metrics": {"undone": {"value": "total(undone)"}, "in_doubt": {"value": "total(in_doubt)"}, "x": {"value": "db.rows['x']"}}
    });
    let metrics = remedied(&written(&file), None).run(Seed(1), Stop::AtEnd).metrics;
    assert_eq!(metrics.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), [Some(0.0), Some(1.0), Some(0.0)]);
}

/// The store has not heard of a commit that it fails, or that finds nobody: its caller closes the transaction, as a client closes its connection.
#[test]
fn a_commit_that_is_failed_leaves_no_locks() {
    let rows = ["db.rows['x']", "db.rows['x']"];
    let failed = |faults: &[&str]| {
        let file = json!({
            "faultline": 1, "name": "failing", "until": "30s", "network": {"latency": "1ms"},
            "nodes": {
                "db": store_with(&json!({})),
                "shop": {"kind": "service", "endpoints": {"buy": [
                    {"transaction": [{"set": rows[0], "to": "= value + 1"}, {"wait": "20ms"}], "timeout": "3s"}]}}
            },
            "workload": {"buyer": {"rate": "1/s", "spacing": "even", "start": "1s", "limit": 4, "each": "order", "do": [
                {"call": "shop.buy", "on": {"ok": [{"record": "fine"}], "error": [{"record": "failed"}], "unknown": [{"record": "lost"}]}}]}},
            "faults": faults,
            "metrics": {"fine": {"value": "total(fine)"}, "failed": {"value": "total(failed)"}, "lost": {"value": "total(lost)"}, "x": {"value": "db.rows['x']"}}
        });
        let metrics = remedied(&written(&file), None).run(Seed(1), Stop::AtEnd).metrics;
        metrics.into_iter().map(|(_, value)| value.unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(failed(&["1010ms..1100ms fail db"]), [3.0, 1.0, 0.0, 3.0]);
    // A copy of one that was taken is not failed, and what was failed is not taken when its copy comes.
    for later in [1, 2, 5, 20] {
        for at in 1_022..1_040 {
            let copies = format!("1s..1100ms duplicate shop->db commit 100% +{later}ms");
            let [fine, not, lost, x] = failed(&[&copies, &format!("{at}ms..{}ms fail db", at + 10)])[..] else {
                panic!("four")
            };
            assert_eq!((fine + not + lost, x), (4.0, fine), "{copies} {at}");
        }
    }
}

/// What has promised waits for a decision, not for an operation.
#[test]
fn a_promise_is_not_idle_and_who_has_not_been_asked_for_one_is() {
    let told = |faults: &[&str]| {
        let file = json!({
            "faultline": 1, "name": "promised", "until": "30s", "network": {"latency": "1ms"},
            "nodes": {
                "a": store_with(&json!({"idle_timeout": "2s"})), "b": store_with(&json!({"idle_timeout": "2s"})),
                "shop": {"kind": "service", "endpoints": {"buy": [{"transaction": [
                    {"set": "a.rows['x']", "to": 1}, {"set": "b.rows['x']", "to": 1}, {"wait": "1s"}
                ], "protocol": "2pc", "id": "tx"}]}}
            },
            "workload": {"buyer": {"rate": "1/s", "spacing": "even", "limit": 1, "each": "order",
                "do": [{"call": "shop.buy", "on": {"else": []}}]}},
            "faults": faults,
            "metrics": {"rolled_back": {"value": "a.rollbacks + b.rollbacks"}, "done": {"value": "a.rows['x'] + b.rows['x']"}}
        });
        let metrics = remedied(&written(&file), None).run(Seed(1), Stop::AtEnd).metrics;
        metrics.into_iter().map(|(_, value)| value.unwrap_or_default()).collect::<Vec<_>>()
    };
    assert_eq!(told(&["crash shop at tx.decided #1 for 10s"]), [0.0, 2.0]);
    // One that never hears of the end of its transaction, neither by a rollback nor by a crash.
    assert_eq!(told(&["500ms.. pause shop"]), [2.0, 0.0]);
}

#[test]
fn a_transaction_may_not_be_over_as_soon_as_it_waits() {
    let file = json!({"faultline": 1, "name": "hasty", "nodes": {"db": store_with(&json!({"idle_timeout": "0s"}))}});
    let scenario = sim_models::scenario::Scenario::parse("hasty.json", &file.to_string());
    let told = match scenario.map(|scenario| scenario.model(&sim_models::language::Choices::none()).err()) {
        Ok(error) => error.map_or_else(String::new, |error| error.to_string()),
        Err(error) => error.to_string(),
    };
    assert!(told.contains("with 0s every transaction is over after its first operation"), "{told}");
}

#[test]
fn a_set_outside_transactions_waits_for_a_lock_no_longer_either() {
    let db = store_with(&json!({"lock_timeout": "300ms"}));
    let file = json!({
        "faultline": 1, "name": "outside", "nodes": {"db": db},
        "workload": {
            "one": {"rate": "1/s", "spacing": "even", "limit": 1, "each": "order", "do": [
                {"transaction": [{"set": "db.rows['x']", "to": 1}, {"wait": "1s"}]}]},
            "two": {"rate": "1/s", "spacing": "even", "start": "10ms", "limit": 1, "each": "visit", "do": [
                {"set": "db.rows['x']", "to": 2, "on": {"lock_timeout": [{"record": "late"}]}}, {"wait": "2s"},
                {"set": "db.rows['x']", "to": "= value + 10"}]}
        },
        "metrics": {"late": {"max": "late.first"}, "x": {"value": "db.rows['x']"}}
    });
    let metrics = remedied(&written(&file), None).run(Seed(1), Stop::AtEnd).metrics;
    assert_eq!(metrics, [("late".to_owned(), Some(0.31)), ("x".to_owned(), Some(11.0))]);
}

/// No store sees the whole of a circle over two: as with databases, what ends it is a time, at the store or with the client.
#[test]
fn a_circle_over_two_stores_ends_with_a_time_and_without_one_never() {
    let nodes = |fields: Value| json!({"a": store_with(&fields), "b": store_with(&fields)});
    let rows = ["a.rows['x']", "b.rows['y']"];
    let agree = json!({"protocol": "2pc"});
    let never = crossing(&nodes(json!({})), rows, &agree);
    assert_eq!((never["fine"], never["one_unanswered"] + never["two_unanswered"]), (0.0, 2.0), "{never:?}");
    // The first waits from 1.01 s on and gives up at 1.31 s, which lets the second go on, of which 10 ms were left.
    let by_store = crossing(&nodes(json!({"lock_timeout": "300ms"})), rows, &agree);
    assert_eq!((by_store["lock_timeout"], by_store["lock_timeout_s"]), (1.0, 1.31), "{by_store:?}");
    assert_eq!((by_store["fine"], by_store["fine_s"]), (1.0, 1.31), "{by_store:?}");
    // With a time of the client the same: what it has is given back by its rollback.
    let by_client = crossing(&nodes(json!({})), rows, &json!({"protocol": "2pc", "timeout": "1500ms"}));
    assert_eq!((by_client["undone"], by_client["undone_s"], by_client["fine"]), (1.0, 1.51, 1.0), "{by_client:?}");
    // Who tries again, not both at once, comes through.
    let retry =
        json!({"protocol": "2pc", "retry": {"tries": 5, "wait": "1s", "jitter": "full", "on": ["lock_timeout"]}});
    let again = crossing(&nodes(json!({"lock_timeout": "300ms"})), rows, &retry);
    assert_eq!((again["fine"], again["lock_timeout"]), (2.0, 0.0), "{again:?}");
}

// ---- Snapshots beside the rest of the language ----

/// What a snapshot sees otherwise than it stands in the maps: the versions that are kept for it.
#[test]
fn whoever_looks_inside_a_store_sees_which_old_versions_a_snapshot_reads() {
    let reads =
        json!([{"transaction": [{"read": "db.rows['x']", "as": "x"}, {"wait": "10s"}], "isolation": "snapshot"}]);
    let file = json!({
        "faultline": 1, "name": "looks", "until": "9s",
        "nodes": {"db": {"kind": "store", "maps": {"rows": {"x": 1, "y": 1}}, "idle_timeout": "1m"}},
        "workload": {
            "reader": {"rate": "1/s", "spacing": "even", "limit": 1, "each": "look", "do": reads},
            "writer": {"rate": "1/s", "spacing": "even", "start": "1s", "limit": 2, "each": "order", "do": [
                {"set": "db.rows['x']", "to": "= value + 1"}, {"set": "db.rows[$order]", "to": 5}]}
        }
    });
    let model = remedied(&written(&file), None);
    let (mut sim, _) = model.start(Seed(1));
    while sim.step_before(sim_core::Instant::from_nanos(5_000_000_000)).is_some() {}
    let db = model.program().replicas.iter().position(|(node, _)| model.program().node(*node).name == "db");
    let db = sim_core::NodeId(db.expect("it is there") as u32);
    let state = inside(&sim, model.program(), db);
    assert_eq!(field(&state, "maps.rows.x"), Some(&json!({"value": 3, "version": 3})), "{state:#}");
    let sees = field(&state, "transactions[reader #1].sees.rows");
    assert_eq!(sees, Some(&json!({"x": {"value": 1, "version": 1}, "1": null, "2": null})), "{state:#}");
    let idle = field(&state, "transactions[reader #1].idle_since");
    assert_eq!(idle, Some(&json!("0s")), "{state:#}");
}

/// Two orders with one key, each in a snapshot: the key is set once, and who comes second begins again and finds the outcome.
#[test]
fn a_once_inside_a_snapshot_is_refused_when_another_has_run_it_since() {
    let file = |isolation: &str| {
        json!({
            "faultline": 1, "name": "keyed", "nodes": {"db": {"kind": "store", "maps": {"keys": {}, "rows": {"x": 0}}}},
            "workload": {"buyer": {"rate": "100/s", "spacing": "even", "limit": 2, "each": "order", "do": [
                {"transaction": [
                    {"read": "db.rows['x']", "as": "x"}, {"wait": "100ms"},
                    {"once": "cart", "in": "db.keys", "in_flight": "wait", "do": [{"record": "charged"}]}
                ], "isolation": isolation, "on": {"conflict": [{"record": "again"}]}}]}},
            "metrics": {"charged": {"value": "total(charged)"}, "again": {"value": "total(again)"}, "conflicts": {"value": "db.conflicts"}}
        })
    };
    let of = |isolation: &str| -> Vec<Option<f64>> {
        let metrics = remedied(&written(&file(isolation)), None).run(Seed(1), Stop::AtEnd).metrics;
        metrics.into_iter().map(|(_, value)| value).collect()
    };
    assert_eq!(of("read-committed"), [Some(1.0), Some(0.0), Some(0.0)]);
    assert_eq!(of("snapshot"), [Some(1.0), Some(1.0), Some(1.0)]);
    assert_eq!(of("serializable"), [Some(1.0), Some(0.0), Some(0.0)]);
}

/// What a condition of a serializable transaction looks at beside its own cell is locked too.
#[test]
fn a_condition_about_another_row_is_a_read_of_it() {
    let file = |isolation: &str| {
        let leaves = |own: &str, other: &str| {
            json!([{"wait": "1ms"}, {"transaction": [
                {"set": format!("db.rows['{own}']"), "to": 0, "where": format!("rows['{other}'] == 1")}, {"wait": "100ms"}
            ], "isolation": isolation, "on": {"deadlock": [], "unmet": []}}])
        };
        let workload = |each: &str, own: &str, other: &str| json!({"rate": "1/s", "spacing": "even", "limit": 1, "each": each, "do": leaves(own, other)});
        json!({
            "faultline": 1, "name": "other_row", "nodes": {"db": {"kind": "store", "maps": {"rows": {"x": 1, "y": 1}}}},
            "workload": {"one": workload("k1", "x", "y"), "two": workload("k2", "y", "x")},
            "metrics": {"left": {"value": "db.rows['x'] + db.rows['y']"}}
        })
    };
    for (level, left) in Isolation::ALL.into_iter().zip([0.0, 0.0, 1.0]) {
        let metrics = remedied(&written(&file(level.word())), None).run(Seed(1), Stop::AtEnd).metrics;
        assert_eq!(metrics[0].1, Some(left), "{level:?}");
    }
}

#[test]
fn a_wait_for_a_condition_inside_a_snapshot_is_refused_and_so_is_an_unknown_level() {
    let file = |read: Value, isolation: &str| {
        json!({
            "faultline": 1, "name": "waits", "nodes": {"db": {"kind": "store", "maps": {"rows": {}}}},
            "workload": {"buyer": {"rate": "1/s", "limit": 1, "each": "order", "do": [{"transaction": [read], "isolation": isolation}]}}
        })
    };
    let wrong = |file: &Value| {
        sim_models::scenario::Scenario::parse("small.json", &file.to_string())
            .map(|scenario| scenario.model(&sim_models::language::Choices::none()).map(|_| ()))
            .map_or_else(
                |wrong| wrong.to_string(),
                |model| model.err().map_or_else(String::new, |wrong| wrong.to_string()),
            )
    };
    let waits = json!({"read": "db.rows['x']", "when": "value == 1", "as": "x"});
    let told = wrong(&file(waits.clone(), "snapshot"));
    assert!(told.contains("a snapshot stays as it is, so that this would wait for ever"), "{told}");
    assert_eq!(wrong(&file(waits, "read-committed")), "");
    let told = wrong(&file(json!({"read": "db.rows['x']", "as": "x"}), "repeatable-read"));
    assert!(told.contains("there is \"read-committed\", \"snapshot\" or \"serializable\""), "{told}");
}

/// A client that crashes, a store that crashes, and transactions that end of themselves leave no lock, no transaction and no past.
#[test]
fn nothing_of_a_transaction_is_left_when_it_is_over() {
    let all = [&[][..], &["25ms..100ms crash shop"], &["25ms..100ms crash db"], &["24ms.. cut shop->db"]];
    for (level, faults) in Isolation::ALL.iter().flat_map(|level| all.map(|faults| (*level, faults))) {
        for idles in [false, true] {
            let mut file = json!({
                "faultline": 1, "name": "left", "until": "10s", "network": {"latency": "1ms"},
                "nodes": {
                    "db": {"kind": "store", "maps": {"rows": {"x": 1}}},
                    "shop": {"kind": "service", "endpoints": {"buy": [{"transaction": [
                        {"read": "db.rows[*]", "as": "all"}, {"set": "db.rows['x']", "to": "= value + 1"}, {"wait": "5ms"},
                        {"set": "db.rows[$order]", "to": 1}
                    ], "isolation": level.word(), "timeout": "1s"}]}}
                },
                "workload": {"buyer": {"rate": "500/s", "spacing": "even", "limit": 30, "each": "order",
                    "do": [{"call": "shop.buy", "on": {"else": []}}]}},
                "faults": faults
            });
            if idles {
                file["nodes"]["db"]["idle_timeout"] = json!("2s");
            }
            let model = remedied(&written(&file), None);
            let (mut sim, _) = model.start(Seed(1));
            while sim.step().is_some() {}
            let db = (0..model.program().replicas.len())
                .map(|index| sim.state(sim_core::NodeId(index as u32)).expect("it serialises"))
                .find(|state| state.get("locks").is_some())
                .expect("the store is up");
            // A rollback that is cut leaves what a half-open connection does, for as long as the store lets it.
            let is_cut = !idles && faults.iter().any(|fault| fault.contains("cut"));
            assert_eq!(db["locks"] == json!([]) && db["txns"] == json!([]), !is_cut, "{level:?} {faults:?} {db}");
            assert_eq!(db.get("past").is_some(), is_cut && level == Isolation::Snapshot, "{level:?} {faults:?} {db}");
        }
    }
}
