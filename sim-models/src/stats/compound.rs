//! Sums of events of unequal weight, such as the downtime that a few outages come to, and sums of what was estimated
//! apart.

use libm::sqrt;

use super::laws::{gamma_above, gamma_below, normal, student};
use super::{Confidence, Estimate, Method};

/// What of events with weights is needed for their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weights {
    /// How many events.
    pub n: u64,
    /// Their weights together.
    pub sum: f64,
    /// The squares of their weights together.
    pub squares: f64,
}

impl Weights {
    /// One event more.
    pub fn add(&mut self, weight: f64) {
        (self.n, self.sum, self.squares) = (self.n + 1, self.sum + weight, self.squares + weight * weight);
    }

    /// One that weighed so much before weighs more; one more event where it is new.
    pub fn put(&mut self, before: Option<f64>, more: f64) {
        match before {
            None => self.add(more),
            Some(before) => {
                (self.sum, self.squares) = (self.sum + more, self.squares + more * (2.0 * before + more));
            }
        }
    }

    /// What they come to over an exposure, by Fay and Feuer's gamma interval: Garwood's when all weigh the same.
    ///
    /// Events come one by one, independently and evenly; how many there were is as random as how much each weighs. What
    /// was not seen may be one event that weighs `one_more`, which is all that is known where none was seen, and counts
    /// for less the more were. Weights that spread as lengths of outages do are known from few only by how those spread,
    /// so the upper end lies as much farther as Student's t does than the normal law, for half as much spread half of it.
    ///
    /// Fay and Feuer, Confidence intervals for directly standardized rates, Statistics in Medicine 16, 1997.
    ///
    /// ```
    /// use sim_models::stats::{Confidence, Weights, rate};
    /// let mut outages = Weights::default();
    /// (0..5).for_each(|_| outages.add(2.0));
    /// let (found, alike) = (outages.rate(2.0, 10.0, Confidence::USUAL), rate(5, 5.0, Confidence::USUAL));
    /// assert!((found.hi.unwrap() - alike.hi.unwrap()).abs() < 1e-12);
    /// ```
    pub fn rate(&self, one_more: f64, exposure: f64, confidence: Confidence) -> Estimate {
        if !(exposure > 0.0 && exposure.is_finite()) {
            return Estimate::none(Method::Compound);
        }
        let scaled = |sum: f64, squares: f64, quantile: fn(f64, f64) -> f64| {
            if squares > 0.0 {
                squares / sum * quantile(sum * sum / squares, confidence.tail()) / exposure
            } else {
                0.0
            }
        };
        let known = self.sum + one_more;
        let next = if known > 0.0 { (self.squares + one_more * one_more) / known } else { 0.0 };
        let (value, hi) = (self.sum / exposure, scaled(self.sum + next, self.squares + next * next, gamma_above));
        Estimate {
            value: Some(value),
            lo: Some(scaled(self.sum, self.squares, gamma_below)),
            hi: Some(value + (hi - value) * self.farther(confidence)),
            method: Method::Compound,
            n: self.n,
        }
    }

    fn farther(&self, confidence: Confidence) -> f64 {
        let (n, tail) = (self.n as f64, confidence.tail());
        // Of memoryless lengths the squares come to twice what they would if all were alike.
        let spread = if self.squares > 0.0 { 2.0 * (1.0 - self.sum * self.sum / (n * self.squares)) } else { 0.0 };
        // Rounding aside, what is alike does not spread.
        if spread < 1e-9 { 1.0 } else { 1.0 + spread.min(1.0) * (student(tail, n.max(3.0)) / normal(tail) - 1.0) }
    }
}

/// The sum of estimates that know nothing of each other: how far each end may lie from the sum is the root of the sum
/// of the squares of how far those of the parts lie, each end by itself. No interval where a part has none.
///
/// Zou and Donner, Construction of confidence limits about effect measures: a general approach, Statistics in Medicine
/// 27, 2008 (the method of variance estimates recovery, MOVER).
///
/// ```
/// use sim_models::stats::{Confidence, Estimate, Method, rate, sum};
/// let part = |value, half| Estimate::around(value, half, Method::Replications, 9);
/// assert_eq!(sum(&[part(1.0, 3.0), part(2.0, 4.0)]).half_width(), Some(5.0));
/// ```
pub fn sum(parts: &[Estimate]) -> Estimate {
    let value = parts.iter().map(|part| part.value).sum::<Option<f64>>();
    let far = |end: fn(&Estimate) -> Option<f64>| {
        parts.iter().map(|part| Some((end(part)? - part.value?) * (end(part)? - part.value?))).sum::<Option<f64>>()
    };
    let (lo, hi) = (far(|part| part.lo), far(|part| part.hi));
    Estimate {
        value,
        lo: value.zip(lo).map(|(value, lo)| value - sqrt(lo)),
        hi: value.zip(hi).map(|(value, hi)| value + sqrt(hi)),
        method: Method::Compound,
        n: parts.iter().map(|part| part.n).sum(),
    }
}

impl Estimate {
    /// The same with its sign turned.
    pub fn negated(self) -> Estimate {
        let turned = |value: Option<f64>| value.map(|value| -value);
        Estimate { value: turned(self.value), lo: turned(self.hi), hi: turned(self.lo), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::rate;

    #[test]
    fn weights_that_are_alike_are_counted_as_garwood_counts() {
        for n in [0, 1, 3, 30] {
            let mut weights = Weights::default();
            (0..n).for_each(|_| weights.add(7.0));
            let (found, alike) = (weights.rate(7.0, 14.0, Confidence::USUAL), rate(n, 2.0, Confidence::USUAL));
            for (found, alike) in [(found.value, alike.value), (found.lo, alike.lo), (found.hi, alike.hi)] {
                assert!((found.unwrap() - alike.unwrap()).abs() < 1e-9, "{n}: {found:?} {alike:?}");
            }
        }
        assert_eq!(Weights::default().rate(1.0, 0.0, Confidence::USUAL), Estimate::none(Method::Compound));
        assert_eq!(Weights::default().rate(0.0, 1.0, Confidence::USUAL).hi, Some(0.0));
    }

    #[test]
    fn a_sum_is_as_lopsided_as_its_parts() {
        let sure = Estimate::around(10.0, 0.3, Method::Replications, 5);
        let few = Estimate { value: Some(0.0), lo: Some(0.0), hi: Some(0.4), method: Method::Compound, n: 0 };
        let both = sum(&[sure, few]);
        assert!((both.lo.unwrap() - 9.7).abs() < 1e-12 && (both.hi.unwrap() - 10.5).abs() < 1e-12, "{both:?}");
        let less = sum(&[sure, few.negated()]);
        assert!((less.lo.unwrap() - 9.5).abs() < 1e-12 && (less.hi.unwrap() - 10.3).abs() < 1e-12, "{less:?}");
        assert_eq!(sum(&[sure, Estimate::none(Method::Replications)]).hi, None);
    }
}
