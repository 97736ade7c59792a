//! Gives links their latency, loss and all else: what is said of few links counts more than what is said of many.

use std::str::FromStr;

use sim_core::fault::Full;
use sim_core::{Bandwidth, Dist, Link, Pattern, Ratio, Stream, Transport};

use super::{Lower, known, place};
use crate::json::Key;
use crate::language::View;
use crate::problem::Problem;
use crate::program::NodeRef;

/// What a message counts for on a link that is not told its size: a kilobyte, decimal as in bandwidths.
const SIZE: u32 = 1_000;

/// What one entry of `links` says.
struct Rule {
    from: Pattern,
    to: Pattern,
    said: Said,
}

/// What is said of a link; nothing of what is not written.
#[derive(Clone, Default)]
struct Said {
    latency: Option<Dist>,
    loss: Option<Ratio>,
    corruption: Option<Ratio>,
    checksum: Option<bool>,
    /// Unlimited when there is nothing inside.
    bandwidth: Option<Option<Bandwidth>>,
    queue: Option<Option<u32>>,
    full: Option<Full>,
    size: Option<u32>,
    transport: Option<Transport>,
}

impl Said {
    fn apply(&self, link: &mut Link) {
        fn set<T: Clone>(said: &Option<T>, to: &mut T) {
            if let Some(said) = said {
                to.clone_from(said);
            }
        }
        set(&self.latency, &mut link.latency);
        set(&self.loss, &mut link.loss);
        set(&self.corruption, &mut link.corruption);
        set(&self.checksum, &mut link.checksum);
        set(&self.bandwidth, &mut link.bandwidth);
        set(&self.queue, &mut link.queue);
        set(&self.full, &mut link.full);
        set(&self.size, &mut link.size);
        set(&self.transport, &mut link.transport);
    }
}

impl<'a> Lower<'a> {
    pub(super) fn connect(&mut self) {
        self.program.network.size = SIZE;
        if let Some(network) = self.root.field("network") {
            let read = said(network);
            self.told(read).unwrap_or_default().apply(&mut self.program.network);
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
    fn link(&self, rules: &[Rule], from: NodeRef, to: NodeRef) -> Option<Link> {
        let (from, to) = (self.node_name(from), self.node_name(to));
        let mut link = None;
        for rule in rules.iter().filter(|rule| rule.from.matches(from) && rule.to.matches(to)) {
            rule.said.apply(link.get_or_insert_with(|| self.program.network.clone()));
        }
        link
    }

    fn rules(&mut self, key: &Key, view: View<'a>, rules: &mut Vec<Rule>) {
        let (from, to, both) = match key.name.split_once("<->") {
            Some((from, to)) => (from, to, true),
            None => key.name.split_once("->").map(|(from, to)| (from, to, false)).unwrap_or_default(),
        };
        let said = said(view);
        let (Some(from), Some(to), Some(said)) = (self.side(key, from), self.side(key, to), self.told(said)) else {
            return;
        };
        if both && from != to {
            rules.push(Rule { from: to.clone(), to: from.clone(), said: said.clone() });
        }
        rules.push(Rule { from, to, said });
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

fn said(view: View<'_>) -> Result<Said, Problem> {
    Ok(Said {
        latency: view.optional("latency", View::dist)?,
        loss: view.optional("loss", View::ratio)?,
        corruption: view.optional("corruption", View::ratio)?,
        checksum: view.optional("checksum", View::bool)?,
        bandwidth: view.optional("bandwidth", bandwidth)?,
        queue: view.optional("queue", |view| {
            Ok(view.count_or_word()?.map(|queue| u32::try_from(queue).unwrap_or(u32::MAX)))
        })?,
        full: view.optional("full", |view| Ok(if view.text()? == "random" { Full::Random } else { Full::Tail }))?,
        size: view.optional("size", size)?,
        transport: match view.optional("transport", transport)? {
            None if view.field("stream").is_some() => Some(transport(view)?),
            said => said,
        },
    })
}

fn bandwidth(view: View<'_>) -> Result<Option<Bandwidth>, Problem> {
    match view.text()? {
        "unlimited" => Ok(None),
        text => Bandwidth::from_str(text).map(Some).map_err(|error| view.error(error.to_string())),
    }
}

fn size(view: View<'_>) -> Result<u32, Problem> {
    let text = view.text()?;
    let bytes = sim_core::amount::bytes(text).and_then(|bytes| u32::try_from(bytes).ok());
    bytes.ok_or_else(|| view.error(format!("\"{text}\" is not a size; write \"500B\" or \"1.5KB\", below 4GB")))
}

fn transport(view: View<'_>) -> Result<Transport, Problem> {
    if let Some(said) = view.field("stream") {
        let usual = Stream::default();
        let tries = said.or("tries", u64::from(usual.tries), View::count)?;
        return Ok(Transport::Stream(Stream {
            retransmit: said.or("retransmit", usual.retransmit, View::duration)?,
            max: said.or("max", usual.max, View::duration)?,
            tries: u16::try_from(tries).unwrap_or(u16::MAX),
        }));
    }
    Ok(if view.text()? == "stream" { Transport::Stream(Stream::default()) } else { Transport::Datagram })
}

fn stars(pattern: &Pattern) -> usize {
    if pattern.is_all() { 2 } else { usize::from(pattern.as_str().contains('*')) }
}
