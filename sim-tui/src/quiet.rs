//! A panic inside a simulated actor is a finding, not a crash of this program: nothing is printed for it.
//!
//! The kernel catches it and the report tells it. A panic of the kernel itself gets through, and is told here.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};

use crate::explore::guard;

thread_local! {
    /// While a simulation runs on this thread: what the last panic said.
    static HELD_BACK: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on, panics inside [`quietly`] are held back; all others are reported as ever.
pub(crate) fn install() {
    let ordinary = take_hook();
    set_hook(Box::new(move |panic| {
        let held = HELD_BACK.try_with(|held| match &mut *held.borrow_mut() {
            Some(last) => {
                *last = panic.to_string();
                true
            }
            None => false,
        });
        if !held.unwrap_or(false) {
            ordinary(panic);
        }
    }));
}

/// Runs a simulation: panics that it catches stay silent, one that gets out of it is reported.
pub(crate) fn quietly<T>(simulation: impl FnOnce() -> T) -> T {
    let hold = |text: Option<String>| HELD_BACK.with(|held| held.replace(text));
    let before = hold(Some(String::new()));
    let outcome = catch_unwind(AssertUnwindSafe(simulation));
    let said = hold(before).unwrap_or_default();
    outcome.unwrap_or_else(|panic| {
        guard::panicked(&said, || eprintln!("this is a mistake in faultline itself, please report it: {said}"));
        resume_unwind(panic)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_caught_inside_is_no_panic_outside() {
        let caught = quietly(|| catch_unwind(|| panic!("an actor's own")).is_err());
        assert!(caught);
        assert!(catch_unwind(|| quietly(|| panic!("the kernel's"))).is_err());
    }
}
