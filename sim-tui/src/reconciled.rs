//! `avail --simulate … --reconcile`: what the downtime that was seen is made of, cause by cause.

use serde_json::{Value, json};
use sim_models::avail::{Period, Reconciliation};
use sim_models::stats::Estimate;
use sim_models::study::Unit;

use crate::estimates;
use crate::text::{self, Side};

/// A table of what independent machines would be down a year, and what each way of depending on each other adds.
pub(crate) fn table(told: &Reconciliation) -> String {
    let year = Period::Year.seconds() * 1e3;
    let scaled = |of: &Estimate| {
        let by = |end: Option<f64>| end.map(|end| end * year);
        Estimate { value: by(of.value), lo: by(of.lo), hi: by(of.hi), ..*of }
    };
    let added = |of: &Estimate| {
        let of = scaled(of);
        format!(
            "{} {}",
            estimates::difference(&Unit::Millis, &of),
            estimates::interval_of_difference(&Unit::Millis, &of)
        )
    };
    let head = vec![String::new(), "down a year (95 %)".to_owned()];
    let alone = estimates::measured_as(&Unit::Millis, told.independent * year);
    let mut rows = vec![head, vec!["independent machines, by algebra".to_owned(), alone]];
    rows.push(vec!["chance of this simulation".to_owned(), added(&told.chance)]);
    rows.extend(told.causes.iter().map(|(cause, of)| vec![cause.name().to_owned(), added(of)]));
    rows.push(vec!["seen".to_owned(), estimates::with_interval(&Unit::Millis, &scaled(&told.seen))]);
    let table = text::table(&[Side::Left, Side::Left], &rows);
    format!("\nwhat that is made of, each line on the dice of the one before\n{table}")
}

/// The same for scripts: shares of time.
pub(crate) fn document(told: &Reconciliation) -> Value {
    let causes = told.causes.iter().map(|(cause, added)| json!({"cause": cause.name(), "unavailability": added}));
    json!({
        "independent": told.independent,
        "chance": told.chance,
        "causes": causes.collect::<Vec<_>>(),
        "seen": told.seen,
    })
}
