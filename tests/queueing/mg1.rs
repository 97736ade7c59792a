//! One server, Poisson arrivals, any service: only its first two moments matter to the mean wait.
//!
//! Pollaczek 1930, Khinchine 1932. How long to run: the average over time of the work in the system V has the asymptotic variance
//! (E V³ − E V · E V²) / (1 − ρ), because v² / 2(1 − ρ) solves Poisson's equation for it, and (n + 1)(1 − ρ) E Vⁿ =
//! λ Σ C(n + 1, k) E Sᵏ E Vⁿ⁺¹⁻ᵏ over k from 2. A lognormal of squared variation 9 has E S⁴ = 10⁶, and takes longest. The Pareto has
//! no third moment, so that the average wait has no variance and converges like the cube root, were it not for what is taken away as
//! chance in the services.

use faultline_tests::closed_forms::{confirm, pollaczek_khinchine};
use faultline_tests::replications::{Figure, check};
use serde_json::{Value, json};
use sim_core::{Dist, Duration, Ratio};
use sim_models::station::Station;

use super::machines::{Desk, REPLICATIONS, replicate_one};
use super::watch::{Limits, Replication, Window};

/// A service of mean 1: name, squared coefficient of variation, steps, and the figures L, W and Wq at loads 0.5, 0.8 and 0.9.
struct Law {
    name: &'static str,
    scv: f64,
    steps: fn() -> Value,
    /// Whether a few services are so long that chance in them is taken away.
    uneven: bool,
    width: f64,
    figures: [[f64; 3]; 3],
}

const LOADS: [f64; 3] = [0.5, 0.8, 0.9];

const LAWS: [Law; 8] = [
    Law {
        name: "deterministic",
        scv: 0.0,
        steps: || json!([{"work": "1s"}]),
        uneven: false,
        width: 0.03,
        figures: [[0.75, 1.5, 0.5], [2.4, 3.0, 2.0], [4.95, 5.5, 4.5]],
    },
    Law {
        name: "erlang-2",
        scv: 0.5,
        steps: || json!([{"work": {"exponential": "500ms"}}, {"work": {"exponential": "500ms"}}]),
        uneven: false,
        width: 0.03,
        figures: [[0.875, 1.75, 0.75], [3.2, 4.0, 3.0], [6.975, 7.75, 6.75]],
    },
    Law {
        name: "uniform",
        scv: 1.0 / 3.0,
        steps: || json!([{"work": {"uniform": ["0s", "2s"]}}]),
        uneven: false,
        width: 0.03,
        figures: [
            [0.8333333333333334, 1.6666666666666667, 0.6666666666666666],
            [2.933333333333333, 3.6666666666666665, 2.6666666666666665],
            [6.3, 7.0, 6.0],
        ],
    },
    Law {
        name: "exponential",
        scv: 1.0,
        steps: || json!([{"work": {"exponential": "1s"}}]),
        uneven: false,
        width: 0.03,
        figures: [[1.0, 2.0, 1.0], [4.0, 5.0, 4.0], [9.0, 10.0, 9.0]],
    },
    // One in five is of mean 1 + √6, the others of (4 − √6)/4: mean 1, E S² = 5.
    Law {
        name: "two exponentials",
        scv: 4.0,
        steps: || json!([{"work": {"mix": {"80%": {"exponential": "387627564ns"}, "20%": {"exponential": "3449489743ns"}}}}]),
        uneven: true,
        width: 0.03,
        figures: [[1.75, 3.5, 2.5], [8.8, 11.0, 10.0], [21.15, 23.5, 22.5]],
    },
    // The logarithm has variance ln 10, so that the mean is √10 medians.
    Law {
        name: "lognormal",
        scv: 9.0,
        steps: || json!([{"work": {"lognormal": {"median": "316227766ns", "sigma": 1.5174271293851464}}}]),
        uneven: true,
        width: 0.03,
        figures: [[3.0, 6.0, 5.0], [16.8, 21.0, 20.0], [41.4, 46.0, 45.0]],
    },
    Law {
        name: "pareto",
        scv: 1.0 / 3.0,
        steps: || json!([{"work": {"pareto": {"min": "666666667ns", "alpha": 3}}}]),
        uneven: true,
        width: 0.03,
        figures: [
            [0.8333333333333334, 1.6666666666666667, 0.6666666666666666],
            [2.933333333333333, 3.6666666666666665, 2.6666666666666665],
            [6.3, 7.0, 6.0],
        ],
    },
    // 1 ms for 99 %, 100 ms for 1 %, in units of their mean.
    Law {
        name: "one in a hundred a hundred times as long",
        scv: 24.501881265624604,
        steps: || json!([{"work": {"mix": {"99%": "502512563ns", "1%": "50251256281ns"}}}]),
        uneven: true,
        width: 0.03,
        figures: [
            [6.875470316406151, 13.750940632812302, 12.750940632812302],
            [41.60301002499937, 52.00376253124921, 51.00376253124921],
            [104.18261912577965, 115.75846569531072, 114.75846569531072],
        ],
    },
];

const DETERMINISTIC: usize = 0;
const TWO_EXPONENTIALS: usize = 4;
const LOGNORMAL: usize = 5;
const PARETO: usize = 6;
const BIMODAL: usize = 7;

fn hold(law: &Law, load: usize, how: &str, seen: &[Replication]) {
    let slips = |r: &Replication| if law.uneven { slips(law, load, r) } else { [0.0; 3] };
    let figure = |name: &str, nth: usize, of: &dyn Fn(&Replication) -> f64| {
        let values = seen.iter().map(|r| of(r) - slips(r)[nth]).collect();
        Figure::new(name, values, law.figures[load][nth], law.width)
    };
    let figures = [
        figure("L", 0, &Replication::number),
        figure("W", 1, &|r| r.stays.mean()),
        figure("Wq", 2, &|r| r.waits.mean()),
    ];
    check(&format!("M/G/1 {} {}, {how}", law.name, LOADS[load]), &figures);
}

/// By how much chance moved L, W and Wq of a replication: it had more customers, and longer and more uneven services, than is so on
/// average.
///
/// Less these the figures of uneven services are known sooner: they are control variates (Lavenberg and Welch, A perspective on the
/// use of control variables to increase the efficiency of Monte Carlo simulations, Management Science 27, 1981). What is taken
/// away is nothing on average, whatever it is multiplied with, so that no figure is moved; the multipliers are fixed beforehand, so
/// that replications stay independent. With the slopes of the closed form the fourth moment drops out: of the asymptotic variance,
/// λ (m₂ E V² + m₃ E V + m₄ / 4) / (1 − ρ)², there is λ m₂ Var V / (1 − ρ)² left.
fn slips(law: &Law, load: usize, r: &Replication) -> [f64; 3] {
    let (rho, m2, [_, stay, _]) = (LOADS[load], 1.0 + law.scv, law.figures[load]);
    let [rate, work, square] = r.inputs();
    let (rate, work, square) = (rate - rho, work - 1.0, square - m2);
    let spare = 2.0 * (1.0 - rho);
    let wait = 2.0 * m2 / (spare * spare) * (rate + rho * rho * work) + rho / spare * square;
    [rho * (wait + work) + stay * rate, wait + work, wait]
}

fn by_file(law: &Law, load: usize, units: f64) {
    let desk = Desk::new(json!({"workers": 1}), (law.steps)());
    hold(law, load, "file", &desk.replicate(LOADS[load], Window::of(units, REPLICATIONS), &Limits::default()));
}

fn by_station(law: &Law, dist: Dist, load: usize, units: f64) {
    let station = Station::new(1, dist);
    let seen = replicate_one(&station, LOADS[load], Window::of(units, REPLICATIONS), &Limits::default());
    hold(law, load, "station", &seen);
}

#[test]
fn the_figures_are_those_of_pollaczek_and_khinchine() {
    for law in &LAWS {
        for (load, [number, stay, wait]) in LOADS.into_iter().zip(law.figures) {
            let calculated = pollaczek_khinchine(load, law.scv);
            confirm(law.name, calculated, wait);
            confirm(law.name, calculated + 1.0, stay);
            confirm(law.name, load * (calculated + 1.0), number);
        }
    }
}

#[test]
fn the_wait_behind_fixed_and_behind_uneven_services_comes_out() {
    by_file(&LAWS[DETERMINISTIC], 1, 2e6);
    by_file(&LAWS[TWO_EXPONENTIALS], 0, 2e6);
}

#[test]
#[ignore = "long: 75 million customers"]
fn the_wait_behind_even_services_comes_out_of_a_file() {
    for law in LAWS.iter().filter(|law| !law.uneven) {
        [2.2e6, 3.8e6, 1.4e7].into_iter().enumerate().for_each(|(load, units)| by_file(law, load, units));
    }
}

#[test]
#[ignore = "long: 70 million customers"]
fn the_wait_behind_uneven_services_comes_out_of_a_file() {
    for (law, units) in [
        (PARETO, &[3e6, 6e6, 1.2e7][..]),
        (BIMODAL, &[1e7, 2.2e7]),
        (TWO_EXPONENTIALS, &[4e6, 6e6]),
        (LOGNORMAL, &[1e7, 2.6e7]),
    ] {
        units.iter().enumerate().for_each(|(load, units)| by_file(&LAWS[law], load, *units));
    }
}

#[test]
#[ignore = "long: 140 million customers"]
fn the_wait_behind_very_uneven_services_comes_out_of_a_station() {
    let share = |percent| Ratio::new(percent, 100).expect("a ratio");
    let mix = |parts| Dist::mix(parts).expect("a mix");
    let exponential = |nanos| Dist::Exponential(Duration::from_nanos(nanos));
    let two = mix(vec![(share(80), exponential(387_627_564)), (share(20), exponential(3_449_489_743))]);
    by_station(&LAWS[TWO_EXPONENTIALS], two, 2, 1.6e7);
    let lognormal = Dist::log_normal(Duration::from_nanos(316_227_766), 1.517_427_129_385_146_4);
    by_station(&LAWS[LOGNORMAL], lognormal.expect("a distribution"), 2, 5.6e7);
    let constant = |nanos| Dist::Constant(Duration::from_nanos(nanos));
    let bimodal = mix(vec![(share(99), constant(502_512_563)), (share(1), constant(50_251_256_281))]);
    by_station(&LAWS[BIMODAL], bimodal, 2, 7e7);
}
