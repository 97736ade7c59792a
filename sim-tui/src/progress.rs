//! How far a hunt has come, in a file beside its cases, so that the same command goes on where a Ctrl-C, a kill or a power cut ended it.
//!
//! The file holds what the hunt would print, and is written whole: what it counts is done, and its cases are there. A lock beside
//! it keeps two hunts of the same seeds apart; those of others have other names.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Clock};

use serde::{Deserialize, Serialize};
use sim_core::digest::state_fingerprint;

use crate::findings::{FORMAT, Findings, Hunted};
use crate::report::{Bad, bad, note};

/// How often the file is written anew while there is something new.
const PERIOD: Duration = Duration::from_millis(300);

/// The file of a hunt that goes on, locked.
#[derive(Debug)]
pub(crate) struct Progress {
    path: PathBuf,
    lock: PathBuf,
    /// Held for as long as it is open.
    _locked: File,
    saved: Clock,
}

/// What the file holds.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    faultline: u64,
    kind: String,
    /// Of the hunt as it is written: a damaged file is known by it.
    check: String,
    hunt: Findings,
    /// None: it had no budget, or all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spent: Option<Spent>,
}

/// What a hunt that was cut had used up of its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) budget_nanos: u64,
    pub(crate) nanos: u64,
}

/// What an earlier hunt left to go on from.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub(crate) findings: Findings,
    pub(crate) spent: Option<Spent>,
}

const KIND: &str = "hunt-state";

/// Whether a hunt goes on where an earlier one stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Where an earlier one stood, if one left its progress.
    Where,
    /// Anew.
    Fresh,
}

impl Progress {
    /// Locks the hunt, and reads how far an earlier one of the same seeds came.
    ///
    /// # Errors
    /// When another hunt of the same seeds is at work there, or what an earlier one left cannot be trusted.
    pub(crate) fn open(
        out: &Path,
        what: &Hunted,
        name: &str,
        begin: Begin,
    ) -> Result<(Progress, Option<Earlier>), Bad> {
        let path = out.join(format!("{name}.state"));
        let lock = out.join(format!("{name}.lock"));
        let locked = locked(&lock)?;
        let progress = Progress { path, lock, _locked: locked, saved: Clock::now() };
        let earlier = match begin {
            Begin::Where => progress.earlier(what)?,
            Begin::Fresh => None,
        };
        Ok((progress, earlier))
    }

    fn earlier(&self, what: &Hunted) -> Result<Option<Earlier>, Bad> {
        let shown = self.path.display();
        let way_out = "move it away, or begin anew with --fresh";
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(bad!("{shown}, from which this hunt would go on, cannot be read: {error}; {way_out}"));
            }
        };
        let found = parsed(&text);
        let earlier =
            found.map_err(|why| bad!("{shown}, from which this hunt would go on, is damaged: {why}; {way_out}"))?;
        if earlier.findings.what != *what {
            let Hunted { scenario, requested, .. } = &earlier.findings.what;
            return Err(bad!("{shown} belongs to another hunt, of {scenario}, seeds {requested}; {way_out}"));
        }
        Ok(Some(earlier))
    }

    /// Whether it is time to write it anew.
    pub(crate) fn is_due(&self) -> bool {
        self.saved.elapsed() >= PERIOD
    }

    /// Writes how far the hunt has come; the cases that it counts are there.
    pub(crate) fn save(&mut self, findings: &Findings, spent: Option<Spent>) -> Result<(), Bad> {
        let wrong = |error: io::Error| bad!("{} cannot be written: {error}", self.path.display());
        let check = check(findings).map_err(io::Error::other).map_err(wrong)?;
        let state = State { faultline: FORMAT, kind: KIND.to_owned(), check, hunt: findings.clone(), spent };
        let text = serde_json::to_string_pretty(&state).map_err(io::Error::other).map_err(wrong)?;
        self.write(&text).map_err(wrong)?;
        self.saved = Clock::now();
        Ok(())
    }

    /// Writes the file whole or not at all.
    fn write(&self, text: &str) -> io::Result<()> {
        let new = self.written(text)?;
        fs::rename(&new, &self.path)?;
        synced(&self.path)
    }

    /// Writes another file of the hunt whole or not at all, and nothing where one stands; whether it is there with this text.
    pub(crate) fn add(&self, path: &Path, text: &str) -> io::Result<bool> {
        match fs::read(path) {
            Ok(known) => return Ok(known.strip_suffix(b"\n") == Some(text.as_bytes())),
            Err(error) if error.kind() == ErrorKind::IsADirectory => return Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let new = self.written(text)?;
        // A link takes no name that somebody else took meanwhile; where there are no links, that is left to luck.
        match fs::hard_link(&new, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
            Err(_) => fs::rename(&new, path)?,
            Ok(()) => fs::remove_file(&new)?,
        }
        synced(path).map(|()| true)
    }

    /// A file with the text that has no name of its own yet. Under the lock nobody else writes it, so that one which a kill left
    /// behind is used again.
    fn written(&self, text: &str) -> io::Result<PathBuf> {
        let new = self.new_path();
        // A kill between a link and its removal leaves two names of one file.
        let _ = fs::remove_file(&new);
        let mut file = File::create(&new)?;
        let written = writeln!(file, "{text}").and_then(|()| file.sync_all());
        if let Err(error) = written {
            // It is of no use to anybody, and takes room where there is none.
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        Ok(new)
    }

    fn new_path(&self) -> PathBuf {
        self.path.with_extension("state.new")
    }

    /// Removes the file: the hunt is over, and nothing is left to go on with.
    pub(crate) fn finished(&self) {
        // What cannot be removed is found by the next hunt, which then has nothing to do but to print.
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // Without them the next hunt is no worse off, and with them neither.
        let _ = fs::remove_file(self.new_path());
        let _ = fs::remove_file(&self.lock);
    }
}

/// Sees to it that the name is there after a power cut too, where folders can be synced.
fn synced(path: &Path) -> io::Result<()> {
    let folder = path.parent().and_then(|folder| File::open(folder).ok());
    folder.map_or(Ok(()), |folder| folder.sync_all().or(Ok(())))
}

/// Takes the lock of a hunt. One that a killed hunt left behind is nobody's.
fn locked(path: &Path) -> Result<File, Bad> {
    let wrong = |error: io::Error| bad!("{} cannot be locked: {error}", path.display());
    // Whoever ends a hunt removes its lock: then the one that was opened here is no longer the one that others see.
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(bad!(
                    "another hunt of the same seeds is at work ({} is locked); wait for it, or give another --out",
                    path.display()
                ));
            }
            // On some network file systems nothing can be locked; a hunt there is better than none.
            Err(TryLockError::Error(error)) => note(&format!(
                "{} cannot be locked ({error}): see to it that no other hunt of the same seeds is at work there",
                path.display()
            )),
        }
        if is_the_one_at(&file, path).map_err(wrong)? {
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_the_one_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let here = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// An open file cannot be removed there.
#[cfg(not(unix))]
fn is_the_one_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

fn check(findings: &Findings) -> serde_json::Result<String> {
    state_fingerprint(findings).map(|hash| format!("{hash:016x}"))
}

/// Reads what a hunt left to go on from.
///
/// # Errors
/// When not all of it is as it was written.
pub(crate) fn parsed(text: &str) -> Result<Earlier, String> {
    let state: State = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let State { faultline, kind, hunt, .. } = &state;
    if (*faultline, kind.as_str()) != (FORMAT, KIND) {
        return Err(format!("it says \"{kind}\" in format {faultline}, and should say \"{KIND}\" in {FORMAT}"));
    }
    if check(hunt).map_err(|error| error.to_string())? != state.check {
        return Err("something in it was changed after it was written".to_owned());
    }
    hunt.check().map(|()| Earlier { findings: state.hunt, spent: state.spent })
}
