//! What `avail` found as a page with its tables and pictures, and as a table for a spreadsheet.

use std::path::Path;

use sim_models::avail::{
    Account, Assembly, Availability, Budget, Change, Importance, Law, Names, Period, Piece, Plan, Simulated,
};
use sim_models::stats::Estimate;

use super::{Answer, Asked, Question, called, figure, kind, nines, seconds, share};
use crate::figure::scale::Unit;
use crate::figure::{Axis, Column, Data, Figure, Interval, Mark};
use crate::files::write_whole;
use crate::html::html;
use crate::page::Page;
use crate::report::{Bad, bad};
use crate::text;

/// Nanoseconds a year of being down all the time.
const YEAR: f64 = Period::Year.seconds() * 1e9;
/// More rows than this no picture has.
const ROWS_MAX: usize = 20;
/// Points of a curve over time.
const POINTS: i32 = 48;

/// Everything that was found, to be looked at.
pub(super) fn page(answer: &Answer) -> Page {
    let Answer { question, asked, importance, changes, seen, .. } = answer;
    let assembly = &question.assembly;
    let whole = assembly.availability();
    let mut page = Page::new(format!("Availability of {}", question.title));
    page.paragraph(format!(
        "{} up, {} nines: down {} a year, {} in 30 days, {} a week, {} a day.",
        share(whole),
        nines(whole),
        seconds(whole.downtime_seconds(Period::Year)),
        seconds(whole.downtime_seconds(Period::Month)),
        seconds(whole.downtime_seconds(Period::Week)),
        seconds(whole.downtime_seconds(Period::Day)),
    ));
    if let Some((per_year, mean)) = super::rhythm(assembly) {
        page.paragraph(format!("It goes down {} a year, for {} on average.", super::times(per_year), seconds(mean)));
    }
    if let Some(first) = super::first(assembly) {
        page.paragraph(format!("{}{}.", first[..1].to_uppercase(), &first[1..]));
    }
    let names: Vec<Vec<String>> =
        question.system.names().iter().map(|(name, meaning)| vec![name.to_owned(), meaning.to_owned()]).collect();
    page.table(&["name", "what it means"], &names);
    page.heading("Block by block");
    let mut rows = Vec::new();
    block_rows(assembly.root(), 0, &mut rows);
    page.table(&["availability", "nines", "down a year", "block"], &rows);
    if let Some(figure) = by_part(importance, whole) {
        page.figure(figure);
    }
    if let Some(seen) = seen {
        page.heading("Simulation beside it");
        page.paragraph(super::simulated_in_words(seen));
        page.table(&["", "seen (95 %)", "algebra", "interval"], &super::simulated_rows(seen, Some(assembly)));
        page.figure(side_by_side(question, seen));
        page.figure(lengths(seen));
    }
    if answer.is_interrupted {
        page.paragraph(super::INTERRUPTED.to_owned());
    }
    if let Some(figure) = over_time(assembly, &asked.at) {
        page.heading("From everything up");
        page.figure(figure);
    }
    advice(answer, changes, &mut page);
    page.heading("What this assumes");
    super::assumptions(question).into_iter().for_each(|words| page.paragraph(format!("{words}.")));
    page
}

/// What a simulation alone can tell, to be looked at.
pub(super) fn hard_page(
    title: &str,
    names: &Names,
    why: &str,
    seen: &Simulated,
    budget: Option<(Budget, Availability)>,
) -> Page {
    let mut page = Page::new(format!("Availability of {title}"));
    let names: Vec<Vec<String>> =
        names.iter().map(|(name, meaning)| vec![name.to_owned(), meaning.to_owned()]).collect();
    page.table(&["name", "what it means"], &names);
    page.paragraph(format!("What it comes to is not worked out: {why}."));
    page.heading("Simulation");
    page.paragraph(super::simulated_in_words(seen));
    let rows = super::simulated_rows(seen, None).into_iter().map(|row| row.into_iter().take(2).collect());
    page.table(&["", "seen (95 %)"], &rows.collect::<Vec<_>>());
    page.figure(seen_intervals(&[], seen, "Downtime a year, as it was seen"));
    page.figure(lengths(seen));
    if let Some((budget, whole)) = budget {
        error_budget(budget, whole, &mut page);
    }
    page
}

fn block_rows(piece: &Piece, depth: usize, rows: &mut Vec<Vec<String>>) {
    let of = piece.availability;
    // Blanks at the beginning of a cell would be gone in HTML.
    let name = format!("{}{}", "\u{a0}\u{a0}".repeat(depth), called(piece));
    rows.push(vec![share(of), nines(of), seconds(of.downtime_seconds(Period::Year)), name]);
    piece.pieces.iter().for_each(|inside| block_rows(inside, depth + 1, rows));
}

/// What to do about it.
fn advice(answer: &Answer, changes: &[Change], page: &mut Page) {
    let whole = answer.question.assembly.availability();
    let better: Vec<&Change> = changes.iter().filter(|it| it.availability.down < whole.down).collect();
    if !better.is_empty() {
        page.heading("What buys the most, one change at a time");
        let row = |change: &&Change| {
            let words = format!("{}: {} → {}", change.what, change.before, change.to());
            let of = change.availability;
            vec![share(of), nines(of), seconds(of.downtime_seconds(Period::Year)), words]
        };
        let rows: Vec<Vec<String>> = better.iter().take(ROWS_MAX).map(row).collect();
        page.table(&["availability", "nines", "down a year", "change"], &rows);
        page.figure(sensitivity(&better, whole));
    }
    if answer.importance.len() > 1 {
        page.heading("What matters most");
        let row = |of: &Importance| {
            let down = seconds(of.without.downtime_seconds(Period::Year));
            vec![figure(of.birnbaum), text::percent(of.criticality.min(1.0)), down, of.title()]
        };
        let rows: Vec<Vec<String>> = answer.importance.iter().take(ROWS_MAX).map(row).collect();
        page.table(&["Birnbaum", "criticality", "down a year if it never fails", "part"], &rows);
    }
    if let Some(budget) = answer.asked.budget {
        error_budget(budget, whole, page);
    }
    if !answer.asked.chain.is_empty() {
        page.heading("So many in series");
        page.table(&super::CHAIN_HEAD, &super::chain_rows(&answer.asked.chain, whole));
    }
    if let Some((tries, wait)) = answer.asked.tries {
        page.heading("Requests that are tried again");
        let (head, rows) = super::tried(&answer.question.assembly, tries, wait);
        page.table(&[&head, "requests", "nines"], &rows);
    }
}

fn error_budget(budget: Budget, whole: Availability, page: &mut Page) {
    page.heading("The error budget");
    page.paragraph(super::budget_in_words(budget, whole));
    match super::alert_rows(budget) {
        rows if rows.is_empty() => page.paragraph(format!("There is {}.", super::NO_ALERT)),
        rows => page.table(&super::ALERT_HEAD, &rows),
    }
}

fn alone(row: usize, value: f64) -> Interval {
    Interval::new(row as f64, Some(value), Some(value), Some(value))
}

fn of_rows(name: &str, title: &str, rows: Vec<String>) -> Figure {
    Figure::new(name, title, Axis::log("down a year", Unit::Nanos), Axis::rows("", rows))
}

/// What each part costs: what would be left of the downtime without its failures.
fn by_part(importance: &[Importance], whole: Availability) -> Option<Figure> {
    let parts: Vec<&Importance> = importance.iter().filter(|of| of.criticality > 0.0).take(ROWS_MAX).collect();
    if parts.len() < 2 {
        return None;
    }
    let name = |of: &&Importance| match of.components.len() {
        1 => format!("without failures of {}", of.title()),
        _ => format!("without failures of one {}", of.title().replace("(each of", "(any of")),
    };
    let rows = std::iter::once("as it is".to_owned()).chain(parts.iter().map(name)).collect();
    let downs = std::iter::once(whole.down).chain(parts.iter().map(|of| of.without.down));
    let points = downs.enumerate().map(|(row, down)| alone(row, down * YEAR)).collect();
    Some(of_rows("parts", "Downtime by part", rows).with("", Data::Intervals(points)))
}

fn sensitivity(better: &[&Change], whole: Availability) -> Figure {
    let shown = || better.iter().take(ROWS_MAX);
    let name = |change: &&Change| match change.what.as_str() {
        "one more" => format!("one more: {}", change.to()),
        what => format!("{what} {}", change.after),
    };
    let rows = std::iter::once("as it is".to_owned()).chain(shown().map(name)).collect();
    let downs = std::iter::once(whole.down).chain(shown().map(|change| change.availability.down));
    let points = downs.enumerate().map(|(row, down)| alone(row, down * YEAR)).collect();
    of_rows("sensitivity", "What single changes leave of the downtime", rows)
        .with("", Data::Intervals(points))
        .caption("Each figure twice as good, or one more of something, and all else as it is.")
}

/// The formula, the algebra and what was seen, in rows.
fn side_by_side(question: &Question, seen: &Simulated) -> Figure {
    let whole = question.assembly.availability();
    let mut exact = Vec::new();
    if let Some(told) = question.system.reconciled().filter(|told| !told.steps.is_empty()) {
        exact.push(("formula of independent parts", told.formula.down));
    }
    exact.push(("algebra", whole.down));
    seen_intervals(&exact, seen, "Algebra and simulation: downtime a year")
}

/// What was worked out, and below it what was seen, in rows.
fn seen_intervals(exact: &[(&str, f64)], seen: &Simulated, title: &str) -> Figure {
    let mut rows: Vec<String> = exact.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut points: Vec<Interval> = exact.iter().enumerate().map(|(row, (_, down))| alone(row, down * YEAR)).collect();
    let estimate = |row: usize, of: &Estimate| {
        let times = |value: Option<f64>| value.map(|value| (value * YEAR).max(0.0));
        Interval::new(row as f64, times(of.value), times(of.lo), times(of.hi))
    };
    rows.push("seen, 95 %".to_owned());
    points.push(estimate(points.len(), &seen.down));
    if seen.taking_over.value.is_some_and(|share| share > 0.0) {
        rows.push("of that taking over, 95 %".to_owned());
        points.push(estimate(points.len(), &seen.taking_over));
    }
    let axis = Axis::linear("down a year", Unit::Nanos).including(&[0.0]);
    Figure::new("algebra-and-simulation", title, axis, Axis::rows("", rows)).with("", Data::Intervals(points))
}

/// How long the outages were that were seen, in doublings.
fn lengths(seen: &Simulated) -> Figure {
    let mut columns: Vec<Column> = Vec::new();
    for bucket in seen.lengths.buckets() {
        let power = bucket.middle().max(1).ilog2();
        let (from, to) = (2f64.powi(power as i32), 2f64.powi(power as i32 + 1));
        match columns.last_mut().filter(|column| column.from == from) {
            Some(column) => column.height += bucket.count as f64,
            None => columns.push(Column { from, to, height: bucket.count as f64 }),
        }
    }
    let title = format!("How long {} took", text::counted(seen.episodes, "outage"));
    Figure::new("outages", &title, Axis::log("length", Unit::Nanos), Axis::linear("outages", Unit::Count))
        .with("", Data::Columns(columns))
        .caption("Each column is twice as wide as the one before it.")
}

/// How likely it is down so long after everything was up; none when it was not said how everything fails.
fn over_time(assembly: &Assembly, at: &[(String, f64)]) -> Option<Figure> {
    let horizon = at.iter().map(|(_, seconds)| *seconds * 1.2).fold(settles_after(assembly)?, f64::max);
    let point = |nth: i32| {
        // Evenly spaced factors over three powers of ten.
        let time = horizon * 10f64.powf(-3.0 * f64::from(POINTS - nth) / f64::from(POINTS));
        Some((time * 1e9, Some(assembly.at(time)?.down)))
    };
    let line: Vec<(f64, Option<f64>)> = (0..=POINTS).map(point).collect::<Option<_>>()?;
    let whole = assembly.availability().down;
    let ends = [line.first()?.0, line.last()?.0].map(|time| (time, Some(whole)));
    let marks = at.iter().map(|(text, seconds)| Mark::instant(seconds * 1e9, format!("--at {text}"))).collect();
    let axes = (Axis::log("time", Unit::Nanos), Axis::log("share down", Unit::Share));
    let figure = Figure::new("over-time", "How likely it is down, from everything up", axes.0, axes.1)
        .with("after so long", Data::Line(line))
        .marked(marks);
    Some(if whole < 1.0 { figure.with("in the long run", Data::Line(ends.to_vec())) } else { figure })
}

/// After so many seconds nothing changes any more that could be seen; none when nothing ever fails.
fn settles_after(assembly: &Assembly) -> Option<f64> {
    let of = |law: &Law| match *law {
        Law::Single { rate, outage: None } if rate > 0.0 => 3.0 / rate,
        Law::Single { rate, outage: Some(outage) } | Law::Fixed { rate, outage } if rate > 0.0 => 8.0 * outage,
        Law::Group(group) => {
            group.mttr.map_or(3.0 * group.mtbf, |mttr| 8.0 * mttr.max(group.manual).max(group.takeover))
        }
        Law::Phases { rate, phases } if rate > 0.0 => 8.0 * phases.mean().max(phases.manual * phases.missed.ceil()),
        Law::Planned { out, .. } => 2.0 * out,
        Law::Single { .. } | Law::Fixed { .. } | Law::Phases { .. } | Law::Uneven { .. } => 0.0,
    };
    let all = assembly.components().iter().filter_map(|component| component.law.as_ref()).map(of);
    Some(all.fold(0.0, f64::max)).filter(|longest| *longest > 0.0)
}

/// The blocks as a table, for a spreadsheet; in the row of the whole what was seen of it.
pub(super) fn csv(answer: &Answer) -> Result<String, Bad> {
    let head = [
        "block",
        "kind",
        "depth",
        "alike",
        "availability",
        "unavailability",
        "nines",
        "downtime_seconds_per_year",
        "birnbaum",
        "criticality",
        "unavailability_without",
        "mttf_seconds",
    ];
    let assembly = &answer.question.assembly;
    let mut records = Vec::new();
    csv_rows(assembly, assembly.root(), 0, &answer.importance, &mut records);
    let seen = answer.seen.iter().flat_map(seen_columns).chain(answer.met.iter().flat_map(met_columns));
    let (names, values): (Vec<String>, Vec<String>) = seen.unzip();
    for (nth, record) in records.iter_mut().enumerate() {
        record.extend(values.iter().map(|value| if nth == 0 { value.clone() } else { String::new() }));
    }
    let head = head.iter().map(|name| (*name).to_owned()).chain(names).collect();
    written(head, records)
}

/// What was seen of what can only be simulated.
pub(super) fn seen_csv(label: &str, seen: &Simulated) -> Result<String, Bad> {
    let (names, values): (Vec<String>, Vec<String>) = seen_columns(seen).into_iter().unzip();
    let head = std::iter::once("block".to_owned()).chain(names).collect();
    written(head, vec![std::iter::once(label.to_owned()).chain(values).collect()])
}

/// A table for a spreadsheet.
///
/// # Errors
/// When it cannot be written as one.
pub(crate) fn written(head: Vec<String>, records: Vec<Vec<String>>) -> Result<String, Bad> {
    let wrong = |error: &dyn std::fmt::Display| bad!("--csv: {error}");
    let mut out = csv::Writer::from_writer(Vec::new());
    for record in std::iter::once(head).chain(records) {
        out.write_record(record).map_err(|error| wrong(&error))?;
    }
    let bytes = out.into_inner().map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

/// A figure and the ends of its interval, each under a name.
fn columns(name: &str, of: &Estimate, times: f64) -> [(String, String); 3] {
    let told = |value: Option<f64>| value.map_or_else(String::new, |value| (value * times).to_string());
    [("", of.value), ("_lo", of.lo), ("_hi", of.hi)].map(|(end, value)| (format!("{name}{end}"), told(value)))
}

fn seen_columns(seen: &Simulated) -> Vec<(String, String)> {
    let year = Period::Year.seconds();
    let count = |name: &str, number: u64| (name.to_owned(), number.to_string());
    [
        columns("seen_unavailability", &seen.down, 1.0),
        columns("seen_outages_per_year", &seen.frequency, year),
        columns("seen_unavailability_taking_over", &seen.taking_over, 1.0),
    ]
    .into_iter()
    .flatten()
    .chain([count("seen_outages", seen.episodes), count("seen_runs", seen.down.n)])
    .collect()
}

fn met_columns(met: &Account) -> Vec<(String, String)> {
    let count = |name: &str, number: u64| (name.to_owned(), number.to_string());
    let shares = [
        ("requests_time_down_drawn", met.drawn),
        ("requests_time_down_left_out", met.left_out),
        ("requests_time_down", met.down),
        ("requests_timing", met.timing),
        ("requests_saved", met.saved),
        ("requests_cut_off", met.cut_off),
        ("requests_otherwise", met.otherwise),
        ("requests_failed", met.failed),
    ];
    let shares = shares.iter().flat_map(|(name, of)| columns(name, of, 1.0));
    shares.chain([count("requests", met.requests), count("requests_runs", met.runs)]).collect()
}

fn csv_rows(
    assembly: &Assembly,
    piece: &Piece,
    depth: usize,
    importance: &[Importance],
    records: &mut Vec<Vec<String>>,
) {
    let of = piece.availability;
    let nines = Some(of.nines()).filter(|nines| nines.is_finite());
    // By the component itself: another of its name may stand where it matters more.
    let known = piece.component.and_then(|at| importance.iter().find(|it| it.components.contains(&at)));
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    records.push(vec![
        piece.label.clone(),
        kind(piece.role).to_owned(),
        depth.to_string(),
        piece.alike.to_string(),
        of.up.to_string(),
        of.down.to_string(),
        number(nines),
        of.downtime_seconds(Period::Year).to_string(),
        number(known.map(|it| it.birnbaum)),
        number(known.map(|it| it.criticality)),
        number(known.map(|it| it.without.down)),
        number(assembly.first_outage_of(piece).ok().map(|first| first.mean)),
    ]);
    piece.pieces.iter().for_each(|inside| csv_rows(assembly, inside, depth + 1, importance, records));
}

/// Writes a question with what was seen as a page and, beside it, as a table; says where.
///
/// # Errors
/// When something stands there already, or it cannot be written.
pub(crate) fn export(
    question: Question,
    seen: Option<(Simulated, Plan)>,
    name: &str,
    path: Option<&str>,
) -> Result<String, Bad> {
    let path = path.map_or_else(|| free_name(&text::slug(name)), str::to_owned);
    if Path::new(&path).exists() {
        return Err(bad!("{path} is there already; choose another name"));
    }
    let table = Path::new(&path).with_extension("csv");
    let (seen, simulation) = seen.unzip();
    let asked = Asked { at: Vec::new(), budget: None, chain: Vec::new(), tries: None, simulation };
    let answer = Answer::of(question, asked, seen);
    let wrong = |path: &Path, error: std::io::Error| bad!("{} cannot be written: {error}", path.display());
    let page = html(&page(&answer), &super::document(&answer));
    write_whole(Path::new(&path), &page).map_err(|error| wrong(Path::new(&path), error))?;
    let rows = csv(&answer)?;
    write_whole(&table, rows.trim_end()).map_err(|error| wrong(&table, error))?;
    Ok(format!("written: {path} and {}", table.display()))
}

fn free_name(slug: &str) -> String {
    let named = |end: String| format!("avail-{slug}{end}.html");
    let all = std::iter::once(named(String::new())).chain((2..).map(|number| named(format!("-{number}"))));
    all.into_iter().find(|path| !Path::new(path).exists()).unwrap_or_default()
}
