//! An estimate: a number that says how far the truth may lie from it, how that was worked out, and of how much.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// How often an interval is to cover the truth: a share above 0 and below 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// Nineteen times of twenty, where nobody says otherwise.
    pub const USUAL: Confidence = Confidence(0.95);

    /// Such as 0.95; none unless it lies between 0 and 1.
    pub const fn new(share: f64) -> Option<Confidence> {
        if share > 0.0 && share < 1.0 { Some(Confidence(share)) } else { None }
    }

    /// The share itself.
    pub const fn share(self) -> f64 {
        self.0
    }

    /// What is left on each side of an interval with two ends.
    pub fn tail(self) -> f64 {
        (1.0 - self.0) / 2.0
    }

    /// What each of so many intervals needs for all of them to cover their truths at once (Bonferroni).
    pub fn shared_among(self, intervals: usize) -> Confidence {
        Confidence(1.0 - (1.0 - self.0) / intervals.max(1) as f64)
    }
}

/// How an estimate and its interval were worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Counted, or worked out exactly: there is nothing to be unsure of.
    Exact,
    /// A share of independent trials: Clopper and Pearson's, exact.
    ClopperPearson,
    /// A share of independent trials: Wilson's, approximate.
    Wilson,
    /// A share of which no hit was seen: one-sided, exact.
    RuleOfThree,
    /// A mean over independent replications: Student's t.
    Replications,
    /// A mean over one dependent series: Student's t over the means of its batches.
    BatchMeans,
    /// A quantile of independent values: two of them, chosen by the binomial distribution; exact.
    OrderStatistics,
    /// A quantile of one dependent series: Student's t over the quantiles of its batches.
    BatchQuantiles,
    /// A quantile of the requests of many runs: Woodruff's, by how its share varies between sections of the runs.
    Sections,
    /// Events in a length of time or so: Garwood's, exact under Poisson's law.
    Poisson,
    /// What few events of unequal weight come to, alone or beside what is known from replications: Fay and Feuer's
    /// gamma intervals and Student's t, joined by MOVER.
    Compound,
    /// A ratio of two means over independent replications: the jackknife with Student's t.
    Ratio,
    /// The mean of differences between runs of the same seeds: Student's t.
    Paired,
    /// The difference of two shares of the same trials: Tango's, approximate.
    Tango,
    /// The difference of means of runs that have no seeds in common: Welch's t.
    Unpaired,
}

impl Method {
    /// As JSON and reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Exact => "exact",
            Method::ClopperPearson => "clopper-pearson",
            Method::Wilson => "wilson",
            Method::RuleOfThree => "rule-of-three",
            Method::Replications => "replications",
            Method::BatchMeans => "batch-means",
            Method::OrderStatistics => "order-statistics",
            Method::BatchQuantiles => "batch-quantiles",
            Method::Sections => "sections",
            Method::Poisson => "poisson",
            Method::Compound => "compound",
            Method::Ratio => "ratio",
            Method::Paired => "paired",
            Method::Tango => "tango",
            Method::Unpaired => "unpaired",
        }
    }
}

/// A value with its interval. In JSON: `{"value": …, "lo": …, "hi": …, "method": "…", "n": …}`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The best guess; none without a sample.
    pub value: Option<f64>,
    /// The lower end of the interval; none where the sample gives none.
    pub lo: Option<f64>,
    /// The upper end of the interval; none where the sample gives none.
    pub hi: Option<f64>,
    /// How it was worked out.
    pub method: Method,
    /// How many independent things it was worked out from; batches count as what they were made of.
    pub n: u64,
}

impl Estimate {
    /// No sample: no value and no interval.
    pub fn none(method: Method) -> Estimate {
        Estimate { value: None, lo: None, hi: None, method, n: 0 }
    }

    /// A value that is as it is.
    pub fn exact(value: f64, n: u64) -> Estimate {
        Estimate { value: Some(value), lo: Some(value), hi: Some(value), method: Method::Exact, n }
    }

    /// A value in the middle of its interval.
    pub fn around(value: f64, half: f64, method: Method, n: u64) -> Estimate {
        Estimate { value: Some(value), lo: Some(value - half), hi: Some(value + half), method, n }
    }

    /// Half the width of the interval; none where an end is missing.
    pub fn half_width(&self) -> Option<f64> {
        Some((self.hi? - self.lo?) / 2.0)
    }

    /// The same, of what is known to lie between two numbers: no end of the interval is beyond them.
    pub fn within(self, least: f64, most: f64) -> Estimate {
        let kept = |end: Option<f64>| end.map(|end| end.clamp(least, most));
        Estimate { lo: kept(self.lo), hi: kept(self.hi), ..self }
    }

    /// Whether the interval covers a number; an end that is missing excludes nothing.
    pub fn covers(&self, truth: f64) -> bool {
        self.lo.is_none_or(|lo| lo <= truth) && self.hi.is_none_or(|hi| truth <= hi)
    }
}

impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Estimate", 5)?;
        members.serialize_field("value", &self.value)?;
        members.serialize_field("lo", &self.lo)?;
        members.serialize_field("hi", &self.hi)?;
        members.serialize_field("method", self.method.name())?;
        members.serialize_field("n", &self.n)?;
        members.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_written_with_all_it_knows() {
        let written = |estimate: Estimate| serde_json::to_string(&estimate).unwrap();
        assert_eq!(
            written(Estimate::around(2.0, 0.5, Method::Replications, 30)),
            r#"{"value":2.0,"lo":1.5,"hi":2.5,"method":"replications","n":30}"#
        );
        assert_eq!(
            written(Estimate::none(Method::Wilson)),
            r#"{"value":null,"lo":null,"hi":null,"method":"wilson","n":0}"#
        );
    }

    #[test]
    fn what_is_missing_excludes_nothing() {
        let open = Estimate { hi: None, ..Estimate::around(2.0, 0.5, Method::OrderStatistics, 9) };
        assert!(open.covers(1e9) && !open.covers(1.4));
        assert_eq!(open.half_width(), None);
    }

    #[test]
    fn several_intervals_share_what_may_go_wrong() {
        assert_eq!(Confidence::new(1.0), None);
        assert!((Confidence::USUAL.shared_among(5).share() - 0.99).abs() < 1e-12);
        assert!((Confidence::USUAL.tail() - 0.025).abs() < 1e-12);
    }
}
