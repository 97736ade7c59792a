//! A page of headings, paragraphs, tables, drawings and figures, written as text for a terminal, as Markdown for a bug report, or as
//! one HTML file that needs nothing else ([`crate::html`]).

use crate::explore::Glyphs;
use crate::figure::Figure;
use crate::figure::terminal::{Paper, drawn};
use crate::text::{Side, table, wrapped};

/// What can stand on a page.
#[derive(Debug)]
pub(crate) enum Block {
    Heading(String),
    Paragraph(String),
    Lines(Vec<String>),
    Table(Vec<String>, Vec<Vec<String>>),
    Commands(Vec<String>),
    Figure(Box<Figure>),
}

/// A page with its title.
#[derive(Debug)]
pub(crate) struct Page {
    title: String,
    blocks: Vec<Block>,
}

impl Page {
    /// Empty but for its title.
    pub(crate) fn new(title: String) -> Page {
        Page { title, blocks: Vec::new() }
    }

    /// A heading.
    pub(crate) fn heading(&mut self, text: &str) {
        self.blocks.push(Block::Heading(text.to_owned()));
    }

    /// A paragraph, to be broken into lines.
    pub(crate) fn paragraph(&mut self, text: String) {
        self.blocks.push(Block::Paragraph(text));
    }

    /// Lines as they are.
    pub(crate) fn lines(&mut self, lines: Vec<String>) {
        self.blocks.push(Block::Lines(lines));
    }

    /// Rows under a head; columns in which nothing stands are left out.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let stands = |column: &usize| rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()));
        let columns: Vec<usize> = (0..head.len()).filter(stands).collect();
        let head = columns.iter().map(|column| head[*column].to_owned()).collect();
        let row =
            |row: &Vec<String>| columns.iter().map(|column| row.get(*column).cloned().unwrap_or_default()).collect();
        let rows: Vec<Vec<String>> = rows.iter().map(row).collect();
        if !rows.is_empty() {
            self.blocks.push(Block::Table(head, rows));
        }
    }

    /// Commands to paste.
    pub(crate) fn commands(&mut self, commands: Vec<String>) {
        self.blocks.push(Block::Commands(commands));
    }

    /// A picture.
    pub(crate) fn figure(&mut self, figure: Figure) {
        self.blocks.push(Block::Figure(Box::new(figure)));
    }

    /// Its pictures, from the top.
    pub(crate) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Figure(figure) => Some(&**figure),
            _ => None,
        })
    }

    /// Its title.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// What stands on it, from the top.
    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// For a terminal of 80 columns.
    pub(crate) fn text(&self) -> String {
        let mut out = underlined(&self.title);
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Heading(text) => out += &underlined(text),
                Block::Paragraph(text) => out += &format!("{}\n", wrapped(text)),
                Block::Lines(lines) => out.extend(lines.iter().map(|line| format!("{line}\n"))),
                Block::Table(head, rows) => {
                    out += &columns(head, rows);
                }
                Block::Commands(commands) => out.extend(commands.iter().map(|command| format!("  {command}\n"))),
                Block::Figure(figure) => out += &drawn(figure, Paper::usual(Glyphs::Unicode)),
            }
        }
        // A heading stands close above what it is about.
        out.replace("─\n\n", "─\n")
    }

    /// For a bug report.
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("# {}\n", self.title);
        for block in &self.blocks {
            out.push('\n');
            match block {
                Block::Heading(text) => out += &format!("## {text}\n"),
                Block::Paragraph(text) => out += &format!("{}\n", escaped(text)),
                Block::Lines(lines) => out += &format!("```text\n{}\n```\n", lines.join("\n")),
                Block::Table(head, rows) => {
                    let line = |cells: &[String]| {
                        let cells: Vec<String> = cells.iter().map(|cell| escaped(cell).replace('|', "\\|")).collect();
                        format!("| {} |\n", cells.join(" | "))
                    };
                    out += &line(head);
                    out += &format!("|{}\n", " --- |".repeat(head.len()));
                    out.extend(rows.iter().map(|row| line(row)));
                }
                Block::Commands(commands) => out += &format!("```sh\n{}\n```\n", commands.join("\n")),
                Block::Figure(figure) => {
                    out += &format!("```text\n{}```\n", drawn(figure, Paper::usual(Glyphs::Unicode)));
                }
            }
        }
        out
    }
}

/// Rows in columns, or, where those would be too wide, one row below the other.
fn columns(head: &[String], rows: &[Vec<String>]) -> String {
    let all: Vec<Vec<String>> = std::iter::once(head.to_vec()).chain(rows.iter().cloned()).collect();
    let text = table(&vec![Side::Left; head.len()], &all);
    if text.lines().all(|line| line.chars().count() <= 80) {
        return text;
    }
    let row = |row: &Vec<String>| {
        let (first, rest) = row.split_first()?;
        let said = head.iter().skip(1).zip(rest).filter(|(_, cell)| !cell.is_empty());
        let said: Vec<String> = said.map(|(head, cell)| format!("{head} {cell}").trim().to_owned()).collect();
        Some(format!("  {first}\n    {}\n", said.join("; ")))
    };
    rows.iter().filter_map(row).collect()
}

fn underlined(text: &str) -> String {
    format!("{text}\n{}\n", "─".repeat(text.chars().count()))
}

/// Text in which nothing is a mark of Markdown; `#` is none inside a line, but on some sites the name of an issue.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if matches!(letter, '*' | '_' | '<' | '>' | '#' | '`' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// An event as it is cited: `#31 1.745s`.
pub(crate) fn cited(event: u64, nanos: u64) -> String {
    format!("#{event} {}", seconds(nanos))
}

/// An instant, to the millisecond.
pub(crate) fn seconds(nanos: u64) -> String {
    format!("{:.3}s", nanos as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_text_or_markdown() {
        let mut page = Page::new("Why".to_owned());
        page.paragraph("one *two*".to_owned());
        page.heading("Table");
        page.table(&["a", "gone", "b"], &[vec!["1|2".to_owned(), String::new(), "3".to_owned()]]);
        page.commands(vec!["faultline list".to_owned()]);
        assert_eq!(page.text(), "Why\n───\none *two*\n\nTable\n─────\n  a    b\n  1|2  3\n\n  faultline list\n");
        assert_eq!(
            page.markdown(),
            "# Why\n\none \\*two\\*\n\n## Table\n\n| a | b |\n| --- | --- |\n| 1\\|2 | 3 |\n\n```sh\nfaultline list\n```\n"
        );
    }
}
