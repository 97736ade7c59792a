//! What stands in a service about its callers and names what others declare: by whose value a ring is asked, which reasons outlier
//! detection counts, and whose requests are urgent.

use super::Lower;
use super::clauses::library;
use crate::json::Key;
use crate::language::View;
use crate::policy::{self, outlier};
use crate::problem::Problem;
use crate::program::{Balance, EndpointRef, OutlierDef, Reason, Role, Slot};

impl<'a> Lower<'a> {
    pub(super) fn balance(&mut self) {
        for (key, view) in self.root.members_of("nodes") {
            let slot = self.hashed(view);
            let slot = self.told(slot).flatten();
            let outlier = self.outlier(view);
            let outlier = self.told(outlier).flatten();
            if let Some(field) = view.field("outlier") {
                let replicas = view.or("replicas", 1, View::count).unwrap_or(1);
                self.idle_outlier(field, replicas);
            }
            let urgent = self.urgent(key, view);
            let urgent = self.told(urgent).unwrap_or_default();
            self.set_balance(key, slot, outlier, urgent);
        }
    }

    fn set_balance(&mut self, key: &Key, slot: Option<Slot>, outlier: Option<OutlierDef>, urgent: Vec<EndpointRef>) {
        let Some(node) = self.node_named(&key.name) else { return };
        if let Role::Service(def) = &mut self.program.nodes[node.0 as usize].role {
            def.outlier = outlier.map(Box::new);
            def.urgent = urgent;
            if let Balance::ConsistentHash(by) = &mut def.balance {
                *by = slot;
            }
        }
    }

    /// Endpoints by urgency.
    fn urgent(&self, key: &Key, node: View<'a>) -> Result<Vec<EndpointRef>, Problem> {
        let Some(list) = node.field("order").and_then(|order| order.field("priority")) else { return Ok(Vec::new()) };
        let Some(service) = self.node_named(&key.name) else { return Ok(Vec::new()) };
        let endpoint =
            |view: View<'a>| self.asked_endpoint(service, view.text()?).map_err(|message| view.error(message));
        let mut urgent = Vec::new();
        for view in list.items() {
            let endpoint = endpoint(view)?;
            if urgent.contains(&endpoint) {
                let name = view.text()?;
                return Err(view.error(format!("\"{name}\" stands here twice, and the first place counts; keep one")));
            }
            urgent.push(endpoint);
        }
        Ok(urgent)
    }

    /// The name by whose value a ring is asked.
    fn hashed(&self, node: View<'a>) -> Result<Option<Slot>, Problem> {
        let Some(by) = node.field("balance").and_then(|balance| balance.field("consistent_hash")) else {
            return Ok(None);
        };
        let text = by.text()?;
        let Some(name) = text.strip_prefix('$') else {
            return Err(by.error(format!("here should be a name with a dollar sign, such as \"${text}\"")));
        };
        let known = self.program.slots.iter().position(|slot| slot.name == name);
        let slots = || super::known("names", name, self.program.slots.iter().map(|slot| slot.name.as_str()));
        match known {
            Some(at) => Ok(Some(Slot(super::place(at)))),
            None => Err(by.error(format!("no step knows ${name}{}", slots()))),
        }
    }

    fn outlier(&self, node: View<'a>) -> Result<Option<OutlierDef>, Problem> {
        let Some(view) = node.field("outlier") else { return Ok(None) };
        let Some(settings) = library(policy::Kind::Outlier, view) else { return Ok(None) };
        let Some(rule) = outlier::Rule::of(&settings) else { return Ok(None) };
        let reason = |name: &String| -> Result<Reason, Problem> {
            let reasons = || super::known("reasons", name, self.program.reasons.iter().map(String::as_str));
            let named = self.program.reason_named(name);
            named.ok_or_else(|| view.error(format!("nothing fails with \"{name}\"{}", reasons())))
        };
        let counts = settings.outcomes("counts_as_5xx").iter().map(reason).collect::<Result<_, _>>()?;
        Ok(Some(OutlierDef { rule, counts }))
    }
}
