//! A drawing is XML, leads nowhere, and nothing in it stands on something else.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;
use crate::figure::examples;

/// The names of all elements, and all text; whether it is XML.
fn read(text: &str) -> (Vec<String>, String) {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let (mut names, mut said, mut depth) = (Vec::new(), String::new(), 0);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error}: {text}")) {
            Event::Start(start) => {
                depth += 1;
                start.attributes().for_each(|attribute| drop(attribute.expect("a well-formed attribute")));
                names.push(start.name().0.to_owned());
            }
            Event::Empty(empty) => {
                empty.attributes().for_each(|attribute| drop(attribute.expect("a well-formed attribute")));
                names.push(empty.name().0.to_owned());
            }
            Event::End(_) => depth -= 1,
            Event::Text(text) => said += &text,
            Event::GeneralRef(name) => said += &format!("&{};", &*name),
            Event::Eof => break,
            other => panic!("{other:?} has no place in a drawing"),
        }
    }
    assert_eq!(depth, 0);
    (names, said)
}

#[test]
fn a_drawing_is_xml_that_leads_nowhere_and_says_what_it_is() {
    for figure in examples::all() {
        for place in [Place::Alone, Place::Inside] {
            let svg = drawn(&figure, place);
            let (names, said) = read(&svg);
            assert_eq!(names[..3], ["svg", "title", "desc"], "{}", figure.name);
            assert!(said.contains(&escaped(&figure.title)), "{said}");
            let elements = ["svg", "title", "desc", "style", "rect", "text", "line", "path", "circle"];
            assert!(names.iter().all(|name| elements.contains(&name.as_str())), "{names:?}");
            // The name space is a name; nothing is fetched from there.
            let rest = svg.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
            for word in ["http:", "https:", "src=", "href=", "@import", "url("] {
                assert!(!rest.contains(word), "{word} in {rest}");
            }
            for word in ["NaN", "inf\"", "inf "] {
                assert!(!svg.contains(word), "{word} in {svg}");
            }
        }
    }
}

/// The numbers of the attributes of a kind.
fn numbers(svg: &str, attribute: &str) -> Vec<f64> {
    let begins = format!(" {attribute}=\"");
    svg.split(&begins).skip(1).map(|part| part.split('"').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn nothing_is_drawn_outside_the_paper() {
    for figure in examples::all() {
        let svg = drawn(&figure, Place::Alone);
        let high = numbers(&svg, "height")[0];
        for (attribute, most) in [("x", WIDTH), ("x1", WIDTH), ("x2", WIDTH), ("cx", WIDTH), ("y", high), ("y1", high)]
        {
            for number in numbers(&svg, attribute) {
                assert!((0.0..=most).contains(&number), "{attribute} {number} of {most} in {}", figure.name);
            }
        }
        assert!(numbers(&svg, "width").iter().chain(&numbers(&svg, "height")).all(|length| *length > 0.0));
    }
}

/// Where a text stands: the left and right edge, and the line it stands on.
fn places(svg: &str) -> Vec<(f64, f64, f64, String)> {
    let texts = svg.split("<text ").skip(1).filter_map(|text| text.split("</text>").next());
    let place = |text: &str| {
        let number = |name: &str| numbers(&format!(" {text}"), name)[0];
        let (x, y) = (number("x"), number("y"));
        let said = text.split('>').nth(1).unwrap().replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'");
        let said = said.replace("&quot;", "\"").replace("&amp;", "&");
        // A letter of Helvetica is about so wide on the average.
        let wide = said.chars().count() as f64 * 5.9;
        let left = match text {
            text if text.contains("\"middle\"") => x - wide / 2.0,
            text if text.contains("\"end\"") => x - wide,
            _ => x,
        };
        (left, left + wide, y, said)
    };
    texts.map(place).collect()
}

#[test]
fn no_text_runs_over_the_edge() {
    for figure in examples::all() {
        for (left, right, _, said) in places(&drawn(&figure, Place::Alone)) {
            assert!(left >= 0.0 && right <= WIDTH, "{}: \"{said}\" runs from {left} to {right}", figure.name);
        }
    }
}

#[test]
fn no_text_stands_on_another() {
    for figure in examples::all().into_iter().filter(|figure| figure.name != "evil") {
        let svg = drawn(&figure, Place::Alone);
        let places = places(&svg);
        for (index, (left, right, y, said)) in places.iter().enumerate() {
            for (other_left, other_right, other_y, other) in &places[..index] {
                let is_apart = right <= other_left || other_right <= left || (y - other_y).abs() >= 11.0;
                assert!(is_apart, "{}: \"{said}\" stands on \"{other}\"", figure.name);
            }
        }
    }
}

#[test]
fn a_figure_is_one_drawing() {
    insta::assert_snapshot!("comparison-svg", drawn(&examples::comparison(), Place::Alone));
}

/// Writes every example to a folder, to be looked at.
#[test]
#[ignore = "long: for whoever wants to see them, in the folder that FIGURES names"]
fn they_can_be_looked_at() {
    let folder = std::path::PathBuf::from(std::env::var("FIGURES").expect("a folder in FIGURES"));
    for (place, figure) in examples::all().iter().enumerate() {
        std::fs::write(folder.join(format!("{place}-{}.svg", figure.name)), drawn(figure, Place::Alone)).unwrap();
    }
}
