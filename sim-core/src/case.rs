//! A case file: one run, whole and for ever.
//!
//! It holds everything the run follows from (the scenario itself, settings, seed, faults) and what came of it, so that it replays
//! to the same digest on any machine, and says where it parts when it does not.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dice::Rest;
use crate::digest::Digest;
use crate::fault::Fault;
use crate::judge::Verdict;
use crate::seed::Seed;
use crate::time::Instant;
use crate::trail::WrittenTrail;

/// The version of the case format that is written, and the newest that is read.
pub const VERSION: u64 = 1;

/// A run and what is expected of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The version of the format.
    pub faultline: u64,
    /// Always `case`.
    pub kind: CaseWord,
    /// What went wrong, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The scenario, whole.
    pub scenario: Value,
    /// Settings that differ from their defaults, and what a remedy or variant set, by name.
    #[serde(default)]
    pub settings: serde_json::Map<String, Value>,
    /// The seed.
    #[serde(with = "seed_text")]
    pub seed: Seed,
    /// What answers the questions that no decision answers.
    #[serde(default)]
    pub rest: Rest,
    /// All faults and decisions of the run, those of the scenario included.
    pub faults: Vec<Fault>,
    /// The operations still sent; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// Where the run ends, unless the expected violation comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Instant>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
}

/// The word that tells a case from a scenario.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaseWord {
    /// `"kind": "case"`.
    #[default]
    #[serde(rename = "case")]
    Case,
}

/// What a case came to when it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The verdict of the run.
    pub verdict: Verdict,
    /// The property that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub property: Option<String>,
    /// The digest at the end.
    pub digest: Digest,
    /// How many events there were; as many as the trail covers when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// The instant of the last event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Instant>,
    /// How the digest grew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<WrittenTrail>,
}

/// Seeds are 64 bits, which JSON numbers of other programs do not hold: they are written as text.
mod seed_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::seed::Seed;

    pub(super) fn serialize<S: Serializer>(seed: &Seed, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(seed)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Seed, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}
