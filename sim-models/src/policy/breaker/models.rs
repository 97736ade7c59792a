//! Each breaker against a small independent model of it: the whole history kept in a list, every answer computed from
//! all of it.
//!
//! The models know nothing of buckets that are dropped, of rings and of sums; they are slow, and written from the
//! libraries' rules.

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

/// resilience4j: window of 4 calls or 3 seconds, minimum 3, rate 50 %, slow above 2 s at 80 %, wait 2 s, permitted 4.
struct Resilience {
    seconds: bool,
    max_half_open: u64,
    /// When the last state began, and every call that has ended in it: when, failed, slow.
    since: u64,
    ended: Vec<(u64, bool, bool)>,
    state: State,
    taken: i64,
}

impl Resilience {
    fn new(seconds: bool, max_half_open: u64) -> Self {
        Resilience { seconds, max_half_open, since: 0, ended: Vec::new(), state: State::Closed, taken: 0 }
    }

    fn go(&mut self, state: State, at: u64) {
        (self.state, self.since, self.taken) = (state, at, 0);
        self.ended.clear();
    }

    fn wake(&mut self, now: u64) {
        if self.state == State::HalfOpen && self.max_half_open > 0 && now >= self.since + self.max_half_open {
            self.go(State::Open, self.since + self.max_half_open);
        }
    }
}

impl Model for Resilience {
    fn ask(&mut self, now: u64) -> bool {
        self.wake(now);
        if self.state == State::Open && now > self.since + 2 * SECOND {
            self.go(State::HalfOpen, now);
        }
        self.taken += 1;
        match self.state {
            State::Closed => true,
            State::HalfOpen if self.taken <= 4 => true,
            State::HalfOpen | State::Open => {
                self.taken -= 1;
                false
            }
        }
    }

    fn end(&mut self, now: u64, how: Ended, took: u64) {
        self.wake(now);
        if matches!(how, Ended::Overlooked | Ended::Cancelled) {
            self.taken -= 1;
            return;
        }
        self.ended.push((now, how == Ended::Failed, took > 2 * SECOND));
        let half = self.state == State::HalfOpen;
        let counted: Vec<_> = if self.seconds && !half {
            self.ended.iter().filter(|(at, ..)| at / SECOND + 3 > now / SECOND).collect()
        } else {
            self.ended.iter().rev().take(4).collect()
        };
        if counted.len() < 3 {
            return;
        }
        let (all, failed) = (counted.len(), counted.iter().filter(|call| call.1).count());
        let slow = counted.iter().filter(|call| call.2).count();
        let bad = failed * 100 / all >= 50 || slow * 100 / all >= 80;
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

/// Polly: 30 % of at least 3 within 5 s, break 2 s.
#[derive(Default)]
struct Polly {
    /// When each call since it closed ended, and whether it failed.
    ended: Vec<(u64, bool)>,
    opened: Option<u64>,
    probes: bool,
}

impl Polly {
    /// Calls that count: windows of half a second begin with a call, and go as a whole 5 s after that.
    fn counted(&self, now: u64) -> Vec<bool> {
        let (mut begin, mut counted) = (None, Vec::new());
        for (at, failed) in &self.ended {
            let window = begin.filter(|begin| at - begin < SECOND / 2).unwrap_or(*at);
            begin = Some(window);
            if now - window < 5 * SECOND {
                counted.push(*failed);
            }
        }
        counted
    }
}

impl Model for Polly {
    fn ask(&mut self, now: u64) -> bool {
        let ready = !self.probes && self.opened.is_some_and(|opened| now - opened >= 2 * SECOND);
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
        let bad = counted.iter().filter(|failed| **failed).count() * 10 >= counted.len() * 3;
        if failed && self.opened.is_none() && counted.len() >= 3 && bad {
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

/// opossum: above 40 % of at least 3, reset after 3 s, window of 5 s in 5 buckets, at most 4 at once.
#[derive(Default)]
struct Opossum {
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
        let within = |times: &Vec<u64>| times.iter().filter(|at| *at / SECOND + 5 > now / SECOND).count();
        let (fired, failed) = (within(&self.fired), within(&self.failed));
        let bad = fired >= 3 && failed * 100 > fired * 40;
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
        if self.under_way == 4 {
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
            Some(at) if now < at + 3 * SECOND => State::Open,
            Some(_) => State::HalfOpen,
        }
    }
}

/// Hystrix: 40 % of at least 3, looked at each second, window of 4 s, sleep 2 s.
struct Hystrix {
    ended: Vec<(u64, bool)>,
    looked: u64,
    opened: Option<u64>,
    probes: bool,
}

impl Hystrix {
    fn wake(&mut self, now: u64) {
        while self.looked + SECOND <= now {
            self.looked += SECOND;
            let at = self.looked;
            // A call that ended just now stands in the piece that begins now.
            let seen: Vec<_> = self.ended.iter().filter(|(end, _)| *end < at && *end + 4 * SECOND >= at).collect();
            let bad = seen.iter().filter(|(_, failed)| *failed).count() * 100 / seen.len().max(1) >= 40;
            if self.opened.is_none() && seen.len() >= 3 && bad {
                self.opened = Some(at);
            }
        }
    }
}

impl Model for Hystrix {
    fn ask(&mut self, now: u64) -> bool {
        self.wake(now);
        let ready = !self.probes && self.opened.is_some_and(|opened| now > opened + 2 * SECOND);
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

/// Failsafe: 2 failures of 4 calls open it for 2 s; 2 successes of 3 close it.
#[derive(Default)]
struct Failsafe {
    ended: Vec<bool>,
    opened: Option<u64>,
    half: bool,
    /// Below nothing when a call from before it opened gave back what it never took.
    given: i64,
}

impl Model for Failsafe {
    fn ask(&mut self, now: u64) -> bool {
        if !self.half && self.opened.is_some_and(|opened| now >= opened + 2 * SECOND) {
            (self.half, self.given) = (true, 0);
            self.ended.clear();
        }
        match (self.opened, self.half) {
            (None, _) => true,
            (Some(_), true) if self.given < 3 => {
                self.given += 1;
                true
            }
            (Some(_), _) => false,
        }
    }

    fn end(&mut self, now: u64, how: Ended, _: u64) {
        let failed = matches!(how, Ended::Failed | Ended::Cancelled);
        if self.opened.is_some() && !self.half {
            return;
        }
        self.ended.push(failed);
        let of = |size: usize| self.ended.iter().rev().take(size).filter(|failed| **failed).count();
        if self.half {
            let bad = of(3);
            let good = self.ended.len().min(3) - bad;
            if good >= 2 {
                (self.opened, self.half) = (None, false);
                self.ended.clear();
            } else if bad > 1 {
                (self.opened, self.half) = (Some(now), false);
            } else {
                self.given -= 1;
            }
        } else if of(4) >= 2 {
            self.opened = Some(now);
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
    #[test]
    fn resilience4j_with_a_window_of_calls_is_its_model(acts in acts(), max in prop_oneof![Just(0), Just(3 * SECOND)]) {
        let mut model = Resilience::new(false, max);
        let parameters = format!(
            r#"{{"slidingWindowSize": 4, "minimumNumberOfCalls": 3, "slowCallDurationThreshold": "2s",
                "slowCallRateThreshold": 80,
                "waitDurationInOpenState": "2s", "permittedNumberOfCallsInHalfOpenState": 4,
                "maxWaitDurationInHalfOpenState": "{max}ns"}}"#
        );
        agree("resilience4j", &parameters, &mut model, &acts)?;
    }

    #[test]
    fn resilience4j_with_a_window_of_seconds_is_its_model(acts in acts()) {
        let mut model = Resilience::new(true, 0);
        let parameters = r#"{"slidingWindowType": "TIME_BASED", "slidingWindowSize": 3, "minimumNumberOfCalls": 3,
            "slowCallDurationThreshold": "2s", "slowCallRateThreshold": 80, "waitDurationInOpenState": "2s",
            "permittedNumberOfCallsInHalfOpenState": 4}"#;
        agree("resilience4j", parameters, &mut model, &acts)?;
    }

    #[test]
    fn polly_is_its_model(acts in acts()) {
        let parameters =
            r#"{"FailureRatio": 0.3, "MinimumThroughput": 3, "SamplingDuration": "5s", "BreakDuration": "2s"}"#;
        agree("polly", parameters, &mut Polly::default(), &acts)?;
    }

    #[test]
    fn opossum_is_its_model(acts in acts()) {
        let parameters = r#"{"errorThresholdPercentage": 40, "volumeThreshold": 3, "resetTimeout": "3s", "capacity": 4,
            "rollingCountTimeout": "5s", "rollingCountBuckets": 5}"#;
        agree("opossum", parameters, &mut Opossum::default(), &acts)?;
    }

    #[test]
    fn hystrix_is_its_model(acts in acts()) {
        let parameters = r#"{"circuitBreaker.requestVolumeThreshold": 3, "circuitBreaker.errorThresholdPercentage": 40,
            "circuitBreaker.sleepWindowInMilliseconds": "2s", "metrics.rollingStats.timeInMilliseconds": "4s",
            "metrics.healthSnapshot.intervalInMilliseconds": "1s"}"#;
        let mut model = Hystrix { ended: vec![], looked: 0, opened: None, probes: false };
        agree("hystrix", parameters, &mut model, &acts)?;
    }

    #[test]
    fn failsafe_is_its_model(acts in acts()) {
        let parameters = r#"{"failureThreshold": 2, "failureThresholdingCapacity": 4, "successThreshold": 2,
            "successThresholdingCapacity": 3, "delay": "2s"}"#;
        agree("failsafe", parameters, &mut Failsafe::default(), &acts)?;
    }
}
