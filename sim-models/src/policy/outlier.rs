//! Outlier detection: a caller takes those that fail out of its list for a while, each caller by what it has seen itself.

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::profile::{Kind, Parameter, Profile};
use super::settings::{Setting, Settings};

/// How it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    consecutive_5xx: u32,
    consecutive_gateway_failure: u32,
    interval: Duration,
    base: Duration,
    longest: Duration,
    jitter: Duration,
    most: Ratio,
    /// By what was found: how often that counts.
    enforced: [Ratio; 4],
    success_rate: Volume,
    /// In thousandths.
    stdev_factor: u32,
    failure_percentage: Volume,
    failure_threshold: Ratio,
    always_one: bool,
    panic: Ratio,
}

/// From how many hosts, each with how many requests in an interval, a rate is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Volume {
    hosts: u32,
    requests: u32,
}

/// Why somebody is taken out of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Found {
    /// So many 5xx in a row.
    Consecutive5xx,
    /// So many of 502, 503 and 504 in a row.
    ConsecutiveGatewayFailure,
    /// It succeeds much less often than the others.
    SuccessRate,
    /// It fails too often, whatever the others do.
    FailurePercentage,
}

/// What came of a request, as an HTTP proxy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Anything below 500, what is refused for a reason of the business included.
    Below500,
    /// 500 and its kin.
    ServerError,
    /// 502, 503, 504: also what a proxy answers for itself, when it cannot connect, is reset, or waits too long.
    GatewayError,
}

/// What a caller has seen of those that it may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outlier {
    #[serde(skip)]
    rule: Rule,
    /// When it looks at all of them again.
    sweep: Instant,
    hosts: Vec<Host>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Host {
    /// Whether it is on the list at all.
    member: bool,
    consecutive_5xx: u32,
    consecutive_gateway: u32,
    /// Since the last sweep.
    requests: u32,
    successes: u32,
    ejected: Option<Instant>,
    jitter: Duration,
    /// How many times the base it is out for.
    times: u32,
}

impl Rule {
    /// What the settings of a profile say.
    pub fn of(settings: &Settings) -> Option<Rule> {
        let count = |name| settings.count(name);
        (settings.profile().kind == Kind::Outlier).then(|| Rule {
            consecutive_5xx: count("consecutive_5xx"),
            consecutive_gateway_failure: count("consecutive_gateway_failure"),
            interval: settings.length("interval"),
            base: settings.length("base_ejection_time"),
            longest: settings.length("max_ejection_time").max(settings.length("base_ejection_time")),
            jitter: settings.length("max_ejection_time_jitter"),
            most: settings.ratio("max_ejection_percent"),
            enforced: [
                "enforcing_consecutive_5xx",
                "enforcing_consecutive_gateway_failure",
                "enforcing_success_rate",
                "enforcing_failure_percentage",
            ]
            .map(|name| settings.ratio(name)),
            success_rate: Volume {
                hosts: count("success_rate_minimum_hosts"),
                requests: count("success_rate_request_volume"),
            },
            stdev_factor: count("success_rate_stdev_factor"),
            failure_percentage: Volume {
                hosts: count("failure_percentage_minimum_hosts"),
                requests: count("failure_percentage_request_volume"),
            },
            failure_threshold: settings.ratio("failure_percentage_threshold"),
            always_one: settings.is("always_eject_one_host"),
            panic: settings.ratio("healthy_panic_threshold"),
        })
    }

    fn enforces(&self, found: Found, draw: &mut dyn FnMut(u64) -> u64) -> bool {
        let share = self.enforced[found as usize].parts();
        // As its runtime feature flags have it: a number below a hundred, drawn where it can matter.
        share == Ratio::ONE.parts() || share > 0 && draw(Ratio::ONE.parts()) < share
    }
}

impl Outlier {
    /// Nothing seen yet of so many, at the start of whoever asks them.
    pub fn new(rule: Rule, hosts: usize, now: Instant) -> Self {
        Outlier { rule, sweep: now + rule.interval, hosts: vec![Host::default(); hosts] }
    }

    /// Says who is on the list now, by place; to be said before each question. Whoever has left the list and come back is a new host,
    /// of which nothing is known.
    #[inline]
    pub fn lists(&mut self, members: impl Iterator<Item = bool>) {
        for (host, is_there) in self.hosts.iter_mut().zip(members) {
            if host.member != is_there {
                *host = Host { member: is_there, ..Host::default() };
            }
        }
    }

    /// Whether its timer has something to do by now.
    #[inline]
    pub fn is_due(&self, now: Instant) -> bool {
        self.sweep <= now
    }

    /// Does what its timer has done until now. Whom it takes out for its rate is told to `ejects`; `draw` gives a number below another.
    pub fn look(&mut self, now: Instant, draw: &mut dyn FnMut(u64) -> u64, ejects: &mut dyn FnMut(usize, Found)) {
        while self.is_due(now) {
            let at = self.sweep;
            self.sweep = at + self.rule.interval;
            self.sweep_at(at, draw, ejects);
            if self.hosts.iter().all(Host::is_quiet) {
                // Nothing changes until somebody is asked again.
                let past = now.since(at).nanos() / self.rule.interval.nanos().max(1);
                self.sweep = at + self.rule.interval.saturating_mul(past + 1);
            }
        }
    }

    fn sweep_at(&mut self, at: Instant, draw: &mut dyn FnMut(u64) -> u64, ejects: &mut dyn FnMut(usize, Found)) {
        let rule = self.rule;
        for host in &mut self.hosts {
            match host.ejected {
                // Another interval in which it was not taken out.
                None => host.times = host.times.saturating_sub(1),
                Some(since) => {
                    let out = rule.base.saturating_mul(u64::from(host.times)).min(rule.longest);
                    if out.saturating_add(host.jitter) <= at.since(since) {
                        (host.ejected, host.consecutive_5xx, host.consecutive_gateway) = (None, 0, 0);
                    }
                }
            }
        }
        let counts: Vec<(u32, u32)> = self
            .hosts
            .iter_mut()
            .map(|host| (std::mem::take(&mut host.requests), std::mem::take(&mut host.successes)))
            .collect();
        for (found, volume) in
            [(Found::SuccessRate, rule.success_rate), (Found::FailurePercentage, rule.failure_percentage)]
        {
            let heard =
                |place: &usize| self.hosts[*place].ejected.is_none() && counts[*place].0 >= volume.requests.max(1);
            let rates: Vec<(usize, f64)> = (0..self.hosts.len())
                .filter(heard)
                .map(|place| (place, 100.0 * f64::from(counts[place].1) / f64::from(counts[place].0)))
                .collect();
            if rates.is_empty() || rates.len() < volume.hosts as usize {
                continue;
            }
            let least = rule.least(found, &rates);
            for (place, rate) in rates {
                let bad = match found {
                    Found::FailurePercentage => 100.0 - rate >= least,
                    _ => rate < least,
                };
                if bad && self.eject(place, found, at, draw) {
                    ejects(place, found);
                }
            }
        }
    }

    /// What came of a request to the one at this place; why it is taken out of the list because of it, if it is.
    #[inline]
    pub fn saw(
        &mut self,
        place: usize,
        answer: Answer,
        now: Instant,
        draw: &mut dyn FnMut(u64) -> u64,
    ) -> Option<Found> {
        let host = self.hosts.get_mut(place)?;
        host.requests = host.requests.saturating_add(1);
        if answer == Answer::Below500 {
            host.successes = host.successes.saturating_add(1);
            (host.consecutive_5xx, host.consecutive_gateway) = (0, 0);
            return None;
        }
        self.saw_failure(place, answer, now, draw)
    }

    #[inline(never)]
    fn saw_failure(
        &mut self,
        place: usize,
        answer: Answer,
        now: Instant,
        draw: &mut dyn FnMut(u64) -> u64,
    ) -> Option<Found> {
        let rule = &self.rule;
        let host = self.hosts.get_mut(place)?;
        host.consecutive_gateway =
            if answer == Answer::GatewayError { host.consecutive_gateway.saturating_add(1) } else { 0 };
        host.consecutive_5xx = host.consecutive_5xx.saturating_add(1);
        // At that number and not from it on: a number that was passed while it was out does not count again.
        let in_gateway = answer == Answer::GatewayError && host.consecutive_gateway == rule.consecutive_gateway_failure;
        let in_5xx = host.consecutive_5xx == rule.consecutive_5xx;
        let gateway = in_gateway.then_some(Found::ConsecutiveGatewayFailure);
        let mut found = gateway.into_iter().chain(in_5xx.then_some(Found::Consecutive5xx));
        found.find(|found| self.found_in_a_row(place, *found, now, draw))
    }

    fn found_in_a_row(&mut self, place: usize, found: Found, now: Instant, draw: &mut dyn FnMut(u64) -> u64) -> bool {
        if self.hosts[place].ejected.is_some() {
            return false;
        }
        let ejected = self.eject(place, found, now, draw);
        let host = &mut self.hosts[place];
        // So that another row is found though nothing good came between.
        *(if found == Found::Consecutive5xx { &mut host.consecutive_5xx } else { &mut host.consecutive_gateway }) = 0;
        ejected
    }

    fn eject(&mut self, place: usize, found: Found, now: Instant, draw: &mut dyn FnMut(u64) -> u64) -> bool {
        let rule = self.rule;
        let members = self.hosts.iter().filter(|host| host.member).count() as u64;
        let out = self.hosts.iter().filter(|host| host.member && host.ejected.is_some()).count() as u64;
        let may =
            u128::from(out + 1) * u128::from(Ratio::ONE.parts()) <= u128::from(members) * u128::from(rule.most.parts());
        if !(may || rule.always_one && out == 0) || !rule.enforces(found, draw) {
            return false;
        }
        let host = &mut self.hosts[place];
        host.ejected = Some(now);
        host.jitter = match rule.jitter.nanos() {
            0 => Duration::ZERO,
            most => Duration::from_nanos(draw(most.saturating_add(1))),
        };
        if rule.base.saturating_mul(u64::from(host.times)) < rule.longest.saturating_add(rule.base) {
            host.times += 1;
        }
        true
    }

    /// Whether the one at this place is out.
    pub fn is_out(&self, place: usize) -> bool {
        self.hosts.get(place).is_some_and(|host| host.member && host.ejected.is_some())
    }

    /// Whether anybody is left out: somebody is out, and not so many that all are asked.
    #[inline]
    pub fn leaves_out(&self) -> bool {
        self.hosts.iter().any(|host| host.ejected.is_some()) && !self.panics()
    }

    /// Whether so many are out that all are asked, those that are out too: fewer than the panic threshold of them are left.
    #[inline(never)]
    pub fn panics(&self) -> bool {
        let out = self.hosts.iter().filter(|host| host.member && host.ejected.is_some()).count() as u128;
        if out == 0 {
            return false;
        }
        let members = self.hosts.iter().filter(|host| host.member).count() as u128;
        (members - out) * u128::from(Ratio::ONE.parts()) < members * u128::from(self.rule.panic.parts())
    }

    /// The places of those that are out, and since when.
    pub fn out(&self) -> impl Iterator<Item = (usize, Instant)> {
        let out = |(place, host): (usize, &Host)| Some((place, host.ejected?)).filter(|_| host.member);
        self.hosts.iter().enumerate().filter_map(out)
    }
}

impl Host {
    /// Whether no sweep changes it.
    fn is_quiet(&self) -> bool {
        self.ejected.is_none() && self.times == 0 && self.requests == 0
    }
}

impl Rule {
    /// Below what success rate, or from what failure percentage on, somebody is taken out.
    fn least(&self, found: Found, rates: &[(usize, f64)]) -> f64 {
        if found == Found::FailurePercentage {
            return 100.0 * self.failure_threshold.as_f64();
        }
        let count = rates.len() as f64;
        let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
        let variance = rates.iter().map(|(_, rate)| (rate - mean) * (rate - mean)).sum::<f64>() / count;
        mean - f64::from(self.stdev_factor) / 1_000.0 * libm::sqrt(variance)
    }
}

const fn enforcing(name: &'static str, percent: u64, about: &'static str) -> Parameter {
    Parameter::new(name, Setting::percent(percent), about)
}

/// Envoy's outlier detection.
pub static ENVOY: Profile = Profile {
    name: "envoy",
    kind: Kind::Outlier,
    source: "Envoy 1.34, source/common/upstream/outlier_detection_impl.cc, api/envoy/config/cluster/v3/outlier_detection.proto; the panic \
             threshold: source/common/upstream/load_balancer_impl.cc",
    about: "Each caller takes those out of its list that fail several times in a row, or much more often than the others, for a while.",
    parameters: &[
        Parameter::new("consecutive_5xx", Setting::Count(5), "So many 5xx in a row, gateway errors among them.")
            .from(Setting::Count(1)),
        Parameter::new("consecutive_gateway_failure", Setting::Count(5), "So many of 502, 503, 504 in a row.")
            .from(Setting::Count(1)),
        Parameter::new("interval", Setting::secs(10), "How often all are looked at: rates, and who comes back.")
            .from(Setting::millis(1)),
        Parameter::new(
            "base_ejection_time",
            Setting::secs(30),
            "How long the first time lasts; the n-th in short order n times.",
        )
        .from(Setting::millis(1)),
        Parameter::new("max_ejection_time", Setting::secs(300), "How long any lasts at most; at least the base."),
        Parameter::new("max_ejection_time_jitter", Setting::secs(0), "Up to so much longer, drawn."),
        Parameter::new("max_ejection_percent", Setting::percent(10), "So many of all may be out at once."),
        enforcing("enforcing_consecutive_5xx", 100, "How often a row of 5xx counts."),
        enforcing("enforcing_consecutive_gateway_failure", 0, "How often a row of gateway errors counts."),
        enforcing("enforcing_success_rate", 100, "How often a low success rate counts."),
        enforcing("enforcing_failure_percentage", 0, "How often a high failure percentage counts."),
        Parameter::new("success_rate_minimum_hosts", Setting::Count(5), "Rates are compared from so many hosts on."),
        Parameter::new(
            "success_rate_request_volume",
            Setting::Count(100),
            "Of hosts with so many requests in an interval.",
        ),
        Parameter::new(
            "success_rate_stdev_factor",
            Setting::Count(1_900),
            "How many thousandths of the standard deviation below the mean is too low.",
        ),
        Parameter::new("failure_percentage_threshold", Setting::percent(85), "From this failure percentage on."),
        Parameter::new("failure_percentage_minimum_hosts", Setting::Count(5), "Where so many hosts were asked enough."),
        Parameter::new("failure_percentage_request_volume", Setting::Count(50), "Which is so often in an interval."),
        Parameter::new("always_eject_one_host", Setting::Switch(false), "One may be out whatever the percentage."),
        Parameter::new(
            "healthy_panic_threshold",
            Setting::percent(50),
            "With fewer left all are asked, those that are out too; 0 is never. A setting of the cluster, beside the others.",
        ),
        Parameter::new(
            "counts_as_5xx",
            Setting::Outcomes,
            "Not Envoy's: reasons of the file that are a 500. Refused, overloaded, unavailable, reset and late are gateway errors; \
             any other error is an answer below 500.",
        ),
    ],
    surprises: &[
        "Of nine hosts none is ever out: one would be 11 %, and 10 % may be.",
        "It comes back when all are looked at the next time, not when its time is over.",
        "A row is found at five, not from five on.",
        "Whoever has come back and fails again is out for longer; each interval of peace takes one step of that back.",
        "Those that are left have the load of those that are out: three of ten out at 75 % leave the others 107 %.",
        "With more than half out all are asked again, the bad ones too.",
        "Each caller counts for itself: ten callers have to fail five times each.",
    ],
    sound: |_| Ok(()),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::read;

    fn settings(parameters: &str) -> Settings {
        let json = crate::json::parse(parameters).unwrap();
        read(&ENVOY, json.members()).unwrap_or_else(|wrong| panic!("{wrong:?}"))
    }

    /// Ten hosts and their caller.
    struct Ten {
        outlier: Outlier,
        hosts: usize,
        told: Vec<(usize, Found)>,
    }

    fn at(secs: f64) -> Instant {
        Instant::from_nanos((secs * 1e9) as u64)
    }

    fn no_die(_: u64) -> u64 {
        panic!("nothing is drawn")
    }

    impl Ten {
        fn of(hosts: usize, parameters: &str) -> Ten {
            let outlier = Outlier::new(Rule::of(&settings(parameters)).unwrap(), hosts, Instant::ZERO);
            Ten { outlier, hosts, told: Vec::new() }
        }

        fn new(parameters: &str) -> Ten {
            Ten::of(10, parameters)
        }

        fn look(&mut self, secs: f64) {
            let (hosts, told) = (self.hosts, &mut self.told);
            self.outlier.lists((0..).map(|place| place < hosts));
            self.outlier.look(at(secs), &mut no_die, &mut |place, found| told.push((place, found)));
        }

        /// So many answers of one host at one instant; how it was found.
        fn sees(&mut self, secs: f64, place: usize, answer: Answer, count: usize) -> Option<Found> {
            self.look(secs);
            (0..count).filter_map(|_| self.outlier.saw(place, answer, at(secs), &mut no_die)).last()
        }

        fn out(&mut self, secs: f64) -> Vec<usize> {
            self.look(secs);
            self.outlier.out().map(|(place, _)| place).collect()
        }
    }

    use Answer::{Below500, GatewayError, ServerError};

    #[test]
    fn five_in_a_row_are_found_and_four_are_not() {
        for answer in [ServerError, GatewayError] {
            let mut ten = Ten::new("{}");
            assert_eq!(ten.sees(1.0, 3, answer, 4), None);
            assert_eq!(ten.sees(1.0, 3, Below500, 1), None);
            assert_eq!(ten.sees(1.0, 3, answer, 4), None);
            assert_eq!(ten.sees(1.0, 3, answer, 1), Some(Found::Consecutive5xx));
            assert_eq!(ten.out(1.0), [3]);
        }
    }

    #[test]
    fn a_row_of_gateway_errors_counts_only_where_it_is_enforced_and_another_error_ends_it() {
        let enforced = r#"{"enforcing_consecutive_gateway_failure": 100, "consecutive_gateway_failure": 3}"#;
        let mut ten = Ten::new(enforced);
        assert_eq!(ten.sees(1.0, 0, GatewayError, 2), None);
        assert_eq!(ten.sees(1.0, 0, ServerError, 1), None);
        assert_eq!(ten.sees(1.0, 0, GatewayError, 2), Some(Found::Consecutive5xx), "the fifth 5xx");
        let mut ten = Ten::new(enforced);
        assert_eq!(ten.sees(1.0, 0, GatewayError, 3), Some(Found::ConsecutiveGatewayFailure));
        let mut ten = Ten::new(r#"{"consecutive_gateway_failure": 3}"#);
        assert_eq!(ten.sees(1.0, 0, GatewayError, 4), None);
    }

    #[test]
    fn one_of_ten_may_be_out_and_of_nine_nobody_unless_one_always_may() {
        let mut ten = Ten::new("{}");
        assert!(ten.sees(1.0, 0, ServerError, 5).is_some());
        assert_eq!(ten.sees(1.0, 1, ServerError, 5), None, "20 % would be out");
        let mut nine = Ten::of(9, "{}");
        assert_eq!(nine.sees(1.0, 0, ServerError, 5), None);
        let mut nine = Ten::of(9, r#"{"always_eject_one_host": true}"#);
        assert!(nine.sees(1.0, 0, ServerError, 5).is_some());
        assert_eq!(nine.sees(1.0, 1, ServerError, 5), None);
    }

    #[test]
    fn another_row_is_found_after_one_that_came_to_nothing() {
        let mut ten = Ten::new("{}");
        ten.sees(1.0, 0, ServerError, 5);
        assert_eq!(ten.sees(2.0, 1, ServerError, 5), None);
        // Host 0 is back at 40 s.
        assert_eq!(ten.sees(41.0, 1, ServerError, 4), None);
        assert_eq!(ten.sees(41.0, 1, ServerError, 1), Some(Found::Consecutive5xx));
    }

    #[test]
    fn it_comes_back_at_the_first_sweep_after_its_time() {
        let mut ten = Ten::new("{}");
        ten.sees(1.0, 0, ServerError, 5);
        // 31 s is its time, and 40 s the sweep.
        assert_eq!((ten.out(39.9), ten.out(40.0)), (vec![0], vec![]));
        // At a sweep exactly: the time is over when it is up.
        let mut ten = Ten::new("{}");
        ten.sees(10.0, 0, ServerError, 5);
        assert_eq!((ten.out(39.9), ten.out(40.0)), (vec![0], vec![]));
    }

    #[test]
    fn the_second_time_is_twice_as_long_and_peace_takes_that_back() {
        let mut ten = Ten::new("{}");
        ten.sees(1.0, 0, ServerError, 5);
        assert!(ten.out(40.0).is_empty());
        ten.sees(41.0, 0, ServerError, 5);
        assert_eq!((ten.out(109.9), ten.out(110.0)), (vec![0], vec![]), "60 s");
        // Two sweeps of peace: what was two is nothing, and the next time is the first.
        ten.sees(131.0, 0, ServerError, 5);
        assert_eq!((ten.out(169.9), ten.out(170.0)), (vec![0], vec![]), "30 s");
    }

    #[test]
    fn no_time_is_longer_than_the_longest() {
        let mut ten = Ten::new(r#"{"base_ejection_time": "30s", "max_ejection_time": "70s", "interval": "1s"}"#);
        let (mut now, mut lengths) = (0.0, Vec::new());
        for _ in 0..5 {
            now += 0.5;
            ten.sees(now, 0, ServerError, 5);
            let from = now;
            while !ten.out(now).is_empty() {
                now += 0.5;
            }
            lengths.push((now - from).floor());
        }
        assert_eq!(lengths, [30.0, 60.0, 70.0, 70.0, 70.0]);
    }

    #[test]
    fn the_row_of_one_that_comes_back_begins_anew() {
        let mut ten = Ten::new("{}");
        ten.sees(1.0, 0, ServerError, 5);
        // Asked in a panic, or what was under way.
        assert_eq!(ten.sees(2.0, 0, ServerError, 4), None);
        assert_eq!(ten.sees(41.0, 0, ServerError, 4), None);
        assert!(ten.sees(41.0, 0, ServerError, 1).is_some());
    }

    #[test]
    fn whoever_succeeds_much_less_often_than_the_others_is_out_at_the_sweep() {
        let asked = |requests: usize, hosts: usize| {
            let mut ten = Ten::of(10, "{}");
            for place in 0..hosts {
                // Host 0 fails every second time, never five times in a row.
                for number in 0..requests {
                    let answer = if place == 0 && number % 2 == 0 { ServerError } else { Below500 };
                    ten.sees(5.0, place, answer, 1);
                }
            }
            assert!(ten.out(9.9).is_empty());
            ten.look(10.0);
            ten.told
        };
        // Rates of 50 and nine of 100: mean 95, deviation 15, so that below 66.5 is too low.
        assert_eq!(asked(100, 10), [(0, Found::SuccessRate)]);
        assert_eq!(asked(99, 10), [], "too few requests");
        assert_eq!(asked(100, 4), [], "too few hosts");
        // Of five: mean 90, deviation 20: below 52.
        assert_eq!(asked(100, 5), [(0, Found::SuccessRate)]);
    }

    #[test]
    fn a_failure_percentage_counts_where_it_is_enforced_from_its_threshold_on() {
        let told = |parameters: &str, bad: usize| {
            let mut ten = Ten::of(10, parameters);
            for place in 0..5 {
                for number in 0..60 {
                    ten.sees(5.0, place, if number % 20 >= bad { Below500 } else { ServerError }, 1);
                }
            }
            ten.look(10.0);
            ten.told.len()
        };
        let enforced = r#"{"enforcing_failure_percentage": 100, "max_ejection_percent": 100, "consecutive_5xx": 1000}"#;
        assert_eq!((told(enforced, 17), told(enforced, 16)), (5, 0), "85 % and 80 %");
        assert_eq!(told(r#"{"max_ejection_percent": 100, "consecutive_5xx": 1000}"#, 20), 0);
    }

    #[test]
    fn with_fewer_left_than_the_panic_threshold_all_are_asked() {
        let out = |count: usize, parameters: &str| {
            let mut ten = Ten::new(parameters);
            (0..count).for_each(|place| _ = ten.sees(1.0, place, ServerError, 5));
            ten.outlier.panics()
        };
        let all = r#"{"max_ejection_percent": 100}"#;
        assert_eq!((out(5, all), out(6, all)), (false, true), "half left is not fewer than half");
        assert!(!out(10, r#"{"max_ejection_percent": 100, "healthy_panic_threshold": 0}"#));
    }

    #[test]
    fn one_that_left_the_list_and_came_back_is_a_new_one() {
        let mut ten = Ten::new("{}");
        ten.sees(1.0, 9, ServerError, 5);
        assert_eq!(ten.out(2.0), [9]);
        ten.hosts = 9;
        assert!(ten.out(3.0).is_empty() && !ten.outlier.is_out(9));
        ten.hosts = 10;
        assert!(ten.out(4.0).is_empty());
    }

    #[test]
    fn half_enforced_is_drawn_and_so_is_a_jitter() {
        let mut outlier = Outlier::new(
            Rule::of(&settings(r#"{"enforcing_consecutive_5xx": 50, "max_ejection_time_jitter": "10s"}"#)).unwrap(),
            10,
            Instant::ZERO,
        );
        let mut asked = Vec::new();
        let die = |answers: [u64; 2]| {
            let mut answers = answers.into_iter();
            move |bound: u64| {
                let answer = answers.next().expect("two questions at most");
                assert!(answer < bound);
                answer
            }
        };
        outlier.lists(std::iter::repeat(true));
        let half = Ratio::HALF.parts();
        let mut unlucky = die([half, 0]);
        asked.extend((0..5).filter_map(|_| outlier.saw(0, ServerError, at(1.0), &mut unlucky)));
        assert!(asked.is_empty());
        let mut lucky = die([half - 1, 10_000_000_000]);
        asked.extend((0..5).filter_map(|_| outlier.saw(0, ServerError, at(1.0), &mut lucky)));
        assert_eq!(asked, [Found::Consecutive5xx]);
        // 30 s and ten more: back at 50 s.
        outlier.look(at(49.0), &mut no_die, &mut |_, _| {});
        assert!(outlier.is_out(0));
        outlier.look(at(50.0), &mut no_die, &mut |_, _| {});
        assert!(!outlier.is_out(0));
    }
}
