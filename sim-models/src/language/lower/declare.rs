//! Declares who there is: nodes, their maps and endpoints, workloads, kinds and classes, so that steps can name them.

use std::str::FromStr;

use sim_core::fault::{Rate, Shift};
use sim_core::pattern::Name;
use sim_core::{Backoff, Class, Clock, Discipline, Duration, Instant, Kind};

use super::clauses::library;
use super::{Lower, joined, place};
use crate::json::Key;
use crate::language::View;
use crate::policy::codel::Codel;
use crate::policy::{self, bulkhead, slow_start};
use crate::problem::Problem;
use crate::program::{
    self, Balance, BlockRef, ClockDef, ClockSet, Drops, Durable, Endpoint, EndpointRef, LogDef, MapDef, MapRef,
    NodeDef, NodeRef, Order, ProbeDef, QueueDef, Role, ServiceDef, Slot, SlotDef, StopDef, StoreDef,
};
use crate::value::Value;

/// Replicas of one node.
pub(super) const REPLICAS_MAX: u64 = program::REPLICAS_MAX as u64;

/// Kubernetes' timeoutSeconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// Kubernetes' periodSeconds.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// Kubernetes' failureThreshold.
const PROBE_FAILURES: u64 = 3;
/// The kubelet's first and longest wait before it starts a container again.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(10), most: Duration::from_secs(300) };

/// What `$try` and its kin mean already.
const WORDS: [&str; 4] = ["try", "reason", "version", "message"];

impl<'a> Lower<'a> {
    pub(super) fn declare(&mut self) {
        self.program.name = self.root.field("name").and_then(|name| name.text().ok()).unwrap_or_default().to_owned();
        let until = self.root.optional("until", View::duration);
        self.program.until = self.told(until).flatten().map(|until| Instant::ZERO + until);
        for (key, node) in self.root.members_of("nodes") {
            self.node(key, node);
        }
        for (key, workload) in self.root.members_of("workload") {
            self.workload(key, workload);
        }
        for kind in ["read", "set", "delete", "commit", "rollback"] {
            self.kind(kind);
        }
        if self.program.has_queues() {
            for kind in ["publish", "deliver", "ack"] {
                self.kind(kind);
            }
        }
        self.connect_queues();
        self.program.place();
    }

    pub(super) fn add_node(&mut self, name: &str, role: Role) -> NodeRef {
        let node = NodeRef(place(self.program.nodes.len()));
        let (name, replicas, maps) = (name.to_owned(), Vec::new(), Vec::new());
        self.program.nodes.push(NodeDef {
            name,
            replicas,
            count: 1,
            spare: 0,
            role,
            maps,
            gauged: false,
            policies: Vec::new(),
            clock: None,
            zones: Vec::new(),
        });
        self.budgets.push(Vec::new());
        self.policies.push(Vec::new());
        node
    }

    fn node(&mut self, key: &Key, view: View<'a>) {
        let kind = view.field("kind").and_then(|kind| kind.text().ok());
        if kind == Some("queue") {
            let node = self.add_node(&key.name, Role::Queue(QueueDef::default()));
            let queue = self.queue(view);
            self.set_role(node, queue.map(Role::Queue));
        } else if kind == Some("store") {
            let node = self.add_node(&key.name, Role::Store(StoreDef::default()));
            let store = store(view);
            self.idle_ttl(view, "a value");
            self.set_role(node, store.map(Role::Store));
            self.maps(node, view, "maps", false);
        } else {
            let node = self.add_node(&key.name, Role::Service(Box::default()));
            let service = self.service(node, view);
            self.set_role(node, service.map(|def| Role::Service(Box::new(def))));
            self.maps(node, view, "maps", false);
            self.maps(node, view, "memory", true);
        }
        let clock = view.optional("clock", clock_set);
        if let (Some(clock), Some(def)) = (self.told(clock), self.program.nodes.last_mut()) {
            def.clock = clock;
        }
        if let (Some(zones), Some(def)) = (self.told(zones(view)), self.program.nodes.last_mut()) {
            def.zones = zones;
        }
    }

    fn set_role(&mut self, node: NodeRef, role: Result<Role, Problem>) {
        if let Some(role) = self.told(role) {
            self.program.nodes[node.0 as usize].role = role;
        }
    }

    fn service(&mut self, node: NodeRef, view: View<'a>) -> Result<ServiceDef, Problem> {
        let mut endpoints = Vec::new();
        for (key, body) in view.members_of("endpoints") {
            endpoints.push(self.endpoint(node, key, body));
        }
        // The endpoints stay even when something beside them is wrong, so that calls of them are not called wrong too.
        let log = view.field("log").map(log).transpose()?;
        self.program.nodes[node.0 as usize].role = Role::Service(Box::new(ServiceDef {
            endpoints: endpoints.clone(),
            log: log.clone(),
            ..ServiceDef::default()
        }));
        self.program.nodes[node.0 as usize].count = replicas(view)?;
        let stop = stop(view)?;
        self.idle_stop(view, &stop);
        self.idle_line(view);
        Ok(ServiceDef {
            endpoints,
            workers: count_of(view, "workers")?,
            queue: count_of(view, "queue")?,
            order: view.or("order", Order::default(), order)?,
            urgent: Vec::new(),
            drops: view.or("drop", Drops::default(), drops)?,
            limit: limit(view)?,
            refusal: view.or("refusal", sim_core::Dist::default(), View::dist)?,
            retry_after: view.optional("retry_after", View::pushback)?,
            asynchronous: view.or("async", false, View::bool)?,
            honours_cancel: view.or("honours_cancel", false, View::bool)?,
            balance: view.or("balance", Balance::default(), balance)?,
            weights: self.weights(node, view)?,
            points: view.field("balance").map_or(Ok(POINTS), |balance| balance.or("points", POINTS, View::count))?
                as u32,
            ring: None,
            slow_start: slow_start(view)?,
            outlier: None,
            version: view.or("version", Value::from("v1"), |version| version.text().map(Value::from))?,
            discovery: view.or("discovery", Duration::ZERO, View::duration)?,
            startup: view.or("startup", Duration::ZERO, View::duration)?,
            boot: view.or("boot", Duration::ZERO, View::duration)?,
            stop,
            restart: view.optional("restart", View::duration)?,
            liveness: self.probe(node, view, "liveness")?,
            readiness: self.probe(node, view, "readiness")?,
            startup_probe: self.probe(node, view, "startup_probe")?,
            backoff: backoff(view)?,
            log,
        })
    }

    /// `liveness`, `readiness` or `startup_probe` of a service whose endpoints are declared.
    fn probe(&self, node: NodeRef, view: View<'a>, field: &str) -> Result<Option<ProbeDef>, Problem> {
        let Some(probe) = view.field(field) else { return Ok(None) };
        let call = probe.need("call")?;
        let name = call.text()?;
        let endpoint = self.asked_endpoint(node, name).map_err(|message| call.error(message))?;
        let every = probe.or("every", PROBE_EVERY, View::duration)?;
        let timeout = probe.or("timeout", PROBE_TIMEOUT, View::duration)?;
        if every.is_zero() {
            return Err(probe.need("every")?.error("every 0s lets no time pass; write how often, such as \"10s\""));
        }
        if timeout.is_zero() {
            return Err(probe.need("timeout")?.error("no answer comes in no time; write how long, such as \"1s\""));
        }
        if self.program.until.is_none() {
            let name = self.node_name(node);
            let message = format!("{name} is probed every {every} for ever; give the scenario an \"until\"");
            return Err(probe.field("every").unwrap_or(probe).error(message));
        }
        let failures = u32::try_from(probe.or("failures", PROBE_FAILURES, View::count)?).unwrap_or(u32::MAX);
        let successes = u32::try_from(probe.or("successes", 1, View::count)?).unwrap_or(u32::MAX);
        if successes > 1 && field != "readiness" {
            let message = "only a readiness probe may need more than one success in a row; leave \"successes\" out";
            return Err(probe.need("successes")?.error(message));
        }
        let delay = probe.or("delay", Duration::ZERO, View::duration)?;
        Ok(Some(ProbeDef { endpoint, every, timeout, failures, successes, delay }))
    }

    /// What the replicas of a node weigh, in turn.
    fn weights(&self, node: NodeRef, view: View<'a>) -> Result<Vec<u32>, Problem> {
        let Some(weighted) = view.field("balance").and_then(|balance| balance.field("weighted")) else {
            return Ok(Vec::new());
        };
        let one = |view: View<'_>| Ok(view.count()? as u32);
        let weights: Vec<u32> = if weighted.is_list() {
            weighted.items().map(one).collect::<Result<_, _>>()?
        } else {
            let zones = zones(view)?;
            let known = || joined(zones.iter().map(String::as_str));
            let strange = weighted.members().find(|(key, _)| !zones.contains(&key.name));
            if let Some((key, _)) = strange {
                let message =
                    format!("{} stands in no zone \"{}\"; its zones are {}", self.node_name(node), key.name, known());
                return Err(weighted.error(message));
            }
            let of = |zone: &String| {
                weighted.field(zone).ok_or_else(|| weighted.error(format!("zone {zone} has no weight")))
            };
            zones.iter().map(|zone| of(zone).and_then(one)).collect::<Result<_, _>>()?
        };
        let replicas = replicas(view)? as usize;
        if weighted.is_list() && weights.len() > replicas {
            let message = format!("{} weights, and {} has {replicas} replicas", weights.len(), self.node_name(node));
            return Err(weighted.error(message));
        }
        if weights.iter().all(|weight| *weight == 0) {
            return Err(weighted.error("somebody must weigh something; write a weight above 0"));
        }
        Ok(weights)
    }

    fn endpoint(&mut self, node: NodeRef, key: &Key, view: View<'a>) -> EndpointRef {
        if view.is_list() {
            return self.add_endpoint(node, key, Some(view), None);
        }
        let steps = self.told(view.need("do"));
        let clock = clock(view);
        let clock = self.told(clock).flatten();
        if let (Some(ClockDef { every: Some(every), .. }), None) = (clock, self.program.until) {
            let name = self.node_name(node);
            let message = format!("{name}.{} runs every {every} for ever; give the scenario an \"until\"", key.name);
            self.error(key, message);
        }
        self.add_endpoint(node, key, steps, clock)
    }

    pub(super) fn add_endpoint(
        &mut self,
        node: NodeRef,
        key: &Key,
        steps: Option<View<'a>>,
        clock: Option<ClockDef>,
    ) -> EndpointRef {
        let endpoint = EndpointRef(place(self.program.endpoints.len()));
        let (name, kind) = (key.name.clone(), self.kind(&key.name));
        self.program.endpoints.push(Endpoint { name, node, kind, body: BlockRef(0), clock, consumes: None });
        self.bodies.push(steps);
        self.places.endpoints.push(key.span);
        endpoint
    }

    fn maps(&mut self, owner: NodeRef, view: View<'a>, field: &str, memory: bool) {
        for (key, contents) in view.members_of(field) {
            if self.own_map(owner, &key.name).is_some() {
                self.error(key, format!("\"{}\" is a map already; give one of them another name", key.name));
                continue;
            }
            let initial =
                contents.members().filter_map(|(key, value)| Some((Value::of_word(&key.name), value.literal().ok()?)));
            let initial = initial.filter(|(_, value)| !value.is_null()).collect();
            let map = MapRef(place(self.program.maps.len()));
            self.program.maps.push(MapDef { name: key.name.clone(), owner, initial, memory, watched: false });
            self.program.nodes[owner.0 as usize].maps.push(map);
            self.key_classes.push(std::collections::BTreeSet::new());
        }
    }

    /// The map of that name of that node.
    pub(super) fn own_map(&self, owner: NodeRef, name: &str) -> Option<MapRef> {
        self.program.node(owner).maps.iter().copied().find(|map| self.program.map(*map).name == name)
    }

    pub(super) fn kind(&mut self, name: &str) -> Kind {
        Kind(index_of(&mut self.program.kinds, name))
    }

    /// The class of that name, made when it is new.
    pub(super) fn class(&mut self, name: &str) -> Class {
        Class(index_of(&mut self.program.classes, name))
    }

    /// The class of that name, if some `each` declares it.
    pub(super) fn class_named(&self, name: &str) -> Option<Class> {
        self.program.classes.iter().position(|class| class == name).map(|index| Class(place(index)))
    }

    /// The slot of a name, made when it is new.
    pub(super) fn slot(&mut self, name: &str) -> Slot {
        let known = self.program.slots.iter().position(|slot| slot.name == name);
        let index = known.unwrap_or_else(|| {
            let class = self.class_named(name);
            self.program.slots.push(SlotDef { name: name.to_owned(), class });
            self.program.slots.len() - 1
        });
        Slot(place(index))
    }
}

fn index_of(names: &mut Vec<String>, name: &str) -> u16 {
    let index = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    place(index)
}

/// Why a name cannot be given to a value.
pub(super) fn reserved(name: &str) -> Option<String> {
    WORDS.contains(&name).then(|| format!("\"${name}\" has a meaning already; choose another name"))
}

/// `backoff` of a service that is probed: what is not restarted by its platform is not put off.
fn backoff(view: View<'_>) -> Result<Option<Backoff>, Problem> {
    let restarts = view.field("liveness").or(view.field("startup_probe")).is_some();
    let Some(backoff) = view.field("backoff") else { return Ok(restarts.then_some(BACKOFF)) };
    if !restarts {
        let message =
            "nothing restarts this service by itself; \"backoff\" goes with \"liveness\" or \"startup_probe\"";
        return Err(backoff.error(message));
    }
    if !backoff.is_object() {
        return Ok(None);
    }
    let first = backoff.or("wait", BACKOFF.first, View::duration)?;
    let most = backoff.or("max_wait", BACKOFF.most.max(first), View::duration)?;
    if first > most {
        let message = format!("the first wait, {first}, is longer than the longest, {most}");
        return Err(backoff.need("max_wait")?.error(message));
    }
    Ok(Some(Backoff { first, most }))
}

fn stop(view: View<'_>) -> Result<StopDef, Problem> {
    let Some(stop) = view.field("stop") else { return Ok(StopDef::default()) };
    let usual = StopDef::default();
    Ok(StopDef {
        pre_stop: stop.or("pre_stop", usual.pre_stop, View::duration)?,
        drains: stop.or("then", "exit", View::text)? == "drain",
        grace: stop.or("grace", usual.grace, View::duration)?,
    })
}

/// `limit` of a service: one that finds itself.
fn limit(view: View<'_>) -> Result<Option<bulkhead::Rule>, Problem> {
    let Some(view) = view.field("limit") else { return Ok(None) };
    let Some(settings) = library(policy::Kind::Bulkhead, view) else { return Ok(None) };
    let rule = bulkhead::Rule::of(&settings).filter(bulkhead::Rule::finds_itself);
    let message = "the limit of a service is one that finds itself: aimd, gradient2 or vegas; \"workers\" and \"queue\" say \
        a number that stays";
    rule.map(Some).ok_or_else(|| view.error(message))
}

fn order(view: View<'_>) -> Result<Order, Problem> {
    if view.is_object() {
        return Ok(Order::Priority);
    }
    Ok(match view.text()? {
        "lifo" => Order::Lifo,
        "adaptive-lifo" => Order::AdaptiveLifo,
        _ => Order::Fifo,
    })
}

/// `"none"`, `"expired"`, `"codel"`, or codel with other numbers.
fn drops(view: View<'_>) -> Result<Drops, Problem> {
    if view.json().as_text().is_some() && view.text()? != "codel" {
        return Ok(if view.text()? == "expired" { Drops::Expired } else { Drops::Nobody });
    }
    let target = view.or("target", Codel::TARGET, View::duration)?;
    let interval = view.or("interval", Codel::INTERVAL, View::duration)?;
    Ok(Drops::Codel { target, interval })
}

fn replicas(view: View<'_>) -> Result<u32, Problem> {
    match view.or("replicas", 1, View::count)? {
        count if count <= REPLICAS_MAX => Ok(count as u32),
        _ => Err(view.need("replicas")?.error(format!("a node has at most {REPLICAS_MAX} replicas"))),
    }
}

/// How many; none: unlimited. More than fit are as good as unlimited.
pub(super) fn count_of(view: View<'_>, field: &str) -> Result<Option<u32>, Problem> {
    let count = view.optional(field, View::count_or_word)?.flatten();
    Ok(count.and_then(|count| u32::try_from(count).ok()))
}

/// `slow_start` of a service whose balance has turns that a share can make rarer.
fn slow_start(view: View<'_>) -> Result<Option<slow_start::Rule>, Problem> {
    let Some(start) = view.field("slow_start") else { return Ok(None) };
    if !matches!(view.or("balance", Balance::default(), balance)?, Balance::RoundRobin | Balance::LeastRequest) {
        return Err(start.error("a slow start is for \"round-robin\" and \"least-request\""));
    }
    let length = if start.is_object() { start.need("window")? } else { start };
    let usual = slow_start::Rule::over(length.duration()?);
    if usual.window < Duration::from_millis(1) {
        return Err(length.error("a slow start of no time starts nobody slowly; write how long, such as \"60s\""));
    }
    let aggression = |field: View<'_>| match (field.float()? * 1e6).round() as u64 {
        0 => Err(field.error("an aggression is above 0; 1 grows evenly")),
        parts => Ok(parts),
    };
    let aggression = start.or("aggression", usual.aggression, aggression)?;
    let least = start.or("min_weight", usual.least, View::ratio)?;
    Ok(Some(slow_start::Rule { aggression, least, ..usual }))
}

/// Points of each replica on a ring: as many as nginx gives one of weight 1 (`hash … consistent`).
const POINTS: u64 = 160;

/// The name by whose value a ring is asked stands there when all names are known.
pub(super) fn balance(view: View<'_>) -> Result<Balance, Problem> {
    if view.is_object() {
        return balance_of_object(view);
    }
    match view.text()? {
        "random" => Ok(Balance::Random),
        "least-request" => Ok(Balance::LeastRequest),
        "two-choices" => Ok(Balance::Choices { count: 2, again: true }),
        "join-shortest" => Ok(Balance::JoinShortest),
        "consistent-hash" => Ok(Balance::ConsistentHash(None)),
        _ => Ok(Balance::RoundRobin),
    }
}

fn balance_of_object(view: View<'_>) -> Result<Balance, Problem> {
    let ways: Vec<&str> =
        ["weighted", "choices", "consistent_hash"].into_iter().filter(|way| view.field(way).is_some()).collect();
    if let [one, other, ..] = ways[..] {
        return Err(view.error(format!("\"{one}\" and \"{other}\" are two ways to choose; leave one of them out")));
    }
    for (word, way) in [("replacement", "choices"), ("points", "consistent_hash")] {
        if let (Some(field), None) = (view.field(word), view.field(way)) {
            return Err(field.error(format!("\"{word}\" goes with \"{way}\" only")));
        }
    }
    if let Some(count) = view.optional("choices", View::count)? {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        return Ok(Balance::Choices { count, again: view.or("replacement", true, View::bool)? });
    }
    Ok(if view.field("weighted").is_some() { Balance::Weighted } else { Balance::ConsistentHash(None) })
}

fn store(view: View<'_>) -> Result<StoreDef, Problem> {
    let dist = |field| view.or(field, sim_core::Dist::default(), View::dist);
    let volatile = view.or("volatile", false, View::bool)?;
    let durable = view.optional("durable", View::text)?.map(durable);
    if volatile && durable.is_some() {
        return Err(view
            .need("durable")?
            .error("a volatile store has nothing on a disk; leave \"durable\" or \"volatile\" out"));
    }
    let idle_timeout = view.optional("idle_timeout", View::duration)?;
    if idle_timeout == Some(Duration::ZERO) {
        return Err(view.need("idle_timeout")?.error(
            "with 0s every transaction is over after its first operation; say how long one may wait for its \
             next, such as \"10s\", or leave it out: for ever",
        ));
    }
    Ok(StoreDef {
        workers: count_of(view, "workers")?,
        read: dist("read")?,
        set: dist("set")?,
        delete: dist("delete")?,
        commit: dist("commit")?,
        volatile,
        durable,
        checksum: view.or("checksum", true, View::bool)?,
        sync: view.or("sync", lag(durable.unwrap_or_default()), View::dist)?,
        ttl: view.optional("ttl", View::duration)?,
        capacity: view.optional("capacity", View::count)?,
        lock_timeout: view.optional("lock_timeout", View::duration)?,
        idle_timeout,
    })
}

/// `log` of a service.
fn log(view: View<'_>) -> Result<LogDef, Problem> {
    let durable = view.optional("durable", View::text)?.map(durable).unwrap_or_default();
    let sync = view.or("sync", lag(durable), View::dist)?;
    Ok(LogDef { durable, checksum: view.or("checksum", true, View::bool)?, sync })
}

/// How long a sync takes where the file does not say.
fn lag(durable: Durable) -> sim_core::Dist {
    match durable {
        Durable::Written => sim_core::Dist::Constant(Duration::from_secs(1)),
        Durable::Synced => sim_core::Dist::default(),
    }
}

/// The zones that replicas are dealt to.
fn zones(view: View<'_>) -> Result<Vec<String>, Problem> {
    let several: Vec<View<'_>> = view.steps("zones").collect();
    if let Some(none) = view.field("zones").filter(|_| several.is_empty()) {
        return Err(none.error("the replicas are dealt to one zone or more, such as [\"eu-1\", \"eu-2\"]"));
    }
    let one = view.field("zone");
    if let (Some(one), false) = (one, several.is_empty()) {
        return Err(one.error("\"zone\" and \"zones\" say the same; leave one of them out"));
    }
    let named = |zone: View<'_>| match zone.text()?.parse::<Name>() {
        Ok(name) => Ok(name.to_string()),
        Err(error) => Err(zone.error(format!("{error}; a zone is written like \"eu-1\""))),
    };
    one.into_iter().chain(several).map(named).collect()
}

/// How the clocks of a node are wrong from the start on.
fn clock_set(view: View<'_>) -> Result<ClockSet, Problem> {
    let offset = view.optional("offset", |view| amount::<Shift>(view, "\"20ms\" or \"-20ms\""))?;
    let drift = view.optional("drift", |view| amount::<Rate>(view, "\"+50ppm\""))?;
    let discipline = view.optional("discipline", |view| {
        let (error, every) = (view.or("error", Duration::ZERO, View::duration)?, view.need("every")?.duration()?);
        if every == Duration::ZERO {
            return Err(view.need("every")?.error("every 0s lets no time pass; write how often, such as \"64s\""));
        }
        Ok(Discipline { error, every })
    })?;
    let (offset_nanos, drift_ppb) = (offset.map_or(0, Shift::nanos), drift.map_or(0, Rate::ppb));
    Ok(ClockSet { clock: Clock { offset_nanos, drift_ppb }, discipline })
}

/// An amount with a sign, written as in a fault.
fn amount<T: FromStr<Err: ToString>>(view: View<'_>, right: &str) -> Result<T, Problem> {
    let wrong = |error: T::Err| view.error(format!("{}; write it like {right}", error.to_string()));
    view.text()?.parse().map_err(wrong)
}

fn durable(word: &str) -> Durable {
    match word {
        "written" => Durable::Written,
        _ => Durable::Synced,
    }
}

fn clock(view: View<'_>) -> Result<Option<ClockDef>, Problem> {
    let every = view.optional("every", View::duration)?;
    if every == Some(Duration::ZERO) {
        return Err(view.need("every")?.error("every 0s lets no time pass; write how often, such as \"30s\""));
    }
    let at_start = view.or("at_start", false, View::bool)?;
    Ok((every.is_some() || at_start).then_some(ClockDef { every, at_start }))
}
