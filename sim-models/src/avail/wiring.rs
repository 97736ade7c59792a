//! How a whole hangs on its parts, before anything is asked of it: gates of which all, any or some are needed, and ways
//! through networks. A wiring is as large as what was written; what it comes to is worked out by a decision
//! [`Diagram`], whose size hangs on the order in which parts are asked.

use super::bdd::{DOWN, Diagram, NODES_MAX, TooEntangled, UP, Way};
use super::network::{Network, narrowest};

/// Something that is up or down: a part, or what hangs on others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wire(u32);

/// What a wire hangs on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Gate {
    /// A part by its number.
    Part(u32),
    /// All of them; of none, always up.
    All(Vec<Wire>),
    /// Any of them; of none, never up.
    Any(Vec<Wire>),
    /// At least so many of them.
    AtLeast(u32, Vec<Wire>),
    /// A way through a network whose blocks are up when these are, in the order of its blocks.
    Through(Network, Vec<Wire>),
}

impl Gate {
    fn inputs(&self) -> &[Wire] {
        match self {
            Gate::Part(_) => &[],
            Gate::All(wires) | Gate::Any(wires) | Gate::AtLeast(_, wires) | Gate::Through(_, wires) => wires,
        }
    }
}

/// Gates, each behind those that it hangs on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wiring {
    gates: Vec<Gate>,
    /// By part, its wire.
    parts: Vec<Wire>,
}

/// A decision diagram for each wire of a wiring.
#[derive(Debug)]
pub(super) struct Solved {
    pub(super) diagram: Diagram,
    ways: Vec<Way>,
}

impl Solved {
    /// The function of a wire.
    pub(super) fn way(&self, wire: Wire) -> Way {
        self.ways[wire.0 as usize]
    }
}

/// Why a wiring could not be worked out exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hard {
    /// So many things are needed in several places each.
    Sharing(usize),
    /// Nothing is; so many of so many are counted.
    Counting {
        /// How many are needed.
        need: usize,
        /// Of how many.
        of: usize,
    },
    /// Side by side in a network lie so many blocks, this one of them.
    Network {
        /// The place of the block among the inputs of its gate.
        block: usize,
        /// How many lie side by side.
        wide: usize,
    },
}

/// Parts asked as they are mentioned may come to so many nodes before another order is tried.
const FIRST_MAX: usize = 10_000;

impl Wiring {
    pub(super) fn new() -> Wiring {
        Wiring::default()
    }

    /// One more gate.
    pub(super) fn gate(&mut self, gate: Gate) -> Wire {
        self.gates.push(gate);
        Wire(self.gates.len() as u32 - 1)
    }

    /// One more part.
    pub(super) fn part(&mut self) -> Wire {
        let wire = self.gate(Gate::Part(self.parts.len() as u32));
        self.parts.push(wire);
        wire
    }

    fn at(&self, wire: Wire) -> &Gate {
        &self.gates[wire.0 as usize]
    }

    /// The part that a wire is, when it is one.
    pub(super) fn only_part(&self, wire: Wire) -> Option<usize> {
        match self.at(wire) {
            Gate::Part(part) => Some(*part as usize),
            Gate::All(_) | Gate::Any(_) | Gate::AtLeast(..) | Gate::Through(..) => None,
        }
    }

    /// Whether a wire is up when these parts are.
    pub(super) fn is_up(&self, wire: Wire, parts: &[bool]) -> bool {
        let mut ups: Vec<bool> = Vec::with_capacity(wire.0 as usize + 1);
        for gate in &self.gates[..=wire.0 as usize] {
            let up = |wire: &Wire| ups[wire.0 as usize];
            ups.push(match gate {
                Gate::Part(part) => parts[*part as usize],
                Gate::All(wires) => wires.iter().all(up),
                Gate::Any(wires) => wires.iter().any(up),
                Gate::AtLeast(need, wires) => wires.iter().filter(|wire| up(wire)).count() >= *need as usize,
                Gate::Through(network, wires) => network.is_through(&wires.iter().map(up).collect::<Vec<_>>()),
            });
        }
        ups[wire.0 as usize]
    }

    /// How many places each wire is needed in.
    fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.gates.len()];
        self.gates.iter().flat_map(Gate::inputs).for_each(|wire| uses[wire.0 as usize] += 1);
        uses
    }

    /// By part, the class of those that can change places with each other without the whole noticing, named by its
    /// first: parts of one gate that are needed nowhere else. `alike` says whether two have the same figures.
    pub(super) fn exchangeable(&self, alike: impl Fn(usize, usize) -> bool) -> Vec<usize> {
        let uses = self.uses();
        let mut classes: Vec<usize> = (0..self.parts.len()).collect();
        for gate in self.gates.iter().filter(|gate| !matches!(gate, Gate::Through(..))) {
            let own = gate.inputs().iter().filter(|wire| uses[wire.0 as usize] == 1);
            let own: Vec<usize> = own.filter_map(|wire| self.only_part(*wire)).collect();
            let mut firsts: Vec<usize> = Vec::new();
            for part in own {
                match firsts.iter().find(|first| alike(**first, part)) {
                    Some(first) => classes[part] = *first,
                    None => firsts.push(part),
                }
            }
        }
        classes
    }

    /// The parts on which a wire hangs.
    pub(super) fn support(&self, wire: Wire) -> Vec<usize> {
        let mut needed = vec![false; self.gates.len()];
        needed[wire.0 as usize] = true;
        for at in (0..=wire.0 as usize).rev() {
            if needed[at] {
                self.gates[at].inputs().iter().for_each(|wire| needed[wire.0 as usize] = true);
            }
        }
        (0..self.parts.len()).filter(|part| needed[self.parts[*part].0 as usize]).collect()
    }

    /// A decision diagram of all wires.
    ///
    /// # Errors
    /// When neither order of parts keeps it small enough.
    pub(super) fn solved(&self, root: Wire) -> Result<Solved, Hard> {
        let mentioned = self.as_mentioned(root);
        let shares = self.shared() > 0;
        // Each network has an order of its own, which that of mention keeps to; where each thing is needed once, no other
        // order is better.
        if !shares || self.gates.iter().any(|gate| matches!(gate, Gate::Through(..))) {
            return self.asking(&mentioned, NODES_MAX).or_else(|hard| match hard {
                Hard::Sharing(_) if shares => self.asking(&self.as_neighbours(root), NODES_MAX),
                Hard::Sharing(_) | Hard::Counting { .. } | Hard::Network { .. } => Err(hard),
            });
        }
        // What is nearest in one way may be far in another, so that at last the order of the text has as much room.
        self.asking(&mentioned, FIRST_MAX)
            .or_else(|_| self.asking(&self.as_neighbours(root), NODES_MAX))
            .or_else(|_| self.asking(&mentioned, NODES_MAX))
    }

    /// Parts in the order in which one meets them on the way down from a wire; those that it does not need come last.
    fn as_mentioned(&self, root: Wire) -> Vec<u32> {
        let mut order = Vec::new();
        let mut seen = vec![false; self.gates.len()];
        let mut open = vec![root];
        while let Some(wire) = open.pop() {
            if std::mem::replace(&mut seen[wire.0 as usize], true) {
                continue;
            }
            match self.at(wire) {
                Gate::Part(part) => order.push(*part),
                Gate::Through(network, wires) => {
                    open.extend(network.order().iter().rev().map(|block| wires[*block as usize]));
                }
                gate => open.extend(gate.inputs().iter().rev()),
            }
        }
        let left = (0..).zip(&self.parts).filter(|(_, wire)| !seen[wire.0 as usize]).map(|(part, _)| part);
        order.extend(left);
        order
    }

    /// Parts so that those which one gate needs stand near each other, wherever they are mentioned: gates and parts as
    /// a graph, gone through so that as few as possible are half done at a time.
    fn as_neighbours(&self, root: Wire) -> Vec<u32> {
        /// A gate with more inputs than this ties nothing together: of all that it has seen it keeps one number.
        const TIES_MAX: usize = 8;
        let mut near: Vec<Vec<u32>> = vec![Vec::new(); self.gates.len()];
        for (at, gate) in self.gates.iter().enumerate() {
            let tied = match gate {
                Gate::Through(network, wires) => {
                    for (from, to) in network.steps() {
                        near[wires[from].0 as usize].push(wires[to].0);
                        near[wires[to].0 as usize].push(wires[from].0);
                    }
                    continue;
                }
                gate => gate.inputs(),
            };
            if tied.len() <= TIES_MAX {
                for wire in tied {
                    near[at].push(wire.0);
                    near[wire.0 as usize].push(at as u32);
                }
            }
        }
        let begin: Vec<u32> = self.at(root).inputs().iter().map(|wire| wire.0).collect();
        let found = narrowest(&near, &begin);
        let part = |wire: &u32| match &self.gates[*wire as usize] {
            Gate::Part(part) => Some(*part),
            Gate::All(_) | Gate::Any(_) | Gate::AtLeast(..) | Gate::Through(..) => None,
        };
        found.iter().filter_map(part).collect()
    }

    fn asking(&self, order: &[u32], most: usize) -> Result<Solved, Hard> {
        let mut solved = Solved { diagram: Diagram::new(order, most), ways: Vec::with_capacity(self.gates.len()) };
        for gate in &self.gates {
            let mut ways: Vec<Way> = gate.inputs().iter().map(|wire| solved.way(*wire)).collect();
            let shared = |_: TooEntangled| match (self.shared(), gate) {
                (0, Gate::AtLeast(need, all)) => Hard::Counting { need: *need as usize, of: all.len() },
                (shared, _) => Hard::Sharing(shared),
            };
            let diagram = &mut solved.diagram;
            let way = match gate {
                Gate::Part(part) => diagram.part(*part).map_err(shared)?,
                Gate::All(_) => all(diagram, ways).map_err(shared)?,
                Gate::Any(_) => any(diagram, ways).map_err(shared)?,
                Gate::AtLeast(need, _) => {
                    ways.sort_by_key(|way| diagram.asked_at(*way));
                    diagram.at_least(*need as usize, &ways).map_err(shared)?
                }
                Gate::Through(network, _) => {
                    let followed = network.followed().map_err(|(block, wide)| Hard::Network { block, wide })?;
                    followed.way(&ways, diagram).map_err(shared)?
                }
            };
            solved.ways.push(way);
        }
        Ok(solved)
    }

    /// How many things are needed in several places each.
    fn shared(&self) -> usize {
        self.uses().iter().filter(|uses| **uses > 1).count()
    }
}

/// What is asked last first, so that each hangs above the rest as it is.
fn from_the_last(diagram: &Diagram, mut ways: Vec<Way>) -> Vec<Way> {
    ways.sort_by_key(|way| std::cmp::Reverse(diagram.asked_at(*way)));
    ways
}

fn all(diagram: &mut Diagram, ways: Vec<Way>) -> Result<Way, TooEntangled> {
    from_the_last(diagram, ways).into_iter().try_fold(UP, |rest, way| diagram.both(way, rest))
}

fn any(diagram: &mut Diagram, ways: Vec<Way>) -> Result<Way, TooEntangled> {
    from_the_last(diagram, ways).into_iter().try_fold(DOWN, |rest, way| diagram.either(way, rest))
}
