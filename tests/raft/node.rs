//! A group of five replicas as nodes of a system, and a client that wants commands in their log.
//!
//! A node writes what its replica wants written to its disk and tells it once that is durable; only then does the
//! replica acknowledge it. A new life reads the disk, makes durable what it has read (a crash leaves behind what no
//! sync has covered), and makes a new replica of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use sim_core::nemesis::{Drafts, Heal, Nemesis};
use sim_core::tolerance::{Cast, Tolerance};
use sim_core::{
    Actor, Cause, Class, Context, Dist, Duration, Event, Guest, Instant, Kind, Link, Message, NodeId, Purpose, Seed,
    Sync, System, Timer,
};

use crate::replica::{ELECTION, Options, Packet, Recipe, Replica, Role, Said, Timeouts, Told, View, What, print};

/// What nodes say to each other.
#[derive(Clone, Debug, Hash, Serialize)]
pub(crate) enum Msg {
    /// What one replica says to another.
    Raft(Packet),
    /// A client wants this command in the log.
    Ask(u64),
    /// It is committed.
    Done(u64),
    /// This replica knows of no leader.
    Declined(u64),
}

impl Message for Msg {
    /// A command of which the client was told that it is committed.
    type Note = u64;
    type Shared = ();
    /// The types of messages of the crate, by their numbers, and what a client says and hears.
    const KINDS: &'static [&'static str] = &[
        "hup",
        "beat",
        "propose",
        "append",
        "append-answer",
        "vote",
        "vote-answer",
        "snapshot",
        "heartbeat",
        "heartbeat-answer",
        "unreachable",
        "snap-status",
        "check-quorum",
        "transfer-leader",
        "timeout-now",
        "read-index",
        "read-index-answer",
        "pre-vote",
        "pre-vote-answer",
        "ask",
        "done",
        "declined",
    ];
    fn kind(&self) -> Kind {
        match self {
            Msg::Raft(packet) => Kind(packet.kind),
            Msg::Ask(_) => Kind(19),
            Msg::Done(_) => Kind(20),
            Msg::Declined(_) => Kind(21),
        }
    }
}

/// When a node tells its replica that something is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Acknowledged {
    /// When it is.
    Durable,
    /// When it is written: the bug that is planted.
    Written,
}

/// How the nodes of a group are made.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct How {
    /// Options of the crate.
    pub(crate) options: Options,
    /// Who draws election timeouts.
    pub(crate) timeouts: Timeouts,
    /// When writes are acknowledged.
    pub(crate) acknowledged: Acknowledged,
}

impl How {
    /// As it should be; which options are on, a seed says.
    pub(crate) fn of(seed: Seed) -> How {
        let options = Options { check_quorum: seed.0 & 1 == 1, pre_vote: seed.0 & 2 == 2 };
        How { options, timeouts: Timeouts::Keyed, acknowledged: Acknowledged::Durable }
    }
}

const TICK: Timer = Timer(0);
const FILE: &str = "log";
/// The sync of what was found at the start; the others have the numbers of the replica's writes.
const RECOVERY: Sync = Sync(u32::MAX);
const LEADER: &str = "leader";

const PATIENCE: Purpose = Purpose::new("patience");
const PHASE: Purpose = Purpose::new("phase");
const GAP: Purpose = Purpose::new("gap");
const WHOM: Purpose = Purpose::new("whom");

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A node with a replica on it.
#[derive(Clone, Serialize)]
pub(crate) struct Node {
    how: How,
    voters: u64,
    /// What was found on the disk, until the replica is made of it.
    #[serde(skip)]
    found: Vec<Arc<[u8]>>,
    replica: Option<Guest<Replica>>,
    view: View,
    /// How many entries were applied in this life, and a hash of them.
    applied: (u64, u64),
    /// The commands among them.
    commands: BTreeSet<u64>,
    /// Who waits for which command.
    asks: BTreeMap<u64, (NodeId, Cause)>,
}

impl Node {
    fn new(how: How, voters: u64) -> Node {
        Node {
            how,
            voters,
            found: Vec::new(),
            replica: None,
            view: View::default(),
            applied: (0, 0),
            commands: BTreeSet::new(),
            asks: BTreeMap::new(),
        }
    }

    /// The replica, once there is one in this life.
    pub(crate) fn replica(&self) -> Option<&Replica> {
        let program = self.replica.as_ref()?.program();
        Some(program.unwrap_or_else(|divergence| panic!("{divergence}")))
    }

    /// What the replica was told in this life.
    pub(crate) fn guest(&self) -> Option<&Guest<Replica>> {
        self.replica.as_ref()
    }

    /// How many entries were applied, and the hash of the log up to there.
    pub(crate) fn applied(&self) -> (u64, u64) {
        self.applied
    }

    fn make_replica(&mut self, cx: &mut Context<'_, Msg>) {
        let recipe = Recipe {
            id: u64::from(cx.id().0) + 1,
            voters: self.voters,
            records: std::mem::take(&mut self.found),
            options: self.how.options,
            timeouts: self.how.timeouts,
            patience: cx.below(PATIENCE, ELECTION as u64),
        };
        self.replica = Some(Guest::new(recipe));
        let phase = cx.draw(PHASE, &Dist::Uniform(Duration::ZERO, ms(20)));
        cx.set(TICK, phase);
    }

    /// Tells the replica something, if there is one, and does what it says.
    fn tell(&mut self, what: What, cx: &mut Context<'_, Msg>) {
        let Some(replica) = &mut self.replica else { return };
        let patience = cx.below(PATIENCE, ELECTION as u64);
        let declining = match what {
            What::Propose(command) => Some(command),
            What::Tick | What::Heard(_) | What::Durable(_) => None,
        };
        let said = replica.tell(Told { what, patience }).unwrap_or_else(|divergence| panic!("{divergence}"));
        let awaits = said.awaits;
        let Said { packets, records, committed, .. } = said;
        for record in records {
            cx.append(FILE, record.clone());
        }
        for packet in packets {
            cx.send(NodeId(packet.to as u32 - 1), Msg::Raft(packet.clone()));
        }
        if let Some(command) = declining.filter(|_| said.declined)
            && let Some((client, _)) = self.asks.remove(&command)
        {
            cx.send(client, Msg::Declined(command));
        }
        let (was, view) = (std::mem::replace(&mut self.view, said.view), said.view);
        match (was.role == Role::Leader, view.role == Role::Leader) {
            (false, true) => cx.role(LEADER),
            (true, false) => cx.no_role(LEADER),
            (true, true) | (false, false) => {}
        }
        let (applied, asks) = (&mut self.applied, &mut self.asks);
        for (term, command) in committed {
            *applied = (applied.0 + 1, print(applied.1, *term, *command));
            self.commands.insert(*command);
            if let Some((client, cause)) = asks.remove(command) {
                cx.because(cause);
                cx.send(client, Msg::Done(*command));
            }
        }
        if let Some(number) = awaits {
            self.make_durable(number, cx);
        }
    }

    fn make_durable(&mut self, number: u64, cx: &mut Context<'_, Msg>) {
        cx.sync(Sync(number as u32));
        match self.how.acknowledged {
            Acknowledged::Durable => {}
            Acknowledged::Written => self.tell(What::Durable(number), cx),
        }
    }

    fn asked(&mut self, client: NodeId, command: u64, cx: &mut Context<'_, Msg>) {
        if self.commands.contains(&command) {
            return cx.send(client, Msg::Done(command));
        }
        self.asks.insert(command, (client, cx.cause()));
        self.tell(What::Propose(command), cx);
    }
}

impl Actor<Msg> for Node {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
        match event {
            Event::Start(files) => {
                self.found = files.records(FILE).map(Arc::from).collect();
                cx.sync(RECOVERY);
            }
            Event::Synced(RECOVERY, Ok(())) => self.make_replica(cx),
            Event::Synced(number, Ok(())) => self.tell(What::Durable(number.0.into()), cx),
            // Nobody knows what is on the disk: the next life reads it.
            Event::Synced(_, Err(_)) | Event::Stop { .. } => cx.exit(),
            Event::Timer(timer) => {
                cx.set(timer, ms(20));
                self.tell(What::Tick, cx);
            }
            Event::Message { msg: Msg::Raft(packet), .. } => self.tell(What::Heard(packet), cx),
            Event::Message { from, msg: Msg::Ask(command) } => self.asked(from, command, cx),
            Event::Message { msg: Msg::Done(_) | Msg::Declined(_), .. } => {}
            Event::Refused { .. } | Event::Reset { .. } => {}
        }
    }
}

/// Wants so many commands in the log, one after a while after the other, and asks another replica when one does not
/// answer.
#[derive(Clone, Serialize)]
pub(crate) struct Client {
    class: Class,
    replicas: u64,
    commands: u64,
    /// How often it has asked for each that is not known to be committed.
    open: BTreeMap<u64, u64>,
    /// Who has answered last.
    answers: Option<NodeId>,
}

/// The timer of the next command; that of a command has its number.
const NEXT: Timer = Timer(0);

impl Client {
    fn ask(&mut self, command: u64, cx: &mut Context<'_, Msg>) {
        let tries = self.open.entry(command).or_default();
        let cause = cx.begin(self.class, command);
        cx.because(cause.then(*tries));
        *tries += 1;
        let replicas: Vec<NodeId> = (0..self.replicas).map(|place| NodeId(place as u32)).collect();
        let whom = self.answers.or_else(|| cx.pick(WHOM, &replicas));
        if let Some(whom) = whom {
            cx.send(whom, Msg::Ask(command));
        }
        cx.set(Timer(command as u32), ms(500));
    }
}

impl Actor<Msg> for Client {
    fn handle(&mut self, event: Event<Msg>, cx: &mut Context<'_, Msg>) {
        match event {
            Event::Start(_) => cx.set(NEXT, ms(500)),
            Event::Timer(NEXT) => {
                self.commands += 1;
                if self.commands < COMMANDS {
                    let gap = cx.draw(GAP, &Dist::Exponential(ms(60)));
                    cx.set(NEXT, gap);
                }
                self.ask(self.commands, cx);
            }
            Event::Timer(timer) => {
                self.answers = None;
                self.ask(timer.0.into(), cx);
            }
            Event::Message { from, msg: Msg::Done(command) } => {
                if self.open.remove(&command).is_some() {
                    self.answers = Some(from);
                    cx.cancel(Timer(command as u32));
                    cx.note(command);
                }
            }
            Event::Message { from, msg: Msg::Declined(command) } => {
                if self.answers == Some(from) {
                    self.answers = None;
                }
                if self.open.contains_key(&command) {
                    cx.set(Timer(command as u32), ms(50));
                }
            }
            Event::Message { msg: Msg::Raft(_) | Msg::Ask(_), .. } => {}
            Event::Synced(..) | Event::Stop { .. } | Event::Refused { .. } | Event::Reset { .. } => {}
        }
    }
}

/// How many replicas there are.
pub(crate) const REPLICAS: u32 = 5;
/// How many commands the client wants in the log.
pub(crate) const COMMANDS: u64 = 200;
/// When a run ends: what lasts is over by 19 s, and the last of a round of restarts begins by 23 s.
pub(crate) const END: Instant = Instant::from_nanos(25_000_000_000);

/// What befalls the nodes; all of it lets go of them again.
pub(crate) const TROUBLE: &[&str] = &[
    "crash one of raft-* for 100ms..4s",
    "crash any minority of raft-* for 100ms..4s",
    "crash the leader every ~2s for 500ms",
    "power-loss one of raft-* for 100ms..4s",
    "power-loss any minority of raft-* for 100ms..4s",
    "power-loss raft-* every ~3s for 200ms",
    "power-loss the leader every ~3s for 500ms",
    "restart raft-* every 500ms..2s",
    "pause one of raft-* for 100ms..4s",
    "pause the leader every ~2s for 1s",
    "partition isolate one of raft-* for 500ms..4s",
    "partition isolate any minority of raft-* for 500ms..4s",
    "partition halves of raft-* for 500ms..4s",
    "partition bridge of raft-* for 500ms..4s",
    "partition isolate the leader every ~3s for 1s",
    "clock one of raft-* drift +1000ppm..+300000ppm",
    "clock one of raft-* drift -1000ppm..-300000ppm",
    "loss raft-*->raft-* 1%..40% for 1s..4s",
    "duplicate raft-*->raft-* 1%..30% +1ms..500ms for 1s..4s",
    "delay raft-*->raft-* +1ms..200ms ~1ms for 1s..4s",
    "disk raft-* slow x2..x50 for 1s..4s",
    "disk one of raft-* stall for 100ms..3s",
];

/// Five replicas with disks that turn, a client, a net in one room, and the faults of this seed.
pub(crate) fn system(seed: Seed, how: How) -> System<Msg> {
    let mut system = System::new();
    let class = system.class("command");
    for number in 1..=REPLICAS {
        let node = system.node(&format!("raft-{number}"), Node::new(how, REPLICAS.into()));
        system.disk(node, Dist::Exponential(ms(10)));
    }
    let replicas = REPLICAS.into();
    system.node("client", Client { class, replicas, commands: 0, open: BTreeMap::new(), answers: None });
    system.network(Link::with_latency(Dist::Uniform(Duration::from_micros(200), ms(2))));
    for fault in nemesis().draw(seed, &[], &Cast::of(&system)) {
        system.fault(fault);
    }
    system
}

fn nemesis() -> Nemesis {
    let draft = |line: &&str| line.parse().unwrap_or_else(|error| panic!("{line}: {error:?}"));
    Nemesis {
        drafts: Drafts::Declared(TROUBLE.iter().map(draft).collect()),
        faults: (2, 8),
        between: (Instant::from_nanos(1_000_000_000), Instant::from_nanos(15_000_000_000)),
        tolerance: Tolerance::default(),
        heal: Heal::All,
    }
}
