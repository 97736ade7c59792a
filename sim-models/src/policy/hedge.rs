//! Hedged requests: a second one when the first is slow, and whichever answers first.
//!
//! gRPC's `hedgingPolicy` (proposal A6, 1fd061a): the next one starts after each delay without an answer; a non-fatal failure starts
//! it at once, and those behind it resume the cadence; a fatal failure or an answer ends it all. What a server says about trying
//! again moves the next one, or forbids it. Polly's `HedgingResilienceStrategy` is alike, but for whose failure stands when all have
//! failed. Finagle's `BackupRequestFilter` finds its delay from the latencies it sees, and takes no failure for a reason to ask again.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::budget;
use super::profile::{Kind, Parameter, Profile};
use super::retry::Pushback;
use super::settings::{Setting, Settings};

/// One hedged call.
///
/// ```
/// use sim_core::{Duration, Instant};
/// use sim_models::policy::hedge::{Hedge, Rule};
/// let rule = Rule { tries: 3, delay: Duration::from_millis(10), ..Rule::GRPC };
/// let mut hedge = Hedge::new(rule, Instant::ZERO);
/// assert_eq!(hedge.starts(Instant::ZERO), 1);
/// assert_eq!(hedge.next(), Some(Instant::from_nanos(10_000_000)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Hedge {
    #[serde(skip)]
    rule: Rule,
    started: u32,
    under_way: u32,
    /// When the next one starts, if one may.
    next: Option<Instant>,
}

/// How a call is hedged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Requests in all, the first included; gRPC takes more than 5 for 5.
    pub tries: u32,
    /// Between one and the next; zero: all at once; for ever: only after a failure.
    pub delay: Duration,
    /// What a failure that others may not have does to the next one.
    pub after_failure: AfterFailure,
    /// What the call fails with when all have failed.
    pub blames: Blames,
}

/// What a failure that others may not have does to the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AfterFailure {
    /// It starts at once (gRPC, Polly).
    NextAtOnce,
    /// It does not start any more (Finagle): others that are under way decide.
    NoMore,
}

/// Which failure stands when all have failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blames {
    /// That of the request that failed last (gRPC, Finagle).
    Last,
    /// That of the request that was sent first (Polly).
    First,
}

/// What a failure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Others are under way, or one starts.
    GoesOn,
    /// It was the last: the call fails.
    Ends,
}

impl Rule {
    /// gRPC's, with two requests at once.
    pub const GRPC: Rule =
        Rule { tries: 2, delay: Duration::ZERO, after_failure: AfterFailure::NextAtOnce, blames: Blames::Last };
}

impl Hedge {
    /// A call that begins now; its first request starts at once.
    pub const fn new(rule: Rule, now: Instant) -> Self {
        Hedge { rule, started: 0, under_way: 0, next: Some(now) }
    }

    /// How many requests start now. Ask again at [`Hedge::next`].
    pub fn starts(&mut self, now: Instant) -> u32 {
        let mut starts = 0;
        while self.is_due(now) {
            starts += 1;
            self.start(now);
        }
        starts
    }

    /// Whether a request is to start now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }

    /// A request starts.
    pub fn start(&mut self, now: Instant) {
        self.started += 1;
        self.under_way += 1;
        self.next = (self.started < self.rule.tries).then(|| now + self.rule.delay);
    }

    /// Requests that have started.
    pub const fn started(&self) -> u32 {
        self.started
    }

    /// When the next one starts if nothing is heard before; never without a failure when that is after all time.
    pub const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// One has failed in a way that others may not: the next one starts at once, or when the server says.
    pub fn failed(&mut self, now: Instant, pushback: Option<Pushback>) -> Failed {
        self.under_way = self.under_way.saturating_sub(1);
        self.next = match (self.next, pushback, self.rule.after_failure) {
            (None, ..) | (_, Some(Pushback::No), _) | (_, _, AfterFailure::NoMore) => None,
            (Some(_), Some(Pushback::After(wait)), AfterFailure::NextAtOnce) => Some(now + wait),
            (Some(_), None, AfterFailure::NextAtOnce) => Some(now),
        };
        self.goes_on()
    }

    /// No more start, since a budget does not allow it.
    pub fn stop(&mut self) -> Failed {
        self.next = None;
        self.goes_on()
    }

    const fn goes_on(&self) -> Failed {
        if self.under_way == 0 && self.next.is_none() { Failed::Ends } else { Failed::GoesOn }
    }

    /// One has answered, or failed for good: how many others are to be cancelled. No more start.
    pub fn over(&mut self) -> u32 {
        self.next = None;
        std::mem::take(&mut self.under_way).saturating_sub(1)
    }
}

/// The latencies that Finagle's filter has seen of late, and the delay that comes of them.
///
/// As `WindowedPercentileHistogram` has it with its defaults: ten buckets of 3 s, of which only full ones count, whole milliseconds up
/// to 2 s; looked at every 3 s. What was superseded counts with the time until then, and fast failures do not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Latencies {
    #[serde(skip)]
    share: Ratio,
    #[serde(skip)]
    least: Duration,
    /// By the number of the bucket, the newest last: how many took so many milliseconds.
    buckets: VecDeque<(u64, BTreeMap<u64, u32>)>,
    /// The bucket at whose beginning the delay was looked at, and the delay; none before the first look.
    looked: Option<(u64, Duration)>,
}

const BUCKET: Duration = Duration::from_secs(3);
const BUCKETS: u64 = 10;
/// Longer latencies count as this, and a delay of this long is none.
const LONGEST: Duration = Duration::from_secs(2);

impl Latencies {
    /// None seen; the delay will be that at which this share of requests is not answered yet, and at least `least`.
    pub const fn new(extra: Ratio, least: Duration) -> Self {
        Latencies { share: extra, least, buckets: VecDeque::new(), looked: None }
    }

    /// A request took so long.
    pub fn hear(&mut self, now: Instant, took: Duration) {
        let bucket = now.nanos() / BUCKET.nanos();
        let millis = took.min(LONGEST).nanos() / 1_000_000;
        match self.buckets.back_mut() {
            Some((newest, counts)) if *newest == bucket => *counts.entry(millis).or_default() += 1,
            _ => self.buckets.push_back((bucket, BTreeMap::from([(millis, 1)]))),
        }
        self.forget(bucket);
    }

    fn forget(&mut self, bucket: u64) {
        while self.buckets.front().is_some_and(|(oldest, _)| oldest + BUCKETS < bucket) {
            self.buckets.pop_front();
        }
    }

    /// After which delay a second request is sent now; for ever: none is.
    pub fn delay(&mut self, now: Instant) -> Duration {
        let bucket = now.nanos() / BUCKET.nanos();
        if bucket == 0 {
            return Duration::FOREVER;
        }
        let delay = match self.looked {
            Some((looked, delay)) if looked == bucket => delay,
            _ => {
                self.forget(bucket);
                let delay = self.percentile(bucket).max(self.least);
                self.looked = Some((bucket, delay));
                delay
            }
        };
        if delay >= LONGEST { Duration::FOREVER } else { delay }
    }

    /// The delay that a request which is sent now would have, without a look at it.
    pub fn delay_seen(&self, now: Instant) -> Duration {
        self.clone().delay(now)
    }

    /// How many latencies count at the moment.
    pub fn count(&self, now: Instant) -> u64 {
        let bucket = now.nanos() / BUCKET.nanos();
        let full = self.buckets.iter().filter(|(of, _)| *of < bucket && of + BUCKETS >= bucket);
        full.flat_map(|(_, counts)| counts.values()).map(|count| u64::from(*count)).sum()
    }

    fn percentile(&self, bucket: u64) -> Duration {
        let mut counts = BTreeMap::<u64, u64>::new();
        for (millis, count) in self.buckets.iter().filter(|(of, _)| *of < bucket).flat_map(|(_, counts)| counts) {
            *counts.entry(*millis).or_default() += u64::from(*count);
        }
        let total: u64 = counts.values().sum();
        let beyond = u128::from(total) * u128::from(self.share.parts()) / u128::from(Ratio::ONE.parts());
        let mut rank = total - beyond as u64;
        let at = counts.into_iter().find(|(_, count)| {
            let found = *count >= rank;
            rank = rank.saturating_sub(*count);
            found
        });
        at.map_or(Duration::ZERO, |(millis, _)| Duration::from_millis(millis))
    }
}

/// What settings of a hedge's profile come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hedged {
    /// How it is hedged; of Finagle's the delay is the longest there is until latencies say otherwise.
    pub rule: Rule,
    /// What keeps further requests few.
    pub budget: Option<budget::Rule>,
    /// The share of further requests, and the least delay, where the delay follows from latencies.
    pub follows: Option<(Ratio, Duration)>,
    /// Whether the losers are told.
    pub cancels: bool,
}

impl Hedged {
    /// The rule that settings of a hedge's profile come to; none when they are of another kind of policy.
    pub fn of(settings: &Settings) -> Option<Hedged> {
        match settings.profile().name {
            _ if settings.profile().kind != Kind::Hedge => None,
            "grpc" => Some(grpc(settings)),
            "polly" => Some(polly(settings)),
            "finagle" => Some(finagle(settings)),
            _ => None,
        }
    }
}

/// The outcomes, by kind or reason, after which others are still waited for, or asked; any other but ok ends the call.
pub fn handled(settings: &Settings) -> Vec<String> {
    let written = match settings.profile().name {
        "grpc" => return settings.outcomes("nonFatalStatusCodes").to_vec(),
        "polly" => settings.outcomes("ShouldHandle"),
        _ => &[],
    };
    if written.is_empty() { ["error", "unknown"].map(str::to_owned).to_vec() } else { written.to_vec() }
}

/// gRPC
pub static GRPC: Profile = Profile {
    name: "grpc",
    kind: Kind::Hedge,
    source: "gRPC proposal A6 (1fd061a): hedgingPolicy, retryThrottling",
    about: "Sends one after each delay without an answer, the next at once after a failure that is not fatal.",
    parameters: &[
        Parameter::new("maxAttempts", Setting::Count(2), "Requests in all, the first included; more than 5 are 5.")
            .from(Setting::Count(2))
            .required(),
        Parameter::new("hedgingDelay", Setting::secs(0), "Between one and the next; 0: all at once."),
        Parameter::new(
            "nonFatalStatusCodes",
            Setting::Outcomes,
            "Outcomes after which others go on; any other ends it. Default: none.",
        ),
        Parameter::new("maxTokens", Setting::Count(0), "Tokens at first and at most; 0: no throttling.")
            .to(Setting::Count(1000)),
        Parameter::new("tokenRatio", Setting::Factor(100_000), "What a success gives back, to three digits.")
            .from(Setting::Factor(1_000)),
    ],
    surprises: &[
        "Without nonFatalStatusCodes the first failure ends it, however many are under way.",
        "Without hedgingDelay all are sent at once: the load is maxAttempts times as high.",
        "A failure that is not fatal starts the next one at once, and the delay begins anew from there.",
        "At just half of the tokens no more are sent: it must be more than half.",
    ],
    sound: |_| Ok(()),
};

fn grpc(settings: &Settings) -> Hedged {
    let tokens = settings.count("maxTokens");
    Hedged {
        rule: Rule {
            tries: settings.count("maxAttempts").min(5),
            delay: settings.length("hedgingDelay"),
            ..Rule::GRPC
        },
        budget: (tokens > 0).then(|| budget::Rule::Grpc { tokens, ratio: settings.factor("tokenRatio") / 1000 }),
        follows: None,
        cancels: true,
    }
}

/// Polly
pub static POLLY: Profile = Profile {
    name: "polly",
    kind: Kind::Hedge,
    source: "Polly 8 (173d6d1): HedgingStrategyOptions, HedgingResilienceStrategy, HedgingExecutionContext",
    about: "Sends another one after a delay or after a failure, and takes the first that is well.",
    parameters: &[
        Parameter::new("MaxHedgedAttempts", Setting::Count(1), "Further requests, the first not included.")
            .from(Setting::Count(1))
            .to(Setting::Count(10)),
        Parameter::new("Delay", Setting::secs(2), "Between one and the next; 0: all at once."),
        Parameter::new(
            "ShouldHandle",
            Setting::Outcomes,
            "Outcomes after which others go on; any other ends it. Default: error and unknown.",
        ),
    ],
    surprises: &[
        "MaxHedgedAttempts does not count the first: 1 is two requests.",
        "When all have failed, the failure of the first request stands, not that of the last.",
        "Nothing keeps further requests few: when all are slow, all are sent twice.",
    ],
    sound: |_| Ok(()),
};

fn polly(settings: &Settings) -> Hedged {
    Hedged {
        rule: Rule {
            tries: settings.count("MaxHedgedAttempts").saturating_add(1),
            delay: settings.length("Delay"),
            after_failure: AfterFailure::NextAtOnce,
            blames: Blames::First,
        },
        budget: None,
        follows: None,
        cancels: true,
    }
}

/// Finagle
pub static FINAGLE: Profile = Profile {
    name: "finagle",
    kind: Kind::Hedge,
    source: "Finagle 24 (4feb34c): BackupRequestFilter, WindowedPercentileHistogram, RetryBudget",
    about: "Sends a second one when the first takes longer than all but a share of those seen of late.",
    parameters: &[
        Parameter::new(
            "maxExtraLoad",
            Setting::share(1, 100),
            "Further requests, as a share of the first ones; below 1.",
        )
        .required(),
        Parameter::new("sendInterrupts", Setting::Switch(true), "Whether the one that lost is told."),
        Parameter::new("minSendBackupAfterMs", Setting::millis(1), "The shortest delay.").from(Setting::millis(1)),
    ],
    surprises: &[
        "In the first three seconds none is sent, since no latency is known.",
        "When nothing was seen of late, the delay is a millisecond.",
        "A first request that fails before the delay is over is the end: no other is sent.",
        "The budget is one of retries: ten a second are free, a hundred at once at the start.",
        "The client's own retry budget is asked too: above 0.2, maxExtraLoad shortens the delay and sends no more.",
        "The delay follows from latencies that hedging has shortened: what was superseded counts with the time until then.",
    ],
    sound: |settings| match settings.ratio("maxExtraLoad") {
        Ratio::ONE => Err(("maxExtraLoad", "maxExtraLoad must be below 1".to_owned())),
        _ => Ok(()),
    },
};

/// What the budget of a Finagle client allows unless it is set otherwise; as [`budget::FINAGLE`] has it.
const OF_CLIENT: Ratio = match Ratio::new(1, 5) {
    Some(share) => share,
    None => Ratio::ZERO,
};

/// A second request is taken from the filter's budget and from the client's own. Both are brought to by the same requests, forget
/// after the same time and have the same part free: the one with the smaller share decides.
fn finagle(settings: &Settings) -> Hedged {
    let extra = settings.ratio("maxExtraLoad");
    Hedged {
        rule: Rule {
            tries: if extra.is_zero() { 1 } else { 2 },
            delay: Duration::FOREVER,
            after_failure: AfterFailure::NoMore,
            blames: Blames::Last,
        },
        budget: Some(budget::Rule::Finagle {
            share: extra.min(OF_CLIENT),
            per_second: 10,
            ttl: Duration::from_secs(10),
        }),
        follows: Some((extra, settings.length("minSendBackupAfterMs"))),
        cancels: settings.is("sendInterrupts"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { tries: 4, delay: Duration::from_millis(10), ..Rule::GRPC };

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    fn begun() -> Hedge {
        let mut hedge = Hedge::new(RULE, ms(0));
        assert_eq!(hedge.starts(ms(0)), 1);
        hedge
    }

    #[test]
    fn one_starts_after_each_delay_without_an_answer_and_no_more_than_there_may_be() {
        let mut hedge = begun();
        assert_eq!([9, 10, 19, 20, 30, 40].map(|at| hedge.starts(ms(at))), [0, 1, 0, 1, 1, 0]);
        assert_eq!(hedge.over(), 3, "an answer cancels the others");
    }

    #[test]
    fn without_a_delay_all_start_at_once() {
        assert_eq!(Hedge::new(Rule { delay: Duration::ZERO, ..RULE }, ms(0)).starts(ms(0)), 4);
    }

    #[test]
    fn a_non_fatal_failure_starts_the_next_at_once_and_the_cadence_goes_on_from_there() {
        let mut hedge = begun();
        assert_eq!(hedge.failed(ms(3), None), Failed::GoesOn);
        assert_eq!(hedge.starts(ms(3)), 1);
        assert_eq!([10, 12, 13].map(|at| hedge.starts(ms(at))), [0, 0, 1]);
    }

    #[test]
    fn the_last_failure_ends_it() {
        let mut hedge = begun();
        for at in 1..4 {
            assert_eq!(hedge.failed(ms(at), None), Failed::GoesOn);
            assert_eq!(hedge.starts(ms(at)), 1);
        }
        assert_eq!(hedge.failed(ms(5), None), Failed::Ends);
    }

    #[test]
    fn a_pushback_moves_the_next_one_and_those_behind_it_follow_after_the_delay() {
        let mut hedge = begun();
        assert_eq!(hedge.failed(ms(3), Some(Pushback::After(Duration::from_millis(50)))), Failed::GoesOn);
        assert_eq!([10, 52, 53, 62, 63].map(|at| hedge.starts(ms(at))), [0, 0, 1, 0, 1]);
    }

    #[test]
    fn a_pushback_that_says_no_starts_no_more_and_waits_for_those_under_way() {
        let mut hedge = begun();
        assert_eq!(hedge.starts(ms(10)), 1);
        assert_eq!(hedge.failed(ms(12), Some(Pushback::No)), Failed::GoesOn);
        assert_eq!(hedge.starts(ms(1000)), 0);
        assert_eq!(hedge.failed(ms(1001), None), Failed::Ends);
    }

    #[test]
    fn after_a_fatal_failure_nothing_starts() {
        let mut hedge = begun();
        assert_eq!(hedge.starts(ms(10)), 1);
        assert_eq!(hedge.over(), 1);
        assert_eq!((hedge.starts(ms(1000)), hedge.next()), (0, None));
    }

    #[test]
    fn without_a_delay_of_its_own_the_next_one_starts_only_after_a_failure() {
        let mut hedge = Hedge::new(Rule { delay: Duration::FOREVER, ..RULE }, ms(0));
        assert_eq!(hedge.starts(ms(0)), 1);
        assert_eq!(hedge.starts(ms(1_000_000)), 0);
        assert_eq!(hedge.failed(ms(1_000_001), None), Failed::GoesOn);
        assert_eq!(hedge.starts(ms(1_000_001)), 1);
    }

    #[test]
    fn after_a_failure_finagle_starts_no_more_and_waits_for_the_one_under_way() {
        let rule = Rule { tries: 2, after_failure: AfterFailure::NoMore, ..RULE };
        let mut early = Hedge::new(rule, ms(0));
        assert_eq!(early.starts(ms(0)), 1);
        assert_eq!(early.failed(ms(5), None), Failed::Ends);
        let mut late = Hedge::new(rule, ms(0));
        assert_eq!([0, 10].map(|at| late.starts(ms(at))), [1, 1]);
        assert_eq!(late.failed(ms(12), None), Failed::GoesOn);
        assert_eq!(late.failed(ms(15), None), Failed::Ends);
    }

    #[test]
    fn a_budget_that_is_empty_stops_it_and_those_under_way_decide() {
        let mut hedge = begun();
        assert_eq!(hedge.stop(), Failed::GoesOn);
        assert_eq!((hedge.starts(ms(1000)), hedge.next()), (0, None));
        assert_eq!(hedge.failed(ms(1001), None), Failed::Ends);
    }

    #[test]
    fn finagle_sends_no_second_one_in_the_first_three_seconds_and_then_at_the_percentile_of_full_buckets() {
        let mut seen = Latencies::new(Ratio::new(1, 100).unwrap(), Duration::from_millis(1));
        (1..=100).for_each(|took| seen.hear(ms(2_000 + took), Duration::from_millis(took)));
        assert_eq!(seen.delay(ms(2_999)), Duration::FOREVER);
        // 99 of a hundred took 99 ms or less.
        assert_eq!(seen.delay(ms(3_000)), Duration::from_millis(99));
        (0..1000).for_each(|_| seen.hear(ms(3_500), Duration::from_millis(300)));
        assert_eq!(seen.delay(ms(5_999)), Duration::from_millis(99), "the bucket that is being filled does not count");
        assert_eq!(seen.delay(ms(6_000)), Duration::from_millis(300));
        // The last full bucket of ten is the one before: 3 s to 6 s count up to 36 s.
        assert_eq!(seen.delay(ms(35_999)), Duration::from_millis(300));
        assert_eq!(seen.delay(ms(36_000)), Duration::from_millis(1), "nothing seen of late");
    }

    #[test]
    fn what_takes_two_seconds_or_more_is_not_hedged_by_finagle() {
        let mut seen = Latencies::new(Ratio::new(1, 10).unwrap(), Duration::from_millis(1));
        (0..100).for_each(|_| seen.hear(ms(100), Duration::from_secs(9)));
        assert_eq!(seen.delay(ms(4_000)), Duration::FOREVER);
    }
}
