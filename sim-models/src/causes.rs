//! Says what led to a failure in so few words that two failures of one kind say the same: kinds and roles, no times, no numbers.
//!
//! While a run of a hunt goes on, sixteen bytes per event are kept: what happened, and which event caused it. From the event
//! that decided the verdict the causes are followed back. It keeps no messages, no draws and no causes of other runs.

use std::ops::ControlFlow;

use sim_core::{Fault, Happening, Kind, Limits, NodeId, Outcome, Seed, Sim, Step, Stop, Watch, run};

use crate::judge::{ScenarioJudge, Violation};
use crate::message::Msg;
use crate::program::{NodeRef, Program};
use crate::scenario::{Model, Run};

/// How many events a signature tells: the one that decided, and what caused it.
pub const LINKS: usize = 3;

/// How many of the last events are kept; what lies further back is left out of a signature.
const KEPT: usize = 1 << 22;

/// The last events of a run, each with the one that caused it; made once and used for one run after the other.
///
/// ```
/// use std::ops::ControlFlow;
/// use sim_core::{Limits, Seed};
/// use sim_models::causes::Recent;
/// use sim_models::language::Choices;
/// let scenario = sim_models::builtin::scenario("checkout").unwrap().unwrap();
/// let model = scenario.model(&Choices::none().set("orders", "20")).unwrap();
/// let mut recent = Recent::default();
/// let (run, causes) = recent.hunted(&model, Seed(0), Limits::default(), || ControlFlow::Continue(()));
/// assert_eq!(run.outcome.property(), Some("charged at most once"));
/// assert_eq!(causes.last().unwrap(), "timer of gateway");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// The event of number n stands at place n − 1, modulo [`KEPT`].
    ring: Vec<Record>,
    /// The number of the last event.
    last: u64,
}

/// An event in sixteen bytes.
#[derive(Clone, Copy, Debug)]
struct Record {
    what: Happening,
    /// How many events ago its cause happened; none when there was none, or too long ago.
    ago: u32,
}

impl Recent {
    /// One run as a hunt wants it: to its first violation, with the last causes of its failure.
    pub fn hunted(
        &mut self,
        model: &Model,
        seed: Seed,
        limits: Limits,
        mut flow: impl FnMut() -> ControlFlow<()>,
    ) -> (Run, Vec<String>) {
        self.clear();
        let (mut sim, mut judge) = model.start(seed);
        let outcome = run(&mut sim, &mut judge, &model.course(Stop::AtViolation, limits), |_: &Sim<Msg>, step| {
            self.push(step);
            flow()
        });
        let causes = decided(&judge, &outcome).map_or_else(Vec::new, |event| self.causes(model, event));
        (model.measured(seed, &sim, &judge, outcome), causes)
    }

    fn clear(&mut self) {
        self.ring.clear();
        self.last = 0;
    }

    #[inline]
    fn push(&mut self, step: &Step) {
        let ago = step.by.map_or(0, |by| u32::try_from(step.number - by).unwrap_or(0));
        let record = Record { what: step.what, ago };
        self.last = step.number;
        if self.ring.len() < KEPT {
            self.ring.push(record);
        } else {
            self.ring[(step.number - 1) as usize % KEPT] = record;
        }
    }

    fn at(&self, number: u64) -> Option<&Record> {
        let kept = number > 0 && number <= self.last && self.last - number < KEPT as u64;
        self.ring.get((number.checked_sub(1)? % KEPT as u64) as usize).filter(|_| kept)
    }

    /// The event and what caused it, in words, the first cause first.
    fn causes(&self, model: &Model, event: u64) -> Vec<String> {
        let cause = |number: &u64| {
            let ago = u64::from(self.at(*number)?.ago);
            number.checked_sub(ago).filter(|_| ago > 0)
        };
        let chain = std::iter::successors(Some(event), cause).take(LINKS);
        let words = Words { program: model.program(), faults: model.faults() };
        let mut causes: Vec<String> =
            chain.filter_map(|number| self.at(number)).map(|it| words.happening(it.what)).collect();
        causes.reverse();
        causes
    }
}

/// The event that decided the verdict of a run that failed: the last one that the broken property read, else its own.
fn decided(judge: &ScenarioJudge, outcome: &Outcome) -> Option<u64> {
    if let Some(panic) = &outcome.panic {
        return Some(panic.event);
    }
    if !outcome.verdict.is_failure() {
        return None;
    }
    let property = outcome.property()?;
    let violation = judge.violations().find(|violation| violation.property == property);
    let judged = outcome.properties.iter().find(|judged| judged.name == property).and_then(|judged| judged.event);
    violation.map(Violation::decisive).or(judged)
}

/// What happened, by kind and role: a replica is called what its declared node is called.
struct Words<'m> {
    program: &'m Program,
    faults: &'m [Fault],
}

impl Words<'_> {
    fn declared(&self, node: NodeId) -> NodeRef {
        self.program.replicas[node.0 as usize].0
    }

    fn role(&self, node: NodeId) -> &str {
        &self.program.node(self.declared(node)).name
    }

    fn kind(&self, kind: Kind) -> &str {
        self.program.kinds.get(kind.0 as usize).map_or("", String::as_str)
    }

    fn happening(&self, what: Happening) -> String {
        match what {
            Happening::Started { node, life: 1 } => format!("start of {}", self.role(node)),
            Happening::Started { node, .. } => format!("restart of {}", self.role(node)),
            Happening::Delivered { from, to, kind } => self.envelope(from, to, kind),
            Happening::Undelivered { from, to, kind } => format!("{}, which is down", self.envelope(from, to, kind)),
            Happening::Refused { by, to, kind } => {
                format!("{} refuses {} of {}", self.role(by), self.kind(kind), self.role(to))
            }
            Happening::Reset { by, to, kind } => {
                format!("{} resets {} of {}", self.role(by), self.kind(kind), self.role(to))
            }
            Happening::Fired { node, .. } => format!("timer of {}", self.role(node)),
            Happening::Synced { node, .. } => format!("sync of {}", self.role(node)),
            Happening::Stopping { node } => format!("stop of {}", self.role(node)),
            Happening::Killed { node } => format!("kill of {}", self.role(node)),
            Happening::Lapsed { node, watch: Watch::Liveness } => format!("restart of {}", self.role(node)),
            Happening::Lapsed { node, watch: Watch::Readiness } => format!("unlisting of {}", self.role(node)),
            Happening::FaultBegan { fault } => self.fault(fault),
            Happening::FaultEnded { fault } => format!("end of {}", self.fault(fault)),
        }
    }

    fn envelope(&self, from: NodeId, to: NodeId, kind: Kind) -> String {
        let verb = if self.is_request(from, to, kind) { "sends" } else { "answers" };
        format!("{} {verb} {} to {}", self.role(from), self.kind(kind), self.role(to))
    }

    /// Whether an envelope asks for something: its sender calls its receiver, and that has such an endpoint, or is a store.
    fn is_request(&self, from: NodeId, to: NodeId, kind: Kind) -> bool {
        let (from, to) = (self.declared(from), self.declared(to));
        let endpoint = |service: &crate::program::ServiceDef| {
            service.endpoints.iter().any(|endpoint| self.program.endpoint(*endpoint).kind == kind)
        };
        self.program.edges.contains(&(from, to)) && self.program.service(to).is_none_or(endpoint)
    }

    /// `crash of worker`, `loss of gateway, shop`: the verb, and the declared nodes that the line names.
    fn fault(&self, index: u32) -> String {
        let Some(fault) = self.faults.get(index as usize) else { return "fault".to_owned() };
        let mut roles: Vec<&str> = Vec::new();
        for pattern in fault.names() {
            let replicas = (0..self.program.replicas.len()).map(|node| NodeId(node as u32));
            let named = replicas.filter(|node| {
                pattern.is_all()
                    || pattern.covers(&self.program.replica_name(*node))
                    || pattern.covers(self.role(*node))
            });
            for role in named.map(|node| self.role(node)) {
                if !roles.contains(&role) {
                    roles.push(role);
                }
            }
        }
        let trigger = match fault {
            Fault::Timed(timed) => timed.trigger.as_ref(),
            Fault::Decision(_) => None,
        };
        let at = trigger.map(|trigger| format!(" at {}", trigger.step)).unwrap_or_default();
        let of = if roles.is_empty() { String::new() } else { format!(" of {}", roles.join(", ")) };
        format!("{}{of}{at}", fault.verb())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Choices;
    use crate::scenario::{Changes, Scenario};

    /// An answer that is lost makes the shop ask again; a slow gateway is asked again while it still works.
    const SHOP: &str = r#"{"faultline": 1, "name": "shop", "settings": {
        "work": {"default": "1ms"}, "lost": {"default": "0%"}, "tries": {"default": 2, "min": 1, "max": 9}},
      "nodes": {
        "shop": {"kind": "service", "endpoints": {"buy": [
            {"call": "gateway.charge", "timeout": "1s", "retry": {"tries": "${tries}"}}]}},
        "gateway": {"kind": "service", "endpoints": {"charge": [{"work": "${work}"}, {"record": "charged"}]}}},
      "workload": {"shopper": {"rate": "1/s", "limit": 5, "each": "order", "do": [{"call": "shop.buy"}]}},
      "faults": ["0s.. loss gateway->shop charge ${lost}"],
      "properties": {"once": {"at_most_once": "charged"}}}"#;

    fn check(choices: &Choices, faults: &[&str]) -> String {
        let scenario = Scenario::parse("shop.json", SHOP).expect("a scenario");
        let faults = faults.iter().map(|line| line.parse().expect("a fault")).collect();
        let model = scenario.model_with(choices, &Changes { faults, ..Changes::default() }).expect("a model");
        let flow = || ControlFlow::Continue(());
        let (run, causes) = Recent::default().hunted(&model, Seed(1), Limits::default(), flow);
        format!("{}: {}", run.outcome.verdict, causes.join(" → "))
    }

    #[test]
    fn the_last_causes_are_told_by_kind_and_role() {
        assert_eq!(check(&Choices::none(), &[]), "held: ");
        let lost = check(&Choices::none().set("lost", "100%"), &[]);
        assert_eq!(lost, "broken: timer of shop → shop sends charge to gateway → timer of gateway");
    }

    #[test]
    fn a_lost_reply_and_a_slow_link_to_the_gateway_are_two_ways_to_fail() {
        let lost = check(&Choices::none().set("lost", "100%"), &[]);
        // The first try comes last: it was caused by the shopper, not by a timer.
        let slow = check(&Choices::none(), &["late shop->gateway charge order/1 #1 3s"]);
        assert_eq!(slow, "broken: shopper sends buy to shop → shop sends charge to gateway → timer of gateway");
        assert_ne!(lost, slow);
    }

    #[test]
    fn a_crash_is_among_the_causes() {
        let reset = "0s.. loss gateway->shop charge 100%";
        let crash = check(&Choices::none().set("work", "0ms"), &[reset, "2500ms..2600ms crash shop"]);
        assert!(crash.starts_with("broken: "), "{crash}");
        let words = |fault: &str| {
            let scenario = Scenario::parse("shop.json", SHOP).expect("a scenario");
            let changes = Changes { faults: vec![fault.parse().expect("a fault")], ..Changes::default() };
            let model = scenario.model_with(&Choices::none(), &changes).expect("a model");
            let words = Words { program: model.program(), faults: model.faults() };
            words.happening(Happening::FaultBegan { fault: 0 })
        };
        assert_eq!(words("1s..2s crash shop"), "crash of shop");
        assert_eq!(words("1s..2s loss shop->gateway 5%"), "loss of shop, gateway");
    }

    #[test]
    fn an_answer_is_no_request() {
        let model = Scenario::parse("shop.json", SHOP).expect("a scenario").model(&Choices::none()).expect("a model");
        let program = model.program();
        let words = Words { program, faults: &[] };
        let node = |name: &str| NodeId(program.nodes.iter().position(|node| node.name == name).expect("a node") as u32);
        let (shop, gateway, kind) = (node("shop"), node("gateway"), program.kind("charge"));
        assert_eq!(words.envelope(shop, gateway, kind), "shop sends charge to gateway");
        assert_eq!(words.envelope(gateway, shop, kind), "gateway answers charge to shop");
    }

    #[test]
    fn what_lies_too_far_back_is_left_out() {
        let mut recent = Recent::default();
        let step = |number, by| Step {
            number,
            at: sim_core::Instant::ZERO,
            what: Happening::Fired { node: NodeId(0), timer: sim_core::Timer(0) },
            cause: sim_core::Cause::root("life", "a", 1),
            before: None,
            by,
        };
        recent.push(&step(1, None));
        for number in 2..=KEPT as u64 + 1 {
            recent.push(&step(number, Some(number - 1)));
        }
        assert!(recent.at(1).is_none() && recent.at(2).is_some() && recent.at(KEPT as u64 + 2).is_none());
        assert_eq!(size_of::<Record>(), 16);
    }
}
