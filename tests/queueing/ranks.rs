//! Who goes first, and who does not wait: customers with ranks, and customers with patience.

use faultline_tests::closed_forms::{BirthDeath, cobham, confirm, preemptive};
use faultline_tests::replications::{Figure, check};
use sim_core::{Dist, Duration};
use sim_models::station::{Order, Station};

use super::machines::{REPLICATIONS, replicate, replicate_one};
use super::watch::{Limits, Replication, Window};

const WIDTH: f64 = 0.02;

/// M/M/1 with 0.3 of the first rank and 0.5 of the second. A. Cobham, 1954; Kleinrock, Queueing Systems II, chapter 3.
const RATES: [f64; 2] = [0.3, 0.5];
const WAITS: [f64; 2] = [1.1428571428571428, 5.714285714285714];
const STAYS_AT_ONCE: [f64; 2] = [1.4285714285714286, 7.142857142857143];
const WAIT_OF_ALL: f64 = 4.0;

fn unit() -> Dist {
    Dist::Exponential(Duration::from_secs(1))
}

fn wait(seen: &Replication) -> f64 {
    seen.waits.mean()
}

fn stay(seen: &Replication) -> f64 {
    seen.stays.mean()
}

fn ranks(units: f64) {
    let run = |order| {
        let station = Station::new(1, unit()).order(order);
        replicate(&station, &RATES, Window::of(units, REPLICATIONS), &Limits::default())
    };
    let figure = |seen: &[Vec<Replication>], name: &str, who: usize, of: fn(&Replication) -> f64, truth| {
        Figure::new(name, seen.iter().map(|seen| of(&seen[who])).collect(), truth, WIDTH)
    };
    let seen = run(Order::Rank);
    let of_all = |seen: &Vec<Replication>| {
        // The conservation law: the waits of both ranks, weighted by their loads, make up the wait in order of arrival.
        (RATES[0] * wait(&seen[1]) + RATES[1] * wait(&seen[2])) / (RATES[0] + RATES[1])
    };
    check(
        "M/M/1, ranks",
        &[
            figure(&seen, "Wq of the first", 1, wait, WAITS[0]),
            figure(&seen, "Wq of the second", 2, wait, WAITS[1]),
            Figure::new("Wq of all by the conservation law", seen.iter().map(of_all).collect(), WAIT_OF_ALL, WIDTH),
        ],
    );
    let seen = run(Order::RankAtOnce);
    check(
        "M/M/1, ranks at once",
        &[
            figure(&seen, "W of the first", 1, stay, STAYS_AT_ONCE[0]),
            figure(&seen, "W of the second", 2, stay, STAYS_AT_ONCE[1]),
        ],
    );
    let seen = run(Order::Arrival);
    check("M/M/1, in order of arrival", &[figure(&seen, "Wq of all", 0, wait, WAIT_OF_ALL)]);
}

#[test]
fn the_figures_are_those_of_cobham() {
    for rank in 0..2 {
        confirm("Wq", cobham(&RATES)[rank], WAITS[rank]);
        confirm("W", preemptive(&RATES)[rank], STAYS_AT_ONCE[rank]);
    }
    let all: f64 = RATES.iter().zip(WAITS).map(|(rate, wait)| rate * wait).sum();
    confirm("conservation", all / RATES.iter().sum::<f64>(), WAIT_OF_ALL);
}

#[test]
#[ignore = "long: 30 million customers"]
fn the_first_rank_waits_less_and_the_second_more() {
    ranks(1.1e7);
}

#[test]
fn the_first_rank_hardly_notices_the_second_that_it_interrupts() {
    let station = Station::new(1, unit()).order(Order::RankAtOnce);
    let seen = replicate(&station, &RATES, Window::of(1e6, REPLICATIONS), &Limits::default());
    let first = seen.iter().map(|seen| seen[1].stays.mean()).collect();
    check("M/M/1, ranks at once", &[Figure::new("W of the first", first, STAYS_AT_ONCE[0], WIDTH)]);
}

/// Erlang A: servers, rate, patience as its rate; the shares that give up and that wait, the mean number in line, the mean wait.
/// C. Palm, 1957; Garnett, Mandelbaum and Reiman, Designing a call center with impatient customers, 2002.
type Impatient = (u32, f64, f64, [f64; 4]);

const IMPATIENT: [Impatient; 3] = [
    (10, 12.0, 0.5, [0.19565594401072317, 0.8503849479147523, 4.695742656257356, 0.39131188802144634]),
    (10, 9.0, 1.0, [0.0859121116019606, 0.4125917556680586, 0.7732090044176455, 0.0859121116019606]),
    (1, 1.5, 0.2, [0.3850001201688199, 0.9224998197467702, 2.887500901266149, 1.9250006008440994]),
];

fn impatient((servers, rate, leaving, [gives_up, waits, line, wait]): &Impatient, units: f64) {
    let patience = Dist::Exponential(Duration::from_nanos_f64(1e9 / leaving));
    let station = Station::new(*servers, unit()).patience(patience);
    let seen = replicate_one(&station, *rate, Window::of(units, REPLICATIONS), &Limits::default());
    let figure =
        |name, of: &dyn Fn(&Replication) -> f64, truth| Figure::new(name, seen.iter().map(of).collect(), truth, WIDTH);
    check(
        &format!("M/M/{servers}+M {rate} {leaving}"),
        &[
            figure("gives up", &Replication::share_gave_up, *gives_up),
            figure("waits", &|r| r.waits.share_positive(), *waits),
            figure("Lq", &Replication::waiting, *line),
            figure("Wq of all", &|r| r.waits.mean(), *wait),
        ],
    );
}

#[test]
fn the_figures_are_those_of_erlang_a() {
    for (servers, rate, leaving, [gives_up, waits, line, wait]) in IMPATIENT {
        let in_line = |n: usize| n.saturating_sub(servers as usize) as f64;
        let chain = BirthDeath::new(400, |_| rate, |n| (n as f64).min(f64::from(servers)) + leaving * in_line(n));
        confirm("gives up", leaving * chain.mean(in_line) / rate, gives_up);
        confirm("waits", chain.mean(|n| f64::from(u8::from(n >= servers as usize))), waits);
        confirm("Lq", chain.mean(in_line), line);
        confirm("Wq", chain.mean(in_line) / rate, wait);
    }
}

#[test]
fn as_many_give_up_as_should() {
    impatient(&IMPATIENT[0], 1.8e5);
    impatient(&IMPATIENT[2], 7e5);
}

#[test]
#[ignore = "long: 14 million customers"]
fn of_every_impatient_crowd_as_many_give_up_as_should() {
    IMPATIENT.iter().zip([4e5, 6e5, 1e6]).for_each(|(row, units)| impatient(row, units));
}
