//! The terminal explorer.

pub(crate) mod guard;
mod standin;
mod terminal;

use std::io::{self, IsTerminal};

use crate::commands;
use crate::explore::standin::Standin;
use crate::explore::terminal::{Inputs, Look, run, unfit, variable};
use crate::report::{Bad, Report, bad};

/// Whether an explorer can be shown here, and why not.
pub(crate) fn possible() -> Result<(), &'static str> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err("the explorer needs a terminal");
    }
    match unfit(variable) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

/// Opens the explorer; it ends when it is quit.
pub(crate) fn explore(_what: Option<&str>, ascii: bool, called: &str) -> Result<Report, Bad> {
    possible().map_err(|why| {
        let demo = commands::line(called, ["demo"]);
        bad!("{why}; `{demo}` tells the story as text")
    })?;
    let inputs = Inputs::open();
    let mut screen = Standin::new(Look::of(variable, ascii), inputs.sender());
    let exit = run(&mut screen, &inputs).map_err(|error| bad!("the terminal: {error}"))?;
    Ok(Report { text: String::new(), exit })
}
