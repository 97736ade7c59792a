//! What can be read off every run of a scenario, by name: its own metrics, and those that every scenario has.

use crate::judge::{Latency, Requests};
use crate::problem::did_you_mean;
use crate::program::Program;
use crate::scenario::Run;

/// Something that every run of a configuration has a number for, or says that it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name: that of a scenario's metric, of a counter such as `gateway.calls`, or one of [`EVERYWHERE`].
    pub name: String,
    /// What its numbers are.
    pub unit: Unit,
    what: What,
}

/// What numbers are, for showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Shares between 0 and 1.
    Share,
    /// Differences of shares.
    Points,
    /// Milliseconds.
    Millis,
    /// Counts or whatever the file says; the text is its unit, or empty.
    Plain(String),
}

/// Where the number of a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Failing,
    Availability,
    /// In thousandths.
    Latency(u32),
    Unanswered,
    Calls,
    Own(String),
    Counter(String),
}

/// The metrics that every scenario has, unless it has one of its own by that name.
pub const EVERYWHERE: [(&str, &str); 8] = [
    ("failing", "the share of runs that fail: broken, stuck or panicked"),
    ("availability", "the share of a run's requests that are ok, of those with an outcome"),
    ("p50", "latency that half of all requests do not exceed, from when they were to begin"),
    ("p90", "the same of 90 % of them"),
    ("p99", "the same of 99 % of them"),
    ("p999", "the same of 99.9 % of them"),
    ("unanswered", "requests of a run without an outcome at its end"),
    ("calls", "what services and stores were asked in a run: the load"),
];

impl Metric {
    /// The metric of that name.
    ///
    /// # Errors
    /// When there is none: what was probably meant, or what there is.
    pub fn named(name: &str, program: &Program) -> Result<Metric, String> {
        let metric = |what, unit| Ok(Metric { name: name.to_owned(), unit, what });
        if let Some(own) = program.metrics.iter().find(|metric| metric.name == name) {
            return metric(What::Own(name.to_owned()), Unit::Plain(own.unit.clone()));
        }
        match name {
            "failing" => metric(What::Failing, Unit::Share),
            "availability" => metric(What::Availability, Unit::Share),
            "p50" => metric(What::Latency(500), Unit::Millis),
            "p90" => metric(What::Latency(900), Unit::Millis),
            "p99" => metric(What::Latency(990), Unit::Millis),
            "p999" => metric(What::Latency(999), Unit::Millis),
            "unanswered" => metric(What::Unanswered, Unit::Plain("requests".to_owned())),
            "calls" => metric(What::Calls, Unit::Plain(String::new())),
            counter if crate::judge::counter_names(program).any(|known| known == counter) => {
                metric(What::Counter(counter.to_owned()), Unit::Plain(String::new()))
            }
            unknown => Err(unknown_metric(unknown, program)),
        }
    }

    /// What is looked at when nobody says what: whether runs fail and the scenario's own metrics, then what that costs.
    pub fn usual(program: &Program) -> Vec<Metric> {
        let own = program.metrics.iter().map(|metric| metric.name.as_str());
        let names = ["failing"].into_iter().chain(own).chain(["availability", "p50", "p99", "calls"]);
        let mut metrics: Vec<Metric> = Vec::new();
        for name in names {
            if metrics.iter().all(|known| known.name != name) {
                metrics.extend(Metric::named(name, program).ok());
            }
        }
        metrics
    }

    /// The share of a quantile of latency, in thousandths; none for anything else.
    ///
    /// Quantiles are not averaged over runs: the latencies of all runs are put together first.
    pub fn latency_thousandths(&self) -> Option<u32> {
        match self.what {
            What::Latency(thousandths) => Some(thousandths),
            _ => None,
        }
    }

    /// Whether it is a yes or no of each run.
    pub fn is_yes_or_no(&self) -> bool {
        self.what == What::Failing
    }

    /// Its name, and its unit where that is one of the file's.
    pub fn title(&self) -> String {
        match &self.unit {
            Unit::Plain(unit) if !unit.is_empty() && *unit != self.name => format!("{} ({unit})", self.name),
            _ => self.name.clone(),
        }
    }

    /// Whether it is what something costs: time or load.
    pub fn is_cost(&self) -> bool {
        matches!(self.what, What::Latency(_) | What::Calls)
    }

    /// Whether it is the share of requests that are ok.
    pub fn is_availability(&self) -> bool {
        self.what == What::Availability
    }

    /// Its number in a run; none when the run has none: nothing to divide by, no request with an outcome, never true.
    pub fn of(&self, run: &Run) -> Option<f64> {
        match &self.what {
            What::Failing => Some(f64::from(u8::from(run.outcome.verdict.is_failure()))),
            What::Availability => availability(&run.requests),
            What::Latency(thousandths) => percentile(&run.latency, *thousandths),
            What::Unanswered => Some(run.requests.unanswered as f64),
            What::Calls => Some(calls(run) as f64),
            What::Own(name) => run.metrics.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value),
            What::Counter(name) => run.counters.iter().find(|(known, _)| known == name).map(|(_, count)| *count as f64),
        }
    }
}

fn availability(requests: &Requests) -> Option<f64> {
    requests.availability
}

fn percentile(latency: &Latency, thousandths: u32) -> Option<f64> {
    match thousandths {
        500 => latency.p50,
        900 => latency.p90,
        990 => latency.p99,
        _ => latency.p999,
    }
}

/// Requests and operations that arrived anywhere, first tries and later ones.
fn calls(run: &Run) -> u64 {
    let at_nodes = run.counters.iter().filter(|(name, _)| name.ends_with(".calls") && !name.contains("->"));
    at_nodes.map(|(_, count)| count).sum()
}

fn unknown_metric(name: &str, program: &Program) -> String {
    let own = || program.metrics.iter().map(|metric| metric.name.as_str());
    let everywhere = || EVERYWHERE.iter().map(|(name, _)| *name);
    let counters: Vec<String> = crate::judge::counter_names(program).collect();
    let guess = did_you_mean(name, own().chain(everywhere()).chain(counters.iter().map(String::as_str)));
    let known = own().chain(everywhere()).collect::<Vec<_>>().join(", ");
    let rest = if guess.is_empty() { format!("; there are {known}, and counters such as node.calls") } else { guess };
    format!("no metric \"{name}\"{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Choices;

    fn checkout() -> crate::scenario::Model {
        let scenario = crate::builtin::scenario("checkout").unwrap().unwrap();
        scenario.model(&Choices::none().set("orders", "50")).unwrap()
    }

    #[test]
    fn every_usual_metric_has_a_number_in_a_run_of_the_checkout() {
        let model = checkout();
        let run = model.run(sim_core::Seed(0), sim_core::Stop::AtEnd);
        let named: Vec<_> =
            Metric::usual(model.program()).into_iter().map(|metric| (metric.name.clone(), metric.of(&run))).collect();
        assert!(named.iter().all(|(_, value)| value.is_some()), "{named:?}");
        assert_eq!(named[0].0, "failing");
        assert!(named.iter().any(|(name, _)| name == "double_charged"));
        let calls = Metric::named("calls", model.program()).unwrap().of(&run).unwrap();
        let gateway = Metric::named("gateway.calls", model.program()).unwrap().of(&run).unwrap();
        assert!(calls > gateway && gateway >= 50.0, "{calls} calls, {gateway} of them at the gateway");
    }

    #[test]
    fn every_name_that_is_listed_is_there() {
        let model = checkout();
        for (name, _) in EVERYWHERE {
            assert_eq!(Metric::named(name, model.program()).unwrap().name, name);
        }
    }

    #[test]
    fn a_metric_that_is_not_there_says_what_is() {
        let model = checkout();
        let said = |name| Metric::named(name, model.program()).unwrap_err();
        assert_eq!(said("double_chraged"), "no metric \"double_chraged\"; did you mean \"double_charged\"?");
        assert!(said("xyzzy").starts_with("no metric \"xyzzy\"; there are double_charged, "), "{}", said("xyzzy"));
        assert_eq!(said("gatway.calls"), "no metric \"gatway.calls\"; did you mean \"gateway.calls\"?");
    }
}
