//! The reference pages of the profiles, made from the tables that read them.

use super::plain::{Plain, plain};
use super::profile::{Kind, Parameter, Profile, profiles};
use super::settings::Setting;

impl Kind {
    /// What such a policy does, for a heading's sentence.
    pub const fn about(self) -> &'static str {
        match self {
            Kind::Breaker => "Circuit breakers: who fails is not asked for a while.",
            Kind::Retry => "Retries: what fails is tried again.",
            Kind::Budget => "Retry budgets: what keeps retries few when many calls fail at once.",
            Kind::Outlier => {
                "Outlier detection, a key of the service that is called: those of its replicas that fail are not asked."
            }
            Kind::Hedge => "Hedges: when the first one asked is slow, a second one is.",
            Kind::Bulkhead => "Bulkheads: so many calls at once, by a number or by a limit that finds itself.",
            Kind::Limiter => "Limiters: so many calls in a time, or as many as the callee accepts.",
        }
    }
}

impl Parameter {
    /// What it is when nobody says, as it is shown.
    pub fn shown_default(&self) -> String {
        match (self.required, self.default) {
            (true, _) => "none".to_owned(),
            (false, Setting::Outcomes) => String::new(),
            (false, default) => default.to_string(),
        }
    }
}

impl Profile {
    /// As it may stand in a file, with the first parameter written out.
    pub fn example(&self) -> String {
        let parameter = self.parameters.iter().find(|parameter| !matches!(parameter.default, Setting::Outcomes));
        let written = parameter.filter(|parameter| !parameter.required).map(|parameter| {
            let default = parameter.default;
            let quoted = matches!(default, Setting::Length(_) | Setting::Word(_));
            let value = if quoted { format!("\"{default}\"") } else { default.to_string() };
            format!(", \"{}\": {value}", parameter.name)
        });
        format!("\"{}\": {{\"profile\": \"{}\"{}}}", self.kind.clause(), self.name, written.unwrap_or_default())
    }

    /// All about it, as plain text.
    pub fn page(&self) -> String {
        let mut out = format!("{} {}\n    {}\n    {}\n\n", self.kind.clause(), self.name, self.about, self.source);
        let width = self.parameters.iter().map(|parameter| parameter.name.len()).max().unwrap_or_default();
        for parameter in self.parameters {
            let kind = parameter.default.kind();
            let range = parameter.range();
            let range = if range.is_empty() { range } else { format!(", {range}") };
            let default = parameter.shown_default();
            let default = if default.is_empty() { default } else { format!(" = {default}") };
            out += &format!("    {:width$}  {kind}{range}{default}\n", parameter.name);
            out += &format!("    {:width$}  {}\n", "", parameter.about);
        }
        out += "\n";
        for surprise in self.surprises {
            out += &format!("    - {surprise}\n");
        }
        out
    }

    fn markdown(&self) -> String {
        let mut out =
            format!("### {} {}\n\n{}\nSource: {}.\n\n", self.kind.clause(), self.name, self.about, self.source);
        out += "| parameter | kind | default | range | meaning |\n|---|---|---|---|---|\n";
        for parameter in self.parameters {
            let cells = [
                format!("`{}`", parameter.name),
                parameter.default.kind().to_owned(),
                parameter.shown_default(),
                parameter.range(),
                parameter.about.to_owned(),
            ];
            out += &format!("| {} |\n", cells.join(" | "));
        }
        out += "\nWhat its users do not expect:\n\n";
        for surprise in self.surprises {
            out += &format!("- {surprise}\n");
        }
        out + "\n"
    }
}

/// The whole reference as Markdown; `docs/policies.md` is this.
pub fn reference() -> String {
    let mut out = INTRODUCTION.to_owned();
    for kind in Kind::ALL {
        out += &format!("## {}\n\n", kind.about());
        for profile in profiles().filter(|profile| profile.kind == kind) {
            out += &profile.markdown();
        }
    }
    out += &format!("## {PLAINLY}\n\n");
    out.extend(plain().map(Plain::markdown));
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// The heading of the patterns that need no profile.
pub const PLAINLY: &str = "Without a library: the words that the language has of its own.";

const INTRODUCTION: &str = "# Policies

The resilience policies of well-known libraries, with the names, defaults and comparisons of each. This page is what `faultline \
policies --markdown` prints; `faultline policies polly` tells all about one library.

A profile is written with the names of its library: `{\"profile\": \"resilience4j\", \"failureRateThreshold\": 50}`. What is not \
written is as the library has it. Lengths of time need a unit (`\"30s\"`), also where the library counts in milliseconds; a percentage \
is a number from 0 to 100 or `\"50%\"`, a share a number from 0 to 1 or `\"10%\"`. Outcomes are listed by kind or reason: \
`[\"timeout\", \"error\"]`. A name that the library does not have, a value outside its range, values that contradict each other: each is \
an error that says where. A value that is allowed and comes to nothing (a budget that never pays for a retry, a threshold that is never \
reached, a parameter that another one has switched off) is a warning that says where.

A fallback is the clause `on` of a step, as are the other patterns that need no library: they stand at the end.

";
