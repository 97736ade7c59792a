//! The coordinator of a transaction over several stores: collects votes, decides, and tells until everybody knows.
//!
//! Two-phase commit with its presumptions as in Mohan, Lindsay and Obermarck, "Transaction Management in the R* Distributed Database
//! Management System" (TODS 1986); three phases as in Skeen, "Nonblocking Commit Protocols" (SIGMOD 1981); `recover`, `forget` and
//! heuristic outcomes as in X/Open's "Distributed Transaction Processing: The XA Specification" (1991).
//!
//! What a replica forces it notes on the shelves, where the durable maps of services lie: that takes no time and no crash takes it. Where
//! the service has a `log`, that is on a disk of the replica's own, and nothing is told before it is durable there.
//!
//! What it has not noted it has not decided, and a later life aborts it: by asking for what was promised (XA), by its own note that
//! votes were collected (presumed commit), or when a participant asks.

use serde::Serialize;
use sim_core::{Cause, NodeId, Unanswered};

use super::exec::{Next, TRY};
use super::log::{Awaits, Entry, Instead};
use super::service::{Cx, Service, is_none};
use super::thread::{Alarm, Frame, Pending, Phase, Role, Thread, Txn};
use super::transaction::tell_facts;
use crate::message::{
    CallId, Counted, Decision, EdgeCounted, Extra, FactChange, Msg, Note, Operation, Outcome, Sort, Tone, TxnId,
};
use crate::program::{EdgeRef, Heuristic, Presume, Program, Protocol, ProtocolDef, Reason, StepRef, Verb};
use crate::shelf::Agreed;
use crate::slab::Key;
use crate::value::Value;

/// Mixed into what is asked, with how often it was.
const ROUND: u64 = 0x726f_756e_6400_0000;
/// Mixed into what another life goes on with.
const RECOVERED: u64 = 0x7265_636f_7665_0000;
/// Nobody's place: what is sent with it is not answered, or not to a thread.
const NOBODY: Key = Key { place: u32::MAX, turn: 0 };
/// The number of what is no transaction: the question what was promised.
const SCAN: u32 = 0;

/// A transaction whose stores agree on what becomes of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Commitment {
    /// Whose step waits for it.
    thread: Option<Key>,
    step: StepRef,
    cause: Cause,
    members: Vec<Member>,
    stage: Stage,
    /// Why it aborts, if it does.
    reason: Outcome,
    /// Whether the decision is acknowledged, and whether there is a note of it to be ended.
    acked: bool,
    noted: bool,
    /// Whether a participant has decided alone, and otherwise.
    mixed: bool,
    /// How many have, and whether one may have.
    #[serde(skip_serializing_if = "is_none")]
    alone: u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hazard: bool,
    /// Whether a store has voted no, so that no decision of others makes it done.
    #[serde(skip)]
    refused: bool,
    rounds: u32,
    timer: Option<Key>,
}

/// A store that takes part.
#[derive(Clone, Debug, Serialize)]
struct Member {
    edge: EdgeRef,
    to: NodeId,
    is: Is,
    /// Whether an operation before was given up, and may still come there.
    strays: bool,
    /// What was asked of it at this stage and is not answered.
    asked: Vec<Key>,
    /// How often it may have been told of the decision.
    #[serde(skip)]
    told: u32,
    /// Whether it has decided alone, and is to forget that once all is known.
    #[serde(skip)]
    alone: bool,
}

/// How far a store is, as the coordinator knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Is {
    /// It has not voted.
    Asked,
    Yes,
    /// It has voted no, or yes and it makes no difference to it: it need not hear of the decision.
    Out,
    /// It knows that all have promised.
    Ready,
    /// It knows the decision.
    Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Stage {
    /// A record is on its way to the disk: that votes are collected, or what was decided.
    Noting(Option<bool>),
    Voting,
    Precommitting,
    Decided(bool),
    /// Asks what was promised to former lives.
    Scanning,
}

impl Member {
    fn new(edge: EdgeRef, to: NodeId, is: Is, strays: bool) -> Self {
        Member { edge, to, is, strays, asked: Vec::new(), told: 0, alone: false }
    }

    /// Whether it has yet to answer at this stage.
    fn is_due(&self, stage: Stage) -> bool {
        match stage {
            Stage::Noting(_) => false,
            Stage::Voting | Stage::Scanning => self.is == Is::Asked,
            Stage::Precommitting => self.is == Is::Yes,
            Stage::Decided(true) => matches!(self.is, Is::Yes | Is::Ready),
            Stage::Decided(false) => matches!(self.is, Is::Asked | Is::Yes | Is::Ready),
        }
    }
}

impl Commitment {
    fn new(step: StepRef, cause: Cause, members: Vec<Member>, stage: Stage) -> Self {
        let reason = Outcome::Error(Reason::UNDONE);
        let (acked, noted, mixed, rounds, timer) = (true, false, false, 0, None);
        let (alone, hazard, refused) = (0, false, false);
        Commitment {
            thread: None,
            step,
            cause,
            members,
            stage,
            reason,
            acked,
            noted,
            mixed,
            alone,
            hazard,
            refused,
            rounds,
            timer,
        }
    }

    fn is_due(&self) -> bool {
        self.members.iter().any(|member| member.is_due(self.stage))
    }

    /// How many have promised; at least one, so that nobody is not everybody.
    fn voters(&self) -> usize {
        self.members.iter().filter(|member| member.is != Is::Out).count().max(1)
    }

    /// Whether all have rolled back alone what was to be committed: nothing of it is done, and that is sure.
    fn is_undone_by_all(&self) -> bool {
        self.stage == Stage::Decided(true) && self.alone as usize == self.voters()
    }

    /// Whether all have committed alone what was to be aborted: it is done, and that is sure.
    fn is_done_by_all(&self) -> bool {
        self.stage == Stage::Decided(false) && !self.refused && self.alone as usize == self.voters()
    }

    /// What it does, for people.
    pub(super) fn word(&self) -> &'static str {
        match self.stage {
            Stage::Noting(_) => "waits for its log",
            Stage::Voting => "collects votes",
            Stage::Precommitting => "tells that all have promised",
            Stage::Decided(true) => "tells that it commits",
            Stage::Decided(false) => "tells that it aborts",
            Stage::Scanning => "asks what was promised to former lives",
        }
    }
}

/// It is decided that a transaction commits: its facts happen, unless a store has had them happen. Those of XA may have to be taken back.
fn happen(cx: &mut Cx<'_>, id: TxnId, def: &ProtocolDef) {
    let facts = cx.shared_mut().take_due(id);
    if facts.is_empty() {
        return;
    }
    tell_facts(cx, &facts);
    if def.protocol == Protocol::Xa {
        cx.shared_mut().may_be_revoked(id, facts);
    }
}

/// It is decided that a transaction aborts: its facts do not happen, unless a store commits it alone.
fn expire(cx: &mut Cx<'_>, id: TxnId, def: &ProtocolDef) {
    if def.heuristic != Heuristic::Commit {
        cx.shared_mut().take_due(id);
    }
}

/// Votes and decisions.
impl Service {
    /// The steps of a transaction with a protocol were ok: its stores are asked.
    pub(super) fn agree(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        key: Key,
        step: StepRef,
        cause: Cause,
        txn: Txn,
    ) -> Next {
        let Some(def) = program.step(step).protocol() else { return Next::Over };
        if self.log_is_unreadable() {
            self.roll_back(cx, program, &txn, None);
            return self.closed(cx, program, key, Outcome::Error(Reason::DISK));
        }
        let touched = txn.members.into_iter().flatten();
        let members: Vec<Member> =
            touched.map(|member| Member::new(member.edge, member.to, Is::Asked, member.strays)).collect();
        let mut waits = false;
        if def.presume == Presume::Commit {
            let edges = members.iter().map(|member| member.edge).collect();
            self.log(cx, true);
            waits = self.agree_to(cx, txn.id, Agreed { step, cause, edges, commits: None });
        }
        cx.shared_mut().facts_are_due(txn.id, txn.facts.into());
        let noted = def.presume == Presume::Commit;
        let stage = if waits { Stage::Noting(None) } else { Stage::Voting };
        let agrees = Commitment { thread: Some(key), noted, ..Commitment::new(step, cause, members, stage) };
        self.commitments.insert(txn.id, Box::new(agrees));
        self.phase(key, Phase::Agreeing(txn.id));
        if !waits {
            self.ask_members(cx, txn.id);
            self.ask_again_later(cx, program, txn.id);
        }
        Next::Wait
    }

    /// Notes something of a transaction that is to be forced. Whether it has to wait until that is durable.
    fn agree_to(&mut self, cx: &mut Cx<'_>, id: TxnId, agreed: Agreed) -> bool {
        cx.shared_mut().agree(id, agreed.clone());
        self.note_down(cx, Entry::Agreed(id, agreed), Some(Awaits::Txn(id)))
    }

    /// Notes that a transaction need not be remembered any more. Whether it has to wait until that is durable.
    fn forget_txn(&mut self, cx: &mut Cx<'_>, id: TxnId, forced: bool) -> bool {
        cx.shared_mut().agreed_by_all(id);
        self.note_down(cx, Entry::Over(id), forced.then_some(Awaits::Txn(id)))
    }

    /// The log could not be written: has it say what it is to say of this transaction instead. False: it is to say the same.
    pub(super) fn takes_back_note(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId) -> bool {
        let Some(def) = self.protocol_of(program, id) else { return false };
        let Some(agrees) = self.commitments.get(&id) else { return false };
        let (step, cause) = (agrees.step, agrees.cause);
        let agreed = |commits| {
            let edges = agrees.members.iter().map(|member| member.edge).collect();
            Agreed { step, cause, edges, commits }
        };
        let instead = match agrees.stage {
            Stage::Noting(None) => Instead::Nothing,
            Stage::Noting(Some(true)) => Instead::of(def.protocol, def.presume),
            _ => Instead::Stands,
        };
        match instead {
            Instead::Stands => return false,
            Instead::Nothing => cx.shared_mut().agreed_by_all(id),
            Instead::Collecting => cx.shared_mut().agree(id, agreed(None)),
            Instead::Aborts => cx.shared_mut().agree(id, agreed(Some(false))),
        }
        true
    }

    /// What a transaction waited for is durable; or it is durable that it is not.
    pub(super) fn txn_noted(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId, kept: bool) {
        let Some(def) = self.protocol_of(program, id) else { return };
        let Some(agrees) = self.commitments.get_mut(&id) else { return };
        cx.because(agrees.cause.then(ROUND | u64::from(agrees.rounds)));
        match (agrees.stage, kept) {
            (Stage::Noting(None), true) => {
                agrees.stage = Stage::Voting;
                self.ask_members(cx, id);
                self.ask_again_later(cx, program, id);
            }
            (Stage::Noting(None), false) => {
                agrees.noted = false;
                self.settle_votes(cx, program, id, false, Outcome::Error(Reason::DISK));
            }
            (Stage::Noting(Some(commits)), true) => self.decided_now(cx, program, id, commits),
            (Stage::Noting(Some(_)), false) => {
                agrees.reason = Outcome::Error(Reason::DISK);
                agrees.acked = def.presume.is_forced(false) || def.protocol == Protocol::Xa;
                agrees.noted = def.presume != Presume::Abort;
                self.decided_now(cx, program, id, false);
            }
            (Stage::Voting | Stage::Precommitting | Stage::Decided(_) | Stage::Scanning, _) => {}
        }
    }

    /// Writes a record to the log of this replica.
    pub(super) fn log(&self, cx: &mut Cx<'_>, forced: bool) {
        self.count(cx, Counted::Logged);
        if forced {
            self.count(cx, Counted::Forced);
        }
    }

    fn protocol_of<'p>(&self, program: &'p Program, id: TxnId) -> Option<&'p ProtocolDef> {
        self.commitments.get(&id).and_then(|agrees| program.step(agrees.step).protocol())
    }

    /// Asks, or tells, everybody who has not answered at this stage.
    fn ask_members(&mut self, cx: &mut Cx<'_>, id: TxnId) {
        let Some(agrees) = self.commitments.get_mut(&id) else { return };
        agrees.rounds += 1;
        let (stage, step, of, acked) = (agrees.stage, agrees.step, agrees.cause.operation, agrees.acked);
        let kinds = self.kinds;
        // What was decided is told whether or not anybody waits for it.
        let votes_for = agrees.thread.filter(|_| stage == Stage::Voting);
        cx.because(agrees.cause.then(ROUND | u64::from(agrees.rounds)));
        let all = agrees.members.iter().map(|member| member.to).collect();
        let due: Vec<(EdgeRef, NodeId)> = agrees
            .members
            .iter()
            .filter(|member| member.is_due(stage))
            .map(|member| (member.edge, member.to))
            .collect();
        let (kind, operation) = match stage {
            Stage::Noting(_) => return,
            Stage::Voting => (self.kinds.prepare, Operation::Prepare { txn: id, of, step, members: all }),
            Stage::Precommitting => (self.kinds.precommit, Operation::Precommit { txn: id, of }),
            Stage::Decided(commits) => {
                let decision = if commits { Decision::Commit } else { Decision::Abort };
                (self.kinds.decide, Operation::Decide { txn: id, of, step, decision, acked })
            }
            Stage::Scanning => (self.kinds.recover, Operation::Recover),
        };
        for (edge, to) in due {
            if !operation.is_answered() {
                self.tell(cx, to, kind, operation.clone());
                continue;
            }
            cx.note(Note::Edge(edge, EdgeCounted::Call));
            if self.program.asked.amplification {
                cx.note(Note::Edge(edge, EdgeCounted::Asked));
            }
            let call =
                self.expect_answer(cx, Pending { thread: NOBODY, edge, to, kind, since: cx.now(), txn: Some(id) });
            self.tells_agreement(cx, votes_for, call);
            let agrees = self.commitments.get_mut(&id).into_iter().flat_map(|agrees| &mut agrees.members);
            agrees.filter(|member| member.to == to).for_each(|member| {
                member.asked.push(Key { place: call.place, turn: call.turn });
                member.told += u32::from(kind == kinds.decide);
            });
            cx.send(to, Msg::Ask { id: call, operation: operation.clone(), kind });
        }
    }

    /// Sends what nobody answers.
    fn tell(&self, cx: &mut Cx<'_>, to: NodeId, kind: sim_core::Kind, operation: Operation) {
        let id = CallId { life: cx.life(), place: NOBODY.place, turn: NOBODY.turn };
        cx.send(to, Msg::Ask { id, operation, kind });
    }

    fn ask_again_later(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId) {
        let Some(resend) = self.protocol_of(program, id).map(|def| def.resend) else { return };
        let timer = self.alarm(cx, resend, Alarm::Resend { txn: id });
        if let Some(agrees) = self.commitments.get_mut(&id) {
            agrees.timer = Some(timer);
        }
    }

    /// It is time to ask again whoever has not answered.
    pub(super) fn resend(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId) {
        self.ask_members(cx, id);
        self.ask_again_later(cx, program, id);
    }

    /// A store has answered, or has crashed with the question, or was not there.
    pub(super) fn member_answered(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        id: TxnId,
        pending: &Pending,
        outcome: &Outcome,
        extra: Extra,
    ) {
        let kinds = self.kinds;
        let Some(agrees) = self.commitments.get_mut(&id) else { return };
        let (stage, cause) = (agrees.stage, agrees.cause);
        let Some(member) = agrees.members.iter_mut().find(|member| member.to == pending.to) else { return };
        let was_due = member.is_due(stage);
        cx.because(cause.then(ROUND | u64::from(agrees.rounds)));
        let mut refusal = None;
        // Whether it has committed it, by what its disk says, which only whoever watches the whole knows.
        let has_it = |cx: &Cx<'_>| {
            let store = program.replicas[pending.to.0 as usize].0;
            cx.shared().session(store, id).is_some_and(|session| session.committed.is_some())
        };
        match stage {
            Stage::Voting if pending.kind == kinds.prepare && was_due => match outcome {
                Outcome::Ok(_) => member.is = if extra == Extra::ReadOnly { Is::Out } else { Is::Yes },
                // Nobody there, nobody who listened, or nobody any more: it may have promised all the same.
                Outcome::Error(reason) if extra.is_unheard() => refusal = Some(Outcome::Error(*reason)),
                Outcome::Unknown(_) => refusal = Some(Outcome::Error(Reason::UNDONE)),
                Outcome::Error(reason) => {
                    (member.is, agrees.refused) = (Is::Out, true);
                    refusal = Some(Outcome::Error(*reason));
                }
            },
            // It does not know, and has not gone: it is asked again.
            Stage::Precommitting if extra == Extra::Failed => {}
            Stage::Precommitting if pending.kind == kinds.precommit && was_due => match outcome {
                // It has ended the transaction with the others, who thought that nobody was here.
                Outcome::Error(Reason::UNDONE) => refusal = Some(Outcome::Error(Reason::UNDONE)),
                // One that has crashed asks when it is back.
                Outcome::Ok(_) | Outcome::Error(_) | Outcome::Unknown(_) => member.is = Is::Ready,
            },
            // Nobody was there, or nobody who listened: that one it has not heard.
            Stage::Decided(_) if pending.kind == kinds.decide && extra.is_unheard() => {
                member.told = member.told.saturating_sub(1);
            }
            // It has crashed with it, and may have done it: a copy of what it was told may find it otherwise.
            Stage::Decided(_) if pending.kind == kinds.decide && outcome.tone() == Tone::Unknown => member.told += 1,
            Stage::Decided(_) if pending.kind == kinds.decide && outcome.tone() == Tone::Ok => {
                if was_due {
                    member.is = Is::Told;
                }
                // It has promised, and was told of the decision no more than once, and by no copy either: it has lost what it promised.
                let is_lost = extra == Extra::NotKnown && member.told == 1 && !has_it(cx);
                if was_due && extra == Extra::NotKnown && !is_lost {
                    agrees.hazard = true;
                    self.count(cx, Counted::Hazard);
                } else if was_due && (is_lost || extra == Extra::Mixed) {
                    (agrees.mixed, agrees.alone) = (true, agrees.alone + 1);
                    member.alone = !is_lost;
                    if cx.shared_mut().is_otherwise(pending.to, id) {
                        self.count(cx, Counted::Mixed);
                    }
                }
            }
            Stage::Scanning if outcome.tone() == Tone::Ok => {
                member.is = Is::Told;
                if let Extra::Promises(promises) = extra {
                    self.promised_to_former_lives(cx, program, pending, &promises);
                }
            }
            Stage::Noting(_) | Stage::Voting | Stage::Precommitting | Stage::Decided(_) | Stage::Scanning => {}
        }
        self.waits_for_no_more(cx, program, id, pending.to);
        match refusal {
            Some(reason) => self.settle_votes(cx, program, id, false, reason),
            None => self.progress(cx, program, id),
        }
    }

    /// A store that has answered need not answer what it was asked again in the meantime.
    fn waits_for_no_more(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId, to: NodeId) {
        let Some(agrees) = self.commitments.get_mut(&id) else { return };
        let stage = agrees.stage;
        let done = agrees.members.iter_mut().filter(|member| member.to == to && !member.is_due(stage));
        let asked: Vec<Key> = done.flat_map(|member| std::mem::take(&mut member.asked)).collect();
        for key in asked {
            self.resolve(cx, program, key, Sort::Unsure);
        }
    }

    /// Goes on to the next stage when everybody has answered at this one.
    fn progress(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId) {
        let Some(def) = self.protocol_of(program, id) else { return };
        let Some(agrees) = self.commitments.get_mut(&id).filter(|agrees| !agrees.is_due()) else { return };
        let (stage, cause) = (agrees.stage, agrees.cause);
        let anybody = agrees.members.iter().any(|member| member.is == Is::Yes);
        match stage {
            Stage::Noting(_) => {}
            Stage::Voting => {
                Self::milestone(cx, &def.points.prepared, cause);
                if def.protocol == Protocol::ThreePhase && anybody {
                    agrees.stage = Stage::Precommitting;
                    self.ask_members(cx, id);
                } else {
                    self.settle_votes(cx, program, id, true, Outcome::Ok(Value::Null));
                }
            }
            Stage::Precommitting => self.settle_votes(cx, program, id, true, Outcome::Ok(Value::Null)),
            Stage::Decided(_) | Stage::Scanning => self.agreed(cx, program, id),
        }
    }

    /// Decides: notes it, and tells everybody. `reason`: what comes of the transaction where it aborts.
    fn settle_votes(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId, commits: bool, reason: Outcome) {
        let Some(def) = self.protocol_of(program, id) else { return };
        let Some(agrees) = self.commitments.get_mut(&id) else { return };
        let (step, cause) = (agrees.step, agrees.cause);
        (agrees.stage, agrees.reason) = (Stage::Decided(commits), reason);
        let due = agrees.members.iter().filter(|member| member.is_due(Stage::Decided(commits)));
        let edges: Vec<EdgeRef> = due.map(|member| member.edge).collect();
        // Where nobody has set anything, there is nothing to decide.
        let is_idle = commits && edges.is_empty();
        // A store that takes part in XA asks nobody, so that the coordinator must know that it has heard.
        let is_awaited = def.presume.is_forced(commits) || def.protocol == Protocol::Xa;
        agrees.acked = is_awaited && !is_idle;
        let later = |this: &mut Self, cx: &mut Cx<'_>, after| {
            this.alarm(cx, after, Alarm::Noted { txn: id });
            false
        };
        let waits = match (def.presume, commits) {
            _ if is_idle => agrees.noted && self.forget_txn(cx, id, false),
            (Presume::Nothing, _) | (Presume::Abort, true) => {
                agrees.noted = true;
                self.log(cx, def.noted_after.is_none());
                match def.noted_after {
                    None => self.agree_to(cx, id, Agreed { step, cause, edges, commits: Some(commits) }),
                    Some(after) => later(self, cx, after),
                }
            }
            (Presume::Commit, true) => {
                agrees.noted = false;
                self.log(cx, def.noted_after.is_none());
                match def.noted_after {
                    None => self.forget_txn(cx, id, true),
                    Some(after) => later(self, cx, after),
                }
            }
            // Who knows nothing of it takes it for aborted; and that votes were collected is noted already.
            (Presume::Abort, false) | (Presume::Commit, false) => false,
        };
        if !waits {
            self.decided_now(cx, program, id, commits);
        } else if let Some(agrees) = self.commitments.get_mut(&id) {
            agrees.stage = Stage::Noting(Some(commits));
        }
    }

    /// The decision stands, and is told.
    fn decided_now(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId, commits: bool) {
        let Some(def) = self.protocol_of(program, id) else { return };
        let Some(agrees) = self.commitments.get_mut(&id) else { return };
        agrees.stage = Stage::Decided(commits);
        let (cause, acked) = (agrees.cause, agrees.acked);
        if commits {
            happen(cx, id, def);
        } else {
            expire(cx, id, def);
        }
        Self::milestone(cx, &def.points.decided, cause);
        self.give_up_questions(cx, program, id);
        self.ask_members(cx, id);
        if acked && self.commitments.get(&id).is_some_and(|agrees| agrees.timer.is_none()) {
            // Nobody has been asked for a vote.
            self.ask_again_later(cx, program, id);
        }
        if !acked && let Some(agrees) = self.commitments.get_mut(&id) {
            agrees.members.iter_mut().for_each(|member| member.is = Is::Told);
        }
        // The answer of XA says how it ended everywhere, where that can be otherwise than was decided.
        let may_be_otherwise = commits || def.heuristic == Heuristic::Commit;
        if def.protocol != Protocol::Xa || !may_be_otherwise {
            self.step_over(cx, program, id);
        }
        self.progress(cx, program, id);
    }

    /// What was decided, and told, is durable now: a crash until here has taken it. Where the note is to go with the commit, or the
    /// transaction is over, there is none any more.
    pub(super) fn noted(&self, cx: &mut Cx<'_>, id: TxnId) {
        match self.commitments.get(&id).map(|agrees| &**agrees) {
            Some(Commitment { stage: Stage::Decided(commits), noted: true, step, cause, members, .. }) => {
                let edges = members.iter().filter(|member| member.is != Is::Out).map(|member| member.edge).collect();
                let commits = Some(*commits);
                cx.shared_mut().agree(id, Agreed { step: *step, cause: *cause, edges, commits });
            }
            Some(_) | None => cx.shared_mut().agreed_by_all(id),
        }
    }

    /// What was asked before the decision is not waited for any more.
    fn give_up_questions(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId) {
        let members = self.commitments.get_mut(&id).into_iter().flat_map(|agrees| &mut agrees.members);
        let asked: Vec<Key> = members.flat_map(|member| std::mem::take(&mut member.asked)).collect();
        for key in asked {
            self.resolve(cx, program, key, Sort::Unsure);
        }
    }

    /// The step that waits has its outcome.
    fn step_over(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId) {
        let Some(agrees) = self.commitments.get_mut(&id) else { return };
        let Some(thread) = agrees.thread.take() else { return };
        let outcome = match agrees.stage {
            Stage::Decided(true) if agrees.is_undone_by_all() => Outcome::Error(Reason::ROLLED_BACK),
            Stage::Decided(false) if agrees.is_done_by_all() => Outcome::Ok(Value::Null),
            Stage::Decided(_) if agrees.mixed => Outcome::Unknown(Reason::MIXED),
            Stage::Decided(true) if agrees.hazard => Outcome::Unknown(Reason::HAZARD),
            Stage::Decided(true) => Outcome::Ok(Value::Null),
            Stage::Noting(_) | Stage::Voting | Stage::Precommitting | Stage::Scanning | Stage::Decided(false) => {
                agrees.reason.clone()
            }
        };
        let next = self.closed(cx, program, thread, outcome);
        self.drive(cx, program, thread, next);
    }

    /// Everybody knows: it is over.
    fn agreed(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId) {
        let Some(def) = self.protocol_of(program, id) else { return };
        self.step_over(cx, program, id);
        let Some(agrees) = self.commitments.remove(&id) else { return };
        if let Some(timer) = agrees.timer {
            self.disarm(cx, timer);
        }
        let facts = cx.shared_mut().take_revocable(id);
        if agrees.is_undone_by_all() && !facts.is_empty() {
            // All have decided alone: nothing of it has happened after all.
            let back = |(fact, key, times): &FactChange| (*fact, key.clone(), -times);
            tell_facts(cx, &facts.iter().map(back).collect::<Vec<_>>());
        }
        if agrees.noted {
            self.log(cx, false);
            self.forget_txn(cx, id, false);
        }
        // Not before: another life would not know how many were alone.
        for member in agrees.members.iter().filter(|member| member.alone) {
            let of = agrees.cause.operation;
            self.tell(cx, member.to, self.kinds.forget, Operation::Forget { txn: id, of });
        }
        for member in agrees.members.iter().filter(|member| member.strays) {
            // What was given up may have come behind the decision, and have opened the transaction again.
            cx.send(member.to, Msg::Rollback { txn: id, kind: self.kinds.rollback });
        }
        if id.number != SCAN {
            Self::milestone(cx, &def.points.done, agrees.cause);
        }
    }
}

/// What becomes of it when somebody goes, or comes back.
impl Service {
    /// The time of a transaction is up while its stores agree. False: the attempt in that frame does not wait for that.
    pub(super) fn agreement_timed_out(&mut self, cx: &mut Cx<'_>, program: &Program, key: Key, depth: usize) -> bool {
        let frame = self.threads.get(key).and_then(|thread| thread.frames.get(depth));
        let Some(Frame { role: Role::Attempt(attempt), .. }) = frame else { return false };
        let (Phase::Agreeing(id), cause) = (&attempt.phase, attempt.cause.then(TRY | u64::from(attempt.number))) else {
            return false;
        };
        let id = *id;
        let Some(stage) = self.commitments.get(&id).map(|agrees| agrees.stage) else { return false };
        if let Some(attempt) = self.threads.get_mut(key).and_then(Thread::attempt) {
            attempt.timer = None;
        }
        cx.because(cause);
        match stage {
            // Nothing was decided, so that nothing is done for sure.
            Stage::Noting(None) | Stage::Voting => {
                self.settle_votes(cx, program, id, false, Outcome::Error(Reason::UNDONE));
            }
            Stage::Precommitting => self.settle_votes(cx, program, id, true, Outcome::Ok(Value::Null)),
            // What is on its way to the disk may be there.
            Stage::Noting(Some(_)) | Stage::Decided(_) | Stage::Scanning => return false,
        }
        true
    }

    /// Nobody waits for a transaction: what is not decided is aborted.
    pub(super) fn nobody_waits(&mut self, cx: &mut Cx<'_>, program: &Program, id: TxnId) {
        let Some(agrees) = self.commitments.get_mut(&id) else { return };
        agrees.thread = None;
        if matches!(agrees.stage, Stage::Noting(None) | Stage::Voting) {
            let because = cx.cause();
            self.settle_votes(cx, program, id, false, Outcome::Error(Reason::UNDONE));
            cx.because(because);
        }
    }

    /// A participant that has promised asks what was decided.
    pub(super) fn inquired(&mut self, cx: &mut Cx<'_>, program: &Program, from: NodeId, id: TxnId, step: StepRef) {
        let Some(def) = program.step(step).protocol() else { return };
        if !self.knows_its_log() {
            // It asks again.
            return;
        }
        let is_three = def.protocol == Protocol::ThreePhase;
        match self.commitments.get(&id).map(|agrees| agrees.stage) {
            // With three phases whoever asks has waited for too long: what is not known to all is aborted, and what is, is not.
            Some(Stage::Voting) if is_three => {
                self.settle_votes(cx, program, id, false, Outcome::Error(Reason::UNDONE));
            }
            Some(Stage::Precommitting) => self.settle_votes(cx, program, id, true, Outcome::Ok(Value::Null)),
            // It will hear.
            Some(Stage::Noting(_) | Stage::Voting | Stage::Decided(_) | Stage::Scanning) => {}
            // Others have decided without this one.
            None if is_three => {}
            None => {
                let decision = if def.presume == Presume::Commit { Decision::Commit } else { Decision::Abort };
                let of = cx.cause().operation;
                self.tell(cx, from, self.kinds.decide, Operation::Decide { txn: id, of, step, decision, acked: false });
            }
        }
    }

    /// Whether a transaction is being voted on.
    pub(super) fn votes_on(&self, id: TxnId) -> bool {
        let stage = self.commitments.get(&id).map(|agrees| agrees.stage);
        matches!(stage, Some(Stage::Noting(_) | Stage::Voting | Stage::Precommitting))
    }

    /// Goes on with what former lives have noted: what was decided is told again, and what was not is aborted.
    pub(super) fn recover(&mut self, cx: &mut Cx<'_>, program: &Program) {
        let life = u64::from(cx.life());
        // Where the log is read from a disk first, this life may have noted something by now.
        let mut former = cx.shared().agreed_of(cx.id());
        former.retain(|(id, _)| id.life < cx.life());
        for (id, Agreed { step, cause, edges, commits }) in former {
            // A former life may have told them.
            let told = |edge| Member { told: 1, ..self.member(program, edge, Is::Yes) };
            let members = edges.into_iter().map(told).collect();
            let stage = Stage::Decided(commits.unwrap_or(false));
            let agrees = Commitment::new(step, cause.then(RECOVERED | life), members, stage);
            self.commitments.insert(id, Box::new(Commitment { noted: true, ..agrees }));
            if let Some(def) = program.step(step).protocol() {
                match commits {
                    // A decision that was on the disk, and of which nobody has heard, has happened.
                    Some(true) => happen(cx, id, def),
                    None => expire(cx, id, def),
                    Some(false) => {}
                }
            }
            self.resend(cx, program, id);
        }
        let own = |step: &&crate::program::Step| program.endpoint(step.endpoint).node == self.me;
        let xa = program.steps.iter().enumerate().filter(|(_, step)| own(step)).filter_map(|(at, step)| {
            let Verb::Transaction { protocol: Some(def), .. } = &step.verb else { return None };
            (def.protocol == Protocol::Xa).then_some((StepRef(at as u32), &def.edges))
        });
        let xa: Vec<_> = xa.collect();
        let Some((step, _)) = xa.first() else { return };
        let mut edges: Vec<EdgeRef> = xa.iter().flat_map(|(_, edges)| edges.iter().copied()).collect();
        edges.sort_unstable();
        edges.dedup();
        let members = edges.into_iter().map(|edge| self.member(program, edge, Is::Asked)).collect();
        let id = TxnId { node: cx.id().0, life: cx.life(), number: SCAN };
        let scan = Commitment::new(*step, cx.cause().then(RECOVERED | life), members, Stage::Scanning);
        self.commitments.insert(id, Box::new(scan));
        self.resend(cx, program, id);
    }

    fn member(&self, program: &Program, edge: EdgeRef, is: Is) -> Member {
        let to = program.node(program.edges[edge.0 as usize].1).replicas[0];
        Member::new(edge, to, is, false)
    }

    /// A store names what it has promised to this replica, or under its prefix. What a former life has not noted as decided is aborted;
    /// the promises of this life are not the scan's business.
    fn promised_to_former_lives(
        &mut self,
        cx: &mut Cx<'_>,
        program: &Program,
        pending: &Pending,
        promises: &[(TxnId, StepRef, Cause)],
    ) {
        let (node, life, cause) = (cx.id().0, cx.life(), cx.cause());
        // With a shared prefix others' promises look like those of a former life, and there is no note of them here.
        for (id, step, why) in promises.iter().filter(|(id, ..)| id.node != node || id.life < life) {
            let is_new = !self.commitments.contains_key(id);
            let aborts =
                || Commitment::new(*step, why.then(RECOVERED | u64::from(life)), Vec::new(), Stage::Decided(false));
            let agrees = self.commitments.entry(*id).or_insert_with(|| Box::new(aborts()));
            if !agrees.members.iter().any(|member| member.to == pending.to) {
                agrees.members.push(Member::new(pending.edge, pending.to, Is::Yes, false));
            }
            if let Some(def) = program.step(*step).protocol().filter(|_| id.node == node) {
                expire(cx, *id, def);
            }
            self.ask_members(cx, *id);
            if is_new {
                self.ask_again_later(cx, program, *id);
            }
        }
        cx.because(cause);
    }

    /// The transactions that stores vote on, or that they are told to abort with no note of it, as they learn of a crash of this node: those
    /// that have not promised forget them.
    pub(super) fn open_votes(&self) -> Vec<Unanswered<Msg>> {
        let is_open = |agrees: &Commitment| match agrees.stage {
            Stage::Noting(None) | Stage::Voting => true,
            Stage::Decided(false) => !agrees.noted,
            Stage::Noting(Some(_)) | Stage::Precommitting | Stage::Decided(true) | Stage::Scanning => false,
        };
        let open = self.commitments.iter().filter(|(_, agrees)| is_open(agrees));
        let members = open.flat_map(|(id, agrees)| {
            let msg = Msg::Rollback { txn: *id, kind: self.kinds.rollback };
            let cause = agrees.cause;
            agrees.members.iter().map(move |member| Unanswered { from: member.to, msg: msg.clone(), cause })
        });
        members.collect()
    }
}
