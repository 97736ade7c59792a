//! Whether a scenario does what its file says of it: each expectation, of the scenario itself and of each remedy, held against many runs.

use super::metric::{Metric, Unit};
use super::sheet::Sheet;
use crate::program::Expected;
use crate::stats::{Confidence, Estimate, chance_of_at_least, holm, replications};

/// Of an interval that a file gives: the share of runs that may lie outside.
pub const OUTSIDE: f64 = 0.001;

/// How likely, of a file whose claims are all true, is it at most that one of them is said not to have come out.
pub const LEVEL: f64 = 0.01;

/// An expectation and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// What it is about.
    pub metric: Metric,
    /// What the file says.
    pub expected: Expected,
    /// Runs.
    pub of: u64,
    /// Runs in which it is not so.
    pub outside: u64,
    /// The first of those: its seed, and the value there.
    pub first: Option<(u64, Option<f64>)>,
    /// The mean over the runs that have a value.
    pub estimate: Estimate,
    /// The least and the greatest value.
    pub range: Option<(f64, f64)>,
    /// How likely so many runs outside are at least, if only one in a thousand were to be; of what is to be so in every run, 1 or 0.
    pub chance: f64,
    /// Whether it came out.
    pub came_out: bool,
}

impl Claim {
    /// What a configuration's runs say of an expectation. Whether it came out is said by [`decide`].
    pub fn of(
        sheet: &Sheet,
        configuration: usize,
        index: usize,
        metric: &Metric,
        expected: Expected,
        confidence: Confidence,
    ) -> Claim {
        let all: Vec<(u64, Option<f64>)> = sheet.seeded(configuration, index).collect();
        let is_outside = |(_, value): &&(u64, Option<f64>)| !is_so(&expected, *value);
        let outside = all.iter().filter(is_outside).count() as u64;
        let values: Vec<f64> = all.iter().filter_map(|(_, value)| *value).collect();
        let of = all.len() as u64;
        let chance = match expected {
            Expected::Between(..) => chance_of_at_least(outside, of, OUTSIDE),
            Expected::Exactly(_) | Expected::Never => f64::from(u8::from(outside == 0)),
        };
        let range = values.iter().fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((*value, *value), |(low, high)| (low.min(*value), high.max(*value))))
        });
        Claim {
            metric: metric.clone(),
            expected,
            of,
            outside,
            first: all.iter().find(is_outside).copied(),
            estimate: replications(&values, confidence),
            range,
            chance,
            came_out: false,
        }
    }

    /// What the metric is measured in.
    pub fn unit(&self) -> &Unit {
        &self.metric.unit
    }
}

/// Whether a run is as expected: a bare number is meant exactly, but for the last digits of a float.
fn is_so(expected: &Expected, value: Option<f64>) -> bool {
    match (expected, value) {
        (Expected::Never, value) => value.is_none(),
        (_, None) => false,
        (Expected::Exactly(number), Some(value)) => libm::fabs(value - number) <= 1e-9 * libm::fabs(*number).max(1.0),
        (Expected::Between(from, to), Some(value)) => (*from..=*to).contains(&value),
    }
}

/// Says of all claims of a scenario at once which came out (Holm, at one in a hundred); without a run none does.
pub fn decide(claims: &mut [Claim]) {
    let adjusted = holm(&claims.iter().map(|claim| claim.chance).collect::<Vec<_>>());
    for (claim, adjusted) in claims.iter_mut().zip(adjusted) {
        claim.came_out = claim.of > 0 && adjusted > LEVEL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_exact_an_interval_inclusive_and_never_is_never() {
        assert!(is_so(&Expected::Exactly(3.0), Some(3.0)) && !is_so(&Expected::Exactly(3.0), Some(3.1)));
        assert!(is_so(&Expected::Between(1.0, 2.0), Some(2.0)) && !is_so(&Expected::Between(1.0, 2.0), Some(2.1)));
        assert!(is_so(&Expected::Never, None) && !is_so(&Expected::Never, Some(0.0)));
        assert!(!is_so(&Expected::Exactly(0.0), None));
    }

    fn claim(expected: Expected, outside: u64) -> Claim {
        let chance = match expected {
            Expected::Between(..) => chance_of_at_least(outside, 50, OUTSIDE),
            _ => f64::from(u8::from(outside == 0)),
        };
        let metric = Metric::named("failing", &crate::program::Program::default()).unwrap();
        let estimate = Estimate::exact(0.0, 50);
        Claim { metric, expected, of: 50, outside, first: None, estimate, range: None, chance, came_out: false }
    }

    #[test]
    fn one_of_fifty_outside_may_be_luck_and_three_are_not() {
        let check = |outside: u64, expected: bool| {
            let mut claims = [claim(Expected::Between(0.0, 1.0), outside), claim(Expected::Exactly(0.0), 0)];
            decide(&mut claims);
            assert_eq!(claims.map(|claim| claim.came_out), [expected, true], "{outside} outside");
        };
        // P(at least 1, 2, 3 of 50 at 0.1 %) is 4.9 %, 0.12 % and 0.002 %.
        check(0, true);
        check(1, true);
        check(2, false);
        let mut exact = [claim(Expected::Exactly(0.0), 1)];
        decide(&mut exact);
        assert!(!exact[0].came_out);
    }
}
