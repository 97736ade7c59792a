//! Losses that come in bursts: each link is good or bad by turns, whoever sends on it and however often.
//!
//! The model of Gilbert (Bell System Technical Journal 39, 1960) and Elliott (42, 1963) in continuous time. Whether a link is
//! bad is a function of seed, link and instant, never of messages: one message more or fewer leaves all others their luck.

use crate::dist::Dist;
use crate::ratio::Ratio;
use crate::time::{Duration, Instant};

/// How a link loses in bursts: lengths of both states are exponential, by their means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    pub(crate) bad: Duration,
    pub(crate) good: Duration,
    /// Shares of messages lost in each state.
    pub(crate) loss_bad: Ratio,
    pub(crate) loss_good: Ratio,
}

/// A stretch of time in which a link stays as it is; found again faster from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spell {
    block: u64,
    /// The how-manieth of its block, from 0.
    number: u64,
    is_bad: bool,
    begin: Instant,
    end: Instant,
}

/// So many mean turns later the state is drawn anew, so that an idle hour costs as little as an idle second. By then the chance
/// that it would have depended on the state before is e to the power of minus several thousand; of the bursts, one in a thousand
/// is cut short there.
const BLOCK: u64 = 1_024;

impl Burst {
    /// The share of time in which a link is bad.
    pub(crate) fn bad_share(&self) -> Ratio {
        let whole = self.bad.nanos().saturating_add(self.good.nanos());
        Ratio::new(self.bad.nanos(), whole).unwrap_or(Ratio::ZERO)
    }

    /// What a message sent in such a state is lost with.
    pub(crate) fn loss(&self, is_bad: bool) -> Ratio {
        if is_bad { self.loss_bad } else { self.loss_good }
    }

    /// The spell at an instant. `bits` answers for a block and a number in it; `last` is any earlier answer for the same link.
    pub(crate) fn spell(&self, at: Instant, last: Option<Spell>, bits: impl Fn(u64, u64) -> u64) -> Spell {
        let length = self.bad.saturating_add(self.good).saturating_mul(BLOCK).nanos().max(1);
        let block = at.nanos() / length;
        let begin = Instant::from_nanos(block * length);
        let lasts = |is_bad: bool, bits: u64| {
            let mean = if is_bad { self.bad } else { self.good };
            Dist::Exponential(mean).sample(bits).max(Duration::from_nanos(1))
        };
        let mut spell = last.filter(|last| last.block == block).unwrap_or_else(|| {
            // The number 0 says how it stands, the numbers from 1 on how long each spell lasts.
            let is_bad = self.bad_share().hit(bits(block, 0));
            Spell { block, number: 0, is_bad, begin, end: begin + lasts(is_bad, bits(block, 1)) }
        });
        while spell.end <= at {
            let (number, is_bad) = (spell.number + 1, !spell.is_bad);
            let (begin, end) = (spell.end, spell.end + lasts(is_bad, bits(block, number + 1)));
            spell = Spell { block, number, is_bad, begin, end };
        }
        spell
    }
}

impl Spell {
    /// Whether the link is bad.
    pub(crate) fn is_bad(self) -> bool {
        self.is_bad
    }

    /// Whether it begins later.
    pub(crate) fn is_after(self, at: Instant) -> bool {
        self.begin > at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::mix;

    fn burst(bad: u64, good: u64) -> Burst {
        let (bad, good) = (Duration::from_millis(bad), Duration::from_millis(good));
        Burst { bad, good, loss_bad: Ratio::ONE, loss_good: Ratio::ZERO }
    }

    /// The states of so many instants, one each `step`.
    fn states(burst: Burst, key: u64, step: Duration, count: u64) -> Vec<bool> {
        let mut last = None;
        let state = |number: u64| {
            let at = Instant::from_nanos(number * step.nanos());
            let spell = burst.spell(at, last, |block, number| mix(mix(key, block), number));
            last = Some(spell);
            spell.is_bad
        };
        (0..count).map(state).collect()
    }

    #[test]
    fn the_state_at_an_instant_does_not_depend_on_who_asked_before() {
        let burst = burst(20, 180);
        let all = states(burst, 7, Duration::from_millis(3), 200_000);
        for (number, state) in all.iter().enumerate().step_by(997) {
            let at = Instant::from_nanos(number as u64 * 3_000_000);
            let alone = burst.spell(at, None, |block, number| mix(mix(7, block), number));
            assert_eq!(alone.is_bad, *state, "at {at}");
        }
    }

    /// Sampled each `step`, the state is Gilbert's chain of two states: with rates a = 1/good and b = 1/bad it turns bad with the
    /// chance `a / (a + b) · (1 − e^(−(a + b) step))`, and good with `b / (a + b)` times the same. The share of bad samples and
    /// the mean length of a run of them follow; both are held to four standard errors.
    #[test]
    fn share_and_length_of_bursts_are_those_of_gilberts_chain() {
        for (bad, good, step) in [(20u64, 180u64, 5u64), (50, 50, 10), (5, 500, 1), (200, 1_000, 100)] {
            let burst = burst(bad, good);
            let (count, step) = (400_000u64, Duration::from_millis(step));
            let (a, b) = (1.0 / good as f64, 1.0 / bad as f64);
            let memory = libm::exp(-(a + b) * step.as_millis_f64());
            let (share, back) = (a / (a + b), b / (a + b) * (1.0 - memory));
            let states = states(burst, bad, step, count);
            let seen = states.iter().filter(|bad| **bad).count() as f64 / count as f64;
            // The variance of the mean of a chain whose correlation falls by `memory` each step.
            let error = libm::sqrt(share * (1.0 - share) * (1.0 + memory) / (1.0 - memory) / count as f64);
            assert!((seen - share).abs() < 4.0 * error, "{bad}/{good}: {seen} bad, expected {share} ± {error}");
            let runs: Vec<f64> =
                states.chunk_by(|a, b| a == b).filter(|run| run[0]).map(|run| run.len() as f64).collect();
            let mean = runs.iter().sum::<f64>() / runs.len() as f64;
            let error = libm::sqrt((1.0 - back) / (back * back) / runs.len() as f64);
            assert!((mean - 1.0 / back).abs() < 4.0 * error, "{bad}/{good}: {mean} in a row, expected {}", 1.0 / back);
        }
    }

    #[test]
    fn an_idle_year_costs_no_more_than_a_block() {
        let burst = burst(1, 1);
        let asked = std::cell::Cell::new(0u64);
        let bits = |block, number| {
            asked.set(asked.get() + 1);
            mix(mix(1, block), number)
        };
        let last = burst.spell(Instant::ZERO, None, bits);
        burst.spell("365d".parse().unwrap(), Some(last), bits);
        assert!(asked.get() < 4 * BLOCK, "{}", asked.get());
    }
}
