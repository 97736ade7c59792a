//! All of the program `faultline`: it reads the command line, does what that asks, and tells the shell how it came out.
//!
//! The only crate that knows a terminal, a file, a thread, an exit code.

mod avail;
mod cli;
mod commands;
mod compare;
mod configuration;
mod demo;
mod determinism;
mod diagram;
mod estimates;
mod explain;
pub mod explore;
mod figure;
mod files;
mod findings;
mod html;
mod hunt;
mod hunt_page;
mod interrupt;
mod last_change;
mod load;
mod matrix;
mod measures;
mod merge;
mod moment;
mod nemesis;
mod observing;
mod page;
mod pictures;
mod policies;
mod portrait;
mod progress;
mod quiet;
mod rare;
mod reconciled;
mod reference;
mod replay;
mod report;
mod run;
mod seeds;
mod shrink;
mod study;
mod summary;
mod sweep;
mod text;
mod trace;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::{Cli, Command, Workers};
use crate::report::{Bad, Exit, Report};

/// Does what the command line of this process asks; what the shell is told.
pub fn main() -> ExitCode {
    // In this order: what is held back is no crash.
    explore::guard::install();
    quiet::install();
    let called = commands::program();
    let Cli { command } = cli::parse(&called);
    let outcome = carried_out(command.as_ref(), &called).and_then(|report| told(&report));
    let exit = outcome.unwrap_or_else(|bad| {
        // When nobody listens to errors either, the exit code still tells.
        let _ = writeln!(io::stderr(), "{bad}");
        Exit::Bad
    });
    exit.into()
}

fn told(report: &Report) -> Result<Exit, Bad> {
    // A terminal that went away reads nothing.
    if report.exit != Exit::HungUp {
        report::print(&report.text)?;
    }
    Ok(report.exit)
}

fn carried_out(command: Option<&Command>, called: &str) -> Result<Report, Bad> {
    match command {
        None if explore::possible().is_ok() => explore::explore(&explore::Options::default(), called),
        None => tell_demo(Workers { jobs: None }, called),
        Some(Command::Demo(workers)) => tell_demo(*workers, called),
        Some(Command::Explore { what, ascii, record }) => {
            let options =
                explore::Options { what: what.clone(), ascii: *ascii, record: record.clone(), ..Default::default() };
            explore::explore(&options, called)
        }
        Some(Command::Run(args)) => run::run(args, called),
        Some(Command::Hunt(args)) => hunt::command(args, called),
        Some(Command::Merge(args)) => merge::command(args, called),
        Some(Command::Replay(args)) => replay::command(args, called),
        Some(Command::Shrink(args)) => shrink::command(args, called),
        Some(Command::Explain(args)) => explain::command(args, called),
        Some(Command::Compare(args)) => compare::command(args, called),
        Some(Command::Sweep(args)) => sweep::command(args, called),
        Some(Command::Verify(args)) => verify::command(args, called),
        Some(Command::Matrix(args)) => matrix::command(args, called),
        Some(Command::Avail(args)) if args.lab => {
            explore::explore(&explore::Options { lab: Some(avail::line(args)), ..Default::default() }, called)
        }
        Some(Command::Avail(args)) => avail::command(args, called),
        Some(Command::List(output)) => reference::list(*output, called),
        Some(Command::Show(args)) => reference::show(args, called),
        Some(Command::New { name }) => reference::new(name, called),
        Some(Command::Validate { files, output }) => reference::validate(files, *output, called),
        Some(Command::Schema) => Ok(reference::schema()),
        Some(Command::Keys(output)) => Ok(explore::keys_page(*output)),
        Some(Command::Faults { kind, markdown, output }) => reference::faults(kind.as_deref(), *markdown, *output),
        Some(Command::Policies { name, markdown, output }) => policies::policies(name.as_deref(), *markdown, *output),
        Some(Command::Completions { shell }) => Ok(reference::completions(*shell)),
        Some(Command::Man { command }) => reference::man(command.as_deref()),
    }
}

/// The demo writes as it goes along.
fn tell_demo(workers: Workers, called: &str) -> Result<Report, Bad> {
    demo::demo(called, workers.count(), &mut io::stdout().lock())?;
    Ok(Report::fine(String::new()))
}
