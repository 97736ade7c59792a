//! Nothing is lost and nothing is held twice: after each event of every scenario, with and without trouble, the books of the
//! node that handled it balance, and each request has one outcome at most.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use faultline_tests::scenarios::{all_built_in, over_seeds, remedies};
use faultline_tests::sources::workspace;
use sim_core::fault::{Pace, When};
use sim_core::{Duration, Fault, Instant, Judge, NodeId, Seed, Sim};
use sim_models::interp::{Service, Store};
use sim_models::language::Choices;
use sim_models::message::{Aside, Counted, EdgeCounted, Msg, Note, Sort, Tone};
use sim_models::program::{EdgeRef, EndpointRef, NodeRef, Role};
use sim_models::scenario::{Changes, Model, Scenario};

/// How many events of a run are looked at. Of a file without further trouble as many more as it takes until each of its faults has
/// struck and is over, and this long behind that: what a file is about begins late in most of them.
const EVENTS: u64 = 30_000;
const AFTERWARDS: Duration = Duration::from_secs(5);
/// After each of so many events its node is looked at as a whole; behind them its counts still are, and all of it after a few
/// of its events, or after a share of what it has under way, so that a look costs no more for a full node. What one event makes
/// wrong, a leak, stays wrong.
const CLOSELY: u64 = 2_000;
const FEW: u64 = 7;
/// The same behind [`EVENTS`], in runs that go on until their faults are over: every 199th event of a node.
const RARELY: u64 = 199;
const SHARE: u64 = 16;

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = fs::read_dir(workspace().join("examples")).expect("it is there");
    let mut paths: Vec<_> = folder.map(|entry| entry.expect("it can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).expect("it can be read");
        let scenario = Scenario::parse(&name, &text).unwrap_or_else(|wrong| panic!("{wrong}"));
        (name, scenario)
    };
    let built_in = all_built_in().map(|(name, scenario)| (name.to_owned(), scenario));
    built_in.chain(paths.into_iter().map(read)).collect()
}

/// Crashes, pauses and losses everywhere, beside what the file says.
fn trouble(model: &Model) -> Changes {
    let program = model.program();
    let crash = |name: &str| format!("0s.. crash one of {name} every ~3s for ~400ms");
    let pause = |name: &str| format!("0s.. pause one of {name} every ~5s for ~700ms");
    let nodes = program.nodes.iter().filter(|node| !matches!(node.role, Role::Workload(_)));
    let lines = nodes.flat_map(|node| [crash(&node.name), pause(&node.name)]).chain(["0s.. loss *->* 2%".to_owned()]);
    let faults = lines.map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect();
    Changes { faults, ..Changes::default() }
}

/// Requests of the workloads: each is begun once and has one outcome at most, after its beginning. What is sent on each edge has one
/// outcome too.
#[derive(Default)]
struct Requests {
    known: BTreeSet<(u16, u64)>,
    open: BTreeSet<(u16, u64)>,
    /// How many of each workload have begun, and how many have an outcome.
    begun: BTreeMap<u16, u64>,
    over: BTreeMap<u16, u64>,
    /// How many were sent on each edge, and how many outcomes there were.
    sent: BTreeMap<u16, u64>,
    ended: BTreeMap<u16, u64>,
    /// How many messages each queue has taken and is not done with: neither acknowledged nor given up nor expired.
    kept: BTreeMap<u16, i64>,
}

impl Requests {
    fn hear(&mut self, note: &Note) -> Result<(), String> {
        match note {
            Note::Requested { workload, key } => {
                let request = (workload.0, *key);
                if !self.known.insert(request) || !self.open.insert(request) {
                    return Err(format!("request {key} is begun twice"));
                }
                *self.begun.entry(workload.0).or_default() += 1;
            }
            Note::Finished { workload, key, tone, sort, .. } => {
                let fits = match sort.0 {
                    Sort::Ok => *tone == Tone::Ok,
                    Sort::Rejected | Sort::Failed | Sort::Shed | Sort::Open => *tone == Tone::Error,
                    Sort::Unsure => *tone == Tone::Unknown,
                    Sort::Exhausted => *tone != Tone::Ok,
                };
                if !fits {
                    return Err(format!("request {key} is {tone:?}, and of the sort {:?}", sort.0));
                }
                if !self.open.remove(&(workload.0, *key)) {
                    return Err(format!("request {key} has two outcomes, or was never begun"));
                }
                *self.over.entry(workload.0).or_default() += 1;
            }
            Note::Count(queue, Counted::Published) => *self.kept.entry(queue.0).or_default() += 1,
            Note::Count(queue, Counted::Acked | Counted::Dead | Counted::Expired) => {
                *self.kept.entry(queue.0).or_default() -= 1;
            }
            Note::Edge(edge, EdgeCounted::Call) => *self.sent.entry(edge.0).or_default() += 1,
            Note::Edge(edge, EdgeCounted::Outcome(..)) => {
                let ended = self.ended.entry(edge.0).or_default();
                *ended += 1;
                if *ended > self.sent.get(&edge.0).copied().unwrap_or_default() {
                    return Err(format!("edge {} has more outcomes than calls", edge.0));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What was published to each queue and is not done with waits there or is with a consumer.
    fn queues(&self, model: &Model, sim: &Sim<Msg>) -> Result<(), String> {
        for (at, node) in (0u16..).zip(&model.program().nodes) {
            let Role::Queue(_) = node.role else { continue };
            let kept = self.kept.get(&at).copied().unwrap_or_default();
            let (waiting, out) = stored(sim, NodeRef(at));
            if kept != waiting + out {
                return Err(format!(
                    "{}: {kept} messages are taken and not done with, {waiting} wait, {out} are with consumers",
                    node.name
                ));
            }
        }
        Ok(())
    }

    /// What was begun has ended or is under way; so has what was sent, as long as no caller has died with it.
    fn balance(&self, model: &Model, sim: &Sim<Msg>) -> Result<(), String> {
        let program = model.program();
        let count = |of: &BTreeMap<u16, u64>, at: u16| of.get(&at).copied().unwrap_or_default();
        let services = |node: NodeRef| {
            let replicas = program.node(node).replicas.iter();
            replicas.filter_map(|replica| sim.actor::<Service>(*replica)).collect::<Vec<_>>()
        };
        for (at, node) in (0u16..).zip(&program.nodes) {
            if let Role::Workload(_) = node.role {
                let open: usize = services(NodeRef(at)).iter().map(|service| service.operations()).sum();
                let (begun, over) = (count(&self.begun, at), count(&self.over, at));
                if begun != over + open as u64 {
                    return Err(format!("{}: {begun} requests are begun, {over} over, {open} under way", node.name));
                }
            }
        }
        for (at, (caller, callee)) in (0u16..).zip(&program.edges) {
            let mut replicas = program.node(*caller).replicas.iter();
            let out: usize = if let Role::Queue(_) = program.node(*caller).role {
                // What a queue has delivered is with its consumers, and no crash takes what it knows of that.
                delivered(model, sim, *caller, EdgeRef(at))
            } else if replicas.all(|replica| sim.is_up(*replica) && sim.life(*replica) == 1) {
                services(*caller).iter().map(|service| service.out(EdgeRef(at))).sum()
            } else {
                continue;
            };
            let (sent, ended) = (count(&self.sent, at), count(&self.ended, at));
            if sent != ended + out as u64 {
                let (caller, callee) = (&program.node(*caller).name, &program.node(*callee).name);
                return Err(format!("{caller}->{callee}: {sent} were sent, {ended} have ended, {out} are out"));
            }
        }
        Ok(())
    }
}

/// How many messages wait in a queue, and how many are with consumers.
fn stored(sim: &Sim<Msg>, queue: NodeRef) -> (i64, i64) {
    let backlog = sim.shared().backlog(queue);
    backlog.map_or((0, 0), |backlog| (backlog.waiting() as i64, i64::from(backlog.in_flight())))
}

/// How many messages of a queue are with the consumers at the other end of this edge.
fn delivered(model: &Model, sim: &Sim<Msg>, queue: NodeRef, edge: EdgeRef) -> usize {
    let is_its = |(_, endpoint): (NodeId, EndpointRef)| {
        model.program().endpoint(endpoint).consumes.as_ref().is_some_and(|consumes| consumes.edge == edge)
    };
    let stored = sim.shared().backlog(queue).into_iter().flat_map(|backlog| backlog.iter());
    stored.filter(|(_, message)| message.state.holder().is_some_and(is_its)).count()
}

/// When each node is looked at next, in events of its own.
#[derive(Default)]
struct Looks {
    due: BTreeMap<NodeId, u64>,
    whole: u64,
}

impl Looks {
    fn look(&mut self, sim: &Sim<Msg>, node: NodeId) -> Result<bool, String> {
        let due = self.due.entry(node).or_default();
        if *due > 0 {
            *due -= 1;
            let quick = sim.actor::<Service>(node).map_or(Ok(()), Service::audit_counts);
            return quick.map(|()| false);
        }
        self.whole += 1;
        let few = match sim.events() {
            early if early < CLOSELY => 0,
            late if late > EVENTS => RARELY,
            _ => FEW,
        };
        *due = few.max(books(sim, node)? as u64 / SHARE);
        Ok(true)
    }
}

/// Looks at all that a node has under way; how much that is.
fn books(sim: &Sim<Msg>, node: NodeId) -> Result<usize, String> {
    if let Some(service) = sim.actor::<Service>(node) {
        service.audit()?;
        return Ok(service.size());
    }
    match sim.actor::<Store>(node) {
        Some(store) => store.audit().map(|()| store.size()),
        None => Ok(0),
    }
}

/// When the last fault of a file is over; of what strikes again and again, or has no end, only when it begins.
fn over(model: &Model) -> Instant {
    let end = |fault: &Fault| {
        let Fault::Timed(fault) = fault else { return Instant::ZERO };
        let end = match fault.when {
            When::Always => Instant::ZERO,
            When::At(at) | When::From(at) => at,
            When::Between(from, _) if fault.every.is_some() => from,
            When::Between(_, to) => to,
        };
        let length = fault.length.map_or(Duration::ZERO, |(Pace::Exactly(length) | Pace::About(length))| length);
        end + length
    };
    model.faults().iter().map(end).max().unwrap_or(Instant::ZERO)
}

/// How much of a run is looked at.
enum Extent {
    /// So many events.
    Events,
    /// And until its faults have struck and are over, which they are at this instant at the earliest. When all had struck.
    Faults { over: Instant, struck: Option<Instant> },
}

impl Extent {
    fn of_faults(model: &Model) -> Extent {
        Extent::Faults { over: over(model), struck: None }
    }

    fn is_enough(&mut self, sim: &Sim<Msg>) -> bool {
        let Extent::Faults { over, struck } = self else { return true };
        if struck.is_none() && sim.events().is_multiple_of(64) && sim.touched().iter().all(|count| *count > 0) {
            *struck = Some(sim.now());
        }
        struck.is_some_and(|struck| sim.now() >= struck.max(*over) + AFTERWARDS)
    }
}

fn audited(model: &Model, seed: Seed) -> [u64; 2] {
    let Audited { events, idle, .. } = audited_for(model, seed, Extent::Events);
    [events, idle]
}

/// What was looked at: how many events, how many nodes had nothing left to do, and which faults never struck.
struct Audited {
    events: u64,
    idle: u64,
    spared: Vec<String>,
}

fn audited_for(model: &Model, seed: Seed, mut extent: Extent) -> Audited {
    let (mut sim, mut judge) = model.start(seed);
    let until = model.until().unwrap_or(Instant::NEVER);
    let (mut requests, mut looks) = (Requests::default(), Looks::default());
    let say = |event: u64, wrong: String| -> ! {
        panic!("{} with {:?}, seed {seed}, event {event}: {wrong}", model.name(), model.changed())
    };
    let mut next = 0;
    while (sim.events() < EVENTS || !extent.is_enough(&sim))
        && let Some(step) = sim.step_before(until)
    {
        let node = step.node();
        judge.after(&step, &sim);
        if let Err(wrong) = sim.notes().iter().try_for_each(|note| requests.hear(note)) {
            say(step.number, wrong);
        }
        if let Err(wrong) = requests.queues(model, &sim) {
            say(step.number, wrong);
        }
        match node.map_or(Ok(false), |node| looks.look(&sim, node)) {
            Err(wrong) => say(step.number, wrong),
            // All requests together are counted as often as that costs no more than a look.
            Ok(true) if sim.events() >= next => {
                let out = requests.open.len() as u64 + model.program().nodes.len() as u64;
                next = sim.events() + out * 4;
                requests.balance(model, &sim).unwrap_or_else(|wrong| say(step.number, wrong));
            }
            Ok(_) => {}
        }
    }
    // Each outcome is of one sort: of a workload those of all sorts, of an edge those that an answer can be.
    for (name, sorts) in judge.outcomes() {
        let program = model.program();
        let names = |at: &u16| program.nodes[usize::from(*at)].name == name;
        let of_edge = |at: &u16| {
            let (caller, callee) = program.edges[usize::from(*at)];
            format!("{}->{}", program.node(caller).name, program.node(callee).name) == name
        };
        let of_workload = requests.over.iter().find(|(at, _)| names(at)).map(|(_, over)| *over);
        let ended = of_workload.or_else(|| requests.ended.iter().find(|(at, _)| of_edge(at)).map(|(_, ended)| *ended));
        let sum: u64 = sorts.iter().map(|(_, count)| count).sum();
        if sum != ended.unwrap_or_default() {
            say(sim.events(), format!("{name}: {ended:?} have ended, and by sort they are {sorts:?}"));
        }
    }
    // Where nothing is under way nothing is held, but for what lost answers hold: the books of all nodes say so.
    requests.balance(model, &sim).unwrap_or_else(|wrong| say(sim.events(), wrong));
    let mut idle = 0;
    for node in (0..model.program().replicas.len() as u32).map(NodeId) {
        let left = books(&sim, node).unwrap_or_else(|wrong| say(sim.events(), wrong));
        let held = sim.actor::<Service>(node).map_or((0, 0), Service::places);
        if left == 0 && held.0 != held.1 {
            say(sim.events(), format!("{} places are taken by nobody", held.0 - held.1));
        }
        idle += u64::from(left == 0);
    }
    let faults = sim.faults().iter().zip(sim.touched());
    let spared = faults.filter(|(_, count)| *count == 0).map(|(fault, _)| fault.to_string()).collect();
    Audited { events: sim.events(), idle, spared }
}

/// Each scenario as it stands and with each remedy: until its faults are over, and with trouble from the beginning.
#[test]
fn the_books_of_every_scenario_balance_after_each_event_with_and_without_trouble() {
    let scenarios = scenarios();
    let each =
        scenarios.iter().flat_map(|(name, scenario)| remedies(scenario).into_iter().map(move |r| (name, scenario, r)));
    let all: Vec<_> = each.collect();
    let audits = over_seeds(all.len() as u64, |nth| {
        let (name, scenario, remedy) = &all[nth.0 as usize];
        let choices = remedy.as_deref().map_or_else(Choices::none, |remedy| Choices::none().remedy(remedy));
        let model = scenario.model(&choices).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let troubled =
            scenario.model_with(&choices, &trouble(&model)).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let calm = audited_for(&model, Seed(0), Extent::of_faults(&model));
        assert!(calm.spared.is_empty() || remedy.is_some(), "{name}: of its faults {:?} never struck", calm.spared);
        let [one, other] = [0, 1].map(|seed| audited(&troubled, Seed(seed)));
        [calm.events + one[0] + other[0], calm.idle + one[1] + other[1]]
    });
    let [events, idle] = [0, 1].map(|at| audits.iter().map(|audit| audit[at]).sum::<u64>());
    assert!(events > 10_000_000 && idle > 100, "{events} {idle}");
}

/// What each of several endpoints has around its call: every policy that there is.
fn guards() -> [&'static str; 9] {
    [
        r#""breaker": {"profile": "resilience4j", "minimumNumberOfCalls": 4, "slidingWindowSize": 8, "waitDurationInOpenState": "300ms"},
            "retry": {"profile": "envoy", "retry_on": ["unavailable", "unknown"], "num_retries": 2}, "bulkhead": {"max": 4, "release": "answer", "read_timeout": "1s"}"#,
        r#""breaker": {"profile": "failsafe", "failureThreshold": 3, "delay": "200ms", "successThreshold": 3}, "bulkhead": {"max": 4, "release": "answer"}"#,
        r#""breaker": {"profile": "opossum", "resetTimeout": "200ms", "capacity": 5}, "order": ["timeout", "breaker"]"#,
        r#""bulkhead": {"profile": "resilience4j-thread-pool", "coreThreadPoolSize": 2, "maxThreadPoolSize": 3, "queueCapacity": 4, "read_timeout": "500ms"},
            "limiter": {"profile": "resilience4j", "limitForPeriod": 3, "limitRefreshPeriod": "100ms", "timeoutDuration": "80ms"}"#,
        r#""limiter": {"rate": "40/s", "burst": 5}, "retry": {"profile": "grpc", "maxAttempts": 3, "initialBackoff": "10ms", "maxBackoff": "50ms",
            "backoffMultiplier": 2, "retryableStatusCodes": ["unavailable", "unknown"], "maxTokens": 10, "tokenRatio": 0.1}, "hedge": {"delay": "30ms", "budget": "10%"}"#,
        r#""limiter": {"rate": "40/s", "window": "sliding"}, "retry": {"tries": 3, "budget": {"profile": "finagle"}}, "coalesce": "$v5""#,
        r#""retry": {"profile": "aws-sdk", "retryMode": "adaptive"}, "hedge": {"profile": "finagle", "maxExtraLoad": 0.2}, "bulkhead": {"profile": "aimd"}"#,
        r#""limiter": {"profile": "adaptive-throttling", "window": "2s"}, "retry": {"tries": 3, "wait": "10ms", "backoff": "linear"}"#,
        r#""deadline": "1s", "retry": {"profile": "envoy", "hedge_on_per_try_timeout": true, "retry_on": ["unavailable", "unknown"],
            "num_retries": 3}"#,
    ]
}

/// Orders through every policy that there is, to a callee that is slow, fails, and loses answers.
fn guarded() -> Scenario {
    let pick = |clauses: &str| format!(r#"[{{"call": "slow.get", "timeout": "80ms", {clauses}}}]"#);
    let endpoints = guards();
    let endpoints: Vec<String> =
        endpoints.iter().enumerate().map(|(at, clauses)| format!(r#""e{at}": {}"#, pick(clauses))).collect();
    let workloads: Vec<String> = (0..endpoints.len())
        .map(|at| {
            format!(r#""w{at}": {{"rate": "40/s", "for": "10s", "each": "v{at}", "do": [{{"call": "api.e{at}"}}]}}"#)
        })
        .collect();
    let text = format!(
        r#"{{"faultline": 1, "name": "guarded", "until": "60s", "nodes": {{
            "api": {{"kind": "service", "endpoints": {{{}}}}},
            "slow": {{"kind": "service", "replicas": 3, "endpoints": {{"get": [
                {{"work": {{"lognormal": {{"median": "40ms", "sigma": 0.8}}}}}}, {{"chance": "20%", "then": [{{"fail": "unavailable"}}]}}]}}}}}},
            "workload": {{{}}}, "faults": ["2s..4s loss slow->api 30%", "5s..6s hang slow-1", "7s..7500ms crash slow-2"]}}"#,
        endpoints.join(","),
        workloads.join(",")
    );
    Scenario::parse("guarded.json", &text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[test]
fn the_books_of_every_policy_balance_after_each_event_and_at_the_end() {
    let model = guarded().model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    for [events, idle] in over_seeds(10, |seed| audited(&model, seed)) {
        // The workloads and the callee have nothing left to do.
        assert!(events > 10_000 && idle >= 7, "{events} {idle}");
    }
}

/// The same behind a front whose users go before they are answered, and who say so or leave a deadline behind: everybody minds, and tells
/// whom it has asked. All that is counted of whom work is for is asked for.
fn cancelled() -> Scenario {
    let endpoint = |at: usize, clauses: &str| {
        let body = match at % 3 {
            0 => format!(r#"[{{"call": "slow.get", "timeout": "400ms", "cancel": true, {clauses}}}]"#),
            1 => format!(
                r#"[{{"work": "5ms"}}, {{"parallel": [[{{"call": "slow.get", "timeout": "400ms", {clauses}}}], [{{"wait": "300ms"}}]], "cancel": true}}]"#
            ),
            _ => format!(
                r#"[{{"try": [{{"set": "m[$v{at}]", "to": 1}}, {{"once": "$v{at}", "in": "keys", "in_flight": "wait", "lock": "1s", "do": [
                    {{"call": "slow.get", "timeout": "400ms", "cancel": true, {clauses}}}]}}], "bulkhead": {{"max": 5, "wait": "100ms"}}}}]"#
            ),
        };
        format!(r#""e{at}": {body}"#)
    };
    let all = |write: &dyn Fn(usize, &str) -> String| -> String {
        guards().iter().enumerate().map(|(at, clauses)| write(at, clauses)).collect::<Vec<_>>().join(",")
    };
    let passes = |at: usize, _: &str| format!(r#""e{at}": [{{"call": "api.e{at}", "timeout": "5s", "cancel": true}}]"#);
    let workload = |at: usize, _: &str| {
        let goes = if at.is_multiple_of(2) { r#""timeout": "60ms", "cancel": true"# } else { r#""deadline": "60ms""# };
        format!(
            r#""w{at}": {{"rate": "40/s", "for": "10s", "each": "v{at}", "do": [{{"call": "front.e{at}", {goes}}}]}}"#
        )
    };
    let text = format!(
        r#"{{"faultline": 1, "name": "cancelled", "until": "60s", "network": {{"latency": {{"uniform": ["0ms", "8ms"]}}}}, "nodes": {{
            "front": {{"kind": "service", "honours_cancel": true, "workers": 9, "queue": 9, "endpoints": {{{}}}}},
            "api": {{"kind": "service", "honours_cancel": true, "workers": 3, "async": true, "maps": {{"m": {{}}, "keys": {{}}}}, "endpoints": {{{}}}}},
            "slow": {{"kind": "service", "replicas": 3, "honours_cancel": true, "workers": 8, "queue": 8, "drop": "expired", "endpoints": {{"get": [
                {{"wait": {{"lognormal": {{"median": "30ms", "sigma": 0.8}}}}}}, {{"work": "2ms"}}, {{"chance": "20%", "then": [{{"fail": "unavailable"}}]}}]}}}}}},
            "workload": {{{}}}, "faults": ["2s..4s loss *->* 10%", "5s..5500ms hang slow-1", "7s..7500ms crash slow-2", "8s..8200ms crash api", "6s..8s duplicate *->* 5%"],
            "metrics": {{"for_nobody": {{"value": "front.wasted_time + api.wasted_time + slow.wasted_time"}}, "more": {{"value": "api->slow.amplification"}}}}}}"#,
        all(&passes),
        all(&endpoint),
        all(&workload)
    );
    Scenario::parse("cancelled.json", &text).unwrap_or_else(|wrong| panic!("{wrong}"))
}

#[test]
fn a_cancel_that_goes_down_a_chain_gives_back_all_that_was_held_there() {
    let model = cancelled().model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    for [events, idle] in over_seeds(10, |seed| audited(&model, seed)) {
        // Seven workloads, the front, the api and at least two of three replicas: what hung has been accepted, and stays.
        assert!(events > 10_000 && idle >= 11, "{events} {idle}");
    }
}

#[test]
fn a_request_that_is_lost_or_counted_twice_is_found_out() {
    let workload = NodeRef(2);
    let begun = |key| Note::Requested { workload, key };
    let over = |key| Note::Finished { workload, key, tone: Tone::Ok, since: Instant::ZERO, sort: Aside(Sort::Ok) };
    let edge = |counted| Note::Edge(EdgeRef(0), counted);
    let heard = |notes: &[Note]| {
        let mut requests = Requests::default();
        notes.iter().try_for_each(|note| requests.hear(note))
    };
    assert_eq!(heard(&[begun(1), begun(2), over(2), over(1), edge(EdgeCounted::Call)]), Ok(()));
    for (notes, said) in [
        (vec![begun(1), begun(1)], "is begun twice"),
        (vec![begun(1), over(1), begun(1)], "is begun twice"),
        (vec![over(1)], "was never begun"),
        (vec![begun(1), over(1), over(1)], "has two outcomes"),
        (vec![edge(EdgeCounted::Outcome(Tone::Ok, Aside(Sort::Ok)))], "more outcomes than calls"),
        (
            vec![
                begun(1),
                Note::Finished { workload, key: 1, tone: Tone::Ok, since: Instant::ZERO, sort: Aside(Sort::Shed) },
            ],
            "of the sort",
        ),
    ] {
        assert!(heard(&notes).unwrap_err().contains(said), "{notes:?}");
    }
    // One that is begun and neither over nor under way; the program says which workload that is.
    let model = guarded().model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let (sim, _) = model.start(Seed(0));
    let mut requests = Requests::default();
    assert_eq!(requests.balance(&model, &sim), Ok(()));
    requests.hear(&begun(1)).expect("the first");
    assert!(requests.balance(&model, &sim).unwrap_err().contains("1 requests are begun, 0 over, 0 under way"));
    let mut requests = Requests::default();
    requests.hear(&edge(EdgeCounted::Call)).expect("the first");
    assert!(requests.balance(&model, &sim).unwrap_err().contains("1 were sent, 0 have ended, 0 are out"));
}

#[test]
fn a_message_that_a_queue_loses_is_found_out() {
    let (_, scenario) =
        scenarios().into_iter().find(|(name, _)| name.ends_with("at-least-once.json")).expect("it is there");
    let model = scenario.model(&Choices::none()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let (mut sim, _) = model.start(Seed(0));
    let mut requests = Requests::default();
    let queue = model.program().nodes.iter().position(|node| matches!(node.role, Role::Queue(_))).expect("it has one");
    // What is published and what comes of it, but the one acknowledgement that is left out.
    let mut left_out = false;
    while sim.events() < 5_000 && sim.step().is_some() {
        for note in sim.notes() {
            if !left_out && matches!(note, Note::Count(of, Counted::Acked) if usize::from(of.0) == queue) {
                left_out = true;
                continue;
            }
            requests.hear(note).expect("it is right");
        }
        assert_eq!(requests.queues(&model, &sim).is_err(), left_out);
        assert!(left_out || requests.balance(&model, &sim).is_ok());
    }
    assert!(requests.queues(&model, &sim).unwrap_err().contains("messages are taken and not done with"));
    // A delivery too many: it is with nobody.
    let edge =
        model.program().edges.iter().position(|(caller, _)| usize::from(caller.0) == queue).expect("it delivers");
    requests.hear(&Note::Edge(EdgeRef(edge as u16), EdgeCounted::Call)).expect("a delivery");
    assert!(requests.balance(&model, &sim).unwrap_err().contains("were sent"));
}
