//! Where formulas about the run are worked out, while it goes on and at its end.

use sim_core::{Instant, Ratio};

use super::plan::{Fold, Formula, How, MetricPlan, Plan, Term, What};
use super::question::{Knowledge, Question};
use super::tally::{Quantile, Share, Tally, percentile, rank};
use crate::expr::{EvalError, Expr, Number};
use crate::keymap::KeyMap;
use crate::program::{EdgeCounter, EdgeRef, Program};
use crate::value::Value;

/// What has become of a formula that is asked while the run goes on.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Whether something has changed that it names.
    pub(super) stale: bool,
    /// The first event at which it was true.
    pub(super) first: Option<(u64, Instant)>,
    /// Its highest value.
    pub(super) peak: Option<f64>,
}

/// The time without a fact.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    /// When it was last recorded, or the edge of the window.
    pub(super) last: Instant,
    /// The longest time so far, in nanoseconds.
    pub(super) longest: u64,
}

/// Everything a formula can ask for.
pub(super) struct Bench<'a> {
    pub(super) program: &'a Program,
    pub(super) plan: &'a Plan,
    pub(super) knowledge: &'a Knowledge,
    pub(super) tally: &'a Tally,
    pub(super) counts: &'a [KeyMap<()>],
    pub(super) shares: &'a [Share],
    pub(super) quantiles: &'a [Quantile],
    pub(super) seen: &'a [Seen],
    pub(super) quiets: &'a [Quiet],
    /// What is known of keys inside each window; only at the end.
    pub(super) windows: &'a [Knowledge],
    /// The metrics worked out so far; only at the end, else each is worked out as it is named.
    pub(super) worked: Option<&'a [Option<f64>]>,
    /// Now, or the end of the run.
    pub(super) now: Instant,
    /// Up to when there is a run: now, or its `until` even where nothing happens any more before that.
    pub(super) length: Instant,
}

/// An expression that has no value, and where it stands.
pub(super) type Trouble = (String, EvalError);

impl<'a> Bench<'a> {
    /// A formula in floats, as metrics are.
    pub(super) fn number(&self, formula: &Formula) -> Result<Number, EvalError> {
        self.floats(&formula.expr, formula.window)
    }

    /// An expression in floats.
    pub(super) fn floats(&self, expr: &Expr<Term>, window: Option<usize>) -> Result<Number, EvalError> {
        let mut failed = None;
        let number = expr.eval_number(&mut |term, cell| {
            self.worth(term.what, cell, window).unwrap_or_else(|error| {
                failed = Some(error);
                Number::Null
            })
        });
        failed.map_or(number, Err)
    }

    /// The key of a cell in a formula.
    pub(super) fn key(&self, expr: &Expr<Term>, window: Option<usize>) -> Result<Value, EvalError> {
        Ok(match self.floats(expr, window)? {
            Number::Null => Value::Null,
            Number::Float(number) => Value::Int(number as i64),
            Number::Text(text) => Value::Text(text),
        })
    }

    /// A formula of whole numbers, which cannot lose any.
    pub(super) fn whole(&self, formula: &Formula) -> Result<Value, EvalError> {
        let mut failed = None;
        let value = formula.expr.eval(&mut |term, cell| {
            self.exact(term.what, cell, formula.window).unwrap_or_else(|error| {
                failed = Some(error);
                Value::Null
            })
        });
        failed.map_or(value, Err)
    }

    /// The same, in floats where it must be.
    pub(super) fn exact_number(&self, formula: &Formula) -> Result<ExactNumber, EvalError> {
        if formula.integral {
            return self.whole(formula).map(ExactNumber::Whole);
        }
        self.number(formula).map(ExactNumber::Float)
    }

    /// Whether a formula holds.
    pub(super) fn holds(&self, formula: &Formula) -> Result<bool, EvalError> {
        match self.number(formula)? {
            Number::Null => Ok(false),
            Number::Float(number) => Ok(number != 0.0),
            Number::Text(_) => Err(EvalError::Text),
        }
    }

    fn exact(&self, what: What, cell: Option<&Value>, window: Option<usize>) -> Result<Value, EvalError> {
        let whole = |number: u64| i64::try_from(number).map(Value::Int).map_err(|_| EvalError::Overflow);
        match what {
            What::Counter(place) => whole(self.tally.counter(place, window)),
            What::Gauge(node, gauge) => Ok(Value::Int(gauge.of(self.tally.until(window).gauges[node.0 as usize]))),
            What::Breaker(edge) => Ok(Value::from(self.tally.until(window).breaker(edge).name())),
            What::Unanswered(node) => whole(self.unanswered(node, window)),
            What::Count(count) => whole(self.count(count, window)?),
            What::Total(fact) => Ok(Value::Int(self.tally.total(fact.0 as usize, window))),
            What::Cell(map) => Ok(cell.map_or(Value::Null, |key| self.knowledge(window).cell(map, key).clone())),
            What::Share(_)
            | What::Percentile(..)
            | What::Metric(_)
            | What::Oldest(_)
            | What::Now
            | What::Wasted(_)
            | What::Doubted(_)
            | What::PerSecond(_)
            | What::Amplification(_) => Ok(Value::Null),
        }
    }

    /// What a name is worth in floats; lengths of time and instants in seconds.
    pub(super) fn worth(&self, what: What, cell: Option<&Value>, window: Option<usize>) -> Result<Number, EvalError> {
        let maybe = |number: Option<f64>| Ok(number.map_or(Number::Null, Number::Float));
        match what {
            What::Counter(_)
            | What::Gauge(..)
            | What::Breaker(_)
            | What::Unanswered(_)
            | What::Count(_)
            | What::Total(_)
            | What::Cell(_) => Ok(Number::from(&self.exact(what, cell, window)?)),
            What::Share(share) => maybe(self.shares[share].ratio()),
            What::Wasted(node) => {
                let bounds = window.map(|window| (window, self.plan.windows[window]));
                maybe(Some(self.tally.wasted(node, bounds, self.now) as f64 / 1e9))
            }
            What::Doubted(node) => {
                let window = window.map(|window| (window, self.plan.windows[window]));
                maybe(Some(self.tally.in_doubt_time(node, window, self.now)))
            }
            What::PerSecond(place) => {
                let seconds = self.seconds(window).filter(|seconds| *seconds > 0.0);
                maybe(seconds.map(|seconds| self.tally.counter(place, window) as f64 / seconds))
            }
            What::Amplification(edge) => maybe(self.amplification(edge, window)),
            What::Percentile(_, _, Some(kept)) => maybe(self.quantiles[kept].value().map(|nanos| nanos as f64 / 1e9)),
            What::Percentile(workload, share, None) => {
                let window = window.map(|window| self.plan.windows[window]);
                let nanos = percentile(share, &mut self.tally.latencies(workload, window));
                maybe(nanos.map(|nanos| nanos as f64 / 1e9))
            }
            What::Metric(metric) => match self.worked {
                Some(worked) => maybe(worked[metric]),
                None => maybe(self.metric(metric)?),
            },
            What::Oldest(queue) => {
                let since = self.tally.until(window).oldest[queue.0 as usize];
                let at = window.map_or(self.now, |window| self.plan.windows[window].end.min(self.now));
                Ok(Number::Float(since.map_or(0.0, |since| at.since(since).as_secs_f64())))
            }
            What::Now => Ok(Number::Float(self.now.as_secs_f64())),
        }
    }

    /// What is known of keys, inside a window when that was kept.
    fn knowledge(&self, window: Option<usize>) -> &Knowledge {
        window.and_then(|window| self.windows.get(window)).unwrap_or(self.knowledge)
    }

    /// Calls of an edge for each request that asked for one; none where none did.
    fn amplification(&self, edge: EdgeRef, window: Option<usize>) -> Option<f64> {
        let nodes = self.tally.samples.len();
        let counted = |counter| self.tally.counter(super::tally::edge_place(nodes, edge, counter), window);
        let [calls, asked] = [EdgeCounter::Calls, EdgeCounter::Amplification].map(counted);
        (asked > 0).then(|| calls as f64 / asked as f64)
    }

    fn unanswered(&self, node: crate::program::NodeRef, window: Option<usize>) -> u64 {
        use crate::program::NodeCounter::Requests;
        let requested = super::tally::node_place(node, Requests).map_or(0, |place| self.tally.counter(place, window));
        let window = window.map(|window| self.plan.windows[window]);
        let finished = self.tally.samples[node.0 as usize].iter();
        let finished = finished.filter(|sample| window.is_none_or(|window| window.contains(sample.since))).count();
        requested.saturating_sub(finished as u64)
    }

    fn count(&self, count: usize, window: Option<usize>) -> Result<u64, EvalError> {
        let plan = &self.plan.counts[count];
        if window.is_none() && !plan.lives.is_empty() {
            return Ok(self.counts[count].len() as u64);
        }
        self.knowledge(window).count(&plan.question)
    }

    /// The first key that a name counts, if it counts keys and there are any, with what it is counted by.
    pub(super) fn first_counted(&self, what: What, window: Option<usize>) -> Option<(&Knowledge, &Question, Value)> {
        let (count, window) = match what {
            What::Count(count) => (count, window),
            What::Metric(metric) => match &self.plan.metrics[metric] {
                MetricPlan { how: How::Count(count), window } => (*count, *window),
                _ => return None,
            },
            _ => return None,
        };
        let (knowledge, question) = (self.knowledge(window), &self.plan.counts[count].question);
        let key = knowledge.keys(question).into_iter().find(|key| knowledge.holds(question, key) == Ok(true))?;
        Some((knowledge, question, key))
    }

    /// A metric; none when it has no value.
    pub(super) fn metric(&self, metric: usize) -> Result<Option<f64>, EvalError> {
        let plan = &self.plan.metrics[metric];
        let value = match &plan.how {
            How::Count(count) => self.count(*count, plan.window).map(|count| Some(count as f64)),
            How::Over(fold, question, filter) => self.over(*fold, question, filter.as_ref(), plan.window),
            How::Value(formula) => self.number(formula).map(|number| number.as_f64()),
            How::Rate(formula) => {
                let seconds = self.seconds(plan.window);
                self.number(formula).map(|number| Some(number.as_f64()? / seconds?))
            }
            How::First(live) => Ok(self.seen[*live].first.map(|(_, at)| at.as_secs_f64())),
            How::Peak(live) => self.peak(*live),
            How::Gap(gap) => Ok(self.gap(*gap)),
            How::Circular => Ok(None),
        };
        match value {
            Err(EvalError::DivisionByZero) => Ok(None),
            value => value.map(|number| number.filter(|number| number.is_finite())),
        }
    }

    fn over(
        &self,
        fold: Fold,
        question: &Question,
        filter: Option<&Question>,
        window: Option<usize>,
    ) -> Result<Option<f64>, EvalError> {
        let knowledge = self.knowledge(window);
        let mut values = Vec::new();
        for key in knowledge.keys(question) {
            if filter.map_or(Ok(true), |filter| knowledge.holds(filter, &key))? {
                match knowledge.number(question, &key)? {
                    Number::Null => {}
                    Number::Float(number) => values.push(number),
                    Number::Text(_) => return Err(EvalError::Text),
                }
            }
        }
        Ok(fold.of(&mut values))
    }

    /// How long the run was, or the part of a window that it has reached.
    fn seconds(&self, window: Option<usize>) -> Option<f64> {
        let (begin, end) = match window.map(|window| self.plan.windows[window]) {
            Some(window) => (window.begin, window.end.min(self.length)),
            None => (Instant::ZERO, self.length),
        };
        let seconds = end.since(begin).as_secs_f64();
        (seconds > 0.0).then_some(seconds)
    }

    /// The highest value; when nothing has changed in a window, the value that stood there.
    fn peak(&self, live: usize) -> Result<Option<f64>, EvalError> {
        let formula = &self.plan.lives[live].formula;
        let begun = formula.window.is_none_or(|window| self.plan.windows[window].begin <= self.now);
        match self.seen[live].peak {
            // An age is at its peak when it ends, or now.
            Some(peak)
                if begun
                    && matches!(formula.expr.kind, crate::expr::Kind::Name(Term { what: What::Oldest(_), .. })) =>
            {
                Ok(self.number(formula)?.as_f64().map(|now| now.max(peak)))
            }
            Some(peak) => Ok(Some(peak)),
            None if begun => Ok(self.number(formula)?.as_f64()),
            None => Ok(None),
        }
    }

    fn gap(&self, gap: usize) -> Option<f64> {
        let window = self.plan.gaps[gap].1.map(|window| self.plan.windows[window]);
        let edge = window.map_or(self.now, |window| window.end.min(self.now));
        let Quiet { last, longest } = self.quiets[gap];
        if window.is_some_and(|window| edge < window.begin) {
            return None;
        }
        Some(longest.max(edge.since(last).nanos()) as f64 / 1e9)
    }
}

/// A number that is only a float where it must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ExactNumber {
    Whole(Value),
    Float(Number),
}

impl ExactNumber {
    pub(super) fn words(&self) -> String {
        match self {
            ExactNumber::Whole(value) => super::words::value(value),
            ExactNumber::Float(Number::Float(number)) => super::words::number(*number),
            ExactNumber::Float(Number::Null) => "null".to_owned(),
            ExactNumber::Float(Number::Text(text)) => super::words::value(&Value::Text(text.clone())),
        }
    }
}

impl Fold {
    /// One value from many; none from none, but for a sum, which is nothing.
    fn of(self, values: &mut [f64]) -> Option<f64> {
        let sum = |values: &[f64]| values.iter().sum::<f64>() + 0.0;
        match self {
            Fold::Sum => Some(sum(values)),
            _ if values.is_empty() => None,
            Fold::Max => values.iter().copied().max_by(f64::total_cmp),
            Fold::Min => values.iter().copied().min_by(f64::total_cmp),
            Fold::Mean => Some(sum(values) / values.len() as f64),
            Fold::Percentile(share) => {
                values.sort_unstable_by(f64::total_cmp);
                Some(values[rank(share, values.len()) - 1])
            }
        }
    }
}

/// The shares of a report's percentiles.
pub(super) fn thousandths(thousandths: u64) -> Ratio {
    Ratio::new(thousandths, 1000).unwrap_or(Ratio::ONE)
}
