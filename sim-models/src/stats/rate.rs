//! Rates: events per length of time, or per whatever they are counted over.

use super::laws::{gamma_above, gamma_below};
use super::{Confidence, Estimate, Method};

/// So many events over an exposure, such as seconds of simulated time, in Garwood's interval; exact under Poisson's
/// law.
///
/// Events come one by one, independently and evenly: failures that pull others behind them spread more than this says,
/// and then the rates of many runs belong into [`replications`](super::replications). Sums of runs are fine: add the
/// events and the exposures. No value without an exposure.
///
/// Garwood, Fiducial Limits for the Poisson Distribution, Biometrika 28, 1936.
///
/// ```
/// use sim_models::stats::{Confidence, rate};
/// // Nothing in an hour: up to 3.69 an hour.
/// let hourly = rate(0, 1.0, Confidence::USUAL);
/// assert!((hourly.hi.unwrap() - 3.689).abs() < 1e-3);
/// ```
pub fn rate(events: u64, exposure: f64, confidence: Confidence) -> Estimate {
    if !(exposure > 0.0 && exposure.is_finite()) {
        return Estimate::none(Method::Poisson);
    }
    let (count, tail) = (events as f64, confidence.tail());
    let lo = if events == 0 { 0.0 } else { gamma_below(count, tail) };
    Estimate {
        value: Some(count / exposure),
        lo: Some(lo / exposure),
        hi: Some(gamma_above(count + 1.0, tail) / exposure),
        method: Method::Poisson,
        n: events,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_garwoods_table() {
        for (events, lo, hi) in [
            (0, 0.0, 3.688_879_454),
            (1, 0.025_317_808, 5.571_643_391),
            (5, 1.623_486_390, 11.668_332_079),
            (10, 4.795_388_696, 18.390_356_042),
        ] {
            let found = rate(events, 1.0, Confidence::USUAL);
            let (low, high) = (found.lo.unwrap(), found.hi.unwrap());
            assert!((low - lo).abs() < 1e-8 && (high - hi).abs() < 1e-8, "{events}: {low} to {high}");
        }
    }

    #[test]
    fn a_rate_is_per_unit_of_exposure() {
        let (whole, half) = (rate(10, 1.0, Confidence::USUAL), rate(10, 2.0, Confidence::USUAL));
        assert_eq!((half.value, half.hi), (Some(5.0), whole.hi.map(|hi| hi / 2.0)));
        for exposure in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(rate(1, exposure, Confidence::USUAL), Estimate::none(Method::Poisson));
        }
    }
}
