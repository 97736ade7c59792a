//! What a store writes to its disk before it answers, and how it finds its cells again.
//!
//! One file holds one record for each change: the cells as they are after it, and the facts that happened with it. A store has a
//! journal only where something may happen to its disk; elsewhere its cells lie on the shelves, as they do with a disk that never
//! fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use sim_core::seed::mix;
use sim_core::{Cause, Class, Files, Instant, NodeId, Operation};

use crate::message::{Extra, FactChange, Note, Outcome, TxnId};
use crate::program::{Durable, FactRef, MapRef, NodeRef, Program, Reason, Role, StepRef};
use crate::shelf::{Cell, Cells, Kept, Promise, Settled, Shelves, Write};
use crate::slab::Key;
use crate::value::Value;

/// The name of the file.
pub(super) const FILE: &str = "journal";

type Place = (MapRef, Value);

/// What a store has written, and what of that is not durable yet.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Journal {
    #[serde(skip)]
    pub(super) durable: Durable,
    #[serde(skip)]
    checksum: bool,
    /// Whether the disk gave nothing at the start of this life.
    pub(super) unreadable: bool,
    /// Whether what this life has found is not known to be durable: nobody is answered by it before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    recovers: bool,
    /// The number of the last record.
    number: u64,
    /// How many syncs have begun.
    syncs: u32,
    syncing: bool,
    /// Whether something was written that no sync covers.
    dirty: bool,
    /// The cells that the operation under way has set, as they were before.
    #[serde(skip)]
    touched: Vec<(Place, Option<Cell>)>,
    /// What it says about transactions with a protocol.
    #[serde(skip)]
    marks: Vec<(TxnId, Mark)>,
    /// What the judge is told of it once it is durable.
    #[serde(skip)]
    notes: Vec<Note>,
    /// Changes that the sync under way covers, and those since.
    #[serde(skip)]
    covered: Vec<Held>,
    #[serde(skip)]
    since: Vec<Held>,
    /// What the judge is told of what this life has found, once that is durable.
    #[serde(skip)]
    found: Vec<Note>,
    /// What is to be written before anything else is done, of a disk that was full as others were to be taken back.
    #[serde(skip)]
    owed: Option<TakenBack>,
}

/// What a failed sync has taken back: the record that says so, and whose answers wait until it is written.
#[derive(Clone, Debug)]
pub(super) struct TakenBack {
    pub(super) record: Arc<[u8]>,
    pub(super) held: Vec<Held>,
}

/// A change whose answer waits for the disk.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) key: Key,
    /// That of its record.
    pub(super) number: u64,
    pub(super) outcome: Outcome,
    pub(super) extra: Extra,
    pub(super) notes: Vec<Note>,
    before: Vec<(Place, Option<Cell>)>,
}

/// One change, as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    number: u64,
    cells: Vec<(Place, Option<Cell>)>,
    facts: Vec<FactChange>,
    marks: Vec<(TxnId, Mark)>,
    /// Of what takes others back: the last record before them. Their facts have not happened, wherever the disk has kept them.
    back_to: Option<u64>,
}

/// What a record says about a transaction with a protocol.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// It was promised.
    Promised(Box<Promise>),
    /// All have promised.
    Precommitted,
    /// It is decided, with what is to be remembered of that.
    Settled(Option<Settled>),
}

/// What can be read of a record.
#[derive(Debug, PartialEq)]
enum Legible {
    Whole(Record),
    /// Its first cells, before it made no sense any more: a store without a checksum has no way to know that the rest was to be
    /// changed with them.
    Begun(Record),
    Not,
}

/// What a start finds.
pub(super) struct Found {
    pub(super) maps: BTreeMap<MapRef, Cells>,
    /// Facts that happened and of which nobody was told.
    pub(super) facts: Vec<FactChange>,
    /// What was promised and is not decided, and what is remembered of decisions.
    pub(super) promises: BTreeMap<TxnId, Promise>,
    pub(super) settled: BTreeMap<TxnId, Settled>,
    /// The numbers of the records that stand.
    pub(super) numbers: BTreeSet<u64>,
    /// Whether some record made no sense.
    pub(super) is_holed: bool,
}

impl Journal {
    pub(super) fn new(durable: Durable, checksum: bool) -> Self {
        Journal {
            durable,
            checksum,
            unreadable: false,
            recovers: false,
            number: 0,
            syncs: 0,
            syncing: false,
            dirty: false,
            touched: Vec::new(),
            marks: Vec::new(),
            notes: Vec::new(),
            covered: Vec::new(),
            since: Vec::new(),
            found: Vec::new(),
            owed: None,
        }
    }

    /// Whether the judge is told of a change only once it is durable.
    pub(super) fn holds_back(&self) -> bool {
        self.durable == Durable::Synced
    }

    pub(super) fn tell_later(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// A cell is about to be set.
    pub(super) fn touches(&mut self, place: Place, before: Option<Cell>) {
        self.touched.push((place, before));
    }

    /// The operation under way says something about a transaction.
    pub(super) fn marks(&mut self, txn: TxnId, mark: Mark) {
        self.marks.push((txn, mark));
    }

    /// What the judge was to be told once this is durable, for an operation that does not wait for that.
    pub(super) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// The operation under way waits: it has changed nothing.
    pub(super) fn forget_touched(&mut self) {
        self.touched.clear();
    }

    /// What the operation under way has changed, as it is to be written; none when it changed nothing.
    pub(super) fn change(&mut self, shelves: &Shelves, facts: &[FactChange]) -> Option<Record> {
        let after = |(map, key): &Place| shelves.map(*map).get(key).cloned();
        self.touched.retain(|(place, before)| after(place) != *before);
        if self.touched.is_empty() && facts.is_empty() && self.marks.is_empty() {
            return None;
        }
        let cells = self.touched.iter().map(|(place, _)| (place.clone(), after(place))).collect();
        let marks = std::mem::take(&mut self.marks);
        Some(Record { cells, facts: facts.to_vec(), marks, ..Record::default() })
    }

    /// The operation under way finds no room on the disk: puts its cells back, and the judge is told of nothing.
    pub(super) fn undo_touched(&mut self, shelves: &mut Shelves) {
        for ((map, key), before) in self.touched.drain(..).rev() {
            shelves.map_mut(map).put_back(&key, before);
        }
        self.notes.clear();
    }

    /// The cells that the operation under way has changed.
    pub(super) fn touched(&self) -> impl Iterator<Item = &Place> {
        self.touched.iter().map(|(place, _)| place)
    }

    /// A record as the next of the file.
    pub(super) fn written(&mut self, record: Record) -> Arc<[u8]> {
        self.number += 1;
        self.dirty = true;
        Record { number: self.number, ..record }.bytes(self.checksum).into()
    }

    /// The number of the last record.
    pub(super) fn last(&self) -> u64 {
        self.number
    }

    /// Keeps an answer until what was written for it is durable.
    pub(super) fn hold(&mut self, key: Key, outcome: Outcome, extra: Extra) {
        let (before, notes) = (std::mem::take(&mut self.touched), std::mem::take(&mut self.notes));
        self.since.push(Held { key, number: self.number, outcome, extra, notes, before });
    }

    /// Keeps the answer of an operation that has changed nothing until what it may have seen is durable.
    pub(super) fn hold_read(&mut self, key: Key, outcome: Outcome, extra: Extra) {
        let notes = std::mem::take(&mut self.notes);
        // With nothing written since the sync under way, that one covers all there is to see.
        let held = if self.since.is_empty() { &mut self.covered } else { &mut self.since };
        held.push(Held { key, number: self.number, outcome, extra, notes, before: Vec::new() });
    }

    /// The number of the sync that is to begin now; none when nothing is to be made durable, one is under way, or it would make durable
    /// what is taken back.
    pub(super) fn begin_sync(&mut self) -> Option<u32> {
        if self.syncing || !self.dirty || self.owes() {
            return None;
        }
        (self.syncing, self.dirty) = (true, false);
        self.covered = std::mem::take(&mut self.since);
        self.syncs += 1;
        Some(self.syncs)
    }

    /// What was found is to be made durable before anybody is answered: a crash has kept what no sync covers, and a power loss could
    /// still take it.
    pub(super) fn recover(&mut self) {
        if self.durable == Durable::Synced {
            (self.recovers, self.dirty) = (true, true);
        }
    }

    /// Whether nobody is answered yet.
    pub(super) fn recovers(&self) -> bool {
        self.recovers
    }

    /// Whether something is to be written before anything else is done.
    pub(super) fn owes(&self) -> bool {
        self.owed.is_some()
    }

    /// What was taken back found no room: it waits.
    pub(super) fn owe(&mut self, owed: TakenBack) {
        self.owed = Some(owed);
    }

    /// There is room again for what it owes.
    pub(super) fn pay(&mut self) -> Option<TakenBack> {
        self.owed.take()
    }

    /// This life has found something.
    pub(super) fn finds(&mut self, notes: Vec<Note>) {
        self.found = notes;
    }

    /// What was found is durable.
    pub(super) fn recovered(&mut self) -> Vec<Note> {
        self.recovers = false;
        std::mem::take(&mut self.found)
    }

    /// The cells of which a change is not durable.
    pub(super) fn unsynced(&self) -> impl Iterator<Item = &Place> {
        self.covered.iter().chain(&self.since).flat_map(|held| held.before.iter().map(|(place, _)| place))
    }

    /// Whose answers wait, the last first.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Key> {
        self.covered.iter().chain(&self.since).rev().map(|held| held.key)
    }

    /// What the sync has made durable, in its order.
    pub(super) fn synced(&mut self) -> Vec<Held> {
        self.syncing = false;
        std::mem::take(&mut self.covered)
    }

    /// Takes back what the sync was to make durable and all that came after it and may stand on it: the cells as they were, the last
    /// first, with the record that says so, and whose answers wait. `marks`: how transactions stood before.
    pub(super) fn take_back(&mut self, shelves: &mut Shelves, marks: Vec<(TxnId, Mark)>) -> Option<TakenBack> {
        self.syncing = false;
        let held: Vec<Held> = self.covered.drain(..).chain(self.since.drain(..)).collect();
        let first = held.first()?.number;
        let mut places = BTreeMap::new();
        for ((map, key), before) in held.iter().rev().flat_map(|held| held.before.iter().rev()) {
            shelves.map_mut(*map).put_back(key, before.clone());
            places.insert((*map, key.clone()), before.clone());
        }
        let record =
            Record { cells: places.into_iter().collect(), marks, back_to: first.checked_sub(1), ..Record::default() };
        Some(TakenBack { record: self.written(record), held })
    }

    /// All cells as one record, to begin the file anew, with the facts of which nobody was told.
    pub(super) fn snapshot<'c>(
        &mut self,
        maps: impl Iterator<Item = (MapRef, &'c Cells)>,
        facts: Vec<FactChange>,
        marks: Vec<(TxnId, Mark)>,
    ) -> Arc<[u8]> {
        let cell = |map, (key, cell): (Value, &Cell)| ((map, key), Some(cell.clone()));
        let cells = maps.flat_map(|(map, cells)| cells.iter().map(move |found| cell(map, found))).collect();
        self.written(Record { cells, facts, marks, ..Record::default() })
    }

    /// Reads the file again, for these maps; facts up to that number are known.
    pub(super) fn read(&mut self, files: &Files, maps: &[MapRef], told: u64) -> Found {
        let all: Vec<Legible> = files.records(FILE).map(|bytes| Record::read(bytes, self.checksum)).collect();
        let is_holed = all.iter().any(|read| !matches!(read, Legible::Whole(_)));
        let legible = |read| match read {
            Legible::Whole(record) | Legible::Begun(record) => Some(record),
            Legible::Not => None,
        };
        let mut records: Vec<Record> = all.into_iter().filter_map(legible).collect();
        if self.checksum {
            // What was misdirected is known by its number.
            records.sort_by_key(|record| record.number);
        }
        let mut found = Found {
            maps: maps.iter().map(|map| (*map, Cells::default())).collect(),
            facts: Vec::new(),
            promises: BTreeMap::new(),
            settled: BTreeMap::new(),
            numbers: BTreeSet::new(),
            is_holed,
        };
        self.number = told;
        let mut happened: Vec<(u64, FactChange)> = Vec::new();
        for Record { number, cells, facts, marks, back_to } in records {
            marks.into_iter().for_each(|(txn, mark)| found.hears(txn, mark));
            self.number = self.number.max(number);
            for ((map, key), cell) in cells {
                if let Some(cells) = found.maps.get_mut(&map) {
                    cells.put_back(&key, cell);
                }
            }
            if let Some(last) = back_to {
                happened.retain(|(of, _)| *of <= last);
                found.numbers.split_off(&(last + 1));
            }
            found.numbers.insert(number);
            happened.extend(facts.into_iter().filter(|_| number > told).map(|fact| (number, fact)));
        }
        found.facts.extend(happened.into_iter().map(|(_, fact)| fact));
        found
    }
}

impl Found {
    fn hears(&mut self, txn: TxnId, mark: Mark) {
        match mark {
            Mark::Promised(promise) => {
                // What was settled was not kept, and was taken back.
                self.settled.remove(&txn);
                self.promises.insert(txn, *promise);
            }
            Mark::Precommitted => {
                if let Some(promise) = self.promises.get_mut(&txn) {
                    promise.precommitted = true;
                }
            }
            Mark::Settled(remembered) => {
                self.promises.remove(&txn);
                match remembered {
                    Some(settled) => _ = self.settled.insert(txn, settled),
                    None => _ = self.settled.remove(&txn),
                }
            }
        }
    }

    /// All that is known of transactions with a protocol, as marks.
    pub(super) fn marks(&self) -> Vec<(TxnId, Mark)> {
        let promises = self.promises.iter().map(|(txn, promise)| (*txn, Mark::Promised(Box::new(promise.clone()))));
        let settled = self.settled.iter().map(|(txn, settled)| (*txn, Mark::Settled(Some(*settled))));
        promises.chain(settled).collect()
    }
}

/// What the disk of a store holds before the run: its maps as the file has them.
pub(super) fn first_record(program: &Program, node: NodeRef, checksum: bool) -> Arc<[u8]> {
    let shelves = Shelves::new(program);
    let maps = program.node(node).maps.iter().map(|map| (*map, shelves.map(*map)));
    Journal::new(Durable::Synced, checksum).snapshot(maps, Vec::new(), Vec::new())
}

/// Whether a store of this program must write to its disk under these faults, and how.
pub(super) fn journal(program: &Program, node: NodeRef, name: &str, faults: &[sim_core::Fault]) -> Option<Journal> {
    let Role::Store(def) = &program.node(node).role else { return None };
    let harmed = || faults.iter().any(|fault| fault.touches_disk_of(name, program.node(node).zone(1)));
    let needs = !def.volatile && (def.durable.is_some() || harmed());
    needs.then(|| Journal::new(def.durable.unwrap_or_default(), def.checksum))
}

/// Bytes, so that torn and rotten records come as they do on disks.
impl Record {
    fn bytes(&self, checksum: bool) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(self.number.to_le_bytes());
        out.extend((self.cells.len() as u32).to_le_bytes());
        for ((map, key), cell) in &self.cells {
            out.extend(map.0.to_le_bytes());
            write_value(&mut out, key);
            out.push(u8::from(cell.is_some()));
            if let Some(cell) = cell {
                write_cell(&mut out, cell);
            }
        }
        out.extend((self.facts.len() as u32).to_le_bytes());
        for (fact, key, times) in &self.facts {
            out.extend(fact.0.to_le_bytes());
            write_value(&mut out, key);
            out.extend(times.to_le_bytes());
        }
        if !self.marks.is_empty() || self.back_to.is_some() {
            out.extend((self.marks.len() as u32).to_le_bytes());
            self.marks.iter().for_each(|(txn, mark)| write_mark(&mut out, *txn, mark));
        }
        self.back_to.iter().for_each(|last| out.extend(last.to_le_bytes()));
        if checksum {
            out.extend(sum(&out).to_le_bytes());
        }
        out
    }

    /// With a checksum, nothing of what has another one; without, as many cells as make sense.
    fn read(bytes: &[u8], checksum: bool) -> Legible {
        if !checksum {
            return Record::believed(bytes);
        }
        let Some((body, expected)) = bytes.split_last_chunk::<8>() else { return Legible::Not };
        if sum(body).to_le_bytes() == *expected { Record::believed(body) } else { Legible::Not }
    }

    fn believed(bytes: &[u8]) -> Legible {
        let mut rest = Bytes(bytes);
        let (Some(number), Some(count)) = (rest.u64(), rest.u32()) else { return Legible::Not };
        let mut cells = Vec::new();
        while (cells.len() as u32) < count
            && let Some(cell) = rest.placed()
        {
            cells.push(cell);
        }
        let is_begun = cells.len() as u32 == count;
        let fact = |rest: &mut Bytes<'_>| Some((FactRef(rest.u16()?), rest.value()?, rest.u64()? as i64));
        let facts = rest.several(fact);
        // Behind the facts there is something only where a transaction has a protocol, or others are taken back.
        let marks = if rest.0.is_empty() { Some(Vec::new()) } else { rest.several(Bytes::mark) };
        let back_to = if rest.0.is_empty() { None } else { rest.u64() };
        match facts.zip(marks).filter(|_| is_begun && rest.0.is_empty()) {
            Some((facts, marks)) => Legible::Whole(Record { number, cells, facts, marks, back_to }),
            None if cells.is_empty() => Legible::Not,
            // Its number may be anything, and counts for nothing.
            None => Legible::Begun(Record { cells, ..Record::default() }),
        }
    }
}

pub(super) fn sum(bytes: &[u8]) -> u64 {
    go_on(bytes.len() as u64, bytes)
}

fn go_on(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |all, byte| mix(all, u64::from(*byte)))
}

/// How many sums are worked out side by side.
const ABREAST: usize = 4;

/// The sum of each. Every byte of one waits for two products of the byte before, and a processor has room for more than one such chain:
/// four of about the same length take as long as one.
pub(super) fn sums(all: &[&[u8]]) -> Vec<u64> {
    let mut by_length: Vec<usize> = (0..all.len()).collect();
    by_length.sort_by_key(|at| all[*at].len());
    let mut sums = vec![0; all.len()];
    let (fours, rest) = by_length.as_chunks::<ABREAST>();
    for four in fours {
        let of_four = sums_abreast(four.map(|at| all[at]));
        four.iter().zip(of_four).for_each(|(at, sum)| sums[*at] = sum);
    }
    rest.iter().for_each(|at| sums[*at] = sum(all[*at]));
    sums
}

/// The sums of these, the shortest of which is the first.
fn sums_abreast(all: [&[u8]; ABREAST]) -> [u64; ABREAST] {
    let mut sums = all.map(|bytes| bytes.len() as u64);
    let shortest = all[0].len();
    let heads = all.map(|bytes| &bytes[..shortest]);
    for at in 0..shortest {
        for (sum, head) in sums.iter_mut().zip(heads) {
            *sum = mix(*sum, u64::from(head[at]));
        }
    }
    sums.iter_mut().zip(all).for_each(|(sum, bytes)| *sum = go_on(*sum, &bytes[shortest..]));
    sums
}

pub(super) fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(0),
        Value::Int(number) => {
            out.push(1);
            out.extend(number.to_le_bytes());
        }
        Value::Text(text) => {
            out.push(2);
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        }
    }
}

fn write_cell(out: &mut Vec<u8>, cell: &Cell) {
    write_value(out, &cell.value);
    out.extend(cell.version.to_le_bytes());
    out.extend(cell.set_at.nanos().to_le_bytes());
    let Some(Kept { outcome, ended }) = cell.kept.as_deref() else { return out.push(0) };
    match outcome {
        Outcome::Ok(value) => {
            out.push(1);
            write_value(out, value);
        }
        Outcome::Error(reason) => {
            out.push(2);
            out.extend(reason.0.to_le_bytes());
        }
        Outcome::Unknown(reason) => {
            out.push(3);
            out.extend(reason.0.to_le_bytes());
        }
    }
    out.push(u8::from(*ended));
}

fn write_places(out: &mut Vec<u8>, places: &[Place]) {
    out.extend((places.len() as u32).to_le_bytes());
    for (map, key) in places {
        out.extend(map.0.to_le_bytes());
        write_value(out, key);
    }
}

pub(super) fn write_txn(out: &mut Vec<u8>, txn: TxnId) {
    [txn.node, txn.life, txn.number].iter().for_each(|part| out.extend(part.to_le_bytes()));
}

fn write_mark(out: &mut Vec<u8>, txn: TxnId, mark: &Mark) {
    write_txn(out, txn);
    match mark {
        Mark::Promised(promise) => {
            out.push(u8::from(promise.precommitted));
            write_promise(out, promise);
        }
        Mark::Precommitted => out.push(2),
        Mark::Settled(None) => out.push(3),
        Mark::Settled(Some(Settled::Committed)) => out.push(4),
        Mark::Settled(Some(Settled::Alone)) => out.push(5),
        Mark::Settled(Some(Settled::AloneCommit)) => out.push(6),
    }
}

pub(super) fn write_cause(out: &mut Vec<u8>, cause: Cause) {
    out.extend(cause.lineage.to_le_bytes());
    let (class, number) = cause.operation.parts().unwrap_or((Class(u16::MAX), u64::MAX));
    out.extend(class.0.to_le_bytes());
    out.extend(number.to_le_bytes());
}

fn write_promise(out: &mut Vec<u8>, promise: &Promise) {
    out.extend(promise.step.0.to_le_bytes());
    out.extend((promise.members.len() as u32).to_le_bytes());
    promise.members.iter().for_each(|member| out.extend(member.0.to_le_bytes()));
    write_cause(out, promise.cause);
    write_places(out, &promise.held);
    out.extend((promise.writes.len() as u32).to_le_bytes());
    for ((map, key), Write { value, version, at, kept }) in &promise.writes {
        out.extend(map.0.to_le_bytes());
        write_value(out, key);
        let step = kept.as_ref().map_or(u32::MAX, |(step, _)| step.0);
        out.extend(step.to_le_bytes());
        let kept = kept.as_ref().map(|(_, kept)| Box::new(kept.clone()));
        write_cell(out, &Cell { value: value.clone(), version: *version, set_at: *at, kept });
    }
}

/// Bytes that are still to be read.
pub(super) struct Bytes<'b>(pub(super) &'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn several<T>(&mut self, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()?;
        // Each takes a byte at least: a number that has rotted makes no room for what cannot be there.
        let mut all = Vec::with_capacity(self.0.len().min(count as usize));
        for _ in 0..count {
            all.push(one(self)?);
        }
        Some(all)
    }

    pub(super) fn value(&mut self) -> Option<Value> {
        match self.byte()? {
            0 => Some(Value::Null),
            1 => self.u64().map(|number| Value::Int(number as i64)),
            2 => {
                let length = self.u32()? as usize;
                std::str::from_utf8(self.take(length)?).ok().map(Value::from)
            }
            _ => None,
        }
    }

    pub(super) fn place(&mut self) -> Option<Place> {
        Some((MapRef(self.u16()?), self.value()?))
    }

    fn mark(&mut self) -> Option<(TxnId, Mark)> {
        let txn = self.txn()?;
        let mark = match self.byte()? {
            tag @ (0 | 1) => Mark::Promised(Box::new(self.promise(tag == 1)?)),
            2 => Mark::Precommitted,
            3 => Mark::Settled(None),
            4 => Mark::Settled(Some(Settled::Committed)),
            5 => Mark::Settled(Some(Settled::Alone)),
            6 => Mark::Settled(Some(Settled::AloneCommit)),
            _ => return None,
        };
        Some((txn, mark))
    }

    fn promise(&mut self, precommitted: bool) -> Option<Promise> {
        let step = StepRef(self.u32()?);
        let members: Vec<NodeId> = self.several(|bytes| bytes.u32().map(NodeId))?;
        let cause = self.cause()?;
        let held = self.several(Bytes::place)?;
        let writes = self.several(|bytes| Some((bytes.place()?, bytes.write()?)))?;
        Some(Promise { step, members: members.into(), cause, writes, held, precommitted })
    }

    pub(super) fn cause(&mut self) -> Option<Cause> {
        let lineage = self.u64()?;
        let (class, number) = (self.u16()?, self.u64()?);
        let operation = if class == u16::MAX { Operation::NONE } else { Operation::new(Class(class), number) };
        Some(Cause { lineage, operation })
    }

    pub(super) fn txn(&mut self) -> Option<TxnId> {
        Some(TxnId { node: self.u32()?, life: self.u32()?, number: self.u32()? })
    }

    fn write(&mut self) -> Option<Write> {
        let step = self.u32()?;
        let Cell { value, version, set_at, kept } = self.cell()?;
        let kept = kept.filter(|_| step != u32::MAX).map(|kept| (StepRef(step), *kept));
        Some(Write { value, version, at: set_at, kept })
    }

    fn placed(&mut self) -> Option<(Place, Option<Cell>)> {
        let place = (MapRef(self.u16()?), self.value()?);
        let cell = if self.flag()? { Some(self.cell()?) } else { None };
        Some((place, cell))
    }

    fn cell(&mut self) -> Option<Cell> {
        let (value, version, set_at) = (self.value()?, self.u64()?, Instant::from_nanos(self.u64()?));
        let outcome = match self.byte()? {
            0 => return Some(Cell { value, version, set_at, kept: None }),
            1 => Outcome::Ok(self.value()?),
            2 => Outcome::Error(Reason(self.u16()?)),
            3 => Outcome::Unknown(Reason(self.u16()?)),
            _ => return None,
        };
        let kept = Some(Box::new(Kept { outcome, ended: self.flag()? }));
        Some(Cell { value, version, set_at, kept })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let kept = |outcome| Some(Box::new(Kept { outcome, ended: true }));
        let cell = |value: Value, outcome| {
            let set_at = Instant::from_nanos(5);
            Some(Cell { value, version: 3, set_at, kept: outcome })
        };
        Record {
            number: 7,
            cells: vec![
                ((MapRef(1), Value::Int(-4)), cell(Value::from("PAID"), None)),
                ((MapRef(1), Value::from("a")), None),
                ((MapRef(2), Value::Int(1)), cell(Value::from("DONE"), kept(Outcome::Ok(Value::Int(9))))),
                ((MapRef(2), Value::Int(2)), cell(Value::from("FAILED"), kept(Outcome::Error(Reason::UNMET)))),
                ((MapRef(2), Value::Int(3)), cell(Value::from("x"), kept(Outcome::Unknown(Reason::RESET)))),
            ],
            facts: vec![(FactRef(3), Value::Int(17), -1)],
            marks: Vec::new(),
            back_to: None,
        }
    }

    #[test]
    fn sums_side_by_side_are_those_of_each() {
        let bytes: Vec<u8> = (0..=255).collect();
        let lengths = [0, 9, 170, 170, 25, 3, 255, 170, 9, 1, 64];
        let all: Vec<&[u8]> = lengths.iter().enumerate().map(|(at, length)| &bytes[at % 2..][..*length]).collect();
        for count in 0..=all.len() {
            let each: Vec<u64> = all[..count].iter().map(|bytes| sum(bytes)).collect();
            assert_eq!(sums(&all[..count]), each, "{count}");
        }
    }

    #[test]
    fn what_is_said_about_transactions_is_read_as_it_was_written() {
        let kept = Kept { outcome: Outcome::Ok(Value::Int(9)), ended: false };
        let write = |value: Value, kept| Write { value, version: 2, at: Instant::from_nanos(8), kept };
        let promise = Promise {
            step: StepRef(4),
            members: Arc::from([NodeId(1), NodeId(7)]),
            cause: Cause { lineage: 99, operation: Operation::new(Class(0), 17) },
            writes: vec![
                ((MapRef(1), Value::Int(5)), write(Value::Null, None)),
                ((MapRef(1), Value::from("k")), write(Value::from("DONE"), Some((StepRef(3), kept)))),
            ],
            held: vec![(MapRef(1), Value::Int(5))],
            precommitted: true,
        };
        let nobody =
            Promise { cause: Cause { lineage: 1, operation: Operation::NONE }, precommitted: false, ..promise.clone() };
        let txn = |number| TxnId { node: 2, life: 1, number };
        let marks = vec![
            (txn(1), Mark::Promised(Box::new(promise))),
            (txn(2), Mark::Promised(Box::new(nobody.clone()))),
            (txn(2), Mark::Precommitted),
            (txn(3), Mark::Settled(Some(Settled::Committed))),
            (txn(4), Mark::Settled(Some(Settled::Alone))),
            (txn(1), Mark::Settled(None)),
        ];
        for checksum in [true, false] {
            let marked = Record { marks: marks.clone(), ..record() };
            assert_eq!(Record::read(&marked.bytes(checksum), checksum), Legible::Whole(marked.clone()));
            for length in 0..marked.bytes(false).len() {
                // What is cut off behind the facts is no promise.
                if let Legible::Whole(read) = Record::read(&marked.bytes(false)[..length], false) {
                    assert!(read.marks.is_empty(), "{length}");
                }
            }
        }
        let (maps, facts, is_holed) = (BTreeMap::new(), Vec::new(), false);
        let (promises, settled) = (BTreeMap::new(), BTreeMap::new());
        let mut found = Found { maps, facts, promises, settled, numbers: BTreeSet::new(), is_holed };
        marks.into_iter().for_each(|(txn, mark)| found.hears(txn, mark));
        assert_eq!(
            found.promises.into_iter().collect::<Vec<_>>(),
            [(txn(2), Promise { precommitted: true, ..nobody })]
        );
        assert_eq!(
            found.settled.into_iter().collect::<Vec<_>>(),
            [(txn(3), Settled::Committed), (txn(4), Settled::Alone)]
        );
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for checksum in [true, false] {
            assert_eq!(Record::read(&record().bytes(checksum), checksum), Legible::Whole(record()));
            let takes_back = Record { back_to: Some(3), ..record() };
            assert_eq!(Record::read(&takes_back.bytes(checksum), checksum), Legible::Whole(takes_back));
        }
    }

    #[test]
    fn a_checksum_tells_of_every_bit_that_turned_and_of_every_tear() {
        let whole = record().bytes(true);
        for bit in 0..whole.len() * 8 {
            let mut rotten = whole.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::read(&rotten, true), Legible::Not, "bit {bit}");
        }
        for length in 0..whole.len() {
            assert_eq!(Record::read(&whole[..length], true), Legible::Not);
        }
    }

    #[test]
    fn without_a_checksum_what_is_wrong_is_read_or_is_not_and_nothing_panics() {
        let whole = record().bytes(false);
        let mut believed = 0;
        for bit in 0..whole.len() * 8 {
            let mut rotten = whole.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            believed += u32::from(matches!(Record::read(&rotten, false), Legible::Whole(read) if read != record()));
        }
        assert!(believed > 100, "{believed}");
    }

    #[test]
    fn of_a_torn_record_without_a_checksum_the_cells_before_the_tear_are_believed() {
        let whole = record().bytes(false);
        let mut counts = Vec::new();
        for length in 0..whole.len() {
            match Record::read(&whole[..length], false) {
                Legible::Not => counts.push(0),
                Legible::Begun(Record { cells, facts, .. }) => {
                    assert_eq!(cells, record().cells[..cells.len()]);
                    assert!(facts.is_empty(), "what happened with the cells is behind the tear");
                    counts.push(cells.len());
                }
                Legible::Whole(read) => panic!("{read:?} of {length} bytes"),
            }
        }
        assert!(counts.is_sorted());
        counts.dedup();
        assert_eq!(counts, [0, 1, 2, 3, 4, 5]);
    }
}
