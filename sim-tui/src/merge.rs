//! `merge`: what hunts of shards printed, into what one machine would have printed for all of them.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde_json::Value;
use sim_core::hunt::Tally;

use crate::cli::MergeArgs;
use crate::findings::{Evidences, FORMAT, Findings, Hunted, Unfinished};
use crate::load;
use crate::progress;
use crate::report::{Bad, Exit, Report, bad, print};
use crate::seeds::Shard;
use crate::summary;

/// Findings, and where they come from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) findings: Findings,
}

/// Puts shards together and tells.
pub(crate) fn command(args: &MergeArgs, called: &str) -> Result<Report, Bad> {
    if args.files.iter().filter(|file| *file == "-").count() > 1 {
        return Err(bad!("- stands twice: standard input can be read once"));
    }
    summary::check(&args.summaries)?;
    let sources = args.files.iter().map(|file| read(file)).collect::<Result<Vec<Source>, Bad>>()?;
    let findings = merged(&sources).map_err(Bad)?;
    print(&shown(&findings, args.output.json, called))?;
    summary::write(&args.summaries, &findings, called)?;
    let exit = if args.exit_code { findings.exit() } else { Exit::Held };
    Ok(Report { text: String::new(), exit })
}

/// The report as it was asked for.
pub(crate) fn shown(findings: &Findings, json: bool, called: &str) -> String {
    if json { format!("{:#}\n", findings.document()) } else { findings.text(called) }
}

fn read(file: &str) -> Result<Source, Bad> {
    let (name, text) = match file {
        "-" => ("standard input", standard_input()?),
        file => (file, load::file(file, "what `hunt --json` prints")?),
    };
    let findings = parsed(&text).map_err(|why| bad!("{name}: {why}"))?;
    Ok(Source { name: name.to_owned(), findings })
}

fn standard_input() -> Result<String, Bad> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|error| bad!("standard input: {error}"))?;
    Ok(text)
}

/// Reads what a hunt printed, or what an unfinished one left to go on from.
fn parsed(text: &str) -> Result<Findings, String> {
    let wanted = "give what `hunt --json` prints";
    if text.trim().is_empty() {
        return Err("it is empty: the shard printed nothing; leave it out, and it is said to be missing".to_owned());
    }
    let document: Value =
        serde_json::from_str(text).map_err(|error| format!("this is not JSON ({error}); {wanted}"))?;
    match (document["kind"].as_str(), document["faultline"].as_u64()) {
        (Some("hunt" | "hunt-state"), Some(version)) if version > FORMAT => {
            Err(format!("it is written in format {version}; this faultline reads {FORMAT}"))
        }
        (Some("hunt-state"), _) => {
            progress::parsed(text).map(|earlier| Findings { interrupted: true, ..earlier.findings })
        }
        (Some("hunt"), _) => {
            let findings: Findings = serde_path_to_error::deserialize(document).map_err(|error| error.to_string())?;
            findings.check().map(|()| findings)
        }
        (Some(kind), _) => Err(format!("this is a {kind}; {wanted}")),
        (None, _) => Err(format!("this is not what a hunt printed; {wanted}")),
    }
}

/// Puts shards of one hunt together, in any order; a shard that is there twice counts once, as far as it came.
///
/// # Errors
/// When they are not shards of one hunt, or contradict each other.
pub(crate) fn merged(sources: &[Source]) -> Result<Findings, String> {
    let first = sources.first().ok_or("nothing to merge")?;
    if let (Some(patchwork), 2..) = (sources.iter().find(|it| it.findings.is_patchwork()), sources.len()) {
        return Err(format!("{} is itself merged, with gaps; merge what the shards printed", patchwork.name));
    }
    let mut shards: BTreeMap<Shard, &Source> = BTreeMap::new();
    for source in sources {
        same_hunt(first, source)?;
        let shard = source.findings.what.shard.unwrap_or(Shard::WHOLE);
        let known = shards.entry(shard).or_insert(source);
        *known = further(known, source)?;
    }
    let of = shards.keys().map(|shard| shard.of).max().unwrap_or(1);
    let whole = Hunted { shard: None, ..first.findings.what.clone() };
    if of == 1 {
        let findings = first_of(&shards);
        return Ok(Findings { what: whole, ..findings.clone() });
    }
    Ok(put_together(whole, of, &shards))
}

fn first_of<'a>(shards: &BTreeMap<Shard, &'a Source>) -> &'a Findings {
    let first = shards.values().next();
    &first.expect("there is a shard for each source").findings
}

fn put_together(whole: Hunted, of: u64, shards: &BTreeMap<Shard, &Source>) -> Findings {
    let all = || shards.iter().map(|(shard, source)| (*shard, &source.findings));
    let tally = all().fold(Tally::default(), |sum, (_, findings)| sum.merge(&findings.tally()));
    // They ran side by side: together they took as long as the longest.
    let wall = all().map(|(_, findings)| findings.wall_seconds).fold(0.0, f64::max);
    let mut findings = Findings::new(whole, &tally, &evidence(all().map(|(_, findings)| findings)), wall);
    findings.interrupted = all().any(|(_, findings)| findings.interrupted);
    findings.missing = missing(of, shards);
    let unfinished = all().filter(|(_, findings)| is_unfinished(findings));
    findings.unfinished =
        unfinished.map(|(shard, it)| Unfinished { shard, seed_range: it.seed_range.clone() }).collect();
    let ranges = all().map(|(shard, it)| (shard, it.what.list().covered(it.seeds)));
    let reach = |(_, it): (Shard, &Findings)| it.what.list().covered_to(it.seeds);
    let (least, most) = (all().map(reach).min(), all().map(reach).max());
    if least != most {
        findings.covered = ranges.collect();
    }
    let from = findings.what.requested.from;
    findings.seed_range = format!("{from}..{}", least.unwrap_or(from));
    findings
}

/// The shards that are not there. So many that nobody would read them are not all named.
fn missing(of: u64, shards: &BTreeMap<Shard, &Source>) -> Vec<Shard> {
    const NAMED: usize = 10_000;
    (1..=of).map(|index| Shard { index, of }).filter(|shard| !shards.contains_key(shard)).take(NAMED).collect()
}

/// Whether there are seeds that it was asked for and did not come to. A hunt without an end is over whenever its time is.
fn is_unfinished(findings: &Findings) -> bool {
    let short = findings.what.requested.to.is_some() && findings.seeds < findings.what.list().count();
    findings.interrupted || short
}

/// Of each way to fail what is kept of its smallest seed.
fn evidence<'a>(all: impl Iterator<Item = &'a Findings>) -> Evidences {
    let mut smallest: BTreeMap<_, (u64, _)> = BTreeMap::new();
    for findings in all {
        for (way, (signature, evidence)) in findings.by_signature() {
            let known = smallest.entry(signature).or_insert((way, evidence.clone()));
            if way < known.0 {
                *known = (way, evidence);
            }
        }
    }
    smallest.into_iter().map(|(signature, (_, evidence))| (signature, evidence)).collect()
}

/// Refuses what is not a shard of the same hunt, and says what is different.
fn same_hunt(one: &Source, other: &Source) -> Result<(), String> {
    let (a, b) = (&one.findings.what, &other.findings.what);
    let of = |what: &Hunted| what.shard.map_or("no shard".to_owned(), |shard| format!("shards of {}", shard.of));
    let texts = |what: &Hunted| [what.scenario.clone(), what.version.clone(), what.requested.to_string(), of(what)];
    let until = |what: &Hunted| what.until.clone().unwrap_or("the scenario's own end".to_owned());
    let lists = |what: &Hunted| [Value::Object(what.settings.clone()).to_string(), what.faults.join("; "), until(what)];
    let names = ["scenario ", "version ", "requested seeds ", "", "settings ", "faults ", "until "];
    let pairs = texts(a).into_iter().chain(lists(a)).zip(texts(b).into_iter().chain(lists(b)));
    let whole = |what: &Hunted| what.shard.unwrap_or(Shard::WHOLE).of;
    let refused =
        |why: String| format!("{} and {} are of different hunts: {why}; merge shards of one", one.name, other.name);
    for (name, (a, b)) in names.into_iter().zip(pairs) {
        if a != b && !(name.is_empty() && whole(&one.findings.what) == whole(&other.findings.what)) {
            return Err(refused(format!("{name}{a}, and {name}{b}")));
        }
    }
    if a.fingerprint != b.fingerprint || a.properties != b.properties || a.title != b.title {
        return Err(refused("the scenario file, or what was changed about it, is another".to_owned()));
    }
    Ok(())
}

/// The one of two reports of the same shard that came further.
fn further<'a>(one: &'a Source, other: &'a Source) -> Result<&'a Source, String> {
    let rank = |source: &Source| {
        let findings = &source.findings;
        let cases: Vec<_> = findings.failures.iter().map(|way| way.case.clone()).collect();
        // Of two that came equally far: the one that was not cut, then whatever makes the order of files irrelevant.
        let wall = (findings.wall_seconds * 1e9) as u64;
        (std::cmp::Reverse(findings.seeds), findings.interrupted, wall, cases, findings.go_on.clone())
    };
    let (more, less) = if rank(one) <= rank(other) { (one, other) } else { (other, one) };
    match contradiction(&more.findings, &less.findings) {
        None => Ok(more),
        Some(why) => {
            let shard = one.findings.what.shard.map_or("the same hunt".to_owned(), |shard| format!("shard {shard}"));
            Err(format!("{} and {} are both of {shard} and contradict each other: {why}", one.name, other.name))
        }
    }
}

/// Why a report cannot be an earlier one of the same hunt.
fn contradiction(more: &Findings, less: &Findings) -> Option<String> {
    if more.seeds == less.seeds {
        let plain = |findings: &Findings| findings.tally();
        return (plain(more) != plain(less)).then(|| "they found different things in the same seeds".to_owned());
    }
    let (later, earlier) = (more.tally(), less.tally());
    let lost = earlier.failures.iter().find(|(signature, failure)| {
        later.failures.get(signature).is_none_or(|it| it.seed != failure.seed || it.count < failure.count)
    });
    if let Some((signature, failure)) = lost {
        return Some(format!("only one of them has seed {} as the smallest with \"{signature}\"", failure.seed));
    }
    let grown = |less: &BTreeMap<String, u64>, more: &BTreeMap<String, u64>| {
        less.iter().all(|(name, count)| more.get(name).is_some_and(|more| more >= count))
    };
    let fits = grown(&earlier.sometimes, &later.sometimes)
        && grown(&earlier.kinds, &later.kinds)
        && earlier.events <= later.events
        && earlier.failing <= later.failing;
    (!fits).then(|| "the one with fewer seeds has counted more".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sim_core::Verdict;
    use sim_core::hunt::{Failure, Signature};

    use crate::findings::Evidence;
    use crate::seeds::Seeds;

    fn hunted(requested: Seeds, shard: Option<Shard>) -> Hunted {
        Hunted {
            scenario: "shop".to_owned(),
            title: "shop".to_owned(),
            version: "1".to_owned(),
            fingerprint: "0".to_owned(),
            settings: serde_json::Map::new(),
            faults: vec!["0s.. loss a->b 1%".to_owned(), "2s.. crash a".to_owned()],
            until: None,
            properties: vec!["p0".to_owned(), "p1".to_owned(), "seen".to_owned()],
            requested,
            shard,
        }
    }

    /// What a seed shows, drawn from nothing but itself.
    fn seen(seed: u64, luck: u64) -> Tally {
        let dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ luck;
        let verdict = [Verdict::Held, Verdict::Broken, Verdict::Stuck, Verdict::OutOfLimits][(dice % 4) as usize];
        let mut tally = Tally { seeds: 1, events: dice % 100, ..Tally::default() };
        tally.failing = u64::from(verdict.is_failure());
        tally.out_of_limits = u64::from(verdict == Verdict::OutOfLimits);
        if verdict != Verdict::Held {
            let causes = vec![format!("timer of n{}", dice / 4 % 3)];
            let signature = Signature { verdict, property: format!("p{}", dice / 16 % 2), causes };
            tally.failures.insert(signature, Failure { seed, count: 1 });
        }
        tally.sometimes.insert("seen".to_owned(), u64::from((dice / 32).is_multiple_of(9)));
        tally.effective = [(0, dice / 64 % 2), (1, 0)].into();
        tally.kinds = [("loss".to_owned(), dice / 64 % 2), ("crash".to_owned(), 0)].into();
        tally
    }

    /// The first seeds of a shard, all of them when there are no more.
    fn found(requested: Seeds, shard: Option<Shard>, most: u64, luck: u64) -> Findings {
        let what = hunted(requested, shard);
        let list = what.list();
        let kinds = [("loss".to_owned(), 0), ("crash".to_owned(), 0)].into();
        let none = Tally { kinds, ..Tally::default() };
        let seeds = (0..list.count().min(most)).map(|place| list.seed(place).0);
        let tally = seeds.fold(none, |sum, seed| sum.merge(&seen(seed, luck)));
        let evidence = |(signature, failure): (&Signature, &Failure)| {
            let evidence =
                Evidence { detail: format!("of {}", failure.seed), case: Some(format!("{}.json", failure.seed)) };
            (signature.clone(), evidence)
        };
        let evidence = tally.failures.iter().map(evidence).collect();
        Findings::new(what, &tally, &evidence, 1.0)
    }

    fn source(findings: Findings) -> Source {
        Source { name: findings.seed_range.clone(), findings }
    }

    /// All that is printed, apart from the timings.
    fn printed(findings: &Findings) -> [String; 2] {
        let timeless =
            Findings { wall_seconds: 0.0, seeds_per_second: 0.0, events_per_second: 0.0, ..findings.clone() };
        [shown(&timeless, true, "faultline"), shown(&timeless, false, "faultline")]
    }

    proptest! {
        #[test]
        fn shards_in_any_order_and_as_often_as_you_like_are_the_whole(
            (from, length, of, luck) in (0u64..50, 1u64..60, 1u64..9, any::<u64>()),
            again in proptest::collection::vec((0u64..9, 0u64..30), 0..5),
            turn in 0usize..9,
        ) {
            let range = Seeds { from, to: Some(from + length) };
            let shard = |index| Some(Shard { index, of });
            let mut sources: Vec<Source> =
                (1..=of).map(|index| source(found(range, shard(index), u64::MAX, luck))).collect();
            // Earlier reports of the same shards change nothing.
            sources.extend(again.iter().map(|(index, most)| source(found(range, shard(index % of + 1), *most, luck))));
            let turn = turn % sources.len();
            sources.rotate_left(turn);
            let merged = merged(&sources).map_err(TestCaseError::fail)?;
            let whole = found(range, None, u64::MAX, luck);
            prop_assert_eq!(printed(&merged), printed(&whole));
            prop_assert_eq!(merged.check(), Ok(()));
        }

        #[test]
        fn what_is_written_is_read_as_it_was(length in 1u64..60, most in 0u64..70, luck in any::<u64>()) {
            let range = Seeds { from: 3, to: Some(3 + length) };
            let findings = found(range, Some(Shard { index: 2, of: 3 }), most, luck);
            prop_assert_eq!(parsed(&shown(&findings, true, "faultline")), Ok(findings));
        }

        #[test]
        fn other_things_in_the_same_seeds_are_a_contradiction(length in 2u64..60, luck in 0u64..99) {
            let range = Seeds { from: 0, to: Some(length) };
            let (one, other) = (found(range, None, u64::MAX, luck), found(range, None, u64::MAX, luck + 1));
            prop_assume!(one.tally() != other.tally());
            prop_assert!(merged(&[source(one), source(other)]).is_err());
        }
    }

    #[test]
    fn what_is_not_there_is_said_and_nobody_calls_it_held() {
        let range = Seeds { from: 0, to: Some(40) };
        let shard = |index, most| source(found(range, Some(Shard { index, of: 4 }), most, 0));
        let merged = merged(&[shard(1, 99), shard(3, 4)]).expect("shards of one hunt");
        assert_eq!(merged.gaps(), ["missing: shards 2/4, 4/4", "unfinished: shard 3/4, only 0..15"]);
        assert_eq!((merged.seeds, merged.seed_range.as_str()), (14, "0..15"));
        for verdict in [Verdict::Held, Verdict::NeverSeen] {
            let quiet = Findings { failing: 0, verdict, ..merged.clone() };
            assert_eq!(quiet.exit(), Exit::OutOfLimits);
        }
    }

    #[test]
    fn of_shards_that_came_differently_far_the_range_is_what_all_have_finished() {
        let range = Seeds { from: 0, to: None };
        let shard = |index, most| source(found(range, Some(Shard { index, of: 2 }), most, 0));
        let merged = merged(&[shard(2, 50), shard(1, 8)]).expect("shards of one hunt");
        assert_eq!((merged.seeds, merged.seed_range.as_str()), (58, "0..15"));
        let reach = "seeds beyond 0..15 are counted too: shard 1/2 came to 15, shard 2/2 to 100";
        assert_eq!(merged.reach().as_deref(), Some(reach));
        let written = shown(&merged, true, "faultline");
        assert!(written.contains(r#""1/2": "0..15""#) && written.contains(r#""2/2": "0..100""#), "{written}");
        assert_eq!(parsed(&written), Ok(merged));
    }
}
