//! What there is and how it is written: scenarios, settings, faults, the schema; pages made from the code.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sim_core::fault::{TRIGGERS, VERBS, VerbEntry};
use sim_models::builtin;
use sim_models::json::{Json, JsonValue};
use sim_models::language::{Choices, Remedy, Setting, SettingKind, schema as json_schema};
use sim_models::problem::{Problems, Severity};
use sim_models::scenario::{Model, Scenario};

use crate::cli;
use crate::cli::{Output, ShowArgs};
use crate::commands;
use crate::load::{self, Loaded};
use crate::report::{Bad, Exit, Report, bad};
use crate::text::{Side, indented, table, wrapped};

/// The built-in scenarios.
pub(crate) fn list(output: Output, called: &str) -> Result<Report, Bad> {
    let scenarios: Vec<Loaded> =
        builtin::names().map(|name| load::scenario(name, called)).collect::<Result<_, Bad>>()?;
    if output.json {
        let one = |it: &Loaded| json!({"name": it.name, "title": it.scenario.text_of("title"), "about": it.scenario.text_of("about")});
        return Ok(Report::json(&scenarios.iter().map(one).collect(), Exit::Held));
    }
    let row = |it: &Loaded| vec![it.name.clone(), it.scenario.text_of("title")];
    let mut text = table(&[Side::Left, Side::Left], &scenarios.iter().map(row).collect::<Vec<_>>());
    text += &format!("\nmore about one: {}\n", commands::line(called, ["show", "checkout"]));
    Ok(Report::fine(text))
}

/// One scenario.
pub(crate) fn show(args: &ShowArgs, called: &str) -> Result<Report, Bad> {
    if args.source {
        let text = load::text(&args.scenario, called)?.text;
        return Ok(Report::fine(if text.ends_with('\n') { text } else { text + "\n" }));
    }
    let loaded = load::scenario(&args.scenario, called)?;
    // A file that cannot run is not shown as if it could.
    loaded.scenario.model(&Choices::none()).map_err(load::told)?;
    if args.output.json {
        return Ok(Report::json(&shown_as_json(&loaded), Exit::Held));
    }
    Ok(Report::fine(shown_as_text(&loaded, args, called)))
}

fn shown_as_json(loaded: &Loaded) -> Value {
    let settings = loaded.scenario.document().settings();
    let remedy = |remedy: &Remedy| {
        json!({
            "name": remedy.name,
            "kind": if remedy.cures { "remedy" } else { "variant" },
            "about": about(&loaded.scenario, section(remedy), &remedy.name),
            "settings": remedy.set.iter().map(|(name, text)| (name.clone(), json!(text))).collect::<Map<_, _>>(),
            "expects": expects(&loaded.scenario, remedy),
        })
    };
    let parts = |section: &str| -> Map<String, Value> {
        let part = |it: Part| (it.name, json!({"kind": it.kind, "about": it.about, "unit": it.unit}));
        self::parts(&loaded.scenario, section).into_iter().map(part).collect()
    };
    json!({
        "name": loaded.name,
        "title": loaded.scenario.text_of("title"),
        "description": loaded.scenario.text_of("about"),
        "settings": settings.iter().map(|it| (it.name.clone(), setting(it))).collect::<Map<_, _>>(),
        "remedies": settings.remedies().map(remedy).collect::<Vec<_>>(),
        "properties": parts("properties"),
        "metrics": parts("metrics"),
    })
}

fn setting(it: &Setting) -> Value {
    let value = |text: &String| match it.kind {
        SettingKind::Int | SettingKind::Float | SettingKind::Bool => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        SettingKind::Duration | SettingKind::Ratio | SettingKind::Rate | SettingKind::Text | SettingKind::Choice => {
            json!(text)
        }
    };
    json!({
        "default": value(&it.default),
        "min": it.min.as_ref().map(value),
        "max": it.max.as_ref().map(value),
        "unit": it.unit,
        "choices": (!it.choices.is_empty()).then_some(&it.choices),
        "about": it.about,
    })
}

/// What a file says about one property or metric.
struct Part {
    name: String,
    /// Its verb, such as `at_most_once`.
    kind: &'static str,
    about: String,
    unit: String,
}

fn parts(scenario: &Scenario, section: &str) -> Vec<Part> {
    let root = scenario.document().root();
    let texts = |json: &Json, field: &str| json.get(field).and_then(Json::as_text).unwrap_or_default().to_owned();
    let members = root.members_of(section).filter(|(_, view)| view.is_object());
    let part = |(key, view): (&sim_models::json::Key, sim_models::language::View<'_>)| {
        let verb = if section == "metrics" { view.metric() } else { view.property() };
        let (about, unit) = (texts(view.json(), "about"), texts(view.json(), "unit"));
        Part { name: key.name.clone(), kind: verb.map_or("", |(verb, _)| verb), about, unit }
    };
    members.map(part).collect()
}

fn section(remedy: &Remedy) -> &'static str {
    if remedy.cures { "remedies" } else { "variants" }
}

fn about(scenario: &Scenario, section: &str, name: &str) -> String {
    let root = scenario.document().root().json();
    let text = root.get(section).and_then(|all| all.get(name)).and_then(|it| it.get("about")).and_then(Json::as_text);
    text.unwrap_or_default().to_owned()
}

/// What a remedy or variant does, by its file.
pub(crate) fn about_remedy(scenario: &Scenario, remedy: &Remedy) -> String {
    about(scenario, section(remedy), &remedy.name)
}

/// The properties of a scenario: name and what they are about.
pub(crate) fn properties(scenario: &Scenario) -> Vec<(String, String)> {
    parts(scenario, "properties").into_iter().map(|it| (it.name, it.about)).collect()
}

/// The values that a setting can have, in words; empty when anything of its kind is one.
pub(crate) fn range(it: &Setting) -> String {
    match (&it.min, &it.max) {
        _ if !it.choices.is_empty() => it.choices.join(", "),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("from {min}"),
        (None, Some(max)) => format!("to {max}"),
        (None, None) => String::new(),
    }
}

/// What the metrics come to with a remedy, as its file says.
fn expects(scenario: &Scenario, remedy: &Remedy) -> Value {
    let root = scenario.document().root().json();
    let written = root.get(section(remedy)).and_then(|all| all.get(&remedy.name)).and_then(|it| it.get("expect"));
    written.and_then(|json| serde_json::from_str(&json.to_string()).ok()).unwrap_or_else(|| json!({}))
}

fn shown_as_text(loaded: &Loaded, args: &ShowArgs, called: &str) -> String {
    let scenario = &loaded.scenario;
    let settings = scenario.document().settings();
    let mut out = format!("{}: {}\n", loaded.name, scenario.text_of("title"));
    let about_all = scenario.text_of("about");
    if !about_all.is_empty() {
        out += &format!("\n{}\n", wrapped(&about_all));
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let rows: Vec<_> = settings
        .iter()
        .map(|it| vec![it.name.clone(), it.default.clone(), range(it), text(&it.unit), text(&it.about)])
        .collect();
    out += &section_of("settings (--set NAME=VALUE)", &rows);
    for (title, cures) in [("remedies (--remedy NAME)", true), ("variants (--remedy NAME)", false)] {
        let set = |it: &Remedy| it.set.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>();
        let row = |it: &Remedy| vec![it.name.clone(), set(it).join(" "), about(scenario, section(it), &it.name)];
        let rows: Vec<_> = settings.remedies().filter(|it| it.cures == cures).map(row).collect();
        out += &section_of(title, &rows);
    }
    let row = |it: Part| vec![it.name, it.kind.replace('_', " "), it.about];
    out += &section_of("properties", &parts(scenario, "properties").into_iter().map(row).collect::<Vec<_>>());
    let row = |it: Part| vec![it.name, it.kind.to_owned(), it.unit, it.about];
    out += &section_of("metrics", &parts(scenario, "metrics").into_iter().map(row).collect::<Vec<_>>());
    let faults = scenario.document().root().json().get("faults");
    if let Some(JsonValue::List(faults)) = faults.map(|json| &json.value).filter(|_| faults.is_some()) {
        let rows: Vec<_> = faults.iter().filter_map(Json::as_text).map(|fault| vec![fault.to_owned()]).collect();
        out += &section_of("faults", &rows);
    }
    let (run, source) = (["run", &args.scenario], ["show", &args.scenario, "--source"]);
    out + &format!("\nrun it: {}\nits file: {}\n", commands::line(called, run), commands::line(called, source))
}

fn section_of(title: &str, rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let used: Vec<usize> = (0..columns).filter(|column| rows.iter().any(|row| !row[*column].is_empty())).collect();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| used.iter().map(|column| row[*column].clone()).collect()).collect();
    format!("\n{title}\n{}", table(&vec![Side::Left; used.len()], &rows))
}

/// Checks files.
pub(crate) fn validate(files: &[String], output: Output, called: &str) -> Result<Report, Bad> {
    let checked: Vec<Checked> = files.iter().map(|file| check(file, called)).collect();
    let exit = if checked.iter().all(|it| it.ok) { Exit::Held } else { Exit::Bad };
    if output.json {
        let one = |it: &Checked| json!({"file": it.file, "ok": it.ok, "problems": it.problems});
        return Ok(Report::json(&checked.iter().map(one).collect(), exit));
    }
    let one = |it: &Checked| {
        let text = if it.text.is_empty() { String::new() } else { format!("{}\n", it.text) };
        let ok = if it.ok { format!("{}: ok\n", it.file) } else { String::new() };
        text + &ok
    };
    Ok(Report { text: checked.iter().map(one).collect(), exit })
}

/// A file that was checked.
struct Checked {
    file: String,
    ok: bool,
    /// What is wrong, for people.
    text: String,
    /// The same, for programs.
    problems: Vec<Value>,
}

impl Checked {
    fn ok(file: &str, warnings: &Problems) -> Checked {
        let text = warnings.to_string();
        Checked { file: file.to_owned(), ok: true, text, problems: listed(warnings) }
    }

    fn wrong(file: &str, problems: &Problems) -> Checked {
        let text = problems.to_string();
        Checked { file: file.to_owned(), ok: false, text, problems: listed(problems) }
    }

    fn bad(file: &str, bad: Bad) -> Checked {
        let problems = vec![json!({"severity": "error", "message": bad.0})];
        Checked { file: file.to_owned(), ok: false, text: bad.0, problems }
    }
}

fn listed(problems: &Problems) -> Vec<Value> {
    let severity = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let one = |it: &sim_models::problem::Problem| {
        json!({
            "severity": severity(it.severity), "line": it.line, "column": it.column, "path": it.path,
            "message": it.message,
        })
    };
    problems.iter().map(one).collect()
}

/// A scenario must run with its defaults and with each of its remedies; a case must be one that could be replayed.
fn check(file: &str, called: &str) -> Checked {
    let text = match load::text(file, called) {
        Ok(text) => text,
        Err(bad) => return Checked::bad(file, bad),
    };
    if load::is_case(&text.text) {
        let case = load::parsed_case(file, &text.text, called);
        let model = case.and_then(|it| Model::of_case(file, &it.case).map_err(|error| it.wrong(&error)));
        return match model {
            Ok(model) => Checked::ok(file, model.warnings()),
            Err(bad) => Checked::bad(file, bad),
        };
    }
    let scenario = match Scenario::parse(&text.file, &text.text) {
        Ok(scenario) => scenario,
        Err(problems) => return Checked::wrong(file, &problems),
    };
    let remedies: Vec<String> = scenario.document().settings().remedies().map(|it| it.name.clone()).collect();
    let plain = match scenario.model(&Choices::none()) {
        Ok(model) => model,
        Err(problems) => return Checked::wrong(file, &problems),
    };
    for name in &remedies {
        if let Err(problems) = scenario.model(&Choices::none().remedy(name)) {
            let text = format!("with {name}: {problems}");
            return Checked { text, ..Checked::wrong(file, &problems) };
        }
    }
    Checked::ok(file, plain.warnings())
}

/// The JSON Schema of scenario files.
pub(crate) fn schema() -> Report {
    Report::json(&json_schema(), Exit::Held)
}

/// The faults, from the table that the parser follows: all of them in short, or all about one.
pub(crate) fn faults(kind: Option<&str>, markdown: bool, output: Output) -> Result<Report, Bad> {
    if markdown {
        return Ok(Report::fine(sim_core::fault::reference()));
    }
    let all = || VERBS.iter().chain(TRIGGERS);
    let named = |kind: &str| {
        all().find(|it| it.name == kind).ok_or_else(|| {
            let names = all().map(|it| it.name);
            match sim_core::pattern::nearest(kind, names.clone()) {
                Some(near) => bad!("\"{kind}\" is not a fault; did you mean \"{near}\"?"),
                None => bad!("\"{kind}\" is not a fault; faults are {}", names.collect::<Vec<_>>().join(", ")),
            }
        })
    };
    let kind = kind.map(named).transpose()?;
    if output.json {
        let shown: Vec<Value> =
            VERBS.iter().filter(|it| kind.is_none_or(|kind| kind.name == it.name)).map(row).collect();
        return Ok(Report::json(&shown.into(), Exit::Held));
    }
    if let Some(kind) = kind {
        return Ok(Report::fine(kind.page()));
    }
    let held = in_short(
        "Trouble with a beginning and an end: [WHEN] VERB … [every D] [for D], WHEN being 1s..4s or 1s..",
        &mut VERBS.iter().filter(|it| !it.is_decision()),
    );
    let decided =
        in_short("The answer to one question, without a time", &mut VERBS.iter().filter(|it| it.is_decision()));
    let triggers = in_short("In place of a time, a step of the program", &mut TRIGGERS.iter());
    Ok(Report::fine(format!("{held}\n{decided}\n{triggers}\nAll about one of them: faultline faults clog\n")))
}

fn row(it: &VerbEntry) -> Value {
    let notes: serde_json::Map<String, Value> =
        it.notes.iter().map(|(word, meaning)| ((*word).to_owned(), Value::from(*meaning))).collect();
    json!({
        "name": it.name, "example": it.example, "form": it.form, "about": it.about,
        "kind": if it.is_decision() { "decision" } else { "fault" }, "notes": notes,
    })
}

fn in_short(title: &str, entries: &mut dyn Iterator<Item = &VerbEntry>) -> String {
    let one = |it: &VerbEntry| format!("  {} {}\n      {}\n      {}\n", it.name, it.form, it.about, it.example);
    format!("{title}\n\n{}", entries.map(one).collect::<Vec<_>>().join("\n"))
}

/// Completions for a shell.
pub(crate) fn completions(shell: clap_complete::Shell) -> Report {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::command("faultline"), "faultline", &mut text);
    Report::fine(String::from_utf8_lossy(&text).into_owned())
}

/// A manual page.
pub(crate) fn man(of: Option<&str>) -> Result<Report, Bad> {
    let mut all = cli::command("faultline");
    all.build();
    let page = match of {
        None => all,
        Some(name) => match all.find_subcommand(name) {
            Some(sub) => sub.clone().name(format!("faultline-{name}").leak() as &'static str),
            None => return Err(bad!("no command \"{name}\"")),
        },
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(|error| bad!("the page cannot be made: {error}"))?;
    Ok(Report::fine(String::from_utf8_lossy(&text).into_owned()))
}

/// Writes a small scenario to begin with.
pub(crate) fn new(name: &str, called: &str) -> Result<Report, Bad> {
    let stem = name.strip_suffix(".json").unwrap_or(name);
    let path = PathBuf::from(format!("{stem}.json"));
    let own = Path::new(stem).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if own.is_empty() || stem.ends_with(['/', '\\']) {
        return Err(bad!("\"{name}\" is not a name for a file; write a name such as shop"));
    }
    let text = STARTER.replace("\"NAME\"", &Value::from(own).to_string());
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => bad!("{} is already there; it is left as it is", path.display()),
        _ => bad!("{} cannot be written: {error}", path.display()),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| bad!("{} cannot be written: {error}", path.display()))?;
    let shown = path.display().to_string();
    let line = |command: &str, more: &[&str]| {
        commands::line(called, [command, &shown].into_iter().chain(more.iter().copied()))
    };
    let next = [
        format!("check it: {}", line("validate", &[])),
        format!("run it: {}", line("run", &[])),
        format!("try the cure: {}", line("run", &["--remedy", "key-per-order"])),
    ];
    Ok(Report::fine(format!("{shown} is written\n{}", indented(&next.join("\n"), 2))))
}

/// A shop that tries again, and a customer who pays twice.
const STARTER: &str = include_str!("starter.json");
