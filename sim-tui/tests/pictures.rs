//! Pictures as a reader meets them: below a report, as one page without a network, as files.

mod shell;

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

use crate::shell::Shell;

/// What a page or a drawing holds.
#[derive(Default)]
struct Parsed {
    /// Elements with their attributes, in order.
    elements: Vec<(String, BTreeMap<String, String>)>,
    /// All that a reader sees, but drawings.
    words: String,
    /// The rows of all tables, cell by cell.
    rows: Vec<Vec<String>>,
    document: Option<Value>,
}

impl Parsed {
    /// Takes a text apart that is XML; it panics when it is none.
    fn of(text: &str) -> Parsed {
        let mut reader = Reader::from_str(text);
        let (mut parsed, mut open, mut said) = (Parsed::default(), Vec::<String>::new(), String::new());
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}")) {
                Event::Start(start) => {
                    let (name, attributes) = element(&start);
                    if ["td", "th", "script"].contains(&name.as_str()) {
                        said.clear();
                    }
                    if name == "tr" {
                        parsed.rows.push(Vec::new());
                    }
                    open.push(name.clone());
                    parsed.elements.push((name, attributes));
                }
                Event::Empty(empty) => parsed.elements.push(element(&empty)),
                Event::End(_) => match open.pop().unwrap().as_str() {
                    "td" | "th" => parsed.rows.last_mut().unwrap().push(said.clone()),
                    "script" => parsed.document = Some(serde_json::from_str(&said).unwrap()),
                    _ => {}
                },
                Event::Text(text) => {
                    said += &text;
                    if !open.iter().any(|name| ["svg", "script", "style"].contains(&name.as_str())) {
                        parsed.words += &text;
                    }
                }
                Event::GeneralRef(name) => {
                    let letter = match &*name {
                        "lt" => "<",
                        "gt" => ">",
                        "amp" => "&",
                        "quot" => "\"",
                        "#39" => "'",
                        other => panic!("&{other}; is none of XML's own"),
                    };
                    said += letter;
                    parsed.words += letter;
                }
                Event::DocType(_) => {}
                Event::Eof => break,
                other => panic!("{other:?} has no place here"),
            }
        }
        assert!(open.is_empty(), "{open:?} stay open");
        parsed
    }

    /// The cells below such a head.
    fn below(&self, head: &[&str]) -> &[String] {
        let place = self.rows.iter().position(|row| row == head);
        let place = place.unwrap_or_else(|| panic!("no {head:?} in {:?}", self.rows));
        &self.rows[place + 1]
    }

    /// The row that begins with this.
    fn row(&self, name: &str) -> &[String] {
        self.rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no {name} in {:?}", self.rows))
    }

    fn count(&self, name: &str) -> usize {
        self.elements.iter().filter(|(other, _)| other == name).count()
    }
}

fn element(start: &BytesStart<'_>) -> (String, BTreeMap<String, String>) {
    let attributes = start.attributes().map(|attribute| {
        let attribute = attribute.expect("well-formed");
        (attribute.key.0.to_owned(), attribute.value.to_string())
    });
    (start.name().0.to_owned(), attributes.collect())
}

/// Nothing is fetched, and nothing runs.
fn leads_nowhere(text: &str, parsed: &Parsed) {
    let rest = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for word in ["http:", "https:", "src=", "href=", "@import", "url(", "javascript:"] {
        assert!(!rest.contains(word), "{word}");
    }
    for (name, attributes) in &parsed.elements {
        assert!(!["link", "img", "iframe", "object", "embed", "a", "image", "use"].contains(&name.as_str()), "{name}");
        assert!(!attributes.keys().any(|name| name.starts_with("on")), "{attributes:?}");
        if name == "script" {
            assert_eq!((attributes["type"].as_str(), attributes["id"].as_str()), ("application/json", "faultline"));
        }
    }
}

/// A number as it is shown, in the unit of the document.
fn read_again(shown: &str) -> f64 {
    let (number, unit) = shown.split_once(' ').unwrap_or((shown, ""));
    let number: f64 = number.replace(',', "").parse().unwrap_or_else(|error| panic!("{shown}: {error}"));
    let factor = match unit {
        "" | "ms" => 1.0,
        "ns" => 1e-6,
        "µs" => 1e-3,
        "s" => 1e3,
        "%" => 0.01,
        other => panic!("{shown} has the unit {other}"),
    };
    number * factor
}

/// Whether a cell shows a number of the document, at four digits.
fn shows(cell: &str, value: &Value) {
    match value.as_f64() {
        None => assert_eq!(cell, "–"),
        Some(value) => {
            let shown = read_again(cell);
            assert!((shown - value).abs() <= 5.1e-4 * value.abs(), "{cell} for {value}");
        }
    }
}

/// The document without what differs from call to call.
fn timeless(mut document: Value) -> Value {
    for key in ["wall_seconds", "events_per_second", "seeds_per_second", "go_on"] {
        document.as_object_mut().unwrap().remove(key);
    }
    document
}

fn check_run(parsed: &Parsed) {
    let document = parsed.document.as_ref().unwrap();
    let requests = parsed.below(&["total", "ok", "error", "unknown", "unanswered", "availability"]);
    for (cell, key) in requests.iter().zip(["total", "ok", "error", "unknown", "unanswered", "availability"]) {
        shows(cell, &document["requests"][key]);
    }
    let latency = parsed.below(&["p50", "p90", "p99", "p99.9", "max"]);
    for (cell, key) in latency.iter().zip(["p50", "p90", "p99", "p999", "max"]) {
        shows(cell, &document["latency_ms"][key]);
    }
    for (name, value) in document["metrics"].as_object().unwrap() {
        shows(&parsed.row(name)[1], value);
    }
    for property in document["properties"].as_array().unwrap() {
        let row = parsed.rows.iter().find(|row| row.get(1).is_some_and(|name| property["name"] == name.as_str()));
        let row = row.unwrap_or_else(|| panic!("no {property}"));
        assert!(row[2].contains(property["detail"].as_str().unwrap()), "{row:?}");
    }
    let words = [&document["digest"], &document["verdict"], &document["seed"]];
    for word in words.map(|word| word.as_str().unwrap().replace('-', " ")) {
        assert!(parsed.words.contains(&word), "{word}");
    }
}

#[test]
fn the_page_of_a_run_shows_its_document_and_leads_nowhere() {
    let shell = Shell::empty();
    let cases: [&[&str]; 5] = [
        &[],
        &["--set", "orders=300", "--fault", "5s..9s cut shop<->gateway"],
        &["--set", "orders=1"],
        &["--set", "orders=50", "--until", "1ms"],
        &["--set", "orders=400", "--until", "20s", "--fault", "3s.. crash gateway"],
    ];
    for more in cases {
        let words = [&["run", "checkout"], more].concat();
        let said = shell.run(&[&words[..], &["--html", "page.html"]].concat());
        assert_eq!(said.err, "the report as a page: page.html\n");
        let text = shell.read("page.html");
        let parsed = Parsed::of(&text);
        leads_nowhere(&text, &parsed);
        check_run(&parsed);
        assert_eq!((parsed.count("svg"), parsed.count("script")), (5, 1), "{more:?}");
        let document = shell.json(&[&words[..], &["--json"]].concat());
        assert_eq!(timeless(parsed.document.unwrap()), timeless(document));
    }
}

#[test]
fn the_page_of_a_hunt_shows_its_document_and_leads_nowhere() {
    let shell = Shell::empty();
    let hunt = ["hunt", "checkout", "--set", "orders=10", "--seeds", "120"];
    let said = shell.run(&[&hunt[..], &["--html", "page.html"]].concat());
    assert_eq!((said.code, said.err.as_str()), (1, "the report as a page: page.html\n"));
    let text = shell.read("page.html");
    let parsed = Parsed::of(&text);
    leads_nowhere(&text, &parsed);
    assert_eq!((parsed.count("svg"), parsed.count("script")), (2, 1));
    let document = parsed.document.clone().unwrap();
    let (failing, seeds) = (document["failing"].as_f64().unwrap(), document["seeds"].as_f64().unwrap());
    assert!(failing > 0.0 && parsed.words.contains("120 seeds (0..120)"));
    let any = parsed.rows.iter().find(|row| row[1] == "fails in any way").unwrap();
    shows(&any[3], &document["failing"]);
    shows(&any[4], &Value::from(failing / seeds));
    for (way, number) in document["failures"].as_array().unwrap().iter().zip(1..) {
        let row = parsed.row(&i32::to_string(&number));
        shows(&row[3], &way["count"]);
        assert!(row[6] == way["seed"].as_str().unwrap() && parsed.words.contains(way["case"].as_str().unwrap()));
        let [low, high] = row[5].split(" to ").map(read_again).collect::<Vec<_>>()[..] else { panic!("{row:?}") };
        let share = way["count"].as_f64().unwrap() / seeds;
        assert!(0.0 <= low && low < share && share < high && high <= 1.0, "{row:?}");
    }
    let again = shell.json(&[&hunt[..], &["--json", "--fresh"]].concat());
    assert_eq!(timeless(document), timeless(again));
}

#[test]
fn what_is_written_in_a_scenario_is_text_on_its_page() {
    const EVIL: &str = "</title><script>alert(\"1\" & '2')</script>";
    let shell = Shell::empty();
    let mut scenario: Value = serde_json::from_str(&shell.run(&["show", "checkout", "--source"]).out).unwrap();
    scenario["title"] = Value::from(EVIL);
    shell.write("evil.json", &scenario.to_string());
    shell.run(&["run", "evil.json", "--set", "orders=20", "--html", "page.html", "--svg", "drawings"]);
    shell.run(&["hunt", "evil.json", "--set", "orders=5", "--seeds", "3", "--html", "hunt.html"]);
    for name in ["page.html", "hunt.html"] {
        let text = shell.read(name);
        let parsed = Parsed::of(&text);
        leads_nowhere(&text, &parsed);
        assert_eq!(parsed.count("script"), 1);
        assert!(parsed.words.contains(EVIL), "{}", parsed.words);
    }
}

#[test]
fn each_picture_is_a_file() {
    let shell = Shell::empty();
    let said = shell.run(&["run", "checkout", "--set", "orders=100", "--svg", "new/folder", "--json"]);
    serde_json::from_str::<Value>(&said.out).expect("nothing but the document");
    let names: Vec<&str> = said.err.lines().filter_map(|line| line.rsplit(": ").next()).collect();
    assert_eq!(names.len(), 5, "{}", said.err);
    for name in names {
        let text = shell.read(name);
        let parsed = Parsed::of(&text);
        leads_nowhere(&text, &parsed);
        assert!(name.starts_with("new/folder/") && parsed.elements[0].0 == "svg" && parsed.elements[1].0 == "title");
    }
}

#[test]
fn pictures_are_drawn_below_the_report() {
    let shell = Shell::empty();
    let fault = ["--fault", "100s..200s loss gateway->shop charge 20%"];
    let said = shell.run(&[&["run", "checkout", "--plot"][..], &fault].concat());
    // The shell of a test has no locale of its own.
    let utf8 = shell.command(&[&["run", "checkout", "--plot"][..], &fault].concat()).env("LC_ALL", "C.UTF-8").output();
    let utf8 = String::from_utf8(utf8.unwrap().stdout).unwrap();
    let report = shell.run(&[&["run", "checkout"][..], &fault].concat());
    let plots = |text: &str| {
        let begins = text.find("\nRequests over time").unwrap();
        (
            text[..begins].lines().filter(|line| !line.contains("events/s")).collect::<Vec<_>>().join("\n"),
            text[begins..].to_owned(),
        )
    };
    let (before, drawn) = plots(&utf8);
    let settled = report.out.lines().filter(|line| !line.contains("events/s")).collect::<Vec<_>>().join("\n");
    assert_eq!(before, settled);
    assert_eq!(drawn.lines().find(|line| line.chars().count() > 80), None);
    insta::assert_snapshot!("run", drawn);
    let ascii = shell.command(&[&["run", "checkout", "--plot"][..], &fault].concat()).env("LC_ALL", "C").output();
    let (_, ascii) = plots(&String::from_utf8(ascii.unwrap().stdout).unwrap());
    assert_eq!(ascii.chars().find(|letter| !letter.is_ascii()), None);
    assert_eq!(plots(&shell.run(&[&["run", "checkout", "--plot", "--ascii"][..], &fault].concat()).out).1, ascii);
    assert_eq!(said.code, report.code);
}

#[test]
fn a_hunt_draws_the_same_with_any_number_of_workers() {
    let shell = Shell::empty();
    let plots = |jobs: &str| {
        let words = [
            "hunt",
            "checkout",
            "--set",
            "orders=10",
            "--seeds",
            "200",
            "--fresh",
            "--plot",
            "--ascii",
            "--jobs",
            jobs,
        ];
        let said = shell.run(&words);
        let begins = said.out.find("\nHow many seeds").unwrap();
        said.out[begins..].to_owned()
    };
    let drawn = plots("1");
    assert_eq!(plots("3"), drawn);
    insta::assert_snapshot!("hunt", drawn);
}

#[test]
fn a_run_in_which_nothing_happens_has_pictures_too() {
    let shell = Shell::empty();
    let said = shell.run(&["run", "checkout", "--until", "1ns", "--plot", "--ascii"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.matches("no sample").count() >= 4, "{}", said.out);
}

#[test]
fn what_cannot_be_written_is_said_before_anything_runs() {
    let shell = Shell::empty();
    shell.write("file", "");
    let check = |words: &[&str], expected: &str| {
        for command in [&["run", "checkout"][..], &["hunt", "checkout", "--for", "10m"]] {
            let said = shell.run(&[command, words].concat());
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
            assert!(said.err.contains(expected), "{words:?}: {}", said.err);
        }
    };
    check(&["--html", "nowhere/page.html"], "--html nowhere/page.html: there is no folder nowhere");
    check(&["--html", "."], "--html . is a folder; name a file in it");
    check(&["--html", "file/page.html"], "there is no folder file");
    #[cfg(target_os = "linux")]
    check(&["--html", "/proc/page.html"], "--html /proc/page.html cannot be written");
    check(&["--svg", "file"], "--svg file: no folder that pictures can be written to");
    check(&["--plot", "--json"], "cannot be used with");
    check(&["--ascii"], "--plot");
}
