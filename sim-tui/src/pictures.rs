//! What a command shows beside its report: pictures below it, one HTML page of all of it, and a file for each picture.
//!
//! A command makes one [`Page`] of what it found, with its figures in it; all three come from that.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::Pictures;
use crate::explore::glyphs;
use crate::figure::svg::{Place, drawn as as_svg};
use crate::figure::terminal::{Paper, drawn};
use crate::files::{check_apart, check_file, write_whole};
use crate::html::html;
use crate::page::Page;
use crate::report::{Bad, bad, note};

impl Pictures {
    /// Whether any was asked for: then a run has to be watched.
    pub(crate) fn are_wanted(&self) -> bool {
        self.plot || self.html.is_some() || self.svg.is_some()
    }

    /// Sees to it that what was asked for can be written, before an hour is spent on what stands in it.
    ///
    /// # Errors
    /// When the page has no place, or the folder is none.
    pub(crate) fn check(&self, input: &str, csv: Option<&Path>) -> Result<(), Bad> {
        let input = Some(Path::new(input)).filter(|input| input.is_file());
        check_apart(&[("the file that is read", input), ("--csv", csv), ("--html", self.html.as_deref())])?;
        for (option, path) in [("--csv", csv), ("--html", self.html.as_deref())] {
            path.map_or(Ok(()), |path| check_file(option, path))?;
        }
        if let Some(folder) = &self.svg {
            check_folder(folder)?;
        }
        Ok(())
    }

    /// The figures of a page with letters, each behind an empty line; nothing unless they were asked for.
    pub(crate) fn plots(&self, page: &Page) -> String {
        let paper = Paper::usual(glyphs(self.ascii));
        let figures = page.figures().filter(|_| self.plot);
        figures.map(|figure| format!("\n{}", drawn(figure, paper))).collect()
    }

    /// Writes the page with its document, and each figure as a file; says on standard error what was written.
    ///
    /// # Errors
    /// When one cannot be written.
    pub(crate) fn write(&self, page: &Page, document: &Value) -> Result<(), Bad> {
        let wrong = |path: &Path, error: std::io::Error| bad!("{} cannot be written: {error}", path.display());
        if let Some(path) = &self.html {
            write_whole(path, &html(page, document)).map_err(|error| wrong(path, error))?;
            note(&format!("the report as a page: {}", path.display()));
        }
        if let Some(folder) = &self.svg {
            for figure in page.figures() {
                let path = folder.join(format!("{}.svg", figure.name));
                write_whole(&path, &as_svg(figure, Place::Alone)).map_err(|error| wrong(&path, error))?;
                note(&format!("{}: {}", figure.title, path.display()));
            }
        }
        Ok(())
    }
}

/// Whether there is a folder, or one can be made.
fn check_folder(folder: &PathBuf) -> Result<(), Bad> {
    let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    made.map(drop)
        .map_err(|error| bad!("--svg {}: no folder that pictures can be written to: {error}", folder.display()))
}
