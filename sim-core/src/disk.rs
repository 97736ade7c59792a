//! What survives: files of records, of which a power loss takes what was not made durable.
//!
//! The disk has never heard of messages; it sees file names, records and syncs. A crash of the process keeps everything that
//! was written (the operating system still has it), a power loss keeps what a finished sync covers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::files::Files;
use crate::seed::mix;

/// The disk of one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    written: Files,
    durable: Files,
    /// What each sync under way will make durable, by the number the kernel gave it.
    syncing: BTreeMap<u64, Files>,
    /// Whether a record found no room since the last sync began.
    refused: bool,
    /// Syncs under way that are to say so.
    short: BTreeSet<u64>,
}

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// Behind the others of its file.
    Behind,
    /// In place of all of its file.
    Anew,
}

impl Disk {
    /// A disk with these files on it, all durable.
    pub(crate) fn holding(files: Files) -> Self {
        Disk { written: files.clone(), durable: files, ..Disk::default() }
    }

    pub(crate) fn put(&mut self, put: Put, file: Arc<str>, record: Arc<[u8]>) {
        match put {
            Put::Behind => self.written.append(file, record),
            Put::Anew => self.written.replace(file, record),
        }
    }

    /// A record finds no room; the next sync is to say so.
    pub(crate) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Writes a record in the place of another; false, and nothing is written, when there is no other.
    pub(crate) fn misdirect(&mut self, bits: u64, put: Put, file: &str, record: &Arc<[u8]>) -> bool {
        let spared = match put {
            Put::Behind => None,
            Put::Anew => Some(file),
        };
        let Some((file, number)) = self.written.place(bits, spared) else { return false };
        self.change(&file, number, |_| record.clone());
        true
    }

    /// Makes one record another in every copy, as all are the same sectors.
    fn change(&mut self, file: &str, number: u64, change: impl Fn(&[u8]) -> Arc<[u8]>) {
        for files in [&mut self.written, &mut self.durable].into_iter().chain(self.syncing.values_mut()) {
            files.change(file, number, &change);
        }
    }

    /// Begins to make durable what is written now.
    pub(crate) fn begin_sync(&mut self, number: u64) {
        if std::mem::take(&mut self.refused) {
            self.short.insert(number);
        }
        self.syncing.insert(number, self.written.clone());
    }

    /// A sync has finished. Syncs finish in any order; a later one covers an earlier one.
    pub(crate) fn end_sync(&mut self, number: u64) {
        if let Some(files) = self.syncing.remove(&number) {
            self.durable = files;
            self.syncing = self.syncing.split_off(&number);
        }
    }

    /// Whether a sync that is over covers a record that found no room; says so once.
    pub(crate) fn is_short(&mut self, number: u64) -> bool {
        self.short.remove(&number)
    }

    /// A sync has come to nothing: what it covers is no more durable than before.
    pub(crate) fn forget_sync(&mut self, number: u64) {
        self.syncing.remove(&number);
    }

    /// One bit of one record turns over in every copy of it, as all are the same sectors; false when there is no record.
    pub(crate) fn rot(&mut self, bits: u64) -> bool {
        let Some((file, number)) = self.written.place(bits, None) else { return false };
        let bit = mix(bits, self.written.count());
        self.change(&file, number, |record| {
            let mut record = record.to_vec();
            if !record.is_empty() {
                let bit = bit % (record.len() as u64 * 8);
                record[(bit / 8) as usize] ^= 1 << (bit % 8);
            }
            record.into()
        });
        true
    }

    /// The machine loses its power while it writes: beside what is durable, a piece of the first record that is not. These bits
    /// say which. Says whether there was such a record.
    pub(crate) fn tear(&mut self, bits: u64) -> bool {
        let torn = self.written.first_beyond(&self.durable);
        self.lose_power();
        let Some((file, record)) = torn.filter(|(_, record)| record.len() > 1) else { return false };
        let piece = torn_piece(&record, bits);
        self.written.append(file.clone(), piece.clone());
        self.durable.append(file, piece);
        true
    }

    /// What a new life finds after the process died.
    pub(crate) fn after_crash(&mut self) -> Files {
        self.forget_all();
        let is_synced = self.written.fingerprint() == self.durable.fingerprint();
        if is_synced { self.written.clone() } else { self.written.clone().unsynced() }
    }

    /// The machine lost its power: what was not durable is gone. Says how many records that were.
    pub(crate) fn lose_power(&mut self) -> u64 {
        let lost = self.written.count().saturating_sub(self.durable.count());
        self.forget_all();
        self.written = self.durable.clone();
        lost
    }

    /// Whoever waited for syncs is gone.
    fn forget_all(&mut self) {
        self.syncing.clear();
        self.short.clear();
        self.refused = false;
    }

    /// A number that stands for all of it, for checkpoints.
    pub(crate) fn fingerprint(&self) -> u64 {
        let both = mix(self.written.fingerprint(), self.durable.fingerprint());
        self.syncing.values().fold(both, |all, files| mix(all, files.fingerprint()))
    }

    /// Everything is gone, as on a new machine.
    pub(crate) fn wipe(&mut self) {
        *self = Disk::default();
    }
}

/// What is found of a record that was being written as the power went: its last half where sectors are written in any order, its
/// first half, or that with garbage behind it.
fn torn_piece(record: &[u8], bits: u64) -> Arc<[u8]> {
    let (first, last) = record.split_at(record.len() / 2);
    match (u128::from(bits) * 3) >> 64 {
        0 => last.into(),
        1 => first.into(),
        _ => {
            let garbage = (0..last.len() as u64).map(|place| mix(bits, place) as u8);
            first.iter().copied().chain(garbage).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_HALF: u64 = 1 << 63;

    fn disk(records: &[&str]) -> Disk {
        let mut disk = Disk::default();
        for record in records {
            disk.put(Put::Behind, "log".into(), record.as_bytes().into());
        }
        disk
    }

    fn check(files: &Files, expected: &[&str]) {
        let found: Vec<_> = files.records("log").map(|r| String::from_utf8_lossy(r).into_owned()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_crash_keeps_what_was_written() {
        check(&disk(&["a", "b"]).after_crash(), &["a", "b"]);
    }

    #[test]
    fn whoever_starts_again_knows_whether_a_power_loss_could_still_take_something() {
        let mut disk = disk(&["a"]);
        assert!(!disk.after_crash().is_synced());
        disk.begin_sync(1);
        disk.end_sync(1);
        assert!(disk.after_crash().is_synced());
        disk.put(Put::Behind, "log".into(), b"b"[..].into());
        disk.lose_power();
        assert!(disk.after_crash().is_synced());
    }

    #[test]
    fn a_power_loss_keeps_what_a_finished_sync_covers() {
        let mut disk = disk(&["a"]);
        disk.begin_sync(1);
        disk.put(Put::Behind, "log".into(), b"b"[..].into());
        disk.begin_sync(2);
        disk.end_sync(1);
        assert_eq!(disk.lose_power(), 1);
        check(&disk.after_crash(), &["a"]);
    }

    #[test]
    fn a_late_earlier_sync_does_not_take_back_a_later_one() {
        let mut disk = disk(&["a"]);
        disk.begin_sync(1);
        disk.put(Put::Behind, "log".into(), b"b"[..].into());
        disk.begin_sync(2);
        disk.end_sync(2);
        disk.end_sync(1);
        disk.lose_power();
        check(&disk.after_crash(), &["a", "b"]);
    }

    #[test]
    fn a_file_of_a_million_records_is_copied_and_dropped() {
        let mut disk = Disk::default();
        let (file, record): (Arc<str>, Arc<[u8]>) = ("log".into(), b"r"[..].into());
        for _ in 0..1_000_000 {
            disk.put(Put::Behind, file.clone(), record.clone());
        }
        let copy = disk.clone();
        disk.put(Put::Behind, file, record);
        assert_ne!(copy.fingerprint(), disk.fingerprint());
        assert_eq!(disk.after_crash().records("log").count(), 1_000_001);
        drop((disk, copy));
    }

    #[test]
    fn rot_stays_through_a_sync_that_was_under_way_and_a_power_loss() {
        let mut disk = disk(&["aaaa", "bbbb"]);
        disk.begin_sync(1);
        assert!(disk.rot(0));
        disk.end_sync(1);
        disk.lose_power();
        let files = disk.after_crash();
        let first = files.records("log").next().unwrap();
        let turned: u32 = first.iter().zip(b"aaaa").map(|(one, other)| (one ^ other).count_ones()).sum();
        assert_eq!((turned, files.records("log").nth(1)), (1, Some(&b"bbbb"[..])));
        assert!(!Disk::default().rot(1));
    }

    #[test]
    fn a_torn_record_is_the_half_of_the_first_that_was_not_durable() {
        let mut disk = disk(&["aaaa"]);
        disk.begin_sync(1);
        disk.end_sync(1);
        disk.put(Put::Behind, "log".into(), b"bbbb"[..].into());
        disk.put(Put::Behind, "log".into(), b"cccc"[..].into());
        assert!(disk.tear(FIRST_HALF));
        check(&disk.after_crash(), &["aaaa", "bb"]);
        assert!(!disk.tear(FIRST_HALF));
        check(&disk.after_crash(), &["aaaa", "bb"]);
    }

    #[test]
    fn a_torn_record_is_a_half_or_has_garbage_for_one() {
        let pieces = [0, FIRST_HALF, u64::MAX].map(|bits| torn_piece(b"abcdefgh", bits));
        assert_eq!(
            (&*pieces[0], &*pieces[1], &pieces[2][..4], pieces[2].len()),
            (&b"efgh"[..], &b"abcd"[..], &b"abcd"[..], 8)
        );
        assert_ne!(&pieces[2][4..], b"efgh");
    }

    #[test]
    fn a_misdirected_record_takes_the_place_of_another_for_good() {
        let mut disk = disk(&["a", "b"]);
        disk.begin_sync(1);
        disk.end_sync(1);
        assert!(disk.misdirect(0, Put::Behind, "log", &b"c"[..].into()));
        disk.lose_power();
        check(&disk.after_crash(), &["c", "b"]);
        assert!(!disk.misdirect(0, Put::Anew, "log", &b"d"[..].into()), "there is no other file");
        assert!(!Disk::default().misdirect(0, Put::Behind, "log", &b"d"[..].into()));
    }

    #[test]
    fn one_sync_says_that_a_record_found_no_room() {
        let mut disk = disk(&["a"]);
        disk.refuse();
        (1..=2).for_each(|number| disk.begin_sync(number));
        disk.end_sync(2);
        disk.end_sync(1);
        assert_eq!([2, 1, 1].map(|number| disk.is_short(number)), [false, true, false]);
    }

    #[test]
    fn a_replaced_file_has_one_record() {
        let mut disk = disk(&["a", "b"]);
        disk.put(Put::Anew, "log".into(), b"c"[..].into());
        check(&disk.after_crash(), &["c"]);
        disk.wipe();
        check(&disk.after_crash(), &[]);
    }
}
