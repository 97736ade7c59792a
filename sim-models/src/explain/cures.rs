//! The remedies that a case's own scenario offers, made ready to be tried on the case and on seeds of their own.

use serde_json::Value as Json;
use sim_core::case::Case;
use sim_core::{Fault, Rest};

use crate::language::Document;
use crate::scenario::{CaseError, Model};

/// A remedy, ready to be tried.
#[derive(Clone)]
pub struct Cure {
    /// Its name; none: the case as it is, to compare with.
    pub name: Option<String>,
    /// What the file says of it.
    pub about: String,
    /// The case under it, its lines and all.
    pub case: Model,
    /// The whole scenario under it, every answer left to the seed; the timed faults of the case stay.
    pub seeds: Model,
}

/// The case as it was given, made as small as `small` is, then the same under each remedy of its scenario that it does not
/// contain already.
///
/// # Errors
/// What is wrong with the case, or with its scenario under a remedy.
pub fn cures(file: &str, given: &Case, small: &Case) -> Result<Vec<Cure>, CaseError> {
    let document = Document::from_json(file, &given.scenario).map_err(CaseError::Scenario)?;
    let own = Model::of_case(file, given)?.own_faults().to_vec();
    // What somebody added to the faults of the file; of a case whose rest is calm, only what holds for some time.
    let is_kept = |fault: &&Fault| given.rest == Rest::Seed || matches!(fault, Fault::Timed(_));
    let added: Vec<Fault> = given.faults.iter().filter(is_kept).filter(|fault| !own.contains(fault)).cloned().collect();
    let small = Case { scenario: given.scenario.clone(), settings: given.settings.clone(), ..small.clone() };
    let mut cures = vec![cure(file, &small, &added, None, String::new())?];
    for remedy in document.settings().remedies().filter(|remedy| remedy.cures) {
        let mut cured = small.clone();
        let set = remedy.set.iter().map(|(name, text)| (name.clone(), Json::String(text.clone())));
        cured.settings.extend(set);
        if cured.settings != small.settings {
            let about = given.scenario["remedies"][&remedy.name]["about"].as_str().unwrap_or_default();
            cures.push(cure(file, &cured, &added, Some(&remedy.name), about.to_owned())?);
        }
    }
    Ok(cures)
}

fn cure(file: &str, case: &Case, added: &[Fault], name: Option<&str>, about: String) -> Result<Cure, CaseError> {
    let small = Model::of_case(file, case)?;
    let whole = Model::of_case(file, &Case { faults: Vec::new(), only: None, ..case.clone() })?;
    let faults = whole.own_faults().iter().chain(added).cloned().collect();
    Ok(Cure { name: name.map(str::to_owned), about, case: small, seeds: whole.with(faults, Rest::Seed) })
}
