//! `matrix`: which kinds of trouble scenarios stand, which break them, and which do not even touch them.

use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde_json::{Value, json};
use sim_core::{Instant, Seed};
use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::matrix::{Cell, Mark, Trouble, row, troubles};
use sim_models::scenario::{Changes, Model, ModelError};

use crate::cli::MatrixArgs;
use crate::interrupt::Interrupt;
use crate::load::{self, Loaded};
use crate::observing;
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::text::{self, Side};

/// A scenario under one configuration, and what each kind of trouble did to it.
struct Column {
    configuration: String,
    cells: Vec<Cell>,
}

/// A scenario, with all its configurations.
struct Grid {
    scenario: String,
    columns: Vec<Column>,
}

/// Runs every scenario under every kind of trouble, and tells.
pub(crate) fn command(args: &MatrixArgs, called: &str) -> Result<Report, Bad> {
    let names: Vec<String> = match args.scenarios.as_slice() {
        [] => builtin::names().map(str::to_owned).collect(),
        named => named.to_vec(),
    };
    let loaded = names.iter().map(|name| load::scenario(name, called)).collect::<Result<Vec<Loaded>, Bad>>()?;
    let configurations = loaded.iter().map(|of| configurations(of, args)).collect::<Result<Vec<_>, Bad>>()?;
    let troubles = troubles();
    let many = configurations.iter().map(Vec::len).sum::<usize>() * (troubles.len() + 1);
    let seeds = observing::range(args.seeds, many)?;
    let jobs = args.workers.count();
    let pool = ThreadPoolBuilder::new().num_threads(jobs).build();
    let pool = pool.map_err(|error| bad!("--jobs {jobs}: no threads can be made: {error}"))?;
    let interrupt = Interrupt::listen();
    let cells = |model: &Model| -> Vec<Cell> {
        let of_seed = |seed| {
            let ends = interrupt.is_pressed();
            if ends { vec![Cell::default(); troubles.len()] } else { quietly(|| row(model, &troubles, Seed(seed))) }
        };
        let rows = pool.install(|| seeds.clone().into_par_iter().map(of_seed).collect::<Vec<_>>());
        let merged = |sum: Vec<Cell>, row: Vec<Cell>| sum.into_iter().zip(row).map(|(a, b)| a.merge(b)).collect();
        rows.into_iter().fold(vec![Cell::default(); troubles.len()], merged)
    };
    let column = |(configuration, model): (String, Model)| Column { configuration, cells: cells(&model) };
    let grids = loaded
        .iter()
        .zip(configurations)
        .map(|(of, all)| Grid { scenario: of.name.clone(), columns: all.into_iter().map(column).collect() });
    let grids: Vec<Grid> = grids.collect();
    let exit = Exit::Held.unless(interrupt.is_pressed());
    if args.output.json {
        return Ok(Report::json(&document(&grids, &troubles, interrupt.is_pressed()), exit));
    }
    let text = if args.markdown { markdown(&grids, &troubles, args) } else { plain(&grids, &troubles) };
    Ok(Report { text, exit })
}

/// The scenario as its file has it, then with each remedy and variant.
fn configurations(loaded: &Loaded, args: &MatrixArgs) -> Result<Vec<(String, Model)>, Bad> {
    let named = loaded.scenario.document().settings().remedies().map(|remedy| Some(remedy.name.clone()));
    let until = Some(Instant::ZERO + args.until);
    let model = |name: Option<String>| {
        let choices = name.iter().fold(Choices::none(), |choices, name| choices.remedy(name));
        let model = loaded.scenario.model_with(&choices, &Changes::default()).map_err(|error| match error {
            ModelError::Problems(problems) => load::told(problems),
            ModelError::Fault(_, error) => load::wrong_fault(&error),
            ModelError::Stranger(said) => bad!("fault: {said}"),
        })?;
        // A scenario that is over sooner keeps its end.
        let end = model.until().map_or(until, |own| until.map(|until| until.min(own)));
        let model = end.map_or(model.clone(), |end| model.ending(end));
        Ok((name.unwrap_or_else(|| "as it is".to_owned()), model))
    };
    std::iter::once(None).chain(named).map(model).collect()
}

/// Kinds of trouble that broke nothing that held without them.
fn undecided<'t>(grids: &[Grid], troubles: &'t [Trouble]) -> Vec<&'t str> {
    let broke = |at: usize| grids.iter().flat_map(|grid| &grid.columns).any(|column| column.cells[at].broken > 0);
    troubles.iter().enumerate().filter(|(at, _)| !broke(*at)).map(|(_, trouble)| trouble.name.as_str()).collect()
}

fn word(cell: Cell) -> String {
    match cell.mark() {
        Mark::Broken => format!("broken {} of {}", cell.broken, cell.runs),
        Mark::Held => "held".to_owned(),
        Mark::FailsAnyway => "fails anyway".to_owned(),
        Mark::Inert => "inert".to_owned(),
    }
}

fn rows(grid: &Grid, troubles: &[Trouble]) -> Vec<Vec<String>> {
    let head = std::iter::once(String::new()).chain(grid.columns.iter().map(|column| column.configuration.clone()));
    let row = |(at, trouble): (usize, &Trouble)| {
        let cells = grid.columns.iter().map(|column| word(column.cells[at]));
        std::iter::once(trouble.name.clone()).chain(cells).collect()
    };
    std::iter::once(head.collect()).chain(troubles.iter().enumerate().map(row)).collect()
}

fn plain(grids: &[Grid], troubles: &[Trouble]) -> String {
    let table = |grid: &Grid| {
        let sides = vec![Side::Left; grid.columns.len() + 1];
        format!("{}\n{}\n", grid.scenario, text::table(&sides, &rows(grid, troubles)))
    };
    grids.iter().map(table).collect::<String>() + &verdict(grids, troubles)
}

fn verdict(grids: &[Grid], troubles: &[Trouble]) -> String {
    match undecided(grids, troubles).as_slice() {
        [] => "Every kind of trouble breaks something here that holds without it.\n".to_owned(),
        some => format!("Breaks nothing here that holds without it: {}.\n", some.join(", ")),
    }
}

fn markdown(grids: &[Grid], troubles: &[Trouble], args: &MatrixArgs) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let table = |grid: &Grid| {
        let all = rows(grid, troubles);
        let rule = line(&vec!["---".to_owned(); grid.columns.len() + 1]);
        let body: String = all[1..].iter().map(|row| line(row)).collect();
        format!("## {}\n\n{}{rule}{body}\n", grid.scenario, line(&all[0]))
    };
    format!(
        "# Which trouble breaks what\n\nMade by `faultline matrix {}--seeds {} --until {} --markdown`. Each kind of trouble is drawn alone, one to \
         three times in a run, for any node and link, in the first two thirds; and each seed is run without it too. *broken 3 of 20*: in three \
         runs of twenty something failed that holds without it. *held*: it struck, and nothing failed. *inert*: it did nothing, such as a disk \
         that rots where nobody keeps files. *fails anyway*: every run fails without it, and so says nothing about it. What a \
         disk loses or spoils shows when it is read again: there each node that is struck loses its power for a second, in the runs with the \
         trouble and in those without.\n\n{}{}",
        args.scenarios.iter().map(|name| format!("{name} ")).collect::<String>(),
        args.seeds,
        args.until,
        grids.iter().map(table).collect::<String>(),
        verdict(grids, troubles)
    )
}

fn document(grids: &[Grid], troubles: &[Trouble], interrupted: bool) -> Value {
    let cells = |column: &Column| -> Vec<Value> {
        let cell = |(trouble, cell): (&Trouble, &Cell)| {
            let Cell { runs, struck, broken, failing_anyway } = cell;
            json!({"kind": trouble.name, "verb": trouble.verb, "mark": cell.mark(), "runs": runs, "struck": struck,
                "broken": broken, "failing_anyway": failing_anyway})
        };
        troubles.iter().zip(&column.cells).map(cell).collect()
    };
    let grid = |grid: &Grid| {
        let columns = grid.columns.iter();
        let columns = columns.map(|column| json!({"configuration": column.configuration, "cells": cells(column)}));
        json!({"scenario": grid.scenario, "configurations": columns.collect::<Vec<_>>()})
    };
    json!({
        "scenarios": grids.iter().map(grid).collect::<Vec<_>>(),
        "undecided": undecided(grids, troubles),
        "interrupted": interrupted,
    })
}
