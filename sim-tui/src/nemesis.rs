//! What a nemesis drew for a run, and whether that was more than the system is meant to bear.

use sim_core::fault::When;
use sim_core::{Fault, Outcome, Seed, Verdict};
use sim_models::scenario::{Chance, Model};

/// The faults that were drawn for this seed, for people; nothing when none was asked for.
pub(crate) fn drawn(model: &Model) -> String {
    let lines: String = match (model.chance(), model.drawn()) {
        (Chance::Never, _) => String::new(),
        (Chance::BySeed | Chance::Drawn(_), []) => "the nemesis drew nothing\n".to_owned(),
        (Chance::BySeed | Chance::Drawn(_), drawn) => {
            let lines = drawn.iter().map(|fault| format!("  {fault}\n"));
            format!("the nemesis drew\n{}", lines.collect::<String>())
        }
    };
    lines + &excess(model).map(|excess| format!("{excess}\n")).unwrap_or_default()
}

/// Says so when the nemesis had nothing to draw for most of these seeds; nothing else.
pub(crate) fn idle(model: &Model, seeds: impl Iterator<Item = Seed>) -> Option<String> {
    if model.chance() != Chance::BySeed {
        return None;
    }
    let (idle, all) =
        seeds.fold((0u64, 0u64), |(idle, all), seed| (idle + u64::from(model.draws(seed).is_empty()), all + 1));
    (idle > all / 2).then(|| format!("the nemesis drew nothing on {idle} of {all} seeds"))
}

/// What is more in the schedule than the file tolerates, in a line.
pub(crate) fn excess(model: &Model) -> Option<String> {
    let excess = model.excess()?;
    Some(format!("more than the scenario tolerates, from {} on: {}", excess.at, excess.what))
}

/// The faults that never end, of a run that is stuck: what may excuse it.
pub(crate) fn left(model: &Model, outcome: &Outcome) -> Vec<String> {
    let for_ever = |fault: &&Fault| match fault {
        Fault::Timed(timed) => matches!(timed.when, When::From(_)) && timed.length.is_none() && timed.every.is_none(),
        Fault::Decision(_) => false,
    };
    let is_stuck = outcome.verdict == Verdict::Stuck;
    model.faults().iter().filter(|_| is_stuck).filter(for_ever).map(ToString::to_string).collect()
}

/// The same for people.
pub(crate) fn excuse(model: &Model, outcome: &Outcome) -> String {
    left(model, outcome).iter().map(|line| format!("  its excuse may be what never ends: {line}\n")).collect()
}
