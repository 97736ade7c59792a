//! What requests meet in runs of a scenario, beside how long what they need was down: an outage, another try that
//! outlasts it, a crash while they were under way, and what no diagram of blocks knows of.
//!
//! A block diagram speaks of time, a client of requests. Between the two lie when requests come, those that come
//! through an outage all the same, since they are tried again or wait, those that are lost although they came while all
//! was up, since it went down before they had an answer, and those that fail while nothing is down: late, turned away,
//! lost on a link. Each request is one of these, so the account closes in every run, to the last request.

use std::ops::ControlFlow;

use sim_core::{Fault, Instant, NodeId, Seed, Sim, Step, Stop};

use super::block::{Block, Kind};
use super::crashes::{Crashes, is_from_start, startup};
use crate::message::{Msg, Note, Tone};
use crate::program::{NodeRef, Program};
use crate::scenario::Model;
use crate::stats::{Confidence, Estimate, replications};

/// The requests of one run that have an outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Met {
    /// How many there are.
    pub requests: u64,
    /// Those that came while it was down.
    pub came_down: u64,
    /// Those of them that were done all the same: tried again, or waited for.
    pub saved: u64,
    /// Those that came while it was up, and were not done when it had gone down meanwhile.
    pub cut_off: u64,
    /// Those that were not done although it was up all the while.
    pub otherwise: u64,
    /// The share of the time down, from the start until the last outcome.
    pub down: f64,
    /// The share of the same time that it would have been down, had nothing struck but the crashes that its diagram
    /// knows.
    pub drawn: f64,
    /// Whether these go on from the very start, which is when all is up, and nobody takes time to start again.
    pub from_start: bool,
    /// How often it went down in that time.
    pub outages: u64,
    /// How long that time is, in seconds.
    pub seconds: f64,
}

impl Met {
    /// What the requests of a run meet in its first so many events; the block is that of [`derived`](super::derived()).
    ///
    /// Where other faults may strike, the same run is made again without them, up to the same instant: every die is
    /// cast for what it is about, so that what is left strikes as it did.
    pub fn of(model: &Model, block: &Block, seed: Seed, events: u64) -> Met {
        let model = model.of_seed(seed);
        let watch = watched(&model, block, seed, events, None);
        let last = watch.last;
        let met = watch.met();
        let needed = needed(model.program(), block);
        let crashes = Crashes::of(model.program(), model.faults(), &needed, &|_| false);
        let known = model.faults().iter().enumerate().filter(|(place, _)| crashes.has(*place));
        let drawn: Vec<Fault> = known.map(|(_, fault)| fault.clone()).collect();
        // How long a start takes is always the same, which a chain only takes for its mean.
        let is_slow = needed.iter().any(|node| !startup(model.program(), *node).is_zero());
        let from_start = drawn.iter().all(is_from_start) && !is_slow;
        if drawn.len() == model.faults().len() {
            return Met { drawn: met.down, from_start, ..met };
        }
        let alone = model.with(drawn, model.rest());
        let mut watch = watched(&alone, block, seed, u64::MAX, Some(last));
        watch.last = last;
        Met { drawn: watch.met().down, from_start, ..met }
    }

    /// How many were not done.
    pub fn failed(&self) -> u64 {
        self.came_down - self.saved + self.cut_off + self.otherwise
    }
}

/// The nodes that a block names.
fn needed(program: &Program, block: &Block) -> Vec<NodeRef> {
    let mut names = Vec::new();
    named(block, &mut names);
    let nodes = program.nodes.iter().enumerate().filter(|(_, node)| names.contains(&node.name.as_str()));
    nodes.map(|(place, _)| NodeRef(place as u16)).collect()
}

fn named<'b>(block: &'b Block, names: &mut Vec<&'b str>) {
    match &block.kind {
        Kind::Name { name, .. } => names.push(name),
        Kind::Part(_) => {}
        Kind::Series(blocks) | Kind::Parallel(blocks) => blocks.iter().for_each(|block| named(block, names)),
        Kind::Copies(one, _) => named(one, names),
        Kind::Quorum(quorum) => quorum.blocks.iter().for_each(|block| named(block, names)),
    }
}

/// What is seen of a run in its first so many events, up to an instant.
fn watched<'a>(model: &'a Model, block: &'a Block, seed: Seed, events: u64, until: Option<Instant>) -> Watch<'a> {
    let (mut watch, mut seen) = (Watch::new(model.program(), block), 0);
    model.run_watched(seed, Stop::AtEnd, sim_core::Limits::default(), |sim, step| {
        if until.is_some_and(|until| step.at > until) {
            return ControlFlow::Break(());
        }
        watch.sees(sim, step);
        seen += 1;
        if seen < events { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    watch
}

/// Shares of requests over independent runs, and how they follow from the share of time down.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Runs that had requests.
    pub runs: u64,
    /// Requests in all of them.
    pub requests: u64,
    /// How long a run is until its last outcome, in seconds, on average.
    pub seconds: f64,
    /// Whether the crashes that the diagram knows go on from the start of each run.
    pub from_start: bool,
    /// The share of time that it would have been down by the crashes alone that the diagram knows.
    pub drawn: Estimate,
    /// What faults add to that share that the diagram leaves out.
    pub left_out: Estimate,
    /// The share of time down, as it was seen.
    pub down: Estimate,
    /// By how much more requests come while it is down than time passes.
    pub timing: Estimate,
    /// The share that is saved, by another try or by waiting.
    pub saved: Estimate,
    /// The share that is lost under way.
    pub cut_off: Estimate,
    /// The share that fails while nothing is down.
    pub otherwise: Estimate,
    /// The share that is not done: the time down and the timing, without what is saved, with what is lost.
    pub failed: Estimate,
}

impl Account {
    /// Of runs; those without a request count for nothing.
    pub fn of(runs: &[Met], confidence: Confidence) -> Account {
        let counted: Vec<&Met> = runs.iter().filter(|met| met.requests > 0).collect();
        let mean =
            |of: &dyn Fn(&Met) -> f64| replications(&counted.iter().map(|met| of(met)).collect::<Vec<_>>(), confidence);
        let share = |of: fn(&Met) -> u64| mean(&move |met: &Met| of(met) as f64 / met.requests as f64).within(0.0, 1.0);
        Account {
            runs: counted.len() as u64,
            requests: counted.iter().map(|met| met.requests).sum(),
            seconds: counted.iter().map(|met| met.seconds).sum::<f64>() / counted.len().max(1) as f64,
            from_start: counted.iter().all(|met| met.from_start),
            drawn: mean(&|met| met.drawn).within(0.0, 1.0),
            left_out: mean(&|met| met.down - met.drawn),
            down: mean(&|met| met.down).within(0.0, 1.0),
            timing: mean(&|met| met.came_down as f64 / met.requests as f64 - met.down),
            saved: share(|met| met.saved),
            cut_off: share(|met| met.cut_off),
            otherwise: share(|met| met.otherwise),
            failed: share(Met::failed),
        }
    }
}

/// Watches a run.
struct Watch<'a> {
    block: &'a Block,
    /// Nodes of the program with their replicas.
    nodes: Vec<(&'a str, &'a [NodeId])>,
    /// By replica: whether it is up, as it was seen last.
    ups: Vec<bool>,
    is_up: bool,
    /// When it went down and, where it did, came back.
    outages: Vec<(Instant, Option<Instant>)>,
    last: Instant,
    met: Met,
}

impl<'a> Watch<'a> {
    fn new(program: &'a Program, block: &'a Block) -> Watch<'a> {
        let nodes = program.nodes.iter().map(|node| (node.name.as_str(), node.replicas.as_slice())).collect();
        Watch {
            block,
            nodes,
            ups: Vec::new(),
            is_up: true,
            outages: Vec::new(),
            last: Instant::ZERO,
            met: Met::default(),
        }
    }

    fn sees(&mut self, sim: &Sim<Msg>, step: &Step) {
        let now = step.at;
        // Whoever handles something may go by itself; else faults take nodes down.
        let of_step = step.node();
        let struck = if of_step.is_some() { &[] } else { sim.struck() };
        let mut changed = self.ups.is_empty();
        if changed {
            let count = self.nodes.iter().map(|(_, replicas)| replicas.len() as u32).sum();
            self.ups.extend((0..count).map(|node| sim.is_up(NodeId(node))));
        }
        for node in of_step.iter().chain(struck) {
            let (was, is) = (&mut self.ups[node.0 as usize], sim.is_up(*node));
            changed |= std::mem::replace(was, is) != is;
        }
        if changed {
            self.changes(sim, now);
        }
        for note in sim.notes() {
            if let Note::Finished { tone, since, .. } = note {
                self.finished(*tone, *since, now);
            }
        }
    }

    fn changes(&mut self, sim: &Sim<Msg>, now: Instant) {
        let node_up = |name: &str| {
            let replicas = self.nodes.iter().find(|(known, _)| *known == name).map(|(_, replicas)| *replicas);
            replicas.is_none_or(|replicas| replicas.iter().any(|node| sim.is_up(*node)))
        };
        let is_up = holds(self.block, &node_up);
        match (self.is_up, is_up) {
            (true, false) => self.outages.push((now, None)),
            (false, true) => {
                if let Some(outage) = self.outages.last_mut() {
                    outage.1 = Some(now);
                }
            }
            (true, true) | (false, false) => {}
        }
        self.is_up = is_up;
    }

    fn finished(&mut self, tone: Tone, since: Instant, now: Instant) {
        self.last = now;
        let began = self.outages.partition_point(|(from, _)| *from <= since);
        let came_down = self.outages[..began].last().is_some_and(|(_, to)| to.is_none_or(|to| since < to));
        let went_down = began < self.outages.len();
        self.met.requests += 1;
        self.met.came_down += u64::from(came_down);
        match (came_down, tone) {
            (true, Tone::Ok) => self.met.saved += 1,
            (true, Tone::Error | Tone::Unknown) | (false, Tone::Ok) => {}
            (false, Tone::Error | Tone::Unknown) if went_down => self.met.cut_off += 1,
            (false, Tone::Error | Tone::Unknown) => self.met.otherwise += 1,
        }
    }

    fn met(self) -> Met {
        let until = |to: Option<Instant>| to.map_or(self.last, |to| to.min(self.last));
        let counted = || self.outages.iter().filter(|(from, _)| *from < self.last);
        let down: u64 = counted().map(|(from, to)| until(*to).since(*from).nanos()).sum();
        let all = self.last.nanos();
        Met {
            down: if all == 0 { 0.0 } else { down as f64 / all as f64 },
            outages: counted().count() as u64,
            seconds: all as f64 / 1e9,
            ..self.met
        }
    }
}

/// Whether a block is up when these nodes are.
fn holds(block: &Block, node_up: &dyn Fn(&str) -> bool) -> bool {
    match &block.kind {
        Kind::Name { name, .. } => node_up(name),
        Kind::Part(_) => true,
        Kind::Series(blocks) => blocks.iter().all(|block| holds(block, node_up)),
        Kind::Parallel(blocks) => blocks.iter().any(|block| holds(block, node_up)),
        Kind::Copies(one, _) => holds(one, node_up),
        Kind::Quorum(quorum) => {
            quorum.blocks.iter().filter(|block| holds(block, node_up)).count() >= quorum.need as usize
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::derived;
    use crate::language::Choices;
    use crate::scenario::Scenario;

    /// A shop that asks a till whose work takes 100 ms, and which crashes for ten seconds about once a minute.
    fn model(retry: &str, loss: &str) -> Model {
        let text = format!(
            r#"{{"faultline": 1, "name": "till",
             "nodes": {{"shop": {{"kind": "service", "endpoints": {{"buy": [{{"call": "till.pay", "timeout": "2s"{retry}}}]}}}},
                       "till": {{"kind": "service", "endpoints": {{"pay": [{{"work": "100ms"}}]}}}}}},
             "workload": {{"door": {{"rate": "20/s", "spacing": "poisson", "for": "40m", "each": "customer",
                          "do": [{{"call": "shop.buy"}}]}}}},
             "faults": ["crash till every ~60s for ~10s"{loss}]}}"#
        );
        let scenario = Scenario::parse("till.json", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
        scenario.model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    fn account(model: &Model) -> Account {
        let block = derived(model.program(), model.faults(), None, &[]).unwrap().block;
        let runs: Vec<Met> = (0..30).map(|seed| Met::of(model, &block, Seed(seed), u64::MAX)).collect();
        let account = Account::of(&runs, Confidence::new(0.999).unwrap());
        let value = |of: Estimate| of.value.unwrap();
        let sum = value(account.down) + value(account.timing) - value(account.saved)
            + value(account.cut_off)
            + value(account.otherwise);
        assert!((sum / value(account.failed) - 1.0).abs() < 1e-9, "the account closes: {account:?}");
        account
    }

    const SEVENTH: f64 = 10.0 / 70.0;

    #[test]
    fn without_retries_requests_fail_for_as_long_as_it_is_down_and_when_they_are_cut_off() {
        let told = account(&model("", ""));
        assert!(told.down.covers(SEVENTH) && told.down.half_width().unwrap() < 0.02, "{told:?}");
        assert!(told.timing.covers(0.0), "{told:?}");
        assert_eq!((told.saved.value, told.otherwise.value), (Some(0.0), Some(0.0)), "{told:?}");
        // Once in 70 s everybody who came in the last 100 ms is under way.
        let lost = 0.1 / 70.0;
        assert!(told.cut_off.covers(lost) && told.cut_off.half_width().unwrap() < 0.25 * lost, "{told:?}");
    }

    /// Four tries with three seconds between them: who comes less than nine seconds before the end gets through.
    #[test]
    fn retries_save_those_for_whom_the_outage_ends_in_time() {
        let told = account(&model(r#", "retry": {"tries": 4, "wait": "3s"}"#, ""));
        // An outage is exponential: it lasts another nine seconds with e^(−0.9).
        let saved = SEVENTH * (1.0 - libm::exp(-0.9));
        assert!(told.saved.half_width().unwrap() < 0.2 * saved, "{told:?}");
        assert!((told.saved.value.unwrap() / saved - 1.0).abs() < 0.15, "{saved}: {told:?}");
        // Who is cut off tries again, too.
        assert!(told.cut_off.value.unwrap() < 0.1 / 70.0 * 0.7, "{told:?}");
    }

    /// A run that begins with all up is down less than in the long run, and what else strikes is told by itself: with
    /// both in the account, nothing but chance is left.
    #[test]
    fn the_start_and_faults_that_are_left_out_have_lines_of_their_own() {
        let short = |faults: &str| {
            let text = format!(
                r#"{{"faultline": 1, "name": "till",
                 "nodes": {{"shop": {{"kind": "service", "endpoints": {{"buy": [{{"call": "till.pay", "timeout": "2s"}}]}}}},
                           "till": {{"kind": "service", "endpoints": {{"pay": [{{"reply": "OK"}}]}}}}}},
                 "workload": {{"door": {{"rate": "2/s", "spacing": "poisson", "for": "2m", "each": "customer",
                              "do": [{{"call": "shop.buy"}}]}}}},
                 "faults": ["crash till every ~60s for ~10s"{faults}]}}"#
            );
            let scenario = Scenario::parse("till.json", &text).unwrap_or_else(|wrong| panic!("{wrong}"));
            let model = scenario.model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
            let drawn = derived(model.program(), model.faults(), None, &[]).unwrap();
            let runs: Vec<Met> = (0..300).map(|seed| Met::of(&model, &drawn.block, Seed(seed), u64::MAX)).collect();
            let account = Account::of(&runs, Confidence::new(0.999).unwrap());
            let assembly = crate::avail::Assembly::of(&drawn.block, &drawn.names).unwrap();
            (account, assembly)
        };
        let (plain, assembly) = short("");
        let expected = assembly.during(plain.seconds).unwrap().down;
        assert!((assembly.availability().down - SEVENTH).abs() < 1e-12);
        assert!(expected < SEVENTH - 0.005, "{expected}");
        assert!(plain.drawn.covers(expected) && plain.drawn.half_width().unwrap() < 0.03, "{plain:?} {expected}");
        assert_eq!((plain.left_out.value, plain.from_start), (Some(0.0), true));
        // Down for half a minute by a fault that the diagram leaves out, now and then beside a crash that it knows.
        let (struck, _) = short(r#", "30s..60s crash till""#);
        assert_eq!(struck.drawn.value, plain.drawn.value, "the crashes that are known strike as they did");
        let added = struck.left_out;
        let wanted = (1.0 - expected) * 30.0 / struck.seconds;
        assert!((added.value.unwrap() / wanted - 1.0).abs() < 0.1, "{added:?} {wanted}");
        assert!((struck.drawn.value.unwrap() + added.value.unwrap() - struck.down.value.unwrap()).abs() < 1e-12);
    }

    /// The diagram of a scenario, and the shares of requests that it saves and fails beside that.
    fn saved_and_failed(text: &str) -> (String, f64, f64) {
        let scenario = Scenario::parse("till.json", text).unwrap_or_else(|wrong| panic!("{wrong}"));
        let model = scenario.model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let block = derived(model.program(), model.faults(), None, &[]).unwrap().block;
        let runs: Vec<Met> = (0..4).map(|seed| Met::of(&model, &block, Seed(seed), u64::MAX)).collect();
        let account = Account::of(&runs, Confidence::new(0.999).unwrap());
        (block.to_string(), account.saved.value.unwrap(), account.failed.value.unwrap())
    }

    /// What is caught when it is refused is done another way: by the diagram that never is down, and by requests.
    #[test]
    fn a_try_that_catches_what_is_refused_is_another_way() {
        let need = |on: &str| {
            let text = format!(
                r#"{{"faultline": 1, "name": "till",
                 "nodes": {{"shop": {{"kind": "service", "endpoints": {{"buy": [
                             {{"try": [{{"call": "till.pay", "timeout": "1s"}}], "on": {{{on}}}}}]}}}},
                           "till": {{"kind": "service", "endpoints": {{"pay": [{{"reply": "OK"}}]}}}},
                           "book": {{"kind": "service", "endpoints": {{"note": [{{"reply": "OK"}}]}}}}}},
                 "workload": {{"door": {{"rate": "20/s", "for": "10m", "each": "customer", "do": [{{"call": "shop.buy"}}]}}}},
                 "faults": ["crash till every ~60s for ~10s"]}}"#
            );
            saved_and_failed(&text)
        };
        let other = r#"[{"call": "book.note", "timeout": "1s"}]"#;
        for on in [
            format!(r#""error": {other}, "timeout": {other}"#),
            format!(r#""error": {other}"#),
            format!(r#""refused": {other}"#),
            format!(r#""else": {other}"#),
        ] {
            let (block, saved, failed) = need(&on);
            assert_eq!((block.as_str(), saved), ("shop#1 * (till#1 | book#1)", 0.0), "{on}");
            assert!(failed < 0.001, "{on}: {failed}");
        }
        // Nobody who is refused is told that he is too late.
        for on in [format!(r#""timeout": {other}"#), format!(r#""unknown": {other}"#)] {
            let (block, saved, failed) = need(&on);
            assert_eq!((block.as_str(), saved), ("shop#1 * till#1", 0.0), "{on}");
            assert!(failed > 0.02, "{on}: {failed}");
        }
    }

    /// What is refused may come as something else: what a step in between makes of it, or a breaker.
    #[test]
    fn what_catches_another_reason_than_the_one_that_comes_is_no_other_way() {
        let need = |middle: &str, clauses: &str| {
            let text = format!(
                r#"{{"faultline": 1, "name": "till",
                 "nodes": {{"shop": {{"kind": "service", "endpoints": {{"buy": [{{"call": "desk.pay", "timeout": "1s"{clauses}}}]}}}},
                           "desk": {{"kind": "service", "endpoints": {{"pay": [{{"call": "till.pay", "timeout": "1s"{middle}}}]}}}},
                           "till": {{"kind": "service", "endpoints": {{"pay": [{{"reply": "OK"}}]}}}},
                           "book": {{"kind": "service", "endpoints": {{"note": [{{"reply": "OK"}}]}}}}}},
                 "workload": {{"door": {{"rate": "20/s", "for": "10m", "each": "customer", "do": [{{"call": "shop.buy"}}]}}}},
                 "faults": ["crash till every ~60s for ~10s"]}}"#
            );
            saved_and_failed(&text)
        };
        let other = r#"[{"call": "book.note", "timeout": "1s"}]"#;
        let refused = format!(r#", "on": {{"refused": {other}}}"#);
        let broken = r#", "on": {"refused": [{"fail": "broken"}]}"#;
        let breaker = r#", "breaker": {"profile": "resilience4j", "slidingWindowSize": 10, "minimumNumberOfCalls": 5}"#;
        // What comes through a service in between comes as it is, and is caught.
        for clauses in [refused.clone(), format!(r#", "on": {{"else": {other}}}"#)] {
            let (block, _, failed) = need("", &clauses);
            assert_eq!(block, "shop#1 * (desk#1 * till#1 | book#1)", "{clauses}");
            assert!(failed < 0.001, "{clauses}: {failed}");
        }
        let (block, saved, failed) = need(broken, &refused);
        assert_eq!((block.as_str(), saved), ("shop#1 * desk#1 * till#1", 0.0));
        assert!(failed > 0.02, "{failed}");
        let (block, _, failed) = need(broken, &format!(r#", "on": {{"refused": {other}, "broken": {other}}}"#));
        assert_eq!(block, "shop#1 * (desk#1 * till#1 | book#1)");
        assert!(failed < 0.001, "{failed}");
        let (block, _, failed) = need("", &format!("{breaker}{refused}"));
        assert_eq!(block, "shop#1 * desk#1 * till#1");
        assert!(failed > 0.02, "{failed}");
        let (block, _, failed) = need("", &format!(r#"{breaker}, "on": {{"error": {other}}}"#));
        assert_eq!(block, "shop#1 * (desk#1 * till#1 | book#1)");
        assert!(failed < 0.001, "{failed}");
    }

    #[test]
    fn what_a_link_loses_is_neither() {
        let told = account(&model("", r#", "loss shop->till 2%""#));
        let lost = (1.0 - SEVENTH) * 0.02;
        assert!(told.otherwise.covers(lost), "{lost}: {told:?}");
    }
}
