//! The remedies that a case's own scenario offers, made ready to be tried on the case and on seeds of their own.

use serde_json::Value as Json;
use sim_core::case::Case;
use sim_core::{Fault, Rest};

use crate::language::Document;
use crate::record::{Failure, fails};
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
    let given = Given { file, case: given, small, stage: stage(file, given, small), added };
    let mut cures = vec![given.cure(None, &[])?];
    for remedy in document.settings().remedies().filter(|remedy| remedy.cures) {
        let changes =
            |(name, text): &(String, String)| given.case.settings.get(name) != Some(&Json::String(text.clone()));
        if remedy.set.iter().any(changes) {
            cures.push(given.cure(Some(&remedy.name), &remedy.set)?);
        }
    }
    Ok(cures)
}

/// The scenario in which the small case fails: that of the given case, if its lines are enough there, so that each
/// remedy finds what it sets; else what is left of that scenario. Where shrinking has left one replica of ten, the
/// lines for the one do nothing to ten.
fn stage(file: &str, given: &Case, small: &Case) -> Json {
    let whole = Case { scenario: given.scenario.clone(), settings: given.settings.clone(), ..small.clone() };
    let expect = small.expect.as_ref();
    let failure = expect.map(|expect| Failure { verdict: expect.verdict, property: expect.property.clone() });
    let stands = failure
        .is_none_or(|failure| Model::of_case(file, &whole).is_ok_and(|model| fails(&model, small.seed, &failure)));
    if stands { whole.scenario } else { small.scenario.clone() }
}

/// What remedies are tried on.
struct Given<'a> {
    file: &'a str,
    case: &'a Case,
    small: &'a Case,
    stage: Json,
    added: Vec<Fault>,
}

impl Given<'_> {
    fn cure(&self, name: Option<&str>, set: &[(String, String)]) -> Result<Cure, CaseError> {
        let mut settings = self.case.settings.clone();
        settings.extend(set.iter().map(|(name, text)| (name.clone(), Json::String(text.clone()))));
        let small = Case { scenario: self.stage.clone(), settings: settings.clone(), ..self.small.clone() };
        let whole = Case { scenario: self.case.scenario.clone(), faults: Vec::new(), only: None, ..small.clone() };
        // What a remedy brings in may be asked of what shrinking has taken out.
        let case = Model::of_case(self.file, &small)
            .or_else(|_| Model::of_case(self.file, &Case { scenario: self.case.scenario.clone(), ..small }))?;
        let whole = Model::of_case(self.file, &whole)?;
        let faults = whole.own_faults().iter().chain(&self.added).cloned().collect();
        let about = name.and_then(|name| self.case.scenario["remedies"][name]["about"].as_str()).unwrap_or_default();
        let (name, about) = (name.map(str::to_owned), about.to_owned());
        Ok(Cure { name, about, case, seeds: whole.with(faults, Rest::Seed) })
    }
}

#[cfg(test)]
mod tests {
    use sim_core::{Seed, Stop};

    use super::*;
    use crate::language::Choices;
    use crate::scenario::Scenario;

    /// Ten replicas, of which shrinking may leave one.
    const TEN: &str = r#"{
        "faultline": 1, "name": "ten", "until": "2s",
        "settings": {"tries": {"default": 1, "min": 1, "max": 5}},
        "nodes": {
            "api": {"kind": "service", "replicas": 10, "balance": "round-robin", "workers": 1, "queue": 3, "endpoints": {"get": [
                {"work": {"exponential": "90ms"}}]}}},
        "workload": {"user": {"rate": "100/s", "for": "2s", "each": "request", "do": [{"call": "api.get", "retry": "${tries}"}]}},
        "properties": {"nearly all": {"availability": "user", "at_least": "99%"}},
        "remedies": {"again": {"set": {"tries": 5}}}}"#;

    #[test]
    fn what_remedies_are_compared_with_fails_as_the_smallest_case_does() {
        let given = Scenario::parse("ten.json", TEN).unwrap().model(&Choices::none()).unwrap();
        let run = given.run(Seed(0), Stop::AtViolation);
        let (case, failure) = (given.case(&run), Failure::of(&run.outcome).unwrap());
        // One of ten replicas is left, without any line: all the harder pressed.
        let one = TEN.replace(r#""replicas": 10, "#, "");
        let one = Scenario::parse("one.json", &one).unwrap().model(&Choices::none()).unwrap();
        let one = one.with(Vec::new(), Rest::Steady);
        let small = one.case_failing(&one.run(Seed(0), failure.stop()), &failure);
        let ten = given.with(Vec::new(), Rest::Steady);
        assert!(!fails(&ten, Seed(0), &failure), "of ten each has a tenth of a second for ninety milliseconds");
        let cures = cures("ten.json", &case, &small).unwrap();
        let names: Vec<_> = cures.iter().map(|cure| cure.name.as_deref()).collect();
        assert_eq!(names, [None, Some("again")]);
        assert!(fails(&cures[0].case, case.seed, &failure), "it is the smallest case itself");
        assert!(cures[0].seeds.program().replicas.len() > 10, "seeds are those of the whole scenario");
    }
}
