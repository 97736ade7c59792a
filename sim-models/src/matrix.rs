//! Which kinds of trouble a scenario stands, which break it, and which do not even touch it.
//!
//! Each kind is drawn alone, by a nemesis of its own, for any node and link; and each seed is run without it too, because a run that fails
//! anyway says nothing about the trouble. A kind that decides no verdict in any scenario is as good as not there.

use sim_core::draft::Draft;
use sim_core::fault::{Timed, Verb, When};
use sim_core::nemesis::{Drafts, Heal, Nemesis, general};
use sim_core::{Duration, Fault, Instant, Seed, Stop};

use crate::scenario::Model;

/// A kind of trouble: what the lines of it have in common, and the lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// `crash wiping disk`.
    pub name: String,
    /// Its verb.
    pub verb: &'static str,
    /// The lines it is drawn from.
    pub drafts: Vec<Draft>,
    /// Whether it shows only when the node has lost its power too.
    pub company: Company,
}

/// What else happens to a node, in the runs with the trouble and in those without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Nothing.
    Alone,
    /// It loses power for a second, while the trouble holds or after it.
    PowerLoss,
    /// It loses power for a second as one of its syncs begins, while the trouble holds: at each third.
    PowerLossInSync,
    /// It is deployed as the run begins.
    Deploy,
}

/// What some seeds showed of one kind of trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Cell {
    /// Seeds.
    pub runs: u64,
    /// In how many of them it did something.
    pub struck: u64,
    /// In how many of those the run failed, and does not fail without it.
    pub broken: u64,
    /// In how many of them the run failed without it.
    pub failing_anyway: u64,
}

/// What a cell comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It broke what held without it.
    Broken,
    /// It did something, and nothing broke.
    Held,
    /// Every run failed without it.
    FailsAnyway,
    /// It did nothing.
    Inert,
}

impl Cell {
    /// What it comes to.
    pub fn mark(self) -> Mark {
        match self {
            Cell { broken: 1.., .. } => Mark::Broken,
            Cell { struck: 0, .. } => Mark::Inert,
            Cell { runs, failing_anyway, .. } if runs == failing_anyway => Mark::FailsAnyway,
            Cell { .. } => Mark::Held,
        }
    }

    /// Both together.
    #[must_use]
    pub fn merge(self, other: Cell) -> Cell {
        Cell {
            runs: self.runs + other.runs,
            struck: self.struck + other.struck,
            broken: self.broken + other.broken,
            failing_anyway: self.failing_anyway + other.failing_anyway,
        }
    }
}

/// Every kind of trouble that the general nemesis knows, in the order of the reference.
pub fn troubles() -> Vec<Trouble> {
    let mut all: Vec<Trouble> = Vec::new();
    for (verb, draft) in general() {
        let name = name(draft.as_str());
        match all.iter_mut().find(|trouble| trouble.name == name) {
            Some(trouble) => trouble.drafts.push(draft),
            None => {
                let company = company(&name);
                all.push(Trouble { name, verb, drafts: vec![draft], company });
            }
        }
    }
    all
}

/// What a disk has lost or spoilt shows when its node reads it again.
fn company(name: &str) -> Company {
    const READ_AGAIN: [&str; 5] = ["fsync-fails", "fsync-lies", "bit-rot", "misdirected", "read-error"];
    if name == "rollback" {
        return Company::Deploy;
    }
    let of_disk = name.strip_prefix("disk ");
    if of_disk == Some("torn-write") {
        // Only a write under way can be torn.
        return Company::PowerLossInSync;
    }
    if of_disk.is_some_and(|ill| READ_AGAIN.contains(&ill)) { Company::PowerLoss } else { Company::Alone }
}

/// The power losses that go with some trouble.
fn losses(trouble: &[Fault]) -> Vec<Fault> {
    let second = Duration::from_secs(1);
    let loss = |fault: &Fault| {
        let Fault::Timed(timed) = fault else { return None };
        let (begin, end) = (timed.when.begin(), timed.when.end());
        // In the middle of what has an end; what is done at one instant has some time to show.
        let at = end.map_or(begin + second, |end| begin + Duration::from_nanos(end.since(begin).nanos() / 2));
        let verb = Verb::PowerLoss { target: timed.verb.target()?.clone() };
        Some(Fault::Timed(Timed {
            when: When::Between(at, at + second),
            verb,
            trigger: None,
            every: None,
            length: None,
        }))
    };
    trouble.iter().filter_map(loss).collect()
}

/// The lines that go with some trouble, each worked out from one of its timed ones.
fn lines(trouble: &[Fault], line: impl Fn(&Timed) -> Option<String>) -> Vec<Fault> {
    let company = |fault: &Fault| match fault {
        Fault::Timed(timed) => line(timed)?.parse().ok(),
        Fault::Decision(_) => None,
    };
    trouble.iter().filter_map(company).collect()
}

/// The deploys that go with some trouble.
fn deploys(trouble: &[Fault]) -> Vec<Fault> {
    lines(trouble, |timed| Some(format!("0s deploy {} v2", timed.verb.target()?)))
}

/// The power losses at syncs that go with some trouble.
fn losses_in_sync(trouble: &[Fault]) -> Vec<Fault> {
    let until = |timed: &Timed| timed.when.end().map(|end| end.to_string()).unwrap_or_default();
    lines(trouble, |timed| {
        let (begin, target) = (timed.when.begin(), timed.verb.target()?);
        Some(format!("{begin}..{} power-loss {target} at sync 1/3 for 1s", until(timed)))
    })
}

/// The words of a line that say what it does.
fn name(line: &str) -> String {
    const GLUE: [&str; 11] = ["for", "per", "of", "bad", "good", "every", "any", "minority", "queue", "by", "grace"];
    let says = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !GLUE.contains(word);
    line.split(' ').filter(says).collect::<Vec<_>>().join(" ")
}

/// What comes of one seed without trouble and with each kind of it.
pub fn row(model: &Model, troubles: &[Trouble], seed: Seed) -> Vec<Cell> {
    let fails = |more: &[Fault]| {
        let run = model.with([model.faults(), more].concat(), model.rest()).run(seed, Stop::AtEnd);
        (run.outcome.verdict.is_failure(), run.touched, run.outcome.end)
    };
    let (fails_alone, _, end) = fails(&[]);
    let own = model.faults().len();
    let cast = model.cast();
    let cell = |trouble: &Trouble| {
        let nemesis = Nemesis {
            drafts: Drafts::Anywhere(trouble.drafts.clone()),
            faults: (1, 3),
            between: (Instant::ZERO, Nemesis::usual_end(end)),
            tolerance: model.program().nemesis.tolerance.clone(),
            heal: Heal::All,
        };
        let drawn = nemesis.draw(seed, model.faults(), &cast);
        let with = |company: Vec<Fault>| (fails(&company).0, company);
        let (fails_anyway, company) = match trouble.company {
            Company::Alone => (fails_alone, Vec::new()),
            Company::PowerLoss => with(losses(&drawn)),
            Company::PowerLossInSync => with(losses_in_sync(&drawn)),
            Company::Deploy => with(deploys(&drawn)),
        };
        let (fails, touched, _) = fails(&[&drawn[..], &company].concat());
        let struck = touched.iter().skip(own).take(drawn.len()).any(|times| *times > 0);
        Cell {
            runs: 1,
            struck: u64::from(struck),
            broken: u64::from(struck && fails && !fails_anyway),
            failing_anyway: u64::from(fails_anyway),
        }
    };
    troubles.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Choices;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: Vec<String> = troubles().into_iter().map(|trouble| trouble.name).collect();
        for name in ["partition isolate", "loss", "crash", "crash wiping disk", "clock drift", "disk bit-rot"] {
            assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
        }
    }

    #[test]
    fn a_crash_breaks_what_nobody_tries_again_and_a_rotten_disk_does_nothing_without_one() {
        let scenario = crate::builtin::scenario("gateway-timeout").unwrap().unwrap();
        let model = scenario.model(&Choices::none().set("orders", "300").remedy("reconcile")).unwrap();
        let troubles = troubles();
        let rows = (0..10).map(|seed| row(&model, &troubles, Seed(seed)));
        let sum = rows.fold(vec![Cell::default(); troubles.len()], |sum, row| {
            sum.into_iter().zip(row).map(|(a, b)| a.merge(b)).collect()
        });
        let mark = |name: &str| sum[troubles.iter().position(|trouble| trouble.name == name).unwrap()].mark();
        assert_eq!((mark("delay"), mark("disk slow")), (Mark::Held, Mark::Inert));
        assert!(sum.iter().all(|cell| cell.runs == 10 && cell.broken <= cell.struck && cell.struck <= cell.runs));
    }
}
