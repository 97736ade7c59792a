//! Which parts being up keeps the whole up, as a reduced ordered decision diagram: exact with shared blocks, where a
//! formula by blocks counts what is shared as if there were two of it.
//!
//! Bryant, Graph-Based Algorithms for Boolean Function Manipulation, IEEE Transactions on Computers 35 (1986); for
//! reliability: Rauzy, New algorithms for fault trees analysis, Reliability Engineering and System Safety 40 (1993).
//! Parts are asked in an order that is given; one in which they are mentioned keeps diagrams of nested blocks as small
//! as their text.

use std::collections::BTreeMap;

use super::up::Availability;

/// A function of which parts are up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way(u32);

/// Never up.
pub(super) const DOWN: Way = Way(0);
/// Always up.
pub(super) const UP: Way = Way(1);

/// More nodes than this would take minutes and gigabytes.
pub(super) const NODES_MAX: usize = 2_000_000;

/// The diagram became larger than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooEntangled;

/// A part, and what follows from whether it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Node {
    part: u32,
    up: Way,
    down: Way,
}

/// Functions that share what they have in common.
#[derive(Debug)]
pub(super) struct Diagram {
    /// Each below those that lead to it. The first two are [`DOWN`] and [`UP`].
    nodes: Vec<Node>,
    known: BTreeMap<Node, Way>,
    chosen: BTreeMap<(Way, Way, Way), Way>,
    /// By part, when it is asked.
    places: Vec<u32>,
    /// More nodes it may not have.
    most: usize,
}

impl Diagram {
    /// Asks these parts in this order, each of which stands there once, and has at most so many nodes.
    pub(super) fn new(order: &[u32], most: usize) -> Diagram {
        let end = Node { part: u32::MAX, up: DOWN, down: DOWN };
        let mut places = vec![0; order.len()];
        for (place, part) in (0..).zip(order) {
            places[*part as usize] = place;
        }
        Diagram { nodes: vec![end, end], known: BTreeMap::new(), chosen: BTreeMap::new(), places, most }
    }

    /// When a part is asked; the ends are behind all of them.
    fn place(&self, part: u32) -> u32 {
        self.places.get(part as usize).copied().unwrap_or(part)
    }

    /// When the first part is asked on which a function hangs; for one that hangs on none, after all.
    pub(super) fn asked_at(&self, way: Way) -> u32 {
        self.place(self.at(way).part)
    }

    /// Up while that part is.
    pub(super) fn part(&mut self, part: u32) -> Result<Way, TooEntangled> {
        self.node(Node { part, up: UP, down: DOWN })
    }

    fn node(&mut self, node: Node) -> Result<Way, TooEntangled> {
        if node.up == node.down {
            return Ok(node.up);
        }
        if let Some(known) = self.known.get(&node) {
            return Ok(*known);
        }
        if self.nodes.len() >= self.most {
            return Err(TooEntangled);
        }
        let way = Way(self.nodes.len() as u32);
        self.nodes.push(node);
        self.known.insert(node, way);
        Ok(way)
    }

    fn at(&self, way: Way) -> Node {
        self.nodes[way.0 as usize]
    }

    /// `then` where `when` is up, else `otherwise`.
    pub(super) fn choose(&mut self, when: Way, then: Way, otherwise: Way) -> Result<Way, TooEntangled> {
        match (when, then, otherwise) {
            (UP, then, _) => return Ok(then),
            (DOWN, _, otherwise) => return Ok(otherwise),
            (_, then, otherwise) if then == otherwise => return Ok(then),
            (when, UP, DOWN) => return Ok(when),
            _ => {}
        }
        let key = (when, then, otherwise);
        if let Some(known) = self.chosen.get(&key) {
            return Ok(*known);
        }
        let parts = [when, then, otherwise].map(|way| self.at(way).part);
        let part = parts.into_iter().min_by_key(|part| self.place(*part)).unwrap_or(u32::MAX);
        let under = |way: Way| {
            let node = self.at(way);
            if node.part == part { (node.up, node.down) } else { (way, way) }
        };
        let (when, then, otherwise) = (under(when), under(then), under(otherwise));
        let up = self.choose(when.0, then.0, otherwise.0)?;
        let down = self.choose(when.1, then.1, otherwise.1)?;
        let way = self.node(Node { part, up, down })?;
        self.chosen.insert(key, way);
        Ok(way)
    }

    pub(super) fn both(&mut self, a: Way, b: Way) -> Result<Way, TooEntangled> {
        self.choose(a, b, DOWN)
    }

    pub(super) fn either(&mut self, a: Way, b: Way) -> Result<Way, TooEntangled> {
        self.choose(a, UP, b)
    }

    /// Up where at least `need` of them are.
    pub(super) fn at_least(&mut self, need: usize, ways: &[Way]) -> Result<Way, TooEntangled> {
        // From the last to the first: what is up when so many more of the rest are.
        let mut rest = vec![DOWN; need + 1];
        rest[0] = UP;
        for way in ways.iter().rev() {
            for more in (1..=need).rev() {
                rest[more] = self.choose(*way, rest[more - 1], rest[more])?;
            }
        }
        Ok(rest[need])
    }

    /// Whether a function is up when these parts are.
    pub(super) fn is_up(&self, mut way: Way, ups: &[bool]) -> bool {
        while way > UP {
            let node = self.at(way);
            way = if ups[node.part as usize] { node.up } else { node.down };
        }
        way == UP
    }

    /// How likely each function is up when the parts are so, independently; by the number of its node.
    pub(super) fn chances(&self, parts: &[Availability]) -> Chances {
        let mut chances = vec![Availability::NEVER, Availability::ALWAYS];
        for node in &self.nodes[2..] {
            let of = |way: Way| chances[way.0 as usize];
            chances.push(parts[node.part as usize].choose(of(node.up), of(node.down)));
        }
        Chances(chances)
    }

    /// By how much the chance of being down falls when a part that is down comes up, for each part: Birnbaum's measure
    /// (On the importance of different components in a multicomponent system, 1969).
    pub(super) fn birnbaum(&self, whole: Way, parts: &[Availability], chances: &Chances) -> Vec<f64> {
        let mut reached = vec![0.0; self.nodes.len()];
        let mut importance = vec![0.0; parts.len()];
        reached[whole.0 as usize] = 1.0;
        for at in (2..=whole.0 as usize).rev() {
            let node = self.nodes[at];
            let part = parts[node.part as usize];
            reached[node.up.0 as usize] += reached[at] * part.up;
            reached[node.down.0 as usize] += reached[at] * part.down;
            // Of two small chances of being down, not of two availabilities near one.
            importance[node.part as usize] += reached[at] * (chances.of(node.down).down - chances.of(node.up).down);
        }
        importance
    }

    /// How many nodes there are, for limits and benchmarks.
    pub(super) fn size(&self) -> usize {
        self.nodes.len()
    }
}

/// How likely each function of a diagram is up.
#[derive(Debug)]
pub(super) struct Chances(Vec<Availability>);

impl Chances {
    pub(super) fn of(&self, way: Way) -> Availability {
        self.0[way.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_exact() {
        let mut diagram = Diagram::new(&[0, 1, 2, 3, 4], NODES_MAX);
        let [a, b, c, d, bridge] = [0, 1, 2, 3, 4].map(|part| diagram.part(part).unwrap());
        // Conditioned on the bridge: two pairs in series, or two series in parallel.
        let pairs = {
            let (left, right) = (diagram.either(a, b).unwrap(), diagram.either(c, d).unwrap());
            diagram.both(left, right).unwrap()
        };
        let rows = {
            let (top, bottom) = (diagram.both(a, c).unwrap(), diagram.both(b, d).unwrap());
            diagram.either(top, bottom).unwrap()
        };
        let whole = diagram.choose(bridge, pairs, rows).unwrap();
        let parts = [0.1; 5].map(|down| Availability::of_down(down).unwrap());
        let chances = diagram.chances(&parts);
        assert!((chances.of(whole).up - 0.97848).abs() < 1e-15);
        let birnbaum = diagram.birnbaum(whole, &parts, &chances);
        // ∂A/∂p₅ of the bridge is 2p² − p⁴ − (… the pairs …) = 2p²q² for equal parts.
        assert!((birnbaum[4] - 2.0 * 0.81 * 0.01).abs() < 1e-15, "{birnbaum:?}");
    }

    #[test]
    fn a_function_is_made_once() {
        let mut diagram = Diagram::new(&[1, 0], NODES_MAX);
        let [a, b] = [0, 1].map(|part| diagram.part(part).unwrap());
        let one = diagram.both(a, b).unwrap();
        let size = diagram.size();
        assert_eq!(diagram.both(b, a), Ok(one));
        assert_eq!(diagram.either(one, a), Ok(a));
        assert_eq!(diagram.at_least(1, &[one, a]), Ok(a));
        assert_eq!(diagram.size(), size);
    }
}
