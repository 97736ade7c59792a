//! Which parts being up keeps the whole up, as a reduced ordered decision diagram: exact with shared blocks, where a
//! formula by blocks counts what is shared as if there were two of it.
//!
//! Bryant, Graph-Based Algorithms for Boolean Function Manipulation, IEEE Transactions on Computers 35 (1986); for
//! reliability: Rauzy, New algorithms for fault trees analysis, Reliability Engineering and System Safety 40 (1993).
//! Parts are asked in an order that is given; one in which they are mentioned keeps diagrams of nested blocks as small
//! as their text.

use sim_core::seed::mix;

use super::numbering::{Number, Numbering};
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

/// How many nodes are ends, [`DOWN`] and [`UP`].
const ENDS: usize = 2;

fn hash([a, b, c]: [u32; 3]) -> u64 {
    mix(u64::from(a) << 32 | u64::from(b), u64::from(c))
}

/// A part, and what follows from whether it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    known: Numbering,
    /// What was chosen between which, and what came of it.
    chosen: Vec<([Way; 3], Way)>,
    asked: Numbering,
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
        let (nodes, chosen) = (vec![end, end], Vec::new());
        Diagram { nodes, known: Numbering::new(), chosen, asked: Numbering::new(), places, most }
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
        let Diagram { nodes, known, .. } = self;
        let number =
            known.of(hash([node.part, node.up.0, node.down.0]), |number| nodes[number as usize + ENDS] == node);
        if let Number::Fresh(_) = number {
            if nodes.len() >= self.most {
                return Err(TooEntangled);
            }
            nodes.push(node);
        }
        Ok(Way(number.number() + ENDS as u32))
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
        let asked = self.at(when);
        let is_first = |way: Way| self.place(asked.part) < self.asked_at(way);
        if (asked.up, asked.down) == (UP, DOWN) && is_first(then) && is_first(otherwise) {
            return self.node(Node { part: asked.part, up: then, down: otherwise });
        }
        let key = [when, then, otherwise];
        let chosen = &self.chosen;
        let known = self.asked.of(hash(key.map(|way| way.0)), |number| chosen[number as usize].0 == key);
        let number = match known {
            Number::Known(number) => return Ok(chosen[number as usize].1),
            Number::Fresh(number) => number as usize,
        };
        // Filled in below: what comes of it hangs on smaller ones only.
        self.chosen.push((key, DOWN));
        let parts = key.map(|way| self.at(way).part);
        let part = parts.into_iter().min_by_key(|part| self.place(*part)).unwrap_or(u32::MAX);
        let under = |way: Way| {
            let node = self.at(way);
            if node.part == part { (node.up, node.down) } else { (way, way) }
        };
        let (when, then, otherwise) = (under(when), under(then), under(otherwise));
        let up = self.choose(when.0, then.0, otherwise.0)?;
        let down = self.choose(when.1, then.1, otherwise.1)?;
        let way = self.node(Node { part, up, down })?;
        self.chosen[number].1 = way;
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
        for (before, way) in ways.iter().enumerate().rev() {
            // Those before it are no more than that, so that as many as are needed cannot be too few.
            for more in (need.saturating_sub(before).max(1)..=need).rev() {
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
        let mut chances = Vec::with_capacity(self.nodes.len());
        chances.extend([Availability::NEVER, Availability::ALWAYS]);
        for node in &self.nodes[ENDS..] {
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

    /// How likely a function is up if a part is, and if it is not, for each part: all in one way down from the top. What does
    /// not ask a part is counted by the stretch of the order that it leaves out, so that nothing is taken away from
    /// anything, and a small chance keeps its digits beside a large one.
    pub(super) fn given(&self, whole: Way, parts: &[Availability], chances: &Chances) -> Vec<Given> {
        let after = self.places.len();
        let mut reached = vec![0.0; whole.0 as usize + 1];
        reached[whole.0 as usize] = 1.0;
        let mut given = vec![Given { up: NOTHING, down: NOTHING }; parts.len()];
        let mut past = Stretches::new(after);
        let place = |way: Way| if way.0 < ENDS as u32 { after } else { self.asked_at(way) as usize };
        past.add(0..place(whole), chances.of(whole), 1.0);
        for at in (ENDS..=whole.0 as usize).rev() {
            let (node, here) = (self.nodes[at], reached[at]);
            if here == 0.0 {
                continue;
            }
            let part = parts[node.part as usize];
            let (if_up, if_down) = (chances.of(node.up), chances.of(node.down));
            let of = &mut given[node.part as usize];
            (of.up, of.down) = (plus(of.up, if_up, here), plus(of.down, if_down, here));
            let next = self.place(node.part) as usize + 1;
            for (way, chance, of) in [(node.up, part.up, if_up), (node.down, part.down, if_down)] {
                reached[way.0 as usize] += here * chance;
                past.add(next..place(way), of, here * chance);
            }
        }
        let past = past.sums();
        for (of, place) in given.iter_mut().zip(&self.places) {
            let past = past[*place as usize];
            (of.up, of.down) = (plus(of.up, past, 1.0), plus(of.down, past, 1.0));
        }
        given
    }

    /// How many nodes there are, for limits and benchmarks.
    pub(super) fn size(&self) -> usize {
        self.nodes.len()
    }
}

/// How likely a whole is up, by whether one of its parts is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) up: Availability,
    pub(super) down: Availability,
}

const NOTHING: Availability = Availability { up: 0.0, down: 0.0 };

fn plus(sum: Availability, of: Availability, weight: f64) -> Availability {
    Availability { up: sum.up + weight * of.up, down: sum.down + weight * of.down }
}

/// A sum for each place, to which one adds over a stretch of places: a tree of stretches, each half as long as the one above.
struct Stretches {
    tree: Vec<Availability>,
    leaves: usize,
}

impl Stretches {
    fn new(places: usize) -> Stretches {
        let leaves = places.next_power_of_two();
        Stretches { tree: vec![NOTHING; 2 * leaves], leaves }
    }

    fn add(&mut self, places: std::ops::Range<usize>, of: Availability, weight: f64) {
        let (mut from, mut to) = (places.start + self.leaves, places.end + self.leaves);
        while from < to {
            if from % 2 == 1 {
                self.tree[from] = plus(self.tree[from], of, weight);
                from += 1;
            }
            if to % 2 == 1 {
                to -= 1;
                self.tree[to] = plus(self.tree[to], of, weight);
            }
            (from, to) = (from / 2, to / 2);
        }
    }

    /// By place.
    fn sums(mut self) -> Vec<Availability> {
        for at in 2..self.tree.len() {
            self.tree[at] = plus(self.tree[at], self.tree[at / 2], 1.0);
        }
        self.tree.split_off(self.leaves)
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

    /// Parts that are hardly ever down, of which some are asked on few ways only: what one way down from the top finds of each
    /// is what one finds with that part put in, to the last digits also where next to nothing is left.
    #[test]
    fn what_each_part_makes_of_the_whole_is_found_in_one_way_down() {
        let mut diagram = Diagram::new(&[4, 1, 6, 0, 3, 2, 5], NODES_MAX);
        let [edge, a, b, c, d, bridge, spare] = [0, 1, 2, 3, 4, 5, 6].map(|part| diagram.part(part).unwrap());
        let few = diagram.at_least(2, &[a, b, c, d]).unwrap();
        let left = diagram.choose(bridge, few, a).unwrap();
        let all = diagram.both(left, edge).unwrap();
        let whole = diagram.either(all, spare).unwrap();
        let parts = [1e-3, 1e-9, 0.3, 0.5, 1e-7, 0.01, 1e-6].map(|down| Availability::of_down(down).unwrap());
        for whole in [whole, all, few, edge, UP, DOWN] {
            let chances = diagram.chances(&parts);
            let given = diagram.given(whole, &parts, &chances);
            for (part, given) in given.iter().enumerate() {
                for (other, got) in [(Availability::ALWAYS, given.up), (Availability::NEVER, given.down)] {
                    let mut parts = parts;
                    parts[part] = other;
                    let wanted = diagram.chances(&parts).of(whole);
                    let is_near = |got: f64, wanted: f64| (got - wanted).abs() <= 1e-14 * wanted;
                    let near = is_near(got.up, wanted.up) && is_near(got.down, wanted.down);
                    assert!(near, "{whole:?}, part {part}: {got:?}, not {wanted:?}");
                }
            }
        }
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
