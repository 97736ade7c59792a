//! What keeps retries few when many calls fail at once: budgets and buckets that all calls of a client share.

use std::collections::VecDeque;

use serde::Serialize;
use sim_core::{Duration, Instant, Ratio};

use super::profile::{Kind, Parameter, Profile};
use super::settings::{Setting, Settings};

/// How retries are kept few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Finagle: each request brings a share of a retry, for a while; so many a second are free.
    Finagle {
        /// Retries per request.
        share: Ratio,
        /// Retries a second that are free.
        per_second: u32,
        /// How long a deposit lasts.
        ttl: Duration,
    },
    /// gRPC: failures cost a token, successes bring a part of one; no retry at half of them or less.
    Grpc {
        /// Tokens at first and at most.
        tokens: u32,
        /// What a success brings, in thousandths.
        ratio: u64,
    },
    /// Envoy: so many retries at once, or a share of all calls at once if that is more.
    Envoy {
        /// Of the calls at once.
        share: Ratio,
        /// In any case.
        least: u32,
    },
    /// AWS SDK: retries cost tokens, successes bring them back.
    Aws {
        /// Tokens at first and at most.
        capacity: u32,
        /// For a retry.
        cost: u32,
        /// For a retry after a timeout.
        timeout_cost: u32,
        /// That a success at the first try brings.
        gain: u32,
    },
}

/// What is left, and what is under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Budget {
    #[serde(skip)]
    rule: Rule,
    /// Thousandths of a token.
    tokens: u64,
    /// Calls under way, tries that are retries among them, waits not.
    active: u32,
    retries: u32,
    /// Deposits less withdrawals by slice of time, the newest last; of Finagle's alone.
    slices: VecDeque<(u64, i64)>,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Well.
    Ok,
    /// With something that is tried again by this policy.
    Failed,
    /// With something else, which says nothing about the callee.
    Otherwise,
}

/// What a retry was paid with, so that success can give it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Paid(u32);

/// Slices of Finagle's window.
const SLICES: u64 = 10;
/// A request deposits so much.
const DEPOSIT: i64 = 1000;

impl Budget {
    /// As it is at first.
    pub fn new(rule: Rule) -> Budget {
        let tokens = match rule {
            Rule::Grpc { tokens, .. } | Rule::Aws { capacity: tokens, .. } => u64::from(tokens) * 1000,
            Rule::Finagle { .. } | Rule::Envoy { .. } => 0,
        };
        Budget { rule, tokens, active: 0, retries: 0, slices: VecDeque::new() }
    }

    /// A call begins its first try.
    pub fn request(&mut self, now: Instant) {
        self.active += 1;
        if let Rule::Finagle { share, ttl, .. } = self.rule
            && !share.is_zero()
        {
            self.put(now, ttl, DEPOSIT);
        }
    }

    /// Whether another try may be made now; if so, it is paid for, and begins when its wait is over.
    pub fn retry(&mut self, now: Instant, timed_out: bool) -> Option<Paid> {
        match self.rule {
            Rule::Finagle { share, per_second, ttl } => {
                let price = price(share);
                let free = i64::from(per_second) * (ttl.nanos() / 1_000_000_000) as i64 * price;
                (self.balance(now, ttl) + free >= price).then(|| {
                    self.put(now, ttl, -price);
                    Paid::default()
                })
            }
            Rule::Grpc { tokens, .. } => (self.tokens * 2 > u64::from(tokens) * 1000).then(Paid::default),
            Rule::Envoy { share, least } => {
                let part = u128::from(self.active) * u128::from(share.parts()) / u128::from(Ratio::ONE.parts());
                let most = u32::try_from(part).unwrap_or(u32::MAX).max(least);
                (self.retries < most).then(|| {
                    self.retries += 1;
                    Paid(1)
                })
            }
            Rule::Aws { cost, timeout_cost, .. } => {
                let cost = if timed_out { timeout_cost } else { cost };
                let left = self.tokens.checked_sub(u64::from(cost) * 1000)?;
                self.tokens = left;
                Some(Paid(cost))
            }
        }
    }

    /// A try has ended. `paid`: what it was paid with, when it was a retry.
    pub fn ended(&mut self, ended: Ended, paid: Option<Paid>) {
        match self.rule {
            Rule::Finagle { .. } => {}
            Rule::Grpc { tokens, ratio } => match ended {
                Ended::Ok => self.tokens = (self.tokens + ratio).min(u64::from(tokens) * 1000),
                Ended::Failed => self.tokens = self.tokens.saturating_sub(1000),
                Ended::Otherwise => {}
            },
            Rule::Envoy { .. } => self.retries -= u32::from(paid.is_some()).min(self.retries),
            Rule::Aws { capacity, gain, .. } => {
                let back = paid.map_or(gain, |paid| paid.0);
                if ended == Ended::Ok {
                    self.tokens = (self.tokens + u64::from(back) * 1000).min(u64::from(capacity) * 1000);
                }
            }
        }
    }

    /// A call is over, with all its tries.
    pub fn over(&mut self) {
        self.active = self.active.saturating_sub(1);
    }

    /// Calls under way, and tries among them that are retries; the second of Envoy's alone.
    pub fn under_way(&self) -> (u32, u32) {
        (self.active, self.retries)
    }

    /// Whether it holds no more than it may, and what is under way is what its owner says: calls, and retries that are paid for.
    ///
    /// # Errors
    /// What does not balance, in words.
    pub fn audit(&self, calls: u32, paid: u32) -> Result<(), String> {
        let most = match self.rule {
            Rule::Grpc { tokens, .. } | Rule::Aws { capacity: tokens, .. } => u64::from(tokens) * 1000,
            Rule::Finagle { .. } | Rule::Envoy { .. } => 0,
        };
        if self.tokens > most {
            return Err(format!("tokens of a budget: {} thousandths, and {most} are the most", self.tokens));
        }
        if self.active != calls {
            return Err(format!("calls of a budget: {} counted, {calls} there", self.active));
        }
        if matches!(self.rule, Rule::Envoy { .. }) && self.retries != paid {
            return Err(format!("retries of a budget: {} counted, {paid} there", self.retries));
        }
        Ok(())
    }

    /// Tokens that are left, in thousandths; of gRPC and AWS.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    fn slice(now: Instant, ttl: Duration) -> u64 {
        now.nanos() / (ttl.nanos() / SLICES).max(1)
    }

    fn put(&mut self, now: Instant, ttl: Duration, amount: i64) {
        let slice = Self::slice(now, ttl);
        self.forget(slice);
        match self.slices.back_mut() {
            Some((newest, sum)) if *newest == slice => *sum += amount,
            _ => self.slices.push_back((slice, amount)),
        }
    }

    fn balance(&mut self, now: Instant, ttl: Duration) -> i64 {
        self.forget(Self::slice(now, ttl));
        self.slices.iter().map(|(_, sum)| sum).sum()
    }

    fn forget(&mut self, slice: u64) {
        while self.slices.front().is_some_and(|(oldest, _)| oldest + SLICES <= slice) {
            self.slices.pop_front();
        }
    }
}

/// What a retry costs by the share of requests that may be retried; whatever is free is then counted in these too.
fn price(share: Ratio) -> i64 {
    if share.is_zero() {
        return 1;
    }
    (i128::from(DEPOSIT) * i128::from(Ratio::ONE.parts()) / i128::from(share.parts())) as i64
}

/// Finagle's, as `RetryBudget` has it.
pub static FINAGLE: Profile = Profile {
    name: "finagle",
    kind: Kind::Budget,
    source: "Finagle 24 (4feb34c): RetryBudget, util TokenBucket.newLeakyBucket",
    about: "Each request brings a share of a retry, which lasts for ttl; so many retries a second are free.",
    parameters: &[
        Parameter::new("percentCanRetry", Setting::share(1, 5), "Retries for each request."),
        Parameter::new("minRetriesPerSec", Setting::Count(10), "Retries a second that are free.")
            .to(Setting::Count(1_000_000)),
        Parameter::new("ttl", Setting::secs(10), "How long what a request brought lasts, and what a retry took.")
            .from(Setting::secs(1))
            .to(Setting::secs(60)),
    ],
    surprises: &[
        "What is free is counted over ttl: a fresh client can retry 100 times at once.",
        "What a retry took comes back after ttl, as what a request brought goes.",
    ],
    sound: |_| Ok(()),
};

impl Rule {
    /// The rule that settings of a budget's profile come to; none when they are of another kind of policy.
    pub fn of(settings: &Settings) -> Option<Rule> {
        (settings.profile().kind == Kind::Budget).then(|| Rule::Finagle {
            share: settings.ratio("percentCanRetry"),
            per_second: settings.count("minRetriesPerSec"),
            ttl: settings.length("ttl"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINAGLE: Rule = Rule::Finagle {
        share: match Ratio::new(1, 5) {
            Some(r) => r,
            None => Ratio::ONE,
        },
        per_second: 10,
        ttl: Duration::from_secs(10),
    };
    const GRPC: Rule = Rule::Grpc { tokens: 10, ratio: 100 };
    const AWS: Rule = Rule::Aws { capacity: 500, cost: 5, timeout_cost: 10, gain: 1 };

    fn granted(budget: &mut Budget, now: Instant, wanted: u32) -> u32 {
        (0..wanted).filter(|_| budget.retry(now, false).is_some()).count() as u32
    }

    fn at(secs: u64) -> Instant {
        Instant::from_nanos(secs * 1_000_000_000)
    }

    #[test]
    fn a_fresh_finagle_client_can_burst_a_hundred_retries() {
        assert_eq!(granted(&mut Budget::new(FINAGLE), at(0), 1000), 100);
    }

    #[test]
    fn five_requests_bring_finagle_one_retry() {
        let mut budget = Budget::new(FINAGLE);
        assert_eq!(granted(&mut budget, at(0), 1000), 100);
        (0..4).for_each(|_| budget.request(at(0)));
        assert_eq!(granted(&mut budget, at(0), 9), 0);
        budget.request(at(0));
        assert_eq!(granted(&mut budget, at(0), 9), 1);
    }

    #[test]
    fn finagle_forgets_what_was_brought_and_what_was_taken_after_ttl() {
        let mut budget = Budget::new(FINAGLE);
        (0..500).for_each(|_| budget.request(at(0)));
        assert_eq!(granted(&mut budget.clone(), at(9), 1000), 200);
        assert_eq!(granted(&mut budget, at(10), 1000), 100);
        assert_eq!(granted(&mut budget, at(19), 1000), 0);
        assert_eq!(granted(&mut budget, at(20), 1000), 100);
    }

    #[test]
    fn grpc_blocks_at_just_half_of_the_tokens() {
        let mut budget = Budget::new(GRPC);
        (0..4).for_each(|_| budget.ended(Ended::Failed, None));
        assert!(budget.retry(at(0), false).is_some(), "six of ten");
        budget.ended(Ended::Failed, None);
        assert!(budget.retry(at(0), false).is_none(), "five of ten");
        budget.ended(Ended::Ok, None);
        assert!(budget.retry(at(0), false).is_some(), "5.1 of ten");
    }

    #[test]
    fn grpc_tokens_stay_between_none_and_all() {
        let mut budget = Budget::new(GRPC);
        budget.ended(Ended::Ok, None);
        assert_eq!(budget.tokens(), 10_000);
        (0..50).for_each(|_| budget.ended(Ended::Failed, None));
        assert_eq!(budget.tokens(), 0);
        budget.ended(Ended::Otherwise, None);
        assert_eq!(budget.tokens(), 0);
    }

    #[test]
    fn envoy_allows_three_retries_at_once_or_a_fifth_of_the_calls() {
        let three = Rule::Envoy { share: Ratio::ZERO, least: 3 };
        let mut budget = Budget::new(three);
        assert_eq!(granted(&mut budget, at(0), 9), 3);
        budget.ended(Ended::Failed, Some(Paid(1)));
        assert_eq!(granted(&mut budget, at(0), 9), 1);

        let fifth = Rule::Envoy { share: Ratio::new(1, 5).unwrap(), least: 3 };
        let mut budget = Budget::new(fifth);
        (0..24).for_each(|_| budget.request(at(0)));
        assert_eq!(granted(&mut budget, at(0), 99), 4);
        (0..24).for_each(|_| budget.over());
        assert_eq!(granted(&mut budget, at(0), 99), 0);
    }

    #[test]
    fn a_hundred_aws_retries_that_fail_empty_the_bucket_and_fifty_after_timeouts() {
        assert_eq!(granted(&mut Budget::new(AWS), at(0), 1000), 100);
        let mut budget = Budget::new(AWS);
        assert_eq!((0..1000).filter(|_| budget.retry(at(0), true).is_some()).count(), 50);
    }

    #[test]
    fn a_budget_that_leaks_is_found_out() {
        let envoy = Budget { active: 2, retries: 1, ..Budget::new(Rule::Envoy { share: Ratio::ZERO, least: 3 }) };
        assert_eq!(envoy.audit(2, 1), Ok(()));
        assert!(envoy.audit(1, 1).unwrap_err().contains("calls of a budget"));
        assert!(envoy.audit(2, 0).unwrap_err().contains("retries of a budget"));
        let aws = Budget { tokens: 500_001, ..Budget::new(AWS) };
        assert!(aws.audit(0, 0).unwrap_err().contains("tokens of a budget"));
    }

    #[test]
    fn an_aws_retry_that_succeeds_gives_back_what_it_cost_and_a_first_try_brings_one() {
        let mut budget = Budget::new(AWS);
        let paid = budget.retry(at(0), true);
        assert_eq!(budget.tokens(), 490_000);
        budget.ended(Ended::Failed, paid);
        assert_eq!(budget.tokens(), 490_000);
        let paid = budget.retry(at(0), false);
        budget.ended(Ended::Ok, paid);
        assert_eq!(budget.tokens(), 490_000);
        budget.ended(Ended::Ok, None);
        assert_eq!(budget.tokens(), 491_000);
        (0..50).for_each(|_| budget.ended(Ended::Ok, None));
        assert_eq!(budget.tokens(), 500_000, "never more than it holds");
    }
}
