//! The state of a node in words that the author of the scenario file knows, small enough to be read.
//!
//! Shown of every node: whether it is up and which life it is in. Of a service: its version, workers, places in line, the
//! endpoints that run by themselves, each open request (who asked, since when, until when its caller waits, at which step it is
//! and in which try, what it waits for, the values it knows by a dollar sign, what it does beside), and its maps. Of a store:
//! workers, line, sizes of maps, open transactions (what each has set, since when it is idle, and what a snapshot
//! sees otherwise than it stands in the maps), locks, operations under way, and its maps with the version of each cell. Of a
//! workload: how many operations it has begun and has under way, when the next one is due, its users, and its requests.
//!
//! Counts come first. A request goes by its operation, `order/17`; when several of one operation are open at a node, by the order
//! in which they came, `order/17 #2`. Maps are objects by key; a text that could be taken for a number is in quotes. Instants are
//! texts, cut to what one can read.
//!
//! Not shown: what identifies calls and timers between machines, dice (lineages, visits of a step that repeats), whose turn it is
//! at a load balancer and how many requests it counts at each replica, what is left of retry budgets and of the pause before
//! with decorrelated jitter, the items of lists that were read (their number is), what a `once` replays and when a cell was last
//! set, in which order locks are waited for, and how many items and branches of what runs at once have come out how.

use serde_json::{Map, Value as JsonValue};
use sim_core::{Instant, NodeId, Operation, Sim, Timer};

use crate::backlog::{State, Stored};
use crate::interp::{Queue, Service, Store};
use crate::judge::words;
use crate::message::Msg;
use crate::program::{MapRef, NodeRef, Program, Role};
use crate::shelf::{Cell, Cells};
use crate::slab::Key;
use crate::tell;
use crate::value::Value;

/// The field that stands for what is left out.
const REST: &str = "…";

/// The whole state of a node.
///
/// ```
/// use sim_core::{NodeId, Seed};
/// use sim_models::{inside, language::Choices};
/// let scenario = sim_models::builtin::scenario("checkout").unwrap().unwrap();
/// let model = scenario.model(&Choices::none()).unwrap();
/// let (mut sim, _) = model.start(Seed(1));
/// for _ in 0..40 {
///     sim.step();
/// }
/// let state = inside::inside(&sim, model.program(), NodeId(1));
/// assert_eq!(inside::field(&state, "maps.stock.book.value"), Some(&999_996.into()), "{state:#}");
/// ```
pub fn inside(sim: &Sim<Msg>, program: &Program, node: NodeId) -> JsonValue {
    inside_around(sim, program, node, None, usize::MAX)
}

/// The state of a node: of each map and list first all that concerns an operation, then at most so many others, and how many more
/// there are as its last entry, `"…": "and 9,983 more"`.
///
/// A cell concerns an operation when its key is the operation's number, or a text that has this number in it by itself
/// (`17/1`, `order-17`).
pub fn inside_around(
    sim: &Sim<Msg>,
    program: &Program,
    node: NodeId,
    operation: Option<Operation>,
    most: usize,
) -> JsonValue {
    let view = View { sim, program, node, operation, most };
    let declared = program.replicas[node.0 as usize].0;
    let mut shown = Map::new();
    if let Role::Service(def) = &program.node(declared).role {
        shown.insert("version".to_owned(), json(&def.version));
    }
    let up = sim.is_up(node);
    shown.insert("up".to_owned(), up.into());
    if up {
        shown.insert("life".to_owned(), sim.life(node).into());
        let actor = sim.actor::<Service>(node).map(|service| service.inside(&view));
        let actor = actor.or_else(|| sim.actor::<Store>(node).map(|store| store.inside(&view)));
        let actor = actor.or_else(|| sim.actor::<Queue>(node).map(|queue| queue.inside(&view)));
        shown.extend(actor.unwrap_or_default());
    }
    view.put_maps(declared, &mut shown);
    view.put_backlog(declared, &mut shown);
    JsonValue::Object(shown)
}

/// A state as lines: the path of each value and the value, in order. What is empty has a line too.
///
/// A field whose name is a word is written with a dot, `requests[order/17].since`; all other names and the places of a list, from
/// 0, in brackets.
pub fn fields(value: &JsonValue) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    add_fields(String::new(), value, &mut lines);
    lines
}

fn add_fields(path: String, value: &JsonValue, lines: &mut Vec<(String, String)>) {
    match value {
        JsonValue::Object(fields) if !fields.is_empty() => {
            for (name, inner) in fields {
                add_fields(format!("{path}{}", part(name, path.is_empty())), inner, lines);
            }
        }
        JsonValue::Array(items) if !items.is_empty() => {
            for (at, inner) in items.iter().enumerate() {
                add_fields(format!("{path}[{at}]"), inner, lines);
            }
        }
        JsonValue::Object(_) | JsonValue::Array(_) => lines.push((path, "none".to_owned())),
        JsonValue::String(text) => lines.push((path, text.clone())),
        other => lines.push((path, other.to_string())),
    }
}

/// How a field is written behind the path of what it is in.
fn part(name: &str, first: bool) -> String {
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$');
    match is_word {
        true if first => name.to_owned(),
        true => format!(".{name}"),
        // A bracket inside would end it, and a quote at the beginning says that it is written as JSON writes it.
        false if name.contains(']') || name.starts_with('"') => format!("[{}]", JsonValue::from(name)),
        false => format!("[{name}]"),
    }
}

/// The value at a path that [`fields`] gives, or at the path of what is around it; `None` when nothing is there (any more).
pub fn field<'v>(value: &'v JsonValue, path: &str) -> Option<&'v JsonValue> {
    if path.is_empty() {
        return Some(value);
    }
    let (name, rest) = first_part(path)?;
    let inner = match value {
        JsonValue::Object(fields) => fields.get(&name)?,
        JsonValue::Array(items) => items.get(name.parse::<usize>().ok()?)?,
        _ => return None,
    };
    field(inner, rest)
}

/// The first name of a path, and the rest of the path.
fn first_part(path: &str) -> Option<(String, &str)> {
    if let Some(quoted) = path.strip_prefix('[').filter(|inner| inner.starts_with('"')) {
        let mut parts = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
        let name = parts.next()?.ok()?;
        return Some((name, quoted[parts.byte_offset()..].strip_prefix(']')?));
    }
    if let Some(inner) = path.strip_prefix('[') {
        let (name, rest) = inner.split_once(']')?;
        return Some((name.to_owned(), rest));
    }
    let word = path.strip_prefix('.').unwrap_or(path);
    let end = word.find(['.', '[']).unwrap_or(word.len());
    (end > 0).then(|| (word[..end].to_owned(), &word[end..]))
}

/// A value as JSON has it.
pub(crate) fn json(value: &Value) -> JsonValue {
    match value {
        Value::Null => JsonValue::Null,
        Value::Int(number) => (*number).into(),
        Value::Text(text) => (&**text).into(),
    }
}

/// A key as the name of a field.
pub(crate) fn key_name(key: &Value) -> String {
    let is_taken = |text: &str| text.parse::<i64>().is_ok() || text == "null" || text == REST;
    match key {
        Value::Text(text) if is_taken(text) => words::value(key),
        Value::Null | Value::Int(_) | Value::Text(_) => key.to_string(),
    }
}

/// What is looked at, and how much of it.
pub(crate) struct View<'a> {
    pub(crate) sim: &'a Sim<Msg>,
    pub(crate) program: &'a Program,
    pub(crate) node: NodeId,
    pub(crate) operation: Option<Operation>,
    pub(crate) most: usize,
}

impl View<'_> {
    /// An instant in words.
    pub(crate) fn instant(&self, at: Instant) -> JsonValue {
        words::instant(at).into()
    }

    /// When the timer of an alarm is due.
    pub(crate) fn due(&self, alarm: Key) -> Option<Instant> {
        self.sim.due(self.node, Timer(alarm.place))
    }

    /// An operation's name; that of its endpoint or whatever else it is, when it is done for nobody.
    pub(crate) fn operation_name(&self, of: Operation, otherwise: impl FnOnce() -> String) -> String {
        tell::operation(self.program, of).unwrap_or_else(otherwise)
    }

    /// Whether something is done for the operation that is asked about.
    pub(crate) fn is_for(&self, of: Operation) -> bool {
        self.operation == Some(of)
    }

    /// Entries by name: those that come first, then at most so many others, then how many more there are.
    pub(crate) fn clipped(
        &self,
        first: Vec<(String, JsonValue)>,
        others: impl Iterator<Item = (String, JsonValue)>,
        total: usize,
    ) -> JsonValue {
        let mut shown: Map<String, JsonValue> = first.into_iter().chain(others.take(self.most)).collect();
        let more = total.saturating_sub(shown.len());
        put_rest(&mut shown, more);
        JsonValue::Object(shown)
    }

    /// The durable maps of a node; those of a crashed service too, since no crash takes them.
    fn put_maps(&self, declared: NodeRef, shown: &mut Map<String, JsonValue>) {
        let kept = self.program.node(declared).maps.iter().filter(|map| !self.program.map(**map).memory);
        let cells: Vec<(MapRef, &Cells)> = kept.map(|map| (*map, self.sim.shared().map(*map))).collect();
        if cells.is_empty() {
            return;
        }
        shown.insert("sizes".to_owned(), self.sizes(&cells));
        let is_store = matches!(self.program.node(declared).role, Role::Store(_));
        shown.insert("maps".to_owned(), self.maps(&cells, if is_store { versioned } else { plain }));
    }

    /// What a queue keeps; that of a crashed one too.
    fn put_backlog(&self, declared: NodeRef, shown: &mut Map<String, JsonValue>) {
        let Some(backlog) = self.sim.shared().backlog(declared) else { return };
        shown.insert("waiting".to_owned(), backlog.waiting().into());
        shown.insert("in_flight".to_owned(), backlog.in_flight().into());
        if let Some(oldest) = backlog.oldest() {
            shown.insert("oldest".to_owned(), self.instant(oldest));
        }
        let (first, others): (Vec<_>, Vec<_>) =
            backlog.iter().partition(|(_, message)| self.is_for(message.cause.operation));
        let total = first.len() + others.len();
        let show =
            |(number, message): (u64, &Stored)| (format!("message {number}"), JsonValue::Object(self.message(message)));
        let first = first.into_iter().map(show).collect();
        shown.insert("messages".to_owned(), self.clipped(first, others.into_iter().map(show), total));
    }

    fn message(&self, message: &Stored) -> Map<String, JsonValue> {
        let mut shown = Map::new();
        let mut put = |name: &str, value: JsonValue| _ = shown.insert(name.to_owned(), value);
        if message.cause.operation.parts().is_some() {
            put("about", self.operation_name(message.cause.operation, String::new).into());
        }
        put("published", self.instant(message.published));
        match message.state {
            State::Visible => put("state", "visible".into()),
            State::Delayed(until) => {
                put("state", "delayed".into());
                put("until", self.instant(until));
            }
            State::InFlight { until, to: (node, endpoint) } => {
                put("state", "in flight".into());
                let whose = self.program.replica_name(node);
                put("with", format!("{whose}.{}", self.program.endpoint(endpoint).name).into());
                if until != Instant::NEVER {
                    put("until", self.instant(until));
                }
            }
        }
        if message.receives > 0 {
            put("deliveries", message.receives.into());
        }
        if let Some(reason) = message.reason {
            put("given_up", self.program.reason(reason).into());
        }
        if message.expires != Instant::NEVER {
            put("expires", self.instant(message.expires));
        }
        shown
    }

    /// How many cells each map has.
    pub(crate) fn sizes(&self, maps: &[(MapRef, &Cells)]) -> JsonValue {
        let size = |(map, cells): &(MapRef, &Cells)| (self.program.map(*map).name.clone(), cells.len().into());
        JsonValue::Object(maps.iter().map(size).collect())
    }

    /// The cells of each map.
    pub(crate) fn maps(&self, maps: &[(MapRef, &Cells)], show: fn(&Cell) -> JsonValue) -> JsonValue {
        let shown = |(map, cells): &(MapRef, &Cells)| (self.program.map(*map).name.clone(), self.cells(cells, show));
        JsonValue::Object(maps.iter().map(shown).collect())
    }

    fn cells(&self, cells: &Cells, show: fn(&Cell) -> JsonValue) -> JsonValue {
        let number = self.operation.and_then(Operation::parts).map(|(_, number)| number);
        let concerns = |key: &Value| number.is_some_and(|number| has_number(key, number));
        let numbered = number.map(|number| Value::Int(number as i64));
        let by_number = numbered.and_then(|key| Some((key.clone(), cells.get(&key)?)));
        let by_text = number.map(|_| cells.texts().filter(|(key, _)| concerns(key)));
        let first = by_number.into_iter().chain(by_text.into_iter().flatten());
        let first = first.map(|(key, cell)| (key_name(&key), show(cell))).collect();
        let others = cells.iter().filter(|(key, _)| !concerns(key));
        self.clipped(first, others.map(|(key, cell)| (key_name(&key), show(cell))), cells.len())
    }
}

/// Says how many more entries there are, if there are any.
pub(crate) fn put_rest(shown: &mut Map<String, JsonValue>, more: usize) {
    if more > 0 {
        shown.insert(REST.to_owned(), format!("and {} more", words::grouped(more as u64)).into());
    }
}

/// What a cell holds.
pub(crate) fn plain(cell: &Cell) -> JsonValue {
    json(&cell.value)
}

pub(crate) fn versioned(cell: &Cell) -> JsonValue {
    let fields = [("value", json(&cell.value)), ("version", cell.version.into())];
    JsonValue::Object(fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
}

/// Whether a key is this number, or a text with the number in it by itself.
fn has_number(key: &Value, number: u64) -> bool {
    match key {
        Value::Null => false,
        Value::Int(key) => u64::try_from(*key) == Ok(number),
        Value::Text(text) => {
            let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
            words.any(|word| word.parse() == Ok(number))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use sim_core::{Class, Limits, Seed, Stop};

    use super::*;
    use crate::language::Choices;
    use crate::scenario::{Model, Scenario};

    const FILE: &str = r#"{"faultline": 1, "name": "test", "until": "60s", "nodes": {
      "shop": {"kind": "service", "workers": 2, "queue": 3, "memory": {"seen": {}}, "endpoints": {"buy": [
        {"set": "seen[$order]", "to": 1},
        {"transaction": [
          {"set": "orders.status[$order]", "to": "paid"},
          {"record": "sold"},
          {"call": "bank.pay", "id": "payment", "with": {"amount": 20}, "timeout": "1s", "retry": {"tries": 2, "wait": "1s"},
           "on": {"else": []}}]},
        {"parallel": [[{"wait": "1s"}], [{"work": "2s"}]]},
        {"reply": "done"}],
        "sweep": {"every": "1m", "do": [{"wait": "1s"}]}}},
      "bank": {"kind": "service", "version": "v7", "maps": {"paid": {}}, "endpoints": {"pay": [
        {"once": "$order/$try", "in": "paid", "in_flight": "wait", "lock": "5m", "do": [{"wait": "90s"}]}]}},
      "orders": {"kind": "store", "set": "100ms", "maps": {"status": {"17": "old", "book": 3}}}},
     "workload": {
       "buyer": {"rate": "2/s", "spacing": "even", "limit": 9, "each": "order", "do": [{"call": "shop.buy"}]},
       "patrons": {"users": 3, "think": "1s", "limit": 9, "each": "visit", "do": [{"wait": "5s"}]}},
     "faults": ["20s.. crash orders"]}"#;

    fn model() -> Model {
        let scenario = Scenario::parse("test.json", FILE).unwrap_or_else(|problems| panic!("{problems}"));
        scenario.model(&Choices::none()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The states at an instant, by node.
    fn states(at: &str, operation: Option<u64>, most: usize) -> Vec<(String, JsonValue)> {
        let (model, at) = (model(), at.parse().unwrap());
        let (mut sim, _) = model.start(Seed(1));
        while sim.step_before(at).is_some() {}
        let operation = operation.map(|number| Operation::new(Class(0), number));
        let nodes = (0..model.program().replicas.len()).map(|node| NodeId(node as u32));
        nodes
            .map(|node| {
                let state = inside_around(&sim, model.program(), node, operation, most);
                (model.program().replica_name(node), state)
            })
            .collect()
    }

    /// What stands at a path in the state of a node: `path = value; path = value`.
    #[track_caller]
    fn check(at: &str, node: &str, path: &str, expected: &str) {
        let states = states(at, None, usize::MAX);
        let (_, state) = states.iter().find(|(name, _)| name == node).unwrap();
        let inner = field(state, path).unwrap_or_else(|| panic!("{state:#}"));
        let lines = fields(inner).into_iter().map(|(path, shown)| format!("{path} = {shown}"));
        assert_eq!(lines.collect::<Vec<_>>().join("; "), expected);
    }

    #[test]
    fn a_service_is_shown_request_by_request() {
        check("1.7s", "shop", "workers", "busy = 2; limit = 2");
        check("1.7s", "shop", "queue", "waiting = 2; limit = 3");
        check("1.7s", "shop", "by_the_clock.sweep", "begun = 0; runs = false; next = 60s");
        check("1.7s", "shop", "memory", "seen[1] = 1; seen[2] = 1");
        check(
            "1.7s",
            "shop",
            "requests[order/1]",
            "endpoint = buy; from = buyer; since = 0s; at = payment; try = 2; waits_for = its next try; waits_until = 2.1s; \
             transaction = shop #1; at_commit[0] = record sold order/1; knows.$order = 1",
        );
        check(
            "1.7s",
            "shop",
            "requests[order/4]",
            "endpoint = buy; from = buyer; since = 1.5s; waits_for = a worker; place_in_line = 2; knows.$order = 4",
        );
        check(
            "3.5s",
            "shop",
            "requests[order/1]",
            "endpoint = buy; from = buyer; since = 0s; at = nodes.shop.endpoints.buy[2]; waits_for = 2 branches; \
             knows.$order = 1; knows.$reason = timeout; \
             beside[0].at = nodes.shop.endpoints.buy[2].parallel[0][0]; beside[0].waits_for = the end of its wait; \
             beside[0].waits_until = 4.1s; beside[1].at = nodes.shop.endpoints.buy[2].parallel[1][0]; \
             beside[1].waits_for = its work; beside[1].waits_until = 5.1s",
        );
    }

    #[test]
    fn a_callee_is_shown_with_who_waits_and_until_when() {
        check(
            "1.7s",
            "bank",
            "requests[order/2]",
            "endpoint = pay; from = shop; since = 600ms; caller_waits_until = 1.6s; at = nodes.bank.endpoints.pay[0].do[0]; \
             waits_for = the end of its wait; waits_until = 90.6s; knows.$order = 2; knows.$amount = 20",
        );
        check("1.7s", "bank", "maps", "paid[1/1] = RUNNING; paid[2/1] = RUNNING");
        check(
            "3s",
            "bank",
            "requests[order/1 #2]",
            "endpoint = pay; from = shop; since = 2.1s; caller_waits_until = 3.1s; at = nodes.bank.endpoints.pay[0]; \
             waits_for = whoever runs it for \"1/1\" now; waits_until = 300.1s; knows.$order = 1; knows.$amount = 20",
        );
    }

    #[test]
    fn a_store_is_shown_with_versions_locks_and_transactions() {
        check("1.55s", "orders", "transactions[shop #1]", "waiting = 0; sets.status[1] = paid");
        check(
            "1.55s",
            "orders",
            "locks.status",
            "[1].held_by = shop #1; [1].waiting = 0; [2].held_by = shop #2; [2].waiting = 0",
        );
        check("1.55s", "orders", "maps.status[17]", "value = old; version = 1");
        check("1.55s", "orders", "sizes", "status = 2");
        check(
            "0.05s",
            "orders",
            "operations[order/1]",
            "asks = set orders.status[1] = \"paid\", in transaction shop #1; from = shop; waits_for = its work; \
             waits_until = 100ms",
        );
    }

    #[test]
    fn a_workload_is_shown_by_what_is_under_way() {
        check("0.5s", "patrons", "think_until", "[1] = 1s; [2] = 1s; [3] = 1s");
        check(
            "1.7s",
            "patrons",
            "requests[visit/2]",
            "user = 2; since = 1s; at = workload.patrons.do[0]; waits_for = the end of its wait; waits_until = 6s; \
             knows.$visit = 2",
        );
        check("1.7s", "buyer", "begun", " = 4");
        check("1.7s", "buyer", "next", " = 2s");
        check(
            "1.7s",
            "buyer",
            "requests[order/1]",
            "since = 0s; at = workload.buyer.do[0]; waits_for = shop: buy; waits_since = 0s; knows.$order = 1",
        );
    }

    #[test]
    fn what_is_down_still_has_what_no_crash_takes() {
        check("21s", "orders", "up", " = false");
        check("21s", "orders", "maps.status[17].value", " = old");
    }

    #[test]
    fn every_line_is_found_again_by_its_path() {
        for (_, state) in states("2.6s", None, usize::MAX) {
            let lines = fields(&state);
            for (path, shown) in &lines {
                let found = field(&state, path).unwrap_or_else(|| panic!("{path}"));
                assert_eq!(fields(found), [(String::new(), shown.clone())], "{path}");
            }
            let mut paths: Vec<&String> = lines.iter().map(|(path, _)| path).collect();
            paths.dedup();
            assert_eq!(paths.len(), lines.len());
        }
        assert_eq!(field(&serde_json::json!({"a": [1]}), "a[1]"), None);
    }

    #[test]
    fn names_that_are_no_words_are_in_brackets() {
        let value = serde_json::json!({"a b": {"c": 1, "]": 2, "\"": [3, {}], "1": null}});
        let expected = [
            ("[a b].c", "1"),
            ("[a b][\"]\"]", "2"),
            ("[a b][\"\\\"\"][0]", "3"),
            ("[a b][\"\\\"\"][1]", "none"),
            ("[a b][1]", "null"),
        ];
        let lines = fields(&value);
        assert!(lines.iter().map(|(path, shown)| (path.as_str(), shown.as_str())).eq(expected), "{lines:?}");
        assert_eq!(field(&value, "[a b][\"\\\"\"][0]"), Some(&3.into()));
    }

    #[test]
    fn of_many_entries_those_of_the_operation_come_first() {
        let (_, state) = states("10s", Some(4), 1).swap_remove(1);
        let paid = serde_json::json!({"4/1": "RUNNING", "1/1": "RUNNING", "…": "and 2 more"});
        let keys = |value: &JsonValue| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(field(&state, "maps.paid"), Some(&paid));
        assert_eq!(keys(&state["maps"]["paid"]), ["4/1", "1/1", "…"]);
        assert_eq!(keys(&state["requests"]), ["order/4", "order/4 #2", "order/1", "…"]);
        assert_eq!(field(&state, "maps.paid[…]"), Some(&"and 2 more".into()));
    }

    #[test]
    fn every_state_of_every_story_is_shown() {
        for name in crate::builtin::names() {
            let scenario = crate::builtin::scenario(name).unwrap().unwrap();
            let model = scenario.model(&Choices::none()).unwrap();
            let limits = Limits { events: 3_000, ..Limits::default() };
            model.run_watched(Seed(3), Stop::AtEnd, limits, |sim, step| {
                if let Some(node) = step.node().filter(|_| step.number.is_multiple_of(7)) {
                    let state = inside_around(sim, model.program(), node, Some(step.cause.operation), 3);
                    assert!(fields(&state).len() > 2);
                }
                ControlFlow::Continue(())
            });
        }
    }
}
