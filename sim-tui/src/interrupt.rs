//! Ctrl-C asks the work to stop at its next event, so that what is there can be printed; a second one ends the program.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether Ctrl-C was pressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on. Where signals cannot be listened to, Ctrl-C ends the program as it always did.
    pub(crate) fn listen() -> Interrupt {
        let interrupt = Interrupt::default();
        // Where it fails nothing was changed.
        let _ = hear(Arc::clone(&interrupt.0));
        interrupt
    }

    /// Whether it was pressed.
    pub(crate) fn is_pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ends a run that is watched.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.is_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(unix)]
fn hear(pressed: Arc<AtomicBool>) -> std::io::Result<()> {
    use std::time::{Duration, Instant};

    /// A shell or a tool may deliver one Ctrl-C twice; a person who means it presses again later than this.
    const TWICE: Duration = Duration::from_millis(500);

    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT])?;
    std::thread::spawn(move || {
        let mut first = None;
        for _ in &mut signals {
            pressed.store(true, Ordering::Relaxed);
            if first.get_or_insert_with(Instant::now).elapsed() > TWICE {
                std::process::exit(130);
            }
        }
    });
    Ok(())
}

/// There are no threads that wait for signals; a console delivers Ctrl-C once.
#[cfg(not(unix))]
fn hear(pressed: Arc<AtomicBool>) -> std::io::Result<()> {
    use signal_hook::{consts::SIGINT, flag};

    // Asked before the flag is set, so that only the second one ends the program.
    flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&pressed))?;
    flag::register(SIGINT, pressed).map(|_| ())
}
