//! The terminal explorer: what is pressed, what is known, what is drawn, and an engine behind it on a thread of its own.

mod app;
mod engine;
pub(crate) mod guard;
pub mod headless;
pub mod keys;
mod lab;
mod layout;
mod listing;
pub mod look;
mod pen;
mod screens;
mod session_log;
mod terminal;
mod told;
mod words;

use std::io::{self, IsTerminal};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use ratatui::Frame;

use self::app::{Act, App, Msg};
use self::engine::{Engine, Shared};
use self::look::{Letters, Theme};
use self::pen::Pen;
use self::session_log::Log;
pub(crate) use self::terminal::Glyphs;
use self::terminal::{Input, Inputs, Order, Screen, unfit, variable};
use self::told::{Ask, Told};
use crate::cli::Output;
use crate::commands;
use crate::report::{Bad, Exit, Report, bad, note};
use crate::text::{Side, table};

/// A slice of a run that goes flat out, in milliseconds: short enough that a key does not wait.
const SLICE_MILLIS: u64 = 25;
/// How often a running simulation is shown.
const FRAME: Duration = Duration::from_millis(33);

/// How long whoever quits waits for the case to be written, and whoever was told to end.
const PATIENCE: Duration = Duration::from_secs(10);
const HURRY: Duration = Duration::from_millis(150);

/// How the explorer is opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// A scenario or a case; none: the list of them.
    pub(crate) what: Option<String>,
    /// What the availability lab looks at, as `faultline avail` is called; it is opened then.
    pub(crate) lab: Option<String>,
    /// Whether only ASCII is drawn.
    pub(crate) ascii: bool,
    /// Where what happens to it is written down.
    pub(crate) record: Option<String>,
}

/// Which letters this terminal shows; `ascii` is a flag of the command line.
pub(crate) fn glyphs(ascii: bool) -> Glyphs {
    terminal::Look::of(variable, ascii).glyphs
}

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

/// Opens the explorer; it ends when it is quit, and says how what was seen is seen again.
pub(crate) fn explore(options: &Options, called: &str) -> Result<Report, Bad> {
    possible().map_err(|why| {
        let demo = commands::line(called, ["demo"]);
        bad!("{why}; `{demo}` tells the story as text")
    })?;
    if let Some(word) = &options.what {
        // What cannot be opened is said where it was asked for, not on a screen that closes at once.
        Engine::check(word, called).map_err(Bad)?;
    }
    if let Some(line) = &options.lab {
        Engine::check_lab(line, called).map_err(Bad)?;
    }
    let log = options.record.as_deref().map(Log::to_file).transpose().map_err(|error| bad!("{error}"))?;
    let inputs = Inputs::open();
    let (jobs, engine) = start_engine(called, inputs.sender());
    let mut explorer = Explorer::new(options, jobs, engine, log);
    let exit = terminal::run(&mut explorer, &inputs).map_err(|error| bad!("the terminal: {error}"))?;
    if exit == Exit::Crashed {
        return Ok(Report { text: String::new(), exit });
    }
    explorer.shared.give_up();
    let line = last_line(&explorer, if exit == Exit::Held { PATIENCE } else { HURRY });
    Ok(Report { text: line.map(|line| line + "\n").unwrap_or_default(), exit })
}

/// How what was on the screen is seen again: as a case that is written now. Where that takes too long, because the run is, the
/// command that runs the same again has to do.
fn last_line(explorer: &Explorer, patience: Duration) -> Option<String> {
    let run = explorer.app.run.as_ref();
    if run.is_none() && explorer.app.lab.is_none() {
        return None;
    }
    let (answer, told) = channel();
    // An engine that is gone has nothing to say.
    let _ = explorer.jobs.send(Job::Leave(run.map_or(0, |run| run.cursor), answer));
    match told.recv_timeout(patience) {
        Ok(Ok(line)) => line,
        outcome => {
            if let Ok(Err(words)) = outcome {
                note(&format!("the run could not be written as a case: {words}"));
            }
            run.map(|run| run.snapshot.facts.command.clone())
        }
    }
}

/// The keys, as a table or as JSON.
pub(crate) fn keys_page(output: Output) -> Report {
    if output.json {
        return Report::json(&keys::as_json(), Exit::Held);
    }
    let mut page = table(&[Side::Left; 4], &keys::rows());
    page += "\nafter a colon\n";
    let command = |(name, value, about): &(&str, &str, &str)| vec![format!("{name} {value}"), (*about).to_owned()];
    page += &table(&[Side::Left; 2], &app::COMMANDS.iter().map(command).collect::<Vec<_>>());
    Report::fine(page)
}

/// What the engine's thread does.
enum Job {
    Ask(Ask),
    /// Writes what was explored, and says how it is seen again.
    Leave(u64, Sender<Result<Option<String>, String>>),
}

fn start_engine(called: &str, tell: Sender<Input<Told>>) -> (Sender<Job>, Shared) {
    let (jobs, todo) = channel();
    let shared = Shared::default();
    let mut engine = Engine::new(called, shared.clone());
    let work = move || {
        for job in todo {
            match job {
                // Nobody listens any more when the screen is gone.
                Job::Ask(ask) => engine.take(ask, &mut |told| _ = tell.send(Input::Engine(told))),
                Job::Leave(event, answer) => _ = answer.send(engine.leave(event)),
            }
        }
    };
    // A thread that cannot be started panics here, before the terminal is touched.
    thread::Builder::new().name("engine".to_owned()).spawn(work).expect("a thread for the engine");
    (jobs, shared)
}

/// The application between the terminal and the engine.
struct Explorer {
    app: App,
    jobs: Sender<Job>,
    shared: Shared,
    log: Option<Log>,
}

impl Explorer {
    fn new(options: &Options, jobs: Sender<Job>, shared: Shared, log: Option<Log>) -> Explorer {
        let seen = terminal::Look::of(variable, options.ascii);
        let letters = if seen.glyphs == terminal::Glyphs::Ascii { Letters::Ascii } else { Letters::Utf8 };
        let theme = if seen.ink == terminal::Ink::Plain { Theme::Mono } else { Theme::Auto };
        let size = crossterm::terminal::size().unwrap_or((80, 24));
        let mut app = App::new(size, look::Look { letters, theme });
        if letters == Letters::Ascii && !options.ascii {
            app.footnote = Some("drawn in ASCII, because the locale does not say UTF-8".to_owned());
        }
        let first = app.begin(options.what.as_deref(), options.lab.as_deref());
        guard::context(&format!("explore {}\n", options.what.as_deref().unwrap_or_default()));
        let mut explorer = Explorer { app, jobs, shared, log };
        if let Some(log) = &mut explorer.log {
            log.opened(size, options.what.as_deref(), options.lab.as_deref());
        }
        let orders = explorer.carry_out(first);
        debug_assert!(orders.is_empty(), "nothing to order before there is a terminal");
        explorer
    }

    /// Gives the engine what is asked of it, and the terminal the rest.
    fn carry_out(&mut self, acts: Vec<Act>) -> Vec<Order> {
        let mut orders = Vec::new();
        for act in acts {
            match act {
                // An engine that is gone has panicked, which is told on the same channel.
                Act::Ask(ask) => {
                    self.shared.ask();
                    let _ = self.jobs.send(Job::Ask(ask));
                }
                Act::GiveUp => self.shared.give_up(),
                Act::Quit(app::Exit::Quit) => orders.push(Order::Quit(Exit::Held)),
                Act::Quit(app::Exit::Interrupted) => orders.push(Order::Quit(Exit::Interrupted)),
                Act::Suspend => orders.push(Order::Suspend),
                Act::Copy(text) => orders.push(Order::Copy(text)),
                Act::Mouse(on) => orders.push(Order::Mouse(on)),
                Act::Repaint => orders.push(Order::Repaint),
                Act::Panic(whose) => guard::debug_panic(&whose),
            }
        }
        orders
    }

    fn update(&mut self, msg: Msg) -> Vec<Order> {
        let line = session_log::line(&msg);
        if let Some(log) = &mut self.log {
            log.write(&line);
        }
        if !matches!(msg, Msg::Told(_) | Msg::Wake { .. }) {
            guard::remember(&line);
        }
        let acts = self.app.update(msg);
        let mut orders = self.carry_out(acts);
        orders.push(Order::Redraw);
        orders
    }
}

impl Screen for Explorer {
    type Reply = Told;

    fn take(&mut self, input: Input<Told>) -> Vec<Order> {
        match input {
            Input::Key(key) => self.update(Msg::Key(key)),
            Input::Paste(text) => self.update(Msg::Paste(text)),
            Input::Mouse(mouse) => self.update(Msg::Mouse(mouse)),
            Input::Resize(width, height) => self.update(Msg::Resize(width, height)),
            Input::Engine(told) => self.update(Msg::Told(told)),
            Input::Signal(_) | Input::WorkerPanicked(_) => Vec::new(),
        }
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        screens::draw(&self.app, &mut Pen::new(frame.buffer_mut(), self.app.look));
    }

    fn wakes_in(&self) -> Option<Duration> {
        self.app.is_running().then_some(FRAME)
    }

    fn woken(&mut self, since: Duration) -> Vec<Order> {
        let room = self.shared.room(SLICE_MILLIS);
        self.update(Msg::Wake { since, room })
    }
}
