//! How long it takes until the whole is down for the first time, everything being up and new at the start: its mean,
//! often called MTTF, and how likely it is that it has not happened yet.
//!
//! Where nothing is ever repaired, what is up has never been down: the chance follows from the structure function and
//! the laws of the parts, whatever these are, and the mean is its integral (Barlow and Proschan, Mathematical Theory of
//! Reliability, 1965). Where parts are repaired or are groups with spares, and all times are exponential, the states in
//! which the whole is up are a Markov chain, which is followed until it leaves them; parts that can change places are
//! counted and not told apart.

use std::collections::BTreeMap;

use super::assembly::{Assembly, Component, Law, Piece, phased};
use super::bdd::Way;
use super::markov::Chain;
use super::up::Availability;

/// Of more states in which it is up the chain is not followed.
const STATES_MAX: usize = 600;
/// More nodes of a decision diagram than this are not looked at for an integral.
const LOOKS_MAX: usize = 50_000_000;

/// What is known of the first outage.
#[derive(Debug)]
pub struct First<'a> {
    /// The mean time until it, in seconds.
    pub mean: f64,
    how: How<'a>,
}

#[derive(Debug)]
enum How<'a> {
    /// The states in which it is up, the last one being all others.
    Chain(Chain),
    /// What is up has never been down.
    Structure { assembly: &'a Assembly, way: Way },
}

/// Why nothing is known of the first outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFirst {
    /// It never is down.
    Never,
    /// Of this component it was not said how often it fails.
    Unsaid(String),
    /// Not all times of this component are exponential, and it is repaired, or something else is or has spares.
    Uneven(String),
    /// Too much can happen before.
    TooMuch,
}

impl NoFirst {
    /// In words, as what follows "since".
    pub fn why(&self) -> String {
        match self {
            NoFirst::Never => "it never is down".to_owned(),
            NoFirst::Unsaid(label) => format!("{label} does not say how often it fails (mtbf=30d/mttr=1h)"),
            NoFirst::Uneven(label) => {
                format!("not all times of {label} are exponential, and something is repaired or has spares")
            }
            NoFirst::TooMuch => format!("it is up in more than {STATES_MAX} states"),
        }
    }
}

impl First<'_> {
    /// How likely it has not been down even once after so many seconds; `None` when more happens in that time than can
    /// be followed.
    pub fn survives(&self, seconds: f64) -> Option<Availability> {
        match &self.how {
            How::Structure { assembly, way } => assembly.at_of(*way, seconds),
            How::Chain(chain) => {
                let after = chain.after(0, seconds)?;
                let (down, up) = after.at.split_last()?;
                Some(Availability { up: up.iter().sum(), down: *down })
            }
        }
    }
}

/// A component that fails, and what becomes of it: from each of its own states where it goes and how fast. It starts in
/// the first.
struct Unit {
    chain: Chain,
    ups: Vec<bool>,
}

impl Unit {
    /// `None` when it is always up.
    fn of(component: &Component) -> Result<Option<Unit>, NoFirst> {
        let uneven = || Err(NoFirst::Uneven(component.label.clone()));
        match component.law {
            None if component.availability.down == 0.0 => Ok(None),
            None => Err(NoFirst::Unsaid(component.label.clone())),
            Some(Law::Single { outage: Some(0.0), .. }) => Ok(None),
            Some(Law::Single { outage: None, .. }) if !component.is_memoryless() => uneven(),
            Some(Law::Single { rate, outage }) => {
                let mut chain = Chain::new(2);
                chain.add(0, 1, rate);
                chain.add(1, 0, outage.map_or(0.0, |outage| 1.0 / outage));
                Ok(Some(Unit { chain, ups: vec![true, false] }))
            }
            Some(Law::Phases { rate, phases }) => {
                let chain = phased(rate, &phases);
                let ups = (0..chain.len()).map(|state| state == 0).collect();
                Ok(Some(Unit { chain, ups }))
            }
            Some(Law::Group(group)) => {
                let (chain, ups, _) = group.jumps();
                Ok(Some(Unit { chain, ups }))
            }
            Some(Law::Fixed { .. } | Law::Uneven { .. } | Law::Planned { .. }) => uneven(),
        }
    }
}

/// Components that can change places: by their own states, how many are in each.
struct Class {
    members: Vec<usize>,
    unit: Unit,
}

impl Assembly {
    /// What is known of the first outage of the whole.
    ///
    /// ```
    /// use sim_models::avail::{Assembly, Block, Names};
    /// let of = |text: &str| Assembly::of(&Block::parse(text).unwrap(), &Names::new()).unwrap();
    /// // 1/3 + 1/2 of a mean life: three fail, then two.
    /// let mean = of("2of3(mtbf=30h)").first_outage().unwrap().mean / 3_600.0;
    /// assert!((mean - 25.0).abs() < 1e-9);
    /// // (3λ + μ)/(2λ²)
    /// let mean = of("mtbf=30h/mttr=1h | mtbf=30h/mttr=1h").first_outage().unwrap().mean / 3_600.0;
    /// assert!((mean - 495.0).abs() < 1e-9);
    /// ```
    ///
    /// # Errors
    /// Why nothing is known of it.
    pub fn first_outage(&self) -> Result<First<'_>, NoFirst> {
        self.first_outage_of(self.root())
    }

    /// What is known of the first outage of a piece of it.
    ///
    /// # Errors
    /// Why nothing is known of it.
    pub fn first_outage_of(&self, piece: &Piece) -> Result<First<'_>, NoFirst> {
        let way = self.way_of(piece);
        let support = self.wiring().support(piece.wire());
        let fails = |at: &usize| self.components()[*at].law.is_some() || self.components()[*at].availability.down > 0.0;
        let failing: Vec<usize> = support.into_iter().filter(fails).collect();
        let mut worst = vec![true; self.components().len()];
        failing.iter().for_each(|at| worst[*at] = false);
        if self.is_up_in(way, &worst) {
            return Err(NoFirst::Never);
        }
        if let Some(unsaid) = failing.iter().map(|at| &self.components()[*at]).find(|component| component.law.is_none())
        {
            return Err(NoFirst::Unsaid(unsaid.label.clone()));
        }
        if failing.iter().all(|at| self.components()[*at].is_never_repaired()) {
            let mean = self.integral(way, &failing)?;
            return Ok(First { mean, how: How::Structure { assembly: self, way } });
        }
        let chain = self.chain_until_down(way, &failing)?;
        let down = chain.len() - 1;
        let mean = chain.time_until(0, &[down]).ok_or(NoFirst::Never)?;
        Ok(First { mean, how: How::Chain(chain) })
    }

    /// The states in which it is up, the first being that all is, and behind them one for all others.
    fn chain_until_down(&self, way: Way, failing: &[usize]) -> Result<Chain, NoFirst> {
        let components = self.components();
        let alike = |one: usize, other: usize| {
            let (one, other) = (&components[one], &components[other]);
            one.law == other.law && one.lives == other.lives
        };
        let exchangeable = self.wiring().exchangeable(alike);
        let mut classes: Vec<Class> = Vec::new();
        let mut of_class: BTreeMap<usize, usize> = BTreeMap::new();
        for at in failing.iter().copied() {
            let Some(unit) = Unit::of(&components[at])? else { continue };
            let class = *of_class.entry(exchangeable[at]).or_insert_with(|| {
                classes.push(Class { members: Vec::new(), unit });
                classes.len() - 1
            });
            classes[class].members.push(at);
        }
        let first: Vec<Vec<u32>> = classes
            .iter()
            .map(|class| (0..class.unit.ups.len()).map(|own| if own == 0 { class.members.len() as u32 } else { 0 }))
            .map(Iterator::collect)
            .collect();
        let mut known: BTreeMap<Vec<Vec<u32>>, usize> = BTreeMap::from([(first.clone(), 0)]);
        let (mut states, mut ways, mut at) = (vec![first], Vec::new(), 0);
        while let Some(state) = states.get(at).cloned() {
            for (nth, class) in classes.iter().enumerate() {
                for own in (0..class.unit.ups.len()).filter(|own| state[nth][*own] > 0) {
                    for (to, rate) in class.unit.chain.ways(own) {
                        let mut next = state.clone();
                        next[nth][own] -= 1;
                        next[nth][*to] += 1;
                        let rate = rate * f64::from(state[nth][own]);
                        if !self.is_up_in(way, &ups(&classes, &next, components.len())) {
                            ways.push((at, None, rate));
                            continue;
                        }
                        let fresh = states.len();
                        let place = *known.entry(next.clone()).or_insert(fresh);
                        if place == fresh {
                            if fresh == STATES_MAX {
                                return Err(NoFirst::TooMuch);
                            }
                            states.push(next);
                        }
                        ways.push((at, Some(place), rate));
                    }
                }
            }
            at += 1;
        }
        let mut chain = Chain::new(states.len() + 1);
        ways.into_iter().for_each(|(from, to, rate)| chain.add(from, to.unwrap_or(states.len()), rate));
        Ok(chain)
    }

    /// The integral of the chance of being up, over pieces that grow twofold, each halved until it does not change.
    fn integral(&self, way: Way, failing: &[usize]) -> Result<f64, NoFirst> {
        const ENDS: f64 = 1e-14;
        let life = |at: &usize| self.components()[*at].lives.as_ref().map_or(f64::INFINITY, |(up, _)| up.mean);
        let shortest = failing.iter().map(life).fold(f64::INFINITY, f64::min);
        let mut looks = LOOKS_MAX / self.nodes().max(1);
        let (mut from, mut to, mut sum) = (0.0, libm::ldexp(shortest, -8), 0.0);
        loop {
            let piece = self.piece_of_integral(way, from, to, sum, 14, &mut looks)?;
            sum += piece;
            let left = self.at_of(way, to).ok_or(NoFirst::TooMuch)?.up;
            if left * to <= ENDS * sum || to > 1e300 {
                return Ok(sum);
            }
            (from, to) = (to, 2.0 * to);
        }
    }

    fn piece_of_integral(
        &self,
        way: Way,
        from: f64,
        to: f64,
        so_far: f64,
        deep: u32,
        looks: &mut usize,
    ) -> Result<f64, NoFirst> {
        const SAME: f64 = 1e-12;
        let mut of = |from: f64, to: f64| -> Result<f64, NoFirst> {
            *looks = looks.checked_sub(20).ok_or(NoFirst::TooMuch)?;
            let half = (to - from) / 2.0;
            let at = |place: f64| self.at_of(way, from + half * (1.0 + place)).map(|at| at.up);
            let all = super::assembly::gauss(at).ok_or(NoFirst::TooMuch)?;
            Ok(all * half)
        };
        let middle = from + (to - from) / 2.0;
        let (whole, halves) = (of(from, to)?, of(from, middle)? + of(middle, to)?);
        if deep == 0 || (whole - halves).abs() <= SAME * (so_far + halves) {
            return Ok(halves);
        }
        let first = self.piece_of_integral(way, from, middle, so_far, deep - 1, looks)?;
        Ok(first + self.piece_of_integral(way, middle, to, so_far + first, deep - 1, looks)?)
    }
}

/// Which components are up in a state; which of those that can change places are, nobody can tell.
fn ups(classes: &[Class], state: &[Vec<u32>], components: usize) -> Vec<bool> {
    let mut ups = vec![true; components];
    for (class, counts) in classes.iter().zip(state) {
        let mut members = class.members.iter();
        for (count, up) in counts.iter().zip(&class.unit.ups) {
            members.by_ref().take(*count as usize).for_each(|at| ups[*at] = *up);
        }
    }
    ups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::{Block, Group, Names};

    const HOUR: f64 = 3_600.0;

    fn assembly(text: &str) -> Assembly {
        Assembly::of(&Block::parse(text).unwrap(), &Names::new()).unwrap()
    }

    fn hours(text: &str) -> f64 {
        assembly(text).first_outage().unwrap().mean / HOUR
    }

    fn near(got: f64, wanted: f64) {
        assert!((got / wanted - 1.0).abs() < 1e-10, "{got}, not {wanted}");
    }

    #[test]
    fn without_repair_it_is_the_closed_form() {
        near(hours("mtbf=100h"), 100.0);
        near(hours("mtbf=100h * mtbf=100h"), 50.0);
        near(hours("mtbf=100h | mtbf=100h"), 150.0);
        near(hours("2of3(mtbf=100h)"), 500.0 / 6.0);
        // From a hundred to half of them: a sum of steps, each longer than the one before.
        let steps: f64 = (50..=100).map(|left| 100.0 / f64::from(left)).sum();
        near(hours("50of100(mtbf=100h)"), steps);
        near(hours("1of2(mtbf=100h, standby=cold)"), 200.0);
        // Of two that wear out the first goes after the root of a half of their mean.
        near(hours("mtbf=100h/fails=weibull:2 * mtbf=100h/fails=weibull:2"), 100.0 / libm::sqrt(2.0));
        near(hours("mtbf=100h/fails=lognormal:0.5"), 100.0);
        near(hours("mtbf=100h/fails=weibull:0.5"), 100.0);
    }

    #[test]
    fn with_repair_it_is_the_closed_form() {
        let (fails, repaired): (f64, f64) = (1.0 / 100.0, 1.0 / 4.0);
        near(hours("mtbf=100h/mttr=4h"), 100.0);
        near(hours("mtbf=100h/mttr=4h | mtbf=100h/mttr=4h"), (3.0 * fails + repaired) / (2.0 * fails * fails));
        near(hours("2of3(mtbf=100h/mttr=4h)"), (5.0 * fails + repaired) / (6.0 * fails * fails));
        // Those that are told apart come to the same as those that are counted.
        near(hours("mtbf=100h/mttr=4h | (mtbf=100h/mttr=4h | mtbf=100h/mttr=4h)"), hours("1of3(mtbf=100h/mttr=4h)"));
        let pair = Group { crews: 1, ..Group::new(1, 2, 100.0, Some(4.0)) };
        near(hours("1of2(mtbf=100h/mttr=4h, crews=1)"), pair.time_until_down().unwrap());
        // One of the two is never repaired: it is down for the first time when both are.
        let never = hours("mtbf=100h/mttr=4h | mtbf=100h");
        // From both up: a = 1/(2λ) + (b + c)/2, b with the repaired one down, c with the other one.
        let (b, c) = (1.0 / (fails + repaired), 1.0 / fails);
        let together = (1.0 / (2.0 * fails) + (b + c) / 2.0) / (1.0 - repaired * b / 2.0);
        near(never, together);
    }

    #[test]
    fn how_likely_it_has_not_happened_goes_with_the_mean() {
        let all = assembly("1of2(mtbf=100h/mttr=4h)");
        let first = all.first_outage().unwrap();
        // The sum of two exponentials: the roots of s² + (3λ + μ)s + 2λ².
        let (fails, repaired): (f64, f64) = (1.0 / 100.0, 1.0 / 4.0);
        let (half, product) = ((3.0 * fails + repaired) / 2.0, 2.0 * fails * fails);
        let root = libm::sqrt(half * half - product);
        let (fast, slow) = (half + root, product / (half + root));
        for time in [1.0, 24.0, 1_000.0] {
            let wanted = (fast * libm::exp(-slow * time) - slow * libm::exp(-fast * time)) / (fast - slow);
            near(first.survives(time * HOUR).unwrap().up, wanted);
        }
        let group = Group { crews: 1, ..Group::new(1, 2, 100.0, Some(4.0)) };
        let all = assembly("1of2(mtbf=100h/mttr=4h, crews=1)");
        near(all.first_outage().unwrap().survives(24.0 * HOUR).unwrap().down, group.survives(24.0).unwrap().down);
        let all = assembly("2of3(mtbf=100h/fails=weibull:2)");
        // 3R² − 2R³ with R = exp(−(t/scale)²) and a mean of scale √π/2.
        let scale = 100.0 / (libm::sqrt(std::f64::consts::PI) / 2.0);
        let one = libm::exp(-libm::pow(50.0 / scale, 2.0));
        near(all.first_outage().unwrap().survives(50.0 * HOUR).unwrap().up, one * one * (3.0 - 2.0 * one));
    }

    #[test]
    fn where_it_is_not_known_it_says_why() {
        let why = |text: &str| assembly(text).first_outage().err();
        assert_eq!(why("100%"), Some(NoFirst::Never));
        assert_eq!(why("mtbf=1h/mttr=1h | 100%"), Some(NoFirst::Never));
        assert_eq!(why("99% * mtbf=1h/mttr=1h"), Some(NoFirst::Unsaid("99%".to_owned())));
        let uneven = "mtbf=30d/mttr=1h/fails=weibull:2";
        assert_eq!(why(&format!("{uneven} | mtbf=1h/mttr=1h")), Some(NoFirst::Uneven(uneven.to_owned())));
        let many: Vec<String> = (1..=12).map(|days| format!("mtbf={days}d/mttr=1h")).collect();
        assert_eq!(why(&many.join(" | ")), Some(NoFirst::TooMuch));
        assert_eq!(
            why(&format!("{} * window=2h/every=30d", many[0])),
            Some(NoFirst::Uneven("window=2h/every=30d".to_owned()))
        );
    }
}
