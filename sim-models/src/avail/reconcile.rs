//! Why a simulated system is down for longer, or shorter, than its machines would be if they were independent of each
//! other: what each way of depending on each other adds, one after the other, with an interval for each.

use super::assembly::{Assembly, Law};
use super::group::Group;
use super::simulate::{Plan, simulate_with};
use super::up::Availability;
use crate::stats::{Estimate, replications};

/// A difference between independent machines and those that there are, and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciliation {
    /// The share of time down by the algebra, were the machines of every group independent: hot spares, a crew for
    /// each, takeovers that take no time and succeed.
    pub independent: f64,
    /// What the simulation of those was off by, which is chance alone: its interval should hold nothing.
    pub chance: Estimate,
    /// What each cause adds to the share of time down, in the order in which they were added.
    pub causes: Vec<(Cause, Estimate)>,
    /// The share of time down of the system as it is.
    pub seen: Estimate,
}

/// Why machines are not independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// They wait for a repair crew that works on another.
    Crews,
    /// Spares fail less often than those that work.
    Standby,
    /// Another one takes over only after a while.
    Takeover,
    /// A takeover does not succeed and waits for people.
    Coverage,
}

impl Cause {
    /// In the order in which they are added.
    pub const ALL: [Cause; 4] = [Cause::Crews, Cause::Standby, Cause::Takeover, Cause::Coverage];

    /// What it is, in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::Crews => "waiting for a crew",
            Cause::Standby => "spares that rest",
            Cause::Takeover => "taking over",
            Cause::Coverage => "takeovers by hand",
        }
    }

    /// The group with this of it and nothing of what is added later; `base` is what it has so far.
    fn added(self, base: Group, group: Group) -> Group {
        match self {
            Cause::Crews => Group { crews: group.crews, ..base },
            Cause::Standby => Group { spare: group.spare, active: group.active, ..base },
            Cause::Takeover => Group { takeover: group.takeover, ..base },
            Cause::Coverage => Group { coverage: group.coverage, manual: group.manual, ..base },
        }
    }

    fn is_in(self, group: Group) -> bool {
        match self {
            Cause::Crews => group.mttr.is_some() && group.crews < group.of,
            Cause::Standby => group.spare < 1.0,
            Cause::Takeover => group.takeover > 0.0,
            Cause::Coverage => group.coverage.down > 0.0,
        }
    }
}

/// Independent machines, as many as the group has.
fn independent(group: Group) -> Group {
    Group { active: group.active, ..Group::new(group.need, group.of, group.mtbf, group.mttr) }
}

/// Simulates the machines of an assembly as if they were independent, and then once more with each cause that makes
/// them depend on each other, on the same dice: every machine fails and is repaired as it did before wherever the
/// cause has no say, so that what a cause adds is known much better than how long the whole is down. `None` when it
/// was not said of every component how it fails, or a group is never repaired, which has no long run.
///
/// Failures that blocks have in common are components of their own, in the algebra as well as in the simulation.
///
/// ```
/// use sim_core::Seed;
/// use sim_models::avail::{Assembly, Block, Cause, Names, Plan, reconcile};
/// use sim_models::stats::Confidence;
/// let block = Block::parse("2of3(mtbf=100h/mttr=4h, crews=1)").unwrap();
/// let assembly = Assembly::of(&block, &Names::new()).unwrap();
/// let told = reconcile(&assembly, &Plan::of(3.15e10, Seed(1), Confidence::USUAL)).unwrap();
/// // 0.43 % of the time if each had a crew, 0.88 % with one for all.
/// let (cause, added) = told.causes[0];
/// assert!(cause == Cause::Crews && added.covers(assembly.availability().down - told.independent), "{told:?}");
/// ```
pub fn reconcile(assembly: &Assembly, plan: &Plan) -> Option<Reconciliation> {
    let laws: Vec<Option<Law>> = assembly.components().iter().map(|component| component.law).collect();
    let group_of = |law: &Option<Law>| match law {
        Some(Law::Group(group)) => Some(*group),
        Some(Law::Single { .. } | Law::Fixed { .. } | Law::Uneven { .. }) | None => None,
    };
    let mut groups: Vec<Option<Group>> = laws.iter().map(|law| group_of(law).map(independent)).collect();
    let parts = assembly.components().iter().zip(&groups).map(|(component, group)| match group {
        Some(group) => Some(group.settled()?.availability),
        None => Some(component.availability),
    });
    let parts: Vec<Availability> = parts.collect::<Option<_>>()?;
    let truth = assembly.with(&parts).down;
    let mut before = simulate_with(assembly, &groups, plan)?;
    let off: Vec<f64> = before.iter().map(|down| down - truth).collect();
    let mut causes = Vec::new();
    for cause in Cause::ALL {
        let mut is_new = false;
        for (group, law) in groups.iter_mut().zip(&laws) {
            if let (Some(base), Some(whole)) = (group.as_mut(), group_of(law)) {
                is_new |= cause.is_in(whole);
                *base = cause.added(*base, whole);
            }
        }
        if is_new {
            let after = simulate_with(assembly, &groups, plan)?;
            let added: Vec<f64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
            causes.push((cause, replications(&added, plan.confidence)));
            before = after;
        }
    }
    Some(Reconciliation {
        independent: truth,
        chance: replications(&off, plan.confidence),
        causes,
        seen: replications(&before, plan.confidence),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::{Block, Names, simulate};
    use crate::stats::Confidence;
    use sim_core::Seed;

    const YEAR: f64 = 365.0 * 86_400.0;

    fn told(text: &str, years: f64) -> (Assembly, Reconciliation, Plan) {
        let assembly = Assembly::of(&Block::parse(text).unwrap(), &Names::new()).unwrap();
        let plan = Plan::of(years * YEAR, Seed(5), Confidence::new(0.999).unwrap());
        let told = reconcile(&assembly, &plan).unwrap();
        (assembly, told, plan)
    }

    /// What each cause adds is what the chains with and without it differ by, and all of it together is what is seen.
    #[test]
    fn every_cause_adds_what_its_chain_says() {
        let text = "1of3(mtbf=100h/mttr=20h, standby=30%, crews=1, failover=10m, coverage=95%, manual=4h) * \
                    mtbf=1000h/mttr=1h";
        let (assembly, told, plan) = told(text, 5_000.0);
        assert!(told.chance.covers(0.0), "{told:?}");
        let causes: Vec<Cause> = told.causes.iter().map(|(cause, _)| *cause).collect();
        assert_eq!(causes, Cause::ALL);
        let Some(Law::Group(group)) = assembly.components()[0].law else { panic!("a group") };
        let one = assembly.components()[1].availability;
        let down = |group: Group| group.settled().unwrap().availability.and(one).down;
        let mut base = independent(group);
        assert!((down(base) / told.independent - 1.0).abs() < 1e-12);
        for (cause, added) in &told.causes {
            let with = cause.added(base, group);
            let truth = down(with) - down(base);
            assert!(added.covers(truth), "{cause:?}: {added:?}, not {truth}");
            assert!(added.half_width().unwrap() < 0.2 * truth.abs(), "{cause:?}: {added:?}, {truth}");
            base = with;
        }
        assert_eq!(told.seen, simulate(&assembly, &plan).unwrap().down);
        let sum: f64 = told.causes.iter().filter_map(|(_, added)| added.value).sum();
        let all = told.independent + told.chance.value.unwrap() + sum;
        assert!((all / told.seen.value.unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn independent_machines_have_nothing_to_reconcile() {
        let (assembly, told, _) = told("2of3(mtbf=100h/mttr=4h) * mtbf=1000h/mttr=1h", 2_000.0);
        assert!(told.causes.is_empty() && told.seen.covers(assembly.availability().down));
        assert_eq!(told.independent, assembly.availability().down);
    }
}
