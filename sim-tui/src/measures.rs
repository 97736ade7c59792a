//! What a run measured, as JSON and as text.

use serde_json::{Map, Value, json};
use sim_core::{Duration, Judged, Outcome, Verdict};
use sim_models::message::Sort;
use sim_models::program::Expected;
use sim_models::scenario::{Model, Run};
use sim_models::stats::{Confidence, Estimate};
use sim_models::study::{Single, Unit};

use crate::estimates::{NOTHING, with_interval};
use crate::nemesis;
use crate::study::estimate_json;
use crate::text::{self, Side, table};

/// The keys that `run --json` prints and `replay --json` adds to.
pub(crate) fn json(name: &str, model: &Model, run: &Run, wall: std::time::Duration) -> Map<String, Value> {
    let outcome = &run.outcome;
    let texts = |pairs: &[(String, String)]| -> Map<String, Value> {
        pairs.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect()
    };
    let lines = |faults: &mut dyn Iterator<Item = &sim_core::Fault>| -> Vec<String> {
        faults.map(ToString::to_string).collect()
    };
    let document = json!({
        "scenario": name,
        "seed": run.seed.to_string(),
        "settings": texts(model.changed()),
        "faults": lines(&mut model.faults().iter()),
        "until_ns": model.until().map(|until| until.nanos()),
        "events": outcome.events,
        "sim_seconds": outcome.end.as_secs_f64(),
        "wall_seconds": wall.as_secs_f64(),
        "events_per_second": per_second(outcome.events, wall),
        "digest": outcome.digest.to_string(),
        "verdict": outcome.verdict,
        "property": outcome.property(),
        "properties": outcome.properties,
        "requests": requests(run),
        "outcomes": outcomes(run),
        "latency_ms": latency(run),
        "metrics": run.metrics.iter().map(|(name, value)| (name.clone(), metric(*value))).collect::<Map<_, _>>(),
        "units": units(model),
        "effects": effects(model, run),
        "inert": lines(&mut model.inert(run)),
        "drawn": lines(&mut model.drawn().iter()),
        "exceeds": nemesis::excess(model),
        "excuse": nemesis::left(model, outcome),
        "counters": run.counters.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>(),
        "panic": panic(model, outcome),
        "limit": outcome.limit.map(|limit| limit.to_string()),
        "interrupted": outcome.interrupted,
    });
    match document {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// A whole number is written as one.
fn metric(value: Option<f64>) -> Value {
    match value {
        Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => json!(whole as i64),
        other => json!(other),
    }
}

fn requests(run: &Run) -> Value {
    let of = &run.requests;
    json!({
        "total": of.total, "ok": of.ok, "error": of.error, "unknown": of.unknown, "unanswered": of.unanswered,
        "availability": of.availability,
    })
}

/// By workload and by edge: `{"shopper": {"ok": 9890, "rejected": 0, …}}`.
fn outcomes(run: &Run) -> Value {
    let counts = |counts: &[(&'static str, u64)]| -> Map<String, Value> {
        counts.iter().map(|(sort, count)| ((*sort).to_owned(), json!(count))).collect()
    };
    Value::Object(run.outcomes.iter().map(|(name, of)| (name.clone(), Value::Object(counts(of)))).collect())
}

fn latency(run: &Run) -> Value {
    let of = &run.latency;
    json!({"p50": of.p50, "p90": of.p90, "p99": of.p99, "p999": of.p999, "max": of.max})
}

fn units(model: &Model) -> Map<String, Value> {
    let with_unit = model.program().metrics.iter().filter(|metric| !metric.unit.is_empty());
    with_unit.map(|metric| (metric.name.clone(), json!(metric.unit))).collect()
}

fn panic(model: &Model, outcome: &Outcome) -> Value {
    let Some(panic) = &outcome.panic else { return Value::Null };
    let names = model.start(sim_core::Seed(0)).0;
    json!({"event": panic.event, "node": names.names().node(panic.node), "message": panic.message})
}

/// Events a second, for showing.
pub(crate) fn per_second(events: u64, wall: std::time::Duration) -> f64 {
    events as f64 / wall.as_secs_f64().max(1e-9)
}

/// The verdict in a line: `broken: charged at most once`.
pub(crate) fn headline(model: &Model, outcome: &Outcome) -> String {
    let why = match (&outcome.panic, outcome.limit, outcome.property()) {
        (Some(panic), _, _) => {
            let names = model.start(sim_core::Seed(0)).0;
            let node = names.names().node(panic.node).to_owned();
            Some(format!("{node}, event {}: {}", text::count(panic.event), panic.message))
        }
        (None, Some(limit), _) => Some(format!("{limit} ended the run")),
        (None, None, property) => property.map(str::to_owned),
    };
    let verdict = if outcome.interrupted {
        format!("interrupted; {} so far", outcome.verdict)
    } else {
        outcome.verdict.to_string()
    };
    why.map_or(verdict.clone(), |why| format!("{verdict}: {why}"))
}

/// A line per property: verdict, name, what was seen, where.
pub(crate) fn properties(judged: &[Judged]) -> String {
    table(&[Side::Left, Side::Left, Side::Left], &property_rows(judged))
}

/// The cells of these lines.
pub(crate) fn property_rows(judged: &[Judged]) -> Vec<Vec<String>> {
    let row = |judged: &Judged| {
        let place = match (judged.event, judged.at) {
            (Some(event), Some(at)) => format!("event {} at {}", text::count(event), text::length(at)),
            _ => String::new(),
        };
        let detail = [judged.detail.as_str(), &place].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
        vec![judged.verdict.to_string(), judged.name.clone(), detail.join(", ")]
    };
    judged.iter().map(row).collect()
}

/// Requests and their latency as two small tables.
pub(crate) fn traffic(run: &Run) -> String {
    if run.requests.total == 0 {
        return String::new();
    }
    let [requests, latency] =
        [("requests", request_cells(run)), ("latency", latency_cells(run))].map(|(name, cells)| {
            let cells = std::iter::once((name, String::new())).chain(cells);
            let (head, row): (Vec<&str>, Vec<String>) = cells.unzip();
            columns(&head, row)
        });
    format!("{requests}{latency}{}", split(run))
}

/// What became of requests and calls that were not ok, by sort; nothing where that is no more than the table of requests says.
fn split(run: &Run) -> String {
    let says_more = |(name, counts): &(String, Vec<(&'static str, u64)>)| {
        let more = [Sort::Rejected, Sort::Shed, Sort::Open, Sort::Exhausted].map(Sort::word);
        !name.contains("->") && counts.iter().any(|(sort, count)| *count > 0 && more.contains(sort))
    };
    if !run.outcomes.iter().any(says_more) {
        return String::new();
    }
    let bad = |counts: &[(&'static str, u64)]| counts.iter().any(|(sort, count)| *sort != "ok" && *count > 0);
    let rows: Vec<&(String, Vec<(&'static str, u64)>)> =
        run.outcomes.iter().filter(|(_, counts)| bad(counts)).collect();
    // Only columns that have something in them.
    let sorts = Sort::ALL.iter().map(|sort| sort.word());
    let count = |counts: &[(&'static str, u64)], word: &str| {
        counts.iter().find(|(sort, _)| *sort == word).map(|(_, count)| *count)
    };
    let used: Vec<&str> = sorts
        .filter(|word| rows.iter().any(|(_, counts)| count(counts, word).is_some_and(|count| count > 0)))
        .collect();
    let head: Vec<String> =
        std::iter::once("outcomes".to_owned()).chain(used.iter().map(|word| (*word).to_owned())).collect();
    let row = |(name, counts): &&(String, Vec<(&'static str, u64)>)| {
        let cells = used.iter().map(|word| count(counts, word).map_or(NOTHING.to_owned(), text::count));
        std::iter::once(name.clone()).chain(cells).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(row)).collect();
    let sides: Vec<Side> = std::iter::once(Side::Left).chain(used.iter().map(|_| Side::Right)).collect();
    table(&sides, &rows)
}

/// What became of the requests, each count under its name.
pub(crate) fn request_cells(run: &Run) -> Vec<(&'static str, String)> {
    let of = &run.requests;
    vec![
        ("total", text::count(of.total)),
        ("ok", text::count(of.ok)),
        ("error", text::count(of.error)),
        ("unknown", text::count(of.unknown)),
        ("unanswered", text::count(of.unanswered)),
        ("availability", of.availability.map_or(NOTHING.to_owned(), text::percent)),
    ]
}

/// How long they took, each quantile under its name.
pub(crate) fn latency_cells(run: &Run) -> Vec<(&'static str, String)> {
    let of = &run.latency;
    let all = [("p50", of.p50), ("p90", of.p90), ("p99", of.p99), ("p99.9", of.p999), ("max", of.max)];
    let shown = |ms: Option<f64>| ms.map_or(NOTHING.to_owned(), |ms| text::length((ms * 1e6).round() as u64));
    all.map(|(name, ms)| (name, shown(ms))).to_vec()
}

/// The head of the table of what one run says of its system.
pub(crate) const ESTIMATES: [&str; 4] = ["estimate", "value (95 %)", "method", "requests"];

/// What one run says of its system; nothing without a request.
pub(crate) fn estimates(single: &Single, warmup: Option<Duration>) -> String {
    let rows = estimate_rows(single);
    if rows.is_empty() {
        return String::new();
    }
    let head = ESTIMATES.map(str::to_owned).to_vec();
    let sides = [Side::Left, Side::Left, Side::Left, Side::Right];
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let words = estimate_words(single, warmup).into_iter().map(|words| text::indented(&text::wrapped(&words), 2));
    table(&sides, &rows) + &words.collect::<String>()
}

/// A row for each estimate.
pub(crate) fn estimate_rows(single: &Single) -> Vec<Vec<String>> {
    let named = [("availability", Unit::Share, &single.availability), ("mean", Unit::Millis, &single.mean)];
    let quantiles = single.quantiles.iter().map(|(name, estimate)| (*name, Unit::Millis, estimate));
    let all = named.into_iter().chain(quantiles).filter(|(.., estimate)| estimate.value.is_some());
    let row = |(name, unit, estimate): (&str, Unit, &Estimate)| {
        let (shown, method) = (with_interval(&unit, estimate), estimate.method.name().to_owned());
        vec![name.to_owned(), shown, method, text::count(estimate.n)]
    };
    all.map(row).collect()
}

/// What the estimates leave out.
pub(crate) fn estimate_words(single: &Single, warmup: Option<Duration>) -> Option<String> {
    let warmup = warmup?;
    let requests = text::counted(single.warming, "request");
    Some(format!("the warm-up of {warmup} took {requests}, which are in no estimate"))
}

/// The same for programs: `{value lo hi method n unit}` each.
pub(crate) fn estimates_json(single: &Single, warmup: Option<Duration>) -> Value {
    let mut members = Map::new();
    members.insert("confidence".to_owned(), json!(Confidence::USUAL.share()));
    members.insert("warmup".to_owned(), json!(warmup.map(|warmup| warmup.to_string())));
    members.insert("warmup_requests".to_owned(), json!(single.warming));
    let mut put = |name: &str, unit, estimate| {
        members.insert(name.to_owned(), Value::Object(estimate_json(estimate, &unit)));
    };
    put("availability", Unit::Share, &single.availability);
    put("mean", Unit::Millis, &single.mean);
    single.quantiles.iter().for_each(|(name, estimate)| put(name, Unit::Millis, estimate));
    let proposed = single.proposed.map(|(requests, until)| json!({"requests": requests, "until_ns": until.nanos()}));
    members.insert("proposed_warmup".to_owned(), json!(proposed));
    Value::Object(members)
}

fn columns(head: &[&str], row: Vec<String>) -> String {
    let sides: Vec<Side> = (0..head.len()).map(|column| if column == 0 { Side::Left } else { Side::Right }).collect();
    table(&sides, &[head.iter().map(|word| (*word).to_owned()).collect(), row])
}

/// Whether the file's expectations are about this run: they are when nothing but remedies was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expecting {
    AsTheFileSays,
    Nothing,
}

/// A line per metric: name, value, unit, what the file expects, what it is.
pub(crate) fn metrics(model: &Model, run: &Run, expecting: Expecting) -> String {
    let sides = [Side::Left, Side::Right, Side::Left, Side::Left, Side::Left];
    without_empty_columns(&sides, &metric_rows(model, run, expecting))
}

/// The cells of these lines.
pub(crate) fn metric_rows(model: &Model, run: &Run, expecting: Expecting) -> Vec<Vec<String>> {
    let program = model.program();
    let row = |(name, value): &(String, Option<f64>)| {
        let metric = program.metrics.iter().find(|metric| metric.name == *name);
        let unit = metric.map_or("", |metric| metric.unit.as_str());
        let about = metric.map_or("", |metric| metric.about.as_str());
        let expected = program.expect.iter().find(|(known, _)| known == name).map(|(_, expected)| expected);
        let expected = expected.filter(|_| expecting == Expecting::AsTheFileSays).map(expectation);
        vec![
            name.clone(),
            value.map_or(NOTHING.to_owned(), text::number),
            unit.to_owned(),
            expected.unwrap_or_default(),
            about.to_owned(),
        ]
    };
    run.metrics.iter().map(row).collect()
}

fn expectation(expected: &Expected) -> String {
    match expected {
        Expected::Exactly(value) => format!("expected {}", text::number(*value)),
        Expected::Between(from, to) => format!("expected {} to {}", text::number(*from), text::number(*to)),
        Expected::Never => "expected never".to_owned(),
    }
}

fn without_empty_columns(sides: &[Side], rows: &[Vec<String>]) -> String {
    let used: Vec<usize> = (0..sides.len()).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| used.iter().map(|column| row[*column].clone()).collect()).collect();
    table(&used.iter().map(|column| sides[*column]).collect::<Vec<_>>(), &rows)
}

/// What is said of one property in a hunt or a replay: `broken: charged at most once`.
pub(crate) fn said(verdict: Verdict, property: Option<&str>) -> String {
    property.map_or(verdict.to_string(), |property| format!("{verdict}: {property}"))
}

/// How often each fault of the schedule did something.
fn effects(model: &Model, run: &Run) -> Value {
    let all = model.faults().iter().zip(&run.touched);
    all.map(|(fault, count)| json!({"fault": fault.to_string(), "count": count})).collect()
}
