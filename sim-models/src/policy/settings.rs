//! What a file says about a profile: read by the parameter's name, checked against its range, the rest filled in by the
//! library.

use std::fmt;

use sim_core::{Duration, Ratio};

use super::growth::ONE;
use super::idle;
use super::profile::{Parameter, Profile};
use crate::json::{Json, JsonValue, Key, Span};
use crate::problem::did_you_mean;

/// The value of a parameter; of a default, also what kind of value may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `"30s"`
    Length(Duration),
    /// `50` as libraries do that count in percent; `"50%"` is the same.
    Percent(Ratio),
    /// `0.1` as libraries do that count in shares of one; `"10%"` is the same.
    Share(Ratio),
    /// `100`
    Count(u64),
    /// `1.5`, in millionths.
    Factor(u64),
    /// `true`
    Switch(bool),
    /// One of the parameter's choices.
    Word(&'static str),
    /// `["timeout", "error"]`: outcomes by reason or kind; which, [`Settings::outcomes`] knows.
    Outcomes,
}

/// All parameters of one policy, written or filled in.
#[derive(Clone, Debug)]
pub struct Settings {
    profile: &'static Profile,
    values: Vec<Setting>,
    /// The outcomes that were written, by parameter.
    outcomes: Vec<(&'static str, Vec<String>)>,
}

/// What is wrong with a written parameter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key or value that is wrong.
    pub span: Span,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Mistake {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Mistake { span, message: message.into() }
    }
}

/// What is said to whoever writes a fallback as other libraries have it.
pub const NO_FALLBACK: &str = "\"fallback\" is no word of its own: what is done instead stands in the step's \"on\", by outcome, such as \
    \"on\": {\"else\": [{\"reply\": 0}]}";

/// Fields of such an object that are not the library's.
const OURS: [&str; 4] = ["profile", "note", "about", "$schema"];

/// Reads the members of an object with a `profile` as parameters of that profile; all mistakes at once.
///
/// # Errors
/// A name that the profile does not have, a value of another kind or outside its range, or values that contradict each
/// other.
pub fn read(profile: &'static Profile, members: &[(Key, Json)]) -> Result<Settings, Vec<Mistake>> {
    let mut settings = Settings::defaults(profile);
    let mut mistakes = Vec::new();
    for (key, json) in members.iter().filter(|(key, _)| !OURS.contains(&key.name.as_str())) {
        let Some(at) = profile.parameters.iter().position(|parameter| parameter.name == key.name) else {
            mistakes.push(Mistake::new(key.span, unknown(profile, &key.name)));
            continue;
        };
        if json.is_null() {
            continue;
        }
        let parameter = &profile.parameters[at];
        let read = if matches!(parameter.default, Setting::Outcomes) {
            outcomes(json).map(|outcomes| settings.outcomes.push((parameter.name, outcomes)))
        } else {
            one(parameter, json).map(|value| settings.values[at] = value)
        };
        if let Err(why) = read {
            mistakes.push(Mistake::new(json.span, format!("{}: {why}", parameter.name)));
        }
    }
    for parameter in profile.parameters.iter().filter(|parameter| parameter.required) {
        let (name, written) = (parameter.name, members.iter().find(|(key, _)| key.name == parameter.name));
        if let Some((_, json)) =
            written.filter(|(_, json)| matches!(&json.value, JsonValue::List(items) if items.is_empty()))
        {
            mistakes.push(Mistake::new(json.span, format!("{name} names no outcome; name one at least")));
        }
        if !members.iter().any(|(key, json)| key.name == parameter.name && !json.is_null()) {
            let span = members.first().map_or(Span::default(), |(key, _)| key.span);
            let message = format!("{} has no default for {}; write it", profile.name, parameter.name);
            mistakes.push(Mistake::new(span, message));
        }
    }
    if mistakes.is_empty()
        && let Err((name, message)) = (profile.sound)(&settings)
    {
        let written = members.iter().find(|(key, _)| key.name == name).or(members.first());
        mistakes.push(Mistake::new(written.map_or(Span::default(), |(_, json)| json.span), message));
    }
    if mistakes.is_empty() { Ok(settings) } else { Err(mistakes) }
}

fn unknown(profile: &Profile, name: &str) -> String {
    if let Some(why) = idle::absent(profile, name) {
        return format!("\"{name}\" of {} is not here: {why}", profile.name);
    }
    if name.starts_with("fallback") {
        return NO_FALLBACK.to_owned();
    }
    let names = profile.parameters.iter().map(|parameter| parameter.name);
    let near = did_you_mean(name, names.clone());
    if near.is_empty() {
        let names: Vec<_> = names.collect();
        return format!("{} has no \"{name}\"; it has {}", profile.name, names.join(", "));
    }
    format!("{} has no \"{name}\"{near}", profile.name)
}

fn one(parameter: &Parameter, json: &Json) -> Result<Setting, String> {
    let value = match &parameter.default {
        Setting::Length(_) => length(parameter, json).map(Setting::Length),
        Setting::Percent(_) => ratio(json, 100.0, "50").map(Setting::Percent),
        Setting::Share(_) => ratio(json, 1.0, "0.1").map(Setting::Share),
        Setting::Count(_) => count(parameter, json).map(Setting::Count),
        Setting::Factor(_) => factor(json).map(Setting::Factor),
        Setting::Switch(_) => switch(json).map(Setting::Switch),
        Setting::Word(_) => word(parameter, json).map(Setting::Word),
        Setting::Outcomes => Ok(Setting::Outcomes),
    };
    within(parameter, value?)
}

fn length(parameter: &Parameter, json: &Json) -> Result<Duration, String> {
    let example = &parameter.default;
    match &json.value {
        JsonValue::Text(text) if text.starts_with('-') => Err(format!("{text} is negative; a length of time is not")),
        JsonValue::Text(text) => text.parse().map_err(|error: sim_core::DurationError| error.to_string()),
        JsonValue::Int(number) if *number < 0 => Err(format!("{number} is negative; a length of time is not")),
        JsonValue::Int(_) | JsonValue::Float { .. } => {
            Err(format!("{json} has no unit; write a length of time with one, such as \"{example}\""))
        }
        _ => Err(format!("here should be a length of time, such as \"{example}\"")),
    }
}

/// A ratio as that library counts it, `whole` being all of it; or our own way.
fn ratio(json: &Json, whole: f64, example: &str) -> Result<Ratio, String> {
    let number = match &json.value {
        JsonValue::Text(text) => return text.parse().map_err(|error: sim_core::RatioError| error.to_string()),
        JsonValue::Int(number) => *number as f64,
        JsonValue::Float { value, .. } => *value,
        _ => return Err(format!("here should be a number from 0 to {whole}, such as {example}")),
    };
    if !(0.0..=whole).contains(&number) {
        return Err(format!("{json} is not between 0 and {whole}"));
    }
    // Twelve digits behind the point are what a ratio keeps.
    let parts = (number / whole * Ratio::ONE.parts() as f64).round() as u64;
    Ratio::new(parts, Ratio::ONE.parts()).ok_or_else(|| format!("{json} is not between 0 and {whole}"))
}

fn count(parameter: &Parameter, json: &Json) -> Result<u64, String> {
    match json.value {
        JsonValue::Int(number) if number < 0 && parameter.below_zero => Ok(0),
        JsonValue::Int(number) => u64::try_from(number).map_err(|_| format!("{number} is negative; a count is not")),
        _ => Err("here should be a whole number".to_owned()),
    }
}

fn factor(json: &Json) -> Result<u64, String> {
    let number = match &json.value {
        JsonValue::Int(number) => *number as f64,
        JsonValue::Float { value, .. } => *value,
        _ => return Err("here should be a number, such as 1.5".to_owned()),
    };
    if !(0.0..=1e12).contains(&number) {
        return Err(format!("{json} is not between 0 and 10^12"));
    }
    Ok((number * ONE as f64).round() as u64)
}

fn switch(json: &Json) -> Result<bool, String> {
    match json.value {
        JsonValue::Bool(truth) => Ok(truth),
        _ => Err("here should be true or false".to_owned()),
    }
}

fn word(parameter: &Parameter, json: &Json) -> Result<&'static str, String> {
    let choices = || parameter.choices.join(", ");
    let text = json.as_text().ok_or_else(|| format!("here should be one of {}", choices()))?;
    parameter.choices.iter().copied().find(|choice| *choice == text).ok_or_else(|| {
        let near = did_you_mean(text, parameter.choices.iter().copied());
        format!("\"{text}\" is none of {}{near}", choices())
    })
}

fn outcomes(json: &Json) -> Result<Vec<String>, String> {
    let wrong = || "here should be a list of outcomes, such as [\"timeout\"]".to_owned();
    match &json.value {
        JsonValue::List(items) => {
            items.iter().map(|item| item.as_text().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

fn within(parameter: &Parameter, value: Setting) -> Result<Setting, String> {
    let (least, most) = (parameter.least, parameter.most);
    let range = match (least, most) {
        (Some(least), Some(most)) => format!("; it goes from {least} to {most}"),
        _ => String::new(),
    };
    match (least, most) {
        (Some(least), _) if value.size() < least.size() => Err(format!("{value} is below {least}{range}")),
        (_, Some(most)) if value.size() > most.size() => Err(format!("{value} is above {most}{range}")),
        _ => Ok(value),
    }
}

impl Setting {
    /// A share in percent, for tables.
    pub(crate) const fn percent(percent: u64) -> Setting {
        Setting::Percent(share_of(percent, 100))
    }

    /// A share, for tables.
    pub(crate) const fn share(part: u64, whole: u64) -> Setting {
        Setting::Share(share_of(part, whole))
    }

    /// Seconds, for tables.
    pub(crate) const fn secs(secs: u64) -> Setting {
        Setting::Length(Duration::from_secs(secs))
    }

    /// Milliseconds, for tables.
    pub(crate) const fn millis(millis: u64) -> Setting {
        Setting::Length(Duration::from_millis(millis))
    }

    /// What it is called in reference pages.
    pub fn kind(&self) -> &'static str {
        match self {
            Setting::Length(_) => "length of time",
            Setting::Percent(_) => "percent",
            Setting::Share(_) => "ratio",
            Setting::Count(_) => "count",
            Setting::Factor(_) => "factor",
            Setting::Switch(_) => "true or false",
            Setting::Word(_) => "word",
            Setting::Outcomes => "outcomes",
        }
    }

    /// By which values of one kind are compared; nothing else is.
    fn size(&self) -> u64 {
        match self {
            Setting::Length(length) => length.nanos(),
            Setting::Percent(ratio) | Setting::Share(ratio) => ratio.parts(),
            Setting::Count(number) | Setting::Factor(number) => *number,
            Setting::Switch(_) | Setting::Word(_) | Setting::Outcomes => 0,
        }
    }
}

const fn share_of(part: u64, whole: u64) -> Ratio {
    match Ratio::new(part, whole) {
        Some(ratio) => ratio,
        None => Ratio::ONE,
    }
}

/// A decimal without trailing zeros, of so many parts in one.
fn decimal(parts: u128, one: u128) -> String {
    let digits = one.ilog10() as usize;
    let fraction = format!("{:0digits$}", parts % one);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { (parts / one).to_string() } else { format!("{}.{fraction}", parts / one) }
}

impl fmt::Display for Setting {
    /// Writes it as it may stand in a file, quotes left out.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Length(Duration::FOREVER) => out.write_str("for ever"),
            Setting::Length(length) => write!(out, "{length}"),
            Setting::Percent(ratio) => {
                out.write_str(&decimal(u128::from(ratio.parts()), u128::from(Ratio::ONE.parts() / 100)))
            }
            Setting::Share(ratio) => out.write_str(&decimal(u128::from(ratio.parts()), u128::from(Ratio::ONE.parts()))),
            Setting::Count(u64::MAX) => out.write_str("unlimited"),
            Setting::Count(number) => write!(out, "{number}"),
            Setting::Factor(parts) => out.write_str(&decimal(u128::from(*parts), u128::from(ONE))),
            Setting::Switch(truth) => write!(out, "{truth}"),
            Setting::Word(word) => out.write_str(word),
            Setting::Outcomes => out.write_str("[]"),
        }
    }
}

impl Settings {
    /// As that library comes.
    pub fn defaults(profile: &'static Profile) -> Settings {
        let values = profile.parameters.iter().map(|parameter| parameter.default).collect();
        Settings { profile, values, outcomes: Vec::new() }
    }

    /// Whose parameters they are.
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }

    /// The same with one parameter changed; for tests and tools that have the value already.
    #[must_use]
    pub fn with(mut self, name: &str, value: Setting) -> Settings {
        let at = self.profile.parameters.iter().position(|parameter| parameter.name == name);
        if let Some(at) = at {
            self.values[at] = value;
        }
        self
    }

    /// The value of the parameter of that name.
    pub fn get(&self, name: &str) -> Option<&Setting> {
        let at = self.profile.parameters.iter().position(|parameter| parameter.name == name)?;
        self.values.get(at)
    }

    /// A length of time; nothing when there is no such parameter, which the test of all profiles excludes.
    pub(crate) fn length(&self, name: &str) -> Duration {
        match self.get(name) {
            Some(Setting::Length(length)) => *length,
            _ => Duration::ZERO,
        }
    }

    /// A ratio, however the library counts it.
    pub(crate) fn ratio(&self, name: &str) -> Ratio {
        match self.get(name) {
            Some(Setting::Percent(ratio) | Setting::Share(ratio)) => *ratio,
            _ => Ratio::ZERO,
        }
    }

    /// A count that fits 32 bits; what is larger is as good as unlimited.
    pub(crate) fn count(&self, name: &str) -> u32 {
        match self.get(name) {
            Some(Setting::Count(number)) => u32::try_from(*number).unwrap_or(u32::MAX),
            _ => 0,
        }
    }

    /// A factor in millionths.
    pub(crate) fn factor(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Setting::Factor(factor)) => *factor,
            _ => ONE,
        }
    }

    /// A switch.
    pub(crate) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Setting::Switch(true)))
    }

    /// A word.
    pub(crate) fn word(&self, name: &str) -> &'static str {
        match self.get(name) {
            Some(Setting::Word(word)) => word,
            _ => "",
        }
    }

    /// The outcomes that a parameter names; none when it was not written.
    pub fn outcomes(&self, name: &str) -> &[String] {
        self.outcomes.iter().find(|(known, _)| *known == name).map_or(&[], |(_, outcomes)| outcomes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::policy::{Kind, profile, profiles};

    fn said(kind: Kind, name: &str, parameters: &str) -> Vec<String> {
        let json = json::parse(parameters).unwrap();
        let mistakes = read(profile(kind, name).unwrap(), json.members()).err().unwrap_or_default();
        mistakes.into_iter().map(|mistake| format!("{}: {}", mistake.span.start, mistake.message)).collect()
    }

    fn check(parameters: &str, mistake: &str) {
        assert_eq!(said(Kind::Breaker, "resilience4j", parameters), [mistake], "{parameters}");
    }

    #[test]
    fn an_unknown_parameter_is_told_with_the_one_that_was_meant() {
        let near = "1: resilience4j has no \"minimumNumberOfCall\"; did you mean \"minimumNumberOfCalls\"?";
        check(r#"{"minimumNumberOfCall": 5}"#, near);
        let far = said(Kind::Breaker, "polly", r#"{"timeout": "5s"}"#);
        let has = "FailureRatio, MinimumThroughput, SamplingDuration, BreakDuration, ShouldHandle";
        assert_eq!(far, [format!("1: polly has no \"timeout\"; it has {has}")]);
    }

    #[test]
    fn a_length_of_time_needs_a_unit_and_is_not_negative() {
        let name = "waitDurationInOpenState";
        check(
            r#"{"waitDurationInOpenState": 30}"#,
            &format!("28: {name}: 30 has no unit; write a length of time with one, such as \"60s\""),
        );
        check(
            r#"{"waitDurationInOpenState": "-5s"}"#,
            &format!("28: {name}: -5s is negative; a length of time is not"),
        );
        check(r#"{"waitDurationInOpenState": -5}"#, &format!("28: {name}: -5 is negative; a length of time is not"));
        check(r#"{"waitDurationInOpenState": "0s"}"#, &format!("28: {name}: 0s is below 1ms"));
    }

    #[test]
    fn a_percentage_is_not_above_a_hundred_and_a_share_not_above_one() {
        check(r#"{"failureRateThreshold": 101}"#, "25: failureRateThreshold: 101 is not between 0 and 100");
        check(r#"{"failureRateThreshold": "101%"}"#, "25: failureRateThreshold: \"101%\" is more than 100%");
        let polly = said(Kind::Breaker, "polly", r#"{"FailureRatio": 1.5}"#);
        assert_eq!(polly, ["17: FailureRatio: 1.5 is not between 0 and 1"]);
    }

    #[test]
    fn a_count_is_whole_and_not_negative_and_a_word_one_of_its_choices() {
        check(r#"{"slidingWindowSize": -1}"#, "22: slidingWindowSize: -1 is negative; a count is not");
        check(r#"{"slidingWindowSize": 0}"#, "22: slidingWindowSize: 0 is below 1; it goes from 1 to 1000000");
        check(
            r#"{"slidingWindowSize": 1000001}"#,
            "22: slidingWindowSize: 1000001 is above 1000000; it goes from 1 to 1000000",
        );
        let grpc = said(Kind::Hedge, "grpc", r#"{"maxAttempts": 1, "maxTokens": 1001}"#);
        assert_eq!(grpc, ["16: maxAttempts: 1 is below 2", "32: maxTokens: 1001 is above 1000"]);
        check(r#"{"slidingWindowSize": 1.5}"#, "22: slidingWindowSize: here should be a whole number");
        check(
            r#"{"slidingWindowType": "TIME_BASE"}"#,
            "22: slidingWindowType: \"TIME_BASE\" is none of COUNT_BASED, TIME_BASED; did you mean \"TIME_BASED\"?",
        );
    }

    #[test]
    fn values_that_contradict_each_other_are_told() {
        let failsafe = said(Kind::Breaker, "failsafe", r#"{"failureThreshold": 6, "failureThresholdingCapacity": 5}"#);
        assert_eq!(failsafe, ["21: 6 failures of 5 calls cannot be"]);
        let rate = said(Kind::Breaker, "failsafe", r#"{"failureRateThreshold": 50}"#);
        assert_eq!(rate, ["25: failureRateThreshold needs a failureThresholdingPeriod"]);
    }

    #[test]
    fn what_has_no_default_must_be_written() {
        let missing = said(Kind::Retry, "grpc", r#"{"profile": "grpc", "maxAttempts": 3, "maxBackoff": "1s"}"#);
        let names = ["initialBackoff", "backoffMultiplier", "retryableStatusCodes"];
        assert_eq!(missing, names.map(|name| format!("1: grpc has no default for {name}; write it")));
    }

    #[test]
    fn percent_is_read_in_both_ways_and_null_is_as_if_not_written() {
        let read = |text: &str| {
            let json = json::parse(text).unwrap();
            read(profile(Kind::Breaker, "resilience4j").unwrap(), json.members()).unwrap()
        };
        let half = read("{}").ratio("failureRateThreshold");
        assert_eq!(half, Ratio::HALF);
        for same in [
            r#"{"failureRateThreshold": 50}"#,
            r#"{"failureRateThreshold": "50%"}"#,
            r#"{"failureRateThreshold": null}"#,
        ] {
            assert_eq!(read(same).ratio("failureRateThreshold"), half);
        }
        assert_eq!(read(r#"{"failureRateThreshold": 33.3}"#).ratio("failureRateThreshold"), "33.3%".parse().unwrap());
    }

    #[test]
    fn every_default_is_within_its_range_and_no_name_is_there_twice() {
        for profile in profiles() {
            for parameter in profile.parameters.iter().filter(|parameter| !parameter.required) {
                assert!(within(parameter, parameter.default).is_ok(), "{} {}", profile.name, parameter.name);
                let namesakes = profile.parameters.iter().filter(|other| other.name == parameter.name);
                assert_eq!(namesakes.count(), 1, "{} {}", profile.name, parameter.name);
            }
            assert!((profile.sound)(&Settings::defaults(profile)).is_ok(), "{}", profile.name);
        }
    }
}
