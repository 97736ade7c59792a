//! Rate limiters: so many in a time, and no more.
//!
//! They differ in what a time is: a bucket that fills, windows with fixed edges, a window that slides, cycles in which
//! permits can be reserved ahead; two find out how much the callee takes. All but those count in integers of
//! nanoseconds: a bucket that is asked often loses no part of a token.

use std::collections::VecDeque;

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::adaptive::Adaptive;
use super::profile::{Kind, Parameter, Profile};
use super::settings::{Setting, Settings};
use super::throttle::Throttle;

/// How calls are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A bucket that gains so many tokens in a time, and holds so many.
    Bucket {
        /// Tokens gained.
        rate: u64,
        /// In how long.
        per: Duration,
        /// Held at the start and at most.
        burst: u64,
    },
    /// So many in each window.
    Fixed {
        /// So many.
        limit: u64,
        /// In how long.
        window: Duration,
    },
    /// So many in any window.
    Sliding {
        /// So many.
        limit: u32,
        /// In how long.
        window: Duration,
    },
    /// resilience4j's cycles, whose permits can be reserved ahead.
    Cycles {
        /// So many in each cycle.
        limit: u32,
        /// How long a cycle is.
        period: Duration,
        /// How long one waits for a permit at most.
        timeout: Duration,
    },
    /// The AWS SDKs' adaptive mode.
    Adaptive,
    /// The SRE book's adaptive throttling.
    Throttle {
        /// Requests let go for each that is accepted, in millionths.
        k: u64,
        /// Over which both are counted.
        window: Duration,
    },
}

/// A limiter and what it remembers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Limiter {
    /// A bucket.
    Bucket(TokenBucket),
    /// Windows with fixed edges.
    Fixed(FixedWindow),
    /// A window that slides.
    Sliding(SlidingWindow),
    /// Cycles.
    Cycles(Cycles),
    /// A rate that finds itself.
    Adaptive(Adaptive),
    /// A chance that follows from what is accepted.
    Throttle(Throttle),
}

/// What a limiter says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It goes.
    Goes,
    /// It goes after this long.
    GoesAfter(Duration),
    /// It asks again after this long.
    AsksAfter(Duration),
    /// It is refused, after this long.
    FailsAfter(Duration),
    /// It is refused with this chance, else it goes.
    FailsByChance(Ratio),
}

/// What a limiter goes by at the moment, for whoever looks inside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sight {
    /// Calls that may go now, with the part of one that a bucket has gained; less than none when permits of later cycles are reserved.
    pub left: f64,
    /// The most that may be left.
    pub most: f64,
    /// When one more may go than now; none: nothing is missing, or nothing comes.
    pub more: Option<Instant>,
}

impl Limiter {
    /// One that has let nobody pass yet, made at `now`.
    pub fn new(rule: Rule, now: Instant) -> Self {
        match rule {
            Rule::Bucket { rate, per, burst } => Limiter::Bucket(TokenBucket::new(rate, per, burst, now)),
            Rule::Fixed { limit, window } => Limiter::Fixed(FixedWindow::new(limit, window)),
            Rule::Sliding { limit, window } => Limiter::Sliding(SlidingWindow::new(limit, window)),
            Rule::Cycles { limit, period, timeout } => Limiter::Cycles(Cycles::new(limit, period, timeout)),
            Rule::Adaptive => Limiter::Adaptive(Adaptive::new(now)),
            Rule::Throttle { k, window } => Limiter::Throttle(Throttle::new(k, window)),
        }
    }

    /// A call wants to go.
    pub fn ask(&mut self, now: Instant) -> Said {
        let passes = match self {
            Limiter::Bucket(bucket) => bucket.take(now, 1),
            Limiter::Fixed(window) => window.take(now),
            Limiter::Sliding(window) => window.take(now),
            Limiter::Cycles(cycles) => {
                return match cycles.reserve(now) {
                    Reserved::After(Duration::ZERO) => Said::Goes,
                    Reserved::After(wait) => Said::GoesAfter(wait),
                    Reserved::FailsAfter(wait) => Said::FailsAfter(wait),
                };
            }
            Limiter::Adaptive(adaptive) => return adaptive.take(now).map_or_else(Said::AsksAfter, |()| Said::Goes),
            Limiter::Throttle(throttle) => {
                let chance = throttle.request(now);
                return if chance.is_zero() { Said::Goes } else { Said::FailsByChance(chance) };
            }
        };
        if passes { Said::Goes } else { Said::FailsAfter(Duration::ZERO) }
    }

    /// Permits that it goes by; none while it lets everybody go, or goes by none.
    pub fn sight(&self, now: Instant) -> Option<Sight> {
        match self {
            Limiter::Bucket(bucket) => Some(bucket.sight(now)),
            Limiter::Fixed(window) => Some(window.sight(now)),
            Limiter::Sliding(window) => Some(window.sight(now)),
            Limiter::Cycles(cycles) => Some(cycles.sight(now)),
            Limiter::Adaptive(adaptive) => adaptive.sight(now),
            Limiter::Throttle(_) => None,
        }
    }

    /// Whether nobody has more than there is, and nothing is reserved beyond what may be waited for.
    ///
    /// # Errors
    /// What there is too much or too little of, in words.
    pub fn audit(&self) -> Result<(), String> {
        let (what, is, least, most): (_, i128, i128, i128) = match self {
            Limiter::Bucket(bucket) => {
                ("tokens of a bucket", bucket.level as i128, 0, bucket.price(bucket.burst) as i128)
            }
            Limiter::Fixed(window) => ("calls in a window", i128::from(window.taken), 0, i128::from(window.limit)),
            Limiter::Sliding(window) => ("calls in a window", window.passed.len() as i128, 0, i128::from(window.limit)),
            Limiter::Cycles(cycles) => {
                let ahead = u128::from(cycles.timeout.nanos() / cycles.period.nanos().max(1)) + 1;
                let reserved = i128::try_from(ahead).unwrap_or(i128::MAX).saturating_mul(i128::from(cycles.limit));
                ("permits of a cycle", i128::from(cycles.permits), -reserved, i128::from(cycles.limit))
            }
            Limiter::Adaptive(adaptive) => return adaptive.audit(),
            Limiter::Throttle(throttle) => return throttle.audit(),
        };
        if is < least || is > most { Err(format!("{what}: {is}, and {least} to {most} may be")) } else { Ok(()) }
    }
}

impl Rule {
    /// The rule that settings of a limiter's profile come to; none when they are of another kind of policy.
    pub fn of(settings: &Settings) -> Option<Rule> {
        let profile = settings.profile();
        (profile.kind == Kind::Limiter).then(|| match profile.name {
            "adaptive-throttling" => Rule::Throttle { k: settings.factor("K"), window: settings.length("window") },
            _ => Rule::Cycles {
                limit: settings.count("limitForPeriod"),
                period: settings.length("limitRefreshPeriod"),
                timeout: settings.length("timeoutDuration"),
            },
        })
    }
}

/// resilience4j
pub static RESILIENCE4J: Profile = Profile {
    name: "resilience4j",
    kind: Kind::Limiter,
    source: "resilience4j 2.3 (af9e7c9): RateLimiterConfig, AtomicRateLimiter",
    about: "So many calls in each cycle; one more waits for a permit of a later one.",
    parameters: &[
        Parameter::new("limitForPeriod", Setting::Count(50), "Permits in each cycle.").from(Setting::Count(1)),
        Parameter::new("limitRefreshPeriod", Setting::Length(Duration::from_nanos(500)), "How long a cycle is.")
            .from(Setting::Length(Duration::from_nanos(1))),
        Parameter::new("timeoutDuration", Setting::secs(5), "How long a call waits for a permit at most."),
    ],
    surprises: &[
        "As it comes it limits next to nothing: fifty permits in each 500 ns.",
        "Permits that nobody took are gone at the end of their cycle.",
        "A call whose permit would come too late waits for all of timeoutDuration before it fails.",
        "A permit is reserved: it is used up when its caller goes away while it waits.",
    ],
    sound: |_| Ok(()),
};

/// A bucket that holds tokens up to a burst, and gains them evenly.
///
/// ```
/// use sim_core::{Duration, Instant};
/// use sim_models::policy::limiter::TokenBucket;
/// // 10 a second, 2 at once.
/// let mut bucket = TokenBucket::new(10, Duration::from_secs(1), 2, Instant::ZERO);
/// let now = Instant::ZERO;
/// assert_eq!([bucket.take(now, 1), bucket.take(now, 1), bucket.take(now, 1)], [true, true, false]);
/// assert_eq!(bucket.ready(now, 1), Some(Duration::from_millis(100)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TokenBucket {
    #[serde(skip)]
    rate: u64,
    #[serde(skip)]
    per: Duration,
    #[serde(skip)]
    burst: u64,
    /// Tokens times `per` in nanoseconds, so that a nanosecond brings `rate`.
    level: u128,
    since: Instant,
}

impl TokenBucket {
    /// One that is full; `rate` tokens in each `per`, at most `burst` of them.
    pub fn new(rate: u64, per: Duration, burst: u64, now: Instant) -> Self {
        TokenBucket { rate, per, burst, level: u128::from(burst) * u128::from(per.nanos()), since: now }
    }

    fn fill(&mut self, now: Instant) {
        let full = self.price(self.burst);
        let gained = u128::from(now.since(self.since).nanos()) * u128::from(self.rate);
        self.level = (self.level + gained).min(full);
        self.since = self.since.max(now);
    }

    fn price(&self, tokens: u64) -> u128 {
        u128::from(tokens) * u128::from(self.per.nanos())
    }

    fn sight(&self, now: Instant) -> Sight {
        let mut bucket = self.clone();
        bucket.fill(now);
        let per = u128::from(bucket.per.nanos()).max(1);
        let whole = u64::try_from(bucket.level / per).unwrap_or(u64::MAX);
        let more = bucket.ready(now, whole.saturating_add(1)).map(|wait| now + wait);
        Sight { left: bucket.level as f64 / per as f64, most: bucket.burst as f64, more }
    }

    /// Takes so many tokens, all or none. What is refused costs nothing.
    pub fn take(&mut self, now: Instant, tokens: u64) -> bool {
        self.fill(now);
        match self.level.checked_sub(self.price(tokens)) {
            Some(left) => {
                self.level = left;
                true
            }
            None => false,
        }
    }

    /// How long until so many tokens are there if nobody takes any; never when it cannot hold so many, or gains none.
    pub fn ready(&mut self, now: Instant, tokens: u64) -> Option<Duration> {
        self.fill(now);
        if tokens > self.burst {
            return None;
        }
        let missing = self.price(tokens).saturating_sub(self.level);
        if missing == 0 {
            return Some(Duration::ZERO);
        }
        let nanos = missing.div_ceil(u128::from(self.rate).max(1));
        (self.rate > 0).then(|| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

/// So many in each window; the windows follow each other from the start of time. Twice as many pass around an edge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct FixedWindow {
    #[serde(skip)]
    limit: u64,
    #[serde(skip)]
    window: Duration,
    number: u64,
    taken: u64,
}

impl FixedWindow {
    /// `limit` in each `window`.
    pub const fn new(limit: u64, window: Duration) -> Self {
        FixedWindow { limit, window, number: 0, taken: 0 }
    }

    fn sight(&self, now: Instant) -> Sight {
        let number = now.nanos() / self.window.nanos().max(1);
        let taken = if number > self.number { 0 } else { self.taken };
        let next = Instant::from_nanos((number + 1).saturating_mul(self.window.nanos()));
        let left = self.limit.saturating_sub(taken) as f64;
        Sight { left, most: self.limit as f64, more: (taken > 0).then_some(next) }
    }

    /// Lets one pass, or not.
    pub fn take(&mut self, now: Instant) -> bool {
        let number = now.nanos() / self.window.nanos().max(1);
        if number > self.number {
            (self.number, self.taken) = (number, 0);
        }
        let passes = self.taken < self.limit;
        self.taken += u64::from(passes);
        passes
    }
}

/// So many in any window that ends now: every passing is remembered for as long as it counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct SlidingWindow {
    #[serde(skip)]
    limit: u32,
    #[serde(skip)]
    window: Duration,
    passed: VecDeque<Instant>,
}

impl SlidingWindow {
    /// `limit` in any `window`.
    pub const fn new(limit: u32, window: Duration) -> Self {
        SlidingWindow { limit, window, passed: VecDeque::new() }
    }

    fn sight(&self, now: Instant) -> Sight {
        let mut counted = self.passed.iter().filter(|passed| now.since(**passed) < self.window);
        let first = counted.next().copied();
        let taken = counted.count() + usize::from(first.is_some());
        let left = (self.limit as usize).saturating_sub(taken) as f64;
        Sight { left, most: f64::from(self.limit), more: first.map(|first| first + self.window) }
    }

    /// Lets one pass, or not. What passed just a window ago counts no more.
    pub fn take(&mut self, now: Instant) -> bool {
        while self.passed.front().is_some_and(|passed| now.since(*passed) >= self.window) {
            self.passed.pop_front();
        }
        let passes = self.passed.len() < self.limit as usize;
        if passes {
            self.passed.push_back(now);
        }
        passes
    }
}

/// resilience4j's `AtomicRateLimiter`: permits come at the beginning of each cycle, do not add up, and can be reserved
/// ahead, so that what is left may be less than nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Cycles {
    #[serde(skip)]
    period: Duration,
    #[serde(skip)]
    limit: u32,
    #[serde(skip)]
    timeout: Duration,
    cycle: u64,
    permits: i64,
}

/// What a caller of [`Cycles`] does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It goes after this long; its permit is taken.
    After(Duration),
    /// It fails, but only after having waited for all of its timeout.
    FailsAfter(Duration),
}

impl Cycles {
    /// `limitForPeriod` in each `limitRefreshPeriod`, waited for at most `timeoutDuration`. The library's own are 50,
    /// 500 ns, 5 s, which is next to no limit.
    pub const fn new(limit: u32, period: Duration, timeout: Duration) -> Self {
        Cycles { period, limit, timeout, cycle: 0, permits: limit as i64 }
    }

    /// Lets the cycles pass that are over by now.
    fn turn(&mut self, now: Instant, period: u64) {
        let cycle = now.nanos() / period;
        if cycle > self.cycle {
            let gained = i128::from(cycle - self.cycle) * i128::from(self.limit);
            let permits = (i128::from(self.permits) + gained).min(i128::from(self.limit));
            (self.cycle, self.permits) = (cycle, permits as i64);
        }
    }

    fn sight(&self, now: Instant) -> Sight {
        let (mut cycles, period) = (self.clone(), self.period.nanos().max(1));
        cycles.turn(now, period);
        let next = Instant::from_nanos((cycles.cycle + 1).saturating_mul(period));
        let is_full = cycles.permits >= i64::from(self.limit);
        Sight { left: cycles.permits as f64, most: f64::from(self.limit), more: (!is_full).then_some(next) }
    }

    /// Reserves one permit, if it comes in time.
    pub fn reserve(&mut self, now: Instant) -> Reserved {
        let period = self.period.nanos().max(1);
        self.turn(now, period);
        let wait = self.wait(now, period);
        if wait > self.timeout {
            return Reserved::FailsAfter(self.timeout);
        }
        self.permits -= 1;
        Reserved::After(wait)
    }

    /// How long until the permit after those that are reserved already.
    fn wait(&self, now: Instant, period: u64) -> Duration {
        if self.permits > 0 {
            return Duration::ZERO;
        }
        let to_next = (self.cycle + 1).saturating_mul(period).saturating_sub(now.nanos());
        let full = (1 - self.permits - i64::from(self.limit)).max(0) as u64;
        let cycles = full.div_ceil(u64::from(self.limit).max(1));
        Duration::from_nanos(to_next.saturating_add(cycles.saturating_mul(period)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn passed(mut take: impl FnMut() -> bool, asked: u32) -> u32 {
        (0..asked).filter(|_| take()).count() as u32
    }

    #[test]
    fn a_fixed_window_lets_twice_the_limit_through_around_its_edge() {
        let mut window = FixedWindow::new(100, SECOND);
        assert_eq!(passed(|| window.take(ms(990)), 500) + passed(|| window.take(ms(1010)), 500), 200);
    }

    #[test]
    fn a_token_bucket_lets_its_burst_and_what_came_since_through() {
        let mut bucket = TokenBucket::new(100, SECOND, 100, Instant::ZERO);
        assert_eq!(passed(|| bucket.take(ms(990), 1), 500) + passed(|| bucket.take(ms(1010), 1), 500), 102);
    }

    #[test]
    fn a_sliding_window_lets_the_limit_through_and_no_more() {
        let mut window = SlidingWindow::new(100, SECOND);
        assert_eq!(passed(|| window.take(ms(990)), 500) + passed(|| window.take(ms(1010)), 500), 100);
        assert_eq!(passed(|| window.take(ms(1989)), 500), 0);
        assert_eq!(passed(|| window.take(ms(1990)), 500), 100);
    }

    #[test]
    fn a_bucket_that_is_asked_each_nanosecond_loses_no_fraction_of_a_token() {
        let mut bucket = TokenBucket::new(3, Duration::from_nanos(1000), 1, Instant::ZERO);
        let taken = (0..=10_000).filter(|nanos| bucket.take(Instant::from_nanos(*nanos), 1)).count();
        // The burst of one, then a token each 333⅓ ns; each is taken at the first whole nanosecond after it is there.
        assert_eq!(taken, 1 + 29);
    }

    #[test]
    fn more_than_the_burst_is_never_ready_and_what_is_refused_costs_nothing() {
        let mut bucket = TokenBucket::new(10, SECOND, 5, Instant::ZERO);
        assert_eq!(bucket.ready(ms(0), 6), None);
        assert!(!bucket.take(ms(0), 6) && bucket.take(ms(0), 5));
        assert_eq!(bucket.ready(ms(0), 5), Some(Duration::from_millis(500)));
        assert!(!bucket.take(ms(499), 5) && bucket.take(ms(500), 5));
    }

    #[test]
    fn cycles_do_not_add_up() {
        let mut cycles = Cycles::new(2, SECOND, Duration::ZERO);
        let mut goes = |at| cycles.reserve(ms(at)) == Reserved::After(Duration::ZERO);
        assert_eq!([goes(10_000), goes(10_000), goes(10_999), goes(11_000)], [true, true, false, true]);
    }

    #[test]
    fn cycles_are_reserved_ahead_and_who_comes_too_late_waits_in_vain() {
        let mut cycles = Cycles::new(2, SECOND, Duration::from_millis(1500));
        let waits: Vec<_> = (0..7).map(|_| cycles.reserve(ms(500))).collect();
        let after = |millis| Reserved::After(Duration::from_millis(millis));
        let fails = Reserved::FailsAfter(Duration::from_millis(1500));
        assert_eq!(waits, [after(0), after(0), after(500), after(500), after(1500), after(1500), fails]);
        // The next two cycles are taken already.
        assert_eq!(cycles.reserve(ms(2999)), after(1));
    }

    #[test]
    fn as_resilience4j_comes_it_limits_next_to_nothing() {
        let mut cycles = Cycles::new(50, Duration::from_nanos(500), Duration::from_secs(5));
        assert!(
            (0..1_000_000)
                .all(|_| matches!(cycles.reserve(ms(1)), Reserved::After(wait) if wait < Duration::from_millis(11)))
        );
    }

    #[test]
    fn what_is_left_is_seen_and_when_there_is_more() {
        let sight = |left: f64, most: f64, more: Option<u64>| Some(Sight { left, most, more: more.map(ms) });
        let after_three = |rule: Rule| {
            let mut limiter = Limiter::new(rule, Instant::ZERO);
            (0..3).for_each(|_| _ = limiter.ask(ms(250)));
            limiter.audit().unwrap();
            limiter
        };
        // Ten a second: at 300 ms half of the next token is there.
        let bucket = after_three(Rule::Bucket { rate: 10, per: SECOND, burst: 3 });
        assert_eq!(bucket.sight(ms(300)), sight(0.5, 3.0, Some(350)));
        assert_eq!(bucket.sight(ms(900)), sight(3.0, 3.0, None), "full");
        let fixed = after_three(Rule::Fixed { limit: 5, window: SECOND });
        assert_eq!([fixed.sight(ms(300)), fixed.sight(ms(1000))], [sight(2.0, 5.0, Some(1000)), sight(5.0, 5.0, None)]);
        let sliding = after_three(Rule::Sliding { limit: 5, window: SECOND });
        assert_eq!(
            [sliding.sight(ms(1249)), sliding.sight(ms(1250))],
            [sight(2.0, 5.0, Some(1250)), sight(5.0, 5.0, None)]
        );
        let cycles = after_three(Rule::Cycles { limit: 2, period: SECOND, timeout: SECOND });
        assert_eq!(cycles.sight(ms(300)), sight(-1.0, 2.0, Some(1000)), "one is reserved ahead");
        assert_eq!(cycles.sight(ms(1000)), sight(1.0, 2.0, Some(2000)));
        assert_eq!(Limiter::new(Rule::Adaptive, Instant::ZERO).sight(ms(300)), None, "nobody was throttled yet");
    }

    #[test]
    fn a_limiter_that_has_given_more_than_there_is_is_found_out() {
        let found = |limiter: Limiter| limiter.audit().unwrap_err();
        let bucket = TokenBucket { level: 4 * u128::from(SECOND.nanos()), ..TokenBucket::new(1, SECOND, 3, ms(0)) };
        assert!(found(Limiter::Bucket(bucket)).contains("tokens of a bucket"));
        assert!(
            found(Limiter::Fixed(FixedWindow { taken: 6, ..FixedWindow::new(5, SECOND) }))
                .contains("calls in a window")
        );
        let sliding = SlidingWindow { passed: [ms(0), ms(0)].into(), ..SlidingWindow::new(1, SECOND) };
        assert!(found(Limiter::Sliding(sliding)).contains("calls in a window"));
        for permits in [3, -5] {
            let cycles = Cycles { permits, ..Cycles::new(2, SECOND, SECOND) };
            assert!(found(Limiter::Cycles(cycles)).contains("permits of a cycle"));
        }
    }

    proptest! {
        #[test]
        fn in_any_window_a_bucket_lets_no_more_through_than_its_burst_and_what_it_gains(
            rate in 1u64..20, burst in 1u64..10, steps in prop::collection::vec(0u64..400, 1..200)
        ) {
            let mut bucket = TokenBucket::new(rate, SECOND, burst, Instant::ZERO);
            let (mut now, mut passed) = (0, Vec::new());
            for step in steps {
                now += step;
                if bucket.take(ms(now), 1) {
                    passed.push(now);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (count, to) in passed[first..].iter().enumerate() {
                    prop_assert!((count as u64 + 1) * 1000 <= burst * 1000 + rate * (to - from));
                }
            }
        }
    }
}
