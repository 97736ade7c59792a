//! For how long workers were held for nobody.
//!
//! A request is wanted as long as whoever sent it waits for its answer and is wanted itself: a user, a clock, a queue or something in
//! the background at the end of the chain. Whoever shares an answer (`coalesce`) waits for it too. What no server knows is known here:
//! that the caller has timed out, has another answer, has given up or is down, and that the same holds of the caller's caller.

use std::collections::BTreeMap;

use sim_core::{Duration, Instant, NodeId};

use crate::message::{Asking, Sake};
use crate::program::NodeRef;

/// Who waits for what, and which workers are held for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Waste {
    /// Requests that are waited for, and others as long as something depends on them.
    asked: BTreeMap<Asking, Asked>,
    /// Workers that are held by requests.
    works: BTreeMap<Asking, Work>,
    /// Of each declared node: workers that are held for nobody now.
    idle: Vec<u32>,
    /// Up to when their time is counted.
    pub(super) since: Instant,
}

#[derive(Clone, Debug)]
struct Asked {
    /// For whom it was sent.
    sake: Sake,
    is_awaited: bool,
    /// Who shares what is done for it, and the kernel node where.
    shared: Vec<(Sake, NodeId)>,
    /// Requests that are wanted because this one is: those sent for it, and those whose answers it shares.
    causes: Vec<Asking>,
}

#[derive(Clone, Copy, Debug)]
struct Work {
    node: NodeRef,
    replica: NodeId,
    workers: u32,
    is_wanted: bool,
}

impl Asked {
    const GONE: Asked = Asked { sake: Sake::Nobody, is_awaited: false, shared: Vec::new(), causes: Vec::new() };

    fn is_over(&self) -> bool {
        !self.is_awaited && self.shared.is_empty() && self.causes.is_empty()
    }
}

impl Waste {
    pub(super) fn new(nodes: usize) -> Waste {
        Waste { idle: vec![0; nodes], ..Waste::default() }
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.asked.len() * size_of::<(Asking, Asked)>() + self.works.len() * size_of::<(Asking, Work)>()
    }

    /// What the workers of each node have come to since it was counted last; from now on that is counted.
    pub(super) fn count(&mut self, now: Instant) -> impl Iterator<Item = (NodeRef, Duration)> + '_ {
        let length = now.since(std::mem::replace(&mut self.since, now)).nanos();
        let of_node = move |(node, idle): (u16, &u32)| {
            (NodeRef(node), Duration::from_nanos(length.saturating_mul(u64::from(*idle))))
        };
        (0u16..).zip(&self.idle).map(of_node).filter(|(_, time)| !time.is_zero())
    }

    /// The same of one node between two instants, without counting it.
    pub(super) fn uncounted(&self, node: NodeRef, begin: Instant, end: Instant) -> u64 {
        let length = end.since(begin.max(self.since)).nanos();
        length.saturating_mul(u64::from(self.idle[node.0 as usize]))
    }

    /// A request was sent, and is waited for.
    pub(super) fn awaits(&mut self, call: Asking, sake: Sake) {
        self.asked.insert(call, Asked { sake, is_awaited: true, ..Asked::GONE });
        self.depends(sake, call);
        self.weigh(call);
    }

    /// Nobody waits any longer for a request.
    pub(super) fn leaves(&mut self, call: Asking) {
        let Some(asked) = self.asked.get_mut(&call) else { return };
        asked.is_awaited = false;
        let sake = std::mem::replace(&mut asked.sake, Sake::Nobody);
        self.weigh(call);
        self.depends_no_more(sake, call);
        self.forget(call);
    }

    /// What is done for a request begins, or ends, to be done for another as well, at this kernel node.
    pub(super) fn shares(&mut self, lead: Asking, follows: Sake, at: NodeId, begins: bool) {
        if begins {
            self.asked.entry(lead).or_insert(Asked::GONE).shared.push((follows, at));
            self.depends(follows, lead);
            self.weigh(lead);
            return;
        }
        let Some(asked) = self.asked.get_mut(&lead) else { return };
        let Some(place) = asked.shared.iter().position(|shares| *shares == (follows, at)) else { return };
        asked.shared.swap_remove(place);
        self.weigh(lead);
        self.depends_no_more(follows, lead);
        self.forget(lead);
    }

    /// A worker of a replica of a node begins, or ends, to be held by a request.
    pub(super) fn works(&mut self, node: NodeRef, replica: NodeId, of: Asking, begins: bool) {
        if begins {
            let is_wanted = self.is_wanted(Sake::Of(of), &mut Vec::new());
            let work = self.works.entry(of).or_insert(Work { node, replica, workers: 0, is_wanted });
            work.workers += 1;
            self.idle[node.0 as usize] += u32::from(!work.is_wanted);
            return;
        }
        let Some(work) = self.works.get_mut(&of) else { return };
        work.workers -= 1;
        self.idle[node.0 as usize] -= u32::from(!work.is_wanted);
        if work.workers == 0 {
            self.works.remove(&of);
        }
    }

    /// A kernel node is down: it waits for nothing, shares nothing and has no workers.
    pub(super) fn falls(&mut self, node: NodeId) {
        let sent: Vec<Asking> = self.asked.keys().filter(|(from, _)| *from == node).copied().collect();
        sent.into_iter().for_each(|call| self.leaves(call));
        let shared = |(lead, asked): (&Asking, &Asked)| {
            let here = asked.shared.iter().filter(|(_, at)| *at == node);
            here.map(|(follows, _)| (*lead, *follows)).collect::<Vec<_>>()
        };
        let shares: Vec<(Asking, Sake)> = self.asked.iter().flat_map(shared).collect();
        shares.into_iter().for_each(|(lead, follows)| self.shares(lead, follows, node, false));
        let idle = &mut self.idle;
        self.works.retain(|_, work| {
            let is_here = work.replica == node;
            if is_here && !work.is_wanted {
                idle[work.node.0 as usize] -= work.workers;
            }
            !is_here
        });
    }

    fn depends(&mut self, sake: Sake, call: Asking) {
        if let Sake::Of(of) = sake {
            self.asked.entry(of).or_insert(Asked::GONE).causes.push(call);
        }
    }

    fn depends_no_more(&mut self, sake: Sake, call: Asking) {
        let Sake::Of(of) = sake else { return };
        let Some(asked) = self.asked.get_mut(&of) else { return };
        if let Some(place) = asked.causes.iter().rposition(|cause| *cause == call) {
            asked.causes.swap_remove(place);
        }
        self.forget(of);
    }

    fn forget(&mut self, call: Asking) {
        if self.asked.get(&call).is_some_and(Asked::is_over) {
            self.asked.remove(&call);
        }
    }

    /// Whether somebody is at the end of the chain. Requests may share each other's answers: each is looked at once.
    fn is_wanted(&self, sake: Sake, seen: &mut Vec<Asking>) -> bool {
        let of = match sake {
            Sake::Itself => return true,
            Sake::Nobody => return false,
            Sake::Of(of) => of,
        };
        if seen.contains(&of) {
            return false;
        }
        seen.push(of);
        let Some(asked) = self.asked.get(&of) else { return false };
        (asked.is_awaited && self.is_wanted(asked.sake, seen))
            || asked.shared.iter().any(|(follows, _)| self.is_wanted(*follows, seen))
    }

    /// Looks anew at the workers of a request and of all that depend on it.
    fn weigh(&mut self, call: Asking) {
        let (mut next, mut seen) = (vec![call], Vec::new());
        while let Some(call) = next.pop() {
            if seen.contains(&call) {
                continue;
            }
            seen.push(call);
            next.extend(self.asked.get(&call).into_iter().flat_map(|asked| &asked.causes));
            if !self.works.contains_key(&call) {
                continue;
            }
            let is_wanted = self.is_wanted(Sake::Of(call), &mut Vec::new());
            let Some(work) = self.works.get_mut(&call) else { continue };
            let idle = &mut self.idle[work.node.0 as usize];
            match (std::mem::replace(&mut work.is_wanted, is_wanted), is_wanted) {
                (true, false) => *idle += work.workers,
                (false, true) => *idle -= work.workers,
                (true, true) | (false, false) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::CallId;

    const API: NodeRef = NodeRef(0);
    const SVC: NodeRef = NodeRef(1);

    fn call(from: u32, place: u32) -> Asking {
        (NodeId(from), CallId { life: 1, place, turn: 0 })
    }

    /// A user asks an api, which asks a service; a worker of each is held.
    fn chain() -> Waste {
        let mut waste = Waste::new(2);
        waste.awaits(call(9, 0), Sake::Itself);
        waste.works(API, NodeId(5), call(9, 0), true);
        waste.awaits(call(5, 0), Sake::Of(call(9, 0)));
        waste.works(SVC, NodeId(6), call(5, 0), true);
        waste
    }

    #[test]
    fn nobody_wants_what_is_done_for_somebody_whom_nobody_wants() {
        let mut waste = chain();
        assert_eq!(waste.idle, [0, 0]);
        waste.leaves(call(9, 0));
        assert_eq!(waste.idle, [1, 1]);
        // What is sent now is for nobody from the beginning.
        waste.awaits(call(5, 1), Sake::Of(call(9, 0)));
        waste.works(SVC, NodeId(6), call(5, 1), true);
        assert_eq!(waste.idle, [1, 2]);
        for pending in [call(5, 0), call(5, 1)] {
            waste.leaves(pending);
            waste.works(SVC, NodeId(6), pending, false);
        }
        waste.works(API, NodeId(5), call(9, 0), false);
        assert!(waste.idle == [0, 0] && waste.asked.is_empty() && waste.works.is_empty(), "{waste:?}");
    }

    #[test]
    fn a_node_that_falls_waits_for_nothing_and_has_no_workers() {
        let mut waste = chain();
        waste.falls(NodeId(5));
        assert_eq!(waste.idle, [0, 1]);
        waste.falls(NodeId(6));
        assert_eq!(waste.idle, [0, 0]);
        waste.leaves(call(9, 0));
        assert!(waste.asked.is_empty() && waste.works.is_empty(), "{waste:?}");
    }

    #[test]
    fn whoever_shares_an_answer_wants_it_and_two_who_share_each_others_do_not_keep_each_other() {
        let mut waste = chain();
        waste.awaits(call(8, 0), Sake::Itself);
        waste.shares(call(9, 0), Sake::Of(call(8, 0)), NodeId(5), true);
        waste.shares(call(8, 0), Sake::Of(call(9, 0)), NodeId(5), true);
        waste.leaves(call(9, 0));
        assert_eq!(waste.idle, [0, 0], "the second still waits");
        waste.leaves(call(8, 0));
        assert_eq!(waste.idle, [1, 1]);
        waste.falls(NodeId(5));
        assert_eq!(waste.idle, [0, 1]);
        waste.falls(NodeId(6));
        assert!(waste.asked.is_empty() && waste.works.is_empty(), "{waste:?}");
    }

    #[test]
    fn time_is_counted_once_and_what_is_not_counted_yet_is_known() {
        let at = |secs: u64| Instant::ZERO + Duration::from_secs(secs);
        let mut waste = chain();
        assert_eq!(waste.count(at(3)).count(), 0);
        waste.leaves(call(9, 0));
        assert_eq!(waste.uncounted(SVC, Instant::ZERO, at(5)), 2_000_000_000);
        assert_eq!(waste.uncounted(SVC, at(4), at(5)), 1_000_000_000);
        let counted: Vec<_> = waste.count(at(5)).collect();
        assert_eq!(counted, [(API, Duration::from_secs(2)), (SVC, Duration::from_secs(2))]);
        assert_eq!(waste.uncounted(SVC, Instant::ZERO, at(5)), 0);
    }
}
