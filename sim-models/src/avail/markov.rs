//! Continuous-time Markov chains, solved without a subtraction: a chance of 10⁻¹⁵ is as exact as one of a half.
//!
//! Steady state and times until something by state elimination (Grassmann, Taksar and Heyman, Regenerative analysis and
//! steady state distributions for Markov chains, Operations Research 33, 1985); the state after a time by
//! uniformization (Jensen, 1953).

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

    /// Where it is after so long, from a state, and where it has been meanwhile. `None` when more happens in that time
    /// than can be followed: 100 million steps of the fastest state.
    pub fn after(&self, from: usize, time: f64) -> Option<After> {
        const STEPS_MAX: f64 = 1e8;
        let fastest = self.ways.iter().map(|ways| ways.iter().map(|(_, rate)| rate).sum()).fold(0.0, f64::max);
        let mut now = vec![0.0; self.len()];
        now[from] = 1.0;
        let steps = fastest * time;
        if steps <= 0.0 {
            return Some(After { at: now.clone(), during: now });
        }
        if steps > STEPS_MAX {
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
