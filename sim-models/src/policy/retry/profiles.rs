//! How each library tries again, with its own names and defaults.

use sim_core::{Duration, Ratio};

use super::{Capped, Grain, Grows, Heeds, Rule, Spread, Wait};
use crate::policy::budget;
use crate::policy::growth::ONE;
use crate::policy::profile::{Kind, Parameter, Profile};
use crate::policy::settings::{Setting, Settings};

/// What is tried again when a file of a profile does not say: outcomes by kind or reason.
pub fn retried(settings: &Settings) -> Vec<String> {
    let name = match settings.profile().name {
        "resilience4j" => "retryExceptions",
        "polly" => "ShouldHandle",
        "grpc" => "retryableStatusCodes",
        "envoy" => "retry_on",
        "aws-sdk" => "retryable",
        "stripe-node" => "retryable",
        _ => "",
    };
    let written = settings.outcomes(name);
    if !written.is_empty() {
        return written.to_vec();
    }
    let words: &[&str] = match settings.profile().name {
        // Every exception, that of an open circuit too.
        "resilience4j" | "polly" | "temporal" => &["error", "unknown"],
        "aws-sdk" => &["unknown", "refused", "overloaded", "unavailable", "limited"],
        "stripe-node" => &["unknown", "refused", "in_flight", "overloaded", "unavailable"],
        _ => &[],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Whether the client limits its own rate too.
pub fn is_adaptive(settings: &Settings) -> bool {
    settings.profile().name == "aws-sdk" && settings.word("retryMode") == "adaptive"
}

/// Whether a try that takes too long is tried again beside itself.
pub fn hedges(settings: &Settings) -> bool {
    settings.profile().name == "envoy" && settings.is("hedge_on_per_try_timeout")
}

/// What is not tried again although it would be.
pub fn excepted(settings: &Settings) -> &[String] {
    match settings.profile().name {
        "resilience4j" => settings.outcomes("ignoreExceptions"),
        "temporal" => settings.outcomes("nonRetryableErrorTypes"),
        _ => &[],
    }
}

pub(super) fn rule(settings: &Settings) -> Option<Rule> {
    if settings.profile().kind != Kind::Retry {
        return None;
    }
    match settings.profile().name {
        "resilience4j" => Some(resilience4j(settings)),
        "polly" => Some(polly(settings)),
        "grpc" => Some(grpc(settings)),
        "envoy" => Some(envoy(settings)),
        "aws-sdk" => Some(aws_sdk(settings)),
        "stripe-node" => Some(stripe_node(settings)),
        "temporal" => Some(temporal(settings)),
        _ => None,
    }
}

/// resilience4j
pub static RESILIENCE4J: Profile = Profile {
    name: "resilience4j",
    kind: Kind::Retry,
    source: "resilience4j 2.3 (af9e7c9): RetryConfig, IntervalFunction",
    about: "Tries three times in all, half a second apart.",
    parameters: &[
        Parameter::new("maxAttempts", Setting::Count(3), "Tries in all, the first included.").from(Setting::Count(1)),
        Parameter::new("waitDuration", Setting::millis(500), "Before the first retry."),
        Parameter::new("enableExponentialBackoff", Setting::Switch(false), "Whether the wait grows."),
        Parameter::new("exponentialBackoffMultiplier", Setting::Factor(1_500_000), "By how much it then grows.")
            .from(Setting::Factor(ONE)),
        Parameter::new(
            "exponentialMaxWaitDuration",
            Setting::Length(Duration::FOREVER),
            "The longest wait it then grows to, jitter included.",
        ),
        Parameter::new("enableRandomizedWait", Setting::Switch(false), "Whether the wait is spread."),
        Parameter::new("randomizedWaitFactor", Setting::share(1, 2), "How far it is then spread to both sides."),
        Parameter::new("retryExceptions", Setting::Outcomes, "Outcomes to try again. Default: error and unknown."),
        Parameter::new("ignoreExceptions", Setting::Outcomes, "Outcomes not to try again."),
    ],
    surprises: &[
        "maxAttempts counts the first try: 3 are two retries.",
        "The cap is enforced after jitter.",
        "Waits are whole milliseconds, cut at each step: from 5 ms by half as much again they are 5, 7, 10, 15.",
        "A call that an open circuit refused is tried again like any other.",
    ],
    sound: |_| Ok(()),
};

fn resilience4j(settings: &Settings) -> Rule {
    let (grows, random) = (settings.is("enableExponentialBackoff"), settings.is("enableRandomizedWait"));
    Rule {
        tries: Some(settings.count("maxAttempts")),
        wait: Wait {
            first: settings.length("waitDuration"),
            grows: Grows::By(if grows { settings.factor("exponentialBackoffMultiplier") } else { ONE }),
            most: if grows { settings.length("exponentialMaxWaitDuration") } else { Duration::FOREVER },
            capped: Capped::AfterJitter,
            grain: Grain::Millis,
            spread: if random { Spread::around(settings.ratio("randomizedWaitFactor")) } else { Spread::None },
            ..Wait::NONE
        },
        timeout: None,
        budget: None,
        heeds: Heeds::Nothing,
        is_transparent: false,
        forgives_close: false,
    }
}

/// Polly v8
pub static POLLY: Profile = Profile {
    name: "polly",
    kind: Kind::Retry,
    source: "Polly 8 (173d6d1): RetryStrategyOptions, RetryHelper",
    about: "Tries once and three times more, two seconds apart.",
    parameters: &[
        Parameter::new("MaxRetryAttempts", Setting::Count(3), "Retries, the first try not included.")
            .from(Setting::Count(1))
            .to(Setting::Count(2_147_483_647)),
        Parameter::new("Delay", Setting::secs(2), "Before the first retry.").to(Setting::secs(86_400)),
        Parameter::word("BackoffType", &["Constant", "Linear", "Exponential"], "Constant", "How the wait grows."),
        Parameter::new("UseJitter", Setting::Switch(false), "Whether the wait is spread."),
        Parameter::new("MaxDelay", Setting::Length(Duration::FOREVER), "The longest wait."),
        Parameter::new("ShouldHandle", Setting::Outcomes, "Outcomes to try again. Default: error and unknown."),
    ],
    surprises: &[
        "MaxRetryAttempts does not count the first try: 3 are four tries.",
        "With jitter a constant or linear wait is spread a quarter to both sides, an exponential one along a curve of \
            its own.",
        "A call that an open circuit refused is tried again like any other.",
    ],
    sound: |_| Ok(()),
};

fn polly(settings: &Settings) -> Rule {
    let kind = settings.word("BackoffType");
    let quarter = Spread::Between(ONE * 3 / 4, ONE * 5 / 4);
    Rule {
        tries: Some(settings.count("MaxRetryAttempts").saturating_add(1)),
        wait: Wait {
            first: settings.length("Delay"),
            grows: match kind {
                "Linear" => Grows::Linearly,
                "Exponential" => Grows::By(2 * ONE),
                _ => Grows::By(ONE),
            },
            most: settings.length("MaxDelay"),
            capped: Capped::AfterJitter,
            spread: match (settings.is("UseJitter"), kind) {
                (false, _) => Spread::None,
                (true, "Exponential") => Spread::PollyV2,
                (true, _) => quarter,
            },
            ..Wait::NONE
        },
        timeout: None,
        budget: None,
        heeds: Heeds::Nothing,
        is_transparent: false,
        forgives_close: false,
    }
}

/// gRPC
pub static GRPC: Profile = Profile {
    name: "grpc",
    kind: Kind::Retry,
    source: "gRPC proposal A6 (1fd061a): retryPolicy, retryThrottling",
    about: "Tries nothing again unless configured; then with jitter of a fifth, and never when half of the tokens are \
        gone.",
    parameters: &[
        Parameter::new("maxAttempts", Setting::Count(0), "Tries in all, the first included; more than 5 are 5.")
            .from(Setting::Count(2))
            .required(),
        Parameter::new("initialBackoff", Setting::secs(0), "Before the first retry.")
            .from(Setting::Length(Duration::from_nanos(1)))
            .required(),
        Parameter::new("maxBackoff", Setting::secs(0), "The longest wait, jitter not included.")
            .from(Setting::Length(Duration::from_nanos(1)))
            .required(),
        Parameter::new("backoffMultiplier", Setting::Factor(ONE), "By how much the wait grows.")
            .from(Setting::Factor(1))
            .required(),
        Parameter::new("retryableStatusCodes", Setting::Outcomes, "Outcomes to try again.").required(),
        Parameter::new("maxTokens", Setting::Count(0), "Tokens at first and at most; 0: no throttling.")
            .to(Setting::Count(1000)),
        Parameter::new("tokenRatio", Setting::Factor(100_000), "What a success gives back, to three digits.")
            .from(Setting::Factor(1_000)),
    ],
    surprises: &[
        "maxAttempts counts the first try, and more than 5 are 5.",
        "Jitter comes after the cap, so that a wait may be a fifth longer than maxBackoff.",
        "At just half of the tokens nothing is tried again: it must be more than half.",
        "Throttling never delays: what is not tried again at once is over.",
        "After a pushback (\"retry_after\" of whoever fails) the waits begin with the first again; \"never\" ends it.",
        "What a process that stops has refused is tried once more at once, and counts neither as a try nor for the tokens.",
    ],
    sound: |_| Ok(()),
};

fn grpc(settings: &Settings) -> Rule {
    let tokens = settings.count("maxTokens");
    Rule {
        tries: Some(settings.count("maxAttempts").min(5)),
        wait: Wait {
            first: settings.length("initialBackoff"),
            grows: Grows::By(settings.factor("backoffMultiplier")),
            most: settings.length("maxBackoff"),
            spread: Spread::Between(ONE * 4 / 5, ONE * 6 / 5),
            ..Wait::NONE
        },
        timeout: None,
        budget: (tokens > 0).then(|| budget::Rule::Grpc { tokens, ratio: settings.factor("tokenRatio") / 1000 }),
        heeds: Heeds::AndBeginsAnew,
        is_transparent: true,
        forgives_close: false,
    }
}

/// Envoy
pub static ENVOY: Profile = Profile {
    name: "envoy",
    kind: Kind::Retry,
    source: "Envoy 1.38 (84e8436): RetryPolicy, HedgePolicy, CircuitBreakers.Thresholds, router.cc, retry_state_impl.cc, \
        backoff_strategy.cc, resource_manager_impl.h",
    about: "Tries nothing again unless retry_on says; then once, and never more than so many at once.",
    parameters: &[
        Parameter::new("retry_on", Setting::Outcomes, "Outcomes to try again. Default: none."),
        Parameter::new("num_retries", Setting::Count(1), "Retries, the first try not included."),
        Parameter::new(
            "per_try_timeout",
            Setting::Length(Duration::FOREVER),
            "How long a try may take; else that of the whole step, so that what times out is not tried again.",
        ),
        Parameter::new(
            "hedge_on_per_try_timeout",
            Setting::Switch(false),
            "Whether a try that takes longer than per_try_timeout is tried again beside itself, and not ended.",
        ),
        Parameter::new("base_interval", Setting::millis(25), "The first retry comes before this.")
            .from(Setting::millis(1)),
        Parameter::new("max_interval", Setting::secs(0), "No retry comes after this; 0: ten times base_interval."),
        Parameter::new("max_retries", Setting::Count(3), "Retries at once, over all calls; when there is no budget."),
        Parameter::new("retry_budget", Setting::Switch(false), "Whether a budget holds instead of max_retries."),
        Parameter::new(
            "budget_percent",
            Setting::percent(20),
            "Retries at once, as a percentage of all calls at once.",
        ),
        Parameter::new("min_retry_concurrency", Setting::Count(3), "Retries at once that are allowed in any case."),
    ],
    surprises: &[
        "num_retries does not count the first try: 1 is two tries.",
        "Without retry_on nothing is tried again.",
        "Four calls at once that are tried again are one too many, as it comes.",
        "The range of the wait is that of the code, up to 25, 50, 100 ms; the documentation says 25, 75, 175.",
        "With hedge_on_per_try_timeout no try is ended by per_try_timeout: with no retry left it runs on until the route's timeout (a deadline here).",
        "A hedged retry is made whatever retry_on lists, but not when it lists nothing.",
        "A hedged retry waits its backoff first, takes one of num_retries, and one that max_retries refuses is used up too.",
        "A bad answer that retry_on does not list wins, though another try that is under way might have been well.",
    ],
    sound: |settings| {
        let (base, max) = (settings.length("base_interval"), settings.length("max_interval"));
        if !max.is_zero() && max < base {
            return Err(("max_interval", format!("max_interval {max} is less than base_interval {base}")));
        }
        Ok(())
    },
};

fn envoy(settings: &Settings) -> Rule {
    let (base, max) = (settings.length("base_interval"), settings.length("max_interval"));
    let timeout = settings.length("per_try_timeout");
    Rule {
        tries: Some(settings.count("num_retries").saturating_add(1)),
        wait: Wait {
            first: base,
            grows: Grows::By(2 * ONE),
            most: if max.is_zero() { base.saturating_mul(10) } else { max },
            spread: Spread::FULL,
            ..Wait::NONE
        },
        timeout: (timeout != Duration::FOREVER).then_some(timeout),
        budget: Some(if settings.is("retry_budget") {
            let (share, least) = (settings.ratio("budget_percent"), settings.count("min_retry_concurrency"));
            budget::Rule::Envoy { share, least }
        } else {
            budget::Rule::Envoy { share: Ratio::ZERO, least: settings.count("max_retries") }
        }),
        heeds: Heeds::Nothing,
        is_transparent: false,
        forgives_close: false,
    }
}

/// AWS SDK, standard mode
pub static AWS_SDK: Profile = Profile {
    name: "aws-sdk",
    kind: Kind::Retry,
    source: "AWS SDKs and Tools Reference Guide, retry behavior: standard and adaptive mode; botocore (0719e79), \
        retry mode 2.0: retries/standard.py, adaptive.py, bucket.py, throttling.py",
    about: "Tries three times in all, with full jitter, and pays for each retry from a bucket that success fills.",
    parameters: &[
        Parameter::word(
            "retryMode",
            &["standard", "adaptive"],
            "standard",
            "Whether the client also limits its own rate.",
        ),
        Parameter::new("maxAttempts", Setting::Count(3), "Tries in all, the first included.").from(Setting::Count(1)),
        Parameter::new("baseDelay", Setting::secs(1), "The first retry comes before this."),
        Parameter::new("maxBackoff", Setting::secs(20), "No retry comes after this."),
        Parameter::new("retryQuota", Setting::Count(500), "Tokens at first and at most; 0: no bucket."),
        Parameter::new("retryCost", Setting::Count(5), "Tokens for a retry."),
        Parameter::new("timeoutRetryCost", Setting::Count(10), "Tokens for a retry after a timeout."),
        Parameter::new("noRetryIncrement", Setting::Count(1), "Tokens that a success at the first try brings."),
        Parameter::new(
            "retryable",
            Setting::Outcomes,
            "Outcomes to try again. Default: unknown, refused, overloaded, unavailable, limited.",
        ),
    ],
    surprises: &[
        "The bucket is one for all calls of a client: a hundred retries that fail empty it, fifty after timeouts.",
        "A retry that succeeds gives back what it cost; one that fails does not.",
        "It does not hear when it is to come back (\"retry_after\"): only the mode after this one does.",
        "In adaptive mode the first throttling error (overloaded, limited) slows the whole client down: all its calls wait, first tries too.",
    ],
    sound: |_| Ok(()),
};

fn aws_sdk(settings: &Settings) -> Rule {
    let capacity = settings.count("retryQuota");
    Rule {
        tries: Some(settings.count("maxAttempts")),
        wait: Wait {
            first: settings.length("baseDelay"),
            grows: Grows::By(2 * ONE),
            most: settings.length("maxBackoff"),
            spread: Spread::FULL,
            ..Wait::NONE
        },
        timeout: None,
        budget: (capacity > 0).then(|| budget::Rule::Aws {
            capacity,
            cost: settings.count("retryCost"),
            timeout_cost: settings.count("timeoutRetryCost"),
            gain: settings.count("noRetryIncrement"),
        }),
        heeds: Heeds::Nothing,
        is_transparent: false,
        forgives_close: false,
    }
}

/// stripe-node
pub static STRIPE_NODE: Profile = Profile {
    name: "stripe-node",
    kind: Kind::Retry,
    source: "stripe-node 18 (6639421): RequestSender, stripe.core",
    about: "Tries once and twice more, with the same idempotency key, at least half a second apart.",
    parameters: &[
        Parameter::new("maxNetworkRetries", Setting::Count(2), "Retries, the first try not included."),
        Parameter::new("timeout", Setting::secs(80), "How long a try may take, when the step does not say.")
            .from(Setting::millis(1)),
        Parameter::new("initialNetworkRetryDelay", Setting::millis(500), "The first wait, and the shortest."),
        Parameter::new("maxNetworkRetryDelay", Setting::secs(5), "The longest wait."),
        Parameter::new(
            "retryable",
            Setting::Outcomes,
            "Outcomes to try again. Default: unknown, refused, in_flight, overloaded, unavailable.",
        ),
    ],
    surprises: &[
        "maxNetworkRetries does not count the first try: 2 are three tries.",
        "The first two waits have no jitter: what is drawn below half a second is lifted to it, so clients that fail together come back together, twice.",
        "A conflict with an execution under way (409) is tried again.",
        "A first try whose connection is closed under it (\"reset\": ECONNRESET, EPIPE) is tried again even with maxNetworkRetries 0.",
        "It waits no less than it is told (\"retry_after\" of whoever fails), unless that is more than a minute; \"never\" ends it.",
    ],
    sound: |_| Ok(()),
};

fn stripe_node(settings: &Settings) -> Rule {
    let shortest = settings.length("initialNetworkRetryDelay");
    Rule {
        tries: Some(settings.count("maxNetworkRetries").saturating_add(1)),
        wait: Wait {
            // It doubles by the retries that have been, less one: none have before the first wait, which is so halved.
            first: Duration::from_nanos(shortest.nanos() / 2),
            grows: Grows::By(2 * ONE),
            most: settings.length("maxNetworkRetryDelay"),
            spread: Spread::EQUAL,
            least: shortest,
            ..Wait::NONE
        },
        timeout: Some(settings.length("timeout")),
        budget: None,
        heeds: Heeds::UpTo(Duration::from_secs(60)),
        is_transparent: false,
        forgives_close: true,
    }
}

/// Temporal
pub static TEMPORAL: Profile = Profile {
    name: "temporal",
    kind: Kind::Retry,
    source: "Temporal sdk-go (83fc2bc): RetryPolicy of activities",
    about: "Tries for ever, a second after the first failure and then twice as long each time.",
    parameters: &[
        Parameter::new("initialInterval", Setting::secs(1), "Before the first retry.").from(Setting::millis(1)),
        Parameter::new("backoffCoefficient", Setting::Factor(2 * ONE), "By how much the wait grows.")
            .from(Setting::Factor(ONE)),
        Parameter::new("maximumInterval", Setting::secs(0), "The longest wait; 0: a hundred times initialInterval."),
        Parameter::new("maximumAttempts", Setting::Count(0), "Tries in all, the first included; 0: for ever."),
        Parameter::new("nonRetryableErrorTypes", Setting::Outcomes, "Outcomes not to try again. Default: none."),
    ],
    surprises: &[
        "It never gives up, unless told to.",
        "There is no jitter: what failed together is tried together.",
        "What it is told (\"retry_after\" of whoever fails, its NextRetryDelay) is the wait; the next one goes on in the row.",
    ],
    sound: |settings| {
        let (first, most) = (settings.length("initialInterval"), settings.length("maximumInterval"));
        if !most.is_zero() && most < first {
            return Err(("maximumInterval", format!("maximumInterval {most} is less than initialInterval {first}")));
        }
        Ok(())
    },
};

fn temporal(settings: &Settings) -> Rule {
    let (first, most) = (settings.length("initialInterval"), settings.length("maximumInterval"));
    let attempts = settings.count("maximumAttempts");
    Rule {
        tries: (attempts > 0).then_some(attempts),
        wait: Wait {
            first,
            grows: Grows::By(settings.factor("backoffCoefficient")),
            most: if most.is_zero() { first.saturating_mul(100) } else { most },
            ..Wait::NONE
        },
        timeout: None,
        budget: None,
        heeds: Heeds::AndGoesOn,
        is_transparent: false,
        forgives_close: false,
    }
}
