//! What is said of each property when the run is over.

use sim_core::{Duration, Instant, Judged, PropertyKind, Ratio, Verdict};

use super::bench::{Bench, Trouble};
use super::finding::{Reading, Violation, broken, in_parentheses, read_key, read_run};
use super::plan::{Formula, HowAsked};
use super::question::{Knowledge, Question};
use super::state::{Standing, property_words};
use super::tally::{Window, percentile};
use super::{HAS_A_VALUE, ScenarioJudge, words};
use crate::expr::EvalError;
use crate::keymap::KeyMap;
use crate::program::{Ask, NodeRef};
use crate::value::Value;

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// Nothing is left to happen: all deadlines are due.
    NothingLeft,
    /// The file's end.
    Until,
    /// A violation, a limit, or somebody's wish.
    Cut,
}

/// When a run is over, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) at: Instant,
    pub(super) over: Over,
}

impl End {
    /// Whether a deadline has passed. At the instant of a cut, more may have been about to happen.
    fn is_past(self, deadline: Instant) -> bool {
        match self.over {
            Over::NothingLeft => true,
            Over::Until => deadline <= self.at,
            Over::Cut => deadline < self.at,
        }
    }

    /// The deadline of what began then; without a length, the end of the run.
    fn deadline(self, since: Instant, last_fault_end: Instant, within: Option<Duration>) -> Instant {
        match (within, self.over) {
            (Some(within), _) => since.max(last_fault_end) + within,
            (None, Over::Cut) => Instant::NEVER,
            (None, Over::NothingLeft | Over::Until) => self.at,
        }
    }
}

/// What is said of one property.
struct Word {
    verdict: Verdict,
    /// The event and the instant at which it failed.
    event: Option<u64>,
    at: Option<Instant>,
    detail: String,
    violation: Option<Violation>,
}

impl Word {
    fn held(detail: String) -> Word {
        Word { verdict: Verdict::Held, event: None, at: None, detail, violation: None }
    }
}

/// Keys that waited for something.
#[derive(Default)]
struct Waited {
    all: u64,
    late: u64,
    not_due: u64,
    /// The key whose wait began first among the late ones: since when, its event, and its deadline.
    first: Option<(Instant, u64, Value, Instant)>,
}

impl Waited {
    fn late(&mut self, key: &Value, since: Instant, event: u64, deadline: Instant) {
        self.late += 1;
        if self.first.as_ref().is_none_or(|first| (since, event) < (first.0, first.1)) {
            self.first = Some((since, event, key.clone(), deadline));
        }
    }
}

impl ScenarioJudge {
    /// Says of each property how it stands now that the run is over.
    pub(super) fn close(&mut self, end: End, last_fault_end: Instant) -> Vec<Judged> {
        let (worked, troubles) = self.work_out(end);
        let mut all = Vec::new();
        let mut found = troubles;
        for property in 0..self.program.properties.len() {
            let word = self.word(property, end, last_fault_end, &worked, &mut found);
            all.push(self.judged(property, &word));
            self.endings[property] = word.violation;
        }
        all.extend(self.without_value(&found));
        self.worked = Some((self.state.event, worked));
        all
    }

    /// Says of each property how it stands while the run goes on, as far as that is known without its end: what only the end tells
    /// holds so far. It costs the same however long the run is.
    pub fn so_far(&self) -> Vec<Judged> {
        let word = |property: usize| {
            let standing = &self.state.standings[property];
            match &self.plan.properties[property].how {
                HowAsked::Sometimes | HowAsked::SometimesRun => seen(standing),
                _ if self.plan.properties[property].kind == PropertyKind::Always => self.always(standing),
                _ => Word::held("only the end of the run tells".to_owned()),
            }
        };
        let judged = (0..self.program.properties.len()).map(|property| self.judged(property, &word(property)));
        judged.chain(self.without_value(&[])).collect()
    }

    fn judged(&self, property: usize, word: &Word) -> Judged {
        Judged {
            name: self.program.properties[property].name.clone(),
            kind: self.plan.properties[property].kind,
            verdict: word.verdict,
            event: word.event,
            at: word.at.map(Instant::nanos),
            detail: word.detail.clone(),
        }
    }

    /// The metrics, and those expressions in them that have no value.
    pub(super) fn work_out(&self, end: End) -> (Vec<Option<f64>>, Vec<Trouble>) {
        let inside = self.insides();
        let mut worked = vec![None; self.plan.metrics.len()];
        let mut troubles = Vec::new();
        for metric in &self.plan.order {
            let bench = self.final_bench(end, &inside, &worked);
            let value = bench.metric(*metric).unwrap_or_else(|error| {
                troubles.push((format!("metric {}", self.program.metrics[*metric].name), error));
                None
            });
            worked[*metric] = value;
        }
        (worked, troubles)
    }

    /// What is known of keys inside each window, where anybody asks.
    fn insides(&self) -> Vec<Knowledge> {
        let windows = if self.plan.keeps_log { self.plan.windows.len() } else { 0 };
        (0..windows).map(|window| self.state.knowledge_of(&self.program, &self.plan, window)).collect()
    }

    fn final_bench<'a>(&'a self, end: End, windows: &'a [Knowledge], worked: &'a [Option<f64>]) -> Bench<'a> {
        let length = match (end.over, self.program.until) {
            (Over::NothingLeft, Some(until)) => until.max(end.at),
            (Over::NothingLeft | Over::Until | Over::Cut, _) => end.at,
        };
        Bench { windows, worked: Some(worked), now: end.at, length, ..self.state.bench(&self.program, &self.plan) }
    }

    fn word(
        &self,
        property: usize,
        end: End,
        last_fault_end: Instant,
        worked: &[Option<f64>],
        troubles: &mut Vec<Trouble>,
    ) -> Word {
        let standing = &self.state.standings[property];
        let asked = &self.plan.properties[property];
        match (&asked.how, &self.program.properties[property].ask) {
            (HowAsked::Sometimes | HowAsked::SometimesRun, _) => seen(standing),
            (HowAsked::Always, _) => self.always(standing),
            (HowAsked::Conserved(_), _) if asked.kind == PropertyKind::Always => self.always(standing),
            (HowAsked::Conserved(formula), _) => {
                let bench = self.final_bench(end, &[], worked);
                self.conserved(property, formula, &bench, troubles)
            }
            (HowAsked::AtEnd(formula), _) => {
                let bench = self.final_bench(end, &[], worked);
                self.at_end(property, formula, &bench, troubles)
            }
            (HowAsked::Eventually(question), Ask::Eventually { within, .. }) => {
                let deadline = |since| end.deadline(since, last_fault_end, *within);
                let mut waited = Waited { all: standing.waits.len() as u64, ..Waited::default() };
                for (key, wait) in standing.waits.iter() {
                    let deadline = deadline(wait.since);
                    if wait.held <= deadline && wait.held != Instant::NEVER {
                        continue;
                    }
                    if end.is_past(deadline) {
                        waited.late(&key, wait.since, u64::from(wait.event.get()), deadline);
                    } else {
                        waited.not_due += 1;
                    }
                }
                self.in_time(property, question, waited, "not settled in time", "in time")
            }
            (HowAsked::AllOrNothing(question), Ask::AllOrNothing { within, .. }) => {
                let deadline = |since| end.deadline(since, last_fault_end, *within);
                let waited = whole_in_time(standing, end, deadline);
                self.in_time(property, question, waited, "neither all nor none in time", "all or none in time")
            }
            (HowAsked::Share(share), Ask::Availability { at_least, .. }) => {
                self.availability(property, *share, *at_least)
            }
            (HowAsked::Latency(window), Ask::Latency { workload, share, at_most, .. }) => {
                self.slowness(property, *workload, *window, *share, *at_most)
            }
            (HowAsked::Eventually(_) | HowAsked::AllOrNothing(_) | HowAsked::Share(_) | HowAsked::Latency(_), _) => {
                Word::held("was never asked".to_owned())
            }
        }
    }

    fn always(&self, standing: &Standing) -> Word {
        match standing.found.as_deref() {
            Some((violation, words)) => Word {
                verdict: Verdict::Broken,
                event: Some(violation.event),
                at: Some(violation.at),
                detail: words.clone(),
                violation: None,
            },
            None if standing.asked == 0 => Word::held("was never asked: nothing it names has changed".to_owned()),
            None => Word::held(format!("held each time; asked {}", times(standing.asked))),
        }
    }

    fn conserved(&self, property: usize, formula: &Formula, bench: &Bench<'_>, troubles: &mut Vec<Trouble>) -> Word {
        match (bench.exact_number(formula), &self.state.standings[property].start) {
            (Ok(now), Some(start)) if now == *start => {
                Word::held(format!("{} is {} at the end, as at the start", formula.expr, now.words()))
            }
            (Ok(now), Some(start)) => {
                let read = read_run(bench, formula);
                let (now, start) = (now.words(), start.words());
                let detail = format!(
                    "{} is {now} at the end; it was {start} at the start{}",
                    formula.expr,
                    in_parentheses(&read)
                );
                self.broken(property, bench.now, detail, read)
            }
            (Err(error), _) => self.no_value(property, bench.now, error, troubles),
            // Without a value at the start, which is a finding of its own, there is nothing to compare with.
            (Ok(_), None) => Word::held("was never asked: it has no value at the start".to_owned()),
        }
    }

    fn at_end(&self, property: usize, formula: &Formula, bench: &Bench<'_>, troubles: &mut Vec<Trouble>) -> Word {
        match bench.holds(formula) {
            Ok(true) => {
                let read = read_run(bench, formula);
                Word::held(super::finding::stands(&formula.expr, &read))
            }
            Ok(false) => {
                let read = read_run(bench, formula);
                self.broken(property, bench.now, broken(&formula.expr, &read), read)
            }
            Err(error) => self.no_value(property, bench.now, error, troubles),
        }
    }

    fn no_value(&self, property: usize, at: Instant, error: EvalError, troubles: &mut Vec<Trouble>) -> Word {
        // Nothing to divide by is no mistake of the file's, but nor does the condition hold.
        if error != EvalError::DivisionByZero {
            troubles.push((property_words(&self.program, property, None), error));
        }
        self.broken(property, at, format!("has no value at the end: {error}"), Vec::new())
    }

    fn availability(&self, property: usize, share: usize, at_least: Ratio) -> Word {
        let share = self.state.shares[share];
        let Some(ratio) = share.ratio() else {
            return Word::held("no request sent then has an outcome".to_owned());
        };
        let percent = words::number(ratio * 100.0);
        let detail =
            format!("{percent}% of {} were ok; at least {at_least} asked", words::counted(share.answered, "request"));
        if share.is_at_least(at_least) {
            return Word::held(detail);
        }
        self.broken(property, self.state.at, detail, Vec::new())
    }

    fn slowness(
        &self,
        property: usize,
        workload: NodeRef,
        window: Option<Window>,
        share: Ratio,
        at_most: Duration,
    ) -> Word {
        let mut samples = self.state.tally.latencies(workload, window);
        let count = words::counted(samples.len() as u64, "request");
        let Some(nanos) = percentile(share, &mut samples) else {
            return Word::held("no request sent then has an outcome".to_owned());
        };
        let took = Duration::from_nanos(nanos);
        let detail = format!("{share} of {count} took {} or less; at most {at_most} asked", words::length(took));
        if took <= at_most { Word::held(detail) } else { self.broken(property, self.state.at, detail, Vec::new()) }
    }

    /// Broken at the end of the run.
    fn broken(&self, property: usize, at: Instant, detail: String, read: Vec<Reading>) -> Word {
        let violation = Violation {
            property: self.program.properties[property].name.clone(),
            class: None,
            key: None,
            event: self.state.event,
            at,
            read,
        };
        Word {
            verdict: Verdict::Broken,
            event: Some(self.state.event),
            at: Some(at),
            detail,
            violation: Some(violation),
        }
    }

    fn in_time(&self, property: usize, question: &Question, waited: Waited, late: &str, held: &str) -> Word {
        let noun = words::noun(&self.program, question.class);
        let not_due = match waited.not_due {
            0 => String::new(),
            1 => "; 1 not judged: its deadline lies beyond the end".to_owned(),
            n => format!("; {} not judged: their deadline lies beyond the end", words::grouped(n)),
        };
        let Some((since, event, key, deadline)) = waited.first else {
            let detail = match waited.all {
                0 => format!("was never asked: no {noun} began to wait for it"),
                all if all == waited.not_due => format!("no {noun} was due{not_due}"),
                all => match all - waited.not_due {
                    1 => format!("1 {noun}, {held}{not_due}"),
                    due => format!("all {} {held}{not_due}", words::counted(due, noun)),
                },
            };
            return Word::held(detail);
        };
        let read = match &self.program.properties[property].ask {
            Ask::AllOrNothing { facts, .. } => self.facts(facts, &key),
            _ => read_key(&self.program, &self.state.knowledge, question, &key),
        };
        let whose = if question.is_about_no_key() {
            format!("{late}; open since {}{}{not_due}", words::instant(since), in_parentheses(&read))
        } else {
            format!(
                "{} of {} {late}; first {}, open since {}{}{not_due}",
                words::grouped(waited.late),
                words::counted(waited.all, noun),
                words::key(&self.program, question.class, &key),
                words::instant(since),
                in_parentheses(&read),
            )
        };
        let violation = Violation {
            property: self.program.properties[property].name.clone(),
            class: question.class,
            key: (!question.is_about_no_key()).then_some(key),
            event,
            at: deadline,
            read,
        };
        Word { verdict: Verdict::Stuck, event: None, at: Some(deadline), detail: whose, violation: Some(violation) }
    }

    /// How facts that belong together stand for a key at the end.
    fn facts(&self, facts: &[crate::program::FactRef], key: &Value) -> Vec<Reading> {
        facts.iter().map(|fact| super::finding::read_fact(&self.program, &self.state.knowledge, *fact, key)).collect()
    }

    /// The extra finding, when an expression had no value.
    fn without_value(&self, at_end: &[Trouble]) -> Option<Judged> {
        let during = self.state.troubles.as_ref();
        let count = during.map_or(0, |troubles| troubles.count) + at_end.len() as u64;
        let (event, at, first) = match (during, at_end) {
            (Some(troubles), _) => (troubles.event, troubles.at, troubles.detail.clone()),
            (None, [(place, error), ..]) => (self.state.event, self.state.at, format!("{place}: {error}")),
            (None, []) => return None,
        };
        let detail = if count == 1 { first } else { format!("{first} (first of {})", words::grouped(count)) };
        Some(Judged {
            name: HAS_A_VALUE.to_owned(),
            kind: PropertyKind::Always,
            verdict: Verdict::Broken,
            event: Some(event),
            at: Some(at.nanos()),
            detail,
        })
    }
}

fn seen(standing: &Standing) -> Word {
    match standing.found.as_deref() {
        Some((violation, words)) => Word {
            verdict: Verdict::Held,
            event: Some(violation.event),
            at: Some(violation.at),
            detail: format!("first seen here: {words}"),
            violation: None,
        },
        None => Word { verdict: Verdict::NeverSeen, ..Word::held("was never true".to_owned()) },
    }
}

/// Which keys were whole at their deadlines.
fn whole_in_time(standing: &Standing, end: End, deadline: impl Fn(Instant) -> Instant) -> Waited {
    let mut whole: KeyMap<bool> = KeyMap::new();
    for (key, at, is_whole) in &standing.turns {
        let since = standing.waits.get(key).map_or(Instant::ZERO, |wait| wait.since);
        if *at <= deadline(since) {
            *whole.entry(key) = *is_whole;
        }
    }
    let mut waited = Waited { all: standing.waits.len() as u64, ..Waited::default() };
    for (key, wait) in standing.waits.iter() {
        let deadline = deadline(wait.since);
        if !end.is_past(deadline) {
            waited.not_due += 1;
        } else if !whole.get(&key).copied().unwrap_or(false) {
            waited.late(&key, wait.since, u64::from(wait.event.get()), deadline);
        }
    }
    waited
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", words::grouped(count)) }
}
