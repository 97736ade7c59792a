//! The map of a system that its scenario file draws without saying so: who asks whom, in layers from workloads to stores.
//!
//! The layers are those of Sugiyama, Tagawa and Toda (Methods for Visual Understanding of Hierarchical System Structures, 1981):
//! cycles are broken where a walk from those who ask first comes back to itself, each node stands one layer below the lowest of
//! those who ask it, an edge over several layers gets a place in each, and barycentre sweeps put the places in order. Nothing
//! here knows a screen; whoever draws turns layers and slots into rows and columns.

use crate::program::{EdgeRef, NodeRef, Program, Role};

/// A program's nodes in layers, and the ways between them; the same program has the same one.
///
/// ```
/// use sim_models::language::Choices;
/// use sim_models::topology::Topology;
/// let scenario = sim_models::builtin::scenario("checkout").unwrap().unwrap();
/// let model = scenario.model(&Choices::none()).unwrap();
/// let program = model.program();
/// let topology = Topology::of(program);
/// let layers: Vec<Vec<&str>> = (0..topology.layers.len())
///     .map(|layer| topology.nodes(layer).map(|node| program.node(node).name.as_str()).collect())
///     .collect();
/// assert_eq!(layers, [vec!["shopper"], vec!["shop"], vec!["inventory", "orders", "gateway"]]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// What stands in each layer, from those who ask to those who are asked; by slot. No layer is empty.
    pub layers: Vec<Vec<Place>>,
    /// How each edge runs, in the order of [`Program::edges`].
    pub routes: Vec<Route>,
    /// Where each node stands, by its place in the program.
    spots: Vec<Spot>,
}

/// What stands in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A node.
    Node(NodeRef),
    /// Nothing; an edge passes here on its way to another layer.
    Way(EdgeRef),
}

/// A slot of a layer, both from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Which layer.
    pub layer: usize,
    /// Which place in it.
    pub slot: usize,
}

/// How an edge runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which edge.
    pub edge: EdgeRef,
    /// Who asks.
    pub from: NodeRef,
    /// Who is asked.
    pub to: NodeRef,
    /// The places it passes between the two, from the one who asks to the one who is asked; empty between neighbouring layers.
    pub via: Vec<Spot>,
    /// Whether it closes a cycle: it runs from a lower layer up, or from a node to itself. All others run down.
    pub back: bool,
}

impl Topology {
    /// The layers of a program.
    pub fn of(program: &Program) -> Topology {
        let graph = Graph::of(program);
        let mut order = Order::of(program, &graph);
        order.sweep();
        order.topology(program, &graph)
    }

    /// Where a node stands.
    pub fn spot(&self, node: NodeRef) -> Spot {
        self.spots[node.0 as usize]
    }

    /// The nodes of a layer, in order; what passes there is left out.
    pub fn nodes(&self, layer: usize) -> impl Iterator<Item = NodeRef> {
        self.layers[layer].iter().filter_map(|place| match place {
            Place::Node(node) => Some(*node),
            Place::Way(_) => None,
        })
    }
}

/// The edges without cycles, and the layer of each node.
struct Graph {
    /// Every edge so that it runs down, by its place in the program; none from a node to itself.
    down: Vec<Option<(usize, usize)>>,
    /// Whether the edge has been turned around, or runs from a node to itself.
    back: Vec<bool>,
    layer: Vec<usize>,
}

impl Graph {
    fn of(program: &Program) -> Graph {
        let edges: Vec<(usize, usize)> =
            program.edges.iter().map(|(from, to)| (from.0 as usize, to.0 as usize)).collect();
        let back = closing(program, &edges);
        let turned = edges.iter().zip(&back).map(|((from, to), back)| match back {
            _ if from == to => None,
            true => Some((*to, *from)),
            false => Some((*from, *to)),
        });
        let down: Vec<_> = turned.collect();
        let mut layer = depths(program.nodes.len(), &down);
        settle(program, &down, &mut layer);
        Graph { down, back, layer }
    }
}

/// Which edges close a cycle, by a walk into the depth: workloads first, then whom nobody asks, then the rest, in the order of the
/// file.
fn closing(program: &Program, edges: &[(usize, usize)]) -> Vec<bool> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let count = program.nodes.len();
    let mut out = vec![Vec::new(); count];
    let mut is_asked = vec![false; count];
    for (edge, (from, to)) in edges.iter().enumerate() {
        out[*from].push(edge);
        is_asked[*to] |= from != to;
    }
    let rank = |node: &usize| match program.nodes[*node].role {
        Role::Workload(_) => 0,
        _ if !is_asked[*node] => 1,
        Role::Service(_) | Role::Store(_) | Role::Queue(_) => 2,
    };
    let mut roots: Vec<usize> = (0..count).collect();
    roots.sort_by_key(rank);
    let (mut mark, mut back) = (vec![Mark::New; count], vec![false; edges.len()]);
    for root in roots {
        if mark[root] != Mark::New {
            continue;
        }
        mark[root] = Mark::Open;
        // Each node on the way down, and how many of its edges have been walked.
        let mut way = vec![(root, 0)];
        while let Some((node, walked)) = way.last_mut() {
            let Some(edge) = out[*node].get(*walked) else {
                mark[*node] = Mark::Done;
                way.pop();
                continue;
            };
            *walked += 1;
            let to = edges[*edge].1;
            match mark[to] {
                Mark::New => {
                    mark[to] = Mark::Open;
                    way.push((to, 0));
                }
                Mark::Open => back[*edge] = true,
                Mark::Done => {}
            }
        }
    }
    back
}

/// The longest way down to each node, in edges.
fn depths(count: usize, down: &[Option<(usize, usize)>]) -> Vec<usize> {
    let mut depth = vec![0; count];
    let mut asked = vec![0; count];
    let mut out = vec![Vec::new(); count];
    for (from, to) in down.iter().flatten() {
        asked[*to] += 1;
        out[*from].push(*to);
    }
    let mut ready: Vec<usize> = (0..count).filter(|node| asked[*node] == 0).collect();
    while let Some(node) = ready.pop() {
        for to in &out[node] {
            depth[*to] = depth[*to].max(depth[node] + 1);
            asked[*to] -= 1;
            if asked[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    depth
}

/// Whom nobody asks and who is no workload stands just above whom it asks (a worker beside the service that fills its queue); who
/// neither asks nor is asked stands last.
fn settle(program: &Program, down: &[Option<(usize, usize)>], layer: &mut [usize]) {
    let last = layer.iter().copied().max().unwrap_or_default();
    for (node, def) in program.nodes.iter().enumerate() {
        let is_asked = down.iter().flatten().any(|(_, to)| *to == node);
        if is_asked || matches!(def.role, Role::Workload(_)) {
            continue;
        }
        let asks = down.iter().flatten().filter(|(from, _)| *from == node).map(|(_, to)| layer[*to]);
        layer[node] = asks.min().map_or(last, |highest| highest - 1);
    }
    close_ranks(layer);
}

/// Takes out the layers that nobody stands in any more.
fn close_ranks(layer: &mut [usize]) {
    let mut used: Vec<usize> = layer.to_vec();
    used.sort_unstable();
    used.dedup();
    for layer in layer {
        *layer = used.partition_point(|used| used < layer);
    }
}

/// Layers while they are put in order; each place has a number of its own, nodes first.
struct Order {
    layers: Vec<Vec<usize>>,
    /// By number: its neighbours one layer up and one layer down.
    near: Vec<[Vec<usize>; 2]>,
    /// By number: its slot.
    slot: Vec<usize>,
    /// By edge: the numbers of the places it passes, from the top down.
    ways: Vec<Vec<usize>>,
}

const UP: usize = 0;
const DOWN: usize = 1;
/// Sweeps down and up; more rarely change anything (Gansner et al., A Technique for Drawing Directed Graphs, 1993, use 24).
const SWEEPS: usize = 24;

impl Order {
    fn of(program: &Program, graph: &Graph) -> Order {
        let count = program.nodes.len();
        let deepest = graph.layer.iter().copied().max().map_or(0, |last| last + 1);
        let mut order = Order {
            layers: vec![Vec::new(); deepest],
            near: vec![<[Vec<usize>; 2]>::default(); count],
            slot: vec![0; count],
            ways: Vec::new(),
        };
        for node in 0..count {
            order.layers[graph.layer[node]].push(node);
        }
        for down in &graph.down {
            let way = down.map_or_else(Vec::new, |(from, to)| order.way(graph, from, to));
            order.ways.push(way);
        }
        order.number();
        order
    }

    /// Gives an edge a place in each layer between its ends.
    fn way(&mut self, graph: &Graph, from: usize, to: usize) -> Vec<usize> {
        let mut way = Vec::new();
        let mut last = from;
        for layer in graph.layer[from] + 1..graph.layer[to] {
            let place = self.near.len();
            self.near.push(<[Vec<usize>; 2]>::default());
            self.slot.push(0);
            self.layers[layer].push(place);
            self.join(last, place);
            way.push(place);
            last = place;
        }
        self.join(last, to);
        way
    }

    fn join(&mut self, upper: usize, lower: usize) {
        self.near[upper][DOWN].push(lower);
        self.near[lower][UP].push(upper);
    }

    fn number(&mut self) {
        for layer in &self.layers {
            for (slot, place) in layer.iter().enumerate() {
                self.slot[*place] = slot;
            }
        }
    }

    /// Sweeps down and up in turn, and keeps the first of the orders with the fewest crossings.
    fn sweep(&mut self) {
        let mut best = (self.crossings(), self.layers.clone());
        for sweep in 0..SWEEPS {
            if best.0 == 0 {
                break;
            }
            if sweep % 2 == 0 {
                (1..self.layers.len()).for_each(|layer| self.align(layer, UP));
            } else {
                (0..self.layers.len().saturating_sub(1)).rev().for_each(|layer| self.align(layer, DOWN));
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
        self.number();
    }

    /// Puts a layer in the order of the mean slots of its neighbours on one side; who has none there stays where it is.
    fn align(&mut self, layer: usize, side: usize) {
        let mean = |place: usize| {
            let near = &self.near[place][side];
            let sum: usize = near.iter().map(|place| self.slot[*place]).sum();
            (sum as u128, near.len() as u128)
        };
        let old = std::mem::take(&mut self.layers[layer]);
        let mut moving: Vec<usize> = old.iter().copied().filter(|place| !self.near[*place][side].is_empty()).collect();
        // Means as fractions: integers decide. The sort keeps the order of those whose means are equal.
        moving.sort_by(|a, b| {
            let ((sum_a, count_a), (sum_b, count_b)) = (mean(*a), mean(*b));
            (sum_a * count_b).cmp(&(sum_b * count_a))
        });
        let mut moving = moving.into_iter();
        let new = old.into_iter().map(|place| match self.near[place][side].is_empty() {
            true => place,
            false => moving.next().unwrap_or(place),
        });
        self.layers[layer] = new.collect();
        for (slot, place) in self.layers[layer].iter().enumerate() {
            self.slot[*place] = slot;
        }
    }

    /// How many pairs of ways cross.
    fn crossings(&self) -> usize {
        self.layers.iter().map(|layer| self.crossings_below(layer)).sum()
    }

    fn crossings_below(&self, layer: &[usize]) -> usize {
        let mut ends: Vec<usize> = Vec::new();
        let mut crossings = 0;
        for place in layer {
            let below: Vec<usize> = self.near[*place][DOWN].iter().map(|place| self.slot[*place]).collect();
            crossings += below.iter().map(|end| ends.len() - ends.partition_point(|other| other <= end)).sum::<usize>();
            ends.extend(below);
            ends.sort_unstable();
        }
        crossings
    }

    fn topology(&self, program: &Program, graph: &Graph) -> Topology {
        let count = program.nodes.len();
        let mut edge_of = vec![EdgeRef(0); self.near.len()];
        for (edge, way) in self.ways.iter().enumerate() {
            way.iter().for_each(|place| edge_of[*place] = EdgeRef(edge as u16));
        }
        let place = |number: &usize| match *number < count {
            true => Place::Node(NodeRef(*number as u16)),
            false => Place::Way(edge_of[*number]),
        };
        let layers: Vec<Vec<Place>> = self.layers.iter().map(|layer| layer.iter().map(place).collect()).collect();
        let spots = (0..count).map(|node| Spot { layer: graph.layer[node], slot: self.slot[node] }).collect();
        let routes = (0..program.edges.len()).map(|edge| self.route(program, graph, edge)).collect();
        Topology { layers, routes, spots }
    }

    fn route(&self, program: &Program, graph: &Graph, edge: usize) -> Route {
        let (from, to) = program.edges[edge];
        let top = graph.down[edge].map_or(0, |(top, _)| graph.layer[top] + 1);
        let spot = |(at, place): (usize, &usize)| Spot { layer: top + at, slot: self.slot[*place] };
        let mut via: Vec<Spot> = self.ways[edge].iter().enumerate().map(spot).collect();
        if graph.back[edge] {
            via.reverse();
        }
        Route { edge: EdgeRef(edge as u16), from, to, via, back: graph.back[edge] }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::program::{NodeDef, StoreDef};

    /// Nodes by one letter each, upper-case ones stores and digits workloads, and edges such as `1a aB`.
    fn program(nodes: &str, edges: &str) -> Program {
        let node = |name: char| NodeDef {
            name: name.to_string(),
            replicas: Vec::new(),
            count: 1,
            spare: 0,
            role: match name {
                '0'..='9' => workload(),
                'A'..='Z' => Role::Store(StoreDef::default()),
                _ => Role::Service(Box::default()),
            },
            maps: Vec::new(),
            gauged: false,
            clock: None,
            zones: Vec::new(),
            policies: Vec::new(),
        };
        let place = |name: char| NodeRef(nodes.chars().position(|known| known == name).unwrap() as u16);
        let edge = |edge: &str| (place(edge.chars().next().unwrap()), place(edge.chars().nth(1).unwrap()));
        Program {
            nodes: nodes.chars().map(node).collect(),
            edges: edges.split_whitespace().map(edge).collect(),
            ..Program::default()
        }
    }

    fn workload() -> Role {
        use crate::program::{EndpointRef, PaceDef, Slot, WorkloadDef};
        Role::Workload(WorkloadDef {
            endpoint: EndpointRef(0),
            class: sim_core::Class(0),
            slot: Slot(0),
            start: sim_core::Instant::ZERO,
            limit: None,
            length: None,
            pace: PaceDef::Open { stages: Vec::new(), even: true },
        })
    }

    /// The layers as text: letters, and a dot for each way that passes.
    fn drawn(program: &Program) -> String {
        let topology = Topology::of(program);
        let place = |place: &Place| match place {
            Place::Node(node) => program.node(*node).name.clone(),
            Place::Way(_) => ".".to_owned(),
        };
        let layers = topology.layers.iter().map(|layer| layer.iter().map(place).collect::<String>());
        layers.collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(nodes: &str, edges: &str, expected: &str) {
        assert_eq!(drawn(&program(nodes, edges)), expected);
    }

    #[test]
    fn who_asks_stands_above_whom_it_asks() {
        check("", "", "");
        check("a1", "1a", "1 a");
        check("aB1", "1a aB", "1 a B");
        check("abC1", "1a ab aC bC", "1 a b. C");
    }

    #[test]
    fn who_is_asked_last_stands_last_and_nobody_is_forgotten() {
        check("aBz1", "1a aB", "1 a Bz");
        check("z", "", "z");
        check("z1", "", "z1");
    }

    #[test]
    fn a_worker_that_nobody_asks_stands_beside_whoever_fills_its_queue() {
        check("awQ1", "1a aQ wQ", "1 aw Q");
        check("aw", "wa", "w a");
    }

    #[test]
    fn layers_are_put_in_an_order_with_few_crossings() {
        check("abCD1", "1a 1b aD bC", "1 ab DC");
        check("abcDEF1", "1a 1b 1c aF bE cD", "1 abc FED");
    }

    #[test]
    fn a_cycle_is_broken_where_the_walk_comes_back() {
        let program = program("abc1", "1a ab bc ca aa");
        let topology = Topology::of(&program);
        let back: Vec<bool> = topology.routes.iter().map(|route| route.back).collect();
        assert_eq!(back, [false, false, false, true, true]);
        assert_eq!(drawn(&program), "1 a b. c");
        assert_eq!(topology.routes[3].via, [Spot { layer: 2, slot: 1 }]);
        assert_eq!(topology.routes[4].via, []);
    }

    fn graph() -> impl Strategy<Value = Program> {
        let nodes = "12abcdefghIJKL";
        let edge = (0..nodes.len(), 2..nodes.len())
            .prop_map(move |(from, to)| format!("{}{}", &nodes[from..=from], &nodes[to..=to]));
        prop::collection::btree_set(edge, 0..40)
            .prop_map(move |edges| program(nodes, &edges.into_iter().collect::<Vec<_>>().join(" ")))
    }

    proptest! {
        #[test]
        fn every_layout_is_sound(program in graph()) {
            let topology = Topology::of(&program);
            prop_assert_eq!(&topology, &Topology::of(&program));
            let mut nodes: Vec<NodeRef> = (0..topology.layers.len()).flat_map(|layer| topology.nodes(layer)).collect();
            nodes.sort();
            prop_assert!(nodes.iter().map(|node| node.0 as usize).eq(0..program.nodes.len()));
            prop_assert!(topology.layers.iter().all(|layer| !layer.is_empty()));
            for node in nodes {
                let spot = topology.spot(node);
                prop_assert_eq!(topology.layers[spot.layer][spot.slot], Place::Node(node));
            }
            let mut ways = 0;
            for route in &topology.routes {
                let (from, to) = (topology.spot(route.from).layer, topology.spot(route.to).layer);
                prop_assert!(if route.back { to <= from } else { from < to }, "{:?}", route);
                let layers: Vec<usize> = route.via.iter().map(|spot| spot.layer).collect();
                let between = if route.back { (to + 1..from).rev().collect::<Vec<_>>() } else { (from + 1..to).collect() };
                prop_assert_eq!(layers, between);
                for spot in &route.via {
                    prop_assert_eq!(topology.layers[spot.layer][spot.slot], Place::Way(route.edge));
                }
                ways += route.via.len();
            }
            prop_assert_eq!(topology.layers.iter().map(Vec::len).sum::<usize>(), program.nodes.len() + ways);
        }
    }
}
