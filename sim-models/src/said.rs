//! What is in an envelope, in one line that whoever wrote the scenario file understands.
//!
//! Numbers that only machines know each other by (calls, lives, places) are left out; so are values that are null.

use sim_core::{Instant, Kind, NodeId};

use crate::expr::Expr;
use crate::judge::words;
use crate::message::{
    Carried, Decision, Extra, FactChange, Msg, Names, Operation, Outcome, Parcel, Part, Receipt, Settled, Standing,
    TxnId,
};
use crate::policy::retry::Pushback;
use crate::program::{MapRef, Program, Reason, Step, StepRef, Template, Var, Verb};
use crate::shelf::fill;
use crate::value::Value;

/// What a message says.
///
/// ```
/// use sim_models::language::Choices;
/// use sim_models::message::{CallId, Msg};
/// use sim_models::said::said;
/// let scenario = sim_models::builtin::scenario("checkout").unwrap().unwrap();
/// let model = scenario.model(&Choices::none()).unwrap();
/// let id = CallId { life: 1, place: 0, turn: 0 };
/// let said = said(model.program(), &Msg::Cancel { id, kind: model.program().kind("read") });
/// assert_eq!((said.word.as_str(), said.text.as_str()), ("read", "read: its caller has given up"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The endpoint or the operation on a store, as its kind of message is called.
    pub word: String,
    /// The line: `pay order/17 {amount: 20}`, `set orders.status[17] = "PAID"`, `read answered "PAID", version 2`.
    pub text: String,
}

/// A message in words.
pub fn said(program: &Program, msg: &Msg) -> Said {
    let (kind, text) = match msg {
        Msg::Call { kind, carried, expires, deadline, .. } => {
            let text = [word(program, *kind), &request(program, carried), &times(*expires, *deadline)].concat();
            (*kind, text)
        }
        Msg::Ask { kind, operation, .. } => (*kind, asked(program, operation)),
        Msg::Answer { kind, outcome, extra, .. } => (*kind, answer(program, word(program, *kind), outcome, extra)),
        Msg::Cancel { kind, .. } => (*kind, format!("{}: its caller has given up", word(program, *kind))),
        Msg::Inquire { kind, txn, of, .. } => {
            (*kind, format!("{}: what was decided about {}", word(program, *kind), about(program, *txn, *of)))
        }
        Msg::Stands { kind, txn, of, standing } => {
            (*kind, format!("{} is {} here", about(program, *txn, *of), stands(*standing)))
        }
        Msg::Publish { kind, carried, .. } => (*kind, [word(program, *kind), &request(program, carried)].concat()),
        Msg::Ready { kind, room, .. } => {
            let more = room.more.map_or("any number".to_owned(), |more| words::counted(u64::from(more), "delivery"));
            (*kind, format!("{}: takes {more} now", word(program, *kind)))
        }
        Msg::Rouse { kind, .. } => (*kind, format!("{}: how many more?", word(program, *kind))),
        Msg::Deliver { kind, parcels, .. } => {
            let one = |parcel: &Parcel| format!("{}{}", request(program, &parcel.carried), again(parcel.receipt));
            let parcels: Vec<String> = parcels.iter().map(one).collect();
            (*kind, [word(program, *kind), &parcels.join(",")].concat())
        }
        Msg::Extend { kind, receipts } => {
            (*kind, format!("{}: still works on {}", word(program, *kind), messages(receipts.iter())))
        }
        Msg::Settle { kind, settled } => {
            let text: Vec<String> = settled.iter().map(|(receipt, how)| done_with(program, *receipt, *how)).collect();
            (*kind, format!("{}: {}", word(program, *kind), text.join(", ")))
        }
        Msg::Rollback { kind, txn } => (*kind, format!("{} {}", word(program, *kind), transaction(program, *txn))),
    };
    Said { word: word(program, kind).to_owned(), text }
}

/// The how-manieth delivery it is, if it is not the first.
fn again(receipt: Receipt) -> String {
    if receipt.delivery > 1 { format!(", delivery {}", receipt.delivery) } else { String::new() }
}

fn messages<'r>(receipts: impl Iterator<Item = &'r Receipt>) -> String {
    let all: Vec<String> = receipts.map(|receipt| format!("message {}", receipt.message)).collect();
    all.join(", ")
}

fn done_with(program: &Program, receipt: Receipt, how: Settled) -> String {
    let message = format!("message {}{}", receipt.message, again(receipt));
    match how {
        Settled::Done => format!("{message} is done"),
        Settled::Dead(reason) => format!("{message} is given up, {}", program.reason(reason)),
        Settled::Back => format!("{message} comes back untouched"),
    }
}

fn word(program: &Program, kind: Kind) -> &str {
    program.kinds.get(usize::from(kind.0)).map_or("", String::as_str)
}

/// A value as JSON writes it.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null | Value::Int(_) => value.to_string(),
        Value::Text(text) => serde_json::Value::from(&**text).to_string(),
    }
}

/// A transaction, by who runs it: `shop #3`, and in a later life of that node `shop #3 of life 2`.
pub(crate) fn transaction(program: &Program, txn: TxnId) -> String {
    let name = program.replica_name(NodeId(txn.node));
    let life = if txn.life == 1 { String::new() } else { format!(" of life {}", txn.life) };
    format!("{name} #{}{life}", txn.number)
}

/// A cell: `orders.status[17]`.
pub(crate) fn cell(program: &Program, map: MapRef, key: &Value) -> String {
    format!("{}[{key}]", words::map(program, map))
}

/// What travels with a request, behind a blank: what it is about, then the other names and values.
fn request(program: &Program, carried: &Carried) -> String {
    let travels = |slot: &usize| carried.mask >> slot & 1 == 1;
    let slots = (0..carried.values.len()).filter(travels).filter(|slot| !carried.values[*slot].is_null());
    let (mut about, mut others) = (String::new(), Vec::new());
    for slot in slots {
        let (def, held) = (&program.slots[slot], &carried.values[slot]);
        match def.class.and_then(|class| program.classes.get(usize::from(class.0))) {
            Some(class) => about += &format!(" {class}/{held}"),
            None => others.push(format!("{}: {}", def.name, value(held))),
        }
    }
    let others = if others.is_empty() { String::new() } else { format!(" {{{}}}", others.join(", ")) };
    about + &others
}

fn times(expires: Instant, deadline: Instant) -> String {
    let mut text = String::new();
    if expires != Instant::NEVER {
        text += &format!(", its caller waits until {}", words::instant(expires));
    }
    if deadline != Instant::NEVER && deadline != expires {
        text += &format!(", no time is left after {}", words::instant(deadline));
    }
    text
}

/// What is asked of a store, in words.
pub(crate) fn asked(program: &Program, operation: &Operation) -> String {
    match operation {
        Operation::Step { step, key, names, part } => {
            let names = names.as_deref();
            let number = names.map(|names| names.number).filter(|number| *number > 1);
            let number = number.map(|number| format!(", try {number}")).unwrap_or_default();
            [step_at(program, *step, key, names), number, inside(program, *part)].concat()
        }
        Operation::OnceBegin { step, key, part } => {
            format!("begin once {}{}", once_cell(program, *step, key), inside(program, *part))
        }
        Operation::OnceEnd { step, key, outcome, part, .. } => {
            let came = outcome_text(program, outcome);
            format!("end once {}: {came}{}", once_cell(program, *step, key), inside(program, *part))
        }
        Operation::Commit { txn, facts } => {
            format!("commit {}{}", transaction(program, *txn), recorded(program, facts))
        }
        Operation::Prepare { txn, of, .. } => format!("prepare {}", about(program, *txn, *of)),
        Operation::Precommit { txn, of } => format!("precommit {}", about(program, *txn, *of)),
        Operation::Decide { txn, of, decision, .. } => {
            let word = match decision {
                Decision::Commit => "decide commit",
                Decision::Abort => "decide abort",
                Decision::Alone => "decide alone to forget",
                Decision::AloneCommit => "decide alone to commit",
            };
            format!("{word} {}", about(program, *txn, *of))
        }
        Operation::Recover => "recover what was promised".to_owned(),
        Operation::Forget { txn, of } => {
            format!("forget that {} was decided alone", about(program, *txn, *of))
        }
    }
}

/// A transaction by what it is done for, `order/17`; by who runs it when that is nobody's operation.
fn about(program: &Program, txn: TxnId, of: sim_core::Operation) -> String {
    crate::tell::operation(program, of).unwrap_or_else(|| transaction(program, txn))
}

const fn stands(standing: Standing) -> &'static str {
    match standing {
        Standing::Prepared => "prepared",
        Standing::Precommitted => "precommitted",
        Standing::Committed => "committed",
        Standing::Aborted => "aborted",
    }
}

fn inside(program: &Program, part: Option<Part>) -> String {
    part.map(|part| format!(", in transaction {}", transaction(program, part.id))).unwrap_or_default()
}

fn once_cell(program: &Program, step: StepRef, key: &Value) -> String {
    match &program.step(step).verb {
        Verb::Once(def) => cell(program, def.map, key),
        _ => value(key),
    }
}

/// The facts that happen with a commit.
fn recorded(program: &Program, facts: &[FactChange]) -> String {
    let facts: Vec<String> = facts.iter().map(|change| fact(program, change)).collect();
    if facts.is_empty() { String::new() } else { format!(" and {}", facts.join(", ")) }
}

/// A fact that is recorded or taken back: `record paid order/17`.
pub(crate) fn fact(program: &Program, (fact, key, times): &FactChange) -> String {
    let def = &program.facts[usize::from(fact.0)];
    let key = match def.class.and_then(|class| program.classes.get(usize::from(class.0))) {
        Some(class) => format!("{class}/{key}"),
        None => value(key),
    };
    format!("{} {} {key}", if *times < 0 { "take back" } else { "record" }, def.name)
}

fn step_at(program: &Program, step: StepRef, key: &Value, names: Option<&Names>) -> String {
    let step: &Step = program.step(step);
    let written = |expr: &Expr<Var>| written(program, expr, names);
    match &step.verb {
        Verb::Read { map, when, .. } => {
            let when = when.as_ref().map(|when| format!(" when {}", written(when)));
            format!("read {}{}", cell(program, *map, key), when.unwrap_or_default())
        }
        Verb::List { map, filter, limit, .. } => {
            let filter = filter.as_ref().map(|filter| format!(" where {}", written(filter)));
            let limit = limit.map(|limit| format!(", at most {limit}"));
            format!("list {}{}{}", words::map(program, *map), filter.unwrap_or_default(), limit.unwrap_or_default())
        }
        Verb::Set { map, to: Template::Constant(Value::Null), condition, .. } => {
            let condition = condition.as_ref().map(|condition| format!(" where {}", written(condition)));
            format!("delete {}{}", cell(program, *map, key), condition.unwrap_or_default())
        }
        Verb::Set { map, to, condition, .. } => {
            let condition = condition.as_ref().map(|condition| format!(" where {}", written(condition)));
            let to = filled(program, to, key, names);
            format!("set {} = {to}{}", cell(program, *map, key), condition.unwrap_or_default())
        }
        _ => value(key),
    }
}

/// What a cell is set to: the value, as far as it does not depend on the cell, else the expression.
fn filled(program: &Program, to: &Template, key: &Value, names: Option<&Names>) -> String {
    let mut at_cell = false;
    let mut name = |var: &Var, _: Option<&Value>| {
        known(*var, Some(key), names).unwrap_or_else(|| {
            at_cell = true;
            Value::Null
        })
    };
    let filled = fill(to, &mut name);
    match (filled, to) {
        (Ok(filled), _) if !at_cell => value(&filled),
        (_, Template::Expr(expr)) => written(program, expr, names),
        (_, Template::Var(var)) => Shown::of(program, *var, names).0,
        (_, Template::Constant(_) | Template::Text(_)) => "what stands there then".to_owned(),
    }
}

/// The value of a name that does not depend on the cell.
fn known(var: Var, key: Option<&Value>, names: Option<&Names>) -> Option<Value> {
    match var {
        Var::Slot(slot) => names.and_then(|names| names.values.get(usize::from(slot.0))).cloned(),
        Var::Try => names.map(|names| Value::Int(i64::from(names.number))),
        Var::Reason => names.map(|names| names.reason.clone()),
        Var::ReplicaVersion => names.map(|names| names.version.clone()),
        Var::Key => key.cloned(),
        Var::Now | Var::Value | Var::CellVersion | Var::Age | Var::Map(_) => None,
    }
}

/// A name of a step as it is written, or the value it has.
struct Shown(String);

impl std::fmt::Display for Shown {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl Shown {
    fn of(program: &Program, var: Var, names: Option<&Names>) -> Shown {
        Shown(match var {
            Var::Map(map) => program.map(map).name.clone(),
            Var::Now => "now".to_owned(),
            Var::Value => "value".to_owned(),
            Var::CellVersion => "version".to_owned(),
            Var::Age => "age".to_owned(),
            Var::Key => "key".to_owned(),
            Var::Slot(_) | Var::Try | Var::Reason | Var::ReplicaVersion => {
                words::value(&known(var, None, names).unwrap_or_default())
            }
        })
    }
}

/// An expression with the values of the caller in it.
fn written(program: &Program, expr: &Expr<Var>, names: Option<&Names>) -> String {
    let shown = expr.resolve(&mut |var, _| Ok::<Shown, std::convert::Infallible>(Shown::of(program, *var, names)));
    match shown {
        Ok(shown) => shown.to_string(),
    }
}

fn answer(program: &Program, word: &str, outcome: &Outcome, extra: &Extra) -> String {
    match (outcome, extra) {
        (Outcome::Error(Reason::REFUSED), _) => format!("{word} refused"),
        (Outcome::Ok(held), Extra::Version(version)) => {
            let version = if held.is_null() { String::new() } else { format!(", version {version}") };
            format!("{word} answered {}{version}", value(held))
        }
        (Outcome::Ok(_), Extra::Keys(keys)) => format!("{word} answered {}", list(keys)),
        (Outcome::Ok(_), Extra::ReadOnly) => format!("{word} answered yes, and has set nothing"),
        (came, Extra::Pushback(Pushback::After(wait))) => {
            format!("{word} answered {}, to be tried again after {wait}", outcome_text(program, came))
        }
        (came, Extra::Pushback(Pushback::No)) => {
            format!("{word} answered {}, not to be tried again", outcome_text(program, came))
        }
        (_, Extra::Mixed) => format!("{word} answered that it has decided alone, and otherwise"),
        (_, Extra::NotKnown) => format!("{word} answered that it knows nothing of that"),
        (_, Extra::Promises(txns)) => {
            format!("{word} answered {}", words::counted(txns.len() as u64, "transaction"))
        }
        (Outcome::Ok(key), Extra::Run) => format!("{word} answered: {} may run", value(key)),
        (came, Extra::Replayed { .. }) => {
            format!("{word} answered what came of it before: {}", outcome_text(program, came))
        }
        (came, _) => format!("{word} answered {}", outcome_text(program, came)),
    }
}

/// An outcome with its value or reason: `ok "PAID"`, `error sold_out`, `unknown timeout`.
pub(crate) fn outcome_text(program: &Program, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok(Value::Null) => "ok".to_owned(),
        Outcome::Ok(held) => format!("ok {}", value(held)),
        Outcome::Error(reason) => format!("error {}", program.reason(*reason)),
        Outcome::Unknown(reason) => format!("unknown {}", program.reason(*reason)),
    }
}

/// How many keys, and the first of them.
fn list(keys: &[Value]) -> String {
    const MOST: usize = 8;
    let first: Vec<String> = keys.iter().take(MOST).map(value).collect();
    let rest = if keys.len() > MOST { ", …" } else { "" };
    let colon = if keys.is_empty() { "" } else { ": " };
    format!("{}{colon}{}{rest}", words::counted(keys.len() as u64, "key"), first.join(", "))
}

#[cfg(test)]
mod tests {
    use sim_core::Seed;

    use super::*;
    use crate::language::Choices;
    use crate::message::CallId;
    use crate::scenario::{Model, Scenario};

    const FILE: &str = r#"{"faultline": 1, "name": "test", "nodes": {
      "shop": {"kind": "service", "endpoints": {"buy": [
        {"read": "orders.status[$order]", "as": "before"},
        {"call": "bank.pay", "with": {"amount": 20, "note": "$order/$try"}, "timeout": "1s", "retry": {"tries": 2},
         "on": {"else": []}},
        {"call": "bank.owe", "on": {"else": []}},
        {"transaction": [
          {"set": "orders.status[$order]", "to": "paid"},
          {"set": "orders.count['all']", "to": "= value + $order", "where": "value < 100"},
          {"record": "sold"}]},
        {"read": "orders.status[*]", "where": "value == 'paid'", "as": "all"},
        {"once": "$order", "in": "orders.seen", "do": [{"wait": "1ms"}]},
        {"set": "orders.status[$order]", "to": null},
        {"reply": "done"}]}},
      "bank": {"kind": "service", "endpoints": {"pay": [{"wait": "2s"}, {"reply": "PAID"}], "owe": [{"fail": "broke"}]}},
      "orders": {"kind": "store", "maps": {"status": {}, "count": {"all": 1}, "seen": {}}}},
     "workload": {"buyer": {"rate": "1/s", "limit": 1, "each": "order", "do": [{"call": "shop.buy", "deadline": "30s"}]}}}"#;

    fn model() -> Model {
        let scenario = Scenario::parse("test.json", FILE).unwrap_or_else(|problems| panic!("{problems}"));
        scenario.model(&Choices::none()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// All that is said in a run of the file, in the order of arrival.
    const HEARD: [&str; 24] = [
        "buy order/1, its caller waits until 31.459s",
        "read orders.status[1]",
        "read answered null",
        "pay order/1 {amount: 20, note: \"1/1\"}, its caller waits until 2.459s, no time is left after 31.459s",
        "pay order/1 {amount: 20, note: \"1/2\"}, its caller waits until 3.459s, no time is left after 31.459s",
        "pay answered ok \"PAID\"",
        "owe order/1, its caller waits until 31.459s",
        "owe answered error broke",
        "set orders.status[1] = \"paid\", in transaction shop #1",
        "set answered ok \"paid\"",
        "set orders.count[all] = value + 1 where value < 100, in transaction shop #1",
        "set answered ok 2",
        "commit shop #1 and record sold order/1",
        "commit answered ok",
        "list orders.status where value == 'paid'",
        "read answered 1 key: 1",
        "begin once orders.seen[1]",
        "set answered: 1 may run",
        "end once orders.seen[1]: ok",
        "set answered ok",
        "delete orders.status[1]",
        "delete answered ok",
        "buy answered ok \"done\"",
        "pay answered ok \"PAID\"",
    ];

    #[test]
    fn every_message_is_said_in_the_words_of_its_file() {
        let model = model();
        let mut heard = Vec::new();
        let (mut sim, _) = model.start(Seed(1));
        sim.record(true);
        while sim.step().is_some() {
            heard.extend(sim.handled().map(|msg| said(model.program(), msg).text));
        }
        assert_eq!(heard, HEARD);
    }

    #[test]
    fn what_queues_and_their_consumers_say_has_words() {
        let file = r#"{"faultline": 1, "name": "test", "nodes": {
          "jobs": {"kind": "queue", "visibility": "30s"},
          "worker": {"kind": "service", "workers": 1, "endpoints": {"handle": {"from": "jobs", "heartbeat": "1s",
            "do": [{"work": "1500ms"}]}}}},
         "workload": {"app": {"rate": "1/s", "spacing": "even", "limit": 1, "each": "job",
            "do": [{"publish": "jobs", "with": {"amount": 20}}]}}}"#;
        let scenario = Scenario::parse("test.json", file).unwrap_or_else(|problems| panic!("{problems}"));
        let model = scenario.model(&Choices::none()).unwrap_or_else(|problems| panic!("{problems}"));
        let mut heard = Vec::new();
        let (mut sim, _) = model.start(Seed(1));
        sim.record(true);
        while sim.step().is_some() {
            heard.extend(sim.handled().map(|msg| said(model.program(), msg).text));
        }
        let expected = [
            "deliver: takes 1 delivery now",
            "publish job/1 {amount: 20}",
            "publish answered ok 1",
            "deliver job/1 {amount: 20}",
            "deliver: still works on message 1",
            "ack: message 1 is done",
            "deliver: takes 1 delivery now",
        ];
        assert_eq!(heard, expected);
        let (program, kind) = (model.program(), model.program().kind("ack"));
        let receipt = Receipt { message: 7, delivery: 2 };
        let text = |how| said(program, &Msg::Settle { settled: [(receipt, how)].into(), kind }).text;
        assert_eq!(text(Settled::Back), "ack: message 7, delivery 2 comes back untouched");
        assert_eq!(text(Settled::Dead(Reason::TIMEOUT)), "ack: message 7, delivery 2 is given up, timeout");
        let rouse = Msg::Rouse { endpoint: crate::program::EndpointRef(0), life: 1, sent: 0, kind };
        assert_eq!(said(program, &rouse).text, "ack: how many more?");
    }

    #[test]
    fn what_machines_say_of_giving_up_has_words_too() {
        let model = model();
        let program = model.program();
        let (id, kind) = (CallId { life: 1, place: 0, turn: 0 }, program.kind("pay"));
        let check = |msg: Msg, word: &str, text: &str| {
            assert_eq!(said(program, &msg), Said { word: word.to_owned(), text: text.to_owned() });
        };
        let answer = |outcome, extra| Msg::Answer { id, kind, outcome, extra, open: None };
        check(Msg::Cancel { id, kind }, "pay", "pay: its caller has given up");
        let txn = TxnId { node: 0, life: 2, number: 3 };
        check(Msg::Rollback { txn, kind: program.kind("rollback") }, "rollback", "rollback shop #3 of life 2");
        check(answer(Outcome::Error(Reason::REFUSED), Extra::None), "pay", "pay refused");
        check(answer(Outcome::Unknown(Reason::TIMEOUT), Extra::None), "pay", "pay answered unknown timeout");
        check(answer(Outcome::Ok(Value::from("a")), Extra::Version(2)), "pay", "pay answered \"a\", version 2");
        let replayed = answer(Outcome::Ok(Value::Int(7)), Extra::Replayed { ended: true });
        check(replayed, "pay", "pay answered what came of it before: ok 7");
    }
}
