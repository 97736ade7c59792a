//! What a hunt found, as one document: the report for people and the one for programs are both made from it, and shards of a hunt
//! are put together from it, so that many machines print exactly what one would have printed.
//!
//! It has never heard of a simulation: what is told of a run stands in it as words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sim_core::hunt::{Failure, Signature, Tally};
use sim_core::{Seed, Verdict};
use sim_models::stats::{Confidence, Estimate, Method, clopper_pearson};
use sim_models::study::Unit;

use crate::commands;
use crate::estimates::with_interval;
use crate::report::Exit;
use crate::seeds::{SeedList, Seeds, Shard};
use crate::text::{self, Side, table};

/// The version of the document that is written and read.
pub(crate) const FORMAT: u64 = 1;

/// What a hunt found. Everything from `verdict` on that can be worked out is worked out anew when it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) faultline: u64,
    pub(crate) kind: HuntWord,
    #[serde(flatten)]
    pub(crate) what: Hunted,
    /// Seeds judged: the first so many of the range, or of the shard of it.
    pub(crate) seeds: u64,
    /// The range in which these are all; of shards that came differently far, the one that all of them have finished.
    pub(crate) seed_range: String,
    pub(crate) verdict: Verdict,
    pub(crate) failing: u64,
    pub(crate) out_of_limits: u64,
    /// The ways to fail, smallest seed first.
    pub(crate) failures: Vec<Way>,
    /// For each `sometimes`, in how many runs it was reached.
    pub(crate) sometimes: BTreeMap<String, u64>,
    /// For each verb of the schedule, in how many runs at least one fault of it did something.
    pub(crate) fault_kinds: BTreeMap<String, u64>,
    /// For each fault of the schedule, in how many runs it did something.
    pub(crate) fault_runs: Vec<u64>,
    /// The faults that did something in no run.
    pub(crate) inert: Vec<String>,
    pub(crate) events: u64,
    pub(crate) wall_seconds: f64,
    pub(crate) seeds_per_second: f64,
    pub(crate) events_per_second: f64,
    /// Whether it was ended before its end, by something else than its budget.
    pub(crate) interrupted: bool,
    /// Shards that nobody reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<Shard>,
    /// Shards that did not come to their end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) unfinished: Vec<Unfinished>,
    /// How far each shard came, where they came differently far: seeds beyond `seed_range` are counted all the same.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) covered: BTreeMap<Shard, String>,
    /// The command that goes on, when the time was up or it was interrupted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) go_on: Option<String>,
}

/// What was hunted: shards of one hunt differ in `shard` only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hunted {
    pub(crate) scenario: String,
    /// What the report for people begins with.
    pub(crate) title: String,
    /// The version of the program.
    pub(crate) version: String,
    /// Of all that the runs follow from beside the seed, the version included.
    pub(crate) fingerprint: String,
    pub(crate) settings: Map<String, Value>,
    pub(crate) faults: Vec<String>,
    /// Where a run ends, when that was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// The properties, in the order of the file.
    pub(crate) properties: Vec<String>,
    /// The seeds that were asked for.
    pub(crate) requested: Seeds,
    /// Which of them; none: all.
    pub(crate) shard: Option<Shard>,
}

/// The word that tells what a hunt found from other documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HuntWord {
    /// `"kind": "hunt"`.
    #[serde(rename = "hunt")]
    Hunt,
}

/// One way to fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// The smallest seed that fails so.
    #[serde(with = "seed_text")]
    pub(crate) seed: Seed,
    pub(crate) verdict: Verdict,
    pub(crate) property: String,
    /// Verdict, property and causes in a line.
    pub(crate) signature: String,
    pub(crate) causes: Vec<String>,
    /// What was seen in the run of the smallest seed.
    pub(crate) detail: String,
    /// The file of its case; none when it could not be written.
    pub(crate) case: Option<String>,
    /// How many seeds fail so.
    pub(crate) count: u64,
}

/// A shard that did not come to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    pub(crate) shard: Shard,
    /// As far as it came.
    pub(crate) seed_range: String,
}

/// What is kept of the run of the smallest seed of a way to fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) detail: String,
    pub(crate) case: Option<String>,
}

/// The evidence of each way to fail.
pub(crate) type Evidences = BTreeMap<Signature, Evidence>;

/// Seeds are 64 bits, which JSON numbers of other programs do not hold: they are written as text.
mod seed_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use sim_core::Seed;

    pub(super) fn serialize<S: Serializer>(seed: &Seed, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(seed)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Seed, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Hunted {
    /// Its seeds, in order.
    pub(crate) fn list(&self) -> SeedList {
        SeedList::of(self.requested, self.shard)
    }
}

/// Verdict, property and causes in a line: `broken: charged at most once (timer of shop → …)`.
fn in_a_line(signature: &Signature) -> String {
    match signature.causes.is_empty() {
        true => signature.to_string(),
        false => format!("{signature} ({})", signature.way()),
    }
}

impl Way {
    /// What groups it with others.
    pub(crate) fn signature(&self) -> Signature {
        let Way { verdict, property, causes, .. } = self;
        Signature { verdict: *verdict, property: property.clone(), causes: causes.clone() }
    }

    fn of(signature: &Signature, failure: Failure, evidence: Option<&Evidence>) -> Way {
        Way {
            seed: Seed(failure.seed),
            verdict: signature.verdict,
            property: signature.property.clone(),
            signature: in_a_line(signature),
            causes: signature.causes.clone(),
            detail: evidence.map(|it| it.detail.clone()).unwrap_or_default(),
            case: evidence.and_then(|it| it.case.clone()),
            count: failure.count,
        }
    }
}

impl Findings {
    /// What was found, with all that follows from it.
    pub(crate) fn new(what: Hunted, tally: &Tally, evidence: &Evidences, wall_seconds: f64) -> Findings {
        let mut failures: Vec<Way> = tally
            .failures
            .iter()
            .map(|(signature, failure)| Way::of(signature, *failure, evidence.get(signature)))
            .collect();
        failures.sort_by_key(|way| way.seed.0);
        let places = 0..what.faults.len() as u32;
        let fault_runs: Vec<u64> = places.map(|place| tally.effective.get(&place).copied().unwrap_or(0)).collect();
        let inert = what.faults.iter().zip(&fault_runs).filter(|(_, runs)| tally.seeds > 0 && **runs == 0);
        let seconds = wall_seconds.max(1e-9);
        Findings {
            faultline: FORMAT,
            kind: HuntWord::Hunt,
            seeds: tally.seeds,
            seed_range: what.list().covered(tally.seeds),
            verdict: tally.verdict(),
            failing: tally.failing,
            out_of_limits: tally.out_of_limits,
            failures,
            sometimes: tally.sometimes.clone(),
            fault_kinds: tally.kinds.clone(),
            inert: inert.map(|(fault, _)| fault.clone()).collect(),
            fault_runs,
            events: tally.events,
            wall_seconds,
            seeds_per_second: tally.seeds as f64 / seconds,
            events_per_second: tally.events as f64 / seconds,
            interrupted: false,
            missing: Vec::new(),
            unfinished: Vec::new(),
            covered: BTreeMap::new(),
            go_on: None,
            what,
        }
    }

    /// The sums that it was made from.
    pub(crate) fn tally(&self) -> Tally {
        let failure = |way: &Way| (way.signature(), Failure { seed: way.seed.0, count: way.count });
        Tally {
            seeds: self.seeds,
            failing: self.failing,
            out_of_limits: self.out_of_limits,
            events: self.events,
            failures: self.failures.iter().map(failure).collect(),
            sometimes: self.sometimes.clone(),
            effective: (0..).zip(self.fault_runs.iter().copied()).collect(),
            kinds: self.fault_kinds.clone(),
        }
    }

    /// What is kept of each way to fail.
    pub(crate) fn evidence(&self) -> Evidences {
        self.by_signature().map(|(_, known)| known).collect()
    }

    /// Each way to fail by its signature: its smallest seed, and what is kept of that.
    pub(crate) fn by_signature(&self) -> impl Iterator<Item = (u64, (Signature, Evidence))> {
        let of = |way: &Way| Evidence { detail: way.detail.clone(), case: way.case.clone() };
        self.failures.iter().map(move |way| (way.seed.0, (way.signature(), of(way))))
    }

    /// Whether it was put together from shards of which some are missing or unfinished.
    pub(crate) fn has_gaps(&self) -> bool {
        !(self.missing.is_empty() && self.unfinished.is_empty())
    }

    /// Whether the seeds that it counts are not the first so many.
    pub(crate) fn is_patchwork(&self) -> bool {
        self.has_gaps() || !self.covered.is_empty()
    }

    /// Says what is wrong with a document that no hunt has written.
    ///
    /// # Errors
    /// The first thing that does not fit the rest.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.faultline != FORMAT {
            return Err(format!("\"faultline\" is {}; this program reads {FORMAT}", self.faultline));
        }
        if !self.is_patchwork() {
            self.check_counts()?;
        }
        let timeless = |findings: &Findings| Findings {
            wall_seconds: 0.0,
            seeds_per_second: 0.0,
            events_per_second: 0.0,
            interrupted: false,
            seed_range: String::new(),
            missing: Vec::new(),
            unfinished: Vec::new(),
            covered: BTreeMap::new(),
            go_on: None,
            ..findings.clone()
        };
        let again = Findings::new(self.what.clone(), &self.tally(), &self.evidence(), self.wall_seconds);
        match timeless(&again) == timeless(self) {
            true => Ok(()),
            false => Err("its sums do not fit each other: no hunt has written it".to_owned()),
        }
    }

    fn check_counts(&self) -> Result<(), String> {
        let (list, seeds) = (self.what.list(), self.seeds);
        let most = [&self.sometimes, &self.fault_kinds].into_iter().flat_map(BTreeMap::values);
        let most = most.chain(&self.fault_runs).chain([&self.failing]).max().copied().unwrap_or(0);
        let ways = self.failures.iter().map(|way| way.count);
        let ways = ways.fold(0, u64::saturating_add);
        if seeds > list.count() {
            return Err(format!("\"seeds\" is {seeds}, and there are {} in it", list.count()));
        }
        if most > seeds {
            return Err(format!("something was seen in {most} runs, and there are {seeds}"));
        }
        if ways != self.failing.saturating_add(self.out_of_limits) || self.failures.iter().any(|way| way.count == 0) {
            return Err(format!("\"failing\" is {}, and the failures count {ways} together", self.failing));
        }
        match self.failures.iter().find(|way| !list.has(way.seed.0, seeds)) {
            Some(way) => Err(format!("seed {} is none of the {seeds} that it has judged", way.seed)),
            None => Ok(()),
        }
    }

    /// What the shell is told of a hunt that found this.
    pub(crate) fn exit(&self) -> Exit {
        let exit = match self.verdict {
            _ if self.failing > 0 => Exit::Failed,
            // Nobody knows what the rest would have shown.
            Verdict::Held | Verdict::NeverSeen if self.has_gaps() => Exit::OutOfLimits,
            Verdict::Held => Exit::Held,
            Verdict::OutOfLimits => Exit::OutOfLimits,
            Verdict::Panicked | Verdict::Broken | Verdict::Stuck | Verdict::NeverSeen => Exit::Failed,
        };
        exit.unless(self.interrupted)
    }

    /// The command that runs a case of it again.
    pub(crate) fn replay(way: &Way, called: &str) -> Option<String> {
        way.case.as_ref().map(|case| commands::line(called, ["replay", case]))
    }

    /// How many of how many fail, in a line: `3 seeds (0..3), 3 fail`.
    pub(crate) fn headline(&self) -> String {
        let shard = self.what.shard.map_or(String::new(), |shard| format!(", shard {shard}"));
        let cut = if self.interrupted { "interrupted: " } else { "" };
        let fail = match self.failing {
            0 => "none fails".to_owned(),
            1 => "1 fails".to_owned(),
            failing => format!("{} fail", text::count(failing)),
        };
        let seeds = text::counted(self.seeds, "seed");
        let share = match self.seeds {
            0 => String::new(),
            _ => format!(": {} of runs", with_interval(&Unit::Share, &self.failing_share())),
        };
        format!("{cut}{seeds} ({}{shard}), {fail}{share}", self.seed_range)
    }

    /// The share of runs that fail, as far as these seeds tell: they are independent trials, so the interval is exact.
    pub(crate) fn failing_share(&self) -> Estimate {
        match self.seeds {
            0 => Estimate::none(Method::ClopperPearson),
            seeds => clopper_pearson(self.failing, seeds, Confidence::USUAL),
        }
    }

    /// The document for programs; what follows from its counts stands in it and is not read back.
    pub(crate) fn document(&self) -> Value {
        let mut document = json!(self);
        document["failing_share"] = json!(self.failing_share());
        document
    }

    /// What is not in it: a line for the shards that are missing, and one for each that is unfinished.
    pub(crate) fn gaps(&self) -> Vec<String> {
        let shards: Vec<String> = self.missing.iter().map(Shard::to_string).collect();
        let missing = match shards.len() {
            0 => None,
            1 => Some(format!("missing: shard {}", shards[0])),
            _ => Some(format!("missing: shards {}", shards.join(", "))),
        };
        let unfinished = |it: &Unfinished| format!("unfinished: shard {}, only {}", it.shard, it.seed_range);
        missing.into_iter().chain(self.unfinished.iter().map(unfinished)).collect()
    }

    /// How far each shard came, in a line, where they came differently far.
    pub(crate) fn reach(&self) -> Option<String> {
        let to = |(shard, range): (&Shard, &String)| format!("{shard} to {}", end_of(range));
        let shards: Vec<String> = self.covered.iter().map(to).collect();
        let list = shards.join(", shard ").replacen(" to ", " came to ", 1);
        (!shards.is_empty()).then(|| format!("seeds beyond {} are counted too: shard {list}", self.seed_range))
    }

    /// The report for people.
    pub(crate) fn text(&self, called: &str) -> String {
        let mut out = format!("{}\n\n{}\n", self.what.title, self.headline());
        out.extend(self.gaps().iter().chain(&self.reach()).map(|line| format!("{line}\n")));
        out.extend(self.failures.iter().map(|way| told(way, called)));
        out += &self.reached();
        out.extend(self.inert.iter().map(|fault| format!("\n  had no effect in any run: {fault}\n")));
        let (seeds, events) = (text::rate(self.seeds_per_second), text::rate(self.events_per_second));
        out += &format!("\n{seeds} seeds/s, {events} events/s\n");
        let why = if self.interrupted { "interrupted" } else { "the time is up" };
        out.extend(self.go_on.iter().map(|command| format!("{why}; to go on: {command}\n")));
        out
    }

    /// In how many runs each `sometimes` and each kind of fault was reached.
    fn reached(&self) -> String {
        let row = |often: &'static str, never: &'static str| {
            move |(name, count): (&String, &u64)| match count {
                0 => vec![never.to_owned(), name.clone()],
                count => vec![format!("{often} {}", text::counted(*count, "run")), name.clone()],
            }
        };
        let seen = self.sometimes.iter().map(row("seen in", "never seen"));
        let struck = self.fault_kinds.iter().map(row("struck in", "never struck"));
        let tables = [seen.collect::<Vec<_>>(), struck.collect()];
        let shown = tables.iter().filter(|rows| !rows.is_empty());
        shown.map(|rows| format!("\n{}", table(&[Side::Left, Side::Left], rows))).collect()
    }
}

/// The end of a range as it is written.
fn end_of(range: &str) -> &str {
    range.rsplit("..").next().unwrap_or(range)
}

/// A way to fail, on a few lines.
fn told(way: &Way, called: &str) -> String {
    let smallest = format!("{}, the smallest {}", text::counted(way.count, "seed"), way.seed);
    let replay = Findings::replay(way, called).unwrap_or_else(|| "its case could not be written".to_owned());
    let signature = way.signature();
    let lines = [signature.way(), smallest, way.detail.clone(), replay];
    let lines = lines.iter().filter(|line| !line.is_empty()).map(|line| format!("    {line}\n"));
    format!("\n  {signature}\n{}", lines.collect::<String>())
}
