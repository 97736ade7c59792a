//! Independent replications of a run, and what they say of a figure that theory knows.
//!
//! The values of one replication depend on one another, those of several do not: so the interval is Student's t over
//! replications. It must hold the figure, and be narrow: a wide interval proves nothing.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Of all intervals, the share that holds the truth.
const CONFIDENCE: f64 = 0.999;

/// One figure: what each replication says of it, and what theory says.
pub struct Figure {
    name: String,
    values: Vec<f64>,
    truth: f64,
    /// The widest half of the interval that proves something, as a share of the truth.
    width: f64,
}

impl Figure {
    /// A figure by name, the values of the replications, what they are of on average, and how narrow the interval has to be.
    pub fn new(name: impl Into<String>, values: Vec<f64>, truth: f64, width: f64) -> Self {
        Figure { name: name.into(), values, truth, width }
    }

    /// A quantile, from the shares beyond the true one and beyond those that are by `width` shorter and longer ([`quantiles`]).
    pub fn quantile(name: impl Into<String>, shares: &[[f64; 3]], truth: (f64, f64), width: f64) -> Self {
        Figure { name: name.into(), values: quantiles(shares, truth, width), truth: truth.0, width }
    }

    /// Prints what came out; false when the interval misses the figure or is too wide.
    fn holds(&self, title: &str) -> bool {
        let (middle, half) = interval(&self.values);
        let (off, wide) = ((middle - self.truth).abs() > half, half > self.width * self.truth.abs());
        let verdict = match (off, wide) {
            (false, false) => "ok",
            (true, _) => "MISSES",
            (false, true) => "TOO WIDE",
        };
        let percent = 100.0 * half / self.truth.abs();
        let (name, truth) = (&self.name, self.truth);
        println!("{title}: {name} {middle:.6} ± {half:.6} ({percent:.2} %), in truth {truth:.6}: {verdict}");
        !off && !wide
    }
}

/// What each replication says of a quantile, from the shares beyond what is taken for it and beyond those that are by `width` shorter
/// and longer; and which share should be beyond it.
///
/// A sample quantile is biased, the share beyond a fixed time is not. So each replication's share is turned into a quantile along
/// the tail's slope, which all replications together give.
///
/// # Panics
/// When the tail does not fall there.
pub fn quantiles(shares: &[[f64; 3]], (quantile, beyond): (f64, f64), width: f64) -> Vec<f64> {
    let pooled = |nth: usize| shares.iter().map(|share| share[nth]).sum::<f64>() / shares.len() as f64;
    let slope = (pooled(0) - pooled(2)) / (2.0 * width * quantile);
    assert!(slope > 0.0, "nothing lies near the quantile {quantile}");
    shares.iter().map(|share| quantile + (share[1] - beyond) / slope).collect()
}

/// Holds all figures, printing one line for each.
///
/// # Panics
/// When one of them is missed or not known well enough; all are printed first.
pub fn check(title: &str, figures: &[Figure]) {
    let wrong: Vec<&str> =
        figures.iter().filter(|figure| !figure.holds(title)).map(|figure| figure.name.as_str()).collect();
    assert!(wrong.is_empty(), "{title}: {wrong:?} do not come out");
}

/// The middle of the interval for what the values are of on average, and half its width.
pub fn interval(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).expect("a distribution").inverse_cdf((1.0 + CONFIDENCE) / 2.0);
    (mean, t * libm::sqrt(variance / n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        // Standard error 1/√3, t for 2 degrees of freedom at 99.95 % is 31.599; for 29 it is 3.659.
        let (mean, half) = interval(&[1.0, 2.0, 3.0]);
        assert!((mean - 2.0).abs() < 1e-12 && (half - 31.599 / libm::sqrt(3.0)).abs() < 1e-3, "{mean} ± {half}");
        let (_, half) = interval(&[[0.0, 1.0]; 15].concat());
        assert!((half - 3.659 * libm::sqrt(0.25 / 29.0)).abs() < 1e-4, "{half}");
    }

    #[test]
    fn a_figure_that_is_missed_or_hardly_known_does_not_hold() {
        let near = |truth, width| Figure::new("x", [[0.9, 1.1]; 15].concat(), truth, width).holds("test");
        assert!(near(1.05, 0.1) && !near(1.2, 0.1) && !near(1.05, 0.05));
    }

    #[test]
    fn a_share_is_turned_into_a_quantile_along_the_slope() {
        // Exponential: a share of 10 % lies beyond ln 10.
        let quantile = libm::log(10.0);
        let shares = [0.98, 1.0, 1.02].map(|by| libm::exp(-by * quantile));
        let figure = Figure::quantile("p90", &[shares, shares], (quantile, 0.1), 0.02);
        assert!(figure.values.iter().all(|value| (value - quantile).abs() < 1e-9));
        let shifted = [0.98, 1.0, 1.02].map(|by| libm::exp(-by * quantile / 1.01));
        let figure = Figure::quantile("p90", &[shifted, shifted], (quantile, 0.1), 0.02);
        assert!((figure.values[0] / quantile - 1.01).abs() < 5e-4, "{}", figure.values[0] / quantile);
    }
}
