//! The program on a terminal of its own: what is typed into it, and what a person would see.
//!
//! Nothing here sleeps: everything waits for what it wants to see, and says what it saw instead when that does not come.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, ChildKiller, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tempfile::TempDir;
use vt100::{MouseProtocolMode, Parser};

/// Generous: a machine that also compiles is slow, and only a failure waits so long.
const DEADLINE: Duration = Duration::from_secs(60);

/// A terminal, and a program in it.
pub(crate) struct Pty {
    /// The program's working directory, and where it puts temporary files.
    pub(crate) folder: TempDir,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    killer: Box<dyn ChildKiller + Send + Sync>,
    pid: u32,
    before: String,
    seen: Arc<Seen>,
}

/// What two threads bring in: one reads the terminal, one waits for the program's end.
struct Seen {
    now: Mutex<Now>,
    news: Condvar,
}

pub(crate) struct Now {
    terminal: Parser,
    bytes: Vec<u8>,
    /// Nobody holds the terminal open any more: all that was written is in.
    closed: bool,
    exit: Option<u32>,
}

/// The modes of the terminal that a program may leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) alternate_screen: bool,
    pub(crate) cursor_hidden: bool,
    pub(crate) mouse: bool,
    pub(crate) bracketed_paste: bool,
}

impl State {
    /// As a shell wants it.
    pub(crate) const ORDINARY: State =
        State { alternate_screen: false, cursor_hidden: false, mouse: false, bracketed_paste: false };
    /// As the explorer has it.
    pub(crate) const EXPLORING: State =
        State { alternate_screen: true, cursor_hidden: true, mouse: false, bracketed_paste: true };
}

impl Now {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn screen(&self) -> String {
        self.terminal.screen().contents()
    }

    pub(crate) fn state(&self) -> State {
        let screen = self.terminal.screen();
        State {
            alternate_screen: screen.alternate_screen(),
            cursor_hidden: screen.hide_cursor(),
            mouse: screen.mouse_protocol_mode() != MouseProtocolMode::None,
            bracketed_paste: screen.bracketed_paste(),
        }
    }

    fn report(&self) -> String {
        let rule = "-".repeat(72);
        format!("{:?}, exit {:?}\n{rule}\n{}\n{rule}", self.state(), self.exit, self.screen())
    }
}

impl Pty {
    /// The program in an ordinary terminal that knows UTF-8; `variables` come on top of a small, fixed environment.
    pub(crate) fn open(words: &[&str], variables: &[(&str, &str)], columns: u16, rows: u16) -> Pty {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_faultline"));
        command.args(words);
        Pty::start(command, variables, columns, rows)
    }

    /// An interactive shell that finds the program as `faultline`; its prompt is `ready> `.
    pub(crate) fn shell(columns: u16, rows: u16) -> Pty {
        let mut command = CommandBuilder::new("/bin/sh");
        command.arg("-i");
        let shell = Pty::start(command, &[("PS1", "ready> ")], columns, rows);
        shell.wait_for_prompt();
        shell
    }

    /// Waits until the shell wants a command; what is typed before that could still go to the program that it ran.
    #[track_caller]
    pub(crate) fn wait_for_prompt(&self) {
        self.wait_until("the shell prompts", |now| now.screen().trim_end().ends_with("ready>"));
    }

    fn start(mut command: CommandBuilder, variables: &[(&str, &str)], columns: u16, rows: u16) -> Pty {
        let folder = TempDir::new().unwrap();
        let binaries = Path::new(env!("CARGO_BIN_EXE_faultline")).parent().unwrap();
        command.env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", binaries.display()));
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("TMPDIR", folder.path());
        command.env("HOME", folder.path());
        command.cwd(folder.path());
        for (name, value) in variables {
            command.env(name, value);
        }
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let before = modes(pair.master.as_ref());
        let child = pair.slave.spawn_command(command).unwrap();
        let (pid, killer) = (child.process_id().unwrap(), child.clone_killer());
        let seen = Arc::new(Seen {
            now: Mutex::new(Now { terminal: terminal(columns, rows), bytes: Vec::new(), closed: false, exit: None }),
            news: Condvar::new(),
        });
        watch(pair.master.try_clone_reader().unwrap(), child, &seen);
        let keys = pair.master.take_writer().unwrap();
        Pty { folder, master: pair.master, keys, killer, pid, before, seen }
    }

    /// Types; `\r` is Enter, `\x1b` Esc, `\x03` Ctrl-C.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until this is so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, mut holds: impl FnMut(&Now) -> bool) {
        let end = Instant::now() + DEADLINE;
        let mut now = self.seen.now();
        while !holds(&now) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain until {what}; {}", now.report());
            let look_again = left.min(Duration::from_millis(50));
            now = self.seen.news.wait_timeout(now, look_again).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until the screen shows this.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        self.wait_until(&format!("{text:?} is shown"), |now| now.screen().contains(text));
    }

    /// Waits until the terminal is in these modes.
    #[track_caller]
    pub(crate) fn wait_for_state(&self, state: State) {
        self.wait_until(&format!("it is {state:?}"), |now| now.state() == state);
    }

    /// Waits until nothing has been written for so long; how many bytes there were until then.
    #[track_caller]
    pub(crate) fn quiet_for(&self, time: Duration) -> usize {
        let end = Instant::now() + DEADLINE;
        let mut now = self.seen.now();
        let (mut count, mut since) = (now.bytes.len(), Instant::now());
        while since.elapsed() < time {
            assert!(Instant::now() < end, "it never became quiet; {}", now.report());
            let left = time.saturating_sub(since.elapsed());
            now = self.seen.news.wait_timeout(now, left).unwrap_or_else(PoisonError::into_inner).0;
            if now.bytes.len() != count {
                (count, since) = (now.bytes.len(), Instant::now());
            }
        }
        count
    }

    /// The whole screen, without trailing blanks.
    pub(crate) fn screen(&self) -> String {
        self.seen.now().screen()
    }

    /// One cell, counted from 0.
    pub(crate) fn screen_at(&self, row: u16, column: u16) -> Option<vt100::Cell> {
        self.seen.now().terminal.screen().cell(row, column).cloned()
    }

    pub(crate) fn state(&self) -> State {
        self.seen.now().state()
    }

    /// Everything the program wrote until now.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.now().bytes.clone()
    }

    /// The same as text, what is no text marked.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        // The harness's own terminal comes first: what is drawn for the new size has to find it.
        self.seen.now().terminal.screen_mut().set_size(some(rows), some(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    /// Sends a signal, such as `TERM`, to whatever is in the foreground.
    pub(crate) fn signal(&self, name: &str) {
        self.signal_to(self.foreground(), name);
    }

    /// Sends a signal to one process.
    pub(crate) fn signal_to(&self, pid: i32, name: &str) {
        let pid = pid.to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success(), "kill -s {name} {pid}");
    }

    /// The process that has the terminal: the program, or what the shell runs now.
    pub(crate) fn foreground(&self) -> i32 {
        self.master.process_group_leader().unwrap()
    }

    /// Waits for the end of the program and of everything it wrote; its exit code.
    #[track_caller]
    pub(crate) fn exit(&self) -> u32 {
        self.wait_until("the program ends", |now| now.exit.is_some() && now.closed);
        self.seen.now().exit.unwrap()
    }

    /// Whether the terminal's own modes (echo, lines, signals by keys) are as they were before the program.
    pub(crate) fn modes_are_as_before(&self) -> bool {
        modes(self.master.as_ref()) == self.before
    }

    /// The time of all its threads, in user and in system mode; Linux counts it in hundredths of a second.
    #[cfg(target_os = "linux")]
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        // After the name: the 12th and the 13th are utime and stime.
        let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        Duration::from_millis(10 * fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>())
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if self.seen.now().exit.is_none() {
            let _ = self.killer.kill();
        }
    }
}

impl Seen {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, news: impl FnOnce(&mut Now)) {
        news(&mut self.now());
        self.news.notify_all();
    }
}

fn watch(mut output: Box<dyn Read + Send>, mut child: Box<dyn Child + Send + Sync>, seen: &Arc<Seen>) {
    let (reads, waits) = (Arc::clone(seen), Arc::clone(seen));
    thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            reads.tell(|now| {
                now.bytes.extend_from_slice(&buffer[..count]);
                now.terminal.process(&buffer[..count]);
            });
        }
        reads.tell(|now| now.closed = true);
    });
    thread::spawn(move || {
        let exit = child.wait().map_or(u32::MAX, |status| status.exit_code());
        waits.tell(|now| now.exit = Some(exit));
    });
}

/// A letter for what a process does now: `T` is stopped, `Z` is over and not yet asked for.
#[cfg(target_os = "linux")]
pub(crate) fn state_of(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

fn modes(master: &(dyn MasterPty + Send)) -> String {
    format!("{:?}", master.get_termios())
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn terminal(columns: u16, rows: u16) -> Parser {
    Parser::new(some(rows), some(columns), 0)
}

fn some(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has at least one row and one column")
}
