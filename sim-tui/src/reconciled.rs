//! What is between a formula of independent parts and what a system comes to, effect by effect, and what its requests
//! meet beside that: the rows that the command line prints and the lab shows.

use serde_json::{Value, json};
use sim_models::avail::{Account, Availability, Period, Reconciliation};
use sim_models::stats::Estimate;
use sim_models::study::Unit;

use crate::estimates;
use crate::text::{self, Side};

/// A line of a reconciliation, in shares of the time.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) what: What,
    /// By the algebra.
    pub(crate) algebra: Option<f64>,
    /// In a simulation.
    pub(crate) seen: Option<Estimate>,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// How long it is down.
    Share,
    /// What that grows by.
    Added,
    /// What nothing accounts for.
    Left,
}

/// From the formula to what was seen.
pub(crate) fn rows(told: &Reconciliation) -> Vec<Row> {
    let row = |name: &str, what, algebra, seen| Row { name: name.to_owned(), what, algebra, seen };
    let mut rows = Vec::new();
    if !told.steps.is_empty() {
        rows.push(row("formula of independent parts", What::Share, Some(told.formula.down), None));
    }
    for (step, added) in told.steps.iter().zip(told.added()) {
        rows.push(row(&format!("+ {}", step.effect.name()), What::Added, Some(added), step.seen));
    }
    let name = if told.steps.is_empty() { "algebra" } else { "= algebra" };
    rows.push(row(name, What::Share, Some(told.whole.down), None));
    if let (Some(left), Some(seen)) = (told.unexplained(), told.seen) {
        rows.push(row("+ not explained", What::Left, None, Some(left)));
        rows.push(row("= seen", What::Share, None, Some(seen)));
    }
    rows
}

/// Whether nothing is left but chance; none when nothing was seen.
pub(crate) fn is_explained(told: &Reconciliation) -> Option<bool> {
    told.unexplained().filter(|left| left.value.is_some()).map(|left| left.covers(0.0))
}

fn a_year(of: &Estimate) -> Estimate {
    let year = Period::Year.seconds() * 1e3;
    let by = |end: Option<f64>| end.map(|end| end * year);
    Estimate { value: by(of.value), lo: by(of.lo), hi: by(of.hi), ..*of }
}

fn difference(unit: &Unit, of: &Estimate) -> String {
    format!("{} {}", estimates::difference(unit, of), estimates::interval_of_difference(unit, of))
}

/// A table of what independent parts would be down a year, and what each way of depending on each other adds.
pub(crate) fn table(told: &Reconciliation) -> String {
    let year = Period::Year.seconds() * 1e3;
    let cells = |row: &Row| {
        let algebra = row.algebra.map_or(String::new(), |share| estimates::measured_as(&Unit::Millis, share * year));
        let seen = row.seen.as_ref().map_or(String::new(), |of| match row.what {
            What::Share => estimates::with_interval(&Unit::Millis, &a_year(of)),
            What::Added | What::Left => difference(&Unit::Millis, &a_year(of)),
        });
        vec![row.name.clone(), algebra, seen]
    };
    let head = ["down a year", "algebra", "seen (95 %)"].map(str::to_owned).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(rows(told).iter().map(cells)).collect();
    let table = text::table(&[Side::Left, Side::Left, Side::Left], &rows);
    let verdict = match is_explained(told) {
        None => "",
        Some(true) => "what is not explained is chance: its interval holds nothing\n",
        Some(false) => "what is not explained is more than chance: its interval does not hold nothing\n",
    };
    format!("\nwhat that is made of\n{table}{verdict}")
}

/// The same for scripts: shares of time.
pub(crate) fn document(told: &Reconciliation) -> Value {
    let steps = told.steps.iter().zip(told.added());
    let step = steps
        .map(|(step, added)| json!({"effect": step.effect.key(), "unavailability_added": added, "seen": step.seen}));
    json!({
        "formula": told.formula.down,
        "effects": step.collect::<Vec<_>>(),
        "algebra": told.whole.down,
        "unexplained": told.unexplained(),
        "explained": is_explained(told),
        "seen": told.seen,
    })
}

/// From the share of time down to the share of requests that fail: names, and what each adds.
pub(crate) fn met_rows(account: &Account) -> [(&'static str, Estimate); 5] {
    let less = |of: Estimate| {
        let minus = |end: Option<f64>| end.map(|end| 0.0 - end);
        Estimate { value: minus(of.value), lo: minus(of.hi), hi: minus(of.lo), ..of }
    };
    [
        ("+ when requests came", account.timing),
        ("+ done all the same", less(account.saved)),
        ("+ cut off while under way", account.cut_off),
        ("+ late, turned away, lost on links", account.otherwise),
        ("= requests that fail", account.failed),
    ]
}

/// What requests met in runs of the scenario, as a table; `expected` is the share of time down of runs that are as long
/// and begin with everything up, where the algebra has it.
pub(crate) fn met_table(account: &Account, whole: Availability, expected: Option<f64>) -> String {
    let share = |of: &Estimate| estimates::with_interval(&Unit::Share, of);
    let mut rows = vec![["of time, of requests", "share (95 %)"].map(str::to_owned).to_vec()];
    let algebra = estimates::measured_as(&Unit::Share, whole.down);
    rows.push(vec!["down by the algebra".to_owned(), algebra]);
    let exact = |value: f64| Estimate { value: Some(value), lo: None, hi: None, ..account.down };
    let beyond = |truth: f64| {
        let off = |end: Option<f64>| end.map(|end| end - truth);
        let drawn = account.drawn;
        Estimate { value: off(drawn.value), lo: off(drawn.lo), hi: off(drawn.hi), ..drawn }
    };
    let row = |name: &str, of: &Estimate| vec![name.to_owned(), difference(&Unit::Share, of)];
    match expected {
        Some(expected) => {
            // Worked out, so that there is no interval.
            let start = estimates::difference(&Unit::Share, &exact(expected - whole.down));
            rows.push(vec!["+ all up at the start".to_owned(), start]);
            rows.push(row("+ chance of these runs", &beyond(expected)));
        }
        None => rows.push(row("+ all up at the start, and chance", &beyond(whole.down))),
    }
    if account.left_out.value != Some(0.0) {
        rows.push(row("+ faults that are left out", &account.left_out));
    }
    rows.push(vec!["= down as it was seen".to_owned(), share(&account.down)]);
    for (name, of) in met_rows(account) {
        let told = if name.starts_with('=') { share(&of) } else { difference(&Unit::Share, &of) };
        rows.push(vec![name.to_owned(), told]);
    }
    let met = format!("{} in {}", text::counted(account.requests, "request"), text::counted(account.runs, "run"),);
    format!("\nwhat its requests met: {met}\n{}", text::table(&[Side::Left, Side::Left], &rows))
}

/// The same for scripts: shares of time and of requests.
pub(crate) fn met_document(account: &Account, expected: Option<f64>) -> Value {
    json!({
        "runs": account.runs,
        "requests": account.requests,
        "seconds": account.seconds,
        "time_down_expected": expected,
        "time_down_drawn": account.drawn,
        "time_down_left_out": account.left_out,
        "time_down": account.down,
        "timing": account.timing,
        "saved": account.saved,
        "cut_off": account.cut_off,
        "otherwise": account.otherwise,
        "failed": account.failed,
    })
}
