//! `shrink`: a failing case, made as small as it can be while it fails in the same way.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use sim_models::shrink::{Progress, Shrunk, Size, shrink};

use crate::cli::ShrinkArgs;
use crate::commands;
use crate::files::write_whole;
use crate::interrupt::Interrupt;
use crate::load;
use crate::quiet::quietly;
use crate::report::{Bad, Exit, Report, bad};
use crate::text;

/// Shrinks a case and writes what is left.
pub(crate) fn command(args: &ShrinkArgs, called: &str) -> Result<Report, Bad> {
    let loaded = load::case(&args.case, called)?;
    let interrupt = Interrupt::listen();
    let bar = progress_bar(args.replays);
    let small = quietly(|| {
        let mut watch = |progress: Progress| {
            bar.set_position(progress.replays);
            bar.set_message(progress.lines.to_string());
            !interrupt.is_pressed()
        };
        shrink(&args.case, &loaded.case, args.replays, &mut watch).map_err(|error| loaded.wrong(&error))
    })?;
    bar.finish_and_clear();
    let file = serde_json::to_string_pretty(&small.case).map_err(|error| bad!("{error}"))?;
    write_whole(Path::new(&args.output_file), &file).map_err(|error| bad!("{}: {error}", args.output_file))?;
    let exit = Exit::Held.unless(interrupt.is_pressed());
    if args.output.json {
        let value = json!({
            "from": small.from, "to": small.to, "replays": small.replays, "unfinished": small.unfinished,
            "interrupted": interrupt.is_pressed(), "case": args.output_file, "lines": small.case.faults,
            "only": small.case.only,
        });
        return Ok(Report::json(&value, exit));
    }
    Ok(Report { text: told(&small, args, called), exit })
}

/// How many replays were used and how many lines are left, on standard error, and only when that is a terminal.
pub(crate) fn progress_bar(replays: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(replays), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{human_pos} of at most {human_len} replays, {msg} lines left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn told(small: &Shrunk, args: &ShrinkArgs, called: &str) -> String {
    let mut out = format!("from {}\nto   {}, after {}\n\n", size(small.from), size(small.to), replays(small.replays));
    if small.case.faults.is_empty() {
        out += "  it fails without any fault or decision, in a run in which nothing is left to chance\n";
    }
    const SHOWN: usize = 40;
    let lines = &small.case.faults;
    for line in &lines[..lines.len().min(SHOWN)] {
        out += &format!("  {line}\n");
    }
    if lines.len() > SHOWN {
        out += &format!("  and {} more\n", text::counted((lines.len() - SHOWN) as u64, "line"));
    }
    if let Some(only) = &small.case.only {
        out += &match only.len() {
            0 => "  without any operation\n".to_owned(),
            1..=5 => format!("  only {}\n", only.join(", ")),
            more => format!("  only {} and {} more operations\n", only[..3].join(", "), more - 3),
        };
    }
    if small.unfinished {
        out += "\nit is not as small as it can be: --replays gives it more\n";
    }
    out + &format!("\nit fails by these lines alone: {}\n", commands::line(called, ["replay", &args.output_file]))
}

fn replays(count: u64) -> String {
    text::counted(count, "replay")
}

fn size(size: Size) -> String {
    let faults = text::counted(size.faults as u64, "fault");
    let decisions = text::counted(size.decisions as u64, "decision");
    format!("{faults}, {decisions}, {}", text::counted(size.events, "event"))
}
