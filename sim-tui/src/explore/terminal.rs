//! The explorer's edge: everything that comes in arrives on one channel, and everything that goes out is a whole frame.
//!
//! There is no tick. While nothing happens and nothing runs the loop sleeps in the channel: no time is used and no byte is written.
//! This file has never heard of scenarios; it sees inputs, orders and a screen that draws itself.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseEvent};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::backend::CrosstermBackend;
use ratatui::{Frame, Terminal};

use crate::explore::guard::{self, TerminalGuard};
use crate::report::{Exit, note};

/// What the loop shows and asks. It is a state machine with a face: it starts no thread and knows no terminal.
pub(crate) trait Screen {
    /// What the engine behind it answers with.
    type Reply: Send + 'static;

    /// Takes one input; what the loop has to do besides, in this order. Without an order nothing is drawn.
    fn take(&mut self, input: Input<Self::Reply>) -> Vec<Order>;
    /// Draws itself. It may be asked at any size, 0 by 0 among them.
    fn draw(&self, frame: &mut Frame<'_>);
    /// In how long it wants to be woken when nothing comes in: for an animation, while something runs. `None` when it is idle.
    fn wakes_in(&self) -> Option<Duration>;
    /// That time is over; since the last time, or since it began to want this, so much has passed.
    fn woken(&mut self, since: Duration) -> Vec<Order>;
}

/// Whatever comes in.
#[derive(Debug)]
pub(crate) enum Input<E> {
    /// A key went down, or repeats; that it went up is not told.
    Key(KeyEvent),
    /// Text that was pasted: no keys, whatever it contains.
    Paste(String),
    /// Only while [`Order::Mouse`] asked for it.
    Mouse(MouseEvent),
    /// The terminal is so many columns wide and rows high; the screen is drawn anew, asked or not.
    Resize(u16, u16),
    /// A signal. The loop does what it demands after the screen has taken it, whatever the screen answers.
    Signal(Signal),
    /// The engine's answer.
    Engine(E),
    /// Another thread panicked, in words for a person. The loop ends after the screen has taken it.
    WorkerPanicked(String),
}

/// A signal that is listened to; of those that come at once, the first here is heard first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(unix), allow(dead_code, reason = "there are no signals to listen to"))]
pub(crate) enum Signal {
    HangUp,
    Interrupt,
    Terminate,
    Stop,
    Continue,
}

/// What the loop is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Something looks different now.
    Redraw,
    /// The terminal may show something else than it should: it is cleared and drawn from nothing.
    Repaint,
    /// The explorer is over.
    Quit(Exit),
    /// Gives the terminal back and stops, until the shell continues it.
    Suspend,
    /// Puts a text on the clipboard of whoever sits at the terminal, near or far (OSC 52).
    Copy(String),
    /// Takes the mouse, or gives it back.
    Mouse(bool),
}

/// All that comes in, on one channel.
#[derive(Debug)]
pub(crate) struct Inputs<E> {
    sender: Sender<Input<E>>,
    receiver: Receiver<Input<E>>,
}

impl<E: Send + 'static> Inputs<E> {
    /// Opens the channel. From now on this is the thread that draws, and panics of all others arrive as inputs; [`run`] ends that.
    pub(crate) fn open() -> Inputs<E> {
        let (sender, receiver) = channel();
        let worker = sender.clone();
        guard::watch(move |text| {
            // Nobody listens any more once the loop is over, and then the terminal is nobody's either.
            if let Err(unheard) = worker.send(Input::WorkerPanicked(text))
                && let Input::WorkerPanicked(text) = unheard.0
            {
                note(&text);
            }
        });
        Inputs { sender, receiver }
    }

    /// Where the engine's thread sends its answers.
    pub(crate) fn sender(&self) -> Sender<Input<E>> {
        self.sender.clone()
    }
}

/// Shows the screen until it wants to quit, or has to.
///
/// # Errors
/// When the terminal cannot be set up, or takes nothing although it is there.
pub(crate) fn run<S: Screen>(screen: &mut S, inputs: &Inputs<S::Reply>) -> io::Result<Exit> {
    let outcome = shown(screen, inputs);
    guard::unwatch();
    match outcome {
        // Its end may be noticed before the signal that tells of it has come through.
        Err(_) if !io::stdout().is_terminal() => Ok(Exit::HungUp),
        outcome => outcome,
    }
}

fn shown<S: Screen>(screen: &mut S, inputs: &Inputs<S::Reply>) -> io::Result<Exit> {
    hear_signals(inputs.sender())?;
    let guard = TerminalGuard::enter()?;
    let sheet = Sheet::default();
    let terminal = Terminal::new(CrosstermBackend::new(sheet.clone()))?;
    hear_terminal(inputs.sender())?;
    let pace = Pace::beginning(Instant::now());
    let mut edge = Edge { screen, guard, terminal, sheet, pace };
    loop {
        if let ControlFlow::Break(exit) = edge.turn(&inputs.receiver)? {
            return Ok(exit);
        }
    }
}

/// The screen between its inputs and the terminal.
struct Edge<'a, S> {
    screen: &'a mut S,
    guard: TerminalGuard,
    terminal: Terminal<CrosstermBackend<Sheet>>,
    sheet: Sheet,
    pace: Pace,
}

type Flow = ControlFlow<Exit>;

impl<S: Screen> Edge<'_, S> {
    /// Waits for something, takes all that is there, and draws if it is time.
    fn turn(&mut self, inputs: &Receiver<Input<S::Reply>>) -> io::Result<Flow> {
        let mut next = self.wait(inputs);
        while let Some(input) = next {
            if let ControlFlow::Break(exit) = self.input(input)? {
                return Ok(Flow::Break(exit));
            }
            // However fast the inputs come, frames are not put off.
            next = if self.pace.draws(Instant::now()) { None } else { inputs.try_recv().ok() };
        }
        if let Some(since) = self.pace.wakes(Instant::now()) {
            let orders = self.screen.woken(since);
            if let ControlFlow::Break(exit) = self.carry_out(orders, FRAME_RUNNING)? {
                return Ok(Flow::Break(exit));
            }
        }
        let now = Instant::now();
        self.pace.wake(self.screen.wakes_in(), now);
        if self.pace.draws(now) {
            self.draw()?;
        }
        Ok(Flow::Continue(()))
    }

    fn wait(&self, inputs: &Receiver<Input<S::Reply>>) -> Option<Input<S::Reply>> {
        match self.pace.waits(Instant::now()) {
            // The channel cannot close: its owner holds a sender too.
            None => inputs.recv().ok(),
            Some(time) => inputs.recv_timeout(time).ok(),
        }
    }

    fn input(&mut self, input: Input<S::Reply>) -> io::Result<Flow> {
        let frame = if matches!(input, Input::Engine(_)) { FRAME_RUNNING } else { FRAME };
        let demand = Demand::of(&input);
        let orders = self.screen.take(input);
        if let ControlFlow::Break(exit) = self.carry_out(orders, frame)? {
            return Ok(Flow::Break(exit));
        }
        self.meet(demand)
    }

    /// Does what an input demands, whatever the screen made of it.
    fn meet(&mut self, demand: Demand) -> io::Result<Flow> {
        match demand {
            Demand::Nothing => {}
            Demand::Frame => self.pace.dirty(FRAME),
            Demand::Stop => self.suspend()?,
            Demand::Anew => self.continued()?,
            Demand::End(exit) => return Ok(Flow::Break(exit)),
            Demand::Crash(text) => {
                guard::leave();
                note(&text);
                return Ok(Flow::Break(Exit::Crashed));
            }
        }
        Ok(Flow::Continue(()))
    }

    fn carry_out(&mut self, orders: Vec<Order>, frame: Duration) -> io::Result<Flow> {
        for order in orders {
            match order {
                Order::Redraw => self.pace.dirty(frame),
                Order::Repaint => self.repaint()?,
                Order::Quit(exit) => return Ok(Flow::Break(exit)),
                Order::Suspend => self.suspend()?,
                Order::Copy(text) => self.copy(&text)?,
                Order::Mouse(on) => self.guard.set_mouse(on)?,
            }
        }
        Ok(Flow::Continue(()))
    }

    fn draw(&mut self) -> io::Result<()> {
        self.terminal.draw(|frame| self.screen.draw(frame))?;
        self.pace.drew(Instant::now());
        self.sheet.send_frame()
    }

    /// The size is asked anew. `Terminal::clear` would ask the terminal for its cursor, and wait for an answer among the keys.
    fn repaint(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())?;
        self.pace.dirty(Duration::ZERO);
        Ok(())
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        queue!(self.sheet, CopyToClipboard::to_clipboard_from(text))?;
        self.sheet.send()
    }

    /// Where nobody would ever continue it, stopping would be the end.
    fn suspend(&mut self) -> io::Result<()> {
        if can_be_continued() {
            guard::leave();
            stop()?;
        }
        // The terminal is taken again when the signal that continued this comes through, and not here: one that ends it may be before
        // that one, and whoever takes the terminal from the background is stopped again.
        Ok(())
    }

    /// Whoever stopped it unasked, as SIGSTOP does, has left another program's screen and modes here.
    fn continued(&mut self) -> io::Result<()> {
        self.guard.retake()?;
        self.repaint()
    }
}

/// What an input makes the loop do by itself.
enum Demand {
    Nothing,
    Frame,
    Stop,
    Anew,
    End(Exit),
    Crash(String),
}

impl Demand {
    fn of<E>(input: &Input<E>) -> Demand {
        match input {
            Input::Key(_) | Input::Paste(_) | Input::Mouse(_) | Input::Engine(_) => Demand::Nothing,
            Input::Resize(..) => Demand::Frame,
            Input::Signal(Signal::Stop) => Demand::Stop,
            Input::Signal(Signal::Continue) => Demand::Anew,
            Input::Signal(Signal::Terminate) => Demand::End(Exit::Terminated),
            Input::Signal(Signal::HangUp) => Demand::End(Exit::HungUp),
            Input::Signal(Signal::Interrupt) => Demand::End(Exit::Interrupted),
            Input::WorkerPanicked(text) => Demand::Crash(text.clone()),
        }
    }
}

/// Between two frames that a person asked for: a display shows no more.
const FRAME: Duration = Duration::from_millis(16);
/// Between two frames of something that runs by itself: over ssh each costs kilobytes.
const FRAME_RUNNING: Duration = Duration::from_millis(33);

/// When the next frame is due and when the screen is woken. It is passed the time, and fetches none.
#[derive(Debug)]
struct Pace {
    drawn: Option<Instant>,
    /// What changed is drawn then.
    due: Option<Instant>,
    wake: Option<Wake>,
    began: Instant,
}

/// The screen wants to be woken.
#[derive(Clone, Copy, Debug)]
struct Wake {
    at: Instant,
    /// When it was woken last, or began to want it.
    since: Instant,
}

impl Pace {
    /// The first frame is due.
    fn beginning(now: Instant) -> Pace {
        Pace { drawn: None, due: Some(now), wake: None, began: now }
    }

    /// Something changed; the frame comes so long after the last one, or at once when that is over.
    fn dirty(&mut self, frame: Duration) {
        let at = self.drawn.map_or(self.began, |drawn| drawn + frame);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    fn draws(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    fn drew(&mut self, now: Instant) {
        (self.drawn, self.due) = (Some(now), None);
    }

    /// How long nothing needs to be done; `None` is for ever.
    fn waits(&self, now: Instant) -> Option<Duration> {
        let next = self.due.into_iter().chain(self.wake.map(|wake| wake.at)).min();
        next.map(|next| next.saturating_duration_since(now))
    }

    /// The screen wants to be woken in so long; keys that come in meanwhile do not put it off.
    fn wake(&mut self, after: Option<Duration>, now: Instant) {
        self.wake = after.map(|after| {
            let wake = self.wake.unwrap_or(Wake { at: now + after, since: now });
            Wake { at: wake.at.min(now + after).max(wake.since + FRAME_RUNNING), since: wake.since }
        });
    }

    /// If it is to be woken now: the time since the last one.
    fn wakes(&mut self, now: Instant) -> Option<Duration> {
        let wake = self.wake.filter(|wake| wake.at <= now)?;
        // For as long as it wants more, the time goes on from here.
        self.wake = Some(Wake { at: now + FAR, since: now });
        Some(now - wake.since)
    }
}

/// Later than a screen would ask for.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// What is to be written, until it is whole. A frame that a panic breaks off is never sent, and nothing is sent to a terminal that was
/// given back.
#[derive(Clone, Debug, Default)]
struct Sheet(Rc<RefCell<Vec<u8>>>);

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Ratatui flushes in the middle of a frame.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sheet {
    /// A terminal that knows synchronised updates shows all of it at once.
    fn send_frame(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.0.borrow_mut());
        let mut whole = self.clone();
        queue!(whole, BeginSynchronizedUpdate)?;
        whole.write_all(&frame)?;
        queue!(whole, EndSynchronizedUpdate)?;
        self.send()
    }

    fn send(&self) -> io::Result<()> {
        let bytes = std::mem::take(&mut *self.0.borrow_mut());
        let mut out = io::stdout().lock();
        if guard::is_taken() {
            out.write_all(&bytes)?;
            out.flush()?;
        }
        Ok(())
    }
}

/// Starts the thread that reads the terminal. It ends with the process: a read that waits cannot be called back.
fn hear_terminal<E: Send + 'static>(inputs: Sender<Input<E>>) -> io::Result<()> {
    let reads = move || {
        while let Ok(event) = crossterm::event::read() {
            if input_of(event).is_some_and(|input| inputs.send(input).is_err()) {
                return;
            }
        }
        // A terminal that cannot be read is gone.
        let _ = inputs.send(Input::Signal(Signal::HangUp));
    };
    thread::Builder::new().name("keys".to_owned()).spawn(reads).map(|_| ())
}

fn input_of<E>(event: Event) -> Option<Input<E>> {
    match event {
        // Only some terminals tell when a key goes up.
        Event::Key(key) if key.kind == KeyEventKind::Release => None,
        Event::Key(key) => Some(Input::Key(key)),
        Event::Paste(text) => Some(Input::Paste(text)),
        Event::Mouse(mouse) => Some(Input::Mouse(mouse)),
        Event::Resize(columns, rows) => Some(Input::Resize(columns, rows)),
        Event::FocusGained | Event::FocusLost => None,
    }
}

/// A loop that has not ended so long after it was told to never will.
#[cfg(unix)]
const GRACE: Duration = Duration::from_secs(3);

/// What was sent to a stopped program comes through together with what continues it, in any order; it takes no longer than this.
#[cfg(unix)]
const TOGETHER: Duration = Duration::from_millis(10);

/// Starts the thread that hears signals.
#[cfg(unix)]
fn hear_signals<E: Send + 'static>(inputs: Sender<Input<E>>) -> io::Result<()> {
    use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
    let mut signals = signal_hook::iterator::Signals::new([SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP])?;
    let hears = move || {
        loop {
            let mut heard: Vec<Signal> = signals.wait().map(signal_of).collect();
            if heard.contains(&Signal::Continue) {
                thread::sleep(TOGETHER);
                heard.extend(signals.pending().map(signal_of));
            }
            // One that ends it goes first: it must not take the terminal again for that.
            heard.sort_unstable();
            for signal in heard {
                let _ = inputs.send(Input::Signal(signal));
                if let Demand::End(exit) = Demand::of::<E>(&Input::Signal(signal)) {
                    end_after_grace(exit);
                }
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(hears).map(|_| ())
}

#[cfg(unix)]
fn signal_of(number: i32) -> Signal {
    use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTSTP};
    match number {
        SIGHUP => Signal::HangUp,
        SIGINT => Signal::Interrupt,
        SIGTSTP => Signal::Stop,
        SIGCONT => Signal::Continue,
        _ => Signal::Terminate,
    }
}

/// The loop ends the process before this does, unless it hangs.
#[cfg(unix)]
fn end_after_grace(exit: Exit) {
    thread::sleep(GRACE);
    guard::leave();
    std::process::exit(exit as i32);
}

/// There are none; a console that is closed ends the program.
#[cfg(not(unix))]
fn hear_signals<E: Send + 'static>(_: Sender<Input<E>>) -> io::Result<()> {
    Ok(())
}

/// Returns when it was continued.
#[cfg(unix)]
fn stop() -> io::Result<()> {
    signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)
}

#[cfg(not(unix))]
fn stop() -> io::Result<()> {
    Ok(())
}

/// A program that leads its session has no shell above it, as in `docker run -it` or `xterm -e`: the kernel would not stop it on
/// Ctrl-Z either (POSIX, orphaned process groups). Where that cannot be seen, a shell is taken for granted.
fn can_be_continued() -> bool {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return cfg!(unix) };
    // After the name, which may contain anything: state, parent, process group, session.
    let session = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3));
    session != Some(std::process::id().to_string().as_str())
}

/// What the terminal can be asked to show, from the environment alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) ink: Ink,
    pub(crate) glyphs: Glyphs,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Colours,
    /// Bold, dim, reverse, underlined, and nothing else.
    Plain,
}

/// Which characters can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glyphs {
    Unicode,
    Ascii,
}

impl Look {
    /// What these variables ask for; `ascii` is the flag of the command line.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>, ascii: bool) -> Look {
        // no-color.org: "when present and not an empty string".
        let plain = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        Look {
            ink: if plain { Ink::Plain } else { Ink::Colours },
            glyphs: if ascii || !speaks_utf8(variable) { Glyphs::Ascii } else { Glyphs::Unicode },
        }
    }
}

/// POSIX, "Environment Variables" 8.2: of these the first that is set and not empty decides; when none is, the locale is "C" as good as
/// everywhere. ASCII then costs some beauty, where UTF-8 could cost the sense. On Windows the console takes UTF-8 whatever is set.
fn speaks_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).map(|locale| locale.to_ascii_uppercase());
    locale.map_or(cfg!(windows), |locale| locale.contains("UTF-8") || locale.contains("UTF8"))
}

/// Why this terminal cannot show an explorer; `None` when it can.
pub(crate) fn unfit(variable: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    match variable("TERM").as_deref() {
        // Windows has no such variable.
        None | Some("") if !cfg!(windows) => Some("TERM is not set"),
        Some("dumb") => Some("TERM=dumb has no screen to draw on"),
        _ => None,
    }
}

/// A variable of this process, if it is text.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn look(variables: &[(&str, &str)], ascii: bool) -> Look {
        Look::of(|name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned()), ascii)
    }

    #[test]
    fn no_color_counts_only_when_it_says_something() {
        assert_eq!(look(&[], false).ink, Ink::Colours);
        assert_eq!(look(&[("NO_COLOR", "")], false).ink, Ink::Colours);
        assert_eq!(look(&[("NO_COLOR", "0")], false).ink, Ink::Plain);
    }

    #[test]
    fn the_first_locale_that_is_set_decides_the_glyphs() {
        let check =
            |variables: &[(&str, &str)], glyphs| assert_eq!(look(variables, false).glyphs, glyphs, "{variables:?}");
        check(&[("LANG", "de_DE.UTF-8")], Glyphs::Unicode);
        check(&[("LANG", "C.utf8")], Glyphs::Unicode);
        check(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")], Glyphs::Ascii);
        check(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "")], Glyphs::Unicode);
        check(&[("LANG", "POSIX"), ("LC_CTYPE", "UTF-8")], Glyphs::Unicode);
        check(&[], if cfg!(windows) { Glyphs::Unicode } else { Glyphs::Ascii });
        assert_eq!(look(&[("LANG", "C.UTF-8")], true).glyphs, Glyphs::Ascii);
    }

    #[test]
    fn a_terminal_without_a_screen_is_refused() {
        let term = |value: Option<&str>| unfit(|_| value.map(str::to_owned));
        assert_eq!(term(Some("xterm-256color")), None);
        assert_eq!(term(Some("dumb")), Some("TERM=dumb has no screen to draw on"));
        assert_eq!(term(None).is_none(), cfg!(windows));
    }

    #[test]
    fn an_idle_screen_waits_for_ever() {
        let now = Instant::now();
        let mut pace = Pace::beginning(now);
        assert!(pace.draws(now));
        pace.drew(now);
        pace.wake(None, now);
        assert_eq!(pace.waits(now), None);
    }

    #[test]
    fn a_key_after_a_rest_is_drawn_at_once_and_the_next_a_frame_later() {
        let now = Instant::now();
        let mut pace = Pace::beginning(now);
        pace.drew(now);
        let later = now + 500 * MS;
        pace.dirty(FRAME);
        assert!(pace.draws(later));
        pace.drew(later);
        pace.dirty(FRAME);
        assert!(!pace.draws(later + 15 * MS) && pace.draws(later + 16 * MS));
        assert_eq!(pace.waits(later + 6 * MS), Some(10 * MS));
    }

    #[test]
    fn what_runs_by_itself_is_drawn_thirty_times_a_second_and_a_key_does_not_wait_for_it() {
        let now = Instant::now();
        let mut pace = Pace::beginning(now);
        pace.drew(now);
        pace.dirty(FRAME_RUNNING);
        assert_eq!(pace.waits(now), Some(33 * MS));
        pace.dirty(FRAME);
        assert_eq!(pace.waits(now), Some(16 * MS));
    }

    #[test]
    fn keys_do_not_put_off_the_animation() {
        let now = Instant::now();
        let mut pace = Pace::beginning(now);
        pace.drew(now);
        for ms in 0..50 {
            pace.wake(Some(50 * MS), now + ms * MS);
        }
        assert_eq!(pace.wakes(now + 49 * MS), None);
        assert_eq!(pace.wakes(now + 60 * MS), Some(60 * MS));
        pace.wake(Some(50 * MS), now + 60 * MS);
        assert_eq!(pace.waits(now + 60 * MS), Some(50 * MS));
        assert_eq!(pace.wakes(now + 110 * MS), Some(50 * MS));
    }

    #[test]
    fn a_screen_that_wants_to_be_woken_at_once_is_woken_thirty_times_a_second() {
        let now = Instant::now();
        let mut pace = Pace::beginning(now);
        pace.drew(now);
        pace.wake(Some(Duration::ZERO), now);
        assert_eq!(pace.waits(now), Some(33 * MS));
    }
}
