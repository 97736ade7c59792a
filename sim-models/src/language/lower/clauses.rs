//! Writes the clauses that every step with an outcome may have: how long, how often, under which name, and what is caught.

use sim_core::{Duration, Ratio};

use super::Lower;
use super::names::{At, Local};
use super::steps::Inside;
use crate::json::Key;
use crate::language::View;
use crate::policy::{self, Kind as Policy, Settings, breaker, budget, bulkhead, hedge, limiter, retry};
use crate::problem::{Problem, did_you_mean};
use crate::program::{
    BlockRef, BreakerDef, BudgetDef, BulkheadDef, Catch, Clauses, CoalesceDef, Guard, Guards, HedgeDef, Jitter,
    LimiterDef, RetryDef, Template,
};
use crate::value::Value;

/// Retries that a budget holds when the file does not say.
const BURST: u64 = 10;

/// Outcomes by the names that they have elsewhere, status codes of gRPC and Envoy's `retry_on`, and by those they have here.
const LIBRARIES_WORDS: [(&str, &str); 13] = [
    ("UNAVAILABLE", "\"unavailable\", \"refused\" or \"reset\""),
    ("DEADLINE_EXCEEDED", "\"timeout\""),
    ("RESOURCE_EXHAUSTED", "\"overloaded\" or \"limited\""),
    ("ABORTED", "\"conflict\" or \"deadlock\""),
    ("CANCELLED", "\"timeout\""),
    ("INTERNAL", "\"error\""),
    ("UNKNOWN", "\"unknown\""),
    ("5xx", "\"unavailable\", \"overloaded\" or \"timeout\""),
    ("gateway-error", "\"unavailable\", \"overloaded\" or \"timeout\""),
    ("connect-failure", "\"refused\""),
    ("refused-stream", "\"refused\""),
    ("reset-before-request", "\"refused\""),
    ("retriable-4xx", "\"in_flight\""),
];

impl<'a> Lower<'a> {
    pub(super) fn clauses(&mut self, verb: &str, value: View<'a>, step: View<'a>, inside: Inside) -> Clauses {
        let timeout = self.told(step.optional("timeout", View::duration)).flatten();
        let deadline = self.told(step.optional("deadline", View::duration)).flatten();
        let cancel = self.told(step.or("cancel", false, View::bool)).unwrap_or_default();
        let mut retry = step.field("retry").and_then(|retry| {
            let retry = self.retry(retry, verb, value, step);
            self.told(retry)
        });
        let guards = self.guards(verb, value, step);
        let mut timeout = timeout.or_else(|| self.profile_timeout(step, &guards));
        if let (Some(view), Some(retry)) = (hedges_retries(step), &mut retry) {
            retry.hedges_after = timeout.take();
            self.check_hedged_retry(view, (verb, value, step), inside, (&guards, deadline, retry.hedges_after));
        }
        let bind = step.field("as").and_then(|name| {
            let local = bound_as(verb, value);
            let slot = name.text().and_then(|text| self.bind(name, text, local));
            self.told(slot)
        });
        let (hedge, coalesce) = (self.hedge(verb, value, step, inside), self.coalesce(verb, value, step, inside));
        let guards = (!guards.order.is_empty() || guards.budget.is_some()).then(|| Box::new(guards));
        let on = self.on(step, inside);
        let clauses = Clauses { timeout, deadline, retry, guards, hedge, coalesce, cancel, bind, on };
        self.idle_clauses(step, &clauses);
        clauses
    }

    /// What tries that overlap cannot stand beside.
    fn check_hedged_retry(
        &mut self,
        view: View<'a>,
        (verb, value, step): (&str, View<'a>, View<'a>),
        inside: Inside,
        (guards, deadline, after): (&Guards, Option<Duration>, Option<Duration>),
    ) {
        let sends = ["call", "read", "set"].contains(&verb) && value.text().is_ok_and(|text| text.contains('.'));
        let wrong = if !sends {
            "tries overlap of one request alone, and this step sends none of its own; give the \"retry\" to the call inside"
        } else if inside.transaction {
            "tries that overlap inside a transaction are not supported: the second may wait for the first"
        } else if step.field("hedge").is_some() {
            "a \"hedge\" beside it sends further requests too; leave one of them out"
        } else if step.field("coalesce").is_some() {
            "an answer is shared try by try, and these overlap; leave one of them out"
        } else if !guards.order.is_empty() {
            "what is asked before each try cannot stand around tries that overlap; put it on a \"try\" around this step"
        } else {
            let vain = match (after, deadline) {
                (None, _) => Some("nothing is hedged: no try takes too long without a \"per_try_timeout\"".to_owned()),
                (Some(after), Some(deadline)) if deadline <= after => Some(format!(
                    "nothing is hedged: the deadline of {deadline} is over before a try takes too long, {after}"
                )),
                (Some(_), _) => None,
            };
            return vain.into_iter().for_each(|message| self.problems.push(view.warning(message)));
        };
        self.problems.push(view.error(wrong));
    }

    fn on(&mut self, step: View<'a>, inside: Inside) -> Vec<(Catch, BlockRef)> {
        let mut on = Vec::new();
        for (key, steps) in step.members_of("on") {
            let catch = self.catch(key, &key.name);
            on.push((catch, self.block(Some(steps), inside)));
        }
        on
    }

    fn catch(&mut self, key: &Key, name: &str) -> Catch {
        if let Some(catch) = self.catch_word(name) {
            return catch;
        }
        // Under another choice of the settings somebody may fail with it, so that it is no error.
        let reasons = did_you_mean(name, self.program.reasons.iter().map(String::as_str));
        self.problems.warn(key.span, format!("nothing fails with \"{name}\"{reasons}"));
        Catch::Reason(self.reason(name))
    }

    fn catch_word(&self, name: &str) -> Option<Catch> {
        match name {
            "ok" => Some(Catch::Ok),
            "error" => Some(Catch::Error),
            "unknown" => Some(Catch::Unknown),
            "else" => Some(Catch::Else),
            _ => self.program.reason_named(name).map(Catch::Reason),
        }
    }

    /// `undo_retry` of a saga.
    pub(super) fn undo_retry(&mut self, value: View<'a>, step: View<'a>) -> Result<RetryDef, Problem> {
        let Some(retry) = step.field("undo_retry") else { return Ok(no_retry()) };
        let field = retry.field("hedge_on_per_try_timeout");
        if let Some(field) = field.filter(|field| field.bool() == Ok(true)) {
            return Err(field.error("what undoes a part is tried one by one; leave this out"));
        }
        self.retry(retry, "saga", value, step)
    }

    pub(super) fn retry(
        &mut self,
        retry: View<'a>,
        verb: &str,
        value: View<'a>,
        step: View<'a>,
    ) -> Result<RetryDef, Problem> {
        if !retry.is_object() {
            let tries = Some(tries(retry.count()?));
            return Ok(RetryDef { tries, max_wait: Duration::FOREVER, ..no_retry() });
        }
        if let Some(settings) = library(Policy::Retry, retry) {
            return self.profile_retry(retry, step, &settings);
        }
        let on = self.outcomes(retry, "on");
        if let Some(field) = retry.field("on").filter(|field| field.items().next().is_none()) {
            let message =
                "this names nothing to try again; leave \"retry\" out, or \"on\" to try again what usually is";
            self.problems.push(field.error(message));
        }
        let tries = retry.need("tries")?.count_or_word()?.map(tries);
        if tries.is_none() && self.program.until.is_none() && step.optional("deadline", View::duration)?.is_none() {
            let message = "this may be tried for ever, and nothing ends the run; give the scenario an \"until\"";
            self.problems.push(retry.warning(message));
        }
        let def = RetryDef {
            tries,
            wait: retry.or("wait", Duration::ZERO, View::duration)?,
            grows: grows(retry)?,
            max_wait: retry.or("max_wait", Duration::FOREVER, View::duration)?,
            jitter: retry.or("jitter", Jitter::None, jitter)?,
            on,
            except: Vec::new(),
            profile: None,
            heeds: if retry.or("retry_after", false, View::bool)? {
                policy::retry::Heeds::AndGoesOn
            } else {
                policy::retry::Heeds::Nothing
            },
            is_transparent: false,
            forgives_close: false,
            hedges_after: None,
            budget: self.budget(retry, verb, value, step)?,
        };
        self.idle_retry(retry, &def);
        Ok(def)
    }

    /// The outcomes that a field lists.
    fn outcomes(&mut self, of: View<'a>, field: &str) -> Vec<Catch> {
        let mut on = Vec::new();
        for reason in of.steps(field) {
            let Some(name) = self.told(reason.text()) else { continue };
            match self.catch_word(name) {
                Some(Catch::Ok) if field == "on" => {
                    self.problems.push(reason.error("what is ok is not tried again; remove \"ok\""));
                }
                Some(Catch::Ok) => self.problems.push(reason.error("what is ok is no failure; remove \"ok\"")),
                Some(catch) => on.push(catch),
                None => {
                    let problem = self.strange_outcome(reason, name);
                    self.problems.push(problem);
                    on.push(Catch::Reason(self.reason(name)));
                }
            }
        }
        on
    }

    /// What is said of an outcome that nothing has. One that is almost another is refused; of any other, somebody may fail with it
    /// under another choice of the settings.
    fn strange_outcome(&self, view: View<'a>, name: &str) -> Problem {
        let message = |near: String| format!("nothing fails with \"{name}\"{near}");
        if let Some((_, ours)) = LIBRARIES_WORDS.iter().find(|(theirs, _)| *theirs == name) {
            return view.error(message(format!("; that is called {ours} here")));
        }
        let known = self.program.reasons.iter().map(String::as_str).chain(["error", "unknown"]);
        let small = name.to_ascii_lowercase();
        let near = did_you_mean(&small, known.clone());
        match known.into_iter().find(|known| *known == small) {
            Some(same) => view.error(message(format!("; did you mean \"{same}\"?"))),
            None if near.is_empty() => view.warning(message(near)),
            None => view.error(message(near)),
        }
    }

    /// Says what is wrong with the outcomes that a library's policy names.
    fn outcomes_of_library(&mut self, view: View<'a>, settings: &Settings) {
        for parameter in settings.profile().parameters {
            if parameter.default == policy::Setting::Outcomes {
                self.outcomes(view, parameter.name);
            }
        }
    }

    fn hedge(&mut self, verb: &str, value: View<'a>, step: View<'a>, inside: Inside) -> Option<Box<HedgeDef>> {
        let view = step.field("hedge")?;
        if inside.transaction {
            self.problems.push(
                view.error("a hedge inside a transaction is not supported: the second read may wait for the first"),
            );
            return None;
        }
        if !value.text().is_ok_and(|text| text.contains('.')) {
            self.problems.push(view.error("a node's own map answers at once; there is nothing to hedge"));
            return None;
        }
        let def = self.hedge_of(view, verb, value, step);
        self.told(def).map(Box::new)
    }

    fn hedge_of(&mut self, view: View<'a>, verb: &str, value: View<'a>, step: View<'a>) -> Result<HedgeDef, Problem> {
        if !view.is_object() {
            let rule = hedge::Rule { delay: view.duration()?, ..hedge::Rule::GRPC };
            let (on, budget, profile_budget) = (None, None, None);
            return Ok(HedgeDef { rule, follows: None, on, budget, profile_budget, cancels: false, heeds: false });
        }
        let Some(settings) = library(Policy::Hedge, view) else {
            let on = view.field("on").map(|_| self.outcomes(view, "on"));
            let tries_in_all = view.or("tries", 2, View::count)?;
            let rule =
                hedge::Rule { delay: view.need("delay")?.duration()?, tries: tries(tries_in_all), ..hedge::Rule::GRPC };
            let budget = self.budget(view, verb, value, step)?;
            return Ok(HedgeDef {
                rule,
                follows: None,
                on,
                budget,
                profile_budget: None,
                cancels: false,
                heeds: false,
            });
        };
        let Some(hedged) = hedge::Hedged::of(&settings) else { return Err(view.error("this is no hedge")) };
        let whose = whose_budget(verb, value, step);
        self.outcomes_of_library(view, &settings);
        let words = hedge::handled(&settings);
        let on = words.iter().map(|word| self.catch_word(word).unwrap_or_else(|| Catch::Reason(self.reason(word))));
        let on = Some(on.collect());
        // gRPC has one bucket for the retries and the hedges of a server.
        let profile_budget = hedged.budget.map(|rule| {
            let what = if hedged.follows.is_some() { "backups" } else { "budget" };
            (rule, self.place_of(format!("{what} {whose} {rule:?}"), &whose))
        });
        let follows = hedged
            .follows
            .map(|(share, least)| (share, least, self.place_of(format!("hedge {whose} {share} {least}"), &whose)));
        let heeds = settings.profile().name == "grpc";
        Ok(HedgeDef { rule: hedged.rule, follows, on, budget: None, profile_budget, cancels: hedged.cancels, heeds })
    }

    fn coalesce(&mut self, verb: &str, value: View<'a>, step: View<'a>, inside: Inside) -> Option<Box<CoalesceDef>> {
        let view = step.field("coalesce")?;
        if view.bool() == Ok(false) {
            return None;
        }
        let of_itself = view.bool() == Ok(true);
        let text = value.text().unwrap_or_default();
        let wrong = match verb {
            _ if inside.transaction => "inside a transaction each read is its own; leave \"coalesce\" out",
            "call" if of_itself => {
                "a call has no key of its own; say who shares its answer, such as \"coalesce\": \"$book\""
            }
            "read" if text.ends_with("[*]") => "this reads a whole map; \"coalesce\" is for one cell",
            "read" if !text.contains('.') => "a node's own map answers at once; there is nothing to share",
            _ => "",
        };
        if !wrong.is_empty() {
            self.problems.push(view.error(wrong));
            return None;
        }
        let key = if of_itself { None } else { Some(self.template(view, At::Step)) };
        let key = match key {
            Some(key) => Some(self.told(key)?),
            None => None,
        };
        if let Some(Template::Constant(Value::Text(word))) = &key
            && self.program.slots.iter().any(|slot| slot.name.as_str() == &**word)
        {
            let message = format!(
                "this is the word \"{word}\" and the same for everybody, so that all share one answer; did you mean \"${word}\"?"
            );
            self.problems.push(view.warning(message));
        }
        // Of a read the map, whatever its key is called: with a key of its own the text of the cell tells flights apart.
        let of = if of_itself { text.split_once('[').map_or(text, |(map, _)| map) } else { text };
        let index = self.place_of(format!("coalesce {verb} {of}"), &whose_budget(verb, value, step));
        Some(Box::new(CoalesceDef { key, index }))
    }

    /// What stands before each try, the outermost first: breaker, then bulkhead; and the budget of a library.
    fn guards(&mut self, verb: &str, value: View<'a>, step: View<'a>) -> Guards {
        let mut guards = Guards::default();
        let whose = whose_budget(verb, value, step);
        if let Some(view) = step.field("breaker")
            && let Some(settings) = library(Policy::Breaker, view)
            && let Some(rule) = breaker::Rule::of(&settings)
        {
            let index = self.place_of(format!("breaker {whose} {rule:?}"), &whose);
            let fails = ["recordExceptions", "ShouldHandle", "handle"].map(|name| self.outcomes(view, name)).concat();
            let overlooks = ["ignoreExceptions", "errorFilter"].map(|name| self.outcomes(view, name)).concat();
            guards.order.push(Guard::Breaker(BreakerDef { rule, index, fails, overlooks }));
        }
        if let Some(rule) = step.field("bulkhead").and_then(|view| self.told(bulkhead_of(view))) {
            let index = self.place_of(format!("bulkhead {whose} {rule:?}"), &whose);
            guards.order.push(Guard::Bulkhead(BulkheadDef { rule, index }));
            if let Some(read_timeout) = rule.keeps()
                && let Some(timeout) = step.field("timeout")
                && timeout.duration().is_ok_and(|timeout| timeout > read_timeout)
            {
                let message = format!(
                    "the client below gives up after its \"read_timeout\" of {read_timeout}, before this timeout"
                );
                self.problems.push(timeout.error(message));
            }
            if rule.keeps().is_some()
                && let Some(hedge) = step.field("hedge")
            {
                let message = "a hedge has several answers, and this bulkhead holds a place until the answer: \
                    which? A bulkhead of {\"max\"} gives it back when the caller leaves";
                self.problems.push(hedge.error(message));
            }
        }
        if let Some(rule) = step.field("limiter").and_then(|view| self.told(limiter_of(view))) {
            let index = self.place_of(format!("limiter {whose} {rule:?}"), &whose);
            guards.order.push(Guard::Limiter(LimiterDef { rule, index }));
        }
        if let Some(retry) = step.field("retry").filter(|retry| retry.is_object()) {
            let of_retry = library(Policy::Retry, retry).and_then(|settings| retry::Rule::of(&settings)?.budget);
            let budget = retry.field("budget").and_then(|view| library(Policy::Budget, view));
            let rule = of_retry.or_else(|| budget::Rule::of(&budget?));
            guards.budget = rule.map(|rule| (rule, self.place_of(format!("budget {whose} {rule:?}"), &whose)));
        }
        self.put_in_order(step, &mut guards);
        let adaptive = step.field("retry").and_then(|retry| library(Policy::Retry, retry));
        if adaptive.is_some_and(|settings| retry::profiles::is_adaptive(&settings)) {
            // Innermost: the client waits when it is about to send.
            let rule = limiter::Rule::Adaptive;
            guards
                .order
                .push(Guard::Limiter(LimiterDef { rule, index: self.place_of(format!("rate {whose}"), &whose) }));
        }
        guards
    }

    /// Puts the guards in the order that the step says, or in the usual one.
    fn put_in_order(&mut self, step: View<'a>, guards: &mut Guards) {
        let Some(order) = step.field("order") else {
            guards.order.sort_by_key(|guard| USUAL.iter().position(|word| *word == guard.word()));
            let around = guards.order.iter().filter(|guard| !matches!(guard, Guard::Bulkhead(_))).count();
            guards.around_timeout = around as u8;
            return;
        };
        let words: Vec<&str> = order.items().filter_map(|word| word.text().ok()).collect();
        for (at, word) in order.items().enumerate() {
            let Some(name) = words.get(at) else { continue };
            let has_timeout = || self.profile_timeout(step, guards).is_some();
            if words[..at].contains(name) {
                self.problems.push(word.error(format!("\"{name}\" stands here twice")));
            } else if *name == "retry" && at > 0 {
                let message = "\"retry\" comes first; what is to stand around all tries and hear of the last alone \
                    belongs to a \"try\" around this step";
                self.problems.push(word.error(message));
            } else if *name == "coalesce" && words[..at].iter().any(|word| *word != "retry") {
                let message = "\"coalesce\" stands around all but \"retry\": who shares an answer asks nobody, and what stands around \
                    each of those who share it belongs to a \"try\" around this step";
                self.problems.push(word.error(message));
            } else if *name == "hedge" && at + 1 < words.len() {
                let message = "\"hedge\" comes last: the requests of one try share all that stands around them. What each request is to \
                    pass by itself belongs to the service that is called";
                self.problems.push(word.error(message));
            } else if step.field(name).is_none() && !(*name == "timeout" && has_timeout()) {
                self.problems.push(word.error(format!("\"order\" names \"{name}\", and this step has none")));
            }
        }
        if let Some(guard) = guards.order.iter().find(|guard| !words.contains(&guard.word())) {
            self.problems.push(order.error(format!("\"order\" does not say where \"{}\" stands", guard.word())));
        }
        let place = |word: &str| words.iter().position(|known| *known == word);
        guards.order.sort_by_key(|guard| place(guard.word()));
        let timeout = place("timeout").unwrap_or(usize::MAX);
        let around = guards.order.iter().filter(|guard| place(guard.word()).is_some_and(|at| at < timeout)).count();
        guards.around_timeout = around as u8;
        self.warn_of_blind_breaker(step, guards, order);
    }

    /// A breaker inside of the timeout does not see it.
    fn warn_of_blind_breaker(&mut self, step: View<'a>, guards: &Guards, order: View<'a>) {
        let timeout = step.optional("timeout", View::duration).ok().flatten();
        if timeout.or_else(|| self.profile_timeout(step, guards)).is_none() {
            return;
        }
        let inside = guards.order.iter().skip(usize::from(guards.around_timeout));
        for guard in inside {
            let Guard::Breaker(def) = guard else { continue };
            if let Some((library, hears)) = def.rule.blind() {
                let message = format!(
                    "inside \"timeout\" the breaker of {library} takes a call that timed out for {hears}: calls that hang never open it"
                );
                self.problems.push(order.warning(message));
            }
        }
    }

    /// The place of a policy among those of this node. Policies of one owner with other settings are others.
    fn place_of(&mut self, what: String, whose: &str) -> u32 {
        let node = self.scope.node.0 as usize;
        let known = &mut self.policies[node];
        let place = known.iter().position(|known| *known == what).unwrap_or_else(|| {
            known.push(what);
            self.program.nodes[node].policies.push(whose.to_owned());
            known.len() - 1
        });
        place as u32
    }

    /// How long a try may take when the step does not say and a profile does.
    fn profile_timeout(&self, step: View<'a>, guards: &Guards) -> Option<Duration> {
        let of_retry = step.field("retry").and_then(|retry| library(Policy::Retry, retry));
        let of_retry = of_retry.and_then(|settings| retry::Rule::of(&settings)?.timeout);
        let of_breaker = guards.order.iter().find_map(|guard| match guard {
            Guard::Breaker(def) => def.rule.timeout(),
            Guard::Bulkhead(_) | Guard::Limiter(_) => None,
        });
        // The client below a bulkhead may have one, which it knows.
        let of_client = guards.order.iter().find_map(|guard| match guard {
            Guard::Bulkhead(def) => def.rule.keeps().filter(|read_timeout| *read_timeout != Duration::FOREVER),
            Guard::Breaker(_) | Guard::Limiter(_) => None,
        });
        of_retry.or(of_breaker).or(of_client)
    }

    fn profile_retry(&mut self, retry: View<'a>, step: View<'a>, settings: &Settings) -> Result<RetryDef, Problem> {
        let Some(rule) = retry::Rule::of(settings) else { return Err(retry.error("this is no retry")) };
        if rule.tries.is_none() && self.program.until.is_none() && step.optional("deadline", View::duration)?.is_none()
        {
            let message = "this may be tried for ever, and nothing ends the run; give the scenario an \"until\"";
            self.problems.push(retry.warning(message));
        }
        self.outcomes_of_library(retry, settings);
        let mut catches = |words: &[String]| -> Vec<Catch> {
            words.iter().map(|word| self.catch_word(word).unwrap_or_else(|| Catch::Reason(self.reason(word)))).collect()
        };
        let on = catches(&retry::profiles::retried(settings));
        let except = catches(retry::profiles::excepted(settings));
        // Nothing to try again is one try: an empty list would stand for the usual.
        let tries = if on.is_empty() { Some(1) } else { rule.tries };
        let retry::Rule { wait, heeds, is_transparent, forgives_close, .. } = rule;
        Ok(RetryDef { tries, on, except, profile: Some(wait), heeds, is_transparent, forgives_close, ..no_retry() })
    }

    /// Whether a retry has the budget of a library.
    pub(super) fn has_profile_budget(&self, retry: View<'a>) -> bool {
        let own = retry.field("budget").is_some_and(|view| library(Policy::Budget, view).is_some());
        let of_retry = library(Policy::Retry, retry).and_then(|settings| retry::Rule::of(&settings)?.budget);
        own || of_retry.is_some()
    }

    fn budget(
        &mut self,
        retry: View<'a>,
        verb: &str,
        value: View<'a>,
        step: View<'a>,
    ) -> Result<Option<BudgetDef>, Problem> {
        let Some(budget) = retry.field("budget") else { return Ok(None) };
        if library(Policy::Budget, budget).is_some() {
            // It stands with the guards.
            return Ok(None);
        }
        let (ratio, burst): (Ratio, u64) = if budget.is_object() {
            (budget.need("ratio")?.ratio()?, budget.or("burst", BURST, View::count)?)
        } else if budget.text() == Ok("unlimited") {
            return Ok(None);
        } else {
            (budget.ratio()?, BURST)
        };
        let budgets = &mut self.budgets[self.scope.node.0 as usize];
        let whose = whose_budget(verb, value, step);
        let index = budgets.iter().position(|known| *known == whose).unwrap_or_else(|| {
            budgets.push(whose);
            budgets.len() - 1
        });
        Ok(Some(BudgetDef { ratio, burst: u32::try_from(burst).unwrap_or(u32::MAX), index: index as u32 }))
    }
}

/// The rule of a bulkhead, of a library or of one's own.
fn bulkhead_of(view: View<'_>) -> Result<bulkhead::Rule, Problem> {
    if let Some(settings) = library(Policy::Bulkhead, view) {
        return bulkhead::Rule::of(&settings).ok_or_else(|| view.error("this is no bulkhead"));
    }
    let max = tries(view.need("max")?.count()?);
    let wait = view.or("wait", Duration::ZERO, View::duration)?;
    let read_timeout = view.field("read_timeout");
    let until = match (view.or("release", "timeout", View::text)?, read_timeout) {
        ("answer", None) => bulkhead::Until::TheAnswer { read_timeout: Duration::FOREVER },
        ("answer", Some(field)) if field.duration()?.is_zero() => {
            return Err(field.error("a client that waits for no time gets no answer; write a longer \"read_timeout\""));
        }
        ("answer", Some(field)) => bulkhead::Until::TheAnswer { read_timeout: field.duration()? },
        (_, None) => bulkhead::Until::TheCallerLeaves,
        (_, Some(field)) => {
            let message = "a place that comes back at the timeout waits for no client; write \"release\": \"answer\", or \
                leave \"read_timeout\" out";
            return Err(field.error(message));
        }
    };
    Ok(bulkhead::Rule { room: bulkhead::Room::Permits { max, wait, queue: u32::MAX }, until })
}

/// The rule of a limiter, of a library or of one's own.
fn limiter_of(view: View<'_>) -> Result<limiter::Rule, Problem> {
    if let Some(settings) = library(Policy::Limiter, view) {
        return limiter::Rule::of(&settings).ok_or_else(|| view.error("this is no limiter"));
    }
    let field = view.need("rate")?;
    if field.rate()?.is_zero() {
        return Err(field.error("a limiter of no rate soon lets nothing pass; write a rate above 0/s"));
    }
    let (rate, per) = field.rate()?.whole();
    let burst = view.field("burst");
    if let (Some(_), Some(burst)) = (view.field("window"), burst) {
        return Err(burst.error("a window holds no tokens; leave \"burst\" or \"window\" out"));
    }
    Ok(match view.optional("window", View::text)? {
        Some("fixed") => limiter::Rule::Fixed { limit: rate, window: per },
        Some(_) => limiter::Rule::Sliding { limit: tries(rate), window: per },
        None => limiter::Rule::Bucket { rate, per, burst: burst.map_or(Ok(1), View::count)? },
    })
}

/// Which guard stands around which, unless a step says otherwise.
const USUAL: [&str; 3] = ["breaker", "limiter", "bulkhead"];

/// A budget, breaker or bulkhead belongs to the policy that brings it; a nameless one to the node that is asked; a group asks
/// nobody and has its own.
fn whose_budget(verb: &str, value: View<'_>, step: View<'_>) -> String {
    if let Some(Ok(policy)) = step.field("policy").map(View::text) {
        return policy.to_owned();
    }
    let text = value.text().unwrap_or_default();
    match (verb, text.split_once('.')) {
        ("call" | "read" | "set", Some((node, _))) => node.to_owned(),
        ("publish", _) => text.to_owned(),
        _ => format!("step at {}", step.span().start),
    }
}

/// The settings of a library's policy, when one is written; the checker has found nothing wrong with them.
pub(super) fn library(kind: Policy, view: View<'_>) -> Option<Settings> {
    let profile = policy::profile(kind, view.json().get("profile")?.as_text()?)?;
    policy::read(profile, view.json().members()).ok()
}

fn tries(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Where a retry says that a try which takes too long is tried again beside itself.
pub(super) fn hedges_retries(step: View<'_>) -> Option<View<'_>> {
    let retry = step.field("retry")?;
    let settings = library(Policy::Retry, retry)?;
    retry.field("hedge_on_per_try_timeout").filter(|_| retry::profiles::hedges(&settings))
}

fn no_retry() -> RetryDef {
    RetryDef {
        tries: Some(1),
        wait: Duration::ZERO,
        grows: retry::Grows::By(1_000_000),
        max_wait: Duration::FOREVER,
        jitter: Jitter::None,
        on: Vec::new(),
        except: Vec::new(),
        profile: None,
        heeds: retry::Heeds::Nothing,
        is_transparent: false,
        forgives_close: false,
        hedges_after: None,
        budget: None,
    }
}

/// How the wait of a retry grows.
fn grows(retry: View<'_>) -> Result<retry::Grows, Problem> {
    let factor = retry.optional("factor", View::float)?;
    match (retry.optional("backoff", View::text)?, retry.field("factor")) {
        (Some("linear"), Some(factor)) => {
            let message = "a linear wait grows by \"wait\" each time; leave \"factor\" or \"backoff\" out";
            Err(factor.error(message))
        }
        (Some("linear"), None) => Ok(retry::Grows::Linearly),
        _ => Ok(retry::Grows::By((factor.unwrap_or(1.0) * 1e6).round() as u64)),
    }
}

fn jitter(view: View<'_>) -> Result<Jitter, Problem> {
    match view.text()? {
        "full" => Ok(Jitter::Full),
        "equal" => Ok(Jitter::Equal),
        "decorrelated" => Ok(Jitter::Decorrelated),
        _ => Ok(Jitter::None),
    }
}

fn bound_as(verb: &str, value: View<'_>) -> Local {
    match (verb, value.text()) {
        ("read", Ok(text)) if text.ends_with("[*]") => Local::List,
        ("read", _) => Local::Read,
        _ => Local::Value,
    }
}
