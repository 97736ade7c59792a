//! Which component matters, and how much: each by itself, where it stands.

use super::assembly::{Assembly, Component};
use super::up::Availability;

/// How much a component matters: every one of those in it, changed alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// What the component is called.
    pub label: String,
    /// Which of the components of that name these are, counted from 1 in the order in which they are mentioned, a group
    /// having as many as it has members. They have the same figures, and each of them matters as much as the others.
    pub places: Vec<usize>,
    /// How many components have that name.
    pub of: usize,
    /// By how much the unavailability of the whole falls when one of these that is down comes up (Birnbaum).
    pub birnbaum: f64,
    /// The share of the whole's unavailability that would go if one of these never failed and all else stayed as it is
    /// (criticality).
    pub criticality: f64,
    /// The whole, if one of these never failed and all else stayed as it is.
    pub without: Availability,
    /// The components, by their places in [`Assembly::components`].
    pub components: Vec<usize>,
}

impl Importance {
    /// What it is called where several have its name: `app (each of 2)` where all matter alike, else which of them:
    /// `app (2nd of 2)`, `app (each of 1st to 3rd of 4)`.
    ///
    /// ```
    /// use sim_models::avail::{Assembly, Block, Names};
    /// let mut names = Names::new();
    /// names.bind("a=90%").unwrap();
    /// names.bind("b=50%").unwrap();
    /// let all = Assembly::of(&Block::parse("a * b | a").unwrap(), &names).unwrap().importance();
    /// let told: Vec<String> = all.iter().map(|it| format!("{}: {:.2}", it.title(), it.birnbaum)).collect();
    /// assert_eq!(told, ["a (2nd of 2): 0.55", "b: 0.09", "a (1st of 2): 0.05"]);
    /// ```
    pub fn title(&self) -> String {
        match (self.places.as_slice(), self.of) {
            (_, 1) => self.label.clone(),
            (places, of) if places.len() == of => format!("{} (each of {of})", self.label),
            ([place], of) => format!("{} ({} of {of})", self.label, ordinal(*place)),
            (places, of) => format!("{} (each of {} of {of})", self.label, ranges(places)),
        }
    }
}

/// `1st`, `2nd`, `11th`.
pub(super) fn ordinal(number: usize) -> String {
    let end = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        (_, _) => "th",
    };
    format!("{number}{end}")
}

/// Numbers that rise, as `1st to 3rd, 7th`.
pub(super) fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            Some(_) | None => runs.push((*number, *number)),
        }
    }
    let told = |(first, last): &(usize, usize)| match last - first {
        0 => ordinal(*first),
        1 => format!("{}, {}", ordinal(*first), ordinal(*last)),
        _ => format!("{} to {}", ordinal(*first), ordinal(*last)),
    };
    runs.iter().map(told).collect::<Vec<_>>().join(", ")
}

/// Whether two chances are the same but for rounding.
pub(super) fn are_same(one: f64, other: f64) -> bool {
    /// What is nearer to the same than this, rounding may have made.
    const SAME: f64 = 1e-9;
    (one - other).abs() <= SAME * one.abs().max(other.abs())
}

/// How likely it is down, with as many digits as rounding leaves alone: what is the same stays in the order of mention.
pub(super) fn but_for_rounding(of: Availability) -> f64 {
    const BITS: i32 = 36;
    let (mantissa, exponent) = libm::frexp(of.down);
    libm::ldexp(libm::round(libm::ldexp(mantissa, BITS)), exponent - BITS)
}

impl Assembly {
    /// How much each component matters, those first without whose failures the whole would be down least. Those of one
    /// name and with the same figures that matter alike, wherever they stand, are told once; a name that stands in
    /// unlike places has a line for each.
    pub fn importance(&self) -> Vec<Importance> {
        let (parts, birnbaum) = (self.parts(), self.birnbaum());
        let components = self.components();
        let mut all: Vec<Importance> = Vec::new();
        // By label, how many there were so far.
        let mut counted: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for (at, component) in components.iter().enumerate() {
            let nth = counted.entry(&component.label).or_default();
            *nth += 1;
            let alike = |of: &&mut Importance| {
                let first = of.components[0];
                are_like(component, &components[first]) && are_same(birnbaum[at], birnbaum[first])
            };
            match all.iter_mut().find(alike) {
                Some(known) => {
                    known.places.push(*nth);
                    known.components.push(at);
                }
                None => all.push(self.alone(at, *nth, &parts, birnbaum[at])),
            }
        }
        for of in &mut all {
            of.of = counted.get(of.label.as_str()).copied().unwrap_or(1);
        }
        all.sort_by(|a, b| but_for_rounding(a.without).total_cmp(&but_for_rounding(b.without)));
        all
    }

    /// How much one component matters.
    fn alone(&self, at: usize, nth: usize, parts: &[Availability], birnbaum: f64) -> Importance {
        let down = self.availability().down;
        Importance {
            label: self.components()[at].label.clone(),
            places: vec![nth],
            of: 1,
            birnbaum,
            criticality: if down > 0.0 { birnbaum * parts[at].down / down } else { 0.0 },
            without: self.with_other(at, Availability::ALWAYS),
            components: vec![at],
        }
    }
}

fn are_like(one: &Component, other: &Component) -> bool {
    one.label == other.label && one.availability == other.availability && one.law == other.law
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::{Block, Names};

    fn importance(text: &str, lets: &[&str]) -> Vec<Importance> {
        let mut names = Names::new();
        lets.iter().for_each(|text| names.bind(text).unwrap());
        Assembly::of(&Block::parse(text).unwrap(), &names).unwrap().importance()
    }

    #[test]
    fn a_name_in_unlike_places_matters_in_each_by_itself() {
        let all = importance("a * b | a", &["a=90%", "b=50%"]);
        let told: Vec<String> = all.iter().map(Importance::title).collect();
        assert_eq!(told, ["a (2nd of 2)", "b", "a (1st of 2)"]);
        let near = |got: f64, wanted: f64| assert!((got - wanted).abs() < 1e-12, "{got}, not {wanted}: {all:#?}");
        // The second alone leaves it down never; the first alone with half a chance behind it.
        for (of, birnbaum, without) in [(&all[0], 0.55, 0.0), (&all[1], 0.09, 0.01), (&all[2], 0.05, 0.05)] {
            near(of.birnbaum, birnbaum);
            near(of.without.down, without);
        }
    }

    #[test]
    fn members_of_a_group_are_told_once_and_apart_from_one_outside() {
        let all = importance("2of3(a) * a * (a | a)", &["a=90%"]);
        let told: Vec<String> = all.iter().map(Importance::title).collect();
        assert_eq!(told, ["a (4th of 6)", "a (each of 1st to 3rd of 6)", "a (each of 5th, 6th of 6)"]);
        // One of the three that never fails leaves one of two.
        let one_of_two = 1.0 - 0.9 * 0.99 * 0.99;
        assert!((all[1].without.down - one_of_two).abs() < 1e-12, "{all:#?}");
    }

    #[test]
    fn numbers_are_told_as_people_count() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd 111th"
        );
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), "1st to 3rd, 7th, 9th, 10th");
    }
}
