//! What a command shows beside its report: pictures below it, one HTML page of all of it, and a file for each picture.
//!
//! A command makes one [`Page`] of what it found, with its figures in it; all three come from that.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::Pictures;
use crate::explore::glyphs;
use crate::figure::svg::{Place, drawn as as_svg};
use crate::figure::terminal::{Paper, drawn};
use crate::files::write_whole;
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
    pub(crate) fn check(&self) -> Result<(), Bad> {
        if let Some(path) = &self.html {
            check_file(path)?;
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

/// Whether a file could be written there.
fn check_file(path: &Path) -> Result<(), Bad> {
    if path.is_dir() {
        return Err(bad!("--html {} is a folder; name a file in it", path.display()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(bad!("--html {}: there is no folder {}", path.display(), folder.display()));
    }
    let made = tempfile::tempfile_in(folder);
    made.map(drop).map_err(|error| bad!("--html {} cannot be written: {error}", path.display()))
}

/// Whether there is a folder, or one can be made.
fn check_folder(folder: &PathBuf) -> Result<(), Bad> {
    let made = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    made.map(drop)
        .map_err(|error| bad!("--svg {}: no folder that pictures can be written to: {error}", folder.display()))
}
