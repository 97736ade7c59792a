//! Where a metric comes to a number as a setting is turned: between which two values, as closely as asked for or as luck allows.
//!
//! The points of the sweep say between which neighbours the metric passes the number; from there it is halved. An interval that holds the
//! number says nothing of the side, so beside the value where the metric itself passes it stand the last one that is surely before and
//! the first one that is surely behind.

use crate::stats::Estimate;

/// A value of the setting, in ticks of its scale, and the metric there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Met {
    /// The value.
    pub ticks: i128,
    /// The metric.
    pub estimate: Estimate,
}

/// Where a metric passes a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossing {
    /// The metric itself passes between these neighbours.
    pub between: (i128, i128),
    /// The last value at which the interval leaves no doubt that it is not passed yet; none when there is none in the range.
    pub surely_before: Option<i128>,
    /// The first value at which the interval leaves no doubt that it is passed; none when there is none in the range.
    pub surely_behind: Option<i128>,
    /// How often it passes from point to point of the sweep; this is the first time.
    pub times: usize,
    /// Whether it rises there.
    pub rises: bool,
}

/// Which side of a number an estimate is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Below,
    Above,
}

impl Side {
    fn of(value: f64, number: f64) -> Side {
        if value < number { Side::Below } else { Side::Above }
    }

    /// The side on which all of the interval lies.
    fn surely(estimate: &Estimate, number: f64) -> Option<Side> {
        match (estimate.lo, estimate.hi) {
            (_, Some(hi)) if hi < number => Some(Side::Below),
            (Some(lo), _) if lo >= number => Some(Side::Above),
            _ => None,
        }
    }
}

/// Finds where a metric passes a number, to `precision` ticks; none when it never does between the points.
///
/// The points come in the order of their ticks. `measure` runs the system at a value between them; it gives none when somebody ends it,
/// and what is known until then is the answer.
pub fn crossing(
    points: &[Met],
    number: f64,
    precision: i128,
    mut measure: impl FnMut(i128) -> Option<Estimate>,
) -> Option<Crossing> {
    let known: Vec<(&Met, Side)> =
        points.iter().filter_map(|found| Some((found, Side::of(found.estimate.value?, number)))).collect();
    let passes = |pair: &&[(&Met, Side)]| pair[0].1 != pair[1].1;
    let times = known.windows(2).filter(passes).count();
    let pair = known.windows(2).find(passes)?;
    let begins = pair[0].1;
    let mut search = Search { found: points.to_vec(), number, precision: precision.max(1), measure: &mut measure };
    let is_behind = |found: &Met| found.estimate.value.is_some_and(|value| Side::of(value, number) != begins);
    let between = search.halve((pair[0].0.ticks, pair[1].0.ticks), is_behind);
    let ends = (points.first()?.ticks, points.last()?.ticks);
    let surely_before = search.surely(begins, (ends.0, between.1), true);
    let other = if begins == Side::Below { Side::Above } else { Side::Below };
    let surely_behind = search.surely(other, (between.0, ends.1), false);
    Some(Crossing { between, surely_before, surely_behind, times, rises: begins == Side::Below })
}

/// What is known, and how more becomes known.
struct Search<'a> {
    found: Vec<Met>,
    number: f64,
    precision: i128,
    measure: &'a mut dyn FnMut(i128) -> Option<Estimate>,
}

impl Search<'_> {
    /// Halves a stretch at whose end something is so, and at whose beginning it is not.
    fn halve(&mut self, (mut from, mut to): (i128, i128), is_so: impl Fn(&Met) -> bool) -> (i128, i128) {
        while to - from > self.precision {
            // So many times the precision, which makes rounder values than the very middle.
            let middle = from + (((to - from) / 2 / self.precision).max(1) * self.precision).min(to - from - 1);
            let Some(estimate) = (self.measure)(middle) else { break };
            let found = Met { ticks: middle, estimate };
            self.found.push(found);
            if is_so(&found) { to = middle } else { from = middle }
        }
        (from, to)
    }

    /// The value closest to the passage at which there is no doubt: the last one before it, or the first one behind it.
    fn surely(&mut self, side: Side, (from, to): (i128, i128), is_before: bool) -> Option<i128> {
        let number = self.number;
        let is_sure = |found: &Met| Side::surely(&found.estimate, number) == Some(side);
        let sure = self.found.iter().filter(|found| (from..=to).contains(&found.ticks) && is_sure(found));
        let closest =
            if is_before { sure.map(|found| found.ticks).max() } else { sure.map(|found| found.ticks).min() }?;
        // Between it and the passage all that was tried is in doubt; the nearest of that bounds the search.
        let doubts = self.found.iter().map(|found| found.ticks);
        let (closest, _) = if is_before {
            let doubt = doubts.filter(|ticks| *ticks > closest).min().unwrap_or(to);
            self.halve((closest, doubt), |found| !is_sure(found))
        } else {
            let doubt = doubts.filter(|ticks| *ticks < closest).max().unwrap_or(from);
            let (doubt, sure) = self.halve((doubt, closest), is_sure);
            (sure, doubt)
        };
        Some(closest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Method;

    fn estimate(value: f64, half: f64) -> Estimate {
        Estimate::around(value, half, Method::Replications, 30)
    }

    /// A line that falls by one with each tick, known to so much either way.
    fn line(half: f64) -> impl Fn(i128) -> Estimate {
        move |ticks| estimate(1000.0 - ticks as f64, half)
    }

    fn points(of: impl Fn(i128) -> Estimate) -> Vec<Met> {
        (0..=10).map(|nth| Met { ticks: nth * 100, estimate: of(nth * 100) }).collect()
    }

    #[test]
    fn a_line_is_crossed_where_it_is_and_luck_is_told_apart() {
        let crossing = crossing(&points(line(20.0)), 630.5, 1, |ticks| Some(line(20.0)(ticks))).unwrap();
        assert_eq!(crossing.between, (369, 370));
        // 1000 − t − 20 ≥ 630.5 up to 349, 1000 − t + 20 < 630.5 from 390 on.
        assert_eq!((crossing.surely_before, crossing.surely_behind), (Some(349), Some(390)));
        assert_eq!((crossing.times, crossing.rises), (1, false));
    }

    #[test]
    fn a_coarse_precision_takes_few_runs() {
        let mut runs = 0;
        let found = crossing(&points(line(0.0)), 630.5, 25, |ticks| {
            runs += 1;
            Some(line(0.0)(ticks))
        });
        let found = found.unwrap();
        assert!(
            found.between.0 <= 369 && 370 <= found.between.1 && found.between.1 - found.between.0 <= 25,
            "{found:?}"
        );
        assert!(runs <= 6, "{runs} runs");
    }

    #[test]
    fn what_is_never_passed_is_not_found_and_an_end_ends_it() {
        let all = points(line(1.0));
        assert_eq!(crossing(&all, 2000.0, 1, |ticks| Some(line(1.0)(ticks))), None);
        let ended = crossing(&all, 630.5, 1, |_| None).unwrap();
        assert_eq!(ended.between, (300, 400));
    }

    #[test]
    fn in_doubt_everywhere_nothing_is_sure() {
        let found = crossing(&points(line(1e6)), 630.5, 1, |ticks| Some(line(1e6)(ticks))).unwrap();
        assert_eq!((found.surely_before, found.surely_behind), (None, None));
        assert_eq!(found.between, (369, 370));
    }
}
