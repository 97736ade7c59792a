//! Writes the steps: each verb with what it names, its clauses, and its place among the steps of its endpoint.

use std::collections::BTreeMap;
use std::ops::Range;

use sim_core::seed::name_hash;
use sim_core::{Class, Duration, Odds, OddsError, Point};

use super::names::{At, Local, Scope};
use super::{Lower, joined, place};
use crate::database::Isolation;
use crate::expr::{Arithmetic, Kind, Name};
use crate::language::{Cell, Formula, View};
use crate::problem::Problem;
use crate::program::{
    BlockRef, Clauses, EdgeRef, EndpointRef, FactDef, FactRef, Failure, InFlight, MapRef, Milestones, OnceDef, Reason,
    Slot, Step, StepRef, Template, Var, Verb,
};

/// What stands around a step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inside {
    /// One request may come here more than once.
    pub repeats: bool,
    /// Nobody waits.
    pub background: bool,
    pub transaction: bool,
    /// That of the transaction.
    pub isolation: Isolation,
    pub saga: bool,
}

/// Words that mean something in `on`, and in conditions about the requests of a key.
const OUTCOME_WORDS: [&str; 4] = ["ok", "error", "unknown", "else"];
/// Clauses that a transaction on one store does not have.
const PROTOCOL_CLAUSES: [&str; 7] = ["in_doubt", "heuristic", "presume", "resend", "durable", "sync", "prefix"];
const REQUEST_WORDS: [&str; 4] = ["requested", "ok", "error", "unknown"];

pub(super) type Written = Result<Verb, Problem>;

impl<'a> Lower<'a> {
    pub(super) fn write_steps(&mut self) {
        for index in 0..self.bodies.len() {
            let endpoint = EndpointRef(place(index));
            let node = self.program.endpoint(endpoint).node;
            self.consumer_retry(endpoint);
            self.scope = Scope::of(node, endpoint);
            let first = self.program.steps.len();
            let body = self.block(self.bodies[index], Inside::default());
            self.program.endpoints[index].body = body;
            self.number(first..self.program.steps.len());
            self.consumer_message(endpoint);
        }
    }

    /// The steps of a list; no steps without a list.
    pub(super) fn block(&mut self, steps: Option<View<'a>>, inside: Inside) -> BlockRef {
        let block = BlockRef(self.program.blocks.len() as u32);
        self.program.blocks.push(Vec::new());
        let steps = steps.into_iter().flat_map(View::items).map(|step| self.step(step, inside)).collect();
        self.program.blocks[block.0 as usize] = steps;
        block
    }

    fn step(&mut self, view: View<'a>, inside: Inside) -> StepRef {
        let step = StepRef(self.program.steps.len() as u32);
        let id = view.field("id").and_then(|id| id.text().ok()).map(str::to_owned);
        let path = view.error("").path;
        let verb = Verb::Reply(Template::Constant(Default::default()));
        let Inside { repeats, isolation, .. } = inside;
        let (clauses, endpoint) = (Clauses::default(), self.scope.endpoint);
        let (names, points) = Default::default();
        self.program.steps.push(Step {
            verb,
            clauses,
            place: 0,
            repeats,
            isolation,
            id,
            names,
            points,
            endpoint,
            path,
        });
        self.places.steps.push(view.span());
        self.verbs.push("");
        let Some((verb, value)) = self.told(view.step()) else { return step };
        self.verbs[step.0 as usize] = verb;
        let written = self.verb(verb, value, view, inside);
        let clauses = self.clauses(verb, value, view, inside);
        if let Some(written) = self.told(written) {
            self.program.steps[step.0 as usize].verb = written;
        }
        self.program.steps[step.0 as usize].clauses = clauses;
        step
    }

    /// Gives each step its place: its `id`, else its ordinal among the same verbs, in the order of the text.
    fn number(&mut self, steps: Range<usize>) {
        let mut order: Vec<usize> = steps.collect();
        order.sort_by_key(|step| self.places.steps[*step].start);
        let mut ordinals: BTreeMap<&str, u32> = BTreeMap::new();
        let mut ids: Vec<(String, usize)> = Vec::new();
        for index in order {
            let ordinal = ordinals.entry(self.verbs[index]).or_default();
            *ordinal += 1;
            let step = &mut self.program.steps[index];
            let name = step.id.clone().unwrap_or_else(|| self.verbs[index].to_owned());
            step.names = [format!("{}.{name}", self.program.endpoints[step.endpoint.0 as usize].name), name];
            step.points = [0, 1].map(|name| Point::new(&step.names[name]));
            match &mut step.verb {
                Verb::Saga(def) => def.points = Milestones::of(&step.names),
                Verb::Transaction { protocol: Some(def), .. } => def.points = Milestones::of(&step.names),
                _ => {}
            }
            step.place = match &step.id {
                Some(id) => name_hash(&format!("id:{id}")),
                None => name_hash(&format!("{}:{ordinal}", self.verbs[index])),
            };
            let Some(id) = step.id.clone() else { continue };
            let is_other = |(known, at): &(String, usize)| {
                *known == id && !are_alternatives(&self.program.steps[*at].path, &self.program.steps[index].path)
            };
            if ids.iter().any(is_other) {
                let message =
                    format!("the id \"{id}\" is taken in this endpoint; two steps need two, or they share their dice");
                self.problems.push(self.configured.error(self.places.steps[index], message));
            }
            ids.push((id, index));
        }
    }

    fn verb(&mut self, verb: &str, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        // Comes first, so that what is wrong inside is told even when the verb itself is.
        let retried = Inside { repeats: inside.repeats || step.field("retry").is_some(), ..inside };
        match verb {
            "work" => value.dist().map(Verb::Work),
            "wait" => value.dist().map(Verb::Wait),
            "call" => self.call(value, step),
            "read" => self.read(value, step, inside),
            "set" => self.set(value, step, inside),
            "publish" => self.publish(value, step, inside),
            "try" => Ok(Verb::Try(self.block(Some(value), retried))),
            "transaction" => self.transaction(value, step, retried),
            "once" => self.once(value, step, retried),
            "saga" => self.saga(value, step, retried),
            "parallel" => self.parallel(value, step, retried),
            "background" => self.background(value, inside),
            "record" => self.record(value, step, 1),
            "undo" => self.record(value, step, -1),
            "reply" => self.reply(value, inside),
            "fail" => self.fail(value, step, inside),
            "if" => self.either(value, step, inside),
            "switch" => self.switch(value, step, inside),
            "chance" => self.chance(value, step, inside),
            "buggify" => self.buggify(value, step, inside),
            "pick" => self.pick(value, step),
            "for_each" => self.for_each(value, step, inside),
            _ => Err(step.error(format!("\"{verb}\" is not built yet"))),
        }
    }

    /// The values that a step adds to what travels.
    pub(super) fn with(&mut self, step: View<'a>) -> Vec<(Slot, Template)> {
        let mut with: Vec<(Slot, Template)> = Vec::new();
        for (key, value) in step.members_of("with") {
            if let Some(message) = super::declare::reserved(&key.name) {
                self.error(key, message);
            }
            let template = self.template(value, At::Step);
            let slot = self.slot(&key.name);
            with.extend(self.told(template).map(|template| (slot, template)));
        }
        with
    }

    fn call(&mut self, value: View<'a>, step: View<'a>) -> Written {
        let with = self.with(step);
        let endpoint = self.target(value)?;
        let edge = self.edge_to(self.program.endpoint(endpoint).node);
        Ok(Verb::Call { endpoint, edge, with })
    }

    /// The map of a store step, and the edge to it; inside a transaction only maps of stores are reached.
    fn reached(&mut self, map: MapRef, view: View<'a>, inside: Inside) -> Result<Option<EdgeRef>, Problem> {
        let edge = self.edge_to_map(map);
        let def = self.program.map(map);
        match edge {
            None if inside.transaction => {
                let message =
                    format!("a transaction is on a store; \"{}\" is {}'s own map", def.name, self.node_name(def.owner));
                Err(view.error(message))
            }
            Some(_) if inside.transaction => {
                self.scope.touched.push(def.owner);
                Ok(edge)
            }
            _ => Ok(edge),
        }
    }

    fn read(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let Cell { map, key } = value.cells()?;
        let map = self.map_at(value, &map)?;
        let Some(key) = key else { return self.list(map, value, step, inside) };
        if let Some(clause) = step.field("where").or_else(|| step.field("limit")) {
            let message = "this reads one cell; \"where\" and \"limit\" are for a whole map, \"store.map[*]\"";
            self.problems.push(clause.error(message));
        }
        if let Some(clause) = step.field("when").filter(|_| inside.isolation == Isolation::Snapshot) {
            let message =
                "a snapshot stays as it is, so that this would wait for ever; wait before the transaction begins";
            self.problems.push(clause.error(message));
        }
        let when = self.condition(step, "when", At::Cell(map));
        let edge = self.reached(map, value, inside);
        let key = self.key(value, &key, map)?;
        Ok(Verb::Read { map, key, when: when?, edge: edge?, version: None })
    }

    fn list(&mut self, map: MapRef, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        if let Some(when) = step.field("when") {
            self.problems.push(when.error("this reads a whole map; \"when\" waits for one cell"));
        }
        let edge = self.reached(map, value, inside);
        let filter = self.condition(step, "where", At::Cell(map))?;
        Ok(Verb::List { map, filter, limit: step.optional("limit", View::count)?, edge: edge? })
    }

    fn set(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let (map, key) = value.cell()?;
        let map = self.map_at(value, &map)?;
        let edge = self.reached(map, value, inside);
        let condition = self.condition(step, "where", At::Cell(map));
        let condition = self.told(condition).flatten();
        let to = self.template(step.need("to")?, At::Cell(map));
        let to = self.told(to).unwrap_or(Template::Constant(Default::default()));
        let key = self.key(value, &key, map)?;
        Ok(Verb::Set { map, key, to, condition, edge: edge? })
    }

    /// The key of a cell; remembers by what the cells of that map are found.
    fn key(&mut self, value: View<'a>, key: &crate::expr::Expr, map: MapRef) -> Result<Template, Problem> {
        let template = self.expr_template(value, key, At::Step)?;
        if let Some(class) = self.class_of_template(&template) {
            self.key_classes[map.0 as usize].insert(class.0);
        }
        Ok(template)
    }

    pub(super) fn class_of_template(&self, template: &Template) -> Option<Class> {
        match template {
            Template::Var(Var::Slot(slot)) => self.program.slots[slot.0 as usize].class,
            _ => None,
        }
    }

    fn transaction(&mut self, value: View<'a>, step: View<'a>, retried: Inside) -> Written {
        if retried.transaction {
            return Err(step.error(
                "a transaction inside a transaction is not supported: all commits at the end of the outer one",
            ));
        }
        if value.items().next().is_none() {
            return Err(value.error("a transaction has at least one step"));
        }
        let before = std::mem::take(&mut self.scope.touched);
        let isolation = step.or("isolation", Isolation::default().word(), View::text);
        let isolation = self.told(isolation).and_then(Isolation::named).unwrap_or_default();
        let body = self.block(Some(value), Inside { transaction: true, isolation, ..retried });
        let mut stores = std::mem::replace(&mut self.scope.touched, before);
        stores.sort_unstable();
        stores.dedup();
        if let Some(view) = step.field("protocol") {
            let protocol = Some(Box::new(self.protocol(view, step, &stores)?));
            return Ok(Verb::Transaction { body, store: None, edge: None, isolation, protocol });
        }
        if let Some(clause) = PROTOCOL_CLAUSES.iter().find_map(|name| step.field(name)) {
            return Err(clause.error("this belongs to a \"protocol\", and the transaction has none"));
        }
        if stores.len() > 1 {
            let names: Vec<String> = stores.iter().map(|store| self.node_name(*store).to_owned()).collect();
            let names = crate::language::shape::listed(names, "and");
            let message = format!("this transaction touches {names}; name a protocol (\"2pc\", …) or use a saga");
            return Err(step.error(message));
        }
        let store = stores.first().copied();
        let edge = store.map(|store| self.edge_to(store));
        Ok(Verb::Transaction { body, store, edge, isolation, protocol: None })
    }

    fn once(&mut self, value: View<'a>, step: View<'a>, retried: Inside) -> Written {
        let key = self.template(value, At::Step);
        let body = self.block(step.field("do"), retried);
        let place = step.need("in")?;
        let map = self.map_at(place, &place.map()?)?;
        let edge = self.reached(map, place, retried)?;
        let key = key?;
        if let Some(class) = self.class_of_template(&key) {
            self.key_classes[map.0 as usize].insert(class.0);
        }
        let in_flight = match step.or("in_flight", "conflict", View::text)? {
            "wait" => InFlight::Wait,
            "ignore" => InFlight::Ignore,
            _ => InFlight::Conflict,
        };
        let lock = step.or("lock", Duration::from_secs(90), View::duration)?;
        let ttl = step.optional("ttl", View::duration)?;
        self.idle_ttl(step, "an outcome");
        Ok(Verb::Once(OnceDef { key, map, edge, body, in_flight, lock, ttl, keeps_failures: keeps_failures(step)? }))
    }

    fn parallel(&mut self, value: View<'a>, step: View<'a>, retried: Inside) -> Written {
        let branches: Vec<BlockRef> = value.items().map(|branch| self.block(Some(branch), retried)).collect();
        if retried.transaction {
            return Err(step.error(
                "\"parallel\" inside a transaction is not supported: its steps would wait for each other's locks",
            ));
        }
        let all = branches.len() as u64;
        let need = step.optional("need", View::count_or_word)?.flatten().unwrap_or(all);
        if need > all {
            return Err(step
                .need("need")?
                .error(format!("{need} of {all} branches can never be ok; need at most {all}")));
        }
        Ok(Verb::Parallel { branches, need: need as u32 })
    }

    fn background(&mut self, value: View<'a>, inside: Inside) -> Written {
        let body = self.block(Some(value), Inside { background: true, ..inside });
        if inside.transaction {
            return Err(
                value.error("\"background\" inside a transaction is not supported: its steps would outlive the commit")
            );
        }
        Ok(Verb::Background(body))
    }

    fn record(&mut self, value: View<'a>, step: View<'a>, times: i64) -> Written {
        let name = value.text()?;
        if REQUEST_WORDS.contains(&name) {
            return Err(value
                .error(format!("\"{name}\" means the requests of a key in conditions; give the fact another name")));
        }
        let fact = self.fact(name);
        let key = match step.field("key") {
            Some(key) => self.template(key, At::Step)?,
            None => self.key_here(value, name)?,
        };
        if let Some(class) = self.class_of_template(&key) {
            self.settle_class(value, fact, class)?;
        }
        Ok(Verb::Record { fact, key, times })
    }

    fn fact(&mut self, name: &str) -> FactRef {
        let known = self.program.facts.iter().position(|fact| fact.name == name);
        let index = known.unwrap_or_else(|| {
            self.program.facts.push(FactDef { name: name.to_owned(), class: None });
            self.program.facts.len() - 1
        });
        FactRef(place(index))
    }

    fn settle_class(&mut self, value: View<'a>, fact: FactRef, class: Class) -> Result<(), Problem> {
        let classes = &self.program.classes;
        let fact = &mut self.program.facts[fact.0 as usize];
        match fact.class {
            Some(other) if other != class => Err(value.error(format!(
                "\"{}\" is recorded about ${} elsewhere and about ${} here; make it two facts",
                fact.name, classes[other.0 as usize], classes[class.0 as usize]
            ))),
            _ => {
                fact.class = Some(class);
                Ok(())
            }
        }
    }

    /// The one value known here under a name that some `each` declares.
    fn key_here(&mut self, value: View<'a>, fact: &str) -> Result<Template, Problem> {
        let each = |name: &&str| self.class_named(name).is_some();
        let mut names: Vec<String> = self.known_names().filter(each).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        let nobody_calls = self.carried[self.scope.endpoint.0 as usize].is_none();
        if names.is_empty() && nobody_calls && self.program.classes.len() == 1 {
            // If somebody called this endpoint, it would be with this.
            names = self.program.classes.clone();
        }
        match names.as_slice() {
            [name] => Ok(Template::Var(Var::Slot(self.slot(name)))),
            _ if nobody_calls => Ok(Template::Constant(Default::default())),
            [] => {
                let classes = joined(self.program.classes.iter().map(String::as_str));
                let message = format!(
                    "whose fact is \"{fact}\"? no name of an \"each\" ({classes}) is known here; say \"key\", such as \"$name\""
                );
                Err(value.error(message))
            }
            names => {
                let names: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
                let first = names[0].clone();
                let known = crate::language::shape::listed(names, "and");
                let message =
                    format!("whose fact is \"{fact}\"? {known} are known here; say \"key\", such as \"{first}\"");
                Err(value.error(message))
            }
        }
    }

    fn reply(&mut self, value: View<'a>, inside: Inside) -> Written {
        if inside.background {
            return Err(value.error("nobody waits for what runs in the background, so there is no one to reply to"));
        }
        self.template(value, At::Step).map(Verb::Reply)
    }

    fn fail(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let name = value.text()?;
        if inside.background {
            return Err(
                value.error("nobody waits for what runs in the background, so nobody would learn that it failed")
            );
        }
        if OUTCOME_WORDS.contains(&name) {
            return Err(value.error(format!("\"{name}\" is a word of \"on\"; give the reason a name of its own")));
        }
        let retry_after = step.optional("retry_after", View::pushback)?;
        Ok(Verb::Fail(Failure { reason: self.reason(name), retry_after }))
    }

    /// The reason of that name, made when it is new.
    pub(super) fn reason(&mut self, name: &str) -> Reason {
        self.program.reason_named(name).unwrap_or_else(|| {
            self.program.reasons.push(name.to_owned());
            Reason(place(self.program.reasons.len() - 1))
        })
    }

    fn either(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let condition = value.expr(Arithmetic::Integers).and_then(|expr| self.expr(value, &expr, At::Step));
        let then = self.block(step.field("then"), inside);
        let otherwise = self.block(step.field("else"), inside);
        Ok(Verb::If { condition: condition?, then, otherwise })
    }

    fn chance(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let then = self.block(step.field("then"), inside);
        let otherwise = self.block(step.field("else"), inside);
        Ok(Verb::Chance { ratio: value.ratio()?, then, otherwise })
    }

    fn buggify(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let then = self.block(step.field("then"), inside);
        let otherwise = self.block(step.field("else"), inside);
        Ok(Verb::Buggify { site: value.text()?.to_owned(), then, otherwise })
    }

    fn switch(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let on = self.template(value, At::Step);
        let (mut cases, mut otherwise) = (Vec::new(), None);
        for (key, steps) in step.members_of("cases") {
            let block = self.block(Some(steps), inside);
            match key.name.as_str() {
                "else" => otherwise = Some(block),
                name => cases.extend(case_values(name).into_iter().map(|value| (value, block))),
            }
        }
        let otherwise = otherwise.unwrap_or_else(|| self.block(None, inside));
        Ok(Verb::Switch { on: on?, cases, otherwise })
    }

    fn pick(&mut self, value: View<'a>, step: View<'a>) -> Written {
        let (among, skew) = (step.need("among"), step.field("skew"));
        let slot = value.text().and_then(|name| self.bind(value, name, Local::Value));
        let among = among?;
        let odds = Odds::new(among.count()?, skew.map_or(Ok(0.0), View::float)?);
        let odds = odds.map_err(|error| match (error, skew) {
            (OddsError::Skew, Some(skew)) => skew.error(error.to_string()),
            _ => among.error(error.to_string()),
        });
        Ok(Verb::Pick { slot: slot?, odds: odds? })
    }

    fn for_each(&mut self, value: View<'a>, step: View<'a>, inside: Inside) -> Written {
        let list = step.need("in").and_then(|list| self.list_named(list));
        let name = value.text()?;
        let before = self.scope.locals.get(name).copied();
        let item = self.bind(value, name, Local::Value);
        let body = self.block(step.field("do"), Inside { repeats: true, ..inside });
        match before {
            Some(local) => self.scope.locals.insert(name.to_owned(), local),
            None => self.scope.locals.remove(name),
        };
        let at_once = step.or("at_once", 1, View::count)?.min(u64::from(u32::MAX)) as u32;
        if inside.transaction && at_once > 1 {
            return Err(step.need("at_once")?.error(
                "several items at once inside a transaction are not supported: they would wait for each other's locks; leave it out",
            ));
        }
        Ok(Verb::ForEach { item: item?, list: list?, body, at_once })
    }

    /// The list that a `for_each` goes through.
    fn list_named(&mut self, view: View<'a>) -> Result<Slot, Problem> {
        let name = match view.formula()? {
            Formula::Expr(expr) => match expr.kind {
                Kind::Name(Name::Local(name)) => Some(name),
                _ => None,
            },
            Formula::Literal(_) | Formula::Filled(_) => None,
        };
        let Some(name) = name else {
            return Err(view.error("\"in\" should be the name of a list, such as \"$pending\""));
        };
        match self.scope.locals.get(&name) {
            Some(Local::List) => Ok(self.slot(&name)),
            None if !self.is_known(&name) => Err(view.error(self.not_known(&name))),
            _ => {
                Err(view
                    .error(format!("${name} is no list; \"read\" a whole map, \"store.map[*]\", \"as\": \"{name}\"")))
            }
        }
    }
}

/// What a case stands for: keys of objects are text, and numbers and null are cases too.
fn case_values(name: &str) -> Vec<crate::value::Value> {
    use crate::value::Value;
    let text = Value::from(name);
    match Value::of_word(name) {
        number @ Value::Int(_) => vec![number, text],
        _ if name == "null" => vec![Value::Null, text],
        _ => vec![text],
    }
}

/// Whether two steps, by where they stand, are in different cases of one `switch`, or one behind `then` and one behind `else`: no
/// request comes to both by way of the same choice, so that they may go by one id.
fn are_alternatives(one: &str, other: &str) -> bool {
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let Some((before, rests)) = one.get(..same).zip(one.get(same..).zip(other.get(same..))) else { return false };
    let case = before.rsplit_once(".cases.").map(|(_, name)| name);
    let is_branch = |rest: &str| rest.starts_with("then[") || rest.starts_with("else[");
    case.is_some_and(|name| !name.contains(['[', '.']))
        || before.ends_with('.') && is_branch(rests.0) && is_branch(rests.1)
}

fn keeps_failures(step: View<'_>) -> Result<bool, Problem> {
    let Some(keep) = step.field("keep") else { return Ok(true) };
    let kept: Vec<&str> = keep.items().map(View::text).collect::<Result<_, _>>()?;
    if !kept.contains(&"ok") {
        return Err(keep.error("\"keep\" has \"ok\" in it, or nothing would be done only once"));
    }
    Ok(kept.contains(&"error"))
}
