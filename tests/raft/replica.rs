//! TiKV's raft as somebody else's program: what it is made from, what it is told, what it says.
//!
//! Two things of it are no input and are owned here. It draws election timeouts from a generator of the thread: behind
//! every call the timeout is set to one that came with a call. Its own storage in memory shares what it holds with its
//! copies: [`Log`] does not.

use std::collections::VecDeque;
use std::sync::Arc;

use protobuf::Message as _;
use raft::eraftpb::{ConfState, Entry, HardState, Message, Snapshot};
use raft::util::limit_size;
use raft::{Config, Error, GetEntriesContext, RaftState, RawNode, StateRole, Storage, StorageError};
use serde::Serialize;
use sim_core::digest::fingerprint;
use sim_core::guest::Foreign;
use sim_core::seed::mix;
use slog::{Discard, Logger, o};

/// Ticks from one heartbeat of a leader to the next.
const HEARTBEAT: usize = 2;
/// Ticks without a leader after which the most impatient replica stands for election; the most patient waits almost
/// twice as long.
pub(crate) const ELECTION: usize = 10;

/// What a replica starts from.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Recipe {
    /// Its number in the group, from 1.
    pub(crate) id: u64,
    /// How many there are.
    pub(crate) voters: u64,
    /// What stands on its disk, in the order in which it was written.
    pub(crate) records: Vec<Arc<[u8]>>,
    /// Which of the crate's options are on.
    pub(crate) options: Options,
    /// Who says when it is to lose patience.
    pub(crate) timeouts: Timeouts,
    /// Its first patience beyond the least, in ticks below [`ELECTION`].
    pub(crate) patience: u64,
}

/// Options of the crate that change how leaders come and go.
#[derive(Clone, Copy, Debug, Hash, Serialize)]
pub(crate) struct Options {
    /// A leader that hears from no majority gives up.
    pub(crate) check_quorum: bool,
    /// Who wants to stand for election asks first whether anybody would vote for it.
    pub(crate) pre_vote: bool,
}

/// Who draws election timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub(crate) enum Timeouts {
    /// The node, by its keyed dice.
    Keyed,
    /// The crate, from the generator of the thread: what must not be.
    OfTheThread,
}

/// One thing a replica is told, and the patience it has if that makes it draw a new one.
#[derive(Debug, Hash)]
pub(crate) struct Told {
    /// What.
    pub(crate) what: What,
    /// In ticks below [`ELECTION`].
    pub(crate) patience: u64,
}

/// What a replica can be told.
#[derive(Debug, Hash)]
pub(crate) enum What {
    /// Time goes on.
    Tick,
    /// Another replica says this.
    Heard(Packet),
    /// A client wants this command in the log.
    Propose(u64),
    /// All writes up to the one of this number are durable.
    Durable(u64),
}

/// A message from one replica to another, as it is on the wire.
#[derive(Clone, Debug, Hash, Serialize)]
pub(crate) struct Packet {
    /// The number of its type.
    pub(crate) kind: u16,
    /// For whom it is, by number in the group.
    pub(crate) to: u64,
    /// The encoded message.
    pub(crate) bytes: Arc<[u8]>,
}

/// What a replica says to what it is told.
#[derive(Debug, Default, Hash)]
pub(crate) struct Said {
    /// Messages that are to go out now.
    pub(crate) packets: Vec<Packet>,
    /// Records to put behind the others on the disk.
    pub(crate) records: Vec<Arc<[u8]>>,
    /// The number by which it wants to hear that these records are durable, and all before them.
    pub(crate) awaits: Option<u64>,
    /// Terms and commands of the entries that are committed, in order; command 0 is what a new leader commits first.
    pub(crate) committed: Vec<(u64, u64)>,
    /// Whether it could not take the command: it knows of no leader.
    pub(crate) declined: bool,
    /// How it stands.
    pub(crate) view: View,
}

/// How a replica stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct View {
    /// Its term.
    pub(crate) term: u64,
    /// For whom it voted in it; 0 for nobody.
    pub(crate) vote: u64,
    /// Its role.
    pub(crate) role: Role,
    /// Who leads, as far as it knows; 0 for nobody.
    pub(crate) leader: u64,
    /// The last entry it knows to be committed.
    pub(crate) commit: u64,
    /// The last entry of its log.
    pub(crate) last: u64,
}

/// The roles of replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) enum Role {
    /// Follows, or waits for somebody to follow.
    #[default]
    Follower,
    /// Asks whether anybody would vote for it.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads.
    Leader,
}

/// The program.
pub(crate) struct Replica {
    raw: RawNode<Log>,
    timeouts: Timeouts,
    /// The election timeout in ticks, and how the replica stood when it was drawn.
    timeout: usize,
    stood: (u64, StateRole, u64),
    /// What waits for the disk, in order.
    held: VecDeque<Held>,
    /// All writes up to this one are durable.
    durable: u64,
}

/// Messages that may go out once a write is durable, and those before it.
struct Held {
    number: u64,
    writes: bool,
    packets: Vec<Packet>,
}

impl Foreign for Replica {
    type Recipe = Recipe;
    type Input = Told;
    type Output = Said;

    fn make(recipe: &Recipe) -> Self {
        let config = Config {
            id: recipe.id,
            election_tick: ELECTION,
            heartbeat_tick: HEARTBEAT,
            max_size_per_msg: 256,
            max_inflight_msgs: 8,
            check_quorum: recipe.options.check_quorum,
            pre_vote: recipe.options.pre_vote,
            ..Config::default()
        };
        let log = Log::recovered(recipe.voters, &recipe.records);
        let raw = RawNode::new(&config, log, &Logger::root(Discard, o!())).expect("a sound configuration");
        let timeouts = recipe.timeouts;
        let (timeout, stood) = (ELECTION + recipe.patience as usize, (0, StateRole::Follower, 0));
        let mut replica = Replica { raw, timeouts, timeout, stood, held: VecDeque::new(), durable: 0 };
        replica.stood = replica.stands();
        replica.own_the_timeout(recipe.patience);
        replica
    }

    fn tell(&mut self, told: &Told) -> Said {
        let mut said = Said::default();
        match &told.what {
            What::Tick => _ = self.raw.tick(),
            What::Heard(packet) => {
                let message = Message::parse_from_bytes(&packet.bytes).expect("what a replica has encoded");
                // What it refuses (a proposal without a leader) is lost, as a message is.
                _ = self.raw.step(message);
            }
            What::Propose(command) => {
                said.declined = self.raw.propose(Vec::new(), command.to_le_bytes().to_vec()).is_err();
            }
            What::Durable(number) => self.durable = self.durable.max(*number),
        }
        self.own_the_timeout(told.patience);
        self.settle(&mut said);
        self.own_the_timeout(told.patience);
        said.view = self.view();
        said
    }
}

impl Replica {
    fn stands(&self) -> (u64, StateRole, u64) {
        (self.raw.raft.term, self.raw.raft.state, self.raw.raft.leader_id)
    }

    /// The crate draws a timeout with each change of term, role or leader, and reads it at a tick. Here it is
    /// replaced before the next one, whether or not it was drawn: by that of this call if the replica stands
    /// otherwise than before it.
    fn own_the_timeout(&mut self, patience: u64) {
        if self.stands() != self.stood {
            (self.stood, self.timeout) = (self.stands(), ELECTION + patience as usize);
        }
        match self.timeouts {
            Timeouts::Keyed => self.raw.raft.set_randomized_election_timeout(self.timeout),
            Timeouts::OfTheThread => {}
        }
    }

    /// Hands out what is ready, as the crate's documentation of asynchronous writes has it, until nothing is.
    fn settle(&mut self, said: &mut Said) {
        loop {
            while self.raw.has_ready() {
                self.take_ready(said);
            }
            self.raw.advance_apply();
            if !self.release(said) {
                break;
            }
        }
    }

    fn take_ready(&mut self, said: &mut Said) {
        let mut ready = self.raw.ready();
        said.packets.extend(ready.take_messages().iter().map(packet));
        said.committed.extend(ready.take_committed_entries().iter().map(|entry| (entry.term, command(entry))));
        let log = self.raw.mut_store();
        for entry in ready.take_entries() {
            said.records.push(record(ENTRY, &entry));
            log.put(entry);
        }
        if let Some(hard) = ready.hs() {
            said.records.push(record(HARD_STATE, hard));
            log.hard = hard.clone();
        }
        let (number, writes) = (ready.number(), ready.must_sync());
        if writes {
            said.awaits = Some(number);
        }
        let packets = ready.take_persisted_messages().iter().map(packet).collect();
        self.held.push_back(Held { number, writes, packets });
        self.raw.advance_append_async(ready);
    }

    /// Lets go what waits for nothing any more; whether there was any.
    fn release(&mut self, said: &mut Said) -> bool {
        let mut last = None;
        while let Some(held) = self.held.front_mut()
            && (!held.writes || held.number <= self.durable)
        {
            said.packets.append(&mut held.packets);
            last = Some(held.number);
            self.held.pop_front();
        }
        if let Some(number) = last {
            self.raw.on_persist_ready(number);
        }
        last.is_some()
    }

    /// How it stands.
    pub(crate) fn view(&self) -> View {
        let raft = &self.raw.raft;
        let role = match raft.state {
            StateRole::Follower => Role::Follower,
            StateRole::PreCandidate => Role::PreCandidate,
            StateRole::Candidate => Role::Candidate,
            StateRole::Leader => Role::Leader,
        };
        let (vote, commit, last) = (raft.vote, raft.raft_log.committed, self.log().last());
        View { term: raft.term, vote, role, leader: raft.leader_id, commit, last }
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Log {
        self.raw.store()
    }
}

fn packet(message: &Message) -> Packet {
    let bytes = message.write_to_bytes().expect("a message can be encoded").into();
    Packet { kind: message.get_msg_type() as u16, to: message.to, bytes }
}

/// The command of an entry; 0 of one that has none.
fn command(entry: &Entry) -> u64 {
    entry.data.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

const ENTRY: u8 = b'e';
const HARD_STATE: u8 = b'h';

/// What is written to the disk: which of the two it is, and the crate's own encoding.
fn record(tag: u8, what: &impl protobuf::Message) -> Arc<[u8]> {
    let mut bytes = vec![tag];
    what.write_to_vec(&mut bytes).expect("it can be encoded");
    bytes.into()
}

/// A storage whose copies share nothing: the log from its first entry on, and the hard state.
#[derive(Clone, Default)]
pub(crate) struct Log {
    voters: u64,
    hard: HardState,
    slots: Vec<Slot>,
}

#[derive(Clone)]
struct Slot {
    entry: Entry,
    /// A hash of this entry and of all before it.
    print: u64,
}

/// What the hash of a log becomes with another entry of this term and command.
pub(crate) fn print(before: u64, term: u64, command: u64) -> u64 {
    mix(before, fingerprint(&(term, command)))
}

impl Log {
    /// What the records of a disk come to: an entry takes the place of what stood at its index and behind it.
    fn recovered(voters: u64, records: &[Arc<[u8]>]) -> Log {
        let mut log = Log { voters, ..Log::default() };
        for record in records {
            match record.split_first() {
                Some((&ENTRY, bytes)) => log.put(Entry::parse_from_bytes(bytes).expect("an entry")),
                Some((&HARD_STATE, bytes)) => log.hard = HardState::parse_from_bytes(bytes).expect("a hard state"),
                _ => panic!("a record that nobody wrote"),
            }
        }
        log
    }

    /// Puts an entry at its index; what stood there and behind it is gone.
    pub(crate) fn put(&mut self, entry: Entry) {
        let place = entry.index as usize - 1;
        assert!(place <= self.slots.len(), "a log without a gap");
        self.slots.truncate(place);
        let print = print(self.print(entry.index - 1), entry.term, command(&entry));
        self.slots.push(Slot { entry, print });
    }

    /// The index of the last entry; 0 when there is none.
    pub(crate) fn last(&self) -> u64 {
        self.slots.len() as u64
    }

    /// A hash of all entries up to this index; 0 of none, and of what is not there.
    pub(crate) fn print(&self, index: u64) -> u64 {
        let slot = index.checked_sub(1).and_then(|place| self.slots.get(place as usize));
        slot.map_or(0, |slot| slot.print)
    }

    /// The term and the command of an entry.
    pub(crate) fn entry(&self, index: u64) -> Option<(u64, u64)> {
        let slot = self.slots.get(index.checked_sub(1)? as usize)?;
        Some((slot.entry.term, command(&slot.entry)))
    }
}

impl Storage for Log {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let voters = (1..=self.voters).collect::<Vec<u64>>();
        Ok(RaftState::new(self.hard.clone(), ConfState::from((voters, Vec::new()))))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let slots = &self.slots[low as usize - 1..high as usize - 1];
        let mut entries = slots.iter().map(|slot| slot.entry.clone()).collect();
        limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        match (index, self.entry(index)) {
            (0, _) => Ok(0),
            (_, Some((term, _))) => Ok(term),
            (_, None) => Err(Error::Store(StorageError::Unavailable)),
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// Nothing is ever cut off the front of a log, and nobody is sent a snapshot.
    fn snapshot(&self, _: u64, _: u64) -> raft::Result<Snapshot> {
        Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable))
    }
}
