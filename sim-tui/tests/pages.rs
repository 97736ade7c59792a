//! What the pages show is what the program prints: each command of a sample is run, and each file that one shows is
//! there.
//!
//! `UPDATE_PAGES=1` writes into the pages what the program prints now; read the difference.

mod shell;

use std::path::Path;

use crate::shell::{Said, Shell};

/// Whether a command is run in each run of the suite, or in the long one.
type Chosen = fn(&str) -> bool;

/// What takes more than a second.
fn is_long(command: &str) -> bool {
    command.starts_with("faultline run") && command.contains("--rare")
}

/// The words of a command, as a shell tells them apart.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (Some(_) | None, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

/// A page whose samples are compared, in a folder that has the files it shows.
struct Page {
    shell: Shell,
    chosen: Chosen,
    compared: usize,
}

impl Page {
    /// What stands behind a command: the file that is shown, or what the program says.
    fn said(&mut self, command: &str, shown: &str) -> String {
        if let Some(file) = command.strip_prefix("cat ") {
            self.shell.write(file, shown);
            return shown.to_owned();
        }
        let words = words(command);
        let [program, words @ ..] = words.as_slice() else { panic!("no command: {command}") };
        if program != "faultline" || !(self.chosen)(command) {
            return shown.to_owned();
        }
        self.compared += 1;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Said { out, err, .. } = self.shell.run(&words);
        out + &err
    }

    /// A block of the page with what the program says in place of what is shown.
    fn block(&mut self, block: &str) -> String {
        let mut told = String::new();
        let mut rest = block;
        while let Some(line) = rest.strip_prefix("$ ") {
            let (command, after) = line.split_once('\n').unwrap_or((line, ""));
            let end = if after.starts_with("$ ") { 0 } else { after.find("\n$ ").map_or(after.len(), |at| at + 1) };
            let (shown, next) = after.split_at(end);
            told += &format!("$ {command}\n{}", self.said(command, shown));
            rest = next;
        }
        told + rest
    }
}

/// Runs the samples of a page that are chosen, in a folder with these files.
fn check(name: &str, files: &[(&str, &str)], chosen: Chosen) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let page = std::fs::read_to_string(&path).unwrap();
    let mut samples = Page { shell: Shell::empty(), chosen, compared: 0 };
    files.iter().for_each(|(file, text)| samples.shell.write(file, text));
    let parts: Vec<&str> = page.split("```").collect();
    let told = parts.iter().enumerate().map(|(nth, part)| match part.strip_prefix('\n') {
        // Every other part is a block; one that begins with a word is in another language.
        Some(block) if nth % 2 == 1 => format!("\n{}", samples.block(block)),
        _ => (*part).to_owned(),
    });
    let told = told.collect::<Vec<_>>().join("```");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, &told).unwrap();
    }
    for (shown, told) in page.lines().zip(told.lines()) {
        assert_eq!(shown, told, "docs/{name} shows what the program does not say; UPDATE_PAGES=1 writes what it says");
    }
    assert_eq!(page, told, "docs/{name}");
    samples.compared
}

/// The first block of a page in this language.
fn shown_as(name: &str, language: &str) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)).unwrap();
    let (_, block) = page.split_once(&format!("```{language}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

const CIRCLE: &str = r#"{"kind": "diagram", "let": {"link": "90%"},
 "blocks": {"a": "link", "b": "link", "c": "link", "d": "link", "bridge": "link"},
 "links": ["in -> a -> c -> out", "in -> b -> d -> out",
           "a -> bridge -> d", "d -> bridge"]}"#;

#[test]
fn the_page_on_availability_shows_what_the_program_says() {
    let compared = check("availability.md", &[("circle.json", CIRCLE)], |command| !is_long(command));
    assert!(compared >= 12, "{compared}");
}

#[test]
fn the_page_on_what_hardly_ever_happens_shows_what_the_program_says() {
    let desk = shown_as("rare.md", "json");
    assert!(check("rare.md", &[("desk.json", &desk)], |command| !is_long(command)) >= 1);
}

#[test]
#[ignore = "ten million events"]
fn long_the_page_on_what_hardly_ever_happens_shows_what_the_program_says() {
    let desk = shown_as("rare.md", "json");
    assert!(check("rare.md", &[("desk.json", &desk)], is_long) >= 1);
}

#[test]
fn words_are_those_of_a_shell() {
    assert_eq!(words(r#"a  "b c"d 'e "f"' "" g"#), ["a", "b cd", "e \"f\"", "", "g"]);
}
