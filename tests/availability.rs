//! What is published about availability, and what can be worked out on paper, comes out of the algebra.
//!
//! Each case is a table of figures with their source, held to one part in 10⁹ unless it says otherwise.
//! `docs/availability.md` lists them by number, beside those that are checked by simulation elsewhere.

use std::collections::BTreeMap;

use faultline_tests::closed_forms::confirm;
use proptest::prelude::*;
use sim_core::Seed;
use sim_models::avail::{
    Assembly, AvailFile, Availability, Block, Chain, Group, Kind, Law, Names, Nested, Outages, Period, Plan, Structure,
    one_more, simulate,
};
use sim_models::rare::Plain;
use sim_models::stats::{Confidence, rule_of_three, trials_without_a_hit};

fn assembly(text: &str, names: &[&str]) -> Assembly {
    let mut bound = Names::new();
    names.iter().for_each(|name| bound.bind(name).unwrap());
    let block = Block::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Assembly::of(&block, &bound).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn availability(text: &str) -> Availability {
    assembly(text, &[]).availability()
}

/// Up and down are exact each by itself.
fn confirm_both(text: &str, up: f64, down: f64) {
    let got = availability(text);
    confirm(&format!("{text} up"), got.up, up);
    confirm(&format!("{text} down"), got.down, down);
}

/// A01. A chain of services at 99.9 %, by the product and not by the rule that adds up downtimes, as published tables
/// do.
#[test]
fn a_chain_is_the_product_of_its_services() {
    let table = [
        (1, 0.999, 8.76, 8.766),
        (3, 0.997002999, 26.25372876, 26.271710766),
        (4, 0.996005996001, 34.98747503124, 35.011439055234),
        (5, 0.995009990004999, 43.71248755620876, 43.742427616178766),
        (10, 0.9900448802097482, 87.20684936260568, 87.26658008134719),
    ];
    for (services, up, hours, hours_of_a_julian_year) in table {
        let got = availability(&format!("(99.9%)^{services}"));
        confirm("availability", got.up, up);
        confirm("hours a year", got.downtime_seconds(Period::Year) / 3_600.0, hours);
        confirm("hours in 365.25 days", got.down * 365.25 * 24.0, hours_of_a_julian_year);
    }
}

/// A04. Microsoft, Azure Well-Architected Framework, reliability metrics: the table of SLA values, 30 days a month, 365
/// a year. Published figures are rounded, two of them down (5 minutes are 5.04).
#[test]
fn downtimes_are_those_of_the_published_table() {
    let (minute, hour, day) = (60.0, 3_600.0, 86_400.0);
    let table = [
        ("99%", [("1.68", hour), ("7.2", hour), ("3.65", day)]),
        ("99.9%", [("10.1", minute), ("43.2", minute), ("8.76", hour)]),
        ("99.95%", [("5", minute), ("21.6", minute), ("4.38", hour)]),
        ("99.99%", [("1.01", minute), ("4.32", minute), ("52.56", minute)]),
        ("99.999%", [("6", 1.0), ("25.9", 1.0), ("5.26", minute)]),
    ];
    for (text, published) in table {
        let got = availability(text);
        for ((figure, unit), period) in published.into_iter().zip([Period::Week, Period::Month, Period::Year]) {
            let exact = got.downtime_seconds(period) / unit;
            // Less than one in the last digit, since some are rounded down.
            let digits = figure.split_once('.').map_or(0, |(_, digits)| digits.len());
            let off = (exact - figure.parse::<f64>().unwrap()).abs();
            assert!(off < libm::pow(10.0, -(digits as f64)), "{text} a {}: {exact}, not {figure}", period.name());
        }
    }
    for (text, week) in [("99.9%", 604.8), ("99.95%", 302.4), ("99.99%", 60.48), ("99.999%", 6.048)] {
        confirm(text, availability(text).downtime_seconds(Period::Week), week);
    }
}

/// A08. Amazon, Availability and Beyond, equation 6 approximates n with s spares by 1 − C(n, s+1) F^(s+1); exact is the
/// binomial.
#[test]
fn spares_are_exact_where_the_published_formula_is_not() {
    let table = [
        ("1of2(99%)", 0.9999, 1e-4),
        ("2of3(99%)", 0.999702, 0.000298),
        ("1of3(99%)", 0.999999, 1e-6),
        ("3of5(99%)", 0.9999901494, 9.8506e-6),
        ("8of10(95%)", 0.9884964426207031, 0.0115035573792969),
    ];
    table.iter().for_each(|(text, up, down)| confirm_both(text, *up, *down));
    // By how much the approximation overstates: 30 % of the unavailability in the last row.
    confirm("overstated", 0.015 / availability("8of10(95%)").down - 1.0, 0.30394446738673425);
}

/// A09 and R06. Majorities of n replicas; all five down. The binomial tail, to eighteen nines and beyond.
#[test]
fn quorums_are_binomial_tails_to_twenty_nines() {
    let table = [
        ("90%", [(1, 1, 0.1), (2, 3, 0.028), (3, 5, 0.00856), (4, 7, 0.002728), (5, 9, 0.00089092)]),
        ("99%", [(1, 1, 0.01), (2, 3, 0.000298), (3, 5, 9.8506e-6), (4, 7, 3.416698e-7), (5, 9, 1.218536857e-8)]),
        (
            "99.9%",
            [
                (1, 1, 0.001),
                (2, 3, 2.998e-6),
                (3, 5, 9.985006e-9),
                (4, 7, 3.491606998e-11),
                (5, 9, 1.2558053968507e-13),
            ],
        ),
        (
            "99.99%",
            [
                (1, 1, 1e-4),
                (2, 3, 2.9998e-8),
                (3, 5, 9.99850006e-12),
                (4, 7, 3.499160069998e-15),
                (5, 9, 1.25958005399685e-18),
            ],
        ),
    ];
    for (each, rows) in table {
        for (need, of, down) in rows {
            confirm_both(&format!("{need}of{of}({each})"), 1.0 - down, down);
        }
    }
    for (each, down) in [("99%", 1e-10), ("99.9%", 1e-15), ("99.99%", 1e-20)] {
        confirm_both(&format!("1of5({each})"), 1.0, down);
    }
}

/// A12. The bridge that is neither series nor parallel, as a diagram, and as its four ways with shared blocks.
#[test]
fn a_bridge_is_exact_as_a_diagram_and_as_an_expression() {
    let cases = [(["90%"; 5], 0.97848), (["99%"; 5], 0.9997980498), (["90%", "80%", "95%", "85%", "70%"], 0.966935)];
    for (parts, up) in cases {
        let [a, b, c, d, bridge] = parts;
        let text = format!(
            r#"{{"kind": "diagram", "blocks": {{"a": "{a}", "b": "{b}", "c": "{c}", "d": "{d}", "bridge": "{bridge}"}},
                "links": ["in -> a -> c -> out", "in -> b -> d -> out", "a -> bridge -> d", "b -> bridge -> c"]}}"#
        );
        let diagram = AvailFile::parse("bridge.json", &text).and_then(|file| file.assembly()).unwrap();
        confirm("as a diagram", diagram.availability().up, up);
        let names = [format!("a={a}"), format!("b={b}"), format!("c={c}"), format!("d={d}"), format!("e={bridge}")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let ways = assembly("a#1 * c#1 | b#1 * d#1 | a#1 * e#1 * d#1 | b#1 * e#1 * c#1", &names);
        confirm("as its ways", ways.availability().up, up);
    }
}

/// A13. Two services that need the same auth: counted twice, 82.8 times too little downtime.
#[test]
fn what_is_shared_is_counted_once() {
    let names = ["app=99.9%", "auth=99%"];
    let shared = assembly("app * auth#1 | app * auth#1", &names).availability();
    let naive = assembly("app * auth | app * auth", &names).availability();
    confirm("shared", shared.up, 0.98999901);
    confirm("naive", naive.up, 0.9998792199);
    confirm("by how much", shared.down / naive.down, 82.80329292656654);
}

/// A15. One component that fails every 1,000 h and is repaired in 10 h, exponential both, up at the start (Barlow and
/// Proschan, Mathematical Theory of Reliability).
#[test]
fn a_repairable_component_is_as_renewal_theory_says() {
    let (mttf, mttr) = (1_000.0, 10.0);
    let one = assembly("mtbf=1000h/mttr=10h", &[]);
    let alone = Group::new(1, 1, mttf, Some(mttr));
    confirm("steady", one.availability().up, 0.9900990099009901);
    let at = [
        (1.0, 0.9990488419097611),
        (5.0, 0.9960743126279905),
        (10.0, 0.9937051384115992),
        (24.0, 0.9909759073407419),
        (50.0, 0.9901624686479827),
        (200.0, 0.9900990099176983),
    ];
    for (hours, up) in at {
        confirm("closed form", one.at(hours * 3_600.0).unwrap().up, up);
        confirm("chain", alone.after(hours).unwrap().0.up, up);
    }
    let during = [
        (10.0, 0.9963315461271295),
        (24.0, 0.9938218204039844),
        (200.0, 0.9905891579248665),
        (8_760.0, 0.9901102004951614),
    ];
    for (hours, up) in during {
        confirm("quadrature", one.during(hours * 3_600.0).unwrap().up, up);
        confirm("chain", alone.after(hours).unwrap().1.up, up);
    }
    for (hours, failures) in [(200.0, 0.1981178315849733), (8_760.0, 8.673365356337614)] {
        confirm("failures", alone.after(hours).unwrap().1.up * hours / mttf, failures);
    }
    let month = alone.survives(720.0).unwrap().up;
    confirm("no failure in 30 days", month, 0.4867522559599716);
    confirm("no downtime in 30 days, at any time", month * one.availability().up, 0.4819329266930412);
    // Downtime of T hours varies by this times T (renewal reward): 2 λμ/(λ + μ)³.
    let law = Law::Single { rate: 1.0 / mttf, outage: Some(mttr) };
    confirm("variance of downtime", law.downtime_variance().unwrap(), 0.1941180295855289);
}

/// A16. Repairs of exactly 8 h: the availability dips to e^(−0.08) at the end of the first, and recovers.
#[test]
fn repairs_of_one_length_are_not_exponential() {
    let one = assembly("mtbf=100h/fixed=8h", &[]);
    let table = [
        (4.0, 0.9607894391523232),
        (8.0, 0.9231163463866358),
        (10.0, 0.9244413915020947),
        (16.0, 0.9259930966771422),
        (20.0, 0.9259298370353626),
        (40.0, 0.9259259259097692),
        (200.0, 0.9259259259259259),
        (2_000.0, 0.9259259259259259),
    ];
    for (hours, up) in table {
        confirm(&format!("after {hours} h"), one.at(hours * 3_600.0).unwrap().up, up);
    }
    confirm("steady", one.availability().up, 0.9259259259259259);
}

/// A18. k of n machines that fail every 100 h and are repaired in 4 h, by one crew and by one each (Trivedi, chapter
/// 8).
#[test]
fn crews_are_worth_what_the_birth_death_chain_says() {
    let table = [
        (1, 2, 1, 0.0029542097488921715, 0.07976366322008863, 0.0007385524372230429),
        (1, 2, 2, 0.0014792899408284023, 0.07692307692307693, 0.0007396449704142012),
        (2, 3, 1, 0.008835523334843678, 0.12420706841866787, 0.002123923878568192),
        (2, 3, 3, 0.00432407828857533, 0.11538461538461539, 0.0021335912608101957),
        (1, 3, 1, 0.00033982782057091076, 0.12420706841866787, 8.495695514272769e-05),
        (1, 3, 3, 5.689576695493855e-05, 0.11538461538461539, 4.2671825216203915e-05),
        (3, 5, 1, 0.0033648473683033364, 0.22392761022111735, 0.000776598820232491),
        (3, 5, 5, 0.000536638180628237, 0.19230769230769232, 0.00039452501124448886),
        (4, 7, 1, 0.001782680082830851, 0.3409520504536312, 0.0003944038328929549),
        (4, 7, 7, 6.974467619688924e-05, 0.2692307692307692, 6.808863606290488e-05),
    ];
    for (need, of, crews, down, failed, frequency) in table {
        let text = format!("{need}of{of}(mtbf=100h/mttr=4h, crews={crews})");
        confirm_both(&text, 1.0 - down, down);
        confirm(&text, assembly(&text, &[]).frequency().unwrap() * 3_600.0, frequency);
        let group = Group { crews, ..Group::new(need, of, 100.0, Some(4.0)) };
        confirm("failed", group.settled().unwrap().failed, failed);
    }
    // How often the whole goes down follows from its parts, too.
    let parts = assembly("3of5(mtbf=100h/mttr=4h)", &[]);
    confirm("by importance", parts.frequency().unwrap() * 3_600.0, 0.00039452501124448886);
}

/// A20. A spare that does not age, and one that does; nothing is repaired.
#[test]
fn a_cold_spare_lasts_twice_as_long() {
    let hot = Group::new(1, 2, 100.0, None);
    let cold = Group { spare: 0.0, ..hot };
    confirm("cold after 100 h", cold.survives(100.0).unwrap().up, 0.7357588823428847);
    confirm("hot after 100 h", hot.survives(100.0).unwrap().up, 0.600423599106272);
    confirm("cold until down", cold.time_until_down().unwrap(), 200.0);
    confirm("hot until down", hot.time_until_down().unwrap(), 150.0);
    let covered = Group { coverage: Availability::of_down(0.05).unwrap(), manual: 1.0, ..cold };
    confirm("cold, taken over 95 of 100 times", covered.time_until_down().unwrap(), 195.0);
}

/// A hot pair with imperfect takeovers, written down from what its machines do, and not from how many have failed: which
/// of the two serves is a part of the state. The steady state is found by iterating, not by elimination.
fn pair_of_machines(mtbf: f64, mttr: f64, takeover: f64, coverage: f64, manual: f64, fails_meanwhile: bool) -> f64 {
    // Machines A and B up or down; 0 to 2: nobody does anything about it, a takeover is under way, hands are.
    let states: Vec<([bool; 2], Option<usize>, u8)> = [[true, true], [true, false], [false, true], [false, false]]
        .into_iter()
        .flat_map(|ups| (0..3).flat_map(move |phase| [None, Some(0), Some(1)].map(|serves| (ups, serves, phase))))
        .collect();
    let place = |state| states.iter().position(|known| *known == state).unwrap();
    // Whoever is up serves when nobody else does.
    let served = |ups: [bool; 2], by: Option<usize>| by.filter(|by| ups[*by]).or_else(|| ups.iter().position(|up| *up));
    let mut rates: Vec<Vec<(usize, f64)>> = vec![Vec::new(); states.len()];
    for (from, (ups, serves, phase)) in states.iter().enumerate() {
        let mut goes = |ups: [bool; 2], phase: u8, rate: f64| {
            rates[from].push((place((ups, served(ups, *serves), phase)), rate));
        };
        for machine in 0..2 {
            let mut after = *ups;
            after[machine] = !ups[machine];
            if !ups[machine] {
                goes(after, *phase, 1.0 / mttr);
            } else if *phase == 0 {
                let takes_over = *serves == Some(machine) && ups[1 - machine];
                goes(after, u8::from(takes_over), 1.0 / mtbf);
            } else if fails_meanwhile {
                goes(after, *phase, 1.0 / mtbf);
            }
        }
        match phase {
            0 => {}
            1 => {
                goes(*ups, 0, coverage / takeover);
                goes(*ups, 2, (1.0 - coverage) / takeover);
            }
            _ => goes(*ups, 0, 1.0 / manual),
        }
    }
    let fastest = rates.iter().map(|ways| ways.iter().map(|(_, rate)| rate).sum::<f64>()).fold(0.0, f64::max);
    let mut shares = vec![0.0; states.len()];
    shares[place(([true, true], Some(0), 0))] = 1.0;
    for _ in 0..20_000 {
        let mut next = shares.clone();
        for (from, ways) in rates.iter().enumerate() {
            for (to, rate) in ways {
                let moved = shares[from] * rate / (1.01 * fastest);
                next[from] -= moved;
                next[*to] += moved;
            }
        }
        shares = next;
    }
    let is_up = |(ups, _, phase): &([bool; 2], Option<usize>, u8)| *phase == 0 && (ups[0] || ups[1]);
    1.0 - states.iter().zip(&shares).filter(|(state, _)| is_up(state)).map(|(_, share)| share).sum::<f64>()
}

/// Machines go on failing while a takeover or hands are under way: that is the model, and what it is worth.
#[test]
fn a_pair_with_imperfect_takeovers_is_its_chain_of_single_machines() {
    let hours = |takeover, coverage, manual| Group {
        takeover,
        coverage: Availability::of_down(1.0 - coverage).unwrap(),
        manual,
        ..Group::new(1, 2, 10.0, Some(4.0))
    };
    for (takeover, coverage, manual) in [(1.0, 0.7, 5.0), (0.5, 0.9, 2.0), (3.0, 0.25, 1.0)] {
        let got = hours(takeover, coverage, manual).settled().unwrap().availability.down;
        let expected = pair_of_machines(10.0, 4.0, takeover, coverage, manual, true);
        assert!((got / expected - 1.0).abs() < 1e-10, "{got} {expected}");
        // Whoever lets nobody fail meanwhile comes to less.
        assert!(pair_of_machines(10.0, 4.0, takeover, coverage, manual, false) < 0.99 * expected);
    }
    // And it is what happens, where nobody fails meanwhile by 0.187.
    let block = Block::parse("1of2(mtbf=10h/mttr=4h, failover=1h, coverage=70%, manual=5h)").expect("it is right");
    let assembly = Assembly::of(&block, &Names::new()).expect("it is right");
    let plan = Plan::of(1_000.0 * 365.0 * 86_400.0, Seed(1), Confidence::new(0.999).expect("it is a share"));
    let seen = simulate(&assembly, &plan).expect("it fails").down;
    assert!(
        seen.covers(assembly.availability().down) && seen.half_width().is_some_and(|half| half < 0.002),
        "{seen:?}"
    );
    assert!(!seen.covers(pair_of_machines(10.0, 4.0, 1.0, 0.7, 5.0, false)), "{seen:?}");
}

/// A21. A primary that fails every 30 days: detection, failover, and repair by hand when that does not succeed.
#[test]
fn a_failover_costs_what_renewal_reward_says() {
    let table = [
        ("detect=30s/failover=60s", 90.0, 0.9999652789833686, 18.24936634144648),
        ("detect=30s/failover=60s/coverage=98%/manual=7200s", 234.0, 0.9999097303715637, 47.445716706130696),
        ("detect=10s/failover=20s/coverage=99%/manual=3600s", 66.0, 0.999974537685383, 13.382992562689376),
        ("detect=1s/failover=4s/coverage=99.9%/manual=3600s", 8.6, 0.9999966821097739, 1.743883102856989),
    ];
    for (said, outage, up, minutes) in table {
        let all = assembly(&format!("mtbf=30d/{said}"), &[]);
        confirm(said, all.availability().up, up);
        confirm(said, all.availability().down / all.frequency().unwrap(), outage);
        confirm(said, all.availability().downtime_seconds(Period::Year) / 60.0, minutes);
    }
}

/// A23. Heartbeats of which one in ten is lost: how many until so many in a row are (Feller, success runs).
#[test]
fn a_false_alarm_takes_as_long_as_a_run_of_losses() {
    for (losses, beats) in [(2, 110.0), (3, 1_110.0), (4, 11_110.0)] {
        let mut chain = Chain::new(losses + 1);
        for state in 0..losses {
            chain.add(state, state + 1, 0.1);
            chain.add(state, 0, 0.9);
        }
        // A beat that arrives while none is missing changes nothing, and takes its time.
        confirm("beats", chain.time_until(0, &[losses]).unwrap(), beats);
    }
}

/// A27. A request that comes at any moment of an outage and goes on trying.
#[test]
fn a_retry_helps_as_far_as_it_outlasts_the_outage() {
    confirm("60 s, over 31 s", Outages::Fixed(60.0).outlasts(31.0), 0.48333333333333334);
    confirm("60 s, over 61 s", Outages::Fixed(60.0).outlasts(61.0), 0.0);
    confirm("300 s, over 31 s", Outages::Fixed(300.0).outlasts(31.0), 0.8966666666666666);
}

/// P05. A split vote among s of n servers needs so many timeouts within one latency (Ongaro, Consensus: Bridging Theory
/// and Practice, 2014, section 9.3): a binomial tail.
#[test]
fn a_split_vote_is_a_quorum_of_early_timeouts() {
    let table = [
        (3, 4, "1%", 0.00059203),
        (3, 4, "10%", 0.0523),
        (3, 4, "20%", 0.1808),
        (2, 3, "20%", 0.488),
        (4, 5, "20%", 0.05792),
        (4, 7, "20%", 0.148032),
        (2, 5, "20%", 0.67232),
        (3, 6, "20%", 0.34464),
        (4, 6, "20%", 0.09888),
        (2, 5, "10%", 0.40951),
    ];
    for (count, servers, share, split) in table {
        confirm("split", availability(&format!("{}of{servers}({share})", count - 1)).up, split);
    }
}

/// P07. The first of s timeouts, uniform over the range; one of four in the first quarter.
#[test]
fn the_first_timeout_is_early() {
    confirm("one of four in the first quarter", availability("1of4(25%)").up, 0.68359375);
}

/// P10. A leader that crashes, and an election.
#[test]
fn an_election_costs_its_length() {
    confirm("30 d", availability("mtbf=30d/failover=225ms").up, 0.999999913194452);
    confirm("1 d", availability("mtbf=1d/failover=475ms").up, 0.9999945023450392);
    // The rule of thumb, one outage per 30 days: 365/30 · 225 ms = 2.7375 s.
    let exact = availability("mtbf=30d/failover=225ms").downtime_seconds(Period::Year);
    assert!((exact / 2.7375 - 1.0).abs() < 1e-6, "{exact}");
}

/// P18. Layers that each try three times: calls at the bottom per request, and the chance that all fail.
#[test]
fn nested_retries_multiply() {
    let table = [
        (0.1, 3, 3, 1.1111111111111112, 1e-27),
        (0.5, 3, 3, 1.9999999850988388, 7.450580596923828e-09),
        (0.9, 3, 3, 9.4185026299696, 0.05814973700304006),
        (0.99, 3, 5, 91.30334409017529, 0.08696655909824706),
        (0.999, 4, 3, 62.02503617415445, 0.9379749638258456),
    ];
    for (chance, tries, layers, calls, fails) in table {
        let nested = Nested { tries, layers };
        confirm("calls", nested.calls(chance), calls);
        confirm("fails", nested.fails(chance), fails);
    }
}

/// P22. SWIM declares a live member failed when it is pinged and both ways of the ping and all k detours lose a packet
/// (Das, Gupta and Motivala, 2002): blocks in parallel.
#[test]
fn a_false_suspicion_is_a_group_of_ways_that_are_all_down() {
    let pinged = -libm::expm1(-1.0);
    let table = [
        ("95%", 0, 0.061631754485784375),
        ("95%", 1, 0.011432305258647465),
        ("95%", 3, 0.0003933619738151299),
        ("99%", 0, 0.012579199120688297),
        ("99%", 1, 0.0004956706363596104),
        ("99%", 3, 7.696151217464501e-07),
        ("99.9%", 0, 0.0012636089970982868),
        ("99.9%", 1, 5.046859387582937e-06),
        ("99.9%", 3, 8.050784385467852e-11),
    ];
    for (share, detours, chance) in table {
        let ways = format!("{share}^2{}", format!(" | {share}^4").repeat(detours));
        confirm(&ways, pinged * availability(&ways).down, chance);
    }
}

/// P27. Coupons until all are there: a chain whose ends are reached by draws; draws are counted, so the variance of the
/// time, in which each draw takes one exponential unit, is larger by their mean.
#[test]
fn all_coupons_take_as_many_draws_as_they_should() {
    let table = [
        (5, 11.416666666666666, 25.17361111111111),
        (10, 29.28968253968254, 125.68709057697153),
        (50, 224.96026691647126, 3837.871567137352),
        (365, 2364.646023436338, 216417.19457579832),
    ];
    for (coupons, mean, variance) in table {
        let mut chain = Chain::new(coupons + 1);
        (0..coupons).for_each(|had| chain.add(had, had + 1, (coupons - had) as f64 / coupons as f64));
        let (draws, spread) = chain.law_until(0, &[coupons]).unwrap();
        confirm("draws", draws, mean);
        confirm("variance", spread - draws, variance);
    }
}

/// N08. The wait for k of n replies, exponential with a mean of 10 ms each: machines that "fail" by answering.
#[test]
fn a_quorum_waits_for_its_kth_reply() {
    let table = [
        (1, 3, 3.3333333333333335, 15.350567286626973),
        (2, 3, 8.333333333333334, 28.318609507231468),
        (3, 3, 18.333333333333332, 57.004361037849094),
        (3, 5, 7.833333333333333, 22.47719672520088),
        (4, 7, 7.595238095238095, 19.500259683833203),
        (2, 2, 15.0, 52.958079391204286),
        (1, 2, 5.0, 23.02585092994046),
    ];
    for (wanted, of, mean, p99) in table {
        // Down when fewer than n − k + 1 have not answered.
        let group = Group { active: of, ..Group::new(of - wanted + 1, of, 10.0, None) };
        confirm("mean", group.time_until_down().unwrap(), mean);
        confirm("99th percentile", group.survives(p99).unwrap().up, 0.01);
    }
}

/// R01. A queue that overflows once in a million millions of busy periods (the gambler's ruin), and how often it is so
/// long.
#[test]
fn a_rare_overflow_is_exact() {
    let table = [
        (0.5, 20, 9.536752259018191e-07, 9.5367431640625e-07),
        (0.5, 30, 9.313225754828403e-10, 9.313225746154785e-10),
        (0.5, 40, 9.094947017737554e-13, 9.094947017729282e-13),
        (0.8, 62, 2.4519952702953856e-07, 9.80797146154169e-07),
        (0.8, 93, 2.428336117640888e-10, 9.713344461128644e-10),
        (0.8, 124, 2.404907604762719e-13, 9.61963041904162e-13),
        (0.9, 131, 1.1259696052805128e-07, 1.0133716178293852e-06),
        (0.9, 197, 1.0753054588451549e-10, 9.677749120240512e-10),
        (0.9, 263, 1.0269220358230944e-13, 9.242298322399307e-13),
    ];
    for (load, level, overflow, share) in table {
        let mut until = Chain::new(level + 1);
        for state in 1..level {
            until.add(state, state + 1, load);
            until.add(state, state - 1, 1.0);
        }
        confirm("overflow", until.reaches(1, &[level], &[0]).unwrap(), overflow);
        // Cut where what is beyond is a part in 10¹¹ of what is counted.
        let cut = level + (-25.0 / libm::log(load)) as usize;
        let mut whole = Chain::new(cut + 1);
        for state in 0..cut {
            whole.add(state, state + 1, load);
            whole.add(state + 1, state, 1.0);
        }
        confirm("share", whole.steady().unwrap()[level..].iter().sum(), share);
    }
}

/// R03. Two stations behind each other: the chance that so many customers are in them before they are empty (Parekh and
/// Walrand, A quick simulation method for excessive backlogs, 1989). The figures were solved by sparse factorisation,
/// good for about eight digits.
#[test]
fn a_rare_overflow_of_two_stations_is_exact() {
    let table = [
        (0.1, 0.45, 0.45, [9.98509528681565e-06, 8.196331593244797e-09, 5.9511214750267136e-12, 4.042995547782241e-15]),
        (
            0.05,
            0.475,
            0.475,
            [1.4029533549025141e-08, 2.730463945030152e-13, 4.71427159160247e-18, 7.624655736685005e-23],
        ),
        (0.1, 0.6, 0.3, [6.765818195062123e-05, 2.7875625191791e-07, 1.1471874289054812e-09, 4.720941372763189e-12]),
        (0.2, 0.4, 0.4, [0.008756175539891517, 0.00042707348878108715, 1.8119348501633114e-05, 7.152547871016442e-07]),
    ];
    for (come, first, second, chances) in table {
        for (most, chance) in [10, 15, 20, 25].into_iter().zip(chances) {
            let got = overflow(come, first, second, most);
            assert!((got / chance - 1.0).abs() < 1e-7, "{come} {first} {second} {most}: {got}, not {chance}");
        }
    }
}

fn overflow(come: f64, first: f64, second: f64, most: usize) -> f64 {
    let place = |a: usize, b: usize| a * (most + 1) + b;
    let mut chain = Chain::new((most + 1) * (most + 1));
    let mut full = Vec::new();
    for a in 0..=most {
        full.push(place(a, most - a));
        for b in 0..most - a {
            chain.add(place(a, b), place(a + 1, b), come);
            if a > 0 {
                chain.add(place(a, b), place(a - 1, b + 1), first);
            }
            if b > 0 {
                chain.add(place(a, b), place(a, b - 1), second);
            }
        }
    }
    chain.reaches(place(1, 0), &full, &[place(0, 0)]).unwrap()
}

/// R08. Three machines of one kind and two of another, one crew that turns to the first kind first; down when all of a
/// kind are (in the style of Goyal and others, A unified framework for simulating Markovian models of highly dependable
/// systems, 1992).
#[test]
fn a_highly_reliable_system_is_exact() {
    let place = |a: usize, b: usize| a * 3 + b;
    let mut chain = Chain::new(12);
    for a in 0..=3 {
        for b in 0..=2 {
            if a < 3 {
                chain.add(place(a, b), place(a + 1, b), (3 - a) as f64 * 1e-3);
            }
            if b < 2 {
                chain.add(place(a, b), place(a, b + 1), (2 - b) as f64 * 2e-3);
            }
            if a > 0 {
                chain.add(place(a, b), place(a - 1, b), 1.0);
            } else if b > 0 {
                chain.add(place(a, b), place(a, b - 1), 1.0);
            }
        }
    }
    let steady = chain.steady().unwrap();
    let share = |wanted: fn(usize, usize) -> bool| -> f64 {
        (0..12).filter(|at| wanted(at / 3, at % 3)).map(|at| steady[at]).sum()
    };
    confirm("all of the first", share(|a, _| a == 3), 5.982018017945947e-09);
    confirm("all of the second", share(|_, b| b == 2), 8.08767620928005e-06);
    confirm("down", share(|a, b| a == 3 || b == 2), 8.093657752361909e-06);
}

/// R09. None of n: the exact upper end of one-sided 95 %, just below 3/n (Hanley and Lippman-Hand, 1983), and the
/// trials that show a limit.
#[test]
fn the_rule_of_three_is_its_exact_form() {
    let table = [
        (10, 0.2588655508930523),
        (100, 0.029513049607039935),
        (1_000, 0.0029912495450952962),
        (1_000_000, 2.9957277863525446e-06),
    ];
    for (trials, most) in table {
        let got = rule_of_three(trials, Confidence::USUAL).hi.unwrap();
        confirm("none of so many", got, most);
        assert!(got < 3.0 / trials as f64);
    }
    assert_eq!(trials_without_a_hit(1e-5, Confidence::USUAL), Some(299_572));
    assert_eq!(trials_without_a_hit(1e-9, Confidence::USUAL), Some(2_995_732_273));
    // Trials are whole; what they are rounded up from is ln 0.05 / ln(1 − p).
    confirm("trials at 1e-5", libm::log(0.05) / libm::log1p(-1e-5), 299_571.72948676586);
    confirm("trials at 1e-9", libm::log(0.05) / libm::log1p(-1e-9), 2_995_732_272.0561247);
    // One in a billion to a tenth either way; 384,160,000,000 with 1.96 in the place of the quantile.
    let plain = Plain::of(1e-9, 0.1, 1.0, Confidence::USUAL).runs;
    let rounded = 1.96 / sim_models::stats::laws::normal(Confidence::USUAL.tail());
    assert!((plain * rounded * rounded / 384_160_000_000.0 - 1.0).abs() < 1e-8, "{plain}");
}

/// Two hundred blocks that share what they need with their neighbours, exact in well under a second.
#[test]
fn two_hundred_entangled_blocks_are_exact() {
    let rungs: Vec<String> =
        (1..=100).map(|rung| format!("(a#{rung} | b#{rung}) * (a#{rung} | b#{})", rung % 100 + 1)).collect();
    let all = assembly(&rungs.join(" * "), &["a=99%", "b=99%"]);
    assert_eq!(all.components().len(), 200);
    assert!(all.nodes() < 10_000, "{}", all.nodes());
    // Each a_i is alone needed when b_i or b_(i+1) is down; a circle of them, by the transfer matrix of neighbours.
    let (up, down) = (0.99f64, 0.01f64);
    let step = [[up, down * up], [up * up, down * up]];
    let product = (0..100).fold([[1.0, 0.0], [0.0, 1.0]], |m: [[f64; 2]; 2], _| {
        let of = |r: usize, c: usize| m[r][0] * step[0][c] + m[r][1] * step[1][c];
        [[of(0, 0), of(0, 1)], [of(1, 0), of(1, 1)]]
    });
    confirm("by neighbours", all.availability().up, product[0][0] + product[1][1]);
}

/// Two rows of a hundred blocks with rungs that are gone both ways, and all rows both ways: column by column it is a
/// chain of four cases, of which the next column keeps those it can reach.
#[test]
fn a_ladder_that_is_gone_both_ways_is_exact() {
    let columns = 100;
    let blocks: Vec<String> = (0..2 * columns).map(|at| format!("\"b{at}\": \"95%\"")).collect();
    let mut links = vec!["in -> b0".to_owned(), "in -> b1".to_owned()];
    links.extend((0..columns).map(|at| format!("b{} <-> b{}", 2 * at, 2 * at + 1)));
    links.extend((0..2 * (columns - 1)).map(|at| format!("b{at} <-> b{}", at + 2)));
    links.extend([198, 199].map(|at| format!("b{at} -> out")));
    let links: Vec<String> = links.iter().map(|link| format!("\"{link}\"")).collect();
    let text = format!("{{\"blocks\": {{{}}}, \"links\": [{}]}}", blocks.join(", "), links.join(", "));
    let all = AvailFile::parse("ladder.json", &text).unwrap().assembly().unwrap();
    // Nobody gains by going back in a ladder of two: met are one row, the other, or both, and a column of two up
    // makes both of either.
    let (p, q): (f64, f64) = (0.95, 0.05);
    let mut met = [p * q, q * p, p * p];
    for _ in 1..columns {
        let [top, bottom, both] = met;
        met = [(top + both) * p * q, (bottom + both) * p * q, (top + bottom + both) * p * p];
    }
    confirm("column by column", all.availability().up, met.iter().sum());
    assert!(all.nodes() < 2_000, "{}", all.nodes());
}

/// A grid of six by six, gone both ways, from the left to the right, against the same count by the states of whole
/// columns.
#[test]
fn a_grid_that_is_gone_both_ways_is_exact() {
    const SIDE: usize = 6;
    let p = 0.9f64;
    let name = |row: usize, column: usize| format!("g{row}_{column}");
    let (mut blocks, mut links) = (Vec::new(), Vec::new());
    for row in 0..SIDE {
        links.push(format!("in -> {}", name(row, 0)));
        links.push(format!("{} -> out", name(row, SIDE - 1)));
        for column in 0..SIDE {
            blocks.push(format!("\"{}\": \"90%\"", name(row, column)));
            if column + 1 < SIDE {
                links.push(format!("{} <-> {}", name(row, column), name(row, column + 1)));
            }
            if row + 1 < SIDE {
                links.push(format!("{} <-> {}", name(row, column), name(row + 1, column)));
            }
        }
    }
    let links: Vec<String> = links.iter().map(|link| format!("\"{link}\"")).collect();
    let text = format!("{{\"blocks\": {{{}}}, \"links\": [{}]}}", blocks.join(", "), links.join(", "));
    let all = AvailFile::parse("grid.json", &text).unwrap().assembly().unwrap();
    // By row of a column: which group it belongs to, none when it is down; group 0 is that of the beginning.
    let mut columns: BTreeMap<Vec<Option<usize>>, f64> = BTreeMap::from([(vec![Some(0); SIDE], 1.0)]);
    for _ in 0..SIDE {
        let mut next: BTreeMap<Vec<Option<usize>>, f64> = BTreeMap::new();
        for (groups, chance) in &columns {
            for case in 0..1u32 << SIDE {
                let up = |row: usize| case >> row & 1 == 1;
                let count = case.count_ones() as i32;
                let chance = chance * p.powi(count) * (1.0 - p).powi(SIDE as i32 - count);
                let mut union: Vec<usize> = (0..2 * SIDE + 1).collect();
                // The new rows are SIDE and on, before them the groups of the old ones.
                let join = |union: &mut Vec<usize>, a: usize, b: usize| {
                    let (a, b) = (union[a], union[b]);
                    union.iter_mut().filter(|of| **of == a.max(b)).for_each(|of| *of = a.min(b));
                };
                for row in (0..SIDE).filter(|row| up(*row)) {
                    if let Some(group) = groups[row] {
                        join(&mut union, group, SIDE + row);
                    }
                    if row > 0 && up(row - 1) {
                        join(&mut union, SIDE + row - 1, SIDE + row);
                    }
                }
                let mut names: Vec<usize> = vec![0];
                let told = (0..SIDE).map(|row| {
                    up(row).then(|| {
                        let of = union[SIDE + row];
                        names.iter().position(|known| *known == of).unwrap_or_else(|| {
                            names.push(of);
                            names.len() - 1
                        })
                    })
                });
                *next.entry(told.collect()).or_insert(0.0) += chance;
            }
        }
        columns = next;
    }
    let up: f64 = columns.iter().filter(|(groups, _)| groups.contains(&Some(0))).map(|(_, chance)| chance).sum();
    confirm("column by column", all.availability().up, up);
}

/// A circle of pairs that share one part each with the next, in an order of mention that is no order.
#[test]
fn a_circle_is_exact_in_whatever_order_its_blocks_are_mentioned() {
    let names = ["x=90%", "y=99%"];
    let pair = |at: u32| format!("(x#{at} | y#{at} * y#{})", at % 200 + 1);
    let of = |order: Vec<u32>| assembly(&order.into_iter().map(pair).collect::<Vec<_>>().join(" * "), &names);
    let ordered = of((1..=200).collect());
    // 77 and 200 have no factor in common: every pair once, far from its neighbours.
    let jumbled = of((1..=200).map(|at| at * 77 % 200 + 1).collect());
    let (a, b) = (ordered.availability(), jumbled.availability());
    assert!((a.up / b.up - 1.0).abs() < 1e-12 && (a.down / b.down - 1.0).abs() < 1e-12, "{a:?} {b:?}");
    // With a y, a pair holds when the next y is up or its x.
    let (x, y) = (0.9f64, 0.99f64);
    let step = |from: bool, to: bool| if from && to { 1.0 } else { x };
    let around = |first: bool| {
        let mut now = [f64::from(u8::from(!first)), f64::from(u8::from(first))];
        for _ in 1..200 {
            let next = |to: bool, chance: f64| (now[0] * step(false, to) + now[1] * step(true, to)) * chance;
            now = [next(false, 1.0 - y), next(true, y)];
        }
        now[0] * step(false, first) + now[1] * step(true, first)
    };
    confirm("around it", a.up, y * around(true) + (1.0 - y) * around(false));
}

/// Blocks of a few named parts, some of them shared.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (0..4usize).prop_map(|name| ["a", "b", "c", "d"][name].to_owned()),
        (0..4usize, 1..3u32).prop_map(|(name, number)| format!("{}#{number}", ["a", "b", "c", "d"][name])),
        Just("97%".to_owned()),
        Just("mtbf=30d/mttr=12h".to_owned()),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several.clone().prop_map(|all| format!("({})", all.join(" * "))),
            several.clone().prop_map(|all| format!("({})", all.join(" | "))),
            several.prop_map(|all| format!("2of{}({})", all.len(), all.join(", "))),
            (inner.clone(), 1..3u32).prop_map(|(one, count)| format!("({one})^{count}")),
            inner.prop_map(|one| format!("2of3({one})")),
        ]
    })
}

/// Whether an expression is up, by what its words mean: components take their places in the order in which they are
/// mentioned.
fn is_up(text: &str, ups: &[bool]) -> bool {
    let mut walk = Walk { ups, next: 0, shared: BTreeMap::new() };
    walk.is_up(&Block::parse(text).unwrap())
}

struct Walk<'u> {
    ups: &'u [bool],
    next: usize,
    shared: BTreeMap<String, bool>,
}

impl Walk<'_> {
    fn is_up(&mut self, block: &Block) -> bool {
        match &block.kind {
            Kind::Part(_) => {
                self.next += 1;
                self.ups[self.next - 1]
            }
            Kind::Name { name, shared } => {
                let key = block.to_string();
                if let Some(known) = self.shared.get(&key) {
                    return *known;
                }
                let meaning = NAMES.iter().find_map(|bound| bound.strip_prefix(name.as_str())?.strip_prefix('='));
                let up = self.is_up(&Block::parse(meaning.unwrap()).unwrap());
                if shared.is_some() {
                    self.shared.insert(key, up);
                }
                up
            }
            // All are asked, for each has its place.
            Kind::Series(blocks) => self.count(blocks) == blocks.len(),
            Kind::Parallel(blocks) => self.count(blocks) > 0,
            Kind::Copies(one, count) => (0..*count).filter(|_| self.is_up(one)).count() == *count as usize,
            Kind::Quorum(quorum) if quorum.blocks.len() == 1 => {
                (0..quorum.of).filter(|_| self.is_up(&quorum.blocks[0])).count() >= quorum.need as usize
            }
            Kind::Quorum(quorum) => self.count(&quorum.blocks) >= quorum.need as usize,
        }
    }

    fn count(&mut self, blocks: &[Block]) -> usize {
        blocks.iter().filter(|block| self.is_up(block)).count()
    }
}

const NAMES: [&str; 4] = ["a=90%", "b=0.8", "c=b * 95%", "d=c#1 | 70%"];

/// Links of a diagram of a few blocks: from one to another, and whether they can be gone both ways. The first is where
/// all begin, the last where all end; one way goes only from what comes earlier.
fn diagrams() -> impl Strategy<Value = (usize, Vec<(usize, usize, bool)>, Vec<u32>)> {
    (1..8usize).prop_flat_map(|blocks| {
        let ends = blocks + 2;
        let links = prop::collection::vec((0..ends, 0..ends, any::<bool>()), 1..18);
        let order = Just((0..blocks as u32).collect::<Vec<_>>()).prop_shuffle();
        (Just(blocks), links, order)
    })
}

fn name_of(end: usize, blocks: usize) -> String {
    match end {
        0 => "in".to_owned(),
        end if end == blocks + 1 => "out".to_owned(),
        end => format!("b{end}"),
    }
}

/// Whether one gets from the beginning to the end over blocks that are up, step by step.
fn is_through(blocks: usize, links: &[(usize, usize, bool)], ups: &[bool]) -> bool {
    met(blocks, links, ups)[blocks + 1]
}

/// The links, and as many more as it takes until every block can be met and leads to the end: without, they are a mistake.
fn with_all_met(blocks: usize, mut links: Vec<(usize, usize, bool)>) -> Vec<(usize, usize, bool)> {
    let ups = vec![true; blocks];
    while let Some(lost) = (1..=blocks).find(|block| !met(blocks, &links, &ups)[*block]) {
        links.push((0, lost, false));
    }
    let other = |end: usize| blocks + 1 - end;
    loop {
        let backwards: Vec<_> = links.iter().map(|(from, to, both)| (other(*to), other(*from), *both)).collect();
        let back = met(blocks, &backwards, &ups);
        match (1..=blocks).find(|block| !back[other(*block)]) {
            Some(stuck) => links.push((stuck, blocks + 1, false)),
            None => return links,
        }
    }
}

/// Where one gets from the beginning over blocks that are up.
fn met(blocks: usize, links: &[(usize, usize, bool)], ups: &[bool]) -> Vec<bool> {
    let up = |end: usize| end == 0 || end == blocks + 1 || ups[end - 1];
    let mut met = vec![false; blocks + 2];
    met[0] = true;
    for _ in 0..blocks + 2 {
        for (from, to, both) in links.iter().copied() {
            for (from, to) in [Some((from, to)), both.then_some((to, from))].into_iter().flatten() {
                met[to] |= met[from] && up(to);
            }
        }
    }
    met
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A diagram of blocks of which one is shared by two, and some have a cause in common, is what all cases add up to.
    #[test]
    fn ways_through_a_diagram_are_what_all_cases_say((blocks, links, order) in diagrams(), common in any::<bool>()) {
        let links: Vec<(usize, usize, bool)> = links
            .into_iter()
            .filter(|(from, to, _)| from != to)
            .map(|(from, to, both)| (from.min(to), from.max(to), both))
            .collect();
        let links = with_all_met(blocks, links);
        // Blocks are mentioned in any order; the last two have a part in common.
        let figure = |block: usize| match block {
            _ if common && block + 2 >= blocks && blocks > 2 => "90%".to_owned(),
            block if block + 2 >= blocks && blocks > 3 => format!("p#1 * {}%", 60 + block),
            block => format!("{}%", 60 + block),
        };
        let said: Vec<String> =
            order.iter().map(|block| format!("\"b{}\": \"{}\"", block + 1, figure(*block as usize))).collect();
        let told: Vec<String> = links
            .iter()
            .map(|(from, to, both)| {
                let arrow = if *both { "<->" } else { "->" };
                format!("\"{} {arrow} {}\"", name_of(*from, blocks), name_of(*to, blocks))
            })
            .collect();
        let cause = if common && blocks > 2 {
            format!(", \"common\": [{{\"blocks\": [\"b{}\", \"b{}\"], \"beta\": \"20%\"}}]", blocks - 1, blocks)
        } else {
            String::new()
        };
        let text = format!(
            "{{\"let\": {{\"p\": \"70%\"}}, \"blocks\": {{{}}}, \"links\": [{}]{cause}}}",
            said.join(", "), told.join(", ")
        );
        let file = AvailFile::parse("x.json", &text).unwrap();
        let all = file.assembly().unwrap();
        let parts: Vec<Availability> = all.components().iter().map(|component| component.availability).collect();
        let part = |label: &str| all.components().iter().position(|component| component.label == label);
        let cause = all.components().iter().position(|component| component.label.starts_with("common cause"));
        // Inside a block made of several parts these are called by their figures.
        let own = |block: usize| part(&format!("b{}", block + 1)).or_else(|| part(&format!("{}%", 60 + block))).unwrap();
        let mut down = 0.0;
        for case in 0..1u32 << parts.len() {
            let is_up = |at: usize| case >> at & 1 == 1;
            let ups: Vec<bool> = (0..blocks)
                .map(|block| {
                    let shares = figure(block).starts_with("p#1");
                    let struck = common && blocks > 2 && block + 2 >= blocks && !is_up(cause.unwrap());
                    is_up(own(block)) && !struck && (!shares || is_up(part("p#1").unwrap()))
                })
                .collect();
            let components: Vec<bool> = (0..parts.len()).map(is_up).collect();
            let through = is_through(blocks, &links, &ups);
            prop_assert_eq!(all.is_up(&components), through, "{} {:?}", text, ups);
            if !through {
                let each = parts.iter().zip(&components).map(|(part, up)| if *up { part.up } else { part.down });
                down += each.product::<f64>();
            }
        }
        prop_assert!((all.availability().down - down).abs() <= 1e-12, "{text}: {:?} {down}", all.availability());
        let drawn = file.drawn().unwrap();
        for case in [0, 1, 5, 1 << parts.len() >> 1, u32::MAX] {
            let components: Vec<bool> = (0..parts.len()).map(|at| case >> at & 1 == 1).collect();
            prop_assert_eq!(drawn.is_up(&components), all.is_up(&components), "{}", text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every way in which components can be up or down, added up.
    #[test]
    fn the_diagram_says_what_all_cases_say(text in expressions()) {
        let all = assembly(&text, &NAMES);
        let parts: Vec<Availability> = all.components().iter().map(|component| component.availability).collect();
        prop_assume!(parts.len() <= 14);
        let mut down = 0.0;
        for case in 0..1u32 << parts.len() {
            let ups: Vec<bool> = (0..parts.len()).map(|at| case >> at & 1 == 1).collect();
            if !is_up(&text, &ups) {
                let each = parts.iter().zip(&ups).map(|(part, up)| if *up { part.up } else { part.down });
                down += each.product::<f64>();
            }
        }
        prop_assert!((all.availability().down - down).abs() <= 1e-12 * down, "{text}: {} {down}", all.availability().down);
        prop_assert!((all.availability().up + down - 1.0).abs() < 1e-12);
    }

    /// Every component stands in one line, and what that says of it is what all cases say when it alone is changed.
    #[test]
    fn what_each_component_matters_is_what_all_cases_say(text in expressions()) {
        let all = assembly(&text, &NAMES);
        let parts: Vec<Availability> = all.components().iter().map(|component| component.availability).collect();
        prop_assume!(parts.len() <= 10);
        let down_with = |which: usize, as_if: Option<bool>| {
            let mut down = 0.0;
            for case in 0..1u32 << parts.len() {
                let ups: Vec<bool> = (0..parts.len()).map(|at| case >> at & 1 == 1).collect();
                if as_if.is_some_and(|up| ups[which] != up) || is_up(&text, &ups) {
                    continue;
                }
                let others = parts.iter().zip(&ups).enumerate().filter(|(at, _)| as_if.is_none() || *at != which);
                down += others.map(|(_, (part, up))| if *up { part.up } else { part.down }).product::<f64>();
            }
            down
        };
        let whole = down_with(0, None);
        let importance = all.importance();
        let mut met: Vec<usize> = importance.iter().flat_map(|of| of.components.iter().copied()).collect();
        met.sort_unstable();
        prop_assert_eq!(met, (0..parts.len()).collect::<Vec<_>>());
        for of in &importance {
            for at in of.components.iter().copied() {
                let (up, down) = (down_with(at, Some(true)), down_with(at, Some(false)));
                let near = |got: f64, wanted: f64| (got - wanted).abs() <= 1e-12;
                prop_assert!(near(of.birnbaum, down - up), "{text}: {} {} {}", of.title(), of.birnbaum, down - up);
                prop_assert!(near(of.without.down, up), "{text}: {} {} {up}", of.title(), of.without.down);
                let share = if whole > 0.0 { (whole - up) / whole } else { 0.0 };
                prop_assert!((of.criticality - share).abs() < 1e-9, "{text}: {} {} {share}", of.title(), of.criticality);
                prop_assert_eq!(&of.label, &all.components()[at].label);
            }
            let alike = all.components().iter().filter(|component| component.label == of.label).count();
            prop_assert_eq!(of.of, alike, "{}: {}", text, of.title());
        }
    }

    #[test]
    fn what_is_written_reads_back(text in expressions()) {
        let once = Block::parse(&text).unwrap();
        let twice = Block::parse(&once.to_string()).unwrap();
        prop_assert_eq!(once.to_string(), twice.to_string());
        let (a, b) = (assembly(&text, &NAMES).availability(), assembly(&once.to_string(), &NAMES).availability());
        prop_assert_eq!(a, b);
    }

    /// Birnbaum's measure is by how much the whole gains when a part goes from down to up.
    #[test]
    fn one_more_never_harms(text in expressions()) {
        let all = assembly(&text, &NAMES).availability();
        let mut names = Names::new();
        NAMES.iter().for_each(|name| names.bind(name).unwrap());
        for more in one_more(&Block::parse(&text).unwrap(), &names) {
            prop_assert!(more.availability.down <= all.down * (1.0 + 1e-12), "{} → {}", more.before, more.after);
        }
    }

    /// A second one beside a component changes how likely that alone is down, to the square: by Birnbaum's measure, so
    /// much less is the whole.
    #[test]
    fn one_more_of_a_component_squares_how_likely_it_is_down(text in expressions()) {
        let all = assembly(&text, &NAMES);
        let importance = all.importance();
        let mut names = Names::new();
        NAMES.iter().for_each(|name| names.bind(name).unwrap());
        for more in one_more(&Block::parse(&text).unwrap(), &names) {
            prop_assert!(!more.places.is_empty() && more.places.len() <= more.of, "{}", more.title());
            let known: Vec<_> = importance.iter().filter(|of| of.label == more.before).collect();
            let less = |of: &&&sim_models::avail::Importance| {
                let Availability { up, down } = all.components()[of.components[0]].availability;
                let wanted = all.availability().down - of.birnbaum * down * up;
                (more.availability.down - wanted).abs() <= 1e-12
            };
            // What is called so may stand in several places, of which this is one.
            prop_assert!(known.is_empty() || known.iter().any(|of| less(&of)), "{text}: {} {:?}", more.title(), more);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ab0-9of()|*^,%#=./ -]{0,40}") {
        if let Ok(block) = Block::parse(&text) {
            prop_assert!(Block::parse(&block.to_string()).is_ok(), "{text} → {block}");
        }
    }
}
