//! From a word on the command line to a scenario or a case: built-in names, files, and one clear message for all that is neither.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use sim_core::case::{Case, VERSION};
use sim_core::{Fault, FaultError, Instant};
use sim_models::builtin;
use sim_models::json::{self, Json, JsonValue};
use sim_models::language::{Choices, Document, Settings};
use sim_models::problem::{Problem, Problems, Severity, Source, did_you_mean};
use sim_models::scenario::{CaseError, Chance, Changes, Model, ModelError, Scenario};

use crate::cli::What;
use crate::commands;
use crate::report::{Bad, bad};

/// A scenario as it was asked for.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) scenario: Scenario,
    /// Its own name.
    pub(crate) name: String,
    /// The file it came from; none for a built-in one.
    file: Option<String>,
}

/// The text of a built-in scenario or of a file.
pub(crate) struct Text {
    /// What messages call it.
    pub(crate) file: String,
    pub(crate) text: String,
}

/// Finds a scenario's text: a built-in name first, then a file.
pub(crate) fn text(word: &str, called: &str) -> Result<Text, Bad> {
    if let Some(text) = builtin::text(word) {
        return Ok(Text { file: format!("{word}.json"), text: text.to_owned() });
    }
    let looks_like_a_file = word.contains(['/', '\\']) || word.ends_with(".json") || Path::new(word).exists();
    if !looks_like_a_file {
        let guess = did_you_mean(word, builtin::names());
        let list = commands::line(called, ["list"]);
        return Err(bad!("no scenario \"{word}\"{guess}\n`{list}` names them; a file is named by its path"));
    }
    Ok(Text { file: word.to_owned(), text: file(word, "a scenario")? })
}

/// Reads a file that should be text.
pub(crate) fn file(path: &str, wanted: &str) -> Result<String, Bad> {
    if Path::new(path).is_dir() {
        return Err(bad!("{path} is a directory; {wanted} is a JSON file"));
    }
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => bad!("no file {path}"),
        _ => bad!("{path} cannot be read: {error}"),
    })?;
    String::from_utf8(bytes).map_err(|_| bad!("{path} is not text in UTF-8; {wanted} is a JSON file"))
}

/// The scenario of that name or file.
pub(crate) fn scenario(word: &str, called: &str) -> Result<Loaded, Bad> {
    let Text { file, text } = text(word, called)?;
    if is_case(&text) {
        let replay = commands::line(called, ["replay", word]);
        return Err(bad!("{file} is a case, not a scenario; replay it: {replay}"));
    }
    let scenario = Scenario::parse(&file, &text).map_err(told)?;
    let name = scenario.name();
    let file = builtin::text(word).is_none().then_some(file);
    Ok(Loaded { scenario, name, file })
}

pub(crate) fn is_case(text: &str) -> bool {
    json::parse(text).is_ok_and(|root| kind_of(&root) == Some("case"))
}

fn kind_of(root: &Json) -> Option<&str> {
    root.get("kind").and_then(Json::as_text)
}

impl Loaded {
    /// Tells on standard error what probably does something else than the author of a file wants. The built-in stories are
    /// about such mistakes, and say so themselves.
    pub(crate) fn warn(&self, model: &Model) {
        let Some(file) = &self.file else { return };
        for Problem { line, column, path, message, .. } in model.warnings().iter() {
            // Whoever closed standard error does not want to know.
            let _ = writeln!(io::stderr(), "{file}:{line}:{column}: {path}: warning: {message}");
        }
    }
}

/// All problems, for standard error.
#[expect(clippy::needless_pass_by_value, reason = "made for map_err")]
pub(crate) fn told(problems: Problems) -> Bad {
    Bad(problems.to_string())
}

/// The scenario with everything chosen that the command line chooses.
pub(crate) fn model(loaded: &Loaded, what: &What) -> Result<Model, Bad> {
    let (choices, changes) = choices_and_changes(what)?;
    loaded.scenario.model_with(&choices, &changes).map_err(|error| match error {
        ModelError::Problems(problems) => told(problems),
        ModelError::Fault(_, error) => wrong_fault(&error),
        ModelError::Stranger(said) => bad!("fault: {said}"),
    })
}

/// What the command line chooses in a scenario, and what is to be otherwise than its file says.
pub(crate) fn choices_and_changes(what: &What) -> Result<(Choices, Changes), Bad> {
    let choices = choices(what)?;
    let faults = what.fault.iter().map(|text| fault(text)).collect::<Result<Vec<Fault>, Bad>>()?;
    let until = what.until.map(|length| Instant::ZERO + length);
    let chance = if what.nemesis { Chance::BySeed } else { Chance::Never };
    Ok((choices, Changes { faults, until, chance }))
}

fn choices(what: &What) -> Result<Choices, Bad> {
    let remedies = what.remedy.iter().fold(Choices::none(), |choices, name| choices.remedy(name));
    what.set.iter().try_fold(remedies, |choices, line| choices.set_line(line)).map_err(|problem| Bad(problem.message))
}

fn fault(text: &str) -> Result<Fault, Bad> {
    text.parse().map_err(|error| wrong_fault(&error))
}

/// The message, and below it the line with a caret at the word.
pub(crate) fn wrong_fault(error: &FaultError) -> Bad {
    let lines: Vec<String> = error.caret().lines().map(|line| format!("\n  {line}")).collect();
    bad!("fault: {error}{}", lines.concat())
}

/// A case file as it was read.
#[derive(Debug)]
pub(crate) struct LoadedCase {
    pub(crate) case: Case,
    source: Arc<Source>,
}

/// Reads a case file.
pub(crate) fn case(path: &str, called: &str) -> Result<LoadedCase, Bad> {
    if builtin::text(path).is_some() && !Path::new(path).exists() {
        let run = commands::line(called, ["run", path]);
        return Err(bad!("{path} is a scenario, not a case; run it: {run}"));
    }
    parsed_case(path, &file(path, "a case")?, called)
}

/// Reads the text of a case.
pub(crate) fn parsed_case(path: &str, text: &str, called: &str) -> Result<LoadedCase, Bad> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let nothing = || Json { span: json::Span::default(), value: JsonValue::Null };
    let root = json::parse(text).map_err(|errors| {
        // One mistake is enough: what follows the first is a consequence of it.
        let source = Source::new(path, text, nothing());
        let first = errors.into_iter().next().map(|error| (error.span, error.message));
        let (span, message) = first.unwrap_or_else(|| (json::Span::default(), "this is not JSON".to_owned()));
        at(&source, span, message)
    })?;
    let source = Source::new(path, text, root);
    foreword(&source, called)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let case: Case = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let span = place(source.root(), &error.path().to_string()).span;
        at(&source, span, without_place(&error.inner().to_string()))
    })?;
    Ok(LoadedCase { case, source })
}

/// The version comes first: every message about a newer file would be misleading.
fn foreword(source: &Arc<Source>, called: &str) -> Result<(), Bad> {
    let root = source.root();
    let JsonValue::Object(_) = root.value else {
        return Err(at(source, root.span, "a case is an object, {\"faultline\": 1, \"kind\": \"case\", …}"));
    };
    match root.get("faultline").map(|json| (json.span, &json.value)) {
        Some((_, JsonValue::Int(version))) if u64::try_from(*version).is_ok_and(|it| (1..=VERSION).contains(&it)) => {}
        Some((span, JsonValue::Int(version))) if *version > VERSION as i64 => {
            let message = format!("this case is written in format {version}; this faultline reads {VERSION}");
            return Err(at(source, span, message));
        }
        Some((span, _)) => {
            return Err(at(source, span, format!("\"faultline\" is {VERSION}, the version of the format")));
        }
        None => return Err(at(source, root.span, "a case begins with \"faultline\": 1, the version of the format")),
    }
    match (kind_of(root), root.get("kind")) {
        (Some("case"), _) => Ok(()),
        (Some("scenario"), _) | (None, None) => {
            let run = commands::line(called, ["run", source.file()]);
            Err(bad!("{} is a scenario, not a case; run it: {run}", source.file()))
        }
        (_, kind) => Err(at(source, kind.map_or(root.span, |kind| kind.span), "the \"kind\" of a case is \"case\"")),
    }
}

/// One mistake at a place of a file.
fn at(source: &Arc<Source>, span: json::Span, message: impl Into<String>) -> Bad {
    let mut problems = Problems::new(source.clone());
    problems.error(span, message);
    told(problems)
}

/// What serde_json says, without the place that it adds; names stand in the quotes that we use.
fn without_place(message: &str) -> String {
    let text = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    let quotes = if text.starts_with("invalid type") { "" } else { "\"" };
    text.replace('`', quotes)
}

/// The innermost value on a way such as `scenario.nodes.shop.endpoints.pay[2]`.
fn place<'a>(root: &'a Json, way: &str) -> &'a Json {
    let mut here = root;
    for key in way.split(['.', '[']).map(|word| word.trim_end_matches(']').trim_matches('"')) {
        let next = match &here.value {
            JsonValue::List(items) => key.parse().ok().and_then(|index: usize| items.get(index)),
            _ => here.get(key),
        };
        match next {
            Some(json) => here = json,
            None => break,
        }
    }
    here
}

impl LoadedCase {
    /// The settings and remedies of the scenario inside.
    pub(crate) fn settings(&self) -> Result<Settings, Bad> {
        let document = Document::from_json(self.source.file(), &self.case.scenario);
        document.map(|document| document.settings().clone()).map_err(|problems| self.inner(&problems))
    }

    /// What is wrong with the case as a whole, at its places in the case file.
    pub(crate) fn wrong(&self, error: &CaseError) -> Bad {
        match error {
            CaseError::Scenario(problems) => self.inner(problems),
            CaseError::Fault(index, error) => {
                at(&self.source, place(self.source.root(), &format!("faults[{index}]")).span, error.to_string())
            }
            CaseError::Other(message) => bad!("{}: {message}", self.source.file()),
        }
    }

    /// What is wrong with the case on another scenario, which is right by itself: at the place in the case that names what that one
    /// does not have.
    pub(crate) fn wrong_on(&self, scenario: &str, error: &CaseError) -> Bad {
        let on =
            |Bad(said): Bad| bad!("{said}\nthe case was to run on {scenario}, which is not the scenario inside it");
        match error {
            CaseError::Scenario(problems) if problems.iter().any(|problem| problem.line > 0) => told(problems.clone()),
            other => on(self.wrong(other)),
        }
    }

    /// The way to the setting that a message without a place begins with.
    fn setting_in(&self, message: &str) -> String {
        let begins = |name: &str| message.strip_prefix(name).is_some_and(|rest| rest.starts_with(['=', ':', ' ']));
        let is_about = |name: &str| begins(name) || message.starts_with(&format!("no setting \"{name}\""));
        let name = self.case.settings.keys().find(|name| is_about(name));
        name.map_or("settings".to_owned(), |name| format!("settings.{name}"))
    }

    /// Problems of the embedded scenario stand in lines of a text that nobody sees; here they are at the case file's own.
    pub(crate) fn inner(&self, problems: &Problems) -> Bad {
        let mut moved = Problems::new(self.source.clone());
        for Problem { severity, path, line, message, .. } in problems.iter() {
            let way = if *line == 0 { self.setting_in(message) } else { format!("scenario.{path}") };
            let span = place(self.source.root(), &way).span;
            match severity {
                Severity::Error => moved.error(span, message.clone()),
                Severity::Warning => moved.warn(span, message.clone()),
            }
        }
        told(moved)
    }
}
