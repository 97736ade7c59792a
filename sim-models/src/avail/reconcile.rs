//! Why a system is down for longer, or shorter, than a formula of independent parts says: what each way in which they
//! depend on each other adds, one after the other, by the algebra and as it is seen in a simulation.

use super::assembly::{Assembly, Component, Law};
use super::group::Group;
use super::life::{Life, Phases, Shape};
use super::simulate::{Plan, Simulated, Simulation, simulate_while};
use super::system::System;
use super::up::Availability;
use crate::stats::Estimate;

/// What makes more of a system than a formula of independent parts, in the order in which it is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A block that is needed in several places is one and the same.
    Sharing,
    /// Some failures strike all of a group at once.
    CommonCause,
    /// Repairs wait for a crew that works on another.
    Crews,
    /// Spares fail less often than what works.
    Standby,
    /// It takes time until a failure is seen and another has taken over.
    Failover,
    /// Not every takeover succeeds, and then people have to come.
    Coverage,
}

impl Effect {
    /// In their order.
    pub const ALL: [Effect; 6] =
        [Effect::Sharing, Effect::CommonCause, Effect::Crews, Effect::Standby, Effect::Failover, Effect::Coverage];

    /// What it is, in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Effect::Sharing => "shared parts",
            Effect::CommonCause => "common causes",
            Effect::Crews => "waiting for a crew",
            Effect::Standby => "spares that rest",
            Effect::Failover => "failover",
            Effect::Coverage => "takeovers by hand",
        }
    }

    /// What scripts call it.
    pub const fn key(self) -> &'static str {
        match self {
            Effect::Sharing => "sharing",
            Effect::CommonCause => "common-cause",
            Effect::Crews => "crews",
            Effect::Standby => "standby",
            Effect::Failover => "failover",
            Effect::Coverage => "coverage",
        }
    }

    /// The group with this of it and nothing of what is put back later; `base` is what it has so far.
    fn in_group(self, base: Group, group: Group) -> Group {
        match self {
            Effect::Sharing | Effect::CommonCause => base,
            Effect::Crews => Group { crews: group.crews, ..base },
            Effect::Standby => Group { spare: group.spare, ..base },
            Effect::Failover => Group { takeover: group.takeover, ..base },
            Effect::Coverage => Group { coverage: group.coverage, manual: group.manual, ..base },
        }
    }

    /// The outage of a single part with this of it.
    fn in_phases(self, base: Phases, phases: Phases) -> Phases {
        match self {
            Effect::Sharing | Effect::CommonCause | Effect::Crews | Effect::Standby => base,
            Effect::Failover => Phases { each: phases.each, ..base },
            Effect::Coverage => Phases { missed: phases.missed, manual: phases.manual, ..base },
        }
    }
}

/// What is between a formula of independent parts and what a system comes to, and between that and what was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciliation {
    /// What independent parts come to: nothing is shared, spares are hot and take over at once and always, each has a
    /// crew.
    pub formula: Availability,
    /// What that becomes as each effect that makes a difference is put back, in order.
    pub steps: Vec<PutBack>,
    /// What the system comes to by the algebra.
    pub whole: Availability,
    /// The share of time down as it was seen, when it was simulated.
    pub seen: Option<Estimate>,
}

/// An effect that is put back.
#[derive(Clone, Debug, PartialEq)]
pub struct PutBack {
    /// Which one.
    pub effect: Effect,
    /// What it comes to with this and all before it.
    pub after: Availability,
    /// By how much the share of time down has grown with it in a simulation.
    pub seen: Option<Estimate>,
}

impl Reconciliation {
    /// What each effect adds to the share of time down by the algebra, in order.
    pub fn added(&self) -> Vec<f64> {
        let before = std::iter::once(self.formula).chain(self.steps.iter().map(|step| step.after));
        before.zip(&self.steps).map(|(before, step)| step.after.down - before.down).collect()
    }

    /// What is left of the share of time down that was seen when the formula and all effects are taken away: chance,
    /// whose interval holds nothing unless something is wrong.
    pub fn unexplained(&self) -> Option<Estimate> {
        let less = |end: Option<f64>| end.map(|end| end - self.whole.down);
        self.seen.map(|seen| Estimate { value: less(seen.value), lo: less(seen.lo), hi: less(seen.hi), ..seen })
    }

    /// The same beside what a simulation has seen.
    pub fn beside(self, seen: &Simulated) -> Reconciliation {
        Reconciliation { seen: Some(seen.down), ..self }
    }
}

/// A system with some effects taken away: an assembly, with components in the places of its own.
struct Stage {
    effect: Option<Effect>,
    assembly: usize,
    components: Vec<Component>,
    comes_to: Availability,
}

/// All stages from independent parts to the whole; those that make no difference are left out.
struct Stages {
    assemblies: Vec<Assembly>,
    stages: Vec<Stage>,
}

impl Stages {
    fn of(system: &System) -> Option<Stages> {
        let whole = system.assembly().ok()?;
        let (mut stripped, mut assemblies, mut firsts) = (system.clone(), vec![whole], Vec::new());
        for effect in [Effect::CommonCause, Effect::Sharing] {
            if stripped.strip(effect) {
                firsts.push(effect);
                assemblies.push(stripped.assembly().ok()?);
            }
        }
        let mut all = Stages { assemblies, stages: Vec::new() };
        let last = all.assemblies.len() - 1;
        for (assembly, effect) in (0..=last).rev().zip(std::iter::once(None).chain(firsts.into_iter().rev().map(Some)))
        {
            let components = all.assemblies[assembly].components().iter().map(independent).collect();
            all.push(effect, assembly, components);
        }
        for effect in [Effect::Crews, Effect::Standby, Effect::Failover, Effect::Coverage] {
            let before = all.stages.last()?.components.clone();
            let own = all.assemblies[0].components();
            let components = before.into_iter().zip(own).map(|(base, own)| with(effect, base, own)).collect();
            all.push(Some(effect), 0, components);
        }
        Some(all)
    }

    /// Takes a stage up, in the place of the last one when it comes to the same.
    fn push(&mut self, effect: Option<Effect>, assembly: usize, components: Vec<Component>) {
        /// What is nearer to the same than this, rounding may have made.
        const SAME: f64 = 1e-9;
        let parts: Vec<Availability> = components.iter().map(|component| component.availability).collect();
        let comes_to = self.assemblies[assembly].with(&parts);
        match self.stages.last_mut() {
            Some(last) if (comes_to.down - last.comes_to.down).abs() <= SAME * comes_to.down => {
                *last = Stage { effect: last.effect, assembly, components, comes_to };
            }
            Some(_) | None => self.stages.push(Stage { effect, assembly, components, comes_to }),
        }
    }

    fn told(&self) -> Option<Reconciliation> {
        let (first, rest) = self.stages.split_first()?;
        let step = |stage: &Stage| Some(PutBack { effect: stage.effect?, after: stage.comes_to, seen: None });
        let steps = rest.iter().map(step).collect::<Option<Vec<_>>>()?;
        Some(Reconciliation { formula: first.comes_to, steps, whole: self.assemblies[0].availability(), seen: None })
    }
}

/// A component as it would be if it depended on nothing.
fn independent(component: &Component) -> Component {
    match component.law {
        Some(Law::Group(group)) => {
            let alone = Group::new(group.need, group.of, group.mtbf, group.mttr);
            grouped(component, Group { active: group.active, ..alone })
        }
        // What is left of an outage without detection and failover is its repair, where there is one.
        Some(Law::Phases { rate, phases }) if phases.each[2] > 0.0 => {
            phased(component, rate, Phases { each: [0.0, 0.0, phases.each[2]], missed: 0.0, manual: 0.0 })
        }
        Some(_) | None => component.clone(),
    }
}

/// A component with an effect put back; `own` is how it is.
fn with(effect: Effect, base: Component, own: &Component) -> Component {
    match (base.law, own.law) {
        (Some(Law::Group(so_far)), Some(Law::Group(group))) => grouped(&base, effect.in_group(so_far, group)),
        (Some(Law::Phases { rate, phases: so_far }), Some(Law::Phases { phases, .. })) => {
            phased(&base, rate, effect.in_phases(so_far, phases))
        }
        (Some(_) | None, _) => base,
    }
}

fn grouped(component: &Component, group: Group) -> Component {
    let availability = group.settled().map_or(Availability::NEVER, |settled| settled.availability);
    Component { availability, law: Some(Law::Group(group)), ..component.clone() }
}

fn phased(component: &Component, rate: f64, phases: Phases) -> Component {
    let availability = Availability::of_lengths(1.0 / rate, phases.mean()).unwrap_or(component.availability);
    let down = Life { mean: phases.mean(), shape: Shape::Phases(phases) };
    let lives = component.lives.clone().map(|(up, _)| (up, Some(down)));
    Component { availability, law: Some(Law::Phases { rate, phases }), lives, ..component.clone() }
}

impl System {
    /// What a formula of independent parts says, and what it becomes as each effect that makes a difference here is put
    /// back. `None` when one of them cannot be worked out.
    ///
    /// ```
    /// use sim_models::avail::{Block, Effect, Names, System};
    /// let block = Block::parse("2of3(mtbf=30d/mttr=1h, active=1, failover=1800ms)").unwrap();
    /// let told = System::of(block, Names::new()).reconciled().unwrap();
    /// assert_eq!(told.steps[0].effect, Effect::Failover);
    /// // 12.2 failovers a year of 1.8 s.
    /// assert_eq!((told.added()[0] * 365.0 * 86_400.0).round(), 22.0);
    /// ```
    pub fn reconciled(&self) -> Option<Reconciliation> {
        Stages::of(self)?.told()
    }
}

/// The same beside a simulation of each stage: what every effect adds is seen by itself, on the same dice as far as they
/// belong to the same components, so that it is known much better than how long the whole is down. `None` when it was
/// not said of every component how it fails, or one is never repaired, which has no long run.
///
/// ```
/// use sim_core::Seed;
/// use sim_models::avail::{Block, Effect, Names, Plan, System, reconcile};
/// use sim_models::stats::Confidence;
/// let block = Block::parse("2of3(mtbf=100h/mttr=4h, crews=1)").unwrap();
/// let system = System::of(block, Names::new());
/// let told = reconcile(&system, &Plan::of(3.15e10, Seed(1), Confidence::USUAL)).unwrap();
/// // 0.43 % of the time if each had a crew, 0.88 % with one for all.
/// assert_eq!(told.steps[0].effect, Effect::Crews);
/// assert!(told.steps[0].seen.unwrap().covers(told.added()[0]), "{told:?}");
/// ```
pub fn reconcile(system: &System, plan: &Plan) -> Option<Reconciliation> {
    reconcile_while(system, plan, &|| true)
}

/// The same until somebody wants no further run of it: of what was not simulated to its end there is the algebra alone.
pub fn reconcile_while(system: &System, plan: &Plan, goes_on: &dyn Fn() -> bool) -> Option<Reconciliation> {
    let stages = Stages::of(system)?;
    let mut told = stages.told()?;
    let is_never_repaired = |component: &Component| {
        matches!(component.law, Some(Law::Group(Group { mttr: None, .. }) | Law::Single { outage: None, .. }))
    };
    if stages.assemblies[0].components().iter().any(is_never_repaired) {
        return None;
    }
    let run = |stage: &Stage| {
        let assembly = &stages.assemblies[stage.assembly];
        let whole = stages.assemblies[0].components();
        let mut simulation = Simulation::of(assembly, &stage.components, whole, plan)?;
        let is_done = simulation.run_while(assembly, goes_on);
        Some((simulation, is_done))
    };
    let (mut before, mut is_done) = run(stages.stages.first()?)?;
    for (stage, step) in stages.stages[1..].iter().zip(&mut told.steps) {
        let (after, is_too) = run(stage)?;
        is_done &= is_too;
        step.seen = is_done.then(|| after.added(&before));
        before = after;
    }
    let seen = simulate_while(&stages.assemblies[0], plan, goes_on)?;
    told.seen = (seen.left_out == 0).then_some(seen.down);
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::avail::{Block, Names};
    use crate::stats::Confidence;
    use sim_core::Seed;

    const YEAR: f64 = 365.0 * 86_400.0;

    fn told(text: &str, years: f64) -> (Reconciliation, Plan) {
        let system = System::of(Block::parse(text).unwrap(), Names::new());
        let plan = Plan::of(years * YEAR, Seed(5), Confidence::new(0.999).unwrap());
        (reconcile(&system, &plan).unwrap(), plan)
    }

    fn effects(told: &Reconciliation) -> Vec<Effect> {
        told.steps.iter().map(|step| step.effect).collect()
    }

    /// What each effect adds in the simulation is what the algebra says, and nothing of what was seen is left.
    fn holds(told: &Reconciliation, width: f64) {
        for (step, truth) in told.steps.iter().zip(told.added()) {
            let seen = step.seen.unwrap();
            assert!(seen.covers(truth), "{:?}: {seen:?}, not {truth}", step.effect);
            assert!(seen.half_width().unwrap() < width * truth.abs(), "{:?}: {seen:?}, {truth}", step.effect);
        }
        let left = told.unexplained().unwrap();
        assert!(left.covers(0.0), "{left:?}");
        let sum = told.formula.down + told.added().iter().sum::<f64>() + left.value.unwrap();
        assert!((sum / told.seen.unwrap().value.unwrap() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_effect_adds_what_its_chain_says() {
        let text = "1of3(mtbf=100h/mttr=20h, standby=30%, crews=1, failover=10m, coverage=95%, manual=4h) * \
                    mtbf=1000h/mttr=1h";
        let (told, _) = told(text, 5_000.0);
        assert_eq!(effects(&told), Effect::ALL[2..]);
        holds(&told, 0.2);
        assert_eq!(told.steps.last().unwrap().after, told.whole);
    }

    /// Nothing of this is a group: two ways over one part, a cause in common, and an outage that goes through phases.
    #[test]
    fn what_is_shared_common_or_taken_over_is_told_apart() {
        let mut names = Names::new();
        names.bind("x=mtbf=99h/mttr=1h").unwrap();
        names.bind("a=mtbf=90h/mttr=5h").unwrap();
        let text = "(x#1 * a | x#1 * a) * 1of2(a, beta=20%) * \
                    mtbf=100h/mttr=1h/detect=5m/failover=10m/coverage=90%/manual=5h";
        let system = System::of(Block::parse(text).unwrap(), names);
        let plan = Plan::of(3_000.0 * YEAR, Seed(3), Confidence::new(0.999).unwrap());
        let told = reconcile(&system, &plan).unwrap();
        assert_eq!(effects(&told), [Effect::Sharing, Effect::CommonCause, Effect::Failover, Effect::Coverage]);
        holds(&told, 0.2);
    }

    /// Four at once hardly ever wait: an effect of which nothing was seen is not known to be nothing.
    #[test]
    fn an_effect_that_was_not_seen_has_room_for_an_outage() {
        let (told, _) = told("3of4(mtbf=24d/mttr=9h, crews=3)", 30.0);
        let (seen, truth) = (told.steps[0].seen.unwrap(), told.added()[0]);
        assert_eq!((seen.value, told.steps.len()), (Some(0.0), 1));
        assert!(seen.covers(truth) && seen.hi.unwrap() > 0.0, "{seen:?}, {truth}");
    }

    #[test]
    fn independent_machines_have_nothing_to_reconcile() {
        let (told, _) = told("2of3(mtbf=100h/mttr=4h) * mtbf=1000h/mttr=1h", 2_000.0);
        assert!(told.steps.is_empty() && told.unexplained().unwrap().covers(0.0));
        assert_eq!(told.formula, told.whole);
    }
}
