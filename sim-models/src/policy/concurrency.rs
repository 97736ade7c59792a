//! Limits of calls at once that find themselves: they grow while all is well and shrink when calls are lost or slow.
//!
//! As Netflix's concurrency-limits has them (78a74b9): a limit hears of each call its time, how many were under way
//! when it began, and whether it was lost. Numbers are floats as there, but for the limit itself; the platform's
//! functions are not used.

use serde::Serialize;
use sim_core::{Duration, Instant};

use super::growth::ONE;
use super::profile::{Kind, Parameter, Profile};
use super::settings::{Setting, Settings};

/// What a limit hears of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How long it took.
    pub took: Duration,
    /// Calls under way when it began, itself included.
    pub in_flight: u32,
    /// Whether it was lost: refused or timed out.
    pub lost: bool,
}

/// How a limit finds itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// By what.
    pub by: By,
    /// The limit as it begins.
    pub initial: u32,
    /// The least and the most it comes to.
    pub range: (u32, u32),
    /// Whether it hears of windows of time and not of calls.
    pub windows: Option<Windows>,
}

/// By what a limit finds itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    /// `AIMDLimit`: one more when at least half of it is used, a part less when a call is lost or too slow.
    Aimd {
        /// What is left of it then, in millionths.
        backoff: u64,
        /// A call that takes longer is lost.
        timeout: Duration,
    },
    /// `Gradient2Limit`: the times of late against those of long ago; losses are not heard of at all.
    Gradient2 {
        /// How much of the limit a new one makes out, in millionths.
        smoothing: u64,
        /// How much it grows while times are as ever.
        queue: u32,
        /// Calls that the mean of long ago is over.
        long: u32,
        /// How much longer times may be without the limit shrinking, in millionths.
        tolerance: u64,
    },
    /// `VegasLimit`: the time of an empty callee against that of now says how many stand in line there.
    Vegas {
        /// How much of the limit a new one makes out, in millionths.
        smoothing: u64,
        /// After so many calls for each of the limit the time of an empty callee is taken anew.
        probe: u32,
    },
}

/// `WindowedLimit`: what many calls came to is heard as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Windows {
    /// The shortest and the longest window.
    pub length: (Duration, Duration),
    /// Calls without which a window says nothing.
    pub calls: u32,
    /// Shorter calls do not count.
    pub least: Duration,
}

/// A limit and what it remembers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    #[serde(skip)]
    rule: Rule,
    limit: f64,
    /// Of Gradient2 the mean of long ago, of Vegas the shortest time, in nanoseconds; zero: none yet.
    time: f64,
    /// Calls heard of: of Gradient2 for its first mean, of Vegas since the last probe.
    count: u32,
    sum: f64,
    /// Of Vegas: the share of the calls after which it probes.
    jitter: f64,
    window: Window,
}

/// What was heard since the last window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Window {
    until: Instant,
    sum: u128,
    calls: u32,
    shortest: Option<Duration>,
    in_flight: u32,
    lost: bool,
}

/// Calls whose plain mean the mean of long ago begins with.
const WARMUP: u32 = 10;

impl Limit {
    /// As it begins.
    pub fn new(rule: Rule) -> Self {
        Limit {
            rule,
            limit: f64::from(rule.initial),
            time: 0.0,
            count: 0,
            sum: 0.0,
            jitter: 0.75,
            window: Window::default(),
        }
    }

    /// Calls that may be under way at once.
    pub fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// Whether it is lucky about when it probes.
    pub const fn needs_luck(&self) -> bool {
        matches!(self.rule.by, By::Vegas { .. })
    }

    /// Hears of a call that ends now. `luck` is half to all of a second, drawn evenly: the share after which Vegas probes next.
    pub fn hear(&mut self, now: Instant, sample: Sample, luck: Duration) {
        let Some(windows) = self.rule.windows else { return self.update(sample, luck) };
        if sample.took < windows.least {
            return;
        }
        let window = &mut self.window;
        window.sum += u128::from(sample.took.nanos());
        window.calls += 1;
        window.shortest = Some(window.shortest.map_or(sample.took, |shortest| shortest.min(sample.took)));
        window.in_flight = window.in_flight.max(sample.in_flight);
        window.lost |= sample.lost;
        if now <= window.until {
            return;
        }
        let Window { sum, calls, shortest, in_flight, lost, .. } = std::mem::take(window);
        let twice = shortest.unwrap_or_default().saturating_mul(2);
        self.window.until = now + twice.max(windows.length.0).min(windows.length.1);
        if calls >= windows.calls {
            let took = Duration::from_nanos((sum / u128::from(calls)) as u64);
            self.update(Sample { took, in_flight, lost }, luck);
        }
    }

    fn update(&mut self, sample: Sample, luck: Duration) {
        match self.rule.by {
            By::Aimd { backoff, timeout } => self.aimd(sample, backoff, timeout),
            By::Gradient2 { smoothing, queue, long, tolerance } => {
                self.gradient2(sample, (parts(smoothing), f64::from(queue), long, parts(tolerance)));
            }
            By::Vegas { smoothing, probe } => self.vegas(sample, parts(smoothing), probe, luck),
        }
    }

    fn is_half_used(&self, sample: Sample) -> bool {
        f64::from(sample.in_flight) * 2.0 >= self.limit
    }

    fn kept(&self, limit: f64) -> f64 {
        limit.clamp(f64::from(self.rule.range.0), f64::from(self.rule.range.1))
    }

    fn aimd(&mut self, sample: Sample, backoff: u64, timeout: Duration) {
        let limit = u64::from(self.limit());
        if sample.lost || sample.took > timeout {
            self.limit = self.kept((limit * backoff / ONE) as f64);
        } else if self.is_half_used(sample) {
            self.limit = self.kept((limit + 1) as f64);
        }
    }

    fn gradient2(&mut self, sample: Sample, (smoothing, queue, long, tolerance): (f64, f64, u32, f64)) {
        let short = sample.took.nanos() as f64;
        self.add(short, long);
        let before = self.time;
        // What was slow for long would else take as long to be forgotten.
        if short > 0.0 && before / short > 2.0 {
            self.time *= 0.95;
        }
        if f64::from(sample.in_flight) < self.limit / 2.0 {
            return;
        }
        let gradient = if short > 0.0 { (tolerance * before / short).clamp(0.5, 1.0) } else { 1.0 };
        let new = self.limit * gradient + queue;
        self.limit = self.kept(self.limit * (1.0 - smoothing) + new * smoothing);
    }

    fn add(&mut self, time: f64, long: u32) {
        if self.count < WARMUP {
            self.count += 1;
            self.sum += time;
            self.time = self.sum / f64::from(self.count);
        } else {
            let factor = 2.0 / f64::from(long.saturating_add(1));
            self.time = self.time * (1.0 - factor) + time * factor;
        }
    }

    fn vegas(&mut self, sample: Sample, smoothing: f64, probe: u32, luck: Duration) {
        let time = sample.took.nanos() as f64;
        if self.count == 0 && self.time == 0.0 {
            self.jitter = luck.as_secs_f64();
        }
        self.count += 1;
        if self.jitter * f64::from(probe) * self.limit <= f64::from(self.count) {
            self.jitter = luck.as_secs_f64();
            self.count = 0;
            self.time = time;
            return;
        }
        if self.time == 0.0 || time < self.time {
            self.time = time;
            return;
        }
        let log = f64::from(log10(self.limit()));
        let queue = libm::ceil(self.limit * (1.0 - self.time / time));
        let new = if sample.lost {
            self.limit - log
        } else if !self.is_half_used(sample) {
            return;
        } else if queue <= log {
            self.limit + 6.0 * log
        } else if queue < 3.0 * log {
            self.limit + log
        } else if queue > 6.0 * log {
            self.limit - log
        } else {
            return;
        };
        self.limit = (1.0 - smoothing) * self.limit + smoothing * self.kept(new);
    }
}

fn parts(millionths: u64) -> f64 {
    millionths as f64 / ONE as f64
}

/// `Log10RootFunction`: the decimal logarithm cut to a whole number, at least 1.
const fn log10(limit: u32) -> u32 {
    let digits = limit.checked_ilog10();
    match digits {
        Some(log) if log > 1 => log,
        _ => 1,
    }
}

impl Rule {
    /// The rule that settings of such a bulkhead's profile come to; none when they are of another.
    pub fn of(settings: &Settings) -> Option<Rule> {
        let by = match settings.profile().name {
            "aimd" => By::Aimd { backoff: settings.factor("backoffRatio"), timeout: settings.length("timeout") },
            "gradient2" => By::Gradient2 {
                smoothing: settings.factor("smoothing"),
                queue: settings.count("queueSize"),
                long: settings.count("longWindow"),
                tolerance: settings.factor("rttTolerance"),
            },
            "vegas" => By::Vegas { smoothing: settings.factor("smoothing"), probe: settings.count("probeMultiplier") },
            _ => return None,
        };
        let (least, most) = match by {
            By::Aimd { .. } => ("minLimit", "maxLimit"),
            By::Gradient2 { .. } => ("minLimit", "maxConcurrency"),
            By::Vegas { .. } => ("", "maxConcurrency"),
        };
        let least = if least.is_empty() { 1 } else { settings.count(least) };
        let windows = settings.is("windowed").then(|| Windows {
            length: (settings.length("minWindowTime"), settings.length("maxWindowTime")),
            calls: settings.count("windowSize"),
            least: settings.length("minRttThreshold"),
        });
        Some(Rule { by, initial: settings.count("initialLimit"), range: (least, settings.count(most)), windows })
    }
}

const INITIAL: Parameter =
    Parameter::new("initialLimit", Setting::Count(20), "The limit as it begins.").from(Setting::Count(1));
const LEAST: Parameter =
    Parameter::new("minLimit", Setting::Count(20), "The least it comes to.").from(Setting::Count(1));
const WINDOWED: Parameter =
    Parameter::new("windowed", Setting::Switch(false), "Whether it hears of windows of time, each as one call.");
const SHORTEST: Parameter =
    Parameter::new("minWindowTime", Setting::secs(1), "The shortest window.").from(Setting::millis(100));
const LONGEST: Parameter =
    Parameter::new("maxWindowTime", Setting::secs(1), "The longest window.").from(Setting::millis(100));
const CALLS: Parameter = Parameter::new("windowSize", Setting::Count(10), "Calls without which a window says nothing.")
    .from(Setting::Count(10));
const RTT: Parameter = Parameter::new(
    "minRttThreshold",
    Setting::Length(Duration::from_micros(100)),
    "Shorter calls do not count in a window.",
);

const fn most(name: &'static str, most: u64) -> Parameter {
    Parameter::new(name, Setting::Count(most), "The most it comes to.").from(Setting::Count(1))
}

fn sound(settings: &Settings) -> Result<(), (&'static str, String)> {
    let Some(rule) = Rule::of(settings) else { return Ok(()) };
    let (least, most) = rule.range;
    if least > most {
        return Err(("minLimit", format!("minLimit {least} is more than the most, {most}")));
    }
    if let By::Aimd { backoff, .. } = rule.by
        && !(ONE / 2..ONE).contains(&backoff)
    {
        return Err(("backoffRatio", "backoffRatio is at least 0.5 and below 1".to_owned()));
    }
    if let By::Gradient2 { smoothing, .. } | By::Vegas { smoothing, .. } = rule.by
        && smoothing > ONE
    {
        return Err(("smoothing", "smoothing is at most 1".to_owned()));
    }
    Ok(())
}

/// `AIMDLimit`
pub static AIMD: Profile = Profile {
    name: "aimd",
    kind: Kind::Bulkhead,
    source: "Netflix concurrency-limits (78a74b9): SimpleLimiter, WindowedLimit, AIMDLimit",
    about: "As many calls at once as a limit allows that grows by one and shrinks by a part.",
    parameters: &[
        INITIAL,
        LEAST,
        most("maxLimit", 200),
        Parameter::new("backoffRatio", Setting::Factor(900_000), "What is left of it when a call is lost."),
        Parameter::new("timeout", Setting::secs(5), "A call that takes longer is lost.").from(Setting::millis(1)),
        WINDOWED,
        SHORTEST,
        LONGEST,
        CALLS,
        RTT,
    ],
    surprises: &[
        "minLimit is 20: a callee that bears fewer is never spared.",
        "It does not grow while less than half of it is used.",
        "Errors that are neither refusals nor timeouts say nothing.",
    ],
    sound,
};

/// `Gradient2Limit`
pub static GRADIENT2: Profile = Profile {
    name: "gradient2",
    kind: Kind::Bulkhead,
    source: "Netflix concurrency-limits (78a74b9): SimpleLimiter, WindowedLimit, Gradient2Limit",
    about: "As many calls at once as a limit allows that shrinks when calls take longer than they did for long.",
    parameters: &[
        INITIAL,
        LEAST,
        most("maxConcurrency", 200),
        Parameter::new("smoothing", Setting::Factor(200_000), "How much of the limit a new one makes out."),
        Parameter::new("queueSize", Setting::Count(4), "How much it grows while times are as ever."),
        Parameter::new("longWindow", Setting::Count(600), "Calls that the mean of long ago is over.")
            .from(Setting::Count(1)),
        Parameter::new("rttTolerance", Setting::Factor(1_500_000), "How much longer times may be all the same.")
            .from(Setting::Factor(ONE)),
        WINDOWED,
        SHORTEST,
        LONGEST,
        CALLS,
        RTT,
    ],
    surprises: &[
        "That a call was lost changes nothing: only times count.",
        "What is slow for long becomes the measure, and the limit grows again.",
        "It does not grow while less than half of it is used.",
    ],
    sound,
};

/// `VegasLimit`
pub static VEGAS: Profile = Profile {
    name: "vegas",
    kind: Kind::Bulkhead,
    source: "Netflix concurrency-limits (78a74b9): SimpleLimiter, WindowedLimit, VegasLimit",
    about: "As many calls at once as a limit allows that guesses how many stand in line at the callee.",
    parameters: &[
        INITIAL,
        most("maxConcurrency", 1000),
        Parameter::new("smoothing", Setting::Factor(ONE), "How much of the limit a new one makes out."),
        Parameter::new(
            "probeMultiplier",
            Setting::Count(30),
            "After so many calls for each of the limit the shortest time is taken anew.",
        )
        .from(Setting::Count(1)),
        WINDOWED,
        SHORTEST,
        LONGEST,
        CALLS,
        RTT,
    ],
    surprises: &[
        "The shortest time is taken anew every so often, under load too: then it is too long, and the limit grows.",
        "A call that is the shortest so far changes no limit.",
        "When calls are lost it shrinks by one up to a limit of 99, and by two from a hundred on.",
    ],
    sound,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::policy::{profile, read};

    fn limit(name: &str, parameters: &str) -> Limit {
        let json = json::parse(parameters).unwrap();
        Limit::new(Rule::of(&read(profile(Kind::Bulkhead, name).unwrap(), json.members()).unwrap()).unwrap())
    }

    fn at(name: &str, limit_now: f64) -> Limit {
        Limit { limit: limit_now, ..limit(name, "{}") }
    }

    fn call(millis: u64, in_flight: u32, lost: bool) -> Sample {
        Sample { took: Duration::from_millis(millis), in_flight, lost }
    }

    const LUCK: Duration = Duration::from_millis(750);

    fn hear(limit: &mut Limit, sample: Sample) {
        limit.hear(Instant::ZERO, sample, LUCK);
    }

    #[test]
    fn aimd_grows_when_at_least_half_is_used_and_not_when_less() {
        let mut limit = limit("aimd", "{}");
        hear(&mut limit, call(10, 9, false));
        assert_eq!(limit.limit(), 20, "18 of 20");
        hear(&mut limit, call(10, 10, false));
        assert_eq!(limit.limit(), 21, "20 of 20");
    }

    #[test]
    fn aimd_shrinks_by_a_tenth_rounded_down_and_never_below_twenty() {
        let mut limit = at("aimd", 101.0);
        hear(&mut limit, call(10, 101, true));
        assert_eq!(limit.limit(), 90);
        (0..100).for_each(|_| hear(&mut limit, call(10, 1, true)));
        assert_eq!(limit.limit(), 20);
    }

    #[test]
    fn aimd_takes_a_call_for_lost_that_takes_longer_than_five_seconds_and_not_as_long() {
        let mut limit = at("aimd", 100.0);
        hear(&mut limit, call(5_000, 1, false));
        assert_eq!(limit.limit(), 100);
        hear(&mut limit, call(5_001, 1, false));
        assert_eq!(limit.limit(), 90);
    }

    #[test]
    fn gradient2_grows_by_its_queue_while_times_are_as_ever() {
        let mut limit = limit("gradient2", "{}");
        hear(&mut limit, call(10, 20, false));
        assert!((limit.limit - 20.8).abs() < 1e-9, "20 · 0.8 + 24 · 0.2");
        (0..2_000).for_each(|_| hear(&mut limit, call(10, 200, false)));
        assert_eq!(limit.limit(), 200);
    }

    #[test]
    fn gradient2_ignores_that_a_call_was_lost() {
        let (mut lost, mut fine) = (limit("gradient2", "{}"), limit("gradient2", "{}"));
        (0..50).for_each(|_| {
            hear(&mut lost, call(10, 30, true));
            hear(&mut fine, call(10, 30, false));
        });
        assert_eq!(lost, fine);
    }

    #[test]
    fn gradient2_does_not_grow_when_less_than_half_is_used() {
        let mut limit = limit("gradient2", "{}");
        (0..100).for_each(|_| hear(&mut limit, call(10, 9, false)));
        assert_eq!(limit.limit(), 20);
    }

    #[test]
    fn gradient2_shrinks_when_times_are_more_than_half_longer_and_in_time_takes_them_for_normal() {
        let mut limit = limit("gradient2", "{}");
        (0..500).for_each(|_| hear(&mut limit, call(10, 200, false)));
        assert_eq!(limit.limit(), 200);
        (0..20).for_each(|_| hear(&mut limit, call(40, 200, false)));
        assert!(limit.limit() < 100, "{}", limit.limit());
        // Chronic slowness becomes the measure.
        (0..5_000).for_each(|_| hear(&mut limit, call(40, 200, false)));
        assert_eq!(limit.limit(), 200);
    }

    /// A limit of 100 (log 2) that has seen 10 ms, and what it is after a call of this length with so many under way.
    fn vegas(millis: u64, in_flight: u32, lost: bool) -> u32 {
        let mut limit = at("vegas", 100.0);
        hear(&mut limit, call(10, 100, false));
        assert_eq!(limit.limit(), 100, "the first call is the shortest so far");
        hear(&mut limit, call(millis, in_flight, lost));
        limit.limit()
    }

    #[test]
    fn vegas_grows_by_how_few_stand_in_line_and_shrinks_when_more_than_six_logarithms_do() {
        // In line: 100 · (1 − 10 / t), rounded up.
        assert_eq!(vegas(10, 100, false), 112, "none in line: six logarithms more");
        let mut limit = at("vegas", 100.0);
        let micros = |micros| Sample { took: Duration::from_micros(micros), in_flight: 100, lost: false };
        hear(&mut limit, micros(10_000));
        // 2, 3, 5, 6, 12 and 13 in line.
        for (took, wanted) in [(10_204, 112), (10_300, 102), (10_526, 102), (10_600, 100), (11_363, 100), (11_400, 98)]
        {
            let mut limit = limit.clone();
            hear(&mut limit, micros(took));
            assert_eq!(limit.limit(), wanted, "{took}");
        }
    }

    #[test]
    fn vegas_shrinks_when_a_call_is_lost_and_does_not_grow_when_less_than_half_is_used() {
        assert_eq!(vegas(10, 100, true), 98);
        assert_eq!(vegas(10, 49, false), 100);
        assert_eq!(vegas(10, 50, false), 112);
    }

    #[test]
    fn vegas_takes_the_shortest_time_anew_after_a_share_of_thirty_calls_for_each_of_its_limit() {
        let mut limit = limit("vegas", r#"{"initialLimit": 10}"#);
        hear(&mut limit, call(10, 1, false));
        // 0.75 · 30 · 10 = 225 calls: from then on the slow time is that of an empty callee.
        (0..223).for_each(|_| hear(&mut limit, call(50, 1, false)));
        assert_eq!(limit.time, 1e7);
        hear(&mut limit, call(50, 1, false));
        assert_eq!(limit.time, 5e7);
    }

    #[test]
    fn a_window_is_heard_as_one_call_of_the_mean_time_and_only_when_ten_calls_are_in_it() {
        let mut limit = limit("aimd", r#"{"windowed": true}"#);
        let ms = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let ten =
            |limit: &mut Limit, from: u64| (0..10).for_each(|n| limit.hear(ms(from + n), call(10, 20, false), LUCK));
        // The first call ends the window before it.
        ten(&mut limit, 1);
        assert_eq!(limit.limit(), 20);
        limit.hear(ms(1_001), call(10, 20, false), LUCK);
        assert_eq!(limit.limit(), 20, "the window ends after a second, not at it");
        limit.hear(ms(1_002), call(10, 20, false), LUCK);
        assert_eq!(limit.limit(), 21);
        (0..9).for_each(|n| limit.hear(ms(1_500 + n), call(10, 20, true), LUCK));
        limit.hear(ms(1_900), Sample { took: Duration::from_micros(99), in_flight: 20, lost: true }, LUCK);
        limit.hear(ms(2_003), Sample { took: Duration::from_micros(99), in_flight: 20, lost: true }, LUCK);
        assert_eq!(limit.limit(), 21, "nine calls, and two that are too short to count");
    }
}
