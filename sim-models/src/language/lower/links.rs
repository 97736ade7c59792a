//! Gives links their latency and loss: what is said of few links counts more than what is said of many.

use sim_core::{Dist, Pattern, Ratio};

use super::{Lower, known, place};
use crate::json::Key;
use crate::language::View;
use crate::problem::Problem;
use crate::program::{LinkDef, NodeRef};

/// What one entry of `links` says.
struct Rule {
    from: Pattern,
    to: Pattern,
    latency: Option<Dist>,
    loss: Option<Ratio>,
}

impl<'a> Lower<'a> {
    pub(super) fn connect(&mut self) {
        if let Some(network) = self.root.field("network") {
            let read = said(network);
            let (latency, loss) = self.told(read).unwrap_or_default();
            self.program.network = LinkDef { latency: latency.unwrap_or_default(), loss: loss.unwrap_or_default() };
        }
        let mut rules: Vec<Rule> = Vec::new();
        for (key, link) in self.root.members_of("links") {
            self.rules(key, link, &mut rules);
        }
        // From the widest to the narrowest; of equals the later one wins.
        rules.sort_by_key(|rule| std::cmp::Reverse(stars(&rule.from) + stars(&rule.to)));
        let nodes = || (0..self.program.nodes.len()).map(|index| NodeRef(place(index)));
        let pairs = nodes().flat_map(|from| nodes().map(move |to| (from, to)));
        self.program.links = pairs.filter_map(|(from, to)| Some((from, to, self.link(&rules, from, to)?))).collect();
    }

    /// What the rules come to for a pair; none when no rule is about it.
    fn link(&self, rules: &[Rule], from: NodeRef, to: NodeRef) -> Option<LinkDef> {
        let (from, to) = (self.node_name(from), self.node_name(to));
        let mut link = None;
        for rule in rules.iter().filter(|rule| rule.from.matches(from) && rule.to.matches(to)) {
            let link: &mut LinkDef = link.get_or_insert_with(|| self.program.network.clone());
            link.latency = rule.latency.clone().unwrap_or_else(|| link.latency.clone());
            link.loss = rule.loss.unwrap_or(link.loss);
        }
        link
    }

    fn rules(&mut self, key: &Key, view: View<'a>, rules: &mut Vec<Rule>) {
        let (from, to, both) = match key.name.split_once("<->") {
            Some((from, to)) => (from, to, true),
            None => key.name.split_once("->").map(|(from, to)| (from, to, false)).unwrap_or_default(),
        };
        let said = said(view);
        let (Some(from), Some(to), Some((latency, loss))) = (self.side(key, from), self.side(key, to), self.told(said))
        else {
            return;
        };
        if both && from != to {
            rules.push(Rule { from: to.clone(), to: from.clone(), latency: latency.clone(), loss });
        }
        rules.push(Rule { from, to, latency, loss });
    }

    fn side(&mut self, key: &Key, text: &str) -> Option<Pattern> {
        let pattern = text.parse::<Pattern>().ok();
        let names = || self.program.nodes.iter().map(|node| node.name.as_str());
        if pattern.as_ref().is_some_and(|pattern| names().any(|name| pattern.matches(name))) {
            return pattern;
        }
        let message = match text.split_once('-') {
            Some((name, _)) if names().any(|node| node == name) => {
                format!("a link is that of all replicas; write \"{name}\" for \"{text}\"")
            }
            _ => format!("no node \"{text}\"{}", known("nodes", text, names())),
        };
        self.error(key, message);
        None
    }
}

fn said(view: View<'_>) -> Result<(Option<Dist>, Option<Ratio>), Problem> {
    Ok((view.optional("latency", View::dist)?, view.optional("loss", View::ratio)?))
}

fn stars(pattern: &Pattern) -> usize {
    if pattern.is_all() { 2 } else { usize::from(pattern.as_str().contains('*')) }
}
