//! From a text to a scenario that can be lowered, in two steps: read it and learn its settings, then choose them and check it.

use std::sync::Arc;

use super::check::check;
use super::grammar::VERSION;
use super::settings::{Choices, Settings};
use super::view::View;
use crate::json::{self, Json, JsonValue, Span};
use crate::problem::{Problem, Problems, Source};

/// The longest file that is read, in bytes; longer ones are logs and dumps that were taken for a scenario.
const LENGTH_MAX: usize = 8 << 20;

/// A file that was read: JSON, of this version of the language, its settings declared as they should be.
///
/// ```
/// use sim_models::language::{Choices, Document, View};
/// # let text = r#"{"faultline": 1, "name": "one", "settings": {"slow": {"default": "1s", "max": "5s"}},
/// #  "nodes": {"shop": {"kind": "service", "endpoints": {"buy": [{"work": "${slow}"}]}}}}"#;
/// let document = Document::parse("one.json", text)?;
/// let scenario = document.configure(&Choices::none().set("slow", "2s"))?;
/// for (name, node) in scenario.root().members_of("nodes") {
///     for step in node.need("endpoints").unwrap().steps("buy") {
///         let (verb, value) = step.step().unwrap();
///         assert_eq!((name.name.as_str(), verb, value.dist().unwrap().median().to_string().as_str()), ("shop", "work", "2s"));
///     }
/// }
/// let wrong = document.configure(&Choices::none().set("slow", "9s")).unwrap_err();
/// assert_eq!(wrong.to_string(), "slow=9s is above its maximum, 5s");
/// # Ok::<(), sim_models::problem::Problems>(())
/// ```
#[derive(Clone, Debug)]
pub struct Document {
    source: Arc<Source>,
    settings: Settings,
}

/// A file with its settings chosen, of the right form.
#[derive(Clone, Debug)]
pub struct Configured {
    source: Arc<Source>,
    root: Json,
    settings: Vec<(String, String)>,
    remedies: Vec<String>,
    warnings: Problems,
}

impl Document {
    /// Reads a file. All mistakes of the settings are told at once; those of the rest by [`Document::configure`].
    pub fn parse(file: &str, text: &str) -> Result<Document, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.len() > LENGTH_MAX {
            let mut problems = Problems::new(Source::new(file, "", unread()));
            let message = format!("a scenario has at most {LENGTH_MAX} bytes; this file has {}", text.len());
            problems.error(Span::default(), message);
            return Err(problems);
        }
        let root = json::parse(text).map_err(|errors| {
            let mut problems = Problems::new(Source::new(file, text, unread()));
            errors.into_iter().for_each(|error| problems.error(error.span, error.message));
            problems
        })?;
        let source = Source::new(file, text, root);
        let mut problems = Problems::new(source.clone());
        check_version(source.root(), &mut problems);
        let mut problems = problems.into_result()?;
        let settings = Settings::declared(source.root(), &mut problems);
        problems.into_result()?;
        Ok(Document { source, settings })
    }

    /// Reads a scenario that a case file embeds; places are those of its text as [`Document::text`] gives it.
    pub fn from_json(file: &str, scenario: &serde_json::Value) -> Result<Document, Problems> {
        Document::parse(file, &format!("{scenario:#}"))
    }

    /// The text as it was read.
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// The scenario whole, to embed in a case file.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::from_str(self.source.text()).unwrap_or_default()
    }

    /// The file as it is written, settings not filled in: its name, title and about.
    pub fn root(&self) -> View<'_> {
        View::new(&self.source, self.source.root())
    }

    /// The knobs, remedies and variants.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Fills the settings in and checks the form of the whole.
    pub fn configure(&self, choices: &Choices) -> Result<Configured, Problems> {
        let mut problems = Problems::new(self.source.clone());
        let chosen = self.settings.chosen(choices).map_err(|wrong| {
            let mut problems = problems.clone();
            wrong.into_iter().for_each(|problem| problems.push(problem));
            problems
        })?;
        let root = check(&self.source, &chosen, &mut problems);
        let warnings = problems.into_result()?;
        let (settings, remedies) = (chosen.texts(), choices.remedies.clone());
        Ok(Configured { source: self.source.clone(), root, settings, remedies, warnings })
    }
}

impl Configured {
    /// The file as it is meant: settings filled in, clauses that are null gone, remarks gone.
    pub fn root(&self) -> View<'_> {
        View::new(&self.source, &self.root)
    }

    /// Every setting and its value, in the order of the file, as a case file keeps them.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// The remedies and variants that were asked for, in that order.
    pub fn remedies(&self) -> &[String] {
        &self.remedies
    }

    /// What was found and does not keep it from running.
    pub fn warnings(&self) -> &Problems {
        &self.warnings
    }

    /// A list for the problems that a later pass finds in this file, the warnings already in it.
    pub fn problems(&self) -> Problems {
        self.warnings.clone()
    }

    /// An error at a place of the file.
    pub fn error(&self, span: Span, message: impl Into<String>) -> Problem {
        self.source.problem(crate::problem::Severity::Error, span, message)
    }
}

fn unread() -> Json {
    Json { span: Span::default(), value: JsonValue::Null }
}

/// A newer file is not looked at any further: every message about it would be misleading.
fn check_version(root: &Json, problems: &mut Problems) {
    let JsonValue::Object(_) = root.value else {
        return problems.error(root.span, "a scenario is an object, {\"faultline\": 1, \"name\": …}");
    };
    match root.get("faultline") {
        None => problems.error(root.span, "a scenario begins with \"faultline\": 1, the version of the language"),
        Some(Json { value: JsonValue::Int(version @ 1..), .. }) if *version <= VERSION => {}
        Some(Json { value: JsonValue::Int(version), span }) if *version > VERSION => {
            let message = format!("this file is written in language {version}; this faultline reads {VERSION}");
            problems.error(*span, message);
        }
        Some(other) => problems.error(other.span, format!("\"faultline\" is {VERSION}, the version of the language")),
    }
    if let Some(kind) = root.get("kind").filter(|kind| kind.as_text() == Some("case")) {
        problems.error(kind.span, "this is a case, not a scenario; replay it");
    }
}
