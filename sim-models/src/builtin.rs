//! The stories that come with the product: files like any other, embedded, with no privileges.

use crate::problem::Problems;
use crate::scenario::Scenario;

/// Name and text of each built-in scenario, in the order in which they are listed.
const FILES: &[(&str, &str)] = &[
    ("checkout", include_str!("../scenarios/checkout.json")),
    ("gateway-timeout", include_str!("../scenarios/gateway-timeout.json")),
    ("oversell", include_str!("../scenarios/oversell.json")),
];

/// The names of the built-in scenarios.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The text of a built-in scenario.
pub fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// A built-in scenario; `None` when there is none of that name.
///
/// # Errors
/// None, as long as the embedded files are right, which the tests look after.
pub fn scenario(name: &str) -> Option<Result<Scenario, Problems>> {
    text(name).map(|text| Scenario::parse(&format!("{name}.json"), text))
}

/// The story that a newcomer is told first: which scenario, how small, over how many seeds, and what cures it.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// The scenario's name.
    pub scenario: String,
    /// Settings that make it small enough to be told.
    pub settings: std::collections::BTreeMap<String, String>,
    /// The remedy.
    pub remedy: String,
    /// How many seeds are hunted over.
    pub seeds: u64,
}

/// The story that a newcomer is told first.
///
/// # Errors
/// None, as long as the embedded file is right, which the tests look after.
pub fn story() -> Result<Story, serde_json::Error> {
    serde_json::from_str(include_str!("../scenarios/story.json"))
}
