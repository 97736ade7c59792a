//! The warm-up of a series: how much of its beginning still tells of the empty start.

/// Where a series is cut, by the rule MSER-5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmUp {
    /// Observations to be deleted, from the first; a multiple of five.
    pub observations: usize,
    /// The statistic at that place: the square of the standard error of the mean of what is left, as if it were
    /// independent.
    pub statistic: f64,
    /// The statistic with nothing deleted.
    pub untouched: f64,
    /// Whether the minimum lies before the last place that was looked at. If not, the series is too short to tell.
    pub found: bool,
}

/// Averages of so many observations are looked at, which smooths what single observations hide.
const AVERAGED: usize = 5;

/// The deletion that makes the mean of the rest most certain (MSER-5).
///
/// The series is averaged in batches of five, the rest behind the last whole batch is not looked at. Of m averages the
/// first d are deleted, where d, from 0 to ⌊m/2⌋ (both included), makes Σ_{i>d} (yᵢ − mean_d)² / (m − d)² least; of
/// several the smallest d. None of fewer than ten observations, or with one that is no number.
///
/// It sees what differs from the rest of the series, such as an empty start that fills up. It cannot see a slow trend
/// that goes on, and what it finds varies from run to run; a deletion that is declared beforehand, the same for all
/// runs, stays the honest one.
///
/// White, An Effective Truncation Heuristic for Bias Reduction in Simulation Output, Simulation 69, 1997; averages of
/// five: Spratt 1998, and White, Cobb and Spratt, Winter Simulation Conference 2000.
pub fn mser5(series: &[f64]) -> Option<WarmUp> {
    let averages: Vec<f64> =
        series.chunks_exact(AVERAGED).map(|five| five.iter().sum::<f64>() / AVERAGED as f64).collect();
    if averages.len() < 2 || averages.iter().any(|average| !average.is_finite()) {
        return None;
    }
    let last = averages.len() / 2;
    let statistics = statistics(&averages);
    let (mut best, mut least) = (0, statistics[0]);
    for (deleted, statistic) in statistics.iter().copied().enumerate().take(last + 1) {
        if statistic < least {
            (best, least) = (deleted, statistic);
        }
    }
    Some(WarmUp {
        observations: best * AVERAGED,
        statistic: least,
        untouched: statistics[0],
        found: best < last || least == 0.0,
    })
}

/// The statistic for each number of deleted values, from none to all but one.
///
/// The sums of squares are kept from the end (Welford, Technometrics 4, 1962), so the whole takes one pass.
fn statistics(values: &[f64]) -> Vec<f64> {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    let mut statistics: Vec<f64> = values
        .iter()
        .rev()
        .map(|value| {
            count += 1.0;
            let strayed = value - mean;
            mean += strayed / count;
            squares += strayed * (value - mean);
            squares / (count * count)
        })
        .collect();
    statistics.reverse();
    statistics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_start_is_cut_off() {
        // Ten averages near 5 behind two that are not.
        let series: Vec<f64> = (0..60).map(|i| if i < 10 { 0.0 } else { 5.0 + f64::from(i % 5) * 0.1 }).collect();
        let warm_up = mser5(&series).unwrap();
        assert_eq!((warm_up.observations, warm_up.found), (10, true));
        assert!(warm_up.statistic < 1e-20 && warm_up.untouched > 0.1, "{warm_up:?}");
    }

    #[test]
    fn a_series_that_keeps_rising_is_too_short_to_tell() {
        let series: Vec<f64> = (0..100).map(f64::from).collect();
        let warm_up = mser5(&series).unwrap();
        assert_eq!((warm_up.observations, warm_up.found), (50, false));
    }

    #[test]
    fn of_several_least_places_the_first_is_taken() {
        assert_eq!(mser5(&[1.0; 50]).unwrap().observations, 0);
        assert!(mser5(&[1.0; 50]).unwrap().found);
    }

    #[test]
    fn too_little_has_no_warm_up() {
        assert_eq!(mser5(&[1.0; 9]), None);
        assert_eq!(mser5(&[f64::NAN; 20]), None);
    }

    #[test]
    fn statistics_from_the_end_are_those_of_the_definition() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        for (deleted, statistic) in statistics(&values).into_iter().enumerate() {
            let rest = &values[deleted..];
            let n = rest.len() as f64;
            let mean = rest.iter().sum::<f64>() / n;
            let expected = rest.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n * n);
            assert!((statistic - expected).abs() < 1e-12, "{deleted}: {statistic}, not {expected}");
        }
    }
}
