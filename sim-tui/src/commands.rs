//! Commands that are printed work when pasted: they name the program as it was called, and quote what a shell would read.

use crate::cli::What;

/// The program as it was called.
pub(crate) fn program() -> String {
    let called = std::env::args_os().next().map(|name| name.to_string_lossy().into_owned());
    called.filter(|name| !name.is_empty()).unwrap_or_else(|| "faultline".to_owned())
}

/// A command line.
pub(crate) fn line<'a>(called: &'a str, words: impl IntoIterator<Item = &'a str>) -> String {
    std::iter::once(called).chain(words).map(quoted).collect::<Vec<_>>().join(" ")
}

/// The scenario with all that was changed about it.
pub(crate) fn words_of(what: &What) -> Vec<String> {
    let flag = |name: &str, values: &[String]| -> Vec<String> {
        values.iter().flat_map(|value| [name.to_owned(), value.clone()]).collect()
    };
    let mut words = vec![what.scenario.clone()];
    words.extend(flag("--remedy", &what.remedy));
    words.extend(flag("--set", &what.set));
    words.extend(flag("--fault", &what.fault));
    words.extend(what.nemesis.then(|| "--nemesis".to_owned()));
    words.extend(what.until.iter().flat_map(|until| ["--until".to_owned(), until.to_string()]));
    words
}

/// A word as a POSIX shell reads it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_would_read_are_quoted() {
        assert_eq!(
            line("./fault line", ["run", "a.json", "--fault", "1s.. cut a->b", "it's", ""]),
            r"'./fault line' run a.json --fault '1s.. cut a->b' 'it'\''s' ''"
        );
    }
}
