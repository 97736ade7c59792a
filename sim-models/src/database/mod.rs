//! Transactions of one database, without time, disk or network: who sees what, who waits for whom, and who has to begin again.
//!
//! The levels are those of Berenson and others, "A Critique of ANSI SQL Isolation Levels" (SIGMOD 1995), in terms of the phenomena of
//! Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions" (MIT 1999). The stores
//! of scenarios are made of the same [`Locks`] and the same [`Past`], with time, messages, a disk and crashes around them.
//!
//! [`Database`] is for an actor of one's own, or a test: every call is answered at once, with a value, with "wait", or with a refusal.

mod locks;
mod past;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

pub use locks::{Handed, Lock, Locks};
pub use past::{Past, Snapshot};

/// How much of each other transactions see. At every level who sets a row has it to the end, so that nobody sets what another has set
/// and not committed (G0), nobody reads it (G1), and conditions of a set are about what it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Each read sees what is committed at that instant: two reads may disagree, and what was read may have changed before it is set.
    #[default]
    ReadCommitted,
    /// All reads see the moment of the first one, and a row that another has changed since cannot be set: the first to commit wins. What
    /// PostgreSQL calls REPEATABLE READ. Two that each read what the other sets both commit (write skew).
    Snapshot,
    /// Strict two-phase locking: reads lock too, and a read of a whole map locks it against new keys. As if one came after the other.
    Serializable,
}

impl Isolation {
    /// All levels, the weakest first.
    pub const ALL: [Isolation; 3] = [Isolation::ReadCommitted, Isolation::Snapshot, Isolation::Serializable];

    /// Its word in a scenario.
    pub const fn word(self) -> &'static str {
        match self {
            Isolation::ReadCommitted => "read-committed",
            Isolation::Snapshot => "snapshot",
            Isolation::Serializable => "serializable",
        }
    }

    /// The level of that word.
    pub fn named(word: &str) -> Option<Isolation> {
        Isolation::ALL.into_iter().find(|level| level.word() == word)
    }
}

/// A transaction of a [`Database`]: 1 for the first that began, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Txn(pub u64);

/// What a call comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It is done.
    Done(T),
    /// Another has what it needs: make the same call again once [`Database::woken`] names this transaction.
    Waits,
    /// The transaction is over and has changed nothing.
    Refused(Refusal),
}

/// Why a transaction is over that was not to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was the youngest in a circle of those who wait. It may begin again.
    Deadlock,
    /// It has set a row that another has changed since its snapshot. It may begin again.
    Conflict,
    /// It is not open: it has never begun, was committed or aborted, or was refused before.
    Over,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Refusal::Deadlock => {
                "it was the youngest in a circle of transactions that wait for each other; begin again"
            }
            Refusal::Conflict => "another transaction has changed this row since the snapshot; begin again",
            Refusal::Over => "this transaction is not open",
        })
    }
}

impl<T> Answer<T> {
    /// The value, if it is done.
    pub fn done(self) -> Option<T> {
        match self {
            Answer::Done(value) => Some(value),
            Answer::Waits | Answer::Refused(_) => None,
        }
    }
}

/// What can be locked: a row, there or not, or all that is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Place<K> {
    New,
    Row(K),
}

/// An open transaction: what it will have set (none: gone), what it has, and what it sees.
#[derive(Clone, Debug, Serialize)]
struct Open<K, V> {
    level: Isolation,
    writes: Vec<(K, Option<V>)>,
    held: Vec<Place<K>>,
    /// Whether it has read all rows, and must see no new ones.
    spans: bool,
    snapshot: Option<Snapshot>,
    waits_for: Option<Place<K>>,
    /// Whether a circle was broken at its cost, of which it has not heard.
    refused: bool,
}

/// Rows by key, and the transactions under way. It is a value: cloning it forks it.
///
/// Two doctors are on call, and each may go if the other stays. Under snapshots each sees the other and goes:
///
/// ```
/// use sim_models::database::{Answer, Database, Isolation, Refusal};
///
/// let both_leave = |level: Isolation| {
///     let mut db = Database::of([("ann", "on call"), ("bob", "on call")]);
///     let (ann, bob) = (db.begin(level), db.begin(level));
///     let on_call = |_: &&str, state: &&str| *state == "on call";
///     assert_eq!(db.scan(ann, on_call).done().map(|rows| rows.len()), Some(2));
///     let sees = db.scan(bob, on_call);
///     if sees == Answer::Waits {
///         // Bob waits for what Ann has read; when she has gone he sees her gone.
///         assert!(matches!(db.set(ann, "ann", Some("home")), Answer::Done(())));
///         assert!(matches!(db.commit(ann), Answer::Done(())));
///         assert_eq!(db.woken(), [bob]);
///         assert_eq!(db.scan(bob, on_call).done().map(|rows| rows.len()), Some(1));
///         return false;
///     }
///     for (doctor, name) in [(ann, "ann"), (bob, "bob")] {
///         assert!(matches!(db.set(doctor, name, Some("home")), Answer::Done(())));
///         assert!(matches!(db.commit(doctor), Answer::Done(())));
///     }
///     true
/// };
/// assert!(both_leave(Isolation::Snapshot));
/// assert!(!both_leave(Isolation::Serializable));
///
/// // Two that set the same row from what they have read: the first to commit wins.
/// let mut db = Database::of([("stock", 10)]);
/// let (one, two) = (db.begin(Isolation::Snapshot), db.begin(Isolation::Snapshot));
/// assert_eq!((db.read(one, &"stock"), db.read(two, &"stock")), (Answer::Done(Some(10)), Answer::Done(Some(10))));
/// assert_eq!(db.set(one, "stock", Some(9)), Answer::Done(()));
/// assert_eq!(db.set(two, "stock", Some(9)), Answer::Waits);
/// assert_eq!(db.commit(one), Answer::Done(()));
/// assert_eq!(db.set(two, "stock", Some(9)), Answer::Refused(Refusal::Conflict));
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(bound = "K: Serialize, V: Serialize")]
pub struct Database<K, V> {
    #[serde(serialize_with = "crate::shelf::as_pairs")]
    rows: BTreeMap<K, V>,
    begun: u64,
    #[serde(serialize_with = "crate::shelf::as_pairs")]
    open: BTreeMap<Txn, Open<K, V>>,
    locks: Locks<Place<K>, Txn, Txn>,
    past: Past<K, Option<V>>,
    woken: Vec<Txn>,
}

impl<K: Clone + Ord, V: Clone> Database<K, V> {
    /// A database that holds these rows.
    pub fn of(rows: impl IntoIterator<Item = (K, V)>) -> Self {
        let rows = rows.into_iter().collect();
        let (open, locks, past) = (BTreeMap::new(), Locks::default(), Past::default());
        Database { rows, begun: 0, open, locks, past, woken: Vec::new() }
    }

    /// The rows as they are committed, in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// Begins a transaction. Its snapshot, if it has one, is taken by its first call.
    pub fn begin(&mut self, level: Isolation) -> Txn {
        self.begun += 1;
        let txn = Txn(self.begun);
        let (writes, held, spans, snapshot, waits_for, refused) = (Vec::new(), Vec::new(), false, None, None, false);
        self.open.insert(txn, Open { level, writes, held, spans, snapshot, waits_for, refused });
        txn
    }

    /// The transactions that wait no longer, in order: each has what it waited for, or is refused by its next call.
    pub fn woken(&mut self) -> Vec<Txn> {
        std::mem::take(&mut self.woken)
    }

    /// Whether a transaction waits.
    pub fn waits(&self, txn: Txn) -> bool {
        self.open.get(&txn).is_some_and(|open| open.waits_for.is_some())
    }

    /// Reads a row; none when it is not there. What the transaction has set itself it sees.
    pub fn read(&mut self, txn: Txn, key: &K) -> Answer<Option<V>> {
        let answer = self.called(txn).and_then(|level| match level {
            Isolation::Serializable => self.lock(txn, Place::Row(key.clone())),
            Isolation::ReadCommitted | Isolation::Snapshot => Ok(()),
        });
        answered(answer.map(|()| self.seen(txn, key)))
    }

    /// Reads all rows for which a predicate holds, in the order of their keys. A serializable transaction then has every row, and sees no
    /// new one to its end.
    pub fn scan(&mut self, txn: Txn, holds: impl Fn(&K, &V) -> bool) -> Answer<Vec<(K, V)>> {
        let answer = self.called(txn).and_then(|level| match level {
            Isolation::Serializable => self.lock_all(txn),
            Isolation::ReadCommitted | Isolation::Snapshot => Ok(()),
        });
        answered(answer.map(|()| {
            let own = self.open.get(&txn).into_iter().flat_map(|open| open.writes.iter().map(|(key, _)| key));
            let mut keys: Vec<K> = self.rows.keys().chain(self.past.changed()).chain(own).cloned().collect();
            keys.sort_unstable();
            keys.dedup();
            let rows = keys.into_iter().filter_map(|key| Some((key.clone(), self.seen(txn, &key)?)));
            rows.filter(|(key, value)| holds(key, value)).collect()
        }))
    }

    /// Sets a row, or takes it away; others see that after the commit.
    pub fn set(&mut self, txn: Txn, key: K, value: Option<V>) -> Answer<()> {
        let answer = self.called(txn).and_then(|_| self.lock_to_set(txn, &key));
        let answer = answer.and_then(|()| {
            let snapshot = self.open.get(&txn).and_then(|open| open.snapshot);
            if snapshot.is_some_and(|since| self.past.has_changed(&key, since)) {
                self.end(txn);
                return Err(Stop::Refused(Refusal::Conflict));
            }
            let Some(open) = self.open.get_mut(&txn) else { return Err(Stop::Refused(Refusal::Over)) };
            open.writes.retain(|(other, _)| *other != key);
            open.writes.push((key, value));
            Ok(())
        });
        answered(answer)
    }

    /// Makes all that a transaction has set what others see, at once, and gives back what it has.
    pub fn commit(&mut self, txn: Txn) -> Answer<()> {
        let answer = self.called(txn).map(|_| {
            let writes = self.open.get_mut(&txn).map(|open| std::mem::take(&mut open.writes)).unwrap_or_default();
            for (key, value) in writes {
                self.past.keep(key.clone(), self.rows.get(&key).cloned());
                match value {
                    Some(value) => _ = self.rows.insert(key, value),
                    None => _ = self.rows.remove(&key),
                }
            }
            self.end(txn);
        });
        answered(answer)
    }

    /// Forgets a transaction and what it has set. One that is over already stays so.
    pub fn abort(&mut self, txn: Txn) {
        self.end(txn);
    }

    /// What a transaction sees of a row.
    fn seen(&self, txn: Txn, key: &K) -> Option<V> {
        let open = self.open.get(&txn)?;
        if let Some((_, value)) = open.writes.iter().find(|(own, _)| own == key) {
            return value.clone();
        }
        let before = open.snapshot.and_then(|snapshot| self.past.at(key, snapshot));
        before.map_or_else(|| self.rows.get(key).cloned(), Option::clone)
    }

    /// A transaction makes a call: its level, when it is open.
    fn called(&mut self, txn: Txn) -> Result<Isolation, Stop> {
        let Some(open) = self.open.get_mut(&txn) else { return Err(Stop::Refused(Refusal::Over)) };
        if open.refused {
            self.open.remove(&txn);
            return Err(Stop::Refused(Refusal::Deadlock));
        }
        if open.waits_for.is_some() {
            return Err(Stop::Waits);
        }
        if open.level == Isolation::Snapshot && open.snapshot.is_none() {
            open.snapshot = Some(self.past.open());
        }
        Ok(open.level)
    }

    /// Takes all rows, and the right to add one.
    fn lock_all(&mut self, txn: Txn) -> Result<(), Stop> {
        self.lock(txn, Place::New)?;
        if let Some(open) = self.open.get_mut(&txn) {
            open.spans = true;
        }
        // What others have may be a row that is not there yet.
        let had = self.locks.held_from(Place::New..).filter(|place| **place != Place::New).cloned();
        let places: std::collections::BTreeSet<_> = self.rows.keys().cloned().map(Place::Row).chain(had).collect();
        places.into_iter().try_for_each(|place| self.lock(txn, place))
    }

    /// Takes a row to set it. A new one waits for those who have read all that there are.
    fn lock_to_set(&mut self, txn: Txn, key: &K) -> Result<(), Stop> {
        let place = Place::Row(key.clone());
        let spans = |holder: &Txn| self.open.get(holder).is_some_and(|open| open.spans);
        let spanned = self.locks.holder(&Place::New).filter(|holder| *holder != txn && spans(holder));
        // One that it has read, and found absent, is new all the same; one that it has set was let in.
        let is_set = self.open.get(&txn).is_some_and(|open| open.writes.iter().any(|(own, _)| own == key));
        if spanned.is_some() && !self.rows.contains_key(key) && !is_set {
            self.lock(txn, Place::New)?;
        }
        self.lock(txn, place)
    }

    /// Takes a place, or waits for it; of a circle of those who wait the youngest is refused.
    fn lock(&mut self, txn: Txn, place: Place<K>) -> Result<(), Stop> {
        loop {
            let Some(holder) = self.locks.holder(&place) else {
                self.locks.take(place.clone(), txn);
                self.open.entry(txn).and_modify(|open| open.held.push(place));
                return Ok(());
            };
            if holder == txn {
                return Ok(());
            }
            let waits = |txn: Txn| self.open.get(&txn).and_then(|open| open.waits_for.clone()).into_iter().collect();
            let Some(victim) = self.locks.path(holder, txn, waits).and_then(|circle| circle.into_iter().max()) else {
                break;
            };
            let Some(open) = self.end(victim) else { break };
            if victim == txn {
                return Err(Stop::Refused(Refusal::Deadlock));
            }
            let (writes, held) = (Vec::new(), Vec::new());
            self.open.insert(victim, Open { writes, held, refused: true, waits_for: None, snapshot: None, ..open });
            self.woken.push(victim);
        }
        self.locks.wait(&place, txn, Some(txn));
        if let Some(open) = self.open.get_mut(&txn) {
            open.waits_for = Some(place);
        }
        Err(Stop::Waits)
    }

    fn end(&mut self, txn: Txn) -> Option<Open<K, V>> {
        let mut open = self.open.remove(&txn)?;
        if let Some(snapshot) = open.snapshot.take() {
            self.past.close(snapshot);
        }
        if let Some(place) = &open.waits_for {
            self.locks.leave(place, &txn);
        }
        for place in open.held.drain(..) {
            let handed = self.locks.hand_on(&place);
            for woken in handed.woken {
                if let Some(next) = self.open.get_mut(&woken) {
                    next.waits_for = None;
                    next.held.push(place.clone());
                }
                self.woken.push(woken);
            }
        }
        Some(open)
    }
}

/// Why a call does not come to its end.
enum Stop {
    Waits,
    Refused(Refusal),
}

fn answered<T>(result: Result<T, Stop>) -> Answer<T> {
    match result {
        Ok(value) => Answer::Done(value),
        Err(Stop::Waits) => Answer::Waits,
        Err(Stop::Refused(refusal)) => Answer::Refused(refusal),
    }
}
