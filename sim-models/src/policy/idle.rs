//! Parameters that are written and come to nothing: since another one that they need is not, or since this program does
//! not have what the library does.

use sim_core::Ratio;

use super::profile::{Kind, Profile};
use super::settings::{Mistake, Setting, Settings};
use crate::json::{Json, JsonValue, Key};

/// By kind and profile: a parameter, and the one that must be on, or off, for it to say anything.
const NEEDS: [(Kind, &str, &str, &str, bool); 44] = [
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
    (Kind::Breaker, "resilience4j", "randomizedWaitFactor", "enableRandomizedWait", true),
    (Kind::Breaker, "resilience4j", "transitionToStateAfterWaitDuration", "maxWaitDurationInHalfOpenState", true),
    (Kind::Breaker, "hystrix", "circuitBreaker.requestVolumeThreshold", "circuitBreaker.enabled", true),
    (Kind::Breaker, "hystrix", "circuitBreaker.errorThresholdPercentage", "circuitBreaker.enabled", true),
    (Kind::Breaker, "hystrix", "circuitBreaker.sleepWindowInMilliseconds", "circuitBreaker.enabled", true),
    (Kind::Breaker, "hystrix", "circuitBreaker.forceOpen", "circuitBreaker.enabled", true),
    (Kind::Breaker, "hystrix", "circuitBreaker.forceClosed", "circuitBreaker.forceOpen", false),
    (Kind::Breaker, "hystrix", "execution.isolation.thread.timeoutInMilliseconds", "execution.timeout.enabled", true),
    (Kind::Breaker, "opossum", "timeout", "enabled", true),
    (Kind::Breaker, "opossum", "errorThresholdPercentage", "enabled", true),
    (Kind::Breaker, "opossum", "volumeThreshold", "enabled", true),
    (Kind::Breaker, "opossum", "resetTimeout", "enabled", true),
    (Kind::Breaker, "opossum", "rollingCountTimeout", "enabled", true),
    (Kind::Breaker, "opossum", "rollingCountBuckets", "enabled", true),
    (Kind::Breaker, "opossum", "capacity", "enabled", true),
    (Kind::Breaker, "opossum", "allowWarmUp", "enabled", true),
    (Kind::Breaker, "failsafe", "failureThreshold", "failureRateThreshold", false),
    (Kind::Breaker, "failsafe", "successThresholdingCapacity", "successThreshold", true),
    (Kind::Bulkhead, "hystrix", "queueSizeRejectionThreshold", "maxQueueSize", true),
    (Kind::Bulkhead, "hystrix", "maximumSize", "allowMaximumSizeToDivergeFromCoreSize", true),
    (Kind::Bulkhead, "hystrix", "keepAliveTimeMinutes", "allowMaximumSizeToDivergeFromCoreSize", true),
    (Kind::Outlier, "envoy", "consecutive_5xx", "enforcing_consecutive_5xx", true),
    (Kind::Outlier, "envoy", "consecutive_gateway_failure", "enforcing_consecutive_gateway_failure", true),
    (Kind::Outlier, "envoy", "success_rate_minimum_hosts", "enforcing_success_rate", true),
    (Kind::Outlier, "envoy", "success_rate_request_volume", "enforcing_success_rate", true),
    (Kind::Outlier, "envoy", "success_rate_stdev_factor", "enforcing_success_rate", true),
    (Kind::Outlier, "envoy", "failure_percentage_threshold", "enforcing_failure_percentage", true),
    (Kind::Outlier, "envoy", "failure_percentage_minimum_hosts", "enforcing_failure_percentage", true),
    (Kind::Outlier, "envoy", "failure_percentage_request_volume", "enforcing_failure_percentage", true),
    (Kind::Retry, "polly", "UseJitter", "Delay", true),
    (Kind::Retry, "polly", "BackoffType", "Delay", true),
];

/// By kind and profile: a parameter, and the one that must be this word for it to say anything.
const NEEDS_WORD: [(Kind, &str, &str, &str, &str); 19] = [
    (Kind::Bulkhead, "hystrix", "coreSize", ISOLATION, "THREAD"),
    (Kind::Bulkhead, "hystrix", "allowMaximumSizeToDivergeFromCoreSize", ISOLATION, "THREAD"),
    (Kind::Bulkhead, "hystrix", "maxQueueSize", ISOLATION, "THREAD"),
    (Kind::Bulkhead, "hystrix", "queueSizeRejectionThreshold", ISOLATION, "THREAD"),
    (Kind::Bulkhead, "hystrix", "execution.isolation.thread.interruptOnTimeout", ISOLATION, "THREAD"),
    (Kind::Bulkhead, "hystrix", "execution.isolation.semaphore.maxConcurrentRequests", ISOLATION, "SEMAPHORE"),
    (Kind::Breaker, "resilience4j", "failureRateThreshold", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "slowCallRateThreshold", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "slowCallDurationThreshold", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "slidingWindowType", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "slidingWindowSize", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "minimumNumberOfCalls", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "waitDurationInOpenState", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "enableExponentialBackoff", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "enableRandomizedWait", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "permittedNumberOfCallsInHalfOpenState", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "maxWaitDurationInHalfOpenState", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "automaticTransitionFromOpenToHalfOpenEnabled", "initialState", "CLOSED"),
    (Kind::Breaker, "resilience4j", "recordExceptions", "initialState", "CLOSED"),
];

const DIVERGES: &str = "allowMaximumSizeToDivergeFromCoreSize";

const ISOLATION: &str = "execution.isolation.strategy";

/// By kind and profile: lists of outcomes that are the usual ones when they are empty, not none.
const USUAL_WHEN_EMPTY: [(Kind, &str, &str); 8] = [
    (Kind::Retry, "resilience4j", "retryExceptions"),
    (Kind::Retry, "polly", "ShouldHandle"),
    (Kind::Retry, "aws-sdk", "retryable"),
    (Kind::Retry, "stripe-node", "retryable"),
    (Kind::Hedge, "polly", "ShouldHandle"),
    (Kind::Breaker, "resilience4j", "recordExceptions"),
    (Kind::Breaker, "polly", "ShouldHandle"),
    (Kind::Breaker, "failsafe", "handle"),
];

/// By kind and profile: what the library has and this program has not, and what there is in its place.
const ABSENT: [(Kind, &str, &str, &str); 27] = [
    (
        Kind::Breaker,
        "resilience4j",
        "recordFailurePredicate",
        "it is a function of the program; \"recordExceptions\" and \"ignoreExceptions\" name outcomes",
    ),
    (
        Kind::Breaker,
        "resilience4j",
        "recordResultPredicate",
        "it is a function of the program; \"recordExceptions\" and \"ignoreExceptions\" name outcomes",
    ),
    (
        Kind::Breaker,
        "resilience4j",
        "ignoreExceptionPredicate",
        "it is a function of the program; \"recordExceptions\" and \"ignoreExceptions\" name outcomes",
    ),
    (
        Kind::Retry,
        "resilience4j",
        "failAfterMaxAttempts",
        "it makes an exception of a last answer that retryOnResultPredicate still refuses, and that is a function of the program; here a callee fails with a reason, which stands when no try is left",
    ),
    (
        Kind::Retry,
        "resilience4j",
        "resultPredicate",
        "it is a function of the program; let the callee \"fail\" with a reason, and name that",
    ),
    (
        Kind::Retry,
        "resilience4j",
        "retryExceptionPredicate",
        "it is a function of the program; let the callee \"fail\" with a reason, and name that",
    ),
    (
        Kind::Breaker,
        "hystrix",
        "metrics.rollingStats.numBuckets",
        "the breaker does not look at these buckets: its window is cut into pieces of \"metrics.healthSnapshot.intervalInMilliseconds\"",
    ),
    (
        Kind::Breaker,
        "hystrix",
        "requestCache.enabled",
        "answers are shared with \"coalesce\" on the step, while a call is under way",
    ),
    (
        Kind::Bulkhead,
        "hystrix",
        "metrics.rollingStats.timeInMilliseconds",
        "it is for those who watch the pool, and lets no call wait or go",
    ),
    (
        Kind::Bulkhead,
        "hystrix",
        "metrics.rollingStats.numBuckets",
        "it is for those who watch the pool, and lets no call wait or go",
    ),
    (
        Kind::Breaker,
        "opossum",
        "cache",
        "an answer is kept in a \"map\" or \"memory\" that steps read and set; \"coalesce\" on the step shares one call that is under way",
    ),
    (
        Kind::Breaker,
        "opossum",
        "cacheTTL",
        "an answer is kept in a \"map\" or \"memory\" that steps read and set; \"coalesce\" on the step shares one call that is under way",
    ),
    (
        Kind::Breaker,
        "opossum",
        "cacheGetKey",
        "an answer is kept in a \"map\" or \"memory\" that steps read and set; \"coalesce\" on the step shares one call that is under way",
    ),
    (
        Kind::Breaker,
        "opossum",
        "coalesce",
        "it stands on the step, \"coalesce\": with the key of those who share an answer",
    ),
    (Kind::Breaker, "opossum", "rollingPercentilesEnabled", "it is for those who watch, and changes no call"),
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
    (
        Kind::Retry,
        "envoy",
        "initial_requests",
        "Envoy itself has not implemented it: one request is sent at first; \"hedge_on_per_try_timeout\" sends more",
    ),
    (
        Kind::Retry,
        "envoy",
        "additional_request_chance",
        "Envoy itself has not implemented it: no further request goes by chance; \"hedge_on_per_try_timeout\" sends more",
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
        "resilience4j",
        "fairCallHandlingStrategyEnabled",
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

/// Parameters that are written and say nothing as the others are, and policies that come to nothing as they are set.
pub fn idle(settings: &Settings, members: &[(Key, Json)]) -> Vec<Mistake> {
    let profile = settings.profile();
    let is_of_it = |kind: Kind, library: &str| kind == profile.kind && library == profile.name;
    let written = |name: &str| members.iter().find(|(key, json)| key.name == name && !json.is_null());
    let mut found = Vec::new();
    for (_, _, name, other, wanted) in NEEDS.iter().filter(|(kind, library, ..)| is_of_it(*kind, library)) {
        let Some((key, _)) = written(name) else { continue };
        if is_on(settings.get(other)) != *wanted {
            let beside = if *wanted { "without" } else { "beside" };
            found.push(Mistake::new(key.span, format!("\"{name}\" says nothing {beside} \"{other}\"")));
        }
    }
    for (_, _, name, other, word) in NEEDS_WORD.iter().filter(|(kind, library, ..)| is_of_it(*kind, library)) {
        let Some((key, _)) = written(name) else { continue };
        let is = settings.word(other);
        if is != *word {
            found.push(Mistake::new(key.span, format!("\"{name}\" says nothing beside \"{other}\": \"{is}\"")));
        }
    }
    for (_, _, name) in USUAL_WHEN_EMPTY.iter().filter(|(kind, library, _)| is_of_it(*kind, library)) {
        let Some((key, json)) = written(name) else { continue };
        if matches!(&json.value, JsonValue::List(items) if items.is_empty()) {
            let message =
                format!("\"{name}\" without any outcome is as if it were not written; name some, or leave it out");
            found.push(Mistake::new(key.span, message));
        }
    }
    for (name, message) in vain(settings) {
        let at = written(name).or_else(|| written("profile")).map_or_else(Default::default, |(key, _)| key.span);
        found.push(Mistake::new(at, message));
    }
    found
}

/// By kind and profile: the first wait, and the longest.
const LONGEST: [(Kind, &str, &str, &str); 6] = [
    (Kind::Retry, "resilience4j", "waitDuration", "exponentialMaxWaitDuration"),
    (Kind::Retry, "polly", "Delay", "MaxDelay"),
    (Kind::Retry, "grpc", "initialBackoff", "maxBackoff"),
    (Kind::Retry, "aws-sdk", "baseDelay", "maxBackoff"),
    (Kind::Retry, "stripe-node", "initialNetworkRetryDelay", "maxNetworkRetryDelay"),
    (Kind::Breaker, "resilience4j", "waitDurationInOpenState", "exponentialMaxWaitDurationInOpenState"),
];

/// Whether the longest wait of this name holds: resilience4j asks for it only where waits grow.
fn grows(settings: &Settings, longest: &str) -> bool {
    !longest.starts_with("exponential") || settings.is("enableExponentialBackoff")
}

/// Whether no wait of that library is shorter than the first.
fn least_is_first(library: &str) -> bool {
    library == "stripe-node"
}

/// Values that are each fine and with which the policy never does what it is there for: the parameter to blame, and
/// why.
fn vain(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut say = |name, message: String| found.push((name, message));
    let profile = settings.profile();
    for &(_, _, first, longest) in
        LONGEST.iter().filter(|(kind, library, ..)| (*kind, *library) == (profile.kind, profile.name))
    {
        let (wait, most) = (settings.length(first), settings.length(longest));
        // Zero stands for another longest wait, or for none.
        if !most.is_zero() && most < wait && grows(settings, longest) {
            let is = if least_is_first(profile.name) { wait } else { most };
            say(
                longest,
                format!("the longest wait, {most}, is shorter than the first, {wait}: none is longer than {is}"),
            );
        }
    }
    match (profile.kind, profile.name) {
        (Kind::Retry | Kind::Hedge, "grpc") => {
            let (attempts, tokens) = (settings.count("maxAttempts"), settings.count("maxTokens"));
            if attempts > 5 {
                say("maxAttempts", format!("more than 5 are 5: there are never {attempts}"));
            }
            if profile.kind == Kind::Retry && (1..=2).contains(&tokens) {
                let left = tokens - 1;
                let message = format!(
                    "nothing is ever tried again: the failure itself leaves {left} of {tokens} tokens, and that must be more than half; write 3 or more"
                );
                say("maxTokens", message);
            }
        }
        (Kind::Hedge, "finagle") if settings.ratio("maxExtraLoad").is_zero() => {
            say("maxExtraLoad", "nothing is asked a second time: no further request is allowed".to_owned());
        }
        (Kind::Budget, "finagle")
            if settings.ratio("percentCanRetry").is_zero() && settings.count("minRetriesPerSec") == 0 =>
        {
            let message = "nothing is ever tried again: requests bring no retry (percentCanRetry), and none is free \
                (minRetriesPerSec)";
            say("percentCanRetry", message.to_owned());
        }
        (Kind::Retry, "aws-sdk") => {
            let (quota, cost) = (settings.count("retryQuota"), settings.count("retryCost"));
            let timed_out = settings.count("timeoutRetryCost");
            if (1..cost.min(timed_out)).contains(&quota) {
                let least = cost.min(timed_out);
                say(
                    "retryQuota",
                    format!(
                        "nothing is ever tried again: a retry costs {least} tokens at least, and there are {quota} at most"
                    ),
                );
            } else if (1..cost).contains(&quota) {
                say(
                    "retryQuota",
                    format!(
                        "only what times out is ever tried again: any other retry costs {cost} tokens, and there are {quota} at most"
                    ),
                );
            } else if (1..timed_out).contains(&quota) {
                say(
                    "retryQuota",
                    format!(
                        "what times out is never tried again: that costs {timed_out} tokens, and there are {quota} at most"
                    ),
                );
            }
        }
        (Kind::Retry, "envoy") => {
            if settings.is("hedge_on_per_try_timeout") {
                if settings.outcomes("retry_on").is_empty() {
                    let message = "nothing is hedged where \"retry_on\" names no outcome, and then per_try_timeout ends nothing either";
                    say("hedge_on_per_try_timeout", message.to_owned());
                } else if settings.count("num_retries") == 0 {
                    let message = "nothing is hedged: a hedged try is one of num_retries, and there are none";
                    say("hedge_on_per_try_timeout", message.to_owned());
                }
            }
            if settings.outcomes("retry_on").is_empty() {
                say("retry_on", "nothing is ever tried again: \"retry_on\" names no outcome".to_owned());
            } else if settings.is("retry_budget") {
                if settings.ratio("budget_percent").is_zero() && settings.count("min_retry_concurrency") == 0 {
                    let message = "nothing is ever tried again: a budget of no percent and no min_retry_concurrency allows none at once";
                    say("budget_percent", message.to_owned());
                }
            } else if settings.count("max_retries") == 0 {
                say("max_retries", "nothing is ever tried again: max_retries allows none at once".to_owned());
            }
        }
        (Kind::Breaker, "opossum") if settings.ratio("errorThresholdPercentage") == Ratio::ONE => {
            let message = "it opens above errorThresholdPercentage, not at it: when every call fails, that is 100 % and not more; \
                write less than 100";
            say("errorThresholdPercentage", message.to_owned());
        }
        (Kind::Breaker, "hystrix") => {
            let is_asked = settings.is("circuitBreaker.enabled")
                && !settings.is("circuitBreaker.forceOpen")
                && !settings.is("circuitBreaker.forceClosed");
            if is_asked && settings.count("circuitBreaker.errorThresholdPercentage") == 0 {
                let message = "it opens although nothing fails: none of the calls is 0 %, and that is enough";
                say("circuitBreaker.errorThresholdPercentage", message.to_owned());
            }
        }
        (Kind::Bulkhead, "hystrix") => {
            let name = "execution.isolation.semaphore.maxConcurrentRequests";
            let of_threads = settings.word(ISOLATION) == "THREAD";
            let (size, threshold) = (settings.count("maxQueueSize"), settings.count("queueSizeRejectionThreshold"));
            if !of_threads && settings.count(name) == 0 {
                say(name, "no call ever goes through a semaphore of 0".to_owned());
            }
            if of_threads && size > 0 && threshold == 0 {
                let message = "no call ever goes through: where there is a queue, whoever finds so many waiting is refused before the \
                    pool is asked";
                say("queueSizeRejectionThreshold", message.to_owned());
            } else if of_threads && settings.is(DIVERGES) && size > 0 && threshold <= size {
                let message = format!(
                    "there are never more threads than coreSize: more come when {size} wait, and whoever finds {threshold} waiting is refused"
                );
                say("maximumSize", message);
            } else if of_threads && settings.is(DIVERGES) && settings.count("maximumSize") <= settings.count("coreSize")
            {
                say(
                    "maximumSize",
                    "there are never more threads than coreSize: maximumSize is not above it".to_owned(),
                );
            }
        }
        (Kind::Outlier, "envoy") => {
            if settings.ratio("max_ejection_percent").is_zero() && !settings.is("always_eject_one_host") {
                say("max_ejection_percent", "nobody is ever out: 0 % may be".to_owned());
            }
            let (base, most) = (settings.length("base_ejection_time"), settings.length("max_ejection_time"));
            if most < base {
                say(
                    "max_ejection_time",
                    format!("each time lasts {base}: max_ejection_time, {most}, is not above base_ejection_time"),
                );
            }
        }
        _ => {}
    }
    found
}

fn is_on(setting: Option<&Setting>) -> bool {
    match setting {
        Some(Setting::Switch(on)) => *on,
        Some(Setting::Count(number)) => *number > 0,
        Some(Setting::Length(length)) => !length.is_zero(),
        Some(Setting::Percent(ratio) | Setting::Share(ratio)) => !ratio.is_zero(),
        Some(Setting::Factor(_) | Setting::Word(_) | Setting::Outcomes) | None => false,
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
        for (kind, library, name, other, word) in NEEDS_WORD {
            let found = profile(kind, library).unwrap();
            let other = found.parameters.iter().find(|parameter| parameter.name == other).unwrap();
            assert!(has(kind, library, name) && other.choices.contains(&word), "{library} {name} {word}");
        }
        for (kind, library, name) in USUAL_WHEN_EMPTY {
            assert!(has(kind, library, name), "{library} {name}");
        }
        for (kind, library, first, longest) in LONGEST {
            assert!(has(kind, library, first) && has(kind, library, longest), "{library} {first} {longest}");
        }
        for (kind, library, name, _) in ABSENT {
            assert!(!has(kind, library, name), "{library} {name}");
        }
    }
}
