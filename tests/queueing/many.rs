//! Several servers: who waits for one, who is lost when all are busy, and how many are there when there is always one.

use faultline_tests::closed_forms::{BirthDeath, confirm, erlang_b, erlang_c, load_that_loses};
use faultline_tests::replications::{Figure, check};
use serde_json::{Value, json};
use sim_core::{Dist, Duration};
use sim_models::station::Station;

use super::machines::{Desk, REPLICATIONS, replicate_one};
use super::watch::{Limits, Replication, Window};

/// M/M/c: servers, offered load, and the figures. Erlang 1917; Kleinrock, Queueing Systems I, section 3.5.
struct Row {
    servers: u32,
    load: f64,
    waits: f64,
    wait: f64,
    stay: f64,
    waiting: f64,
    number: f64,
    waits_a_service: f64,
    wait_p99: f64,
}

const fn row(servers: u32, load: f64, figures: [f64; 7]) -> Row {
    let [waits, wait, stay, waiting, number, waits_a_service, wait_p99] = figures;
    Row { servers, load, waits, wait, stay, waiting, number, waits_a_service, wait_p99 }
}

const ROWS: [Row; 7] = [
    row(
        2,
        1.6,
        [
            0.7111111111111111,
            1.7777777777777777,
            2.7777777777777777,
            2.8444444444444446,
            4.444444444444445,
            0.4766720327364546,
            10.660608997543745,
        ],
    ),
    row(
        3,
        2.4,
        [
            0.647191011235955,
            1.0786516853932584,
            2.0786516853932584,
            2.58876404494382,
            4.98876404494382,
            0.35518595774175193,
            6.950093973262995,
        ],
    ),
    row(
        5,
        4.0,
        [
            0.5541125541125541,
            0.5541125541125541,
            1.5541125541125542,
            2.2164502164502164,
            6.216450216450217,
            0.203846616753007,
            4.014782739385915,
        ],
    ),
    row(
        10,
        8.0,
        [
            0.40918015079644354,
            0.20459007539822177,
            1.2045900753982217,
            1.6367206031857742,
            9.636720603185774,
            0.055376511602836576,
            1.8557852162834185,
        ],
    ),
    row(
        10,
        9.5,
        [
            0.8255855781256987,
            1.6511711562513973,
            2.6511711562513973,
            15.686125984388275,
            25.186125984388273,
            0.5007429653498159,
            8.827015666450357,
        ],
    ),
    row(
        50,
        45.0,
        [
            0.3638644672069884,
            0.07277289344139767,
            1.0727728934413976,
            3.2747802048628953,
            48.27478020486289,
            0.0024516994948911596,
            0.7188392724935889,
        ],
    ),
    row(
        100,
        95.0,
        [
            0.5064568539130206,
            0.10129137078260411,
            1.1012913707826042,
            9.622680224347391,
            104.62268022434739,
            0.003412479438989504,
            0.784970808458868,
        ],
    ),
];

const WIDTH: f64 = 0.02;

/// What is asked of a run.
#[derive(Clone, Copy, PartialEq)]
enum Asked {
    /// How many there are, how long they stay, how many wait.
    Numbers,
    /// The mean wait and its 99th percentile too.
    Waits,
    /// The share that waits longer than a service too.
    LongWaits,
}

impl Row {
    fn limits(&self) -> Limits {
        // The share beyond a whole service comes last, wherever it lies among the others.
        let mut waits: Vec<f64> = [1.0 - WIDTH, 1.0, 1.0 + WIDTH].iter().map(|by| by * self.wait_p99).collect();
        waits.push(1.0);
        waits.sort_by(f64::total_cmp);
        Limits { waits, stays: Vec::new() }
    }

    fn figures(&self, seen: &[Replication], asked: Asked) -> Vec<Figure> {
        let figure = |name: &str, of: &dyn Fn(&Replication) -> f64, truth| {
            Figure::new(name, seen.iter().map(of).collect(), truth, WIDTH)
        };
        let limits = self.limits().waits;
        let limit = |seconds: f64| limits.iter().position(|limit| *limit == seconds).expect("a limit");
        let mut figures = vec![
            figure("share that waits", &|r| r.waits.share_positive(), self.waits),
            figure("L", &Replication::number, self.number),
            figure("W", &|r| r.stays.mean(), self.stay),
        ];
        if asked != Asked::Numbers {
            figures.push(figure("Lq", &Replication::waiting, self.waiting));
            figures.push(figure("Wq", &|r| r.waits.mean(), self.wait));
            let near = [1.0 - WIDTH, 1.0, 1.0 + WIDTH].map(|by| limit(by * self.wait_p99));
            let shares: Vec<_> = seen.iter().map(|r| near.map(|limit| r.waits.share_beyond(limit))).collect();
            figures.push(Figure::quantile("wait p99", &shares, (self.wait_p99, 0.01), WIDTH));
        }
        if asked == Asked::LongWaits {
            let one = limit(1.0);
            figures.push(figure("waits a service", &|r| r.waits.share_beyond(one), self.waits_a_service));
        }
        figures
    }

    fn by_file(&self, units: f64, asked: Asked) {
        let desk = Desk::new(json!({"workers": self.servers}), json!([{"work": {"exponential": "1s"}}]));
        let seen = desk.replicate(self.load, Window::of(units, REPLICATIONS), &self.limits());
        check(&format!("M/M/{} {}, file", self.servers, self.load), &self.figures(&seen, asked));
    }

    fn by_station(&self, units: f64, asked: Asked) {
        let station = Station::new(self.servers, Dist::Exponential(Duration::from_secs(1)));
        let seen = replicate_one(&station, self.load, Window::of(units, REPLICATIONS), &self.limits());
        check(&format!("M/M/{} {}, station", self.servers, self.load), &self.figures(&seen, asked));
    }
}

#[test]
fn the_figures_are_those_of_erlang_c() {
    for Row { servers, load, waits, wait, stay, waiting, number, waits_a_service, wait_p99 } in ROWS {
        let what = format!("M/M/{servers} {load}");
        let c = erlang_c(servers, load);
        let spare = f64::from(servers) - load;
        confirm(&what, c, waits);
        confirm(&what, c / spare, wait);
        confirm(&what, c / spare + 1.0, stay);
        confirm(&what, load * c / spare, waiting);
        confirm(&what, load * c / spare + load, number);
        confirm(&what, c * libm::exp(-spare), waits_a_service);
        confirm(&what, libm::log(c / 0.01) / spare, wait_p99);
        let chain = BirthDeath::new(
            servers as usize + (40.0 * f64::from(servers) / spare) as usize,
            |_| load,
            |n| f64::from(servers.min(n as u32)),
        );
        confirm(&what, chain.mean(|n| f64::from(u8::from(n >= servers as usize))), waits);
    }
}

#[test]
fn five_servers_and_ten_are_as_full_as_they_should_be() {
    ROWS[2].by_file(5.5e5, Asked::Numbers);
    ROWS[3].by_station(3e5, Asked::Numbers);
}

#[test]
#[ignore = "long: 120 million customers"]
fn several_workers_of_a_file_are_as_full_as_they_should_be() {
    // By asymptotic variance the 99th percentile takes longest, and with ten servers the share that waits a service.
    for (row, units) in ROWS.iter().zip([7.5e6, 7.5e6, 4.2e6, 5.8e6]) {
        row.by_file(units, Asked::LongWaits);
    }
    for (row, units) in ROWS[4..6].iter().zip([5.2e6, 3.4e5]) {
        row.by_file(units, Asked::Numbers);
    }
}

#[test]
#[ignore = "long: 27 million customers"]
fn a_hundred_workers_of_a_file_are_as_full_as_they_should_be() {
    ROWS[6].by_file(2.8e5, Asked::Numbers);
}

#[test]
#[ignore = "long: 320 million customers"]
fn who_comes_to_ten_busy_servers_waits_as_long_as_they_should() {
    ROWS[4].by_station(3.1e7, Asked::LongWaits);
}

#[test]
#[ignore = "long: 160 million customers"]
fn who_comes_to_fifty_busy_servers_waits_as_long_as_they_should() {
    ROWS[5].by_station(3.3e6, Asked::Waits);
}

#[test]
#[ignore = "long: 420 million customers"]
fn who_comes_to_a_hundred_busy_servers_waits_as_long_as_they_should() {
    ROWS[6].by_station(4e6, Asked::Waits);
}

/// Erlang B: servers, offered load, the share that is lost. A. K. Erlang, 1917.
const LOSSES: [(u32, f64, f64); 9] = [
    (1, 1.0, 0.5),
    (2, 1.0, 0.2),
    (5, 3.0, 0.11005434782608696),
    (10, 5.0, 0.018384570336648132),
    (10, 4.46, 0.009985278363173837),
    (20, 12.03, 0.00999586791306609),
    (50, 37.9, 0.009995398068328037),
    (100, 84.06, 0.00999170258802648),
    (100, 100.0, 0.07570045271086097),
];

/// The offered load at which 1 % is lost, and as the tables of traffic engineering print it, to their three digits.
const ONE_PERCENT: [(u32, f64, f64); 7] = [
    (1, 0.010101010101010102, 0.0101),
    (2, 0.15259329272389782, 0.153),
    (5, 1.3607867966625458, 1.36),
    (10, 4.461176857577692, 4.46),
    (20, 12.030614594900944, 12.0),
    (50, 37.9013980885249, 37.9),
    (100, 84.06415889394775, 84.1),
];

/// Services of mean 1 that are as different as can be: the share that is lost does not ask which.
fn holding_times() -> [(&'static str, Value); 3] {
    [
        ("deterministic", json!("1s")),
        ("exponential", json!({"exponential": "1s"})),
        // The mean is √e medians, the squared coefficient of variation e − 1.
        ("lognormal", json!({"lognormal": {"median": "606530660ns", "sigma": 1}})),
    ]
}

fn losses((servers, load, lost): (u32, f64, f64), units: f64) {
    for (law, work) in holding_times() {
        let desk = Desk::new(json!({"workers": servers, "queue": 0}), json!([{"work": work}]));
        let seen = desk.replicate(load, Window::of(units, REPLICATIONS), &Limits::default());
        let values = seen.iter().map(Replication::share_turned_away).collect();
        check(&format!("M/G/{servers}/{servers} {load}, {law}"), &[Figure::new("lost", values, lost, 0.03)]);
    }
}

#[test]
fn the_figures_are_those_of_erlang_b() {
    for (servers, load, lost) in LOSSES {
        confirm("Erlang B", erlang_b(servers, load), lost);
        let chain = BirthDeath::new(servers as usize + 1, |_| load, |n| n as f64);
        confirm("birth and death", chain.shares()[servers as usize], lost);
    }
    for (servers, load, printed) in ONE_PERCENT {
        confirm("load that loses 1 %", load_that_loses(servers, 0.01), load);
        let digits = libm::pow(10.0, 2.0 - libm::floor(libm::log10(printed)));
        assert!((load - printed).abs() * digits <= 0.51, "{servers}: {load}, not {printed}");
    }
}

#[test]
fn what_is_lost_does_not_ask_how_services_are_spread() {
    losses(LOSSES[1], 2.2e5);
    losses(LOSSES[2], 1.8e5);
}

#[test]
#[ignore = "long: 170 million customers"]
fn what_every_number_of_servers_loses_does_not_ask_how_services_are_spread() {
    // By asymptotic variance of exponential services, and half as much again.
    let units = [5e4, 2.2e5, 1.8e5, 6e5, 1e6, 7e5, 4.5e5, 3.2e5, 5e4];
    LOSSES.into_iter().zip(units).for_each(|(row, units)| losses(row, units));
}

/// M/G/∞ at an offered load of 7.3: the number in the system is Poisson.
const CROWD: f64 = 7.3;
const NOBODY: f64 = 0.0006755387751938443;
const TWELVE: f64 = 0.06808116218357087;

fn crowd(title: &str, seen: &[Replication], nobody: bool) {
    let figure =
        |name, of: &dyn Fn(&Replication) -> f64, truth| Figure::new(name, seen.iter().map(of).collect(), truth, WIDTH);
    let mean = seen.iter().map(Replication::number).sum::<f64>() / seen.len() as f64;
    let mut figures = vec![
        figure("L", &Replication::number, CROWD),
        figure("variance of N", &|r| r.over_time(|n| (n as f64 - mean) * (n as f64 - mean)), CROWD),
        figure("N >= 12", &|r| r.over_time(|n| f64::from(u8::from(n >= 12))), TWELVE),
    ];
    if nobody {
        figures.push(figure("N = 0", &|r| r.over_time(|n| f64::from(u8::from(n == 0))), NOBODY));
    }
    check(title, &figures);
}

#[test]
fn the_figures_of_a_crowd_are_those_of_poisson() {
    let terms = (0..12).scan(libm::exp(-CROWD), |term, n| {
        let this = *term;
        *term *= CROWD / f64::from(n + 1);
        Some(this)
    });
    let terms: Vec<f64> = terms.collect();
    confirm("nobody", terms[0], NOBODY);
    confirm("twelve", 1.0 - terms.iter().sum::<f64>(), TWELVE);
}

#[test]
fn a_crowd_that_nobody_limits_is_poisson() {
    let (law, work) = &holding_times()[0];
    let desk = Desk::new(json!({}), json!([{"work": work}]));
    let seen = desk.replicate(CROWD, Window::of(3.5e5, REPLICATIONS), &Limits::default());
    crowd(&format!("M/G/inf, {law}"), &seen, false);
}

#[test]
#[ignore = "long: 180 million customers"]
fn a_crowd_is_hardly_ever_nobody() {
    let (law, work) = &holding_times()[2];
    let desk = Desk::new(json!({}), json!([{"work": work}]));
    let seen = desk.replicate(CROWD, Window::of(1.2e6, REPLICATIONS), &Limits::default());
    crowd(&format!("M/G/inf, {law}"), &seen, false);
    let station = Station::new(u32::MAX, Dist::Exponential(Duration::from_secs(1)));
    let seen = replicate_one(&station, CROWD, Window::of(2.2e7, REPLICATIONS), &Limits::default());
    crowd("M/G/inf, exponential, station", &seen, true);
}
