//! The table of reference cases in `docs/availability.md` is whole, and what it names is there: each of the 62 cases once,
//! each with tests that exist, or a reason.

use std::collections::BTreeSet;
use std::fs;

use faultline_tests::sources::workspace;

const CASES: [&str; 62] = [
    "A01",
    "A04",
    "A08",
    "A09",
    "A12",
    "A13",
    "A15",
    "A16",
    "A18",
    "A20",
    "A21",
    "A22",
    "A23",
    "A27",
    "Q01",
    "Q02",
    "Q03",
    "Q04",
    "Q05",
    "Q08",
    "Q14",
    "Q16",
    "Q17",
    "Q18",
    "Q19",
    "P02-LNKD-SSD",
    "P02-YMMR",
    "P05",
    "P06",
    "P07",
    "P10",
    "P12",
    "P13",
    "P14",
    "P15",
    "P18",
    "P22",
    "P24",
    "P27",
    "P28",
    "P30",
    "N02",
    "N03",
    "N04",
    "N05",
    "N06",
    "N08",
    "N09",
    "N16",
    "R01",
    "R03",
    "R06",
    "R08",
    "R09",
    "S04",
    "S05",
    "S06",
    "S08",
    "S10",
    "S13",
    "S15",
    "S16",
];
/// What the product cannot express.
const LEFT_OUT: [&str; 2] = ["P12", "S13"];

struct Row {
    case: String,
    how: String,
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let path = workspace().join("docs/availability.md");
    let text = fs::read_to_string(&path).expect("the page is there");
    let (_, table) = text.split_once("| case | what | how it is checked | tests |").expect("the table is there");
    let cells =
        |line: &str| -> Vec<String> { line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect() };
    let row = |line: &str| {
        let cells = cells(line);
        assert_eq!(cells.len(), 4, "{line}");
        let tests = cells[3].split(", ").filter(|name| !name.is_empty());
        Row {
            case: cells[0].clone(),
            how: cells[2].clone(),
            tests: tests.map(|name| name.trim_matches('`').to_owned()).collect(),
        }
    };
    table.lines().skip(2).take_while(|line| line.starts_with('|')).map(row).collect()
}

/// The source of a test target, in one file or in a folder.
fn source(target: &str) -> Option<String> {
    let tests = workspace().join("tests");
    if let Ok(text) = fs::read_to_string(tests.join(format!("{target}.rs"))) {
        return Some(text);
    }
    let files = fs::read_dir(tests.join(target)).ok()?;
    let read = |file: std::io::Result<fs::DirEntry>| fs::read_to_string(file.ok()?.path()).ok();
    Some(files.filter_map(read).collect())
}

/// Whether a function of the source is a test, ignored or not.
fn is_test(source: &str, function: &str) -> bool {
    let lines: Vec<&str> = source.lines().collect();
    let Some(at) = lines.iter().position(|line| line.starts_with(&format!("fn {function}("))) else { return false };
    lines[..at].iter().rev().take_while(|line| line.starts_with("#[")).any(|line| *line == "#[test]")
}

#[test]
fn every_case_has_one_row() {
    let known: Vec<String> = rows().into_iter().map(|row| row.case).collect();
    assert_eq!(known, CASES);
    assert_eq!(known.iter().collect::<BTreeSet<_>>().len(), CASES.len());
}

#[test]
fn every_row_says_how_it_is_checked_by_tests_that_exist() {
    for Row { case, how, tests } in rows() {
        assert!(!how.is_empty(), "{case}");
        if LEFT_OUT.contains(&case.as_str()) {
            assert!(how.starts_with("left out: ") && tests.is_empty(), "{case}: {how}");
            continue;
        }
        assert!(!how.contains("left out") && !how.contains("not yet"), "{case}: {how}");
        assert!(!tests.is_empty(), "{case} names no test");
        for name in tests {
            let (target, function) = name.split_once("::").unwrap_or_else(|| panic!("{case}: {name} is no test"));
            let source = source(target).unwrap_or_else(|| panic!("{case}: there is no test target {target}"));
            let found = is_test(&source, function);
            assert!(found, "{case}: {target} has no test {function}");
        }
    }
}
