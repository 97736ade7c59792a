//! What survives: files of records, of which a power loss takes what was not made durable.
//!
//! The disk has never heard of messages; it sees file names, records and syncs. A crash of the process keeps everything that
//! was written (the operating system still has it), a power loss keeps what a finished sync covers.

use std::collections::BTreeMap;
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
}

impl Disk {
    pub(crate) fn append(&mut self, file: Arc<str>, record: Arc<[u8]>) {
        self.written.append(file, record);
    }

    pub(crate) fn replace(&mut self, file: Arc<str>, record: Arc<[u8]>) {
        self.written.replace(file, record);
    }

    /// Begins to make durable what is written now.
    pub(crate) fn begin_sync(&mut self, number: u64) {
        self.syncing.insert(number, self.written.clone());
    }

    /// A sync has finished. Syncs finish in any order; a later one covers an earlier one.
    pub(crate) fn end_sync(&mut self, number: u64) {
        if let Some(files) = self.syncing.remove(&number) {
            self.durable = files;
            self.syncing = self.syncing.split_off(&number);
        }
    }

    /// A sync has come to nothing: what it covers is no more durable than before.
    pub(crate) fn forget_sync(&mut self, number: u64) {
        self.syncing.remove(&number);
    }

    /// One bit of one record turns over in every copy of it, as all are the same sectors; false when there is no record.
    pub(crate) fn rot(&mut self, bits: u64) -> bool {
        let count = self.written.count();
        let number = ((u128::from(bits) * u128::from(count)) >> 64) as u64;
        let Some((file, number)) = self.written.place_of(number) else { return false };
        let bit = mix(bits, count);
        for files in [&mut self.written, &mut self.durable].into_iter().chain(self.syncing.values_mut()) {
            files.rot(&file, number, bit);
        }
        true
    }

    /// The machine loses its power while it writes: beside what is durable, half of the first record that is not. Says whether
    /// there was such a record.
    pub(crate) fn tear(&mut self) -> bool {
        let torn = self.written.first_beyond(&self.durable);
        self.lose_power();
        let Some((file, record)) = torn.filter(|(_, record)| record.len() > 1) else { return false };
        let half: Arc<[u8]> = record[..record.len() / 2].into();
        self.written.append(file.clone(), half.clone());
        self.durable.append(file, half);
        true
    }

    /// What a new life finds after the process died.
    pub(crate) fn after_crash(&mut self) -> Files {
        self.syncing.clear();
        self.written.clone()
    }

    /// The machine lost its power: what was not durable is gone. Says how many records that were.
    pub(crate) fn lose_power(&mut self) -> u64 {
        let lost = self.written.count().saturating_sub(self.durable.count());
        self.syncing.clear();
        self.written = self.durable.clone();
        lost
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

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(records: &[&str]) -> Disk {
        let mut disk = Disk::default();
        for record in records {
            disk.append("log".into(), record.as_bytes().into());
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
    fn a_power_loss_keeps_what_a_finished_sync_covers() {
        let mut disk = disk(&["a"]);
        disk.begin_sync(1);
        disk.append("log".into(), b"b"[..].into());
        disk.begin_sync(2);
        disk.end_sync(1);
        assert_eq!(disk.lose_power(), 1);
        check(&disk.after_crash(), &["a"]);
    }

    #[test]
    fn a_late_earlier_sync_does_not_take_back_a_later_one() {
        let mut disk = disk(&["a"]);
        disk.begin_sync(1);
        disk.append("log".into(), b"b"[..].into());
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
            disk.append(file.clone(), record.clone());
        }
        let copy = disk.clone();
        disk.append(file, record);
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
        disk.append("log".into(), b"bbbb"[..].into());
        disk.append("log".into(), b"cccc"[..].into());
        assert!(disk.tear());
        check(&disk.after_crash(), &["aaaa", "bb"]);
        assert!(!disk.tear());
        check(&disk.after_crash(), &["aaaa", "bb"]);
    }

    #[test]
    fn a_replaced_file_has_one_record() {
        let mut disk = disk(&["a", "b"]);
        disk.replace("log".into(), b"c"[..].into());
        check(&disk.after_crash(), &["c"]);
        disk.wipe();
        check(&disk.after_crash(), &[]);
    }
}
