//! Nodes that stand in zones, and share what happens to them.

use std::collections::BTreeSet;

use faultline_tests::cast::{NOTHING, Ran, cast, run, with};
use faultline_tests::scenarios::{remedied, written};
use serde_json::json;
use sim_core::{Fault, NodeId, Seed, Stop};
use sim_models::language::Choices;

/// Nodes a to f in the zones eu-1, eu-1, eu-2, eu-2, eu-3 and none.
fn zoned(faults: &[&str], seed: u64) -> Ran {
    let mut system = with(cast(&[NOTHING; 6]), faults);
    for (node, zone) in ["eu-1", "eu-1", "eu-2", "eu-2", "eu-3"].into_iter().enumerate() {
        system.zone(NodeId(node as u32), zone);
    }
    run(&system, seed)
}

/// The nodes that start for a second time, in order.
fn struck(faults: &[&str], seed: u64) -> String {
    let ran = zoned(faults, seed);
    let mut names: Vec<char> =
        ran.mentioning("/2: start").iter().filter_map(|line| line.split(' ').nth(1)?.chars().next()).collect();
    names.sort_unstable();
    names.into_iter().collect()
}

#[test]
fn a_zone_goes_down_together_and_comes_back() {
    assert_eq!(struck(&["1s..2s crash zone eu-1"], 1), "ab");
    assert_eq!(struck(&["1s..2s power-loss zone eu-3"], 1), "e");
    assert_eq!(zoned(&["1s..2s crash zone eu-2"], 1).sim.touched(), [2]);
    assert_eq!(struck(&["1s.. crash zone eu-1"], 1), "");
    let both = ["1s..3s crash zone eu-1", "2s..4s crash a"];
    assert_eq!(zoned(&both, 1).mentioning("/2: start"), ["3s b/2: start", "4s a/2: start"]);
}

#[test]
fn one_zone_is_drawn_anew_each_time_and_each_zone_has_its_own_dice() {
    let drawn: BTreeSet<String> = (0..40).map(|seed| struck(&["1s..2s crash one zone"], seed)).collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), ["ab", "cd", "e"]);
    assert_eq!(struck(&["1s..2s crash each zone"], 1), "abcde");
    let ran = zoned(&["0s..60s crash each zone every ~20s for 1s"], 3);
    let at = |node: &str| ran.mentioning(&format!(" {node}/2: start"))[0].split(' ').next().unwrap().to_owned();
    assert_eq!(at("a"), at("b"));
    assert_ne!(at("a"), at("c"));
    let one_of: BTreeSet<String> = (0..20).map(|seed| struck(&["1s..2s crash one of zone eu-1"], seed)).collect();
    assert_eq!(one_of.into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_node_more_in_another_zone_draws_the_same_zone() {
    for seed in 0..20 {
        let mut system = with(cast(&[NOTHING; 3]), &["1s..2s crash one zone"]);
        system.zone(NodeId(0), "x");
        system.zone(NodeId(1), "y");
        let few = run(&system, seed).mentioning("/2: start").join("");
        system.zone(NodeId(2), "y");
        let more = run(&system, seed).mentioning("/2: start").join("");
        assert!(more.starts_with(&few), "{few} {more}");
    }
}

#[test]
fn a_zone_that_is_not_there_is_an_error_that_lists_those_that_are() {
    let wrong = |line: &str| {
        let mut system = with(cast(&[NOTHING; 2]), &[line]);
        system.zone(NodeId(0), "eu-1");
        system.start(Seed(1)).err().expect("it is wrong").to_string()
    };
    assert_eq!(wrong("1s..2s crash zone eu-9"), "no zone \"eu-9\"; did you mean \"eu-1\"? zones are eu-1");
    assert!(wrong("partition isolate zone mars").ends_with("no zone \"mars\"; zones are eu-1"));
    let nowhere = with(cast(&[NOTHING]), &["1s..2s crash one zone"]).start(Seed(1)).err().expect("wrong").to_string();
    assert!(nowhere.contains("no node is in a zone"), "{nowhere}");
    assert!("partition isolate each zone".parse::<Fault>().is_err());
}

#[test]
fn replicas_of_a_scenario_are_dealt_to_zones() {
    let file = |fault: &str| {
        written(&json!({
            "faultline": 1, "name": "zones", "until": "20s",
            "nodes": {"api": {"kind": "service", "replicas": 5, "zones": ["a", "b"], "endpoints": {"get": []}},
                      "db": {"kind": "store", "zone": "b", "maps": {"m": {}}}},
            "workload": {"user": {"rate": "10/s", "limit": 50, "each": "view", "do": [{"call": "api.get"}]}},
            "faults": [fault],
        }))
    };
    let touched = |fault| remedied(&file(fault), None).run(Seed(1), Stop::AtEnd).touched;
    assert_eq!((touched("1s..2s crash zone a"), touched("1s..2s crash zone b")), (vec![3], vec![3]));
    let wrong = file("1s..2s crash zone c").model(&Choices::none()).err().expect("it is wrong").to_string();
    assert!(wrong.contains("no zone \"c\""), "{wrong}");
}
