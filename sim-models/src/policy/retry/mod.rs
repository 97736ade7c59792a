//! Trying again: how often, and after which wait.
//!
//! Libraries count differently: resilience4j, gRPC, the AWS SDKs and Temporal count tries, the first included; Polly,
//! Envoy and stripe-node count retries. Here a rule always knows the tries in all.

pub mod hedged;
pub mod profiles;

use serde::Serialize;
use sim_core::{Dist, Duration, Ratio};

use super::budget;
use super::growth::{ONE, grown, grown_in_millis, whole_millis};
use super::settings::Settings;

/// How something is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Tries in all, the first included; none: for ever.
    pub tries: Option<u32>,
    /// The wait before each retry.
    pub wait: Wait,
    /// How long each try may take when the step does not say.
    pub timeout: Option<Duration>,
    /// What keeps retries few when many calls fail.
    pub budget: Option<budget::Rule>,
    /// What it makes of a server that says when to try again.
    pub heeds: Heeds,
    /// Whether what a stopping process turned away unseen is tried once more at once, beside all that is counted.
    pub is_transparent: bool,
    /// Whether a first try whose connection was closed under it (`reset`) is tried again, however few retries there are to be
    /// (stripe-node).
    pub forgives_close: bool,
}

/// What is made of a [`Pushback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heeds {
    /// Nothing: it waits as it would have.
    Nothing,
    /// It is the wait, and the next wait is the first of the row again (gRPC).
    AndBeginsAnew,
    /// It is the wait, and the row goes on (Temporal's `NextRetryDelay`).
    AndGoesOn,
    /// It waits no less than that, unless that is longer than this (stripe-node).
    UpTo(Duration),
}

/// The wait before a retry, as a function of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wait {
    /// Before the first retry.
    pub first: Duration,
    /// How it grows from retry to retry.
    pub grows: Grows,
    /// The longest wait.
    pub most: Duration,
    /// Whether `most` holds for the wait before it is spread, or for what comes of it.
    pub capped: Capped,
    /// How it is spread.
    pub spread: Spread,
    /// The shortest wait after all that.
    pub least: Duration,
    /// How finely the library counts.
    pub grain: Grain,
}

/// How finely waits are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grain {
    /// As finely as anything here.
    Nanos,
    /// In whole milliseconds: each step of the row, and what comes of luck, is cut to one (resilience4j).
    Millis,
}

/// How a wait grows from retry to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grows {
    /// By what it was first, each time.
    Linearly,
    /// By a factor in millionths; 1,000,000 is a fixed wait.
    By(u64),
}

/// Where the longest wait is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capped {
    /// Before jitter, which may then exceed it.
    BeforeJitter,
    /// After jitter, so that many waits are exactly the longest.
    AfterJitter,
}

/// How a wait is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spread {
    /// Not at all.
    None,
    /// Evenly between these multiples of it, in millionths: 0 to 1,000,000 is full jitter, 500,000 to 1,000,000 equal
    /// jitter.
    Between(u64, u64),
    /// Evenly between the first wait and three times the one before.
    Decorrelated,
    /// `DecorrelatedJitterBackoffV2` of Polly: the waits are differences of a smooth curve at random places.
    PollyV2,
}

/// What a server says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Pushback {
    /// Not to.
    No,
    /// After this long, and then as if it had been the first failure.
    After(Duration),
}

impl Spread {
    /// U(0, w)
    pub const FULL: Spread = Spread::Between(0, ONE);
    /// w/2 + U(0, w/2)
    pub const EQUAL: Spread = Spread::Between(ONE / 2, ONE);

    /// Evenly within a share of it to both sides.
    pub const fn around(share: Ratio) -> Spread {
        let share = share.parts() / (Ratio::ONE.parts() / ONE);
        Spread::Between(ONE - share, ONE + share)
    }
}

impl Grows {
    /// The wait before retry `number` (from 1), without jitter.
    ///
    /// ```
    /// use sim_core::Duration;
    /// use sim_models::policy::retry::Grows;
    /// let (first, most) = (Duration::from_millis(100), Duration::from_millis(250));
    /// let waits = [1, 2, 3].map(|number| Grows::Linearly.waited(first, number, most).nanos() / 1_000_000);
    /// assert_eq!(waits, [100, 200, 250]);
    /// ```
    pub fn waited(self, first: Duration, number: u32, most: Duration) -> Duration {
        match self {
            Grows::Linearly => first.saturating_mul(u64::from(number)).min(most),
            Grows::By(factor) => grown(first, factor, number.saturating_sub(1), most),
        }
    }
}

impl Wait {
    /// None at all.
    pub const NONE: Wait = Wait {
        first: Duration::ZERO,
        grows: Grows::By(ONE),
        most: Duration::FOREVER,
        capped: Capped::BeforeJitter,
        spread: Spread::None,
        least: Duration::ZERO,
        grain: Grain::Nanos,
    };

    /// The wait before retry `number` (from 1). `memory` is what it has to remember from one retry of a call to the next,
    /// nothing at first; `bits` are 64 random ones.
    pub fn before(&self, number: u32, memory: &mut Duration, bits: u64) -> Duration {
        let drawn = self.luck(number, *memory).sample(bits);
        self.settled(number, memory, drawn)
    }

    /// What is drawn for it; constant when no luck is in it.
    pub fn luck(&self, number: u32, memory: Duration) -> Dist {
        let wait = self.plain(number);
        match self.spread {
            Spread::None => Dist::Constant(wait),
            Spread::Between(low, high) => uniform(times(wait, low), times(wait, high)),
            Spread::Decorrelated => uniform(self.first, memory.max(self.first).saturating_mul(3)),
            // The fraction of a second stands for the random fraction.
            Spread::PollyV2 => uniform(Duration::ZERO, Duration::from_secs(1)),
        }
    }

    /// The wait that comes of what was drawn.
    pub fn settled(&self, number: u32, memory: &mut Duration, drawn: Duration) -> Duration {
        let wait = match self.spread {
            Spread::None | Spread::Between(..) => drawn,
            Spread::Decorrelated => {
                *memory = drawn.min(self.most);
                *memory
            }
            Spread::PollyV2 => self.polly_v2(number, memory, drawn.as_secs_f64()),
        };
        let wait = match self.capped {
            Capped::BeforeJitter => wait,
            Capped::AfterJitter => wait.min(self.most),
        };
        match self.grain {
            Grain::Nanos => wait.max(self.least),
            Grain::Millis => whole_millis(wait).max(self.least),
        }
    }

    /// Without jitter.
    fn plain(&self, number: u32) -> Duration {
        let most = match self.capped {
            Capped::BeforeJitter => self.most,
            Capped::AfterJitter => Duration::FOREVER,
        };
        match (self.grain, self.grows) {
            (Grain::Millis, Grows::By(factor)) => grown_in_millis(self.first, factor, number.saturating_sub(1), most),
            (_, grows) => grows.waited(self.first, number, most),
        }
    }

    /// The curve 2^t tanh(√(4t)) at t = retries before this one and a random fraction, less what it was at the last place.
    fn polly_v2(&self, number: u32, memory: &mut Duration, fraction: f64) -> Duration {
        const SCALE: f64 = 1.0 / 1.4;
        let at = f64::from(number.saturating_sub(1)) + fraction;
        let height = libm::exp2(at) * libm::tanh(libm::sqrt(4.0 * at));
        let height = Duration::from_nanos_f64(height * SCALE * self.first.nanos() as f64);
        let wait = Duration::from_nanos(height.nanos().saturating_sub(memory.nanos()));
        *memory = height;
        wait
    }
}

impl Rule {
    /// The rule that settings of a retry's profile come to; none when they are of another kind of policy.
    pub fn of(settings: &Settings) -> Option<Rule> {
        profiles::rule(settings)
    }

    /// Whether there is to be another try after `number` (from 1) have failed.
    pub fn has_another(&self, number: u32) -> bool {
        self.tries.is_none_or(|tries| number < tries)
    }
}

impl Heeds {
    /// What comes of a wait when a server has said something; none: there is no other try.
    pub fn heard(self, wait: Duration, pushback: Option<Pushback>) -> Option<Duration> {
        match (self, pushback) {
            (Heeds::Nothing, _) | (_, None) => Some(wait),
            (_, Some(Pushback::No)) => None,
            (Heeds::AndBeginsAnew | Heeds::AndGoesOn, Some(Pushback::After(told))) => Some(told),
            (Heeds::UpTo(most), Some(Pushback::After(told))) => Some(if told <= most { wait.max(told) } else { wait }),
        }
    }

    /// Whether the row of waits then begins anew.
    pub fn begins_anew(self, pushback: Option<Pushback>) -> bool {
        self == Heeds::AndBeginsAnew && matches!(pushback, Some(Pushback::After(_)))
    }
}

fn times(wait: Duration, millionths: u64) -> Duration {
    let nanos = u128::from(wait.nanos()) * u128::from(millionths) / u128::from(ONE);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn uniform(low: Duration, high: Duration) -> Dist {
    Dist::uniform(low, high).unwrap_or(Dist::Constant(high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::policy::{Kind, profile, read};

    fn rule(name: &str, parameters: &str) -> Rule {
        let json = json::parse(parameters).unwrap();
        Rule::of(&read(profile(Kind::Retry, name).unwrap(), json.members()).unwrap()).unwrap()
    }

    /// The first waits at the least, the median and the most of luck, in milliseconds.
    fn check(name: &str, parameters: &str, waits: &[[f64; 3]]) {
        let wait = rule(name, parameters).wait;
        for (luck, bits) in [0, 1 << 63, u64::MAX].into_iter().enumerate() {
            let mut memory = Duration::ZERO;
            for (number, wanted) in waits.iter().enumerate() {
                let is = wait.before(number as u32 + 1, &mut memory, bits).as_millis_f64();
                assert!((is - wanted[luck]).abs() < 0.01, "retry {}: {is} is not {}", number + 1, wanted[luck]);
            }
        }
    }

    fn fixed(wait: f64) -> [f64; 3] {
        [wait; 3]
    }

    fn tries(name: &str, parameters: &str) -> Option<u32> {
        rule(name, parameters).tries
    }

    #[test]
    fn some_count_tries_and_some_count_retries() {
        assert_eq!(tries("resilience4j", r#"{"maxAttempts": 3}"#), Some(3));
        assert_eq!(tries("aws-sdk", r#"{"maxAttempts": 3}"#), Some(3));
        assert_eq!(tries("polly", r#"{"MaxRetryAttempts": 3}"#), Some(4));
        assert_eq!(tries("envoy", r#"{"num_retries": 3}"#), Some(4));
        assert_eq!(tries("stripe-node", r#"{"maxNetworkRetries": 3}"#), Some(4));
        assert_eq!(tries("temporal", r#"{"maximumAttempts": 3}"#), Some(3));
    }

    #[test]
    fn as_they_come_they_try_three_four_two_three_and_for_ever() {
        let defaults =
            ["resilience4j", "aws-sdk", "polly", "envoy", "stripe-node", "temporal"].map(|name| tries(name, "{}"));
        assert_eq!(defaults, [Some(3), Some(3), Some(4), Some(2), Some(3), None]);
    }

    #[test]
    fn grpc_tries_at_most_five_times() {
        let grpc = |tries: u32| {
            format!(
                r#"{{"maxAttempts": {tries}, "initialBackoff": "1s", "maxBackoff": "4s", "backoffMultiplier": 2,
                "retryableStatusCodes": ["unavailable"]}}"#
            )
        };
        assert_eq!(tries("grpc", &grpc(4)), Some(4));
        assert_eq!(tries("grpc", &grpc(9)), Some(5));
    }

    #[test]
    fn grpc_spreads_after_the_cap_and_may_exceed_it() {
        let grpc = r#"{"maxAttempts": 5, "initialBackoff": "1s", "maxBackoff": "3s", "backoffMultiplier": 2,
                       "retryableStatusCodes": ["unavailable"]}"#;
        check("grpc", grpc, &[[800.0, 1000.0, 1200.0], [1600.0, 2000.0, 2400.0], [2400.0, 3000.0, 3600.0]]);
    }

    #[test]
    fn resilience4j_waits_half_a_second_each_time() {
        check("resilience4j", "{}", &[fixed(500.0), fixed(500.0)]);
    }

    #[test]
    fn resilience4j_cuts_each_wait_to_whole_milliseconds() {
        let grows = r#"{"enableExponentialBackoff": true, "waitDuration": "5ms"}"#;
        check("resilience4j", grows, &[fixed(5.0), fixed(7.0), fixed(10.0), fixed(15.0), fixed(22.0)]);
        check("resilience4j", r#"{"waitDuration": "1999us"}"#, &[fixed(1.0), fixed(1.0)]);
        let random = r#"{"enableRandomizedWait": true, "waitDuration": "3ms"}"#;
        check("resilience4j", random, &[[1.0, 3.0, 4.0]]);
    }

    #[test]
    fn resilience4j_caps_after_it_has_spread() {
        let random = r#"{"enableExponentialBackoff": true, "exponentialBackoffMultiplier": 2,
                         "enableRandomizedWait": true, "exponentialMaxWaitDuration": "1200ms"}"#;
        check("resilience4j", random, &[[250.0, 500.0, 750.0], [500.0, 1000.0, 1200.0], [1000.0, 1200.0, 1200.0]]);
    }

    #[test]
    fn polly_waits_two_seconds_each_time_and_a_quarter_around_with_jitter() {
        check("polly", "{}", &[fixed(2000.0), fixed(2000.0)]);
        check("polly", r#"{"UseJitter": true}"#, &[[1500.0, 2000.0, 2500.0]]);
        check(
            "polly",
            r#"{"BackoffType": "Linear", "UseJitter": true}"#,
            &[[1500.0, 2000.0, 2500.0], [3000.0, 4000.0, 5000.0]],
        );
    }

    #[test]
    fn polly_grows_linearly_or_doubles() {
        check("polly", r#"{"BackoffType": "Linear"}"#, &[fixed(2000.0), fixed(4000.0), fixed(6000.0)]);
        check("polly", r#"{"BackoffType": "Exponential"}"#, &[fixed(2000.0), fixed(4000.0), fixed(8000.0)]);
        check(
            "polly",
            r#"{"BackoffType": "Exponential", "MaxDelay": "5s"}"#,
            &[fixed(2000.0), fixed(4000.0), fixed(5000.0)],
        );
    }

    #[test]
    fn polly_with_exponential_jitter_follows_its_curve() {
        // f(t) = 2^t tanh(sqrt(4t)) at 0, 1, 2; at 0.5, 1.5; and nearly at 1, 2: differences times 2 s / 1.4.
        let f = |t: f64| libm::exp2(t) * libm::tanh(libm::sqrt(4.0 * t));
        let scale = 2000.0 / 1.4;
        let waits =
            [[0.0, f(0.5), f(1.0)], [f(1.0), f(1.5) - f(0.5), f(2.0) - f(1.0)]].map(|row| row.map(|wait| wait * scale));
        check("polly", r#"{"BackoffType": "Exponential", "UseJitter": true}"#, &waits);
    }

    #[test]
    fn envoy_spreads_from_nothing_up_to_twice_as_much_each_time_and_ten_times_at_most() {
        let up_to = |most: f64| [0.0, most / 2.0, most];
        check("envoy", "{}", &[up_to(25.0), up_to(50.0), up_to(100.0), up_to(200.0), up_to(250.0), up_to(250.0)]);
    }

    #[test]
    fn the_aws_sdk_spreads_from_nothing_up_to_a_second_doubled_each_time_and_twenty_at_most() {
        let up_to = |most: f64| [0.0, most / 2.0, most];
        check("aws-sdk", "{}", &[1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0].map(|secs| up_to(secs * 1000.0)));
    }

    #[test]
    fn stripe_never_waits_less_than_half_a_second() {
        let lifted = [500.0, 500.0, 500.0];
        let grown =
            [[500.0, 750.0, 1000.0], [1000.0, 1500.0, 2000.0], [2000.0, 3000.0, 4000.0], [2500.0, 3750.0, 5000.0]];
        check("stripe-node", "{}", &[lifted, lifted, grown[0], grown[1], grown[2], grown[3]]);
    }

    #[test]
    fn stripe_alone_tries_a_closed_connection_again_whatever_the_number_of_retries() {
        let forgives = ["resilience4j", "aws-sdk", "polly", "envoy", "stripe-node", "temporal"]
            .map(|name| rule(name, "{}").forgives_close);
        assert_eq!(forgives, [false, false, false, false, true, false]);
        assert!(rule("stripe-node", r#"{"maxNetworkRetries": 0}"#).forgives_close);
    }

    #[test]
    fn temporal_doubles_up_to_a_hundred_times_the_first_without_jitter() {
        let seconds = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0, 100.0];
        check("temporal", "{}", &seconds.map(|secs| fixed(secs * 1000.0)));
        check("temporal", r#"{"initialInterval": "2s", "maximumInterval": "3s"}"#, &[fixed(2000.0), fixed(3000.0)]);
    }

    #[test]
    fn decorrelated_jitter_remembers_the_last_wait_and_begins_at_the_first() {
        let wait = Wait {
            first: Duration::from_millis(5),
            most: Duration::from_secs(2),
            spread: Spread::Decorrelated,
            ..Wait::NONE
        };
        let mut memory = Duration::ZERO;
        let waits: Vec<_> =
            (1..8).map(|number| wait.before(number, &mut memory, u64::MAX).as_millis_f64().round()).collect();
        assert_eq!(waits, [15.0, 45.0, 135.0, 405.0, 1215.0, 2000.0, 2000.0]);
        assert_eq!(wait.before(8, &mut memory, 0), Duration::from_millis(5));
    }

    #[test]
    fn a_pushback_starts_the_row_of_waits_anew_and_a_negative_one_ends_it() {
        let nine = Some(Pushback::After(Duration::from_secs(9)));
        let grpc = Heeds::AndBeginsAnew;
        assert_eq!(grpc.heard(Duration::from_secs(1), nine), Some(Duration::from_secs(9)));
        assert!(grpc.begins_anew(nine) && !grpc.begins_anew(None) && !Heeds::AndGoesOn.begins_anew(nine));
        assert_eq!(grpc.heard(Duration::from_secs(1), Some(Pushback::No)), None);
    }

    #[test]
    fn what_a_server_says_is_heeded_by_some_and_not_by_others() {
        let second = Duration::from_secs(1);
        let heard = |name: &str, told: Pushback| rule(name, "{}").heeds.heard(second, Some(told));
        let after = |secs: u64| Pushback::After(Duration::from_secs(secs));
        assert_eq!(heard("resilience4j", Pushback::No), Some(second));
        assert_eq!(heard("aws-sdk", after(9)), Some(second));
        assert_eq!(heard("temporal", after(9)), Some(Duration::from_secs(9)));
        assert_eq!(heard("temporal", Pushback::No), None);
        // stripe-node: up to a minute, that included, and never less than it would have waited.
        assert_eq!(heard("stripe-node", after(60)), Some(Duration::from_secs(60)));
        assert_eq!(heard("stripe-node", after(61)), Some(second));
        assert_eq!(heard("stripe-node", after(0)), Some(second));
        assert_eq!(heard("stripe-node", Pushback::No), None);
    }

    #[test]
    fn a_thousand_retries_overflow_nothing() {
        for name in ["resilience4j", "polly", "envoy", "aws-sdk", "stripe-node", "temporal"] {
            let mut memory = Duration::ZERO;
            (1..1_000).for_each(|number| _ = rule(name, "{}").wait.before(number, &mut memory, u64::MAX));
        }
        let mut memory = Duration::ZERO;
        let polly = rule("polly", r#"{"BackoffType": "Exponential", "UseJitter": true}"#).wait;
        (1..2_000).for_each(|number| _ = polly.before(number, &mut memory, u64::MAX));
    }
}
