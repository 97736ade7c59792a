//! The same system as a Markov process that jumps from state to state, for what is too rare to be waited for: its
//! failures are biased and weighted.

use std::collections::BTreeSet;

use super::assembly::{Assembly, Law, phased};
use super::life::Shape;
use super::markov::Chain;
use crate::rare::{Jump, Jumps, Move};

/// The components of an assembly as chains that jump independently of each other.
#[derive(Debug)]
pub struct Machines<'a> {
    assembly: &'a Assembly,
    parts: Vec<Part>,
}

/// Why an assembly is no Markov process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMarkov {
    /// It was not said how often a component fails.
    #[error("{0} does not say how often it fails; write mtbf=720h/mttr=1h in place of a share")]
    Unsaid(String),
    /// Times of a component are not exponential.
    #[error(
        "{0} has times that are not exponential: when it fails next depends on its age, of which the likelihood of a \
         single jump knows nothing; leave out fixed, fails, repairs and window, or simulate without --rare"
    )]
    Uneven(String),
}

/// A component.
#[derive(Debug)]
struct Part {
    /// Where each state leads, and what that is.
    ways: Vec<Vec<(u16, f64, Move)>>,
    ups: Vec<bool>,
}

impl<'a> Machines<'a> {
    /// The assembly as chains.
    ///
    /// # Errors
    /// When it was not said of every component that can fail how often it does, or times are not exponential.
    pub fn of(assembly: &'a Assembly) -> Result<Machines<'a>, NotMarkov> {
        let parts = assembly.components().iter().map(|component| {
            let uneven = || NotMarkov::Uneven(component.label.clone());
            match component.law {
                Some(Law::Group(group)) => {
                    let (chain, ups, modes) = group.jumps();
                    Ok(Part::of(
                        &chain,
                        ups,
                        |from, to| if modes[to] > modes[from] { Move::Fails } else { Move::Mends },
                    ))
                }
                Some(Law::Single { rate, outage }) => {
                    let lives = component.lives.as_ref();
                    if lives.is_some_and(|(up, _)| up.shape != Shape::Exponential) {
                        return Err(uneven());
                    }
                    Ok(Part::single(rate, outage))
                }
                // A phase that is over leads on; only what people have to end is one more thing that went wrong.
                Some(Law::Phases { rate, phases }) => {
                    let chain = phased(rate, &phases);
                    let last = chain.len() - 1;
                    let ups = (0..=last).map(|state| state == 0).collect();
                    let what = |from: usize, to: usize| if from == 0 || to == last { Move::Fails } else { Move::Mends };
                    Ok(Part::of(&chain, ups, what))
                }
                Some(Law::Fixed { .. } | Law::Uneven { .. } | Law::Planned { .. }) => Err(uneven()),
                None if component.availability.down == 0.0 => Ok(Part::still(true)),
                None if component.availability.up == 0.0 => Ok(Part::still(false)),
                None => Err(NotMarkov::Unsaid(component.label.clone())),
            }
        });
        Ok(Machines { assembly, parts: parts.collect::<Result<_, _>>()? })
    }

    /// Whether everything that fails is repaired, so that the long run is one cycle after the other.
    pub fn is_repaired(&self) -> bool {
        self.parts.iter().all(|part| part.leads_back())
    }
}

impl Part {
    fn of(chain: &Chain, ups: Vec<bool>, what: impl Fn(usize, usize) -> Move) -> Part {
        let way = |from: usize, (to, rate): (usize, f64)| (to as u16, rate, what(from, to));
        let ways = |from: usize| chain.ways(from).iter().map(|to| way(from, *to)).collect();
        Part { ways: (0..chain.len()).map(ways).collect(), ups }
    }

    fn single(rate: f64, outage: Option<f64>) -> Part {
        let back = outage.filter(|outage| *outage > 0.0).map(|outage| (0, 1.0 / outage, Move::Mends));
        // What takes no time to be repaired is never seen down.
        let fails = if outage == Some(0.0) { Vec::new() } else { vec![(1, rate, Move::Fails)] };
        Part { ways: vec![fails, back.into_iter().collect()], ups: vec![true, false] }
    }

    fn still(is_up: bool) -> Part {
        Part { ways: vec![Vec::new()], ups: vec![is_up] }
    }

    /// Whether every state that can be reached leads back to the first.
    fn leads_back(&self) -> bool {
        let reached = |from: usize| {
            let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
            while let Some(state) = open.pop() {
                for (to, ..) in &self.ways[state] {
                    if seen.insert(usize::from(*to)) {
                        open.push(usize::from(*to));
                    }
                }
            }
            seen
        };
        reached(0).into_iter().all(|state| reached(state).contains(&0))
    }
}

impl Jumps for Machines<'_> {
    /// By component, the state of its chain.
    type State = Vec<u16>;

    fn fresh(&self) -> Vec<u16> {
        vec![0; self.parts.len()]
    }

    fn ways(&self, state: &Vec<u16>, ways: &mut Vec<Jump>) {
        for (place, (part, at)) in self.parts.iter().zip(state).enumerate() {
            for (to, rate, what) in &part.ways[usize::from(*at)] {
                ways.push(Jump { way: (place as u64) << 16 | u64::from(*to), rate: *rate, what: *what });
            }
        }
    }

    fn jump(&self, state: &mut Vec<u16>, way: u64) {
        state[(way >> 16) as usize] = way as u16;
    }

    fn is_down(&self, state: &Vec<u16>) -> bool {
        let ups: Vec<bool> = self.parts.iter().zip(state).map(|(part, at)| part.ups[usize::from(*at)]).collect();
        !self.assembly.is_up(&ups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::{Block, Names};
    use crate::rare::Biased;
    use crate::stats::{Confidence, ratio};
    use sim_core::Seed;

    fn assembly(text: &str) -> Assembly {
        Assembly::of(&Block::parse(text).unwrap(), &Names::new()).unwrap()
    }

    /// Crews, standby, failover, and blocks beside each other: what is found is what the algebra says.
    #[test]
    fn rare_downtime_is_what_the_algebra_says() {
        for (text, width, cycles) in [
            ("2of3(mtbf=30d/mttr=1m)", 0.1, 4_000),
            ("2of3(mtbf=10000h/mttr=1h, crews=1)", 0.1, 4_000),
            ("1of3(mtbf=1000h/mttr=1h, standby=cold) * 1of4(mtbf=1000h/mttr=1h)", 0.2, 4_000),
            // One takeover in a thousand is not covered, and nothing biases that.
            ("1of2(mtbf=30d/mttr=1h, failover=1s, coverage=99.9%, manual=1h)", 0.1, 20_000),
            ("mtbf=1000h/mttr=1h * mtbf=100h/mttr=6m | mtbf=1000h/mttr=1h", 0.1, 4_000),
        ] {
            let all = assembly(text);
            let machines = Machines::of(&all).unwrap();
            assert!(machines.is_repaired());
            let cycles = |nth| Biased::new(&machines, Seed(3)).cycles(cycles, nth);
            let pairs: Vec<(f64, f64)> = (0..40).map(cycles).map(|found| (found.down, found.length)).collect();
            let (found, truth) = (ratio(&pairs, Confidence::new(0.999).unwrap()), all.availability().down);
            assert!(found.covers(truth), "{text}: {found:?}, not {truth}");
            assert!(found.half_width().unwrap() < width * truth, "{text}: {found:?}, {truth}");
        }
    }

    #[test]
    fn what_is_not_markov_says_so() {
        let wrong = |text: &str| Machines::of(&assembly(text)).unwrap_err();
        assert!(matches!(wrong("99%"), NotMarkov::Unsaid(label) if label == "99%"));
        assert!(matches!(wrong("mtbf=1h/fixed=1m"), NotMarkov::Uneven(_)));
        assert!(matches!(wrong("mtbf=1h/mttr=1m/fails=weibull:2"), NotMarkov::Uneven(_)));
        let forever = assembly("mtbf=1h | mtbf=1h/mttr=1m");
        assert!(!Machines::of(&forever).unwrap().is_repaired());
    }
}
