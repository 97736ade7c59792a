//! The whole program on a terminal of its own: how soon it shows something, how soon it answers a key while a simulation runs
//! flat out, what it does while nobody does anything, and what it takes for a million events.
//!
//! This program is also the one that it measures: started with [`INSIDE`], it is `faultline`.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use sim_models::builtin;
use vt100::Parser;

const INSIDE: &str = "FAULTLINE_ON_A_TERMINAL";
const COLUMNS: u16 = 160;
const ROWS: u16 = 48;
const DEADLINE: Duration = Duration::from_secs(60);

/// What the program has written so far, as a terminal shows it.
struct Shown {
    now: Mutex<(Parser, u64)>,
    news: Condvar,
}

struct Terminal {
    shown: Arc<Shown>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// Closed when it is dropped.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    fn open(words: &[&str]) -> Terminal {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
        command.args(words);
        command.env(INSIDE, "yes");
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.cwd(std::env::temp_dir());
        let shown = Arc::new(Shown { now: Mutex::new((parser(), 0)), news: Condvar::new() });
        let mut output = pair.master.try_clone_reader().expect("what it writes");
        let child = pair.slave.spawn_command(command).expect("it starts");
        let reads = Arc::clone(&shown);
        thread::spawn(move || {
            let mut bytes = [0; 1 << 16];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut now = reads.now.lock().unwrap_or_else(PoisonError::into_inner);
                now.0.process(&bytes[..count]);
                now.1 += count as u64;
                reads.news.notify_all();
            }
        });
        let keys = pair.master.take_writer().expect("a keyboard");
        Terminal { shown, keys, child, _master: pair.master }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("it listens");
    }

    /// Waits until the screen is so; how long that took.
    fn wait(&self, what: &str, holds: impl Fn(&str) -> bool) -> Duration {
        let took = self.wait_for(DEADLINE, holds);
        took.unwrap_or_else(|| panic!("waited in vain for {what}:\n{}", self.screen()))
    }

    /// The same, if it comes in time.
    fn wait_for(&self, time: Duration, holds: impl Fn(&str) -> bool) -> Option<Duration> {
        let begin = Instant::now();
        let mut now = self.shown.now.lock().unwrap_or_else(PoisonError::into_inner);
        while !holds(&now.0.screen().contents()) {
            let left = time.checked_sub(begin.elapsed())?;
            now = self.shown.news.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(begin.elapsed())
    }

    fn screen(&self) -> String {
        self.shown.now.lock().unwrap_or_else(PoisonError::into_inner).0.screen().contents()
    }

    /// Lets it run to its end, from wherever it stands.
    fn go_on(&mut self) {
        let runs = |screen: &str| first_line(screen).contains("RUN");
        while !runs(&self.screen()) {
            self.press("G");
            self.wait_for(Duration::from_millis(300), runs);
        }
    }

    /// Types a command after a colon, when nothing else is on its way.
    fn command(&mut self, line: &str) {
        self.press(&format!(":{line}\r"));
    }

    fn bytes(&self) -> u64 {
        self.shown.now.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn pid(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    /// Bytes of memory now, and at most so far.
    fn memory(&self) -> [u64; 2] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
        })
    }

    /// Processor time so far; Linux counts it in hundredths of a second.
    fn processor(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        Duration::from_millis(10 * fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It has nothing to say that anybody would read.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parser() -> Parser {
    let some = |count| NonZeroU16::new(count).expect("not zero");
    Parser::new(some(ROWS), some(COLUMNS), 0)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn spread(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| millis(times[(times.len() * percent / 100).min(times.len() - 1)]);
    println!("{what:<44} median {:.1} ms, 95 % {:.1} ms, longest {:.1} ms", at(50), at(95), at(100));
}

/// From its start to what it shows first.
fn start(words: &[&str], shows: &'static str) -> Duration {
    let begin = Instant::now();
    let terminal = Terminal::open(words);
    terminal.wait(shows, |screen| screen.contains(shows));
    begin.elapsed()
}

fn first_line(screen: &str) -> &str {
    screen.lines().next().unwrap_or_default()
}

/// The newest event that the title tells: `#17 of 1,105,303`.
fn events(screen: &str) -> u64 {
    let count = first_line(screen).split(" of ").filter_map(|part| part.split_whitespace().next());
    count.filter_map(|word| word.replace(',', "").parse().ok()).max().unwrap_or(0)
}

/// A run of so many orders, paused at its start.
fn opened(orders: u64) -> Terminal {
    let story = builtin::story().expect("it is right");
    let mut terminal = Terminal::open(&["explore", &story.scenario]);
    terminal.wait("the run", |screen| first_line(screen).contains("RUN"));
    terminal.press(" ");
    terminal.wait("a pause", |screen| first_line(screen).contains("PAUSED"));
    for name in story.settings.keys() {
        terminal.command(&format!("set {name}={orders}"));
        let done = |screen: &str| screen.contains("made again") || screen.contains("is as it was");
        terminal.wait("the setting", done);
    }
    terminal.command("speed flat-out");
    terminal.wait("the speed", |screen| screen.contains("speed:"));
    terminal
}

fn main() -> ExitCode {
    if std::env::var_os(INSIDE).is_some() {
        return sim_tui::main();
    }
    spread("from start to the list", (0..20).map(|_| start(&["explore"], "Scenarios")).collect());
    let story = builtin::story().expect("it is right").scenario;
    let shown = || start(&["explore", &story], "RUN");
    spread("from start to a scenario that runs", (0..20).map(|_| shown()).collect());

    let mut terminal = opened(1_000_000);
    let since = terminal.processor();
    let begin = Instant::now();
    terminal.go_on();
    terminal.wait("a million events", |screen| events(screen) >= 1_000_000);
    let took = begin.elapsed();
    terminal.press(" ");
    terminal.wait("a pause", |screen| first_line(screen).contains("PAUSED"));
    let count = events(&terminal.screen());
    let [now, most] = terminal.memory().map(|bytes| bytes as f64 / 1e6);
    let processor = terminal.processor().saturating_sub(since).as_secs_f64();
    println!(
        "{count} events flat out: {:.2} s, {processor:.2} s of processor, {now:.0} MB, at most {most:.0} MB",
        took.as_secs_f64()
    );

    let mut times = Vec::new();
    for _ in 0..50 {
        terminal.go_on();
        thread::sleep(Duration::from_millis(120));
        terminal.press("j");
        times.push(terminal.wait("it to pause", |screen| !first_line(screen).contains("RUN")));
        // What was asked before it paused has its turn.
        thread::sleep(Duration::from_millis(60));
    }
    spread("from a key to its frame, running flat out", times);

    // Until what a pause brings is drawn.
    thread::sleep(Duration::from_secs(1));
    let (bytes, processor) = (terminal.bytes(), terminal.processor());
    thread::sleep(Duration::from_secs(10));
    let (bytes, processor) = (terminal.bytes() - bytes, terminal.processor().saturating_sub(processor));
    println!("paused for 10 s: {} ms of processor, {bytes} bytes written", processor.as_millis());
    ExitCode::SUCCESS
}
