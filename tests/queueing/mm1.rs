//! One server, Poisson arrivals, exponential service; without and with an end to the line.
//!
//! Kleinrock, Queueing Systems I, sections 3.2 and 3.6.

use faultline_tests::closed_forms::{BirthDeath, confirm};
use faultline_tests::replications::{Figure, check};
use serde_json::json;
use sim_core::{Dist, Duration};
use sim_models::station::Station;

use super::machines::{Desk, REPLICATIONS, replicate_one};
use super::watch::{Limits, Replication, Window};

const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
const WIDTH: f64 = 0.02;

/// The figures of one load, service of mean 1.
struct Row {
    rho: f64,
    number: f64,
    waiting: f64,
    stay: f64,
    wait: f64,
    variance: f64,
    stays: [f64; 4],
    waits: [f64; 4],
    ten: f64,
    busy_period: f64,
    asymptotic_variance: f64,
}

const HALF: Row = Row {
    rho: 0.5,
    number: 1.0,
    waiting: 0.5,
    stay: 2.0,
    wait: 1.0,
    variance: 2.0,
    stays: [1.3862943611198906, 4.605170185988092, 9.210340371976184, 13.815510557964274],
    waits: [0.0, 3.2188758248682006, 7.824046010856292, 12.429216196844383],
    ten: 0.0009765625,
    busy_period: 2.0,
    asymptotic_variance: 24.0,
};

const FOUR_FIFTHS: Row = Row {
    rho: 0.8,
    number: 4.0,
    waiting: 3.2,
    stay: 5.0,
    wait: 4.0,
    variance: 20.0,
    stays: [3.4657359027997265, 11.512925464970229, 23.025850929940457, 34.538776394910684],
    waits: [2.3500181462286776, 10.39720770839918, 21.91013317336941, 33.42305863833964],
    ten: 0.1073741824,
    busy_period: 5.0,
    asymptotic_variance: 1800.0,
};

const NINE_TENTHS: Row = Row {
    rho: 0.9,
    number: 9.0,
    waiting: 8.1,
    stay: 10.0,
    wait: 9.0,
    variance: 90.0,
    stays: [6.931471805599453, 23.025850929940457, 46.051701859880914, 69.07755278982137],
    waits: [5.87786664902119, 21.972245773362193, 44.99809670330265, 68.02394763324311],
    ten: 0.3486784401,
    busy_period: 10.0,
    asymptotic_variance: 34200.0,
};

const NINETEEN_TWENTIETHS: Row = Row {
    rho: 0.95,
    number: 19.0,
    waiting: 18.05,
    stay: 20.0,
    wait: 19.0,
    variance: 380.0,
    stays: [13.862943611198906, 46.051701859880914, 92.10340371976183, 138.15510557964274],
    waits: [12.837077723447896, 45.025835972129904, 91.07753783201082, 137.12923969189174],
    ten: 0.5987369392383789,
    busy_period: 20.0,
    asymptotic_variance: 592800.0,
};

/// How much is asked of a run: each asks all that those before it ask, and for longer.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Depth {
    /// Means, medians and nine tenths.
    Middle,
    /// The spread, and the 99th percentiles.
    Tail,
    /// The 99.9th percentiles, and ten or more in the system.
    FarTail,
}

impl Row {
    fn quantiles(&self, of: &[f64; 4], depth: Depth) -> Vec<(f64, f64)> {
        let deep = match depth {
            Depth::Middle => 2,
            Depth::Tail => 3,
            Depth::FarTail => 4,
        };
        let asked = of.iter().zip(SHARES).take(deep).filter(|(quantile, _)| **quantile > 0.0);
        asked.map(|(quantile, share)| (*quantile, share)).collect()
    }

    fn limits(&self, depth: Depth) -> Limits {
        let around = |(quantile, _): (f64, f64)| [1.0 - WIDTH, 1.0, 1.0 + WIDTH].map(|by| by * quantile);
        let all = |of| self.quantiles(of, depth).into_iter().flat_map(around).collect();
        Limits { waits: all(&self.waits), stays: all(&self.stays) }
    }

    fn figures(&self, seen: &[Replication], depth: Depth) -> Vec<Figure> {
        let figure = |name: &str, of: &dyn Fn(&Replication) -> f64, truth| {
            Figure::new(name, seen.iter().map(of).collect(), truth, WIDTH)
        };
        let mut figures = vec![
            figure("L", &Replication::number, self.number),
            figure("Lq", &Replication::waiting, self.waiting),
            figure("W", &|r| r.stays.mean(), self.stay),
            figure("Wq", &|r| r.waits.mean(), self.wait),
            figure("share that waits", &|r| r.waits.share_positive(), self.rho),
            figure("busy period", &Replication::busy_period, self.busy_period),
        ];
        let three = |beyond: &dyn Fn(usize) -> f64, nth: usize| [0, 1, 2].map(|near| beyond(3 * nth + near));
        for (nth, (quantile, share)) in self.quantiles(&self.stays, depth).into_iter().enumerate() {
            let shares: Vec<_> = seen.iter().map(|r| three(&|limit| r.stays.share_beyond(limit), nth)).collect();
            figures.push(Figure::quantile(format!("stay p{}", 100.0 * share), &shares, (quantile, 1.0 - share), WIDTH));
        }
        for (nth, (quantile, share)) in self.quantiles(&self.waits, depth).into_iter().enumerate() {
            let shares: Vec<_> = seen.iter().map(|r| three(&|limit| r.waits.share_beyond(limit), nth)).collect();
            figures.push(Figure::quantile(format!("wait p{}", 100.0 * share), &shares, (quantile, 1.0 - share), WIDTH));
        }
        if depth >= Depth::Tail {
            // About the mean of all replications: about its own, each would lose the variance of that.
            let mean = seen.iter().map(Replication::number).sum::<f64>() / seen.len() as f64;
            let spread = |r: &Replication| r.over_time(|n| (n as f64 - mean) * (n as f64 - mean));
            figures.push(figure("variance of N", &spread, self.variance));
        }
        if depth >= Depth::FarTail {
            figures.push(figure("N >= 10", &|r| r.over_time(|n| f64::from(u8::from(n >= 10))), self.ten));
        }
        figures
    }

    /// A service in a scenario file, over so many units in all.
    fn by_file(&self, units: f64, depth: Depth) {
        let desk = Desk::new(json!({"workers": 1}), json!([{"work": {"exponential": "1s"}}]));
        let seen = desk.replicate(self.rho, Window::of(units, REPLICATIONS), &self.limits(depth));
        check(&format!("M/M/1 {}, file", self.rho), &self.figures(&seen, depth));
    }

    /// A station among actors.
    fn by_station(&self, units: f64, depth: Depth) {
        let station = Station::new(1, Dist::Exponential(Duration::from_secs(1)));
        let seen = replicate_one(&station, self.rho, Window::of(units, REPLICATIONS), &self.limits(depth));
        check(&format!("M/M/1 {}, station", self.rho), &self.figures(&seen, depth));
    }
}

#[test]
fn the_figures_are_those_of_the_closed_forms() {
    for row in [&HALF, &FOUR_FIFTHS, &NINE_TENTHS, &NINETEEN_TWENTIETHS] {
        let (rho, what) = (row.rho, format!("rho {}", row.rho));
        let confirm = |calculated, figure| confirm(&what, calculated, figure);
        confirm(rho / (1.0 - rho), row.number);
        confirm(rho * rho / (1.0 - rho), row.waiting);
        confirm(1.0 / (1.0 - rho), row.stay);
        confirm(rho / (1.0 - rho), row.wait);
        confirm(rho / (1.0 - rho) / (1.0 - rho), row.variance);
        confirm(libm::pow(rho, 10.0), row.ten);
        confirm(1.0 / (1.0 - rho), row.busy_period);
        for (nth, share) in SHARES.into_iter().enumerate() {
            confirm(-libm::log(1.0 - share) / (1.0 - rho), row.stays[nth]);
            confirm((libm::log(rho / (1.0 - share)) / (1.0 - rho)).max(0.0), row.waits[nth]);
        }
        confirm(2.0 * rho * (1.0 + rho) / libm::pow(1.0 - rho, 4.0), row.asymptotic_variance);
        let chain = BirthDeath::new((40.0 / (1.0 - rho)) as usize, |_| rho, |_| 1.0);
        confirm(chain.mean(|n| n as f64), row.number);
        confirm(chain.asymptotic_variance(|n| n as f64), row.asymptotic_variance);
    }
}

#[test]
fn at_half_load_the_middle_comes_out_of_a_file() {
    HALF.by_file(3.2e6, Depth::Middle);
}

#[test]
fn at_half_load_the_middle_comes_out_of_a_station() {
    HALF.by_station(3.6e6, Depth::Middle);
}

#[test]
#[ignore = "long: 10 million customers"]
fn at_half_load_the_tail_and_at_four_fifths_the_middle_come_out_of_a_file() {
    HALF.by_file(1e7, Depth::Tail);
    FOUR_FIFTHS.by_file(7e6, Depth::Middle);
}

#[test]
#[ignore = "long: 110 million customers"]
fn at_nine_tenths_and_more_the_middle_comes_out_of_a_file() {
    NINE_TENTHS.by_file(2.7e7, Depth::Middle);
    NINETEEN_TWENTIETHS.by_file(9e7, Depth::Middle);
}

#[test]
#[ignore = "long: 350 million customers"]
fn at_half_load_and_four_fifths_the_far_tails_come_out_of_a_station() {
    HALF.by_station(5.5e8, Depth::FarTail);
    FOUR_FIFTHS.by_station(7e7, Depth::FarTail);
}

#[test]
#[ignore = "long: 250 million customers"]
fn at_nine_tenths_the_far_tails_come_out_of_a_station() {
    NINE_TENTHS.by_station(2.6e8, Depth::FarTail);
}

#[test]
#[ignore = "long: 1,200 million customers"]
fn at_nineteen_twentieths_the_far_tails_come_out_of_a_station() {
    NINETEEN_TWENTIETHS.by_station(1.25e9, Depth::FarTail);
}

/// M/M/1/K: the load, the room with the one in service, and the figures: turned away, L, throughput, W of who is let in.
type Room = (u32, f64, [f64; 4]);

const ROOMS: [Room; 9] = [
    (1, 0.8, [0.4444444444444444, 0.4444444444444444, 0.4444444444444444, 1.0]),
    (1, 1.0, [0.5, 0.5, 0.5, 1.0]),
    (1, 1.2, [0.5454545454545454, 0.5454545454545454, 0.5454545454545454, 1.0]),
    (5, 0.8, [0.08881949865556422, 1.8683320322664585, 0.7289444010755486, 2.5630652070442648]),
    (5, 1.0, [0.16666666666666666, 2.5, 0.8333333333333334, 3.0]),
    (5, 1.2, [0.2505881215558635, 3.021172376011086, 0.8992942541329638, 3.3594925822403785]),
    (10, 0.8, [0.023492857579905605, 2.9663142664841535, 0.7812057139360755, 3.797097503983286]),
    (10, 1.0, [0.09090909090909091, 5.0, 0.9090909090909091, 5.5]),
    (10, 1.2, [0.19258649512680603, 6.7107086783691985, 0.9688962058478328, 6.926137844142956]),
];

fn room((room, rho, figures): &Room, units: f64) {
    let desk = Desk::new(json!({"workers": 1, "queue": room - 1}), json!([{"work": {"exponential": "1s"}}]));
    let seen = desk.replicate(*rho, Window::of(units, REPLICATIONS), &Limits::default());
    let values: [&dyn Fn(&Replication) -> f64; 4] =
        [&Replication::share_turned_away, &Replication::number, &Replication::throughput, &|r| r.stays.mean()];
    let names = ["turned away", "L", "throughput", "W"];
    let figures = values.iter().zip(names).zip(figures);
    let figures = figures.map(|((of, name), truth)| Figure::new(name, seen.iter().map(of).collect(), *truth, WIDTH));
    check(&format!("M/M/1/{room} {rho}"), &figures.collect::<Vec<_>>());
}

#[test]
fn the_figures_of_a_room_are_those_of_the_closed_forms() {
    for (room, rho, [away, number, throughput, stay]) in ROOMS {
        let what = format!("M/M/1/{room} {rho}");
        let chain = BirthDeath::new(room as usize + 1, |_| rho, |_| 1.0);
        let full = chain.shares()[room as usize];
        let terms = |power: fn(f64) -> f64| (0..=room).map(move |n| power(f64::from(n)) * libm::pow(rho, f64::from(n)));
        confirm(&what, libm::pow(rho, f64::from(room)) / terms(|_| 1.0).sum::<f64>(), away);
        confirm(&what, full, away);
        confirm(&what, terms(|n| n).sum::<f64>() / terms(|_| 1.0).sum::<f64>(), number);
        confirm(&what, rho * (1.0 - full), throughput);
        confirm(&what, number / throughput, stay);
    }
}

#[test]
fn a_full_room_turns_away_as_many_as_it_should() {
    room(&ROOMS[2], 1.2e5);
    room(&ROOMS[5], 6e5);
}

#[test]
#[ignore = "long: 20 million customers"]
fn every_room_turns_away_as_many_as_it_should() {
    // A room of ten that is rarely full takes longest: the asymptotic variance says 9.2 million units.
    for row in &ROOMS {
        let units = match row {
            (10, rho, _) if *rho < 1.0 => 1.3e7,
            (10, ..) => 3.5e6,
            _ => 2e6,
        };
        room(row, units);
    }
}
