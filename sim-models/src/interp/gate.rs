//! How many requests a replica has at once where a limit says so that finds itself: one more is answered `overloaded`, before it
//! stands in any line.
//!
//! As a limiter of Netflix's concurrency-limits on the side of the server (`ConcurrencyLimitServerInterceptor`): it hears of a request
//! the time from when it came to when it was answered. Probes pass, since a process that is busy is not a dead one; so does what nobody
//! asked for.

use sim_core::Duration;

use super::guards::{PROBE, draw_probe, is_lost};
use super::service::{Cx, Service};
use crate::message::Outcome;
use crate::policy::bulkhead::{Bulkhead, Entered};
use crate::policy::concurrency::Sample;
use crate::program::ServiceDef;
use crate::slab::Key;

/// The limit of a service as it begins; none where its file has none.
pub(super) fn gate(def: &ServiceDef) -> Option<Box<Bulkhead>> {
    def.limit.map(|rule| Box::new(Bulkhead::new(rule)))
}

impl Service {
    /// Whether one more request may be under way here; it is from now on.
    pub(super) fn passes_gate(&mut self, cx: &Cx<'_>, key: Key) -> bool {
        let (Some(gate), Some(request)) = (&mut self.gate, self.requests.get_mut(key)) else { return true };
        if request.from.is_none() {
            return true;
        }
        let passes = gate.enter(cx.now()) == Entered::Goes;
        request.gated = passes.then(|| gate.running());
        passes
    }

    /// A request is under way no longer. None: it was turned away behind the gate.
    pub(super) fn leave_gate(&mut self, cx: &mut Cx<'_>, key: Key, outcome: Option<&Outcome>) {
        let (Some(gate), Some(request)) = (&mut self.gate, self.requests.get_mut(key)) else { return };
        let Some(in_flight) = request.gated.take() else { return };
        let now = cx.now();
        gate.leave(now);
        if let Some(lost) = outcome.map_or(Some(true), is_lost) {
            let luck = if gate.needs_luck() { draw_probe(cx, request.cause.then(PROBE)) } else { Duration::ZERO };
            gate.hear(now, Sample { took: now.since(request.since), in_flight, lost }, luck);
        }
    }
}
