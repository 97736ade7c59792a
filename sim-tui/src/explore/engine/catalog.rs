//! What there is to open: the built-in scenarios, and the scenario and case files that lie here.

use std::fs;
use std::path::{Path, PathBuf};

use sim_models::builtin;
use sim_models::language::Choices;
use sim_models::scenario::{Model, Scenario};

use super::super::told::{Offer, OfferKind};
use crate::{load, reference};

/// Folders that are looked through, beside the one we are in.
const FOLDERS: [&str; 2] = [".", "faultline-cases"];
/// So many files are read at most, and none that is larger.
const FILES: usize = 200;
const BYTES: u64 = 4 << 20;

/// What there is, built-in ones first.
pub(super) fn offers(called: &str) -> Vec<Offer> {
    let built_in = builtin::names().filter_map(|name| {
        let scenario = builtin::scenario(name)?.ok()?;
        Some(scenario_offer(name, &scenario, OfferKind::BuiltIn))
    });
    let mut files: Vec<Offer> = files().iter().filter_map(|path| file_offer(path, called)).collect();
    files.sort_by(|a, b| (a.kind, &a.word).cmp(&(b.kind, &b.word)));
    built_in.chain(files).collect()
}

fn files() -> Vec<PathBuf> {
    let in_folder = |folder: &&str| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_small_json(path)).collect();
        paths.sort();
        paths.into_iter().map(|path| path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)).collect::<Vec<_>>()
    };
    FOLDERS.iter().flat_map(in_folder).take(FILES).collect()
}

fn is_small_json(path: &Path) -> bool {
    let small = fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() <= BYTES);
    small && path.extension().is_some_and(|extension| extension == "json")
}

/// A file that is a scenario or a case; none of any other JSON.
fn file_offer(path: &Path, called: &str) -> Option<Offer> {
    let word = path.to_str()?;
    let text = fs::read_to_string(path).ok()?;
    if !text.contains("\"faultline\"") {
        return None;
    }
    if load::is_case(&text) {
        return Some(match load::parsed_case(word, &text, called) {
            Ok(loaded) => case_offer(word, &loaded.case),
            Err(bad) => wrong(word, OfferKind::Case, bad.0),
        });
    }
    Some(match Scenario::parse(word, &text) {
        Ok(scenario) => match scenario.model(&Choices::none()) {
            Ok(_) => scenario_offer(word, &scenario, OfferKind::File),
            Err(problems) => wrong(word, OfferKind::File, problems.to_string()),
        },
        Err(problems) => wrong(word, OfferKind::File, problems.to_string()),
    })
}

fn wrong(word: &str, kind: OfferKind, wrong: String) -> Offer {
    let title = format!("cannot be opened: {}", wrong.lines().next().unwrap_or_default());
    Offer { title, wrong: Some(wrong), ..nothing(word, kind) }
}

fn nothing(word: &str, kind: OfferKind) -> Offer {
    Offer {
        word: word.to_owned(),
        name: word.to_owned(),
        title: String::new(),
        about: String::new(),
        nodes: Vec::new(),
        properties: Vec::new(),
        settings: Vec::new(),
        remedies: Vec::new(),
        faults: Vec::new(),
        kind,
        wrong: None,
    }
}

fn scenario_offer(word: &str, scenario: &Scenario, kind: OfferKind) -> Offer {
    let settings = scenario.document().settings();
    let model = scenario.model(&Choices::none()).ok();
    let name = scenario.name();
    Offer {
        name: if name.is_empty() { word.to_owned() } else { name },
        title: scenario.text_of("title"),
        about: scenario.text_of("about"),
        nodes: model.as_ref().map(nodes_of).unwrap_or_default(),
        properties: reference::properties(scenario),
        settings: settings
            .iter()
            .map(|it| (it.name.clone(), it.default.clone(), it.about.clone().unwrap_or_default()))
            .collect(),
        remedies: settings.remedies().map(|it| (it.name.clone(), reference::about_remedy(scenario, it))).collect(),
        faults: model.iter().flat_map(|model| model.own_faults()).map(ToString::to_string).collect(),
        ..nothing(word, kind)
    }
}

/// `shop x3`, in the order of the file.
fn nodes_of(model: &Model) -> Vec<String> {
    let node = |node: &sim_models::program::NodeDef| match node.count {
        1 => node.name.clone(),
        count => format!("{} x{count}", node.name),
    };
    model.program().nodes.iter().map(node).collect()
}

fn case_offer(word: &str, case: &sim_core::case::Case) -> Offer {
    let text = |field: &str| case.scenario[field].as_str().unwrap_or_default().to_owned();
    let fails = case.expect.as_ref().map_or_else(String::new, |expect| match &expect.property {
        Some(property) => format!("{}: {property}", expect.verdict),
        None => expect.verdict.to_string(),
    });
    let model = Model::of_case(word, case).ok();
    Offer {
        name: word.rsplit('/').next().unwrap_or(word).trim_end_matches(".json").to_owned(),
        title: format!("{} seed {}, {fails}", text("name"), case.seed),
        about: case.note.clone().unwrap_or_else(|| text("about")),
        nodes: model.as_ref().map(nodes_of).unwrap_or_default(),
        faults: case.faults.iter().map(ToString::to_string).collect(),
        ..nothing(word, OfferKind::Case)
    }
}
