//! A property of a scenario as what is rare: the probability that it breaks in a run, climbed to over a formula about
//! the run such as `db.waiting`.

use sim_core::{Duration, Instant, Judge, PropertyKind, Seed, Sim, Step, Stop};

use super::{Forked, Going, Ladder, NoLadder, Pilot, See, ladder};
use crate::judge::ScenarioJudge;
use crate::language::Choices;
use crate::message::Msg;
use crate::problem::{Problems, did_you_mean};
use crate::program::{Program, Role};
use crate::scenario::{Changes, Model, ModelError, Scenario};

/// A run of a scenario that climbs towards a violation.
pub type Climb = Forked<Msg, Watcher>;

/// A property whose violation is rare, and the formulas by which runs may climb there.
#[derive(Clone)]
pub struct Rarity {
    model: Model,
    property: usize,
    /// Formulas, and their places among the metrics.
    heights: Vec<(String, usize)>,
}

/// Why a scenario has no rare event of this name, or no way to it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoRarity {
    /// No property is called so.
    #[error("{0}")]
    Property(String),
    /// The formula is none.
    #[error("{0}")]
    Level(String),
    /// The scenario cannot be made so.
    #[error(transparent)]
    Model(Box<ModelError>),
    /// No formula leads there.
    #[error("{0}")]
    NoWay(String),
}

/// The levels that were found, and over what.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// The formula; none where what is rare is not, and plain runs tell as much.
    pub level: Option<String>,
    /// The levels.
    pub ladder: Ladder,
    /// Events of all pilot runs, those over other formulas included.
    pub events: u64,
}

/// What breaks in so many runs is left to plain ones.
const OFTEN: f64 = 0.05;

/// Where formulas are put among the metrics of a scenario. No file can have such a name.
const METRIC: &str = "rare_level_";

impl Rarity {
    /// A property of a scenario, and a formula about the run that says how near a run is; without one, what the
    /// scenario's nodes and calls count is tried.
    ///
    /// # Errors
    /// When there is no such property, a single run cannot break it, or the formula is none.
    pub fn of(
        scenario: &Scenario,
        choices: &Choices,
        changes: &Changes,
        property: &str,
        level: Option<&str>,
    ) -> Result<Rarity, NoRarity> {
        let plain = scenario.model_with(choices, changes).map_err(|error| NoRarity::Model(Box::new(error)))?;
        let property = find(plain.program(), property)?;
        let formulas = level.map_or_else(|| candidates(plain.program()), |level| vec![level.to_owned()]);
        let extended = extended(scenario, &formulas).map_err(|problems| NoRarity::Level(problems.to_string()))?;
        let model = extended.model_with(choices, changes).map_err(|error| match (error, level) {
            (ModelError::Problems(problems), Some(level)) => NoRarity::Level(said(&problems, level)),
            (error, _) => NoRarity::Model(Box::new(error)),
        })?;
        let place = |nth: usize| {
            let name = format!("{METRIC}{nth}");
            model.program().metrics.iter().position(|metric| metric.name == name)
        };
        let heights = formulas.into_iter().enumerate().filter_map(|(nth, formula)| Some((formula, place(nth)?)));
        let heights = heights.collect();
        Ok(Rarity { model, property, heights })
    }

    /// The property's name.
    pub fn property(&self) -> &str {
        &self.model.program().properties[self.property].name
    }

    /// The formulas that are given or can be tried.
    pub fn formulas(&self) -> impl Iterator<Item = &str> {
        self.heights.iter().map(|(formula, _)| formula.as_str())
    }

    /// A run, whose height is a formula, or without one nothing.
    pub fn start(&self, seed: Seed, formula: Option<&str>) -> Climb {
        let height = formula.and_then(|formula| self.heights.iter().find(|(known, _)| known == formula));
        let model = self.model.of_seed(seed);
        let (sim, judge) = model.start(seed);
        let course = model.course(Stop::AtEnd, sim_core::Limits::default());
        let end = if course.until == Instant::NEVER { Instant::NEVER } else { course.until + Duration::from_nanos(1) };
        let watcher = Watcher { judge, property: self.property, metric: height.map(|(_, metric)| *metric) };
        Forked::new(sim, watcher, end)
    }

    /// Looks for levels: none where plain runs break the property often enough; else over the formula that was given,
    /// or over whichever of those that can be tried leads there with the least variance for the work.
    ///
    /// # Errors
    /// When no formula leads there: runs do not come higher, or come higher and it never happens.
    pub fn way(&self, pilot: &Pilot, seed: Seed) -> Result<Way, NoRarity> {
        let plainly = ladder(&|dice| self.start(dice, None), &Pilot { rounds: 0, ..*pilot }, seed);
        let mut events = 0;
        match plainly {
            Ok(ladder) if ladder.guess() >= OFTEN => return Ok(Way { level: None, events: ladder.events, ladder }),
            Ok(ladder) => events += ladder.events,
            Err(NoLadder::Stuck { .. } | NoLadder::TooLong { .. }) => {}
        }
        // Of many formulas most lead nowhere, which is not to take long.
        let rounds = if self.heights.len() == 1 { pilot.rounds } else { pilot.rounds.min(1) };
        let pilot = &Pilot { rounds, ..*pilot };
        let mut best: Option<Way> = None;
        let mut stuck = Vec::new();
        for formula in self.formulas() {
            match ladder(&|dice| self.start(dice, Some(formula)), pilot, seed) {
                Ok(ladder) => {
                    events += ladder.events;
                    let work = |ladder: &Ladder| ladder.cost() * ladder.events as f64;
                    if best.as_ref().is_none_or(|best| work(&ladder) < work(&best.ladder)) {
                        best = Some(Way { level: Some(formula.to_owned()), ladder, events });
                    }
                }
                Err(error) => stuck.push((formula, error)),
            }
        }
        match best {
            Some(best) => Ok(Way { events, ..best }),
            None => Err(NoRarity::NoWay(self.no_way(&stuck))),
        }
    }

    fn no_way(&self, stuck: &[(&str, NoLadder)]) -> String {
        let property = self.property();
        match stuck {
            [] => format!("nothing in this scenario can be climbed to \"{property}\"; name a formula with --level"),
            [(formula, error)] => format!("{formula} does not lead to \"{property}\": {error}"),
            many => {
                let tried: Vec<&str> = many.iter().map(|(formula, _)| *formula).collect();
                format!(
                    "no way leads to \"{property}\" over any of {}; with --level name a formula that rises \
                     before it breaks",
                    tried.join(", ")
                )
            }
        }
    }
}

/// Watches a run of a scenario.
#[derive(Clone)]
pub struct Watcher {
    judge: ScenarioJudge,
    property: usize,
    metric: Option<usize>,
}

impl See<Msg> for Watcher {
    fn see(&mut self, step: &Step, sim: &Sim<Msg>) -> Going {
        self.judge.after(step, sim);
        if self.judge.has_broken(self.property) { Going::Happened } else { Going::On }
    }

    fn ends(&mut self, sim: &Sim<Msg>) -> Going {
        let judged = self.judge.finish(sim);
        let is_broken = judged.get(self.property).is_some_and(|judged| judged.verdict.is_failure());
        if is_broken { Going::Happened } else { Going::Over }
    }

    fn height(&self) -> f64 {
        let height = self.metric.and_then(|metric| self.judge.compared(metric));
        height.unwrap_or(f64::NEG_INFINITY)
    }
}

fn find(program: &Program, name: &str) -> Result<usize, NoRarity> {
    let names = || program.properties.iter().map(|property| property.name.as_str());
    let place = names().position(|known| known == name).ok_or_else(|| {
        let guess = did_you_mean(name, names());
        let all: Vec<String> = names().map(|name| format!("\"{name}\"")).collect();
        NoRarity::Property(format!("no property \"{name}\"{guess}; there is {}", all.join(", ")))
    })?;
    let judge = crate::judge::ScenarioJudge::new(std::sync::Arc::new(program.clone()));
    match judge.so_far().get(place) {
        Some(judged) if judged.kind == PropertyKind::Sometimes => Err(NoRarity::Property(format!(
            "\"{name}\" is seen in some run or in none, and no single run breaks it; name a property that can break"
        ))),
        _ => Ok(place),
    }
}

/// The scenario with a metric for each formula, which waits for what never comes and is kept up to date meanwhile.
fn extended(scenario: &Scenario, formulas: &[String]) -> Result<Scenario, Problems> {
    let mut document = scenario.document().to_json();
    if let Some(root) = document.as_object_mut() {
        let metrics = root.entry("metrics").or_insert_with(|| serde_json::json!({}));
        if let Some(metrics) = metrics.as_object_mut() {
            for (nth, formula) in formulas.iter().enumerate() {
                let never = format!("({formula}) > 1000000000000000");
                metrics.insert(format!("{METRIC}{nth}"), serde_json::json!({"first": never}));
            }
        }
    }
    Scenario::parse("--level", &format!("{document:#}"))
}

/// What is wrong with a formula, without the place in a file that nobody has.
fn said(problems: &Problems, level: &str) -> String {
    let about = problems.iter().find(|problem| problem.path.contains(METRIC));
    let message = about.or_else(|| problems.iter().next()).map_or("", |problem| problem.message.as_str());
    format!("--level \"{level}\": {message}")
}

/// What may rise before something breaks: what is at work and in line, requests without an outcome, answers that came
/// too late, tries.
fn candidates(program: &Program) -> Vec<String> {
    let of_node = |node: &crate::program::NodeDef| match node.role {
        Role::Workload(_) => vec![format!("{0}.requests - {0}.ok - {0}.error - {0}.unknown", node.name)],
        Role::Service(_) => vec![format!("{}.in_flight", node.name)],
        Role::Store(_) => vec![format!("{}.lock_waiters", node.name)],
        Role::Queue(_) => vec![format!("{0}.waiting + {0}.in_flight", node.name)],
    };
    let of_edge = |(from, to): &(crate::program::NodeRef, crate::program::NodeRef)| {
        let edge = format!("{}->{}", program.node(*from).name, program.node(*to).name);
        vec![format!("{edge}.late"), format!("{edge}.retries")]
    };
    program.nodes.iter().flat_map(of_node).chain(program.edges.iter().flat_map(of_edge)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, fixed_effort};
    use super::*;
    use crate::avail::Chain;
    use crate::stats::Confidence;

    /// One server at half load for ten seconds, with so many places in the line.
    fn desk(places: u32) -> Scenario {
        let text = format!(
            r#"{{"faultline": 1, "name": "desk",
             "nodes": {{"desk": {{"kind": "service", "workers": 1, "queue": {places},
                        "endpoints": {{"serve": [{{"work": {{"exponential": "100ms"}}}}]}}}}}},
             "workload": {{"door": {{"rate": "5/s", "spacing": "poisson", "for": "10s", "each": "customer",
                          "do": [{{"call": "desk.serve"}}]}}}},
             "properties": {{"nobody is turned away": {{"never": "error"}},
                             "somebody comes": {{"sometimes": "requested"}}}}}}"#
        );
        Scenario::parse("desk.json", &text).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    fn rarity(places: u32, property: &str, level: Option<&str>) -> Result<Rarity, NoRarity> {
        Rarity::of(&desk(places), &Choices::none(), &Changes::default(), property, level)
    }

    /// The chance that a queue of one server has ever been that long, by its chain.
    fn truth(places: u32) -> f64 {
        let full = places as usize + 2;
        let mut chain = Chain::new(full + 1);
        for here in 0..full {
            chain.add(here, here + 1, 5.0);
            if here > 0 {
                chain.add(here, here - 1, 10.0);
            }
        }
        chain.after(0, 10.0).expect("it is short").at[full]
    }

    fn estimate(rarity: &Rarity, replications: u64) -> (Way, Answer) {
        let way = rarity.way(&Pilot::default(), Seed(1)).unwrap_or_else(|error| panic!("{error}"));
        let start = |dice| rarity.start(dice, way.level.as_deref());
        let of = |nth| fixed_effort(&start, &way.ladder.levels, 100, Seed(1), nth);
        let all: Vec<_> = (0..replications).map(of).collect();
        let answer = Answer::of(&all, &way.ladder, Confidence::new(0.999).unwrap());
        (way, answer)
    }

    #[test]
    fn a_line_that_is_too_short_turns_somebody_away_as_seldom_as_its_chain_says() {
        for (places, level) in [(14, Some("desk.waiting")), (14, None), (18, Some("desk.in_flight + desk.waiting"))] {
            let rarity = rarity(places, "nobody is turned away", level).unwrap();
            let (way, found) = estimate(&rarity, 100);
            assert!(way.level.is_some() && way.ladder.levels.len() > 3, "{way:?}");
            let truth = truth(places);
            assert!(found.estimate.covers(truth), "{places} {level:?}: {found:?}, not {truth}");
            assert!(found.relative().unwrap() < 0.6, "{places} {level:?}: {found:?}");
        }
    }

    #[test]
    fn what_breaks_often_is_left_to_plain_runs() {
        let rarity = rarity(2, "nobody is turned away", None).unwrap();
        let (way, found) = estimate(&rarity, 50);
        assert_eq!((way.level, way.ladder.levels.len()), (None, 0));
        assert!(found.estimate.covers(truth(2)), "{found:?}, not {}", truth(2));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong =
            |property: &str, level: Option<&str>| rarity(14, property, level).map(|_| ()).unwrap_err().to_string();
        assert_eq!(
            wrong("nobody is turned awry", None),
            "no property \"nobody is turned awry\"; did you mean \"nobody is turned away\"?; there is \
             \"nobody is turned away\", \"somebody comes\""
        );
        assert!(wrong("somebody comes", None).contains("no single run breaks it"));
        let unknown = wrong("nobody is turned away", Some("desk.wating"));
        assert!(unknown.starts_with("--level \"desk.wating\": ") && unknown.contains("waiting"), "{unknown}");
        let nowhere = rarity(40, "nobody is turned away", Some("door->desk.late")).unwrap();
        let error = nowhere.way(&Pilot { runs: 20, ..Pilot::default() }, Seed(1)).unwrap_err().to_string();
        assert!(error.starts_with("door->desk.late does not lead to \"nobody is turned away\": of"), "{error}");
    }
}
