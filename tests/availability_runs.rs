//! What the algebra says of the long run is seen to happen, event by event: the 99.9 % interval of simulated downtime
//! holds the exact figure, and is narrow.

use sim_core::{Ratio, Seed};
use sim_models::avail::{Assembly, Block, Names, Plan, Simulated, simulate};
use sim_models::stats::Confidence;

const SURE: Confidence = Confidence::new(0.999).unwrap();
const YEAR: f64 = 365.0 * 86_400.0;

fn assembly(text: &str, names: &[&str]) -> Assembly {
    let mut bound = Names::new();
    names.iter().for_each(|name| bound.bind(name).unwrap());
    Assembly::of(&Block::parse(text).unwrap(), &bound).unwrap()
}

fn seen(assembly: &Assembly, years: f64, seed: u64) -> Simulated {
    simulate(assembly, &Plan::of(years * YEAR, Seed(seed), SURE)).expect("all of it fails as was said")
}

/// Simulates so many years, and holds the share of time down, and how often it goes down, against the algebra.
#[track_caller]
fn check(text: &str, names: &[&str], years: f64, width: f64) {
    let all = assembly(text, names);
    let (down, frequency) = (all.availability().down, all.frequency().unwrap());
    let got = seen(&all, years, 7);
    println!(
        "{text}: {:.4e} ± {:.1e} of {down:.4e}; {} outages, {} events",
        got.down.value.unwrap(),
        got.down.half_width().unwrap(),
        got.episodes,
        got.events
    );
    assert!(got.down.covers(down), "{text}: {:?}, not {down}", got.down);
    assert!(got.frequency.covers(frequency), "{text}: {:?}, not {frequency}", got.frequency);
    assert!(got.down.half_width().unwrap() <= width * down, "{text}: {:?} is wide for {down}", got.down);
}

/// A01: services at 99.9 %, in a chain.
#[test]
fn a_chain_is_down_as_often_as_its_product_says() {
    for services in [1, 3, 4, 5, 10] {
        check(&format!("(mtbf=999h/mttr=1h)^{services}"), &[], 60_000.0 / f64::from(services), 0.02);
    }
}

/// A09: majorities, to two percent.
#[test]
fn majorities_are_lost_as_often_as_the_binomial_says() {
    check("2of3(mtbf=9h/mttr=1h)", &[], 300.0, 0.02);
    check("3of5(mtbf=9h/mttr=1h)", &[], 600.0, 0.02);
    check("4of7(mtbf=9h/mttr=1h)", &[], 1_500.0, 0.02);
    check("2of3(mtbf=99h/mttr=1h)", &[], 16_000.0, 0.02);
}

/// A09: three of five at 0.99, down for ten millionths of the time.
#[test]
#[ignore = "a minute of processor time"]
fn long_a_majority_of_five_is_lost_as_rarely_as_the_binomial_says() {
    check("3of5(mtbf=99h/mttr=1h)", &[], 260_000.0, 0.02);
}

/// A12 and A13: a bridge, and a service that two others need.
#[test]
fn shared_blocks_are_down_together() {
    let links = ["l=mtbf=9h/mttr=1h", "app=mtbf=999h/mttr=1h", "auth=mtbf=99h/mttr=1h"];
    check("l#1 * l#3 | l#2 * l#4 | l#1 * l#5 * l#4 | l#2 * l#5 * l#3", &links, 600.0, 0.02);
    check("app * auth#1 | app * auth#1", &links, 4_000.0, 0.03);
}

/// A15 and A16, in the long run: how outages are spread does not matter to one component, nor to independent ones.
#[test]
fn only_means_matter_where_nothing_waits_for_anything() {
    check("mtbf=1000h/mttr=10h", &[], 30_000.0, 0.01);
    check("mtbf=100h/fixed=8h", &[], 3_000.0, 0.01);
    check("mtbf=100h/mttr=8h/fails=weibull:0.7/repairs=lognormal:1", &[], 20_000.0, 0.02);
    check("2of3(mtbf=100h/fixed=8h)", &[], 3_000.0, 0.02);
    check("2of3(mtbf=100h/repairs=1h:2h:30h/fails=weibull:2)", &[], 6_000.0, 0.03);
}

/// A18: one crew, and a crew for each.
#[test]
fn crews_matter_as_much_as_the_birth_death_chain_says() {
    let rows = [
        (1, 2, 4_000.0, 6_000.0),
        (2, 3, 1_500.0, 2_250.0),
        (1, 3, 40_000.0, 62_000.0),
        (3, 5, 6_000.0, 9_000.0),
        (4, 7, 14_000.0, 46_000.0),
    ];
    for (need, of, years_of_one, years) in rows {
        check(&format!("{need}of{of}(mtbf=100h/mttr=4h, crews=1)"), &[], years_of_one, 0.03);
        check(&format!("{need}of{of}(mtbf=100h/mttr=4h, crews={of})"), &[], years, 0.03);
    }
}

/// A21: what an outage is made of is drawn piece by piece.
#[test]
fn a_failover_costs_what_renewal_reward_says() {
    check("mtbf=30d/detect=30s/failover=60s", &[], 6_000.0, 0.02);
    check("mtbf=30d/detect=30s/failover=60s/coverage=98%/manual=7200s", &[], 110_000.0, 0.02);
    check("mtbf=30d/detect=10s/failover=20s/coverage=99%/manual=3600s", &[], 165_000.0, 0.02);
}

/// A21: one outage in a thousand takes four hundred times as long as the others.
#[test]
#[ignore = "half a minute of processor time"]
fn long_a_failover_that_hardly_ever_fails_costs_what_renewal_reward_says() {
    check("mtbf=30d/detect=1s/failover=4s/coverage=99.9%/manual=3600s", &[], 800_000.0, 0.02);
}

/// A21: most outages are as long as detection and failover, whatever the mean.
#[test]
fn outages_are_as_long_as_what_they_are_made_of() {
    let all = assembly("mtbf=1h/detect=30s/failover=60s/coverage=98%/manual=7200s", &[]);
    let got = seen(&all, 200.0, 3);
    let length = |percent: u64| got.length(Ratio::new(percent, 100).unwrap()).unwrap();
    // Two exponentials of 30 s and 60 s are over after 0.98 P = 1/2; a single one of 234 s would be after 162 s.
    assert!((length(50) / 75.8 - 1.0).abs() < 0.05, "{}", length(50));
    // Beyond the 99th are those by hand, of which half are over after 83 minutes.
    assert!((4_000.0..6_500.0).contains(&length(99)), "{}", length(99));
}

/// Whether the windows of two machines ever meet is settled as a run begins: it takes many runs, here sixteen thousand of a quarter
/// of a year, a hundred for each mean.
#[track_caller]
fn check_windows(text: &str, names: &[&str]) {
    let all = assembly(text, names);
    let down: Vec<f64> = (0..160).map(|seed| seen(&all, 25.0, seed).down.value.unwrap()).collect();
    let mean = down.iter().sum::<f64>() / down.len() as f64;
    let variance = down.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / (down.len() - 1) as f64;
    // The 99.9 % quantile of Student's law with 159 degrees of freedom, both sides.
    let (half, truth) = (3.352 * libm::sqrt(variance / down.len() as f64), all.availability().down);
    println!("{text}: {mean:.4e} ± {half:.1e} of {truth:.4e}");
    assert!((mean - truth).abs() <= half && half <= 0.05 * truth, "{text}: {mean} ± {half}, not {truth}");
}

/// A cause in common by its beta factor, and maintenance: of each machine by itself, of all at once, and drained before.
#[test]
fn common_causes_and_maintenance_take_down_what_the_algebra_says() {
    let names = ["x=mtbf=99h/mttr=1h", "patch=window=2h/every=100h", "slow=window=2h/every=100h/drain=30m"];
    check("2of3(x, beta=10%)", &names, 9_000.0, 0.03);
    check("patch", &names, 300.0, 0.01);
    check_windows("2of3(x * patch)", &names);
    check("2of3(x) * patch#1", &names, 3_000.0, 0.02);
    check_windows("(x * slow | x * slow) * slow#1", &names);
}

/// Spares that wait, and takeovers that take time or fail.
#[test]
fn standby_and_failover_cost_what_the_chain_says() {
    check("1of2(mtbf=100h/mttr=4h, standby=cold)", &[], 8_000.0, 0.03);
    check("1of3(mtbf=100h/mttr=20h, standby=30%, crews=1)", &[], 10_000.0, 0.03);
    check("1of2(mtbf=30d/mttr=1h, detect=30s, failover=60s, coverage=98%, manual=2h)", &[], 100_000.0, 0.02);
    check("2of3(mtbf=30d/mttr=1h, active=1, failover=1800ms)", &[], 230_000.0, 0.03);
}

/// The lab's own example: what the algebra of independent machines says, and the failovers it does not know of.
#[test]
fn failovers_account_for_what_independence_leaves_out() {
    let all = assembly("2of3(mtbf=30d/mttr=1h, active=1, failover=1800ms)", &[]);
    let naive = assembly("2of3(mtbf=30d/mttr=1h)", &[]).availability().down;
    let got = seen(&all, 40_000.0, 1);
    let (down, taking_over) = (got.down.value.unwrap(), got.taking_over.value.unwrap());
    let rest = down - naive - taking_over;
    assert!(rest.abs() <= got.down.half_width().unwrap(), "{rest} of {down}");
    // 12.2 failovers a year of 1.8 s each.
    assert!((taking_over * YEAR / 21.9 - 1.0).abs() < 0.02, "{}", taking_over * YEAR);
    // Outages are few and uneven: an interval of 5 % either way takes more years than these.
    let years = got.seconds_for(0.05).unwrap() / YEAR;
    assert!((40_000.0..160_000.0).contains(&years), "{years}");
}

#[test]
fn the_same_seed_sees_the_same() {
    let all = assembly("2of3(mtbf=100h/mttr=4h, crews=1) * mtbf=10d/mttr=1h", &[]);
    let [one, two, other] = [3, 3, 4].map(|seed| seen(&all, 100.0, seed));
    assert_eq!((one.down, one.episodes, one.events), (two.down, two.episodes, two.events));
    assert_ne!(one.down, other.down);
    // One component more leaves the dice of the others as they are.
    let more = assembly("2of3(mtbf=100h/mttr=4h, crews=1) * mtbf=10d/mttr=1h | 0%", &[]);
    assert_eq!(seen(&more, 100.0, 3).down, one.down);
}

#[test]
fn what_was_not_said_is_not_simulated() {
    assert!(simulate(&assembly("99%", &[]), &Plan::of(YEAR, Seed(0), SURE)).is_none());
    assert!(simulate(&assembly("100% * mtbf=1h/mttr=1m", &[]), &Plan::of(YEAR, Seed(0), SURE)).is_some());
}
