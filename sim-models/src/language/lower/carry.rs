//! Finds out which names travel with which request: what all callers of an endpoint carry is known in its steps.

use std::collections::BTreeSet;

use super::Lower;
use super::names::Local;
use crate::language::View;
use crate::problem::did_you_mean;
use crate::program::{EndpointRef, Role, SYSTEM_REASONS};

/// The names that every request of an endpoint carries; none for an endpoint that nobody calls, in which all may be.
pub(super) type Carried = Option<BTreeSet<String>>;

/// A call in the text.
pub(super) struct Site {
    caller: EndpointRef,
    callee: EndpointRef,
    /// What it carries beside what its caller carries: names of `with`, and what `for_each` binds around it.
    more: BTreeSet<String>,
}

impl<'a> Lower<'a> {
    pub(super) fn carry(&mut self) {
        self.program.reasons = SYSTEM_REASONS.iter().map(|name| (*name).to_owned()).collect();
        for index in 0..self.bodies.len() {
            if let Some(steps) = self.bodies[index] {
                self.survey(EndpointRef(super::place(index)), steps, &BTreeSet::new());
            }
        }
        self.carried = (0..self.bodies.len()).map(|index| self.carried_first(index)).collect();
        while self.spread() {}
    }

    /// Notes the calls and the reasons in a list of steps and in all lists inside.
    fn survey(&mut self, caller: EndpointRef, steps: View<'a>, bound: &BTreeSet<String>) {
        for step in steps.items() {
            let Ok((verb, value)) = step.step() else { continue };
            let mut bound = bound.clone();
            match verb {
                "call" => self.survey_call(caller, step, value, &bound),
                "publish" => self.survey_publish(caller, step, value, &bound),
                "fail" => self.survey_reason(value),
                "for_each" => bound.extend(value.text().ok().map(str::to_owned)),
                _ => {}
            }
            for block in blocks(verb, value, step) {
                self.survey(caller, block, &bound);
            }
        }
    }

    fn survey_call(&mut self, caller: EndpointRef, step: View<'a>, value: View<'a>, bound: &BTreeSet<String>) {
        let Ok((node, endpoint)) = value.target() else { return };
        let Some(callee) = self.node_named(node).and_then(|node| self.endpoint_named(node, endpoint)) else { return };
        let mut more = bound.clone();
        more.extend(step.members_of("with").map(|(key, _)| key.name.clone()));
        self.sites.push(Site { caller, callee, more });
    }

    /// Whoever consumes a queue, or the queues that its dead letters go to, knows what its messages carry.
    fn survey_publish(&mut self, caller: EndpointRef, step: View<'a>, value: View<'a>, bound: &BTreeSet<String>) {
        let Ok(name) = value.text() else { return };
        let mut more = bound.clone();
        more.extend(step.members_of("with").map(|(key, _)| key.name.clone()));
        let mut next = self.node_named(name).and_then(|node| self.program.queue(node));
        while let Some(queue) = next {
            let site = |callee: &EndpointRef| Site { caller, callee: *callee, more: more.clone() };
            self.sites.extend(queue.consumers.iter().map(site));
            next = queue.dead_letter.and_then(|dead| self.program.queue(dead));
        }
    }

    fn survey_reason(&mut self, value: View<'a>) {
        let Ok(reason) = value.text() else { return };
        if self.program.reason_named(reason).is_none() {
            self.program.reasons.push(reason.to_owned());
        }
    }

    fn carried_first(&self, index: usize) -> Carried {
        let endpoint = &self.program.endpoints[index];
        match (&self.program.node(endpoint.node).role, endpoint.clock) {
            (Role::Workload(def), _) => Some([self.program.slots[def.slot.0 as usize].name.clone()].into()),
            (_, Some(_)) => Some(BTreeSet::new()),
            (_, None) if self.program.is_probed(EndpointRef(super::place(index))) => Some(BTreeSet::new()),
            (_, None) => None,
        }
    }

    /// Lets callers pass on what they carry; says whether that changed anything. Sets only shrink, so that it ends.
    fn spread(&mut self) -> bool {
        let mut changed = false;
        for site in &self.sites {
            let clocked = self.program.endpoint(site.callee).clock.is_some();
            let Some(passed) = self.passed(site).filter(|_| !clocked) else { continue };
            let carried = &mut self.carried[site.callee.0 as usize];
            let narrowed = match carried {
                Some(carried) => carried.intersection(&passed).cloned().collect(),
                None => passed,
            };
            changed |= carried.as_ref() != Some(&narrowed);
            *carried = Some(narrowed);
        }
        changed
    }

    fn passed(&self, site: &Site) -> Carried {
        let carried = self.carried[site.caller.0 as usize].as_ref()?;
        Some(carried.union(&site.more).cloned().collect())
    }

    /// `$item is not known here: shop.checkout is called by shopper, which carries $order`
    pub(super) fn not_known(&self, name: &str) -> String {
        let here = self.scope.endpoint;
        let label = self.label(here);
        let why = match (&self.program.node(self.scope.node).role, self.program.endpoint(here).clock) {
            (Role::Workload(_), _) => {
                format!("{label} carries {}", dollars(self.carried[here.0 as usize].iter().flatten()))
            }
            (_, Some(_)) => format!("{label} runs by itself and carries nothing; \"as\" and \"for_each\" give names"),
            (_, None) if self.program.endpoint(here).consumes.is_some() => {
                format!("{label} handles messages of {}", self.callers_without(here, name))
            }
            (_, None) if self.program.is_probed(here) => format!("{label} is asked by a probe, which carries nothing"),
            (_, None) => format!("{label} is called by {}", self.callers_without(here, name)),
        };
        let near = self.known_names().map(|name| format!("${name}")).collect::<Vec<_>>();
        let guess = did_you_mean(&format!("${name}"), near.iter().map(String::as_str));
        format!("${name} is not known here: {why}{guess}")
    }

    fn callers_without(&self, endpoint: EndpointRef, name: &str) -> String {
        let mut callers: Vec<String> = Vec::new();
        for site in self.sites.iter().filter(|site| site.callee == endpoint && site.caller != endpoint) {
            let Some(passed) = self.passed(site).filter(|passed| !passed.contains(name)) else { continue };
            let caller = format!("{}, which carries {}", self.label(site.caller), dollars(&passed));
            if !callers.contains(&caller) {
                callers.push(caller);
            }
        }
        callers.join(", and by ")
    }

    /// What can be named with a dollar sign here.
    pub(super) fn known_names(&self) -> impl Iterator<Item = &str> {
        let carried = self.carried[self.scope.endpoint.0 as usize].iter().flatten();
        carried.chain(self.scope.locals.keys()).map(String::as_str)
    }

    /// Whether the name has a value here; in an endpoint that nobody calls it may.
    pub(super) fn is_known(&self, name: &str) -> bool {
        match &self.carried[self.scope.endpoint.0 as usize] {
            Some(carried) => carried.contains(name) || self.scope.locals.contains_key(name),
            None => true,
        }
    }

    /// Whether `$name.version` has a value here: the name was given to what a read found.
    pub(super) fn is_version_known(&self, name: &str) -> bool {
        self.scope.locals.get(name) == Some(&Local::Read)
    }
}

/// `$order and $visit`
fn dollars<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("${name}")).collect();
    if names.is_empty() { "nothing".to_owned() } else { crate::language::shape::listed(names, "and") }
}

/// The lists of steps inside a step.
fn blocks<'a>(verb: &str, value: View<'a>, step: View<'a>) -> Vec<View<'a>> {
    let mut blocks: Vec<View<'a>> = match verb {
        "try" | "transaction" | "background" => vec![value],
        "parallel" => value.items().collect(),
        "saga" => value.items().flat_map(|part| ["do", "undo"].map(|name| part.field(name))).flatten().collect(),
        _ => ["do", "then", "else"].into_iter().filter_map(|name| step.field(name)).collect(),
    };
    blocks.extend(step.members_of("cases").chain(step.members_of("on")).map(|(_, block)| block));
    blocks
}
