//! Settings that mean nothing as they stand: refused where nothing could ever come of them, warned about where a setting of the
//! scenario may have made them so.

use sim_core::{Duration, Ratio};

use super::Lower;
use super::clauses::library;
use crate::language::View;
use crate::policy::bulkhead::Room;
use crate::policy::retry::Grows;
use crate::policy::{Kind as Policy, limiter};
use crate::program::{Balance, BreakerDef, BudgetDef, Catch, Clauses, Guard, Jitter, Reason, RetryDef, Role, StopDef};

impl<'a> Lower<'a> {
    /// Clauses of a step that come to nothing, alone or beside each other.
    pub(super) fn idle_clauses(&mut self, step: View<'a>, clauses: &Clauses) {
        for (name, length) in [("timeout", clauses.timeout), ("deadline", clauses.deadline)] {
            if let (Some(field), Some(Duration::ZERO)) = (step.field(name), length) {
                self.problems.push(field.error(format!("no answer comes in no time; write a longer \"{name}\"")));
            }
        }
        if let (Some(field), Some(timeout), Some(deadline)) = (step.field("timeout"), clauses.timeout, clauses.deadline)
            && timeout > deadline
        {
            let message = format!("the deadline of {deadline} is over before this timeout of {timeout}");
            self.problems.push(field.warning(message));
        }
        if let (Some(field), Some(retry)) = (step.field("retry"), &clauses.retry) {
            self.idle_tries(field, retry, clauses);
        }
        self.idle_guards(step, clauses);
        let Some((field, hedge)) = step.field("hedge").zip(clauses.hedge.as_ref()) else { return };
        if let (Some(view), Some(budget)) = (field.field("budget"), &hedge.budget) {
            self.idle_budget(view, "further request", budget);
        }
        let (delay, fixed) = (hedge.rule.delay, hedge.follows.is_none());
        let ends = [("timeout", clauses.timeout), ("deadline", clauses.deadline)];
        let ends = ends.into_iter().filter_map(|(name, end)| Some((name, end?)));
        if let Some((name, end)) = ends.min_by_key(|(_, end)| *end).filter(|(_, end)| fixed && *end <= delay) {
            let message = format!("nothing is asked a second time: {delay} is not before the {name}, {end}");
            self.problems.push(field.warning(message));
        }
    }

    /// A retry that is never made, whatever becomes of the first try, by what stands beside it.
    fn idle_tries(&mut self, view: View<'a>, retry: &RetryDef, clauses: &Clauses) {
        let of_envoy = library(Policy::Retry, view).filter(|settings| settings.profile().name == "envoy");
        if let (Some(field), None, Some(_)) = (view.field("retry_on"), clauses.timeout, of_envoy)
            && retry.hedges_after.is_none()
            && retry.on.contains(&Catch::Reason(Reason::TIMEOUT))
        {
            let message = "no try is ended by a timeout: Envoy's own is that of the whole route (a \"deadline\" here), after which \
                nothing is tried again; write a \"per_try_timeout\"";
            self.problems.push(field.warning(message));
        }
        let (excepted, is_cured) = (&retry.except, retry.tries == Some(1));
        if !excepted.is_empty() && !is_cured && is_covered(&retry.on, excepted) {
            let field = ["ignoreExceptions", "nonRetryableErrorTypes"].iter().find_map(|name| view.field(name));
            let message = "nothing is ever tried again: this takes in all that would be";
            self.problems.push(field.unwrap_or(view).warning(message));
        }
        let Some(deadline) = clauses.deadline.filter(|_| retry.profile.is_none()) else { return };
        let shortest = match retry.jitter {
            Jitter::None | Jitter::Decorrelated => retry.wait.min(retry.max_wait),
            Jitter::Equal => Duration::from_nanos(retry.wait.min(retry.max_wait).nanos() / 2),
            Jitter::Full => Duration::ZERO,
        };
        if let Some(field) = view.field("wait").filter(|_| !shortest.is_zero() && shortest >= deadline) {
            let message = format!(
                "nothing is ever tried again: a wait of {shortest} is not shorter than the deadline, {deadline}"
            );
            self.problems.push(field.warning(message));
        }
    }

    /// Parts of a retry that say nothing beside its other parts.
    pub(super) fn idle_retry(&mut self, view: View<'a>, retry: &RetryDef) {
        if let (Some(field), Some(budget)) = (view.field("budget"), &retry.budget) {
            self.idle_budget(field, "retry", budget);
        }
        if retry.profile.is_some() || !view.is_object() {
            return;
        }
        let (max_wait, wait) = (retry.max_wait, retry.wait);
        if retry.tries.is_none() && wait.is_zero() && !view.field("wait").is_some_and(View::is_chosen) {
            let message = "for ever and without a \"wait\": what fails at once is tried again at the same instant, and time may \
                never go on; write a \"wait\"";
            self.warn_at(view, "tries", message.to_owned());
        }
        let is_fixed = retry.grows == Grows::By(1_000_000);
        // A setting turns a part off, and what stands beside it is for when it is on.
        let parts = ["wait", "backoff", "factor", "max_wait", "jitter"];
        if parts.iter().any(|name| view.field(name).is_some_and(View::is_chosen)) {
            return;
        }
        if wait.is_zero() {
            let spread = if retry.jitter == Jitter::Decorrelated {
                "decorrelated jitter grows from \"wait\", and without one it never waits".to_owned()
            } else {
                "\"jitter\" says nothing without a \"wait\"".to_owned()
            };
            let says_nothing = |name: &str| format!("\"{name}\" says nothing without a \"wait\"");
            let idle = [
                ("jitter", retry.jitter != Jitter::None, spread),
                ("factor", !is_fixed, says_nothing("factor")),
                ("backoff", true, says_nothing("backoff")),
                ("max_wait", true, says_nothing("max_wait")),
            ];
            for (name, _, message) in idle.into_iter().filter(|(_, is_idle, _)| *is_idle) {
                self.warn_at(view, name, message);
            }
            return;
        }
        if retry.jitter == Jitter::Decorrelated {
            let message = |name| format!("decorrelated jitter grows by itself: \"{name}\" says nothing beside it");
            if !is_fixed {
                self.warn_at(view, "factor", message("factor"));
                self.warn_at(view, "backoff", message("backoff"));
            }
        } else if is_fixed {
            let message = format!("an exponential wait grows by \"factor\", and without one each is {wait}");
            self.warn_at(view, "backoff", message);
            if max_wait >= wait {
                let message = format!("each wait is {wait}: \"max_wait\" says nothing where it does not grow");
                self.warn_at(view, "max_wait", message);
            }
        }
        if max_wait < wait {
            let message =
                format!("the longest wait, {max_wait}, is shorter than the first, {wait}: each is {max_wait}");
            self.warn_at(view, "max_wait", message);
        }
    }

    /// A budget that never pays for anything, or never again.
    fn idle_budget(&mut self, view: View<'a>, what: &str, budget: &BudgetDef) {
        let BudgetDef { ratio, burst, .. } = *budget;
        if burst == 0 {
            let message = format!(
                "there is never a {what}: it costs 1, and this budget holds 0 at most; write a larger \"burst\""
            );
            self.problems.push(view.field("burst").unwrap_or(view).warning(message));
        } else if ratio.is_zero() {
            let message = format!(
                "this budget gains nothing: after {burst} there is never another {what}; write a ratio above 0"
            );
            self.problems.push(view.field("ratio").unwrap_or(view).warning(message));
        }
    }

    fn warn_at(&mut self, view: View<'a>, name: &str, message: String) {
        if let Some(field) = view.field(name) {
            self.problems.push(field.warning(message));
        }
    }

    /// What stands before a try and never does what it is there for.
    fn idle_guards(&mut self, step: View<'a>, clauses: &Clauses) {
        let Some(guards) = &clauses.guards else { return };
        for (at, guard) in guards.order.iter().enumerate() {
            let inside = at >= usize::from(guards.around_timeout);
            match guard {
                Guard::Breaker(def) => self.idle_breaker(step, def, clauses.timeout.filter(|_| !inside)),
                Guard::Bulkhead(def) => {
                    let Room::Permits { wait, .. } = def.rule.room else { continue };
                    self.idle_wait(step, "bulkhead", &["wait", "maxWaitDuration"], wait, inside, clauses);
                }
                Guard::Limiter(def) => {
                    let limiter::Rule::Cycles { timeout: wait, .. } = def.rule else { continue };
                    self.idle_wait(step, "limiter", &["timeoutDuration"], wait, inside, clauses);
                }
            }
        }
    }

    /// A wait for one's turn that something else always ends first.
    fn idle_wait(
        &mut self,
        step: View<'a>,
        clause: &str,
        names: &[&str],
        wait: Duration,
        inside: bool,
        clauses: &Clauses,
    ) {
        let Some(field) = step.field(clause).and_then(|view| names.iter().find_map(|name| view.field(name))) else {
            return;
        };
        let ends = [("timeout", clauses.timeout.filter(|_| inside)), ("deadline", clauses.deadline)];
        let ends = ends.into_iter().filter_map(|(name, end)| Some((name, end?)));
        let Some((name, end)) = ends.min_by_key(|(_, end)| *end).filter(|(_, end)| !wait.is_zero() && wait >= *end)
        else {
            return;
        };
        let message = format!("nobody waits that long: the {name} of {end} is over before {wait} are");
        self.problems.push(field.warning(message));
    }

    /// A breaker that nothing opens. `timeout`: by which it sees calls end.
    fn idle_breaker(&mut self, step: View<'a>, def: &BreakerDef, timeout: Option<Duration>) {
        let Some(view) = step.field("breaker") else { return };
        if !def.overlooks.is_empty() && is_covered(&def.fails, &def.overlooks) {
            let field = ["ignoreExceptions", "errorFilter"].iter().find_map(|name| view.field(name));
            let message = "nothing is left that opens it: this takes in all that fails";
            self.problems.push(field.unwrap_or(view).warning(message));
        }
        let Some(settings) = library(Policy::Breaker, view) else { return };
        let name = "slowCallDurationThreshold";
        if let (Some(field), Some(timeout)) = (view.field(name), timeout)
            && settings.length(name) >= timeout
        {
            let slow = settings.length(name);
            let message =
                format!("no call is slow: the timeout ends each after {timeout}, and slow is longer than {slow}");
            self.problems.push(field.warning(message));
        }
    }

    /// Outlier detection that may take nobody out of so few.
    pub(super) fn idle_outlier(&mut self, view: View<'a>, replicas: u64) {
        let Some(settings) = library(Policy::Outlier, view) else { return };
        let most = settings.ratio("max_ejection_percent");
        let room = u128::from(replicas) * u128::from(most.parts()) / u128::from(Ratio::ONE.parts());
        if room > 0 || most.is_zero() || replicas == 0 || settings.is("always_eject_one_host") {
            return;
        }
        let least = 100_u64.div_ceil(replicas);
        let most = view.field("max_ejection_percent").unwrap_or(view);
        let message = format!(
            "of {replicas} nobody is ever out: one is more than max_ejection_percent; write {least}, or \"always_eject_one_host\": true"
        );
        self.problems.push(most.warning(message));
    }

    /// What is to choose among so many, and looks at all of them.
    pub(super) fn idle_choices(&mut self) {
        for (key, view) in self.root.members_of("nodes") {
            let Some(def) = self.node_named(&key.name).map(|node| self.program.node(node)) else { continue };
            let (Role::Service(service), most) = (&def.role, def.most()) else { continue };
            let Balance::Choices { count, again: false } = service.balance else { continue };
            if let Some(field) = view.field("balance").filter(|_| count > most) {
                let message = format!(
                    "{count} different ones of {most} are all of them, and there are no more: this is \"least-request\""
                );
                self.problems.push(field.field("choices").unwrap_or(field).warning(message));
            }
        }
    }

    /// An order and a way to drop that tell nobody from anybody.
    pub(super) fn idle_line(&mut self, node: View<'a>) {
        let priority = node.field("order").and_then(|order| order.field("priority"));
        if let Some(list) = priority.filter(|list| list.items().next().is_none()) {
            let message =
                "no endpoint is named, so that all are as urgent: first come first served; name some, or leave it out";
            self.problems.push(list.warning(message));
        }
        let Some(drop) = node.field("drop").filter(|drop| drop.is_object()) else { return };
        let zero = |name: &str| drop.field(name).filter(|field| field.duration() == Ok(Duration::ZERO));
        if let Some(field) = zero("interval") {
            let message = "an interval of no time sits nothing out: once two in a row have waited for the target, whoever has is dropped, \
                unless nobody stands behind";
            self.problems.push(field.warning(message));
        }
        if let Some(field) = zero("target") {
            self.problems
                .push(field.warning("a target of no time takes every line for one in which all wait too long"));
        }
    }

    /// A value that is gone as soon as it is there.
    pub(super) fn idle_ttl(&mut self, of: View<'a>, what: &str) {
        if let Some(field) = of.field("ttl").filter(|field| field.duration() == Ok(Duration::ZERO)) {
            let message = format!(
                "{what} is gone at the instant at which it is there: nobody ever finds one; write a longer \"ttl\""
            );
            self.problems.push(field.warning(message));
        }
    }

    /// What a stop waits for that it does not live to see.
    pub(super) fn idle_stop(&mut self, node: View<'a>, stop: &StopDef) {
        let Some(view) = node.field("stop").and_then(|stop| stop.field("pre_stop")) else { return };
        let (pre_stop, grace) = (stop.pre_stop, stop.grace);
        if pre_stop >= grace && !pre_stop.is_zero() {
            let message =
                format!("it is killed when its grace of {grace} is over, before its pre_stop of {pre_stop} is");
            self.problems.push(view.warning(message));
        }
    }

    /// A rate at which nothing ever comes.
    pub(super) fn idle_pace(&mut self, workload: View<'a>) {
        let rates: Vec<View<'a>> = match workload.field("rate") {
            Some(rate) => vec![rate],
            None => workload.steps("stages").filter_map(|stage| stage.field("rate")).collect(),
        };
        let is_zero = |rate: &View<'a>| rate.rate().is_ok_and(|rate| rate.is_zero());
        if let (Some(first), true) = (rates.first(), rates.iter().all(is_zero)) {
            self.problems.push(first.warning("nothing is ever asked at a rate of zero"));
        }
    }
}

/// Whether all outcomes that one list takes in are in the other too; an empty one stands for any failure.
fn is_covered(taken: &[Catch], by: &[Catch]) -> bool {
    let any = [Catch::Error, Catch::Unknown];
    let taken = if taken.is_empty() { &any[..] } else { taken };
    let has = |catch: Catch| by.contains(&Catch::Else) || by.contains(&catch);
    taken.iter().all(|catch| match catch {
        Catch::Ok => false,
        Catch::Else => has(Catch::Error) && has(Catch::Unknown),
        Catch::Error | Catch::Unknown => has(*catch),
        Catch::Reason(reason) => has(*catch) || has(if reason.is_unknown() { Catch::Unknown } else { Catch::Error }),
    })
}
