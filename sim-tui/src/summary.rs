//! What a CI server shows of a hunt: a summary in Markdown, and a report in JUnit's XML.

use std::path::Path;

use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use sim_core::Verdict;

use crate::cli::Summaries;
use crate::files::write_whole;
use crate::findings::{Findings, Way};
use crate::report::{Bad, bad};
use crate::text;

/// Sees to it that they can be written, before an hour is spent on what stands in them.
pub(crate) fn check(summaries: &Summaries) -> Result<(), Bad> {
    for path in summaries.markdown.iter().chain(&summaries.junit) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if path.is_dir() {
            return Err(bad!("{} is a folder; name a file in it", path.display()));
        }
        let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
        made.map_err(|error| bad!("{} cannot be written: {error}", path.display()))?;
    }
    match (&summaries.markdown, &summaries.junit) {
        (Some(markdown), Some(junit)) if is_one_file(markdown, junit) => Err(bad!(
            "--markdown and --junit both name {}; the one would overwrite the other: name two files",
            junit.display()
        )),
        _ => Ok(()),
    }
}

/// Whether two paths whose folders are there lead to the same file.
fn is_one_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        path.canonicalize().ok().or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
    };
    one == other || place(one).is_some_and(|one| place(other) == Some(one))
}

/// Writes what was asked for.
pub(crate) fn write(summaries: &Summaries, findings: &Findings, called: &str) -> Result<(), Bad> {
    let wrong = |path: &Path, error: std::io::Error| bad!("{} cannot be written: {error}", path.display());
    if let Some(path) = &summaries.markdown {
        write_whole(path, markdown(findings, called).trim_end()).map_err(|error| wrong(path, error))?;
    }
    if let Some(path) = &summaries.junit {
        let xml = junit(findings, called).map_err(|error| wrong(path, error))?;
        write_whole(path, xml.trim_end()).map_err(|error| wrong(path, error))?;
    }
    Ok(())
}

/// The summary in Markdown.
pub(crate) fn markdown(findings: &Findings, called: &str) -> String {
    let title: Vec<String> = findings.what.title.lines().map(plain).collect();
    let mut out = format!("### {}\n\n", title.join(" · "));
    let gaps = findings.gaps();
    out += &format!("**{}**\n", plain(&findings.headline()));
    out.extend(gaps.iter().map(|gap| format!("\n⚠ {}\n", plain(gap))));
    out.extend(findings.reach().map(|reach| format!("\n{}\n", plain(&reach))));
    if !findings.failures.is_empty() {
        out += "\n| seeds | smallest | what | last causes | seen | again |\n|--:|--:|---|---|---|---|\n";
        out.extend(findings.failures.iter().map(|way| row(way, called)));
    }
    let reached = |(name, count): (&String, &u64)| match count {
        0 => format!("* never reached: {}\n", plain(name)),
        count => format!("* reached in {}: {}\n", text::counted(*count, "run"), plain(name)),
    };
    let list = |title: &str, lines: Vec<String>| match lines.is_empty() {
        true => String::new(),
        false => format!("\n{title}\n\n{}", lines.concat()),
    };
    out += &list("What should happen sometimes:", findings.sometimes.iter().map(reached).collect());
    out += &list("Kinds of faults:", findings.fault_kinds.iter().map(reached).collect());
    let inert = findings.inert.iter().map(|fault| format!("* {}\n", code(fault)));
    out + &list("Faults that had no effect in any run:", inert.collect())
}

fn row(way: &Way, called: &str) -> String {
    let again = Findings::replay(way, called).map_or("no case".to_owned(), |command| code(&command));
    let signature = way.signature();
    let cells = [
        text::count(way.count),
        way.seed.to_string(),
        plain(&signature.to_string()),
        plain(&signature.way()),
        plain(&way.detail),
        again,
    ];
    format!("| {} |\n", cells.join(" | "))
}

/// Text that means nothing to Markdown.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '$' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Text as code, in a table too: as HTML, where no run of backticks ends it.
fn code(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' | '$' => out.push_str(&format!("&#{};", u32::from(c))),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    format!("<code>{out}</code>")
}

/// A test case of the report.
struct Case {
    name: String,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    /// It failed: in which way, in a line, and all that is known.
    Failed(&'static str, String, String),
    /// Nobody knows: in a line.
    Unknown(String),
}

fn cases(findings: &Findings, called: &str) -> Vec<Case> {
    let failed = |way: &Way| {
        let signature = way.signature();
        let name = if way.property.is_empty() { way.verdict.to_string() } else { way.property.clone() };
        let name = if way.causes.is_empty() { name } else { format!("{name} ({})", signature.way()) };
        let seeds = format!("{}, the smallest {}", text::counted(way.count, "seed"), way.seed);
        let again = Findings::replay(way, called).unwrap_or_else(|| "its case could not be written".to_owned());
        let lines = [way.detail.clone(), signature.way(), seeds, again];
        let lines = lines.iter().filter(|line| !line.is_empty()).map(|line| format!("{line}\n"));
        Case { name, outcome: Outcome::Failed(word(way.verdict), signature.to_string(), lines.collect()) }
    };
    let mut all: Vec<Case> = findings.failures.iter().map(failed).collect();
    let has_failed = |name: &String| findings.failures.iter().any(|way| way.property == *name);
    for name in findings.what.properties.iter().filter(|name| !has_failed(name)) {
        let outcome = match findings.sometimes.get(name) {
            Some(0) if findings.has_gaps() => Outcome::Unknown("not seen in what was judged".to_owned()),
            Some(0) => {
                let said = format!("never seen in {}", text::counted(findings.seeds, "run"));
                Outcome::Failed(word(Verdict::NeverSeen), said, String::new())
            }
            Some(_) | None => Outcome::Passed,
        };
        all.push(Case { name: name.clone(), outcome });
    }
    all.extend(findings.gaps().into_iter().map(|gap| Case { name: gap.clone(), outcome: Outcome::Unknown(gap) }));
    if findings.interrupted && findings.unfinished.is_empty() {
        all.push(Case { name: "all seeds".to_owned(), outcome: Outcome::Unknown(findings.headline()) });
    }
    all
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Panicked => "panicked",
        Verdict::OutOfLimits => "out-of-limits",
        Verdict::Broken => "broken",
        Verdict::Stuck => "stuck",
        Verdict::NeverSeen => "never-seen",
        Verdict::Held => "held",
    }
}

/// The report as JUnit writes it, in the elements that every reader of it knows.
pub(crate) fn junit(findings: &Findings, called: &str) -> std::io::Result<String> {
    let cases = cases(findings, called);
    let count = |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count().to_string();
    let (tests, time) = (cases.len().to_string(), format!("{:.3}", findings.wall_seconds));
    let failures = count(|outcome| matches!(outcome, Outcome::Failed(..)));
    let errors = count(|outcome| matches!(outcome, Outcome::Unknown(_)));
    let sums = [("tests", &tests), ("failures", &failures), ("errors", &errors), ("time", &time)];
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    out.write_event(Event::Decl(quick_xml::events::BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    out.write_event(Event::Start(element("testsuites", [("name", &"faultline".to_owned())].iter().chain(&sums))))?;
    let name = [("name", &findings.what.scenario)];
    out.write_event(Event::Start(element("testsuite", name.iter().chain(&sums))))?;
    for case in &cases {
        write_case(&mut out, &findings.what.scenario, case)?;
    }
    out.write_event(Event::End(BytesEnd::new("testsuite")))?;
    out.write_event(Event::End(BytesEnd::new("testsuites")))?;
    String::from_utf8(out.into_inner()).map_err(std::io::Error::other)
}

fn write_case(out: &mut Writer<Vec<u8>>, scenario: &String, case: &Case) -> std::io::Result<()> {
    let start = element("testcase", &[("classname", scenario), ("name", &case.name)]);
    let (word, kind, said, told) = match &case.outcome {
        Outcome::Passed => return out.write_event(Event::Empty(start)),
        Outcome::Failed(kind, said, told) => ("failure", *kind, said, told.as_str()),
        Outcome::Unknown(said) => ("error", "unfinished", said, ""),
    };
    out.write_event(Event::Start(start))?;
    let failure = element(word, &[("message", said), ("type", &kind.to_owned())]);
    out.write_event(Event::Start(failure))?;
    out.write_event(Event::Text(BytesText::new(&allowed(told))))?;
    out.write_event(Event::End(BytesEnd::new(word)))?;
    out.write_event(Event::End(BytesEnd::new("testcase")))
}

fn element<'a>(
    name: &'static str,
    attributes: impl IntoIterator<Item = &'a (&'static str, &'a String)>,
) -> BytesStart<'static> {
    let mut element = BytesStart::new(name);
    for (name, value) in attributes {
        element.push_attribute((*name, allowed(value).as_str()));
    }
    element
}

/// Text without the characters that XML 1.0 does not allow (section 2.2), escaped or not.
fn allowed(text: &str) -> String {
    let is_allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_table_cannot_end_it() {
        assert_eq!(plain("a | b `c` *d* <e> & f\ng"), r"a \| b \`c\` \*d\* &lt;e&gt; &amp; f g");
        assert_eq!(code("cut a->b | `x`\n"), "<code>cut a-&gt;b &#124; &#96;x&#96; </code>");
    }

    #[test]
    fn xml_holds_no_character_that_xml_does_not_allow() {
        assert_eq!(allowed("a\u{0}b\u{1b}[1m\tc\u{fffe}\u{1f600}"), "a\u{fffd}b\u{fffd}[1m\tc\u{fffd}\u{1f600}");
    }
}
