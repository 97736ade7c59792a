//! Which libraries there are by name, and what each of their parameters is called, means, and is when nobody says.

use super::settings::{Setting, Settings};
use super::{breaker, budget, bulkhead, concurrency, hedge, limiter, outlier, retry, throttle};

/// What a policy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Stops asking who fails.
    Breaker,
    /// Tries again.
    Retry,
    /// Keeps retries few.
    Budget,
    /// Stops asking one of several who fails.
    Outlier,
    /// Asks a second one.
    Hedge,
    /// Lets so many go at once.
    Bulkhead,
    /// Lets so many go in a time.
    Limiter,
}

/// The policy of one library.
#[derive(Debug)]
pub struct Profile {
    /// By which a file names it, together with its kind.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// The library, its version, and where in its source the semantics were read.
    pub source: &'static str,
    /// One sentence on how it works.
    pub about: &'static str,
    /// Its parameters, by the library's own names.
    pub parameters: &'static [Parameter],
    /// What its users do not expect, each a sentence; each has a test of that meaning beside the code.
    pub surprises: &'static [&'static str],
    /// Whether values that are each fine go together; else which parameter is to blame, and why.
    pub sound: fn(&Settings) -> Result<(), (&'static str, String)>,
}

/// A parameter as its library has it.
#[derive(Debug)]
pub struct Parameter {
    /// The library's name for it.
    pub name: &'static str,
    /// What it is when nobody says, and of what kind it is.
    pub default: Setting,
    /// The least that is allowed, itself included; none for no such limit.
    pub least: Option<Setting>,
    /// The most that is allowed, itself included; none for no such limit.
    pub most: Option<Setting>,
    /// The words that are allowed, when it is a word.
    pub choices: &'static [&'static str],
    /// Whether the library has no default, so that it must be written.
    pub required: bool,
    /// Whether a count below zero is written for none, as the library has it.
    pub below_zero: bool,
    /// What it means.
    pub about: &'static str,
}

impl Kind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Kind; 7] =
        [Kind::Breaker, Kind::Retry, Kind::Budget, Kind::Hedge, Kind::Bulkhead, Kind::Limiter, Kind::Outlier];

    /// The clause of the scenario language that takes such a profile, or the key of a service.
    pub const fn clause(self) -> &'static str {
        match self {
            Kind::Breaker => "breaker",
            Kind::Retry => "retry",
            Kind::Budget => "budget",
            Kind::Outlier => "outlier",
            Kind::Hedge => "hedge",
            Kind::Bulkhead => "bulkhead",
            Kind::Limiter => "limiter",
        }
    }
}

impl Parameter {
    /// One without limits.
    pub(crate) const fn new(name: &'static str, default: Setting, about: &'static str) -> Parameter {
        Parameter { name, default, least: None, most: None, choices: &[], required: false, below_zero: false, about }
    }

    /// One of several words.
    pub(crate) const fn word(
        name: &'static str,
        choices: &'static [&'static str],
        default: &'static str,
        about: &'static str,
    ) -> Parameter {
        Parameter { choices, ..Parameter::new(name, Setting::Word(default), about) }
    }

    /// The same, from this on.
    pub(crate) const fn from(mut self, least: Setting) -> Parameter {
        self.least = Some(least);
        self
    }

    /// The same, up to this.
    pub(crate) const fn to(mut self, most: Setting) -> Parameter {
        self.most = Some(most);
        self
    }

    /// The same, without a default.
    pub(crate) const fn required(mut self) -> Parameter {
        self.required = true;
        self
    }

    /// The same, with a count below zero for none.
    pub(crate) const fn or_below_zero(mut self) -> Parameter {
        self.below_zero = true;
        self
    }

    /// The values that are allowed, in words; empty when any of its kind is.
    pub fn range(&self) -> String {
        match (&self.least, &self.most) {
            _ if !self.choices.is_empty() => self.choices.join(", "),
            (None, None) if self.below_zero => "from -1".to_owned(),
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("from {least}"),
            (None, Some(most)) => format!("to {most}"),
            (None, None) => String::new(),
        }
    }
}

/// Every profile, by kind and in the order of the reference page.
pub fn profiles() -> impl Iterator<Item = &'static Profile> + Clone {
    [
        &breaker::resilience4j::PROFILE,
        &breaker::polly::PROFILE,
        &breaker::opossum::PROFILE,
        &breaker::hystrix::PROFILE,
        &breaker::failsafe::PROFILE,
        &retry::profiles::RESILIENCE4J,
        &retry::profiles::POLLY,
        &retry::profiles::GRPC,
        &retry::profiles::ENVOY,
        &retry::profiles::AWS_SDK,
        &retry::profiles::STRIPE_NODE,
        &retry::profiles::TEMPORAL,
        &budget::FINAGLE,
        &outlier::ENVOY,
        &hedge::GRPC,
        &hedge::POLLY,
        &hedge::FINAGLE,
        &bulkhead::RESILIENCE4J,
        &bulkhead::THREAD_POOL,
        &bulkhead::HYSTRIX,
        &bulkhead::POLLY,
        &concurrency::AIMD,
        &concurrency::GRADIENT2,
        &concurrency::VEGAS,
        &limiter::RESILIENCE4J,
        &throttle::ADAPTIVE_THROTTLING,
    ]
    .into_iter()
}

/// The profile of that kind and name.
pub fn profile(kind: Kind, name: &str) -> Option<&'static Profile> {
    profiles().find(|profile| profile.kind == kind && profile.name == name)
}
