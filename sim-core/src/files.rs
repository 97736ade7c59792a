//! Files are named lists of records; a copy of one costs a pointer, however long it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::digest::fingerprint;
use crate::seed::mix;

/// The files that a node finds when it starts: for each its records, in the order in which they were written.
///
/// A disk that cannot be read gives no record: [`is_readable`](Files::is_readable) tells that from a disk on which nothing was
/// written. Who does not ask goes on as on a new machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Files {
    files: BTreeMap<Arc<str>, File>,
    #[serde(skip)]
    unreadable: bool,
    #[serde(skip)]
    unsynced: bool,
}

/// One file, by its last record, from which a chain leads back to the first: a copy is one pointer, however long the file, so
/// that a sync and a fork cost the same after an hour as at the start.
#[derive(Clone, Default)]
struct File(Option<Arc<Link>>);

struct Link {
    record: Arc<[u8]>,
    before: File,
    /// How many records end here.
    count: u64,
    /// A hash of them.
    print: u64,
}

impl File {
    fn append(&mut self, record: Arc<[u8]>) {
        let before = File(self.0.take());
        let (count, print) = (before.count() + 1, mix(before.print(), fingerprint(&record)));
        self.0 = Some(Arc::new(Link { record, before, count, print }));
    }

    fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |last| last.count)
    }

    fn print(&self) -> u64 {
        self.0.as_ref().map_or(0, |last| last.print)
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        let links = std::iter::successors(self.0.as_deref(), |link| link.before.0.as_deref());
        let backwards: Vec<&[u8]> = links.map(|link| &link.record[..]).collect();
        backwards.into_iter().rev()
    }
}

impl Drop for Link {
    /// Link by link: a call inside a call for each record of a long file would overflow the stack.
    fn drop(&mut self) {
        let mut before = self.before.0.take();
        while let Some(mut link) = before.and_then(Arc::into_inner) {
            before = link.before.0.take();
        }
    }
}

impl PartialEq for File {
    fn eq(&self, other: &File) -> bool {
        self.count() == other.count() && self.records().eq(other.records())
    }
}

impl Eq for File {}

impl fmt::Debug for File {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.records()).finish()
    }
}

impl Serialize for File {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(self.records())
    }
}

impl Files {
    /// The records of a file; none when there is no such file.
    pub fn records(&self, file: &str) -> impl Iterator<Item = &[u8]> {
        self.files.get(file).into_iter().flat_map(File::records)
    }

    /// The names of the files, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(|name| &**name)
    }

    /// Whether the disk gives what is on it; false where a read fails, and then there seem to be no files.
    pub fn is_readable(&self) -> bool {
        !self.unreadable
    }

    /// Whether all of it is durable. False where a crash of the process has kept what no sync has covered: a power loss could
    /// still take that, and who goes by it syncs first. A sync of what is durable already has nothing to do.
    pub fn is_synced(&self) -> bool {
        !self.unsynced
    }

    /// These, of which something is not durable.
    pub(crate) fn unsynced(self) -> Files {
        Files { unsynced: true, ..self }
    }

    /// What a node finds of these when its disk gives nothing.
    pub(crate) fn unreadable() -> Files {
        Files { unreadable: true, ..Files::default() }
    }

    pub(crate) fn append(&mut self, file: Arc<str>, record: Arc<[u8]>) {
        self.files.entry(file).or_default().append(record);
    }

    pub(crate) fn replace(&mut self, file: Arc<str>, record: Arc<[u8]>) {
        let mut anew = File::default();
        anew.append(record);
        self.files.insert(file, anew);
    }

    /// Where one record of all files but one stands: its file, and its number in it. These bits say which.
    pub(crate) fn place(&self, bits: u64, but: Option<&str>) -> Option<(Arc<str>, u64)> {
        let files = || self.files.iter().filter(|(name, _)| but != Some(&***name));
        let count: u64 = files().map(|(_, file)| file.count()).sum();
        let mut number = ((u128::from(bits) * u128::from(count)) >> 64) as u64;
        files().find_map(|(name, file)| match number.checked_sub(file.count()) {
            Some(rest) => {
                number = rest;
                None
            }
            None => Some((name.clone(), number)),
        })
    }

    /// Makes one record another, if there is such a record.
    pub(crate) fn change(&mut self, file: &str, number: u64, change: impl Fn(&[u8]) -> Arc<[u8]>) {
        let Some(changing) = self.files.get_mut(file) else { return };
        let mut anew = File::default();
        for (at, record) in changing.records().enumerate() {
            anew.append(if at as u64 == number { change(record) } else { record.into() });
        }
        *changing = anew;
    }

    /// The first record of any file behind all those that `known` has of it, which must be the same.
    pub(crate) fn first_beyond(&self, known: &Files) -> Option<(Arc<str>, Arc<[u8]>)> {
        self.files.iter().find_map(|(name, file)| {
            let (count, print) = known.files.get(name).map_or((0, 0), |known| (known.count(), known.print()));
            let mut links = std::iter::successors(file.0.as_deref(), |link| link.before.0.as_deref());
            let next = links.find(|link| link.before.count() == count)?;
            (next.before.print() == print).then(|| (name.clone(), next.record.clone()))
        })
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.files.iter().fold(0, |all, (name, file)| mix(mix(all, fingerprint(name)), file.print()))
    }

    /// How many records there are in all files.
    pub(crate) fn count(&self) -> u64 {
        self.files.values().map(File::count).sum()
    }
}
