//! Takes nodes and workloads out of the scenario that a case holds, with what is only said about them.
//!
//! What else the file says of a node that is gone (a metric that counts its calls, a link, another property) is found by asking
//! the scenario's own checks, which name the place of each mistake. What the failing property or another node needs stays.

use serde_json::Value;
use sim_core::case::Case;
use sim_core::{Class, Operation, Seed};

use super::{Candidate, Trial};
use crate::problem::{Problems, Severity};
use crate::program::{NodeDef, Role};
use crate::scenario::{CaseError, Model};

/// Members at the top of a scenario whose own members may go when they speak of a node that is gone.
const SAID_OF_NODES: [&str; 9] =
    ["metrics", "expect", "properties", "remedies", "variants", "links", "faults", "nemesis", "tolerates"];

/// How many mistakes are mended before a node counts as needed.
const MENDS: usize = 40;

impl Candidate {
    /// Takes out one node after the other; whether any went.
    pub(super) fn drop_nodes(&mut self, trial: &mut Trial<'_>) -> bool {
        let whole = self.now().bare_case(trial.seed);
        let names = |section: &str| -> Vec<String> {
            let members = whole.scenario.get(section).and_then(Value::as_object);
            members.map(|members| members.keys().cloned().collect()).unwrap_or_default()
        };
        // Without a workload its operations are gone.
        let sections: &[&str] = if self.about.operations { &["workload", "nodes"] } else { &["nodes"] };
        let mut dropped = false;
        for (section, name) in sections.iter().flat_map(|s| names(s).into_iter().map(move |n| (s, n))) {
            let smaller = [Cut::Whole, Cut::Replicas].into_iter().find_map(|cut| {
                let model = self.without(section, &name, cut, trial)?;
                self.fails_by_lines(trial, &model).filter(|fails| *fails).map(|_| model)
            });
            if let Some(model) = smaller {
                // Its operations are named by classes, which are numbered by the workloads that are left.
                self.only = model.only().map(<[_]>::to_vec);
                self.model = model;
                dropped = true;
            }
        }
        dropped
    }

    /// The model without a node, or with one replica of it; none when the scenario makes no sense then, or is the same.
    fn without(&self, section: &str, name: &str, cut: Cut, trial: &Trial<'_>) -> Option<Model> {
        let only = if section == "workload" { self.only_without(name) } else { self.only.clone() };
        let mut case = self.with(&self.lines, only).bare_case(trial.seed);
        let members = case.scenario.get_mut(section)?.as_object_mut()?;
        match cut {
            Cut::Whole => _ = members.shift_remove(name)?,
            Cut::Replicas => _ = members.get_mut(name)?.as_object_mut()?.shift_remove("replicas")?,
        }
        let property = trial.failure.property.as_deref();
        for _ in 0..MENDS {
            match Model::of_case("case", &case) {
                Ok(model) => return Some(model),
                Err(CaseError::Scenario(problems)) => mend(&mut case, &problems, property)?,
                Err(CaseError::Fault(..) | CaseError::Other(_)) => return None,
            }
        }
        None
    }
}

impl Candidate {
    /// The operations that are begun where one workload is gone.
    fn only_without(&self, workload: &str) -> Option<Vec<Operation>> {
        let others = self.model.program().nodes.iter().filter(|node| node.name != workload);
        let class = |node: &NodeDef| match &node.role {
            Role::Workload(def) => Some(def.class),
            Role::Service(_) | Role::Store(_) | Role::Queue(_) => None,
        };
        let classes: Vec<Class> = others.filter_map(class).collect();
        let begins = |of: &&Operation| of.parts().is_some_and(|(class, _)| classes.contains(&class));
        Some(self.only.as_ref()?.iter().filter(begins).copied().collect())
    }
}

/// How much of a node goes.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Replicas,
}

impl Model {
    /// What it is as a case, without a run of it.
    pub(crate) fn bare_case(&self, seed: Seed) -> Case {
        Case { expect: None, ..self.case_of(seed, self.rest()) }
    }
}

/// Takes out the member that the first mistake stands in; none when that is no such member, or the failing property itself.
fn mend(case: &mut Case, problems: &Problems, property: Option<&str>) -> Option<()> {
    let problem = problems.iter().find(|problem| problem.severity == Severity::Error)?;
    let way = keys(&problem.path);
    let (section, member) = (way.first()?, way.get(1)?);
    let spares = SAID_OF_NODES.contains(&section.as_str());
    if !spares || section == "properties" && Some(member.as_str()) == property {
        return None;
    }
    let inner = way.get(2).filter(|_| matches!(section.as_str(), "remedies" | "variants"));
    let holder = case.scenario.get_mut(section.as_str())?;
    match (holder, inner) {
        (Value::Object(members), Some(inner)) => {
            members.get_mut(member.as_str())?.as_object_mut()?.shift_remove(inner.as_str())?;
        }
        (Value::Object(members), None) => _ = members.shift_remove(member.as_str())?,
        (Value::Array(items), _) => {
            let index: usize = member.parse().ok()?;
            (index < items.len()).then(|| items.remove(index))?;
        }
        _ => return None,
    }
    Some(())
}

/// The keys and places of a way such as `properties["charged at most once"].at_most_once` or `faults[2]`.
fn keys(path: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let quoted = rest.strip_prefix("[\"").and_then(|inside| inside.split_once("\"]"));
        let placed = || rest.strip_prefix('[').and_then(|inside| inside.split_once(']'));
        let (key, left) = match quoted.or_else(placed) {
            Some(found) => found,
            None => {
                let plain = rest.strip_prefix('.').unwrap_or(rest);
                plain.split_at(plain.find(['.', '[']).unwrap_or(plain.len()))
            }
        };
        keys.push(key.to_owned());
        rest = left;
    }
    keys
}

#[cfg(test)]
mod tests {
    use sim_core::{Seed, Stop};

    use super::*;
    use crate::language::Choices;
    use crate::scenario::Scenario;
    use crate::shrink::shrink;

    #[test]
    fn a_way_is_read_back() {
        assert_eq!(
            keys("properties[\"charged at most once\"].at_most_once"),
            ["properties", "charged at most once", "at_most_once"]
        );
        assert_eq!(keys("faults[2]"), ["faults", "2"]);
        assert_eq!(keys("nodes.shop.endpoints.pay[0]"), ["nodes", "shop", "endpoints", "pay", "0"]);
        assert!(keys("").is_empty());
    }

    const TWO_SHOPS: &str = r#"{
        "faultline": 1, "name": "two", "until": "20s",
        "nodes": {
            "shop": {"kind": "service", "replicas": 3, "endpoints": {"buy": [{"call": "bank.pay", "timeout": "1s", "retry": {"tries": 2}}]}},
            "bank": {"kind": "service", "endpoints": {"pay": [{"work": {"exponential": "500ms"}}, {"record": "paid"}]}},
            "blog": {"kind": "service", "endpoints": {"read": [{"call": "pages.find"}]}},
            "pages": {"kind": "service", "endpoints": {"find": [{"work": "1ms"}]}}
        },
        "workload": {
            "buyer": {"rate": "5/s", "limit": 20, "each": "order", "do": [{"call": "shop.buy"}]},
            "reader": {"rate": "50/s", "limit": 200, "each": "visit", "do": [{"call": "blog.read"}]}
        },
        "links": {"blog->pages": {"latency": "2ms"}},
        "metrics": {"visits": {"value": "reader.requests"}, "lookups": {"value": "pages.calls"}, "all": {"value": "visits + 1"}},
        "properties": {"paid once": {"at_most_once": "paid"}, "pages are found": {"at_end": "pages.calls > 0"}},
        "expect": {"visits": 200},
        "remedies": {"patience": {"set": {}, "expect": {"visits": 200}}}
    }"#;

    #[test]
    fn nodes_that_have_no_part_in_it_go_with_what_is_said_about_them() {
        let model = Scenario::parse("two.json", TWO_SHOPS).unwrap().model(&Choices::none()).unwrap();
        let seed =
            (0..100).map(Seed).find(|seed| model.run(*seed, Stop::AtViolation).outcome.property() == Some("paid once"));
        let case = model.case(&model.run(seed.unwrap(), Stop::AtViolation));
        let small = shrink("two.json", &case, 10_000, &mut |_| true).unwrap();
        let members = |section: &str| -> Vec<String> {
            small.case.scenario[section].as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(members("nodes"), ["shop", "bank"]);
        assert_eq!(small.case.scenario["nodes"]["shop"].get("replicas"), None);
        assert_eq!(members("workload"), ["buyer"]);
        assert_eq!(members("properties"), ["paid once"]);
        assert!(members("metrics").is_empty() && members("links").is_empty() && members("expect").is_empty());
        assert_eq!(small.case.faults.len(), 1, "{:?}", small.case.faults);
        let again = shrink("two.json", &small.case, 10_000, &mut |_| true).unwrap();
        assert_eq!(again.case, small.case);
    }

    /// An order is sold and its message stands in the outbox of the same store, from which a relay that nobody calls sends it.
    const OUTBOX: &str = r#"{
        "faultline": 1, "name": "outbox", "until": "60s", "network": {"latency": "1ms"},
        "nodes": {
            "shop": {"kind": "service", "endpoints": {"buy": [{"set": "db.out[$order]", "to": "NEW"}, {"record": "sold"}]}},
            "db": {"kind": "store", "maps": {"out": {}}},
            "relay": {"kind": "service", "endpoints": {"send": {"every": "1s", "do": [
                {"read": "db.out[*]", "where": "value == 'NEW'", "as": "new", "timeout": "1s"},
                {"for_each": "sold", "in": "$new", "do": [{"set": "db.out[$sold]", "to": "SENT", "timeout": "1s"}]}]}}},
            "clock": {"kind": "service", "endpoints": {"tick": {"every": "1s", "do": [{"work": "1ms"}]}}}
        },
        "workload": {"buyer": {"rate": "3/s", "for": "15s", "each": "order", "do": [{"call": "shop.buy"}]}},
        "faults": ["10s..60s fail db.read"],
        "metrics": {"kept_back": {"count": "sold > 0 && db.out[$order] == 'NEW'"}},
        "properties": {"all are sent": {"at_end": "kept_back == 0"}}
    }"#;

    #[test]
    fn a_node_that_nobody_calls_and_that_keeps_the_promise_stays() {
        let model = Scenario::parse("outbox.json", OUTBOX).unwrap().model(&Choices::none()).unwrap();
        let case = model.case(&model.run(Seed(1), Stop::AtViolation));
        let small = shrink("outbox.json", &case, 10_000, &mut |_| true).unwrap();
        let nodes: Vec<&String> = small.case.scenario["nodes"].as_object().unwrap().keys().collect();
        assert_eq!(nodes, ["shop", "db", "relay"]);
        let faults: Vec<String> = small.case.faults.iter().map(ToString::to_string).collect();
        assert!(faults.len() == 1 && faults[0].ends_with("fail db.read"), "{faults:?}");
        assert!(
            !small.model.with(Vec::new(), small.case.rest).run(case.seed, Stop::AtEnd).outcome.verdict.is_failure()
        );
    }

    #[test]
    fn a_workload_that_keeps_the_promise_stays() {
        let by_workload = OUTBOX.replace(r#""relay": {"kind": "service", "endpoints": {"send": {"every": "1s", "do": ["#, r#""relay": {"kind": "service", "endpoints": {"send": {"do": ["#)
            .replace(r#""workload": {"#, r#""workload": {"timer": {"rate": "1/s", "for": "50s", "each": "tick", "do": [{"call": "relay.send"}]}, "#);
        let model = Scenario::parse("outbox.json", &by_workload).unwrap().model(&Choices::none()).unwrap();
        let case = model.case(&model.run(Seed(1), Stop::AtViolation));
        let small = shrink("outbox.json", &case, 10_000, &mut |_| true).unwrap();
        let faults: Vec<String> = small.case.faults.iter().map(ToString::to_string).collect();
        assert!(faults.len() == 1 && faults[0].ends_with("fail db.read"), "{faults:?}");
        let only = small.case.only.unwrap_or_default();
        assert!(
            only.iter().any(|one| one.starts_with("tick/")) && only.iter().any(|one| one.starts_with("order/")),
            "{only:?}"
        );
    }
}
