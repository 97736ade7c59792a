//! What a command comes to: a text for standard output and an exit code, or why it could not do its work.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use sim_core::Verdict;

/// A command that did its work.
#[derive(Debug)]
pub(crate) struct Report {
    /// All that goes to standard output, the last newline included.
    pub(crate) text: String,
    /// What the shell is told.
    pub(crate) exit: Exit,
}

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It held, or the work is done.
    Held = 0,
    /// Broken, stuck, panicked, or never seen in a hunt.
    Failed = 1,
    /// Usage or bad input.
    Bad = 2,
    /// A replay came out differently.
    Different = 3,
    /// A limit ended it.
    OutOfLimits = 4,
    /// A mistake in this program itself; what Rust exits with after a panic.
    Crashed = 101,
    /// The terminal went away: 128 and the number of SIGHUP.
    HungUp = 129,
    /// Ctrl-C.
    Interrupted = 130,
    /// It was told to end: 128 and the number of SIGTERM.
    Terminated = 143,
}

/// Writes to standard output; whoever closes it early has read enough.
///
/// # Errors
/// When it does not take the text.
pub(crate) fn print(text: &str) -> Result<(), Bad> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(bad!("standard output: {error}")),
        _ => Ok(()),
    }
}

/// Writes a line to standard error; when nobody listens there, nothing is to be done about it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Usage or bad input, in words for standard error.
#[derive(Debug)]
pub(crate) struct Bad(pub(crate) String);

impl Report {
    /// A text, and nothing to complain about.
    pub(crate) fn fine(text: String) -> Report {
        Report { text, exit: Exit::Held }
    }

    /// A JSON document on lines of its own.
    pub(crate) fn json(value: &serde_json::Value, exit: Exit) -> Report {
        Report { text: format!("{value:#}\n"), exit }
    }
}

impl Exit {
    /// What a single run comes to: what it did not see is only told.
    pub(crate) fn of_run(verdict: Verdict) -> Exit {
        match verdict {
            Verdict::Panicked | Verdict::Broken | Verdict::Stuck => Exit::Failed,
            Verdict::OutOfLimits => Exit::OutOfLimits,
            Verdict::NeverSeen | Verdict::Held => Exit::Held,
        }
    }

    /// The same, unless it was interrupted.
    pub(crate) fn unless(self, interrupted: bool) -> Exit {
        if interrupted { Exit::Interrupted } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl fmt::Display for Bad {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Shortens `return Err(Bad(format!(…)))`.
macro_rules! bad {
    ($($text:tt)*) => { $crate::report::Bad(format!($($text)*)) };
}
pub(crate) use bad;
