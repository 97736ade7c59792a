//! What tells one series from another: colours that a colour-blind reader and a grey printer tell apart, and a shape beside each.
//!
//! The colours are those of Okabe and Ito ("Color Universal Design", 2008), in an order in which neighbours differ in lightness too.

/// How one series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dress {
    /// On white, as `#rrggbb`.
    pub(crate) light: &'static str,
    /// On black, as `#rrggbb`.
    pub(crate) dark: &'static str,
    /// The lengths of dashes and gaps of a line, as SVG writes them; empty: unbroken.
    pub(crate) dashes: &'static str,
    pub(crate) shape: Shape,
    pub(crate) fill: Fill,
    /// A point in a terminal with UTF-8, and in one without.
    pub(crate) point: [char; 2],
    /// A cell of a column in a terminal with UTF-8, and in one without.
    pub(crate) cell: [char; 2],
}

/// The shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Disc,
    Triangle,
    Square,
    Diamond,
    Ring,
    Cross,
}

/// How a column is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    Solid,
    /// Stripes from the left to the right.
    Lying,
    /// Stripes from the bottom to the top.
    Standing,
    Hollow,
}

const DRESSES: [Dress; 6] = [
    Dress {
        light: "#0072b2",
        dark: "#56b4e9",
        dashes: "",
        shape: Shape::Disc,
        fill: Fill::Solid,
        point: ['●', 'o'],
        cell: ['█', '#'],
    },
    Dress {
        light: "#e69f00",
        dark: "#e69f00",
        dashes: "7 3",
        shape: Shape::Triangle,
        fill: Fill::Lying,
        point: ['▲', 'x'],
        cell: ['▒', '='],
    },
    Dress {
        light: "#000000",
        dark: "#ffffff",
        dashes: "2 2",
        shape: Shape::Square,
        fill: Fill::Standing,
        point: ['■', '+'],
        cell: ['▓', '%'],
    },
    Dress {
        light: "#009e73",
        dark: "#009e73",
        dashes: "9 3 2 3",
        shape: Shape::Diamond,
        fill: Fill::Hollow,
        point: ['◆', '@'],
        cell: ['░', '.'],
    },
    Dress {
        light: "#d55e00",
        dark: "#d55e00",
        dashes: "12 4",
        shape: Shape::Ring,
        fill: Fill::Solid,
        point: ['○', '0'],
        cell: ['▚', '&'],
    },
    Dress {
        light: "#cc79a7",
        dark: "#cc79a7",
        dashes: "1 3",
        shape: Shape::Cross,
        fill: Fill::Lying,
        point: ['◇', '%'],
        cell: ['▞', '$'],
    },
];

/// How the series in this place looks; the seventh looks like the first.
pub(crate) fn dress(place: usize) -> &'static Dress {
    &DRESSES[place % DRESSES.len()]
}

/// How many looks there are.
pub(crate) const LOOKS: usize = DRESSES.len();

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green and blue as light, from 0 to 1 (IEC 61966-2-1).
    fn light(colour: &str) -> [f64; 3] {
        [1, 3, 5].map(|at| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn luminance(colour: &str) -> f64 {
        let [red, green, blue] = light(colour);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The lightness of CIE 1976, from 0 for black to 100 for white.
    fn lightness(colour: &str) -> f64 {
        116.0 * luminance(colour).cbrt() - 16.0
    }

    /// The contrast of WCAG 2.2.
    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn a_grey_printer_tells_the_first_four_apart() {
        for (place, one) in DRESSES[..4].iter().enumerate() {
            for other in &DRESSES[..place] {
                let apart = (lightness(one.light) - lightness(other.light)).abs();
                assert!(apart >= 11.0, "{} and {} differ by {apart:.1} in lightness", one.light, other.light);
            }
        }
    }

    #[test]
    fn every_series_has_a_shape_a_dash_and_letters_of_its_own() {
        for (place, one) in DRESSES.iter().enumerate() {
            for other in &DRESSES[..place] {
                assert_ne!(one.shape, other.shape);
                assert_ne!(one.dashes, other.dashes);
                assert!(one.point[0] != other.point[0] && one.point[1] != other.point[1]);
                assert!(one.cell[0] != other.cell[0] && one.cell[1] != other.cell[1]);
                assert_ne!((one.light, one.fill), (other.light, other.fill));
            }
        }
    }

    #[test]
    fn every_colour_stands_out_from_its_paper() {
        for dress in &DRESSES {
            // Orange has the least on white; its dashes, its triangles and its stripes are drawn thick for it.
            assert!(contrast(dress.light, "#ffffff") >= 2.0, "{}", dress.light);
            assert!(contrast(dress.dark, "#17191c") >= 3.0, "{}", dress.dark);
        }
    }

    /// The matrices of Viénot, Brettel and Mollon (Color Research and Application 24, 1999) for readers without red or green
    /// cones, over linear light.
    #[test]
    fn a_colour_blind_reader_tells_the_first_four_apart() {
        const WITHOUT_RED: [[f64; 3]; 3] = [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]];
        const WITHOUT_GREEN: [[f64; 3]; 3] =
            [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]];
        let seen = |matrix: [[f64; 3]; 3], colour: &str| {
            let light = light(colour);
            matrix.map(|row| row.iter().zip(light).map(|(factor, light)| factor * light).sum::<f64>())
        };
        for matrix in [WITHOUT_RED, WITHOUT_GREEN] {
            for (place, one) in DRESSES[..4].iter().enumerate() {
                for other in &DRESSES[..place] {
                    let (one, other) = (seen(matrix, one.light), seen(matrix, other.light));
                    let apart = one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt();
                    assert!(apart >= 0.1, "{one:?} and {other:?} are {apart:.3} apart");
                }
            }
        }
    }
}
