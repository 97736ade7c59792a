//! Each breaker against a small independent model of it: the whole history kept in a list, every answer computed from
//! all of it.
//!
//! The models know nothing of buckets that are dropped, of rings and of sums; they are slow, and written from the
//! libraries' rules. Their parameters are drawn like what is done: small ones, so that few calls decide, and all that the library has.

use proptest::prelude::*;
use sim_core::{Duration, Instant};

use super::script::rule;
use super::{Admission, Breaker, Ended, State};

/// What one caller does.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Time passes.
    Pass(u64),
    /// Somebody asks.
    Ask,
    /// A call ends that went; which of those under way, no breaker knows.
    End { how: Ended, took: u64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let how = prop_oneof![
        4 => Just(Ended::Failed),
        4 => Just(Ended::Ok),
        1 => Just(Ended::Overlooked),
        1 => Just(Ended::Cancelled)
    ];
    // Steps that hit boundaries often: halves of seconds, and now and then a nanosecond more.
    let pass = prop_oneof![
        6 => (0u64..6).prop_map(|halves| halves * 500_000_000),
        1 => Just(1),
        1 => 0u64..30_000_000_000,
        1 => (0u64..30).prop_map(|halves| halves * 500_000_000)
    ];
    let act = prop_oneof![
        3 => pass.prop_map(Act::Pass),
        6 => Just(Act::Ask),
        6 => (how, prop_oneof![Just(0), Just(2_000_000_000), Just(2_000_000_001)])
            .prop_map(|(how, took)| Act::End { how, took })
    ];
    prop::collection::vec(act, 0..200)
}

/// A breaker as its documentation tells of it.
trait Model {
    fn ask(&mut self, now: u64) -> bool;
    fn end(&mut self, now: u64, how: Ended, took: u64);
    fn state(&mut self, now: u64) -> State;
}

fn agree(name: &str, parameters: &str, model: &mut dyn Model, acts: &[Act]) -> Result<(), TestCaseError> {
    let mut now = 0;
    let mut breaker = Breaker::new(rule(name, parameters), Instant::ZERO);
    let mut under_way = 0;
    for act in acts {
        match *act {
            Act::Pass(length) => now += length,
            Act::Ask => {
                let said = breaker.admit(Instant::from_nanos(now));
                prop_assert_eq!(said == Admission::Go, model.ask(now), "asked at {}", now);
                under_way += u32::from(said == Admission::Go);
            }
            Act::End { how, took } if under_way > 0 => {
                under_way -= 1;
                breaker.report(Instant::from_nanos(now), how, Duration::from_nanos(took));
                model.end(now, how, took);
            }
            Act::End { .. } => {}
        }
        prop_assert_eq!(breaker.state(Instant::from_nanos(now)), model.state(now), "at {} after {:?}", now, act);
    }
    Ok(())
}

const SECOND: u64 = 1_000_000_000;

/// A length in halves of a second.
fn halves(range: std::ops::Range<u64>) -> impl Strategy<Value = u64> {
    range.prop_map(|halves| halves * SECOND / 2)
}

/// resilience4j. Slow is above 2 s.
#[derive(Clone, Debug)]
struct ResilienceRule {
    seconds: bool,
    size: u64,
    minimum: usize,
    failure_rate: usize,
    slow_rate: usize,
    wait: u64,
    /// By how much percent of it the wait grows, and up to what.
    growth: Option<(u64, u64)>,
    permitted: i64,
    max_half_open: u64,
    then_closes: bool,
    automatic: bool,
}

fn resilience() -> impl Strategy<Value = ResilienceRule> {
    let window = (any::<bool>(), 1u64..7, 1usize..7);
    let rates = (1usize..=100, 1usize..=100);
    // Odd milliseconds, so that a growing wait is cut.
    let wait = prop_oneof![Just(500u64), Just(1_001), Just(1_999), Just(2_000), Just(7)];
    let growth = prop_oneof![
        2 => Just(None),
        3 => (prop_oneof![Just(100u64), Just(125), Just(150), Just(200)], prop_oneof![Just(u64::MAX), 1u64..6_000]).prop_map(Some)
    ];
    let half_open = (1i64..6, prop_oneof![Just(0), halves(1..8)], any::<bool>(), any::<bool>());
    (window, rates, wait, growth, half_open).prop_map(
        |(
            (seconds, size, minimum),
            (failure_rate, slow_rate),
            wait,
            growth,
            (permitted, max_half_open, then_closes, automatic),
        )| {
            ResilienceRule {
                seconds,
                size,
                minimum,
                failure_rate,
                slow_rate,
                wait,
                growth,
                permitted,
                max_half_open,
                then_closes,
                automatic,
            }
        },
    )
}

impl ResilienceRule {
    fn written(&self) -> String {
        let kind = if self.seconds { "TIME_BASED" } else { "COUNT_BASED" };
        let growth = self.growth.map_or(String::new(), |(percent, most)| {
            let most = if most == u64::MAX {
                String::new()
            } else {
                format!(r#", "exponentialMaxWaitDurationInOpenState": "{most}ms""#)
            };
            let factor = percent as f64 / 100.0;
            format!(r#", "enableExponentialBackoff": true, "exponentialBackoffMultiplier": {factor}{most}"#)
        });
        let then = if self.then_closes { "CLOSED" } else { "OPEN" };
        format!(
            r#"{{"slidingWindowType": "{kind}", "slidingWindowSize": {}, "minimumNumberOfCalls": {}, "slowCallDurationThreshold": "2s",
                "failureRateThreshold": {}, "slowCallRateThreshold": {}, "waitDurationInOpenState": "{}ms"{growth},
                "permittedNumberOfCallsInHalfOpenState": {}, "maxWaitDurationInHalfOpenState": "{}ns",
                "transitionToStateAfterWaitDuration": "{then}", "automaticTransitionFromOpenToHalfOpenEnabled": {}}}"#,
            self.size,
            self.minimum,
            self.failure_rate,
            self.slow_rate,
            self.wait,
            self.permitted,
            self.max_half_open,
            self.automatic
        )
    }

    /// How long it is open the n-th time in a row.
    fn wait(&self, opened: u32) -> u64 {
        let Some((percent, most)) = self.growth else { return self.wait * 1_000_000 };
        let grown = (1..opened).fold(self.wait, |wait, _| if wait > most { wait } else { wait * percent / 100 });
        grown.min(most) * 1_000_000
    }
}

struct Resilience {
    rule: ResilienceRule,
    /// When the last state began, and every call that has ended in it: when, failed, slow.
    since: u64,
    ended: Vec<(u64, bool, bool)>,
    state: State,
    taken: i64,
    /// How often it has opened since it was closed.
    opened: u32,
}

impl Resilience {
    fn new(rule: ResilienceRule) -> Self {
        Resilience { rule, since: 0, ended: Vec::new(), state: State::Closed, taken: 0, opened: 0 }
    }

    fn go(&mut self, state: State, at: u64) {
        (self.state, self.since, self.taken) = (state, at, 0);
        self.ended.clear();
        match state {
            State::Open => self.opened += 1,
            State::Closed => self.opened = 0,
            State::HalfOpen => {}
        }
    }

    fn wake(&mut self, now: u64) {
        loop {
            let waited = self.since + self.rule.wait(self.opened);
            let max = self.rule.max_half_open;
            match self.state {
                State::Open if self.rule.automatic && waited <= now => self.go(State::HalfOpen, waited),
                State::HalfOpen if max > 0 && self.since + max <= now => {
                    let then = if self.rule.then_closes { State::Closed } else { State::Open };
                    self.go(then, self.since + max);
                }
                _ => return,
            }
        }
    }
}

impl Model for Resilience {
    fn ask(&mut self, now: u64) -> bool {
        self.wake(now);
        if self.state == State::Open && now > self.since + self.rule.wait(self.opened) {
            self.go(State::HalfOpen, now);
        }
        let goes = match self.state {
            State::Closed => true,
            State::HalfOpen => self.taken < self.rule.permitted,
            State::Open => false,
        };
        self.taken += i64::from(goes);
        goes
    }

    fn end(&mut self, now: u64, how: Ended, took: u64) {
        self.wake(now);
        if matches!(how, Ended::Overlooked | Ended::Cancelled) {
            self.taken -= 1;
            return;
        }
        self.ended.push((now, how == Ended::Failed, took > 2 * SECOND));
        let half = self.state == State::HalfOpen;
        let last = if half { self.rule.permitted as usize } else { self.rule.size as usize };
        let of_seconds = self.rule.seconds && !half;
        let counted: Vec<_> = if of_seconds {
            self.ended.iter().filter(|(at, ..)| at / SECOND + self.rule.size > now / SECOND).collect()
        } else {
            self.ended.iter().rev().take(last).collect()
        };
        let minimum = if of_seconds { self.rule.minimum } else { self.rule.minimum.min(last) };
        if counted.len() < minimum {
            return;
        }
        let (all, failed) = (counted.len(), counted.iter().filter(|call| call.1).count());
        let slow = counted.iter().filter(|call| call.2).count();
        let bad = failed * 100 >= all * self.rule.failure_rate || slow * 100 >= all * self.rule.slow_rate;
        match self.state {
            State::Closed | State::HalfOpen if bad => self.go(State::Open, now),
            State::HalfOpen => self.go(State::Closed, now),
            State::Closed | State::Open => {}
        }
    }

    fn state(&mut self, now: u64) -> State {
        self.wake(now);
        self.state
    }
}

/// Polly.
#[derive(Clone, Debug)]
struct PollyRule {
    percent: usize,
    minimum: usize,
    sampling: u64,
    wait: u64,
}

fn polly() -> impl Strategy<Value = PollyRule> {
    (0usize..=100, 2usize..6, halves(1..21), halves(1..9)).prop_map(|(percent, minimum, sampling, wait)| PollyRule {
        percent,
        minimum,
        sampling,
        wait,
    })
}

struct Polly {
    rule: PollyRule,
    /// When each call since it closed ended, and whether it failed.
    ended: Vec<(u64, bool)>,
    opened: Option<u64>,
    probes: bool,
}

impl Polly {
    /// Calls that count: windows of a tenth begin with a call, and go when that is as long ago as is sampled. Below 200 ms there would
    /// be one window alone.
    fn counted(&self, now: u64) -> Vec<bool> {
        let (mut begin, mut counted) = (None, Vec::new());
        for (at, failed) in &self.ended {
            let window = begin.filter(|begin| at - begin < self.rule.sampling / 10).unwrap_or(*at);
            begin = Some(window);
            if now - window < self.rule.sampling {
                counted.push(*failed);
            }
        }
        counted
    }
}

impl Model for Polly {
    fn ask(&mut self, now: u64) -> bool {
        let ready = !self.probes && self.opened.is_some_and(|opened| now - opened >= self.rule.wait);
        self.probes |= ready;
        self.opened.is_none() || ready
    }

    fn end(&mut self, now: u64, how: Ended, _: u64) {
        let failed = how == Ended::Failed;
        if self.probes {
            self.probes = false;
            self.opened = failed.then_some(now);
            if !failed {
                self.ended.clear();
            }
            return;
        }
        self.ended.push((now, failed));
        let counted = self.counted(now);
        let bad = counted.iter().filter(|failed| **failed).count() * 100 >= counted.len() * self.rule.percent;
        if failed && self.opened.is_none() && counted.len() >= self.rule.minimum && bad {
            self.opened = Some(now);
        }
    }

    fn state(&mut self, _: u64) -> State {
        match (self.opened, self.probes) {
            (None, _) => State::Closed,
            (Some(_), true) => State::HalfOpen,
            (Some(_), false) => State::Open,
        }
    }
}

/// opossum.
#[derive(Clone, Debug)]
struct OpossumRule {
    percent: usize,
    volume: usize,
    reset: u64,
    /// How long a bucket is, and how many there are.
    bucket: u64,
    buckets: u64,
    capacity: u32,
    warm_up: bool,
}

fn opossum() -> impl Strategy<Value = OpossumRule> {
    let buckets = (prop_oneof![Just(SECOND / 10), halves(1..4)], 1u64..11);
    (0usize..=100, 0usize..6, halves(0..9), buckets, 1u32..6, any::<bool>()).prop_map(
        |(percent, volume, reset, (bucket, buckets), capacity, warm_up)| OpossumRule {
            percent,
            volume,
            reset,
            bucket,
            buckets,
            capacity,
            warm_up,
        },
    )
}

impl OpossumRule {
    fn written(&self) -> String {
        format!(
            r#"{{"errorThresholdPercentage": {}, "volumeThreshold": {}, "resetTimeout": "{}ns", "capacity": {},
                "rollingCountTimeout": "{}ns", "rollingCountBuckets": {}, "allowWarmUp": {}}}"#,
            self.percent,
            self.volume,
            self.reset,
            self.capacity,
            self.bucket * self.buckets,
            self.buckets,
            self.warm_up
        )
    }
}

struct Opossum {
    rule: OpossumRule,
    fired: Vec<u64>,
    failed: Vec<u64>,
    opened: Option<u64>,
    /// Whether the one call has been fired.
    probed: bool,
    under_way: u32,
}

impl Opossum {
    fn fail(&mut self, now: u64) {
        let state = self.state(now);
        self.failed.push(now);
        let OpossumRule { percent, volume, bucket, buckets, warm_up, .. } = self.rule;
        if warm_up && now < bucket * buckets {
            return;
        }
        let within = |times: &Vec<u64>| times.iter().filter(|at| *at / bucket + buckets > now / bucket).count();
        let (fired, failed) = (within(&self.fired), within(&self.failed));
        let bad = fired >= volume && failed * 100 > fired * percent;
        if state == State::HalfOpen || state == State::Closed && bad {
            (self.opened, self.probed) = (Some(now), false);
        }
    }
}

impl Model for Opossum {
    fn ask(&mut self, now: u64) -> bool {
        self.fired.push(now);
        match self.state(now) {
            State::Open => return false,
            State::HalfOpen if self.probed => return false,
            State::HalfOpen => self.probed = true,
            State::Closed => {}
        }
        if self.under_way == self.rule.capacity {
            self.fail(now);
            return false;
        }
        self.under_way += 1;
        true
    }

    fn end(&mut self, now: u64, how: Ended, _: u64) {
        self.under_way -= 1;
        match how {
            Ended::Failed | Ended::Cancelled => self.fail(now),
            Ended::Ok | Ended::Overlooked if self.state(now) == State::HalfOpen => self.opened = None,
            Ended::Ok | Ended::Overlooked => {}
        }
    }

    fn state(&mut self, now: u64) -> State {
        match self.opened {
            None => State::Closed,
            Some(at) if now < at + self.rule.reset => State::Open,
            Some(_) => State::HalfOpen,
        }
    }
}

/// Hystrix.
#[derive(Clone, Debug)]
struct HystrixRule {
    percent: usize,
    volume: usize,
    piece: u64,
    /// The window, in pieces and a rest that is left out.
    pieces: u64,
    sleep: u64,
}

fn hystrix() -> impl Strategy<Value = HystrixRule> {
    (0usize..=100, 0usize..6, prop_oneof![Just(SECOND / 4), halves(1..4)], 1u64..6, halves(0..9))
        .prop_map(|(percent, volume, piece, pieces, sleep)| HystrixRule { percent, volume, piece, pieces, sleep })
}

struct Hystrix {
    rule: HystrixRule,
    ended: Vec<(u64, bool)>,
    looked: u64,
    opened: Option<u64>,
    probes: bool,
}

impl Hystrix {
    fn wake(&mut self, now: u64) {
        let HystrixRule { percent, volume, piece, pieces, .. } = self.rule;
        while self.looked + piece <= now {
            self.looked += piece;
            let at = self.looked;
            // A call that ended just now stands in the piece that begins now.
            let is_seen = |end: u64| end < at && end + pieces * piece >= at;
            let seen: Vec<_> = self.ended.iter().filter(|(end, _)| is_seen(*end)).collect();
            let bad = seen.iter().filter(|(_, failed)| *failed).count() * 100 / seen.len().max(1) >= percent;
            if self.opened.is_none() && seen.len() >= volume && bad {
                self.opened = Some(at);
            }
        }
    }
}

impl Model for Hystrix {
    fn ask(&mut self, now: u64) -> bool {
        self.wake(now);
        let ready = !self.probes && self.opened.is_some_and(|opened| now > opened + self.rule.sleep);
        self.probes |= ready;
        self.opened.is_none() || ready
    }

    fn end(&mut self, now: u64, how: Ended, _: u64) {
        self.wake(now);
        if self.probes {
            self.probes = false;
            if how == Ended::Ok {
                (self.looked, self.opened) = (now, None);
                self.ended.clear();
            } else {
                self.opened = Some(now);
            }
        }
        if matches!(how, Ended::Ok | Ended::Failed) {
            self.ended.push((now, how == Ended::Failed));
        }
    }

    fn state(&mut self, now: u64) -> State {
        self.wake(now);
        match (self.opened, self.probes) {
            (None, _) => State::Closed,
            (Some(_), true) => State::HalfOpen,
            (Some(_), false) => State::Open,
        }
    }
}

/// Failsafe.
#[derive(Clone, Debug)]
struct FailsafeRule {
    failures: usize,
    /// Of how many calls.
    of: usize,
    /// Within how many milliseconds instead; 0: the last calls count.
    period: i64,
    /// Calls without which it never opens.
    executions: usize,
    /// The percentage at which it opens; 0: the failures hold.
    rate: usize,
    /// How many of how many close it; 0: as the failures say.
    successes: (usize, usize),
    delay: u64,
}

fn failsafe() -> impl Strategy<Value = FailsafeRule> {
    let failures = (1usize..4, 0usize..4);
    // Pieces of 50 ms to a second, and of one that is cut.
    let period = prop_oneof![
        3 => Just((0, 0, 0)),
        3 => (prop_oneof![Just(500i64), Just(1_005), Just(5_000), Just(10_000)], 0usize..4).prop_map(|(period, least)| (period, least, 0)),
        4 => (prop_oneof![Just(500i64), Just(1_005), Just(5_000), Just(10_000)], 1usize..6, 1usize..=100)
    ];
    let successes =
        prop_oneof![Just((0, 0)), (1usize..4, 0usize..3).prop_map(|(wanted, more)| (wanted, wanted + more))];
    (failures, period, successes, halves(0..9)).prop_map(
        |((failures, more), (period, executions, rate), successes, delay)| FailsafeRule {
            failures,
            of: failures + more,
            period,
            executions,
            rate,
            successes,
            delay,
        },
    )
}

impl FailsafeRule {
    fn written(&self) -> String {
        let mut written = format!(
            r#"{{"failureThreshold": {}, "failureThresholdingCapacity": {}, "delay": "{}ns""#,
            self.failures, self.of, self.delay
        );
        let (wanted, of) = self.successes;
        if wanted > 0 {
            written += &format!(r#", "successThreshold": {wanted}, "successThresholdingCapacity": {of}"#);
        }
        if self.period > 0 {
            written += &format!(
                r#", "failureThresholdingPeriod": "{}ms", "failureExecutionThreshold": {}, "failureRateThreshold": {}"#,
                self.period, self.executions, self.rate
            );
        }
        written + "}"
    }

    /// How many calls are remembered while half-open, and may be under way at once.
    fn half_open(&self) -> usize {
        match (self.successes, self.executions) {
            ((1.., of), _) => of,
            (_, 0) => self.of,
            (_, executions) => executions,
        }
    }
}

/// Whole percent as `Math.round` gives it.
fn rounded(part: usize, all: usize) -> usize {
    if all == 0 { 0 } else { (part as f64 / all as f64 * 100.0 + 0.5).floor() as usize }
}

struct Failsafe {
    rule: FailsafeRule,
    /// Calls that have ended, and in which of ten slots each stands, where time counts.
    ended: Vec<(usize, bool)>,
    /// When each slot began; none before it was first used.
    slots: [Option<i64>; 10],
    at: usize,
    opened: Option<u64>,
    half: bool,
    /// Below nothing when a call from before it opened gave back what it never took.
    given: i64,
}

impl Failsafe {
    fn new(rule: FailsafeRule) -> Self {
        let mut model =
            Failsafe { rule, ended: Vec::new(), slots: [None; 10], at: 0, opened: None, half: false, given: 0 };
        model.close(0);
        model
    }

    fn close(&mut self, now: u64) {
        (self.opened, self.half, self.at) = (None, false, 0);
        self.ended.clear();
        self.slots = [None; 10];
        self.slots[0] = Some((now / 1_000_000) as i64);
    }

    /// The slot of a call that ends now: those that time has passed are emptied, and begin a period after they did before. When more
    /// than ten have passed all are, and begin one after the other from now on.
    fn slot(&mut self, now: u64) -> usize {
        let (now, size) = ((now / 1_000_000) as i64, self.rule.period / 10);
        let passed = (now - self.slots[self.at].expect("it was used")) / size;
        if passed > 10 {
            self.ended.clear();
            self.at = 0;
            self.slots = std::array::from_fn(|slot| Some(now + slot as i64 * size));
        } else {
            for _ in 0..passed {
                let before = self.slots[self.at].expect("it was used");
                self.at = (self.at + 1) % 10;
                let (at, period) = (self.at, self.rule.period);
                self.slots[at] = Some(self.slots[at].map_or(before + size, |began| began + period));
                self.ended.retain(|(slot, _)| *slot != at);
            }
        }
        self.at
    }

    /// Failures and calls among the last so many.
    fn last(&self, size: usize) -> (usize, usize) {
        let last = self.ended.iter().rev().take(size);
        (last.clone().filter(|(_, failed)| *failed).count(), last.count())
    }

    fn opens(&self) -> bool {
        let (failed, all) = self.last(if self.rule.period > 0 { usize::MAX } else { self.rule.of });
        let bad =
            if self.rule.rate > 0 { rounded(failed, all) >= self.rule.rate } else { failed >= self.rule.failures };
        all >= self.rule.executions && bad
    }

    /// Whether what has ended while half-open closes it, or opens it again.
    fn decides(&self) -> Option<State> {
        let FailsafeRule { failures, of, executions, rate, successes: (wanted, capacity), .. } = self.rule;
        let (failed, all) = self.last(self.rule.half_open());
        let ok = all - failed;
        let (closes, opens) = if wanted > 0 {
            (ok >= wanted, failed > capacity - wanted)
        } else if rate > 0 {
            let enough = all >= executions;
            (enough && rounded(ok, all) > 100 - rate, enough && rounded(failed, all) >= rate)
        } else {
            (ok > of - failures, failed >= failures)
        };
        match (closes, opens) {
            (true, _) => Some(State::Closed),
            (false, true) => Some(State::Open),
            (false, false) => None,
        }
    }
}

impl Model for Failsafe {
    fn ask(&mut self, now: u64) -> bool {
        if !self.half && self.opened.is_some_and(|opened| now >= opened + self.rule.delay) {
            (self.half, self.given) = (true, 0);
            self.ended.clear();
        }
        let goes = self.opened.is_none() || self.half && self.given < self.rule.half_open() as i64;
        self.given += i64::from(goes && self.half);
        goes
    }

    fn end(&mut self, now: u64, how: Ended, _: u64) {
        let failed = matches!(how, Ended::Failed | Ended::Cancelled);
        match (self.opened, self.half) {
            (Some(_), false) => {}
            (None, _) => {
                let slot = if self.rule.period > 0 { self.slot(now) } else { 0 };
                self.ended.push((slot, failed));
                if self.opens() {
                    self.opened = Some(now);
                }
            }
            (Some(_), true) => {
                self.ended.push((0, failed));
                match self.decides() {
                    Some(State::Closed) => self.close(now),
                    Some(_) => (self.opened, self.half) = (Some(now), false),
                    None => self.given -= 1,
                }
            }
        }
    }

    fn state(&mut self, _: u64) -> State {
        match (self.opened, self.half) {
            (None, _) => State::Closed,
            (Some(_), true) => State::HalfOpen,
            (Some(_), false) => State::Open,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn resilience4j_is_its_model(rule in resilience(), acts in acts()) {
        let written = rule.written();
        agree("resilience4j", &written, &mut Resilience::new(rule), &acts)?;
    }

    #[test]
    fn polly_is_its_model(rule in polly(), acts in acts()) {
        let PollyRule { percent, minimum, sampling, wait } = rule;
        let parameters = format!(
            r#"{{"FailureRatio": "{percent}%", "MinimumThroughput": {minimum}, "SamplingDuration": "{sampling}ns", "BreakDuration": "{wait}ns"}}"#
        );
        agree("polly", &parameters, &mut Polly { rule, ended: vec![], opened: None, probes: false }, &acts)?;
    }

    #[test]
    fn opossum_is_its_model(rule in opossum(), acts in acts()) {
        let written = rule.written();
        let mut model = Opossum { rule, fired: vec![], failed: vec![], opened: None, probed: false, under_way: 0 };
        agree("opossum", &written, &mut model, &acts)?;
    }

    #[test]
    fn hystrix_is_its_model(rule in hystrix(), rest in 0u64..1_000, acts in acts()) {
        let HystrixRule { percent, volume, piece, pieces, sleep } = rule;
        let window = pieces * piece + piece * rest / 1_000;
        let parameters = format!(
            r#"{{"circuitBreaker.requestVolumeThreshold": {volume}, "circuitBreaker.errorThresholdPercentage": {percent},
                "circuitBreaker.sleepWindowInMilliseconds": "{sleep}ns", "metrics.rollingStats.timeInMilliseconds": "{window}ns",
                "metrics.healthSnapshot.intervalInMilliseconds": "{piece}ns"}}"#
        );
        let mut model = Hystrix { rule, ended: vec![], looked: 0, opened: None, probes: false };
        agree("hystrix", &parameters, &mut model, &acts)?;
    }

    #[test]
    fn failsafe_is_its_model(rule in failsafe(), acts in acts()) {
        let written = rule.written();
        agree("failsafe", &written, &mut Failsafe::new(rule), &acts)?;
    }
}
