//! Files are named lists of records; a copy of one costs a pointer, however long it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::digest::fingerprint;
use crate::seed::mix;

/// The files that a node finds when it starts: for each its records, in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Files(BTreeMap<Arc<str>, File>);

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
        self.0.get(file).into_iter().flat_map(File::records)
    }

    /// The names of the files, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    pub(crate) fn append(&mut self, file: Arc<str>, record: Arc<[u8]>) {
        self.0.entry(file).or_default().append(record);
    }

    pub(crate) fn replace(&mut self, file: Arc<str>, record: Arc<[u8]>) {
        let mut anew = File::default();
        anew.append(record);
        self.0.insert(file, anew);
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.iter().fold(0, |all, (name, file)| mix(mix(all, fingerprint(name)), file.print()))
    }

    /// How many records there are in all files.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().map(File::count).sum()
    }
}
