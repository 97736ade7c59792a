//! What a hunt found as a page with pictures: the ways to fail with their intervals, and how the share of failing seeds settled.

use sim_models::stats::{Confidence, clopper_pearson};

use crate::figure::scale::Unit;
use crate::figure::{Axis, Data, Figure, Interval, Mark};
use crate::findings::{Findings, Way};
use crate::page::Page;
use crate::text;

/// How many seeds failed along a hunt, in stretches of equally many seeds; it begins with single ones, and puts two together when
/// there are many, so that it needs little room however long the hunt is.
#[derive(Clone, Debug)]
pub(crate) struct Along {
    /// Seeds that were judged before it began to count, and how many of them failed.
    before: (u64, u64),
    every: u64,
    failing: Vec<u64>,
}

const STRETCHES: u64 = 1_000;
/// Points of the picture at most.
const POINTS: u64 = 20;

impl Along {
    /// Goes on where so many seeds were judged and so many of them failed.
    pub(crate) fn from(judged: u64, failing: u64) -> Along {
        Along { before: (judged, failing), every: 1, failing: Vec::new() }
    }

    /// Counts a seed that fails by its place in the hunt.
    pub(crate) fn failed(&mut self, place: u64) {
        let Some(place) = place.checked_sub(self.before.0) else { return };
        while place / self.every >= STRETCHES {
            self.failing = self.failing.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.every *= 2;
        }
        let stretch = (place / self.every) as usize;
        if stretch >= self.failing.len() {
            self.failing.resize(stretch + 1, 0);
        }
        self.failing[stretch] += 1;
    }

    /// After so many seeds so many had failed; the last one is after all that were judged.
    fn points(&self, judged: u64) -> Vec<(u64, u64)> {
        let (first, failing) = self.before;
        let stretches = judged.saturating_sub(first).div_ceil(self.every);
        let group = round_up(stretches.div_ceil(POINTS).max(1));
        let mut sum = failing;
        let mut points: Vec<(u64, u64)> = if first > 0 { vec![self.before] } else { Vec::new() };
        for place in 0..stretches.div_ceil(group) {
            let inside = (place * group) as usize..((place + 1) * group).min(self.failing.len() as u64) as usize;
            sum += self.failing.get(inside).unwrap_or_default().iter().sum::<u64>();
            points.push(((first + (place + 1) * group * self.every).min(judged), sum));
        }
        points
    }
}

/// The next of 1, 2, 5, 10, 20, …
fn round_up(least: u64) -> u64 {
    let tens = std::iter::successors(Some(1u64), |ten| ten.checked_mul(10));
    tens.flat_map(|ten| [ten, 2 * ten, 5 * ten]).find(|round| *round >= least).unwrap_or(least)
}

/// The share of so many with its interval.
fn share(at: f64, hits: u64, of: u64) -> Interval {
    if of == 0 {
        return Interval::new(at, None, None, None);
    }
    let share = clopper_pearson(hits, of, Confidence::USUAL);
    Interval::new(at, share.value, share.lo, share.hi)
}

/// The report as a page.
pub(crate) fn page(findings: &Findings, along: &Along, called: &str) -> Page {
    let mut title = findings.what.title.lines();
    let mut page = Page::new(title.next().unwrap_or_default().to_owned());
    title.for_each(|line| page.paragraph(line.to_owned()));
    page.paragraph(findings.headline());
    findings.gaps().into_iter().chain(findings.reach()).for_each(|line| page.paragraph(line));
    page.heading("Ways to fail");
    let head = ["", "what", "last causes", "seeds", "of all", "95 % interval", "smallest seed"];
    page.table(&head, &rows(findings));
    page.figure(ways(findings));
    page.figure(settling(findings, along));
    for (place, way) in findings.failures.iter().enumerate() {
        page.heading(&format!("{} {}", place + 1, way.signature()));
        page.paragraph(format!("Seed {}: {}", way.seed, way.detail));
        page.commands(Findings::replay(way, called).into_iter().collect());
    }
    reached(&mut page, findings);
    page.heading("The hunt");
    let (seeds, events) = (text::rate(findings.seeds_per_second), text::rate(findings.events_per_second));
    page.paragraph(format!("{seeds} seeds/s, {events} events/s"));
    page.commands(findings.go_on.clone().into_iter().collect());
    page
}

/// A row for all that fail, and one for each way to.
fn rows(findings: &Findings) -> Vec<Vec<String>> {
    let row = |number: String, what: String, causes: String, count: u64, smallest: String| {
        let Interval { value, lo, hi, .. } = share(0.0, count, findings.seeds);
        let written = |value: Option<f64>| value.map_or("–".to_owned(), |share| Unit::Share.written(share));
        vec![
            number,
            what,
            causes,
            text::count(count),
            written(value),
            format!("{} to {}", written(lo), written(hi)),
            smallest,
        ]
    };
    let all = row(String::new(), ANY.to_owned(), String::new(), findings.failing, String::new());
    let ways = findings.failures.iter().zip(1..).map(|(way, number): (&Way, u64)| {
        let signature = way.signature();
        row(number.to_string(), signature.to_string(), signature.way(), way.count, way.seed.to_string())
    });
    std::iter::once(all).chain(ways).collect()
}

const ANY: &str = "fails in any way";

/// Ways to fail in a picture at most; the table has all.
const WAYS: usize = 30;

/// The share of seeds that fail in each way.
fn ways(findings: &Findings) -> Figure {
    let shown = || findings.failures.iter().take(WAYS);
    let names = shown().zip(1..).map(|(way, number): (&Way, u64)| format!("{number} {}", way.signature()));
    let names: Vec<String> = std::iter::once(ANY.to_owned()).chain(names).collect();
    let counts = std::iter::once(findings.failing).chain(shown().map(|way| way.count));
    let intervals = counts.enumerate().map(|(row, count)| share(row as f64, count, findings.seeds)).collect();
    let x = Axis::linear("share of seeds", Unit::Share).including(&[0.0]);
    let seeds = text::counted(findings.seeds, "seed");
    let more = match findings.failures.len() {
        ways if ways > WAYS => format!(" The first {WAYS} of {ways} ways."),
        _ => String::new(),
    };
    Figure::new("ways-to-fail", "How many seeds fail in which way", x, Axis::rows("", names))
        .with("", Data::Intervals(intervals))
        .caption(format!("Of {seeds}; bars are Clopper-Pearson intervals, 95 % each.{more}"))
}

/// How the share of failing seeds settled.
fn settling(findings: &Findings, along: &Along) -> Figure {
    let points = along.points(findings.seeds);
    let intervals = points.iter().map(|(judged, failing)| share(*judged as f64, *failing, *judged)).collect();
    let axes =
        (Axis::linear("seeds judged", Unit::Count), Axis::linear("share that fails", Unit::Share).including(&[0.0]));
    let earlier = match along.before.0 {
        0 => Vec::new(),
        judged => vec![Mark::instant(judged as f64, "so far came an earlier call")],
    };
    Figure::new("failing-seeds", "The share of failing seeds as the hunt went on", axes.0, axes.1)
        .with("", Data::Intervals(intervals))
        .marked(earlier)
        .caption("After the first so many seeds, in their order. Bars are Clopper-Pearson intervals, 95 % each.")
}

/// In how many runs what was to be seen was seen.
fn reached(page: &mut Page, findings: &Findings) {
    let row = |(name, count): (&String, &u64)| vec![name.clone(), text::count(*count)];
    let tables = [("Seen sometimes", &findings.sometimes), ("Kinds of faults", &findings.fault_kinds)];
    for (title, counts) in tables.into_iter().filter(|(_, counts)| !counts.is_empty()) {
        page.heading(title);
        page.table(&["what", "runs"], &counts.iter().map(row).collect::<Vec<_>>());
    }
    if !findings.inert.is_empty() {
        page.heading("Faults that had no effect in any run");
        page.lines(findings.inert.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_along_a_hunt_is_that_of_its_first_seeds() {
        let fails = |place: u64| place.is_multiple_of(7);
        for (first, judged) in [(0, 1), (0, 5), (0, 200), (0, 12_345), (100, 4_100)] {
            let count = |to: u64| (0..to).filter(|place| fails(*place)).count() as u64;
            let mut along = Along::from(first, count(first));
            (first..judged).filter(|place| fails(*place)).for_each(|place| along.failed(place));
            let points = along.points(judged);
            assert!(
                points.len() <= POINTS as usize + 1 && points.last() == Some(&(judged, count(judged))),
                "{points:?}"
            );
            for (seeds, failing) in points {
                assert_eq!(failing, count(seeds), "after {seeds} of {judged}");
            }
        }
    }

    #[test]
    fn a_hunt_in_which_nothing_fails_has_a_point_too() {
        assert_eq!(Along::from(0, 0).points(3), [(1, 0), (2, 0), (3, 0)]);
        assert_eq!(Along::from(0, 0).points(0), []);
        assert_eq!(share(0.0, 0, 0), Interval::new(0.0, None, None, None));
    }
}
