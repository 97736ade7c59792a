//! What a replica notes of transactions and sagas on a disk of its own: decisions, whom it asks, what is over, how far a saga is.
//!
//! The records are those of the disk of a store: numbered, with a checksum, a forced one relied upon once a sync covers it. What the replica
//! goes by while it lives stands on the shelves; what another life finds is what the disk has, and nothing is done or answered by
//! it before it is known to be durable: else a power loss could still take what others were told (the recovery of PostgreSQL has its
//! log flushed first for the same reason).
//!
//! After a sync that failed nobody knows what is on the disk. The file is written anew, without what was to be noted where that can be
//! taken back, until that is durable; whoever waits learns only then that it was not kept. So a decision that could not be noted is
//! told to nobody, neither before nor as it would have been.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use sim_core::{DiskError, Duration, Files, Kind, NodeId, Sync};

use super::journal::{Bytes, sum, sums, write_cause, write_txn, write_value};
use super::service::{Cx, Service};
use super::thread::{Alarm, Phase, Thread};
use crate::message::{Outcome, TxnId};
use crate::program::{
    Durable, EdgeRef, EndpointRef, LogDef, MapRef, Presume, Program, Protocol, Reason, Slot, StepRef,
};
use crate::shelf::{Agreed, Unfinished};
use crate::slab::Key;
use crate::value::Value;

/// The name of the file.
const FILE: &str = "log";
/// Room for what one entry takes in the file, mostly.
const ROOM: usize = 256;
/// How long after a sync that failed the file is written anew.
const AGAIN: Duration = Duration::from_secs(1);

/// The log of one replica.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Log {
    #[serde(skip)]
    durable: Durable,
    #[serde(skip)]
    checksum: bool,
    /// Whether the disk gave nothing at the start of this life.
    unreadable: bool,
    /// Whether what this life has found is not known to be durable.
    recovers: bool,
    /// The sagas that it has found.
    #[serde(skip)]
    found: Vec<(Value, Unfinished)>,
    /// The number of the last record.
    number: u64,
    /// How many syncs have begun, and how often a saga has waited for one.
    syncs: u32,
    tickets: u32,
    syncing: bool,
    /// Whether something was written that is to be made durable without anybody who waits for it.
    dirty: bool,
    /// Whether the file is to be written anew: nobody knows what is in it.
    anew: bool,
    /// Who waits for the sync under way, for the next one, and for the one after the file is written anew.
    #[serde(skip)]
    covered: Vec<Waiting>,
    #[serde(skip)]
    since: Vec<Waiting>,
    #[serde(skip)]
    failed: Vec<Waiting>,
}

/// Somebody who goes on once something is durable.
#[derive(Clone, Debug)]
struct Waiting {
    who: Awaits,
    /// Whether it is what was to be noted; else that it is not.
    kept: bool,
}

/// Who waits for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// What a former life has noted.
    Start,
    /// A transaction: that votes are collected, or what was decided.
    Txn(TxnId),
    /// A saga in this thread, which waits with this ticket; whether nothing was noted of it before.
    Saga { thread: Key, ticket: u32, is_first: bool },
}

/// What is noted.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// Of a transaction: whom it is asked of, or what was decided.
    Agreed(TxnId, Agreed),
    /// A transaction is over.
    Over(TxnId),
    /// How far a saga is.
    Saga(MapRef, Value, Box<Unfinished>),
    /// A saga is over.
    SagaOver(MapRef, Value),
}

/// What a start finds.
#[derive(Debug, Default)]
struct Found {
    agreed: BTreeMap<TxnId, Agreed>,
    sagas: BTreeMap<(MapRef, Value), Unfinished>,
    is_holed: bool,
}

impl Log {
    pub(super) fn of(def: &LogDef) -> Self {
        let &LogDef { durable, checksum, .. } = def;
        Log {
            durable,
            checksum,
            unreadable: false,
            recovers: false,
            found: Vec::new(),
            number: 0,
            syncs: 0,
            tickets: 0,
            syncing: false,
            dirty: false,
            anew: false,
            covered: Vec::new(),
            since: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// These as one record, which is to be made durable.
    fn record(&mut self, entries: &[Entry]) -> Arc<[u8]> {
        self.number += 1;
        // What is only written, or not waited for, is made durable with what comes next.
        self.dirty |= self.durable == Durable::Written;
        let mut out = Vec::with_capacity(ROOM * entries.len());
        out.extend(self.number.to_le_bytes());
        out.extend((entries.len() as u32).to_le_bytes());
        entries.iter().for_each(|entry| write_entry(&mut out, entry));
        if self.checksum {
            out.extend(sum(&out).to_le_bytes());
        }
        out.into()
    }

    fn waits(&mut self, who: Awaits) {
        self.since.push(Waiting { who, kept: true });
    }

    /// The number of the sync that is to begin now; none when nobody needs one or one is under way.
    fn begin_sync(&mut self) -> Option<Sync> {
        if self.syncing || !self.dirty && self.since.is_empty() {
            return None;
        }
        (self.syncing, self.dirty) = (true, false);
        self.covered = std::mem::take(&mut self.since);
        self.syncs += 1;
        Some(Sync(self.syncs))
    }

    /// Reads the file again; a record is left out whose checksum is wrong, or, without one, that makes no sense.
    fn read(&mut self, files: &Files) -> Found {
        let written: Vec<&[u8]> = files.records(FILE).collect();
        let bodies = if self.checksum { intact(&written) } else { written.clone() };
        let mut records: Vec<(u64, Bytes<'_>)> = bodies.into_iter().filter_map(begun).collect();
        let mut found = Found { is_holed: records.len() < written.len(), ..Found::default() };
        if self.checksum {
            // What was misdirected is known by its number.
            records.sort_by_key(|(number, _)| *number);
        }
        // One after the other, in one list: a file has many more records than there is left to do.
        let mut entries = Vec::new();
        for (number, rest) in records {
            if read_entries(rest, &mut entries).is_none() {
                found.is_holed = true;
                continue;
            }
            self.number = self.number.max(number);
            entries.drain(..).for_each(|entry| found.hears(entry));
        }
        found
    }
}

impl Found {
    fn hears(&mut self, entry: Entry) {
        match entry {
            Entry::Agreed(txn, agreed) => _ = self.agreed.insert(txn, agreed),
            Entry::Over(txn) => _ = self.agreed.remove(&txn),
            Entry::Saga(map, key, saga) => _ = self.sagas.insert((map, key), *saga),
            Entry::SagaOver(map, key) => _ = self.sagas.remove(&(map, key)),
        }
    }
}

/// Writing.
impl Service {
    /// Writes to the log of this replica what the shelves have of it already. Whether whoever waits has to until it is durable.
    pub(super) fn note_down(&mut self, cx: &mut Cx<'_>, entry: Entry, forced: Option<Awaits>) -> bool {
        let Some(log) = self.own_log.as_deref_mut().filter(|log| !log.unreadable) else { return false };
        cx.append(FILE, log.record(&[entry]));
        let Some(who) = forced.filter(|_| log.durable == Durable::Synced) else { return false };
        log.waits(who);
        true
    }

    /// Whether what is noted is durable only later.
    pub(super) fn log_takes_time(&self) -> bool {
        self.own_log.as_deref().is_some_and(|log| !log.unreadable && log.durable == Durable::Synced)
    }

    /// The ticket of a saga that may have to wait.
    pub(super) fn log_ticket(&mut self) -> u32 {
        let Some(log) = self.own_log.as_deref_mut() else { return 0 };
        log.tickets += 1;
        log.tickets
    }

    /// Whether nothing can be noted, since the disk could not be read when this life began.
    pub(super) fn log_is_unreadable(&self) -> bool {
        self.own_log.as_deref().is_some_and(|log| log.unreadable)
    }

    /// Whether it knows what its former lives have noted.
    pub(super) fn knows_its_log(&self) -> bool {
        self.own_log.as_deref().is_none_or(|log| !log.unreadable && !log.recovers)
    }

    /// The sagas that a former life had not finished, as the disk has them; none: it has none.
    pub(super) fn found_sagas(&mut self) -> Option<Vec<(Value, Unfinished)>> {
        self.own_log.as_deref_mut().map(|log| std::mem::take(&mut log.found))
    }

    /// Has made durable what somebody waits for, once the event at hand is over.
    pub(super) fn sync_log(&mut self, cx: &mut Cx<'_>) {
        let Some(log) = self.own_log.as_deref_mut() else { return };
        if log.anew && !log.syncing && (log.dirty || !log.since.is_empty()) {
            log.anew = false;
            let failed = std::mem::take(&mut log.failed);
            log.since.extend(failed);
            let agreed = cx.shared().agreed_of(cx.id()).into_iter().map(|(txn, agreed)| Entry::Agreed(txn, agreed));
            let sagas = cx.shared().unfinished_of(cx.id()).into_iter();
            let sagas = sagas.map(|((map, key), saga)| Entry::Saga(map, key, Box::new(saga)));
            let whole: Vec<Entry> = agreed.chain(sagas).collect();
            cx.replace(FILE, log.record(&whole));
        }
        if let Some(sync) = log.begin_sync() {
            cx.sync(sync);
        }
    }
}

/// What becomes of what was written.
impl Service {
    /// A sync is over.
    pub(super) fn log_synced(&mut self, cx: &mut Cx<'_>, program: &Program, done: Result<(), DiskError>) {
        let Some(log) = self.own_log.as_deref_mut() else { return };
        log.syncing = false;
        let covered = std::mem::take(&mut log.covered);
        if log.durable == Durable::Written {
            return;
        }
        if done.is_ok() {
            for Waiting { who, kept } in covered {
                self.noted_down(cx, program, who, kept);
            }
            return;
        }
        let taken_back: Vec<Waiting> = covered
            .into_iter()
            .map(|Waiting { who, kept }| Waiting { who, kept: kept && !self.takes_back(cx, program, who) })
            .collect();
        let Some(log) = self.own_log.as_deref_mut() else { return };
        log.anew = true;
        let waits_already = !log.failed.is_empty();
        log.failed.extend(taken_back);
        if !waits_already && !log.failed.is_empty() {
            self.alarm(cx, AGAIN, Alarm::Rewrite);
        }
    }

    /// It is time to write the file anew.
    pub(super) fn rewrite_log(&mut self) {
        let Some(log) = self.own_log.as_deref_mut() else { return };
        let failed = std::mem::take(&mut log.failed);
        log.since.extend(failed);
    }

    /// Something could not be noted: takes it back, so that it is not in the file that is written anew. False: it stands, and is noted
    /// sooner or later.
    fn takes_back(&mut self, cx: &mut Cx<'_>, program: &Program, who: Awaits) -> bool {
        match who {
            Awaits::Start => false,
            Awaits::Txn(id) => self.takes_back_note(cx, program, id),
            Awaits::Saga { thread, ticket, is_first } => {
                is_first && self.saga_that_waits(thread, ticket) && self.forgets_saga(cx, program, thread)
            }
        }
    }

    fn noted_down(&mut self, cx: &mut Cx<'_>, program: &Program, who: Awaits, kept: bool) {
        match who {
            Awaits::Start => {
                if let Some(log) = self.own_log.as_deref_mut() {
                    log.recovers = false;
                }
                if !self.boots() {
                    self.take_up_log(cx, program);
                }
            }
            Awaits::Txn(id) => self.txn_noted(cx, program, id, kept),
            Awaits::Saga { thread, ticket, .. } => {
                if self.saga_that_waits(thread, ticket) {
                    self.saga_noted(cx, program, thread, kept);
                }
            }
        }
    }

    /// Whether the saga in this thread waits with this ticket.
    fn saga_that_waits(&mut self, thread: Key, ticket: u32) -> bool {
        let attempt = self.threads.get_mut(thread).and_then(Thread::attempt);
        attempt.is_some_and(|attempt| matches!(&attempt.phase, Phase::Saga(saga) if saga.noting == Some(ticket)))
    }

    /// A saga that waits goes on in another thread.
    pub(super) fn waits_in(&mut self, ticket: u32, other: Key) {
        let Some(log) = self.own_log.as_deref_mut() else { return };
        for waiting in log.covered.iter_mut().chain(&mut log.since).chain(&mut log.failed) {
            if let Awaits::Saga { thread, ticket: known, .. } = &mut waiting.who
                && *known == ticket
            {
                *thread = other;
            }
        }
    }

    /// Makes what this replica has noted what its disk has of it, as another life begins.
    pub(super) fn read_log(&mut self, cx: &mut Cx<'_>, program: &Program, files: &Files) {
        let (me, life) = (cx.id(), cx.life());
        let Some(log) = self.own_log.as_deref_mut() else { return };
        log.unreadable = !files.is_readable();
        if log.unreadable || life == 1 {
            return;
        }
        let Found { mut agreed, mut sagas, is_holed } = log.read(files);
        // Whoever has got another's disk has none of its own there.
        agreed.retain(|txn, _| txn.node == me.0);
        sagas.retain(|_, saga| saga.node == me);
        log.found = sagas.iter().map(|((_, key), saga)| (key.clone(), saga.clone())).collect();
        log.anew = is_holed;
        if is_holed {
            log.dirty = true;
        }
        if !files.is_synced() && log.durable == Durable::Synced {
            log.recovers = true;
            log.waits(Awaits::Start);
        }
        for (txn, _) in cx.shared().agreed_of(me) {
            cx.shared_mut().agreed_by_all(txn);
        }
        agreed.into_iter().for_each(|(txn, agreed)| cx.shared_mut().agree(txn, agreed));
        let before = cx.shared().unfinished_of(me);
        for ((map, key), _) in before {
            cx.shared_mut().saga_is_over(map, key.clone());
            if !sagas.contains_key(&(map, key.clone())) {
                self.write_cell(cx, program, map, &key, &Value::Null);
            }
        }
        for ((map, key), saga) in sagas {
            let word = Value::from(super::saga::word(saga.at, saga.back.is_some()).as_str());
            if self.own_map(cx, map).value(&key) != word {
                self.write_cell(cx, program, map, &key, &word);
            }
            cx.shared_mut().saga_goes_on(map, key, saga);
        }
    }
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    match entry {
        Entry::Agreed(txn, Agreed { step, cause, edges, commits }) => {
            out.push(0);
            write_txn(out, *txn);
            out.extend(step.0.to_le_bytes());
            write_cause(out, *cause);
            out.extend((edges.len() as u32).to_le_bytes());
            edges.iter().for_each(|edge| out.extend(edge.0.to_le_bytes()));
            out.push(commits.map_or(2, u8::from));
        }
        Entry::Over(txn) => {
            out.push(1);
            write_txn(out, *txn);
        }
        Entry::Saga(map, key, saga) => {
            out.push(2);
            out.extend(map.0.to_le_bytes());
            write_value(out, key);
            write_saga(out, saga);
        }
        Entry::SagaOver(map, key) => {
            out.push(3);
            out.extend(map.0.to_le_bytes());
            write_value(out, key);
        }
    }
}

fn write_values(out: &mut Vec<u8>, values: &[Value]) {
    out.extend((values.len() as u32).to_le_bytes());
    values.iter().for_each(|value| write_value(out, value));
}

fn write_saga(out: &mut Vec<u8>, saga: &Unfinished) {
    out.extend(saga.node.0.to_le_bytes());
    out.extend(saga.step.0.to_le_bytes());
    let (EndpointRef(endpoint), Kind(kind)) = saga.endpoint;
    out.extend(endpoint.to_le_bytes());
    out.extend(kind.to_le_bytes());
    write_cause(out, saga.cause);
    write_values(out, &saga.values.0);
    out.extend(saga.values.1.to_le_bytes());
    out.extend((saga.lists.len() as u32).to_le_bytes());
    for (slot, list) in &saga.lists {
        out.extend(slot.0.to_le_bytes());
        write_values(out, list);
    }
    write_value(out, &saga.reason);
    out.extend(saga.at.to_le_bytes());
    match &saga.back {
        None => out.push(0),
        Some(Outcome::Ok(value)) => {
            out.push(1);
            write_value(out, value);
        }
        Some(Outcome::Error(reason)) => {
            out.push(2);
            out.extend(reason.0.to_le_bytes());
        }
        Some(Outcome::Unknown(reason)) => {
            out.push(3);
            out.extend(reason.0.to_le_bytes());
        }
    }
}

/// What stands before their checksums in those records whose checksums are right.
fn intact<'b>(records: &[&'b [u8]]) -> Vec<&'b [u8]> {
    let ends = |record: &&'b [u8]| record.split_last_chunk::<8>();
    let (bodies, expected): (Vec<&[u8]>, Vec<&[u8; 8]>) = records.iter().filter_map(ends).unzip();
    let sums = sums(&bodies);
    let all = bodies.into_iter().zip(expected).zip(sums);
    all.filter(|((_, expected), sum)| sum.to_le_bytes() == **expected).map(|((body, _), _)| body).collect()
}

/// The number of a record, and the rest of it.
fn begun(body: &[u8]) -> Option<(u64, Bytes<'_>)> {
    let mut rest = Bytes(body);
    Some((rest.u64()?, rest))
}

/// What a record says behind its number; none, and nothing of it, where it makes no sense.
fn read_entries(mut rest: Bytes<'_>, entries: &mut Vec<Entry>) -> Option<()> {
    let count = rest.u32()?;
    for _ in 0..count {
        let Some(entry) = read_entry(&mut rest) else {
            entries.clear();
            return None;
        };
        entries.push(entry);
    }
    if !rest.0.is_empty() {
        entries.clear();
        return None;
    }
    Some(())
}

fn read_entry(rest: &mut Bytes<'_>) -> Option<Entry> {
    Some(match rest.byte()? {
        0 => {
            let txn = rest.txn()?;
            let (step, cause) = (StepRef(rest.u32()?), rest.cause()?);
            let edges = rest.several(|rest| rest.u16().map(EdgeRef))?;
            let commits = match rest.byte()? {
                0 => Some(false),
                1 => Some(true),
                2 => None,
                _ => return None,
            };
            Entry::Agreed(txn, Agreed { step, cause, edges, commits })
        }
        1 => Entry::Over(rest.txn()?),
        2 => {
            let (map, key) = rest.place()?;
            Entry::Saga(map, key, Box::new(read_saga(rest)?))
        }
        3 => {
            let (map, key) = rest.place()?;
            Entry::SagaOver(map, key)
        }
        _ => return None,
    })
}

fn read_saga(rest: &mut Bytes<'_>) -> Option<Unfinished> {
    let values = |rest: &mut Bytes<'_>| rest.several(Bytes::value).map(Arc::<[Value]>::from);
    Some(Unfinished {
        node: NodeId(rest.u32()?),
        step: StepRef(rest.u32()?),
        endpoint: (EndpointRef(rest.u16()?), Kind(rest.u16()?)),
        cause: rest.cause()?,
        values: (values(rest)?, rest.u64()?),
        lists: rest.several(|rest| Some((Slot(rest.u16()?), values(rest)?)))?,
        reason: rest.value()?,
        at: rest.u32()?,
        back: match rest.byte()? {
            0 => None,
            1 => Some(Outcome::Ok(rest.value()?)),
            2 => Some(Outcome::Error(Reason(rest.u16()?))),
            3 => Some(Outcome::Unknown(Reason(rest.u16()?))),
            _ => return None,
        },
    })
}

/// What a decision that could not be noted becomes, by what the file is to say of it instead.
pub(super) enum Instead {
    /// Nothing.
    Nothing,
    /// That votes are collected.
    Collecting,
    /// That it aborts.
    Aborts,
    /// It stands, whatever the log says: others decide it too.
    Stands,
}

impl Instead {
    /// Of a decision to commit.
    pub(super) fn of(protocol: Protocol, presume: Presume) -> Self {
        match (protocol, presume) {
            // All know that all have promised, and go on to commit without the coordinator.
            (Protocol::ThreePhase, _) => Instead::Stands,
            (_, Presume::Nothing) => Instead::Aborts,
            (_, Presume::Abort) => Instead::Nothing,
            (_, Presume::Commit) => Instead::Collecting,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::{Cause, Class, Operation};

    fn entries() -> Vec<Entry> {
        let txn = TxnId { node: 2, life: 3, number: 4 };
        let cause = Cause { lineage: 99, operation: Operation::new(Class(0), 17) };
        let agreed = |commits| Agreed { step: StepRef(4), cause, edges: vec![EdgeRef(1), EdgeRef(7)], commits };
        let saga = |back| Unfinished {
            node: NodeId(2),
            step: StepRef(9),
            endpoint: (EndpointRef(3), Kind(5)),
            cause: Cause { lineage: 7, operation: Operation::NONE },
            values: (Arc::from([Value::Null, Value::Int(-4), Value::from("lamp")]), 0b110),
            lists: vec![(Slot(1), Arc::from([Value::Int(1), Value::Int(2)]))],
            reason: Value::from("timeout"),
            at: 2,
            back,
        };
        let sagas = [None, Some(Outcome::Error(Reason::DISK)), Some(Outcome::Unknown(Reason::RESET))].map(saga);
        let sagas = sagas.into_iter().map(|saga| Entry::Saga(MapRef(1), Value::Int(17), Box::new(saga)));
        let agreed = [None, Some(true), Some(false)].map(|commits| Entry::Agreed(txn, agreed(commits)));
        let over = [Entry::Over(txn), Entry::SagaOver(MapRef(1), Value::from("17/2"))];
        agreed.into_iter().chain(sagas).chain(over).collect()
    }

    fn log(checksum: bool) -> Log {
        Log::of(&LogDef { durable: Durable::Synced, checksum, sync: sim_core::Dist::ZERO })
    }

    fn shown(read: &dyn std::fmt::Debug) -> String {
        format!("{read:?}")
    }

    fn read_record(bytes: &[u8], checksum: bool) -> Option<(u64, Vec<Entry>)> {
        let bodies = if checksum { intact(&[bytes]) } else { vec![bytes] };
        let (number, rest) = begun(bodies.first()?)?;
        let mut entries = Vec::new();
        read_entries(rest, &mut entries)?;
        Some((number, entries))
    }

    #[test]
    fn what_is_noted_is_read_as_it_was_written() {
        for checksum in [true, false] {
            let record = log(checksum).record(&entries());
            assert_eq!(shown(&read_record(&record, checksum)), shown(&Some((1, entries()))));
        }
    }

    #[test]
    fn what_is_torn_or_has_rotted_is_left_out_and_without_a_checksum_nothing_panics() {
        let record = log(true).record(&entries());
        for bit in 0..record.len() * 8 {
            let mut rotten = record.to_vec();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert!(read_record(&rotten, true).is_none(), "bit {bit}");
        }
        let bare = log(false).record(&entries());
        let mut believed = 0;
        for bit in 0..bare.len() * 8 {
            let mut rotten = bare.to_vec();
            rotten[bit / 8] ^= 1 << (bit % 8);
            believed += u32::from(read_record(&rotten, false).is_some());
        }
        assert!(believed > 100, "{believed}");
        for length in 0..record.len() {
            assert!(read_record(&record[..length], true).is_none());
        }
        for length in 0..bare.len() {
            assert!(read_record(&bare[..length], false).is_none());
        }
    }
}
