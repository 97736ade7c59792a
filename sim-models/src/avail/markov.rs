//! Continuous-time Markov chains, solved without a subtraction: a chance of 10⁻¹⁵ is as exact as one of a half.
//!
//! Steady state and times until something by state elimination (Grassmann, Taksar and Heyman, Regenerative analysis and
//! steady state distributions for Markov chains, Operations Research 33, 1985); the state after a short time by
//! uniformization (Jensen, 1953), after a long one by doubling a short one.

/// A chain: how fast each state turns into each other one, per unit of time.
///
/// ```
/// use sim_models::avail::Chain;
/// let mut chain = Chain::new(2);
/// chain.add(0, 1, 1.0 / 1000.0);
/// chain.add(1, 0, 1.0 / 10.0);
/// assert!((chain.steady().unwrap()[1] - 10.0 / 1010.0).abs() < 1e-15);
/// assert_eq!(chain.time_until(0, &[1]), Some(1000.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// By state, where it goes and how fast; no state goes to itself.
    ways: Vec<Vec<(usize, f64)>>,
}

/// How likely each state is at an instant, and the share of the time until then that was spent in each.
#[derive(Clone, Debug, PartialEq)]
pub struct After {
    /// The chance of each state at the end.
    pub at: Vec<f64>,
    /// The expected share of the time before that was spent in each.
    pub during: Vec<f64>,
}

/// Of more states than this, a chain is not doubled but followed step by step; no group has as many.
const DOUBLED_MAX: usize = 192;
/// So few steps of the fastest state are followed sooner than doubled.
const SHORT: f64 = 64.0;
/// More than this is touched by no step by step: about a second.
const TOUCHED_MAX: f64 = 3e8;
/// No product of finite numbers needs more halvings to be less than one.
const DOUBLINGS_MAX: i32 = 1_100;

impl Chain {
    /// So many states, from 0, that stay what they are.
    pub fn new(states: usize) -> Chain {
        Chain { ways: vec![Vec::new(); states] }
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.ways.len()
    }

    /// Whether there is no state.
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty()
    }

    /// Makes a state turn into another one so often; rates between the same two add up. A rate of nothing, and a way
    /// from a state to itself, change nothing.
    ///
    /// # Panics
    /// When a rate is negative or no number, or a state is not there: those are mistakes of a program, not of its
    /// input.
    pub fn add(&mut self, from: usize, to: usize, rate: f64) {
        assert!(rate >= 0.0 && rate.is_finite() && to < self.ways.len(), "{from} → {to} at {rate}");
        if from != to && rate > 0.0 {
            self.ways[from].push((to, rate));
        }
    }

    /// Where a state goes, and how fast.
    pub fn ways(&self, from: usize) -> &[(usize, f64)] {
        &self.ways[from]
    }

    fn matrix(&self) -> Vec<Vec<f64>> {
        let mut matrix = vec![vec![0.0; self.len()]; self.len()];
        for (row, ways) in matrix.iter_mut().zip(&self.ways) {
            ways.iter().for_each(|(to, rate)| row[*to] += rate);
        }
        matrix
    }

    /// The share of time spent in each state in the long run; `None` unless every state leads to state 0.
    pub fn steady(&self) -> Option<Vec<f64>> {
        let mut rates = self.matrix();
        for last in (1..self.len()).rev() {
            let out: f64 = rates[last][..last].iter().sum();
            // A state from which nothing leads on is where it ends.
            if out <= 0.0 {
                return None;
            }
            for from in 0..last {
                rates[from][last] /= out;
                let share = rates[from][last];
                if share > 0.0 {
                    for to in (0..last).filter(|to| *to != from) {
                        rates[from][to] += share * rates[last][to];
                    }
                }
            }
        }
        let mut steady: Vec<f64> = vec![1.0];
        for state in 1..self.len() {
            let into = steady.iter().zip(&rates).map(|(share, row)| share * row[state]).sum();
            steady.push(into);
        }
        let all: f64 = steady.iter().sum();
        Some(steady.into_iter().map(|weight| weight / all).collect())
    }

    /// The mean time from a state until one of `ends` is reached for the first time; `None` when it may never be.
    pub fn time_until(&self, from: usize, ends: &[usize]) -> Option<f64> {
        self.until(from, ends, &vec![1.0; self.len()])
    }

    /// The mean and the variance of that time; `None` when it may never end.
    ///
    /// ```
    /// use sim_models::avail::Chain;
    /// let mut chain = Chain::new(2);
    /// chain.add(0, 1, 0.5);
    /// assert_eq!(chain.law_until(0, &[1]), Some((2.0, 4.0)));
    /// ```
    pub fn law_until(&self, from: usize, ends: &[usize]) -> Option<(f64, f64)> {
        let mean = self.time_until(from, ends)?;
        let mut gains = vec![0.0; self.len()];
        for state in self.reached(from, ends) {
            // The second moment gains twice what is left.
            gains[state] = 2.0 * self.time_until(state, ends)?;
        }
        Some((mean, self.until(from, ends, &gains)? - mean * mean))
    }

    /// The chance that, from a state, `wanted` is reached before any of `other`; `None` when neither may ever be.
    pub fn reaches(&self, from: usize, wanted: &[usize], other: &[usize]) -> Option<f64> {
        if wanted.contains(&from) {
            return Some(1.0);
        }
        let ends: Vec<usize> = wanted.iter().chain(other).copied().collect();
        let into =
            |ways: &[(usize, f64)]| ways.iter().filter(|(to, _)| wanted.contains(to)).map(|(_, rate)| rate).sum();
        let gains: Vec<f64> = self.ways.iter().map(|ways| into(ways)).collect();
        self.until(from, &ends, &gains)
    }

    /// What is gained on the way from a state to one of `ends`, where each state gains so much per unit of time.
    fn until(&self, from: usize, ends: &[usize], gains: &[f64]) -> Option<f64> {
        if ends.contains(&from) {
            return Some(0.0);
        }
        let mut reached = self.reached(from, ends);
        reached.retain(|state| *state != from);
        reached.insert(0, from);
        let place = |state: usize| reached.iter().position(|known| *known == state);
        let size = reached.len();
        // The last column is all the ends together.
        let mut rates = vec![vec![0.0; size + 1]; size];
        for (row, state) in rates.iter_mut().zip(&reached) {
            self.ways[*state].iter().for_each(|(to, rate)| row[place(*to).unwrap_or(size)] += rate);
        }
        let mut gained: Vec<f64> = reached.iter().map(|state| gains[*state]).collect();
        for last in (1..size).rev() {
            let out = rates[last][..last].iter().sum::<f64>() + rates[last][size];
            if out <= 0.0 {
                return None;
            }
            for from in 0..last {
                let share = rates[from][last] / out;
                if share > 0.0 {
                    gained[from] += share * gained[last];
                    for to in (0..last).filter(|to| *to != from).chain([size]) {
                        rates[from][to] += share * rates[last][to];
                    }
                }
            }
        }
        (rates[0][size] > 0.0).then(|| gained[0] / rates[0][size])
    }

    /// The states that can be reached without going through one of `ends`, in the order of finding.
    fn reached(&self, from: usize, ends: &[usize]) -> Vec<usize> {
        let mut seen = vec![false; self.len()];
        ends.iter().for_each(|end| seen[*end] = true);
        seen[from] = true;
        let (mut found, mut at) = (vec![from], 0);
        while let Some(state) = found.get(at).copied() {
            for (to, _) in &self.ways[state] {
                if !std::mem::replace(&mut seen[*to], true) {
                    found.push(*to);
                }
            }
            at += 1;
        }
        found
    }

    /// Where it is after so long, from a state, and where it has been meanwhile. `None` when that is too much to be
    /// followed, which a chain of no more than 192 states never is.
    pub fn after(&self, from: usize, time: f64) -> Option<After> {
        self.halves(from, time, 0)?.pop()
    }

    /// The same after so long, and after the half of it, and the half of that, so many times; the shortest first. It is
    /// hardly more work than the longest alone.
    pub(super) fn halves(&self, from: usize, time: f64, halvings: u32) -> Option<Vec<After>> {
        let states = self.reached(from, &[]);
        let (fastest, least) = (self.fastest(), libm::ldexp(time, -(halvings as i32)));
        let place = |state: usize| states.iter().position(|known| *known == state);
        if fastest * time <= SHORT || states.len() > DOUBLED_MAX {
            return (0..=halvings).rev().map(|nth| self.followed(from, libm::ldexp(time, -(nth as i32)))).collect();
        }
        // Only what is reached, for the doubling to be of no more than that.
        let mut chain = Chain::new(states.len());
        for (at, state) in states.iter().enumerate() {
            self.ways[*state].iter().for_each(|(to, rate)| chain.add(at, place(*to).unwrap_or(at), *rate));
        }
        let spread = |of: &[f64]| {
            let mut all = vec![0.0; self.len()];
            states.iter().zip(of).for_each(|(state, chance)| all[*state] = *chance);
            all
        };
        let doublings = (0..DOUBLINGS_MAX).find(|doublings| libm::ldexp(fastest * least, -doublings) <= 1.0)?;
        let mut doubling = Doubling::of(&chain, libm::ldexp(least, -doublings))?;
        (0..doublings).for_each(|_| doubling.double());
        let mut all = Vec::new();
        for _ in 0..=halvings {
            all.push(After { at: spread(doubling.at()), during: spread(&doubling.during) });
            doubling.double();
        }
        Some(all)
    }

    /// How fast the fastest state is left.
    fn fastest(&self) -> f64 {
        self.ways.iter().map(|ways| ways.iter().map(|(_, rate)| rate).sum()).fold(0.0, f64::max)
    }

    /// The same, step by step of the fastest state; `None` when all that these touch is more than can be followed.
    fn followed(&self, from: usize, time: f64) -> Option<After> {
        let fastest = self.fastest();
        let mut now = vec![0.0; self.len()];
        now[from] = 1.0;
        let steps = fastest * time;
        if steps <= 0.0 {
            return Some(After { at: now.clone(), during: now });
        }
        let touched = self.ways.iter().map(|ways| ways.len() + 1).sum::<usize>() as f64;
        if steps * touched > TOUCHED_MAX {
            return None;
        }
        let law = Poisson::of(steps);
        let (mut at, mut during) = (vec![0.0; self.len()], vec![0.0; self.len()]);
        for step in 0..law.weights.len() + law.first {
            let weight = step.checked_sub(law.first).map_or(0.0, |place| law.weights[place]);
            // The chance that there are more steps than this one, which is how long its state is held.
            let beyond = step.checked_sub(law.first).map_or(1.0, |place| law.beyond[place]);
            for ((at, during), now) in at.iter_mut().zip(&mut during).zip(&now) {
                *at += weight * now;
                *during += beyond / steps * now;
            }
            let next = self.stepped(&now, fastest);
            // What does not change any more stays as it is for the rest.
            if step < law.first && next == now {
                let rest: f64 = (steps - (step + 1) as f64).max(0.0) / steps;
                during.iter_mut().zip(&now).for_each(|(during, now)| *during += rest * now);
                return Some(After { at: now, during });
            }
            now = next;
        }
        Some(After { at, during })
    }

    /// One step of the chain in which every state is left equally fast, by staying for the rest.
    fn stepped(&self, now: &[f64], fastest: f64) -> Vec<f64> {
        let mut next = vec![0.0; self.len()];
        for (state, (ways, chance)) in self.ways.iter().zip(now).enumerate() {
            let mut stays = fastest;
            for (to, rate) in ways {
                next[*to] += chance * rate / fastest;
                stays -= rate;
            }
            next[state] += chance * stays.max(0.0) / fastest;
        }
        next
    }
}

/// Where a chain is after a time, from each of its states, to be doubled: `P(2t) = P(t)²`.
///
/// Nothing is subtracted and every row is made to add up to one again, so that no error doubles with the time: what is
/// off by a rounding in a row is taken back before the next doubling, and a small chance keeps its digits beside a large
/// one. After *d* doublings of *n* states a chance is off by no more than some *d·n* roundings.
struct Doubling {
    states: usize,
    /// By state from which, by state.
    chances: Vec<f64>,
    /// The share of that time spent in each, from state 0.
    during: Vec<f64>,
}

impl Doubling {
    /// After so short a time that it can be followed.
    fn of(chain: &Chain, time: f64) -> Option<Doubling> {
        let mut chances = Vec::new();
        for from in 0..chain.len() {
            chances.extend(to_one(chain.followed(from, time)?.at));
        }
        Some(Doubling { states: chain.len(), chances, during: to_one(chain.followed(0, time)?.during) })
    }

    /// The chance of each state, from state 0.
    fn at(&self) -> &[f64] {
        &self.chances[..self.states]
    }

    /// After twice the time.
    fn double(&mut self) {
        // In the second half it goes on from where it has been in the first one.
        let later = self.then(&self.during);
        self.during = to_one(self.during.iter().zip(&later).map(|(sooner, later)| sooner + later).collect());
        self.chances = self.chances.chunks(self.states).flat_map(|row| to_one(self.then(row))).collect();
    }

    /// Where it is another time later.
    fn then(&self, chances: &[f64]) -> Vec<f64> {
        let mut then = vec![0.0; self.states];
        for (chance, row) in chances.iter().zip(self.chances.chunks(self.states)) {
            if *chance > 0.0 {
                then.iter_mut().zip(row).for_each(|(then, to)| *then += chance * to);
            }
        }
        then
    }
}

/// The same parts of one.
fn to_one(mut parts: Vec<f64>) -> Vec<f64> {
    let all: f64 = parts.iter().sum();
    parts.iter_mut().for_each(|part| *part /= all);
    parts
}

/// How many steps there are, without those that are too unlikely to matter.
struct Poisson {
    /// The fewest that count.
    first: usize,
    /// The chance of so many, from the first on.
    weights: Vec<f64>,
    /// The chance of more than so many, from the first on.
    beyond: Vec<f64>,
}

impl Poisson {
    /// Outwards from the likeliest, by ratios, then made to add up to one (Fox and Glynn, Communications of the ACM 31,
    /// 1988).
    fn of(mean: f64) -> Poisson {
        const LEAST: f64 = 1e-22;
        let likeliest = mean as usize;
        let mut below = Vec::new();
        let mut weight = 1.0;
        let mut at = likeliest;
        while at > 0 && weight > LEAST {
            weight *= at as f64 / mean;
            at -= 1;
            below.push(weight);
        }
        let mut weights: Vec<f64> = below.into_iter().rev().chain([1.0]).collect();
        let (mut weight, mut above) = (1.0, likeliest);
        while weight > LEAST {
            above += 1;
            weight *= mean / above as f64;
            weights.push(weight);
        }
        // From the small ones on both sides, for the sum to be exact.
        let sum: f64 = {
            let mut sorted = weights.clone();
            sorted.sort_by(f64::total_cmp);
            sorted.iter().sum()
        };
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let mut rest = 0.0;
        let mut beyond = vec![0.0; weights.len()];
        for (beyond, weight) in beyond.iter_mut().zip(&weights).rev() {
            *beyond = rest;
            rest += weight;
        }
        Poisson { first: at, weights, beyond }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(fails: f64, repaired: f64) -> Chain {
        let mut chain = Chain::new(2);
        chain.add(0, 1, fails);
        chain.add(1, 0, repaired);
        chain
    }

    #[test]
    fn a_component_after_a_time_is_as_the_closed_form_says() {
        let (fails, repaired) = (1e-3, 0.1);
        let all: f64 = fails + repaired;
        for time in [1e-3, 1.0, 24.0, 8_760.0, 1e6] {
            let after = pair(fails, repaired).after(0, time).unwrap();
            let gone = -libm::expm1(-all * time);
            let down = fails / all * gone;
            assert!((after.at[1] / down - 1.0).abs() < 1e-10, "{time}: {} {down}", after.at[1]);
            let mean = fails / all * (1.0 - gone / all / time);
            assert!((after.during[1] / mean - 1.0).abs() < 1e-6, "{time}: {} {mean}", after.during[1]);
            assert!((after.during.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn what_turns_a_billion_times_as_fast_is_as_the_closed_form_says() {
        for (fails, repaired) in [(1.0, 1e9), (1e-3, 1e6), (1e9, 1.0), (1e-9, 1.0)] {
            let all: f64 = fails + repaired;
            for time in [1e-6, 0.3, 1.0, 7.0, 1e4, 1e9, 1e30] {
                let after = pair(fails, repaired).after(0, time).unwrap();
                let gone = -libm::expm1(-all * time);
                let (down, up) = (fails / all * gone, (repaired + fails * libm::exp(-all * time)) / all);
                assert!((after.at[1] / down - 1.0).abs() < 1e-12, "{fails} {time}: {} {down}", after.at[1]);
                assert!((after.at[0] / up - 1.0).abs() < 1e-12, "{fails} {time}: {} {up}", after.at[0]);
                // Where the formula does not subtract what is nearly alike.
                if all * time > 1e3 {
                    let mean = fails / all * (1.0 - gone / all / time);
                    assert!((after.during[1] / mean - 1.0).abs() < 1e-12, "{fails} {time}: {} {mean}", after.during[1]);
                }
            }
        }
    }

    /// Many fail one after the other, with one crew: what all of them come to has many powers.
    #[test]
    fn doubling_and_following_step_by_step_come_to_the_same() {
        let plant = |machines: usize| {
            let mut chain = Chain::new(machines + 1);
            for failed in 0..machines {
                chain.add(failed, failed + 1, (machines - failed) as f64 * 1e-3);
                chain.add(failed + 1, failed, 1.0);
            }
            chain
        };
        for machines in [1, 2, 5, 12, 40] {
            let chain = plant(machines);
            for time in [70.0, 500.0, 2_000.0] {
                let (doubled, followed) = (chain.after(0, time).unwrap(), chain.followed(0, time).unwrap());
                for state in 0..=machines {
                    let of = |after: &After| (after.at[state], after.during[state]);
                    let ((at, during), (at_before, during_before)) = (of(&doubled), of(&followed));
                    if at_before > 1e-290 {
                        assert!((at / at_before - 1.0).abs() < 1e-12, "{machines} {time} {state}: {at} {at_before}");
                    }
                    // Shares of what is left are added up from the rest of the steps, which has fewer digits.
                    assert!(
                        (during - during_before).abs() < 1e-12,
                        "{machines} {time} {state}: {during} {during_before}"
                    );
                }
            }
            let halves = chain.halves(0, 2_000.0, 3).unwrap();
            for (nth, half) in halves.iter().rev().enumerate() {
                let alone = chain.after(0, libm::ldexp(2_000.0, -(nth as i32))).unwrap();
                let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-13 * b);
                assert!(near(&half.at, &alone.at) && near(&half.during, &alone.during), "{machines} {nth}");
            }
        }
    }

    #[test]
    fn what_can_be_reached_no_more_fades_and_too_much_is_refused() {
        // From up to gone through a hundred stages, and what is not reached at all.
        let mut chain = Chain::new(102);
        (0..100).for_each(|state| chain.add(state, state + 1, 1e3));
        chain.add(101, 0, 1e9);
        let after = chain.after(0, 1e3).unwrap();
        assert_eq!((after.at[100], after.at[101]), (1.0, 0.0));
        assert!((after.during[100] - 0.9999).abs() < 1e-12, "{}", after.during[100]);
        let mut ring = Chain::new(DOUBLED_MAX + 1);
        (0..=DOUBLED_MAX).for_each(|state| ring.add(state, (state + 1) % (DOUBLED_MAX + 1), 1.0));
        assert_eq!(ring.after(0, 1e9), None);
        assert!(ring.after(0, 1e3).is_some());
    }

    #[test]
    fn ruin_is_rare_and_exact() {
        // A queue half as fast filled as emptied: from one, to forty before none.
        let mut chain = Chain::new(41);
        for state in 1..40 {
            chain.add(state, state + 1, 0.5);
            chain.add(state, state - 1, 1.0);
        }
        let chance = chain.reaches(1, &[40], &[0]).unwrap();
        assert!((chance / 9.094_947_017_737_554e-13 - 1.0).abs() < 1e-13, "{chance}");
    }

    #[test]
    fn what_never_ends_has_no_steady_state_and_no_end() {
        let mut chain = Chain::new(3);
        chain.add(0, 1, 1.0);
        assert_eq!(chain.steady(), None);
        assert_eq!(chain.time_until(0, &[2]), None);
        assert_eq!(chain.time_until(0, &[1]), Some(1.0));
    }
}
