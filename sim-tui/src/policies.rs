//! The profiles of resilience policies: which libraries there are, and every parameter of one.

use serde_json::{Value, json};
use sim_core::pattern::nearest;
use sim_models::policy::{Kind, PLAINLY, Parameter, Plain, Profile, plain, profiles, reference};

use crate::cli::Output;
use crate::report::{Bad, Exit, Report, bad};
use crate::text::{Side, table};

/// All profiles in short, or all about those of one library.
pub(crate) fn policies(name: Option<&str>, markdown: bool, output: Output) -> Result<Report, Bad> {
    if markdown {
        return Ok(Report::fine(reference()));
    }
    let shown: Vec<&Profile> = profiles().filter(|it| name.is_none_or(|name| it.name == name)).collect();
    let plainly: Vec<&Plain> = plain().filter(|it| name.is_none_or(|name| it.name == name)).collect();
    if let (Some(name), true, true) = (name, shown.is_empty(), plainly.is_empty()) {
        return Err(unknown(name));
    }
    if output.json {
        let all = shown.into_iter().map(as_json).chain(plainly.into_iter().map(plain_as_json));
        return Ok(Report::json(&all.collect(), Exit::Held));
    }
    if name.is_some() {
        let pages = shown.into_iter().map(Profile::page).chain(plainly.into_iter().map(Plain::page));
        return Ok(Report::fine(pages.collect::<Vec<String>>().join("\n")));
    }
    let mut text = String::new();
    for kind in Kind::ALL {
        let of_kind = shown.iter().filter(|it| it.kind == kind);
        let rows: Vec<_> = of_kind.map(|it| vec![it.name.to_owned(), it.about.to_owned()]).collect();
        text += &format!("{}\n{}\n", kind.about(), table(&[Side::Left, Side::Left], &rows));
    }
    let rows: Vec<_> = plainly.iter().map(|it| vec![it.name.to_owned(), it.about.to_owned()]).collect();
    text += &format!("{PLAINLY}\n{}\n", table(&[Side::Left, Side::Left], &rows));
    Ok(Report::fine(text + "All about one of them: faultline policies resilience4j\n"))
}

fn unknown(name: &str) -> Bad {
    let mut names: Vec<&str> = profiles().map(|it| it.name).chain(plain().map(|it| it.name)).collect();
    names.sort_unstable();
    names.dedup();
    match nearest(name, names.iter().copied()) {
        Some(near) => bad!("there is no policy \"{name}\"; did you mean \"{near}\"?"),
        None => bad!("there is no policy \"{name}\"; there are {}", names.join(", ")),
    }
}

fn as_json(it: &Profile) -> Value {
    json!({
        "name": it.name, "kind": it.kind.clause(), "example": it.example(), "about": it.about, "source": it.source,
        "parameters": it.parameters.iter().map(parameter).collect::<Vec<_>>(), "surprises": it.surprises,
    })
}

fn plain_as_json(it: &Plain) -> Value {
    json!({
        "name": it.name, "kind": it.clause, "example": it.example, "about": it.about, "source": "the scenario language",
        "parameters": [], "surprises": it.surprises,
    })
}

fn parameter(it: &Parameter) -> Value {
    json!({
        "name": it.name, "kind": it.default.kind(), "default": it.shown_default(), "required": it.required,
        "range": it.range(), "about": it.about,
    })
}
