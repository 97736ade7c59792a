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

    /// Where the record of that number stands, from 0 over all files in order: its file, and its number in it.
    pub(crate) fn place_of(&self, mut number: u64) -> Option<(Arc<str>, u64)> {
        self.0.iter().find_map(|(name, file)| match number.checked_sub(file.count()) {
            Some(rest) => {
                number = rest;
                None
            }
            None => Some((name.clone(), number)),
        })
    }

    /// Turns one bit of a record over, if there is such a record and it has bits.
    pub(crate) fn rot(&mut self, file: &str, number: u64, bit: u64) {
        let Some(rotting) = self.0.get_mut(file) else { return };
        let mut anew = File::default();
        for (at, record) in rotting.records().enumerate() {
            let mut record = record.to_vec();
            if at as u64 == number && !record.is_empty() {
                let bit = bit % (record.len() as u64 * 8);
                record[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
            anew.append(record.into());
        }
        *rotting = anew;
    }

    /// The first record of any file behind all those that `known` has of it, which must be the same.
    pub(crate) fn first_beyond(&self, known: &Files) -> Option<(Arc<str>, Arc<[u8]>)> {
        self.0.iter().find_map(|(name, file)| {
            let (count, print) = known.0.get(name).map_or((0, 0), |known| (known.count(), known.print()));
            let mut links = std::iter::successors(file.0.as_deref(), |link| link.before.0.as_deref());
            let next = links.find(|link| link.before.count() == count)?;
            (next.before.print() == print).then(|| (name.clone(), next.record.clone()))
        })
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.0.iter().fold(0, |all, (name, file)| mix(mix(all, fingerprint(name)), file.print()))
    }

    /// How many records there are in all files.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().map(File::count).sum()
    }
}
