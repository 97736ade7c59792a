//! What theory says of queues, worked out here by the textbook and by nothing of the product, to be held against runs of it.
//!
//! Times are in units of the mean service, rates per such unit.

/// The share of customers who find all of so many servers busy and leave, at this offered load, whatever the distribution of the
/// service (A. K. Erlang, 1917; the recursion over servers is standard).
pub fn erlang_b(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |b, c| load * b / (f64::from(c) + load * b))
}

/// The share of customers who wait when nobody leaves (A. K. Erlang, 1917).
pub fn erlang_c(servers: u32, load: f64) -> f64 {
    let (b, rho) = (erlang_b(servers, load), load / f64::from(servers));
    b / (1.0 - rho * (1.0 - b))
}

/// The offered load at which so many servers lose this share, by halving.
pub fn load_that_loses(servers: u32, share: f64) -> f64 {
    let (mut low, mut high) = (0.0, 2.0 * f64::from(servers));
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if erlang_b(servers, middle) < share { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The mean wait of M/G/1 in order of arrival, by the squared coefficient of variation of the service
/// (Pollaczek 1930, Khinchine 1932).
pub fn pollaczek_khinchine(rho: f64, scv: f64) -> f64 {
    rho * (1.0 + scv) / (2.0 * (1.0 - rho))
}

/// The mean number in M/M/1 whose customers come in groups of exactly so many (Gross and Harris, Fundamentals of Queueing Theory,
/// section 3.1).
pub fn in_groups(rho: f64, group: f64) -> f64 {
    rho * (1.0 + group) / (2.0 * (1.0 - rho))
}

/// Mean waits of M/M/1 whose customers have ranks, at these rates; the first rank goes first and interrupts nobody
/// (A. Cobham, 1954).
pub fn cobham(rates: &[f64]) -> Vec<f64> {
    let residual: f64 = rates.iter().sum();
    ranks(rates).map(|(before, with)| residual / ((1.0 - before) * (1.0 - with))).collect()
}

/// Mean times at M/M/1 whose customers have ranks, at these rates; the first rank goes first at once, and what it interrupts is
/// resumed (Kleinrock, Queueing Systems II, section 3.6; the residual service cancels for exponential services).
pub fn preemptive(rates: &[f64]) -> Vec<f64> {
    ranks(rates).map(|(before, with)| 1.0 / ((1.0 - before) * (1.0 - with))).collect()
}

/// The load of all ranks before each, and with it.
fn ranks(rates: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    rates.iter().scan(0.0, |load, rate| {
        let before = *load;
        *load += rate;
        Some((before, *load))
    })
}

/// A chain on 0, 1, 2 … that goes up and down by one, cut off where hardly anything is left.
pub struct BirthDeath {
    up: Vec<f64>,
    down: Vec<f64>,
}

impl BirthDeath {
    /// The chain on so many states by its rates from each one to the next and to the one before.
    pub fn new(states: usize, up: impl Fn(usize) -> f64, down: impl Fn(usize) -> f64) -> Self {
        let up = (0..states).map(|n| if n + 1 < states { up(n) } else { 0.0 }).collect();
        BirthDeath { up, down: (0..states).map(|n| if n > 0 { down(n) } else { 0.0 }).collect() }
    }

    /// How the states share the time in the long run.
    pub fn shares(&self) -> Vec<f64> {
        let steps = (1..self.up.len()).scan(1.0, |share, n| {
            *share *= self.up[n - 1] / self.down[n];
            Some(*share)
        });
        let shares: Vec<f64> = std::iter::once(1.0).chain(steps).collect();
        let whole: f64 = shares.iter().sum();
        shares.iter().map(|share| share / whole).collect()
    }

    /// The mean of a function of the state in the long run.
    pub fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        self.shares().iter().enumerate().map(|(n, share)| of(n) * share).sum()
    }

    /// By which the variance of the average over a long time falls: variance × time (W. Whitt, Asymptotic formulas for Markov
    /// processes with applications to simulation, Operations Research 40, 1992, after Burman 1980). How long to simulate follows
    /// from it.
    pub fn asymptotic_variance(&self, of: impl Fn(usize) -> f64) -> f64 {
        let (shares, mean) = (self.shares(), self.mean(&of));
        let excess = |n: usize| (of(n) - mean) * shares[n];
        // The sum up to a state, taken from whichever end is nearer, so that nothing cancels.
        let middle = (0..shares.len())
            .scan(0.0, |sum, n| {
                *sum += shares[n];
                Some(*sum)
            })
            .take_while(|sum| *sum < 0.5);
        let middle = middle.count();
        let term = |n: usize, sum: f64| 2.0 * sum * sum / (self.up[n] * shares[n]);
        let (mut low, mut high, mut whole) = (0.0, 0.0, 0.0);
        for n in 0..middle {
            low += excess(n);
            whole += term(n, low);
        }
        for n in (middle..shares.len() - 1).rev() {
            high += excess(n + 1);
            whole += if shares[n] > 0.0 { term(n, high) } else { 0.0 };
        }
        whole
    }

    /// How likely each state is at a time after it was 0, by uniformization (A. Jensen, 1953).
    pub fn at(&self, time: f64) -> Vec<f64> {
        let fastest = self.up.iter().zip(&self.down).map(|(up, down)| up + down).fold(0.0, f64::max);
        let jumps = fastest * time;
        let mut state = vec![0.0; self.up.len()];
        state[0] = 1.0;
        let mut likely = vec![0.0; state.len()];
        let mut log_weight = -jumps;
        let enough = (jumps + 12.0 * libm::sqrt(jumps) + 60.0) as u32;
        for jump in 0..enough {
            let weight = libm::exp(log_weight);
            likely.iter_mut().zip(&state).for_each(|(sum, share)| *sum += weight * share);
            state = self.jump(&state, fastest);
            log_weight += libm::log(jumps / f64::from(jump + 1));
        }
        likely
    }

    fn jump(&self, state: &[f64], fastest: f64) -> Vec<f64> {
        let mut next = vec![0.0; state.len()];
        for (n, share) in state.iter().enumerate() {
            let (up, down) = (self.up[n] / fastest, self.down[n] / fastest);
            next[n] += share * (1.0 - up - down);
            if up > 0.0 {
                next[n + 1] += share * up;
            }
            if down > 0.0 {
                next[n - 1] += share * down;
            }
        }
        next
    }
}

/// Says that a calculation gives a figure of a table, to one part in 10⁹; of zero, to 10⁻¹².
pub fn confirm(what: &str, calculated: f64, figure: f64) {
    let off = (calculated - figure).abs();
    assert!(
        if figure == 0.0 { off <= 1e-12 } else { off <= 1e-9 * figure.abs() },
        "{what}: {calculated}, not {figure}"
    );
}
