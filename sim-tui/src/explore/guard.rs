//! Whatever was changed about the terminal is changed back, however the explorer ends: on quitting, on a signal, on being stopped, in
//! a panic.
//!
//! One place knows every mode that is set, because the one that is forgotten is left behind in the user's shell. It never asks the
//! terminal anything; it only tells it.

use std::backtrace::Backtrace;
use std::env::temp_dir;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::panic::{catch_unwind, set_hook, take_hook};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::queue;
use crossterm::style::{Attribute, SetAttribute};
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use crate::quiet::quietly;
use crate::report::note;

/// The terminal while the explorer has it; dropping this gives it back.
#[derive(Debug)]
pub(crate) struct TerminalGuard(());

/// Whether any mode is set. The first who swaps it to false gives the terminal back, all others need not.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether the mouse is wanted, so that it comes back after a stop.
static MOUSE: AtomicBool = AtomicBool::new(false);
/// Who draws, and who wants to hear of panics elsewhere; nobody when no explorer is open.
static WATCH: Mutex<Option<Watch>> = Mutex::new(None);
/// What a crash file tells beside the panic itself.
static CONTEXT: Mutex<String> = Mutex::new(String::new());

struct Watch {
    screen: ThreadId,
    worker_panicked: Box<dyn Fn(String) + Send>,
}

impl TerminalGuard {
    /// Takes the terminal: raw, on the alternate screen, without a cursor; pasted text comes as one piece, the mouse stays the
    /// terminal's own.
    ///
    /// # Errors
    /// When the terminal does not take it; nothing is left set then.
    pub(crate) fn enter() -> io::Result<TerminalGuard> {
        MOUSE.store(false, Ordering::Relaxed);
        let guard = TerminalGuard(());
        take()?;
        Ok(guard)
    }

    /// Has the terminal report the mouse, or lets it select text as ever.
    pub(crate) fn set_mouse(&self, on: bool) -> io::Result<()> {
        MOUSE.store(on, Ordering::Relaxed);
        if !is_taken() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        if on {
            queue!(out, EnableMouseCapture)?;
        } else {
            queue!(out, DisableMouseCapture)?;
        }
        out.flush()
    }

    /// Takes the terminal again as it was, after it was given back, or after somebody else has had it unasked.
    pub(crate) fn retake(&self) -> io::Result<()> {
        leave();
        take()
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        leave();
    }
}

/// Whether the terminal is the explorer's; what is drawn at other times would land in the shell.
pub(crate) fn is_taken() -> bool {
    TAKEN.load(Ordering::SeqCst)
}

/// Gives the terminal back, once; any thread may do so at any time.
pub(crate) fn leave() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    // Set first, so that whoever breaks in halfway undoes the half that is there.
    TAKEN.store(true, Ordering::SeqCst);
    // Raw mode comes first: a process in the background is stopped here, before it has written over the shell's screen.
    enable_raw_mode()?;
    let mut out = io::stdout().lock();
    queue!(out, EnterAlternateScreen, Hide, EnableBracketedPaste)?;
    if MOUSE.load(Ordering::Relaxed) {
        queue!(out, EnableMouseCapture)?;
    }
    out.flush()
}

/// Undoes everything, also what may not be set: unsetting it again does no harm. Each step stands alone, so that one which fails keeps
/// none of the others from being done.
fn give_back() {
    let mut out = io::stdout().lock();
    // The frame that was begun comes first, else the terminal may hold back all the rest.
    let _ = queue!(out, EndSynchronizedUpdate);
    let _ = queue!(out, DisableMouseCapture);
    let _ = queue!(out, DisableBracketedPaste);
    let _ = queue!(out, SetAttribute(Attribute::Reset));
    let _ = queue!(out, LeaveAlternateScreen);
    let _ = queue!(out, Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// From now on the calling thread is the one that draws. A panic of another thread does not touch the screen; it is told here.
pub(crate) fn watch(worker_panicked: impl Fn(String) + Send + 'static) {
    *locked(&WATCH) = Some(Watch { screen: thread::current().id(), worker_panicked: Box::new(worker_panicked) });
}

/// No explorer is open any more.
pub(crate) fn unwatch() {
    *locked(&WATCH) = None;
}

/// What a crash file says was being done, in place of what was said before.
pub(crate) fn context(text: &str) {
    text.clone_into(&mut locked(&CONTEXT));
}

/// One more line about what is being done, such as the input that is taken next.
pub(crate) fn remember(line: impl Display) {
    use std::fmt::Write;
    let _ = writeln!(locked(&CONTEXT), "{line}");
}

/// From now on a panic gives the terminal back before it is reported. A hook that holds panics back has to be installed after this one:
/// the last one installed is asked first.
pub(crate) fn install() {
    let ordinary = take_hook();
    set_hook(Box::new(move |panic| panicked(panic, || ordinary(panic))));
}

/// What becomes of a panic that nobody holds back. Without an explorer `tell` is all that happens.
pub(crate) fn panicked(what: impl Display, tell: impl FnOnce()) {
    let watch = locked(&WATCH);
    let Some(watch) = watch.as_ref() else { return tell() };
    let here = thread::current();
    let text = format!("thread '{}' {what}", here.name().unwrap_or("without a name"));
    if here.id() == watch.screen {
        leave();
        let recorded = record(&text);
        tell();
        note(&recorded);
    } else {
        let recorded = record(&text);
        (watch.worker_panicked)(format!("{text}\n{recorded}"));
    }
}

/// Writes the crash file; the line that says where it is.
fn record(what: &str) -> String {
    let text = format!(
        "faultline {}\n{what}\n\nWhat was being done:\n{}\n\nWhere:\n{}\n",
        env!("CARGO_PKG_VERSION"),
        locked(&CONTEXT).trim_end(),
        Backtrace::force_capture()
    );
    match write_new(&text) {
        Ok(path) => format!("this is a mistake in faultline itself; please report it with {}", path.display()),
        Err(error) => format!("this is a mistake in faultline itself; no crash file could be written: {error}"),
    }
}

/// A file that is there already is left alone: in a folder that everybody may write to it could be anybody's.
fn write_new(text: &str) -> io::Result<PathBuf> {
    let name = format!("faultline-crash-{}", std::process::id());
    let names = std::iter::once(format!("{name}.txt")).chain((2..10).map(|n| format!("{name}-{n}.txt")));
    let mut outcome = Err(io::Error::other("there are too many already"));
    for path in names.map(|name| temp_dir().join(name)) {
        outcome = OpenOptions::new().write(true).create_new(true).open(&path);
        if let Ok(file) = &mut outcome {
            return file.write_all(text.as_bytes()).map(|()| path);
        }
    }
    outcome.map(|_| PathBuf::new())
}

/// The hidden commands `debug-panic ui`, `worker`, `kernel` and `actor`, so that all this can be tried on a real terminal.
pub(crate) fn debug_panic(whose: &str) {
    let on_a_thread = |deed: fn()| {
        let _ = thread::Builder::new().name("engine".to_owned()).spawn(deed);
    };
    match whose {
        "ui" => panic!("asked to, on the screen's thread"),
        "worker" => on_a_thread(|| panic!("asked to, on a worker's thread")),
        // Out of a simulation: a mistake of the kernel.
        "kernel" => on_a_thread(|| quietly(|| panic!("asked to, in the kernel"))),
        // Caught inside a simulation: a finding.
        "actor" => on_a_thread(|| drop(quietly(|| catch_unwind(|| panic!("asked to, in an actor"))))),
        _ => {}
    }
}

/// A panic elsewhere has not made a text or a name invalid.
fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_about_a_terminal_that_was_not_taken() {
        assert!(!is_taken());
        leave();
        assert!(!is_taken());
    }

    #[test]
    fn a_crash_file_says_what_was_being_done() {
        context("opened checkout\n");
        remember("pressed j");
        let said = record("panicked at nowhere");
        let path = said.rsplit(' ').next().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("\npanicked at nowhere\n\nWhat was being done:\nopened checkout\npressed j\n"), "{text}");
        assert_ne!(record("panicked again"), said, "the first file is left alone");
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(path.replace(".txt", "-2.txt")).unwrap();
    }
}
