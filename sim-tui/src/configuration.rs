//! From words on the command line to configurations that can be compared: a scenario or a case as it is, and what is changed of it.

use std::path::Path;

use serde_json::Value;
use sim_core::Fault;
use sim_models::builtin;
use sim_models::language::Settings;
use sim_models::problem::did_you_mean;
use sim_models::scenario::Model;

use crate::cli::What;
use crate::load::{self, Loaded, LoadedCase};
use crate::report::{Bad, bad};

/// What is run with every seed.
#[derive(Clone)]
pub(crate) struct Configuration {
    /// What it is called in reports.
    pub(crate) name: String,
    /// Ready to run.
    pub(crate) model: Model,
}

/// What configurations are made from.
pub(crate) enum Base {
    /// A scenario, and what the command line changes about all of its configurations.
    Scenario(Loaded, What),
    /// A case: its settings, faults and operations, with any seed.
    Case(Box<LoadedCase>, String),
}

/// What the base is called when it has no other name.
const AS_IT_IS: &str = "as it is";

impl Base {
    /// The scenario or case that a command line names.
    pub(crate) fn load(what: &What, called: &str) -> Result<Base, Bad> {
        if !is_case(&what.scenario, called)? {
            return Ok(Base::Scenario(load::scenario(&what.scenario, called)?, what.clone()));
        }
        let flags = [!what.set.is_empty(), !what.remedy.is_empty(), !what.fault.is_empty(), what.until.is_some()];
        if flags.contains(&true) || what.nemesis {
            return Err(bad!("{} is a case; change it in a configuration of its own, behind --with", what.scenario));
        }
        Ok(Base::Case(Box::new(load::case(&what.scenario, called)?), what.scenario.clone()))
    }

    /// The name of the scenario behind it.
    pub(crate) fn scenario(&self) -> String {
        match self {
            Base::Scenario(loaded, _) => loaded.name.clone(),
            Base::Case(loaded, _) => loaded.case.scenario["name"].as_str().unwrap_or_default().to_owned(),
        }
    }

    /// The title of that scenario; its name when it has none.
    pub(crate) fn title(&self) -> String {
        let title = match self {
            Base::Scenario(loaded, _) => loaded.scenario.text_of("title"),
            Base::Case(loaded, _) => loaded.case.scenario["title"].as_str().unwrap_or_default().to_owned(),
        };
        if title.is_empty() { self.scenario() } else { title }
    }

    /// Itself, as a configuration.
    pub(crate) fn as_it_is(&self) -> Result<Configuration, Bad> {
        let changed = match self {
            Base::Scenario(_, what) => {
                let until = what.until.map(|until| format!("until {until}"));
                let words = what.remedy.iter().chain(&what.set).chain(&what.fault).cloned().chain(until);
                words.collect::<Vec<_>>().join(", ")
            }
            Base::Case(_, path) => path.clone(),
        };
        let name = if changed.is_empty() { AS_IT_IS.to_owned() } else { changed };
        let model = match self {
            Base::Scenario(loaded, what) => load::model(loaded, what)?,
            Base::Case(loaded, path) => of_case(loaded, path)?,
        };
        Ok(Configuration { name, model })
    }

    /// The configuration that `--with` names: another file, or changes of this one with commas between them.
    pub(crate) fn with(&self, text: &str, called: &str) -> Result<Configuration, Bad> {
        let name = text.trim().to_owned();
        if is_file(&name) {
            let what = What { scenario: name.clone(), ..What::default() };
            let Configuration { model, .. } = Base::load(&what, called)?.as_it_is()?;
            return Ok(Configuration { name, model });
        }
        let model = self.changed(&Changes::read(&name, self)?)?;
        Ok(Configuration { name, model })
    }

    /// The configuration in which these settings have these values.
    pub(crate) fn turned(&self, settings: &[(&str, &str)]) -> Result<Configuration, Bad> {
        let settings: Vec<String> = settings.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let name = settings.join(", ");
        let changes = Changes { settings, ..Changes::default() };
        Ok(Configuration { name, model: self.changed(&changes)? })
    }

    fn changed(&self, changes: &Changes) -> Result<Model, Bad> {
        match self {
            Base::Scenario(loaded, what) => load::model(loaded, &changes.on(what)),
            Base::Case(loaded, path) => changed_case(loaded, path, changes),
        }
    }

    /// The knobs that can be turned.
    pub(crate) fn settings(&self) -> Result<Settings, Bad> {
        match self {
            Base::Scenario(loaded, _) => Ok(loaded.scenario.document().settings().clone()),
            Base::Case(loaded, _) => loaded.settings(),
        }
    }
}

/// Whether a word names a case file.
fn is_case(word: &str, called: &str) -> Result<bool, Bad> {
    Ok(builtin::text(word).is_none() && load::is_case(&load::text(word, called)?.text))
}

fn is_file(word: &str) -> bool {
    builtin::text(word).is_some() || (!word.contains(',') && (word.ends_with(".json") || Path::new(word).is_file()))
}

/// What a configuration changes.
#[derive(Debug, Default)]
struct Changes {
    remedies: Vec<String>,
    settings: Vec<String>,
    faults: Vec<String>,
}

impl Changes {
    fn read(text: &str, base: &Base) -> Result<Changes, Bad> {
        let settings = base.settings()?;
        let is_remedy = |word: &str| settings.remedies().any(|remedy| remedy.name == word);
        let mut changes = Changes::default();
        // The name of a remedy is free text; it may have commas in it.
        if is_remedy(text) {
            changes.remedies.push(text.to_owned());
            return Ok(changes);
        }
        for word in text.split(',').map(str::trim) {
            if is_remedy(word) {
                changes.remedies.push(word.to_owned());
            } else if word.split_once('=').is_some_and(|(name, _)| !name.trim().contains(char::is_whitespace)) {
                changes.settings.push(word.to_owned());
            } else if word.contains(char::is_whitespace) {
                changes.faults.push(word.to_owned());
            } else {
                return Err(no_change(word, &settings));
            }
        }
        Ok(changes)
    }

    fn on(&self, what: &What) -> What {
        let mut what = what.clone();
        what.remedy.extend(self.remedies.iter().cloned());
        what.set.extend(self.settings.iter().cloned());
        what.fault.extend(self.faults.iter().cloned());
        what
    }
}

fn no_change(word: &str, settings: &Settings) -> Bad {
    let names: Vec<&str> = settings.remedies().map(|remedy| remedy.name.as_str()).collect();
    let guess = did_you_mean(word, names.iter().copied());
    let known = if names.is_empty() { "it has none".to_owned() } else { format!("there are {}", names.join(", ")) };
    let rest = if guess.is_empty() { format!("; {known}") } else { guess };
    bad!("--with: no remedy or variant \"{word}\"{rest}\na configuration is a remedy, name=value, a fault or a file")
}

fn of_case(loaded: &LoadedCase, path: &str) -> Result<Model, Bad> {
    Model::of_case(path, &loaded.case).map_err(|error| loaded.wrong(&error))
}

/// A case with other settings or more faults.
fn changed_case(loaded: &LoadedCase, path: &str, changes: &Changes) -> Result<Model, Bad> {
    let mut case = loaded.case.clone();
    let settings = loaded.settings()?;
    let chosen = settings.remedies().filter(|remedy| changes.remedies.contains(&remedy.name));
    let lines = changes.settings.iter().filter_map(|line| line.split_once('='));
    let lines = lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    for (name, text) in chosen.flat_map(|remedy| remedy.set.clone()).chain(lines) {
        let text = settings.check(&name, &text).map_err(Bad)?;
        case.settings.insert(name, Value::String(text));
    }
    for line in &changes.faults {
        case.faults.push(line.parse::<Fault>().map_err(|error| load::wrong_fault(&error))?);
    }
    Model::of_case(path, &case).map_err(|error| loaded.wrong(&error))
}

/// Whether every seed gives the same run: nothing is left to the dice.
pub(crate) fn is_calm(model: &Model) -> bool {
    model.rest().is_calm()
}
