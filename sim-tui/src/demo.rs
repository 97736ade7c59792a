//! `demo`: a small hunt in the 2 AM checkout, and what it found.

use std::io::{self, Write};

use sim_models::builtin;
use sim_models::language::Choices;

use crate::cli::Seeds;
use crate::commands;
use crate::hunt::{SeedList, hunt};
use crate::interrupt::Interrupt;
use crate::report::{Bad, bad};
use crate::text;

/// Hunts in a small checkout and says what it found, with the commands that go on from there.
pub(crate) fn demo(program_called_as: &str, jobs: usize, out: &mut dyn Write) -> Result<(), Bad> {
    let scenario = builtin::scenario("checkout").ok_or_else(|| bad!("there is no scenario \"checkout\""))?;
    let scenario = scenario.map_err(|problems| Bad(problems.to_string()))?;
    let choices = Choices::none().set("orders", "200");
    let model = scenario.model(&choices).map_err(|problems| Bad(problems.to_string()))?;
    let seeds = SeedList::all(Seeds { from: 0, to: 50 });
    let found = hunt(&model, &seeds, jobs, &Interrupt::listen(), |_, _| {});
    let mut told = || -> io::Result<()> {
        let tally = &found.tally;
        writeln!(out, "{}\n", scenario.text_of("title"))?;
        writeln!(out, "{}\n", text::wrapped(&scenario.text_of("about")))?;
        writeln!(out, "{} of {} fail.", text::count(tally.failing), text::counted(tally.seeds, "seed"))?;
        for (signature, failure) in &tally.failures {
            writeln!(out, "  {signature}: {}, the smallest {}", text::counted(failure.count, "seed"), failure.seed)?;
        }
        let hunt = commands::line(program_called_as, ["hunt", "checkout"]);
        let cured = commands::line(program_called_as, ["run", "checkout", "--remedy", "key-per-order"]);
        writeln!(out, "\nhunt for yourself: {hunt}\nwhat cures it: {cured}")
    };
    match told() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(bad!("standard output: {error}")),
        _ => Ok(()),
    }
}
