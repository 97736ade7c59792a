//! Parameters that are written and come to nothing: since another one that they need is not, or since this program does not have
//! what the library does.

use super::profile::{Kind, Profile};
use super::settings::{Mistake, Setting, Settings};
use crate::json::{Json, Key};

/// By kind and profile: a parameter, and the one that must be on, or off, for it to say anything.
const NEEDS: [(Kind, &str, &str, &str, bool); 13] = [
    (Kind::Retry, "resilience4j", "exponentialBackoffMultiplier", "enableExponentialBackoff", true),
    (Kind::Retry, "resilience4j", "exponentialMaxWaitDuration", "enableExponentialBackoff", true),
    (Kind::Retry, "resilience4j", "randomizedWaitFactor", "enableRandomizedWait", true),
    (Kind::Retry, "envoy", "budget_percent", "retry_budget", true),
    (Kind::Retry, "envoy", "min_retry_concurrency", "retry_budget", true),
    (Kind::Retry, "envoy", "max_retries", "retry_budget", false),
    (Kind::Retry, "grpc", "tokenRatio", "maxTokens", true),
    (Kind::Retry, "aws-sdk", "retryCost", "retryQuota", true),
    (Kind::Retry, "aws-sdk", "timeoutRetryCost", "retryQuota", true),
    (Kind::Retry, "aws-sdk", "noRetryIncrement", "retryQuota", true),
    (Kind::Hedge, "grpc", "tokenRatio", "maxTokens", true),
    (Kind::Breaker, "resilience4j", "exponentialBackoffMultiplier", "enableExponentialBackoff", true),
    (Kind::Breaker, "resilience4j", "exponentialMaxWaitDurationInOpenState", "enableExponentialBackoff", true),
];

/// By kind and profile: what the library has and this program has not, and what there is in its place.
const ABSENT: [(Kind, &str, &str, &str); 9] = [
    (
        Kind::Breaker,
        "hystrix",
        "fallback.isolation.semaphore.maxConcurrentRequests",
        "what is done instead stands in the step's \"on\", and no semaphore holds it down (the library refuses the 11th at once)",
    ),
    (
        Kind::Breaker,
        "polly",
        "BreakDurationGenerator",
        "it is a function of the program; \"BreakDuration\" is one length for every time",
    ),
    (
        Kind::Breaker,
        "resilience4j",
        "waitIntervalFunctionInOpenState",
        "it is a function of the program; \"waitDurationInOpenState\" is one length for every time",
    ),
    (
        Kind::Retry,
        "polly",
        "DelayGenerator",
        "it is a function of the program; \"Delay\", \"BackoffType\" and \"UseJitter\" say how long a wait is",
    ),
    (
        Kind::Retry,
        "resilience4j",
        "intervalFunction",
        "it is a function of the program; \"waitDuration\" and the parameters of its growth say how long a wait is",
    ),
    (
        Kind::Retry,
        "resilience4j",
        "retryOnResultPredicate",
        "it is a function of the program; let the callee \"fail\" with a reason, and name that",
    ),
    (Kind::Hedge, "polly", "DelayGenerator", "it is a function of the program; \"Delay\" is one length for every time"),
    (
        Kind::Bulkhead,
        "resilience4j",
        "fairCallHandlingEnabled",
        "whoever waits is served first come first served, which is the library's default, true",
    ),
    (
        Kind::Bulkhead,
        "hystrix",
        "fallback.isolation.semaphore.maxConcurrentRequests",
        "what is done instead stands in the step's \"on\", and no semaphore holds it down (the library refuses the 11th at once)",
    ),
];

/// What there is in place of a parameter that the library has and this program has not.
pub(super) fn absent(profile: &Profile, name: &str) -> Option<&'static str> {
    let is = |(kind, library, parameter, _): &&(Kind, &str, &str, &str)| {
        *kind == profile.kind && *library == profile.name && *parameter == name
    };
    ABSENT.iter().find(is).map(|(.., why)| *why)
}

/// Parameters that are written and say nothing as the others are.
pub fn idle(settings: &Settings, members: &[(Key, Json)]) -> Vec<Mistake> {
    let profile = settings.profile();
    let of_it = NEEDS.iter().filter(|(kind, library, ..)| *kind == profile.kind && *library == profile.name);
    let mut found = Vec::new();
    for (_, _, name, other, wanted) in of_it {
        let Some((key, _)) = members.iter().find(|(key, json)| key.name == *name && !json.is_null()) else { continue };
        if is_on(settings.get(other)) != *wanted {
            let beside = if *wanted { "without" } else { "beside" };
            found.push(Mistake::new(key.span, format!("\"{name}\" says nothing {beside} \"{other}\"")));
        }
    }
    found
}

fn is_on(setting: Option<&Setting>) -> bool {
    match setting {
        Some(Setting::Switch(on)) => *on,
        Some(Setting::Count(number)) => *number > 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::profile;

    #[test]
    fn what_a_parameter_needs_is_there_and_what_is_absent_is_not() {
        let has = |kind, library, name| {
            let profile = profile(kind, library).unwrap();
            profile.parameters.iter().any(|parameter| parameter.name == name)
        };
        for (kind, library, name, other, _) in NEEDS {
            assert!(has(kind, library, name) && has(kind, library, other), "{library} {name} {other}");
        }
        for (kind, library, name, _) in ABSENT {
            assert!(!has(kind, library, name), "{library} {name}");
        }
    }
}
