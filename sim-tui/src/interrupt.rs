//! Ctrl-C asks the work to stop at its next event, so that what is there can be printed; a second one ends the program.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

/// Whether Ctrl-C was pressed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// A shell or a tool may deliver one Ctrl-C twice; a person who means it presses again later than this.
const TWICE: Duration = Duration::from_millis(500);

impl Interrupt {
    /// Listens from now on. Where signals cannot be listened to, Ctrl-C ends the program as it always did.
    pub(crate) fn listen() -> Interrupt {
        let interrupt = Interrupt::default();
        if let Ok(mut signals) = Signals::new([SIGINT]) {
            let pressed = interrupt.clone();
            std::thread::spawn(move || {
                let mut first = None;
                for _ in &mut signals {
                    pressed.0.store(true, Ordering::Relaxed);
                    if first.get_or_insert_with(Instant::now).elapsed() > TWICE {
                        std::process::exit(130);
                    }
                }
            });
        }
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
