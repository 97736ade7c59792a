//! Where values are kept: maps of cells, and what `once` remembers of each key.
//!
//! The durable maps of services and stores lie on [`Shelves`], which no crash takes and which all replicas of a service reach at
//! once. A cell has never heard of requests; it sees values, versions and instants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use serde::Serialize;
use sim_core::{Cause, Duration, Instant, Kind, NodeId, Timer, WallClock};

use crate::backlog::Backlog;
use crate::expr::{EvalError, Expr, TEXT_MAX};
use crate::keymap::KeyMap;
use crate::message::{FactChange, Names, Outcome, TxnId};
use crate::program::{
    EdgeRef, EndpointRef, InFlight, MapRef, NodeRef, OnceDef, Piece, Program, Role, Slot, StepRef, Template, Var,
};
use crate::value::Value;

/// One cell of a map.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cell {
    /// What it holds.
    pub value: Value,
    /// 1 at the first set, one more at each.
    pub version: u64,
    /// When it was last set.
    pub set_at: Instant,
    /// What came of the `once` whose key this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<Box<Kept>>,
}

/// The outcome that `once` replays.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// What came of it.
    pub outcome: Outcome,
    /// Whether that ended the endpoint (`reply`, `fail`).
    pub ended: bool,
}

/// One map.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Cells(KeyMap<Cell>);

/// The durable maps of a scenario.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Shelves {
    maps: Vec<Cells>,
    /// Who waits for a running `once`, by its map and key.
    #[serde(serialize_with = "as_pairs")]
    holding: BTreeMap<(MapRef, Value), Vec<Waiter>>,
    /// Who waits for a condition about maps of a service, by whose maps they are.
    #[serde(serialize_with = "as_pairs")]
    watching: BTreeMap<NodeRef, Vec<Waiter>>,
    /// Of stores that write to their disks: the last record whose facts the judge was told of.
    #[serde(serialize_with = "as_pairs", skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<NodeRef, u64>,
    /// Sagas that are not over, by the cell of their log. In boxes, as is what else comes and goes and is large: a tree moves what is in it.
    #[serde(serialize_with = "as_pairs", skip_serializing_if = "BTreeMap::is_empty")]
    sagas: BTreeMap<(MapRef, Value), Box<Unfinished>>,
    /// What stores have promised.
    #[serde(serialize_with = "as_pairs", skip_serializing_if = "BTreeMap::is_empty")]
    promises: BTreeMap<(NodeRef, TxnId), Box<Promise>>,
    /// What stores remember of decisions.
    #[serde(serialize_with = "as_pairs", skip_serializing_if = "BTreeMap::is_empty")]
    settled: BTreeMap<(NodeRef, TxnId), Settled>,
    /// The logs of coordinators.
    #[serde(serialize_with = "as_pairs", skip_serializing_if = "BTreeMap::is_empty")]
    agreed: BTreeMap<TxnId, Agreed>,
    /// Facts that happen with the first decision to commit.
    #[serde(serialize_with = "as_pairs", skip_serializing_if = "BTreeMap::is_empty")]
    due: BTreeMap<TxnId, Arc<[FactChange]>>,
    /// What stores have had of transactions. Left out of the state that is shown: all but copies is in what came of it.
    #[serde(skip)]
    sessions: BTreeMap<Sessions, KeyMap<Session>>,
    /// The cells of stores of which the judge has not been told what a start has found there.
    #[serde(skip)]
    unseen: BTreeMap<MapRef, BTreeSet<Value>>,
    /// Facts that may have to be taken back. Left out too: each is in what comes of it.
    #[serde(skip)]
    revocable: BTreeMap<TxnId, Arc<[FactChange]>>,
    /// What stores know by their names of transactions that they have decided alone.
    #[serde(skip)]
    branches: BTreeMap<(NodeRef, TxnId), Branch>,
    /// The stores of which it is known that they have decided otherwise, so that each counts once.
    #[serde(skip)]
    otherwise: BTreeSet<(NodeId, TxnId)>,
    /// What each queue keeps; shared by copies of a run until one of them changes it.
    #[serde(serialize_with = "as_pairs", skip_serializing_if = "BTreeMap::is_empty")]
    queues: BTreeMap<NodeRef, Arc<Backlog>>,
    /// Messages published so far; the number of the last.
    #[serde(skip_serializing_if = "is_zero")]
    published: u64,
    /// By kernel node: requests that replicas have whose callers look at that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    loads: Vec<u32>,
}

/// A saga that is not over, as its log has it: all that another life of its node needs to go on with it.
#[derive(Clone, Debug, Serialize)]
pub struct Unfinished {
    /// Who runs it.
    pub node: NodeId,
    /// The step.
    pub step: StepRef,
    /// The endpoint that the request was for, and the kind of the request.
    pub endpoint: (EndpointRef, Kind),
    /// Why it runs.
    pub cause: Cause,
    /// The values it knows, by slot, and one bit for each that travels on.
    pub values: (Arc<[Value]>, u64),
    /// Lists that were read.
    pub lists: Vec<(Slot, Arc<[Value]>)>,
    /// `$reason`.
    pub reason: Value,
    /// The part whose `do` or `undo` runs, from 0; [`OVER`](Self::OVER) where none does.
    pub at: u32,
    /// Why it goes back; none while it goes forward.
    pub back: Option<Outcome>,
}

impl Unfinished {
    /// Behind the last part: it is done or undone, and only what comes of that is to be told.
    pub const OVER: u32 = u32::MAX;
}

/// What a store has had of a transaction. A connection ends with the process that it leads to: what comes behind that is not of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// The life of the store in which it began.
    pub(crate) life: u32,
    /// The number of the record that has committed it, if one has; what no disk can lose has 0.
    pub(crate) committed: Option<u64>,
    /// The last life that has had something of it, or has done what was decided.
    pub(crate) last: u32,
}

/// The sessions at one store of one life of who runs the transactions, whose numbers in it count up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sessions {
    store: NodeRef,
    node: u32,
    life: u32,
}

impl Sessions {
    /// Where that of a transaction stands, and its key there.
    fn of(store: NodeRef, txn: TxnId) -> (Self, Value) {
        let TxnId { node, life, number } = txn;
        (Sessions { store, node, life }, Value::Int(i64::from(number)))
    }
}

/// What the name of a transaction says at a store that has decided it alone. It never changes.
#[derive(Clone, Copy, Debug)]
struct Branch {
    step: StepRef,
    cause: Cause,
    /// Whether that decision was found to be durable.
    is_counted: bool,
}

/// A cell as a transaction will leave it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Write {
    /// What it will hold.
    pub value: Value,
    /// Its version then.
    pub version: u64,
    /// When it was set.
    pub at: Instant,
    /// Of the end of a `once`: its step, outcome, and whether that ended the endpoint.
    pub kept: Option<(StepRef, Kept)>,
}

/// What a store has promised: to commit or to forget a transaction, whichever is decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Promise {
    /// The step, which has the protocol.
    pub step: StepRef,
    /// The stores that take part, this one too.
    pub members: Arc<[NodeId]>,
    /// Why it was asked for.
    pub cause: Cause,
    /// What will be set.
    pub writes: Vec<((MapRef, Value), Write)>,
    /// The cells that are locked.
    pub held: Vec<(MapRef, Value)>,
    /// Whether all have promised, as far as is known here.
    pub precommitted: bool,
}

/// A decision that a store remembers, because somebody may still ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Settled {
    /// It has committed; other participants may ask.
    Committed,
    /// It has decided alone and forgotten the transaction; the coordinator must learn of it.
    Alone,
    /// It has decided alone and committed; the coordinator must learn of that too.
    AloneCommit,
}

impl Settled {
    /// Whether it has committed.
    pub(crate) fn is_commit(self) -> bool {
        matches!(self, Settled::Committed | Settled::AloneCommit)
    }

    /// Whether it has decided alone.
    pub(crate) fn is_heuristic(self) -> bool {
        matches!(self, Settled::Alone | Settled::AloneCommit)
    }
}

/// What a coordinator has noted of a transaction.
#[derive(Clone, Debug, Serialize)]
pub struct Agreed {
    /// The step, which has the protocol.
    pub step: StepRef,
    /// Why it runs.
    pub cause: Cause,
    /// The stores that have to learn what was decided.
    pub edges: Vec<EdgeRef>,
    /// What was decided; none while votes are collected.
    pub commits: Option<bool>,
}

/// A timer that rings when what it waits for has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Waiter {
    /// Whose.
    pub node: NodeId,
    /// In which life.
    pub life: u32,
    /// Which.
    pub timer: Timer,
}

/// What `once` says to a comer.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// Run it; the key is its own now.
    Run,
    /// Run it beside the one that runs already.
    RunToo,
    /// It has run.
    Replay(Kept),
    /// It runs now.
    InFlight,
    /// It runs now; wait, at most until then.
    Hold(Instant),
}

/// JSON has no keys but text: a map with others is written as a list of pairs.
pub(crate) fn as_pairs<K: Serialize, V: Serialize, S: serde::Serializer>(
    map: &BTreeMap<K, V>,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.collect_seq(map)
}

static RUNNING: LazyLock<Value> = LazyLock::new(|| Value::from("RUNNING"));
static DONE: LazyLock<Value> = LazyLock::new(|| Value::from("DONE"));
static FAILED: LazyLock<Value> = LazyLock::new(|| Value::from("FAILED"));

impl Cells {
    /// A map with these values in it from the start.
    pub fn new(initial: &[(Value, Value)]) -> Self {
        let mut cells = Cells::default();
        for (key, value) in initial {
            cells.set(key, value.clone(), Instant::ZERO);
        }
        cells
    }

    /// A cell, if it holds something.
    pub fn get(&self, key: &Value) -> Option<&Cell> {
        self.0.get(key)
    }

    /// What a cell holds; null when nothing.
    pub fn value(&self, key: &Value) -> Value {
        self.get(key).map_or(Value::Null, |cell| cell.value.clone())
    }

    /// Sets a cell; null empties it.
    pub fn set(&mut self, key: &Value, value: Value, now: Instant) {
        if value.is_null() {
            self.0.remove(key);
            return;
        }
        let cell = self.0.entry(key);
        cell.value = value;
        cell.version += 1;
        cell.set_at = now;
        // What a `once` left here is not the outcome of whatever stands here now.
        cell.kept = None;
    }

    /// Sets a cell to what several sets in a transaction have made of it; null empties it.
    pub fn set_at_version(&mut self, key: &Value, value: Value, version: u64, now: Instant) {
        self.set(key, value, now);
        if let Some(cell) = self.0.get_mut(key) {
            cell.version = version;
        }
    }

    /// Puts a cell back as it was; none empties it.
    pub(crate) fn put_back(&mut self, key: &Value, cell: Option<Cell>) {
        match cell {
            Some(cell) => _ = self.0.insert(key.clone(), cell),
            None => _ = self.0.remove(key),
        }
    }

    /// The cells in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (Value, &Cell)> {
        self.0.iter()
    }

    /// How many cells hold something.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no cell holds anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The cells whose keys are texts, in order.
    pub fn texts(&self) -> impl Iterator<Item = (Value, &Cell)> {
        self.0.texts()
    }

    /// Asks whether `once` may run for this key, and notes that it does.
    pub fn once_begin(&mut self, key: &Value, def: &OnceDef, now: Instant) -> Admission {
        let admission = admission(self.0.get(key), def, now);
        if admission == Admission::Run {
            self.set(key, RUNNING.clone(), now);
        }
        admission
    }

    /// Notes what came of a `once`; an unknown outcome leaves the key running. Whether the cell has changed.
    pub fn once_end(&mut self, key: &Value, def: &OnceDef, outcome: &Outcome, ended: bool, now: Instant) -> bool {
        let Some(word) = mark(def, outcome) else { return false };
        let kept = (!word.is_null()).then(|| Box::new(Kept { outcome: outcome.clone(), ended }));
        self.set(key, word, now);
        if let Some(cell) = self.0.get_mut(key) {
            cell.kept = kept;
        }
        true
    }
}

/// What a key holds after this outcome: null when it is forgotten; none when it goes on running.
pub(crate) fn mark(def: &OnceDef, outcome: &Outcome) -> Option<Value> {
    match outcome {
        Outcome::Unknown(_) => None,
        Outcome::Error(_) if !def.keeps_failures => Some(Value::Null),
        Outcome::Ok(_) => Some(DONE.clone()),
        Outcome::Error(_) => Some(FAILED.clone()),
    }
}

/// What `once` says to a comer who finds this cell.
pub(crate) fn admission(cell: Option<&Cell>, def: &OnceDef, now: Instant) -> Admission {
    let Some(cell) = cell else { return Admission::Run };
    let age = now.since(cell.set_at);
    if cell.value != *RUNNING {
        return match def.ttl {
            Some(ttl) if age >= ttl => Admission::Run,
            _ => Admission::Replay(kept(cell)),
        };
    }
    if age >= def.lock {
        return Admission::Run;
    }
    match def.in_flight {
        InFlight::Conflict => Admission::InFlight,
        InFlight::Wait => Admission::Hold(cell.set_at + def.lock),
        InFlight::Ignore => Admission::RunToo,
    }
}

/// What a finished key replays; one that was set by hand counts as done.
fn kept(cell: &Cell) -> Kept {
    cell.kept.as_deref().cloned().unwrap_or(Kept { outcome: Outcome::Ok(Value::Null), ended: false })
}

/// The mark of a `once` that runs.
pub(crate) fn running() -> Value {
    RUNNING.clone()
}

impl Shelves {
    /// All maps of a program with their first contents; those that are memory stay empty here.
    pub fn new(program: &Program) -> Self {
        let fresh = |map: &crate::program::MapDef| if map.memory { Cells::default() } else { Cells::new(&map.initial) };
        let maps = program.maps.iter().map(fresh).collect();
        let is_queue = |node: &NodeRef| matches!(program.node(*node).role, Role::Queue(_));
        let queues = (0..program.nodes.len()).map(|index| NodeRef(index as u16)).filter(is_queue);
        let queues = queues.map(|queue| (queue, Arc::default())).collect();
        Shelves { maps, queues, ..Shelves::default() }
    }

    /// What a queue keeps; none when the node is no queue.
    pub fn backlog(&self, queue: NodeRef) -> Option<&Backlog> {
        self.queues.get(&queue).map(|backlog| &**backlog)
    }

    /// What a queue keeps, to change it.
    pub fn backlog_mut(&mut self, queue: NodeRef) -> &mut Backlog {
        Arc::make_mut(self.queues.entry(queue).or_default())
    }

    /// The number of a message that is published now: one more than the last, whatever its queue.
    pub fn next_message(&mut self) -> u64 {
        self.published += 1;
        self.published
    }

    /// One map.
    pub fn map(&self, map: MapRef) -> &Cells {
        &self.maps[map.0 as usize]
    }

    /// One map, to change it.
    pub fn map_mut(&mut self, map: MapRef) -> &mut Cells {
        &mut self.maps[map.0 as usize]
    }

    /// How many requests a replica has, as it says itself.
    pub(crate) fn load(&self, node: NodeId) -> u32 {
        self.loads.get(node.0 as usize).copied().unwrap_or_default()
    }

    /// A replica says how many it has.
    pub(crate) fn weigh(&mut self, node: NodeId, load: u32) {
        let place = node.0 as usize;
        if self.loads.len() <= place {
            self.loads.resize(place + 1, 0);
        }
        self.loads[place] = load;
    }

    /// The last record of a store whose facts the judge was told of.
    pub(crate) fn told(&self, store: NodeRef) -> u64 {
        self.told.get(&store).copied().unwrap_or_default()
    }

    /// The judge was told of all facts up to this record.
    pub(crate) fn tell(&mut self, store: NodeRef, record: u64) {
        let told = self.told.entry(store).or_default();
        *told = record.max(*told);
    }

    /// The judge is to be told of these cells of a map: takes those of which it was to be told before, too.
    pub(crate) fn unseen(&mut self, map: MapRef, mut keys: BTreeSet<Value>) -> BTreeSet<Value> {
        let unseen = self.unseen.entry(map).or_default();
        keys.append(&mut unseen.clone());
        unseen.clone_from(&keys);
        keys
    }

    /// It has been told.
    pub(crate) fn is_seen(&mut self, map: MapRef) {
        self.unseen.remove(&map);
    }

    /// Notes how far a saga has come.
    pub fn saga_goes_on(&mut self, log: MapRef, key: Value, saga: Unfinished) {
        self.sagas.insert((log, key), Box::new(saga));
    }

    /// Notes that a saga is over.
    pub fn saga_is_over(&mut self, log: MapRef, key: Value) {
        self.sagas.remove(&(log, key));
    }

    /// The sagas of a node that are not over, in the order of their keys.
    pub fn sagas_of(&self, node: NodeId) -> Vec<(Value, Unfinished)> {
        let own = self.sagas.iter().filter(|(_, saga)| saga.node == node);
        own.map(|((_, key), saga)| (key.clone(), (**saga).clone())).collect()
    }

    /// The same, by the cells of their logs.
    pub fn unfinished_of(&self, node: NodeId) -> Vec<((MapRef, Value), Unfinished)> {
        let own = self.sagas.iter().filter(|(_, saga)| saga.node == node);
        own.map(|(place, saga)| (place.clone(), (**saga).clone())).collect()
    }

    /// Notes what a store has promised.
    pub fn promise(&mut self, store: NodeRef, txn: TxnId, promise: Promise) {
        self.promises.insert((store, txn), Box::new(promise));
    }

    /// What a store has promised of this transaction, to change it.
    pub fn promised_mut(&mut self, store: NodeRef, txn: TxnId) -> Option<&mut Promise> {
        self.promises.get_mut(&(store, txn)).map(|promise| &mut **promise)
    }

    /// What a store has promised of this transaction.
    pub fn promised(&self, store: NodeRef, txn: TxnId) -> Option<&Promise> {
        self.promises.get(&(store, txn)).map(|promise| &**promise)
    }

    /// A promise is kept, or was never durable.
    pub fn unpromise(&mut self, store: NodeRef, txn: TxnId) {
        self.promises.remove(&(store, txn));
    }

    /// All that a store has promised.
    pub fn promises_of(&self, store: NodeRef) -> Vec<(TxnId, Promise)> {
        let own = self.promises.iter().filter(|((of, _), _)| *of == store);
        own.map(|((_, txn), promise)| (*txn, (**promise).clone())).collect()
    }

    /// What a store remembers of a decision.
    pub fn settled(&self, store: NodeRef, txn: TxnId) -> Option<Settled> {
        self.settled.get(&(store, txn)).copied()
    }

    /// Has a store remember a decision, or forget it.
    pub fn settle(&mut self, store: NodeRef, txn: TxnId, settled: Option<Settled>) {
        match settled {
            Some(settled) => _ = self.settled.insert((store, txn), settled),
            None => _ = self.settled.remove(&(store, txn)),
        }
    }

    /// A transaction begins at a store, in this life of it; false, where it has begun already.
    pub(crate) fn begins_session(&mut self, store: NodeRef, txn: TxnId, life: u32) -> bool {
        let (place, key) = Sessions::of(store, txn);
        let mut begins = false;
        self.sessions.entry(place).or_default().entry_with(&key, || {
            begins = true;
            Session { life, committed: None, last: life }
        });
        begins
    }

    /// What a store has had of a transaction.
    pub(crate) fn session(&self, store: NodeRef, txn: TxnId) -> Option<Session> {
        let (place, key) = Sessions::of(store, txn);
        self.sessions.get(&place)?.get(&key).copied()
    }

    fn session_mut(&mut self, store: NodeRef, txn: TxnId) -> Option<&mut Session> {
        let (place, key) = Sessions::of(store, txn);
        self.sessions.get_mut(&place)?.get_mut(&key)
    }

    /// All that a store has had.
    fn sessions_of(&mut self, store: NodeRef) -> impl Iterator<Item = &mut Session> {
        let own = self.sessions.iter_mut().filter(move |(place, _)| place.store == store);
        own.flat_map(|(_, sessions)| sessions.values_mut())
    }

    /// A life of a store has done what was decided of a transaction.
    pub(crate) fn has_settled(&mut self, store: NodeRef, txn: TxnId, life: u32) {
        if let Some(session) = self.session_mut(store, txn) {
            session.last = life;
        }
    }

    /// A store has committed a transaction, in this record of its journal; 0 where nothing takes it.
    pub(crate) fn has_committed(&mut self, store: NodeRef, txn: TxnId, record: u64) {
        if let Some(session) = self.session_mut(store, txn) {
            session.committed = Some(record);
        }
    }

    /// Of what a store has committed, this is what its disk has of it.
    pub(crate) fn keep_committed(&mut self, store: NodeRef, is_there: impl Fn(u64) -> bool) {
        let own = self.sessions_of(store);
        own.for_each(|session| session.committed = session.committed.filter(|record| is_there(*record)));
    }

    /// One record says all that a store has committed.
    pub(crate) fn committed_by(&mut self, store: NodeRef, record: u64) {
        let own = self.sessions_of(store);
        own.filter_map(|session| session.committed.as_mut()).for_each(|known| *known = record);
    }

    /// All that a store remembers of decisions.
    pub fn settled_of(&self, store: NodeRef) -> Vec<(TxnId, Settled)> {
        let own = self.settled.iter().filter(|((of, _), _)| *of == store);
        own.map(|((_, txn), settled)| (*txn, *settled)).collect()
    }

    /// Has a coordinator note something of a transaction.
    pub fn agree(&mut self, txn: TxnId, agreed: Agreed) {
        self.agreed.insert(txn, agreed);
    }

    /// A coordinator need not remember a transaction any more.
    pub fn agreed_by_all(&mut self, txn: TxnId) {
        self.agreed.remove(&txn);
    }

    /// What former lives of a coordinator have noted of transactions that are not over.
    pub fn agreed_of(&self, node: NodeId) -> Vec<(TxnId, Agreed)> {
        let own = self.agreed.iter().filter(|(txn, _)| txn.node == node.0);
        own.map(|(txn, agreed)| (*txn, agreed.clone())).collect()
    }

    /// These facts happen when it is decided that this transaction commits.
    pub fn facts_are_due(&mut self, txn: TxnId, facts: Arc<[FactChange]>) {
        if !facts.is_empty() {
            self.due.insert(txn, facts);
        }
    }

    /// The facts of a transaction, for whoever is the first whose decision to commit nothing takes any more.
    pub fn take_due(&mut self, txn: TxnId) -> Arc<[FactChange]> {
        self.due.remove(&txn).unwrap_or_default()
    }

    /// These facts have happened, and are to be taken back if all stores turn out to have rolled back alone.
    pub(crate) fn may_be_revoked(&mut self, txn: TxnId, facts: Arc<[FactChange]>) {
        self.revocable.insert(txn, facts);
    }

    /// How a transaction has ended everywhere is known: the facts that may have to be taken back.
    pub(crate) fn take_revocable(&mut self, txn: TxnId) -> Arc<[FactChange]> {
        self.revocable.remove(&txn).unwrap_or_default()
    }

    /// A store decides a transaction alone.
    pub(crate) fn decides_alone(&mut self, store: NodeRef, txn: TxnId, step: StepRef, cause: Cause) {
        self.branches.entry((store, txn)).or_insert(Branch { step, cause, is_counted: false });
    }

    /// What a store has decided alone is durable. Whether that was not known before.
    pub(crate) fn counts_alone(&mut self, store: NodeRef, txn: TxnId) -> bool {
        self.branches.get_mut(&(store, txn)).is_some_and(|branch| !std::mem::replace(&mut branch.is_counted, true))
    }

    /// What a store has decided alone and its coordinator has yet to learn, with the steps and why they run.
    pub(crate) fn alone_of(&self, store: NodeRef) -> impl Iterator<Item = (TxnId, StepRef, Cause)> {
        let alone = self.settled.iter().filter(move |((of, _), settled)| *of == store && settled.is_heuristic());
        alone.filter_map(|(at, _)| self.branches.get(at).map(|branch| (at.1, branch.step, branch.cause)))
    }

    /// A coordinator hears that a store has decided otherwise. Whether nobody has heard of it before.
    pub(crate) fn is_otherwise(&mut self, store: NodeId, txn: TxnId) -> bool {
        self.otherwise.insert((store, txn))
    }

    /// Notes who waits for a running key.
    pub fn hold(&mut self, map: MapRef, key: &Value, waiter: Waiter) {
        self.holding.entry((map, key.clone())).or_default().push(waiter);
    }

    /// Notes that somebody waits no longer, whose timer may be something else's soon.
    pub fn unhold(&mut self, map: MapRef, key: &Value, waiter: Waiter) {
        leave(&mut self.holding, &(map, key.clone()), waiter);
    }

    /// Notes who waits for a condition about maps of this service.
    pub fn watch(&mut self, owner: NodeRef, waiter: Waiter) {
        self.watching.entry(owner).or_default().push(waiter);
    }

    /// Notes that somebody waits no longer.
    pub fn unwatch(&mut self, owner: NodeRef, waiter: Waiter) {
        leave(&mut self.watching, &owner, waiter);
    }

    /// Who waits for a condition about maps of this service, in order of coming; they wait no more.
    pub fn watchers(&mut self, owner: NodeRef) -> Vec<Waiter> {
        if self.watching.is_empty() { Vec::new() } else { self.watching.remove(&owner).unwrap_or_default() }
    }

    /// Who has waited for this key, in order of coming; they wait no more.
    pub fn release(&mut self, map: MapRef, key: &Value) -> Vec<Waiter> {
        if self.holding.is_empty() { Vec::new() } else { self.holding.remove(&(map, key.clone())).unwrap_or_default() }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn leave<K: Ord>(waiting: &mut BTreeMap<K, Vec<Waiter>>, place: &K, waiter: Waiter) {
    let Some(waiters) = waiting.get_mut(place) else { return };
    waiters.retain(|other| *other != waiter);
    if waiters.is_empty() {
        waiting.remove(place);
    }
}

/// What an expression at a cell can see.
pub(crate) struct AtCell<'a> {
    /// The caller's values; none when the step uses none.
    pub(crate) names: Option<&'a Names>,
    /// The cell's key.
    pub(crate) key: &'a Value,
    /// What it holds.
    pub(crate) value: Value,
    /// Its version; 0 when absent.
    pub(crate) version: u64,
    /// When it was last set, if it holds something.
    pub(crate) set_at: Option<Instant>,
    /// The clocks of its node.
    pub(crate) now: Instant,
    pub(crate) wall: WallClock<'a>,
}

impl AtCell<'_> {
    /// A name's value; `map` looks into another map of the same owner.
    pub(crate) fn var(&self, var: &Var, index: Option<&Value>, map: &dyn Fn(MapRef, &Value) -> Value) -> Value {
        match var {
            Var::Slot(slot) => self.named(|names| names.values.get(slot.0 as usize).cloned().unwrap_or_default()),
            Var::Value => self.value.clone(),
            Var::CellVersion => Value::Int(self.version as i64),
            Var::Age => self.set_at.map_or(Value::Null, |at| nanos(self.now.since(at))),
            Var::Key => self.key.clone(),
            Var::Now => Value::Int(self.wall.read().nanos() as i64),
            Var::Map(other) => index.map_or(Value::Null, |index| map(*other, index)),
            Var::Try => self.named(|names| Value::Int(i64::from(names.number))),
            Var::Reason => self.named(|names| names.reason.clone()),
            Var::ReplicaVersion => self.named(|names| names.version.clone()),
        }
    }

    fn named(&self, value: impl FnOnce(&Names) -> Value) -> Value {
        self.names.map_or(Value::Null, value)
    }

    /// Whether a condition holds here; none always does.
    pub(crate) fn holds(
        &self,
        condition: Option<&Expr<Var>>,
        map: &dyn Fn(MapRef, &Value) -> Value,
    ) -> Result<bool, EvalError> {
        condition.map_or(Ok(true), |condition| condition.is_true(&mut |var, index| self.var(var, index, map)))
    }
}

impl AtCell<'_> {
    /// What a set makes of the cell; `None` when its condition does not hold.
    pub(crate) fn next(
        &self,
        to: &Template,
        condition: Option<&Expr<Var>>,
        map: &dyn Fn(MapRef, &Value) -> Value,
    ) -> Result<Option<Value>, EvalError> {
        if !self.holds(condition, map)? {
            return Ok(None);
        }
        fill(to, &mut |var: &Var, index: Option<&Value>| self.var(var, index, map)).map(Some)
    }
}

fn nanos(length: Duration) -> Value {
    Value::Int(i64::try_from(length.nanos()).unwrap_or(i64::MAX))
}

/// A template's value, given those of its names.
pub(crate) fn fill(
    template: &Template,
    env: &mut impl FnMut(&Var, Option<&Value>) -> Value,
) -> Result<Value, EvalError> {
    match template {
        Template::Constant(value) => Ok(value.clone()),
        Template::Var(var) => Ok(env(var, None)),
        Template::Expr(expr) => expr.eval(env),
        Template::Text(pieces) => {
            let mut text = String::new();
            for piece in pieces {
                match piece {
                    Piece::Literal(literal) => text.push_str(literal),
                    Piece::Var(var) => text.push_str(&env(var, None).to_string()),
                }
                if text.len() > TEXT_MAX {
                    return Err(EvalError::TooLong);
                }
            }
            Ok(Value::Text(text.into()))
        }
    }
}
