//! What Raft promises (Ongaro and Ousterhout 2014, figure 3), held against the states of all nodes after each event.
//!
//! Logs are compared by hashes of everything up to an index, so that equal hashes at an index say that all before it is
//! equal too.

use std::collections::{BTreeMap, BTreeSet};

use sim_core::judge::{Judge, Judged, PropertyKind, Verdict};
use sim_core::{NodeId, Sim, Step};

use crate::node::{COMMANDS, Msg, Node, REPLICAS};
use crate::replica::{Log, Replica, Role};

/// At most one leader in a term.
pub(crate) const ELECTION_SAFETY: &str = "one leader per term";
/// Logs with an entry of one index and term in common are equal up to it.
pub(crate) const LOG_MATCHING: &str = "logs match";
/// An entry that was committed is in the logs of all leaders of later terms.
pub(crate) const LEADER_COMPLETENESS: &str = "leaders have what is committed";
/// Nobody takes for committed, or applies, another entry at that index.
pub(crate) const STATE_MACHINE_SAFETY: &str = "what is committed stays";
/// What a client was told is committed.
pub(crate) const WORD_KEPT: &str = "what was promised is committed";
/// When the faults are over, all commands get into all logs.
pub(crate) const PROGRESS: &str = "all have all in the end";

const PROPERTIES: [(&str, PropertyKind); 6] = [
    (ELECTION_SAFETY, PropertyKind::Always),
    (LOG_MATCHING, PropertyKind::Always),
    (LEADER_COMPLETENESS, PropertyKind::Always),
    (STATE_MACHINE_SAFETY, PropertyKind::Always),
    (WORD_KEPT, PropertyKind::Always),
    (PROGRESS, PropertyKind::AtEnd),
];

/// All that was seen of a run.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    /// By term: who led first in it, and the hashes of its log then, by index.
    leaders: BTreeMap<u64, (NodeId, Vec<u64>)>,
    /// By index and term of an entry: the hash of the log up to it.
    prints: BTreeMap<(u64, u64), u64>,
    /// By node: the hashes of its log, by index, when it was last seen.
    logs: BTreeMap<NodeId, Vec<u64>>,
    /// The entries that were committed, from index 1 on.
    committed: Vec<Committed>,
    /// The commands among them.
    commands: BTreeSet<u64>,
    /// Those of which a client was told.
    promised: BTreeSet<u64>,
    /// What is broken: the event, when, how.
    broken: BTreeMap<&'static str, (u64, u64, String)>,
}

#[derive(Clone, Debug)]
struct Committed {
    /// The hash of the log up to it.
    print: u64,
    /// The term in which it was committed.
    term: u64,
}

impl Watch {
    /// How many terms had a leader.
    pub(crate) fn leaders(&self) -> usize {
        self.leaders.len()
    }

    /// How many commands were committed.
    pub(crate) fn commands(&self) -> usize {
        self.commands.iter().filter(|command| **command > 0).count()
    }

    /// What is broken that must always hold, and how.
    pub(crate) fn broken(&self) -> impl Iterator<Item = (&str, &str)> {
        self.broken.iter().map(|(name, (.., how))| (*name, how.as_str()))
    }

    /// Looks at a replica; what it finds to be wrong.
    fn look(&mut self, node: NodeId, replica: &Replica, applied: (u64, u64)) -> Vec<(&'static str, String)> {
        let (view, log) = (replica.view(), replica.log());
        let mut wrong = Vec::new();
        wrong.extend(self.look_at_log(node, log).map(|how| (LOG_MATCHING, how)));
        wrong.extend(self.look_at_commit(view.term, view.commit, log).map(|how| (STATE_MACHINE_SAFETY, how)));
        wrong.extend(self.look_at_applied(applied).map(|how| (STATE_MACHINE_SAFETY, how)));
        if view.role == Role::Leader {
            wrong.extend(self.look_at_leader(node, view.term, log));
        }
        wrong
    }

    /// Compares what is new in a log with all that was ever seen.
    fn look_at_log(&mut self, node: NodeId, log: &Log) -> Option<String> {
        let known = self.logs.entry(node).or_default();
        let mut common = known.len().min(log.last() as usize);
        while common > 0 && known[common - 1] != log.print(common as u64) {
            common -= 1;
        }
        known.truncate(common);
        for index in common as u64 + 1..=log.last() {
            let (term, print) = (log.entry(index)?.0, log.print(index));
            known.push(print);
            if *self.prints.entry((index, term)).or_insert(print) != print {
                return Some(format!("entry {index} of term {term} has two pasts"));
            }
        }
        None
    }

    fn look_at_commit(&mut self, term: u64, commit: u64, log: &Log) -> Option<String> {
        let known = commit.min(self.committed.len() as u64);
        if let Some(last) = known.checked_sub(1).map(|place| &self.committed[place as usize])
            && last.print != log.print(known)
        {
            return Some(format!("the log up to {known} was committed, and another is taken for committed"));
        }
        for index in known + 1..=commit {
            let print = log.print(index);
            self.committed.push(Committed { print, term });
            self.commands.extend(log.entry(index).map(|(_, command)| command));
            let later =
                self.leaders.range(term + 1..).find(|(_, (_, log))| log.get(index as usize - 1) != Some(&print));
            if let Some((later, _)) = later {
                return Some(format!(
                    "entry {index} is committed in term {term}, and the leader of {later} had not got it"
                ));
            }
        }
        None
    }

    fn look_at_applied(&self, (count, print): (u64, u64)) -> Option<String> {
        let last = self.committed.get(count.checked_sub(1)? as usize);
        (last.map(|last| last.print) != Some(print))
            .then(|| format!("what is applied up to {count} is not what was committed"))
    }

    fn look_at_leader(&mut self, node: NodeId, term: u64, log: &Log) -> Option<(&'static str, String)> {
        if let Some((other, _)) = self.leaders.get(&term) {
            let how = || format!("nodes {} and {} lead in term {term}", other.0, node.0);
            return (*other != node).then(|| (ELECTION_SAFETY, how()));
        }
        self.leaders.insert(term, (node, (1..=log.last()).map(|index| log.print(index)).collect()));
        let place = self.committed.iter().rposition(|committed| committed.term < term)?;
        let how = || format!("entry {} is committed, and the new leader of term {term} has not got it", place + 1);
        (log.print(place as u64 + 1) != self.committed[place].print).then(|| (LEADER_COMPLETENESS, how()))
    }

    /// Whether every replica has applied all that is committed, and that is all the client wanted.
    fn is_finished(&self, sim: &Sim<Msg>) -> bool {
        let is_done = |node| sim.actor::<Node>(NodeId(node)).map(|node| node.applied().0);
        self.promised.len() as u64 == COMMANDS
            && (0..REPLICAS).all(|node| is_done(node) == Some(self.committed.len() as u64))
    }
}

impl Judge<Msg> for Watch {
    fn after(&mut self, step: &Step, sim: &Sim<Msg>) -> Option<&str> {
        let mut wrong = Vec::new();
        if let Some(node) = step.node()
            && let Some(actor) = sim.actor::<Node>(node)
            && let Some(replica) = actor.replica()
        {
            wrong = self.look(node, replica, actor.applied());
        }
        self.promised.extend(sim.notes());
        if let Some(command) = sim.notes().iter().find(|command| !self.commands.contains(command)) {
            wrong.push((WORD_KEPT, format!("the client was told that {command} is committed")));
        }
        let first = wrong.first().map(|(name, _)| *name).filter(|name| !self.broken.contains_key(name));
        for (name, how) in wrong {
            self.broken.entry(name).or_insert((step.number, step.at.nanos(), how));
        }
        first
    }

    fn finish(&mut self, sim: &Sim<Msg>) -> Vec<Judged> {
        let is_finished = self.is_finished(sim);
        let judged = |(name, kind): (&str, PropertyKind)| {
            let broken = self.broken.get(name).cloned();
            let (event, at) = broken.as_ref().map(|(event, at, _)| (*event, *at)).unzip();
            let holds = broken.is_none() && (kind != PropertyKind::AtEnd || is_finished);
            let verdict = if holds { Verdict::Held } else { Verdict::Broken };
            Judged {
                name: name.to_owned(),
                kind,
                verdict,
                event,
                at,
                detail: broken.map_or(String::new(), |(.., how)| how),
            }
        };
        PROPERTIES.map(judged).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use raft::eraftpb::Entry;

    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    /// A log of entries of these terms and commands.
    fn log(entries: &[(u64, u64)]) -> Log {
        let mut log = Log::default();
        for ((term, command), index) in entries.iter().zip(1..) {
            let data = command.to_le_bytes().to_vec().into();
            log.put(Entry { term: *term, index, data, ..Entry::default() });
        }
        log
    }

    #[test]
    fn two_leaders_of_a_term_are_seen_and_one_that_is_looked_at_twice_is_not_two() {
        let (mut watch, log) = (Watch::default(), log(&[]));
        assert_eq!(watch.look_at_leader(A, 1, &log), None);
        assert_eq!(watch.look_at_leader(A, 1, &log), None);
        assert_eq!(watch.look_at_leader(B, 2, &log), None);
        assert_eq!(watch.look_at_leader(B, 1, &log).map(|(name, _)| name), Some(ELECTION_SAFETY));
    }

    #[test]
    fn logs_that_share_an_entry_and_not_what_is_before_it_are_seen() {
        let mut watch = Watch::default();
        assert_eq!(watch.look_at_log(A, &log(&[(1, 1), (1, 2), (2, 3)])), None);
        assert_eq!(watch.look_at_log(A, &log(&[(1, 1), (3, 4)])), None, "what is not committed may be overwritten");
        assert_eq!(watch.look_at_log(B, &log(&[(1, 1), (1, 2)])), None);
        assert!(watch.look_at_log(B, &log(&[(1, 1), (2, 9), (2, 3)])).is_some());
        assert!(watch.look_at_log(A, &log(&[(1, 5)])).is_some(), "two entries of one index and term");
    }

    #[test]
    fn another_entry_where_one_was_committed_is_seen() {
        let mut watch = Watch::default();
        assert_eq!(watch.look_at_commit(1, 2, &log(&[(1, 1), (1, 2)])), None);
        assert_eq!(watch.look_at_commit(2, 1, &log(&[(1, 1), (2, 3)])), None, "only the first is taken for committed");
        assert!(watch.look_at_commit(2, 2, &log(&[(1, 1), (2, 3)])).is_some());
        let right = crate::replica::print(0, 1, 1);
        assert_eq!(watch.look_at_applied((0, 0)), None);
        assert_eq!(watch.look_at_applied((1, right)), None);
        assert!(watch.look_at_applied((1, right + 1)).is_some());
        assert!(watch.look_at_applied((3, right)).is_some(), "more than was committed");
    }

    #[test]
    fn a_leader_without_what_was_committed_is_seen_whichever_comes_first() {
        let (whole, part) = (log(&[(1, 1), (1, 2)]), log(&[(1, 1)]));
        let mut watch = Watch::default();
        assert_eq!(watch.look_at_commit(1, 2, &whole), None);
        assert_eq!(watch.look_at_leader(A, 1, &part), None, "a leader of the same term need not have it yet");
        assert_eq!(watch.look_at_leader(A, 2, &whole), None);
        assert_eq!(watch.look_at_leader(B, 3, &part).map(|(name, _)| name), Some(LEADER_COMPLETENESS));
        let mut watch = Watch::default();
        assert_eq!(watch.look_at_leader(B, 3, &part), None);
        assert!(watch.look_at_commit(1, 2, &whole).is_some());
    }
}
