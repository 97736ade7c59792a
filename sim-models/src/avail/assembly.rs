//! An expression with all names filled in and every component counted: what it comes to, block by block.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::bdd::{Chances, Given, NODES_MAX, Way};
use super::block::{Block, Kind, Part, Quorum, Repaired, Said, Spread, Standby};
use super::error::{AvailError, NoAlgebra};
use super::group::Group;
use super::life::{Life, Phases, Shape};
use super::markov::{After, Chain};
use super::up::Availability;
use super::wiring::{Gate, Hard, Solved, Wire, Wiring};
use super::words::is_name;
use crate::problem::{Span, did_you_mean};

/// What names mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Names {
    meanings: BTreeMap<String, Meaning>,
}

#[derive(Clone, Debug, PartialEq)]
struct Meaning {
    block: Block,
    text: String,
}

impl Names {
    /// None yet.
    pub fn new() -> Names {
        Names::default()
    }

    /// Binds a name as `db=99.95%` does; the meaning may name others.
    ///
    /// # Errors
    /// When it is no such text, or the name has a meaning already. The error's place is in `text`.
    pub fn bind(&mut self, text: &str) -> Result<(), AvailError> {
        let whole = Span::new(0, text.len());
        let (name, meaning) = text
            .split_once('=')
            .ok_or_else(|| AvailError::new(whole, format!("\"{text}\" binds no name; write db=99.95%")))?;
        let moved = |error: AvailError| {
            let by = name.len() + 1;
            AvailError { span: Span::new(error.span.start + by, error.span.end + by), ..error }
        };
        self.set(name, meaning).map_err(|error| {
            if error.span == Span::default() && error.name.is_some() {
                AvailError { span: Span::new(0, name.len()), name: None, ..error }
            } else {
                moved(error)
            }
        })
    }

    /// Gives a name its meaning.
    ///
    /// # Errors
    /// When it is no name, has a meaning already, or the meaning is no expression. The error's place is in `meaning`,
    /// or, when it is about the name, its `name` is set and its place empty.
    pub fn set(&mut self, name: &str, meaning: &str) -> Result<(), AvailError> {
        let of_name =
            |message: String| AvailError { name: Some(name.to_owned()), ..AvailError::new(Span::default(), message) };
        let trimmed = name.trim();
        if !is_name(trimmed) {
            return Err(of_name(format!(
                "\"{trimmed}\" is no name; a name is a letter, then letters, digits, _ and -"
            )));
        }
        let block = Block::parse(meaning)?;
        let known = self.meanings.insert(trimmed.to_owned(), Meaning { block, text: meaning.to_owned() });
        if known.is_some() { Err(of_name(format!("{trimmed} has two meanings"))) } else { Ok(()) }
    }

    /// The text of a name's meaning.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.meanings.get(name).map(|meaning| meaning.text.as_str())
    }

    /// Looks at every meaning, and takes it as it is left.
    pub(super) fn each_block(&mut self, visit: &mut dyn FnMut(&str, &mut Block)) {
        for (name, meaning) in &mut self.meanings {
            let before = meaning.block.clone();
            visit(name, &mut meaning.block);
            if meaning.block.kind != before.kind {
                meaning.text = meaning.block.to_string();
            }
        }
    }

    /// All names with the texts of their meanings, in the order of the alphabet.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.meanings.iter().map(|(name, meaning)| (name.as_str(), meaning.text.as_str()))
    }
}

/// How a piece depends on those it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is a component.
    Component,
    /// It is whatever its only piece is.
    Same,
    /// All are needed.
    All,
    /// One is enough.
    Any,
    /// So many are needed.
    AtLeast(u32),
    /// Some way through them is needed, as a diagram says.
    Ways,
}

/// A block with what it comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// How it was written.
    pub label: String,
    /// How it depends on its pieces.
    pub role: Role,
    /// How many alike there are where it stands, itself included; they are shown once.
    pub alike: u32,
    /// How likely it is up.
    pub availability: Availability,
    /// What it is made of, one of those that are alike.
    pub pieces: Vec<Piece>,
    /// Its place in [`Assembly::components`], when it is one; of those that are alike, that of the first.
    pub component: Option<usize>,
    wire: Wire,
}

impl Piece {
    pub(super) fn new(label: String, role: Role, pieces: Vec<Piece>, wire: Wire) -> Piece {
        Piece { label, role, alike: 1, availability: Availability::ALWAYS, pieces, component: None, wire }
    }

    pub(super) fn wire(&self) -> Wire {
        self.wire
    }
}

/// A component, each of which is independent of all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// What it is called: its name, or the figures it was given by.
    pub label: String,
    /// How likely it is up in the long run.
    pub availability: Availability,
    /// How it fails and comes back, when that was said.
    pub law: Option<Law>,
    /// How long it is up and, unless it stays so, down; of a group its machines, and only where not all of that is
    /// exponential.
    pub lives: Option<(Life, Option<Life>)>,
}

/// How a component fails and comes back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// It fails at such a rate while up, and is down for so many seconds on average; for ever without.
    Single {
        /// Failures per second.
        rate: f64,
        /// The mean length of an outage in seconds.
        outage: Option<f64>,
    },
    /// It fails at such a rate while up, and each outage takes just so many seconds.
    Fixed {
        /// Failures per second.
        rate: f64,
        /// The length of every outage in seconds.
        outage: f64,
    },
    /// The same with lengths that are not exponential, of which only means are known here.
    Uneven {
        /// Failures per second of being up.
        rate: f64,
        /// The mean length of an outage in seconds.
        outage: f64,
    },
    /// It fails at such a rate while up, and an outage is one thing after the other.
    Phases {
        /// Failures per second.
        rate: f64,
        /// What an outage is made of.
        phases: Phases,
    },
    /// It is taken down on purpose, as long each time, at a moment of the first period that nobody knows.
    Planned {
        /// Seconds from one beginning to the next.
        every: f64,
        /// Seconds down each time.
        out: f64,
    },
    /// It is a group of machines that depend on each other; lengths in seconds.
    Group(Group),
}

/// An expression or a diagram with its names filled in and its components counted, of which nothing is worked out: it
/// can be simulated, however much hangs together in it.
#[derive(Clone, Debug)]
pub struct Drawn {
    root: Piece,
    components: Vec<Component>,
    wiring: Wiring,
}

/// An expression or a diagram, worked out.
#[derive(Debug)]
pub struct Assembly {
    drawn: Drawn,
    solved: Solved,
    chances: Chances,
    /// By component, what the whole comes to if it is up and if it is not; worked out when somebody asks.
    given: OnceLock<Vec<Given>>,
}

/// Components, and when the whole is up.
pub trait Structure {
    /// All components, in the order in which they are mentioned.
    fn components(&self) -> &[Component];
    /// Whether the whole is up when these components are, in the order of [`Structure::components`].
    fn is_up(&self, ups: &[bool]) -> bool;
}

impl Structure for Drawn {
    fn components(&self) -> &[Component] {
        &self.components
    }

    fn is_up(&self, ups: &[bool]) -> bool {
        self.wiring.is_up(self.root.wire, ups)
    }
}

impl Structure for Assembly {
    fn components(&self) -> &[Component] {
        &self.drawn.components
    }

    fn is_up(&self, ups: &[bool]) -> bool {
        Assembly::is_up(self, ups)
    }
}

impl Drawn {
    /// Fills in the names of an expression.
    ///
    /// # Errors
    /// When a name has no meaning or is part of its own, when what is said of a group cannot be, or when it has more
    /// than 4,096 components.
    pub fn of(block: &Block, names: &Names) -> Result<Drawn, AvailError> {
        let mut builder = Builder::new(names);
        let root = builder.piece(block)?;
        Ok(builder.finished(root))
    }

    /// All components, in the order in which they are mentioned.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// The whole, block by block, with nothing worked out.
    pub fn root(&self) -> &Piece {
        &self.root
    }

    /// Failures, repairs and takeovers per second that a simulation of it has to follow, at most.
    pub fn events_per_second(&self) -> f64 {
        let of = |component: &Component| match component.law {
            Some(Law::Group(group)) => 4.0 * f64::from(group.of) / group.mtbf,
            Some(law) => 2.0 * law.frequency().unwrap_or(0.0),
            None => 0.0,
        };
        self.components.iter().map(of).sum()
    }

    /// Works it out.
    ///
    /// # Errors
    /// When so much hangs together in it that it cannot be worked out exactly: what that is, and what can be done.
    pub fn worked_out(mut self) -> Result<Assembly, NoAlgebra> {
        let uneven =
            |component: &&Component| component.lives.is_some() && component.law.is_some_and(|law| law.is_group());
        if let Some(component) = self.components.iter().find(uneven) {
            let why = format!(
                "{}: for machines that share crews or wait as spares, and whose times are not exponential, there is no \
                 closed form",
                component.label
            );
            return Err(NoAlgebra { why, instead: "--simulate 1000y shows what they come to" });
        }
        let solved = self.wiring.solved(self.root.wire).map_err(|hard| self.told(hard))?;
        let chances = solved.diagram.chances(&availabilities(&self.components));
        settle(&mut self.root, &solved, &chances);
        Ok(Assembly { drawn: self, solved, chances, given: OnceLock::new() })
    }

    fn told(&self, hard: Hard) -> NoAlgebra {
        let millions = NODES_MAX / 1_000_000;
        let what = match hard {
            Hard::Sharing(0) => format!("which of its blocks are up comes to more than {millions} million cases"),
            Hard::Sharing(1) => format!("one block is needed in several places, in more than {millions} million cases"),
            Hard::Sharing(count) => {
                format!("{count} blocks are needed in several places, together in more than {millions} million cases")
            }
            Hard::Counting { need, of } => {
                format!("which {need} of {of} blocks are up comes to more than {millions} million cases")
            }
            Hard::Network { block, wide } => {
                let name = self.root.pieces.get(block).map_or("out", |piece| piece.label.as_str());
                format!(
                    "around {name} lie {wide} blocks side by side, and how they lead to each other has too many cases"
                )
            }
        };
        NoAlgebra {
            why: format!("this cannot be worked out exactly: {what}"),
            instead: "--simulate 1000y estimates it where every block says how often it fails (mtbf=30d/mttr=1h)",
        }
    }

    /// Lets every component of which only a share is known fail and come back, with outages of so many seconds on
    /// average, so that it can be simulated; what the whole comes to in the long run stays the same. The names of those
    /// components, each once.
    pub fn assume_outages(&mut self, seconds: f64) -> Vec<String> {
        let mut assumed: Vec<String> = Vec::new();
        for component in &mut self.components {
            let Availability { up, down } = component.availability;
            if component.law.is_some() || up <= 0.0 || down <= 0.0 {
                continue;
            }
            let mtbf = seconds * up / down;
            component.law = Some(Law::Single { rate: 1.0 / mtbf, outage: Some(seconds) });
            component.lives = Some((Life::exponential(mtbf), Some(Life::exponential(seconds))));
            if !assumed.contains(&component.label) {
                assumed.push(component.label.clone());
            }
        }
        assumed
    }
}

fn availabilities(components: &[Component]) -> Vec<Availability> {
    components.iter().map(|component| component.availability).collect()
}

impl Assembly {
    /// Works out a block.
    ///
    /// # Errors
    /// As [`Drawn::of`], and when so much hangs together in it that its decision diagram passes two million nodes in
    /// each order of its parts that is tried.
    ///
    /// ```
    /// use sim_models::avail::{Assembly, Block, Names};
    /// let mut names = Names::new();
    /// names.bind("app=99.9%").unwrap();
    /// names.bind("auth=99%").unwrap();
    /// let of = |text: &str| Assembly::of(&Block::parse(text).unwrap(), &names).unwrap().availability();
    /// // Both need the same auth; counting it twice would hide 99 % of the downtime.
    /// assert!((of("app * auth#1 | app * auth#1").up - 0.98999901).abs() < 1e-12);
    /// assert!((of("app * auth | app * auth").up - 0.9998792199).abs() < 1e-12);
    /// ```
    pub fn of(block: &Block, names: &Names) -> Result<Assembly, AvailError> {
        Drawn::of(block, names)?.worked_out().map_err(|none| AvailError::new(block.span, none.to_string()))
    }

    /// How likely the whole is up.
    pub fn availability(&self) -> Availability {
        self.drawn.root.availability
    }

    /// The whole, block by block.
    pub fn root(&self) -> &Piece {
        &self.drawn.root
    }

    /// All components, in the order in which they are mentioned.
    pub fn components(&self) -> &[Component] {
        &self.drawn.components
    }

    /// Whether the whole is up when these components are, in the order of [`Assembly::components`].
    ///
    /// # Panics
    /// When there are fewer of them than components.
    pub fn is_up(&self, ups: &[bool]) -> bool {
        self.solved.diagram.is_up(self.way(), ups)
    }

    /// How many nodes the decision diagram took.
    pub fn nodes(&self) -> usize {
        self.solved.diagram.size()
    }

    fn way(&self) -> Way {
        self.solved.way(self.drawn.root.wire)
    }

    pub(super) fn wiring(&self) -> &Wiring {
        &self.drawn.wiring
    }

    /// How likely the whole is up with other components in the places of these.
    pub(super) fn with(&self, parts: &[Availability]) -> Availability {
        self.solved.diagram.chances(parts).of(self.way())
    }

    /// How likely the whole is up with another component in the place of one.
    pub(super) fn with_other(&self, at: usize, other: Availability) -> Availability {
        let given = self.given.get_or_init(|| self.solved.diagram.given(self.way(), &self.parts(), &self.chances))[at];
        other.choose(given.up, given.down)
    }

    /// What another whole comes to: at once when it is this one with other figures.
    pub(super) fn beside(&self, other: Drawn) -> Option<Availability> {
        if other.wiring == self.drawn.wiring && other.root.wire == self.drawn.root.wire {
            let (before, after) = (self.parts(), availabilities(&other.components));
            let mut changed = (0..after.len()).filter(|at| before[*at] != after[*at]);
            return Some(match (changed.next(), changed.next()) {
                (None, _) => self.availability(),
                (Some(at), None) => self.with_other(at, after[at]),
                (Some(_), Some(_)) => self.with(&after),
            });
        }
        other.worked_out().ok().map(|assembly| assembly.availability())
    }

    /// What it comes to with a second one, independent of the first, beside the component of this label; `None` unless
    /// there is just one of it, or where two in parallel are not what one more is.
    pub(super) fn with_second(&self, label: &str) -> Option<Availability> {
        let mut named = (0..).zip(self.components()).filter(|(_, component)| component.label == label);
        let (at, component): (usize, &Component) = named.next()?;
        if named.next().is_some() || component.law.is_some_and(|law| law.is_group()) {
            return None;
        }
        Some(self.with_other(at, component.availability.or(component.availability)))
    }

    /// As [`Drawn::assume_outages`].
    pub fn assume_outages(&mut self, seconds: f64) -> Vec<String> {
        self.drawn.assume_outages(seconds)
    }

    /// As [`Drawn::events_per_second`].
    pub fn events_per_second(&self) -> f64 {
        self.drawn.events_per_second()
    }

    pub(super) fn parts(&self) -> Vec<Availability> {
        availabilities(self.components())
    }

    /// By how much the chance of being down falls when a component that is down comes up, for each.
    pub(super) fn birnbaum(&self) -> Vec<f64> {
        self.solved.diagram.birnbaum(self.way(), &self.parts(), &self.chances)
    }

    /// How often the whole goes down, per second, in the long run; `None` when it was not said of every component how
    /// often it fails.
    ///
    /// A failure of a component takes the whole down with the chance that Birnbaum's measure is.
    pub fn frequency(&self) -> Option<f64> {
        let each =
            self.components().iter().zip(self.birnbaum()).filter(|(component, _)| component.availability.down > 0.0);
        each.map(|(component, birnbaum)| Some(birnbaum * component.law?.frequency()?)).sum()
    }

    /// How likely the whole is up after so many seconds, everything being up at the start; `None` when it was not said
    /// of every component how often it fails.
    pub fn at(&self, seconds: f64) -> Option<Availability> {
        self.at_of(self.way(), seconds)
    }

    /// The same of any function of the components.
    pub(super) fn at_of(&self, way: Way, seconds: f64) -> Option<Availability> {
        let parts: Option<Vec<_>> = self.components().iter().map(|component| component.at(seconds)).collect();
        Some(self.solved.diagram.chances(&parts?).of(way))
    }

    /// The function of a piece.
    pub(super) fn way_of(&self, piece: &Piece) -> Way {
        self.solved.way(piece.wire)
    }

    pub(super) fn is_up_in(&self, way: Way, ups: &[bool]) -> bool {
        self.solved.diagram.is_up(way, ups)
    }

    /// Why [`Assembly::at`] is not known after so many seconds, as what follows "since"; `None` when it is.
    pub fn why_not_at(&self, seconds: f64) -> Option<String> {
        self.components().iter().find(|component| component.at(seconds).is_none()).map(Component::why_not_at)
    }

    /// The share of the first so many seconds that the whole is up, everything being up at the start: the mean of
    /// [`Assembly::at`], by Gauss and Legendre's rule on pieces that grow twofold, since most happens at the beginning.
    pub fn during(&self, seconds: f64) -> Option<Availability> {
        const PIECES: u32 = 40;
        let mut sum = Availability { up: 0.0, down: 0.0 };
        let mut add = |at: Availability, weight: f64| {
            sum = Availability { up: sum.up + weight * at.up, down: sum.down + weight * at.down };
        };
        for (place, weight) in GAUSS.into_iter().flat_map(|(place, weight)| [(-place, weight), (place, weight)]) {
            let first = libm::ldexp(1.0, -(PIECES as i32)) / 2.0;
            add(self.at(seconds * first * (1.0 + place))?, weight * first);
            // Each place of a piece is the half of that of the next one.
            let halves = self.halves(seconds * (0.75 + 0.25 * place), PIECES - 1)?;
            (0..).zip(halves.iter().rev()).for_each(|(nth, at)| add(*at, weight * libm::ldexp(0.25, -nth)));
        }
        // The weights add up to one but for their last digits.
        let all = sum.up + sum.down;
        Some(Availability { up: sum.up / all, down: sum.down / all })
    }

    /// How likely the whole is up after so many seconds, and after the half, and the half of that, so many times; the
    /// shortest first.
    fn halves(&self, seconds: f64, halvings: u32) -> Option<Vec<Availability>> {
        let each = self.components().iter().map(|component| component.halves(seconds, halvings));
        let each: Vec<Vec<Availability>> = each.collect::<Option<_>>()?;
        let at = |nth: usize| {
            let parts: Vec<Availability> = each.iter().map(|halves| halves[nth]).collect();
            self.solved.diagram.chances(&parts).of(self.way())
        };
        Some((0..=halvings as usize).map(at).collect())
    }
}

/// The integral from −1 to 1, by Gauss and Legendre's rule of ten points.
pub(super) fn gauss(of: impl Fn(f64) -> Option<f64>) -> Option<f64> {
    let both = |(place, weight): (f64, f64)| Some((of(-place)? + of(place)?) * weight);
    GAUSS.into_iter().map(both).sum()
}

/// Places and weights of Gauss and Legendre's rule of ten points, each place standing for itself and its opposite
/// (Abramowitz and Stegun, table 25.4).
const GAUSS: [(f64, f64); 5] = [
    (0.148_874_338_981_631_22, 0.295_524_224_714_752_87),
    (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
    (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
    (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
    (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
];

impl Law {
    /// Whether it is a group of machines that depend on each other.
    pub fn is_group(&self) -> bool {
        matches!(self, Law::Group(_))
    }

    /// How often it goes down, per second, in the long run.
    pub fn frequency(&self) -> Option<f64> {
        match self {
            Law::Single { outage: None, .. } => Some(0.0),
            Law::Single { rate, outage: Some(outage) } | Law::Fixed { rate, outage } | Law::Uneven { rate, outage } => {
                Some(rate / (1.0 + rate * outage))
            }
            Law::Phases { rate, phases } => Some(rate / (1.0 + rate * phases.mean())),
            Law::Planned { every, .. } => Some(1.0 / every),
            Law::Group(group) => Some(group.settled()?.frequency),
        }
    }

    /// By how much the variance of all downtime grows per second, in the long run, when times are exponential: 2λμ/(λ +
    /// μ)³ (renewal reward). What simulating so many years can tell follows from it. `None` for what is not exponential
    /// or never repaired.
    pub fn downtime_variance(&self) -> Option<f64> {
        match self {
            Law::Single { rate, outage: Some(outage) } => {
                let all = 1.0 + rate * outage;
                Some(2.0 * rate * outage * outage / (all * all * all))
            }
            // (E[up]² Var[down] + E[down]² Var[up]) / (E[up] + E[down])³, the times up being exponential.
            Law::Phases { rate, phases } => {
                let (mean, all) = (phases.mean(), 1.0 + rate * phases.mean());
                Some(rate * (phases.variance() + mean * mean) / (all * all * all))
            }
            Law::Single { outage: None, .. }
            | Law::Fixed { .. }
            | Law::Uneven { .. }
            | Law::Planned { .. }
            | Law::Group(_) => None,
        }
    }

    /// How likely it is up after so many seconds, having started up.
    pub fn at(&self, seconds: f64) -> Option<Availability> {
        match self {
            Law::Single { rate, outage: None } => {
                Some(Availability { up: libm::exp(-rate * seconds), down: -libm::expm1(-rate * seconds) })
            }
            Law::Single { outage: Some(0.0), .. } => Some(Availability::ALWAYS),
            Law::Single { rate, outage: Some(outage) } => {
                let all = rate + 1.0 / outage;
                let gone = -libm::expm1(-all * seconds);
                let down = rate / all * gone;
                Some(Availability { up: (1.0 / outage + rate * libm::exp(-all * seconds)) / all, down })
            }
            Law::Fixed { rate, outage } => fixed_repairs(*rate, *outage, seconds),
            Law::Uneven { .. } => None,
            Law::Phases { rate, phases } => Some(first_of(&phased(*rate, phases).after(0, seconds)?)),
            // The first window begins at any moment of the first period.
            Law::Planned { every, out } => Availability::of_down(seconds.min(*out) / every),
            Law::Group(group) => group.after(seconds).map(|(at, _)| at),
        }
    }
}

/// How likely it is in the first state, which is up, and in all others.
fn first_of(after: &After) -> Availability {
    Availability { up: after.at[0], down: after.at[1..].iter().sum() }
}

/// What fails at a rate and comes back through phases, as a chain: 0 is up, then the phases in their order, at the end
/// what is done by hand.
pub(super) fn phased(rate: f64, phases: &Phases) -> Chain {
    let each: Vec<f64> = phases.each.into_iter().filter(|mean| *mean > 0.0).collect();
    let by_hand = each.len() + 1;
    let mut chain = Chain::new(by_hand + 1);
    chain.add(0, if each.is_empty() { by_hand } else { 1 }, rate);
    for (at, mean) in (1..).zip(&each) {
        if at < each.len() {
            chain.add(at, at + 1, 1.0 / mean);
        } else {
            chain.add(at, 0, (1.0 - phases.missed) / mean);
            chain.add(at, by_hand, phases.missed / mean);
        }
    }
    if phases.manual > 0.0 {
        chain.add(by_hand, 0, 1.0 / phases.manual);
    }
    chain
}

/// How likely something is up that fails at a constant rate and is always repaired in the same time: it has failed and
/// come back k times, for each k that fits. `None` when more than a million do.
///
/// A(t) = Σ (λ(t − kD))ᵏ/k! · e^(−λ(t − kD)), from the renewal equation (Barlow and Proschan, Mathematical Theory of
/// Reliability, 1965).
fn fixed_repairs(rate: f64, outage: f64, time: f64) -> Option<Availability> {
    const REPAIRS_MAX: f64 = 1e6;
    if outage <= 0.0 {
        return Some(Availability::ALWAYS);
    }
    let most = (time / outage).floor();
    if most > REPAIRS_MAX {
        return None;
    }
    let term = |times: u32| {
        let (times, mean) = (f64::from(times), rate * (time - f64::from(times) * outage));
        // In logarithms, since both the power and the factorial leave the range of a float.
        if times == 0.0 {
            libm::exp(-mean)
        } else if mean <= 0.0 {
            0.0
        } else {
            libm::exp(times * libm::log(mean) - mean - libm::lgamma(times + 1.0))
        }
    };
    let up: f64 = (0..=most as u32).map(term).sum();
    Availability::of_down((1.0 - up).max(0.0))
}

impl Component {
    /// The same with such a share of its failures: the odds of being down are the rate of failures times the length of
    /// an outage.
    fn scaled(&self, share: f64) -> Component {
        let Availability { up, down } = self.availability;
        let law = self.law.map(|law| match law {
            Law::Single { rate, outage } => Law::Single { rate: rate * share, outage },
            Law::Fixed { rate, outage } => Law::Fixed { rate: rate * share, outage },
            Law::Uneven { rate, outage } => Law::Uneven { rate: rate * share, outage },
            Law::Phases { rate, phases } => Law::Phases { rate: rate * share, phases },
            Law::Planned { .. } | Law::Group(_) => law,
        });
        let availability = Availability::of_lengths(up, down * share).unwrap_or(self.availability);
        let lives = self.lives.clone().filter(|_| share > 0.0);
        let lives = lives.map(|(up, down)| (Life { mean: up.mean / share, ..up }, down));
        Component { label: self.label.clone(), availability, law, lives }
    }

    /// Whether it is a single part that never comes back.
    pub(super) fn is_never_repaired(&self) -> bool {
        match self.law {
            Some(Law::Single { outage, .. }) => outage.is_none(),
            Some(Law::Fixed { .. } | Law::Uneven { .. } | Law::Phases { .. } | Law::Planned { .. } | Law::Group(_))
            | None => false,
        }
    }

    /// Whether how long it has been up does not matter.
    pub(super) fn is_memoryless(&self) -> bool {
        self.lives.as_ref().is_none_or(|(up, _)| up.shape == Shape::Exponential)
    }

    /// How likely it is up after so many seconds, having started up.
    pub(super) fn at(&self, seconds: f64) -> Option<Availability> {
        match (&self.law, &self.lives) {
            // What is never repaired is up as long as it has not failed, whatever the law.
            (Some(Law::Single { .. }), Some((up, None))) => Some(up.lasts(seconds)),
            (Some(law), _) => law.at(seconds),
            (None, _) if self.availability.down == 0.0 => Some(Availability::ALWAYS),
            (None, _) => None,
        }
    }

    /// The same after so many seconds, and after the half, and the half of that, so many times; the shortest first.
    fn halves(&self, seconds: f64, halvings: u32) -> Option<Vec<Availability>> {
        match &self.law {
            Some(Law::Group(group)) => Some(group.halves(seconds, halvings)?.into_iter().map(|(at, _)| at).collect()),
            Some(Law::Phases { rate, phases }) => {
                let all = phased(*rate, phases).halves(0, seconds, halvings)?;
                Some(all.iter().map(first_of).collect())
            }
            _ => (0..=halvings as i32).rev().map(|nth| self.at(libm::ldexp(seconds, -nth))).collect(),
        }
    }

    /// Why it is not known how likely it is up after a time; as what follows "since".
    fn why_not_at(&self) -> String {
        match self.law {
            None => format!("{} does not say how often it fails (mtbf=30d/mttr=1h)", self.label),
            Some(Law::Uneven { .. }) => {
                format!(
                    "{} is repaired and has a law that is not exponential, of which only the long run is known",
                    self.label
                )
            }
            Some(_) => format!(
                "more happens to {} in that time than can be followed; ask for a shorter one, or let --simulate tell",
                self.label
            ),
        }
    }
}

/// More components than this are no expression that somebody wrote.
const COMPONENTS_MAX: usize = 4_096;
/// More blocks than this are looked at, shared ones counted each time.
const BLOCKS_MAX: usize = 50_000;
/// Names that mean names that mean names.
const NAMES_MAX: usize = 60;

/// Turns blocks into pieces.
pub(super) struct Builder<'n> {
    names: &'n Names,
    components: Vec<Component>,
    pub(super) wiring: Wiring,
    /// What numbered names have come to.
    shared: BTreeMap<(String, u32), Piece>,
    /// The names that are being filled in, from the outermost.
    open: Vec<String>,
    blocks: usize,
}

impl<'n> Builder<'n> {
    pub(super) fn new(names: &'n Names) -> Builder<'n> {
        Builder {
            names,
            components: Vec::new(),
            wiring: Wiring::new(),
            shared: BTreeMap::new(),
            open: Vec::new(),
            blocks: 0,
        }
    }

    /// The whole.
    pub(super) fn finished(self, root: Piece) -> Drawn {
        Drawn { root, components: self.components, wiring: self.wiring }
    }

    pub(super) fn piece(&mut self, block: &Block) -> Result<Piece, AvailError> {
        self.blocks += 1;
        if self.blocks > BLOCKS_MAX {
            return Err(AvailError::new(block.span, format!("written out it has more than {BLOCKS_MAX} blocks")));
        }
        match &block.kind {
            Kind::Name { name, shared: None } => self.named(name, block.span),
            Kind::Name { name, shared: Some(number) } => self.shared(name, *number, block),
            Kind::Part(part) => self.part(part, block),
            Kind::Series(blocks) => self.joined(blocks, block, Role::All),
            Kind::Parallel(blocks) => self.joined(blocks, block, Role::Any),
            Kind::Copies(one, count) => {
                let pieces = self.alike(one, *count)?;
                Ok(self.over(pieces, block, Role::All, *count))
            }
            Kind::Quorum(quorum) => self.quorum(quorum, block),
        }
    }

    fn named(&mut self, name: &str, span: Span) -> Result<Piece, AvailError> {
        let names = self.names;
        let meaning = names.meanings.get(name).ok_or_else(|| {
            let guess = did_you_mean(name, names.meanings.keys().map(String::as_str));
            AvailError::new(span, format!("nobody said what {name} is{guess}; bind it: --let {name}=99.9%"))
        })?;
        if let Some(first) = self.open.iter().position(|open| open == name) {
            let way: Vec<&str> = self.open[first..].iter().map(String::as_str).chain([name]).collect();
            return Err(AvailError::new(span, format!("{name} is made of itself: {}", way.join(" → "))));
        }
        if self.open.len() == NAMES_MAX {
            return Err(AvailError::new(span, format!("more than {NAMES_MAX} names mean each other")));
        }
        self.open.push(name.to_owned());
        let piece = self.piece(&meaning.block).map_err(|error| error.of_name(name));
        self.open.pop();
        let mut piece = piece?;
        // A component is called by its name; of anything else the name is written above it.
        if piece.role == Role::Component {
            if let Some(component) = self.components.last_mut().filter(|component| component.label == piece.label) {
                component.label = name.to_owned();
            }
            piece.label = name.to_owned();
            return Ok(piece);
        }
        let wire = piece.wire;
        Ok(Piece::new(name.to_owned(), Role::Same, vec![piece], wire))
    }

    /// A piece by the name of a block in a diagram.
    pub(super) fn called(&mut self, piece: Piece, name: &str) -> Piece {
        if piece.role != Role::Component {
            let wire = piece.wire;
            return Piece::new(name.to_owned(), Role::Same, vec![piece], wire);
        }
        let component = piece.component.and_then(|at| self.components.get_mut(at));
        // What is numbered may be another block as well, and keeps its own name.
        if let Some(component) = component.filter(|component| !component.label.contains('#')) {
            component.label = name.to_owned();
        }
        Piece { label: name.to_owned(), ..piece }
    }

    /// Takes the share `beta` of the failures of such components from each, and makes it one component that all of them
    /// need; or what is wrong with that.
    pub(super) fn common(&mut self, members: &[Wire], beta: Availability) -> Result<Wire, String> {
        let all: Option<Vec<usize>> = members.iter().map(|wire| self.wiring.only_part(*wire)).collect();
        let members = all.ok_or("only single components have a cause in common, each in one group")?;
        let first = self.components[members[0]].clone();
        if members.iter().any(|at| self.components[*at].availability != first.availability) {
            return Err("components with a cause in common have the same figures".to_owned());
        }
        for at in &members {
            self.components[*at] = self.components[*at].scaled(beta.down);
        }
        let labels: Vec<&str> = members.iter().map(|at| self.components[*at].label.as_str()).collect();
        let label = format!("common cause of {}", labels.join(", "));
        let piece = self.component(Component { label, ..first.scaled(beta.up) }, Span::default());
        piece.map(|piece| piece.wire).map_err(|error| error.message)
    }

    fn shared(&mut self, name: &str, number: u32, block: &Block) -> Result<Piece, AvailError> {
        let key = (name.to_owned(), number);
        if let Some(known) = self.shared.get(&key) {
            return Ok(known.clone());
        }
        let before = self.components.len();
        let mut piece = self.named(name, block.span)?;
        piece.label = block.to_string();
        if let ([component], Role::Component) = (&mut self.components[before..], piece.role) {
            component.label.clone_from(&piece.label);
        }
        self.shared.insert(key, piece.clone());
        Ok(piece)
    }

    fn part(&mut self, part: &Part, block: &Block) -> Result<Piece, AvailError> {
        let label = block.to_string();
        let component = figures(part, &label, block.span)?;
        self.component(component, block.span)
    }

    fn component(&mut self, component: Component, span: Span) -> Result<Piece, AvailError> {
        if self.components.len() == COMPONENTS_MAX {
            return Err(AvailError::new(span, format!("written out it has more than {COMPONENTS_MAX} components")));
        }
        let place = self.components.len();
        let wire = self.wiring.part();
        let label = component.label.clone();
        self.components.push(component);
        Ok(Piece { component: Some(place), ..Piece::new(label, Role::Component, Vec::new(), wire) })
    }

    fn joined(&mut self, blocks: &[Block], block: &Block, role: Role) -> Result<Piece, AvailError> {
        let pieces = blocks.iter().map(|block| self.piece(block)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.over(pieces, block, role, 1))
    }

    /// So many of one block.
    fn alike(&mut self, block: &Block, count: u32) -> Result<Vec<Piece>, AvailError> {
        (0..count).map(|_| self.piece(block)).collect()
    }

    /// The piece that depends so on those; of those that are alike one is kept for showing.
    fn over(&mut self, mut pieces: Vec<Piece>, block: &Block, role: Role, alike: u32) -> Piece {
        let wires: Vec<Wire> = pieces.iter().map(|piece| piece.wire).collect();
        let wire = self.wiring.gate(match role {
            Role::Component | Role::Same | Role::All | Role::Ways => Gate::All(wires),
            Role::Any => Gate::Any(wires),
            Role::AtLeast(need) => Gate::AtLeast(need, wires),
        });
        if alike > 1 {
            pieces.truncate(1);
            pieces[0].alike = alike;
        }
        Piece::new(block.to_string(), role, pieces, wire)
    }

    fn quorum(&mut self, quorum: &Quorum, block: &Block) -> Result<Piece, AvailError> {
        let role = Role::AtLeast(quorum.need);
        let chained = quorum.options.iter().find(|option| !matches!(option.said, Said::Beta(_)));
        let beta = quorum.options.iter().find_map(|option| match &option.said {
            Said::Beta(share) => Some((share.value(), option.span)),
            _ => None,
        });
        match (chained, beta) {
            (None, None) if quorum.blocks.len() == 1 => {
                let pieces = self.alike(&quorum.blocks[0], quorum.of)?;
                Ok(self.over(pieces, block, role, quorum.of))
            }
            (None, None) => self.joined(&quorum.blocks, block, role),
            (Some(option), Some(_)) => Err(AvailError::new(
                option.span,
                "a group with a common cause has no repair crews, standby or failover; say one of the two",
            )),
            (Some(option), None) => self.machines(quorum, block, option.span),
            (None, Some((beta, span))) => self.common_cause(quorum, block, beta, span),
        }
    }

    /// The only block of a group as a component, and what it is called.
    fn only(&self, quorum: &Quorum, span: Span) -> Result<(String, Part), AvailError> {
        let [block] = quorum.blocks.as_slice() else {
            return Err(AvailError::new(span, "that is said of alike components; name one for all: 2of3(db, …)"));
        };
        let label = block.to_string();
        let mut meaning = block;
        for _ in 0..NAMES_MAX {
            match &meaning.kind {
                Kind::Part(part) => return Ok((label, part.clone())),
                Kind::Name { name, shared: None } => {
                    let known = self.names.meanings.get(name);
                    meaning = &known
                        .ok_or_else(|| {
                            AvailError::new(
                                block.span,
                                format!("nobody said what {name} is; bind it: --let {name}=99.9%"),
                            )
                        })?
                        .block;
                }
                Kind::Name { .. } | Kind::Series(_) | Kind::Parallel(_) | Kind::Copies(..) | Kind::Quorum(_) => break,
            }
        }
        Err(AvailError::new(block.span, format!("{label} is no single component, of which alone that can be said")))
    }

    /// Independent failures of each, and one more component that takes all of them down (Fleming, A reliability model
    /// for common mode failures in redundant safety systems, 1975): of the rate of failures of each, the share `beta`
    /// is common.
    fn common_cause(
        &mut self,
        quorum: &Quorum,
        block: &Block,
        beta: Availability,
        span: Span,
    ) -> Result<Piece, AvailError> {
        let (label, part) = self.only(quorum, span)?;
        if let Part::Planned(_) = part {
            return Err(AvailError::new(
                span,
                format!("{part} is planned and has no failures in common; name it once for all: 2of3(db) * patch#1"),
            ));
        }
        let one = figures(&part, &label, block.span)?;
        let own = one.scaled(beta.down);
        let pieces = (0..quorum.of).map(|_| self.component(own.clone(), block.span)).collect::<Result<Vec<_>, _>>()?;
        let members = self.over(pieces, block, Role::AtLeast(quorum.need), quorum.of);
        let common = Component { label: format!("common cause of {}", one.label), ..one.scaled(beta.up) };
        let common = self.component(common, block.span)?;
        Ok(self.over(vec![members, common], block, Role::All, 1))
    }

    /// Machines that depend on each other, as one component.
    fn machines(&mut self, quorum: &Quorum, block: &Block, span: Span) -> Result<Piece, AvailError> {
        let (_, part) = self.only(quorum, span)?;
        let Part::Repaired(repaired) = &part else {
            return Err(AvailError::new(
                span,
                format!("{part} does not say how often it fails; write mtbf=720h/mttr=1h"),
            ));
        };
        let group = group(quorum, repaired, span)?;
        let availability = group.settled().map_or(Availability::NEVER, |settled| settled.availability);
        // Where times are exponential, the figures of the group say all.
        let outage = repaired.outage();
        let lives = Some(lives(repaired, group.mtbf, outage)).filter(|(up, down)| {
            let plain = |life: &Life| life.shape == Shape::Exponential;
            !plain(up) || down.as_ref().is_some_and(|down| !plain(down))
        });
        self.component(
            Component { label: block.to_string(), availability, law: Some(Law::Group(group)), lives },
            block.span,
        )
    }
}

fn settle(piece: &mut Piece, solved: &Solved, chances: &Chances) {
    piece.availability = chances.of(solved.way(piece.wire));
    piece.pieces.iter_mut().for_each(|piece| settle(piece, solved, chances));
}

/// A component by its figures.
fn figures(part: &Part, label: &str, span: Span) -> Result<Component, AvailError> {
    let wrong = |message: &str| AvailError::new(span, message);
    let plain = |availability| Component { label: label.to_owned(), availability, law: None, lives: None };
    match part {
        Part::Share(share) | Part::Sla(share) => Ok(plain(share.value())),
        Part::Down(length, period) => {
            let down = Availability::of_down(length.seconds() / period.seconds());
            down.map(plain).ok_or_else(|| wrong("it is down longer than there is time"))
        }
        Part::Repaired(repaired) => {
            let (mtbf, outage) = (repaired.mtbf.seconds(), repaired.outage());
            let lengths = outage.map_or(Some(Availability::NEVER), |outage| Availability::of_lengths(mtbf, outage));
            let availability = lengths.ok_or_else(|| wrong("its lengths are too long to be added"))?;
            let (law, lives) = (law(repaired, 1.0 / mtbf, outage), lives(repaired, mtbf, outage));
            Ok(Component { law: Some(law), lives: Some(lives), ..plain(availability) })
        }
        Part::Planned(planned) => {
            let (every, out) = (planned.every.seconds(), planned.out());
            let availability = Availability::of_lengths(every - out, out);
            let availability = availability.ok_or_else(|| wrong("its lengths are too long to be added"))?;
            Ok(Component { law: Some(Law::Planned { every, out }), ..plain(availability) })
        }
    }
}

fn law(repaired: &Repaired, rate: f64, outage: Option<f64>) -> Law {
    let uneven =
        [&repaired.fails, &repaired.repairs].into_iter().flatten().any(|spread| *spread.shape() != Shape::Exponential);
    match (outage, &repaired.fixed) {
        (Some(outage), _) if uneven => Law::Uneven { rate, outage },
        (Some(outage), None) => match repaired.phases() {
            Some(phases) => Law::Phases { rate, phases },
            None => Law::Single { rate, outage: Some(outage) },
        },
        (Some(outage), Some(_)) => Law::Fixed { rate, outage },
        (outage, _) => Law::Single { rate, outage },
    }
}

fn lives(repaired: &Repaired, mtbf: f64, outage: Option<f64>) -> (Life, Option<Life>) {
    let shape = |spread: &Option<Spread>| spread.as_ref().map(|spread| spread.shape().clone()).unwrap_or_default();
    let down = match repaired.phases() {
        _ if repaired.fixed.is_some() => Shape::Fixed,
        Some(phases) => Shape::Phases(phases),
        None => shape(&repaired.repairs),
    };
    (Life { mean: mtbf, shape: shape(&repaired.fails) }, outage.map(|mean| Life { mean, shape: down }))
}

/// What is said of a group, as a group of machines.
fn group(quorum: &Quorum, repaired: &Repaired, span: Span) -> Result<Group, AvailError> {
    const MACHINES_MAX: u32 = 60;
    if quorum.of > MACHINES_MAX {
        return Err(AvailError::new(
            span,
            format!("of more than {MACHINES_MAX} machines that depend on each other not all states can be followed"),
        ));
    }
    if repaired.failover.is_some() || repaired.detect.is_some() {
        return Err(AvailError::new(
            span,
            "say failover, detect, coverage and manual of the group, not of each machine",
        ));
    }
    let mttr = repaired.outage();
    if mttr == Some(0.0) {
        return Err(AvailError::new(span, "machines that are repaired in no time need neither crews nor spares"));
    }
    let mut group = Group::new(quorum.need, quorum.of, repaired.mtbf.seconds(), mttr);
    let (mut detect, mut failover, mut manual) = (None, None, None);
    for option in &quorum.options {
        match &option.said {
            Said::Beta(_) => {}
            Said::Crews(crews) => group.crews = *crews,
            Said::Standby(Standby::Hot) => group.spare = 1.0,
            Said::Standby(Standby::Cold) => group.spare = 0.0,
            Said::Standby(Standby::Warm(share)) => group.spare = share.value().up,
            Said::Active(active) if *active > quorum.of => {
                return Err(AvailError::new(option.span, format!("there are only {}", quorum.of)));
            }
            Said::Active(active) => group.active = *active,
            Said::Detect(length) => detect = Some(length.seconds()),
            Said::Failover(length) => failover = Some(length.seconds()),
            Said::Coverage(share) => group.coverage = share.value(),
            Said::Manual(length) => manual = Some(length.seconds()),
        }
    }
    let said =
        |wanted: fn(&Said) -> bool| quorum.options.iter().find(|option| wanted(&option.said)).map(|option| option.span);
    if group.coverage.down > 0.0 && manual.unwrap_or(0.0) == 0.0 {
        let at = said(|said| matches!(said, Said::Coverage(_))).unwrap_or(span);
        return Err(AvailError::new(
            at,
            "how long does it take by hand when a failover does not succeed? say manual=2h too",
        ));
    }
    group.takeover = detect.unwrap_or(0.0) + failover.unwrap_or(0.0);
    group.manual = manual.unwrap_or(0.0);
    Ok(group)
}
